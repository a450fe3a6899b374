# SPDX-License-Identifier: MIT
"""A long wire: bench/delay.c before a server that listens on 127.0.0.1."""

import pathlib
import subprocess
from contextlib import contextmanager

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[3] / "bench"


@pytest.fixture(scope="session")
def delay(tmp_path_factory):
    """delay(port, round_trip_ms) is a context with the port to connect to."""
    program = tmp_path_factory.mktemp("delay") / "delay"
    sources = [BENCH / "delay.c", BENCH / "net.c"]
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O2", "-o", program, *sources], check=True, timeout=60)

    @contextmanager
    def start(port, round_trip_ms):
        command = [program, "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}", "--delay-ms", str(round_trip_ms)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield int(process.stdout.readline())
            finally:
                process.terminate()
                try:
                    status = process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise
        assert status == 0

    return start
