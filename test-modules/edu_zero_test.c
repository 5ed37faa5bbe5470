// SPDX-License-Identifier: GPL-2.0
/*
 * DMA address 0 is never handed out (drivers and devices take it for "none"),
 * and what is mapped at the lowest address there is gets unmapped like
 * anything else.
 *
 * Whether an allocator starts at the bottom or at the top: with all of a
 * 16 MiB space taken, address 0 would have been among what was given. One that
 * does not care for masks (edu_mask_test's business) is asked as much, and has
 * to have come down to the bottom.
 */

#include "space.h"

#define LAST	DMA_BIT_MASK(24)
#define GUARD	0x3c

static void set_masks(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	dt_need_iommu(test);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask_and_coherent(ctx->dev, LAST));
}

static void sort_pieces(struct space *s)
{
	sort(s->piece, s->count, sizeof(*s->piece), piece_cmp, NULL);
}

static void never_zero(struct kunit *test, const struct way *way)
{
	struct space *s = space_init(test, LAST);

	set_masks(test);
	space_fill(test, s, way, LAST);
	KUNIT_ASSERT_GT_MSG(test, s->count, 0, "%s: nothing at all", way->name);
	sort_pieces(s);
	KUNIT_EXPECT_GE_MSG(test, (u64)s->piece[0].addr, (u64)PAGE_SIZE,
			    "%s: address 0 was handed out", way->name);
	/* It would have been, had it been free: see above. */
	KUNIT_EXPECT_LE_MSG(test, (u64)s->piece[0].addr, (u64)SPACE_PIECE,
			    "%s: %u pieces, not down to the bottom", way->name,
			    s->count);
	space_empty(test, s, way);
}

static void d6_zero_map_single(struct kunit *test)
{
	never_zero(test, &way_single);
}

static void d6_zero_map_page(struct kunit *test)
{
	never_zero(test, &way_page);
}

static void d6_zero_map_sg(struct kunit *test)
{
	never_zero(test, &way_sg);
}

static void d6_zero_coherent(struct kunit *test)
{
	never_zero(test, &way_coherent);
}

static void d6_d25_zero_alloc_pages(struct kunit *test)
{
	never_zero(test, &way_pages);
}

static void d6_d25_zero_noncontiguous(struct kunit *test)
{
	never_zero(test, &way_noncontiguous);
}

static void d6_d27_zero_iova_state(struct kunit *test)
{
	never_zero(test, &way_iova);
}

/* The piece at the lowest address goes away on unmap, and the device with it. */
static void d6_lowest_is_unmapped(struct kunit *test)
{
	struct space *s = space_init(test, LAST);
	struct dt_ctx *ctx = test->priv;
	struct piece *low;
	dma_addr_t addr;
	u8 *buf;

	set_masks(test);
	space_fill(test, s, &way_page, LAST);
	KUNIT_ASSERT_GT(test, s->count, 0);
	sort_pieces(s);
	low = &s->piece[0];
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, low->addr), page_to_phys(s->page));
	give_page(ctx, low);
	KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, low->addr), 0,
			    "still mapped at %pad", &low->addr);

	dt_settle(ctx);
	/* Again with memory the device may write; it will get that place. */
	buf = page_address(dt_alloc_pages(test, GFP_KERNEL, 0));
	memset(buf, GUARD, PAGE_SIZE);
	addr = dma_map_single(ctx->dev, buf, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	if (addr != DMA_MAPPING_ERROR) {
		KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), virt_to_phys(buf));
		dma_unmap_single(ctx->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), 0);
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0,
							     512));
		KUNIT_EXPECT_EQ(test, dt_check_same(buf, PAGE_SIZE, GUARD),
				PAGE_SIZE);
	}
	*low = s->piece[--s->count];
	space_empty(test, s, &way_page);
}

/* What a device is told is "not mapped" must be that: no DMA at address 0. */
static void d6_nothing_at_zero(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, 0));
	dma_addr_t addr;

	dt_need_iommu(test);
	memset(buf, GUARD, PAGE_SIZE);
	addr = dma_map_single(ctx->dev, buf, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, 0), 0);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, 0, 0, 512));
	dma_unmap_single(ctx->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, dt_check_same(buf, PAGE_SIZE, GUARD), PAGE_SIZE);
}

static struct kunit_case edu_zero_cases[] = {
	DT_CASE(d6_zero_map_single),
	DT_CASE(d6_zero_map_page),
	DT_CASE(d6_zero_map_sg),
	DT_CASE(d6_zero_coherent),
	DT_CASE(d6_d25_zero_alloc_pages),
	DT_CASE(d6_d25_zero_noncontiguous),
	DT_CASE(d6_d27_zero_iova_state),
	DT_CASE(d6_lowest_is_unmapped),
	DT_CASE(d6_nothing_at_zero),
	{}
};

static struct kunit_suite edu_zero_suite = {
	.name = "edu_zero_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = edu_zero_cases,
};

kunit_test_suite(edu_zero_suite);

MODULE_DESCRIPTION("DMA address 0 is never handed out");
MODULE_LICENSE("GPL");
