// SPDX-License-Identifier: GPL-2.0
/*
 * Who maps a backing, and how: the list of mappers, addresses in each space, and the
 * permissions. On fake_iommu.h's devices.
 */

#include "fake_backing.h"

#ifdef HAVE_DMA_BACKING

#define N	8

/* -- The list -- */

static const struct dma_mapper *find(struct bk_mappers *m, u8 kind,
				     size_t offset)
{
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (m->m[i].kind == kind && m->m[i].offset == offset)
			return &m->m[i];
	return NULL;
}

static void expect_mapper(struct kunit *test, struct bk_mappers *m, u8 kind,
			  size_t offset, size_t len, u8 dir, bool coherent)
{
	const struct dma_mapper *found = find(m, kind, offset);

	KUNIT_EXPECT_NOT_NULL_MSG(test, found, "kind %u at %zu", kind, offset);
	if (!found)
		return;
	KUNIT_EXPECT_EQ(test, found->len, len);
	KUNIT_EXPECT_EQ(test, found->dir, dir);
	KUNIT_EXPECT_EQ(test, found->coherent, coherent);
}

static int only_first(const struct dma_mapper *mapper, void *data)
{
	++*(unsigned int *)data;
	return -ECANCELED;
}

static void r000_1_every_mapper_is_listed(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, false);
	struct fake_dev *d = bk_direct(test, false);
	struct dma_backing *b = bk_alloc(test, NULL, N * P,
					 DMA_ATTR_FORCE_CONTIGUOUS);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	struct dma_binding *three = bk_binding(test);
	unsigned int calls = 0;
	struct bk_mappers *m;

	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_EQ(test, 0,
			dma_iova_bind(fake_device(a), bk_reserve(test, a, 4 * P),
				      one, P, b, P, 3 * P, DMA_FROM_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, 0,
			dma_iova_bind(fake_device(c), bk_reserve(test, c, 4 * P),
				      two, 0, b, 2 * P, 4 * P, DMA_TO_DEVICE, 0));
	KUNIT_EXPECT_EQ(test, 0,
			dma_iova_bind(fake_device(d), bk_reserve(test, d, 4 * P),
				      three, 2 * P, b, 6 * P, 2 * P,
				      DMA_BIDIRECTIONAL, 0));
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	m = bk_mappers(test, b);
	KUNIT_EXPECT_EQ(test, m->count, 4);
	expect_mapper(test, m, DMA_MAPPER_SPACE, P, 3 * P, DMA_FROM_DEVICE, true);
	expect_mapper(test, m, DMA_MAPPER_SPACE, 2 * P, 4 * P, DMA_TO_DEVICE,
		      false);
	expect_mapper(test, m, DMA_MAPPER_DIRECT, 6 * P, 2 * P,
		      DMA_BIDIRECTIONAL, false);
	expect_mapper(test, m, DMA_MAPPER_KERNEL, 0, N * P, DMA_BIDIRECTIONAL,
		      true);
	KUNIT_EXPECT_EQ(test, -ECANCELED,
			dma_backing_for_each_mapper(b, only_first, &calls));
	KUNIT_EXPECT_EQ(test, calls, 1);
	dma_backing_vunmap(b);
	dma_iova_unbind(two);
	m = bk_mappers(test, b);
	KUNIT_EXPECT_EQ(test, m->count, 2);
	expect_mapper(test, m, DMA_MAPPER_SPACE, P, 3 * P, DMA_FROM_DEVICE, true);
	expect_mapper(test, m, DMA_MAPPER_DIRECT, 6 * P, 2 * P,
		      DMA_BIDIRECTIONAL, false);
	dma_iova_unbind(one);
	dma_iova_unbind(three);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
}

/* By a physical address, each page of it. */
static void r000_1_mappers_of_an_address(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_backing *other = bk_wrap(test, 1, NULL);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	unsigned int i, count;

	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, bk_reserve(test, a, N * P), one, 0,
					 b, 0, 5 * P));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(c, bk_reserve(test, c, N * P), two, P,
					 b, 3 * P, 4 * P));
	for (i = 0; i < N; i++) {
		unsigned int want = (i < 5) + (i >= 3 && i < 7);

		count = 0;
		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_for_each_mapper_of(b,
						bk_phys(b, i * P) + 700,
						bk_count_mapper, &count));
		KUNIT_EXPECT_EQ_MSG(test, count, want, "page %u", i);
	}
	count = 0;
	KUNIT_EXPECT_EQ(test, -ENOENT,
			dma_backing_for_each_mapper_of(b, bk_phys(other, 0),
						       bk_count_mapper, &count));
	/* The neighbour of a page of it. */
	KUNIT_EXPECT_EQ(test, -ENOENT,
			dma_backing_for_each_mapper_of(b, bk_phys(b, 0) + P,
						       bk_count_mapper, &count));
	KUNIT_EXPECT_EQ(test, -ENOENT,
			dma_backing_for_each_mapper_of(b, bk_phys(b, 0) - 1,
						       bk_count_mapper, &count));
	KUNIT_EXPECT_EQ(test, count, 0);
	KUNIT_EXPECT_EQ(test, -ECANCELED,
			dma_backing_for_each_mapper_of(b, bk_phys(b, 4 * P),
						       only_first, &count));
	KUNIT_EXPECT_EQ(test, count, 1);
}

