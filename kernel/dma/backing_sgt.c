// SPDX-License-Identifier: GPL-2.0
/*
 * A backing for a device that wants a scatter-gather list
 *
 * Some devices take a list of addresses, and some interfaces between drivers pass
 * one on. This makes it: of one range if the device is translated, reserved when
 * the list is made and bound when it is mapped; and of the chunks where they are
 * if the device is mapped directly. There the memory need not be contiguous, as it
 * has to be for a reservation, and so there is none. In either case the device is
 * on record once, however long the list is.
 *
 * Addresses do not change while the list exists, so all of them are found in
 * advance, and to map it costs what dma_iova_bind() costs.
 *
 * Lifetime: the caller's, who keeps the backing as long as the list. While it is
 * mapped it has a reference on the backing besides.
 *
 * Locking: that of binding.c. The caller serialises the calls for one list.
 *
 * Context: making it may sleep. Mapping and unmapping can be done in any context;
 * unmapping and freeing cannot fail.
 */
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/swiotlb.h>

#include "backing.h"
#include "reserve.h"
#include "space.h"

/**
 * struct sgt_fill - the list while it is being made
 * @dev: the device
 * @addr: start of the range that goes into it next
 * @len: its size
 * @sg: where it goes; NULL while they are counted
 * @entries: how many there are
 */
struct sgt_fill {
	struct device *dev;
	dma_addr_t addr;
	size_t len;
	struct scatterlist *sg;
	unsigned int entries;
};

/* What dma_map_sgtable() keeps to as well, in whole pages. */
static size_t entry_limit(struct device *dev, dma_addr_t addr)
{
	unsigned long boundary = dma_get_seg_boundary(dev);
	size_t limit = ALIGN_DOWN(dma_get_max_seg_size(dev), PAGE_SIZE);

	limit = max_t(size_t, limit, PAGE_SIZE);
	/* The last byte before the boundary, as its size may be 0 */
	return min_t(u64, limit - 1, boundary - (addr & boundary)) + 1;
}

static void put_range(struct sgt_fill *fill)
{
	while (fill->len) {
		size_t len = min(fill->len, entry_limit(fill->dev, fill->addr));

		fill->entries++;
		if (fill->sg) {
			/* No pages: nobody is to use anything but addresses */
			sg_set_page(fill->sg, NULL, 0, 0);
			sg_dma_address(fill->sg) = fill->addr;
			sg_dma_len(fill->sg) = len;
			fill->sg = sg_next(fill->sg);
		}
		fill->addr += len;
		fill->len -= len;
	}
}

static int add_chunk(phys_addr_t phys, size_t len, void *data)
{
	struct sgt_fill *fill = data;
	dma_addr_t addr = phys_to_dma(fill->dev, phys);

	if (fill->len && addr == fill->addr + fill->len) {
		fill->len += len;
		return 0;
	}
	put_range(fill);
	fill->addr = addr;
	fill->len = len;
	return 0;
}

/* Called twice: to count, and to fill. */
static void sgt_fill(struct dma_backing_sgt *list, struct sgt_fill *fill)
{
	fill->entries = 0;
	if (dma_iova_size(&list->state)) {
		fill->addr = dma_iova_addr(&list->state);
		fill->len = list->backing->size;
	} else {
		dma_backing_for_each_chunk(list->backing, 0,
					   list->backing->size, add_chunk, fill);
	}
	put_range(fill);
}

static int sgt_reserve(struct dma_backing_sgt *list)
{
	size_t size = list->backing->size;
	/* So that chunks are entries of the page table, if there is room */
	struct dma_iova_request req = {
		.size = size,
		.align = min_t(size_t, SZ_2M, rounddown_pow_of_two(size)),
	};
	int ret;

	ret = dma_iova_reserve(list->dev, &list->state, &req);
	if (ret != -ENOSPC && ret != -EINVAL)
		return ret;
	req.align = 0;
	return dma_iova_reserve(list->dev, &list->state, &req);
}

