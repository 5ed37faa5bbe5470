// SPDX-License-Identifier: GPL-2.0
/*
 * What DMA debugging makes of reservations: a report for each mistake, and none
 * for what is right. On devices that can be told to be difficult (fake_iommu.h),
 * with a reservation of each kind.
 *
 * Reports are counted, not shown: they would look like splats. What shows that it
 * is the right one is the step before, which differs in the mistake alone.
 */

#include "fake_debug.h"

#ifdef HAVE_DMA_RESERVE

#define PAGES	16

/* -- Mistakes, step by step -- */

static void take(struct kunit *test, struct resv *r, const struct step *s,
		 unsigned int n)
{
	bool fails = s->op == LINK_FAILS || s->op == SYNC_FAILS;
	int ret;

	if (s->errors || fails) {
		kunit_warning_suppress(test)
			ret = do_step(r, s);
	} else {
		ret = do_step(r, s);
		KUNIT_EXPECT_EQ_MSG(test, ret, 0, "step %u", n);
	}
	if (fails)
		KUNIT_EXPECT_NE_MSG(test, ret, 0, "step %u", n);
	KUNIT_EXPECT_EQ_MSG(test, new_errors(test, r->user), s->errors,
			    "reports at step %u", n);
}

static void walk(struct kunit *test, const struct step *steps,
		 unsigned int count, bool tidy)
{
	struct resv *r = begin(test, PAGES);
	unsigned int i;

	for (i = 0; i < count; i++)
		take(test, r, &steps[i], i);
	if (tidy)
		free_it(test, r, 0);
	else
		kunit_warning_suppress(test)
			give_up(test, r);
}

/* A case of steps that leave nothing, and one of steps that leave something. */
#define TIDY(name, ...)							\
static void name(struct kunit *test)					\
{									\
	static const struct step steps[] = { __VA_ARGS__ };		\
									\
	walk(test, steps, ARRAY_SIZE(steps), true);			\
}

#define UNTIDY(name, ...)						\
static void name(struct kunit *test)					\
{									\
	static const struct step steps[] = { __VA_ARGS__ };		\
									\
	walk(test, steps, ARRAY_SIZE(steps), false);			\
}

TIDY(union_of_links,
	{ LINK, 0, 4 }, { LINK, 4, 1 }, { LINK, 5, 11 }, { SYNC, 0, 16 },
	{ UNLINK, 0, 16 },
	{ LINK, 8, 4 }, { SYNC, 8, 4 }, { LINK, 4, 4 }, { SYNC, 4, 4 },
	{ UNLINK, 8, 4 }, { LINK, 8, 8 }, { SYNC, 4, 12 }, { UNLINK, 4, 12 })

TIDY(attributes_that_may_differ,
	{ LINK, 0, 4 }, { SYNC, 0, 4 },
	{ UNLINK, 0, 4, .attrs = DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_NO_WARN },
	{ LINK, 0, 4, .attrs = DMA_ATTR_SKIP_CPU_SYNC }, { SYNC, 0, 4 },
	{ UNLINK, 0, 4 })

UNTIDY(linked_twice,
	{ LINK, 4, 4 }, { LINK, 8, 4 }, { SYNC, 4, 8 },
	{ LINK, 4, 4, .errors = 1 })
UNTIDY(linked_over_the_start, { LINK, 4, 4 }, { LINK, 2, 3, .errors = 1 })
UNTIDY(linked_over_the_end, { LINK, 4, 4 }, { LINK, 7, 3, .errors = 1 })
UNTIDY(linked_inside, { LINK, 4, 4 }, { LINK, 5, 1, .errors = 1 })
UNTIDY(linked_around, { LINK, 4, 4 }, { LINK, 2, 8, .errors = 1 })

UNTIDY(unlink_the_start_of_a_link,
	{ LINK, 0, 4 }, { LINK, 4, 4 }, { SYNC, 0, 8 }, { UNLINK, 0, 4 },
	{ UNLINK, 4, 2, .errors = 1 })
