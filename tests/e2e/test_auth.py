# SPDX-License-Identifier: MIT
"""Logging in, against `bulkmail sink`: which mechanism, what is shown to whom, and what a refusal costs."""

import base64
import os
import resource
import signal
import subprocess
import time

import pytest

from lib import certs
from lib.campaign import (  # noqa: F401
    CONF,
    NO_SERVER,
    OK,
    SOON,
    addresses,
    check,
    options_for,
    run,
    sink_of,
)
from lib.command import bulkmail, send
from lib.secure import TWO, Campaign, serving, setting

USER, PASSWORD = "us\u00e9r@example.org", "gehe\u00efm +47/ pass"
BEST_FIRST = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
BEARERS = ("XOAUTH2", "OAUTHBEARER")
SHOWING = ("PLAIN", "LOGIN", *BEARERS)


@pytest.fixture
def password(tmp_path):
    return write_password(tmp_path)


def write_password(folder, text=PASSWORD):
    path = folder / "password"
    path.write_text(text + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def guarded(sink_of, *rules, offers=(*BEST_FIRST, *BEARERS), secret=PASSWORD, options=()):  # noqa: F811
    """A sink that takes mail only from USER, and says AUTH inside TLS only."""
    more = ["--auth-required", "--tls-required", *options]
    return sink_of(*rules, tls="good", login=(" ".join(offers), USER, secret), options=more)


def log_in(folder, sink, *more, **attributes):
    return Campaign(folder, sink, *more, **{"user": USER, **attributes})


def tried(sink):
    return [(one["auth"], one["success"]) for one in sink.logins()]


# Which mechanism


@pytest.mark.parametrize("mechanism", [*BEST_FIRST, *BEARERS])
def test_each_mechanism(mechanism, tmp_path, password, sink_of):  # noqa: F811
    # manual: user, password_file, auth
    # conformance: 47, 48, 49
    sink = guarded(sink_of)
    done = log_in(tmp_path, sink, password_file=password, auth=mechanism)
    done.check_sent(secured=True)
    assert tried(sink) == [(mechanism, True)]
    assert sink.logins()[0]["user"] == USER and sink.logins()[0]["secure"]


@pytest.mark.parametrize("best", range(len(BEST_FIRST)))
def test_our_order_counts_not_the_servers(best, tmp_path, password, sink_of):  # noqa: F811
    # manual: auth
    # conformance: 54, A11
    sink = guarded(sink_of, offers=tuple(reversed(BEST_FIRST[best:])))
    log_in(tmp_path, sink, password_file=password).check_sent(secured=True)
    assert tried(sink) == [(BEST_FIRST[best], True)]


def test_the_order_of_auth_counts(tmp_path, password, sink_of):  # noqa: F811
    # manual: auth
    # conformance: 54
    sink = guarded(sink_of)
    log_in(tmp_path, sink, password_file=password, auth="OAUTHBEARER, scram-sha-1").check_sent(secured=True)
    assert tried(sink) == [("OAUTHBEARER", True)]


def test_a_minimum_is_kept(tmp_path, password, sink_of):  # noqa: F811
    # manual: auth, MBS020
    # conformance: 54, A11
    sink = guarded(sink_of, offers=("PLAIN", "LOGIN", "CRAM-MD5"))
    done = log_in(tmp_path, sink, password_file=password, auth="SCRAM-SHA-256 SCRAM-SHA-1")
    done.check_nothing_sent("MBS020")
    assert "PLAIN LOGIN CRAM-MD5" in done.logged() and tried(sink) == []


@pytest.mark.parametrize("mechanism", BEARERS)
def test_tokens_are_only_shown_when_asked_for(mechanism, tmp_path, password, sink_of):  # noqa: F811
    # manual: auth
    sink = guarded(sink_of, offers=(mechanism,))
    log_in(tmp_path, sink, password_file=password).check_nothing_sent("MBS020")
    assert tried(sink) == []


def test_a_server_without_auth(tmp_path, password, sink_of):  # noqa: F811
    # manual: user, MBS020
    # conformance: 47
    sink = sink_of(options=serving())
    log_in(tmp_path, sink, password_file=password).check_nothing_sent("MBS020")


def test_without_a_user_nobody_logs_in(tmp_path, sink_of):  # noqa: F811
    # manual: user
    sink = guarded(sink_of)
    done = Campaign(tmp_path, sink, tls="verify")
    assert done.sent.status == NO_SERVER and "> AUTH" not in " ".join(done.said()) and tried(sink) == []
    assert set(done.sent.counts()) <= {"unsent", "deferred"}, done.sent.counts()


@pytest.mark.parametrize("level", ["none", "may", "encrypt"])
@pytest.mark.parametrize("mechanism", SHOWING)
def test_what_shows_the_password_needs_a_verified_server(mechanism, level, tmp_path, password, sink_of):  # noqa: F811
    # manual: auth, tls
    # conformance: 51
    sink = sink_of(tls="self-signed", login=(mechanism, USER, PASSWORD))
    done = log_in(tmp_path, sink, password_file=password, auth=mechanism, tls=level)
    done.check_nothing_sent("MBS020")
    assert "verif" in done.logged() and tried(sink) == []


@pytest.mark.parametrize("level", ["none", "may", "encrypt"])
def test_what_proves_it_does_not(level, tmp_path, password, sink_of):  # noqa: F811
    # conformance: 51, 54
    sink = sink_of(tls="self-signed", login=("PLAIN SCRAM-SHA-256", USER, PASSWORD))
    done = log_in(tmp_path, sink, password_file=password, tls=level)
    done.check_sent(secured=level != "none")
    assert tried(sink) == [("SCRAM-SHA-256", True)]


# Refusals


@pytest.mark.parametrize("mechanism", [*BEST_FIRST, *BEARERS])
def test_a_wrong_password_takes_the_server_out(mechanism, tmp_path, sink_of):  # noqa: F811
    # manual: MBS020
    # conformance: 50, 53, F37
    sink = guarded(sink_of)
    done = log_in(
        tmp_path, sink, *setting(max_connection_attempts=5), password_file=write_password(tmp_path, "no"), auth=mechanism
    )
    done.check_nothing_sent("MBS020", tried=True)
    assert tried(sink) == [(mechanism, False)]
    assert mechanism in done.logged() and "535" in done.logged() and "check user and password" in done.logged()


def test_no_weaker_one_is_tried_after_a_refusal(tmp_path, password, sink_of):  # noqa: F811
    # conformance: 54, A11
    sink = guarded(sink_of, {"on": "AUTH", "match": "SCRAM", "reply": "535 5.7.8 no"})
    done = log_in(tmp_path, sink, password_file=password)
    done.check_nothing_sent("MBS020", tried=True)
    assert sum("> AUTH" in line for line in done.said()) == 1


@pytest.mark.parametrize("reply", ["535 5.7.8 no", "534 5.7.9 too weak", "538 5.7.11 encrypt", "504 5.5.4 what?", "500 5.5.6 long"])
def test_other_servers_go_on_and_nobody_suffers(reply, tmp_path, password, sink_of):  # noqa: F811
    # manual: MBS020
    # conformance: 53, F37
    bad, good = guarded(sink_of, {"on": "AUTH", "reply": reply}), guarded(sink_of)
    options = options_for(tmp_path, [f"localhost:{one.port}" for one in (bad, good)], addresses(40))
    options += setting(user=USER, password_file=password, tls_ca_file=certs.ca(), connections=2, envelope_limit=2)
    sent = send([*options, "--set", "pipelining=auto"], tmp_path)
    check(sent, [bad, good], 40)
    assert sent.status == OK and sent.counts() == {"accepted": 40}
    assert bad.transactions() == []
    assert bad.counters()["connections"] <= 2


def test_a_password_that_changes_in_mid_campaign(tmp_path, password, sink_of):  # noqa: F811
    # conformance: 53, F37
    sink = guarded(sink_of, {"on": "AUTH", "nth": {"from": 2}, "reply": "535 5.7.8 no more"})
    done = log_in(tmp_path, sink, *setting(max_messages_per_connection=1, envelope_limit=1), password_file=password)
    assert done.sent.counts() == {"accepted": 1, "unsent": 1}
    assert done.sent.status == NO_SERVER
    assert sum("> AUTH" in line for line in done.said()) == 2


@pytest.mark.parametrize("reply", ["454 4.7.0 later", "432 4.7.12 change", "421 4.3.2 bye"])
def test_a_temporary_refusal_is_tried_again(reply, tmp_path, password, sink_of):  # noqa: F811
    # manual: MBS020
    # conformance: 53
    sink = guarded(sink_of, {"on": "AUTH", "times": 1, "reply": reply, "close": reply.startswith("421")})
    done = log_in(tmp_path, sink, *SOON, *setting(max_connection_attempts=3), password_file=password)
    done.check_sent(secured=True)
    assert reply[:3] in done.logged()


LIES = ["bad-signature", "iterations=1", "iterations=4095", "iterations=2000000000", "foreign-nonce", "huge-salt", "no-final"]


@pytest.mark.parametrize("lie", LIES)
def test_scram_lies(lie, tmp_path, password, sink_of):  # noqa: F811
    # conformance: 50, A12
    sink = guarded(sink_of, {"on": "AUTH", "scram": lie})
    began = time.monotonic()
    log_in(tmp_path, sink, password_file=password, auth="SCRAM-SHA-256").check_nothing_sent("MBS020", tried=True)
    assert time.monotonic() - began < 5


CHALLENGES = {"for ever": "334 ", "long": "334 " + "QUJD" * 4000, "bad": "334 this is !no base64", "NUL": "334 AAAA"}


@pytest.mark.parametrize("what", list(CHALLENGES))
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "LOGIN", "CRAM-MD5", "XOAUTH2"])
def test_challenges_without_end_or_sense(mechanism, what, tmp_path, password, sink_of):  # noqa: F811
    # conformance: 50, A13
    sink = guarded(sink_of, {"on": ["AUTH", "other"], "reply": CHALLENGES[what]})
    done = log_in(tmp_path, sink, *setting(time_out=2), password_file=password, auth=mechanism)
    assert done.sent.status == NO_SERVER and done.sent.counts() == {"unsent": 2}
    assert "MBS020" in done.logged() or "MBS011" in done.logged(), done.logged()
    assert len(done.said()) < 80 and sink.transactions() == []


