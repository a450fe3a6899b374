# SPDX-License-Identifier: MIT
"""Campaigns to postfix, exim4, opensmtpd and aiosmtpd over STARTTLS and over implicit TLS, logged in by each mechanism that
the server has. The oracle is the server: its log names who logged in and how and whom it refused, its queue holds what
it took."""

import re
from collections import Counter

import pytest

from lib import certs, command, secure_servers, servers
from lib.waiting import wait_until

RECIPIENTS = 300
FEW = 20
DOMAINS = 10
BODY = b"A body with\n.a dot\n..two dots\n.\nand lines behind it.\n"
# OpenSMTPD takes 100 messages over one connection.
LIMITS = {"opensmtpd": ("--set", "max_messages_per_connection=100")}
TRANSPORTS = ("starttls", "implicit")


def in_its_group(name, *more):
    """There is one opensmtpd a machine; it has its group in other tests too."""
    return pytest.param(name, *more, marks=pytest.mark.xdist_group(name if name == "opensmtpd" else f"auth-{name}"))


CASES = [
    in_its_group(name, mechanism, transport)
    for name, kind in secure_servers.SERVERS.items()
    for mechanism in (None, *kind.mechanisms)
    for transport in TRANSPORTS
]


@pytest.fixture(scope="module")
def running(unpacked):
    """Starts a server when the first test asks for it."""
    started = {}

    def get(name):
        if name not in started:
            started[name] = secure_servers.SERVERS[name]().start()
        started[name].forget()
        return started[name]

    yield get
    for server in started.values():
        server.stop()


def addresses(count, tag):
    """Each tenth is one that the servers refuse."""
    names = (servers.REFUSED if number % 10 == 0 else "reader" for number in range(count))
    return [f"{name}{number:04d}@d{number * DOMAINS // count}.{tag}.example.org" for number, name in enumerate(names)]


def send(server, folder, rcpts, transport, password, *more):
    (folder / "list").write_text("".join(f"{rcpt}\n" for rcpt in rcpts), encoding="ascii")
    (folder / "body").write_bytes(BODY)
    secret = folder / "password"
    secret.write_text(password + "\n", encoding="utf-8")
    secret.chmod(0o600)
    port = server.tls_port if transport == "implicit" else server.port
    options = ["--server", f"127.0.0.1:{port}", "--list", "list", "--body", "body", "--subject", "Logged in"]
    options += ["--from", "news@lists.example.org", "--use-envelope", "0"]
    given = {"tls_wrapper": int(transport == "implicit"), "tls_ca_file": certs.ca()}
    given |= {"user": secure_servers.USER, "password_file": secret}
    for name, value in given.items():
        options += ["--set", f"{name}={value}"]
    return command.send([*options, *LIMITS.get(server.name, ()), *more], folder, seconds=60)


def check_log(server, tag, refused):
    def named():
        return {to for to in re.findall(server.refusal_pattern, server.log_text()) if f".{tag}." in to}

    # Logs are written behind the reply.
    wait_until(lambda: named() == refused, 20, "the log names all refused ones and nobody else")


def check_queue(server, taken):
    stored = server.queued()
    assert Counter(to for one in stored for to in one.recipients) == Counter(taken)
    for one in stored:
        assert one.sender == "news@lists.example.org"
        head, _, body = one.content.partition(b"\r\n\r\n")
        assert body == BODY.replace(b"\n", b"\r\n")
        assert f"\r\nTo: {one.recipients[0]}\r\n".encode() in head + b"\r\n"


# conformance: 40, 42, 46, 47, 48, 54
@pytest.mark.parametrize("name, mechanism, transport", CASES)
def test_logged_in(running, name, mechanism, transport, tmp_path):
    """The server demands both TLS and a login: what it took came in by them. Without `auth` it is the best it has."""
    server = running(name)
    tag = f"{(mechanism or 'default').lower()}-{transport}"
    rcpts = addresses(RECIPIENTS if mechanism in (None, "PLAIN") else FEW, tag)
    refused = {rcpt for rcpt in rcpts if rcpt.startswith(servers.REFUSED)}
    chosen = ["--set", f"auth={mechanism}"] if mechanism else []
    before = server.log_text()
    sent = send(server, tmp_path, rcpts, transport, secure_servers.PASSWORD, *chosen, "--set", "connections=2")
    assert sent.status == command.NOT_ALL, sent.stderr
    assert sent.kinds() == {rcpt: "refused" if rcpt in refused else "accepted" for rcpt in rcpts}
    check_queue(server, set(rcpts) - refused)
    if hasattr(server, "refusal_pattern"):
        check_log(server, tag, refused)
    check_login(server, mechanism or server.mechanisms[0], before)


def check_login(server, mechanism, before):
    wanted = {("" if server.name == "opensmtpd" else mechanism, secure_servers.USER)}
    wait_until(lambda: server.logins(len(before)) == wanted, 20, f"the log names {wanted}")


# conformance: 53, 54
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", map(in_its_group, secure_servers.SERVERS))
def test_wrong_password(running, name, transport, tmp_path):
    """Takes the server out after a try for each connection at most; no recipient has anything to do with it."""
    server = running(name)
    rcpts = addresses(RECIPIENTS, f"wrong-{transport}")
    before = server.failed_logins()
    sent = send(server, tmp_path, rcpts, transport, "not " + secure_servers.PASSWORD, "--set", "connections=2")
    assert sent.status == command.NO_SERVER, sent.stderr
    assert sent.counts() == {"unsent": len(rcpts)}
    assert "not " + secure_servers.PASSWORD not in sent.stderr
    assert server.queued() == []
    wait_until(lambda: server.failed_logins() > before, 20, "the log has the failed login")
    assert server.failed_logins() - before <= 2
