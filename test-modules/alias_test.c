// SPDX-License-Identifier: GPL-2.0
/*
 * No page of a DMA buffer has CPU mappings that are cached here and uncached
 * there: all page tables are searched for each page of each kind of allocation,
 * while it is in use and after it was freed.
 *
 * A device that snoops the caches has its memory cached, everywhere. For one
 * that does not, no mapping may be cached. A machine that has no highmem and no
 * CMA area cannot do that for all pages: there the kernel has to have counted
 * just those pages that are found cached, and it is the linear mapping alone
 * that is.
 *
 * The search is ptwalk.h's. That it finds what is there is checked first, and
 * again with each buffer: the mapping that the caller got must be among those
 * found.
 */

#include <linux/dma-map-ops.h>

#include "buf.h"
#include "ptwalk.h"

#define MAX_PAGES	(SZ_1M / PAGE_SIZE)
#define STALE_PAGES	64

static const struct kind kinds[] = {
	{ "coherent", GFP_KERNEL, 0 },
	{ "write-combine", GFP_KERNEL, DMA_ATTR_WRITE_COMBINE },
	{ "single-pages", GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES },
	{ "contiguous", GFP_KERNEL, DMA_ATTR_FORCE_CONTIGUOUS },
};

static const struct kind unmapped_kinds[] = {
	{ "no-mapping", GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	{ "no-mapping contiguous", GFP_KERNEL,
	  DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS },
	{ "no-mapping write-combine", GFP_KERNEL,
	  DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_WRITE_COMBINE },
};

static const struct kind atomic_kinds[] = {
	{ "atomic", GFP_ATOMIC, 0 },
	{ "atomic write-combine", GFP_ATOMIC, DMA_ATTR_WRITE_COMBINE },
	{ "atomic no-mapping", GFP_ATOMIC, DMA_ATTR_NO_KERNEL_MAPPING },
};

static const size_t sizes[] = { SZ_4K, 3 * SZ_4K, SZ_64K, SZ_1M };
static const size_t atomic_sizes[] = { SZ_4K, 3 * SZ_4K, SZ_32K };

/* Bits of what was found of a page */
#define SEEN_CACHED	BIT(0)	/* a cached mapping */
#define SEEN_UNCACHED	BIT(1)	/* an uncached mapping */
#define SEEN_ELSEWHERE	BIT(2)	/* a cached mapping that is not the linear one */
#define SEEN_EXPECTED	BIT(3)	/* the mapping that must be there */

/**
 * struct search - the pages of one buffer
 * @pages: how many
 * @pfns: page frame number to index
 * @seen: what was found, by index
 * @va: where a mapping must be found; 0: nowhere
 * @cached_at: a place where a cached mapping was found, for the report
 */
struct search {
	unsigned int pages;
	struct xarray pfns;
	u8 seen[MAX_PAGES];
	unsigned long va;
	unsigned long cached_at;
};

/* ---- searching ---------------------------------------------------------- */

static void search_found(struct pt_walk *w, unsigned long va, unsigned long pfn,
			 bool cached)
{
	struct search *s = w->priv;
	unsigned int i = xa_to_value(xa_load(&s->pfns, pfn));

	s->seen[i] |= cached ? SEEN_CACHED : SEEN_UNCACHED;
	if (cached && !pt_is_linear(va))
		s->seen[i] |= SEEN_ELSEWHERE;
	if (cached && (!s->cached_at || !pt_is_linear(va)))
		s->cached_at = va;
	if (s->va && va == s->va + i * PAGE_SIZE)
		s->seen[i] |= SEEN_EXPECTED;
}

static struct search *search_new(struct kunit *test)
{
	struct search *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	xa_init(&s->pfns);
	return s;
}

static void search_add(struct kunit *test, struct search *s, unsigned long pfn)
{
	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&s->pfns, pfn,
						 xa_mk_value(s->pages),
						 GFP_KERNEL)));
	s->pages++;
}

static void search_end(struct search *s)
{
	xa_destroy(&s->pfns);
	s->pages = 0;
}

static void search_run(struct kunit *test, struct search *s, unsigned long va)
{
	struct pt_walk w = {
		.pfns = &s->pfns, .found = search_found, .priv = s,
	};

	memset(s->seen, 0, sizeof(s->seen));
	s->va = va;
	s->cached_at = 0;
	KUNIT_ASSERT_TRUE_MSG(test, pt_walk_all(&w), "too many tasks");
}

static unsigned int search_count(struct search *s, u8 mask)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->pages; i++)
		n += !!(s->seen[i] & mask);
	return n;
}

/* ---- what the kernel says about itself ---------------------------------- */

