// SPDX-License-Identifier: GPL-2.0
/*
 * What debugfs tells of backings, and whether the comparison with the page tables
 * finds what somebody has changed behind the back of the DMA API.
 *
 * The fake IOMMU has page tables of its own, which nobody else writes. What it finds
 * on virtio-iommu, whose driver answers from its own records, is less of a proof.
 */
#include <linux/dma-space.h>
#include <linux/pgtable.h>

#include "fake_backing.h"
#include "user_map.h"

#ifdef HAVE_DMA_BACKING

#define N		8
#define DIR		"/sys/kernel/debug/dma_backing/"
#define TEXT_SIZE	SZ_64K

/* ---- the comparison ---- */

struct found {
	unsigned long calls;
	struct dma_backing_mismatch last;
};

static void find(const struct dma_backing_mismatch *mismatch, void *data)
{
	struct found *found = data;

	found->calls++;
	found->last = *mismatch;
}

static void expect_agreed(struct kunit *test, struct dma_backing *backing)
{
	struct found found = {};

	KUNIT_EXPECT_EQ(test, dma_backing_check(backing, find, &found), 0);
	KUNIT_EXPECT_EQ(test, found.calls, 0);
}

static void expect_found(struct kunit *test, struct dma_backing *backing,
			 const struct dma_mapper *mapper, size_t offset,
			 u64 addr, phys_addr_t phys)
{
	struct found found = {};

	KUNIT_EXPECT_EQ(test, dma_backing_check(backing, find, &found), 1);
	KUNIT_EXPECT_EQ(test, dma_backing_check(backing, NULL, NULL), 1);
	KUNIT_ASSERT_EQ(test, found.calls, 1);
	if (mapper)
		KUNIT_EXPECT_PTR_EQ(test, found.last.mapper, mapper);
	KUNIT_EXPECT_EQ(test, found.last.offset, offset);
	KUNIT_EXPECT_EQ(test, found.last.addr, addr);
	KUNIT_EXPECT_EQ(test, (u64)found.last.expected,
			(u64)bk_phys(backing, offset));
	KUNIT_EXPECT_EQ(test, (u64)found.last.found, (u64)phys);
}

/* Devices of two IOMMUs, one without, parts and the whole, and the kernel. */
static void r002_3_page_tables_agree(struct kunit *test)
{
	struct fake_dev *a = bk_dev(test, 0, false), *b = bk_dev(test, 1, false);
	struct fake_dev *direct = bk_direct(test, false);
	struct dma_backing *backing = bk_alloc(test, fake_device(direct), N * P,
					       DMA_BACKING_CACHED);
	struct dma_binding *part = bk_binding(test);
	struct dma_iova_state *state;

	expect_agreed(test, backing);
	bk_bind_all(test, a, backing);
	bk_bind_all(test, b, backing);
	bk_bind_all(test, direct, backing);
	state = bk_reserve(test, a, N * P);
	KUNIT_ASSERT_EQ(test, 0, bk_bind(a, state, part, 2 * P, backing, 5 * P,
					 2 * P));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_backing_vmap(backing, 0));
	expect_agreed(test, backing);
	dma_backing_vunmap(backing);
	expect_agreed(test, backing);
}

/* Many chunks, and more pages than are looked at with one hold of the lock. */
static void r002_3_many_pages(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	unsigned int count = 600;
	struct dma_backing *backing = bk_wrap(test, count, NULL);
	struct dma_binding *first = bk_bind_all(test, fake, backing);
	struct dma_binding *second = bk_bind_all(test, fake, backing);
	size_t at = (count - 1) * P;
	dma_addr_t addr = dma_binding_addr(second) + at;

	expect_agreed(test, backing);
	KUNIT_EXPECT_EQ(test, iommu_unmap(second->domain, addr, P), P);
	expect_found(test, backing, &second->mapper, at, addr,
		     DMA_BACKING_NOTHING);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(second->domain, addr,
					   bk_phys(backing, at), P,
					   IOMMU_READ | IOMMU_WRITE,
					   GFP_KERNEL));
	expect_agreed(test, backing);
	dma_iova_unbind(first);
	expect_agreed(test, backing);
}

