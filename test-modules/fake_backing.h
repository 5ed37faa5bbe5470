/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on backings share that have a fake IOMMU.
 *
 * HAVE_DMA_BACKING comes from the Makefile, which asks the kernel for it.
 *
 * Reservations, bindings and backings of a case are kept in one place, for a case
 * that ends in the middle must not leave its bindings in a kernel's list.
 */
#ifndef _TEST_FAKE_BACKING_H
#define _TEST_FAKE_BACKING_H

#include "fake_test.h"
#include "reserve.h"

#ifdef HAVE_DMA_BACKING

#include <linux/dma-backing.h>

#include "fake_reserve.h"

/* Of kernel/dma/backing.h, for KUnit alone. */
bool dma_backing_share(struct device *dev, unsigned int spaces);
unsigned int dma_backing_max_cpu_mappings(struct device *dev);

#define BK_BINDINGS	80
#define BK_STATES	16
#define BK_BACKINGS	32
#define BK_MAPPERS	80

struct bk_state {
	struct device *dev;
	struct dma_iova_state state;
};

/* What a case has, for one case at a time. */
static struct {
	struct dma_binding binding[BK_BINDINGS];
	unsigned int bindings;
	struct bk_state state[BK_STATES];
	unsigned int states;
	struct dma_backing_sgt list;
	struct dma_backing *backing[BK_BACKINGS];
	unsigned int backings;
} bk;

static inline int bk_init(struct kunit *test)
{
	memset(&bk, 0, sizeof(bk));
	return fk_init(test);
}

/* It may be neither mapped nor there. */
static inline void bk_free_list(void)
{
	if (bk.list.binding.mapper.backing)
		dma_backing_sgt_unmap(&bk.list);
	if (bk.list.sgt.sgl)
		dma_backing_sgt_free(&bk.list);
}

/* What is bound and reserved, so that devices can leave their spaces. */
static inline void bk_unbind_all(void)
{
	unsigned int i;

	bk_free_list();
	for (i = 0; i < bk.bindings; i++)
		if (bk.binding[i].mapper.backing)
			dma_iova_unbind(&bk.binding[i]);
	for (i = 0; i < bk.states; i++)
		if (dma_use_iova(&bk.state[i].state))
			dma_iova_free(bk.state[i].dev, &bk.state[i].state);
	bk.states = 0;
}

static inline void bk_exit(struct kunit *test)
{
	unsigned int i;

	bk_unbind_all();
	for (i = 0; i < bk.backings; i++)
		dma_backing_put(bk.backing[i]);
	fk_exit(test);
}

/* -- Devices -- */

static inline struct fake_dev *bk_dev(struct kunit *test, unsigned int instance,
				      bool coherent)
{
	return fk_dev(test, &(struct fake_config){ .instance = instance,
						   .coherent = coherent });
}

static inline struct fake_dev *bk_direct(struct kunit *test, bool coherent)
{
	return fk_dev(test, &(struct fake_config){ .untranslated = true,
						   .coherent = coherent });
}

/* -- Backings -- */

static inline struct dma_backing *bk_keep(struct kunit *test,
					  struct dma_backing *backing)
{
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, backing);
	KUNIT_ASSERT_LT(test, bk.backings, BK_BACKINGS);
	bk.backing[bk.backings++] = backing;
	return backing;
}

static inline struct dma_backing *bk_alloc(struct kunit *test,
					   struct device *dev, size_t size,
					   unsigned long attrs)
{
	return bk_keep(test, dma_backing_alloc(dev, size, GFP_KERNEL, attrs));
}

static inline bool bk_put(struct dma_backing *backing)
{
	unsigned int i;

	for (i = 0; i < bk.backings; i++)
		if (bk.backing[i] == backing) {
			bk.backing[i] = NULL;
			break;
		}
	return dma_backing_put(backing);
}

/* Whether this machine has memory that can be mapped uncached. */
static inline bool bk_has_uncached(void)
{
	return IS_ENABLED(CONFIG_ARM64) ||
	       (IS_ENABLED(CONFIG_ARM) && totalhigh_pages());
}

