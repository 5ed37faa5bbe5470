// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a backing: where it is from, and where it goes
 *
 * What is allocated here has no kernel mapping but the linear one, where there is
 * one and the policy lets it be; it is zeroed, and the caches hold nothing of it
 * that a device would miss. It is in the largest chunks that are to be had without
 * much ado, which makes page tables small and translations fast, whatever IOMMU
 * maps it. For a device without an IOMMU it is contiguous.
 *
 * Memory of the caller can be wrapped. It keeps the policy that it has.
 *
 * Context: all of this sleeps.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/iommu-dma.h>
#include <linux/memblock.h>
#include <linux/memremap.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>
#include <linux/vmalloc.h>

#include <asm/dma-mapping-common.h>

#include "backing.h"
#include "direct.h"

/* Sizes that many IOMMUs have page table entries for, and whole pages. */
static const size_t chunk_sizes[] = {
	SZ_2M, SZ_1M, MAX(SZ_64K, PAGE_SIZE), PAGE_SIZE
};

/**
 * struct pages_request - what is to be allocated
 * @dev: the device, or NULL
 * @size: in bytes, whole pages
 * @gfp: allocation flags
 * @policy: how CPUs are going to map it
 * @prot: protection of these mappings
 * @noalias: the architecture finds the memory
 * @contiguous: in one chunk
 * @single: in pages
 */
struct pages_request {
	struct device *dev;
	size_t size;
	gfp_t gfp;
	enum dma_cache_policy policy;
	pgprot_t prot;
	bool noalias;
	bool contiguous;
	bool single;
};

int dma_backing_policy_prot(enum dma_cache_policy policy, pgprot_t *prot)
{
	return arch_dma_policy_prot(policy, prot);
}

/* The policy that @attrs ask for, of which there can be one. */
static int policy_of(struct device *dev, unsigned long attrs)
{
	switch (attrs & DMA_BACKING_POLICIES) {
	case 0:
		return !dev || dev_is_dma_coherent(dev) ? DMA_CACHE_CACHED :
							  DMA_CACHE_UNCACHED;
	case DMA_BACKING_CACHED:
		return DMA_CACHE_CACHED;
	case DMA_ATTR_WRITE_COMBINE:
		return DMA_CACHE_WRITE_COMBINE;
	case DMA_BACKING_UNCACHED:
		return DMA_CACHE_UNCACHED;
	default:
		return -EINVAL;
	}
}

/* One that can be had without it does without it. */
static struct page *alloc_chunk(const struct pages_request *req, size_t size)
{
	gfp_t gfp = req->gfp | __GFP_ZERO | __GFP_HIGHMEM;

	/* With this, it is rather nothing than memory with an alias */
	if (req->noalias)
		return arch_dma_alloc_noalias(req->dev, size,
				gfp | __GFP_NORETRY | __GFP_NOWARN, req->prot,
				NULL);
	if (size > PAGE_SIZE)
		gfp |= __GFP_NORETRY | __GFP_NOWARN;
	return alloc_pages_node(req->dev ? dev_to_node(req->dev) : NUMA_NO_NODE,
				gfp, get_order(size));
}

static void free_chunk(struct dma_backing *backing, struct page *page,
		       size_t size)
{
	switch (backing->origin) {
	case DMA_BACKING_NOALIAS:
		arch_dma_free_noalias(backing->dev, page, size);
		break;
	case DMA_BACKING_CONTIGUOUS:
		if (backing->dev) {
			dma_free_contiguous(backing->dev, page, size);
			break;
		}
		fallthrough;
	case DMA_BACKING_PAGES:
		__free_pages(page, get_order(size));
		break;
	default:
		break;
	}
}

