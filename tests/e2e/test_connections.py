# SPDX-License-Identifier: MIT
"""Where connections go to, and that they come back: several to one server, names with both families, a server that is
down for a while, idle connections that the server ends."""

import json

import pytest

from lib import command
from lib.campaign import OK, SOON, addresses, check, options_for, read_outcomes, sink_of, start  # noqa: F401
from lib.waiting import wait_until

A_COPY_EACH = ("--use-envelope", "0")


def set_to(**attributes):
    return [part for name, value in attributes.items() for part in ("--set", f"{name}={value}")]


def send(folder, sinks, count, *more):
    return command.send([*options_for(folder, sinks, addresses(count)), *A_COPY_EACH, *SOON, *more], folder)


def test_four_connections_to_one_server(tmp_path, sink_of):  # noqa: F811
    # manual: connections
    sink = sink_of({"on": "end", "delay_ms": 50})
    sent = send(tmp_path, [sink], 40, *set_to(connections=4, pipelining="off"))
    check(sent, [sink], 40)
    assert sent.status == OK
    assert len({one["connection"] for one in sink.transactions()}) == 4
    assert sent.report["servers"][0]["connections"] == 4


def test_the_talk_names_the_connection(tmp_path, sink_of):  # noqa: F811
    # manual: CONVERSATION, connections
    sink, talk = sink_of({"on": "end", "delay_ms": 50}), tmp_path / "talk"
    sent = send(tmp_path, [sink], 12, *set_to(connections=3, pipelining="off", CONVERSATION=talk))
    check(sent, [sink], 12)
    lines = talk.read_text().splitlines()
    assert {line[:2] for line in lines} == {f"{number}{mark}" for number in "123" for mark in "<>"}
    for number in "123":
        own = [line[1:] for line in lines if line[0] == number]
        assert own[0].startswith("< 220 ") and own[1].startswith("> EHLO ")
        assert own[-2] == "> QUIT" and own[-1].startswith("< 221 ")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_both_families(host, tmp_path, sink_of):  # noqa: F811
    # manual: Smtp
    sink = sink_of(host=host)
    sent = send(tmp_path, [f"localhost:{sink.port}"], 5, *set_to(connections=2))
    check(sent, [sink], 5)
    assert sent.status == OK
    assert {row["server"] for row in sent.outcomes} == {f"localhost:{sink.port}"}


# conformance: 20, F01, F36
def test_a_server_that_is_down_at_first(tmp_path, sink_of):  # noqa: F811
    # manual: max_connection_attempts, ERRFILE, MBS003
    sink, errors = sink_of(), tmp_path / "errors"
    sink.kill()
    options = [*options_for(tmp_path, [sink], addresses(20)), *A_COPY_EACH, "--no-journal"]
    options += set_to(retry_delay=1, max_connection_attempts=100, ERRFILE=errors)
    campaign = start(["send", *options, "--outcomes", "outcomes", "--report", "report"], tmp_path, cwd=tmp_path)
    try:
        wait_until(lambda: errors.exists() and "MBS003" in errors.read_text(), 20, "the refused connection")
        sink.start(sink.port)
        assert campaign.child.wait(30) == OK, campaign.output()
    finally:
        campaign.stop()
    rows = read_outcomes(tmp_path / "outcomes")
    assert [row["outcome"] for row in rows] == ["accepted"] * 20
    assert {row["attempts"] for row in rows} == {1}
    assert sum(sink.taken().values()) == 20
    assert json.loads((tmp_path / "report").read_text())["time"]["rest"] > 0


# conformance: F08, F30
def test_idle_connections_that_the_server_ends(tmp_path, sink_of):  # noqa: F811
    # manual: row-421, sleep_length, max_messages_while_awake
    bye = {"on": "end", "reply": "250 ok", "linger_ms": 100, "postsend": "421 4.4.2 idle\r\n", "close": True}
    sink = sink_of(bye)
    more = set_to(connections=2, pipelining="envelope", max_messages_while_awake=2, sleep_length=1)
    sent = send(tmp_path, [sink], 6, *more)
    check(sent, [sink], 6)
    assert sent.counts() == {"accepted": 6}
    assert {row["attempts"] for row in sent.outcomes} == {1}