UNTIDY(unlink_the_end_of_a_link,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { UNLINK, 2, 2, .errors = 1 })
UNTIDY(unlink_inside_a_link,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { UNLINK, 1, 2, .errors = 1 })
UNTIDY(unlink_one_and_a_half,
	{ LINK, 0, 4 }, { LINK, 4, 4 }, { SYNC, 0, 8 },
	{ UNLINK, 0, 6, .errors = 1 })
UNTIDY(unlink_nothing,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { UNLINK, 4, 4, .errors = 1 })
UNTIDY(unlink_again,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { UNLINK, 0, 4 },
	{ UNLINK, 0, 4, .errors = 1 })
UNTIDY(unlink_across_a_gap,
	{ LINK, 0, 4 }, { LINK, 8, 4 }, { SYNC, 0, 4 }, { SYNC, 8, 4 },
	{ UNLINK, 0, 12, .errors = 1 })
UNTIDY(unlink_too_early,
	{ LINK, 4, 4 }, { SYNC, 4, 4 }, { UNLINK, 0, 8, .errors = 1 })
UNTIDY(unlink_too_much,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { UNLINK, 0, 8, .errors = 1 })

TIDY(unlink_with_another_direction,
	{ LINK, 0, 4, DMA_TO_DEVICE }, { LINK, 4, 4, DMA_FROM_DEVICE },
	{ SYNC, 0, 8 }, { UNLINK, 0, 4, DMA_TO_DEVICE },
	{ UNLINK, 4, 4, DMA_BIDIRECTIONAL, .errors = 1 },
	{ LINK, 0, 4, DMA_TO_DEVICE }, { LINK, 4, 4, DMA_FROM_DEVICE },
	{ SYNC, 0, 8 }, { UNLINK, 0, 8, DMA_TO_DEVICE, .errors = 1 })
TIDY(unlink_with_other_attributes,
	{ LINK, 0, 4, .attrs = DMA_ATTR_PRIVILEGED }, { LINK, 4, 4 },
	{ SYNC, 0, 8 }, { UNLINK, 0, 4, .attrs = DMA_ATTR_PRIVILEGED },
	{ UNLINK, 4, 4, .attrs = DMA_ATTR_PRIVILEGED, .errors = 1 },
	{ LINK, 0, 4, .attrs = DMA_ATTR_MMIO }, { LINK, 4, 4 },
	{ SYNC, 0, 8 }, { UNLINK, 0, 8, .attrs = DMA_ATTR_MMIO, .errors = 1 })

/* Whoever hands over the data has made it known to the IOMMU before. */
TIDY(never_synced,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { LINK, 4, 4 },
	{ FOR_CPU, 0, 4 }, { FOR_DEVICE, 0, 4 },
	{ FOR_CPU, 4, 4, .errors = 1 }, { FOR_DEVICE, 4, 4, .errors = 1 },
	{ FOR_CPU, 2, 4, .errors = 1 }, { FOR_DEVICE, 5, 1, .errors = 1 },
	{ SYNC, 4, 4 }, { FOR_CPU, 2, 4 }, { FOR_DEVICE, 0, 8 },
	{ UNLINK, 0, 8 },
	/* The sync was one of what is no longer linked. */
	{ LINK, 0, 4 }, { FOR_DEVICE, 0, 4, .errors = 1 }, { UNLINK, 0, 4 })
/* As drm_gpusvm does it that finds a page it cannot use. */
TIDY(undone_without_a_sync,
	{ LINK, 0, 4 }, { LINK, 4, 4 }, { UNLINK, 0, 8 },
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { LINK, 4, 4 }, { UNLINK, 0, 8 },
	{ LINK, 0, 4 }, { UNLINK, 0, 4 })
TIDY(undone_after_a_failed_link,
	{ LINK, 0, 4 }, { LINK, 4, 4 }, { LINK_FAILS, 8, 4 },
	{ UNLINK, 0, 8 },
	{ LINK, 0, 4 }, { LINK_FAILS, 8, 4 }, { FOR_CPU, 0, 4, .errors = 1 },
	{ UNLINK, 0, 4 })
