// SPDX-License-Identifier: GPL-2.0-only
/*
 * What alloc_iova() and free_iova() cost, past the caches of a domain, and
 * alloc_iova_fast() and free_iova_fast() if the caches have what is wanted, in
 * instructions: QEMU is told (icount = 4 in the plan) to let the guest's clock go
 * on by 16 ns with each of them.
 *
 * The space is all that a 32-bit device reaches, in pages of 4 KiB. It is
 * measured empty; 90 % full, compact: one allocation beside the other from the
 * top; and 90 % full, fragmented: every second slot is free, and too small by one
 * page for what is measured. In each, the same size is allocated and freed again
 * and again ("pair"), and in turn with a smaller one, so that the search for each
 * has to leave the place of the other ("mixed").
 *
 * Allocations of 70 and of 40 pages, in turn, each leave 58 pages that the next 40
 * do not fit into, as they have to be aligned to 64: what the smaller one costs
 * must not grow with the number of these.
 *
 * A case fails if a pair costs more than 1.3 times as much as in the empty space,
 * or as after few others in turn.
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/irqflags.h>
#include <linux/iova.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sizes.h>

#define IB_PAGES	(1UL << 20)
#define IB_LIMIT	(IB_PAGES - 1)
#define IB_NS		16	/* of an instruction */
#define IB_RATIO	130	/* per cent */

static unsigned int rounds = 256;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "measurements to take the mean of");

/* Mean costs, in instructions */
struct ib_cost {
	unsigned long alloc, free, mixed_alloc, mixed_free;
};

enum ib_fill { IB_EMPTY, IB_COMPACT, IB_FRAGMENTED };

static const char * const ib_names[] = { "empty", "compact", "fragmented" };

static unsigned int ib_sizes[] = { 1, 4, 32, 64, 100 };

static void ib_size_desc(unsigned int *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages", *size);
}

KUNIT_ARRAY_PARAM(ib_size, ib_sizes, ib_size_desc);

static int ib_fill_compact(struct iova_domain *iovad, unsigned long size)
{
	unsigned long slot = roundup_pow_of_two(size), n;

	for (n = 0; n < IB_PAGES / slot * 9 / 10; n++)
		if (!alloc_iova(iovad, size, IB_LIMIT, true))
			return -ENOMEM;
	return 0;
}

static int ib_fill_fragmented(struct iova_domain *iovad, unsigned long size)
{
	struct iova *slot, *hole, **holes;
	unsigned long n, count = IB_PAGES / (2 * size - 1) * 9 / 10;
	int ret = 0;

	holes = kvcalloc(count, sizeof(*holes), GFP_KERNEL);
	if (!holes)
		return -ENOMEM;
	for (n = 0; n < count && !ret; n++) {
		slot = alloc_iova(iovad, size, IB_LIMIT, false);
		hole = alloc_iova(iovad, size - 1, IB_LIMIT, false);
		holes[n] = hole;
		if (!slot || !hole)
			ret = -ENOMEM;
	}
	while (n--)
		if (holes[n])
			__free_iova(iovad, holes[n]);
	kvfree(holes);
	return ret;
}

static u64 ib_now(void)
{
	return div_u64(ktime_get_ns(), IB_NS);
}

/* What taking the time costs */
static unsigned long ib_idle(void)
{
	u64 start = ib_now();
	unsigned int n;

	for (n = 0; n < 16; n++)
		ib_now();
	return div_u64(ib_now() - start, 17);
}

/* One measurement, and its costs added to @sum[0] and @sum[1] */
static int ib_pair(struct iova_domain *iovad, unsigned long size,
		   unsigned long *sum)
{
	struct iova *iova;
	u64 t0, t1, t2;

	t0 = ib_now();
	iova = alloc_iova(iovad, size, IB_LIMIT, true);
	t1 = ib_now();
	if (!iova)
		return -ENOSPC;
	free_iova(iovad, iova->pfn_lo);
	t2 = ib_now();
	sum[0] += t1 - t0;
	sum[1] += t2 - t1;
	return 0;
}

