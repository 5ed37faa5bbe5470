/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The data every check moves. scripts/vm/pattern.py holds the same functions
 * in Python, so that the host can say what a disk image must contain without
 * trusting anything the guest computed: change both or none.
 *
 * A block is 512 bytes: its number, the generation of the write that put it
 * there, then 62 words that depend on the seed, the number and the generation.
 * A stale, misplaced or torn block therefore never looks right.
 */
#ifndef USER_PATTERN_H
#define USER_PATTERN_H

#include <stdint.h>

#define PATTERN_BLOCK	512u
#define PATTERN_WORDS	(PATTERN_BLOCK / 8)
#define PATTERN_STEP	0x9e3779b97f4a7c15ull

static inline uint64_t mix64(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* splitmix64: one 64-bit state, the same in C and in Python. */
static inline uint64_t prng(uint64_t *state)
{
	*state += PATTERN_STEP;
	return mix64(*state);
}

/* A number below @n; the bias of the remainder does not matter here. */
static inline uint32_t prng_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((prng(state) >> 32) % n);
}

static inline uint64_t pattern_base(uint64_t seed, uint64_t block, uint32_t gen)
{
	return mix64(seed ^ mix64(block * PATTERN_STEP + gen));
}

static inline void pattern_fill(uint64_t *word, uint64_t seed, uint64_t block,
				uint32_t gen)
{
	uint64_t value = pattern_base(seed, block, gen);
	unsigned int i;

	word[0] = block;
	word[1] = gen;
	for (i = 2; i < PATTERN_WORDS; i++) {
		value += PATTERN_STEP;
		word[i] = value;
	}
}

#endif
