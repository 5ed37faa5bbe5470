// SPDX-License-Identifier: GPL-2.0
/*
 * DMA address spaces that devices share
 *
 * A space is a range of DMA addresses. A device that is attached to it gets its
 * addresses from there, whatever it calls: dma_map_*(), dma_alloc_*() or
 * dma_iova_*(). Several devices can be attached to one space, and see what is
 * mapped in it at the same addresses. A device that is attached to none is in a
 * space of its own: the default domain of its IOMMU group.
 *
 * Behind an IOMMU a space is a domain with the allocator of dma-iommu. Groups,
 * ownership and domains are dealt with in drivers/iommu/iommu.c, which knows
 * nothing of spaces. What a device without an IOMMU is attached to is a
 * one-to-one space: there is nothing to switch, its addresses are those of the
 * bus. So that one driver serves both, attaching it follows the same rules.
 *
 * Lifetime: a space is freed with its last reference. The one who created it
 * has one, and each attached device. A driver detaches its device before it
 * unbinds. If it does not, devres detaches it, and complains: only after remove()
 * is it certain that the driver forgot, and only devres knows which managed
 * memory was allocated in the space, and has to be freed there. A device that
 * the IOMMU driver attached, with no driver bound, stays attached for good.
 *
 * Locking: space->lock serialises attaching to one space, and changes of who is
 * told of faults. The mutex of an IOMMU group nests in it. All else in struct
 * dma_space is immutable. All calls here may sleep. Detaching cannot fail.
 *
 * Limits: addresses are those that an unsigned long can hold, for that is what
 * iommu_map() takes. On a 32-bit kernel an end beyond is clamped.
 */
#include <linux/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-space.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu-dma.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/msi.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/swiotlb.h>

#include "debug.h"
#include "space.h"

/**
 * struct dma_space - a range of DMA addresses
 * @list: entry in dma_spaces
 * @id: its number, which no other has until the next boot
 * @ref: the creator's reference and one for each attached device
 * @lock: serialises attaching, and protects the last two
 * @domain: what translates, NULL in a one-to-one space
 * @first: first address
 * @last: last address
 * @coherent: whether the devices in it snoop the CPU's caches
 * @fault_handler: who is told of faults, or NULL
 * @fault_data: what it is given
 *
 * A fault reads the last two without the lock: they do not change as long as the
 * domain has dma_space_fault().
 */
struct dma_space {
	struct list_head list;
	unsigned int id;
	struct kref ref;
	struct mutex lock;
	struct iommu_domain *domain;
	dma_addr_t first;
	dma_addr_t last;
	bool coherent;
	dma_fault_fn fault_handler;
	void *fault_data;
};

/**
 * struct dma_space_guard - what devres keeps for a device with a driver
 * @list: entry in dma_space_guards, unless the device is detached
 * @dev: the device; immutable
 * @space: what it is attached to; immutable
 *
 * When devres releases all it has, it takes everything off the device first. A
 * driver whose own devres action detaches the device is called in the middle of
 * that, and devres_find() knows of nothing any more. So the guards are on a list
 * of our own, and the one of a device that is detached by then does nothing.
 */
struct dma_space_guard {
	struct list_head list;
	struct device *dev;
	struct dma_space *space;
};

static LIST_HEAD(dma_space_guards);
/* All there are, by number. */
static LIST_HEAD(dma_spaces);
static unsigned int dma_spaces_last_id;
/*
 * Protects dma_space_guards, and whether a guard is on it, dma_spaces and
 * dma_spaces_last_id. Innermost.
 */
static DEFINE_SPINLOCK(dma_space_guards_lock);

