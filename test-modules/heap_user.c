// SPDX-License-Identifier: GPL-2.0
/*
 * A driver as small as it can be that imports dma-bufs, as a codec or a display
 * would: user space allocates, and the edu device copies in it. See
 * user/heap_user.h.
 *
 * A file has at most one buffer, made by HEAP_USER_IMPORT and given back with the
 * file. The mutex protects it until it is there; then it does not change.
 */

#include <linux/dma-backing-ops.h>
#include <linux/dma-buf-backing.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/fs.h>
#include <linux/iommu-dma.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "edu.h"
#include "user/heap_user.h"

struct user_buf {
	struct mutex lock;	/* protects the rest until there is a buffer */
	u32 way;
	struct edu *edu;
	/* HEAP_USER_ATTACH */
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	/* HEAP_USER_BIND */
	struct dma_backing *backing;
	struct dma_backing_sgt list;
	struct dma_binding binding;
};

static int user_open(struct inode *inode, struct file *file)
{
	struct user_buf *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return -ENOMEM;
	mutex_init(&b->lock);
	file->private_data = b;
	return 0;
}

static int import_attach(struct user_buf *b, struct dma_buf *dmabuf)
{
	b->attach = dma_buf_attach(dmabuf, edu_dev(b->edu));
	if (IS_ERR(b->attach))
		return PTR_ERR(b->attach);
	b->sgt = dma_buf_map_attachment_unlocked(b->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(b->sgt)) {
		dma_buf_detach(dmabuf, b->attach);
		return PTR_ERR(b->sgt);
	}
	get_dma_buf(dmabuf);
	b->dmabuf = dmabuf;
	return 0;
}

static void drop_attach(struct user_buf *b)
{
	dma_buf_unmap_attachment_unlocked(b->attach, b->sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(b->dmabuf, b->attach);
	dma_buf_put(b->dmabuf);
}

/* Ours becomes the backing that it was made of; somebody else's has no list. */
static int import_bind(struct user_buf *b, struct dma_buf *dmabuf)
{
	struct device *dev = edu_dev(b->edu);
	int ret;

	b->backing = dma_backing_import(dmabuf, dev);
	if (IS_ERR(b->backing))
		return PTR_ERR(b->backing);
	if (dma_backing_is_foreign(b->backing)) {
		ret = dma_iova_bind(dev, NULL, &b->binding, 0, b->backing, 0,
				    dma_backing_size(b->backing),
				    DMA_BIDIRECTIONAL, 0);
		if (ret)
			goto err_put;
		return 0;
	}
	ret = dma_backing_sgt_init(&b->list, dev, b->backing);
	if (ret)
		goto err_put;
	ret = dma_backing_sgt_map(&b->list, DMA_BIDIRECTIONAL);
	if (ret)
		goto err_free;
	b->sgt = &b->list.sgt;
	return 0;

err_free:
	dma_backing_sgt_free(&b->list);
err_put:
	dma_backing_put(b->backing);
	return ret;
}

static void drop_bind(struct user_buf *b)
{
	if (b->sgt) {
		dma_backing_sgt_unmap(&b->list);
		dma_backing_sgt_free(&b->list);
	} else {
		dma_iova_unbind(&b->binding);
	}
	dma_backing_put(b->backing);
}

static int user_release(struct inode *inode, struct file *file)
{
	struct user_buf *b = file->private_data;

	if (b->edu) {
		if (b->way == HEAP_USER_ATTACH)
			drop_attach(b);
		else
			drop_bind(b);
		edu_put(b->edu);
	}
	kfree(b);
	return 0;
}

static int import_locked(struct user_buf *b, const struct heap_user_import *im)
{
	struct dma_buf *dmabuf;
	int ret;

	if (b->edu)
		return -EBUSY;
	if (im->way >= HEAP_USER_WAYS)
		return -EINVAL;
	dmabuf = dma_buf_get(im->fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	b->edu = edu_get(im->device);
	ret = PTR_ERR_OR_ZERO(b->edu);
	if (!ret) {
		b->way = im->way;
		ret = b->way == HEAP_USER_ATTACH ? import_attach(b, dmabuf) :
						   import_bind(b, dmabuf);
		if (ret)
			edu_put(b->edu);
	}
	if (ret) {
		b->edu = NULL;
		b->sgt = NULL;
	}
	dma_buf_put(dmabuf);
	return ret;
}

/* The address of @off, and how far one can go from there. */
static size_t find(struct user_buf *b, size_t off, dma_addr_t *addr)
{
	struct scatterlist *sg;
	int i;

	if (!b->sgt) {
		size_t size = dma_backing_size(b->backing);

		*addr = dma_binding_addr(&b->binding) + off;
		return off < size ? size - off : 0;
	}
	for_each_sgtable_dma_sg(b->sgt, sg, i) {
		if (off < sg_dma_len(sg)) {
			*addr = sg_dma_address(sg) + off;
			return sg_dma_len(sg) - off;
		}
		off -= sg_dma_len(sg);
	}
	return 0;
}

static int copy_locked(struct user_buf *b, const struct heap_user_copy *c)
{
	size_t done, n;
	dma_addr_t addr;
	int ret = 0;

	if (!b->edu)
		return -ENXIO;
	for (done = 0; !ret && done < c->len; done += n) {
		n = min3((size_t)c->len - done, find(b, c->from + done, &addr),
			 (size_t)EDU_BUF_SIZE);
		if (!n)
			return -EINVAL;
		ret = edu_dma_to_device(b->edu, addr, done, n);
	}
	for (done = 0; !ret && done < c->len; done += n) {
		n = min3((size_t)c->len - done, find(b, c->to + done, &addr),
			 (size_t)EDU_BUF_SIZE);
		if (!n)
			return -EINVAL;
		ret = edu_dma_from_device(b->edu, addr, done, n);
	}
	return ret;
}

static int snoops(void)
{
	struct edu *edu = edu_get(0);
	int ret;

	if (IS_ERR(edu))
		return PTR_ERR(edu);
	ret = !use_dma_iommu(edu_dev(edu)) && dev_is_dma_coherent(edu_dev(edu));
	edu_put(edu);
	return ret;
}

static long user_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct user_buf *b = file->private_data;
	struct heap_user_import im;
	struct heap_user_copy c;
	int ret = -EFAULT;

	mutex_lock(&b->lock);
	switch (cmd) {
	case HEAP_USER_IMPORT:
		if (!copy_from_user(&im, (void __user *)arg, sizeof(im)))
			ret = import_locked(b, &im);
		break;
	case HEAP_USER_COPY:
		if (!copy_from_user(&c, (void __user *)arg, sizeof(c)))
			ret = copy_locked(b, &c);
		break;
	case HEAP_USER_DEVICES:
		ret = edu_count();
		break;
	case HEAP_USER_SNOOPS:
		ret = snoops();
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&b->lock);
	return ret;
}

static const struct file_operations user_fops = {
	.owner = THIS_MODULE,
	.open = user_open,
	.release = user_release,
	.unlocked_ioctl = user_ioctl,
};

static struct miscdevice user_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "heap_user",
	.fops = &user_fops,
};

module_misc_device(user_misc);

MODULE_DESCRIPTION("A driver that is given dma-bufs");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
