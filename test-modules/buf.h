/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA buffers of several kinds, for the suites that look at where their pages
 * are mapped: by the device, the kernel and user space.
 */
#ifndef _TEST_BUF_H
#define _TEST_BUF_H

#include <linux/dma-mapping.h>

#include "dma_test.h"
#include "user_map.h"

/**
 * struct kind - a way to allocate a buffer
 * @name: for messages
 * @gfp: as dma_alloc_attrs() takes it
 * @attrs: likewise
 */
struct kind {
	const char *name;
	gfp_t gfp;
	unsigned long attrs;
};

/**
 * struct buf - one buffer
 * @kind: how it was allocated
 * @dev: for which device
 * @cpu: its kernel address; without a kernel mapping, a cookie that says nothing
 * @addr: its DMA address
 * @size: in bytes, as it was asked for
 * @pages: pages that it takes
 */
struct buf {
	const struct kind *kind;
	struct device *dev;
	void *cpu;
	dma_addr_t addr;
	size_t size;
	unsigned int pages;
};

/* For the device of the case, which ends if there is no memory. */
static inline void buf_alloc(struct kunit *test, struct buf *b,
			     const struct kind *kind, size_t size)
{
	struct dt_ctx *ctx = test->priv;

	b->kind = kind;
	b->dev = ctx->dev;
	b->size = size;
	b->pages = PAGE_ALIGN(size) >> PAGE_SHIFT;
	b->cpu = dma_alloc_attrs(b->dev, size, &b->addr, kind->gfp,
				 kind->attrs);
	KUNIT_ASSERT_NOT_NULL_MSG(test, b->cpu, "%s, %zu bytes", kind->name,
				  size);
}

static inline void buf_free(struct buf *b)
{
	dma_free_attrs(b->dev, b->size, b->cpu, b->addr, b->kind->attrs);
}

/* Whether @cpu is an address. */
static inline bool buf_has_cpu(struct buf *b)
{
	return !(b->kind->attrs & DMA_ATTR_NO_KERNEL_MAPPING);
}

static inline int buf_mmap(struct vm_area_struct *vma, void *data)
{
	struct buf *b = data;

	return dma_mmap_attrs(b->dev, vma, b->cpu, b->addr, b->size,
			      b->kind->attrs);
}

/* As um_map(): @count pages from page @first on, or an error. */
static inline unsigned long buf_try_map(struct kunit *test, struct buf *b,
					unsigned long first,
					unsigned long count)
{
	struct um_request r = { .mmap = buf_mmap, .data = b };

	return um_map(test, &r, first, count);
}

static inline unsigned long buf_map(struct kunit *test, struct buf *b,
				    unsigned long first, unsigned long count)
{
	unsigned long uaddr = buf_try_map(test, b, first, count);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(uaddr),
			       "%s: pages %lu+%lu: error %ld", b->kind->name,
			       first, count, (long)uaddr);
	return uaddr;
}

/* For pages that are not all in the buffer. */
static inline void buf_expect_no_map(struct kunit *test, struct buf *b,
				     unsigned long first, unsigned long count)
{
	unsigned long uaddr = buf_try_map(test, b, first, count);

	KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, -ENXIO,
			    "%s: pages %lu+%lu of %u", b->kind->name, first,
			    count, b->pages);
	if (!IS_ERR_VALUE(uaddr))
		um_unmap(test, uaddr, count);
}

#endif /* _TEST_BUF_H */
