# SPDX-License-Identifier: GPL-2.0-only
"""Compile what a patch touches, object by object: no kernel is linked.

One work tree, build/review/linux, with an output directory for each
configuration in it. They are kept, so a patch costs what it changed. What is
compiled is known by the base and by those files of the series that can matter to
it, so a result is found again as long as none of them changes.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import subprocess

from . import series
from .series import BUILD, CACHE, LOGS, TOP, TREE, Error, environment, git, say, sha

# What was found out in another way is not taken for the same.
TOOL = sha(pathlib.Path(__file__).read_bytes())
REVIEW = BUILD / "review"
WORK = REVIEW / "linux"
ARM = ("common", "debug", "arm")
# Name: architecture, fragments of configs/; "all" is that architecture's allmodconfig.
CONFIGS = {
    "arm-lpae": ("arm", (*ARM, "arm-lpae", "series")),
    "arm": ("arm", (*ARM, "arm-nolpae", "series")),
    "arm-few": ("arm", ("common", "arm", "arm-nolpae", "few")),
    "arm-all": ("arm", ("all",)),
    "arm64": ("arm64", ("common", "debug", "arm64", "series")),
    "x86_64": ("x86_64", ("common", "debug", "x86_64", "series")),
}
CROSS = {"arm": "arm-linux-gnueabihf-", "arm64": "aarch64-linux-gnu-", "x86_64": "x86_64-linux-gnu-"}
# What allmodconfig turns on that only costs time, or needs more tools.
NOT_ALL = ("WERROR GCC_PLUGINS KASAN GCOV_KERNEL MODVERSIONS DEBUG_INFO_BTF DEBUG_INFO "
           "MODULE_SIG_ALL RUST").split()
# Whom a header in include/ or of an architecture concerns most.
USERS = ("kernel/dma/", "drivers/iommu/")
HEADER = re.compile(r"^(include/|arch/[^/]+/include/)")
WARNING = re.compile(r"^(?:\.\./)*([^\s:]+):\d+(?::\d+)?: ((?:warning|error|fatal error): .*)")
BROKEN = re.compile(r"\berror:|\*\*\* (?!No rule to make)|undefined reference|Error \d+$")
# kbuild makes any object that it is asked for, so what a configuration has is read
# from its makefiles.
MEMBERS = """include .config
obj := $(d)
src := $(srctree)/$(d)
include $(firstword $(wildcard $(src)/Kbuild) $(src)/Makefile)
all := $(obj-y) $(obj-m) $(lib-y)
$(info $(all) $(foreach m,$(all),$($(m:.o=-objs)) $($(m:.o=-y)) $($(m:.o=-m))))
_:;@:
"""


class Build:
    def __init__(self, sparse):
        self.sparse = sparse
        self.at = None
        self.changed = {}

    # ---- the source -----------------------------------------------------------

    def source(self, am):
        """The work tree, with the objects of @am as well."""
        new = not (WORK / ".git").is_dir()
        series.borrow(WORK, am)
        if new or git(WORK, "rev-parse", "-q", "--verify", "HEAD", check=False).returncode:
            say("  checking out the work tree of the review ...")
            git(WORK, "checkout", "-q", "-f", "--detach", "base")
        with open(WORK / ".git/info/exclude", "w") as exclude:
            exclude.write("/out-*\n")

    def check_out(self, commit):
        if self.at == commit:
            return
        for lock in (WORK / ".git").glob("*.lock"):
            lock.unlink()
        git(WORK, "checkout", "-q", "-f", "--detach", commit)
        self.at = commit

    def files_of(self, commit):
        """path -> blob of what differs from the base, Documentation apart"""
        if commit not in self.changed:
            out = git(WORK, "diff", "--raw", "--no-renames", "--no-abbrev", "base", commit)
            rows = (line.split() for line in out.splitlines())
            self.changed[commit] = {r[-1]: r[3] for r in rows if not r[-1].startswith("Documentation/")}
        return self.changed[commit]

    def state(self, commit, folders):
        """What the objects in @folders depend on, of what the series changes."""
        return sorted(f"{path} {blob}" for path, blob in self.files_of(commit).items()
                      if path.endswith(".h") or "/Kconfig" in path or path.endswith("Makefile")
                      or any(path.startswith(folder) for folder in folders))

    # ---- make ------------------------------------------------------------------

    def _make(self, arch, out, log, *args, sparse=False):
        cc = f"ccache {CROSS[arch]}gcc"
        env = environment(ARCH=arch, CROSS_COMPILE=CROSS[arch], CCACHE_BASEDIR=str(BUILD),
                          CCACHE_NOHASHDIR="1", CCACHE_DIR=os.environ.get("CCACHE_DIR", str(CACHE / "ccache")),
                          KBUILD_BUILD_TIMESTAMP="2026-01-01", KBUILD_BUILD_USER="dma-space",
                          KBUILD_BUILD_HOST="build", LOCALVERSION="", LC_ALL="C")
        if sparse:
            args = ("W=1", "C=2", f"CHECK={self._checker()}", "KDOC=true", *args)
        with turn():
            done = subprocess.run(["make", "-C", WORK, f"O={out}", f"CC={cc}", *args], env=env,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False)
        text = done.stdout.decode(errors="replace")
        log.append(f"$ make O={out.name} {' '.join(map(str, args))}\n{text}")
        return done.returncode, text

    def _checker(self):
        """sparse, whose lines can be told from the compiler's."""
        path = REVIEW / "sparse"
        path.write_text(f"#!/bin/sh\n'{self.sparse}' \"$@\" 2>&1 | sed 's/^/sparse: /' >&2\n")
        path.chmod(0o755)
        return path

    def _wanted(self, config, more):
        text = "".join((TOP / "configs" / f"{f}.config").read_text()
                       for f in CONFIGS[config][1] if f != "all")
        return text + "".join(f"CONFIG_{name}={value}\n" for name, value in more)

    def configured(self, config, commit, log, more=(), tag=""):
        """The output directory, configured for this commit."""
        arch = CONFIGS[config][0]
        out = WORK / f"out-{config}{tag}"
        kconfig = [f for f in self.state(commit, ()) if "/Kconfig" in f]
        wanted = self._wanted(config, more)
        stamp = sha(git(TREE, "rev-parse", "base^{tree}"), wanted, NOT_ALL, *kconfig)
        if (out / ".configured").exists() and (out / ".configured").read_text() == stamp:
            return out
        out.mkdir(exist_ok=True)
        if config == "arm-all":
            status, text = self._make(arch, out, log, "allmodconfig")
            if not status:
                off = [a for name in NOT_ALL for a in ("-d", name)]
                subprocess.run([WORK / "scripts/config", "--file", out / ".config", *off], check=True)
                status, text = self._make(arch, out, log, "olddefconfig")
        else:
            (out / "all.config").write_text(wanted)
            status, text = self._make(arch, out, log, f"KCONFIG_ALLCONFIG={out}/all.config", "allnoconfig")
        if status:
            raise Error(f"the configuration {config} cannot be made: {text.strip().splitlines()[-1]}")
        (out / ".configured").write_text(stamp)
        return out

    # ---- what is asked ----------------------------------------------------------

    def members(self, config, out, folder):
        """What the makefile of a folder has in this configuration."""
        done = subprocess.run(["make", "-s", "-f", "-", f"d={folder}", f"srctree={WORK}",
                               f"SRCARCH={CONFIGS[config][0].replace('x86_64', 'x86')}"], cwd=out, text=True,
                              input=MEMBERS, env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)
        return set(done.stdout.split())

    def has(self, config, out, path):
        """Whether this configuration builds the object, or goes into the folder."""
        names = path.rstrip("/").split("/")
        first = 1
        if names[0] == "arch":
            if names[1:2] != [CONFIGS[config][0].replace("x86_64", "x86")]:
                return False
            first = 2
        if len(names) <= first:
            return True
        # A makefile may name what is further below (nouveau).
        return any("/".join(names[n:]) + "/" * path.endswith("/") in self.members(config, out, "/".join(names[:n]))
                   and self.has(config, out, "/".join(names[:n]) + "/")
                   for n in range(len(names) - 1, first - 1, -1))

    def compile(self, config, commit, targets, log, more=(), tag=""):
        """(warnings and errors, the targets that this configuration has not)"""
        self.check_out(commit)
        out = self.configured(config, commit, log, more, tag)
        have = [t for t in targets if self.has(config, out, t)]
        absent = set(targets) - set(have)
        if not have:
            log.append(f"{config} builds none of {' '.join(targets)}\n")
            return [], absent
        status, text = self._make(CONFIGS[config][0], out, log, "-k",
                                  f"-j{os.environ.get('JOBS') or os.cpu_count()}", *have)
        found = findings(text)
        if status and not any("error" in f for f in found):
            broken = [line for line in text.splitlines() if BROKEN.search(line)]
            found += broken[:3] or [f"make ended with status {status}"]
        return found, absent

    def examine(self, config, commit, source, log):
        """(what the compiler says with W=1, what sparse says) or None if not built."""
        self.check_out(commit)
        out = self.configured(config, commit, log)
        target = source[:-1] + "o"
        if not self.has(config, out, target):
            return None
        (out / target).unlink(missing_ok=True)
        status, text = self._make(CONFIGS[config][0], out, log, target, sparse=True)
        if status:
            return [f"{source}: does not compile"], []
        lines = text.splitlines()
        sparse = [line[len("sparse: "):] for line in lines if line.startswith("sparse: ")]
        rest = [line for line in lines if not line.startswith("sparse: ")]
        # make prepare compiles other files.
        return tuple([f for f in findings("\n".join(some)) if f.startswith(f"{source}:") or ".h: " in f]
                     for some in (rest, sparse))

    def set_options(self, config, tag):
        """What .config has: name -> value"""
        text = (WORK / f"out-{config}{tag}/.config").read_text()
        return dict(re.findall(r"^CONFIG_(\w+)=(.*)$", text, re.M))


def findings(text):
    """Warnings and errors without the numbers of lines, in their order."""
    said = []
    for line in text.splitlines():
        found = WARNING.match(line)
        if found:
            said.append(f"{found[1]}: {found[2]}")
    return said


@contextlib.contextmanager
def turn():
    """One build at a time for all who name the same KBUILD_LOCK."""
    path = os.environ.get("KBUILD_LOCK")
    if not path or path in os.environ.get("DMA_SPACE_LOCKS", "").split():
        yield
        return
    with open(path, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def work_tree():
    """There is one; those who need it take turns."""
    with open(REVIEW / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  waiting for another run in the work tree of the review ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def targets_of(files):
    """(directories to build, objects to build) for the files a patch touches"""
    folders, objects = set(), []
    for path in files:
        folder = os.path.dirname(path) + "/"
        if path.startswith(("Documentation/", "tools/", "scripts/", "samples/")):
            continue
        if HEADER.match(path):
            folders.update(USERS)
        elif path.endswith((".c", ".S")):
            folders.add(folder)
            objects.append(path)
        elif path.endswith((".h", "Makefile", "Kconfig")):
            folders.add(folder)
    return sorted(folders), objects


__all__ = ["Build", "CONFIGS", "LOGS", "targets_of"]
