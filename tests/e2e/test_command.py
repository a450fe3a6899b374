# SPDX-License-Identifier: MIT
"""The command: options, texts, exit statuses, outcomes and report (bulkmail(1))."""

import base64
import fcntl
import json
import os
import pty
import re
import select
import socket
import struct
import subprocess
import termios
import time

import pytest

from lib.campaign import (  # noqa: F401
    BAD_DATA,
    CONF,
    IO,
    KINDS,
    LATER,
    MESSAGE,
    MISSING,
    NO_SERVER,
    NOT_ALL,
    OK,
    SOON,
    USAGE,
    addresses,
    check_sums,
    options_for,
    run,
    sink_of,
    write_list,
    write_message,
)
from lib.command import bulkmail, in_order
from lib.waiting import free_port

SUBCOMMANDS = ("send", "check", "talk", "sink")
TWO = ["a@x.example.org", "b@x.example.org"]
ROW = ["seq", "address", "outcome", "code", "enhanced", "text", "server", "attempts", "at"]


def send(folder, sinks, lines, *more, content=MESSAGE, **options):
    return run("send", *options_for(folder, sinks, lines, content), "--no-journal", *more, cwd=folder, **options)


# --help, --version, usage


@pytest.mark.parametrize("arguments", [(), *((name,) for name in SUBCOMMANDS)], ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version(arguments, option):
    done = run(*arguments, option)
    assert (done.status, done.stderr) == (OK, "")
    expected = r"bulkmail \d+\.\d+" if option == "--version" else "bulkmail"
    assert re.match(expected, done.stdout) or "usage: bulkmail" in done.stdout
    if arguments and option == "--help":
        assert f"bulkmail {arguments[0]}" in done.stdout


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_unknown_option(name):
    done = run(name, "--colour")
    assert (done.status, done.stdout) == (USAGE, "")
    assert "--colour" in done.stderr and "--help" in done.stderr


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), "bulkmail send"),
        (("fly",), 'no command "fly"'),
        (("send", "more"), '"more"'),
        (("send", "--message", "m", "--body", "b"), "one of them"),
        (("send", "--list", "-", "--message", "-"), "only one of them"),
        (("send", "--set", "Tries"), "expected NAME=VALUE"),
        (("send", "--journal", "j"), "keeps no journal"),
        (("check", "--journal", "j"), "keeps no journal"),
        (("send", "--use-envelope", "2"), "expected 0 or 1"),
        (("talk", "NOOP"), "--server"),
        (("talk", "--server", "127.0.0.1:1"), "at least one command"),
        (("sink", "--listen", "2525"), "HOST:PORT"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage(arguments, said):
    done = run(*arguments)
    assert (done.status, done.stdout) == (USAGE, "")
    assert said in done.stderr


# Exit statuses; what is sent on 64, 65, 66 and 78: nothing


def nothing_sent(tmp_path, sink, status, said, *more, **files):
    options = {"--server": sink.address, "--list": write_list(tmp_path, TWO), "--message": write_message(tmp_path)}
    options.update(files)
    given = [word for option, value in options.items() if value is not None for word in (option, value)]
    done = run("send", *given, *more, cwd=tmp_path)
    assert done.status == status, done.stderr
    assert done.stdout == ""
    for part in said if isinstance(said, tuple) else (said,):
        assert part in done.stderr
    assert sink.counters()["connections"] == 0


WRONG_FILES = [
    ("--list", "/nowhere/list", MISSING, ("MB702", "/nowhere/list", "No such file")),
    ("--message", "/nowhere/mail", MISSING, ("MB020", "/nowhere/mail", "No such file")),
    ("--list", "/", MISSING, ("MB702", "directory")),
    ("--message", "/", MISSING, ("MB021", "directory")),
    ("--conf", "/nowhere/conf", MISSING, ("/nowhere/conf", "No such file")),
    ("--conf", "/", MISSING, "directory"),
    ("--outcomes", "/nowhere/o", IO, ("MB702", "/nowhere/o")),
    ("--report", "/nowhere/r", IO, ("MB702", "/nowhere/r")),
    ("--report", "/", IO, ("MB702", "directory")),
    ("--server", "127.0.0.1:x", USAGE, ('"x"', "expected")),
    ("--server", "127.0.0.1:0", USAGE, ('"0"', "1 to 65535")),
    ("--server", "127.0.0.1:65536", USAGE, ('"65536"', "1 to 65535")),
    ("--server", ":25", USAGE, ('":25"', "HOST:PORT")),
    ("--server", "a:1:2", USAGE, ('"a:1:2"', "[IPV6]:PORT")),
]


@pytest.mark.parametrize("option, value, status, said", WRONG_FILES, ids=lambda value: str(value).replace("/", "_"))
def test_wrong_file_or_server(option, value, status, said, tmp_path, sink_of):  # noqa: F811
    # manual: MB020, MB021, MB702, conf-missing-named, Port
    nothing_sent(tmp_path, sink_of(), status, said, **{option: value})


def test_a_missing_file_of_banned_addresses_is_called_so(tmp_path, sink_of):  # noqa: F811
    # manual: banned, MB702
    nothing_sent(tmp_path, sink_of(), MISSING, "banned addresses /nowhere/b", "--set", "banned=/nowhere/b")


@pytest.mark.parametrize("which", ["--outcomes", "--report"])
def test_the_list_is_not_overwritten(which, tmp_path, sink_of):  # noqa: F811
    path = write_list(tmp_path, TWO)
    nothing_sent(tmp_path, sink_of(), USAGE, "overwritten", **{which: path})
    assert path.read_text().split() == TWO


def test_a_relay_beside_a_dummy_is_refused(tmp_path, sink_of):  # noqa: F811
    conf = tmp_path / "dummy.conf"
    conf.write_text(
        "define package Mail::Bulkmail\nserver_class = Mail::Bulkmail::DummyServer\n"
        f"define package Mail::Bulkmail::DummyServer\ndummy_file = {tmp_path / 'dummy'}\n"
    )
    nothing_sent(tmp_path, sink_of(), USAGE, "exclude each other", **{"--conf": conf})


@pytest.mark.parametrize("name", ["LIST", "banned", "BAD", "GOOD", "ERRFILE", "Message", "conf"])
def test_no_file_of_the_campaign_is_overwritten(name, tmp_path, sink_of):  # noqa: F811
    path = tmp_path / "precious"
    line = f"{name} = {path}" if name != "conf" else ""
    path.write_text("" if name == "conf" else "a@x.example.org\n")
    conf = path if name == "conf" else tmp_path / "some.conf"
    conf.write_text(f"define package Mail::Bulkmail\nmessage_from_file = 1\n{line}\n")
    before = path.read_text()
    files = {"--conf": conf, "--outcomes": path}
    files |= {"LIST": {"--list": None}, "Message": {"--message": None}}.get(name, {})
    nothing_sent(tmp_path, sink_of(), USAGE, "overwritten", **files)
    assert path.read_text() == before


def test_outcomes_and_report_are_two_files(tmp_path, sink_of):  # noqa: F811
    files = {"--outcomes": tmp_path / "o", "--report": tmp_path / "o"}
    nothing_sent(tmp_path, sink_of(), USAGE, "overwritten", **files)


# An input that a conf file names is gone just the same, and an empty list would even be a success.
@pytest.mark.parametrize("name, content", [("LIST", "a@x.example.org\n"), ("banned", "b@x.example.org\n")])
@pytest.mark.parametrize("option", ["--outcomes", "--report", "GOOD", "BAD", "ERRFILE"])
def test_no_input_of_a_conf_file_is_overwritten(name, content, option, tmp_path, sink_of):  # noqa: F811
    read = tmp_path / "read"
    read.write_text(content)
    conf = tmp_path / "conf"
    conf.write_text(f"define package Mail::Bulkmail\n{name} = {read}\n")
    files = {"--conf": conf, "--list": None if name == "LIST" else write_list(tmp_path, TWO)}
    more = (option, read) if option.startswith("--") else ("--set", f"{option}={read}")
    nothing_sent(tmp_path, sink_of(), USAGE, "overwritten", *more, **files)
    assert read.read_text() == content


def test_a_keyword_that_is_none_hides_no_other(tmp_path, sink_of):  # noqa: F811
    reply = "250-x\r\n250-\r\n250-A\0B\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
    done = run("check", *options_for(tmp_path, [sink_of({"on": "EHLO", "raw": reply})], TWO))
    assert "offers\n  A\n  PIPELINING\n  8BITMIME\n" in done.stdout


@pytest.mark.parametrize("name", ["check", "talk"])
def test_what_cannot_be_shown_is_an_error(name, tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    options = ["--server", sink.address, "NOOP"] if name == "talk" else options_for(tmp_path, [sink], TWO)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([bulkmail(), name, *options], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert (done.returncode, b"standard output" in done.stderr) == (IO, True)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"no header at all\n", ("MB022", "line 1")),
        (b"To: all@x.example.org\n\nHello\n", "MB014"),
        (b"From: not an address\nTo: a@x.example.org\n\nHello\n", "MB"),
    ],
    ids=["no-header", "no-from", "from"],
)
def test_bad_message(content, said, tmp_path, sink_of):  # noqa: F811
    # manual: MB014, MB022
    nothing_sent(tmp_path, sink_of(), BAD_DATA, said, **{"--message": write_message(tmp_path, content, "bad.eml")})


