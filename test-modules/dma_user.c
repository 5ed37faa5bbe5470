// SPDX-License-Identifier: GPL-2.0
/*
 * A driver as small as it can be that gives DMA buffers to user space: what a
 * process maps, and the edu device reads and writes. See user/dma_user.h.
 *
 * A file has at most one buffer, made by DMA_USER_ALLOC and freed with the file,
 * which each mapping holds. The mutex protects it until it is there; then it
 * does not change.
 */

#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"
#include "user/dma_user.h"

static struct edu *edu;
/* The device's own limit is of no concern here; restored at the end. */
static unsigned int max_seg;

static const struct {
	gfp_t gfp;
	unsigned long attrs;
} kinds[DMA_USER_KINDS] = {
	[DMA_USER_UNMAPPED] = { GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	[DMA_USER_UNMAPPED_CONTIGUOUS] = {
		GFP_KERNEL,
		DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_FORCE_CONTIGUOUS
	},
	[DMA_USER_UNMAPPED_WC] = {
		GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING | DMA_ATTR_WRITE_COMBINE
	},
	[DMA_USER_UNMAPPED_ATOMIC] = { GFP_ATOMIC, DMA_ATTR_NO_KERNEL_MAPPING },
	[DMA_USER_COHERENT] = { GFP_KERNEL, 0 },
	[DMA_USER_NONCONTIGUOUS] = { GFP_KERNEL, DMA_ATTR_NO_KERNEL_MAPPING },
	[DMA_USER_PAGES] = { GFP_KERNEL, 0 },
};

struct user_buf {
	struct mutex lock;	/* protects the rest until there is a buffer */
	u32 kind;
	size_t size;
	void *cpu;
	struct sg_table *sgt;
	struct page *page;
	dma_addr_t addr;
};

static bool has_buffer(struct user_buf *b)
{
	return b->cpu || b->sgt || b->page;
}

static int user_open(struct inode *inode, struct file *file)
{
	struct user_buf *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return -ENOMEM;
	mutex_init(&b->lock);
	file->private_data = b;
	return 0;
}

static int user_release(struct inode *inode, struct file *file)
{
	struct user_buf *b = file->private_data;
	struct device *dev = edu_dev(edu);

	if (b->cpu)
		dma_free_attrs(dev, b->size, b->cpu, b->addr,
			       kinds[b->kind].attrs);
	if (b->sgt)
		dma_free_noncontiguous(dev, b->size, b->sgt, DMA_BIDIRECTIONAL);
	if (b->page)
		dma_free_pages(dev, b->size, b->page, b->addr,
			       DMA_BIDIRECTIONAL);
	kfree(b);
	return 0;
}

/* What the kernel had in its pages before somebody else gets them. */
static void leave_secret(unsigned int order, u8 secret)
{
	static const gfp_t gfps[] = { GFP_KERNEL, GFP_HIGHUSER };
	struct page *pages[64];
	unsigned int i, j, k;

	for (k = 0; k < ARRAY_SIZE(gfps); k++) {
		for (i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = alloc_pages(gfps[k] | __GFP_NORETRY |
					       __GFP_NOWARN, order);
			for (j = 0; pages[i] && j < 1U << order; j++)
				memset_page(pages[i] + j, 0, secret, PAGE_SIZE);
		}
		for (i = 0; i < ARRAY_SIZE(pages); i++)
			if (pages[i])
				__free_pages(pages[i], order);
	}
}

static int alloc_locked(struct user_buf *b, const struct dma_user_alloc *a)
{
	struct device *dev = edu_dev(edu);

	if (has_buffer(b))
		return -EBUSY;
	if (a->kind >= DMA_USER_KINDS || !a->size || a->size > SZ_4M)
		return -EINVAL;
	if (a->secret) {
		leave_secret(0, a->secret);
		leave_secret(get_order(a->size), a->secret);
	}
	b->kind = a->kind;
	b->size = a->size;
	switch (a->kind) {
	case DMA_USER_NONCONTIGUOUS:
		b->sgt = dma_alloc_noncontiguous(dev, b->size,
						 DMA_BIDIRECTIONAL, GFP_KERNEL,
						 kinds[a->kind].attrs);
		if (b->sgt)
			b->addr = sg_dma_address(b->sgt->sgl);
		break;
	case DMA_USER_PAGES:
		b->page = dma_alloc_pages(dev, b->size, &b->addr,
					  DMA_BIDIRECTIONAL, GFP_KERNEL);
		break;
	default:
		b->cpu = dma_alloc_attrs(dev, b->size, &b->addr,
					 kinds[a->kind].gfp,
					 kinds[a->kind].attrs);
	}
	return has_buffer(b) ? 0 : -ENOMEM;
}

static int copy_locked(struct user_buf *b, const struct dma_user_copy *c)
{
	struct device *dev = edu_dev(edu);
	int ret;

	if (!has_buffer(b))
		return -ENXIO;
	if (c->len > b->size || c->from > b->size - c->len ||
	    c->to > b->size - c->len)
		return -EINVAL;
	if (b->sgt)
		dma_sync_sgtable_for_device(dev, b->sgt, DMA_BIDIRECTIONAL);
	if (b->page)
		dma_sync_single_for_device(dev, b->addr, b->size,
					   DMA_BIDIRECTIONAL);
	/* mb: user space's writes may be in a buffer of the CPU's. */
	mb();
	ret = edu_dma_to_device(edu, b->addr + c->from, 0, c->len);
	if (!ret)
		ret = edu_dma_from_device(edu, b->addr + c->to, 0, c->len);
	if (b->sgt)
		dma_sync_sgtable_for_cpu(dev, b->sgt, DMA_BIDIRECTIONAL);
	if (b->page)
		dma_sync_single_for_cpu(dev, b->addr, b->size,
					DMA_BIDIRECTIONAL);
	return ret;
}

static long user_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct user_buf *b = file->private_data;
	struct dma_user_alloc a;
	struct dma_user_copy c;
	int ret = -EFAULT;

	mutex_lock(&b->lock);
	switch (cmd) {
	case DMA_USER_ALLOC:
		if (!copy_from_user(&a, (void __user *)arg, sizeof(a)))
			ret = alloc_locked(b, &a);
		break;
	case DMA_USER_COPY:
		if (!copy_from_user(&c, (void __user *)arg, sizeof(c)))
			ret = copy_locked(b, &c);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&b->lock);
	return ret;
}

