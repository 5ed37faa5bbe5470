// SPDX-License-Identifier: GPL-2.0
/*
 * Whether devices take part in the coherency protocol of the CPUs
 *
 * That is for the architecture to say, and may depend on how many address spaces
 * map a backing: a buffer that one device alone uses need not be looked for in the
 * caches of others. Address spaces are those of IOMMUs, the one-to-one space, the
 * kernel mapping, and each mmap() of user space. What is not cached never takes
 * part.
 *
 * The answer is fixed when a backing is bound, and holds while the binding exists:
 * entries that a device may be using are not changed. If a further mapper wants
 * the others to take part from now on, the CPU has to own the backing, or that
 * mapper gets -EBUSY. If there is one less, nothing is done until something is
 * bound again.
 *
 * That sharing should follow from the number of mappers is an idea of Zach
 * Pfeffer's Virtual Contiguous Memory manager of 2010.
 *
 * Locking: all of this is called with backing->lock. It changes the page tables of
 * bindings that are live.
 *
 * Context: any.
 */
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#include <linux/bug.h>
#include <linux/dma-map-ops.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>

#include <asm/dma-mapping-common.h>

#include "backing.h"

/* Both are asked here and nowhere else, so that a test can answer instead. */
bool dma_backing_share(struct device *dev, unsigned int spaces)
{
	KUNIT_STATIC_STUB_REDIRECT(dma_backing_share, dev, spaces);
	return arch_dma_share(dev, spaces);
}
EXPORT_SYMBOL_IF_KUNIT(dma_backing_share);

unsigned int dma_backing_max_cpu_mappings(struct device *dev)
{
	KUNIT_STATIC_STUB_REDIRECT(dma_backing_max_cpu_mappings, dev);
	return arch_dma_max_cpu_mappings(dev);
}
EXPORT_SYMBOL_IF_KUNIT(dma_backing_max_cpu_mappings);

static bool same_space(const struct dma_mapper *a, const struct dma_mapper *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == DMA_MAPPER_DIRECT ||
	       (a->kind == DMA_MAPPER_SPACE &&
		dma_mapper_binding(a)->domain == dma_mapper_binding(b)->domain);
}

static struct dma_mapper *find_same_space(struct dma_backing *backing,
					  const struct dma_mapper *mapper)
{
	struct dma_mapper *other;

	list_for_each_entry(other, &backing->devices, list)
		if (same_space(other, mapper))
			return other;
	return NULL;
}

/* Of all mappers in one address space, one is counted. */
void dma_backing_count_space(struct dma_backing *backing,
			     struct dma_mapper *mapper)
{
	lockdep_assert_held(&backing->lock);

	mapper->counted = !dma_mapper_is_device(mapper) ||
			  !find_same_space(backing, mapper);
	backing->spaces += mapper->counted;
}

/* The mapper is off the list. */
void dma_backing_uncount_space(struct dma_backing *backing,
			       struct dma_mapper *mapper)
{
	struct dma_mapper *other = NULL;

	lockdep_assert_held(&backing->lock);

	if (!mapper->counted)
		return;
	if (dma_mapper_is_device(mapper))
		other = find_same_space(backing, mapper);
	if (other)
		other->counted = true;
	else
		backing->spaces--;
}

/* How many address spaces map the backing if @binding, or a CPU, does as well. */
unsigned int dma_backing_spaces_with(struct dma_backing *backing,
				     const struct dma_binding *binding)
{
	lockdep_assert_held(&backing->lock);

	if (binding && find_same_space(backing, &binding->mapper))
		return backing->spaces;
	return backing->spaces + 1;
}

static bool wants_other_bit(const struct dma_mapper *mapper,
			    unsigned int spaces)
{
	const struct dma_binding *binding = dma_mapper_binding(mapper);

	return mapper->kind == DMA_MAPPER_SPACE && !mapper->coherent &&
	       dma_backing_share(binding->dev, spaces);
}

/* Nobody uses it: the CPU owns the backing. */
static int make_coherent(struct dma_backing *backing,
			 struct dma_mapper *mapper)
{
	struct dma_binding *binding =
		container_of(mapper, struct dma_binding, mapper);
	int ret;

	iommu_dma_unbind_range(binding->domain, binding->addr, mapper->len);
	dma_backing_change_side(backing, mapper, true);
	ret = dma_binding_map(binding);
	if (!ret)
		return 0;

	dma_backing_change_side(backing, mapper, false);
	/* The page tables were there a moment ago. If they are not: no access */
	if (WARN_ON_ONCE(dma_binding_map(binding)))
		mapper->live = false;
	return ret;
}

/*
 * See to it that all that is mapped has the right coherency bit with @spaces that
 * map it. The other way round there is no need, and it waits for the next bind. If
 * there is no memory for a page table in the middle of it, those that have changed
 * stay as they are: that is right for them, too.
 */
int dma_backing_share_with(struct dma_backing *backing, unsigned int spaces)
{
	struct dma_mapper *mapper;
	int ret;

	lockdep_assert_held(&backing->lock);

	if (backing->policy != DMA_CACHE_CACHED)
		return 0;
	list_for_each_entry(mapper, &backing->devices, list)
		if (wants_other_bit(mapper, spaces) && !mapper->pending &&
		    (!mapper->live || !backing->cpu_access))
			return -EBUSY;
	list_for_each_entry(mapper, &backing->devices, list) {
		if (!wants_other_bit(mapper, spaces))
			continue;
		/* Of a batch that has not come to it */
		if (mapper->pending) {
			dma_backing_change_side(backing, mapper, true);
			continue;
		}
		ret = make_coherent(backing, mapper);
		if (ret)
			return ret;
	}
	return 0;
}

/* For a CPU mapping, each of which is an address space of its own. */
int dma_backing_can_add_space(struct dma_backing *backing)
{
	return dma_backing_share_with(backing,
				      dma_backing_spaces_with(backing, NULL));
}
