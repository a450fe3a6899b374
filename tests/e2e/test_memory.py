# SPDX-License-Identifier: MIT
"""Each allocation in turn fails: no crash, no success that is none, no outcome lost or told twice."""

import json
import pathlib
import subprocess

import pytest

from lib.campaign import CONF, KINDS, sink_of  # noqa: F401
from lib.command import bulkmail, is_sanitized

SOURCE = pathlib.Path(__file__).parent / "lib" / "short_memory.c"
LIST = ["a@x.example.org", "b@x.example.org", "nobody", "a@x.example.org", "ban@y.example.org", "c@z.example.org"]
USUAL = 1  # of six records three are sent
MOST = 2000


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    if is_sanitized():
        pytest.skip("the sanitizer has its own malloc")
    if b".gcda" in pathlib.Path(bulkmail()).read_bytes():
        pytest.skip("gcov's own dump at exit does not survive a failed allocation")
    path = tmp_path_factory.mktemp("shim") / "short_memory.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)], check=True)
    return path


def prepare(folder, port):
    (folder / "list").write_text("".join(line + "\n" for line in LIST))
    (folder / "body").write_text("Hello.\n.\n")
    (folder / "banned").write_text("ban@y.example.org\nevil.example\n")
    (folder / "conf").write_text(
        "define package Mail::Bulkmail\nFrom = n@me.example\nTo = l@me.example\nbanned = banned\nGOOD = good\nretry_delay = 0\n"
        f"define package Mail::Bulkmail::Server\nSmtp = 127.0.0.1\nPort = {port}\nDomain = me.example\nTries = 1\n"
    )


def run_short(folder, shim, at, *options):
    """True when the allocation failed, the exit status and what was said."""
    mark = folder / "mark"
    for path in (mark, folder / "outcomes", folder / "report"):
        path.unlink(missing_ok=True)
    environment = {"LD_PRELOAD": str(shim), "FAIL_AT": str(at), "FAILED_MARK": str(mark), "PATH": "/usr/bin:/bin"}
    arguments = [bulkmail(), "send", "--conf", "conf", "--list", "list", "--body", "body", *options]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, timeout=30)
    return mark.exists(), done.returncode, done.stderr.decode()


def check_files(folder, at):
    rows = [json.loads(line) for line in (folder / "outcomes").read_text().splitlines()]
    sequence = [row["seq"] for row in rows]
    assert len(set(sequence)) == len(sequence), at
    if not (folder / "report").exists():
        return
    report = json.loads((folder / "report").read_text())
    assert sum(report[kind] for kind in KINDS) == report["recipients"], at


@pytest.mark.parametrize("how", ["--dry-run", "--quiet"])
def test_each_allocation_fails_in_turn(how, shim, tmp_path, sink_of):  # noqa: F811
    prepare(tmp_path, sink_of().port)
    options = [how] if how == "--dry-run" else [how, "--outcomes", "outcomes", "--report", "report"]
    for at in range(1, MOST):
        failed, status, said = run_short(tmp_path, shim, at, *options)
        if not failed:
            break
        # What was recovered from ends as usual; else the reason is said, and it is no conf error's.
        assert status > 0 and status != CONF, (at, status, said)
        assert status == USUAL or said.strip() not in ("", "bulkmail:"), (at, status)
        assert "MBO004" not in said, (at, said)
        if (tmp_path / "outcomes").exists():
            check_files(tmp_path, at)
    assert at > 50 and status == USUAL
