/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites on the fake IOMMU share. test->priv is a struct dt_ctx, as
 * space.h wants it, with the fake devices behind it.
 */
#ifndef _TEST_FAKE_TEST_H
#define _TEST_FAKE_TEST_H

#include <linux/dma-map-ops.h>

#include "dma_test.h"
#include "fake_iommu.h"
#include "space.h"

#define FK_DEVICES	6

/**
 * struct fk_ctx - what a case works on
 * @dt: the device whose space the functions of space.h take
 * @dev: the devices of the case, destroyed at its end
 * @devs: entries in @dev
 * @domains: domains of each instance before the case
 * @left: pages that stay mapped until their domain is freed, of each instance
 * @mess: unmaps of nothing, and maps over something, are expected
 */
struct fk_ctx {
	struct dt_ctx dt;
	struct fake_dev *dev[FK_DEVICES];
	unsigned int devs;
	int domains[FAKE_INSTANCES];
	int left[FAKE_INSTANCES];
	bool mess;
};

static inline struct fk_ctx *fk(struct kunit *test)
{
	return container_of((struct dt_ctx *)test->priv, struct fk_ctx, dt);
}

static inline int fk_init(struct kunit *test)
{
	struct fk_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	unsigned int i;

	if (!ctx)
		return -ENOMEM;
	for (i = 0; i < FAKE_INSTANCES; i++) {
		fake_iommu_reset(fake_iommu(i));
		ctx->domains[i] = atomic_read(&fake_iommu(i)->domains);
	}
	dt_splats_begin(&ctx->dt);
	test->priv = &ctx->dt;
	return 0;
}

/* Nothing is left, and nothing was asked of the IOMMU that makes no sense. */
static inline void fk_exit(struct kunit *test)
{
	struct fk_ctx *ctx;
	unsigned int i;

	if (!test->priv)
		return;
	ctx = fk(test);
	while (ctx->devs)
		fake_dev_destroy(ctx->dev[--ctx->devs]);
	for (i = 0; i < FAKE_INSTANCES; i++) {
		struct fake_iommu *iommu = fake_iommu(i);

		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->domains),
				    ctx->domains[i], "domains left over");
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->left), ctx->left[i],
				    "pages mapped in a freed domain");
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->outside), 0,
				    "pages outside the aperture");
		if (ctx->mess)
			continue;
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->twice), 0,
				    "pages mapped twice");
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->holes), 0,
				    "pages unmapped that were not mapped");
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&iommu->parts), 0,
				    "parts of large pages unmapped");
	}
	dt_splats_expect_none(test);
}

/* Another device; the functions of space.h take the last one's space. */
static inline struct fake_dev *fk_dev(struct kunit *test,
				      const struct fake_config *cfg)
{
	struct fk_ctx *ctx = fk(test);
	struct fake_dev *fake;

	KUNIT_ASSERT_LT(test, ctx->devs, FK_DEVICES);
	fake = fake_dev_create(cfg);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake);
	ctx->dev[ctx->devs++] = fake;
	ctx->dt.dev = fake_device(fake);
	return fake;
}

/* Before the end of the case. Only the last one made can go. */
static inline void fk_destroy_last(struct kunit *test)
{
	struct fk_ctx *ctx = fk(test);

	fake_dev_destroy(ctx->dev[--ctx->devs]);
	ctx->dt.dev = ctx->devs ? fake_device(ctx->dev[ctx->devs - 1]) : NULL;
}

static inline dma_addr_t fk_map(struct kunit *test, struct fake_dev *fake,
				struct page *page)
{
	dma_addr_t addr = dma_map_page(fake_device(fake), page, 0, PAGE_SIZE,
				       DMA_BIDIRECTIONAL);

	KUNIT_EXPECT_EQ(test, 0, dma_mapping_error(fake_device(fake), addr));
	return addr;
}

static inline void fk_unmap(struct fake_dev *fake, dma_addr_t addr)
{
	if (addr != DMA_MAPPING_ERROR)
		dma_unmap_page(fake_device(fake), addr, PAGE_SIZE,
			       DMA_BIDIRECTIONAL);
}

/* A page goes through the device there and back, wherever it is attached. */
static inline void fk_expect_data(struct kunit *test, struct fake_dev *fake,
				  unsigned int seed)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 0);
	u8 *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	dma_addr_t addr;

	KUNIT_EXPECT_NOT_NULL(test, page);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	if (!page || !buf)
		goto out;
	dt_fill(page_address(page), 2000, seed);
	addr = fk_map(test, fake, page);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), page_to_phys(page));
	KUNIT_EXPECT_EQ(test, fake_dev_read(fake, addr, buf, 2000), 2000);
	KUNIT_EXPECT_EQ(test, dt_check(buf, 2000, seed), 2000);
	dt_fill(buf, 2000, seed + 1);
	KUNIT_EXPECT_EQ(test, fake_dev_write(fake, addr + 2000, buf, 2000),
			2000);
	fk_unmap(fake, addr);
	KUNIT_EXPECT_EQ(test, dt_check(page_address(page) + 2000, 2000,
				       seed + 1), 2000);
	if (fake->iommu && fake->domain && fake->domain->type == IOMMU_DOMAIN_DMA)
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, addr), 0);
out:
	kfree(buf);
	if (page)
		__free_pages(page, 0);
}