@pytest.mark.parametrize("option", ["--list", "--message", "--server"])
def test_what_is_needed(option, tmp_path, sink_of):  # noqa: F811
    # manual: MB011, MB016
    said = {"--list": "--list FILE", "--message": "MB016", "--server": "MB011"}[option]
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    files = {"--server": "127.0.0.1:1", "--list": write_list(tmp_path, TWO), "--message": write_message(tmp_path)}
    del files[option]
    done = run("send", *(word for pair in files.items() for word in pair), env=env)
    assert done.status == (NO_SERVER if option == "--server" else USAGE)
    assert said in done.stderr


CONF_LINES = [
    ("Port = twentyfive", ("twentyfive", "expected a number")),
    ("no_such_thing = 1", ("no_such_thing",)),
    ("just words", ("just words",)),
    ("tls = yes", ("tls", "expected none, may, encrypt or verify")),
    ("auth = PLAIN NTLM", ("auth", "NTLM", "SCRAM-SHA-256")),
    ("user = me", ("user", "password_file or password_command")),
    ("password_command = pass", ("password_command", "user")),
    ("rate = 10 a second", ("rate", "expected a number, N/s")),
]


# conformance: A38
@pytest.mark.parametrize("line, said", CONF_LINES, ids=[line for line, _ in CONF_LINES])
def test_conf_error(line, said, tmp_path, sink_of):  # noqa: F811
    # manual: MBO002, conf-types, conf-bad-line, connections, rate
    (tmp_path / "bad.conf").write_text(
        f"define package Mail::Bulkmail::Server\n\n{line}\nSmtp @= localhost\nDomain = c.example\nTries = 1\n"
    )
    (tmp_path / "bad.conf").chmod(0o600)
    nothing_sent(tmp_path, sink_of(), CONF, ("bad.conf:3", *said), **{"--conf": "bad.conf"})


