// SPDX-License-Identifier: GPL-2.0
/*
 * Backings as dma-bufs: what importers do with them is on record with the backing,
 * whatever their devices. On devices that can be told to be difficult
 * (fake_iommu.h).
 */

#include "fake_dmabuf.h"

/* -- Devices -- */

static void r004_4_attach_reserves_map_binds(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_buf_attachment *a;
	struct dma_iova_room before, room;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;
	dma_addr_t addr = 0;
	unsigned int i;

	dmabuf = db_make(test, &mem, 2);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(fake_device(fake), 0, 0, &before));
	a = db_attach(test, dmabuf, fake);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(fake_device(fake), 0, 0, &room));
	KUNIT_EXPECT_EQ(test, room.free, before.free - DB_PAGES * P);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->maps), 0);

	for (i = 1; i <= 3; i++) {
		sgt = db_map(test, a, BOTH);
		/* One range, one notice to the IOMMU, and always the same place. */
		KUNIT_EXPECT_EQ(test, sgt->nents, 1);
		KUNIT_EXPECT_EQ(test, sg_dma_len(sgt->sgl), DB_PAGES * P);
		KUNIT_EXPECT_EQ(test, atomic_read(&fake->iommu->map_syncs), i);
		KUNIT_EXPECT_TRUE(test, i == 1 || sg_dma_address(sgt->sgl) == addr);
		addr = sg_dma_address(sgt->sgl);
		db_expect_pages(test, fake, sgt, mem);
		KUNIT_EXPECT_PTR_EQ(test, sg_page(sgt->sgl), NULL);
		db_unmap(a, sgt);
		fr_expect_nothing(test, fake, addr, DB_PAGES);
	}
	dma_buf_detach(dmabuf, a);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_query(fake_device(fake), 0, 0, &room));
	KUNIT_EXPECT_EQ(test, room.free, before.free);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* One attachment, mapped again before it is unmapped, in whatever direction. */
static void r004_8_several_maps_of_an_attachment(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_TO_DEVICE, BOTH,
	};
	static const int prots[] = {
		IOMMU_READ, IOMMU_WRITE, IOMMU_READ, IOMMU_READ | IOMMU_WRITE,
	};
	struct fake_dev *fake = db_dev(test, false, true);
	struct sg_table *sgt[ARRAY_SIZE(dirs)];
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	unsigned int i, round;
	struct db_seen seen;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a = db_attach(test, dmabuf, fake);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < ARRAY_SIZE(dirs); i++)
			sgt[i] = db_map(test, a, dirs[i]);
		seen = db_look(backing);
		KUNIT_EXPECT_EQ(test, seen.count, ARRAY_SIZE(dirs));
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			dma_addr_t addr = sg_dma_address(sgt[i]->sgl);

			KUNIT_EXPECT_EQ(test, seen.m[i].kind, DMA_MAPPER_SPACE);
			KUNIT_EXPECT_EQ(test, seen.m[i].dir, dirs[i]);
			KUNIT_EXPECT_EQ(test, seen.addr[i], addr);
			KUNIT_EXPECT_EQ(test, prots[i],
				fake_dev_prot(fake, addr) &
				(IOMMU_READ | IOMMU_WRITE));
			db_expect_pages(test, fake, sgt[i], mem);
		}
		/* First in, first out; then the other way round. */
		for (i = 0; i < ARRAY_SIZE(dirs); i++) {
			unsigned int n = round ? ARRAY_SIZE(dirs) - 1 - i : i;

			dma_buf_unmap_attachment_unlocked(a, sgt[n], dirs[n]);
		}
		db_expect_mappers(test, backing, 0);
	}
	dma_buf_detach(dmabuf, a);
	dma_buf_put(dmabuf);
	db_expect_alive(test, mem);
	KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
}

