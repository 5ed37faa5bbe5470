// SPDX-License-Identifier: GPL-2.0
/*
 * Devices attached to a mapping of arm_iommu_create_mapping(), on the fake
 * IOMMU: what the architecture's own operations got wrong there, one case a
 * row, and what the calls themselves promise. The cases run on kernels that
 * still have those operations, so they use nothing newer than they are.
 */

#include <kunit/test-bug.h>
#include <linux/dma-direct.h>
#include <linux/sizes.h>

#include "fake_test.h"

#ifdef CONFIG_ARM_DMA_USE_IOMMU
#include <asm/dma-iommu.h>

#define BASE	((dma_addr_t)SZ_16M)
#define SIZE	((u64)SZ_4M)
#define LAST	(BASE + SIZE - 1)

static struct dma_iommu_mapping *create(struct kunit *test,
					struct fake_dev *fake, dma_addr_t base,
					u64 size)
{
	struct dma_iommu_mapping *mapping;

	mapping = arm_iommu_create_mapping(fake_device(fake), base, size);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mapping);
	return mapping;
}

static struct dma_iommu_mapping *attach(struct kunit *test,
					struct fake_dev *fake, dma_addr_t base,
					u64 size)
{
	struct dma_iommu_mapping *mapping = create(test, fake, base, size);
	int ret = arm_iommu_attach_device(fake_device(fake), mapping);

	if (ret)
		arm_iommu_release_mapping(mapping);
	KUNIT_ASSERT_EQ(test, ret, 0);
	return mapping;
}

static void detach(struct fake_dev *fake, struct dma_iommu_mapping *mapping)
{
	arm_iommu_detach_device(fake_device(fake));
	arm_iommu_release_mapping(mapping);
}

static void create_errors(struct kunit *test)
{
	struct device *dev = fake_device(fk_dev(test, &(struct fake_config){}));
	static const struct { dma_addr_t base; u64 size; long want; } t[] = {
		{ BASE, 0, -EINVAL },
		{ BASE, 100, -EINVAL },
		{ 0, PAGE_SIZE, -EINVAL },	/* page 0 is no page */
		{ BASE, (1ULL << 32) + 1, -ERANGE },
		{ BASE, (1ULL << 32) + PAGE_SIZE, -ERANGE },
		{ BASE, U64_MAX, -ERANGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct dma_iommu_mapping *mapping;

		mapping = arm_iommu_create_mapping(dev, t[i].base, t[i].size);
		KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(mapping), t[i].want,
				    "%pad+%#llx", &t[i].base, t[i].size);
		if (!IS_ERR(mapping))
			arm_iommu_release_mapping(mapping);
	}
	arm_iommu_release_mapping(NULL);
}

/* 4 GiB, as every driver that does not care asks for, from wherever. */
static void whole_4g_mapping(struct kunit *test)
{
	static const dma_addr_t bases[] = { 0, SZ_1M, SZ_2G };
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		struct dma_iommu_mapping *mapping;

		mapping = attach(test, fake, bases[i], 1ULL << 32);
		fk_expect_data(test, fake, i);
		detach(fake, mapping);
	}
}

static void d7_coherent_masters_snoop(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
						.coherent = true });
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct scatterlist sg;
	dma_addr_t addr;
	void *cpu;

	addr = fk_map(test, fake, page);
	KUNIT_EXPECT_TRUE(test, fake_dev_prot(fake, addr) & IOMMU_CACHE);
	fk_unmap(fake, addr);

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE, 0);
	KUNIT_EXPECT_EQ(test, 1, dma_map_sg(fake_device(fake), &sg, 1,
					    DMA_TO_DEVICE));
	KUNIT_EXPECT_TRUE(test, fake_dev_prot(fake, sg_dma_address(&sg)) &
				IOMMU_CACHE);
	dma_unmap_sg(fake_device(fake), &sg, 1, DMA_TO_DEVICE);

	cpu = dma_alloc_coherent(fake_device(fake), PAGE_SIZE, &addr,
				 GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, cpu);
	if (cpu) {
		KUNIT_EXPECT_TRUE(test, fake_dev_prot(fake, addr) & IOMMU_CACHE);
		dma_free_coherent(fake_device(fake), PAGE_SIZE, cpu, addr);
	}
	detach(fake, mapping);
}

