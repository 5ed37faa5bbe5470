// SPDX-License-Identifier: GPL-2.0
/*
 * Parts of backings bound to parts of reservations, in every order, in every
 * context, and with every error: then nothing has changed. On fake_iommu.h's
 * devices.
 */

#include "fake_backing.h"
#include "ptwalk.h"

#ifdef HAVE_DMA_BACKING

#define N	8

/* -- What goes -- */

static const u8 parts[][2] = { { 0, 3 }, { 3, 1 }, { 4, 4 } };
static const u8 orders[][3] = {
	{ 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 1, 0, 2 },
};

/* Bound in parts, and unbound in parts, whatever the order. */
static void r001_3_parts_in_any_order(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	dma_addr_t addr = dma_iova_addr(s);
	struct dma_binding *binding[3];
	unsigned int i, j, round;

	for (i = 0; i < 3; i++)
		binding[i] = bk_binding(test);
	for (round = 0; round < 16; round++) {
		const u8 *in = orders[round % 4], *out = orders[round / 4];

		for (i = 0; i < 3; i++) {
			const u8 *p = parts[in[i]];

			/* The backing's parts are the other way round. */
			KUNIT_ASSERT_EQ(test, 0,
					bk_bind(fake, s, binding[in[i]],
						p[0] * P, b,
						(N - p[0] - p[1]) * P, p[1] * P));
			KUNIT_EXPECT_EQ(test, dma_binding_addr(binding[in[i]]),
					addr + p[0] * P);
		}
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 3);
		for (i = 0; i < 3; i++) {
			for (j = i; j < 3; j++) {
				const u8 *p = parts[out[j]];

				bk_expect_bound(test, fake, addr + p[0] * P, b,
						(N - p[0] - p[1]) * P,
						p[1] * P);
			}
			dma_iova_unbind(binding[out[i]]);
			KUNIT_EXPECT_EQ(test, dma_binding_addr(binding[out[i]]),
					DMA_MAPPING_ERROR);
			fr_expect_nothing(test, fake,
					  addr + parts[out[i]][0] * P,
					  parts[out[i]][1]);
		}
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	}
}

/* One backing after the other at the same address, and data of the right one. */
static void r001_3_bound_anew(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, 2 * P);
	u8 *buf = kunit_kzalloc(test, 2 * P, GFP_KERNEL);
	struct dma_binding *binding = bk_binding(test);
	struct dma_backing *b[3];
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < 3; i++) {
		b[i] = bk_wrap(test, 2, NULL);
		bk_fill(b[i], i * 7);
	}
	for (i = 0; i < 30; i++) {
		KUNIT_ASSERT_EQ(test, 0, bk_bind(fake, s, binding, 0, b[i % 3],
						 0, 2 * P));
		KUNIT_EXPECT_EQ(test, fake_dev_read(fake, dma_iova_addr(s), buf,
						    2 * P), 2 * P);
		KUNIT_EXPECT_EQ(test, dt_check(buf, P, i % 3 * 7), P);
		KUNIT_EXPECT_EQ(test, dt_check(buf + P, P, i % 3 * 7 + 1), P);
		dma_iova_unbind(binding);
		KUNIT_EXPECT_EQ(test, fake_dev_read(fake, dma_iova_addr(s), buf,
						    1), 0);
	}
}

/* The same part twice in one reservation, and in two. */
static void r004_8_one_part_at_two_places(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, 4 * P);
	struct dma_iova_state *t = bk_reserve(test, fake, 2 * P);
	struct dma_backing *b = bk_wrap(test, 2, NULL);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	struct dma_binding *three = bk_binding(test);

	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, one, 0, b, 0, 2 * P));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, two, 2 * P, b, 0, 2 * P));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, t, three, 0, b, P, P));
	dma_iova_unbind(one);
	bk_expect_bound(test, fake, dma_iova_addr(s) + 2 * P, b, 0, 2 * P);
	bk_expect_bound(test, fake, dma_iova_addr(t), b, P, P);
	dma_iova_unbind(two);
	dma_iova_unbind(three);
}

static DEFINE_SPINLOCK(atomic_lock);

/* With a lock held and interrupts off: nothing sleeps, says lockdep. */
static void r002_5_bound_in_atomic_context(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
		bk_direct(test, true), bk_direct(test, false),
	};
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct dma_binding *binding = bk_binding(test);
		struct dma_backing *b = bk_alloc(test, fake_device(fake[i]),
						 SZ_64K + 3 * P,
						 DMA_BACKING_CACHED);
		struct dma_iova_state *s = bk_reserve(test, fake[i],
						      dma_backing_size(b));
		unsigned int bad = 0;

		for (round = 0; round < 20; round++) {
			guard(spinlock_irqsave)(&atomic_lock);
			bad += !!bk_bind(fake[i], s, binding, 0, b, 0,
					 dma_backing_size(b));
			bad += !!dma_backing_begin_cpu_access(b, RV_DIR);
			bad += !!dma_backing_end_cpu_access(b, RV_DIR);
			bad += !!dma_backing_begin_device_access(binding);
			dma_iova_unbind(binding);
		}
		KUNIT_EXPECT_EQ(test, bad, 0);
	}
}