static void r000_1_importers_are_on_record(struct kunit *test)
{
	struct fake_dev *one = db_dev(test, false, true), *two = db_dev(test, false, true);
	struct dma_buf_attachment *a[3];
	struct dma_backing *backing;
	struct sg_table *sgt[3];
	struct dma_buf *dmabuf;
	struct db_seen seen;
	struct db_mem *mem;
	unsigned int i;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	a[0] = db_attach(test, dmabuf, one);
	a[1] = db_attach(test, dmabuf, two);
	a[2] = db_attach(test, dmabuf, one);
	db_expect_mappers(test, backing, 0);
	for (i = 0; i < 3; i++)
		sgt[i] = db_map(test, a[i], BOTH);
	seen = db_look(backing);
	KUNIT_EXPECT_EQ(test, seen.count, 3);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, seen.m[i].offset, 0);
		KUNIT_EXPECT_EQ(test, seen.m[i].len, DB_PAGES * P);
		KUNIT_EXPECT_EQ(test, seen.addr[i], sg_dma_address(sgt[i]->sgl));
	}
	KUNIT_EXPECT_NE(test, seen.addr[0], seen.addr[2]);
	/* Where one device sees it, and another. */
	KUNIT_EXPECT_EQ(test, seen.addr[1] + P,
			dma_backing_translate(backing, fake_device(one),
					      seen.addr[2] + P,
					      fake_device(two)));
	for (i = 0; i < 3; i++) {
		db_unmap(a[i], sgt[i]);
		dma_buf_detach(dmabuf, a[i]);
		db_expect_mappers(test, backing, 2 - i);
	}
	dma_buf_put(dmabuf);
	dma_backing_put(backing);
	db_expect_freed(test, mem);
}

static void r001_2_direct_in_pieces(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, true, true);
	unsigned int step;

	for (step = 1; step <= 2; step++) {
		struct dma_buf_attachment *a;
		struct dma_backing *backing;
		struct sg_table *sgt[2];
		struct dma_buf *dmabuf;
		struct db_seen seen;
		struct db_mem *mem;
		dma_addr_t first;

		backing = db_wrap(test, &mem, step);
		dmabuf = db_export(test, backing);
		a = db_attach(test, dmabuf, fake);
		sgt[0] = db_map(test, a, DMA_TO_DEVICE);
		sgt[1] = db_map(test, a, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, sgt[0]->nents, step == 1 ? 1 : DB_PAGES);
		db_expect_pages(test, fake, sgt[0], mem);
		db_expect_pages(test, fake, sgt[1], mem);

		/* One record, however many pieces. */
		first = sg_dma_address(sgt[0]->sgl);
		seen = db_look(backing);
		KUNIT_EXPECT_EQ(test, seen.count, 2);
		KUNIT_EXPECT_EQ(test, seen.m[0].kind, DMA_MAPPER_DIRECT);
		KUNIT_EXPECT_EQ(test, seen.m[0].dir, DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, seen.m[1].dir, DMA_FROM_DEVICE);
		KUNIT_EXPECT_EQ(test, seen.m[0].len, DB_PAGES * P);
		KUNIT_EXPECT_EQ(test, seen.addr[0],
				step == 1 ? first : DMA_MAPPING_ERROR);
		KUNIT_EXPECT_EQ(test,
				dma_backing_translate(backing, fake_device(fake),
						      first + P,
						      fake_device(fake)),
				step == 1 ? first + P : DMA_MAPPING_ERROR);

		dma_buf_unmap_attachment_unlocked(a, sgt[0], DMA_TO_DEVICE);
		db_expect_mappers(test, backing, 1);
		dma_buf_unmap_attachment_unlocked(a, sgt[1], DMA_FROM_DEVICE);
		db_expect_mappers(test, backing, 0);
		dma_buf_detach(dmabuf, a);
		dma_backing_put(backing);
		dma_buf_put(dmabuf);
		db_expect_freed(test, mem);
	}
}

