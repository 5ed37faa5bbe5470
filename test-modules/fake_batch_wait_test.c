// SPDX-License-Identifier: GPL-2.0
/*
 * Batches that want more addresses than there are: each has its turn, in order, and
 * gets all it wants or nothing; whoever gives up, or has to, lets the next one in.
 * On fake_iommu.h's devices.
 */

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "fake_batch.h"

#ifdef HAVE_DMA_BACKING
#include "backing.h"

#define FOREVER	MAX_SCHEDULE_TIMEOUT

/* So long nobody takes who has his turn, however slow the machine is. */
#define PATIENCE	(60 * HZ)

/* Long enough for one who would not wait to be seen. */
#define A_WHILE_MS	100

#define CLIENTS	8

static atomic_t served;

/**
 * struct client - somebody who commits a batch, and keeps it until he is told
 * @b: the batch
 * @task: who
 * @timeout: how long he waits for it
 * @ret: what came of it
 * @nth: the how many-th to get it
 * @done: there is a result
 */
struct client {
	struct bt_batch *b;
	struct task_struct *task;
	unsigned long timeout;
	int ret;
	int nth;
	struct completion done;
};

static int client_thread(void *data)
{
	struct client *c = data;

	allow_signal(SIGKILL);
	c->ret = dma_bind_batch_commit(&c->b->batch, c->timeout);
	if (!c->ret)
		c->nth = atomic_inc_return(&served);
	flush_signals(current);
	complete(&c->done);
	while (!kthread_should_stop())
		msleep_interruptible(1);
	if (!c->ret)
		dma_bind_batch_undo(&c->b->batch);
	return 0;
}

static void client_start(struct kunit *test, struct client *c,
			 struct bt_batch *b, unsigned long timeout)
{
	*c = (struct client){ .b = b, .timeout = timeout };
	init_completion(&c->done);
	c->task = kthread_run(client_thread, c, "client");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->task);
}

/* It is in line when this returns. */
static void client_waits(struct kunit *test, struct client *c,
			 struct bt_batch *b, unsigned long timeout)
{
	unsigned int tries;

	WRITE_ONCE(b->batch.waiting, false);
	client_start(test, c, b, timeout);
	for (tries = 0; tries < 5000 && !READ_ONCE(b->batch.waiting); tries++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(b->batch.waiting));
}

static void client_is_waiting(struct kunit *test, struct client *c)
{
	KUNIT_EXPECT_FALSE(test, completion_done(&c->done));
}

/* He gets @ret, and gives back what he got. A case that goes wrong does not hang. */
static void client_ends(struct kunit *test, struct client *c, int ret)
{
	bool done = wait_for_completion_timeout(&c->done, PATIENCE);

	KUNIT_EXPECT_TRUE_MSG(test, done, "it never had its turn");
	if (!done)
		send_sig(SIGKILL, c->task, 1);
	kthread_stop(c->task);
	if (done)
		KUNIT_EXPECT_EQ(test, c->ret, ret);
}

static struct bt_batch *wants(struct kunit *test, struct fake_dev *fake,
			      unsigned int pages)
{
	struct bt_batch *b = bt_new(test);

	bt_add(test, b, fake, bk_wrap(test, pages, NULL), 0, pages);
	return b;
}

/* -- Behind somebody who hands one of the backings over -- */

static void set_crossing(struct dma_backing *backing, bool crossing)
{
	guard(spinlock_irqsave)(&backing->lock);
	backing->crossing = crossing;
}

static void r004_5_behind_a_hand_over(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *backing = bk_wrap(test, 2, NULL);
	struct bt_batch *b = bt_new(test);
	static struct client c;

	bt_small(test, fake, BT_SPACE);
	bt_add(test, b, fake, bk_wrap(test, 2, NULL), 0, 2);
	bt_add(test, b, fake, backing, 0, 2);

	set_crossing(backing, true);
	KUNIT_EXPECT_EQ(test, -EBUSY, dma_bind_batch_commit(&b->batch, 0));
	bt_expect_nothing(test, b, "handed over, and no time", 0);
	KUNIT_EXPECT_EQ(test, -EBUSY, dma_bind_batch_commit(&b->batch, 2));
	bt_expect_nothing(test, b, "handed over, and too little time", 0);

	client_start(test, &c, b, FOREVER);
	msleep(A_WHILE_MS);
	client_is_waiting(test, &c);
	set_crossing(backing, false);
	client_ends(test, &c, 0);

	set_crossing(backing, true);
	client_start(test, &c, b, FOREVER);
	msleep(A_WHILE_MS);
	send_sig(SIGKILL, c.task, 1);
	client_ends(test, &c, -EINTR);
	set_crossing(backing, false);
	bt_expect_nothing(test, b, "killed", 0);
}

