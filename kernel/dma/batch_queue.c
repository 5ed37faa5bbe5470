// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for addresses
 *
 * Each domain has a queue, and a batch puts a ticket in the queue of each domain that
 * it needs, in all of them at once. So the order of two batches is the same wherever
 * they meet. A batch has its turn when it is the first everywhere. Who waits holds
 * nothing that another one could wait for, and the first of all has nobody to wait
 * for but those who are done with their buffers some day: there is always one that
 * gets on.
 *
 * A batch that was not served at once is counted as waiting, in all of its queues.
 * As long as there is one, dma_iova_reserve() gets -EAGAIN there, and dma_iova_free()
 * wakes the first.
 *
 * Lifetime: a ticket is in its queue during dma_bind_batch_commit() only, and has a
 * reference on the domain, for a device may leave its space meanwhile. Default
 * domains are freed without asking: then a ticket is told.
 *
 * Locking: dma_tickets_lock protects all queues and what is in them. It is innermost
 * but for the lock of a completion, and held for a look at each entry of a batch.
 * Nothing is reserved and no page table is changed with it, and no lock of one
 * domain is taken within that of another.
 *
 * Context: any, but dma_batch_unqueue(), which sleeps if it frees a domain.
 */
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-map-ops.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/spinlock.h>

#include "backing.h"
#include "batch.h"

static DEFINE_SPINLOCK(dma_tickets_lock);

static void wake_first(struct dma_ticket_queue *queue)
{
	struct dma_bind_ticket *ticket;

	lockdep_assert_held(&dma_tickets_lock);

	ticket = list_first_entry_or_null(&queue->tickets,
					  struct dma_bind_ticket, node);
	if (ticket)
		complete(&ticket->batch->wake);
}

/* A reservation was freed. */
void dma_ticket_queue_wake(struct dma_ticket_queue *queue)
{
	guard(spinlock_irqsave)(&dma_tickets_lock);
	wake_first(queue);
}

/* The domain is about to be freed, which nobody can wait for any more. */
void dma_ticket_queue_close(struct dma_ticket_queue *queue)
{
	struct dma_bind_ticket *ticket, *next;

	guard(spinlock_irqsave)(&dma_tickets_lock);
	list_for_each_entry_safe(ticket, next, &queue->tickets, node) {
		list_del_init(&ticket->node);
		WRITE_ONCE(ticket->domain, NULL);
		complete(&ticket->batch->wake);
	}
}

static void entry_queue(struct dma_bind_batch *batch,
			struct dma_bind_entry *entry)
{
	struct iommu_domain *domain = dma_binding_domain(entry->dev);
	struct dma_bind_ticket *ticket = &entry->ticket;
	struct dma_ticket_queue *queue;

	lockdep_assert_held(&dma_tickets_lock);

	entry->space = NULL;
	if (!domain)
		return;

	/* Nobody else gets in between, so its ticket there is the last, if any */
	queue = iommu_dma_ticket_queue(domain);
	if (!list_empty(&queue->tickets))
		entry->space = list_last_entry(&queue->tickets,
					       struct dma_bind_ticket, node);
	if (!entry->space || entry->space->batch != batch) {
		iommu_dma_domain_get(domain);
		*ticket = (struct dma_bind_ticket){
			.batch	= batch,
			.domain	= domain,
		};
		list_add_tail(&ticket->node, &queue->tickets);
		entry->space = ticket;
	}
	entry->space->size += ALIGN((u64)entry->req.size,
				    iommu_dma_granule(domain));
}

void dma_batch_queue(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;

	guard(spinlock_irqsave)(&dma_tickets_lock);
	batch->waiting = false;
	for_each_batch_entry(entry, batch)
		entry_queue(batch, entry);
}

void dma_batch_unqueue(struct dma_bind_batch *batch)
{
	struct dma_ticket_queue *queue;
	struct dma_bind_entry *entry;

	scoped_guard(spinlock_irqsave, &dma_tickets_lock) {
		for_each_batch_ticket(entry, batch) {
			if (!entry->ticket.domain)
				continue;
			queue = iommu_dma_ticket_queue(entry->ticket.domain);
			list_del(&entry->ticket.node);
			WRITE_ONCE(queue->waiting,
				   queue->waiting - batch->waiting);
			wake_first(queue);
			/*
			 * A ticket that is not in line is not told when a
			 * default domain is freed, so let go of it here.
			 */
			entry->ticket.orphan =
				iommu_dma_domain_release(entry->ticket.domain);
		}
	}
	for_each_batch_ticket(entry, batch)
		if (entry->ticket.orphan)
			iommu_domain_free(entry->ticket.domain);
}

/* From now on nobody overtakes it. */
void dma_batch_start_waiting(struct dma_bind_batch *batch)
{
	struct dma_ticket_queue *queue;
	struct dma_bind_entry *entry;

	guard(spinlock_irqsave)(&dma_tickets_lock);
	batch->waiting = true;
	for_each_batch_ticket(entry, batch) {
		if (!entry->ticket.domain)
			continue;
		queue = iommu_dma_ticket_queue(entry->ticket.domain);
		WRITE_ONCE(queue->waiting, queue->waiting + 1);
	}
}

/* Whether it is its turn: -EAGAIN if not, -ENODEV if it will never be. */
int dma_batch_turn(struct dma_bind_batch *batch)
{
	struct dma_ticket_queue *queue;
	struct dma_bind_entry *entry;
	int ret = 0;

	guard(spinlock_irqsave)(&dma_tickets_lock);
	for_each_batch_entry(entry, batch) {
		/* Without its domain the device may be gone, too */
		if (entry->space && !entry->space->domain)
			return -ENODEV;
		if (dma_binding_domain(entry->dev) != dma_entry_domain(entry))
			return -ENODEV;
		if (entry->space != &entry->ticket)
			continue;
		queue = iommu_dma_ticket_queue(entry->ticket.domain);
		if (!list_is_first(&entry->ticket.node, &queue->tickets))
			ret = -EAGAIN;
	}
	return ret;
}
