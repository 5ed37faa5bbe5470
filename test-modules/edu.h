/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interface of the edu driver: a DMA engine and an interrupt for tests.
 */
#ifndef _TEST_EDU_H
#define _TEST_EDU_H

#include <linux/types.h>

struct device;
struct edu;

/*
 * The device has a buffer of 4096 bytes, but QEMU up to 9.x stops the whole
 * machine ("DMA range out of bounds") when a transfer ends exactly at its end.
 */
#define EDU_BUF_SIZE	4095

unsigned int edu_count(void);
struct edu *edu_get(unsigned int n);
struct edu *edu_find(struct device *dev);
void edu_put(struct edu *edu);
struct device *edu_dev(struct edu *edu);
int edu_dma_to_device(struct edu *edu, dma_addr_t addr, size_t off, size_t len);
int edu_dma_from_device(struct edu *edu, dma_addr_t addr, size_t off,
			size_t len);
int edu_irq_on(struct edu *edu);
void edu_irq_off(struct edu *edu);
bool edu_irq_is_msi(struct edu *edu);
int edu_factorial(struct edu *edu, u32 n, u32 *result);

#endif /* _TEST_EDU_H */
