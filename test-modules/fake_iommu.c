// SPDX-License-Identifier: GPL-2.0
/*
 * An IOMMU without hardware, and devices behind it, for tests
 *
 * A domain's page table is an xarray: page number -> physical page number and
 * permissions, with a mark on those that are parts of a large page, which cannot be
 * unmapped one by one. A device's access is a copy that goes through it, so what
 * arrives proves what the DMA mapping code set up, as with a real device; the
 * core's own view (iommu_iova_to_phys()) is not used.
 *
 * Lifetimes: the instances are registered once and stay, for the core has no
 * way for a module to unregister one; the module cannot be unloaded. A device
 * lives from fake_dev_create() to fake_dev_destroy().
 *
 * Locking: a page table has the xarray's own lock, taken with interrupts off,
 * for map and unmap come from any context. Everything else is for one test at
 * a time.
 *
 * How the core finds it: the instances have no firmware node, and the core
 * offers them every device that no other IOMMU has claimed; all but our own
 * are declined.
 */

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "fake_iommu.h"

#define FAKE_NAME	"fake-master"

/* An entry: permissions below, page number above. */
#define PROT_BITS	6
#define PROT_MASK	((1UL << PROT_BITS) - 1)
#define MAX_PFN		(LONG_MAX >> PROT_BITS)
#define PART		XA_MARK_0

struct fake_domain {
	struct iommu_domain domain;
	struct fake_iommu *iommu;
	struct xarray table;
};

static struct fake_iommu instances[FAKE_INSTANCES];

static struct fake_domain *to_fake(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

static struct fake_dev *fake_of(struct device *dev)
{
	if (dev->bus != &platform_bus_type ||
	    strcmp(to_platform_device(dev)->name, FAKE_NAME))
		return NULL;
	return dev_get_platdata(dev);
}

static bool outside(struct iommu_domain *domain, u64 addr)
{
	return domain->geometry.force_aperture &&
	       (addr < domain->geometry.aperture_start ||
		addr > domain->geometry.aperture_end);
}

static int map_page(struct fake_domain *fd, unsigned long addr,
		    phys_addr_t phys, int prot, bool part)
{
	unsigned long pfn = PHYS_PFN(phys), flags;
	void *old, *new = xa_mk_value(pfn << PROT_BITS | (prot & PROT_MASK));

	if (PHYS_PFN(phys) > MAX_PFN)
		return -ERANGE;
	if (outside(&fd->domain, addr)) {
		atomic_inc(&fd->iommu->outside);
		return -ERANGE;
	}
	xa_lock_irqsave(&fd->table, flags);
	old = __xa_cmpxchg(&fd->table, addr >> PAGE_SHIFT, NULL, new,
			   GFP_ATOMIC);
	if (!old && part)
		__xa_set_mark(&fd->table, addr >> PAGE_SHIFT, PART);
	xa_unlock_irqrestore(&fd->table, flags);
	if (xa_is_err(old))
		return xa_err(old);
	if (!old)
		return 0;
	atomic_inc(&fd->iommu->twice);
	return -EADDRINUSE;
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct fake_domain *fd = to_fake(domain);
	size_t off, size = pgsize * pgcount;

	atomic_inc(&fd->iommu->maps);
	if (fd->iommu->on_map)
		fd->iommu->on_map();
	if (fd->iommu->fail_map && !--fd->iommu->fail_map)
		return -ENOMEM;
	for (off = 0; off < size; off += PAGE_SIZE) {
		int ret = map_page(fd, iova + off, paddr + off, prot,
				   pgsize > PAGE_SIZE);

		if (ret)
			return ret;
		if (!((off + PAGE_SIZE) % pgsize))
			*mapped += pgsize;
	}
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fd = to_fake(domain);
	size_t off, size = pgsize * pgcount;
	unsigned long flags;

	atomic_inc(&fd->iommu->unmaps);
	for (off = 0; off < size; off += PAGE_SIZE) {
		unsigned long index = (iova + off) >> PAGE_SHIFT;
		void *old = NULL;
		bool part;

		xa_lock_irqsave(&fd->table, flags);
		part = pgsize == PAGE_SIZE && xa_get_mark(&fd->table, index, PART);
		if (!part)
			old = __xa_erase(&fd->table, index);
		xa_unlock_irqrestore(&fd->table, flags);
		if (old)
			continue;
		atomic_inc(part ? &fd->iommu->parts : &fd->iommu->holes);
		return off / pgsize * pgsize;
	}
	if (!gather->queued)
		iommu_iotlb_gather_add_range(gather, iova, size);
	return size;
}

static void fake_flush_iotlb_all(struct iommu_domain *domain)
{
	atomic_inc(&to_fake(domain)->iommu->flushes);
}

static void fake_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct fake_iommu *iommu = to_fake(domain)->iommu;

	atomic_inc(&iommu->unmap_syncs);
	/* Its end is the last byte; with nothing in it, it is before the start. */
	if (gather->start <= gather->end)
		atomic_long_add(gather->end - gather->start + 1,
				&iommu->unmap_told);
}

