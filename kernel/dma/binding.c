// SPDX-License-Identifier: GPL-2.0
/*
 * Binding a backing to a reservation
 *
 * dma_iova_bind() connects a part of a backing with a part of a reservation, for
 * the device: no CPU mapping is made, changed or flushed by it. The caller provides
 * the record, struct dma_binding, so there is nothing to allocate, and nothing to
 * find for dma_iova_unbind().
 *
 * Everything is checked, with or without debugging. The bindings of a space are
 * in a tree, by address, so that one cannot be made on top of another. Unlike what
 * dma_iova_link() makes, a binding is unbound as a whole. A driver can have both
 * in one reservation, at different places.
 *
 * Lifetime: a binding has a reference on its backing. The reservation has to stay
 * until nothing is bound in it.
 *
 * Locking: backing->lock protects who maps it. The lock of the tree nests in it.
 * Page tables are changed without either. A binding is on record, as not live, as
 * long as not all of its entries are there.
 *
 * Context: any.
 */
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/rbtree.h>
#include <trace/events/dma.h>

#include "backing.h"
#include "debug.h"
#include "reserve.h"

static_assert(sizeof(struct dma_binding) <= 128);

/* What a caller may say about a binding. */
#define DMA_BINDING_ATTRS	(DMA_BACKING_POLICIES | DMA_ATTR_MMIO | \
				 DMA_ATTR_PRIVILEGED | \
				 DMA_ATTR_REQUIRE_COHERENT | \
				 DMA_ATTR_WEAK_ORDERING)

/* What translates for a device, NULL if nothing does. */
#ifdef CONFIG_IOMMU_DMA
struct iommu_domain *dma_binding_domain(struct device *dev)
{
	return use_dma_iommu(dev) ? iommu_get_dma_domain(dev) : NULL;
}
#else
struct iommu_domain *dma_binding_domain(struct device *dev)
{
	return NULL;
}
#endif

static dma_addr_t binding_last(const struct dma_binding *binding)
{
	return binding->addr + binding->mapper.len - 1;
}

/* Where a range is to be linked in; NULL if something is bound in it. */
static struct rb_node **tree_find(struct dma_binding_tree *tree,
				  dma_addr_t first, dma_addr_t last,
				  struct rb_node **parent)
{
	struct rb_node **link = &tree->root.rb_node;

	lockdep_assert_held(&tree->lock);

	*parent = NULL;
	while (*link) {
		const struct dma_binding *other;

		*parent = *link;
		other = rb_entry(*parent, struct dma_binding, node);
		if (last < other->addr)
			link = &(*parent)->rb_left;
		else if (first > binding_last(other))
			link = &(*parent)->rb_right;
		else
			return NULL;
	}
	return link;
}

static int tree_add(struct dma_binding *binding)
{
	struct dma_binding_tree *tree;
	struct rb_node **link, *parent;

	tree = iommu_dma_binding_tree(binding->domain);
	guard(spinlock_irqsave)(&tree->lock);
	link = tree_find(tree, binding->addr, binding_last(binding), &parent);
	if (!link)
		return -EBUSY;
	rb_link_node(&binding->node, parent, link);
	rb_insert_color(&binding->node, &tree->root);
	return 0;
}

/* What is one-to-one is not in a tree, see direct_is_free(). */
static void tree_del(struct dma_binding *binding)
{
	struct dma_binding_tree *tree;

	if (!binding->domain)
		return;
	tree = iommu_dma_binding_tree(binding->domain);
	guard(spinlock_irqsave)(&tree->lock);
	rb_erase(&binding->node, &tree->root);
}

/* Whether something is bound in a reservation, which cannot be freed then. */
bool dma_iova_is_bound(struct device *dev, const struct dma_iova_state *state)
{
	struct iommu_domain *domain = dma_binding_domain(dev);
	struct dma_binding_tree *tree;
	struct rb_node *parent;
	dma_addr_t last;

	if (iova_state_direct(state))
		return direct_iova_is_bound(state);
	/* The device has left the space, which is for others to complain of */
	if (!domain)
		return false;

	last = state->addr + dma_iova_size(state) - 1;
	tree = iommu_dma_binding_tree(domain);
	guard(spinlock_irqsave)(&tree->lock);
	return !tree_find(tree, state->addr, last, &parent);
}

/*
 * One-to-one addresses are everybody's: what counts is the reservation. In one, the
 * same addresses are the same memory.
 */
