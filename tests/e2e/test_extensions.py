# SPDX-License-Identifier: MIT
"""SMTPUTF8, 8BITMIME, DSN and REQUIRETLS, against sinks that offer them and sinks that do not."""

import base64
import email
import email.policy

import pytest

from lib import certs
from lib.campaign import NO_SERVER, NOT_ALL, OK, addresses, check, options_for, run, sink_of  # noqa: F401
from lib.command import send
from lib.secure import Campaign, setting

PLAIN = ["--extensions", "PIPELINING,SIZE,CHUNKING"]
TWO = addresses(2)
UTF8 = "gr\u00fc\u00dfe@x.example.org"


def text_of(transaction):
    message = email.message_from_bytes(base64.b64decode(transaction["content_base64"]), policy=email.policy.default)
    return message, message.get_body(("plain",)).get_content()


# SMTPUTF8


@pytest.mark.parametrize("order", [1, -1])
def test_utf8_addresses_go_to_servers_that_take_them(order, tmp_path, sink_of):  # noqa: F811
    # conformance: 55, 56, 57, A30
    able, unable = sink_of(), sink_of(options=PLAIN)
    lines = [UTF8 if number % 5 == 0 else f"r{number}@x.example.org" for number in range(1, 31)]
    lines = [line.replace("gr", f"g{number}r") for number, line in enumerate(lines)]
    sinks = [able, unable][::order]
    sent = send([*options_for(tmp_path, sinks, lines), "--set", "connections=2", "--set", "envelope_limit=3"], tmp_path)
    check(sent, sinks, 30)
    assert sent.status == OK and sent.counts() == {"accepted": 30}
    for one in able.transactions():
        wanted = any(not to.isascii() for to in one["recipients"])
        assert ("SMTPUTF8" in one["mail_params"]) == wanted, one
    assert all(to.isascii() for one in unable.transactions() for to in one["recipients"])


def test_utf8_addresses_without_such_a_server(tmp_path, sink_of):  # noqa: F811
    # conformance: 56
    sink = sink_of(options=PLAIN)
    sent = send(options_for(tmp_path, [sink], [TWO[0], UTF8]), tmp_path)
    check(sent, [sink], 2)
    assert sent.kinds()[TWO[0]] == "accepted" and sent.kinds()[UTF8] != "accepted"
    assert sent.status in (NOT_ALL, NO_SERVER)
    assert "SMTPUTF8" in str(sent.outcomes) + sent.stderr


def test_a_domain_alone_needs_none(tmp_path, sink_of):  # noqa: F811
    # conformance: 56
    sink = sink_of(options=PLAIN)
    sent = send(options_for(tmp_path, [sink], ["a@b\u00fccher.example"]), tmp_path)
    assert sent.status == OK, sent.stderr
    assert sink.transactions()[0]["recipients"] == ["a@xn--bcher-kva.example"]


# 8BITMIME

BODIES = {
    "plain": (b"", "Gr\u00fc\u00dfe aus K\u00f6ln.\n.\nEnde\n"),
    "declared": (
        b"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
        "\u65e5\u672c\u8a9e\u306e\u672c\u6587\n" * 20,
    ),
}


@pytest.mark.parametrize("body", list(BODIES))
def test_eight_bits_become_seven_where_they_must(body, tmp_path, sink_of):  # noqa: F811
    # conformance: 58, 59, 60, A29
    headers, text = BODIES[body]
    content = b"From: a@b.example\nTo: c@b.example\nSubject: x\n" + headers + b"\n" + text.encode()
    for extensions, eight in (([], True), (PLAIN, False)):
        sink = sink_of(options=[*extensions, "--content"])
        sent = send(options_for(tmp_path, [sink], TWO, content), tmp_path)
        check(sent, [sink], 2)
        assert sent.status == OK, sent.stderr
        (one,) = sink.transactions()
        assert ("BODY=8BITMIME" in one["mail_params"]) == eight
        raw = base64.b64decode(one["content_base64"])
        assert raw.isascii() != eight
        message, got = text_of(one)
        if not eight or body == "declared":
            assert got.replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
        assert message["Subject"] == "x"


def test_both_kinds_of_server_in_one_campaign(tmp_path, sink_of):  # noqa: F811
    # conformance: 59
    sinks = [sink_of(options=["--content"]), sink_of(options=[*PLAIN, "--content"])]
    content = b"From: a@b.example\nTo: c@b.example\n\n" + BODIES["plain"][1].encode()
    sent = send([*options_for(tmp_path, sinks, addresses(60), content), *setting(envelope_limit=2, max_messages_per_robin=10)], tmp_path)
    check(sent, sinks, 60)
    assert sent.counts() == {"accepted": 60}
    for sink, eight in zip(sinks, (True, False)):
        assert sink.transactions(), "each of them got some"
        assert all(base64.b64decode(one["content_base64"]).isascii() != eight for one in sink.transactions())


# DSN


