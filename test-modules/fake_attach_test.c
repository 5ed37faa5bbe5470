// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that enter and leave a space: who may, and what becomes of them, of
 * their default domains and of who else is concerned, as sysfs and vfio. On
 * devices that can be told to be difficult (fake_iommu.h).
 */

#include <linux/delay.h>
#include <linux/kthread.h>

#include "debug_knobs.h"
#include "fake_test.h"

#ifdef HAVE_DMA_SPACE
#include "fake_space.h"

static void attach_and_detach(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct where before = where_is(fake);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t in_default, in_space;
	u8 c;

	attach(test, space, fake);
	in_space = fk_map(test, fake, page);
	KUNIT_EXPECT_GE(test, in_space, FIRST);
	KUNIT_EXPECT_LE(test, in_space, LAST);
	fk_expect_data(test, fake, 2);
	fk_unmap(fake, in_space);
	dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);

	/* What is mapped in one is out of reach in the other. */
	in_default = fk_map(test, fake, page);
	KUNIT_EXPECT_EQ(test, fake_dev_read(fake, in_default, &c, 1), 1);
	KUNIT_EXPECT_EQ(test, fake_dev_read(fake, in_space, &c, 1),
			in_default == in_space);
	fk_unmap(fake, in_default);

	/* Again, and the space is as new. */
	attach(test, space, fake);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);
	dma_space_put(space);
}

static void second_attach_is_refused(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct dma_space *other = create(test, fake, FIRST, LAST);

	attach(test, space, fake);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(fake)), -EBUSY);
	KUNIT_EXPECT_EQ(test, dma_space_attach(other, fake_device(fake)), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
	fk_expect_data(test, fake, 3);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
	attach(test, other, fake);
	dma_space_detach(fake_device(fake));
	dma_space_put(other);
}

static void detach_of_nothing_warns(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct where before = where_is(fake);

	kunit_warning_suppress(test)
		dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);
}

/* A driver's own domain, and vfio's ownership, are not taken from them. */
static void other_owners_come_first(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct where before = where_is(fake);
	struct iommu_domain *own;

	own = iommu_paging_domain_alloc(dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, own);
	KUNIT_EXPECT_EQ(test, 0, iommu_attach_device(own, dev));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, dev), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, own);
	iommu_detach_device(own, dev);
	expect_at(test, fake, &before);

	KUNIT_EXPECT_EQ(test, 0, iommu_device_claim_dma_owner(dev, test));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, dev), -EBUSY);
	iommu_device_release_dma_owner(dev);
	expect_at(test, fake, &before);

	attach(test, space, fake);
	KUNIT_EXPECT_EQ(test, iommu_device_claim_dma_owner(dev, test), -EBUSY);
	KUNIT_EXPECT_EQ(test, iommu_attach_device(own, dev), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
	fk_expect_data(test, fake, 4);
	dma_space_detach(dev);
	expect_at(test, fake, &before);
	KUNIT_EXPECT_EQ(test, 0, iommu_device_claim_dma_owner(dev, test));
	iommu_device_release_dma_owner(dev);
	iommu_domain_free(own);
	dma_space_put(space);
}

/* The creator's reference is no more than that. */
static void references(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	int before = atomic_read(&fake_iommu(0)->domains);
	struct dma_space *space = create(test, a, FIRST, LAST);

	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before + 1);
	attach(test, space, a);
	attach(test, space, b);
	KUNIT_EXPECT_PTR_EQ(test, dma_space_get(space), space);
	dma_space_put(space);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before + 1);
	fk_expect_data(test, a, 5);
	dma_space_detach(fake_device(a));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before + 1);
	fk_expect_data(test, b, 6);
	fk_expect_data(test, a, 7);
	dma_space_detach(fake_device(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before);
	fk_expect_data(test, b, 8);

	space = create(test, a, FIRST, LAST);
	KUNIT_EXPECT_PTR_EQ(test, dma_space_get(space), space);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before + 1);
	dma_space_put(space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains), before);
	dma_space_put(NULL);
}

