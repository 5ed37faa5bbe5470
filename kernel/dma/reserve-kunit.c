// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of reservations on a device that is mapped directly.
 *
 * Such a device is there on every architecture, and needs no hardware: it does no
 * DMA. What is looked at is what dma_iova_reserve() and the calls that work on its
 * result promise for it: the address, each error, and that after an error all is
 * as it was. What draws a warning is refused before DMA debugging sees it, so
 * the suite runs with and without.
 *
 * -ENOMEM is left out: it takes a fault injected into an allocation.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#define RT_ORDER	3
#define RT_SIZE		(PAGE_SIZE << RT_ORDER)
#define RT_DIR		DMA_BIDIRECTIONAL

/**
 * struct rt_ctx - what a case works on
 * @dev: the device
 * @block: memory of RT_SIZE
 * @other: as much, somewhere else
 * @addr: DMA address of @block
 *
 * All of it is immutable once rt_init() has run.
 */
struct rt_ctx {
	struct device *dev;
	phys_addr_t block;
	phys_addr_t other;
	dma_addr_t addr;
};

static void rt_free_pages(void *pages)
{
	free_pages((unsigned long)pages, RT_ORDER);
}

static phys_addr_t rt_block(struct kunit *test)
{
	void *pages = (void *)__get_free_pages(GFP_KERNEL, RT_ORDER);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, rt_free_pages, pages));
	return virt_to_phys(pages);
}

static int rt_init(struct kunit *test)
{
	struct rt_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->dev = kunit_device_register(test, "reserve");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->dev);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(ctx->dev, DMA_BIT_MASK(64)));
	ctx->block = rt_block(test);
	ctx->other = rt_block(test);
	ctx->addr = phys_to_dma(ctx->dev, ctx->block);
	test->priv = ctx;
	if (is_swiotlb_force_bounce(ctx->dev) || get_dma_ops(ctx->dev))
		kunit_skip(test, "memory is not mapped one-to-one here");
	return 0;
}

static int rt_reserve(struct kunit *test, struct dma_iova_state *state,
		      size_t size, size_t align, dma_addr_t first,
		      dma_addr_t last)
{
	const struct dma_iova_request req = { size, align, first, last };
	struct rt_ctx *ctx = test->priv;

	/* What was in it does not matter */
	memset(state, 0xa5, sizeof(*state));
	return dma_iova_reserve(ctx->dev, state, &req);
}

static int rt_link(struct kunit *test, struct dma_iova_state *state,
		   phys_addr_t phys, size_t offset, size_t size)
{
	struct rt_ctx *ctx = test->priv;

	return dma_iova_link(ctx->dev, state, phys, offset, size, RT_DIR, 0);
}

static void rt_unlink(struct kunit *test, struct dma_iova_state *state,
		      size_t offset, size_t size)
{
	struct rt_ctx *ctx = test->priv;

	dma_iova_unlink(ctx->dev, state, offset, size, RT_DIR, 0);
}

static void rt_free(struct kunit *test, struct dma_iova_state *state)
{
	struct rt_ctx *ctx = test->priv;

	dma_iova_free(ctx->dev, state);
}

/* Refused, and then there is nothing to free. */
static void rt_refused(struct kunit *test, const char *what, int want,
		       size_t size, size_t align, dma_addr_t first,
		       dma_addr_t last)
{
	struct dma_iova_state state;
	int ret = rt_reserve(test, &state, size, align, first, last);

	KUNIT_EXPECT_EQ_MSG(test, ret, want, "%s", what);
	if (!ret) {
		rt_free(test, &state);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, dma_iova_size(&state), 0, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&state), DMA_MAPPING_ERROR,
			    "%s", what);
}

static void requests_that_make_no_sense(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;

	rt_refused(test, "no size", -EINVAL, 0, 0, 0, 0);
	rt_refused(test, "alignment", -EINVAL, SZ_4K, SZ_4K + SZ_8K, 0, 0);
	rt_refused(test, "window upside down", -EINVAL, SZ_4K, 0, SZ_16M, SZ_8M);
	rt_refused(test, "short window", -EINVAL, SZ_4K, 0, SZ_16M,
		   SZ_16M + SZ_4K - 2);
	rt_refused(test, "nothing aligned in it", -EINVAL, SZ_4K, SZ_16M,
		   SZ_16M + 1, SZ_32M - 1);
	rt_refused(test, "too short behind it", -EINVAL, SZ_1M, SZ_16M,
		   SZ_16M + 1, SZ_32M + SZ_1M - 2);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(ctx->dev, DMA_BIT_MASK(32)));
	rt_refused(test, "more than the mask", -EINVAL, SIZE_MAX, 0, SZ_4K, 0);
	ctx->dev->bus_dma_limit = DMA_BIT_MASK(31);
	rt_refused(test, "above the bus", -EINVAL, SZ_4K, 0, SZ_2G, 0);
}

