# SPDX-License-Identifier: MIT
"""The proxy that makes the wire long delays octets, in each direction, and not replies; it limits no throughput."""

import socket
import threading
import time
from contextlib import contextmanager

from lib.delay import delay  # noqa: F401
from lib.waiting import free_port

ROUND_TRIP_MS = 100
ROUND_TRIP = ROUND_TRIP_MS / 1000
SECONDS = 20
GREETING = b"220 hello\n"
MEBIBYTE = 1 << 20


def answer(connection, seen):
    """A greeting, a line back for each line, and at the end how many octets came."""
    total = 0
    with connection:
        connection.sendall(GREETING)
        while data := connection.recv(1 << 18):
            seen.append(time.monotonic())
            total += len(data)
            lines = data.count(b"\n")
            if lines:
                connection.sendall(b"250 ok\n" * lines)
        connection.sendall(f"{total}\n".encode())


@contextmanager
def server():
    """Its port, and the times at which octets came."""
    seen = []
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection, seen), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1], seen
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=SECONDS)


def read_lines(connection, count):
    """The octets up to the last of so many lines."""
    data = b""
    while data.count(b"\n") < count:
        more = connection.recv(1 << 16)
        assert more, f"the end after {data!r}"
        data += more
    return data


def test_each_octet_waits_half_a_round_trip_each_way(delay):  # noqa: F811
    with server() as (port, seen), delay(port, ROUND_TRIP_MS) as far, connect(far) as client:
        read_lines(client, 1)
        sent = time.monotonic()
        client.sendall(b"a\n")
        assert read_lines(client, 1) == b"250 ok\n"
        back = time.monotonic()
    assert seen[0] - sent >= ROUND_TRIP / 2
    assert back - seen[0] >= ROUND_TRIP / 2


def test_what_was_pipelined_is_answered_after_one_round_trip(delay):  # noqa: F811
    commands = 200
    with server() as (port, _), delay(port, ROUND_TRIP_MS) as far, connect(far) as client:
        read_lines(client, 1)
        begun = time.monotonic()
        client.sendall(b"a\n" * commands)
        read_lines(client, commands)
        together = time.monotonic() - begun
        begun = time.monotonic()
        for _ in range(5):
            client.sendall(b"a\n")
            read_lines(client, 1)
        one_by_one = time.monotonic() - begun
    # A delay of each reply would take 20 s.
    assert ROUND_TRIP <= together < 5
    assert one_by_one >= 5 * ROUND_TRIP


def test_writes_a_moment_apart_arrive_a_moment_apart(delay):  # noqa: F811
    """Each octet has its own time: a second write does not wait behind the first one's delay."""
    writes = 50
    with server() as (port, _), delay(port, ROUND_TRIP_MS) as far, connect(far) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_lines(client, 1)
        begun = time.monotonic()
        for _ in range(writes):
            client.sendall(b"a\n")
            time.sleep(0.001)
        read_lines(client, writes)
        taken = time.monotonic() - begun
    assert ROUND_TRIP <= taken < writes * ROUND_TRIP / 2


def test_connecting_takes_its_time(delay):  # noqa: F811
    with server() as (port, _), delay(port, ROUND_TRIP_MS) as far:
        begun = time.monotonic()
        with connect(far) as client:
            assert read_lines(client, 1) == GREETING
        assert time.monotonic() - begun >= 2 * ROUND_TRIP


def test_throughput_is_not_limited(delay):  # noqa: F811
    """A window of 64 KiB a round trip would take 100 s."""
    size = 64 * MEBIBYTE
    with server() as (port, _), delay(port, ROUND_TRIP_MS) as far, connect(far) as client:
        begun = time.monotonic()
        client.sendall(bytes(size))
        client.shutdown(socket.SHUT_WR)
        assert read_lines(client, 2) == GREETING + f"{size}\n".encode()
        assert client.recv(1) == b""
        assert time.monotonic() - begun < SECONDS


def test_many_connections_at_once(delay):  # noqa: F811
    count = 200
    with server() as (port, _), delay(port, ROUND_TRIP_MS) as far:
        begun = time.monotonic()
        clients = [connect(far) for _ in range(count)]
        for client in clients:
            client.sendall(b"a\nb\n")
            client.shutdown(socket.SHUT_WR)
        for client in clients:
            assert read_lines(client, 4) == GREETING + b"250 ok\n" * 2 + b"4\n"
            client.close()
        # One after the other they would take a minute at least.
        assert time.monotonic() - begun < SECONDS


def test_a_server_that_refuses_is_an_end(delay):  # noqa: F811
    with delay(free_port(), ROUND_TRIP_MS) as far:
        for octets in (b"", b"a\n"):
            with connect(far) as client:
                client.sendall(octets)
                try:
                    assert client.recv(1) == b""
                except ConnectionResetError:
                    pass
        # And the proxy goes on: the context ends with its exit status.
