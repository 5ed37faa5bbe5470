// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debugging of reservations, and of what is linked there
 *
 * There is a record for each reservation, be it from dma_iova_reserve() or from
 * dma_iova_try_alloc(), and one for each link. Records of reservations are in a
 * hash; those of links are in a tree in the record of their reservation, by device
 * address, and do not overlap. Both are from the pool of debug.c.
 *
 * A reservation is known by its device and its address, not by where the caller
 * keeps struct dma_iova_state: callers make copies of it. A one-to-one reservation
 * has no address before something is linked, and not one that is its own after
 * that; it is known by the memory that the state points to.
 *
 * What a call does is looked at when it has succeeded, if it adds something, and
 * before it does anything, if it takes something away. So nobody else can have the
 * addresses while there is a record of them.
 *
 * A link that was not synced is reported when its data is handed to the CPU or to
 * the device, which the device cannot have used, or cannot use. That it is unlinked
 * says nothing: a driver that gives up has no need to sync.
 *
 * Context: any. What goes wrong is reported without a lock: a console may map
 * memory.
 *
 * Locking: the lock of a bucket protects the records of its reservations and of
 * their links. It is innermost.
 */
#define pr_fmt(fmt)	"DMA-API: " fmt

#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "debug.h"
#include "debug_entry.h"
#include "reserve.h"

#define IOVA_HASH_BITS	10

/**
 * struct iova_bucket - some of the reservations
 * @lock: protects @list, what is on it, and the links of that
 * @list: struct dma_debug_entry
 */
struct iova_bucket {
	spinlock_t lock;
	struct list_head list;
};

static struct iova_bucket iova_hash[1 << IOVA_HASH_BITS];

/* The gravest of what is wrong with a call is reported: the last of these. */
enum iova_error {
	IOVA_GOOD,
	IOVA_NOT_SYNCED,
	IOVA_MMIO,
	IOVA_ATTRS,
	IOVA_DIRECTION,
	IOVA_GAP,
	IOVA_PART,
	IOVA_NOT_LINKED,
	IOVA_TWICE,
	IOVA_LINKS_LEFT,
	IOVA_NOT_RESERVED,
};

static const char *const iova_error_text[] = {
	[IOVA_NOT_SYNCED]	= "memory without a dma_iova_sync() since it was linked",
	[IOVA_MMIO]		= "what is linked with DMA_ATTR_MMIO",
	[IOVA_ATTRS]		= "memory that is linked with other attributes",
	[IOVA_DIRECTION]	= "memory that is linked with another direction",
	[IOVA_GAP]		= "a range that is not all linked",
	[IOVA_PART]		= "a part of what one call has linked",
	[IOVA_NOT_LINKED]	= "a range with nothing linked",
	[IOVA_TWICE]		= "a range with memory linked already",
	[IOVA_LINKS_LEFT]	= "a reservation with memory linked",
	[IOVA_NOT_RESERVED]	= "addresses that it has not reserved",
};

/**
 * struct iova_call - what a driver asks for, and what is wrong with it
 * @name: the function it calls
 * @dev: its device
 * @state: the reservation
 * @first: first device address of the range
 * @last: last device address of the range, included
 * @dir: direction, DMA_NONE if the call has none
 * @attrs: attributes, 0 if the call has none
 * @error: the worst that was found
 * @link: copy of the link it was found at
 * @gone: links that are on record no more, to be freed
 */
struct iova_call {
	const char *name;
	struct device *dev;
	const struct dma_iova_state *state;
	u64 first;
	u64 last;
	int dir;
	unsigned long attrs;
	enum iova_error error;
	struct dma_debug_entry link;
	struct rb_root gone;
};

static u64 iova_key(const struct dma_iova_state *state)
{
	return iova_state_direct(state) ? (unsigned long)state->__direct :
					  state->addr;
}

static struct iova_bucket *iova_bucket(const struct dma_iova_state *state)
{
	return &iova_hash[hash_64(iova_key(state) >> 6, IOVA_HASH_BITS)];
}

static struct dma_debug_entry *iova_find(struct iova_bucket *bucket,
		struct device *dev, const struct dma_iova_state *state)
{
	struct dma_debug_entry *resv;
	u64 key = iova_key(state);

	lockdep_assert_held(&bucket->lock);

	list_for_each_entry(resv, &bucket->list, list)
		if (resv->dev == dev && resv->dev_addr == key)
			return resv;
	return NULL;
}

static u64 link_last(const struct dma_debug_entry *link)
{
	return link->dev_addr + link->size - 1;
}

