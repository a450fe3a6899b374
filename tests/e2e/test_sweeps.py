# SPDX-License-Identifier: MIT
"""Every fault at every point of the protocol, in every mode: the connection ends (FIN, RST, silence), or a reply of
any class comes. One campaign each, many at a time. Whoever is accepted is at the sink once, whoever is in doubt once at
the most and named, nobody else ever: so nobody is lost, doubled or in doubt without a word."""

import concurrent.futures
from dataclasses import dataclass

import pytest

from lib import certs, command
from lib.campaign import LATER, NOT_ALL, NO_SERVER, OK, SOON, addresses, check, options_for, sink_of  # noqa: F401

# Under a sanitizer the two that have most in flight.
MODES = [pytest.param(mode, marks=pytest.mark.slow) for mode in ("off", "envelope")] + ["message", "stream"]
LINES = addresses(4, "x.example.org") + addresses(4, "y.example.org") + addresses(2, "z.example.org")
AT_ONCE = 12
# Its last line begins 2 octets before the end.
MESSAGE = b"From: n@lists.example.org\nTo: all@lists.example.org\nSubject: News\n\nHello.\n" + b"News.\n" * 20

HOW = {"FIN": {"close": True}, "RST": {"reset": True}, "silence": {"stall": True}}
POINTS = {
    "connect": {"on": "connect"},
    "greeting": {"on": "greeting"},
    "EHLO": {"on": "EHLO"},
    "MAIL": {"on": "MAIL"},
    "second-MAIL": {"on": "MAIL", "nth": 2},
    "RCPT": {"on": "RCPT"},
    "third-RCPT": {"on": "RCPT", "nth": 3},
    "last-RCPT": {"on": "RCPT", "match": "<r2@z"},
    "DATA": {"on": ["DATA", "BDAT"]},
    "content": {"on": "content", "after": 0},
    "mid-content": {"on": "content", "after": 60},
    "before-dot": {"on": "content", "after": 194},
    "dot": {"on": "end"},
    "dot-kept": {"on": "end", "accept": True},
    "second-dot": {"on": "end", "nth": 2},
    "reply-to-dot": {"on": "end", "reply": "250 2.0.0 ok"},
    "half-a-reply-to-dot": {"on": "end", "raw": "250 2.0"},
    "half-a-reply-to-RCPT": {"on": "RCPT", "raw": "25"},
    "RSET": {"on": "RSET"},
    "QUIT": {"on": "QUIT"},
    "reply-to-QUIT": {"on": "QUIT", "reply": "221 bye"},
}
# Where the end of data may have left already, in a mode that waits for every transaction's end.
AT_THE_END = ("content", "mid-content", "before-dot", "dot", "dot-kept", "second-dot", "half-a-reply-to-dot")

STATES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "end", "RSET", "QUIT")
REPLIES = {
    "150": "150 wait",
    "250": "250 2.0.0 ok",
    "299": "299 ok",
    "334": "334 more",
    "354": "354 go on",
    "421": "421 4.3.2 later",
    "450": "450 4.2.1 later",
    "452": "452 4.5.3 too many",
    "500": "500 5.5.2 what?",
    "503": "503 5.5.1 out of order",
    "530": "530 5.7.0 log in first",
    "550": "550 5.1.1 unknown",
    "552": "552 5.2.2 full",
    "699": "699 what?",
    "lines": "250-one\r\n250-two\r\n250 three",
    "two-codes": "250-one\r\n550 two",
    "garbage": "good morning",
    "blank": "",
    "surplus": "250 ok\r\n250 and more",
}


@dataclass(frozen=True)
class Case:
    name: str
    mode: str
    rule: dict
    kinds: frozenset  # what may become of a recipient
    seldom: tuple = ()  # violations that the fault itself leads to
    sink: tuple = ()
    settings: tuple = ()
    secured: bool = False

    def play(self, folder, sink_of):  # noqa: F811
        folder.mkdir(parents=True)
        sink = sink_of(self.rule, options=self.sink)
        options = [*options_for(folder, [sink], LINES, MESSAGE), *SOON]
        for setting in ("time_out=1", "connections=2", f"pipelining={self.mode}", *self.settings):
            options += ["--set", setting]
        sent = command.send(options, folder)
        check(sent, [sink], len(LINES), self.seldom)
        counts = sent.counts()
        assert set(counts) <= self.kinds, counts
        assert sent.status in (OK if set(counts) == {"accepted"} else NOT_ALL, LATER, NO_SERVER)
        if self.secured:
            assert all(one["tls"] and one["user"] == "u" for one in sink.transactions())
        sink.stop()


