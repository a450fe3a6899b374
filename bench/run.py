#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmarks: scripts/bench [--quick] [--only TABLE]… [--like TEXT] [--realtime] [--out FILE]. A whole run writes
docs/performance.md, which says how to read it."""

import argparse
import os
import pathlib
import signal
import sys
import tempfile
import time

import report
from files import Files
from measure import Bench
from senders import PROGRAMS, ROOT
from tables import QUICK, all_tables, has_strace, say


def arguments(names):
    parser = argparse.ArgumentParser(description="Measures bulkmail beside others. RUNS is the number of runs (5).")
    parser.add_argument("--quick", action="store_true", help="a look: one short run of few senders")
    parser.add_argument("--only", action="append", choices=names, metavar="TABLE", help=f"one of {', '.join(names)}")
    parser.add_argument("--like", default="", metavar="TEXT", help="senders with that in their name, and the ratios' basis")
    parser.add_argument("--realtime", action="store_true", help="run before all else on the machine: steadier, unkind")
    parser.add_argument("--out", type=pathlib.Path, help="where the page goes")
    return parser.parse_args()


def is_partial(given):
    return bool(given.quick or given.only or given.like)


def page_of(given):
    """A partial run does not take the place of a whole one."""
    return given.out or (PROGRAMS if is_partial(given) else ROOT / "docs") / "performance.md"


def main():
    tables = all_tables()
    given = arguments(list(tables))
    runs = 1 if given.quick else int(os.environ.get("RUNS", "5"))
    wanted = given.only or (QUICK if given.quick else list(tables))
    begun = time.monotonic()
    # So that processes and files are cleared away then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="bulkmail-bench-") as folder:
        files = Files(pathlib.Path(folder))
        bench = Bench(files, runs, *((0.3, False) if given.quick else (0.8, has_strace())), given.realtime)
        done = {}
        for name in wanted:
            say(f"{name} ({time.monotonic() - begun:.0f} s)")
            tables[name].measure(bench, given.quick, given.like)
            done[name] = tables[name]
            files.clear()
    text = report.page(done, list(tables), runs)
    page_of(given).write_text(text, encoding="utf-8")
    if is_partial(given):
        print(text)
    say(f"{page_of(given)}, after {time.monotonic() - begun:.0f} s")


main()
