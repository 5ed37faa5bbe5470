#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Write patches/, series and the mirrors from the commits base..<commit>.

usage: patchset.py <git repository> <commit> <top of this repository> <output dir>

The rules are in the head of scripts/refresh and of scripts/mirror.map.
"""
import fnmatch
import os
import re
import subprocess
import sys

SECTIONS = (
    ("a", "stable fixes"),
    ("b", "ARM on the common code"),
    ("c", "reserve"),
    ("d", "backings, batches, faults"),
)
SERIES_HEAD = """\
# The patches in the order in which they apply, in sections. Written by
# `make refresh`; move a line here and run it again to change its section.
"""
GIT = ["git", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
       "-c", "diff.algorithm=myers", "-c", "diff.renames=true", "-c", "diff.context=3",
       "-c", "diff.interHunkContext=0", "-c", "diff.suppressBlankEmpty=false",
       "-c", "diff.orderFile=/dev/null", "-c", "core.quotePath=true", "-c", "core.attributesFile=/dev/null",
       "-c", "i18n.logOutputEncoding=UTF-8", "-c", "format.useAutoBase=false"]
FORMAT = ["format-patch", "-q", "--zero-commit", "--no-signature", "--no-numbered", "--full-index",
          "--subject-prefix=PATCH", "--start-number=1", "--no-attach", "--no-thread",
          "--no-cover-letter", "--no-notes", "--no-signoff", "--no-from", "--no-to", "--no-cc",
          "--filename-max-length=64"]


class Error(Exception):
    """One sentence for the user."""


def git(repo, *args):
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1", LC_ALL="C")
    done = subprocess.run(GIT + ["-C", repo, *args], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise Error(f"git {args[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def stem(name):
    """A patch is known by its subject, as its file name has it."""
    return re.sub(r"^\d+-", "", name)


def sections_of(series):
    """stem -> the sections in which series has it, in order"""
    known, section = {}, SECTIONS[0][0]
    if os.path.exists(series):
        with open(series, encoding="utf-8") as lines:
            for line in map(str.strip, lines):
                head = re.match(r"# ([a-z]): ", line)
                if head:
                    section = head.group(1)
                elif line and not line.startswith("#"):
                    known.setdefault(stem(line), []).append(section)
    return known


def tagged(repo, commits):
    """commit -> the section that a tag section/<letter> says begins there"""
    begins = {}
    refs = git(repo, "for-each-ref", "--format=%(refname:strip=3) %(objectname) %(*objectname)",
               "refs/tags/section").decode()
    for name, *ids in map(str.split, refs.splitlines()):
        if name in dict(SECTIONS) and ids[-1] in commits:
            begins[ids[-1]] = name
    return begins


def assign(names, commits, known, begins):
    """The section of each patch, in order."""
    section, result, fixed = SECTIONS[0][0], [], False
    for name, commit in zip(names, commits):
        listed = known.get(stem(name), [])
        was = listed.pop(0) if listed else None
        if commit in begins:
            want, fixed = begins[commit], True
        elif fixed or was is None:
            want = section
        else:
            want = was
        if want < section:
            raise Error(f"{name} is of section {want} and comes after one of section {section}: "
                        "reorder the branch, or move its line in series")
        section = want
        result.append(section)
    return result


def series_text(names, sections):
    text = SERIES_HEAD
    for letter, title in SECTIONS:
        text += f"\n# {letter}: {title}\n"
        text += "".join(n + "\n" for n, s in zip(names, sections) if s == letter)
    return text


def read_map(path):
    """(directory -> README text, [(pattern, directory)])"""
    texts, rules, current = {}, [], None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                continue
            if line[0].isspace():
                texts[current].append(line.strip())
                continue
            first, second = line.split()
            if first == "dir":
                current = second
                texts[current] = []
            else:
                rules.append((first, second))
    for _, target in rules:
        if target.split("/")[0] not in texts:
            raise Error(f"mirror.map: {target} is in no dir that it declares")
    return texts, rules


def target_of(path, rules):
    for pattern, directory in rules:
        if fnmatch.fnmatchcase(path, pattern):
            fixed = os.path.dirname(pattern.split("*")[0] + "x") + "/"
            return f"{directory}/{path[len(fixed):]}"
    return None


def write_file(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data)


def write_mirrors(repo, commit, mapfile, out):
    texts, rules = read_map(mapfile)
    shown = {}
    added = git(repo, "diff", "--no-renames", "--diff-filter=A", "--name-only", "-z", "base", commit)
    for path in filter(None, added.decode().split("\0")):
        target = target_of(path, rules)
        if target is None:
            continue
        if target in shown:
            raise Error(f"mirror.map shows both {shown[target]} and {path} as {target}")
        shown[target] = path
        write_file(os.path.join(out, target), git(repo, "cat-file", "blob", f"{commit}:{path}"))
    for directory, lines in texts.items():
        text = "\n".join(lines) + "\n\nWritten by `make refresh` from the patches; edit the tree, not this.\n"
        here = [t for t in sorted(shown) if t.startswith(directory + "/")]
        if here:
            width = max(len(t) for t in here) - len(directory) - 1
            text += "\n" + "".join(f"    {t[len(directory) + 1:]:{width}}  {shown[t]}\n" for t in here)
        else:
            text += "\nThe series adds no such file yet.\n"
        write_file(os.path.join(out, directory, "README"), text.encode())


def write_patches(repo, commit, out):
    os.makedirs(out)
    git(repo, *FORMAT, "-o", os.path.abspath(out), f"base..{commit}")
    names = sorted(os.listdir(out))
    for name in names:
        with open(os.path.join(out, name), "rb") as patch:
            head = patch.read().split(b"\ndiff --git ", 1)[0]
        if re.search(rb"^Signed-off-by:", head, re.M | re.I):
            raise Error(f"{name} carries a Signed-off-by: whoever sends it adds his own")
    return names


def main(repo, commit, top, out):
    os.makedirs(out, exist_ok=True)
    log = git(repo, "log", "--reverse", "--format=%H %T %P", f"base..{commit}").decode()
    commits, tree = [], git(repo, "rev-parse", "base^{tree}").decode().strip()
    for this, its_tree, *_ in map(str.split, log.splitlines()):
        if its_tree == tree:
            raise Error(f"commit {this[:12]} is empty: every patch must change something")
        commits.append(this)
        tree = its_tree
    names = write_patches(repo, commit, os.path.join(out, "patches"))
    if not names:
        # git keeps no empty directory
        write_file(os.path.join(out, "patches", ".gitkeep"), b"")
    sections = assign(names, commits, sections_of(os.path.join(top, "series")),
                      tagged(repo, set(commits)))
    write_file(os.path.join(out, "series"), series_text(names, sections).encode())
    write_mirrors(repo, commit, os.path.join(top, "scripts", "mirror.map"), out)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except Error as error:
        sys.exit(f"refresh: {error}")