static void d9_masks_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SZ_1G);
	struct device *dev = fake_device(fake);

	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(dev, BASE + SIZE - 1));
	fk_check_window(test, &way_page, BASE, LAST, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(32)));
	KUNIT_EXPECT_EQ(test, 0, dma_set_coherent_mask(dev, BASE + SIZE - 1));
	fk_check_window(test, &way_coherent, BASE, LAST, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_set_coherent_mask(dev, DMA_BIT_MASK(32)));
	dev->bus_dma_limit = LAST;
	fk_check_window(test, &way_page, BASE, LAST, 0, 0);
	dev->bus_dma_limit = 0;
	detach(fake, mapping);
}

#define HOLE	((u64)SZ_16M + SZ_1M)

static void d12_regions_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
		.region = { { HOLE, SZ_256K, IOMMU_RESV_RESERVED } } });
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);

	fk_check_window(test, &way_page, BASE, LAST, HOLE, HOLE + SZ_256K - 1);
	detach(fake, mapping);
}

/* Two devices of a group: both in the mapping, or the driver is told. */
static void d13_group_in_mapping(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){ .peer = a });
	struct dma_iommu_mapping *mapping = attach(test, a, BASE, SIZE);

	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(fake_device(b),
							 mapping));
	KUNIT_EXPECT_PTR_EQ(test, a->domain, mapping->domain);
	KUNIT_EXPECT_PTR_EQ(test, b->domain, mapping->domain);
	fk_expect_data(test, a, 1);
	fk_expect_data(test, b, 2);
	arm_iommu_detach_device(fake_device(b));
	fk_expect_data(test, a, 3);
	detach(a, mapping);
	fk_expect_data(test, b, 4);

	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(b, fk_probe_ok, NULL));
	mapping = create(test, a, BASE, SIZE);
	KUNIT_EXPECT_EQ(test, arm_iommu_attach_device(fake_device(a), mapping),
			-EBUSY);
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(a)));
	arm_iommu_release_mapping(mapping);
}

#define SG_PAGES	40

static struct sg_table *page_list(struct kunit *test, unsigned int pages)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct sg_table *sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(sgt, pages, GFP_KERNEL));
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, page, PAGE_SIZE, 0);
	return sgt;
}

static void d16_segment_boundary_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct device *dev = fake_device(fake);
	struct sg_table *sgt = page_list(test, SG_PAGES);
	const u64 boundary = SZ_64K;
	unsigned int i, crossed = 0;
	struct scatterlist *sg;
	size_t total = 0;

	dma_set_max_seg_size(dev, SZ_1M);
	dma_set_seg_boundary(dev, boundary - 1);
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(dev, sgt, DMA_TO_DEVICE, 0));
	for_each_sgtable_dma_sg(sgt, sg, i) {
		u64 first = sg_dma_address(sg);

		total += sg_dma_len(sg);
		if (first / boundary != (first + sg_dma_len(sg) - 1) / boundary)
			crossed++;
	}
	KUNIT_EXPECT_EQ(test, total, SG_PAGES * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, crossed, 0);
	dma_unmap_sgtable(dev, sgt, DMA_TO_DEVICE, 0);
	sg_free_table(sgt);
	detach(fake, mapping);
}

static void d17_offset_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 1);
	struct scatterlist sg;
	dma_addr_t addr;

	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, 500, PAGE_SIZE + 100);
	KUNIT_ASSERT_EQ(test, 1, dma_map_sg(fake_device(fake), &sg, 1,
					    DMA_FROM_DEVICE));
	addr = sg_dma_address(&sg);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), sg_phys(&sg));
	KUNIT_EXPECT_NE(test, fake_dev_phys(fake, addr - PAGE_SIZE),
			page_to_phys(page) + 100);
	dma_unmap_sg(fake_device(fake), &sg, 1, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), 0);
	detach(fake, mapping);
}

/* Where a device's registers can be if physical addresses are that wide. */
#define HIGH_REGS	((phys_addr_t)(1ULL << 34))

/* A device's register window, which needs no memory to be so large. */
static void map_huge(struct kunit *test, phys_addr_t phys, size_t size)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, 0, 1ULL << 32);
	struct device *dev = fake_device(fake);
	dma_addr_t addr;

	addr = dma_map_resource(dev, phys, size, DMA_BIDIRECTIONAL, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(dev, addr));
	if (addr != DMA_MAPPING_ERROR) {
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), phys);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr + size - 1),
				phys + size - 1);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr + size), 0);
		dma_unmap_resource(dev, addr, size, DMA_BIDIRECTIONAL, 0);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), 0);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr + size - 1), 0);
	}
	detach(fake, mapping);
}

