// SPDX-License-Identifier: GPL-2.0
/*
 * What may be called in atomic context is called there: with a spinlock held
 * and interrupts off, from a timer (softirq) and from a hard interrupt.
 *
 * The calls run in a function that only notes what came back, for nothing may
 * be asserted there; "sleeping function called from invalid context" taints
 * the kernel, which fails the case (see dt_exit()). This needs
 * CONFIG_DEBUG_ATOMIC_SLEEP, without it the cases are skipped.
 */

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/swiotlb.h>
#include <linux/timer.h>

#include "dma_test.h"

#define ENTRIES	8

/**
 * struct job - calls to make in atomic context, and what came of them
 * @ctx: the device
 * @page: two pages to map
 * @sgl: a list of %ENTRIES entries
 * @run: the calls
 * @step: the last call that worked, for the message
 * @ret: 0, or what the failed one returned
 * @cpu: a coherent buffer to be freed later
 * @addr: its address
 * @soft: runs @run in softirq
 * @hard: runs @run in a hard interrupt
 * @done: @run has returned
 */
struct job {
	struct dt_ctx *ctx;
	struct page *page;
	struct scatterlist sgl[ENTRIES];
	void (*run)(struct job *job);
	const char *step;
	int ret;
	void *cpu;
	dma_addr_t addr;
	struct timer_list soft;
	struct hrtimer hard;
	struct completion done;
};

static DEFINE_SPINLOCK(job_lock);

static void run_locked(struct job *job)
{
	unsigned long flags;

	spin_lock_irqsave(&job_lock, flags);
	job->run(job);
	spin_unlock_irqrestore(&job_lock, flags);
}

static void soft_fn(struct timer_list *t)
{
	struct job *job = timer_container_of(job, t, soft);

	job->run(job);
	complete(&job->done);
}

static void run_soft(struct job *job)
{
	timer_setup_on_stack(&job->soft, soft_fn, 0);
	mod_timer(&job->soft, jiffies + 1);
	wait_for_completion(&job->done);
	timer_delete_sync(&job->soft);
	timer_destroy_on_stack(&job->soft);
}

static enum hrtimer_restart hard_fn(struct hrtimer *t)
{
	struct job *job = container_of(t, struct job, hard);

	job->run(job);
	complete(&job->done);
	return HRTIMER_NORESTART;
}

static void run_hard(struct job *job)
{
	/* Neither _SOFT nor _HARD: a plain interrupt, where spinlocks are fine. */
	hrtimer_setup_on_stack(&job->hard, hard_fn, CLOCK_MONOTONIC,
			       HRTIMER_MODE_REL);
	hrtimer_start(&job->hard, ms_to_ktime(1), HRTIMER_MODE_REL);
	wait_for_completion(&job->done);
	hrtimer_cancel(&job->hard);
	destroy_hrtimer_on_stack(&job->hard);
}

static void (*const contexts[])(struct job *job) = {
	run_locked, run_soft, run_hard,
};

static const char *const context_names[] = {
	"spinlock", "softirq", "hardirq",
};

static bool step(struct job *job, const char *name, int ret)
{
	job->step = name;
	job->ret = ret;
	return !ret;
}

static void in_each_context(struct kunit *test, void (*run)(struct job *job),
			    void (*after)(struct job *job))
{
	struct job *job = kunit_kzalloc(test, sizeof(*job), GFP_KERNEL);
	unsigned int i, j;

	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "needs CONFIG_DEBUG_ATOMIC_SLEEP");
	KUNIT_ASSERT_NOT_NULL(test, job);
	job->ctx = test->priv;
	job->page = dt_alloc_pages(test, GFP_KERNEL, 1);
	job->run = run;
	for (i = 0; i < ARRAY_SIZE(contexts); i++) {
		sg_init_table(job->sgl, ENTRIES);
		for (j = 0; j < ENTRIES; j++)
			sg_set_page(&job->sgl[j], job->page, PAGE_SIZE,
				    j % 2 * 512);
		init_completion(&job->done);
		step(job, "nothing", -ENODATA);
		contexts[i](job);
		KUNIT_EXPECT_EQ_MSG(test, job->ret, 0, "%s in %s", job->step,
				    context_names[i]);
		if (after)
			after(job);
	}
}

