/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What 32-bit ARM decides about DMA mappings: memory that is used uncached has
 * no cached mapping beside that, if it can be had (arch/arm/mm/dma-alias.c).
 */
#ifndef __ASM_ARM_DMA_MAPPING_COMMON_H
#define __ASM_ARM_DMA_MAPPING_COMMON_H

#include <linux/dma-backing.h>
#include <linux/dma-map-ops.h>
#include <linux/sizes.h>
#include <asm/system_info.h>

#define ARCH_DMA_POOL_MIN_SIZE	SZ_256K

#ifdef CONFIG_MMU
void arm_dma_drop_alias(struct page *page, size_t size, pgprot_t prot);
void arm_dma_restore_linear(struct page *page, size_t size);
struct page *arm_dma_alloc_noalias(struct device *dev, size_t size, gfp_t gfp,
		pgprot_t prot,
		bool (*phys_ok)(struct device *, phys_addr_t, size_t));
void arm_dma_free_noalias(struct device *dev, struct page *page, size_t size);
int arm_dma_policy_prot(enum dma_cache_policy policy, pgprot_t *prot);

static inline bool arch_dma_avoid_alias(struct device *dev)
{
	return !dev || !dev_is_dma_coherent(dev);
}
#define arch_dma_avoid_alias	arch_dma_avoid_alias
#define arch_dma_alloc_noalias	arm_dma_alloc_noalias
#define arch_dma_free_noalias	arm_dma_free_noalias
#define arch_dma_policy_prot	arm_dma_policy_prot
#endif /* CONFIG_MMU */

/* ARMv6 has begun to speculate. */
static inline bool arch_dma_sync_cpu_invalidates(void)
{
	return cpu_architecture() >= CPU_ARCH_ARMv6;
}
#define arch_dma_sync_cpu_invalidates	arch_dma_sync_cpu_invalidates

#include <asm-generic/dma-mapping-common.h>

#endif /* __ASM_ARM_DMA_MAPPING_COMMON_H */
