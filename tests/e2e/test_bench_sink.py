# SPDX-License-Identifier: MIT
"""The sink of the benchmarks, as a slow server, answers everybody in order."""

import os
import socket
import subprocess

PACE_US = 20000
SECONDS = 10
MESSAGE = b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n"
TEXT = b"Subject: x\r\n\r\nx\r\n.\r\n"


def begin(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    talk = connection.makefile("rwb", buffering=0)
    assert talk.readline().startswith(b"220")
    talk.write(b"HELO x.example\r\n")
    assert talk.readline().startswith(b"250")
    return connection, talk


def send(talk):
    talk.write(MESSAGE)
    for code in b"250", b"250", b"354":
        assert talk.readline().startswith(code)
    talk.write(TEXT)


def test_who_is_held_is_not_forgotten():
    build = os.environ["BUILD_DIR"]
    subprocess.run(["ninja", "-C", build, "bench/sink"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    command = [f"{build}/bench/sink", "--listen", "127.0.0.1:0", "--pace-us", str(PACE_US)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline())
            talks = [begin(port) for _ in range(3)]
            for _, talk in talks:
                send(talk)
            # The first is back while the others are still held.
            for _ in range(3):
                for _, talk in talks:
                    assert talk.readline().startswith(b"250")
                    send(talk)
        finally:
            process.terminate()
            process.wait(SECONDS)
