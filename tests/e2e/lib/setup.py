# SPDX-License-Identifier: MIT
"""One set-up that both the original and `bulkmail send` run: the same conf files, server
file, list and message, against the same recording sinks, one program after the other."""

import base64
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass, field

from . import command, content
from .pysink import Sink

DRIVER = pathlib.Path(__file__).resolve().parents[1] / "original" / "run_original.pl"
ORIGINAL_SECONDS = 20


@dataclass
class Setup:
    name: str
    list: bytes
    servers: list = field(default_factory=lambda: [{}])  # attributes of each, for the server file
    campaign: dict = field(default_factory=dict)  # package Mail::Bulkmail
    defaults: dict = field(default_factory=dict)  # package Mail::Bulkmail::Server, in the master conf
    body: bytes = b"Hello,\n\nthis is the news.\n"
    banned: bytes = None
    given: dict = field(default_factory=dict)  # attributes by option and by constructor
    rules: list = field(default_factory=list)  # of each server, faults that it plays
    dead: tuple = ()  # indexes of servers that nobody listens for
    ours: tuple = ()  # further options for `bulkmail send`
    original: tuple = ()  # further options for the driver of the original
    sink: type = Sink  # what records
    seconds: int = ORIGINAL_SECONDS  # the original is ended after these


@dataclass
class Transaction:
    sender: str
    recipients: list
    content: bytes  # without the headers that may differ
    raw: bytes
    accepted: bool
    connection: int

    def key(self):
        return (self.sender, tuple(self.recipients), self.content)


@dataclass
class Run:
    """What one program did with a set-up."""

    servers: list  # of each server the accepted transactions
    attempts: list  # of each server all transactions that came to their end of data
    commands: list  # of each server the commands
    good: list
    bad: list
    good_bytes: bytes
    bad_bytes: bytes
    errors: str
    status: int = None
    returned: bool = None
    errcode: str = ""
    timed_out: bool = False
    signal: int = 0
    sent: command.Sent = None

    def recipients(self):
        return [address for server in self.servers for one in server for address in one.recipients]


OPTION_OF = {
    "Subject": "--subject",
    "From": "--from",
    "To": "--to",
    "Sender": "--sender",
    "ReplyTo": "--reply-to",
    "use_envelope": "--use-envelope",
}


def attribute_lines(attributes):
    """A list becomes `@=` lines."""
    for name, value in attributes.items():
        if isinstance(value, (list, tuple)):
            yield from (f"{name} @= {one}" for one in value)
        else:
            yield f"{name} = {value}"


