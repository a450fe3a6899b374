# SPDX-License-Identifier: MIT
"""What a message has to look like, written down a second time, and its comparison."""

import re

DATE = re.compile(
    rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]?\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    rb"[0-2]\d:[0-5]\d:[0-6]\d [+-]\d{4}"
)
MESSAGE_ID = re.compile(rb"<[^<>@\s]+@[^<>@\s]+>")

# The only headers in which the original and ours may differ.
EXCEPTED = (b"date", b"message-id", b"mime-version", b"x-bulkmail")


def crlf(text):
    """Any line end as CR LF; the last line gets one too."""
    text = re.sub(rb"\r\n|\r|\n", b"\r\n", text)
    return text if text.endswith(b"\r\n") or not text else text + b"\r\n"


def split(content):
    """The header fields, each with its continuation lines and CR LF, and the body."""
    head, _, body = content.partition(b"\r\n\r\n")
    return re.findall(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*\r\n", head + b"\r\n"), body


def name_of(header):
    return header.partition(b":")[0].lower()


def value_of(header):
    return header.partition(b":")[2].strip()


def normal(content):
    """A content without the headers in which a difference is allowed."""
    headers, body = split(content)
    return b"".join(header for header in headers if name_of(header) not in EXCEPTED) + b"\r\n" + body


def check_own_headers(content):
    """Date, Message-ID and MIME-Version are there once each and well formed; returns the Message-ID."""
    found = {name: [value_of(h) for h in split(content)[0] if name_of(h) == name] for name in EXCEPTED}
    assert len(found[b"date"]) == 1 and DATE.fullmatch(found[b"date"][0]), found
    assert len(found[b"message-id"]) == 1 and MESSAGE_ID.fullmatch(found[b"message-id"][0]), found
    assert found[b"mime-version"] == [b"1.0"], found
    assert found[b"x-bulkmail"] == [], found
    return found[b"message-id"][0]


def expected(attributes, to, body):
    """A message but for the headers that are excepted; the order is the contract's."""
    eight_bit = any(octet > 127 for octet in body)
    text = "text/html" if attributes.get("HTML") == "1" else "text/plain"
    sender = attributes.get("Sender", attributes["From"])
    lines = [f"From: {attributes['From']}"]
    if "Subject" in attributes:
        lines.append(f"Subject: {attributes['Subject']}")
    lines += [
        f"To: {to}",
        f"Sender: {sender}",
        f"Reply-To: {attributes.get('ReplyTo', attributes['From'])}",
        f"Precedence: {attributes.get('Precedence', 'list')}",
        "Content-type: " + text + ("; charset=utf-8" if eight_bit else ""),
    ]
    # Not in the contract: without it, and without a charset, MIME says that the text is US-ASCII.
    if eight_bit:
        lines.append("Content-Transfer-Encoding: 8bit")
    return "".join(line + "\r\n" for line in lines).encode("utf-8") + b"\r\n" + crlf(body)
