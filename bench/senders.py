# SPDX-License-Identifier: MIT
"""Who is measured, and the command line that makes each of them do the same work."""

import os
import pathlib
import shutil
import subprocess
from dataclasses import dataclass, replace

import files

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = ROOT / "bench"
PROGRAMS = ROOT / "build" / "bench"
BULKMAIL = os.path.abspath(os.environ.get("BULKMAIL", ROOT / "build" / "bulkmail"))
SERVERS = pathlib.Path(os.environ.get("SERVERS_DIR", ROOT / "build" / "servers")).absolute()
POSTFIX = SERVERS / "postfix" / "usr"
MODES = ("off", "envelope", "message", "stream", "auto")


@dataclass(frozen=True)
class Work:
    """What a sender is asked to do: so many transactions of so many recipients each."""

    transactions: int
    connections: int
    recipients: int
    size: int
    servers: tuple = ()  # "ADDRESS:PORT"

    def total(self):
        return self.transactions * self.recipients

    def of(self, transactions):
        return replace(self, transactions=transactions)


@dataclass(frozen=True)
class Sender:
    name: str
    kind: str  # peer, limit or bulkmail
    command: object  # (work, files) -> list of arguments
    needs: object  # () -> what is missing, or ""
    limit: str = "limit, group"  # the limit sender that plays the same game
    one_connection: bool = False
    environment: tuple = ()
    mode: str = ""

    def env(self):
        return os.environ | dict(self.environment)


def program_missing(path, why):
    return lambda: "" if shutil.which(str(path)) else why


def options(work):
    return [
        *("--server", work.servers[0]),
        *("--messages", str(work.transactions)),
        *("--connections", str(work.connections)),
        *("--recipients", str(work.recipients)),
        *("--size", str(work.size)),
    ]


def limit(mode):
    return Sender(
        name=f"limit, {mode}",
        kind="limit",
        command=lambda work, _: [PROGRAMS / "limit", "--mode", mode, *options(work)],
        needs=program_missing(PROGRAMS / "limit", "it was not built"),
        limit=f"limit, {mode}",
    )


def smtp_source(work, _):
    path = POSTFIX / "sbin" / "smtp-source"
    counts = ["-m", str(work.transactions), "-s", str(work.connections), "-r", str(work.recipients), "-l", str(work.size)]
    names = ["-f", files.SENDER, "-t", "user@example.net", "-M", "client.example.com"]
    return [path, "-d", "-N", *counts, *names, work.servers[0]]


ORIGINAL = """define package Mail::Bulkmail
server_class = Mail::Bulkmail::Server
LIST = {list}
From = {sender}
To = readers@example.com
Subject = News
Message = {body}
message_from_file = 1
use_envelope = {use_envelope}
Trusting @= duplicates
define package Mail::Bulkmail::Server
server_file = {servers}
Domain = client.example.com
Tries = 2
"""

ORIGINAL_SERVERS = """define package Mail::Bulkmail::Server
Smtp @= {host}
Port @= {port}
envelope_limit @= {envelope_limit}
"""


def write_old(path, text):
    """The original reads a conf file again, and appends its lists again, while it is younger than the process."""
    path.write_text(text, encoding="ascii")
    os.utime(path, (path.stat().st_mtime - 3600,) * 2)
    return path


def original(work, made):
    host, port = work.servers[0].split(":")
    servers = write_old(
        made.folder / f"servers-{port}.conf",
        ORIGINAL_SERVERS.format(host=host, port=port, envelope_limit=work.recipients),
    )
    conf = write_old(
        made.folder / f"original-{port}.conf",
        ORIGINAL.format(
            list=made.list(work.total(), False),
            body=made.body(work.size),
            sender=files.SENDER,
            servers=servers,
            use_envelope=int(work.recipients > 1),
        ),
    )
    return ["perl", ROOT / "tests" / "e2e" / "original" / "run_original.pl", "--conf", conf]


