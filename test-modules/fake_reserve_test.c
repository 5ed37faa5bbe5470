// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations where things go wrong: errors of every callee, limits of the IOMMU.
 * And what they make the IOMMU do. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include "fake_test.h"
#include "reserve.h"

#ifdef HAVE_DMA_RESERVE
#include "fake_reserve.h"

#define W	((dma_addr_t)SZ_32M)

/* -- Limits -- */

static void r001_1_limits_of_the_iommu(struct kunit *test)
{
	static const struct dma_iova_request out[] = {
		{ P, 0, SZ_16M, SZ_64M - 1 }, { P, 0, SZ_128M, SZ_256M },
		{ 2 * P, 0, SZ_64M - P, SZ_64M + P - 1 },
		{ 2 * P, 0, SZ_128M - P, SZ_128M + P - 1 },
		{ P, SZ_128M }, { SZ_64M + P },
	};
	struct dma_iova_state state;
	struct fake_dev *fake;
	unsigned int i;

	fake_iommu(0)->aperture_start = SZ_64M;
	fake_iommu(0)->aperture_end = SZ_128M - 1;
	fake = fk_dev(test, &(struct fake_config){});
	for (i = 0; i < ARRAY_SIZE(out); i++)
		rv_refused(test, fake_device(fake), &out[i], -EINVAL, "outside");
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(fake_device(fake), &state, P, 0,
					    SZ_64M - P, SZ_64M + P - 1));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), SZ_64M);
	dma_iova_free(fake_device(fake), &state);
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(fake_device(fake), &state, P, 0,
					    SZ_128M - P, SZ_128M + P - 1));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), SZ_128M - P);
	dma_iova_free(fake_device(fake), &state);
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(fake_device(fake), &state, SZ_64M, 0,
					    0, 0));
	dma_iova_free(fake_device(fake), &state);
}

/* On 32-bit kernels the end of a mapping there would be 0. */
static void r001_1_the_last_page_of_all(struct kunit *test)
{
	const dma_addr_t end = U32_MAX - P + 1;
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	bool small = BITS_PER_LONG == 32;
	struct dma_iova_state state;
	int ret;

	ret = rv_reserve(dev, &state, P, 0, end, U32_MAX);
	KUNIT_EXPECT_EQ(test, ret, small ? -EINVAL : 0);
	if (!ret)
		dma_iova_free(dev, &state);
	ret = rv_reserve(dev, &state, 2 * P, 0, end - P, U32_MAX);
	KUNIT_EXPECT_EQ(test, ret, small ? -EINVAL : 0);
	if (!ret)
		dma_iova_free(dev, &state);
	ret = rv_reserve(dev, &state, P, 0, end - P, U32_MAX);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), small ? end - P : end);
	if (!ret)
		dma_iova_free(dev, &state);
#ifdef CONFIG_ARCH_DMA_ADDR_T_64BIT
	KUNIT_EXPECT_EQ(test, 0, dma_set_mask(dev, DMA_BIT_MASK(40)));
	ret = rv_reserve(dev, &state, P, 0, SZ_4G, SZ_4G + SZ_1M);
	KUNIT_EXPECT_EQ(test, ret, small ? -EINVAL : 0);
	if (!ret)
		dma_iova_free(dev, &state);
	/* The end of the window is cut off, and that is all. */
	ret = rv_reserve(dev, &state, P, 0, SZ_2G, SZ_4G + SZ_1M);
	KUNIT_EXPECT_EQ(test, ret, 0);
	if (!ret)
		dma_iova_free(dev, &state);
#endif
}

static void r001_1_regions_are_not_reserved(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &with_region);
	struct device *dev = fake_device(fake);
	struct dma_iova_state state;
	struct dma_iova_room room;

	rv_refused(test, dev, &(struct dma_iova_request){ P, 0, HOLE, HOLE + P - 1 },
		   -ENOSPC, "a reserved region");
	KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &state, P, 0, HOLE - P,
					    HOLE + SZ_256K - 1));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), HOLE - P);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(dev, HOLE - P, HOLE + SZ_256K + P - 1,
						&room));
	KUNIT_EXPECT_EQ(test, room.free, P);
	dma_iova_free(dev, &state);
}

static const struct dma_map_ops no_ops;

