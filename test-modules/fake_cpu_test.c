// SPDX-License-Identifier: GPL-2.0
/*
 * CPU mappings of backings: of the kernel and of user space, on record like devices,
 * with the policy of the backing and no other. Devices are fake_iommu.h's.
 */

#include <kunit/static_stub.h>
#include <linux/prandom.h>

#include "fake_backing.h"
#include "ptwalk.h"
#include "user_map.h"

#ifdef HAVE_DMA_BACKING

#define N	8

static const unsigned long policies[] = {
	DMA_BACKING_CACHED, DMA_ATTR_WRITE_COMBINE, DMA_BACKING_UNCACHED,
};

static pgprot_t policy_prot(enum dma_cache_policy policy, pgprot_t prot)
{
	if (policy == DMA_CACHE_WRITE_COMBINE)
		return pgprot_writecombine(prot);
	return policy == DMA_CACHE_UNCACHED ? pgprot_dmacoherent(prot) : prot;
}

/**
 * struct request - one mmap() of a backing
 * @backing: the backing
 * @attrs: as dma_backing_mmap() takes it
 * @prot: if not 0, set before the call, as a driver may
 * @flags: of the VMA, after it
 * @ret: what it said
 */
struct request {
	struct dma_backing *backing;
	unsigned long attrs;
	pgprot_t (*prot)(pgprot_t prot);
	vm_flags_t flags;
	int ret;
};

static int request_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct request *r = file->private_data;

	if (r->prot)
		vma->vm_page_prot = r->prot(vma->vm_page_prot);
	r->ret = dma_backing_mmap(r->backing, vma, r->attrs);
	r->flags = vma->vm_flags;
	return r->ret;
}

static const struct file_operations request_fops = {
	.owner = THIS_MODULE,
	.mmap = request_mmap,
};

/* An address, or an error as one. */
static unsigned long map_as(struct kunit *test, struct request *r,
			    unsigned long first, unsigned long count,
			    unsigned long prot, unsigned long flags)
{
	unsigned long uaddr;
	struct file *file;

	r->ret = 1;
	file = anon_inode_getfile("backing", &request_fops, r,
				  prot & PROT_WRITE || flags & MAP_PRIVATE ?
				  O_RDWR : O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	uaddr = kunit_vm_mmap(test, file, 0, count << PAGE_SHIFT, prot, flags,
			      first << PAGE_SHIFT);
	KUNIT_EXPECT_LE(test, r->ret, 0);
	fput(file);
	return r->ret ? (unsigned long)r->ret : uaddr;
}

static unsigned long map(struct kunit *test, struct dma_backing *b,
			 unsigned long first, unsigned long count)
{
	struct request r = { .backing = b };

	return map_as(test, &r, first, count, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void refused(struct kunit *test, struct request *r, unsigned long first,
		    unsigned long count, int want, const char *what)
{
	unsigned int before = bk_mapper_count(r->backing);
	unsigned long uaddr;

	uaddr = map_as(test, r, first, count, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, want, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, bk_mapper_count(r->backing), before, "%s",
			    what);
	if (!IS_ERR_VALUE(uaddr))
		um_unmap(test, uaddr, count);
}

/* -- The kernel -- */

static void r000_1_one_kernel_mapping(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;
		struct bk_mappers *m;
		u8 *p, *q;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i]);
		p = dma_backing_vmap(b, policies[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(p));
		/* For all who ask. */
		q = dma_backing_vmap(b, 0);
		KUNIT_EXPECT_PTR_EQ(test, p, q);
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].kind, DMA_MAPPER_KERNEL);
		KUNIT_EXPECT_EQ(test, m->m[0].offset, 0);
		KUNIT_EXPECT_EQ(test, m->m[0].len, N * P);
		for (j = 0; j < N; j++) {
			KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(p + j * P),
					    bk_page(b, j * P));
			dt_fill(p + j * P, P, j);
		}
		dma_backing_vunmap(b);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
		KUNIT_EXPECT_EQ(test, dt_check(p, P, 0), P);
		dma_backing_vunmap(b);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		bk_expect_filled(test, b, 0);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
}

