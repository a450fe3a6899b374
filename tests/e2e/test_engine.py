# SPDX-License-Identifier: MIT
"""The engine over sockets: many connections, pipelines and streams, faults in the midst of them, many servers. After
each run the outcomes are joined with the sinks' records, recipient by recipient."""

import base64
import json
import re
import socket
import statistics
import time
from collections import Counter

import pytest

from lib import command
from lib.campaign import NOT_ALL, OK, SOON, addresses, check, options_for, sink_of, start, write_list  # noqa: F401
from lib.campaign import check_sinks, check_sums, read_outcomes
from lib.delay import delay  # noqa: F401
from lib.waiting import free_port, wait_until

MODES = ("off", "envelope", "message", "stream")
DEPTH = 32
MESSAGE = b"From: news@lists.example.org\nSubject: News\n\nHello.\n.\nThis is the news.\n"
A_COPY_EACH = ("--use-envelope", 0)
SHARED = ("--use-envelope", 1, "--to", "readers@lists.example.org")


def set_to(**attributes):
    return [part for name, value in attributes.items() for part in ("--set", f"{name}={value}")]


def send(folder, sinks, lines, *more, content=MESSAGE, seconds=60):
    return command.send([*options_for(folder, sinks, lines, content), *SOON, *more], folder, seconds)


def check_own_copies(sink):
    """With a copy each: one recipient a transaction, and the content is addressed to that one."""
    for one in sink.transactions():
        head, _, body = base64.b64decode(one["content_base64"]).partition(b"\r\n\r\n")
        assert body == b"Hello.\r\n.\r\nThis is the news.\r\n"
        to = re.search(rb"^To: (.*?)\r?$", head, re.MULTILINE).group(1).decode()
        assert len(one["recipients"]) <= 1, one
        assert one["recipients"] in ([to], []), one


@pytest.mark.parametrize("mode", MODES)
def test_all_connections_are_used(mode, tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "delay_ms": 5})
    sent = send(tmp_path, [sink], addresses(400), *A_COPY_EACH, *set_to(pipelining=mode))
    check(sent, [sink], 400)
    assert sent.status == OK
    shares = Counter(one["connection"] for one in sink.transactions())
    assert len(shares) == 4
    assert min(shares.values()) > 400 / 8
    assert sent.report["servers"][0]["connections"] == 4


# conformance: 25, 33
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_is_what_it_says(mode, tmp_path, sink_of):  # noqa: F811
    """As the server saw it: what came behind an unanswered command, and whether contents came in chunks."""
    pipelined = {"pipelined": True, "on": ["MAIL", "RSET"], "times": 1, "reply": "421 4.3.2 seen", "close": True}
    group = {"pipelined": True, "on": "RCPT", "times": 1, "reply": "421 4.3.2 seen", "close": True}
    slow = {"on": ["MAIL", "end"], "delay_ms": 20}
    sink = sink_of(pipelined, group, slow)
    sent = send(tmp_path, [sink], addresses(12), *A_COPY_EACH, *set_to(pipelining=mode, connections=1))
    check(sent, [sink], 12)
    assert sent.counts() == {"accepted": 12}
    assert sink.counters()["connections"] == {"off": 1, "envelope": 2, "message": 3, "stream": 3}[mode]
    assert {one["bdat"] for one in sink.transactions()} == {mode == "stream"}


# conformance: 3, 27, 34
@pytest.mark.parametrize("extensions, chunks", [("PIPELINING,CHUNKING", True), ("PIPELINING", False), ("", False)])
def test_auto_takes_what_is_offered(extensions, chunks, tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=["--extensions", extensions])
    sent = send(tmp_path, [sink], addresses(50), *A_COPY_EACH, *set_to(pipelining="auto"))
    # pipelining-not-offered and extension-not-offered would be violations
    check(sent, [sink], 50)
    assert sent.status == OK
    assert {one["bdat"] for one in sink.transactions()} == {chunks}


