// SPDX-License-Identifier: GPL-2.0
/*
 * Reserving DMA addresses, and mapping memory there, as separate steps
 *
 * A reservation is a range of a device's DMA addresses with nothing behind it
 * yet: struct dma_iova_state, which the caller provides. dma_iova_link() puts
 * memory behind a part of it, dma_iova_sync() makes that known to the IOMMU, and
 * dma_iova_unlink() takes it away again. Nothing of that allocates addresses, so
 * what has to be done in the fast path is one page table update and one flush for
 * any number of pages.
 *
 * What is here is the driver's side: whether the arguments make sense, and where
 * the call goes. The translation is in drivers/iommu/dma-iommu.c.
 *
 * A device without a translation has one DMA address for each place in memory. Its
 * reservations are one-to-one: the address is that of the first memory that is
 * linked, and what is linked after that has to be where this address says. So one
 * driver serves both. What cannot be one-to-one gets an error.
 *
 * Arguments are always checked, as far as it takes no search: sizes, overflow,
 * the range of the reservation, the IOMMU's page. A wrong one draws a warning,
 * once, and changes nothing.
 *
 * Context: everything here can be called in atomic context. Calls for different
 * parts of one reservation can run at the same time; calls for the same part are
 * serialised by the caller, and so is the start and the end of a reservation.
 *
 * Locking: the lock of a one-to-one reservation is innermost.
 */
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/swiotlb.h>
#include <trace/events/dma.h>

#include "debug.h"
#include "direct.h"
#include "reserve.h"
#include "space.h"

/**
 * struct dma_iova_direct - a one-to-one reservation
 * @lock: protects @addr, @linked and @bound
 * @addr: DMA address of its start; DMA_MAPPING_ERROR if nothing is linked
 * @linked: number of bytes that are linked
 * @bound: number of bindings among that
 * @req: what was asked for; immutable
 */
struct dma_iova_direct {
	spinlock_t lock;
	dma_addr_t addr;
	size_t linked;
	unsigned int bound;
	struct dma_iova_request req;
};

static int direct_iova_reserve(struct device *dev, struct dma_iova_state *state,
			       const struct dma_iova_request *req)
{
	/* Links start at a page, see direct_iova_link() */
	dma_addr_t align = max_t(dma_addr_t, req->align, PAGE_SIZE);
	dma_addr_t start = ALIGN(req->first, align);
	struct dma_iova_direct *direct;

	/* Where it bounces to is not where the memory is */
	if (is_swiotlb_force_bounce(dev) || is_swiotlb_for_alloc(dev))
		return -EOPNOTSUPP;
	if (start < req->first || start > req->last ||
	    req->size - 1 > req->last - start)
		return -EINVAL;

	direct = kmalloc_obj(*direct, GFP_ATOMIC | __GFP_NOWARN);
	if (!direct)
		return -ENOMEM;

	spin_lock_init(&direct->lock);
	direct->addr = DMA_MAPPING_ERROR;
	direct->linked = 0;
	direct->bound = 0;
	direct->req = *req;
	state->__direct = direct;
	state->__size = req->size | DMA_IOVA_RESERVED | DMA_IOVA_DIRECT;
	return 0;
}

static void direct_iova_free(struct dma_iova_state *state)
{
	WARN_ON_ONCE(state->__direct->linked);
	kfree(state->__direct);
}

/* The DMA address of memory, if @dev can have it as it is. */
int direct_iova_addr(struct device *dev, phys_addr_t phys, size_t size,
		enum dma_data_direction dir, unsigned long attrs,
		dma_addr_t *addr)
{
	bool mmio = attrs & DMA_ATTR_MMIO;

	if (attrs & DMA_ATTR_CC_SHARED ||
	    (attrs & DMA_ATTR_REQUIRE_COHERENT && !dev_is_dma_coherent(dev)))
		return -EOPNOTSUPP;
	if (!mmio && dma_kmalloc_needs_bounce(dev, size, dir))
		return -EOPNOTSUPP;

	*addr = mmio ? phys_to_dma_unencrypted(dev, phys) : phys_to_dma(dev, phys);
	/* It is not encrypted, see dma_direct_map_phys() */
	if (mmio)
		attrs |= DMA_ATTR_CC_SHARED;
	return dma_capable(dev, *addr, size, !mmio, attrs) ? 0 : -EIO;
}

