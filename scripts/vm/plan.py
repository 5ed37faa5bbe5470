# SPDX-License-Identifier: GPL-2.0-only
"""Boot plans: what QEMU gets, what the guest does, what must come back.

A plan is scripts/boots/<name>.plan, lines of "key = value":

    about     one line, for people
    devices   in this order, each in the slot SLOTS gives it
    docs      KTAP documents the guest produces, in this order; "@regress" stands
              for the modules that test-modules/regress.list names
    iommu     yes: behind the machine's IOMMU (arch.py); no: none in the machine;
              passthrough: there, but the kernel leaves the devices untranslated
    type      what the kernel has to call the domains, if one of several is
              wanted (DMA, DMA-FQ)
    dtb       coherent (QEMU's own), noncoherent, window (dma-ranges of the PCI
              host are 4 GiB), ranges (two windows, up to 8 GiB), pool (memory of
              its own for one device), or restricted (a pool that all devices of
              the PCI host must use)
    machine   further -M properties
    memory    MiB
    cmdline   further kernel parameters
    icount    the guest's clock counts instructions, of 2^icount ns each: for
              figures; the machine has one CPU then
    together  the IOMMU has to be notified of so many maps at once, at least once
    poweroff  unbind (drivers first), plain or reboot (which ends QEMU, too)
    mixed     devices that are translated only some of the time, as the plan wants
    timeout   seconds until the machine counts as hung
    stop      words on the console after which nothing more is to be learned
    quiet     seconds without a word on its console until it counts as hung
"""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
BOOTS = TOP / "scripts" / "boots"
REGRESS = TOP / "test-modules" / "regress.list"

DEVICES = ("nvme-raw", "edu", "nvme-fs", "vblk", "vnet", "e1000e", "peer",
           "edu2", "pair0", "pair1", "edu-direct")
# Slot 1 is the IOMMU's. "peer" is a virtio-mmio card: never translated.
SLOTS = {"nvme-raw": 2, "edu": 3, "nvme-fs": 4, "vblk": 5, "vnet": 6, "e1000e": 7,
         "edu2": 8, "pair0": 9, "pair1": 9, "edu-direct": 10}
# "pair0" and "pair1" are functions of one device: in one IOMMU group.
FUNCTIONS = {"pair1": 1}
EDUS = ("edu", "edu2", "pair0", "pair1", "edu-direct")
# The device tree leaves it out of what the IOMMU translates.
DIRECT = ("edu-direct",)

DEFAULTS = {
    "about": "", "devices": "", "docs": "", "iommu": "yes", "type": "", "dtb": "coherent",
    "machine": "", "memory": "1024", "cmdline": "", "stop": "", "mixed": "", "poweroff": "unbind",
    "timeout": "300", "quiet": "60", "cpus": "2", "seed": "20260101",
    "icount": "", "together": "0",
}
CHOICES = {"iommu": ("yes", "no", "passthrough"), "type": ("", "DMA", "DMA-FQ"),
           "dtb": ("coherent", "noncoherent", "window", "ranges", "pool", "restricted"),
           "poweroff": ("unbind", "plain", "reboot")}
WORDS = re.compile(r"[A-Za-z0-9_@=.,:\- ]*\Z")


class PlanError(Exception):
    pass


def regress_modules():
    if not REGRESS.exists():
        return []
    lines = (line.split("#")[0].strip() for line in REGRESS.read_text().splitlines())
    return [line for line in lines if line]


def _parse(path):
    values = dict(DEFAULTS)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or key not in DEFAULTS:
            raise PlanError(f"{path}:{number}: no such setting: {line}")
        if key != "about" and not WORDS.match(value):
            raise PlanError(f"{path}:{number}: odd character in {key}")
        if value not in CHOICES.get(key, (value,)):
            raise PlanError(f"{path}:{number}: {key} is one of {CHOICES[key]}")
        values[key] = value
    return values


class Plan:
    def __init__(self, name, boots=BOOTS):
        path = pathlib.Path(boots) / f"{name}.plan"
        if not path.is_file():
            raise PlanError(f"no such plan: {path}")
        values = _parse(path)
        self.name = name
        self.about = values["about"]
        self.devices = values["devices"].split()
        self.mixed = values["mixed"].split()
        self.busy = any(d not in EDUS for d in self.devices)
        self.docs = []
        for doc in values["docs"].split():
            self.docs += regress_modules() if doc == "@regress" else [doc]
        self.iommu = values["iommu"] != "no"
        self.translated = values["iommu"] == "yes"
        self.types = {"no": "none", "passthrough": "identity"}.get(
            values["iommu"], values["type"] or "DMA DMA-FQ")
        self.dtb = values["dtb"]
        self.machine = values["machine"]
        self.memory = int(values["memory"])
        self.cpus = int(values["cpus"])
        self.icount = values["icount"]
        self.together = int(values["together"])
        self.cmdline = values["cmdline"]
        self.stop = values["stop"]
        self.poweroff = values["poweroff"]
        self.timeout = int(values["timeout"])
        self.quiet = int(values["quiet"])
        self.seed = int(values["seed"])
        unknown = [d for d in self.devices + self.mixed if d not in DEVICES]
        if unknown:
            raise PlanError(f"{path}: no such device: {' '.join(unknown)}")
        if self.icount and not (self.icount.isdigit() and self.cpus == 1):
            raise PlanError(f"{path}: icount is a number, and needs cpus = 1")

    def guest_file(self):
        """What /init sources."""
        return (f"devices='{' '.join(self.devices)}'\n"
                f"docs='{' '.join(self.docs)}'\n"
                f"types='{self.types}'\n"
                f"poweroff={self.poweroff}\n"
                f"seed={self.seed}\n")


def all_plans(boots=BOOTS):
    return [Plan(path.stem, boots) for path in sorted(pathlib.Path(boots).glob("*.plan"))]


def main(argv):
    """plan.py <directory>: write each plan as the guest reads it."""
    out = pathlib.Path(argv[1])
    out.mkdir(parents=True, exist_ok=True)
    try:
        for plan in all_plans():
            (out / plan.name).write_text(plan.guest_file())
    except PlanError as e:
        sys.exit(f"plan: {e}")


if __name__ == "__main__":
    main(sys.argv)
