/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory whose every mapper is known. See kernel/dma/backing.c.
 */
#ifndef _LINUX_DMA_BACKING_H
#define _LINUX_DMA_BACKING_H

#include <linux/dma-mapping.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

struct dma_backing;
struct iommu_domain;
struct module;
struct phys_vec;
struct vm_area_struct;

/**
 * enum dma_cache_policy - how the CPU may map a backing
 * @DMA_CACHE_CACHED: as it maps all memory
 * @DMA_CACHE_WRITE_COMBINE: uncached, and writes can be gathered
 * @DMA_CACHE_UNCACHED: uncached, as coherent memory of a device that is not
 *	coherent
 */
enum dma_cache_policy {
	DMA_CACHE_CACHED,
	DMA_CACHE_WRITE_COMBINE,
	DMA_CACHE_UNCACHED,
};

/*
 * What a caller asks for, beside DMA_ATTR_WRITE_COMBINE. They are for the calls
 * below, and no attributes of the DMA API.
 */
#define DMA_BACKING_CACHED	(1UL << 24)
#define DMA_BACKING_UNCACHED	(1UL << 25)

/**
 * enum dma_mapper_kind - who maps a part of a backing
 * @DMA_MAPPER_SPACE: a device, by an IOMMU
 * @DMA_MAPPER_DIRECT: a device, one-to-one
 * @DMA_MAPPER_FOREIGN: a device, by the exporter of somebody else's dma-buf
 * @DMA_MAPPER_KERNEL: the kernel
 * @DMA_MAPPER_USER: one mmap() of a process, and of those it was forked to
 */
enum dma_mapper_kind {
	DMA_MAPPER_SPACE,
	DMA_MAPPER_DIRECT,
	DMA_MAPPER_FOREIGN,
	DMA_MAPPER_KERNEL,
	DMA_MAPPER_USER,
};

/**
 * struct dma_mapper - who maps which part of a backing, and how
 * @list: entry in the backing's list, protected by the backing's lock
 * @backing: what is mapped, with a reference; NULL if nothing is
 * @offset: start of the part in the backing, in bytes
 * @len: its size in bytes
 * @kind: who it is
 * @dir: direction; DMA_BIDIRECTIONAL for CPUs
 * @coherent: whether it takes part in the CPUs' coherency protocol
 * @live: whether the mapping is there: not while it is being made or removed
 * @took_turn: whether the backing was handed over for it while it was being made
 * @pending: whether nobody has begun to make it: how can still be changed
 * @counted: whether it stands for its address space
 *
 * Immutable while it is on the list, but the last five, which the lock protects.
 */
struct dma_mapper {
	struct list_head list;
	struct dma_backing *backing;
	size_t offset;
	size_t len;
	u8 kind;
	u8 dir;
	bool coherent;
	bool live;
	bool took_turn;
	bool pending;
	bool counted;
};

/**
 * struct dma_binding - a part of a backing that is bound to a reservation
 * @mapper: its part in the backing
 * @node: entry in the tree of its space, protected by the lock of the tree
 * @foreign: instead of @node, for who maps it: see struct dma_backing_ops
 * @domain: what translates; NULL if nothing does
 * @dev: the device it was bound for
 * @state: the reservation; NULL if there is none
 * @addr: DMA address of its start; DMA_MAPPING_ERROR if it is in several places
 * @attrs: DMA_ATTR_* it was bound with
 *
 * The caller provides it, zeroed before it is used for the first time, and must
 * not touch it while it is bound. All is immutable while it is.
 */
struct dma_binding {
	struct dma_mapper mapper;
	union {
		struct rb_node node;
		void *foreign;
	};
	struct iommu_domain *domain;
	struct device *dev;
	struct dma_iova_state *state;
	dma_addr_t addr;
	unsigned long attrs;
};

/* What looks at memory, and at who maps it; anything but 0 ends it. */
typedef int (*dma_chunk_fn)(phys_addr_t phys, size_t len, void *data);
typedef int (*dma_mapper_fn)(const struct dma_mapper *mapper, void *data);

