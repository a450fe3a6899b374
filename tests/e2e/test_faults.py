# SPDX-License-Identifier: MIT
"""Faults of servers (docs: conformance F and A rows; the id stands in each test's name). After each the outcomes
are joined with the sinks' records: accepted is there exactly once, in doubt at most once, all else never."""

import time
from dataclasses import dataclass

import pytest

from lib import command
from lib.campaign import LATER, NOT_ALL, NO_SERVER, OK, SOON, addresses, check, options_for, sink_of  # noqa: F401

SIX = [f"{name}@{domain}.example.org" for domain in "xyz" for name in "ab"]
FIRST, REST = SIX[:2], SIX[2:]
PATIENCE = ("--set", "time_out=1")

# A rule that never applies: a sink with a stop_reading has small buffers. A cut in LARGE then comes before its end.
SMALL_BUFFERS = {"on": "other", "match": "never", "stop_reading": True}
LARGE = b"From: n@lists.example.org\nTo: all@lists.example.org\n\n" + (b"x" * 900 + b"\n") * 10000


@dataclass
class Case:
    """Rules, and what is to become of SIX: the kinds of FIRST's two and of all others."""

    id: str
    rules: list
    first: str = "accepted"
    rest: str = "accepted"
    status: int = OK
    options: tuple = ()
    violations: tuple = ()
    code: int = None

    def param(self):
        return pytest.param(self, id=self.id)


def params(cases):
    return [case.param() for case in cases]


def send(folder, sinks, lines, *more, **options):
    return command.send([*options_for(folder, sinks, lines, **options), *SOON, *more], folder)


def play(case, folder, sink_of):  # noqa: F811
    sink = sink_of(*case.rules)
    sent = send(folder, [sink], SIX, *case.options)
    check(sent, [sink], 6, case.violations)
    kinds = sent.kinds()
    assert {kinds[to] for to in FIRST} == {case.first}, sent.outcomes
    assert {kinds[to] for to in REST} == {case.rest}, sent.outcomes
    assert sent.status == case.status
    if case.code is not None:
        assert {row["code"] for row in sent.outcomes if row["address"] in FIRST} == {case.code}
    return sink, sent


HOW = {"FIN": {"close": True}, "RST": {"reset": True}, "silence": {"stall": True}}
BEFORE_THE_DOT = ("connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA")


def cuts():
    for how, what in HOW.items():
        options = PATIENCE if how == "silence" else ()
        for point in BEFORE_THE_DOT:
            yield Case(f"F05-{point}-{how}", [{"on": point, "times": 1, **what}], options=options)
        # The content is so small that its end had left when the cut came: whoever sent it cannot know.
        for point, rule in {
            "in-small-content": {"on": "content", "after": 20},
            "after-dot": {"on": "end"},
            "after-dot-kept": {"on": "end", "accept": True},
        }.items():
            rules = [{**rule, "times": 1, **what}]
            yield Case(f"F05-{point}-{how}", rules, "in_doubt", status=NOT_ALL, options=options)
        yield Case(f"F05-after-250-{how}", [{"on": "end", "times": 1, "reply": "250 ok", **what}], options=options)
        for point in ("RSET", "QUIT"):
            yield Case(f"F05-after-{point}-{how}", [{"on": point, "times": 1, **what}], options=options)


# conformance: 17, 24, F05, F29
@pytest.mark.parametrize("case", params(cuts()))
def test_cut(case, tmp_path, sink_of):  # noqa: F811
    # manual: MBS004, MBS009, MBS014, MBS015, row-lost-end-of-data
    play(case, tmp_path, sink_of)


# conformance: 17, F05, F24
@pytest.mark.parametrize("what", [{"close": True}, {"reset": True}, {"stop_reading": True}], ids=["FIN", "RST", "F24"])
def test_f05_cut_in_mid_content(what, tmp_path, sink_of):  # noqa: F811
    # manual: MBS007
    sink = sink_of({"on": "content", "after": 1000, "times": 1, **what}, SMALL_BUFFERS)
    sent = send(tmp_path, [sink], FIRST, *PATIENCE, content=LARGE)
    check(sent, [sink], 2)
    # Behind its FIN the sink reads on: the system may take all of the content before we learn of it.
    possible = [{"accepted": 2}, {"in_doubt": 2}] if "close" in what else [{"accepted": 2}]
    assert sent.counts() in possible
    assert sent.status == (NOT_ALL if "in_doubt" in sent.counts() else OK)