static void r002_4_own_operations_are_refused(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct device *dev = fake_device(fake);
	struct dma_iova_room room;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "no device has such operations here");
	set_dma_ops(dev, &no_ops);
	rv_refused(test, dev, &(struct dma_iova_request){ P }, -EOPNOTSUPP,
		   "own operations");
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, dma_iova_query(dev, 0, 0, &room));
	set_dma_ops(dev, NULL);
}

static void r001_2_restricted_pools_are_refused(struct kunit *test)
{
#ifdef CONFIG_DMA_RESTRICTED_POOL
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct io_tlb_mem pool = { .for_alloc = true }, *old;
	struct device *dev = fake_device(fake);

	old = dev->dma_io_tlb_mem;
	dev->dma_io_tlb_mem = &pool;
	rv_refused(test, dev, &(struct dma_iova_request){ P }, -EOPNOTSUPP,
		   "a restricted pool");
	dev->dma_io_tlb_mem = old;
#else
	kunit_skip(test, "needs CONFIG_DMA_RESTRICTED_POOL");
#endif
}

/* -- Errors of those below -- */

static void reserve_fails_once(struct kunit *test, struct fake_dev *fake,
			       dma_addr_t first, dma_addr_t last)
{
	struct device *dev = fake_device(fake);
	struct dma_iova_state state;
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 20; n++) {
		int ret;

		dt_fail_nth(test, n);
		ret = rv_reserve(dev, &state, 3 * P, 0, first, last);
		failed = dt_fail_stop();
		KUNIT_EXPECT_EQ(test, ret, failed ? -ENOMEM : 0);
		if (!ret) {
			dma_iova_free(dev, &state);
			continue;
		}
		errors++;
		KUNIT_EXPECT_FALSE(test, dma_use_iova(&state));
		/* Nothing was taken. */
		KUNIT_EXPECT_EQ(test, 0, rv_reserve(dev, &state, 3 * P, 0, first,
						    last));
		dma_iova_free(dev, &state);
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
}

static void r001_1_reserve_without_memory(struct kunit *test)
{
	reserve_fails_once(test, fk_dev(test, &(struct fake_config){}), W,
			   W + 3 * P - 1);
	reserve_fails_once(test, fk_dev(test, &(struct fake_config){
				.untranslated = true }), 0, 0);
}

/* The IOMMU refuses what comes after a large page. */
static void r001_3_link_fails_half_way(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, get_order(SZ_4M));
	struct device *dev = fake_device(fake);
	phys_addr_t phys = page_to_phys(page);
	struct dma_iova_state state;
	unsigned int n;

	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &state, SZ_2M + 4 * P, SZ_2M, W,
					    W + SZ_8M - 1));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &state, phys + SZ_2M + 2 * P,
					       SZ_2M + 2 * P, 2 * P, RV_DIR, 0));
	for (n = 1; n < 3; n++) {
		fake->iommu->fail_map = n;
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				dma_iova_link(dev, &state, phys, 0,
					      SZ_2M + 2 * P, RV_DIR, 0));
		KUNIT_EXPECT_EQ(test, fake->iommu->fail_map, 0);
		fr_expect_nothing(test, fake, state.addr, SZ_2M / P + 2);
		KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, state.addr + SZ_2M + 2 * P),
				phys + SZ_2M + 2 * P);
	}
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &state, phys, 0,
					       SZ_2M + 2 * P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, 0, rv_sync(dev, &state));
	dma_iova_destroy(dev, &state, SZ_2M + 4 * P, RV_DIR, 0);
	fr_expect_nothing(test, fake, state.addr, SZ_2M / P + 4);
}

static void r001_3_sync_fails(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	struct dma_iova_state state;
	phys_addr_t phys;
	u8 *mem;

	phys = rv_block(test, &mem);
	rv_any(test, dev, &state);
	KUNIT_EXPECT_EQ(test, 0, rv_link(dev, &state, phys, 0, 8));
	fake->iommu->fail_sync = 1;
	KUNIT_EXPECT_EQ(test, -EIO, rv_sync(dev, &state));
	/* The links are still to be undone, or can be tried again. */
	KUNIT_EXPECT_EQ(test, 0, rv_sync(dev, &state));
	rv_unlink(dev, &state, 0, 8);
	fr_expect_nothing(test, fake, state.addr, 8);
	KUNIT_EXPECT_EQ(test, 0, rv_link(dev, &state, phys, 0, 8));
	fake->iommu->fail_sync = 1;
	KUNIT_EXPECT_EQ(test, -EIO, rv_sync(dev, &state));
	dma_iova_destroy(dev, &state, RV_SIZE, RV_DIR, 0);
	fr_expect_nothing(test, fake, state.addr, 8);
}

