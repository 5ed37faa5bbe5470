// SPDX-License-Identifier: GPL-2.0
/*
 * Drivers that bring a mapping of their own with arm_iommu_attach_device():
 * while attached, the device uses that and not its default domain; afterwards
 * it is back in the default domain.
 *
 * A kernel that has a mapping of its own for each device, in place of a default
 * domain, gives that up for the case, as drivers have to.
 */

#include <linux/dma-map-ops.h>
#include <linux/sizes.h>
#include <linux/swiotlb.h>

#include "space.h"

/* Whatever the machine does: who is behind an IOMMU is translated. */
static void d13_d21_no_one_is_left_out(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (!device_iommu_mapped(ctx->dev))
		kunit_skip(test, "the device is behind no IOMMU");
	KUNIT_EXPECT_NOT_NULL(test, ctx->domain);
}

/* Where the bus leads nowhere: between the windows that its firmware names. */
static void d21_holes_are_not_handed_out(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct pci_host_bridge *bridge;
	struct resource_entry *window;
	unsigned int i, windows = 0, outside = 0;
	struct space *s;
	u64 last = 0;

	dt_need_iommu(test);
	bridge = pci_find_host_bridge(to_pci_dev(ctx->dev)->bus);
	resource_list_for_each_entry(window, &bridge->dma_ranges)
		windows++;
	if (windows < 2)
		kunit_skip(test, "the host bridge has no two DMA windows");
	last = DMA_BIT_MASK(28);
	s = space_init(test, last);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(ctx->dev, last));
	space_fill(test, s, &way_page, last);
	for (i = 0; i < s->count; i++) {
		u64 lo = s->piece[i].addr, hi = lo + s->piece[i].size - 1;
		bool inside = false;

		resource_list_for_each_entry(window, &bridge->dma_ranges)
			if (lo >= window->res->start - window->offset &&
			    hi <= window->res->end - window->offset)
				inside = true;
		outside += !inside;
	}
	KUNIT_EXPECT_EQ_MSG(test, outside, 0, "of %u pieces", s->count);
	KUNIT_EXPECT_GT(test, s->count, 0);
	space_empty(test, s, &way_page);
}

#define SECRET	0x5c

/*
 * An untrusted device sees no byte of a page beside the buffer: what it could
 * see is bounced.
 */
static void expect_bounce(struct kunit *test, struct iommu_domain *domain)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	u8 *mem = page_address(page);
	dma_addr_t addr;
	phys_addr_t phys;

	memset(mem, SECRET, PAGE_SIZE);
	memset(mem + SZ_1K, 1, SZ_1K);
	to_pci_dev(ctx->dev)->untrusted = 1;
	addr = dma_map_page(ctx->dev, page, SZ_1K, SZ_1K, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	if (addr != DMA_MAPPING_ERROR) {
		phys = iommu_iova_to_phys(domain, addr & PAGE_MASK);
		KUNIT_EXPECT_NE(test, phys, page_to_phys(page));
		dma_unmap_page(ctx->dev, addr, SZ_1K, DMA_TO_DEVICE);
	}
	to_pci_dev(ctx->dev)->untrusted = 0;
}

static bool have_swiotlb(struct device *dev)
{
#ifdef CONFIG_SWIOTLB
	return dev->dma_io_tlb_mem && dev->dma_io_tlb_mem->nslabs;
#else
	return false;
#endif
}

static void d30_untrusted_is_bounced(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	dt_need_iommu(test);
	if (!have_swiotlb(ctx->dev))
		kunit_skip(test, "there is nothing to bounce through");
	expect_bounce(test, ctx->domain);
}

#ifdef CONFIG_ARM_DMA_USE_IOMMU
#include <asm/dma-iommu.h>

/* In the 28 bits of the device, and not in the hole of the plan ranges */
#define BASE	(SZ_128M + SZ_32M)
#define SIZE	SZ_64M

struct attached {
	struct dma_iommu_mapping *mapping;
	struct dma_iommu_mapping *arch;
	const struct dma_map_ops *ops_before;
	struct iommu_domain *domain_before;
	bool common_before;
};

/* The architecture's own mapping, where it has one, makes room. */
static void give_up_arch_mapping(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;

	a->arch = to_dma_iommu_mapping(ctx->dev);
	if (a->arch)
		arm_iommu_detach_device(ctx->dev);
	a->ops_before = get_dma_ops(ctx->dev);
	a->common_before = dev_dma_iommu(ctx->dev);
	a->domain_before = iommu_get_domain_for_dev(ctx->dev);
}

static void restore(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;

	if (a->arch)
		KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(ctx->dev,
								 a->arch));
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(ctx->edu));
}

static void attach(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;
	int ret;

	dt_need_iommu(test);
	if (ctx->dev->iommu_group && to_pci_dev(ctx->dev)->multifunction)
		kunit_skip(test, "the device shares its group with another driver");
	edu_irq_off(ctx->edu);
	give_up_arch_mapping(test, a);
	a->mapping = arm_iommu_create_mapping(ctx->dev, BASE, SIZE);
	if (IS_ERR(a->mapping))
		restore(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a->mapping);
	ret = arm_iommu_attach_device(ctx->dev, a->mapping);
	if (ret) {
		arm_iommu_release_mapping(a->mapping);
		restore(test, a);
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(ctx->edu));
}