static void devices_that_have_no_reservations(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
#ifdef CONFIG_SWIOTLB
	struct io_tlb_mem pool = { .force_bounce = true };
	struct io_tlb_mem *was = ctx->dev->dma_io_tlb_mem;

	ctx->dev->dma_io_tlb_mem = &pool;
	rt_refused(test, "all has to bounce", -EOPNOTSUPP, SZ_4K, 0, 0, 0);
	ctx->dev->dma_io_tlb_mem = was;
#endif
#ifdef CONFIG_ARCH_HAS_DMA_OPS
	static const struct dma_map_ops ops;

	set_dma_ops(ctx->dev, &ops);
	rt_refused(test, "own operations", -EOPNOTSUPP, SZ_4K, 0, 0, 0);
	set_dma_ops(ctx->dev, NULL);
#endif
	KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(ctx->dev,
						    &(struct dma_iova_state){},
						    0, SZ_4K));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_iova_query(ctx->dev, 0, 0,
				       &(struct dma_iova_room){}));
}

/* The first link says where, and the last that goes forgets it. */
static void address_is_that_of_the_memory(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, dma_iova_size(&state), RT_SIZE);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);

	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block + PAGE_SIZE,
					 PAGE_SIZE, 2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), ctx->addr);
	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0,
					       3 * PAGE_SIZE));
	dma_iova_sync_for_cpu(ctx->dev, &state, 0, PAGE_SIZE, RT_DIR);
	dma_iova_sync_for_device(ctx->dev, &state, 0, PAGE_SIZE, RT_DIR);
	rt_unlink(test, &state, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), ctx->addr);
	rt_unlink(test, &state, PAGE_SIZE, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);

	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->other, 0, RT_SIZE));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state),
			phys_to_dma(ctx->dev, ctx->other));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, RT_SIZE));
	dma_iova_destroy(ctx->dev, &state, RT_SIZE, RT_DIR, 0);
}

static void memory_that_does_not_fit(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL, rt_link(test, &state, ctx->other,
					       PAGE_SIZE, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			rt_link(test, &state, ctx->block + 2 * PAGE_SIZE,
				PAGE_SIZE, PAGE_SIZE));
	/* None of this has changed anything */
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), ctx->addr);
	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block + PAGE_SIZE,
					 PAGE_SIZE, RT_SIZE - PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, RT_SIZE));
	dma_iova_destroy(ctx->dev, &state, RT_SIZE, RT_DIR, 0);

	/* It would begin below address 0 */
	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, ctx->addr + RT_SIZE, 0,
					    0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, rt_link(test, &state, ctx->block,
					       ctx->addr + PAGE_SIZE,
					       PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	rt_free(test, &state);
}

static void rt_link_in_window(struct kunit *test, const char *what, int want,
			      size_t align, dma_addr_t first, dma_addr_t last)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	int ret;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, 2 * PAGE_SIZE, align,
					    first, last));
	ret = rt_link(test, &state, ctx->block + PAGE_SIZE, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ_MSG(test, ret, want, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&state),
			    ret ? DMA_MAPPING_ERROR : ctx->addr + PAGE_SIZE,
			    "%s", what);
	if (!ret) {
		KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0,
						       PAGE_SIZE));
		rt_unlink(test, &state, 0, PAGE_SIZE);
	}
	rt_free(test, &state);
}

/* All of the reservation has to be in it, also what is not linked. */
static void windows(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	dma_addr_t first = ctx->addr + PAGE_SIZE;
	dma_addr_t last = first + 2 * PAGE_SIZE - 1;

	rt_link_in_window(test, "exact", 0, 0, first, last);
	rt_link_in_window(test, "begins later", -EINVAL, 0, first + PAGE_SIZE,
			  last + PAGE_SIZE);
	rt_link_in_window(test, "ends before", -EINVAL, 0, first - PAGE_SIZE,
			  last - PAGE_SIZE);
	rt_link_in_window(test, "aligned", 0, PAGE_SIZE, 0, 0);
	/* The block is aligned to its size, so the second page is not. */
	rt_link_in_window(test, "not aligned", -EINVAL, 2 * PAGE_SIZE, 0, 0);
}

