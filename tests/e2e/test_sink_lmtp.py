# SPDX-License-Identifier: MIT
"""bulkmail sink as an LMTP server, and on Unix sockets."""

import smtplib
import socket
import subprocess

from lib.campaign import sink_of  # noqa: F401
from lib.command import bulkmail
from test_sink_tls import everything, trusting, until

RCPTS = ["a@y.org", "b@y.org", "c@y.org"]


def deliver(client, rcpts=RCPTS):
    """The replies to the end of data."""
    client.docmd("LHLO c.example")
    client.mail("s@x.org")
    for rcpt in rcpts:
        client.rcpt(rcpt)
    client.putcmd("DATA")
    assert client.getreply()[0] == 354
    client.send(b"Subject: hi\r\n\r\nhello\r\n.\r\n")
    return [client.getreply()[0] for _ in rcpts]


def test_one_reply_a_recipient(sink_of):
    rules = ({"on": "end", "match": "^b@", "reply": "550 5.1.1 no b"}, {"on": "end", "match": "^c@", "reply": "450 later"})
    sink = sink_of(*rules, lmtp=True, unix=True)
    client = smtplib.LMTP(str(sink.path))
    assert deliver(client) == [250, 550, 450]
    assert deliver(client, ["d@y.org"]) == [250]
    client.quit()
    lines = [(one["transaction"], one["recipients"], one["accepted"], one["reply"][:3]) for one in sink.transactions()]
    assert lines == [
        (1, ["a@y.org"], True, "250"),
        (1, ["b@y.org"], False, "550"),
        (1, ["c@y.org"], False, "450"),
        (2, ["d@y.org"], True, "250"),
    ]
    assert len({one["sha256"] for one in sink.transactions()}) == 1
    assert sink.taken() == {"a@y.org": 1, "d@y.org": 1}
    assert sink.violations() == set()
    counters = sink.counters()
    assert counters["transactions"] == 2 and counters["recipients"] == 2
    assert not sink.path.exists()


def test_refused_recipients_have_no_reply(sink_of):
    sink = sink_of({"on": "RCPT", "match": "<b@", "reply": "550 no"}, lmtp=True, unix=True)
    client = smtplib.LMTP(str(sink.path))
    client.docmd("LHLO c.example")
    client.mail("s@x.org")
    assert [client.rcpt(rcpt)[0] for rcpt in RCPTS] == [250, 550, 250]
    client.docmd("DATA")
    client.send(b"x\r\n.\r\n")
    assert [client.getreply()[0] for _ in range(2)] == [250, 250]
    assert client.noop()[0] == 250


def test_chunks(sink_of):
    sink = sink_of({"on": "end", "match": "^b@", "reply": "452 full"}, lmtp=True, unix=True)
    client = smtplib.LMTP(str(sink.path))
    client.docmd("LHLO c.example")
    client.mail("s@x.org")
    for rcpt in RCPTS:
        client.rcpt(rcpt)
    client.send(b"BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nNOOP\r\n")
    assert [client.getreply()[0] for _ in range(5)] == [250, 250, 452, 250, 250]
    assert [one["bdat"] for one in sink.transactions()] == [True] * 3


def test_cut_off_among_the_replies(sink_of):
    sink = sink_of({"on": "end", "nth": 2, "delay_ms": 100, "close": True}, lmtp=True)
    with socket.create_connection(("127.0.0.1", sink.port), timeout=5) as sock:
        until(sock, b"\r\n")
        sock.sendall(b"LHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\nRCPT TO:<c@y>\r\nDATA\r\n")
        until(sock, b"354 End data with <CR><LF>.<CR><LF>\r\n")
        sock.sendall(b"x\r\n.\r\n")
        assert everything(sock) == b"250 2.0.0 Ok: queued as 1\r\n"
    assert [one["accepted"] for one in sink.transactions()] == [True, False]


def test_who_greets_as_the_other_protocol(sink_of):
    for lmtp, verb in ((True, "EHLO"), (True, "HELO"), (False, "LHLO")):
        sink = sink_of(lmtp=lmtp)
        with smtplib.SMTP("127.0.0.1", sink.port) as client:
            assert client.docmd(verb, "c.example")[0] == 500
        assert sink.violations() == {"wrong-protocol"}


def test_smtp_and_tls_on_a_unix_socket(sink_of):
    sink = sink_of(unix=True, tls="good", wrapper=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(sink.path))
        with trusting().wrap_socket(sock, server_hostname="localhost") as secured:
            assert until(secured, b"\r\n").startswith(b"220 ")
    assert (sink.folder / "port").read_text() == f"{sink.path}\n"
    sink.kill()
    assert sink.path.exists()
    sink.start()
    assert f"listening on unix:{sink.path}\n" in sink.process.output()


def test_no_path_for_a_socket(tmp_path):
    for path, status in (("", 64), ("x" * 200, 64), (tmp_path, 69)):
        done = subprocess.run([bulkmail(), "sink", "--listen", f"unix:{path}"], capture_output=True, timeout=10)
        assert done.returncode == status
