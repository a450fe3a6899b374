#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A recording SMTP server: a witness that shares no code with `bulkmail sink`.

Its record has the same form, one object a transaction, and it can play faults: each
Rule says what happens at a stage of the talk. It runs inside the test's process, or
alone with the options of `bulkmail sink` that it knows.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import signal
import socket
import threading
import time
from dataclasses import dataclass, field

EXTENSIONS = ("PIPELINING", "8BITMIME", "SIZE 52428800", "ENHANCEDSTATUSCODES")
SECONDS_IDLE = 60
KEEP = b"keep"


@dataclass
class Rule:
    """At `stage` (GREETING, EHLO, HELO, MAIL, RCPT, DATA, CONTENT, RSET, QUIT), when the
    command holds `match`: says `reply` after `pause` seconds (KEEP: what is usual; None:
    nothing) and then closes if `close`. `hits` are the occurrences that it is for, from 1;
    None means all."""

    stage: str
    reply: bytes = KEEP
    match: bytes = b""
    hits: tuple = None
    close: bool = False
    pause: float = 0
    seen: int = 0

    def takes(self, stage, line):
        if stage != self.stage or self.match not in line:
            return False
        self.seen += 1
        return self.hits is None or self.seen in self.hits


@dataclass
class Session:
    number: int
    helo: str = None
    sender: str = None
    mail_params: str = ""
    recipients: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    commands: list = field(default_factory=list)

    def reset(self):
        self.sender, self.mail_params, self.recipients, self.refused = None, "", [], []


class Closed(Exception):
    """The connection is to be ended."""


def path_of(argument):
    """`<a@x> SIZE=1` as address and parameters."""
    found = re.match(rb"\s*<([^>]*)>\s*(.*)", argument)
    if not found:
        return argument.strip().decode("latin-1"), ""
    return found.group(1).decode("latin-1"), found.group(2).decode("latin-1")


class Connection:
    """One connection, in a thread of its own."""

    def __init__(self, sink, stream, number):
        self.sink = sink
        self.stream = stream
        self.stream.settimeout(SECONDS_IDLE)
        self.session = Session(number)
        self.buffer = bytearray()

    def run(self):
        try:
            self.answer("GREETING", b"", b"220 sink.example.org ESMTP\r\n")
            while True:
                self.command(self.line())
        except (Closed, OSError):
            pass
        finally:
            self.stream.close()

    def fill(self):
        part = self.stream.recv(65536)
        if not part:
            raise Closed
        self.buffer += part

    def take_until(self, mark):
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                taken = bytes(self.buffer[: at + len(mark)])
                del self.buffer[: at + len(mark)]
                return taken
            start = max(0, len(self.buffer) - len(mark))
            self.fill()

    def line(self):
        return self.take_until(b"\r\n")[:-2]

    def answer(self, stage, line, usual):
        """Says the usual reply or what a rule wants; True when it was a positive one."""
        rule = self.sink.rule_for(stage, line)
        reply = rule.reply if rule and rule.reply is not KEEP else usual
        if rule and rule.pause:
            time.sleep(rule.pause)
        if reply:
            self.stream.sendall(reply)
        if rule and rule.close:
            raise Closed
        return bool(reply) and reply[:1] in b"23"

    def command(self, line):
        verb = re.split(rb"[ :]", line, maxsplit=1)[0].upper().decode("latin-1")
        self.session.commands.append(line)
        self.sink.note_command(line)
        handler = getattr(self, "do_" + verb.lower(), None)
        if handler is None:
            self.answer(verb, line, b"500 5.5.2 what?\r\n")
        else:
            handler(line)

    def do_ehlo(self, line):
        names = (b"sink.example.org",) + tuple(name.encode() for name in self.sink.extensions)
        lines = [b"250-" + name for name in names[:-1]] + [b"250 " + names[-1]]
        if self.answer("EHLO", line, b"\r\n".join(lines) + b"\r\n"):
            self.session.reset()
            self.session.helo = line[5:].decode("latin-1")

    def do_helo(self, line):
        if self.answer("HELO", line, b"250 sink.example.org\r\n"):
            self.session.reset()
            self.session.helo = line[5:].decode("latin-1")

    def do_mail(self, line):
        if self.session.sender is not None:
            self.stream.sendall(b"503 5.5.1 nested MAIL\r\n")
        elif self.answer("MAIL", line, b"250 2.1.0 ok\r\n"):
            self.session.sender, self.session.mail_params = path_of(line.partition(b":")[2])

    def do_rcpt(self, line):
        address = path_of(line.partition(b":")[2])[0]
        if self.session.sender is None:
            self.stream.sendall(b"503 5.5.1 MAIL first\r\n")
        elif self.answer("RCPT", line, b"250 2.1.5 ok\r\n"):
            self.session.recipients.append(address)
        else:
            self.session.refused.append(address)

    def do_data(self, line):
        if not self.session.recipients:
            self.stream.sendall(b"503 5.5.1 RCPT first\r\n")
        elif self.answer("DATA", line, b"354 go on\r\n"):
            self.content()
        else:
            self.session.reset()

    def content(self):
        # A content of no lines ends in a dot that follows the 354 at once.
        self.buffer[:0] = b"\r\n"
        raw = self.take_until(b"\r\n.\r\n")[2:-3]
        content = re.sub(rb"(^|\r\n)\.", rb"\1", raw)
        record = self.sink.new_record(self.session, content)
        try:
            record["accepted"] = self.answer("CONTENT", b"", b"250 2.0.0 ok\r\n")
        finally:
            self.sink.keep(record)
            self.session.reset()

    def do_rset(self, line):
        self.session.reset()
        self.answer("RSET", line, b"250 2.0.0 ok\r\n")

    def do_noop(self, line):
        self.answer("NOOP", line, b"250 2.0.0 ok\r\n")

    def do_quit(self, line):
        self.answer("QUIT", line, b"221 2.0.0 bye\r\n")
        raise Closed


