// SPDX-License-Identifier: GPL-2.0
/*
 * Many backings bound at once: with one synchronisation for each space, and all of
 * them or none, wherever it fails. On fake_iommu.h's devices.
 */

#include <kunit/static_stub.h>

#include "fake_batch.h"

#ifdef HAVE_DMA_BACKING

/* -- What goes -- */

static void sync_of(struct kunit *test, struct fake_dev *const fake[],
		    unsigned int spaces, unsigned int count)
{
	struct dma_backing *b = bk_wrap(test, 64, NULL);
	struct bt_batch *batch = bt_new(test);
	u64 room[2];
	unsigned int i;

	for (i = 0; i < spaces; i++) {
		room[i] = bt_room(test, fake[i]);
		fake_iommu_reset(fake[i]->iommu);
	}
	for (i = 0; i < count; i++)
		bt_add(test, batch, fake[i % spaces], b, i, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	for (i = 0; i < spaces; i++) {
		struct fake_iommu *iommu = fake[i]->iommu;

		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->map_syncs),
				    i < count, "%u of %u, %u entries", i, spaces,
				    count);
		/* All that was mapped is in it, and nothing else. */
		KUNIT_EXPECT_EQ(test, atomic_long_read(&iommu->map_told),
				atomic_read(&iommu->maps) * P);
	}
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), count);
	bt_expect_bound(test, batch, fake);
	dma_bind_batch_undo(&batch->batch);
	bt_expect_nothing(test, batch, "undone", count);
	for (i = 0; i < spaces; i++)
		KUNIT_EXPECT_EQ(test, room[i], bt_room(test, fake[i]));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
}

static void r004_5_one_sync_for_each_space(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, true),
	};
	unsigned int spaces;

	bt_small(test, fake[0], BT_SPACE);
	bt_small(test, fake[1], BT_SPACE);
	for (spaces = 1; spaces <= 2; spaces++) {
		sync_of(test, fake, spaces, 1);
		sync_of(test, fake, spaces, 16);
		sync_of(test, fake, spaces, 64);
	}
}

/* Between its entries others may have mapped, and not synchronised, what is theirs. */
static void r004_5_syncs_only_its_own(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_wrap(test, 4, NULL);
	/* In the order of addresses: two are side by side, the third is alone. */
	static const unsigned int at[] = { 4, 5, 9 };
	struct bt_batch *batch = bt_new(test);
	unsigned int i;

	bt_small(test, fake, BT_SPACE);
	fake_iommu_reset(fake->iommu);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		dma_addr_t addr = FIRST + at[i] * P;

		KUNIT_ASSERT_EQ(test, 0, bt_try_add(batch, fake, b, i, 1, addr,
						    addr + P - 1, 0));
	}
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->map_syncs), 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&fake->iommu->map_told), 3 * P);
	bt_expect_bound(test, batch, &fake);
	dma_bind_batch_undo(&batch->batch);
}

/* Two devices in one space are one space. */
static void r004_5_one_sync_for_two_devices(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, true),
	};
	struct dma_backing *b = bk_wrap(test, 8, NULL);
	struct bt_batch *batch = bt_new(test);
	unsigned int i;

	bt_join(test, bt_small(test, fake[0], BT_SPACE), fake[1]);
	fake_iommu_reset(fake[0]->iommu);
	for (i = 0; i < 8; i++)
		bt_add(test, batch, fake[i % 2], b, i, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake[0]->iommu->map_syncs), 1);
	bt_expect_bound(test, batch, fake);
}

/* Windows are kept, whatever was added before; the whole space is used. */
static void r004_5_bound_where_asked(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_wrap(test, BT_SPACE, NULL);
	struct bt_batch *batch = bt_new(test);
	unsigned int i;

	bt_small(test, fake, BT_SPACE);
	/* It is the last address that is taken first. */
	bt_add(test, batch, fake, b, 0, 8);
	for (i = 1; i < 8; i++) {
		dma_addr_t at = FIRST + i * 8 * P;

		KUNIT_ASSERT_EQ(test, 0, bt_try_add(batch, fake, b, i * 8, 8, at,
						    at + 8 * P - 1, 0));
	}
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, FIRST + i * 8 * P,
				dma_binding_addr(&batch->entry[i].binding));
	bt_expect_bound(test, batch, &fake);
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), 0);
}

