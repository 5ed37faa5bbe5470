/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files about backings share.
 */
#ifndef _KERNEL_DMA_BACKING_H
#define _KERNEL_DMA_BACKING_H

#include <linux/dma-backing-ops.h>
#include <linux/kref.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/* What a caller can ask for, to be compared with what a backing has. */
#define DMA_BACKING_POLICIES	(DMA_BACKING_CACHED | DMA_BACKING_UNCACHED | \
				 DMA_ATTR_WRITE_COMBINE)

/**
 * struct dma_chunk - contiguous memory
 * @phys: where it is
 * @offset: its start in the backing; its end is the start of the next
 */
struct dma_chunk {
	phys_addr_t phys;
	size_t offset;
};

/**
 * struct dma_user_map - one mmap() call
 * @mapper: its part in the backing
 * @count: VMAs that are made of it
 */
struct dma_user_map {
	struct dma_mapper mapper;
	refcount_t count;
};

/* Where the memory is from, which is where it goes. */
enum dma_backing_origin {
	DMA_BACKING_WRAPPED,	/* the caller */
	DMA_BACKING_MMIO,	/* the caller, and it is no memory */
	DMA_BACKING_FOREIGN,	/* not known here, see backing_foreign.c */
	DMA_BACKING_PAGES,	/* the page allocator */
	DMA_BACKING_NOALIAS,	/* arch_dma_alloc_noalias() */
	DMA_BACKING_CONTIGUOUS,	/* dma_alloc_contiguous(), or the page allocator */
};

/**
 * struct dma_backing - memory whose every mapper is known
 * @ref: callers that have it, and mappers
 * @free_work: frees it if the last of them goes in atomic context
 * @dev: the device it was allocated for, with a reference, or NULL; immutable
 * @size: in bytes; immutable
 * @policy: how CPUs map it; immutable
 * @origin: where the memory is from; immutable
 * @ops: how somebody else maps it; NULL if it is known here; immutable
 * @owner: the module of @ops and @release, with a reference, or NULL; immutable
 * @release: for wrapped memory: it is the caller's again; immutable
 * @release_priv: for @release and @ops; immutable
 * @vmap_lock: serialises making and removing the kernel mapping; sleeps;
 *	@lock nests in it
 * @vaddr: the kernel mapping, or NULL; protected by @vmap_lock
 * @vmaps: how often it was asked for; protected by @vmap_lock
 * @was_mapped: the kernel once had a mapping; protected by @vmap_lock
 * @lock: protects all that follows, up to @invalidated
 * @devices: devices that map it: struct dma_mapper, each in a struct dma_binding
 * @cpus: CPU mappings of it: struct dma_mapper
 * @spaces: address spaces that map it
 * @kernel: the entry of the kernel mapping
 * @cpu_maps: CPU mappings, of the kernel and of users
 * @cpu_access: CPU accesses that have begun and not ended
 * @device_side: the side that owns it: devices that are not coherent
 * @crossing: somebody is handing it over, without the lock
 * @cpu_dirty: the CPU's side may have written since the caches were cleaned
 * @device_dirty: the other side may have written since they were invalidated
 * @mapped: mappings of each side: of coherent devices, and of the others
 * @writers: those of them that are for writing
 * @cleaned: how often the caches were cleaned
 * @invalidated: how often they were invalidated
 * @all: entry in the list of all; protected by dma_backings_lock
 * @id: its number in debugfs; immutable
 * @nr_chunks: entries in @chunk, less the one that ends them; immutable
 * @chunk: the memory, by offset; immutable
 */
struct dma_backing {
	struct kref ref;
	struct work_struct free_work;
	struct device *dev;
	size_t size;
	enum dma_cache_policy policy;
	enum dma_backing_origin origin;
	const struct dma_backing_ops *ops;
	struct module *owner;
	void (*release)(void *priv);
	void *release_priv;

	struct mutex vmap_lock;
	void *vaddr;
	unsigned int vmaps;
	bool was_mapped;

	spinlock_t lock;
	struct list_head devices;
	struct list_head cpus;
	unsigned int spaces;
	struct dma_mapper kernel;
	unsigned int cpu_maps;
	unsigned int cpu_access;
	bool device_side;
	bool crossing;
	bool cpu_dirty;
	bool device_dirty;
	unsigned int mapped[2];
	unsigned int writers[2];
	unsigned long cleaned;
	unsigned long invalidated;

#ifdef CONFIG_DEBUG_FS
	struct list_head all;
	unsigned int id;
#endif

	unsigned int nr_chunks;
	struct dma_chunk chunk[];
};

/* Each entry of a backing's memory, of which a foreign one has none. */
#define for_each_dma_chunk(chunk, backing)				\
	for ((chunk) = (backing)->chunk;				\
	     (chunk) < (backing)->chunk + (backing)->nr_chunks; (chunk)++)

static inline size_t dma_chunk_len(const struct dma_chunk *chunk)
{
	return chunk[1].offset - chunk[0].offset;
}

