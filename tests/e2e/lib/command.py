# SPDX-License-Identifier: MIT
"""Runs the command under test and reads what it wrote."""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

# sysexits.h, as bulkmail(1) uses it
OK, NOT_ALL, NO_SERVER, LATER = 0, 1, 69, 75


def bulkmail():
    path = pathlib.Path(os.environ.get("BULKMAIL", REPOSITORY / "build" / "bulkmail")).absolute()
    assert path.exists(), f"{path} is missing: build it, or set BULKMAIL"
    return str(path)


@dataclass
class Sent:
    """What one `bulkmail send` left behind."""

    status: int
    stderr: str
    outcomes: list
    report: dict

    def kinds(self):
        """Address to outcome."""
        return {row["address"]: row["outcome"] for row in self.outcomes}

    def counts(self):
        counted = {}
        for row in self.outcomes:
            counted[row["outcome"]] = counted.get(row["outcome"], 0) + 1
        return counted

    def of_kind(self, kind):
        return [row["address"] for row in sorted(self.outcomes, key=lambda row: row["seq"]) if row["outcome"] == kind]


def in_order(options):
    """Unless the options say how fast it may go: one transaction at a time over one connection. What goes over the wire
    then has one order, and a cut hits one envelope."""
    if any(str(option).startswith(("connections=", "pipelining=")) for option in options):
        return options
    return [*options, "--set", "connections=1", "--set", "pipelining=envelope"]


def send(options, folder, seconds=60):
    """Runs `bulkmail send` with the options in folder, without a journal."""
    options = in_order(options)
    outcomes, report = folder / "outcomes.jsonl", folder / "report.json"
    for path in (outcomes, report):
        path.unlink(missing_ok=True)
    arguments = [bulkmail(), "send", *map(str, options), "--no-journal", "--quiet"]
    arguments += ["--outcomes", str(outcomes), "--report", str(report)]
    done = subprocess.run(
        arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds
    )
    rows = [json.loads(line) for line in outcomes.read_text().splitlines()] if outcomes.exists() else []
    return Sent(
        done.returncode,
        done.stderr.decode("utf-8", "replace"),
        rows,
        json.loads(report.read_text()) if report.exists() else {},
    )
