# SPDX-License-Identifier: MIT
"""Campaigns of 1,000 recipients (200 of a sanitized build) to postfix, exim4, opensmtpd and aiosmtpd: what they stored is,
byte for byte, what was to be sent. Bytes are compared after the trace that the server put on
top; a maildir's line ends are counted as CR LF."""

import pytest

from lib import command, content, servers

# The sanitizers look at the sender; what the servers do with more takes them the most time.
RECIPIENTS = 200 if command.is_sanitized() else 1000
DOMAINS = 20

ATTRIBUTES = {
    "From": '"The News" <news@lists.example.org>',
    "Subject": "A subject of the ordinary kind",
    "To": "readers@lists.example.org",
    "Sender": "bounces@lists.example.org",
    "ReplyTo": "editor@lists.example.org",
}

BODY = b"".join(
    line + b"\n"
    for line in (
        b".a dot at the start",
        b"..two dots",
        b".",
        b"",
        "8-bit: gr\u00fc\u00df dich, \u20ac 5, \u65e5\u672c\u8a9e".encode("utf-8"),
        b"trailing blanks   \t",
        b"From the start of a line",
        b"x" * 998,
        b"." * 400,
        b"QUIT",
        b".",
        b"",
        b"",
    )
)

MESSAGE = (
    b'From: "The News" <news@lists.example.org>\n'
    b"To: readers@lists.example.org\n"
    b"Subject: A folded\n"
    b"\tsubject with  two blanks\n"
    b"Date: Sat, 31 Jan 2026 12:00:00 +0100\n"
    b"Sender: bounces@lists.example.org\n"
    b"Reply-To: editor@lists.example.org\n"
    b"Precedence: list\n"
    b"X-Order: headers stay in their order, and in their CASE\n"
    b"Message-ID: <verbatim.1@lists.example.org>\n"
    b"MIME-Version: 1.0\n"
    b"Content-Type: text/plain; charset=utf-8\n"
    b"Content-Transfer-Encoding: 8bit\n"
    b"\n"
) + BODY

# What a user has to know of a relay. OpenSMTPD takes 100 messages over one connection.
LIMITS = {"opensmtpd": {"max_messages_per_connection": "100"}}


@pytest.fixture(scope="module")
def running(unpacked):
    """Starts a server when the first test asks for it."""
    started = {}

    def get(name):
        if name not in started:
            started[name] = servers.SERVERS[name](refuses=True).start()
        return started[name]

    yield get
    for server in started.values():
        server.stop()


def in_its_group(name):
    """All tests with one server follow each other."""
    return pytest.param(name, marks=pytest.mark.xdist_group(name))


@pytest.fixture(params=[in_its_group(name) for name in servers.SERVERS])
def server(request, running):
    made = running(request.param)
    made.forget()
    return made


def addresses(count, refused_each=None):
    """Sorted by domain. Every refused_each-th is one that the server refuses."""
    width = count // DOMAINS
    for number in range(count):
        refused = refused_each and number % refused_each == 0
        name = servers.REFUSED if refused else "reader"
        yield f"{name}{number:04d}@d{number // width:02d}.example.org"


def write_files(server, folder, rcpts, campaign, limits):
    """The conf file, server file, list and body of a campaign; returns the options that name them."""
    (folder / "list.txt").write_text("".join(f"{rcpt}\n" for rcpt in rcpts), encoding="ascii")
    (folder / "body.txt").write_bytes(BODY)
    (folder / "message.eml").write_bytes(MESSAGE)
    limits = "".join(f"{name} @= {value}\n" for name, value in limits.items())
    (folder / "servers.conf").write_text(
        f"define package Mail::Bulkmail::Server\nSmtp @= 127.0.0.1\nPort @= {server.port}\n{limits}", encoding="ascii"
    )
    settings = "".join(f"{name} = {value}\n" for name, value in campaign.items())
    (folder / "master.conf").write_text(
        "define package Mail::Bulkmail\n"
        "server_class = Mail::Bulkmail::Server\n"
        f"GOOD = good.txt\nERRFILE = errors.txt\n{settings}"
        "define package Mail::Bulkmail::Server\n"
        f"Domain = client.example.org\nTries = 2\nserver_file = {folder}/servers.conf\n",
        encoding="ascii",
    )
    return ["--conf", folder / "master.conf", "--list", folder / "list.txt"]


def send(server, folder, rcpts, campaign, *options, limits=None):
    named = write_files(server, folder, rcpts, campaign, LIMITS.get(server.name, {}) if limits is None else limits)
    return command.send([*named, *options], folder, seconds=120)


def by_recipient(stored):
    """Recipient to delivery; nobody has two."""
    found = {}
    for one in stored:
        for recipient in one.recipients:
            assert recipient not in found, f"{recipient} got it twice"
            found[recipient] = one
    return found