/* What is bound once is there for each, at the same address. */
static void one_binding_for_all(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct page *page2 = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct dma_space *space = create(test, a, FIRST, LAST);
	dma_addr_t addr, other;
	u8 *buf = kunit_kzalloc(test, 1000, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	attach(test, space, a);
	addr = fk_map(test, a, page);
	attach(test, space, b);
	dt_fill(buf, 1000, 9);
	KUNIT_EXPECT_EQ(test, fake_dev_write(b, addr, buf, 1000), 1000);
	KUNIT_EXPECT_EQ(test, dt_check(page_address(page), 1000, 9), 1000);
	/* Their allocator is one as well. */
	other = fk_map(test, b, page2);
	KUNIT_EXPECT_NE(test, other, addr);
	KUNIT_EXPECT_EQ(test, fake_dev_read(a, other, buf, 1000), 1000);
	/* One unmaps what it mapped, and for all; the rest stays. */
	fk_unmap(a, addr);
	if (iommu_get_domain_for_dev(fake_device(b))->type == IOMMU_DOMAIN_DMA)
		KUNIT_EXPECT_EQ(test, fake_dev_phys(b, addr), 0);
	dma_space_detach(fake_device(a));
	KUNIT_EXPECT_NE(test, fake_dev_phys(a, other), page_to_phys(page2));
	KUNIT_EXPECT_EQ(test, fake_dev_phys(b, other), page_to_phys(page2));
	fk_unmap(b, other);
	dma_space_detach(fake_device(b));
	dma_space_put(space);
}

/* Its default domain translates nothing; a space does. */
static void identity_device_in_a_space(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.def_type = IOMMU_DOMAIN_IDENTITY });
	struct where before = where_is(fake);
	struct dma_space *space;

	KUNIT_EXPECT_FALSE(test, before.common);
	space = create(test, fake, FIRST, LAST);
	KUNIT_ASSERT_NOT_NULL(test, dma_space_domain(space));
	attach(test, space, fake);
	fk_check_window(test, &way_page, FIRST, LAST, 0, 0);
	fk_expect_data(test, fake, 10);
	dma_space_detach(fake_device(fake));
	expect_at(test, fake, &before);
	dma_space_put(space);
}

/* vfio, for one, puts devices without an IOMMU into groups. */
static void group_without_an_iommu(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct iommu_group *group = iommu_group_alloc();
	struct dma_space *space;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, group);
	KUNIT_ASSERT_EQ(test, 0, iommu_group_add_device(group,
							fake_device(fake)));
	space = create(test, fk_dev(test, &(struct fake_config){}), FIRST, LAST);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			dma_space_attach(space, fake_device(fake)));
	dma_space_put(space);
	space = dma_space_create(fake_device(fake), FIRST, LAST);
	if (!IS_ERR(space)) {
		KUNIT_EXPECT_NULL(test, dma_space_domain(space));
		dma_space_put(space);
	}
	iommu_group_remove_device(fake_device(fake));
	iommu_group_put(group);
}

/* It takes the device out of its space. The driver's references are the driver's. */
static void the_iommu_goes_first(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	int domains = atomic_read(&fake->iommu->domains);

	fake->data = create(test, fake, FIRST, LAST);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach, NULL));
	dma_space_put(fake->data);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), domains + 1);
	/* That the driver is still there is somebody's mistake. */
	kunit_warning_suppress(test)
		iommu_group_remove_device(dev);
	KUNIT_EXPECT_NULL(test, dev->iommu_group);
	KUNIT_EXPECT_LE(test, atomic_read(&fake->iommu->domains), domains);
	fake_dev_unbind(fake);
}

static void sysfs_says_and_refuses(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.def_type = IOMMU_DOMAIN_IDENTITY });
	struct fake_dev *plain = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	char type[16];

	fk_read_type(fake, type, sizeof(type));
	KUNIT_EXPECT_STREQ(test, type, "identity");
	attach(test, space, fake);
	fk_read_type(fake, type, sizeof(type));
	KUNIT_EXPECT_EQ_MSG(test, strncmp(type, "DMA", 3), 0, "it says %s", type);
	dma_space_detach(fake_device(fake));
	fk_read_type(fake, type, sizeof(type));
	KUNIT_EXPECT_STREQ(test, type, "identity");
	dma_space_put(space);

	space = create(test, plain, FIRST, LAST);
	attach(test, space, plain);
	KUNIT_EXPECT_EQ(test, fk_write_type(plain, "identity"), -EBUSY);
	KUNIT_EXPECT_EQ(test, fk_write_type(plain, "DMA"), -EBUSY);
	KUNIT_EXPECT_EQ(test, fk_write_type(plain, "auto"), -EBUSY);
	KUNIT_EXPECT_PTR_EQ(test, plain->domain, dma_space_domain(space));
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(plain, fk_probe_ok, NULL));
	KUNIT_EXPECT_LT(test, fk_write_type(plain, "identity"), 0);
	fake_dev_unbind(plain);
	fk_expect_data(test, plain, 23);
	dma_space_detach(fake_device(plain));
	KUNIT_EXPECT_GT(test, fk_write_type(plain, "identity"), 0);
	KUNIT_EXPECT_GT(test, fk_write_type(plain, "DMA"), 0);
	fk_expect_data(test, plain, 24);
	dma_space_put(space);
}