/* What of a chunk follows @offset in the backing, and is of a part of @len bytes. */
static inline size_t dma_chunk_piece(const struct dma_chunk *chunk,
				     size_t offset, size_t len,
				     phys_addr_t *phys)
{
	*phys = chunk->phys + (offset - chunk->offset);
	return min(len, chunk[1].offset - offset);
}

/* backing.c */
struct dma_backing *dma_backing_new(struct device *dev, size_t size,
		unsigned int nr_chunks);
int dma_backing_set_release(struct dma_backing *backing,
		void (*release)(void *priv), void *priv, struct module *owner);
void dma_backing_put_atomic(struct dma_backing *backing);
const struct dma_chunk *dma_backing_chunk(const struct dma_backing *backing,
		size_t offset);
bool dma_backing_is_contiguous(const struct dma_backing *backing,
		size_t offset, size_t len);
int dma_backing_check_policy(const struct dma_backing *backing,
		unsigned long attrs);
int dma_backing_pgprot(const struct dma_backing *backing, pgprot_t *prot);

static inline bool dma_backing_covers(const struct dma_backing *backing,
				      size_t offset, size_t len)
{
	/* A length of 0 is too much then, too */
	return len - 1 < backing->size && offset <= backing->size - len;
}

static inline phys_addr_t dma_backing_phys(const struct dma_backing *backing,
					   size_t offset)
{
	const struct dma_chunk *chunk = dma_backing_chunk(backing, offset);

	return chunk->phys + (offset - chunk->offset);
}

/* backing_pages.c */
int dma_backing_policy_prot(enum dma_cache_policy policy, pgprot_t *prot);
void dma_backing_free_pages(struct dma_backing *backing);

/* backing_debugfs.c */
#ifdef CONFIG_DEBUG_FS
void dma_backing_list(struct dma_backing *backing);
void dma_backing_unlist(struct dma_backing *backing);
#else
static inline void dma_backing_list(struct dma_backing *backing) {}
static inline void dma_backing_unlist(struct dma_backing *backing) {}
#endif

/* backing_cpu.c */
extern const struct vm_operations_struct dma_user_map_ops;

/* backing_share.c */
bool dma_backing_share(struct device *dev, unsigned int spaces);
unsigned int dma_backing_max_cpu_mappings(struct device *dev);
void dma_backing_count_space(struct dma_backing *backing,
		struct dma_mapper *mapper);
void dma_backing_uncount_space(struct dma_backing *backing,
		struct dma_mapper *mapper);
unsigned int dma_backing_spaces_with(struct dma_backing *backing,
		const struct dma_binding *binding);
int dma_backing_share_with(struct dma_backing *backing, unsigned int spaces);
int dma_backing_can_add_space(struct dma_backing *backing);

/* binding.c */
struct iommu_domain *dma_binding_domain(struct device *dev);
int dma_binding_init(struct dma_binding *binding, struct device *dev,
		struct dma_iova_state *state, size_t offset,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs);
int dma_binding_add(struct dma_backing *backing, struct dma_binding *binding,
		bool pending);
int dma_binding_take_turn(struct dma_binding *binding);
int dma_binding_map_nosync(struct dma_binding *binding, size_t offset);
void dma_binding_start(struct dma_binding *binding, size_t offset);
void dma_binding_drop(struct dma_binding *binding, size_t offset, bool mapped);
void dma_binding_debug(const struct dma_binding *binding, size_t offset);
int dma_binding_map(struct dma_binding *binding);
int dma_binding_record(struct dma_backing *backing,
		struct dma_binding *binding);

/* backing_foreign.c */
int foreign_bind(struct device *dev, struct dma_binding *binding,
		struct dma_backing *backing, size_t boff, size_t len,
		enum dma_data_direction dir, unsigned long attrs);
void foreign_unbind(struct dma_binding *binding);
void *foreign_vmap(struct dma_backing *backing, unsigned long attrs);
void foreign_vunmap(struct dma_backing *backing);
int foreign_mmap(struct dma_backing *backing, struct vm_area_struct *vma,
		unsigned long attrs);

/* backing_access.c */
void dma_backing_add_mapper(struct dma_backing *backing,
		struct dma_mapper *mapper);
void dma_backing_del_mapper(struct dma_backing *backing,
		struct dma_mapper *mapper);
void dma_backing_note_writes(struct dma_backing *backing,
		const struct dma_mapper *mapper);
void dma_backing_change_side(struct dma_backing *backing,
		struct dma_mapper *mapper, bool coherent);
bool dma_backing_start_crossing(struct dma_backing *backing, bool to_devices);
void dma_backing_finish_crossing(struct dma_backing *backing, bool to_devices);
void dma_backing_hand_back(struct dma_backing *backing);
bool dma_backing_take_turn(struct dma_backing *backing,
		struct dma_mapper *mapper);
void dma_backing_return_turn(struct dma_backing *backing,
		const struct dma_mapper *mapper);

#endif /* _KERNEL_DMA_BACKING_H */
