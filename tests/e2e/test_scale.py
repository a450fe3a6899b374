# SPDX-License-Identifier: MIT
"""Large campaigns: a sink that is killed half-way, a line of a megabyte. test_growth.py has the largest."""

import json
from collections import Counter

import pytest

from lib.campaign import (  # noqa: F401
    NOT_ALL,
    OK,
    SOON,
    check_sinks,
    check_sums,
    options_for,
    read_outcomes,
    run,
    sink_of,
    start,
)
from lib.waiting import wait_until

SECONDS = 60
MEBIBYTE = 1 << 20


def recipients_of(sink):
    """How many recipients its record holds so far, without parsing it."""
    return sink.record.read_bytes().count(b"@x.example.org") if sink.record.exists() else 0


# conformance: 17, 24
@pytest.mark.slow
def test_one_of_two_sinks_is_killed_half_way(tmp_path, sink_of):  # noqa: F811
    # manual: max_messages_per_robin, turn-skips-unreachable, row-lost-end-of-data
    count = 100_000
    sinks = [sink_of(), sink_of()]
    lines = [f"r{number}@x.example.org" for number in range(1, count + 1)]
    outcomes, report = tmp_path / "outcomes.jsonl", tmp_path / "report.json"
    options = [*options_for(tmp_path, sinks, lines), *SOON, "--set", "max_messages_per_robin=500", "--quiet"]
    options += ["--set", "envelope_limit=20", "--set", "pipelining=envelope", "--no-journal", "--outcomes", outcomes, "--report", report]
    campaign = start(["send", *options], tmp_path)
    try:
        wait_until(lambda: recipients_of(sinks[1]) >= count // 4, SECONDS, "a quarter at the second sink")
        assert campaign.is_alive()
        sinks[1].kill()
        status = campaign.child.wait(SECONDS)
    finally:
        campaign.stop()
    rows = read_outcomes(outcomes)
    check_sums(rows, json.loads(report.read_text()), count)
    check_sinks(rows, sinks)
    counts = Counter(row["outcome"] for row in rows)
    assert set(counts) <= {"accepted", "in_doubt"}, counts
    # One transaction on each of four connections at most was past its end of data when the sink died.
    assert counts["in_doubt"] <= 4 * 20
    assert status == (NOT_ALL if counts["in_doubt"] else OK), campaign.output()
    assert count // 4 <= sum(sinks[1].taken().values()) < count
    taken = sinks[0].taken() + sinks[1].taken()
    twice = {to for to, times in taken.items() if times > 1}
    assert twice <= {row["address"] for row in rows if row["outcome"] == "in_doubt"}


# conformance: F58
def test_a_line_of_a_megabyte(tmp_path, sink_of):  # noqa: F811
    """F58: it is invalid, and the others go."""
    sink = sink_of()
    lines = ["a@x.example.org", "x" * MEBIBYTE + "@x.example.org", "b@x.example.org"]
    options = [*options_for(tmp_path, [sink], lines), "--no-journal", "--quiet"]
    done = run("send", *options, "--outcomes", "-", "--report", tmp_path / "r")
    rows = done.outcomes()
    check_sums(rows, json.loads((tmp_path / "r").read_text()), 3)
    assert {row["seq"]: row["outcome"] for row in rows} == {1: "accepted", 2: "invalid", 3: "accepted"}
    assert done.status == NOT_ALL
    invalid = next(row for row in rows if row["seq"] == 2)
    assert "long" in invalid["text"]
    assert len(invalid["address"]) < 10_000
