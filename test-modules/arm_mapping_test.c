// SPDX-License-Identifier: GPL-2.0
/*
 * Drivers that bring a mapping of their own with arm_iommu_attach_device():
 * while attached, the device uses that and not its default domain; afterwards
 * it is back in the default domain, with the operations that go with it.
 *
 * No transfer is made while attached: such a mapping has no MSI, and the
 * device's vectors were set up for the default domain.
 */

#include <linux/dma-map-ops.h>
#include <linux/sizes.h>

#include "dma_test.h"

#ifdef CONFIG_ARM_DMA_USE_IOMMU
#include <asm/dma-iommu.h>

#define BASE	SZ_64M
#define SIZE	SZ_64M

struct attached {
	struct dma_iommu_mapping *mapping;
	const struct dma_map_ops *ops_before;
	bool common_before;
};

static void attach(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;
	int ret;

	dt_need_iommu(test);
	if (to_dma_iommu_mapping(ctx->dev))
		kunit_skip(test, "the architecture has attached a mapping");
	a->ops_before = get_dma_ops(ctx->dev);
	a->common_before = dev_dma_iommu(ctx->dev);
	a->mapping = arm_iommu_create_mapping(ctx->dev, BASE, SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a->mapping);
	ret = arm_iommu_attach_device(ctx->dev, a->mapping);
	if (ret)
		arm_iommu_release_mapping(a->mapping);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

static void release(struct attached *a)
{
	arm_iommu_release_mapping(a->mapping);
}

/* The device is as it was before, and its transfers arrive. */
static void expect_default(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	u8 *mem = page_address(page);
	dma_addr_t addr;
	int i;

	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(ctx->dev));
	KUNIT_EXPECT_PTR_EQ(test, get_dma_ops(ctx->dev), a->ops_before);
	KUNIT_EXPECT_EQ(test, dev_dma_iommu(ctx->dev), a->common_before);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(ctx->dev),
			    ctx->domain);

	for (i = 0; i < SZ_1K; i++)
		mem[i] = i * 7 + 1;
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), page_to_phys(page));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, SZ_1K));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + SZ_2K, 0,
						     SZ_1K));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_MEMEQ(test, mem + SZ_2K, mem, SZ_1K);
}

static void attach_and_detach(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct attached a;
	dma_addr_t addr;

	attach(test, &a);
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(ctx->dev), a.mapping);
	KUNIT_EXPECT_FALSE(test, dev_dma_iommu(ctx->dev));
	KUNIT_EXPECT_NOT_NULL(test, get_dma_ops(ctx->dev));

	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_GE(test, addr, BASE);
	KUNIT_EXPECT_LT(test, addr, BASE + SIZE);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(a.mapping->domain, addr),
			page_to_phys(page));
	KUNIT_EXPECT_NE(test, dt_phys(ctx, addr), page_to_phys(page));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(a.mapping->domain, addr), 0);

	arm_iommu_detach_device(ctx->dev);
	expect_default(test, &a);
	release(&a);
}

/* No mapping means the default domain, from wherever the device is. */
static void attach_to_none(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct attached a;

	attach(test, &a);
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(ctx->dev, NULL));
	expect_default(test, &a);
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(ctx->dev, NULL));
	expect_default(test, &a);
	release(&a);
}

/* One domain at a time. */
static void second_mapping_is_refused(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_iommu_mapping *other;
	struct attached a;

	attach(test, &a);
	other = arm_iommu_create_mapping(ctx->dev, BASE, SIZE);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, other);
	if (!IS_ERR_OR_NULL(other)) {
		KUNIT_EXPECT_EQ(test, arm_iommu_attach_device(ctx->dev, other),
				-EBUSY);
		arm_iommu_release_mapping(other);
	}
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(ctx->dev), a.mapping);
	arm_iommu_detach_device(ctx->dev);
	expect_default(test, &a);
	release(&a);
}

/* Coherent memory of such a device, too, maps to its own pages. */
static void d1_coherent_in_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	const size_t size = 5 * PAGE_SIZE;
	struct attached a;
	dma_addr_t addr;
	size_t off;
	void *cpu;

	attach(test, &a);
	cpu = dma_alloc_coherent(ctx->dev, size, &addr, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, cpu);
	for (off = 0; cpu && off < size; off += PAGE_SIZE) {
		struct page *page = is_vmalloc_addr(cpu) ?
				    vmalloc_to_page(cpu + off) :
				    virt_to_page(cpu + off);

		KUNIT_EXPECT_EQ_MSG(test,
				    iommu_iova_to_phys(a.mapping->domain,
						       addr + off),
				    page_to_phys(page), "offset %zu", off);
	}
	if (cpu)
		dma_free_coherent(ctx->dev, size, cpu, addr);
	arm_iommu_detach_device(ctx->dev);
	expect_default(test, &a);
	release(&a);
}

/* What the mapping does not have is given back. */
static void d22_bad_unmap_in_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	const struct dma_map_ops *ops;
	struct attached a;
	dma_addr_t addr;

	attach(test, &a);
	ops = get_dma_ops(ctx->dev);
	kunit_warning_suppress(test) {
		ops->unmap_phys(ctx->dev, SZ_1M, SZ_64K, DMA_TO_DEVICE, 0);
		ops->unmap_phys(ctx->dev, BASE + SIZE - PAGE_SIZE, SZ_64K,
				DMA_TO_DEVICE, 0);
		ops->unmap_phys(ctx->dev, SZ_1G, SZ_64K, DMA_TO_DEVICE, 0);
	}
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(a.mapping->domain, addr),
			page_to_phys(page));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	arm_iommu_detach_device(ctx->dev);
	expect_default(test, &a);
	release(&a);
}
#else
#define SKIPPED(name)							\
static void name(struct kunit *test)					\
{									\
	kunit_skip(test, "only ARM has such mappings");			\
}

SKIPPED(attach_and_detach)
SKIPPED(attach_to_none)
SKIPPED(second_mapping_is_refused)
SKIPPED(d1_coherent_in_mapping)
SKIPPED(d22_bad_unmap_in_mapping)
#endif

static struct kunit_case arm_mapping_cases[] = {
	DT_CASE(attach_and_detach),
	DT_CASE(attach_to_none),
	DT_CASE(second_mapping_is_refused),
	DT_CASE(d1_coherent_in_mapping),
	DT_CASE(d22_bad_unmap_in_mapping),
	{}
};

static struct kunit_suite arm_mapping_suite = {
	.name = "arm_mapping_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = arm_mapping_cases,
};

kunit_test_suite(arm_mapping_suite);

MODULE_DESCRIPTION("ARM mappings that drivers attach");
MODULE_LICENSE("GPL");
