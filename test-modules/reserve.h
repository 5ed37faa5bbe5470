/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on reservations share: dma_iova_reserve() and the calls that
 * work on its result.
 *
 * HAVE_DMA_RESERVE comes from the Makefile, which looks into the kernel: the
 * suites are built for kernels without these calls as well.
 */
#ifndef _TEST_RESERVE_H
#define _TEST_RESERVE_H

#include <linux/swiotlb.h>

#include "debug_knobs.h"
#include "dma_test.h"

#ifdef HAVE_DMA_RESERVE

#define P		PAGE_SIZE
#define RV_PAGES	8
#define RV_ORDER	3
#define RV_SIZE		(RV_PAGES * PAGE_SIZE)
#define RV_DIR		DMA_BIDIRECTIONAL

static inline int rv_reserve(struct device *dev, struct dma_iova_state *state,
			     size_t size, size_t align, dma_addr_t first,
			     dma_addr_t last)
{
	const struct dma_iova_request req = {
		.size = size,
		.align = align,
		.first = first,
		.last = last,
	};

	/* What was in it before does not matter. */
	memset(state, 0xa5, sizeof(*state));
	return dma_iova_reserve(dev, state, &req);
}

/* What would have to bounce cannot be one-to-one; r001_2_bouncing_* look at it. */
static inline void rv_need(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!ctx->domain && is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "bouncing is forced");
}

/* RV_PAGES of memory that are contiguous, for a device of either kind. */
static inline phys_addr_t rv_block(struct kunit *test, u8 **mem)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, RV_ORDER);

	*mem = page_address(page);
	return page_to_phys(page);
}

/* @len bytes at one place of the reservation go to another, by the device. */
static inline void rv_copy(struct kunit *test,
			   const struct dma_iova_state *state, size_t from,
			   size_t to, size_t len)
{
	struct dt_ctx *ctx = test->priv;
	dma_addr_t addr = dma_iova_addr(state);

	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr + from, 0,
						   len));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + to, 0,
						     len));
}

/* Refused with @want, and there is nothing to free. */
static inline void rv_refused(struct kunit *test, struct device *dev,
			      const struct dma_iova_request *req, int want,
			      const char *what)
{
	struct dma_iova_state state;
	int ret;

	memset(&state, 0xa5, sizeof(state));
	ret = dma_iova_reserve(dev, &state, req);
	KUNIT_EXPECT_EQ_MSG(test, ret, want, "%s", what);
	if (!ret) {
		dma_iova_free(dev, &state);
		return;
	}
	KUNIT_EXPECT_FALSE_MSG(test, dma_use_iova(&state), "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&state), DMA_MAPPING_ERROR,
			    "%s", what);
}

/* Pages of the block at @phys, to where they belong in the reservation. */
static inline int rv_link(struct device *dev, struct dma_iova_state *state,
			  phys_addr_t phys, unsigned int first,
			  unsigned int count)
{
	return dma_iova_link(dev, state, phys + first * PAGE_SIZE,
			     first * PAGE_SIZE, count * PAGE_SIZE, RV_DIR, 0);
}

/* And the IOMMU knows of them. */
static inline int rv_bind(struct device *dev, struct dma_iova_state *state,
			  phys_addr_t phys, unsigned int first,
			  unsigned int count)
{
	return rv_link(dev, state, phys, first, count) ?:
	       dma_iova_sync(dev, state, first * PAGE_SIZE, count * PAGE_SIZE);
}

static inline void rv_unlink(struct device *dev, struct dma_iova_state *state,
			     unsigned int first, unsigned int count)
{
	dma_iova_unlink(dev, state, first * PAGE_SIZE, count * PAGE_SIZE,
			RV_DIR, 0);
}

static inline int rv_sync(struct device *dev, struct dma_iova_state *state)
{
	return dma_iova_sync(dev, state, 0, dma_iova_size(state));
}

/* A reservation for RV_PAGES anywhere; the case ends without it. */
static inline void rv_any(struct kunit *test, struct device *dev,
			  struct dma_iova_state *state)
{
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, state, RV_SIZE, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, dma_iova_size(state), RV_SIZE);
}

/* Nothing is linked; @addr is what a translated device has all the time. */
static inline void rv_expect_unlinked(struct kunit *test,
				      const struct dma_iova_state *state,
				      dma_addr_t addr)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	if (!ctx->domain) {
		KUNIT_EXPECT_EQ(test, dma_iova_addr(state), DMA_MAPPING_ERROR);
		return;
	}
	KUNIT_EXPECT_EQ(test, dma_iova_addr(state), addr);
	for (i = 0; i < RV_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, addr + i * P), 0,
				    "page %u", i);
}

static inline void rv_expect_linked(struct kunit *test,
				    const struct dma_iova_state *state,
				    phys_addr_t phys)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < RV_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test,
				    dt_phys(ctx, dma_iova_addr(state) + i * P),
				    phys + i * P, "page %u", i);
}

/*
 * WARN_ON_ONCE() says it once a boot; let every place say it again. Where a
 * warning is a trap, KUnit catches it before it counts, and this is not needed.
 */
static inline void rv_warn_again(struct kunit *test)
{
#ifndef __WARN_FLAGS
	write_knob(test, user_memory(test), "/sys/kernel/debug/clear_warn_once",
		   1);
#endif
}

/* @call is wrong, and the kernel says so, with one warning. */
#define RV_WARNS(test, call) do {					\
	rv_warn_again(test);						\
	kunit_warning_suppress(test) {					\
		call;							\
		KUNIT_EXPECT_SUPPRESSED_WARNING_COUNT(test, 1);		\
	}								\
} while (0)

#else /* HAVE_DMA_RESERVE */
static inline void no_reservations_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no reservations");
}
#endif /* HAVE_DMA_RESERVE */

#endif /* _TEST_RESERVE_H */