static struct dma_backing *mapped_backing;
static unsigned long cleaned_at_map;

static void note_cleaned(void)
{
	cleaned_at_map = mapped_backing->cleaned;
}

/* As by dma_iova_bind(): devices can be there as soon as it is mapped. */
static void r004_5_handed_over_before_it_is_mapped(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *backing = bk_wrap(test, 2, NULL);
	struct bt_batch *b = bt_new(test);

	if (dev_is_dma_coherent(fake_device(fake)))
		kunit_skip(test, "all devices are coherent here");
	bt_small(test, fake, BT_SPACE);
	bt_add(test, b, fake, backing, 0, 2);
	mapped_backing = backing;
	fake->iommu->on_map = note_cleaned;
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&b->batch, 0));
	KUNIT_EXPECT_EQ(test, cleaned_at_map, 1);
	KUNIT_EXPECT_TRUE(test, backing->device_side);
	dma_bind_batch_undo(&b->batch);

	/* One that fails has not handed it over for good. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing, RV_DIR));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, RV_DIR));
	KUNIT_EXPECT_FALSE(test, backing->device_side);
	fake->iommu->fail_sync = 1;
	KUNIT_EXPECT_EQ(test, -EIO, dma_bind_batch_commit(&b->batch, 0));
	KUNIT_EXPECT_FALSE(test, backing->device_side);
	bt_expect_nothing(test, b, "not told", 0);
}

/* -- In line -- */

static void r004_7_in_the_order_of_arrival(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	static struct client c[CLIENTS];
	struct dma_iova_state *hog;
	unsigned int i;

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, BT_SPACE * P);
	atomic_set(&served, 0);
	/* No two have room at the same time. */
	for (i = 0; i < CLIENTS; i++)
		client_waits(test, &c[i],
			     wants(test, fake, BT_SPACE / 2 + 1 + i * 5 % 8),
			     FOREVER);
	msleep(A_WHILE_MS);
	for (i = 0; i < CLIENTS; i++)
		client_is_waiting(test, &c[i]);
	bk_unreserve(fake, hog);
	for (i = 0; i < CLIENTS; i++) {
		client_ends(test, &c[i], 0);
		KUNIT_EXPECT_EQ(test, c[i].nth, i + 1);
	}
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), BT_SPACE * P);
}

/* There would be room for the second, but not if the first were served first. */
static void r004_7_nobody_overtakes(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct bt_batch *large, *small, *other;
	struct dma_iova_state *hog, state;
	struct dma_backing_sgt list;
	struct client c[2];
	dma_addr_t addr;

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, 40 * P);
	large = wants(test, fake, 40);
	small = wants(test, fake, 8);
	other = wants(test, fake, 1);
	client_waits(test, &c[0], large, FOREVER);
	client_waits(test, &c[1], small, FOREVER);
	msleep(A_WHILE_MS);
	client_is_waiting(test, &c[0]);
	client_is_waiting(test, &c[1]);
	/* Nor does anybody else, and whoever waits has nothing. */
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			rv_reserve(fake_device(fake), &state, P, 0, 0, 0));
	KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			dma_backing_sgt_init(&list, fake_device(fake),
					     other->entry[0].backing));
	KUNIT_EXPECT_EQ(test, -EAGAIN, dma_bind_batch_commit(&other->batch, 0));
	bt_expect_nothing(test, other, "overtaken", 0);
	/* What can never be met is no matter of turns. */
	KUNIT_EXPECT_EQ(test, -EINVAL,
			rv_reserve(fake_device(fake), &state,
				   (BT_SPACE + 1) * P, 0, 0, 0));
	/* That is outside of the promise. */
	addr = fk_map(test, fake, bk_pages(test, 1)[0]);
	fk_unmap(fake, addr);

	bk_unreserve(fake, hog);
	client_ends(test, &c[0], 0);
	client_ends(test, &c[1], 0);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&other->batch, 0));
	dma_bind_batch_undo(&other->batch);
	KUNIT_EXPECT_EQ(test, 0,
			rv_reserve(fake_device(fake), &state, P, 0, 0, 0));
	dma_iova_free(fake_device(fake), &state);
}