static inline void bk_need_uncached(struct kunit *test)
{
	if (!bk_has_uncached())
		kunit_skip(test, "there is no uncached memory to be had");
}

struct bk_chunk {
	phys_addr_t phys;
	size_t len;
};

struct bk_chunks {
	unsigned int count;
	unsigned int max;
	struct bk_chunk *chunk;
};

static inline int bk_one_chunk(phys_addr_t phys, size_t len, void *data)
{
	struct bk_chunks *c = data;

	if (c->count == c->max)
		return -E2BIG;
	c->chunk[c->count++] = (struct bk_chunk){ phys, len };
	return 0;
}

/* The chunks of a part, which can be very many. */
static inline void bk_chunks(struct kunit *test, struct dma_backing *backing,
			     size_t offset, size_t len, struct bk_chunks *c)
{
	c->count = 0;
	c->max = len / P;
	c->chunk = kunit_kcalloc(test, c->max, sizeof(*c->chunk), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c->chunk);
	KUNIT_ASSERT_EQ(test, 0, dma_backing_for_each_chunk(backing, offset, len,
							    bk_one_chunk, c));
}

static inline int bk_first_phys(phys_addr_t phys, size_t len, void *data)
{
	*(phys_addr_t *)data = phys;
	return 1;
}

/* Where a byte of a backing is. */
static inline phys_addr_t bk_phys(struct dma_backing *backing, size_t offset)
{
	phys_addr_t phys = 0;

	dma_backing_for_each_chunk(backing, ALIGN_DOWN(offset, P), P,
				   bk_first_phys, &phys);
	return phys + offset % P;
}

static inline struct page *bk_page(struct dma_backing *backing, size_t offset)
{
	return pfn_to_page(PHYS_PFN(bk_phys(backing, offset)));
}

static inline bool bk_is_contiguous(struct dma_backing *backing)
{
	size_t off;

	for (off = 0; off < dma_backing_size(backing); off += P)
		if (bk_phys(backing, off) != bk_phys(backing, 0) + off)
			return false;
	return true;
}

/* The CPU writes to it, without asking. */
static inline void bk_fill(struct dma_backing *backing, unsigned int seed)
{
	size_t off;

	for (off = 0; off < dma_backing_size(backing); off += P) {
		u8 *p = kmap_local_page(bk_page(backing, off));

		dt_fill(p, P, seed + off / P);
		kunmap_local(p);
	}
}

static inline void bk_expect_filled(struct kunit *test,
				    struct dma_backing *backing,
				    unsigned int seed)
{
	size_t off, bad = 0;

	for (off = 0; off < dma_backing_size(backing); off += P) {
		u8 *p = kmap_local_page(bk_page(backing, off));

		bad += dt_check(p, P, seed + off / P) != P;
		kunmap_local(p);
	}
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "pages that are not what they were");
}

/* Where memory begins, and the byte behind it, if there is one block of it. */
static inline bool bk_memory(phys_addr_t *first, phys_addr_t *end)
{
	phys_addr_t phys = 0;

	while (phys < SZ_2G && !pfn_valid(PHYS_PFN(phys)))
		phys += SZ_1M;
	*first = phys;
	while (phys < SZ_4G - SZ_1M && pfn_valid(PHYS_PFN(phys)))
		phys += SZ_1M;
	*end = phys;
	return *first && *end > *first && *end < SZ_4G - SZ_1M &&
	       !pfn_valid(PHYS_PFN(*first) - 1) && !pfn_valid(PHYS_PFN(phys));
}

/* -- Wrapped memory -- */

/**
 * struct bk_owner - who gave memory to a backing
 * @released: how often it came back
 * @atomic: and that it was in atomic context, or by the wrong path
 */
struct bk_owner {
	atomic_t released;
	bool atomic;
};

static inline void bk_release(void *priv)
{
	struct bk_owner *owner = priv;

	if (in_interrupt() || irqs_disabled() || !in_task())
		owner->atomic = true;
	atomic_inc(&owner->released);
}

