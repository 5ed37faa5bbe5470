// SPDX-License-Identifier: GPL-2.0
/*
 * Backings with real devices: what one device writes is what the next one reads,
 * whatever maps them, and CPUs see it too; no page has two memory types; nothing is
 * done to caches and TLBs that is not needed. The finer rules are in fake_bind_test,
 * fake_mapper_test, fake_cpu_test and fake_owner_test.
 *
 * The scene is a camera, a codec and a display: three edu devices, of which two are
 * translated and one is mapped directly in the plans backing*. Each has a buffer of
 * its own, which is all that it does with a frame.
 */

#include "ptwalk.h"
#include "reserve.h"
#include "sync_log.h"
#include "user_map.h"

#ifdef HAVE_DMA_BACKING
#include <linux/dma-backing.h>

#define ACTORS	3
#define PAGES	16
#define SIZE	(PAGES * P)
#define LEN	DT_LEN

/**
 * struct actor - a device of the scene
 * @edu: the device
 * @dev: likewise
 * @state: its reservation
 * @binding: what is bound there
 */
struct actor {
	struct edu *edu;
	struct device *dev;
	struct dma_iova_state state;
	struct dma_binding binding;
};

/* For one case at a time: who is in it, and what is not to be left in a list. */
static struct actor actors[ACTORS];
static struct dma_backing *backing;
static unsigned int vmaps;

static int scene_init(struct kunit *test)
{
	int ret = dt_init(test);
	unsigned int i;

	if (ret)
		return ret;
	memset(actors, 0, sizeof(actors));
	backing = NULL;
	vmaps = 0;
	for (i = 0; i < ACTORS; i++) {
		struct edu *edu = edu_get(i);

		if (IS_ERR(edu))
			break;
		actors[i].edu = edu;
		actors[i].dev = edu_dev(edu);
	}
	return 0;
}

static void scene_exit(struct kunit *test)
{
	unsigned int i;

	sl_end();
	for (i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];

		if (a->binding.mapper.backing)
			dma_iova_unbind(&a->binding);
		if (dma_use_iova(&a->state))
			dma_iova_free(a->dev, &a->state);
		if (a->edu)
			edu_put(a->edu);
	}
	while (vmaps) {
		dma_backing_vunmap(backing);
		vmaps--;
	}
	dma_backing_put(backing);
	dt_exit(test);
}

static bool is_translated(struct actor *a)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(a->dev);

	return domain && domain->type & __IOMMU_DOMAIN_PAGING;
}

/* All devices there are, and a backing that suits the hardest to please. */
static void set_scene(struct kunit *test, unsigned long attrs)
{
	struct device *dev = NULL;
	unsigned int i;

	if (!actors[ACTORS - 1].edu)
		kunit_skip(test, "needs three edu devices");
	rv_need(test);
	for (i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];

		KUNIT_ASSERT_EQ(test, 0, rv_reserve(a->dev, &a->state, SIZE, 0, 0,
						    0));
		if (!dev || !is_translated(a))
			dev = a->dev;
	}
	backing = dma_backing_alloc(dev, SIZE, GFP_KERNEL, attrs);
	if (IS_ERR(backing)) {
		int ret = PTR_ERR(backing);

		backing = NULL;
		KUNIT_ASSERT_EQ(test, ret, -EOPNOTSUPP);
		kunit_skip(test, "this machine does not have this cache policy");
	}
}

/* The call that is the same for each of them. */
static dma_addr_t bind_it(struct kunit *test, struct actor *a,
			  enum dma_data_direction dir)
{
	KUNIT_ASSERT_EQ(test, 0, dma_iova_bind(a->dev, &a->state, &a->binding, 0,
					       backing, 0, SIZE, dir, 0));
	return dma_binding_addr(&a->binding);
}

static int one_phys(phys_addr_t phys, size_t len, void *data)
{
	*(phys_addr_t *)data = phys;
	return 1;
}