/* "DMA-FQ" is the one change that may happen at run time, and only there. */
static void sysfs_does_not_switch_a_space(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct iommu_domain *domain = dma_space_domain(space);
	unsigned int type = domain->type;

	attach(test, space, fake);
	KUNIT_EXPECT_EQ(test, fk_write_type(fake, "DMA-FQ"), -EBUSY);
	KUNIT_EXPECT_EQ(test, domain->type, type);
	fk_expect_data(test, fake, 25);
	dma_space_detach(fake_device(fake));
	fk_expect_data(test, fake, 26);
	dma_space_put(space);
}

/* -- What DMA debugging says -- */

/*
 * What is mapped when a device changes its space is reported, whoever changes
 * it, once each time; and nothing else is.
 */
static void debugging_reports_what_is_mapped(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	char __user *user = user_memory(test);
	dma_addr_t addr;
	int shown;

	if (read_knob(test, user, DMA_DEBUG_DIR "disabled"))
		kunit_skip(test, "DMA debugging is off");
	/* Counted, but not shown: that would look like a splat. */
	shown = read_knob(test, user, DMA_DEBUG_DIR "num_errors");
	write_knob(test, user, DMA_DEBUG_DIR "num_errors", 0);
	new_errors(test, user);

	attach(test, space, fake);
	fk_expect_data(test, fake, 37);
	dma_space_detach(fake_device(fake));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 0);

	addr = fk_map(test, fake, page);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, fake_device(fake)));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 1);
	/* Refused: it stays where its mapping is good. */
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(fake)), -EBUSY);
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 0);
	dma_space_detach(fake_device(fake));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 1);
	fk_unmap(fake, addr);

	attach(test, space, fake);
	addr = fk_map(test, fake, page);
	dma_space_detach(fake_device(fake));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 1);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, fake_device(fake)));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 1);
	fk_unmap(fake, addr);
	dma_space_detach(fake_device(fake));
	KUNIT_EXPECT_EQ(test, new_errors(test, user), 0);

	write_knob(test, user, DMA_DEBUG_DIR "num_errors", shown);
	KUNIT_EXPECT_EQ(test, read_knob(test, user, DMA_DEBUG_DIR "num_errors"), shown);
	dma_space_put(space);
}

/* -- One-to-one -- */

static void one_to_one(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_space *space = create(test, a, 0, U32_MAX);
	int before = atomic_read(&fake_iommu(0)->domains);

	KUNIT_EXPECT_NULL(test, dma_space_domain(space));
	KUNIT_EXPECT_EQ(test, before, fk(test)->domains[0] + 1);
	/* Who else would take it back? */
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(a)), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(b)), -EINVAL);
	a->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_attach,
					       remove_and_detach));
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, fake_device(a)), -EBUSY);
	KUNIT_EXPECT_FALSE(test, dev_dma_iommu(fake_device(a)));
	fk_expect_data(test, a, 27);
	dma_space_put(space);
	fk_expect_data(test, a, 28);
	fake_dev_unbind(a);
	fk_expect_data(test, a, 29);

	space = create(test, a, 0, U32_MAX);
	a->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_attach, NULL));
	kunit_warning_suppress(test)
		fake_dev_unbind(a);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(a, probe_and_attach,
					       remove_and_detach));
	fake_dev_unbind(a);
	dma_space_put(space);
}

/* -- At once -- */

struct mapper {
	struct fake_dev *fake;
	struct page *page;
	struct task_struct *task;
	unsigned int done;
	unsigned int outside;
};

