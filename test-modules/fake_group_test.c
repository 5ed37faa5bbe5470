// SPDX-License-Identifier: GPL-2.0
/*
 * A space and those it has to do with: the other devices of a group, and drivers
 * that come, go and forget. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include <kunit/test-bug.h>
#include <linux/dma-mapping.h>

#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

/* -- Groups -- */

/* Of two, nobody has a driver: the group moves as one. */
static void group_moves_as_one(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct where before = where_is(a);
	struct dma_space *space = create(test, a, FIRST, LAST);

	KUNIT_ASSERT_PTR_EQ(test, fake_device(a)->iommu_group,
			    fake_device(b)->iommu_group);
	attach(test, space, a);
	KUNIT_EXPECT_PTR_EQ(test, b->domain, dma_space_domain(space));
	KUNIT_EXPECT_TRUE(test, dev_dma_iommu(fake_device(b)));
	fk_expect_data(test, b, 11);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	dma_space_detach(fake_device(a));
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	dma_space_put(space);
}

/* Both ask for it: each has to let go. */
static void group_shares_if_both_ask(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct where before = where_is(a);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct dma_space *other = create(test, a, FIRST, LAST);

	attach(test, space, a);
	KUNIT_EXPECT_EQ(test, dma_space_attach(other, fake_device(b)), -EBUSY);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, fake_device(b)));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EBUSY);
	dma_space_detach(fake_device(a));
	KUNIT_EXPECT_PTR_EQ(test, a->domain, dma_space_domain(space));
	KUNIT_EXPECT_PTR_EQ(test, b->domain, dma_space_domain(space));
	fk_expect_data(test, a, 12);
	fk_expect_data(test, b, 13);
	dma_space_detach(fake_device(b));
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	dma_space_put(other);
	dma_space_put(space);
}

static void group_with_a_strange_driver(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct where before = where_is(a);
	struct dma_space *space = create(test, a, FIRST, LAST);

	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(a)), -EBUSY);
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	fake_dev_unbind(b);
	attach(test, space, a);
	/* One that is bound later uses what is there. */
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	fk_expect_data(test, b, 14);
	fake_dev_unbind(b);
	KUNIT_EXPECT_PTR_EQ(test, a->domain, dma_space_domain(space));
	dma_space_detach(fake_device(a));
	expect_at(test, a, &before);
	dma_space_put(space);
}

/*
 * One had asked and has gone, another had not and was still there: when that
 * has gone as well, nothing keeps the group in the space.
 */
static void group_leaves_with_the_last_driver(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct dma_space *other = create(test, a, FIRST, LAST);
	struct where before = where_is(a);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t addr;

	attach(test, space, a);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	addr = fk_map(test, b, page);
	dma_space_detach(fake_device(a));
	/* Its mappings are alive. */
	KUNIT_EXPECT_EQ(test, fake_dev_phys(b, addr), page_to_phys(page));
	KUNIT_EXPECT_EQ(test, dma_space_attach(other, fake_device(a)), -EBUSY);
	fk_unmap(b, addr);
	fake_dev_unbind(b);
	/* Whoever comes next finds the default domain. */
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	fake_dev_unbind(b);

	/* Or nobody comes: it goes with its devices, in peace. */
	attach(test, space, a);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	dma_space_detach(fake_device(a));
	fake_dev_unbind(b);
	dma_space_put(space);
	dma_space_put(other);
}

/*
 * The other is bound while the group is in one space, and gone before the first
 * asks for the next: nothing of that is in its way.
 */
static void sibling_comes_and_goes(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	int domains = atomic_read(&fake_iommu(0)->domains);
	struct where before = where_is(a);
	unsigned int bound;

	for (bound = 0; bound < 2; bound++) {
		struct dma_space *first = create(test, a, FIRST, LAST);
		struct dma_space *second = create(test, a, FIRST, LAST);

		if (bound)
			KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, fk_probe_ok,
							       NULL));
		attach(test, first, a);
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
		dma_space_detach(fake_device(a));
		KUNIT_EXPECT_PTR_EQ(test, b->domain, dma_space_domain(first));
		fk_expect_data(test, b, 30);
		fake_dev_unbind(b);
		dma_space_put(first);

		attach(test, second, a);
		KUNIT_EXPECT_PTR_EQ(test, b->domain, dma_space_domain(second));
		fk_expect_data(test, a, 31);
		fk_expect_data(test, b, 32);
		/* Nothing but the group kept the first one. */
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
				domains + 1);
		dma_space_detach(fake_device(a));
		expect_at(test, a, &before);
		expect_at(test, b, &before);
		if (bound)
			fake_dev_unbind(a);
		dma_space_put(second);
	}
}