/* Who has nothing to do with them is not kept waiting. */
static void r004_7_other_spaces_go_on(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *b = bk_dev(test, 0, true);
	struct dma_iova_state *hog, state;
	struct bt_batch *batch;
	struct client c;

	bt_small(test, a, BT_SPACE);
	bt_small(test, b, BT_SPACE);
	hog = bk_reserve(test, a, BT_SPACE * P);
	client_waits(test, &c, wants(test, a, 8), FOREVER);
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(fake_device(b), &state, P, 0, 0, 0));
	dma_iova_free(fake_device(b), &state);
	batch = wants(test, b, BT_SPACE);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	dma_bind_batch_undo(&batch->batch);
	client_is_waiting(test, &c);
	bk_unreserve(a, hog);
	client_ends(test, &c, 0);
}

static void r004_7_without_waiting(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *hog;
	struct bt_batch *b;
	unsigned int i;

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, BT_SPACE / 2 * P);
	b = wants(test, fake, BT_SPACE / 4);
	for (i = 0; i < 2; i++)
		bt_add(test, b, fake, b->entry[0].backing, 0, BT_SPACE / 4);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, -ENOSPC,
				dma_bind_batch_commit(&b->batch, 0));
		bt_expect_nothing(test, b, "no room", i);
		KUNIT_EXPECT_EQ(test, bt_room(test, fake), BT_SPACE / 2 * P);
	}
	bk_unreserve(fake, hog);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&b->batch, 0));
}

/* -- Who gives up -- */

/* The one that gives up is first in line, the other one has room behind it. */
static void give_up(struct kunit *test, unsigned long timeout, bool kill,
		    int ret)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct bt_batch *large, *small;
	unsigned long start = jiffies;
	struct dma_iova_state *hog;
	struct client c[2];

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, 40 * P);
	large = wants(test, fake, 40);
	small = wants(test, fake, 8);
	client_waits(test, &c[0], large, timeout);
	client_waits(test, &c[1], small, FOREVER);
	if (kill) {
		client_is_waiting(test, &c[0]);
		send_sig(SIGKILL, c[0].task, 1);
	}
	client_ends(test, &c[0], ret);
	if (!kill)
		KUNIT_EXPECT_GE(test, jiffies - start, timeout);
	bt_expect_unbound(test, large, "given up", 0);
	client_ends(test, &c[1], 0);
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), (BT_SPACE - 40) * P);
	/* It is as it was before. */
	bk_unreserve(fake, hog);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&large->batch, 0));
	dma_bind_batch_undo(&large->batch);
}

static void r004_7_timeout(struct kunit *test)
{
	give_up(test, HZ, false, -ETIMEDOUT);
}

static void r004_7_killed(struct kunit *test)
{
	give_up(test, FOREVER, true, -EINTR);
}

/* One that is not first, and whose turn comes too late. */
static void r004_7_timeout_in_line(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_state *hog;
	struct client c[2];

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, 40 * P);
	client_waits(test, &c[0], wants(test, fake, 40), FOREVER);
	client_waits(test, &c[1], wants(test, fake, 8), HZ / 5);
	client_ends(test, &c[1], -ETIMEDOUT);
	client_is_waiting(test, &c[0]);
	bk_unreserve(fake, hog);
	client_ends(test, &c[0], 0);
}

static void r004_7_errors_let_the_next_in(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct bt_batch *bad, *good;
	struct dma_iova_state *hog;
	struct client c[2];

	bt_small(test, fake, BT_SPACE);
	hog = bk_reserve(test, fake, BT_SPACE * P);
	bad = bt_new(test);
	KUNIT_ASSERT_EQ(test, 0, bt_try_add(bad, fake, bk_wrap(test, 40, NULL),
					    0, 40, 0, 0, DMA_ATTR_WRITE_COMBINE));
	good = wants(test, fake, 40);
	client_waits(test, &c[0], bad, FOREVER);
	client_waits(test, &c[1], good, FOREVER);
	bk_unreserve(fake, hog);
	client_ends(test, &c[0], -EINVAL);
	client_ends(test, &c[1], 0);
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), BT_SPACE * P);
}

/* -- What they wait for goes away -- */

