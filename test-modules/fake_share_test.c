// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a device takes part in the coherency protocol for what it maps, by the
 * policy of the architecture, and by others: one that counts who maps it, and one
 * that says the contrary. On fake_iommu.h's devices.
 */

#include <kunit/static_stub.h>
#include <linux/kthread.h>

#include "fake_backing.h"

#ifdef HAVE_DMA_BACKING

/* A policy that counts, of those who can. */
#define ASKED	64

static unsigned int asked[ASKED], asks;

static bool share_if_several(struct device *dev, unsigned int spaces)
{
	asked[asks++ % ASKED] = spaces;
	return dev_is_dma_coherent(dev) && spaces > 1;
}

static void count_spaces(struct kunit *test)
{
	asks = 0;
	kunit_activate_static_stub(test, dma_backing_share, share_if_several);
}

/* Every answer since the last time was for so many. */
static void expect_asked(struct kunit *test, unsigned int spaces)
{
	unsigned int i;

	KUNIT_EXPECT_GT(test, asks, 0);
	for (i = 0; i < asks && i < ASKED; i++)
		KUNIT_EXPECT_EQ(test, asked[i], spaces);
	asks = 0;
}

/* Scratch memory of one device is nobody else's business. */
static void r000_5_follows_the_number(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_alloc(test, fake_device(a), 2 * P, 0);
	struct dma_binding *one, *two = bk_binding(test);
	struct dma_iova_state *s = bk_reserve(test, c, 2 * P);
	struct bk_snap snap;

	count_spaces(test);
	one = bk_bind_all(test, a, b);
	KUNIT_EXPECT_FALSE(test, bk_snoops(a, one));
	KUNIT_EXPECT_FALSE(test, one->mapper.coherent);
	/* Not under a device that may be running. */
	bk_snap(&snap, a, one->state, b);
	KUNIT_EXPECT_EQ(test, -EBUSY, bk_bind(c, s, two, 0, b, 0, 2 * P));
	bk_expect_same(test, &snap, "live");
	fr_expect_nothing(test, c, dma_iova_addr(s), 2);
	/* The CPU owns it: now it can be done, for both. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	bk_expect_same(test, &snap, "before it is needed");
	KUNIT_EXPECT_EQ(test, 0, bk_bind(c, s, two, 0, b, 0, 2 * P));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
	KUNIT_EXPECT_TRUE(test, bk_snoops(c, two));
	KUNIT_EXPECT_TRUE(test, one->mapper.coherent);
	KUNIT_EXPECT_TRUE(test, two->mapper.coherent);
	bk_expect_bound(test, a, dma_binding_addr(one), b, 0, 2 * P);
	bk_expect_bound(test, c, dma_binding_addr(two), b, 0, 2 * P);
	/* The way back waits until something is bound. */
	dma_iova_unbind(two);
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
	dma_iova_unbind(one);
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, one->state, one, 0, b, 0, 2 * P));
	KUNIT_EXPECT_FALSE(test, bk_snoops(a, one));
	dma_iova_unbind(one);
}

static void bind_again(struct kunit *test, struct fake_dev *fake,
		       struct dma_binding *binding, struct dma_backing *b)
{
	KUNIT_EXPECT_EQ(test, 0, bk_bind(fake, binding->state, binding, 0, b, 0,
					 dma_backing_size(b)));
}

/* Who is counted, and once. */
static void r000_5_what_is_an_address_space(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, true);
	struct fake_dev *d = bk_direct(test, false), *e = bk_direct(test, false);
	struct dma_backing *b = bk_alloc(test, fake_device(d), 4 * P,
					 DMA_BACKING_CACHED);
	struct dma_binding *binding[6];
	unsigned int i;

	binding[0] = bk_binding(test);
	binding[1] = bk_binding(test);
	count_spaces(test);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, bk_reserve(test, a, 4 * P),
					 binding[0], 0, b, 0, P));
	expect_asked(test, 1);
	/* The same one, at another address, and in another reservation. */
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, binding[0]->state, binding[1], P, b,
					 P, P));
	binding[2] = bk_bind_all(test, a, b);
	expect_asked(test, 1);
	KUNIT_EXPECT_FALSE(test, bk_snoops(a, binding[2]));
	/* All who have no IOMMU are in one, and it is the second. */
	binding[3] = bk_bind_all(test, d, b);
	binding[4] = bk_bind_all(test, e, b);
	expect_asked(test, 2);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, bk_snoops(a, binding[i]));
	binding[5] = bk_bind_all(test, c, b);
	expect_asked(test, 3);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	asks = 0;
	dma_iova_unbind(binding[5]);
	bind_again(test, c, binding[5], b);
	expect_asked(test, 4);
	/* The first of several in one space goes, and it is still counted. */
	dma_iova_unbind(binding[0]);
	dma_iova_unbind(binding[3]);
	dma_iova_unbind(binding[5]);
	bind_again(test, c, binding[5], b);
	expect_asked(test, 4);
	dma_iova_unbind(binding[1]);
	dma_iova_unbind(binding[2]);
	dma_iova_unbind(binding[4]);
	dma_iova_unbind(binding[5]);
	bind_again(test, c, binding[5], b);
	expect_asked(test, 2);
	dma_iova_unbind(binding[5]);
	dma_backing_vunmap(b);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* A CPU mapping is a mapper like the others. */