static void d19_more_than_128_mib(struct kunit *test)
{
	map_huge(test, SZ_256M, SZ_128M + SZ_64M);
}

static void d19_one_gib(struct kunit *test)
{
	if (sizeof(phys_addr_t) == sizeof(u32))
		kunit_skip(test, "there are no such physical addresses");
	map_huge(test, HIGH_REGS, SZ_1G);
}

/*
 * Over 2 GiB a size is negative for whoever takes it as an int. There is no room
 * for that in 4 GiB, as addresses are aligned to the size: an error, not less.
 */
static void d39_more_than_2_gib_is_an_error(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, 0, 1ULL << 32);
	struct device *dev = fake_device(fake);
	dma_addr_t addr;

	if (sizeof(phys_addr_t) != sizeof(u32)) {
		addr = dma_map_resource(dev, HIGH_REGS, (size_t)SZ_2G + SZ_64M,
					DMA_BIDIRECTIONAL, 0);
		KUNIT_EXPECT_NE(test, 0, dma_mapping_error(dev, addr));
	}
	detach(fake, mapping);
}

static void d20_size_is_kept(struct kunit *test)
{
	static const u64 pages[] = { 1, 5, 33, 250 };
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct dma_iommu_mapping *mapping;
		u64 size = pages[i] * PAGE_SIZE;

		mapping = attach(test, fake, BASE, size);
		fk_check_window(test, &way_page, BASE, BASE + size - 1, 0, 0);
		detach(fake, mapping);
	}
}

/* Between two windows of the bus there is no way for the device. */
static void d21_holes_of_the_bus(struct kunit *test)
{
	static const struct bus_dma_region map[] = {
		{ .cpu_start = BASE, .dma_start = BASE, .size = SZ_1M },
		{ .cpu_start = HOLE + SZ_256K, .dma_start = HOLE + SZ_256K,
		  .size = BASE + SIZE - HOLE - SZ_256K },
		{ }
	};
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping;

	fake_device(fake)->dma_range_map = map;
	mapping = attach(test, fake, BASE, SIZE);
	fk_check_window(test, &way_page, BASE, LAST, HOLE, HOLE + SZ_256K - 1);
	detach(fake, mapping);
	fake_device(fake)->dma_range_map = NULL;
}

/* What the IOMMU cannot map is not handed out. */
static void d24_aperture_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping;

	fake_iommu(0)->aperture_start = BASE + SZ_1M;
	fake_iommu(0)->aperture_end = LAST;
	mapping = arm_iommu_create_mapping(fake_device(fake), BASE, SIZE);
	if (IS_ERR(mapping)) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(mapping), -EINVAL);
		mapping = attach(test, fake, BASE + SZ_1M, SIZE - SZ_1M);
	} else {
		KUNIT_ASSERT_EQ(test, 0,
				arm_iommu_attach_device(fake_device(fake),
							mapping));
	}
	fk_check_window(test, &way_page, BASE + SZ_1M, LAST, 0, 0);
	detach(fake, mapping);
}

static void d25_alloc_pages_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct device *dev = fake_device(fake);
	dma_addr_t addr;
	void *cpu;

	fk_check_window(test, &way_pages, BASE, LAST, 0, 0);
	fk_check_window(test, &way_noncontiguous, BASE, LAST, 0, 0);
	cpu = dma_alloc_noncoherent(dev, SZ_16K, &addr, DMA_FROM_DEVICE,
				    GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, cpu);
	if (cpu) {
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr),
				page_to_phys(dt_page(cpu)));
		dma_free_noncoherent(dev, SZ_16K, cpu, addr, DMA_FROM_DEVICE);
	}
	detach(fake, mapping);
}

static void d26_limits_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct device *dev = fake_device(fake);

	KUNIT_EXPECT_EQ(test, dma_get_merge_boundary(dev), PAGE_SIZE - 1);
	KUNIT_EXPECT_LT(test, dma_opt_mapping_size(dev), SIZE_MAX);
	KUNIT_EXPECT_GE(test, dma_max_mapping_size(dev), SZ_1M);
	KUNIT_EXPECT_GT(test, dma_get_required_mask(dev), 0);
	detach(fake, mapping);
}

