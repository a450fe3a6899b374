# SPDX-License-Identifier: MIT
"""docs/performance.md out of what was measured."""

import os
import platform
import re
import subprocess

from tables import FOUR_CONNECTIONS, MEBIBYTE, PACE, FourServers, Grid, Growth, Tls

HEAD = """# Performance

This page is written by `make bench`; do not edit it. The figures of a table come from one run on one machine. Compare within a
column: another machine has other figures, and a virtual machine has others each day.

    make bench                        # all tables, about 25 minutes; writes this page
    scripts/bench --quick             # a look, in about a minute
    scripts/bench --only 2k           # one table; several by several --only. Tables: {tables}
    scripts/bench --like bulkmail     # the senders with that in their name, and those that the ratios need
    scripts/bench --realtime          # before all else on the machine: steadier, unkind
    RUNS=9 make bench                 # more runs of each row (5)

What is only a part prints its page and leaves this one alone. BULKMAIL names another command to measure.

## How it is measured

- Sender on one core, sink on another, both on 127.0.0.1. The sink (bench/sink.c) accepts everything and keeps nothing.
- **messages/s** counts recipients whose message was acknowledged, from the first accepted connection to the last
  acknowledgement; the median of {runs} runs, and in brackets the lowest and the highest.
- **CPU** is the sender's, user and system, a recipient: that of a long run less that of a short one, so that neither start-up nor
  the list's opening counts.
- **peak** is the most memory that the sender held.
- **calls** are system calls a recipient, counted by strace in runs of their own, a longer one less a shorter one.
- **× smtp-source** and **of limit** are ratios within the table. The limit senders (bench/limit.c) do nothing but send: no list,
  no outcomes, no errors. `lockstep` waits for each reply; `group` sends a message's end with the next envelope (PIPELINING);
  `stream` sends whole transactions behind one another (CHUNKING). bulkmail in the modes stream and auto is held against
  `stream`, everybody else against `group`.
- **sink busy** is the share of its core that the sink used. Near 100 % the sink is what limits the rate; then look at the CPU.
- One connection on a machine without delay measures mostly how fast one core wakes the other.
- Round trips are made by a proxy (bench/delay.c) that delays octets, half of the round trip in each direction, not replies.
  There the rate is that of a long run less a short one: setting connections up does not count.
- bulkmail runs without a journal and trusts the list to have no duplicates. `CSV` is a personalised message: slots in subject and
  body, a list with three columns. `plain` is a list of addresses and one text for all.

## The machine

{machine}
"""

GOAL_HEAD = """## Goals

| goal | wanted | measured | reached |
|---|---|---|---|
"""


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.splitlines()[0] if done.stdout else ""


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    kernel = re.match(r"\d+\.\d+", platform.release()).group(0)
    compiler = re.search(r"\d+\.\d+\.\d+", first_line("cc", "--version"))
    facts = [f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {memory:.0f} GiB, Linux {kernel}"]
    facts.append(f"compiler {compiler.group(0) if compiler else 'unknown'}")
    for package in ("libcurl4", "libesmtp6", "libmail-bulkmail-perl"):
        version = first_line("dpkg-query", "-W", "-f", "${Version}", package)
        facts += [f"{package} {version}"] if re.match(r"\d", version) else []
    for name in ("node", "/usr/bin/python3"):
        version = re.search(r"\d+\.\d+[.\d]*", first_line(name, "--version"))
        facts += [f"{os.path.basename(name)} {version.group(0)}"] if version else []
    return ", ".join(facts) + "."


def number(value):
    """Three digits that count."""
    if value is None:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.1g}"


def ratio(value, base, of=""):
    return f"{number(value / base)}{of}" if value is not None and base else "–"


def percent(value, base):
    return f"{value / base:.0%}" if base else "–"


COLUMNS = (
    *("sender", "messages/s", "× smtp-source", "of limit"),
    *("CPU µs", "× smtp-source", "× limit"),
    *("peak MiB", "calls", "sink busy"),
)


