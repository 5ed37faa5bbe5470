#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the rules that judge a boot (scripts/vm/verdict.py, trace.py).

    test_verdict.py <path of the kernel's tools/testing/kunit/kunit.py>

Each test takes the log of a good boot, spoils one thing, and demands the verdict
and the reason. Prints "ok <id>" or "not ok <id> # why" for each.
"""

import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
from vm import pattern, trace, verdict  # noqa: E402
from tally import tally  # noqa: E402

KUNIT = None
GOOD = """\
[    0.000000] Linux version 7.3.4 (x@y) #1 SMP
[    0.246235] DMA-API: preallocated 65536 debug entries
[    0.246571] DMA-API: debugging enabled by kernel config
[    1.672960] Run /init as init process
[    2.000000] DMATEST plan p docs 2: alpha_test beta
[    2.000001] edu: loading out-of-tree module taints kernel.
[    2.000002] DMATEST doc alpha_test
[    2.000003] KTAP version 1
[    2.000004] 1..2
[    2.000005]     KTAP version 1
[    2.000006]     # Subtest: alpha
[    2.000007]     # module: alpha_test
[    2.000008]     1..2
[    2.000009]     ok 1 first
[    2.000010] edu 0000:00:03.0: enabling device (0100 -> 0102)
[    2.000011]     ok 2 second
[    2.000012] # alpha: pass:2 fail:0 skip:0 total:2
[    2.000013] ok 1 alpha
[    2.000014]     KTAP version 1
[    2.000015]     # Subtest: alpha_more
[    2.000016]     1..2
[    2.000017]         KTAP version 1
[    2.000017]         # Subtest: each
[    2.000017]         ok 1 0000:00:03.0
[    2.000017]         ok 2 0000:00:04.0
[    2.000017]     # each: pass:2 fail:0 skip:0 total:2
[    2.000017]     ok 1 each
[    2.000017]         KTAP version 1
[    2.000017]         # Subtest: last
[    2.000017]         ok 1 0000:00:05.0 # SKIP not behind an IOMMU
[    2.000017]     ok 2 last # SKIP
[    2.000018] ok 2 alpha_more
[    2.000019] DMATEST end alpha_test 0
[    2.000020] DMATEST doc beta
[    2.000021] KTAP version 1
[    2.000022] 1..1
[    2.000023]     KTAP version 1
[    2.000024]     # Subtest: beta
[    2.000025]     1..2
[    2.000026]     ok 1 one
[    2.000027]     ok 2 two # SKIP no such device
[    2.000028] ok 1 beta
[    2.000029] DMATEST end beta 0
[    2.000030] DMATEST device 0000:00:03.0 edu name=edu group=1 type=DMA irq=msi:1 fired=7 bytes=99
[    2.000031] DMATEST taint 266240
[    2.000032] DMATEST done p 00ff
[    2.000033] reboot: Power down
"""


def judged(old="", new="", end=("exit", 0), docs=("alpha_test", "beta")):
    if old not in GOOD:
        raise AssertionError(f"the good log has no {old!r}")
    text = GOOD.replace(old, new, 1) if old else GOOD
    return verdict.judge(text, "p", list(docs), "00ff", end, KUNIT)


def line_of(part):
    return next(line + "\n" for line in GOOD.splitlines() if part in line)


def demand(result, want, why=""):
    if result["verdict"] != want:
        return f"verdict {result['verdict']} instead of {want}: {result['why']}"
    if why and not any(why in reason for reason in result["why"]):
        return f"no reason with '{why}' in {result['why']}"
    return ""


def drop(part, want, why="", **more):
    return demand(judged(line_of(part), "", **more), want, why)


def insert(line, want, why="", before="DMATEST taint"):
    at = line_of(before)
    return demand(judged(at, f"[    2.5] {line}\n{at}"), want, why)


def swap(old, new, want, why="", **more):
    return demand(judged(old, new, **more), want, why)


def is_clean():
    result = judged()
    cases = [c["status"] for d in result["docs"] for c in d["cases"]]
    if cases != ["ok", "ok", "ok", "skip", "ok", "skip"]:
        return f"cases {cases}"
    if result["devices"] != [{"bdf": "0000:00:03.0", "driver": "edu", "name": "edu",
                              "group": "1", "type": "DMA", "irq": "msi:1",
                              "fired": "7", "bytes": "99"}]:
        return f"devices {result['devices']}"
    return demand(result, "pass")


def cut_at(part):
    return GOOD[:GOOD.index(part)]


TESTS = {
    "clean": is_clean,
    "token_lost": lambda: drop("DMATEST done", "lost"),
    "token_of_another_boot": lambda: swap("done p 00ff", "done p 00fe", "lost"),
    "token_of_another_plan": lambda: swap("done p 00ff", "done q 00ff", "lost"),
    "plan_line_missing": lambda: drop("DMATEST plan", "fail", "plan line"),
    "plan_count_wrong": lambda: swap("docs 2:", "docs 3:", "fail", "the guest's plan"),
    "plan_of_other_documents": lambda: swap("alpha_test beta", "alpha_test gamma", "fail",
                                            "the guest's plan"),
    "nothing_planned": lambda: swap("", "", "fail", "nothing was planned", docs=()),
    "document_missing": lambda: demand(
        judged(GOOD[GOOD.index("[    2.000020]"):GOOD.index("[    2.000030]")], ""),
        "fail", "beta: 0 documents"),
    "document_unplanned": lambda: swap("", "", "fail", "beta", docs=("alpha_test",)),
    "document_empty": lambda: demand(
        judged(GOOD[GOOD.index("[    2.000021]"):GOOD.index("[    2.000029]")], ""),
        "fail", "beta: 0 KTAP documents"),
    "document_does_not_end": lambda: drop("DMATEST end beta", "fail", "did not end"),
    "document_status": lambda: swap("end beta 0", "end beta 1", "fail", "ended with status 1"),
    "case_missing": lambda: drop("    ok 2 second", "fail", "1 cases instead of 2"),
    "last_case_missing": lambda: drop("    ok 2 two", "fail", "1 cases instead of 2"),
    "case_too_many": lambda: swap("    ok 2 second\n",
                                  "    ok 2 second\n[    2.1]     ok 3 third\n",
                                  "fail", "3 cases instead of 2"),
    "case_twice": lambda: swap("ok 2 second", "ok 2 first", "fail", "twice"),
    "case_number_wrong": lambda: swap("ok 2 second", "ok 3 second", "fail", "number"),
    "case_fails": lambda: swap("    ok 1 one", "    not ok 1 one", "fail", "one failed"),
    "parameter_fails_case_says_ok": lambda: swap("        ok 2 0000:00:04.0",
                                                 "        not ok 2 0000:00:04.0",
                                                 "fail", "one of its parameters failed"),
    "parameter_skipped_without_a_reason": lambda: swap(" # SKIP not behind an IOMMU", " # SKIP",
                                                       "fail", "skipped without a reason"),
    "case_fails_suite_says_ok": lambda: swap("    ok 2 second", "    not ok 2 second",
                                             "fail", "second failed"),
    "suite_missing": lambda: drop("ok 2 alpha_more", "fail", "suites instead of"),
    "suite_fails": lambda: swap("] ok 1 alpha\n", "] not ok 1 alpha\n", "fail", "alpha"),
    "skip_without_a_reason": lambda: swap("# SKIP no such device", "# SKIP", "fail",
                                          "skipped without a reason"),
    "warning": lambda: insert("WARNING: drivers/iommu/dma-iommu.c:9 at x", "splat"),
    "bug": lambda: insert("BUG: sleeping function called from invalid context at x", "splat"),
    "lockdep": lambda: insert("WARNING: possible circular locking dependency detected", "splat"),
    "dma_debug": lambda: insert("DMA-API: nvme 0000:00:02.0: device driver failed", "splat"),
    "oops": lambda: insert("Internal error: Oops: 805 [#1] SMP ARM", "splat"),
    "hung_task": lambda: insert("INFO: task dio:9 blocked for more than 60 seconds.", "splat"),
    "rcu_stall": lambda: insert("rcu: INFO: rcu_sched detected stalls on CPUs/tasks", "splat"),
    "nobody_cared": lambda: insert("irq 30: nobody cared (try booting)", "splat"),
    "list_corruption": lambda: insert("list_add corruption. next->prev should be", "splat"),
    "refcount": lambda: insert("refcount_t: underflow; use-after-free.", "splat"),
    "splat_after_the_token": lambda: insert("WARNING: at y", "splat", before="Power down"),
    "splat_before_the_plan": lambda: insert("WARNING: at z", "splat", before="Run /init"),
    "taint": lambda: swap("taint 266240", "taint 266752", "splat", "tainted"),
    "taint_not_told": lambda: drop("DMATEST taint", "fail", "taint"),
    "taint_empty": lambda: swap("taint 266240", "taint ", "fail", "taint"),
    "device_missing": lambda: insert("DMATEST missing vblk", "fail", "missing device: vblk"),
    "timeout": lambda: demand(verdict.judge(cut_at("[    2.000020]"), "p",
                                            ["alpha_test", "beta"], "00ff",
                                            ("timeout", 60), KUNIT), "timeout"),
    "timeout_after_the_token": lambda: swap("", "", "timeout", end=("timeout", 60)),
    "stopped": lambda: swap("", "", "lost", "stops at", end=("stop", 5)),
    "machine_lost": lambda: demand(verdict.judge(cut_at("[    2.000011]"), "p",
                                                 ["alpha_test", "beta"], "00ff",
                                                 ("exit", 0), KUNIT), "lost"),
    "qemu_killed": lambda: swap("", "", "qemu", "signal 11", end=("signal", 11)),
    "qemu_failed": lambda: swap("", "", "qemu", "status 1", end=("exit", 1)),
    "no_boot": lambda: demand(verdict.judge("", "p", ["beta"], "00ff", ("exit", 0), KUNIT),
                              "noboot"),
}

# ---- QEMU's trace ----

TRACE = """\
virtio_iommu_switch_address_space Device 00:02.0 switching address space (iommu enabled=1)
virtio_iommu_fill_resv_property dev= 16, type=1 start=0x8020000 end=0x8020fff
virtio_iommu_attach domain=1 endpoint=16
virtio_iommu_map domain=1 virt_start=0xfffff000 virt_end=0xffffffff phys_start=0x42000000 flags=3
virtio_iommu_translate mr=virtio-iommu-memory-region-2-16 rid=16 addr=0xfffff010 flag=1
virtio_iommu_translate_out 0xfffff010 -> 0x42000010 for sid=16
virtio_iommu_translate mr=virtio-iommu-memory-region-2-16 rid=16 addr=0x8020040 flag=2
virtio_iommu_unmap_done domain=1 virt_start=0xfffff000 virt_end=0xffffffff
"""


def traced(old="", new=""):
    if old not in TRACE:
        raise AssertionError(f"the trace has no {old!r}")
    with tempfile.NamedTemporaryFile("w") as f:
        f.write(TRACE.replace(old, new, 1) if old else TRACE)
        f.flush()
        return trace.VirtioTrace(0x40000000, 1024).read(f.name)


def way(want, old="", new="", moved=4096, bdf="0000:00:02.0"):
    got = traced(old, new).way(bdf, moved)
    return "" if got == want else f"{got} instead of {want}"


def problem(want, old, new):
    found = traced(old, new).problems
    return "" if any(want in p for p in found) else f"no '{want}' in {found}"


def trace_line(part):
    return next(line + "\n" for line in TRACE.splitlines() if part in line)


FREED = "virtio_iommu_put_domain Free domain=1\n"


def in_domain_2(lines):
    return lines.replace("domain=1", "domain=2")


def left(want, instead):
    """Pages left mapped, with @instead of the unmapping."""
    got = traced(trace_line("unmap_done"), instead).leaked()
    return "" if got == want else f"{got} pages instead of {want}"


def clean_trace():
    t = traced()
    if t.problems or t.leaked() or t.faulted():
        return f"{t.problems}, {t.leaked()} leaked, faults of {t.faulted()}"
    facts = t.facts("0000:00:02.0")
    want = {"translations": 1, "accesses": 1, "doorbells": 1, "maps": 1, "unmaps": 1, "faults": 0,
            "highest": 0xfffff010}
    return "" if facts == want else f"{facts}"


def together(want, *lines):
    """Maps with one notification, with @lines for the map."""
    got = traced(trace_line("virtio_iommu_map"), "".join(lines)).together
    return "" if got == want else f"{got} instead of {want}"


def maps(count):
    return "".join(trace_line("virtio_iommu_map").replace("0xfffff", f"0x{n:05x}")
                   for n in range(1, count + 1))


NOTIFY = "virtio_queue_notify vdev 0x55d0 n 0 vq 0x7f00\n"

TESTS.update({
    "trace_clean": clean_trace,
    "trace_maps_together": lambda: together(3, NOTIFY, maps(3), NOTIFY, maps(2).replace("0x0000", "0x0001")),
    "trace_maps_one_by_one": lambda: together(
        1, *(NOTIFY + line + "\n" for line in maps(3).splitlines())),
    "trace_translated": lambda: way("translated"),
    "trace_too_few_translations": lambda: way("mixed", moved=4097),
    "trace_untranslated_access": lambda: way("direct", trace_line("translate_out"), ""),
    "trace_stopped_access_is_no_leak": lambda: way(
        "translated", trace_line("unmap_done"), trace_line("unmap_done") +
        trace_line("translate ") +
        "virtio_iommu_report_fault FAULT reason=2 flags=258 endpoint=16 address =0xfffff010\n"),
    "trace_fault_is_told": lambda: "" if traced(
        trace_line("unmap_done"), "virtio_iommu_report_fault FAULT reason=2 flags=258 "
        "endpoint=16 address =0x1000\n").faulted() == ["0000:00:02.0"] else "no fault told",
    "trace_switched_off": lambda: way(
        "mixed", trace_line("unmap_done"),
        trace_line("switch_address").replace("enabled=1", "enabled=0")),
    "trace_switched_off_in_between": lambda: way(
        "mixed", trace_line("unmap_done"), trace_line("unmap_done") +
        trace_line("attach") + trace_line("switch_address").replace("enabled=1", "enabled=0") +
        trace_line("attach") + trace_line("switch_address")),
    "trace_switched_off_by_an_attach": lambda: way(
        "translated", trace_line("unmap_done"), trace_line("unmap_done") +
        trace_line("attach") + trace_line("switch_address").replace("enabled=1", "enabled=0") +
        trace_line("switch_address") + trace_line("attach")),
    "trace_switched_off_at_the_end": lambda: way(
        "translated", trace_line("unmap_done"), trace_line("unmap_done") +
        "virtio_iommu_device_reset reset!\n" +
        trace_line("switch_address").replace("enabled=1", "enabled=0")),
    "trace_leak_in_a_freed_domain": lambda: left(1, FREED),
    "trace_mapped_again_after_its_domain_was_freed": lambda: left(
        0, FREED + trace_line("attach") + trace_line("iommu_map ") + trace_line("unmap_done")),
    "trace_mapped_again_and_left_over": lambda: left(
        1, FREED + trace_line("attach") + trace_line("iommu_map ") + FREED),
    "trace_mapped_again_to_other_memory": lambda: left(
        1, FREED + trace_line("attach") + trace_line("iommu_map ").replace("0x42000000", "0x42001000") +
        trace_line("unmap_done")),
    "trace_mapped_again_in_another_domain": lambda: left(
        1, FREED + in_domain_2(trace_line("attach") + trace_line("iommu_map ") +
                               trace_line("unmap_done"))),
    "trace_left_over_in_two_domains": lambda: left(
        2, FREED + in_domain_2(trace_line("attach") + trace_line("iommu_map ") + FREED)),
    "trace_silent_device_that_moved": lambda: way("direct", bdf="0000:00:04.0"),
    "trace_silent_device": lambda: way("none", bdf="0000:00:04.0", moved=0),
    "trace_foreign_memory": lambda: problem("not memory of the machine", "phys_start=0x42000000",
                                            "phys_start=0xfe910f4e000"),
    "trace_address_0": lambda: problem("address 0", "virt_start=0xfffff000 virt_end=0xffffffff p",
                                       "virt_start=0x0 virt_end=0xfff p"),
    "trace_wrong_translation": lambda: problem("no live mapping", "-> 0x42000010", "-> 0x42001010"),
    "trace_use_after_unmap": lambda: problem(
        "no live mapping", trace_line("unmap_done"),
        trace_line("unmap_done") + trace_line("translate_out")),
    "trace_map_twice": lambda: problem("twice", trace_line("iommu_map "),
                                       trace_line("iommu_map ") * 2),
    "trace_leak": lambda: left(1, ""),
})

# ---- disk images ----


def image(spoil=None):
    with tempfile.TemporaryDirectory() as d:
        path = pathlib.Path(d) / "x.img"
        seed, blocks, cpus = 7, 8192, 1
        gens = pattern.dio_generations(seed, blocks, cpus)
        data = bytearray(b"".join(pattern.block(seed, n, g) for n, g in enumerate(gens)))
        if spoil:
            spoil(data, gens, seed)
        path.write_bytes(data)
        return pattern.check_image(path, seed, blocks, cpus) or ""


def stale(data, gens, seed):
    n = next(n for n, g in enumerate(gens) if g)
    data[n * 512:n * 512 + 512] = pattern.block(seed, n, 0)


def one_bit(data, _gens, _seed):
    data[-1] ^= 1


def found(text, why):
    return "" if why in text else f"'{why}' not in '{text}'"


TESTS.update({
    "image_clean": image,
    "image_stale_block": lambda: found(image(stale), "must be of write"),
    "image_one_bit": lambda: found(image(one_bit), "block 8191"),
    "image_short": lambda: found(image(lambda d, g, s: d.__delitem__(slice(-512, None))),
                                 "block 8191"),
    "image_grew": lambda: found(image(lambda d, g, s: d.extend(b"x")), "grew"),
})


def main():
    global KUNIT
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1]).is_file():
        sys.exit(__doc__.strip())
    KUNIT = pathlib.Path(sys.argv[1])
    tally("verdict", TESTS)


if __name__ == "__main__":
    main()
