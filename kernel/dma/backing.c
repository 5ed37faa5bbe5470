// SPDX-License-Identifier: GPL-2.0
/*
 * Memory whose every mapper is known
 *
 * A backing is physical memory, in one or many chunks, that nothing maps yet. It
 * is allocated here (backing_pages.c), or is made of memory that the caller has.
 * Then devices map it, each in a reservation (binding.c), and so may the kernel
 * and user space (backing_cpu.c). There is a record of each of them, so one can
 * tell who maps a piece of memory, with what attributes, and whether it may be
 * freed; and caches are cleaned and invalidated when that is needed, and only
 * then (backing_access.c). Whether devices snoop is in backing_share.c.
 *
 * A record is a range, a direction and attributes. It costs nothing per page, and
 * is no copy of a translation: that is in the page tables alone.
 *
 * The cache policy is the backing's, and all who map it have to agree with it.
 *
 * Lifetime: a backing has a reference for each caller that keeps it and one for
 * each mapper. So it is freed when nobody maps it any more. If that is in atomic
 * context, a work item frees it.
 *
 * Locking: backing->lock protects who maps it and whose it is. The lock of a
 * space's bindings nests in it. Size, policy and chunks are immutable.
 *
 * Context: allocating, wrapping and dma_backing_put() sleep. Looking at it does
 * not.
 *
 * The idea is that of the physical memory of Zach Pfeffer's Virtual Contiguous
 * Memory manager of 2010.
 */
#include <linux/bsearch.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "backing.h"

static void dma_backing_free(struct dma_backing *backing)
{
	dma_backing_unlist(backing);
	if (backing->origin == DMA_BACKING_WRAPPED)
		dma_backing_hand_back(backing);
	if (backing->release)
		backing->release(backing->release_priv);
	dma_backing_free_pages(backing);
	put_device(backing->dev);
	module_put(backing->owner);
	mutex_destroy(&backing->vmap_lock);
	kvfree(backing);
}

static void dma_backing_free_work(struct work_struct *work)
{
	dma_backing_free(container_of(work, struct dma_backing, free_work));
}

static void dma_backing_release(struct kref *ref)
{
	dma_backing_free(container_of(ref, struct dma_backing, ref));
}

static void dma_backing_release_atomic(struct kref *ref)
{
	struct dma_backing *backing = container_of(ref, struct dma_backing, ref);

	schedule_work(&backing->free_work);
}

/* A backing with one reference. What the memory is, the caller fills in. */
struct dma_backing *dma_backing_new(struct device *dev, size_t size,
				    unsigned int nr_chunks)
{
	struct dma_backing *backing;

	backing = kvzalloc(struct_size(backing, chunk, nr_chunks + 1),
			   GFP_KERNEL);
	if (!backing)
		return NULL;

	kref_init(&backing->ref);
	INIT_WORK(&backing->free_work, dma_backing_free_work);
	mutex_init(&backing->vmap_lock);
	spin_lock_init(&backing->lock);
	INIT_LIST_HEAD(&backing->devices);
	INIT_LIST_HEAD(&backing->cpus);
#ifdef CONFIG_DEBUG_FS
	INIT_LIST_HEAD(&backing->all);
#endif
	backing->dev = get_device(dev);
	backing->size = size;
	backing->nr_chunks = nr_chunks;
	backing->chunk[nr_chunks].offset = size;
	return backing;
}

/* Whoever has the backing may be the last, after the module would have gone. */
int dma_backing_set_release(struct dma_backing *backing,
			    void (*release)(void *priv), void *priv,
			    struct module *owner)
{
	if (release && !try_module_get(owner))
		return -ENODEV;
	backing->release = release;
	backing->release_priv = priv;
	backing->owner = release ? owner : NULL;
	return 0;
}

/**
 * dma_backing_get - Take a reference on a backing
 * @backing: the backing
 *
 * Context: Any context.
 * Return: @backing
 */
struct dma_backing *dma_backing_get(struct dma_backing *backing)
{
	kref_get(&backing->ref);
	return backing;
}
EXPORT_SYMBOL_GPL(dma_backing_get);

/**
 * dma_backing_put - Drop a reference on a backing
 * @backing: the backing, or NULL
 *
 * Memory is not freed while somebody maps it. The last mapper that goes frees it
 * then, if no caller has a reference any more.
 *
 * Context: Process context. May sleep.
 * Return: %true if that was the last reference: the memory is freed, and if it
 * was the caller's, it is the caller's again. %false if somebody maps it or has
 * a reference.
 */