/* However many pieces: one to map, one to unmap. */
static void r002_5_one_iotlb_sync(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, 64 * P);
	struct dma_backing *b = bk_wrap(test, 64, NULL);
	struct dma_binding *binding = bk_binding(test);
	struct fake_iommu *iommu = fake->iommu;

	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 0, b, 0, 64 * P));
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->maps), 64);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->map_syncs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->unmap_syncs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->flushes), 0);
	dma_backing_begin_cpu_access(b, RV_DIR);
	dma_backing_end_cpu_access(b, RV_DIR);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->map_syncs), 1);
	dma_iova_unbind(binding);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->map_syncs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&iommu->unmap_syncs) +
			atomic_read(&iommu->flushes), 1);
}

/* Large chunks are mapped with large pages: that is what they are for. */
static void r003_5_large_pages(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), 2 * SZ_2M, 0);
	struct dma_binding *binding = bk_binding(test);
	struct dma_iova_state *s;

	s = bk_reserve_in(test, fake, 2 * SZ_2M, SZ_2M, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 0, b, 0, 2 * SZ_2M));
	/* Not a thousand. */
	KUNIT_EXPECT_LE(test, atomic_read(&fake->iommu->maps), 2);
	bk_expect_bound(test, fake, dma_iova_addr(s), b, 0, 2 * SZ_2M);
	dma_iova_unbind(binding);
}

static void count_mapping(struct pt_walk *w, unsigned long va,
			  unsigned long pfn, bool cached)
{
	++*(unsigned int *)w->priv;
}

static unsigned int mappings(struct kunit *test, struct xarray *pfns)
{
	unsigned int count = 0;
	struct pt_walk w = {
		.pfns = pfns, .found = count_mapping, .priv = &count,
	};

	KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
	return count;
}

/* The device's side alone: no CPU's page table has one mapping more or less. */
static void r002_1_no_cpu_mapping(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, false),
		bk_direct(test, false),
	};
	struct dma_binding *binding[ARRAY_SIZE(fake)];
	struct dma_backing *b;
	unsigned int before, i;
	struct xarray pfns;

	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	b = bk_alloc(test, NULL, N * P, DMA_ATTR_FORCE_CONTIGUOUS);
	xa_init(&pfns);
	for (i = 0; i < N; i++)
		KUNIT_EXPECT_EQ(test, 0,
				xa_err(xa_store(&pfns,
						PHYS_PFN(bk_phys(b, i * P)),
						xa_mk_value(0), GFP_KERNEL)));
	before = mappings(test, &pfns);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		binding[i] = bk_bind_all(test, fake[i], b);
		KUNIT_EXPECT_EQ(test, mappings(test, &pfns), before);
	}
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		dma_iova_unbind(binding[i]);
		KUNIT_EXPECT_EQ(test, mappings(test, &pfns), before);
	}
	xa_destroy(&pfns);
}

/* -- Spaces -- */

/* Bound once, seen by all who are in the space, and nobody binds over it. */
static void r002_2_one_binding_for_all(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 0, true);
	struct dma_space *space = create(test, a, FIRST, LAST);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *binding, *other = bk_binding(test);
	struct dma_iova_state *s;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	attach(test, space, a);
	attach(test, space, c);
	bk_fill(b, 60);
	s = bk_reserve(test, a, N * P);
	binding = bk_binding(test);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, s, binding, 0, b, 0, N * P));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
	KUNIT_EXPECT_EQ(test, fake_dev_read(c, dma_iova_addr(s) + 3 * P, buf, P),
			P);
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 63), P);
	KUNIT_EXPECT_EQ(test, -EBUSY, bk_bind(a, s, other, 3 * P, b, 0, P));
	KUNIT_EXPECT_EQ(test, dma_backing_translate(b, fake_device(a),
						    dma_iova_addr(s) + 5 * P,
						    fake_device(c)),
			dma_iova_addr(s) + 5 * P);
	dma_iova_unbind(binding);
	KUNIT_EXPECT_EQ(test, fake_dev_read(c, dma_iova_addr(s), buf, P), 0);
	bk_unreserve(a, s);
	dma_space_detach(fake_device(c));
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* Each IOMMU has the pages that it has. */
static void r002_3_two_page_table_formats(struct kunit *test)
{
	const size_t size = SZ_2M + SZ_1M + SZ_64K + P;
	struct dma_binding *one, *two;
	struct fake_dev *a, *c;
	struct dma_backing *b;

	fake_iommu(0)->pgsizes = SZ_4K | SZ_2M;
	fake_iommu(1)->pgsizes = SZ_4K | SZ_64K | SZ_1M | SZ_16M;
	a = bk_dev(test, 0, true);
	c = bk_dev(test, 1, true);
	b = bk_alloc(test, fake_device(a), size, 0);
	one = bk_bind_all(test, a, b);
	two = bk_bind_all(test, c, b);
	bk_expect_bound(test, a, dma_binding_addr(one), b, 0, size);
	bk_expect_bound(test, c, dma_binding_addr(two), b, 0, size);
	dma_iova_unbind(one);
	fr_expect_nothing(test, a, dma_iova_addr(one->state), size / P);
	bk_expect_bound(test, c, dma_binding_addr(two), b, 0, size);
	dma_iova_unbind(two);
}

