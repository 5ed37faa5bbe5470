# SPDX-License-Identifier: GPL-2.0-only
"""The checks that only read: the patch, or the files it touches before and after it.

Each returns what was found, lines without positions, so that what a patch only
moves is not new.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .build import REVIEW, WORK
from .series import TOP, Error, environment, git, sha

TOOL = sha(pathlib.Path(__file__).read_bytes())
WORDS = TOP / "scripts/review.d/words"


def run(*command, cwd=WORK, env=None, good=(0,)):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env or environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if done.returncode not in good:
        why = (err or out).strip().splitlines()
        raise Error(f"{os.path.basename(str(command[0]))} ended with status {done.returncode}"
                    f"{': ' + why[-1] if why else ''}")
    return out, err


def version(*command):
    return run(*command, cwd=TOP)[0].split("\n")[0]


def minus(after, before):
    """What is in @after more often than in @before."""
    rest, new = list(before), []
    for line in after:
        if line in rest:
            rest.remove(line)
        else:
            new.append(line)
    return new


def blob(commit, path):
    """Its id in the work tree's repository, None if it is not there."""
    done = git(WORK, "rev-parse", "-q", "--verify", f"{commit}:{path}", check=False)
    return done.stdout.decode().strip() if not done.returncode else None


# ---- the patch as a text -----------------------------------------------------------


def checkpatch(patch, log):
    # Those who send the patches sign them.
    out, err = run(WORK / "scripts/checkpatch.pl", "--strict", "--no-signoff", "--show-types",
                   "--terse", "--no-summary", patch.path, good=(0, 1),
                   # spdxcheck.py needs modules that Debian's own python3 has.
                   env=environment(PATH=f"/usr/bin:{os.environ['PATH']}"))
    log.append(out + err)
    found = [f"{m[1]}" for m in re.finditer(r"^.*?:\d+: ((?:ERROR|WARNING|CHECK):.*)$", out, re.M)]
    if err.strip():
        found.append(f"checkpatch itself: {err.strip().splitlines()[-1]}")
    return found


def spelling(patch, log):
    """codespell on the message and on what is added."""
    text = patch.data.decode(errors="replace")
    head, _, diff = text.partition("\ndiff --git ")
    added = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++ ")]
    message = re.sub(r"^(From|Date|Message-I[dD]|Fixes|Cc|Link):.*$", "", head.split("\n---\n")[0], flags=re.M)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(message + "\n" + "\n".join(added) + "\n")
        file.flush()
        out, err = run("codespell", "-I", WORDS, file.name, cwd="/", good=(0, 65))
    log.append(out + err)
    return [re.sub(r"^[^:]*:\d+: ", "", line) for line in out.splitlines()]


def people(patch, repo, commit):
    """(maintainers and reviewers, lists) of get_maintainer.pl, as MAINTAINERS is at @commit

    git's history has one commit and our names in it; it is not asked.
    """
    with tempfile.TemporaryDirectory(dir=REVIEW) as top:
        top = pathlib.Path(top)
        for name in ("MAINTAINERS", ".get_maintainer.ignore", "scripts/get_maintainer.pl", ".mailmap"):
            data = git(repo, "cat-file", "blob", f"{commit}:{name}", binary=True, check=False)
            (top / name).parent.mkdir(exist_ok=True)
            (top / name).write_bytes(data.stdout)
        (top / "patch").write_bytes(patch.data)
        out, _ = run("perl", top / "scripts/get_maintainer.pl", "--no-tree", "--no-git", "--no-git-fallback",
                     "--no-fixes", "--roles", top / "patch", cwd=top)
    names, lists = [], []
    for line in out.splitlines():
        found = re.match(r"(.*>|\S+) \((.*)\)$", line)
        if found and re.match(r"(\w+ )*list\b", found[2]):
            lists.append(found[1])
        elif found:
            names.append((found[1], found[2]))
    return names, lists


def maintainer(patch, log):
    names, lists = people(patch, WORK, patch.commit)
    log.append("".join(f"{n} ({r})\n" for n, r in names) + "".join(f"{a}\n" for a in lists))
    return [] if names else ["nobody but lists: " + " ".join(lists)]


# ---- the files before and after -----------------------------------------------------------


