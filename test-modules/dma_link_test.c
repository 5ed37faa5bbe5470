// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is linked to a reservation, with a real device: its transfers go
 * where the links say, through parts that come and go, through bounce buffers,
 * and with the CPU in between. What is wrong is
 * in dma_link_check_test.
 *
 * The same source for a device behind an IOMMU and for one that is mapped
 * directly. What is different is asked for by ctx->domain.
 */

#include "ptwalk.h"
#include "reserve.h"

#ifdef HAVE_DMA_RESERVE

#define LEN	DT_LEN
/* What is stopped: each access is a fault, and the queue for them is short. */
#define FEW	32

/* -- What can be linked -- */

/* Bound, unbound, and bound to other memory, in parts and in any order. */
static void r001_3_again_and_again(struct kunit *test)
{
	static const u8 orders[][RV_PAGES] = {
		{ 0, 1, 2, 3, 4, 5, 6, 7 }, { 7, 6, 5, 4, 3, 2, 1, 0 },
		{ 3, 0, 5, 1, 7, 2, 6, 4 },
	};
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	unsigned int round, i;
	phys_addr_t phys[2];
	dma_addr_t addr;
	u8 *mem[2];

	rv_need(test);
	phys[0] = rv_block(test, &mem[0]);
	phys[1] = rv_block(test, &mem[1]);
	rv_any(test, ctx->dev, &state);
	addr = dma_iova_addr(&state);
	for (round = 0; round < 6; round++) {
		u8 *m = mem[round % 2];
		const u8 *in = orders[round % 3], *out = orders[(round + 1) % 3];

		rv_expect_unlinked(test, &state, addr);
		memset(m, 0, RV_SIZE);
		dt_fill(m + 3 * P - 900, LEN, round);
		for (i = 0; i < RV_PAGES; i++)
			KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state,
							 phys[round % 2], in[i],
							 1));
		KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
		rv_expect_linked(test, &state, phys[round % 2]);
		rv_copy(test, &state, 3 * P - 900, 6 * P - 1100, LEN);
		for (i = 0; i < RV_PAGES; i++)
			rv_unlink(ctx->dev, &state, out[i], 1);
		KUNIT_EXPECT_EQ(test, dt_check(m + 6 * P - 1100, LEN, round), LEN);
		KUNIT_EXPECT_EQ(test, dt_check_same(m, 3 * P - 900, 0),
				3 * P - 900);
	}
	dma_iova_free(ctx->dev, &state);
}

/* One unlink for many links, and the reservation goes with them. */
static void r001_3_bound_and_destroyed(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	unsigned int i;
	u8 *mem;

	rv_need(test);
	phys = rv_block(test, &mem);
	for (i = 0; i < 50; i++) {
		rv_any(test, ctx->dev, &state);
		if (i % 3) {
			KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys,
							 0, 1));
			KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys,
							 1, 4));
			KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys,
							 5, 3));
		}
		if (i % 3)
			KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
		dma_iova_destroy(ctx->dev, &state, i % 3 ? RV_SIZE : 0, RV_DIR, 0);
	}
}

/* Blocks from anywhere are one range for the device, if it has an IOMMU. */
static void r001_3_scattered(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page[RV_PAGES];
	struct dma_iova_state state;
	unsigned int i;
	u8 *all;

	dt_need_iommu(test);
	all = kunit_kzalloc(test, RV_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, all);
	dt_fill(all, RV_SIZE, 7);
	/* The second page of each pair, so that no two are neighbours. */
	for (i = 0; i < RV_PAGES; i++) {
		page[i] = dt_alloc_pages(test, GFP_HIGHUSER, 1) + 1;
		memcpy_to_page(page[i], 0, all + i * P, P);
	}
	rv_any(test, ctx->dev, &state);
	for (i = 0; i < RV_PAGES; i++)
		KUNIT_ASSERT_EQ(test, 0,
				dma_iova_link(ctx->dev, &state,
					      page_to_phys(page[i]), i * P, P,
					      RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
	/* Across two boundaries. */
	rv_copy(test, &state, P - 1000, 7 * P - 2000, 3900);
	rv_unlink(ctx->dev, &state, 0, RV_PAGES);
	dma_iova_free(ctx->dev, &state);
	for (i = 0; i < RV_PAGES; i++)
		memcpy_from_page(all + i * P, page[i], 0, P);
	KUNIT_EXPECT_MEMEQ(test, all + 7 * P - 2000, all + P - 1000, 3900);
	KUNIT_EXPECT_EQ(test, dt_check(all, 7 * P - 2000, 7), 7 * P - 2000);
}

/* A part of it gets other memory while the rest is in use. */
static void r001_3_one_part_is_bound_anew(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys, other;
	u8 *mem, *two;
	int want;

	rv_need(test);
	phys = rv_block(test, &mem);
	other = rv_block(test, &two);
	rv_any(test, ctx->dev, &state);
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 3));
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 3, 1));
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 4, 4));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
	rv_unlink(ctx->dev, &state, 3, 1);
	dt_fill(two + 3 * P, P, 20);
	dt_fill(mem + 3 * P, P, 21);
	/* Mapped directly, there is one place where it can be. */
	want = ctx->domain ? 0 : -EINVAL;
	KUNIT_EXPECT_EQ(test, rv_link(ctx->dev, &state, other, 3, 1), want);
	if (want)
		KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 3, 1));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 3 * P, P));
	rv_copy(test, &state, 3 * P, 0, LEN);
	rv_copy(test, &state, 0, 5 * P, LEN);
	rv_unlink(ctx->dev, &state, 0, RV_PAGES);
	KUNIT_EXPECT_EQ(test, dt_check(mem, LEN, want ? 21 : 20), LEN);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 5 * P, LEN, want ? 21 : 20), LEN);
	dma_iova_free(ctx->dev, &state);
}