/* What sysfs says about a device's group; "" if it says nothing. */
static inline void fk_read_type(struct fake_dev *fake, char *buf, size_t size)
{
	char path[64];
	struct file *file;
	loff_t pos = 0;
	ssize_t n;

	buf[0] = 0;
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type",
		 iommu_group_id(fake_device(fake)->iommu_group));
	file = dt_open(path, O_RDONLY);
	if (IS_ERR(file))
		return;
	n = kernel_read(file, buf, size - 1, &pos);
	buf[n > 0 ? n : 0] = 0;
	strim(buf);
	filp_close(file, NULL);
}

static inline ssize_t fk_write_file(const char *path, const char *text)
{
	struct file *file = dt_open(path, O_WRONLY);
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_write(file, text, strlen(text), &pos);
	filp_close(file, NULL);
	return n;
}

static inline ssize_t fk_write_type(struct fake_dev *fake, const char *type)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/type",
		 iommu_group_id(fake_device(fake)->iommu_group));
	return fk_write_file(path, type);
}

/* A number that sysfs has, or a negative errno. */
static inline long fk_read_number(const char *path)
{
	struct file *file = dt_open(path, O_RDONLY);
	char buf[32] = "";
	loff_t pos = 0;
	long number;
	int ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	kernel_read(file, buf, sizeof(buf) - 1, &pos);
	filp_close(file, NULL);
	/* With NUMA, the share of each node follows. */
	buf[strcspn(buf, " \n")] = 0;
	ret = kstrtol(buf, 10, &number);
	return ret ?: number;
}

/*
 * Small objects that kmalloc() has given out. What it keeps on some CPU counts as
 * well, a page of them at a time, so it gives that back first.
 */
static inline long fk_small_objects(struct kunit *test)
{
	static const unsigned int sizes[] = { 8, 16, 32, 64, 96, 128 };
	unsigned int i, caches = 0;
	long sum = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		char path[48];
		long n;

		snprintf(path, sizeof(path), "/sys/kernel/slab/kmalloc-%u/shrink",
			 sizes[i]);
		fk_write_file(path, "1");
		snprintf(path, sizeof(path), "/sys/kernel/slab/kmalloc-%u/objects",
			 sizes[i]);
		n = fk_read_number(path);
		if (n < 0)
			continue;
		sum += n;
		caches++;
	}
	if (!caches)
		kunit_skip(test, "needs CONFIG_SLUB_DEBUG");
	return sum;
}

/* As dt_settle(), in whatever domain the device is now. */
static inline void fk_settle(struct kunit *test)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(fk(test)->dt.dev);

	if (domain && domain->type == IOMMU_DOMAIN_DMA_FQ)
		msleep(40);
}

/*
 * Take all there is by @way and look at it: every address within the window,
 * none of it twice, none in [@hole, @hole_last], and not a page left unused.
 */
static inline void fk_check_window(struct kunit *test, const struct way *way,
				   u64 first, u64 last, u64 hole, u64 hole_last)
{
	struct space *s = space_init(test, last - first + 256 * SPACE_PIECE);
	u64 lo = max_t(u64, ALIGN(first, PAGE_SIZE), PAGE_SIZE);
	u64 end = ALIGN_DOWN(last + 1, PAGE_SIZE);
	unsigned int i, outside = 0, overlap = 0, inside = 0;
	u64 want;

	fk_settle(test);
	/* The end of a mapping must not wrap. */
	if (!IS_ENABLED(CONFIG_64BIT))
		end = min_t(u64, end, U32_MAX - PAGE_SIZE + 1);
	want = end - lo;
	if (hole_last)
		want -= hole_last + 1 - hole;

	space_fill(test, s, way, last);
	sort(s->piece, s->count, sizeof(*s->piece), piece_cmp, NULL);
	for (i = 0; i < s->count; i++) {
		struct piece *p = &s->piece[i];

		if (p->addr < lo || (u64)p->addr + p->size > end)
			outside++;
		if (i && p[-1].addr + p[-1].size > p->addr)
			overlap++;
		if (hole_last && p->addr <= hole_last &&
		    p->addr + p->size > hole)
			inside++;
	}
	KUNIT_EXPECT_EQ_MSG(test, outside, 0, "%s: outside of the window",
			    way->name);
	KUNIT_EXPECT_EQ_MSG(test, overlap, 0, "%s: overlap", way->name);
	KUNIT_EXPECT_EQ_MSG(test, inside, 0, "%s: in the reserved region",
			    way->name);
	KUNIT_EXPECT_TRUE_MSG(test, s->refused, "%s: it never ran out",
			      way->name);
	KUNIT_EXPECT_EQ_MSG(test, s->bytes, want, "%s: %u pieces", way->name,
			    s->count);
	space_empty(test, s, way);
	fk_settle(test);
}

static inline int fk_probe_ok(struct fake_dev *fake)
{
	return 0;
}

#endif /* _TEST_FAKE_TEST_H */
