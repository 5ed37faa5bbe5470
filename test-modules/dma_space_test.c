// SPDX-License-Identifier: GPL-2.0
/*
 * Address spaces with a real device: what it transfers in a space arrives where
 * the space says, and nowhere else; its interrupts come; the default domain is
 * there again afterwards. The finer rules are in fake_space_test and
 * fake_attach_test.
 *
 * Every case begins and ends with the device in its default domain, with an
 * interrupt.
 */

#include <linux/pci.h>
#include <linux/swiotlb.h>

#include "edu_space.h"

#ifdef HAVE_DMA_SPACE

/* Requests of one attach, and more. */
#define MAX_NTH	16

/* Another edu device in another group; the case is skipped without one. */
static struct edu *another(struct kunit *test)
{
	struct edu *edu = find_other(test, false);

	if (!edu)
		kunit_skip(test, "there is one edu device only, or one group");
	return edu;
}

/* The other function of the device, which is in its group. */
static struct edu *sibling(struct kunit *test)
{
	struct edu *edu = find_other(test, true);

	if (!edu)
		kunit_skip(test, "the device is alone in its group");
	return edu;
}

/* A driver for the device of the case, which is another struct edu then. */
static void rebind(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, device_attach(ctx->dev), 1);
	edu_put(ctx->edu);
	ctx->edu = edu_find(ctx->dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->edu);
}

static void transfers_in_a_space(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	struct lonely l;
	u32 result = 0;
	bool msi;

	be_alone(test, &l);
	msi = edu_irq_is_msi(ctx->edu);
	enter(test, space, ctx->edu);
	/* Through the space's own mapping of the doorbell. */
	KUNIT_EXPECT_EQ(test, edu_irq_is_msi(ctx->edu), msi);
	KUNIT_EXPECT_EQ(test, 0, edu_factorial(ctx->edu, 5, &result));
	KUNIT_EXPECT_EQ(test, result, 120);
	dt_expect_data(test, ctx->edu, dma_space_domain(space), 1);
	leave(test, ctx->edu);
	expect_default(test);
	/* Once more, for what the first time left behind. */
	enter(test, space, ctx->edu);
	dma_space_put(space);
	dt_expect_data(test, ctx->edu, dma_space_domain(space), 2);
	leave(test, ctx->edu);
	expect_default(test);
	be_together(test, &l);
}

static void coherent_memory_in_a_space(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	const size_t size = 4 * PAGE_SIZE;
	struct lonely l;
	dma_addr_t addr;
	size_t off;
	u8 *cpu;

	be_alone(test, &l);
	enter(test, space, ctx->edu);
	cpu = dma_alloc_coherent(ctx->dev, size, &addr, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, cpu);
	if (cpu) {
		KUNIT_EXPECT_GE(test, addr, FIRST);
		KUNIT_EXPECT_LE(test, addr + size - 1, LAST);
		for (off = 0; off < size; off += PAGE_SIZE)
			KUNIT_EXPECT_EQ(test,
					iommu_iova_to_phys(dma_space_domain(space),
							   addr + off),
					page_to_phys(dt_page(cpu + off)));
		dt_fill(cpu + 3000, LEN, 3);
		KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr + 3000,
							   0, LEN));
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu,
							     addr + 11000, 0,
							     LEN));
		KUNIT_EXPECT_EQ(test, dt_check(cpu + 11000, LEN, 3), LEN);
		dma_free_coherent(ctx->dev, size, cpu, addr);
	}
	leave(test, ctx->edu);
	expect_default(test);
	dma_space_put(space);
	be_together(test, &l);
}

/*
 * Into a space and out of it, while the @nth allocation that may not sleep fails.
 * Whether one did. What came of it is in @ret: some can be done without. The space
 * is new each time: ranges that a device brought along stay.
 */
static bool try_attach(struct kunit *test, unsigned int nth, int *ret)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	bool failed;

	edu_irq_off(ctx->edu);
	dt_fail_nth(test, nth);
	*ret = dma_space_attach(space, ctx->dev);
	failed = dt_fail_stop();
	if (!*ret)
		dma_space_detach(ctx->dev);
	else
		KUNIT_EXPECT_EQ_MSG(test, *ret, -ENOMEM, "allocation %u", nth);
	dma_space_put(space);
	KUNIT_ASSERT_EQ(test, 0, edu_irq_on(ctx->edu));
	expect_default(test);
	return failed;
}

/*
 * The IOMMU driver has no memory for a request. What was mapped stays so, and more
 * can be mapped.
 */
