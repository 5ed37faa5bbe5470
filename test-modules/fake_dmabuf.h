/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on dma-bufs share: memory whose end is noticed, and who is on
 * record as its mapper.
 */
#ifndef _TEST_FAKE_DMABUF_H
#define _TEST_FAKE_DMABUF_H

#include <linux/dma-backing.h>
#include <linux/dma-buf-backing.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>

#include "fake_reserve.h"
#include "user_map.h"
/* The kernel's own, for what a backing counts; the Makefile knows where it is. */
#include "backing.h"

#define DB_PAGES	6

#define BOTH	DMA_BIDIRECTIONAL

/* For suites that map for users, and have memory run out where others sleep. */
static inline int db_suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return dt_fail_init(suite);
}

static inline void db_suite_exit(struct kunit_suite *suite)
{
	dt_fail_exit(suite);
	um_suite_exit();
}

static inline struct fake_dev *db_dev(struct kunit *test, bool untranslated,
				      bool coherent)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = untranslated,
					.coherent = coherent });

	dma_set_max_seg_size(fake_device(fake), UINT_MAX);
	return fake;
}

static inline void db_unmap(struct dma_buf_attachment *a, struct sg_table *sgt)
{
	dma_buf_unmap_attachment_unlocked(a, sgt, BOTH);
}

/**
 * struct db_mem - memory in pieces that do not touch, or in one
 * @page: the pages, in order
 * @freed: how often it was given back
 */
struct db_mem {
	struct page *page[DB_PAGES];
	atomic_t freed;
};

static inline void db_release(void *priv)
{
	struct db_mem *mem = priv;

	atomic_inc(&mem->freed);
}

/* With a step of 1 the pages are contiguous, with 2 none are. */
static inline struct dma_backing *db_wrap(struct kunit *test,
					  struct db_mem **out, unsigned int step)
{
	struct page *block = dt_alloc_pages(test, GFP_KERNEL, 4);
	struct db_mem *mem = kunit_kzalloc(test, sizeof(*mem), GFP_KERNEL);
	struct dma_backing *backing;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, mem);
	for (i = 0; i < DB_PAGES; i++)
		mem->page[i] = block + i * step;
	backing = dma_backing_from_pages(mem->page, DB_PAGES, 0, db_release, mem);
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	*out = mem;
	return backing;
}

static inline struct dma_buf *db_export(struct kunit *test,
					struct dma_backing *backing)
{
	struct dma_buf *dmabuf = dma_backing_export(backing, O_RDWR | O_CLOEXEC);

	KUNIT_ASSERT_FALSE(test, IS_ERR(dmabuf));
	KUNIT_EXPECT_EQ(test, dmabuf->size, dma_backing_size(backing));
	return dmabuf;
}

/* A dma-buf alone: whoever has it has the memory. */
static inline struct dma_buf *db_make(struct kunit *test, struct db_mem **mem,
				      unsigned int step)
{
	struct dma_backing *backing = db_wrap(test, mem, step);
	struct dma_buf *dmabuf = db_export(test, backing);

	KUNIT_EXPECT_FALSE(test, dma_backing_put(backing));
	return dmabuf;
}

/* The last reference to a file is dropped by a worker, a moment later. */
static inline void db_expect_freed(struct kunit *test, struct db_mem *mem)
{
	unsigned int tries;

	for (tries = 0; tries < 100 && !atomic_read(&mem->freed); tries++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_read(&mem->freed), 1);
}

static inline void db_expect_alive(struct kunit *test, struct db_mem *mem)
{
	msleep(40);
	KUNIT_EXPECT_EQ(test, atomic_read(&mem->freed), 0);
}

static inline struct dma_buf_attachment *db_attach(struct kunit *test,
						   struct dma_buf *dmabuf,
						   struct fake_dev *fake)
{
	struct dma_buf_attachment *a = dma_buf_attach(dmabuf, fake_device(fake));

	KUNIT_ASSERT_FALSE(test, IS_ERR(a));
	return a;
}

static inline struct sg_table *db_map(struct kunit *test,
				      struct dma_buf_attachment *a,
				      enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(a, dir);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(sgt), "error %ld", PTR_ERR(sgt));
	return sgt;
}

/* What the device finds at its addresses is the memory, page by page. */
static inline void db_expect_pages(struct kunit *test, struct fake_dev *fake,
				   struct sg_table *sgt, struct db_mem *mem)
{
	struct scatterlist *sg;
	unsigned int i, page = 0;
	size_t at;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		for (at = 0; at < sg_dma_len(sg); at += P) {
			KUNIT_ASSERT_LT(test, page, DB_PAGES);
			KUNIT_EXPECT_EQ_MSG(test,
				fake_dev_phys(fake, sg_dma_address(sg) + at),
				page_to_phys(mem->page[page]), "page %u", page);
			page++;
		}
	}
	KUNIT_EXPECT_EQ(test, page, DB_PAGES);
}

#define DB_SEEN	8

/**
 * struct db_seen - who is on record
 * @count: how many
 * @m: the first of them
 * @addr: their addresses, if they are devices
 */
struct db_seen {
	unsigned int count;
	struct dma_mapper m[DB_SEEN];
	dma_addr_t addr[DB_SEEN];
};

static inline int db_see(const struct dma_mapper *mapper, void *data)
{
	struct db_seen *seen = data;

	if (seen->count < DB_SEEN) {
		seen->m[seen->count] = *mapper;
		if (dma_mapper_is_device(mapper))
			seen->addr[seen->count] =
				dma_mapper_binding(mapper)->addr;
	}
	seen->count++;
	return 0;
}

static inline struct db_seen db_look(struct dma_backing *backing)
{
	struct db_seen seen = {};

	dma_backing_for_each_mapper(backing, db_see, &seen);
	return seen;
}

static inline void db_expect_mappers(struct kunit *test,
				     struct dma_backing *backing,
				     unsigned int count)
{
	struct db_seen seen = db_look(backing);

	KUNIT_EXPECT_EQ(test, seen.count, count);
}

#endif /* _TEST_FAKE_DMABUF_H */