static void r000_5_cpu_mapping_is_counted(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(a), 2 * P, 0);
	struct dma_binding *one;
	struct bk_snap snap;

	count_spaces(test);
	one = bk_bind_all(test, a, b);
	bk_snap(&snap, a, one->state, b);
	KUNIT_EXPECT_PTR_EQ(test, dma_backing_vmap(b, 0),
			    (void *)ERR_PTR(-EBUSY));
	bk_expect_same(test, &snap, "live");
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	dma_backing_vunmap(b);
	dma_iova_unbind(one);
	/* Mapped first, it is the device that comes second. */
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, one->state, one, 0, b, 0, 2 * P));
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
	dma_iova_unbind(one);
	dma_backing_vunmap(b);
}

/* What is not cached is not shared, however many map it. */
static void r000_5_uncached_is_never_shared(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, true);
	struct dma_binding *one, *two;
	struct dma_backing *b;

	bk_need_uncached(test);
	b = bk_alloc(test, fake_device(a), 2 * P, DMA_BACKING_UNCACHED);
	count_spaces(test);
	one = bk_bind_all(test, a, b);
	two = bk_bind_all(test, c, b);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(dma_backing_vmap(b, 0)));
	KUNIT_EXPECT_FALSE(test, bk_snoops(a, one));
	KUNIT_EXPECT_FALSE(test, bk_snoops(c, two));
	dma_backing_vunmap(b);
}

/*
 * The entries of a live binding are changed, and there is no memory for it, or the
 * IOMMU says no: page table and record say the same afterwards, and no page that
 * was mapped is not.
 */
static void r000_5_escalation_fails(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_alloc(test, fake_device(a), 4 * P,
					 DMA_ATTR_ALLOC_SINGLE_PAGES);
	struct dma_iova_state *s = bk_reserve(test, c, 4 * P);
	struct dma_binding *one, *two, *three = bk_binding(test);
	unsigned int n;

	count_spaces(test);
	one = bk_bind_all(test, a, b);
	two = bk_bind_all(test, a, b);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	for (n = 1; n <= 3; n++) {
		if (n < 3)
			a->iommu->fail_map = n;
		else
			a->iommu->fail_sync = 1;
		KUNIT_EXPECT_EQ(test, n < 3 ? -ENOMEM : -EIO,
				bk_bind(c, s, three, 0, b, 0, 4 * P));
		KUNIT_EXPECT_EQ(test, bk_snoops(a, one), one->mapper.coherent);
		KUNIT_EXPECT_EQ(test, bk_snoops(a, two), two->mapper.coherent);
		bk_expect_bound(test, a, dma_binding_addr(one), b, 0, 4 * P);
		bk_expect_bound(test, a, dma_binding_addr(two), b, 0, 4 * P);
		fr_expect_nothing(test, c, dma_iova_addr(s), 4);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
	}
	KUNIT_EXPECT_EQ(test, 0, bk_bind(c, s, three, 0, b, 0, 4 * P));
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
	KUNIT_EXPECT_TRUE(test, bk_snoops(a, two));
	KUNIT_EXPECT_TRUE(test, bk_snoops(c, three));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	dma_iova_unbind(one);
	dma_iova_unbind(two);
	dma_iova_unbind(three);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/**
 * struct leaver - who unbinds while another mapper wants the bit to change
 * @fake: its device
 * @state: its reservation
 * @backing: what is bound there
 * @bad: a page that was still mapped when the binding was gone, or an error
 * @rounds: how often
 */
struct leaver {
	struct fake_dev *fake;
	struct dma_iova_state *state;
	struct dma_backing *backing;
	unsigned int bad;
	unsigned int rounds;
};

static int come_and_go(void *data)
{
	struct dma_binding *binding = kzalloc_obj(*binding);
	struct leaver *t = data;

	while (binding && !kthread_should_stop()) {
		if (bk_bind(t->fake, t->state, binding, 0, t->backing, 0,
			    4 * P)) {
			/* Somebody is handing it over. */
			cond_resched();
			continue;
		}
		cond_resched();
		dma_iova_unbind(binding);
		if (fake_dev_phys(t->fake, dma_iova_addr(t->state)) ||
		    fake_dev_phys(t->fake, dma_iova_addr(t->state) + 3 * P))
			t->bad++;
		t->rounds++;
	}
	kfree(binding);
	return 0;
}

/* The other's policy is asked by the case alone: to the leaver nobody snoops. */
static bool nobody_snoops(struct device *dev, unsigned int spaces)
{
	return spaces > 1;
}

static void r000_5_unbound_while_it_changes(struct kunit *test)
{
	/* Its own answer is no, and only the case's policy says otherwise. */
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_alloc(test, fake_device(c), 4 * P,
					 DMA_ATTR_ALLOC_SINGLE_PAGES);
	struct dma_iova_state *s = bk_reserve(test, c, 4 * P);
	struct leaver t = { .fake = a, .backing = b };
	struct dma_binding *binding = bk_binding(test);
	unsigned int i, done = 0, shared = 0;
	struct task_struct *task;

	t.state = bk_reserve(test, a, 4 * P);
	kunit_activate_static_stub(test, dma_backing_share, nobody_snoops);
	task = kthread_run(come_and_go, &t, "leaver");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < 20000; i++) {
		if (dma_backing_begin_cpu_access(b, DMA_FROM_DEVICE))
			continue;
		if (!bk_bind(c, s, binding, 0, b, 0, 4 * P)) {
			shared += binding->mapper.coherent;
			dma_iova_unbind(binding);
			done++;
		}
		while (dma_backing_end_cpu_access(b, DMA_FROM_DEVICE))
			cpu_relax();
		cond_resched();
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, t.bad, 0);
	KUNIT_EXPECT_GT(test, t.rounds, 100);
	KUNIT_EXPECT_GT(test, done, 100);
	KUNIT_EXPECT_GT(test, shared, 10);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	kunit_info(test, "%u unbound, %u changed of %u\n", t.rounds, shared, done);
}

