# SPDX-License-Identifier: MIT
"""TLS as bulkmail speaks it, against `bulkmail sink` with certificates and faults of every sort."""

import socket
import ssl
import threading

import pytest

from lib import certs
from lib.campaign import NO_SERVER, OK, check, options_for, run, sink_of  # noqa: F401
from lib.command import send
from lib.secure import TWO, Campaign, serving, setting
from lib.waiting import free_port


LEVELS = ("none", "may", "encrypt", "verify")
DEMANDING = ("encrypt", "verify")


@pytest.mark.parametrize("level", LEVELS)
def test_offered(level, tmp_path, sink_of):  # noqa: F811
    # manual: tls
    # conformance: 40, 42
    done = Campaign(tmp_path, sink_of(options=serving()), tls=level)
    done.check_sent(secured=level != "none")
    said = " ".join(done.said())
    assert ("> STARTTLS" in said) == (level != "none")
    assert said.count("> EHLO") == (1 if level == "none" else 2)
    assert ("= TLSv1.3 TLS_AES_256_GCM_SHA384, verified" in said) == (level != "none")


@pytest.mark.parametrize("level", LEVELS)
def test_not_offered(level, tmp_path, sink_of):  # noqa: F811
    # manual: tls, MBS019
    # conformance: 40, 44, A03, A04
    done = Campaign(tmp_path, sink_of(), tls=level)
    if level in DEMANDING:
        done.check_nothing_sent()
        assert "does not offer STARTTLS" in done.logged()
    else:
        done.check_sent(secured=False)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("reply", ["454 4.7.0 TLS not available", "502 5.5.1 what?", "503 5.5.1 already in TLS"])
def test_refused(reply, level, tmp_path, sink_of):  # noqa: F811
    # conformance: 43, 44, A03, A04
    done = Campaign(tmp_path, sink_of({"on": "STARTTLS", "reply": reply}, options=serving()), tls=level)
    if level in DEMANDING:
        done.check_nothing_sent()
        assert reply[:3] in done.logged()
    else:
        done.check_sent(secured=False)


INJECTED = "250-evil.example\r\n250-AUTH PLAIN\r\n250 SIZE 1\r\n"


@pytest.mark.parametrize("level", LEVELS[1:])
def test_octets_behind_the_220_end_the_connection(level, tmp_path, sink_of):  # noqa: F811
    # conformance: 41, A01
    sink = sink_of({"on": "STARTTLS", "postsend": INJECTED}, options=serving())
    done = Campaign(tmp_path, sink, tls=level)
    done.check_nothing_sent()
    assert "octets of the server waited" in done.logged()
    assert "evil.example" not in " ".join(done.said())


HANDSHAKE_FAULTS = {
    "close": {"on": "handshake", "close": True},
    "reset": {"on": "handshake", "reset": True},
    "cut": {"on": "handshake", "after": 100, "close": True},
    "stall": {"on": "handshake", "stall": True},
}


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("fault", list(HANDSHAKE_FAULTS))
def test_the_handshake_fails(fault, level, tmp_path, sink_of):  # noqa: F811
    # manual: tls
    # conformance: 43, A04, F41
    sink = sink_of(HANDSHAKE_FAULTS[fault], options=serving())
    done = Campaign(tmp_path, sink, *setting(time_out=1), tls=level)
    if level in DEMANDING:
        done.check_nothing_sent("MBS015" if fault == "stall" else "MBS019")
        return
    done.check_sent(secured=False)
    assert "MBS019" in done.logged() and "going on without TLS" in done.logged()
    assert "1= going on without TLS" in done.said() or "= going on without TLS" in done.said()


@pytest.mark.parametrize("level", DEMANDING)
def test_words_in_place_of_the_handshake(level, tmp_path, sink_of):  # noqa: F811
    # conformance: 41, 43, A04
    sink = sink_of({"on": "handshake", "reply": "250 surprise"}, options=serving())
    Campaign(tmp_path, sink, tls=level).check_nothing_sent()


