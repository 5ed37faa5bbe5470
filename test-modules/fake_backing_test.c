// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of backings: where it comes from, in what pieces, what policy it has,
 * what happens when there is none, and when it goes back. Devices are
 * fake_iommu.h's.
 */

#include "fake_backing.h"
#include "ptwalk.h"
#include "user_map.h"

#ifdef HAVE_DMA_BACKING

#define BIG	(2 * SZ_2M + SZ_1M + SZ_64K + 3 * SZ_4K)

/* -- In what pieces -- */

/* As many chunks as it takes with the largest ones, and one is never larger. */
static void r003_5_largest_chunks_first(struct kunit *test)
{
	static const size_t sizes[] = { SZ_2M, SZ_1M, SZ_64K, SZ_4K };
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), BIG, 0);
	size_t at = 0, i = 0;
	struct bk_chunks c;
	unsigned int n;

	KUNIT_EXPECT_EQ(test, dma_backing_size(b), BIG);
	bk_chunks(test, b, 0, BIG, &c);
	for (n = 0; n < c.count; n++) {
		while (i < ARRAY_SIZE(sizes) && c.chunk[n].len < sizes[i])
			i++;
		KUNIT_ASSERT_LT(test, i, ARRAY_SIZE(sizes));
		KUNIT_EXPECT_EQ(test, c.chunk[n].len, sizes[i]);
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(c.chunk[n].phys, sizes[i]));
		at += c.chunk[n].len;
	}
	KUNIT_EXPECT_EQ(test, at, BIG);
	/* There is memory enough for that in this machine, just booted. */
	KUNIT_EXPECT_EQ(test, c.count, 2 + 1 + 1 + 3);
	/* A part of it begins and ends where it is told to. */
	bk_chunks(test, b, SZ_4K, SZ_2M, &c);
	KUNIT_EXPECT_EQ(test, c.count, 2);
	KUNIT_EXPECT_EQ(test, c.chunk[0].len, SZ_2M - SZ_4K);
	KUNIT_EXPECT_EQ(test, c.chunk[0].phys, bk_phys(b, 0) + SZ_4K);
	KUNIT_EXPECT_EQ(test, c.chunk[1].len, SZ_4K);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

static int stop_at_second(phys_addr_t phys, size_t len, void *data)
{
	return ++*(unsigned int *)data == 2 ? -ECANCELED : 0;
}

static void r003_5_a_part_of_the_chunks(struct kunit *test)
{
	struct dma_backing *b = bk_wrap(test, 4, NULL);
	unsigned int calls = 0;

	KUNIT_EXPECT_EQ(test, -ECANCELED,
			dma_backing_for_each_chunk(b, 0, 4 * P, stop_at_second,
						   &calls));
	KUNIT_EXPECT_EQ(test, calls, 2);
	calls = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_for_each_chunk(b, 0, 0, stop_at_second,
						   &calls));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_for_each_chunk(b, 4 * P, P, stop_at_second,
						   &calls));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_for_each_chunk(b, P, 4 * P, stop_at_second,
						   &calls));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_for_each_chunk(b, P, SIZE_MAX,
						   stop_at_second, &calls));
	KUNIT_EXPECT_EQ(test, calls, 2);
}

static void r003_5_single_pages(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b;
	struct bk_chunks c;
	unsigned int n;

	b = bk_alloc(test, fake_device(fake), SZ_256K,
		     DMA_ATTR_ALLOC_SINGLE_PAGES);
	bk_chunks(test, b, 0, SZ_256K, &c);
	for (n = 0; n < c.count; n++)
		KUNIT_EXPECT_EQ(test, c.chunk[n].len, P);
}

static void r003_5_odd_sizes(struct kunit *test)
{
	static const size_t sizes[] = { 1, P - 1, P + 1, 5000, SZ_64K - 1,
					SZ_1M + 1 };
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct fake_dev *direct = bk_direct(test, true);
	struct dma_backing *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		b = bk_alloc(test, fake_device(fake), sizes[i], 0);
		KUNIT_EXPECT_EQ(test, dma_backing_size(b), PAGE_ALIGN(sizes[i]));
		KUNIT_EXPECT_TRUE(test, bk_put(b));
		b = bk_alloc(test, fake_device(direct), sizes[i], 0);
		KUNIT_EXPECT_EQ(test, dma_backing_size(b), PAGE_ALIGN(sizes[i]));
		KUNIT_EXPECT_TRUE(test, bk_is_contiguous(b));
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
}