/* The record of a mapper is small, and what it maps does not matter. */
static void r000_1_cost_of_a_mapper(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), SZ_4M, 0);
	struct dma_binding *binding = bk_binding(test);
	struct dma_iova_state *s;
	long before;

	KUNIT_EXPECT_LE(test, sizeof(struct dma_binding), 128);
	s = bk_reserve_in(test, fake, SZ_4M, SZ_4M, 0, 0);
	/* The fake page table has its own memory: once, to have it. */
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 0, b, 0, SZ_4M));
	dma_iova_unbind(binding);
	before = fk_small_objects(test);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 0, b, 0, SZ_4M));
	KUNIT_EXPECT_LE(test, fk_small_objects(test) - before, 8);
	dma_iova_unbind(binding);
}

static void r004_8_address_in_another_space(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, false);
	struct fake_dev *d = bk_direct(test, true), *e = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, NULL, N * P,
					 DMA_ATTR_FORCE_CONTIGUOUS);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	struct dma_binding *three = bk_binding(test);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, bk_reserve(test, a, N * P), one, 0,
					 b, 0, N * P));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(c, bk_reserve(test, c, N * P), two,
					 2 * P, b, 3 * P, 4 * P));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(d, bk_reserve(test, d, N * P), three, 0,
					 b, 0, N * P));
	for (i = 0; i < N; i++) {
		dma_addr_t in_a = dma_binding_addr(one) + i * P + 77;
		dma_addr_t in_c = i >= 3 && i < 7 ?
				  dma_binding_addr(two) + (i - 3) * P + 77 :
				  DMA_MAPPING_ERROR;

		KUNIT_EXPECT_EQ(test, in_c,
				dma_backing_translate(b, fake_device(a), in_a,
						      fake_device(c)));
		KUNIT_EXPECT_EQ(test, bk_phys(b, i * P) + 77,
				dma_backing_translate(b, fake_device(a), in_a,
						      fake_device(d)));
		KUNIT_EXPECT_EQ(test, in_a,
				dma_backing_translate(b, fake_device(d),
						      bk_phys(b, i * P) + 77,
						      fake_device(a)));
		if (in_c != DMA_MAPPING_ERROR)
			KUNIT_EXPECT_EQ(test, in_a,
					dma_backing_translate(b, fake_device(c),
							      in_c,
							      fake_device(a)));
	}
	/* Nowhere: an address beside it, a device without it. */
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_backing_translate(b, fake_device(a),
					      dma_binding_addr(one) + N * P,
					      fake_device(d)));
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_backing_translate(b, fake_device(a),
					      dma_binding_addr(one) - 1,
					      fake_device(d)));
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_backing_translate(b, fake_device(a),
					      dma_binding_addr(one),
					      fake_device(e)));
	KUNIT_EXPECT_EQ(test, DMA_MAPPING_ERROR,
			dma_backing_translate(b, fake_device(e),
					      dma_binding_addr(one),
					      fake_device(a)));
}

/* -- How they map it -- */

static void r000_3_protection_bits(struct kunit *test)
{
	static const unsigned long policy[] = {
		DMA_BACKING_CACHED, DMA_ATTR_WRITE_COMBINE,
		DMA_BACKING_UNCACHED,
	};
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		int prot;
	} t[] = {
		{ DMA_BIDIRECTIONAL, 0, IOMMU_READ | IOMMU_WRITE },
		{ DMA_TO_DEVICE, 0, IOMMU_READ },
		{ DMA_FROM_DEVICE, 0, IOMMU_WRITE },
		{ DMA_TO_DEVICE, DMA_ATTR_PRIVILEGED, IOMMU_READ | IOMMU_PRIV },
	};
	unsigned int coherent, i, j;

	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *fake = bk_dev(test, 0, coherent);
		struct dma_iova_state *s = bk_reserve(test, fake, 2 * P);
		struct dma_binding *binding = bk_binding(test);

		for (i = 0; i < ARRAY_SIZE(policy); i++) {
			struct dma_backing *b;

			if (i && !bk_has_uncached())
				continue;
			b = bk_alloc(test, fake_device(fake), 2 * P, policy[i]);
			for (j = 0; j < ARRAY_SIZE(t); j++) {
				int want = t[j].prot;

				/* Never for what is not cached. */
				if (coherent && !i)
					want |= IOMMU_CACHE;
				KUNIT_EXPECT_EQ(test, 0,
						dma_iova_bind(fake_device(fake),
							      s, binding, 0, b,
							      0, 2 * P, t[j].dir,
							      t[j].attrs));
				KUNIT_EXPECT_EQ_MSG(test, bk_prot(fake, binding),
						    want, "policy %u, %u", i, j);
				KUNIT_EXPECT_EQ(test, binding->mapper.coherent,
						coherent && !i);
				dma_iova_unbind(binding);
			}
		}
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_mapper_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r000_1_every_mapper_is_listed),
	KUNIT_CASE(r000_1_mappers_of_an_address),
	KUNIT_CASE(r000_1_cost_of_a_mapper),
	KUNIT_CASE(r004_8_address_in_another_space),
	KUNIT_CASE(r000_3_protection_bits),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_mapper_suite = {
	.name = "fake_mapper_test",
#ifdef HAVE_DMA_BACKING
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_mapper_cases,
};

kunit_test_suite(fake_mapper_suite);

MODULE_DESCRIPTION("Who maps a backing, on a fake IOMMU");
MODULE_LICENSE("GPL");
