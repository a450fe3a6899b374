# SPDX-License-Identifier: MIT
"""The page of the benchmarks says of made figures what they are: ratios, goals, who was left out."""

import pathlib
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def bench():
    """The modules of bench/ by name."""
    sys.path.insert(0, str(BENCH))
    try:
        import measure
        import report
        import senders
        import tables
    finally:
        sys.path.remove(str(BENCH))
    return {"measure": measure, "report": report, "senders": senders, "tables": tables}


def run_of(bench, recipients, seconds, cpu=0.1, sinks=()):
    return bench["measure"].Run(recipients, seconds, seconds, cpu, 1 << 20, 0.0, list(sinks))


def figures(bench, sender, limit, rate, cpu_us):
    return bench["measure"].Figures(sender, limit, 1000, 5, rate, rate, rate, cpu_us, 1 << 20, 0.5)


def a_grid(bench, message_rate, message_cpu):
    grid = bench["tables"].Grid("2 kB, one recipient each", 2048)
    grid.rows[20] = [
        figures(bench, "smtp-source", "limit, group", 1000.0, 30.0),
        figures(bench, "limit, group", "limit, group", 8000.0, 4.0),
        figures(bench, "bulkmail message, CSV", "limit, group", message_rate, message_cpu),
    ]
    grid.left_out = {"libcurl": "the library was not there", "nodemailer": "node is missing"}
    return grid


def goals_of(bench, tables):
    return {(row[0], row[1]): row[2:] for row in bench["report"].goals(tables)}


@pytest.mark.parametrize("rate, cpu, answers", [(3000.0, 8.0, ("yes", "yes")), (2990.0, 8.1, ("no", "no"))])
def test_goals_are_judged_by_the_measured_ratio(bench, rate, cpu, answers):
    goals = goals_of(bench, {"2k": a_grid(bench, rate, cpu)})
    name = "2 kB, one recipient each, 20 connections: bulkmail message, CSV"
    assert goals[name, "≥ 3 × smtp-source"][1] == answers[0]
    assert goals[name, "≤ 8 µs CPU"] == (f"{cpu:.2f} µs", answers[1])


def test_what_was_not_measured_is_no_success(bench):
    assert {row[3] for row in bench["report"].goals({})} == {"not measured"}
    grid = a_grid(bench, 4000.0, 5.0)
    del grid.rows[20][0]
    name = "2 kB, one recipient each, 20 connections: bulkmail message, CSV"
    assert goals_of(bench, {"2k": grid})[name, "≥ 3 × smtp-source"] == ("–", "not measured")


def test_a_row_has_its_ratios(bench):
    grid = a_grid(bench, 4000.0, 6.0)
    row = bench["report"].grid_row(grid, 20, grid.rows[20][2])
    assert row[:7] == ("bulkmail message, CSV", "4,000 (4,000..4,000)", "4.00", "50%", "6.00", "0.20", "1.50")


def test_who_was_left_out_is_named_with_the_reason(bench):
    text = bench["report"].page({"2k": a_grid(bench, 4000.0, 6.0)}, ["2k"], 5)
    assert "Left out: libcurl. The library was not there." in text
    assert "Left out: nodemailer. Node is missing." in text


def test_growth_is_judged_per_recipient(bench):
    growth = bench["tables"].Growth("Growth")
    size = bench["tables"].Size
    growth.rows = [size(100_000, False, 5, 0.1, 0.1, 60 << 20), size(10_000_000, False, 5, 11.4, 10.0, 65 << 20)]
    goals = goals_of(bench, {"growth": growth})
    assert goals["time a recipient at 10⁷ over that at 10⁵, duplicates trusted", "≤ 1.15"] == ("1.14", "yes")
    assert goals["10,000,000 plain addresses, duplicates trusted", "≤ 64 MiB"] == ("65.0 MiB", "no")
    assert goals["10,000,000 plain addresses, duplicates checked", "≤ 293 MiB"][1] == "not measured"


def test_cpu_and_a_long_wire_are_counted_as_differences(bench):
    """CPU always; the rate only on a long wire, where setting up takes round trips."""
    measure, senders = bench["measure"], bench["senders"]
    short, long = run_of(bench, 10, 1.0, 0.2), run_of(bench, 110, 3.0, 0.3)
    sender, work = senders.limits()[0], senders.Work(110, 1, 1, 2048)
    near = measure.Plan(sender, work, {}, short, False, runs=[long]).figures()
    far = measure.Plan(sender, work, {"round_trip_ms": 20}, short, True, runs=[long]).figures()
    assert near.rate == pytest.approx(110 / 3)
    assert far.rate == pytest.approx(100 / 2)
    assert near.cpu_us == far.cpu_us == pytest.approx(1000)


def test_the_slow_server_is_no_part_of_the_healthy(bench):
    row = bench["tables"].Together("message", 5, 1000.0, 960.0, 20.0)
    four = bench["tables"].FourServers("Four", [row])
    goals = goals_of(bench, {"four-servers": four})
    assert goals["four servers, one dead, one slow: message", "≥ 95 % of the healthy"] == ("94.0%", "no")
