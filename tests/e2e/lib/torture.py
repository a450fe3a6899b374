# SPDX-License-Identifier: MIT
"""Runs of the command in which one call fails (tests/torture/shim.c), and what may become of one."""

import errno
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field

from . import certs
from .campaign import KINDS
from .command import REPOSITORY, bulkmail, is_sanitized

SOURCE = REPOSITORY / "tests" / "torture" / "shim.c"
ERRNOS = ("EINTR", "EAGAIN", "ENOMEM", "EMFILE", "EPIPE", "ECONNRESET")
SECONDS = 30

# What the command may end with when something failed (bulkmail(1)); a conf error is none of it.
FAILED = {0, 1, 65, 66, 69, 71, 74, 75}
NOTHING_SENT = {64, 65, 66, 78}

# What is wrong with the value of an attribute when its file cannot be read.
UNREAD = ("ca-good.pem: no CA ", "ca-good.pem cannot be read", "cannot read the password file secret")

# What a signal or a full buffer does to these the system itself never does to a regular file: the outcome is the same.
WAITS = ("epoll_wait", "epoll_pwait", "poll")
MOVES = ("sendto", "sendmsg", "recvfrom", "recvmsg", "writev")

# A sanitizer has its own malloc, and reads and maps what it needs for itself: these fail under one.
SOCKETS = ("socket", "connect", "sendto", "sendmsg", "recvfrom", "recvmsg", "getsockopt", "setsockopt")

# Libraries that end the process on purpose: libuv has no way to say that its table of descriptors cannot grow, or that
# epoll cannot watch one (decision 19).
ABORTS = {(call, "libuv") for call in ("memory", "epoll_ctl", "epoll_wait", "epoll_pwait", "pipe2", "read", "write")}

# OpenSSL 3.0 loses a few blocks of its own where it runs out of memory, and does not always say that it did.
CRYPTO_LOSES = 64

# glibc 2.36 asserts, or follows a NULL, where its name service finds no memory for its tables. OpenSSL 3.0 may
# free something twice at exit, when all is told, because there was no memory for it once. Where
# libgsasl 2.2 finds no memory to make its list of mechanisms it follows a NULL to undo it.
CRASHES = {("memory", "getaddrinfo"), ("memory", "OPENSSL_cleanup"), ("memory", "gsasl_register")}


def shim():
    path = pathlib.Path(os.environ.get("BUILD_DIR", REPOSITORY / "build")) / "tests" / "torture" / "libtorture.so"
    assert path.exists(), f"{path} is missing: build with -Dtests=true"
    return path.absolute()


def preloaded(report, only=None):
    """What the environment of a process needs for a report of it. only: the system calls that are looked at."""
    report.write_bytes(bytes(4096))
    told = {"LD_PRELOAD": str(shim()), "TORTURE_REPORT": str(report)}
    return told if only is None else {**told, "TORTURE_ONLY": "".join(f"{name} " for name in only)}


def counters():
    names = re.findall(r"^\tX\((\w+)\)", SOURCE.read_text(), re.MULTILINE)
    return [*names, "memory", "pthread_create"]


@dataclass
class Script:
    """A campaign: what its server does, and what it is told."""

    name: str
    options: list
    rules: list = field(default_factory=list)
    sink: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    records: int = 8
    status: int = 0
    servers: int = 1
    steady: bool = True  # each run has the same outcomes
    signalled: bool = False  # SIGTERM comes behind the first transaction
    settles_after: float = 0  # the sinks are slower than their clients


@dataclass(frozen=True)
class Fault:
    call: str
    at: int
    error: str

    def environment(self):
        code = str(getattr(errno, self.error))
        return {"TORTURE_CALL": self.call, "TORTURE_AT": str(self.at), "TORTURE_ERRNO": code}

    def is_harmless(self):
        """It is part of every day and must change nothing."""
        return self.error == "EINTR" and self.call in WAITS + MOVES or self.error == "EAGAIN" and self.call in MOVES