def test_what_cannot_be_honoured_yet_is_refused(tmp_path, sink_of):  # noqa: F811
    nothing_sent(tmp_path, sink_of(), CONF, ("in_doubt", "this version cannot"), "--set", "in_doubt=resend")


WRONG_VALUES = (
    "tls=yes tls_wrapper=2 tls_ca_file= tls_pin= user= password_file= password_command= auth=NTLM protocol=http "
    "tls_cert_file= tls_key_file= Port=0 no_such_thing=1"
).split()


@pytest.mark.parametrize("value", WRONG_VALUES)
@pytest.mark.parametrize("name", ["send", "check", "talk"])
def test_a_wrong_value_of_set_is_conf_everywhere(name, value, tmp_path, sink_of):  # noqa: F811
    # manual: tls, tls_wrapper, tls_ca_file, tls_pin, user, password_file, password_command, auth, protocol, MBO004
    sink = sink_of()
    options = ["--server", sink.address, "--set", value]
    options += ["NOOP"] if name == "talk" else options_for(tmp_path, [], TWO)
    done = run(name, *options)
    assert (done.status, done.stdout) == (CONF, ""), done.stderr
    assert value.split("=")[0] in done.stderr
    assert sink.counters()["connections"] == 0


@pytest.mark.parametrize("value", ["notify=always", "notify=never,delay", "ret=body", "require_tls=yes", "envid="])
def test_wrong_values_of_a_campaign(value, tmp_path, sink_of):  # noqa: F811
    # manual: notify, ret, envid, require_tls
    nothing_sent(tmp_path, sink_of(), CONF, value.split("=")[0], "--set", value)


