# SPDX-License-Identifier: GPL-2.0-only
"""The verdict on one boot, from its console log.

A boot passes only if everything that was planned was said to have happened and
nothing else did: the plan line, each planned document under its name with the
cases it announced, each of them good, no complaint of the kernel anywhere in the
log, the success token at the end, and QEMU gone by itself with status 0. What is
not there counts as failed.

Verdicts, the gravest first: noboot, qemu (it died), splat, timeout, lost (no
token), fail, pass. All reasons are kept, whichever of them names the verdict.

The KTAP is read by the kernel's own kunit.py; the names and counts are checked
here as well, so that an accident in either reading is seen.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

ORDER = ("noboot", "qemu", "splat", "timeout", "lost", "fail")

_PREFIX = re.compile(r"^\[ *\d+\.\d+\] ?")

SPLATS = re.compile("|".join((
    r"\bBUG:", r"\bBUG at ", r"kernel BUG", r"\bWARNING:", r"cut here", r"\bOops\b",
    r"Internal error", r"[Uu]nable to handle", r"Call trace:", r"Kernel panic",
    r"sleeping function called", r"scheduling while atomic", r"possible circular locking",
    r"possible recursive locking", r"inconsistent lock state", r"bad unlock balance",
    r"suspicious RCU usage", r"\bINFO: (?:task|possible|rcu|trying|lockdep)", r"rcu: INFO",
    r"blocked for more than", r"soft lockup", r"hard LOCKUP", r"\bKASAN\b", r"\bUBSAN\b",
    r"\bKCSAN\b", r"\bKFENCE:", r"refcount_t", r"list_(?:add|del) corruption",
    r"page allocation failure", r"Bad page", r"nobody cared", r"Out of memory:",
    r"turning off the locking correctness validator", r"nonzero mapcount",
    r"DMA-API: (?!preallocated \d+ debug entries|debugging enabled by kernel config)",
)))

# Out-of-tree module, unsigned module, test. Any other taint is a complaint.
TAINT_EXPECTED = 1 << 12 | 1 << 13 | 1 << 18

_PLAN = re.compile(r"DMATEST plan (\S+) docs (\d+): ?(.*)$")
_DEVICE = re.compile(r"DMATEST device (\S+) (\S+) (.*)$")
_CASE = re.compile(r"^ {4}(ok|not ok) (\d+) (.+?)\s*$")
_NESTED = re.compile(r"^ {8,}(ok|not ok) (\d+) (.+?)\s*$")
_SUITE = re.compile(r"^(ok|not ok) (\d+) (.+?)\s*$")


class Document:
    """The lines between "DMATEST doc <name>" and "DMATEST end <name> <status>"."""

    def __init__(self, name):
        self.name = name
        self.lines = []
        self.status = None      # what init saw; None: no end line
        self.cases = []         # {"name", "status", "why"}


def _split_directive(text):
    name, skip, why = text.partition("# SKIP")
    if not skip:
        return text.strip(), None
    return name.strip(), why.strip()


def read_cases(doc):
    """Sets doc.cases; returns what is wrong with the document's own bookkeeping."""
    wrong, suites, expect, seen = [], None, None, 0
    starts = [n for n, line in enumerate(doc.lines) if line.strip() == "KTAP version 1"
              and not line.startswith(" ")]
    if len(starts) != 1:
        return [f"{len(starts)} KTAP documents instead of one"]
    names, finished, nested = set(), 0, []
    for line in doc.lines[starts[0]:]:
        if match := re.match(r"^1\.\.(\d+)\s*$", line):
            suites = int(match[1])
        elif match := re.match(r"^ {4}1\.\.(\d+)\s*$", line):
            expect, seen = int(match[1]), 0
        elif match := _NESTED.match(line):
            nested.append((match[1], _split_directive(match[3])[1]))
        elif match := _CASE.match(line):
            name, why = _split_directive(match[3])
            seen += 1
            status = "skip" if why is not None else match[1]
            status = "fail" if match[1] == "not ok" else status
            if status != "fail" and any(s == "not ok" for s, _ in nested):
                wrong.append(f"{name} says ok, but one of its parameters failed")
            if why == "":       # KUnit gives the reason with the parameter
                why = next((w for _, w in nested if w), "")
            nested = []
            if int(match[2]) != seen:
                wrong.append(f"case {name} has number {match[2]} instead of {seen}")
            if name in names:
                wrong.append(f"case {name} twice")
            names.add(name)
            if status == "skip" and not why:
                wrong.append(f"{name} was skipped without a reason")
            doc.cases.append({"name": name, "status": status, "why": why or ""})
        elif match := _SUITE.match(line):
            finished += 1
            if expect is None or seen != expect:
                wrong.append(f"{seen} cases instead of {expect}")
            if match[1] == "not ok" and not any(c["status"] == "fail" for c in doc.cases):
                wrong.append(f"suite {_split_directive(match[3])[0]} failed")
            expect, names = None, set()
    if suites is None or finished != suites:
        wrong.append(f"{finished} suites instead of {suites}")
    if not doc.cases:
        wrong.append("no case at all")
    return wrong


