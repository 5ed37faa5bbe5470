// SPDX-License-Identifier: GPL-2.0
/*
 * Whose turn it is with a backing: thousands of calls in any order, and what they
 * cost, against a model of two sides that take turns; and several who want their
 * turn at the same time. Devices are fake_iommu.h's.
 */

#include <linux/kthread.h>
#include <linux/prandom.h>

#include "fake_owner.h"

#ifdef HAVE_DMA_BACKING

#define N	5

/* -- Against a model -- */

#define O_DEVICES	6
#define O_BINDINGS	8
#define O_STEPS		4000

/**
 * struct o_binding - a binding as it should be
 * @b: as the kernel has it
 * @fake: its device
 * @s: its reservation
 * @bound: whether it is
 * @coherent: the device snoops
 * @writes: and writes
 */
struct o_binding {
	struct dma_binding *b;
	struct fake_dev *fake;
	struct dma_iova_state *s;
	bool bound;
	bool coherent;
	bool writes;
};

/**
 * struct owner - two sides that take turns, and nothing else
 * @bind: the bindings
 * @backing: the backing
 * @rnd: what comes next
 * @cpus: it is the turn of the side with the CPUs
 * @cpu_wrote: that side may have written since the caches were cleaned
 * @device_wrote: the other side may have since they were invalidated
 * @open: CPU accesses
 * @writing: one of them was for writing
 * @clean: what is expected in this step
 * @invalidate: likewise
 * @did: how often something was expected, and how often nothing
 */
struct owner {
	struct o_binding bind[O_BINDINGS];
	struct dma_backing *backing;
	struct rnd_state rnd;
	bool cpus;
	bool cpu_wrote;
	bool device_wrote;
	unsigned int open;
	bool writing;
	unsigned int clean;
	unsigned int invalidate;
	unsigned int did[3];
};

static unsigned int o_rnd(struct owner *o, unsigned int n)
{
	return prandom_u32_state(&o->rnd) % n;
}

/* Who has its turn may write all the time, until it is over. */
static void o_write(struct owner *o)
{
	unsigned int i;

	for (i = 0; i < O_BINDINGS; i++) {
		struct o_binding *b = &o->bind[i];

		if (!b->bound || !b->writes || b->coherent != o->cpus)
			continue;
		if (b->coherent)
			o->cpu_wrote = true;
		else
			o->device_wrote = true;
	}
	if (o->open && o->writing)
		o->cpu_wrote = true;
}

static void o_turn(struct owner *o, bool cpus)
{
	if (o->cpus == cpus)
		return;
	if (cpus && o->device_wrote) {
		o->invalidate++;
		o->device_wrote = false;
	}
	if (!cpus && o->cpu_wrote) {
		o->clean++;
		o->cpu_wrote = false;
	}
	o->cpus = cpus;
}

/*
 * A bind that failed after it was its device's turn. If nobody else of that side is
 * there, it is again the turn of the other one; what a CPU writes then, it need not
 * tell.
 */
static void o_turn_for_nothing(struct owner *o, bool cpus)
{
	unsigned int i;

	if (o->open || o->cpus == cpus)
		return;
	o_turn(o, cpus);
	for (i = 0; i < O_BINDINGS; i++)
		if (o->bind[i].bound && o->bind[i].coherent == cpus)
			return;
	o->cpus = !cpus;
	o->cpu_wrote |= o->cpus;
}

/* -EBUSY and the like are for the model to know; 0 if the kernel says the same. */
static int o_bind(struct owner *o, struct o_binding *b)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
	};
	enum dma_data_direction dir = dirs[o_rnd(o, 3)];
	unsigned int first = o_rnd(o, N), pages = 1 + o_rnd(o, N - first);
	bool fail = b->fake->iommu && !o_rnd(o, 6);
	int ret;

	if (fail)
		b->fake->iommu->fail_map = 1;
	ret = dma_iova_bind(fake_device(b->fake), b->s, b->b, first * P,
			    o->backing, first * P, pages * P, dir, 0);
	if (fail) {
		o_turn_for_nothing(o, b->coherent);
		return ret == -ENOMEM ? 0 : -EINVAL;
	}
	if (ret)
		return ret;
	b->bound = true;
	b->writes = dir != DMA_TO_DEVICE;
	if (!o->open)
		o_turn(o, b->coherent);
	return 0;
}

