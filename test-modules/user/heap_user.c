// SPDX-License-Identifier: GPL-2.0
/*
 * A program that allocates buffers from heaps, once, and has them mapped later: for
 * itself, for its children, and by a driver for its devices. It knows nothing but
 * the interfaces that every such program uses.
 *
 * The heap "system" is the kernel's own: what holds for the other heaps holds for
 * it as well, except that its buffers are no backings.
 */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

#include "heap_user.h"
#include "ktap.h"

#define PAGE	4096u
#define PAGES	9u
#define SIZE	(PAGES * PAGE)
#define LEN	3000u
#define LARGE	(48u << 20)

static const char *const heaps[] = {
	"system_cached", "system_write_combine", "system_uncached", "system",
};

#define HEAPS	(sizeof(heaps) / sizeof(*heaps))
#define SYSTEM	(HEAPS - 1)
#define CACHED	0

static bool present(unsigned int heap)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heaps[heap]);
	return !access(path, F_OK);
}

static int alloc(unsigned int heap, size_t size)
{
	struct dma_heap_allocation_data data = {
		.len = size, .fd_flags = O_RDWR | O_CLOEXEC,
	};
	char path[64];
	int fd, ret;

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heaps[heap]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data);
	close(fd);
	if (ret) {
		ktap_log("# %s: %zu bytes: %s", heaps[heap], size,
			 strerror(errno));
		return -1;
	}
	return data.fd;
}

static unsigned char *map(int fd, unsigned int first, unsigned int count)
{
	void *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, first * PAGE);

	if (p == MAP_FAILED)
		ktap_log("# mmap of pages %u+%u: %s", first, count,
			 strerror(errno));
	return p == MAP_FAILED ? NULL : p;
}

static bool sync_buf(int fd, unsigned long long flags)
{
	struct dma_buf_sync s = { .flags = flags };
	int ret;

	do {
		ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &s);
	} while (ret && (errno == EAGAIN || errno == EINTR));
	if (ret)
		ktap_log("# sync %llu: %s", flags, strerror(errno));
	return !ret;
}

static bool begin(int fd, unsigned int flags)
{
	return sync_buf(fd, DMA_BUF_SYNC_START | flags);
}

static bool end(int fd, unsigned int flags)
{
	return sync_buf(fd, DMA_BUF_SYNC_END | flags);
}

static int import(int fd, unsigned int way, unsigned int device)
{
	struct heap_user_import im = { .fd = fd, .way = way, .device = device };
	int drv = open("/dev/heap_user", O_RDWR | O_CLOEXEC), error;

	if (drv >= 0 && !ioctl(drv, HEAP_USER_IMPORT, &im))
		return drv;
	error = errno;
	ktap_log("# import, way %u, device %u: %s", way, device,
		 strerror(error));
	if (drv >= 0)
		close(drv);
	errno = error;
	return -1;
}

/*
 * What the kernel's own heap gives out is in pieces, or by chance it is not, and a
 * device without an IOMMU gets pieces only if it asks for a list.
 */
static int import_of(unsigned int heap, int fd, unsigned int way,
		     unsigned int device)
{
	int drv = import(fd, way, device);

	if (drv >= 0 || heap != SYSTEM || way != HEAP_USER_BIND ||
	    errno != EOPNOTSUPP)
		return drv;
	return import(fd, HEAP_USER_ATTACH, device);
}

static unsigned int ask(unsigned int cmd)
{
	int drv = open("/dev/heap_user", O_RDWR | O_CLOEXEC);
	int n = ioctl(drv, cmd);

	close(drv);
	return n > 0 ? n : 0;
}

static bool copy(int drv, unsigned int from, unsigned int to)
{
	struct heap_user_copy c = { .from = from, .to = to, .len = LEN };

	if (!ioctl(drv, HEAP_USER_COPY, &c))
		return true;
	ktap_log("# copy from %u to %u: %s", from, to, strerror(errno));
	return false;
}

static unsigned char byte(unsigned int seed, unsigned int i)
{
	return i * 7 + i / 251 * 13 + seed * 31 + 1;
}

static bool fill(int fd, unsigned char *p, unsigned int off, unsigned int seed)
{
	unsigned int i;

	if (!begin(fd, DMA_BUF_SYNC_WRITE))
		return false;
	for (i = 0; i < LEN; i++)
		p[off + i] = byte(seed, i);
	return end(fd, DMA_BUF_SYNC_WRITE);
}