# conformance: 16, 21, F03
@pytest.mark.parametrize("when", ["connect", "greeting"])
def test_f03_greeting_never_comes(when, tmp_path, sink_of):  # noqa: F811
    # manual: MBS015, turn-skips-unreachable, max_connection_attempts
    silent, other = sink_of({"on": when, "stall": True}), sink_of()
    options = (*PATIENCE, "--set", "max_connection_attempts=2", "--set", "max_messages_per_robin=2")
    sent = send(tmp_path, [silent, other], SIX, *options)
    check(sent, [silent, other], 6)
    assert sent.status == OK
    assert other.taken().keys() == set(SIX)


GREETINGS = [
    Case("F04-421", [{"on": "greeting", "times": 1, "reply": "421 4.3.2 later", "close": True}]),
    Case("F04-554-once", [{"on": "greeting", "times": 1, "reply": "554 5.3.2 no"}]),
    Case("F04-lines", [{"on": "greeting", "raw": "220-one\r\n220-two\r\n220 three ESMTP\r\n"}]),
    Case("F04-no-text", [{"on": "greeting", "raw": "220\r\n"}]),
    Case("F04-no-text-blank", [{"on": "greeting", "raw": "220 \r\n"}]),
    Case("F04-bare-LF", [{"on": "greeting", "raw": "220 sink ESMTP\n"}]),
]


# conformance: 1, 7, F04
@pytest.mark.parametrize("case", params(GREETINGS))
def test_greeting(case, tmp_path, sink_of):  # noqa: F811
    # manual: MBS004
    play(case, tmp_path, sink_of)


# conformance: 1, 21, F04
def test_f04_554_for_ever(tmp_path, sink_of):  # noqa: F811
    # manual: MBS004, MB012, max_connection_attempts
    sink = sink_of({"on": "greeting", "reply": "554 5.3.2 go away"})
    sent = send(tmp_path, [sink], SIX)
    check(sent, [sink], 6)
    assert sent.status == NO_SERVER
    assert sent.counts() == {"unsent": 6}
    assert sink.counters()["connections"] == 5


BYE = "421 4.3.2 going down"
CASES_421 = [
    Case("F08-MAIL", [{"on": "MAIL", "times": 1, "reply": BYE, "close": True}]),
    Case("F08-RCPT", [{"on": "RCPT", "nth": 2, "reply": BYE, "close": True}]),
    Case("F08-DATA", [{"on": "DATA", "times": 1, "reply": BYE, "close": True}]),
    Case("F08-dot", [{"on": "end", "times": 1, "reply": BYE, "close": True}]),
    # A server that says 421 and stays.
    Case("F08-MAIL-open", [{"on": "MAIL", "times": 1, "reply": BYE}]),
    Case("F08-dot-open", [{"on": "end", "times": 1, "reply": BYE}]),
    Case("F08-behind-250", [{"on": "end", "times": 1, "reply": "250 ok\r\n" + BYE, "close": True}]),
    Case("A40-250-then-421", [{"on": "end", "reply": "250 ok\r\n" + BYE, "close": True}]),
]


# conformance: 17, F08, A40
@pytest.mark.parametrize("case", params(CASES_421))
def test_421(case, tmp_path, sink_of):  # noqa: F811
    # manual: MBS009, row-421
    play(case, tmp_path, sink_of)


