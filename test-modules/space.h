/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking all of a device's DMA address space, by each way there is to get an
 * address. The space is made small with a DMA mask first. Streaming mappings
 * are read-only for the device and all of one block of memory, which the DMA
 * API allows, so a big space costs no memory.
 */
#ifndef _TEST_SPACE_H
#define _TEST_SPACE_H

#include <linux/sizes.h>
#include <linux/sort.h>

#include "dma_test.h"

/* The biggest piece; the others are what is left between. */
#define SPACE_PIECE	SZ_256K

struct piece {
	dma_addr_t addr;
	size_t size;
	void *cookie;
};

/**
 * struct space - the pieces taken so far
 * @page: the block that streaming mappings map, %SPACE_PIECE long
 * @piece: what was taken, in that order
 * @count: entries in @piece
 * @max: room in @piece
 * @bytes: sum of the sizes
 * @refused: the last call failed as it should: there is no room for a page
 */
struct space {
	struct page *page;
	struct piece *piece;
	unsigned int count;
	unsigned int max;
	u64 bytes;
	bool refused;
};

/**
 * struct way - one way to get a DMA address
 * @name: for messages
 * @take: get one; false if there is none, with nothing taken
 * @give: give it back
 */
struct way {
	const char *name;
	bool (*take)(struct dt_ctx *ctx, struct space *s, struct piece *p);
	void (*give)(struct dt_ctx *ctx, struct piece *p);
};

static inline bool take_single(struct dt_ctx *ctx, struct space *s,
			       struct piece *p)
{
	p->addr = dma_map_single(ctx->dev, page_address(s->page), p->size,
				 DMA_TO_DEVICE);
	return !dma_mapping_error(ctx->dev, p->addr);
}

static inline void give_single(struct dt_ctx *ctx, struct piece *p)
{
	dma_unmap_single(ctx->dev, p->addr, p->size, DMA_TO_DEVICE);
}

static inline bool take_page(struct dt_ctx *ctx, struct space *s,
			     struct piece *p)
{
	p->addr = dma_map_page(ctx->dev, s->page, 0, p->size, DMA_TO_DEVICE);
	return !dma_mapping_error(ctx->dev, p->addr);
}

static inline void give_page(struct dt_ctx *ctx, struct piece *p)
{
	dma_unmap_page(ctx->dev, p->addr, p->size, DMA_TO_DEVICE);
}

/* Two entries, so that the device's side is put together from several. */
static inline bool take_sg(struct dt_ctx *ctx, struct space *s,
			   struct piece *p)
{
	size_t half = max_t(size_t, p->size / 2, PAGE_SIZE);
	struct sg_table *sgt = kzalloc_obj(*sgt);

	if (!sgt)
		return false;
	if (sg_alloc_table(sgt, p->size > half ? 2 : 1, GFP_KERNEL))
		goto err_free;
	sg_set_page(sgt->sgl, s->page, half, 0);
	if (p->size > half)
		sg_set_page(sg_next(sgt->sgl), s->page, p->size - half, 0);
	if (dma_map_sgtable(ctx->dev, sgt, DMA_TO_DEVICE, 0))
		goto err_table;
	p->addr = sg_dma_address(sgt->sgl);
	p->cookie = sgt;
	return true;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return false;
}

