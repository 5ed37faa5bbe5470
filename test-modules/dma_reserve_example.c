// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of Documentation/core-api/dma-api-howto.rst, "Using reserved
 * addresses", with an edu device as its card.
 *
 * What is between the two markers is that text's example, to the letter:
 * tests/example.test compares them. The rest is the hardware it talks of, and
 * the cases that show what the text promises, for a device that is translated
 * and one that is not.
 */

#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/swiotlb.h>

#include "dma_test.h"

#ifdef HAVE_DMA_RESERVE

struct my_card;

static void my_card_set_base(struct my_card *card, dma_addr_t base);
static int my_card_run(struct my_card *card, size_t offset, size_t size,
		       bool write);

/* ---- the example ---- */

#define MY_PAGES	4
#define MY_SIZE		(MY_PAGES * PAGE_SIZE)

struct my_card {
	struct device *dev;
	struct dma_iova_state iova;
	bool contiguous;
};

struct my_buffer {
	struct page *pages[MY_PAGES];
};

static int my_card_reserve(struct my_card *card)
{
	struct dma_iova_request req = {
		.size	= MY_SIZE,
		.align	= MY_SIZE,
		.first	= SZ_1M,
	};
	int ret;

	ret = dma_iova_reserve(card->dev, &card->iova, &req);
	if (ret)
		return ret;

	card->contiguous = dma_iova_addr(&card->iova) == DMA_MAPPING_ERROR;
	return 0;
}

static void my_buffer_free(struct my_buffer *buf)
{
	unsigned int i;

	for (i = 0; i < MY_PAGES; i++) {
		if (buf->pages[i])
			__free_page(buf->pages[i]);
		buf->pages[i] = NULL;
	}
}

static int my_buffer_alloc(struct my_card *card, struct my_buffer *buf)
{
	struct page *block = NULL;
	unsigned int i;

	memset(buf, 0, sizeof(*buf));
	if (card->contiguous) {
		block = alloc_pages(GFP_KERNEL, get_order(MY_SIZE));
		if (!block)
			return -ENOMEM;
		split_page(block, get_order(MY_SIZE));
	}

	for (i = 0; i < MY_PAGES; i++) {
		buf->pages[i] = block ? block + i : alloc_page(GFP_KERNEL);
		if (!buf->pages[i]) {
			my_buffer_free(buf);
			return -ENOMEM;
		}
	}
	return 0;
}

static void my_card_unbind(struct my_card *card, size_t size)
{
	if (size)
		dma_iova_unlink(card->dev, &card->iova, 0, size,
				DMA_BIDIRECTIONAL, DMA_ATTR_SKIP_CPU_SYNC);
}

static int my_card_bind(struct my_card *card, struct my_buffer *buf)
{
	size_t linked = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < MY_PAGES; i++) {
		ret = dma_iova_link(card->dev, &card->iova,
				    page_to_phys(buf->pages[i]), linked,
				    PAGE_SIZE, DMA_BIDIRECTIONAL,
				    DMA_ATTR_SKIP_CPU_SYNC);
		if (ret)
			goto err_unbind;
		linked += PAGE_SIZE;
	}

	/* Once for all of them, and before the card may look there */
	ret = dma_iova_sync(card->dev, &card->iova, 0, linked);
	if (ret)
		goto err_unbind;

	my_card_set_base(card, dma_iova_addr(&card->iova));
	return 0;

err_unbind:
	my_card_unbind(card, linked);
	return ret;
}

static int my_card_transfer(struct my_card *card, size_t offset, size_t size,
			    bool write)
{
	int ret;

	dma_iova_sync_for_device(card->dev, &card->iova, offset, size,
				 DMA_BIDIRECTIONAL);
	ret = my_card_run(card, offset, size, write);
	dma_iova_sync_for_cpu(card->dev, &card->iova, offset, size,
			      DMA_BIDIRECTIONAL);
	return ret;
}

static void my_card_release(struct my_card *card)
{
	dma_iova_free(card->dev, &card->iova);
}

/* ---- the hardware, and what is to be seen ---- */

#define GUARD	0x5a

/**
 * struct edu_card - an edu device as the card of the example
 * @card: what the example's driver knows
 * @edu: the device
 * @base: what a card has in a register: where its buffer is
 * @a: a buffer
 * @b: another one
 */