def grid_row(grid, connections, row):
    source = grid.find("smtp-source", connections)
    limit = grid.find(row.limit, connections)
    # A difference of nearly equal times can be below nothing.
    cpu = max(row.cpu_us, 0.0)
    return (
        row.sender,
        f"{number(row.rate)} ({number(row.lowest)}..{number(row.highest)})",
        ratio(row.rate, source and source.rate),
        percent(row.rate, limit and limit.rate),
        number(cpu),
        ratio(cpu, source and source.cpu_us),
        ratio(cpu, limit and limit.cpu_us),
        number(row.peak / MEBIBYTE),
        number(row.calls),
        f"{row.sink_busy:.0%}",
    )


def table(columns, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in (columns, *rows)]
    lines.insert(1, "|---" + "|---:" * (len(columns) - 1) + "|")
    return "\n".join(lines) + "\n"


def grid_text(grid):
    for connections in grid.rows:
        yield f"### {connections} connection{'s' if connections > 1 else ''}\n"
        yield table(COLUMNS, [grid_row(grid, connections, row) for row in grid.rows[connections]])


def growth_text(growth):
    yield "Plain addresses, 2 kB, 100 recipients an envelope, 20 connections, mode auto. Time and CPU are those of the whole"
    yield "process, less those of a run with few recipients.\n"
    columns = ("recipients", "duplicates", "runs", "seconds", "µs a recipient", "CPU µs a recipient", "peak MiB")
    yield table(
        columns,
        [
            (
                f"{row.recipients:,}",
                "checked" if row.checked else "trusted",
                str(row.runs),
                f"{row.seconds:.3f}",
                number(row.seconds / row.recipients * 1e6),
                number(row.cpu / row.recipients * 1e6),
                number(row.peak / MEBIBYTE),
            )
            for row in growth.rows
        ],
    )


def four_text(four):
    yield f"2 kB, personalised CSV, {FOUR_CONNECTIONS} connections to each server; the slow one takes {PACE} times as long as each of the"
    yield "healthy does. *Of the healthy* is the rate without what the slow one took, over that of the two healthy alone.\n"
    columns = ("mode", "two healthy alone/s", "all four/s", "of it the slow one/s", "of the healthy")
    yield table(
        columns,
        [
            (row.mode, number(row.alone), number(row.beside), number(row.slow), f"{row.ratio():.1%}")
            for row in four.rows
        ],
    )


def tls_text(tls):
    yield "TLS 1.3 from the first octet on, the certificate verified, 20 connections, personalised CSV. The sink is the same, and"
    yield "decrypts. Rates are those of a long run less a short one: the handshakes do not count.\n"
    columns = ("size", "mode", "in clear/s", "TLS/s", "ratio", "CPU µs in clear", "CPU µs TLS", "more", "sink busy, TLS")
    yield table(
        columns,
        [
            (
                f"{row.size // 1024} kB",
                row.mode,
                number(row.plain.rate),
                f"{number(row.secure.rate)} ({number(row.secure.lowest)}..{number(row.secure.highest)})",
                ratio(row.secure.rate, row.plain.rate),
                number(row.plain.cpu_us),
                number(row.secure.cpu_us),
                number(row.secure.cpu_us - row.plain.cpu_us),
                f"{row.secure.sink_busy:.0%}",
            )
            for row in tls.rows
        ],
    )
    yield "Handshakes one after another, from connecting to the greeting, by the library's stream and by OpenSSL alone on a socket"
    yield "that waits: ECDSA P-256, X25519. *A core* is how many one core could do: the rate waits for the server too.\n"
    yield table(
        ("handshakes", "kind", "handshakes/s", "CPU µs", "a core/s"),
        [
            (
                row.sender,
                "resumed" if row.resumed else "full",
                f"{number(row.rate)} ({number(row.lowest)}..{number(row.highest)})",
                number(row.cpu_us),
                number(1e6 / max(row.cpu_us, 1.0)),
            )
            for row in tls.handshakes
        ],
    )


def left_out_text(one):
    for reason in dict.fromkeys(one.left_out.values()):
        names = [name for name, why in one.left_out.items() if why == reason]
        yield f"Left out: {'; '.join(names)}. {reason[0].upper()}{reason[1:]}.\n"


