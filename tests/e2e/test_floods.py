# SPDX-License-Identifier: MIT
"""Servers that say too much, or one octet a second: the connection ends, memory stays, other servers lose nothing.

What a flooded client read is counted by the shim of tests/torture: the octets that recv(2) gave it.
"""

import concurrent.futures
import json
import statistics
import subprocess

import pytest

from lib import certs, command
from lib.campaign import NO_SERVER, NOT_ALL, OK, SOON, addresses, check, options_for, sink_of  # noqa: F401
from lib.command import bulkmail, is_sanitized
from lib.talker import Act, Talker, chatter, drip, flood
from lib.torture import Report, preloaded

LINES = addresses(2)
# A reply may have 64 KiB: nothing of a flood is read beyond, nor decrypted.
READ_MOST = 65536
# What is read in TLS: besides, what frames its records, and one more of them.
RECORD = 16384 + 512
IN_TLS = ("EHLO-in-TLS", "AUTH")
MEMORY_MOST_KIB = 256

FLOODS = {
    "line": b"250-" + b"x" * 65532,
    "lines": b"250-x\r\n" * 9000,
    "long-lines": (b"250-" + b"x" * 2000 + b"\r\n") * 40,
    "surplus": b"250 ok\r\n" * 8000,
    "surplus-354": b"354 ok\r\n" * 8000,
    "keywords": b"".join(b"250-X%d SIZE 99999999999999999999 AUTH PLAIN\r\n" % at for at in range(1500)),
    "auth-keywords": b"250-AUTH " + b"PLAIN LOGIN X-" * 4500,
    "blank-lines": b"\r\n" * 32000,
    "nul": b"\0" * 65536,
    "334": b"334 dGVsbCBtZQ==\r\n" * 4000,
}
PHASES = {
    "greeting": "envelope",
    "EHLO": "envelope",
    "MAIL": "off",
    "RCPT": "envelope",
    "DATA": "envelope",
    "end": "envelope",
    "BDAT": "stream",
    "RSET": "stream",
    "QUIT": "envelope",
    "STARTTLS": "envelope",
    "TLS": "envelope",
    "EHLO-in-TLS": "envelope",
    "AUTH": "envelope",
}
SECURE = ("STARTTLS", "TLS", "EHLO-in-TLS", "AUTH")


def set_to(**attributes):
    return [part for name, value in attributes.items() for part in ("--set", f"{name}={value}")]


@pytest.fixture(scope="module", autouse=True)
def certificates():
    """Made before threads ask for them."""
    return certs.certificate(), certs.ca()


def secured(folder):
    """Settings of a client that logs in over TLS."""
    secret = folder / "password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    return set_to(tls="verify", tls_ca_file=certs.ca(), user="u", password_file=secret, auth="LOGIN")