/* Pages that a directly mapped device reaches, and no two of them neighbours. */
static struct dma_backing *scattered(struct kunit *test)
{
	struct page *block = dt_alloc_pages(test, GFP_KERNEL, get_order(2 * N * P));
	struct page **pages = dt_page_array(test, N);
	unsigned int i;

	for (i = 0; i < N; i++)
		pages[i] = block + 2 * i;
	return bk_keep(test, dma_backing_from_pages(pages, N, 0, NULL, NULL));
}

/* Directly mapped, a list of many entries is at no address that can be compared. */
static void r002_3_lists_agree(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct fake_dev *direct = bk_direct(test, false);
	struct dma_backing *backing = scattered(test);
	struct dma_backing_sgt *list;

	list = bk_map_list(test, direct, backing);
	KUNIT_EXPECT_EQ(test, list->sgt.nents, N);
	KUNIT_EXPECT_EQ(test, dma_binding_addr(&list->binding), DMA_MAPPING_ERROR);
	expect_agreed(test, backing);
	bk_free_list();

	bk_map_list(test, fake, backing);
	expect_agreed(test, backing);
	bk_free_list();

	backing = bk_alloc(test, fake_device(direct), N * P, DMA_BACKING_CACHED);
	list = bk_map_list(test, direct, backing);
	KUNIT_EXPECT_EQ(test, dma_binding_addr(&list->binding),
			sg_dma_address(list->sgt.sgl));
	expect_agreed(test, backing);
	bk_free_list();
}

static void r002_3_unmapped_page_is_found(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *backing = bk_alloc(test, fake_device(fake), N * P,
					       DMA_BACKING_CACHED);
	struct dma_binding *b = bk_binding(test);
	struct dma_iova_state *state = bk_reserve(test, fake, N * P);
	dma_addr_t addr;

	KUNIT_ASSERT_EQ(test, 0, bk_bind(fake, state, b, 0, backing, 2 * P,
					 4 * P));
	addr = dma_binding_addr(b) + 3 * P;
	KUNIT_EXPECT_EQ(test, iommu_unmap(b->domain, addr, P), P);
	expect_found(test, backing, &b->mapper, 5 * P, addr,
		     DMA_BACKING_NOTHING);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(b->domain, addr,
					   bk_phys(backing, 5 * P), P,
					   IOMMU_READ | IOMMU_WRITE,
					   GFP_KERNEL));
	expect_agreed(test, backing);
}

/* Something else is there instead, and it is said what. */
static void r002_3_other_page_is_found(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *backing = bk_alloc(test, fake_device(fake), N * P,
					       DMA_BACKING_CACHED);
	struct dma_binding *b = bk_bind_all(test, fake, backing);
	dma_addr_t addr = dma_binding_addr(b) + P;
	phys_addr_t other = page_to_phys(dt_alloc_pages(test, GFP_KERNEL, 0));

	KUNIT_EXPECT_EQ(test, iommu_unmap(b->domain, addr, P), P);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(b->domain, addr, other, P, IOMMU_READ,
					   GFP_KERNEL));
	expect_found(test, backing, &b->mapper, P, addr, other);
	KUNIT_EXPECT_EQ(test, iommu_unmap(b->domain, addr, P), P);
	KUNIT_EXPECT_EQ(test, 0, iommu_map(b->domain, addr, bk_phys(backing, P),
					   P, IOMMU_READ | IOMMU_WRITE,
					   GFP_KERNEL));
	expect_agreed(test, backing);
}

/* The entry of a vmalloc address, which has been used. */
static pte_t *kernel_pte(unsigned long addr)
{
	pgd_t *pgd = pgd_offset(current->mm ?: current->active_mm, addr);
	pud_t *pud = pud_offset(p4d_offset(pgd, addr), addr);

	return pte_offset_kernel(pmd_offset(pud, addr), addr);
}

