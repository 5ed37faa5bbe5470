/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A reservation of each kind, on devices that can be told to be difficult
 * (fake_iommu.h), what can be done to it, and what DMA debugging says to that.
 */
#ifndef _TEST_FAKE_DEBUG_H
#define _TEST_FAKE_DEBUG_H

#include "debug_knobs.h"
#include "fake_test.h"

#ifdef HAVE_DMA_RESERVE
#include "fake_space.h"

enum kind { RESERVED, TRY_ALLOC, ONE_TO_ONE, KINDS };

static const char *const kind_name[KINDS] = {
	[RESERVED]	= "reserved",
	[TRY_ALLOC]	= "try_alloc",
	[ONE_TO_ONE]	= "one_to_one",
};

static const enum kind kinds[KINDS] = { RESERVED, TRY_ALLOC, ONE_TO_ONE };

/* Both sorts behind the IOMMU alone; without it, nothing is where it was. */
static inline const void *next_kind(const void *prev, char *desc,
				    unsigned int count)
{
	const enum kind *next = prev ? (const enum kind *)prev + 1 : kinds;

	if (next == kinds + count)
		return NULL;
	strscpy(desc, kind_name[*next], KUNIT_PARAM_DESC_SIZE);
	return next;
}

static inline const void *all_kinds(struct kunit *test, const void *prev,
				    char *desc)
{
	return next_kind(prev, desc, KINDS);
}

static inline const void *translated_kinds(struct kunit *test,
					   const void *prev, char *desc)
{
	return next_kind(prev, desc, ONE_TO_ONE);
}

/**
 * struct resv - a reservation, and memory to link there
 * @fake: its device
 * @dev: likewise
 * @kind: which sort it is
 * @user: memory for the files of debugfs
 * @page: as much as the reservation is long, contiguous
 * @size: length in bytes
 * @state: the reservation
 */
struct resv {
	struct fake_dev *fake;
	struct device *dev;
	enum kind kind;
	char __user *user;
	struct page *page;
	size_t size;
	struct dma_iova_state state;
};

static inline void reserve(struct kunit *test, struct resv *r)
{
	struct dma_iova_request req = { .size = r->size };

	if (r->kind == TRY_ALLOC)
		KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(r->dev, &r->state, 0,
							   r->size));
	else
		KUNIT_ASSERT_EQ(test, 0, dma_iova_reserve(r->dev, &r->state,
							  &req));
}

static inline struct resv *begin(struct kunit *test, unsigned int pages)
{
	struct resv *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->user = user_memory(test);
	if (read_knob(test, r->user, DMA_DEBUG_DIR "disabled"))
		kunit_skip(test, "DMA debugging is off");
	r->kind = *(const enum kind *)test->param_value;
	r->size = pages * PAGE_SIZE;
	r->page = dt_alloc_pages(test, GFP_KERNEL, get_order(r->size));
	r->fake = fk_dev(test, &(struct fake_config){
				.untranslated = r->kind == ONE_TO_ONE });
	r->dev = fake_device(r->fake);
	reserve(test, r);
	new_errors(test, r->user);
	return r;
}

static inline phys_addr_t phys_of(struct resv *r, unsigned int page)
{
	return page_to_phys(r->page) + page * PAGE_SIZE;
}

static inline void expect_errors(struct kunit *test, struct resv *r, int errors)
{
	KUNIT_EXPECT_EQ(test, new_errors(test, r->user), errors);
}

static inline void free_it(struct kunit *test, struct resv *r, int errors)
{
	dma_iova_free(r->dev, &r->state);
	expect_errors(test, r, errors);
}

/* After a mistake: nothing may stay mapped, whatever the records say. */
static inline void unmap_by_force(struct resv *r)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(r->dev);
	size_t off;

	if (r->kind == ONE_TO_ONE) {
		while (dma_iova_addr(&r->state) != DMA_MAPPING_ERROR)
			dma_iova_unlink(r->dev, &r->state, 0, PAGE_SIZE,
					DMA_BIDIRECTIONAL, 0);
		return;
	}
	for (off = 0; off < r->size; off += PAGE_SIZE)
		if (iommu_iova_to_phys(domain, r->state.addr + off))
			iommu_unmap(domain, r->state.addr + off, PAGE_SIZE);
}

static inline void give_up(struct kunit *test, struct resv *r)
{
	fk(test)->mess = true;
	unmap_by_force(r);
	dma_iova_free(r->dev, &r->state);
	new_errors(test, r->user);
}

enum op { LINK, LINK_FAILS, SYNC, SYNC_FAILS, UNLINK, FOR_CPU, FOR_DEVICE };

/**
 * struct step - one call
 * @op: which
 * @page: first page of the range
 * @pages: pages in the range
 * @dir: direction
 * @attrs: attributes
 * @errors: reports it draws
 */
struct step {
	enum op op;
	unsigned int page;
	unsigned int pages;
	enum dma_data_direction dir;
	unsigned long attrs;
	int errors;
};

static inline int fail_link(struct resv *r, size_t offset, size_t size)
{
	if (r->kind == ONE_TO_ONE)	/* not where it has to be */
		return dma_iova_link(r->dev, &r->state,
				     phys_of(r, 1) + offset, offset, size,
				     DMA_BIDIRECTIONAL, 0);
	r->fake->iommu->fail_map = 1;
	return dma_iova_link(r->dev, &r->state, phys_of(r, 0) + offset, offset,
			     size, DMA_BIDIRECTIONAL, 0);
}

/* Returns what the call does, or 0. */
static inline int do_step(struct resv *r, const struct step *s)
{
	size_t offset = s->page * PAGE_SIZE, size = s->pages * PAGE_SIZE;

	switch (s->op) {
	case LINK:
		return dma_iova_link(r->dev, &r->state, phys_of(r, s->page),
				     offset, size, s->dir, s->attrs);
	case LINK_FAILS:
		return fail_link(r, offset, size);
	case SYNC:
		return dma_iova_sync(r->dev, &r->state, offset, size);
	case SYNC_FAILS:
		return dma_iova_sync(r->dev, &r->state, offset, r->size + 1);
	case UNLINK:
		dma_iova_unlink(r->dev, &r->state, offset, size, s->dir,
				s->attrs);
		break;
	case FOR_CPU:
		dma_iova_sync_for_cpu(r->dev, &r->state, offset, size, s->dir);
		break;
	case FOR_DEVICE:
		dma_iova_sync_for_device(r->dev, &r->state, offset, size,
					 s->dir);
		break;
	}
	return 0;
}

#define KIND_CASE(name)		KUNIT_CASE_PARAM(name, all_kinds)
#define TRANSLATED_CASE(name)	KUNIT_CASE_PARAM(name, translated_kinds)

#else /* no reservations */

static inline void no_reservations_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no dma_iova_reserve()");
}

#define count_only	NULL
#define show_again	NULL

#endif

#endif /* _TEST_FAKE_DEBUG_H */
