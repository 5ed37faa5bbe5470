# SPDX-License-Identifier: GPL-2.0-only
"""What the tools say and we leave as it is, each with the reason.

scripts/review.d/deviations, paragraphs of four lines:

    patch: <name without number and .patch; * and ? as in file names>
    check: <column of the table>
    says: <part of what the tool says; * and ? as in file names>
    why: <the reason, which may go on in lines that begin with a blank>

They are numbered as they come. One that explains nothing any more is an error.
"""
import re

from .series import TOP, Error

FILE = TOP / "scripts/review.d/deviations"
KEYS = ["patch", "check", "says", "why"]


def like(text, pattern):
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.S)


class Deviation:
    def __init__(self, number, fields):
        self.number = number
        self.patch, self.check, self.says, self.why = (fields[k] for k in KEYS)
        self.used = False

    def of(self, patch, check):
        return check == self.check and bool(like(patch.stem, self.patch))

    def explains(self, patch, check, finding):
        good = self.of(patch, check) and bool(like(finding, f"*{self.says}*"))
        self.used |= good
        return good


def read(path=FILE, checks=()):
    found, fields = [], {}
    lines = path.read_text().splitlines() if path.exists() else []
    for at, line in enumerate([*lines, ""], 1):
        key, _, value = line.partition(":")
        if line.startswith("#"):
            continue
        if line[:1].isspace() and line.strip() and fields:
            fields[list(fields)[-1]] += " " + line.strip()
        elif line.strip():
            if key not in KEYS or key in fields or not value.strip():
                raise Error(f"{path.name}:{at}: not one of the lines patch:, check:, says:, why:")
            fields[key] = value.strip()
        elif fields:
            if list(fields) != KEYS:
                raise Error(f"{path.name}:{at}: a paragraph needs patch:, check:, says:, why: in this order")
            if checks and fields["check"] not in checks:
                raise Error(f"{path.name}:{at}: there is no check {fields['check']}")
            found.append(Deviation(len(found) + 1, fields))
            fields = {}
    return found


def stale(deviations, patches, checks, everything):
    """Those that explained nothing, of those that could have."""
    return [d for d in deviations if not d.used and d.check in checks
            and (everything or (not set("*?") & set(d.patch) and any(d.of(p, d.check) for p in patches)))]
