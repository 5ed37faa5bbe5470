/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_DMA_SPACE_H
#define _KERNEL_DMA_SPACE_H

#include <linux/types.h>

struct device;
struct dma_space;
struct seq_file;

/* For debugfs */
struct dma_space *dma_space_next(struct dma_space *space);
unsigned int dma_space_id(const struct dma_space *space);
unsigned int dma_space_id_of(struct device *dev);
void dma_space_show(struct dma_space *space, struct seq_file *m);

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
