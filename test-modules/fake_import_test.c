// SPDX-License-Identifier: GPL-2.0
/*
 * Dma-bufs as backings: our own become what they were made of, anybody else's are
 * mapped by their exporter. Here that is one that does as it is told. On devices
 * that can be told to be difficult (fake_iommu.h).
 */

#include <linux/dma-backing-ops.h>
#if __has_include(<linux/dma-batch.h>)
#define HAVE_DMA_BATCH
#include <linux/dma-batch.h>
#endif

#include "fake_exporter.h"

static struct fake_dev *device(struct kunit *test)
{
	return db_dev(test, false, true);
}

/* -- Our own -- */

static void r001_4_our_own_is_the_same_again(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct dma_buf *one, *two;
	struct dma_backing *backing;
	struct db_mem *mem;
	unsigned int tries;

	backing = db_wrap(test, &mem, 2);
	one = db_export(test, backing);
	two = db_export(test, backing);
	KUNIT_EXPECT_PTR_NE(test, one, two);
	KUNIT_EXPECT_PTR_EQ(test, backing, dma_backing_import(one, NULL));
	KUNIT_EXPECT_PTR_EQ(test, backing,
			    dma_backing_import(two, fake_device(fake)));
	KUNIT_EXPECT_EQ(test, kref_read(&backing->ref), 5);
	dma_buf_put(one);
	dma_buf_put(two);
	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	for (tries = 0; tries < 100 && kref_read(&backing->ref) > 1; tries++)
		msleep(20);
	db_expect_alive(test, mem);
	/* An importer's is the last. */
	KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
	KUNIT_EXPECT_EQ(test, atomic_read(&mem->freed), 1);
}

/* One that binds and one that maps: the same call, and the same memory. */
static void r001_4_binding_what_was_imported(struct kunit *test)
{
	struct fake_dev *one = device(test), *two = device(test);
	struct dma_binding binding = {};
	struct dma_buf_attachment *a;
	struct dma_iova_state state;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	dma_addr_t addr;
	u8 c = 0x42;

	dmabuf = db_make(test, &mem, 2);
	backing = dma_backing_import(dmabuf, fake_device(one));
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(fake_device(one), &state, 2 * P, 0, 0,
					    0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_bind(fake_device(one), &state, &binding,
					       0, backing, P, 2 * P, BOTH, 0));
	a = db_attach(test, dmabuf, two);
	sgt = db_map(test, a, BOTH);
	db_expect_mappers(test, backing, 2);
	addr = dma_binding_addr(&binding);
	KUNIT_EXPECT_EQ(test, fake_dev_write(one, addr + 5, &c, 1), 1);
	c = 0;
	KUNIT_EXPECT_EQ(test, fake_dev_read(two, sg_dma_address(sgt->sgl) + P + 5,
					    &c, 1), 1);
	KUNIT_EXPECT_EQ(test, c, 0x42);
	KUNIT_EXPECT_EQ(test, sg_dma_address(sgt->sgl) + P + 5,
			dma_backing_translate(backing, fake_device(one), addr + 5,
					      fake_device(two)));
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_buf_put(dmabuf);
	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	/* The device is the last that has it. */
	db_expect_alive(test, mem);
	dma_iova_unbind(&binding);
	dma_iova_free(fake_device(one), &state);
	db_expect_freed(test, mem);
}

/* -- Somebody else's -- */

static int bind(struct fake_dev *fake, struct dma_backing *backing,
		struct dma_binding *binding, size_t boff, size_t len)
{
	return dma_iova_bind(fake_device(fake), NULL, binding, 0, backing, boff,
			     len, DMA_FROM_DEVICE, 0);
}