/* A part of a backing in a larger reservation, one way only. */
static void r004_5_parts_and_attributes(struct kunit *test)
{
	const struct dma_iova_request req = { .size = 6 * P, .align = 8 * P };
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_wrap(test, 8, NULL);
	struct bt_batch *batch = bt_new(test);
	struct dma_bind_entry *e = &batch->entry[0];
	struct dma_iova_state *s;
	dma_addr_t addr;

	/* The end of the space is taken, so there is something to align. */
	s = bk_reserve(test, fake, P);
	KUNIT_ASSERT_EQ(test, 0,
			dma_bind_batch_add(&batch->batch, e, fake_device(fake),
					   &req, b, 3 * P, 4 * P, DMA_TO_DEVICE,
					   DMA_BACKING_CACHED));
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	addr = dma_binding_addr(&e->binding);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(addr, 8 * P));
	KUNIT_EXPECT_EQ(test, dma_iova_size(&e->state), 6 * P);
	bk_expect_bound(test, fake, addr, b, 3 * P, 4 * P);
	fr_expect_nothing(test, fake, addr + 4 * P, 2);
	KUNIT_EXPECT_EQ(test, bk_prot(fake, &e->binding),
			IOMMU_READ | IOMMU_CACHE);
	bk_unreserve(fake, s);
}

/* Devices without an IOMMU, by the same call, beside others. */
static void r004_5_directly_mapped_devices(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_direct(test, true), bk_dev(test, 0, true),
		bk_direct(test, false), bk_dev(test, 1, false),
	};
	struct dma_backing *b = bk_alloc(test, NULL, 8 * P,
					 DMA_ATTR_FORCE_CONTIGUOUS);
	struct bt_batch *direct = bt_new(test), *mixed = bt_new(test);
	unsigned int i;

	bt_add(test, direct, fake[0], b, 0, 8);
	bt_add(test, direct, fake[0], b, 2, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&direct->batch, 0));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
	bt_expect_bound(test, direct, fake);
	dma_bind_batch_undo(&direct->batch);
	bt_expect_nothing(test, direct, "direct", 0);

	for (i = 0; i < 8; i++)
		bt_add(test, mixed, fake[i % 4], b, i, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&mixed->batch, 0));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 8);
	bt_expect_bound(test, mixed, fake);
	dma_bind_batch_undo(&mixed->batch);
	bt_expect_nothing(test, mixed, "mixed", 0);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
}

static bool share_if_several(struct device *dev, unsigned int spaces)
{
	return spaces > 1;
}

/* Who is not mapped yet can still learn that others share the backing. */
static void r004_5_one_backing_in_two_spaces(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, true),
	};
	struct bt_batch *one = bt_new(test), *two = bt_new(test);
	struct dma_backing *b = bk_wrap(test, 8, NULL);
	unsigned int i;

	kunit_activate_static_stub(test, dma_backing_share, share_if_several);
	bt_add(test, one, fake[0], b, 0, 8);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&one->batch, 0));
	KUNIT_EXPECT_FALSE(test, bk_snoops(fake[0], &one->entry[0].binding));
	dma_bind_batch_undo(&one->batch);

	for (i = 0; i < 2; i++)
		bt_add(test, two, fake[i], b, 0, 8);
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&two->batch, 0));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE_MSG(test, bk_snoops(fake[i],
						      &two->entry[i].binding),
				      "%u", i);
	bt_expect_bound(test, two, fake);
}