/*
 * Opened when the suite is loaded, by the task that does it: the threads of the
 * cases have another root directory. NULL if there is no such file.
 */
static struct file *pages_file, *total_file;
static bool have_cma;

static struct file *open_counter(const char *name)
{
	struct file *file = filp_open(name, O_RDONLY, 0);

	return IS_ERR(file) ? NULL : file;
}

static int open_files(struct kunit_suite *suite)
{
	char *buf = kzalloc(SZ_4K, GFP_KERNEL), *p;
	struct file *file;
	unsigned long kb;
	loff_t pos = 0;

	um_suite_init();
	if (!buf)
		return -ENOMEM;
	file = filp_open("/proc/meminfo", O_RDONLY, 0);
	if (IS_ERR(file)) {
		kfree(buf);
		return PTR_ERR(file);
	}
	kernel_read(file, buf, SZ_4K - 1, &pos);
	filp_close(file, NULL);
	p = strstr(buf, "CmaTotal:");
	have_cma = p && sscanf(p, "CmaTotal: %lu kB", &kb) == 1 && kb;
	kfree(buf);

	pages_file = open_counter("/sys/kernel/debug/dma-mapping/cached_alias_pages");
	total_file = open_counter("/sys/kernel/debug/dma-mapping/cached_alias_total");
	return 0;
}

static void close_files(struct kunit_suite *suite)
{
	if (pages_file)
		filp_close(pages_file, NULL);
	if (total_file)
		filp_close(total_file, NULL);
	um_suite_exit();
}

/* The value of a counter; -1 if the kernel has none. debugfs wants user memory. */
static int counter(struct kunit *test, struct file *file)
{
	unsigned long uaddr;
	char buf[16] = "";
	loff_t pos = 0;
	int v = -1;

	if (!file)
		return -1;
	uaddr = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	file->f_op->read(file, (char __user *)uaddr, sizeof(buf) - 1, &pos);
	if (!copy_from_user(buf, (char __user *)uaddr, sizeof(buf) - 1) &&
	    kstrtoint(strim(buf), 10, &v))
		v = -1;
	vm_munmap(uaddr, PAGE_SIZE);
	return v;
}

static bool can_avoid(void)
{
	return totalhigh_pages() || have_cma;
}

/* ---- buffers ------------------------------------------------------------ */

static void buf_search(struct kunit *test, struct buf *b, struct search *s)
{
	unsigned int i;

	for (i = 0; i < b->pages; i++)
		search_add(test, s, PHYS_PFN(dt_phys(test->priv, b->addr +
						     i * PAGE_SIZE)));
}

/* Where the caller's own mapping has to be found; a cookie is no mapping. */
static unsigned long buf_va(struct buf *b)
{
	return buf_has_cpu(b) ? (unsigned long)b->cpu : 0;
}

/* The rule, for pages that were found; @counted: by the kernel, for them. */
static void expect_no_conflict(struct kunit *test, struct search *s,
			       const char *name, size_t size, int counted)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int cached = search_count(s, SEEN_CACHED);

	if (s->va)
		KUNIT_EXPECT_EQ_MSG(test, search_count(s, SEEN_EXPECTED),
				    s->pages, "%s, %zu bytes: own mapping not found",
				    name, size);
	if (dev_is_dma_coherent(ctx->dev)) {
		KUNIT_EXPECT_EQ_MSG(test, search_count(s, SEEN_UNCACHED), 0,
				    "%s, %zu bytes: uncached", name, size);
		return;
	}
	if (can_avoid()) {
		KUNIT_EXPECT_EQ_MSG(test, cached, 0,
				    "%s, %zu bytes: %u pages cached too, at %lx (%s)",
				    name, size, cached, s->cached_at,
				    pt_region(s->cached_at));
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, search_count(s, SEEN_ELSEWHERE), 0,
			    "%s, %zu bytes: cached at %lx (%s)", name, size,
			    s->cached_at, pt_region(s->cached_at));
	KUNIT_EXPECT_EQ_MSG(test, (int)cached, counted,
			    "%s, %zu bytes: pages cached too, and counted",
			    name, size);
}

/* Freed memory is ordinary memory: if lowmem, its linear mapping is cached. */
static void expect_restored(struct kunit *test, struct search *s,
			    const char *name, size_t size)
{
	search_run(test, s, 0);
	KUNIT_EXPECT_EQ_MSG(test, search_count(s, SEEN_UNCACHED), 0,
			    "%s, %zu bytes: still uncached when free", name,
			    size);
}