static void expect_map_error(struct kunit *test, struct dma_buf *dmabuf,
			     struct fake_dev *fake, struct dma_backing *backing,
			     int want)
{
	struct dma_buf_attachment *a = db_attach(test, dmabuf, fake);
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(a, BOTH);

	KUNIT_EXPECT_TRUE(test, IS_ERR(sgt));
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), want);
	if (!IS_ERR(sgt))
		db_unmap(a, sgt);
	db_expect_mappers(test, backing, 0);
	dma_buf_detach(dmabuf, a);
}

static void r001_2_direct_out_of_reach(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, true, true);
	struct dma_buf_attachment *a;
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct sg_table *sgt;
	struct db_mem *mem;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	/* The last page is one too far. */
	fake_device(fake)->bus_dma_limit = page_to_phys(mem->page[DB_PAGES - 1]);
	expect_map_error(test, dmabuf, fake, backing, -EIO);
	fake_device(fake)->bus_dma_limit += P - 1;
	a = db_attach(test, dmabuf, fake);
	sgt = db_map(test, a, BOTH);
	db_expect_pages(test, fake, sgt, mem);
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* -- Devices that cannot have it -- */

static const struct dma_map_ops no_ops;

static void expect_no_attach(struct kunit *test, struct dma_buf *dmabuf,
			     struct fake_dev *fake, int want, const char *what)
{
	struct dma_buf_attachment *a = dma_buf_attach(dmabuf, fake_device(fake));

	KUNIT_EXPECT_EQ_MSG(test, PTR_ERR_OR_ZERO(a), want, "%s", what);
	if (!IS_ERR(a))
		dma_buf_detach(dmabuf, a);
}

static void r001_2_bouncing_is_refused(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, true, true);
	struct device *dev = fake_device(fake);
	struct dma_buf *dmabuf;
	struct db_mem *mem;

	dmabuf = db_make(test, &mem, 2);
	if (IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS)) {
		set_dma_ops(dev, &no_ops);
		expect_no_attach(test, dmabuf, fake, -EOPNOTSUPP,
				 "own operations");
		set_dma_ops(dev, NULL);
	}
#ifdef CONFIG_DMA_RESTRICTED_POOL
	struct io_tlb_mem pool = { .for_alloc = true }, *old;

	old = dev->dma_io_tlb_mem;
	dev->dma_io_tlb_mem = &pool;
	expect_no_attach(test, dmabuf, fake, -EOPNOTSUPP, "a restricted pool");
	dev->dma_io_tlb_mem = old;
#endif
#ifdef CONFIG_SWIOTLB
	struct io_tlb_mem bounce = { .force_bounce = true }, *was;

	was = dev->dma_io_tlb_mem;
	dev->dma_io_tlb_mem = &bounce;
	expect_no_attach(test, dmabuf, fake, -EOPNOTSUPP, "bouncing");
	dev->dma_io_tlb_mem = was;
#endif
	expect_no_attach(test, dmabuf, fake, 0, "nothing special");
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

static void r000_2_uncached_and_looked_for_in_the_caches(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, true, true);
	struct dma_backing *backing;
	struct dma_buf *dmabuf;

	backing = dma_backing_alloc(NULL, 2 * P, GFP_KERNEL,
				    DMA_BACKING_UNCACHED);
	if (PTR_ERR_OR_ZERO(backing) == -EOPNOTSUPP)
		kunit_skip(test, "all memory is cached here");
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	dmabuf = db_export(test, backing);
	expect_map_error(test, dmabuf, fake, backing, -EINVAL);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
}

