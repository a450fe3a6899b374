# SPDX-License-Identifier: MIT
"""Each way of pipelining against postfix, exim4 and opensmtpd, every third recipient refused at RCPT. The oracle is the
server: its log names whom it refused, its queue holds what it took. LONG_TESTS=1 runs all of it with 5,000 recipients."""

import os
import re
from collections import Counter

import pytest

from lib import command, servers
from lib.waiting import wait_until

MODES = ("off","envelope") if os.environ.get("X") else ("off", "envelope", "message", "stream", "auto")
RECIPIENTS = 5000
# A copy each takes a server a hundred times as long as its share of an envelope.
COPIES = RECIPIENTS if os.environ.get("LONG_TESTS") else 500
DOMAINS = 20
BODY = b"A body with\n.a dot\n..two dots\n.\nand lines behind it.\n"

# What a user has to know of a relay: (server, shared envelopes) to options. OpenSMTPD takes 100 messages over one
# connection; Exim bears any number of refused recipients, and a connection costs it as much as fifty shares of an envelope.
LIMITS = {
    ("opensmtpd", True): ("--set", "max_messages_per_connection=100"),
    ("opensmtpd", False): ("--set", "max_messages_per_connection=100"),
    ("exim4", True): ("--set", "max_errors_per_connection=0"),
}
# The rate with refusals, of that without them. A share of an envelope costs next to nothing, a fresh connection does.
LEAST = {True: 1 / 2, False: 2 / 3}
KEPT = ("postfix", "exim4", "opensmtpd")


@pytest.fixture(scope="module")
def running(unpacked):
    """The server that the tests at hand want, until they want another one."""
    started = {}

    def get(name):
        if name not in started:
            while started:
                started.popitem()[1].stop()
            started[name] = servers.SERVERS[name](refuses=True, keeps=True).start()
        return started[name]

    yield get
    for server in started.values():
        server.stop()


@pytest.fixture(params=KEPT, scope="module")
def server(request, running):
    return running(request.param)


class Campaign:
    """One run, with addresses that no other run of the test has."""

    def __init__(self, server, folder, mode, use_envelope, tag, refused_each):
        self.server, self.folder, self.mode, self.use_envelope = server, folder, mode, use_envelope
        self.domain = f"{tag}.example.org"
        count = RECIPIENTS if use_envelope else COPIES
        self.lines = [self.address(number, count // DOMAINS, refused_each) for number in range(count)]
        self.refused = {line for line in self.lines if line.startswith(servers.REFUSED)}
        self.taken = set(self.lines) - self.refused

    def address(self, number, width, refused_each):
        name = servers.REFUSED if refused_each and number % refused_each == 0 else "reader"
        return f"{name}{number:04d}@d{number // width:02d}.{self.domain}"

    def send(self):
        (self.folder / "list").write_text("".join(f"{line}\n" for line in self.lines), encoding="ascii")
        (self.folder / "body").write_bytes(BODY)
        options = ["--server", f"127.0.0.1:{self.server.port}", "--list", "list", "--body", "body"]
        options += ["--from", "news@lists.example.org", "--to", "readers@lists.example.org", "--subject", "Modes"]
        options += ["--use-envelope", int(self.use_envelope), "--set", f"pipelining={self.mode}"]
        self.sent = command.send([*options, *LIMITS.get((self.server.name, self.use_envelope), ())], self.folder, seconds=120)
        return self

    def rate(self):
        return len(self.lines) / self.sent.report["seconds"]

    def check_outcomes(self):
        assert self.sent.status == (command.NOT_ALL if self.refused else command.OK), self.sent.stderr
        kinds = self.sent.kinds()
        assert len(self.sent.outcomes) == len(kinds) == len(self.lines)
        wanted = {line: "refused" if line in self.refused else "accepted" for line in self.lines}
        wrong = {line: kinds[line] for line, kind in wanted.items() if kinds[line] != kind}
        assert not wrong, (len(wrong), list(wrong.items())[:5])
        codes = {row["code"] for row in self.sent.outcomes if row["outcome"] == "refused"}
        assert codes <= {550}, codes

    def refused_by_log(self):
        return {to for to in self.server.refused_in_log() if to.endswith(self.domain)}

    def check_server(self):
        """Its log and its queue say the same."""
        # Logs are written behind the reply.
        wait_until(lambda: len(self.refused_by_log()) >= len(self.refused), 20, "the log names all refused ones")
        assert self.refused_by_log() == self.refused
        stored = self.server.queued()
        times = Counter(to for one in stored for to in one.recipients)
        assert set(times) == self.taken
        assert set(times.values()) == {1}
        for one in stored:
            self.check_content(one)

    def check_content(self, one):
        head, _, body = one.content.partition(b"\r\n\r\n")
        assert body == BODY.replace(b"\n", b"\r\n")
        to = re.search(rb"^To: (.*?)\r?$", head, re.MULTILINE).group(1).decode()
        assert one.sender == "news@lists.example.org"
        if self.use_envelope:
            assert to == "readers@lists.example.org"
        else:
            assert one.recipients == [to]


def run(server, folder, mode, use_envelope, tag, refused_each):
    server.forget()
    campaign = Campaign(server, folder, mode, use_envelope, tag, refused_each).send()
    campaign.check_outcomes()
    campaign.check_server()
    return campaign.rate()


# conformance: 12, 29, 33
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("use_envelope", [True, False], ids=["shared", "a-copy-each"])
def test_every_third_refused(server, mode, use_envelope, tmp_path, record_property):
    # manual: use_envelope, MBS008, max_errors_per_connection
    for attempt in (1, 2, 3):
        tag = f"{mode}{int(use_envelope)}{attempt}"
        without = run(server, tmp_path, mode, use_envelope, f"all.{tag}", None)
        refused = run(server, tmp_path, mode, use_envelope, f"third.{tag}", 3)
        record_property(f"recipients_a_second_{attempt}", [round(without), round(refused)])
        print(f"{server.name} {mode}: {without:.0f} recipients a second, {refused:.0f} with refusals")
        # The machine may have been busy.
        if refused >= without * LEAST[use_envelope]:
            break
    assert refused >= without * LEAST[use_envelope], (without, refused)
