# SPDX-License-Identifier: MIT
"""bulkmail sink and TLS, driven by Python's ssl."""

import smtplib
import socket
import ssl
import time

import pytest

from lib import certs
from lib.campaign import sink_of  # noqa: F401
from lib.waiting import wait_until

PLAIN_EHLO = b"EHLO c.example\r\n"


def trusting(**changes):
    context = ssl.create_default_context(cafile=certs.ca())
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def careless():
    """A client that minds nothing, so that the sink is seen to offer what it should not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def tls(kind="good"):
    cert, key = certs.certificate(kind)
    return ["--tls-cert", cert, "--tls-key", key]


def connect(sink, seconds=5):
    return socket.create_connection(("127.0.0.1", sink.port), timeout=seconds)


def until(sock, end):
    data = b""
    while not data.endswith(end):
        got = sock.recv(4096)
        if not got:
            return data + b"<EOF>"
        data += got
    return data


def everything(sock):
    data = b""
    try:
        while got := sock.recv(65536):
            data += got
    except ConnectionResetError:
        data += b"<RST>"
    return data


def starttls(sink):
    """A socket in clear on which the sink has said 220 to STARTTLS."""
    sock = connect(sink)
    until(sock, b"\r\n")
    sock.sendall(PLAIN_EHLO)
    assert b"STARTTLS\r\n" in until(sock, b"250 STARTTLS\r\n")
    sock.sendall(b"STARTTLS\r\n")
    return sock


def send_one(client):
    client.sendmail("a@x.org", ["b@y.org"], "Subject: hi\r\n\r\nhello\r\n")


def test_starttls_by_smtplib(sink_of):
    sink = sink_of(options=tls())
    with smtplib.SMTP("localhost", sink.port, local_hostname="c.example") as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=trusting())
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.ehlo_resp = b""
            client.helo_resp = b"no EHLO again"
            send_one(client)
        client.rset()
        client.ehlo()
        assert not client.has_extn("starttls")
        send_one(client)
        assert client.docmd("STARTTLS")[0] == 503
    (shaken,) = sink.handshakes()
    assert shaken["tls"] == "TLSv1.3" and shaken["name"] == "localhost" and shaken["resumed"] is False
    assert shaken["client"] is None and shaken["connection"] == 1
    (one,) = sink.transactions()
    assert one["tls"] is True and one["accepted"]
    assert sink.violations() == {"mail-before-helo", "extension-not-offered"}


def test_implicit_tls_by_smtplib(sink_of):
    sink = sink_of(options=[*tls(), "--tls-wrapper"])
    with smtplib.SMTP_SSL("localhost", sink.port, local_hostname="c.example", context=trusting()) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        send_one(client)
    assert sink.transactions()[0]["tls"] is True
    assert sink.violations() == set()


def test_a_large_content_in_chunks_and_in_data(sink_of):
    sink = sink_of(options=[*tls(), "--tls-wrapper"])
    body = b"x" * 70 + b"\r\n"
    body *= 50000
    with trusting().wrap_socket(connect(sink), server_hostname="localhost") as sock:
        until(sock, b"\r\n")
        sock.sendall(PLAIN_EHLO)
        until(sock, b"250 DSN\r\n")
        group = b"RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT %d LAST\r\n" % len(body) + body
        sock.sendall(group * 2 + b"QUIT\r\n")
        assert until(sock, b"Bye\r\n").count(b"\r\n") == 9
    assert [one["size"] for one in sink.transactions()] == [len(body)] * 2
    assert sink.violations() == set()


@pytest.mark.parametrize("kind", list(certs.KINDS))
def test_serves_any_certificate(sink_of, kind):
    sink = sink_of(options=[*tls(kind), "--tls-wrapper"])
    with careless().wrap_socket(connect(sink), server_hostname="localhost") as sock:
        assert until(sock, b"\r\n").startswith(b"220 ")
    right = kind == "good"
    try:
        context = trusting(hostname_checks_common_name=False)
        context.wrap_socket(connect(sink), server_hostname="localhost").close()
        assert right
    except ssl.SSLError:
        assert not right
        wait_until(lambda: len(sink.handshakes()) == 2, 5, "the refusal is recorded")
        if kind != "weak-key":
            assert "alert" in sink.handshakes()[1].get("error", "alert")


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3"])
def test_speaks_the_versions_it_is_told(sink_of, version):
    sink = sink_of(options=[*tls(), "--tls-wrapper", "--tls-versions", version])
    context = careless()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with context.wrap_socket(connect(sink)) as sock:
        assert sock.version() == f"TLSv{version}".removesuffix(".0")
    if version in ("1.0", "1.1"):
        with pytest.raises(ssl.SSLError):
            trusting().wrap_socket(connect(sink), server_hostname="localhost")


def test_ciphers(sink_of):
    sink = sink_of(options=[*tls(), "--tls-wrapper", "--tls-versions", "1.2", "--tls-ciphers", "aNULL:@SECLEVEL=0"])
    with careless().wrap_socket(connect(sink)) as sock:
        assert sock.cipher()[0].startswith(("AECDH", "ADH"))
    newer = sink_of(options=[*tls(), "--tls-wrapper", "--tls-ciphers", "TLS_CHACHA20_POLY1305_SHA256"])
    with careless().wrap_socket(connect(newer)) as sock:
        assert sock.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("tickets", [None, 0, 200])
def test_sessions_are_resumed_unless_there_are_no_tickets(sink_of, version, tickets):
    count = [] if tickets is None else ["--tls-tickets", str(tickets)]
    sink = sink_of(options=[*tls(), "--tls-wrapper", *count])
    context, session = trusting(maximum_version=version), None
    for _ in range(2):
        with context.wrap_socket(connect(sink), server_hostname="localhost", session=session) as sock:
            assert until(sock, b"\r\n").startswith(b"220 ")
            session = sock.session
    assert [line["resumed"] for line in sink.handshakes()] == [False, tickets != 0]


def test_asks_for_the_clients_certificate(sink_of):
    sink = sink_of(options=[*tls(), "--tls-wrapper", "--tls-client-ca", certs.ca()])
    for chain in (None, certs.certificate("client")):
        context = trusting()
        if chain:
            context.load_cert_chain(*chain)
        with context.wrap_socket(connect(sink), server_hostname="localhost") as sock:
            until(sock, b"\r\n")
    assert [line["client"] for line in sink.handshakes()] == [None, "/CN=client.test"]


def test_octets_behind_the_220_and_before_it(sink_of):
    sink = sink_of({"on": "STARTTLS", "postsend": "250-injected\r\n250 SIZE\r\n"}, options=tls())
    assert until(starttls(sink), b"SIZE\r\n") == b"220 2.0.0 Go ahead\r\n250-injected\r\n250 SIZE\r\n"
    sock = starttls(sink)
    until(sock, b"SIZE\r\n")
    with careless().wrap_socket(sock, server_hostname="localhost") as secured:
        secured.sendall(PLAIN_EHLO)
        assert b"injected" not in until(secured, b"250 DSN\r\n")


@pytest.mark.parametrize("code", [454, 502, 503])
def test_starttls_refused(sink_of, code):
    sink = sink_of({"on": "STARTTLS", "reply": f"{code} no"}, options=tls())
    sock = starttls(sink)
    assert until(sock, b"\r\n") == b"%d no\r\n" % code
    sock.sendall(b"NOOP\r\n")
    assert until(sock, b"\r\n").startswith(b"250 ")
    assert sink.handshakes() == []


def test_what_is_pipelined_behind_starttls_is_a_violation_and_nobodys(sink_of):
    sink = sink_of(options=tls())
    sock = connect(sink)
    until(sock, b"\r\n")
    sock.sendall(b"STARTTLS\r\nMAIL FROM:<a@x>\r\n")
    assert until(sock, b"\r\n") == b"220 Go ahead\r\n"
    with trusting().wrap_socket(sock, server_hostname="localhost") as secured:
        secured.sendall(b"NOOP\r\n")
        assert until(secured, b"\r\n").startswith(b"250 ")
    assert sink.violations() == {"not-last-in-group", "extension-not-offered"}


def test_tls_required(sink_of):
    sink = sink_of(options=[*tls(), "--tls-required"])
    with smtplib.SMTP("localhost", sink.port, local_hostname="c.example") as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<a@x>") == (530, b"5.7.0 Must issue a STARTTLS command first")
        client.starttls(context=trusting())
        send_one(client)
    assert sink.violations() == {"before-tls"}


def test_plain_text_in_place_of_the_handshake(sink_of):
    sink = sink_of({"on": "handshake", "reply": "250 surprise"}, options=tls())
    sock = starttls(sink)
    assert until(sock, b"surprise\r\n") == b"220 2.0.0 Go ahead\r\n250 surprise\r\n"
    with pytest.raises(ssl.SSLError):
        trusting().wrap_socket(sock, server_hostname="localhost")


def client_hello(context):
    """A client's side in memory, with its first words."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        shaking.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("after", [0, 1, 5, 100])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_handshake_cut_off(sink_of, after, how):
    sink = sink_of({"on": "handshake", "after": after, how: True}, options=tls())
    sock = starttls(sink)
    until(sock, b"ahead\r\n")
    sock.sendall(client_hello(trusting()))
    got = everything(sock)
    assert got.endswith(b"<RST>") == (how == "reset")
    assert how == "reset" or len(got) == after


