# SPDX-License-Identifier: MIT
"""What lies in the queues of the mail servers: (queue id, sender, recipients, content with the trace on top)."""

import re


def postfix_records(data):
    """Pairs of type and text: a type, a length of seven bits an octet, the text."""
    at = 0
    while at < len(data):
        kind, size, shift = data[at : at + 1], 0, 0
        while True:
            at += 1
            size |= (data[at] & 127) << shift
            shift += 7
            if data[at] < 128:
                break
        yield kind, data[at + 1 : at + 1 + size]
        at += 1 + size


def postfix(folder):
    """The messages on hold. N is a line of the content, L one that the next record goes on with."""
    for path in (folder / "queue" / "hold").rglob("*"):
        if not path.is_file():
            continue
        records = list(postfix_records(path.read_bytes()))
        content = b"".join(text + (b"\r\n" if kind == b"N" else b"") for kind, text in records if kind in (b"N", b"L"))
        recipients = [text.decode() for kind, text in records if kind == b"R"]
        yield path.name, next(text.decode() for kind, text in records if kind == b"S"), recipients, content


def exim_headers(text):
    """Each is a length of three digits or more, a flag (* when it was removed), a blank and the field."""
    at, fields = 0, []
    while found := re.compile(rb"(\d{3,})(.) ", re.DOTALL).match(text, at):
        end = found.end() + int(found.group(1))
        if found.group(2) != b"*":
            fields.append(text[found.end() : end])
        at = end + (text[end : end + 1] == b"\n" and not text[end - 1 : end] == b"\n")
    return b"".join(fields)


def exim(folder):
    for path in (folder / "spool" / "input").rglob("*-H"):
        head, _, headers = path.read_bytes().partition(b"\n\n")
        lines = head.split(b"\n")
        count = next(at for at, line in enumerate(lines) if at > 3 and line.isdigit())
        recipients = [line.split(b" ")[0].decode() for line in lines[count + 1 :]]
        assert len(recipients) == int(lines[count]), path
        body = path.with_name(path.name[:-1] + "D").read_bytes().partition(b"\n")[2]
        content = exim_headers(headers) + b"\n" + body
        yield path.name[:-2], lines[2].decode().strip("<>"), recipients, content.replace(b"\n", b"\r\n")


def opensmtpd(spool):
    """A folder a message: its content, and a file for each recipient, of lines "name: value"."""
    for path in (spool / "queue").glob("*/*/message"):
        envelopes = [one.read_text() for one in path.parent.iterdir() if one.name != "message"]
        named = [dict(re.findall(r"^([\w-]+): (.*)$", text, re.MULTILINE)) for text in envelopes]
        content = path.read_bytes().replace(b"\n", b"\r\n")
        yield path.parent.name, named[0]["sender"], [one["dest"] for one in named], content
