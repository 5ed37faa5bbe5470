// SPDX-License-Identifier: GPL-2.0
/*
 * Backings made of memory that the caller has, and how long that is theirs: until
 * nobody has a reference and nobody maps it. On fake_iommu.h's devices.
 */

#include <linux/kthread.h>
#include <linux/of.h>
#include <linux/of_address.h>

#include "fake_backing.h"

#ifdef HAVE_DMA_BACKING

#define N	5

/* -- What can be wrapped -- */

static void expect_pages(struct kunit *test, struct dma_backing *b,
			 struct page **pages, unsigned int count)
{
	unsigned int i;

	KUNIT_EXPECT_EQ(test, dma_backing_size(b), count * P);
	KUNIT_EXPECT_EQ(test, dma_backing_policy(b), DMA_CACHE_CACHED);
	for (i = 0; i < count; i++)
		KUNIT_EXPECT_PTR_EQ(test, bk_page(b, i * P), pages[i]);
}

/* Bound, seen by the device, unbound, and given back once. */
static void use_and_put(struct kunit *test, struct dma_backing *b,
			struct bk_owner *owner)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_binding *binding;

	bk_fill(b, 3);
	binding = bk_bind_all(test, fake, b);
	bk_expect_bound(test, fake, dma_binding_addr(binding), b, 0,
			dma_backing_size(b));
	dma_iova_unbind(binding);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner->released), 0);
	/* They are what they were. */
	bk_expect_filled(test, b, 3);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	/* When it says so, and not later. */
	KUNIT_EXPECT_EQ(test, atomic_read(&owner->released), 1);
	KUNIT_EXPECT_FALSE(test, owner->atomic);
}

static void r001_3_page_array(struct kunit *test)
{
	struct page **pages = bk_pages(test, N);
	struct bk_owner owner = {};
	struct dma_backing *b;

	b = bk_keep(test, dma_backing_from_pages(pages, N, 0, bk_release,
						 &owner));
	expect_pages(test, b, pages, N);
	use_and_put(test, b, &owner);
}

/* Whoever has it last calls the release of this module, which has to be there. */
static void r000_4_the_module_stays(struct kunit *test)
{
	int before = module_refcount(THIS_MODULE);
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, 1, &owner), *none;
	struct phys_vec vec = { page_to_phys(bk_pages(test, 1)[0]), P };

	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), before + 1);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 1);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), before);
	/* Without a release, and if nothing came of it. */
	b = bk_wrap(test, 1, NULL);
	vec.paddr++;
	none = dma_backing_from_phys(&vec, 1, 0, bk_release, &owner);
	KUNIT_EXPECT_PTR_EQ(test, none, ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), before);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

static void r001_3_scatter_gather_list(struct kunit *test)
{
	struct page *big = dt_alloc_pages(test, GFP_HIGHUSER, 3);
	struct page **pages = bk_pages(test, N + 8);
	struct bk_owner owner = {};
	struct scatterlist *sg;
	struct dma_backing *b;
	struct sg_table sgt;
	unsigned int i;

	/* Single pages, and a block of eight in the middle. */
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&sgt, N + 1, GFP_KERNEL));
	for_each_sgtable_sg(&sgt, sg, i) {
		if (i == 2)
			sg_set_page(sg, big, 8 * P, 0);
		else
			sg_set_page(sg, pages[i < 2 ? i : i + 7], P, 0);
	}
	for (i = 0; i < 8; i++)
		pages[2 + i] = big + i;
	b = bk_keep(test, dma_backing_from_sg(&sgt, DMA_BACKING_CACHED,
					      bk_release, &owner));
	/* The list is not needed any more. */
	sg_free_table(&sgt);
	expect_pages(test, b, pages, N + 8);
	use_and_put(test, b, &owner);
}

static void r001_3_physical_ranges(struct kunit *test)
{
	struct page *big = dt_alloc_pages(test, GFP_HIGHUSER, 3);
	struct page **pages = bk_pages(test, 10);
	struct phys_vec vec[3] = {
		{ page_to_phys(pages[0]), P },
		{ page_to_phys(big), 8 * P },
		{ page_to_phys(pages[9]), P },
	};
	struct bk_owner owner = {};
	struct dma_backing *b;
	unsigned int i;

	for (i = 0; i < 8; i++)
		pages[1 + i] = big + i;
	b = bk_keep(test, dma_backing_from_phys(vec, 3, 0, bk_release, &owner));
	memset(vec, 0, sizeof(vec));
	expect_pages(test, b, pages, 10);
	use_and_put(test, b, &owner);
	/* Nobody has to be told. */
	vec[0] = (struct phys_vec){ page_to_phys(big), P };
	b = bk_keep(test, dma_backing_from_phys(vec, 1, 0, NULL, NULL));
	KUNIT_EXPECT_TRUE(test, bk_put(b));
}

