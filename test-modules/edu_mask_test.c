// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses that the device cannot reach are never handed out, not even when
 * the reachable ones run out: then the call fails, and works again after
 * something was given back.
 *
 * Each case makes the space small with a mask or limit, takes all of it, and
 * looks at every address it got. What was taken is given back in the end.
 */

#include <linux/pci.h>

#include "space.h"

/* Too small a space to hide in, too big for one piece. */
#define SMALL_BITS	24

static const struct way *const all_ways[] = {
	&way_single, &way_page, &way_sg, &way_coherent, &way_pages,
	&way_noncontiguous, &way_iova,
};

static void set_masks(struct kunit *test, u64 mask)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_ASSERT_EQ(test, 0, dma_set_mask_and_coherent(ctx->dev, mask));
}

static void fill_and_check(struct kunit *test, const struct way *way, u64 last)
{
	struct dt_ctx *ctx = test->priv;
	struct space *s = space_init(test, last);
	struct piece again = { .size = SPACE_PIECE };

	space_fill(test, s, way, last);
	space_check(test, s, way, last);
	space_empty(test, s, way);

	KUNIT_EXPECT_TRUE_MSG(test, way->take(ctx, s, &again),
			      "%s: no room after giving all back", way->name);
	if (test->status == KUNIT_FAILURE)
		return;
	KUNIT_EXPECT_LE(test, (u64)again.addr + again.size - 1, last);
	way->give(ctx, &again);
}

/* The device's own mask, all 28 bits of it. */
static void d9_full_mask_is_a_limit(struct kunit *test)
{
	dt_need_iommu(test);
	set_masks(test, DMA_BIT_MASK(28));
	fill_and_check(test, &way_page, DMA_BIT_MASK(28));
}

static void d9_mask_holds_for_every_call(struct kunit *test)
{
	unsigned int i;

	dt_need_iommu(test);
	set_masks(test, DMA_BIT_MASK(SMALL_BITS));
	for (i = 0; i < ARRAY_SIZE(all_ways); i++)
		fill_and_check(test, all_ways[i], DMA_BIT_MASK(SMALL_BITS));
}

/* The two masks are two limits; the smaller one must not rule the other. */
static void d9_coherent_mask_is_its_own(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct space *s = space_init(test, DMA_BIT_MASK(28));
	struct piece p = { .size = SPACE_PIECE };
	u64 small = DMA_BIT_MASK(SMALL_BITS);
	bool taken;

	dt_need_iommu(test);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(ctx->dev, DMA_BIT_MASK(28)));
	KUNIT_ASSERT_EQ(test, 0, dma_set_coherent_mask(ctx->dev, small));
	space_fill(test, s, &way_coherent, small);
	taken = take_page(ctx, s, &p);
	KUNIT_EXPECT_TRUE(test, taken);
	if (taken) {
		KUNIT_EXPECT_GT(test, (u64)p.addr, small);
		give_page(ctx, &p);
	}
	space_check(test, s, &way_coherent, small);
	space_empty(test, s, &way_coherent);
}

static void d9_bus_limit_is_a_limit(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	dt_need_iommu(test);
	set_masks(test, DMA_BIT_MASK(28));
	ctx->dev->bus_dma_limit = DMA_BIT_MASK(SMALL_BITS);
	fill_and_check(test, &way_page, DMA_BIT_MASK(SMALL_BITS));
	fill_and_check(test, &way_coherent, DMA_BIT_MASK(SMALL_BITS));
	/* A limit need not be a mask. */
	ctx->dev->bus_dma_limit = 3 * SZ_4M + SZ_64K - 1;
	fill_and_check(test, &way_single, 3 * SZ_4M + SZ_64K - 1);
}

/* While there is no room, each call says so in its own way. */
static void full_space_is_an_error(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct space *s = space_init(test, DMA_BIT_MASK(SMALL_BITS));
	struct piece p = { .size = PAGE_SIZE };
	unsigned int i;

	dt_need_iommu(test);
	set_masks(test, DMA_BIT_MASK(SMALL_BITS));
	space_fill(test, s, &way_page, DMA_BIT_MASK(SMALL_BITS));
	space_check(test, s, &way_page, DMA_BIT_MASK(SMALL_BITS));
	for (i = 0; i < ARRAY_SIZE(all_ways); i++) {
		bool taken = all_ways[i]->take(ctx, s, &p);

		KUNIT_EXPECT_FALSE_MSG(test, taken, "%s: got %pad",
				       all_ways[i]->name, &p.addr);
		if (taken)
			all_ways[i]->give(ctx, &p);
	}
	space_empty(test, s, &way_page);
}

