# SPDX-License-Identifier: MIT
"""One sender, one kind of work: how it is run and what is counted."""

import itertools
import json
import os
import signal
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from senders import PROGRAMS, Sender, Work

CORES = sorted(os.sched_getaffinity(0))
SENDER_CORE = str(CORES[0]) if len(CORES) > 1 else "-"
SINK_CORE = str(CORES[1]) if len(CORES) > 1 else None
RUN_SECONDS = 120  # one that takes longer is ended and fails
MOST_RECIPIENTS = 2_000_000
# Of one core: below it, several runs at once do not disturb each other.
IDLE_SHARE = 0.05
# A run over a long wire takes so many round trips, but no longer than that.
ROUND_TRIPS = 80
WIRE_SECONDS = 2.5
REALTIME = ("chrt", "-f", "10")


class Failed(Exception):
    pass


@dataclass
class Run:
    """What one run did."""

    recipients: int
    seconds: float  # from the first accepted connection to the last acknowledged message
    wall: float  # of the whole process
    cpu: float
    peak: int
    sink_cpu: float
    sinks: list

    def rate(self):
        return self.recipients / max(self.seconds, 1e-6)


@dataclass
class Figures:
    """What a row of a table shows; all per recipient."""

    sender: str
    limit: str
    recipients: int
    runs: int
    rate: float
    lowest: float
    highest: float
    cpu_us: float
    peak: float
    sink_busy: float
    calls: float = None


@dataclass
class Plan:
    sender: Sender
    work: Work
    how: dict  # further arguments of Bench.run
    base: Run  # a short one
    waits: bool  # mostly for the wire: its runs can be made together
    sets_up: bool = False  # what setting up takes does not count
    runs: list = field(default_factory=list)
    failed: str = ""

    def rate(self, run):
        """On a long wire, or where asked for, without what setting up takes."""
        if not self.how.get("round_trip_ms") and not self.sets_up:
            return run.rate()
        return (run.recipients - self.base.recipients) / max(run.seconds - self.base.seconds, 1e-6)

    def figures(self):
        if self.failed:
            raise Failed(self.failed)
        rates = [self.rate(run) for run in self.runs]
        more = max(self.work.total() - self.base.recipients, 1)
        return Figures(
            sender=self.sender.name,
            limit=self.sender.limit,
            recipients=self.work.total(),
            runs=len(self.runs),
            rate=statistics.median(rates),
            lowest=min(rates),
            highest=max(rates),
            cpu_us=statistics.median((run.cpu - self.base.cpu) / more * 1e6 for run in self.runs),
            peak=statistics.median(run.peak for run in self.runs),
            sink_busy=statistics.median(run.sink_cpu / max(run.seconds, 1e-6) for run in self.runs),
        )


