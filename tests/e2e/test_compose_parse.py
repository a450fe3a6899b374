# SPDX-License-Identifier: MIT
"""71, 72, 74, A23: another parser reads from a composed copy what went in, and no header more."""

import email
import email.policy
import os
import random
import subprocess
from email.header import decode_header, make_header
from email.utils import parseaddr
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD_DIR", "build")
DRIVER = BUILD / "tests/unit/mail/wrap_driver"

NAMES = ["From", "Subject", "To", "Sender", "Reply-To", "Precedence", "Content-type", "X-Note", "Message-ID", "MIME-Version"]
PIECES = ["Grüße", "aus", "Köln", "日本語の長い題名", "😀😀", "plain", "words", "and", "a.dot", "\u2028", "=?x?=", "é", "(c)", "a,b"]


def compose(word, messages):
    sent = b"".join(b"%s %d\n%s" % (word.encode(), len(data), data) for data in messages)
    got = subprocess.run([DRIVER], input=sent, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(got):
        end = got.index(b"\n", at)
        size = int(got[at:end].split()[1])
        out.append(got[end + 1 : end + 1 + size])
        at = end + 1 + size
    return out


def text(rng):
    return "ü" + " ".join(rng.choices(PIECES, k=rng.randint(1, 25)))


# conformance: 71, 72, 74
@pytest.mark.parametrize("word", ["whole78", "whole998", "own998"])
def test_headers_come_back(word):
    rng = random.Random(74)
    cases = [(text(rng), text(rng), text(rng)) for _ in range(300)]
    record = "Jürgen Müller <jm@y.example>"
    messages = [
        f'{record}\nFrom: "{name}" <a@bücher.example>\nTo: t@x.org\nSubject: {subject}\nX-Note: {note}\n\nBody\n'.encode()
        for name, subject, note in cases
    ]
    for (name, subject, note), raw in zip(cases, compose(word, messages)):
        head, _, body = raw.partition(b"\r\n\r\n")
        assert body == b"Body\r\n", raw
        assert all(len(line) <= 76 and line.isascii() for line in head.split(b"\r\n"))
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        # The driver leaves out Date, Message-ID and MIME-Version.
        assert set(parsed.keys()) == set(NAMES) - {"Message-ID", "MIME-Version"}
        # Python 3.11's new parser keeps a blank between some encoded-words; its old one does as RFC 2047 says.
        old = email.message_from_bytes(raw)
        assert str(make_header(decode_header(old["Subject"]))) == subject
        assert str(make_header(decode_header(old["X-Note"]))) == note
        assert str(make_header(decode_header(parseaddr(old["From"])[0]))) == name
        assert parsed["From"].addresses[0].addr_spec == "a@xn--bcher-kva.example"
        if word == "own998":
            assert str(parsed["To"].addresses[0]) == "Jürgen Müller <jm@y.example>"
