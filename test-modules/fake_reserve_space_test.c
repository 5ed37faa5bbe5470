// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations in a space: its limits, those of all its devices, and who gets in
 * and out while there are some. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include "fake_test.h"
#include "reserve.h"

#ifdef HAVE_DMA_RESERVE
#include "fake_reserve.h"

static void r001_1_limits_of_a_space(struct kunit *test)
{
	const struct dma_iova_request out[] = {
		{ P, 0, LAST + 1, LAST + P }, { P, 0, FIRST - P, FIRST - 1 },
		{ 2 * P, 0, LAST + 1 - P, LAST + P }, { LAST - FIRST + 1 + P },
	};
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct device *dev = fake_device(fake);
	struct dma_iova_state state;
	struct dma_iova_room room;
	unsigned int i;

	attach(test, space, fake);
	for (i = 0; i < ARRAY_SIZE(out); i++)
		rv_refused(test, dev, &out[i], -EINVAL, "outside of the space");
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(dev, 0, 0, &room));
	KUNIT_EXPECT_EQ(test, room.free, LAST - FIRST + 1);
	KUNIT_EXPECT_EQ(test, room.largest, LAST - FIRST + 1);
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_query(dev, LAST + 1, LAST + P,
						      &room));
	/* All of it. */
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &state, LAST - FIRST + 1, 0, 0,
					    0));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), FIRST);
	rv_refused(test, dev, &(struct dma_iova_request){ P }, -ENOSPC, "full");
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(dev, 0, 0, &room));
	KUNIT_EXPECT_EQ(test, room.free, 0);
	KUNIT_EXPECT_EQ(test, room.largest, 0);
	dma_iova_free(dev, &state);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	dma_space_detach(dev);
	dma_space_put(space);
}

/*
 * A driver that frees what it has reserved after its device has left, which is a bug:
 * it is told, whatever the device's default domain is, and the space is none the worse.
 */
static void freed_too_late(struct kunit *test, int def_type)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.def_type = def_type });
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct device *dev = fake_device(fake);
	struct dma_iova_state state, other;

	attach(test, space, fake);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &state, P, 0, FIRST, FIRST + P - 1));
	/* DMA debugging reports it. */
	dma_space_detach(dev);
	RV_WARNS(test, dma_iova_free(dev, &state));
	attach(test, space, fake);
	/* Its addresses are lost, and nothing else is. */
	rv_refused(test, dev, &(struct dma_iova_request){ P, 0, FIRST, FIRST + P - 1 },
		   -ENOSPC, "lost");
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &other, LAST - FIRST + 1 - P, 0, 0, 0));
	dma_iova_free(dev, &other);
	dma_space_detach(dev);
	dma_space_put(space);
}

static void r001_1_freed_too_late(struct kunit *test)
{
	freed_too_late(test, IOMMU_DOMAIN_DMA);
	freed_too_late(test, IOMMU_DOMAIN_IDENTITY);
}

static void r002_2_in_reach_of_all(struct kunit *test)
{
	unsigned int bus;

	for (bus = 0; bus < 2; bus++) {
		struct fake_dev *a = fk_dev(test, &(struct fake_config){});
		struct fake_dev *b = fk_dev(test, &(struct fake_config){});
		struct dma_space *space = create(test, a, S_FIRST, S_LAST);
		struct device *dev = fake_device(a);
		struct where before = where_is(b);
		struct dma_iova_state high, low;
		struct dma_iova_room room;

		fr_shorten(test, b, bus);
		attach(test, space, a);
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &low, P, 0, S_REACH + 1 - P,
						    S_REACH));
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &high, P, 0, S_REACH + 1,
						    S_REACH + P));
		KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)),
				-EBUSY);
		expect_at(test, b, &before);
		/* What did not get in is no limit. */
		dma_iova_free(dev, &high);
		KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &high, P, 0, S_REACH + 1,
						    S_REACH + P));
		dma_iova_free(dev, &high);
		dma_iova_free(dev, &low);

		KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &low, P, 0, S_REACH + 1 - P,
						    S_REACH));
		attach(test, space, b);
		rv_refused(test, dev,
			   &(struct dma_iova_request){ P, 0, S_REACH + 1,
						       S_REACH + P },
			   -EINVAL, "out of reach of the other");
		rv_refused(test, dev,
			   &(struct dma_iova_request){ 2 * P, 0, S_REACH + 1 - P,
						       S_REACH + P },
			   -EINVAL, "out of reach of the other, in part");
		KUNIT_EXPECT_EQ(test, -EINVAL,
				dma_iova_query(dev, S_REACH + 1, S_REACH + P,
					       &room));
		KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &high, RV_SIZE, 0, 0, 0));
		KUNIT_EXPECT_LE(test, high.addr + RV_SIZE - 1, S_REACH);
		dma_iova_free(dev, &high);
		dma_iova_free(dev, &low);
		dma_space_detach(fake_device(b));
		dma_space_detach(dev);
		dma_space_put(space);
		fk_destroy_last(test);
		fk_destroy_last(test);
	}
}

/* Its regions, too, are none of the space's. */
static void r002_2_who_is_refused_takes_nothing(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &with_region);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct dma_iova_state high, state;
	struct device *dev = fake_device(a);

	attach(test, space, a);
	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(fake_device(b), DMA_BIT_MASK(24)));
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &high, P, 0, LAST + 1 - P, LAST));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EBUSY);
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &state, SZ_256K, 0, HOLE,
					    HOLE + SZ_256K - 1));
	if (dma_use_iova(&state))
		dma_iova_free(dev, &state);
	dma_iova_free(dev, &high);
	dma_space_detach(dev);
	dma_space_put(space);
}

