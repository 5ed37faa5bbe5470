// SPDX-License-Identifier: GPL-2.0
/*
 * Coherent buffers: the device, the kernel, a scatter-gather table and a user
 * mapping of one buffer all have to mean the same pages, and those pages are
 * zeroed, and given back.
 *
 * The truth is the CPU's side: the page behind each kernel address. For memory
 * without a kernel mapping the cookie says nothing, so the scatter-gather table
 * is compared with the device's side, and the contents of all three.
 *
 * Pages that a broken mapping names are not touched before they were found
 * right: the unpatched kernel turns up stack contents as page pointers here.
 */

#include <linux/dma-map-ops.h>
#include <linux/scatterlist.h>
#include <linux/uaccess.h>

#include "buf.h"

#define GUARD	0xa5

static const struct kind kinds[] = {
	{ "plain", GFP_KERNEL, 0 },
	{ "write-combine", GFP_KERNEL, DMA_ATTR_WRITE_COMBINE },
	{ "single-pages", GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES },
	{ "contiguous", GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
};

static const struct kind atomic_kinds[] = {
	{ "atomic", GFP_ATOMIC, 0 },
	{ "atomic write-combine", GFP_ATOMIC, DMA_ATTR_WRITE_COMBINE },
};

static const struct kind unmapped_kinds[] = {
	{ "no-mapping", GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	{ "no-mapping contiguous", GFP_KERNEL,
	  DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS },
	{ "no-mapping write-combine", GFP_KERNEL,
	  DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_WRITE_COMBINE },
	{ "no-mapping atomic", GFP_ATOMIC, DMA_ATTR_NO_KERNEL_MAPPING },
};

static const size_t sizes[] = {
	SZ_4K, 5000, SZ_8K, 3 * SZ_4K, 5 * SZ_4K, SZ_64K, 25 * SZ_4K,
	129 * SZ_4K, SZ_1M,
};

/* From the pool for atomic allocations, of which others need some as well. */
static const size_t atomic_sizes[] = {
	SZ_4K, 5000, SZ_8K, 3 * SZ_4K, 5 * SZ_4K, SZ_32K,
};

/*
 * The next page of the device's addresses may be another mapping of the same
 * device only if it is not memory (an MSI doorbell): nothing else is mapped.
 */
static bool is_memory(struct dt_ctx *ctx, dma_addr_t addr)
{
	phys_addr_t phys = dt_phys(ctx, addr);

	return phys && pfn_valid(PHYS_PFN(phys));
}

static void expect_own_pages(struct kunit *test, struct buf *b)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < b->pages; i++) {
		size_t off = (size_t)i << PAGE_SHIFT;

		KUNIT_ASSERT_EQ_MSG(test, dt_phys(ctx, b->addr + off),
				    page_to_phys(dt_page(b->cpu + off)),
				    "%s, %zu bytes: page %u", b->kind->name,
				    b->size, i);
	}
	KUNIT_EXPECT_EQ_MSG(test, dt_check_same(b->cpu, b->pages << PAGE_SHIFT,
						0),
			    b->pages << PAGE_SHIFT, "%s, %zu bytes: not zeroed",
			    b->kind->name, b->size);
	if (!ctx->domain)
		return;
	KUNIT_EXPECT_FALSE_MSG(test, is_memory(ctx, b->addr - PAGE_SIZE),
			       "%s, %zu bytes: mapped too low", b->kind->name,
			       b->size);
	KUNIT_EXPECT_FALSE_MSG(test, is_memory(ctx, b->addr +
					       (b->pages << PAGE_SHIFT)),
			       "%s, %zu bytes: mapped too far", b->kind->name,
			       b->size);
}

static void own_pages_of(struct kunit *test, const struct kind *k,
			 unsigned int nkinds, const size_t *sz,
			 unsigned int nsizes)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < nkinds; i++) {
		for (j = 0; j < nsizes; j++) {
			buf_alloc(test, &b, &k[i], sz[j]);
			expect_own_pages(test, &b);
			buf_free(&b);
			if (ctx->domain)
				KUNIT_EXPECT_EQ(test, dt_phys(ctx, b.addr), 0);
		}
	}
}

static void d1_coherent_multi_page(struct kunit *test)
{
	own_pages_of(test, kinds, ARRAY_SIZE(kinds), sizes, ARRAY_SIZE(sizes));
}

