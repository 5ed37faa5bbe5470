// SPDX-License-Identifier: GPL-2.0
/*
 * The cache policy of a backing is that of all its CPU mappings: who asks for another
 * is refused, and what the page tables say is looked at, whatever was called; and an
 * architecture that can have one CPU mapping. Devices are fake_iommu.h's.
 */

#include <kunit/static_stub.h>
#include <linux/prandom.h>

#include "fake_cpu.h"
#include "ptwalk.h"

#ifdef HAVE_DMA_BACKING

#define N	8

static void r000_2_kernel_asks_for_another_policy(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, P, policies[i]);
		for (j = 0; j < 2 * ARRAY_SIZE(policies); j++) {
			/* With a mapping that is there, and without. */
			if (j == ARRAY_SIZE(policies))
				KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(
						dma_backing_vmap(b, 0)));
			if (j % ARRAY_SIZE(policies) == i)
				continue;
			KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EINVAL),
					    dma_backing_vmap(b,
						policies[j % ARRAY_SIZE(policies)]));
			KUNIT_EXPECT_EQ(test, bk_mapper_count(b),
					j >= ARRAY_SIZE(policies));
		}
		KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EINVAL),
				    dma_backing_vmap(b, DMA_ATTR_MMIO));
		dma_backing_vunmap(b);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
}

static pgprot_t noncached(pgprot_t prot)
{
	return pgprot_noncached(prot);
}

static pgprot_t writecombine(pgprot_t prot)
{
	return pgprot_writecombine(prot);
}

static pgprot_t dmacoherent(pgprot_t prot)
{
	return pgprot_dmacoherent(prot);
}

static void r000_2_user_asks_for_another_policy(struct kunit *test)
{
	static pgprot_t (*const prots[])(pgprot_t) = {
		NULL, writecombine, dmacoherent,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct request r = {};

		if (i && !bk_has_uncached())
			break;
		r.backing = bk_alloc(test, NULL, N * P, policies[i]);
		for (j = 0; j < ARRAY_SIZE(policies); j++) {
			r.attrs = policies[j];
			if (j != i)
				refused(test, &r, 0, N, -EINVAL, "attributes");
			else
				refused(test, &r, 1, N, -ENXIO, "its own");
		}
		r.attrs = DMA_ATTR_MMIO;
		refused(test, &r, 0, N, -EINVAL, "odd attributes");
		r.attrs = 0;
		/* What the driver of the file has set before. */
		for (j = 1; j < ARRAY_SIZE(prots); j++) {
			pgprot_t plain = vm_get_page_prot(VM_READ | VM_WRITE |
							  VM_SHARED);

			/* On some machines two are one. */
			if (pgprot_val(prots[j](plain)) ==
			    pgprot_val(policy_prot(dma_backing_policy(r.backing),
						   plain)))
				continue;
			r.prot = prots[j];
			refused(test, &r, 0, N, -EINVAL, "protection");
		}
		r.prot = noncached;
		refused(test, &r, 0, N, -EINVAL, "strongly ordered");
		KUNIT_EXPECT_TRUE(test, bk_put(r.backing));
	}
}

/* -- An architecture with one coherent CPU mapping -- */

static unsigned int one_mapping(struct device *dev)
{
	return 1;
}

static void r003_7_one_designated_mapping(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct request r = { .backing = bk_alloc(test, fake_device(fake), N * P,
						 0) };
	struct dma_backing *b = r.backing;
	struct dma_binding *binding;
	unsigned long uaddr;

	kunit_activate_static_stub(test, dma_backing_max_cpu_mappings,
				   one_mapping);
	/* The kernel's, which is one for all who ask. */
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	refused(test, &r, 0, N, -EBUSY, "beside the kernel's");
	dma_backing_vunmap(b);
	refused(test, &r, 0, N, -EBUSY, "beside the kernel's");
	dma_backing_vunmap(b);
	/* Or a user's, and then nobody else's. */
	uaddr = map(test, b, 0, N);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(uaddr));
	refused(test, &r, 0, 1, -EBUSY, "beside another user's");
	KUNIT_EXPECT_PTR_EQ(test, (void *)ERR_PTR(-EBUSY), dma_backing_vmap(b, 0));
	/* Devices are no CPU mappings. */
	binding = bk_bind_all(test, fake, b);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
	dma_iova_unbind(binding);
	um_unmap(test, uaddr, N);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	dma_backing_vunmap(b);
}

