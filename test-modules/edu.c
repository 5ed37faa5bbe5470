// SPDX-License-Identifier: GPL-2.0
/*
 * Driver for QEMU's educational PCI device ("-device edu")
 *
 * The device is the smallest real DMA engine there is in QEMU: it copies up to
 * 4 KiB between memory and a buffer of its own and raises an interrupt when it
 * is done, 100 ms later. Every access goes through the IOMMU the device sits
 * behind, so what arrives proves what the DMA mapping code set up.
 *
 * Address width: the device has 28 address bits unless QEMU is told otherwise
 * ("-device edu,dma_mask=..."), and cuts off what is above them. The driver
 * asks for 28 bits. Without an IOMMU, memory may lie higher than that on some
 * machines (ARM's "virt" has it at 1 GiB); the platform then refuses the mask
 * and the driver falls back to 32 bits, which needs dma_mask=0xffffffff on
 * QEMU's command line. The parameter dma_bits forces a width.
 *
 * Lifetimes: struct edu is reference-counted by its users (edu_get/edu_put)
 * and by the bound PCI device. Unbinding marks it gone under edu->lock; later
 * transfers return -ENODEV, none is in flight once the lock is dropped, and
 * the memory goes with the last reference.
 *
 * Locking: edu_list_lock (the list) and edu->lock (the registers, one transfer
 * at a time) are mutexes and never nest. The interrupt handler takes no lock:
 * it acknowledges what it finds and completes edu->done.
 *
 * Context: everything exported here may sleep.
 */

#include <linux/bits.h>
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "edu.h"

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8

#define EDU_REG_IDENT		0x00
#define EDU_REG_LIVENESS	0x04
#define EDU_REG_FACTORIAL	0x08
#define EDU_REG_STATUS		0x20
#define EDU_REG_IRQ_STATUS	0x24
#define EDU_REG_IRQ_ACK		0x64
#define EDU_REG_DMA_SRC		0x80
#define EDU_REG_DMA_DST		0x88
#define EDU_REG_DMA_COUNT	0x90
#define EDU_REG_DMA_CMD		0x98

#define EDU_IDENT_MASK		0xff
#define EDU_IDENT		0xed

#define EDU_STATUS_IRQFACT	BIT(7)

#define EDU_IRQ_FACTORIAL	BIT(0)
#define EDU_IRQ_DMA		BIT(8)

#define EDU_DMA_RUN		BIT(0)
#define EDU_DMA_FROM_BUF	BIT(1)
#define EDU_DMA_IRQ		BIT(2)

/* Where the device's own buffer lies in its DMA address space. */
#define EDU_BUF_BASE		0x40000

#define EDU_DMA_BITS		28
#define EDU_TIMEOUT		(10 * HZ)

static unsigned int dma_bits;
module_param(dma_bits, uint, 0444);
MODULE_PARM_DESC(dma_bits, "DMA address bits (0: 28, or 32 if 28 cannot work)");

/**
 * struct edu - one device
 * @ref: users, plus one while the PCI device is bound
 * @node: on edu_list while bound, protected by edu_list_lock
 * @pdev: immutable; a reference is held as long as @ref is
 * @regs: BAR 0; valid until @gone
 * @lock: one transfer at a time; protects the registers, @gone and @bytes
 * @done: completed by the interrupt handler
 * @gone: the driver was unbound; no register may be touched any more
 * @irq: there is an interrupt; protected by @lock once probe is over
 * @broken: a transfer timed out and may still be running in the device
 * @bytes: moved in either direction since probe
 */
struct edu {
	struct kref ref;
	struct list_head node;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct mutex lock; /* registers, @gone, @irq, @broken and @bytes */
	struct completion done;
	bool gone;
	bool irq;
	bool broken;
	u64 bytes;
};

static LIST_HEAD(edu_list);
static DEFINE_MUTEX(edu_list_lock);

static void edu_release(struct kref *ref)
{
	struct edu *edu = container_of(ref, struct edu, ref);

	pci_dev_put(edu->pdev);
	mutex_destroy(&edu->lock);
	kfree(edu);
}

