# SPDX-License-Identifier: MIT
"""Each system call and each allocation in turn fails, over many campaigns: no crash, no leak, everybody accounted for.

Of each campaign a sample is tried (TORTURE_SAMPLE, 24); with LONG_TESTS=1 every call with every errno.
"""

import os
import pathlib
import subprocess
import zlib

import pytest

from lib.campaign import sink_of  # noqa: F401
from lib.command import bulkmail, is_sanitized
from lib.torture import ERRNOS, Bench, Fault, Script

LONG = os.environ.get("LONG_TESTS") == "1"
SAMPLE = int(os.environ.get("TORTURE_SAMPLE", "24"))  # faults a campaign

LIST = "".join(f"{name}@{domain}.example.org\n" for domain in "xyzw" for name in "ab")
MESSAGE = "From: n@lists.example.org\nTo: all@lists.example.org\nSubject: News\n\nHello.\n.\n"
TABLE = "email,name\n" + "".join(f"{name}@x.example.org,N {name}\n" for name in "abcdefgh")
PERSONAL = "From: n@lists.example.org\nTo: {{email}}\nSubject: For {{name}}\n\nDear {{name}}.\n"
JSON_LINES = "".join(f'{{"email": "{name}@x.example.org", "name": "N {name}"}}\n' for name in "abcdefgh")
CONF = (
    "define package Mail::Bulkmail\nFrom = n@me.example\nTo = l@me.example\nbanned = banned\nGOOD = good\nBAD = bad\n"
    "ERRFILE = errors\nretry_delay = 0\ndefine package Mail::Bulkmail::Server\nSmtp = 127.0.0.1\nPort = PORT0\n"
    "Domain = me.example\nTries = 1\nCONVERSATION = talk\n"
)
MIXED = "a@x.example.org\nb@x.example.org\nnobody\na@x.example.org\nban@y.example.org\nc@z.example.org\n"
BANS = "ban@y.example.org\nevil.example\n"

WRITTEN = ("--no-journal", "--quiet", "--outcomes", "outcomes", "--report", "report")
BYE = {"reply": "421 4.3.2 going down", "close": True}


def send(name, rules=(), *more, message=MESSAGE, table=None, servers=1, each=True, connections=2, **script):
    """A campaign over given servers: a copy each unless they share."""
    options = ["send", *[part for number in range(servers) for part in ("--server", f"127.0.0.1:PORT{number}")]]
    options += ["--list", table or "list", "--message", "message", *WRITTEN, "--use-envelope", "0" if each else "1"]
    for setting in ("retry_delay=0", "time_out=5", f"connections={connections}", *more):
        options += ["--set", setting]
    files = {"list": LIST, "people.csv": TABLE, "people.tsv": TABLE.replace(",", "\t"), "people.jsonl": JSON_LINES}
    return Script(name, options, list(rules), files={**files, "message": message}, servers=servers, **script)


def conf(name, *more, **script):
    options = ["send", "--conf", "conf", "--list", "list", "--body", "body", *more]
    files = {"conf": CONF, "list": MIXED, "body": "Hello.\n.\n", "banned": BANS}
    return Script(name, options, files=files, **{"status": 1, "records": 6, **script})