static struct dma_debug_entry *link_of(struct rb_node *node)
{
	return rb_entry_safe(node, struct dma_debug_entry, node);
}

static struct dma_debug_entry *link_next(struct dma_debug_entry *link)
{
	return link_of(rb_next(&link->node));
}

static bool link_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct dma_debug_entry, node)->dev_addr <
	       rb_entry(b, struct dma_debug_entry, node)->dev_addr;
}

/* The first link that does not end before @addr. */
static struct dma_debug_entry *link_from(struct dma_debug_entry *resv, u64 addr)
{
	struct rb_node *node = resv->links.rb_node;
	struct dma_debug_entry *found = NULL;

	while (node) {
		struct dma_debug_entry *link = link_of(node);

		if (link_last(link) >= addr) {
			found = link;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/* @link, if it begins in the call's range or before; NULL if it does not. */
static struct dma_debug_entry *link_in_range(const struct iova_call *call,
					     struct dma_debug_entry *link)
{
	return link && link->dev_addr <= call->last ? link : NULL;
}

static void iova_found(struct iova_call *call, enum iova_error error,
		       const struct dma_debug_entry *link)
{
	if (error <= call->error)
		return;
	call->error = error;
	if (link)
		call->link = *link;
}

/*
 * Set the range of @call, which has gone wrong if there is no reservation. False
 * if there is nothing to compare the range with: it is not a part of the
 * reservation, which is checked, and warned about, without debugging as well.
 */
static bool iova_call_init(struct iova_call *call, struct dma_debug_entry *resv,
			   size_t offset, size_t size)
{
	u64 base = call->state->addr;

	if (iova_state_direct(call->state)) {
		/*
		 * Without a reservation, the state points to what was freed.
		 * Without links, there is no address, and nothing to be found.
		 */
		base = resv ? dma_iova_addr(call->state) : DMA_MAPPING_ERROR;
		if (base == DMA_MAPPING_ERROR)
			base = 0;
	}
	call->first = base + offset;
	call->last = call->first + size - 1;
	if (!resv)
		iova_found(call, IOVA_NOT_RESERVED, NULL);
	return resv && iova_state_covers(call->state, offset, size);
}

static void iova_report(struct iova_call *call)
{
	const struct dma_debug_entry *link = &call->link;
	const char *what = iova_error_text[call->error];

	if (call->error == IOVA_GOOD)
		return;

	if (!link->size) {
		err_printk(call->dev, NULL,
			   "device driver calls %s() for %s [device address=0x%016llx] [size=%llu bytes]\n",
			   call->name, what, call->first,
			   call->last - call->first + 1);
		return;
	}
	err_printk(call->dev, &call->link,
		   "device driver calls %s() for %s [device address=0x%016llx] [size=%llu bytes] [with %s, attrs=0x%lx] [linked address=0x%016llx] [linked size=%llu bytes] [linked with %s, attrs=0x%lx]\n",
		   call->name, what, call->first, call->last - call->first + 1,
		   dma_debug_dir_name(call->dir), call->attrs,
		   link->dev_addr, link->size,
		   dma_debug_dir_name(link->direction), link->attrs);
}

static void free_links(struct rb_root *links)
{
	struct dma_debug_entry *link, *next;

	rbtree_postorder_for_each_entry_safe(link, next, links, node)
		dma_entry_free(link);
}

static void free_reservation(struct dma_debug_entry *resv)
{
	if (!resv)
		return;
	free_links(&resv->links);
	dma_entry_free(resv);
}

/* A reservation that was made. */
void debug_dma_iova_reserve(struct device *dev, const struct dma_iova_state *state)
{
	struct iova_bucket *bucket = iova_bucket(state);
	struct dma_debug_entry *resv, *stale;

	if (unlikely(dma_debug_disabled()))
		return;

	resv = dma_entry_alloc();
	if (!resv)
		return;

	resv->type = iova_state_direct(state) ? dma_debug_iova_direct :
						dma_debug_iova;
	resv->dev = dev;
	resv->dev_addr = iova_key(state);
	resv->size = dma_iova_size(state);
	resv->direction = DMA_NONE;
	resv->links = RB_ROOT;

	scoped_guard(spinlock_irqsave, &bucket->lock) {
		/* Left in a space that the device is no longer in: reported then */
		stale = iova_find(bucket, dev, state);
		if (stale)
			list_del(&stale->list);
		list_add(&resv->list, &bucket->list);
	}
	free_reservation(stale);
}

/* A reservation that is to be given back. */
void debug_dma_iova_free(struct device *dev, const struct dma_iova_state *state)
{
	struct iova_call call = {
		.name = "dma_iova_free", .dev = dev, .state = state,
		.dir = DMA_NONE,
	};
	struct iova_bucket *bucket = iova_bucket(state);
	struct dma_debug_entry *resv;

	if (unlikely(dma_debug_disabled()))
		return;

	scoped_guard(spinlock_irqsave, &bucket->lock) {
		resv = iova_find(bucket, dev, state);
		if (resv)
			list_del(&resv->list);
	}

	iova_call_init(&call, resv, 0, dma_iova_size(state));
	if (resv && !RB_EMPTY_ROOT(&resv->links))
		iova_found(&call, IOVA_LINKS_LEFT,
			   link_of(rb_first(&resv->links)));
	free_reservation(resv);
	iova_report(&call);
}

/* True if @link is the record of it now. */
static bool check_link(struct iova_call *call, struct dma_debug_entry *resv,
		       struct dma_debug_entry *link)
{
	struct dma_debug_entry *old;

	old = link_in_range(call, link_from(resv, call->first));
	if (old) {
		iova_found(call, IOVA_TWICE, old);
		return false;
	}
	if (!link)
		return false;
	link->dev_addr = call->first;
	rb_add(&link->node, &resv->links, link_less);
	return true;
}

static void check_failed_link(struct iova_call *call, struct dma_debug_entry *resv,
			      size_t offset, size_t size)
{
	/* It may never have been one */
	if (!resv)
		return;
	/* Where a one-to-one link would have been is anyone's guess */
	if (!iova_state_direct(call->state) &&
	    iova_call_init(call, resv, offset, size))
		check_link(call, resv, NULL);
}

static struct dma_debug_entry *alloc_link(phys_addr_t phys, size_t size, int dir,
					  unsigned long attrs)
{
	struct dma_debug_entry *link = dma_entry_alloc();

	if (!link)
		return NULL;
	link->type = dma_debug_iova_link;
	link->size = size;
	link->paddr = phys;
	link->direction = dir;
	link->attrs = attrs;
	return link;
}

/* Memory that was linked, or was to be. */
void debug_dma_iova_link(struct device *dev, const struct dma_iova_state *state,
			 phys_addr_t phys, size_t offset, size_t size, int dir,
			 unsigned long attrs, int error)
{
	struct iova_call call = {
		.name = "dma_iova_link", .dev = dev, .state = state,
		.dir = dir, .attrs = attrs,
	};
	struct iova_bucket *bucket = iova_bucket(state);
	struct dma_debug_entry *resv, *link = NULL;
	bool kept = false;

	if (unlikely(dma_debug_disabled()))
		return;

	if (!error) {
		link = alloc_link(phys, size, dir, attrs);
		if (!link)
			return;
	}

	scoped_guard(spinlock_irqsave, &bucket->lock) {
		resv = iova_find(bucket, dev, state);
		if (error)
			check_failed_link(&call, resv, offset, size);
		else if (iova_call_init(&call, resv, offset, size))
			kept = check_link(&call, resv, link);
	}
	if (link && !kept)
		dma_entry_free(link);
	iova_report(&call);
}

/* Whether the range is linked without a gap and, with @whole, cuts no link. */
static void check_range(struct iova_call *call, struct dma_debug_entry *resv,
			bool whole)
{
	struct dma_debug_entry *link = link_from(resv, call->first);
	u64 next = call->first;
	bool gap = false;

	link = link_in_range(call, link);
	if (!link) {
		iova_found(call, IOVA_NOT_LINKED, NULL);
		return;
	}
	for (; link; link = link_in_range(call, link_next(link))) {
		if (link->dev_addr > next)
			gap = true;
		if (whole && (link->dev_addr < call->first ||
			      link_last(link) > call->last))
			iova_found(call, IOVA_PART, link);
		next = link_last(link) + 1;
	}
	/* Compared like this, for the end of the address space */
	if (gap || next - 1 < call->last)
		iova_found(call, IOVA_GAP, NULL);
}

static void check_unlink(struct iova_call *call, struct dma_debug_entry *resv)
{
	struct dma_debug_entry *link = link_from(resv, call->first), *next;

	check_range(call, resv, true);
	for (link = link_in_range(call, link); link; link = next) {
		next = link_in_range(call, link_next(link));

		if (link->direction != call->dir)
			iova_found(call, IOVA_DIRECTION, link);
		if ((link->attrs ^ call->attrs) & DMA_ATTR_UNMAP_VALID)
			iova_found(call, IOVA_ATTRS, link);

		rb_erase(&link->node, &resv->links);
		rb_add(&link->node, &call->gone, link_less);
	}
}

/* Let @check have a look at a call for a part of a reservation that there is. */
static void check_call(struct iova_call *call, size_t offset, size_t size,
		       void (*check)(struct iova_call *call,
				     struct dma_debug_entry *resv))
{
	struct iova_bucket *bucket = iova_bucket(call->state);
	struct dma_debug_entry *resv;

	if (unlikely(dma_debug_disabled()))
		return;

	scoped_guard(spinlock_irqsave, &bucket->lock) {
		resv = iova_find(bucket, call->dev, call->state);
		if (iova_call_init(call, resv, offset, size))
			check(call, resv);
	}
	free_links(&call->gone);
	iova_report(call);
}

/* Memory that is to be unlinked. */
void debug_dma_iova_unlink(struct device *dev, const struct dma_iova_state *state,
			   size_t offset, size_t size, int dir,
			   unsigned long attrs)
{
	struct iova_call call = {
		.name = "dma_iova_unlink", .dev = dev, .state = state,
		.dir = dir, .attrs = attrs,
	};

	check_call(&call, offset, size, check_unlink);
}

static void check_sync(struct iova_call *call, struct dma_debug_entry *resv)
{
	struct dma_debug_entry *link = link_from(resv, call->first);

	check_range(call, resv, true);
	for (link = link_in_range(call, link); link;
	     link = link_in_range(call, link_next(link)))
		link->synced = true;
}

/* Links that the IOMMU was told about, or was to be. */
void debug_dma_iova_sync(struct device *dev, const struct dma_iova_state *state,
			 size_t offset, size_t size, int error)
{
	struct iova_call call = {
		.name = "dma_iova_sync", .dev = dev, .state = state,
		.dir = DMA_NONE,
	};

	if (!error)
		check_call(&call, offset, size, check_sync);
}

static void check_sync_data(struct iova_call *call, struct dma_debug_entry *resv)
{
	struct dma_debug_entry *link = link_from(resv, call->first);

	check_range(call, resv, false);
	for (link = link_in_range(call, link); link;
	     link = link_in_range(call, link_next(link))) {
		if (link->attrs & DMA_ATTR_MMIO)
			iova_found(call, IOVA_MMIO, link);
		if (link->direction != DMA_BIDIRECTIONAL &&
		    link->direction != call->dir)
			iova_found(call, IOVA_DIRECTION, link);
		if (!link->synced)
			iova_found(call, IOVA_NOT_SYNCED, link);
	}
}

static void debug_sync_data(const char *name, struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		int dir)
{
	struct iova_call call = {
		.name = name, .dev = dev, .state = state, .dir = dir,
	};

	check_call(&call, offset, size, check_sync_data);
}

/* A range that is to be given to the CPU. */
void debug_dma_iova_sync_for_cpu(struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		int dir)
{
	debug_sync_data("dma_iova_sync_for_cpu", dev, state, offset, size, dir);
}

/* A range that is to be given back to the device. */
void debug_dma_iova_sync_for_device(struct device *dev,
		const struct dma_iova_state *state, size_t offset, size_t size,
		int dir)
{
	debug_sync_data("dma_iova_sync_for_device", dev, state, offset, size,
			dir);
}

static void for_each_record(struct dma_debug_entry *resv, int idx,
			    dma_debug_iova_fn fn, void *data)
{
	struct dma_debug_entry shown = *resv;
	struct rb_node *node;

	/* That is no address, and not for everyone to see */
	if (resv->type == dma_debug_iova_direct)
		shown.dev_addr = DMA_MAPPING_ERROR;
	fn(resv->dev, &shown, idx, data);
	for (node = rb_first(&resv->links); node; node = rb_next(node))
		fn(resv->dev, link_of(node), idx, data);
}

/*
 * Call @fn for the records of all reservations of @dev, or of all devices if that is
 * NULL, and of their links.
 */
void dma_debug_for_each_iova(struct device *dev, dma_debug_iova_fn fn, void *data)
{
	struct dma_debug_entry *resv;
	int i;

	for (i = 0; i < ARRAY_SIZE(iova_hash); i++) {
		guard(spinlock_irqsave)(&iova_hash[i].lock);

		list_for_each_entry(resv, &iova_hash[i].list, list)
			if (!dev || dev == resv->dev)
				for_each_record(resv, i, fn, data);
	}
}

void dma_debug_iova_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(iova_hash); i++) {
		INIT_LIST_HEAD(&iova_hash[i].list);
		spin_lock_init(&iova_hash[i].lock);
	}
}
