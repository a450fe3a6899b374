# SPDX-License-Identifier: MIT
"""bulkmail sink and AUTH: each mechanism by a client of its own, written here after its RFC."""

import base64
import hashlib
import hmac
import smtplib

import pytest

from lib.campaign import sink_of  # noqa: F401
from test_sink_tls import connect, everything, tls, trusting, until

ALL = "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-256-PLUS XOAUTH2 OAUTHBEARER"
USER, PASSWORD = "us\u00e9r@x.org", "pass w\u00f6rd"


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode("ascii")


@pytest.fixture
def login(sink_of):
    """Starts a sink that knows one user."""

    def start(*rules, mechanisms=ALL, user=USER, password=PASSWORD, options=()):
        return sink_of(*rules, login=(mechanisms, user, password), options=options)

    return start


class Talk:
    """Lines out, replies in."""

    def __init__(self, sink, secure=False):
        self.sock = connect(sink)
        if secure:
            self.sock = trusting().wrap_socket(self.sock, server_hostname="localhost")
        until(self.sock, b"\r\n")
        self.ehlo = self.say("EHLO c.example")

    def say(self, line):
        self.sock.sendall(line.encode() + b"\r\n")
        reply = until(self.sock, b"\r\n")
        while not reply.endswith(b"<EOF>") and reply.splitlines()[-1][3:4] == b"-":
            reply += until(self.sock, b"\r\n")
        return reply.decode().strip()

    def challenge(self, line):
        reply = self.say(line)
        assert reply.startswith("334 "), reply
        return base64.b64decode(reply[4:], validate=True).decode()


def scram_first(user=USER, header="n,,"):
    return header + f"n={user.replace('=', '=3D').replace(',', '=2C')},r=clientnonce"


def scram_final(first, server_first, password=PASSWORD, digest="sha256", binding=b""):
    """The client's last message, and the signature that the server has to know."""
    fields = dict(part.split("=", 1) for part in server_first.split(","))
    header, bare = first[: first.index("n=")], first[first.index("n=") :]
    salt, count = base64.b64decode(fields["s"]), int(fields["i"])
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, count)
    key = hmac.digest(salted, b"Client Key", digest)
    without = f"c={b64(header.encode() + binding)},r={fields['r']}"
    signed = f"{bare},{server_first},{without}".encode()
    signature = hmac.digest(hashlib.new(digest, key).digest(), signed, digest)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    server = hmac.digest(hmac.digest(salted, b"Server Key", digest), signed, digest)
    return f"{without},p={b64(proof)}", f"v={b64(server)}"


def scram(talk, mechanism="SCRAM-SHA-256", password=PASSWORD, user=USER):
    first = scram_first(user)
    server_first = talk.challenge(f"AUTH {mechanism} {b64(first)}")
    final, signature = scram_final(first, server_first, password, "sha256" if "256" in mechanism else "sha1")
    return server_first, talk.say(b64(final)), signature


def test_what_is_listed(login):
    sink = login(options=[*tls(), "--tls-wrapper"])
    assert f"250 AUTH {ALL}" in Talk(sink, secure=True).ehlo
    assert f"250 AUTH {ALL.replace(' SCRAM-SHA-256-PLUS', '')}" in Talk(login()).ehlo
    assert "AUTH" not in Talk(login(options=[*tls(), "--tls-required"])).ehlo
    assert "250-AUTH=PLAIN\r\n" in Talk(login(options=["--extensions", "AUTH=PLAIN,AUTH LOGIN"])).ehlo + "\r\n"


@pytest.mark.parametrize("right", [True, False])
def test_plain_and_login(login, right):
    sink = login(mechanisms="PLAIN LOGIN")
    password = PASSWORD if right else "wrong"
    wanted = "235 2.7.0" if right else "535 5.7.8"
    assert Talk(sink).say(f"AUTH PLAIN {b64(f'{chr(0)}{USER}{chr(0)}{password}')}").startswith(wanted)
    talk = Talk(sink)
    assert talk.say("AUTH PLAIN") == "334"
    assert talk.say(b64(f"{USER}\0{USER}\0{password}")).startswith(wanted)
    talk = Talk(sink)
    assert talk.challenge("AUTH LOGIN") == "Username:"
    assert talk.challenge(b64(USER)) == "Password:"
    assert talk.say(b64(password)).startswith(wanted)
    talk = Talk(sink)
    assert talk.challenge(f"auth login {b64(USER)}") == "Password:"
    assert talk.say(b64(password)).startswith(wanted)
    assert [(one["auth"], one["user"], one["success"], one["initial"], one["secure"]) for one in sink.logins()] == [
        ("PLAIN", USER, right, True, False),
        ("PLAIN", USER, right, False, False),
        ("LOGIN", USER, right, False, False),
        ("login", USER, right, True, False),
    ]
    assert PASSWORD not in sink.record.read_text() and b64(PASSWORD) not in sink.record.read_text()
    assert sink.violations() == set()


