// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA mappings that drivers for 32-bit ARM attach to their devices
 *
 * A mapping is a DMA space, kernel/dma/space.c, under the names that drivers
 * know. What a device does in it is the business of the common IOMMU DMA code,
 * as in its default domain.
 *
 * Lifetime: a mapping is freed with its last reference, which arm_iommu_
 * release_mapping() drops. An attached device has one as well. A device that its
 * driver leaves attached is detached from the space by devres, and from the
 * mapping when the driver core tears the DMA configuration down, after that, or
 * when it is attached again.
 *
 * Everything here may sleep. dev->archdata.mapping is for the one who attaches
 * and detaches the device.
 */
#include <linux/device.h>
#include <linux/dma-space.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/overflow.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <asm/dma-iommu.h>

#include "dma.h"

/**
 * arm_iommu_create_mapping - Create a mapping for devices behind an IOMMU
 * @dev: a device that is going to use it
 * @base: first address to hand out
 * @size: size of the range, in bytes, at most 4 GiB
 *
 * A range that goes beyond the last address ends there.
 *
 * Context: Process context. May sleep.
 * Return: The mapping, which arm_iommu_release_mapping() releases, or an
 * ERR_PTR: -ENODEV if @dev is not behind an IOMMU, -ERANGE if @size is above 4
 * GiB, and those of dma_space_create().
 */
struct dma_iommu_mapping *
arm_iommu_create_mapping(struct device *dev, dma_addr_t base, u64 size)
{
	struct dma_iommu_mapping *mapping;
	dma_addr_t last;

	if (!device_iommu_mapped(dev))
		return ERR_PTR(-ENODEV);
	if (!size)
		return ERR_PTR(-EINVAL);
	if (size > SZ_4G)
		return ERR_PTR(-ERANGE);
	if (check_add_overflow(base, size - 1, &last))
		last = ~(dma_addr_t)0;

	mapping = kzalloc_obj(*mapping);
	if (!mapping)
		return ERR_PTR(-ENOMEM);

	mapping->space = dma_space_create(dev, base, last);
	if (IS_ERR(mapping->space)) {
		void *err = mapping->space;

		kfree(mapping);
		return err;
	}
	mapping->domain = dma_space_domain(mapping->space);
	kref_init(&mapping->kref);
	return mapping;
}
EXPORT_SYMBOL_GPL(arm_iommu_create_mapping);

static void release_iommu_mapping(struct kref *kref)
{
	struct dma_iommu_mapping *mapping =
		container_of(kref, struct dma_iommu_mapping, kref);

	dma_space_put(mapping->space);
	kfree(mapping);
}

/**
 * arm_iommu_release_mapping - Drop the creator's reference on a mapping
 * @mapping: the mapping, or NULL
 *
 * It is freed when no device is attached to it any more.
 *
 * Context: Process context. May sleep.
 */
void arm_iommu_release_mapping(struct dma_iommu_mapping *mapping)
{
	if (mapping)
		kref_put(&mapping->kref, release_iommu_mapping);
}
EXPORT_SYMBOL_GPL(arm_iommu_release_mapping);

/*
 * If a driver goes, or a component of it does not get ready, and leaves the
 * device attached, then devres takes it out of the space, and says so. What the
 * mapping knows of it has to go, too: before the next driver comes, or the same
 * one tries again.
 */
void arm_iommu_forget_mapping(struct device *dev)
{
	struct dma_iommu_mapping *mapping = to_dma_iommu_mapping(dev);

	if (!mapping || (dev->iommu && dev->iommu->dma_space == mapping->space))
		return;

	to_dma_iommu_mapping(dev) = NULL;
	arm_iommu_release_mapping(mapping);
}

/**
 * arm_iommu_attach_device - Attach a device to a mapping
 * @dev: the device
 * @mapping: the mapping, or NULL for the default domain
 *
 * In the mapping, the DMA API works for @dev as it does in its default domain.
 * More than one device can be attached to a mapping. Without a mapping, the
 * device goes back to its default domain if it is attached to one.
 *
 * Context: Process context. May sleep.
 * Return: 0 or an error, after which nothing has changed; see
 * dma_space_attach().
 */
int arm_iommu_attach_device(struct device *dev,
			    struct dma_iommu_mapping *mapping)
{
	int ret;

	arm_iommu_forget_mapping(dev);
	if (!mapping) {
		if (to_dma_iommu_mapping(dev))
			arm_iommu_detach_device(dev);
		return 0;
	}

	ret = dma_space_attach(mapping->space, dev);
	if (ret)
		return ret;

	kref_get(&mapping->kref);
	to_dma_iommu_mapping(dev) = mapping;
	return 0;
}
EXPORT_SYMBOL_GPL(arm_iommu_attach_device);

/**
 * arm_iommu_detach_device - Detach a device from its mapping
 * @dev: the device
 *
 * Leaves it in its default domain. The driver has freed and unmapped what it
 * had in the mapping.
 *
 * Context: Process context. May sleep.
 */
void arm_iommu_detach_device(struct device *dev)
{
	struct dma_iommu_mapping *mapping;

	arm_iommu_forget_mapping(dev);
	mapping = to_dma_iommu_mapping(dev);
	if (!mapping) {
		dev_warn(dev, "Not attached\n");
		return;
	}

	to_dma_iommu_mapping(dev) = NULL;
	dma_space_detach(dev);
	arm_iommu_release_mapping(mapping);
}
EXPORT_SYMBOL_GPL(arm_iommu_detach_device);