static void r002_3_kernel_page_is_found(struct kunit *test)
{
	struct dma_backing *backing = bk_alloc(test, NULL, N * P,
					       DMA_BACKING_CACHED);
	u8 *vaddr = dma_backing_vmap(backing, 0);
	pte_t *pte, old;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, vaddr);
	/* A process gets its copy of the upper levels when it is used */
	memset(vaddr, 1, N * P);
	expect_agreed(test, backing);

	pte = kernel_pte((unsigned long)vaddr + 6 * P);
	old = *pte;
	*pte = __pte(0);
	expect_found(test, backing, NULL, 6 * P, (unsigned long)vaddr + 6 * P,
		     DMA_BACKING_NOTHING);
	*pte = old;
	expect_agreed(test, backing);
	dma_backing_vunmap(backing);
}

static int map_backing(struct vm_area_struct *vma, void *data)
{
	return dma_backing_mmap(data, vma, 0);
}

static void zap(unsigned long uaddr)
{
	mmap_read_lock(current->mm);
	zap_special_vma_range(vma_lookup(current->mm, uaddr), uaddr, P);
	mmap_read_unlock(current->mm);
}

static void r002_3_user_page_is_found(struct kunit *test)
{
	struct dma_backing *backing = bk_alloc(test, NULL, N * P,
					       DMA_BACKING_CACHED);
	struct um_request r = { .mmap = map_backing, .data = backing };
	unsigned long uaddr = um_map(test, &r, 3, 4);

	KUNIT_ASSERT_EQ(test, r.ret, 0);
	expect_agreed(test, backing);
	zap(uaddr + P);
	expect_found(test, backing, NULL, 4 * P, uaddr + P,
		     DMA_BACKING_NOTHING);
	um_unmap(test, uaddr, 2);
	expect_agreed(test, backing);
	um_unmap(test, uaddr + 2 * P, 2);
}

/* ---- debugfs ---- */

/* Files of debugfs take user memory only: the thread of the case gets some. */
static char *read_all(struct kunit *test, const char *name)
{
	char *text = kunit_kzalloc(test, TEXT_SIZE, GFP_KERNEL);
	unsigned long user = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, 0);
	char path[64];
	struct file *file;
	size_t len = 0;
	loff_t pos = 0;
	ssize_t n;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
	snprintf(path, sizeof(path), DIR "%s", name);
	file = dt_open(path, O_RDONLY);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_EXPECT_EQ(test, file_inode(file)->i_mode & 0777, 0400);
	while (len + PAGE_SIZE < TEXT_SIZE) {
		n = file->f_op->read(file, (char __user *)user, PAGE_SIZE,
				     &pos);
		if (n <= 0 || copy_from_user(text + len,
					     (char __user *)user, n))
			break;
		len += n;
	}
	filp_close(file, NULL);
	um_unmap(test, user, 1);
	KUNIT_EXPECT_EQ(test, n, 0);
	return text;
}

/* The only line that has both; it ends there. */
static char *line_with(struct kunit *test, const char *name, const char *one,
		       const char *two)
{
	char *text = read_all(test, name), *line, *found = NULL;

	while ((line = strsep(&text, "\n"))) {
		if (!strstr(line, one) || !strstr(line, two))
			continue;
		KUNIT_EXPECT_NULL_MSG(test, found, "several lines with %s, %s",
				      one, two);
		found = line;
	}
	return found;
}

static void expect_line(struct kunit *test, const char *name, const char *one,
			const char *two, const char *rest)
{
	char *line = line_with(test, name, one, two);

	KUNIT_EXPECT_NOT_NULL_MSG(test, line, "%s: no line with %s, %s", name,
				  one, two);
	if (line)
		KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(line, rest),
					  "%s: not %s in %s", name, rest, line);
}

/* A size that nobody else has. */
#define ODD	(N + 3)

