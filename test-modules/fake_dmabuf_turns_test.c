// SPDX-License-Identifier: GPL-2.0
/*
 * Backings as dma-bufs: how CPUs and devices take turns, and what is done to the
 * caches for it. On devices that can be told to be difficult (fake_iommu.h).
 */

#include <linux/dma-fence.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "fake_dmabuf.h"

/* Reading and writing, as the CPU's access is seen from the device. */
#define READ_IT		DMA_FROM_DEVICE
#define WRITE_IT	DMA_TO_DEVICE

/**
 * struct shared - a backing that was exported, and that a device is attached to
 * @backing: the backing
 * @mem: its memory
 * @dmabuf: the dma-buf
 * @a: the device's
 */
struct shared {
	struct dma_backing *backing;
	struct db_mem *mem;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *a;
};

static struct shared share(struct kunit *test, struct fake_dev *fake)
{
	struct shared s;

	s.backing = db_wrap(test, &s.mem, 2);
	s.dmabuf = db_export(test, s.backing);
	s.a = db_attach(test, s.dmabuf, fake);
	return s;
}

static void unshare(struct kunit *test, struct shared *s)
{
	dma_buf_detach(s->dmabuf, s->a);
	dma_backing_put(s->backing);
	dma_buf_put(s->dmabuf);
	db_expect_freed(test, s->mem);
}

/* A device that does not look into the caches. */
static struct fake_dev *no_snooping(struct kunit *test, bool untranslated)
{
	struct fake_dev *fake = db_dev(test, untranslated, false);

	if (dev_is_dma_coherent(fake_device(fake)))
		kunit_skip(test, "all devices are coherent here");
	return fake;
}

/* How often the caches were cleaned and invalidated until now. */
static void expect_turns(struct kunit *test, const struct shared *s,
			 unsigned long cleaned, unsigned long invalidated,
			 const char *what)
{
	KUNIT_EXPECT_EQ_MSG(test, s->backing->cleaned, cleaned, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, s->backing->invalidated, invalidated, "%s",
			    what);
}

static struct sg_table *maps(struct kunit *test, const struct shared *s,
			     unsigned long cleaned, unsigned long invalidated,
			     const char *what)
{
	struct sg_table *sgt = db_map(test, s->a, BOTH);

	expect_turns(test, s, cleaned, invalidated, what);
	return sgt;
}

static void unmaps(struct kunit *test, const struct shared *s,
		   struct sg_table *sgt, unsigned long cleaned,
		   unsigned long invalidated, const char *what)
{
	db_unmap(s->a, sgt);
	expect_turns(test, s, cleaned, invalidated, what);
}

static void begins(struct kunit *test, const struct shared *s,
		   enum dma_data_direction dir, unsigned long cleaned,
		   unsigned long invalidated, const char *what)
{
	KUNIT_EXPECT_EQ_MSG(test, 0, dma_buf_begin_cpu_access(s->dmabuf, dir),
			    "%s", what);
	expect_turns(test, s, cleaned, invalidated, what);
}

static void ends(struct kunit *test, const struct shared *s,
		 enum dma_data_direction dir, unsigned long cleaned,
		 unsigned long invalidated, const char *what)
{
	KUNIT_EXPECT_EQ_MSG(test, 0, dma_buf_end_cpu_access(s->dmabuf, dir),
			    "%s", what);
	expect_turns(test, s, cleaned, invalidated, what);
}

static void take_turns(struct kunit *test, struct fake_dev *fake)
{
	struct shared s = share(test, fake);
	struct sg_table *sgt;
	unsigned int i;

	/* What the CPU wrote before anybody asked. */
	sgt = maps(test, &s, 1, 0, "the first map");
	db_unmap(s.a, sgt);
	for (i = 0; i < 3; i++) {
		sgt = maps(test, &s, 1, 0, "device to device");
		db_unmap(s.a, sgt);
	}
	/* It wrote, and is gone. */
	begins(test, &s, READ_IT, 1, 1, "the CPU reads");
	ends(test, &s, READ_IT, 1, 1, "it has read");
	sgt = maps(test, &s, 1, 1, "mapped after that");
	begins(test, &s, BOTH, 1, 2, "the CPU writes");
	ends(test, &s, BOTH, 2, 2, "it has written");
	db_unmap(s.a, sgt);
	unshare(test, &s);
}

