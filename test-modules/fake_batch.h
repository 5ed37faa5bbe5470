/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on batches share. Batches are kept in one place, as bindings are
 * (fake_backing.h), and undone with the case.
 */
#ifndef _TEST_FAKE_BATCH_H
#define _TEST_FAKE_BATCH_H

#include "fake_backing.h"

#ifdef HAVE_DMA_BACKING

#include <linux/dma-batch.h>

#define BT_ENTRIES	64
#define BT_BATCHES	9

/* Room for this many pages, and not one more. */
#define BT_SPACE	64

/**
 * struct bt_batch - a batch and what is in it
 * @batch: the batch
 * @entry: its entries, as they were added
 * @count: how many
 */
struct bt_batch {
	struct dma_bind_batch batch;
	struct dma_bind_entry entry[BT_ENTRIES];
	unsigned int count;
};

static struct {
	struct bt_batch batch[BT_BATCHES];
	unsigned int batches;
	/* Spaces that devices are attached to until the case ends */
	struct dma_space *space[FK_DEVICES];
	struct fake_dev *in[FK_DEVICES];
	unsigned int spaces;
} bt;

static inline int bt_init(struct kunit *test)
{
	memset(&bt, 0, sizeof(bt));
	return bk_init(test);
}

/* Devices leave their spaces when nothing is reserved there any more. */
static inline void bt_exit(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < bt.batches; i++)
		if (bt.batch[i].batch.bound)
			dma_bind_batch_undo(&bt.batch[i].batch);
	bk_unbind_all();
	for (i = 0; i < bt.spaces; i++) {
		if (bt.in[i])
			dma_space_detach(fake_device(bt.in[i]));
		dma_space_put(bt.space[i]);
	}
	bk_exit(test);
}

static inline struct bt_batch *bt_new(struct kunit *test)
{
	struct bt_batch *b = &bt.batch[bt.batches];

	KUNIT_ASSERT_LT(test, bt.batches, BT_BATCHES);
	bt.batches++;
	dma_bind_batch_init(&b->batch);
	return b;
}

/* @pages of a backing, reserved anywhere in [@first, @last]. */
static inline int bt_try_add(struct bt_batch *b, struct fake_dev *fake,
			     struct dma_backing *backing, unsigned int from,
			     unsigned int pages, dma_addr_t first,
			     dma_addr_t last, unsigned long attrs)
{
	const struct dma_iova_request req = {
		.size = pages * P, .first = first, .last = last,
	};
	struct dma_bind_entry *e = &b->entry[b->count];
	int ret;

	/* What was in it before does not matter. */
	memset(e, 0xa5, sizeof(*e));
	ret = dma_bind_batch_add(&b->batch, e, fake_device(fake), &req, backing,
				 from * P, pages * P, RV_DIR, attrs);
	b->count += !ret;
	return ret;
}

static inline void bt_add(struct kunit *test, struct bt_batch *b,
			  struct fake_dev *fake, struct dma_backing *backing,
			  unsigned int from, unsigned int pages)
{
	KUNIT_ASSERT_LT(test, b->count, BT_ENTRIES);
	KUNIT_ASSERT_EQ(test, 0, bt_try_add(b, fake, backing, from, pages, 0, 0,
					    0));
}

/* A device alone in a space of @pages. */
static inline struct dma_space *bt_small(struct kunit *test,
					 struct fake_dev *fake,
					 unsigned int pages)
{
	struct dma_space *space = create(test, fake, FIRST,
					 FIRST + pages * P - 1);

	attach(test, space, fake);
	bt.space[bt.spaces] = space;
	bt.in[bt.spaces++] = fake;
	return space;
}

static inline void bt_join(struct kunit *test, struct dma_space *space,
			   struct fake_dev *fake)
{
	attach(test, space, fake);
	bt.space[bt.spaces] = dma_space_get(space);
	bt.in[bt.spaces++] = fake;
}

static inline u64 bt_room(struct kunit *test, struct fake_dev *fake)
{
	struct dma_iova_room room;

	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(fake_device(fake), 0, 0, &room));
	return room.free;
}

/* All that a batch should be when it is bound: everything where it belongs. */
static inline void bt_expect_bound(struct kunit *test, struct bt_batch *b,
				   struct fake_dev *const fake[])
{
	unsigned int i, j;

	for (i = 0; i < b->count; i++) {
		struct dma_bind_entry *e = &b->entry[i];
		dma_addr_t addr = dma_binding_addr(&e->binding);

		KUNIT_EXPECT_EQ(test, addr, dma_iova_addr(&e->state));
		KUNIT_EXPECT_NE(test, addr, DMA_MAPPING_ERROR);
		for (j = 0; fake_device(fake[j]) != e->dev; j++)
			;
		bk_expect_bound(test, fake[j], addr, e->backing, e->boff,
				e->len);
	}
}

/* It has not got anything, whatever others have got. */
static inline void bt_expect_unbound(struct kunit *test, struct bt_batch *b,
				     const char *what, unsigned int n)
{
	unsigned int i, bad = 0;

	for (i = 0; i < b->count; i++) {
		bad += dma_binding_addr(&b->entry[i].binding) !=
		       DMA_MAPPING_ERROR;
		bad += dma_use_iova(&b->entry[i].state);
		bad += bk_mapper_count(b->entry[i].backing);
	}
	KUNIT_EXPECT_EQ_MSG(test, bad, 0, "%s %u", what, n);
	KUNIT_EXPECT_FALSE_MSG(test, b->batch.bound, "%s %u", what, n);
}

/* And nothing is mapped there at all. */
static inline void bt_expect_nothing(struct kunit *test, struct bt_batch *b,
				     const char *what, unsigned int n)
{
	unsigned int i, j, mapped = 0;

	for (i = 0; i < fk(test)->devs; i++) {
		struct fake_dev *fake = fk(test)->dev[i];

		for (j = 0; fake->iommu && j < BT_SPACE; j++)
			mapped += !!fake_dev_phys(fake, FIRST + j * P);
	}
	KUNIT_EXPECT_EQ_MSG(test, mapped, 0, "%s %u", what, n);
	bt_expect_unbound(test, b, what, n);
}

#endif /* HAVE_DMA_BACKING */

#endif /* _TEST_FAKE_BATCH_H */
