// SPDX-License-Identifier: GPL-2.0
/*
 * Data there and back: what the device reads is what the CPU wrote, what the
 * device writes arrives where it was mapped, and nowhere else.
 *
 * One transfer takes 100 ms in the device, so the offsets and lengths are few
 * and chosen: the first and last byte of a page, pieces that cross one or two
 * page boundaries, whole pages. A transfer never starts at the last byte of a
 * mapping: QEMU's virtio-iommu (7.2) may look the next mapping up for it.
 *
 * Buffers are filled anew before each transfer, so data left over from an
 * earlier one cannot pass for a success.
 */

#include <linux/scatterlist.h>
#include <linux/swiotlb.h>

#include "dma_test.h"

#define GUARD		0x5a
#define BUF_ORDER	2
#define BUF_SIZE	(PAGE_SIZE << BUF_ORDER)

struct span {
	size_t off;
	size_t len;
};

/* In a buffer of four pages. */
static const struct span spans[] = {
	{ 0, 1 },
	{ 1, 64 },
	{ PAGE_SIZE - 3, 6 },
	{ PAGE_SIZE - 1, 2 },
	{ PAGE_SIZE, PAGE_SIZE - 1 },
	{ 100, 4000 },
	{ 2 * PAGE_SIZE - 2048, 4095 },
	{ 4 * PAGE_SIZE - 4095, 4095 },
};

static int push(struct dt_ctx *ctx, dma_addr_t addr, size_t len)
{
	return edu_dma_to_device(ctx->edu, addr, 0, len);
}

static int pull(struct dt_ctx *ctx, dma_addr_t addr, size_t len)
{
	return edu_dma_from_device(ctx->edu, addr, 0, len);
}

/* Put a pattern into the device's buffer, past any mapping under test. */
static void load_device(struct kunit *test, unsigned int seed, size_t len)
{
	struct dt_ctx *ctx = test->priv;
	void *buf = kunit_kmalloc(test, EDU_BUF_SIZE, GFP_KERNEL);
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, len, seed);
	addr = dma_map_single(ctx->dev, buf, EDU_BUF_SIZE, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, push(ctx, addr, len));
	dma_unmap_single(ctx->dev, addr, EDU_BUF_SIZE, DMA_TO_DEVICE);
	kunit_kfree(test, buf);
}

/* How far the device's buffer agrees with a pattern. */
static size_t device_matches(struct kunit *test, unsigned int seed, size_t len)
{
	struct dt_ctx *ctx = test->priv;
	void *buf = kunit_kmalloc(test, EDU_BUF_SIZE, GFP_KERNEL);
	dma_addr_t addr;
	size_t good;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, ~dt_byte(seed, 0), EDU_BUF_SIZE);
	addr = dma_map_single(ctx->dev, buf, EDU_BUF_SIZE, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, len));
	dma_unmap_single(ctx->dev, addr, EDU_BUF_SIZE, DMA_FROM_DEVICE);
	good = dt_check(buf, len, seed);
	kunit_kfree(test, buf);
	return good;
}

/* All of @buf but the span is still the guard byte. */
static void expect_guard(struct kunit *test, const u8 *buf, size_t size,
			 const struct span *s)
{
	size_t end = s->off + s->len;

	KUNIT_EXPECT_EQ_MSG(test, dt_check_same(buf, s->off, GUARD), s->off,
			    "written before the span %zu+%zu", s->off, s->len);
	KUNIT_EXPECT_EQ_MSG(test, dt_check_same(buf + end, size - end, GUARD),
			    size - end, "written behind the span %zu+%zu",
			    s->off, s->len);
}

static void irq_works(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u32 result = 0;

	KUNIT_ASSERT_EQ(test, 0, edu_factorial(ctx->edu, 7, &result));
	KUNIT_EXPECT_EQ(test, result, 5040);
	KUNIT_ASSERT_EQ(test, 0, edu_factorial(ctx->edu, 10, &result));
	KUNIT_EXPECT_EQ(test, result, 3628800);
}

