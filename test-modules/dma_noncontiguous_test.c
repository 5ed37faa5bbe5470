// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is not coherent: dma_alloc_noncontiguous(), dma_alloc_pages()
 * and dma_alloc_noncoherent(), and their kernel and user mappings.
 */

#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>

#include "dma_test.h"
#include "user_map.h"

#define SECRET	0x5a
#define PAGES	20
#define SIZE	(PAGES * PAGE_SIZE)

struct nc {
	struct device *dev;
	struct sg_table *sgt;
	struct page *page;
	size_t size;
};

static const unsigned long good_attrs[] = {
	0,
	DMA_ATTR_ALLOC_SINGLE_PAGES,
	DMA_ATTR_NO_WARN,
	DMA_ATTR_NO_KERNEL_MAPPING,
	DMA_ATTR_WRITE_COMBINE,
	DMA_ATTR_WEAK_ORDERING,
	DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_ALLOC_SINGLE_PAGES |
	DMA_ATTR_WRITE_COMBINE,
};

static int nc_mmap(struct vm_area_struct *vma, void *data)
{
	struct nc *nc = data;

	if (nc->page)
		return dma_mmap_pages(nc->dev, vma, nc->size, nc->page);
	return dma_mmap_noncontiguous(nc->dev, vma, nc->size, nc->sgt);
}

/* The pages of the table are those that the device reaches. */
static void nc_pages(struct kunit *test, struct nc *nc, dma_addr_t addr,
		     struct page **pages)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i, n = PAGE_ALIGN(nc->size) >> PAGE_SHIFT, wrong = 0;
	struct sg_page_iter iter;

	if (nc->page) {
		for (i = 0; i < n; i++)
			pages[i] = nc->page + i;
	} else {
		i = 0;
		for_each_sg_page(nc->sgt->sgl, &iter, nc->sgt->orig_nents, 0)
			if (i < n)
				pages[i++] = sg_page_iter_page(&iter);
		KUNIT_ASSERT_EQ(test, i, n);
	}
	for (i = 0; i < n; i++)
		wrong += dt_phys(ctx, addr + i * PAGE_SIZE) !=
			 page_to_phys(pages[i]);
	KUNIT_ASSERT_EQ_MSG(test, wrong, 0, "the device reaches other pages");
}

/* Every part, cached, and nothing beyond. */
static void nc_parts(struct kunit *test, struct nc *nc, struct page **pages)
{
	struct um_request r = { .mmap = nc_mmap, .data = nc };
	static const unsigned int parts[][2] = {
		{ 0, PAGES }, { 0, 1 }, { 3, 5 }, { PAGES - 1, 1 },
	};
	static const unsigned int bad[][2] = {
		{ 0, PAGES + 1 }, { PAGES - 1, 2 }, { PAGES, 1 }, { 1, PAGES },
	};
	unsigned long uaddr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		uaddr = um_map(test, &r, parts[i][0], parts[i][1]);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
		um_expect(test, uaddr, parts[i][1], pages + parts[i][0],
			  um_cached(), "not coherent");
		um_unmap(test, uaddr, parts[i][1]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		uaddr = um_map(test, &r, bad[i][0], bad[i][1]);
		KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, -ENXIO, "pages %u+%u",
				    bad[i][0], bad[i][1]);
		if (!IS_ERR_VALUE(uaddr))
			um_unmap(test, uaddr, bad[i][1]);
	}
}

static void nc_alloc(struct kunit *test, struct nc *nc, unsigned long attrs)
{
	struct dt_ctx *ctx = test->priv;

	nc->dev = ctx->dev;
	nc->size = SIZE;
	nc->page = NULL;
	/* The device sees one segment, but the DMA debug code all of them. */
	dma_set_max_seg_size(nc->dev, UINT_MAX);
	nc->sgt = dma_alloc_noncontiguous(nc->dev, nc->size, DMA_BIDIRECTIONAL,
					  GFP_KERNEL, attrs);
	KUNIT_ASSERT_NOT_NULL_MSG(test, nc->sgt, "attributes %#lx", attrs);
}

static void nc_free(struct nc *nc)
{
	dma_free_noncontiguous(nc->dev, nc->size, nc->sgt, DMA_BIDIRECTIONAL);
}

static void x4_noncontiguous_attributes(struct kunit *test)
{
	struct page **pages = dt_page_array(test, PAGES);
	unsigned int i;
	struct nc nc;

	for (i = 0; i < ARRAY_SIZE(good_attrs); i++) {
		nc_alloc(test, &nc, good_attrs[i]);
		KUNIT_EXPECT_EQ(test, nc.sgt->nents, 1);
		nc_pages(test, &nc, sg_dma_address(nc.sgt->sgl), pages);
		nc_free(&nc);
	}
}

