// SPDX-License-Identifier: GPL-2.0
/*
 * What is bound when a device first touches it, behind an IOMMU that holds the
 * device back meanwhile (fake_iommu.h). An IOMMU that does not is in edu_fault_test.
 */

#include <linux/kthread.h>

#include "fake_backing.h"
#include "fake_space.h"

#define PAGES	8

/**
 * struct lazy - memory that is bound page by page, when the device wants it
 * @test: the case
 * @space: where
 * @fake: for whom
 * @state: its addresses
 * @backing: its memory
 * @binding: one for each page
 * @dir: how it is bound
 * @ret: if not 0, nothing is bound, and that is the answer
 * @faults: how often somebody was told
 * @mistakes: and not as it should have been
 * @dev: the device, as it was told
 * @addr: the address, likewise
 * @flags: the flags, likewise
 */
struct lazy {
	struct kunit *test;
	struct dma_space *space;
	struct fake_dev *fake;
	struct dma_iova_state *state;
	struct dma_backing *backing;
	struct dma_binding *binding[PAGES];
	enum dma_data_direction dir;
	int ret;
	unsigned int faults;
	unsigned int mistakes;
	struct device *dev;
	dma_addr_t addr;
	int flags;
};

static int lazy_fault(struct dma_space *space, struct device *dev,
		      dma_addr_t addr, int flags, void *data)
{
	struct lazy *l = data;
	unsigned int n;

	l->faults++;
	l->mistakes += space != l->space || !irqs_disabled();
	l->dev = dev;
	l->addr = addr;
	l->flags = flags;
	if (l->ret)
		return l->ret;
	if (addr - dma_iova_addr(l->state) >= dma_iova_size(l->state))
		return -ENOSYS;
	n = (addr - dma_iova_addr(l->state)) / P;
	/* What it wants is not to be had by binding. */
	if (l->binding[n]->mapper.backing)
		return -EACCES;
	return dma_iova_bind(fake_device(l->fake), l->state, l->binding[n], n * P,
			     l->backing, n * P, P, l->dir, 0);
}

/* Of the case; its device leaves the space before it is destroyed. */
static struct lazy *the_lazy;

static void lazy_exit(struct kunit *test)
{
	struct lazy *l = the_lazy;

	if (l) {
		dma_space_set_fault_handler(l->space, NULL, NULL);
		bk_unbind_all();
		dma_space_detach(fake_device(l->fake));
		dma_space_put(l->space);
		the_lazy = NULL;
	}
	bk_exit(test);
}

/* A device in a space, with memory that is not bound yet. */
static struct lazy *lazy(struct kunit *test)
{
	struct lazy *l = kunit_kzalloc(test, sizeof(*l), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, l);
	l->test = test;
	l->dir = DMA_BIDIRECTIONAL;
	l->fake = bk_dev(test, 0, true);
	l->space = create(test, l->fake, FIRST, LAST);
	attach(test, l->space, l->fake);
	the_lazy = l;
	l->state = bk_reserve(test, l->fake, PAGES * P);
	l->backing = bk_wrap(test, PAGES, NULL);
	bk_fill(l->backing, 1);
	for (i = 0; i < PAGES; i++)
		l->binding[i] = bk_binding(test);
	KUNIT_ASSERT_EQ(test, 0, dma_space_set_fault_handler(l->space, lazy_fault,
							     l));
	fake_iommu_reset(l->fake->iommu);
	return l;
}

static size_t reads(struct lazy *l, unsigned int page, size_t len)
{
	u8 *buf = kunit_kzalloc(l->test, len, GFP_KERNEL);
	size_t got, off, bad = 0;

	KUNIT_ASSERT_NOT_NULL(l->test, buf);
	got = fake_dev_read(l->fake, dma_iova_addr(l->state) + page * P, buf, len);
	for (off = 0; off + P <= got; off += P)
		bad += dt_check(buf + off, P, 1 + page + off / P) != P;
	KUNIT_EXPECT_EQ_MSG(l->test, bad, 0, "pages that are not what they should be");
	return got;
}