/**
 * edu_count() - how many edu devices are bound to the driver
 *
 * Context: may sleep.
 * Return: the number of devices; edu_get() knows 0 to that number - 1.
 */
unsigned int edu_count(void)
{
	struct edu *edu;
	unsigned int count = 0;

	mutex_lock(&edu_list_lock);
	list_for_each_entry(edu, &edu_list, node)
		count++;
	mutex_unlock(&edu_list_lock);
	return count;
}
EXPORT_SYMBOL_GPL(edu_count);

/**
 * edu_get() - take a reference on the n-th edu device
 * @n: index in the order of PCI addresses, from 0; it shifts when one is unbound
 *
 * The caller owns the reference and drops it with edu_put(). It keeps the
 * struct and the struct device alive, not the binding: after an unbind the
 * transfer functions return -ENODEV.
 *
 * Context: may sleep.
 * Return: the device, or ERR_PTR(-ENODEV) if there is no such one.
 */
struct edu *edu_get(unsigned int n)
{
	struct edu *edu;

	guard(mutex)(&edu_list_lock);
	list_for_each_entry(edu, &edu_list, node) {
		if (!n--) {
			kref_get(&edu->ref);
			return edu;
		}
	}
	return ERR_PTR(-ENODEV);
}
EXPORT_SYMBOL_GPL(edu_get);

/**
 * edu_find() - take a reference on the edu device of a struct device
 * @dev: the device
 *
 * Context: may sleep.
 * Return: as edu_get(); ERR_PTR(-ENODEV) if @dev is not bound to the driver.
 */
struct edu *edu_find(struct device *dev)
{
	struct edu *edu;

	guard(mutex)(&edu_list_lock);
	list_for_each_entry(edu, &edu_list, node) {
		if (&edu->pdev->dev == dev) {
			kref_get(&edu->ref);
			return edu;
		}
	}
	return ERR_PTR(-ENODEV);
}
EXPORT_SYMBOL_GPL(edu_find);

/**
 * edu_put() - drop a reference taken by edu_get()
 * @edu: the device, or NULL or an error pointer, which are ignored
 *
 * Context: may sleep.
 */
void edu_put(struct edu *edu)
{
	if (!IS_ERR_OR_NULL(edu))
		kref_put(&edu->ref, edu_release);
}
EXPORT_SYMBOL_GPL(edu_put);

/**
 * edu_dev() - the struct device to map memory for
 * @edu: the device
 *
 * Context: any.
 * Return: a pointer that is valid as long as the caller's reference on @edu.
 */
struct device *edu_dev(struct edu *edu)
{
	return &edu->pdev->dev;
}
EXPORT_SYMBOL_GPL(edu_dev);

/*
 * A 4-byte write sets a whole DMA register and clears its upper half, a write
 * to the upper half alone is ignored: addresses from 4 GiB need one access of
 * 8 bytes, which 32-bit kernels do not have.
 */
static void edu_write_addr(struct edu *edu, unsigned int reg, u64 val)
{
#ifdef CONFIG_64BIT
	writeq(val, edu->regs + reg);
#else
	writel(lower_32_bits(val), edu->regs + reg);
#endif
}

static int edu_wait(struct edu *edu)
{
	if (wait_for_completion_timeout(&edu->done, EDU_TIMEOUT))
		return 0;
	dev_err(&edu->pdev->dev, "no interrupt (status %#x)\n",
		readl(edu->regs + EDU_REG_IRQ_STATUS));
	edu->broken = true;
	return -ETIMEDOUT;
}

static int edu_usable(struct edu *edu)
{
	lockdep_assert_held(&edu->lock);
	if (edu->gone)
		return -ENODEV;
	if (!edu->irq)
		return -ENXIO;
	return edu->broken ? -EIO : 0;
}

