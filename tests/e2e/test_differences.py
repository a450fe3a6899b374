# SPDX-License-Identifier: MIT
"""What the original gets wrong (contract, last table), each against a scripted server: the
original's fault is measured, and ours is shown to be right."""

import signal
import time

import pytest

from lib import command
from lib.pysink import Rule
from lib.rows import ENVELOPE
from lib.setup import Bench, Setup, lines_of

pytestmark = pytest.mark.usefixtures("original")

DOMAINS_OF_FIVE = ((b"a", b"x"), (b"b", b"y"), (b"c", b"z"))
FIVE = b"".join(b"%s%d@%s.example.org\n" % (name, n, domain) for name, domain in DOMAINS_OF_FIVE for n in range(1, 6))
ALL_OF_FIVE = [line.decode() for line in lines_of(FIVE)]

# Deferred recipients are tried again soon, and a dead server is not waited for.
SOON = ("--set", "retry_delay=0")


def run(setup, folder):
    with Bench(setup, folder) as bench:
        return bench.run_original(), bench.run_ours()


def in_good(result, addresses):
    return [address for address in addresses if address.encode() in result.good]


def test_451_to_the_end_of_data(tmp_path):
    # manual: row-451-end-of-data, talk_attempts, MBS012, MBS013
    rule = Rule("CONTENT", b"451 4.3.0 try again\r\n", hits=(1,))
    setup = Setup("451", FIVE, campaign=ENVELOPE, defaults={"talk_attempts": 3}, rules=[[rule]], ours=SOON)
    original, ours = run(setup, tmp_path)
    # It says the content again as commands, takes the replies to these for those to what follows, and says nothing.
    assert original.returned and not original.timed_out
    assert b"this is the news." in original.commands[0]
    assert len(original.recipients()) <= 3
    assert len(in_good(original, ALL_OF_FIVE)) > len(original.recipients())
    assert sorted(ours.recipients()) == ALL_OF_FIVE
    assert ours.status == command.OK
    assert b"this is the news." not in ours.commands[0]
    assert {row["attempts"] for row in ours.sent.outcomes} == {1, 2}


def test_multiline_550_to_rcpt(tmp_path):
    # manual: row-multiline-550, MBS008
    rule = Rule("RCPT", b"550-5.1.1 no such user\r\n550 5.1.1 really not\r\n", match=b"a2@")
    original, ours = run(Setup("550", FIVE, campaign=ENVELOPE, rules=[[rule]]), tmp_path)
    # a3 was accepted by the server and is taken for refused.
    assert b"a3@x.example.org" not in original.good
    assert "a3@x.example.org" in original.recipients()
    assert ours.sent.of_kind("refused") == ["a2@x.example.org"]
    assert sorted(ours.recipients()) == sorted(set(ALL_OF_FIVE) - {"a2@x.example.org"})
    assert ours.status == command.NOT_ALL


def test_one_line_reply_to_ehlo(tmp_path):
    # manual: row-one-line-ehlo, Domain
    setup = Setup("ehlo", b"a@x.example.org\n", rules=[[Rule("EHLO", b"250 sink.example.org\r\n")]], seconds=2)
    original, ours = run(setup, tmp_path)
    assert original.timed_out and original.recipients() == []
    assert ours.recipients() == ["a@x.example.org"] and ours.status == command.OK


@pytest.mark.parametrize("stage, code", [("CONTENT", b"552"), ("CONTENT", b"554"), ("DATA", b"554")])
def test_5yz_after_250_to_rcpt(stage, code, tmp_path):
    # manual: row-552-end-of-data, row-rcpt-250-data-fails, GOOD
    setup = Setup("5yz", FIVE, campaign=ENVELOPE, rules=[[Rule(stage, code + b" 5.3.4 no\r\n", hits=(1,))]])
    original, ours = run(setup, tmp_path)
    first, rest = ALL_OF_FIVE[:5], ALL_OF_FIVE[5:]
    assert original.returned
    assert original.recipients() == rest
    assert in_good(original, first) == first
    assert ours.sent.of_kind("refused") == first
    assert {row["code"] for row in ours.sent.outcomes} == {int(code), 250}
    assert ours.recipients() == rest and in_good(ours, first) == []
    assert ours.status == command.NOT_ALL


@pytest.mark.parametrize("ignores", [False, True], ids=["plain", "ignores-sigpipe"])
def test_connection_lost_at_the_end_of_data(ignores, tmp_path):
    # manual: row-lost-end-of-data
    rule = Rule("CONTENT", None, hits=(2,), close=True)
    options = ("--ignore-sigpipe",) if ignores else ()
    setup = Setup("lost", FIVE, campaign=ENVELOPE, rules=[[rule]], original=options)
    original, ours = run(setup, tmp_path)
    # A program that ignores SIGPIPE is told of success, any other is ended by the signal.
    assert original.returned == ignores and original.signal == (0 if ignores else signal.SIGPIPE)
    first, second, third = ALL_OF_FIVE[:5], ALL_OF_FIVE[5:10], ALL_OF_FIVE[10:]
    assert original.recipients() == first
    assert in_good(original, second) == second
    assert ours.sent.of_kind("in_doubt") == second
    assert ours.recipients() == first + third
    assert in_good(ours, second) == []
    assert ours.status in (command.NOT_ALL, command.LATER)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