static int fake_iotlb_sync_map(struct iommu_domain *domain, unsigned long iova,
			       size_t size)
{
	struct fake_iommu *iommu = to_fake(domain)->iommu;

	atomic_inc(&iommu->map_syncs);
	atomic_long_add(size, &iommu->map_told);
	return iommu->fail_sync && !--iommu->fail_sync ? -EIO : 0;
}

static phys_addr_t fake_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	unsigned long pfn;
	void *entry;

	if (iova > ULONG_MAX)
		return 0;
	entry = xa_load(&to_fake(domain)->table, iova >> PAGE_SHIFT);
	if (!entry)
		return 0;
	pfn = xa_to_value(entry) >> PROT_BITS;
	return PFN_PHYS(pfn) + offset_in_page((unsigned long)iova);
}

static int fake_attach_dev(struct iommu_domain *domain, struct device *dev,
			   struct iommu_domain *old)
{
	struct fake_dev *fake = fake_of(dev);
	int refuse = fake->refuse;

	if (to_fake(domain)->iommu != fake->iommu)
		return -EINVAL;
	fake->refuse = 0;
	if (refuse)
		return refuse;
	fake->domain = domain;
	atomic_inc(&fake->iommu->attaches);
	return 0;
}

static void fake_domain_free(struct iommu_domain *domain)
{
	struct fake_domain *fd = to_fake(domain);
	unsigned long index;
	void *entry;

	xa_for_each(&fd->table, index, entry)
		atomic_inc(&fd->iommu->left);
	xa_destroy(&fd->table);
	atomic_dec(&fd->iommu->domains);
	kfree(fd);
}

static const struct iommu_domain_ops fake_domain_ops = {
	.attach_dev = fake_attach_dev,
	.map_pages = fake_map_pages,
	.unmap_pages = fake_unmap_pages,
	.flush_iotlb_all = fake_flush_iotlb_all,
	.iotlb_sync = fake_iotlb_sync,
	.iotlb_sync_map = fake_iotlb_sync_map,
	.iova_to_phys = fake_iova_to_phys,
	.free = fake_domain_free,
};

static int fake_attach_static(struct iommu_domain *domain, struct device *dev,
			      struct iommu_domain *old)
{
	fake_of(dev)->domain = domain;
	return 0;
}

static const struct iommu_domain_ops fake_static_ops = {
	.attach_dev = fake_attach_static,
};

static struct iommu_domain fake_identity = {
	.type = IOMMU_DOMAIN_IDENTITY,
	.ops = &fake_static_ops,
};

static struct iommu_domain fake_blocked = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &fake_static_ops,
};

static struct iommu_domain *fake_domain_alloc(struct device *dev)
{
	struct fake_iommu *iommu = fake_of(dev)->iommu;
	struct fake_domain *fd;

	if (iommu->no_paging)
		return ERR_PTR(-EOPNOTSUPP);
	fd = kzalloc_obj(*fd);
	if (!fd)
		return NULL;
	fd->iommu = iommu;
	xa_init_flags(&fd->table, XA_FLAGS_LOCK_IRQ);
	fd->domain.pgsize_bitmap = iommu->pgsizes;
	fd->domain.geometry.aperture_start = iommu->aperture_start;
	fd->domain.geometry.aperture_end = iommu->aperture_end;
	fd->domain.geometry.force_aperture = iommu->force_aperture;
	atomic_inc(&iommu->domains);
	return &fd->domain;
}

