# SPDX-License-Identifier: MIT
"""A24: no address means one mailbox to us and another one to somebody else.

Python's two parsers read the same text: where we accept, the strict one (email.headerregistry) must find the same single
mailbox. What each reads otherwise on purpose is in a table, with the reason.
"""

import os
import random
import subprocess
from email.headerregistry import HeaderRegistry
from email.utils import parseaddr
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD_DIR", "build")
DRIVER = BUILD / "tests/unit/mail/address_driver"

ACCEPTED = {
    "u@x.org": "u@x.org",
    "<u@x.org>": "u@x.org",
    "Jim T <jim@x.org>": "jim@x.org",
    '"Jim T"<jim@x.org>': "jim@x.org",
    '"Jim, T" <jim@x.org>': "jim@x.org",
    '"a@evil.example" <b@good.example>': "b@good.example",
    '"<a@evil.example>" <b@good.example>': "b@good.example",
    "J. R. Smith <jr@x.org>": "jr@x.org",
    "u@x.org (comment)": "u@x.org",
    "(c)u@x.org": "u@x.org",
    "(a(nested)b) u@x.org": "u@x.org",
    "(a@evil.example) u@x.org": "u@x.org",
    "Jim (the (old)) <jim@x.org> (x)": "jim@x.org",
    '"a b"@x.org': '"a b"@x.org',
    '"a@b"@x.org': '"a@b"@x.org',
    '"a\\"b"@x.org': '"a\\"b"@x.org',
    '"plain"@x.org': "plain@x.org",
    "u+tag=x@x.org": "u+tag=x@x.org",
    "!#$%&'*+-/=?^_`{|}~@x.org": "!#$%&'*+-/=?^_`{|}~@x.org",
    "u@x.example": "u@x.example",
    "u@[192.0.2.1]": "u@[192.0.2.1]",
    "u@[IPv6:2001:db8::1]": "u@[IPv6:2001:db8::1]",
    "U@X.ORG": "U@X.ORG",
    "\u00fc@x.org": "\u00fc@x.org",
    "J \u00fc <j\u00fcrg.\u7528\u6237@x.org>": "j\u00fcrg.\u7528\u6237@x.org",
}

REFUSED = [
    "", " ", "u", "@x.org", "u@", "u@x", "u@x.", "u@x..org", "u@.x.org", ".u@x.org", "u.@x.org", "u..v@x.org",
    "u@-x.org", "u@x-.org", "u@x.123", "u@x_y.org", "a@b@x.org", "a@x.org, b@x.org", "a@x.org b@x.org", "a@x.org,",
    "<a@x.org>, <b@x.org>", "<a@x.org> b@x.org", "<b@x.org>,c@y.org", "<a@x.org", "a@x.org>", "<<a@x.org>>",
    "<@r.org:a@x.org>", "@r.org:a@x.org", "g: a@x.org;", "g:;", "<>", "()", "(u@x.org)", "(u@x.org", "u(@x.org",
    '"u@x.org', '"u" v@x.org', 'a."b"@x.org', "us(c)er@x.org", ".J <j@x.org>", "u v@x.org", "u@x .org", "u@[1.2.3]", "u@[1.2.3.4",
    "u@[IPv6:1]", "u@[x]", "u@1.2.3.4", "u\\@v@x.org", "Jim <jim@x.org> <j@y.org>", "\u00fc.@x.org", "u\u0085@x.org", "u@x.org\r\n",
    "u@x.org\nRCPT TO:<v@x.org>", "u\0@x.org", '"a\r\nb"@x.org', "u@x.org\t", "u\x7f@x.org", "Jim: T <jim@x.org>",
    "u@x.org;", "[u]@x.org", "u@x.org\\", "Jim @ home <jim@x.org>", "a" * 65 + "@x.org", "u@" + "a" * 64 + ".org",
]  # fmt: skip


def ask(texts):
    raw = [text if isinstance(text, bytes) else text.encode() for text in texts]
    sent = b"".join(b"address %d\n%s" % (len(data), data) for data in raw)
    got = subprocess.run([DRIVER], input=sent, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(got):
        end = got.index(b"\n", at)
        word, size = got[at:end].split()
        out.append((word.decode(), got[end + 1 : end + 1 + int(size)].decode()))
        at = end + 1 + int(size)
    assert len(out) == len(texts)
    return out


def strict(text):
    """The single mailbox that email.headerregistry reads without a defect (obsolete forms apart), else None."""
    try:
        header = HeaderRegistry()("To", text)
    except AttributeError:  # python 3.11 stumbles over a display name that ends in a dot
        return split(parseaddr(text)[1])
    if len(header.addresses) != 1 or len(header.groups) != 1 or header.groups[0].display_name is not None:
        return None
    address = header.addresses[0]
    return address.username, address.domain


def split(mailbox):
    local, _, domain = mailbox.rpartition("@")
    if local.startswith('"'):
        local = local[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return local, domain


# conformance: 26, A24
@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text):
    assert ask([text]) == [("ok", ACCEPTED[text])]
    assert strict(text) == split(ACCEPTED[text])


# conformance: A21, A24
@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    word, reason = ask([text])[0]
    assert word == "bad" and reason


# conformance: A24
def test_generated_texts_are_never_read_otherwise():
    """Whatever we accept, python reads as the same mailbox."""
    rng = random.Random(24)
    parts = ['"', "\\", "(", ")", "<", ">", "@", ",", ";", ":", ".", " ", "a", "b.c", "x.org", "y.net", "a@x.org",
             "<b@y.net>", '"q r"', "(c)", "[192.0.2.1]", "Jim"]  # fmt: skip
    texts = ["".join(rng.choices(parts, k=rng.randint(1, 8))) for _ in range(60000)]
    accepted = 0
    for text, (word, mailbox) in zip(texts, ask(texts)):
        if word != "ok":
            continue
        accepted += 1
        assert strict(text) == split(mailbox), text
    assert accepted > 300


# conformance: A24
def test_what_we_make_is_what_parseaddr_reads():
    texts = list(ACCEPTED)
    for _, mailbox in ask(texts):
        assert strict(mailbox) == split(mailbox)
        if '"' not in mailbox and "[" not in mailbox:
            assert parseaddr(mailbox)[1] == mailbox


# conformance: A30
def test_international_domains():
    """A30: U-label and A-label are one domain."""
    got = ask(["u@b\u00fccher.example", "u@B\u00dcCHER.example", "u@fa\u00df.example", "u@\u4f8b\u3048.jp", "u@xn--bcher-kva.example"])
    assert [mailbox for _, mailbox in got] == [
        "u@xn--bcher-kva.example", "u@xn--bcher-kva.example", "u@xn--fa-hia.example", "u@xn--r8jz45g.jp",
        "u@xn--bcher-kva.example"]  # fmt: skip
    bad = ask(["u@b\u00fccher", "u@\uff20evil.org", "u@x\u200b.org\u00fc.", b"u@\xff.org", b"u@b\xc0\xaf.org", "u@\u202ex.org"])
    assert {word for word, _ in bad} == {"bad"}
