// SPDX-License-Identifier: GPL-2.0
/*
 * Backings as dma-bufs: what the kernel, processes and fences have of them, and how
 * CPUs and devices take turns. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include <linux/dma-fence.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "fake_dmabuf.h"

static void r004_4_kernel_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct iosys_map map, again;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	struct db_mem *mem;
	u8 *p;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &map));
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	KUNIT_EXPECT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &again));
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, again.vaddr);
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, dma_backing_vmap(backing, 0));
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_KERNEL);
	p = map.vaddr;
	memset(p + 3 * P, 0x5a, P);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(page_address(mem->page[3]), 0x5a, P));
	dma_buf_vunmap_unlocked(dmabuf, &again);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	db_expect_mappers(test, backing, 1);
	dma_backing_vunmap(backing);
	db_expect_mappers(test, backing, 0);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static unsigned long map_user(struct kunit *test, struct dma_buf *dmabuf,
			      unsigned long first, unsigned long count,
			      unsigned long flags)
{
	return kunit_vm_mmap(test, dmabuf->file, 0, count * P,
			     PROT_READ | PROT_WRITE, flags, first * P);
}

static void r004_4_user_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	unsigned long u;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	u = map_user(test, dmabuf, 2, 3, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(u));
	um_expect(test, u, 3, mem->page + 2, um_cached(), "pages 2 to 4");
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_USER);
	KUNIT_EXPECT_EQ(test, seen.m[0].offset, 2 * P);
	KUNIT_EXPECT_EQ(test, seen.m[0].len, 3 * P);

	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0, 1,
						      MAP_PRIVATE));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0,
						      DB_PAGES + 1, MAP_SHARED));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, DB_PAGES, 1,
						      MAP_SHARED));
	db_expect_mappers(test, backing, 1);

	/* It alone keeps the memory now. */
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_alive(test, mem);
	um_unmap(test, u, 3);
	db_expect_freed(test, mem);
}

/* Turns of the CPU and of a device that does not look into the caches. */
static void expect_turns(struct kunit *test, struct dma_backing *backing,
			 unsigned long cleaned, unsigned long invalidated,
			 const char *what)
{
	KUNIT_EXPECT_EQ_MSG(test, backing->cleaned, cleaned, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, backing->invalidated, invalidated, "%s", what);
}

static int begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_begin_cpu_access(dmabuf, dir);
}

static int end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return dma_buf_end_cpu_access(dmabuf, dir);
}

static struct fake_dev *no_snooping(struct kunit *test, bool untranslated)
{
	struct fake_dev *fake = db_dev(test, untranslated, false);

	if (dev_is_dma_coherent(fake_device(fake)))
		kunit_skip(test, "all devices are coherent here");
	return fake;
}

static void take_turns(struct kunit *test, struct fake_dev *fake)
{
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	unsigned int i;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	/* What the CPU wrote before anybody asked. */
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 0, "the first map");
	db_unmap(a, sgt);
	/* From device to device nothing is done. */
	for (i = 0; i < 3; i++) {
		sgt = db_map(test, a, BOTH);
		db_unmap(a, sgt);
	}
	expect_turns(test, backing, 1, 0, "device to device");
	/* It wrote, and is gone. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 1, 1, "the CPU reads");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 1, "it has read");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	expect_turns(test, backing, 1, 2, "the CPU writes");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	expect_turns(test, backing, 2, 2, "it has written");
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static void r004_8_turns(struct kunit *test)
{
	take_turns(test, no_snooping(test, false));
}

static void r004_8_turns_without_iommu(struct kunit *test)
{
	take_turns(test, no_snooping(test, true));
}

/* A process that never says that it is done, or never that it begins. */
static void r004_8_turns_not_in_pairs(struct kunit *test)
{
	struct fake_dev *fake = no_snooping(test, false);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	/* It dies with its access open: the device gets what it wrote. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 1);
	expect_turns(test, backing, 0, 0, "open");
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 0, "mapped while open");
	/* Whoever looks next sees what the device wrote. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 2, 1, "begun again");
	db_unmap(a, sgt);
	expect_turns(test, backing, 3, 1, "unmapped while open");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);
	/* Also what it wrote until then; and what a process may be writing stays. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 4, 2, "begun after it was unmapped");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));

	/* Ends alone: what was written goes to the device nevertheless. */
	sgt = db_map(test, a, DMA_TO_DEVICE);
	expect_turns(test, backing, 5, 2, "mapped again");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);
	KUNIT_EXPECT_TRUE(test, backing->device_side);
	expect_turns(test, backing, 6, 2, "an end alone");
	db_unmap(a, sgt);
	/* A device that writes is no reason to throw it away. */
	sgt = db_map(test, a, BOTH);
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 7, 2, "an end alone, and a writing device");
	/* One that has only read has nothing to show. */
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 7, 2, "an end of reading alone");
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);

	/* The dma-buf goes with its access; others can go on. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	dma_buf_put(dmabuf);
	flush_delayed_fput();
	msleep(40);
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);
	dma_backing_put(backing);
	db_expect_freed(test, mem);
}

/*
 * Two processes write at the same time, each in pairs. The end of the first ends what
 * there is; what the second goes on to write is not invalidated.
 */