static void d27_iova_state_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct device *dev = fake_device(fake);
	struct dma_iova_state state = {};

	fk_check_window(test, &way_iova, BASE, LAST, 0, 0);
	KUNIT_EXPECT_TRUE(test, dma_iova_try_alloc(dev, &state,
						   page_to_phys(page),
						   PAGE_SIZE));
	if (dma_use_iova(&state)) {
		KUNIT_EXPECT_EQ(test, 0,
				dma_iova_link(dev, &state, page_to_phys(page),
					      0, PAGE_SIZE, DMA_TO_DEVICE, 0));
		KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(dev, &state, 0,
						       PAGE_SIZE));
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, state.addr),
				page_to_phys(page));
		dma_iova_destroy(dev, &state, PAGE_SIZE, DMA_TO_DEVICE, 0);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, state.addr), 0);
	}
	detach(fake, mapping);
}

/* Larger than any block of memory there is: the IOMMU puts it together. */
static void d29_large_coherent_buffer(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
						.coherent = true });
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SZ_64M);
	const size_t size = 2 * (PAGE_SIZE << MAX_PAGE_ORDER);
	struct device *dev = fake_device(fake);
	dma_addr_t addr;
	size_t off;
	void *cpu;

	cpu = dma_alloc_coherent(dev, size, &addr, GFP_KERNEL | __GFP_NOWARN);
	KUNIT_EXPECT_NOT_NULL(test, cpu);
	for (off = 0; cpu && off < size; off += SZ_256K)
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr + off),
				page_to_phys(dt_page(cpu + off)));
	if (cpu)
		dma_free_coherent(dev, size, cpu, addr);
	detach(fake, mapping);
}

static void d31_one_sync_for_a_list(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct fake_iommu *iommu = fake->iommu;
	struct sg_table *sgt = page_list(test, SG_PAGES);
	int maps, unmaps;

	dma_set_max_seg_size(fake_device(fake), SZ_1M);
	maps = atomic_read(&iommu->map_syncs);
	KUNIT_ASSERT_EQ(test, 0, dma_map_sgtable(fake_device(fake), sgt,
						 DMA_TO_DEVICE, 0));
	maps = atomic_read(&iommu->map_syncs) - maps;
	KUNIT_EXPECT_EQ(test, maps, 1);
	unmaps = atomic_read(&iommu->unmap_syncs);
	dma_unmap_sgtable(fake_device(fake), sgt, DMA_TO_DEVICE, 0);
	unmaps = atomic_read(&iommu->unmap_syncs) - unmaps;
	KUNIT_EXPECT_LE(test, unmaps, 1);
	sg_free_table(sgt);
	detach(fake, mapping);
}

static bool lazy_is_asked_for(void)
{
	struct file *file = dt_open("/proc/cmdline", O_RDONLY);
	char line[512];
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(file))
		return false;
	n = kernel_read(file, line, sizeof(line) - 1, &pos);
	filp_close(file, NULL);
	line[n > 0 ? n : 0] = 0;
	return strstr(line, "iommu.strict=0");
}

static void d32_lazy_if_asked_for(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping;
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	unsigned int i;
	int syncs;

	mapping = attach(test, fake, BASE, SIZE);
	syncs = atomic_read(&fake->iommu->unmap_syncs);
	for (i = 0; i < 8; i++)
		fk_unmap(fake, fk_map(test, fake, page));
	syncs = atomic_read(&fake->iommu->unmap_syncs) - syncs;
	if (lazy_is_asked_for())
		KUNIT_EXPECT_EQ(test, syncs, 0);
	else
		KUNIT_EXPECT_EQ(test, syncs, 8);
	detach(fake, mapping);
}

static void d33_sysfs_says_so(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	char type[16];

	fk_read_type(fake, type, sizeof(type));
	KUNIT_EXPECT_EQ_MSG(test, strncmp(type, "DMA", 3), 0, "it says %s",
			    type);
	detach(fake, mapping);
}

static void d36_coherent_masters_skip_sync(struct kunit *test)
{
#ifdef CONFIG_DMA_NEED_SYNC
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
						.coherent = true });
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);

	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(fake_device(fake),
					      DMA_BIT_MASK(32)));
	KUNIT_EXPECT_TRUE(test, dev_dma_skip_sync(fake_device(fake)));
	detach(fake, mapping);
