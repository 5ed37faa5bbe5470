// SPDX-License-Identifier: GPL-2.0
/*
 * What DMA debugging makes of drivers that do everything right, for long: nothing.
 * Links of random ranges, undone as random unions, against a model.
 */

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "fake_debug.h"

#ifdef HAVE_DMA_RESERVE

#define MANY	32
#define ROUNDS	4000

/**
 * struct model - what is linked
 * @r: the reservation
 * @rnd: random numbers
 * @link: what starts at each page; without pages: nothing does
 */
struct model {
	struct resv *r;
	struct rnd_state rnd;
	struct model_link {
		unsigned int pages;
		enum dma_data_direction dir;
		unsigned long attrs;
		bool synced;
	} link[MANY];
};

static unsigned int pick(struct model *m, unsigned int n)
{
	return prandom_u32_state(&m->rnd) % n;
}

/* The start of what is linked at @page, or -1. */
static int model_find(struct model *m, unsigned int page)
{
	int i;

	for (i = page; i >= 0; i--)
		if (m->link[i].pages)
			return i + m->link[i].pages > page ? i : -1;
	return -1;
}

static void random_link(struct kunit *test, struct model *m)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE };
	static const unsigned long attrs[] = {
		0, 0, DMA_ATTR_SKIP_CPU_SYNC, DMA_ATTR_PRIVILEGED };
	unsigned int page = pick(m, MANY), most = 1 + pick(m, 4), pages = 0;
	struct model_link *link = &m->link[page];
	struct step s = { LINK, page };

	while (pages < most && page + pages < MANY &&
	       model_find(m, page + pages) < 0)
		pages++;
	if (!pages)
		return;
	s.pages = pages;
	s.dir = dirs[pick(m, ARRAY_SIZE(dirs))];
	s.attrs = attrs[pick(m, ARRAY_SIZE(attrs))];
	KUNIT_EXPECT_EQ(test, do_step(m->r, &s), 0);
	*link = (struct model_link){ pages, s.dir, s.attrs, false };
}

/* One that does not work, and says nothing of what is there. */
static void random_failure(struct kunit *test, struct model *m)
{
	unsigned int page = pick(m, MANY - 1);

	if (model_find(m, page) >= 0)
		return;
	if (m->r->kind == ONE_TO_ONE &&
	    dma_iova_addr(&m->r->state) == DMA_MAPPING_ERROR)
		return;
	KUNIT_EXPECT_NE(test, fail_link(m->r, page * PAGE_SIZE, PAGE_SIZE), 0);
}

/* Some links from that at @page on, without a gap; returns their pages. */
static unsigned int random_union(struct model *m, unsigned int page, bool alike)
{
	struct model_link *first = &m->link[page];
	unsigned int next = page, most = 1 + pick(m, 4);

	while (most-- && next < MANY && m->link[next].pages) {
		struct model_link *link = &m->link[next];

		if (alike && (link->dir != first->dir ||
			      (link->attrs ^ first->attrs) & DMA_ATTR_PRIVILEGED))
			break;
		next += link->pages;
	}
	return next - page;
}

static void sync_union(struct kunit *test, struct model *m, unsigned int page,
		       unsigned int pages)
{
	struct step s = { SYNC, page, pages };
	unsigned int i;

	KUNIT_EXPECT_EQ(test, do_step(m->r, &s), 0);
	for (i = page; i < page + pages; i++)
		m->link[i].synced = true;
}

/* Synced or not: nobody says that the device has used it. */
static void unlink_union(struct model *m, unsigned int page, unsigned int pages)
{
	struct step s = { UNLINK, page, pages, m->link[page].dir,
			  m->link[page].attrs };

	do_step(m->r, &s);
	memset(&m->link[page], 0, pages * sizeof(m->link[0]));
}

static void random_data(struct kunit *test, struct model *m, unsigned int page)
{
	struct model_link *link = &m->link[page];
	size_t len = link->pages * PAGE_SIZE, off = pick(m, len);
	size_t size = 1 + pick(m, len - off);

	off += page * PAGE_SIZE;
	if (!link->synced)
		sync_union(test, m, page, link->pages);
	if (pick(m, 2))
		dma_iova_sync_for_cpu(m->r->dev, &m->r->state, off, size,
				      link->dir);
	else
		dma_iova_sync_for_device(m->r->dev, &m->r->state, off, size,
					 link->dir);
}

static void unlink_all(struct model *m)
{
	unsigned int page;

	for (page = 0; page < MANY; page++)
		while (m->link[page].pages)
			unlink_union(m, page, random_union(m, page, true));
}

