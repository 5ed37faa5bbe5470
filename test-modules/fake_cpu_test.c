// SPDX-License-Identifier: GPL-2.0
/*
 * CPU mappings of backings: of the kernel and of user space, on record like devices,
 * and gone when nobody has them any more. Devices are fake_iommu.h's.
 */

#include "fake_cpu.h"

#ifdef HAVE_DMA_BACKING

#define N	8

/* -- The kernel -- */

static void r000_1_one_kernel_mapping(struct kunit *test)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;
		struct bk_mappers *m;
		u8 *p, *q;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i]);
		p = dma_backing_vmap(b, policies[i]);
		KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(p));
		/* For all who ask. */
		q = dma_backing_vmap(b, 0);
		KUNIT_EXPECT_PTR_EQ(test, p, q);
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].kind, DMA_MAPPER_KERNEL);
		KUNIT_EXPECT_EQ(test, m->m[0].offset, 0);
		KUNIT_EXPECT_EQ(test, m->m[0].len, N * P);
		for (j = 0; j < N; j++) {
			KUNIT_EXPECT_PTR_EQ(test, vmalloc_to_page(p + j * P),
					    bk_page(b, j * P));
			dt_fill(p + j * P, P, j);
		}
		dma_backing_vunmap(b);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
		KUNIT_EXPECT_EQ(test, dt_check(p, P, 0), P);
		dma_backing_vunmap(b);
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		bk_expect_filled(test, b, 0);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
}

static void r000_1_vmap_without_memory(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, SZ_64K, 0);
	unsigned int n, errors = 0;
	bool failed = true;

	for (n = 1; failed && n < 60; n++) {
		void *p;

		dt_fail_nth(test, n);
		p = dma_backing_vmap(b, 0);
		failed = dt_fail_stop();
		if (!IS_ERR(p)) {
			KUNIT_EXPECT_NOT_NULL(test, p);
			dma_backing_vunmap(b);
			continue;
		}
		KUNIT_EXPECT_PTR_EQ(test, p, (void *)ERR_PTR(-ENOMEM));
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
		errors++;
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* -- User space -- */

static void r000_1_user_mapping(struct kunit *test)
{
	struct page **pages = dt_page_array(test, N);
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		struct dma_backing *b;
		struct bk_mappers *m;
		unsigned long uaddr;

		if (i && !bk_has_uncached())
			break;
		b = bk_alloc(test, NULL, N * P, policies[i] |
			     DMA_ATTR_ALLOC_SINGLE_PAGES);
		for (j = 0; j < N; j++)
			pages[j] = bk_page(b, j * P);
		bk_fill(b, 4);
		uaddr = map(test, b, 2, 5);
		KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].kind, DMA_MAPPER_USER);
		KUNIT_EXPECT_EQ(test, m->m[0].offset, 2 * P);
		KUNIT_EXPECT_EQ(test, m->m[0].len, 5 * P);
		um_expect(test, uaddr, 5, pages + 2,
			  policy_prot(dma_backing_policy(b), um_cached()),
			  "policy");
		/* A second one is another mapper; the first ends, it stays. */
		KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(map(test, b, 0, N)));
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 2);
		um_unmap(test, uaddr, 5);
		m = bk_mappers(test, b);
		KUNIT_EXPECT_EQ(test, m->count, 1);
		KUNIT_EXPECT_EQ(test, m->m[0].len, N * P);
	}
}

/* What user space writes is there for the kernel and the device. */
static void r004_4_user_mapping_sees_the_data(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), N * P, 0);
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL), *p;
	struct dma_binding *binding;
	unsigned long uaddr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	/* Mapped by the CPU first, and by the device later. */
	uaddr = map(test, b, 1, N - 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	dt_fill(buf, P, 9);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)uaddr + 2 * P, buf,
					      P));
	binding = bk_bind_all(test, fake, b);
	memset(buf, 0, P);
	KUNIT_EXPECT_EQ(test, fake_dev_read(fake, dma_binding_addr(binding) +
					    3 * P, buf, P), P);
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 9), P);
	dt_fill(buf, P, 11);
	KUNIT_EXPECT_EQ(test, fake_dev_write(fake, dma_binding_addr(binding) +
					     P, buf, P), P);
	memset(buf, 0, P);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr, P));
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 11), P);
	p = dma_backing_vmap(b, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(p));
	KUNIT_EXPECT_EQ(test, dt_check(p + P, P, 11), P);
	KUNIT_EXPECT_EQ(test, dt_check(p + 3 * P, P, 9), P);
	dma_backing_vunmap(b);
}

/* munmap() of a part splits it: it is a mapper until the last piece is gone. */
static void r000_1_unmapped_in_pieces(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, N * P, 0);
	unsigned long uaddr = map(test, b, 0, N);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	um_unmap(test, uaddr + 3 * P, 2);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
	um_unmap(test, uaddr, 1);
	um_unmap(test, uaddr + 6 * P, 2);
	um_unmap(test, uaddr + 1 * P, 2);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
	um_unmap(test, uaddr + 5 * P, 1);
	KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

