// SPDX-License-Identifier: GPL-2.0
/*
 * Does what is on record of a backing agree with the page tables?
 *
 * A record of a mapper is a range, and no copy of what the page tables say. Here
 * the two are compared, page by page: what the record promises is calculated from
 * the chunks, what is there is read from the IOMMU's page tables, from the kernel's,
 * and from those of the calling process. User mappings of other processes are not
 * looked at. Neither is what somebody else's exporter has mapped, nor a list of more
 * than one entry for a device that is mapped directly (backing_sgt.c): it has no
 * address of its own, and nothing is translated there.
 *
 * For a device the IOMMU driver is asked by iommu_iova_to_phys(). Most walk the page
 * tables that the hardware walks. virtio-iommu has none, and answers from its own
 * records, so there it proves that the records of two layers agree, and no more.
 *
 * Locking: backing->lock for a device's mapping: what is live is mapped, and not
 * unmapped before it is marked as not live. It is dropped every now and then, and
 * if mappers come and go meanwhile, one may be left out or looked at twice. What is
 * reported was wrong at that moment. backing->vmap_lock for the kernel's mapping,
 * the mmap lock for that of the process.
 *
 * Context: all of this sleeps. It takes its time, and is for tests and debugging.
 */
#include <linux/cleanup.h>
#include <linux/dma-direct.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "backing.h"

/* Pages that are compared without interrupts. */
#define CHECK_PAGES	256

/**
 * struct check_state - one comparison
 * @backing: what is compared
 * @report: told of each page that is not as it should be, or NULL
 * @data: for @report
 * @wrong: number of these
 */
struct check_state {
	struct dma_backing *backing;
	void (*report)(const struct dma_backing_mismatch *mismatch, void *data);
	void *data;
	unsigned long wrong;
};

static void check_page(struct check_state *check,
		       const struct dma_mapper *mapper, size_t offset,
		       u64 addr, phys_addr_t found)
{
	struct dma_backing_mismatch mismatch = {
		.mapper		= mapper,
		.offset		= offset,
		.addr		= addr,
		.expected	= dma_backing_phys(check->backing, offset),
		.found		= found,
	};

	if (found == mismatch.expected)
		return;
	check->wrong++;
	if (check->report)
		check->report(&mismatch, check->data);
}

static phys_addr_t device_phys(const struct dma_binding *binding,
			       dma_addr_t addr)
{
	if (!binding->domain)
		return dma_to_phys(binding->dev, addr);
	/* It has no other word for nothing */
	return iommu_iova_to_phys(binding->domain, addr) ?: DMA_BACKING_NOTHING;
}

/* At most CHECK_PAGES of what a device maps; returns where it stopped. */
static size_t check_device(struct check_state *check,
			   const struct dma_mapper *mapper, size_t done)
{
	const struct dma_binding *binding = dma_mapper_binding(mapper);
	size_t end = min(mapper->len, done + CHECK_PAGES * PAGE_SIZE);

	lockdep_assert_held(&check->backing->lock);

	for (; done < end; done += PAGE_SIZE) {
		dma_addr_t addr = binding->addr + done;

		check_page(check, mapper, mapper->offset + done, addr,
			   device_phys(binding, addr));
	}
	return done;
}

static bool is_compared(const struct dma_mapper *mapper)
{
	if (!mapper->live)
		return false;
	if (mapper->kind != DMA_MAPPER_SPACE && mapper->kind != DMA_MAPPER_DIRECT)
		return false;
	/* A list has many addresses, and they are not on record */
	return dma_mapper_binding(mapper)->addr != DMA_MAPPING_ERROR;
}

static struct dma_mapper *nth_mapper(struct dma_backing *backing,
				     unsigned int n)
{
	struct dma_mapper *mapper;

	lockdep_assert_held(&backing->lock);

	list_for_each_entry(mapper, &backing->devices, list)
		if (!n--)
			return mapper;
	return NULL;
}

static void check_devices(struct check_state *check)
{
	struct dma_mapper *mapper;
	unsigned int n = 0;
	size_t done = 0;

	for (;;) {
		scoped_guard(spinlock_irqsave, &check->backing->lock) {
			mapper = nth_mapper(check->backing, n);
			if (!mapper)
				return;
			if (is_compared(mapper) && done < mapper->len)
				done = check_device(check, mapper, done);
			else
				done = mapper->len;
			if (done >= mapper->len) {
				n++;
				done = 0;
			}
		}
		cond_resched();
	}
}

static void check_kernel(struct check_state *check)
{
	struct dma_backing *backing = check->backing;
	struct page *page;
	size_t done;
	void *addr;

	guard(mutex)(&backing->vmap_lock);
	if (!backing->vaddr)
		return;
	for (done = 0; done < backing->size; done += PAGE_SIZE) {
		addr = backing->vaddr + done;
		page = vmalloc_to_page(addr);
		check_page(check, &backing->kernel, done, (unsigned long)addr,
			   page ? page_to_phys(page) : DMA_BACKING_NOTHING);
		cond_resched();
	}
}

static phys_addr_t user_phys(struct vm_area_struct *vma, unsigned long addr)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	phys_addr_t phys;

	if (follow_pfnmap_start(&args))
		return DMA_BACKING_NOTHING;
	phys = PFN_PHYS(args.pfn);
	follow_pfnmap_end(&args);
	return phys;
}

static void check_vma(struct check_state *check, struct vm_area_struct *vma)
{
	struct dma_user_map *map = vma->vm_private_data;
	unsigned long addr;
	size_t offset;

	if (map->mapper.backing != check->backing)
		return;
	offset = vma->vm_pgoff << PAGE_SHIFT;
	for (addr = vma->vm_start; addr < vma->vm_end; addr += PAGE_SIZE) {
		check_page(check, &map->mapper, offset, addr,
			   user_phys(vma, addr));
		offset += PAGE_SIZE;
		cond_resched();
	}
}

static void check_process(struct check_state *check)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	if (!mm)
		return;
	mmap_read_lock(mm);
	VMA_ITERATOR(vmi, mm, 0);
	for_each_vma(vmi, vma)
		if (vma->vm_ops == &dma_user_map_ops)
			check_vma(check, vma);
	mmap_read_unlock(mm);
}

/**
 * dma_backing_check - Compare what is on record with the page tables
 * @backing: the backing
 * @report: called for each page that is not as the record of its mapper has it, or
 *	NULL; for a device's mapping without interrupts and with a lock, so it must
 *	not call anything for the backing
 * @data: for @report
 *
 * Looks at the mappings of devices, of the kernel, and of the calling process. All
 * of them agree, unless somebody has changed page tables behind the back of the
 * DMA API. A list of more than one entry is left out, if the device is mapped
 * directly, and so is what somebody else maps.
 *
 * Context: Process context. May sleep.
 * Return: the number of pages that are not as they should be
 */
unsigned long dma_backing_check(struct dma_backing *backing,
		void (*report)(const struct dma_backing_mismatch *mismatch,
			       void *data), void *data)
{
	struct check_state check = {
		.backing	= backing,
		.report		= report,
		.data		= data,
	};

	/* Somebody else's memory, which is not known here */
	if (!backing->nr_chunks)
		return 0;
	check_devices(&check);
	check_kernel(&check);
	check_process(&check);
	return check.wrong;
}
EXPORT_SYMBOL_GPL(dma_backing_check);