/* The same page twice is for the caller to want. */
static void r001_3_a_page_twice(struct kunit *test)
{
	struct page *page = dt_alloc_pages(test, GFP_HIGHUSER, 0);
	struct page *pages[3] = { page, page, page };
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_binding *binding;
	unsigned int count = 0;
	struct dma_backing *b;

	b = bk_keep(test, dma_backing_from_pages(pages, 3, 0, NULL, NULL));
	expect_pages(test, b, pages, 3);
	binding = bk_bind_all(test, fake, b);
	bk_expect_bound(test, fake, dma_binding_addr(binding), b, 0, 3 * P);
	KUNIT_EXPECT_EQ(test, 0,
			dma_backing_for_each_mapper_of(b, page_to_phys(page),
						       bk_count_mapper, &count));
	KUNIT_EXPECT_EQ(test, count, 3);
}

/* Physical addresses that are no memory, below it or above. */
static phys_addr_t no_memory(unsigned int pages)
{
	phys_addr_t phys = SZ_16M;
	unsigned int i = 0;

	while (i < pages) {
		if (pfn_valid(PHYS_PFN(phys) + i)) {
			phys += SZ_16M;
			i = 0;
		} else {
			i++;
		}
	}
	return phys;
}

static void r001_3_device_memory(struct kunit *test)
{
	struct phys_vec vec[2] = {
		{ no_memory(16), 3 * P }, { no_memory(16) + 8 * P, P },
	};
	struct bk_owner owner = {};
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, false),
		bk_direct(test, false), bk_direct(test, true),
	};
	struct dma_backing *b;
	struct sg_table sgt;
	unsigned int i;

	b = bk_keep(test, dma_backing_from_phys(vec, 2, DMA_ATTR_MMIO,
						bk_release, &owner));
	KUNIT_EXPECT_EQ(test, dma_backing_policy(b), DMA_CACHE_UNCACHED);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct device *dev = fake_device(fake[i]);
		struct dma_binding *binding = bk_binding(test);
		struct dma_iova_state *s = bk_reserve(test, fake[i], 4 * P);
		size_t len = fake[i]->iommu ? 4 * P : 3 * P;
		dma_addr_t addr;

		/* Whoever binds it has to know. */
		KUNIT_EXPECT_EQ(test, -EINVAL, bk_bind(fake[i], s, binding, 0, b,
						       0, len));
		KUNIT_EXPECT_EQ(test, 0,
				dma_iova_bind(dev, s, binding, 0, b, 0, len,
					      DMA_TO_DEVICE, DMA_ATTR_MMIO));
		addr = dma_binding_addr(binding);
		KUNIT_EXPECT_EQ(test, addr, dma_iova_addr(s));
		bk_expect_bound(test, fake[i], addr, b, 0, len);
		if (fake[i]->iommu)
			KUNIT_EXPECT_EQ(test, fake_dev_prot(fake[i], addr) &
					~IOMMU_NOEXEC, IOMMU_READ | IOMMU_MMIO);
		dma_iova_unbind(binding);
	}
	/* It has no struct page. */
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			dma_backing_get_sgtable(b, &sgt, 0, P));
	KUNIT_EXPECT_PTR_EQ(test, dma_backing_vmap(b, 0),
			    (void *)ERR_PTR(-EOPNOTSUPP));
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 1);
}

/* -- What cannot be wrapped -- */

