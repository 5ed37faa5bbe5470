// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers without a kernel mapping (DMA_ATTR_NO_KERNEL_MAPPING), and what user
 * space gets to see of any buffer.
 *
 * The cookie says nothing and is never looked at. Which pages a buffer has is
 * what the device's page tables say, or its address if it is mapped directly;
 * the scatter-gather table and the user's page tables have to agree with it.
 * The vmalloc space in use is summed up from /proc/vmallocinfo, which lists
 * vmap() areas as well.
 */

#include <linux/dma-map-ops.h>
#include <linux/of.h>
#include <linux/of_reserved_mem.h>
#include <linux/scatterlist.h>

#include "buf.h"

#define SECRET		0xa5
#define MAX_PAGES	1024

#define NKM	DMA_ATTR_NO_KERNEL_MAPPING

static const struct kind kinds[] = {
	{ "plain", GFP_KERNEL, NKM },
	{ "contiguous", GFP_KERNEL, NKM | DMA_ATTR_FORCE_CONTIGUOUS },
	{ "write-combine", GFP_KERNEL, NKM | DMA_ATTR_WRITE_COMBINE },
	{ "single pages", GFP_KERNEL, NKM | DMA_ATTR_ALLOC_SINGLE_PAGES },
	{ "all of it", GFP_KERNEL, NKM | DMA_ATTR_FORCE_CONTIGUOUS |
	  DMA_ATTR_WRITE_COMBINE | DMA_ATTR_NO_WARN },
	{ "atomic", GFP_ATOMIC, NKM },
};

/* The same memory with a kernel mapping, for comparison. */
static const struct kind mapped_kinds[] = {
	{ "mapped", GFP_KERNEL, 0 },
	{ "mapped contiguous", GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
	{ "mapped write-combine", GFP_KERNEL, DMA_ATTR_WRITE_COMBINE },
	{ "mapped atomic", GFP_ATOMIC, 0 },
};

static bool is_atomic(const struct kind *k)
{
	return !gfpflags_allow_blocking(k->gfp);
}

/* An IOMMU does not translate what is in the device's own pool. */
static phys_addr_t buf_phys(struct dt_ctx *ctx, dma_addr_t addr)
{
	if (ctx->dev->dma_mem)
		return dma_to_phys(ctx->dev, addr);
	return dt_phys(ctx, addr);
}

/* The pages that the device reaches. */
static void device_pages(struct kunit *test, struct buf *b, struct page **pages)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < b->pages; i++) {
		phys_addr_t phys = buf_phys(ctx, b->addr +
					    ((dma_addr_t)i << PAGE_SHIFT));

		KUNIT_ASSERT_TRUE_MSG(test, phys && pfn_valid(PHYS_PFN(phys)),
				      "%s: page %u is not mapped",
				      b->kind->name, i);
		pages[i] = phys_to_page(phys);
	}
}

/* The table lists exactly these pages; returns its number of entries. */
static unsigned int expect_sgtable(struct kunit *test, struct buf *b,
				   struct page **pages)
{
	unsigned int i = 0, wrong = 0, nents;
	struct sg_page_iter iter;
	struct sg_table sgt;

	KUNIT_ASSERT_EQ_MSG(test, 0,
			    dma_get_sgtable_attrs(b->dev, &sgt, b->cpu,
						  b->addr, b->size,
						  b->kind->attrs),
			    "%s, %zu bytes", b->kind->name, b->size);
	for_each_sg_page(sgt.sgl, &iter, sgt.orig_nents, 0) {
		if (i < b->pages && sg_page_iter_page(&iter) != pages[i])
			wrong++;
		i++;
	}
	nents = sgt.orig_nents;
	sg_free_table(&sgt);
	KUNIT_EXPECT_EQ_MSG(test, i, b->pages, "%s, %zu bytes", b->kind->name,
			    b->size);
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "%s, %zu bytes: wrong pages",
			    b->kind->name, b->size);
	return nents;
}

/* What a user mapping of the buffer has to be, by the device and the kind. */
static pgprot_t expected_prot(struct buf *b)
{
	/* The kernel has its pool write-combined, for every device. */
	if (b->dev->dma_mem)
		return pgprot_writecombine(um_cached());
	if (dev_is_dma_coherent(b->dev))
		return um_cached();
#ifdef CONFIG_ARCH_HAS_DMA_WRITE_COMBINE
	if (b->kind->attrs & DMA_ATTR_WRITE_COMBINE)
		return pgprot_writecombine(um_cached());
#endif
	return pgprot_dmacoherent(um_cached());
}