/* One that rounds up the length is refused, and keeps the addresses. */
static void r002_4_refused_destroy(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	struct device *dev = fake_device(fake);
	struct dma_iova_state state, other;
	const size_t size = P + 256;
	phys_addr_t phys;
	u8 *mem;

	phys = rv_block(test, &mem);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &state, phys, size));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &state, phys, 0, size, RV_DIR,
					       0));
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(dev, &state, 0, size));
	RV_WARNS(test, dma_iova_destroy(dev, &state, 2 * P, RV_DIR, 0));
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, state.addr), phys);
	KUNIT_EXPECT_EQ(test, fake_dev_phys(fake, state.addr + P), phys + P);
	KUNIT_ASSERT_TRUE(test, dma_iova_try_alloc(dev, &other, phys, size));
	KUNIT_EXPECT_NE(test, other.addr, state.addr);
	dma_iova_free(dev, &other);
	dma_iova_destroy(dev, &state, size, RV_DIR, 0);
	fr_expect_nothing(test, fake, state.addr, 2);
}

/* -- What the IOMMU has to do -- */

/* Calls of the IOMMU driver, and what they were about, since the last look */
static void expect_calls(struct kunit *test, struct fake_iommu *iommu,
			 const char *when, int maps, int map_syncs,
			 int unmap_syncs)
{
	KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&iommu->maps, 0), maps, "%s", when);
	KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&iommu->map_syncs, 0), map_syncs,
			    "%s", when);
	KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&iommu->unmap_syncs, 0),
			    unmap_syncs, "%s", when);
	KUNIT_EXPECT_EQ_MSG(test, atomic_xchg(&iommu->flushes, 0), 0, "%s", when);
}

static void expect_one_notification(struct kunit *test, struct fake_dev *fake,
				    phys_addr_t phys, unsigned int count)
{
	struct device *dev = fake_device(fake);
	struct fake_iommu *iommu = fake->iommu;
	struct dma_iova_state state;
	long size = count * P;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, rv_reserve(dev, &state, size, 0, 0, 0));
	for (i = 0; i < count; i++)
		KUNIT_EXPECT_EQ(test, 0,
				dma_iova_link(dev, &state, phys + i * 3 % 8 * P,
					      i * P, P, DMA_TO_DEVICE, 0));
	expect_calls(test, iommu, "link", count, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, rv_sync(dev, &state));
	expect_calls(test, iommu, "sync", 0, 1, 0);
	KUNIT_EXPECT_EQ(test, atomic_long_xchg(&iommu->map_told, 0), size);
	dma_iova_sync_for_cpu(dev, &state, 0, size, DMA_TO_DEVICE);
	dma_iova_sync_for_device(dev, &state, 0, size, DMA_TO_DEVICE);
	expect_calls(test, iommu, "data", 0, 0, 0);
	dma_iova_unlink(dev, &state, 0, size, DMA_TO_DEVICE, 0);
	/* The IOTLB is told before the memory is used for anything else. */
	expect_calls(test, iommu, "unlink", 0, 0, 1);
	KUNIT_EXPECT_EQ(test, atomic_long_xchg(&iommu->unmap_told, 0), size);
	dma_iova_free(dev, &state);
	expect_calls(test, iommu, "free", 0, 0, 0);
	fr_expect_nothing(test, fake, state.addr, count);
}

/* One for any number of links, and none by the way. */
static void r002_5_one_notification(struct kunit *test)
{
	static const unsigned int counts[] = { 1, 16, 64, 256 };
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){});
	phys_addr_t phys;
	unsigned int i;
	u8 *mem;

	/* Pages of it in an order in which no two can be mapped as one */
	phys = rv_block(test, &mem);
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		expect_one_notification(test, fake, phys, counts[i]);
}