static void r004_8_bound_by_its_exporter(struct kunit *test)
{
	struct fake_dev *one = device(test), *two = db_dev(test, true, true);
	struct dma_binding b1 = {}, b2 = {};
	struct dma_backing *backing;
	struct db_seen seen;
	struct fx *fx;

	backing = fx_import(test, &fx, &fx_ops);
	KUNIT_EXPECT_TRUE(test, dma_backing_is_foreign(backing));
	KUNIT_EXPECT_EQ(test, 0, bind(one, backing, &b1, 0, FX_SIZE));
	KUNIT_EXPECT_EQ(test, dma_binding_addr(&b1), FX_ADDR);
	KUNIT_EXPECT_EQ(test, fx->dir, DMA_FROM_DEVICE);
	fx->addr[0] = FX_ADDR * 2;
	KUNIT_EXPECT_EQ(test, 0, bind(two, backing, &b2, P, 2 * P));
	KUNIT_EXPECT_EQ(test, dma_binding_addr(&b2), FX_ADDR * 2 + P);
	KUNIT_EXPECT_EQ(test, fx->attached, 2);
	KUNIT_EXPECT_EQ(test, fx->maps, 2);
	/* Nothing of it was done here. */
	KUNIT_EXPECT_EQ(test, atomic_read(&one->iommu->maps), 0);

	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 2);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_FOREIGN);
	KUNIT_EXPECT_EQ(test, seen.m[1].kind, DMA_MAPPER_FOREIGN);
	KUNIT_EXPECT_EQ(test, seen.m[1].offset, P);
	KUNIT_EXPECT_EQ(test, seen.m[1].len, 2 * P);
	KUNIT_EXPECT_EQ(test, FX_ADDR * 2 + P + 7,
			dma_backing_translate(backing, fake_device(one),
					      FX_ADDR + P + 7, fake_device(two)));
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_backing_translate(backing, fake_device(one), FX_ADDR,
					      fake_device(two)));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(&b1));

	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	dma_iova_unbind(&b1);
	KUNIT_EXPECT_EQ(test, dma_binding_addr(&b1), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, fx->attached, 1);
	msleep(40);
	KUNIT_EXPECT_FALSE(test, fx->released);
	dma_iova_unbind(&b2);
	fx_expect_released(test, fx);
}

#ifdef HAVE_DMA_BATCH
/* A batch would have to reserve where only the exporter can map. */
static void r004_8_not_in_a_batch(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct dma_iova_request req = { .size = FX_SIZE };
	struct dma_bind_batch batch;
	struct dma_bind_entry entry;
	struct dma_backing *backing;
	struct fx *fx;

	backing = fx_import(test, &fx, &fx_ops);
	dma_bind_batch_init(&batch);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_bind_batch_add(&batch, &entry, fake_device(fake),
					   &req, backing, 0, FX_SIZE,
					   DMA_FROM_DEVICE, 0));
	/* It is not in there. */
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch, 0));
	dma_bind_batch_undo(&batch);
	KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
	fx_expect_released(test, fx);
}
#endif

static void r004_8_only_what_is_contiguous(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct dma_binding b = {};
	struct dma_backing *backing;
	struct fx *fx;
	unsigned int i, j;

	backing = fx_import(test, &fx, &fx_ops);
	/* Pages 0-1 and 2 touch, 3-5 do not. */
	fx->len[0] = 2 * P;
	fx->len[1] = P;
	fx->addr[1] = FX_ADDR + 2 * P;
	fx->len[2] = 3 * P;
	fx->addr[2] = FX_ADDR + 4 * P;
	for (i = 0; i < DB_PAGES; i++) {
		for (j = i; j < DB_PAGES; j++) {
			bool fits = j < 3 || i >= 3;
			int ret = bind(fake, backing, &b, i * P, (j - i + 1) * P);

			KUNIT_EXPECT_EQ_MSG(test, ret, fits ? 0 : -EOPNOTSUPP,
					    "pages %u to %u", i, j);
			if (ret)
				continue;
			KUNIT_EXPECT_EQ(test, dma_binding_addr(&b),
					FX_ADDR + (i < 3 ? i : i + 1) * P);
			dma_iova_unbind(&b);
		}
	}
	KUNIT_EXPECT_EQ(test, fx->attached, 0);
	/* It maps less than it has. */
	fx->len[2] = 2 * P;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, bind(fake, backing, &b, 3 * P, 3 * P));
	KUNIT_EXPECT_EQ(test, 0, bind(fake, backing, &b, 3 * P, 2 * P));
	dma_iova_unbind(&b);
	KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
	fx_expect_released(test, fx);
}