static void r000_2_kernel_asks_for_another_policy(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, P, policies[i]);
		for (j = 0; j < 2 * ARRAY_SIZE(policies); j++) {
			/* With a mapping that is there, and without. */
			if (j == ARRAY_SIZE(policies))
				KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(
						dma_backing_vmap(b, 0)));
			if (j % ARRAY_SIZE(policies) == i)
				continue;
			KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EINVAL),
					    dma_backing_vmap(b,
						policies[j % ARRAY_SIZE(policies)]));
			KUNIT_EXPECT_EQ(test, bk_mapper_count(b),
					j >= ARRAY_SIZE(policies));
		}
		KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EINVAL),
				    dma_backing_vmap(b, DMA_ATTR_MMIO));
		dma_backing_vunmap(b);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
}

static void r000_1_vmap_without_memory(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, SZ_64K, 0);
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 60; n++) {
		void *p;

		dt_fail_nth(test, n);
		p = dma_backing_vmap(b, 0);
		failed = dt_fail_stop();
		if (!IS_ERR(p)) {
			KUNIT_EXPECT_NOT_NULL(test, p);
			dma_backing_vunmap(b);
			continue;
		}
		KUNIT_EXPECT_PTR_EQ(test, p, (void *)ERR_PTR(-ENOMEM));
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		errors++;
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* -- User space -- */

static void r000_1_user_mapping(struct kunit *test)
{
	struct page **pages = dt_page_array(test, N);
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;
		struct bk_mappers *m;
		unsigned long uaddr;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i] |
			     DMA_ATTR_ALLOC_SINGLE_PAGES);
		for (j = 0; j < N; j++)
			pages[j] = bk_page(b, j * P);
		bk_fill(b, 4);
		uaddr = map(test, b, 2, 5);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].kind, DMA_MAPPER_USER);
		KUNIT_EXPECT_EQ(test, m->m[0].offset, 2 * P);
		KUNIT_EXPECT_EQ(test, m->m[0].len, 5 * P);
		um_expect(test, uaddr, 5, pages + 2,
			  policy_prot(dma_backing_policy(b), um_cached()),
			  "policy");
		/* A second one is another mapper; the first ends, it stays. */
		KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(map(test, b, 0, N)));
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
		um_unmap(test, uaddr, 5);
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].len, N * P);
	}
}

/* What user space writes is there for the kernel and the device. */
static void r004_4_user_mapping_sees_the_data(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), N * P, 0);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL), *p;
	struct dma_binding *binding;
	unsigned long uaddr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* Mapped by the CPU first, and by the device later. */
	uaddr = map(test, b, 1, N - 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	dt_fill(buf, P, 9);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)uaddr + 2 * P, buf,
					      P));
	binding = bk_bind_all(test, fake, b);
	memset(buf, 0, P);
	KUNIT_EXPECT_EQ(test, fake_dev_read(fake, dma_binding_addr(binding) +
					    3 * P, buf, P), P);
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 9), P);
	dt_fill(buf, P, 11);
	KUNIT_EXPECT_EQ(test, fake_dev_write(fake, dma_binding_addr(binding) +
					     P, buf, P), P);
	memset(buf, 0, P);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr, P));
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 11), P);
	p = dma_backing_vmap(b, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(p));
	KUNIT_EXPECT_EQ(test, dt_check(p + P, P, 11), P);
	KUNIT_EXPECT_EQ(test, dt_check(p + 3 * P, P, 9), P);
	dma_backing_vunmap(b);
}