def test_421_to_a_command(stage, tmp_path):
    # manual: row-421, MBS009
    rule = Rule(stage, b"421 4.3.2 going down\r\n", hits=(2,), close=True)
    setup = Setup(
        "421",
        FIVE,
        servers=[{"max_messages_per_robin": 0}, {"max_messages_per_robin": 0}],
        defaults={"talk_attempts": 3},
        campaign=ENVELOPE,
        rules=[[rule]],
        ours=SOON,
    )
    original, ours = run(setup, tmp_path)
    # It goes on talking to the dead connection, until SIGPIPE ends it.
    assert original.signal == signal.SIGPIPE and len(original.recipients()) < 15
    assert sorted(ours.recipients()) == ALL_OF_FIVE
    assert ours.status == command.OK


def test_limit_with_an_open_envelope(tmp_path):
    # manual: row-limit-open-envelope, max_messages
    setup = Setup("open", FIVE, campaign=ENVELOPE, servers=[{"max_messages": 8}])
    original, ours = run(setup, tmp_path)
    lost = ALL_OF_FIVE[5:8]
    assert original.recipients() == ALL_OF_FIVE[:5] and in_good(original, lost) == lost
    assert ours.recipients() == ALL_OF_FIVE[:8]
    assert ours.sent.of_kind("unsent") == ALL_OF_FIVE[8:]
    assert ours.status in (command.NO_SERVER, command.LATER)


def test_connection_limit_with_an_open_envelope(tmp_path):
    # manual: row-limit-open-envelope, max_messages_per_connection
    setup = Setup("open", FIVE, campaign=ENVELOPE, servers=[{"max_messages_per_connection": 8}])
    original, ours = run(setup, tmp_path)
    assert in_good(original, ALL_OF_FIVE) == ALL_OF_FIVE and len(original.recipients()) < 15
    assert ours.recipients() == ALL_OF_FIVE
    assert [one.connection - ours.servers[0][0].connection for one in ours.servers[0]] == [0, 0, 1, 1]


@pytest.mark.parametrize("domain", ["x.email", "x.example", "x.museums"])
def test_long_top_level_domain(domain, tmp_path):
    # manual: row-long-tld, MB007
    address = f"u@{domain}"
    setup = Setup("tld", f"{address}\nv@x.example.org\n".encode())
    original, ours = run(setup, tmp_path)
    assert original.bad == [address.encode()] and original.recipients() == ["v@x.example.org"]
    assert ours.recipients() == [address, "v@x.example.org"] and ours.bad == []


def test_from_under_a_long_top_level_domain(tmp_path):
    # manual: row-long-tld, MB002, From
    setup = Setup("tld", b"v@x.example.org\n", campaign={"From": "news@lists.email"})
    original, ours = run(setup, tmp_path)
    assert original.status == 2 and original.errcode == "MB002" and original.recipients() == []
    assert ours.recipients() == ["v@x.example.org"]


def test_comment_behind_a_blank(tmp_path):
    # manual: row-comment-address, LIST
    setup = Setup("comment", b"u@x.example.org (Mr. U)\nv@x.example.org\n")
    original, ours = run(setup, tmp_path)
    assert original.recipients() == ["v@x.example.org"]
    assert ours.recipients() == ["u@x.example.org", "v@x.example.org"]
    assert ours.good == [b"u@x.example.org (Mr. U)", b"v@x.example.org"]


def test_lines_of_good_and_bad(tmp_path):
    # manual: row-good-bad-lines, GOOD, BAD
    setup = Setup("lines", b"  u@x.example.org\t\nnobody(Some One)\nu@x.example.org\n")
    original, ours = run(setup, tmp_path)
    assert original.good_bytes == b"u@x.example.org\r\n"
    assert original.bad_bytes == b"nobody\r\nu@x.example.org\r\n"
    assert ours.good_bytes == b"u@x.example.org\n"
    assert ours.bad_bytes == b"nobody(Some One)\nu@x.example.org\n"


def test_alarm_is_left_behind(tmp_path):
    # manual: row-timeout, time_out
    refusal = Rule("RCPT", b"550 5.1.1 no\r\n", match=b"b@")
    two = b"a@x.example.org\nb@x.example.org\n"
    setup = Setup("alarm", two, defaults={"time_out": 1}, rules=[[refusal]], original=("--linger", "3"))
    original, ours = run(setup, tmp_path)
    # The last reply was a 5yz: its alarm ends the program a second after the campaign.
    assert original.returned and original.signal == signal.SIGALRM
    assert ours.status == command.NOT_ALL
    assert ours.sent.of_kind("refused") == ["b@x.example.org"]