/* What the driver must refuse before it reaches the device. */
static void bad_arguments(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, edu_dma_to_device(ctx->edu, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, edu_dma_to_device(ctx->edu, 0, 0,
						EDU_BUF_SIZE + 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, edu_dma_from_device(ctx->edu, 0, EDU_BUF_SIZE, 1),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, edu_dma_from_device(ctx->edu, 0, 8, SIZE_MAX - 4),
			-EINVAL);
	KUNIT_EXPECT_TRUE(test, edu_get(DT_MAX_DEVICES + 1) == ERR_PTR(-ENODEV));
}

/* The driver's own offsets into the device's buffer, without page crossings. */
static void device_buffer_offsets(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, PAGE_SIZE, 1);
	addr = dma_map_single(ctx->dev, buf, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 1000, 100));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + 200,
						     1050, 50));
	dma_unmap_single(ctx->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, dt_check(buf, 200, 1), 200);
	KUNIT_EXPECT_MEMEQ(test, buf + 200, buf + 50, 50);
}

static void map_single_to_device(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, BUF_ORDER));
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		const struct span *s = &spans[i];
		dma_addr_t addr;

		memset(buf, GUARD, BUF_SIZE);
		dt_fill(buf + s->off, s->len, i);
		addr = dma_map_single(ctx->dev, buf + s->off, s->len,
				      DMA_TO_DEVICE);
		KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
		/* A bounce buffer may begin elsewhere in its page. */
		if (!is_swiotlb_force_bounce(ctx->dev))
			KUNIT_EXPECT_EQ(test, offset_in_page(addr),
					offset_in_page(buf + s->off));
		KUNIT_EXPECT_EQ(test, 0, push(ctx, addr, s->len));
		dma_unmap_single(ctx->dev, addr, s->len, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ_MSG(test, device_matches(test, i, s->len),
				    s->len, "span %zu+%zu", s->off, s->len);
	}
}

static void map_single_from_device(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, BUF_ORDER));
	unsigned int i;

	load_device(test, 3, EDU_BUF_SIZE);
	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		const struct span *s = &spans[i];
		dma_addr_t addr;

		memset(buf, GUARD, BUF_SIZE);
		addr = dma_map_single(ctx->dev, buf + s->off, s->len,
				      DMA_FROM_DEVICE);
		KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
		KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, s->len));
		dma_unmap_single(ctx->dev, addr, s->len, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ_MSG(test, dt_check(buf + s->off, s->len, 3),
				    s->len, "span %zu+%zu", s->off, s->len);
		expect_guard(test, buf, BUF_SIZE, s);
	}
}

/* Pages without a kernel address, and a map across two of them. */
static void map_page_highmem(struct kunit *test)
{
	const struct span s = { PAGE_SIZE - 1500, 3000 };
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_HIGHUSER, 1);
	u8 *buf = kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	if (!PageHighMem(page))
		kunit_skip(test, "this machine has no free high memory");

	memset(buf, GUARD, 2 * PAGE_SIZE);
	dt_fill(buf + s.off, s.len, 4);
	memcpy_to_page(page, 0, buf, PAGE_SIZE);
	memcpy_to_page(page + 1, 0, buf + PAGE_SIZE, PAGE_SIZE);
	addr = dma_map_page(ctx->dev, page, s.off, s.len, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, push(ctx, addr, s.len));
	KUNIT_EXPECT_EQ(test, device_matches(test, 4, s.len), s.len);
	load_device(test, 5, s.len);
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, s.len));
	dma_unmap_page(ctx->dev, addr, s.len, DMA_BIDIRECTIONAL);

	memcpy_from_page(buf, page, 0, PAGE_SIZE);
	memcpy_from_page(buf + PAGE_SIZE, page + 1, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dt_check(buf + s.off, s.len, 5), s.len);
	expect_guard(test, buf, 2 * PAGE_SIZE, &s);
}

/*
 * Only whole pages in the middle may be glued together by the mapping code;
 * the pieces come from five allocations, one of them high memory if there is.
 */
static const struct span sg_pieces[] = {
	{ 100, PAGE_SIZE - 100 },
	{ 0, PAGE_SIZE },
	{ 0, 1000 },
	{ 513, 700 },
	{ PAGE_SIZE - 40, 80 },
};