@contextmanager
def child(arguments, priority):
    """One of our servers, on the sink's core: its port, and a dictionary that holds its report afterwards."""
    pin = ["taskset", "-c", SINK_CORE] if SINK_CORE else []
    command = [str(word) for word in (*priority, *pin, *arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    report = {}
    try:
        yield int(process.stdout.readline()), report
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            said, _ = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        report.update(json.loads(said) if said.strip() else {})


class Bench:
    """How often and how long to measure, where the scratch files are."""

    def __init__(self, made, runs, seconds, strace=True, realtime=False):
        self.made = made
        self.runs = runs
        self.seconds = seconds  # of one run, about
        self.strace = strace
        self.priority = REALTIME if realtime else ()
        self.numbers = itertools.count()

    def run_command(self, sender, work, wrap=()):
        """Runs it and returns what usage.c says of it."""
        file = self.made.folder / f"usage-{next(self.numbers)}.json"
        usage = [*self.priority, PROGRAMS / "usage", file, SENDER_CORE, RUN_SECONDS]
        command = [*usage, *wrap, *sender.command(work, self.made)]
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.made.folder,
            env=sender.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").replace(f"{self.made.folder}/", "").strip().splitlines()
            raise Failed(f"status {done.returncode}: {said[-1] if said else 'it said nothing'}")
        usage = json.loads(file.read_text(encoding="ascii"))
        file.unlink()
        return usage

    def run(self, sender, work, round_trip_ms=0, sinks=((),), dead=(), wrap=()):
        """One run against fresh sinks, one for each element with its options; dead: servers without one."""
        reports, servers = [], []
        with ExitStack() as stack:
            for more in sinks:
                sink = (PROGRAMS / "sink", "--listen", "127.0.0.1:0", *more)
                port, report = stack.enter_context(child(sink, self.priority))
                if round_trip_ms:
                    wire = (PROGRAMS / "delay", "--to", f"127.0.0.1:{port}", "--delay-ms", round_trip_ms)
                    port, _ = stack.enter_context(child(wire, self.priority))
                servers.append(f"127.0.0.1:{port}")
                reports.append(report)
            used = self.run_command(sender, replace(work, servers=(*servers, *dead)), wrap)
        taken = sum(report["recipients"] for report in reports)
        if taken != work.total():
            raise Failed(f"{taken} of {work.total()} recipients arrived")
        return Run(
            recipients=taken,
            seconds=max(report["seconds"] for report in reports),
            wall=used["wall_seconds"],
            cpu=used["cpu_seconds"],
            peak=used["peak_octets"],
            sink_cpu=sum(report["cpu_seconds"] for report in reports),
            sinks=reports,
        )

    def calibrate(self, sender, work, **how):
        """Transactions for a run of about the wanted time, and the last try."""
        most = max(work.connections, MOST_RECIPIENTS // work.recipients)
        seconds = max(self.seconds, min(ROUND_TRIPS * how.get("round_trip_ms", 0) / 1000, WIRE_SECONDS))
        count = 2 * work.connections
        while True:
            run = self.run(sender, work.of(count), **how)
            factor = seconds / max(run.seconds, 1e-4)
            if factor <= 4 or count == most:
                return rounded(min(count * factor, most), work.connections), run
            count = min(rounded(count * min(factor, 30), work.connections), most)

    def plan(self, sender, work, **how):
        """The short run of a sender, and how long its long ones will be."""
        count, tried = self.calibrate(sender, work, **how)
        small = work.of(max(work.connections, count // 10))
        base = min((self.run(sender, small, **how) for _ in range(2)), key=lambda run: run.cpu)
        waits = bool(how.get("round_trip_ms")) and tried.cpu < IDLE_SHARE * tried.seconds
        return Plan(sender, work.of(count), how, base, waits)

    def plan_like(self, plan, sender, **how):
        """The same work done by another, whose setting up does not count."""
        small = plan.work.of(plan.base.recipients // plan.work.recipients)
        base = min((self.run(sender, small, **how) for _ in range(2)), key=lambda run: run.cpu)
        return Plan(sender, plan.work, how, base, False, sets_up=True)

    def repeat(self, plans):
        """The long runs. In rounds, so that a machine that changes its mind changes it for all."""
        for plan in plans:
            if plan.waits:
                with ThreadPoolExecutor(self.runs) as pool:
                    list(pool.map(self.add_run, [plan] * self.runs))
        for _ in range(self.runs):
            for plan in plans:
                if not plan.waits:
                    self.add_run(plan)

    def add_run(self, plan):
        if plan.failed:
            return
        try:
            plan.runs.append(self.run(plan.sender, plan.work, **plan.how))
        except Failed as error:
            plan.failed = str(error)

    def shake(self, sender, count, options):
        """Handshakes with a fresh sink: what usage.c says of them."""
        with child((PROGRAMS / "sink", "--listen", "127.0.0.1:0", *options), self.priority) as (port, _):
            return self.run_command(sender, Work(count, 1, 1, 0, servers=(f"127.0.0.1:{port}",)))

    def calls(self, sender, work):
        """System calls a recipient: a longer run less a shorter one, counted by strace. None without strace."""
        if not self.strace:
            return None
        # Few enough for a minute's patience, enough for those that need a call in twenty messages.
        large = max(2 * work.connections, min(work.transactions // 10, 20_000))
        small = max(work.connections, large // 4)
        counts = [self.count_calls(sender, work.of(count)) for count in (small, large)]
        return (counts[1] - counts[0]) / ((large - small) * work.recipients) if large > small else None

    def count_calls(self, sender, work):
        file = self.made.folder / f"strace-{next(self.numbers)}"
        self.run(sender, work, wrap=("strace", "-f", "-c", "-U", "calls,name", "-o", file))
        lines = [line.split() for line in file.read_text(encoding="ascii").splitlines()]
        file.unlink()
        return sum(int(line[0]) for line in lines if len(line) == 2 and line[0].isdigit() and line[1] != "total")


def rounded(count, least):
    """Two digits, so that runs share lists."""
    count = max(int(count), least, 2)
    scale = 10 ** max(len(str(count)) - 2, 0)
    return max(count // scale * scale, least)