static void r000_1_backings_are_listed(struct kunit *test)
{
	struct dma_backing *backing = bk_wrap(test, ODD, NULL);
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_binding *b;
	unsigned int tries;
	char size[32];

	snprintf(size, sizeof(size), " size=%lu ", ODD * P);
	expect_line(test, "backings", "backing id=", size,
		    "policy=cached origin=wrapped dev=- refs=1 mappers=0 orphan=0 side=cpu cpu_access=0 cleaned=0 invalidated=0 chunks=11 from_2M=0 from_1M=0 from_64K=0 smaller=11");
	b = bk_bind_all(test, fake, backing);
	KUNIT_EXPECT_EQ(test, 0,
			dma_backing_begin_cpu_access(backing, DMA_TO_DEVICE));
	expect_line(test, "backings", "backing id=", size,
		    "refs=2 mappers=1 orphan=0 side=cpu cpu_access=1 cleaned=1 invalidated=1 ");
	KUNIT_EXPECT_EQ(test, 0,
			dma_backing_end_cpu_access(backing, DMA_TO_DEVICE));
	expect_line(test, "backings", "backing id=", size,
		    "side=devices cpu_access=0 cleaned=2 invalidated=1 ");
	KUNIT_EXPECT_FALSE(test, bk_put(backing));
	expect_line(test, "backings", "backing id=", size,
		    "refs=1 mappers=1 orphan=1 ");
	dma_iova_unbind(b);
	/* A worker frees it */
	for (tries = 0; tries < 50 &&
			line_with(test, "backings", "backing id=", size); tries++)
		msleep(20);
	KUNIT_EXPECT_LT(test, tries, 50);
}

static void r000_1_mappers_are_listed(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, true);
	struct fake_dev *direct = bk_direct(test, false);
	struct dma_backing *backing = bk_alloc(test, fake_device(direct),
					       ODD * P, DMA_BACKING_CACHED);
	struct dma_iova_state *state = bk_reserve(test, fake, ODD * P);
	struct dma_binding *b = bk_binding(test);
	struct um_request r = { .mmap = map_backing, .data = backing };
	unsigned long uaddr;
	char want[160];

	KUNIT_ASSERT_EQ(test, 0,
			dma_iova_bind(fake_device(fake), state, b, 0, backing,
				      P, 5 * P, DMA_FROM_DEVICE, 0));
	snprintf(want, sizeof(want),
		 "space=- addr=%#llx offset=%lu len=%lu dir=from-device coherent=1 live=1",
		 (u64)dma_binding_addr(b), P, 5 * P);
	expect_line(test, "mappers", "kind=space",
		    dev_name(fake_device(fake)), want);

	b = bk_bind_all(test, direct, backing);
	snprintf(want, sizeof(want),
		 "addr=%#llx offset=0 len=%lu dir=both coherent=0 live=1",
		 (u64)bk_phys(backing, 0), ODD * P);
	expect_line(test, "mappers", "kind=direct",
		    dev_name(fake_device(direct)), want);

	uaddr = um_map(test, &r, 7, 2);
	snprintf(want, sizeof(want), "offset=%lu len=%lu dir=both coherent=1",
		 7 * P, 2 * P);
	expect_line(test, "mappers", "kind=user", "dev=-", want);
	um_unmap(test, uaddr, 2);
	KUNIT_EXPECT_NULL(test, line_with(test, "mappers", "kind=user", ""));

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dma_backing_vmap(backing, 0));
	snprintf(want, sizeof(want), "offset=0 len=%lu dir=both coherent=1",
		 ODD * P);
	expect_line(test, "mappers", "kind=kernel", "dev=-", want);
	dma_backing_vunmap(backing);
	KUNIT_EXPECT_NULL(test, line_with(test, "mappers", "kind=kernel", ""));
}

static int enter(struct fake_dev *fake)
{
	return dma_space_attach(fake->data, fake_device(fake));
}

static void leave(struct fake_dev *fake)
{
	dma_space_detach(fake_device(fake));
}