static int o_begin(struct owner *o)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_TO_DEVICE, DMA_BIDIRECTIONAL,
	};
	enum dma_data_direction dir = dirs[o_rnd(o, 3)];

	if (o->open == 3)
		return 0;
	o_turn(o, true);
	o->open++;
	if (dir != DMA_FROM_DEVICE)
		o->writing = true;
	return dma_backing_begin_cpu_access(o->backing, dir);
}

static int o_finish(struct owner *o)
{
	unsigned int i;

	if (!o->open)
		return 0;
	if (!--o->open) {
		o->writing = false;
		for (i = 0; i < O_BINDINGS; i++)
			if (o->bind[i].bound && !o->bind[i].coherent)
				o_turn(o, false);
	}
	return dma_backing_end_cpu_access(o->backing, DMA_BIDIRECTIONAL);
}

static int o_step(struct owner *o)
{
	struct o_binding *b = &o->bind[o_rnd(o, O_BINDINGS)];
	int ret;

	switch (o_rnd(o, 8)) {
	case 0:
	case 1:
		return o_begin(o);
	case 2:
	case 3:
	case 4:
		return o_finish(o);
	case 5:
		if (!b->bound)
			return 0;
		ret = dma_backing_begin_device_access(b->b);
		if (o->open)
			return ret == -EBUSY ? 0 : -EINVAL;
		o_turn(o, b->coherent);
		return ret;
	default:
		if (!b->bound)
			return o_bind(o, b);
		dma_iova_unbind(b->b);
		b->bound = false;
		return 0;
	}
}

/* A new backing, of each kind: what is it with the caches when it begins? */
static void o_alloc(struct kunit *test, struct owner *o,
		    struct fake_dev *const *fake, unsigned int kind)
{
	struct page *page;

	if (kind == 2) {
		struct phys_vec vec = { .len = N * P };

		page = dt_alloc_pages(test, GFP_HIGHUSER, 3);
		vec.paddr = page_to_phys(page);
		o->backing = bk_keep(test, dma_backing_from_phys(&vec, 1, 0,
								 NULL, NULL));
	} else {
		o->backing = bk_alloc(test, fake_device(fake[kind]), N * P,
				      DMA_BACKING_CACHED |
				      DMA_ATTR_FORCE_CONTIGUOUS);
	}
	o->cpus = true;
	/* For a device that is not coherent it is cleaned where it is zeroed. */
	o->cpu_wrote = kind != 0;
	o->device_wrote = false;
}

static void o_run(struct kunit *test, struct owner *o)
{
	unsigned int step;

	for (step = 0; step < O_STEPS; step++) {
		int ret;

		o->clean = 0;
		o->invalidate = 0;
		o_write(o);
		ret = o_step(o);
		if (ret || !sl_is(o->clean, o->invalidate)) {
			KUNIT_FAIL(test, "step %u: %d, cleaned %u, not %u, invalidated %u, not %u",
				   step, ret, sl.count[0][SL_CLEAN], o->clean,
				   sl.count[0][SL_INVALIDATE], o->invalidate);
			return;
		}
		o->did[o->clean ? 0 : o->invalidate ? 1 : 2]++;
		sl_zero();
		cond_resched();
	}
	KUNIT_EXPECT_GT(test, o->did[0], O_STEPS / 50);
	KUNIT_EXPECT_GT(test, o->did[1], O_STEPS / 50);
	KUNIT_EXPECT_GT(test, o->did[2], O_STEPS / 50);
}

static void r004_8_against_a_model(struct kunit *test)
{
	struct fake_dev *const fake[O_DEVICES] = {
		bk_dev(test, 0, false), bk_dev(test, 0, true),
		bk_dev(test, 1, false), bk_dev(test, 1, true),
		bk_direct(test, false), bk_direct(test, true),
	};
	struct owner *o = kunit_kzalloc(test, sizeof(*o), GFP_KERNEL);
	unsigned int i, kind;

	KUNIT_ASSERT_NOT_NULL(test, o);
	sl_need(test);
	for (i = 0; i < O_BINDINGS; i++) {
		o->bind[i].fake = fake[i % O_DEVICES];
		o->bind[i].coherent = i % O_DEVICES % 2;
		o->bind[i].s = bk_reserve(test, o->bind[i].fake, N * P);
		o->bind[i].b = bk_binding(test);
	}
	for (kind = 0; kind < 3; kind++) {
		prandom_seed_state(&o->rnd, kind + 1);
		memset(o->did, 0, sizeof(o->did));
		o_alloc(test, o, fake, kind);
		watch(test, o->backing);
		o_run(test, o);
		sl_end();
		while (o->open)
			o_finish(o);
		for (i = 0; i < O_BINDINGS; i++)
			if (o->bind[i].bound) {
				dma_iova_unbind(o->bind[i].b);
				o->bind[i].bound = false;
			}
		KUNIT_EXPECT_TRUE(test, bk_put(o->backing));
	}
}