def test_notifications(tmp_path, sink_of):  # noqa: F811
    # manual: notify, ret, envid
    # conformance: 63, 65
    sink = sink_of()
    attributes = setting(notify="Failure delay", ret="hdrs", envid="news-{{seq}}+x", use_envelope=0)
    sent = send([*options_for(tmp_path, [sink], TWO), *attributes], tmp_path)
    check(sent, [sink], 2)
    first, second = sink.transactions()
    assert "RET=HDRS" in first["mail_params"] and "ENVID=news-1+2Bx" in first["mail_params"]
    assert "ENVID=news-2+2Bx" in second["mail_params"]
    assert first["recipient_params"] == ["NOTIFY=FAILURE,DELAY ORCPT=rfc822;r1@x.example.org"]
    assert sink.violations() == set()


@pytest.mark.parametrize("notify, relayed", [("success", True), ("failure", False), ("never", False)])
def test_without_dsn_the_parameters_are_left_away(notify, relayed, tmp_path, sink_of):  # noqa: F811
    # manual: notify
    # conformance: 63, 64
    sink = sink_of(options=PLAIN)
    sent = send([*options_for(tmp_path, [sink], TWO), *setting(notify=notify, ret="full", envid="e")], tmp_path)
    check(sent, [sink], 2)
    assert sent.counts() == {"accepted": 2}
    for word in ("RET", "ENVID", "NOTIFY"):
        assert word not in str(sink.transactions())
    assert [row.get("relayed", False) for row in sent.outcomes] == [relayed] * 2


# REQUIRETLS


def test_require_tls(tmp_path, sink_of):  # noqa: F811
    # manual: require_tls
    # conformance: 69
    sink = sink_of(tls="good", options=["--extensions", "PIPELINING,STARTTLS,REQUIRETLS"])
    done = Campaign(tmp_path, sink, tls="verify", require_tls=1)
    done.check_sent(secured=True)
    assert "REQUIRETLS" in sink.transactions()[0]["mail_params"]


@pytest.mark.parametrize("level, kind, offers", [
    ("encrypt", "self-signed", "PIPELINING,STARTTLS,REQUIRETLS"),
    ("none", "good", "PIPELINING,STARTTLS,REQUIRETLS"),
    ("verify", "good", "PIPELINING,STARTTLS"),
])
def test_require_tls_is_never_stripped(level, kind, offers, tmp_path, sink_of):  # noqa: F811
    # manual: require_tls
    # conformance: 69
    sink = sink_of(tls=kind, options=["--extensions", offers])
    done = Campaign(tmp_path, sink, tls=level, require_tls=1)
    assert done.sent.status in (NO_SERVER, NOT_ALL) and done.sent.counts().get("accepted", 0) == 0
    assert sink.transactions() == [] and "> MAIL" not in " ".join(done.said())
    assert "REQUIRETLS" in done.logged() + str(done.sent.outcomes)




@pytest.mark.parametrize("command", [["send", "--dry-run"], ["check"]], ids=" ".join)
def test_a_plan_supposes_servers_that_can_do_it(command, tmp_path, sink_of):  # noqa: F811
    # conformance: 55, 69
    sink = sink_of(tls="good", options=["--extensions", "PIPELINING,8BITMIME,SMTPUTF8,DSN,STARTTLS,REQUIRETLS"])
    options = options_for(tmp_path, [f"localhost:{sink.port}"], [UTF8, *TWO])
    done = run(*command, *options, *setting(tls_ca_file=certs.ca(), require_tls=1, notify="success"))
    assert done.status == OK and "3 records, 3 to be sent" in done.stdout, (done.stdout, done.stderr)


def test_check_goes_by_what_servers_offer(tmp_path, sink_of):  # noqa: F811
    # conformance: 56
    able, unable = sink_of(), sink_of(options=PLAIN)
    alone = run("check", *options_for(tmp_path, [unable], [UTF8, *TWO]))
    assert (alone.status, "  refused: 1\n" in alone.stdout) == (NOT_ALL, True), alone.stdout
    both = run("check", *options_for(tmp_path, [unable, able], [UTF8, *TWO]))
    assert both.status == OK and "3 records, 3 to be sent" in both.stdout, both.stdout


@pytest.mark.parametrize("kind, offers, rules", [
    ("good", "PIPELINING", []),
    ("good", "PIPELINING,STARTTLS,REQUIRETLS", [{"on": "STARTTLS", "reply": "454 4.7.0 later"}]),
    ("self-signed", "PIPELINING,STARTTLS,REQUIRETLS", []),
], ids=["stripped", "put off", "stranger"])
def test_require_tls_burns_nobody_for_who_is_in_the_way(kind, offers, rules, tmp_path, sink_of):  # noqa: F811
    # manual: require_tls
    # conformance: 69, A03
    sink = sink_of(*rules, tls=kind, options=["--extensions", offers])
    Campaign(tmp_path, sink, require_tls=1).check_nothing_sent("MBS019")