/* Whether the whole reservation is in its window if it starts at @addr. */
static bool direct_iova_fits(const struct dma_iova_request *req, dma_addr_t addr)
{
	return IS_ALIGNED(addr, (dma_addr_t)req->align) && addr >= req->first &&
	       addr <= req->last && req->size - 1 <= req->last - addr;
}

/* Not inline, so that dma_iova_link() has no registers to save for it */
static noinline int direct_iova_link(struct device *dev, struct dma_iova_state *state,
		phys_addr_t phys, size_t offset, size_t size,
		enum dma_data_direction dir, unsigned long attrs)
{
	struct dma_iova_direct *direct = state->__direct;
	dma_addr_t addr;
	int ret;

	/* What an IOMMU would need */
	if (WARN_ON_ONCE(offset_in_page(phys) || offset_in_page(offset)))
		return -EINVAL;

	ret = direct_iova_addr(dev, phys, size, dir, attrs, &addr);
	if (ret)
		return ret;
	if (addr < offset)
		return -EINVAL;
	addr -= offset;

	scoped_guard(spinlock_irqsave, &direct->lock) {
		if (direct->linked ? addr != direct->addr :
				     !direct_iova_fits(&direct->req, addr))
			return -EINVAL;
		/* More than there is: something is linked twice */
		if (WARN_ON_ONCE(size > direct->req.size - direct->linked))
			return -EINVAL;
		direct->addr = addr;
		direct->linked += size;
	}

	if (!dev_is_dma_coherent(dev) &&
	    !(attrs & (DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_MMIO)))
		arch_sync_dma_for_device(phys, size, dir);
	return 0;
}

/* False if it was refused, and nothing has changed. */
static noinline bool direct_iova_unlink(struct device *dev, struct dma_iova_state *state,
		size_t offset, size_t size, enum dma_data_direction dir,
		unsigned long attrs)
{
	struct dma_iova_direct *direct = state->__direct;
	dma_addr_t addr;

	scoped_guard(spinlock_irqsave, &direct->lock) {
		if (WARN_ON_ONCE(size > direct->linked))
			return false;
		addr = direct->addr + offset;
		direct->linked -= size;
		if (!direct->linked)
			direct->addr = DMA_MAPPING_ERROR;
	}
	dma_direct_unmap_phys(dev, addr, size, dir, attrs, true);
	return true;
}

#ifdef CONFIG_DMA_BACKING
/* For bindings: the caches are no matter of a single device there. */
int direct_iova_bind(struct device *dev, struct dma_iova_state *state,
		phys_addr_t phys, size_t offset, size_t size,
		enum dma_data_direction dir, unsigned long attrs)
{
	int ret = direct_iova_link(dev, state, phys, offset, size, dir,
				   attrs | DMA_ATTR_SKIP_CPU_SYNC);

	if (!ret) {
		guard(spinlock_irqsave)(&state->__direct->lock);
		state->__direct->bound++;
	}
	return ret;
}

void direct_iova_unbind(struct device *dev, struct dma_iova_state *state,
		size_t offset, size_t size, enum dma_data_direction dir,
		unsigned long attrs)
{
	direct_iova_unlink(dev, state, offset, size, dir,
			   attrs | DMA_ATTR_SKIP_CPU_SYNC);

	guard(spinlock_irqsave)(&state->__direct->lock);
	state->__direct->bound--;
}

bool direct_iova_is_bound(const struct dma_iova_state *state)
{
	return READ_ONCE(state->__direct->bound);
}
#endif