static void r004_8_turns_overlap(struct kunit *test)
{
	struct fake_dev *fake = no_snooping(test, false);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	sgt = db_map(test, a, BOTH);
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 1, 1, "the first begins");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 2, 1, "the second begins");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 3, 1, "the first ends");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 4, 1, "the second ends");

	/* A third one reads in between: what is dirty then is cleaned before. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 4, 2, "one begins to write");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 5, 3, "one begins to read");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 6, 3, "it has read");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 7, 4, "it reads again");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 8, 4, "the other has written");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 8, 4, "it has read again");

	/* The device comes and goes meanwhile: nothing is invalidated. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 8, 5, "one begins once more");
	db_unmap(a, sgt);
	expect_turns(test, backing, 9, 5, "unmapped meanwhile");
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 10, 5, "mapped meanwhile");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 11, 5, "it has written");
	KUNIT_EXPECT_TRUE(test, backing->device_side);
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/*
 * Mapped for a device of either kind at the same time, and nobody says whose turn it
 * is: each finds what the other has written, and so do CPUs.
 */
static void r004_8_turns_of_both_kinds(struct kunit *test)
{
	struct fake_dev *blind = no_snooping(test, false);
	struct fake_dev *snoops = db_dev(test, false, true);
	struct dma_buf_attachment *a, *b;
	struct sg_table *sgt_a, *sgt_b;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, blind);
	b = db_attach(test, dmabuf, snoops);
	sgt_a = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 0, "mapped for the one");
	sgt_b = db_map(test, b, BOTH);
	expect_turns(test, backing, 2, 1, "mapped for the other");
	KUNIT_EXPECT_TRUE(test, backing->device_side);
	/* What the other has written is cleaned before it is invalidated. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 3, 2, "a CPU reads");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 4, 2, "it has read");
	db_unmap(b, sgt_b);
	expect_turns(test, backing, 5, 2, "the other has written");

	/* It is mapped again while a process writes that others have overtaken. */
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 5, 3, "one begins to write");
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 7, 4, "one has read");
	sgt_b = db_map(test, b, BOTH);
	expect_turns(test, backing, 9, 5, "cleaned, invalidated, and cleaned");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_TO_DEVICE));
	expect_turns(test, backing, 10, 5, "the first has written");
	db_unmap(b, sgt_b);
	expect_turns(test, backing, 11, 5, "the other has written again");
	db_unmap(a, sgt_a);
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, DMA_FROM_DEVICE));
	expect_turns(test, backing, 11, 6, "the one has written");
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, DMA_FROM_DEVICE));
	dma_buf_detach(dmabuf, a);
	dma_buf_detach(dmabuf, b);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* A driver that has the backing itself has said whose turn it is. */