/* A device that joins the group later is in the space, with its regions. */
static void late_member_is_in_the_space(struct kunit *test)
{
	struct fake_config cfg = with_region;
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct fake_dev *b;

	attach(test, space, a);
	cfg.peer = a;
	b = fk_dev(test, &cfg);
	KUNIT_EXPECT_PTR_EQ(test, b->domain, dma_space_domain(space));
	KUNIT_EXPECT_TRUE(test, dev_dma_iommu(fake_device(b)));
	fk_expect_data(test, b, 15);
	fk_check_window(test, &way_page, FIRST, LAST, HOLE, HOLE + SZ_256K - 1);
	dma_space_detach(fake_device(a));
	KUNIT_EXPECT_PTR_EQ(test, b->domain, a->domain);
	KUNIT_EXPECT_PTR_NE(test, b->domain, dma_space_domain(space));
	fk_expect_data(test, b, 16);
	dma_space_put(space);
}

/* What another device does while memory that this one's driver left to devres exists. */
struct leaving {
	struct fake_dev *sibling;
	struct dma_space *space;
	int ret;
	struct iommu_domain *domain;
};

static void sibling_acts(void *data)
{
	struct fake_dev *fake = data;
	struct leaving *l = fake->data;

	if (l->space)
		l->ret = dma_space_attach(l->space, fake_device(l->sibling));
	else
		dma_space_detach(fake_device(l->sibling));
	l->domain = fake->domain;
}

static int probe_with_memory(struct fake_dev *fake)
{
	struct device *dev = fake_device(fake);
	dma_addr_t addr;

	if (!dmam_alloc_coherent(dev, 3 * PAGE_SIZE, &addr, GFP_KERNEL))
		return -ENOMEM;
	/* Released in the reverse order */
	return devm_add_action_or_reset(dev, sibling_acts, fake);
}

/*
 * A driver's last memory goes after the driver has said that it is done with DMA, and
 * where it was allocated: until then the group stays where it is.
 */
static void group_waits_for_devres(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct where before = where_is(a);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct dma_space *other = create(test, a, FIRST, LAST);
	struct leaving l = { .sibling = a, .space = space };

	b->data = &l;
	/* In the default domain, which the other wants to leave */
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, probe_with_memory, NULL));
	fake_dev_unbind(b);
	KUNIT_EXPECT_EQ(test, l.ret, -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, l.domain, before.domain);
	attach(test, space, a);

	/* In the space, which the other leaves */
	l.space = NULL;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, probe_with_memory, NULL));
	fake_dev_unbind(b);
	KUNIT_EXPECT_PTR_EQ(test, l.domain, dma_space_domain(space));

	/* There, and the other wants to be elsewhere. The first may stay, or go home */
	l.space = other;
	l.ret = 0;
	attach(test, space, a);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, probe_with_memory, NULL));
	dma_space_detach(fake_device(a));
	fake_dev_unbind(b);
	KUNIT_EXPECT_EQ(test, l.ret, -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, l.domain, dma_space_domain(space));
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	fake_dev_unbind(b);
	dma_space_put(other);
	dma_space_put(space);
}

/* -- Drivers -- */

static int probe_and_fail(struct fake_dev *fake)
{
	int ret = dma_space_attach(fake->data, fake_device(fake));

	return ret ?: -ENODEV;
}

static int probe_and_fail_cleanly(struct fake_dev *fake)
{
	int ret = dma_space_attach(fake->data, fake_device(fake));

	if (!ret)
		dma_space_detach(fake_device(fake));
	return -ENODEV;
}

static void driver_attaches_and_detaches(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	unsigned int i;

	fake->data = space;
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach,
						       remove_and_detach));
		KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
		fk_expect_data(test, fake, 17);
		fake_dev_unbind(fake);
		expect_at(test, fake, &before);
	}
	KUNIT_EXPECT_EQ(test, -ENODEV,
			fake_dev_bind(fake, probe_and_fail_cleanly, NULL));
	expect_at(test, fake, &before);
	dma_space_put(space);
}

/* It forgets to: told off, and back in the default domain. */
static void unbind_while_attached(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	unsigned int i;

	fake->data = space;
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach,
						       NULL));
		kunit_warning_suppress(test)
			fake_dev_unbind(fake);
		expect_at(test, fake, &before);
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, fk_probe_ok, NULL));
		expect_at(test, fake, &before);
		fake_dev_unbind(fake);
	}
	/* Its reference went as well. */
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains),
			fk(test)->domains[0] + 1);
}

static void probe_fails_while_attached(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);

	fake->data = space;
	kunit_warning_suppress(test)
		KUNIT_EXPECT_EQ(test, -ENODEV,
				fake_dev_bind(fake, probe_and_fail, NULL));
	expect_at(test, fake, &before);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains),
			fk(test)->domains[0] + 1);
}