HONOURED_VALUES = (
    "connections=1 connections=1000 pipelining=off pipelining=envelope pipelining=message pipelining=stream "
    "pipelining=auto pipeline_depth=1 rate=1000 rate=60000/m tls=none tls=may in_doubt=hold protocol=smtp "
    "notify=never notify=FAILURE,delay ret=hdrs envid=n-{{seq}} require_tls=0"
).split()


@pytest.mark.parametrize("value", HONOURED_VALUES)
def test_what_can_be_honoured_is_taken(value, tmp_path, sink_of):  # noqa: F811
    # manual: connections, pipelining, pipeline_depth, rate
    sink = sink_of()
    assert send(tmp_path, [sink], TWO, "--set", value).status == OK
    assert sink.violations() == set()


# conformance: 21, F01
def test_nobody_listens(tmp_path):
    # manual: MB012, max_connection_attempts
    done = send(tmp_path, [f"127.0.0.1:{free_port()}"], TWO, *SOON, "--outcomes", "-")
    assert done.status == NO_SERVER
    assert "MB012" in done.stderr and "MBS003" in done.stderr and "refused" in done.stderr
    assert [row["outcome"] for row in done.outcomes()] == ["unsent"] * 2


def test_conf_servers_keep_the_manuals_rules(tmp_path, sink_of):  # noqa: F811
    # manual: MBS010, MBS017, ERRFILE
    sink = sink_of()
    options = ["--list", write_list(tmp_path, TWO), "--message", write_message(tmp_path), "--set", "ERRFILE=errors"]
    for attribute, error in (("Domain = client.example.org", "MBS017"), ("Tries = 2", "MBS010")):
        conf = f"define package Mail::Bulkmail::Server\nSmtp @= 127.0.0.1\nPort @= {sink.port}\n{attribute}\n"
        (tmp_path / "one.conf").write_text(conf)
        done = run("send", "--conf", "one.conf", *options, cwd=tmp_path)
        assert done.status == NO_SERVER, done.stderr
        assert error in (tmp_path / "errors").read_text()
    assert sink.counters()["connections"] == 0


def test_default_conf_files_are_optional_and_read(tmp_path, sink_of):  # noqa: F811
    # manual: conf-missing-default
    sink = sink_of()
    options = ["--list", write_list(tmp_path, TWO), "--message", write_message(tmp_path)]
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert run("send", *options, env=env).status == NO_SERVER
    (tmp_path / "xdg" / "bulkmail").mkdir(parents=True)
    conf = f"Smtp @= 127.0.0.1\nPort @= {sink.port}\nDomain = from.conf.example\nTries = 1\n"
    (tmp_path / "xdg" / "bulkmail" / "bulkmail.conf").write_text("define package Mail::Bulkmail::Server\n" + conf)
    done = run("send", *options, env=env)
    assert done.status == OK, done.stderr
    assert sink.transactions()[0]["helo"] == "from.conf.example"


# Outcomes, report, streams

EVERY_KIND = [
    "good@x.example.org",
    "refused@x.example.org",
    "later@x.example.org",
    "not an address",
    "GOOD@X.EXAMPLE.ORG",
    "banned@x.example.org",
    "doubt@y.example.org",
    "good@z.example.org",
]
EVERY_RULE = [
    {"on": "RCPT", "match": "<refused@", "reply": "550 5.1.1 no such user"},
    {"on": "RCPT", "match": "<later@", "reply": "450 4.2.1 busy"},
    {"on": "end", "nth": 2, "close": True},
]