static void direct_iova_sync(struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		enum dma_data_direction dir, bool for_cpu)
{
	dma_addr_t addr = state->__direct->addr;

	if (WARN_ON_ONCE(addr == DMA_MAPPING_ERROR))
		return;
	if (for_cpu)
		dma_direct_sync_single_for_cpu(dev, addr + offset, size, dir,
					       true);
	else
		dma_direct_sync_single_for_device(dev, addr + offset, size,
						  dir);
}

/*
 * Make of @req one that has an alignment and a window, and nothing in it that
 * @dev cannot address. The IOMMU's part is left to dma-iommu.
 */
static int iova_request_complete(struct device *dev,
				 const struct dma_iova_request *req,
				 struct dma_iova_request *full)
{
	u64 limit = min_not_zero(dma_get_mask(dev), dev->bus_dma_limit);

	*full = *req;
	if (!full->align)
		full->align = 1;
	if (!full->last)
		full->last = ~(dma_addr_t)0;
	full->last = min_t(u64, full->last, limit);
	if (!use_dma_iommu(dev))
		dma_space_direct_window(dev, &full->first, &full->last);

	if (!full->size || (u64)full->size & DMA_IOVA_FLAGS ||
	    !is_power_of_2(full->align) || full->first > full->last ||
	    full->size - 1 > full->last - full->first)
		return -EINVAL;
	return 0;
}

#ifdef CONFIG_IOMMU_DMA
/**
 * dma_iova_try_alloc - Try to allocate an IOVA space
 * @dev: Device to allocate the IOVA space for
 * @state: IOVA state
 * @phys: physical address
 * @size: IOVA size
 *
 * Check if @dev supports the IOVA-based DMA API, and if yes allocate IOVA space
 * for the given base address and size.
 *
 * Note: @phys is only used to calculate the IOVA alignment. Callers that always
 * do PAGE_SIZE aligned transfers can safely pass 0 here.
 *
 * Context: Any context.
 * Return: %true if the IOVA-based DMA API can be used and IOVA space has been
 * allocated, or %false if the regular DMA API should be used.
 */
bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state,
		phys_addr_t phys, size_t size)
{
	memset(state, 0, sizeof(*state));
	if (!use_dma_iommu(dev) ||
	    !iommu_dma_iova_try_alloc(dev, state, phys, size))
		return false;

	debug_dma_iova_reserve(dev, state);
	trace_dma_iova_try_alloc(dev, phys, state);
	return true;
}
EXPORT_SYMBOL_GPL(dma_iova_try_alloc);
#endif /* CONFIG_IOMMU_DMA */

/* See iommu_dma_iova_reserve() for @domain. */
static int iova_reserve(struct device *dev, struct iommu_domain *domain,
			struct dma_iova_state *state,
			const struct dma_iova_request *req)
{
	struct dma_iova_request full;
	int ret;

	if (get_dma_ops(dev))
		return -EOPNOTSUPP;

	ret = iova_request_complete(dev, req, &full);
	if (ret)
		return ret;

	if (use_dma_iommu(dev))
		return iommu_dma_iova_reserve(dev, domain, state, &full);
	return direct_iova_reserve(dev, state, &full);
}

#ifdef CONFIG_DMA_BACKING
/*
 * For batches, which have their turn and tell the world only if it comes to
 * something: whether a request can be met at all, beside others so that it is @total
 * bytes; reserving in a domain; and taking that back.
 */
int dma_iova_check(struct device *dev, struct iommu_domain *domain,
		const struct dma_iova_request *req, u64 total)
{
	struct dma_iova_request full;
	int ret;

	if (get_dma_ops(dev))
		return -EOPNOTSUPP;

	ret = iova_request_complete(dev, req, &full);
	if (!ret && domain)
		ret = iommu_dma_iova_check(domain, &full, total);
	return ret;
}

int dma_iova_reserve_in(struct device *dev, struct iommu_domain *domain,
		struct dma_iova_state *state,
		const struct dma_iova_request *req)
{
	memset(state, 0, sizeof(*state));
	return iova_reserve(dev, domain, state, req);
}

