// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations of DMA addresses: what can be asked for, where they are, what is
 * left, and where one-to-one reservations get their address. What can be done
 * with one is in dma_link_test.
 *
 * The same source for a device behind an IOMMU, where a reservation has its
 * address from the start, and for one that is mapped directly, where it has that
 * of the memory.
 *
 * Windows are where nobody else has addresses: the DMA API takes them from the
 * top, and the other suites leave these alone.
 */

#include "reserve.h"

#ifdef HAVE_DMA_RESERVE

#define W	((dma_addr_t)SZ_32M)
#define W_SIZE	((size_t)SZ_1M)
#define W_LAST	(W + W_SIZE - 1)
/* A limit for the cases that ask for what is beyond. */
#define LIMIT	((dma_addr_t)SZ_128M - 1)
#define LEN	DT_LEN

static void need_direct(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (ctx->domain)
		kunit_skip(test, "the device is translated");
	rv_need(test);
}

/* -- What can be asked for -- */

static void r001_1_what_can_never_be_met(struct kunit *test)
{
	static const struct {
		const char *what;
		struct dma_iova_request req;
	} never[] = {
		{ "no size", { 0, 0, W, W_LAST } },
		{ "no size, no window", { 0 } },
		{ "an alignment of 3", { P, 3, W, W_LAST } },
		{ "an alignment of 3 pages", { P, 3 * P, W, W_LAST } },
		{ "a window upside down", { P, 0, W + P, W } },
		{ "a window a byte short", { 4 * P, 0, W, W + 4 * P - 2 } },
		{ "a window without a page", { P, 0, W + 1, W + 2 * P - 2 } },
		{ "no such alignment in the window",
		  { P, SZ_1M, W + P, W + SZ_1M - 1 } },
		{ "aligned, it is too long",
		  { 3 * P, SZ_64K, W + P, W + SZ_64K + 3 * P - 2 } },
		{ "an alignment beyond all", { P, 1UL << 31, W, LIMIT } },
		{ "a window out of reach", { P, 0, LIMIT + 1, LIMIT + P } },
		{ "a start out of reach", { P, 0, LIMIT + 1 } },
		{ "a window that ends out of reach",
		  { 2 * P, 0, LIMIT + 1 - P, LIMIT + P } },
		{ "more than the reach", { LIMIT + 1 + P } },
		{ "the largest number", { SIZE_MAX } },
		{ "the largest window", { P, 0, ~(dma_addr_t)0, ~(dma_addr_t)0 } },
	};
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	rv_need(test);
	ctx->dev->bus_dma_limit = LIMIT;
	for (i = 0; i < ARRAY_SIZE(never); i++)
		rv_refused(test, ctx->dev, &never[i].req, -EINVAL,
			   never[i].what);
	/* Address 0 is never handed out, but may be that of memory. */
	if (ctx->domain)
		rv_refused(test, ctx->dev,
			   &(struct dma_iova_request){ P, 0, 0, P - 1 }, -EINVAL,
			   "page 0");
}

/* Only what is told apart by errno from the case above. */
static void r001_1_no_room_now(struct kunit *test)
{
	const struct dma_iova_request two = { 2 * P, 0, W, W + 16 * P - 1 };
	const struct dma_iova_request one = { P, 0, W, W + 16 * P - 1 };
	struct dma_iova_state s[5], rest, big;
	struct dt_ctx *ctx = test->priv;
	unsigned int i, seen = 0;

	dt_need_iommu(test);
	for (i = 0; i < 5; i++) {
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &s[i], 3 * P, 0,
						    two.first, two.last));
		KUNIT_EXPECT_GE(test, s[i].addr, W);
		KUNIT_EXPECT_LE(test, s[i].addr, W + 13 * P);
		seen |= 7 << (s[i].addr - W) / P;
	}
	KUNIT_EXPECT_EQ_MSG(test, hweight32(seen), 15, "they overlap: %#x", seen);
	rv_refused(test, ctx->dev, &two, -ENOSPC, "two pages of one");
	KUNIT_ASSERT_EQ(test, 0, dma_iova_reserve(ctx->dev, &rest, &one));
	rv_refused(test, ctx->dev, &one, -ENOSPC, "a page of none");
	/* Beside the window, nothing has changed. */
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(ctx->dev, &big, 16 * P, 0,
					    W + 16 * P, W + 32 * P - 1));
	dma_iova_free(ctx->dev, &big);

	for (i = 0; i < 5; i++)
		dma_iova_free(ctx->dev, &s[i]);
	rv_refused(test, ctx->dev,
		   &(struct dma_iova_request){ 16 * P, 0, W, W + 16 * P - 1 },
		   -ENOSPC, "all but one page");
	dma_iova_free(ctx->dev, &rest);
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(ctx->dev, &big, 16 * P, 0, W,
					    W + 16 * P - 1));
	dma_iova_free(ctx->dev, &big);
}

