// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver leaves reserved and linked when it is unbound is reported. With a
 * real driver on a bus that DMA debugging knows, behind an IOMMU and without.
 */

#include <linux/device.h>

#include "debug_knobs.h"

#ifdef HAVE_DMA_RESERVE

/* Unbind the driver and bind it again; the reports that has drawn. */
static int unbind_and_bind(struct kunit *test, struct device *dev,
			   char __user *user)
{
	new_errors(test, user);
	device_release_driver(dev);
	KUNIT_EXPECT_EQ(test, device_attach(dev), 1);
	return new_errors(test, user);
}

static void left_by_a_driver(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 1);
	struct dma_iova_request req = { .size = 2 * PAGE_SIZE };
	char __user *user = user_memory(test);
	struct device *dev = ctx->dev;
	struct dma_iova_state state;

	if (read_knob(test, user, DMA_DEBUG_DIR "disabled"))
		kunit_skip(test, "DMA debugging is off");
	KUNIT_EXPECT_EQ(test, unbind_and_bind(test, dev, user), 0);

	KUNIT_ASSERT_EQ(test, 0, dma_iova_reserve(dev, &state, &req));
	KUNIT_EXPECT_EQ(test, unbind_and_bind(test, dev, user), 1);

	KUNIT_ASSERT_EQ(test, 0, dma_iova_link(dev, &state, page_to_phys(page),
					       0, PAGE_SIZE, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(dev, &state, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, unbind_and_bind(test, dev, user), 1);

	dma_iova_destroy(dev, &state, PAGE_SIZE, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, unbind_and_bind(test, dev, user), 0);
}

static struct kunit_case dma_debug_cases[] = {
	DT_CASE(left_by_a_driver),
	{}
};

#else /* no reservations */

static void no_reservations_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no dma_iova_reserve()");
}

static struct kunit_case dma_debug_cases[] = {
	DT_CASE(no_reservations_here),
	{}
};

#define count_only	NULL
#define show_again	NULL

#endif

static struct kunit_suite dma_debug_suite = {
	.name = "dma_debug_test",
	.suite_init = count_only,
	.suite_exit = show_again,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_debug_cases,
};

kunit_test_suite(dma_debug_suite);

MODULE_DESCRIPTION("What DMA debugging says when a driver is unbound");
MODULE_LICENSE("GPL");
