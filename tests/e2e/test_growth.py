# SPDX-License-Identifier: MIT
"""What more recipients cost: memory and time. GROWTH=10000000 adds ten million."""

import json
import os
import pathlib
import sys

import pytest

from lib.campaign import OK, sink_of, write_message  # noqa: F401
from lib.command import bulkmail
from lib.waiting import Process

PEAK = pathlib.Path(__file__).parent / "lib" / "peak.py"
MEBIBYTE = 1 << 20
COUNTS = [100_000, 1_000_000, *([int(os.environ["GROWTH"])] if os.environ.get("GROWTH") else [])]
# What the duplicate check may remember of an address.
OCTETS_AN_ADDRESS = 24


@pytest.fixture(scope="module")
def list_of(tmp_path_factory):
    """The list with so many addresses, made once."""
    made = {}

    def get(count):
        if count not in made:
            made[count] = tmp_path_factory.mktemp("lists") / str(count)
            with open(made[count], "w", encoding="ascii") as file:
                for at in range(0, count, 1000):
                    file.write("".join(f"recipient{number}@x.example.org\n" for number in range(at, at + 1000)))
        return made[count]

    return get


def send(folder, sink, path, *more):
    """Report and peak memory of a run."""
    report, peak = folder / "report.json", folder / "peak"
    options = ["--server", sink.address, "--list", path, "--message", write_message(folder), "--no-journal"]
    options += ["--outcomes", "/dev/null", "--report", report, "--quiet", *more]
    process = Process([sys.executable, PEAK, peak, bulkmail(), "send", *options], folder / "log")
    try:
        assert process.child.wait(600) == OK, process.output()
    finally:
        process.stop()
    return json.loads(report.read_text()), int(peak.read_text())


# conformance: F58, F60
@pytest.mark.slow
@pytest.mark.xdist_group("growth")
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "checked"])
def test_memory(trusted, count, list_of, tmp_path, sink_of, record_property):  # noqa: F811
    # manual: Trusting-duplicates, campaign-duplicates
    sink = sink_of(options=["--discard"])
    report, peak = send(tmp_path, sink, list_of(count), *(["--set", "Trusting=duplicates"] if trusted else []))
    assert report["accepted"] == report["recipients"] == count
    record_property("peak_mebibytes", round(peak / MEBIBYTE, 1))
    record_property("seconds", report["seconds"])
    assert peak <= 64 * MEBIBYTE + (0 if trusted else OCTETS_AN_ADDRESS * count)