/* No check of the range here: that is what the DMA API has to do. */
static int user_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct user_buf *b = file->private_data;
	struct device *dev = edu_dev(edu);

	if (!has_buffer(b))
		return -ENODEV;
	if (b->sgt)
		return dma_mmap_noncontiguous(dev, vma, b->size, b->sgt);
	if (b->page)
		return dma_mmap_pages(dev, vma, b->size, b->page);
	return dma_mmap_attrs(dev, vma, b->cpu, b->addr, b->size,
			      kinds[b->kind].attrs);
}

static const struct file_operations user_fops = {
	.owner = THIS_MODULE,
	.open = user_open,
	.release = user_release,
	.unlocked_ioctl = user_ioctl,
	.mmap = user_mmap,
};

static struct miscdevice user_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dma_user",
	.fops = &user_fops,
};

static int __init dma_user_init(void)
{
	int ret;

	edu = edu_get(0);
	if (IS_ERR(edu))
		return PTR_ERR(edu);
	max_seg = dma_get_max_seg_size(edu_dev(edu));
	dma_set_max_seg_size(edu_dev(edu), UINT_MAX);
	ret = misc_register(&user_misc);
	if (ret) {
		dma_set_max_seg_size(edu_dev(edu), max_seg);
		edu_put(edu);
	}
	return ret;
}

static void __exit dma_user_exit(void)
{
	misc_deregister(&user_misc);
	dma_set_max_seg_size(edu_dev(edu), max_seg);
	edu_put(edu);
}

module_init(dma_user_init);
module_exit(dma_user_exit);

MODULE_DESCRIPTION("DMA buffers for a user program");
MODULE_LICENSE("GPL");