/* Whether the common code maps for @dev, and nobody in between. */
static int dma_space_check_dev(struct device *dev)
{
	/* Xen, or a bus that translates */
	if (get_dma_ops(dev))
		return -EOPNOTSUPP;
	/* All that a device with a restricted pool may see is that pool */
	if (is_swiotlb_for_alloc(dev))
		return -EOPNOTSUPP;
	/* What bounces is not one-to-one */
	if (!device_iommu_mapped(dev) && is_swiotlb_force_bounce(dev))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * dma_space_create - Create a space of DMA addresses
 * @dev: a device that is going to use it
 * @first: first address
 * @last: last address, included
 *
 * @dev tells which IOMMU translates, and is not attached by this. If it has
 * none, the space is one-to-one, and the range is for calls that reserve
 * addresses; what dma_map_*() returns is up to the place of the memory.
 *
 * Address 0 is never handed out, and neither is an IOMMU page that is only
 * partly in the range.
 *
 * The idea is that of the regions of Zach Pfeffer's Virtual Contiguous Memory
 * manager of 2010.
 *
 * Context: Process context. May sleep.
 * Return: The space, with a reference for the caller, which dma_space_put()
 * drops. Or an ERR_PTR:
 *
 * * -EINVAL: @first is above @last, or no page of the IOMMU fits in what is left
 *   of the range by the IOMMU's aperture, or its pages are larger than the CPU's.
 * * -ERANGE: @first is beyond what a 32-bit kernel can map.
 * * -EOPNOTSUPP: the DMA operations of @dev are not the common ones, @dev has to
 *   bounce, or its IOMMU driver has no domains to offer.
 * * -ENODEV: @dev has an IOMMU group, but no IOMMU driver.
 * * -ENOMEM: no memory.
 * * What else the IOMMU driver returns.
 */
struct dma_space *dma_space_create(struct device *dev, dma_addr_t first,
				   dma_addr_t last)
{
	struct dma_space *space;
	int ret;

	ret = dma_space_check_dev(dev);
	if (ret)
		return ERR_PTR(ret);
	if (first > last)
		return ERR_PTR(-EINVAL);
	if (first > ULONG_MAX)
		return ERR_PTR(-ERANGE);

	space = kzalloc_obj(*space);
	if (!space)
		return ERR_PTR(-ENOMEM);

	if (device_iommu_mapped(dev)) {
		space->domain = iommu_dma_domain_alloc(dev, first, last);
		if (IS_ERR(space->domain)) {
			ret = PTR_ERR(space->domain);
			kfree(space);
			return ERR_PTR(ret);
		}
	}
	kref_init(&space->ref);
	mutex_init(&space->lock);
	space->first = first;
	space->last = last;
	space->coherent = dev_is_dma_coherent(dev);

	scoped_guard(spinlock_irqsave, &dma_space_guards_lock) {
		space->id = ++dma_spaces_last_id;
		list_add_tail(&space->list, &dma_spaces);
	}
	return space;
}
EXPORT_SYMBOL_GPL(dma_space_create);

static void dma_space_release(struct kref *ref)
{
	struct dma_space *space = container_of(ref, struct dma_space, ref);

	scoped_guard(spinlock_irqsave, &dma_space_guards_lock)
		list_del(&space->list);
	if (space->domain) {
		/* The domain can be somebody's for longer */
		if (space->fault_handler)
			iommu_dma_set_fault_handler(space->domain, NULL, NULL);
		iommu_dma_domain_put(space->domain);
	}
	mutex_destroy(&space->lock);
	kfree(space);
}

/**
 * dma_space_get - Take a reference on a space
 * @space: the space
 *
 * Context: Any context.
 * Return: @space
 */
struct dma_space *dma_space_get(struct dma_space *space)
{
	kref_get(&space->ref);
	return space;
}
EXPORT_SYMBOL_GPL(dma_space_get);

/**
 * dma_space_put - Drop a reference on a space
 * @space: the space, or NULL
 *
 * A space that a device is attached to is not freed before that is detached, or
 * gone. Who keeps a reference without an attached device has to drop it before
 * the IOMMU driver can be unloaded.
 *
 * Context: Process context. May sleep.
 */
void dma_space_put(struct dma_space *space)
{
	if (space)
		kref_put(&space->ref, dma_space_release);
}
EXPORT_SYMBOL_GPL(dma_space_put);

/**
 * dma_space_domain - The IOMMU domain of a space
 * @space: the space
 *
 * For IOMMU drivers and architectures. A driver has no business there: what it
 * maps with iommu_map() is not known to the allocator of the space.
 *
 * Return: the domain, or NULL if the space is one-to-one.
 */
struct iommu_domain *dma_space_domain(struct dma_space *space)
{
	return space->domain;
}
EXPORT_SYMBOL_GPL(dma_space_domain);

/* A doorbell that is mapped in the old domain is not there in the new one. */
static bool dev_has_msi(struct device *dev)
{
#ifdef CONFIG_GENERIC_MSI_IRQ
	if (dev->msi.data) {
		guard(msi_descs_lock)(dev);
		return msi_first_desc(dev, MSI_DESC_ASSOCIATED);
	}
#endif
	return false;
}

#ifdef CONFIG_IOMMU_DMA
static void dev_set_dma_space(struct device *dev, struct dma_space *space)
{
	dev->iommu->dma_space = space;
}

static struct dma_space *dev_get_dma_space(struct device *dev)
{
	return dev->iommu ? dev->iommu->dma_space : NULL;
}
#else
static void dev_set_dma_space(struct device *dev, struct dma_space *space)
{
}

static struct dma_space *dev_get_dma_space(struct device *dev)
{
	return NULL;
}
#endif

static void dma_space_leave(struct dma_space *space, struct device *dev)
{
	debug_dma_change_space(dev, "detached from a DMA space");
	if (space->domain) {
		if (dev_has_msi(dev))
			dev_WARN(dev, "has MSI vectors in a DMA space it leaves\n");
		dev_set_dma_space(dev, NULL);
		iommu_dma_domain_detach(space->domain, dev);
	}
	dma_space_put(space);
}

static void dma_space_guard_release(struct device *dev, void *res)
{
	struct dma_space_guard *guard = res;

	scoped_guard(spinlock_irqsave, &dma_space_guards_lock) {
		/* Detached by a devres action of the driver */
		if (list_empty(&guard->list))
			return;
		list_del_init(&guard->list);
	}
	dev_WARN(dev, "left attached to a DMA space\n");
	dma_space_leave(guard->space, dev);
}

static struct dma_space_guard *dma_space_guard_find(struct device *dev)
{
	struct dma_space_guard *guard;

	lockdep_assert_held(&dma_space_guards_lock);

	list_for_each_entry(guard, &dma_space_guards, list)
		if (guard->dev == dev)
			return guard;
	return NULL;
}

static bool dma_space_has_guard(struct device *dev)
{
	guard(spinlock_irqsave)(&dma_space_guards_lock);
	return dma_space_guard_find(dev);
}

/*
 * Narrow a window by the range of the one-to-one space that @dev is attached to,
 * if it is. What is translated, the allocator of the domain keeps in its range.
 */
void dma_space_direct_window(struct device *dev, dma_addr_t *first,
			     dma_addr_t *last)
{
	struct dma_space_guard *found;

	guard(spinlock_irqsave)(&dma_space_guards_lock);
	found = dma_space_guard_find(dev);
	if (found && !found->space->domain) {
		*first = max(*first, found->space->first);
		*last = min(*last, found->space->last);
	}
}

/* The device is not behind an IOMMU any more, driver or not. */
void dma_space_iommu_gone(struct device *dev)
{
	struct dma_space *space = dev_get_dma_space(dev);
	struct dma_space_guard *guard;

	if (!space)
		return;

	scoped_guard(spinlock_irqsave, &dma_space_guards_lock) {
		guard = dma_space_guard_find(dev);
		if (guard)
			list_del_init(&guard->list);
	}
	dev_set_dma_space(dev, NULL);
	dma_space_put(space);
}

static void dma_space_guard_add(struct dma_space_guard *guard)
{
	scoped_guard(spinlock_irqsave, &dma_space_guards_lock)
		list_add(&guard->list, &dma_space_guards);
	devres_add(guard->dev, guard);
}

/* The space that @dev has a guard for, which has no effect any more. */
static struct dma_space *dma_space_guard_del(struct device *dev)
{
	struct dma_space_guard *guard;
	struct dma_space *space;

	scoped_guard(spinlock_irqsave, &dma_space_guards_lock) {
		guard = dma_space_guard_find(dev);
		if (!guard)
			return NULL;
		list_del_init(&guard->list);
		space = guard->space;
	}
	/* Not found if devres is about to free it itself */
	devres_destroy(dev, dma_space_guard_release, NULL, NULL);
	return space;
}

static int __dma_space_attach(struct dma_space *space, struct device *dev,
			      struct dma_space_guard *guard)
{
	int ret;

	/* Only a driver knows when a device that stays where it is leaves */
	if (!space->domain)
		return guard ? 0 : -EINVAL;

	ret = iommu_dma_domain_attach(space->domain, dev);
	if (!ret)
		dev_set_dma_space(dev, space);
	return ret;
}

/**
 * dma_space_attach - Attach a device to a space
 * @space: the space
 * @dev: the device
 *
 * From now on @dev gets its addresses from @space, and can use all that is
 * mapped there. It must have nothing mapped when this is called: DMA debugging
 * tells. Its driver has set the DMA mask before: what dma_iova_reserve() returns for
 * any device in the space is in reach of all that ever were attached.
 *
 * Devices of one IOMMU group cannot be told apart, so the group enters the space
 * as a whole. Memory that firmware wants mapped one-to-one for the device, its
 * reserved regions and the windows of its PCI host bridge become part of the
 * space; they stay so after it is detached.
 *
 * It takes a reference on the space. A driver has to call dma_space_detach()
 * before it unbinds.
 *
 * Context: Process context. May sleep.
 * Return: 0, or an error, and then nothing has changed for the device:
 *
 * * -EBUSY: the device is attached to a space already; its group is in another
 *   one, or in a domain that a driver or user space manages; another device of
 *   the group has a driver that did not ask for this space; the device has MSI
 *   vectors; a device of the group is being reset, or has reserved addresses; a
 *   reserved region of the device overlaps what others have mapped; one of their
 *   reservations is where the device cannot reach.
 * * -EINVAL: the IOMMU of the device cannot share the domain; the device is
 *   coherent and the others are not, or the reverse; one-to-one and translated
 *   do not fit; there is no driver and no IOMMU; the windows of the device's PCI
 *   host bridge overlap.
 * * -EOPNOTSUPP: as for dma_space_create(), or a device of the group is not
 *   trusted and unmapping in the space is lazy.
 * * -EPROBE_DEFER: the IOMMU driver is not ready with the group yet.
 * * -ENOMEM: no memory.
 * * -EFAULT: the device reaches no address of the space, or what is reserved for
 *   it would leave none.
 * * What else the IOMMU driver returns.
 */
int dma_space_attach(struct dma_space *space, struct device *dev)
{
	struct dma_space_guard *guard = NULL;
	int ret;

	ret = dma_space_check_dev(dev);
	if (ret)
		return ret;
	if (!space->domain != !device_iommu_mapped(dev) ||
	    space->coherent != dev_is_dma_coherent(dev))
		return -EINVAL;
	if (dma_space_has_guard(dev) || dev_has_msi(dev))
		return -EBUSY;

	if (dev->driver) {
		guard = devres_alloc(dma_space_guard_release, sizeof(*guard),
				     GFP_KERNEL);
		if (!guard)
			return -ENOMEM;
		INIT_LIST_HEAD(&guard->list);
		guard->dev = dev;
		guard->space = space;
	}

	mutex_lock(&space->lock);
	ret = __dma_space_attach(space, dev, guard);
	mutex_unlock(&space->lock);
	if (ret) {
		devres_free(guard);
		return ret;
	}

	debug_dma_change_space(dev, "attached to a DMA space");
	dma_space_get(space);
	if (guard)
		dma_space_guard_add(guard);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_space_attach);

/**
 * dma_space_detach - Detach a device from the space it is attached to
 * @dev: the device
 *
 * The device goes back to its default domain. If another device of its IOMMU
 * group is still attached, or has a driver that was bound since the group
 * entered the space, the group stays in the space, until the last of them is
 * detached, or somebody needs the group elsewhere.
 *
 * The caller must have unmapped and freed all that @dev used, and released its
 * MSI vectors. What other devices have mapped stays.
 *
 * Context: Process context. May sleep.
 */
void dma_space_detach(struct device *dev)
{
	struct dma_space *space = dma_space_guard_del(dev);

	if (!space)
		space = dev_get_dma_space(dev);
	if (WARN_ON_ONCE(!space))
		return;

	dma_space_leave(space, dev);
}
EXPORT_SYMBOL_GPL(dma_space_detach);

static int dma_space_fault(struct iommu_domain *domain, struct device *dev,
			   unsigned long iova, int flags, void *token)
{
	struct dma_space *space = token;

	return space->fault_handler(space, dev, iova, flags, space->fault_data);
}

/**
 * dma_space_set_fault_handler - Be told when a device touches what is not mapped
 * @space: the space, which an IOMMU translates
 * @handler: who is told, or NULL: nobody any more
 * @data: what @handler is given
 *
 * @handler gets the space, the device, the address, flags and @data. The device is
 * NULL if the IOMMU driver does not know which it is, or is not the one that did
 * it: some name the IOMMU, or one device for all in the domain. The flags are
 * IOMMU_FAULT_WRITE if the driver knows that it was a write; nothing else in them
 * means anything, for many do not tell.
 *
 * It is called in atomic context, mostly in that of an interrupt, and can be called
 * by several CPUs at once, for one page as well. It can bind what the device wants
 * with dma_iova_bind() in a reservation that was made before, so that memory is
 * mapped when it is first used. Not with exynos-iommu, sun50i-iommu and vsi-iommu,
 * which call it with a lock that mapping needs, nor with omap-iommu, whose mapping
 * is not for interrupts.
 *
 * It returns 0 if it has dealt with the fault, and -ENOSYS if it wants what happens
 * without a handler. The IOMMU driver makes of it what it can. Most say nothing about
 * the fault after 0, but the access has failed, and the driver of the device makes it
 * repeat that. Where the device is held back, exynos-iommu lets it go on after 0, and
 * panics after all else, as it does without a handler; arm-smmu lets it go on after
 * -EAGAIN.
 *
 * Only IOMMU drivers that call report_iommu_fault() have something to tell. Page
 * requests of PCI devices do not come here.
 *
 * When this returns after @handler was NULL, nobody is being told any more. A
 * driver does so before it frees what the handler uses, or unloads its code. The
 * last reference on the space does so as well.
 *
 * Context: Process context. May sleep. Not in @handler.
 * Return: 0, or
 *
 * * -EOPNOTSUPP: the space is one-to-one, nothing there stops a device.
 * * -EBUSY: somebody else is told.
 */
int dma_space_set_fault_handler(struct dma_space *space, dma_fault_fn handler,
				void *data)
{
	if (!space->domain)
		return -EOPNOTSUPP;

	guard(mutex)(&space->lock);
	if (!handler) {
		iommu_dma_set_fault_handler(space->domain, NULL, NULL);
		space->fault_handler = NULL;
		return 0;
	}
	if (space->fault_handler)
		return -EBUSY;
	space->fault_handler = handler;
	space->fault_data = data;
	iommu_dma_set_fault_handler(space->domain, dma_space_fault, space);
	return 0;
}
EXPORT_SYMBOL_GPL(dma_space_set_fault_handler);

#if defined(CONFIG_DMA_BACKING) && defined(CONFIG_DEBUG_FS)
/*
 * Of all spaces the one after @space, or the first if that is NULL, with a
 * reference. That on @space is dropped.
 */
struct dma_space *dma_space_next(struct dma_space *space)
{
	unsigned int id = space ? space->id : 0;
	struct dma_space *next;

	dma_space_put(space);
	guard(spinlock_irqsave)(&dma_space_guards_lock);
	list_for_each_entry(next, &dma_spaces, list)
		if (next->id > id && kref_get_unless_zero(&next->ref))
			return next;
	return NULL;
}

unsigned int dma_space_id(const struct dma_space *space)
{
	return space->id;
}

/* The number of the space that @dev is attached to, 0 if it is to none. */
unsigned int dma_space_id_of(struct device *dev)
{
	struct dma_space_guard *found;
	struct dma_space *space;

	guard(spinlock_irqsave)(&dma_space_guards_lock);
	found = dma_space_guard_find(dev);
	/* What a device points to is freed with this lock, and after that */
	space = found ? found->space : dev_get_dma_space(dev);
	return space ? space->id : 0;
}

/* One line, with the devices that have a driver. The caller has a reference, too. */
void dma_space_show(struct dma_space *space, struct seq_file *m)
{
	struct dma_space_guard *guard;
	const char *comma = "";

	seq_printf(m, "space id=%u first=%#llx last=%#llx translated=%d coherent=%d refs=%u devices=",
		   space->id, (u64)space->first, (u64)space->last,
		   !!space->domain, space->coherent, kref_read(&space->ref) - 1);
	guard(spinlock_irqsave)(&dma_space_guards_lock);
	list_for_each_entry(guard, &dma_space_guards, list) {
		if (guard->space != space)
			continue;
		seq_printf(m, "%s%s", comma, dev_name(guard->dev));
		comma = ",";
	}
	seq_puts(m, *comma ? "\n" : "-\n");
}
#endif