def test_handshake_stalls(sink_of):
    sink = sink_of({"on": "handshake", "stall": True}, options=[*tls(), "--tls-wrapper"])
    with pytest.raises(TimeoutError):
        trusting().wrap_socket(connect(sink, 0.3), server_hostname="localhost")


def test_handshake_drips(sink_of):
    sink = sink_of({"on": "handshake", "drip_ms": 1}, options=[*tls(), "--tls-wrapper"])
    start = time.monotonic()
    with trusting().wrap_socket(connect(sink), server_hostname="localhost") as sock:
        assert until(sock, b"\r\n").startswith(b"220 ")
    assert 0.4 < time.monotonic() - start < 4


def test_the_end_without_close_notify(sink_of):
    for truncate in (False, True):
        sink = sink_of({"on": "MAIL", "close": True, "truncate": truncate}, options=[*tls(), "--tls-wrapper"])
        context = trusting()
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        sock = context.wrap_socket(connect(sink), server_hostname="localhost", suppress_ragged_eofs=False)
        until(sock, b"\r\n")
        sock.sendall(PLAIN_EHLO)
        until(sock, b"250 DSN\r\n")
        sock.sendall(b"MAIL FROM:<a@x>\r\n")
        if truncate:
            with pytest.raises(ssl.SSLError):
                sock.recv(100)
        else:
            assert sock.recv(100) == b""