static phys_addr_t phys_of(size_t off)
{
	phys_addr_t phys = 0;

	dma_backing_for_each_chunk(backing, off, P, one_phys, &phys);
	return phys;
}

static void watch(struct kunit *test)
{
	unsigned long pfn[PAGES];
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		pfn[i] = PHYS_PFN(phys_of(i * P));
	sl_begin(pfn, PAGES);
}

/* A picture in the camera's own buffer, and the one in the display's. */
static void take_picture(struct kunit *test, struct actor *a, unsigned int seed)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t addr;

	dt_fill(page_address(page), LEN, seed);
	addr = dma_map_page(a->dev, page, 0, P, DMA_TO_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(a->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(a->edu, addr, 0, LEN));
	dma_unmap_page(a->dev, addr, P, DMA_TO_DEVICE);
}

static void expect_picture(struct kunit *test, struct actor *a,
			   unsigned int seed)
{
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	dma_addr_t addr;

	addr = dma_map_page(a->dev, page, 0, P, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, 0, dma_mapping_error(a->dev, addr));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr, 0, LEN));
	dma_unmap_page(a->dev, addr, P, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, dt_check(page_address(page), LEN, seed), LEN);
}

/* Across a page boundary, to where the codec reads it, and on to another place. */
#define RAW	(3 * P - 900)
#define DONE	(9 * P - 1100)