/* Opened by the task that loads the module: only that one sees /proc. */
static struct file *vmallocinfo;

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	vmallocinfo = filp_open("/proc/vmallocinfo", O_RDONLY, 0);
	dt_fail_sleeping(true);
	return dt_fail_quietly(suite);
}

static void suite_exit(struct kunit_suite *suite)
{
	dt_fail_sleeping(false);
	if (!IS_ERR_OR_NULL(vmallocinfo))
		filp_close(vmallocinfo, NULL);
	um_suite_exit();
}

/* Bytes of vmalloc space in use, from the lines "<start>-<end> <size> ...". */
static long vmalloc_used(struct kunit *test)
{
	char *text, *line, *next;
	unsigned long size;
	loff_t pos = 0;
	long used = 0;
	ssize_t n, len = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vmallocinfo);
	text = kunit_kzalloc(test, SZ_128K, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, text);
	while ((n = kernel_read(vmallocinfo, text + len, SZ_128K - 1 - len,
				&pos)) > 0)
		len += n;
	KUNIT_ASSERT_EQ(test, n, 0);
	KUNIT_ASSERT_LT(test, len, SZ_128K - 1);

	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		/* An area waiting for its purge is free for the next user. */
		if (strstr(line, "unpurged"))
			continue;
		line = strchr(line, ' ');
		if (line && sscanf(line, " %lu", &size) == 1)
			used += size;
	}
	kunit_kfree(test, text);
	KUNIT_ASSERT_GT(test, used, 0);
	return used;
}

/* How much more is in use with the buffer than without it. */
static long vmalloc_growth(struct kunit *test, const struct kind *k,
			   size_t size)
{
	long before, growth;
	struct buf b;

	before = vmalloc_used(test);
	buf_alloc(test, &b, k, size);
	growth = vmalloc_used(test) - before;
	buf_free(&b);
	return growth;
}

static void x6_r003_1_no_vmalloc_growth(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		/* The pool of a device that is not coherent grows by itself. */
		if (is_atomic(&kinds[i]) && !dev_is_dma_coherent(ctx->dev))
			continue;
		KUNIT_EXPECT_LT_MSG(test, vmalloc_growth(test, &kinds[i], SZ_2M),
				    SZ_512K, "%s", kinds[i].name);
	}
	/* That the measurement sees a mapping, if there is one. */
	if (ctx->domain)
		KUNIT_EXPECT_GE(test, vmalloc_growth(test, &mapped_kinds[0],
						     SZ_2M), SZ_2M);
}

static const size_t sizes[] = { SZ_4K, 5000, 5 * SZ_4K, SZ_64K, SZ_1M + SZ_4K };

static void x6_r003_2_cookie_is_opaque(struct kunit *test)
{
	struct page **pages = dt_page_array(test, MAX_PAGES);
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			if (is_atomic(&kinds[i]) && sizes[j] > SZ_64K)
				continue;
			buf_alloc(test, &b, &kinds[i], sizes[j]);
			device_pages(test, &b, pages);
			expect_sgtable(test, &b, pages);
			buf_free(&b);
		}
	}
}

/* Every part of five pages, with the pages and the protection it must have. */
static void parts_of(struct kunit *test, const struct kind *k)
{
	struct page **pages = dt_page_array(test, MAX_PAGES);
	unsigned int first, count;
	unsigned long uaddr;
	struct buf b;

	buf_alloc(test, &b, k, 4 * PAGE_SIZE + 100);
	device_pages(test, &b, pages);
	for (first = 0; first < 5; first++) {
		for (count = 1; count <= 5 - first; count++) {
			uaddr = buf_map(test, &b, first, count);
			um_expect(test, uaddr, count, pages + first,
				  expected_prot(&b), k->name);
			um_unmap(test, uaddr, count);
		}
	}
	buf_free(&b);
	kunit_kfree(test, pages);
}

static void need_mmap(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!dma_can_mmap(ctx->dev))
		kunit_skip(test, "dma_can_mmap() says no");
}

/*
 * Where the architecture keeps one CPU mapping of a buffer coherent, the kernel's
 * is the one, if there is one. ARM is not like that: this is for a kernel that
 * is told to be, mutants/policy-one-cpu-mapping.patch.
 */
