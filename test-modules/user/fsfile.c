// SPDX-License-Identifier: GPL-2.0
/*
 * Files with known content on a mounted file system, through the page cache.
 *
 *	fsfile check <file> <seed> <blocks>	compare, status 1 if different
 *	fsfile write <file> <seed> <blocks>	create, write, fsync
 *
 * Both print the bytes they handled, for init to add up. The host writes and
 * compares the same content (scripts/vm/pattern.py) in the disk image.
 */
#include "ktap.h"
#include "pattern.h"

static int check(FILE *f, uint64_t seed, uint32_t blocks)
{
	uint64_t want[PATTERN_WORDS], got[PATTERN_WORDS];
	uint32_t n;

	for (n = 0; n < blocks; n++) {
		pattern_fill(want, seed, n, 0);
		if (fread(got, sizeof(got), 1, f) != 1 ||
		    memcmp(got, want, sizeof(got))) {
			ktap_log("# fsfile: wrong data at block %u", n);
			return 1;
		}
	}
	if (fgetc(f) != EOF) {
		ktap_log("# fsfile: file is too long");
		return 1;
	}
	return ferror(f) ? 1 : 0;
}

static int fill(FILE *f, uint64_t seed, uint32_t blocks)
{
	uint64_t block[PATTERN_WORDS];
	uint32_t n;

	for (n = 0; n < blocks; n++) {
		pattern_fill(block, seed, n, 0);
		if (fwrite(block, sizeof(block), 1, f) != 1)
			return 1;
	}
	return fflush(f) || fsync(fileno(f));
}

int main(int argc, char **argv)
{
	bool writing = argc == 5 && !strcmp(argv[1], "write");
	uint32_t blocks;
	uint64_t seed;
	FILE *f;
	int rc;

	if (argc != 5 || (!writing && strcmp(argv[1], "check")))
		return 2;
	seed = strtoull(argv[3], NULL, 0);
	blocks = strtoul(argv[4], NULL, 0);
	f = fopen(argv[2], writing ? "w" : "r");
	if (!f) {
		ktap_log("# fsfile: %s: %s", argv[2], strerror(errno));
		return 1;
	}
	rc = writing ? fill(f, seed, blocks) : check(f, seed, blocks);
	if (rc)
		ktap_log("# fsfile: %s %s failed", argv[1], argv[2]);
	if (fclose(f))
		rc = 1;
	if (!rc)
		printf("%llu\n", (unsigned long long)blocks * PATTERN_BLOCK);
	return rc;
}