static void random_step(struct kunit *test, struct model *m)
{
	int page = model_find(m, pick(m, MANY));

	switch (pick(m, 8)) {
	case 0 ... 2:
		random_link(test, m);
		break;
	case 3:
		if (page >= 0)
			sync_union(test, m, page, random_union(m, page, false));
		break;
	case 4 ... 5:
		if (page >= 0)
			unlink_union(m, page, random_union(m, page, true));
		break;
	case 6:
		if (page >= 0)
			random_data(test, m, page);
		break;
	case 7:
		if (!pick(m, 4))
			random_failure(test, m);
		break;
	}
}

/* Also, each record goes back to the pool. */
static void nothing_wrong_for_long(struct kunit *test)
{
	struct resv *r = begin(test, MANY);
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned int i;
	int left;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->r = r;
	prandom_seed_state(&m->rnd, 20260101);
	left = read_knob(test, r->user, DMA_DEBUG_DIR "num_free_entries");
	for (i = 0; i < ROUNDS; i++) {
		random_step(test, m);
		if (i % 500 == 499) {
			unlink_all(m);
			dma_iova_free(r->dev, &r->state);
			reserve(test, r);
		}
		KUNIT_ASSERT_EQ_MSG(test, new_errors(test, r->user), 0,
				    "round %u", i);
	}
	KUNIT_EXPECT_EQ(test, read_knob(test, r->user,
					DMA_DEBUG_DIR "num_free_entries"), left);
	free_it(test, r, 0);
	KUNIT_EXPECT_EQ(test, read_knob(test, r->user,
					DMA_DEBUG_DIR "num_free_entries"),
			left + 1);
}

/**
 * struct share - the part of a reservation that one thread uses
 * @r: the reservation
 * @first: first page
 * @pages: number of pages
 * @bad: calls that failed
 * @done: the thread is through
 */
struct share {
	struct resv *r;
	unsigned int first;
	unsigned int pages;
	unsigned int bad;
	struct completion done;
};

static int use_share(void *data)
{
	struct share *share = data;
	unsigned int i;

	for (i = 0; i < ROUNDS / 4; i++) {
		unsigned int page = share->first + i % share->pages;
		struct step link = { LINK, page, 1, DMA_TO_DEVICE };
		struct step sync = { SYNC, page, 1 };
		struct step data = { FOR_DEVICE, page, 1, DMA_TO_DEVICE };
		struct step unlink = { UNLINK, page, 1, DMA_TO_DEVICE };

		if (do_step(share->r, &link) || do_step(share->r, &sync)) {
			share->bad++;
			break;
		}
		do_step(share->r, &data);
		do_step(share->r, &unlink);
	}
	complete(&share->done);
	return 0;
}

#define THREADS	4

/* Parts of one reservation, each in the hands of a thread of its own. */
static void at_the_same_time(struct kunit *test)
{
	struct resv *r = begin(test, MANY);
	struct share share[THREADS];
	struct step keep = { LINK, 0, 1 }, sync = { SYNC, 0, 1 };
	struct step drop = { UNLINK, 0, 1 };
	unsigned int i;

	/* So that a one-to-one reservation keeps its address. */
	KUNIT_ASSERT_EQ(test, do_step(r, &keep), 0);
	KUNIT_EXPECT_EQ(test, do_step(r, &sync), 0);
	for (i = 0; i < THREADS; i++) {
		share[i] = (struct share){ r, 1 + i * 7, 7 };
		init_completion(&share[i].done);
		if (IS_ERR(kthread_run(use_share, &share[i], "share%u", i))) {
			share[i].bad = 1;
			complete(&share[i].done);
		}
	}
	for (i = 0; i < THREADS; i++) {
		wait_for_completion(&share[i].done);
		KUNIT_EXPECT_EQ(test, share[i].bad, 0);
	}
	do_step(r, &drop);
	free_it(test, r, 0);
}

static struct kunit_case fake_debug_random_cases[] = {
	KIND_CASE(nothing_wrong_for_long),
	KIND_CASE(at_the_same_time),
	{}
};

#else /* no reservations */

static struct kunit_case fake_debug_random_cases[] = {
	KUNIT_CASE(no_reservations_here),
	{}
};

#endif

static struct kunit_suite fake_debug_random_suite = {
	.name = "fake_debug_random_test",
	.suite_init = count_only,
	.suite_exit = show_again,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_debug_random_cases,
};

kunit_test_suite(fake_debug_random_suite);

MODULE_DESCRIPTION("What DMA debugging does not say of reservations");
MODULE_LICENSE("GPL");