static bool check(int fd, const unsigned char *p, unsigned int off,
		  unsigned int seed)
{
	unsigned int i, bad = 0;

	if (!begin(fd, DMA_BUF_SYNC_READ))
		return false;
	for (i = 0; i < LEN; i++)
		bad += p[off + i] != byte(seed, i);
	if (bad)
		ktap_log("# %u bytes differ at %u", bad, off);
	return end(fd, DMA_BUF_SYNC_READ) && !bad;
}

/* All is zero, and nothing beyond the end can be had. */
static bool new_memory(unsigned int heap)
{
	int fd = alloc(heap, SIZE - 1000);
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	unsigned int i, old = 0;
	bool ok = true;

	if (!p)
		return false;
	begin(fd, DMA_BUF_SYNC_READ);
	for (i = 0; i < SIZE; i++)
		old += p[i] != 0;
	end(fd, DMA_BUF_SYNC_READ);
	if (old)
		ktap_log("# %u bytes of old data", old);
	ok &= lseek(fd, 0, SEEK_END) == SIZE;
	ok &= mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, SIZE) == MAP_FAILED;
	ok &= mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, SIZE - PAGE) ==
	      MAP_FAILED;
	munmap(p, SIZE);
	close(fd);
	return ok && !old;
}

/* Across pages and pieces, through the whole and through a part. */
static bool there_and_back_by(unsigned int heap, unsigned int way,
			      unsigned int device)
{
	int fd = alloc(heap, SIZE), drv;
	unsigned char *whole, *part;
	bool ok;

	if (fd < 0)
		return false;
	whole = map(fd, 0, PAGES);
	part = map(fd, 4, 2);
	drv = import_of(heap, fd, way, device);
	if (!whole || !part || drv < 0)
		return false;
	ok = fill(fd, whole, PAGE - 500, 1) &&
	     copy(drv, PAGE - 500, 4 * PAGE + 700) &&
	     check(fd, whole, 4 * PAGE + 700, 1) && check(fd, part, 700, 1) &&
	     fill(fd, part, PAGE - 99, 2) &&
	     copy(drv, 5 * PAGE - 99, 7 * PAGE + 1) &&
	     check(fd, whole, 7 * PAGE + 1, 2);
	close(drv);
	munmap(part, 2 * PAGE);
	munmap(whole, SIZE);
	close(fd);
	return ok;
}

static bool attached(unsigned int heap)
{
	return there_and_back_by(heap, HEAP_USER_ATTACH, 0);
}

static bool bound(unsigned int heap)
{
	int fd, drv;
	bool ok;

	if (!there_and_back_by(heap, HEAP_USER_BIND, 0))
		return false;
	/* One page is contiguous, whoever has it. */
	fd = alloc(heap, PAGE);
	drv = import(fd, HEAP_USER_BIND, 0);
	ok = drv >= 0 && copy(drv, 0, PAGE - LEN);
	if (drv >= 0)
		close(drv);
	close(fd);
	return ok;
}

/* One device writes what another has left, in turn, in either way. */
static bool several_mappers(unsigned int heap)
{
	unsigned int i, n = ask(HEAP_USER_DEVICES), seed = 7, at = 0;
	int fd = alloc(heap, SIZE), drv[4] = { -1, -1, -1, -1 };
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	bool ok = p && n;

	for (i = 0; ok && i < 4; i++) {
		drv[i] = import_of(heap, fd, i % HEAP_USER_WAYS, i / 2 % n);
		ok = drv[i] >= 0;
	}
	ok = ok && fill(fd, p, at, seed);
	for (i = 0; ok && i < 4; i++) {
		ok = copy(drv[i], at, at + 2 * PAGE - 100);
		at += 2 * PAGE - 100;
	}
	ok = ok && check(fd, p, at, seed);
	for (i = 0; i < 4; i++)
		if (drv[i] >= 0)
			close(drv[i]);
	if (p)
		munmap(p, SIZE);
	close(fd);
	return ok;
}

