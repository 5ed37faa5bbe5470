/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For those who make backings of memory that somebody else maps, and those who let
 * others map a backing who know nothing of turns. No driver needs this. See
 * kernel/dma/backing_foreign.c and backing_access.c.
 */
#ifndef _LINUX_DMA_BACKING_OPS_H
#define _LINUX_DMA_BACKING_OPS_H

#include <linux/dma-backing.h>

struct module;

/**
 * struct dma_backing_ops - how somebody else maps memory
 * @owner: whose they are
 * @bind: map it for a device. The binding has the device, the part, the direction
 *	and the attributes; this sets its addr, and its foreign for itself
 * @unbind: undo that
 * @vmap: map all of it for the kernel, or return an ERR_PTR
 * @vunmap: undo that
 * @mmap: map it for a process; the part is inside, and shared if it can be written
 * @begin_cpu_access: as dma_backing_begin_cpu_access()
 * @end_cpu_access: as dma_backing_end_cpu_access()
 *
 * All of the operations are there, may sleep, and get what the backing was made with.
 */
struct dma_backing_ops {
	struct module *owner;
	int (*bind)(void *priv, struct dma_binding *binding);
	void (*unbind)(void *priv, struct dma_binding *binding);
	void *(*vmap)(void *priv);
	void (*vunmap)(void *priv);
	int (*mmap)(void *priv, struct vm_area_struct *vma);
	int (*begin_cpu_access)(void *priv, enum dma_data_direction dir);
	int (*end_cpu_access)(void *priv, enum dma_data_direction dir);
};

struct dma_backing *dma_backing_foreign(const struct dma_backing_ops *ops,
		size_t size, void (*release)(void *priv), void *priv);
int dma_backing_clean(struct dma_backing *backing, bool written,
		      bool to_devices);

#endif /* _LINUX_DMA_BACKING_OPS_H */