void dma_iova_give_back(struct iommu_domain *domain,
		struct dma_iova_state *state)
{
	if (iova_state_direct(state))
		direct_iova_free(state);
	else if (IS_ENABLED(CONFIG_IOMMU_DMA))
		iommu_dma_iova_give_back(domain, state);
}
#endif

/**
 * dma_iova_reserve - Reserve DMA addresses, to map memory there later
 * @dev: Device to reserve the addresses for
 * @state: the reservation, in the caller's memory
 * @req: what is asked for
 *
 * Unlike dma_iova_try_alloc() this is for reservations that live longer than one
 * mapping, for hardware that wants its addresses in a window or aligned, and for
 * drivers that want to know why there are none. What it reserves is not rounded
 * up, but to the page of the IOMMU.
 *
 * Memory can be linked, unlinked, and other memory linked, any number of times, in
 * parts, and in any order. Each link starts at a page of the IOMMU.
 * dma_iova_addr() tells the address, dma_iova_free() ends it.
 *
 * If the device is mapped directly, the reservation is one-to-one: it has an
 * address once something is linked, which is where the memory is, and -EINVAL
 * from dma_iova_link() says that the memory is not in the window, not aligned, or
 * not where the memory that is linked already wants it. When the last link is
 * undone, the next can be anywhere again.
 *
 * A driver has no need to pick an address, and no means to, except that hardware
 * whose address is fixed says so by a window of exactly the size.
 *
 * The idea is that of the reservations of Zach Pfeffer's Virtual Contiguous
 * Memory manager of 2010.
 *
 * Context: Any context.
 * Return: 0, or an error, and then there is nothing to free:
 *
 * * -EINVAL: this can never be met: the size is 0, the alignment is not a power of
 *   two, or no aligned range of that size is in the window and can be addressed by
 *   the device and its IOMMU.
 * * -ENOSPC: what is left has no such range.
 * * -EAGAIN: somebody waits for addresses there, who comes first: see
 *   dma_bind_batch_commit().
 * * -ENOMEM: no memory for the allocator's record.
 * * -EOPNOTSUPP: the DMA operations of the device are not the common ones, or it
 *   is mapped directly and has to bounce.
 */