def test_a_record_that_is_torn(sink_of):
    sink = sink_of({"on": "NOOP", "close": True, "reply": "250 ok", "truncate": "record"}, tls="good", wrapper=True)
    context = trusting()
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    sock = context.wrap_socket(connect(sink), server_hostname="localhost", suppress_ragged_eofs=False)
    until(sock, b"\r\n")
    sock.sendall(b"NOOP\r\n")
    with pytest.raises(ssl.SSLError):
        sock.recv(100)


def test_another_handshake_is_asked_for(sink_of):
    sink = sink_of({"on": "NOOP", "key_update": 1}, tls="good", wrapper=True)
    context = trusting(maximum_version=ssl.TLSVersion.TLSv1_2)
    with context.wrap_socket(connect(sink), server_hostname="localhost") as sock:
        until(sock, b"\r\n")
        sock.sendall(b"NOOP\r\n")
        assert until(sock, b"\r\n").startswith(b"250 ")


def test_new_keys_in_mid_session(sink_of):
    sink = sink_of({"on": "NOOP", "key_update": 5}, options=[*tls(), "--tls-wrapper"])
    with trusting().wrap_socket(connect(sink), server_hostname="localhost") as sock:
        until(sock, b"\r\n")
        for _ in range(3):
            sock.sendall(b"NOOP\r\n")
            assert until(sock, b"\r\n").startswith(b"250 ")


def test_rules_inside_and_outside(sink_of):
    rules = ({"on": "NOOP", "tls": True, "reply": "250 inside"}, {"on": "NOOP", "tls": False, "reply": "250 outside"})
    sink = sink_of(*rules, options=tls())
    with smtplib.SMTP("localhost", sink.port, local_hostname="c.example") as client:
        assert client.noop() == (250, b"outside")
        client.starttls(context=trusting())
        assert client.noop() == (250, b"inside")