static int direct_is_free(struct dma_backing *backing,
			  const struct dma_binding *binding)
{
	struct dma_mapper *mapper;

	lockdep_assert_held(&backing->lock);

	if (!binding->state)
		return 0;
	list_for_each_entry(mapper, &backing->devices, list) {
		const struct dma_binding *other = dma_mapper_binding(mapper);

		if (mapper->kind == DMA_MAPPER_DIRECT &&
		    other->state == binding->state &&
		    other->mapper.offset < binding->mapper.offset +
					   binding->mapper.len &&
		    binding->mapper.offset < other->mapper.offset +
					     other->mapper.len)
			return -EBUSY;
	}
	return 0;
}

/*
 * Make the entries of page tables, without a word to the IOMMU. On failure there is
 * none left.
 */
static int binding_map_chunks(struct dma_binding *binding)
{
	const struct dma_mapper *mapper = &binding->mapper;
	const struct dma_chunk *chunk;
	size_t len, done = 0;
	phys_addr_t phys;
	int ret = 0;

	chunk = dma_backing_chunk(mapper->backing, mapper->offset);
	for (; done < mapper->len; chunk++) {
		len = dma_chunk_piece(chunk, mapper->offset + done,
				      mapper->len - done, &phys);
		ret = iommu_dma_bind_chunk(binding->domain,
				binding->addr + done, phys, len, mapper->dir,
				mapper->coherent, binding->attrs);
		if (ret)
			break;
		done += len;
	}

	if (ret && done)
		iommu_dma_unbind_range(binding->domain, binding->addr, done);
	return ret;
}

/* The same, and the IOMMU knows of them. */
int dma_binding_map(struct dma_binding *binding)
{
	size_t len = binding->mapper.len;
	int ret;

	ret = binding_map_chunks(binding);
	if (ret)
		return ret;
	ret = iommu_dma_bind_sync(binding->domain, binding->addr, len);
	if (ret)
		iommu_dma_unbind_range(binding->domain, binding->addr, len);
	return ret;
}

static int binding_check(const struct dma_iova_state *state, size_t offset,
			 const struct dma_backing *backing,
			 const struct dma_binding *binding)
{
	const struct dma_mapper *mapper = &binding->mapper;
	bool mmio = backing->origin == DMA_BACKING_MMIO;
	bool direct = iova_state_direct(state);
	size_t granule;

	if (WARN_ON_ONCE(!valid_dma_direction(mapper->dir) ||
			 !(state->__size & DMA_IOVA_RESERVED) ||
			 !iova_state_covers(state, offset, mapper->len) ||
			 !dma_backing_covers(backing, mapper->offset,
					     mapper->len)))
		return -EINVAL;
	if ((!direct && !binding->domain) || backing->ops)
		return -EOPNOTSUPP;

	/* No IOMMU that dma-iommu takes has pages larger than the CPU's */
	granule = direct ? PAGE_SIZE : iommu_dma_granule(binding->domain);
	if (WARN_ON_ONCE(!IS_ALIGNED(offset | mapper->offset | mapper->len,
				     granule)))
		return -EINVAL;
	if (direct && !dma_backing_is_contiguous(backing, mapper->offset,
						 mapper->len))
		return -EINVAL;

	if (binding->attrs & ~DMA_BINDING_ATTRS)
		return -EINVAL;
	if (mmio != !!(binding->attrs & DMA_ATTR_MMIO))
		return -EINVAL;
	return dma_backing_check_policy(backing, binding->attrs);
}

/* What the device's mapping is going to be, and whether it can be that. */
static int binding_set_coherent(struct dma_backing *backing,
				struct dma_binding *binding,
				unsigned int spaces)
{
	struct dma_mapper *mapper = &binding->mapper;
	bool cached = backing->policy == DMA_CACHE_CACHED;

	if (mapper->kind == DMA_MAPPER_DIRECT) {
		/* It looks into the caches whatever it is told */
		mapper->coherent = dev_is_dma_coherent(binding->dev);
		if (mapper->coherent && !cached &&
		    backing->origin != DMA_BACKING_MMIO)
			return -EINVAL;
	} else {
		mapper->coherent = cached &&
				   dma_backing_share(binding->dev, spaces);
	}
	if (binding->attrs & DMA_ATTR_REQUIRE_COHERENT && !mapper->coherent)
		return -EINVAL;
	return 0;
}

/* Put it on record. It is not live yet. -EAGAIN while somebody hands it over. */
static int binding_add(struct dma_backing *backing, struct dma_binding *binding)
{
	struct dma_mapper *mapper = &binding->mapper;
	unsigned int spaces;
	int ret;

	lockdep_assert_held(&backing->lock);

	if (backing->crossing)
		return -EAGAIN;
	spaces = dma_backing_spaces_with(backing, binding);
	ret = binding_set_coherent(backing, binding, spaces);
	if (ret)
		return ret;

	ret = binding->domain ? tree_add(binding) :
				direct_is_free(backing, binding);
	if (ret)
		return ret;
	ret = dma_backing_share_with(backing, spaces);
	if (ret) {
		tree_del(binding);
		return ret;
	}

	dma_backing_add_mapper(backing, mapper);
	return 0;
}