static void refused_and_still_at_home(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	DECLARE_BITMAP(refused, MAX_NTH) = {};
	unsigned int n = 1;
	dma_addr_t addr;
	struct lonely l;
	int ret;

	be_alone(test, &l);
	while (n < MAX_NTH && try_attach(test, n, &ret))
		__assign_bit(n++, refused, ret);
	KUNIT_EXPECT_LT(test, n, MAX_NTH);
	KUNIT_EXPECT_FALSE(test, bitmap_empty(refused, MAX_NTH));

	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	for_each_set_bit(n, refused, MAX_NTH) {
		try_attach(test, n, &ret);
		KUNIT_EXPECT_NE_MSG(test, ret, 0, "allocation %u", n);
		/* It has left something other than zeroes in the device. */
		memset(page_address(page), 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, LEN));
		KUNIT_EXPECT_LT_MSG(test, dt_check_same(page_address(page), LEN, 0),
				    LEN, "allocation %u failed: not mapped any more", n);
	}
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_FROM_DEVICE);
	be_together(test, &l);
}

/* What is mapped in one is out of reach in the other, by the device's word. */
static void spaces_are_apart(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct page *guard = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct dma_space *space = create(test);
	struct lonely l;
	dma_addr_t addr;

	be_alone(test, &l);
	/* Something for the device to write. */
	dt_expect_data(test, ctx->edu, ctx->domain, 4);
	enter(test, space, ctx->edu);
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, LEN));
	KUNIT_EXPECT_EQ(test, dt_check(page_address(page), LEN, 4), LEN);
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	memset(page_address(page), 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, FEW));
	KUNIT_EXPECT_EQ(test, dt_check_same(page_address(page), FEW, 0), FEW);
	leave(test, ctx->edu);

	/* Not with the DMA API: to that, what is left mapped is a mistake. */
	addr = SZ_64M;
	KUNIT_ASSERT_EQ(test, iommu_iova_to_phys(ctx->domain, addr), 0);
	KUNIT_ASSERT_EQ(test, 0, iommu_map(ctx->domain, addr,
					   page_to_phys(guard), PAGE_SIZE,
					   IOMMU_READ | IOMMU_WRITE |
					   IOMMU_CACHE, GFP_KERNEL));
	enter(test, space, ctx->edu);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, FEW));
	KUNIT_EXPECT_EQ(test, dt_check_same(page_address(guard), FEW, 0), FEW);
	leave(test, ctx->edu);
	/* It outlived the excursion. */
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, LEN));
	KUNIT_EXPECT_EQ(test, iommu_unmap(ctx->domain, addr, PAGE_SIZE),
			PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dt_check(page_address(guard), LEN, 4), LEN);
	expect_default(test);
	dma_space_put(space);
	be_together(test, &l);
}

static void vectors_keep_a_device_where_it_is(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	struct lonely l;

	be_alone(test, &l);
	if (!edu_irq_is_msi(ctx->edu)) {
		dma_space_put(space);
		be_together(test, &l);
		kunit_skip(test, "the device has no message signalled interrupt");
	}
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, ctx->dev), -EBUSY);
	expect_default(test);
	dma_space_put(space);
	be_together(test, &l);
}

/* Every address of the space, except for what the bus decodes itself. */
static void bus_windows_are_not_handed_out(struct kunit *test)
{
	const dma_addr_t last = DMA_BIT_MASK(29);
	struct dt_ctx *ctx = test->priv;
	struct pci_host_bridge *bridge;
	struct resource_entry *window;
	struct dma_space *space;
	struct lonely l;
	struct space *s;
	unsigned int i, inside = 0, reserved = 0;
	struct iommu_resv_region *region;
	LIST_HEAD(regions);

	dt_need_iommu(test);
	be_alone(test, &l);
	s = space_init(test, last);
	space = dma_space_create(ctx->dev, SZ_64K, last);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	enter(test, space, ctx->edu);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(ctx->dev, DMA_BIT_MASK(32)));
	space_fill(test, s, &way_page, last);
	bridge = pci_find_host_bridge(to_pci_dev(ctx->dev)->bus);
	iommu_get_resv_regions(ctx->dev, &regions);
	for (i = 0; i < s->count; i++) {
		u64 lo = s->piece[i].addr, hi = lo + s->piece[i].size - 1;

		resource_list_for_each_entry(window, &bridge->windows)
			if (resource_type(window->res) == IORESOURCE_MEM &&
			    lo <= window->res->end - window->offset &&
			    hi >= window->res->start - window->offset)
				inside++;
		list_for_each_entry(region, &regions, list)
			if (region->type != IOMMU_RESV_SW_MSI &&
			    lo <= region->start + region->length - 1 &&
			    hi >= region->start)
				reserved++;
	}
	iommu_put_resv_regions(ctx->dev, &regions);
	KUNIT_EXPECT_EQ(test, inside, 0);
	KUNIT_EXPECT_EQ(test, reserved, 0);
	KUNIT_EXPECT_TRUE(test, s->refused);
	KUNIT_EXPECT_GT(test, s->bytes, SZ_64M);
	space_empty(test, s, &way_page);
	leave(test, ctx->edu);
	dma_space_put(space);
	be_together(test, &l);
}