static void r004_8_turn_of_a_driver(struct kunit *test)
{
	struct fake_dev *blind = no_snooping(test, false);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, blind);
	sgt = db_map(test, a, BOTH);
	expect_turns(test, backing, 1, 0, "mapped");
	/* Its own access, which the dma-buf does not know of. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing, BOTH));
	expect_turns(test, backing, 1, 1, "the driver begins");
	db_unmap(a, sgt);
	KUNIT_EXPECT_FALSE(test, backing->device_side);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, BOTH));
	expect_turns(test, backing, 2, 1, "unmapped meanwhile");
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static const char *fence_name(struct dma_fence *fence)
{
	return "test";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

struct late_reader {
	struct work_struct work;
	struct dma_buf *dmabuf;
	int ret;
};

static void late_read(struct work_struct *work)
{
	struct late_reader *late = container_of(work, typeof(*late), work);

	late->ret = begin(late->dmabuf, DMA_FROM_DEVICE);
}

/* While a device writes, nothing that is invalidated stays so. */
static void r004_8_begins_when_the_device_is_done(struct kunit *test)
{
	struct fake_dev *fake = no_snooping(test, false);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct late_reader late;
	struct dma_fence *fence;
	struct sg_table *sgt;
	struct db_mem *mem;
	static DEFINE_SPINLOCK(lock);

	fence = kzalloc_obj(*fence);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &fence_ops, &lock, dma_fence_context_alloc(1), 1);
	backing = db_wrap(test, &mem, 2);
	late.dmabuf = db_export(test, backing);
	a = db_attach(test, late.dmabuf, fake);
	sgt = db_map(test, a, BOTH);
	dma_resv_lock(late.dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(late.dmabuf->resv, 1));
	dma_resv_add_fence(late.dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	dma_resv_unlock(late.dmabuf->resv);

	INIT_WORK_ONSTACK(&late.work, late_read);
	schedule_work(&late.work);
	msleep(50);
	expect_turns(test, backing, 1, 0, "the device is at work");
	dma_fence_signal(fence);
	flush_work(&late.work);
	destroy_work_on_stack(&late.work);
	KUNIT_EXPECT_EQ(test, late.ret, 0);
	expect_turns(test, backing, 1, 1, "it is done");
	KUNIT_EXPECT_EQ(test, 0, end(late.dmabuf, DMA_FROM_DEVICE));
	db_unmap(a, sgt);
	dma_buf_detach(late.dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(late.dmabuf);
	db_expect_freed(test, mem);
	dma_fence_put(fence);
}

/* Somebody else hands it over at this moment: "try again". */
static void r004_8_handed_over_elsewhere(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, end(dmabuf, BOTH));
	sgt = dma_buf_map_attachment_unlocked(a, BOTH);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), -EBUSY);
	backing->crossing = false;
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 0);

	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	backing->crossing = true;
	KUNIT_EXPECT_EQ(test, -EAGAIN, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, -EAGAIN, end(dmabuf, BOTH));
	backing->crossing = false;
	KUNIT_EXPECT_EQ(test, backing->cpu_access, 1);
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	db_expect_mappers(test, backing, 0);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* Other people's fences stay, and there are none of ours. */
static void r004_4_fences_are_left_alone(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	struct dma_fence *fence = dma_fence_allocate_private_stub(ktime_get());

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dmabuf = db_make(test, &mem, 2);
	a = db_attach(test, dmabuf, fake);
	dma_resv_lock(dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(dmabuf->resv, 1));
	dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(dmabuf->resv);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	sgt = db_map(test, a, BOTH);
	KUNIT_EXPECT_EQ(test, 0, begin(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, 0, end(dmabuf, BOTH));
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
	msleep(40);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}

static struct kunit_case fake_dmabuf_cpu_cases[] = {
	KUNIT_CASE(r004_4_kernel_mapping),
	KUNIT_CASE(r004_4_user_mapping),
	KUNIT_CASE(r004_8_turns),
	KUNIT_CASE(r004_8_turns_without_iommu),
	KUNIT_CASE(r004_8_turns_not_in_pairs),
	KUNIT_CASE(r004_8_turns_overlap),
	KUNIT_CASE(r004_8_turns_of_both_kinds),
	KUNIT_CASE(r004_8_turn_of_a_driver),
	KUNIT_CASE(r004_8_begins_when_the_device_is_done),
	KUNIT_CASE(r004_8_handed_over_elsewhere),
	KUNIT_CASE(r004_4_fences_are_left_alone),
	{}
};

static struct kunit_suite fake_dmabuf_cpu_suite = {
	.name = "fake_dmabuf_cpu_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_dmabuf_cpu_cases,
};

kunit_test_suite(fake_dmabuf_cpu_suite);

MODULE_DESCRIPTION("Backings as dma-bufs, for CPUs");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
