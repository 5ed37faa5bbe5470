// SPDX-License-Identifier: GPL-2.0
/*
 * Attaches every PCI device behind an IOMMU that has no driver to a mapping of
 * arm_iommu_create_mapping(), as some IOMMU drivers do it: drivers that are
 * bound afterwards run in it unchanged.
 *
 * One mapping is for all, or each device has its own with shared=0. They stay
 * until the module goes; what has a driver then is left as it is.
 */

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include <asm/dma-iommu.h>

static bool shared = true;
module_param(shared, bool, 0444);
MODULE_PARM_DESC(shared, "one mapping for all devices");

static struct dma_iommu_mapping *common;

static struct dma_iommu_mapping *mapping_for(struct pci_dev *pdev)
{
	struct dma_iommu_mapping *mapping;

	if (common)
		return common;
	mapping = arm_iommu_create_mapping(&pdev->dev, SZ_64M, SZ_1G);
	if (shared && !IS_ERR(mapping))
		common = mapping;
	return mapping;
}

static int attach_one(struct pci_dev *pdev)
{
	struct dma_iommu_mapping *mapping;
	int ret = 0;

	device_lock(&pdev->dev);
	if (pdev->dev.driver || !device_iommu_mapped(&pdev->dev))
		goto out;
	mapping = mapping_for(pdev);
	if (IS_ERR(mapping)) {
		ret = PTR_ERR(mapping);
		goto out;
	}
	ret = arm_iommu_attach_device(&pdev->dev, mapping);
	if (mapping != common)
		arm_iommu_release_mapping(mapping);
	if (!ret)
		pci_info(pdev, "attached to a mapping\n");
out:
	device_unlock(&pdev->dev);
	return ret;
}

static void detach_all(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		device_lock(&pdev->dev);
		if (!pdev->dev.driver && to_dma_iommu_mapping(&pdev->dev))
			arm_iommu_detach_device(&pdev->dev);
		device_unlock(&pdev->dev);
	}
	arm_iommu_release_mapping(common);
}

static int __init attach_all_init(void)
{
	struct pci_dev *pdev = NULL;

	for_each_pci_dev(pdev) {
		int ret = attach_one(pdev);

		if (ret) {
			pci_err(pdev, "not attached to a mapping: %d\n", ret);
			pci_dev_put(pdev);
			detach_all();
			return ret;
		}
	}
	return 0;
}

static void __exit attach_all_exit(void)
{
	detach_all();
}

module_init(attach_all_init);
module_exit(attach_all_exit);

MODULE_DESCRIPTION("Every PCI device in a mapping that somebody attached");
MODULE_LICENSE("GPL");
