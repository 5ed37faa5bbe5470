/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on reservations share that have a fake IOMMU.
 */
#ifndef _TEST_FAKE_RESERVE_H
#define _TEST_FAKE_RESERVE_H

#include "fake_space.h"
#include "reserve.h"

/* The device gets nowhere by these addresses. */
static inline void fr_expect_nothing(struct kunit *test, struct fake_dev *fake,
				     dma_addr_t addr, unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		KUNIT_EXPECT_EQ_MSG(test, fake_dev_phys(fake, addr + i * P), 0,
				    "page %u", i);
}

/* A space, and how far a device of little reach gets in it. */
#define S_FIRST	((dma_addr_t)SZ_1M)
#define S_LAST	((dma_addr_t)SZ_64M - 1)
#define S_REACH	((u64)SZ_32M - 1)

/* By its mask, or by its bus. */
static inline void fr_shorten(struct kunit *test, struct fake_dev *fake,
			      bool bus)
{
	if (bus)
		fake_device(fake)->bus_dma_limit = S_REACH;
	else
		KUNIT_EXPECT_EQ(test, 0, dma_set_mask(fake_device(fake), S_REACH));
}

#endif /* _TEST_FAKE_RESERVE_H */
