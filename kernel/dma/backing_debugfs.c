// SPDX-License-Identifier: GPL-2.0
/*
 * Backings and who maps them, in debugfs
 *
 * /sys/kernel/debug/dma_backing/ has, one record a line, each a word and then
 * key=value with the same keys in the same order:
 *
 *   spaces        address spaces that drivers made, and the devices that drivers
 *                 attached to them
 *   reservations  what dma_iova_reserve() has reserved in these spaces; elsewhere,
 *                 that is in default domains and one-to-one, only where a backing is
 *                 bound: nobody else keeps account of them
 *   backings      what they are made of, whose they are, and what that has cost. An
 *                 orphan is held by its mappers alone, and goes with the last
 *   mappers       who maps which part of which backing, and where
 *   check         compares that with the page tables (backing_check.c): a line for
 *                 each page that is not as it should be, and then their number
 *
 * "-" stands for a value that there is not. Later versions add keys at the end. A
 * backing, and a space, has a number that no other has until the next boot. There
 * are addresses in it, so only root can read it.
 *
 * Lifetime: a backing is listed from when it is complete until it is freed.
 *
 * Locking: dma_backings_lock protects the list, and keeps what is listed from being
 * freed. backing->lock and the locks of spaces nest in it. It nests in the mmap lock,
 * for munmap() can free a backing. A comparison takes the mmap lock, so it is made
 * without dma_backings_lock, with a reference on one backing at a time.
 *
 * Context: all of this sleeps.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/dma-space.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/xarray.h>

#include "backing.h"
#include "reserve.h"
#include "space.h"

static LIST_HEAD(dma_backings);
static DEFINE_MUTEX(dma_backings_lock);
/* Protected by dma_backings_lock */
static unsigned int dma_backings_last_id;

/* Lines of check for one mapper's pages are of no use beyond some. */
#define MISMATCH_LINES	64

static const char * const policy_name[] = {
	[DMA_CACHE_CACHED]		= "cached",
	[DMA_CACHE_WRITE_COMBINE]	= "write-combine",
	[DMA_CACHE_UNCACHED]		= "uncached",
};

static const char * const origin_name[] = {
	[DMA_BACKING_PAGES]		= "pages",
	[DMA_BACKING_NOALIAS]		= "noalias",
	[DMA_BACKING_CONTIGUOUS]	= "contiguous",
	[DMA_BACKING_WRAPPED]		= "wrapped",
	[DMA_BACKING_MMIO]		= "mmio",
	[DMA_BACKING_FOREIGN]		= "foreign",
};

static const char * const kind_name[] = {
	[DMA_MAPPER_SPACE]		= "space",
	[DMA_MAPPER_DIRECT]		= "direct",
	[DMA_MAPPER_FOREIGN]		= "foreign",
	[DMA_MAPPER_KERNEL]		= "kernel",
	[DMA_MAPPER_USER]		= "user",
};

static const char * const dir_name[] = {
	[DMA_BIDIRECTIONAL]		= "both",
	[DMA_TO_DEVICE]			= "to-device",
	[DMA_FROM_DEVICE]		= "from-device",
};

/* List a backing, which is complete. */
void dma_backing_list(struct dma_backing *backing)
{
	guard(mutex)(&dma_backings_lock);
	backing->id = ++dma_backings_last_id;
	list_add_tail(&backing->all, &dma_backings);
}

/* It is about to be freed; it may never have been listed. */
void dma_backing_unlist(struct dma_backing *backing)
{
	guard(mutex)(&dma_backings_lock);
	list_del_init(&backing->all);
}