struct edu_card {
	struct my_card card;
	struct edu *edu;
	dma_addr_t base;
	struct my_buffer a;
	struct my_buffer b;
};

static void my_card_set_base(struct my_card *card, dma_addr_t base)
{
	container_of(card, struct edu_card, card)->base = base;
}

static int my_card_run(struct my_card *card, size_t offset, size_t size,
		       bool write)
{
	struct edu_card *ec = container_of(card, struct edu_card, card);

	return write ? edu_dma_from_device(ec->edu, ec->base + offset, 0, size) :
		       edu_dma_to_device(ec->edu, ec->base + offset, 0, size);
}

static void card_exit(void *data)
{
	struct edu_card *ec = data;

	my_buffer_free(&ec->a);
	my_buffer_free(&ec->b);
	my_card_release(&ec->card);
}

static struct edu_card *card_init(struct kunit *test)
{
	struct dt_ctx *ctx = test->priv;
	struct edu_card *ec = kunit_kzalloc(test, sizeof(*ec), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ec);
	if (!ctx->domain && is_swiotlb_force_bounce(ctx->dev))
		kunit_skip(test, "what has to bounce cannot be one-to-one");
	ec->edu = ctx->edu;
	ec->card.dev = ctx->dev;
	KUNIT_ASSERT_EQ(test, 0, my_card_reserve(&ec->card));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, card_exit, ec));
	KUNIT_EXPECT_EQ(test, ec->card.contiguous, !ctx->domain);
	KUNIT_ASSERT_EQ(test, 0, my_buffer_alloc(&ec->card, &ec->a));
	KUNIT_ASSERT_EQ(test, 0, my_buffer_alloc(&ec->card, &ec->b));
	return ec;
}

/* The example has no mapping of all of a buffer for the CPU. */
static u8 *byte_at(struct my_buffer *buf, size_t i)
{
	return (u8 *)page_address(buf->pages[i / PAGE_SIZE]) + i % PAGE_SIZE;
}

static void fill(struct my_buffer *buf, size_t offset, size_t size,
		 unsigned int seed)
{
	size_t i;

	for (i = 0; i < size; i++)
		*byte_at(buf, offset + i) = dt_byte(seed, i);
}

static void clear(struct my_buffer *buf)
{
	unsigned int i;

	for (i = 0; i < MY_PAGES; i++)
		memset(page_address(buf->pages[i]), GUARD, PAGE_SIZE);
}

/* @size bytes of the pattern at @offset, and nothing else anywhere. */
static void expect_only(struct kunit *test, struct my_buffer *buf,
			size_t offset, size_t size, unsigned int seed)
{
	size_t i;

	for (i = 0; i < MY_SIZE; i++) {
		bool in = i >= offset && i - offset < size;

		if (*byte_at(buf, i) != (in ? dt_byte(seed, i - offset) : GUARD))
			break;
	}
	KUNIT_EXPECT_EQ_MSG(test, i, MY_SIZE, "%zu bytes at %zu, seed %u", size,
			    offset, seed);
}

/* What the CPU puts somewhere is where the card is told to put it. */
static void expect_copy(struct kunit *test, struct edu_card *ec,
			struct my_buffer *buf, size_t from, size_t to,
			size_t size, unsigned int seed)
{
	clear(buf);
	fill(buf, from, size, seed);
	KUNIT_EXPECT_EQ(test, 0,
			my_card_transfer(&ec->card, from, size, false));
	clear(buf);
	KUNIT_EXPECT_EQ(test, 0, my_card_transfer(&ec->card, to, size, true));
	expect_only(test, buf, to, size, seed);
}

static void address_is_what_was_asked_for(struct kunit *test)
{
	struct edu_card *ec = card_init(test);
	struct dt_ctx *ctx = test->priv;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, 0, my_card_bind(&ec->card, &ec->a));
	KUNIT_EXPECT_NE(test, ec->base, DMA_MAPPING_ERROR);
	KUNIT_EXPECT_TRUE(test, IS_ALIGNED(ec->base, MY_SIZE));
	KUNIT_EXPECT_GE(test, ec->base, (dma_addr_t)SZ_1M);
	KUNIT_EXPECT_LE(test, ec->base + MY_SIZE - 1, dma_get_mask(ctx->dev));
	for (i = 0; i < MY_PAGES; i++)
		KUNIT_EXPECT_EQ(test, page_to_phys(ec->a.pages[i]),
				dt_phys(ctx, ec->base + i * PAGE_SIZE));
	my_card_unbind(&ec->card, MY_SIZE);
	if (ctx->domain)
		KUNIT_EXPECT_EQ(test, 0, dt_phys(ctx, ec->base));
}

