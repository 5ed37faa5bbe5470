// SPDX-License-Identifier: GPL-2.0
/*
 * Which spaces can be made, and which addresses they have, on devices that can be
 * told to be difficult (fake_iommu.h).
 */

#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

static void create_refuses(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	static const struct { u64 first, last; long want; } t[] = {
		{ SZ_16M, SZ_16M - 1, -EINVAL },
		{ SZ_16M, 0, -EINVAL },
		{ SZ_16M, SZ_16M + 0xffe, -EINVAL },	/* a byte short */
		{ SZ_16M + 1, SZ_16M + 0x1ffe, -EINVAL }, /* no whole page */
		{ 0, 0xfff, -EINVAL },		/* page 0 is no page */
		{ 0, 0x1ffe, -EINVAL },
		{ 0xfff, 0x1000, -EINVAL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct dma_space *space;

		space = dma_space_create(dev, t[i].first, t[i].last);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(space), t[i].want,
				    "[%#llx, %#llx]", t[i].first, t[i].last);
		if (!IS_ERR(space))
			dma_space_put(space);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains),
			fk(test)->domains[0] + 1);
}

static void create_beyond_unsigned_long(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	if (sizeof(dma_addr_t) == sizeof(long))
		kunit_skip(test, "a DMA address fits into unsigned long here");
	space = dma_space_create(fake_device(fake), (dma_addr_t)ULONG_MAX + 1,
				 (dma_addr_t)ULONG_MAX + SZ_1M);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -ERANGE);
	if (!IS_ERR(space))
		dma_space_put(space);

	/* The end is cut off, and that is all. */
	space = create(test, fake, (dma_addr_t)ULONG_MAX - SZ_1M + 1,
		       (dma_addr_t)ULONG_MAX + SZ_16M);
	attach(test, space, fake);
	fk_check_window(test, &way_page, (u64)ULONG_MAX - SZ_1M + 1, ULONG_MAX,
			0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void create_within_the_aperture(struct kunit *test)
{
	struct fake_iommu *iommu = fake_iommu(0);
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	iommu->aperture_start = SZ_64M;
	iommu->aperture_end = SZ_128M - 1;
	space = dma_space_create(fake_device(fake), SZ_16M, SZ_64M - 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -EINVAL);
	space = dma_space_create(fake_device(fake), SZ_128M, SZ_256M);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -EINVAL);

	space = create(test, fake, SZ_128M - SZ_1M, SZ_128M - 1);
	attach(test, space, fake);
	fk_check_window(test, &way_page, SZ_128M - SZ_1M, SZ_128M - 1, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);

	/* Partly outside: an error, or no address outside (see fk_exit()). */
	space = dma_space_create(fake_device(fake), SZ_64M - SZ_1M,
				 SZ_64M + SZ_1M - 1);
	if (IS_ERR(space)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(space), -EINVAL);
		return;
	}
	attach(test, space, fake);
	fk_check_window(test, &way_page, SZ_64M, SZ_64M + SZ_1M - 1, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void create_needs_paging_domains(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	fake_iommu(0)->no_paging = true;
	space = dma_space_create(fake_device(fake), FIRST, LAST);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -EOPNOTSUPP);
	fake_iommu(0)->no_paging = false;
	fk_expect_data(test, fake, 1);
}

static const struct dma_map_ops no_ops;

/* Xen, for one, has operations of its own. */
static void own_operations_are_refused(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "no device has such operations here");
	set_dma_ops(fake_device(b), &no_ops);
	space = dma_space_create(fake_device(b), FIRST, LAST);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -EOPNOTSUPP);
	space = create(test, a, FIRST, LAST);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)),
			-EOPNOTSUPP);
	KUNIT_EXPECT_PTR_EQ(test, get_dma_ops(fake_device(b)), &no_ops);
	set_dma_ops(fake_device(b), NULL);
	dma_space_put(space);
}

static void restricted_pools_are_refused(struct kunit *test)
{
#ifdef CONFIG_DMA_RESTRICTED_POOL
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct fake_dev *c = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct io_tlb_mem pool = { .for_alloc = true }, *old;
	struct fake_dev *const two[] = { b, c };
	struct dma_space *space;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		old = fake_device(two[i])->dma_io_tlb_mem;
		fake_device(two[i])->dma_io_tlb_mem = &pool;
		space = dma_space_create(fake_device(two[i]), FIRST, LAST);
		KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(space), -EOPNOTSUPP);
		space = create(test, a, FIRST, LAST);
		KUNIT_EXPECT_EQ(test, dma_space_attach(space,
						       fake_device(two[i])),
				-EOPNOTSUPP);
		dma_space_put(space);
		fake_device(two[i])->dma_io_tlb_mem = old;
	}
#else
	kunit_skip(test, "needs CONFIG_DMA_RESTRICTED_POOL");
#endif
}