static int spaces_show(struct seq_file *m, void *unused)
{
	struct dma_space *space = NULL;

	while ((space = dma_space_next(space)))
		dma_space_show(space, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(spaces);

struct reservations_walk {
	struct seq_file *m;
	unsigned int space;
	struct xarray seen;
};

static void show_reservation(struct seq_file *m, unsigned int space,
			     const char *dev, dma_addr_t addr, u64 len,
			     bool translated)
{
	seq_puts(m, "reservation space=");
	if (space)
		seq_printf(m, "%u", space);
	else
		seq_puts(m, "-");
	seq_printf(m, " dev=%s addr=", dev);
	if (addr == DMA_MAPPING_ERROR)
		seq_puts(m, "-");
	else
		seq_printf(m, "%#llx", (u64)addr);
	seq_printf(m, " len=%llu translated=%d\n", len, translated);
}

static void show_reserved_range(dma_addr_t addr, u64 len, void *data)
{
	struct reservations_walk *walk = data;

	show_reservation(walk->m, walk->space, "-", addr, len, true);
}

/* Those of a space with page tables have been shown. */
static int show_bound_reservation(const struct dma_mapper *mapper, void *data)
{
	const struct dma_binding *binding = dma_mapper_binding(mapper);
	struct reservations_walk *walk = data;
	unsigned int space;

	if (mapper->kind != DMA_MAPPER_SPACE && mapper->kind != DMA_MAPPER_DIRECT)
		return 0;
	/* A list of what is where it is: nothing is reserved for it */
	if (!binding->state)
		return 0;
	space = dma_space_id_of(binding->dev);
	if (space && binding->domain)
		return 0;
	/* Something else is bound in it as well */
	if (xa_insert(&walk->seen, (unsigned long)binding->state >> 2,
		      xa_mk_value(1), GFP_ATOMIC))
		return 0;
	show_reservation(walk->m, space, dev_name(binding->dev),
			 dma_iova_addr(binding->state),
			 dma_iova_size(binding->state), binding->domain);
	return 0;
}

static int reservations_show(struct seq_file *m, void *unused)
{
	struct reservations_walk walk = { .m = m };
	struct dma_space *space = NULL;
	struct dma_backing *backing;

	while ((space = dma_space_next(space))) {
		/* Nothing is reserved in a one-to-one space as such */
		if (!dma_space_domain(space))
			continue;
		walk.space = dma_space_id(space);
		iommu_dma_for_each_reservation(dma_space_domain(space),
					       show_reserved_range, &walk);
	}

	xa_init_flags(&walk.seen, XA_FLAGS_LOCK_IRQ);
	scoped_guard(mutex, &dma_backings_lock)
		list_for_each_entry(backing, &dma_backings, all)
			dma_backing_for_each_mapper(backing,
					show_bound_reservation, &walk);
	xa_destroy(&walk.seen);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reservations);

static void show_chunks(struct seq_file *m, const struct dma_backing *backing)
{
	const struct dma_chunk *chunk;
	unsigned int count[4] = {};

	for_each_dma_chunk(chunk, backing) {
		size_t len = dma_chunk_len(chunk);

		count[len >= SZ_2M ? 0 : len >= SZ_1M ? 1 :
		      len >= SZ_64K ? 2 : 3]++;
	}
	seq_printf(m, " chunks=%u from_2M=%u from_1M=%u from_64K=%u smaller=%u\n",
		   backing->nr_chunks, count[0], count[1], count[2], count[3]);
}

static void show_backing(struct seq_file *m, struct dma_backing *backing)
{
	const char *dev = backing->dev ? dev_name(backing->dev) : "-";
	unsigned int refs, mappers;

	guard(spinlock_irqsave)(&backing->lock);
	refs = kref_read(&backing->ref);
	mappers = list_count_nodes(&backing->devices) +
		  list_count_nodes(&backing->cpus);
	seq_printf(m, "backing id=%u size=%zu policy=%s origin=%s dev=%s refs=%u mappers=%u orphan=%d side=%s cpu_access=%u cleaned=%lu invalidated=%lu",
		   backing->id, backing->size, policy_name[backing->policy],
		   origin_name[backing->origin], dev, refs, mappers,
		   mappers && refs == mappers,
		   backing->device_side ? "devices" : "cpu",
		   backing->cpu_access, backing->cleaned, backing->invalidated);
	show_chunks(m, backing);
}

static int backings_show(struct seq_file *m, void *unused)
{
	struct dma_backing *backing;

	guard(mutex)(&dma_backings_lock);
	list_for_each_entry(backing, &dma_backings, all)
		show_backing(m, backing);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(backings);

static void show_device(struct seq_file *m, const struct dma_mapper *mapper)
{
	const struct dma_binding *binding = dma_mapper_binding(mapper);
	unsigned int space = dma_space_id_of(binding->dev);

	seq_printf(m, " dev=%s space=", dev_name(binding->dev));
	if (space)
		seq_printf(m, "%u", space);
	else
		seq_puts(m, "-");
	if (binding->addr == DMA_MAPPING_ERROR)
		seq_puts(m, " addr=-");
	else
		seq_printf(m, " addr=%#llx", (u64)binding->addr);
}

static int show_mapper(const struct dma_mapper *mapper, void *data)
{
	struct seq_file *m = data;

	seq_printf(m, "mapper backing=%u kind=%s", mapper->backing->id,
		   kind_name[mapper->kind]);
	if (dma_mapper_is_device(mapper))
		show_device(m, mapper);
	else
		seq_puts(m, " dev=- space=- addr=-");
	seq_printf(m, " offset=%zu len=%zu dir=%s coherent=%d live=%d\n",
		   mapper->offset, mapper->len, dir_name[mapper->dir],
		   mapper->coherent, mapper->live);
	return 0;
}

static int mappers_show(struct seq_file *m, void *unused)
{
	struct dma_backing *backing;

	guard(mutex)(&dma_backings_lock);
	list_for_each_entry(backing, &dma_backings, all)
		dma_backing_for_each_mapper(backing, show_mapper, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(mappers);

struct check_walk {
	struct seq_file *m;
	unsigned int lines;
};

static void show_mismatch(const struct dma_backing_mismatch *mismatch,
			  void *data)
{
	const struct dma_mapper *mapper = mismatch->mapper;
	struct check_walk *walk = data;

	if (walk->lines++ >= MISMATCH_LINES)
		return;
	seq_printf(walk->m, "mismatch backing=%u kind=%s dev=%s addr=%#llx offset=%zu expected=%#llx found=",
		   mapper->backing->id, kind_name[mapper->kind],
		   dma_mapper_is_device(mapper) ?
		   dev_name(dma_mapper_binding(mapper)->dev) : "-",
		   mismatch->addr, mismatch->offset, (u64)mismatch->expected);
	if (mismatch->found == DMA_BACKING_NOTHING)
		seq_puts(walk->m, "-\n");
	else
		seq_printf(walk->m, "%#llx\n", (u64)mismatch->found);
}

/*
 * Of all backings the one after @backing, or the first if that is NULL, with a
 * reference, so that it stays in the list. That on @backing is dropped.
 */
static struct dma_backing *next_backing(struct dma_backing *backing)
{
	struct dma_backing *next;

	scoped_guard(mutex, &dma_backings_lock) {
		next = list_prepare_entry(backing, &dma_backings, all);
		list_for_each_entry_continue(next, &dma_backings, all)
			if (kref_get_unless_zero(&next->ref))
				break;
		if (list_entry_is_head(next, &dma_backings, all))
			next = NULL;
	}
	/* It takes the lock if it is the last */
	dma_backing_put(backing);
	return next;
}

static int check_show(struct seq_file *m, void *unused)
{
	unsigned long wrong = 0, backings = 0;
	struct check_walk walk = { .m = m };
	struct dma_backing *backing = NULL;

	while ((backing = next_backing(backing))) {
		walk.lines = 0;
		wrong += dma_backing_check(backing, show_mismatch, &walk);
		backings++;
	}
	seq_printf(m, "checked backings=%lu mismatches=%lu\n", backings, wrong);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(check);

static int __init dma_backing_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("dma_backing", NULL);

	debugfs_create_file("spaces", 0400, dir, NULL, &spaces_fops);
	debugfs_create_file("reservations", 0400, dir, NULL,
			    &reservations_fops);
	debugfs_create_file("backings", 0400, dir, NULL, &backings_fops);
	debugfs_create_file("mappers", 0400, dir, NULL, &mappers_fops);
	debugfs_create_file("check", 0400, dir, NULL, &check_fops);
	return 0;
}
late_initcall(dma_backing_debugfs_init);