bool dma_backing_put(struct dma_backing *backing)
{
	might_sleep();
	return backing && kref_put(&backing->ref, dma_backing_release);
}
EXPORT_SYMBOL_GPL(dma_backing_put);

/* For mappers that go in any context. */
void dma_backing_put_atomic(struct dma_backing *backing)
{
	kref_put(&backing->ref, dma_backing_release_atomic);
}

/**
 * dma_backing_size - The size of a backing
 * @backing: the backing
 *
 * Context: Any context.
 * Return: bytes, whole pages
 */
size_t dma_backing_size(const struct dma_backing *backing)
{
	return backing->size;
}
EXPORT_SYMBOL_GPL(dma_backing_size);

/**
 * dma_backing_policy - How the CPU may map a backing
 * @backing: the backing
 *
 * It is not known for memory that somebody else maps, see dma_backing_is_foreign().
 *
 * Context: Any context.
 * Return: the policy
 */
enum dma_cache_policy dma_backing_policy(const struct dma_backing *backing)
{
	return backing->policy;
}
EXPORT_SYMBOL_GPL(dma_backing_policy);

/* What a mapper asks for is what the backing has, or nothing. */
int dma_backing_check_policy(const struct dma_backing *backing,
			     unsigned long attrs)
{
	static const unsigned long policy_attr[] = {
		[DMA_CACHE_CACHED]		= DMA_BACKING_CACHED,
		[DMA_CACHE_WRITE_COMBINE]	= DMA_ATTR_WRITE_COMBINE,
		[DMA_CACHE_UNCACHED]		= DMA_BACKING_UNCACHED,
	};

	attrs &= DMA_BACKING_POLICIES;
	return !attrs || attrs == policy_attr[backing->policy] ? 0 : -EINVAL;
}

/* The protection of a CPU mapping, made of what it would have otherwise. */
int dma_backing_pgprot(const struct dma_backing *backing, pgprot_t *prot)
{
	if (backing->origin == DMA_BACKING_MMIO) {
		*prot = pgprot_noncached(*prot);
		return 0;
	}
	return dma_backing_policy_prot(backing->policy, prot);
}

static int chunk_cmp(const void *key, const void *elt)
{
	const size_t *offset = key;
	const struct dma_chunk *chunk = elt;

	if (*offset < chunk[0].offset)
		return -1;
	return *offset >= chunk[1].offset;
}

/* The chunk that has the byte at @offset, which is less than the size. */
const struct dma_chunk *dma_backing_chunk(const struct dma_backing *backing,
					  size_t offset)
{
	return bsearch(&offset, backing->chunk, backing->nr_chunks,
		       sizeof(*backing->chunk), chunk_cmp);
}

bool dma_backing_is_contiguous(const struct dma_backing *backing,
			       size_t offset, size_t len)
{
	const struct dma_chunk *chunk = dma_backing_chunk(backing, offset);
	size_t end = offset + len;

	for (; chunk[1].offset < end; chunk++)
		if (chunk[1].phys != chunk[0].phys + dma_chunk_len(chunk))
			return false;
	return true;
}

/**
 * dma_backing_for_each_chunk - Look at the memory of a part of a backing
 * @backing: the backing
 * @offset: start of the part, in bytes
 * @len: its size in bytes
 * @fn: called for each piece of contiguous memory, in order; what is not 0 ends it
 * @data: for @fn
 *
 * Context: Any context; it is that of @fn as well.
 * Return: what @fn has returned last; -EINVAL if that is not a part of the
 * backing; -EOPNOTSUPP if the memory is somebody else's, and not known here.
 */
int dma_backing_for_each_chunk(struct dma_backing *backing, size_t offset,
		size_t len, dma_chunk_fn fn, void *data)
{
	const struct dma_chunk *chunk;
	int ret = 0;

	if (!dma_backing_covers(backing, offset, len))
		return -EINVAL;
	if (!backing->nr_chunks)
		return -EOPNOTSUPP;

	for (chunk = dma_backing_chunk(backing, offset); len && !ret; chunk++) {
		phys_addr_t phys;
		size_t piece = dma_chunk_piece(chunk, offset, len, &phys);

		ret = fn(phys, piece, data);
		offset += piece;
		len -= piece;
	}
	return ret;
}
EXPORT_SYMBOL_GPL(dma_backing_for_each_chunk);

static bool maps_byte(const struct dma_mapper *mapper, size_t offset)
{
	return offset >= mapper->offset && offset - mapper->offset < mapper->len;
}

