# SPDX-License-Identifier: GPL-2.0-only
"""The virtual machine of a plan: its disks, its device tree, its QEMU.

A machine that hangs, dies or is interrupted never outlives the caller: the
kernel ends QEMU when its parent is gone, whatever way that went.
"""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from . import pattern, trace
from .arch import ARM, arch_of
from .plan import DIRECT, EDUS, FUNCTIONS, SLOTS

QEMU_MIN = (7, 2)
DIO_BLOCKS = 32768              # 16 MiB
FS_MIB = 48
FS_BLOCKS = (1, 7, 2049, 12288)  # of f0..f3 and g0..g3, as in guest/init
FS_UUID = "6e766d65-0000-4000-8000-000000000001"
PCI_NODE = "/pcie@10000000"


def _reserved(compatible, address, size, *more):
    """Memory that is set aside; the phandle f000 stands for it."""
    node = f"/reserved-memory/pool@{address}"
    return [
        f"-p -c DTB /reserved-memory {node}",
        "-t x DTB /reserved-memory #address-cells 2",
        "-t x DTB /reserved-memory #size-cells 2",
        "-t bx DTB /reserved-memory ranges",
        f"-t s DTB {node} compatible {compatible}",
        f"-t x DTB {node} reg 0 {address} 0 {size}",
        f"-t x DTB {node} phandle f000",
        *(line.replace("POOL", node) for line in more),
    ]


# What fdtput is called with. dma-ranges: PCI address (3 cells), CPU's (2), size (2).
DTB_EDITS = {
    "noncoherent": [f"-d DTB {PCI_NODE} dma-coherent"],
    # All of 4 GiB, one-to-one.
    "window": [f"-t x DTB {PCI_NODE} dma-ranges 2000000 0 0 0 0 1 0"],
    # 64 MiB, a hole of 64 MiB, and on to 8 GiB.
    "ranges": [f"-t x DTB {PCI_NODE} dma-ranges 2000000 0 0 0 0 0 4000000 "
               "2000000 0 8000000 0 8000000 1 f8000000"],
    # 1 MiB at 1.25 GiB that Linux leaves alone, and a node that refers to it.
    "pool": _reserved("shared-dma-pool", "50000000", "100000", "-t bx DTB POOL no-map",
                      "-c DTB /dmatest-pool", "-t x DTB /dmatest-pool memory-region f000"),
    # 64 MiB that the devices below the PCI host have to bounce through.
    "restricted": _reserved("restricted-dma-pool", "60000000", "4000000",
                            f"-t x DTB {PCI_NODE} memory-region f000"),
}


class MachineError(Exception):
    """Something on the host is missing or does not work; a sentence."""