static void r004_8_errors_of_the_exporter(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct dma_backing *backing, *none;
	struct dma_binding b = {};
	struct dma_buf *dmabuf;
	struct fx *fx;

	dmabuf = fx_export(test, &fx, &fx_ops, FX_SIZE);
	fx->fail_attach = -EBUSY;
	none = dma_backing_import(dmabuf, fake_device(fake));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(none), -EBUSY);
	backing = dma_backing_import(dmabuf, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	KUNIT_EXPECT_EQ(test, -EBUSY, bind(fake, backing, &b, 0, P));
	fx->fail_attach = 0;
	fx->fail_map = -EPERM;
	KUNIT_EXPECT_EQ(test, -EPERM, bind(fake, backing, &b, 0, P));
	KUNIT_EXPECT_EQ(test, fx->attached, 0);
	fx->fail_map = 0;
	KUNIT_EXPECT_EQ(test, 0, bind(fake, backing, &b, 0, P));
	dma_iova_unbind(&b);
	db_expect_mappers(test, backing, 0);
	dma_backing_put(backing);
	backing = dma_backing_import(dmabuf, fake_device(fake));
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	KUNIT_EXPECT_EQ(test, fx->attached, 0);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	fx_expect_released(test, fx);
}

static void r004_8_not_whole_pages(struct kunit *test)
{
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct fx *fx;

	dmabuf = fx_export(test, &fx, &fx_ops, FX_SIZE - 100);
	backing = dma_backing_import(dmabuf, NULL);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(backing), -EINVAL);
	dma_buf_put(dmabuf);
	fx_expect_released(test, fx);
}

static void r004_8_wrong_arguments(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct device *dev = fake_device(fake);
	struct dma_binding b = {}, other = {};
	struct dma_backing *backing, *ours;
	struct dma_iova_state state;
	struct db_mem *mem;
	struct fx *fx;

	backing = fx_import(test, &fx, &fx_ops);
	ours = db_wrap(test, &mem, 1);
	KUNIT_EXPECT_EQ(test, -EINVAL, bind(fake, ours, &b, 0, P));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EINVAL,
				       bind(fake, backing, &b, P, FX_SIZE)));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EINVAL,
				       bind(fake, backing, &b, 0, 0)));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EINVAL,
				       bind(fake, backing, &b, 100, P)));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EINVAL,
				       bind(fake, backing, &b, 0, 100)));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_iova_bind(dev, NULL, &b, 0, backing, 0, P, DMA_NONE,
				      0)));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_iova_bind(dev, NULL, &b, 0, backing, 0, P, BOTH,
				      DMA_BACKING_CACHED));
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &state, P, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_iova_bind(dev, &state, &b, 0, backing, 0, P, BOTH, 0));
	dma_iova_free(dev, &state);
	KUNIT_EXPECT_EQ(test, fx->maps, 0);

	KUNIT_EXPECT_EQ(test, 0, bind(fake, backing, &b, 0, P));
	RV_WARNS(test, KUNIT_EXPECT_EQ(test, -EBUSY,
				       bind(fake, backing, &b, 0, P)));
	KUNIT_EXPECT_EQ(test, 0, bind(fake, backing, &other, 0, P));
	dma_iova_unbind(&other);
	dma_iova_unbind(&b);
	dma_backing_put(backing);
	dma_backing_put(ours);
	fx_expect_released(test, fx);
}

static int never(phys_addr_t phys, size_t len, void *data)
{
	return 1;
}

static int never_a_mapper(const struct dma_mapper *mapper, void *data)
{
	return 1;
}

