/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites share that count cache maintenance of backings.
 */
#ifndef _TEST_FAKE_OWNER_H
#define _TEST_FAKE_OWNER_H

#include "fake_backing.h"
#include "sync_log.h"

#ifdef HAVE_DMA_BACKING

static inline void watch(struct kunit *test, struct dma_backing *b)
{
	unsigned long pfn[SL_PAGES];
	size_t off;

	sl_need(test);
	KUNIT_ASSERT_LE(test, dma_backing_size(b), SL_PAGES * P);
	for (off = 0; off < dma_backing_size(b); off += P)
		pfn[off / P] = PHYS_PFN(bk_phys(b, off));
	sl_begin(pfn, dma_backing_size(b) / P);
}

/* So often since the last time. */
#define EXPECT_SYNC(test, clean, invalidate) do {			\
	KUNIT_EXPECT_TRUE_MSG(test, sl_is(clean, invalidate),		\
			      "%u cleaned, %u invalidated, %u in all",	\
			      sl.count[0][SL_CLEAN],			\
			      sl.count[0][SL_INVALIDATE], sl_sum());	\
	sl_zero();							\
} while (0)

static inline int owner_suite_init(struct kunit_suite *suite)
{
	return sl_init();
}

static inline void owner_suite_exit(struct kunit_suite *suite)
{
	sl_exit();
}

static inline void owner_exit(struct kunit *test)
{
	sl_end();
	bk_exit(test);
}

#endif /* HAVE_DMA_BACKING */

#endif /* _TEST_FAKE_OWNER_H */