static void phys_refused(struct kunit *test, const struct phys_vec *vec,
			 unsigned int count, unsigned long attrs,
			 const char *what)
{
	struct bk_owner owner = {};
	struct dma_backing *b;

	b = dma_backing_from_phys(vec, count, attrs, bk_release, &owner);
	KUNIT_EXPECT_PTR_EQ_MSG(test, b, ERR_PTR(-EINVAL), "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&owner.released), 0, "%s", what);
	if (!IS_ERR_OR_NULL(b))
		dma_backing_put(b);
}

static void r001_3_bad_ranges(struct kunit *test)
{
	phys_addr_t ram = page_to_phys(dt_alloc_pages(test, GFP_KERNEL, 2));
	phys_addr_t none = no_memory(16);
	const struct {
		struct phys_vec vec;
		unsigned long attrs;
		const char *what;
	} t[] = {
		{ { ram + 512, P }, 0, "a start within a page" },
		{ { ram, P - 512 }, 0, "an end within a page" },
		{ { ram, 0 }, 0, "nothing" },
		{ { ram, P }, DMA_ATTR_MMIO, "memory as device memory" },
		{ { none, P }, 0, "device memory as memory" },
		{ { none + 1, P }, DMA_ATTR_MMIO, "a start within a page" },
		{ { ALIGN_DOWN(PHYS_ADDR_MAX, P), 2 * P }, DMA_ATTR_MMIO,
		  "the end of all addresses" },
		{ { ram, P }, DMA_ATTR_WRITE_COMBINE, "write-combined memory" },
		{ { ram, P }, DMA_BACKING_UNCACHED, "uncached memory" },
		{ { ram, P }, DMA_BACKING_CACHED | DMA_BACKING_UNCACHED,
		  "two policies" },
		{ { none, P }, DMA_ATTR_MMIO | DMA_BACKING_CACHED,
		  "cached device memory" },
		{ { none, P }, DMA_ATTR_MMIO | DMA_ATTR_WRITE_COMBINE,
		  "write-combined device memory" },
		{ { ram, P }, DMA_ATTR_FORCE_CONTIGUOUS, "an odd attribute" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct phys_vec vec[3] = {
			{ t[i].attrs & DMA_ATTR_MMIO ? none + P : ram + P, P },
			t[i].vec,
			{ t[i].attrs & DMA_ATTR_MMIO ? none + P : ram + P, P },
		};

		phys_refused(test, &t[i].vec, 1, t[i].attrs, t[i].what);
		phys_refused(test, vec, 3, t[i].attrs, t[i].what);
	}
	phys_refused(test, &t[0].vec, 0, 0, "no range");
}

/*
 * A device tree can have memory that the kernel is not to map: no cache can be cleaned
 * for it, and it is not what DMA_ATTR_MMIO is for. The plan "devpool" has some.
 */
static void r001_3_memory_that_is_not_mapped(struct kunit *test)
{
	struct device_node *all = of_find_node_by_path("/reserved-memory");
	struct device_node *node, *found = NULL;
	struct phys_vec vec = { .len = P };
	struct resource res;

	for_each_available_child_of_node(all, node) {
		if (of_property_read_bool(node, "no-map") &&
		    !of_address_to_resource(node, 0, &res)) {
			found = node;
			break;
		}
	}
	of_node_put(found);
	of_node_put(all);
	if (!found)
		kunit_skip(test, "the device tree has no such memory");
	vec.paddr = res.start;
	KUNIT_ASSERT_TRUE(test, pfn_valid(PHYS_PFN(vec.paddr)));
	phys_refused(test, &vec, 1, 0, "not mapped");
	phys_refused(test, &vec, 1, DMA_ATTR_MMIO, "memory as device memory");
}

/* Memory with something else before it and behind it, and the reverse. */
static void r000_7_memory_in_the_middle(struct kunit *test)
{
	phys_addr_t first, end;
	struct phys_vec vec;

	if (!bk_memory(&first, &end))
		kunit_skip(test, "memory is not in one block");
	vec = (struct phys_vec){ first - P, end - first + 2 * P };
	phys_refused(test, &vec, 1, DMA_ATTR_MMIO, "all memory");
	phys_refused(test, &vec, 1, 0, "all memory, and more");
	vec = (struct phys_vec){ first - P, 2 * P };
	phys_refused(test, &vec, 1, DMA_ATTR_MMIO, "the first page, too");
	phys_refused(test, &vec, 1, 0, "the page before the first, too");
	vec = (struct phys_vec){ end - P, 2 * P };
	phys_refused(test, &vec, 1, DMA_ATTR_MMIO, "the last page, too");
	phys_refused(test, &vec, 1, 0, "the page behind the last, too");
}

static void r001_3_bad_pages_and_lists(struct kunit *test)
{
	static const struct {
		unsigned int offset;
		unsigned int length;
		unsigned long attrs;
	} t[] = {
		{ 512, PAGE_SIZE }, { 0, PAGE_SIZE - 4 }, { 4, 3 * PAGE_SIZE },
		{ 0, PAGE_SIZE, DMA_BACKING_UNCACHED },
		{ 0, PAGE_SIZE, DMA_ATTR_WRITE_COMBINE },
		{ 0, PAGE_SIZE, DMA_ATTR_MMIO },
	};
	struct page **pages = bk_pages(test, 1);
	struct page *big = dt_alloc_pages(test, GFP_KERNEL, 2);
	struct bk_owner owner = {};
	struct scatterlist sg[2];
	struct sg_table sgt = { .sgl = sg, .nents = 2, .orig_nents = 2 };
	struct dma_backing *b;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		sg_init_table(sg, 2);
		sg_set_page(&sg[0], pages[0], P, 0);
		sg_set_page(&sg[1], big, t[i].length, t[i].offset);
		b = dma_backing_from_sg(&sgt, t[i].attrs, bk_release, &owner);
		KUNIT_EXPECT_PTR_EQ_MSG(test, b, ERR_PTR(-EINVAL), "%u", i);
		if (!t[i].attrs)
			continue;
		b = dma_backing_from_pages(pages, 1, t[i].attrs, bk_release,
					   &owner);
		KUNIT_EXPECT_PTR_EQ_MSG(test, b, ERR_PTR(-EINVAL), "%u", i);
	}
	b = dma_backing_from_pages(pages, 0, 0, bk_release, &owner);
	KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-EINVAL));
	sgt.orig_nents = 0;
	sgt.nents = 0;
	b = dma_backing_from_sg(&sgt, 0, bk_release, &owner);
	KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
}

