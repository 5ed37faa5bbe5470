/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finds every mapping that the CPUs have of given physical pages, and whether
 * it is cached, in the tables that the hardware reads: descriptors are decoded
 * as the architecture defines them, and their memory type is looked up in the
 * registers that define it. Nothing of what the kernel believes about its page
 * tables is used, but that they are its own and each task's.
 *
 * 32-bit ARM, short descriptors with TEX remap and long descriptors.
 */
#ifndef _TEST_PTWALK_H
#define _TEST_PTWALK_H

#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

/**
 * struct pt_walk - one search
 * @pfns: the pages to look for; any value
 * @found: called for each page of each mapping of one of them
 * @priv: for @found
 * @user: the root is a task's, and not the kernel's own
 */
struct pt_walk {
	struct xarray *pfns;
	void (*found)(struct pt_walk *w, unsigned long va, unsigned long pfn,
		      bool cached);
	void *priv;
	bool user;
};

#if defined(CONFIG_ARM) && defined(CONFIG_MMU)

static inline const char *pt_region(unsigned long va)
{
	if (va < TASK_SIZE)
		return "user";
	if (va >= PAGE_OFFSET && va < (unsigned long)high_memory)
		return "linear map";
	if (va >= VMALLOC_START && va < VMALLOC_END)
		return "vmalloc";
	if (va < PAGE_OFFSET && va >= PAGE_OFFSET - PMD_SIZE)
		return "pkmap";
	if (va >= FIXADDR_START)
		return "fixmap or kmap_local";
	return "kernel";
}

static inline bool pt_is_linear(unsigned long va)
{
	return va >= PAGE_OFFSET && va < (unsigned long)high_memory;
}

static inline u32 pt_reg0(void)
{
	u32 v;

	asm("mrc p15, 0, %0, c10, c2, 0" : "=r" (v));
	return v;
}

static inline u32 pt_reg1(void)
{
	u32 v;

	asm("mrc p15, 0, %0, c10, c2, 1" : "=r" (v));
	return v;
}

static inline void pt_mapping(struct pt_walk *w, unsigned long va, u64 phys,
			      unsigned long size, bool cached)
{
	unsigned long first = phys >> PAGE_SHIFT, pfn = first;
	unsigned long last = first + (size >> PAGE_SHIFT) - 1;
	void *entry;

	for (entry = xa_find(w->pfns, &pfn, last, XA_PRESENT); entry;
	     entry = xa_find_after(w->pfns, &pfn, last, XA_PRESENT))
		w->found(w, va + ((pfn - first) << PAGE_SHIFT), pfn, cached);
}

#ifdef CONFIG_ARM_LPAE

#define PT_ADDR		0x000000fffffff000ULL

/* AttrIndx selects a byte of MAIR0 and MAIR1. */
static inline bool pt_cached(u64 desc)
{
	unsigned int n = (desc >> 2) & 7;
	u8 attr = (n < 4 ? pt_reg0() : pt_reg1()) >> (8 * (n & 3));

	/* 0x0? is device or strongly ordered, 0x44 is normal and not cached */
	return (attr & 0xf0) && attr != 0x44;
}

static inline u64 pt_read(u64 table, unsigned int i)
{
	struct page *page = pfn_to_page((table & PT_ADDR) >> PAGE_SHIFT);
	u64 *p = kmap_local_page(page);
	u64 desc = READ_ONCE(p[offset_in_page(table & PT_ADDR) / 8 + i]);

	kunmap_local(p);
	return desc;
}

static inline void pt_level3(struct pt_walk *w, u64 table, unsigned long va)
{
	unsigned int i;

	for (i = 0; i < 512; i++, va += SZ_4K) {
		u64 d = pt_read(table, i);

		if ((d & 3) == 3)
			pt_mapping(w, va, d & PT_ADDR, SZ_4K, pt_cached(d));
	}
}

static inline void pt_level2(struct pt_walk *w, u64 table, unsigned long va)
{
	unsigned int i;

	for (i = 0; i < 512; i++, va += SZ_2M) {
		u64 d = pt_read(table, i);

		if ((d & 3) == 3)
			pt_level3(w, d, va);
		else if (d & 1)
			pt_mapping(w, va, d & PT_ADDR & ~(u64)(SZ_2M - 1),
				   SZ_2M, pt_cached(d));
	}
}

/* @root is the physical address of four entries of 1 GiB each. */
static inline void pt_root(struct pt_walk *w, u64 root)
{
	u64 base = root & ~PT_ADDR & (SZ_4K - 1);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		struct page *page = pfn_to_page((root & PT_ADDR) >> PAGE_SHIFT);
		u64 *p = kmap_local_page(page);
		u64 d = READ_ONCE(p[base / 8 + i]);

		kunmap_local(p);
		if ((d & 3) == 3)
			pt_level2(w, d, i * SZ_1G);
		else if (d & 1)
			pt_mapping(w, i * SZ_1G,
				   d & PT_ADDR & ~(u64)(SZ_1G - 1), SZ_1G,
				   pt_cached(d));
	}
}

