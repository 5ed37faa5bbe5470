// SPDX-License-Identifier: GPL-2.0
/*
 * A scene to be looked at: three devices with a frame, as long as this is loaded
 *
 * A camera writes a frame, a codec works on it with memory of its own, a display
 * shows it. Camera and codec are edu devices behind an IOMMU, each in a space that
 * is made for it; the display is one that nothing translates. Each has done a
 * transfer in the frame when the module is loaded. The kernel looks at the codec's
 * memory. In the camera's space something is reserved, and nothing bound.
 *
 * The parameters are the PCI addresses of the devices. /sys/kernel/debug/dma_backing
 * has the scene then, and scripts/mapping-graph draws it.
 *
 * Lifetime: all of it is made in module_init() and undone, in reverse, when the
 * module goes. The devices have their interrupt off when they change their space.
 */
#include <linux/dma-backing.h>
#include <linux/dma-mapping.h>
#include <linux/dma-space.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "edu.h"

#define FRAME_SIZE	SZ_256K
#define SCRATCH_SIZE	SZ_1M

enum { CAMERA, CODEC, DISPLAY, ACTORS };

static char *addr[ACTORS];
static int addr_count;
module_param_array_named(devices, addr, charp, &addr_count, 0444);
MODULE_PARM_DESC(devices, "PCI addresses of camera, codec and display");

/**
 * struct actor - a device, and what is its own
 * @edu: the device
 * @space: the space that it is attached to, or NULL
 * @attached: it is
 * @state: the reservation for the frame
 * @binding: the frame
 */
struct actor {
	struct edu *edu;
	struct dma_space *space;
	bool attached;
	struct dma_iova_state state;
	struct dma_binding binding;
};

static struct actor actor[ACTORS];
static struct dma_iova_state spare, scratch_state;
static struct dma_binding scratch_binding;
static struct dma_backing *frame, *scratch;
static void *scratch_vaddr;

static int find(struct actor *a, const char *name)
{
	struct device *dev = bus_find_device_by_name(&pci_bus_type, NULL, name);

	if (!dev)
		return -ENODEV;
	a->edu = edu_find(dev);
	put_device(dev);
	return PTR_ERR_OR_ZERO(a->edu);
}

static int enter(struct actor *a, dma_addr_t first)
{
	struct device *dev = edu_dev(a->edu);
	struct dma_space *space;
	int ret;

	edu_irq_off(a->edu);
	if (device_iommu_mapped(dev)) {
		space = dma_space_create(dev, first, first + SZ_16M - 1);
		if (IS_ERR(space))
			return PTR_ERR(space);
		a->space = space;
		ret = dma_space_attach(space, dev);
		if (ret)
			return ret;
		a->attached = true;
	}
	return edu_irq_on(a->edu);
}

static void leave(struct actor *a)
{
	if (IS_ERR_OR_NULL(a->edu))
		return;
	if (a->space) {
		edu_irq_off(a->edu);
		if (a->attached)
			dma_space_detach(edu_dev(a->edu));
		dma_space_put(a->space);
		edu_irq_on(a->edu);
	}
	edu_put(a->edu);
}

static int reserve(struct actor *a, struct dma_iova_state *state, size_t size)
{
	struct dma_iova_request req = { .size = size };

	return dma_iova_reserve(edu_dev(a->edu), state, &req);
}

static int take_frame(struct actor *a, enum dma_data_direction dir)
{
	int ret = reserve(a, &a->state, FRAME_SIZE);

	return ret ?: dma_iova_bind(edu_dev(a->edu), &a->state, &a->binding, 0,
				    frame, 0, FRAME_SIZE, dir, 0);
}

static void unbind(struct actor *a, struct dma_binding *binding,
		   struct dma_iova_state *state)
{
	if (binding->mapper.backing)
		dma_iova_unbind(binding);
	if (dma_iova_size(state))
		dma_iova_free(edu_dev(a->edu), state);
}

/* From one to the next, with nothing in between. */
static int play(void)
{
	int ret;

	ret = edu_dma_from_device(actor[CAMERA].edu,
				  dma_binding_addr(&actor[CAMERA].binding), 0,
				  SZ_2K);
	if (!ret)
		ret = edu_dma_to_device(actor[CODEC].edu,
					dma_binding_addr(&actor[CODEC].binding),
					0, SZ_2K);
	if (!ret)
		ret = edu_dma_to_device(actor[DISPLAY].edu,
				dma_binding_addr(&actor[DISPLAY].binding), 0,
				SZ_2K);
	return ret;
}

static int make_memory(void)
{
	/* The display wants it contiguous; the others take it as it is */
	frame = dma_backing_alloc(edu_dev(actor[DISPLAY].edu), FRAME_SIZE,
				  GFP_KERNEL, DMA_BACKING_CACHED);
	if (IS_ERR(frame))
		return PTR_ERR(frame);
	scratch = dma_backing_alloc(edu_dev(actor[CODEC].edu), SCRATCH_SIZE,
				    GFP_KERNEL, DMA_BACKING_CACHED);
	if (IS_ERR(scratch))
		return PTR_ERR(scratch);
	scratch_vaddr = dma_backing_vmap(scratch, 0);
	return PTR_ERR_OR_ZERO(scratch_vaddr);
}

static int bind_scratch(void)
{
	struct actor *a = &actor[CODEC];
	int ret = reserve(a, &scratch_state, SCRATCH_SIZE);

	return ret ?: dma_iova_bind(edu_dev(a->edu), &scratch_state,
				    &scratch_binding, 0, scratch, 0,
				    SCRATCH_SIZE, DMA_BIDIRECTIONAL, 0);
}

static void strike(void)
{
	int i;

	unbind(&actor[CODEC], &scratch_binding, &scratch_state);
	if (dma_iova_size(&spare))
		dma_iova_free(edu_dev(actor[CAMERA].edu), &spare);
	for (i = 0; i < ACTORS; i++)
		unbind(&actor[i], &actor[i].binding, &actor[i].state);
	if (!IS_ERR_OR_NULL(scratch_vaddr))
		dma_backing_vunmap(scratch);
	if (!IS_ERR_OR_NULL(scratch))
		dma_backing_put(scratch);
	if (!IS_ERR_OR_NULL(frame))
		dma_backing_put(frame);
	for (i = 0; i < ACTORS; i++)
		leave(&actor[i]);
}

static int set_up(void)
{
	int i, ret;

	for (i = 0; i < ACTORS; i++) {
		ret = find(&actor[i], addr[i]);
		if (!ret)
			ret = enter(&actor[i], SZ_32M + i * SZ_32M);
		if (ret)
			return ret;
	}
	ret = make_memory();
	if (!ret)
		ret = take_frame(&actor[CAMERA], DMA_FROM_DEVICE);
	if (!ret)
		ret = take_frame(&actor[CODEC], DMA_BIDIRECTIONAL);
	if (!ret)
		ret = take_frame(&actor[DISPLAY], DMA_TO_DEVICE);
	if (!ret)
		ret = reserve(&actor[CAMERA], &spare, SZ_64K);
	if (!ret)
		ret = bind_scratch();
	return ret ?: play();
}

static int __init dma_scene_init(void)
{
	int ret;

	if (addr_count != ACTORS)
		return -EINVAL;
	ret = set_up();
	if (ret) {
		pr_err("dma_scene: %d\n", ret);
		strike();
	}
	return ret;
}
module_init(dma_scene_init);

static void __exit dma_scene_exit(void)
{
	strike();
}
module_exit(dma_scene_exit);

MODULE_DESCRIPTION("Three devices with a frame, to be looked at");
MODULE_LICENSE("GPL");
