// SPDX-License-Identifier: GPL-2.0
/*
 * A CMA area can be where it is because that is what devices reach, and nothing else
 * says so. So a directly mapped device gets its buffers from there before it gets
 * high memory, with a kernel mapping or without.
 */

#include <linux/mm.h>
#include <linux/vmstat.h>

#include "dma_test.h"

#define SIZE	SZ_4M

static void area_comes_first(struct kunit *test, unsigned long attrs)
{
	struct dt_ctx *ctx = test->priv;
	unsigned long before, after;
	dma_addr_t addr;
	void *cookie;

	if (ctx->domain)
		kunit_skip(test, "an IOMMU reaches all memory");
	before = global_zone_page_state(NR_FREE_CMA_PAGES);
	if (before < 2 * (SIZE >> PAGE_SHIFT))
		kunit_skip(test, "there is no CMA area with room in it");
	cookie = dma_alloc_attrs(ctx->dev, SIZE, &addr, GFP_KERNEL, attrs);
	KUNIT_ASSERT_NOT_NULL(test, cookie);
	after = global_zone_page_state(NR_FREE_CMA_PAGES);
	/* Others use it meanwhile, and CPUs keep a few pages of the count */
	KUNIT_EXPECT_LE(test, after + (SIZE >> PAGE_SHIFT) / 2, before);
	dma_free_attrs(ctx->dev, SIZE, cookie, addr, attrs);
}

static void r003_4_area_comes_before_highmem(struct kunit *test)
{
	area_comes_first(test, DMA_ATTR_NO_KERNEL_MAPPING);
}

static void r003_4_area_comes_first_with_a_mapping(struct kunit *test)
{
	area_comes_first(test, 0);
}

static struct kunit_case dma_area_cases[] = {
	DT_CASE(r003_4_area_comes_before_highmem),
	DT_CASE(r003_4_area_comes_first_with_a_mapping),
	{}
};

static struct kunit_suite dma_area_suite = {
	.name = "dma_area_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_area_cases,
};

kunit_test_suite(dma_area_suite);

MODULE_DESCRIPTION("CMA areas and high memory");
MODULE_LICENSE("GPL");