static void r001_3_device_memory_is_refused(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct edu *edu = edu_get(0);
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct phys_vec vec;

	KUNIT_ASSERT_FALSE(test, IS_ERR(edu));
	vec.paddr = pci_resource_start(to_pci_dev(edu_dev(edu)), 0);
	vec.len = P;
	backing = dma_backing_from_phys(&vec, 1, DMA_ATTR_MMIO, NULL, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	dmabuf = db_export(test, backing);
	expect_no_attach(test, dmabuf, fake, -EOPNOTSUPP, "device memory");
	dma_buf_put(dmabuf);
	dma_backing_put(backing);
	edu_put(edu);
}

static void r001_1_no_room(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_space *space = create(test, fake, FIRST,
					 FIRST + DB_PAGES * P - 1);
	struct dma_buf_attachment *a;
	struct dma_buf *dmabuf, *large;
	struct dma_backing *backing;
	struct db_mem *mem, *too;
	struct sg_table *sgt, *second;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	large = db_make(test, &too, 1);
	attach(test, space, fake);
	a = db_attach(test, dmabuf, fake);
	expect_no_attach(test, large, fake, -ENOSPC, "taken");
	sgt = db_map(test, a, BOTH);
	second = dma_buf_map_attachment_unlocked(a, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(second), -ENOSPC);
	db_expect_mappers(test, backing, 1);
	db_unmap(a, sgt);
	dma_buf_detach(dmabuf, a);
	dma_space_detach(fake_device(fake));
	dma_space_put(space);

	space = create(test, fake, FIRST, FIRST + (DB_PAGES - 1) * P - 1);
	attach(test, space, fake);
	expect_no_attach(test, dmabuf, fake, -EINVAL, "larger than the space");
	dma_space_detach(fake_device(fake));
	dma_space_put(space);
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	dma_buf_put(large);
	db_expect_freed(test, mem);
	db_expect_freed(test, too);
}

static void r000_2_the_iommu_fails(struct kunit *test)
{
	struct fake_dev *fake = db_dev(test, false, true);
	struct dma_backing *backing;
	struct dma_buf *dmabuf;
	struct db_mem *mem;
	unsigned int n;

	backing = db_wrap(test, &mem, 2);
	dmabuf = db_export(test, backing);
	for (n = 1; n <= DB_PAGES; n++) {
		fake->iommu->fail_map = n;
		expect_map_error(test, dmabuf, fake, backing, -ENOMEM);
		KUNIT_EXPECT_EQ(test, fake->iommu->fail_map, 0);
	}
	fake->iommu->fail_sync = 1;
	expect_map_error(test, dmabuf, fake, backing, -EIO);
	KUNIT_EXPECT_EQ(test, fake->iommu->fail_sync, 0);
	expect_no_attach(test, dmabuf, fake, 0, "as before");
	dma_backing_put(backing);
	dma_buf_put(dmabuf);
	db_expect_freed(test, mem);
}

/* Entries are what dma_map_sgtable() would make. */
static void r004_8_entries_the_device_can_take(struct kunit *test)
{
	struct fake_dev *fakes[] = { db_dev(test, false, true), db_dev(test, true, true) };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fakes); i++) {
		struct device *dev = fake_device(fakes[i]);
		struct dma_buf_attachment *a;
		struct dma_buf *dmabuf;
		struct scatterlist *sg;
		struct sg_table *sgt;
		struct db_mem *mem;

		dmabuf = db_make(test, &mem, 1);
		dma_set_max_seg_size(dev, 2 * P + 100);
		a = db_attach(test, dmabuf, fakes[i]);
		sgt = db_map(test, a, BOTH);
		KUNIT_EXPECT_EQ(test, sgt->nents, DB_PAGES / 2);
		for_each_sgtable_dma_sg(sgt, sg, j)
			KUNIT_EXPECT_EQ(test, sg_dma_len(sg), 2 * P);
		db_expect_pages(test, fakes[i], sgt, mem);
		db_unmap(a, sgt);
		dma_buf_detach(dmabuf, a);

		dma_set_max_seg_size(dev, UINT_MAX);
		dma_set_seg_boundary(dev, 4 * P - 1);
		a = db_attach(test, dmabuf, fakes[i]);
		sgt = db_map(test, a, BOTH);
		KUNIT_EXPECT_GE(test, sgt->nents, 2);
		for_each_sgtable_dma_sg(sgt, sg, j)
			KUNIT_EXPECT_LE(test, (sg_dma_address(sg) & (4 * P - 1)) +
					      sg_dma_len(sg), 4 * P);
		db_expect_pages(test, fakes[i], sgt, mem);
		db_unmap(a, sgt);
		dma_buf_detach(dmabuf, a);
		dma_set_seg_boundary(dev, ULONG_MAX);
		dma_buf_put(dmabuf);
		db_expect_freed(test, mem);
	}
}