def run(folder, act, mode, *more):
    """A campaign of two against a Talker; status, outcomes, what the shim saw."""
    folder.mkdir(parents=True, exist_ok=True)
    secure = act.phase in SECURE
    talker = Talker(act, certificate=certs.certificate()) if secure else Talker(act)
    options = [*options_for(folder, [talker], LINES), *SOON, *set_to(connections=1, pipelining=mode), *more]
    options += secured(folder) if secure else []
    options += ["--no-journal", "--quiet", "--outcomes", "outcomes", "--report", "report"]
    try:
        done = subprocess.run(
            [bulkmail(), "send", *map(str, options)],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", **preloaded(folder / "shim", ["recvfrom", "recvmsg"])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
    finally:
        talker.stop()
    rows = [json.loads(line) for line in (folder / "outcomes").read_text().splitlines()]
    assert len(rows) == len(LINES), done.stderr
    return done.returncode, {row["outcome"] for row in rows}, Report.read(folder / "shim")


def play_all(cases):
    """{name: function()}, some at a time; what went wrong is told of all."""
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        played = {pool.submit(play): name for name, play in cases.items()}
        for future in concurrent.futures.as_completed(played):
            if future.exception() is not None:
                wrong.append(f"{played[future]}: {type(future.exception()).__name__}: {future.exception()}")
    assert not wrong, "\n".join(sorted(wrong))


def calm_received(folder, phase, mode):
    """What such a session says before the phase is reached: it is closed there."""
    _, _, seen = run(folder, Act(phase, lambda stream: 0), mode, *set_to(max_connection_attempts=1))
    return seen


def flooded(folder, phase, mode, chunk):
    calm = calm_received(folder / "calm", phase, mode)
    act = Act(phase, flood(chunk))
    status, kinds, seen = run(folder / "flood", act, mode, *set_to(max_connection_attempts=1))
    assert act.sent, "the phase was not reached"
    assert max(act.seconds) < 5, act.seconds
    # Behind the dot nobody knows; a session that was done at QUIT is done.
    assert kinds <= {"unsent", "deferred", "accepted", "in_doubt"}, kinds
    assert status in (OK, NOT_ALL, NO_SERVER, 75), status
    read = (seen.received - calm.received) / len(act.sent)
    most = READ_MOST + (RECORD if phase in IN_TLS else 0)
    assert read <= most, f"{read} octets of a flood were read"
    grown = seen.peak_kib - calm.peak_kib
    assert is_sanitized() or grown < MEMORY_MOST_KIB, f"{grown} KiB more"


# conformance: 8, A13, A14, A15, A20, F15, F18
@pytest.mark.parametrize("phase", PHASES)
def test_a_flood_ends_the_connection(phase, tmp_path):
    play_all(
        {
            name: lambda name=name, chunk=chunk: flooded(tmp_path / name, phase, PHASES[phase], chunk)
            for name, chunk in FLOODS.items()
        }
    )


COUNT = 200


def rate_beside(folder, sink_of, bad):  # noqa: F811
    """Messages a second through a server that takes 10 ms for each, beside those that flood. Of the middle of the run:
    at its end one may wait for those whom a bad server gave back."""
    folder.mkdir(parents=True)
    good = sink_of({"on": "end", "delay_ms": 10})
    options = [*options_for(folder, [good, *bad], addresses(COUNT)), *SOON, "--use-envelope", "0"]
    # The bad one is never given up; whoever it meets too often is deferred.
    options += set_to(connections=4, pipelining="envelope", max_connection_attempts=1000)
    sent = command.send(options, folder)
    check(sent, [good], COUNT)
    assert set(sent.counts()) <= {"accepted", "deferred"}
    times = sorted(one["at"] for one in good.transactions())
    times = times[len(times) // 20 : -len(times) // 10]
    return 1000 * (len(times) - 1) / (times[-1] - times[0])


class Shares:
    """The rate beside each flood, as a share of that without: medians of rounds that take their turns."""

    def __init__(self, phases, folder, sink_of):  # noqa: F811
        self.acts = {phase: Act(phase, flood(FLOODS["lines"])) for phase in phases}
        self.talkers = {phase: Talker(act) for phase, act in self.acts.items()}
        self.rates = {phase: [] for phase in (None, *phases)}
        self.folder, self.sink_of = folder, sink_of

    def go_round(self):
        for phase, found in self.rates.items():
            bad = [self.talkers[phase]] if phase else []
            found.append(rate_beside(self.folder / f"{len(found)}-{phase}", self.sink_of, bad))

    def smallest(self):
        medians = {phase: statistics.median(found) for phase, found in self.rates.items()}
        return min(median for phase, median in medians.items() if phase) / medians[None]

    def stop(self):
        for talker in self.talkers.values():
            talker.stop()


LEAST_ROUNDS, MOST_ROUNDS = 3, 9


# conformance: A14, A15
@pytest.mark.alone
@pytest.mark.slow
def test_a_flood_costs_other_connections_nothing(tmp_path, sink_of):  # noqa: F811
    shares = Shares(["EHLO", "RCPT"], tmp_path, sink_of)
    try:
        # Where the machine has other work it takes more rounds to see what the flood costs.
        while (done := len(shares.rates[None])) < LEAST_ROUNDS or shares.smallest() < 0.98 and done < MOST_ROUNDS:
            shares.go_round()
    finally:
        shares.stop()
    assert all(len(act.sent) >= done for act in shares.acts.values())
    assert shares.smallest() >= 0.98, shares.rates


# conformance: 49, 50, A13
def test_challenges_for_ever(tmp_path):
    act = Act("AUTH", chatter(b"334 VXNlcm5hbWU6\r\n"))
    status, kinds, _ = run(tmp_path, act, "envelope", *set_to(max_connection_attempts=1))
    assert (status, kinds) == (NO_SERVER, {"unsent"})
    assert len(act.sent) == 1 and act.sent[0] <= 10 and act.seconds[0] < 5


TIME_OUT = 3
REPLY = b"250-" + b"slow" * 20


def dripped(folder, phase, mode):
    act = Act(phase, drip(REPLY))
    run(folder, act, mode, *set_to(max_connection_attempts=1, time_out=TIME_OUT))
    print(f"{phase}: {act.seconds[0]:.2f} s" if act.seconds else f"{phase} was not reached")
    # QUIT is awaited for a time of its own, which is shorter.
    bound = 0 if phase == "QUIT" else TIME_OUT - 1
    assert len(act.seconds) == 1 and bound <= act.seconds[0] <= TIME_OUT + 1, act.seconds


# conformance: 16, A16, F03, F21
def test_a_drip_ends_with_the_phase(tmp_path):
    play_all(
        {phase: lambda phase=phase, mode=mode: dripped(tmp_path / phase, phase, mode) for phase, mode in PHASES.items()}
    )