REFUSALS = {
    "MAIL": ([{"on": "MAIL", "nth": [5, 11], "reply": "550 5.7.1 not now"}], 2),
    "RCPT": ([{"on": "RCPT", "match": "<r(1|5|6|20)@", "reply": "550 5.1.1 unknown"}], 4),
    "DATA": ([{"on": ["DATA", "BDAT"], "nth": [4, 9], "reply": "554 5.6.0 no"}], 2),
    "end": ([{"on": "end", "nth": [1, 4, 5, 20], "reply": "554 5.6.0 no"}], 4),
    "all": ([{"on": "RCPT", "reply": "550 5.1.1 unknown"}], 20),
    "mixed": (
        [
            {"on": "MAIL", "nth": 3, "reply": "550 5.7.1 no"},
            {"on": "RCPT", "match": "<r(7|8)@", "reply": "550 5.1.1 unknown"},
            {"on": "end", "nth": 6, "reply": "554 5.6.0 no"},
        ],
        4,
    ),
}


# conformance: 12, 29, 33, 37, F26
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", REFUSALS)
def test_refusals_leave_the_others_right(mode, where, tmp_path, sink_of):  # noqa: F811
    # manual: MBS008, use_envelope
    rules, refused = REFUSALS[where]
    sink = sink_of(*rules, options=["--content"])
    sent = send(tmp_path, [sink], addresses(20), *A_COPY_EACH, *set_to(pipelining=mode, connections=1))
    check(sent, [sink], 20)
    assert sent.status == NOT_ALL
    assert Counter(sent.counts()) == Counter(refused=refused, accepted=20 - refused)
    check_own_copies(sink)


# conformance: 12, 29
@pytest.mark.parametrize("mode", MODES)
def test_refused_recipients_of_shared_envelopes(mode, tmp_path, sink_of):  # noqa: F811
    """First, middle, last and all of an envelope."""
    refused = {"on": "RCPT", "match": "<r(1|13|14|20|2[1-9]|30|35)@", "reply": "550 5.1.1 unknown"}
    sink = sink_of(refused)
    sent = send(tmp_path, [sink], addresses(60), *SHARED, *set_to(pipelining=mode, connections=1, envelope_limit=10))
    check(sent, [sink], 60)
    numbers = [1, 13, 14, *range(20, 31), 35]
    assert sent.of_kind("refused") == [f"r{number}@x.example.org" for number in numbers]
    assert sent.counts() == {"refused": len(numbers), "accepted": 60 - len(numbers)}


# conformance: 15, 20, F33
@pytest.mark.parametrize("mode", MODES)
def test_temporary_refusals_are_tried_again(mode, tmp_path, sink_of):  # noqa: F811
    # manual: talk_attempts, MBS013
    rules = [
        {"on": "MAIL", "nth": 7, "reply": "451 4.7.1 later"},
        {"on": "RCPT", "match": "<r(3|9)@", "times": 2, "reply": "450 4.2.1 later"},
        {"on": "end", "nth": {"every": 8}, "times": 3, "reply": "451 4.3.0 later"},
    ]
    sink = sink_of(*rules, options=["--content"])
    options = set_to(pipelining=mode, connections=2, talk_attempts=6)
    sent = send(tmp_path, [sink], addresses(30), *A_COPY_EACH, *options)
    check(sent, [sink], 30)
    assert sent.counts() == {"accepted": 30}
    # Six refusals; one of MAIL and one of RCPT may meet in one transaction, and some the same recipient.
    assert sum(row["attempts"] - 1 for row in sent.outcomes) >= 4
    check_own_copies(sink)


