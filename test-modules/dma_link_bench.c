// SPDX-License-Identifier: GPL-2.0
/*
 * What dma_iova_link() costs beyond the IOMMU API it is made of: N scattered
 * pages linked one by one and synchronised once, against a loop of
 * iommu_map_nosync() with one iommu_sync_map() for the same pages at the same
 * addresses.
 *
 * The unit is what ktime_get() counts, which is instructions if QEMU runs with
 * -icount. Without, the figures mean nothing, and the plans do not load it.
 *
 * iommu_map_nosync() and iommu_sync_map() are not for modules. Who loads this one
 * tells their addresses, from /proc/kallsyms.
 */
#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/ktime.h>

#include "dma_test.h"

#define MAX_PAGES	256
#define ROUNDS		16

/* At most that many per cent of the bare loop */
#define LIMIT		105

static unsigned long map;
module_param(map, ulong, 0);
MODULE_PARM_DESC(map, "address of iommu_map_nosync()");

static unsigned long sync;
module_param(sync, ulong, 0);
MODULE_PARM_DESC(sync, "address of iommu_sync_map()");

struct bench {
	struct page *page[MAX_PAGES];
	struct dma_iova_state state;
	unsigned int count;
};

static void free_bench_pages(void *data)
{
	struct bench *b = data;

	for (unsigned int i = 0; i < MAX_PAGES; i++)
		if (b->page[i])
			__free_page(b->page[i]);
}

/* No two of them are neighbours that the IOMMU driver could map as one. */
static struct bench *bench_get(struct kunit *test)
{
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct page *between;

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_bench_pages,
							b), 0);
	for (unsigned int i = 0; i < MAX_PAGES; i++) {
		b->page[i] = alloc_page(GFP_KERNEL);
		between = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, b->page[i]);
		if (between)
			__free_page(between);
	}
	return b;
}

static int link_all(struct dt_ctx *ctx, struct bench *b)
{
	int ret = 0;

	for (unsigned int i = 0; i < b->count && !ret; i++)
		ret = dma_iova_link(ctx->dev, &b->state, page_to_phys(b->page[i]),
				    i * PAGE_SIZE, PAGE_SIZE, DMA_BIDIRECTIONAL,
				    0);
	return ret ?: dma_iova_sync(ctx->dev, &b->state, 0,
				    b->count * PAGE_SIZE);
}

static int map_all(struct dt_ctx *ctx, struct bench *b)
{
	typeof(iommu_map_nosync) *map_nosync = (void *)map;
	typeof(iommu_sync_map) *sync_map = (void *)sync;
	int prot = IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE;
	int ret = 0;

	for (unsigned int i = 0; i < b->count && !ret; i++)
		ret = map_nosync(ctx->domain, b->state.addr + i * PAGE_SIZE,
				 page_to_phys(b->page[i]), PAGE_SIZE, prot,
				 GFP_ATOMIC);
	return ret ?: sync_map(ctx->domain, b->state.addr,
			       b->count * PAGE_SIZE);
}

/* The least of several rounds: the others had an interrupt in between. */
static u64 cost(struct kunit *test, struct bench *b,
		int (*all)(struct dt_ctx *ctx, struct bench *b))
{
	struct dt_ctx *ctx = test->priv;
	u64 best = U64_MAX, start, time;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		start = ktime_get_ns();
		KUNIT_ASSERT_EQ(test, all(ctx, b), 0);
		time = ktime_get_ns() - start;
		best = min(best, time);
		dma_iova_unlink(ctx->dev, &b->state, 0, b->count * PAGE_SIZE,
				DMA_BIDIRECTIONAL, 0);
	}
	return best;
}

static void link_against_map(struct kunit *test, unsigned int count)
{
	struct dt_ctx *ctx = test->priv;
	struct bench *b;
	u64 bare, linked;

	if (!ctx->domain)
		kunit_skip(test, "the device is mapped directly");
	if (!dev_is_dma_coherent(ctx->dev))
		kunit_skip(test, "the device is not coherent: caches are cleaned");

	KUNIT_ASSERT_TRUE(test, map && sync);
	b = bench_get(test);
	b->count = count;
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(ctx->dev, &b->state, 0,
						   count * PAGE_SIZE));
	bare = cost(test, b, map_all);
	linked = cost(test, b, link_all);
	dma_iova_free(ctx->dev, &b->state);

	kunit_info(test, "%u pages: bare %llu, linked %llu, %llu per mille\n",
		   count, bare, linked, div64_u64(linked * 1000, bare));
	KUNIT_EXPECT_LE(test, linked * 100, bare * LIMIT);
}

static void link_16_pages(struct kunit *test)
{
	link_against_map(test, 16);
}

static void link_64_pages(struct kunit *test)
{
	link_against_map(test, 64);
}

static void link_256_pages(struct kunit *test)
{
	link_against_map(test, 256);
}

static struct kunit_case dma_link_bench_cases[] = {
	DT_CASE(link_16_pages),
	DT_CASE(link_64_pages),
	DT_CASE(link_256_pages),
	{}
};

static struct kunit_suite dma_link_bench_suite = {
	.name = "dma_link_bench",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_link_bench_cases,
};

kunit_test_suite(dma_link_bench_suite);

MODULE_DESCRIPTION("What the two-step calls cost beyond the IOMMU API");
MODULE_LICENSE("GPL");