static void do_single(struct job *job)
{
	struct device *dev = job->ctx->dev;
	dma_addr_t addr;

	addr = dma_map_single(dev, page_address(job->page), 5000,
			      DMA_BIDIRECTIONAL);
	if (!step(job, "map_single", dma_mapping_error(dev, addr)))
		return;
	dma_sync_single_for_cpu(dev, addr, 5000, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(dev, addr, 5000, DMA_BIDIRECTIONAL);
	dma_unmap_single(dev, addr, 5000, DMA_BIDIRECTIONAL);
}

static void d8_map_single(struct kunit *test)
{
	in_each_context(test, do_single, NULL);
}

static void do_page(struct job *job)
{
	struct device *dev = job->ctx->dev;
	dma_addr_t addr;

	addr = dma_map_page(dev, job->page, 100, 8000, DMA_TO_DEVICE);
	if (!step(job, "map_page", dma_mapping_error(dev, addr)))
		return;
	dma_unmap_page(dev, addr, 8000, DMA_TO_DEVICE);
}

static void d8_map_page(struct kunit *test)
{
	in_each_context(test, do_page, NULL);
}

static void do_sg(struct job *job)
{
	struct device *dev = job->ctx->dev;
	int n;

	n = dma_map_sg(dev, job->sgl, ENTRIES, DMA_TO_DEVICE);
	if (!step(job, "map_sg", n > 0 ? 0 : -EIO))
		return;
	dma_sync_sg_for_cpu(dev, job->sgl, ENTRIES, DMA_TO_DEVICE);
	dma_sync_sg_for_device(dev, job->sgl, ENTRIES, DMA_TO_DEVICE);
	dma_unmap_sg(dev, job->sgl, ENTRIES, DMA_TO_DEVICE);
}

static void d8_map_sg(struct kunit *test)
{
	in_each_context(test, do_sg, NULL);
}

static void do_coherent(struct job *job)
{
	job->cpu = dma_alloc_coherent(job->ctx->dev, 3 * PAGE_SIZE, &job->addr,
				      GFP_ATOMIC);
	step(job, "alloc_coherent", job->cpu ? 0 : -ENOMEM);
}

/* It is freed with interrupts on, as the API demands, but not sleeping. */
static void after_coherent(struct job *job)
{
	if (!job->cpu)
		return;
	spin_lock(&job_lock);
	dma_free_coherent(job->ctx->dev, 3 * PAGE_SIZE, job->cpu, job->addr);
	spin_unlock(&job_lock);
	job->cpu = NULL;
}

static void d8_alloc_coherent(struct kunit *test)
{
	in_each_context(test, do_coherent, after_coherent);
}

static void do_iova(struct job *job)
{
	struct device *dev = job->ctx->dev;
	phys_addr_t phys = page_to_phys(job->page);
	struct dma_iova_state state = {};

	if (!step(job, "iova_try_alloc",
		  dma_iova_try_alloc(dev, &state, phys, 2 * PAGE_SIZE) ?
		  0 : -ENOSPC))
		return;
	if (!step(job, "iova_link", dma_iova_link(dev, &state, phys, 0,
						  PAGE_SIZE, DMA_TO_DEVICE, 0)))
		goto out_free;
	if (!step(job, "iova_link", dma_iova_link(dev, &state, phys, PAGE_SIZE,
						  PAGE_SIZE, DMA_TO_DEVICE, 0)))
		goto out_unlink;
	step(job, "iova_sync", dma_iova_sync(dev, &state, 0, 2 * PAGE_SIZE));
	dma_iova_destroy(dev, &state, 2 * PAGE_SIZE, DMA_TO_DEVICE, 0);
	return;

out_unlink:
	dma_iova_unlink(dev, &state, 0, PAGE_SIZE, DMA_TO_DEVICE, 0);
out_free:
	dma_iova_free(dev, &state);
}

static void iova_state(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iova_state state = {};

	dt_need_iommu(test);
	/* Whether there are such states at all is edu_zero_test's question. */
	if (!dma_iova_try_alloc(ctx->dev, &state, 0, PAGE_SIZE))
		kunit_skip(test, "this kernel has no IOVA states for the device");
	dma_iova_free(ctx->dev, &state);
	in_each_context(test, do_iova, NULL);
}

#ifdef HAVE_DMA_RESERVE
static const struct dma_iova_request two_pages = {
	.size = 2 * PAGE_SIZE,
	.first = SZ_32M,
	.last = SZ_32M + 2 * PAGE_SIZE - 1,
};

/* The only room is taken: caches and flush queue are drained for a second try. */
static bool do_refused(struct job *job)
{
	struct device *dev = job->ctx->dev;
	struct dma_iova_state state;
	struct dma_iova_room room;

	if (!step(job, "iova_reserve without room",
		  dma_iova_reserve(dev, &state, &two_pages) + ENOSPC))
		return false;
	return step(job, "iova_query",
		    dma_iova_query(dev, two_pages.first, two_pages.last, &room));
}

static void do_reserve(struct job *job)
{
	struct dma_iova_request any = { .size = 2 * PAGE_SIZE };
	struct device *dev = job->ctx->dev;
	phys_addr_t phys = page_to_phys(job->page);
	struct dma_iova_state state;
	unsigned int i;

	if (!step(job, "iova_reserve",
		  dma_iova_reserve(dev, &state, job->ctx->domain ? &two_pages :
								   &any)))
		return;
	if (job->ctx->domain && !do_refused(job))
		goto out_free;
	for (i = 0; i < 2; i++) {
		if (!step(job, "iova_link",
			  dma_iova_link(dev, &state, phys, 0, 2 * PAGE_SIZE,
					DMA_BIDIRECTIONAL, 0)))
			goto out_free;
		step(job, "iova_sync", dma_iova_sync(dev, &state, 0,
						     2 * PAGE_SIZE));
		dma_iova_sync_for_cpu(dev, &state, 100, 5000,
				      DMA_BIDIRECTIONAL);
		dma_iova_sync_for_device(dev, &state, 100, 5000,
					 DMA_BIDIRECTIONAL);
		dma_iova_unlink(dev, &state, 0, 2 * PAGE_SIZE,
				DMA_BIDIRECTIONAL, 0);
	}
out_free:
	dma_iova_free(dev, &state);
}

static void r002_5_reservation(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!ctx->domain && is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "bouncing is forced");
	in_each_context(test, do_reserve, NULL);
}
#else
static void r002_5_reservation(struct kunit *test)
{
	kunit_skip(test, "this kernel has no reservations");
}
#endif

static struct kunit_case dma_atomic_cases[] = {
	DT_CASE(d8_map_single),
	DT_CASE(d8_map_page),
	DT_CASE(d8_map_sg),
	DT_CASE(d8_alloc_coherent),
	DT_CASE(iova_state),
	DT_CASE(r002_5_reservation),
	{}
};

static struct kunit_suite dma_atomic_suite = {
	.name = "dma_atomic_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_atomic_cases,
};

kunit_test_suite(dma_atomic_suite);

MODULE_DESCRIPTION("DMA mapping calls in atomic context");
MODULE_LICENSE("GPL");
