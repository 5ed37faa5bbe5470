// SPDX-License-Identifier: GPL-2.0-only
/*
 * What dma_map_page() and dma_unmap_page() cost in a mapping of
 * arm_iommu_create_mapping() that is all but empty, and in one that is 90 % full,
 * in instructions, as iova_bench counts them. On the fake IOMMU, whose part of it
 * does not depend on what is mapped. The same on kernels whose ARM code has an
 * allocator of its own.
 *
 * Full is compact, one mapping beside the other; or fragmented: every second of
 * them is gone again, and they are half as large as what is measured.
 *
 * It only measures: what the figures have to be is judged from outside.
 */
#include <asm/dma-iommu.h>
#include <linux/cleanup.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sizes.h>

#include "fake_test.h"

#define MB_SIZE		((u64)SZ_64M)
#define MB_PAGES	(MB_SIZE / PAGE_SIZE)
#define MB_NS		16	/* of an instruction */
#define MB_ROUNDS	64
#define MB_MOST		64	/* pages at once */

enum mb_fill { MB_EMPTY, MB_COMPACT, MB_FRAGMENTED };

static const char * const mb_names[] = { "empty", "compact", "fragmented" };

static unsigned int mb_sizes[] = { 1, 4, 64 };

static void mb_size_desc(unsigned int *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u pages", *size);
}

KUNIT_ARRAY_PARAM(mb_size, mb_sizes, mb_size_desc);

/**
 * struct mb_map - what is mapped
 * @dev: for this device
 * @page: the memory, again and again
 * @addr: where
 * @pages: how much there
 * @count: entries of both
 */
struct mb_map {
	struct device *dev;
	struct page *page;
	dma_addr_t addr[MB_PAGES];
	unsigned int pages[MB_PAGES];
	unsigned int count;
};

static dma_addr_t mb_one(struct mb_map *m, unsigned int pages)
{
	return dma_map_page(m->dev, m->page, 0, pages * PAGE_SIZE,
			    DMA_TO_DEVICE);
}

static void mb_undo(struct mb_map *m, dma_addr_t addr, unsigned int pages)
{
	dma_unmap_page(m->dev, addr, pages * PAGE_SIZE, DMA_TO_DEVICE);
}

static int mb_add(struct mb_map *m, unsigned int pages)
{
	dma_addr_t addr = mb_one(m, pages);

	if (dma_mapping_error(m->dev, addr))
		return -ENOMEM;
	m->addr[m->count] = addr;
	m->pages[m->count++] = pages;
	return 0;
}

static int mb_compact(struct mb_map *m, unsigned int pages)
{
	unsigned int n;
	int ret = 0;

	for (n = 0; n < MB_PAGES / pages * 9 / 10 && !ret; n++)
		ret = mb_add(m, pages);
	return ret;
}

static int mb_fragmented(struct mb_map *m, unsigned int pages)
{
	unsigned int n, kept = 0;
	int ret = 0;

	for (n = 0; n < MB_PAGES / pages * 9 / 10 * 2 && !ret; n++)
		ret = mb_add(m, pages / 2);
	for (n = 0; n < m->count; n++) {
		/* The first is not one of these */
		if (n && n % 2) {
			mb_undo(m, m->addr[n], m->pages[n]);
			continue;
		}
		m->addr[kept] = m->addr[n];
		m->pages[kept++] = m->pages[n];
	}
	m->count = kept;
	return ret;
}

static u64 mb_now(void)
{
	return div_u64(ktime_get_ns(), MB_NS);
}

static int mb_measure(struct kunit *test, struct mb_map *m, unsigned int pages,
		      enum mb_fill fill)
{
	unsigned long map = 0, unmap = 0;
	unsigned int n;

	guard(irqsave)();
	/* The first takes what is there the first time only. */
	for (n = 0; n <= MB_ROUNDS; n++) {
		u64 t0 = mb_now(), t1, t2;
		dma_addr_t addr = mb_one(m, pages);

		t1 = mb_now();
		if (dma_mapping_error(m->dev, addr))
			return -ENOMEM;
		mb_undo(m, addr, pages);
		t2 = mb_now();
		if (n) {
			map += t1 - t0;
			unmap += t2 - t1;
		}
	}
	kunit_info(test, "map %u pages %s: map %lu unmap %lu\n", pages,
		   mb_names[fill], map / MB_ROUNDS, unmap / MB_ROUNDS);
	return 0;
}

static void mb_fill_and_measure(struct kunit *test, struct mb_map *m,
				unsigned int pages, enum mb_fill fill)
{
	int ret;

	/* The fake IOMMU takes a node for the first page, and frees it again. */
	m->count = 0;
	ret = mb_add(m, pages);
	if (!ret && fill == MB_COMPACT)
		ret = mb_compact(m, pages);
	else if (!ret && fill == MB_FRAGMENTED)
		ret = mb_fragmented(m, pages);
	KUNIT_EXPECT_EQ(test, ret, 0);
	if (!ret)
		KUNIT_EXPECT_EQ(test, mb_measure(test, m, pages, fill), 0);
	while (m->count--)
		mb_undo(m, m->addr[m->count], m->pages[m->count]);
}

static void full_mapping(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.coherent = true });
	unsigned int pages = *(const unsigned int *)test->param_value;
	struct mb_map *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct dma_iommu_mapping *mapping;
	enum mb_fill fill;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->dev = fake_device(fake);
	m->page = dt_alloc_pages(test, GFP_KERNEL, get_order(MB_MOST * PAGE_SIZE));
	mapping = arm_iommu_create_mapping(m->dev, SZ_16M, MB_SIZE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mapping);
	KUNIT_ASSERT_EQ(test, arm_iommu_attach_device(m->dev, mapping), 0);
	for (fill = MB_EMPTY; fill <= MB_FRAGMENTED; fill++)
		if (pages > 1 || fill != MB_FRAGMENTED)
			mb_fill_and_measure(test, m, pages, fill);
	arm_iommu_detach_device(m->dev);
	arm_iommu_release_mapping(mapping);
}

static struct kunit_case fake_map_bench_cases[] = {
	KUNIT_CASE_PARAM(full_mapping, mb_size_gen_params),
	{}
};

static struct kunit_suite fake_map_bench_suite = {
	.name = "fake_map_bench",
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_map_bench_cases,
};

kunit_test_suite(fake_map_bench_suite);

MODULE_DESCRIPTION("What a mapping costs in a full space of ARM");
MODULE_LICENSE("GPL");
