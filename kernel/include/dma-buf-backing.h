/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Backings as dma-bufs, and dma-bufs as backings. See
 * drivers/dma-buf/dma-buf-backing.c.
 */
#ifndef _LINUX_DMA_BUF_BACKING_H
#define _LINUX_DMA_BUF_BACKING_H

struct device;
struct dma_backing;
struct dma_buf;

struct dma_buf *dma_backing_export(struct dma_backing *backing, int flags);
struct dma_backing *dma_backing_import(struct dma_buf *dmabuf,
				       struct device *dev);

#endif /* _LINUX_DMA_BUF_BACKING_H */
