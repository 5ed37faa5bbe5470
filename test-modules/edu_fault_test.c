// SPDX-License-Identifier: GPL-2.0
/*
 * What is bound when a real device first touches it. The IOMMU tells of faults and
 * does not hold the device back, so the access has failed, and is repeated.
 *
 * frame_fault() and frame_bind() are the example of
 * Documentation/core-api/dma-backing.rst.
 */

#include <linux/bitops.h>
#include <linux/dma-backing.h>
#include <linux/wait.h>

#include "edu_space.h"

#define FRAME_BOUND	0

/**
 * struct frame - a page that is bound when the device wants it
 * @dev: the device
 * @alone: and who was in its group
 * @space: where
 * @backing: the memory
 * @page: and what it is made of
 * @state: its addresses
 * @binding: and how it gets there
 * @dir: and what for
 * @attrs: and how
 * @flags: FRAME_BOUND
 * @told: how often somebody was told of a fault
 * @from: the device, as it was told
 * @at: the address, likewise
 * @kind: read or write, likewise
 * @ret: what came of the bind
 * @wait: who waits for @told
 */
struct frame {
	struct device *dev;
	struct lonely alone;
	struct dma_space *space;
	struct dma_backing *backing;
	struct page *page;
	struct dma_iova_state state;
	struct dma_binding binding;
	enum dma_data_direction dir;
	unsigned long attrs;
	unsigned long flags;
	atomic_t told;
	struct device *from;
	dma_addr_t at;
	int kind;
	int ret;
	wait_queue_head_t wait;
};

static int frame_bind(struct frame *f)
{
	int ret;

	/* Another CPU is binding it, or has: at worst there is one more fault */
	if (test_and_set_bit(FRAME_BOUND, &f->flags))
		return 0;
	ret = dma_iova_bind(f->dev, &f->state, &f->binding, 0, f->backing,
			    0, dma_backing_size(f->backing), f->dir, f->attrs);
	if (ret)
		clear_bit(FRAME_BOUND, &f->flags);
	return ret;
}

static int frame_fault(struct dma_space *space, struct device *dev,
		       dma_addr_t addr, int flags, void *data)
{
	struct frame *f = data;

	f->from = dev;
	f->at = addr;
	f->kind = flags;
	if (addr - dma_iova_addr(&f->state) >= dma_iova_size(&f->state))
		f->ret = -ENOSYS;
	else
		f->ret = frame_bind(f);
	/* The rest is there before that. */
	atomic_inc_return_release(&f->told);
	wake_up(&f->wait);
	return f->ret;
}

/* The device is in a space, and has something to write (seed 1). */
static struct frame *frame(struct kunit *test)
{
	struct frame *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	const struct dma_iova_request req = { .size = PAGE_SIZE };
	struct dt_ctx *ctx = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, f);
	init_waitqueue_head(&f->wait);
	f->dev = ctx->dev;
	f->dir = DMA_BIDIRECTIONAL;
	f->page = dt_alloc_pages(test, GFP_KERNEL, 0);
	f->space = create(test);
	f->backing = dma_backing_from_pages(&f->page, 1, 0, NULL, NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, f->backing);
	be_alone(test, &f->alone);
	dt_expect_data(test, ctx->edu, ctx->domain, 1);
	enter(test, f->space, ctx->edu);
	KUNIT_ASSERT_EQ(test, 0, dma_iova_reserve(ctx->dev, &f->state, &req));
	KUNIT_ASSERT_EQ(test, 0, dma_space_set_fault_handler(f->space, frame_fault,
							     f));
	return f;
}

static void frame_end(struct kunit *test, struct frame *f)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, 0, dma_space_set_fault_handler(f->space, NULL, NULL));
	if (f->binding.mapper.backing)
		dma_iova_unbind(&f->binding);
	dma_iova_free(ctx->dev, &f->state);
	KUNIT_EXPECT_TRUE(test, dma_backing_put(f->backing));
	leave(test, ctx->edu);
	dma_space_put(f->space);
	expect_default(test);
	be_together(test, &f->alone);
}

/* The news comes by an interrupt of its own. */
static void expect_told(struct kunit *test, struct frame *f, int times)
{
	KUNIT_EXPECT_NE(test, 0, wait_event_timeout(f->wait,
				atomic_read_acquire(&f->told) >= times, 10 * HZ));
}

