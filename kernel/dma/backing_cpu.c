// SPDX-License-Identifier: GPL-2.0
/*
 * CPU mappings of a backing
 *
 * The kernel maps a backing once, as a whole, and counts who asked for it. User
 * space maps parts of it, as often as it wants; each mmap() call is on record
 * once, with the range that it had then. What becomes of it, by fork(), munmap()
 * of a part, or mremap(), is counted: vm_ops->open() cannot fail.
 *
 * All CPU mappings have the policy of the backing. They are no matter of devices:
 * dma_iova_bind() makes none.
 *
 * A user mapping is of page frames, not of struct page: nobody else can take
 * references on the memory through it.
 *
 * Locking: backing->vmap_lock serialises making and removing the kernel mapping.
 * backing->lock nests in it.
 *
 * Context: all of this sleeps.
 */
#include <linux/cacheinfo.h>
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "backing.h"

static_assert(sizeof(struct dma_user_map) <= 128);

static int check_cpu_mapping(struct dma_backing *backing, unsigned long attrs)
{
	if (attrs & ~DMA_BACKING_POLICIES)
		return -EINVAL;
	/* Every mapping would have to be flushed for each of the others */
	if (backing->policy == DMA_CACHE_CACHED && cpu_dcache_is_aliasing())
		return -EOPNOTSUPP;
	return dma_backing_check_policy(backing, attrs);
}

/* Record a CPU mapping, before it is made. */
static int add_cpu_mapping(struct dma_backing *backing,
			   struct dma_mapper *mapper)
{
	int ret;

	mapper->dir = DMA_BIDIRECTIONAL;
	mapper->coherent = true;
	mapper->live = true;

	guard(spinlock_irqsave)(&backing->lock);
	if (backing->cpu_maps >= dma_backing_max_cpu_mappings(backing->dev))
		return -EBUSY;
	ret = dma_backing_can_add_space(backing);
	if (ret)
		return ret;
	backing->cpu_maps++;
	dma_backing_add_mapper(backing, mapper);
	return 0;
}

/* The reference of the mapping is the caller's then. */
static void del_cpu_mapping(struct dma_backing *backing,
			    struct dma_mapper *mapper)
{
	guard(spinlock_irqsave)(&backing->lock);
	backing->cpu_maps--;
	dma_backing_del_mapper(backing, mapper);
}

static int put_page_in_array(phys_addr_t phys, size_t len, void *data)
{
	struct page ***next = data;
	struct page *page = phys_to_page(phys);

	for (; len; len -= PAGE_SIZE)
		*(*next)++ = page++;
	return 0;
}

static void *backing_vmap(struct dma_backing *backing)
{
	unsigned int count = backing->size >> PAGE_SHIFT;
	struct page **pages, **next;
	pgprot_t prot = PAGE_KERNEL;
	void *vaddr = NULL;
	int ret;

	ret = dma_backing_pgprot(backing, &prot);
	if (ret)
		return ERR_PTR(ret);

	pages = kvmalloc_objs(*pages, count);
	if (!pages)
		return ERR_PTR(-ENOMEM);
	next = pages;
	ret = dma_backing_for_each_chunk(backing, 0, backing->size,
					 put_page_in_array, &next);
	if (!ret)
		vaddr = vmap(pages, count, VM_MAP, prot);
	kvfree(pages);
	return vaddr ?: ERR_PTR(ret ?: -ENOMEM);
}

/**
 * dma_backing_vmap - Map a backing in the kernel
 * @backing: the backing
 * @attrs: the policy that the caller counts on, or 0
 *
 * All callers share one mapping of the whole backing. What is read there, and what
 * is written, is for dma_backing_begin_cpu_access() to say.
 *
 * Context: Process context. May sleep.
 * Return: The address. Or an ERR_PTR, and nothing has changed:
 *
 * * -EINVAL: the policy of the backing is another one, or @attrs are not a policy.
 * * -EBUSY: the architecture allows no further CPU mapping; a device that is bound
 *   has to take part in the coherency protocol with it, and the backing is not
 *   the CPU's.
 * * -EOPNOTSUPP: it is no memory; the CPU's caches would show several mappings in
 *   different states; or it is somebody else's, who cannot map it, or @attrs are
 *   not 0.
 * * -ENOMEM: no address space, or no memory for the page tables.
 */
void *dma_backing_vmap(struct dma_backing *backing, unsigned long attrs)
{
	void *vaddr;
	int ret;

	if (backing->ops)
		return foreign_vmap(backing, attrs);
	ret = check_cpu_mapping(backing, attrs);
	if (ret)
		return ERR_PTR(ret);
	if (backing->origin == DMA_BACKING_MMIO)
		return ERR_PTR(-EOPNOTSUPP);

	guard(mutex)(&backing->vmap_lock);
	if (backing->vmaps) {
		backing->vmaps++;
		return backing->vaddr;
	}

	backing->kernel.kind = DMA_MAPPER_KERNEL;
	backing->kernel.offset = 0;
	backing->kernel.len = backing->size;
	ret = add_cpu_mapping(backing, &backing->kernel);
	if (ret)
		return ERR_PTR(ret);

	vaddr = backing_vmap(backing);
	if (IS_ERR(vaddr)) {
		del_cpu_mapping(backing, &backing->kernel);
		/* Not the last: the caller has one */
		dma_backing_put(backing);
		return vaddr;
	}
	backing->vaddr = vaddr;
	backing->vmaps = 1;
	backing->was_mapped = true;
	return vaddr;
}
EXPORT_SYMBOL_GPL(dma_backing_vmap);

