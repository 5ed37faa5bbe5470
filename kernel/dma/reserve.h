/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What reserve.c, its part of DMA debugging and bindings ask of a state.
 */
#ifndef _KERNEL_DMA_RESERVE_H
#define _KERNEL_DMA_RESERVE_H

#include <linux/dma-mapping.h>

struct iommu_domain;

/* Whether [@offset, @offset + @size) is a part of the reservation. */
static inline bool iova_state_covers(const struct dma_iova_state *state,
				     size_t offset, size_t size)
{
	size_t len = dma_iova_size(state);

	/* A size of 0 is too large then, too */
	return size - 1 < len && offset <= len - size;
}

static inline bool iova_state_direct(const struct dma_iova_state *state)
{
	return state->__size & DMA_IOVA_DIRECT;
}

int dma_iova_check(struct device *dev, struct iommu_domain *domain,
		const struct dma_iova_request *req, u64 total);
int dma_iova_reserve_in(struct device *dev, struct iommu_domain *domain,
		struct dma_iova_state *state,
		const struct dma_iova_request *req);
void dma_iova_give_back(struct iommu_domain *domain,
		struct dma_iova_state *state);
int direct_iova_addr(struct device *dev, phys_addr_t phys, size_t size,
		enum dma_data_direction dir, unsigned long attrs,
		dma_addr_t *addr);
int direct_iova_bind(struct device *dev, struct dma_iova_state *state,
		phys_addr_t phys, size_t offset, size_t size,
		enum dma_data_direction dir, unsigned long attrs);
void direct_iova_unbind(struct device *dev, struct dma_iova_state *state,
		size_t offset, size_t size, enum dma_data_direction dir,
		unsigned long attrs);
bool direct_iova_is_bound(const struct dma_iova_state *state);

#ifdef CONFIG_DMA_BACKING
bool dma_iova_is_bound(struct device *dev, const struct dma_iova_state *state);
#else
static inline bool dma_iova_is_bound(struct device *dev,
				     const struct dma_iova_state *state)
{
	return false;
}
#endif

#endif /* _KERNEL_DMA_RESERVE_H */
