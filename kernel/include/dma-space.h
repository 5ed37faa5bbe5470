/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA address spaces that devices share. See kernel/dma/space.c.
 */
#ifndef _LINUX_DMA_SPACE_H
#define _LINUX_DMA_SPACE_H

#include <linux/types.h>

struct device;
struct dma_space;
struct iommu_domain;

/* See dma_space_set_fault_handler(). */
typedef int (*dma_fault_fn)(struct dma_space *space, struct device *dev,
			    dma_addr_t addr, int flags, void *data);

struct dma_space *dma_space_create(struct device *dev, dma_addr_t first,
				   dma_addr_t last);
struct dma_space *dma_space_get(struct dma_space *space);
void dma_space_put(struct dma_space *space);

int dma_space_attach(struct dma_space *space, struct device *dev);
void dma_space_detach(struct device *dev);
int dma_space_set_fault_handler(struct dma_space *space, dma_fault_fn handler,
				void *data);

struct iommu_domain *dma_space_domain(struct dma_space *space);

/* For the IOMMU core */
void dma_space_iommu_gone(struct device *dev);

#endif /* _LINUX_DMA_SPACE_H */
