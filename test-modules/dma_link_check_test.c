// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong in a call for a reservation, as far as the kernel always looks:
 * sizes, overflow, the range, the IOMMU's page. It says so with a warning, and
 * with an error where the call has one; and nothing has changed. Each case ends
 * with a transfer through the links that were there before, and an unlink of
 * exactly these.
 */

#include "debug_knobs.h"
#include "reserve.h"

#ifdef HAVE_DMA_RESERVE

#define LEN	DT_LEN

/* Not a part of a reservation of RV_PAGES. */
static const struct part {
	const char *what;
	size_t offset;
	size_t size;
} outside[] = {
	{ "nothing at the start", 0, 0 },
	{ "nothing in the middle", P, 0 },
	{ "nothing at the end", RV_SIZE, 0 },
	{ "a byte too much", 0, RV_SIZE + 1 },
	{ "a page too much", RV_SIZE - P, 2 * P },
	{ "behind the end", RV_SIZE, P },
	{ "far behind the end", (size_t)SZ_1G, P },
	{ "a sum of 0", P, SIZE_MAX - P + 1 },
	{ "a sum that wraps", SIZE_MAX - P + 1, 2 * P },
	{ "all there is", 0, SIZE_MAX },
};

/**
 * struct victim - a reservation with links that nothing may happen to
 * @state: as it must stay
 * @was: as it was
 * @addr: its address
 * @mem: the memory behind it
 * @phys: likewise
 */
struct victim {
	struct dma_iova_state state;
	struct dma_iova_state was;
	dma_addr_t addr;
	u8 *mem;
	phys_addr_t phys;
};

/* All of it linked, but for the last page, which a bad call could take. */
static void victim_init(struct kunit *test, struct victim *v)
{
	struct dt_ctx *ctx = test->priv;

	rv_need(test);
	memset(v, 0, sizeof(*v));
	v->phys = rv_block(test, &v->mem);
	rv_any(test, ctx->dev, &v->state);
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &v->state, v->phys, 0, 3));
	KUNIT_ASSERT_EQ(test, 0, rv_link(ctx->dev, &v->state, v->phys, 3, 4));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_sync(ctx->dev, &v->state, 0, 7 * P));
	v->was = v->state;
	v->addr = dma_iova_addr(&v->state);
}

static void victim_expect_unharmed(struct kunit *test, struct victim *v,
				   const char *what)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	KUNIT_EXPECT_EQ_MSG(test, v->state.__size, v->was.__size, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, dma_iova_addr(&v->state), v->addr, "%s", what);
	for (i = 0; ctx->domain && i < RV_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test, dt_phys(ctx, v->addr + i * P),
				    i < 7 ? v->phys + i * P : 0, "%s: page %u",
				    what, i);
}

/* It still works, and what is linked is what was: it can be unlinked. */
static void victim_exit(struct kunit *test, struct victim *v)
{
	struct dt_ctx *ctx = test->priv;
	char __user *user = user_memory(test);

	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		new_errors(test, user);
	dma_iova_sync_for_cpu(ctx->dev, &v->state, 0, 7 * P, RV_DIR);
	memset(v->mem, 0, RV_SIZE);
	dt_fill(v->mem + 2 * P + 3000, LEN, 90);
	dma_iova_sync_for_device(ctx->dev, &v->state, 0, 7 * P, RV_DIR);
	rv_copy(test, &v->state, 2 * P + 3000, 5 * P + 100, LEN);
	rv_unlink(ctx->dev, &v->state, 0, 7);
	KUNIT_EXPECT_EQ(test, dt_check(v->mem + 5 * P + 100, LEN, 90), LEN);
	rv_expect_unlinked(test, &v->state, v->addr);
	dma_iova_free(ctx->dev, &v->state);
	/* DMA debugging did not take for done what was refused. */
	if (IS_ENABLED(CONFIG_DMA_API_DEBUG))
		KUNIT_EXPECT_EQ(test, new_errors(test, user), 0);
}

static void r002_4_link_of_a_bad_range(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		int ret = 0;

		RV_WARNS(test,
			 ret = dma_iova_link(ctx->dev, &v.state, v.phys,
					     outside[i].offset, outside[i].size,
					     RV_DIR, 0));
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "%s", outside[i].what);
		victim_expect_unharmed(test, &v, outside[i].what);
	}
	victim_exit(test, &v);
}

static void r002_4_sync_of_a_bad_range(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		int ret = 0;

		RV_WARNS(test,
			 ret = dma_iova_sync(ctx->dev, &v.state,
					     outside[i].offset,
					     outside[i].size));
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "%s", outside[i].what);
		RV_WARNS(test,
			 dma_iova_sync_for_cpu(ctx->dev, &v.state,
					       outside[i].offset,
					       outside[i].size, RV_DIR));
		RV_WARNS(test,
			 dma_iova_sync_for_device(ctx->dev, &v.state,
						  outside[i].offset,
						  outside[i].size, RV_DIR));
		victim_expect_unharmed(test, &v, outside[i].what);
	}
	victim_exit(test, &v);
}

