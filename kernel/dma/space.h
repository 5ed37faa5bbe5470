/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_DMA_SPACE_H
#define _KERNEL_DMA_SPACE_H

#include <linux/types.h>

struct device;

#ifdef CONFIG_DMA_SPACE
void dma_space_direct_window(struct device *dev, dma_addr_t *first,
			     dma_addr_t *last);
#else
static inline void dma_space_direct_window(struct device *dev,
					   dma_addr_t *first, dma_addr_t *last)
{
}
#endif

#endif /* _KERNEL_DMA_SPACE_H */