/* @small goes into a hole at the top, @size below everything */
static int ib_mixed(struct iova_domain *iovad, unsigned long size,
		    unsigned long small, unsigned long *sum)
{
	struct iova *top;
	int ret;

	top = alloc_iova(iovad, small, IB_LIMIT, true);
	if (!top)
		return -ENOSPC;
	ret = ib_pair(iovad, size, sum);
	__free_iova(iovad, top);
	return ret;
}

static int ib_measure(struct iova_domain *iovad, unsigned long size,
		      enum ib_fill fill, struct ib_cost *cost)
{
	unsigned long idle, small = max(size / 2, 1), n;
	unsigned long pair[2] = {}, mixed[2] = {};
	int ret;

	/* What is there the first time only: slabs, a hole at the top. */
	ret = ib_pair(iovad, size, mixed);
	if (ret)
		return ret;
	if (fill == IB_COMPACT && size > 1) {
		free_iova(iovad, IB_PAGES - roundup_pow_of_two(size));
		if (!alloc_iova(iovad, size / 2, IB_LIMIT, true))
			return -ENOMEM;
	}
	mixed[0] = mixed[1] = 0;

	guard(irqsave)();
	idle = ib_idle();
	for (n = 0; n < rounds && !ret; n++)
		ret = ib_pair(iovad, size, pair);
	for (n = 0; n < rounds && !ret; n++)
		ret = ib_mixed(iovad, size, small, mixed);
	*cost = (struct ib_cost) {
		.alloc = pair[0] / rounds - idle,
		.free = pair[1] / rounds - idle,
		.mixed_alloc = mixed[0] / rounds - idle,
		.mixed_free = mixed[1] / rounds - idle,
	};
	return ret;
}

static void ib_one(struct kunit *test, unsigned long size, enum ib_fill fill,
		   struct ib_cost *cost)
{
	struct iova_domain *iovad = test->priv;
	int ret = 0;

	init_iova_domain(iovad, SZ_4K, 1);
	if (fill == IB_COMPACT)
		ret = ib_fill_compact(iovad, size);
	else if (fill == IB_FRAGMENTED)
		ret = ib_fill_fragmented(iovad, size);
	if (!ret)
		ret = ib_measure(iovad, size, fill, cost);
	put_iova_domain(iovad);
	KUNIT_ASSERT_EQ(test, ret, 0);
	kunit_info(test,
		   "iova %lu pages %s: alloc %lu free %lu, mixed alloc %lu free %lu\n",
		   size, ib_names[fill], cost->alloc, cost->free,
		   cost->mixed_alloc, cost->mixed_free);
}

static void ib_expect(struct kunit *test, unsigned long size, const char *what,
		      enum ib_fill fill, unsigned long cost, unsigned long empty)
{
	unsigned long percent = cost * 100 / empty;

	kunit_info(test, "iova %lu pages %s: %s %lu.%02lu times empty\n", size,
		   ib_names[fill], what, percent / 100, percent % 100);
	KUNIT_EXPECT_LE_MSG(test, percent, IB_RATIO, "%s, %s", what,
			    ib_names[fill]);
}

static void full_space_costs_little_more(struct kunit *test)
{
	unsigned int size = *(const unsigned int *)test->param_value;
	struct ib_cost empty, cost;
	enum ib_fill fill;

	ib_one(test, size, IB_EMPTY, &empty);
	for (fill = IB_COMPACT; fill <= IB_FRAGMENTED; fill++) {
		/* No hole is too small for a page */
		if (fill == IB_FRAGMENTED && size == 1)
			break;
		ib_one(test, size, fill, &cost);
		ib_expect(test, size, "alloc", fill, cost.alloc, empty.alloc);
		ib_expect(test, size, "pair", fill, cost.alloc + cost.free,
			  empty.alloc + empty.free);
	}
}

/*
 * What every driver that maps for streaming uses all the time. Whether it is as
 * it was is seen from outside, beside the unpatched kernel.
 */
