# SPDX-License-Identifier: MIT
"""bulkmail sink floods, drips and cuts: what the tests of hostile servers stand on."""

import socket
import time

import pytest

from lib.campaign import sink_of  # noqa: F401
from test_sink_tls import PLAIN_EHLO, connect, everything, trusting, until


def read_some(sock, count):
    data = b""
    while len(data) < count:
        got = sock.recv(65536)
        assert got
        data += got
    return data


def greeted(sink):
    sock = connect(sink)
    until(sock, b"\r\n")
    return sock


@pytest.mark.parametrize("tls", [None, "good"])
def test_floods(sink_of, tls):
    rules = (
        {"on": "NOOP", "flood": "line"},
        {"on": "EHLO", "flood": "lines"},
        {"on": "RSET", "flood": "replies"},
        {"on": "HELP", "reply": "550 no", "reply_times": "forever"},
    )
    sink = sink_of(*rules, tls=tls, wrapper=tls is not None)
    for command, head, more in (
        (b"NOOP", b"250 xxx", b"x"),
        (b"EHLO c", b"250-x\r\n250-x\r\n", b"250-x\r\n"),
        (b"RSET", b"250 Ok\r\n250 x\r\n250 x\r\n", b"250 x\r\n"),
        (b"HELP", b"550 no\r\n550 x\r\n", b"550 x\r\n"),
    ):
        sock = connect(sink)
        if tls:
            sock = trusting().wrap_socket(sock, server_hostname="localhost")
        until(sock, b"\r\n")
        sock.sendall(command + b"\r\n")
        data = read_some(sock, 300000)
        assert data.startswith(head) and data[1000:300000].replace(more, b"").strip(b"250 -x\r\n") == b""
        sock.close()


def test_a_flood_ends_and_lets_others_in(sink_of):
    sink = sink_of({"on": "NOOP", "flood": "line"})
    sock, other = greeted(sink), greeted(sink)
    sock.sendall(b"NOOP\r\n")
    read_some(sock, 1 << 20)
    start = time.monotonic()
    other.sendall(b"RSET\r\n")
    until(other, b"\r\n")
    assert time.monotonic() - start < 1
    left = 64 << 20
    while got := len(sock.recv(1 << 20)):
        left -= got
    assert 0 <= left < 2 << 20


def test_a_slow_flood(sink_of):
    sink = sink_of({"on": "NOOP", "flood": "lines", "drip_ms": 20})
    sock = greeted(sink)
    start = time.monotonic()
    sock.sendall(b"NOOP\r\n")
    assert read_some(sock, 70)[:14] == b"250-x\r\n250-x\r\n"
    assert time.monotonic() - start > 0.15


def test_keywords_padding_and_repeats(sink_of):
    rules = (
        {"on": "EHLO", "keywords": 10000},
        {"on": "NOOP", "pad": 2040},
        {"on": "RSET", "reply": "250 two\r\n", "reply_times": 3},
    )
    sock = greeted(sink_of(*rules))
    sock.sendall(PLAIN_EHLO)
    lines = until(sock, b"250 DSN\r\n").split(b"\r\n")
    assert lines[0] == b"250-sink.bulkmail.invalid 0" and lines[9999] == b"250-X-KEYWORD-9999"
    assert b"250-PIPELINING" in lines
    sock.sendall(b"NOOP\r\n")
    assert until(sock, b"\r\n") == b"250 2.0.0 Ok" + b"A" * 2040 + b"\r\n"
    sock.sendall(b"RSET\r\n")
    assert read_some(sock, 27) == b"250 two\r\n" * 3


@pytest.mark.parametrize("after", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("how", ["close", "reset", "stall"])
def test_cut_in_the_middle_of_a_reply(sink_of, after, how):
    sink = sink_of({"on": "NOOP", "after": after, how: True})
    sock = greeted(sink)
    sock.settimeout(0.3)
    data = b""
    try:
        sock.sendall(b"NOOP\r\n")
        while got := sock.recv(100):
            data += got
        assert how == "close"
    except ConnectionResetError:
        assert how == "reset"
    except TimeoutError:
        assert how == "stall"
    assert data == b"250 Ok\r\n"[:after] or how == "reset"


def test_one_octet_a_segment(sink_of):
    sink = sink_of({"on": "connect", "segment": 1})
    sock = greeted(sink)
    sock.sendall(b"EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n")
    until(sock, b"<CR><LF>.<CR><LF>\r\n")
    sock.sendall(b"hello\r\n.\r\n")
    assert until(sock, b"\r\n").endswith(b"queued as 1\r\n")
    (one,) = sink.transactions()
    assert one["size"] == 7


@pytest.mark.parametrize("on", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end", "BDAT", "QUIT"])
def test_drips_in_every_phase(sink_of, on):
    sink = sink_of({"on": on, "drip_ms": 4})
    chunk = on == "BDAT"
    sock = connect(sink)
    start = time.monotonic()
    sock.sendall(b"EHLO c\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\n" + (b"BDAT 3 LAST\r\nx\r\n" if chunk else b"DATA\r\n"))
    if not chunk:
        until(sock, b"<CR><LF>.<CR><LF>\r\n")
        sock.sendall(b"x\r\n.\r\n")
    until(sock, b"queued as 1\r\n")
    sock.sendall(b"QUIT\r\n")
    everything(sock)
    assert time.monotonic() - start > 0.03


def test_a_stalled_flood_costs_nothing(sink_of):
    sink = sink_of({"on": "NOOP", "flood": "replies"})
    sock = greeted(sink)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.sendall(b"NOOP\r\n")
    time.sleep(0.3)
    before = cpu(sink.pid)
    time.sleep(0.5)
    assert cpu(sink.pid) - before < 0.1


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
