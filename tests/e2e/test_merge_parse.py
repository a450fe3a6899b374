# SPDX-License-Identifier: MIT
"""4, 5, 8, 71, 74, A23, A24, F59: another parser reads from a merged copy what went in, and nothing more."""

import base64
import email
import email.policy
import json
import os
import quopri
import random
import subprocess
from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr
from pathlib import Path

from lib.campaign import BAD_DATA, NOT_ALL, OK, run, sink_of  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD_DIR", "build")
DRIVER = BUILD / "tests/unit/mail/merge_driver"

PIECES = ["Grüße", "日本語", "😀", "plain", "a.dot", ".", "..", "=?x?=", "=?utf-8?q?a?=", "é", "(c)", "a,b", '"q"', "<e@v.org>",
          "\\", "{{name}}", "&amp;", "<b>", "a@b.org", ";", ":", "=", "=41", "x" * 90, "'", "%", "From "]
CHARSETS = ["utf-8", "us-ascii", None, "iso-8859-1", "windows-1252", "koi8-r"]


def merge(cases):
    sent = b""
    for form, values, sender, subject, message in cases:
        data = b"".join(value.encode() + b"\0" for value in (*values, sender, subject)) + message
        sent += b"%s %d\n%s" % (form.encode(), len(data), data)
    got = subprocess.run([DRIVER], input=sent, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(got):
        end = got.index(b"\n", at)
        status, size = got[at:end].split()
        out.append((status.decode(), got[end + 1 : end + 1 + int(size)]))
        at = end + 1 + int(size)
    assert len(out) == len(cases)
    return out


def text(rng, lines=False):
    parts = rng.choices(PIECES, k=rng.randint(1, 8))
    return "".join(part + rng.choice([" ", "", "  "] + (["\n", "\r\n", "\r", "\n\n"] if lines else [])) for part in parts).strip()


def check_wire(raw):
    assert raw.endswith(b"\r\n") and b"\0" not in raw
    lines = raw.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998


def header(raw, name):
    # The old parser of Python 3.11 joins encoded-words as RFC 2047 says.
    return str(make_header(decode_header(email.message_from_bytes(raw)[name])))


# conformance: 71, 74, A23
def test_headers_come_back():
    rng = random.Random(72)
    cases = []
    for _ in range(400):
        name, note = text(rng), text(rng)
        cases.append(("body", (name, "j@y.org", note), '"{{name}}" <a@x.org>', "On {{note}} and {{name}}", b"b"))
    for (_, (name, _, note), *_), (status, raw) in zip(cases, merge(cases)):
        assert status == "ok", raw
        check_wire(raw)
        parsed = email.message_from_bytes(raw)
        assert header(raw, "Subject") == f"On {note} and {name}"
        shown, address = parseaddr(parsed["From"])
        assert (str(make_header(decode_header(shown))), address) == (name, "a@x.org")
        assert getaddresses([parsed["From"]])[0][1] == "a@x.org" and len(getaddresses([parsed["From"]])) == 1
        assert set(parsed.keys()) == {"Date", "From", "Subject", "To", "Sender", "Reply-To", "Precedence", "Content-type",
                                      "Message-ID", "MIME-Version"}


def body_case(rng):
    """A file with one text part or several, each with what a reader must find in it."""
    values = (text(rng), "j@y.org", text(rng, lines=True))
    parts, found = [], []
    for _ in range(rng.randint(1, 3)):
        kind, charset = rng.choice(["plain", "html"]), rng.choice(CHARSETS)
        codec = charset or "us-ascii"
        before = "".join(c for c in text(rng, lines=True).replace("{{", "") if c.encode(codec, "ignore"))
        template = before.replace("\r\n", "\n").replace("\r", "\n") + " {{name}}\n.{{note}}.\n{{{name}}}"
        raw, encoding = template.encode(codec), rng.choice(["7bit", "quoted-printable", "base64", "8bit", None])
        if encoding == "quoted-printable":
            raw = quopri.encodestring(raw)
        elif encoding == "base64":
            raw = base64.encodebytes(raw).rstrip(b"\n")
        head = f"Content-Type: text/{kind}" + (f"; charset={charset}" if charset else "") + "\n"
        head += f"Content-Transfer-Encoding: {encoding}\n" if encoding else ""
        parts.append(head.encode() + b"\n" + raw + b"\n")
        found.append((kind, charset, template))
    if len(parts) == 1 and rng.random() < 0.5:
        message = b"From: a@x.org\nSubject: s\n" + parts[0]
    else:
        message = b"From: a@x.org\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n" + b"--bb\n".join(parts) + b"--bb--\n"
    return ("file", values, "", "", message), found


def escaped(value):
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        value = value.replace(char, entity)
    return value


def filled(template, kind, values):
    name, _, note = values
    form = escaped if kind == "html" else str
    out = template.replace("{{{name}}}", "\0").replace("{{name}}", "\1").replace("{{note}}", "\2")
    return out.replace("\0", name).replace("\1", form(name)).replace("\2", form(note))


def lines_of(value):
    return value.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


# conformance: A29
def test_bodies_come_back():
    rng = random.Random(73)
    made = [body_case(rng) for _ in range(600)]
    taken = 0
    for (case, found), (status, raw) in zip(made, merge([case for case, _ in made])):
        values = case[1]
        codecs = [charset if charset not in (None, "us-ascii") else "utf-8" for _, charset, _ in found]
        fits = all(value.encode(codec, "ignore").decode(codec) == value for codec in codecs for value in (values[0], values[2]))
        if status != "ok":
            assert not fits or "too long" in raw.decode(), (raw, values, found)
            continue
        assert fits
        taken += 1
        check_wire(raw)
        parsed = email.message_from_bytes(raw)
        parts = [part for part in parsed.walk() if not part.is_multipart()]
        assert len(parts) == len(found)
        for part, codec, (kind, _, template) in zip(parts, codecs, found):
            assert part.get_content_type() == f"text/{kind}"
            assert part.get_content_charset() == codec
            got = part.get_payload(decode=True).decode(codec)
            assert lines_of(got) == lines_of(filled(template, kind, values)), (raw, values)
    assert taken > 200


# conformance: 71, A23
def test_injection_table():
    """A23: whatever a value is, the copy has the template's headers and addresses, or there is none."""
    evil = ["x\r\nBcc: e@v.org", "x\nX: y", "\r", "a\x00b".replace("\x00", "\x01"), "\u2028X: y", "\x85X: y", "x\tb", "\x0b", "\x0c",
            "a@b.org, e@v.org", "a@b.org>, <e@v.org", '"', "\\", '" <e@v.org>, "', "<e@v.org>", "(", ")", "g: e@v.org;", ",", ";",
            "=?utf-8?q?=0D=0ABcc:_e@v.org?=", "=?utf-8?b?PGVAdi5vcmc+?=", ">", "a@b.org\r\n", "%0d%0aBcc: e@v.org", "e@v.org"]
    message = (b'From: {{name}} <a@x.org>\nReply-To: "{{name}}" <a@x.org>\nTo: {{name}} <{{email}}>, b@x.org\n'
               b"Subject: {{name}}\nList-Unsubscribe: <https://x.org/?{{name}}>\nX-Any: {{name}}\n\nbody\n")
    cases = [("file", (value, address, ""), "", "", message) for value in evil for address in ("j@y.org", value)]
    for (_, (value, address, _), *_), (status, raw) in zip(cases, merge(cases)):
        if status != "ok":
            assert status == "invalid" and b"column" in raw
            continue
        check_wire(raw)
        head = raw.partition(b"\r\n\r\n")[0]
        assert head.isascii()
        parsed = email.message_from_bytes(raw)
        assert sorted(parsed.keys()) == sorted(["From", "Reply-To", "To", "Subject", "List-Unsubscribe", "X-Any", "Date", "Sender",
                                                "Message-ID"])
        assert [pair[1] for pair in getaddresses([parsed["To"]])] == [address.strip(), "b@x.org"]
        assert [pair[1] for pair in getaddresses([parsed["From"]])] == ["a@x.org"]
        assert parsed["List-Unsubscribe"].count("<") == 1 and "," not in parsed["List-Unsubscribe"]
        assert header(raw, "Subject") == value.strip()


def send(folder, sink, people, message, *more):
    (folder / "people.csv").write_text(people, encoding="utf-8", newline="")
    (folder / "message.eml").write_text(message, encoding="utf-8")
    return run("send", "--server", sink.address, "--list", "people.csv", "--message", "message.eml", "--no-journal",
               "--outcomes", "outcomes", *more, cwd=folder)


def outcomes(folder):
    return [json.loads(line) for line in (folder / "outcomes").read_text().splitlines()]


LETTER = "From: {{sender|News}} <n@x.example.org>\nTo: l@x.example.org\nSubject: For {{ name }}\n\nDear {{name}},\n.{{city|you}}\n"
PEOPLE = ('city,email,name,sender\r\n,a@x.example.org,Jürgen,\r\n"Bad ""B"", x",b@x.example.org,"Doe, J",Me\r\n'
          ',c@x.example.org,"two\r\nlines",\r\nx,d@x.example.org\r\ntoo,e@x.example.org,many,fields,here\r\n,nobody,N,\r\n')


def test_send_fills_slots(tmp_path, sink_of):
    sink = sink_of()
    done = send(tmp_path, sink, PEOPLE, LETTER)
    assert done.status == NOT_ALL, done.stderr
    sent = sink.transactions()
    kinds = {one["seq"]: (one["outcome"], one["text"]) for one in outcomes(tmp_path)}
    assert [kinds[seq][0] for seq in range(1, 7)] == ["accepted"] * 2 + ["invalid"] * 4
    assert kinds[3][1] == "column name: a line end or another control character in a header"
    assert kinds[4][1] == "no value for column name"
    assert kinds[5][1] == "line 7: 5 fields, and 4 columns"
    assert [one["recipients"] for one in sent] == [["a@x.example.org"], ["b@x.example.org"]]


def test_send_names_an_unknown_column(tmp_path, sink_of):
    sink = sink_of()
    done = send(tmp_path, sink, "email,name\na@x.org,b\n", LETTER.replace("{{city|you}}", "{{nam}}").replace("{{sender|News}}", "News"))
    assert (done.status, sink.transactions()) == (BAD_DATA, [])
    assert "MB024" in done.stderr and 'did you mean "name"?' in done.stderr
    done = send(tmp_path, sink, "email,,name\na@x.org,b\n", LETTER)
    assert (done.status, sink.transactions()) == (BAD_DATA, [])
    assert "MB705: people.csv, line 1: column 2 has no name" in done.stderr
    done = send(tmp_path, sink, "a@x.example.org\n", LETTER, "--set", "merge=0", "--set", "list_format=plain")
    assert done.status == OK, done.stderr


def test_a_plain_list_has_the_column_email(tmp_path, sink_of):
    (tmp_path / "list.txt").write_text("a@x.example.org\nb@x.example.org\n")
    (tmp_path / "body").write_text("You are {{email}}.\n")
    sink = sink_of()
    done = run("send", "--server", sink.address, "--list", "list.txt", "--body", "body", "--from", "n@x.example.org",
               "--to", "l@x.example.org", cwd=tmp_path)
    assert done.status == OK, done.stderr
    assert len(sink.transactions()) == 2