/* The last page is used in part, and so is the reservation. */
static void r001_3_odd_sizes(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	rv_need(test);
	phys = rv_block(test, &mem);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &state, 2 * P + 900, 0, 0,
					    0));
	dt_fill(mem + 2 * P, 900, 30);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys + 2 * P,
					       2 * P, 900, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys, 0, 2 * P,
					       RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0,
					       2 * P + 900));
	rv_copy(test, &state, 2 * P, 100, 900);
	dma_iova_destroy(ctx->dev, &state, 2 * P + 900, RV_DIR, 0);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 100, 900, 30), 900);
}

/* Where a translated device was let in, and is not any more. */
static void r001_3_unlinked_is_out_of_reach(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	dt_need_iommu(test);
	phys = rv_block(test, &mem);
	dt_fill(mem, LEN, 40);
	rv_any(test, ctx->dev, &state);
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 2));
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 2, 2));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, 4 * P));
	rv_copy(test, &state, 0, 2 * P, LEN);
	rv_unlink(ctx->dev, &state, 0, 2);
	memset(mem, 0, 2 * P);
	/* At once, also where the flush of other mappings waits. */
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, state.addr + P, 0,
						     FEW));
	KUNIT_EXPECT_EQ(test, dt_check_same(mem, 2 * P, 0), 2 * P);
	/* The rest is where it was. */
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu,
						     state.addr + 3 * P, 0, LEN));
	rv_unlink(ctx->dev, &state, 2, 2);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 2 * P, LEN, 40), LEN);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 3 * P, LEN, 40), LEN);
	dma_iova_free(ctx->dev, &state);
}

/* -- The rest of the DMA API -- */

/* Its callers read the address at once. */
static void r002_4_try_alloc_is_as_it_was(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	phys = rv_block(test, &mem);
	if (!ctx->domain) {
		KUNIT_EXPECT_FALSE(test, dma_iova_try_alloc(ctx->dev, &state,
							    phys, P));
		KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
		return;
	}
	dt_fill(mem + 700, LEN, 70);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(ctx->dev, &state, phys + 700,
						   3 * P - 700));
	/* Its start agrees with that of the memory. */
	KUNIT_EXPECT_EQ(test, offset_in_page(state.addr), 700);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), state.addr);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys + 700, 0,
					       P - 700, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys + P,
					       P - 700, 2 * P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0,
					       3 * P - 700));
	rv_copy(test, &state, 0, 5000, LEN);
	dma_iova_sync_for_cpu(ctx->dev, &state, 5000, LEN, RV_DIR);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 5700, LEN, 70), LEN);
	dma_iova_destroy(ctx->dev, &state, 3 * P - 700, RV_DIR, 0);
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, state.addr), 0);
}

/* A long-lived reservation is handed to and fro without being unlinked. */
static void r002_4_handed_to_and_fro(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	unsigned int i;
	u8 *mem;

	rv_need(test);
	phys = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 4, 4));
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 4));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
	for (i = 0; i < 4; i++) {
		dma_iova_sync_for_cpu(ctx->dev, &state, 0, RV_SIZE, RV_DIR);
		memset(mem, 0, RV_SIZE);
		dt_fill(mem + i * P + 100, LEN, 80 + i);
		dma_iova_sync_for_device(ctx->dev, &state, i * P + 100, LEN,
					 RV_DIR);
		rv_copy(test, &state, i * P + 100, 4 * P - 700 + i, LEN);
		dma_iova_sync_for_cpu(ctx->dev, &state, 4 * P - 700 + i, LEN,
				      RV_DIR);
		KUNIT_EXPECT_EQ(test, dt_check(mem + 4 * P - 700 + i, LEN, 80 + i),
				LEN);
	}
	rv_unlink(ctx->dev, &state, 0, RV_PAGES);
	dma_iova_free(ctx->dev, &state);
}

