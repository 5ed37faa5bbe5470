// SPDX-License-Identifier: GPL-2.0
/*
 * Takes a PCI device from the kernel, through vfio, and lets go of it.
 *
 *	takeover <group> <PCI address> [edu]
 *
 * While it has the device nobody else may have its group, and the type of the
 * group's domain cannot be changed. With "edu" the device moves data between
 * pages of this process, at addresses that this process chose. What is wrong is
 * said in the log; the exit status is 0 if nothing was.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "ktap.h"

#define SIZE		4096u
/* Within edu's 28 bits, and outside the doorbells of every machine. */
#define IOVA		0x2345000u
#define PCI_COMMAND	4
#define PCI_MASTER	4

/* As in edu.c, which says why the last byte is left out */
#define EDU_SRC		0x80
#define EDU_DST		0x88
#define EDU_COUNT	0x90
#define EDU_CMD		0x98
#define EDU_BUFFER	0x40000
#define EDU_RUN		1u
#define EDU_TO_RAM	2u
#define EDU_LENGTH	(SIZE - 1)

static const char *address;

static bool fail(const char *what)
{
	ktap_log("# takeover of %s: %s: %s", address, what, strerror(errno));
	return false;
}

struct device {
	int container, group, fd;
	unsigned long long bar;		/* offset of BAR 0 in fd */
};

static bool open_container(struct device *dev, const char *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	dev->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	dev->group = open(group, O_RDWR | O_CLOEXEC);
	if (dev->container < 0 || dev->group < 0)
		return fail(group);
	if (ioctl(dev->group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return fail("the group is not viable");
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container))
		return fail("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return fail("VFIO_SET_IOMMU");
	return true;
}

static bool open_device(struct device *dev)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	unsigned short command;

	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, address);
	if (dev->fd < 0)
		return fail("VFIO_GROUP_GET_DEVICE_FD");
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &config))
		return fail("VFIO_DEVICE_GET_REGION_INFO");
	dev->bar = bar.offset;
	if (pread(dev->fd, &command, 2, config.offset + PCI_COMMAND) != 2)
		return fail("reading the command register");
	command |= PCI_MASTER;
	if (pwrite(dev->fd, &command, 2, config.offset + PCI_COMMAND) != 2)
		return fail("writing the command register");
	return true;
}

/* The group has an owner, and its domain is the owner's. */
static bool nobody_else(const char *group, const char *type)
{
	int fd = open(group, O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		ktap_log("# %s can be opened twice", group);
		close(fd);
		return false;
	}
	if (errno != EBUSY)
		return fail(group);
	fd = open(type, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(type);
	if (write(fd, "identity", 8) == 8) {
		ktap_log("# %s can be written", type);
		close(fd);
		return false;
	}
	close(fd);
	return true;
}

static bool set(struct device *dev, unsigned int reg, unsigned int value)
{
	return pwrite(dev->fd, &value, 4, dev->bar + reg) == 4;
}

/* The bytes of one page go to the device, or come from it into another. */
static bool transfer(struct device *dev, unsigned int src, unsigned int dst,
		     unsigned int direction)
{
	unsigned int command, tries;

	if (!set(dev, EDU_SRC, src) || !set(dev, EDU_DST, dst) ||
	    !set(dev, EDU_COUNT, EDU_LENGTH) ||
	    !set(dev, EDU_CMD, EDU_RUN | direction))
		return fail("writing a register");
	for (tries = 0; tries < 500; tries++) {
		if (pread(dev->fd, &command, 4, dev->bar + EDU_CMD) != 4)
			return fail("reading a register");
		if (!(command & EDU_RUN))
			return true;
		usleep(10000);
	}
	errno = ETIMEDOUT;
	return fail("a transfer");
}

static bool map(struct device *dev, void *page, unsigned int iova)
{
	struct vfio_iommu_type1_dma_map request = {
		.argsz = sizeof(request),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (unsigned long)page, .iova = iova, .size = SIZE,
	};

	return !ioctl(dev->container, VFIO_IOMMU_MAP_DMA, &request) ||
		fail("VFIO_IOMMU_MAP_DMA");
}

static bool unmap(struct device *dev, unsigned int iova)
{
	struct vfio_iommu_type1_dma_unmap request = {
		.argsz = sizeof(request), .iova = iova, .size = SIZE,
	};

	return (!ioctl(dev->container, VFIO_IOMMU_UNMAP_DMA, &request) &&
		request.size == SIZE) || fail("VFIO_IOMMU_UNMAP_DMA");
}

static bool data(struct device *dev)
{
	unsigned char *out, *in;
	unsigned int i;
	bool ok;

	out = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (out == MAP_FAILED)
		return fail("mmap");
	in = out + SIZE;
	for (i = 0; i < SIZE; i++)
		out[i] = i * 7 + i / 256;
	memset(in, 0x5a, SIZE);
	ok = map(dev, out, IOVA) && map(dev, in, IOVA + 2 * SIZE) &&
		transfer(dev, IOVA, EDU_BUFFER, 0) &&
		transfer(dev, EDU_BUFFER, IOVA + 2 * SIZE, EDU_TO_RAM) &&
		unmap(dev, IOVA) && unmap(dev, IOVA + 2 * SIZE);
	if (ok && (memcmp(out, in, EDU_LENGTH) || in[EDU_LENGTH] != 0x5a)) {
		ktap_log("# takeover of %s: other data came back", address);
		ok = false;
	}
	munmap(out, 2 * SIZE);
	return ok;
}

int main(int argc, char **argv)
{
	char group[64], type[64];
	struct device dev;

	if (argc < 3)
		return 2;
	address = argv[2];
	snprintf(group, sizeof(group), "/dev/vfio/%s", argv[1]);
	snprintf(type, sizeof(type), "/sys/kernel/iommu_groups/%s/type", argv[1]);
	/* The kernel closes what a failure leaves open. */
	return !(open_container(&dev, group) && open_device(&dev) &&
		 nobody_else(group, type) && (argc < 4 || data(&dev)));
}