/* A window of exactly the size, as hardware with a fixed address wants it. */
static void r001_1_exact_windows(struct kunit *test)
{
	static const struct {
		size_t size;
		u64 first;
		u64 last;
		u64 want;
	} t[] = {
		{ P, W, W + P - 1, W },
		{ 3 * P, W, W + 3 * P - 1, W },
		{ 3 * P, W + 5 * P, W + 8 * P - 1, W + 5 * P },
		/* Whole pages, as far as there are any. */
		{ P, W + 1, W + 2 * P - 1, W + P },
		{ P, W, W + 2 * P - 2, W },
		{ P - 100, W + P, W + 2 * P - 1, W + P },
		/* To the last byte the device reaches, and a window beyond. */
		{ 3 * P, LIMIT + 1 - 3 * P, LIMIT, LIMIT + 1 - 3 * P },
		{ P, LIMIT + 1 - P, LIMIT + SZ_1M, LIMIT + 1 - P },
		{ SZ_1M, SZ_16M, SZ_16M + SZ_1M - 1, SZ_16M },
	};
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	unsigned int i, j;

	dt_need_iommu(test);
	ctx->dev->bus_dma_limit = LIMIT;
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		const struct dma_iova_request again = {
			P, 0, t[i].want, t[i].want + P - 1
		};

		/* Twice: what was given back is to be had again. */
		for (j = 0; j < 2; j++) {
			int ret = rv_reserve(ctx->dev, &state, t[i].size, 0,
					     t[i].first, t[i].last);

			KUNIT_EXPECT_EQ_MSG(test, ret, 0, "%u", i);
			if (ret)
				break;
			KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&state),
					    t[i].want, "%u", i);
			KUNIT_EXPECT_EQ(test, dma_iova_size(&state), t[i].size);
			rv_refused(test, ctx->dev, &again, -ENOSPC, "twice");
			dma_iova_free(ctx->dev, &state);
		}
	}
}

static void r001_1_alignment(struct kunit *test)
{
	static const size_t aligns[] = { 1, 512, P, 2 * P, SZ_64K, SZ_1M, SZ_16M };
	struct dma_iova_state s[3];
	struct dt_ctx *ctx = test->priv;
	unsigned int i, j;

	dt_need_iommu(test);
	for (i = 0; i < ARRAY_SIZE(aligns); i++) {
		size_t align = max_t(size_t, aligns[i], P);

		for (j = 0; j < 3; j++) {
			KUNIT_ASSERT_EQ(test, 0,
					rv_reserve(ctx->dev, &s[j], 3 * P,
						   aligns[i], SZ_16M, 0));
			KUNIT_EXPECT_TRUE_MSG(test,
					      IS_ALIGNED(s[j].addr, align),
					      "%pad, not %#zx", &s[j].addr, align);
			KUNIT_EXPECT_GE(test, s[j].addr, SZ_16M);
			KUNIT_EXPECT_LE(test, s[j].addr + 3 * P - 1,
					dma_get_mask(ctx->dev));
		}
		for (j = 0; j < 3; j++)
			dma_iova_free(ctx->dev, &s[j]);
	}
}