@dataclass
class Report:
    """What the shim saw."""

    counts: dict
    failed: bool
    ended: bool
    leaks: int
    crypto: int
    place: str
    leak: str
    within: str
    received: int
    peak_kib: int
    descriptors: int

    @classmethod
    def read(cls, path):
        data = path.read_bytes()
        names = counters()
        counts = dict(zip(names, struct.unpack_from("64Q", data)))
        failed, ended, leaks, crypto = struct.unpack_from("4Q", data, 512)
        texts = (data[at : at + 64].split(b"\0")[0].decode() for at in (544, 608, 672))
        return cls(counts, bool(failed), bool(ended), leaks, crypto, *texts, *struct.unpack_from("3Q", data, 736))


class Bench:
    """One script with its sinks: it can be run again and again."""

    def __init__(self, script, folder, sink_of):
        self.script, self.folder = script, folder
        self.write("secret", "open sesame\n")
        self.sinks = []
        options = [self.fill(option) for option in script.sink]
        self.sinks = [sink_of(*script.rules, options=options) for _ in range(script.servers)]
        self.read = [0] * len(self.sinks)
        for name, text in script.files.items():
            self.write(name, self.fill(text))

    def write(self, name, text):
        path = self.folder / name
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        path.chmod(0o600)

    def fill(self, text):
        """With ports, and the paths of files that are made when they are asked for."""
        if text in ("CERT", "KEY"):
            return certs.certificate()[text == "KEY"]
        if text == "SECRET":
            return str(self.folder / "secret")
        text = text.replace("tls_ca_file=CA", "tls_ca_file=" + certs.ca()) if "=CA" in text else text
        for number, sink in enumerate(self.sinks):
            text = text.replace(f"PORT{number}", str(sink.port))
        return text

    def run(self, environment):
        """Returns status, stderr, what the shim saw, and how often the sinks took each recipient."""
        for name in ("outcomes", "report", "shim"):
            (self.folder / name).unlink(missing_ok=True)
        arguments = [bulkmail(), *(self.fill(str(option)) for option in self.script.options)]
        told = {**os.environ, **preloaded(self.folder / "shim", SOCKETS if is_sanitized() else None)}
        told |= {"TORTURE_LEAKS": "1", **environment}
        child = subprocess.Popen(
            arguments, cwd=self.folder, env=told, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            said = self.wait(child)
        finally:
            child.kill()
            child.wait()
        time.sleep(self.script.settles_after)
        taken = sum((self.taken(number) for number in range(len(self.sinks))), Counter())
        return Run(self.script, child.returncode, said, Report.read(self.folder / "shim"), taken, *self.written())

    def wait(self, child):
        deadline = time.monotonic() + SECONDS
        while self.script.signalled and child.poll() is None and time.monotonic() < deadline:
            if any(sink.record.exists() and sink.record.stat().st_size > at for sink, at in zip(self.sinks, self.read)):
                child.send_signal(signal.SIGTERM)
                break
            time.sleep(0.002)
        return child.communicate(timeout=SECONDS)[1].decode("utf-8", "replace")

    def written(self):
        outcomes, report = self.folder / "outcomes", self.folder / "report"
        text = outcomes.read_text() if outcomes.exists() else ""
        rows = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return rows, json.loads(report.read_text()) if report.exists() else None

    def probe(self, stream):
        if "--tls-wrapper" not in self.script.sink:
            return stream
        context = ssl.create_default_context(cafile=certs.ca())
        return context.wrap_socket(stream, server_hostname="127.0.0.1")

    def taken(self, number):
        """Of this run. What the dead left in a socket has been read when a later connection is answered."""
        sink = self.sinks[number]
        with socket.create_connection(("127.0.0.1", sink.port), timeout=10) as stream:
            with self.probe(stream) as probe:
                probe.recv(1000)
                probe.sendall(b"NOOP\r\n")
                probe.recv(1000)
        with open(sink.record, "rb") as record:
            record.seek(self.read[number])
            data = record.read()
        self.read[number] += len(data)
        lines = [json.loads(line) for line in data.splitlines()]
        wrong = [line for line in lines if line.get("violations") or "violation" in line]
        assert not wrong, wrong
        return Counter(to for line in lines if line.get("accepted") for to in line["recipients"])


@dataclass
class Run:
    script: Script
    status: int
    said: str
    shim: Report
    taken: Counter
    rows: list
    report: dict

    def kinds(self):
        return sorted((row["seq"], row["outcome"]) for row in self.rows)

    def is_known_abort(self, fault):
        place = (fault.call, self.shim.place.split(".")[0])
        if place in ABORTS:
            return self.status == -signal.SIGABRT
        return self.status < 0 and (fault.call, self.shim.within) in CRASHES

    def check_claims(self):
        """What is said of a recipient is so."""
        seqs = [row["seq"] for row in self.rows]
        assert len(set(seqs)) == len(seqs), "two outcomes of one record"
        by_address = {}
        for row in self.rows:
            by_address.setdefault(row["address"], []).append(row["outcome"])
        for address, kinds in by_address.items():
            accepted, open_ones = kinds.count("accepted"), kinds.count("in_doubt")
            # Where the outcomes could not be written, one may be missing.
            most = accepted + open_ones + (self.status == 74)
            assert accepted <= self.taken[address] <= most, (address, kinds, self.taken[address])

    def check_sums(self):
        if self.report is not None:
            assert sum(self.report[kind] for kind in KINDS) == self.report["recipients"], self.report
        if self.status in (0, 1, 69, 75) and "outcomes" in self.script.options:
            assert self.report is None or len(self.rows) == self.report["recipients"], (self.rows, self.report)

    def check_nobody_lost(self):
        """Who has the message is named, but where the file of the outcomes itself could not be written."""
        named = {row["address"] for row in self.rows}
        lost = set(self.taken) - named
        told = self.status == 74 or all(address in self.said for address in lost)
        assert not lost or "outcomes" not in self.script.options or told, (lost, self.status, self.said)

    def check(self, fault, calm):
        """After a fault; calm is the run without."""
        assert self.status >= 0, f"signal {-self.status}: {self.shim.place} {self.said[:3000]}"
        crypto = fault.call == "memory" and self.shim.place.startswith(("libcrypto", "libssl"))
        # Files that an attribute names, whatever is wrong with them; OpenSSL does not always say what.
        unread = fault.call in ("openat", "newfstatat", "read") and any(what in self.said for what in UNREAD)
        assert self.status in FAILED or (crypto or unread) and self.status == 78, (self.status, self.said)
        usual = self.status in (0, 1, 75) or fault.call == "write"
        assert usual or self.said.strip() not in ("", "bulkmail:"), f"status {self.status}, and nothing is said"
        assert not self.taken or self.status not in NOTHING_SENT, (self.status, self.said)
        self.check_claims()
        self.check_sums()
        self.check_nobody_lost()
        if self.shim.ended:
            assert self.shim.leaks == 0, f"{self.shim.leaks} leaks, one from {self.shim.leak}"
            # libuv 1.44 leaves its epoll open when it cannot make a loop.
            most = calm.shim.descriptors + (fault.call in ("eventfd2", "pipe2") and self.shim.place.startswith("libuv"))
            assert self.shim.descriptors <= most, f"{self.shim.descriptors} descriptors are left open, not {most}"
            lost = self.shim.crypto - calm.shim.crypto
            assert lost <= (CRYPTO_LOSES if crypto else 0), f"{lost} blocks of OpenSSL's leak"
        if fault.is_harmless() and self.script.steady:
            assert (self.status, self.kinds()) == (calm.status, calm.kinds()), self.said
