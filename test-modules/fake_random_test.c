// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations that many use at the same time, and a long run of random calls
 * against a model, on the fake IOMMU (fake_iommu.h).
 */

#include <linux/kthread.h>
#include <linux/prandom.h>

#include "fake_test.h"
#include "reserve.h"

#ifdef HAVE_DMA_RESERVE
#include "fake_reserve.h"

/* -- At the same time -- */

/**
 * struct parts - one of two that use different parts of a reservation
 * @dev: the device
 * @state: the reservation
 * @phys: memory for all of it
 * @first: first page of this one's part, which is half of it
 * @bad: calls that failed, or an address that was wrong
 * @rounds: how often
 */
struct parts {
	struct device *dev;
	struct dma_iova_state *state;
	phys_addr_t phys;
	unsigned int first;
	unsigned int bad;
	unsigned int rounds;
};

static int use_part(void *data)
{
	const unsigned int half = RV_PAGES / 2;
	struct parts *p = data;

	while (!kthread_should_stop()) {
		if (rv_link(p->dev, p->state, p->phys, p->first, 1) ||
		    rv_link(p->dev, p->state, p->phys, p->first + 1, half - 1)) {
			p->bad++;
			break;
		}
		if (dma_iova_sync(p->dev, p->state, p->first * P, half * P) ||
		    dma_iova_addr(p->state) == DMA_MAPPING_ERROR)
			p->bad++;
		dma_iova_sync_for_cpu(p->dev, p->state, p->first * P, half * P,
				      RV_DIR);
		dma_iova_sync_for_device(p->dev, p->state, p->first * P, half * P,
					 RV_DIR);
		rv_unlink(p->dev, p->state, p->first, half);
		p->rounds++;
		cond_resched();
	}
	while (!kthread_should_stop())
		usleep_range(1000, 2000);
	return 0;
}

static void in_parts(struct kunit *test, struct fake_dev *fake)
{
	struct device *dev = fake_device(fake);
	struct task_struct *task[2];
	struct dma_iova_state state;
	struct parts p[2] = {};
	phys_addr_t phys;
	unsigned int i;
	u8 *mem;

	phys = rv_block(test, &mem);
	rv_any(test, dev, &state);
	for (i = 0; i < 2; i++) {
		p[i] = (struct parts){ .dev = dev, .state = &state, .phys = phys,
				       .first = i * RV_PAGES / 2 };
		task[i] = kthread_run(use_part, &p[i], "use_part/%u", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task[i]);
	}
	msleep(1000);
	for (i = 0; i < 2; i++) {
		kthread_stop(task[i]);
		KUNIT_EXPECT_EQ(test, p[i].bad, 0);
		KUNIT_EXPECT_GT(test, p[i].rounds, 10);
	}
	if (fake->iommu)
		fr_expect_nothing(test, fake, dma_iova_addr(&state), RV_PAGES);
	else
		KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	dma_iova_free(dev, &state);
}

static void r002_5_parts_at_the_same_time(struct kunit *test)
{
	in_parts(test, fk_dev(test, &(struct fake_config){}));
	in_parts(test, fk_dev(test, &(struct fake_config){
				.untranslated = true }));
}

/**
 * struct reserver - one that reserves while others attach
 * @dev: its device
 * @lock: held while @last changes
 * @last: last address of what it has, 0 if it has nothing
 * @limited: the other is in the space
 * @bad: reservations out of the other's reach after that
 * @rounds: how often
 */
struct reserver {
	struct device *dev;
	struct mutex lock; /* @last */
	dma_addr_t last;
	bool limited;
	unsigned int bad;
	unsigned int rounds;
};

/* False if there was no room. */
static bool reserve_one(struct reserver *r, struct dma_iova_state *state)
{
	bool limited;

	guard(mutex)(&r->lock);
	/* Pairs with the release once the other is in. */
	limited = smp_load_acquire(&r->limited);
	if (rv_reserve(r->dev, state, 2 * P, 0, 0, 0)) {
		r->bad++;
		return false;
	}
	r->last = dma_iova_addr(state) + 2 * P - 1;
	if (limited && r->last > S_REACH)
		r->bad++;
	return true;
}