/* The reference of the binding is the caller's then. */
static void binding_del(struct dma_backing *backing,
			struct dma_binding *binding)
{
	lockdep_assert_held(&backing->lock);

	tree_del(binding);
	dma_backing_del_mapper(backing, &binding->mapper);
}

static int binding_map_direct(struct dma_binding *binding, size_t offset)
{
	const struct dma_mapper *mapper = &binding->mapper;
	phys_addr_t phys = dma_backing_phys(mapper->backing, mapper->offset);

	return direct_iova_bind(binding->dev, binding->state, phys, offset,
				mapper->len, mapper->dir, binding->attrs);
}

static void binding_unmap(struct dma_binding *binding, size_t offset)
{
	const struct dma_mapper *mapper = &binding->mapper;

	if (binding->domain)
		iommu_dma_unbind_range(binding->domain, binding->addr,
				       mapper->len);
	else
		direct_iova_unbind(binding->dev, binding->state, offset,
				   mapper->len, mapper->dir, binding->attrs);
}

/*
 * The steps of a bind, which a batch takes with all of its entries before it takes
 * the next. What went before is undone by dma_binding_drop(). The first two return
 * -EAGAIN while somebody hands the backing over, which is soon done.
 */
int dma_binding_add(struct dma_backing *backing, struct dma_binding *binding,
		    bool pending)
{
	guard(spinlock_irqsave)(&backing->lock);
	binding->mapper.pending = pending;
	return binding_add(backing, binding);
}

/* The device can be there as soon as it is mapped. From here on its side is fixed. */
int dma_binding_take_turn(struct dma_binding *binding)
{
	struct dma_mapper *mapper = &binding->mapper;
	struct dma_backing *backing = mapper->backing;
	bool crossing;

	scoped_guard(spinlock_irqsave, &backing->lock) {
		if (backing->crossing)
			return -EAGAIN;
		mapper->pending = false;
		crossing = dma_backing_take_turn(backing, mapper);
	}
	if (crossing)
		dma_backing_finish_crossing(backing, !mapper->coherent);
	return 0;
}

/* The range is to be synchronised afterwards. */
int dma_binding_map_nosync(struct dma_binding *binding, size_t offset)
{
	return binding->domain ? binding_map_chunks(binding) :
				 binding_map_direct(binding, offset);
}

void dma_binding_start(struct dma_binding *binding, size_t offset)
{
	guard(spinlock_irqsave)(&binding->mapper.backing->lock);
	if (!binding->domain)
		binding->addr = dma_iova_addr(binding->state) + offset;
	binding->mapper.live = true;
}

/* It has not been started. @mapped tells whether its entries are there. */
void dma_binding_drop(struct dma_binding *binding, size_t offset, bool mapped)
{
	struct dma_backing *backing = binding->mapper.backing;

	if (mapped)
		binding_unmap(binding, offset);
	scoped_guard(spinlock_irqsave, &backing->lock) {
		binding_del(backing, binding);
		dma_backing_return_turn(backing, &binding->mapper);
	}
	dma_backing_put_atomic(backing);
}

void dma_binding_debug(const struct dma_binding *binding, size_t offset)
{
	const struct dma_mapper *mapper = &binding->mapper;

	debug_dma_iova_link(binding->dev, binding->state,
			    dma_backing_phys(mapper->backing, mapper->offset),
			    offset, mapper->len, mapper->dir, binding->attrs, 0);
	debug_dma_iova_sync(binding->dev, binding->state, offset, mapper->len, 0);
}

/* To callers who cannot wait it is like any other use that is in their way. */
static int busy_if_again(int ret)
{
	return ret == -EAGAIN ? -EBUSY : ret;
}

static int binding_make(struct dma_backing *backing,
			struct dma_binding *binding, size_t offset)
{
	int ret;

	ret = dma_binding_add(backing, binding, false);
	if (ret)
		return busy_if_again(ret);

	ret = dma_binding_take_turn(binding);
	if (!ret)
		ret = binding->domain ? dma_binding_map(binding) :
					binding_map_direct(binding, offset);
	if (ret)
		dma_binding_drop(binding, offset, false);
	else
		dma_binding_start(binding, offset);
	return busy_if_again(ret);
}