/* -- What the page tables say, whatever is called -- */

struct seen {
	unsigned int cached;
	unsigned int uncached;
};

static void look(struct pt_walk *w, unsigned long va, unsigned long pfn,
		 bool cached)
{
	struct seen *seen = w->priv;

	if (cached)
		seen->cached++;
	else
		seen->uncached++;
}

static void expect_one_type(struct kunit *test, struct dma_backing *b,
			    struct xarray *pfns, unsigned int step)
{
	bool want = dma_backing_policy(b) == DMA_CACHE_CACHED;
	struct seen seen = {};
	struct pt_walk w = { .pfns = pfns, .found = look, .priv = &seen };

	KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
	KUNIT_EXPECT_EQ_MSG(test, want ? seen.uncached : seen.cached, 0,
			    "policy %u, step %u", dma_backing_policy(b), step);
}

/* One random call that maps or unmaps something, with random attributes. */
static void random_call(struct kunit *test, struct rnd_state *rnd,
			struct fake_dev *fake, struct dma_backing *b,
			struct dma_binding *binding, unsigned long *uaddr,
			unsigned int *vmaps)
{
	static pgprot_t (*const prots[])(pgprot_t) = {
		NULL, NULL, noncached, writecombine, dmacoherent,
	};
	unsigned long attrs[] = { 0, policies[0], policies[1], policies[2] };
	struct request r = { .backing = b };
	u32 n = prandom_u32_state(rnd);
	void *p;

	r.attrs = attrs[n / 64 % 4];
	switch (n % 6) {
	case 0:
	case 1:
		if (IS_ERR_VALUE(*uaddr)) {
			r.prot = prots[n / 256 % 5];
			*uaddr = map_as(test, &r, 0, N, PROT_READ | PROT_WRITE,
					MAP_SHARED);
		} else {
			um_unmap(test, *uaddr, N);
			*uaddr = -EINVAL;
		}
		break;
	case 2:
	case 3:
		p = dma_backing_vmap(b, r.attrs);
		*vmaps += !IS_ERR_OR_NULL(p);
		break;
	case 4:
		if (*vmaps) {
			dma_backing_vunmap(b);
			--*vmaps;
		}
		break;
	case 5:
		if (binding->mapper.backing)
			dma_iova_unbind(binding);
		else
			dma_iova_bind(fake_device(fake), binding->state,
				      binding, 0, b, 0, N * P, RV_DIR, r.attrs);
		break;
	}
}

static void r000_7_one_type_in_all_page_tables(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct rnd_state rnd;
	unsigned int i, step;

	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	prandom_seed_state(&rnd, 7);
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_binding *binding = bk_binding(test);
		unsigned long uaddr = -EINVAL;
		struct dma_backing *b;
		unsigned int vmaps = 0, off;
		struct xarray pfns;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i]);
		binding->state = s;
		xa_init(&pfns);
		for (off = 0; off < N * P; off += P)
			KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&pfns,
					PHYS_PFN(bk_phys(b, off)),
					xa_mk_value(0), GFP_KERNEL)));
		for (step = 0; step < 100; step++) {
			random_call(test, &rnd, fake, b, binding, &uaddr, &vmaps);
			if (!(step % 3))
				expect_one_type(test, b, &pfns, step);
		}
		while (vmaps--)
			dma_backing_vunmap(b);
		if (!IS_ERR_VALUE(uaddr))
			um_unmap(test, uaddr, N);
		if (binding->mapper.backing)
			dma_iova_unbind(binding);
		expect_one_type(test, b, &pfns, step);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
		xa_destroy(&pfns);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_policy_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r000_2_kernel_asks_for_another_policy),
	KUNIT_CASE(r000_2_user_asks_for_another_policy),
	KUNIT_CASE(r003_7_one_designated_mapping),
	KUNIT_CASE_SLOW(r000_7_one_type_in_all_page_tables),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_policy_suite = {
	.name = "fake_policy_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = cpu_suite_init,
	.suite_exit = cpu_suite_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_policy_cases,
};

kunit_test_suite(fake_policy_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("One cache policy for each backing, on a fake IOMMU");
MODULE_LICENSE("GPL");