TEXT_OF = {Grid: grid_text, Growth: growth_text, FourServers: four_text, Tls: tls_text}


def goal(text, wanted, measured, good):
    """measured None: it was not measured."""
    if measured is None:
        return (text, wanted, "–", "not measured")
    return (text, wanted, measured, "yes" if good else "no")


def rate_goal(tables, name, sender, times):
    grid = tables.get(name)
    ours, source = (grid.find(one, 20) for one in (sender, "smtp-source")) if grid else (None, None)
    measured = ours.rate / source.rate if ours and source else None
    return goal(
        f"{grid.title if grid else name}, 20 connections: {sender}",
        f"≥ {times} × smtp-source",
        measured and f"{measured:.1f} ×",
        measured and measured >= times,
    )


def cpu_goal(tables, sender, most):
    ours = tables["2k"].find(sender, 20) if "2k" in tables else None
    text = f"2 kB, one recipient each, 20 connections: {sender}"
    return goal(text, f"≤ {most} µs CPU", ours and f"{ours.cpu_us:.2f} µs", ours and ours.cpu_us <= most)


def wire_goal(tables, sender, least, wanted):
    ours = tables["20-ms"].find(sender, 1) if "20-ms" in tables else None
    text = f"20 ms round trip, one connection: {sender}"
    return goal(text, wanted, ours and f"{number(ours.rate)}/s", ours and ours.rate >= least)


def memory_goal(tables, checked):
    size = 10_000_000
    row = tables["growth"].find(size, checked) if "growth" in tables else None
    most = 64 * MEBIBYTE + (24 * size if checked else 0)
    text = f"{size:,} plain addresses, duplicates {'checked' if checked else 'trusted'}"
    wanted = f"≤ {most / MEBIBYTE:.0f} MiB"
    return goal(text, wanted, row and f"{row.peak / MEBIBYTE:.1f} MiB", row and row.peak <= most)


def growth_goal(tables, checked):
    growth = tables.get("growth")
    small, large = (growth.find(size, checked) for size in (100_000, 10_000_000)) if growth else (None, None)
    grown = large.seconds / large.recipients / (small.seconds / small.recipients) if small and large else None
    text = f"time a recipient at 10⁷ over that at 10⁵, duplicates {'checked' if checked else 'trusted'}"
    return goal(text, "≤ 1.15", grown and f"{grown:.2f}", grown and grown <= 1.15)


def four_goals(tables):
    rows = tables["four-servers"].rows if "four-servers" in tables else []
    for mode in ("message", "stream"):
        row = next((one for one in rows if one.mode == mode), None)
        text = f"four servers, one dead, one slow: {mode}"
        yield goal(text, "≥ 95 % of the healthy", row and f"{row.ratio():.1%}", row and row.ratio() >= 0.95)


def goals(tables):
    return [
        rate_goal(tables, "2k", "bulkmail message, CSV", 3),
        cpu_goal(tables, "bulkmail message, CSV", 8),
        rate_goal(tables, "2k", "bulkmail stream, CSV", 8),
        cpu_goal(tables, "bulkmail stream, CSV", 3.5),
        wire_goal(tables, "bulkmail message, CSV", 0.95 * 50, "≥ 95 % of a message a round trip (47.5/s)"),
        wire_goal(tables, "bulkmail stream, CSV", 5000, "≥ 5,000/s"),
        rate_goal(tables, "100-recipients", "bulkmail auto, plain", 10),
        memory_goal(tables, False),
        memory_goal(tables, True),
        growth_goal(tables, False),
        growth_goal(tables, True),
        *four_goals(tables),
    ]


def page(tables, names, runs):
    parts = [HEAD.format(tables=", ".join(names), runs=runs, machine=machine())]
    for one in tables.values():
        parts += [f"## {one.title}\n", *TEXT_OF[type(one)](one), *left_out_text(one)]
    parts.append(GOAL_HEAD + "".join(f"| {' | '.join(row)} |\n" for row in goals(tables)))
    return "\n".join(parts)