/* TTBR1 points into the kernel's table if it translates its part alone. */
static inline u64 pt_kernel_root(void)
{
	u64 ttbr1;
	u32 ttbcr;

	asm("mrrc p15, 1, %Q0, %R0, c2" : "=r" (ttbr1));
	asm("mrc p15, 0, %0, c2, c0, 2" : "=r" (ttbcr));
	ttbr1 &= 0x000000ffffffffffULL & ~1ULL;
	return (ttbcr >> 16) & 7 ? ttbr1 - TTBR1_OFFSET : ttbr1;
}

#else /* !CONFIG_ARM_LPAE */

/* TEX[0], C and B select fields of PRRR and NMRR. */
static inline bool pt_cached(u32 desc, unsigned int tex_shift)
{
	unsigned int n = ((desc >> 2) & 3) | ((desc >> tex_shift & 1) << 2);
	u32 nmrr = pt_reg1();

	return (pt_reg0() >> (2 * n) & 3) == 2 &&
	       ((nmrr >> (2 * n) & 3) || (nmrr >> (2 * n + 16) & 3));
}

static inline u32 pt_read(u32 table, unsigned int i)
{
	struct page *page = pfn_to_page((table + 4 * i) >> PAGE_SHIFT);
	u32 *p = kmap_local_page(page);
	u32 desc = READ_ONCE(p[offset_in_page(table + 4 * i) / 4]);

	kunmap_local(p);
	return desc;
}

static inline void pt_level2(struct pt_walk *w, u32 table, unsigned long va)
{
	unsigned int i;

	for (i = 0; i < 256; i++, va += SZ_4K) {
		u32 d = pt_read(table, i);

		if (d & 2)
			pt_mapping(w, va, d & ~0xfff, SZ_4K, pt_cached(d, 6));
		else if (d & 1)	/* this sixteenth of a large page */
			pt_mapping(w, va, (d & ~0xffff) | (va & 0xf000), SZ_4K,
				   pt_cached(d, 12));
	}
}

/* @root is the physical address of 4096 entries of 1 MiB each. */
static inline void pt_root(struct pt_walk *w, u64 root)
{
	unsigned int i;

	for (i = 0; i < 4096; i++) {
		u32 d = pt_read(root, i);

		if ((d & 3) == 1)
			pt_level2(w, d & ~0x3ff, i * SZ_1M);
		else if (d & 2)	/* a supersection is sixteen of these */
			pt_mapping(w, i * SZ_1M,
				   d & BIT(18) ? (d & ~0xffffff) |
						 (i * SZ_1M & 0xf00000) :
						 d & ~0xfffff,
				   SZ_1M, pt_cached(d, 12));
	}
}

static inline u64 pt_kernel_root(void)
{
	u32 ttbr1;

	asm("mrc p15, 0, %0, c2, c0, 1" : "=r" (ttbr1));
	return ttbr1 & ~0x3fff;
}

#endif /* CONFIG_ARM_LPAE */

#define PT_MAX_MMS	64

static inline unsigned int pt_collect_mms(struct mm_struct **mms)
{
	struct task_struct *p;
	unsigned int n = 0;

	/* A KUnit thread uses an mm that is no process's. */
	if (current->mm && mmget_not_zero(current->mm))
		mms[n++] = current->mm;
	rcu_read_lock();
	for_each_process(p) {
		struct mm_struct *mm = n < PT_MAX_MMS ? get_task_mm(p) : NULL;

		if (mm)
			mms[n++] = mm;
	}
	rcu_read_unlock();
	return n;
}

/* Look everywhere; false if there are too many tasks to do that. */
static inline bool pt_walk_all(struct pt_walk *w)
{
	struct mm_struct *mms[PT_MAX_MMS];
	unsigned int i, n;

	w->user = false;
	pt_root(w, pt_kernel_root());

	n = pt_collect_mms(mms);
	w->user = true;
	for (i = 0; i < n; i++) {
		mmap_read_lock(mms[i]);
		pt_root(w, __pa(mms[i]->pgd));
		mmap_read_unlock(mms[i]);
		mmput(mms[i]);
	}
	return n < PT_MAX_MMS;
}

static inline bool pt_supported(void)
{
	return __LINUX_ARM_ARCH__ >= 7;
}

#else /* !CONFIG_ARM */

static inline const char *pt_region(unsigned long va) { return ""; }
static inline bool pt_is_linear(unsigned long va) { return false; }
static inline bool pt_walk_all(struct pt_walk *w) { return false; }
static inline bool pt_supported(void) { return false; }

#endif

#endif /* _TEST_PTWALK_H */
