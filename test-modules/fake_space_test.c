// SPDX-License-Identifier: GPL-2.0
/*
 * Which addresses a space has, and what a further device brings with it, on
 * devices that can be told to be difficult (fake_iommu.h).
 */

#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

static const struct way *const ways[] = {
	&way_single, &way_page, &way_sg, &way_coherent, &way_pages,
	&way_noncontiguous, &way_iova,
};

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

static void creator_has_regions(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &with_region);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	unsigned int i;

	attach(test, space, fake);
	for (i = 0; i < ARRAY_SIZE(ways); i++)
		fk_check_window(test, ways[i], FIRST, LAST, HOLE,
				HOLE + SZ_256K - 1);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void further_device_has_regions(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &with_region);
	struct dma_space *space = create(test, a, FIRST, LAST);

	attach(test, space, a);
	/* All of it was used once, so the caches hold addresses of the hole. */
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	attach(test, space, b);
	fk_check_window(test, &way_page, FIRST, LAST, HOLE, HOLE + SZ_256K - 1);
	fk(test)->dt.dev = fake_device(b);
	fk_check_window(test, &way_coherent, FIRST, LAST, HOLE,
			HOLE + SZ_256K - 1);
	dma_space_detach(fake_device(b));
	/* And again: its regions are known already. */
	attach(test, space, b);
	fk_check_window(test, &way_page, FIRST, LAST, HOLE, HOLE + SZ_256K - 1);
	dma_space_detach(fake_device(b));
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* What of a region lies outside is nobody's business. */
static void regions_across_the_edges(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { 0, FIRST + SZ_64K, IOMMU_RESV_RESERVED },
			    { LAST + 1 - SZ_64K, SZ_1M, IOMMU_RESV_RESERVED },
			    { U64_MAX - SZ_64K + 1, SZ_64K, IOMMU_RESV_RESERVED } } });
	struct dma_space *space = create(test, a, FIRST, LAST);
	unsigned int i;

	attach(test, space, a);
	for (i = 0; i < 2; i++) {
		attach(test, space, b);
		fk(test)->dt.dev = fake_device(a);
		fk_check_window(test, &way_page, FIRST + SZ_64K, LAST - SZ_64K,
				0, 0);
		dma_space_detach(fake_device(b));
	}
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* Take a page in the hole, and give the others back. */
static dma_addr_t take_in_hole(struct kunit *test, struct fake_dev *fake,
			       struct page *page)
{
	const unsigned int max = (LAST + 1 - FIRST) / PAGE_SIZE;
	dma_addr_t *addr = kvcalloc(max, sizeof(*addr), GFP_KERNEL);
	dma_addr_t found = DMA_MAPPING_ERROR;
	unsigned int i, n = 0;

	KUNIT_ASSERT_NOT_NULL(test, addr);
	while (n < max) {
		addr[n] = dma_map_page(fake_device(fake), page, 0, PAGE_SIZE,
				       DMA_TO_DEVICE);
		if (dma_mapping_error(fake_device(fake), addr[n]))
			break;
		if (addr[n] >= HOLE && addr[n] < HOLE + SZ_256K) {
			found = addr[n];
			break;
		}
		n++;
	}
	for (i = 0; i < n; i++)
		dma_unmap_page(fake_device(fake), addr[i], PAGE_SIZE,
			       DMA_TO_DEVICE);
	kvfree(addr);
	KUNIT_ASSERT_NE(test, found, DMA_MAPPING_ERROR);
	return found;
}