/* munmap() of a part splits it: it is a mapper until the last piece is gone. */
static void r000_1_unmapped_in_pieces(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, N * P, 0);
	unsigned long uaddr = map(test, b, 0, N);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	um_unmap(test, uaddr + 3 * P, 2);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
	um_unmap(test, uaddr, 1);
	um_unmap(test, uaddr + 6 * P, 2);
	um_unmap(test, uaddr + 1 * P, 2);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
	um_unmap(test, uaddr + 5 * P, 1);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

static void r000_4_user_mapping_keeps_the_memory(struct kunit *test)
{
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, N, &owner);
	unsigned long uaddr = map(test, b, 0, N);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	bk_fill(b, 30);
	KUNIT_EXPECT_FALSE(test, bk_put(b));
	um_unmap(test, uaddr, N / 2);
	msleep(30);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr +
						5 * P, P));
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 35), P);
	um_unmap(test, uaddr + N / 2 * P, N / 2);
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
}

/* O_DIRECT and its like would be mappers that nobody knows. */
static void r000_1_no_references_on_pages(struct kunit *test)
{
	struct request r = { .backing = bk_alloc(test, NULL, 2 * P, 0) };
	struct page *page[2] = {};
	unsigned long uaddr;

	uaddr = map_as(test, &r, 0, 2, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	KUNIT_EXPECT_EQ(test, r.flags & (VM_IO | VM_PFNMAP | VM_DONTEXPAND),
			VM_IO | VM_PFNMAP | VM_DONTEXPAND);
	KUNIT_EXPECT_EQ(test, -EFAULT, pin_user_pages_fast(uaddr, 2, FOLL_WRITE,
							   page));
	KUNIT_EXPECT_EQ(test, -EFAULT, get_user_pages_fast(uaddr, 1, 0, page));
}

static void r000_1_what_cannot_be_mapped(struct kunit *test)
{
	struct request r = { .backing = bk_alloc(test, NULL, N * P, 0) };
	unsigned long uaddr;

	refused(test, &r, 0, N + 1, -ENXIO, "more than there is");
	refused(test, &r, N - 1, 2, -ENXIO, "across the end");
	refused(test, &r, N, 1, -ENXIO, "behind the end");
	refused(test, &r, 0x7ffff, 1, -ENXIO, "far behind the end");
	/* A copy on write would be nobody's. */
	uaddr = map_as(test, &r, 0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, (long)uaddr, -EINVAL);
	uaddr = map_as(test, &r, 0, 1, PROT_READ, MAP_PRIVATE);
	KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, -EINVAL, "mprotect() can do it");
	KUNIT_EXPECT_EQ(test, bk_mapper_count(r.backing), 0);
	/* What is only read may be. */
	uaddr = map_as(test, &r, 0, 1, PROT_READ, MAP_SHARED);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(uaddr));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(r.backing), 1);
	um_unmap(test, uaddr, 1);
	KUNIT_EXPECT_TRUE(test, bk_put(r.backing));
}

static pgprot_t noncached(pgprot_t prot)
{
	return pgprot_noncached(prot);
}

static pgprot_t writecombine(pgprot_t prot)
{
	return pgprot_writecombine(prot);
}

static pgprot_t dmacoherent(pgprot_t prot)
{
	return pgprot_dmacoherent(prot);
}

static void r000_2_user_asks_for_another_policy(struct kunit *test)
{
	static pgprot_t (*const prots[])(pgprot_t) = {
		NULL, writecombine, dmacoherent,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct request r = {};

		if (i && !bk_has_uncached())
			break;
		r.backing = bk_alloc(test, NULL, N * P, policies[i]);
		for (j = 0; j < ARRAY_SIZE(policies); j++) {
			r.attrs = policies[j];
			if (j != i)
				refused(test, &r, 0, N, -EINVAL, "attributes");
			else
				refused(test, &r, 1, N, -ENXIO, "its own");
		}
		r.attrs = DMA_ATTR_MMIO;
		refused(test, &r, 0, N, -EINVAL, "odd attributes");
		r.attrs = 0;
		/* What the driver of the file has set before. */
		for (j = 1; j < ARRAY_SIZE(prots); j++) {
			pgprot_t plain = vm_get_page_prot(VM_READ | VM_WRITE |
							  VM_SHARED);

			/* On some machines two are one. */
			if (pgprot_val(prots[j](plain)) ==
			    pgprot_val(policy_prot(dma_backing_policy(r.backing),
						   plain)))
				continue;
			r.prot = prots[j];
			refused(test, &r, 0, N, -EINVAL, "protection");
		}
		r.prot = noncached;
		refused(test, &r, 0, N, -EINVAL, "strongly ordered");
		KUNIT_EXPECT_TRUE(test, bk_put(r.backing));
	}
}

