# SPDX-License-Identifier: MIT
"""What is measured: the tables of docs/performance.md."""

import shutil
import socket
import statistics
import subprocess
import sys
from dataclasses import dataclass, field

import senders
from measure import Failed, Figures
from senders import MODES, Work, bulkmail, handshakes

# What the others are held against.
BASIS = ("smtp-source", "limit, group", "limit, stream")
PACE = 50  # how many times slower the slow server is
FOUR_CONNECTIONS = 8  # to each of the four servers
FOUR_LENGTH = 6  # times the usual run: the rate is asked for, not how it begins and ends
GROWTH_BUDGET = 60  # seconds for the runs of one size; one run is made in any case
HANDSHAKES = 1500  # of a run
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
        return [one for one in everyone if one.name in BASIS or one.mode in ("message", "stream", "auto")]

    def measure(self, bench, quick, like):
        # A look: many connections without a delay, one with it.
        at = slice(0, 1) if self.round_trip_ms else slice(-1, None)
        for connections in self.connections[at] if quick else self.connections:
            everyone = [one for one in self.senders(quick) if like in one.name or one.name in BASIS]
            alone = connections == 1
            plans = [self.plan(bench, one, connections) for one in everyone if alone or not one.one_connection]
            plans = [plan for plan in plans if plan]
            bench.repeat(plans)
            self.rows[connections] = [row for row in (self.row(bench, plan) for plan in plans) if row]

    def plan(self, bench, sender, connections):
        missing = sender.needs()
        try:
            if missing:
                raise Failed(missing)
            work = Work(1, connections, self.recipients, self.size)
            return bench.plan(sender, work, round_trip_ms=self.round_trip_ms)
        except Failed as error:
            return self.leave_out(sender, error)

    def row(self, bench, plan):
        try:
            figures = plan.figures()
            if not self.round_trip_ms:
                figures.calls = bench.calls(plan.sender, plan.work)
        except Failed as error:
            return self.leave_out(plan.sender, error)
        say(f"  {figures.sender}, {plan.work.connections}: {figures.rate:,.1f}/s, {figures.cpu_us:.2f} µs CPU")
        return figures

    def leave_out(self, sender, error):
        self.left_out[sender.name] = str(error)
        say(f"  {sender.name} is left out: {error}")

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


def median_more(runs, bases, value):
    """By how much the median of the runs is above that of the bases."""
    return max(statistics.median(map(value, runs)) - statistics.median(map(value, bases)), 0.0)


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
            bench.made.clear()

    def measure_row(self, bench, size, checked):
        sender = bulkmail("auto", False, trusted=not checked)
        few, many = Work(20, 20, 100, 2048), Work(size // 100, 20, 100, 2048)
        bases, runs = [], []
        try:
            while len(runs) < bench.runs and sum(run.wall for run in runs) < GROWTH_BUDGET:
                bases.append(bench.run(sender, few))
                runs.append(bench.run(sender, many))
        except Failed as error:
            self.left_out[f"{size:,} recipients, duplicates {'checked' if checked else 'trusted'}"] = str(error)
            say(f"  {size:,}: left out: {error}")
            return
        row = Size(
            recipients=size,
            checked=checked,
            runs=len(runs),
            seconds=median_more(runs, bases, lambda run: run.wall),
            cpu=median_more(runs, bases, lambda run: run.cpu),
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
        work = Work(count * FOUR_LENGTH, FOUR_CONNECTIONS, 1, 2048)
        slow = ("--pace-us", int(2e6 / run.rate() * PACE))
        alone, beside = [], []
        with nobody() as dead:
            for _ in range(bench.runs):
                alone.append(bench.run(sender, work, sinks=two))
                beside.append(bench.run(sender, work, sinks=(*two, slow), dead=(dead,)))
        return Together(
            mode=sender.mode,
            runs=len(alone),
            alone=statistics.median(run.rate() for run in alone),
            beside=statistics.median(run.rate() for run in beside),
            slow=statistics.median(run.sinks[-1]["recipients"] / run.seconds for run in beside),
        )


@dataclass
class Secured:
    """The same work in clear and over TLS."""

    mode: str
    size: int
    plain: Figures
    secure: Figures


@dataclass
class Handshakes:
    sender: str
    resumed: bool
    runs: int
    rate: float
    lowest: float
    highest: float
    cpu_us: float


@dataclass
class Tls:
    title: str
    sizes: tuple = (2048, 51200)
    modes: tuple = ("message", "stream")
    rows: list = field(default_factory=list)
    handshakes: list = field(default_factory=list)
    left_out: dict = field(default_factory=dict)

    def measure(self, bench, quick, like):
        del like
        try:
            certificate = bench.made.certificate()
        except (OSError, subprocess.CalledProcessError) as error:
            self.left_out["TLS"] = f"the openssl command: {error}"
            return
        for size in self.sizes:
            for mode in self.modes:
                self.measure_bulk(bench, mode, size, ("--tls", certificate))
        for resumed in (False, True):
            option = "--tls" if resumed else "--tls-afresh"
            self.measure_handshakes(bench, resumed, (option, certificate), HANDSHAKES // 5 if quick else HANDSHAKES)

    def measure_bulk(self, bench, mode, size, options):
        work = Work(1, 20, 1, size)
        try:
            plain = bench.plan(bulkmail(mode, True), work)
            plain.sets_up = True
            plans = [plain, bench.plan_like(plain, bulkmail(mode, True, secure=True), sinks=(options,))]
            bench.repeat(plans)
            row = Secured(mode, size, *(plan.figures() for plan in plans))
        except Failed as error:
            self.left_out[f"{mode}, {size:,} octets"] = str(error)
            say(f"  {mode}, {size}: left out: {error}")
            return
        self.rows.append(row)
        say(f"  {mode}, {size}: {row.plain.rate:,.0f}/s in clear, {row.secure.rate:,.0f}/s over TLS")

    def measure_handshakes(self, bench, resumed, options, count):
        both = [handshakes(mode, resumed) for mode in ("openssl", "ours")]
        runs = {sender.name: [] for sender in both}
        try:
            bases = {sender.name: bench.shake(sender, count // 10, options) for sender in both}
            for _ in range(bench.runs):
                for sender in both:
                    runs[sender.name].append(bench.shake(sender, count, options))
        except Failed as error:
            self.left_out[f"handshakes, {'resumed' if resumed else 'full'}"] = str(error)
            say(f"  handshakes: left out: {error}")
            return
        for sender in both:
            self.handshakes.append(handshake_row(sender.name, resumed, count - count // 10, bases, runs))

    def find(self, mode, size):
        return next((row for row in self.rows if (row.mode, row.size) == (mode, size)), None)


def handshake_row(name, resumed, more, bases, runs):
    """Of the long runs less what the short one took."""
    rates = [more / max(run["wall_seconds"] - bases[name]["wall_seconds"], 1e-6) for run in runs[name]]
    cpu = statistics.median(run["cpu_seconds"] - bases[name]["cpu_seconds"] for run in runs[name])
    row = Handshakes(name, resumed, len(rates), statistics.median(rates), min(rates), max(rates), cpu / more * 1e6)
    say(f"  {name}, {'resumed' if resumed else 'full'} handshakes: {row.rate:,.0f}/s, {row.cpu_us:.0f} µs CPU")
    return row


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
        "tls": Tls("TLS"),
    }


QUICK = ("2k", "100-recipients", "20-ms", "growth", "four-servers", "tls")


def has_strace():
    return shutil.which("strace") is not None


def say(text):
    print(text, file=sys.stderr, flush=True)