static struct iommu_device *fake_probe_device(struct device *dev)
{
	struct fake_dev *fake = fake_of(dev);

	if (!fake || !fake->iommu)
		return ERR_PTR(-ENODEV);
	return &fake->iommu->iommu;
}

static struct iommu_group *fake_device_group(struct device *dev)
{
	struct fake_dev *fake = fake_of(dev);

	if (fake->cfg.peer)
		return iommu_group_ref_get(fake_device(fake->cfg.peer)->iommu_group);
	return iommu_group_alloc();
}

static void fake_get_resv_regions(struct device *dev, struct list_head *list)
{
	struct fake_dev *fake = fake_of(dev);
	unsigned int i;

	for (i = 0; i < FAKE_REGIONS && fake->cfg.region[i].length; i++) {
		struct fake_region *r = &fake->cfg.region[i];
		struct iommu_resv_region *region;

		region = iommu_alloc_resv_region(r->start, r->length,
						 IOMMU_READ | IOMMU_WRITE,
						 r->type,
						 GFP_KERNEL | __GFP_NOFAIL);
		if (region)
			list_add_tail(&region->list, list);
	}
}

static bool fake_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY ||
	       cap == IOMMU_CAP_DEFERRED_FLUSH;
}

static int fake_def_domain_type(struct device *dev)
{
	return fake_of(dev)->cfg.def_type;
}

static const struct iommu_ops fake_ops = {
	.capable = fake_capable,
	.domain_alloc_paging = fake_domain_alloc,
	.probe_device = fake_probe_device,
	.device_group = fake_device_group,
	.get_resv_regions = fake_get_resv_regions,
	.def_domain_type = fake_def_domain_type,
	.identity_domain = &fake_identity,
	.blocked_domain = &fake_blocked,
	.release_domain = &fake_blocked,
	.default_domain_ops = &fake_domain_ops,
	.owner = THIS_MODULE,
};

/**
 * fake_iommu() - an instance
 * @n: 0 to %FAKE_INSTANCES - 1
 */
struct fake_iommu *fake_iommu(unsigned int n)
{
	return &instances[n];
}
EXPORT_SYMBOL_GPL(fake_iommu);

/**
 * fake_iommu_reset() - back to the usual settings, and the counts to zero
 * @iommu: the instance
 *
 * The count of domains stays, as they do.
 */
void fake_iommu_reset(struct fake_iommu *iommu)
{
	iommu->aperture_start = 0;
	iommu->aperture_end = DMA_BIT_MASK(40);
	iommu->force_aperture = true;
	iommu->pgsizes = SZ_4K | SZ_2M;
	iommu->no_paging = false;
	iommu->fail_map = 0;
	iommu->fail_sync = 0;
	iommu->nameless = false;
	iommu->on_map = NULL;
	atomic_set(&iommu->maps, 0);
	atomic_set(&iommu->map_syncs, 0);
	atomic_long_set(&iommu->map_told, 0);
	atomic_set(&iommu->unmaps, 0);
	atomic_set(&iommu->unmap_syncs, 0);
	atomic_long_set(&iommu->unmap_told, 0);
	atomic_set(&iommu->flushes, 0);
	atomic_set(&iommu->attaches, 0);
	atomic_set(&iommu->faults, 0);
	atomic_set(&iommu->outside, 0);
	atomic_set(&iommu->twice, 0);
	atomic_set(&iommu->holes, 0);
	atomic_set(&iommu->parts, 0);
	atomic_set(&iommu->left, 0);
}
EXPORT_SYMBOL_GPL(fake_iommu_reset);

/**
 * fake_dev_create() - add a device
 * @cfg: how it is to be
 *
 * Context: may sleep.
 * Return: the device, or an ERR_PTR.
 */
struct fake_dev *fake_dev_create(const struct fake_config *cfg)
{
	struct platform_device *pdev;
	struct fake_dev *fake;
	int ret;