static void touch(struct kunit *test, bool writes)
{
	struct dt_ctx *ctx = test->priv;
	struct frame *f = frame(test);
	dma_addr_t addr;
	u8 *mem = page_address(f->page);

	addr = dma_iova_addr(&f->state);
	if (writes)
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, FEW));
	else
		KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, FEW));
	expect_told(test, f, 1);
	KUNIT_EXPECT_EQ(test, f->ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, f->from, ctx->dev);
	KUNIT_EXPECT_GE(test, f->at, addr);
	KUNIT_EXPECT_LT(test, f->at, addr + FEW);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(dma_space_domain(f->space), addr),
			page_to_phys(f->page));
	/* It failed, and here is where it is repeated. */
	if (writes) {
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, LEN));
		KUNIT_EXPECT_EQ(test, dt_check(mem, LEN, 1), LEN);
	} else {
		dt_fill(mem, LEN, 2);
		KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, LEN));
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + SZ_2K,
							     0, LEN));
		KUNIT_EXPECT_EQ(test, dt_check(mem + SZ_2K, LEN, 2), LEN);
	}
	frame_end(test, f);
}

static void r004_6_device_reads(struct kunit *test)
{
	touch(test, false);
}

static void r004_6_device_writes(struct kunit *test)
{
	touch(test, true);
}

/* What nobody wants to know, or to bind, is stopped as ever. */
static void r004_6_refused_is_stopped(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct frame *f = frame(test);
	dma_addr_t next = dma_iova_addr(&f->state) + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, next, 0, FEW));
	expect_told(test, f, 1);
	KUNIT_EXPECT_EQ(test, f->ret, -ENOSYS);
	KUNIT_EXPECT_GE(test, f->at, next);
	KUNIT_EXPECT_LT(test, f->at, next + FEW);
	KUNIT_EXPECT_EQ(test, 0, iommu_iova_to_phys(dma_space_domain(f->space), next));
	frame_end(test, f);
}

/* The memory does not allow it. When it does, the device gets there. */
static void r004_6_cannot_be_bound(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct frame *f = frame(test);
	dma_addr_t addr;

	f->attrs = DMA_ATTR_WRITE_COMBINE;
	addr = dma_iova_addr(&f->state);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, 1));
	expect_told(test, f, 1);
	KUNIT_EXPECT_EQ(test, f->ret, -EINVAL);
	KUNIT_EXPECT_EQ(test, f->flags, 0);
	KUNIT_EXPECT_EQ(test, 0, iommu_iova_to_phys(dma_space_domain(f->space), addr));
	f->attrs = 0;
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, 1));
	expect_told(test, f, 2);
	KUNIT_EXPECT_EQ(test, f->ret, 0);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, LEN));
	KUNIT_EXPECT_EQ(test, dt_check(page_address(f->page), LEN, 1), LEN);
	frame_end(test, f);
}

/* It may read. */
static void r004_6_only_to_read(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct frame *f = frame(test);
	dma_addr_t addr;
	u8 *mem = page_address(f->page);

	f->dir = DMA_TO_DEVICE;
	KUNIT_EXPECT_EQ(test, 0, frame_bind(f));
	addr = dma_iova_addr(&f->state);
	dt_fill(mem, FEW, 3);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, FEW));
	KUNIT_EXPECT_EQ(test, atomic_read(&f->told), 0);
	memset(mem, 0, FEW);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, FEW));
	expect_told(test, f, 1);
	KUNIT_EXPECT_EQ(test, f->kind, IOMMU_FAULT_WRITE);
	KUNIT_EXPECT_EQ(test, dt_check_same(mem, FEW, 0), FEW);
	frame_end(test, f);
}

static struct kunit_case edu_fault_cases[] = {
	DT_CASE(r004_6_device_reads),
	DT_CASE(r004_6_device_writes),
	DT_CASE(r004_6_refused_is_stopped),
	DT_CASE(r004_6_cannot_be_bound),
	DT_CASE(r004_6_only_to_read),
	{}
};

static struct kunit_suite edu_fault_suite = {
	.name = "edu_fault_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = edu_fault_cases,
};

kunit_test_suite(edu_fault_suite);

MODULE_DESCRIPTION("What is bound when a real device touches it");
MODULE_LICENSE("GPL");
