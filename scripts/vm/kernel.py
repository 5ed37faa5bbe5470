# SPDX-License-Identifier: GPL-2.0-only
"""A kernel to boot, with the initramfs made for it.

scripts/kbuild builds the kernel and holds the source at its state while the
test modules are built. KERNEL_OUT=<directory> takes a kernel that was built
elsewhere instead (KERNEL_SRC=<directory> if its source is not where its link
"source" points).
"""

import os
import pathlib
import subprocess

from .machine import MachineError
from .plan import TOP

BUILD = pathlib.Path(os.environ.get("DMA_SPACE_BUILD") or TOP / "build")


class Kernel:
    def __init__(self, name, out):
        self.name = name
        self.out = pathlib.Path(out)
        self.initramfs = BUILD / "guest" / name / "initramfs.cpio"
        # Image and configuration, as they were when the initramfs was made.
        self.copy = BUILD / "guest" / name / "kernel"


def _run(*args):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise MachineError(f"{pathlib.Path(args[0]).name} failed, see above")
    return done.stdout.split("\n")[0]


def packed(name, out):
    """A kernel for which scripts/initramfs was called before."""
    kernel = Kernel(name, out)
    if not kernel.initramfs.exists():
        raise MachineError(f"nothing is packed: {kernel.initramfs} is not there")
    return kernel


def prepare(state, config="arm-lpae", fragments=()):
    """Build (or find built) the kernel of a state and pack its initramfs."""
    initramfs = TOP / "scripts" / "initramfs"
    if os.environ.get("KERNEL_OUT"):
        out = pathlib.Path(os.environ["KERNEL_OUT"]).resolve()
        kernel = Kernel(f"own-{out.name}", out)
        _run(initramfs, kernel.name, out)
    else:
        name = "-".join([state.replace(":", "-"), config, *fragments])
        out = _run(TOP / "scripts" / "kbuild", state, config, *fragments, "--", initramfs, name)
        kernel = Kernel(name, out)
    return kernel