static void overlap_with_a_region_is_busy(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { SZ_16M + SZ_512K, SZ_64K, IOMMU_RESV_RESERVED },
			    { HOLE, SZ_256K, IOMMU_RESV_RESERVED } } });
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct where before = where_is(b);
	dma_addr_t addr;

	attach(test, space, a);
	addr = take_in_hole(test, a, page);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EBUSY);
	expect_at(test, b, &before);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(a, addr), page_to_phys(page));
	dma_unmap_page(fake_device(a), addr, PAGE_SIZE, DMA_TO_DEVICE);
	/* The refused attach took nothing of the space. */
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	/* Given back, although the caches have it, it is in nobody's way. */
	attach(test, space, b);
	dma_space_detach(fake_device(b));
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* A region that is to be mapped one-to-one is. */
static void direct_regions_are_mapped(struct kunit *test)
{
	const struct fake_config cfg = {
		.region = { { HOLE, SZ_64K, IOMMU_RESV_DIRECT } },
	};
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &cfg);
	struct dma_space *space = create(test, a, FIRST, LAST);
	u64 addr;

	attach(test, space, a);
	attach(test, space, b);
	for (addr = HOLE; addr < HOLE + SZ_64K; addr += PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, fake_dev_phys(b, addr), addr);
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, FIRST, LAST, HOLE, HOLE + SZ_64K - 1);
	dma_space_detach(fake_device(b));
	for (addr = HOLE; addr < HOLE + SZ_64K; addr += PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, fake_dev_phys(b, addr), addr);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
	/* They are mapped until the domain goes, here as in a default domain. */
	fk(test)->left[0] = 2 * SZ_64K / PAGE_SIZE;
}

static void software_msi_region_is_no_hole(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
		.region = { { HOLE, SZ_64K, IOMMU_RESV_SW_MSI } } });
	struct dma_space *space = create(test, fake, FIRST, LAST);

	attach(test, space, fake);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static void strangers_are_refused(struct kunit *test)
{
	static const struct fake_config strange[] = {
		{ .instance = 1 },
		{ .coherent = true },
		{ .untranslated = true },
	};
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, FIRST, LAST);
	unsigned int i, pass;

	/* Before there is a device in it, and after. */
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < ARRAY_SIZE(strange); i++) {
			struct fake_dev *b = fk_dev(test, &strange[i]);
			struct where before = where_is(b);

			KUNIT_EXPECT_EQ_MSG(test,
					    dma_space_attach(space,
							     fake_device(b)),
					    -EINVAL, "stranger %u, pass %u", i,
					    pass);
			if (!strange[i].untranslated)
				expect_at(test, b, &before);
			fk_destroy_last(test);
		}
		if (!pass)
			attach(test, space, a);
	}
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* The IOMMU driver says no: nothing has changed, and next time it may work. */
static void driver_refuses_the_domain(struct kunit *test)
{
	static const int errors[] = { -EINVAL, -ENOMEM, -EBUSY, -EIO };
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &with_region);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct where before = where_is(b);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		b->refuse = errors[i];
		KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)),
				errors[i]);
		expect_at(test, b, &before);
	}
	attach(test, space, b);
	dma_space_detach(fake_device(b));
	expect_at(test, b, &before);
	dma_space_put(space);
}

static bool nothing_is_mapped(struct dma_space *space, u64 first, size_t size)
{
	u64 addr;

	for (addr = first; addr < first + size; addr += PAGE_SIZE)
		if (iommu_iova_to_phys(dma_space_domain(space), addr))
			return false;
	return true;
}

/* All that it reaches is one page that no space here has. */
static const struct bus_dma_region elsewhere[] = {
	{ .cpu_start = SZ_1M, .dma_start = SZ_1M, .size = SZ_4K }, {},
};

/*
 * The first of all, with memory that has to be mapped one-to-one, cannot come
 * in after all: who comes next gets a space as new.
 */