static void memory_that_cannot_be_reached(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	ctx->dev->bus_dma_limit = ctx->addr + 2 * PAGE_SIZE - 2;
	KUNIT_EXPECT_EQ(test, -EIO, rt_link(test, &state, ctx->block, 0,
					    2 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EIO, rt_link(test, &state, ctx->block + PAGE_SIZE,
					    PAGE_SIZE, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block, 0, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, PAGE_SIZE));
	dma_iova_destroy(ctx->dev, &state, PAGE_SIZE, RT_DIR, 0);
}

static void memory_that_would_bounce(struct kunit *test)
{
	static const unsigned long attrs[] = {
		DMA_ATTR_REQUIRE_COHERENT, DMA_ATTR_CC_SHARED,
	};
	struct rt_ctx *ctx = test->priv;
	bool coherent = dev_is_dma_coherent(ctx->dev);
	struct dma_iova_state state;
	unsigned int i;
	int ret;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	for (i = coherent; i < ARRAY_SIZE(attrs); i++)
		KUNIT_EXPECT_EQ_MSG(test, -EOPNOTSUPP,
				    dma_iova_link(ctx->dev, &state, ctx->block, 0,
						  PAGE_SIZE, RT_DIR, attrs[i]),
				    "attributes %#lx", attrs[i]);

	/* What shares a cache line with the rest of a small object */
	ret = dma_iova_link(ctx->dev, &state, ctx->block, 0, 20, DMA_FROM_DEVICE,
			    0);
	if (dma_kmalloc_needs_bounce(ctx->dev, 20, DMA_FROM_DEVICE)) {
		KUNIT_EXPECT_EQ(test, ret, -EOPNOTSUPP);
	} else {
		KUNIT_EXPECT_EQ(test, ret, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, 20));
		dma_iova_unlink(ctx->dev, &state, 0, 20, DMA_FROM_DEVICE, 0);
	}
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	rt_free(test, &state);
}

/* Offset and size that are not in a reservation of RT_SIZE */
static const struct rt_range {
	size_t offset, size;
} rt_outside[] = {
	{ 0, 0 },
	{ RT_SIZE, 0 },
	{ 0, RT_SIZE + 1 },
	{ PAGE_SIZE, RT_SIZE },
	{ RT_SIZE, PAGE_SIZE },
	{ SIZE_MAX - PAGE_SIZE + 1, PAGE_SIZE },
	{ PAGE_SIZE, SIZE_MAX },
};

static void ranges_outside(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block, 0, RT_SIZE));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, RT_SIZE));
	for (i = 0; i < ARRAY_SIZE(rt_outside); i++) {
		const struct rt_range *r = &rt_outside[i];

		kunit_warning_suppress(test) {
			KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
					    rt_link(test, &state, ctx->block,
						    r->offset, r->size), "%u", i);
			KUNIT_EXPECT_EQ_MSG(test, -EINVAL,
					    dma_iova_sync(ctx->dev, &state,
							  r->offset, r->size),
					    "%u", i);
			dma_iova_sync_for_cpu(ctx->dev, &state, r->offset,
					      r->size, RT_DIR);
			dma_iova_sync_for_device(ctx->dev, &state, r->offset,
						 r->size, RT_DIR);
			rt_unlink(test, &state, r->offset, r->size);
		}
		KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&state), ctx->addr, "%u",
				    i);
	}
	dma_iova_destroy(ctx->dev, &state, RT_SIZE, RT_DIR, 0);
}

/* As behind an IOMMU; and more than there is would be something linked twice. */
static void links_that_are_wrong(struct kunit *test)
{
	struct rt_ctx *ctx = test->priv;
	struct dma_iova_state state;

	KUNIT_ASSERT_EQ(test, 0, rt_reserve(test, &state, RT_SIZE, 0, 0, 0));
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EINVAL, rt_link(test, &state,
						       ctx->block + SZ_512,
						       SZ_512, PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, -EINVAL, rt_link(test, &state,
						       ctx->block + SZ_512,
						       PAGE_SIZE, PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test, 0, rt_link(test, &state, ctx->block, 0,
						 RT_SIZE));
		KUNIT_EXPECT_EQ(test, -EINVAL, rt_link(test, &state, ctx->block,
						       0, PAGE_SIZE));
		rt_unlink(test, &state, SZ_512, PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), ctx->addr);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, RT_SIZE));
	/* It was all still there: what is left is nothing */
	rt_unlink(test, &state, 0, RT_SIZE);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	rt_free(test, &state);
}

static struct kunit_case reserve_cases[] = {
	KUNIT_CASE(requests_that_make_no_sense),
	KUNIT_CASE(devices_that_have_no_reservations),
	KUNIT_CASE(address_is_that_of_the_memory),
	KUNIT_CASE(memory_that_does_not_fit),
	KUNIT_CASE(windows),
	KUNIT_CASE(memory_that_cannot_be_reached),
	KUNIT_CASE(memory_that_would_bounce),
	KUNIT_CASE(ranges_outside),
	KUNIT_CASE(links_that_are_wrong),
	{}
};

static struct kunit_suite reserve_suite = {
	.name = "dma_reserve",
	.init = rt_init,
	.test_cases = reserve_cases,
};

kunit_test_suite(reserve_suite);

MODULE_DESCRIPTION("KUnit tests of reservations on a directly mapped device");
MODULE_LICENSE("GPL");