static void x4_noncontiguous_mmap(struct kunit *test)
{
	struct page **pages = dt_page_array(test, PAGES);
	struct nc nc;

	nc_alloc(test, &nc, 0);
	nc_pages(test, &nc, sg_dma_address(nc.sgt->sgl), pages);
	nc_parts(test, &nc, pages);
	nc_free(&nc);
}

static void x4_noncontiguous_vmap(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	const size_t at = PAGE_SIZE - 50, len = 1000;
	unsigned int i;
	struct nc nc;
	u8 *vaddr;

	for (i = 0; i < ARRAY_SIZE(good_attrs); i++) {
		dma_addr_t addr;

		nc_alloc(test, &nc, good_attrs[i]);
		addr = sg_dma_address(nc.sgt->sgl);
		vaddr = dma_vmap_noncontiguous(nc.dev, nc.size, nc.sgt);
		KUNIT_ASSERT_NOT_NULL(test, vaddr);
		dt_fill(vaddr + at, len, i);
		flush_kernel_vmap_range(vaddr, nc.size);
		dma_sync_sgtable_for_device(nc.dev, nc.sgt, DMA_BIDIRECTIONAL);
		KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr + at,
							   0, len));
		KUNIT_EXPECT_EQ(test, 0,
				edu_dma_from_device(ctx->edu, addr + at +
						    4 * PAGE_SIZE, 0, len));
		dma_sync_sgtable_for_cpu(nc.dev, nc.sgt, DMA_BIDIRECTIONAL);
		invalidate_kernel_vmap_range(vaddr, nc.size);
		KUNIT_EXPECT_EQ(test, len,
				dt_check(vaddr + at + 4 * PAGE_SIZE, len, i));
		dma_vunmap_noncontiguous(nc.dev, vaddr);
		nc_free(&nc);
	}
}

/* What user space can map has nothing in it that somebody left there. */
static void x4_noncontiguous_zeroed(struct kunit *test)
{
	struct nc nc;
	struct um_request r = { .mmap = nc_mmap, .data = &nc };
	unsigned long uaddr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(good_attrs); i++) {
		um_dirty_free_memory(test, SIZE, SECRET);
		um_dirty_free_memory(test, PAGE_SIZE, SECRET);
		nc_alloc(test, &nc, good_attrs[i]);
		uaddr = um_map(test, &r, 0, PAGES);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
		KUNIT_EXPECT_EQ(test, um_check_same(test, uaddr, SIZE, 0),
				SIZE);
		um_unmap(test, uaddr, PAGES);
		nc_free(&nc);
	}
}

static void d25_pages_mmap(struct kunit *test)
{
	struct page **pages = dt_page_array(test, PAGES);
	struct dt_ctx *ctx = test->priv;
	struct nc nc = { .dev = ctx->dev, .size = SIZE };
	dma_addr_t addr;

	nc.page = dma_alloc_pages(nc.dev, SIZE, &addr, DMA_BIDIRECTIONAL,
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nc.page);
	nc_pages(test, &nc, addr, pages);
	nc_parts(test, &nc, pages);
	dma_free_pages(nc.dev, SIZE, nc.page, addr, DMA_BIDIRECTIONAL);
}

static void d25_noncoherent_there_and_back(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	const size_t len = 3000;
	dma_addr_t addr;
	u8 *vaddr;

	vaddr = dma_alloc_noncoherent(ctx->dev, 2 * PAGE_SIZE, &addr,
				      DMA_BIDIRECTIONAL, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vaddr);
	KUNIT_EXPECT_EQ(test, dt_check_same(vaddr, 2 * PAGE_SIZE, 0),
			2 * PAGE_SIZE);
	dt_fill(vaddr, len, 1);
	dma_sync_single_for_device(ctx->dev, addr, 2 * PAGE_SIZE,
				   DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, len));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu,
						     addr + PAGE_SIZE, 0, len));
	dma_sync_single_for_cpu(ctx->dev, addr, 2 * PAGE_SIZE,
				DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, dt_check(vaddr + PAGE_SIZE, len, 1), len);
	dma_free_noncoherent(ctx->dev, 2 * PAGE_SIZE, vaddr, addr,
			     DMA_BIDIRECTIONAL);
}

static struct kunit_case dma_noncontiguous_cases[] = {
	DT_CASE(x4_noncontiguous_attributes),
	DT_CASE(x4_noncontiguous_mmap),
	DT_CASE_SLOW(x4_noncontiguous_vmap),
	DT_CASE_SLOW(x4_noncontiguous_zeroed),
	DT_CASE(d25_pages_mmap),
	DT_CASE_SLOW(d25_noncoherent_there_and_back),
	{}
};

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}

static struct kunit_suite dma_noncontiguous_suite = {
	.name = "dma_noncontiguous_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_noncontiguous_cases,
};

kunit_test_suite(dma_noncontiguous_suite);

MODULE_DESCRIPTION("DMA memory that is not coherent");
MODULE_LICENSE("GPL");