/* What is reserved in a space is listed, and what is mapped there is not. */
static void r000_1_spaces_are_listed(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct device *dev = fake_device(fake);
	struct page *page = dt_alloc_pages(test, GFP_KERNEL, 0);
	struct dma_iova_state *state;
	struct dma_space *space;
	dma_addr_t mapped;
	char want[80];

	space = dma_space_create(dev, SZ_32M, SZ_64M - 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	fake->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, enter, leave));
	expect_line(test, "spaces", "space id=", dev_name(dev),
		    "translated=1 coherent=0 refs=2 devices=");

	state = bk_reserve(test, fake, 3 * P);
	mapped = fk_map(test, fake, page);
	snprintf(want, sizeof(want), " addr=%#llx ", (u64)dma_iova_addr(state));
	expect_line(test, "reservations", "reservation space=", want,
		    " len=12288 translated=1");
	snprintf(want, sizeof(want), " addr=%#llx ", (u64)mapped);
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", "reservation",
					  want));
	fk_unmap(fake, mapped);
	bk_unreserve(fake, state);
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations",
					  " len=12288 ", ""));

	fake_dev_unbind(fake);
	expect_line(test, "spaces", "first=0x2000000", "last=0x3ffffff",
		    "refs=1 devices=-");
	dma_space_put(space);
	KUNIT_EXPECT_NULL(test, line_with(test, "spaces", "space id=", ""));
}

/* It has no page tables, and what is bound there is listed with its number. */
static void r000_1_one_to_one_spaces_are_listed(struct kunit *test)
{
	struct fake_dev *fake = bk_direct(test, false);
	struct device *dev = fake_device(fake);
	struct dma_backing *backing;
	struct dma_space *space;
	struct dma_iova_state *state;
	struct dma_binding *b;
	char want[80];

	backing = bk_alloc(test, dev, ODD * P, DMA_BACKING_CACHED);
	space = dma_space_create(dev, 0, ~(dma_addr_t)0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	fake->data = space;
	KUNIT_ASSERT_EQ(test, 0, fake_dev_bind(fake, enter, leave));
	expect_line(test, "spaces", "space id=", dev_name(dev),
		    "translated=0 coherent=0 refs=2 devices=");
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations",
					  "reservation", ""));

	b = bk_bind_all(test, fake, backing);
	snprintf(want, sizeof(want), "addr=%#llx len=%lu translated=0",
		 (u64)bk_phys(backing, 0), ODD * P);
	expect_line(test, "reservations", "reservation space=", dev_name(dev),
		    want);
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", "space=- ",
					  dev_name(dev)));
	state = b->state;
	dma_iova_unbind(b);
	bk_unreserve(fake, state);
	fake_dev_unbind(fake);
	dma_space_put(space);
}

/* In default domains and one-to-one: where something is bound, and once. */
static void r000_1_bound_reservations_are_listed(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *a = bk_wrap(test, 2, NULL);
	struct dma_backing *b = bk_wrap(test, 2, NULL);
	struct dma_iova_state *state = bk_reserve(test, fake, 5 * P);
	struct dma_binding *first = bk_binding(test), *second = bk_binding(test);
	const char *dev = dev_name(fake_device(fake));
	char want[80];

	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", dev, ""));
	KUNIT_ASSERT_EQ(test, 0, bk_bind(fake, state, first, 0, a, 0, 2 * P));
	KUNIT_ASSERT_EQ(test, 0, bk_bind(fake, state, second, 3 * P, b, 0,
					 2 * P));
	snprintf(want, sizeof(want), "addr=%#llx len=%lu translated=1",
		 (u64)dma_iova_addr(state), 5 * P);
	expect_line(test, "reservations", "reservation space=- ", dev, want);
}