# conformance: 12, 15
def test_every_kind_of_outcome(tmp_path, sink_of):  # noqa: F811
    # manual: MB007, MB017, MB018, banned, campaign-duplicates, campaign-banned
    sink = sink_of(*EVERY_RULE)
    (tmp_path / "banned").write_text("banned@x.example.org\n")
    more = [*in_order(["--set", "banned=banned"]), *SOON, "--outcomes", "-", "--report", "report.json"]
    done = send(tmp_path, [sink], EVERY_KIND, *more)
    rows = sorted(done.outcomes(), key=lambda row: row["seq"])
    report = json.loads((tmp_path / "report.json").read_text())
    check_sums(rows, report, len(EVERY_KIND))
    kinds = [row["outcome"] for row in rows]
    assert kinds == "accepted refused deferred invalid duplicate banned in_doubt accepted".split()
    for row in rows:
        assert list(row) == ROW
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["at"])
    assert (rows[0]["code"], rows[0]["enhanced"], rows[0]["server"]) == (250, "2.0.0", sink.address)
    assert (rows[1]["code"], rows[1]["enhanced"], rows[1]["text"]) == (550, "5.1.1", "no such user")
    assert (rows[2]["code"], rows[2]["attempts"]) == (450, 2)
    assert [row["attempts"] for row in rows[3:6]] == [0, 0, 0]
    assert done.status == LATER
    server = report["servers"][0]
    assert list(report)[2:] == ["recipients", *KINDS, "transactions", "seconds", "time", "servers"]
    assert (server["server"], server["messages"], server["transactions"]) == (sink.address, 2, report["transactions"])
    assert server["connections"] == sink.counters()["connections"]
    assert server["replies"]["550"] == 1 and server["replies"]["450"] == 2
    assert done.stderr.count("2 accepted") == 1


# conformance: 24
def test_unsent_after_the_last_server_has_gone(tmp_path, sink_of):  # noqa: F811
    # manual: max_messages, MB012
    sink = sink_of()
    lines = addresses(2) + addresses(2, "y.example.org")
    done = send(tmp_path, [sink], lines, "--set", "max_messages=2", "--outcomes", "-")
    assert done.status == NO_SERVER
    assert [row["outcome"] for row in done.outcomes()] == ["accepted"] * 2 + ["unsent"] * 2


def test_list_outcomes_and_report_by_standard_streams(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    options = ["--server", sink.address, "--message", write_message(tmp_path), "--list", "-"]
    done = run("send", *options, "--outcomes", "-", "--report", "-", given=b"a@x.example.org\nb@x.example.org")
    assert done.status == OK
    rows, report = done.stdout.split("{\n", 1)
    check_sums([json.loads(line) for line in rows.splitlines()], json.loads("{\n" + report), 2)
    assert done.stderr.startswith("bulkmail: 2 recipients: 2 accepted")


def test_quiet(tmp_path, sink_of):  # noqa: F811
    done = send(tmp_path, [sink_of()], TWO, "--quiet")
    assert (done.status, done.stdout, done.stderr) == (OK, "", "")


def test_one_not_accepted(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "RCPT", "match": "<b@", "reply": "550 no"})
    assert send(tmp_path, [sink], TWO).status == NOT_ALL


# conformance: 24
def test_in_doubt_is_named_without_an_outcomes_file(tmp_path, sink_of):  # noqa: F811
    done = send(tmp_path, [sink_of({"on": "end", "close": True})], TWO, "--quiet")
    assert done.status == NOT_ALL
    assert all(f"in doubt: record {seq}, {to}" in done.stderr for seq, to in enumerate(TWO, 1))


# conformance: 24
def test_outcomes_that_cannot_be_written(tmp_path, sink_of):  # noqa: F811
    # manual: MBO005
    done = send(tmp_path, [sink_of()], TWO, "--outcomes", "/dev/full", "--report", "r")
    assert done.status == IO
    assert "No space left" in done.stderr
    assert json.loads((tmp_path / "r").read_text())["recipients"] == 2


