# SPDX-License-Identifier: MIT
"""What is measured: the tables of docs/performance.md."""

import shutil
import socket
import statistics
import sys
from dataclasses import dataclass, field

import senders
from measure import Failed
from senders import MODES, Work, bulkmail

PACE = 50  # how many times slower the slow server is
FOUR_CONNECTIONS = 8  # to each of the four servers
GROWTH_BUDGET = 60  # seconds for the runs of one size; one run is made in any case
MEBIBYTE = 1 << 20


@dataclass
class Grid:
    """All senders, for each number of connections."""

    title: str
    size: int
    recipients: int = 1
    round_trip_ms: int = 0
    connections: tuple = (1, 20)
    personal: tuple = MODES  # modes of bulkmail with a CSV list
    plain: tuple = ()  # and with plain addresses
    rows: dict = field(default_factory=dict)  # connections: list of Figures
    left_out: dict = field(default_factory=dict)  # sender: why

    def senders(self, quick):
        ours = [bulkmail(mode, True) for mode in self.personal] + [bulkmail(mode, False) for mode in self.plain]
        everyone = senders.peers() + senders.limits() + ours
        if not quick:
            return everyone
        names = ("smtp-source", "limit, group", "limit, stream")
        return [one for one in everyone if one.name in names or one.mode in ("message", "stream", "auto")]

    def measure(self, bench, quick, like):
        # A look: many connections without a delay, one with it.
        at = slice(0, 1) if self.round_trip_ms else slice(-1, None)
        for connections in self.connections[at] if quick else self.connections:
            self.rows[connections] = []
            for sender in self.senders(quick):
                if sender.one_connection and connections > 1 or like and like not in sender.name:
                    continue
                self.measure_row(bench, sender, connections)

    def measure_row(self, bench, sender, connections):
        missing = sender.needs()
        work = Work(1, connections, self.recipients, self.size)
        try:
            if missing:
                raise Failed(missing)
            figures = bench.figures(sender, work, round_trip_ms=self.round_trip_ms)
            if not self.round_trip_ms:
                figures.calls = bench.calls(sender, work, figures.recipients)
        except Failed as error:
            self.left_out[sender.name] = str(error)
            say(f"  {sender.name}, {connections} connections: left out: {error}")
            return
        self.rows[connections].append(figures)
        say(f"  {sender.name}, {connections} connections: {figures.rate:,.1f}/s, {figures.cpu_us:.2f} µs CPU")

    def find(self, name, connections):
        return next((row for row in self.rows.get(connections, ()) if row.sender == name), None)


@dataclass
class Size:
    """How much a list of that size costs."""

    recipients: int
    checked: bool
    runs: int
    seconds: float  # of the whole process, less one with few recipients
    cpu: float
    peak: float


@dataclass
class Growth:
    title: str
    sizes: tuple = (10_000, 100_000, 1_000_000, 10_000_000)
    rows: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)

    def measure(self, bench, quick, like):
        del like
        for size in self.sizes[:2] if quick else self.sizes:
            for checked in (False, True):
                self.measure_row(bench, size, checked)
            bench.made.forget(bench.made.list(size, False))

    def measure_row(self, bench, size, checked):
        # The last word on an attribute counts.
        sender = bulkmail("auto", False, *(("--set", "Trusting=") if checked else ()))
        few, many = Work(20, 20, 100, 2048), Work(size // 100, 20, 100, 2048)
        runs = []
        try:
            base = bench.run(sender, few)
            while len(runs) < bench.runs and sum(run.wall for run in runs) < GROWTH_BUDGET:
                runs.append(bench.run(sender, many))
        except Failed as error:
            self.left_out[f"{size:,} recipients, duplicates {'checked' if checked else 'trusted'}"] = str(error)
            say(f"  {size:,}: left out: {error}")
            return
        row = Size(
            recipients=size,
            checked=checked,
            runs=len(runs),
            seconds=statistics.median(run.wall for run in runs) - base.wall,
            cpu=statistics.median(run.cpu for run in runs) - base.cpu,
            peak=statistics.median(run.peak for run in runs),
        )
        self.rows.append(row)
        say(f"  {size:,}, checked {checked}: {row.seconds:.3f} s, {row.peak / MEBIBYTE:.1f} MiB")

    def find(self, recipients, checked):
        return next((row for row in self.rows if (row.recipients, row.checked) == (recipients, checked)), None)


@dataclass
class Together:
    """Two healthy servers alone, and the same two beside a dead and a slow one."""

    mode: str
    runs: int
    alone: float
    beside: float
    slow: float  # what the slow one took of it

    def ratio(self):
        return (self.beside - self.slow) / self.alone


@dataclass
class FourServers:
    title: str
    rows: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)

    def measure(self, bench, quick, like):
        del quick, like
        for mode in ("message", "stream"):
            try:
                row = self.measure_row(bench, bulkmail(mode, True))
            except Failed as error:
                self.left_out[f"bulkmail {mode}, CSV"] = str(error)
                say(f"  four servers, {mode}: left out: {error}")
                continue
            self.rows.append(row)
            say(f"  four servers, {mode}: {row.alone:,.0f}/s alone, {row.beside:,.0f}/s, ratio {row.ratio():.3f}")

    @staticmethod
    def measure_row(bench, sender):
        two = ((), ())
        count, run = bench.calibrate(sender, Work(1, FOUR_CONNECTIONS, 1, 2048), sinks=two)
        work = Work(count * 2, FOUR_CONNECTIONS, 1, 2048)
        slow = ("--pace-us", int(2e6 / run.rate() * PACE))
        with nobody() as dead:
            alone = [bench.run(sender, work, sinks=two) for _ in range(bench.runs)]
            beside = [bench.run(sender, work, sinks=(*two, slow), dead=(dead,)) for _ in range(bench.runs)]
        return Together(
            mode=sender.mode,
            runs=len(alone),
            alone=statistics.median(run.rate() for run in alone),
            beside=statistics.median(run.rate() for run in beside),
            slow=statistics.median(run.sinks[-1]["recipients"] / run.seconds for run in beside),
        )


class nobody:
    """A port that refuses: it is taken, but nobody listens."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    def __exit__(self, *_):
        self.socket.close()


def all_tables():
    return {
        "2k": Grid("2 kB, one recipient each", 2048, plain=MODES),
        "50k": Grid("50 kB, one recipient each", 51200, plain=("message", "stream")),
        "100-recipients": Grid("2 kB, 100 recipients an envelope", 2048, recipients=100, personal=(), plain=MODES),
        "20-ms": Grid("2 kB, 20 ms round trip", 2048, round_trip_ms=20),
        "100-ms": Grid("2 kB, 100 ms round trip", 2048, round_trip_ms=100),
        "growth": Growth("Growth with the list"),
        "four-servers": FourServers("Four servers, one dead, one slow"),
    }


QUICK = ("2k", "100-recipients", "20-ms", "growth", "four-servers")


def has_strace():
    return shutil.which("strace") is not None


def say(text):
    print(text, file=sys.stderr, flush=True)