TRUST = ("tls=verify", "tls_ca_file=CA")
LOGIN = ("user=u", "password_file=secret")
TLS = ["--tls-cert", "CERT", "--tls-key", "KEY"]
AUTH = [*TLS, "--auth", "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "--user", "u", "--password-file", "SECRET"]

SCRIPTS = [
    send("off", [], "pipelining=off"),
    send("envelope", [], "pipelining=envelope"),
    send("message", [], "pipelining=message"),
    send("stream", [], "pipelining=stream"),
    send("auto", []),
    send("one-connection", [], connections=1),
    send("eight-connections", [], connections=8),
    send("shared", [], each=False),
    send("shared-split", [], "envelope_limit=1", each=False),
    send("plain-server", [], sink=["--extensions", ""]),
    send("no-chunking", [], sink=["--extensions", "PIPELINING,SIZE"]),
    send("limits", [], sink=["--extensions", "PIPELINING,CHUNKING,LIMITS MAILMAX=2"]),
    send("helo", [{"on": "EHLO", "reply": "502 5.5.1 what?"}]),
    send("csv", [], table="people.csv", message=PERSONAL),
    send("tsv", [], table="people.tsv", message=PERSONAL),
    send("jsonl", [], table="people.jsonl", message=PERSONAL),
    send("refused-sender", [{"on": "MAIL", "reply": "550 5.7.1 no"}], each=False, status=1),
    send("refused-recipients", [{"on": "RCPT", "match": "<a@", "reply": "550 5.1.1 unknown"}], each=False, status=1),
    send("all-refused", [{"on": "RCPT", "reply": "550 5.1.1 unknown"}], "pipelining=stream", status=1),
    send("refused-content", [{"on": "end", "reply": "554 5.6.0 no"}], "pipelining=stream", status=1),
    send("deferred", [{"on": "RCPT", "match": "<b@x", "reply": "450 4.2.1 later"}], "talk_attempts=2", status=75),
    send("once-more", [{"on": "end", "nth": 1, "per_connection": True, "reply": "451 4.3.0 later"}], status=0),
    send("too-many", [{"on": "RCPT", "nth": 2, "per_connection": True, "reply": "452 4.5.3 full"}], each=False, connections=1),
    send("421-behind-each", [{"on": "end", "nth": 2, "per_connection": True, "reply": "250 ok\r\n421 bye", "close": True}]),
    send("421-to-mail", [{"on": "MAIL", "nth": 3, "per_connection": True, **BYE}], "pipelining=stream"),
    send("reset-at-mail", [{"on": "MAIL", "nth": 3, "per_connection": True, "reset": True}], "pipelining=envelope"),
    send("closed-at-the-end", [{"on": "end", "nth": 2, "per_connection": True, "close": True}], "pipelining=message", status=1, steady=False),
    send("reconnects", [], "max_messages_per_connection=2"),
    send("robin", [], "max_messages_per_robin=3", servers=2),
    send("two-servers", [], servers=2),
    send("one-of-two-is-sulky", [{"on": "RCPT", "match": "<a@", "reply": "451 4.7.1 later"}], servers=2, status=75),
    send("three-servers-shared", [], servers=3, each=False),
    send("drip", [{"on": "end", "drip_ms": 1}], settles_after=0.15),
    send("rate", [], "rate=500/s"),
    send("logs", [], "CONVERSATION=talk", "GOOD=good", "BAD=bad", "ERRFILE=errors"),
    send("large", [], message=MESSAGE + "x" * 70 + ("\n" + "y" * 70) * 3000, connections=1),
    send("by-name", [], status=0),
    send("signal", [{"on": "end", "delay_ms": 20}], connections=1, status=75, steady=False, signalled=True, settles_after=0.25),
    send("starttls", [], *TRUST, sink=TLS),
    send("starttls-may", [], "tls=may", sink=TLS),
    send("implicit-tls", [], *TRUST, "tls_wrapper=1", sink=[*TLS, "--tls-wrapper"]),
    send("tls-1.2", [], *TRUST, sink=[*TLS, "--tls-versions", "1.2-1.2"]),
    send("resumed", [], *TRUST, "max_messages_per_connection=1", connections=1, sink=TLS),
    send("wrong-certificate", [], "tls=verify", sink=TLS, status=69),
    send("no-starttls", [], *TRUST, status=69),
    send("plain", [], *TRUST, *LOGIN, "auth=PLAIN", sink=AUTH),
    send("scram", [], *TRUST, *LOGIN, "auth=SCRAM-SHA-256", sink=AUTH),
    send("cram-md5", [], *TRUST, *LOGIN, "auth=CRAM-MD5", sink=AUTH),
    send("wrong-password", [{"on": "AUTH", "reply": "535 5.7.8 no"}], *TRUST, *LOGIN, sink=AUTH, status=69),
    send("lmtp", [], "protocol=lmtp", sink=["--lmtp"], each=False),
    conf("conf", "--quiet", "--outcomes", "outcomes", "--report", "report"),
    conf("dry-run", "--dry-run"),
    Script(
        "check",
        ["check", "--server", "127.0.0.1:PORT0", "--list", "list", "--message", "message"],
        files={"list": LIST, "message": MESSAGE},
    ),
    Script("talk", ["talk", "--server", "127.0.0.1:PORT0", "NOOP"], records=0),
]


def named(script):
    script.options = [option.replace("127.0.0.1", "localhost") for option in script.options]


named(next(script for script in SCRIPTS if script.name == "by-name"))


def faults_of(counts):
    """Each call of a calm run with each errno."""
    for call, count in counts.items():
        errors = {"memory": ["ENOMEM"], "pthread_create": ["EAGAIN"]}.get(call, ERRNOS)
        yield from (Fault(call, at, error) for error in errors for at in range(1, count + 1))


def sample(faults, name):
    """All, or as many, the same each time, spread over them."""
    if LONG or len(faults) <= SAMPLE:
        return faults
    step, first = len(faults) / SAMPLE, zlib.crc32(name.encode()) % 1000 / 1000
    return [faults[int((at + first) * step)] for at in range(SAMPLE)]


@pytest.fixture(scope="module", autouse=True)
def can_be_shimmed():
    if b".gcda" in pathlib.Path(bulkmail()).read_bytes():
        pytest.skip("gcov's own dump at exit does not survive a failed call")


def calm_run(bench):
    calm = bench.run({})
    assert (calm.status, calm.shim.ended) == (bench.script.status, True), calm.said
    assert calm.shim.leaks == 0, calm.shim.leak
    calm.check_claims()
    return calm


# conformance: 24, F51, F62
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_each_call_fails_in_turn(script, tmp_path, sink_of, record_property):  # noqa: F811
    bench = Bench(script, tmp_path, sink_of)
    calm = calm_run(bench)
    counts = {call: count for call, count in calm.shim.counts.items() if count}
    counts.pop("pthread_create" if is_sanitized() else "", None)
    if is_sanitized() and "--dry-run" in script.options:
        pytest.skip("under a sanitizer sockets alone fail, and it has none")
    assert len(counts) > 3 if is_sanitized() else counts["memory"] > 50 and len(counts) > 8
    faults = sample(list(faults_of(counts)), script.name)
    failed = known = 0
    wrong = []
    for fault in faults:
        try:
            run = bench.run(fault.environment())
        except subprocess.TimeoutExpired:
            wrong.append(f"{fault}: it hangs")
            continue
        failed += run.shim.failed
        if run.is_known_abort(fault):
            known += 1
            continue
        try:
            run.check(fault, calm)
        except AssertionError as error:
            wrong.append(f"{fault} in {run.shim.place}: {error}")
    record_property("faults", failed)
    record_property("known aborts of libraries", known)
    print(f"{script.name}: {failed} of {len(faults)} faults struck, {known} known aborts, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)
    assert failed > len(faults) / 2