def test_an_empty_list(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    done = send(tmp_path, [sink], [], "--report", "-")
    assert done.status == OK
    assert json.loads(done.stdout)["recipients"] == 0
    assert sink.counters()["connections"] == 0


# conformance: F62
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_f62_closed_descriptors(closed, tmp_path, sink_of):  # noqa: F811
    """No socket or file gets the number of a standard stream."""
    sink = sink_of()
    shell = "".join(f" {fd}>&-" if fd else " 0<&-" for fd in closed)
    options = [bulkmail(), "send", *map(str, options_for(tmp_path, [sink], TWO)), "--outcomes", "o", "--report", "r"]
    done = subprocess.run(["/bin/sh", "-c", f'exec "$@"{shell}', "sh", *options], cwd=tmp_path, timeout=30)
    assert done.returncode == OK
    rows = [json.loads(line) for line in (tmp_path / "o").read_text().splitlines()]
    check_sums(rows, json.loads((tmp_path / "r").read_text()), 2)
    assert sink.violations() == set()


# Messages


# conformance: 4
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_message_line_ends(end, tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=["--content"])
    assert send(tmp_path, [sink], TWO, content=MESSAGE.replace(b"\n", end)).status == OK
    content = base64.b64decode(sink.transactions()[0]["content_base64"])
    assert content.endswith(b"\r\n\r\nHello.\r\nThis is the news.\r\n")
    assert sink.violations() == set()


def test_body_and_headers_by_options(tmp_path, sink_of):  # noqa: F811
    # manual: From, To, Subject, Sender, ReplyTo, use_envelope, envelope-sender
    sink = sink_of(options=["--content"])
    (tmp_path / "body").write_bytes(b"Hello.\n")
    given = "--from f@x.example.org --to t@x.example.org --sender s@x.example.org --reply-to r@x.example.org".split()
    options = ["--server", sink.address, "--list", write_list(tmp_path, TWO), "--body", "body"]
    options += [*given, "--subject", "S"]
    assert run("send", *options, cwd=tmp_path).status == OK
    assert run("send", *options, "--use-envelope", "0", cwd=tmp_path).status == OK
    shared, *each = sink.transactions()
    content = base64.b64decode(shared["content_base64"]).decode()
    for name, value in {"From": "f", "To": "t", "Sender": "s", "Reply-To": "r"}.items():
        assert f"{name}: {value}@x.example.org\r\n" in content
    assert "Subject: S\r\n" in content
    assert shared["sender"] == "s@x.example.org"
    assert (shared["recipients"], [one["recipients"] for one in each]) == (TWO, [[to] for to in TWO])


SIGNED = (
    b"From: a@b.example\nTo: c@b.example\nMIME-Version: 1.0\n"
    b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary="b"\n\n'
    b"--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nh\xc3\xa4llo\n"
    b"--b\nContent-Type: application/pgp-signature\n\nsignature\n--b--\n"
)


def test_8bit_message_that_is_signed(tmp_path, sink_of):  # noqa: F811
    # conformance: 59, 60
    content = SIGNED
    willing, other = sink_of(), sink_of(options=["--extensions", "PIPELINING"])
    done = send(tmp_path, [other], TWO, *SOON, "--outcomes", "-", "--set", "ERRFILE=errors", content=content)
    assert done.status == NO_SERVER
    assert [row["outcome"] for row in done.outcomes()] == ["unsent"] * 2
    assert "8BITMIME" in (tmp_path / "errors").read_text()
    assert "8BITMIME" in done.stderr
    assert other.transactions() == []
    # Beside one that takes it, the other one costs nothing.
    assert send(tmp_path, [other, willing], TWO, content=content).status == OK
    assert "BODY=8BITMIME" in willing.transactions()[0]["mail_params"]


# Servers


def test_defaults_of_a_server_that_is_given_alone(tmp_path, sink_of):  # noqa: F811
    # manual: Domain, Tries
    sink = sink_of()
    assert send(tmp_path, [sink], TWO).status == OK
    helo = sink.transactions()[0]["helo"]
    name = socket.gethostname()
    assert helo == name if "." in name else helo == "[127.0.0.1]" or "." in helo
    assert send(tmp_path, [sink], TWO, "--set", "Domain=given.example.org").status == OK
    assert sink.transactions()[1]["helo"] == "given.example.org"


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="no IPv6 here")
def test_ipv6_server(tmp_path, sink_of):  # noqa: F811
    # manual: Smtp
    sink = sink_of(host="::1")
    done = send(tmp_path, [sink], TWO, "--outcomes", "-")
    assert done.status == OK, done.stderr
    assert done.outcomes()[0]["server"] == f"[::1]:{sink.port}"
    assert f"[::1]:{sink.port}: greeted" in run("check", *options_for(tmp_path, [sink], TWO)).stdout


