// SPDX-License-Identifier: GPL-2.0
/*
 * Binding many backings at once, or none
 *
 * A job for a GPU needs all of its buffers, in one address space or in several. If
 * they are bound one by one, each costs an IOTLB synchronisation, and two clients
 * that fill the space between them can both be left with half of what they need,
 * give it back, and try again for ever. A batch reserves addresses for all of its
 * entries, and binds them, with one synchronisation for each space that is not
 * fragmented; or it changes nothing.
 *
 * Whoever finds no room waits in line, see batch_queue.c. When it is a batch's turn,
 * it reserves all that it needs. If that fails it gives back what it got, and tries
 * again when there may be more room.
 *
 * Lifetime: batch and entries are the caller's, who keeps them, and the backings,
 * until the batch is undone or a commit has failed.
 *
 * Locking: none of its own. The caller serialises the calls for one batch.
 *
 * Context: committing sleeps. All else can be done in any context. Undoing cannot
 * fail.
 *
 * That binding is best done for many buffers at once and late, and that two clients
 * must not starve each other on the way, is what Jesse Barnes wrote about graphics in
 * the discussion with Arnd Bergmann that came after the Virtual Contiguous Memory
 * manager.
 */
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-batch.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <trace/events/dma.h>

#include "backing.h"
#include "batch.h"
#include "debug.h"
#include "reserve.h"

/*
 * How long the first waits for those who unmap without telling, see dma_unmap_phys();
 * the others, whose device may leave its space; and how long it takes about to clean
 * or invalidate the caches of a large backing
 */
#define DMA_BATCH_LOOK_AGAIN_MS	10
#define DMA_BATCH_IN_LINE_MS	100
#define DMA_BATCH_CROSSING_MS	1

enum { STEP_NONE, STEP_ON_RECORD, STEP_MAPPED };

/* -- Reserving -- */

static int batch_check(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;
	int ret;

	for_each_batch_entry(entry, batch) {
		ret = dma_iova_check(entry->dev, dma_entry_domain(entry), &entry->req,
				     entry->space ? entry->space->size : 0);
		if (ret)
			return ret;
	}
	return 0;
}

/* If that is to be without others noticing. */
static void batch_give_back(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;

	for_each_batch_entry_reverse(entry, batch) {
		if (!dma_iova_size(&entry->state))
			continue;
		/* If the domain went away, so did the addresses */
		if (!entry->space || dma_entry_domain(entry))
			dma_iova_give_back(dma_entry_domain(entry), &entry->state);
		memset(&entry->state, 0, sizeof(entry->state));
	}
}

/* All of it, if it is its turn. -ENOSPC if there is no room. */
static int batch_try(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;
	int ret;

	ret = dma_batch_turn(batch);
	if (ret)
		return ret;
	for_each_batch_entry(entry, batch) {
		ret = dma_iova_reserve_in(entry->dev, dma_entry_domain(entry),
					  &entry->state, &entry->req);
		if (ret)
			break;
	}
	/* A device that has left its space has nothing of it */
	if (!ret)
		ret = dma_batch_turn(batch);
	if (ret)
		batch_give_back(batch);
	return ret;
}

/* Until it is worth another try. */
static int batch_wait(struct dma_bind_batch *batch, bool first,
		      unsigned long start, unsigned long timeout)
{
	unsigned long slice = msecs_to_jiffies(first ? DMA_BATCH_LOOK_AGAIN_MS :
						       DMA_BATCH_IN_LINE_MS);
	unsigned long spent = jiffies - start;

	if (!batch->waiting) {
		/* Room that was made before that was made without a word */
		dma_batch_start_waiting(batch);
		return 0;
	}
	if (timeout < MAX_SCHEDULE_TIMEOUT) {
		if (spent >= timeout)
			return -ETIMEDOUT;
		slice = min(slice, timeout - spent);
	}
	return wait_for_completion_killable_timeout(&batch->wake, slice) < 0 ?
	       -EINTR : 0;
}

static int batch_reserve(struct dma_bind_batch *batch, unsigned long start,
			 unsigned long timeout)
{
	int ret;

	dma_batch_queue(batch);
	ret = batch_check(batch);
	while (!ret) {
		/* What comes before this, the try finds out by itself */
		reinit_completion(&batch->wake);
		ret = batch_try(batch);
		if (!timeout || (ret != -EAGAIN && ret != -ENOSPC))
			break;
		ret = batch_wait(batch, ret == -ENOSPC, start, timeout);
	}
	dma_batch_unqueue(batch);
	return ret;
}

/* -- Binding -- */

static int entry_record(struct dma_bind_entry *entry)
{
	int ret;

	ret = dma_binding_init(&entry->binding, entry->dev, &entry->state, 0,
			       entry->backing, entry->boff, entry->len,
			       entry->dir, entry->attrs);
	if (!ret)
		ret = dma_binding_add(entry->backing, &entry->binding, true);
	if (!ret)
		entry->step = STEP_ON_RECORD;
	return ret;
}

