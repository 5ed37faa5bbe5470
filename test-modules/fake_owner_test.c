// SPDX-License-Identifier: GPL-2.0
/*
 * Whose turn it is with a backing, and what that costs: the cache maintenance of
 * each page is counted by probes (sync_log.h). QEMU's TCG has no caches: it is the
 * log that proves something, data would not. Devices are fake_iommu.h's.
 */

#include "fake_owner.h"

#ifdef HAVE_DMA_BACKING

#define N	5

/* The probes see what they are for. */
static void r004_8_probes_see_it(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct device *dev = fake_device(fake);
	struct sg_table sgt;
	void *p;

	watch(test, b);
	EXPECT_SYNC(test, 0, 0);
	KUNIT_ASSERT_EQ(test, 0, dma_backing_get_sgtable(b, &sgt, 0, N * P));
	KUNIT_EXPECT_EQ(test, 0, dma_map_sgtable(dev, &sgt, DMA_TO_DEVICE, 0));
	EXPECT_SYNC(test, 1, 0);
	dma_unmap_sgtable(dev, &sgt, DMA_TO_DEVICE, 0);
	sl_zero();
	KUNIT_EXPECT_EQ(test, sl.flushes, 0);
	p = dma_backing_vmap(b, 0);
	KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(p));
	dma_backing_vunmap(b);
	vm_unmap_aliases();
	KUNIT_EXPECT_GT(test, sl.flushes, 0);
	sg_free_table(&sgt);
}

/* What is to be uncached is written back first, when it is allocated. */
static void r004_8_uncached_is_clean_at_first(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	unsigned int tries, i, prep = 0;

	sl_need(test);
	bk_need_uncached(test);
	/* Who allocates what was just freed gets the same pages, sooner or later. */
	for (tries = 0; tries < 20 && !prep; tries++) {
		struct dma_backing *b = bk_alloc(test, fake_device(fake), N * P,
						 DMA_BACKING_UNCACHED |
						 DMA_ATTR_ALLOC_SINGLE_PAGES);

		watch(test, b);
		KUNIT_EXPECT_TRUE(test, bk_put(b));
		sl_zero();
		b = bk_alloc(test, fake_device(fake), N * P,
			     DMA_BACKING_UNCACHED | DMA_ATTR_ALLOC_SINGLE_PAGES);
		for (i = 0; i < N; i++)
			prep += sl.count[i][SL_PREP];
		sl_end();
		KUNIT_EXPECT_TRUE(test, bk_put(b));
	}
	KUNIT_EXPECT_GT(test, prep, 0);
}

/* Memory of the caller may be dirty, and is cleaned for the first device. */
static void r004_8_wrapped_memory(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *one, *two;

	watch(test, b);
	two = bk_bind_all(test, c, b);
	EXPECT_SYNC(test, 0, 0);
	one = bk_bind_all(test, a, b);
	EXPECT_SYNC(test, 1, 0);
	dma_iova_unbind(one);
	dma_iova_unbind(two);
	EXPECT_SYNC(test, 0, 0);
	/* It was written by the device, and nobody has looked. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b,
							      DMA_FROM_DEVICE));
	EXPECT_SYNC(test, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_FROM_DEVICE));
	EXPECT_SYNC(test, 0, 0);
	/* Only read since then. */
	KUNIT_EXPECT_EQ(test, 0, bk_bind(a, one->state, one, 0, b, 0, N * P));
	EXPECT_SYNC(test, 0, 0);
	dma_iova_unbind(one);
}

/* A device that only reads leaves nothing to be invalidated. */
static void r004_8_directions(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_iova_state *s = bk_reserve(test, fake, N * P);
	struct dma_binding *one = bk_binding(test);
	struct device *dev = fake_device(fake);

	watch(test, b);
	KUNIT_EXPECT_EQ(test, 0, dma_iova_bind(dev, s, one, 0, b, 0, P,
					       DMA_TO_DEVICE, 0));
	EXPECT_SYNC(test, 1, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 0, 0);
	/* The binding is there still: it is the device's again. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 1, 0);
	dma_iova_unbind(one);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	EXPECT_SYNC(test, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	EXPECT_SYNC(test, 0, 0);
	/* Before it writes, too: a line written back would be in its way. */
	KUNIT_EXPECT_EQ(test, 0, dma_iova_bind(dev, s, one, 0, b, 0, P,
					       DMA_FROM_DEVICE, 0));
	EXPECT_SYNC(test, 1, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 1, 0);
	dma_iova_unbind(one);
}