def test_dry_run(tmp_path, sink_of):  # noqa: F811
    sinks = [sink_of(), sink_of()]
    lines = [*addresses(3), "no address", *addresses(3, "y.example.org")]
    more = ["--dry-run", "--outcomes", "o", "--report", "r", "--set", "GOOD=good", "--set", "max_messages_per_robin=3"]
    done = send(tmp_path, sinks, lines, *more)
    assert done.status == NOT_ALL
    assert "7 records, 6 to be sent in 2 envelopes" in done.stdout
    assert "invalid: 1" in done.stdout
    for sink in sinks:
        assert f"server {sink.address}: 3 recipients in 1 envelopes" in done.stdout
        assert sink.counters()["connections"] == 0
    assert not any((tmp_path / name).exists() for name in ("o", "r", "good"))


def test_check(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=["--extensions", "PIPELINING,SIZE 5000,X-\u00e9"])
    done = run("check", *options_for(tmp_path, [sink], TWO))
    assert done.status == OK
    assert f"{sink.address}: greeted, offers\n  PIPELINING\n  SIZE 5000\n" in done.stdout
    assert "2 records, 2 to be sent in 1 envelopes" in done.stdout
    assert done.stdout.isascii()
    dead = f"127.0.0.1:{free_port()}"
    done = run("check", *options_for(tmp_path, [sink, dead], TWO))
    assert done.status == NO_SERVER
    assert dead in done.stderr and "greeted" in done.stdout
    counters = sink.counters()
    assert (counters["connections"], counters["transactions"]) == (2, 0)


def test_check_tells_that_a_server_cannot_take_the_message(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=["--extensions", "PIPELINING"])
    done = run("check", *options_for(tmp_path, [sink], TWO, content=SIGNED))
    assert done.status == NO_SERVER
    assert "8BITMIME" in done.stderr and "127.0.0.1" in done.stderr