/* -- Side by side with the rest of the DMA API -- */

static void r002_4_backing_without_binding(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, false),
		bk_direct(test, true),
	};
	struct dma_backing *b = bk_alloc(test, fake_device(fake[0]),
					 SZ_64K + 3 * P, 0);
	struct sg_table sgt;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct device *dev = fake_device(fake[i]);
		struct scatterlist *sg;
		size_t off = P;
		int j, k;

		KUNIT_ASSERT_EQ(test, 0, dma_backing_get_sgtable(b, &sgt, P,
								 SZ_64K));
		KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(dev, &sgt, RV_DIR, 0));
		for_each_sgtable_dma_sg(&sgt, sg, j)
			for (k = 0; k < sg_dma_len(sg); k += P, off += P)
				KUNIT_EXPECT_EQ(test,
					fake_dev_phys(fake[i],
						      sg_dma_address(sg) + k),
					bk_phys(b, off));
		KUNIT_EXPECT_EQ(test, off, SZ_64K + P);
		dma_unmap_sgtable(dev, &sgt, RV_DIR, 0);
		sg_free_table(&sgt);
		/* It is nobody's business. */
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	}
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_backing_get_sgtable(b, &sgt, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_get_sgtable(b, &sgt, 0, SZ_64K + 4 * P));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_backing_get_sgtable(b, &sgt, SZ_64K + 3 * P, P));
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* Own pages in one part of a reservation, a backing in the other. */
static void r002_4_links_beside_bindings(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_iova_state *s = bk_reserve(test, fake, RV_SIZE);
	struct dma_binding *binding = bk_binding(test);
	struct dma_backing *b = bk_wrap(test, 4, NULL);
	dma_addr_t addr = dma_iova_addr(s);
	phys_addr_t phys;
	u8 *mem;

	phys = rv_block(test, &mem);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(fake_device(fake), s, phys, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 4 * P, b, 0, 4 * P));
	rv_unlink(fake_device(fake), s, 0, 4);
	bk_expect_bound(test, fake, addr + 4 * P, b, 0, 4 * P);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(fake_device(fake), s, phys, 0, 4));
	dma_iova_unbind(binding);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr + 3 * P), phys + 3 * P);
	fr_expect_nothing(test, fake, addr + 4 * P, 4);
	rv_unlink(fake_device(fake), s, 0, 4);
}

/* One call, whatever maps the next device. */
static void r001_4_handed_to_the_next_device(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, false), bk_dev(test, 1, false),
		bk_direct(test, false), bk_dev(test, 0, true),
		bk_direct(test, true),
	};
	struct dma_backing *b = bk_alloc(test, NULL, N * P,
					 DMA_ATTR_FORCE_CONTIGUOUS);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);
	unsigned int i, at = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, P, 0);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct dma_binding *binding = bk_bind_all(test, fake[i], b);
		dma_addr_t addr = dma_binding_addr(binding);

		/* Each reads what the one before it wrote, and writes. */
		if (i) {
			memset(buf, 0, P);
			KUNIT_EXPECT_EQ(test, fake_dev_read(fake[i], addr +
							    at * P, buf, P), P);
			KUNIT_EXPECT_EQ(test, dt_check(buf, P, i - 1), P);
		}
		at = (at + 3) % N;
		dt_fill(buf, P, i);
		KUNIT_EXPECT_EQ(test, fake_dev_write(fake[i], addr + at * P, buf,
						     P), P);
		dma_iova_unbind(binding);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_bind_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r001_3_parts_in_any_order),
	KUNIT_CASE(r001_3_bound_anew),
	KUNIT_CASE(r004_8_one_part_at_two_places),
	KUNIT_CASE(r002_5_bound_in_atomic_context),
	KUNIT_CASE(r002_5_one_iotlb_sync),
	KUNIT_CASE(r003_5_large_pages),
	KUNIT_CASE(r002_1_no_cpu_mapping),
	KUNIT_CASE(r002_2_one_binding_for_all),
	KUNIT_CASE(r002_3_two_page_table_formats),
	KUNIT_CASE(r002_4_backing_without_binding),
	KUNIT_CASE(r002_4_links_beside_bindings),
	KUNIT_CASE(r001_4_handed_to_the_next_device),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_bind_suite = {
	.name = "fake_bind_test",
#ifdef HAVE_DMA_BACKING
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_bind_cases,
};

kunit_test_suite(fake_bind_suite);

MODULE_DESCRIPTION("Backings bound to reservations, on a fake IOMMU");
MODULE_LICENSE("GPL");