/* A list of memory where it is has no reservation, of one entry or of many. */
static void r000_1_lists_without_reservation(struct kunit *test)
{
	struct fake_dev *fake = bk_direct(test, false);
	const char *dev = dev_name(fake_device(fake));
	struct dma_backing *backing = scattered(test);
	char want[80];

	bk_map_list(test, fake, backing);
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", "reservation", ""));
	expect_line(test, "mappers", "kind=direct", dev, " addr=- offset=0 ");
	expect_line(test, "check", "checked", "", "backings=1 mismatches=0");
	bk_free_list();
	KUNIT_EXPECT_TRUE(test, bk_put(backing));

	backing = bk_alloc(test, fake_device(fake), N * P, DMA_BACKING_CACHED);
	bk_map_list(test, fake, backing);
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", "reservation", ""));
	snprintf(want, sizeof(want), " addr=%#llx offset=0 ",
		 (u64)bk_phys(backing, 0));
	expect_line(test, "mappers", "kind=direct", dev, want);
	bk_free_list();
}

/* Its allocator is made when the first device enters, and nobody has. */
static void r000_1_nobody_in_the_space(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_space *space;

	space = dma_space_create(fake_device(fake), SZ_32M, SZ_64M - 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	expect_line(test, "spaces", "first=0x2000000", "last=0x3ffffff",
		    "translated=1 coherent=0 refs=1 devices=-");
	KUNIT_EXPECT_NULL(test, line_with(test, "reservations", "reservation", ""));
	dma_space_put(space);
}

/* munmap() frees it with the mmap lock, which a comparison takes as well. */
static void r002_3_freed_by_munmap(struct kunit *test)
{
	struct dma_backing *backing = bk_alloc(test, NULL, ODD * P,
					       DMA_BACKING_CACHED);
	struct um_request r = { .mmap = map_backing, .data = backing };
	unsigned long uaddr = um_map(test, &r, 0, ODD);
	char size[32];

	KUNIT_ASSERT_EQ(test, r.ret, 0);
	KUNIT_EXPECT_FALSE(test, bk_put(backing));
	snprintf(size, sizeof(size), " size=%lu ", ODD * P);
	expect_line(test, "check", "checked", "", "backings=1 mismatches=0");
	expect_line(test, "backings", "backing id=", size,
		    "refs=1 mappers=1 orphan=1 ");
	um_unmap(test, uaddr, ODD);
	KUNIT_EXPECT_NULL(test, line_with(test, "backings", "backing id=", size));
	expect_line(test, "check", "checked", "", "backings=0 mismatches=0");
}

static void r002_3_check_is_a_file(struct kunit *test)
{
	struct fake_dev *fake = bk_dev(test, 0, false);
	struct dma_backing *backing = bk_wrap(test, N, NULL);
	struct dma_binding *b = bk_bind_all(test, fake, backing);
	dma_addr_t addr = dma_binding_addr(b) + P;
	char want[80];

	expect_line(test, "check", "checked", "", "backings=1 mismatches=0");
	KUNIT_EXPECT_EQ(test, iommu_unmap(b->domain, addr, P), P);
	snprintf(want, sizeof(want), "addr=%#llx offset=%lu expected=",
		 (u64)addr, P);
	expect_line(test, "check", "mismatch", "kind=space", want);
	expect_line(test, "check", "mismatch", "kind=space", "found=-");
	expect_line(test, "check", "checked", "", "backings=1 mismatches=1");
	KUNIT_EXPECT_EQ(test, 0, iommu_map(b->domain, addr, bk_phys(backing, P),
					   P, IOMMU_READ | IOMMU_WRITE,
					   GFP_KERNEL));
}

/* ---- what it costs ---- */

#define MANY		1000
#define LARGE_PAGES	512

static long slab_kib(void)
{
	return (global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B) +
		global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B)) *
	       (long)(PAGE_SIZE / SZ_1K);
}

struct tracked {
	struct dma_iova_state state;
	struct dma_binding binding;
};

/* KiB of slab that MANY bindings of a backing of @pages take. */
static long cost_of(struct kunit *test, struct fake_dev *fake,
		    struct tracked *t, unsigned int pages)
{
	struct dma_backing *backing = bk_alloc(test, fake_device(fake),
					       pages * P, DMA_BACKING_CACHED);
	unsigned int i, bad = 0;
	long before, cost;

