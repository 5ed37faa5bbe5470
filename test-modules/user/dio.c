// SPDX-License-Identifier: GPL-2.0
/*
 * Direct I/O on a raw block device: every transfer goes by DMA to and from
 * this program's own pages, at the sizes, offsets and shapes that make a DMA
 * mapping code go wrong.
 *
 *	dio <device> <seed> <bytes-file> <suite name>
 *
 * The host filled the device with the pattern of generation 0 (pattern.h).
 * Each thread owns a slice of the device and does a sequence of writes that
 * follows from the seed alone, so the host can say afterwards what every block
 * must contain (scripts/vm/pattern.py replays plan_op() below). After each
 * write the thread reads the range back into a buffer at another offset, and
 * now and then some older range; both must be what it last wrote there.
 *
 * Threads (processes, in fact) are pinned, THREADS_PER_CPU to a CPU, so that
 * every queue of the driver is used, with several requests in it.
 *
 * A thread reports through its own struct worker, in memory it shares with the
 * main process only, which reads it after the thread has ended.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "ktap.h"
#include "pattern.h"

#define THREADS_PER_CPU	2
#define MAX_THREADS	32
#define MAX_IO		(1u << 20)
#define MAX_BLOCKS	(MAX_IO / PATTERN_BLOCK)
#define PAGE		4096u
#define BUFFER		(MAX_IO + PAGE)
#define MAX_VECS	64
/*
 * Above this the block layer may cut a transfer into several requests. They
 * must not share a cache line, or one's completion invalidates what the other
 * is just receiving, and dma-debug says so: then start at a cache line.
 */
#define UNCUT		(128u << 10)
#define CACHE_LINE	64u
/* Each piece of a vector gets room for its largest size at any page offset. */
#define VEC_ROOM	(2 * PAGE)

enum phase { HOST_DATA, SIZES, UNALIGNED, VECTORS, MIXED, FINAL, PHASES };

static const char * const phase_name[PHASES] = {
	"data_written_by_the_host",
	"sizes_512_to_1M",
	"unaligned_buffers",
	"vectors_of_small_pieces",
	"mixed_random",
	"everything_once_more",
};

/* In blocks: powers of two, odd multiples, and neighbours of page multiples. */
static const uint16_t sizes[] = {
	1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
	3, 5, 7, 9, 11, 13, 15, 17, 31, 33, 63, 65, 127, 129,
	255, 257, 511, 513, 1023, 1025, 2047, 24, 40, 56, 264, 1032,
};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static const uint16_t phase_ops[PHASES] = {
	[SIZES] = N_SIZES, [UNALIGNED] = 32, [VECTORS] = 24, [MIXED] = 32,
};

struct params {
	int fd;
	uint64_t seed;
	uint32_t slice;			/* blocks a thread owns */
	unsigned int align;		/* of memory, as the device reports it */
	unsigned int threads, cpus;
};

struct worker {
	const struct params *p;
	unsigned int id;
	enum phase phase;
	uint32_t *gen;			/* generation of each block of the slice */
	char *out, *in;			/* page-aligned, BUFFER + vector room */
	uint64_t written, read;		/* bytes */
	bool failed;			/* and was said so */
};

/* What a write does; the host computes the same. */
struct op {
	uint32_t start, blocks;		/* inside the slice */
	uint32_t gen;
	uint64_t local;			/* seed of the choices the host need not know */
};

static uint64_t phase_seed(const struct worker *w)
{
	return mix64(w->p->seed + w->id * 1000003ull + w->phase * 7919ull);
}

static struct op plan_op(const struct worker *w, uint64_t *state, uint32_t n)
{
	struct op op;

	switch (w->phase) {
	case SIZES:
		op.blocks = sizes[n];
		break;
	case UNALIGNED:
		op.blocks = 1 + prng_below(state, n % 4 ? 64 : MAX_BLOCKS);
		break;
	case VECTORS:
		op.blocks = 1 + prng_below(state, 4 * MAX_VECS);
		break;
	default:
		op.blocks = sizes[prng_below(state, N_SIZES)];
		break;
	}
	op.start = prng_below(state, w->p->slice - op.blocks + 1);
	op.gen = (w->phase << 16) + n + 1;
	op.local = prng(state);
	return op;
}