/*
 * Tell the IOMMU of what was mapped last: of that range and no other, as what others
 * have mapped beside it is theirs to synchronise, and its errors are theirs.
 */
static int run_sync(struct dma_bind_ticket *space)
{
	size_t size = space->mapped;

	space->mapped = 0;
	return size ? iommu_dma_bind_sync(space->domain, space->first, size) : 0;
}

/* One after the other, entries are one range, unless the space is fragmented. */
static int run_add(struct dma_bind_ticket *space, dma_addr_t addr, size_t len)
{
	int ret = 0;

	if (addr + len == space->first || !space->mapped) {
		space->first = addr;
	} else if (addr != space->first + space->mapped) {
		ret = run_sync(space);
		space->first = addr;
	}
	space->mapped += len;
	return ret;
}

static int entry_map(struct dma_bind_entry *entry)
{
	struct dma_bind_ticket *space = entry->space;
	int ret;

	ret = dma_binding_map_nosync(&entry->binding, 0);
	if (ret)
		return ret;
	entry->step = STEP_MAPPED;
	return space ? run_add(space, entry->binding.addr, entry->len) : 0;
}

static void batch_drop(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;

	for_each_batch_entry_reverse(entry, batch) {
		if (entry->step != STEP_NONE)
			dma_binding_drop(&entry->binding, 0,
					 entry->step == STEP_MAPPED);
		entry->step = STEP_NONE;
	}
}

/* -EAGAIN if somebody hands one of the backings over. */
static int batch_try_bind(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;
	int ret;

	for_each_batch_entry(entry, batch) {
		ret = entry_record(entry);
		if (ret)
			goto drop;
	}
	for_each_batch_entry(entry, batch) {
		ret = dma_binding_take_turn(&entry->binding);
		if (ret)
			goto drop;
	}
	for_each_batch_ticket(entry, batch)
		entry->space->mapped = 0;
	for_each_batch_entry(entry, batch) {
		ret = entry_map(entry);
		if (ret)
			goto drop;
	}
	for_each_batch_ticket(entry, batch) {
		ret = run_sync(entry->space);
		if (ret)
			goto drop;
	}
	for_each_batch_entry(entry, batch)
		dma_binding_start(&entry->binding, 0);
	return 0;

drop:
	batch_drop(batch);
	return ret;
}

/* Whoever hands a backing over is done with it in a moment, and waits for nobody. */
static int batch_bind(struct dma_bind_batch *batch, unsigned long start,
		      unsigned long timeout)
{
	int ret;

	for (;;) {
		ret = batch_try_bind(batch);
		if (ret != -EAGAIN)
			return ret;
		if (timeout < MAX_SCHEDULE_TIMEOUT && jiffies - start >= timeout)
			return -EBUSY;
		if (fatal_signal_pending(current))
			return -EINTR;
		fsleep(DMA_BATCH_CROSSING_MS * USEC_PER_MSEC);
	}
}

static void batch_free(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;

	for_each_batch_entry_reverse(entry, batch) {
		dma_iova_free(entry->dev, &entry->state);
		memset(&entry->state, 0, sizeof(entry->state));
	}
}

/* -- The calls -- */

/**
 * dma_bind_batch_init - Begin a batch
 * @batch: the batch, in the caller's memory
 *
 * It has no entries then. Those of a batch that is not bound can be forgotten that
 * way.
 *
 * Context: Any context.
 */
void dma_bind_batch_init(struct dma_bind_batch *batch)
{
	INIT_LIST_HEAD(&batch->entries);
	init_completion(&batch->wake);
	batch->waiting = false;
	batch->bound = false;
}
EXPORT_SYMBOL_GPL(dma_bind_batch_init);

/**
 * dma_bind_batch_add - Add to a batch what is to be bound
 * @batch: the batch, which is not bound
 * @entry: the entry, in the caller's memory, which is in no batch
 * @dev: the device
 * @req: what to reserve; it is copied
 * @backing: the backing
 * @boff: start of the part that is to be bound, in bytes
 * @len: size of it, in bytes, not larger than what is reserved
 * @dir: DMA direction
 * @attrs: as for dma_iova_bind()
 *
 * The part is bound at the start of the reservation. Nothing is done before
 * dma_bind_batch_commit(), and what can be found out only then is an error there.
 * Device and backing are the caller's to keep. A backing can be in a batch more
 * than once.
 *
 * Context: Any context.
 * Return: 0, or an error, and then it is not added:
 *
 * * -EINVAL: there is no such part in the backing, or it is larger than what is
 *   reserved; @dir is no direction.
 * * -EBUSY: the batch is bound.
 * * -EOPNOTSUPP: @backing is somebody else's, see dma_backing_is_foreign().
 */
