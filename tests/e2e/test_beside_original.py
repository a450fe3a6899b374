# SPDX-License-Identifier: MIT
"""The original, Debian's libmail-bulkmail-perl, and `bulkmail send` with the same conf files,
server files and lists: per server the same transactions, and the same GOOD and BAD."""

import re

import pytest

from lib import content
from lib.compare import compare, same
from lib.rows import ENVELOPE, ROWS, SORTED
from lib.setup import Bench, Setup, lines_of, read_bytes

pytestmark = pytest.mark.usefixtures("original")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.setup.name)
def test_same_as_the_original(row, tmp_path):
    # manual: Smtp, Port, Domain, Tries, envelope_limit, max_messages, max_messages_per_robin
    # manual: max_messages_per_connection, max_messages_while_awake, sleep_length, create_all_servers
    # manual: server_class, server_file, LIST, From, To, Sender, ReplyTo, Subject, Message
    # manual: message_from_file, headers_from_message, HTML, use_envelope, force80, Precedence
    # manual: Trusting, banned, BAD, GOOD, ERRFILE, reached_limit, reached_envelope_limit
    # manual: MB007, MB012, MB017, MB018, row-limit-open-envelope
    with Bench(row.setup, tmp_path) as bench:
        original = bench.run_original()
        ours = bench.run_ours()
    compare(row, original, ours)
    for server in ours.attempts:
        for transaction in server:
            content.check_own_headers(transaction.raw)


def test_table_is_large_and_varied():
    assert len(ROWS) >= 30
    assert {len(row.setup.servers) for row in ROWS} == {1, 2, 3, 4}
    assert len({row.setup.name for row in ROWS}) == len(ROWS)


def test_message_ids_differ_from_copy_to_copy(tmp_path):
    setup = Setup("message-ids", SORTED)
    with Bench(setup, tmp_path) as bench:
        ours = bench.run_ours()
    ids = [content.check_own_headers(one.raw) for one in ours.servers[0]]
    assert len(set(ids)) == len(SORTED.splitlines())


def dummy_transactions(path):
    """The transactions in a DummyServer's file: sender, recipients, content without its excepted headers."""
    parts = re.split(rb"(?mi)^.*new message.*\r\n", read_bytes(path))[1:]
    found = []
    for part in parts:
        head, data, rest = part.partition(b"\r\nDATA\r\n")
        if not data:
            continue  # the RSET of the end
        sender = re.search(rb"(?mi)^MAIL FROM:<([^>]*)>", head).group(1)
        recipients = re.findall(rb"(?mi)^RCPT TO:<([^>]*)>", head)
        stuffed = (b"\r\n" + rest).partition(b"\r\n.\r\n")[0][2:] + b"\r\n"
        found.append((sender, recipients, content.normal(re.sub(rb"(?m)^\.", b"", stuffed))))
    return found


@pytest.mark.parametrize("envelope", [{}, ENVELOPE, {"force80": "1"}], ids=["each", "envelope", "force80"])
def test_dummy_server_writes_the_same(envelope, tmp_path):
    # manual: dummy-server, dummy_file, server_class, server_file
    body = b"Hello,\n.dots\n\nno end of the last line, which is too long for one that is folded at seventy-eight"
    setup = Setup(
        "dummy",
        SORTED + b"bad\n" + SORTED[:24],
        campaign={"server_class": "Mail::Bulkmail::DummyServer", **envelope},
        defaults={"dummy_file": "dummy.txt", "envelope_limit": 2},
        body=body,
    )
    with Bench(setup, tmp_path) as bench:
        original = bench.run_original()
        ours = bench.run_ours_dummy()
    theirs = dummy_transactions(tmp_path / "original" / "dummy.txt")
    own = dummy_transactions(tmp_path / "ours" / "dummy.txt")
    assert len(theirs) == (7 if envelope is ENVELOPE else 12)
    assert own == theirs
    assert ours.good == original.good == lines_of(SORTED)
    assert ours.bad == original.bad
    assert [server for server in bench.sinks if server.connections] == []


def test_campaign_from_options_alone_is_the_conf_files(tmp_path):
    """The same campaign, once all in the conf file and once by options."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "options").mkdir()
    with Bench(Setup("conf", SORTED, campaign=ENVELOPE), tmp_path / "conf") as bench:
        by_conf = bench.run_ours()
    left_out = ("LIST", "Message", "From", "Subject", "use_envelope", "message_from_file")
    bare = Setup("options", SORTED, campaign=dict.fromkeys(left_out))
    with Bench(bare, tmp_path / "options") as bench:
        by_options = bench.run_ours(
            *("--list", bench.folder / "list.txt", "--body", bench.folder / "body.txt"),
            *("--from", "news@lists.example.org", "--to", ENVELOPE["To"], "--subject", "The news"),
            *("--use-envelope", "1"),
        )
    same(by_conf, by_options)