int dma_iova_reserve(struct device *dev, struct dma_iova_state *state,
		const struct dma_iova_request *req)
{
	int ret;

	memset(state, 0, sizeof(*state));
	ret = iova_reserve(dev, NULL, state, req);
	if (!ret)
		debug_dma_iova_reserve(dev, state);
	trace_dma_iova_reserve(dev, req, state, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(dma_iova_reserve);

/**
 * dma_iova_addr - The DMA address of a reservation
 * @state: the reservation
 *
 * Context: Any context.
 * Return: the address of its start, or DMA_MAPPING_ERROR if it has none: it is
 * one-to-one, and nothing is linked.
 */
dma_addr_t dma_iova_addr(const struct dma_iova_state *state)
{
	if (iova_state_direct(state))
		return state->__direct->addr;
	return state->__size ? state->addr : DMA_MAPPING_ERROR;
}
EXPORT_SYMBOL_GPL(dma_iova_addr);

/**
 * dma_iova_query - How much is left of a device's DMA addresses
 * @dev: Device
 * @first: first address of the window of interest
 * @last: last address of it, included; 0 for all that the device can address
 * @room: the answer
 *
 * For diagnosis, and for those who have to tell their users why there is no room:
 * it takes a look at everything that is allocated in the window. By the time the
 * caller reads the answer, it is history.
 *
 * Context: Any context.
 * Return: 0; -EINVAL if there is no page of the IOMMU in the window that the
 * device can address; -EOPNOTSUPP if the device is not behind an IOMMU.
 */
int dma_iova_query(struct device *dev, dma_addr_t first, dma_addr_t last,
		struct dma_iova_room *room)
{
	struct dma_iova_request req = { .size = 1, .first = first, .last = last };
	struct dma_iova_request full;
	int ret;

	if (!use_dma_iommu(dev))
		return -EOPNOTSUPP;

	ret = iova_request_complete(dev, &req, &full);
	if (ret)
		return ret;

	return iommu_dma_iova_query(dev, full.first, full.last, room);
}
EXPORT_SYMBOL_GPL(dma_iova_query);

/**
 * dma_iova_free - Free an IOVA space
 * @dev: Device to free the IOVA space for
 * @state: IOVA state
 *
 * Undoes a successful dma_iova_try_alloc() or dma_iova_reserve().
 *
 * All dma_iova_link() calls need to be undone first. A caller that has linked one
 * range from the start can do both with dma_iova_destroy().
 *
 * While a backing is bound there, it is refused, with a warning, and nothing has
 * changed.
 *
 * Context: Any context.
 */
void dma_iova_free(struct device *dev, struct dma_iova_state *state)
{
	if (state->__size & DMA_IOVA_RESERVED &&
	    WARN_ON_ONCE(dma_iova_is_bound(dev, state)))
		return;

	debug_dma_iova_free(dev, state);
	trace_dma_iova_free(dev, state);
	if (iova_state_direct(state))
		direct_iova_free(state);
	else if (IS_ENABLED(CONFIG_IOMMU_DMA))
		iommu_dma_iova_free(dev, state);
}
EXPORT_SYMBOL_GPL(dma_iova_free);

static __always_inline int iova_link(struct device *dev,
		struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	if (WARN_ON_ONCE(!iova_state_covers(state, offset, size)))
		return -EINVAL;

	if (iova_state_direct(state))
		return direct_iova_link(dev, state, phys, offset, size, dir,
					attrs);
	if (!IS_ENABLED(CONFIG_IOMMU_DMA))
		return -EOPNOTSUPP;
	return iommu_dma_iova_link(dev, state, phys, offset, size, dir, attrs);
}

/* Apart, for the result is not waited for if nobody wants to know it. */
static noinline __cold int iova_link_traced(struct device *dev,
		struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	int ret = iova_link(dev, state, phys, offset, size, dir, attrs);

	trace_call__dma_iova_link(dev, state, phys, offset, size, dir, attrs,
				  ret);
	return ret;
}

/**
 * dma_iova_link - Link a range of IOVA space
 * @dev: DMA device
 * @state: IOVA state
 * @phys: physical address to link
 * @offset: offset into the IOVA state to map into, in bytes
 * @size: size of the buffer, in bytes
 * @dir: DMA direction
 * @attrs: attributes of mapping properties
 *
 * Link a range of IOVA space for the given IOVA state without IOTLB sync. The
 * caller has to call dma_iova_sync() after the last of them, and before the
 * device accesses it.
 *
 * A link starts at an IOMMU page, and so does the memory; only the first can
 * start in the middle of one, if the memory does. None may be linked there.
 *
 * Context: Any context.
 * Return: 0, or an error, and then nothing is linked:
 *
 * * -EINVAL: @size is 0; the range is not part of the reservation; @offset or
 *   @phys is not the start of an IOMMU page, or do not agree within the page; the
 *   reservation is one-to-one, and the memory not where it should be.
 * * -EIO: the reservation is one-to-one, and @dev cannot reach the memory.
 * * -EOPNOTSUPP: @attrs has DMA_ATTR_REQUIRE_COHERENT, and @dev is not coherent or
 *   @state is of dma_iova_try_alloc() and has had bounce buffers; the reservation
 *   is one-to-one, and the memory would have to bounce.
 * * -EPERM: it would have to bounce, and @attrs say that it must not.
 * * -ENOMEM: no memory for a page table or a bounce buffer.
 * * What else the IOMMU driver returns.
 */
int dma_iova_link(struct device *dev, struct dma_iova_state *state,
		phys_addr_t phys, size_t offset, size_t size,
		enum dma_data_direction dir, unsigned long attrs)
{
	int ret;

	if (trace_dma_iova_link_enabled())
		ret = iova_link_traced(dev, state, phys, offset, size, dir,
				       attrs);
	else
		ret = iova_link(dev, state, phys, offset, size, dir, attrs);
	debug_dma_iova_link(dev, state, phys, offset, size, dir, attrs, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(dma_iova_link);

static __always_inline int iova_sync(struct device *dev,
		struct dma_iova_state *state, size_t offset, size_t size)
{
	if (WARN_ON_ONCE(!iova_state_covers(state, offset, size)))
		return -EINVAL;

	if (iova_state_direct(state)) {
		if (!dev_is_dma_coherent(dev))
			arch_sync_dma_flush();
		return 0;
	}
	if (!IS_ENABLED(CONFIG_IOMMU_DMA))
		return -EOPNOTSUPP;
	return iommu_dma_iova_sync(dev, state, offset, size);
}

static noinline __cold int iova_sync_traced(struct device *dev,
		struct dma_iova_state *state, size_t offset, size_t size)
{
	int ret = iova_sync(dev, state, offset, size);

	trace_call__dma_iova_sync(dev, state, offset, size, ret);
	return ret;
}

/**
 * dma_iova_sync - Sync IOTLB
 * @dev: DMA device
 * @state: IOVA state
 * @offset: offset into the IOVA state to sync, in bytes
 * @size: size of the buffer, in bytes
 *
 * Sync IOTLB for the given IOVA state. This function should be called on
 * the IOVA-contiguous range created by one or more dma_iova_link() calls
 * to sync the IOTLB.
 *
 * Context: Any context.
 * Return: 0; -EINVAL if the range is not part of the reservation; or what the
 * IOMMU driver returns. On failure the links are still to be undone.
 */
int dma_iova_sync(struct device *dev, struct dma_iova_state *state,
		size_t offset, size_t size)
{
	int ret;

	if (trace_dma_iova_sync_enabled())
		ret = iova_sync_traced(dev, state, offset, size);
	else
		ret = iova_sync(dev, state, offset, size);
	debug_dma_iova_sync(dev, state, offset, size, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(dma_iova_sync);

/* As far as it does not depend on what is linked. */
static bool iova_can_unlink(struct device *dev,
			    const struct dma_iova_state *state, size_t offset,
			    size_t size)
{
	if (!iova_state_covers(state, offset, size))
		return false;
	if (iova_state_direct(state))
		return !offset_in_page(offset);
	return !IS_ENABLED(CONFIG_IOMMU_DMA) ||
	       iommu_dma_iova_starts_page(dev, state, offset);
}

/* False if it was refused, and nothing has changed. */
static bool iova_unlink(struct device *dev, struct dma_iova_state *state,
			size_t offset, size_t size,
			enum dma_data_direction dir, unsigned long attrs)
{
	/* Before it is on record as unlinked */
	if (WARN_ON_ONCE(!iova_can_unlink(dev, state, offset, size)))
		return false;

	debug_dma_iova_unlink(dev, state, offset, size, dir, attrs);
	trace_dma_iova_unlink(dev, state, offset, size, dir, attrs);
	if (iova_state_direct(state))
		return direct_iova_unlink(dev, state, offset, size, dir, attrs);
	if (IS_ENABLED(CONFIG_IOMMU_DMA))
		iommu_dma_iova_unlink(dev, state, offset, size, dir, attrs);
	return true;
}

/**
 * dma_iova_sync_for_cpu - Give a range to the CPU
 * @dev: DMA device
 * @state: IOVA state
 * @offset: offset into the IOVA state, in bytes
 * @size: size of the range, in bytes
 * @dir: DMA direction, as for dma_iova_link()
 *
 * What the device has written there can be read by the CPU after this, and the
 * memory written, until dma_iova_sync_for_device(). All of the range has to be
 * linked, and not with DMA_ATTR_MMIO: that has no cached data.
 *
 * This is dma_sync_single_for_cpu() for memory that stays linked, so that a
 * reservation can be used for many transfers. It works where bounce buffers are
 * used.
 *
 * Context: Any context.
 */
void dma_iova_sync_for_cpu(struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		enum dma_data_direction dir)
{
	if (WARN_ON_ONCE(!iova_state_covers(state, offset, size) ||
			 !valid_dma_direction(dir)))
		return;

	debug_dma_iova_sync_for_cpu(dev, state, offset, size, dir);
	trace_dma_iova_sync_for_cpu(dev, state, offset, size, dir, 0);
	if (iova_state_direct(state))
		direct_iova_sync(dev, state, offset, size, dir, true);
	else if (IS_ENABLED(CONFIG_IOMMU_DMA))
		iommu_dma_iova_sync_for_cpu(dev, state, offset, size, dir);
}
EXPORT_SYMBOL_GPL(dma_iova_sync_for_cpu);

/**
 * dma_iova_sync_for_device - Give a range back to the device
 * @dev: DMA device
 * @state: IOVA state
 * @offset: offset into the IOVA state, in bytes
 * @size: size of the range, in bytes
 * @dir: DMA direction, as for dma_iova_link()
 *
 * The reverse of dma_iova_sync_for_cpu(). What the CPU has written there is what
 * the device reads after this. It is not needed after dma_iova_link().
 *
 * Context: Any context.
 */
void dma_iova_sync_for_device(struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		enum dma_data_direction dir)
{
	if (WARN_ON_ONCE(!iova_state_covers(state, offset, size) ||
			 !valid_dma_direction(dir)))
		return;

	debug_dma_iova_sync_for_device(dev, state, offset, size, dir);
	trace_dma_iova_sync_for_device(dev, state, offset, size, dir, 0);
	if (iova_state_direct(state))
		direct_iova_sync(dev, state, offset, size, dir, false);
	else if (IS_ENABLED(CONFIG_IOMMU_DMA))
		iommu_dma_iova_sync_for_device(dev, state, offset, size, dir);
}
EXPORT_SYMBOL_GPL(dma_iova_sync_for_device);

/**
 * dma_iova_unlink - Unlink a range of IOVA space
 * @dev: DMA device
 * @state: IOVA state
 * @offset: offset into the IOVA state to unlink, in bytes
 * @size: size of the buffer, in bytes
 * @dir: DMA direction
 * @attrs: attributes of mapping properties
 *
 * Unlink a range of IOVA space for the given IOVA state. The range is what one
 * or more calls of dma_iova_link() have linked, as a whole and without a gap, with
 * the same @dir and @attrs.
 *
 * Context: Any context.
 */
void dma_iova_unlink(struct device *dev, struct dma_iova_state *state,
		size_t offset, size_t size, enum dma_data_direction dir,
		unsigned long attrs)
{
	iova_unlink(dev, state, offset, size, dir, attrs);
}
EXPORT_SYMBOL_GPL(dma_iova_unlink);

/**
 * dma_iova_destroy - Finish a DMA mapping transaction
 * @dev: DMA device
 * @state: IOVA state
 * @mapped_len: number of bytes to unmap
 * @dir: DMA direction
 * @attrs: attributes of mapping properties
 *
 * Unlink the IOVA range up to @mapped_len and free the entire IOVA space. The
 * range of IOVA from dma_addr to @mapped_len must all be linked, and be the
 * only linked IOVA in state.
 *
 * If @mapped_len is more than there is in @state, or than is linked if that is
 * one-to-one, this draws a warning, once, and nothing is unlinked nor freed: the
 * device could still use the addresses.
 *
 * Context: Any context.
 */
void dma_iova_destroy(struct device *dev, struct dma_iova_state *state,
		size_t mapped_len, enum dma_data_direction dir,
		unsigned long attrs)
{
	/* Nothing is mapped if the first call to dma_iova_link() failed */
	if (mapped_len && !iova_unlink(dev, state, 0, mapped_len, dir, attrs))
		return;	/* Still linked: others must not get these addresses */

	dma_iova_free(dev, state);
}
EXPORT_SYMBOL_GPL(dma_iova_destroy);
