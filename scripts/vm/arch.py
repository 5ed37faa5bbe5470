# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the machines of the architectures.

Which of them a kernel is for, its own configuration says.
"""

import pathlib
from typing import NamedTuple


class Arch(NamedTuple):
    name: str           # as scripts/kbuild has it
    package: str        # Debian's, of QEMU
    qemu: str           # its command
    machine: str        # -M
    cpu: str
    image: str          # below the kernel's build directory
    console: str
    ram_start: int
    iommu: str          # which IOMMU the plans mean: its trace is read by trace.py
    iommu_machine: str = ""     # -M properties that bring it
    iommu_device: str = ""      # ... or the device
    cmdline: str = ""           # what the kernel must be told about it
    device_tree: bool = True    # QEMU makes one, which can be edited


ARCHES = (
    Arch("arm64", "qemu-system-arm", "qemu-system-aarch64", "virt,gic-version=3", "cortex-a57",
         "arch/arm64/boot/Image", "ttyAMA0", 0x40000000, "smmuv3", iommu_machine="iommu=smmuv3"),
    Arch("x86_64", "qemu-system-x86", "qemu-system-x86_64", "q35", "qemu64",
         "arch/x86/boot/bzImage", "ttyS0", 0, "intel-iommu",
         iommu_machine="kernel-irqchip=split", iommu_device="intel-iommu,intremap=on",
         cmdline="intel_iommu=on no_timer_check", device_tree=False),
    Arch("arm", "qemu-system-arm", "qemu-system-arm", "virt", "cortex-a15",
         "arch/arm/boot/zImage", "ttyAMA0", 0x40000000, "virtio-iommu",
         iommu_device="virtio-iommu-pci,addr=1"),
)
ARM = ARCHES[-1]


def arch_of(kout):
    """The architecture of the kernel built in @kout; None if there is none."""
    config = pathlib.Path(kout) / ".config"
    if not config.is_file():
        return None
    lines = config.read_text().splitlines()
    return next((a for a in ARCHES if f"CONFIG_{a.name.upper()}=y" in lines), ARM)