TIDY(undone_after_a_failed_sync,
	{ LINK, 0, 4 }, { SYNC_FAILS, 0, 0 }, { UNLINK, 0, 4 },
	/* It is not synced then. */
	{ LINK, 0, 4 }, { SYNC_FAILS, 0, 0 }, { FOR_CPU, 0, 4, .errors = 1 },
	{ UNLINK, 0, 4 })

TIDY(sync_nothing,
	{ LINK, 0, 4 }, { SYNC, 0, 4 }, { SYNC, 4, 4, .errors = 1 },
	{ UNLINK, 0, 4 })
TIDY(sync_across_a_gap,
	{ LINK, 0, 4 }, { LINK, 8, 4 }, { SYNC, 0, 12, .errors = 1 },
	{ UNLINK, 0, 4 }, { UNLINK, 8, 4 })
TIDY(sync_too_much,
	{ LINK, 0, 4 }, { SYNC, 0, 8, .errors = 1 }, { UNLINK, 0, 4 })
TIDY(sync_a_part,
	{ LINK, 0, 4 }, { LINK, 4, 4 }, { SYNC, 0, 6, .errors = 1 },
	{ UNLINK, 0, 8 })

TIDY(data_of_a_part,
	{ LINK, 0, 4 }, { LINK, 4, 4, DMA_TO_DEVICE },
	{ LINK, 8, 4, DMA_FROM_DEVICE }, { SYNC, 0, 12 },
	{ FOR_CPU, 1, 2 }, { FOR_DEVICE, 1, 2 },
	{ FOR_CPU, 1, 5, DMA_TO_DEVICE }, { FOR_DEVICE, 1, 5, DMA_TO_DEVICE },
	{ FOR_CPU, 8, 1, DMA_FROM_DEVICE }, { FOR_DEVICE, 8, 1, DMA_FROM_DEVICE },
	{ UNLINK, 0, 4 }, { UNLINK, 4, 4, DMA_TO_DEVICE },
	{ UNLINK, 8, 4, DMA_FROM_DEVICE })
TIDY(data_of_nothing,
	{ LINK, 0, 4 }, { LINK, 8, 4 }, { SYNC, 0, 4 }, { SYNC, 8, 4 },
	{ FOR_CPU, 4, 4, .errors = 1 }, { FOR_DEVICE, 4, 4, .errors = 1 },
	{ FOR_CPU, 2, 8, .errors = 1 }, { FOR_DEVICE, 2, 8, .errors = 1 },
	{ FOR_CPU, 10, 4, .errors = 1 }, { FOR_DEVICE, 10, 4, .errors = 1 },
	{ UNLINK, 0, 4 }, { UNLINK, 8, 4 })
TIDY(data_in_another_direction,
	{ LINK, 0, 4, DMA_TO_DEVICE }, { LINK, 4, 4, DMA_FROM_DEVICE },
	{ SYNC, 0, 8 },
	{ FOR_CPU, 0, 4, DMA_FROM_DEVICE, .errors = 1 },
	{ FOR_DEVICE, 0, 4, DMA_BIDIRECTIONAL, .errors = 1 },
	{ FOR_CPU, 4, 4, DMA_TO_DEVICE, .errors = 1 },
	{ FOR_DEVICE, 2, 4, DMA_FROM_DEVICE, .errors = 1 },
	{ UNLINK, 0, 4, DMA_TO_DEVICE }, { UNLINK, 4, 4, DMA_FROM_DEVICE })
TIDY(data_of_mmio,
	{ LINK, 0, 4, .attrs = DMA_ATTR_MMIO }, { LINK, 4, 4 }, { SYNC, 0, 8 },
	{ FOR_CPU, 4, 4 }, { FOR_CPU, 0, 4, .errors = 1 },
	{ FOR_DEVICE, 0, 8, .errors = 1 },
	{ UNLINK, 0, 4, .attrs = DMA_ATTR_MMIO }, { UNLINK, 4, 4 })

/* -- The reservation itself -- */

static const struct step link_four = { LINK, 0, 4 };
static const struct step sync_four = { SYNC, 0, 4 };
static const struct step unlink_four = { UNLINK, 0, 4 };