/*
 * Put on record what has no reservation, and no translation either: it is live at
 * once. See backing_sgt.c.
 */
int dma_binding_record(struct dma_backing *backing, struct dma_binding *binding)
{
	bool crossing;
	int ret;

	scoped_guard(spinlock_irqsave, &backing->lock) {
		ret = binding_add(backing, binding);
		if (ret)
			return busy_if_again(ret);
		crossing = dma_backing_take_turn(backing, &binding->mapper);
		binding->mapper.live = true;
	}
	if (crossing)
		dma_backing_finish_crossing(backing,
					    !binding->mapper.coherent);
	return 0;
}

/* Fill in a binding, if it can be made at all. */
int dma_binding_init(struct dma_binding *binding, struct device *dev,
		struct dma_iova_state *state, size_t offset,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs)
{
	bool direct = iova_state_direct(state);
	struct dma_binding new = {
		.mapper = {
			.offset	= boff,
			.len	= len,
			.kind	= direct ? DMA_MAPPER_DIRECT : DMA_MAPPER_SPACE,
			.dir	= dir,
		},
		.domain	= direct ? NULL : dma_binding_domain(dev),
		.dev	= dev,
		.state	= state,
		.addr	= direct ? DMA_MAPPING_ERROR :
			  dma_iova_addr(state) + offset,
		.attrs	= attrs,
	};
	int ret;

	if (WARN_ON_ONCE(binding->mapper.backing))
		return -EBUSY;
	ret = binding_check(state, offset, backing, &new);
	if (ret)
		return ret;

	*binding = new;
	return 0;
}

static int iova_bind(struct device *dev, struct dma_iova_state *state,
		struct dma_binding *binding, size_t offset,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs)
{
	int ret;

	ret = dma_binding_init(binding, dev, state, offset, backing, boff, len,
			       dir, attrs);
	if (!ret)
		ret = binding_make(backing, binding, offset);
	if (!ret)
		dma_binding_debug(binding, offset);
	return ret;
}

/**
 * dma_iova_bind - Bind a part of a backing to a part of a reservation
 * @dev: the device the addresses are reserved for
 * @state: the reservation, from dma_iova_reserve(); NULL if @backing is somebody
 *	else's, see dma_backing_import()
 * @binding: the caller's, and not bound; zeroed when it is used first
 * @offset: start of the part in the reservation, in bytes
 * @backing: the backing
 * @boff: start of the part in the backing, in bytes
 * @len: size of it, in bytes
 * @dir: DMA direction
 * @attrs: DMA_ATTR_MMIO if the backing is no memory; DMA_ATTR_PRIVILEGED;
 *	DMA_ATTR_REQUIRE_COHERENT; the policy that the caller counts on
 *
 * When it returns the device can use it: translations are in place, and the
 * backing is the device's, unless a CPU access is open. Offsets and size are whole
 * IOMMU pages. If the reservation is one-to-one, the memory has to be contiguous,
 * and where the reservation wants it.
 *
 * It takes a reference on @backing. Nothing is allocated but page tables.
 *
 * Context: Any context. May sleep if @backing is somebody else's.
 * Return: 0, or an error, and then nothing has changed, but that the caches may
 * have been cleaned or invalidated, and that other devices may take part in the
 * coherency protocol that did not before:
 *
 * * -EINVAL: the reservation is not from dma_iova_reserve(), or there is none and
 *   @backing is not somebody else's; the range is not a part of it, or of the
 *   backing; what should be whole IOMMU pages is not; @attrs contradict the
 *   backing, or the device does: one that is mapped directly and coherent looks
 *   into the caches, and that does not go with memory that is uncached; the
 *   reservation is one-to-one, and the memory is not contiguous, or not where it
 *   should be.
 * * -EBUSY: @binding is bound; something is bound there; the backing is being
 *   handed over by somebody else at this moment; a device would have to take part
 *   in the coherency protocol now, and the backing is not the CPU's.
 * * -EIO: the reservation is one-to-one, and @dev cannot reach the memory.
 * * -EOPNOTSUPP: @dev has no reservations; @backing is somebody else's, and there
 *   is a reservation, or @attrs, or it is not contiguous for @dev.
 * * -ENOMEM: no memory for a page table.
 * * What else the IOMMU driver returns.
 */
int dma_iova_bind(struct device *dev, struct dma_iova_state *state,
		struct dma_binding *binding, size_t offset,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs)
{
	int ret;