static void r003_5_contiguous(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct dma_backing *b;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, fake_device(fake[i]), 5 * P,
			     DMA_ATTR_FORCE_CONTIGUOUS);
		KUNIT_EXPECT_TRUE(test, bk_is_contiguous(b));
		b = bk_alloc(test, fake_device(fake[i]), SZ_1M + 3 * P,
			     DMA_ATTR_FORCE_CONTIGUOUS);
		KUNIT_EXPECT_TRUE(test, bk_is_contiguous(b));
	}
}

/* Without being asked for. In reach: the lower half of the machine's memory. */
static void r003_5_contiguous_for_direct(struct kunit *test)
{
	unsigned int coherent;

	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *fake = bk_direct(test, coherent);
		struct device *dev = fake_device(fake);
		unsigned long attrs = bk_has_uncached() ? 0 : DMA_BACKING_CACHED;
		phys_addr_t first, end;
		struct dma_backing *b;

		b = bk_alloc(test, dev, SZ_1M + P, attrs);
		KUNIT_EXPECT_TRUE(test, bk_is_contiguous(b));
		dev->bus_dma_limit = page_to_phys(virt_to_page(high_memory - P));
		b = dma_backing_alloc(dev, SZ_64K + P, GFP_KERNEL,
				      DMA_BACKING_CACHED);
		KUNIT_ASSERT_FALSE(test, IS_ERR(b));
		bk_keep(test, b);
		KUNIT_EXPECT_TRUE(test, bk_is_contiguous(b));
		KUNIT_EXPECT_LE(test, bk_phys(b, SZ_64K) + P - 1,
				(phys_addr_t)dev->bus_dma_limit);
		/* The first page of all memory is never free. */
		if (!bk_memory(&first, &end))
			continue;
		dev->bus_dma_limit = first + P - 1;
		b = dma_backing_alloc(dev, P, GFP_KERNEL,
				      DMA_BACKING_CACHED | DMA_ATTR_NO_WARN);
		KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-ENOMEM));
		dev->bus_dma_limit = 0;
	}
}

static void r003_4_highmem_is_used(struct kunit *test)
{
	static const unsigned long attrs[] = {
		DMA_BACKING_CACHED, DMA_BACKING_UNCACHED,
		DMA_ATTR_WRITE_COMBINE,
	};
	struct fake_dev *fake = bk_dev(test, 0, false);
	unsigned int i;

	if (!totalhigh_pages())
		kunit_skip(test, "this machine has no highmem");
	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		struct dma_backing *b = bk_alloc(test, fake_device(fake), SZ_8M,
						 attrs[i]);
		unsigned int high = 0;
		size_t off;

		for (off = 0; off < SZ_8M; off += P)
			high += PageHighMem(bk_page(b, off));
		KUNIT_EXPECT_EQ_MSG(test, high, SZ_8M / P, "%lx", attrs[i]);
		bk_put(b);
	}
}

/* Whatever policy, nothing of what was there before is in it. */
static void r003_6_zeroed(struct kunit *test)
{
	static const unsigned long attrs[] = {
		DMA_BACKING_CACHED, DMA_BACKING_UNCACHED,
		DMA_ATTR_WRITE_COMBINE,
		DMA_BACKING_CACHED | DMA_ATTR_FORCE_CONTIGUOUS,
		DMA_BACKING_UNCACHED | DMA_ATTR_FORCE_CONTIGUOUS,
		DMA_BACKING_CACHED | DMA_ATTR_ALLOC_SINGLE_PAGES,
	};
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_direct(test, false),
	};
	struct page **pages = dt_page_array(test, SZ_1M / P);
	unsigned int i, j;
	size_t off;

	for (i = 0; i < ARRAY_SIZE(attrs) * ARRAY_SIZE(fake); i++) {
		unsigned long a = attrs[i / ARRAY_SIZE(fake)];
		struct dma_backing *b;

		if (!(a & DMA_BACKING_CACHED) && !bk_has_uncached())
			continue;
		for (j = 0; j < 2; j++)
			um_dirty_free_memory(test, j ? P : SZ_1M, 0x5a);
		b = bk_alloc(test, fake_device(fake[i % ARRAY_SIZE(fake)]),
			     SZ_1M, a);
		for (off = 0; off < SZ_1M; off += P)
			pages[off / P] = bk_page(b, off);
		KUNIT_EXPECT_TRUE_MSG(test, dt_pages_are_zero(pages, SZ_1M / P),
				      "%lx", a);
		bk_fill(b, 1);
		bk_put(b);
	}
}