static void r004_8_its_memory_is_not_known(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	struct dma_backing *backing;
	struct dma_backing_sgt list;
	struct dma_buf *dmabuf;
	struct sg_table sgt;
	struct fx *fx;

	backing = fx_import(test, &fx, &fx_ops);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_backing_for_each_chunk(backing, 0, P, never, NULL));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_backing_get_sgtable(backing, &sgt, 0, P));
	KUNIT_EXPECT_EQ(test, -ENOENT,
			dma_backing_for_each_mapper_of(backing,
					page_to_phys(fx->mem), never_a_mapper,
					NULL));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_backing_sgt_init(&list, fake_device(fake), backing));
	dmabuf = dma_backing_export(backing, O_RDWR);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(dmabuf), -EOPNOTSUPP);
	dma_backing_put(backing);
	fx_expect_released(test, fx);
}

static void expect_no_vmap(struct kunit *test, struct dma_backing *backing,
			   unsigned long attrs, const char *what)
{
	void *vaddr = dma_backing_vmap(backing, attrs);

	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(vaddr), -EOPNOTSUPP, "%s", what);
	if (!IS_ERR(vaddr))
		dma_backing_vunmap(backing);
}

static void r004_8_mapped_by_the_kernel(struct kunit *test)
{
	struct dma_backing *backing, *poor;
	struct fx *fx, *poor_fx;

	poor = fx_import(test, &poor_fx, &fx_poor_ops);
	expect_no_vmap(test, poor, 0, "its exporter cannot");
	dma_backing_put(poor);
	fx_expect_released(test, poor_fx);

	backing = fx_import(test, &fx, &fx_ops);
	expect_no_vmap(test, backing, DMA_BACKING_CACHED, "a policy");
	fx->iomem = true;
	expect_no_vmap(test, backing, 0, "no memory");
	KUNIT_EXPECT_EQ(test, fx->vmaps, 0);
	fx->iomem = false;
	KUNIT_EXPECT_PTR_EQ(test, dma_backing_vmap(backing, 0),
			    page_address(fx->mem));
	KUNIT_EXPECT_PTR_EQ(test, dma_backing_vmap(backing, 0),
			    page_address(fx->mem));
	KUNIT_EXPECT_EQ(test, fx->vmaps, 1);
	dma_backing_vunmap(backing);
	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	KUNIT_EXPECT_EQ(test, fx->vmaps, 1);
	msleep(40);
	KUNIT_EXPECT_FALSE(test, fx->released);
	dma_backing_vunmap(backing);
	fx_expect_released(test, fx);
}

static int do_mmap_backing(struct vm_area_struct *vma, void *data)
{
	return dma_backing_mmap(data, vma, 0);
}

static int do_mmap_cached(struct vm_area_struct *vma, void *data)
{
	return dma_backing_mmap(data, vma, DMA_BACKING_CACHED);
}

static void expect_no_mmap(struct kunit *test, struct um_request *r,
			   unsigned long first, unsigned long count, int want)
{
	unsigned long u = um_map(test, r, first, count);

	KUNIT_EXPECT_EQ_MSG(test, (long)u, want, "pages %lu+%lu", first, count);
	if (!IS_ERR_VALUE(u))
		um_unmap(test, u, count);
}

static void r004_8_mapped_by_a_process(struct kunit *test)
{
	struct dma_backing *backing, *poor;
	struct page *pages[DB_PAGES];
	struct fx *fx, *poor_fx;
	struct um_request r = {};
	struct file *file;
	unsigned long u;
	unsigned int i;

	poor = fx_import(test, &poor_fx, &fx_poor_ops);
	r.mmap = do_mmap_backing;
	r.data = poor;
	expect_no_mmap(test, &r, 0, 1, -EOPNOTSUPP);
	dma_backing_put(poor);
	fx_expect_released(test, poor_fx);

	backing = fx_import(test, &fx, &fx_ops);
	for (i = 0; i < DB_PAGES; i++)
		pages[i] = fx->mem + i;
	r.data = backing;
	expect_no_mmap(test, &r, 0, DB_PAGES + 1, -ENXIO);
	expect_no_mmap(test, &r, DB_PAGES, 1, -ENXIO);
	r.mmap = do_mmap_cached;
	expect_no_mmap(test, &r, 0, 1, -EOPNOTSUPP);
	r.mmap = do_mmap_backing;
	file = anon_inode_getfile("user_map", &um_fops, &r, O_RDWR);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			(long)kunit_vm_mmap(test, file, 0, P,
					    PROT_READ | PROT_WRITE, MAP_PRIVATE,
					    0));
	fput(file);
	u = um_map(test, &r, 2, 3);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(u));
	um_expect(test, u, 3, pages + 2, um_cached(), "pages 2 to 4");
	/* It has the dma-buf itself, which is its exporter's to know. */
	KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
	msleep(40);
	KUNIT_EXPECT_FALSE(test, fx->released);
	um_unmap(test, u, 3);
	fx_expect_released(test, fx);
}

