# SPDX-License-Identifier: MIT
"""SMTP smuggling (CVE-2023-51764, VU#302671): bodies of CR, LF and dots, through five servers. Whatever a recipient's copy is
made of, the server has one message for it, with the text that was to be sent and only line ends made CR LF. What leaves us is
looked at octet by octet in the unit tests; here is what those who receive it make of it."""

import json
import os
import random
import re

import pytest

from lib import command, servers

SEED = 20231218
COUNT = 20000 if os.environ.get("LONG_TESTS") else 2000
ALPHABET = "\r\n.a"
LENGTH_MAX = 9
# What one server or another took for the end of a message.
NAMED = ("\n.\n", "\n.\r\n", "\r.\r", "\r\n.\r", "\r\n.\n", "\r.\r\n", "\n.\r", "\r\n.\r\n", "\r\n..\r\n", "\r\r\n.\r\r\n")
SMUGGLED = "MAIL FROM:<smuggled@evil.test>\r\nRCPT TO:<smuggled@evil.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nText\r\n.\r\nQUIT\r\n"

HEAD = (
    b"From: news@lists.example.org\nTo: <{{email}}>\nSubject: Smuggling\nDate: Sat, 31 Jan 2026 12:00:00 +0100\n"
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n\n"
)

# How each is spoken to: by DATA, and by BDAT where it has that. OpenSMTPD takes 100 messages over one connection.
BY_DATA, BY_BDAT = ("pipelining=message",), ("pipelining=stream",)
WAYS = {
    "postfix": (BY_DATA, BY_BDAT),
    "exim4": (BY_DATA, BY_BDAT),
    "opensmtpd": (("pipelining=auto", "max_messages_per_connection=100"),),
    "aiosmtpd": (("pipelining=auto",),),
    "smtp-server": (BY_DATA,),
}


def string_of(number):
    """The strings over the alphabet in the order of their lengths."""
    length, first = 0, 0
    while number >= first + len(ALPHABET) ** length:
        first += len(ALPHABET) ** length
        length += 1
    number -= first
    return "".join(ALPHABET[number // len(ALPHABET) ** place % len(ALPHABET)] for place in range(length))


def bodies():
    strings = sum(len(ALPHABET) ** length for length in range(LENGTH_MAX + 1))
    chosen = random.Random(SEED).sample(range(1, strings), COUNT)
    return [string_of(number) for number in chosen] + [f"before{end}{SMUGGLED}" for end in NAMED] + [*NAMED, "." * 9]


def lines(text):
    return re.sub(r"\r\n|\r|\n", "\r\n", text).encode("ascii")


def in_its_group(name):
    """There is one opensmtpd a machine; it has its group in other tests too."""
    return pytest.param(name, marks=pytest.mark.xdist_group(name if name == "opensmtpd" else f"smuggling-{name}"))


# Under a sanitizer the unit test sends all strings; here it is the servers that count.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=map(in_its_group, WAYS))
def server(request, unpacked):
    kinds = {**servers.SERVERS, servers.SmtpServer.name: servers.SmtpServer}
    with kinds[request.param](keeps=True) as running:
        yield running


def send(folder, server, way, rows, content):
    (folder / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")
    (folder / "message.eml").write_bytes(content)
    options = ["--server", f"127.0.0.1:{server.port}", "--list", "list.jsonl", "--message", "message.eml"]
    for setting in way:
        options += ["--set", setting]
    sent = command.send(options, folder, seconds=120)
    assert sent.status == command.OK, sent.stderr
    assert sent.report["accepted"] == sent.report["transactions"] == len(rows)


def by_recipient(server, count):
    """Recipient to the body of his one message; nobody else has one."""
    stored = server.queued()
    assert len(stored) == count
    assert all(one.sender == "news@lists.example.org" for one in stored)
    found = {one.recipients[0]: one.content.partition(b"\r\n\r\n")[2] for one in stored if len(one.recipients) == 1}
    assert len(found) == count
    return found


# conformance: 4, 5, 36, A27
def test_one_message_each(server, tmp_path):
    """As the values of a slot, each alone between two line ends of the message, and all that is behind it in the session
    is the next one's."""
    texts = {f"r{number}@x.example.org": body for number, body in enumerate(bodies())}
    rows = [{"email": to, "body": body} for to, body in texts.items()]
    wanted = {to: lines(body) + b"\r\n" for to, body in texts.items()}
    for way in WAYS[server.name]:
        server.forget()
        send(tmp_path, server, way, rows, HEAD + b"{{{body}}}\n")
        found = by_recipient(server, len(rows))
        wrong = {texts[to]: found.get(to) for to in texts if found.get(to) != wanted[to]}
        assert not wrong, (way, len(wrong), list(wrong.items())[:5])


# conformance: 4, 5, A27
@pytest.mark.parametrize("number", range(len(NAMED)))
def test_in_the_message_itself(server, tmp_path, number):
    """Not as a value: as octets of the message's file."""
    for way in WAYS[server.name]:
        server.forget()
        body = f"before{NAMED[number]}{SMUGGLED}"
        send(tmp_path, server, way, [{"email": "r@x.example.org"}, {"email": "s@x.example.org"}], HEAD + body.encode("ascii"))
        assert set(by_recipient(server, 2).values()) == {lines(body)}


# conformance: 39, A27
def test_nul_is_never_sent(tmp_path):
    """CR LF NUL dot CR LF ends a message for a server that drops NULs: such a text is refused where it comes in."""
    (tmp_path / "list").write_text("r@x.example.org\n")
    (tmp_path / "message.eml").write_bytes(HEAD.replace(b"{{email}}", b"r@x.example.org") + b"before\r\n\0.\r\n")
    # Nobody listens there, and nobody is asked.
    sent = command.send(["--server", "127.0.0.1:1", "--list", "list", "--message", "message.eml"], tmp_path)
    assert sent.status == 65 and "NUL" in sent.stderr, sent.stderr