static void r004_8_turns(struct kunit *test)
{
	take_turns(test, no_snooping(test, false));
}

static void r004_8_turns_without_iommu(struct kunit *test)
{
	take_turns(test, no_snooping(test, true));
}

/* A process dies with its access open: the device gets what it wrote. */
static void r004_8_turns_never_ended(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt;

	begins(test, &s, BOTH, 0, 0, "begun");
	begins(test, &s, BOTH, 0, 0, "begun again");
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 1);
	sgt = maps(test, &s, 1, 0, "mapped while open");
	/* Whoever looks next sees what the device wrote. */
	begins(test, &s, READ_IT, 2, 1, "begun while mapped");
	unmaps(test, &s, sgt, 3, 1, "unmapped while open");
	ends(test, &s, READ_IT, 3, 1, "ended after it was unmapped");
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 0);
	/* Also what it wrote until then; and what a process may be writing stays. */
	begins(test, &s, READ_IT, 4, 2, "begun after it was unmapped");
	ends(test, &s, BOTH, 4, 2, "ended");

	/* The dma-buf goes with its access; others can go on. */
	begins(test, &s, BOTH, 4, 2, "begun for the last time");
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 1);
	dma_buf_detach(s.dmabuf, s.a);
	dma_buf_put(s.dmabuf);
	flush_delayed_fput();
	msleep(40);
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 0);
	dma_backing_put(s.backing);
	db_expect_freed(test, s.mem);
}

/* What was written goes to the device, whether or not somebody said so before. */
static void r004_8_turns_never_begun(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt;

	sgt = db_map(test, s.a, DMA_TO_DEVICE);
	expect_turns(test, &s, 1, 0, "mapped for reading");
	ends(test, &s, WRITE_IT, 2, 0, "an end alone");
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 0);
	KUNIT_EXPECT_TRUE(test, s.backing->device_side);
	db_unmap(s.a, sgt);
	/* A device that writes is no reason to throw it away. */
	sgt = maps(test, &s, 2, 0, "mapped for writing");
	ends(test, &s, WRITE_IT, 3, 0, "an end alone, and a writing device");
	/* One that has only read has nothing to show. */
	ends(test, &s, READ_IT, 3, 0, "an end of reading alone");
	db_unmap(s.a, sgt);
	unshare(test, &s);
}

/*
 * Two processes write at the same time, each in pairs. The end of the first ends what
 * there is; what the second goes on to write is not invalidated.
 */
static void r004_8_turns_overlap(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt = maps(test, &s, 1, 0, "mapped");

	begins(test, &s, WRITE_IT, 1, 1, "the first begins");
	begins(test, &s, WRITE_IT, 2, 1, "the second begins");
	ends(test, &s, WRITE_IT, 3, 1, "the first ends");
	ends(test, &s, WRITE_IT, 4, 1, "the second ends");

	/* A third one reads in between: what is dirty then is cleaned before. */
	begins(test, &s, WRITE_IT, 4, 2, "one begins to write");
	begins(test, &s, READ_IT, 5, 3, "one begins to read");
	ends(test, &s, READ_IT, 6, 3, "it has read");
	begins(test, &s, READ_IT, 7, 4, "it reads again");
	ends(test, &s, WRITE_IT, 8, 4, "the other has written");
	ends(test, &s, READ_IT, 8, 4, "it has read again");

	/* The device comes and goes meanwhile: nothing is invalidated. */
	begins(test, &s, WRITE_IT, 8, 5, "one begins once more");
	unmaps(test, &s, sgt, 9, 5, "unmapped meanwhile");
	sgt = maps(test, &s, 10, 5, "mapped meanwhile");
	ends(test, &s, WRITE_IT, 11, 5, "it has written");
	KUNIT_EXPECT_TRUE(test, s.backing->device_side);
	db_unmap(s.a, sgt);
	unshare(test, &s);
}