static void cannot_enter(struct kunit *test, u64 start, size_t size)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { start, size, IOMMU_RESV_DIRECT } } });
	struct where before = where_is(b);
	unsigned int n;
	bool failed;

	for (n = 0; n < 200; n++) {
		struct dma_space *space = create(test, a, FIRST, LAST);
		int ret, want = -ENOMEM;

		failed = true;
		if (n == 0) {
			want = -EIO;
			b->refuse = want;
			ret = dma_space_attach(space, fake_device(b));
		} else if (n == 1) {
			want = -EFAULT;
			fake_device(b)->dma_range_map = elsewhere;
			ret = dma_space_attach(space, fake_device(b));
			fake_device(b)->dma_range_map = NULL;
		} else {
			dt_fail_nth(test, n - 1);
			ret = dma_space_attach(space, fake_device(b));
			failed = dt_fail_stop();
		}
		KUNIT_EXPECT_TRUE_MSG(test, ret == want || (n > 1 && !ret),
				      "round %u: %d", n, ret);
		if (ret) {
			expect_at(test, b, &before);
			KUNIT_EXPECT_TRUE_MSG(test, nothing_is_mapped(space, start,
								      size),
					      "round %u", n);
			attach(test, space, a);
			fk(test)->dt.dev = fake_device(a);
			if (n < 2)
				fk_check_window(test, &way_page, FIRST, LAST, 0,
						0);
			fk_expect_data(test, a, n);
			dma_space_detach(fake_device(a));
			KUNIT_EXPECT_EQ(test, 0,
					dma_space_attach(space, fake_device(b)));
		}
		/* Mapped until the domain goes. */
		KUNIT_EXPECT_EQ(test, fake_dev_phys(b, start), start);
		fk(test)->left[0] += size / PAGE_SIZE;
		dma_space_detach(fake_device(b));
		dma_space_put(space);
		if (!failed || test->status == KUNIT_FAILURE)
			break;
	}
	KUNIT_EXPECT_FALSE(test, failed);
	/* In its default domain, too. */
	fk(test)->left[0] += size / PAGE_SIZE;
}

static void first_device_cannot_enter(struct kunit *test)
{
	cannot_enter(test, HOLE, SZ_64K);
}

/* What was mapped in large pages has to be unmapped in large pages. */
static void first_device_with_large_pages_cannot_enter(struct kunit *test)
{
	cannot_enter(test, SZ_16M + SZ_2M, SZ_2M);
}

/*
 * What is beyond a device's reach is everybody's loss, so a device that reaches
 * nothing of a space must not come in, and must take nothing of it.
 */
static void space_beyond_reach(struct kunit *test)
{
	static const struct bus_dma_region below[] = {
		{ .cpu_start = SZ_64K, .dma_start = SZ_64K,
		  .size = FIRST - SZ_64K }, {},
	};
	static const struct bus_dma_region above[] = {
		{ .cpu_start = SZ_64M, .dma_start = LAST + 1, .size = SZ_1M }, {},
	};
	static const struct bus_dma_region around[] = {
		{ .cpu_start = SZ_64M, .dma_start = LAST + 1, .size = SZ_1M },
		{ .cpu_start = SZ_64K, .dma_start = SZ_64K,
		  .size = FIRST - SZ_64K }, {},
	};
	static const struct bus_dma_region half_a_page[] = {
		{ .cpu_start = HOLE, .dma_start = HOLE, .size = SZ_2K }, {},
	};
	static const struct bus_dma_region hole[] = {
		{ .cpu_start = HOLE, .dma_start = HOLE, .size = SZ_256K }, {},
	};
	static const struct {
		const char *name;
		const struct bus_dma_region *map;
		struct fake_config cfg;
	} t[] = {
		{ "below", below },
		{ "above", above },
		{ "around", around },
		{ "half a page", half_a_page },
		{ "reserved", NULL, { .region = {
			{ SZ_8M, SZ_32M, IOMMU_RESV_RESERVED } } } },
		{ "reserved in pieces", NULL, { .region = {
			{ HOLE, SZ_32M, IOMMU_RESV_RESERVED },
			{ SZ_8M, HOLE - SZ_8M, IOMMU_RESV_RESERVED } } } },
		{ "the rest is reserved", hole, { .region = {
			{ HOLE, SZ_256K, IOMMU_RESV_RESERVED } } } },
	};
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	unsigned int i, first;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct fake_dev *b = fk_dev(test, &t[i].cfg);
		struct where before = where_is(b);

		/* As the first device of a space, and as a further one. */
		for (first = 0; first < 2; first++) {
			struct dma_space *space = create(test, a, FIRST, LAST);

			if (!first)
				attach(test, space, a);
			fake_device(b)->dma_range_map = t[i].map;
			KUNIT_EXPECT_EQ_MSG(test,
					    dma_space_attach(space,
							     fake_device(b)),
					    -EFAULT, "%s, first %u", t[i].name,
					    first);
			fake_device(b)->dma_range_map = NULL;
			if (b->domain == dma_space_domain(space))
				dma_space_detach(fake_device(b));
			expect_at(test, b, &before);
			if (first)
				attach(test, space, a);
			fk(test)->dt.dev = fake_device(a);
			fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
			dma_space_detach(fake_device(a));
			dma_space_put(space);
		}
		fk_destroy_last(test);
	}
}