static void expect_room(struct kunit *test, u64 first, u64 last, u64 free,
			u64 largest)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_room room = { 1, 1 };

	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(ctx->dev, first, last, &room));
	KUNIT_EXPECT_EQ_MSG(test, room.free, free, "[%#llx, %#llx]", first, last);
	KUNIT_EXPECT_EQ_MSG(test, room.largest, largest, "[%#llx, %#llx]", first,
			    last);
}

static void r001_1_room_is_told(struct kunit *test)
{
	struct dma_iova_state a, b;
	struct dma_iova_room room;
	struct dt_ctx *ctx = test->priv;

	if (!ctx->domain) {
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				dma_iova_query(ctx->dev, W, W_LAST, &room));
		return;
	}
	expect_room(test, W, W_LAST, W_SIZE, W_SIZE);
	expect_room(test, W + 1, W_LAST - 1, W_SIZE - 2 * P, W_SIZE - 2 * P);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &a, 3 * P, 0, W + SZ_512K,
					    W + SZ_512K + 3 * P - 1));
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &b, P, 0, W, W + P - 1));
	expect_room(test, W, W_LAST, W_SIZE - 4 * P, SZ_512K - P);
	/* The edges of the window cut through what is reserved. */
	expect_room(test, W + SZ_512K + P, W + SZ_512K + 5 * P - 1, 2 * P, 2 * P);
	expect_room(test, W + SZ_512K, W + SZ_512K + 3 * P - 1, 0, 0);
	dma_iova_free(ctx->dev, &a);
	expect_room(test, W, W_LAST, W_SIZE - P, W_SIZE - P);
	dma_iova_free(ctx->dev, &b);
	expect_room(test, W, W_LAST, W_SIZE, W_SIZE);

	ctx->dev->bus_dma_limit = LIMIT;
	expect_room(test, LIMIT + 1 - 4 * P, LIMIT + SZ_1M, 4 * P, 4 * P);
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_query(ctx->dev, LIMIT + 1,
						      LIMIT + P, &room));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_query(ctx->dev, W + 1,
						      W + 2 * P - 2, &room));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_query(ctx->dev, W + P, W, &room));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_query(ctx->dev, 0, P - 1, &room));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(ctx->dev, 0, 0, &room));
	KUNIT_EXPECT_LE(test, room.largest, room.free);
	KUNIT_EXPECT_LE(test, room.free, LIMIT + 1 - P);
	KUNIT_EXPECT_GE(test, room.free, SZ_64M);
}

/* -- Windows and the caches of the allocator -- */

/*
 * The caches file what is freed by the power of two above its size: three pages
 * come back as four, and the fourth is somebody else's.
 */
static void r001_1_windows_do_not_get_into_the_caches(struct kunit *test)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 2);
	struct dma_iova_state three, one;
	struct dt_ctx *ctx = test->priv;
	unsigned int i, overlap = 0, reused = 0;

	dt_need_iommu(test);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &one, P, 0, W + 3 * P,
					    W + 4 * P - 1));
	for (i = 0; i < 300; i++) {
		dma_addr_t addr;

		KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &three, 3 * P, 0,
						    W, W + 3 * P - 1));
		/* The cache of this CPU, if any. */
		preempt_disable();
		dma_iova_free(ctx->dev, &three);
		addr = dma_map_page(ctx->dev, page, 0, 4 * P, DMA_TO_DEVICE);
		preempt_enable();
		KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
		if (addr < W + 4 * P && addr + 4 * P > W + 3 * P)
			overlap++;
		if (addr < W + 4 * P && addr + 4 * P > W)
			reused++;
		dma_unmap_page(ctx->dev, addr, 4 * P, DMA_TO_DEVICE);
	}
	dma_iova_free(ctx->dev, &one);
	KUNIT_EXPECT_EQ(test, overlap, 0);
	KUNIT_EXPECT_EQ(test, reused, 0);
}

