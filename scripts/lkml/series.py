# SPDX-License-Identifier: GPL-2.0-only
"""The patches of this repository as commits on the base, in repositories of our own.

Nothing here writes to build/linux: its objects are borrowed.
"""
import hashlib
import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(os.environ.get("DMA_SPACE_TOP") or pathlib.Path(__file__).resolve().parents[2])
BUILD = pathlib.Path(os.environ.get("DMA_SPACE_BUILD") or TOP / "build")
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME")
                     or os.path.join(os.environ.get("HOME") or BUILD, ".cache")) / "dma-space"
LOGS = BUILD / "logs"
REPORT = BUILD / "report"
TREE = BUILD / ("linux-own" if os.environ.get("LINUX") else "linux")
SECTIONS = "abcd"


class Error(Exception):
    """One sentence for the user."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def sha(*parts):
    digest = hashlib.sha256()
    for part in parts:
        part = part if isinstance(part, bytes) else str(part).encode()
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()[:32]


def environment(**more):
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("GIT_") and k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    env.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", LC_ALL="C.UTF-8",
               GIT_COMMITTER_NAME="dma-space", GIT_COMMITTER_EMAIL="dma-space@localhost")
    env.update(more)
    return env


PLAIN = ["git", "-c", "gc.auto=0", "-c", "core.autocrlf=false", "-c", "core.hooksPath=/dev/null",
         "-c", "advice.detachedHead=false", "-c", "commit.gpgSign=false", "-c", "core.fsync=none",
         "-c", "diff.algorithm=myers", "-c", "diff.renames=true", "-c", "diff.context=3"]


def git(repo, *args, check=True, env=None, binary=False):
    done = subprocess.run(PLAIN + ["-C", str(repo), *map(str, args)], env=env or environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and done.returncode:
        why = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise Error(f"git {args[0]} failed: {why[-1] if why else done.returncode}")
    if check:
        return done.stdout if binary else done.stdout.decode(errors="replace").strip()
    return done


def base_value(key, text=None):
    text = (TOP / "BASE").read_text() if text is None else text
    found = re.search(rf"^{key}:\s*(.+)$", text, re.M)
    if not found:
        raise Error(f"BASE has no line '{key}:'")
    return found[1]


def script(name, *args):
    """Run another command of ours; what it says is shown."""
    done = subprocess.run([TOP / "scripts" / name, *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Error(f"scripts/{name} failed, see above")
    return done.stdout.strip()


class Patch:
    """A patch of the series; commit and parent are there after Series.apply()."""

    def __init__(self, number, section, path, data=None):
        self.number, self.section, self.path = number, section, path
        self.name = path.name
        self.stem = re.sub(r"^\d+-|\.patch$", "", path.name)
        self.data = path.read_bytes() if data is None else data
        self.commit = self.parent = None

    @property
    def subject(self):
        found = re.search(rb"^Subject: (.*(?:\n[ \t].*)*)", self.data, re.M)
        text = found[1].decode(errors="replace").replace("\n", "") if found else self.stem
        return re.sub(r"^\[[^\]]*\] *", "", text)

    @property
    def files(self):
        """The files it changes, by their name after it (before it, if it removes them)."""
        return sorted(set(re.findall(r"^diff --git a/\S+ b/(\S+)$", self.data.decode(errors="replace"), re.M)))


def read_series(text, patches):
    """@patches: what gives the path and the bytes of a patch by its name."""
    section, result = SECTIONS[0], []
    for line in map(str.strip, text.splitlines()):
        head = re.match(r"# ([a-z]): ", line)
        if head:
            section = head[1]
        elif line and not line.startswith("#"):
            result.append(Patch(len(result) + 1, section, *patches(line)))
    return result


def present(name):
    path = TOP / "patches" / name
    if not path.is_file():
        raise Error(f"series names {name}, which is not in patches/")
    return path, path.read_bytes()


def ours():
    patches = read_series((TOP / "series").read_text(), present)
    if not patches:
        raise Error("the series has no patches")
    return patches


def at_tag(tag):
    """The series as it was at a tag of this repository."""
    def old(name):
        return pathlib.Path(name), git(TOP, "show", f"{tag}:patches/{name}", binary=True)
    return read_series(git(TOP, "show", f"{tag}:series"), old)


def borrow(path, *others):
    """A repository at @path (made if missing) that borrows the objects of others."""
    if not (path / ".git").is_dir():
        path.mkdir(parents=True, exist_ok=True)
        git(path, "init", "-q")
    objects = [git(o, "rev-parse", "--path-format=absolute", "--git-path", "objects") for o in (TREE, *others)]
    (path / ".git/objects/info/alternates").write_text("".join(o + "\n" for o in objects))
    git(path, "update-ref", "refs/tags/base", git(TREE, "rev-parse", "base^{commit}"))
    return path


def pristine(patches, repo):
    """The base, checked out as far as the patches change it."""
    git(repo, "am", "--abort", check=False)
    for lock in (repo / ".git").glob("*.lock"):
        lock.unlink()
    paths = {p for patch in patches
             for pair in re.findall(r"^diff --git a/(\S+) b/(\S+)$", patch.data.decode(errors="replace"), re.M)
             for p in pair}
    git(repo, "config", "core.sparseCheckout", "true")
    info = repo / ".git/info"
    info.mkdir(exist_ok=True)
    (info / "sparse-checkout").write_text("".join(f"/{p}\n" for p in sorted(paths | {".gitattributes"})))
    git(repo, "checkout", "-q", "-f", "--detach", "base")
    git(repo, "read-tree", "-m", "-u", "HEAD")


def apply(patches, repo):
    """git am of each patch, without fuzz, on the base. Sets commit and parent.

    Returns "" or why the first that fails does not apply; it and those after it
    have no commit. What applied
    once to the same base need not be tried again.
    """
    borrow(repo)
    key = sha(git(repo, "rev-parse", "base"), *(p.data for p in patches))
    kept = repo / ".git/applied"
    if kept.exists() and kept.read_text().split()[0] == key:
        commits = kept.read_text().split()[1:]
        for patch, parent, commit in zip(patches, commits, commits[1:]):
            patch.parent, patch.commit = parent, commit
        return ""
    kept.unlink(missing_ok=True)
    pristine(patches, repo)
    parent = git(repo, "rev-parse", "HEAD")
    for patch in patches:
        mail = repo / ".git/patch"
        mail.write_bytes(patch.data)
        run = git(repo, "am", "-q", "--committer-date-is-author-date", mail, check=False)
        if run.returncode:
            git(repo, "am", "--abort", check=False)
            return f"{patch.name}: " + (run.stderr + run.stdout).decode(errors="replace").strip()
        patch.parent, patch.commit = parent, git(repo, "rev-parse", "HEAD")
        parent = patch.commit
    kept.write_text("\n".join([key, patches[0].parent, *(p.commit for p in patches)]) + "\n")
    return ""


def chosen(patches, wanted):
    """from-to, from-, -to, a number; several with commas. All if empty."""
    if not wanted:
        return patches
    numbers = set()
    for part in wanted.split(","):
        found = re.fullmatch(r"\s*(\d*)\s*(-?)\s*(\d*)\s*", part)
        if not found or not (found[1] or found[3]):
            raise Error(f"PATCHES={wanted} is no range: give from-to, numbers of the series")
        first = int(found[1] or 1)
        last = int(found[3] or (len(patches) if found[2] else first))
        numbers.update(range(first, last + 1))
    some = [p for p in patches if p.number in numbers]
    if not some:
        raise Error(f"PATCHES={wanted}: the series has patches 1-{len(patches)}")
    return some