static void r004_7_device_leaves(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *b = bk_dev(test, 0, true);
	struct dma_iova_state *hog;
	struct bt_batch *large;
	struct client c[2];

	bt_join(test, bt_small(test, b, BT_SPACE), a);
	hog = bk_reserve(test, b, 40 * P);
	large = wants(test, a, 40);
	client_waits(test, &c[0], large, FOREVER);
	client_waits(test, &c[1], wants(test, b, 8), FOREVER);
	client_is_waiting(test, &c[0]);
	bt.in[1] = NULL;
	dma_space_detach(fake_device(a));
	client_ends(test, &c[0], -ENODEV);
	bt_expect_unbound(test, large, "left", 0);
	client_ends(test, &c[1], 0);
	bk_unreserve(b, hog);
	/* It is in its default domain now, and that is large. */
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&large->batch, 0));
	bt_expect_bound(test, large, &a);
	dma_bind_batch_undo(&large->batch);
}

/* A batch of two spaces waits for room in that of @b, and one of @b behind it. */
static struct dma_iova_state *waits_in_two(struct kunit *test,
					   struct fake_dev *a,
					   struct fake_dev *b,
					   struct client c[2])
{
	struct dma_iova_state *hog;
	struct bt_batch *both;

	bt_small(test, b, BT_SPACE);
	hog = bk_reserve(test, b, 40 * P);
	both = wants(test, b, 40);
	bt_add(test, both, a, both->entry[0].backing, 0, 8);
	client_waits(test, &c[0], both, FOREVER);
	client_waits(test, &c[1], wants(test, b, 8), FOREVER);
	return hog;
}

/* The last one to leave; what it waits for is in another space. */
static void r004_7_space_goes_away(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *b = bk_dev(test, 1, true);
	int domains = atomic_read(&a->iommu->domains);
	struct dma_iova_state *hog;
	struct dma_space *space;
	struct client c[2];

	space = create(test, a, FIRST, LAST);
	attach(test, space, a);
	hog = waits_in_two(test, a, b, c);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->iommu->domains), domains + 1);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
	client_ends(test, &c[0], -ENODEV);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->iommu->domains), domains);
	bt_expect_unbound(test, c[0].b, "gone", 0);
	client_ends(test, &c[1], 0);
	bk_unreserve(b, hog);
}

/* A default domain is freed by others, and does not ask who waits there. */
static void r004_7_default_domain_goes_away(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, true), *b = bk_dev(test, 1, true);
	struct dma_iova_state *hog;
	struct client c[2];

	hog = waits_in_two(test, a, b, c);
	KUNIT_EXPECT_GT(test, fk_write_type(a, "identity"), 0);
	client_ends(test, &c[0], -ENODEV);
	bt_expect_unbound(test, c[0].b, "gone", 0);
	client_ends(test, &c[1], 0);
	bk_unreserve(b, hog);
}

/* -- Room that is made without a word -- */

static void r004_7_unmapped_without_a_word(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct page **pages = bk_pages(test, BT_SPACE);
	unsigned long start;
	dma_addr_t *addr;
	struct client c;
	unsigned int i;

	addr = kunit_kcalloc(test, BT_SPACE, sizeof(*addr), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	bt_small(test, fake, BT_SPACE);
	for (i = 0; i < BT_SPACE; i++)
		addr[i] = fk_map(test, fake, pages[i]);
	client_waits(test, &c, wants(test, fake, BT_SPACE / 2), FOREVER);
	msleep(A_WHILE_MS);
	client_is_waiting(test, &c);
	for (i = 0; i < BT_SPACE; i++)
		fk_unmap(fake, addr[i]);
	start = jiffies;
	client_ends(test, &c, 0);
	/* It looks again every 10 ms, but then the machine may be slow. */
	KUNIT_EXPECT_LT(test, jiffies - start, 4 * HZ);
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), BT_SPACE * P);
}

/* -- Everybody wants everything -- */

#define ROUNDS	200

/* All of it, on a machine that has other things to do. */
#define MUCH_PATIENCE	(240 * HZ)

/**
 * struct greedy - one of those who take more than half, again and again
 * @b: what of
 * @task: who
 * @rounds: how often it had its turn
 * @bad: an error, or something was not where it should be
 * @done: that was the last round
 */
struct greedy {
	struct bt_batch *b;
	struct task_struct *task;
	unsigned int rounds;
	int bad;
	struct completion done;
};

static struct fake_dev *greedy_dev[2];

static bool is_where_it_should_be(struct bt_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->count; i++) {
		struct dma_bind_entry *e = &b->entry[i];
		dma_addr_t addr = dma_binding_addr(&e->binding);
		struct fake_dev *fake;

		fake = greedy_dev[e->dev != fake_device(greedy_dev[0])];
		if (fake_dev_phys(fake, addr + e->len - P) !=
		    bk_phys(e->backing, e->boff + e->len - P))
			return false;
	}
	return true;
}

