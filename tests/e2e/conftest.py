# SPDX-License-Identifier: MIT
"""What the end-to-end tests share. With Debian's python3, pytest and aiosmtpd, as root:

    /usr/bin/python3 -m pytest tests/e2e

With -n 4 --dist loadgroup four tests run at a time; those of one xdist_group follow each other.

BULKMAIL names the command under test (build/bulkmail), SERVERS_DIR where the mail servers are
unpacked (build/servers). Everything talks to 127.0.0.1 only.
"""

import fcntl
import pathlib
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def set_up(script):
    with open(pathlib.Path(tempfile.gettempdir(), "e2e-set-up.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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


def pytest_collection_modifyitems(items):
    """The long ones first, so that none is left over when all others are done."""
    items.sort(key=lambda item: not any(item.iter_markers("slow")) and not any(item.iter_markers("xdist_group")))