def test_once_tls_has_worked_it_is_not_given_up(tmp_path, sink_of):  # noqa: F811
    # manual: tls
    # conformance: A03
    sink = sink_of({"on": "handshake", "connection": {"from": 2}, "close": True}, options=serving())
    done = Campaign(tmp_path, sink, *setting(max_messages_per_connection=1, envelope_limit=1), tls="may")
    assert done.sent.counts() == {"accepted": 1, "unsent": 1}
    assert [one.get("tls", False) for one in sink.transactions()] == [True]


def test_a_server_that_fell_back_stays_in_clear_for_the_run(tmp_path, sink_of):  # noqa: F811
    # manual: tls
    sink = sink_of({"on": "handshake", "close": True}, options=serving())
    done = Campaign(tmp_path, sink, *setting(max_messages_per_connection=1, envelope_limit=1), tls="may")
    assert done.sent.counts() == {"accepted": 2}
    assert sum("> STARTTLS" in line for line in done.said()) == 1


# Implicit TLS


@pytest.mark.parametrize("level", LEVELS[1:])
def test_implicit_tls(level, tmp_path, sink_of):  # noqa: F811
    # manual: tls_wrapper
    # conformance: 46
    done = Campaign(tmp_path, sink_of(options=[*serving(), "--tls-wrapper"]), tls=level, tls_wrapper=1)
    done.check_sent(secured=True)
    assert "> STARTTLS" not in " ".join(done.said())


@pytest.mark.parametrize("level", LEVELS[1:])
def test_implicit_tls_is_never_given_up(level, tmp_path, sink_of):  # noqa: F811
    # manual: tls_wrapper
    # conformance: 46, A03
    done = Campaign(tmp_path, sink_of(), *setting(time_out=1), tls=level, tls_wrapper=1)
    done.check_nothing_sent()
    assert sum(one["accepted"] for one in done.sink.transactions()) == 0


def test_a_server_that_wants_tls_first_is_recognized(tmp_path, sink_of):  # noqa: F811
    # manual: MBS015
    done = Campaign(tmp_path, sink_of(options=[*serving(), "--tls-wrapper"]), *setting(time_out=1), tls="verify")
    done.check_nothing_sent("MBS015")


class OtherProtocol:
    """Speaks HTTP over TLS, and keeps what it is told."""

    def __init__(self, first):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certs.certificate())
        self.heard, self.first = b"", first
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.context = context
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with self.listener, self.context.wrap_socket(self.listener.accept()[0], server_side=True) as sock:
            sock.sendall(self.first)
            sock.settimeout(5)
            while got := sock.recv(4096):
                self.heard += got

    def transactions(self):
        return []


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"], ids=["silent", "early"])
def test_another_protocol_behind_tls(first, tmp_path):
    # conformance: A09
    server = OtherProtocol(first)
    secret = tmp_path / "password"
    secret.write_text("secret-of-relay\n")
    secret.chmod(0o600)
    done = Campaign(
        tmp_path, server, *setting(time_out=1), tls_wrapper=1, tls="verify", user="me", password_file=secret
    )
    done.check_nothing_sent("MBS015" if not first else "MBS0")
    server.thread.join(10)
    assert server.heard == b""


# Whom it takes for the server

REASONS = {
    "self-signed": "self-signed certificate",
    "expired": "has expired",
    "not-yet-valid": "not yet valid",
    "other-host": "for other.test, address 192.0.2.1, not for localhost",
    "cn-only": "for no host (subjectAltName), not for localhost",
    "wildcard-tld": "for *, *.test, *.localhost, not for localhost",
    "wildcard-partial": "not for localhost",
    "wildcard-middle": "not for localhost",
    "nul-in-san": "localhost\\x00.evil.test",
    "ip-as-dns": "not for localhost",
    "idn": "xn--lcalhost-nbh",
    "empty-san": "for no host (subjectAltName)",
    "weak-key": "key too weak",
    "sha1": "digest algorithm too weak",
    "wrong-eku": "unsuitable certificate purpose",
    "unknown-ca": "unable to get local issuer certificate",
    "substring": "for evilrelay.test, evillocalhost, notlocalhost.test, not for localhost",
    "suffix": "for relay.test.evil, localhost.evil, not for localhost",
    "client": "unsuitable certificate purpose",
}