/* Nested and overlapping accesses: the last one hands it over. */
static void r004_8_accesses_nest(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, false);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *one = bk_bind_all(test, a, b), *two;

	watch(test, b);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 0, 1);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b,
							      DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_FROM_DEVICE));
	EXPECT_SYNC(test, 0, 0);
	/* Bound in the middle of it: it gets it with the end. */
	KUNIT_EXPECT_EQ(test, -EBUSY, dma_backing_begin_device_access(one));
	two = bk_bind_all(test, c, b);
	EXPECT_SYNC(test, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_TO_DEVICE));
	EXPECT_SYNC(test, 1, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(two));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(one));
	EXPECT_SYNC(test, 0, 0);
	dma_iova_unbind(one);
	dma_iova_unbind(two);
}

/* Bindings that stay, of both sides, and take turns. */
static void r004_8_long_lived_bindings(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *one = bk_bind_all(test, a, b);
	struct dma_binding *two = bk_bind_all(test, c, b);
	unsigned int i;

	watch(test, b);
	for (i = 0; i < 3; i++) {
		/* Both write. */
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(one));
		EXPECT_SYNC(test, 1, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(one));
		EXPECT_SYNC(test, 0, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(two));
		EXPECT_SYNC(test, 0, 1);
		/* Coherent, and so is the CPU. */
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
		EXPECT_SYNC(test, 0, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
		EXPECT_SYNC(test, 1, 0);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(two));
		EXPECT_SYNC(test, 0, 1);
	}
	dma_iova_unbind(one);
	dma_iova_unbind(two);
}

/* What is not cached costs nothing, whoever uses it. */
static void r004_8_uncached_costs_nothing(struct kunit *test)
{
	static const unsigned long policy[] = {
		DMA_BACKING_UNCACHED, DMA_ATTR_WRITE_COMBINE,
	};
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct fake_dev *d = bk_direct(test, false);
	unsigned int i;

	bk_need_uncached(test);
	for (i = 0; i < ARRAY_SIZE(policy); i++) {
		struct dma_backing *b = bk_alloc(test, fake_device(d), N * P,
						 policy[i]);
		struct dma_binding *one, *two;

		watch(test, b);
		one = bk_bind_all(test, a, b);
		two = bk_bind_all(test, c, b);
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
		KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(two));
		KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(one));
		dma_iova_unbind(one);
		dma_iova_unbind(two);
		one = bk_bind_all(test, d, b);
		dma_iova_unbind(one);
		EXPECT_SYNC(test, 0, 0);
		KUNIT_EXPECT_EQ(test, sl_sum(), 0);
		sl_end();
	}
}

/* What was done to the first page when something was to be mapped. */
static unsigned int at_map[2];

static void note_at_map(void)
{
	at_map[0] = sl.count[0][SL_CLEAN];
	at_map[1] = sl.count[0][SL_INVALIDATE];
}

/* A device can be there as soon as it is mapped, and too early for the caches. */
static void r004_8_handed_over_before_it_is_mapped(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_binding *one, *two;

	watch(test, b);
	a->iommu->on_map = note_at_map;
	c->iommu->on_map = note_at_map;
	one = bk_bind_all(test, a, b);
	KUNIT_EXPECT_EQ(test, at_map[0], 1);
	KUNIT_EXPECT_EQ(test, at_map[1], 0);
	EXPECT_SYNC(test, 1, 0);
	two = bk_bind_all(test, c, b);
	KUNIT_EXPECT_EQ(test, at_map[0], 0);
	KUNIT_EXPECT_EQ(test, at_map[1], 1);
	EXPECT_SYNC(test, 0, 1);
	dma_iova_unbind(one);
	dma_iova_unbind(two);
}

