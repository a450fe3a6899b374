# SPDX-License-Identifier: MIT
"""A small campaign through one sink with TLS and login, and what is left of it."""

from . import certs
from .campaign import NO_SERVER, OK, addresses, check, options_for
from .command import send

TWO = addresses(2)
# One failed connection is enough to know.
ONCE = ("--set", "max_connection_attempts=1")


def serving(kind="good"):
    cert, key = certs.certificate(kind)
    return ["--tls-cert", cert, "--tls-key", key]


def setting(**attributes):
    return [word for name, value in attributes.items() for word in ("--set", f"{name}={value}")]


class Campaign:
    """Two recipients through one sink; what was said is kept."""

    def __init__(self, folder, sink, *more, name="localhost", **attributes):
        self.sink = sink
        self.talk, self.errors = folder / "talk", folder / "errors"
        attributes = {"tls_ca_file": certs.ca(), "CONVERSATION": self.talk, "ERRFILE": self.errors, **attributes}
        options = options_for(folder, [f"{name}:{sink.port}"], TWO)
        self.sent = send([*options, *ONCE, *setting(**attributes), *more], folder)

    def said(self):
        return self.talk.read_text(encoding="ascii").splitlines() if self.talk.exists() else []

    def logged(self):
        return self.errors.read_text(encoding="utf-8") if self.errors.exists() else ""

    def check_sent(self, secured):
        check(self.sent, [self.sink], 2)
        assert self.sent.status == OK, self.sent.stderr
        assert [one.get("tls", False) for one in self.sink.transactions()] == [secured]

    def check_nothing_sent(self, error="MBS019", tried=False):
        """Not a word of mail was said, nor of login unless we tried."""
        assert self.sent.status == NO_SERVER, self.sent.stderr
        assert error in self.logged(), self.logged()
        assert self.sent.counts() == {"unsent": 2}
        assert self.sink.transactions() == []
        verbs = ("> MAIL",) if tried else ("> MAIL", "> AUTH")
        assert not [line for line in self.said() for verb in verbs if verb in line]
