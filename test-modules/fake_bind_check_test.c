// SPDX-License-Identifier: GPL-2.0
/*
 * What dma_iova_bind() refuses, with which error, and that nothing has changed by
 * it; and who binds at the same time. On fake_iommu.h's devices.
 */

#include <linux/kthread.h>

#include "fake_backing.h"

#ifdef HAVE_DMA_BACKING

#define N	8

/* What a call is wrong with. */
struct wrong {
	const char *what;
	size_t offset;
	size_t boff;
	size_t len;
	enum dma_data_direction dir;
	unsigned long attrs;
	int ret;
};

/* Refused, twice, and the binding can be used afterwards. */
static void try_wrong(struct kunit *test, struct fake_dev *fake,
		      struct dma_iova_state *s, struct dma_backing *b,
		      const struct wrong *w)
{
	struct dma_binding *binding = bk_binding(test);
	struct bk_snap snap;
	unsigned int i;
	int ret = 0;

	bk_snap(&snap, fake, s, b);
	for (i = 0; i < 2; i++) {
		/* Some of them are worth a warning. */
		kunit_warning_suppress(test)
			ret = dma_iova_bind(fake_device(fake), s, binding,
					    w->offset, b, w->boff, w->len,
					    w->dir, w->attrs);
		KUNIT_EXPECT_EQ_MSG(test, ret, w->ret, "%s", w->what);
		KUNIT_EXPECT_PTR_EQ_MSG(test, binding->mapper.backing, NULL,
					"%s", w->what);
		KUNIT_EXPECT_EQ(test, dma_binding_addr(binding),
				DMA_MAPPING_ERROR);
		bk_expect_same(test, &snap, w->what);
		if (!ret)
			dma_iova_unbind(binding);
	}
	bk.bindings--;
	memset(binding, 0, sizeof(*binding));
}

static void r002_5_bad_ranges(struct kunit *test)
{
	static const struct wrong t[] = {
		{ "nothing", 0, 0, 0 },
		{ "more than the reservation", 0, 0, (N + 1) * P },
		{ "behind the reservation", N * P, 0, P },
		{ "across its end", (N - 1) * P, 0, 2 * P },
		{ "an offset that wraps", -P, 0, P },
		{ "a length that wraps", P, 0, -P },
		{ "behind the backing", 0, 2 * N * P, P },
		{ "across its end", 0, (2 * N - 1) * P, 2 * P },
		{ "a part of it that wraps", 0, -P, P },
		{ "within a page of the reservation", 512, 0, P },
		{ "within a page of the backing", 0, 512, P },
		{ "a part of a page", 0, 0, P - 512 },
		{ "a page and a half", 0, 0, P + P / 2 },
		{ "no direction", 0, 0, P, DMA_NONE },
		{ "no direction at all", 0, 0, P, DMA_NONE + 5 },
	};
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_direct(test, true),
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct dma_backing *b = bk_alloc(test, fake_device(fake[i]),
						 2 * N * P,
						 DMA_ATTR_FORCE_CONTIGUOUS);
		struct dma_iova_state *s = bk_reserve(test, fake[i], N * P);

		for (j = 0; j < ARRAY_SIZE(t); j++) {
			struct wrong w = t[j];

			w.ret = -EINVAL;
			try_wrong(test, fake[i], s, b, &w);
		}
	}
}

/* The kernel says so where it is the caller's mistake, and no device is touched. */
static void r002_5_mistakes_are_told(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *binding = bk_binding(test);
	int ret = 0;

	RV_WARNS(test, ret = bk_bind(fake, s, binding, P, b, 0, N * P));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, ret = bk_bind(fake, s, binding, 0, b, P, N * P));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, dma_iova_unbind(binding));
	RV_WARNS(test, ret = dma_backing_begin_device_access(binding));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, ret = dma_backing_end_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, ret = dma_backing_begin_cpu_access(b, DMA_NONE));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	RV_WARNS(test, dma_backing_vunmap(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->maps), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->unmaps), 0);
}

/* What dma_iova_try_alloc() gave out goes back into caches by its size. */
static void r002_5_another_kind_of_reservation(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *binding = bk_binding(test);
	struct dma_iova_state state = {};
	int ret = 0;

	RV_WARNS(test, ret = bk_bind(fake, &state, binding, 0, b, 0, P));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(fake_device(fake), &state,
						   bk_phys(b, 0), N * P));
	RV_WARNS(test, ret = bk_bind(fake, &state, binding, 0, b, 0, P));
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);
	dma_iova_free(fake_device(fake), &state);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
}