# Where the secret comes from


def counting_command(folder, *tokens):
    """Prints the n-th token when it is run for the n-th time, then the last."""
    path = folder / "command"
    lines = "\n".join(tokens)
    (folder / "tokens").write_text(lines + "\n", encoding="utf-8")
    path.write_text(
        f"#!/bin/sh\ncd '{folder}'\necho run >>runs\nn=$(wc -l <runs)\nlast={len(tokens)}\n"
        '[ "$n" -le "$last" ] || n=$last\nsed -n "${n}p" tokens\n',
        encoding="ascii",
    )
    path.chmod(0o700)
    return path


def runs_of(folder):
    return len((folder / "runs").read_text().splitlines())


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "XOAUTH2"])
def test_password_command(mechanism, tmp_path, sink_of):  # noqa: F811
    # manual: password_command
    sink = guarded(sink_of)
    command = counting_command(tmp_path, PASSWORD)
    options = setting(envelope_limit=1, connections=2)
    done = log_in(tmp_path, sink, *options, password_command=command, auth=mechanism)
    assert done.sent.counts() == {"accepted": 2}, done.logged()
    assert runs_of(tmp_path) == 1


@pytest.mark.parametrize("mechanism", BEARERS)
@pytest.mark.parametrize("connections", [1, 4])
def test_a_stale_token_is_fetched_anew(connections, mechanism, tmp_path, sink_of):  # noqa: F811
    # manual: password_command
    # conformance: 53
    sink = guarded(sink_of, secret="token-2")
    command = counting_command(tmp_path, "token-1", "token-2")
    more = setting(connections=connections, envelope_limit=1)
    done = log_in(tmp_path, sink, *more, password_command=command, auth=mechanism)
    assert done.sent.counts() == {"accepted": 2}, done.logged()
    assert runs_of(tmp_path) == 2