	pdev = platform_device_alloc(FAKE_NAME, PLATFORM_DEVID_AUTO);
	fake = kzalloc_obj(*fake);
	if (!pdev || !fake) {
		kfree(fake);
		platform_device_put(pdev);
		return ERR_PTR(-ENOMEM);
	}
	fake->cfg = *cfg;
	fake->pdev = pdev;
	fake->iommu = cfg->untranslated ? NULL : &instances[cfg->instance];
	/* It goes with the device. */
	pdev->dev.platform_data = fake;
	pdev->dev.dma_mask = &pdev->platform_dma_mask;
	pdev->platform_dma_mask = DMA_BIT_MASK(32);
	pdev->dev.coherent_dma_mask = DMA_BIT_MASK(32);
	if (cfg->coherent)
		dev_set_dma_coherent(&pdev->dev);
	ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ERR_PTR(ret);
	}
	if (fake->iommu && !pdev->dev.iommu_group) {
		platform_device_unregister(pdev);
		return ERR_PTR(-ENODEV);
	}
	return fake;
}
EXPORT_SYMBOL_GPL(fake_dev_create);

/**
 * fake_dev_destroy() - remove a device, from its driver first
 * @fake: the device
 *
 * Context: may sleep.
 */
void fake_dev_destroy(struct fake_dev *fake)
{
	platform_device_unregister(fake->pdev);
}
EXPORT_SYMBOL_GPL(fake_dev_destroy);

/**
 * fake_dev_bind() - bind the driver
 * @fake: the device
 * @probe: what the driver's probe does
 * @remove: what its remove does, or NULL
 *
 * Return: 0 if the device has the driver now, else -ENODEV.
 */
int fake_dev_bind(struct fake_dev *fake, int (*probe)(struct fake_dev *fake),
		  void (*remove)(struct fake_dev *fake))
{
	fake->probe = probe;
	fake->remove = remove;
	return device_attach(fake_device(fake)) == 1 ? 0 : -ENODEV;
}
EXPORT_SYMBOL_GPL(fake_dev_bind);

/**
 * fake_dev_unbind() - unbind the driver
 * @fake: the device
 */
void fake_dev_unbind(struct fake_dev *fake)
{
	device_release_driver(fake_device(fake));
	fake->probe = NULL;
	fake->remove = NULL;
}
EXPORT_SYMBOL_GPL(fake_dev_unbind);

/**
 * fake_dev_phys() - where an access of the device ends up
 * @fake: the device
 * @addr: the address it puts on the bus
 *
 * Return: the physical address, or 0 if the IOMMU stops the access.
 */
phys_addr_t fake_dev_phys(struct fake_dev *fake, dma_addr_t addr)
{
	if (!fake->iommu || fake->domain == &fake_identity)
		return addr;
	if (!fake->domain || fake->domain == &fake_blocked)
		return 0;
	return fake_iova_to_phys(fake->domain, addr);
}
EXPORT_SYMBOL_GPL(fake_dev_phys);

/**
 * fake_dev_prot() - how a page is mapped for the device
 * @fake: the device, which must be in a paging domain
 * @addr: an address in the page
 *
 * Return: IOMMU_READ and so on; 0 if it is not mapped.
 */
int fake_dev_prot(struct fake_dev *fake, dma_addr_t addr)
{
	void *entry;

	if (!fake->iommu || !fake->domain || fake->domain == &fake_blocked)
		return 0;
	if (fake->domain == &fake_identity)
		return IOMMU_READ | IOMMU_WRITE;
	entry = xa_load(&to_fake(fake->domain)->table, addr >> PAGE_SHIFT);
	return entry ? xa_to_value(entry) & PROT_MASK : 0;
}
EXPORT_SYMBOL_GPL(fake_dev_prot);

static bool fake_dev_reaches(struct fake_dev *fake, dma_addr_t addr, int need)
{
	return fake_dev_phys(fake, addr) &&
	       (!fake->iommu || fake_dev_prot(fake, addr) & need);
}

/*
 * The device is held back while somebody is told, as if by an interrupt. True if the
 * access shall be repeated.
 */