void dma_backing_free_pages(struct dma_backing *backing)
{
	const struct dma_chunk *chunk;

	if (backing->origin <= DMA_BACKING_MMIO)
		return;

	/* A mapping that is flushed lazily is an alias for who gets this next */
	if (backing->was_mapped && backing->policy != DMA_CACHE_CACHED)
		vm_unmap_aliases();
	for_each_dma_chunk(chunk, backing)
		free_chunk(backing, phys_to_page(chunk->phys),
			   dma_chunk_len(chunk));
}

/* What no device and no CPU mapping finds in its way. */
static void clean_chunk(const struct pages_request *req, phys_addr_t phys,
			size_t size)
{
	if (req->policy == DMA_CACHE_CACHED) {
		if (req->dev && !dev_is_dma_coherent(req->dev))
			arch_sync_dma_for_device(phys, size, DMA_TO_DEVICE);
		return;
	}
	/* The architecture has done it */
	if (!req->noalias)
		dma_direct_drop_from_caches(phys_to_page(phys), size);
}

static void finish_pages(struct dma_backing *backing,
			 const struct pages_request *req)
{
	const struct dma_chunk *chunk;

	for_each_dma_chunk(chunk, backing)
		clean_chunk(req, chunk->phys, dma_chunk_len(chunk));
	arch_sync_dma_flush();
	backing->policy = req->policy;
	backing->cpu_dirty = !req->dev || dev_is_dma_coherent(req->dev);
}

static struct dma_backing *alloc_contiguous(const struct pages_request *req)
{
	bool direct = req->dev && !use_dma_iommu(req->dev);
	struct dma_backing *backing;
	struct page *page;
	size_t i;

	backing = dma_backing_new(req->dev, req->size, 1);
	if (!backing)
		return ERR_PTR(-ENOMEM);

	if (req->noalias)
		page = arch_dma_alloc_noalias(req->dev, req->size,
				req->gfp | __GFP_NORETRY, req->prot,
				direct ? dma_coherent_ok : NULL);
	else
		page = dma_direct_alloc_unmapped(req->dev, req->size, req->gfp,
						 direct);
	if (!page) {
		dma_backing_put(backing);
		return ERR_PTR(-ENOMEM);
	}

	for (i = 0; !req->noalias && i < req->size >> PAGE_SHIFT; i++)
		clear_highpage(page + i);
	backing->origin = req->noalias ? DMA_BACKING_NOALIAS :
					 DMA_BACKING_CONTIGUOUS;
	backing->chunk[0].phys = page_to_phys(page);
	return backing;
}

/* The pages of a chunk know how many they are until there is a place for that. */
static int collect_chunks(const struct pages_request *req,
			  struct list_head *pages)
{
	unsigned int i = req->single ? ARRAY_SIZE(chunk_sizes) - 1 : 0;
	size_t left = req->size;
	unsigned int count = 0;
	struct page *page;

	while (left) {
		if (fatal_signal_pending(current))
			return -EINTR;
		while (chunk_sizes[i] > left)
			i++;
		page = alloc_chunk(req, chunk_sizes[i]);
		if (!page) {
			if (++i == ARRAY_SIZE(chunk_sizes))
				return -ENOMEM;
			continue;
		}
		set_page_private(page, chunk_sizes[i]);
		list_add_tail(&page->lru, pages);
		left -= chunk_sizes[i];
		count++;
	}
	return count;
}

/* Give the chunks to the backing, beginning with the first that is not there. */
static void take_chunks(struct dma_backing *backing, struct list_head *pages)
{
	struct dma_chunk *chunk = backing->chunk;
	struct page *page, *next;
	size_t offset = 0;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		chunk->phys = page_to_phys(page);
		chunk->offset = offset;
		offset += page_private(page);
		set_page_private(page, 0);
		chunk++;
	}
}

static void drop_chunks(const struct pages_request *req,
			struct list_head *pages)
{
	struct dma_backing like = {
		.dev = req->dev,
		.origin = req->noalias ? DMA_BACKING_NOALIAS : DMA_BACKING_PAGES,
	};
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		size_t size = page_private(page);