struct sg_buf {
	struct sg_table sgt;
	struct page *page[ARRAY_SIZE(sg_pieces)];
	size_t total;
};

static struct sg_buf *make_sg(struct kunit *test)
{
	struct sg_buf *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i, j;

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&b->sgt, ARRAY_SIZE(sg_pieces),
						GFP_KERNEL));
	for_each_sgtable_sg(&b->sgt, sg, i) {
		b->page[i] = dt_alloc_pages(test, i == 3 ? GFP_HIGHUSER :
							   GFP_KERNEL, 1);
		for (j = 0; j < 2; j++)
			memset_page(b->page[i] + j, 0, GUARD, PAGE_SIZE);
		sg_set_page(sg, b->page[i], sg_pieces[i].len, sg_pieces[i].off);
		b->total += sg_pieces[i].len;
	}
	return b;
}

static void expect_sg_guard(struct kunit *test, struct sg_buf *b)
{
	u8 *buf = kunit_kmalloc(test, 2 * PAGE_SIZE, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < ARRAY_SIZE(sg_pieces); i++) {
		memcpy_from_page(buf, b->page[i], 0, PAGE_SIZE);
		memcpy_from_page(buf + PAGE_SIZE, b->page[i] + 1, 0, PAGE_SIZE);
		expect_guard(test, buf, 2 * PAGE_SIZE, &sg_pieces[i]);
	}
	kunit_kfree(test, buf);
}

/* One list into the device piece by piece, and out into a second list. */
static void map_sg_there_and_back(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct sg_buf *src = make_sg(test), *dst = make_sg(test);
	u8 *buf = kunit_kzalloc(test, src->total, GFP_KERNEL);
	struct scatterlist *s, *d;
	size_t done = 0;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, src->total, 6);
	sg_copy_from_buffer(src->sgt.sgl, src->sgt.orig_nents, buf, src->total);
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(ctx->dev, &src->sgt,
						 DMA_TO_DEVICE, 0));
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(ctx->dev, &dst->sgt,
						 DMA_FROM_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, src->sgt.nents, dst->sgt.nents);

	d = dst->sgt.sgl;
	for_each_sgtable_dma_sg(&src->sgt, s, i) {
		size_t off = 0;

		KUNIT_EXPECT_EQ(test, sg_dma_len(s), sg_dma_len(d));
		while (off < sg_dma_len(s)) {
			size_t n = min_t(size_t, sg_dma_len(s) - off,
					 EDU_BUF_SIZE);

			KUNIT_EXPECT_EQ(test, 0, push(ctx, sg_dma_address(s) +
						      off, n));
			KUNIT_EXPECT_EQ(test, 0, pull(ctx, sg_dma_address(d) +
						      off, n));
			off += n;
		}
		done += off;
		d = sg_next(d);
	}
	dma_unmap_sgtable(ctx->dev, &dst->sgt, DMA_FROM_DEVICE, 0);
	dma_unmap_sgtable(ctx->dev, &src->sgt, DMA_TO_DEVICE, 0);
	KUNIT_EXPECT_EQ(test, done, src->total);

	memset(buf, 0, src->total);
	sg_copy_to_buffer(dst->sgt.sgl, dst->sgt.orig_nents, buf, src->total);
	KUNIT_EXPECT_EQ(test, dt_check(buf, src->total, 6), src->total);
	expect_sg_guard(test, src);
	expect_sg_guard(test, dst);
	sg_free_table(&src->sgt);
	sg_free_table(&dst->sgt);
}