/* -- At the same time -- */

/**
 * struct turn - one of several who want their turn
 * @fake: a device, or NULL for a CPU
 * @state: its reservation
 * @backing: what they all want
 * @bad: an answer that is none
 * @busy: how often somebody else was in the middle of it
 * @rounds: how often it had its turn
 */
struct turn {
	struct fake_dev *fake;
	struct dma_iova_state *state;
	struct dma_backing *backing;
	unsigned int bad;
	unsigned int busy;
	unsigned int rounds;
};

static bool turn_ok(struct turn *t, int ret)
{
	if (ret == -EBUSY)
		t->busy++;
	else if (ret)
		t->bad++;
	return !ret;
}

static void turn_of_cpu(struct turn *t)
{
	int ret;

	if (!turn_ok(t, dma_backing_begin_cpu_access(t->backing, RV_DIR)))
		return;
	do {
		ret = dma_backing_end_cpu_access(t->backing, RV_DIR);
	} while (!turn_ok(t, ret) && ret == -EBUSY);
	t->rounds++;
}

static void turn_of_device(struct turn *t, struct dma_binding *b)
{
	if (!turn_ok(t, bk_bind(t->fake, t->state, b, 0, t->backing, 0, N * P)))
		return;
	turn_ok(t, dma_backing_begin_device_access(b));
	dma_iova_unbind(b);
	t->rounds++;
}

static int take_turns(void *data)
{
	struct dma_binding *b = kzalloc_obj(*b);
	struct turn *t = data;

	while (b && !kthread_should_stop()) {
		if (t->fake)
			turn_of_device(t, b);
		else
			turn_of_cpu(t);
		cond_resched();
	}
	kfree(b);
	return 0;
}

/* Somebody else's turn is an error, and none that stays. */
static void r004_8_at_the_same_time(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, false), bk_dev(test, 1, true),
		bk_direct(test, false), NULL, NULL,
	};
	struct dma_backing *b = bk_alloc(test, fake_device(fake[2]), N * P,
					 DMA_BACKING_CACHED);
	struct task_struct *task[ARRAY_SIZE(fake)];
	struct turn t[ARRAY_SIZE(fake)] = {};
	struct dma_binding *binding;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		t[i].fake = fake[i];
		t[i].backing = b;
		if (fake[i])
			t[i].state = bk_reserve(test, fake[i], N * P);
		task[i] = kthread_run(take_turns, &t[i], "turn/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	msleep(1000);
	for (i = 0; i < ARRAY_SIZE(fake); i++)
		kthread_stop(task[i]);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		KUNIT_EXPECT_EQ_MSG(test, t[i].bad, 0, "%u", i);
		KUNIT_EXPECT_GT_MSG(test, t[i].rounds, 10, "%u", i);
		kunit_info(test, "%u: %u turns, %u times busy\n", i, t[i].rounds,
			   t[i].busy);
	}
	/* All is as it is after any other call. */
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	if (sl_supported()) {
		watch(test, b);
		binding = bk_binding(test);
		KUNIT_EXPECT_EQ(test, 0, bk_bind(fake[0], t[0].state, binding, 0,
						 b, 0, N * P));
		EXPECT_SYNC(test, 1, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b,
							DMA_FROM_DEVICE));
		EXPECT_SYNC(test, 0, 1);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b,
							DMA_FROM_DEVICE));
		EXPECT_SYNC(test, 0, 0);
		dma_iova_unbind(binding);
	}
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_owner_random_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE_SLOW(r004_8_against_a_model),
	KUNIT_CASE_SLOW(r004_8_at_the_same_time),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_owner_random_suite = {
	.name = "fake_owner_random_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = owner_suite_init,
	.suite_exit = owner_suite_exit,
	.init = bk_init,
	.exit = owner_exit,
#endif
	.test_cases = fake_owner_random_cases,
};

kunit_test_suite(fake_owner_random_suite);

MODULE_DESCRIPTION("Turns with a backing, at random, on a fake IOMMU");
MODULE_LICENSE("GPL");