#else
	kunit_skip(test, "no device needs such calls");
#endif
}

/* A list that failed half-way has no addresses that could be used, or freed. */
static void d37_failed_list_has_no_addresses(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct device *dev = fake_device(fake);
	struct scatterlist sg[6], *s;
	unsigned int i, stale = 0;

	sg_init_table(sg, ARRAY_SIZE(sg));
	/* With gaps, so that each is a piece of its own. */
	for_each_sg(sg, s, ARRAY_SIZE(sg), i)
		sg_set_page(s, page, 100, 200);
	fake->iommu->fail_map = 4;
	KUNIT_EXPECT_EQ(test, 0, dma_map_sg(dev, sg, ARRAY_SIZE(sg),
					    DMA_TO_DEVICE));
	for_each_sg(sg, s, ARRAY_SIZE(sg), i)
		if (sg_dma_len(s) || (sg_dma_address(s) &&
				      sg_dma_address(s) != DMA_MAPPING_ERROR))
			stale++;
	KUNIT_EXPECT_EQ(test, stale, 0);
	fake->iommu->fail_map = 0;
	fk_check_window(test, &way_page, BASE, LAST, 0, 0);
	detach(fake, mapping);
}

/* Whoever comes last frees it, be it the attached device. */
static void releases_in_any_order(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	int before = atomic_read(&fake->iommu->domains);
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);

	arm_iommu_release_mapping(mapping);
	fk_expect_data(test, fake, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before + 1);
	arm_iommu_detach_device(fake_device(fake));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before);

	mapping = attach(test, fake, BASE, SIZE);
	arm_iommu_release_mapping(mapping);
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(fake_device(fake),
							 NULL));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before);
	fk_expect_data(test, fake, 2);
}

/* What every user of the interface looks at. */
static void face_of_the_mapping(struct kunit *test)
{
	struct fake_dev *a = fk_dev(test, &(struct fake_config){});
	struct fake_dev *b = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping;

	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(a)));
	mapping = attach(test, a, BASE, SIZE);
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(fake_device(a)), mapping);
	KUNIT_EXPECT_NULL(test, get_dma_ops(fake_device(a)));
	KUNIT_EXPECT_TRUE(test, dev_dma_iommu(fake_device(a)));
	KUNIT_EXPECT_PTR_EQ(test, mapping->domain, a->domain);
	/* rockchip, exynos: one mapping for the parts of a whole. */
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(fake_device(b),
							 mapping));
	KUNIT_EXPECT_PTR_EQ(test, a->domain, b->domain);
	KUNIT_EXPECT_EQ(test, arm_iommu_attach_device(fake_device(b), mapping),
			-EBUSY);
	arm_iommu_detach_device(fake_device(b));
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(b)));
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(fake_device(a)), mapping);
	detach(a, mapping);
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(a)));
	/* As exynos_drm_dma.c does it, with nothing attached. */
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(fake_device(a), NULL));
	arm_iommu_detach_device(fake_device(a));	/* says so, no more */
	fk_expect_data(test, a, 3);
}

static int probe_and_attach(struct fake_dev *fake)
{
	return arm_iommu_attach_device(fake_device(fake), fake->data);
}

/* The space was taken back behind the face's back: nothing may dangle. */
static void unbind_while_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = create(test, fake, BASE, SIZE);
	int before = atomic_read(&fake->iommu->domains);

	fake->data = mapping;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_and_attach, NULL));
	kunit_warning_suppress(test)
		fake_dev_unbind(fake);
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(fake)));
	fk_expect_data(test, fake, 4);
	/* The same one again. */
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(fake_device(fake),
							 mapping));
	KUNIT_EXPECT_PTR_EQ(test, fake->domain, mapping->domain);
	detach(fake, mapping);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before - 1);
}

