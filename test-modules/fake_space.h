/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on address spaces share: a space, and where a device is.
 */
#ifndef _TEST_FAKE_SPACE_H
#define _TEST_FAKE_SPACE_H

#include <linux/dma-space.h>

#include "fake_test.h"

#define FIRST	((dma_addr_t)SZ_16M + SZ_64K)
#define LAST	((dma_addr_t)SZ_16M + SZ_4M - 1)

/* In the middle of it. */
#define HOLE	((u64)SZ_16M + SZ_1M)

static const struct fake_config __maybe_unused with_region = {
	.region = { { HOLE, SZ_256K, IOMMU_RESV_RESERVED } },
};

static const struct way *const __maybe_unused ways[] = {
	&way_single, &way_page, &way_sg, &way_coherent, &way_pages,
	&way_noncontiguous, &way_iova,
};

static inline struct dma_space *create(struct kunit *test,
				       struct fake_dev *fake, dma_addr_t first,
				       dma_addr_t last)
{
	struct dma_space *space;

	space = dma_space_create(fake_device(fake), first, last);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	return space;
}

static inline void attach(struct kunit *test, struct dma_space *space,
			  struct fake_dev *fake)
{
	KUNIT_ASSERT_EQ(test, 0, dma_space_attach(space, fake_device(fake)));
	KUNIT_EXPECT_TRUE(test, dev_dma_iommu(fake_device(fake)));
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, dma_space_domain(space));
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(fake_device(fake)),
			    dma_space_domain(space));
}

/* Where is it, and what does the DMA API make of that? */
struct where {
	struct iommu_domain *domain;
	bool common;
	const struct dma_map_ops *ops;
};

static inline struct where where_is(struct fake_dev *fake)
{
	struct where w = {
		.domain = fake->domain,
		.common = dev_dma_iommu(fake_device(fake)),
		.ops = get_dma_ops(fake_device(fake)),
	};

	return w;
}

static inline void expect_at(struct kunit *test, struct fake_dev *fake,
			     const struct where *w)
{
	struct where now = where_is(fake);

	KUNIT_EXPECT_PTR_EQ(test, now.domain, w->domain);
	KUNIT_EXPECT_EQ(test, now.common, w->common);
	KUNIT_EXPECT_PTR_EQ(test, now.ops, w->ops);
	fk_expect_data(test, fake, 40);
}

/* What a driver does: its data is the space. */
static inline int probe_and_attach(struct fake_dev *fake)
{
	return dma_space_attach(fake->data, fake_device(fake));
}

static inline void remove_and_detach(struct fake_dev *fake)
{
	dma_space_detach(fake_device(fake));
}

#endif /* _TEST_FAKE_SPACE_H */