static void r004_8_looked_at_by_the_cpu(struct kunit *test)
{
	struct dma_backing *backing, *poor;
	struct fx *fx, *poor_fx;

	backing = fx_import(test, &fx, &fx_ops);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing,
							      DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, fx->accesses, 1);
	KUNIT_EXPECT_EQ(test, fx->dir, DMA_TO_DEVICE);
	fx->fail_access = -EINTR;
	KUNIT_EXPECT_EQ(test, -EINTR,
			dma_backing_end_cpu_access(backing, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, -EINTR,
			dma_backing_begin_cpu_access(backing, BOTH));
	fx->fail_access = 0;
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, BOTH));
	KUNIT_EXPECT_EQ(test, fx->accesses, 0);
	dma_backing_put(backing);
	fx_expect_released(test, fx);

	/* Who does nothing has nothing to do. */
	poor = fx_import(test, &poor_fx, &fx_poor_ops);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(poor, BOTH));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(poor, BOTH));
	dma_backing_put(poor);
	fx_expect_released(test, poor_fx);
}

static void r004_8_import_without_memory(struct kunit *test)
{
	struct fake_dev *fake = device(test);
	unsigned int n, errors = 0;
	struct dma_buf *dmabuf;
	bool failed = true;
	struct fx *fx;

	dmabuf = fx_export(test, &fx, &fx_ops, FX_SIZE);
	for (n = 1; failed && n < 50; n++) {
		struct dma_backing *backing;
		struct dma_binding b = {};
		int ret;

		dt_fail_nth(test, n);
		backing = dma_backing_import(dmabuf, fake_device(fake));
		ret = PTR_ERR_OR_ZERO(backing);
		if (!ret)
			ret = bind(fake, backing, &b, 0, FX_SIZE);
		failed = dt_fail_stop();
		KUNIT_EXPECT_EQ(test, ret, failed ? -ENOMEM : 0);
		errors += !!ret;
		if (!ret)
			dma_iova_unbind(&b);
		if (!IS_ERR(backing))
			dma_backing_put(backing);
		KUNIT_EXPECT_EQ(test, fx->attached, 0);
		KUNIT_EXPECT_EQ(test, fx->maps, 0);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GE(test, errors, 4);
	dma_buf_put(dmabuf);
	fx_expect_released(test, fx);
}

static struct kunit_case fake_import_cases[] = {
	KUNIT_CASE(r001_4_our_own_is_the_same_again),
	KUNIT_CASE(r001_4_binding_what_was_imported),
	KUNIT_CASE(r004_8_bound_by_its_exporter),
#ifdef HAVE_DMA_BATCH
	KUNIT_CASE(r004_8_not_in_a_batch),
#endif
	KUNIT_CASE(r004_8_only_what_is_contiguous),
	KUNIT_CASE(r004_8_errors_of_the_exporter),
	KUNIT_CASE(r004_8_not_whole_pages),
	KUNIT_CASE(r004_8_wrong_arguments),
	KUNIT_CASE(r004_8_its_memory_is_not_known),
	KUNIT_CASE(r004_8_mapped_by_the_kernel),
	KUNIT_CASE(r004_8_mapped_by_a_process),
	KUNIT_CASE(r004_8_looked_at_by_the_cpu),
	KUNIT_CASE(r004_8_import_without_memory),
	{}
};

static struct kunit_suite fake_import_suite = {
	.name = "fake_import_test",
	.suite_init = db_suite_init,
	.suite_exit = db_suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_import_cases,
};

kunit_test_suite(fake_import_suite);

MODULE_DESCRIPTION("Dma-bufs as backings");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