/* Nothing decides but the hook: with another answer, everything has another bit. */
static bool everybody_shares(struct device *dev, unsigned int spaces)
{
	return true;
}

static bool nobody_shares(struct device *dev, unsigned int spaces)
{
	return false;
}

static void r000_6_one_hook_decides(struct kunit *test)
{
	unsigned int coherent;

	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *a = bk_dev(test, 0, coherent);
		struct dma_backing *b = bk_alloc(test, fake_device(a), P,
						 DMA_BACKING_CACHED);
		struct dma_binding *one;

		/* As it is where nobody has another opinion. */
		one = bk_bind_all(test, a, b);
		KUNIT_EXPECT_EQ(test, bk_snoops(a, one), coherent);
		dma_iova_unbind(one);
		kunit_activate_static_stub(test, dma_backing_share,
					   everybody_shares);
		KUNIT_EXPECT_EQ(test, 0, bk_bind(a, one->state, one, 0, b, 0, P));
		KUNIT_EXPECT_TRUE(test, bk_snoops(a, one));
		KUNIT_EXPECT_TRUE(test, one->mapper.coherent);
		dma_iova_unbind(one);
		kunit_activate_static_stub(test, dma_backing_share,
					   nobody_shares);
		KUNIT_EXPECT_EQ(test, 0, bk_bind(a, one->state, one, 0, b, 0, P));
		KUNIT_EXPECT_FALSE(test, bk_snoops(a, one));
		KUNIT_EXPECT_FALSE(test, one->mapper.coherent);
		dma_iova_unbind(one);
		/* Nor is it coherent for who needs that. */
		KUNIT_EXPECT_EQ(test, -EINVAL,
				dma_iova_bind(fake_device(a), one->state, one, 0,
					      b, 0, P, RV_DIR,
					      DMA_ATTR_REQUIRE_COHERENT));
		kunit_deactivate_static_stub(test, dma_backing_share);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_share_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r000_5_follows_the_number),
	KUNIT_CASE(r000_5_what_is_an_address_space),
	KUNIT_CASE(r000_5_cpu_mapping_is_counted),
	KUNIT_CASE(r000_5_uncached_is_never_shared),
	KUNIT_CASE(r000_5_escalation_fails),
	KUNIT_CASE_SLOW(r000_5_unbound_while_it_changes),
	KUNIT_CASE(r000_6_one_hook_decides),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_share_suite = {
	.name = "fake_share_test",
#ifdef HAVE_DMA_BACKING
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_share_cases,
};

kunit_test_suite(fake_share_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("Whether devices snoop what they map, on a fake IOMMU");
MODULE_LICENSE("GPL");