/* The device is as it was before, and its transfers arrive. */
static void expect_default(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(ctx->dev));
	KUNIT_EXPECT_PTR_EQ(test, get_dma_ops(ctx->dev), a->ops_before);
	KUNIT_EXPECT_EQ(test, dev_dma_iommu(ctx->dev), a->common_before);
	KUNIT_EXPECT_PTR_EQ(test, iommu_get_domain_for_dev(ctx->dev),
			    a->domain_before);
	restore(test, a);
	dt_expect_data(test, ctx->edu, ctx->domain, 1);
}

static void detach(struct kunit *test, struct attached *a)
{
	struct dt_ctx *ctx = test->priv;

	edu_irq_off(ctx->edu);
	arm_iommu_detach_device(ctx->dev);
	expect_default(test, a);
	arm_iommu_release_mapping(a->mapping);
}

static void attach_and_detach(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct attached a;
	dma_addr_t addr;

	attach(test, &a);
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(ctx->dev), a.mapping);
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_GE(test, addr, BASE);
	KUNIT_EXPECT_LT(test, addr, BASE + SIZE);
	KUNIT_EXPECT_EQ(test, iommu_iova_to_phys(a.mapping->domain, addr),
			page_to_phys(page));
	KUNIT_EXPECT_NE(test, dt_phys(ctx, addr), page_to_phys(page));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_TO_DEVICE);
	dt_expect_data(test, ctx->edu, a.mapping->domain, 1);
	detach(test, &a);
}

/* No mapping means the default domain, from wherever the device is. */
static void attach_to_none(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct attached a;

	attach(test, &a);
	edu_irq_off(ctx->edu);
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(ctx->dev, NULL));
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(ctx->dev, NULL));
	expect_default(test, &a);
	arm_iommu_release_mapping(a.mapping);
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
	detach(test, &a);
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
	for (off = 0; cpu && off < size; off += PAGE_SIZE)
		KUNIT_EXPECT_EQ_MSG(test,
				    iommu_iova_to_phys(a.mapping->domain,
						       addr + off),
				    page_to_phys(dt_page(cpu + off)),
				    "offset %zu", off);
	if (cpu)
		dma_free_coherent(ctx->dev, size, cpu, addr);
	detach(test, &a);
}

/* Interrupts are messages in a mapping as well. */
static void d11_messages_in_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct attached a;
	u32 result = 0;

	attach(test, &a);
	KUNIT_EXPECT_TRUE(test, edu_irq_is_msi(ctx->edu));
	KUNIT_EXPECT_EQ(test, 0, edu_factorial(ctx->edu, 6, &result));
	KUNIT_EXPECT_EQ(test, result, 720);
	detach(test, &a);
}

/* What the mapping does not have is given back. */
static void d22_bad_unmap_in_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	const struct dma_map_ops *ops;
	struct attached a;

	attach(test, &a);
	ops = get_dma_ops(ctx->dev);
	if (ops && ops->unmap_phys) {
		kunit_warning_suppress(test) {
			ops->unmap_phys(ctx->dev, SZ_1M, SZ_64K, DMA_TO_DEVICE,
					0);
			ops->unmap_phys(ctx->dev, BASE + SIZE - PAGE_SIZE,
					SZ_64K, DMA_TO_DEVICE, 0);
			ops->unmap_phys(ctx->dev, SZ_1G, SZ_64K, DMA_TO_DEVICE,
					0);
		}
	}
	dt_expect_data(test, ctx->edu, a.mapping->domain, 1);
	detach(test, &a);
	if (!ops)
		kunit_skip(test, "no allocator of the architecture's own here");
}

static void d30_untrusted_in_mapping(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct attached a;

	if (!have_swiotlb(ctx->dev))
		kunit_skip(test, "there is nothing to bounce through");
	attach(test, &a);
	expect_bounce(test, a.mapping->domain);
	detach(test, &a);
}

/* What the architecture attached and a driver detached is nobody's then. */
static void d41_detach_leaves_no_reference(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct attached a;
	unsigned int refs = 0;

	dt_need_iommu(test);
	edu_irq_off(ctx->edu);
	give_up_arch_mapping(test, &a);
	if (a.arch)
		refs = kref_read(&a.arch->kref);
	restore(test, &a);
	KUNIT_EXPECT_EQ(test, refs, 0);
	dt_expect_data(test, ctx->edu, ctx->domain, 1);
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
SKIPPED(d11_messages_in_mapping)
SKIPPED(d22_bad_unmap_in_mapping)
SKIPPED(d30_untrusted_in_mapping)
SKIPPED(d41_detach_leaves_no_reference)
#endif

static struct kunit_case arm_mapping_cases[] = {
	DT_CASE(d13_d21_no_one_is_left_out),
	DT_CASE(d21_holes_are_not_handed_out),
	DT_CASE(d30_untrusted_is_bounced),
	DT_CASE(attach_and_detach),
	DT_CASE(attach_to_none),
	DT_CASE(second_mapping_is_refused),
	DT_CASE(d1_coherent_in_mapping),
	DT_CASE(d11_messages_in_mapping),
	DT_CASE(d30_untrusted_in_mapping),
	DT_CASE(d41_detach_leaves_no_reference),
	/* Last: it stops where it finds what it looks for. */
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