/* It comes back by a worker, if the last mapper went in atomic context. */
static inline int bk_released(struct bk_owner *owner)
{
	unsigned int tries;

	for (tries = 0; tries < 50 && !atomic_read(&owner->released); tries++)
		msleep(20);
	/* Once, and no second time. */
	msleep(20);
	return owner->atomic ? -1 : atomic_read(&owner->released);
}

/* @count pages of which no two are neighbours; they are freed with the case. */
static inline struct page **bk_pages(struct kunit *test, unsigned int count)
{
	struct page **pages = dt_page_array(test, count);
	unsigned int i;

	for (i = 0; i < count; i++)
		pages[i] = dt_alloc_pages(test, GFP_HIGHUSER, 1) + 1;
	return pages;
}

static inline struct dma_backing *bk_wrap(struct kunit *test,
					  unsigned int count,
					  struct bk_owner *owner)
{
	struct page **pages = bk_pages(test, count);

	return bk_keep(test, dma_backing_from_pages(pages, count, 0,
						    owner ? bk_release : NULL,
						    owner));
}

/* -- Binding -- */

static inline struct dma_iova_state *bk_reserve_in(struct kunit *test,
						   struct fake_dev *fake,
						   size_t size, size_t align,
						   dma_addr_t first,
						   dma_addr_t last)
{
	struct bk_state *s = &bk.state[bk.states];

	KUNIT_ASSERT_LT(test, bk.states, BK_STATES);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(fake_device(fake), &s->state, size,
					    align, first, last));
	s->dev = fake_device(fake);
	bk.states++;
	return &s->state;
}

static inline struct dma_iova_state *bk_reserve(struct kunit *test,
						struct fake_dev *fake,
						size_t size)
{
	return bk_reserve_in(test, fake, size, 0, 0, 0);
}

/* Before the end of the case. */
static inline void bk_unreserve(struct fake_dev *fake,
				struct dma_iova_state *state)
{
	dma_iova_free(fake_device(fake), state);
	memset(state, 0, sizeof(*state));
}

static inline struct dma_binding *bk_binding(struct kunit *test)
{
	KUNIT_ASSERT_LT(test, bk.bindings, BK_BINDINGS);
	return &bk.binding[bk.bindings++];
}

static inline int bk_bind(struct fake_dev *fake, struct dma_iova_state *state,
			  struct dma_binding *b, size_t offset,
			  struct dma_backing *backing, size_t boff, size_t len)
{
	return dma_iova_bind(fake_device(fake), state, b, offset, backing, boff,
			     len, DMA_BIDIRECTIONAL, 0);
}

/* All of a backing in a reservation of its own. */
static inline struct dma_binding *bk_bind_all(struct kunit *test,
					      struct fake_dev *fake,
					      struct dma_backing *backing)
{
	struct dma_iova_state *state;
	struct dma_binding *b = bk_binding(test);

	state = bk_reserve(test, fake, dma_backing_size(backing));
	KUNIT_ASSERT_EQ(test, 0, bk_bind(fake, state, b, 0, backing, 0,
					 dma_backing_size(backing)));
	return b;
}

/* All of a backing as a list for the device, of which a case has one at a time. */
static inline struct dma_backing_sgt *bk_map_list(struct kunit *test,
						  struct fake_dev *fake,
						  struct dma_backing *backing)
{
	KUNIT_ASSERT_NULL(test, bk.list.sgt.sgl);
	KUNIT_ASSERT_EQ(test, 0, dma_backing_sgt_init(&bk.list, fake_device(fake),
						      backing));
	KUNIT_ASSERT_EQ(test, 0, dma_backing_sgt_map(&bk.list,
						     DMA_BIDIRECTIONAL));
	return &bk.list;
}

/* The device sees the backing, from @boff on, at @addr. */
static inline void bk_expect_bound(struct kunit *test, struct fake_dev *fake,
				   dma_addr_t addr, struct dma_backing *backing,
				   size_t boff, size_t len)
{
	unsigned int bad = 0;
	size_t off;

	for (off = 0; off < len; off += P)
		bad += fake_dev_phys(fake, addr + off) !=
		       bk_phys(backing, boff + off);
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "pages that are elsewhere");
}