static void alias_of(struct kunit *test, const struct kind *k,
		     unsigned int nkinds, const size_t *sz, unsigned int nsizes)
{
	int before = counter(test, pages_file);
	struct search *s = search_new(test);
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < nkinds; i++) {
		for (j = 0; j < nsizes; j++) {
			buf_alloc(test, &b, &k[i], sz[j]);
			buf_search(test, &b, s);
			search_run(test, s, buf_va(&b));
			expect_no_conflict(test, s, k[i].name, sz[j],
					   counter(test, pages_file) -
					   before);
			buf_free(&b);
			expect_restored(test, s, k[i].name, sz[j]);
			search_end(s);
			KUNIT_EXPECT_EQ_MSG(test, before,
					    counter(test, pages_file),
					    "%s, %zu bytes: counted when free",
					    k[i].name, sz[j]);
		}
	}
}

/* ---- cases -------------------------------------------------------------- */

/* What this suite relies on: each kind of mapping is found, and its type. */
static void d10_search_finds_mappings(struct kunit *test)
{
	struct page *page = dt_alloc_pages(test, GFP_HIGHUSER, 0);
	struct page *low = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct search *s = search_new(test);
	void *p;

	search_add(test, s, page_to_pfn(page));
	p = kmap(page);
	search_run(test, s, (unsigned long)p);
	KUNIT_EXPECT_EQ(test, s->seen[0], PageHighMem(page) ?
			SEEN_EXPECTED | SEEN_CACHED | SEEN_ELSEWHERE :
			SEEN_EXPECTED | SEEN_CACHED);
	kunmap(page);
	p = kmap_local_page(page);
	search_run(test, s, (unsigned long)p);
	KUNIT_EXPECT_TRUE(test, s->seen[0] & SEEN_EXPECTED);
	kunmap_local(p);
	search_end(s);

	search_add(test, s, page_to_pfn(low));
	search_run(test, s, (unsigned long)page_address(low));
	KUNIT_EXPECT_EQ(test, s->seen[0], SEEN_EXPECTED | SEEN_CACHED);
	p = vmap(&low, 1, VM_MAP, pgprot_dmacoherent(PAGE_KERNEL));
	KUNIT_ASSERT_NOT_NULL(test, p);
	search_run(test, s, (unsigned long)p);
	KUNIT_EXPECT_EQ(test, s->seen[0],
			SEEN_EXPECTED | SEEN_CACHED | SEEN_UNCACHED);
	vunmap(p);
	search_run(test, s, (unsigned long)p);
	KUNIT_EXPECT_EQ(test, s->seen[0], SEEN_CACHED);
	search_end(s);
}

static void d10_coherent_behind_iommu(struct kunit *test)
{
	dt_need_iommu(test);
	alias_of(test, kinds, ARRAY_SIZE(kinds), sizes, ARRAY_SIZE(sizes));
}

static void x3_coherent_direct(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (ctx->domain)
		kunit_skip(test, "the device is behind an IOMMU");
	alias_of(test, kinds, ARRAY_SIZE(kinds), sizes, ARRAY_SIZE(sizes));
}

static void r004_1_no_mapping(struct kunit *test)
{
	alias_of(test, unmapped_kinds, ARRAY_SIZE(unmapped_kinds), sizes,
		 ARRAY_SIZE(sizes));
}

/* The pool's memory stays what it is when it goes back to the pool. */
static void r004_1_atomic(struct kunit *test)
{
	int pool = counter(test, pages_file) < 0 ? -1 : 0;
	struct search *s = search_new(test);
	unsigned int i, j;
	struct buf b;

	for (i = 0; i < ARRAY_SIZE(atomic_kinds); i++) {
		for (j = 0; j < ARRAY_SIZE(atomic_sizes); j++) {
			buf_alloc(test, &b, &atomic_kinds[i], atomic_sizes[j]);
			buf_search(test, &b, s);
			search_run(test, s, buf_va(&b));
			/* counted when the pool was filled, as a whole */
			expect_no_conflict(test, s, b.kind->name, b.size,
					   pool ?: search_count(s, SEEN_CACHED));
			buf_free(&b);
			search_end(s);
		}
	}
	if (!can_avoid())
		KUNIT_EXPECT_GE(test, counter(test, pages_file),
				(int)(SZ_128K >> PAGE_SHIFT));
}

static void user_mapping_of(struct kunit *test, const struct kind *k)
{
	int before = counter(test, pages_file);
	struct search *s = search_new(test);
	unsigned long uaddr;
	struct buf b;

	buf_alloc(test, &b, k, SZ_64K);
	buf_search(test, &b, s);
	uaddr = buf_map(test, &b, 0, b.pages);
	search_run(test, s, uaddr);
	expect_no_conflict(test, s, k->name, b.size,
			   counter(test, pages_file) - before);
	um_unmap(test, uaddr, b.pages);
	buf_free(&b);
	search_end(s);
}