# conformance: 37, F26
@pytest.mark.parametrize("nth", [1, 3, [3, 4], {"every": 4}], ids=str)
def test_a_server_that_keeps_the_envelope_of_a_refused_chunk(nth, tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "nth": nth, "keep": True, "reply": "554 5.6.0 no"}, options=["--content"])
    sent = send(tmp_path, [sink], addresses(24), *A_COPY_EACH, *set_to(pipelining="stream", connections=1))
    check(sent, [sink], 24)
    assert set(sent.counts()) == {"accepted", "refused"}
    check_own_copies(sink)
    assert all(one["bdat"] for one in sink.transactions())


# conformance: 17, 19, 37
@pytest.mark.parametrize("on", ["RSET", "MAIL"])
@pytest.mark.parametrize("reply", ["421 4.3.2 bye", "502 5.5.1 what?", "450 4.3.2 later"])
def test_a_server_that_ends_the_session_and_goes_on(on, reply, tmp_path, sink_of):  # noqa: F811
    """What was on its way in a stream is answered, and is not sent once more."""
    sink = sink_of({"on": on, "nth": {"every": 20}, "reply": reply})
    sent = send(tmp_path, [sink], addresses(200), *A_COPY_EACH, *set_to(pipelining="stream", connections=1))
    check(sent, [sink], 200)
    # Who meets a 450 twice is deferred.
    assert set(sent.counts()) <= {"accepted", "deferred" if reply.startswith("450") else "refused"}


# conformance: 17, F08, F34
@pytest.mark.parametrize("extensions", ["SIZE", "PIPELINING,SIZE", "PIPELINING,CHUNKING,SIZE"])
def test_a_421_among_many_recipients(extensions, tmp_path, sink_of):  # noqa: F811
    """It is no refusal of them all: the connections count as fruitless, and nobody goes round for ever."""
    bye = {"on": "RCPT", "nth": 10, "per_connection": True, "reply": "421 4.3.2 bye", "close": True}
    sink = sink_of(bye, options=["--extensions", extensions])
    sent = send(tmp_path, [sink], addresses(200), *SHARED, *set_to(connections=1))
    check(sent, [sink], 200)
    assert sink.counters()["connections"] < 200


def test_every_connection_has_limits_of_its_own(tmp_path, sink_of):  # noqa: F811
    offers = "250-sink\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=%d"
    rules = [{"on": "EHLO", "connection": n, "reply": offers % most} for n, most in ((1, 7), (3, 5))]
    sink = sink_of(*rules, {"on": "end", "delay_ms": 20})
    options = set_to(connections=4, envelope_limit=50)
    sent = send(tmp_path, [sink], addresses(2000), *SHARED, *options)
    check(sent, [sink], 2000)
    assert sent.counts() == {"accepted": 2000}
    largest = Counter()
    for one in sink.transactions():
        largest[one["connection"]] = max(largest[one["connection"]], len(one["recipients"]))
    assert largest[1] <= 7 and largest[3] <= 5, largest


def said_of_stepping_down(folder):
    return [line for line in (folder / "errors").read_text().splitlines() if "pipelin" in line.lower()]


# conformance: F15
def test_auto_steps_down_after_503(tmp_path, sink_of):  # noqa: F811
    # manual: ERRFILE
    sink = sink_of({"pipelined": True, "on": ["MAIL", "RSET"], "reply": "503 5.5.1 one at a time"})
    options = set_to(pipelining="auto", connections=2, ERRFILE=tmp_path / "errors")
    sent = send(tmp_path, [sink], addresses(200), *A_COPY_EACH, *options)
    check(sent, [sink], 200, {"nested-mail"})
    assert sent.counts() == {"accepted": 200}
    assert said_of_stepping_down(tmp_path)
    # It is remembered: a step or two, and not one for each of many connections.
    assert sink.counters()["connections"] <= 12


