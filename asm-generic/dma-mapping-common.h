/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an architecture decides about DMA mappings.
 *
 * The code in kernel/dma/ and drivers/iommu/dma-iommu.c is common to all
 * architectures. Where they differ it asks one of the functions below. Each
 * has a default here; an architecture that wants another answer provides its
 * own <asm/dma-mapping-common.h>, which defines the function and a macro of
 * the same name, and then includes this file.
 *
 * Some questions have their answer elsewhere, and it is used as it is:
 *
 *   - which page protection a cache policy means: dma_pgprot(), which is made
 *     of pgprot_dmacoherent() and pgprot_writecombine();
 *   - how the caches are emptied of memory that is about to be used through
 *     an uncached mapping: arch_dma_prep_coherent().
 *
 * This is for those who implement the DMA API: neither drivers nor headers in
 * include/linux/ include it. All of it may be called in atomic context unless
 * the function says that it sleeps.
 */
#ifndef _ASM_GENERIC_DMA_MAPPING_COMMON_H
#define _ASM_GENERIC_DMA_MAPPING_COMMON_H

#include <linux/dma-backing.h>
#include <linux/dma-map-ops.h>
#include <linux/sizes.h>

/**
 * arch_dma_share - whether a device is to take part in the coherency protocol
 * @dev: the device
 * @spaces: how many address spaces map the memory, this one included; 0 if
 *	they are not counted
 *
 * Decides whether a translation is made with IOMMU_CACHE. It is asked when the
 * translation is made, and the answer holds for as long as that exists: live
 * entries are never changed.
 *
 * What the device is told has to agree with what is done to the CPU's caches.
 * The dma_map_*(), dma_alloc_*() and dma_iova_*() calls do not count who maps
 * the memory, and their dma_sync_*() calls know the device alone: with @spaces
 * of 0 the answer has to be dev_is_dma_coherent(). Whoever counts keeps the
 * answer with the mapping, and cleans and invalidates by that.
 *
 * The default is coherent exactly if the device is, whoever else maps the
 * memory.
 *
 * Return: true if the mapping takes part in the coherency of the caches, false if
 * the caches have to be cleaned and invalidated for it.
 */
#ifndef arch_dma_share
static inline bool arch_dma_share(struct device *dev, unsigned int spaces)
{
	return dev_is_dma_coherent(dev);
}
#define arch_dma_share arch_dma_share
#endif

/**
 * arch_dma_max_cpu_mappings - how many coherent CPU mappings a buffer may have
 * @dev: the device
 *
 * Counts the mappings of a coherent buffer in the kernel and in user space.
 * Where the caches are indexed by virtual addresses and cannot be turned off
 * for a range, only one designated mapping can be kept coherent. Such an
 * architecture says 1: a buffer that has a kernel mapping is not mapped to user
 * space then, and one that is meant for user space is allocated with
 * DMA_ATTR_NO_KERNEL_MAPPING. 0 makes no sense.
 *
 * The default is that there is no limit.
 *
 * Return: how many mappings there may be at a time.
 */
#ifndef arch_dma_max_cpu_mappings
static inline unsigned int arch_dma_max_cpu_mappings(struct device *dev)
{
	return UINT_MAX;
}
#define arch_dma_max_cpu_mappings arch_dma_max_cpu_mappings
#endif

/**
 * arch_dma_avoid_alias - whether uncached memory is the architecture's to find
 * @dev: the device that will use the memory; NULL for any that is not coherent
 *
 * Page tables that map one page cached in one place and uncached in another are
 * more than untidy: on some CPUs the cached mapping alone, without an access,
 * can bring back a stale line. Where the kernel's linear mapping cannot just be
 * changed, which pages have no cached mapping, or can lose it, is something the
 * architecture knows.
 *
 * If true, memory that @dev uses through an uncached mapping is allocated by
 * arch_dma_alloc_noalias() and freed by arch_dma_free_noalias(). The answer must
 * not change between the two.
 *
 * The default is that the common code allocates it like all other memory.
 *
 * Return: true if it is the architecture's to find.
 */
#ifndef arch_dma_avoid_alias
static inline bool arch_dma_avoid_alias(struct device *dev)
{
	return false;
}
#define arch_dma_avoid_alias arch_dma_avoid_alias
#endif