static void d1_atomic_multi_page(struct kunit *test)
{
	own_pages_of(test, atomic_kinds, ARRAY_SIZE(atomic_kinds), atomic_sizes,
		     ARRAY_SIZE(atomic_sizes));
}

/* Fill @pages with what the table lists, and check it against the truth. */
static void expect_sgtable(struct kunit *test, struct buf *b,
			   struct page **pages)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i = 0, wrong = 0;
	struct sg_page_iter iter;
	struct sg_table sgt;
	int ret;

	ret = dma_get_sgtable_attrs(ctx->dev, &sgt, b->cpu, b->addr, b->size,
				    b->kind->attrs);
	KUNIT_ASSERT_EQ_MSG(test, ret, 0, "%s, %zu bytes", b->kind->name,
			    b->size);
	for_each_sg_page(sgt.sgl, &iter, sgt.orig_nents, 0) {
		size_t off = (size_t)i << PAGE_SHIFT;
		struct page *page = sg_page_iter_page(&iter);

		if (i == b->pages)
			break;
		if (buf_has_cpu(b) && page != dt_page(b->cpu + off))
			wrong++;
		if (dt_phys(ctx, b->addr + off) != page_to_phys(page))
			wrong++;
		pages[i++] = page;
	}
	sg_free_table(&sgt);
	/* Wrong pages must not be followed: these two end the case. */
	KUNIT_ASSERT_EQ_MSG(test, i, b->pages, "%s, %zu bytes: entries missing",
			    b->kind->name, b->size);
	KUNIT_ASSERT_EQ_MSG(test, wrong, 0, "%s, %zu bytes: wrong pages",
			    b->kind->name, b->size);
}

static void sgtable_of(struct kunit *test, const struct kind *k,
		       unsigned int nkinds, const size_t *sz,
		       unsigned int nsizes)
{
	struct page **pages = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < nkinds; i++) {
		for (j = 0; j < nsizes; j++) {
			buf_alloc(test, &b, &k[i], sz[j]);
			expect_sgtable(test, &b, pages);
			buf_free(&b);
		}
	}
}

static void d4_coherent_sgtable(struct kunit *test)
{
	sgtable_of(test, kinds, ARRAY_SIZE(kinds), sizes, ARRAY_SIZE(sizes));
}

static void d2_atomic_sgtable(struct kunit *test)
{
	sgtable_of(test, atomic_kinds, ARRAY_SIZE(atomic_kinds), atomic_sizes,
		   ARRAY_SIZE(atomic_sizes));
}

static void d3_no_mapping_sgtable(struct kunit *test)
{
	sgtable_of(test, unmapped_kinds, ARRAY_SIZE(unmapped_kinds),
		   atomic_sizes, ARRAY_SIZE(atomic_sizes));
	/* The last kind is the atomic one. */
	sgtable_of(test, unmapped_kinds, ARRAY_SIZE(unmapped_kinds) - 1, sizes,
		   ARRAY_SIZE(sizes));
}

/* What the user reads or writes at @uaddr is what is in @pages. */
static void expect_same_memory(struct kunit *test, struct page **pages,
			       unsigned long uaddr, unsigned int count,
			       unsigned int seed)
{
	u8 *tmp = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, tmp);
	for (i = 0; i < count; i++) {
		void __user *u = (void __user *)uaddr + i * PAGE_SIZE;

		dt_fill(tmp, PAGE_SIZE, seed + i);
		memcpy_to_page(pages[i], 0, tmp, PAGE_SIZE);
		memset(tmp, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, 0, copy_from_user(tmp, u, PAGE_SIZE));
		KUNIT_EXPECT_EQ_MSG(test, dt_check(tmp, PAGE_SIZE, seed + i),
				    PAGE_SIZE, "user reads page %u", i);
		dt_fill(tmp, PAGE_SIZE, seed + i + 100);
		KUNIT_EXPECT_EQ(test, 0, copy_to_user(u, tmp, PAGE_SIZE));
		memcpy_from_page(tmp, pages[i], 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ_MSG(test, dt_check(tmp, PAGE_SIZE,
						   seed + i + 100),
				    PAGE_SIZE, "user writes page %u", i);
	}
	kunit_kfree(test, tmp);
}

