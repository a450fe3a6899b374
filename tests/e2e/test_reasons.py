# SPDX-License-Identifier: MIT
"""Why is it not faster? The progress line names the reason, and the report how the time was shared out."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections import Counter

import pytest

from lib import command
from lib.campaign import OK, SOON, addresses, options_for, sink_of, write_list, write_message  # noqa: F401
from lib.delay import delay  # noqa: F401


def watch(folder, options, feed=None):
    """Runs send on a terminal; returns the reasons in the order shown."""
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    arguments = [command.bulkmail(), "send", *map(str, options), "--no-journal", "--report", folder / "report.json"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=other, cwd=folder)
    os.close(other)
    seen = b""
    try:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if feed and not feed(process):
                process.stdin.close()
                feed = None
            if select.select([terminal], [], [], 0.05)[0]:
                try:
                    seen += os.read(terminal, 65536)
                except OSError:
                    break
        assert process.wait(10) == OK, seen
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        os.close(terminal)
    return re.findall(r"waiting for: ([^\r\x1b]+)", seen.decode())


def most(shown):
    """The reason that was shown most often: the last line may tell of the goodbye."""
    return Counter(shown).most_common(1)[0][0]


def shares(report):
    return report["time"]


def test_slow_replies(tmp_path, sink_of):  # noqa: F811
    # Far above what a greeting may take on a busy machine, by which the round trip is known.
    sink = sink_of({"on": "end", "delay_ms": 500})
    options = [*options_for(tmp_path, [sink], addresses(16)), "--use-envelope", 0]
    shown = watch(tmp_path, options)
    assert f"the replies of {sink.address}" in most(shown)
    check_shares(tmp_path, "replies")


def test_a_rate(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    options = [*options_for(tmp_path, [sink], addresses(150)), "--use-envelope", 0, "--set", "rate=100/s"]
    shown = watch(tmp_path, options)
    assert "rate" in most(shown)
    check_shares(tmp_path, "rate")


def test_a_slow_list(tmp_path, sink_of):  # noqa: F811
    sink, left = sink_of(), list(range(25))

    def feed(process):
        process.stdin.write(b"r%d@x.example.org\n" % left.pop())
        process.stdin.flush()
        return left

    options = ["--server", sink.address, "--list", "-", "--message", write_message(tmp_path), "--use-envelope", 0]
    shown = watch(tmp_path, options, feed)
    assert "list" in most(shown)
    check_shares(tmp_path, "list")


def test_a_long_wire(tmp_path, sink_of, delay):  # noqa: F811
    sink = sink_of()
    with delay(sink.port, 50) as port:
        options = [*options_for(tmp_path, [f"127.0.0.1:{port}"], addresses(30)), "--use-envelope", 0]
        shown = watch(tmp_path, [*options, "--set", "connections=1", "--set", "pipelining=message"])
    assert "round trip" in most(shown)
    check_shares(tmp_path, "round_trips")


def check_shares(folder, most):
    report = json.loads((folder / "report.json").read_text())
    found = shares(report)
    assert sum(found.values()) == pytest.approx(1, abs=0.01), found
    assert max(found, key=found.get) == most, found
    for server in report["servers"]:
        assert sum(shares(server).values()) == pytest.approx(1, abs=0.01), server