/* Mapped by one device, read by both, at one address. */
static void two_devices_see_one_binding(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct edu *other = another(test);
	struct dma_space *space = create(test);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 1);
	u8 *mem = page_address(page);
	struct lonely l;
	dma_addr_t addr;

	be_alone(test, &l);
	enter(test, space, ctx->edu);
	enter(test, space, other);
	dt_fill(mem, LEN, 5);
	addr = dma_map_page(edu_dev(other), page, 0, 2 * PAGE_SIZE,
			    DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(edu_dev(other), addr));
	/* In by one, out by the other, and back. */
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(other, addr, 0, LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(other, addr + SZ_2K, 0,
						     LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr + SZ_2K, 0,
						   LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + SZ_4K, 0,
						     LEN));
	/* One goes: the binding stays for the other, and for it alone. */
	leave(test, ctx->edu);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(other, addr + SZ_4K + SZ_2K,
						     0, LEN));
	memset(mem, 0x5a, LEN);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr, 0, FEW));
	KUNIT_EXPECT_EQ(test, dt_check_same(mem, FEW, 0x5a), FEW);
	dma_unmap_page(edu_dev(other), addr, 2 * PAGE_SIZE, DMA_BIDIRECTIONAL);
	leave(test, other);
	KUNIT_EXPECT_EQ(test, dt_check(mem + SZ_2K, LEN, 5), LEN);
	KUNIT_EXPECT_EQ(test, dt_check(mem + SZ_4K, LEN, 5), LEN);
	KUNIT_EXPECT_EQ(test, dt_check(mem + SZ_4K + SZ_2K, LEN, 5), LEN);
	expect_default(test);
	dma_space_put(space);
	edu_put(other);
	be_together(test, &l);
}

/* Two functions of one device are one for the IOMMU. */
static void group_of_two_functions(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct edu *other = sibling(test);
	struct dma_space *space = create(test);
	struct iommu_domain *domain = dma_space_domain(space);
	struct device *dev = get_device(edu_dev(other));

	/* The other has a driver that did not ask. */
	edu_irq_off(ctx->edu);
	KUNIT_EXPECT_EQ(test, dma_space_attach(space, ctx->dev), -EBUSY);
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(ctx->edu));
	expect_default(test);
	edu_put(other);

	/* It has none: the group enters, and who is bound later is in it. */
	device_release_driver(dev);
	enter(test, space, ctx->edu);
	KUNIT_EXPECT_EQ(test, device_attach(dev), 1);
	other = edu_find(dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	dt_expect_data(test, ctx->edu, domain, 6);
	dt_expect_data(test, other, domain, 7);
	/* It asks as well. */
	edu_irq_off(other);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, dev));
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(other));
	leave(test, ctx->edu);
	dt_expect_data(test, ctx->edu, domain, 8);
	dt_expect_data(test, other, domain, 9);
	edu_put(other);
	/* It forgets to leave. */
	edu_irq_off(ctx->edu);
	kunit_warning_suppress(test)
		device_release_driver(dev);
	device_release_driver(ctx->dev);
	rebind(test);
	KUNIT_EXPECT_EQ(test, device_attach(dev), 1);
	expect_default(test);
	dma_space_put(space);
	put_device(dev);
}

/*
 * What an untrusted device has unmapped must be out of its reach at once. So its
 * own space is strict, and it does not get into one that is not.
 */