static int reserve_all_the_time(void *data)
{
	struct reserver *r = data;
	struct dma_iova_state state;

	while (!kthread_should_stop()) {
		if (!reserve_one(r, &state))
			continue;
		cond_resched();
		scoped_guard(mutex, &r->lock) {
			dma_iova_free(r->dev, &state);
			r->last = 0;
		}
		r->rounds++;
	}
	return 0;
}

static void r002_2_reserved_while_others_attach(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct reserver r = { .dev = fake_device(a) };
	unsigned int i, n, before, busy = 0, entered = 0;

	mutex_init(&r.lock);
	fr_shorten(test, b, false);
	for (i = 0; i < 30; i++) {
		struct dma_space *space = create(test, a, S_FIRST, S_LAST);
		struct task_struct *task;
		int ret = -EBUSY;

		attach(test, space, a);
		r.limited = false;
		before = READ_ONCE(r.rounds);
		task = kthread_run(reserve_all_the_time, &r, "reserver");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
		while (READ_ONCE(r.rounds) == before)
			usleep_range(100, 200);
		for (n = 0; ret == -EBUSY && n < 300; n++) {
			ret = dma_space_attach(space, fake_device(b));
			busy += ret == -EBUSY;
			usleep_range(50, 150);
		}
		/* There may be one each time. */
		KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -EBUSY, "%d", ret);
		if (!ret) {
			entered++;
			/* Whoever sees it reserves after the attach. */
			smp_store_release(&r.limited, true);
			scoped_guard(mutex, &r.lock)
				KUNIT_EXPECT_LE(test, r.last, S_REACH);
			usleep_range(2000, 4000);
			dma_space_detach(fake_device(b));
		}
		kthread_stop(task);
		dma_space_detach(fake_device(a));
		dma_space_put(space);
	}
	KUNIT_EXPECT_EQ(test, r.bad, 0);
	KUNIT_EXPECT_GT(test, busy, 0);
	KUNIT_EXPECT_GT(test, entered, 0);
	kunit_info(test, "%u reservations, refused %u times\n", r.rounds, busy);
	mutex_destroy(&r.lock);
}

/* -- A long run against a model -- */

#define M_WINDOWS	3
#define M_PAGES		32
#define M_STATES	10
#define M_MAPS		6
#define M_ORDER		6
#define M_STEPS		8000
#define NOBODY		0xff

#define M_FIRST(w)	((dma_addr_t)SZ_64M + (w) * SZ_1M)

/**
 * struct m_state - a reservation as it should be
 * @state: as the kernel has it
 * @live: it is reserved
 * @win: in this window
 * @first: from this page of it on
 * @pages: so many
 * @size: in bytes
 * @pfn: behind each page, 0 if it is not linked
 * @link: the first page of the link that a page belongs to
 * @len: its length in bytes, at its first page
 */
struct m_state {
	struct dma_iova_state state;
	bool live;
	unsigned int win;
	unsigned int first;
	unsigned int pages;
	size_t size;
	unsigned long pfn[M_PAGES];
	u8 link[M_PAGES];
	size_t len[M_PAGES];
};

struct m_map {
	dma_addr_t addr;
	unsigned int order;
	bool live;
};

/**
 * struct model - all there is
 * @dev: the device
 * @fake: likewise
 * @page: memory to link
 * @s: reservations
 * @map: streaming mappings, which take the same addresses
 * @owner: whose a page is
 * @rnd: what comes next
 * @line: where something went wrong first
 * @step: and when
 * @count: how often each kind of call did something
 */
struct model {
	struct device *dev;
	struct fake_dev *fake;
	struct page *page;
	struct m_state s[M_STATES];
	struct m_map map[M_MAPS];
	u8 owner[M_WINDOWS][M_PAGES];
	struct rnd_state rnd;
	unsigned int line;
	unsigned int step;
	unsigned int count[8];
};

