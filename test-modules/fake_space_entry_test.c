// SPDX-License-Identifier: GPL-2.0
/*
 * What a device brings with it when it enters a space, and what keeps it out, on
 * devices that can be told to be difficult (fake_iommu.h).
 */

#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

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

#endif /* HAVE_DMA_SPACE */

static struct kunit_case fake_space_entry_cases[] = {
#ifdef HAVE_DMA_SPACE
	KUNIT_CASE(creator_has_regions),
	KUNIT_CASE(further_device_has_regions),
	KUNIT_CASE(regions_across_the_edges),
	KUNIT_CASE(overlap_with_a_region_is_busy),
	KUNIT_CASE(direct_regions_are_mapped),
	KUNIT_CASE(software_msi_region_is_no_hole),
	KUNIT_CASE(strangers_are_refused),
	KUNIT_CASE(driver_refuses_the_domain),
	KUNIT_CASE(space_beyond_reach),
	KUNIT_CASE(space_reserved_in_halves),
	KUNIT_CASE(space_partly_in_reach),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite fake_space_entry_suite = {
	.name = "fake_space_entry_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_space_entry_cases,
};

kunit_test_suite(fake_space_entry_suite);

MODULE_DESCRIPTION("Devices that enter an address space, on a fake IOMMU");
MODULE_LICENSE("GPL");
