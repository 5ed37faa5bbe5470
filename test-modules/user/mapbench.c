// SPDX-License-Identifier: GPL-2.0
/*
 * Lets dma_map_benchmark measure, in each of its modes, and tells what it says.
 * The device is bound to it already. That the numbers are good nobody asks here;
 * there has to be one, and no mode that nobody knows.
 *
 * The structure is written down again, because a program that was built against
 * an older kernel's header has to get its answer.
 */
#include <sys/ioctl.h>

#include "ktap.h"

struct map_benchmark {
	unsigned long long avg_map_100ns;
	unsigned long long map_stddev;
	unsigned long long avg_unmap_100ns;
	unsigned long long unmap_stddev;
	unsigned int threads;
	unsigned int seconds;
	int node;
	unsigned int dma_bits;
	unsigned int dma_dir;
	unsigned int dma_trans_ns;
	unsigned int granule;
	unsigned char map_mode;
	unsigned char expansion[75];
};

#define DMA_MAP_BENCHMARK	_IOWR('d', 1, struct map_benchmark)

enum { SINGLE, SG, TWO_STEP, UNKNOWN };
enum { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE };

static int bench;

/* 0, or an errno */
static int run(const char *name, unsigned char mode, unsigned int dir,
	       unsigned int granule, unsigned int threads)
{
	struct map_benchmark map = {
		.threads = threads,
		.seconds = 1,
		.node = -1,
		.dma_bits = 32,
		.dma_dir = dir,
		.granule = granule,
		.map_mode = mode,
	};

	if (ioctl(bench, DMA_MAP_BENCHMARK, &map)) {
		int err = errno;

		ktap_log("# %s: %s", name, strerror(err));
		return err;
	}
	ktap_log("# %s: %u pages, %u threads: map %llu, unmap %llu (100 ns)",
		 name, granule, threads, map.avg_map_100ns, map.avg_unmap_100ns);
	return map.avg_map_100ns ? 0 : ENODATA;
}

static void measure(const char *name, unsigned char mode, unsigned int dir,
		    unsigned int granule, unsigned int threads)
{
	ktap_case(!run(name, mode, dir, granule, threads), name);
}

int main(void)
{
	ktap_begin("map_benchmark", 6);
	bench = open("/sys/kernel/debug/dma_map_benchmark", O_RDWR | O_CLOEXEC);
	measure("single", SINGLE, BIDIRECTIONAL, 16, 1);
	measure("sg", SG, BIDIRECTIONAL, 16, 1);
	measure("two_step", TWO_STEP, BIDIRECTIONAL, 16, 1);
	measure("two_step_one_page", TWO_STEP, TO_DEVICE, 1, 1);
	measure("two_step_side_by_side", TWO_STEP, FROM_DEVICE, 64, 4);
	ktap_case(run("an unknown mode", UNKNOWN, BIDIRECTIONAL, 1, 1) == EINVAL,
		  "unknown_mode_is_refused");
	return ktap_end();
}
