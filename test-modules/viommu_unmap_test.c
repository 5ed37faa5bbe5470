// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping and unmapping while memory runs out, and when the IOMMU refuses.
 *
 * An unmap must reach the device whatever fails on the way: the caller gives
 * the memory to somebody else next. Each case makes the first, second, third
 * ... allocation that may not sleep fail, until none is left to fail, and has
 * the device write to the address afterwards: the memory must not change.
 * Whether anything allocates at all is not asked.
 */

#include "space.h"

#define GUARD	0x69
#define LAST	DMA_BIT_MASK(24)
#define MAX_NTH	24

/* Something that is not the guard byte goes into the device's buffer. */
static void load_device(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = kunit_kmalloc(test, 1024, GFP_KERNEL);
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, 1024, 9);
	addr = dma_map_single(ctx->dev, buf, 1024, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_ASSERT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, 1024));
	dma_unmap_single(ctx->dev, addr, 1024, DMA_TO_DEVICE);
	kunit_kfree(test, buf);
}

/* The device writes to @addr; whether @page got it. */
static bool device_reaches(struct kunit *test, dma_addr_t addr,
			   struct page *page)
{
	struct dt_ctx *ctx = test->priv;
	bool same;
	void *p;

	memset_page(page, 0, GUARD, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, 1024));
	p = kmap_local_page(page);
	same = dt_check_same(p, PAGE_SIZE, GUARD) == PAGE_SIZE;
	kunmap_local(p);
	return !same;
}

static void expect_gone(struct kunit *test, dma_addr_t addr, struct page *page,
			unsigned int nth)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, addr), 0,
			    "allocation %u failed: still mapped", nth);
	KUNIT_EXPECT_FALSE_MSG(test, device_reaches(test, addr, page),
			       "allocation %u failed: the device still writes to the page",
			       nth);
}

static void x8_unmap_page_without_memory(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct page *other = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t addr, other_addr;
	unsigned int n;
	bool failed;

	dt_need_iommu(test);
	load_device(test);
	other_addr = dma_map_page(ctx->dev, other, 0, PAGE_SIZE,
				  DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, other_addr));
	for (n = 1; n < MAX_NTH; n++) {
		addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE,
				    DMA_FROM_DEVICE);
		KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
		/* The oracle works: the device can write there. */
		if (n == 1)
			KUNIT_ASSERT_TRUE(test, device_reaches(test, addr,
							       page));
		dt_fail_nth(test, n);
		dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
		failed = dt_fail_stop();
		expect_gone(test, addr, page, n);
		if (!failed)
			break;
	}
	KUNIT_EXPECT_LT(test, n, MAX_NTH);
	/* Nothing else went with it. */
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, other_addr), page_to_phys(other));
	KUNIT_EXPECT_TRUE(test, device_reaches(test, other_addr, other));
	dma_unmap_page(ctx->dev, other_addr, PAGE_SIZE, DMA_FROM_DEVICE);
}

static void x8_unmap_sg_without_memory(struct kunit *test)
{
	struct page *page[3];
	struct dt_ctx *ctx = test->priv;
	struct scatterlist sg[3];
	dma_addr_t addr[3];
	unsigned int n, i;
	bool failed;

	dt_need_iommu(test);
	load_device(test);
	for (i = 0; i < 3; i++)
		page[i] = dt_alloc_pages(test, GFP_KERNEL, 0);
	for (n = 1; n < MAX_NTH; n++) {
		struct scatterlist *s;
		unsigned int j = 0;
		int count;

		sg_init_table(sg, 3);
		for (i = 0; i < 3; i++)
			sg_set_page(&sg[i], page[i], PAGE_SIZE, 0);
		count = dma_map_sg(ctx->dev, sg, 3, DMA_FROM_DEVICE);
		KUNIT_ASSERT_GT(test, count, 0);
		for_each_sg(sg, s, count, i) {
			unsigned int off;

			for (off = 0; off < sg_dma_len(s) && j < 3;
			     off += PAGE_SIZE)
				addr[j++] = sg_dma_address(s) + off;
		}
		KUNIT_ASSERT_EQ(test, j, 3);
		dt_fail_nth(test, n);
		dma_unmap_sg(ctx->dev, sg, 3, DMA_FROM_DEVICE);
		failed = dt_fail_stop();
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, addr[i]), 0,
					    "allocation %u failed, page %u", n,
					    i);
		expect_gone(test, addr[n % 3], page[n % 3], n);
		if (!failed)
			break;
	}
	KUNIT_EXPECT_LT(test, n, MAX_NTH);
}