@pytest.mark.parametrize("tokens", [("token-1",), ("token-1", "token-3", "token-4")])
def test_a_token_that_stays_stale(tokens, tmp_path, sink_of):  # noqa: F811
    # manual: password_command, MBS020
    # conformance: 53
    sink = guarded(sink_of, secret="token-2")
    command = counting_command(tmp_path, *tokens)
    log_in(tmp_path, sink, password_command=command, auth="XOAUTH2").check_nothing_sent("MBS020", tried=True)
    assert runs_of(tmp_path) == 2
    assert len(tried(sink)) == (1 if len(tokens) == 1 else 2)


def test_a_password_is_not_fetched_anew(tmp_path, sink_of):  # noqa: F811
    # manual: password_command
    # conformance: 53
    sink = guarded(sink_of, secret="right")
    command = counting_command(tmp_path, "wrong", "right")
    log_in(tmp_path, sink, password_command=command, auth="PLAIN").check_nothing_sent("MBS020", tried=True)
    assert runs_of(tmp_path) == 1


def test_a_talk_fetches_a_token_anew(tmp_path, sink_of):  # noqa: F811
    # manual: password_command
    sink = guarded(sink_of, secret="token-2")
    command = counting_command(tmp_path, "token-1", "token-2")
    options = setting(user=USER, password_command=command, auth="XOAUTH2", tls_ca_file=certs.ca())
    done = run("talk", "--server", f"localhost:{sink.port}", *options, "NOOP", "NOOP")
    assert done.status == OK, done.stderr
    assert runs_of(tmp_path) == 2 and tried(sink) == [("XOAUTH2", False), ("XOAUTH2", True)]