/* A child writes through what it inherited; both see it, and either can go. */
static bool forked(unsigned int heap)
{
	int fd = alloc(heap, SIZE), drv, status = -1;
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	bool ok;
	pid_t pid;

	if (!p)
		return false;
	drv = import(fd, HEAP_USER_ATTACH, 0);
	if (drv < 0)
		return false;
	pid = fork();
	if (!pid) {
		/* A part of it goes, and the rest stays. */
		munmap(p + 8 * PAGE, PAGE);
		_exit(fill(fd, p, 100, 3) && copy(drv, 100, 2 * PAGE) ? 0 : 1);
	}
	ok = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
	ok = ok && check(fd, p, 2 * PAGE, 3) && copy(drv, 2 * PAGE, 7 * PAGE + 9) &&
	     check(fd, p, 7 * PAGE + 9, 3);
	close(drv);
	munmap(p, SIZE);
	close(fd);
	return ok;
}

/* A process that is killed with an access open; the next one goes on. */
static bool killed(unsigned int heap)
{
	int fd = alloc(heap, SIZE), drv = -1, status;
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	unsigned int i;
	bool ok;
	pid_t pid;

	if (!p)
		return false;
	pid = fork();
	if (!pid) {
		begin(fd, DMA_BUF_SYNC_RW);
		for (i = 0; i < LEN; i++)
			p[i] = byte(5, i);
		abort();
	}
	ok = pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
	drv = import(fd, HEAP_USER_ATTACH, 0);
	ok = ok && drv >= 0 && copy(drv, 0, 3 * PAGE) &&
	     check(fd, p, 3 * PAGE, 5);
	/* And ends that nobody has begun. */
	ok = ok && end(fd, DMA_BUF_SYNC_RW) && end(fd, DMA_BUF_SYNC_READ) &&
	     fill(fd, p, 0, 6) && copy(drv, 0, 5 * PAGE) &&
	     check(fd, p, 5 * PAGE, 6);
	if (drv >= 0)
		close(drv);
	munmap(p, SIZE);
	close(fd);
	return ok;
}

/* The file, the mapping and the driver: whichever goes, the others work. */
static bool closed_in_order(unsigned int heap, const char *order)
{
	int fd = alloc(heap, SIZE), drv;
	unsigned char *p = fd < 0 ? NULL : map(fd, 0, PAGES);
	bool ok, has_fd = true, has_map = true, has_drv = true;

	if (!p)
		return false;
	drv = import_of(heap, fd, HEAP_USER_BIND, 0);
	if (drv < 0)
		return false;
	ok = fill(fd, p, 0, 8);
	for (; *order; order++) {
		switch (*order) {
		case 'f':
			close(fd);
			has_fd = false;
			break;
		case 'm':
			munmap(p, SIZE);
			has_map = false;
			break;
		case 'd':
			close(drv);
			has_drv = false;
			break;
		}
		if (has_drv)
			ok &= copy(drv, 0, 4 * PAGE);
		if (has_fd && !has_map) {
			p = map(fd, 0, PAGES);
			ok &= p && check(fd, p, 0, 8);
			munmap(p, SIZE);
		}
		if (has_map)
			ok &= p[LEN - 1] == byte(8, LEN - 1);
	}
	return ok;
}

static bool closed_in_any_order(unsigned int heap)
{
	static const char *const orders[] = {
		"fmd", "fdm", "mfd", "mdf", "dfm", "dmf",
	};
	unsigned int i;
	bool ok = true;

	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		if (closed_in_order(heap, orders[i]))
			continue;
		ktap_log("# order %s", orders[i]);
		ok = false;
	}
	return ok;
}

/* In total more than a machine of 1 GiB has: each time all of it comes back. */
static bool all_of_it_comes_back(unsigned int heap)
{
	unsigned int i;

	for (i = 0; i < 24; i++) {
		int fd = alloc(heap, LARGE);
		unsigned char *p;
		int drv = -1;

		if (fd < 0)
			return false;
		p = map(fd, LARGE / PAGE - 1, 1);
		/* Only some of the orders, and not all of them with a driver. */
		if (i % 3 == 0)
			drv = import(fd, HEAP_USER_ATTACH, 0);
		if (!p || (i % 3 == 0 && drv < 0))
			return false;
		p[5] = i;
		if (i & 1)
			close(fd);
		if (drv >= 0)
			close(drv);
		munmap(p, PAGE);
		if (!(i & 1))
			close(fd);
	}
	return true;
}

/*
 * A device that is mapped directly and looks into the caches must not have memory
 * that is not cached. Every other device gets what there is.
 */
static bool conflict(unsigned int heap)
{
	return ask(HEAP_USER_SNOOPS) && heap != SYSTEM && heap != CACHED;
}