static void expect_told(struct lazy *l, unsigned int faults)
{
	KUNIT_EXPECT_EQ(l->test, l->faults, faults);
	KUNIT_EXPECT_EQ(l->test, l->mistakes, 0);
	KUNIT_EXPECT_EQ(l->test, atomic_read(&l->fake->iommu->faults), faults);
}

/* -- What goes -- */

static void r004_6_bound_when_touched(struct kunit *test)
{
	struct lazy *l = lazy(test);

	KUNIT_EXPECT_EQ(test, bk_mapper_count(l->backing), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&l->fake->iommu->maps), 0);
	KUNIT_EXPECT_EQ(test, reads(l, 3, P), P);
	expect_told(l, 1);
	KUNIT_EXPECT_PTR_EQ(test, l->dev, fake_device(l->fake));
	KUNIT_EXPECT_EQ(test, l->addr, dma_iova_addr(l->state) + 3 * P);
	KUNIT_EXPECT_EQ(test, l->flags, IOMMU_FAULT_READ);
	/* That page, and no other. */
	KUNIT_EXPECT_EQ(test, bk_mapper_count(l->backing), 1);
	bk_expect_bound(test, l->fake, dma_iova_addr(l->state) + 3 * P,
			l->backing, 3 * P, P);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_phys(l->fake, dma_iova_addr(l->state) +
					       2 * P));
	KUNIT_EXPECT_EQ(test, 0, fake_dev_phys(l->fake, dma_iova_addr(l->state) +
					       4 * P));
	/* It stays. */
	KUNIT_EXPECT_EQ(test, reads(l, 3, P), P);
	expect_told(l, 1);
	/* The rest of it, in one go. */
	KUNIT_EXPECT_EQ(test, reads(l, 0, PAGES * P), PAGES * P);
	expect_told(l, PAGES);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(l->backing), PAGES);
	/* Taken away, and wanted again. */
	dma_iova_unbind(l->binding[5]);
	KUNIT_EXPECT_EQ(test, reads(l, 5, P), P);
	expect_told(l, PAGES + 1);
}

static void r004_6_written_when_touched(struct kunit *test)
{
	struct lazy *l = lazy(test);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL), *p;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	dt_fill(buf, P, 50);
	KUNIT_EXPECT_EQ(test, P, fake_dev_write(l->fake, dma_iova_addr(l->state) +
						P, buf, P));
	expect_told(l, 1);
	KUNIT_EXPECT_EQ(test, l->flags, IOMMU_FAULT_WRITE);
	p = kmap_local_page(bk_page(l->backing, P));
	KUNIT_EXPECT_EQ(test, dt_check(p, P, 50), P);
	kunmap_local(p);
}

/* Some IOMMU drivers do not know. */
static void r004_6_device_without_a_name(struct kunit *test)
{
	struct lazy *l = lazy(test);

	l->fake->iommu->nameless = true;
	l->dev = fake_device(l->fake);
	KUNIT_EXPECT_EQ(test, reads(l, 2, P), P);
	KUNIT_EXPECT_PTR_EQ(test, l->dev, NULL);
	expect_told(l, 1);
}

static void r004_6_each_device_of_a_space(struct kunit *test)
{
	struct lazy *l = lazy(test);
	struct fake_dev *two = bk_dev(test, 0, true);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	attach(test, l->space, two);
	KUNIT_EXPECT_EQ(test, P, fake_dev_read(two, dma_iova_addr(l->state), buf,
					       P));
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 1), P);
	KUNIT_EXPECT_PTR_EQ(test, l->dev, fake_device(two));
	/* What one has touched is there for the other. */
	KUNIT_EXPECT_EQ(test, reads(l, 0, P), P);
	expect_told(l, 1);
	KUNIT_EXPECT_EQ(test, reads(l, 1, P), P);
	KUNIT_EXPECT_PTR_EQ(test, l->dev, fake_device(l->fake));
	expect_told(l, 2);
	dma_space_detach(fake_device(two));
	/* Elsewhere is none of its business. */
	KUNIT_EXPECT_EQ(test, 0, fake_dev_read(two, dma_iova_addr(l->state), buf,
					       P));
	KUNIT_EXPECT_EQ(test, l->faults, 2);
}

