/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the regression suites share: a case runs once for each edu device in
 * the machine, whether it is translated by an IOMMU or mapped directly.
 *
 * A machine without an edu device fails every case: it proves nothing.
 */
#ifndef _TEST_DMA_TEST_H
#define _TEST_DMA_TEST_H

#include <kunit/test.h>
#include <linux/debug_locks.h>
#include <linux/delay.h>
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/panic.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "edu.h"

#define DT_MAX_DEVICES	8

/* The suites are built for kernels without address spaces as well. */
#if defined(__has_include)
#if __has_include("linux/dma-space.h")
#define HAVE_DMA_SPACE
#endif
#endif

/**
 * struct dt_ctx - what a case works on, in test->priv
 * @edu: the device; a reference is held from init to exit
 * @dev: its struct device
 * @domain: the paging domain it is in, NULL if it is mapped directly
 * @mask: DMA masks at the start of the case, restored at its end
 * @coherent_mask: likewise
 * @bus_limit: likewise
 * @max_seg: likewise
 * @tainted: there was a warning before the case began
 * @lockdep: lockdep was still awake when it began
 */
struct dt_ctx {
	struct edu *edu;
	struct device *dev;
	struct iommu_domain *domain;
	u64 mask;
	u64 coherent_mask;
	u64 bus_limit;
	unsigned int max_seg;
	bool tainted;
	bool lockdep;
};

static const unsigned int dt_index[DT_MAX_DEVICES] = { 0, 1, 2, 3, 4, 5, 6, 7 };

static inline const void *dt_gen_params(struct kunit *test, const void *prev,
					char *desc)
{
	const unsigned int *next = prev ? (const unsigned int *)prev + 1 :
					  dt_index;
	struct edu *edu;

	/* The first one is always made: without a device it has to fail. */
	if (next == dt_index + DT_MAX_DEVICES || (prev && *next >= edu_count()))
		return NULL;
	edu = edu_get(*next);
	if (IS_ERR(edu)) {
		strscpy(desc, "no edu device", KUNIT_PARAM_DESC_SIZE);
		return next;
	}
	strscpy(desc, dev_name(edu_dev(edu)), KUNIT_PARAM_DESC_SIZE);
	edu_put(edu);
	return next;
}

/* A splat in the log is a failure of the case that made it. */
static inline void dt_splats_begin(struct dt_ctx *ctx)
{
	ctx->tainted = test_taint(TAINT_WARN);
	ctx->lockdep = debug_locks;
}

static inline void dt_splats_expect_none(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_FALSE_MSG(test, !ctx->tainted && test_taint(TAINT_WARN),
			       "the kernel warned during this case");
	KUNIT_EXPECT_FALSE_MSG(test, ctx->lockdep && !debug_locks,
			       "lockdep complained during this case");
}

static inline int dt_init(struct kunit *test)
{
	const unsigned int *index = test->param_value;
	struct iommu_domain *domain;
	struct dt_ctx *ctx;

	ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	if (!ctx)
		return -ENOMEM;
	ctx->edu = edu_get(index ? *index : 0);
	if (IS_ERR(ctx->edu)) {
		kunit_err(test, "no edu device in this machine\n");
		return PTR_ERR(ctx->edu);
	}
	ctx->dev = edu_dev(ctx->edu);
	domain = iommu_get_domain_for_dev(ctx->dev);
	if (domain && (domain->type & __IOMMU_DOMAIN_PAGING))
		ctx->domain = domain;
	ctx->mask = dma_get_mask(ctx->dev);
	ctx->coherent_mask = ctx->dev->coherent_dma_mask;
	ctx->bus_limit = ctx->dev->bus_dma_limit;
	ctx->max_seg = dma_get_max_seg_size(ctx->dev);
	dt_splats_begin(ctx);
	test->priv = ctx;
	return 0;
}

static inline void dt_exit(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!ctx)
		return;
	dt_splats_expect_none(test);
	dma_set_max_seg_size(ctx->dev, ctx->max_seg);
	ctx->dev->bus_dma_limit = ctx->bus_limit;
	dma_set_mask(ctx->dev, ctx->mask);
	dma_set_coherent_mask(ctx->dev, ctx->coherent_mask);
	edu_put(ctx->edu);
}

#ifndef HAVE_DMA_SPACE
static inline void no_spaces_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no address spaces to attach");
}
#endif