/* Nobody gets addresses behind which there is memory. */
static void r000_4_reservation_is_in_use(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_direct(test, false),
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct device *dev = fake_device(fake[i]);
		struct dma_iova_state *s = bk_reserve(test, fake[i], N * P);
		struct dma_iova_state *t = bk_reserve(test, fake[i], N * P);
		struct dma_backing *b = bk_wrap(test, N, NULL);
		struct dma_binding *binding = bk_binding(test);

		/* The last page of it. */
		KUNIT_EXPECT_EQ(test, 0, bk_bind(fake[i], s, binding,
						 (N - 1) * P, b, 0, P));
		RV_WARNS(test, dma_iova_free(dev, s));
		KUNIT_EXPECT_TRUE(test, dma_use_iova(s));
		KUNIT_EXPECT_EQ(test, dma_binding_addr(binding),
				dma_iova_addr(s) + (N - 1) * P);
		bk_expect_bound(test, fake[i], dma_binding_addr(binding), b, 0,
				P);
		if (fake[i]->iommu)
			rv_refused(test, dev,
				   &(struct dma_iova_request){ P, 0,
					dma_iova_addr(s), dma_iova_addr(s) + P - 1 },
				   -ENOSPC, "in use");
		/* Nothing is bound in the other one. */
		bk_unreserve(fake[i], t);
		dma_iova_unbind(binding);
		bk_unreserve(fake[i], s);
	}
}

static void r002_5_bound_already(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_iova_state *t = bk_reserve(test, fake, N * P);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_backing *c = bk_wrap(test, N, NULL);
	struct dma_binding *binding = bk_binding(test), copy;
	struct bk_snap snap[2];

	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, binding, 0, b, 0, 2 * P));
	bk_snap(&snap[0], fake, s, b);
	bk_snap(&snap[1], fake, t, c);
	copy = *binding;
	kunit_warning_suppress(test) {
		KUNIT_EXPECT_EQ(test, -EBUSY, bk_bind(fake, s, binding, 0, b, 0,
						      2 * P));
		KUNIT_EXPECT_EQ(test, -EBUSY, bk_bind(fake, s, binding, 4 * P, b,
						      4 * P, P));
		KUNIT_EXPECT_EQ(test, -EBUSY, bk_bind(fake, t, binding, 0, c, 0,
						      P));
	}
	KUNIT_EXPECT_MEMEQ(test, binding, &copy, sizeof(copy));
	bk_expect_same(test, &snap[0], "its own");
	bk_expect_same(test, &snap[1], "the other's");
	dma_iova_unbind(binding);
	/* Once more than it was bound. */
	kunit_warning_suppress(test)
		dma_iova_unbind(binding);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, t, binding, 0, c, 0, P));
	dma_iova_unbind(binding);
}

/* Over another one's, in every way two ranges can overlap. */
static void r002_5_over_another_binding(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
		bk_direct(test, true), bk_direct(test, false),
	};
	unsigned int i, first, last;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct dma_backing *b = bk_alloc(test, fake_device(fake[i]),
						 N * P, DMA_BACKING_CACHED |
						 DMA_ATTR_FORCE_CONTIGUOUS);
		struct dma_iova_state *s = bk_reserve(test, fake[i], N * P);
		struct dma_binding *one = bk_binding(test);
		struct dma_binding *two = bk_binding(test);

		KUNIT_ASSERT_EQ(test, 0, bk_bind(fake[i], s, one, 2 * P, b,
						 2 * P, P));
		KUNIT_ASSERT_EQ(test, 0, bk_bind(fake[i], s, two, 4 * P, b,
						 4 * P, 2 * P));
		for (first = 0; first < N; first++)
			for (last = first; last < N; last++) {
				struct wrong w = {
					"over another", first * P, first * P,
					(last - first + 1) * P, RV_DIR, 0, -EBUSY,
				};

				/* That is what is free. */
				if (last < 2 || first > 5 ||
				    (first == 3 && last == 3))
					continue;
				try_wrong(test, fake[i], s, b, &w);
			}
		dma_iova_unbind(one);
		dma_iova_unbind(two);
		/* And now there is nobody. */
		KUNIT_EXPECT_EQ(test, 0, bk_bind(fake[i], s, one, 0, b, 0,
						 N * P));
		dma_iova_unbind(one);
	}
}