/* [first, last] and not a page more or less, whichever call asks. */
static void window_holds_for_every_call(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	unsigned int i;

	attach(test, space, fake);
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		fk_check_window(test, ways[i], FIRST, LAST, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void odd_windows(struct kunit *test)
{
	static const struct { u64 first, last; } t[] = {
		{ 0, SZ_1M - 1 },			/* but not page 0 */
		{ 0, 0x1fff },				/* one page */
		{ 1, 0x2000 },				/* likewise */
		{ 0x1000, 0x1fff },
		{ SZ_16M + 1, SZ_16M + SZ_1M },		/* rounded inwards */
		{ SZ_16M - 0xfff, SZ_16M + 0x1ffe },
		{ 0xffffe000, 0xfffffffe },
		{ 0xfff00000, 0xffffffff },
	};
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct dma_space *space;

		space = dma_space_create(fake_device(fake), t[i].first,
					 t[i].last);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(space), 0,
				    "[%#llx, %#llx]", t[i].first, t[i].last);
		if (IS_ERR(space))
			continue;
		attach(test, space, fake);
		fk_check_window(test, &way_page, t[i].first, t[i].last, 0, 0);
		dma_space_detach(fake_device(fake));
		dma_space_put(space);
	}
}

/* The last page of 4 GiB is nobody's on a 32-bit kernel: alone it is nothing. */
static void last_page_alone(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	if (IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "the last page of 4 GiB is a page as any other");
	space = dma_space_create(fake_device(fake), 0xfffff000, 0xffffffff);
	if (IS_ERR(space)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(space), -EINVAL);
		return;
	}
	attach(test, space, fake);
	fk_check_window(test, &way_page, 0xfffff000, 0xffffffff, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void whole_4g(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, 0, U32_MAX);

	attach(test, space, fake);
	fk_check_window(test, &way_page, 0, U32_MAX, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

/* IOMMU pages larger than the CPU's: contract is a page of the IOMMU's. */
static void window_of_large_pages(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space;

	fake_iommu(0)->pgsizes = SZ_64K | SZ_2M;
	space = dma_space_create(fake_device(fake), SZ_16M + SZ_4K,
				 SZ_16M + SZ_4K + SZ_64K - 1);
	KUNIT_EXPECT_TRUE(test, IS_ERR(space));
	if (!IS_ERR(space))
		dma_space_put(space);
	space = dma_space_create(fake_device(fake), 0, SZ_64K - 1);
	KUNIT_EXPECT_TRUE(test, IS_ERR(space));
	if (!IS_ERR(space))
		dma_space_put(space);
}

static void masks_are_each_devices_own(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, 0, U32_MAX);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t addr;

	attach(test, space, a);
	attach(test, space, b);
	/* Nothing was freed yet: what the caches have can be at any address */
	addr = fk_map(test, a, page);
	KUNIT_EXPECT_GT(test, addr, SZ_4M);
	KUNIT_EXPECT_EQ(test, 0, dma_set_mask_and_coherent(fake_device(b),
							   DMA_BIT_MASK(22)));
	fk_check_window(test, &way_page, 0, SZ_4M - 1, 0, 0);
	fk_check_window(test, &way_coherent, 0, SZ_4M - 1, 0, 0);
	fk_unmap(a, addr);
	dma_space_detach(fake_device(a));
	dma_space_detach(fake_device(b));
	dma_space_put(space);
}

/* A coherent master's mappings snoop, another's do not. */
static void coherency_of_mappings(struct kunit *test)
{
	unsigned int coherent;

	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *a = fk_dev(test, &(struct fake_config){
						.coherent = coherent });
		struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
		struct dma_space *space = create(test, a, FIRST, LAST);
		dma_addr_t addr;

		attach(test, space, a);
		addr = fk_map(test, a, page);
		KUNIT_EXPECT_EQ(test, fake_dev_prot(a, addr),
				IOMMU_READ | IOMMU_WRITE |
				(coherent ? IOMMU_CACHE : 0));
		fk_unmap(a, addr);
		dma_space_detach(fake_device(a));
		dma_space_put(space);
	}
}
#endif /* HAVE_DMA_SPACE */

static struct kunit_case fake_space_cases[] = {
#ifdef HAVE_DMA_SPACE
	KUNIT_CASE(create_refuses),
	KUNIT_CASE(create_beyond_unsigned_long),
	KUNIT_CASE(create_within_the_aperture),
	KUNIT_CASE(create_needs_paging_domains),
	KUNIT_CASE(own_operations_are_refused),
	KUNIT_CASE(restricted_pools_are_refused),
	KUNIT_CASE(window_holds_for_every_call),
	KUNIT_CASE(odd_windows),
	KUNIT_CASE(last_page_alone),
	KUNIT_CASE_SLOW(whole_4g),
	KUNIT_CASE(window_of_large_pages),
	KUNIT_CASE(masks_are_each_devices_own),
	KUNIT_CASE(coherency_of_mappings),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite fake_space_suite = {
	.name = "fake_space_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_space_cases,
};

kunit_test_suite(fake_space_suite);

MODULE_DESCRIPTION("Address spaces that devices share, on a fake IOMMU");
MODULE_LICENSE("GPL");
