/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What reserve.c and its part of DMA debugging ask of a state.
 */
#ifndef _KERNEL_DMA_RESERVE_H
#define _KERNEL_DMA_RESERVE_H

#include <linux/dma-mapping.h>

/* Whether [@offset, @offset + @size) is a part of the reservation. */
static inline bool iova_state_covers(const struct dma_iova_state *state,
				     size_t offset, size_t size)
{
	size_t len = dma_iova_size(state);

	/* A size of 0 is too large then, too */
	return size - 1 < len && offset <= len - size;
}

static inline bool iova_state_direct(const struct dma_iova_state *state)
{
	return state->__size & DMA_IOVA_DIRECT;
}

#endif /* _KERNEL_DMA_RESERVE_H */