# conformance: 33, F15
@pytest.mark.parametrize("reply", ["503 5.5.1 one at a time", "354 out of step"])
def test_a_server_that_bears_no_pipelining_at_all(reply, tmp_path, sink_of):  # noqa: F811
    # Each step down hits the first of the list again: that is no fault of his.
    sink = sink_of({"pipelined": True, "on": ["RSET", "MAIL", "RCPT"], "reply": reply})
    options = set_to(pipelining="auto", connections=4, ERRFILE=tmp_path / "errors")
    sent = send(tmp_path, [sink], addresses(100), *A_COPY_EACH, *options)
    check(sent, [sink], 100, {"nested-mail"})
    # Out of step, what had its end out is in doubt.
    assert set(sent.counts()) <= {"accepted"} | ({"in_doubt"} if reply.startswith("354") else set())
    assert said_of_stepping_down(tmp_path)[-1].endswith("pipelining=envelope: off from now on")


# conformance: 16, 33
def test_auto_steps_down_after_a_stall_in_bdat(tmp_path, sink_of):  # noqa: F811
    # manual: ERRFILE, time_out
    sink = sink_of({"on": "BDAT", "stall": True})
    options = set_to(pipelining="auto", connections=1, time_out=1, ERRFILE=tmp_path / "errors")
    sent = send(tmp_path, [sink], addresses(100), *A_COPY_EACH, *options)
    check(sent, [sink], 100)
    assert set(sent.counts()) == {"accepted", "in_doubt"}
    assert sent.counts()["in_doubt"] <= DEPTH
    assert said_of_stepping_down(tmp_path)
    assert not any(one["bdat"] for one in sink.transactions() if one["accepted"])


def test_limits_are_obeyed(tmp_path, sink_of):  # noqa: F811
    limits = "PIPELINING,CHUNKING,LIMITS MAILMAX=3 RCPTMAX=5 RCPTDOMAINMAX=1"
    lines = [f"r{number}@{domain}.example.org" for domain in "abc" for number in range(40)]
    for mode in MODES:
        sink = sink_of(options=["--extensions", limits])
        sent = send(tmp_path, [sink], lines, *SHARED, *set_to(pipelining=mode, connections=2))
        check(sent, [sink], len(lines))
        assert sent.counts() == {"accepted": len(lines)}
        transactions = sink.transactions()
        assert max(Counter(one["connection"] for one in transactions).values()) <= 3
        assert max(len(one["recipients"]) for one in transactions) <= 5
        assert max(len({to.partition("@")[2] for to in one["recipients"]}) for one in transactions) == 1
        sink.stop()


# conformance: 17, F08, F34
@pytest.mark.parametrize("mode", MODES)
def test_closed_after_a_few_messages(mode, tmp_path, sink_of):  # noqa: F811
    # manual: row-421
    rule = {"on": "end", "nth": 10, "per_connection": True, "reply": "250 ok\r\n421 4.3.2 enough", "close": True}
    sink = sink_of(rule, options=["--content"])
    sent = send(tmp_path, [sink], addresses(200), *A_COPY_EACH, *set_to(pipelining=mode, connections=2))
    check(sent, [sink], 200)
    assert sent.counts() == {"accepted": 200}
    # Nothing was said but the 421: no attempt is charged for what was behind it.
    assert {row["attempts"] for row in sent.outcomes} == {1}
    check_own_copies(sink)


# conformance: F08, F30
def test_closed_while_idle(tmp_path, sink_of):  # noqa: F811
    """A connection that died unused costs no attempt."""
    # manual: max_messages_while_awake, sleep_length, row-421
    bye = {"on": "end", "reply": "250 ok", "linger_ms": 100, "postsend": "421 4.4.2 idle\r\n", "close": True}
    sink = sink_of(bye)
    options = set_to(max_messages_while_awake=4, sleep_length=1, connections=4)
    sent = send(tmp_path, [sink], addresses(8), *A_COPY_EACH, *options)
    check(sent, [sink], 8)
    assert sent.counts() == {"accepted": 8}
    assert {row["attempts"] for row in sent.outcomes} == {1}


