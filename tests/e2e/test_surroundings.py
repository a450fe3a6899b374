# SPDX-License-Identifier: MIT
"""What the machine and the relays do to a campaign from outside: clocks, limits, modes of files, relays that come and
go, a long wire."""

import os
import resource
import stat
import subprocess
import sys
import threading
import time

import pytest

from lib import command
from lib.campaign import NOT_ALL, OK, SOON, addresses, check, check_sinks, options_for, read_outcomes  # noqa: F401
from lib.campaign import sink_of, start  # noqa: F401
from lib.command import bulkmail, is_sanitized
from lib.delay import delay  # noqa: F401
from lib.torture import preloaded
from lib.waiting import free_port

A_COPY_EACH = ("--use-envelope", "0")
YEARS, A_DAY = 10 * 365 * 86400, 86400


def set_to(**attributes):
    return [part for name, value in attributes.items() for part in ("--set", f"{name}={value}")]


def begin(folder, sinks, lines, *more, **options):
    """A campaign beside the test."""
    arguments = ["send", *options_for(folder, sinks, lines), *A_COPY_EACH, *more, "--no-journal"]
    return start([*arguments, "--outcomes", "outcomes", "--report", "report"], folder, cwd=folder, **options)


def end(process, folder, seconds=30):
    """Status, outcomes, and the processor's seconds that it took."""
    deadline = time.monotonic() + seconds
    pid, code, usage = 0, 0, None
    while pid == 0 and time.monotonic() < deadline:
        pid, code, usage = os.wait4(process.child.pid, os.WNOHANG)
        time.sleep(0.005)
    assert pid, f"it runs longer than {seconds} s"
    process.child.returncode = os.waitstatus_to_exitcode(code)
    process.stop()
    return process.child.returncode, read_outcomes(folder / "outcomes"), usage.ru_utime + usage.ru_stime


# conformance: 16, F48
@pytest.mark.slow  # the shim that turns the clock and a sanitizer's own threads are not always friends
@pytest.mark.parametrize("jump", [YEARS, -A_DAY, 3600, -1], ids=["ten-years", "a-day-back", "an-hour", "leap"])
def test_the_wall_clock_jumps(jump, tmp_path, sink_of):  # noqa: F811
    """Again and again: no wait gets shorter or longer by it."""
    sink = sink_of({"on": "RCPT", "match": "<r3@", "times": 1, "reply": "450 4.2.1 later"}, {"on": "end", "delay_ms": 5})
    environment = {**os.environ, **preloaded(tmp_path / "shim", []), "TORTURE_CLOCK": str(jump)}
    begun = time.monotonic()
    more = set_to(retry_delay=1, time_out=3, rate="100/s", pipelining="message")
    process = begin(tmp_path, [sink], addresses(100), *more, env=environment)
    status, rows, seconds = end(process, tmp_path)
    took = time.monotonic() - begun
    assert (status, {row["outcome"] for row in rows}) == (OK, {"accepted"}), process.output()
    check_sinks(rows, [sink])
    # A hundred at a hundred a second, and one waits a second.
    assert 0.85 < took < 6 and seconds < took / 2
    stamps = {row["at"][:10] for row in rows}
    assert abs(jump) <= 3600 or len(stamps) == 2, "the clock did not jump"


# conformance: F21
def test_a_late_reply_to_the_dot(tmp_path, sink_of):  # noqa: F811
    rules = [{"on": "end", "nth": nth, "delay_ms": ms, "accept": True} for nth, ms in ((1, 100), (2, 900), (3, 2500))]
    sink = sink_of(*rules)
    sent = command.send(
        [*options_for(tmp_path, [sink], addresses(4)), *A_COPY_EACH, *SOON, *set_to(time_out=2, connections=1, pipelining="envelope")],
        tmp_path,
    )
    check(sent, [sink], 4)
    assert sent.of_kind("accepted") == [f"r{number}@x.example.org" for number in (1, 2, 4)]
    assert sent.of_kind("in_doubt") == ["r3@x.example.org"]


# conformance: A36
def test_files_are_for_the_owner_alone(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "RCPT", "match": "<r1@", "reply": "550 5.1.1 unknown"})
    logs = set_to(CONVERSATION="talk", GOOD="good", BAD="bad", ERRFILE="errors")
    process = begin(tmp_path, [sink], [*addresses(3), "nobody"], *logs, preexec_fn=lambda: os.umask(0))
    assert end(process, tmp_path)[0] == NOT_ALL
    for name in ("outcomes", "report", "talk", "good", "bad", "errors"):
        mode = stat.S_IMODE((tmp_path / name).stat().st_mode)
        assert mode == 0o600, f"{name}: {mode:o}"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".new")]


def limited(**limits):
    def apply():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))

    return apply


# conformance: F60
@pytest.mark.slow
@pytest.mark.skipif("is_sanitized()", reason="a sanitizer maps terabytes")
def test_a_long_list_in_little_memory(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=["--discard"])
    more = ("--set", "Trusting=duplicates")
    process = begin(tmp_path, [sink], addresses(200_000), *more, preexec_fn=limited(AS=96 << 20))
    status, rows, _ = end(process, tmp_path, 60)
    assert status == OK, process.output()
    assert len(rows) == 200_000