static void r002_4_unlink_of_a_bad_range(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(outside); i++) {
		RV_WARNS(test,
			 dma_iova_unlink(ctx->dev, &v.state, outside[i].offset,
					 outside[i].size, RV_DIR, 0));
		victim_expect_unharmed(test, &v, outside[i].what);
	}
	victim_exit(test, &v);
}

/* What could not be unlinked is not given away: the device still gets there. */
static void r002_4_destroy_of_a_bad_range(struct kunit *test)
{
	static const size_t lens[] = { RV_SIZE + 1, RV_SIZE + P, SIZE_MAX };
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state other;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		RV_WARNS(test, dma_iova_destroy(ctx->dev, &v.state, lens[i],
						RV_DIR, 0));
		victim_expect_unharmed(test, &v, "destroyed");
		rv_any(test, ctx->dev, &other);
		KUNIT_EXPECT_NE(test, dma_iova_addr(&other), v.addr);
		dma_iova_free(ctx->dev, &other);
	}
	victim_exit(test, &v);
}

/* Links begin where a page of the IOMMU does, and so does the memory. */
static void r002_4_link_in_the_middle_of_a_page(struct kunit *test)
{
	static const struct {
		const char *what;
		size_t phys;
		size_t offset;
		size_t size;
	} t[] = {
		{ "the memory, not the offset", 7 * P + 512, 7 * P, 512 },
		{ "the offset, not the memory", 7 * P, 7 * P + 512, 512 },
		{ "both, at the same place", 7 * P + 512, 7 * P + 512, 512 },
		{ "both, by a byte", 7 * P + 1, 7 * P + 1, P - 1 },
		{ "the memory, at the start", 512, 0, P },
	};
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		int ret = 0;

		RV_WARNS(test,
			 ret = dma_iova_link(ctx->dev, &v.state,
					     v.phys + t[i].phys, t[i].offset,
					     t[i].size, RV_DIR, 0));
		KUNIT_EXPECT_EQ_MSG(test, ret, -EINVAL, "%s", t[i].what);
		victim_expect_unharmed(test, &v, t[i].what);
	}
	victim_exit(test, &v);
}

static void r002_4_unlink_in_the_middle_of_a_page(struct kunit *test)
{
	static const struct part t[] = {
		{ "half a page", 512, 512 },
		{ "to the end of the page", 512, P - 512 },
		{ "all but a byte", 1, 7 * P - 1 },
	};
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	unsigned int i;

	victim_init(test, &v);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		RV_WARNS(test,
			 dma_iova_unlink(ctx->dev, &v.state, t[i].offset,
					 t[i].size, RV_DIR, 0));
		victim_expect_unharmed(test, &v, t[i].what);
	}
	victim_exit(test, &v);
}

static void r002_4_no_direction(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct victim v;

	victim_init(test, &v);
	RV_WARNS(test, dma_iova_sync_for_cpu(ctx->dev, &v.state, 0, P, DMA_NONE));
	RV_WARNS(test, dma_iova_sync_for_device(ctx->dev, &v.state, 0, P,
						DMA_NONE));
	victim_expect_unharmed(test, &v, "no direction");
	victim_exit(test, &v);
}

/* A state that nobody reserved has no part. */
static void r002_4_no_reservation(struct kunit *test)
{
	struct dma_iova_state none = {};
	struct dt_ctx *ctx = test->priv;
	struct page *page;
	int ret = 0;

	rv_need(test);
	page = dt_alloc_pages(test, GFP_KERNEL, 0);
	RV_WARNS(test, ret = dma_iova_link(ctx->dev, &none, page_to_phys(page), 0,
					   P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, ret = dma_iova_sync(ctx->dev, &none, 0, P));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, dma_iova_unlink(ctx->dev, &none, 0, P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&none), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_FALSE(test, dma_use_iova(&none));
}

/* A one-to-one reservation counts its links, and that is all it knows. */
static void r001_2_more_links_than_there_is_room(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct victim v;
	int ret = 0;

	victim_init(test, &v);
	if (ctx->domain) {
		victim_exit(test, &v);
		kunit_skip(test, "the device is translated");
	}
	RV_WARNS(test, ret = rv_link(ctx->dev, &v.state, v.phys, 0, 2));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	victim_expect_unharmed(test, &v, "linked twice");
	victim_exit(test, &v);

	/* DMA debugging reports that one as well, and takes the links for gone. */
	victim_init(test, &v);
	RV_WARNS(test, rv_unlink(ctx->dev, &v.state, 0, 8));
	victim_expect_unharmed(test, &v, "unlinked too much");
	rv_unlink(ctx->dev, &v.state, 0, 7);
	rv_expect_unlinked(test, &v.state, v.addr);
	dma_iova_free(ctx->dev, &v.state);
}

static void r001_2_nothing_is_linked(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	rv_need(test);
	if (ctx->domain)
		kunit_skip(test, "the device is translated");
	phys = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	RV_WARNS(test, rv_unlink(ctx->dev, &state, 0, 1));
	RV_WARNS(test, dma_iova_sync_for_cpu(ctx->dev, &state, 0, P, RV_DIR));
	RV_WARNS(test, dma_iova_sync_for_device(ctx->dev, &state, 0, P, RV_DIR));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	KUNIT_EXPECT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 8));
	rv_unlink(ctx->dev, &state, 0, 8);
	/* Freed with a link in it. */
	KUNIT_EXPECT_EQ(test, 0, rv_link(ctx->dev, &state, phys, 0, 1));
	RV_WARNS(test, dma_iova_free(ctx->dev, &state));
}