def ask_kunit(doc, kunit):
    """kunit.py's opinion: its counts, and its cases' names and status."""
    with tempfile.NamedTemporaryFile("w", suffix=".log") as f:
        f.write("\n".join(doc.lines) + "\n")
        f.flush()
        done = subprocess.run([sys.executable, str(kunit), "parse", f.name, "--json"],
                              capture_output=True, text=True)
    start = done.stdout.find("\n{")
    if start < 0:
        raise RuntimeError(f"kunit.py said nothing: {(done.stderr or done.stdout).strip()[-300:]}")
    group = json.loads(done.stdout[start:])
    return group["misc"], list(_kunit_cases(group))


def _kunit_cases(group):
    """Name and status of each case; one with parameters is a group by itself."""
    words = {"PASS": "ok", "SKIP": "skip"}
    for suite in group["sub_groups"]:
        for case in suite["test_cases"]:
            yield case["name"], words.get(case["status"], "fail")
        for sub in suite["sub_groups"]:
            misc = sub["misc"]
            bad = misc["failed"] or misc["crashed"] or misc["errors"]
            yield sub["name"], "fail" if bad else "ok" if misc["passed"] else "skip"


def check_document(doc, kunit):
    wrong = read_cases(doc)
    misc, theirs = ask_kunit(doc, kunit)
    for what in ("failed", "crashed", "errors"):
        if misc[what]:
            wrong.append(f"kunit.py: {what} {misc[what]}")
    ours = [(c["name"], c["status"]) for c in doc.cases]
    if not wrong and sorted(ours) != sorted(theirs):
        wrong.append(f"kunit.py read other cases: {sorted(set(theirs) ^ set(ours))}")
    wrong += [f"{c['name']} failed" for c in doc.cases if c["status"] == "fail"]
    if doc.status is None:
        wrong.append("it did not end")
    elif doc.status != "0" and not wrong:
        wrong.append(f"ended with status {doc.status}")
    return wrong


class Log:
    """The console log, cut into what it consists of."""

    def __init__(self, text):
        self.lines = [_PREFIX.sub("", line.rstrip("\r")) for line in text.split("\n")]
        self.plans, self.docs, self.devices = [], [], []
        self.done, self.taints, self.missing = [], [], []
        self.booted = any(line.startswith("Linux version ") for line in self.lines)
        self.splats = [line.strip() for line in self.lines if SPLATS.search(line)]
        doc = None
        for line in self.lines:
            if line.startswith("DMATEST "):
                doc = self._word(line, doc)
            elif doc is not None:
                doc.lines.append(line)

    def _word(self, line, doc):
        word = line.split()
        if match := _PLAN.match(line):
            self.plans.append((match[1], int(match[2]), match[3].split()))
        elif word[1] == "doc" and len(word) == 3:
            doc = Document(word[2])
            self.docs.append(doc)
        elif word[1] == "end" and len(word) == 4 and doc and doc.name == word[2]:
            doc.status = word[3]
            return None
        elif match := _DEVICE.match(line):
            facts = dict(f.split("=", 1) for f in match[3].split() if "=" in f)
            self.devices.append({"bdf": match[1], "driver": match[2], **facts})
        elif word[1] in ("done", "taint", "missing"):
            getattr(self, {"done": "done", "taint": "taints", "missing": "missing"}[word[1]]
                    ).append(word[2:])
        return doc