enum { DID_RESERVE, DID_NOSPC, DID_INVAL, DID_LINK, DID_FAIL, DID_UNLINK, DID_DESTROY, DID_MAP };

/* KUnit may sleep; the first failure is told when it is over. */
#define M_CHECK(m, cond) do {				\
	if (!(cond) && !(m)->line) {			\
		(m)->line = __LINE__;			\
		pr_err("step %u: %s\n", (m)->step, #cond); \
	}						\
} while (0)

static unsigned int m_rnd(struct model *m, unsigned int n)
{
	return prandom_u32_state(&m->rnd) % n;
}

static bool m_is_free(struct model *m, unsigned int win, unsigned int first,
		      unsigned int count)
{
	unsigned int i;

	for (i = first; i < first + count; i++)
		if (m->owner[win][i] != NOBODY)
			return false;
	return true;
}

/* What the call must say. */
static int m_expect(struct model *m, unsigned int win, unsigned int pages,
		    unsigned int align, unsigned int lo, unsigned int hi)
{
	unsigned int at;
	int ret = -EINVAL;

	for (at = ALIGN(lo, align); at + pages <= hi + 1; at += align) {
		if (m_is_free(m, win, at, pages))
			return 0;
		ret = -ENOSPC;
	}
	return ret;
}

static void m_own(struct model *m, dma_addr_t addr, unsigned int pages, u8 who)
{
	unsigned int win, i;

	for (i = 0; i < pages; i++)
		for (win = 0; win < M_WINDOWS; win++) {
			u64 at = (u64)addr + i * P - M_FIRST(win);

			if (addr + i * P < M_FIRST(win) || at >= M_PAGES * P)
				continue;
			M_CHECK(m, (m->owner[win][at / P] == NOBODY) != (who == NOBODY));
			m->owner[win][at / P] = who;
		}
}

static void m_reserve(struct model *m, unsigned int n)
{
	struct m_state *s = &m->s[n];
	unsigned int pages = 1 + m_rnd(m, 10), align = 1 << m_rnd(m, 4);
	unsigned int win = m_rnd(m, M_WINDOWS), lo = 0, hi = M_PAGES - 1;
	int ret, want;

	if (m_rnd(m, 2)) {
		lo = m_rnd(m, M_PAGES);
		hi = lo + m_rnd(m, M_PAGES - lo);
	}
	memset(s, 0, sizeof(*s));
	s->size = pages * P - m_rnd(m, 2) * m_rnd(m, P);
	want = m_expect(m, win, pages, align, lo, hi);
	ret = rv_reserve(m->dev, &s->state, s->size, align * P,
			 M_FIRST(win) + lo * P, M_FIRST(win) + hi * P + P - 1);
	M_CHECK(m, ret == want);
	m->count[!ret ? DID_RESERVE : ret == -ENOSPC ? DID_NOSPC : DID_INVAL]++;
	if (ret)
		return;
	s->live = true;
	s->win = win;
	s->pages = pages;
	s->first = (s->state.addr - M_FIRST(win)) / P;
	M_CHECK(m, dma_iova_size(&s->state) == s->size);
	M_CHECK(m, IS_ALIGNED(s->state.addr, align * P));
	M_CHECK(m, s->state.addr >= M_FIRST(win) + lo * P);
	M_CHECK(m, s->first + pages <= hi + 1);
	if (!m->line)
		m_own(m, s->state.addr, pages, n);
}

