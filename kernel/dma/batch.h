/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files about batches share.
 */
#ifndef _KERNEL_DMA_BATCH_H
#define _KERNEL_DMA_BATCH_H

#include <linux/dma-batch.h>
#include <linux/list.h>
#include <linux/util_macros.h>

#define for_each_batch_entry(entry, batch) \
	list_for_each_entry(entry, &(batch)->entries, list)
#define for_each_batch_entry_reverse(entry, batch) \
	list_for_each_entry_reverse(entry, &(batch)->entries, list)
/* One for each space. The entry of a ticket is the first that needs the space. */
#define for_each_batch_ticket(entry, batch) \
	for_each_batch_entry(entry, batch) \
		for_each_if((entry)->space == &(entry)->ticket)

/* Where its ticket is, NULL if it has none or the domain went away. */
static inline struct iommu_domain *
dma_entry_domain(const struct dma_bind_entry *entry)
{
	return entry->space ? READ_ONCE(entry->space->domain) : NULL;
}

/* batch_queue.c */
void dma_batch_queue(struct dma_bind_batch *batch);
void dma_batch_unqueue(struct dma_bind_batch *batch);
void dma_batch_start_waiting(struct dma_bind_batch *batch);
int dma_batch_turn(struct dma_bind_batch *batch);

#endif /* _KERNEL_DMA_BATCH_H */
