# SPDX-License-Identifier: MIT
"""`bulkmail sink` with its script, and the oracle: outcomes joined with the sinks' records."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass

import pytest

from . import certs
from .command import bulkmail
from .waiting import Process, wait_until

# sysexits.h, as bulkmail(1) uses it
OK, NOT_ALL, USAGE, BAD_DATA, MISSING, NO_SERVER, IO, LATER, CONF = 0, 1, 64, 65, 66, 69, 74, 75, 78

KINDS = ("accepted", "refused", "deferred", "invalid", "duplicate", "banned", "in_doubt", "unsent")

MESSAGE = b"From: news@lists.example.org\nTo: all@lists.example.org\nSubject: News\n\nHello.\nThis is the news.\n"

# A deferred recipient is tried again at once, and a server after its failures.
SOON = ("--set", "retry_delay=0")


class ScriptSink:
    """`bulkmail sink` with rules, each a dict of bulkmail-sink(5).

    tls: a kind of lib.certs; wrapper: before the greeting. login: (mechanisms, user, password). unix: it listens on the
    socket self.path.
    """

    def __init__(
        self, rules=(), options=(), host="127.0.0.1", port=0, tls=None, wrapper=False, login=None, lmtp=False, unix=False
    ):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="e2e-script-"))
        self.record = self.folder / "record"
        self.host = f"[{host}]" if ":" in host else host
        self.rules = rules
        self.path = self.folder / "socket" if unix else None
        self.options = list(options) + ["--lmtp"] * lmtp + ["--tls-wrapper"] * wrapper
        if tls:
            cert, key = certs.certificate(tls)
            self.options += ["--tls-cert", cert, "--tls-key", key]
        if login:
            secret = self.folder / "password"
            secret.write_text(login[2] + "\n", encoding="utf-8")
            self.options += ["--auth", login[0], "--user", login[1], "--password-file", secret]
        try:
            self.start(port)
        except BaseException:
            self.stop()
            raise

    def start(self, port=0):
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        script = self.folder / "script"
        script.write_text("".join(json.dumps(rule) + "\n" for rule in self.rules), encoding="ascii")
        where = f"unix:{self.path}" if self.path else f"{self.host}:{port}"
        arguments = [bulkmail(), "sink", "--listen", where, "--port-file", port_file]
        arguments += ["--out", self.record, *self.options]
        arguments += ["--script", script] if self.rules else []
        self.process = Process(arguments, self.folder / "log")
        wait_until(lambda: port_file.exists() or not self.process.is_alive(), 20, "the sink writes its port")
        assert self.process.is_alive(), self.process.output()
        self.port = 0 if self.path else int(port_file.read_text())

    @property
    def pid(self):
        return self.process.child.pid

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def lines(self):
        """All whole lines of the record."""
        text = self.record.read_bytes() if self.record.exists() else b""
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def transactions(self):
        return [line for line in self.lines() if "transaction" in line]

    def handshakes(self):
        """One line for each that came to an end: see RECORD in bulkmail-sink(5)."""
        return [line for line in self.lines() if "tls" in line and "transaction" not in line]

    def logins(self):
        return [line for line in self.lines() if "auth" in line]

    def taken(self):
        """How often each recipient's mail was accepted."""
        return Counter(to for one in self.transactions() if one["accepted"] for to in one["recipients"])

    def violations(self):
        """Names, of transactions and of lines of their own."""
        names = set()
        for line in self.lines():
            names.update(line.get("violations", ()))
            names.update([line["violation"]] if "violation" in line else ())
        return names

    def counters(self):
        """Ends the sink in good order and reads its last words: connections, transactions …"""
        self.process.stop()
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", self.process.output())}

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.process.child.wait(10)

    def stop(self):
        if hasattr(self, "process"):
            self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sinks:
    """Makes sinks and ends them all with the test."""

    def __init__(self):
        self.made = []

    def __call__(self, *rules, **options):
        self.made.append(ScriptSink(rules, **options))
        return self.made[-1]

    def stop(self):
        for sink in self.made:
            sink.stop()


@pytest.fixture
def sink_of():
    made = Sinks()
    yield made
    made.stop()


def addresses(count, domain="x.example.org"):
    return [f"r{number}@{domain}" for number in range(1, count + 1)]


def write_list(folder, lines, name="list"):
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_message(folder, content=MESSAGE, name="message.eml"):
    path = folder / name
    path.write_bytes(content)
    return path


def options_for(folder, sinks, lines, content=MESSAGE):
    """The options of send that name servers, list and message."""
    options = [option for sink in sinks for option in ("--server", sink if isinstance(sink, str) else sink.address)]
    return [*options, "--list", write_list(folder, lines), "--message", write_message(folder, content)]


@dataclass
class Done:
    status: int
    stdout: str
    stderr: str

    def outcomes(self):
        """What --outcomes - wrote."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def run(*arguments, cwd=None, given=b"", seconds=30, env=None):
    """One run of the command to its end."""
    done = subprocess.run(
        [bulkmail(), *map(str, arguments)],
        cwd=cwd,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=seconds,
        env={**os.environ, **(env or {})},
    )
    return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def start(arguments, folder, **options):
    """A run that goes on beside the test; its output is in folder/log."""
    return Process([bulkmail(), *arguments], folder / "log", **options)


def read_outcomes(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_sums(rows, report, records):
    """Every record has one outcome, and the report counts them."""
    assert sorted(row["seq"] for row in rows) == list(range(1, records + 1)), "a record without one outcome"
    assert report["recipients"] == records, report
    counted = Counter(row["outcome"] for row in rows)
    assert {kind: report[kind] for kind in KINDS} == {kind: counted[kind] for kind in KINDS}, (report, counted)


def check_sinks(rows, sinks):
    """Accepted is exactly once at a sink, in doubt at most once, all else never."""
    taken = sum((sink.taken() for sink in sinks), Counter())
    by_address = {}
    for row in rows:
        by_address.setdefault(row["address"], []).append(row["outcome"])
    wrong = {to: (kinds, taken[to]) for to, kinds in by_address.items() if not agrees(kinds, taken[to])}
    assert not wrong, dict(list(wrong.items())[:10])
    assert set(taken) <= set(by_address), set(taken) - set(by_address)


def agrees(kinds, times):
    accepted, in_doubt = kinds.count("accepted"), kinds.count("in_doubt")
    return accepted <= times <= accepted + in_doubt


def check(sent, sinks, records, violations=()):
    """The oracle of a campaign that command.send ran."""
    assert sent.report, f"no report; status {sent.status}: {sent.stderr}"
    check_sums(sent.outcomes, sent.report, records)
    check_sinks(sent.outcomes, sinks)
    unexpected = set().union(*(sink.violations() for sink in sinks)) - set(violations)
    assert not unexpected, unexpected