/* Not coherent, and one backing for two of them: what one may, so may the other. */
static void r004_5_handed_over(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, false), bk_dev(test, 1, false),
	};
	struct dma_backing *b = bk_alloc(test, NULL, 4 * P, DMA_BACKING_CACHED);
	struct bt_batch *batch = bt_new(test);
	unsigned int i, round;

	for (i = 0; i < 4; i++)
		bt_add(test, batch, fake[i % 2], b, i, 1);
	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_begin_cpu_access(b, RV_DIR));
		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_end_cpu_access(b, RV_DIR));
		KUNIT_EXPECT_EQ(test, 0,
				dma_bind_batch_commit(&batch->batch, 0));
		bt_expect_bound(test, batch, fake);
		for (i = 0; i < 4; i++)
			KUNIT_EXPECT_EQ(test, 0,
				dma_backing_begin_device_access(
						&batch->entry[i].binding));
		dma_bind_batch_undo(&batch->batch);
	}
}

static void r004_5_nothing_to_do(struct kunit *test)
{
	struct bt_batch *batch = bt_new(test);

	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	dma_bind_batch_undo(&batch->batch);
}

static void r004_5_mistakes_are_told(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_iova_request req = { .size = 4 * P };
	struct dma_backing *b = bk_wrap(test, 8, NULL);
	struct bt_batch *batch = bt_new(test);
	struct dma_bind_entry *e = &batch->entry[1];
	struct device *dev = fake_device(fake);
	int ret;

	bt_add(test, batch, fake, b, 0, 8);
#define WRONG(boff, len, dir) do {					\
	RV_WARNS(test, ret = dma_bind_batch_add(&batch->batch, e, dev, &req, b, \
						boff, len, dir, 0));	\
	KUNIT_EXPECT_EQ(test, ret, -EINVAL);				\
} while (0)
	WRONG(0, 5 * P, RV_DIR);
	WRONG(0, 0, RV_DIR);
	WRONG(5 * P, 4 * P, RV_DIR);
	WRONG(8 * P, P, RV_DIR);
	WRONG(0, P, DMA_NONE);
#undef WRONG
	RV_WARNS(test, dma_bind_batch_undo(&batch->batch));
	KUNIT_EXPECT_EQ(test, 0, dma_bind_batch_commit(&batch->batch, 0));
	RV_WARNS(test, ret = dma_bind_batch_commit(&batch->batch, 0));
	KUNIT_EXPECT_EQ(test, ret, -EBUSY);
	RV_WARNS(test, ret = dma_bind_batch_add(&batch->batch, e, dev, &req, b,
						0, P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, ret, -EBUSY);
	bt_expect_bound(test, batch, &fake);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
}

/* -- All or nothing -- */

#define N	6

/**
 * struct nothing - six entries in two spaces and without one, which may fail
 * @fake: the devices
 * @batch: the entries
 * @backing: what they bind
 * @room: what is free in each space
 */
struct nothing {
	struct fake_dev *fake[3];
	struct bt_batch *batch;
	struct dma_backing *backing;
	u64 room[2];
};

static dma_addr_t slot(unsigned int i)
{
	return FIRST + i * 4 * P;
}

static void nothing_begin(struct kunit *test, struct nothing *n)
{
	unsigned int i;

	n->batch = NULL;
	n->fake[0] = bk_dev(test, 0, true);
	n->fake[1] = bk_dev(test, 1, false);
	n->fake[2] = bk_direct(test, true);
	bt_small(test, n->fake[0], BT_SPACE);
	bt_small(test, n->fake[1], BT_SPACE);
	n->backing = bk_alloc(test, NULL, N * 4 * P, DMA_ATTR_FORCE_CONTIGUOUS);
	for (i = 0; i < 2; i++)
		n->room[i] = bt_room(test, n->fake[i]);
}

/* Entry @odd has these attributes, and the others none. */
static void nothing_fill(struct kunit *test, struct nothing *n,
			 unsigned int odd, unsigned long attrs)
{
	unsigned int i;

	/* It should not be bound, but if it is, the record is still in use */
	if (n->batch && n->batch->batch.bound)
		dma_bind_batch_undo(&n->batch->batch);
	bt.batches = 0;
	n->batch = bt_new(test);
	n->batch->count = 0;
	for (i = 0; i < N; i++) {
		unsigned int which = i % 3;
		dma_addr_t at = which < 2 ? slot(i) : 0;

		KUNIT_ASSERT_EQ(test, 0,
				bt_try_add(n->batch, n->fake[which], n->backing,
					   4 * i, 4, at, at ? at + 4 * P - 1 : 0,
					   i == odd ? attrs : 0));
	}
}