/* Whoever gets the memory back reads what devices have written. */
static void r004_8_given_back(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct bk_owner owner = {}, later = {};
	struct dma_backing *b = bk_wrap(test, N, &owner);
	struct dma_binding *one = bk_bind_all(test, fake, b);

	watch(test, b);
	dma_iova_unbind(one);
	EXPECT_SYNC(test, 0, 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	EXPECT_SYNC(test, 0, 1);
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
	sl_end();

	/* Also if the device is the last to go. */
	b = bk_wrap(test, N, &later);
	one = bk_bind_all(test, fake, b);
	watch(test, b);
	KUNIT_EXPECT_FALSE(test, bk_put(b));
	dma_iova_unbind(one);
	KUNIT_EXPECT_EQ(test, bk_released(&later), 1);
	EXPECT_SYNC(test, 0, 1);
}

/* A bind that fails hands nothing over. */
static void r004_8_failed_bind(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *c = bk_dev(test, 1, true);
	struct dma_backing *b = bk_wrap(test, N, NULL);
	struct dma_iova_state *s = bk_reserve(test, a, N * P);
	struct dma_iova_state *t = bk_reserve(test, c, N * P);
	struct dma_binding *one = bk_binding(test), *two = bk_binding(test);

	watch(test, b);
	a->iommu->fail_map = 2;
	KUNIT_EXPECT_EQ(test, -ENOMEM, bk_bind(a, s, one, 0, b, 0, N * P));
	EXPECT_SYNC(test, 1, 0);
	/* Nothing was written, so there is nothing to see. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b, RV_DIR));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, RV_DIR));
	EXPECT_SYNC(test, 0, 0);
	/* The CPU can have written since then, it was its turn again. */
	KUNIT_EXPECT_EQ(test, 0, dma_iova_bind(fake_device(a), s, one, 0, b, 0,
					       N * P, DMA_TO_DEVICE, 0));
	EXPECT_SYNC(test, 1, 0);
	/* Of neither side. */
	c->iommu->fail_sync = 1;
	KUNIT_EXPECT_EQ(test, -EIO, bk_bind(c, t, two, 0, b, 0, N * P));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_device_access(one));
	EXPECT_SYNC(test, 0, 0);
	a->iommu->fail_map = 1;
	KUNIT_EXPECT_EQ(test, -ENOMEM, bk_bind(a, bk_reserve(test, a, P), two, 0,
					       b, 0, P));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(b,
							      DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(b, DMA_FROM_DEVICE));
	EXPECT_SYNC(test, 0, 0);
	dma_iova_unbind(one);
}

/* -- Camera, codec, display -- */

/* The same hand-over by the calls that are there for one device. */
static unsigned int streaming(struct kunit *test, struct fake_dev *const *fake,
			      struct dma_backing *b)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, DMA_TO_DEVICE,
	};
	struct sg_table sgt;
	unsigned int i, sum;

	KUNIT_ASSERT_EQ(test, 0, dma_backing_get_sgtable(b, &sgt, 0,
							 dma_backing_size(b)));
	sl_zero();
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, 0, dma_map_sgtable(fake_device(fake[i]),
							 &sgt, dirs[i], 0));
		dma_unmap_sgtable(fake_device(fake[i]), &sgt, dirs[i], 0);
	}
	sum = sl_sum();
	sg_free_table(&sgt);
	return sum;
}

/* Bound for each frame, and used, with a frame's worth of direction. */
static void one_frame(struct kunit *test, struct fake_dev *const *fake,
		      struct dma_backing *b, struct dma_binding **binding,
		      struct dma_iova_state **s)
{
	static const enum dma_data_direction dirs[] = {
		DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, DMA_TO_DEVICE,
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, 0,
				dma_iova_bind(fake_device(fake[i]), s[i],
					      binding[i], 0, b, 0,
					      dma_backing_size(b), dirs[i], 0));
		dma_iova_unbind(binding[i]);
	}
}