static void caches_have_it(struct kunit *test)
{
	unsigned int size = *(const unsigned int *)test->param_value, n;
	struct iova_domain *iovad = test->priv;
	unsigned long idle, pfn, alloc = 0, free = 0;
	u64 t0, t1, t2;

	if (size > 32)
		kunit_skip(test, "too large for the caches");
	init_iova_domain(iovad, SZ_4K, 1);
	KUNIT_ASSERT_EQ(test, iova_domain_init_rcaches(iovad), 0);
	pfn = alloc_iova_fast(iovad, size, IB_LIMIT, true);
	free_iova_fast(iovad, pfn, size);

	scoped_guard(irqsave) {
		idle = ib_idle();
		for (n = 0; n < rounds; n++) {
			t0 = ib_now();
			pfn = alloc_iova_fast(iovad, size, IB_LIMIT, true);
			t1 = ib_now();
			free_iova_fast(iovad, pfn, size);
			t2 = ib_now();
			alloc += t1 - t0;
			free += t2 - t1;
		}
	}
	put_iova_domain(iovad);
	kunit_info(test, "iova %u pages cached: alloc %lu free %lu\n", size,
		   alloc / rounds - idle, free / rounds - idle);
}

#define IB_TURNS	32	/* to take the mean of */

/* @count of each in turn; what the last IB_TURNS took is stored in @cost[0] and [1] */
static int ib_turns(struct iova_domain *iovad, unsigned int count,
		    unsigned long *cost)
{
	unsigned long idle, n;
	u64 t0, t1, t2;

	cost[0] = cost[1] = 0;
	guard(irqsave)();
	idle = ib_idle();
	for (n = 0; n < count; n++) {
		t0 = ib_now();
		if (!alloc_iova(iovad, 70, IB_LIMIT, true))
			return -ENOSPC;
		t1 = ib_now();
		if (!alloc_iova(iovad, 40, IB_LIMIT, true))
			return -ENOSPC;
		t2 = ib_now();
		if (n + IB_TURNS >= count) {
			cost[0] += t1 - t0;
			cost[1] += t2 - t1;
		}
	}
	cost[0] = cost[0] / IB_TURNS - idle;
	cost[1] = cost[1] / IB_TURNS - idle;
	return 0;
}

static void sizes_in_turn(struct kunit *test)
{
	struct iova_domain *iovad = test->priv;
	unsigned long few[2], many[2];
	int ret;

	init_iova_domain(iovad, SZ_4K, 1);
	ret = ib_turns(iovad, 100, few);
	if (!ret)
		ret = ib_turns(iovad, 1900, many);
	put_iova_domain(iovad);
	KUNIT_ASSERT_EQ(test, ret, 0);
	kunit_info(test,
		   "iova 70 and 40 pages in turn: after 100 of each %lu and %lu, after 2000 %lu and %lu\n",
		   few[0], few[1], many[0], many[1]);
	KUNIT_EXPECT_LE(test, many[0] * 100, few[0] * IB_RATIO);
	KUNIT_EXPECT_LE(test, many[1] * 100, few[1] * IB_RATIO);
}

static int ib_init(struct kunit *test)
{
	test->priv = kunit_kzalloc(test, sizeof(struct iova_domain), GFP_KERNEL);
	return test->priv ? iova_cache_get() : -ENOMEM;
}

static void ib_exit(struct kunit *test)
{
	if (test->priv)
		iova_cache_put();
}

static struct kunit_case ib_cases[] = {
	KUNIT_CASE_PARAM(full_space_costs_little_more, ib_size_gen_params),
	KUNIT_CASE_PARAM(caches_have_it, ib_size_gen_params),
	KUNIT_CASE(sizes_in_turn),
	{}
};

static struct kunit_suite ib_suite = {
	.name = "iova_bench",
	.init = ib_init,
	.exit = ib_exit,
	.test_cases = ib_cases,
};
kunit_test_suite(ib_suite);

MODULE_DESCRIPTION("instructions of the IOVA allocator");
MODULE_LICENSE("GPL");