static void mmap_of(struct kunit *test, const struct kind *kind)
{
	struct page **pages = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	unsigned long uaddr;
	struct buf b;

	buf_alloc(test, &b, kind, 5 * PAGE_SIZE);
	expect_sgtable(test, &b, pages);

	uaddr = buf_map(test, &b, 0, 5);
	expect_same_memory(test, pages, uaddr, 5, 40);
	um_unmap(test, uaddr, 5);

	uaddr = buf_map(test, &b, 2, 2);
	expect_same_memory(test, pages + 2, uaddr, 2, 50);
	um_unmap(test, uaddr, 2);

	buf_expect_no_map(test, &b, 0, 6);
	buf_expect_no_map(test, &b, 4, 2);
	buf_expect_no_map(test, &b, 5, 1);
	buf_free(&b);
}

static void mmap_of_kinds(struct kunit *test, const struct kind *k,
			  unsigned int nkinds)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	if (!dma_can_mmap(ctx->dev))
		kunit_skip(test, "dma_can_mmap() says no");
	for (i = 0; i < nkinds; i++)
		mmap_of(test, &k[i]);
}

static void d4_coherent_mmap(struct kunit *test)
{
	mmap_of_kinds(test, kinds, ARRAY_SIZE(kinds));
}

static void d2_atomic_mmap(struct kunit *test)
{
	mmap_of_kinds(test, atomic_kinds, ARRAY_SIZE(atomic_kinds));
}

static void d3_no_mapping_mmap(struct kunit *test)
{
	mmap_of_kinds(test, unmapped_kinds, ARRAY_SIZE(unmapped_kinds));
}

/*
 * The cookie is opaque, the contents belong to the device: neither the table
 * nor freeing may depend on them.
 */
static void d3_no_mapping_dirty(struct kunit *test)
{
	struct page **pages = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	struct dt_ctx *ctx = test->priv;
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < ARRAY_SIZE(unmapped_kinds); i++) {
		struct sg_table sgt;

		buf_alloc(test, &b, &unmapped_kinds[i], SZ_32K);
		expect_sgtable(test, &b, pages);
		for (j = 0; j < b.pages; j++)
			memset_page(pages[j], 0, GUARD, PAGE_SIZE);
		KUNIT_ASSERT_EQ(test, 0,
				dma_get_sgtable_attrs(ctx->dev, &sgt, b.cpu,
						      b.addr, b.size,
						      b.kind->attrs));
		KUNIT_EXPECT_PTR_EQ(test, sg_page(sgt.sgl), pages[0]);
		sg_free_table(&sgt);
		buf_free(&b);
	}
}

/* Memory from the pool for atomic allocations, used before by somebody else. */
static void d14_atomic_zeroed_on_reuse(struct kunit *test)
{
	struct buf *b = kunit_kcalloc(test, 8, sizeof(*b), GFP_KERNEL);
	unsigned int round, i, k;

	KUNIT_ASSERT_NOT_NULL(test, b);
	for (k = 0; k < ARRAY_SIZE(atomic_kinds); k++) {
		unsigned int dirty = 0;

		for (round = 0; round < 3; round++) {
			for (i = 0; i < 8; i++) {
				buf_alloc(test, &b[i], &atomic_kinds[k],
					  2 * PAGE_SIZE);
				if (memchr_inv(b[i].cpu, 0, b[i].size))
					dirty++;
				memset(b[i].cpu, GUARD, b[i].size);
			}
			for (i = 0; i < 8; i++)
				buf_free(&b[i]);
		}
		KUNIT_EXPECT_EQ_MSG(test, dirty, 0, "%s: buffers with old data",
				    atomic_kinds[k].name);
	}
}