/* It has failed. Nothing is there, and when the reason is gone all of it is. */
static void nothing_left(struct kunit *test, struct nothing *n,
			 const char *what, unsigned int at, bool again)
{
	unsigned int i;

	bt_expect_nothing(test, n->batch, what, at);
	KUNIT_EXPECT_EQ_MSG(test, bk_mapper_count(n->backing), 0, "%s %u", what,
			    at);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_EQ_MSG(test, n->room[i], bt_room(test, n->fake[i]),
				    "%s %u", what, at);
	if (!again)
		return;
	KUNIT_EXPECT_EQ_MSG(test, 0, dma_bind_batch_commit(&n->batch->batch, 0),
			    "%s %u", what, at);
	bt_expect_bound(test, n->batch, n->fake);
	dma_bind_batch_undo(&n->batch->batch);
	bt_expect_nothing(test, n->batch, what, at);
}

static void r004_5_no_room_for_one(struct kunit *test)
{
	struct dma_iova_state hog;
	struct nothing n;
	unsigned int i;

	nothing_begin(test, &n);
	nothing_fill(test, &n, N, 0);
	for (i = 0; i < N; i++) {
		struct device *dev = fake_device(n.fake[i % 3]);

		/* There is room for everybody there. */
		if (i % 3 == 2)
			continue;
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &hog, P, 0,
						    slot(i) + P,
						    slot(i) + 2 * P - 1));
		KUNIT_EXPECT_EQ(test, -ENOSPC,
				dma_bind_batch_commit(&n.batch->batch, 0));
		dma_iova_free(dev, &hog);
		nothing_left(test, &n, "no room", i, true);
	}
}

static void r004_5_one_is_refused(struct kunit *test)
{
	struct nothing n;
	unsigned int i;

	nothing_begin(test, &n);
	for (i = 0; i < N; i++) {
		nothing_fill(test, &n, i, DMA_ATTR_WRITE_COMBINE);
		KUNIT_EXPECT_EQ(test, -EINVAL,
				dma_bind_batch_commit(&n.batch->batch, 0));
		nothing_left(test, &n, "another policy", i, false);
	}
	nothing_fill(test, &n, N, 0);
	nothing_left(test, &n, "all the same", 0, true);
}

static void r004_5_one_is_busy(struct kunit *test)
{
	struct dma_binding *binding;
	struct dma_backing *b;
	struct nothing n;
	unsigned int i;

	nothing_begin(test, &n);
	b = bk_alloc(test, NULL, 4 * P, DMA_ATTR_FORCE_CONTIGUOUS);
	kunit_activate_static_stub(test, dma_backing_share, share_if_several);
	/* Alone now, and it cannot be told otherwise: the CPU is not the owner. */
	binding = bk_bind_all(test, bk_dev(test, 0, true), b);
	for (i = 0; i < N; i++) {
		nothing_fill(test, &n, N, 0);
		n.batch->entry[i].backing = b;
		n.batch->entry[i].boff = 0;
		KUNIT_EXPECT_EQ(test, -EBUSY,
				dma_bind_batch_commit(&n.batch->batch, 0));
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
		n.batch->entry[i].backing = n.backing;
		nothing_left(test, &n, "busy", i, false);
	}
	dma_iova_unbind(binding);
	n.batch->entry[0].backing = b;
	n.batch->entry[0].boff = 0;
	nothing_left(test, &n, "busy no more", 0, true);
}

static void r004_5_one_is_not_mapped(struct kunit *test)
{
	struct nothing n;
	unsigned int i, j;

	nothing_begin(test, &n);
	nothing_fill(test, &n, N, 0);
	for (i = 0; i < 2; i++) {
		for (j = 1; j <= 2; j++) {
			n.fake[i]->iommu->fail_map = j;
			KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_bind_batch_commit(&n.batch->batch, 0));
			nothing_left(test, &n, "map", 2 * i + j, true);
		}
	}
}