/* One-to-one, where it is fits or it does not. */
static void r000_1_one_to_one(struct kunit *test)
{
	struct fake_dev *fake = bk_direct(test, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), N * P, 0);
	struct dma_backing *other = bk_alloc(test, fake_device(fake), N * P, 0);
	struct dma_backing *odd = bk_wrap(test, N, NULL);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P), *t;
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	struct wrong w = { "", 0, 0, 2 * P, RV_DIR, 0, -EINVAL };

	w.what = "scattered memory";
	try_wrong(test, fake, s, odd, &w);
	/* A single page of it does. */
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, one, P, odd, 3 * P, P));
	KUNIT_EXPECT_EQ(test, dma_binding_addr(one), bk_phys(odd, 3 * P));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(s), bk_phys(odd, 3 * P) - P);
	w.what = "another place in memory";
	w.offset = 4 * P;
	try_wrong(test, fake, s, b, &w);
	dma_iova_unbind(one);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(s), DMA_MAPPING_ERROR);

	/* Now the address is fixed by what is bound first. */
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, one, 0, b, 0, 2 * P));
	w.what = "not where the rest is";
	w.boff = 3 * P;
	try_wrong(test, fake, s, b, &w);
	w.boff = 4 * P;
	w.what = "other memory";
	try_wrong(test, fake, s, other, &w);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, two, 4 * P, b, 4 * P, 2 * P));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
	dma_iova_unbind(one);
	KUNIT_EXPECT_EQ(test, dma_binding_addr(two), bk_phys(b, 4 * P));
	dma_iova_unbind(two);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(s), DMA_MAPPING_ERROR);

	/* A window that is somewhere else. */
	t = bk_reserve_in(test, fake, 2 * P, 0, bk_phys(other, 0),
			  bk_phys(other, N * P - P));
	w = (struct wrong){ "out of the window", 0, 0, 2 * P, RV_DIR, 0,
			    -EINVAL };
	try_wrong(test, fake, t, b, &w);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, t, one, 0, other, 2 * P, 2 * P));
	dma_iova_unbind(one);
	/* Out of reach. */
	fake_device(fake)->bus_dma_limit = bk_phys(b, 0) - 1;
	w.what = "out of reach";
	w.ret = -EIO;
	try_wrong(test, fake, s, b, &w);
	fake_device(fake)->bus_dma_limit = 0;
}

/* What the IOMMU driver fails with, at the first piece or in the middle. */
static void r002_5_errors_of_the_iommu(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);
	struct wrong w = { "map", 0, 0, 6 * P, RV_DIR, 0, -ENOMEM };
	unsigned int n, i;
	struct bk_snap snap;
	int ret;

	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, one, 6 * P, b, 0, 2 * P));
	bk_snap(&snap, fake, s, b);
	for (n = 1; n <= 6; n++) {
		fake->iommu->fail_map = n;
		ret = bk_bind(fake, s, two, 0, b, 0, 6 * P);
		KUNIT_EXPECT_EQ(test, ret, w.ret);
		KUNIT_EXPECT_EQ(test, fake->iommu->fail_map, 0);
		KUNIT_EXPECT_PTR_EQ(test, two->mapper.backing, NULL);
		bk_expect_same(test, &snap, "map");
	}
	for (i = 0; i < 3; i++) {
		fake->iommu->fail_sync = 1;
		KUNIT_EXPECT_EQ(test, -EIO, bk_bind(fake, s, two, 0, b, 0,
						    6 * P));
		KUNIT_EXPECT_PTR_EQ(test, two->mapper.backing, NULL);
		bk_expect_same(test, &snap, "sync");
	}
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, s, two, 0, b, 0, 6 * P));
	dma_iova_unbind(two);
	dma_iova_unbind(one);
	/* No reference is left. */
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* Nor does a bind that fails keep what it would have kept. */
static void r000_4_failed_bind_keeps_nothing(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct fake_dev *direct = bk_direct(test, true);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_iova_state *t = bk_reserve(test, direct, N * P);
	struct dma_binding *binding = bk_binding(test);
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, N, &owner);

	fake->iommu->fail_map = 3;
	KUNIT_EXPECT_EQ(test, -ENOMEM, bk_bind(fake, s, binding, 0, b, 0, N * P));
	fake->iommu->fail_sync = 1;
	KUNIT_EXPECT_EQ(test, -EIO, bk_bind(fake, s, binding, 0, b, 0, N * P));
	KUNIT_EXPECT_EQ(test, -EINVAL, bk_bind(direct, t, binding, 0, b, 0,
					       N * P));
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
}

