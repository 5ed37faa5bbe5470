// SPDX-License-Identifier: GPL-2.0
/*
 * Cases that leave the device's address space damaged, or the kernel stopped,
 * if they find what they look for. They come last, in a module of their own.
 */

#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "dma_test.h"

/*
 * An entry that starts in its second page: the first page is not part of the
 * buffer, so the device must not get at it.
 */
static void d17_sg_offset_beyond_page(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 1);
	struct scatterlist sg;
	dma_addr_t addr;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, 500, PAGE_SIZE + 100);
	KUNIT_ASSERT_EQ(test, 1, dma_map_sg(ctx->dev, &sg, 1, DMA_FROM_DEVICE));
	addr = sg_dma_address(&sg);
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), sg_phys(&sg));
	if (ctx->domain)
		KUNIT_EXPECT_NE(test, dt_phys(ctx, addr - PAGE_SIZE),
				page_to_phys(page) + 100);
	dma_unmap_sg(ctx->dev, &sg, 1, DMA_FROM_DEVICE);
	if (ctx->domain) {
		KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), 0);
		KUNIT_EXPECT_NE(test, dt_phys(ctx, addr - PAGE_SIZE),
				page_to_phys(page) + 100);
	}
}

/*
 * A driver gives back what it does not have. ARM's own allocator stopped the
 * machine for that; the DMA API's debug code is left out, for it would report
 * the driver and hide its next finding.
 */
static void d22_bad_unmap_is_survived(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	const struct dma_map_ops *ops = get_dma_ops(ctx->dev);
	dma_addr_t addr;

	dt_need_iommu(test);
	if (!ops || !ops->unmap_phys)
		kunit_skip(test, "no allocator of the architecture's own here");
	kunit_warning_suppress(test) {
		/* Across the end of the first 128 MiB, then past what is used. */
		ops->unmap_phys(ctx->dev, SZ_128M - PAGE_SIZE, SZ_256K,
				DMA_TO_DEVICE, 0);
		ops->unmap_phys(ctx->dev, SZ_1G, SZ_256K, DMA_TO_DEVICE, 0);
		ops->unmap_phys(ctx->dev, (dma_addr_t)U32_MAX - SZ_64K + 1,
				SZ_64K, DMA_TO_DEVICE, 0);
	}
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), page_to_phys(page));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
}

static struct kunit_case dma_damage_cases[] = {
	DT_CASE(d22_bad_unmap_is_survived),
	/* Where it fails, a page stays mapped at an address that is free. */
	DT_CASE(d17_sg_offset_beyond_page),
	{}
};

static struct kunit_suite dma_damage_suite = {
	.name = "dma_damage_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_damage_cases,
};

kunit_test_suite(dma_damage_suite);

MODULE_DESCRIPTION("DMA mapping mistakes that leave damage behind");
MODULE_LICENSE("GPL");