/* How the device maps it, and whether it snoops the caches then. */
static inline int bk_prot(struct fake_dev *fake, const struct dma_binding *binding)
{
	return fake_dev_prot(fake, dma_binding_addr(binding)) & ~IOMMU_NOEXEC;
}

static inline bool bk_snoops(struct fake_dev *fake, const struct dma_binding *binding)
{
	return bk_prot(fake, binding) & IOMMU_CACHE;
}

/* -- Mappers -- */

struct bk_mappers {
	unsigned int count;
	struct dma_mapper m[BK_MAPPERS];
	dma_addr_t addr[BK_MAPPERS];
};

static inline int bk_one_mapper(const struct dma_mapper *mapper, void *data)
{
	struct bk_mappers *m = data;

	if (m->count == BK_MAPPERS)
		return -E2BIG;
	m->addr[m->count] = dma_mapper_is_device(mapper) ?
			    dma_binding_addr(dma_mapper_binding(mapper)) :
			    DMA_MAPPING_ERROR;
	m->m[m->count++] = *mapper;
	return 0;
}

static inline struct bk_mappers *bk_mappers(struct kunit *test,
					    struct dma_backing *backing)
{
	struct bk_mappers *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_for_each_mapper(backing,
							     bk_one_mapper, m));
	return m;
}

static inline int bk_count_mapper(const struct dma_mapper *mapper, void *data)
{
	++*(unsigned int *)data;
	return 0;
}

static inline unsigned int bk_mapper_count(struct dma_backing *backing)
{
	unsigned int count = 0;

	dma_backing_for_each_mapper(backing, bk_count_mapper, &count);
	return count;
}

/* -- What must not change -- */

#define BK_SNAP_PAGES	16

/**
 * struct bk_snap - what can be seen of a reservation and a backing
 * @fake: the device
 * @state: the reservation
 * @backing: the backing
 * @addr: of the reservation
 * @mappers: who maps the backing
 * @phys: what is behind each page of the reservation
 * @prot: and how
 */
struct bk_snap {
	struct fake_dev *fake;
	struct dma_iova_state *state;
	struct dma_backing *backing;
	dma_addr_t addr;
	unsigned int mappers;
	phys_addr_t phys[BK_SNAP_PAGES];
	int prot[BK_SNAP_PAGES];
};

static inline void bk_snap(struct bk_snap *snap, struct fake_dev *fake,
			   struct dma_iova_state *state,
			   struct dma_backing *backing)
{
	unsigned int i;

	memset(snap, 0, sizeof(*snap));
	snap->fake = fake;
	snap->state = state;
	snap->backing = backing;
	snap->addr = dma_iova_addr(state);
	snap->mappers = bk_mapper_count(backing);
	for (i = 0; fake->iommu && i < BK_SNAP_PAGES; i++) {
		if (i * P >= dma_iova_size(state))
			break;
		snap->phys[i] = fake_dev_phys(fake, snap->addr + i * P);
		snap->prot[i] = fake_dev_prot(fake, snap->addr + i * P);
	}
}

static inline void bk_expect_same(struct kunit *test,
				  const struct bk_snap *before,
				  const char *what)
{
	struct bk_snap now;

	bk_snap(&now, before->fake, before->state, before->backing);
	KUNIT_EXPECT_EQ_MSG(test, now.addr, before->addr, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, now.mappers, before->mappers, "%s", what);
	KUNIT_EXPECT_MEMEQ_MSG(test, now.phys, before->phys, sizeof(now.phys),
			       "%s", what);
	KUNIT_EXPECT_MEMEQ_MSG(test, now.prot, before->prot, sizeof(now.prot),
			       "%s", what);
}

#else /* HAVE_DMA_BACKING */
static inline void no_backings_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no backings");
}
#endif /* HAVE_DMA_BACKING */

#endif /* _TEST_FAKE_BACKING_H */