static void r001_3_wrap_without_memory(struct kunit *test)
{
	struct page **pages = bk_pages(test, N);
	unsigned int n, errors = 0;
	struct bk_owner owner = {};
	bool failed = true;

	for (n = 1; failed && n < 20; n++) {
		struct dma_backing *b;

		dt_fail_nth(test, n);
		b = dma_backing_from_pages(pages, N, 0, bk_release, &owner);
		failed = dt_fail_stop();
		if (!IS_ERR(b)) {
			KUNIT_EXPECT_TRUE(test, dma_backing_put(b));
			continue;
		}
		KUNIT_EXPECT_PTR_EQ(test, b, ERR_PTR(-ENOMEM));
		KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
		errors++;
	}
	KUNIT_EXPECT_FALSE(test, failed);
	KUNIT_EXPECT_GT(test, errors, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 1);
}

/* -- How long it lasts -- */

static void r000_4_references_are_counted(struct kunit *test)
{
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, 1, &owner);

	KUNIT_EXPECT_PTR_EQ(test, dma_backing_get(b), b);
	dma_backing_get(b);
	KUNIT_EXPECT_FALSE(test, dma_backing_put(b));
	KUNIT_EXPECT_FALSE(test, dma_backing_put(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
	KUNIT_EXPECT_TRUE(test, bk_put(b));
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
	KUNIT_EXPECT_FALSE(test, dma_backing_put(NULL));
}

/* The device goes on with memory that its owner has given up. */
static void r000_4_free_under_a_mapper(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 1, false),
		bk_direct(test, true), bk_direct(test, false),
	};
	u8 *buf = kunit_kzalloc(test, P, GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		struct bk_owner owner = {};
		struct dma_backing *b = bk_wrap(test, 1, &owner);
		struct dma_binding *binding;
		dma_addr_t addr;

		bk_fill(b, 10 + i);
		binding = bk_bind_all(test, fake[i], b);
		addr = dma_binding_addr(binding);
		KUNIT_EXPECT_FALSE(test, bk_put(b));
		msleep(30);
		KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
		KUNIT_EXPECT_EQ(test, fake_dev_read(fake[i], addr, buf, P), P);
		KUNIT_EXPECT_EQ(test, dt_check(buf, P, 10 + i), P);
		dma_iova_unbind(binding);
		KUNIT_EXPECT_PTR_EQ(test, binding->mapper.backing, NULL);
		KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
	}
}