/* Of each kind that is not atomic. */
static void each_kind(struct kunit *test,
		      void (*look)(struct kunit *test, const struct kind *k))
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		look(test, &kinds[i]);
	for (i = 0; i < ARRAY_SIZE(unmapped_kinds); i++)
		look(test, &unmapped_kinds[i]);
}

static void r004_1_user_mapping(struct kunit *test)
{
	each_kind(test, user_mapping_of);
}

/*
 * What is freed as it was found, whoever has a reference, is not to be referred to:
 * the CMA area takes its pages back.
 */
static void no_references(struct kunit *test, const struct kind *k)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = NULL;
	unsigned long uaddr;
	struct buf b;
	int ret;

	buf_alloc(test, &b, k, SZ_64K);
	uaddr = buf_map(test, &b, 0, b.pages);
	ret = get_user_pages_fast(uaddr, 1, 0, &page);
	if (!dev_is_dma_coherent(ctx->dev))
		KUNIT_EXPECT_EQ_MSG(test, ret, -EFAULT, "%s", k->name);
	if (ret == 1)
		put_page(page);
	um_unmap(test, uaddr, b.pages);
	buf_free(&b);
}

static void r004_1_no_references(struct kunit *test)
{
	each_kind(test, no_references);
}

/* kmap() keeps its mapping for reuse when the page is freed, and allocated. */
static void r004_1_stale_kmap(struct kunit *test)
{
	static const struct kind single = {
		"after kmap", GFP_KERNEL, DMA_ATTR_ALLOC_SINGLE_PAGES,
	};
	int before = counter(test, pages_file);
	struct search *s = search_new(test);
	struct page **pages = dt_page_array(test, STALE_PAGES);
	struct buf *b = kunit_kcalloc(test, STALE_PAGES, sizeof(*b),
				      GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	if (!totalhigh_pages())
		kunit_skip(test, "this machine has no highmem");
	for (i = 0; i < STALE_PAGES; i++) {
		pages[i] = alloc_page(GFP_HIGHUSER);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
		kmap(pages[i]);
		kunmap(pages[i]);
	}
	for (i = 0; i < STALE_PAGES; i++)
		__free_page(pages[i]);
	for (i = 0; i < STALE_PAGES; i++) {
		buf_alloc(test, &b[i], &single, PAGE_SIZE);
		buf_search(test, &b[i], s);
	}
	search_run(test, s, 0);
	expect_no_conflict(test, s, single.name, STALE_PAGES * PAGE_SIZE,
			   counter(test, pages_file) - before);
	for (i = 0; i < STALE_PAGES; i++)
		buf_free(&b[i]);
	search_end(s);
}

/* The counter says what it is for: nothing if there is memory, all if not. */
static void r004_1_counter(struct kunit *test)
{
	int total = counter(test, total_file);
	int pages = counter(test, pages_file);
	struct dt_ctx *ctx = test->priv;
	bool aliased = !can_avoid() && !dev_is_dma_coherent(ctx->dev);
	struct buf b;

	KUNIT_ASSERT_GE_MSG(test, pages, 0, "no counter in debugfs");
	KUNIT_ASSERT_GE(test, total, pages);
	if (can_avoid())
		KUNIT_EXPECT_EQ(test, pages, 0);
	buf_alloc(test, &b, &kinds[0], SZ_64K);
	KUNIT_EXPECT_EQ(test, counter(test, pages_file) - pages,
			aliased ? (int)b.pages : 0);
	KUNIT_EXPECT_EQ(test, counter(test, total_file) - total,
			aliased ? (int)b.pages : 0);
	buf_free(&b);
	KUNIT_EXPECT_EQ(test, counter(test, pages_file), pages);
}

static int alias_init(struct kunit *test)
{
	if (!pt_supported())
		kunit_skip(test, "page tables of this architecture are not known");
	return dt_init(test);
}

static struct kunit_case alias_cases[] = {
	DT_CASE(d10_search_finds_mappings),
	DT_CASE(d10_coherent_behind_iommu),
	DT_CASE(x3_coherent_direct),
	DT_CASE(r004_1_no_mapping),
	DT_CASE(r004_1_atomic),
	DT_CASE(r004_1_user_mapping),
	DT_CASE(r004_1_no_references),
	DT_CASE(r004_1_stale_kmap),
	DT_CASE(r004_1_counter),
	{}
};

static struct kunit_suite alias_suite = {
	.name = "alias_test",
	.suite_init = open_files,
	.suite_exit = close_files,
	.init = alias_init,
	.exit = dt_exit,
	.test_cases = alias_cases,
};

kunit_test_suite(alias_suite);

MODULE_DESCRIPTION("CPU mappings of DMA buffers, searched in the page tables");
MODULE_LICENSE("GPL");
