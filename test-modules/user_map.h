/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Maps a DMA buffer into the user address space of a KUnit case, as a driver's
 * mmap() does, and looks at what the CPU's page tables say then.
 */
#ifndef _TEST_USER_MAP_H
#define _TEST_USER_MAP_H

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/pgtable.h>

#include "dma_test.h"

/**
 * struct um_request - one mmap() call
 * @mmap: what the driver does in it
 * @data: for @mmap
 * @ret: what it returned; 1 if the call never came as far
 */
struct um_request {
	int (*mmap)(struct vm_area_struct *vma, void *data);
	void *data;
	int ret;
};

static inline int um_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct um_request *r = file->private_data;

	r->ret = r->mmap(vma, r->data);
	return r->ret;
}

static const struct file_operations um_fops = {
	.owner = THIS_MODULE,
	.mmap = um_file_mmap,
};

/*
 * A kernel thread's last reference to a file is dropped by a worker, a moment
 * later, and with it the one to this module, which could not be removed.
 */
static int um_users;

static inline void um_suite_init(void)
{
	um_users = module_refcount(THIS_MODULE);
}

static inline void um_suite_exit(void)
{
	unsigned int tries;

	for (tries = 0; tries < 100; tries++) {
		if (module_refcount(THIS_MODULE) <= um_users)
			break;
		msleep(20);
	}
}

/* Map @count pages from page @first on: an address, or an error as one. */
static inline unsigned long um_map(struct kunit *test, struct um_request *r,
				   unsigned long first, unsigned long count)
{
	unsigned long uaddr;
	struct file *file;

	r->ret = 1;
	file = anon_inode_getfile("user_map", &um_fops, r, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	uaddr = kunit_vm_mmap(test, file, 0, count << PAGE_SHIFT,
			      PROT_READ | PROT_WRITE, MAP_SHARED,
			      first << PAGE_SHIFT);
	KUNIT_EXPECT_LE(test, r->ret, 0);
	/* The mapping keeps the file; nothing but mmap() uses its data. */
	fput(file);
	return uaddr;
}

static inline void um_unmap(struct kunit *test, unsigned long uaddr,
			    unsigned long count)
{
	KUNIT_EXPECT_EQ(test, 0, vm_munmap(uaddr, count << PAGE_SHIFT));
}

/* The entry for a user address of this task; all zero if there is none. */
static inline pte_t um_pte(unsigned long uaddr)
{
	pgd_t *pgd = pgd_offset(current->mm, uaddr);
	pte_t pte = __pte(0), *table;
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	if (pgd_none(*pgd))
		return pte;
	p4d = p4d_offset(pgd, uaddr);
	if (p4d_none(*p4d))
		return pte;
	pud = pud_offset(p4d, uaddr);
	if (pud_none(*pud))
		return pte;
	pmd = pmd_offset(pud, uaddr);
	if (pmd_none(*pmd))
		return pte;
	/* The table may be in high memory. */
	table = kmap_local_page(pmd_page(*pmd));
	pte = table[pte_index(uaddr)];
	kunmap_local(table);
	return pte;
}

/* Only what decides about caches: the rest changes with each access. */
#if defined(CONFIG_ARM)
#define UM_MEMORY_TYPE	((u64)L_PTE_MT_MASK)
#elif defined(CONFIG_ARM64)
#define UM_MEMORY_TYPE	((u64)PTE_ATTRINDX_MASK)
#else
#define UM_MEMORY_TYPE	0ULL
#endif

static inline u64 um_memory_type(pgprot_t prot)
{
	return (u64)pgprot_val(prot) & UM_MEMORY_TYPE;
}

static inline pgprot_t um_cached(void)
{
	return vm_get_page_prot(VM_READ | VM_WRITE | VM_SHARED);
}

/* Every page of the user mapping is the right one, with the right type. */
static inline void um_expect(struct kunit *test, unsigned long uaddr,
			     unsigned int count, struct page **pages,
			     pgprot_t prot, const char *what)
{
	unsigned int i, wrong_page = 0, wrong_type = 0;

	for (i = 0; i < count; i++) {
		pte_t pte = um_pte(uaddr + i * PAGE_SIZE);

		if (!pte_present(pte) || pte_page(pte) != pages[i])
			wrong_page++;
		if (((u64)pte_val(pte) & UM_MEMORY_TYPE) !=
		    um_memory_type(prot))
			wrong_type++;
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong_page, 0, "%s: wrong pages of %u", what,
			    count);
	KUNIT_EXPECT_EQ_MSG(test, wrong_type, 0,
			    "%s: wrong memory type in %u pages", what, count);
}

/* Index of the first byte that user space does not read as @val. */
static inline size_t um_check_same(struct kunit *test, unsigned long uaddr,
				   size_t size, u8 val)
{
	u8 *tmp = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	size_t off, bad = PAGE_SIZE;

	KUNIT_ASSERT_NOT_NULL(test, tmp);
	for (off = 0; off < size && bad == PAGE_SIZE; off += PAGE_SIZE) {
		KUNIT_ASSERT_EQ(test, 0,
				copy_from_user(tmp, (void __user *)uaddr + off,
					       PAGE_SIZE));
		bad = dt_check_same(tmp, PAGE_SIZE, val);
	}
	kunit_kfree(test, tmp);
	return bad == PAGE_SIZE ? size : off - PAGE_SIZE + bad;
}

/* Leave old data in the pages that the next allocations will get. */
static inline void um_dirty_free_memory(struct kunit *test, size_t size,
					u8 val)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_HIGHUSER };
	const unsigned int order = get_order(size);
	const unsigned int count = clamp(SZ_16M >> (order + PAGE_SHIFT), 8, 256);
	struct page **pages;
	unsigned int i, j, k;

	pages = kunit_kcalloc(test, count, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (k = 0; k < ARRAY_SIZE(gfps); k++) {
		for (i = 0; i < count; i++) {
			pages[i] = alloc_pages(gfps[k] | __GFP_NORETRY |
					       __GFP_NOWARN, order);
			for (j = 0; pages[i] && j < 1U << order; j++)
				memset_page(pages[i] + j, 0, val, PAGE_SIZE);
		}
		for (i = 0; i < count; i++)
			if (pages[i])
				__free_pages(pages[i], order);
	}
	kunit_kfree(test, pages);
}

#endif /* _TEST_USER_MAP_H */