/* Reserved and linked by one, read by another at the same address. */
static void r002_2_one_reservation_for_all(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, FIRST, LAST);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL), *mem;
	struct dma_iova_state state;
	phys_addr_t phys;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	phys = rv_block(test, &mem);
	dt_fill(mem + 3 * P, DT_LEN, 1);
	attach(test, space, a);
	attach(test, space, b);
	rv_any(test, fake_device(a), &state);
	KUNIT_EXPECT_EQ(test, 0, rv_link(fake_device(a), &state, phys, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(fake_device(a), &state));
	KUNIT_EXPECT_EQ(test, fake_dev_read(b, state.addr + 3 * P, buf, DT_LEN),
			DT_LEN);
	KUNIT_EXPECT_EQ(test, dt_check(buf, DT_LEN, 1), DT_LEN);
	/* Nobody else gets these addresses. */
	rv_refused(test, fake_device(b),
		   &(struct dma_iova_request){ P, 0, state.addr,
					       state.addr + P - 1 },
		   -ENOSPC, "what the other has");
	rv_unlink(fake_device(a), &state, 0, 8);
	KUNIT_EXPECT_EQ(test, fake_dev_read(b, state.addr + 3 * P, buf, DT_LEN), 0);
	dma_iova_free(fake_device(a), &state);
	dma_space_detach(fake_device(b));
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

/* What is reserved in the default domain would have nothing behind it. */
static void r001_1_reserved_in_the_default_domain(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct fake_dev *const who[] = { a, b };
	struct where before = where_is(a);
	struct dma_iova_state one, two;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct device *dev = fake_device(who[i]);

		rv_any(test, dev, &one);
		rv_any(test, dev, &two);
		KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(a)),
				-EBUSY);
		dma_iova_free(dev, &two);
		KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(a)),
				-EBUSY);
		expect_at(test, a, &before);
		dma_iova_free(dev, &one);
		attach(test, space, a);
		dma_space_detach(fake_device(a));
		expect_at(test, a, &before);
	}
	dma_space_put(space);
}

/* Another device of the group asks, and does not reach what is there. */
static void r002_2_sibling_out_of_reach(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_space *space = create(test, a, S_FIRST, S_LAST);
	struct where before = where_is(a);
	struct dma_iova_state high;

	fr_shorten(test, b, false);
	attach(test, space, a);
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(fake_device(a), &high, P, 0,
					    S_REACH + 1, S_REACH + P));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, a->domain, dma_space_domain(space));
	dma_iova_free(fake_device(a), &high);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, fake_device(b)));
	dma_space_detach(fake_device(b));
	dma_space_detach(fake_device(a));
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	dma_space_put(space);
}

/* The range of a one-to-one space is a promise about memory. */
static void r001_2_range_of_a_space(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct device *dev = fake_device(fake);
	struct dma_iova_state state;
	struct dma_space *space;
	phys_addr_t phys, other;
	u8 *mem;

	phys = rv_block(test, &mem);
	other = rv_block(test, &mem);
	space = create(test, fake, phys, phys + RV_SIZE - 1);
	fake->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach,
					       remove_and_detach));
	rv_refused(test, dev, &(struct dma_iova_request){ P, 0, phys + RV_SIZE,
							  phys + RV_SIZE + P - 1 },
		   -EINVAL, "behind the space");
	rv_refused(test, dev, &(struct dma_iova_request){ RV_SIZE + 1 }, -EINVAL,
		   "more than the space");
	rv_any(test, dev, &state);
	KUNIT_EXPECT_EQ(test, -EINVAL, rv_bind(dev, &state, other, 0, 1));
	KUNIT_EXPECT_EQ(test, -EINVAL, dma_iova_link(dev, &state, phys + P, 0, P,
						     RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, rv_bind(dev, &state, phys, 0, 8));
	rv_unlink(dev, &state, 0, 8);
	dma_iova_free(dev, &state);
	fake_dev_unbind(fake);
	dma_space_put(space);
	/* It was the space's. */
	rv_any(test, dev, &state);
	KUNIT_EXPECT_EQ(test, 0, rv_bind(dev, &state, other, 0, 1));
	rv_unlink(dev, &state, 0, 1);
	dma_iova_free(dev, &state);
}
#endif /* HAVE_DMA_RESERVE */

static struct kunit_case fake_reserve_space_cases[] = {
#ifdef HAVE_DMA_RESERVE
	KUNIT_CASE(r001_1_limits_of_a_space),
	KUNIT_CASE(r001_1_freed_too_late),
	KUNIT_CASE(r002_2_in_reach_of_all),
	KUNIT_CASE(r002_2_who_is_refused_takes_nothing),
	KUNIT_CASE(r002_2_one_reservation_for_all),
	KUNIT_CASE(r001_1_reserved_in_the_default_domain),
	KUNIT_CASE(r002_2_sibling_out_of_reach),
	KUNIT_CASE(r001_2_range_of_a_space),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static int fake_reserve_space_suite_init(struct kunit_suite *suite)
{
	count_only(suite);
	return dt_fail_quietly(suite);
}

static struct kunit_suite fake_reserve_space_suite = {
	.name = "fake_reserve_space_test",
	.suite_init = fake_reserve_space_suite_init,
	.suite_exit = show_again,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_reserve_space_cases,
};

kunit_test_suite(fake_reserve_space_suite);

MODULE_DESCRIPTION("Reservations of DMA addresses in a space, on a fake IOMMU");
MODULE_LICENSE("GPL");