/* A component that is tried again: what its devres group has is given back. */
static int probe_again_and_again(struct fake_dev *fake)
{
	struct kunit *test = kunit_get_current_test();
	struct device *dev = fake_device(fake);
	struct dma_iommu_mapping *mapping = fake->data, *other;
	unsigned int i;

	other = create(test, fake, BASE, SIZE);
	for (i = 0; i < 4; i++) {
		struct dma_iommu_mapping *m = i & 1 ? other : mapping;
		void *group = devres_open_group(dev, NULL, GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, group);
		/* As a driver would, that is not sure whether it is attached. */
		if (i == 2)
			KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(dev, NULL));
		KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(dev, m));
		KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(dev), m);
		KUNIT_EXPECT_PTR_EQ(test, fake->domain, m->domain);
		fk_expect_data(test, fake, 41);
		kunit_warning_suppress(test)
			devres_release_group(dev, group);
		KUNIT_EXPECT_PTR_NE(test, fake->domain, m->domain);
		fk_expect_data(test, fake, 42);
	}
	/* Not attached any more: it says so, and nothing comes of it. */
	arm_iommu_detach_device(dev);
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(dev));
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(dev, NULL));
	arm_iommu_release_mapping(other);
	KUNIT_EXPECT_EQ(test, 0, arm_iommu_attach_device(dev, mapping));
	return 0;
}

static void remove_and_detach(struct fake_dev *fake)
{
	arm_iommu_detach_device(fake_device(fake));
}

static void component_is_tried_again(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	int before = atomic_read(&fake->iommu->domains);
	struct dma_iommu_mapping *mapping = create(test, fake, BASE, SIZE);

	fake->data = mapping;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, probe_again_and_again,
					       remove_and_detach));
	KUNIT_EXPECT_PTR_EQ(test, to_dma_iommu_mapping(fake_device(fake)), mapping);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before + 1);
	fake_dev_unbind(fake);
	KUNIT_EXPECT_NULL(test, to_dma_iommu_mapping(fake_device(fake)));
	arm_iommu_release_mapping(mapping);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->domains), before);
	fk_expect_data(test, fake, 43);
}

/* As an IOMMU driver attaches it, and never detaches it: it goes as it is. */
static void removed_while_in_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct dma_iommu_mapping *mapping = attach(test, fake, BASE, SIZE);

	arm_iommu_release_mapping(mapping);
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, fk_probe_ok, NULL));
	fk_expect_data(test, fake, 44);
	fk_destroy_last(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake_iommu(0)->domains),
			fk(test)->domains[0]);
}
#else
static void no_mappings_here(struct kunit *test)
{
	kunit_skip(test, "only ARM has such mappings");
}
#endif

static struct kunit_case fake_arm_cases[] = {
#ifdef CONFIG_ARM_DMA_USE_IOMMU
	KUNIT_CASE(create_errors),
	KUNIT_CASE(whole_4g_mapping),
	KUNIT_CASE(d7_coherent_masters_snoop),
	KUNIT_CASE(d9_masks_in_mapping),
	KUNIT_CASE(d12_regions_in_mapping),
	KUNIT_CASE(d13_group_in_mapping),
	KUNIT_CASE(d16_segment_boundary_in_mapping),
	KUNIT_CASE(d17_offset_in_mapping),
	KUNIT_CASE(d19_more_than_128_mib),
	KUNIT_CASE_SLOW(d19_one_gib),
	KUNIT_CASE(d39_more_than_2_gib_is_an_error),
	KUNIT_CASE(d20_size_is_kept),
	KUNIT_CASE(d21_holes_of_the_bus),
	KUNIT_CASE(d24_aperture_in_mapping),
	KUNIT_CASE(d25_alloc_pages_in_mapping),
	KUNIT_CASE(d26_limits_in_mapping),
	KUNIT_CASE(d27_iova_state_in_mapping),
	KUNIT_CASE(d29_large_coherent_buffer),
	KUNIT_CASE(d31_one_sync_for_a_list),
	KUNIT_CASE(d32_lazy_if_asked_for),
	KUNIT_CASE(d33_sysfs_says_so),
	KUNIT_CASE(d36_coherent_masters_skip_sync),
	KUNIT_CASE(d37_failed_list_has_no_addresses),
	KUNIT_CASE(releases_in_any_order),
	KUNIT_CASE(face_of_the_mapping),
	KUNIT_CASE(unbind_while_in_mapping),
	KUNIT_CASE(component_is_tried_again),
	KUNIT_CASE(removed_while_in_mapping),
#else
	KUNIT_CASE(no_mappings_here),
#endif
	{}
};

static struct kunit_suite fake_arm_suite = {
	.name = "fake_arm_test",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_arm_cases,
};

kunit_test_suite(fake_arm_suite);

MODULE_DESCRIPTION("ARM mappings that devices are attached to, on a fake IOMMU");
MODULE_LICENSE("GPL");
