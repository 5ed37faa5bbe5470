#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of how the traces of an SMMUv3 and an intel-iommu are read
(scripts/vm/trace.py), and of what a machine of their architecture is made of.

Each test takes the trace of a good boot, spoils one thing, and demands to be
told. Prints "ok <id>" or "not ok <id> # why" for each.
"""

import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
from vm import arch, trace  # noqa: E402
from tally import tally  # noqa: E402

SMMU = """\
smmuv3_translate_success smmuv3-iommu-memory-region-16-1 sid=0x10 iova=0xffffd000 translated=0x42f65000 perm=0x3
smmuv3_translate_success smmuv3-iommu-memory-region-16-1 sid=0x10 iova=0xfffff040 translated=0x8090040 perm=0x3
"""
VTD = """\
vtd_switch_address_space Device 00:02.0 switching address space (iommu enabled=0)
vtd_dmar_enable enable 1
vtd_switch_address_space Device 00:02.0 switching address space (iommu enabled=1)
vtd_dmar_translate dev 00:02.00 iova 0xffffd000 -> gpa 0x3aaa000 mask 0xfff
"""
SMMU_FAULT = "smmuv3_record_event SMMU_EVT_F_TRANSLATION sid=0x10\n"
VTD_FAULT = "vtd_dmar_fault sid 0x10 fault 5 addr 0x1000 write 1\n"
VTD_OFF = "vtd_switch_address_space Device 00:02.0 switching address space (iommu enabled=0)\n"
BDF = "0000:00:02.0"


def read(kind, text):
    start = next(a.ram_start for a in arch.ARCHES if a.iommu == kind)
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(text)
        f.flush()
        return trace.KINDS[kind](start, 1024).read(f.name)


def way(want, kind, text, moved=4096, bdf=BDF):
    got = read(kind, text).way(bdf, moved)
    return "" if got == want else f"{got} instead of {want}"


def problem(want, kind, text):
    found = read(kind, text).problems
    return "" if any(want in p for p in found) else f"no '{want}' in {found}"


def clean(kind, text, doorbells):
    t = read(kind, text)
    facts = t.facts(BDF)
    got = (facts["translations"], facts["accesses"], facts["doorbells"], facts["faults"])
    if t.problems or t.faulted() or t.way(BDF, 4096) != "translated":
        return f"{t.problems}, faults of {t.faulted()}, {t.way(BDF, 4096)}"
    return "" if got == (1, 1, doorbells, 0) else f"{facts}"


def stopped(kind, text):
    t = read(kind, text)
    if t.faulted() != [BDF]:
        return f"faults of {t.faulted()}"
    return "" if t.way(BDF, 4096) == "translated" else "a stopped access counts as one that passed"


def unknown_form(kind, text):
    try:
        read(kind, text)
    except ValueError as e:
        return "" if "unknown form" in str(e) else str(e)
    return "it was passed over"


def arch_is(want, config):
    with tempfile.TemporaryDirectory() as d:
        if config is not None:
            (pathlib.Path(d) / ".config").write_text(config)
        found = arch.arch_of(d)
        got = found.name if found else None
        return "" if got == want else f"{got} instead of {want}"


def images_agree():
    """The kernel that is booted is the one that scripts/kbuild builds."""
    for a in arch.ARCHES:
        said = subprocess.run(
            ["sh", "-c", '. "$(dirname "$0")/lib.sh"; arch_facts "$1"; echo "$ARCH_IMAGE"',
             f"{sys.path[0]}/kbuild", a.name], stdout=subprocess.PIPE, check=True, text=True)
        if said.stdout.strip() != a.image:
            return f"{a.name}: {said.stdout.strip()} is built and {a.image} booted"
    return ""


def told_of_is_traced():
    """What is parsed is what QEMU is asked for."""
    for kind, reader in trace.KINDS.items():
        asked = [name.rstrip("*") for name in trace.EVENTS[kind]]
        for event in reader.events:
            if not event.startswith(tuple(asked)):
                return f"{event} is not asked for"
            if not hasattr(reader, event.removeprefix(reader.prefix)):
                return f"{event} has no method"
    return ""


S, V = "smmuv3", "intel-iommu"
TESTS = {
    "smmu_clean": lambda: clean(S, SMMU, 1),
    "smmu_bypass": lambda: way(
        "mixed", S, SMMU + "smmuv3_translate_bypass m sid=0x10 STE bypass iova:0x40000000 is_write=1\n"),
    "smmu_disabled": lambda: way(
        "direct", S, "smmuv3_translate_disable m sid=0x10 bypass (smmu disabled) iova:0x40000000 is_write=1\n"),
    "smmu_silent_device_that_moved": lambda: way("direct", S, ""),
    "smmu_too_few_translations": lambda: way("mixed", S, SMMU, 4097),
    "smmu_doorbell_is_no_transfer": lambda: way("direct", S, SMMU.splitlines(True)[1]),
    "smmu_fault": lambda: stopped(S, SMMU + SMMU_FAULT),
    "smmu_abort": lambda: stopped(
        S, SMMU + "smmuv3_translate_abort m sid=0x10 abort on iova:0x40000000 is_write=1\n"),
    "smmu_foreign_memory": lambda: problem("not memory", S, SMMU.replace("0x42f65000", "0x82f65000")),
    "smmu_address_0": lambda: problem("address 0x10", S, SMMU.replace("0xffffd000", "0x10")),
    "smmu_sid_in_decimal": lambda: clean(S, SMMU.replace("0x10 ", "16 "), 1),
    "smmu_unknown_form": lambda: unknown_form(S, SMMU.replace("translated=", "-> ")),
    "vtd_clean": lambda: clean(V, VTD, 0),
    "vtd_off": lambda: way("mixed", V, VTD + VTD_OFF),
    "vtd_off_with_the_whole_unit": lambda: way("translated", V, VTD + "vtd_dmar_enable enable 0\n" + VTD_OFF),
    "vtd_on_again": lambda: way("mixed", V, VTD + "vtd_dmar_enable enable 0\nvtd_dmar_enable enable 1\n" + VTD_OFF),
    "vtd_another_function": lambda: way(
        "translated", V, VTD.replace("00:02.0", "01:1f.3").replace(" 01:1f.30 ", " 01:1f.03 "),
        bdf="0000:01:1f.3"),
    "vtd_pass_through": lambda: way(
        "mixed", V, VTD + "vtd_translate_pt source id 0x10, iova 0x3aaa000\n"
        "vtd_dmar_translate dev 00:02.00 iova 0x3aaa000 -> gpa 0x3aaa000 mask 0xfff\n"),
    "vtd_silent_device_that_moved": lambda: way("direct", V, ""),
    "vtd_too_few_translations": lambda: way("mixed", V, VTD, 4097),
    "vtd_fault": lambda: stopped(V, VTD + VTD_FAULT),
    "vtd_foreign_memory": lambda: problem("not memory", V, VTD.replace("0x3aaa000", "0x43aaa000")),
    "vtd_address_0": lambda: problem("address 0x10", V, VTD.replace("0xffffd000", "0x10")),
    "vtd_unknown_form": lambda: unknown_form(V, VTD.replace("-> gpa", "gpa")),
    "events_are_asked_for": told_of_is_traced,
    "arch_arm": lambda: arch_is("arm", "CONFIG_ARM=y\nCONFIG_ARM_LPAE=y\n"),
    "arch_arm64": lambda: arch_is("arm64", "CONFIG_ARM64=y\nCONFIG_ARM64_4K_PAGES=y\n"),
    "arch_x86_64": lambda: arch_is("x86_64", "CONFIG_X86_64=y\nCONFIG_X86=y\n"),
    "arch_images_agree": images_agree,
    "arch_of_nothing": lambda: arch_is(None, None),
}


if __name__ == "__main__":
    tally("walk", TESTS)