# conformance: 18, F29
def test_a_server_that_waits_for_our_goodbye(tmp_path, sink_of):  # noqa: F811
    """Exim answers QUIT when the client has closed its side, or a fifth of a second later."""
    # manual: max_messages_per_connection
    sink = sink_of({"on": "QUIT", "stall": True})
    begun = time.monotonic()
    options = set_to(connections=1, max_messages_per_connection=5)
    sent = send(tmp_path, [sink], addresses(50), *A_COPY_EACH, *options)
    check(sent, [sink], 50)
    assert sent.status == OK
    assert time.monotonic() - begun < 3
    assert sink.counters()["connections"] == 10


def times_of(sinks):
    return sorted(one["at"] for sink in sinks for one in sink.transactions())


def rate_between(times):
    """Messages a second from the first to the last."""
    return 1000 * (len(times) - 1) / max(times[-1] - times[0], 1)


# conformance: 20
@pytest.mark.parametrize("mode", ["message", "stream"])
def test_a_rate_is_never_exceeded(mode, tmp_path, sink_of):  # noqa: F811
    # manual: rate
    sink, rate = sink_of(), 200
    sent = send(tmp_path, [sink], addresses(500), *A_COPY_EACH, *set_to(pipelining=mode, rate=f"{rate}/s"))
    check(sent, [sink], 500)
    times = times_of([sink])
    # A tenth of a second's worth at once, and what the machine's clocks and pauses move together.
    burst = rate // 10 + 5
    last = 0
    for first, at in enumerate(times):
        while last < len(times) and times[last] < at + 1000:
            last += 1
        assert last - first <= rate + burst, (first, last)
    assert times[-1] - times[0] >= 1000 * (len(times) - burst) / rate


def kill_half_way(folder, sinks, mode, count):
    outcomes, report = folder / "outcomes.jsonl", folder / "report.json"
    options = [*options_for(folder, sinks, addresses(count), MESSAGE), *SOON, *A_COPY_EACH, "--no-journal", "--quiet"]
    options += [*set_to(pipelining=mode, pipeline_depth=DEPTH), "--outcomes", outcomes, "--report", report]
    campaign = start(["send", *options], folder)
    try:
        wait_until(lambda: sinks[1].record.exists() and sinks[1].record.stat().st_size > 100_000, 30, "its record")
        assert campaign.is_alive()
        sinks[1].kill()
        status = campaign.child.wait(60)
    finally:
        campaign.stop()
    return status, read_outcomes(outcomes), report


# conformance: 17, F31
@pytest.mark.parametrize("mode", MODES)
def test_one_of_two_servers_is_killed(mode, tmp_path, sink_of):  # noqa: F811
    # manual: row-lost-end-of-data
    count = 20_000
    sinks = [sink_of(), sink_of()]
    status, rows, report = kill_half_way(tmp_path, sinks, mode, count)
    check_sums(rows, json.loads(report.read_text()), count)
    check_sinks(rows, sinks)
    counts = Counter(row["outcome"] for row in rows)
    assert set(counts) <= {"accepted", "in_doubt"}, counts
    # What can be past its end of data: on each of four connections one, or as many as a stream holds.
    assert counts["in_doubt"] <= 4 * (DEPTH if mode == "stream" else 1)
    assert status == (NOT_ALL if counts["in_doubt"] else OK)
    taken = sinks[0].taken() + sinks[1].taken()
    twice = {to for to, times in taken.items() if times > 1}
    assert not twice


# conformance: 15, F34
@pytest.mark.parametrize("mode", ["envelope", "stream"])
def test_another_try_goes_to_another_server(mode, tmp_path, sink_of):  # noqa: F811
    # manual: talk_attempts
    never, other = sink_of({"on": "RCPT", "reply": "451 4.7.1 later"}), sink_of()
    sent = send(tmp_path, [never, other], addresses(100), *A_COPY_EACH, *set_to(pipelining=mode, talk_attempts=1))
    check(sent, [never, other], 100)
    assert sent.counts() == {"accepted": 100}
    assert sum(other.taken().values()) == 100
    assert {row["attempts"] for row in sent.outcomes} <= {1, 2}