/* In struct dma_backing_mismatch: nothing is mapped */
#define DMA_BACKING_NOTHING	(~(phys_addr_t)0)

/**
 * struct dma_backing_mismatch - a page that is not where the record says
 * @mapper: whose record
 * @offset: where in the backing the page is
 * @addr: where @mapper should map it: a DMA address, or one of the CPU
 * @expected: the page
 * @found: what is mapped there; DMA_BACKING_NOTHING if nothing is
 */
struct dma_backing_mismatch {
	const struct dma_mapper *mapper;
	size_t offset;
	u64 addr;
	phys_addr_t expected;
	phys_addr_t found;
};

struct dma_backing *__dma_backing_from_phys(const struct phys_vec *vec,
		unsigned int count, unsigned long attrs,
		void (*release)(void *priv), void *priv, struct module *owner);
struct dma_backing *__dma_backing_from_pages(struct page **pages,
		unsigned int count, unsigned long attrs,
		void (*release)(void *priv), void *priv, struct module *owner);
struct dma_backing *__dma_backing_from_sg(struct sg_table *sgt,
		unsigned long attrs, void (*release)(void *priv), void *priv,
		struct module *owner);

/**
 * dma_backing_from_phys() - A backing of physical ranges of the caller
 * @vec: the ranges, an array of struct phys_vec, each of whole pages
 * @count: how many there are
 * @attrs: DMA_ATTR_MMIO if they are no memory; the policy, if the caller wants it
 *	checked
 * @release: called with @priv when nobody has the backing and nobody maps it any
 *	more, in process context; can be NULL
 * @priv: for @release
 *
 * The memory must not go away before @release is called, or dma_backing_put()
 * returns true. What devices have written is there to be read then. The module of
 * the caller stays until @release has returned. The memory has the policy that it
 * has: it is cached, and what is no memory is uncached. What others do with it, or
 * map, is not known here, and the caller is who knows that it is compatible.
 *
 * Context: Process context. May sleep.
 * Return: The backing, with a reference for the caller. Or an ERR_PTR, and @release
 * is not called:
 *
 * * -EINVAL: there is no range, or one that is not of whole pages, or is memory
 *   with DMA_ATTR_MMIO, or none without, or memory that the kernel does not map
 *   ("no-map" in a device tree), or is in the memory map of a device, which is not
 *   of the one kind nor the other, unless it is for PCI peer-to-peer DMA; their
 *   sizes are too much; @attrs ask for another policy, or for something else.
 * * -ENODEV: there is a @release, and its module is being removed.
 * * -ENOMEM: no memory for the list.
 */
#define dma_backing_from_phys(vec, count, attrs, release, priv)		\
	__dma_backing_from_phys(vec, count, attrs, release, priv, THIS_MODULE)

/**
 * dma_backing_from_pages() - A backing of pages of the caller
 * @pages: the pages, an array of pointers to struct page
 * @count: how many there are
 * @attrs: as for dma_backing_from_phys(), but for DMA_ATTR_MMIO
 * @release: as for dma_backing_from_phys()
 * @priv: for @release
 *
 * The pages get no references: the caller has them.
 *
 * Context: Process context. May sleep.
 * Return: as dma_backing_from_phys()
 */
#define dma_backing_from_pages(pages, count, attrs, release, priv)	\
	__dma_backing_from_pages(pages, count, attrs, release, priv,	\
				 THIS_MODULE)

/**
 * dma_backing_from_sg() - A backing of a scatter-gather list of the caller
 * @sgt: the list, a struct sg_table; its DMA addresses do not matter
 * @attrs: as for dma_backing_from_phys(), but for DMA_ATTR_MMIO
 * @release: as for dma_backing_from_phys()
 * @priv: for @release
 *
 * Each entry has whole pages. The list can be freed after this, the pages not.
 *
 * Context: Process context. May sleep.
 * Return: as dma_backing_from_phys()
 */
