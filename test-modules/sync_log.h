/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counts what is done to the caches for given pages, and flushes of the CPUs' TLBs
 * by the task that looks, with probes on the functions of the architecture.
 */
#ifndef _TEST_SYNC_LOG_H
#define _TEST_SYNC_LOG_H

#include <linux/dma-map-ops.h>
#include <linux/kprobes.h>
#include <linux/ptrace.h>

#include "dma_test.h"

#define SL_PAGES	64

enum sl_op {
	SL_CLEAN,	/* for a device to read, or to write afterwards */
	SL_INVALIDATE,	/* for the CPU to see what a device wrote */
	SL_OTHER,	/* with another direction than these need */
	SL_PREP,	/* written back and gone, for an uncached mapping */
	SL_OPS,
};

/**
 * struct sync_log - what happened to some pages
 * @pfn: the pages, in order
 * @pages: entries in @pfn
 * @count: operations, by page
 * @torn: operations on a part of a page of them
 * @flushes: TLB flushes of @task
 * @task: who is looked at for these
 *
 * Written by the probes with @on set, and read without it.
 */
struct sync_log {
	unsigned long pfn[SL_PAGES];
	unsigned int pages;
	unsigned int count[SL_PAGES][SL_OPS];
	unsigned int torn;
	unsigned int flushes;
	struct task_struct *task;
	bool on;
};

static struct sync_log sl;
static DEFINE_RAW_SPINLOCK(sl_lock);

#if defined(CONFIG_KPROBES) && defined(CONFIG_ARM) && \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE)

static inline void sl_add(u64 phys, u64 size, enum sl_op op)
{
	unsigned long flags;
	unsigned int i;

	if (!READ_ONCE(sl.on))
		return;
	raw_spin_lock_irqsave(&sl_lock, flags);
	for (i = 0; i < sl.pages; i++) {
		u64 page = (u64)sl.pfn[i] << PAGE_SHIFT;

		if (phys >= page + PAGE_SIZE || phys + size <= page)
			continue;
		sl.count[i][op]++;
		if (phys > page || phys + size < page + PAGE_SIZE)
			sl.torn++;
	}
	raw_spin_unlock_irqrestore(&sl_lock, flags);
}

/* phys_addr_t takes two registers if it has 64 bits. */
static inline void sl_add_args(struct pt_regs *regs, bool for_cpu)
{
	unsigned int n = sizeof(phys_addr_t) / sizeof(long);
	u64 phys = regs->uregs[0];
	enum dma_data_direction dir = regs->uregs[n + 1];

	if (n == 2)
		phys |= (u64)regs->uregs[1] << 32;
	if (dir != (for_cpu ? DMA_FROM_DEVICE : DMA_TO_DEVICE))
		sl_add(phys, regs->uregs[n], SL_OTHER);
	else
		sl_add(phys, regs->uregs[n], for_cpu ? SL_INVALIDATE : SL_CLEAN);
}

static int sl_for_device(struct kprobe *kp, struct pt_regs *regs)
{
	sl_add_args(regs, false);
	return 0;
}

static int sl_for_cpu(struct kprobe *kp, struct pt_regs *regs)
{
	sl_add_args(regs, true);
	return 0;
}

static int sl_prep(struct kprobe *kp, struct pt_regs *regs)
{
	sl_add(page_to_phys((struct page *)regs->uregs[0]), regs->uregs[1],
	       SL_PREP);
	return 0;
}

static int sl_flush(struct kprobe *kp, struct pt_regs *regs)
{
	if (READ_ONCE(sl.on) && current == sl.task && !in_hardirq())
		sl.flushes++;
	return 0;
}

static struct kprobe sl_probes[] = {
	{ .symbol_name = "arch_sync_dma_for_device", .pre_handler = sl_for_device },
	{ .symbol_name = "arch_sync_dma_for_cpu", .pre_handler = sl_for_cpu },
	{ .symbol_name = "arch_dma_prep_coherent", .pre_handler = sl_prep },
	{ .symbol_name = "flush_tlb_all", .pre_handler = sl_flush },
	{ .symbol_name = "flush_tlb_mm", .pre_handler = sl_flush },
	{ .symbol_name = "flush_tlb_page", .pre_handler = sl_flush },
	{ .symbol_name = "flush_tlb_range", .pre_handler = sl_flush },
	{ .symbol_name = "flush_tlb_kernel_page", .pre_handler = sl_flush },
	{ .symbol_name = "flush_tlb_kernel_range", .pre_handler = sl_flush },
};

static bool sl_ready;

/* The first instruction may be one that cannot be probed; the next one can. */
static inline int sl_register(struct kprobe *kp)
{
	int ret = register_kprobe(kp);

	if (ret != -EINVAL)
		return ret;
	kp->addr = NULL;
	kp->flags = 0;
	kp->offset = 4;
	return register_kprobe(kp);
}

static inline int sl_init(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(sl_probes); i++) {
		ret = sl_register(&sl_probes[i]);
		if (!ret)
			continue;
		pr_err("no probe on %s: %d\n", sl_probes[i].symbol_name, ret);
		while (i--)
			unregister_kprobe(&sl_probes[i]);
		return ret;
	}
	sl_ready = true;
	return 0;
}

static inline void sl_exit(void)
{
	unsigned int i;

	for (i = 0; sl_ready && i < ARRAY_SIZE(sl_probes); i++)
		unregister_kprobe(&sl_probes[i]);
	sl_ready = false;
}

static inline bool sl_supported(void)
{
	return true;
}

#else

static inline int sl_init(void) { return 0; }
static inline void sl_exit(void) { }
static inline bool sl_supported(void) { return false; }

#endif

static inline void sl_need(struct kunit *test)
{
	if (!sl_supported())
		kunit_skip(test, "needs CONFIG_KPROBES, and caches that 32-bit ARM maintains");
}

/* From here on, for these pages. */
static inline void sl_begin(const unsigned long *pfn, unsigned int pages)
{
	memset(&sl, 0, sizeof(sl));
	memcpy(sl.pfn, pfn, pages * sizeof(*pfn));
	sl.pages = pages;
	sl.task = current;
	WRITE_ONCE(sl.on, true);
}

static inline void sl_zero(void)
{
	WRITE_ONCE(sl.on, false);
	memset(sl.count, 0, sizeof(sl.count));
	sl.torn = 0;
	sl.flushes = 0;
	WRITE_ONCE(sl.on, true);
}

static inline void sl_end(void)
{
	WRITE_ONCE(sl.on, false);
}

/* Operations of all kinds on all pages. */
static inline unsigned int sl_sum(void)
{
	unsigned int i, op, sum = 0;

	for (i = 0; i < sl.pages; i++)
		for (op = 0; op < SL_OPS; op++)
			sum += sl.count[i][op];
	return sum;
}

/* Each page was treated that often, and in no other way. */
static inline bool sl_is(unsigned int clean, unsigned int invalidate)
{
	unsigned int i;

	for (i = 0; i < sl.pages; i++)
		if (sl.count[i][SL_CLEAN] != clean ||
		    sl.count[i][SL_INVALIDATE] != invalidate ||
		    sl.count[i][SL_OTHER] || sl.count[i][SL_PREP])
			return false;
	return !sl.torn;
}

#endif /* _TEST_SYNC_LOG_H */