/* The last of many, whoever that is. */
static void r000_4_the_last_mapper_frees(struct kunit *test)
{
	struct fake_dev *const fake[] = {
		bk_dev(test, 0, true), bk_dev(test, 0, false),
		bk_dev(test, 1, true), bk_direct(test, false),
	};
	unsigned int i, last;

	for (last = 0; last <= ARRAY_SIZE(fake); last++) {
		struct dma_binding *binding[ARRAY_SIZE(fake)];
		struct bk_owner owner = {};
		struct dma_backing *b = bk_wrap(test, 1, &owner);
		bool vmap = last == ARRAY_SIZE(fake);

		if (vmap)
			KUNIT_EXPECT_FALSE(test, IS_ERR_OR_NULL(
					dma_backing_vmap(b, 0)));
		for (i = 0; i < ARRAY_SIZE(fake); i++)
			binding[i] = bk_bind_all(test, fake[i], b);
		KUNIT_EXPECT_FALSE(test, bk_put(b));
		for (i = 0; i < ARRAY_SIZE(fake); i++)
			if (i != last)
				dma_iova_unbind(binding[i]);
		msleep(30);
		KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
		if (vmap)
			dma_backing_vunmap(b);
		else
			dma_iova_unbind(binding[last]);
		KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
		/* There are not enough of them for all rounds. */
		while (bk.states--)
			dma_iova_free(bk.state[bk.states].dev,
				      &bk.state[bk.states].state);
		bk.states = 0;
		memset(bk.binding, 0, sizeof(bk.binding));
		bk.bindings = 0;
	}
}

static DEFINE_SPINLOCK(atomic_lock);

/* Freeing sleeps; whoever unbinds may not, and the owner's function may. */
static void r000_4_last_mapper_in_atomic_context(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct bk_owner owner = {};
	struct dma_backing *b = bk_wrap(test, 1, &owner);
	struct dma_binding *binding = bk_bind_all(test, fake, b);

	KUNIT_EXPECT_FALSE(test, bk_put(b));
	scoped_guard(spinlock_irqsave, &atomic_lock) {
		dma_iova_unbind(binding);
		/* The memory is not the owner's before the lock is dropped. */
		KUNIT_EXPECT_EQ(test, atomic_read(&owner.released), 0);
	}
	KUNIT_EXPECT_EQ(test, bk_released(&owner), 1);
}

/* Memory of ours does come back as well. */
static void r000_4_memory_comes_back(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct dma_backing *b = bk_alloc(test, fake_device(fake), SZ_32M, 0);
	struct dma_binding *binding = bk_bind_all(test, fake, b);
	long with = dt_free_memory(), now;
	unsigned int tries;

	KUNIT_EXPECT_FALSE(test, bk_put(b));
	msleep(30);
	KUNIT_EXPECT_LT(test, abs(dt_free_memory() - with), SZ_16M / P);
	dma_iova_unbind(binding);
	for (tries = 0; tries < 50; tries++) {
		now = dt_free_memory();
		if (now - with > (long)(SZ_32M / P) * 7 / 8)
			break;
		msleep(20);
	}
	KUNIT_EXPECT_GT(test, now - with, (long)(SZ_32M / P) * 7 / 8);
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_wrap_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r001_3_page_array),
	KUNIT_CASE(r000_4_the_module_stays),
	KUNIT_CASE(r001_3_scatter_gather_list),
	KUNIT_CASE(r001_3_physical_ranges),
	KUNIT_CASE(r001_3_a_page_twice),
	KUNIT_CASE(r001_3_device_memory),
	KUNIT_CASE(r001_3_bad_ranges),
	KUNIT_CASE(r001_3_memory_that_is_not_mapped),
	KUNIT_CASE(r000_7_memory_in_the_middle),
	KUNIT_CASE(r001_3_bad_pages_and_lists),
	KUNIT_CASE(r001_3_wrap_without_memory),
	KUNIT_CASE(r000_4_references_are_counted),
	KUNIT_CASE(r000_4_free_under_a_mapper),
	KUNIT_CASE(r000_4_the_last_mapper_frees),
	KUNIT_CASE(r000_4_last_mapper_in_atomic_context),
	KUNIT_CASE(r000_4_memory_comes_back),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

static struct kunit_suite fake_wrap_suite = {
	.name = "fake_wrap_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = dt_fail_init,
	.suite_exit = dt_fail_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_wrap_cases,
};

kunit_test_suite(fake_wrap_suite);

MODULE_DESCRIPTION("Backings of the caller's memory, on a fake IOMMU");
MODULE_LICENSE("GPL");