/* -- What does not -- */

static void r004_6_refused_is_stopped(struct kunit *test)
{
	static const int refusals[] = { -ENOSYS, -ENOMEM, -EAGAIN };
	struct lazy *l = lazy(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		l->ret = refusals[i];
		KUNIT_EXPECT_EQ(test, reads(l, 1, P), 0);
		expect_told(l, i + 1);
	}
	KUNIT_EXPECT_EQ(test, bk_mapper_count(l->backing), 0);
	l->ret = 0;
	/* As far as it gets. */
	KUNIT_EXPECT_EQ(test, reads(l, PAGES - 1, P), P);
	dma_iova_unbind(l->binding[PAGES - 1]);
	KUNIT_EXPECT_EQ(test, fake_dev_write(l->fake, dma_iova_addr(l->state) +
					     dma_iova_size(l->state), "x", 1), 0);
}

/* The device wants to write, so what is bound then does not help. */
static void r004_6_bound_is_not_enough(struct kunit *test)
{
	struct lazy *l = lazy(test);

	l->dir = DMA_TO_DEVICE;
	KUNIT_EXPECT_EQ(test, 0, fake_dev_write(l->fake, dma_iova_addr(l->state),
						"x", 1));
	expect_told(l, 2);
	KUNIT_EXPECT_EQ(test, l->flags, IOMMU_FAULT_WRITE);
	KUNIT_EXPECT_EQ(test, reads(l, 0, P), P);
	expect_told(l, 2);
}

/* The IOMMU has no memory for its tables in an interrupt. */
static void r004_6_binding_fails(struct kunit *test)
{
	struct lazy *l = lazy(test);

	l->fake->iommu->fail_map = 1;
	KUNIT_EXPECT_EQ(test, reads(l, 1, P), 0);
	expect_told(l, 1);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(l->backing), 0);
	KUNIT_EXPECT_EQ(test, reads(l, 1, P), P);
	expect_told(l, 2);
}

static void r004_6_one_is_told(struct kunit *test)
{
	struct lazy *l = lazy(test);

	KUNIT_EXPECT_EQ(test, -EBUSY,
			dma_space_set_fault_handler(l->space, lazy_fault, NULL));
	KUNIT_EXPECT_EQ(test, reads(l, 0, P), P);
	KUNIT_EXPECT_EQ(test, 0, dma_space_set_fault_handler(l->space, NULL, NULL));
	KUNIT_EXPECT_EQ(test, 0, dma_space_set_fault_handler(l->space, NULL, NULL));
	KUNIT_EXPECT_EQ(test, reads(l, 1, P), 0);
	KUNIT_EXPECT_EQ(test, l->faults, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_space_set_fault_handler(l->space, lazy_fault,
							     l));
	KUNIT_EXPECT_EQ(test, reads(l, 1, P), P);
	KUNIT_EXPECT_EQ(test, l->faults, 2);
}

static void r004_6_not_one_to_one(struct kunit *test)
{
	struct fake_dev *fake = bk_direct(test, true);
	struct dma_space *space = create(test, fake, 0, U32_MAX);

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_space_set_fault_handler(space, lazy_fault, NULL));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_space_set_fault_handler(space, NULL, NULL));
	dma_space_put(space);
}

/* -- At the end -- */