/* Each allocation on the way; what was mapped of it is unmapped. */
static void r000_1_mmap_without_memory(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, N * P,
					 DMA_ATTR_ALLOC_SINGLE_PAGES);
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 60; n++) {
		struct request r = { .backing = b };
		unsigned long uaddr;
		struct file *file;

		file = anon_inode_getfile("backing", &request_fops, &r, O_RDWR);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
		if (n == 1)
			KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
		dt_fail_nth(test, n);
		uaddr = vm_mmap(file, 0, N * P, PROT_READ | PROT_WRITE,
				MAP_SHARED, 0);
		failed = dt_fail_stop();
		fput(file);
		if (!IS_ERR_VALUE(uaddr)) {
			KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
			um_unmap(test, uaddr, N);
		} else {
			errors++;
		}
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* -- An architecture with one coherent CPU mapping -- */

static unsigned int one_mapping(struct device *dev)
{
	return 1;
}

static void r003_7_one_designated_mapping(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct request r = { .backing = bk_alloc(test, fake_device(fake), N * P,
						 0) };
	struct dma_backing *b = r.backing;
	struct dma_binding *binding;
	unsigned long uaddr;

	kunit_activate_static_stub(test, dma_backing_max_cpu_mappings,
				   one_mapping);
	/* The kernel's, which is one for all who ask. */
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	refused(test, &r, 0, N, -EBUSY, "beside the kernel's");
	dma_backing_vunmap(b);
	refused(test, &r, 0, N, -EBUSY, "beside the kernel's");
	dma_backing_vunmap(b);
	/* Or a user's, and then nobody else's. */
	uaddr = map(test, b, 0, N);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(uaddr));
	refused(test, &r, 0, 1, -EBUSY, "beside another user's");
	KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EBUSY), dma_backing_vmap(b, 0));
	/* Devices are no CPU mappings. */
	binding = bk_bind_all(test, fake, b);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
	dma_iova_unbind(binding);
	um_unmap(test, uaddr, N);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	dma_backing_vunmap(b);
}

/* -- What the page tables say, whatever is called -- */

struct seen {
	unsigned int cached;
	unsigned int uncached;
};

static void look(struct pt_walk *w, unsigned long va, unsigned long pfn,
		 bool cached)
{
	struct seen *seen = w->priv;

	if (cached)
		seen->cached++;
	else
		seen->uncached++;
}

static void expect_one_type(struct kunit *test, struct dma_backing *b,
			    struct xarray *pfns, unsigned int step)
{
	bool want = dma_backing_policy(b) == DMA_CACHE_CACHED;
	struct seen seen = {};
	struct pt_walk w = { .pfns = pfns, .found = look, .priv = &seen };

	KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
	KUNIT_EXPECT_EQ_MSG(test, want ? seen.uncached : seen.cached, 0,
			    "policy %u, step %u", dma_backing_policy(b), step);
}