def has_original():
    done = subprocess.run(["perl", "-MMail::Bulkmail", "-e1"], stderr=subprocess.DEVNULL, check=False)
    return "" if done.returncode == 0 else "the Perl module Mail::Bulkmail is missing"


def has_nodemailer():
    if not shutil.which("node"):
        return "node is missing"
    return "" if (PROGRAMS / "node_modules" / "nodemailer").is_dir() else "the npm package is missing"


def peers():
    return [
        Sender(
            name="smtp-source",
            kind="peer",
            command=smtp_source,
            needs=program_missing(POSTFIX / "sbin" / "smtp-source", "scripts/setup-servers has not unpacked it"),
            environment=(("LD_LIBRARY_PATH", str(POSTFIX / "lib" / "postfix")),),
        ),
        Sender(
            name="libESMTP",
            kind="peer",
            command=lambda work, _: [PROGRAMS / "with_libesmtp", *options(work)],
            needs=program_missing(PROGRAMS / "with_libesmtp", "the library was not there"),
        ),
        Sender(
            name="libcurl",
            kind="peer",
            command=lambda work, _: [PROGRAMS / "with_libcurl", *options(work)],
            needs=program_missing(PROGRAMS / "with_libcurl", "the library was not there"),
        ),
        Sender(
            name="smtplib",
            kind="peer",
            command=lambda work, _: ["/usr/bin/python3", HERE / "with_smtplib.py", *options(work)],
            needs=program_missing("/usr/bin/python3", "python3 is missing"),
        ),
        Sender(
            name="nodemailer",
            kind="peer",
            command=lambda work, _: ["node", HERE / "with_nodemailer.js", *options(work)],
            needs=has_nodemailer,
            environment=(("NODE_PATH", str(PROGRAMS / "node_modules")),),
        ),
        Sender(name="Mail::Bulkmail", kind="peer", command=original, needs=has_original, one_connection=True),
    ]


def limits():
    return [limit("lockstep"), limit("group"), limit("stream")]


def bulkmail(mode, personal, trusted=True, secure=False):
    """personal: a CSV list and a message with slots, else plain addresses and one text for all. trusted: duplicates are
    not looked for. secure: over TLS, the server's certificate being verified."""

    def command(work, made):
        servers = [word for server in work.servers for word in ("--server", server)]
        attributes = {
            "Domain": "client.example.com",
            "connections": work.connections,
            "pipelining": mode,
        }
        if trusted:
            attributes["Trusting"] = "duplicates"
        if secure:
            attributes |= {"tls": "verify", "tls_wrapper": 1, "tls_ca_file": made.certificate()}
        if work.recipients > 1:
            attributes["envelope_limit"] = work.recipients
        settings = [word for name, value in attributes.items() for word in ("--set", f"{name}={value}")]
        # With slots each recipient has a transaction of his own anyway.
        envelope = [] if personal else ["--use-envelope", str(int(work.recipients > 1))]
        inputs = ["--list", made.list(work.total(), personal), "--message", made.message(work.size, personal)]
        return [
            *(BULKMAIL, "send", *servers, *settings, *envelope, *inputs),
            *("--from", files.SENDER, "--no-journal", "--quiet"),
        ]

    return Sender(
        name=f"bulkmail {mode}, {'CSV' if personal else 'plain'}{', TLS' if secure else ''}",
        kind="bulkmail",
        command=command,
        needs=program_missing(BULKMAIL, "build/bulkmail is missing"),
        limit="limit, stream" if mode in ("stream", "auto") else "limit, group",
        mode=mode,
    )


def handshakes(mode, resumed):
    """mode: ours, or openssl alone; all but the first resumed, or none."""

    def command(work, made):
        counts = ("--count", work.transactions, *(["--resumed"] if resumed else []))
        return [PROGRAMS / "handshake", "--server", work.servers[0], "--ca", made.certificate(), "--mode", mode, *counts]

    return Sender(
        name="bulkmail" if mode == "ours" else "OpenSSL alone",
        kind="limit",
        command=command,
        needs=program_missing(PROGRAMS / "handshake", "it was not built"),
    )