def check_outcomes(server, sent, rcpts, refused=()):
    assert sent.status == (command.NOT_ALL if refused else command.OK), sent.stderr
    assert sent.of_kind("refused") == list(refused)
    assert sent.of_kind("accepted") == [rcpt for rcpt in rcpts if rcpt not in set(refused)]
    assert sent.report["recipients"] == len(rcpts)
    assert sent.report["accepted"] == len(rcpts) - len(refused)
    for row in sent.outcomes:
        assert row["server"] == f"127.0.0.1:{server.port}"
        assert row["code"] == (250 if row["outcome"] == "accepted" else 550)


# conformance: 2, 25
def test_a_copy_each(server, tmp_path):
    # manual: use_envelope, From, Subject, Sender, ReplyTo, max_messages_per_connection
    rcpts = list(addresses(RECIPIENTS))
    sent = send(server, tmp_path, rcpts, {**ATTRIBUTES, "use_envelope": "0"}, "--body", tmp_path / "body.txt")
    check_outcomes(server, sent, rcpts)
    found = by_recipient(server.collect(RECIPIENTS))
    assert sorted(found) == rcpts
    for rcpt, one in found.items():
        assert one.sender == "bounces@lists.example.org"
        assert content.normal(one.content) == content.expected(ATTRIBUTES, rcpt, BODY)
    ids = {content.check_own_headers(one.content) for one in found.values()}
    assert len(ids) == RECIPIENTS
    assert len({one.queue_id for one in found.values()}) == RECIPIENTS


# conformance: 10
def test_shared_envelopes(server, tmp_path):
    # manual: use_envelope, To, envelope_limit
    rcpts = list(addresses(RECIPIENTS))
    campaign = {**ATTRIBUTES, "use_envelope": "1"}
    sent = send(server, tmp_path, rcpts, campaign, "--body", tmp_path / "body.txt", "--set", "envelope_limit=30")
    check_outcomes(server, sent, rcpts)
    found = by_recipient(server.collect(RECIPIENTS))
    assert sorted(found) == rcpts
    wanted = content.expected(ATTRIBUTES, ATTRIBUTES["To"], BODY)
    for one in found.values():
        assert content.normal(one.content) == wanted
        content.check_own_headers(one.content)
    assert envelopes_of(found) == expected_envelopes(rcpts, 30)
    assert sent.report["transactions"] == len(expected_envelopes(rcpts, 30))


def envelopes_of(found):
    """Recipients that came in one transaction."""
    grouped = {}
    for rcpt, one in found.items():
        grouped.setdefault(one.queue_id, set()).add(rcpt)
    return sorted(sorted(group) for group in grouped.values())


def expected_envelopes(rcpts, limit):
    grouped = {}
    for rcpt in rcpts:
        grouped.setdefault(rcpt.partition("@")[2], []).append(rcpt)
    return sorted(group[at : at + limit] for group in grouped.values() for at in range(0, len(group), limit))


# conformance: 4, 5
def test_message_file_verbatim(server, tmp_path):
    # manual: headers_from_message, use_envelope
    rcpts = list(addresses(RECIPIENTS))
    sent = send(server, tmp_path, rcpts, {"use_envelope": "1"}, "--message", tmp_path / "message.eml")
    check_outcomes(server, sent, rcpts)
    found = by_recipient(server.collect(RECIPIENTS))
    assert sorted(found) == rcpts
    assert {one.sender for one in found.values()} == {"bounces@lists.example.org"}
    assert {one.content for one in found.values()} == {content.crlf(MESSAGE)}


@pytest.mark.parametrize("use_envelope, count", [("0", 300), ("1", RECIPIENTS)])
def test_every_tenth_refused(server, tmp_path, use_envelope, count):
    # manual: use_envelope, MBS008, max_errors_per_connection, GOOD
    rcpts = list(addresses(count, refused_each=10))
    refused = [rcpt for rcpt in rcpts if rcpt.startswith(servers.REFUSED)]
    campaign = {**ATTRIBUTES, "use_envelope": use_envelope}
    sent = send(server, tmp_path, rcpts, campaign, "--body", tmp_path / "body.txt")
    check_outcomes(server, sent, rcpts, refused)
    found = by_recipient(server.collect(count - len(refused)))
    assert sorted(found) == sorted(set(rcpts) - set(refused))
    assert set((tmp_path / "good.txt").read_text().splitlines()) == set(found)


@pytest.mark.parametrize("server", [in_its_group("opensmtpd")], indirect=True)
def test_452_to_mail_after_100_messages(server, tmp_path):
    """OpenSMTPD takes 100 messages over a connection and answers 452 to each MAIL after them, without an
    end: only a fresh connection helps."""
    # manual: retry_delay, max_errors_per_connection
    rcpts = list(addresses(260))
    soon = ("--set", "retry_delay=1", "--set", "retry_delay_max=1")
    campaign = {**ATTRIBUTES, "use_envelope": "0"}
    sent = send(server, tmp_path, rcpts, campaign, "--body", tmp_path / "body.txt", *soon, limits={})
    check_outcomes(server, sent, rcpts)
    assert sorted(by_recipient(server.collect(len(rcpts)))) == rcpts