#define dma_backing_from_sg(sgt, attrs, release, priv)			\
	__dma_backing_from_sg(sgt, attrs, release, priv, THIS_MODULE)

struct dma_backing *dma_backing_alloc(struct device *dev, size_t size,
		gfp_t gfp, unsigned long attrs);
struct dma_backing *dma_backing_get(struct dma_backing *backing);
bool dma_backing_put(struct dma_backing *backing);

size_t dma_backing_size(const struct dma_backing *backing);
bool dma_backing_is_foreign(const struct dma_backing *backing);
enum dma_cache_policy dma_backing_policy(const struct dma_backing *backing);
int dma_backing_for_each_chunk(struct dma_backing *backing, size_t offset,
		size_t len, dma_chunk_fn fn, void *data);
int dma_backing_for_each_mapper(struct dma_backing *backing, dma_mapper_fn fn,
		void *data);
int dma_backing_for_each_mapper_of(struct dma_backing *backing,
		phys_addr_t phys, dma_mapper_fn fn, void *data);
int dma_backing_get_sgtable(struct dma_backing *backing, struct sg_table *sgt,
		size_t offset, size_t len);

int dma_iova_bind(struct device *dev, struct dma_iova_state *state,
		struct dma_binding *binding, size_t offset,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs);
void dma_iova_unbind(struct dma_binding *binding);
dma_addr_t dma_binding_addr(const struct dma_binding *binding);
dma_addr_t dma_backing_translate(struct dma_backing *backing,
		struct device *from, dma_addr_t addr, struct device *to);

void *dma_backing_vmap(struct dma_backing *backing, unsigned long attrs);
void dma_backing_vunmap(struct dma_backing *backing);
int dma_backing_mmap(struct dma_backing *backing, struct vm_area_struct *vma,
		unsigned long attrs);

int dma_backing_begin_cpu_access(struct dma_backing *backing,
		enum dma_data_direction dir);
int dma_backing_end_cpu_access(struct dma_backing *backing,
		enum dma_data_direction dir);
int dma_backing_begin_device_access(struct dma_binding *binding);

/**
 * struct dma_backing_sgt - a backing as a scatter-gather list for a device
 * @sgt: the list, which has addresses and no pages
 * @binding: what is bound while it is mapped
 * @state: the reservation; all zero if the device is mapped directly
 * @dev: the device
 * @backing: the backing, without a reference
 *
 * All is immutable from dma_backing_sgt_init() on, but @binding.
 */
struct dma_backing_sgt {
	struct sg_table sgt;
	struct dma_binding binding;
	struct dma_iova_state state;
	struct device *dev;
	struct dma_backing *backing;
};

int dma_backing_sgt_init(struct dma_backing_sgt *list, struct device *dev,
		struct dma_backing *backing);
void dma_backing_sgt_free(struct dma_backing_sgt *list);
int dma_backing_sgt_map(struct dma_backing_sgt *list,
		enum dma_data_direction dir);
void dma_backing_sgt_unmap(struct dma_backing_sgt *list);
#ifdef CONFIG_DEBUG_FS
unsigned long dma_backing_check(struct dma_backing *backing,
		void (*report)(const struct dma_backing_mismatch *mismatch,
			       void *data), void *data);
#else
static inline unsigned long dma_backing_check(struct dma_backing *backing,
		void (*report)(const struct dma_backing_mismatch *mismatch,
			       void *data), void *data)
{
	return 0;
}
#endif

/* Of a mapper of one of the kinds that devices are. */
static inline const struct dma_binding *
dma_mapper_binding(const struct dma_mapper *mapper)
{
	return container_of(mapper, struct dma_binding, mapper);
}

static inline bool dma_mapper_is_device(const struct dma_mapper *mapper)
{
	return mapper->kind <= DMA_MAPPER_FOREIGN;
}

#endif /* _LINUX_DMA_BACKING_H */
