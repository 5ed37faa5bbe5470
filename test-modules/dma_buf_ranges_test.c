// SPDX-License-Identifier: GPL-2.0
/*
 * A dma-buf of several ranges of device memory: each range is mapped where the
 * scatter-gather list says.
 *
 * Peer-to-peer support is not to be had on 32-bit kernels, so the code under
 * test is compiled into this module, with an answer of our own to the question
 * whether the transfer may go through the host bridge. The rest is real.
 */

#include <linux/dma-buf-mapping.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/pci-p2pdma.h>

#include "dma_test.h"

static inline enum pci_p2pdma_map_type
test_map_type(struct p2pdma_provider *provider, struct device *dev)
{
	return PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
}

#define pci_p2pdma_map_type	test_map_type
#define dma_buf_phys_vec_to_sgt	test_phys_vec_to_sgt
#define dma_buf_free_sgt	test_free_sgt
/* Its number of entries overflows on 32-bit kernels, which do not have it. */
#undef UINT_MAX
#define UINT_MAX		INT_MAX
/* Nobody else is to find them. */
#undef EXPORT_SYMBOL_NS_GPL
#define EXPORT_SYMBOL_NS_GPL(name, space)

struct sg_table *test_phys_vec_to_sgt(struct dma_buf_attachment *attach,
				      struct p2pdma_provider *provider,
				      struct phys_vec *phys_vec,
				      size_t nr_ranges, size_t size,
				      enum dma_data_direction dir);
void test_free_sgt(struct dma_buf_attachment *attach, struct sg_table *sgt,
		   enum dma_data_direction dir);

#include "dma-buf-mapping.c"

static DEFINE_WW_CLASS(test_ww_class);

/* What an exporter has: a locked reservation object and an attachment. */
struct exporter {
	struct dma_resv resv;
	struct dma_buf dmabuf;
	struct dma_buf_attachment attach;
	struct p2pdma_provider provider;
	struct phys_vec vec[4];
	size_t size;
};

static struct exporter *exporter(struct kunit *test)
{
	struct exporter *e = kunit_kzalloc(test, sizeof(*e), GFP_KERNEL);
	struct dt_ctx *ctx = test->priv;
	unsigned int i;
	phys_addr_t bar;

	KUNIT_ASSERT_NOT_NULL(test, e);
	/*
	 * Behind an IOMMU memory stands in for the BAR: the host calls mappings
	 * of anything else in the machine a mistake. Mapped directly, it is the
	 * DMA debug code that wants no memory here.
	 */
	if (ctx->domain)
		bar = page_to_phys(dt_alloc_pages(test, GFP_KERNEL,
						  get_order(SZ_256K)));
	else
		bar = pci_resource_start(to_pci_dev(ctx->dev), 0);
	KUNIT_ASSERT_NE(test, bar, 0);
	ww_mutex_init(&e->resv.lock, &test_ww_class);
	e->dmabuf.resv = &e->resv;
	e->attach.dmabuf = &e->dmabuf;
	e->attach.dev = ctx->dev;
	/* Not in the order of their addresses, and of different lengths. */
	e->vec[0] = (struct phys_vec){ bar + SZ_64K, SZ_8K };
	e->vec[1] = (struct phys_vec){ bar, SZ_4K };
	e->vec[2] = (struct phys_vec){ bar + SZ_128K, SZ_16K };
	e->vec[3] = (struct phys_vec){ bar + SZ_32K, SZ_4K };
	for (i = 0; i < ARRAY_SIZE(e->vec); i++)
		e->size += e->vec[i].len;
	return e;
}

/* Follow the list page by page, beside the ranges. */
static void expect_ranges(struct kunit *test, struct exporter *e,
			  struct sg_table *sgt)
{
	struct dt_ctx *ctx = test->priv;
	struct scatterlist *sg = sgt->sgl;
	unsigned int i, entry = 0;
	size_t off, at = 0;

	for (i = 0; i < ARRAY_SIZE(e->vec); i++) {
		for (off = 0; off < e->vec[i].len; off += PAGE_SIZE) {
			if (at == sg_dma_len(sg)) {
				KUNIT_ASSERT_LT(test, ++entry, sgt->nents);
				sg = sg_next(sg);
				at = 0;
			}
			KUNIT_EXPECT_EQ_MSG(test,
					    dt_phys(ctx, sg_dma_address(sg) + at),
					    e->vec[i].paddr + off,
					    "range %u, offset %zu", i, off);
			at += PAGE_SIZE;
		}
	}
}

static void ranges(struct kunit *test, unsigned int n)
{
	struct exporter *e = exporter(test);
	struct dt_ctx *ctx = test->priv;
	struct sg_table *sgt;
	dma_addr_t addr;
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		size += e->vec[i].len;
	KUNIT_ASSERT_EQ(test, 0, ww_mutex_lock(&e->resv.lock, NULL));
	sgt = test_phys_vec_to_sgt(&e->attach, &e->provider, e->vec, n, size,
				   DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		ww_mutex_unlock(&e->resv.lock);
		KUNIT_FAIL(test, "%u ranges: error %ld", n, PTR_ERR(sgt));
		return;
	}
	addr = sg_dma_address(sgt->sgl);
	if (n == ARRAY_SIZE(e->vec))
		expect_ranges(test, e, sgt);
	else
		KUNIT_EXPECT_EQ(test, dt_phys(ctx, addr), e->vec[0].paddr);
	test_free_sgt(&e->attach, sgt, DMA_BIDIRECTIONAL);
	ww_mutex_unlock(&e->resv.lock);
	if (!ctx->domain)
		return;
	for (i = 0; i < size >> PAGE_SHIFT; i++)
		KUNIT_EXPECT_EQ(test, 0, dt_phys(ctx, addr + i * PAGE_SIZE));
}

static void x5_one_range(struct kunit *test)
{
	ranges(test, 1);
}

static void x5_ranges_side_by_side(struct kunit *test)
{
	ranges(test, 4);
}

static struct kunit_case dma_buf_ranges_cases[] = {
	DT_CASE(x5_one_range),
	DT_CASE(x5_ranges_side_by_side),
	{}
};

static struct kunit_suite dma_buf_ranges_suite = {
	.name = "dma_buf_ranges_test",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_buf_ranges_cases,
};

kunit_test_suite(dma_buf_ranges_suite);

MODULE_DESCRIPTION("Ranges of device memory in a dma-buf");
MODULE_LICENSE("GPL");