/* Leave old data in the pages that the next allocations will get. */
static void dirty_free_memory(struct kunit *test, size_t size)
{
	const unsigned int order = get_order(size);
	const unsigned int count = clamp(SZ_8M / size, 8, 128);
	struct page **pages;
	struct buf *b;
	unsigned int i;

	pages = kunit_kcalloc(test, count, sizeof(*pages), GFP_KERNEL);
	b = kunit_kcalloc(test, count, sizeof(*b), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_ASSERT_NOT_NULL(test, b);

	/* What the DMA allocator has to itself (CMA), with all of it in use. */
	for (i = 0; i < count; i++)
		buf_alloc(test, &b[i], &kinds[3], size);
	for (i = 0; i < count; i++)
		memset(b[i].cpu, GUARD, size);
	for (i = 0; i < count; i++)
		buf_free(&b[i]);
	/* The page allocator's, which hands out first what was freed last. */
	for (i = 0; i < count; i++) {
		unsigned int j;

		pages[i] = alloc_pages(GFP_HIGHUSER | __GFP_NORETRY |
				       __GFP_NOWARN, order);
		for (j = 0; pages[i] && j < 1U << order; j++)
			memset_page(pages[i] + j, 0, GUARD, PAGE_SIZE);
	}
	for (i = 0; i < count; i++)
		if (pages[i])
			__free_pages(pages[i], order);
	for (i = 0; i < count; i++)
		pages[i] = alloc_pages(GFP_KERNEL | __GFP_NORETRY |
				       __GFP_NOWARN, order);
	for (i = 0; i < count; i++)
		if (pages[i])
			memset(page_address(pages[i]), GUARD,
			       PAGE_SIZE << order);
	for (i = 0; i < count; i++)
		if (pages[i])
			__free_pages(pages[i], order);
	kunit_kfree(test, b);
	kunit_kfree(test, pages);
}

static void x1_no_mapping_zeroed(struct kunit *test)
{
	static const size_t sz[] = { SZ_4K, SZ_64K, SZ_1M };
	struct page **pages = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < ARRAY_SIZE(unmapped_kinds); i++) {
		const struct kind *k = &unmapped_kinds[i];

		for (j = 0; j < (k->gfp == GFP_ATOMIC ? 2 : ARRAY_SIZE(sz));
		     j++) {
			dirty_free_memory(test, sz[j]);
			buf_alloc(test, &b, k, sz[j]);
			expect_sgtable(test, &b, pages);
			KUNIT_EXPECT_TRUE_MSG(test,
					      dt_pages_are_zero(pages, b.pages),
					      "%s, %zu bytes", k->name, sz[j]);
			buf_free(&b);
		}
	}
}

/*
 * Several at once, of a kind whose cookies lie close together: DMA_API_DEBUG
 * must not take the cookies for the buffers and see them overlap.
 */
static void no_mapping_side_by_side(struct kunit *test)
{
	struct page **pages = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	struct page **seen = dt_page_array(test, SZ_1M >> PAGE_SHIFT);
	unsigned int i, j, n = 0;
	struct buf b[4];

	for (i = 0; i < ARRAY_SIZE(b); i++) {
		buf_alloc(test, &b[i], &unmapped_kinds[0], PAGE_SIZE);
		expect_sgtable(test, &b[i], pages);
		for (j = 0; j < n; j++)
			KUNIT_EXPECT_PTR_NE(test, pages[0], seen[j]);
		seen[n++] = pages[0];
	}
	for (i = 0; i < ARRAY_SIZE(b); i++)
		buf_free(&b[i]);
}

/*
 * The per-CPU lists of free pages swallow tens of megabytes that go through
 * them, before what is freed shows as free. A leak takes as much each time.
 */
#define BATCHES	8

/* 8 MiB in all. The pool for atomic allocations may have no more than 128 KiB. */
static void free_and_alloc(struct kunit *test, const struct kind *k)
{
	size_t size = gfpflags_allow_blocking(k->gfp) ? SZ_128K : SZ_32K;
	unsigned int rounds = SZ_8M / size;
	struct buf b;

	while (rounds--) {
		buf_alloc(test, &b, k, size);
		buf_free(&b);
	}
}

static void no_leak_on_free(struct kunit *test)
{
	unsigned int i, batch;
	long before;

	for (i = 0; i < ARRAY_SIZE(kinds) + ARRAY_SIZE(unmapped_kinds); i++) {
		const struct kind *k = i < ARRAY_SIZE(kinds) ? &kinds[i] :
				       &unmapped_kinds[i - ARRAY_SIZE(kinds)];

		for (batch = 0; batch < BATCHES; batch++) {
			before = dt_free_memory();
			free_and_alloc(test, k);
			/* A leak of all that went through is 2048 pages. */
			if (before - dt_free_memory() < 1024)
				break;
		}
		KUNIT_EXPECT_LT_MSG(test, batch, BATCHES, "%s", k->name);
	}
}

/* Which allocation that may not sleep has to fail for the call to fail? */
static unsigned int d5_find(struct kunit *test, const struct kind *kind,
			    size_t size)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int n;

	for (n = 1; n < 20; n++) {
		dma_addr_t addr;
		void *cpu;

		dt_fail_nth(test, n);
		cpu = dma_alloc_attrs(ctx->dev, size, &addr, kind->gfp,
				      kind->attrs);
		if (dt_fail_stop() && !cpu)
			return n;
		if (cpu)
			dma_free_attrs(ctx->dev, size, cpu, addr, kind->attrs);
	}
	return 0;
}