/* What was unmapped waits in the caches, or for its flush: it is free. */
static void r001_1_what_waits_is_room(struct kunit *test)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 2);
	struct dma_iova_state state;
	struct dt_ctx *ctx = test->priv;
	dma_addr_t addr[64];
	unsigned int i, round, order;
	struct dma_iova_room room;

	dt_need_iommu(test);
	for (round = 0; round < 6; round++) {
		order = round % 3;
		for (i = 0; i < ARRAY_SIZE(addr); i++) {
			addr[i] = dma_map_page(ctx->dev, page, 0, P << order,
					       DMA_TO_DEVICE);
			KUNIT_ASSERT_EQ(test, 0,
					dma_mapping_error(ctx->dev, addr[i]));
		}
		for (i = 0; i < ARRAY_SIZE(addr); i++)
			dma_unmap_page(ctx->dev, addr[i], P << order,
				       DMA_TO_DEVICE);
		i = round * 7;
		if (round < 3) {
			KUNIT_EXPECT_EQ(test, 0,
					rv_reserve(ctx->dev, &state, P << order,
						   0, addr[i],
						   addr[i] + (P << order) - 1));
			if (dma_use_iova(&state))
				dma_iova_free(ctx->dev, &state);
			continue;
		}
		KUNIT_EXPECT_EQ(test, 0, dma_iova_query(ctx->dev, addr[i],
							addr[i] + (P << order) - 1,
							&room));
		KUNIT_EXPECT_EQ(test, room.free, P << order);
	}
}

/* -- One-to-one -- */

static void r001_2_address_is_that_of_the_memory(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys, other;
	dma_addr_t want;
	u8 *mem;

	need_direct(test);
	phys = rv_block(test, &mem);
	other = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	/* From the middle: the address is that of the start all the same. */
	want = phys_to_dma(ctx->dev, phys);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, phys, 5, 2));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), want);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, phys, 0, 1));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), want);
	rv_unlink(ctx->dev, &state, 5, 2);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), want);
	rv_unlink(ctx->dev, &state, 0, 1);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);

	want = phys_to_dma(ctx->dev, other);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, other, 7, 1));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), want);
	rv_unlink(ctx->dev, &state, 7, 1);
	dma_iova_free(ctx->dev, &state);
}

static void r001_2_discontiguous_memory_is_refused(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys, other;
	dma_addr_t want;
	u8 *mem, *two;

	need_direct(test);
	phys = rv_block(test, &mem);
	other = rv_block(test, &two);
	want = phys_to_dma(ctx->dev, phys);
	rv_any(test, ctx->dev, &state);
	dt_fill(mem + 2 * P, LEN, 50);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, phys, 2, 1));
	/* Elsewhere; and the right block at the wrong offset. */
	KUNIT_EXPECT_EQ(test, -EINVAL, rv_bind(ctx->dev, &state, other, 3, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_iova_link(ctx->dev, &state, phys + 2 * P, 3 * P, P,
				      RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_iova_link(ctx->dev, &state, phys + 4 * P, 3 * P, P,
				      RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), want);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, phys, 3, 1));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 2 * P, 2 * P));
	rv_copy(test, &state, 2 * P, 3 * P, LEN);
	/* Two pages are linked, not five. */
	rv_unlink(ctx->dev, &state, 2, 2);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, dt_check(mem + 3 * P, LEN, 50), LEN);
	dma_iova_free(ctx->dev, &state);
}

