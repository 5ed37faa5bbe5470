/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The records of the DMA API debugging, for the files it consists of
 *
 * Copyright (C) 2008 Advanced Micro Devices, Inc.
 *
 * Author: Joerg Roedel <joerg.roedel@amd.com>
 */
#ifndef _KERNEL_DMA_DEBUG_ENTRY_H
#define _KERNEL_DMA_DEBUG_ENTRY_H

#include <linux/bug.h>
#include <linux/cache.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/types.h>

enum {
	dma_debug_single,
	dma_debug_sg,
	dma_debug_coherent,
	dma_debug_noncoherent,
	dma_debug_phy,
	dma_debug_iova,
	dma_debug_iova_direct,
	dma_debug_iova_link,
};

enum map_err_types {
	MAP_ERR_CHECK_NOT_APPLICABLE,
	MAP_ERR_NOT_CHECKED,
	MAP_ERR_CHECKED,
};

#define DMA_DEBUG_STACKTRACE_ENTRIES 5

/**
 * struct dma_debug_entry - track a dma_map* or dma_alloc_coherent mapping, or a
 *	reservation, or a link in one
 * @list: node on pre-allocated free_entries list
 * @dev: 'dev' argument to dma_map_{page|single|sg} or dma_alloc_coherent
 * @node: of a link, which has neither @list nor @dev: in @links of its reservation
 * @dev_addr: dma address; of a one-to-one reservation: what it is known by
 * @size: length of the mapping
 * @type: single, page, sg, coherent, reservation, link
 * @direction: enum dma_data_direction
 * @sg_call_ents: 'nents' from dma_map_sg
 * @sg_mapped_ents: 'mapped_ents' from dma_map_sg
 * @links: of a reservation: what is linked there
 * @synced: of a link: it was synced
 * @paddr: physical start address of the mapping
 * @map_err_type: track whether dma_mapping_error() was checked
 * @attrs: dma attributes
 * @stack_len: number of backtrace entries in @stack_entries
 * @stack_entries: stack of backtrace history
 */
struct dma_debug_entry {
	union {
		struct {
			struct list_head list;
			struct device    *dev;
		};
		struct rb_node	 node;
	};
	u64              dev_addr;
	u64              size;
	int              type;
	int              direction;
	union {
		struct {
			int	 sg_call_ents;
			int	 sg_mapped_ents;
		};
		struct rb_root	 links;
		bool		 synced;
	};
	phys_addr_t	 paddr;
	enum map_err_types map_err_type;
	unsigned long	 attrs;
#ifdef CONFIG_STACKTRACE
	unsigned int	stack_len;
	unsigned long	stack_entries[DMA_DEBUG_STACKTRACE_ENTRIES];
#endif
} ____cacheline_aligned_in_smp;

/*
 * DMA_ATTR_UNMAP_VALID lists the attributes that must be identical
 * between map and unmap. Any attribute outside this set (e.g.
 * DMA_ATTR_NO_WARN, DMA_ATTR_SKIP_CPU_SYNC) is allowed to differ.
 */
#define DMA_ATTR_UNMAP_VALID                                               \
	(DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS |          \
	 DMA_ATTR_MMIO | DMA_ATTR_REQUIRE_COHERENT | DMA_ATTR_PRIVILEGED | \
	 DMA_ATTR_CC_SHARED)

bool dma_debug_disabled(void);
struct dma_debug_entry *dma_entry_alloc(void);
void dma_entry_free(struct dma_debug_entry *entry);
const char *dma_debug_dir_name(int direction);

typedef void (*dma_debug_iova_fn)(struct device *dev,
		const struct dma_debug_entry *entry, int idx, void *data);

void dma_debug_iova_init(void);
void dma_debug_for_each_iova(struct device *dev, dma_debug_iova_fn fn, void *data);

/* Not to be used but by err_printk() */
bool dma_debug_count_error(struct device *dev);
void dma_debug_dump_entry_trace(struct dma_debug_entry *entry);

#define err_printk(dev, entry, format, arg...) do {			\
		if (dma_debug_count_error(dev)) {			\
			WARN(1, pr_fmt("%s %s: ") format,		\
			     dev ? dev_driver_string(dev) : "NULL",	\
			     dev ? dev_name(dev) : "NULL", ## arg);	\
			dma_debug_dump_entry_trace(entry);		\
		}							\
	} while (0)

#endif /* _KERNEL_DMA_DEBUG_ENTRY_H */