static bool fake_dev_fault(struct fake_dev *fake, dma_addr_t addr, int need)
{
	struct iommu_domain *domain = fake->domain;
	unsigned long flags;
	int ret;

	if (!fake->iommu || !domain || domain == &fake_identity ||
	    domain == &fake_blocked)
		return false;
	atomic_inc(&fake->iommu->faults);
	local_irq_save(flags);
	ret = report_iommu_fault(domain,
				 fake->iommu->nameless ? NULL : &fake->pdev->dev,
				 addr, need == IOMMU_WRITE ? IOMMU_FAULT_WRITE :
							     IOMMU_FAULT_READ);
	local_irq_restore(flags);
	return !ret;
}

static size_t fake_dev_copy(struct fake_dev *fake, dma_addr_t addr, void *buf,
			    size_t len, int need)
{
	unsigned int tries;
	size_t done = 0;

	while (done < len) {
		size_t n = min(len - done,
			       PAGE_SIZE - offset_in_page((unsigned long)addr));
		phys_addr_t phys;
		struct page *page;

		/* As long as somebody says that it can be repeated. */
		for (tries = 0; !fake_dev_reaches(fake, addr, need); tries++)
			if (tries == FAKE_REPEATS ||
			    !fake_dev_fault(fake, addr, need))
				return done;
		phys = fake_dev_phys(fake, addr);
		if (!pfn_valid(PHYS_PFN(phys)))
			break;
		page = pfn_to_page(PHYS_PFN(phys));
		if (need == IOMMU_READ)
			memcpy_from_page(buf + done, page,
					 offset_in_page((unsigned long)phys), n);
		else
			memcpy_to_page(page, offset_in_page((unsigned long)phys),
				       buf + done, n);
		done += n;
		addr += n;
	}
	return done;
}

/**
 * fake_dev_read() - let the device read memory
 * @fake: the device
 * @addr: DMA address
 * @buf: where to
 * @len: bytes
 *
 * Return: the bytes it got before the IOMMU stopped it.
 */
size_t fake_dev_read(struct fake_dev *fake, dma_addr_t addr, void *buf,
		     size_t len)
{
	return fake_dev_copy(fake, addr, buf, len, IOMMU_READ);
}
EXPORT_SYMBOL_GPL(fake_dev_read);

/**
 * fake_dev_write() - let the device write memory
 * @fake: the device
 * @addr: DMA address
 * @buf: where from
 * @len: bytes
 *
 * Return: the bytes that arrived before the IOMMU stopped it.
 */
size_t fake_dev_write(struct fake_dev *fake, dma_addr_t addr, const void *buf,
		      size_t len)
{
	return fake_dev_copy(fake, addr, (void *)buf, len, IOMMU_WRITE);
}
EXPORT_SYMBOL_GPL(fake_dev_write);

static int fake_probe(struct platform_device *pdev)
{
	struct fake_dev *fake = dev_get_platdata(&pdev->dev);

	return fake->probe ? fake->probe(fake) : -ENODEV;
}

static void fake_remove(struct platform_device *pdev)
{
	struct fake_dev *fake = dev_get_platdata(&pdev->dev);

	if (fake->remove)
		fake->remove(fake);
}

static struct platform_driver fake_driver = {
	.driver.name = FAKE_NAME,
	.probe = fake_probe,
	.remove = fake_remove,
};

static int __init fake_init(void)
{
	unsigned int i;
	int ret;

	ret = platform_driver_register(&fake_driver);
	if (ret)
		return ret;
	for (i = 0; i < FAKE_INSTANCES; i++) {
		fake_iommu_reset(&instances[i]);
		ret = iommu_device_sysfs_add(&instances[i].iommu, NULL, NULL,
					     "fake-iommu%u", i);
		if (!ret)
			ret = iommu_device_register(&instances[i].iommu,
						    &fake_ops, NULL);
		/* There is no way back from a registration. */
		if (ret)
			pr_err("fake-iommu%u: %d\n", i, ret);
	}
	__module_get(THIS_MODULE);
	return 0;
}
module_init(fake_init);

MODULE_DESCRIPTION("An IOMMU without hardware, for tests");
MODULE_LICENSE("GPL");