static inline void give_sg(struct dt_ctx *ctx, struct piece *p)
{
	struct sg_table *sgt = p->cookie;

	dma_unmap_sgtable(ctx->dev, sgt, DMA_TO_DEVICE, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static inline bool take_coherent(struct dt_ctx *ctx, struct space *s,
				 struct piece *p)
{
	p->cookie = dma_alloc_coherent(ctx->dev, p->size, &p->addr,
				       GFP_KERNEL | __GFP_NOWARN);
	return p->cookie;
}

static inline void give_coherent(struct dt_ctx *ctx, struct piece *p)
{
	dma_free_coherent(ctx->dev, p->size, p->cookie, p->addr);
}

static inline bool take_pages(struct dt_ctx *ctx, struct space *s,
			      struct piece *p)
{
	p->cookie = dma_alloc_pages(ctx->dev, p->size, &p->addr,
				    DMA_BIDIRECTIONAL,
				    GFP_KERNEL | __GFP_NOWARN);
	return p->cookie;
}

static inline void give_pages(struct dt_ctx *ctx, struct piece *p)
{
	dma_free_pages(ctx->dev, p->size, p->cookie, p->addr,
		       DMA_BIDIRECTIONAL);
}

static inline bool take_noncontiguous(struct dt_ctx *ctx, struct space *s,
				      struct piece *p)
{
	struct sg_table *sgt;

	sgt = dma_alloc_noncontiguous(ctx->dev, p->size, DMA_BIDIRECTIONAL,
				      GFP_KERNEL | __GFP_NOWARN, 0);
	p->cookie = sgt;
	if (sgt)
		p->addr = sg_dma_address(sgt->sgl);
	return sgt;
}

static inline void give_noncontiguous(struct dt_ctx *ctx, struct piece *p)
{
	dma_free_noncontiguous(ctx->dev, p->size, p->cookie, DMA_BIDIRECTIONAL);
}

static inline bool take_iova(struct dt_ctx *ctx, struct space *s,
			     struct piece *p)
{
	struct dma_iova_state *state = kzalloc_obj(*state);

	if (!state)
		return false;
	if (!dma_iova_try_alloc(ctx->dev, state, page_to_phys(s->page),
				p->size)) {
		kfree(state);
		return false;
	}
	p->addr = state->addr;
	p->cookie = state;
	return true;
}

static inline void give_iova(struct dt_ctx *ctx, struct piece *p)
{
	dma_iova_free(ctx->dev, p->cookie);
	kfree(p->cookie);
}

/* Not each suite uses them all. */
#define WAY(_name)						\
	static const struct way __maybe_unused way_##_name = {	\
		.name = #_name,					\
		.take = take_##_name,				\
		.give = give_##_name,				\
	}

WAY(single);
WAY(page);
WAY(sg);
WAY(coherent);
WAY(pages);
WAY(noncontiguous);
WAY(iova);

/* Room for the pieces of a space that ends at @last, and for its leftovers. */
static inline struct space *space_init(struct kunit *test, u64 last)
{
	struct space *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct dt_ctx *ctx = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, s);
	dma_set_max_seg_size(ctx->dev, SPACE_PIECE);
	s->page = dt_alloc_pages(test, GFP_KERNEL, get_order(SPACE_PIECE));
	s->max = (unsigned int)(last / SPACE_PIECE) + 2 * SPACE_PIECE / SZ_4K;
	s->piece = kunit_kcalloc(test, s->max, sizeof(*s->piece), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s->piece);
	return s;
}

/* Take pieces until there is no room for a page, or one lies beyond @last. */
static inline void space_fill(struct kunit *test, struct space *s,
			      const struct way *way, u64 last)
{
	static const size_t sizes[] = { SPACE_PIECE, SZ_64K, PAGE_SIZE };
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	s->refused = false;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		while (s->count < s->max) {
			struct piece *p = &s->piece[s->count];

			p->size = sizes[i];
			s->refused = !way->take(ctx, s, p);
			if (s->refused)
				break;
			s->count++;
			s->bytes += p->size;
			if ((u64)p->addr + p->size - 1 > last)
				return;
		}
	}
}

static inline void space_empty(struct kunit *test, struct space *s,
			       const struct way *way)
{
	struct dt_ctx *ctx = test->priv;

	while (s->count)
		way->give(ctx, &s->piece[--s->count]);
	s->bytes = 0;
	dt_settle(ctx);
}

static inline int piece_cmp(const void *a, const void *b)
{
	const struct piece *pa = a, *pb = b;

	return pa->addr < pb->addr ? -1 : pa->addr > pb->addr;
}

/* What is true of a space that was filled up to the byte @last. */
static inline void space_check(struct kunit *test, struct space *s,
			       const struct way *way, u64 last)
{
	unsigned int i, beyond = 0, overlap = 0, zero = 0;

	sort(s->piece, s->count, sizeof(*s->piece), piece_cmp, NULL);
	for (i = 0; i < s->count; i++) {
		struct piece *p = &s->piece[i];

		if ((u64)p->addr + p->size - 1 > last)
			beyond++;
		if (p->addr < PAGE_SIZE)
			zero++;
		if (i && p[-1].addr + p[-1].size > p->addr)
			overlap++;
	}
	KUNIT_EXPECT_EQ_MSG(test, beyond, 0, "%s: addresses beyond %#llx",
			    way->name, last);
	KUNIT_EXPECT_EQ_MSG(test, overlap, 0, "%s: pieces overlap", way->name);
	KUNIT_EXPECT_EQ_MSG(test, zero, 0, "%s: address 0 was handed out",
			    way->name);
	KUNIT_EXPECT_TRUE_MSG(test, s->refused, "%s: it never ran out",
			      way->name);
	/* Reserved regions take their part, but not more than a half. */
	KUNIT_EXPECT_GT_MSG(test, s->bytes, last / 2, "%s: %u pieces",
			    way->name, s->count);
}

#endif /* _TEST_SPACE_H */