int dma_bind_batch_add(struct dma_bind_batch *batch,
		struct dma_bind_entry *entry, struct device *dev,
		const struct dma_iova_request *req, struct dma_backing *backing,
		size_t boff, size_t len, enum dma_data_direction dir,
		unsigned long attrs)
{
	if (WARN_ON_ONCE(batch->bound))
		return -EBUSY;
	if (backing->ops)
		return -EOPNOTSUPP;
	if (WARN_ON_ONCE(!valid_dma_direction(dir) || len > req->size ||
			 !dma_backing_covers(backing, boff, len)))
		return -EINVAL;

	*entry = (struct dma_bind_entry){
		.dev		= dev,
		.req		= *req,
		.backing	= backing,
		.boff		= boff,
		.len		= len,
		.dir		= dir,
		.attrs		= attrs,
	};
	/* Who can be anywhere takes what is left by those who cannot */
	if (req->first || req->last)
		list_add(&entry->list, &batch->entries);
	else
		list_add_tail(&entry->list, &batch->entries);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_bind_batch_add);

/**
 * dma_bind_batch_commit - Reserve and bind all of a batch, or nothing
 * @batch: the batch, which is not bound
 * @timeout: how long to wait for room, and for others who hand one of the backings
 *	over at this moment, in jiffies; 0 to not wait at all;
 *	MAX_SCHEDULE_TIMEOUT without a limit
 *
 * Each entry gets a reservation of its own, and its part of the backing is bound
 * there, as by dma_iova_reserve() and dma_iova_bind(). The IOMMU is told once for
 * each address space, however many entries there are, or once for each range of
 * addresses that they are in if the space is fragmented. If one backing is bound
 * more than once, it is handed over as if that were done one after the other:
 * devices of both sides should not be among its users.
 *
 * If there is no room it waits, and holds nothing meanwhile. Batches are served in
 * the order in which they came, in all spaces that they share; one that needs less
 * does not overtake. So each of them gets what it needs once those before it are
 * undone. While one waits in a space, dma_iova_reserve() returns -EAGAIN there.
 * What dma_map_*() and dma_iova_try_alloc() do is outside of that promise: they
 * take room when there is some, and do not tell when they make it, so one that
 * waits looks again every 10 ms.
 *
 * Entries of one batch can be in the way of each other, by windows that overlap or
 * by alignment. That is room which is never made, and waiting for it ends with the
 * timeout. Devices that are mapped directly need no room.
 *
 * A device may be detached from its space while a batch waits, which is the end of
 * waiting. After that it is in use, as by every other call.
 *
 * Context: Process context. May sleep, and can be ended by a fatal signal while it
 * waits.
 * Return: 0, or an error, and then nothing is reserved or bound, and the batch can be
 * committed again, or forgotten:
 *
 * * -EAGAIN: @timeout is 0, and others were first.
 * * -ENOSPC: @timeout is 0, and there is no room.
 * * -ETIMEDOUT: it has not had its turn in time, or there was no room.
 * * -EINTR: a fatal signal.
 * * -ENODEV: a device has left the space, or the space went away.
 * * -EINVAL: an entry can never be met, or all of those in one space together are
 *   larger than it; or for the reasons of dma_iova_bind().
 * * -EBUSY: the batch is bound; or for the reasons of dma_iova_bind(), one of which
 *   goes away by itself, and is waited for.
 * * What else dma_iova_reserve() and dma_iova_bind() return.
 */
int dma_bind_batch_commit(struct dma_bind_batch *batch, unsigned long timeout)
{
	unsigned long start = jiffies;
	struct dma_bind_entry *e;
	int ret;

	might_sleep();
	if (WARN_ON_ONCE(batch->bound))
		return -EBUSY;

	ret = batch_reserve(batch, start, timeout);
	if (ret)
		return ret;
	for_each_batch_entry(e, batch) {
		debug_dma_iova_reserve(e->dev, &e->state);
		trace_dma_iova_reserve(e->dev, &e->req, &e->state, 0);
	}

	ret = batch_bind(batch, start, timeout);
	if (ret) {
		batch_free(batch);
		return ret;
	}
	batch->bound = true;
	for_each_batch_entry(e, batch) {
		dma_binding_debug(&e->binding, 0);
		trace_dma_iova_bind(e->dev, &e->binding, e->backing, e->boff,
				    e->len, e->dir, e->attrs, 0);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(dma_bind_batch_commit);

/**
 * dma_bind_batch_undo - Undo dma_bind_batch_commit()
 * @batch: the batch, which is bound
 *
 * The devices cannot use what was bound any more when this returns, and whoever
 * waits for the addresses is woken. Bindings of a batch are undone by this alone.
 * The entries stay in the batch, which can be committed again.
 *
 * Context: Any context.
 */
void dma_bind_batch_undo(struct dma_bind_batch *batch)
{
	struct dma_bind_entry *entry;

	if (WARN_ON_ONCE(!batch->bound))
		return;

	batch->bound = false;
	for_each_batch_entry_reverse(entry, batch) {
		dma_iova_unbind(&entry->binding);
		entry->step = STEP_NONE;
	}
	batch_free(batch);
}
EXPORT_SYMBOL_GPL(dma_bind_batch_undo);
