/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites share that map backings for the CPU.
 */
#ifndef _TEST_FAKE_CPU_H
#define _TEST_FAKE_CPU_H

#include "fake_backing.h"
#include "user_map.h"

#ifdef HAVE_DMA_BACKING

static const unsigned long policies[] = {
	DMA_BACKING_CACHED, DMA_ATTR_WRITE_COMBINE, DMA_BACKING_UNCACHED,
};

static inline pgprot_t policy_prot(enum dma_cache_policy policy, pgprot_t prot)
{
	if (policy == DMA_CACHE_WRITE_COMBINE)
		return pgprot_writecombine(prot);
	return policy == DMA_CACHE_UNCACHED ? pgprot_dmacoherent(prot) : prot;
}

/**
 * struct request - one mmap() of a backing
 * @backing: the backing
 * @attrs: as dma_backing_mmap() takes it
 * @prot: if not 0, set before the call, as a driver may
 * @flags: of the VMA, after it
 * @ret: what it said
 * @left: it said no, and a page was mapped
 */
struct request {
	struct dma_backing *backing;
	unsigned long attrs;
	pgprot_t (*prot)(pgprot_t prot);
	vm_flags_t flags;
	int ret;
	bool left;
};

static inline int request_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct request *r = file->private_data;

	if (r->prot)
		vma->vm_page_prot = r->prot(vma->vm_page_prot);
	r->ret = dma_backing_mmap(r->backing, vma, r->attrs);
	r->flags = vma->vm_flags;
	r->left = r->ret && pte_present(um_pte(vma->vm_start));
	return r->ret;
}

static const struct file_operations request_fops = {
	.owner = THIS_MODULE,
	.mmap = request_mmap,
};

/* An address, or an error as one. */
static inline unsigned long map_as(struct kunit *test, struct request *r,
				   unsigned long first, unsigned long count,
				   unsigned long prot, unsigned long flags)
{
	unsigned long uaddr;
	struct file *file;

	r->ret = 1;
	file = anon_inode_getfile("backing", &request_fops, r,
				  prot & PROT_WRITE || flags & MAP_PRIVATE ?
				  O_RDWR : O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	uaddr = kunit_vm_mmap(test, file, 0, count << PAGE_SHIFT, prot, flags,
			      first << PAGE_SHIFT);
	KUNIT_EXPECT_LE(test, r->ret, 0);
	fput(file);
	return r->ret ? (unsigned long)r->ret : uaddr;
}

static inline unsigned long map(struct kunit *test, struct dma_backing *b,
				unsigned long first, unsigned long count)
{
	struct request r = { .backing = b };

	return map_as(test, &r, first, count, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static inline void refused(struct kunit *test, struct request *r,
			   unsigned long first, unsigned long count, int want,
			   const char *what)
{
	unsigned int before = bk_mapper_count(r->backing);
	unsigned long uaddr;

	uaddr = map_as(test, r, first, count, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, want, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, bk_mapper_count(r->backing), before, "%s",
			    what);
	if (!IS_ERR_VALUE(uaddr))
		um_unmap(test, uaddr, count);
}

static inline int cpu_suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return dt_fail_init(suite);
}

static inline void cpu_suite_exit(struct kunit_suite *suite)
{
	dt_fail_exit(suite);
	um_suite_exit();
}

#endif /* HAVE_DMA_BACKING */

#endif /* _TEST_FAKE_CPU_H */