# conformance: 17, F08, F30
def test_f08_421_while_idle(tmp_path, sink_of):  # noqa: F811
    # manual: max_messages_while_awake, sleep_length, row-421
    rule = {"on": "end", "times": 1, "reply": "250 ok", "linger_ms": 100, "postsend": BYE + "\r\n", "close": True}
    sink = sink_of(rule)
    sent = send(tmp_path, [sink], SIX, "--set", "max_messages_while_awake=2", "--set", "sleep_length=1")
    check(sent, [sink], 6)
    assert sent.status == OK
    assert {row["attempts"] for row in sent.outcomes} == {1}
    # Found before it was used: nothing was said to the dead connection.
    assert [one["connection"] for one in sink.transactions()] == [1, 2, 2]


# conformance: 17, 29, F09
def test_f09_421_in_a_group_of_a_hundred(tmp_path, sink_of):  # noqa: F811
    # manual: row-421
    refused = {"on": "RCPT", "match": "<r(10|20)@", "reply": "550 5.1.1 unknown"}
    sink = sink_of(refused, {"on": "RCPT", "nth": 50, "times": 1, "reply": BYE, "close": True})
    everybody = addresses(100)
    sent = send(tmp_path, [sink], everybody)
    check(sent, [sink], 100)
    assert sent.status == NOT_ALL
    assert sent.of_kind("refused") == ["r10@x.example.org", "r20@x.example.org"]
    assert sent.counts() == {"refused": 2, "accepted": 98}


# conformance: 11, 12, 13, F11
def test_f11_each_recipient_by_its_own_reply(tmp_path, sink_of):  # noqa: F811
    # manual: MBS008, MBS013, talk_attempts
    names = ("s250", "s450", "o450", "o452", "s550", "o552", "s251", "t250")
    lines = [f"{name}@x.example.org" for name in names]
    replies = {name: f"{name[1:]} 0.0.0 as the script says" for name in names if name[1:] not in ("250",)}
    rules = [
        {"on": "RCPT", "match": f"<{name}@", "reply": reply, **({"times": 1} if name[0] == "o" else {})}
        for name, reply in replies.items()
    ]
    sink = sink_of(*rules)
    sent = send(tmp_path, [sink], lines)
    check(sent, [sink], len(lines))
    assert sent.status == LATER
    assert [sent.kinds()[line] for line in lines] == [
        "accepted",
        "deferred",
        "accepted",
        "accepted",
        "refused",
        "accepted",
        "accepted",
        "accepted",
    ]
    codes = {row["address"].split("@")[0]: row["code"] for row in sent.outcomes}
    assert (codes["s450"], codes["s550"]) == (450, 550)


# conformance: 30, F12
def test_f12_354_though_all_were_refused(tmp_path, sink_of):  # noqa: F811
    # manual: MBS008
    rules = [
        {"on": "RCPT", "match": "@x\\.", "reply": "550 5.1.1 unknown"},
        {"on": "DATA", "nth": 1, "reply": "354 go on"},
    ]
    sink = sink_of(*rules, options=["--content"])
    sent = send(tmp_path, [sink], SIX)
    check(sent, [sink], 6, {"data-before-rcpt"})
    assert sent.status == NOT_ALL
    assert sent.of_kind("refused") == FIRST
    # The server said 250 to the lone dot: that is nobody's mail.
    lone = sink.transactions()[0]
    assert (lone["recipients"], lone["content_base64"]) == ([], "")


# conformance: 29, F14
@pytest.mark.parametrize("code, kind, status", [(550, "refused", NOT_ALL), (451, "accepted", OK)])
def test_f14_mail_refused_and_rcpt_taken(code, kind, status, tmp_path, sink_of):  # noqa: F811
    # manual: MBS008, MBS013
    rules = [
        {"on": "MAIL", "nth": 1, "reply": f"{code} 0.0.0 not from you"},
        {"on": "RCPT", "nth": [1, 2], "reply": "250 ok"},
        {"on": "DATA", "nth": 1, "reply": "354 go on"},
    ]
    sink = sink_of(*rules, options=["--content"])
    sent = send(tmp_path, [sink], SIX)
    check(sent, [sink], 6, {"rcpt-before-mail", "data-before-rcpt"})
    assert sent.status == status
    assert {sent.kinds()[to] for to in FIRST} == {kind}
    # Whose envelope took them nobody knows: the connection is closed, and the 354 gets no content, not even a dot.
    assert all(transaction["size"] > 0 for transaction in sink.transactions())