/* Both directions through multi-page coherent memory, across its pages. */
static void coherent_there_and_back(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	const size_t size = 4 * PAGE_SIZE;
	dma_addr_t addr;
	size_t off;
	u8 *buf;

	buf = dma_alloc_coherent(ctx->dev, size, &addr, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* Do not let a wrong mapping loose on somebody else's memory. */
	for (off = 0; off < size; off += PAGE_SIZE)
		KUNIT_ASSERT_EQ_MSG(test, dt_phys(ctx, addr + off),
				    page_to_phys(dt_page(buf + off)),
				    "at %zu", off);

	KUNIT_EXPECT_EQ(test, dt_check_same(buf, size, 0), size);
	memset(buf, GUARD, size);
	dt_fill(buf + 2000, 4095, 7);
	KUNIT_EXPECT_EQ(test, 0, push(ctx, addr + 2000, 4095));
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr + 3 * PAGE_SIZE - 2001, 4095));
	KUNIT_EXPECT_EQ(test, dt_check(buf + 3 * PAGE_SIZE - 2001, 4095, 7),
			4095);
	KUNIT_EXPECT_EQ(test, dt_check(buf + 2000, 4095, 7), 4095);
	KUNIT_EXPECT_EQ(test, dt_check_same(buf, 2000, GUARD), 2000);
	off = 3 * PAGE_SIZE - 2001 + 4095;
	KUNIT_EXPECT_EQ(test, dt_check_same(buf + off, size - off, GUARD),
			size - off);
	dma_free_coherent(ctx->dev, size, buf, addr);
}

/* One mapping, handed back and forth by sync calls. */
static void sync_single_repeated(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, 1));
	dma_addr_t addr;
	unsigned int i;

	addr = dma_map_single(ctx->dev, buf, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	for (i = 0; i < 3; i++) {
		dma_sync_single_for_cpu(ctx->dev, addr, 2 * PAGE_SIZE,
					DMA_BIDIRECTIONAL);
		memset(buf, GUARD, 2 * PAGE_SIZE);
		dt_fill(buf, 2000, 10 + i);
		dma_sync_single_for_device(ctx->dev, addr, 2 * PAGE_SIZE,
					   DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0, push(ctx, addr, 2000));
		KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr + 3000, 2000));
		dma_sync_single_range_for_cpu(ctx->dev, addr, 3000, 2000,
					      DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, dt_check(buf + 3000, 2000, 10 + i), 2000);
		KUNIT_EXPECT_EQ(test, dt_check_same(buf + 2000, 1000, GUARD),
				1000);
	}
	dma_unmap_single(ctx->dev, addr, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
}

static void unmapped_is_out_of_reach(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, 0));
	dma_addr_t addr;

	dt_need_iommu(test);
	load_device(test, 20, 1000);
	memset(buf, GUARD, PAGE_SIZE);
	addr = dma_map_single(ctx->dev, buf, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, 1000));
	dma_unmap_single(ctx->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	/* It does arrive as long as it is mapped. */
	KUNIT_ASSERT_EQ(test, dt_check(buf, 1000, 20), 1000);

	memset(buf, GUARD, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, 1000));
	KUNIT_EXPECT_EQ(test, dt_check_same(buf, PAGE_SIZE, GUARD), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), 0);
}

/* A direction is a permission where there is an IOMMU. */
static void to_device_is_read_only(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	u8 *buf = page_address(dt_alloc_pages(test, GFP_KERNEL, 0));
	dma_addr_t addr;

	dt_need_iommu(test);
	load_device(test, 21, 1000);
	memset(buf, GUARD, PAGE_SIZE);
	addr = dma_map_single(ctx->dev, buf, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, pull(ctx, addr, 1000));
	dma_unmap_single(ctx->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, dt_check_same(buf, PAGE_SIZE, GUARD), PAGE_SIZE);
}

static struct kunit_case edu_data_cases[] = {
	DT_CASE(irq_works),
	DT_CASE(bad_arguments),
	DT_CASE(device_buffer_offsets),
	DT_CASE_SLOW(map_single_to_device),
	DT_CASE_SLOW(map_single_from_device),
	DT_CASE(map_page_highmem),
	DT_CASE_SLOW(map_sg_there_and_back),
	DT_CASE(coherent_there_and_back),
	DT_CASE(sync_single_repeated),
	DT_CASE(unmapped_is_out_of_reach),
	DT_CASE(to_device_is_read_only),
	{}
};

static struct kunit_suite edu_data_suite = {
	.name = "edu_data_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = edu_data_cases,
};

kunit_test_suite(edu_data_suite);

MODULE_DESCRIPTION("Data through the DMA mappings of the edu device");
MODULE_LICENSE("GPL");
