/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/dma_user: one DMA buffer for each open file, for user/dma_user.c. The
 * buffer is mapped by mmap(), and copied by the edu device.
 */
#ifndef _TEST_USER_DMA_USER_H
#define _TEST_USER_DMA_USER_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum dma_user_kind {
	DMA_USER_UNMAPPED,		/* without a kernel mapping */
	DMA_USER_UNMAPPED_CONTIGUOUS,	/* in one block */
	DMA_USER_UNMAPPED_WC,		/* write-combined */
	DMA_USER_UNMAPPED_ATOMIC,	/* allocated in atomic context */
	DMA_USER_COHERENT,		/* as dma_alloc_coherent() gives it */
	DMA_USER_NONCONTIGUOUS,		/* not coherent */
	DMA_USER_PAGES,			/* not coherent, dma_alloc_pages() */
	DMA_USER_KINDS,
};

struct dma_user_alloc {
	__u32 kind;
	__u32 size;	/* bytes */
	__u32 secret;	/* leave this byte in free memory before */
};

struct dma_user_copy {
	__u32 from;	/* offsets in the buffer, bytes */
	__u32 to;
	__u32 len;
};

#define DMA_USER_ALLOC	_IOW('d', 1, struct dma_user_alloc)
/* The device reads @len bytes and writes them elsewhere. */
#define DMA_USER_COPY	_IOW('d', 2, struct dma_user_copy)

#endif