/* Every allocation on the way fails once: an error, and nothing is left. */
static int try_all(struct fake_dev *fake, struct dma_backing *backing)
{
	struct dma_buf *dmabuf = dma_backing_export(backing, O_RDWR);
	struct dma_buf_attachment *a;
	struct sg_table *sgt[2];
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	a = dma_buf_attach(dmabuf, fake_device(fake));
	ret = PTR_ERR_OR_ZERO(a);
	if (ret)
		goto out_put;
	sgt[0] = dma_buf_map_attachment_unlocked(a, BOTH);
	ret = PTR_ERR_OR_ZERO(sgt[0]);
	if (ret)
		goto out_detach;
	sgt[1] = dma_buf_map_attachment_unlocked(a, DMA_TO_DEVICE);
	ret = PTR_ERR_OR_ZERO(sgt[1]);
	if (!ret)
		dma_buf_unmap_attachment_unlocked(a, sgt[1], DMA_TO_DEVICE);
	db_unmap(a, sgt[0]);
out_detach:
	dma_buf_detach(dmabuf, a);
out_put:
	dma_buf_put(dmabuf);
	return ret;
}

static void r000_2_without_memory(struct kunit *test)
{
	struct fake_dev *fakes[] = { db_dev(test, false, true), db_dev(test, true, true) };
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(fakes); i++) {
		struct dma_backing *backing;
		unsigned int errors = 0;
		bool failed = true;
		struct db_mem *mem;

		backing = db_wrap(test, &mem, 2);
		for (n = 1; failed && n < 100; n++) {
			int ret;

			dt_fail_nth(test, n);
			ret = try_all(fakes[i], backing);
			failed = dt_fail_stop();
			/* Some of the file system's are tried again. */
			KUNIT_EXPECT_TRUE_MSG(test, !ret || failed,
					      "error %d", ret);
			KUNIT_EXPECT_TRUE_MSG(test, !ret || ret == -ENOMEM ||
					      ret == -ENFILE, "error %d", ret);
			errors += !!ret;
			db_expect_mappers(test, backing, 0);
		}
		KUNIT_EXPECT_FALSE(test, failed);
		KUNIT_EXPECT_GE(test, errors, 5);
		flush_delayed_fput();
		for (n = 0; n < 100 && kref_read(&backing->ref) > 1; n++)
			msleep(20);
		KUNIT_EXPECT_EQ(test, kref_read(&backing->ref), 1);
		KUNIT_EXPECT_TRUE(test, dma_backing_put(backing));
	}
}

static struct kunit_case fake_dmabuf_cases[] = {
	KUNIT_CASE(r004_4_attach_reserves_map_binds),
	KUNIT_CASE(r004_8_several_maps_of_an_attachment),
	KUNIT_CASE(r000_1_importers_are_on_record),
	KUNIT_CASE(r001_2_direct_in_pieces),
	KUNIT_CASE(r001_2_direct_out_of_reach),
	KUNIT_CASE(r001_2_bouncing_is_refused),
	KUNIT_CASE(r000_2_uncached_and_looked_for_in_the_caches),
	KUNIT_CASE(r001_3_device_memory_is_refused),
	KUNIT_CASE(r001_1_no_room),
	KUNIT_CASE(r000_2_the_iommu_fails),
	KUNIT_CASE(r004_8_entries_the_device_can_take),
	KUNIT_CASE(r000_2_without_memory),
	{}
};

static struct kunit_suite fake_dmabuf_suite = {
	.name = "fake_dmabuf_test",
	.suite_init = db_suite_init,
	.suite_exit = db_suite_exit,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_dmabuf_cases,
};

kunit_test_suite(fake_dmabuf_suite);

MODULE_DESCRIPTION("Backings as dma-bufs, for devices");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