static void count_mapping(struct pt_walk *w, unsigned long va,
			  unsigned long pfn, bool cached)
{
	if (!pt_is_linear(va))
		++*(unsigned int *)w->priv;
}

/* Neither by what the kernel says nor by what its page tables have. */
static void r003_6_no_kernel_mapping(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	unsigned int uncached, count;
	struct xarray pfns;

	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	for (uncached = 0; uncached < 1 + bk_has_uncached(); uncached++) {
		struct pt_walk w = {
			.pfns = &pfns, .found = count_mapping, .priv = &count,
		};
		struct dma_backing *b;
		size_t off;

		b = bk_alloc(test, fake_device(fake), SZ_256K,
			     uncached ? DMA_BACKING_UNCACHED : 0);
		xa_init(&pfns);
		for (off = 0; off < SZ_256K; off += P)
			KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&pfns,
					PHYS_PFN(bk_phys(b, off)),
					xa_mk_value(0), GFP_KERNEL)));
		count = 0;
		KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
		KUNIT_EXPECT_EQ(test, count, 0);
		/* It would see one. */
		KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
		KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
		KUNIT_EXPECT_GE(test, count, SZ_256K / P);
		dma_backing_vunmap(b);
		count = 0;
		vm_unmap_aliases();
		KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
		KUNIT_EXPECT_EQ(test, count, 0);
		xa_destroy(&pfns);
	}
}

/* -- What is refused -- */

static void r000_3_policies(struct kunit *test)
{
	static const struct {
		unsigned long attrs;
		enum dma_cache_policy want;
	} t[] = {
		{ DMA_BACKING_CACHED, DMA_CACHE_CACHED },
		{ DMA_ATTR_WRITE_COMBINE, DMA_CACHE_WRITE_COMBINE },
		{ DMA_BACKING_UNCACHED, DMA_CACHE_UNCACHED },
	};
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
		bk_direct(test, true), bk_direct(test, false),
	};
	unsigned int i, j;

	for (i = 0; i <= ARRAY_SIZE(fake); i++) {
		struct device *dev = i < ARRAY_SIZE(fake) ?
				     fake_device(fake[i]) : NULL;
		bool cached = !dev || dev_is_dma_coherent(dev);
		struct dma_backing *b;

		for (j = 0; j <= ARRAY_SIZE(t); j++) {
			enum dma_cache_policy want = cached ? DMA_CACHE_CACHED :
							      DMA_CACHE_UNCACHED;
			unsigned long attrs = DMA_ATTR_NO_WARN;

			if (j < ARRAY_SIZE(t)) {
				attrs |= t[j].attrs;
				want = t[j].want;
			}
			b = dma_backing_alloc(dev, 3 * P, GFP_KERNEL, attrs);
			if (want != DMA_CACHE_CACHED && !bk_has_uncached()) {
				/* Never something else instead. */
				KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-EOPNOTSUPP));
				continue;
			}
			bk_keep(test, b);
			KUNIT_EXPECT_EQ_MSG(test, dma_backing_policy(b), want,
					    "device %u, %lx", i, attrs);
			KUNIT_EXPECT_TRUE(test, bk_put(b));
		}
	}
}

