/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Binding many backings at once. See kernel/dma/batch.c.
 */
#ifndef _LINUX_DMA_BATCH_H
#define _LINUX_DMA_BATCH_H

#include <linux/completion.h>
#include <linux/dma-backing.h>

struct dma_bind_batch;

/**
 * struct dma_bind_ticket - the place of a batch among those who want addresses
 * @node: entry in the queue of the domain
 * @batch: whose it is; immutable while it is in the queue
 * @domain: where it stands, with a reference; NULL if the domain went away
 * @size: what the batch wants there, in bytes; immutable while it is in the queue
 * @first: start of what the batch has mapped there without telling the IOMMU; the
 *	batch's own
 * @mapped: its size
 * @orphan: it had the last reference on @domain
 *
 * @node and @domain are protected by dma_tickets_lock of batch_queue.c.
 */
struct dma_bind_ticket {
	struct list_head node;
	struct dma_bind_batch *batch;
	struct iommu_domain *domain;
	u64 size;
	dma_addr_t first;
	size_t mapped;
	bool orphan;
};

/**
 * struct dma_bind_entry - one of what is bound at once
 * @binding: what came of it: dma_binding_addr() tells the address
 * @state: the reservation that it is bound in
 * @dev: the device
 * @req: what is to be reserved
 * @backing: what is to be bound, without a reference
 * @boff: from where in the backing, in bytes
 * @len: how much of it, in bytes
 * @dir: DMA direction
 * @attrs: as for dma_iova_bind()
 * @list: entry in the batch
 * @ticket: the ticket for its space, if it is the first one that needs it
 * @space: the ticket for its space; NULL if the device is mapped directly
 * @step: how far it has come while it is bound
 *
 * The caller provides it, and leaves it to the batch. All of it is protected by
 * whoever uses the batch, but for what is said at @ticket.
 */
struct dma_bind_entry {
	struct dma_binding binding;
	struct dma_iova_state state;
	struct device *dev;
	struct dma_iova_request req;
	struct dma_backing *backing;
	size_t boff;
	size_t len;
	enum dma_data_direction dir;
	unsigned long attrs;
	struct list_head list;
	struct dma_bind_ticket ticket;
	struct dma_bind_ticket *space;
	u8 step;
};

/**
 * struct dma_bind_batch - what is bound at once, or not at all
 * @entries: struct dma_bind_entry; those with a window first
 * @wake: something has changed for one that waits
 * @waiting: it was not served at once; protected by dma_tickets_lock
 * @bound: all of it is bound
 *
 * The caller provides it, and serialises the calls for it.
 */
struct dma_bind_batch {
	struct list_head entries;
	struct completion wake;
	bool waiting;
	bool bound;
};

void dma_bind_batch_init(struct dma_bind_batch *batch);
int dma_bind_batch_add(struct dma_bind_batch *batch,
		struct dma_bind_entry *entry, struct device *dev,
		const struct dma_iova_request *req, struct dma_backing *backing,
		size_t boff, size_t len, enum dma_data_direction dir,
		unsigned long attrs);
int dma_bind_batch_commit(struct dma_bind_batch *batch, unsigned long timeout);
void dma_bind_batch_undo(struct dma_bind_batch *batch);

#endif /* _LINUX_DMA_BATCH_H */