static void detach_action(void *dev)
{
	dma_space_detach(dev);
}

static int probe_with_action(struct fake_dev *fake)
{
	struct device *dev = fake_device(fake);
	int ret = dma_space_attach(fake->data, dev);

	return ret ?: devm_add_action_or_reset(dev, detach_action, dev);
}

static int probe_with_action_and_fail(struct fake_dev *fake)
{
	return probe_with_action(fake) ?: -ENODEV;
}

/* It left that to devres, which is as good as doing it in remove(). */
static void devres_action_detaches(struct kunit *test)
{
	static const struct fake_config cfg[] = {
		{ .untranslated = false }, { .untranslated = true },
	};
	unsigned int i, round;

	for (i = 0; i < ARRAY_SIZE(cfg); i++) {
		struct fake_dev *fake = fk_dev(test, &cfg[i]);
		int domains = atomic_read(&fake_iommu(0)->domains);
		struct dma_space *space = create(test, fake, FIRST, LAST);
		struct where before = where_is(fake);

		fake->data = space;
		for (round = 0; round < 3; round++) {
			KUNIT_ASSERT_EQ(test, 0,
					fake_dev_bind(fake, probe_with_action,
						      NULL));
			if (fake->iommu)
				KUNIT_EXPECT_PTR_EQ(test, fake->domain,
						    dma_space_domain(space));
			fk_expect_data(test, fake, 33);
			fake_dev_unbind(fake);
			expect_at(test, fake, &before);
			KUNIT_ASSERT_EQ(test, -ENODEV,
					fake_dev_bind(fake,
						      probe_with_action_and_fail,
						      NULL));
			expect_at(test, fake, &before);
		}
		/* Nobody is taken for attached who is not. */
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach,
						       remove_and_detach));
		fake_dev_unbind(fake);
		expect_at(test, fake, &before);
		dma_space_put(space);
		KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
				domains);
	}
}

/*
 * What has no domain to count: each round gives back the space, and whatever
 * belongs to it, or they pile up.
 */
static void one_to_one_leaves_nothing(struct kunit *test)
{
	static int (*const probes[])(struct fake_dev *fake) = {
		probe_with_action, probe_with_action_and_fail,
	};
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	const int rounds = 50;
	long objects = 0;
	int i;

	for (i = 0; i < rounds; i++) {
		struct dma_space *space;

		if (i == rounds / 10)
			objects = fk_small_objects(test);
		space = create(test, fake, FIRST, LAST);
		fake->data = space;
		fake_dev_bind(fake, probes[i % 2], NULL);
		if (fake_device(fake)->driver)
			fake_dev_unbind(fake);
		dma_space_put(space);
	}
	objects = fk_small_objects(test) - objects;
	KUNIT_EXPECT_LT_MSG(test, objects, rounds / 2, "%ld objects more", objects);
}

/* In remove() the mappings still work: the space goes after it. */
static void remove_uses_the_space(struct fake_dev *fake)
{
	struct kunit *test = kunit_get_current_test();

	fk_expect_data(test, fake, 18);
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(fake->data));
}

static void remove_comes_before_the_detach(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);

	fake->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach,
					       remove_uses_the_space));
	kunit_warning_suppress(test)
		fake_dev_unbind(fake);
	KUNIT_EXPECT_PTR_NE(test, fake->domain, dma_space_domain(space));
	dma_space_put(space);
}

/* An IOMMU driver's attachment is there before the driver, and after it. */
static void attached_without_a_driver_stays(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	unsigned int i;

	attach(test, space, fake);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, fk_probe_ok, NULL));
		KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
		fk_expect_data(test, fake, 19);
		fake->data = space;
		fake_dev_unbind(fake);
		KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
		KUNIT_EXPECT_TRUE(test, dev_dma_iommu(fake_device(fake)));
		KUNIT_EXPECT_EQ(test, -ENODEV,
				fake_dev_bind(fake, probe_and_attach, NULL));
		KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
	}
	dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);
	dma_space_put(space);
}

/* Detached by the driver, though somebody else had attached it. */
static void driver_detaches_what_was_there(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);

	attach(test, space, fake);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, fk_probe_ok, NULL));
	dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);
	fake_dev_unbind(fake);
	expect_at(test, fake, &before);
	dma_space_put(space);
}

/* Another device of the group keeps the space when one forgets to detach. */
static void group_survives_a_forgetful_driver(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct where before = where_is(a);
	dma_addr_t addr;

	a->data = space;
	b->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_attach, NULL));
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, probe_and_attach,
					       remove_and_detach));
	addr = fk_map(test, b, page);
	kunit_warning_suppress(test)
		fake_dev_unbind(a);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(b, addr), page_to_phys(page));
	fk_unmap(b, addr);
	fk_expect_data(test, b, 20);
	fake_dev_unbind(b);
	expect_at(test, a, &before);
	expect_at(test, b, &before);
	dma_space_put(space);
}