# conformance: 24
def test_an_output_that_cannot_be_written(tmp_path, sink_of):  # noqa: F811
    options = ["send", *map(str, options_for(tmp_path, [sink_of()], TWO)), "--dry-run"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([bulkmail(), *options], stdout=full, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == IO
    assert b"standard output" in done.stderr


# talk


def talk(sink, *commands, more=()):
    return run("talk", "--server", sink.address, *more, *commands)


def test_talk(sink_of):  # noqa: F811
    # manual: talk_and_respond, talk-connects-first
    sink = sink_of({"on": "NOOP", "nth": 1, "reply": "250-one\r\n250-\u001b[31mtwo\r\n250 three"})
    done = talk(sink, "NOOP", "NOOP", "QUIT")
    assert (done.status, done.stderr) == (OK, "")
    assert done.stdout.splitlines()[:3] == ["250-one", "250-\\x1B[31mtwo", "250 three"]
    assert [line[:3] for line in done.stdout.splitlines()[3:]] == ["250", "221"]
    assert "\r" not in done.stdout


@pytest.mark.parametrize(
    "reply, status, said",
    [
        ("550 5.1.1 no", NO_SERVER, "MBS008"),
        ("450 4.2.1 later", LATER, "MBS013"),
        ("421 4.3.2 bye", LATER, "MBS009"),
    ],
    ids=["550", "450", "421"],
)
def test_talk_refused(reply, status, said, sink_of):  # noqa: F811
    # manual: MBS008, MBS009, MBS013, talk_attempts
    done = talk(sink_of({"on": "VRFY", "reply": reply}), "NOOP", "VRFY x", "NOOP")
    assert done.status == status
    assert said in done.stderr and reply[:3] in done.stderr
    assert done.stdout.count("\n") == 1


def test_talk_and_nobody_answers(sink_of):  # noqa: F811
    # manual: MBS003, MBS014, MBS015, time_out
    done = run("talk", "--server", f"127.0.0.1:{free_port()}", "NOOP")
    assert (done.status, done.stdout) == (NO_SERVER, "")
    assert "MBS003" in done.stderr
    done = talk(sink_of({"on": "NOOP", "stall": True}), "NOOP", more=["--set", "time_out=1"])
    assert done.status == LATER
    assert "MBS014" in done.stderr


def test_talk_that_cannot_be_said(sink_of):  # noqa: F811
    # manual: MBS006
    for command in ("", "NOOP\r\nQUIT"):
        done = talk(sink_of(), command)
        assert (done.status, done.stdout) == (USAGE, "")
        assert "MBS006" in done.stderr
    done = talk(sink_of(), "MAIL FROM:<a@b.example>", "RCPT TO:<c@b.example>", "DATA", "one\ntwo\n.")
    assert done.status == USAGE and "lone CR or LF" in done.stderr


def test_talk_a_message_and_options_behind_it(sink_of):  # noqa: F811
    # manual: talk_and_respond
    sink = sink_of()
    said = ["MAIL FROM:<a@b.example>", "RCPT TO:<c@b.example>", "DATA", "Subject: x\r\n\r\nhello\r\n."]
    done = run("talk", *said, "--server", sink.address)
    assert done.status == OK, done.stderr
    assert sum(sink.taken().values()) == 1


# Progress


@pytest.mark.slow
def test_plain_progress_lines(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "delay_ms": 1100})
    lines = [f"a@d{number}.example.org" for number in range(6)]
    done = send(tmp_path, [sink], lines, *in_order([]))
    assert done.status == OK
    first = done.stderr.splitlines()[0]
    line = r"bulkmail: \d+ of (about )?6 done, \d+/s(, \d+:\d\d:\d\d left)?, waiting for: .+"
    assert re.fullmatch(line, first), first
    assert sink.address in first
    assert "\r" not in done.stderr and "\x1b" not in done.stderr


def read_terminal(process, terminal, seconds=20):
    seen, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                seen += os.read(terminal, 4096)
            except OSError:
                break
        elif process.poll() is not None:
            break
    return seen.decode()


def seen_on_a_terminal(tmp_path, sink, columns):
    """What stands on a terminal of so many columns, 0: unknown, that shows a campaign of three."""
    lines = [f"a@d{number}.example.org" for number in range(3)]
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    options = [bulkmail(), "send", *map(str, options_for(tmp_path, [sink], lines))]
    process = subprocess.Popen(options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=other)
    os.close(other)
    try:
        seen = read_terminal(process, terminal)
        assert process.wait(20) == OK
        assert process.stdout.read() == b""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(terminal)
    return seen


def test_progress_fits_the_terminal(tmp_path, sink_of):  # noqa: F811
    seen = seen_on_a_terminal(tmp_path, sink_of({"on": "end", "delay_ms": 450}), 40)
    shown = [part for part in seen.split("\r\x1b[K") if "done" in part]
    assert len(shown) >= 3
    assert max(map(len, shown)) == 39


def test_progress_on_a_terminal(tmp_path, sink_of):  # noqa: F811
    sink = sink_of({"on": "end", "delay_ms": 450})
    seen = seen_on_a_terminal(tmp_path, sink, 0)
    shown = [part for part in seen.split("\r\x1b[K") if "done" in part]
    assert len(shown) >= 3
    assert re.match(r"\d of (about )?3 done, \d+/s", shown[-1])
    assert f"waiting for: the replies of {sink.address}" in seen
    # The line is taken away before the summary.
    assert re.search(r"\r\x1b\[Kbulkmail: 3 recipients: 3 accepted", seen)
