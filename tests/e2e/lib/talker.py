# SPDX-License-Identifier: MIT
"""An SMTP server for what a script cannot say: at one phase of the dialogue it hands the stream to an act."""

import socket
import ssl
import threading
import time
from dataclasses import dataclass, field

EXTENSIONS = ("PIPELINING", "CHUNKING", "SIZE")


@dataclass
class Act:
    """What a phase does with its connections: how long until the client hung up, and how much was sent."""

    phase: str
    play: object  # play(stream) until the client goes; returns octets sent
    seconds: list = field(default_factory=list)
    sent: list = field(default_factory=list)

    def on(self, stream):
        begun = time.monotonic()
        sent = self.play(stream)
        self.sent.append(sent)
        self.seconds.append(time.monotonic() - begun)


def flood(chunk, most=1 << 26):
    """Sends chunk again and again."""

    def play(stream):
        sent = 0
        stream.settimeout(10)
        try:
            while sent < most:
                sent += stream.send(chunk)
        except OSError:
            pass
        return sent

    return play


def drip(octets, pause=1.0):
    """Sends one octet after the other."""

    def play(stream):
        stream.settimeout(pause)
        for at in range(len(octets)):
            try:
                stream.send(octets[at : at + 1])
                until = time.monotonic() + pause
                while time.monotonic() < until:
                    if not stream.recv(65536):
                        return at
            except (socket.timeout, ssl.SSLWantReadError):
                continue
            except OSError:
                return at
        return len(octets)

    return play


class Gone(Exception):
    """The connection is used up."""


class Talker:
    """Listens; each connection has a thread."""

    def __init__(self, act, extensions=EXTENSIONS, certificate=None, wrapped=False):
        self.act, self.extensions, self.wrapped = act, extensions, wrapped
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.serve, args=(stream,), daemon=True))
            self.threads[-1].start()

    def serve(self, stream):
        try:
            Dialogue(self, stream).run()
        except (Gone, OSError, ValueError):
            pass
        finally:
            stream.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


class Dialogue:
    def __init__(self, talker, stream):
        self.talker, self.stream, self.data = talker, stream, b""
        self.stream.settimeout(30)

    def run(self):
        if self.talker.wrapped:
            self.secure()
        self.reach("greeting")
        self.say("220 talker ESMTP")
        while True:
            words = self.line().upper().split()
            verb = words[0].decode() if words else ""
            if verb == "BDAT":
                self.take(int(words[1]))
            self.reach(verb)
            if self.answer(verb):
                return

    def answer(self, verb):
        """True behind the last."""
        replies = {"MAIL": "250 ok", "RCPT": "250 ok", "BDAT": "250 ok", "RSET": "250 ok", "QUIT": "221 bye", "AUTH": "235 ok"}
        if verb in ("EHLO", "LHLO"):
            offers = ["talker", *self.talker.extensions]
            self.say("\r\n".join(f"250-{word}" for word in offers[:-1]) + f"\r\n250 {offers[-1]}")
        elif verb == "STARTTLS":
            self.say("220 go on")
            self.secure()
        elif verb == "DATA":
            self.say("354 go on")
            while b"\r\n.\r\n" not in self.data:
                self.more()
            self.data = self.data[self.data.index(b"\r\n.\r\n") + 5 :]
            self.reach("end")
            self.say("250 ok")
        else:
            self.say(replies.get(verb, "502 what?"))
        return verb == "QUIT"

    def reach(self, phase):
        if phase == self.talker.act.phase:
            self.talker.act.on(self.stream)
            raise Gone

    def secure(self):
        self.reach("TLS")
        self.stream = self.talker.context.wrap_socket(self.stream, server_side=True)
        self.data = b""

    def more(self):
        got = self.stream.recv(65536)
        if not got:
            raise Gone
        self.data += got

    def take(self, size):
        while len(self.data) < size:
            self.more()
        self.data = self.data[size:]

    def line(self):
        while b"\r\n" not in self.data:
            self.more()
        line, _, self.data = self.data.partition(b"\r\n")
        return line

    def say(self, text):
        self.stream.sendall(text.encode() + b"\r\n")
