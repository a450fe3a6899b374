#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmarks: scripts/bench [--quick] [--only TABLE]… [--like TEXT] [--out FILE]. See docs/performance.md, which a whole run writes."""

import argparse
import os
import pathlib
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
    parser.add_argument("--like", default="", metavar="TEXT", help="only senders whose name has the text")
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
    with tempfile.TemporaryDirectory(prefix="bulkmail-bench-") as folder:
        bench = Bench(Files(pathlib.Path(folder)), runs, 0.3 if given.quick else 1.0, has_strace() and not given.quick)
        done = {}
        for name in wanted:
            say(f"{name} ({time.monotonic() - begun:.0f} s)")
            tables[name].measure(bench, given.quick, given.like)
            done[name] = tables[name]
    text = report.page(done, list(tables), runs)
    page_of(given).write_text(text, encoding="utf-8")
    if is_partial(given):
        print(text)
    say(f"{page_of(given)}, after {time.monotonic() - begun:.0f} s")


main()