/*
 * No room below a small limit says nothing about a larger one, even in one
 * address space: other devices may share it.
 */
static void d42_small_limit_failure_is_local(struct kunit *test)
{
	static const size_t sizes[] = { PAGE_SIZE, SZ_64K, SPACE_PIECE };
	const u64 small = DMA_BIT_MASK(SMALL_BITS);
	struct dt_ctx *ctx = test->priv;
	struct space *s = space_init(test, small);
	unsigned int i;

	dt_need_iommu(test);
	set_masks(test, small);
	space_fill(test, s, &way_page, small);
	KUNIT_EXPECT_TRUE(test, s->refused);
	set_masks(test, DMA_BIT_MASK(28));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct piece p = { .size = sizes[i] };
		bool taken = take_page(ctx, s, &p);

		KUNIT_EXPECT_TRUE_MSG(test, taken, "%zu bytes", sizes[i]);
		if (!taken)
			continue;
		KUNIT_EXPECT_GT(test, (u64)p.addr, small);
		KUNIT_EXPECT_LE(test, (u64)p.addr + p.size - 1,
				DMA_BIT_MASK(28));
		give_page(ctx, &p);
	}
	set_masks(test, small);
	space_check(test, s, &way_page, small);
	space_empty(test, s, &way_page);
}

#ifdef CONFIG_IOMMU_API
/* Have the allocator start at the top of the mask, as iommu.forcedac=1 does. */
static bool set_forcedac(struct dt_ctx *ctx, bool on)
{
	bool old = !ctx->dev->iommu->pci_32bit_workaround;

	ctx->dev->iommu->pci_32bit_workaround = !on;
	return old;
}
#else
static bool set_forcedac(struct dt_ctx *ctx, bool on)
{
	return on;
}
#endif

/* Mapped where it says, and where the page tables can say it. */
static void expect_right_address(struct kunit *test, unsigned int bits,
				 dma_addr_t addr, phys_addr_t phys)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, addr), phys,
			    "mask of %u bits, address %pad", bits, &addr);
	KUNIT_EXPECT_LE_MSG(test, (u64)addr, (u64)ULONG_MAX,
			    "mask of %u bits", bits);
	KUNIT_EXPECT_LE_MSG(test, (u64)addr, DMA_BIT_MASK(bits),
			    "mask of %u bits", bits);
}

/* Small addresses are cached when they are freed: a large one is a new one. */
#define WIDE_SIZE	SZ_256K

static void wide_mask(struct kunit *test, unsigned int bits)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL,
					   get_order(WIDE_SIZE));
	const size_t size = WIDE_SIZE - 200;
	struct scatterlist sg;
	dma_addr_t addr;
	void *cpu;

	set_masks(test, DMA_BIT_MASK(bits));
	dma_set_max_seg_size(ctx->dev, WIDE_SIZE);

	addr = dma_map_page(ctx->dev, page, 100, size, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ_MSG(test, 0, dma_mapping_error(ctx->dev, addr),
			    "mask of %u bits: map_page", bits);
	if (addr != DMA_MAPPING_ERROR) {
		expect_right_address(test, bits, addr, page_to_phys(page) + 100);
		expect_right_address(test, bits, addr + size - 1,
				     page_to_phys(page) + size + 99);
		dma_unmap_page(ctx->dev, addr, size, DMA_TO_DEVICE);
	}

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, WIDE_SIZE, 0);
	KUNIT_EXPECT_EQ_MSG(test, 1, dma_map_sg(ctx->dev, &sg, 1,
						DMA_TO_DEVICE),
			    "mask of %u bits: map_sg", bits);
	if (sg_dma_len(&sg)) {
		expect_right_address(test, bits, sg_dma_address(&sg),
				     page_to_phys(page));
		dma_unmap_sg(ctx->dev, &sg, 1, DMA_TO_DEVICE);
	}

	cpu = dma_alloc_coherent(ctx->dev, WIDE_SIZE, &addr, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL_MSG(test, cpu, "mask of %u bits: alloc_coherent",
				  bits);
	if (cpu) {
		expect_right_address(test, bits, addr,
				     page_to_phys(dt_page(cpu)));
		dma_free_coherent(ctx->dev, WIDE_SIZE, cpu, addr);
	}
}