/**
 * arch_dma_alloc_noalias - allocate memory for uncached use
 * @dev: the device, or NULL
 * @size: size in bytes, whole pages
 * @gfp: allocation flags. With __GFP_NORETRY the caller can do with less, and
 *	gets nothing rather than a cached alias. GFP_DMA asks for memory that those
 *	reach whom there is a DMA zone for, which need not be in that zone
 * @prot: protection of the mappings that will be made
 * @phys_ok: whether @dev reaches this memory; NULL if it reaches all
 *
 * Each page has a reference of its own. Sleeps.
 *
 * Return: the first of physically contiguous pages, NULL if there are none. They
 * are zeroed, the caches hold nothing of them, and they have no cached mapping
 * left if the architecture can help it. If it cannot, the allocation works
 * nevertheless, and the architecture counts it where the administrator finds it.
 */
#ifndef arch_dma_alloc_noalias
static inline struct page *arch_dma_alloc_noalias(struct device *dev,
		size_t size, gfp_t gfp, pgprot_t prot,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t))
{
	return NULL;
}
#define arch_dma_alloc_noalias arch_dma_alloc_noalias
#endif

/**
 * arch_dma_free_noalias - free what arch_dma_alloc_noalias() returned
 * @dev: the same device
 * @page: the first page
 * @size: size in bytes, whole pages; can be a part of what was allocated
 *
 * The uncached mappings must be gone. The pages can be used like all others
 * afterwards.
 */
#ifndef arch_dma_free_noalias
static inline void arch_dma_free_noalias(struct device *dev, struct page *page,
		size_t size)
{
}
#define arch_dma_free_noalias arch_dma_free_noalias
#endif

/**
 * arch_dma_policy_prot - how the CPU maps memory with a cache policy
 * @policy: the policy
 * @prot: protection of a cached mapping; changed to what the policy means
 *
 * A policy that says uncached needs memory that has no cached mapping, or an
 * architecture that can live with one.
 *
 * The default is what the coherent memory of a device that is not coherent is
 * mapped with, if there can be such devices.
 *
 * Return: 0, or -EOPNOTSUPP for a policy that there is not, on this architecture
 * or on this machine.
 */
#ifndef arch_dma_policy_prot
static inline int arch_dma_policy_prot(enum dma_cache_policy policy,
				       pgprot_t *prot)
{
	if (policy == DMA_CACHE_CACHED)
		return 0;
	/* There are machines that have but one kind of mapping */
	if (!IS_ENABLED(CONFIG_DMA_NONCOHERENT_MMAP) ||
	    pgprot_val(pgprot_writecombine(PAGE_KERNEL)) ==
	    pgprot_val(PAGE_KERNEL))
		return -EOPNOTSUPP;
	if (policy == DMA_CACHE_UNCACHED)
		*prot = pgprot_dmacoherent(*prot);
	else
		*prot = pgprot_writecombine(*prot);
	return 0;
}
#define arch_dma_policy_prot arch_dma_policy_prot
#endif

/**
 * arch_dma_sync_cpu_invalidates - whether arch_sync_dma_for_cpu() does it all
 *
 * Before the CPU reads what a device has written, the caches must not hold
 * anything of it. CPUs that speculate can fetch it at any time, so there
 * arch_sync_dma_for_cpu() invalidates. Those that do not may leave it to
 * arch_sync_dma_for_device(), which is called before the device writes when the
 * memory is a device's by turns. Memory that stays with the device gets no such
 * call, and both are made when it is handed over.
 *
 * The default is that both are needed, which is right everywhere.
 *
 * Return: true if nothing is in the caches after arch_sync_dma_for_cpu() alone.
 */
#ifndef arch_dma_sync_cpu_invalidates
static inline bool arch_dma_sync_cpu_invalidates(void)
{
	return false;
}
#define arch_dma_sync_cpu_invalidates arch_dma_sync_cpu_invalidates
#endif

/*
 * How large the pools for coherent allocations in atomic context are at least
 * when the system starts.
 */
#ifndef ARCH_DMA_POOL_MIN_SIZE
#define ARCH_DMA_POOL_MIN_SIZE	SZ_128K
#endif

#endif /* _ASM_GENERIC_DMA_MAPPING_COMMON_H */