/* The page is held here, so it is not given to anybody while we look at it. */
static void x8_free_coherent_without_memory(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page;
	dma_addr_t addr;
	unsigned int n;
	bool failed;
	void *cpu;

	dt_need_iommu(test);
	load_device(test);
	for (n = 1; n < MAX_NTH; n++) {
		cpu = dma_alloc_coherent(ctx->dev, PAGE_SIZE, &addr,
					 GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, cpu);
		page = dt_page(cpu);
		get_page(page);
		dt_fail_nth(test, n);
		dma_free_coherent(ctx->dev, PAGE_SIZE, cpu, addr);
		failed = dt_fail_stop();
		expect_gone(test, addr, page, n);
		put_page(page);
		if (!failed)
			break;
	}
	KUNIT_EXPECT_LT(test, n, MAX_NTH);
}

/*
 * Mapping may fail, but then it says so, maps nothing and loses no address: as
 * much fits into a small space afterwards as before.
 */
static void x8_map_without_memory(struct kunit *test)
{
	struct space *s = space_init(test, LAST);
	struct dt_ctx *ctx = test->priv;
	unsigned int n, round;
	u64 before;

	dt_need_iommu(test);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask_and_coherent(ctx->dev, LAST));
	space_fill(test, s, &way_page, LAST);
	before = s->bytes;
	space_empty(test, s, &way_page);
	KUNIT_ASSERT_GT(test, before, LAST / 2);

	for (round = 0; round < 4; round++) {
		for (n = 1; n < MAX_NTH; n++) {
			struct piece p = { .size = SPACE_PIECE };
			bool taken, failed;

			dt_fail_nth(test, n);
			taken = take_page(ctx, s, &p);
			failed = dt_fail_stop();
			if (taken) {
				KUNIT_EXPECT_EQ(test, dt_phys(ctx, p.addr),
						page_to_phys(s->page));
				give_page(ctx, &p);
				dt_settle(ctx);
			} else {
				KUNIT_EXPECT_TRUE(test, failed);
			}
			if (!failed)
				break;
		}
		KUNIT_EXPECT_LT(test, n, MAX_NTH);
		/* Something did fail, or this case shows nothing. */
		KUNIT_EXPECT_GT(test, n, 1);
	}
	space_fill(test, s, &way_page, LAST);
	KUNIT_EXPECT_EQ(test, s->bytes, before);
	space_empty(test, s, &way_page);
}

/*
 * The device refuses to map what is mapped already. A domain of our own is
 * used, if the device can be had for it, so as not to meddle with its real one.
 */
struct own_domain {
	struct iommu_domain *domain;
	bool attached;
};

static void own_domain_get(struct kunit *test, struct own_domain *own)
{
	struct dt_ctx *ctx = test->priv;

	own->domain = iommu_paging_domain_alloc(ctx->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, own->domain);
	own->attached = !iommu_attach_device(own->domain, ctx->dev);
	if (!own->attached) {
		iommu_domain_free(own->domain);
		own->domain = ctx->domain;
	}
}

static void own_domain_put(struct kunit *test, struct own_domain *own)
{
	struct dt_ctx *ctx = test->priv;

	if (!own->attached)
		return;
	iommu_detach_device(own->domain, ctx->dev);
	iommu_domain_free(own->domain);
}

#define OWN_IOVA	SZ_64M
#define OWN_PROT	(IOMMU_READ | IOMMU_WRITE)

static int own_map(struct own_domain *own, unsigned int n, struct page *page)
{
	return iommu_map(own->domain, OWN_IOVA + n * PAGE_SIZE,
			 page_to_phys(page), PAGE_SIZE, OWN_PROT, GFP_KERNEL);
}

static phys_addr_t own_phys(struct own_domain *own, unsigned int n)
{
	return iommu_iova_to_phys(own->domain, OWN_IOVA + n * PAGE_SIZE);
}