/* One random call that maps or unmaps something, with random attributes. */
static void random_call(struct kunit *test, struct rnd_state *rnd,
			struct fake_dev *fake, struct dma_backing *b,
			struct dma_binding *binding, unsigned long *uaddr,
			unsigned int *vmaps)
{
	static pgprot_t (*const prots[])(pgprot_t) = {
		NULL, NULL, noncached, writecombine, dmacoherent,
	};
	unsigned long attrs[] = { 0, policies[0], policies[1], policies[2] };
	struct request r = { .backing = b };
	u32 n = prandom_u32_state(rnd);
	void *p;

	r.attrs = attrs[n / 64 % 4];
	switch (n % 6) {
	case 0:
	case 1:
		if (IS_ERR_VALUE(*uaddr)) {
			r.prot = prots[n / 256 % 5];
			*uaddr = map_as(test, &r, 0, N, PROT_READ | PROT_WRITE,
					MAP_SHARED);
		} else {
			um_unmap(test, *uaddr, N);
			*uaddr = -EINVAL;
		}
		break;
	case 2:
	case 3:
		p = dma_backing_vmap(b, r.attrs);
		*vmaps += !IS_ERR_OR_NULL(p);
		break;
	case 4:
		if (*vmaps) {
			dma_backing_vunmap(b);
			--*vmaps;
		}
		break;
	case 5:
		if (binding->mapper.backing)
			dma_iova_unbind(binding);
		else
			dma_iova_bind(fake_device(fake), binding->state,
				      binding, 0, b, 0, N * P, RV_DIR, r.attrs);
		break;
	}
}

static void r000_7_one_type_in_all_page_tables(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct rnd_state rnd;
	unsigned int i, step;

	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	prandom_seed_state(&rnd, 7);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_binding *binding = bk_binding(test);
		unsigned long uaddr = -EINVAL;
		struct dma_backing *b;
		unsigned int vmaps = 0, off;
		struct xarray pfns;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i]);
		binding->state = s;
		xa_init(&pfns);
		for (off = 0; off < N * P; off += P)
			KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&pfns,
					PHYS_PFN(bk_phys(b, off)),
					xa_mk_value(0), GFP_KERNEL)));
		for (step = 0; step < 100; step++) {
			random_call(test, &rnd, fake, b, binding, &uaddr, &vmaps);
			if (!(step % 3))
				expect_one_type(test, b, &pfns, step);
		}
		while (vmaps--)
			dma_backing_vunmap(b);
		if (!IS_ERR_VALUE(uaddr))
			um_unmap(test, uaddr, N);
		if (binding->mapper.backing)
			dma_iova_unbind(binding);
		expect_one_type(test, b, &pfns, step);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
		xa_destroy(&pfns);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_cpu_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r000_1_one_kernel_mapping),
	KUNIT_CASE(r000_2_kernel_asks_for_another_policy),
	KUNIT_CASE(r000_1_vmap_without_memory),
	KUNIT_CASE(r000_1_user_mapping),
	KUNIT_CASE(r004_4_user_mapping_sees_the_data),
	KUNIT_CASE(r000_1_unmapped_in_pieces),
	KUNIT_CASE(r000_4_user_mapping_keeps_the_memory),
	KUNIT_CASE(r000_1_no_references_on_pages),
	KUNIT_CASE(r000_1_what_cannot_be_mapped),
	KUNIT_CASE(r000_2_user_asks_for_another_policy),
	KUNIT_CASE(r000_1_mmap_without_memory),
	KUNIT_CASE(r003_7_one_designated_mapping),
	KUNIT_CASE_SLOW(r000_7_one_type_in_all_page_tables),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

#ifdef HAVE_DMA_BACKING
static int fake_cpu_suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	dt_fail_sleeping(true);
	return dt_fail_quietly(suite);
}

static void fake_cpu_suite_exit(struct kunit_suite *suite)
{
	dt_fail_sleeping(false);
	um_suite_exit();
}
#endif

static struct kunit_suite fake_cpu_suite = {
	.name = "fake_cpu_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = fake_cpu_suite_init,
	.suite_exit = fake_cpu_suite_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_cpu_cases,
};

kunit_test_suite(fake_cpu_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("CPU mappings of backings, on a fake IOMMU");
MODULE_LICENSE("GPL");