def once(on, raw):
    return [{"on": on, "times": 1, "raw": raw}]


def in_doubt(id, raw):
    return Case(id, once("end", raw), "in_doubt", status=NOT_ALL)


OUT_OF_STEP = [
    # More replies, fewer, other ones.
    Case("F15-more-to-MAIL", once("MAIL", "250 ok\r\n250 ok\r\n"), options=("--set", "pipelining=off")),
    Case("F15-more-to-RCPT", [{"on": "RCPT", "nth": 2, "raw": "250 ok\r\n250 and more\r\n"}]),
    Case("F15-more-to-DATA", once("DATA", "354 go on\r\n250 ok\r\n")),
    Case("F15-more-to-end", once("end", "250 ok\r\n250 and more\r\n")),
    Case("F15-fewer", [{"on": "RCPT", "nth": 2, "no_reply": True}], options=PATIENCE),
    Case("F16-blank-to-MAIL", once("MAIL", "\r\n250 ok\r\n")),
    Case("F16-garbage-to-RCPT", once("RCPT", "warning: disk is nearly full\r\n250 ok\r\n")),
    in_doubt("F16-blank-to-end", "\r\n250 ok\r\n"),
    in_doubt("F16-garbage-to-end", "warning: disk is nearly full\r\n250 ok\r\n"),
    Case("F17-RCPT", once("RCPT", "250-ok\r\n550 no\r\n")),
    in_doubt("F17-end", "250-ok\r\n550 no\r\n"),
    Case("F19-354-to-RCPT", once("RCPT", "354 go on\r\n")),
    Case("F19-334-to-MAIL", once("MAIL", "334 go on\r\n")),
    Case("F19-250-to-DATA", once("DATA", "250 ok\r\n")),
    Case("A40-250-to-DATA", once("DATA", "250 2.0.0 accepted for delivery\r\n")),
    in_doubt("F19-354-to-end", "354 go on\r\n"),
    Case("A18-short-last-line-RCPT", once("RCPT", "250-ok\r\n250\r\n")),
    Case("A18-short-last-line-end", once("end", "250-ok\r\n250\r\n")),
    Case("A18-two-digits-RCPT", once("RCPT", "250-ok\r\n25\r\n250 ok\r\n")),
    in_doubt("A18-two-digits-end", "250-ok\r\n25\r\n"),
    in_doubt("A18-one-digit-end", "250-ok\r\n2\r\n"),
]


# conformance: 6, 7, 14, 29, F15, F16, F17, F19, A18, A40
@pytest.mark.parametrize("case", params(OUT_OF_STEP))
def test_out_of_step(case, tmp_path, sink_of):  # noqa: F811
    # manual: row-multiline-550, MBS009
    play(case, tmp_path, sink_of)


WRONG_CODES = ("000", "099", "199", "600", "999", "25", "2500", "-", "2 0", "abc", "\0", "250\0", "25\u00e9")


def codes():
    for code in WRONG_CODES:
        name = code.encode("unicode_escape").decode()
        yield Case(f"F18-MAIL-{name}", once("MAIL", f"{code} text\r\n"))
        yield in_doubt(f"F18-end-{name}", f"{code} text\r\n")
    yield Case("F18-MAIL-399", once("MAIL", "399 text\r\n"))
    yield in_doubt("F18-end-399", "399 text\r\n")
    yield Case("F18-MAIL-299", once("MAIL", "299 text\r\n"))
    yield Case("F18-end-299", once("end", "299 text\r\n"), code=299)


# conformance: 6, F18
@pytest.mark.parametrize("case", params(codes()))
def test_code(case, tmp_path, sink_of):  # noqa: F811
    play(case, tmp_path, sink_of)


# conformance: F18, A18, A19
@pytest.mark.parametrize("text", [b"gr\xfc\xdfe", b"\x1b[31mred", b"a\0b", "gr\u00fc\u00df".encode()])
def test_f18_text_is_kept_and_shown_escaped(text, tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "hex": (b"250 2.0.0 " + text + b"\r\n").hex()})
    sent = send(tmp_path, [sink], SIX)
    check(sent, [sink], 6)
    assert sent.status == OK
    shown = sent.outcomes[0]["text"]
    assert shown.isprintable() and shown, shown