static void r000_4_user_mapping_keeps_the_memory(struct kunit *test)
{
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, N, &owner);
	unsigned long uaddr = map(test, b, 0, N);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	bk_fill(b, 30);
	KUNIT_EXPECT_FALSE(test, bk_put(b));
	um_unmap(test, uaddr, N / 2);
	msleep(30);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr +
						5 * P, P));
	KUNIT_EXPECT_EQ(test, dt_check(buf, P, 35), P);
	um_unmap(test, uaddr + N / 2 * P, N / 2);
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
}

/* O_DIRECT and its like would be mappers that nobody knows. */
static void r000_1_no_references_on_pages(struct kunit *test)
{
	struct request r = { .backing = bk_alloc(test, NULL, 2 * P, 0) };
	struct page *page[2] = {};
	unsigned long uaddr;

	uaddr = map_as(test, &r, 0, 2, PROT_READ | PROT_WRITE, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(uaddr));
	KUNIT_EXPECT_EQ(test, r.flags & (VM_IO | VM_PFNMAP | VM_DONTEXPAND),
			VM_IO | VM_PFNMAP | VM_DONTEXPAND);
	KUNIT_EXPECT_EQ(test, -EFAULT, pin_user_pages_fast(uaddr, 2, FOLL_WRITE,
							   page));
	KUNIT_EXPECT_EQ(test, -EFAULT, get_user_pages_fast(uaddr, 1, 0, page));
}

static void r000_1_what_cannot_be_mapped(struct kunit *test)
{
	struct request r = { .backing = bk_alloc(test, NULL, N * P, 0) };
	unsigned long uaddr;

	refused(test, &r, 0, N + 1, -ENXIO, "more than there is");
	refused(test, &r, N - 1, 2, -ENXIO, "across the end");
	refused(test, &r, N, 1, -ENXIO, "behind the end");
	refused(test, &r, 0x7ffff, 1, -ENXIO, "far behind the end");
	/* A copy on write would be nobody's. */
	uaddr = map_as(test, &r, 0, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	KUNIT_EXPECT_EQ(test, (long)uaddr, -EINVAL);
	uaddr = map_as(test, &r, 0, 1, PROT_READ, MAP_PRIVATE);
	KUNIT_EXPECT_EQ_MSG(test, (long)uaddr, -EINVAL, "mprotect() can do it");
	KUNIT_EXPECT_EQ(test, bk_mapper_count(r.backing), 0);
	/* What is only read may be. */
	uaddr = map_as(test, &r, 0, 1, PROT_READ, MAP_SHARED);
	KUNIT_EXPECT_FALSE(test, IS_ERR_VALUE(uaddr));
	KUNIT_EXPECT_EQ(test, bk_mapper_count(r.backing), 1);
	um_unmap(test, uaddr, 1);
	KUNIT_EXPECT_TRUE(test, bk_put(r.backing));
}

/* A place for two page tables: half of the mapping is made when there is only one. */
#define ACROSS	(SZ_1G + SZ_2M - N / 2 * P)

/* Each allocation on the way; what was mapped of it is unmapped. */
static void r000_1_mmap_without_memory(struct kunit *test)
{
	struct dma_backing *b = bk_alloc(test, NULL, N * P,
					 DMA_ATTR_ALLOC_SINGLE_PAGES);
	unsigned int n, errors = 0, halves = 0;
	bool failed = true;

	/* Page tables, too. */
	dt_fail_pages(true);
	for (n = 1; failed && n < 60; n++) {
		struct request r = { .backing = b, .ret = 1 };
		unsigned long uaddr;
		struct file *file;

		file = anon_inode_getfile("backing", &request_fops, &r, O_RDWR);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
		if (n == 1)
			KUNIT_ASSERT_EQ(test, 0, kunit_attach_mm());
		dt_fail_nth(test, n);
		uaddr = vm_mmap(file, ACROSS, N * P, PROT_READ | PROT_WRITE,
				MAP_SHARED, 0);
		failed = dt_fail_stop();
		fput(file);
		halves += r.ret == -ENOMEM;
		KUNIT_EXPECT_FALSE_MSG(test, r.left, "allocation %u", n);
		if (!IS_ERR_VALUE(uaddr)) {
			KUNIT_EXPECT_EQ(test, uaddr, ACROSS);
			KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 1);
			um_unmap(test, uaddr, N);
		} else {
			errors++;
		}
		KUNIT_EXPECT_EQ(test, bk_mapper_count(b), 0);
	}
	dt_fail_pages(false);
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	/* Its record, and each of the page tables. */
	KUNIT_EXPECT_GE(test, halves, 3);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_cpu_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r000_1_one_kernel_mapping),
	KUNIT_CASE(r000_1_vmap_without_memory),
	KUNIT_CASE(r000_1_user_mapping),
	KUNIT_CASE(r004_4_user_mapping_sees_the_data),
	KUNIT_CASE(r000_1_unmapped_in_pieces),
	KUNIT_CASE(r000_4_user_mapping_keeps_the_memory),
	KUNIT_CASE(r000_1_no_references_on_pages),
	KUNIT_CASE(r000_1_what_cannot_be_mapped),
	KUNIT_CASE(r000_1_mmap_without_memory),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_cpu_suite = {
	.name = "fake_cpu_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = cpu_suite_init,
	.suite_exit = cpu_suite_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_cpu_cases,
};

kunit_test_suite(fake_cpu_suite);

MODULE_DESCRIPTION("CPU mappings of backings, on a fake IOMMU");
MODULE_LICENSE("GPL");