def test_deadline_of_a_reply(tmp_path):
    # manual: row-timeout, time_out, MBS014
    silence = Rule("RCPT", pause=3, match=b"b@", hits=(1,))
    three = b"a@x.example.org\nb@x.example.org\nc@x.example.org\n"
    setup = Setup("silence", three, defaults={"time_out": 1}, rules=[[silence]], ours=SOON)
    with Bench(setup, tmp_path) as bench:
        begun = time.monotonic()
        ours = bench.run_ours()
        took = time.monotonic() - begun
    assert sorted(ours.recipients()) == ["a@x.example.org", "b@x.example.org", "c@x.example.org"]
    assert ours.status == command.OK
    assert "MBS014" in ours.errors
    assert took < 15


def test_time_out_is_in_seconds(tmp_path):
    # manual: row-seconds, time_out
    slow = Rule("RCPT", pause=1)
    original, ours = run(Setup("slow", b"a@x.example.org\n", defaults={"time_out": 3}, rules=[[slow]]), tmp_path)
    assert original.recipients() == ours.recipients() == ["a@x.example.org"]
    assert original.status == ours.status == 0


def test_attempts_in_a_row(tmp_path):
    # manual: row-attempts-in-a-row, max_connection_attempts, MBS015
    setup = Setup(
        "attempts",
        b"a@x.example.org\nb@x.example.org\nc@x.example.org\nd@x.example.org\n",
        servers=[{"max_connection_attempts": 2, "max_messages_per_connection": 1}],
        defaults={"time_out": 1, "Tries": 1},
        # Of the connections every second one is not greeted in time.
        rules=[[Rule("GREETING", pause=1.5, hits=(2, 4, 6), close=True)]],
        ours=SOON,
    )
    original, ours = run(setup, tmp_path)
    assert not original.returned and original.errcode == "MB012"
    assert len(original.recipients()) < 4
    assert sorted(ours.recipients()) == ["a@x.example.org", "b@x.example.org", "c@x.example.org", "d@x.example.org"]
    assert ours.status == command.OK


def test_all_servers_unreachable(tmp_path):
    # manual: row-all-unreachable, MB012, MBS003, max_connection_attempts
    setup = Setup("dead", FIVE, servers=[{"max_connection_attempts": 2} for _ in range(3)], dead=(0, 1, 2), seconds=5)
    original, ours = run(setup, tmp_path)
    assert original.timed_out or original.errcode == "MB012"
    assert ours.status == command.NO_SERVER
    assert ours.sent.counts() == {"unsent": 15}
    assert "MB012" in ours.errors
    assert ours.good == [] and ours.bad == []


# The original's faults that the contract's table does not list; the tests say what is measured on both sides.


def test_dead_first_server(tmp_path):
    # manual: row-all-unreachable, max_connection_attempts, max_messages_per_robin
    servers = [{"max_messages_per_robin": 2, "max_connection_attempts": 2} for _ in range(2)]
    original, ours = run(Setup("first-dead", FIVE, servers=servers, dead=(0,)), tmp_path)
    # Once the first server is worthless the original ends the campaign, though the second is well.
    assert original.errcode == "MB012" and 0 < len(original.recipients()) < 15
    assert sorted(ours.recipients()) == ALL_OF_FIVE
    assert ours.status == command.OK


def test_address_in_angle_brackets_alone(tmp_path):
    # manual: LIST, MB007
    original, ours = run(Setup("angle", b"<u@x.example.org>\n"), tmp_path)
    assert original.bad == [b"<u@x.example.org>"]
    assert ours.recipients() == ["u@x.example.org"]


def test_trusting_with_a_plain_value(tmp_path):
    # manual: Trusting
    setup = Setup("trusting", b"a@x.example.org\na@x.example.org\n", campaign={"Trusting": "duplicates"})
    original, ours = run(setup, tmp_path)
    # A plain value asks the original whether duplicates are trusted, and sets nothing.
    assert len(original.recipients()) == 1
    assert len(ours.recipients()) == 2


def test_eight_bit_body(tmp_path):
    # manual: Message
    text = "Gr\u00fc\u00dfe, \u20ac 5\r\n".encode("utf-8")
    original, ours = run(Setup("eight-bit", b"a@x.example.org\n", body=text), tmp_path)
    theirs, own = original.servers[0][0].content, ours.servers[0][0].content
    # Ours says what the octets are. Nothing else differs.
    assert b"\r\nContent-type: text/plain\r\n\r\n" in theirs
    plain = own.replace(b"; charset=utf-8\r\n", b"\r\n").replace(b"Content-Transfer-Encoding: 8bit\r\n", b"")
    assert plain == theirs and plain != own and own.endswith(b"\r\n\r\n" + text)


def test_duplicate_of_a_refused_address(tmp_path):
    # manual: MB017
    setup = Setup("again", b"a@x.example.org\na@x.example.org\n", rules=[[Rule("RCPT", b"550 5.1.1 no\r\n")]])
    original, ours = run(setup, tmp_path)
    assert original.commands[0].count(b"RCPT TO:<a@x.example.org>") == 2 and original.bad == []
    assert ours.sent.counts() == {"refused": 1, "duplicate": 1}
