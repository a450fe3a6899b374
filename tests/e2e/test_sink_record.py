# SPDX-License-Identifier: MIT
"""`bulkmail sink` as a recorder, beside a second one that shares no code with it."""

import smtplib

import pytest

from dataclasses import replace

from lib.command_sink import CommandSink
from lib.compare import compare
from lib.pysink import Sink
from lib.rows import limit_rows, plain_rows
from lib.setup import Bench

pytestmark = pytest.mark.usefixtures("original")

FIELDS = ("helo", "sender", "recipients", "refused", "size", "sha256", "accepted", "content_base64")

CONTENTS = (
    b"Subject: x\r\n\r\nHello\r\n",
    b".\r\n..\r\n.dots\r\n",
    b"\r\n",
    "gr\u00fc\u00df\r\n".encode("utf-8"),
    b"x" * 998 + b"\r\n\r\n\r\n",
)


@pytest.fixture(params=[Sink, CommandSink], ids=["python", "command"])
def sink(request):
    made = request.param()
    yield made
    made.stop()


def talk(port):
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.org", timeout=10) as client:
        for number, text in enumerate(CONTENTS):
            rcpts = [f"r{number}.{n}@x.example.org" for n in range(number + 1)]
            client.sendmail(f"s{number}@lists.example.org", rcpts, text)


def test_record_of_a_talk(sink):
    talk(sink.port)
    records = sink.take()
    witness = Sink()
    try:
        talk(witness.port)
        wanted = witness.take()
    finally:
        witness.stop()
    assert [{name: record[name] for name in FIELDS} for record in records] == [
        {name: record[name] for name in FIELDS} for record in wanted
    ]
    assert [record["transaction"] for record in records] == list(range(1, len(CONTENTS) + 1))
    assert {record["connection"] for record in records} == {1}


@pytest.mark.parametrize("row", [*plain_rows(), *limit_rows()], ids=lambda row: row.setup.name)
def test_same_as_the_original_over_the_commands_sink(row, tmp_path):
    # manual: max_messages, max_messages_per_robin, max_messages_per_connection, envelope_limit
    with Bench(replace(row.setup, sink=CommandSink), tmp_path) as bench:
        original = bench.run_original()
        ours = bench.run_ours()
    compare(row, original, ours)
