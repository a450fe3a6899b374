# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM: the running envelope finishes, then the report and 75; a second one stops at once. The
sink's record shows where a campaign is; what has to hang there hangs by a rule of the sink."""

import json
import pathlib
import signal
import subprocess

import pytest

from lib.campaign import (  # noqa: F401
    LATER,
    SOON,
    addresses,
    check_sinks,
    check_sums,
    options_for,
    read_outcomes,
    sink_of,
    start,
)
from lib.command import bulkmail, in_order
from lib.waiting import wait_until

LINES = addresses(2, "x.example.org") + addresses(2, "y.example.org") + addresses(2, "z.example.org")
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["INT", "TERM"])


class Running:
    """A campaign beside the test."""

    def __init__(self, folder, sinks, *more, lines=LINES):
        self.folder, self.sinks, self.lines = folder, sinks, lines
        self.outcomes, self.report = folder / "outcomes.jsonl", folder / "report.json"
        options = ["send", *options_for(folder, sinks, lines), *SOON, "--no-journal"]
        options += ["--outcomes", self.outcomes, "--report", self.report, *more]
        self.process = start(in_order(options), folder)

    def signal(self, number):
        self.process.child.send_signal(number)

    def end(self, seconds=20):
        """Waits for the end and checks the sums; returns the rows by address."""
        status = self.process.child.wait(seconds)
        assert status == LATER, self.process.output()
        rows = read_outcomes(self.outcomes)
        check_sums(rows, json.loads(self.report.read_text()), len(self.lines))
        check_sinks(rows, self.sinks)
        return {row["address"]: row["outcome"] for row in rows}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


def recorded(sink, count):
    wait_until(lambda: len(sink.transactions()) >= count, 20, f"{count} transactions in the record")


def pending(process):
    """Signals that were sent to the process and not yet taken by its thread."""
    with open(f"/proc/{process.child.pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["ShdPnd"], 16)


def taken(process):
    wait_until(lambda: pending(process) == 0, 10, "the signal is taken")


# conformance: F46
@BOTH
def test_the_running_envelope_finishes(number, tmp_path, sink_of):  # noqa: F811
    # The reply to the second DATA is late: the signal comes while that envelope runs.
    sink = sink_of({"on": "DATA", "nth": 2, "delay_ms": 700})
    talk = tmp_path / "talk"
    with Running(tmp_path, [sink], "--set", f"CONVERSATION={talk}") as campaign:
        wait_until(lambda: talk.exists() and talk.read_text().count("> DATA") == 2, 20, "the second DATA")
        campaign.signal(number)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES] == ["accepted"] * 4 + ["unsent"] * 2
    assert "stopped" in campaign.process.output()
    assert "in doubt" not in campaign.process.output()


# conformance: F46
@BOTH
def test_a_second_signal_stops_at_once(number, tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "nth": 2, "accept": True, "stall": True})
    with Running(tmp_path, [sink]) as campaign:
        # The record has the second envelope: its end of data is out.
        recorded(sink, 2)
        campaign.signal(number)
        taken(campaign.process)
        assert campaign.process.is_alive()
        campaign.signal(number)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES] == ["accepted"] * 2 + ["in_doubt"] * 2 + ["unsent"] * 2


# conformance: F46
def test_a_second_signal_before_the_end_of_data(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "DATA", "nth": 2, "stall": True})
    with Running(tmp_path, [sink]) as campaign:
        recorded(sink, 1)
        campaign.signal(signal.SIGTERM)
        taken(campaign.process)
        campaign.signal(signal.SIGTERM)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES] == ["accepted"] * 2 + ["unsent"] * 4


# conformance: 16, F46
def test_one_signal_with_a_dead_end_waits_for_time_out(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "nth": 2, "stall": True})
    with Running(tmp_path, [sink], "--set", "time_out=2") as campaign:
        recorded(sink, 2)
        campaign.signal(signal.SIGTERM)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES] == ["accepted"] * 2 + ["in_doubt"] * 2 + ["unsent"] * 2


# conformance: F46
@pytest.mark.parametrize("on", ["greeting", "EHLO"])
def test_nothing_runs_while_it_connects(on, tmp_path, sink_of):  # noqa: F811
    """One signal is enough: there is no envelope to finish."""
    sink = sink_of({"on": on, "stall": True})
    with Running(tmp_path, [sink]) as campaign:
        wait_until(lambda: connected(campaign.process), 20, "it connects")
        campaign.signal(signal.SIGTERM)
        kinds = campaign.end()
    assert set(kinds.values()) == {"unsent"}


def connected(process):
    """True when one of its sockets is an established TCP connection (state 01)."""
    try:
        sockets = [link.readlink().name for link in process_files(process.child.pid)]
    except OSError:
        return False
    with open(f"/proc/{process.child.pid}/net/tcp", encoding="ascii") as table:
        open_inodes = {fields[9] for fields in map(str.split, table) if fields[3] == "01"}
    return any(name == f"socket:[{inode}]" for name in sockets for inode in open_inodes)


def process_files(pid):
    return list(pathlib.Path(f"/proc/{pid}/fd").iterdir())


# conformance: F46
def test_while_a_deferred_recipient_waits(tmp_path, sink_of):  # noqa: F811
    # manual: retry_delay
    sink = sink_of({"on": "RCPT", "match": "@z", "reply": "451 4.7.1 later"})
    with Running(tmp_path, [sink], "--set", "retry_delay=600") as campaign:
        recorded(sink, 2)
        campaign.signal(signal.SIGINT)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES[:4]] == ["accepted"] * 4
    assert {kinds[line] for line in LINES[4:]} <= {"deferred", "unsent"}


# conformance: F46
def test_while_a_server_sleeps(tmp_path, sink_of):  # noqa: F811
    # manual: sleep_length
    sink = sink_of()
    limits = ["--set", "max_messages_while_awake=2", "--set", "sleep_length=600"]
    with Running(tmp_path, [sink], "--use-envelope", "0", *limits) as campaign:
        recorded(sink, 2)
        campaign.signal(signal.SIGTERM)
        kinds = campaign.end()
    assert [kinds[line] for line in LINES[:2]] == ["accepted"] * 2
    assert {kinds[line] for line in LINES[2:]} == {"unsent"}


# conformance: F46
def test_while_the_list_has_no_end(tmp_path, sink_of):  # noqa: F811
    """A list from a pipe that stays open: the signal ends the wait for its next record."""
    sink = sink_of()
    options = options_for(tmp_path, [sink], LINES)
    options[options.index("--list") + 1] = "-"
    arguments = [bulkmail(), "send", *map(str, options), "--no-journal", "--quiet", "--outcomes", "o", "--report", "r"]
    child = subprocess.Popen(arguments, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        child.stdin.write(b"a@x.example.org\nb@y.example.org\n")
        child.stdin.flush()
        recorded(sink, 1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == LATER, child.stderr.read()
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stderr.close()
    rows = read_outcomes(tmp_path / "o")
    check_sums(rows, json.loads((tmp_path / "r").read_text()), len(rows))
    check_sinks(rows, [sink])
