// SPDX-License-Identifier: GPL-2.0
/*
 * Backings of memory that somebody else maps
 *
 * Of such a backing nothing is known here but its size and who can be asked to map
 * it: struct dma_backing_ops. There are no chunks, and the caches are a matter of
 * whoever has the memory. Devices that are bound are on record, like those of any
 * other backing, so that driver code for one is code for both.
 *
 * Addresses are chosen by the others as well. So a binding has no reservation.
 *
 * Lifetime: what the operations work on stays until the backing's release. A
 * kernel mapping has a reference on the backing, as with others.
 *
 * Locking: backing->lock, for the record alone. No lock is held while an operation
 * is called; several of them can run at the same time.
 *
 * Context: unlike with other backings, binding, unbinding and CPU access may
 * sleep.
 */
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/dma-backing-ops.h>
#include <linux/export.h>
#include <linux/mm.h>

#include "backing.h"

/**
 * dma_backing_foreign - A backing of memory that somebody else maps
 * @ops: what can be done with it
 * @size: size in bytes, whole pages
 * @release: called when nobody has the backing and nobody maps it any more, in
 *	process context
 * @priv: for @ops and @release
 *
 * The module that owns @ops stays until @release has returned.
 *
 * Context: Process context. May sleep.
 * Return: The backing, with a reference for the caller. Or an ERR_PTR, and @release
 * is not called: -EINVAL if @size is 0 or not whole pages; -ENODEV if the module is
 * being removed; -ENOMEM.
 */
struct dma_backing *dma_backing_foreign(const struct dma_backing_ops *ops,
		size_t size, void (*release)(void *priv), void *priv)
{
	struct dma_backing *backing;
	int ret;

	if (!size || !PAGE_ALIGNED(size))
		return ERR_PTR(-EINVAL);

	backing = dma_backing_new(NULL, size, 0);
	if (!backing)
		return ERR_PTR(-ENOMEM);

	backing->origin = DMA_BACKING_FOREIGN;
	backing->ops = ops;
	ret = dma_backing_set_release(backing, release, priv, ops->owner);
	if (ret) {
		dma_backing_put(backing);
		return ERR_PTR(ret);
	}
	dma_backing_list(backing);
	return backing;
}
EXPORT_SYMBOL_GPL(dma_backing_foreign);

/**
 * dma_backing_is_foreign - Whether somebody else maps the memory
 * @backing: the backing
 *
 * Context: Any context.
 * Return: %true if it was made by dma_backing_foreign()
 */
bool dma_backing_is_foreign(const struct dma_backing *backing)
{
	return backing->ops;
}
EXPORT_SYMBOL_GPL(dma_backing_is_foreign);

int foreign_bind(struct device *dev, struct dma_binding *binding,
		 struct dma_backing *backing, size_t boff, size_t len,
		 enum dma_data_direction dir, unsigned long attrs)
{
	struct dma_binding new = {
		.mapper = {
			.offset	= boff,
			.len	= len,
			.kind	= DMA_MAPPER_FOREIGN,
			.dir	= dir,
			/* Caches are none of our business, so no sides */
			.coherent = true,
		},
		.dev	= dev,
		.addr	= DMA_MAPPING_ERROR,
	};
	int ret;

	might_sleep();
	if (WARN_ON_ONCE(binding->mapper.backing))
		return -EBUSY;
	if (WARN_ON_ONCE(!valid_dma_direction(dir) ||
			 !dma_backing_covers(backing, boff, len) ||
			 !PAGE_ALIGNED(boff | len)))
		return -EINVAL;
	/* There is nobody to pass them on to */
	if (attrs)
		return -EOPNOTSUPP;

	ret = backing->ops->bind(backing->release_priv, &new);
	if (ret)
		return ret;

	*binding = new;
	guard(spinlock_irqsave)(&backing->lock);
	binding->mapper.live = true;
	dma_backing_add_mapper(backing, &binding->mapper);
	return 0;
}

void foreign_unbind(struct dma_binding *binding)
{
	struct dma_backing *backing = binding->mapper.backing;

	might_sleep();
	/* The address is nobody's from here on */
	scoped_guard(spinlock_irqsave, &backing->lock)
		binding->mapper.live = false;
	backing->ops->unbind(backing->release_priv, binding);
	scoped_guard(spinlock_irqsave, &backing->lock)
		dma_backing_del_mapper(backing, &binding->mapper);
	/* Its release may take locks that the caller has */
	dma_backing_put_atomic(backing);
}

void *foreign_vmap(struct dma_backing *backing, unsigned long attrs)
{
	void *vaddr;

	/* The policy is not known */
	if (attrs)
		return ERR_PTR(-EOPNOTSUPP);

	vaddr = backing->ops->vmap(backing->release_priv);
	if (!IS_ERR(vaddr))
		dma_backing_get(backing);
	return vaddr;
}

void foreign_vunmap(struct dma_backing *backing)
{
	backing->ops->vunmap(backing->release_priv);
	dma_backing_put(backing);
}

int foreign_mmap(struct dma_backing *backing, struct vm_area_struct *vma,
		 unsigned long attrs)
{
	unsigned long count = backing->size >> PAGE_SHIFT;

	if (attrs)
		return -EOPNOTSUPP;
	if (vma->vm_pgoff >= count || vma_pages(vma) > count - vma->vm_pgoff)
		return -ENXIO;
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	return backing->ops->mmap(backing->release_priv, vma);
}
