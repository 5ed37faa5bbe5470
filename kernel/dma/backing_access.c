// SPDX-License-Identifier: GPL-2.0
/*
 * Whose a backing is, and what that means for the caches
 *
 * Two sides take turns with a backing. On one are the CPUs, and devices that take
 * part in their coherency protocol. On the other are devices that see what is in
 * memory, and not what is in the caches. Within a side nothing has to be done,
 * whoever writes and whoever reads. When the backing crosses,
 *
 *   - to the devices, the caches are cleaned if somebody on the CPUs' side can
 *     have written: lines that are written back later would overwrite what a
 *     device wrote, and it would not see what is in them;
 *   - to the CPUs, they are invalidated if one of the devices can have written:
 *     the CPUs can have read before, and nothing was done when the devices' turn
 *     began; and lines can have been fetched by speculation, whether or not there
 *     was a mapping.
 *
 * It crosses when a device of the other side is bound, and when a CPU access
 * begins or ends. A driver whose bindings stay says with
 * dma_backing_begin_device_access() whose turn it is. So a buffer that goes from
 * one device to the next, and that no CPU looks at, costs nothing.
 *
 * A backing crosses as a whole: a part of it is not worth the memory to note whose
 * it is.
 *
 * What is not cached needs none of this. The turns are counted nevertheless.
 *
 * Locking: what a backing knows about its sides is protected by backing->lock.
 * Caches are cleaned without it, as that takes its time: backing->crossing keeps
 * others out, who get -EBUSY. Handing a backing over and having it used at the
 * same time makes no sense, so callers who get that have a bug, or another way to
 * agree about whose turn it is.
 *
 * Context: any.
 */
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <trace/events/dma.h>

#include <asm/dma-mapping-common.h>

#include "backing.h"

static bool mapper_writes(const struct dma_mapper *mapper)
{
	return mapper->dir != DMA_TO_DEVICE;
}

static void count_mapper(struct dma_backing *backing,
			 struct dma_mapper *mapper, int n)
{
	bool side = !mapper->coherent;

	if (!dma_mapper_is_device(mapper))
		return;
	backing->mapped[side] += n;
	if (mapper_writes(mapper))
		backing->writers[side] += n;
}

void dma_backing_add_mapper(struct dma_backing *backing,
			    struct dma_mapper *mapper)
{
	lockdep_assert_held(&backing->lock);

	dma_backing_get(backing);
	mapper->backing = backing;
	dma_backing_count_space(backing, mapper);
	list_add_tail(&mapper->list, dma_mapper_is_device(mapper) ?
				     &backing->devices : &backing->cpus);
	count_mapper(backing, mapper, 1);
}

/* The caller drops the reference, when it is without the lock. */
void dma_backing_del_mapper(struct dma_backing *backing,
			    struct dma_mapper *mapper)
{
	lockdep_assert_held(&backing->lock);

	count_mapper(backing, mapper, -1);
	list_del(&mapper->list);
	dma_backing_uncount_space(backing, mapper);
	mapper->backing = NULL;
}

/* A device goes. What it wrote, it wrote while the backing was its side's. */
void dma_backing_note_writes(struct dma_backing *backing,
			     const struct dma_mapper *mapper)
{
	lockdep_assert_held(&backing->lock);

	if (!mapper_writes(mapper) || backing->device_side != !mapper->coherent)
		return;
	if (mapper->coherent)
		backing->cpu_dirty = true;
	else
		backing->device_dirty = true;
}

/* A device takes part in the coherency protocol from now on, or no more. */
void dma_backing_change_side(struct dma_backing *backing,
			     struct dma_mapper *mapper, bool coherent)
{
	lockdep_assert_held(&backing->lock);

	count_mapper(backing, mapper, -1);
	mapper->coherent = coherent;
	count_mapper(backing, mapper, 1);
}

/*
 * Hand the backing to a side. If that needs anything done to the caches, returns
 * true, and the caller calls dma_backing_finish_crossing() without the lock.
 */
bool dma_backing_start_crossing(struct dma_backing *backing, bool to_devices)
{
	bool dirty;

	lockdep_assert_held(&backing->lock);

	if (backing->device_side == to_devices)
		return false;

	dirty = to_devices ? backing->cpu_dirty : backing->device_dirty;
	dirty |= backing->writers[!to_devices];
	if (dirty && backing->policy == DMA_CACHE_CACHED) {
		backing->crossing = true;
		return true;
	}
	backing->device_side = to_devices;
	return false;
}