@pytest.mark.parametrize("right", [True, False])
def test_cram_md5_of_smtplib(login, right):
    sink = login(mechanisms="CRAM-MD5", user="user", password="secret")
    with smtplib.SMTP("127.0.0.1", sink.port, local_hostname="c.example") as client:
        client.ehlo()
        client.user, client.password = "user", "secret" if right else "wrong"
        code = client.docmd("AUTH", "CRAM-MD5")
        answer = client.auth_cram_md5(base64.b64decode(code[1]))
        assert client.docmd(b64(answer))[0] == (235 if right else 535)
    assert [(one["auth"], one["user"], one["success"]) for one in sink.logins()] == [("CRAM-MD5", "user", right)]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
@pytest.mark.parametrize("right", [True, False])
def test_scram(login, mechanism, right):
    sink = login()
    talk = Talk(sink)
    server_first, reply, signature = scram(talk, mechanism, PASSWORD if right else "wrong")
    assert server_first.startswith("r=clientnonce") and server_first.endswith(",i=4096")
    if right:
        assert reply == f"334 {b64(signature)}"
        reply = talk.say("")
    assert reply[:3] == ("235" if right else "535")
    assert [(one["auth"], one["user"], one["success"]) for one in sink.logins()] == [(mechanism, USER, right)]


def test_scram_of_a_stranger(login):
    sink = login()
    first = scram_first("nobody")
    talk = Talk(sink)
    reply = talk.say(f"AUTH SCRAM-SHA-256 {b64(first)}")
    if reply.startswith("334 "):
        final, _ = scram_final(first, base64.b64decode(reply[4:]).decode())
        reply = talk.say(b64(final))
    assert reply[:3] == "535"
    assert sink.logins()[0]["user"] == "nobody"


@pytest.mark.parametrize("lie", ["none", "signature"])
def test_scram_binds_to_the_tls_under_it(login, lie):
    sink = login(options=[*tls(), "--tls-wrapper", "--tls-versions", "1.2"])
    talk = Talk(sink, secure=True)
    binding = talk.sock.get_channel_binding("tls-unique")
    header = "p=tls-unique,,"
    first = scram_first(header=header)
    server_first = talk.challenge(f"AUTH SCRAM-SHA-256-PLUS {b64(first)}")
    binding = binding if lie == "none" else b"x" * len(binding)
    final, signature = scram_final(first, server_first, binding=binding)
    reply = talk.say(b64(final))
    if lie == "none":
        assert reply == f"334 {b64(signature)}"
        assert talk.say("")[:3] == "235"
        assert sink.logins()[0]["secure"] is True
    else:
        assert reply[:3] == "535"


@pytest.mark.parametrize("right", [True, False])
def test_bearers(login, right):
    sink = login()
    token = PASSWORD if right else "stale"
    for mechanism, said, last in (
        ("XOAUTH2", f"user={USER}\1auth=Bearer {token}\1\1", ""),
        ("OAUTHBEARER", f"n,a={USER},\1host=h\1port=587\1auth=Bearer {token}\1\1", "AQ=="),
    ):
        talk = Talk(sink)
        if right:
            assert talk.say(f"AUTH {mechanism} {b64(said)}")[:3] == "235"
            continue
        assert '"status":' in talk.challenge(f"AUTH {mechanism} {b64(said)}")
        assert talk.say(last)[:3] == "535"
    assert [(one["user"], one["success"]) for one in sink.logins()] == [(USER, right)] * 2


@pytest.mark.parametrize("said", ["user=u\1auth=Basic x\1\1", "nonsense", "", "\0\1"])
def test_malformed_tokens(login, said):
    sink = login()
    assert Talk(sink).say(f"AUTH XOAUTH2 {b64(said) or '='}").startswith("501 ")
    assert Talk(sink).say(f"AUTH OAUTHBEARER {b64(said) or '='}").startswith("501 ")