/* Neither takes it all, but between them they would. */
static void space_reserved_in_halves(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){
		.region = { { SZ_8M, HOLE - SZ_8M, IOMMU_RESV_RESERVED } } });
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { HOLE, SZ_32M, IOMMU_RESV_RESERVED } } });
	struct dma_space *space = create(test, a, FIRST, LAST);

	attach(test, space, a);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EFAULT);
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, HOLE, LAST, 0, 0);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* The bus passes on a part of the space: that part is what is left for all. */
static void space_partly_in_reach(struct kunit *test)
{
	static const struct bus_dma_region part[] = {
		{ .cpu_start = HOLE, .dma_start = HOLE, .size = SZ_256K }, {},
	};
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, FIRST, LAST);

	attach(test, space, a);
	fake_device(b)->dma_range_map = part;
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, fake_device(b)));
	fake_device(b)->dma_range_map = NULL;
	dma_space_detach(fake_device(b));
	fk(test)->dt.dev = fake_device(a);
	fk_check_window(test, &way_page, HOLE, HOLE + SZ_256K - 1, 0, 0);
	dma_space_detach(fake_device(a));
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

/* -- Failures -- */

/* One way through everything; -ENOMEM wherever it ends, and all undone. */
static int all_of_it(struct kunit *test, struct fake_dev *a, struct fake_dev *b,
		     struct page *page)
{
	struct dma_space *space;
	dma_addr_t addr;
	int ret;

	space = dma_space_create(fake_device(a), FIRST, LAST);
	if (IS_ERR(space))
		return PTR_ERR(space);
	ret = dma_space_attach(space, fake_device(a));
	if (ret)
		goto out_put;
	ret = dma_space_attach(space, fake_device(b));
	if (ret)
		goto out_detach;
	addr = dma_map_page(fake_device(b), page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	ret = dma_mapping_error(fake_device(b), addr);
	if (!ret)
		dma_unmap_page(fake_device(b), addr, PAGE_SIZE, DMA_TO_DEVICE);
	dma_space_detach(fake_device(b));
out_detach:
	dma_space_detach(fake_device(a));
out_put:
	dma_space_put(space);
	return ret;
}

static void every_allocation_fails_once(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &with_region);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct where wa = where_is(a), wb = where_is(b);
	int domains = atomic_read(&fake_iommu(0)->domains);
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 500; n++) {
		int ret;

		dt_fail_nth(test, n);
		ret = all_of_it(test, a, b, page);
		failed = dt_fail_stop();
		/* Some can be done without, the flush queue for one. */
		if (ret)
			errors++;
		KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM,
				      "allocation %u: %d", n, ret);
		KUNIT_EXPECT_TRUE_MSG(test, failed || !ret,
				      "%d without a failure", ret);
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&fake_iommu(0)->domains),
				    domains, "allocation %u", n);
		expect_at(test, a, &wa);
		expect_at(test, b, &wb);
		if (test->status == KUNIT_FAILURE)
			break;
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 3);
	kunit_info(test, "%u allocations, %u errors\n", n - 2, errors);
}

/*
 * A further device's regions are out of the space, or the device is: an
 * allocation that fails on the way must not leave them to be handed out.
 */
static void no_region_without_memory(struct kunit *test)
{
	const u64 first = HOLE - 2 * PAGE_SIZE, last = HOLE + 2 * PAGE_SIZE - 1;
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { HOLE - PAGE_SIZE, PAGE_SIZE, IOMMU_RESV_RESERVED },
			    { HOLE, PAGE_SIZE, IOMMU_RESV_RESERVED } } });
	unsigned int n;
	bool failed = true;

	for (n = 1; failed && n < 200; n++) {
		struct dma_space *space = create(test, a, first, last);
		int ret;

		attach(test, space, a);
		dt_fail_nth(test, n);
		ret = dma_space_attach(space, fake_device(b));
		failed = dt_fail_stop();
		KUNIT_EXPECT_TRUE_MSG(test, !ret || (failed && ret == -ENOMEM),
				      "allocation %u: %d", n, ret);
		fk(test)->dt.dev = fake_device(a);
		if (!ret) {
			fk_check_window(test, &way_page, first, last,
					HOLE - PAGE_SIZE, HOLE + PAGE_SIZE - 1);
			dma_space_detach(fake_device(b));
		} else {
			/* Refused, but not for good. */
			KUNIT_EXPECT_EQ_MSG(test, 0,
					    dma_space_attach(space,
							     fake_device(b)),
					    "after allocation %u failed", n);
			fk_check_window(test, &way_page, first, last,
					HOLE - PAGE_SIZE, HOLE + PAGE_SIZE - 1);
			dma_space_detach(fake_device(b));
		}
		dma_space_detach(fake_device(a));
		dma_space_put(space);
		if (test->status == KUNIT_FAILURE)
			break;
	}
	KUNIT_EXPECT_FALSE(test, failed);
}