static bool fail(struct worker *w, const char *what, uint64_t block, int err)
{
	if (!w->failed)
		ktap_log("# thread %u, %s: %s at block %llu%s%s", w->id,
			 phase_name[w->phase], what, (unsigned long long)block,
			 err ? ": " : "", err ? strerror(err) : "");
	w->failed = true;
	return false;
}

/* Where in a page a buffer starts: anything the device says it can do. */
static unsigned int buffer_offset(const struct worker *w, uint64_t *local)
{
	unsigned int steps = PAGE / w->p->align;

	switch (w->phase) {
	case HOST_DATA:
	case SIZES:
	case FINAL:
		return 0;
	default:
		switch (prng_below(local, 6)) {
		case 0:
			return w->p->align % PAGE;
		case 1:
			return PAGE - w->p->align;
		case 2:
			return 512;
		case 3:
			return 3584;
		default:
			return prng_below(local, steps) * w->p->align;
		}
	}
}

/*
 * Cut @blocks into at most MAX_VECS pieces of 512 to 4096 bytes, each in its
 * own room at its own offset. @blocks is at most 4 * MAX_VECS, so pieces of 8
 * blocks always suffice for what is left.
 */
static int cut(const struct worker *w, struct iovec *iov, char *mem,
	       uint32_t blocks, uint64_t *local)
{
	int n = 0;

	while (blocks) {
		uint32_t left = MAX_VECS - n;
		uint32_t min = blocks > (left - 1) * 8 ? blocks - (left - 1) * 8 : 1;
		uint32_t now = 1 + prng_below(local, 8);

		if (now < min)
			now = min;
		if (now > blocks)
			now = blocks;
		iov[n].iov_base = mem + n * VEC_ROOM + buffer_offset(w, local);
		iov[n].iov_len = now * PATTERN_BLOCK;
		blocks -= now;
		n++;
	}
	return n;
}

static int shape(const struct worker *w, struct iovec *iov, char *mem,
		 uint32_t blocks, uint64_t *local)
{
	bool vectors = w->phase == VECTORS ||
		       (w->phase == MIXED && blocks <= 4 * MAX_VECS &&
			prng_below(local, 3) == 0);
	unsigned int offset;

	if (vectors)
		return cut(w, iov, mem, blocks, local);
	offset = buffer_offset(w, local);
	iov[0].iov_len = blocks * PATTERN_BLOCK;
	if (iov[0].iov_len > UNCUT)
		offset -= offset % CACHE_LINE;
	iov[0].iov_base = mem + offset;
	return 1;
}

/* The n-th block of a vector: pieces are whole blocks, so it never straddles. */
static char *vec_block(const struct iovec *iov, uint32_t n)
{
	size_t at = (size_t)n * PATTERN_BLOCK;

	while (at >= iov->iov_len) {
		at -= iov->iov_len;
		iov++;
	}
	return (char *)iov->iov_base + at;
}

static bool read_range(struct worker *w, uint32_t start, uint32_t blocks,
		       uint64_t *local)
{
	uint64_t first = (uint64_t)w->id * w->p->slice + start;
	uint64_t want[PATTERN_WORDS];
	struct iovec iov[MAX_VECS];
	int n = shape(w, iov, w->in, blocks, local);
	ssize_t got;
	uint32_t i;

	for (i = 0; i < blocks; i++)
		memset(vec_block(iov, i), 0xee, PATTERN_BLOCK);
	got = preadv(w->p->fd, iov, n, first * PATTERN_BLOCK);
	if (got != (ssize_t)(blocks * PATTERN_BLOCK))
		return fail(w, "short read", first, got < 0 ? errno : 0);
	w->read += got;

	for (i = 0; i < blocks; i++) {
		pattern_fill(want, w->p->seed, first + i, w->gen[start + i]);
		if (memcmp(vec_block(iov, i), want, PATTERN_BLOCK))
			return fail(w, "wrong data", first + i, 0);
	}
	return true;
}