static int edu_dma_locked(struct edu *edu, u64 src, u64 dst, size_t len,
			  u32 cmd)
{
	int ret = edu_usable(edu);

	if (ret)
		return ret;
	reinit_completion(&edu->done);
	edu_write_addr(edu, EDU_REG_DMA_SRC, src);
	edu_write_addr(edu, EDU_REG_DMA_DST, dst);
	edu_write_addr(edu, EDU_REG_DMA_COUNT, len);
	writel(cmd | EDU_DMA_RUN | EDU_DMA_IRQ, edu->regs + EDU_REG_DMA_CMD);
	ret = edu_wait(edu);
	if (ret)
		return ret;
	/* The device clears RUN before it raises the interrupt. */
	if (readl(edu->regs + EDU_REG_DMA_CMD) & EDU_DMA_RUN) {
		edu->broken = true;
		return -EIO;
	}
	edu->bytes += len;
	return 0;
}

static int edu_dma_check(dma_addr_t addr, size_t off, size_t len)
{
	u64 last;

	if (!len || off >= EDU_BUF_SIZE || len > EDU_BUF_SIZE - off)
		return -EINVAL;
	if (check_add_overflow((u64)addr, len - 1, &last))
		return -EINVAL;
	if (!IS_ENABLED(CONFIG_64BIT) && upper_32_bits(last))
		return -ERANGE;
	return 0;
}

/**
 * edu_dma_to_device() - let the device read memory into its buffer
 * @edu: the device
 * @addr: DMA address to read from, as a mapping call for edu_dev() gave it
 * @off: offset in the device's buffer, in bytes
 * @len: number of bytes, 1 to %EDU_BUF_SIZE - @off
 *
 * The memory must be mapped for the device, and owned by it, until the
 * function returns. The device does not report a fault: what it could not read
 * is zero in its buffer. The address is used as it is, wider than the mask or
 * unmapped, because tests want to see what comes of it.
 *
 * Context: may sleep; takes 100 ms or more.
 * Return: 0; -EINVAL for an empty or too long range; -ERANGE if a 32-bit
 * kernel cannot program the address; -ENODEV after an unbind; -ENXIO while the
 * interrupt is off; -ETIMEDOUT
 * without an interrupt within 10 s, when the device may use the memory still,
 * so it must be left mapped and allocated; -EIO always after that.
 */