	if (likely(state))
		ret = iova_bind(dev, state, binding, offset, backing, boff, len,
				dir, attrs);
	else if (backing->ops)
		ret = foreign_bind(dev, binding, backing, boff, len, dir,
				   attrs);
	else
		ret = -EINVAL;
	trace_dma_iova_bind(dev, binding, backing, boff, len, dir, attrs, ret);
	return ret;
}
EXPORT_SYMBOL_GPL(dma_iova_bind);

static void unbind_without_state(struct dma_binding *binding)
{
	struct dma_backing *backing = binding->mapper.backing;

	trace_dma_iova_unbind(binding);
	if (backing->ops) {
		foreign_unbind(binding);
		return;
	}
	scoped_guard(spinlock_irqsave, &backing->lock) {
		dma_backing_note_writes(backing, &binding->mapper);
		binding_del(backing, binding);
	}
	dma_backing_put_atomic(backing);
}

/**
 * dma_iova_unbind - Undo dma_iova_bind()
 * @binding: the binding
 *
 * The device cannot use it any more when this returns. It drops the reference on
 * the backing; if that was the last, the memory is freed, later.
 *
 * What the device has written is there to be read after
 * dma_backing_begin_cpu_access(), as always.
 *
 * Context: Any context. May sleep if the backing is somebody else's.
 */
void dma_iova_unbind(struct dma_binding *binding)
{
	struct dma_mapper *mapper = &binding->mapper;
	struct dma_backing *backing = mapper->backing;
	size_t offset;
	bool live;

	if (WARN_ON_ONCE(!backing))
		return;

	if (unlikely(!binding->state)) {
		unbind_without_state(binding);
		return;
	}

	/* From here on nobody else changes its entries, see backing_share.c */
	scoped_guard(spinlock_irqsave, &backing->lock) {
		live = mapper->live;
		mapper->live = false;
	}

	offset = binding->addr - dma_iova_addr(binding->state);
	debug_dma_iova_unlink(binding->dev, binding->state, offset, mapper->len,
			      mapper->dir, binding->attrs);
	trace_dma_iova_unbind(binding);
	/* What is direct is live until it is unbound */
	if (live)
		binding_unmap(binding, offset);

	scoped_guard(spinlock_irqsave, &backing->lock) {
		dma_backing_note_writes(backing, mapper);
		binding_del(backing, binding);
	}
	dma_backing_put_atomic(backing);
}
EXPORT_SYMBOL_GPL(dma_iova_unbind);

/**
 * dma_binding_addr - The device address of what is bound
 * @binding: the binding
 *
 * Context: Any context.
 * Return: the address of its start, or DMA_MAPPING_ERROR if nothing is bound, or by
 * dma_backing_sgt_map() and in several places
 */
dma_addr_t dma_binding_addr(const struct dma_binding *binding)
{
	return binding->mapper.backing ? binding->addr : DMA_MAPPING_ERROR;
}
EXPORT_SYMBOL_GPL(dma_binding_addr);

static bool binding_is_for(const struct dma_mapper *mapper, struct device *dev)
{
	const struct dma_binding *binding = dma_mapper_binding(mapper);

	/* What is in several places has no address */
	if (!mapper->live || binding->addr == DMA_MAPPING_ERROR)
		return false;
	return binding->dev == dev ||
	       (binding->domain && binding->domain == dma_binding_domain(dev));
}

/**
 * dma_backing_translate - The same byte, as another device sees it
 * @backing: the backing
 * @from: a device that it is bound for
 * @addr: an address that @from uses
 * @to: another device that it is bound for
 *
 * Context: Any context.
 * Return: the address for @to; DMA_MAPPING_ERROR if @addr is not the backing's, or
 * that part of it is not bound for @to
 */
dma_addr_t dma_backing_translate(struct dma_backing *backing,
		struct device *from, dma_addr_t addr, struct device *to)
{
	const struct dma_binding *binding;
	struct dma_mapper *mapper;
	size_t offset = SIZE_MAX;

	guard(spinlock_irqsave)(&backing->lock);
	list_for_each_entry(mapper, &backing->devices, list) {
		binding = dma_mapper_binding(mapper);
		if (binding_is_for(mapper, from) && addr >= binding->addr &&
		    addr <= binding_last(binding)) {
			offset = mapper->offset + (addr - binding->addr);
			break;
		}
	}
	list_for_each_entry(mapper, &backing->devices, list) {
		binding = dma_mapper_binding(mapper);
		if (binding_is_for(mapper, to) && offset >= mapper->offset &&
		    offset - mapper->offset < mapper->len)
			return binding->addr + (offset - mapper->offset);
	}
	return DMA_MAPPING_ERROR;
}
EXPORT_SYMBOL_GPL(dma_backing_translate);