static int greedy_thread(void *data)
{
	struct greedy *g = data;

	allow_signal(SIGKILL);
	while (!g->bad && g->rounds < ROUNDS) {
		g->bad = dma_bind_batch_commit(&g->b->batch, FOREVER);
		if (g->bad)
			break;
		if (!is_where_it_should_be(g->b))
			g->bad = -EFAULT;
		cond_resched();
		dma_bind_batch_undo(&g->b->batch);
		g->rounds++;
	}
	complete(&g->done);
	while (!kthread_should_stop())
		msleep_interruptible(1);
	return 0;
}

/* Each takes two parts of a space, or one in each of two, in either order. */
static void everybody_wants_everything(struct kunit *test, unsigned int count,
				       unsigned int spaces)
{
	static struct greedy g[CLIENTS];
	unsigned int i, j;

	for (i = 0; i < spaces; i++) {
		greedy_dev[i] = bk_dev(test, i, true);
		bt_small(test, greedy_dev[i], BT_SPACE);
	}
	for (i = 0; i < count; i++) {
		struct dma_backing *b = bk_wrap(test, BT_SPACE, NULL);

		g[i] = (struct greedy){ .b = bt_new(test) };
		init_completion(&g[i].done);
		for (j = 0; j < 4; j++)
			bt_add(test, g[i].b, greedy_dev[(i + j) % spaces], b,
			       j * 10, spaces == 1 ? 10 : 20);
	}
	for (i = 0; i < count; i++) {
		g[i].task = kthread_run(greedy_thread, &g[i], "greedy/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, g[i].task);
	}
	for (i = 0; i < count; i++) {
		bool done = wait_for_completion_timeout(&g[i].done,
							MUCH_PATIENCE);

		KUNIT_EXPECT_TRUE_MSG(test, done, "%u of %u, %u spaces", i,
				      count, spaces);
		if (!done)
			send_sig(SIGKILL, g[i].task, 1);
	}
	for (i = 0; i < count; i++) {
		kthread_stop(g[i].task);
		KUNIT_EXPECT_EQ(test, g[i].bad, 0);
		KUNIT_EXPECT_EQ(test, g[i].rounds, ROUNDS);
	}
	for (i = 0; i < spaces; i++)
		KUNIT_EXPECT_EQ(test, bt_room(test, greedy_dev[i]),
				BT_SPACE * P);
}

static void r004_7_two_clients(struct kunit *test)
{
	everybody_wants_everything(test, 2, 1);
}

static void r004_7_eight_clients(struct kunit *test)
{
	everybody_wants_everything(test, CLIENTS, 1);
}

static void r004_7_two_clients_in_two_spaces(struct kunit *test)
{
	everybody_wants_everything(test, 2, 2);
}

static void r004_7_eight_clients_in_two_spaces(struct kunit *test)
{
	everybody_wants_everything(test, CLIENTS, 2);
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_batch_wait_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r004_5_behind_a_hand_over),
	KUNIT_CASE(r004_5_handed_over_before_it_is_mapped),
	KUNIT_CASE(r004_7_in_the_order_of_arrival),
	KUNIT_CASE(r004_7_nobody_overtakes),
	KUNIT_CASE(r004_7_other_spaces_go_on),
	KUNIT_CASE(r004_7_without_waiting),
	KUNIT_CASE_SLOW(r004_7_timeout),
	KUNIT_CASE(r004_7_killed),
	KUNIT_CASE(r004_7_timeout_in_line),
	KUNIT_CASE(r004_7_errors_let_the_next_in),
	KUNIT_CASE(r004_7_device_leaves),
	KUNIT_CASE(r004_7_space_goes_away),
	KUNIT_CASE(r004_7_default_domain_goes_away),
	KUNIT_CASE(r004_7_unmapped_without_a_word),
	KUNIT_CASE_SLOW(r004_7_two_clients),
	KUNIT_CASE_SLOW(r004_7_eight_clients),
	KUNIT_CASE_SLOW(r004_7_two_clients_in_two_spaces),
	KUNIT_CASE_SLOW(r004_7_eight_clients_in_two_spaces),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_batch_wait_suite = {
	.name = "fake_batch_wait_test",
#ifdef HAVE_DMA_BACKING
	.init = bt_init,
	.exit = bt_exit,
#endif
	.test_cases = fake_batch_wait_cases,
};

kunit_test_suite(fake_batch_wait_suite);

MODULE_DESCRIPTION("Batches that wait for room, on a fake IOMMU");
MODULE_LICENSE("GPL");