static void play(struct kunit *test)
{
	struct actor *camera = &actors[0], *codec = &actors[1];
	struct actor *display = &actors[2];
	dma_addr_t addr;

	addr = bind_it(test, camera, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(camera->edu, addr + RAW, 0,
						     LEN));
	dma_iova_unbind(&camera->binding);
	addr = bind_it(test, codec, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(codec->edu, addr + RAW, 0,
						   LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(codec->edu, addr + DONE, 0,
						     LEN));
	dma_iova_unbind(&codec->binding);
	addr = bind_it(test, display, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(display->edu, addr + DONE, 0,
						   LEN));
	dma_iova_unbind(&display->binding);
}

/* The same three steps by dma_map_sgtable(), for the figure beside it. */
static unsigned int play_streaming(struct kunit *test)
{
	static const enum dma_data_direction dirs[ACTORS] = {
		DMA_FROM_DEVICE, DMA_BIDIRECTIONAL, DMA_TO_DEVICE,
	};
	struct sg_table sgt;
	unsigned int i, sum;

	KUNIT_ASSERT_EQ(test, 0, dma_backing_get_sgtable(backing, &sgt, 0, SIZE));
	sl_zero();
	for (i = 0; i < ACTORS; i++) {
		KUNIT_EXPECT_EQ(test, 0, dma_map_sgtable(actors[i].dev, &sgt,
							 dirs[i], 0));
		dma_unmap_sgtable(actors[i].dev, &sgt, dirs[i], 0);
	}
	sum = sl_sum();
	sg_free_table(&sgt);
	return sum;
}

static void scene(struct kunit *test, unsigned long attrs, const char *name)
{
	unsigned int sum, i;

	set_scene(test, attrs);
	take_picture(test, &actors[0], 31);
	watch(test);
	play(test);
	KUNIT_EXPECT_EQ_MSG(test, sl_sum(), 0, "pages cleaned or invalidated");
	KUNIT_EXPECT_EQ_MSG(test, sl.flushes, 0, "TLB flushes");
	expect_picture(test, &actors[2], 31);
	/* The picture got through, but nobody has counted. */
	sl_need(test);
	sum = play_streaming(test);
	kunit_info(test, "%s, devices %scoherent, %u translated: pages cleaned or invalidated for a frame: 0, streaming API %u\n",
		   name, dev_is_dma_coherent(actors[0].dev) ? "" : "not ",
		   is_translated(&actors[0]) + is_translated(&actors[1]) +
		   is_translated(&actors[2]), sum);
	for (i = 0; i < ACTORS; i++)
		if (!dev_is_dma_coherent(actors[i].dev))
			break;
	if (i < ACTORS)
		KUNIT_EXPECT_GE(test, sum, PAGES);
}

static void r001_4_camera_codec_display(struct kunit *test)
{
	scene(test, 0, "policy of the device");
}

static void r001_4_cached_memory(struct kunit *test)
{
	scene(test, DMA_BACKING_CACHED, "cached");
}

/* -- All at once -- */

static int map_backing(struct vm_area_struct *vma, void *data)
{
	return dma_backing_mmap(backing, vma, 0);
}

static unsigned long map_user(struct kunit *test)
{
	struct um_request r = { .mmap = map_backing };
	unsigned long uaddr = um_map(test, &r, 0, PAGES);

	KUNIT_ASSERT_EQ(test, r.ret, 0);
	return uaddr;
}

static u8 *map_kernel(struct kunit *test)
{
	u8 *p = dma_backing_vmap(backing, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR_OR_NULL(p));
	vmaps++;
	return p;
}

static int count_kind(const struct dma_mapper *mapper, void *data)
{
	unsigned int *kinds = data;

	kinds[mapper->kind]++;
	return 0;
}

/* Three devices, the kernel and a user map it, and see the same. */
static void all_at_once(struct kunit *test, unsigned long attrs)
{
	unsigned int i, direct = 0, kinds[DMA_MAPPER_USER + 1] = {};
	u8 *buf = kunit_kzalloc(test, LEN, GFP_KERNEL), *p;
	unsigned long uaddr;
	dma_addr_t addr[ACTORS];

	KUNIT_ASSERT_NOT_NULL(test, buf);
	set_scene(test, attrs);
	uaddr = map_user(test);
	p = map_kernel(test);
	for (i = 0; i < ACTORS; i++) {
		addr[i] = bind_it(test, &actors[i], DMA_BIDIRECTIONAL);
		direct += !is_translated(&actors[i]);
	}
	dma_backing_for_each_mapper(backing, count_kind, kinds);
	KUNIT_EXPECT_EQ(test, kinds[DMA_MAPPER_SPACE], ACTORS - direct);
	KUNIT_EXPECT_EQ(test, kinds[DMA_MAPPER_DIRECT], direct);
	KUNIT_EXPECT_EQ(test, kinds[DMA_MAPPER_KERNEL], 1);
	KUNIT_EXPECT_EQ(test, kinds[DMA_MAPPER_USER], 1);
	for (i = 0; i < ACTORS; i++)
		KUNIT_EXPECT_EQ(test, addr[i] + RAW,
				dma_backing_translate(backing, actors[0].dev,
						      addr[0] + RAW,
						      actors[i].dev));

	/* A user writes, a device reads; another one writes, the kernel reads. */
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing, RV_DIR));
	dt_fill(buf, LEN, 50);
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)uaddr + RAW, buf,
					      LEN));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, RV_DIR));
	for (i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];

		KUNIT_EXPECT_EQ(test, 0,
				dma_backing_begin_device_access(&a->binding));
		KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(a->edu, addr[i] + RAW,
							   0, LEN));
		KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr[i] +
							     i * 5 * P, 0, LEN));
	}
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing,
							      DMA_FROM_DEVICE));
	for (i = 0; i < ACTORS; i++) {
		KUNIT_EXPECT_EQ(test, dt_check(p + i * 5 * P, LEN, 50), LEN);
		memset(buf, 0, LEN);
		KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr +
							i * 5 * P, LEN));
		KUNIT_EXPECT_EQ(test, dt_check(buf, LEN, 50), LEN);
	}
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing,
							    DMA_FROM_DEVICE));
}

static void r000_1_all_at_once(struct kunit *test)
{
	all_at_once(test, 0);
}

static void r000_1_all_at_once_cached(struct kunit *test)
{
	all_at_once(test, DMA_BACKING_CACHED);
}

struct seen {
	unsigned int cached;
	unsigned int uncached;
	unsigned int linear;
};

