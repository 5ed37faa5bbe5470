# SPDX-License-Identifier: GPL-2.0-only
"""The defects of the unpatched kernel, and the section of the series that cures each.

The names of regression cases begin with the rows they are about (d6_d25_...).
"""
import re

SECTION_A = "d1 d2 d3 d4 d5 d6 d8 d14 d22 x1 x8".split()
SECTION_B = ("d7 d9 d10 d11 d12 d13 d16 d17 d19 d20 d21 d24 d25 d26 d27 d28 d29 d30 d31 d32 d33 "
             "d36 d37 d41 d42 d43 x3 x4 x5 x6").split()
ROW = re.compile(r"[dx]\d+")


def rows(case):
    """The rows a case's name begins with."""
    found = []
    for word in case.split("_"):
        if not ROW.fullmatch(word):
            break
        found.append(word)
    return found


def cured_in(case):
    """The section that cures all rows of this case; None if it is about none."""
    about = rows(case)
    if not about:
        return None
    return "a" if set(about) <= set(SECTION_A) else "b"
