/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An exporter of dma-bufs that does as it is told, and counts.
 */
#ifndef _TEST_FAKE_EXPORTER_H
#define _TEST_FAKE_EXPORTER_H

#include "fake_dmabuf.h"

#define FX_SIZE	(DB_PAGES * P)
#define FX_ADDR	((dma_addr_t)SZ_256M)

/**
 * struct fx - a dma-buf of somebody else
 * @len: of the ranges that it maps, up to the first that is 0
 * @addr: where they are
 * @fail_attach: attaching fails with this
 * @fail_map: mapping fails with this
 * @fail_access: CPU access fails with this
 * @iomem: its kernel mapping is no memory
 * @attached: attachments that there are
 * @maps: mappings that there are
 * @vmaps: kernel mappings that there are
 * @accesses: CPU accesses that have begun and not ended
 * @dir: of the last mapping or access
 * @mem: its memory, for CPUs
 * @released: it is gone
 */
struct fx {
	size_t len[4];
	dma_addr_t addr[4];
	int fail_attach;
	int fail_map;
	int fail_access;
	bool iomem;
	int attached;
	int maps;
	int vmaps;
	int accesses;
	enum dma_data_direction dir;
	struct page *mem;
	bool released;
};

static inline int fx_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct fx *fx = dmabuf->priv;

	fx->attached += !fx->fail_attach;
	return fx->fail_attach;
}

static inline void fx_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct fx *fx = dmabuf->priv;

	fx->attached--;
}

static inline struct sg_table *fx_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	struct fx *fx = attach->dmabuf->priv;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i, n = 0;

	if (fx->fail_map)
		return ERR_PTR(fx->fail_map);
	while (n < ARRAY_SIZE(fx->len) && fx->len[n])
		n++;
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt || sg_alloc_table(sgt, n, GFP_KERNEL)) {
		kfree(sgt);
		return ERR_PTR(-ENOMEM);
	}
	for_each_sgtable_dma_sg(sgt, sg, i) {
		sg_dma_address(sg) = fx->addr[i];
		sg_dma_len(sg) = fx->len[i];
	}
	fx->maps++;
	fx->dir = dir;
	return sgt;
}

static inline void fx_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	struct fx *fx = attach->dmabuf->priv;

	fx->maps--;
	sg_free_table(sgt);
	kfree(sgt);
}

static inline int fx_begin(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct fx *fx = dmabuf->priv;

	fx->accesses += !fx->fail_access;
	fx->dir = dir;
	return fx->fail_access;
}

static inline int fx_end(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct fx *fx = dmabuf->priv;

	fx->accesses -= !fx->fail_access;
	fx->dir = dir;
	return fx->fail_access;
}

static inline int fx_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fx *fx = dmabuf->priv;

	fx->vmaps++;
	if (fx->iomem)
		iosys_map_set_vaddr_iomem(map,
				(void __iomem *)page_address(fx->mem));
	else
		iosys_map_set_vaddr(map, page_address(fx->mem));
	return 0;
}

static inline void fx_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct fx *fx = dmabuf->priv;

	fx->vmaps--;
}

static inline int fx_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct fx *fx = dmabuf->priv;

	return remap_pfn_range(vma, vma->vm_start,
			       page_to_pfn(fx->mem) + vma->vm_pgoff,
			       vma->vm_end - vma->vm_start, vma->vm_page_prot);
}

static inline void fx_release(struct dma_buf *dmabuf)
{
	struct fx *fx = dmabuf->priv;

	WRITE_ONCE(fx->released, true);
}

static const struct dma_buf_ops __maybe_unused fx_ops = {
	.attach = fx_attach,
	.detach = fx_detach,
	.map_dma_buf = fx_map,
	.unmap_dma_buf = fx_unmap,
	.begin_cpu_access = fx_begin,
	.end_cpu_access = fx_end,
	.vmap = fx_vmap,
	.vunmap = fx_vunmap,
	.mmap = fx_mmap,
	.release = fx_release,
};

/* It maps for devices, and that is all. */
static const struct dma_buf_ops __maybe_unused fx_poor_ops = {
	.map_dma_buf = fx_map,
	.unmap_dma_buf = fx_unmap,
	.release = fx_release,
};

static inline struct dma_buf *fx_export(struct kunit *test, struct fx **out,
				 const struct dma_buf_ops *ops, size_t size)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct fx *fx = kunit_kzalloc(test, sizeof(*fx), GFP_KERNEL);
	struct dma_buf *dmabuf;

	KUNIT_ASSERT_NOT_NULL(test, fx);
	fx->mem = dt_alloc_pages(test, GFP_KERNEL, get_order(FX_SIZE));
	fx->len[0] = FX_SIZE;
	fx->addr[0] = FX_ADDR;
	info.ops = ops;
	info.size = size;
	info.flags = O_RDWR;
	info.priv = fx;
	dmabuf = dma_buf_export(&info);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dmabuf));
	*out = fx;
	return dmabuf;
}

/* The backing alone has it. */
static inline struct dma_backing *fx_import(struct kunit *test, struct fx **fx,
				     const struct dma_buf_ops *ops)
{
	struct dma_buf *dmabuf = fx_export(test, fx, ops, FX_SIZE);
	struct dma_backing *backing = dma_backing_import(dmabuf, NULL);

	KUNIT_ASSERT_FALSE(test, IS_ERR(backing));
	KUNIT_EXPECT_EQ(test, dma_backing_size(backing), FX_SIZE);
	dma_buf_put(dmabuf);
	return backing;
}

static inline void fx_expect_released(struct kunit *test, struct fx *fx)
{
	unsigned int tries;

	for (tries = 0; tries < 100 && !READ_ONCE(fx->released); tries++)
		msleep(20);
	KUNIT_EXPECT_TRUE(test, fx->released);
	KUNIT_EXPECT_EQ(test, fx->attached, 0);
	KUNIT_EXPECT_EQ(test, fx->maps, 0);
	KUNIT_EXPECT_EQ(test, fx->vmaps, 0);
}

#endif /* _TEST_FAKE_EXPORTER_H */
