/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A real device that enters a space and leaves it: with an interrupt before and
 * after, and alone in its group, for as long as that takes.
 */
#ifndef _TEST_EDU_SPACE_H
#define _TEST_EDU_SPACE_H

#include "space.h"

#ifdef HAVE_DMA_SPACE
#include <linux/dma-space.h>

#define FIRST	((dma_addr_t)SZ_32M)
#define LAST	((dma_addr_t)SZ_32M + SZ_4M - 1)
#define LEN	DT_LEN
/* What is stopped: each access is a fault, and the queue for them is short. */
#define FEW	32

static inline struct dma_space *create(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space;

	dt_need_iommu(test);
	space = dma_space_create(ctx->dev, FIRST, LAST);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	return space;
}

static inline void enter(struct kunit *test, struct dma_space *space, struct edu *edu)
{
	edu_irq_off(edu);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, edu_dev(edu)));
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(edu_dev(edu)),
			    dma_space_domain(space));
	KUNIT_ASSERT_EQ(test, 0, edu_irq_on(edu));
}

static inline void leave(struct kunit *test, struct edu *edu)
{
	edu_irq_off(edu);
	dma_space_detach(edu_dev(edu));
	KUNIT_ASSERT_EQ(test, 0, edu_irq_on(edu));
}

static inline void expect_default(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(ctx->dev),
			    ctx->domain);
	dt_expect_data(test, ctx->edu, ctx->domain, 90);
}

/* An edu device besides the case's, in its group or in another; NULL: none. */
static inline struct edu *find_other(struct kunit *test, bool same_group)
{
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	for (i = 0; i < edu_count(); i++) {
		struct edu *edu = edu_get(i);
		struct iommu_group *group;

		if (IS_ERR(edu))
			break;
		group = edu_dev(edu)->iommu_group;
		if (edu != ctx->edu && group &&
		    (group == ctx->dev->iommu_group) == same_group)
			return edu;
		edu_put(edu);
	}
	return NULL;
}

/*
 * A device has to be alone in its group, or the others without a driver, to
 * enter a space: unbind them for the case.
 */
struct lonely {
	struct device *other;
};

static inline void be_alone(struct kunit *test, struct lonely *l)
{
	struct edu *edu = find_other(test, true);

	l->other = edu ? get_device(edu_dev(edu)) : NULL;
	edu_put(edu);
	if (l->other)
		device_release_driver(l->other);
}

static inline void be_together(struct kunit *test, struct lonely *l)
{
	if (!l->other)
		return;
	KUNIT_EXPECT_EQ(test, device_attach(l->other), 1);
	put_device(l->other);
}

#endif /* HAVE_DMA_SPACE */

#endif /* _TEST_EDU_SPACE_H */