def test_the_wrong_moment_and_the_wrong_words(login):
    sink = login(options=["--auth-required"])
    talk = Talk(sink)
    assert talk.say("MAIL FROM:<a@x>").startswith("530 5.7.0")
    assert talk.say("AUTH PLAIN !!!").startswith("501 5.5.2")
    assert talk.say("AUTH PLAIN").startswith("334")
    assert talk.say("*").startswith("501 5.7.0")
    assert talk.say("AUTH PLAIN").startswith("334")
    assert talk.say("a=b").startswith("501 5.5.2")
    assert talk.say("AUTH NTLM").startswith("504 5.5.4")
    assert talk.say("AUTH").startswith("501 ")
    assert talk.say("AUTH CRAM-MD5 eA==").startswith("501 ")
    good = f"AUTH PLAIN {b64(f'{chr(0)}{USER}{chr(0)}{PASSWORD}')}"
    assert talk.say(good).startswith("235")
    assert talk.say(good).startswith("503")
    assert talk.say("MAIL FROM:<a@x>").startswith("250")
    assert [one["success"] for one in sink.logins()] == [False] * 6 + [True]
    assert sink.violations() == {"syntax", "extension-not-offered", "auth-out-of-order"}
    free = Talk(login())
    assert free.say("MAIL FROM:<a@x>").startswith("250")
    assert free.say(good).startswith("503")


def test_what_is_sent_ahead_is_a_violation(login):
    sink = login()
    talk = Talk(sink)
    talk.sock.sendall(b"AUTH LOGIN\r\n" + b64(USER).encode() + b"\r\n")
    until(talk.sock, b"UGFzc3dvcmQ6\r\n")
    assert sink.violations() == {"not-last-in-group"}


def test_the_record_names_who_sent(login):
    sink = login(user="user", password="secret", options=tls())
    with smtplib.SMTP("localhost", sink.port, local_hostname="c.example") as client:
        client.starttls(context=trusting())
        client.login("user", "secret")
        client.sendmail("a@x.org", ["b@y.org"], "Subject: hi\r\n\r\nhello\r\n")
    assert sink.transactions()[0]["user"] == "user"


def lying(login, lie):
    return Talk(login({"on": "AUTH", "scram": lie}))


def test_scram_lies(login):
    server_first, reply, signature = scram(lying(login, "bad-signature"))
    assert reply.startswith("334 ") and reply != f"334 {b64(signature)}"
    assert len(base64.b64decode(reply[4:], validate=True)) == len(signature)
    assert scram(lying(login, "iterations=1"))[0].endswith(",i=1")
    assert scram(lying(login, "iterations=1"))[1].startswith("334 ")
    assert lying(login, "iterations=2147483648").challenge(f"AUTH SCRAM-SHA-1 {b64(scram_first())}").endswith(
        ",i=2147483648"
    )
    assert not scram(lying(login, "foreign-nonce"))[0].startswith("r=clientnonce")
    assert len(base64.b64decode(scram(lying(login, "huge-salt"))[0].split(",s=")[1].split(",")[0])) == 6000
    assert scram(lying(login, "no-final"))[1].startswith("235 ")


def test_challenges_for_ever_and_huge_ones(login):
    sink = login({"on": ["AUTH", "other"], "nth": {"from": 1}, "reply": "334 eA=="})
    talk = Talk(sink)
    assert {talk.say(line) for line in ("AUTH PLAIN", *["eA=="] * 200)} == {"334 eA=="}
    huge = Talk(login({"on": "AUTH", "reply": "334 ", "pad": 1 << 20}))
    assert huge.say("AUTH PLAIN") == "334 " + "A" * (1 << 20)


def test_the_script_decides_what_a_login_does(login):
    sink = login({"on": "other", "reply": "235 come in"}, options=["--auth-required"])
    talk = Talk(sink)
    talk.challenge("AUTH LOGIN")
    assert talk.say(b64("whoever")).startswith("235")
    assert talk.say("MAIL FROM:<a@x>").startswith("250")
    talk.sock.sendall(b"QUIT\r\n")
    everything(talk.sock)


def test_without_auth(sink_of):
    sink = sink_of()
    assert Talk(sink).say("AUTH PLAIN AHVzZXIAc2VjcmV0").startswith("502")
    assert sink.violations() == {"extension-not-offered"}
