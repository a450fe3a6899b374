# SPDX-License-Identifier: MIT
"""What the end-to-end tests share. With Debian's python3, pytest and aiosmtpd, as root:

    /usr/bin/python3 -m pytest tests/e2e

BULKMAIL names the command under test (build/bulkmail), SERVERS_DIR where the mail servers are
unpacked (build/servers). Everything talks to 127.0.0.1 only.
"""

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def set_up(script):
    done = subprocess.run(
        [HERE.parents[1] / "scripts" / script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")


@pytest.fixture(scope="session")
def original():
    """The original is installed."""
    set_up("setup-original")


@pytest.fixture(scope="session")
def unpacked():
    """The mail servers are unpacked."""
    set_up("setup-servers")