/* The window and the alignment are promises about the address. */
static void r001_2_window_is_where_the_memory_is(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	struct { size_t align; s64 first, last; int want; } t[] = {
		{ 0, 0, RV_SIZE - 1, 0 },
		{ RV_SIZE, 0, RV_SIZE - 1, 0 },
		{ 0, -(s64)P, 2 * RV_SIZE, 0 },
		/* The reservation as a whole, not what is linked of it. */
		{ 0, -(s64)P, RV_SIZE - 2, -EINVAL },
		{ 0, P, RV_SIZE + P - 1, -EINVAL },
		{ 0, -(s64)RV_SIZE, -1, -EINVAL },
		{ 2 * RV_SIZE, -(s64)RV_SIZE, 3 * RV_SIZE, -EINVAL },
	};
	phys_addr_t phys;
	unsigned int i;
	dma_addr_t at;

	need_direct(test);
	/* One that has the alignment of its size, and no more. */
	phys = page_to_phys(dt_alloc_pages(test, GFP_KERNEL, RV_ORDER + 1));
	phys += IS_ALIGNED(phys, 2 * RV_SIZE) ? RV_SIZE : 0;
	at = phys_to_dma(ctx->dev, phys);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, &state, RV_SIZE,
						    t[i].align, at + t[i].first,
						    at + t[i].last));
		KUNIT_EXPECT_EQ_MSG(test, rv_bind(ctx->dev, &state, phys, 0, 2),
				    t[i].want, "%u", i);
		if (!t[i].want) {
			KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), at);
			rv_unlink(ctx->dev, &state, 0, 2);
		}
		KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
		dma_iova_free(ctx->dev, &state);
	}
}

static void r001_2_out_of_reach(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	dma_addr_t at;
	u8 *mem;

	need_direct(test);
	phys = rv_block(test, &mem);
	at = phys_to_dma(ctx->dev, phys);
	if (at < SZ_1M)
		kunit_skip(test, "there is no room below the memory");
	rv_any(test, ctx->dev, &state);
	/* All of it; and all but the first pages. */
	ctx->dev->bus_dma_limit = at - 1;
	KUNIT_EXPECT_EQ(test, -EIO, rv_bind(ctx->dev, &state, phys, 0, 8));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	ctx->dev->bus_dma_limit = at + 2 * P - 1;
	KUNIT_EXPECT_EQ(test, -EIO, rv_bind(ctx->dev, &state, phys, 0, 3));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	ctx->dev->bus_dma_limit = ctx->bus_limit;
	KUNIT_EXPECT_EQ(test, 0, rv_bind(ctx->dev, &state, phys, 0, 8));
	rv_unlink(ctx->dev, &state, 0, 8);
	dma_iova_free(ctx->dev, &state);
	/* It was so when the addresses were reserved. */
	ctx->dev->bus_dma_limit = at - 1;
	rv_any(test, ctx->dev, &state);
	KUNIT_EXPECT_EQ(test, -EIO, rv_bind(ctx->dev, &state, phys, 0, 1));
	ctx->dev->bus_dma_limit = ctx->bus_limit;
	dma_iova_free(ctx->dev, &state);
}

/* swiotlb=force: what is copied elsewhere is not one-to-one (spaces-bounce). */
static void r001_2_bouncing_is_not_one_to_one(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (ctx->domain || !is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "the device is translated, or need not bounce");
	rv_refused(test, ctx->dev, &(struct dma_iova_request){ P }, -EOPNOTSUPP,
		   "a page");
}

#endif /* HAVE_DMA_RESERVE */

static struct kunit_case dma_reserve_cases[] = {
#ifdef HAVE_DMA_RESERVE
	DT_CASE(r001_1_what_can_never_be_met),
	DT_CASE(r001_1_no_room_now),
	DT_CASE(r001_1_exact_windows),
	DT_CASE(r001_1_alignment),
	DT_CASE(r001_1_room_is_told),
	DT_CASE(r001_1_windows_do_not_get_into_the_caches),
	DT_CASE(r001_1_what_waits_is_room),
	DT_CASE(r001_2_address_is_that_of_the_memory),
	DT_CASE(r001_2_discontiguous_memory_is_refused),
	DT_CASE(r001_2_window_is_where_the_memory_is),
	DT_CASE(r001_2_out_of_reach),
	DT_CASE(r001_2_bouncing_is_not_one_to_one),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static struct kunit_suite dma_reserve_suite = {
	.name = "dma_reserve_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_reserve_cases,
};

kunit_test_suite(dma_reserve_suite);

MODULE_DESCRIPTION("Reservations of DMA addresses, with a real device");
MODULE_LICENSE("GPL");