/* The device goes, and nothing else has to. */
static void device_is_removed_while_attached(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct fake_dev *b;

	attach(test, space, a);
	b = fk_dev(test, &(struct fake_config){});
	attach(test, space, b);
	fk_destroy_last(test);
	fk_expect_data(test, a, 21);
	dma_space_detach(fake_device(a));
	/* Alone in the space, and alone in its group. */
	b = fk_dev(test, &(struct fake_config){});
	attach(test, space, b);
	fk_destroy_last(test);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0] + 1);
	/* A member of a group that stays. */
	space = create(test, a, FIRST, LAST);
	b = fk_dev(test, &(struct fake_config){ .peer = a });
	attach(test, space, b);
	fk_destroy_last(test);
	fk_expect_data(test, a, 22);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(a, fk_probe_ok, NULL));
	KUNIT_EXPECT_PTR_NE(test, a->domain, dma_space_domain(space));
	fk_expect_data(test, a, 23);
	fake_dev_unbind(a);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0] + 1);
}

static int probe_and_put(struct fake_dev *fake)
{
	int ret = dma_space_attach(fake->data, fake_device(fake));

	dma_space_put(fake->data);
	return ret;
}

/* With a driver or without, that lets go or not: its space goes with it. */
static void removal_frees_the_space(struct kunit *test)
{
	struct dma_space *space;
	struct fake_dev *a;

	/* A driver that knows. */
	a = fk_dev(test, &(struct fake_config){});
	a->data = create(test, a, FIRST, LAST);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_put,
					       remove_and_detach));
	fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);
	/* One that forgets. */
	a = fk_dev(test, &(struct fake_config){});
	a->data = create(test, a, FIRST, LAST);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_put, NULL));
	kunit_warning_suppress(test)
		fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);
	/* One that is not concerned: the IOMMU driver attached it. */
	a = fk_dev(test, &(struct fake_config){});
	space = create(test, a, FIRST, LAST);
	attach(test, space, a);
	dma_space_put(space);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, fk_probe_ok, NULL));
	fk_expect_data(test, a, 34);
	fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);
}

/* A group whose space nobody has asked for any more, and then no device is left. */
static void group_is_removed_in_the_space(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_space *space = create(test, b, FIRST, LAST);
	struct iommu_domain *domain = dma_space_domain(space);

	attach(test, space, b);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, fk_probe_ok, NULL));
	dma_space_detach(fake_device(b));
	dma_space_put(space);
	fk_destroy_last(test);
	KUNIT_EXPECT_PTR_EQ(test, a->domain, domain);
	fk_expect_data(test, a, 35);
	fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);

	/* All of them attached, by nobody who would detach them. */
	a = fk_dev(test, &(struct fake_config){});
	b = fk_dev(test, &(struct fake_config){ .peer = a });
	space = create(test, a, FIRST, LAST);
	attach(test, space, a);
	attach(test, space, b);
	dma_space_put(space);
	fk_destroy_last(test);
	fk_expect_data(test, a, 36);
	fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);
}
#endif /* HAVE_DMA_SPACE */

static struct kunit_case fake_group_cases[] = {
#ifdef HAVE_DMA_SPACE
	KUNIT_CASE(group_moves_as_one),
	KUNIT_CASE(group_shares_if_both_ask),
	KUNIT_CASE(group_with_a_strange_driver),
	KUNIT_CASE(group_leaves_with_the_last_driver),
	KUNIT_CASE(sibling_comes_and_goes),
	KUNIT_CASE(late_member_is_in_the_space),
	KUNIT_CASE(group_waits_for_devres),
	KUNIT_CASE(driver_attaches_and_detaches),
	KUNIT_CASE(unbind_while_attached),
	KUNIT_CASE(probe_fails_while_attached),
	KUNIT_CASE(devres_action_detaches),
	KUNIT_CASE_SLOW(one_to_one_leaves_nothing),
	KUNIT_CASE(remove_comes_before_the_detach),
	KUNIT_CASE(attached_without_a_driver_stays),
	KUNIT_CASE(driver_detaches_what_was_there),
	KUNIT_CASE(group_survives_a_forgetful_driver),
	KUNIT_CASE(device_is_removed_while_attached),
	KUNIT_CASE(removal_frees_the_space),
	KUNIT_CASE(group_is_removed_in_the_space),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite fake_group_suite = {
	.name = "fake_group_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_group_cases,
};

kunit_test_suite(fake_group_suite);

MODULE_DESCRIPTION("Address spaces, groups and drivers, on a fake IOMMU");
MODULE_LICENSE("GPL");