static void count_mapping(struct pt_walk *w, unsigned long va,
			  unsigned long pfn, bool cached)
{
	(*(unsigned int *)w->priv)++;
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

/* The device's side alone: the CPU's page tables stay as they are. */
static void r002_1_no_cpu_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	unsigned int before, i;
	struct xarray pfns;
	struct page *page;
	void *mapped;

	rv_need(test);
	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	page = dt_alloc_pages(test, GFP_HIGHUSER, 2);
	xa_init(&pfns);
	for (i = 0; i < 4; i++)
		KUNIT_ASSERT_FALSE(test, xa_is_err(xa_store(&pfns,
							    page_to_pfn(page) + i,
							    xa_mk_value(0),
							    GFP_KERNEL)));
	before = mappings(test, &pfns);
	/* It would see one, in each of the page tables. */
	mapped = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, mapped);
	KUNIT_EXPECT_GT(test, mappings(test, &pfns), before);
	vunmap(mapped);
	vm_unmap_aliases();
	KUNIT_EXPECT_EQ(test, mappings(test, &pfns), before);

	rv_any(test, ctx->dev, &state);
	KUNIT_EXPECT_EQ(test, 0, rv_link(ctx->dev, &state, page_to_phys(page), 0,
					 4));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, 4 * P));
	KUNIT_EXPECT_EQ(test, mappings(test, &pfns), before);
	rv_unlink(ctx->dev, &state, 0, 4);
	KUNIT_EXPECT_EQ(test, mappings(test, &pfns), before);
	dma_iova_free(ctx->dev, &state);
	xa_destroy(&pfns);
}

/* -- Bounce buffers -- */

#define SECRET	0x5c
#define TAIL	900

static void need_bounce(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	dt_need_iommu(test);
#ifdef CONFIG_SWIOTLB
	if (ctx->dev->dma_io_tlb_mem && ctx->dev->dma_io_tlb_mem->nslabs)
		return;
#endif
	kunit_skip(test, "there is nothing to bounce through");
}

/*
 * An untrusted device sees no byte beside the buffer: the last part of a page is
 * bounced. It is copied by the sync calls, and at the end.
 */
static void r002_4_bounced_to_and_fro(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	const size_t size = 2 * P + TAIL;
	phys_addr_t phys;
	unsigned int i;
	u8 *mem;

	need_bounce(test);
	phys = rv_block(test, &mem);
	to_pci_dev(ctx->dev)->untrusted = 1;
	rv_any(test, ctx->dev, &state);
	memset(mem, SECRET, RV_SIZE);
	dt_fill(mem + 2 * P, TAIL, 100);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys, 0, size,
					       RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, size));
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, state.addr + P), phys + P);
	KUNIT_EXPECT_NE(test, dt_phys(ctx, state.addr + 2 * P), phys + 2 * P);
	/* What was there when it was linked. */
	rv_copy(test, &state, 2 * P, 100, TAIL);
	dma_iova_sync_for_cpu(ctx->dev, &state, 0, size, RV_DIR);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 100, TAIL, 100), TAIL);
	for (i = 0; i < 3; i++) {
		/* The device reads what the CPU writes, in a part of the tail. */
		dt_fill(mem + 2 * P + 100, 700, 101 + i);
		dma_iova_sync_for_device(ctx->dev, &state, 2 * P + 100, 700,
					 RV_DIR);
		rv_copy(test, &state, 2 * P + 100, 0, 700);
		dma_iova_sync_for_cpu(ctx->dev, &state, 0, P, RV_DIR);
		KUNIT_EXPECT_EQ(test, dt_check(mem, 700, 101 + i), 700);
		/* And the reverse, across the page boundary. */
		dt_fill(mem, 1000, 110 + i);
		dma_iova_sync_for_device(ctx->dev, &state, 0, P, RV_DIR);
		rv_copy(test, &state, 0, 2 * P - 500, 1000);
		dma_iova_sync_for_cpu(ctx->dev, &state, P, P + TAIL, RV_DIR);
		KUNIT_EXPECT_EQ(test, dt_check(mem + 2 * P - 500, 1000, 110 + i),
				1000);
	}
	/* Nothing of the secret, and nothing written over it. */
	dma_iova_sync_for_device(ctx->dev, &state, 0, size, RV_DIR);
	rv_copy(test, &state, 2 * P + TAIL, P, 1000);
	rv_copy(test, &state, 0, 2 * P + TAIL, 1000);
	dma_iova_unlink(ctx->dev, &state, 0, size, RV_DIR, 0);
	to_pci_dev(ctx->dev)->untrusted = 0;
	KUNIT_EXPECT_EQ(test, dt_check_same(mem + P, 1000, 0), 1000);
	KUNIT_EXPECT_EQ(test, dt_check_same(mem + size, RV_SIZE - size, SECRET),
			RV_SIZE - size);
	rv_expect_unlinked(test, &state, state.addr);
	dma_iova_free(ctx->dev, &state);
}