/* What contradicts the policy of the backing, or cannot be had there. */
static void r000_2_attributes_that_contradict(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
		bk_direct(test, true), bk_direct(test, false),
	};
	static const unsigned long policy[] = {
		DMA_BACKING_CACHED, DMA_ATTR_WRITE_COMBINE,
		DMA_BACKING_UNCACHED,
	};
	unsigned int i, j, k;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		bool coherent = dev_is_dma_coherent(fake_device(fake[i]));
		struct dma_iova_state *s = bk_reserve(test, fake[i], P);

		for (j = 0; j < ARRAY_SIZE(policy); j++) {
			struct wrong w = { "", 0, 0, P, RV_DIR, 0, -EINVAL };
			struct dma_binding *binding = bk_binding(test);
			struct dma_backing *b;

			if (j && !bk_has_uncached())
				continue;
			b = bk_alloc(test, fake_device(fake[i]), P, policy[j]);
			w.what = "another policy";
			for (k = 0; k < ARRAY_SIZE(policy); k++) {
				w.attrs = policy[k];
				if (k != j)
					try_wrong(test, fake[i], s, b, &w);
			}
			w.what = "device memory";
			w.attrs = DMA_ATTR_MMIO;
			try_wrong(test, fake[i], s, b, &w);
			w.what = "coherent, and nothing else";
			w.attrs = DMA_ATTR_REQUIRE_COHERENT;
			if (j || !coherent)
				try_wrong(test, fake[i], s, b, &w);
			/* It looks into the caches, whatever it is told. */
			w.what = "a device that snoops";
			w.attrs = 0;
			if (j && coherent && !fake[i]->iommu) {
				try_wrong(test, fake[i], s, b, &w);
				w.attrs = policy[j];
				try_wrong(test, fake[i], s, b, &w);
				continue;
			}
			w.attrs = policy[j];
			if (!j && coherent)
				w.attrs |= DMA_ATTR_REQUIRE_COHERENT;
			KUNIT_EXPECT_EQ(test, 0,
					dma_iova_bind(fake_device(fake[i]), s,
						      binding, 0, b, 0, P,
						      RV_DIR, w.attrs));
			dma_iova_unbind(binding);
		}
	}
}

/* -- At the same time -- */

/**
 * struct binder - one of several who bind parts of a backing
 * @fake: its device
 * @state: the reservation, which it may share
 * @backing: the backing
 * @first: its part, two pages
 * @bad: calls that failed, or a translation that was not there
 * @rounds: how often
 */
struct binder {
	struct fake_dev *fake;
	struct dma_iova_state *state;
	struct dma_backing *backing;
	unsigned int first;
	unsigned int bad;
	unsigned int rounds;
};

static int bind_all_the_time(void *data)
{
	struct dma_binding *binding = kzalloc_obj(*binding);
	struct binder *t = data;

	while (binding && !kthread_should_stop()) {
		dma_addr_t addr;

		if (bk_bind(t->fake, t->state, binding, t->first * P, t->backing,
			    t->first * P, 2 * P)) {
			t->bad++;
			break;
		}
		addr = dma_binding_addr(binding);
		if (fake_dev_phys(t->fake, addr + P) !=
		    bk_phys(t->backing, t->first * P + P))
			t->bad++;
		dma_iova_unbind(binding);
		t->rounds++;
		cond_resched();
	}
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	kfree(binding);
	return 0;
}

static void r002_5_bound_at_the_same_time(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, true),
		bk_direct(test, true),
	};
	struct dma_backing *b = bk_alloc(test, fake_device(fake[2]), 4 * P, 0);
	struct task_struct *task[6];
	struct dma_iova_state *s;
	struct binder t[6] = {};
	unsigned int i, end;

	for (i = 0; i < 6; i++) {
		if (!(i % 2))
			s = bk_reserve(test, fake[i / 2], 4 * P);
		t[i] = (struct binder){ .fake = fake[i / 2], .state = s,
					.backing = b, .first = i % 2 * 2 };
		task[i] = kthread_run(bind_all_the_time, &t[i], "binder/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	end = 0;
	while (end++ < 100) {
		KUNIT_EXPECT_LE(test, bk_mapper_count(b), 6);
		dma_backing_translate(b, fake_device(fake[0]),
				      dma_iova_addr(s), fake_device(fake[2]));
		usleep_range(5000, 10000);
	}
	for (i = 0; i < 6; i++) {
		kthread_stop(task[i]);
		KUNIT_EXPECT_EQ_MSG(test, t[i].bad, 0, "%u", i);
		KUNIT_EXPECT_GT(test, t[i].rounds, 10);
	}
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_bind_check_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r002_5_bad_ranges),
	KUNIT_CASE(r002_5_mistakes_are_told),
	KUNIT_CASE(r002_5_another_kind_of_reservation),
	KUNIT_CASE(r000_4_reservation_is_in_use),
	KUNIT_CASE(r002_5_bound_already),
	KUNIT_CASE(r002_5_over_another_binding),
	KUNIT_CASE(r000_1_one_to_one),
	KUNIT_CASE(r002_5_errors_of_the_iommu),
	KUNIT_CASE(r000_4_failed_bind_keeps_nothing),
	KUNIT_CASE(r000_2_attributes_that_contradict),
	KUNIT_CASE_SLOW(r002_5_bound_at_the_same_time),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_bind_check_suite = {
	.name = "fake_bind_check_test",
#ifdef HAVE_DMA_BACKING
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_bind_check_cases,
};

kunit_test_suite(fake_bind_check_suite);

MODULE_DESCRIPTION("What cannot be bound, on a fake IOMMU");
MODULE_LICENSE("GPL");