def say_noop(sink, name="localhost", **attributes):
    return run("talk", "--server", f"{name}:{sink.port}", *setting(**{"tls_ca_file": certs.ca(), **attributes}), "NOOP")


def test_every_bad_certificate_has_its_reason():
    assert set(REASONS) == set(certs.KINDS) - {"good"}


@pytest.mark.parametrize("kind", list(REASONS))
def test_a_bad_certificate(kind, sink_of):  # noqa: F811
    # manual: tls, tls_ca_file, MBS019
    # conformance: 45, A06, A07
    sink = sink_of(options=serving(kind))
    refused = say_noop(sink, tls="verify")
    assert (refused.status, refused.stdout) == (NO_SERVER, "")
    assert "MBS019" in refused.stderr and REASONS[kind] in refused.stderr
    assert say_noop(sink, tls="encrypt").status == OK


@pytest.mark.parametrize("name, kind, status", [
    ("127.0.0.1", "good", OK),
    ("127.0.0.1", "ip-as-dns", NO_SERVER),
    ("127.0.0.1", "nul-in-san", NO_SERVER),
    ("127.0.0.1", "cn-only", NO_SERVER),
])
def test_an_address_must_be_there_as_an_address(name, kind, status, sink_of):  # noqa: F811
    # conformance: 45, A06
    assert say_noop(sink_of(options=serving(kind)), name=name, tls="verify").status == status


def test_the_systems_authorities_are_the_default(sink_of):  # noqa: F811
    # manual: tls_ca_file
    sink = sink_of(options=serving())
    done = run("talk", "--server", f"localhost:{sink.port}", "--set", "tls=verify", "NOOP")
    assert done.status == NO_SERVER and "MBS019" in done.stderr


@pytest.mark.parametrize("versions", ["1.0", "1.1", "1.0-1.1"])
@pytest.mark.parametrize("level", DEMANDING)
def test_old_versions_are_not_spoken(versions, level, sink_of):  # noqa: F811
    # conformance: 45, A08
    sink = sink_of(options=[*serving(), "--tls-versions", versions, "--tls-ciphers", "ALL:@SECLEVEL=0"])
    done = say_noop(sink, tls=level)
    assert done.status == NO_SERVER and "MBS019" in done.stderr


@pytest.mark.parametrize("ciphers", ["aNULL:@SECLEVEL=0", "eNULL:@SECLEVEL=0"])
def test_no_cipher_without_a_server_or_a_secret(ciphers, sink_of):  # noqa: F811
    # conformance: A08
    sink = sink_of(options=[*serving(), "--tls-versions", "1.2", "--tls-ciphers", ciphers])
    assert say_noop(sink, tls="encrypt").status == NO_SERVER


def hex_with_colons(pin):
    return ":".join(pin[at : at + 2] for at in range(0, len(pin), 2)).upper()


@pytest.mark.parametrize("kind", ["self-signed", "expired", "other-host", "good"])
def test_a_pin_is_enough(kind, sink_of):  # noqa: F811
    # manual: tls_pin
    # conformance: 45
    sink = sink_of(options=serving(kind))
    address = f"localhost:{sink.port}"
    pins = f"{'00' * 32} {hex_with_colons(certs.pin(kind))}"
    assert run("talk", "--server", address, "--set", f"tls_pin={pins}", "NOOP").status == OK
    wrong = run("talk", "--server", address, "--set", f"tls_pin={'00' * 32}", "NOOP")
    assert wrong.status == NO_SERVER and "MBS019" in wrong.stderr and "pin" in wrong.stderr


def test_with_an_authority_a_pin_is_asked_for_as_well(sink_of):  # noqa: F811
    # manual: tls_pin
    # conformance: 45
    sink = sink_of(options=serving("expired"))
    assert say_noop(sink, tls_pin=certs.pin("expired")).status == NO_SERVER
    assert say_noop(sink_of(options=serving()), tls_pin=certs.pin()).status == OK