static void clean_chunk(phys_addr_t phys, size_t len)
{
	arch_sync_dma_for_device(phys, len, DMA_TO_DEVICE);
}

static void invalidate_chunk(phys_addr_t phys, size_t len)
{
	/* Nothing is dirty: the caches were cleaned, and nobody wrote since */
	if (!arch_dma_sync_cpu_invalidates())
		arch_sync_dma_for_device(phys, len, DMA_FROM_DEVICE);
	arch_sync_dma_for_cpu(phys, len, DMA_FROM_DEVICE);
}

static void sync_caches(struct dma_backing *backing, bool to_devices)
{
	const struct dma_chunk *chunk;

	for_each_dma_chunk(chunk, backing) {
		size_t len = dma_chunk_len(chunk);

		if (to_devices)
			clean_chunk(chunk->phys, len);
		else
			invalidate_chunk(chunk->phys, len);
		trace_dma_backing_sync(backing, chunk->phys, len, to_devices);
	}
	arch_sync_dma_flush();
	if (!to_devices)
		arch_sync_dma_for_cpu_all();
}

void dma_backing_finish_crossing(struct dma_backing *backing, bool to_devices)
{
	sync_caches(backing, to_devices);

	guard(spinlock_irqsave)(&backing->lock);
	if (to_devices) {
		backing->cleaned++;
		backing->cpu_dirty = false;
	} else {
		backing->invalidated++;
		backing->device_dirty = false;
	}
	backing->device_side = to_devices;
	backing->crossing = false;
}

/*
 * A device is going to be mapped, and can be there as soon as it is. So the backing
 * crosses to its side before, unless a CPU access is open. Returns what
 * dma_backing_start_crossing() does.
 */
bool dma_backing_take_turn(struct dma_backing *backing,
			   struct dma_mapper *mapper)
{
	bool to_devices = !mapper->coherent;

	lockdep_assert_held(&backing->lock);

	mapper->took_turn = !backing->cpu_access &&
			    backing->device_side != to_devices;
	return mapper->took_turn &&
	       dma_backing_start_crossing(backing, to_devices);
}

/*
 * It could not be mapped, and is off the list. If nobody else has used that turn, it
 * is again the turn of those whose it was. A CPU that writes before its first access
 * does not know that it ever was not.
 */
void dma_backing_return_turn(struct dma_backing *backing,
			     const struct dma_mapper *mapper)
{
	bool side = !mapper->coherent;

	lockdep_assert_held(&backing->lock);

	if (!mapper->took_turn || backing->crossing || backing->cpu_access ||
	    backing->device_side != side || backing->mapped[side] ||
	    (side ? backing->device_dirty : backing->cpu_dirty))
		return;
	backing->device_side = !side;
	if (side)
		backing->cpu_dirty = true;
}

/* Whoever gets the memory back finds in it what devices have written. */
void dma_backing_hand_back(struct dma_backing *backing)
{
	bool crossing;

	scoped_guard(spinlock_irqsave, &backing->lock)
		crossing = dma_backing_start_crossing(backing, false);
	if (crossing)
		dma_backing_finish_crossing(backing, false);
}

/**
 * dma_backing_begin_cpu_access - The CPU is going to look at a backing
 * @backing: the backing
 * @dir: DMA_FROM_DEVICE if it only reads, DMA_TO_DEVICE or DMA_BIDIRECTIONAL if
 *	it writes
 *
 * What devices have written is there to be read after this. They must not write
 * until dma_backing_end_cpu_access(). Accesses nest, and several can be open at
 * the same time.
 *
 * Context: Any context. May sleep if the backing is somebody else's.
 * Return: 0; -EINVAL if @dir is none of these; -EBUSY if the backing is being
 * handed over by somebody else at this moment. Then no access has begun.
 */
int dma_backing_begin_cpu_access(struct dma_backing *backing,
				 enum dma_data_direction dir)
{
	bool crossing;

	if (WARN_ON_ONCE(!valid_dma_direction(dir)))
		return -EINVAL;
	if (backing->ops)
		return backing->ops->begin_cpu_access(backing->release_priv,
						      dir);

	scoped_guard(spinlock_irqsave, &backing->lock) {
		if (backing->crossing)
			return -EBUSY;
		backing->cpu_access++;
		crossing = dma_backing_start_crossing(backing, false);
		if (dir != DMA_FROM_DEVICE)
			backing->cpu_dirty = true;
	}
	if (crossing)
		dma_backing_finish_crossing(backing, false);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_backing_begin_cpu_access);

