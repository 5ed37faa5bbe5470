// SPDX-License-Identifier: GPL-2.0
/*
 * What a binding says about sharing is in the page table of a real IOMMU: of an
 * SMMUv3, whose tables its driver lets be walked. With the policy that counts
 * who maps a backing, the entries of one that nobody else maps are not
 * shareable, and those of the second mapper are.
 *
 * The bits are those of the architecture, for stage 1. What a driver records
 * about itself is not looked at, but for where the table is.
 */
#include <kunit/static_stub.h>
#include <linux/dma-backing.h>
#include <linux/io-pgtable.h>

#include "reserve.h"

#include "arm-smmu-v3.h"

#define ATTR_INDEX(pte)	(((pte) >> 2) & 7)
#define SHAREABLE(pte)	(((pte) >> 8) & 3)

#define NON_CACHEABLE	0
#define WRITE_BACK	1

#define OUTER		2
#define INNER		3

bool dma_backing_share(struct device *dev, unsigned int spaces);

static bool from_the_second_on(struct device *dev, unsigned int spaces)
{
	return spaces > 1;
}

/* The last level of the table, for stage 1 is what the driver takes. */
static u64 entry(struct kunit *test, dma_addr_t addr)
{
	struct dt_ctx *ctx = test->priv;
	struct arm_lpae_io_pgtable_walk_data walk = {};
	struct arm_smmu_domain *smmu;
	int level;

	KUNIT_ASSERT_NOT_NULL(test, ctx->domain);
	smmu = container_of(ctx->domain, struct arm_smmu_domain, domain);
	KUNIT_ASSERT_EQ(test, (int)smmu->stage, (int)ARM_SMMU_DOMAIN_S1);
	KUNIT_ASSERT_EQ(test, 0, smmu->pgtbl_ops->pgtable_walk(smmu->pgtbl_ops,
								addr, &walk));
	for (level = ARRAY_SIZE(walk.ptes) - 1; level > 0; level--)
		if (walk.ptes[level])
			break;
	return walk.ptes[level];
}

static void expect_entries(struct kunit *test, const struct dma_binding *binding,
			   unsigned int attr, unsigned int shareable)
{
	size_t offset;

	for (offset = 0; offset < binding->mapper.len; offset += PAGE_SIZE) {
		u64 pte = entry(test, dma_binding_addr(binding) + offset);

		KUNIT_EXPECT_EQ_MSG(test, ATTR_INDEX(pte), attr, "at %zu: %llx",
				    offset, pte);
		KUNIT_EXPECT_EQ_MSG(test, SHAREABLE(pte), shareable,
				    "at %zu: %llx", offset, pte);
	}
}

static void need_smmu(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct device *iommu;

	dt_need_iommu(test);
	iommu = ctx->dev->iommu->iommu_dev->dev;
	KUNIT_ASSERT_NOT_NULL(test, iommu);
	if (!iommu->parent || !iommu->parent->driver ||
	    strcmp(iommu->parent->driver->name, "arm-smmu-v3"))
		kunit_skip(test, "not behind an SMMUv3");
}

static struct dma_backing *backing(struct kunit *test, unsigned long attrs)
{
	struct dma_backing *b = dma_backing_alloc(NULL, RV_SIZE, GFP_KERNEL,
						  attrs);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	return b;
}

static void bind(struct kunit *test, struct dma_iova_state *state,
		 struct dma_binding *binding, struct dma_backing *b)
{
	struct dt_ctx *ctx = test->priv;

	memset(binding, 0, sizeof(*binding));
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(ctx->dev, state, RV_SIZE, 0, 0, 0));
	KUNIT_ASSERT_EQ(test, 0, dma_iova_bind(ctx->dev, state, binding, 0, b, 0,
					       RV_SIZE, RV_DIR, 0));
}

static void unbind(struct kunit *test, struct dma_iova_state *state,
		   struct dma_binding *binding)
{
	struct dt_ctx *ctx = test->priv;

	dma_iova_unbind(binding);
	dma_iova_free(ctx->dev, state);
}

static void r000_3_policy_in_the_table(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	bool coherent = dev_is_dma_coherent(ctx->dev);
	struct dma_iova_state state;
	struct dma_binding binding;
	struct dma_backing *b;

	need_smmu(test);
	b = backing(test, DMA_BACKING_CACHED);
	bind(test, &state, &binding, b);
	expect_entries(test, &binding, coherent ? WRITE_BACK : NON_CACHEABLE,
		       coherent ? INNER : OUTER);
	unbind(test, &state, &binding);
	dma_backing_put(b);

	b = backing(test, DMA_BACKING_UNCACHED);
	bind(test, &state, &binding, b);
	expect_entries(test, &binding, NON_CACHEABLE, OUTER);
	unbind(test, &state, &binding);
	dma_backing_put(b);
}

/*
 * One page that is alone and one that is not, at the same time; and what was
 * alone, when the CPU owns it and another mapper comes.
 */
static void r000_5_sharing_in_the_table(struct kunit *test)
{
	struct dma_iova_state alone, first;
	struct dma_binding at_alone, at_first;
	struct dma_backing *scratch, *shared;
	void *vaddr;

	need_smmu(test);
	kunit_activate_static_stub(test, dma_backing_share, from_the_second_on);

	scratch = backing(test, DMA_BACKING_CACHED);
	shared = backing(test, DMA_BACKING_CACHED);
	bind(test, &alone, &at_alone, scratch);
	bind(test, &first, &at_first, shared);
	expect_entries(test, &at_alone, NON_CACHEABLE, OUTER);
	expect_entries(test, &at_first, NON_CACHEABLE, OUTER);

	/* It is live: not a bit changes */
	KUNIT_EXPECT_PTR_EQ(test, dma_backing_vmap(shared, 0), ERR_PTR(-EBUSY));
	expect_entries(test, &at_first, NON_CACHEABLE, OUTER);

	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(shared, RV_DIR));
	vaddr = dma_backing_vmap(shared, 0);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, vaddr);
	expect_entries(test, &at_first, WRITE_BACK, INNER);
	expect_entries(test, &at_alone, NON_CACHEABLE, OUTER);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(shared, RV_DIR));

	/* One less: only the next to be bound sees it */
	if (!IS_ERR_OR_NULL(vaddr))
		dma_backing_vunmap(shared);
	expect_entries(test, &at_first, WRITE_BACK, INNER);
	unbind(test, &first, &at_first);
	bind(test, &first, &at_first, shared);
	expect_entries(test, &at_first, NON_CACHEABLE, OUTER);

	unbind(test, &first, &at_first);
	unbind(test, &alone, &at_alone);
	KUNIT_EXPECT_TRUE(test, dma_backing_put(shared));
	KUNIT_EXPECT_TRUE(test, dma_backing_put(scratch));
}

static struct kunit_case smmu_pte_cases[] = {
	DT_CASE(r000_3_policy_in_the_table),
	DT_CASE(r000_5_sharing_in_the_table),
	{}
};

static struct kunit_suite smmu_pte_suite = {
	.name = "smmu_pte_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = smmu_pte_cases,
};

kunit_test_suite(smmu_pte_suite);

MODULE_DESCRIPTION("Sharing and cache policy in the page tables of an SMMUv3");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