static void one_cpu_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	unsigned long uaddr;
	unsigned int i;
	struct buf b;

	if (dma_can_mmap(ctx->dev))
		kunit_skip(test, "a buffer can have any number of mappings");
	for (i = 0; i < ARRAY_SIZE(mapped_kinds); i++) {
		buf_alloc(test, &b, &mapped_kinds[i], 2 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, (long)buf_try_map(test, &b, 0, 2),
				-EBUSY);
		buf_free(&b);
	}
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		buf_alloc(test, &b, &kinds[i], 2 * PAGE_SIZE);
		uaddr = buf_map(test, &b, 0, 2);
		um_unmap(test, uaddr, 2);
		buf_free(&b);
	}
}

static void x6_r003_3_every_part(struct kunit *test)
{
	unsigned int i;

	need_mmap(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		parts_of(test, &kinds[i]);
	for (i = 0; i < ARRAY_SIZE(mapped_kinds); i++)
		parts_of(test, &mapped_kinds[i]);
}

static void past_end_of(struct kunit *test, const struct kind *k)
{
	static const unsigned long tries[][2] = {
		{ 0, 4 }, { 1, 3 }, { 2, 2 }, { 3, 1 }, { 4, 1 }, { 3, 3 },
		{ (ULONG_MAX >> PAGE_SHIFT) - 1, 1 },
	};
	unsigned int i;
	struct buf b;

	buf_alloc(test, &b, k, 3 * PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(tries); i++)
		buf_expect_no_map(test, &b, tries[i][0], tries[i][1]);
	buf_free(&b);
}

static void x6_r003_3_past_the_end(struct kunit *test)
{
	unsigned int i;

	need_mmap(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		past_end_of(test, &kinds[i]);
	for (i = 0; i < ARRAY_SIZE(mapped_kinds); i++)
		past_end_of(test, &mapped_kinds[i]);
}

/* The user writes, the device reads; the device writes, the user reads. */
static void x6_r003_3_user_and_device(struct kunit *test)
{
	u8 *tmp = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	const size_t cut = 100, len = 2000;
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	need_mmap(test);
	KUNIT_ASSERT_NOT_NULL(test, tmp);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned long uaddr;
		struct buf b;

		buf_alloc(test, &b, &kinds[i], 3 * PAGE_SIZE);
		uaddr = buf_map(test, &b, 0, 3);
		dt_fill(tmp, len, i);
		KUNIT_EXPECT_EQ(test, 0,
				copy_to_user((void __user *)uaddr + PAGE_SIZE -
					     cut, tmp, len));
		/* mb: the device must not see the memory before the data. */
		mb();
		KUNIT_EXPECT_EQ(test, 0,
				edu_dma_to_device(ctx->edu, b.addr + PAGE_SIZE -
						  cut, 0, len));
		KUNIT_EXPECT_EQ(test, 0,
				edu_dma_from_device(ctx->edu, b.addr +
						    2 * PAGE_SIZE - cut, 0,
						    len));
		memset(tmp, 0, len);
		KUNIT_EXPECT_EQ(test, 0,
				copy_from_user(tmp, (void __user *)uaddr +
					       2 * PAGE_SIZE - cut, len));
		KUNIT_EXPECT_EQ_MSG(test, dt_check(tmp, len, i), len, "%s",
				    kinds[i].name);
		um_unmap(test, uaddr, 3);
		buf_free(&b);
	}
}

/* All that user space can map is zero, to the end of the last page. */
static void x1_x6_old_data_is_gone(struct kunit *test)
{
	static const size_t sz[] = { 5000, SZ_64K, SZ_1M };
	unsigned int i, j;

	need_mmap(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(sz); j++) {
			unsigned long uaddr;
			struct buf b;

			if (is_atomic(&kinds[i]) && sz[j] > SZ_64K)
				continue;
			um_dirty_free_memory(test, sz[j], SECRET);
			buf_alloc(test, &b, &kinds[i], sz[j]);
			uaddr = buf_map(test, &b, 0, b.pages);
			KUNIT_EXPECT_EQ_MSG(test,
					    um_check_same(test, uaddr,
							  PAGE_ALIGN(sz[j]), 0),
					    PAGE_ALIGN(sz[j]), "%s, %zu bytes",
					    kinds[i].name, sz[j]);
			um_unmap(test, uaddr, b.pages);
			buf_free(&b);
		}
	}
}