def tool(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise MachineError(f"{name} is missing (package {package})")
    return path


def qemu(arch=ARM):
    path = tool(arch.qemu, arch.package)
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    except OSError as e:
        raise MachineError(f"{path} does not run: {e.strerror}")
    found = re.search(r"version (\d+)\.(\d+)", text)
    if not found:
        raise MachineError(f"{path} does not say its version")
    version = tuple(int(n) for n in found.groups())
    if version < QEMU_MIN:
        raise MachineError("QEMU %d.%d is too old: %d.%d or newer is needed"
                           % (version + QEMU_MIN))
    return path


def kernel_has(kout, option):
    config = pathlib.Path(kout) / ".config"
    if not config.is_file():
        raise MachineError(f"no kernel was built in {kout}")
    return f"\n{option}=y\n" in config.read_text()


def _run(what, *args, **more):
    done = subprocess.run(args, capture_output=True, text=True, **more)
    if done.returncode:
        raise MachineError(f"{what}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


# Loaded before there are threads: between fork and exec nothing may take a lock.
_LIBC = ctypes.CDLL(None)
# Set to end all machines of this process.
STOPPING = threading.Event()


def _die_with_parent():
    _LIBC.prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


class Machine:
    def __init__(self, plan, kout, initramfs, work):
        self.plan = plan
        self.kout = pathlib.Path(kout)
        self.initramfs = initramfs
        self.work = pathlib.Path(work)
        self.work.mkdir(parents=True, exist_ok=True)
        self.arch = arch_of(kout)
        if not self.arch:
            raise MachineError(f"no kernel was built in {kout}")
        self.qemu = qemu(self.arch)
        self.log = self.work / "console.log"
        self.trace = self.work / "trace.log"
        self.errors = self.work / "qemu.err"
        self.kernel = self.kout / self.arch.image
        if not self.kernel.is_file():
            raise MachineError(f"no kernel was built in {kout} (no {self.kernel.name})")

    def image(self, device):
        return self.work / f"{device}.img"

    # ---- disks ----

    def make_disks(self):
        for device in self.plan.devices:
            if device in ("nvme-raw", "vblk"):
                pattern.fill_image(self.image(device), self.plan.seed, DIO_BLOCKS)
            elif device == "nvme-fs":
                self._make_file_system(self.image(device))

    def _make_file_system(self, image):
        files = self.work / "files"
        shutil.rmtree(files, ignore_errors=True)
        files.mkdir()
        for n, blocks in enumerate(FS_BLOCKS):
            (files / f"f{n}").write_bytes(pattern.stream(self.plan.seed + n, blocks))
        image.unlink(missing_ok=True)
        _run("mke2fs", tool("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4",
             "-U", FS_UUID, "-E", f"hash_seed={FS_UUID},root_owner=0:0",
             "-d", str(files), str(image), f"{FS_MIB}M")
        shutil.rmtree(files)

    def check_disk(self, device):
        """What the host finds in the image: None, or what is wrong with it."""
        if device == "nvme-fs":
            return self._check_file_system(self.image(device))
        return pattern.check_image(self.image(device), self.plan.seed, DIO_BLOCKS,
                                   self.plan.cpus)

    def _check_file_system(self, image):
        fsck = subprocess.run([tool("e2fsck", "e2fsprogs"), "-fn", str(image)],
                              capture_output=True, text=True)
        if fsck.returncode:
            return f"e2fsck: {fsck.stdout.strip()[-200:]}"
        for kind, base in (("f", self.plan.seed), ("g", self.plan.seed + 100)):
            for n, blocks in enumerate(FS_BLOCKS):
                out = self.work / "dumped"
                out.unlink(missing_ok=True)
                _run("debugfs", tool("debugfs", "e2fsprogs"), "-R",
                     f"dump /{kind}{n} {out}", str(image))
                if not out.exists() or out.read_bytes() != pattern.stream(base + n, blocks):
                    return f"file {kind}{n} is not what was written"
                out.unlink()
        return None

    # ---- QEMU's command line ----

    def _block(self, device):
        yield from ("-drive", f"file={self.image(device)},format=raw,if=none,id=d-{device}")
        slot = f"addr={SLOTS[device]}"
        if device == "vblk":
            yield from ("-device", f"virtio-blk-pci,drive=d-vblk,serial=vblk,{slot},"
                                   "iommu_platform=on,disable-legacy=on")
        else:
            yield from ("-device", f"nvme,drive=d-{device},serial={device},{slot}")

    def _card(self, device):
        yield from ("-netdev", f"hubport,id=n-{device},hubid=0")
        model = {
            "vnet": f"virtio-net-pci,addr={SLOTS['vnet']},romfile=,"
                    "iommu_platform=on,disable-legacy=on",
            "e1000e": f"e1000e,addr={SLOTS['e1000e']},romfile=",
            "peer": "virtio-net-device",
        }[device]
        yield from ("-device", f"{model},netdev=n-{device}")

    def _machine_type(self):
        properties = [self.arch.machine]
        if self.plan.iommu:
            properties.append(self.arch.iommu_machine)
        if self.arch is ARM and not kernel_has(self.kout, "CONFIG_ARM_LPAE"):
            properties.append("highmem=off")
        properties.append(self.plan.machine)
        return ",".join(filter(None, properties))

    def hardware(self):
        """Machine and devices, but no kernel: what the device tree depends on."""
        args = ["-cpu", self.arch.cpu, "-smp", str(self.plan.cpus),
                "-m", str(self.plan.memory), "-accel", "tcg", "-nodefaults",
                "-display", "none", "-no-reboot"]
        if self.plan.iommu and self.arch.iommu_device:
            args += ["-device", self.arch.iommu_device]
        for device in self.plan.devices:
            if device in EDUS:
                # Memory lies beyond the 28 bits the device has.
                wide = "" if self.plan.translated and device not in (*self.plan.mixed, *DIRECT) else ",dma_mask=0xffffffff"
                multi = ",multifunction=on" if device == "pair0" else ""
                slot = f"{SLOTS[device]:x}" + (f".{FUNCTIONS[device]}" if device in FUNCTIONS else "")
                args += ["-device", f"edu,addr={slot}{multi}{wide}"]
            elif device in ("vnet", "e1000e", "peer"):
                args += self._card(device)
            else:
                args += self._block(device)
        return args

    def device_tree(self):
        """QEMU's own tree (None), or the path of an edited one."""
        holes = [SLOTS[d] << 3 for d in self.plan.devices if d in DIRECT and self.plan.iommu]
        if self.plan.dtb == "coherent" and not holes:
            return None
        if not self.arch.device_tree:
            raise MachineError(f"plan {self.plan.name}: {self.arch.name} has no device tree to edit")
        dtb = self.work / f"{self.plan.dtb}.dtb"
        dtb.unlink(missing_ok=True)
        _run("dump the device tree", self.qemu,
             "-M", f"{self._machine_type()},dumpdtb={dtb}", *self.hardware())
        edits = list(DTB_EDITS.get(self.plan.dtb, ()))
        if holes:
            edits.append(self._iommu_map(dtb, holes))
        for edit in edits:
            _run("edit the device tree", tool("fdtput", "device-tree-compiler"),
                 *[str(dtb) if word == "DTB" else word for word in edit.split()])
        return dtb

    def _iommu_map(self, dtb, holes):
        """The edit that takes requester ids out of what the IOMMU of a PCI host translates."""
        if self.arch is not ARM:
            raise MachineError(f"plan {self.plan.name}: only behind virtio-iommu can a device be left out")
        cells = _run("read the device tree", tool("fdtget", "device-tree-compiler"),
                     "-t", "x", str(dtb), PCI_NODE, "iommu-map").split()
        phandle, iommu = cells[1], int(cells[4], 16)      # two entries, around the IOMMU itself
        starts = [0, *(n + 1 for n in sorted([iommu - 1, *holes]))]
        ends = [*(n - 1 for n in starts[1:]), 0x10000]
        cells = " ".join(f"{a:x} {phandle} {a:x} {b - a:x}" for a, b in zip(starts, ends) if b > a)
        return f"-t x DTB {PCI_NODE} iommu-map {cells}"

    def command(self, token, dtb):
        events = self.work / "trace.events"
        events.write_text("".join(f"{name}\n" for name in trace.EVENTS[self.arch.iommu]))
        # A task that hangs is told before the machine counts as hung (quiet).
        cmdline = (f"console={self.arch.console} loglevel=7 printk.devkmsg=on kunit.autorun=1 "
                   "sysctl.kernel.hung_task_timeout_secs=45 "
                   f"dmatest.plan={self.plan.name} dmatest.token={token} "
                   f"{self.arch.cmdline} {self.plan.cmdline}").strip()
        args = [self.qemu, "-M", self._machine_type(), *self.hardware(),
                "-serial", f"file:{self.log}", "-monitor", "none",
                "-kernel", str(self.kernel), "-initrd", str(self.initramfs),
                "-append", cmdline, "-trace", f"events={events}", "-D", str(self.trace)]
        if self.plan.icount:
            # And nothing else in the machine is random: the figures are the same each time.
            args += ["-icount", f"shift={self.plan.icount},sleep=off", "-seed", "1",
                     "-rtc", "base=2026-01-01,clock=vm"]
        return args + (["-dtb", str(dtb)] if dtb else [])

    # ---- running it ----

    def run(self, token):
        """Boot until QEMU ends: ("exit", status), ("signal", n), ("timeout", s), ("stop", s).

        A timeout is either the plan's whole time or a console silent for too long;
        stop: the console said what the plan stops at.
        """
        args = self.command(token, self.device_tree())
        for path in (self.log, self.trace):
            path.write_bytes(b"")
        (self.work / "qemu.cmd").write_text("\n".join(args) + "\n")
        with open(self.errors, "wb") as errors:
            vm = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=errors,
                                  stderr=errors, preexec_fn=_die_with_parent)
            try:
                return self._wait(vm)
            finally:
                if vm.poll() is None:
                    vm.kill()
                    vm.wait()

    def _wait(self, vm):
        start = spoke = time.monotonic()
        said = 0
        while vm.poll() is None:
            if STOPPING.is_set():
                raise MachineError("another boot was interrupted or could not be made")
            now, size = time.monotonic(), self.log.stat().st_size
            if size != said:
                said, spoke = size, now
                if self.plan.stop and self.plan.stop in self.log.read_text(errors="replace"):
                    return "stop", round(now - start)
            if now - start > self.plan.timeout or now - spoke > self.plan.quiet:
                return "timeout", round(now - start)
            time.sleep(0.05)
        if vm.returncode < 0:
            return "signal", -vm.returncode
        return "exit", vm.returncode


def new_token():
    return os.urandom(12).hex()