static void d43_wide_masks(struct kunit *test)
{
	static const unsigned int bits[] = { 32, 33, 40, 43, 44, 48, 52, 64 };
	struct dt_ctx *ctx = test->priv;
	unsigned int i, pass;
	bool old;

	dt_need_iommu(test);
	old = set_forcedac(ctx, false);
	for (pass = 0; pass < 2; pass++) {
		set_forcedac(ctx, pass);
		for (i = 0; i < ARRAY_SIZE(bits); i++)
			wide_mask(test, bits[i]);
	}
	set_forcedac(ctx, old);
}

/* All of what a 32-bit kernel can address, and not one byte round the corner. */
static void d43_full_4g_is_an_error(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	bool old;

	if (IS_ENABLED(CONFIG_64BIT))
		kunit_skip(test, "a 64-bit kernel has more than 4 GiB to give");
	dt_need_iommu(test);
	old = set_forcedac(ctx, false);
	set_masks(test, DMA_BIT_MASK(40));
	fill_and_check(test, &way_page, U32_MAX);
	set_forcedac(ctx, old);
}

/* A memory window of the device's host bridge that begins within @last. */
static struct resource_entry *bridge_window(struct pci_dev *pdev, u64 last)
{
	struct pci_host_bridge *bridge = pci_find_host_bridge(pdev->bus);
	struct resource_entry *window;

	resource_list_for_each_entry(window, &bridge->windows)
		if (resource_type(window->res) == IORESOURCE_MEM &&
		    window->res->start - window->offset <= last)
			return window;
	return NULL;
}

/*
 * What the bus decodes itself never arrives at the IOMMU: not even with all of
 * the space taken is an address in a window of the host bridge handed out.
 */
static void d12_bus_windows_are_reserved(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct pci_dev *pdev = to_pci_dev(ctx->dev);
	const u64 last = DMA_BIT_MASK(29);
	struct space *s = space_init(test, last);
	struct resource_entry *window;
	unsigned int i, inside = 0;
	u64 begin, end;

	dt_need_iommu(test);
	window = bridge_window(pdev, last);
	if (!window)
		kunit_skip(test, "no window of the host bridge below 512 MiB");
	begin = window->res->start - window->offset;
	end = window->res->end - window->offset;

	set_masks(test, last);
	space_fill(test, s, &way_page, last);
	for (i = 0; i < s->count; i++)
		if (s->piece[i].addr <= end &&
		    s->piece[i].addr + s->piece[i].size > begin)
			inside++;
	KUNIT_EXPECT_EQ_MSG(test, inside, 0, "of %u pieces", s->count);
	/* There is room, and all of it was taken. */
	KUNIT_EXPECT_TRUE(test, s->refused);
	KUNIT_EXPECT_GT(test, s->count, 0);
	space_empty(test, s, &way_page);
}

static struct kunit_case edu_mask_cases[] = {
	DT_CASE(d9_full_mask_is_a_limit),
	DT_CASE(d9_mask_holds_for_every_call),
	DT_CASE(d9_coherent_mask_is_its_own),
	DT_CASE(d9_bus_limit_is_a_limit),
	DT_CASE(d12_bus_windows_are_reserved),
	DT_CASE(full_space_is_an_error),
	DT_CASE(d42_small_limit_failure_is_local),
	DT_CASE(d43_wide_masks),
	DT_CASE_SLOW(d43_full_4g_is_an_error),
	{}
};

static struct kunit_suite edu_mask_suite = {
	.name = "edu_mask_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = edu_mask_cases,
};

kunit_test_suite(edu_mask_suite);

MODULE_DESCRIPTION("DMA masks and limits are kept");
MODULE_LICENSE("GPL");
