# SPDX-License-Identifier: GPL-2.0-only
"""COVER_LETTER: one text for the series, and for each part sent by itself.

Its first line is the subject. A line

    *** Part b of the series: ARM on the common code ***

says that what follows is for the cover of part b, until the next such line; several
in a row say that it is for each of those parts, and "*** All parts ***" that it is
for all. What stands before the first is the common head. The cover of the whole
series has everything, and a list of the parts where the first of these lines are.
A title that ends in "(RFC)" makes the part's mails an RFC.

{7} and {7, 9-12} are patches, by their numbers in the file series: "(7)" in the cover
of the whole, in that of a part what the part's mails are numbered. Where a text has
such numbers it has all patches of its part, or somebody who reads it cannot find
them: refer() refuses it then.
"""
import re

from .series import TOP, Error

REFERENCE = re.compile(r"\{(\d+(?:-\d+)?(?:,\s+\d+(?:-\d+)?)*)\}")
MARK = re.compile(r"^\*\*\* (?:Part ([a-z]) of the series: (.+?)|All parts) \*\*\*\s*$")


class Cover:
    def __init__(self, text=None, path=TOP / "COVER_LETTER"):
        if text is None:
            if not path.is_file():
                raise Error("there is no COVER_LETTER")
            text = path.read_text()
        found = re.match(r"Subject: (?:\[[^\]]*\] *)?(.+)\n\s*\n", text)
        if not found:
            raise Error("COVER_LETTER does not begin with a line 'Subject: [PATCH 00/NN] ...' and an empty one")
        self.subject, self.titles = found[1].strip(), {}
        self.pieces = []                # (parts or None for all, lines)
        self._read(text[found.end():].splitlines())

    def _read(self, lines):
        parts, marks, current = None, False, []
        self.pieces.append((None, current))
        for number, line in enumerate(lines):
            mark = MARK.match(line)
            if not mark:
                if line.startswith("***"):
                    raise Error(f"COVER_LETTER: not a mark of a part: {line}")
                if line.strip() and marks:
                    marks, current = False, []
                    self.pieces.append((parts, current))
                if not marks:
                    current.append(line)
                continue
            if not marks:
                marks, parts = True, set()
            if mark[1] is None:
                parts = None
            elif parts is not None:
                parts.add(mark[1])
            if mark[1] and self.titles.setdefault(mark[1], mark[2]) != mark[2]:
                raise Error(f"COVER_LETTER: part {mark[1]} has two titles, {self.titles[mark[1]]} and {mark[2]}")

    def title(self, part):
        return re.sub(r"\s*\(RFC\)$", "", self.titles[part])

    def rfc(self, part):
        return self.titles[part].endswith("(RFC)")

    def need(self, part):
        if part not in self.titles:
            raise Error(f"COVER_LETTER has no mark '*** Part {part} of the series: ... ***'")

    def refer(self, part, numbers):
        """@numbers, those of the part's patches, are what its text refers to."""
        text = "\n".join("\n".join(lines) for parts, lines in self.pieces if parts and part in parts)
        named = set()
        for found in REFERENCE.finditer(text):
            for some in re.findall(r"(\d+)(?:-(\d+))?", found[1]):
                named.update(range(int(some[0]), int(some[1] or some[0]) + 1))
        if not named:
            return
        for what, wrong in (("refers to patches that are not in it", named - set(numbers)),
                            ("does not lead to patches", set(numbers) - named)):
            if wrong:
                raise Error(f"COVER_LETTER: the text of part {part} {what}: {' '.join(map(str, sorted(wrong)))}")

    def text(self, part=None, listed="", before=0):
        """The body; @listed takes the place of the first marks. @before patches are in
        the parts before this one."""
        def reference(found):
            return "(" + re.sub(r"\d+", lambda n: str(int(n[0]) - before), found[1]) + ")"

        chunks = []
        for n, (parts, lines) in enumerate(self.pieces):
            if n == 1 and listed:
                chunks.append(listed)
            if part is None or parts is None or part in parts:
                chunks.append("\n".join(lines).strip("\n"))
        return REFERENCE.sub(reference, "\n\n".join(c for c in chunks if c.strip())) + "\n"