/* From an unlinked page on, as far as there are any, or not so far. */
static void m_link(struct model *m, struct m_state *s)
{
	unsigned int first = m_rnd(m, s->pages), run = 0, count, from, i;
	bool fail = !m_rnd(m, 10);
	phys_addr_t phys;
	size_t len;
	int ret;

	while (first + run < s->pages && !s->pfn[first + run])
		run++;
	if (!run)
		return;
	count = 1 + m_rnd(m, run);
	from = m_rnd(m, (1 << M_ORDER) - count + 1);
	phys = page_to_phys(m->page) + from * P;
	len = min_t(size_t, count * P, s->size - first * P);
	if (!m_rnd(m, 4))
		len -= m_rnd(m, len - (count - 1) * P);
	m->fake->iommu->fail_map = fail;
	ret = dma_iova_link(m->dev, &s->state, phys, first * P, len, DMA_TO_DEVICE, 0);
	M_CHECK(m, ret == (fail ? -ENOMEM : 0));
	m->count[ret ? DID_FAIL : DID_LINK]++;
	if (ret)
		return;
	for (i = first; i < first + count; i++) {
		s->pfn[i] = PHYS_PFN(phys) + i - first;
		s->link[i] = first;
	}
	s->len[first] = len;
	M_CHECK(m, !dma_iova_sync(m->dev, &s->state, first * P, len));
}

/* The link at @first, and those behind it, up to a gap; pages in @pages. */
static size_t m_union(struct model *m, struct m_state *s, unsigned int first,
		      bool all, unsigned int *pages)
{
	size_t len = 0;

	*pages = 0;
	while (first + *pages < s->pages && s->pfn[first + *pages] &&
	       len == *pages * P && (!len || all || m_rnd(m, 2))) {
		len += s->len[first + *pages];
		*pages = DIV_ROUND_UP(len, P);
	}
	return len;
}

static void m_forget(struct m_state *s, unsigned int first, unsigned int pages)
{
	memset(&s->pfn[first], 0, pages * sizeof(s->pfn[0]));
}

static void m_unlink(struct model *m, struct m_state *s, bool use)
{
	unsigned int first = m_rnd(m, s->pages), pages;
	size_t len;

	if (!s->pfn[first])
		return;
	first = s->link[first];
	len = m_union(m, s, first, false, &pages);
	if (use) {
		dma_iova_sync_for_cpu(m->dev, &s->state, first * P + len / 3,
				      len - len / 3, DMA_TO_DEVICE);
		dma_iova_sync_for_device(m->dev, &s->state, first * P,
					 len / 2 + 1, DMA_TO_DEVICE);
		return;
	}
	dma_iova_unlink(m->dev, &s->state, first * P, len, DMA_TO_DEVICE, 0);
	m_forget(s, first, pages);
	m->count[DID_UNLINK]++;
}

static void m_free(struct model *m, unsigned int n)
{
	struct m_state *s = &m->s[n];
	unsigned int i, pages;
	size_t len;

	/* What is linked from the start goes with the reservation. */
	len = m_union(m, s, 0, true, &pages);
	for (i = pages; i < s->pages; i++)
		if (s->pfn[i]) {
			dma_iova_unlink(m->dev, &s->state, i * P, s->len[i],
					DMA_TO_DEVICE, 0);
			m_forget(s, i, DIV_ROUND_UP(s->len[i], P));
		}
	m_own(m, s->state.addr, s->pages, NOBODY);
	dma_iova_destroy(m->dev, &s->state, len, DMA_TO_DEVICE, 0);
	m->count[DID_DESTROY]++;
	s->live = false;
}

static void m_map(struct model *m, struct m_map *map)
{
	if (map->live) {
		m_own(m, map->addr, 1 << map->order, NOBODY);
		dma_unmap_page(m->dev, map->addr, P << map->order, DMA_TO_DEVICE);
		map->live = false;
		return;
	}
	map->order = m_rnd(m, 3);
	map->addr = dma_map_page(m->dev, m->page, 0, P << map->order,
				 DMA_TO_DEVICE);
	M_CHECK(m, !dma_mapping_error(m->dev, map->addr));
	if (m->line)
		return;
	map->live = true;
	m->count[DID_MAP]++;
	m_own(m, map->addr, 1 << map->order, M_STATES);
}

/* What the device sees, page by page. */
static void m_verify(struct model *m, struct m_state *s)
{
	unsigned int i;

	for (i = 0; s->live && i < s->pages; i++)
		M_CHECK(m, fake_dev_phys(m->fake, s->state.addr + i * P) ==
			   PFN_PHYS(s->pfn[i]));
}