@pytest.mark.parametrize("command", ["exit 3", "true", "echo geheim >&2; false", "/nowhere/command"])
def test_a_command_that_fails(command, tmp_path, sink_of):  # noqa: F811
    # manual: password_command, MBS020
    sink = guarded(sink_of)
    done = log_in(tmp_path, sink, password_command=command)
    assert done.sent.status == NO_SERVER and done.sent.counts() == {"unsent": 2}
    assert "MBS020" in done.logged()
    assert sink.counters()["connections"] == 0


MODES = [(0o600, OK), (0o400, OK), (0o644, CONF), (0o640, CONF), (0o604, CONF), (0o620, CONF), (0o602, CONF)]


@pytest.mark.parametrize("mode, status", MODES, ids=lambda value: oct(value))
def test_who_may_read_the_password(mode, status, tmp_path, password, sink_of):  # noqa: F811
    # manual: password_file
    # conformance: A35
    sink = guarded(sink_of)
    password.chmod(mode)
    done = log_in(tmp_path, sink, password_file=password)
    assert done.sent.status == status, done.sent.stderr
    if status == CONF:
        assert str(password) in done.sent.stderr and sink.counters()["connections"] == 0


@pytest.mark.parametrize("what", ["missing", "link", "folder", "open folder", "empty"])
@pytest.mark.parametrize("name", ["send", "check"])
def test_password_files_that_are_none(name, what, tmp_path, password, sink_of):  # noqa: F811
    # manual: password_file
    # conformance: A35
    sink, path = guarded(sink_of), tmp_path / what.replace(" ", "-")
    if what == "link":
        path.symlink_to(password)
    elif what == "folder":
        path.mkdir()
    elif what == "open folder":
        path.mkdir()
        path.chmod(0o777)
        path = write_password(path)
    elif what == "empty":
        path.touch(0o600)
    options = options_for(tmp_path, [f"localhost:{sink.port}"], TWO)
    done = run(name, *options, *setting(user=USER, password_file=path, tls_ca_file=certs.ca()))
    assert done.status == CONF, done.stderr
    assert str(path) in done.stderr and sink.counters()["connections"] == 0


# What the command shows


def test_check_says_how_it_got_in(tmp_path, password, sink_of):  # noqa: F811
    sink = guarded(sink_of)
    options = options_for(tmp_path, [f"localhost:{sink.port}"], TWO)
    login = setting(user=USER, password_file=password)
    done = run("check", *options, *login, *setting(tls_ca_file=certs.ca()))
    assert done.status == OK, done.stderr
    assert "TLSv1.3 TLS_AES_256_GCM_SHA384, verified\n  logged in by SCRAM-SHA-256-PLUS\n" in done.stdout
    done = run("check", *options, *login, *setting(tls="encrypt"))
    assert done.status == OK and "not verified: " in done.stdout and "local issuer" in done.stdout
    password.write_text("wrong\n")
    done = run("check", *options, *login, *setting(tls_ca_file=certs.ca()))
    assert done.status == NO_SERVER and "MBS020" in done.stderr and "535" in done.stderr


def forms_of(secret):
    """What a secret must not be found as."""
    raw = secret.encode()
    composites = [raw, f"\0{USER}\0{secret}".encode(), f"user={USER}\1auth=Bearer {secret}\1\1".encode()]
    composites += [f"n,a={USER},\1host=localhost\1port=1\1auth=Bearer {secret}\1\1".encode()]
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        # the digits of base64 that stand for the secret alone
        encoded = base64.b64encode(b"\0" * shift + raw)
        forms.add(encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6])
    return forms | {base64.b64encode(one) for one in composites}


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
@pytest.mark.parametrize("mechanism", [*BEST_FIRST, *BEARERS])
@pytest.mark.parametrize("source", ["file", "command"])
def test_the_secret_shows_nowhere(source, mechanism, right, tmp_path, password, sink_of):  # noqa: F811
    # manual: CONVERSATION
    # conformance: A34
    sink = guarded(sink_of, secret=PASSWORD if right else "another")
    given = {"password_file": password} if source == "file" else {"password_command": f"cat '{password}'"}
    logs = setting(GOOD=tmp_path / "good", BAD=tmp_path / "bad")
    done = log_in(tmp_path, sink, *logs, auth=mechanism, **given)
    assert done.sent.status == (OK if right else NO_SERVER)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and path != password}
    assert {"talk", "outcomes.jsonl", "report.json"} <= set(written)
    written["stderr"] = done.sent.stderr.encode()
    shown = [(name, form) for name, text in written.items() for form in forms_of(PASSWORD) if form in text]
    assert shown == []


