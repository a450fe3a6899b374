# SPDX-License-Identifier: MIT
"""A list that comes slowly through a pipe, and what is written down meanwhile."""

import contextlib
import json
import signal
import subprocess

import pytest
from lib.command import LATER, OK, bulkmail
from lib.pysink import Sink
from lib.waiting import wait_until


@contextlib.contextmanager
def running():
    sink = Sink()
    try:
        yield sink
    finally:
        sink.stop()


def start(tmp_path, port, path="-", more=(), use_envelope="0"):
    (tmp_path / "body.txt").write_text("The news.\n")
    arguments = [bulkmail(), "send", "--server", f"127.0.0.1:{port}", "--list", path, "--body", "body.txt"]
    arguments += ["--from", "news@lists.example.org"]
    arguments += ["--to", "news@lists.example.org", "--use-envelope", use_envelope, "--report", "r.json"]
    arguments += ["--set", "connections=1", "--set", "pipelining=envelope"]
    arguments += more if "--outcomes" in more else [*more, "--outcomes", "o.jsonl"]
    return subprocess.Popen(arguments, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def outcomes(tmp_path):
    return [json.loads(line)["outcome"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]


def test_each_record_is_sent_when_it_comes(tmp_path):
    with running() as sink:
        process = start(tmp_path, sink.port)
        for number in range(1, 4):
            process.stdin.write(b"u%d@x.example.org\n" % number)
            process.stdin.flush()
            wait_until(lambda: len(sink.records) == number, 10, f"transaction {number}")
        process.stdin.close()
        assert process.wait(20) == OK
    assert outcomes(tmp_path) == ["accepted"] * 3


# conformance: F46
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_a_signal_ends_the_wait_for_the_next_record(tmp_path, number):
    with running() as sink:
        process = start(tmp_path, sink.port)
        process.stdin.write(b"u1@x.example.org\n")
        process.stdin.flush()
        wait_until(lambda: len(sink.records) == 1, 10, "the first transaction")
        process.send_signal(number)
        assert process.wait(10) == LATER
        process.stdin.close()
    assert outcomes(tmp_path) == ["accepted"]
    assert json.loads((tmp_path / "r.json").read_text())["list_complete"] is False


def test_a_silent_list_does_not_hold_the_open_envelope_back(tmp_path):
    with running() as sink:
        process = start(tmp_path, sink.port, use_envelope="1")
        process.stdin.write(b"u1@x.example.org\nu2@x.example.org\nu3@x.exam")
        process.stdin.flush()
        wait_until(lambda: len(sink.records) == 1, 10, "the open envelope")
        process.stdin.write(b"ple.org\n")
        process.stdin.close()
        assert process.wait(20) == OK
        assert [record["recipients"] for record in sink.records] == [
            ["u1@x.example.org", "u2@x.example.org"],
            ["u3@x.example.org"],
        ]


def test_outcomes_are_on_the_disk_with_their_transaction(tmp_path):
    with running() as sink:
        process = start(tmp_path, sink.port)
        process.stdin.write(b"u1@x.example.org\n")
        process.stdin.flush()
        wait_until(lambda: (tmp_path / "o.jsonl").exists() and outcomes(tmp_path), 10, "the first outcome")
        process.kill()
        process.wait(10)
        process.stdin.close()
    assert outcomes(tmp_path) == ["accepted"]


# conformance: 24
@pytest.mark.parametrize("name", ["GOOD", "--outcomes"])
def test_a_full_disk_stops_the_campaign(tmp_path, name):
    (tmp_path / "list.txt").write_text("".join(f"u{n}@x.example.org\n" for n in range(2000)))
    with running() as sink:
        more = ["--set", "GOOD=/dev/full"] if name == "GOOD" else ["--outcomes", "/dev/full"]
        process = start(tmp_path, sink.port, "list.txt", more)
        assert process.wait(60) == 74
        process.stdin.close()
        assert len(sink.records) <= 2