	for (i = 0; i < MANY; i++)
		bad += !!rv_reserve(fake_device(fake), &t[i].state, pages * P,
				    0, 0, 0);
	before = slab_kib();
	for (i = 0; i < MANY; i++)
		bad += !!bk_bind(fake, &t[i].state, &t[i].binding, 0, backing, 0,
				 pages * P);
	cost = slab_kib() - before;
	KUNIT_EXPECT_EQ(test, bad, 0);
	for (i = 0; i < MANY; i++) {
		if (t[i].binding.mapper.backing)
			dma_iova_unbind(&t[i].binding);
		dma_iova_free(fake_device(fake), &t[i].state);
	}
	return cost;
}

/*
 * One-to-one, where there are no page tables, so that what is counted is what
 * keeps account. A byte for each page of each binding would be 500 KiB; what others
 * do meanwhile, and what is counted late, is less than half of that.
 */
static void r002_3_nothing_for_each_page(struct kunit *test)
{
	struct fake_dev *fake = bk_direct(test, false);
	struct tracked *t = kvcalloc(MANY, sizeof(*t), GFP_KERNEL);
	long one, many;

	KUNIT_ASSERT_NOT_NULL(test, t);
	one = cost_of(test, fake, t, 1);
	many = cost_of(test, fake, t, LARGE_PAGES);
	kvfree(t);
	kunit_info(test, "a mapper takes %zu bytes, a user's %zu with its count; %u bindings of 1 page take %ld KiB of slab, of %u pages %ld KiB\n",
		   sizeof(struct dma_binding),
		   sizeof(struct dma_mapper) + sizeof(refcount_t), MANY, one,
		   LARGE_PAGES, many);
	KUNIT_EXPECT_LE(test, sizeof(struct dma_binding), 128);
	KUNIT_EXPECT_LT(test, one, 250);
	KUNIT_EXPECT_LT(test, many, 250);
}

#else

static void no_backings_here(struct kunit *test)
{
	kunit_skip(test, "this kernel has no backings");
}

#endif /* HAVE_DMA_BACKING */

static struct kunit_case fake_check_cases[] = {
#ifdef HAVE_DMA_BACKING
	KUNIT_CASE(r002_3_page_tables_agree),
	KUNIT_CASE(r002_3_many_pages),
	KUNIT_CASE(r002_3_lists_agree),
	KUNIT_CASE(r002_3_unmapped_page_is_found),
	KUNIT_CASE(r002_3_other_page_is_found),
	KUNIT_CASE(r002_3_kernel_page_is_found),
	KUNIT_CASE(r002_3_user_page_is_found),
	KUNIT_CASE(r000_1_backings_are_listed),
	KUNIT_CASE(r000_1_mappers_are_listed),
	KUNIT_CASE(r000_1_spaces_are_listed),
	KUNIT_CASE(r000_1_one_to_one_spaces_are_listed),
	KUNIT_CASE(r000_1_bound_reservations_are_listed),
	KUNIT_CASE(r000_1_lists_without_reservation),
	KUNIT_CASE(r000_1_nobody_in_the_space),
	KUNIT_CASE(r002_3_freed_by_munmap),
	KUNIT_CASE(r002_3_check_is_a_file),
	KUNIT_CASE(r002_3_nothing_for_each_page),
#else
	KUNIT_CASE(no_backings_here),
#endif
	{}
};

#ifdef HAVE_DMA_BACKING
static int fake_check_suite_init(struct kunit_suite *suite)
{
	um_suite_init();
	return 0;
}

static void fake_check_suite_exit(struct kunit_suite *suite)
{
	um_suite_exit();
}
#endif

static struct kunit_suite fake_check_suite = {
	.name = "fake_check_test",
#ifdef HAVE_DMA_BACKING
	.suite_init = fake_check_suite_init,
	.suite_exit = fake_check_suite_exit,
	.init = bk_init,
	.exit = bk_exit,
#endif
	.test_cases = fake_check_cases,
};

kunit_test_suite(fake_check_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("What debugfs tells of backings, on a fake IOMMU");
MODULE_LICENSE("GPL");