def test_pins_of_a_conf_file_are_one_list(tmp_path, sink_of):  # noqa: F811
    # manual: tls_pin
    sink = sink_of(options=serving("self-signed"))
    conf = tmp_path / "conf"
    conf.write_text(
        "define package Mail::Bulkmail::Server\nSmtp @= localhost\nDomain = c.example\nTries = 1\n"
        f"Port @= {sink.port}\ntls_pin @= {'00' * 32}\ntls_pin @= {certs.pin('self-signed')}\n"
    )
    conf.chmod(0o600)
    sent = send(["--conf", conf, *options_for(tmp_path, [], TWO)], tmp_path)
    check(sent, [sink], 2)
    assert sent.status == OK, sent.stderr


def test_sessions_are_resumed(tmp_path, sink_of):  # noqa: F811
    # conformance: 45
    sink = sink_of(options=serving())
    done = Campaign(tmp_path, sink, *setting(max_messages_per_connection=1, envelope_limit=1), tls="verify")
    assert done.sent.counts() == {"accepted": 2}
    assert [line["resumed"] for line in sink.lines() if "resumed" in line] == [False, True]
    assert any(line.endswith("verified, resumed") for line in done.said())


def test_our_own_certificate(tmp_path, sink_of):  # noqa: F811
    # manual: tls_cert_file, tls_key_file
    sink = sink_of(options=[*serving(), "--tls-client-ca", certs.ca()])
    cert, key = certs.certificate("client")
    Campaign(tmp_path, sink, tls="verify", tls_cert_file=cert, tls_key_file=key).check_sent(secured=True)
    assert [line["client"] for line in sink.lines() if "client" in line] == ["/CN=client.test"]


def test_the_server_changes_its_keys(tmp_path, sink_of):  # noqa: F811
    # conformance: F41
    sink = sink_of({"on": "RCPT", "key_update": 3}, options=serving())
    Campaign(tmp_path, sink, tls="verify").check_sent(secured=True)


@pytest.mark.parametrize("on, kinds", [("RCPT", {"unsent": 2}), ("end", {"in_doubt": 2})])
def test_the_end_without_close_notify_is_no_reply(on, kinds, tmp_path, sink_of):  # noqa: F811
    # conformance: F41
    sink = sink_of({"on": on, "no_reply": True, "close": True, "truncate": True}, options=serving())
    done = Campaign(tmp_path, sink, tls="verify")
    assert done.sent.counts() == kinds, done.sent.stderr


# What does not fit together is found before anything is sent


@pytest.mark.parametrize(
    "attributes, said",
    [
        ({"tls": "none", "tls_wrapper": 1}, "exclude each other"),
        ({"tls_key_file": "/nowhere"}, "tls_cert_file"),
        ({"tls_pin": "12:34"}, "12:34"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_together(attributes, said, tmp_path):
    # manual: MBO003, tls_pin, tls_key_file
    options = options_for(tmp_path, [f"localhost:{free_port()}"], TWO)
    for name in ("send", "check"):
        done = run(name, *options, *setting(tls="verify", **attributes) if "tls" not in attributes else setting(**attributes))
        assert done.status == 78, done.stderr
        assert said in done.stderr


@pytest.mark.parametrize("name", ["tls_ca_file", "tls_cert_file"])
@pytest.mark.parametrize("tls", [{}, {"tls": "may"}, {"tls": "verify"}], ids=lambda value: value.get("tls", "unset"))
def test_a_file_that_is_missing(name, tls, tmp_path):
    # manual: tls_ca_file
    options = options_for(tmp_path, [f"localhost:{free_port()}"], TWO)
    for command in (["send"], ["send", "--dry-run"], ["check"]):
        done = run(*command, *options, *setting(**{name: tmp_path / "nowhere.pem"}, **tls))
        assert (done.status, done.stderr.count("localhost:")) == (66, 1), done.stderr
        assert "nowhere.pem cannot be read: No such file" in done.stderr