def play_all(cases, folder, sink_of):  # noqa: F811
    """All of them, some at a time; what went wrong is told of all."""
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        played = {pool.submit(case.play, folder / case.name, sink_of): case for case in cases}
        for future in concurrent.futures.as_completed(played):
            error = future.exception()
            if error is not None:
                wrong.append(f"{played[future].name}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(sorted(wrong))


def cuts(mode):
    for point, rule in POINTS.items():
        kinds = {"accepted"}
        if point in AT_THE_END or mode in ("message", "stream"):
            kinds.add("in_doubt")
        for how, what in HOW.items():
            yield Case(f"{point}-{how}", mode, {**rule, "times": 1, **what}, frozenset(kinds))


# conformance: 17, 24, 25, F05, F28, F29, F30
@pytest.mark.parametrize("mode", MODES)
def test_ends_at_every_point(mode, tmp_path, sink_of):  # noqa: F811
    play_all(list(cuts(mode)), tmp_path, sink_of)


def kinds_after(state, reply, mode):
    """What one such reply may do to those whom it is about, and in a mode that goes ahead to those behind."""
    kinds = {"accepted"}
    if reply[0] == "5" and state in ("MAIL", "RCPT", "DATA", "BDAT", "end"):
        kinds.add("refused")
    if (state, reply) == ("MAIL", "530"):  # the server is of no use to us
        kinds |= {"deferred", "unsent"}
    if reply == "two-codes" or state in ("end", "BDAT") or mode in ("message", "stream"):
        kinds.add("in_doubt")
    return frozenset(kinds)


# What the client had said before it knew.
AHEAD = ("rcpt-before-mail", "data-before-rcpt", "nested-mail", "mail-before-helo")


def replies(mode):
    for state in STATES:
        for name, reply in REPLIES.items():
            for times in (1, None):
                if times is None and name not in ("421", "450", "500", "550"):
                    continue
                rule = {"on": state, "raw": reply + "\r\n", **({"times": times} if times else {})}
                kinds = kinds_after(state, name, mode)
                if times is None:
                    kinds |= {"deferred", "unsent", "refused"}
                yield Case(f"{state}-{name}-{times or 'always'}", mode, rule, kinds, AHEAD)


# conformance: 1, 2, 6, 7, 12, 14, 15, 17, 29, F04, F08, F11, F15, F16, F17, F18, F19, F20, F26, F28, F29, A40
@pytest.mark.parametrize("mode", MODES)
def test_every_reply_in_every_state(mode, tmp_path, sink_of):  # noqa: F811
    play_all(list(replies(mode)), tmp_path, sink_of)


# Over TLS, logged in.
SECURE_POINTS = {
    "EHLO": {"on": "EHLO", "tls": False},
    "STARTTLS": {"on": "STARTTLS"},
    "handshake": {"on": "handshake"},
    "EHLO-in-TLS": {"on": "EHLO", "tls": True},
    "AUTH": {"on": "AUTH"},
    "response": {"on": "other"},
    "MAIL-in-TLS": {"on": "MAIL"},
    "RCPT-in-TLS": {"on": "RCPT"},
    "DATA-in-TLS": {"on": ["DATA", "BDAT"]},
    "content-in-TLS": {"on": "content", "after": 60},
    "dot-in-TLS": {"on": "end"},
    "dot-kept-in-TLS": {"on": "end", "accept": True},
    "reply-to-dot-in-TLS": {"on": "end", "reply": "250 2.0.0 ok"},
    "QUIT-in-TLS": {"on": "QUIT"},
}
SECURE_STATES = {name: SECURE_POINTS[name] for name in ("STARTTLS", "EHLO-in-TLS", "AUTH", "response", "MAIL-in-TLS")}


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """Options of the sink and settings of the client by which they log in over TLS."""
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    cert, key = certs.certificate()
    sink = ("--tls-cert", cert, "--tls-key", key, "--auth", "SCRAM-SHA-256", "--user", "u", "--password-file", str(secret))
    client = ("tls=verify", f"tls_ca_file={certs.ca()}", "user=u", f"password_file={secret}")
    return {"sink": sink, "settings": client, "secured": True}


def secure_cuts(mode, secure):
    for point, rule in SECURE_POINTS.items():
        kinds = frozenset({"accepted", "in_doubt"} if mode != "envelope" or "dot" in point or "content" in point else {"accepted"})
        for how, what in HOW.items():
            yield Case(f"{point}-{how}", mode, {**rule, "times": 1, **what}, kinds, **secure)


# conformance: 17, 42, 44, F05, F41
@pytest.mark.parametrize("mode", [pytest.param("envelope", marks=pytest.mark.slow), "stream"])
def test_ends_at_every_point_of_tls(mode, tmp_path, sink_of, secure):  # noqa: F811
    play_all(list(secure_cuts(mode, secure)), tmp_path, sink_of)


def secure_replies(mode, secure):
    for state, rule in SECURE_STATES.items():
        for name, reply in REPLIES.items():
            # The server may be of no use to us after it.
            kinds = {"accepted", "unsent", "in_doubt"} | ({"refused", "deferred"} if state == "MAIL-in-TLS" else set())
            rule = {**rule, "raw": reply + "\r\n", "times": 1}
            yield Case(f"{state}-{name}", mode, rule, frozenset(kinds), AHEAD, **secure)


# conformance: 6, 29, 41, 43, 44, 48, 50, 53, A01, A03, A04
@pytest.mark.parametrize("mode", [pytest.param("envelope", marks=pytest.mark.slow), "stream"])
def test_every_reply_to_tls_and_login(mode, tmp_path, sink_of, secure):  # noqa: F811
    play_all(list(secure_replies(mode, secure)), tmp_path, sink_of)
