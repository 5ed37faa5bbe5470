// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is mapped uncached and has no cached mapping beside that.
 *
 * Coherent memory of a device that does not snoop the caches is mapped
 * uncached, or write-combined, which is cached no more. Since ARMv6 a CPU may
 * fetch lines through any cacheable mapping of the same page, whether or not
 * anybody uses it, and ARMv7 leaves open what an access through the uncached
 * mapping finds then. So there has to be none.
 *
 * Lowmem is mapped with sections, and these cannot be split at run time: all
 * page tables have a copy of them. That leaves two kinds of pages:
 *
 *   - highmem, which has no permanent mapping;
 *   - what the linear mapping has in single pages, which is the contiguous
 *     memory areas (dma_contiguous_remap()): its entries are made uncached for
 *     as long as the memory is, and cached again when it is freed.
 *
 * If there is neither, the allocation is made nevertheless and its linear
 * mapping stays cached. It is counted in debugfs, in
 *
 *   dma-mapping/cached_alias_pages	pages like that in use now
 *   dma-mapping/cached_alias_total	pages like that ever allocated
 *
 * What a page is follows from the page tables, at the end as at the beginning,
 * so nothing has to be recorded for an allocation.
 *
 * A page that comes from the allocator can have left-over mappings from its
 * former life as well: an entry that kmap() keeps for reuse, and TLB entries of
 * vmalloc areas that are flushed lazily.
 *
 * Allocation sleeps, arm_dma_restore_linear() and what is made of it does not.
 * There are no locks: all of this works on pages that nobody else has.
 */
#include <linux/atomic.h>
#include <linux/cma.h>
#include <linux/debugfs.h>
#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include <asm/cacheflush.h>
#include <asm/dma-mapping-common.h>
#include <asm/tlbflush.h>

#include "dma.h"
#include "mm.h"

static atomic_t cached_alias_pages = ATOMIC_INIT(0);
static atomic_t cached_alias_total = ATOMIC_INIT(0);

static int set_linear_pte(pte_t *pte, unsigned long addr, void *data)
{
	pgprot_t *prot = data;

	set_pte_ext(pte, mk_pte(virt_to_page((void *)addr), *prot), 0);
	return 0;
}

static bool linear_in_pages(unsigned long addr)
{
	pmd_t *pmd = pmd_off_k(addr);

	/* Without LPAE these are pairs, and a section may be half of one */
	if (!IS_ENABLED(CONFIG_ARM_LPAE) && addr & SECTION_SIZE)
		pmd++;
	return (pmd_val(*pmd) & PMD_TYPE_MASK) == PMD_TYPE_TABLE;
}

/*
 * Give those parts of the linear mapping that are made of pages this protection.
 * Returns how many pages are in parts that are not.
 */
static unsigned int set_linear_prot(struct page *page, size_t size,
				    pgprot_t prot)
{
	unsigned long addr = (unsigned long)page_address(page);
	unsigned long next, end = addr + size;
	unsigned int left = 0;

	for (; addr != end; addr = next) {
		next = min(ALIGN(addr + 1, SECTION_SIZE), end);
		if (linear_in_pages(addr)) {
			apply_to_page_range(&init_mm, addr, next - addr,
					    set_linear_pte, &prot);
			flush_tlb_kernel_range(addr, next);
		} else {
			left += (next - addr) >> PAGE_SHIFT;
		}
	}
	return left;
}

static void drop_kmap(struct page *page, size_t size)
{
	struct page *end = page + (size >> PAGE_SHIFT);

	for (; page < end; page++) {
		if (page_address(page)) {
			kmap_flush_unused();
			return;
		}
	}
}

/**
 * arm_dma_drop_alias - leave no cached mapping of pages
 * @page: the first page
 * @size: size in bytes, whole pages
 * @prot: protection of the uncached mappings that will be made
 *
 * For physically contiguous pages that nobody uses. The caches hold nothing of
 * them afterwards. Where the linear mapping cannot be changed it stays cached,
 * and the pages are counted. Sleeps.
 */
void arm_dma_drop_alias(struct page *page, size_t size, pgprot_t prot)
{
	unsigned int left;

	if (PageHighMem(page)) {
		drop_kmap(page, size);
	} else {
		/* what is dirty must be written while the mapping is cached */
		arch_dma_prep_coherent(page, size);
		left = set_linear_prot(page, size, prot);
		atomic_add(left, &cached_alias_pages);
		atomic_add(left, &cached_alias_total);
	}
	vm_unmap_aliases();
	/* speculation may have fetched lines until here */
	arch_dma_prep_coherent(page, size);
}

/**
 * arm_dma_restore_linear - take back what arm_dma_drop_alias() did
 * @page: the first page
 * @size: size in bytes, whole pages; can be a part
 *
 * The uncached mappings must be gone.
 */
void arm_dma_restore_linear(struct page *page, size_t size)
{
	if (PageHighMem(page))
		return;
	arch_dma_prep_coherent(page, size);
	atomic_sub(set_linear_prot(page, size, PAGE_KERNEL),
		   &cached_alias_pages);
}

static void free_each_page(struct page *page, unsigned int count)
{
	while (count--)
		__free_page(page++);
}

/* Contiguous pages from the page allocator, each with a reference of its own */
static struct page *alloc_each_page(size_t size, gfp_t gfp)
{
	unsigned int order = get_order(size), count = size >> PAGE_SHIFT;
	struct page *page = alloc_pages(gfp & ~__GFP_ZERO, order);