/* Returns how many pages of such a buffer are in low memory. */
static unsigned int low_pages(struct kunit *test, const struct kind *k,
			      size_t size)
{
	struct page **pages = dt_page_array(test, MAX_PAGES);
	unsigned int i, low = 0;
	struct buf b;

	buf_alloc(test, &b, k, size);
	device_pages(test, &b, pages);
	for (i = 0; i < b.pages; i++)
		low += !PageHighMem(pages[i]);
	buf_free(&b);
	kunit_kfree(test, pages);
	return low;
}

static void x6_r003_4_highmem_is_used(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct sysinfo si;
	unsigned int i;

	si_meminfo(&si);
	if (si.freehigh < SZ_64M >> PAGE_SHIFT)
		kunit_skip(test, "there is no high memory to spare");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		/* The pool of a device that is not coherent is where it is. */
		if (is_atomic(&kinds[i]) && !dev_is_dma_coherent(ctx->dev))
			continue;
		/* One page is never taken from CMA, wherever that is. */
		KUNIT_EXPECT_EQ_MSG(test, low_pages(test, &kinds[i], SZ_4K), 0,
				    "%s", kinds[i].name);
		/* A block may be, and CMA may be in low memory. */
		if (ctx->domain && kinds[i].attrs & DMA_ATTR_FORCE_CONTIGUOUS)
			continue;
		KUNIT_EXPECT_EQ_MSG(test, low_pages(test, &kinds[i], SZ_256K),
				    0, "%s", kinds[i].name);
	}
}

static void x6_r003_5_large_chunks(struct kunit *test)
{
	struct page **pages = dt_page_array(test, MAX_PAGES);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned int nents, most;
		struct buf b;

		if (is_atomic(&kinds[i]))
			continue;
		buf_alloc(test, &b, &kinds[i], SZ_4M);
		device_pages(test, &b, pages);
		nents = expect_sgtable(test, &b, pages);
		/* 64K on average is little to ask for on an idle machine. */
		most = b.pages / 16;
		if (kinds[i].attrs & DMA_ATTR_FORCE_CONTIGUOUS)
			most = 1;
		else if (kinds[i].attrs & DMA_ATTR_ALLOC_SINGLE_PAGES)
			most = b.pages;
		KUNIT_EXPECT_LE_MSG(test, nents, most, "%s: chunks",
				    kinds[i].name);
		buf_free(&b);
	}
}

/* More than any of them makes */
#define MANY	1000

/* Each allocation on the way fails once: an error. Returns how many did. */
static unsigned int fail_each(struct kunit *test, const struct kind *k)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int n, failed = 0;
	dma_addr_t addr;
	void *cookie;

	for (n = 1; n < MANY; n++) {
		bool hit;

		dt_fail_nth(test, n);
		cookie = dma_alloc_attrs(ctx->dev, SZ_256K, &addr,
					 k->gfp | __GFP_NOWARN, k->attrs);
		hit = dt_fail_stop();
		if (cookie)
			dma_free_attrs(ctx->dev, SZ_256K, cookie, addr,
				       k->attrs);
		else
			failed++;
		if (!hit)
			break;
	}
	KUNIT_EXPECT_LT(test, n, MANY);
	return failed;
}

/*
 * That something failed each time is the point, and where does not matter. The
 * per-CPU lists of free pages swallow some: a leak takes as much each time.
 */
static void x6_r003_1_failures(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned int failed = 0;
		long before;

		/* The pool has no more than that, and gives it or not. */
		if (is_atomic(&kinds[i]) && !dev_is_dma_coherent(ctx->dev))
			continue;
		for (round = 0; round < 8; round++) {
			before = dt_free_memory();
			failed += fail_each(test, &kinds[i]);
			if (round && before - dt_free_memory() < 32)
				break;
		}
		KUNIT_EXPECT_LT_MSG(test, round, 8, "%s: pages lost",
				    kinds[i].name);
		/* Mapped directly, nothing but the pages is allocated. */
		if (ctx->domain)
			KUNIT_EXPECT_GE_MSG(test, failed, 2, "%s",
					    kinds[i].name);
	}
}

/* More than there is, for each way to allocate it: an error, and no warning. */
static void x6_r003_1_too_much(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		gfp_t gfp = kinds[i].gfp;
		dma_addr_t addr;

		/* That would be the whole machine, for some seconds. */
		if (!is_atomic(&kinds[i]) &&
		    !(kinds[i].attrs & DMA_ATTR_FORCE_CONTIGUOUS))
			continue;
		/* The attribute has to do the same. */
		if (!(kinds[i].attrs & DMA_ATTR_NO_WARN))
			gfp |= __GFP_NOWARN;
		KUNIT_EXPECT_NULL_MSG(test,
				      dma_alloc_attrs(ctx->dev, SZ_1G, &addr,
						      gfp, kinds[i].attrs),
				      "%s", kinds[i].name);
	}
}