static bool write_range(struct worker *w, const struct op *op, uint64_t *local)
{
	uint64_t first = (uint64_t)w->id * w->p->slice + op->start;
	uint64_t block[PATTERN_WORDS];
	struct iovec iov[MAX_VECS];
	int n = shape(w, iov, w->out, op->blocks, local);
	ssize_t done;
	uint32_t i;

	for (i = 0; i < op->blocks; i++) {
		pattern_fill(block, w->p->seed, first + i, op->gen);
		memcpy(vec_block(iov, i), block, PATTERN_BLOCK);
		w->gen[op->start + i] = op->gen;
	}
	done = pwritev(w->p->fd, iov, n, first * PATTERN_BLOCK);
	if (done != (ssize_t)(op->blocks * PATTERN_BLOCK))
		return fail(w, "short write", first, done < 0 ? errno : 0);
	w->written += done;
	return true;
}

static bool read_slice(struct worker *w)
{
	uint32_t at, now;
	uint64_t local = phase_seed(w);

	for (at = 0; at < w->p->slice; at += now) {
		now = w->p->slice - at;
		if (now > MAX_BLOCKS)
			now = MAX_BLOCKS;
		if (!read_range(w, at, now, &local))
			return false;
	}
	return true;
}

static bool run_ops(struct worker *w)
{
	uint64_t state = phase_seed(w);
	uint32_t n;

	for (n = 0; n < phase_ops[w->phase]; n++) {
		struct op op = plan_op(w, &state, n);
		uint64_t local = op.local;

		if (!write_range(w, &op, &local) ||
		    !read_range(w, op.start, op.blocks, &local))
			return false;
		if (n % 4 == 3) {
			uint32_t blocks = 1 + prng_below(&local, 256);
			uint32_t start = prng_below(&local,
						    w->p->slice - blocks + 1);

			if (!read_range(w, start, blocks, &local))
				return false;
		}
	}
	return true;
}

static void work(struct worker *w)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(w->id % w->p->cpus, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail(w, "sched_setaffinity", 0, errno);
	else if (phase_ops[w->phase])
		run_ops(w);
	else
		read_slice(w);
}

/* A thread that died failed, whatever its struct says. */
static bool run_phase(struct worker *workers, const struct params *p,
		      enum phase phase)
{
	pid_t pid[MAX_THREADS];
	unsigned int i;
	bool ok = true;
	int status;

	for (i = 0; i < p->threads; i++) {
		struct worker *w = &workers[i];

		w->phase = phase;
		w->failed = false;
		pid[i] = fork();
		if (pid[i] == 0) {
			work(w);
			_exit(w->failed);
		}
		if (pid[i] < 0)
			fail(w, "fork", 0, errno);
	}
	for (i = 0; i < p->threads; i++) {
		status = -1;
		if (pid[i] < 0 || waitpid(pid[i], &status, 0) != pid[i] || status) {
			ktap_log("# thread %u, %s: ended with %#x", i,
				 phase_name[phase], status);
			ok = false;
		}
	}
	return ok;
}

/* A buffer one byte off must be refused, not sent to the device. */
static bool refuses_odd_buffer(const struct params *p, char *buf)
{
	errno = 0;
	return pread(p->fd, buf + 1, PATTERN_BLOCK, 0) < 0 && errno == EINVAL;
}

/*
 * Bytes the disk itself says it moved, from /sys/dev/block/M:N/stat: the proof
 * that nothing above came from the page cache.
 */