int edu_dma_to_device(struct edu *edu, dma_addr_t addr, size_t off, size_t len)
{
	int ret = edu_dma_check(addr, off, len);

	if (ret)
		return ret;
	mutex_lock(&edu->lock);
	ret = edu_dma_locked(edu, addr, EDU_BUF_BASE + off, len, 0);
	mutex_unlock(&edu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(edu_dma_to_device);

/**
 * edu_dma_from_device() - let the device write its buffer to memory
 * @edu: the device
 * @addr: DMA address to write to, as a mapping call for edu_dev() gave it
 * @off: offset in the device's buffer, in bytes
 * @len: number of bytes, 1 to %EDU_BUF_SIZE - @off
 *
 * As edu_dma_to_device(), the other way round. What the device may not write
 * is dropped without a report.
 *
 * Context: may sleep; takes 100 ms or more.
 * Return: as edu_dma_to_device().
 */
int edu_dma_from_device(struct edu *edu, dma_addr_t addr, size_t off,
			size_t len)
{
	int ret = edu_dma_check(addr, off, len);

	if (ret)
		return ret;
	mutex_lock(&edu->lock);
	ret = edu_dma_locked(edu, EDU_BUF_BASE + off, addr, len,
			     EDU_DMA_FROM_BUF);
	mutex_unlock(&edu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(edu_dma_from_device);

/**
 * edu_factorial() - let the device compute a factorial
 * @edu: the device
 * @n: the operand; the device works modulo 2^32
 * @result: where the result goes; untouched on failure
 *
 * No DMA takes part: it shows whether the interrupt works.
 *
 * Context: may sleep.
 * Return: 0; -ENODEV after an unbind; -ENXIO while the interrupt is off;
 * -ETIMEDOUT without an interrupt within 10 s; -EIO after any time-out.
 */
int edu_factorial(struct edu *edu, u32 n, u32 *result)
{
	int ret;

	mutex_lock(&edu->lock);
	ret = edu_usable(edu);
	if (ret)
		goto out;
	reinit_completion(&edu->done);
	writel(EDU_STATUS_IRQFACT, edu->regs + EDU_REG_STATUS);
	writel(n, edu->regs + EDU_REG_FACTORIAL);
	ret = edu_wait(edu);
	if (!ret)
		*result = readl(edu->regs + EDU_REG_FACTORIAL);
	writel(0, edu->regs + EDU_REG_STATUS);
out:
	mutex_unlock(&edu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(edu_factorial);

static irqreturn_t edu_irq(int irq, void *data)
{
	struct edu *edu = data;
	u32 status = readl(edu->regs + EDU_REG_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_REG_IRQ_ACK);
	if (status & (EDU_IRQ_DMA | EDU_IRQ_FACTORIAL))
		complete(&edu->done);
	return IRQ_HANDLED;
}

static int edu_set_mask(struct pci_dev *pdev)
{
	unsigned int bits = dma_bits ?: EDU_DMA_BITS;
	int ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(bits));

	if (ret && !dma_bits) {
		bits = 32;
		ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(bits));
		if (!ret)
			pci_warn(pdev, "memory is out of reach of %u bits, needs QEMU's edu,dma_mask=0xffffffff\n",
				 EDU_DMA_BITS);
	}
	if (ret)
		pci_err(pdev, "no usable DMA mask of %u bits\n", bits);
	return ret;
}

static int edu_check_alive(struct edu *edu)
{
	u32 ident = readl(edu->regs + EDU_REG_IDENT);

	writel(0x12345678, edu->regs + EDU_REG_LIVENESS);
	if ((ident & EDU_IDENT_MASK) != EDU_IDENT ||
	    readl(edu->regs + EDU_REG_LIVENESS) != ~0x12345678U) {
		pci_err(edu->pdev, "not an edu device (%#x)\n", ident);
		return -ENODEV;
	}
	return 0;
}

static int edu_setup_irq(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI | PCI_IRQ_INTX);
	if (ret < 0)
		return ret;
	ret = pci_request_irq(pdev, 0, edu_irq, NULL, edu, "edu");
	if (ret)
		pci_free_irq_vectors(pdev);
	else
		edu->irq = true;
	return ret;
}

static void edu_drop_irq(struct edu *edu)
{
	if (!edu->irq)
		return;
	pci_free_irq(edu->pdev, 0, edu);
	pci_free_irq_vectors(edu->pdev);
	edu->irq = false;
}

/**
 * edu_irq_off() - give the interrupt back
 * @edu: the device
 *
 * An interrupt that is a message goes through the address space the device was
 * in when it was set up: a device that changes its space does so without one.
 * Until edu_irq_on(), the transfer functions return -ENXIO.
 *
 * Context: may sleep.
 */
void edu_irq_off(struct edu *edu)
{
	mutex_lock(&edu->lock);
	if (!edu->gone)
		edu_drop_irq(edu);
	mutex_unlock(&edu->lock);
}
EXPORT_SYMBOL_GPL(edu_irq_off);

/**
 * edu_irq_on() - get an interrupt again, a message if there are any
 * @edu: the device
 *
 * Context: may sleep.
 * Return: 0; -ENODEV after an unbind; or what setting it up said.
 */
int edu_irq_on(struct edu *edu)
{
	int ret = 0;

	mutex_lock(&edu->lock);
	if (edu->gone)
		ret = -ENODEV;
	else if (!edu->irq)
		ret = edu_setup_irq(edu);
	mutex_unlock(&edu->lock);
	return ret;
}
EXPORT_SYMBOL_GPL(edu_irq_on);

/**
 * edu_irq_is_msi() - whether the interrupt is a message
 * @edu: the device
 */
bool edu_irq_is_msi(struct edu *edu)
{
	bool msi;

	mutex_lock(&edu->lock);
	msi = edu->irq && edu->pdev->msi_enabled;
	mutex_unlock(&edu->lock);
	return msi;
}
EXPORT_SYMBOL_GPL(edu_irq_is_msi);

static struct edu *edu_alloc(struct pci_dev *pdev)
{
	struct edu *edu = kzalloc_obj(*edu);

	if (!edu)
		return NULL;
	kref_init(&edu->ref);
	INIT_LIST_HEAD(&edu->node);
	mutex_init(&edu->lock);
	init_completion(&edu->done);
	edu->pdev = pci_dev_get(pdev);
	return edu;
}

/* In the order of PCI addresses: a test that unbinds one finds it there again. */
static void edu_enlist(struct edu *edu)
{
	struct edu *next;

	mutex_lock(&edu_list_lock);
	list_for_each_entry(next, &edu_list, node)
		if (pci_dev_id(next->pdev) > pci_dev_id(edu->pdev))
			break;
	list_add_tail(&edu->node, &next->node);
	mutex_unlock(&edu_list_lock);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = edu_set_mask(pdev);
	if (ret)
		return ret;

	edu = edu_alloc(pdev);
	if (!edu)
		return -ENOMEM;
	edu->regs = pcim_iomap_region(pdev, 0, "edu");
	ret = PTR_ERR_OR_ZERO(edu->regs);
	if (ret)
		goto err_put;
	ret = edu_check_alive(edu);
	if (ret)
		goto err_put;

	pci_set_master(pdev);
	ret = edu_setup_irq(edu);
	if (ret)
		goto err_put;

	pci_set_drvdata(pdev, edu);
	edu_enlist(edu);
	pci_info(pdev, "edu: %s, mask %#llx\n",
		 pdev->msi_enabled ? "MSI" : "INTx", dma_get_mask(&pdev->dev));
	return 0;

err_put:
	edu_put(edu);
	return ret;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	mutex_lock(&edu_list_lock);
	list_del_init(&edu->node);
	mutex_unlock(&edu_list_lock);

	/* A transfer in flight holds the lock until the device is done. */
	mutex_lock(&edu->lock);
	edu->gone = true;
	mutex_unlock(&edu->lock);

	edu_drop_irq(edu);
	pci_clear_master(pdev);
	edu_put(edu);
}

static ssize_t dma_bytes_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct edu *edu = dev_get_drvdata(dev);
	u64 bytes;

	mutex_lock(&edu->lock);
	bytes = edu->bytes;
	mutex_unlock(&edu->lock);
	return sysfs_emit(buf, "%llu\n", bytes);
}
static DEVICE_ATTR_RO(dma_bytes);

/* @mem to the device and back to its second half: 0 if the same arrives. */
static int edu_copy(struct edu *edu, u8 *mem, size_t len)
{
	struct device *dev = &edu->pdev->dev;
	dma_addr_t addr;
	int ret;

	get_random_bytes(mem, len);
	memset(mem + len, 0, len);
	addr = dma_map_single(dev, mem, 2 * len, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr))
		return -ENOMEM;
	ret = edu_dma_to_device(edu, addr, 0, len);
	if (!ret)
		ret = edu_dma_from_device(edu, addr + len, 0, len);
	/* Timed out: the device may write there still. */
	if (ret == -ETIMEDOUT)
		return ret;
	dma_unmap_single(dev, addr, 2 * len, DMA_BIDIRECTIONAL);
	if (!ret && memcmp(mem, mem + len, len))
		ret = -EBADMSG;
	return ret;
}

/* A write fails unless the device moves data as it should. */
static ssize_t check_dma_store(struct device *dev,
			       struct device_attribute *attr, const char *buf,
			       size_t count)
{
	const size_t len = EDU_BUF_SIZE & ~63;
	int ret = -ENOMEM;
	u8 *mem;

	mem = kmalloc(2 * len, GFP_KERNEL);
	if (mem)
		ret = edu_copy(dev_get_drvdata(dev), mem, len);
	if (ret != -ETIMEDOUT)
		kfree(mem);
	return ret ?: count;
}
static DEVICE_ATTR_WO(check_dma);

static struct attribute *edu_attrs[] = {
	&dev_attr_check_dma.attr,
	&dev_attr_dma_bytes.attr,
	NULL
};
ATTRIBUTE_GROUPS(edu);

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
	.dev_groups = edu_groups,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("QEMU educational device, as a DMA engine for tests");
MODULE_LICENSE("GPL");