# conformance: F62, F51
@pytest.mark.parametrize("descriptors", [10, 12, 14, 16, 20, 24])
def test_few_descriptors(descriptors, tmp_path, sink_of):  # noqa: F811
    """It goes on with fewer connections, or says at once why it cannot."""
    sink = sink_of({"on": "end", "delay_ms": 5})
    more = (*SOON, *set_to(connections=16, max_connection_attempts=3))
    process = begin(tmp_path, [sink], addresses(40), *more, preexec_fn=limited(NOFILE=descriptors))
    process.child.wait(30)
    rows = read_outcomes(tmp_path / "outcomes") if (tmp_path / "outcomes").exists() else []
    if process.child.returncode == OK:
        assert [row["outcome"] for row in rows] == ["accepted"] * 40
        check_sinks(rows, [sink])
    else:
        assert process.child.returncode > 0
        assert "Too many open files" in process.output()
        assert sum(sink.taken().values()) == len([row for row in rows if row["outcome"] == "accepted"])


# conformance: 20, F33
def test_greylisting(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(*({"on": "RCPT", "match": f"<r{n}@", "times": 1, "reply": "451 4.7.1 greylisted"} for n in (1, 4, 7)))
    options = [*options_for(tmp_path, [sink], addresses(9)), *A_COPY_EACH, *set_to(retry_delay=1, pipelining="message", connections=1)]
    sent = command.send(options, tmp_path)
    check(sent, [sink], 9)
    assert sent.counts() == {"accepted": 9}
    # The others did not wait for them.
    assert {one["recipients"][0] for one in sink.transactions()[-3:]} == {f"r{n}@x.example.org" for n in (1, 4, 7)}
    times = [one["at"] for one in sink.transactions() if one["accepted"]]
    assert times[-3] - times[0] >= 900


# conformance: 21, F34
@pytest.mark.parametrize("on", ["greeting", "MAIL"])
def test_a_relay_says_too_many(on, tmp_path, sink_of):  # noqa: F811
    refuse = {"on": on, "connection": {"from": 2}, "reply": "421 4.7.0 too many connections", "close": True}
    strict, other = sink_of(refuse), sink_of({"on": "end", "delay_ms": 5})
    sent = command.send(
        [*options_for(tmp_path, [strict, other], addresses(200)), *A_COPY_EACH, *SOON, *set_to(connections=4)], tmp_path
    )
    check(sent, [strict, other], 200)
    assert sent.counts() == {"accepted": 200}


# conformance: 17, 21, F35
@pytest.mark.slow
def test_a_relay_comes_and_goes(tmp_path, sink_of):  # noqa: F811
    steady, flapping = sink_of({"on": "end", "delay_ms": 20}), sink_of({"on": "end", "delay_ms": 20})
    done = threading.Event()

    def flap():
        while not done.wait(0.4):
            flapping.kill()
            if not done.wait(0.4):
                flapping.start(flapping.port)

    process = begin(tmp_path, [steady, flapping], addresses(600), *SOON, *set_to(pipelining="message", max_connection_attempts=50))
    flapper = threading.Thread(target=flap)
    flapper.start()
    try:
        status, rows, _ = end(process, tmp_path, 60)
    finally:
        done.set()
        flapper.join(30)
    check_sinks(rows, [steady, flapping])
    assert {row["outcome"] for row in rows} <= {"accepted", "in_doubt"} and len(rows) == 600
    assert status in (OK, NOT_ALL)
    assert sum(flapping.taken().values()) > 0


# conformance: 21, F36
def test_all_relays_are_down_for_a_while(tmp_path, sink_of):  # noqa: F811
    sinks = [sink_of(), sink_of()]
    for sink in sinks:
        sink.kill()
    process = begin(tmp_path, sinks, addresses(50), *set_to(retry_delay=1, max_connection_attempts=100))
    time.sleep(2)
    assert process.is_alive()
    for sink in sinks:
        sink.start(sink.port)
    status, rows, seconds = end(process, tmp_path)
    assert (status, {row["outcome"] for row in rows}, {row["attempts"] for row in rows}) == (OK, {"accepted"}, {1})
    check_sinks(rows, sinks)
    assert seconds < (2 if is_sanitized() else 0.3), "it was busy while it waited"


# conformance: F32
def test_a_long_wire(tmp_path, sink_of, delay):  # noqa: F811
    sink = sink_of()
    with delay(sink.port, 300) as port:
        options = [*options_for(tmp_path, [f"127.0.0.1:{port}"], addresses(200)), *A_COPY_EACH, *set_to(time_out=2, connections=2)]
        sent = command.send([*options, "--set", "pipelining=stream"], tmp_path)
    check(sent, [sink], 200)
    assert sent.counts() == {"accepted": 200}
    assert {row["attempts"] for row in sent.outcomes} == {1}


# conformance: A43
@pytest.mark.parametrize("mode", ["envelope", "message", "stream"])
def test_replies_come_octet_by_octet(mode, tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"drip_ms": 1})
    options = [*options_for(tmp_path, [sink], addresses(8)), *A_COPY_EACH, *set_to(pipelining=mode, connections=2)]
    sent = command.send(options, tmp_path)
    check(sent, [sink], 8)
    assert sent.counts() == {"accepted": 8}


# conformance: 9, 22, 26
def test_senders_and_local_parts_stay_as_they_are(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    lines = ["MiXed@x.example.org", '"a b"@x.example.org', "Same@X.Example.ORG", "Same@x.example.org"]
    sent = command.send([*options_for(tmp_path, [sink], lines), "--sender", "<>"], tmp_path)
    check(sent, [sink], 4)
    assert [to for one in sink.transactions() for to in one["recipients"]] == lines[:3]
    assert sent.kinds()["Same@x.example.org"] == "duplicate"
    assert {one["sender"] for one in sink.transactions()} == {""}
