# SPDX-License-Identifier: MIT
"""LMTP over TCP and Unix sockets, against `bulkmail sink --lmtp`."""

import pytest

from lib.campaign import LATER, NO_SERVER, NOT_ALL, OK, addresses, check, options_for, run, sink_of  # noqa: F401
from lib.command import send
from lib.waiting import free_port

PLACES = [True, False]
THREE = addresses(3)


def place(sink):
    return f"unix:{sink.path}" if sink.path else sink.address


def deliver(folder, sinks, lines, *more):
    options = options_for(folder, [place(sink) for sink in sinks], lines)
    return send([*options, "--set", "protocol=lmtp", *more], folder)


@pytest.mark.parametrize("unix", PLACES, ids=["unix", "tcp"])
@pytest.mark.parametrize("pipelining", ["off", "envelope", "message", "auto"])
def test_a_campaign(pipelining, unix, tmp_path, sink_of):  # noqa: F811
    # manual: protocol, Smtp
    sink = sink_of(lmtp=True, unix=unix)
    sent = deliver(tmp_path, [sink], addresses(25), "--set", f"pipelining={pipelining}", "--set", "envelope_limit=10")
    check(sent, [sink], 25)
    assert sent.status == OK and sent.counts() == {"accepted": 25}
    assert {row["server"] for row in sent.outcomes} == {place(sink)}
    assert sent.report["servers"][0]["server"] == place(sink)


@pytest.mark.parametrize("unix", PLACES, ids=["unix", "tcp"])
def test_each_recipient_has_its_own_reply(unix, tmp_path, sink_of):  # noqa: F811
    # manual: protocol
    rules = (
        {"on": "end", "match": "^r2@", "reply": "550 5.1.1 no such mailbox"},
        {"on": "end", "match": "^r3@", "times": 1, "reply": "452 4.2.2 full"},
        {"on": "RCPT", "match": "<r4@", "reply": "551 5.1.6 moved"},
    )
    sink = sink_of(*rules, lmtp=True, unix=unix)
    sent = deliver(tmp_path, [sink], addresses(5), "--set", "retry_delay=0")
    check(sent, [sink], 5)
    assert sent.status == NOT_ALL
    assert {row["seq"]: (row["outcome"], row["code"], row["attempts"]) for row in sent.outcomes} == {
        1: ("accepted", 250, 1),
        2: ("refused", 550, 1),
        3: ("accepted", 250, 2),
        4: ("refused", 551, 1),
        5: ("accepted", 250, 1),
    }


def test_deferred_until_the_tries_are_used_up(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "match": "^r2@", "reply": "452 4.2.2 full"}, lmtp=True, unix=True)
    sent = deliver(tmp_path, [sink], THREE, "--set", "retry_delay=0")
    check(sent, [sink], 3)
    assert sent.status == LATER and sent.of_kind("deferred") == ["r2@x.example.org"]


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_a_cut_among_the_replies(answered, tmp_path, sink_of):  # noqa: F811
    # conformance: F05
    sink = sink_of({"on": "end", "nth": answered + 1, "no_reply": True, "delay_ms": 50, "close": True}, lmtp=True, unix=True)
    sent = deliver(tmp_path, [sink], THREE, "--set", "max_connection_attempts=1")
    assert sent.of_kind("accepted") == THREE[:answered]
    assert sent.of_kind("in_doubt") == THREE[answered:]


def test_smtp_over_a_unix_socket(tmp_path, sink_of):  # noqa: F811
    # manual: Smtp
    sink = sink_of(unix=True)
    sent = send(options_for(tmp_path, [place(sink)], THREE), tmp_path)
    check(sent, [sink], 3)
    assert sent.status == OK


def test_check_and_talk_over_a_unix_socket(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(lmtp=True, unix=True)
    options = options_for(tmp_path, [place(sink)], THREE)
    done = run("check", *options, "--set", "protocol=lmtp")
    assert done.status == OK, done.stderr
    assert f"{place(sink)}: greeted, offers\n" in done.stdout and "  no TLS\n" in done.stdout
    done = run("talk", "--server", place(sink), "--set", "protocol=lmtp", "NOOP")
    assert done.status == OK and done.stdout.startswith("250 ")


def test_an_lmtp_server_is_not_spoken_to_in_smtp(tmp_path, sink_of):  # noqa: F811
    # manual: protocol
    sink = sink_of(lmtp=True)
    options = options_for(tmp_path, [sink.address], THREE)
    sent = send([*options, "--set", "max_connection_attempts=1"], tmp_path)
    assert sent.status == NO_SERVER and sent.counts() == {"unsent": 3}


def test_nobody_at_the_path(tmp_path):
    # manual: MBS003, Smtp
    path = f"unix:{tmp_path}/nobody"
    done = run("talk", "--server", path, "NOOP")
    assert done.status == NO_SERVER and "MBS003" in done.stderr and path in done.stderr
    assert run("talk", "--server", "unix:relative", "NOOP").status == 64
    assert run("talk", "--server", f"127.0.0.1:{free_port()}", "--set", "protocol=lmtp", "NOOP").status == NO_SERVER