def kernel_doc_of(commit, path, log):
    if not blob(commit, path):
        return []
    with tempfile.TemporaryDirectory(dir=REVIEW) as top:
        file = pathlib.Path(top) / path
        file.parent.mkdir(parents=True)
        file.write_bytes(git(WORK, "cat-file", "blob", f"{commit}:{path}", binary=True))
        out, err = run("python3", "-B", WORK / "scripts/kernel-doc", "-none", "-Wreturn", path, cwd=top,
                       good=range(128))
    log.append(f"{commit} {path}\n{out}{err}")
    # Each is said twice.
    return list(dict.fromkeys(re.sub(r"^(?:Warning|Error|WARNING|ERROR): ([^:]+):\d+", r"\1:", line)
                              for line in err.splitlines()
                              if re.match(r"(?i)(warning|error):", line) or "Traceback" in line))


def kernel_doc(patch, log):
    found = []
    for path in sources(patch, ".c", ".h"):
        found += minus(kernel_doc_of(patch.commit, path, log), kernel_doc_of(patch.parent, path, log))
    return found


def sources(patch, *ends):
    return [p for p in patch.files if p.endswith(ends) and blob(patch.commit, p)]


class Cocci:
    """Each version of each file is looked at once, by every semantic patch."""

    def __init__(self, cache):
        self.cache = cache
        folder = git(WORK, "rev-parse", "base:scripts/coccinelle")
        self.tools = f"{folder} {version('spatch', '--version')}"
        self.skipped = []

    def key(self, path, blob_id):
        return sha("coccicheck", self.tools, os.path.basename(path), blob_id)

    def need(self, patches):
        """(path, blob) that have to be looked at"""
        wanted = {}
        for patch in patches:
            for path in sources(patch, ".c"):
                for commit in (patch.parent, patch.commit):
                    blob_id = blob(commit, path)
                    if blob_id and not self.cache.has(self.key(path, blob_id)):
                        wanted[blob_id] = path
        return wanted

    def semantic_patches(self):
        """Those of the base that report; without an OCaml compiler some cannot run."""
        self.skipped = []
        for name in git(WORK, "ls-tree", "-r", "--name-only", "base", "scripts/coccinelle").splitlines():
            text = git(WORK, "cat-file", "blob", f"base:{name}")
            if not name.endswith(".cocci") or not re.search(r"^virtual\s+report", text, re.M):
                continue
            if "script:ocaml" in text and not shutil.which("ocamlopt"):
                self.skipped.append(os.path.basename(name))
            else:
                yield name

    def look(self, patches, progress):
        wanted = self.need(patches)
        if not wanted:
            list(self.semantic_patches())
            return
        found = {b: [] for b in wanted}
        log = []
        with tempfile.TemporaryDirectory(dir=REVIEW) as top:
            for blob_id, path in wanted.items():
                file = pathlib.Path(top) / blob_id / os.path.basename(path)
                file.parent.mkdir()
                file.write_bytes(git(WORK, "cat-file", "blob", blob_id, binary=True))
            names = list(self.semantic_patches())
            for n, name in enumerate(names, 1):
                progress(f"coccicheck: {len(wanted)} versions of files, {name} ({n} of {len(names)})")
                out, err = run("bash", "scripts/coccicheck", env=environment(
                    srctree=".", srcroot=top, MODE="report", J="1", DEBUG_FILE="/dev/null", COCCI=name))
                log.append(f"{name}\n{out}{err}")
                for m in re.finditer(rf"^{re.escape(top)}/([0-9a-f]+)/[^:]*:[\d:-]+ ?(.*)$", out, re.M):
                    found[m[1]].append(f"{wanted[m[1]]}: {m[2]}")
        for blob_id, path in wanted.items():
            self.cache.put(self.key(path, blob_id), {"found": found[blob_id]})
        return log

    def __call__(self, patch, log):
        found = []
        for path in sources(patch, ".c"):
            ids = [blob(c, path) for c in (patch.parent, patch.commit)]
            before, after = (self.cache.get(self.key(path, i))["found"] if i else [] for i in ids)
            found += minus(after, before)
            log.append(f"{path}: {len(before)} before, {len(after)} after\n" + "\n".join(after) + "\n")
        return found