static void r001_3_permissions(struct kunit *test)
{
	static const struct {
		enum dma_data_direction dir;
		unsigned long attrs;
		int prot;
	} t[] = {
		{ DMA_BIDIRECTIONAL, 0, IOMMU_READ | IOMMU_WRITE },
		{ DMA_TO_DEVICE, 0, IOMMU_READ },
		{ DMA_FROM_DEVICE, 0, IOMMU_WRITE },
		{ DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC,
		  IOMMU_READ | IOMMU_WRITE },
		{ DMA_TO_DEVICE, DMA_ATTR_MMIO, IOMMU_READ | IOMMU_MMIO },
		{ DMA_FROM_DEVICE, DMA_ATTR_PRIVILEGED, IOMMU_WRITE | IOMMU_PRIV },
	};
	unsigned int coherent, i;

	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *fake = fk_dev(test, &(struct fake_config){
						.coherent = coherent });
		struct device *dev = fake_device(fake);
		struct dma_iova_state state;
		phys_addr_t phys;
		u8 *mem;

		phys = rv_block(test, &mem);
		rv_any(test, dev, &state);
		for (i = 0; i < ARRAY_SIZE(t); i++) {
			int want = t[i].prot;

			if (coherent && !(t[i].attrs & DMA_ATTR_MMIO))
				want |= IOMMU_CACHE;
			KUNIT_EXPECT_EQ(test, 0,
					dma_iova_link(dev, &state, phys, 2 * P, P,
						      t[i].dir, t[i].attrs));
			KUNIT_EXPECT_EQ_MSG(test,
					    fake_dev_prot(fake, state.addr + 2 * P) &
					    ~IOMMU_NOEXEC, want, "%u", i);
			KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(dev, &state, 2 * P,
							       P));
			dma_iova_unlink(dev, &state, 2 * P, P, t[i].dir,
					t[i].attrs);
		}
		dma_iova_free(dev, &state);
	}
}

/* Device memory has no struct page, and is not synced. */
static void r001_2_device_memory(struct kunit *test)
{
	struct fake_dev *fake = fk_dev(test, &(struct fake_config){
					.untranslated = true });
	struct device *dev = fake_device(fake);
	phys_addr_t phys = SZ_16M;
	struct dma_iova_state state;

	while (pfn_valid(PHYS_PFN(phys)))
		phys += SZ_16M;
	rv_any(test, dev, &state);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_link(dev, &state, phys + P, P, 2 * P,
					       DMA_FROM_DEVICE, DMA_ATTR_MMIO));
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), phys);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_sync(dev, &state, P, 2 * P));
	dma_iova_unlink(dev, &state, P, 2 * P, DMA_FROM_DEVICE, DMA_ATTR_MMIO);
	KUNIT_EXPECT_EQ(test, dma_iova_addr(&state), DMA_MAPPING_ERROR);
	dma_iova_free(dev, &state);
}
#endif /* HAVE_DMA_RESERVE */

static struct kunit_case fake_reserve_cases[] = {
#ifdef HAVE_DMA_RESERVE
	KUNIT_CASE(r001_1_limits_of_the_iommu),
	KUNIT_CASE(r001_1_the_last_page_of_all),
	KUNIT_CASE(r001_1_regions_are_not_reserved),
	KUNIT_CASE(r002_4_own_operations_are_refused),
	KUNIT_CASE(r001_2_restricted_pools_are_refused),
	KUNIT_CASE(r001_1_reserve_without_memory),
	KUNIT_CASE(r001_3_link_fails_half_way),
	KUNIT_CASE(r001_3_sync_fails),
	KUNIT_CASE(r002_4_refused_destroy),
	KUNIT_CASE(r002_5_one_notification),
	KUNIT_CASE(r001_3_permissions),
	KUNIT_CASE(r001_2_device_memory),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static struct kunit_suite fake_reserve_suite = {
	.name = "fake_reserve_test",
	.suite_init = dt_fail_init,
	.suite_exit = dt_fail_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_reserve_cases,
};

kunit_test_suite(fake_reserve_suite);

MODULE_DESCRIPTION("Reservations of DMA addresses, on a fake IOMMU");
MODULE_LICENSE("GPL");
