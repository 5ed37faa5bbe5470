// SPDX-License-Identifier: GPL-2.0
/*
 * Backings as dma-bufs: what the kernel, processes and fences have of them, and how
 * CPUs and devices take turns. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include "fake_dmabuf.h"

static void r004_4_kernel_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct iosys_map map, again;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	struct db_mem *mem;
	u8 *p;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &map));
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	KUNIT_EXPECT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &again));
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, again.vaddr);
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, dma_backing_vmap(backing, 0));
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_KERNEL);
	p = map.vaddr;
	memset(p + 3 * P, 0x5a, P);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(page_address(mem->page[3]), 0x5a, P));
	dma_buf_vunmap_unlocked(dmabuf, &again);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	db_expect_mappers(test, backing, 1);
	dma_backing_vunmap(backing);
	db_expect_mappers(test, backing, 0);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static unsigned long map_user(struct kunit *test, struct dma_buf *dmabuf,
			      unsigned long first, unsigned long count,
			      unsigned long flags)
{
	return kunit_vm_mmap(test, dmabuf->file, 0, count * P,
			     PROT_READ | PROT_WRITE, flags, first * P);
}

static void r004_4_user_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	unsigned long u;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	u = map_user(test, dmabuf, 2, 3, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(u));
	um_expect(test, u, 3, mem->page + 2, um_cached(), "pages 2 to 4");
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_USER);
	KUNIT_EXPECT_EQ(test, seen.m[0].offset, 2 * P);
	KUNIT_EXPECT_EQ(test, seen.m[0].len, 3 * P);

	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0, 1,
						      MAP_PRIVATE));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0,
						      DB_PAGES + 1, MAP_SHARED));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, DB_PAGES, 1,
						      MAP_SHARED));
	db_expect_mappers(test, backing, 1);

	/* It alone keeps the memory now. */
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_alive(test, mem);
	um_unmap(test, u, 3);
	db_expect_freed(test, mem);
}

/* Turns of the CPU and of a device that does not look into the caches. */
static void expect_turns(struct kunit *test, struct dma_backing *backing,
			 unsigned long cleaned, unsigned long invalidated,
			 const char *what)
{
	KUNIT_EXPECT_EQ_MSG(test, backing->cleaned, cleaned, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, backing->invalidated, invalidated, "%s", what);
}

static int begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_begin_cpu_access(dmabuf, dir);
}

static int end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_end_cpu_access(dmabuf, dir);
}

static struct fake_dev *no_snooping(struct kunit *test, bool untranslated)
{
	struct fake_dev *fake = db_dev(test, untranslated, false);

	if (dev_is_dma_coherent(fake_device(fake)))
		kunit_skip(test, "all devices are coherent here");
	return fake;
}

static void take_turns(struct kunit *test, struct fake_dev *fake)
{
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	unsigned int i;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	/* What the CPU wrote before anybody asked. */
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 0, "the first map");
	db_unmap(a, sgt);
	/* From device to device nothing is done. */
	for (i = 0; i < 3; i++) {
		sgt = db_map(test, a, BOTH);
		db_unmap(a, sgt);
	}
	expect_turns(test, backing, 1, 0, "device to device");
	/* It wrote, and is gone. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 1, 1, "the CPU reads");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 1, "it has read");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	expect_turns(test, backing, 1, 2, "the CPU writes");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	expect_turns(test, backing, 2, 2, "it has written");
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static void r004_8_turns(struct kunit *test)
{
	take_turns(test, no_snooping(test, false));
}

static void r004_8_turns_without_iommu(struct kunit *test)
{
	take_turns(test, no_snooping(test, true));
}

/* A process that never says that it is done, or never that it begins. */
static void r004_8_turns_not_in_pairs(struct kunit *test)
{
	struct fake_dev *fake = no_snooping(test, false);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	/* It dies with its access open: the device gets what it wrote. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 1);
	expect_turns(test, backing, 0, 0, "open");
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 1, "mapped while open");
	/* Whoever looks next sees what the device wrote. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 2, 2, "begun again");
	db_unmap(a, sgt);
	expect_turns(test, backing, 2, 3, "unmapped while open");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);

	/* Ends alone: what was written goes to the device nevertheless. */
	sgt = db_map(test, a, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);
	KUNIT_EXPECT_TRUE(test, backing->device_side);
	expect_turns(test, backing, 3, 3, "an end alone");
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);

	/* The dma-buf goes with its access; others can go on. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	dma_buf_put(dmabuf);
	flush_delayed_fput();
	msleep(40);
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);
	dma_backing_put(backing);
	db_expect_freed(test, mem);
}

/* Somebody else hands it over at this moment: "try again". */
static void r004_8_handed_over_elsewhere(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, end(dmabuf, BOTH));
	sgt = dma_buf_map_attachment_unlocked(a, BOTH);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), -EBUSY);
	backing->crossing = false;
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);

	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, end(dmabuf, BOTH));
	backing->crossing = false;
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 1);
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	db_expect_mappers(test, backing, 0);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* Other people's fences stay, and there are none of ours. */
static void r004_4_fences_are_left_alone(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	struct dma_fence *fence = dma_fence_allocate_private_stub(ktime_get());

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dmabuf = db_make(test, &mem, 2);
	a = db_attach(test, dmabuf, fake);
	dma_resv_lock(dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(dmabuf->resv, 1));
	dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(dmabuf->resv);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	sgt = db_map(test, a, BOTH);
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
	msleep(40);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}

static struct kunit_case fake_dmabuf_cpu_cases[] = {
	KUNIT_CASE(r004_4_kernel_mapping),
	KUNIT_CASE(r004_4_user_mapping),
	KUNIT_CASE(r004_8_turns),
	KUNIT_CASE(r004_8_turns_without_iommu),
	KUNIT_CASE(r004_8_turns_not_in_pairs),
	KUNIT_CASE(r004_8_handed_over_elsewhere),
	KUNIT_CASE(r004_4_fences_are_left_alone),
	{}
};

static struct kunit_suite fake_dmabuf_cpu_suite = {
	.name = "fake_dmabuf_cpu_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_dmabuf_cpu_cases,
};

kunit_test_suite(fake_dmabuf_cpu_suite);

MODULE_DESCRIPTION("Backings as dma-bufs, for CPUs");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