#define DT_CASE(name)		KUNIT_CASE_PARAM(name, dt_gen_params)
#define DT_CASE_SLOW(name)	KUNIT_CASE_PARAM_ATTR(name, dt_gen_params, \
					((struct kunit_attributes) { \
						.speed = KUNIT_SPEED_SLOW }))

/* Where the device's access to a DMA address ends up; 0 if nowhere. */
static inline phys_addr_t dt_phys(struct dt_ctx *ctx, dma_addr_t addr)
{
	if (ctx->domain)
		return iommu_iova_to_phys(ctx->domain, addr);
	return dma_to_phys(ctx->dev, addr);
}

static inline void dt_need_iommu(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!ctx->domain)
		kunit_skip(test, "the device is mapped directly, the case needs an IOMMU");
}

/* For what only this driver promises, or how it does it. */
static inline bool dt_behind_virtio_iommu(struct dt_ctx *ctx)
{
#ifdef CONFIG_IOMMU_API
	struct device *iommu = ctx->dev->iommu->iommu_dev->dev;

	return iommu && iommu->parent && iommu->parent->driver &&
	       !strcmp(iommu->parent->driver->name, "virtio_iommu");
#else
	return false;
#endif
}

/*
 * Where the IOTLB is flushed lazily, addresses that were given back are to be
 * had again only after the flush, which comes within 10 ms.
 */
static inline void dt_settle(struct dt_ctx *ctx)
{
	if (ctx->domain && ctx->domain->type == IOMMU_DOMAIN_DMA_FQ)
		msleep(40);
}

/* The page behind a kernel address, as the CPU's page tables have it. */
static inline struct page *dt_page(void *vaddr)
{
	return is_vmalloc_addr(vaddr) ? vmalloc_to_page(vaddr) :
					virt_to_page(vaddr);
}

/* A byte pattern without a period of a page or of a power of two. */
static inline u8 dt_byte(unsigned int seed, size_t i)
{
	return (i * 7 + (i / 251) * 13 + seed * 31 + 5) & 0xff;
}

static inline void dt_fill(void *buf, size_t len, unsigned int seed)
{
	u8 *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = dt_byte(seed, i);
}

/* Index of the first byte that differs from the pattern, @len if none. */
static inline size_t dt_check(const void *buf, size_t len, unsigned int seed)
{
	const u8 *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != dt_byte(seed, i))
			break;
	return i;
}

/* Index of the first byte that is not @val, @len if none. */
static inline size_t dt_check_same(const void *buf, size_t len, u8 val)
{
	const u8 *p = memchr_inv(buf, val, len);

	return p ? p - (const u8 *)buf : len;
}

struct dt_pages {
	struct page *page;
	unsigned int order;
};

static inline void dt_free_pages_action(void *data)
{
	struct dt_pages *p = data;

	__free_pages(p->page, p->order);
}

/* 2^order contiguous pages that are freed at the end of the case. */
static inline struct page *dt_alloc_pages(struct kunit *test, gfp_t gfp,
					  unsigned int order)
{
	struct dt_pages *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->order = order;
	p->page = alloc_pages(gfp | __GFP_ZERO, order);
	KUNIT_ASSERT_NOT_NULL(test, p->page);
	ret = kunit_add_action_or_reset(test, dt_free_pages_action, p);
	KUNIT_ASSERT_EQ(test, 0, ret);
	return p->page;
}

static inline struct page **dt_page_array(struct kunit *test,
					  unsigned int count)
{
	struct page **pages = kunit_kcalloc(test, count, sizeof(*pages),
					    GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pages);
	return pages;
}

/* Whether the range is zero, looked at page by page through the CPU. */
static inline bool dt_pages_are_zero(struct page **pages, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		void *p = kmap_local_page(pages[i]);
		bool zero = !memchr_inv(p, 0, PAGE_SIZE);

		kunmap_local(p);
		if (!zero)
			return false;
	}
	return true;
}

/*
 * DT_LEN bytes into the device and out again, next to where they were, in
 * @domain (NULL: mapped directly). The device keeps them.
 */
#define DT_LEN	2000