static int map_all_the_time(void *data)
{
	struct mapper *m = data;
	struct device *dev = fake_device(m->fake);

	while (!kthread_should_stop()) {
		dma_addr_t addr = dma_map_page(dev, m->page, 0, PAGE_SIZE,
					       DMA_TO_DEVICE);

		if (dma_mapping_error(dev, addr))
			continue;
		if (addr < FIRST || addr > LAST)
			m->outside++;
		dma_unmap_page(dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
		m->done++;
		cond_resched();
	}
	return 0;
}

/* Others come and go while one maps. */
static void maps_while_others_attach(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &with_region);
	struct dma_space *space = create(test, a, FIRST, LAST);
	struct mapper m = { .fake = a };
	unsigned int i, good = 0;

	m.page = dt_alloc_pages(test, GFP_KERNEL, 0);
	attach(test, space, a);
	m.task = kthread_run(map_all_the_time, &m, "mapper");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, m.task);
	for (i = 0; i < 100; i++) {
		int ret = dma_space_attach(space, fake_device(b));

		/* The mapper may just have an address in the hole. */
		if (ret == -EBUSY)
			continue;
		KUNIT_EXPECT_EQ(test, ret, 0);
		if (ret)
			break;
		good++;
		fk_expect_data(test, b, i);
		dma_space_detach(fake_device(b));
	}
	kthread_stop(m.task);
	KUNIT_EXPECT_GT(test, good, 0);
	KUNIT_EXPECT_GT(test, m.done, 0);
	KUNIT_EXPECT_EQ(test, m.outside, 0);
	dma_space_detach(fake_device(a));
	dma_space_put(space);
}

struct changer {
	struct fake_dev *fake;
	struct dma_space *space;
	struct task_struct *task;
	unsigned int odd;
	unsigned int good;
};

static int change_all_the_time(void *data)
{
	struct changer *c = data;
	struct device *dev = fake_device(c->fake);

	while (!kthread_should_stop()) {
		int ret = dma_space_attach(c->space, dev);

		if (!ret) {
			WRITE_ONCE(c->good, c->good + 1);
			dma_space_detach(dev);
			/* Let the other have its turn */
			usleep_range(100, 1000);
		} else if (ret != -EBUSY) {
			c->odd++;
		}
		cond_resched();
	}
	return 0;
}

/* The devices of a group are attached and detached at the same time. */
static void group_is_changed_at_once(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct where before = where_is(a);
	struct changer c[2] = { { .fake = a }, { .fake = b } };
	unsigned int i;

	c[0].space = create(test, a, FIRST, LAST);
	c[1].space = create(test, a, FIRST, LAST);
	for (i = 0; i < 2; i++)
		c[i].task = kthread_run(change_all_the_time, &c[i], "changer");
	/* A busy host takes its time */
	for (i = 0; i < 300; i++) {
		msleep(100);
		if (i >= 5 && READ_ONCE(c[0].good) && READ_ONCE(c[1].good))
			break;
	}
	for (i = 0; i < 2; i++) {
		if (!IS_ERR(c[i].task))
			kthread_stop(c[i].task);
		KUNIT_EXPECT_EQ(test, c[i].odd, 0);
		KUNIT_EXPECT_GT(test, c[i].good, 0);
		dma_space_put(c[i].space);
	}
	expect_at(test, a, &before);
	expect_at(test, b, &before);
}
#endif /* HAVE_DMA_SPACE */

static struct kunit_case fake_attach_cases[] = {
#ifdef HAVE_DMA_SPACE
	KUNIT_CASE(attach_and_detach),
	KUNIT_CASE(second_attach_is_refused),
	KUNIT_CASE(other_owners_come_first),
	KUNIT_CASE(references),
	KUNIT_CASE(one_binding_for_all),
	KUNIT_CASE(identity_device_in_a_space),
	KUNIT_CASE(group_without_an_iommu),
	KUNIT_CASE(the_iommu_goes_first),
	KUNIT_CASE(sysfs_says_and_refuses),
	KUNIT_CASE(sysfs_does_not_switch_a_space),
	KUNIT_CASE(debugging_reports_what_is_mapped),
	KUNIT_CASE(one_to_one),
	KUNIT_CASE_SLOW(maps_while_others_attach),
	KUNIT_CASE_SLOW(group_is_changed_at_once),
	/* Last: only the first warning of its kind can be seen. */
	KUNIT_CASE(detach_of_nothing_warns),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite fake_attach_suite = {
	.name = "fake_attach_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_attach_cases,
};

kunit_test_suite(fake_attach_suite);

MODULE_DESCRIPTION("Devices that enter and leave address spaces, on a fake IOMMU");
MODULE_LICENSE("GPL");