/* Returns how many of the calls failed, as they all should. */
static unsigned int d5_batch(struct dt_ctx *ctx, struct kunit *test,
			     const struct kind *kind, size_t size,
			     unsigned int rounds, unsigned int n)
{
	unsigned int i, failed = 0;
	dma_addr_t addr;
	void *cpu;

	for (i = 0; i < rounds; i++) {
		dt_fail_nth(test, n);
		cpu = dma_alloc_attrs(ctx->dev, size, &addr, kind->gfp,
				      kind->attrs);
		dt_fail_stop();
		if (cpu)
			dma_free_attrs(ctx->dev, size, cpu, addr, kind->attrs);
		else
			failed++;
	}
	return failed;
}

/*
 * The allocation works, the mapping of it fails: an error, nothing lost, and
 * nothing given back to where it did not come from.
 */
static void d5_map_failure_of(struct kunit *test, const struct kind *kind,
			      size_t size, unsigned int rounds)
{
	long pages = (rounds * size) >> PAGE_SHIFT;
	struct dt_ctx *ctx = test->priv;
	unsigned int n, batch;
	long before;

	n = d5_find(test, kind, size);
	if (!n && !dt_behind_virtio_iommu(ctx))
		kunit_skip(test, "%s: nothing this IOMMU's driver does may be made to fail",
			   kind->name);
	KUNIT_ASSERT_NE_MSG(test, n, 0, "%s: never failed", kind->name);
	for (batch = 0; batch < BATCHES; batch++) {
		before = dt_free_memory();
		/* Caches come and go: it may hit another allocation at times. */
		KUNIT_EXPECT_GE_MSG(test, d5_batch(ctx, test, kind, size,
						   rounds, n),
				    rounds * 3 / 4, "%s", kind->name);
		if (before - dt_free_memory() < pages / 2)
			break;
	}
	KUNIT_EXPECT_LT_MSG(test, batch, BATCHES, "%s: pages lost", kind->name);
}

static void d5_map_failure(struct kunit *test)
{
	dt_need_iommu(test);
	d5_map_failure_of(test, &kinds[0], SZ_1M, 16);
	d5_map_failure_of(test, &kinds[3], SZ_1M, 16);
	d5_map_failure_of(test, &unmapped_kinds[0], SZ_1M, 16);
}

/*
 * A device that is not coherent gets these from a pool of 256 KiB: if the
 * failed ones stayed in use, the last ones would not fit. A coherent one gets
 * pages, which are counted.
 */
static void d5_atomic_map_failure(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	dt_need_iommu(test);
	if (dev_is_dma_coherent(ctx->dev))
		d5_map_failure_of(test, &atomic_kinds[0], SZ_512K, 24);
	else
		d5_map_failure_of(test, &atomic_kinds[0], SZ_32K, 16);
	for (i = 0; i < 4; i++) {
		struct buf b;

		buf_alloc(test, &b, &atomic_kinds[0], SZ_32K);
		expect_own_pages(test, &b);
		buf_free(&b);
	}
}

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return dt_fail_quietly(suite);
}

static void suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}

static struct kunit_case dma_coherent_cases[] = {
	DT_CASE(d1_coherent_multi_page),
	DT_CASE(d1_atomic_multi_page),
	DT_CASE(d2_atomic_sgtable),
	DT_CASE(d2_atomic_mmap),
	DT_CASE(d3_no_mapping_sgtable),
	DT_CASE(d3_no_mapping_mmap),
	DT_CASE(d3_no_mapping_dirty),
	DT_CASE(d4_coherent_sgtable),
	DT_CASE(d4_coherent_mmap),
	DT_CASE(d5_map_failure),
	DT_CASE(d5_atomic_map_failure),
	DT_CASE(d14_atomic_zeroed_on_reuse),
	DT_CASE_SLOW(x1_no_mapping_zeroed),
	DT_CASE(no_mapping_side_by_side),
	DT_CASE_SLOW(no_leak_on_free),
	{}
};

static struct kunit_suite dma_coherent_suite = {
	.name = "dma_coherent_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_coherent_cases,
};

kunit_test_suite(dma_coherent_suite);

MODULE_DESCRIPTION("Coherent DMA buffers map to their own pages");
MODULE_LICENSE("GPL");