static void look(struct pt_walk *w, unsigned long va, unsigned long pfn,
		 bool cached)
{
	struct seen *seen = w->priv;

	seen->linear += pt_is_linear(va);
	if (cached)
		seen->cached++;
	else
		seen->uncached++;
}

/* With everybody there, in every page table of the machine. */
static void one_type(struct kunit *test, unsigned long attrs)
{
	struct seen seen = {};
	struct xarray pfns;
	struct pt_walk w = { .pfns = &pfns, .found = look, .priv = &seen };
	unsigned int i, here;
	bool cached;

	if (!pt_supported())
		kunit_skip(test, "the search does not know these page tables");
	set_scene(test, attrs);
	cached = dma_backing_policy(backing) == DMA_CACHE_CACHED;
	xa_init(&pfns);
	for (i = 0; i < PAGES; i++)
		KUNIT_EXPECT_EQ(test, 0, xa_err(xa_store(&pfns,
					PHYS_PFN(phys_of(i * P)), xa_mk_value(i),
					GFP_KERNEL)));
	map_user(test);
	map_kernel(test);
	for (i = 0; i < ACTORS; i++) {
		/* One who snoops, and cannot be told not to. */
		if (!cached && dev_is_dma_coherent(actors[i].dev) &&
		    !is_translated(&actors[i]))
			KUNIT_EXPECT_EQ(test, -EINVAL,
					dma_iova_bind(actors[i].dev,
						      &actors[i].state,
						      &actors[i].binding, 0,
						      backing, 0, SIZE, RV_DIR,
						      0));
		else
			bind_it(test, &actors[i], RV_DIR);
	}
	KUNIT_EXPECT_TRUE(test, pt_walk_all(&w));
	here = cached ? seen.cached : seen.uncached;
	KUNIT_EXPECT_EQ(test, cached ? seen.uncached : seen.cached, 0);
	/* The user's and the kernel's, at least. */
	KUNIT_EXPECT_GE(test, here, 2 * PAGES);
	kunit_info(test, "%s: %u mappings, %u of them linear\n",
		   cached ? "cached" : "uncached", here, seen.linear);
	xa_destroy(&pfns);
}

static void r000_7_cached(struct kunit *test)
{
	one_type(test, DMA_BACKING_CACHED);
}

static void r000_7_uncached(struct kunit *test)
{
	one_type(test, DMA_BACKING_UNCACHED);
}

static void r000_7_write_combine(struct kunit *test)
{
	one_type(test, DMA_ATTR_WRITE_COMBINE);
}

/* -- Each device -- */

static bool only_with_case_device(struct kunit *test, struct actor *a)
{
	struct dt_ctx *ctx = test->priv;

	return a->dev == ctx->dev;
}

static struct actor *the_actor(struct kunit *test)
{
	unsigned int i;

	rv_need(test);
	for (i = 0; i < ACTORS; i++)
		if (actors[i].edu && only_with_case_device(test, &actors[i]))
			return &actors[i];
	kunit_skip(test, "more devices than the scene has");
	return NULL;
}

static void alone(struct kunit *test, struct actor *a)
{
	KUNIT_ASSERT_EQ(test, 0, rv_reserve(a->dev, &a->state, SIZE, 0, 0, 0));
	backing = dma_backing_alloc(a->dev, SIZE, GFP_KERNEL, DMA_BACKING_CACHED);
	if (IS_ERR(backing)) {
		backing = NULL;
		KUNIT_FAIL_AND_ABORT(test, "no backing");
	}
}