static void m_step(struct model *m)
{
	unsigned int n = m_rnd(m, M_STATES), what = m_rnd(m, 16);
	struct m_state *s = &m->s[n];

	if (what < 3)
		m_map(m, &m->map[m_rnd(m, M_MAPS)]);
	else if (!s->live)
		m_reserve(m, n);
	else if (what < 9)
		m_link(m, s);
	else if (what < 12)
		m_unlink(m, s, false);
	else if (what < 14)
		m_unlink(m, s, true);
	else
		m_free(m, n);
	m_verify(m, s);
}

static DEFINE_SPINLOCK(m_lock);

/* Half of it with interrupts off: nothing here may sleep. */
static void m_run(struct model *m)
{
	unsigned int i;

	for (m->step = 0; m->step < M_STEPS && !m->line; m->step++) {
		if (m->step % 2)
			scoped_guard(spinlock_irqsave, &m_lock)
				m_step(m);
		else
			m_step(m);
		if (!(m->step % 64))
			for (i = 0; i < M_STATES; i++)
				m_verify(m, &m->s[i]);
		cond_resched();
	}
}

static void m_exit(struct kunit *test, struct model *m)
{
	struct dma_iova_state all;
	unsigned int i;

	for (i = 0; i < M_STATES; i++)
		if (m->s[i].live)
			m_free(m, i);
	for (i = 0; i < M_MAPS; i++)
		if (m->map[i].live)
			m_map(m, &m->map[i]);
	/* Every page is to be had again, and nothing is behind it. */
	for (i = 0; i < M_WINDOWS; i++) {
		fr_expect_nothing(test, m->fake, M_FIRST(i), M_PAGES);
		KUNIT_EXPECT_EQ(test, 0, rv_reserve(m->dev, &all, M_PAGES * P, 0,
						    M_FIRST(i),
						    M_FIRST(i) + M_PAGES * P - 1));
		if (dma_use_iova(&all))
			dma_iova_free(m->dev, &all);
	}
}

static void r001_1_r001_3_random_calls(struct kunit *test)
{
	unsigned int seed, i;

	for (seed = 1; seed <= 3; seed++) {
		struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, m);
		m->fake = fk_dev(test, &(struct fake_config){
					.coherent = seed % 2 });
		m->dev = fake_device(m->fake);
		m->page = dt_alloc_pages(test, GFP_KERNEL, M_ORDER);
		/* Streaming mappings come from the top: into the last window. */
		m->dev->bus_dma_limit = M_FIRST(M_WINDOWS - 1) + M_PAGES * P - 1;
		memset(m->owner, NOBODY, sizeof(m->owner));
		prandom_seed_state(&m->rnd, seed);
		m_run(m);
		KUNIT_EXPECT_EQ_MSG(test, m->line, 0, "seed %u, step %u", seed,
				    m->step);
		for (i = 0; i < ARRAY_SIZE(m->count); i++)
			KUNIT_EXPECT_GT_MSG(test, m->count[i], M_STEPS / 200,
					    "kind %u, seed %u", i, seed);
		m->fake->iommu->fail_map = 0;
		m_exit(test, m);
	}
}
#endif /* HAVE_DMA_RESERVE */

static struct kunit_case fake_random_cases[] = {
#ifdef HAVE_DMA_RESERVE
	KUNIT_CASE_SLOW(r002_5_parts_at_the_same_time),
	KUNIT_CASE_SLOW(r002_2_reserved_while_others_attach),
	KUNIT_CASE_SLOW(r001_1_r001_3_random_calls),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static struct kunit_suite fake_random_suite = {
	.name = "fake_random_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_random_cases,
};

kunit_test_suite(fake_random_suite);

MODULE_DESCRIPTION("Reservations at the same time and at random, on a fake IOMMU");
MODULE_LICENSE("GPL");