static bool disk_counters(const struct stat *st, uint64_t *rd, uint64_t *wr)
{
	unsigned long long f[7];
	char path[64];
	FILE *file;
	int n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		 major(st->st_rdev), minor(st->st_rdev));
	file = fopen(path, "r");
	if (!file)
		return false;
	n = fscanf(file, "%llu %llu %llu %llu %llu %llu %llu", &f[0], &f[1],
		   &f[2], &f[3], &f[4], &f[5], &f[6]);
	fclose(file);
	*rd = f[2] * 512;
	*wr = f[6] * 512;
	return n == 7;
}

static bool geometry(struct params *p, const char *path)
{
	unsigned long long size = 0;
	unsigned int logical = 0;
	struct statx stx;

	p->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	p->threads = p->cpus * THREADS_PER_CPU;
	if (p->threads > MAX_THREADS)
		p->threads = MAX_THREADS;
	if (ioctl(p->fd, BLKGETSIZE64, &size) || ioctl(p->fd, BLKSSZGET, &logical) ||
	    statx(AT_FDCWD, path, 0, STATX_DIOALIGN, &stx) ||
	    !(stx.stx_mask & STATX_DIOALIGN)) {
		ktap_log("# geometry of %s: %s", path, strerror(errno));
		return false;
	}
	p->align = stx.stx_dio_mem_align;
	p->slice = size / PATTERN_BLOCK / p->threads;
	ktap_log("# %s: %llu bytes, blocks of %u, memory alignment %u, %u threads",
		 path, size, logical, p->align, p->threads);
	return logical == PATTERN_BLOCK && p->align && p->align <= 512 &&
	       PAGE % p->align == 0 && p->slice >= MAX_BLOCKS;
}

static void *shared(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

/* The buffers are private memory: the usual case of direct I/O. */
static struct worker *make_workers(const struct params *p)
{
	size_t room = BUFFER > MAX_VECS * VEC_ROOM ? BUFFER : MAX_VECS * VEC_ROOM;
	struct worker *workers = shared(p->threads * sizeof(*workers));
	unsigned int i;

	for (i = 0; workers && i < p->threads; i++) {
		struct worker *w = &workers[i];

		w->p = p;
		w->id = i;
		w->gen = shared(p->slice * sizeof(*w->gen));
		w->out = aligned_alloc(PAGE, room);
		w->in = aligned_alloc(PAGE, room);
		if (!w->gen || !w->out || !w->in)
			return NULL;
	}
	return workers;
}

int main(int argc, char **argv)
{
	struct worker *workers = NULL;
	uint64_t rd0 = 0, wr0 = 0, rd1 = 0, wr1 = 0, rd = 0, wr = 0;
	static struct params p;
	const char *dev = argc > 1 ? argv[1] : "";
	bool ready, counted;
	struct stat st;
	unsigned int i;

	if (argc != 5)
		return 2;
	p.seed = strtoull(argv[2], NULL, 0);
	ktap_begin(argv[4], PHASES + 3);

	p.fd = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	ready = p.fd >= 0 && !fstat(p.fd, &st) && geometry(&p, dev) &&
		disk_counters(&st, &rd0, &wr0);
	if (ready)
		workers = make_workers(&p);
	ready = workers;
	if (p.fd < 0)
		ktap_log("# %s: %s", dev, strerror(errno));
	ktap_case(ready, "geometry");
	for (i = 0; i < PHASES; i++)
		ktap_case(ready && run_phase(workers, &p, i), phase_name[i]);

	for (i = 0; workers && i < p.threads; i++) {
		rd += workers[i].read;
		wr += workers[i].written;
	}
	counted = ready && disk_counters(&st, &rd1, &wr1);
	ktap_log("# read %llu, wrote %llu; the disk says %llu and %llu",
		 (unsigned long long)rd, (unsigned long long)wr,
		 (unsigned long long)(rd1 - rd0), (unsigned long long)(wr1 - wr0));
	ktap_case(counted && rd && wr && rd1 - rd0 == rd && wr1 - wr0 == wr,
		  "disk_counters_agree");
	ktap_case(ready && refuses_odd_buffer(&p, workers[0].in),
		  "buffer_at_odd_address_is_refused");
	account_bytes(argv[3], rd + wr);
	return ktap_end();
}