/**
 * dma_backing_end_cpu_access - The CPU has looked at a backing
 * @backing: the backing
 * @dir: as for dma_backing_begin_cpu_access()
 *
 * With the last access that ends, the backing goes to the devices that are not
 * coherent, if it is bound for one. If it is not, it stays where it is: the next
 * to need it may be a CPU.
 *
 * Context: Any context. May sleep if the backing is somebody else's.
 * Return: 0; -EINVAL if no access has begun; -EBUSY if the backing is being handed
 * over by somebody else at this moment. Then the access has not ended.
 */
int dma_backing_end_cpu_access(struct dma_backing *backing,
			       enum dma_data_direction dir)
{
	bool crossing = false;

	if (backing->ops)
		return backing->ops->end_cpu_access(backing->release_priv, dir);

	scoped_guard(spinlock_irqsave, &backing->lock) {
		if (WARN_ON_ONCE(!backing->cpu_access))
			return -EINVAL;
		if (backing->crossing)
			return -EBUSY;
		if (!--backing->cpu_access && backing->mapped[1])
			crossing = dma_backing_start_crossing(backing, true);
	}
	if (crossing)
		dma_backing_finish_crossing(backing, true);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_backing_end_cpu_access);

/**
 * dma_backing_clean - Show devices what CPUs have written, and nothing else
 * @backing: the backing, which is not somebody else's
 * @written: CPUs may have written, whether or not an access says so
 * @to_devices: it is the turn of the devices that are not coherent from now on, if
 *	there are any and no CPU access
 *
 * For exporters, whose users do not say whose turn it is. If it is the turn of
 * devices that are not coherent, or if a CPU access is open that they will not wait
 * for, they find in memory what CPUs and coherent devices have written until now.
 * Nothing is invalidated, so nothing that is written meanwhile is lost.
 *
 * Context: Any context.
 * Return: 1 if it is the turn of the devices that are not coherent, 0 if not; -EBUSY
 * if the backing is being handed over by somebody else at this moment
 */
int dma_backing_clean(struct dma_backing *backing, bool written,
		      bool to_devices)
{
	bool dirty = written;

	scoped_guard(spinlock_irqsave, &backing->lock) {
		if (backing->crossing)
			return -EBUSY;
		if (!backing->device_side) {
			backing->cpu_dirty |= written;
			dirty = backing->cpu_dirty;
			/* Whoever is bound next finds it cleaned */
			if (!backing->mapped[1] ||
			    (!backing->cpu_access && !to_devices))
				return 0;
		}
		dirty |= backing->writers[0];
		if (!dirty || backing->policy != DMA_CACHE_CACHED) {
			backing->device_side |= !backing->cpu_access;
			return backing->device_side;
		}
		backing->crossing = true;
	}

	sync_caches(backing, true);

	guard(spinlock_irqsave)(&backing->lock);
	backing->cleaned++;
	if (!backing->cpu_access) {
		backing->cpu_dirty = false;
		backing->device_side = true;
	}
	backing->crossing = false;
	return backing->device_side;
}
EXPORT_SYMBOL_GPL(dma_backing_clean);

/**
 * dma_backing_begin_device_access - It is the turn of a device
 * @binding: the device's binding
 *
 * For bindings that stay while others use the backing. It hands the backing to
 * the side of the device, if it is not there. dma_iova_bind() has done so, so this
 * is not needed before the first transfer.
 *
 * Context: Any context.
 * Return: 0; -EINVAL if nothing is bound; -EBUSY if a CPU access has begun and
 * not ended, or the backing is being handed over by somebody else at this moment
 */
int dma_backing_begin_device_access(struct dma_binding *binding)
{
	struct dma_backing *backing = binding->mapper.backing;
	bool crossing, to_devices;

	if (WARN_ON_ONCE(!backing))
		return -EINVAL;
	/* Ending CPU access is all there is to it */
	if (backing->ops)
		return 0;

	scoped_guard(spinlock_irqsave, &backing->lock) {
		if (backing->crossing || backing->cpu_access)
			return -EBUSY;
		to_devices = !binding->mapper.coherent;
		crossing = dma_backing_start_crossing(backing, to_devices);
	}
	if (crossing)
		dma_backing_finish_crossing(backing, to_devices);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_backing_begin_device_access);