/* It comes back again and again: what is reserved for it is known already. */
static void regions_do_not_pile_up(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){
		.region = { { HOLE, PAGE_SIZE, IOMMU_RESV_RESERVED },
			    { HOLE + SZ_64K, PAGE_SIZE, IOMMU_RESV_RESERVED },
			    { HOLE + SZ_128K, PAGE_SIZE, IOMMU_RESV_RESERVED },
			    { HOLE + SZ_128K, SZ_64K, IOMMU_RESV_RESERVED } } });
	struct dma_space *space = create(test, a, FIRST, LAST);
	const unsigned int rounds = 60;
	unsigned int i, failures = 0;
	long objects = 0;

	attach(test, space, a);
	for (i = 0; i < rounds; i++) {
		int ret;

		if (i == rounds / 10)
			objects = fk_small_objects(test);
		/* Each allocation on the way fails, now and then. */
		if (i % 2)
			dt_fail_nth(test, 1 + i / 2 % 16);
		ret = dma_space_attach(space, fake_device(b));
		if (i % 2 && dt_fail_stop() && ret == -ENOMEM) {
			failures++;
			ret = dma_space_attach(space, fake_device(b));
		}
		KUNIT_ASSERT_EQ_MSG(test, ret, 0, "round %u", i);
		dma_space_detach(fake_device(b));
	}
	objects = fk_small_objects(test) - objects;
	/* One for each region and round would be 216. */
	kunit_info(test, "%ld objects more", objects);
	KUNIT_EXPECT_LT_MSG(test, objects, 100, "%ld objects more", objects);
	KUNIT_EXPECT_GT(test, failures, 0);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
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
	KUNIT_CASE(creator_has_regions),
	KUNIT_CASE(further_device_has_regions),
	KUNIT_CASE(regions_across_the_edges),
	KUNIT_CASE(overlap_with_a_region_is_busy),
	KUNIT_CASE(direct_regions_are_mapped),
	KUNIT_CASE(software_msi_region_is_no_hole),
	KUNIT_CASE(strangers_are_refused),
	KUNIT_CASE(driver_refuses_the_domain),
	KUNIT_CASE_SLOW(first_device_cannot_enter),
	KUNIT_CASE_SLOW(first_device_with_large_pages_cannot_enter),
	KUNIT_CASE(space_beyond_reach),
	KUNIT_CASE(space_reserved_in_halves),
	KUNIT_CASE(space_partly_in_reach),
	KUNIT_CASE(masks_are_each_devices_own),
	KUNIT_CASE(coherency_of_mappings),
	KUNIT_CASE_SLOW(every_allocation_fails_once),
	KUNIT_CASE_SLOW(no_region_without_memory),
	KUNIT_CASE_SLOW(regions_do_not_pile_up),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static int fake_space_suite_init(struct kunit_suite *suite)
{
	dt_fail_sleeping(true);
	return dt_fail_quietly(suite);
}

static void fake_space_suite_exit(struct kunit_suite *suite)
{
	dt_fail_sleeping(false);
}

static struct kunit_suite fake_space_suite = {
	.name = "fake_space_test",
	.suite_init = fake_space_suite_init,
	.suite_exit = fake_space_suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_space_cases,
};

kunit_test_suite(fake_space_suite);

MODULE_DESCRIPTION("Address spaces that devices share, on a fake IOMMU");
MODULE_LICENSE("GPL");