class Bench:
    """The files and sinks of one set-up, in a folder of its own."""

    def __init__(self, setup, folder):
        self.setup = setup
        self.folder = folder
        self.sinks = []
        self.ports = []

    def __enter__(self):
        try:
            for index in range(len(self.setup.servers)):
                self._start_sink(index)
            self._write_files()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start_sink(self, index):
        rules = self.setup.rules
        sink = self.setup.sink(rules=rules[index] if index < len(rules) else ())
        self.sinks.append(sink)
        self.ports.append(sink.port)
        if index in self.setup.dead:
            sink.stop()

    def __exit__(self, *_):
        for sink in self.sinks:
            sink.stop()

    def _write_files(self):
        (self.folder / "list.txt").write_bytes(self.setup.list)
        (self.folder / "body.txt").write_bytes(self.setup.body)
        if self.setup.banned is not None:
            (self.folder / "banned.txt").write_bytes(self.setup.banned)
        (self.folder / "servers.conf").write_text("\n".join(self._server_lines()) + "\n", encoding="utf-8")
        (self.folder / "master.conf").write_text("\n".join(self._master_lines()) + "\n", encoding="utf-8")
        # The original reads a conf file again, and appends its lists again, while it is younger than the process.
        for path in self.folder.iterdir():
            os.utime(path, (time.time() - 3600,) * 2)

    def _server_lines(self):
        yield "# one value a server, in their order"
        yield "define package Mail::Bulkmail::Server"
        for port in self.ports:
            yield from attribute_lines({"Smtp": ["127.0.0.1"], "Port": [port]})
        # The n-th value is the n-th server's: a server without a limit needs a value too.
        for name in dict.fromkeys(name for server in self.setup.servers for name in server):
            yield from attribute_lines({name: [server.get(name, 0) for server in self.setup.servers]})

    def _master_lines(self):
        campaign = {
            "server_class": "Mail::Bulkmail::Server",
            "LIST": self.folder / "list.txt",
            "GOOD": "good.txt",
            "BAD": "bad.txt",
            "ERRFILE": "errors.txt",
            "From": "news@lists.example.org",
            "Subject": "The news",
            "Message": self.folder / "body.txt",
            "message_from_file": "1",
            "use_envelope": "0",
            **({"banned": self.folder / "banned.txt"} if self.setup.banned is not None else {}),
            **self.setup.campaign,
        }
        server = {
            "Domain": "client.example.org",
            "Tries": "2",
            "server_file": self.folder / "servers.conf",
            **self.setup.defaults,
        }
        yield "define package Mail::Bulkmail"
        yield from attribute_lines({name: value for name, value in campaign.items() if value is not None})
        yield "define package " + campaign["server_class"]
        yield from attribute_lines(server)

    def _cwd(self, name):
        cwd = self.folder / name
        cwd.mkdir()
        return cwd

    def _collect(self, cwd, **more):
        for sink in self.sinks:
            # The next program meets the same faults from their beginning.
            for rule in sink.rules:
                rule.seen = 0
        records = [sink.take() for sink in self.sinks]
        commands = [sink.take_commands() for sink in self.sinks]
        # `bulkmail sink` records also what never came to its end of data: without a content.
        attempts = [[transaction_of(one) for one in taken if "content_base64" in one] for taken in records]
        good, bad = read_bytes(cwd / "good.txt"), read_bytes(cwd / "bad.txt")
        return Run(
            servers=[[one for one in taken if one.accepted] for taken in attempts],
            attempts=attempts,
            commands=commands,
            good=lines_of(good),
            bad=lines_of(bad),
            good_bytes=good,
            bad_bytes=bad,
            errors=read_bytes(cwd / "errors.txt").decode("utf-8", "replace"),
            **more,
        )

    def run_original(self):
        cwd = self._cwd("original")
        arguments = ["timeout", "-k", "1", str(self.setup.seconds), "/usr/bin/perl", str(DRIVER)]
        arguments += ["--conf", str(self.folder / "master.conf"), *self.setup.original]
        arguments += [f"{name}={value}" for name, value in self.setup.given.items()]
        done = subprocess.run(
            arguments,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            timeout=self.setup.seconds + 10,
        )
        said = dict(line.split(": ", 1) for line in done.stdout.decode("latin-1").splitlines() if ": " in line)
        return self._collect(
            cwd,
            status=done.returncode,
            returned=said.get("returned") == "1",
            errcode=said.get("errcode", ""),
            timed_out=done.returncode in (124, 137),
            # timeout(1) ends itself with the signal that ended its child
            signal=max(0, -done.returncode),
        )

    def run_ours(self, *more):
        run = self.run_ours_dummy(*more)
        check_totals(self.setup, run)
        return run

    def run_ours_dummy(self, *more):
        """The same where no sink is asked what came."""
        cwd = self._cwd("ours")
        options = ["--conf", self.folder / "master.conf"]
        for name, value in self.setup.given.items():
            options += [OPTION_OF[name], value]
        sent = command.send([*options, *self.setup.ours, *more], cwd)
        return self._collect(cwd, status=sent.status, returned=sent.status in (0, 1), sent=sent)


def transaction_of(record):
    raw = base64.b64decode(record["content_base64"])
    return Transaction(
        record["sender"], record["recipients"], content.normal(raw), raw, record["accepted"], record["connection"]
    )


def read_bytes(path):
    return path.read_bytes() if os.path.exists(path) else b""


def lines_of(text):
    return [line for line in text.replace(b"\r\n", b"\n").split(b"\n") if line]


def records_of(text):
    """The list's records: blank lines are none."""
    return [line.strip() for line in text.split(b"\n") if line.strip()]


def check_totals(setup, run):
    """What holds of every campaign of ours, whatever the faults."""
    rows, records = run.sent.outcomes, records_of(setup.list)
    assert run.sent.report, f"no report; status {run.status}: {run.sent.stderr}"
    assert sorted(row["seq"] for row in rows) == list(range(1, len(records) + 1)), run.sent.stderr
    assert run.sent.report["recipients"] == len(records)
    for kind, count in run.sent.counts().items():
        assert run.sent.report[kind] == count, kind
    accepted = [address.lower() for address in run.sent.of_kind("accepted")]
    assert sorted(accepted) == sorted(address.lower() for address in run.recipients())
    assert sorted(run.good) == sorted(records[row["seq"] - 1] for row in rows if row["outcome"] == "accepted")
    not_sent = ("invalid", "duplicate", "banned")
    assert sorted(run.bad) == sorted(records[row["seq"] - 1] for row in rows if row["outcome"] in not_sent)