/**
 * dma_backing_vunmap - Undo dma_backing_vmap()
 * @backing: the backing
 *
 * With the last caller the mapping goes.
 *
 * Context: Process context. May sleep.
 */
void dma_backing_vunmap(struct dma_backing *backing)
{
	if (backing->ops) {
		foreign_vunmap(backing);
		return;
	}
	scoped_guard(mutex, &backing->vmap_lock) {
		if (WARN_ON_ONCE(!backing->vmaps))
			return;
		if (--backing->vmaps)
			return;
		vunmap(backing->vaddr);
		backing->vaddr = NULL;
		del_cpu_mapping(backing, &backing->kernel);
	}
	dma_backing_put(backing);
}
EXPORT_SYMBOL_GPL(dma_backing_vunmap);

static void user_map_open(struct vm_area_struct *vma)
{
	struct dma_user_map *map = vma->vm_private_data;

	refcount_inc(&map->count);
}

static void user_map_close(struct vm_area_struct *vma)
{
	struct dma_user_map *map = vma->vm_private_data;
	struct dma_backing *backing = map->mapper.backing;

	if (!refcount_dec_and_test(&map->count))
		return;
	del_cpu_mapping(backing, &map->mapper);
	kfree(map);
	dma_backing_put(backing);
}

const struct vm_operations_struct dma_user_map_ops = {
	.open	= user_map_open,
	.close	= user_map_close,
};

/* The protection that the policy wants, if nobody wants another. */
static int user_map_prot(struct dma_backing *backing,
			 struct vm_area_struct *vma, pgprot_t *prot)
{
	pgprot_t plain = vm_get_page_prot(vma->vm_flags);
	int ret;

	*prot = plain;
	ret = dma_backing_pgprot(backing, prot);
	if (ret)
		return ret;
	if (pgprot_val(vma->vm_page_prot) != pgprot_val(plain) &&
	    pgprot_val(vma->vm_page_prot) != pgprot_val(*prot))
		return -EINVAL;
	return 0;
}

struct user_map_fill {
	struct vm_area_struct *vma;
	unsigned long addr;
	pgprot_t prot;
};

static int map_chunk(phys_addr_t phys, size_t len, void *data)
{
	struct user_map_fill *fill = data;
	int ret;

	ret = remap_pfn_range(fill->vma, fill->addr, PHYS_PFN(phys), len,
			      fill->prot);
	fill->addr += len;
	return ret;
}

static int user_map_range(struct dma_backing *backing,
			  struct vm_area_struct *vma, struct dma_mapper *mapper)
{
	unsigned long count = backing->size >> PAGE_SHIFT;

	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;
	/* A private page of its own would be nobody's */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	mapper->offset = vma->vm_pgoff << PAGE_SHIFT;
	mapper->len = vma->vm_end - vma->vm_start;
	return 0;
}

/**
 * dma_backing_mmap - Map a part of a backing to user space
 * @backing: the backing
 * @vma: where; its vm_pgoff is the start of the part, in pages
 * @attrs: the policy that the caller counts on, or 0
 *
 * For the mmap() method of a file. Sets the protection and the operations of @vma,
 * and takes its vm_private_data. The mapping keeps the backing.
 *
 * O_DIRECT and the like do not work there, and fail with EFAULT: who would take
 * references on the pages would be no mapper that is known.
 *
 * Context: Process context, with the mmap lock for writing.
 * Return: 0, or an error, and then nothing is mapped:
 *
 * * -ENXIO: it is not a part of the backing.
 * * -EINVAL: the policy of the backing is another one, or @vma has been given a
 *   protection for another one; it is private, and can be made writable.
 * * -EBUSY, -EOPNOTSUPP: as for dma_backing_vmap().
 * * What the one returns who maps it, if it is somebody else's.
 * * -ENOMEM: no memory for the record or for page tables.
 */
int dma_backing_mmap(struct dma_backing *backing, struct vm_area_struct *vma,
		     unsigned long attrs)
{
	struct user_map_fill fill = { .vma = vma, .addr = vma->vm_start };
	struct dma_user_map *map;
	int ret;

	if (backing->ops)
		return foreign_mmap(backing, vma, attrs);
	ret = check_cpu_mapping(backing, attrs);
	if (!ret)
		ret = user_map_prot(backing, vma, &fill.prot);
	if (ret)
		return ret;

	map = kzalloc_obj(*map);
	if (!map)
		return -ENOMEM;
	refcount_set(&map->count, 1);
	map->mapper.kind = DMA_MAPPER_USER;
	ret = user_map_range(backing, vma, &map->mapper);
	if (!ret)
		ret = add_cpu_mapping(backing, &map->mapper);
	if (ret) {
		kfree(map);
		return ret;
	}

	ret = dma_backing_for_each_chunk(backing, map->mapper.offset,
					 map->mapper.len, map_chunk, &fill);
	if (ret) {
		/* Of the chunk that failed nothing is mapped, but of those before */
		zap_special_vma_range(vma, vma->vm_start, map->mapper.len);
		del_cpu_mapping(backing, &map->mapper);
		kfree(map);
		dma_backing_put(backing);
		return ret;
	}
	vma->vm_page_prot = fill.prot;
	vma->vm_private_data = map;
	vma->vm_ops = &dma_user_map_ops;
	return 0;
}
EXPORT_SYMBOL_GPL(dma_backing_mmap);