static void r004_5_a_sync_fails(struct kunit *test)
{
	struct nothing n;
	unsigned int i;

	nothing_begin(test, &n);
	nothing_fill(test, &n, N, 0);
	for (i = 0; i < 2; i++) {
		n.fake[i]->iommu->fail_sync = 1;
		KUNIT_EXPECT_EQ(test, -EIO,
				dma_bind_batch_commit(&n.batch->batch, 0));
		nothing_left(test, &n, "sync", i, true);
	}
}

static void r004_5_each_allocation_fails_once(struct kunit *test)
{
	unsigned int i, errors = 0;
	bool failed = true;
	struct nothing n;

	nothing_begin(test, &n);
	nothing_fill(test, &n, N, 0);
	for (i = 1; failed && i < 200; i++) {
		int ret;

		dt_fail_nth(test, i);
		ret = dma_bind_batch_commit(&n.batch->batch, 0);
		failed = dt_fail_stop();
		if (!ret) {
			bt_expect_bound(test, n.batch, n.fake);
			dma_bind_batch_undo(&n.batch->batch);
		} else {
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_TRUE(test, failed);
			errors++;
		}
		nothing_left(test, &n, "allocation", i, true);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, N - 1);
}

/* What can never be is refused at once, and not waited for. */
static void r004_5_what_can_never_be(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_wrap(test, BT_SPACE + 1, NULL);
	struct bt_batch *large = bt_new(test), *many = bt_new(test);
	struct bt_batch *outside = bt_new(test);

	bt_small(test, fake, BT_SPACE);
	bt_add(test, large, fake, b, 0, BT_SPACE + 1);
	bt_add(test, many, fake, b, 0, BT_SPACE);
	bt_add(test, many, fake, b, 0, 1);
	KUNIT_ASSERT_EQ(test, 0, bt_try_add(outside, fake, b, 0, 1, FIRST - P,
					    FIRST - 1, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_bind_batch_commit(&large->batch,
							MAX_SCHEDULE_TIMEOUT));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_bind_batch_commit(&many->batch,
							MAX_SCHEDULE_TIMEOUT));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_bind_batch_commit(&outside->batch,
							MAX_SCHEDULE_TIMEOUT));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_EQ(test, bt_room(test, fake), BT_SPACE * P);
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_batch_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r004_5_one_sync_for_each_space),
	KUNIT_CASE(r004_5_syncs_only_its_own),
	KUNIT_CASE(r004_5_one_sync_for_two_devices),
	KUNIT_CASE(r004_5_bound_where_asked),
	KUNIT_CASE(r004_5_parts_and_attributes),
	KUNIT_CASE(r004_5_directly_mapped_devices),
	KUNIT_CASE(r004_5_one_backing_in_two_spaces),
	KUNIT_CASE(r004_5_handed_over),
	KUNIT_CASE(r004_5_nothing_to_do),
	KUNIT_CASE(r004_5_mistakes_are_told),
	KUNIT_CASE(r004_5_no_room_for_one),
	KUNIT_CASE(r004_5_one_is_refused),
	KUNIT_CASE(r004_5_one_is_busy),
	KUNIT_CASE(r004_5_one_is_not_mapped),
	KUNIT_CASE(r004_5_a_sync_fails),
	KUNIT_CASE(r004_5_each_allocation_fails_once),
	KUNIT_CASE(r004_5_what_can_never_be),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_batch_suite = {
	.name = "fake_batch_test",
	.suite_init = dt_fail_quietly,
#ifdef HAVE_DMA_BACKING
	.init = bt_init,
	.exit = bt_exit,
#endif
	.test_cases = fake_batch_cases,
};

kunit_test_suite(fake_batch_suite);

MODULE_DESCRIPTION("Many backings bound at once, on a fake IOMMU");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