static void r001_4_camera_codec_display(struct kunit *test)
{
	unsigned int coherent, cached, i;

	sl_need(test);
	for (coherent = 0; coherent < 2; coherent++) {
		struct fake_dev *const fake[] = {
			bk_dev(test, 0, coherent), bk_dev(test, 1, coherent),
			bk_direct(test, coherent),
		};

		for (cached = coherent; cached < 2; cached++) {
			struct dma_iova_state *s[3];
			struct dma_binding *binding[3];
			struct dma_backing *b;
			unsigned int sum, frames;

			if (!cached && !bk_has_uncached())
				continue;
			b = bk_alloc(test, fake_device(fake[2]), 16 * P,
				     cached ? DMA_BACKING_CACHED : 0);
			for (i = 0; i < 3; i++) {
				s[i] = bk_reserve(test, fake[i], 16 * P);
				binding[i] = bk_binding(test);
			}
			watch(test, b);
			/* Not even for the first frame: it was clean. */
			for (frames = 0; frames < 10; frames++)
				one_frame(test, fake, b, binding, s);
			KUNIT_EXPECT_EQ(test, sl_sum(), 0);
			KUNIT_EXPECT_EQ(test, sl.flushes, 0);
			sum = streaming(test, fake, b);
			kunit_info(test, "%scoherent devices, %s memory, pages cleaned or invalidated for a frame: 0, streaming API %u\n",
				   coherent ? "" : "not ",
				   cached ? "cached" : "uncached", sum);
			KUNIT_EXPECT_EQ(test, sl.flushes, 0);
			if (coherent)
				KUNIT_EXPECT_EQ(test, sum, 0);
			else
				KUNIT_EXPECT_GE(test, sum, 3 * 16);
			sl_end();
			for (i = 0; i < 3; i++)
				bk_unreserve(fake[i], s[i]);
		}
	}
}

/* A CPU that looks at each frame pays for it, and once. */
static void r001_4_cpu_looks_at_each_frame(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, false), bk_dev(test, 1, false),
		bk_direct(test, false),
	};
	struct dma_backing *b = bk_alloc(test, fake_device(fake[2]), 16 * P,
					 DMA_BACKING_CACHED);
	struct dma_iova_state *s[3];
	struct dma_binding *binding[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		s[i] = bk_reserve(test, fake[i], 16 * P);
		binding[i] = bk_binding(test);
	}
	watch(test, b);
	for (i = 0; i < 5; i++) {
		one_frame(test, fake, b, binding, s);
		EXPECT_SYNC(test, 0, 0);
		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_begin_cpu_access(b, DMA_FROM_DEVICE));
		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_end_cpu_access(b, DMA_FROM_DEVICE));
		EXPECT_SYNC(test, 0, 1);
	}
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_owner_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r004_8_probes_see_it),
	KUNIT_CASE(r004_8_uncached_is_clean_at_first),
	KUNIT_CASE(r004_8_wrapped_memory),
	KUNIT_CASE(r004_8_directions),
	KUNIT_CASE(r004_8_accesses_nest),
	KUNIT_CASE(r004_8_long_lived_bindings),
	KUNIT_CASE(r004_8_uncached_costs_nothing),
	KUNIT_CASE(r004_8_handed_over_before_it_is_mapped),
	KUNIT_CASE(r004_8_given_back),
	KUNIT_CASE(r004_8_failed_bind),
	KUNIT_CASE(r001_4_camera_codec_display),
	KUNIT_CASE(r001_4_cpu_looks_at_each_frame),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_owner_suite = {
	.name = "fake_owner_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = owner_suite_init,
	.suite_exit = owner_suite_exit,
	.init = bk_init,
	.exit = owner_exit,
#endif
	.test_cases = fake_owner_cases,
};

kunit_test_suite(fake_owner_suite);

MODULE_DESCRIPTION("Whose turn it is with a backing, on a fake IOMMU");
MODULE_LICENSE("GPL");