/* An allocation fails on the way: it is linked all the same, or not at all. */
static void r001_3_link_without_memory(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	unsigned int n, errors = 0;
	bool failed = true;
	phys_addr_t phys;
	dma_addr_t addr;
	u8 *mem;

	dt_need_iommu(test);
	phys = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	addr = dma_iova_addr(&state);
	for (n = 1; failed && n < 50; n++) {
		int ret;

		dt_fail_nth(test, n);
		ret = rv_link(ctx->dev, &state, phys, 0, 8);
		failed = dt_fail_stop();
		KUNIT_EXPECT_TRUE_MSG(test, !ret || (failed && ret == -ENOMEM),
				      "allocation %u: %d", n, ret);
		if (!ret) {
			KUNIT_EXPECT_EQ(test, 0, rv_sync(ctx->dev, &state));
			rv_expect_linked(test, &state, phys);
			rv_unlink(ctx->dev, &state, 0, 8);
		}
		errors += !!ret;
		rv_expect_unlinked(test, &state, addr);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	if (dt_behind_virtio_iommu(ctx))
		KUNIT_EXPECT_GT(test, errors, 0);
	dma_iova_free(ctx->dev, &state);
}

/* What needs the CPU's help is refused where it was asked for memory that does not. */
static void r002_4_coherent_or_not_at_all(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state;
	phys_addr_t phys;
	int want;
	u8 *mem;

	rv_need(test);
	phys = rv_block(test, &mem);
	rv_any(test, ctx->dev, &state);
	want = dev_is_dma_coherent(ctx->dev) ? 0 : -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, want,
			dma_iova_link(ctx->dev, &state, phys, 0, P, RV_DIR,
				      DMA_ATTR_REQUIRE_COHERENT));
	if (!want) {
		KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(ctx->dev, &state, 0, P));
		dma_iova_unlink(ctx->dev, &state, 0, P, RV_DIR,
				DMA_ATTR_REQUIRE_COHERENT);
	}
	rv_expect_unlinked(test, &state, dma_iova_addr(&state));
	dma_iova_free(ctx->dev, &state);
}

#endif /* HAVE_DMA_RESERVE */

static struct kunit_case dma_link_check_cases[] = {
#ifdef HAVE_DMA_RESERVE
	DT_CASE(r002_4_link_of_a_bad_range),
	DT_CASE(r002_4_sync_of_a_bad_range),
	DT_CASE(r002_4_unlink_of_a_bad_range),
	DT_CASE(r002_4_destroy_of_a_bad_range),
	DT_CASE(r002_4_link_in_the_middle_of_a_page),
	DT_CASE(r002_4_unlink_in_the_middle_of_a_page),
	DT_CASE(r002_4_no_direction),
	DT_CASE(r002_4_no_reservation),
	DT_CASE(r001_2_more_links_than_there_is_room),
	DT_CASE(r001_2_nothing_is_linked),
	DT_CASE(r001_3_link_without_memory),
	DT_CASE(r002_4_coherent_or_not_at_all),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

/* What DMA debugging has to say as well is counted, and is not to be shown. */
static int dma_link_check_suite_init(struct kunit_suite *suite)
{
	show_reports(false);
	return dt_fail_quietly(suite);
}

static struct kunit_suite dma_link_check_suite = {
	.name = "dma_link_check_test",
	.suite_init = dma_link_check_suite_init,
	.suite_exit = show_again,
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_link_check_cases,
};

kunit_test_suite(dma_link_check_suite);

MODULE_DESCRIPTION("Wrong calls for reservations, with a real device");
MODULE_LICENSE("GPL");
