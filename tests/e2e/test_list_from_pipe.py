# SPDX-License-Identifier: MIT
"""A list that comes slowly through a pipe."""

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


def start(tmp_path, port):
    (tmp_path / "body.txt").write_text("The news.\n")
    arguments = [bulkmail(), "send", "--server", f"127.0.0.1:{port}", "--list", "-", "--body", "body.txt"]
    arguments += ["--from", "news@lists.example.org", "--use-envelope", "0", "--outcomes", "o.jsonl", "--report", "r.json"]
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
