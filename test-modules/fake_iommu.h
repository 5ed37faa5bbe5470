/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An IOMMU without hardware, and devices behind it.
 *
 * What QEMU's IOMMUs cannot be told to do, this one can: reserved regions at
 * any place, apertures, two instances, groups of several devices, masters of
 * either coherency, refusals and failures, and a count of every call.
 */
#ifndef _TEST_FAKE_IOMMU_H
#define _TEST_FAKE_IOMMU_H

#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/types.h>

#define FAKE_INSTANCES	2
#define FAKE_REGIONS	4
/* A device gives up, so that a test that goes wrong ends */
#define FAKE_REPEATS	10

/**
 * struct fake_iommu - one instance; it stays for good, as a real one does
 * @iommu: what the core knows
 * @aperture_start: of the domains allocated from now on
 * @aperture_end: likewise, inclusive
 * @force_aperture: likewise
 * @pgsizes: likewise, as domain->pgsize_bitmap has it
 * @no_paging: it has no paging domains
 * @fail_map: the n-th call of map_pages from now on fails (0: none)
 * @fail_sync: the n-th call of iotlb_sync_map from now on fails (0: none)
 * @nameless: faults are reported without the device
 * @on_map: called before something is mapped, in any context; NULL for nothing
 * @domains: paging domains that are alive
 * @maps: calls of map_pages
 * @map_syncs: calls of iotlb_sync_map
 * @map_told: bytes they were about
 * @unmaps: calls of unmap_pages
 * @unmap_syncs: calls of iotlb_sync
 * @unmap_told: bytes they were about
 * @flushes: calls of flush_iotlb_all
 * @attaches: devices that changed their domain
 * @faults: accesses that were stopped, and reported in a paging domain
 * @outside: pages that were to be mapped outside the aperture
 * @twice: pages that were to be mapped over something
 * @holes: pages that were to be unmapped and were not mapped
 * @parts: pages that were to be unmapped and are part of a larger one
 * @left: pages that were mapped in a domain when it was freed
 *
 * The settings and counts are for one test at a time; nothing protects them.
 */
struct fake_iommu {
	struct iommu_device iommu;
	u64 aperture_start;
	u64 aperture_end;
	bool force_aperture;
	unsigned long pgsizes;
	bool no_paging;
	int fail_map;
	int fail_sync;
	bool nameless;
	void (*on_map)(void);

	atomic_t domains;
	atomic_t maps;
	atomic_t map_syncs;
	atomic_long_t map_told;
	atomic_t unmaps;
	atomic_t unmap_syncs;
	atomic_long_t unmap_told;
	atomic_t flushes;
	atomic_t attaches;
	atomic_t faults;
	atomic_t outside;
	atomic_t twice;
	atomic_t holes;
	atomic_t parts;
	atomic_t left;
};

struct fake_region {
	u64 start;
	size_t length;
	enum iommu_resv_type type;
};

/**
 * struct fake_config - how a device is to be
 * @instance: the IOMMU it sits behind
 * @untranslated: it sits behind none
 * @coherent: it snoops the CPU's caches
 * @peer: it is in the group of this one
 * @region: reserved regions, up to the first without a length
 * @def_type: the IOMMU driver's answer to def_domain_type
 */
struct fake_config {
	unsigned int instance;
	bool untranslated;
	bool coherent;
	struct fake_dev *peer;
	struct fake_region region[FAKE_REGIONS];
	int def_type;
};

/**
 * struct fake_dev - a device; freed with its struct device
 * @cfg: as it was made, immutable but for @region
 * @pdev: the platform device
 * @iommu: its instance, or NULL
 * @group: its group, with a reference
 * @domain: the domain it is in, as the IOMMU driver was told
 * @refuse: the next attach to a paging domain fails with this
 * @probe: what its driver does when it is bound; none: it does not bind
 * @remove: what its driver does when it is unbound
 * @data: for @probe and @remove
 */
struct fake_dev {
	struct fake_config cfg;
	struct platform_device *pdev;
	struct fake_iommu *iommu;
	struct iommu_group *group;
	struct iommu_domain *domain;
	int refuse;
	int (*probe)(struct fake_dev *fake);
	void (*remove)(struct fake_dev *fake);
	void *data;
};

struct fake_iommu *fake_iommu(unsigned int n);
void fake_iommu_reset(struct fake_iommu *iommu);
struct fake_dev *fake_dev_create(const struct fake_config *cfg);
void fake_dev_destroy(struct fake_dev *fake);
int fake_dev_bind(struct fake_dev *fake, int (*probe)(struct fake_dev *fake),
		  void (*remove)(struct fake_dev *fake));
void fake_dev_unbind(struct fake_dev *fake);
phys_addr_t fake_dev_phys(struct fake_dev *fake, dma_addr_t addr);
int fake_dev_prot(struct fake_dev *fake, dma_addr_t addr);
size_t fake_dev_read(struct fake_dev *fake, dma_addr_t addr, void *buf,
		     size_t len);
size_t fake_dev_write(struct fake_dev *fake, dma_addr_t addr, const void *buf,
		      size_t len);

static inline struct device *fake_device(struct fake_dev *fake)
{
	return &fake->pdev->dev;
}

#endif /* _TEST_FAKE_IOMMU_H */