static void refused(struct kunit *test, struct device *dev, size_t size,
		    gfp_t gfp, unsigned long attrs, int want)
{
	struct dma_backing *b;

	b = dma_backing_alloc(dev, size, gfp, attrs | DMA_ATTR_NO_WARN);
	KUNIT_EXPECT_PTR_EQ_MSG(test, b, ERR_PTR(want), "%zu, %lx", size, attrs);
	if (!IS_ERR_OR_NULL(b))
		dma_backing_put(b);
}

static const struct dma_map_ops no_ops;

static void r000_3_alloc_bad_arguments(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct fake_dev *direct = bk_direct(test, true);
	struct device *dev = fake_device(fake);

	refused(test, dev, 0, GFP_KERNEL, 0, -EINVAL);
	refused(test, dev, SIZE_MAX, GFP_KERNEL, 0, -EINVAL);
	refused(test, dev, P, GFP_KERNEL,
		DMA_BACKING_CACHED | DMA_BACKING_UNCACHED, -EINVAL);
	refused(test, dev, P, GFP_KERNEL,
		DMA_BACKING_CACHED | DMA_ATTR_WRITE_COMBINE, -EINVAL);
	refused(test, dev, P, GFP_KERNEL,
		DMA_BACKING_UNCACHED | DMA_ATTR_WRITE_COMBINE, -EINVAL);
	refused(test, dev, P, GFP_KERNEL,
		DMA_BACKING_CACHED | DMA_BACKING_UNCACHED |
		DMA_ATTR_WRITE_COMBINE, -EINVAL);
	refused(test, dev, P, GFP_KERNEL, DMA_ATTR_MMIO, -EINVAL);
	refused(test, dev, P, GFP_KERNEL, DMA_ATTR_REQUIRE_COHERENT, -EINVAL);
	refused(test, dev, P, GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING, -EINVAL);
	refused(test, dev, P, GFP_ATOMIC, 0, -EINVAL);
	/* More than there is. */
	refused(test, dev, ALIGN_DOWN(SIZE_MAX / 2, SZ_1M), GFP_KERNEL,
		DMA_ATTR_FORCE_CONTIGUOUS, -ENOMEM);
	if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS)) {
		set_dma_ops(fake_device(direct), &no_ops);
		refused(test, fake_device(direct), P, GFP_KERNEL, 0, -EOPNOTSUPP);
		set_dma_ops(fake_device(direct), NULL);
	}
}

/* Flags that are about where memory is, of whoever calls with GFP_DMA. */
static void r000_3_zones_are_not_the_callers(struct kunit *test)
{
	static const gfp_t gfps[] = {
		GFP_KERNEL | __GFP_HIGHMEM, GFP_KERNEL | __GFP_ZERO,
		GFP_KERNEL | __GFP_COMP, GFP_HIGHUSER_MOVABLE,
		GFP_KERNEL | __GFP_DMA, GFP_KERNEL | __GFP_DMA32,
	};
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_direct(test, true),
	};
	unsigned int i;

	for (i = 0; i < 2 * ARRAY_SIZE(gfps); i++) {
		struct dma_backing *b;

		b = dma_backing_alloc(fake_device(fake[i % 2]), SZ_64K + P,
				      gfps[i / 2], 0);
		KUNIT_EXPECT_FALSE_MSG(test, IS_ERR_OR_NULL(b), "%u", i);
		if (!IS_ERR_OR_NULL(b))
			KUNIT_EXPECT_TRUE(test, dma_backing_put(b));
	}
}

/* -- Failures -- */

/* Every allocation on the way fails once; @attrs leave no way around it. */
static unsigned int fails_once(struct kunit *test, struct device *dev,
			       size_t size, unsigned long attrs, bool must)
{
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 600; n++) {
		struct dma_backing *b;

		dt_fail_nth(test, n);
		b = dma_backing_alloc(dev, size, GFP_KERNEL,
				      attrs | DMA_ATTR_NO_WARN);
		failed = dt_fail_stop();
		if (IS_ERR(b)) {
			KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-ENOMEM));
			KUNIT_EXPECT_TRUE(test, failed);
			errors++;
			continue;
		}
		KUNIT_EXPECT_FALSE_MSG(test, failed && must, "%u, %lx", n, attrs);
		KUNIT_EXPECT_EQ(test, dma_backing_size(b), size);
		KUNIT_EXPECT_TRUE(test, dma_backing_put(b));
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	return errors;
}