@pytest.mark.parametrize("form", sorted(forms_of("geheim-47-of-relay")), ids=range(len(forms_of("geheim-47-of-relay"))))
def test_a_server_that_repeats_it(form, tmp_path, sink_of):  # noqa: F811
    # conformance: A19, A34
    text = form.decode()
    sink = guarded(sink_of, {"on": "AUTH", "raw": f"535-5.7.8 you said\r\n535 5.7.8 {text}\r\n"})
    password = write_password(tmp_path, "geheim-47-of-relay")
    done = log_in(tmp_path, sink, password_file=password, auth="PLAIN")
    done.check_nothing_sent("MBS020", tried=True)
    everything = done.logged() + " ".join(done.said()) + done.sent.stderr
    assert text not in everything
    assert "(hidden)" in done.logged() or "(it repeats a secret)" in done.logged()


@pytest.mark.parametrize("code, error", [(421, "MBS011"), (250, "MBS011"), (354, "MBS011"), (454, "MBS020")])
def test_whatever_the_reply_that_repeats_it(code, error, tmp_path, sink_of):  # noqa: F811
    # conformance: A19, A34
    text = "geheim-47-of-relay".encode().hex()
    sink = guarded(sink_of, {"on": "AUTH", "reply": f"{code} {text}", "close": True})
    password = write_password(tmp_path, "geheim-47-of-relay")
    done = log_in(tmp_path, sink, password_file=password, auth="PLAIN")
    done.check_nothing_sent(error, tried=True)
    assert text not in done.logged() + " ".join(done.said()) + done.sent.stderr
    assert f"{code} (hidden)" in done.logged()


@pytest.mark.parametrize("plain", [True, False], ids=["PLAIN", "LOGIN"])
def test_a_login_by_hand_is_not_written_down(plain, tmp_path, sink_of):  # noqa: F811
    # manual: CONVERSATION
    # conformance: A34
    sink = guarded(sink_of, offers=("PLAIN", "LOGIN"))
    words = [f"\0{USER}\0{PASSWORD}"] if plain else [USER, PASSWORD]
    words = [base64.b64encode(word.encode()).decode() for word in words]
    said = [f"auth PLAIN {words[0]}"] if plain else ["AUTH LOGIN", *words]
    logged = setting(CONVERSATION=tmp_path / "talk", tls="verify", tls_ca_file=certs.ca())
    done = run("talk", "--server", f"localhost:{sink.port}", *logged, *said, "NOOP")
    assert done.status == OK, done.stderr
    talk = (tmp_path / "talk").read_text()
    assert not [word for word in words if word[:8] in talk], talk
    assert "(secret)" in talk and "> NOOP" in talk and "< 235" in talk


@pytest.mark.parametrize("secret", ["password", "key"])
def test_no_core_and_no_arguments(secret, tmp_path, password, sink_of):  # noqa: F811
    # conformance: A34
    stall = {"on": "RCPT", "stall": True, "no_reply": True}
    if secret == "password":
        sink, ours = guarded(sink_of, stall), {"user": USER, "password_file": password}
    else:
        cert, key = certs.certificate("client")
        sink, ours = sink_of(stall, tls="good"), {"tls": "verify", "tls_cert_file": cert, "tls_key_file": key}
    options = options_for(tmp_path, [f"localhost:{sink.port}"], TWO)
    options += setting(tls_ca_file=certs.ca(), **ours)
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    child = subprocess.Popen(
        [bulkmail(), "send", *map(str, options), "--quiet"],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)),
    )
    try:
        deadline = time.monotonic() + 10
        reached = sink.logins if secret == "password" else sink.handshakes
        while not reached() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert reached()
        shown = b"".join(
            open(f"/proc/{child.pid}/{name}", "rb").read() for name in ("cmdline", "environ", "status")
        )
        assert not [form for form in forms_of(PASSWORD) if form in shown]
        # what is not dumpable belongs to root in /proc
        assert os.stat(f"/proc/{child.pid}/mem").st_uid == 0
        # not SIGQUIT: who runs in the background of a shell ignores it
        child.send_signal(signal.SIGABRT)
        assert child.wait(10) == -signal.SIGABRT
    finally:
        child.kill()
        child.wait()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("core")]