static void transfers_without_unlinking(struct kunit *test)
{
	struct edu_card *ec = card_init(test);

	KUNIT_ASSERT_EQ(test, 0, my_card_bind(&ec->card, &ec->a));
	expect_copy(test, ec, &ec->a, 16, 2 * PAGE_SIZE + 16, 1000, 1);
	expect_copy(test, ec, &ec->a, PAGE_SIZE - 500, MY_SIZE - 1500, 1000, 2);
	expect_copy(test, ec, &ec->a, 3 * PAGE_SIZE - 7, PAGE_SIZE - 999, 2000,
		    3);
	my_card_unbind(&ec->card, MY_SIZE);
}

static void other_memory_in_its_place(struct kunit *test)
{
	struct edu_card *ec = card_init(test);
	dma_addr_t base;

	clear(&ec->a);
	clear(&ec->b);
	fill(&ec->a, PAGE_SIZE - 100, 1000, 4);
	KUNIT_ASSERT_EQ(test, 0, my_card_bind(&ec->card, &ec->a));
	base = ec->base;
	KUNIT_EXPECT_EQ(test, 0, my_card_transfer(&ec->card, PAGE_SIZE - 100,
						  1000, false));
	my_card_unbind(&ec->card, MY_SIZE);

	KUNIT_ASSERT_EQ(test, 0, my_card_bind(&ec->card, &ec->b));
	if (!ec->card.contiguous)
		KUNIT_EXPECT_EQ(test, ec->base, base);
	KUNIT_EXPECT_EQ(test, 0, my_card_transfer(&ec->card, PAGE_SIZE - 300,
						  1000, true));
	my_card_unbind(&ec->card, MY_SIZE);
	expect_only(test, &ec->a, PAGE_SIZE - 100, 1000, 4);
	expect_only(test, &ec->b, PAGE_SIZE - 300, 1000, 4);
}

/* Its third link is refused without an IOMMU, and the example undoes the rest. */
static void pages_in_another_order(struct kunit *test)
{
	struct edu_card *ec = card_init(test);

	swap(ec->a.pages[2], ec->a.pages[3]);
	if (ec->card.contiguous) {
		KUNIT_EXPECT_EQ(test, -EINVAL,
				my_card_bind(&ec->card, &ec->a));
		KUNIT_EXPECT_EQ(test, dma_iova_addr(&ec->card.iova),
				DMA_MAPPING_ERROR);
		swap(ec->a.pages[2], ec->a.pages[3]);
	}
	KUNIT_ASSERT_EQ(test, 0, my_card_bind(&ec->card, &ec->a));
	expect_copy(test, ec, &ec->a, PAGE_SIZE, 3 * PAGE_SIZE - 200, 1000, 5);
	my_card_unbind(&ec->card, MY_SIZE);
}
#else
static void no_reservations_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no dma_iova_reserve()");
}
#endif /* HAVE_DMA_RESERVE */

static struct kunit_case dma_reserve_example_cases[] = {
#ifdef HAVE_DMA_RESERVE
	DT_CASE(address_is_what_was_asked_for),
	DT_CASE_SLOW(transfers_without_unlinking),
	DT_CASE(other_memory_in_its_place),
	DT_CASE(pages_in_another_order),
#else
	KUNIT_CASE(no_reservations_here),
#endif
	{}
};

static struct kunit_suite dma_reserve_example_suite = {
	.name = "dma_reserve_example",
	.init = dt_init,
	.exit = dt_exit,
	.test_cases = dma_reserve_example_cases,
};

kunit_test_suite(dma_reserve_example_suite);

MODULE_DESCRIPTION("The example of the DMA API's guide, on an edu device");
MODULE_LICENSE("GPL");