/*
 * Mapped for a device of either kind at the same time, and nobody says whose turn it
 * is: each finds what the other has written, and so do CPUs.
 */
static void r004_8_turns_of_both_kinds(struct kunit *test)
{
	struct shared blind = share(test, no_snooping(test, false));
	struct shared snoops = blind;
	struct sg_table *sgt_blind, *sgt_snoops;

	snoops.a = db_attach(test, blind.dmabuf, db_dev(test, false, true));
	sgt_blind = maps(test, &blind, 1, 0, "mapped for the one");
	sgt_snoops = maps(test, &snoops, 2, 1, "mapped for the other");
	KUNIT_EXPECT_TRUE(test, blind.backing->device_side);
	/* What the other has written is cleaned before it is invalidated. */
	begins(test, &blind, READ_IT, 3, 2, "a CPU reads");
	ends(test, &blind, READ_IT, 4, 2, "it has read");
	unmaps(test, &snoops, sgt_snoops, 5, 2, "the other has written");

	/* It is mapped again while a process writes that others have overtaken. */
	begins(test, &blind, WRITE_IT, 5, 3, "one begins to write");
	begins(test, &blind, READ_IT, 6, 4, "one begins to read");
	ends(test, &blind, READ_IT, 7, 4, "one has read");
	sgt_snoops = maps(test, &snoops, 9, 5,
			  "cleaned, invalidated, and cleaned");
	ends(test, &blind, WRITE_IT, 10, 5, "the first has written");
	unmaps(test, &snoops, sgt_snoops, 11, 5, "the other has written again");
	db_unmap(blind.a, sgt_blind);
	begins(test, &blind, READ_IT, 11, 6, "the one has written");
	ends(test, &blind, READ_IT, 11, 6, "a CPU has seen it");
	dma_buf_detach(snoops.dmabuf, snoops.a);
	unshare(test, &blind);
}

/* A driver that has the backing itself has said whose turn it is. */
static void r004_8_turn_of_a_driver(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt = maps(test, &s, 1, 0, "mapped");

	/* Its own access, which the dma-buf does not know of. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(s.backing, BOTH));
	expect_turns(test, &s, 1, 1, "the driver begins");
	unmaps(test, &s, sgt, 2, 1, "unmapped meanwhile");
	KUNIT_EXPECT_FALSE(test, s.backing->device_side);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(s.backing, BOTH));
	expect_turns(test, &s, 2, 1, "the driver ends");

	/* The turn is not taken from it. The device sees what is there so far. */
	KUNIT_EXPECT_EQ(test, 0,
			dma_backing_begin_cpu_access(s.backing, WRITE_IT));
	sgt = maps(test, &s, 3, 1, "mapped meanwhile");
	KUNIT_EXPECT_FALSE(test, s.backing->device_side);
	KUNIT_EXPECT_EQ(test, 0,
			dma_backing_end_cpu_access(s.backing, WRITE_IT));
	expect_turns(test, &s, 4, 1, "the driver has written");
	KUNIT_EXPECT_TRUE(test, s.backing->device_side);
	unmaps(test, &s, sgt, 4, 1, "unmapped after that");
	unshare(test, &s);
}

static const char *fence_name(struct dma_fence *fence)
{
	return "test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static DEFINE_SPINLOCK(fence_lock);

/* A device is writing until the fence is signalled. */
static struct dma_fence *device_writes(struct kunit *test,
				       const struct shared *s)
{
	struct dma_resv *resv = s->dmabuf->resv;
	struct dma_fence *fence = kzalloc_obj(*fence);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fence_ops, &fence_lock,
		       dma_fence_context_alloc(1), 1);
	dma_resv_lock(resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(resv, 1));
	dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(resv);
	return fence;
}

struct late_reader {
	struct work_struct work;
	struct dma_buf *dmabuf;
	int ret;
};