/*
 * What is to be coherent is refused if it would bounce itself, and not for what
 * else is linked in the reservation, or was.
 */
static void link_coherent_beside_bounced(struct kunit *test,
					 struct dma_iova_state *state,
					 phys_addr_t phys)
{
	struct dt_ctx *ctx = test->priv;

	if (!dev_is_dma_coherent(ctx->dev))
		return;
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, state, phys + P, P, P,
					       RV_DIR, DMA_ATTR_REQUIRE_COHERENT));
	KUNIT_EXPECT_EQ(test, -EPERM,
			dma_iova_link(ctx->dev, state, phys + 2 * P, 2 * P, TAIL,
				      RV_DIR, DMA_ATTR_REQUIRE_COHERENT));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, state, P, P));
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, state->addr + P), phys + P);
	dma_iova_unlink(ctx->dev, state, P, P, RV_DIR, DMA_ATTR_REQUIRE_COHERENT);
}

/* With dma_iova_try_alloc(), it is one transfer: all of it is coherent, or none. */
static void r002_4_bounced_once_for_all(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	int ret = 0;
	u8 *mem;

	need_bounce(test);
	if (!dev_is_dma_coherent(ctx->dev))
		kunit_skip(test, "the device is not coherent");
	phys = rv_block(test, &mem);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(ctx->dev, &state, phys,
						   RV_SIZE));
	to_pci_dev(ctx->dev)->untrusted = 1;
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys, 0, TAIL,
					       DMA_TO_DEVICE, 0));
	RV_WARNS(test, ret = dma_iova_link(ctx->dev, &state, phys + P, P, P, RV_DIR,
					   DMA_ATTR_REQUIRE_COHERENT));
	KUNIT_EXPECT_EQ(test, ret, -EOPNOTSUPP);
	dma_iova_destroy(ctx->dev, &state, TAIL, DMA_TO_DEVICE, 0);
	to_pci_dev(ctx->dev)->untrusted = 0;
}

/* What bounced once does so no more when other memory is linked. */
static void r002_4_bounced_and_bound_anew(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	need_bounce(test);
	phys = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	to_pci_dev(ctx->dev)->untrusted = 1;
	/* It must not, by its attributes. */
	KUNIT_EXPECT_EQ(test, -EPERM,
			dma_iova_link(ctx->dev, &state, phys, 0, TAIL, RV_DIR,
				      DMA_ATTR_MMIO));
	rv_expect_unlinked(test, &state, state.addr);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(ctx->dev, &state, phys, 0, TAIL,
					       DMA_TO_DEVICE, 0));
	link_coherent_beside_bounced(test, &state, phys);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, TAIL));
	dma_iova_unlink(ctx->dev, &state, 0, TAIL, DMA_TO_DEVICE, 0);
	/* The bounce buffer is gone, which some day it was linked with. */
	link_coherent_beside_bounced(test, &state, phys);
	to_pci_dev(ctx->dev)->untrusted = 0;
	rv_expect_unlinked(test, &state, state.addr);

	dt_fill(mem, LEN, 120);
	KUNIT_EXPECT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
	rv_expect_linked(test, &state, phys);
	rv_copy(test, &state, 0, 3 * P, LEN);
	dma_iova_sync_for_cpu(ctx->dev, &state, 3 * P, LEN, RV_DIR);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 3 * P, LEN, 120), LEN);
	rv_unlink(ctx->dev, &state, 0, 8);
	dma_iova_free(ctx->dev, &state);
}

#endif /* HAVE_DMA_RESERVE */

static struct kunit_case dma_link_cases[] = {
#ifdef HAVE_DMA_RESERVE
	DT_CASE_SLOW(r001_3_again_and_again),
	DT_CASE(r001_3_bound_and_destroyed),
	DT_CASE(r001_3_scattered),
	DT_CASE(r001_3_one_part_is_bound_anew),
	DT_CASE(r001_3_odd_sizes),
	DT_CASE(r001_3_unlinked_is_out_of_reach),
	DT_CASE(r002_4_try_alloc_is_as_it_was),
	DT_CASE_SLOW(r002_4_handed_to_and_fro),
	DT_CASE(r002_1_no_cpu_mapping),
	DT_CASE_SLOW(r002_4_bounced_to_and_fro),
	DT_CASE(r002_4_bounced_and_bound_anew),
	DT_CASE(r002_4_bounced_once_for_all),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static struct kunit_suite dma_link_suite = {
	.name = "dma_link_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_link_cases,
};

kunit_test_suite(dma_link_suite);

MODULE_DESCRIPTION("Memory linked to reservations, with a real device");
MODULE_LICENSE("GPL");