	if (!page)
		return NULL;
	split_page(page, order);
	free_each_page(page + count, (1U << order) - count);
	return page;
}

static bool in_reach(struct device *dev, struct page *page, size_t size,
		     gfp_t gfp,
		     bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	phys_addr_t phys = page_to_phys(page);

	/* Whom the DMA zone is for can reach beyond it, to where highmem is */
	if ((gfp & __GFP_DMA) && phys + size - 1 > arm_dma_limit)
		return false;
	return !phys_ok || phys_ok(dev, phys, size);
}

static struct page *alloc_highmem(struct device *dev, size_t size, gfp_t gfp,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	struct page *page;

	if (!totalhigh_pages())
		return NULL;

	page = alloc_each_page(size, (gfp & ~__GFP_DMA) | __GFP_HIGHMEM |
				     __GFP_NOWARN | __GFP_NORETRY);
	if (!page || (PageHighMem(page) &&
		      in_reach(dev, page, size, gfp, phys_ok)))
		return page;
	free_each_page(page, size >> PAGE_SHIFT);
	return NULL;
}

static struct page *alloc_cma(struct device *dev, size_t size, gfp_t gfp,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	unsigned int count = size >> PAGE_SHIFT;
	struct page *page;

	page = dma_alloc_from_contiguous(dev, count, get_order(size), true);
	if (!page || in_reach(dev, page, size, gfp, phys_ok))
		return page;
	dma_release_from_contiguous(dev, page, count);
	return NULL;
}

static struct page *alloc_lowmem(struct device *dev, size_t size, gfp_t gfp,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	struct page *page;

	gfp &= ~__GFP_HIGHMEM;
	page = alloc_each_page(size, gfp);
	if (!page || in_reach(dev, page, size, gfp, phys_ok))
		return page;
	free_each_page(page, size >> PAGE_SHIFT);

	if (!IS_ENABLED(CONFIG_ZONE_DMA) || (gfp & __GFP_DMA))
		return NULL;
	gfp |= __GFP_DMA;
	page = alloc_each_page(size, gfp);
	if (!page || in_reach(dev, page, size, gfp, phys_ok))
		return page;
	free_each_page(page, size >> PAGE_SHIFT);
	return NULL;
}

/*
 * A device's own area is there for a reason, and comes before highmem. So does the
 * default area if the device sees physical addresses: its place may be all that is
 * known of what the device reaches. As elsewhere, that is not for single pages.
 */
static bool area_is_first(struct device *dev, size_t size, bool direct)
{
	return dev_get_cma_area(dev) != dev_get_cma_area(NULL) ||
	       (direct && size > PAGE_SIZE);
}

static struct page *alloc_any(struct device *dev, size_t size, gfp_t gfp,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	bool area_first = area_is_first(dev, size, phys_ok);
	struct page *page = NULL;

	if (!area_first)
		page = alloc_highmem(dev, size, gfp, phys_ok);
	if (!page && dev_get_cma_area(dev))
		page = alloc_cma(dev, size, gfp, phys_ok);
	if (!page && area_first)
		page = alloc_highmem(dev, size, gfp, phys_ok);
	if (page)
		return page;
	/* Rather smaller pieces than an alias, if these can be without one */
	if ((gfp & __GFP_NORETRY) && (totalhigh_pages() || dev_get_cma_area(dev)))
		return NULL;
	return alloc_lowmem(dev, size, gfp, phys_ok);
}

/* Described in <asm-generic/dma-mapping-common.h> */
struct page *arm_dma_alloc_noalias(struct device *dev, size_t size, gfp_t gfp,
		pgprot_t prot,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	struct page *page;
	unsigned int i;

	/* ARM has no such zone, but the common code asks for it */
	page = alloc_any(dev, size, gfp & ~__GFP_DMA32, phys_ok);
	if (!page)
		return NULL;
	for (i = 0; i < size >> PAGE_SHIFT; i++)
		clear_highpage(page + i);
	arm_dma_drop_alias(page, size, prot);
	return page;
}

void arm_dma_free_noalias(struct device *dev, struct page *page, size_t size)
{
	unsigned int count = size >> PAGE_SHIFT;

	arm_dma_restore_linear(page, size);
	if (!dma_release_from_contiguous(dev, page, count))
		free_each_page(page, count);
}

/* Described in <asm-generic/dma-mapping-common.h> */
int arm_dma_policy_prot(enum dma_cache_policy policy, pgprot_t *prot)
{
	if (policy == DMA_CACHE_CACHED)
		return 0;
	/* All there is keeps its cached alias in the linear mapping */
	if (!totalhigh_pages() && !dev_get_cma_area(NULL))
		return -EOPNOTSUPP;
	*prot = policy == DMA_CACHE_UNCACHED ? pgprot_dmacoherent(*prot) :
					       pgprot_writecombine(*prot);
	return 0;
}

static int __init dma_alias_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("dma-mapping", NULL);

	debugfs_create_atomic_t("cached_alias_pages", 0444, dir,
				&cached_alias_pages);
	debugfs_create_atomic_t("cached_alias_total", 0444, dir,
				&cached_alias_total);
	return 0;
}
late_initcall(dma_alias_debugfs_init);