static void x6_r003_2_no_memory_for_the_table(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct sg_table sgt;
		struct buf b;
		int ret;

		buf_alloc(test, &b, &kinds[i], SZ_64K);
		dt_fail_nth(test, 1);
		ret = dma_get_sgtable_attrs(b.dev, &sgt, b.cpu, b.addr,
					    b.size, b.kind->attrs);
		KUNIT_EXPECT_TRUE(test, dt_fail_stop());
		KUNIT_EXPECT_EQ_MSG(test, ret, -ENOMEM, "%s", kinds[i].name);
		if (!ret)
			sg_free_table(&sgt);
		buf_free(&b);
	}
}

static void release_pool(void *dev)
{
	of_reserved_mem_device_release(dev);
}

/* Give the device the pool that the device tree has for it, until the end. */
static void need_pool(struct kunit *test)
{
	struct device_node *np = of_find_node_by_path("/dmatest-pool");
	struct dt_ctx *ctx = test->priv;
	int ret;

	if (!np)
		kunit_skip(test, "the device tree has no pool");
	ret = of_reserved_mem_device_init_by_idx(ctx->dev, np, 0);
	of_node_put(np);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, release_pool,
							   ctx->dev));
	KUNIT_ASSERT_NOT_NULL(test, ctx->dev->dma_mem);
}

static void d28_x6_device_pool_parts(struct kunit *test)
{
	unsigned int i;

	need_pool(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		parts_of(test, &kinds[i]);
		past_end_of(test, &kinds[i]);
	}
	for (i = 0; i < ARRAY_SIZE(mapped_kinds); i++)
		parts_of(test, &mapped_kinds[i]);
}

static void x6_device_pool_sgtable(struct kunit *test)
{
	struct page **pages = dt_page_array(test, MAX_PAGES);
	unsigned int i;
	struct buf b;

	need_pool(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		buf_alloc(test, &b, &kinds[i], 5 * PAGE_SIZE);
		device_pages(test, &b, pages);
		expect_sgtable(test, &b, pages);
		buf_free(&b);
	}
}

/* To the end of the last page, of which the buffer has only the beginning. */
static void x6_device_pool_old_data_is_gone(struct kunit *test)
{
	unsigned long uaddr;
	unsigned int i;
	struct buf b;

	need_pool(test);
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		buf_alloc(test, &b, &mapped_kinds[0], SZ_64K);
		memset(b.cpu, SECRET, SZ_64K);
		buf_free(&b);
		buf_alloc(test, &b, &kinds[i], 5000);
		uaddr = buf_map(test, &b, 0, b.pages);
		KUNIT_EXPECT_EQ_MSG(test, um_check_same(test, uaddr, SZ_8K, 0),
				    SZ_8K, "%s", kinds[i].name);
		um_unmap(test, uaddr, b.pages);
		buf_free(&b);
	}
}

static struct kunit_case no_kernel_mapping_cases[] = {
	DT_CASE(x6_r003_1_no_vmalloc_growth),
	DT_CASE(x6_r003_1_failures),
	DT_CASE(x6_r003_1_too_much),
	DT_CASE(x6_r003_2_cookie_is_opaque),
	DT_CASE(x6_r003_2_no_memory_for_the_table),
	DT_CASE(x6_r003_3_every_part),
	DT_CASE(x6_r003_3_past_the_end),
	DT_CASE(one_cpu_mapping),
	DT_CASE_SLOW(x6_r003_3_user_and_device),
	DT_CASE(x6_r003_4_highmem_is_used),
	DT_CASE(x6_r003_5_large_chunks),
	DT_CASE_SLOW(x1_x6_old_data_is_gone),
	DT_CASE(d28_x6_device_pool_parts),
	DT_CASE(x6_device_pool_sgtable),
	DT_CASE(x6_device_pool_old_data_is_gone),
	{}
};

static struct kunit_suite no_kernel_mapping_suite = {
	.name = "no_kernel_mapping_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = no_kernel_mapping_cases,
};

kunit_test_suite(no_kernel_mapping_suite);

MODULE_DESCRIPTION("DMA buffers without a kernel mapping");
MODULE_LICENSE("GPL");