static void free_with_links(struct kunit *test)
{
	struct resv *r = begin(test, PAGES);
	struct dma_iova_state copy;

	take(test, r, &link_four, 0);
	take(test, r, &sync_four, 1);
	take(test, r, &unlink_four, 2);
	free_it(test, r, 0);

	reserve(test, r);
	take(test, r, &link_four, 3);
	take(test, r, &sync_four, 4);
	copy = r->state;
	kunit_warning_suppress(test)
		free_it(test, r, 1);
	r->state = copy;
	if (r->kind != ONE_TO_ONE)
		unmap_by_force(r);
}

/* So long that the allocator does not take the same range twice. */
#define LONG	256

static void freed_twice(struct kunit *test)
{
	struct resv *r = begin(test, LONG);

	free_it(test, r, 0);
	/* This one is counted, and the count would be wrong. */
	if (r->kind != TRY_ALLOC)
		kunit_skip(test, "the allocator would be upset");
	free_it(test, r, 1);
}

static void used_after_free(struct kunit *test)
{
	static const struct step link = { LINK, 0, 4, .errors = 1 };
	static const struct step sync = { SYNC, 0, 4, .errors = 1 };
	static const struct step unlink = { UNLINK, 0, 4, .errors = 1 };
	static const struct step cpu = { FOR_CPU, 0, 4, .errors = 1 };
	static const struct step device = { FOR_DEVICE, 0, 4, .errors = 1 };
	struct resv *r = begin(test, PAGES);

	free_it(test, r, 0);
	take(test, r, &link, 0);
	take(test, r, &sync, 1);
	take(test, r, &cpu, 2);
	take(test, r, &device, 3);
	take(test, r, &unlink, 4);
	fk(test)->mess = true;
}

/* As the network stack does it: what is unlinked is not where it was linked. */
static void state_is_copied(struct kunit *test)
{
	struct resv *r = begin(test, PAGES);
	struct dma_iova_state copy = r->state;

	take(test, r, &link_four, 0);
	take(test, r, &sync_four, 1);
	memset(&r->state, 0, sizeof(r->state));
	dma_iova_destroy(r->dev, &copy, 4 * PAGE_SIZE, DMA_BIDIRECTIONAL, 0);
	expect_errors(test, r, 0);
}

/* Two that are in the same place, and a mapping there as well. */
static void memory_is_shared(struct kunit *test)
{
	struct resv *r = begin(test, PAGES);
	struct resv other = *r;
	dma_addr_t addr;

	reserve(test, &other);
	addr = fk_map(test, r->fake, r->page);
	take(test, r, &link_four, 0);
	take(test, r, &sync_four, 1);
	take(test, &other, &link_four, 2);
	take(test, &other, &sync_four, 3);
	dma_sync_single_for_cpu(r->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	dma_sync_single_for_device(r->dev, addr, PAGE_SIZE, DMA_BIDIRECTIONAL);
	take(test, r, &unlink_four, 4);
	free_it(test, r, 0);
	fk_unmap(r->fake, addr);
	take(test, &other, &unlink_four, 5);
	free_it(test, &other, 0);
}

/* What is reserved counts when a device changes its space, together. */
static void left_in_another_space(struct kunit *test)
{
	struct resv *r = begin(test, PAGES);
	struct dma_space *space = create(test, r->fake, FIRST, LAST);

	if (r->kind != TRY_ALLOC) {
		/* This one keeps the device where it is. */
		KUNIT_EXPECT_EQ(test, dma_space_attach(space, r->dev), -EBUSY);
		free_it(test, r, 0);
		dma_space_put(space);
		return;
	}
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, r->dev));
	expect_errors(test, r, 1);
	dma_space_detach(r->dev);
	expect_errors(test, r, 1);
	free_it(test, r, 0);
	KUNIT_EXPECT_EQ(test, 0, dma_space_attach(space, r->dev));
	dma_space_detach(r->dev);
	expect_errors(test, r, 0);
	dma_space_put(space);
}

/* -- The dump -- */

