# SPDX-License-Identifier: GPL-2.0-only
"""One boot of one plan with one kernel: run, judge, look from outside, report."""

import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import sys
import threading
import time

from . import trace as qemu_trace
from . import verdict
from .kernel import BUILD
from .machine import STOPPING, Machine, MachineError, new_token
from .plan import DIRECT, EDUS, FUNCTIONS, SLOTS, Plan

# Held by a machine that keeps the processors busy.
BUSY = threading.Lock()

REPORT = BUILD / "report"
DISKS = ("nvme-raw", "nvme-fs", "vblk")


def kunit_of(kout):
    """kunit.py of the kernel's own source tree."""
    return verdict.find_kunit(os.environ.get("KERNEL_SRC", ""), pathlib.Path(kout) / "source")


class Host:
    """Cases only the host can decide; they count like the guest's own."""

    def __init__(self, result):
        self.result = result
        self.cases = []
        result["docs"].append({"name": "host", "cases": self.cases})

    def case(self, name, wrong):
        self.cases.append({"name": name, "status": "fail" if wrong else "ok",
                           "why": wrong or ""})
        if wrong:
            verdict.add(self.result, "fail", f"host: {name}: {wrong}")


def bdf_of(device):
    return f"0000:00:{SLOTS[device]:02x}.{FUNCTIONS.get(device, 0)}"


def _check_disks(host, machine):
    for device in machine.plan.devices:
        if device in DISKS:
            try:
                wrong = machine.check_disk(device)
            except MachineError as e:
                wrong = str(e)
            host.case(f"image_{device}", wrong)


def _check_trace(host, plan, trace):
    host.case("only_live_mappings_of_machine_memory" if trace.tells_mappings
              else "only_memory_of_the_machine",
              "; ".join(trace.problems) + (f"; {trace.hidden} more" if trace.hidden else ""))
    # The regression modules let edu touch what it must not, on purpose.
    faulted = trace.faulted(but=[bdf_of(device) for device in EDUS])
    host.case("no_fault", f"stopped accesses of {' '.join(faulted)}" if faulted else "")
    if plan.together and trace.tells_mappings:
        host.case("one_notification_for_all", f"{trace.together} maps with one, not {plan.together}"
                  if trace.together < plan.together else "")
    if plan.poweroff == "unbind" and trace.tells_mappings:
        left = trace.leaked()
        host.case("nothing_left_mapped", f"{left} pages" if left else "")


def _describe(result, plan, trace):
    """Adds to each device how its DMA went; returns those that went wrong."""
    usual = "translated" if plan.translated else "direct"
    for device in plan.devices:
        if device not in SLOTS:
            continue
        bdf = bdf_of(device)
        row = next((d for d in result["devices"] if d["bdf"] == bdf), None)
        if row is None:
            row = {"bdf": bdf, "driver": "none", "name": device, "irq": "none:0", "bytes": "0"}
            result["devices"].append(row)
        row["dma"] = trace.way(bdf, int(row["bytes"]))
        row.update(trace.facts(bdf))
        if device in EDUS and row["dma"] == "none":
            continue            # no test used it
        want = "mixed" if device in plan.mixed else "direct" if device in DIRECT else usual
        yield device, "" if row["dma"] == want else f"{row['dma']} instead of {want}"


def boot(name, kernel):
    """Run plan @name; the result is also build/report/<kernel>-<name>.json."""
    plan = Plan(name)
    machine = Machine(plan, kernel.copy, kernel.initramfs, BUILD / "boots" / kernel.name / name)
    with open(machine.work / ".lock", "w") as lock:     # two runs take turns
        fcntl.flock(lock, fcntl.LOCK_EX)
        with BUSY if plan.busy else contextlib.nullcontext():
            return _boot(plan, machine, kernel)


def boot_all(names, kernel):
    """Yield the results of several plans, in their order.

    A boot waits about as long as it computes (an edu transfer takes 100 ms), so
    there are as many at a time as there are processors, up to four. Machines
    with drives and network cards do not wait: one of these at a time.
    """
    names = list(names)
    with concurrent.futures.ThreadPoolExecutor(max(1, min(4, os.cpu_count() or 1))) as pool:
        boots = [pool.submit(boot, name, kernel) for name in names]
        try:
            for one in boots:
                yield one.result()
        except BaseException:
            # Also when the caller has all that it wanted: nothing is stopped then.
            if not all(one.done() for one in boots):
                for one in boots:
                    one.cancel()
                STOPPING.set()
            raise


def _boot(plan, machine, kernel):
    name = plan.name
    print(f"  boot {name} ({plan.about}) ...", file=sys.stderr, flush=True)
    machine.make_disks()
    token = new_token()
    start = time.monotonic()
    end = machine.run(token)
    seconds = time.monotonic() - start

    text = machine.log.read_text(errors="replace")
    result = verdict.judge(text, name, plan.docs, token, end, kunit_of(kernel.out))
    result.update(kernel=kernel.name, about=plan.about, iommu=plan.translated,
                  planned=plan.devices, expected=plan.docs, seconds=round(seconds, 1), log=str(machine.log),
                  qemu=machine.errors.read_text(errors="replace")[-300:])
    look_from_outside(result, machine)
    if result["verdict"] == "pass":
        for device in plan.devices:
            machine.image(device).unlink(missing_ok=True)
    REPORT.mkdir(parents=True, exist_ok=True)
    (REPORT / f"{kernel.name}-{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"  boot {name}: {result['verdict']} after {seconds:.1f} s", file=sys.stderr, flush=True)
    return result


def look_from_outside(result, machine):
    plan = machine.plan
    trace = qemu_trace.KINDS[machine.arch.iommu](machine.arch.ram_start, plan.memory)
    trace.read(machine.trace)
    host = Host(result)
    for device, wrong in _describe(result, plan, trace):
        host.case(f"dma_{device}", wrong)
    _check_disks(host, machine)
    if plan.translated:
        _check_trace(host, plan, trace)