static inline void dt_expect_data(struct kunit *test, struct edu *edu,
				  struct iommu_domain *domain,
				  unsigned int seed)
{
	struct device *dev = edu_dev(edu);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	u8 *mem = page_address(page);
	dma_addr_t addr;

	dt_fill(mem, DT_LEN, seed);
	addr = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(dev, addr));
	if (domain)
		KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, addr),
				page_to_phys(page));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(edu, addr, 0, DT_LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(edu, addr + SZ_2K, 0,
						     DT_LEN));
	dma_unmap_page(dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	if (domain)
		KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(domain, addr), 0);
	KUNIT_EXPECT_EQ(test, dt_check(mem, DT_LEN, seed), DT_LEN);
	KUNIT_EXPECT_EQ(test, dt_check(mem + SZ_2K, DT_LEN, seed), DT_LEN);
}

/* Free memory in pages; per-CPU lists make it wobble by a few hundred. */
static inline long dt_free_memory(void)
{
	struct sysinfo si;

	si_meminfo(&si);
	return si.freeram;
}

/* Open a file of init's: the threads of the cases have an empty root directory. */
static inline struct file *dt_open(const char *path, int flags)
{
	struct file *file = ERR_PTR(-ENOENT);

	scoped_with_init_fs()
		file = filp_open(path, flags, 0);
	return file;
}

/*
 * Write one character to files under /sys/kernel/debug. Such files take user
 * memory only, and kernel threads do not see them: call it in a suite's init
 * or exit, which run in the task that loads the module.
 */
static inline void dt_set_knobs(const char *const *knobs, unsigned int count,
				char value)
{
	unsigned long uaddr;
	unsigned int i;

	if (!current->mm)
		return;
	uaddr = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(uaddr))
		return;
	for (i = 0; i < count; i++) {
		struct file *file = filp_open(knobs[i], O_WRONLY, 0);
		loff_t pos = 0;

		if (IS_ERR(file))
			continue;
		if (file->f_op->write && !put_user(value, (char __user *)uaddr))
			file->f_op->write(file, (char __user *)uaddr, 1, &pos);
		filp_close(file, NULL);
	}
	vm_munmap(uaddr, PAGE_SIZE);
}

/*
 * Fault injection writes a stack trace into the log for each failure, which
 * looks like a splat: ask it not to, for the rest of the boot. Without debugfs
 * it stays noisy.
 */
static inline int dt_fail_quietly(struct kunit_suite *suite)
{
	static const char *const knobs[] = {
		"/sys/kernel/debug/failslab/verbose",
		"/sys/kernel/debug/fail_page_alloc/verbose",
	};

	dt_set_knobs(knobs, ARRAY_SIZE(knobs), '0');
	return 0;
}

/* Let allocations fail that may sleep, too; give it back at the suite's end. */
static inline void dt_fail_sleeping(bool on)
{
	static const char *const knobs[] = {
		"/sys/kernel/debug/failslab/ignore-gfp-wait",
	};

	dt_set_knobs(knobs, ARRAY_SIZE(knobs), on ? 'N' : 'Y');
}

/* Likewise of single pages, wherever they may be: fail_page_alloc spares them. */
static inline void dt_fail_pages(bool on)
{
	static const char *const order[] = {
		"/sys/kernel/debug/fail_page_alloc/min-order",
	};
	static const char *const all[] = {
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
		"/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem",
	};

	dt_set_knobs(order, ARRAY_SIZE(order), on ? '0' : '1');
	dt_set_knobs(all, ARRAY_SIZE(all), on ? 'N' : 'Y');
}

/* dt_fail_quietly() and dt_fail_sleeping(), for a suite and until its end. */
static inline int dt_fail_init(struct kunit_suite *suite)
{
	dt_fail_sleeping(true);
	return dt_fail_quietly(suite);
}

static inline void dt_fail_exit(struct kunit_suite *suite)
{
	dt_fail_sleeping(false);
}

/*
 * The n-th allocation that may not sleep and that this task makes from here on
 * fails; failslab leaves sleeping ones alone, but for dt_fail_sleeping().
 * dt_fail_stop() says whether that has happened.
 */
static inline void dt_fail_nth(struct kunit *test, unsigned int n)
{
#ifdef CONFIG_FAILSLAB
	current->fail_nth = n;
#else
	kunit_skip(test, "needs CONFIG_FAILSLAB");
#endif
}

static inline bool dt_fail_stop(void)
{
#ifdef CONFIG_FAILSLAB
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	return failed;
#else
	return false;
#endif
}

#endif /* _TEST_DMA_TEST_H */