/* The group stays where its other device is; the handler goes with the space. */
static void r004_6_ends_with_the_space(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true), *peer;
	struct lazy l = { .test = test, .fake = fake, .ret = -ENOSYS };
	int domains = atomic_read(&fake->iommu->domains);

	peer = fk_dev(test, &(struct fake_config){ .coherent = true, .peer = fake });
	l.space = create(test, fake, FIRST, LAST);
	attach(test, l.space, fake);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_bind(peer, fk_probe_ok, NULL));
	KUNIT_EXPECT_EQ(test, 0, dma_space_set_fault_handler(l.space, lazy_fault,
							     &l));
	KUNIT_EXPECT_EQ(test, 0, fake_dev_write(peer, FIRST, "x", 1));
	KUNIT_EXPECT_EQ(test, l.faults, 1);
	dma_space_detach(fake_device(fake));
	dma_space_put(l.space);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), domains + 1);
	KUNIT_EXPECT_EQ(test, 0, fake_dev_write(peer, FIRST, "x", 1));
	KUNIT_EXPECT_EQ(test, l.faults, 1);
	fake_dev_unbind(peer);
}

/* -- And no later -- */

static struct {
	struct fake_dev *fake;
	unsigned long alive;
	atomic_t inside;
	atomic_t told;
	atomic_t too_late;
} late;

static int late_fault(struct dma_space *space, struct device *dev,
		      dma_addr_t addr, int flags, void *data)
{
	unsigned long *alive = data;

	atomic_inc(&late.inside);
	atomic_inc(&late.told);
	udelay(200);
	if (!READ_ONCE(*alive))
		atomic_inc(&late.too_late);
	atomic_dec(&late.inside);
	return -ENOSYS;
}

static int late_device(void *data)
{
	while (!kthread_should_stop()) {
		fake_dev_write(late.fake, FIRST, "x", 1);
		cond_resched();
	}
	return 0;
}

/* When the call returns, nobody is in the handler, and nobody gets there. */
static void r004_6_removed_is_removed(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_space *space = create(test, fake, FIRST, LAST);
	struct task_struct *task;
	unsigned int i, tries, inside = 0;

	attach(test, space, fake);
	memset(&late, 0, sizeof(late));
	late.fake = fake;
	task = kthread_run(late_device, NULL, "device");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < 30; i++) {
		int told = atomic_read(&late.told);

		WRITE_ONCE(late.alive, 1);
		KUNIT_EXPECT_EQ(test, 0,
				dma_space_set_fault_handler(space, late_fault,
							    &late.alive));
		for (tries = 0; tries < 5000 && atomic_read(&late.told) < told + 2;
		     tries++)
			usleep_range(50, 100);
		KUNIT_EXPECT_GE(test, atomic_read(&late.told), told + 2);
		dma_space_set_fault_handler(space, NULL, NULL);
		inside += atomic_read(&late.inside);
		WRITE_ONCE(late.alive, 0);
		udelay(300);
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, inside, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&late.too_late), 0);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
}

static struct kunit_case fake_fault_cases[] = {
	KUNIT_CASE(r004_6_bound_when_touched),
	KUNIT_CASE(r004_6_written_when_touched),
	KUNIT_CASE(r004_6_device_without_a_name),
	KUNIT_CASE(r004_6_each_device_of_a_space),
	KUNIT_CASE(r004_6_refused_is_stopped),
	KUNIT_CASE(r004_6_bound_is_not_enough),
	KUNIT_CASE(r004_6_binding_fails),
	KUNIT_CASE(r004_6_one_is_told),
	KUNIT_CASE(r004_6_not_one_to_one),
	KUNIT_CASE(r004_6_ends_with_the_space),
	KUNIT_CASE_SLOW(r004_6_removed_is_removed),
	{}
};

static struct kunit_suite fake_fault_suite = {
	.name = "fake_fault_test",
	.init = bk_init,
	.exit = lazy_exit,
	.test_cases = fake_fault_cases,
};

kunit_test_suite(fake_fault_suite);

MODULE_DESCRIPTION("What is bound when it is touched, on a fake IOMMU");
MODULE_LICENSE("GPL");
