#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what runs a boot (scripts/vm/machine.py, plan.py), with a false QEMU.

Prints "ok <id>" or "not ok <id> # why" for each.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
from vm import boot  # noqa: E402
from vm.arch import ARCHES  # noqa: E402
from vm.machine import DTB_EDITS, STOPPING, Machine, MachineError, qemu  # noqa: E402
from vm.plan import CHOICES, SLOTS, Plan, PlanError, all_plans  # noqa: E402
from vm.table import rows_of  # noqa: E402
from tally import tally  # noqa: E402

FALSE_QEMU = """#!/bin/sh
case "$*" in *--version*) echo "QEMU emulator version ${FALSE_VERSION:-7.2.22}"; exit;; esac
echo $$ >>"$FALSE_PID"
%s
"""


class Place:
    """A directory with a false QEMU first in PATH, a false kernel and a plan."""

    def __init__(self, does="exit 0", plan="docs = x\n"):
        self.dir = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.dir.name)
        (self.path / "bin").mkdir()
        for arch in ARCHES:
            fake = self.path / "bin" / arch.qemu
            fake.write_text(FALSE_QEMU % does)
            fake.chmod(0o755)
            image = self.path / "out" / arch.image
            image.parent.mkdir(parents=True)
            image.touch()
        (self.path / "out/.config").write_text("\nCONFIG_ARM_LPAE=y\n")
        (self.path / "p.plan").write_text(plan)
        self.pid_file = self.path / "pid"

    def __enter__(self):
        self.old = dict(os.environ)
        os.environ["PATH"] = f"{self.path}/bin:{os.environ['PATH']}"
        os.environ["FALSE_PID"] = str(self.pid_file)
        return self

    def __exit__(self, *_):
        os.environ.clear()
        os.environ.update(self.old)
        self.dir.cleanup()

    def machine(self, config=None):
        if config:
            (self.path / "out/.config").write_text(config)
        return Machine(Plan("p", self.path), self.path / "out", "x.cpio", self.path / "work")

    def qemu_is_gone(self):
        """All that were started."""
        return all(gone(int(pid)) for pid in self.pid_file.read_text().split())


def gone(pid):
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.1)
    return False


def refused(call, words, kind=MachineError):
    try:
        call()
    except kind as e:
        return "" if words in str(e) and "\n" not in str(e) else f"it says: {e}"
    return "it was accepted"


def missing():
    with Place():
        os.environ["PATH"] = "/nonexistent"
        return refused(qemu, "qemu-system-arm is missing (package qemu-system-arm)")


def too_old():
    with Place():
        os.environ["FALSE_VERSION"] = "5.2.0"
        return refused(qemu, "QEMU 5.2 is too old: 7.2 or newer is needed")


def no_kernel():
    with Place() as p:
        (p.path / "out/arch/arm/boot/zImage").unlink()
        return refused(p.machine, "no kernel was built")


def no_kernel_of_this_architecture():
    with Place() as p:
        (p.path / "out/arch/arm64/boot/Image").unlink()
        return refused(lambda: p.machine("CONFIG_ARM64=y\n"), "no kernel was built")


def hardware_of(config, plan, present, absent=()):
    """Words that QEMU's command line must have, and those it must not."""
    with Place(plan=plan) as p:
        said = " ".join(p.machine(config).command("00", None))
        wrong = [w for w in present if w not in said] + [f"no {w}" for w in absent if w in said]
        return f"{', '.join(wrong)}: {said}" if wrong else ""


def no_tree_to_edit():
    with Place(plan="docs = x\ndtb = noncoherent\n") as p:
        return refused(p.machine("CONFIG_X86_64=y\n").device_tree, "has no device tree to edit")


def ends(does, want, plan="docs = x\n"):
    with Place(does, plan) as p:
        got = p.machine().run("00")
        if got != want and got[0] != want:
            return f"{got} instead of {want}"
        return "" if p.qemu_is_gone() else "QEMU is still there"


def interrupted(how):
    """A process of its own runs the machine and gets the signal."""
    with Place("sleep 60 & wait") as p:
        child = subprocess.Popen(
            [sys.executable, "-c",
             "import sys; sys.path.insert(0, sys.argv[1])\n"
             "from vm.machine import Machine; from vm.plan import Plan\n"
             "Machine(Plan('p', sys.argv[2]), sys.argv[2] + '/out', 'x', sys.argv[2] + '/work')"
             ".run('00')",
             sys.path[0], str(p.path)], stderr=subprocess.DEVNULL)
        for _ in range(100):
            if p.pid_file.exists() and p.pid_file.read_text().strip():
                break
            time.sleep(0.1)
        child.send_signal(how)
        child.wait()
        return "" if p.qemu_is_gone() else "QEMU is still there"


