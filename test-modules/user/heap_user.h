/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /dev/heap_user: a driver that is given dma-bufs, for user/heap_user.c. Each open
 * file has one at most, in the way that it asked for, and lets an edu device copy
 * in it.
 */
#ifndef _TEST_USER_HEAP_USER_H
#define _TEST_USER_HEAP_USER_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum heap_user_way {
	HEAP_USER_ATTACH,	/* as every importer: attach and map */
	HEAP_USER_BIND,		/* dma_backing_import() and dma_iova_bind() */
	HEAP_USER_WAYS,
};

struct heap_user_import {
	__s32 fd;
	__u32 way;
	__u32 device;	/* which of the edu devices */
};

struct heap_user_copy {
	__u32 from;	/* offsets in the buffer, bytes */
	__u32 to;
	__u32 len;
};

#define HEAP_USER_IMPORT	_IOW('h', 1, struct heap_user_import)
/* The device reads @len bytes and writes them elsewhere. */
#define HEAP_USER_COPY		_IOW('h', 2, struct heap_user_copy)
/* How many devices there are. */
#define HEAP_USER_DEVICES	_IO('h', 3)
/* Whether the first is mapped directly, and looks into the caches. */
#define HEAP_USER_SNOOPS	_IO('h', 4)

#endif
