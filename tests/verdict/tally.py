# SPDX-License-Identifier: GPL-2.0-only
"""What the test files here have in common: a line for each test."""

import sys


def tally(group, tests):
    """Print "ok <group>.<id>" or "not ok <group>.<id> # why"; end with a status.

    @tests: id -> a function that returns "" or a sentence on what is wrong.
    """
    bad = 0
    for name, test in tests.items():
        try:
            wrong = test()
        except Exception as e:          # a test that cannot run has failed
            wrong = f"{type(e).__name__}: {e}"
        bad += bool(wrong)
        print(f"not ok {group}.{name} # {wrong}" if wrong else f"ok {group}.{name}", flush=True)
    sys.exit(bad > 0)