/* Who maps the byte at @offset, or anything if that is SIZE_MAX. */
static int for_each_mapper(struct dma_backing *backing, size_t offset,
			   dma_mapper_fn fn, void *data)
{
	struct list_head *const lists[] = { &backing->devices, &backing->cpus };
	struct dma_mapper *mapper;
	int i, ret;

	lockdep_assert_held(&backing->lock);

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		list_for_each_entry(mapper, lists[i], list) {
			if (offset != SIZE_MAX && !maps_byte(mapper, offset))
				continue;
			ret = fn(mapper, data);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * dma_backing_for_each_mapper - Look at who maps a backing
 * @backing: the backing
 * @fn: called for each mapper, devices first; what is not 0 ends it
 * @data: for @fn
 *
 * Context: Any context. @fn is called with a lock and without interrupts, and
 * must not call anything for the backing.
 * Return: what @fn has returned last, 0 if there is no mapper
 */
int dma_backing_for_each_mapper(struct dma_backing *backing, dma_mapper_fn fn,
		void *data)
{
	guard(spinlock_irqsave)(&backing->lock);
	return for_each_mapper(backing, SIZE_MAX, fn, data);
}
EXPORT_SYMBOL_GPL(dma_backing_for_each_mapper);

/**
 * dma_backing_for_each_mapper_of - Look at who maps one place in memory
 * @backing: the backing
 * @phys: a physical address
 * @fn: called for each mapper that maps it; what is not 0 ends it
 * @data: for @fn
 *
 * Memory that was wrapped can be in a backing more than once, and who maps it
 * more than once is told as often.
 *
 * Context: As for dma_backing_for_each_mapper().
 * Return: what @fn has returned last, 0 if there is no mapper; -ENOENT if the
 * backing does not have that memory
 */
int dma_backing_for_each_mapper_of(struct dma_backing *backing,
		phys_addr_t phys, dma_mapper_fn fn, void *data)
{
	const struct dma_chunk *chunk;
	int ret = -ENOENT;

	guard(spinlock_irqsave)(&backing->lock);
	for_each_dma_chunk(chunk, backing) {
		phys_addr_t in_chunk = phys - chunk->phys;

		if (in_chunk >= dma_chunk_len(chunk))
			continue;
		ret = for_each_mapper(backing, chunk->offset + in_chunk, fn,
				      data);
		if (ret)
			break;
	}
	return ret;
}
EXPORT_SYMBOL_GPL(dma_backing_for_each_mapper_of);

/* What the length of an entry can be */
#define SG_MAX_LEN	((size_t)(UINT_MAX & PAGE_MASK))

struct sgtable_fill {
	struct scatterlist *sg;
	unsigned int entries;
};

static int count_entry(phys_addr_t phys, size_t len, void *data)
{
	struct sgtable_fill *fill = data;

	fill->entries += (len - 1) / SG_MAX_LEN + 1;
	return pfn_valid(PHYS_PFN(phys)) ? 0 : -EOPNOTSUPP;
}

static int fill_entry(phys_addr_t phys, size_t len, void *data)
{
	struct sgtable_fill *fill = data;

	while (len) {
		size_t part = min(len, SG_MAX_LEN);

		sg_set_page(fill->sg, phys_to_page(phys), part,
			    offset_in_page(phys));
		fill->sg = sg_next(fill->sg);
		phys += part;
		len -= part;
	}
	return 0;
}

/**
 * dma_backing_get_sgtable - The memory of a part of a backing as a list
 * @backing: the backing
 * @sgt: the list to make; freed with sg_free_table()
 * @offset: start of the part, in bytes
 * @len: its size in bytes
 *
 * For those who want the memory but not the rest of this: dma_map_sgtable() maps
 * it for a device as it maps all memory, and is not on record. If the backing is
 * not cached, there is no cache to be cleaned, and DMA_ATTR_SKIP_CPU_SYNC says so.
 *
 * Context: Process context. May sleep.
 * Return: 0; -EINVAL if that is not a part of the backing; -EOPNOTSUPP if there
 * is no struct page for the memory; -ENOMEM
 */
int dma_backing_get_sgtable(struct dma_backing *backing, struct sg_table *sgt,
		size_t offset, size_t len)
{
	struct sgtable_fill fill = {};
	int ret;

	ret = dma_backing_for_each_chunk(backing, offset, len, count_entry,
					 &fill);
	if (ret)
		return ret;
	ret = sg_alloc_table(sgt, fill.entries, GFP_KERNEL);
	if (ret)
		return ret;

	fill.sg = sgt->sgl;
	return dma_backing_for_each_chunk(backing, offset, len, fill_entry,
					  &fill);
}
EXPORT_SYMBOL_GPL(dma_backing_get_sgtable);
