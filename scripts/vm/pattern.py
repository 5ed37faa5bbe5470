# SPDX-License-Identifier: GPL-2.0-only
"""The data the guest's checks move, computed on the host.

The same as test-modules/user/pattern.h and plan_op() in dio.c: the host says
what a disk image must contain from the seed alone, and so trusts nothing that
the guest computed or compared.
"""

import struct

BLOCK = 512
STEP = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
_TAIL = struct.Struct("<64Q")
_STEPS = [n * STEP & MASK for n in range(1, 63)]


def mix64(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class Prng:
    """splitmix64"""

    def __init__(self, state):
        self.state = state & MASK

    def next(self):
        self.state = (self.state + STEP) & MASK
        return mix64(self.state)

    def below(self, n):
        return (self.next() >> 32) % n


def block(seed, number, gen):
    """The 512 bytes that the write of generation @gen puts into block @number."""
    base = mix64((seed ^ mix64((number * STEP + gen) & MASK)) & MASK)
    return _TAIL.pack(number, gen, *[(base + s) & MASK for s in _STEPS])


def stream(seed, blocks):
    return b"".join(block(seed, n, 0) for n in range(blocks))


# ---- what dio does (dio.c) ----

MAX_BLOCKS = (1 << 20) // BLOCK
MAX_VECS = 64
THREADS_PER_CPU = 2
SIZES = [
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
    3, 5, 7, 9, 11, 13, 15, 17, 31, 33, 63, 65, 127, 129,
    255, 257, 511, 513, 1023, 1025, 2047, 24, 40, 56, 264, 1032,
]
# phase number -> (how many writes, blocks of write n)
PHASES = {
    1: (len(SIZES), lambda rng, n: SIZES[n]),
    2: (32, lambda rng, n: 1 + rng.below(64 if n % 4 else MAX_BLOCKS)),
    3: (24, lambda rng, n: 1 + rng.below(4 * MAX_VECS)),
    4: (32, lambda rng, n: SIZES[rng.below(len(SIZES))]),
}


def dio_generations(seed, blocks, cpus):
    """The generation of each block of the disk after dio has run."""
    threads = cpus * THREADS_PER_CPU
    part = blocks // threads
    gens = [0] * blocks
    for thread in range(threads):
        for phase, (ops, length) in PHASES.items():
            rng = Prng(mix64((seed + thread * 1000003 + phase * 7919) & MASK))
            for n in range(ops):
                size = length(rng, n)
                start = rng.below(part - size + 1)
                rng.next()
                first = thread * part + start
                gens[first:first + size] = [(phase << 16) + n + 1] * size
    return gens


def fill_image(path, seed, blocks):
    with open(path, "wb") as f:
        for start in range(0, blocks, 2048):
            f.write(b"".join(block(seed, n, 0)
                             for n in range(start, min(start + 2048, blocks))))


def check_image(path, seed, blocks, cpus):
    """None, or a sentence on the first block that is not what it must be."""
    gens = dio_generations(seed, blocks, cpus)
    with open(path, "rb") as f:
        for number, gen in enumerate(gens):
            got = f.read(BLOCK)
            if got != block(seed, number, gen):
                was = struct.unpack_from("<2Q", got) if len(got) == BLOCK else ()
                return (f"block {number} must be of write {gen:#x}, "
                        f"but holds {was or 'nothing'}")
        if f.read(1):
            return "the image grew"
    return None