static void untrusted_device_needs_a_strict_space(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *lazy = create(test), *strict;
	struct pci_dev *pdev = to_pci_dev(ctx->dev);
	struct edu *other;
	struct lonely l;

	if (dma_space_domain(lazy)->type != IOMMU_DOMAIN_DMA_FQ) {
		dma_space_put(lazy);
		kunit_skip(test, "no space is flushed lazily here");
	}
	other = another(test);
	be_alone(test, &l);
	edu_irq_off(ctx->edu);
	pdev->untrusted = 1;
	strict = dma_space_create(ctx->dev, FIRST, LAST);
	/* As the first device in it, and as a further one. */
	KUNIT_EXPECT_EQ(test, dma_space_attach(lazy, ctx->dev), -EOPNOTSUPP);
	enter(test, lazy, other);
	KUNIT_EXPECT_EQ(test, dma_space_attach(lazy, ctx->dev), -EOPNOTSUPP);
	dt_expect_data(test, other, dma_space_domain(lazy), 12);
	leave(test, other);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, strict);
	if (!IS_ERR(strict)) {
		KUNIT_EXPECT_EQ(test, 0, dma_space_attach(strict, ctx->dev));
		KUNIT_EXPECT_EQ(test, dma_space_domain(strict)->type,
				IOMMU_DOMAIN_DMA);
		dma_space_detach(ctx->dev);
		dma_space_put(strict);
	}
	pdev->untrusted = 0;
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(ctx->edu));
	expect_default(test);
	/* Trusted, it gets in. */
	enter(test, lazy, ctx->edu);
	leave(test, ctx->edu);
	dma_space_put(lazy);
	edu_put(other);
	be_together(test, &l);
}

/* The driver goes and forgets; the next one finds everything as it should be. */
static void unbind_while_attached(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	struct lonely l;

	be_alone(test, &l);
	enter(test, space, ctx->edu);
	dma_space_put(space);
	kunit_warning_suppress(test)
		device_release_driver(ctx->dev);
	rebind(test);
	expect_default(test);
	be_together(test, &l);
}

/* Attached with no driver, as an IOMMU driver does it: for drivers to come. */
static void attached_for_drivers_to_come(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct dma_space *space = create(test);
	unsigned int i;
	struct lonely l;

	be_alone(test, &l);
	device_release_driver(ctx->dev);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, ctx->dev));
	for (i = 0; i < 2; i++) {
		rebind(test);
		dt_expect_data(test, ctx->edu, dma_space_domain(space), 10);
		device_release_driver(ctx->dev);
	}
	dma_space_detach(ctx->dev);
	dma_space_put(space);
	rebind(test);
	expect_default(test);
	be_together(test, &l);
}

/* Without an IOMMU there is one space, where an address is a physical one. */
static void one_to_one(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct dma_space *space;
	dma_addr_t addr;

	if (ctx->domain)
		kunit_skip(test, "the device is translated");
	if (is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "bouncing is forced");
	space = dma_space_create(ctx->dev, 0, U32_MAX);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	KUNIT_EXPECT_NULL(test, dma_space_domain(space));
	/* There is no doorbell to lose. */
	edu_irq_off(ctx->edu);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, ctx->dev));
	KUNIT_EXPECT_EQ(test, 0, edu_irq_on(ctx->edu));
	dt_fill(page_address(page), LEN, 11);
	addr = dma_map_page(ctx->dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(ctx->dev, addr));
	KUNIT_EXPECT_EQ(test, dma_to_phys(ctx->dev, addr), page_to_phys(page));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(ctx->edu, addr, 0, LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(ctx->edu, addr + SZ_2K, 0,
						     LEN));
	dma_unmap_page(ctx->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, dt_check(page_address(page) + SZ_2K, LEN, 11),
			LEN);
	leave(test, ctx->edu);
	dma_space_put(space);
}

/* swiotlb=force: what is copied elsewhere is not one-to-one. */
static void bouncing_is_not_one_to_one(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;

	if (ctx->domain || !is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "the device is translated, or need not bounce");
	KUNIT_EXPECT_EQ(test, PTR_ERR(dma_space_create(ctx->dev, 0, U32_MAX)),
			-EOPNOTSUPP);
}
#endif /* HAVE_DMA_SPACE */

static struct kunit_case dma_space_cases[] = {
#ifdef HAVE_DMA_SPACE
	DT_CASE(transfers_in_a_space),
	DT_CASE(coherent_memory_in_a_space),
	DT_CASE(refused_and_still_at_home),
	DT_CASE(spaces_are_apart),
	DT_CASE(vectors_keep_a_device_where_it_is),
	DT_CASE(bus_windows_are_not_handed_out),
	DT_CASE(two_devices_see_one_binding),
	DT_CASE_SLOW(group_of_two_functions),
	DT_CASE(untrusted_device_needs_a_strict_space),
	DT_CASE(unbind_while_attached),
	DT_CASE(attached_for_drivers_to_come),
	DT_CASE(one_to_one),
	DT_CASE(bouncing_is_not_one_to_one),
#else
	KUNIT_CASE(no_spaces_here),
#endif
	{}
};

static struct kunit_suite dma_space_suite = {
	.name = "dma_space_test",
#ifdef HAVE_DMA_SPACE
	.suite_init = dt_fail_quietly,
#endif
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_space_cases,
};

kunit_test_suite(dma_space_suite);

MODULE_DESCRIPTION("Address spaces that real devices share");
MODULE_LICENSE("GPL");
