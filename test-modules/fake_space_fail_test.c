// SPDX-License-Identifier: GPL-2.0
/*
 * A device fails on its way into a space: all is as before, and it can try again. On
 * devices that can be told to be difficult (fake_iommu.h).
 */

#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

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
		/* If it was refused, then not for good. */
		if (ret)
			KUNIT_EXPECT_EQ_MSG(test, 0,
					    dma_space_attach(space,
							     fake_device(b)),
					    "after allocation %u failed", n);
		fk_check_window(test, &way_page, first, last, HOLE - PAGE_SIZE,
				HOLE + PAGE_SIZE - 1);
		dma_space_detach(fake_device(b));
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

static struct kunit_case fake_space_fail_cases[] = {
#ifdef HAVE_DMA_SPACE
	KUNIT_CASE_SLOW(first_device_cannot_enter),
	KUNIT_CASE_SLOW(first_device_with_large_pages_cannot_enter),
	KUNIT_CASE_SLOW(every_allocation_fails_once),
	KUNIT_CASE_SLOW(no_region_without_memory),
	KUNIT_CASE_SLOW(regions_do_not_pile_up),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite fake_space_fail_suite = {
	.name = "fake_space_fail_test",
	.suite_init = dt_fail_init,
	.suite_exit = dt_fail_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_space_fail_cases,
};

kunit_test_suite(fake_space_fail_suite);

MODULE_DESCRIPTION("Devices that fail to enter an address space, on a fake IOMMU");
MODULE_LICENSE("GPL");