def several(order):
    """Boots side by side are told in the order of the plans."""
    waits = {"a": 0.4, "b": 0, "c": 0.1}
    old, boot.boot = boot.boot, lambda name, _: time.sleep(waits[name]) or name
    try:
        got = list(boot.boot_all(order, None))
    finally:
        boot.boot = old
    return "" if got == list(order) else f"{got}"


def several_one_fails():
    """One that cannot be made ends the others."""
    def one(name, _):
        if name == "bad":
            raise MachineError("no kernel was built")
        return p.machine().run("00")
    with Place("exec sleep 60") as p:
        old, boot.boot = boot.boot, one
        start = time.monotonic()
        try:
            wrong = refused(lambda: list(boot.boot_all(("bad", "good"), None)), "no kernel was built")
        finally:
            boot.boot = old
            STOPPING.clear()
        if time.monotonic() - start > 20:
            return "it waited for the others"
        return wrong or ("" if not p.pid_file.exists() or p.qemu_is_gone() else "QEMU is still there")


def several_interrupted(how):
    with Place("sleep 60 & wait") as p:
        child = subprocess.Popen(
            [sys.executable, "-c",
             "import sys; sys.path.insert(0, sys.argv[1])\n"
             "from vm import boot; from vm.machine import Machine; from vm.plan import Plan\n"
             "boot.boot = lambda name, _: Machine(Plan('p', sys.argv[2]), sys.argv[2] + '/out', 'x',\n"
             "                                    sys.argv[2] + '/' + name).run('00')\n"
             "list(boot.boot_all(('a', 'b', 'c'), None))",
             sys.path[0], str(p.path)], stderr=subprocess.DEVNULL)
        for _ in range(100):
            if p.pid_file.exists() and p.pid_file.read_text().strip():
                break
            time.sleep(0.1)
        child.send_signal(how)
        child.wait(20)
        return "" if p.qemu_is_gone() else "QEMU is still there"


def plan_refused(text, words):
    with Place(plan=text) as p:
        return refused(lambda: Plan("p", p.path), words, PlanError)


def each_tree_is_made():
    """What a plan may ask for is what there are edits for."""
    made, wanted = {"coherent", *DTB_EDITS}, set(CHOICES["dtb"])
    return f"{made ^ wanted}" if made != wanted else ""


def plan_types():
    """What the guest is told to expect of the domains."""
    for text, want in (("", "DMA DMA-FQ"), ("type = DMA-FQ\n", "DMA-FQ"), ("iommu = no\n", "none"),
                       ("iommu = passthrough\n", "identity")):
        with Place(plan=text) as p:
            if f"types='{want}'\n" not in Plan("p", p.path).guest_file():
                return f"not {want} with '{text}'"
    return ""


def rows_for_all_devices():
    """The table of a boot has a row for whatever a plan can ask for."""
    result = {"plan": "p", "planned": [*SLOTS, "peer"], "docs": [], "expected": [], "devices": [
        {"bdf": "0000:00:09.1", "driver": "second"}]}
    rows = rows_of(result)
    if len({row["device"] for row in rows}) != len(SLOTS):
        return "two devices have one title"
    drivers = [row["driver"] for row in rows]
    if drivers.count("second") != 1 or drivers[list(SLOTS).index("pair1")] != "second":
        return f"not the second function's driver: {drivers}"
    return ""


def plans_are_good():
    names = [plan.name for plan in all_plans()]
    return "" if "coherent" in names and len(names) > 5 else f"plans: {names}"


