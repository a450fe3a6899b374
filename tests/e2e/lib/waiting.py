# SPDX-License-Identifier: MIT
"""Waits with deadlines, ports and processes that are ended by their own id."""

import os
import signal
import socket
import subprocess
import time


def wait_until(condition, seconds, what):
    """Polls: returns what condition() returns as soon as that is true."""
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def free_port():
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def greets(port, tls=None):
    """True when an SMTP greeting can be read from the port, through TLS where a context is given."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(1)
            if tls is None:
                return connection.recv(3) == b"220"
            with tls.wrap_socket(connection, server_hostname="localhost") as secured:
                return secured.recv(3) == b"220"
    except OSError:
        return False


class Process:
    """A child in a session of its own, with its output in a file."""

    def __init__(self, arguments, log, **options):
        self.log = log
        with open(log, "ab") as output:
            self.child = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,
            )

    def is_alive(self):
        return self.child.poll() is None

    def wait_for_greeting(self, port, seconds=15, tls=None):
        def ready():
            if not self.is_alive():
                raise AssertionError(f"{self.child.args[0]} ended: {self.output()[-2000:]}")
            return greets(port, tls)

        wait_until(ready, seconds, f"{self.child.args[0]} greets on port {port}")

    def output(self):
        with open(self.log, "rb") as log:
            return log.read().decode("utf-8", "replace")

    def stop(self, seconds=3):
        """Ends it in good order, else by force, and with it what is left of its session."""
        if self.is_alive():
            self.child.terminate()
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self._end_group()
        self.child.wait(10)

    def _end_group(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