/* A user program has it first, and the device comes later. */
static void r004_4_allocated_once_mapped_later(struct kunit *test)
{
	u8 *buf = kunit_kzalloc(test, LEN, GFP_KERNEL);
	struct actor *a = the_actor(test);
	unsigned long uaddr;
	dma_addr_t addr;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	alone(test, a);
	uaddr = map_user(test);
	dt_fill(buf, LEN, 70);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing, RV_DIR));
	KUNIT_EXPECT_EQ(test, 0, copy_to_user((void __user *)uaddr + 5 * P, buf,
					      LEN));
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, RV_DIR));
	addr = bind_it(test, a, RV_DIR);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(a->edu, addr + 5 * P, 0, LEN));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr + 700, 0, LEN));
	dma_iova_unbind(&a->binding);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing, RV_DIR));
	memset(buf, 0, LEN);
	KUNIT_EXPECT_EQ(test, 0, copy_from_user(buf, (void __user *)uaddr + 700,
						LEN));
	KUNIT_EXPECT_EQ(test, dt_check(buf, LEN, 70), LEN);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing, RV_DIR));
}

/* The owner has given it up, and the device writes there still. */
static void r000_4_freed_while_the_device_writes(struct kunit *test)
{
	struct actor *a = the_actor(test);
	struct dma_backing *b;
	dma_addr_t addr;

	alone(test, a);
	take_picture(test, a, 80);
	addr = bind_it(test, a, RV_DIR);
	b = backing;
	backing = NULL;
	KUNIT_EXPECT_FALSE(test, dma_backing_put(b));
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr + 4 * P - 100,
						     0, LEN));
	take_picture(test, a, 81);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_to_device(a->edu, addr + 4 * P - 100, 0,
						   LEN));
	expect_picture(test, a, 80);
	dma_iova_unbind(&a->binding);
}

/* Bound it gets there, unbound it does not: at once, in a strict domain or not. */
static void r002_5_unbound_is_out_of_reach(struct kunit *test)
{
	struct actor *a = the_actor(test);
	dma_addr_t addr;
	u8 *p;

	dt_need_iommu(test);
	alone(test, a);
	take_picture(test, a, 90);
	addr = bind_it(test, a, RV_DIR);
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr, 0, LEN));
	dma_iova_unbind(&a->binding);
	/* Each access is a fault, and the queue for them is short. */
	KUNIT_EXPECT_EQ(test, 0, edu_dma_from_device(a->edu, addr + 2 * P, 0, 32));
	p = map_kernel(test);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_begin_cpu_access(backing,
							      DMA_FROM_DEVICE));
	KUNIT_EXPECT_EQ(test, dt_check(p, LEN, 90), LEN);
	KUNIT_EXPECT_EQ(test, dt_check_same(p + 2 * P, P, 0), P);
	KUNIT_EXPECT_EQ(test, 0, dma_backing_end_cpu_access(backing,
							    DMA_FROM_DEVICE));
}

#else
static void no_backings_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no backings");
}
#endif /* HAVE_DMA_BACKING */

static struct kunit_case dma_backing_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r001_4_camera_codec_display),
	KUNIT_CASE(r001_4_cached_memory),
	KUNIT_CASE(r000_1_all_at_once),
	KUNIT_CASE(r000_1_all_at_once_cached),
	KUNIT_CASE(r000_7_cached),
	KUNIT_CASE(r000_7_uncached),
	KUNIT_CASE(r000_7_write_combine),
	DT_CASE(r004_4_allocated_once_mapped_later),
	DT_CASE(r000_4_freed_while_the_device_writes),
	DT_CASE(r002_5_unbound_is_out_of_reach),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

#ifdef HAVE_DMA_BACKING
static int dma_backing_suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return sl_init();
}

static void dma_backing_suite_exit(struct kunit_suite *suite)
{
	sl_exit();
	um_suite_exit();
}
#endif

static struct kunit_suite dma_backing_suite = {
	.name = "dma_backing_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = dma_backing_suite_init,
	.suite_exit = dma_backing_suite_exit,
	.init = scene_init,
	.exit = scene_exit,
#endif
	.test_cases = dma_backing_cases,
};

kunit_test_suite(dma_backing_suite);

MODULE_DESCRIPTION("Backings, with real devices");
MODULE_LICENSE("GPL");