static void late_read(struct work_struct *work)
{
	struct late_reader *late = container_of(work, typeof(*late), work);

	late->ret = dma_buf_begin_cpu_access(late->dmabuf, READ_IT);
}

/* While a device writes, nothing that is invalidated stays so. */
static void r004_8_begins_when_the_device_is_done(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt = maps(test, &s, 1, 0, "mapped");
	struct late_reader late = { .dmabuf = s.dmabuf };
	struct dma_fence *fence = device_writes(test, &s);

	INIT_WORK_ONSTACK(&late.work, late_read);
	schedule_work(&late.work);
	msleep(50);
	expect_turns(test, &s, 1, 0, "the device is at work");
	dma_fence_signal(fence);
	flush_work(&late.work);
	destroy_work_on_stack(&late.work);
	KUNIT_EXPECT_EQ(test, late.ret, 0);
	expect_turns(test, &s, 1, 1, "it is done");
	ends(test, &s, READ_IT, 1, 1, "the CPU is done, too");
	db_unmap(s.a, sgt);
	unshare(test, &s);
	dma_fence_put(fence);
}

/* A signal ends the wait, and nothing has begun. */
static void r004_8_interrupted_before_it_begins(struct kunit *test)
{
	struct shared s = share(test, no_snooping(test, false));
	struct sg_table *sgt = maps(test, &s, 1, 0, "mapped");
	struct dma_fence *fence = device_writes(test, &s);

	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 1);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(s.dmabuf, READ_IT),
			-ERESTARTSYS);
	flush_signals(current);
	disallow_signal(SIGUSR1);
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 0);
	KUNIT_EXPECT_TRUE(test, s.backing->device_side);
	expect_turns(test, &s, 1, 0, "interrupted");
	dma_fence_signal(fence);
	begins(test, &s, READ_IT, 1, 1, "it is done");
	ends(test, &s, READ_IT, 1, 1, "the CPU is done, too");
	db_unmap(s.a, sgt);
	unshare(test, &s);
	dma_fence_put(fence);
}

/* Somebody else hands it over at this moment: "try again". */
static void r004_8_handed_over_elsewhere(struct kunit *test)
{
	struct shared s = share(test, db_dev(test, false, true));
	struct sg_table *sgt;

	s.backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, dma_buf_begin_cpu_access(s.dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, dma_buf_end_cpu_access(s.dmabuf, BOTH));
	sgt = dma_buf_map_attachment_unlocked(s.a, BOTH);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), -EBUSY);
	s.backing->crossing = false;
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 0);

	begins(test, &s, BOTH, 0, 0, "nobody hands it over now");
	s.backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, dma_buf_begin_cpu_access(s.dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, dma_buf_end_cpu_access(s.dmabuf, BOTH));
	s.backing->crossing = false;
	KUNIT_EXPECT_EQ(test, s.backing->cpu_access, 1);
	ends(test, &s, BOTH, 0, 0, "and now it can end");
	db_expect_mappers(test, s.backing, 0);
	unshare(test, &s);
}

static struct kunit_case fake_dmabuf_turns_cases[] = {
	KUNIT_CASE(r004_8_turns),
	KUNIT_CASE(r004_8_turns_without_iommu),
	KUNIT_CASE(r004_8_turns_never_ended),
	KUNIT_CASE(r004_8_turns_never_begun),
	KUNIT_CASE(r004_8_turns_overlap),
	KUNIT_CASE(r004_8_turns_of_both_kinds),
	KUNIT_CASE(r004_8_turn_of_a_driver),
	KUNIT_CASE(r004_8_begins_when_the_device_is_done),
	KUNIT_CASE(r004_8_interrupted_before_it_begins),
	KUNIT_CASE(r004_8_handed_over_elsewhere),
	{}
};

static struct kunit_suite fake_dmabuf_turns_suite = {
	.name = "fake_dmabuf_turns_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_dmabuf_turns_cases,
};

kunit_test_suite(fake_dmabuf_turns_suite);

MODULE_DESCRIPTION("Turns of CPUs and devices, of dma-bufs that are backings");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
