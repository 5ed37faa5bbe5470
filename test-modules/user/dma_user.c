// SPDX-License-Identifier: GPL-2.0
/*
 * A process that shares DMA buffers with a device: what one writes the other
 * reads, through whole and partial mappings; nothing beyond the buffer can be
 * mapped; nothing that the kernel left in memory can be read.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "dma_user.h"
#include "ktap.h"

#define PAGE	4096u
#define PAGES	5u
#define SECRET	0xa5
#define LEN	3000u

static const char *const names[DMA_USER_KINDS] = {
	"unmapped", "unmapped_contiguous", "unmapped_wc", "unmapped_atomic",
	"coherent", "noncontiguous", "pages",
};

static int open_buffer(unsigned int kind, unsigned int size)
{
	struct dma_user_alloc a = { .kind = kind, .size = size,
				    .secret = SECRET };
	int fd = open("/dev/dma_user", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, DMA_USER_ALLOC, &a)) {
		ktap_log("# %s: %s", names[kind], strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static unsigned char *map(int fd, unsigned long long first, unsigned int count)
{
	void *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, first * PAGE);

	return p == MAP_FAILED ? NULL : p;
}

static unsigned char byte(unsigned int kind, unsigned int i)
{
	return i * 7 + i / 251 * 13 + kind * 31 + 1;
}

/* All pages, the last one to its end, are zero before anybody writes. */
static bool no_old_data(unsigned int kind)
{
	int fd = open_buffer(kind, PAGES * PAGE - 1000);
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	unsigned int i, old = 0;

	if (!p)
		return false;
	for (i = 0; i < PAGES * PAGE; i++)
		old += p[i] != 0;
	if (old)
		ktap_log("# %s: %u bytes of old data", names[kind], old);
	munmap(p, PAGES * PAGE);
	close(fd);
	return !old;
}

/* Written through one mapping, copied by the device, read through another. */
static bool there_and_back(unsigned int kind)
{
	struct dma_user_copy c = { .from = PAGE - 500, .to = 3 * PAGE - 500,
				   .len = LEN };
	int fd = open_buffer(kind, PAGES * PAGE);
	unsigned char *whole, *part;
	unsigned int i, bad = 0;

	if (fd < 0)
		return false;
	whole = map(fd, 0, PAGES);
	part = map(fd, 2, 2);
	if (!whole || !part) {
		ktap_log("# %s: mmap: %s", names[kind], strerror(errno));
		return false;
	}
	for (i = 0; i < LEN; i++)
		whole[c.from + i] = byte(kind, i);
	if (ioctl(fd, DMA_USER_COPY, &c)) {
		ktap_log("# %s: copy: %s", names[kind], strerror(errno));
		return false;
	}
	for (i = 0; i < LEN; i++) {
		bad += whole[c.to + i] != byte(kind, i);
		if (c.to + i >= 2 * PAGE && c.to + i < 4 * PAGE)
			bad += part[c.to + i - 2 * PAGE] != byte(kind, i);
	}
	bad += whole[c.to - 1] != 0 || whole[c.to + LEN] != 0;
	/* What is written through the part is in the whole. */
	part[PAGE] = 0x77;
	bad += whole[3 * PAGE] != 0x77;
	if (bad)
		ktap_log("# %s: %u bytes differ", names[kind], bad);
	munmap(part, 2 * PAGE);
	munmap(whole, PAGES * PAGE);
	close(fd);
	return !bad;
}

static bool refused(unsigned int kind)
{
	static const struct {
		unsigned long long first;
		unsigned int count;
	} tries[] = {
		{ 0, PAGES + 1 }, { 1, PAGES }, { PAGES - 1, 2 }, { PAGES, 1 },
		{ 1000, 1 }, { 0x7ffff, 1 }, { 0xffffe, 1 },
	};
	int fd = open_buffer(kind, PAGES * PAGE);
	unsigned int i, bad = 0;

	if (fd < 0)
		return false;
	for (i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		unsigned char *p;

		errno = 0;
		p = map(fd, tries[i].first, tries[i].count);
		if (!p && errno == ENXIO)
			continue;
		ktap_log("# %s: pages %llu+%u: %s", names[kind], tries[i].first,
			 tries[i].count, p ? "mapped" : strerror(errno));
		if (p)
			munmap(p, tries[i].count * PAGE);
		bad++;
	}
	close(fd);
	return !bad;
}

/* A mapping keeps the buffer, also after its file was closed and after fork. */
static bool mapping_holds(unsigned int kind)
{
	int fd = open_buffer(kind, PAGES * PAGE);
	unsigned char *p = fd < 0 ? NULL : map(fd, 1, 1);
	bool ok;

	if (!p)
		return false;
	close(fd);
	p[5] = 0x42;
	/* Somebody else gets memory now: not this. */
	fd = open_buffer(kind, PAGES * PAGE);
	ok = fd >= 0 && p[5] == 0x42;
	close(fd);
	munmap(p, PAGE);
	return ok;
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*run)(unsigned int kind);
	} cases[] = {
		{ "x1_x6_no_old_data", no_old_data },
		{ "x6_there_and_back", there_and_back },
		{ "x6_past_the_end", refused },
		{ "x6_mapping_holds", mapping_holds },
	};
	unsigned int c, k, n = sizeof(cases) / sizeof(*cases);
	char name[100];

	ktap_begin("dma_user", n * DMA_USER_KINDS);
	for (c = 0; c < n; c++) {
		for (k = 0; k < DMA_USER_KINDS; k++) {
			snprintf(name, sizeof(name), "%s_%s", cases[c].name,
				 names[k]);
			ktap_case(cases[c].run(k), name);
		}
	}
	return ktap_end();
}