/* What a reservation would ask for. */
static int check_direct(struct device *dev)
{
	if (get_dma_ops(dev) || is_swiotlb_force_bounce(dev) ||
	    is_swiotlb_for_alloc(dev))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * dma_backing_sgt_init - Make a scatter-gather list of a backing for a device
 * @list: the list, in the caller's memory
 * @dev: the device
 * @backing: the backing
 *
 * All of the backing is in it, in order. If @dev is translated, its addresses are
 * one range, which is reserved here. No entry is larger than
 * dma_get_max_seg_size() and dma_get_seg_boundary() allow. Entries have no pages.
 *
 * The addresses can be used while the list is mapped.
 *
 * Context: Process context. May sleep.
 * Return: 0, or an error, and then there is nothing to free: -EOPNOTSUPP if the
 * memory is none (DMA_ATTR_MMIO), for whether one device reaches another is not
 * known here, or if it is somebody else's, or if the DMA operations of @dev are not
 * the common ones, or if it is mapped directly and has to bounce; -ENOMEM; what
 * else dma_iova_reserve() returns.
 */
int dma_backing_sgt_init(struct dma_backing_sgt *list, struct device *dev,
			 struct dma_backing *backing)
{
	struct sgt_fill fill = { .dev = dev };
	int ret;

	memset(list, 0, sizeof(*list));
	if (!backing->nr_chunks || backing->origin == DMA_BACKING_MMIO)
		return -EOPNOTSUPP;

	list->dev = dev;
	list->backing = backing;
	ret = use_dma_iommu(dev) ? sgt_reserve(list) : check_direct(dev);
	if (ret)
		return ret;

	sgt_fill(list, &fill);
	ret = sg_alloc_table(&list->sgt, fill.entries, GFP_KERNEL);
	if (ret) {
		if (dma_iova_size(&list->state))
			dma_iova_free(dev, &list->state);
		return ret;
	}
	fill.sg = list->sgt.sgl;
	sgt_fill(list, &fill);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_backing_sgt_init);

/**
 * dma_backing_sgt_free - Undo dma_backing_sgt_init()
 * @list: the list, which is not mapped
 *
 * Context: Any context.
 */
void dma_backing_sgt_free(struct dma_backing_sgt *list)
{
	WARN_ON_ONCE(list->binding.mapper.backing);
	sg_free_table(&list->sgt);
	if (dma_iova_size(&list->state))
		dma_iova_free(list->dev, &list->state);
}
EXPORT_SYMBOL_GPL(dma_backing_sgt_free);

struct reach_check {
	struct device *dev;
	dma_addr_t first;
	dma_addr_t last;
	enum dma_data_direction dir;
};

static int check_reach(phys_addr_t phys, size_t len, void *data)
{
	struct reach_check *check = data;
	dma_addr_t addr;
	int ret;

	ret = direct_iova_addr(check->dev, phys, len, check->dir, 0, &addr);
	if (ret)
		return ret;
	return addr >= check->first && addr <= check->last &&
	       len - 1 <= check->last - addr ? 0 : -EIO;
}

/* One record for all chunks. Nothing is mapped, so nothing is undone either. */
static int bind_in_place(struct dma_backing_sgt *list,
			 enum dma_data_direction dir)
{
	struct dma_backing *backing = list->backing;
	struct reach_check check = {
		.dev = list->dev, .last = ~(dma_addr_t)0, .dir = dir,
	};
	bool one = list->sgt.nents == 1;
	struct dma_binding new = {
		.mapper = {
			.len	= backing->size,
			.kind	= DMA_MAPPER_DIRECT,
			.dir	= dir,
		},
		.dev	= list->dev,
		.addr	= one ? sg_dma_address(list->sgt.sgl) : DMA_MAPPING_ERROR,
	};
	int ret;

	dma_space_direct_window(list->dev, &check.first, &check.last);
	ret = dma_backing_for_each_chunk(backing, 0, backing->size, check_reach,
					 &check);
	if (ret)
		return ret;
	list->binding = new;
	return dma_binding_record(backing, &list->binding);
}

/**
 * dma_backing_sgt_map - Let the device use the list
 * @list: the list, which is not mapped
 * @dir: DMA direction
 *
 * Context: Any context.
 * Return: 0, or an error, and then nothing has changed: -EBUSY if it is mapped, or
 * for the reasons of dma_iova_bind(); -EIO if the device is mapped directly, and
 * cannot reach all of the memory; -EINVAL if it is coherent besides, and the memory
 * is not cached, or if @dir is no direction; what else dma_iova_bind() returns.
 */
int dma_backing_sgt_map(struct dma_backing_sgt *list,
			enum dma_data_direction dir)
{
	if (dma_iova_size(&list->state))
		return dma_iova_bind(list->dev, &list->state, &list->binding, 0,
				     list->backing, 0, list->backing->size, dir,
				     0);
	if (WARN_ON_ONCE(list->binding.mapper.backing))
		return -EBUSY;
	if (WARN_ON_ONCE(!valid_dma_direction(dir)))
		return -EINVAL;
	return bind_in_place(list, dir);
}
EXPORT_SYMBOL_GPL(dma_backing_sgt_map);

/**
 * dma_backing_sgt_unmap - Undo dma_backing_sgt_map()
 * @list: the list
 *
 * Context: Any context.
 */
void dma_backing_sgt_unmap(struct dma_backing_sgt *list)
{
	dma_iova_unbind(&list->binding);
}
EXPORT_SYMBOL_GPL(dma_backing_sgt_unmap);