class Sink:
    """Listens on a free port of 127.0.0.1 until stop()."""

    def __init__(self, rules=(), extensions=EXTENSIONS, host="127.0.0.1", port=0, out=None):
        self.rules = list(rules)
        self.extensions = tuple(extensions)
        self.out = out
        self.lock = threading.Lock()
        self.records, self.commands, self.threads, self.streams = [], [], [], []
        self.transactions = self.connections = 0
        self.listener = socket.create_server((host, port), backlog=64)
        self.host, self.port = self.listener.getsockname()[:2]
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            connection = Connection(self, stream, self.connections)
            thread = threading.Thread(target=connection.run, daemon=True)
            self.threads.append(thread)
            self.streams.append(stream)
            thread.start()

    def rule_for(self, stage, line):
        with self.lock:
            # Every rule counts, also behind the one that wins.
            taken = [rule for rule in self.rules if rule.takes(stage, line)]
            return taken[0] if taken else None

    def note_command(self, line):
        with self.lock:
            self.commands.append(line)

    def new_record(self, session, content):
        with self.lock:
            self.transactions += 1
            return {
                "transaction": self.transactions,
                "connection": session.number,
                "helo": session.helo,
                "sender": session.sender,
                "mail_params": session.mail_params,
                "recipients": list(session.recipients),
                "refused": list(session.refused),
                "size": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
                "accepted": False,
                "content_base64": base64.b64encode(content).decode(),
            }

    def keep(self, record):
        with self.lock:
            self.records.append(record)
            if self.out:
                self.out.write(json.dumps(record) + "\n")
                self.out.flush()

    def take(self, seconds=10):
        """All records since the last call, once every connection has ended."""
        deadline = time.monotonic() + seconds
        for thread in list(self.threads):
            thread.join(max(0, deadline - time.monotonic()))
            assert not thread.is_alive(), "a client left its connection open"
        with self.lock:
            self.threads, self.streams = [], []
            taken, self.records = self.records, []
            return taken

    def take_commands(self):
        with self.lock:
            taken, self.commands = self.commands, []
            return taken

    def stop(self):
        for stream in [self.listener, *self.streams]:
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            stream.close()
        self.acceptor.join(5)
        for thread in self.threads:
            thread.join(5)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--port-file")
    parser.add_argument("--out", required=True)
    parser.add_argument("--content", action="store_true", help="always on")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with open(options.out, "a", encoding="ascii") as out:
        sink = Sink(host=host, port=int(port), out=out)
        if options.port_file:
            # Renamed into place: whoever waits for the file finds the whole number in it.
            with open(options.port_file + ".new", "w", encoding="ascii") as port_file:
                port_file.write(f"{sink.port}\n")
            os.rename(options.port_file + ".new", options.port_file)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        sink.stop()


if __name__ == "__main__":
    main()