#define DUMP_SIZE	SZ_256K

/* How many lines of the dump begin with @start and contain @what. */
static int dump_lines(struct kunit *test, struct resv *r, const char *start,
		      const char *what)
{
	struct file *file = dt_open(DMA_DEBUG_DIR "dump", O_RDONLY);
	char *buf = kvzalloc(DUMP_SIZE, GFP_KERNEL), *rest = buf, *line;
	size_t len = 0;
	loff_t pos = 0;
	ssize_t n;
	int lines = 0;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	while (len + PAGE_SIZE < DUMP_SIZE) {
		n = file->f_op->read(file, r->user, PAGE_SIZE, &pos);
		if (n <= 0 || copy_from_user(buf + len, r->user, n))
			break;
		len += n;
	}
	filp_close(file, NULL);
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, start) && strstr(line, what))
			lines++;
	kvfree(buf);
	return lines;
}

static void dump_has_them(struct kunit *test)
{
	struct resv *r = begin(test, PAGES);
	const char *name = dev_name(r->dev);
	char addr[40];

	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " reservation "), 1);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " one-to-one "),
			r->kind == ONE_TO_ONE);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " link "), 0);
	take(test, r, &link_four, 0);
	scnprintf(addr, sizeof(addr), " D=%llx L=%lx ",
		  (u64)dma_iova_addr(&r->state), 4 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, addr), 1);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " not synced"), 1);
	take(test, r, &sync_four, 1);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " link "), 1);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " not synced"), 0);
	take(test, r, &unlink_four, 2);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " link "), 0);
	free_it(test, r, 0);
	KUNIT_EXPECT_EQ(test, dump_lines(test, r, name, " "), 0);
}

static struct kunit_case fake_debug_cases[] = {
	KIND_CASE(union_of_links),
	KIND_CASE(attributes_that_may_differ),
	KIND_CASE(linked_twice),
	KIND_CASE(linked_over_the_start),
	KIND_CASE(linked_over_the_end),
	KIND_CASE(linked_inside),
	KIND_CASE(linked_around),
	KIND_CASE(unlink_the_start_of_a_link),
	KIND_CASE(unlink_the_end_of_a_link),
	KIND_CASE(unlink_inside_a_link),
	KIND_CASE(unlink_one_and_a_half),
	KIND_CASE(unlink_nothing),
	KIND_CASE(unlink_again),
	KIND_CASE(unlink_across_a_gap),
	KIND_CASE(unlink_too_early),
	KIND_CASE(unlink_too_much),
	KIND_CASE(unlink_with_another_direction),
	KIND_CASE(unlink_with_other_attributes),
	KIND_CASE(never_synced),
	KIND_CASE(undone_without_a_sync),
	KIND_CASE(undone_after_a_failed_link),
	KIND_CASE(undone_after_a_failed_sync),
	KIND_CASE(sync_nothing),
	KIND_CASE(sync_across_a_gap),
	KIND_CASE(sync_too_much),
	KIND_CASE(sync_a_part),
	KIND_CASE(data_of_a_part),
	KIND_CASE(data_of_nothing),
	KIND_CASE(data_in_another_direction),
	KIND_CASE(data_of_mmio),
	KIND_CASE(free_with_links),
	TRANSLATED_CASE(freed_twice),
	TRANSLATED_CASE(used_after_free),
	KIND_CASE(state_is_copied),
	KIND_CASE(memory_is_shared),
	TRANSLATED_CASE(left_in_another_space),
	KIND_CASE(dump_has_them),
	{}
};

#else /* no reservations */

static struct kunit_case fake_debug_cases[] = {
	KUNIT_CASE(no_reservations_here),
	{}
};

#endif

static struct kunit_suite fake_debug_suite = {
	.name = "fake_debug_test",
	.suite_init = count_only,
	.suite_exit = show_again,
	.init = fk_init,
	.exit = fk_exit,
	.test_cases = fake_debug_cases,
};

kunit_test_suite(fake_debug_suite);

MODULE_DESCRIPTION("What DMA debugging says of reservations");
MODULE_LICENSE("GPL");