def _check_plan(log, name, docs):
    if len(log.plans) != 1:
        yield "fail", f"{len(log.plans)} plan lines instead of one"
        return
    got, count, names = log.plans[0]
    if got != name or names != docs or count != len(docs):
        yield "fail", f"the guest's plan is {got} ({count}: {' '.join(names)})"


def _check_token(log, name, token):
    if [name, token] not in log.done:
        yield "lost", "no success token"
    elif len(log.done) != 1:
        yield "fail", "more than one success token"
    if log.taints and len(log.taints[0]) == 1 and log.taints[0][0].isdigit():
        taint = int(log.taints[0][0]) & ~TAINT_EXPECTED
        if taint:
            yield "splat", f"the kernel is tainted ({taint:#x})"
    elif log.done:
        yield "fail", "no taint line"


def _check_end(log, end):
    how, value = end
    if not log.booted:
        yield "noboot", "the kernel did not start"
    if how == "timeout":
        yield "timeout", f"still running after {value} s"
    elif how == "stop":
        yield "lost", f"the console said what the plan stops at, after {value} s"
    elif how == "signal":
        yield "qemu", f"QEMU was ended by signal {value}"
    elif value:
        yield "qemu", f"QEMU ended with status {value}"


def judge(text, name, docs, token, end, kunit):
    """The result of a boot as a dictionary; see the top of this file.

    @end is how QEMU ended: ("exit", status), ("signal", n), ("timeout", seconds).
    """
    log = Log(text)
    reasons = list(_check_end(log, end))
    if not docs:
        reasons.append(("fail", "nothing was planned"))
    reasons += _check_plan(log, name, docs)
    reasons += _check_token(log, name, token)
    reasons += [("splat", line) for line in log.splats[:5]]
    if log.missing:
        reasons.append(("fail", f"missing device: {' '.join(log.missing[0])}"))
    said = [doc.name for doc in log.docs]
    for doc in docs:
        if said.count(doc) != 1:
            reasons.append(("fail", f"{doc}: {said.count(doc)} documents instead of one"))
    if set(said) - set(docs):
        reasons.append(("fail", f"unplanned: {' '.join(sorted(set(said) - set(docs)))}"))
    for doc in log.docs:
        reasons += [("fail", f"{doc.name}: {why}") for why in check_document(doc, kunit)]
    return {
        "plan": name,
        "verdict": overall(reasons),
        "why": [f"{kind}: {why}" for kind, why in reasons],
        "docs": [{"name": d.name, "cases": d.cases} for d in log.docs],
        "devices": log.devices,
        "splats": len(log.splats),
    }


def overall(reasons):
    kinds = [kind for kind, _ in reasons]
    return next((kind for kind in ORDER if kind in kinds), "pass")


def add(result, kind, why):
    """A further reason, found outside the log (disk images, QEMU's trace)."""
    result["why"].append(f"{kind}: {why}")
    kinds = [w.split(":")[0] for w in result["why"]]
    result["verdict"] = next(k for k in ORDER if k in kinds)


def find_kunit(*places):
    for place in places:
        path = pathlib.Path(place) / "tools/testing/kunit/kunit.py"
        if path.is_file():
            return path
    raise RuntimeError(f"no tools/testing/kunit/kunit.py in {' or '.join(map(str, places))}")