		list_del(&page->lru);
		set_page_private(page, 0);
		free_chunk(&like, page, size);
	}
}

static struct dma_backing *alloc_scattered(const struct pages_request *req)
{
	struct dma_backing *backing = NULL;
	LIST_HEAD(pages);
	int count;

	count = collect_chunks(req, &pages);
	if (count > 0)
		backing = dma_backing_new(req->dev, req->size, count);
	if (!backing) {
		drop_chunks(req, &pages);
		return ERR_PTR(count < 0 ? count : -ENOMEM);
	}
	backing->origin = req->noalias ? DMA_BACKING_NOALIAS : DMA_BACKING_PAGES;
	take_chunks(backing, &pages);
	return backing;
}

static int check_device(struct device *dev)
{
	if (!dev)
		return 0;
	/* Xen, or a bus that translates; and all that has its memory elsewhere */
	if (get_dma_ops(dev) || is_swiotlb_for_alloc(dev) ||
	    force_dma_unencrypted(dev))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * dma_backing_alloc - Allocate memory for devices and CPUs to map
 * @dev: a device that is going to use it; NULL if that is not known yet
 * @size: size in bytes; rounded up to whole pages
 * @gfp: allocation flags
 * @attrs: DMA_BACKING_CACHED, DMA_ATTR_WRITE_COMBINE or DMA_BACKING_UNCACHED: the
 *	policy; DMA_ATTR_FORCE_CONTIGUOUS; DMA_ATTR_ALLOC_SINGLE_PAGES;
 *	DMA_ATTR_NO_WARN
 *
 * If no policy is asked for, it is what the coherent memory of @dev has: uncached
 * if @dev is not coherent. Without a device it is cached.
 *
 * If @dev has no IOMMU, the memory is contiguous and in its reach. Other devices
 * can be bound to it nevertheless, if it suits them.
 *
 * Nothing maps the memory; dma_backing_vmap(), dma_backing_mmap() and
 * dma_iova_bind() do. It is zeroed.
 *
 * Unlike DMA_ATTR_NO_KERNEL_MAPPING this is no hint, and what it returns no
 * cookie: James Bottomley asked for a function of its own in 2011.
 *
 * Context: Process context. May sleep.
 * Return: The backing, with a reference for the caller, which dma_backing_put()
 * drops. Or an ERR_PTR:
 *
 * * -EINVAL: the size is 0 or too large; @attrs ask for more than one policy, or
 *   for something else; @gfp does not allow to sleep.
 * * -EOPNOTSUPP: the architecture does not have the policy, or not on this
 *   machine; the DMA operations of @dev are not the common ones, or it can use
 *   only memory of a restricted pool, or unencrypted memory.
 * * -ENOMEM: there is not as much memory, or none without a cached alias.
 * * -EINTR: the process has been killed.
 */
struct dma_backing *dma_backing_alloc(struct device *dev, size_t size,
		gfp_t gfp, unsigned long attrs)
{
	struct pages_request req = {
		.dev = dev,
		.size = PAGE_ALIGN(size),
		.gfp = gfp & ~(GFP_ZONEMASK | __GFP_COMP | __GFP_ZERO),
		.prot = PAGE_KERNEL,
		.contiguous = attrs & DMA_ATTR_FORCE_CONTIGUOUS ||
			      (dev && !use_dma_iommu(dev)),
		.single = attrs & DMA_ATTR_ALLOC_SINGLE_PAGES,
	};
	struct dma_backing *backing;
	int policy, ret;

	policy = policy_of(dev, attrs);
	if (policy < 0 || !req.size || !gfpflags_allow_blocking(gfp) ||
	    attrs & ~(DMA_BACKING_POLICIES | DMA_ATTR_FORCE_CONTIGUOUS |
		      DMA_ATTR_ALLOC_SINGLE_PAGES | DMA_ATTR_NO_WARN))
		return ERR_PTR(-EINVAL);
	ret = check_device(dev);
	if (!ret)
		ret = dma_backing_policy_prot(policy, &req.prot);
	if (ret)
		return ERR_PTR(ret);

	if (req.size >> PAGE_SHIFT > totalram_pages())
		return ERR_PTR(-ENOMEM);

	/* The page allocator complains of what it never can do, CMA may */
	if (attrs & DMA_ATTR_NO_WARN || get_order(req.size) > MAX_PAGE_ORDER)
		req.gfp |= __GFP_NOWARN;
	req.policy = policy;
	req.noalias = policy != DMA_CACHE_CACHED && arch_dma_avoid_alias(NULL);

	backing = req.contiguous ? alloc_contiguous(&req) :
				   alloc_scattered(&req);
	if (IS_ERR(backing))
		return backing;
	finish_pages(backing, &req);
	dma_backing_list(backing);
	return backing;
}
EXPORT_SYMBOL_GPL(dma_backing_alloc);

/* What the caller has, in pieces that are contiguous. */
struct wrap_request {
	unsigned long attrs;
	void (*release)(void *priv);
	void *priv;
	struct module *owner;
	size_t size;
	unsigned int nr_chunks;
	phys_addr_t next;
	struct dma_backing *backing;
};

/* What else is in the memory map of a device is neither the one nor the other. */
static bool is_memory(phys_addr_t phys)
{
	return pfn_valid(PHYS_PFN(phys)) &&
	       !is_zone_device_page(phys_to_page(phys));
}

static bool is_mmio(phys_addr_t phys)
{
	return !pfn_valid(PHYS_PFN(phys)) ||
	       is_pci_p2pdma_page(phys_to_page(phys));
}

/* There is memory that the kernel was told not to map: no cache can be cleaned. */
static bool is_mapped(phys_addr_t phys)
{
	return !IS_ENABLED(CONFIG_ARCH_KEEP_MEMBLOCK) ||
	       memblock_is_map_memory(phys);
}

static int check_piece(const struct wrap_request *wrap, phys_addr_t phys,
		       size_t len)
{
	bool mmio = wrap->attrs & DMA_ATTR_MMIO;
	phys_addr_t last;

	if (!len || !PAGE_ALIGNED(phys) || !PAGE_ALIGNED(len) ||
	    check_add_overflow(phys, (phys_addr_t)len - 1, &last))
		return -EINVAL;
	/* The one and the other have different policies */
	for (; len; phys += PAGE_SIZE, len -= PAGE_SIZE)
		if (mmio ? !is_mmio(phys) :
			   !is_memory(phys) || !is_mapped(phys))
			return -EINVAL;
	return 0;
}

/* Called for each piece twice: to count, and when there is a backing. */
static int wrap_piece(struct wrap_request *wrap, phys_addr_t phys, size_t len)
{
	bool adjacent = wrap->nr_chunks && phys == wrap->next;
	int ret;

	if (!wrap->backing) {
		ret = check_piece(wrap, phys, len);
		if (ret)
			return ret;
	} else if (!adjacent) {
		wrap->backing->chunk[wrap->nr_chunks].phys = phys;
		wrap->backing->chunk[wrap->nr_chunks].offset = wrap->size;
	}
	wrap->nr_chunks += !adjacent;
	wrap->next = phys + len;
	return check_add_overflow(wrap->size, len, &wrap->size) ? -EINVAL : 0;
}

static int wrap_attrs_ok(unsigned long attrs)
{
	unsigned long policy = attrs & DMA_BACKING_POLICIES;

	if (attrs & DMA_ATTR_MMIO)
		return !policy || policy == DMA_BACKING_UNCACHED;
	return !policy || policy == DMA_BACKING_CACHED;
}

static struct dma_backing *wrap_memory(struct wrap_request *wrap,
		int (*each)(struct wrap_request *wrap, const void *what,
			    unsigned int count),
		const void *what, unsigned int count)
{
	bool mmio = wrap->attrs & DMA_ATTR_MMIO;
	struct dma_backing *backing;
	int ret;

	if (!wrap_attrs_ok(wrap->attrs) ||
	    wrap->attrs & ~(DMA_BACKING_POLICIES | DMA_ATTR_MMIO))
		return ERR_PTR(-EINVAL);
	ret = each(wrap, what, count);
	if (ret || !wrap->nr_chunks)
		return ERR_PTR(ret ?: -EINVAL);

	backing = dma_backing_new(NULL, wrap->size, wrap->nr_chunks);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	backing->origin = mmio ? DMA_BACKING_MMIO : DMA_BACKING_WRAPPED;
	backing->policy = mmio ? DMA_CACHE_UNCACHED : DMA_CACHE_CACHED;
	backing->cpu_dirty = true;
	ret = dma_backing_set_release(backing, wrap->release, wrap->priv,
				      wrap->owner);
	if (ret) {
		dma_backing_put(backing);
		return ERR_PTR(ret);
	}

	wrap->backing = backing;
	wrap->size = 0;
	wrap->nr_chunks = 0;
	each(wrap, what, count);
	dma_backing_list(backing);
	return backing;
}

static int wrap_each_phys(struct wrap_request *wrap, const void *what,
			  unsigned int count)
{
	const struct phys_vec *vec = what;
	int ret = 0;

	for (; count && !ret; count--, vec++)
		ret = wrap_piece(wrap, vec->paddr, vec->len);
	return ret;
}

static int wrap_each_page(struct wrap_request *wrap, const void *what,
			  unsigned int count)
{
	struct page *const *pages = what;
	int ret = 0;

	for (; count && !ret; count--, pages++)
		ret = wrap_piece(wrap, page_to_phys(*pages), PAGE_SIZE);
	return ret;
}

static int wrap_each_entry(struct wrap_request *wrap, const void *what,
			   unsigned int count)
{
	const struct sg_table *sgt = what;
	struct scatterlist *sg;
	int i, ret;

	for_each_sgtable_sg(sgt, sg, i) {
		ret = wrap_piece(wrap, sg_phys(sg), sg->length);
		if (ret)
			return ret;
	}
	return 0;
}

struct dma_backing *__dma_backing_from_phys(const struct phys_vec *vec,
		unsigned int count, unsigned long attrs,
		void (*release)(void *priv), void *priv, struct module *owner)
{
	struct wrap_request wrap = {
		.attrs = attrs, .release = release, .priv = priv,
		.owner = owner,
	};

	return wrap_memory(&wrap, wrap_each_phys, vec, count);
}
EXPORT_SYMBOL_GPL(__dma_backing_from_phys);

struct dma_backing *__dma_backing_from_pages(struct page **pages,
		unsigned int count, unsigned long attrs,
		void (*release)(void *priv), void *priv, struct module *owner)
{
	struct wrap_request wrap = {
		.attrs = attrs, .release = release, .priv = priv,
		.owner = owner,
	};

	if (attrs & DMA_ATTR_MMIO)
		return ERR_PTR(-EINVAL);
	return wrap_memory(&wrap, wrap_each_page, pages, count);
}
EXPORT_SYMBOL_GPL(__dma_backing_from_pages);

struct dma_backing *__dma_backing_from_sg(struct sg_table *sgt,
		unsigned long attrs, void (*release)(void *priv), void *priv,
		struct module *owner)
{
	struct wrap_request wrap = {
		.attrs = attrs, .release = release, .priv = priv,
		.owner = owner,
	};

	if (attrs & DMA_ATTR_MMIO)
		return ERR_PTR(-EINVAL);
	return wrap_memory(&wrap, wrap_each_entry, sgt, 0);
}
EXPORT_SYMBOL_GPL(__dma_backing_from_sg);