static bool attributes_agree(unsigned int heap)
{
	unsigned int way;
	bool ok = true;

	for (way = 0; way < HEAP_USER_WAYS; way++) {
		int fd = alloc(heap, SIZE);
		int drv = import_of(heap, fd, way, 0);

		if (conflict(heap))
			ok &= drv < 0 && errno == EINVAL;
		else
			ok &= drv >= 0;
		if (drv >= 0)
			close(drv);
		close(fd);
	}
	return ok;
}

static bool refused(unsigned int heap)
{
	int fd = alloc(heap, SIZE);
	bool ok = fd >= 0;

	/* A copy of a page would be nobody's. The kernel's own heap allows it. */
	if (heap != SYSTEM) {
		ok &= mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
			   0) == MAP_FAILED;
		ok &= errno == EINVAL;
	}
	ok &= ioctl(fd, DMA_BUF_IOCTL_SYNC, &(struct dma_buf_sync){ .flags = 64 }) ==
	      -1 && errno == EINVAL;
	ok &= ioctl(fd, DMA_BUF_IOCTL_SYNC, &(struct dma_buf_sync){ .flags = 0 }) ==
	      -1 && errno == EINVAL;
	close(fd);
	return ok;
}

/* Sizes that are no whole chunks, and no whole pages. */
static bool sizes(unsigned int heap)
{
	static const unsigned int tries[] = {
		1, PAGE, PAGE + 1, 65536, 65536 + PAGE, 1 << 20, (1 << 20) + 100,
		3 << 20, (2 << 20) + 65536 + PAGE,
	};
	unsigned int i;

	for (i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		unsigned int size = (tries[i] + PAGE - 1) / PAGE * PAGE;
		int fd = alloc(heap, tries[i]);
		unsigned char *p = fd < 0 ? NULL : map(fd, 0, size / PAGE);

		if (!p || lseek(fd, 0, SEEK_END) != size || p[size - 1])
			return false;
		p[size - 1] = 1;
		munmap(p, size);
		close(fd);
	}
	return true;
}

/* Kilobytes, or 0 if it does not say. */
static inline unsigned long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kb = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kb = strtoul(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

/* What is missing is missing for a reason. */
static bool heaps_of_the_machine(void)
{
	bool uncached = false, ok = present(CACHED) && present(SYSTEM);
	unsigned int h;

#if defined(__aarch64__)
	uncached = true;
#elif defined(__arm__)
	uncached = meminfo("HighTotal:") || meminfo("CmaTotal:");
#endif
	for (h = CACHED + 1; h < SYSTEM; h++)
		ok &= present(h) == uncached;
	return ok;
}

int main(void)
{
	static const struct {
		const char *name;
		bool (*run)(unsigned int heap);
		const char *not_system;
		bool device;
	} cases[] = {
		{ "r004_4_new_memory", new_memory, NULL, false },
		{ "r003_5_sizes", sizes, NULL, false },
		{ "r004_4_attached", attached, NULL, true },
		{ "r001_4_bound", bound, NULL, true },
		{ "r004_8_several_mappers", several_mappers, 
		  "DMA debugging finds several mappers of such memory wrong", true },
		{ "r004_8_forked", forked, NULL, true },
		{ "r004_8_killed", killed, NULL, true },
		{ "r000_4_closed_in_any_order", closed_in_any_order, NULL, true },
		{ "r000_4_all_of_it_comes_back", all_of_it_comes_back, 
		  "it is not what is tested here", true },
		{ "r000_2_attributes_agree", attributes_agree, NULL, false },
		{ "r000_2_refused", refused, NULL, false },
	};
	unsigned int c, h, n = sizeof(cases) / sizeof(*cases);
	char name[100];

	ktap_begin("heap_user", n * HEAPS + 1);
	ktap_case(heaps_of_the_machine(), "r000_3_heaps_of_the_machine");
	for (c = 0; c < n; c++) {
		for (h = 0; h < HEAPS; h++) {
			snprintf(name, sizeof(name), "%s_%s", cases[c].name,
				 heaps[h]);
			if (!present(h))
				ktap_skip(name, "this machine has no such heap");
			else if (h == SYSTEM && cases[c].not_system)
				ktap_skip(name, cases[c].not_system);
			else if (cases[c].device && conflict(h))
				ktap_skip(name, "the device looks into the caches");
			else
				ktap_case(cases[c].run(h), name);
		}
	}
	return ktap_end();
}
