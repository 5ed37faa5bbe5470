// SPDX-License-Identifier: GPL-2.0
/*
 * Backings as dma-bufs: what the kernel, processes and fences have of them. On devices
 * that can be told to be difficult (fake_iommu.h).
 */

#include <linux/dma-fence.h>

#include "fake_dmabuf.h"

static void r004_4_kernel_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct iosys_map map, again;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	struct db_mem *mem;
	u8 *p;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	KUNIT_ASSERT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &map));
	KUNIT_EXPECT_FALSE(test, map.is_iomem);
	KUNIT_EXPECT_EQ(test, 0, dma_buf_vmap_unlocked(dmabuf, &again));
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, again.vaddr);
	KUNIT_EXPECT_PTR_EQ(test, map.vaddr, dma_backing_vmap(backing, 0));
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_KERNEL);
	p = map.vaddr;
	memset(p + 3 * P, 0x5a, P);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(page_address(mem->page[3]), 0x5a, P));
	dma_buf_vunmap_unlocked(dmabuf, &again);
	dma_buf_vunmap_unlocked(dmabuf, &map);
	db_expect_mappers(test, backing, 1);
	dma_backing_vunmap(backing);
	db_expect_mappers(test, backing, 0);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static unsigned long map_user(struct kunit *test, struct dma_buf *dmabuf,
			      unsigned long first, unsigned long count,
			      unsigned long flags)
{
	return kunit_vm_mmap(test, dmabuf->file, 0, count * P,
			     PROT_READ | PROT_WRITE, flags, first * P);
}

static void r004_4_user_mapping(struct kunit *test)
{
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct db_seen seen;
	unsigned long u;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	u = map_user(test, dmabuf, 2, 3, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(u));
	um_expect(test, u, 3, mem->page + 2, um_cached(), "pages 2 to 4");
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 1);
	KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_USER);
	KUNIT_EXPECT_EQ(test, seen.m[0].offset, 2 * P);
	KUNIT_EXPECT_EQ(test, seen.m[0].len, 3 * P);

	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0, 1,
						      MAP_PRIVATE));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, 0,
						      DB_PAGES + 1, MAP_SHARED));
	KUNIT_EXPECT_EQ(test, -EINVAL, (long)map_user(test, dmabuf, DB_PAGES, 1,
						      MAP_SHARED));
	db_expect_mappers(test, backing, 1);

	/* It alone keeps the memory now. */
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_alive(test, mem);
	um_unmap(test, u, 3);
	db_expect_freed(test, mem);
}

/* Other people's fences stay, and there are none of ours. */
static void r004_4_fences_are_left_alone(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	struct dma_fence *fence = dma_fence_allocate_private_stub(ktime_get());

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dmabuf = db_make(test, &mem, 2);
	a = db_attach(test, dmabuf, fake);
	dma_resv_lock(dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 0, dma_resv_reserve_fences(dmabuf->resv, 1));
	dma_resv_add_fence(dmabuf->resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(dmabuf->resv);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	sgt = db_map(test, a, BOTH);
	KUNIT_EXPECT_EQ(test, 0, dma_buf_begin_cpu_access(dmabuf, BOTH));
	KUNIT_EXPECT_EQ(test, 0, dma_buf_end_cpu_access(dmabuf, BOTH));
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
	msleep(40);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static int suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return 0;
}

static void suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}

static struct kunit_case fake_dmabuf_cpu_cases[] = {
	KUNIT_CASE(r004_4_kernel_mapping),
	KUNIT_CASE(r004_4_user_mapping),
	KUNIT_CASE(r004_4_fences_are_left_alone),
	{}
};

static struct kunit_suite fake_dmabuf_cpu_suite = {
	.name = "fake_dmabuf_cpu_test",
	.suite_init = suite_init,
	.suite_exit = suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_dmabuf_cpu_cases,
};

kunit_test_suite(fake_dmabuf_cpu_suite);

MODULE_DESCRIPTION("Backings as dma-bufs, for CPUs");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