static void x8_refused_map_is_reported(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *a = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct page *b = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct own_domain own;

	dt_need_iommu(test);
	if (!dt_behind_virtio_iommu(ctx))
		kunit_skip(test, "other IOMMU drivers warn about such a map");
	own_domain_get(test, &own);
	KUNIT_EXPECT_EQ(test, 0, own_map(&own, 0, a));
	KUNIT_EXPECT_LT(test, own_map(&own, 0, b), 0);
	iommu_unmap(own.domain, OWN_IOVA, PAGE_SIZE);
	/* A failure of the past is not reported again. */
	KUNIT_EXPECT_EQ(test, 0, own_map(&own, 0, b));
	KUNIT_EXPECT_EQ(test, iommu_unmap(own.domain, OWN_IOVA, PAGE_SIZE),
			PAGE_SIZE);
	own_domain_put(test, &own);
}

/*
 * iommu_map() unwinds a map that was refused by unmapping its range: what was
 * mapped there before is gone, on both sides, and the next page is not touched.
 */
static void x8_refused_map_spares_the_neighbour(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page[3];
	struct own_domain own;
	unsigned int i;

	dt_need_iommu(test);
	if (!dt_behind_virtio_iommu(ctx))
		kunit_skip(test, "other IOMMU drivers warn about such a map");
	for (i = 0; i < 3; i++)
		page[i] = dt_alloc_pages(test, GFP_KERNEL, 0);
	own_domain_get(test, &own);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ(test, 0, own_map(&own, i, page[i]));
	KUNIT_EXPECT_LT(test, own_map(&own, 0, page[2]), 0);

	KUNIT_EXPECT_EQ(test, own_phys(&own, 0), 0);
	KUNIT_EXPECT_EQ(test, own_phys(&own, 1), page_to_phys(page[1]));
	/* The device refuses the first if it still has the old mapping, ... */
	KUNIT_EXPECT_EQ(test, 0, own_map(&own, 0, page[2]));
	KUNIT_EXPECT_EQ(test, own_phys(&own, 0), page_to_phys(page[2]));
	/* ... and the second if it was made to forget it. */
	KUNIT_EXPECT_LT(test, own_map(&own, 1, page[2]), 0);
	for (i = 0; i < 2; i++)
		iommu_unmap(own.domain, OWN_IOVA + i * PAGE_SIZE, PAGE_SIZE);
	own_domain_put(test, &own);
}

/* All of a range is unmapped although a page in the middle never was mapped. */
static void x8_unmap_range_with_hole(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct own_domain own;
	struct page *page;
	unsigned int i;

	dt_need_iommu(test);
	if (!dt_behind_virtio_iommu(ctx))
		kunit_skip(test, "other IOMMU drivers warn about such an unmap");
	page = dt_alloc_pages(test, GFP_KERNEL, 0);
	own_domain_get(test, &own);
	KUNIT_EXPECT_EQ(test, 0, own_map(&own, 0, page));
	KUNIT_EXPECT_EQ(test, 0, own_map(&own, 2, page));
	iommu_unmap(own.domain, OWN_IOVA, 3 * PAGE_SIZE);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ_MSG(test, own_phys(&own, i), 0, "page %u", i);
		/* Refused if the device still has something there. */
		KUNIT_EXPECT_EQ_MSG(test, 0, own_map(&own, i, page),
				    "page %u", i);
	}
	KUNIT_EXPECT_EQ(test, iommu_unmap(own.domain, OWN_IOVA, 3 * PAGE_SIZE),
			3 * PAGE_SIZE);
	own_domain_put(test, &own);
}

static struct kunit_case viommu_unmap_cases[] = {
	DT_CASE(x8_unmap_page_without_memory),
	DT_CASE(x8_unmap_sg_without_memory),
	DT_CASE(x8_free_coherent_without_memory),
	DT_CASE(x8_map_without_memory),
	DT_CASE(x8_refused_map_is_reported),
	DT_CASE(x8_refused_map_spares_the_neighbour),
	DT_CASE(x8_unmap_range_with_hole),
	{}
};

static struct kunit_suite viommu_unmap_suite = {
	.name = "viommu_unmap_test",
	.suite_init = dt_fail_quietly,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = viommu_unmap_cases,
};

kunit_test_suite(viommu_unmap_suite);

MODULE_DESCRIPTION("Unmapping without memory, and maps the IOMMU refuses");
MODULE_LICENSE("GPL");