static void r003_5_each_allocation_fails_once(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct fake_dev *direct = bk_direct(test, true);
	struct device *dev = fake_device(fake);
	unsigned int i, errors = 0;
	long before;

	/* Once, for what is allocated a first time and kept. */
	fails_once(test, dev, 9 * P, DMA_ATTR_ALLOC_SINGLE_PAGES, true);
	before = dt_free_memory();
	for (i = 0; i < 20; i++) {
		errors += fails_once(test, dev, 65 * P,
				     DMA_ATTR_ALLOC_SINGLE_PAGES, true);
		errors += fails_once(test, dev, SZ_2M + SZ_64K + P, 0, false);
		errors += fails_once(test, fake_device(direct), SZ_64K, 0, false);
		if (bk_has_uncached())
			errors += fails_once(test, dev, 33 * P,
					     DMA_BACKING_UNCACHED |
					     DMA_ATTR_ALLOC_SINGLE_PAGES, false);
	}
	/* A page for every other error would be more than the free lists keep. */
	KUNIT_EXPECT_GT(test, errors, 1000);
	KUNIT_EXPECT_LT(test, before - dt_free_memory(), (long)errors / 2);
	kunit_info(test, "%u errors, %ld pages\n", errors,
		   before - dt_free_memory());
}

/* What is freed is free, each chunk of it. */
static void r000_4_nothing_is_left(struct kunit *test)
{
	static const unsigned long attrs[] = {
		DMA_BACKING_CACHED, DMA_BACKING_UNCACHED,
		DMA_BACKING_CACHED | DMA_ATTR_FORCE_CONTIGUOUS,
		DMA_BACKING_UNCACHED | DMA_ATTR_FORCE_CONTIGUOUS,
	};
	struct fake_dev *fake = bk_dev(test, 0, false);
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(attrs); i++) {
		long before;

		if (!(attrs[i] & DMA_BACKING_CACHED) && !bk_has_uncached())
			continue;
		/* The free lists of the CPUs keep some thousand pages. */
		for (round = 0; round < 72; round++) {
			struct dma_backing *b;

			if (round == 8)
				before = dt_free_memory();
			b = dma_backing_alloc(fake_device(fake), SZ_1M + 7 * P,
					      GFP_KERNEL, attrs[i]);
			KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(b));
			KUNIT_EXPECT_TRUE(test, dma_backing_put(b));
		}
		KUNIT_EXPECT_LT_MSG(test, before - dt_free_memory(),
				    (long)(64 * SZ_1M / P / 2), "%lx", attrs[i]);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_backing_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r003_5_largest_chunks_first),
	KUNIT_CASE(r003_5_a_part_of_the_chunks),
	KUNIT_CASE(r003_5_single_pages),
	KUNIT_CASE(r003_5_odd_sizes),
	KUNIT_CASE(r003_5_contiguous),
	KUNIT_CASE(r003_5_contiguous_for_direct),
	KUNIT_CASE(r003_4_highmem_is_used),
	KUNIT_CASE(r003_6_zeroed),
	KUNIT_CASE(r003_6_no_kernel_mapping),
	KUNIT_CASE(r000_3_policies),
	KUNIT_CASE(r000_3_alloc_bad_arguments),
	KUNIT_CASE(r000_3_zones_are_not_the_callers),
	KUNIT_CASE_SLOW(r003_5_each_allocation_fails_once),
	KUNIT_CASE(r000_4_nothing_is_left),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

#ifdef HAVE_DMA_BACKING
static int fake_backing_suite_init(struct kunit_suite *suite)
{
	dt_fail_pages(true);
	return dt_fail_init(suite);
}

static void fake_backing_suite_exit(struct kunit_suite *suite)
{
	dt_fail_pages(false);
	dt_fail_exit(suite);
}
#endif

static struct kunit_suite fake_backing_suite = {
	.name = "fake_backing_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = fake_backing_suite_init,
	.suite_exit = fake_backing_suite_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_backing_cases,
};

kunit_test_suite(fake_backing_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("The memory of backings, on a fake IOMMU");
MODULE_LICENSE("GPL");