# conformance: 10, 11, F34
def test_a_full_envelope_is_split(tmp_path, sink_of):  # noqa: F811
    # manual: envelope_limit
    full = {"on": "RCPT", "nth": {"every": 8}, "per_connection": True, "reply": "452 4.5.3 too many recipients"}
    sink = sink_of(full)
    sent = send(tmp_path, [sink], addresses(60), *SHARED, *set_to(connections=1, envelope_limit=20))
    check(sent, [sink], 60)
    assert sent.counts() == {"accepted": 60}


# The speed of these is a promise: they run alone, and a second time when the machine was busy the first time.


def twice(measure, wanted):
    """The better of two tries."""
    first = measure(1)
    return first if first >= wanted else max(first, measure(2))


def round_trip_ms(port):
    """What the wire takes, measured by commands over it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.recv(1000)
        taken = []
        for _ in range(15):
            begun = time.monotonic()
            connection.sendall(b"NOOP\r\n")
            connection.recv(1000)
            taken.append(1000 * (time.monotonic() - begun))
        return statistics.median(taken)


# conformance: 33, F32
@pytest.mark.alone
@pytest.mark.slow
def test_a_message_a_round_trip(tmp_path, sink_of, delay):  # noqa: F811
    def measure(attempt):
        sink = sink_of()
        with delay(sink.port, 20) as port:
            trip = round_trip_ms(port)
            options = set_to(pipelining="message", connections=1)
            sent = send(tmp_path, [f"127.0.0.1:{port}"], addresses(200), *A_COPY_EACH, *options)
        check(sent, [sink], 200)
        assert {one["connection"] for one in sink.transactions()} == {2}
        return rate_between(times_of([sink])) / (1000 / trip)

    assert twice(measure, 0.95) >= 0.95


# conformance: 33, F32
@pytest.mark.alone
@pytest.mark.slow
def test_a_stream_over_a_long_wire(tmp_path, sink_of, delay):  # noqa: F811
    def measure(attempt):
        sink = sink_of(options=["--discard"])
        with delay(sink.port, 20) as port:
            options = set_to(pipelining="stream", connections=1, pipeline_depth=512)
            sent = send(tmp_path, [f"127.0.0.1:{port}"], addresses(20_000), *A_COPY_EACH, *options)
        assert sent.counts() == {"accepted": 20_000}
        return 20_000 / sent.report["seconds"]

    assert twice(measure, 5000) >= 5000


def healthy(sink_of):  # noqa: F811
    return sink_of({"on": "end", "delay_ms": 10})


# conformance: 21, F01, F35
@pytest.mark.alone
@pytest.mark.slow
def test_bad_servers_cost_the_good_ones_nothing(tmp_path, sink_of):  # noqa: F811
    """Four servers, one dead, one fifty times slower: the two others are as fast as without them."""

    # manual: turn-skips-unreachable
    def measure(attempt):
        options = [*A_COPY_EACH, *set_to(pipelining="envelope")]
        alone = [healthy(sink_of), healthy(sink_of)]
        sent = send(tmp_path, alone, addresses(2000), *options)
        check(sent, alone, 2000)
        good, slow = [healthy(sink_of), healthy(sink_of)], sink_of({"on": "end", "delay_ms": 500})
        dead = f"127.0.0.1:{free_port()}"
        sent = send(tmp_path, [good[0], dead, slow, good[1]], addresses(2000), *options)
        check(sent, [*good, slow], 2000)
        assert sent.counts() == {"accepted": 2000}
        assert sum(slow.taken().values()) >= 4
        return rate_between(times_of(good)) / rate_between(times_of(alone))

    assert twice(measure, 0.95) >= 0.95