TESTS = {
    "qemu_missing": missing,
    "qemu_too_old": too_old,
    "no_kernel": no_kernel,
    "no_kernel_of_this_architecture": no_kernel_of_this_architecture,
    "arm": lambda: hardware_of("CONFIG_ARM=y\nCONFIG_ARM_LPAE=y\n", "docs = x\n",
                               ["qemu-system-arm -M virt ", "virtio-iommu-pci", "ttyAMA0", "zImage"]),
    "arm_without_lpae": lambda: hardware_of("CONFIG_ARM=y\n", "docs = x\n",
                                            ["-M virt,highmem=off "]),
    "arm64": lambda: hardware_of("CONFIG_ARM64=y\n", "docs = x\n",
                                 ["qemu-system-aarch64 -M virt,gic-version=3,iommu=smmuv3 ", "/Image "],
                                 ["virtio-iommu"]),
    "arm64_without_iommu": lambda: hardware_of("CONFIG_ARM64=y\n", "docs = x\niommu = no\n",
                                               ["-M virt,gic-version=3 "], ["smmuv3"]),
    "x86_64": lambda: hardware_of(
        "CONFIG_X86_64=y\n", "docs = x\n",
        ["qemu-system-x86_64 -M q35,kernel-irqchip=split ", "-device intel-iommu,intremap=on",
         "intel_iommu=on", "ttyS0", "bzImage"]),
    "x86_64_without_iommu": lambda: hardware_of("CONFIG_X86_64=y\n", "docs = x\niommu = no\n",
                                                ["-M q35 "], ["-device intel-iommu"]),
    "x86_64_has_no_tree": no_tree_to_edit,
    "two_functions_of_one_device": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ndevices = edu2 pair0 pair1\n",
        ["edu,addr=8 ", "edu,addr=9,multifunction=on ", "edu,addr=9.1 "]),
    "each_tree_is_made": each_tree_is_made,
    "edu_untranslated_is_wide": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ndevices = edu\niommu = passthrough\n",
        ["virtio-iommu-pci", "edu,addr=3,dma_mask=0xffffffff"]),
    "edu_translated_at_times_is_wide": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ndevices = edu\nmixed = edu\n", ["dma_mask=0xffffffff"]),
    "edu_beside_the_iommu_is_wide": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ndevices = edu edu-direct\n",
        ["edu,addr=3 ", "edu,addr=a,dma_mask=0xffffffff"]),
    "edu_translated_is_not_wide": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ndevices = edu\n", ["edu,addr=3"], ["dma_mask"]),
    "icount": lambda: hardware_of(
        "CONFIG_ARM=y\n", "docs = x\ncpus = 1\nicount = 4\n",
        ["-smp 1 ", "-icount shift=4,sleep=off ", "-seed 1 ", "clock=vm"]),
    "no_icount": lambda: hardware_of("CONFIG_ARM=y\n", "docs = x\n", ["-smp 2 "],
                                     ["-icount", "clock=vm"]),
    "qemu_ends": lambda: ends("exit 0", ("exit", 0)),
    "qemu_fails": lambda: ends("exit 3", ("exit", 3)),
    "qemu_dies": lambda: ends("kill -SEGV $$", ("signal", 11)),
    "qemu_hangs": lambda: ends("exec sleep 60", "timeout", "docs = x\ntimeout = 1\n"),
    "qemu_is_silent": lambda: ends("exec sleep 60", "timeout", "docs = x\nquiet = 1\n"),
    "ctrl_c_ends_qemu": lambda: interrupted(signal.SIGINT),
    "killed_parent_ends_qemu": lambda: interrupted(signal.SIGKILL),
    "several_in_order": lambda: several("abc"),
    "several_and_one_fails": several_one_fails,
    "several_ctrl_c_ends_qemu": lambda: several_interrupted(signal.SIGINT),
    "several_killed_parent_ends_qemu": lambda: several_interrupted(signal.SIGKILL),
    "plan_with_unknown_key": lambda: plan_refused("dosc = x\n", "no such setting"),
    "plan_with_unknown_device": lambda: plan_refused("devices = nvmf\n", "no such device: nvmf"),
    "plan_with_wrong_choice": lambda: plan_refused("dtb = wet\n", "dtb is one of"),
    "plan_with_unknown_device_mixed": lambda: plan_refused("mixed = nvmf\n", "no such device: nvmf"),
    "plan_with_unknown_type": lambda: plan_refused("type = lazy\n", "type is one of"),
    "plan_with_shell_in_it": lambda: plan_refused("docs = $(reboot)\n", "odd character"),
    "plan_with_icount_of_two_cpus": lambda: plan_refused("icount = 4\n", "needs cpus = 1"),
    "plan_with_icount_of_what": lambda: plan_refused("cpus = 1\nicount = x\n", "icount is a number"),
    "plan_missing": lambda: refused(lambda: Plan("nosuch"), "no such plan", PlanError),
    "plan_types": plan_types,
    "plans_are_good": plans_are_good,
    "rows_for_all_devices": rows_for_all_devices,
}


if __name__ == "__main__":
    tally("machine", TESTS)