REPLIES = [
    # manual: row-451-end-of-data, row-552-end-of-data
    Case("F20-451-at-dot", [{"on": "end", "times": 1, "reply": "451 4.3.0 later"}], code=250),
    Case("F20-554-at-dot", [{"on": "end", "times": 1, "reply": "554 5.6.0 no"}], "refused", status=NOT_ALL, code=554),
    Case("F20-552-at-dot", [{"on": "end", "times": 1, "reply": "552 5.3.4 no"}], "refused", status=NOT_ALL, code=552),
    Case("A39-250-with-5.1.1", [{"on": ["RCPT", "end"], "reply": "250 5.1.1 unknown"}], code=250),
    Case("A39-550-with-2.0.0", [{"on": "end", "times": 1, "reply": "550 2.0.0 fine"}], "refused", status=NOT_ALL),
    Case("A41-251", [{"on": "RCPT", "reply": "251 2.1.5 user not local; will forward to <evil@attacker.example>"}]),
    Case(
        "A41-551",
        [{"on": "RCPT", "nth": [1, 2], "reply": "551 5.1.6 user not local; please try <evil@attacker.example>"}],
        "refused",
        status=NOT_ALL,
        code=551,
    ),
    Case(
        "F28-RSET-refused",
        [{"on": "DATA", "times": 1, "reply": "451 no"}, {"on": "RSET", "reply": "500 what?"}],
        # MAIL was said behind the RSET.
        violations=("nested-mail",),
    ),
    Case(
        "F28-RSET-unanswered",
        [{"on": "DATA", "times": 1, "reply": "451 no"}, {"on": "RSET", "times": 1, "stall": True}],
        options=PATIENCE,
    ),
    Case("F29-QUIT-421", [{"on": "QUIT", "reply": BYE}]),
    Case("F29-QUIT-garbage", [{"on": "QUIT", "raw": "bye bye\r\n"}]),
]


# conformance: 13, 15, 18, 19, 62, F20, F28, F29, A39, A41
@pytest.mark.parametrize("case", params(REPLIES))
def test_reply(case, tmp_path, sink_of):  # noqa: F811
    # manual: row-451-end-of-data, row-552-end-of-data, MBS008
    play(case, tmp_path, sink_of)


# conformance: 12, F20
def test_f20_250_at_dot_after_refused_recipients(tmp_path, sink_of):  # noqa: F811
    # manual: MBS008
    sink = sink_of({"on": "RCPT", "nth": [1, 3, 5], "reply": "550 5.1.1 unknown"})
    sent = send(tmp_path, [sink], addresses(7))
    check(sent, [sink], 7)
    assert sent.of_kind("refused") == [f"r{number}@x.example.org" for number in (1, 3, 5)]
    assert len(sent.of_kind("accepted")) == 4


# conformance: F23
def test_f23_refused_while_the_content_is_sent(tmp_path, sink_of):  # noqa: F811
    rule = {"on": "content", "after": 1000, "times": 1, "reply": "552 5.3.4 enough", "linger_ms": 300, "close": True}
    sink = sink_of(rule, SMALL_BUFFERS)
    sent = send(tmp_path, [sink], FIRST, content=LARGE)
    check(sent, [sink], 2)
    assert sent.counts() == {"refused": 2}
    assert {row["code"] for row in sent.outcomes} == {552}


# conformance: 18, 19, F28, F29
@pytest.mark.parametrize("on", ["RSET", "QUIT"])
def test_f28_f29_the_end_of_a_session_is_bounded(on, tmp_path, sink_of):  # noqa: F811
    """Without a time_out: RSET and QUIT have little ones of their own."""
    sink = sink_of({"on": on, "stall": True})
    begun = time.monotonic()
    sent = send(tmp_path, [sink], SIX)
    assert time.monotonic() - begun < 10
    check(sent, [sink], 6)
    assert sent.status == OK
