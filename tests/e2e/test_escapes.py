# SPDX-License-Identifier: MIT
"""What servers and lists say is data: it reaches logs, reports and terminals escaped, one event a line."""

import json
import os
import pty
import re
import subprocess

import pytest

from lib.campaign import NOT_ALL, OK, options_for, read_outcomes, run, sink_of, write_message  # noqa: F401
from lib.command import bulkmail, send

# Terminal escapes (7 and 8 bits), line ends that only some programs know, text that runs backwards, what a
# spreadsheet takes for a formula, the end of a string of JSON, octets that are no UTF-8, the id of an error.
EVIL = b'=1+1\x1b]0;owned\x07\x1b[2J\x9b2J \xc2\x9b2J \xe2\x80\xa8x \xe2\x80\xaey \xc2\x85z "}\\ \x00 \xff\xfe \x7f\tMBS001'
SHOWN = (
    '=1+1\\x1B]0;owned\\x07\\x1B[2J\\x9B2J \\xC2\\x9B2J \\xE2\\x80\\xA8x \\xE2\\x80\\xAEy \\xC2\\x85z "}\\\\ \\x00 \\xFF\\xFE '
    "\\x7F\\x09MBS001"
)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffd]")
ONE = ["a@x.example.org"]


def raw(reply):
    """A rule's `hex`: any octets."""
    return reply.hex()


def assert_shown(text, lines=None):
    assert not UNSEEN.search(text), ascii(text)
    if lines is not None:
        assert len(text.splitlines()) == lines, ascii(text)


def written_by(folder, sink, *more):
    paths = {name: folder / name for name in ("talk", "errors", "good", "bad")}
    names = {"talk": "CONVERSATION", "errors": "ERRFILE", "good": "GOOD", "bad": "BAD"}
    logs = [word for name, path in paths.items() for word in ("--set", f"{names[name]}={path}")]
    sent = send([*options_for(folder, [sink], ONE), *logs, "--set", "talk_attempts=0", *more], folder)
    texts = {name: path.read_bytes().decode("utf-8") for name, path in paths.items() if path.exists()}
    texts["outcomes"] = (folder / "outcomes.jsonl").read_bytes().decode("utf-8")
    texts["report"] = (folder / "report.json").read_bytes().decode("utf-8")
    texts["stderr"] = sent.stderr
    return sent, texts


@pytest.mark.parametrize("on", ["RCPT", "MAIL", "end"])
def test_a_refusal(on, tmp_path, sink_of):  # noqa: F811
    # manual: CONVERSATION
    # conformance: A18, A19
    sink = sink_of({"on": on, "hex": raw(b"550-5.1.1 " + EVIL + b"\r\n550 5.1.1 " + EVIL + b"\r\n")})
    sent, texts = written_by(tmp_path, sink)
    assert sent.status == NOT_ALL
    for text in texts.values():
        assert_shown(text)
    (row,) = sent.outcomes
    assert row["outcome"] == "refused" and row["enhanced"] == "5.1.1"
    assert f"{SHOWN} {SHOWN}".startswith(row["text"]) and len(row["text"]) > len(SHOWN)
    assert_shown(texts["outcomes"], lines=1)
    assert SHOWN in texts["errors"] and texts["errors"].count("MB051") == 1
    assert_shown(texts["errors"], lines=1)
    assert texts["talk"].count(f"< 550-5.1.1 {SHOWN}\n") == 1 and texts["talk"].count(f"< 550 5.1.1 {SHOWN}\n") == 1


@pytest.mark.parametrize("on", ["greeting", "EHLO", "RSET"])
def test_where_a_session_begins_and_ends(on, tmp_path, sink_of):  # noqa: F811
    # conformance: A19
    code = b"554" if on == "greeting" else b"450"
    sink = sink_of({"on": on, "hex": raw(code + b" 4.0.0 " + EVIL + b"\r\n")})
    _, texts = written_by(tmp_path, sink, "--set", "max_connection_attempts=1")
    for text in texts.values():
        assert_shown(text)
    if on != "RSET":
        assert SHOWN in texts["errors"]


LAST_LINES = [b"550", b"550-a\r\n550", b"550-\r\n550 ", b"550 \r", b"55", b"5", b"", b"550-a\r\n55", b"550-a\r\n\x1b50 b"]


@pytest.mark.parametrize("reply", LAST_LINES, ids=range(len(LAST_LINES)))
def test_short_last_lines(reply, tmp_path, sink_of):  # noqa: F811
    # conformance: A18
    sink = sink_of({"on": "RCPT", "hex": raw(reply + b"\r\n")})
    sent, texts = written_by(tmp_path, sink, "--set", "max_connection_attempts=1", "--set", "time_out=1")
    assert sent.report["recipients"] == 1 and sent.report["accepted"] == 0
    for text in texts.values():
        assert_shown(text)
    whole = re.fullmatch(rb"(550-.*\r\n)?550( .*)?", reply, re.DOTALL)
    assert sent.outcomes[0]["outcome"] == ("refused" if whole else "unsent") or reply == b"550 \r"


KEYWORDS = b"250-x\r\n250-" + EVIL.replace(b"\x00", b"") + b"\r\n250 PIPELINING\r\n"


def test_keywords_of_ehlo(tmp_path, sink_of):  # noqa: F811
    # conformance: A19, A20
    sink = sink_of({"on": "EHLO", "hex": raw(KEYWORDS)})
    done = run("check", *options_for(tmp_path, [sink], ONE))
    assert done.status == OK, done.stderr
    assert_shown(done.stdout)
    assert "\\x1B]0;owned" in done.stdout and "  PIPELINING\n" in done.stdout
    _, texts = written_by(tmp_path, sink)
    for text in texts.values():
        assert_shown(text)


def output_on_terminal(arguments):
    """What a person would see: standard output and error are a terminal."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen([bulkmail(), *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while got := os.read(ours, 65536):
            text += got
    except OSError:
        pass
    os.close(ours)
    child.wait(10)
    return text.replace(b"\r\n", b"\n")


def test_talk_on_a_terminal_and_in_a_pipe(sink_of):  # noqa: F811
    # conformance: A19
    sink = sink_of({"on": "NOOP", "hex": raw(b"250-" + EVIL + b"\r\n250 ok\r\n")})
    arguments = ["talk", "--server", sink.address, "NOOP"]
    done = run(*arguments)
    assert done.status == OK and done.stdout.startswith("250-=1+1\\x1B]0;owned") and done.stdout.endswith("\n250 ok\n")
    assert_shown(done.stdout, lines=2)
    assert output_on_terminal(arguments).decode("ascii") == done.stdout


def test_talk_of_a_refusal(sink_of):  # noqa: F811
    # conformance: A19
    sink = sink_of({"on": "NOOP", "hex": raw(b"550 5.0.0 " + EVIL + b"\r\n")})
    shown = output_on_terminal(["talk", "--server", sink.address, "NOOP"]).decode("utf-8")
    assert_shown(shown, lines=1)
    assert SHOWN in shown


def test_what_a_list_says(tmp_path, sink_of):  # noqa: F811
    # conformance: A19
    lines = [b"a@x.example.org", b"b\x1b[2J@x.example.org", b"c\x7f", "d\u2028e \u202ef \x85".encode(), b"\xff\xfe", b"=1+1 \x9b"]
    path = tmp_path / "evil.txt"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    bad, outcomes = tmp_path / "bad", tmp_path / "o"
    arguments = ["send", "--server", sink_of().address, "--list", path, "--message", write_message(tmp_path)]
    arguments += ["--set", f"BAD={bad}", "--set", f"ERRFILE={tmp_path / 'errors'}", "--outcomes", outcomes]
    shown = output_on_terminal(arguments)
    assert not re.search(rb"\x1b(?!\[K)|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f]", shown), shown
    text = outcomes.read_bytes().decode("utf-8")
    assert_shown(text, lines=len(lines))
    rows = {row["seq"]: row for row in read_outcomes(outcomes)}
    assert [rows[seq]["outcome"] for seq in range(1, 7)] == ["accepted"] + ["invalid"] * 5
    assert_shown((tmp_path / "errors").read_bytes().decode("utf-8"))
    # a record goes back as it came, but for what no address can hold
    assert bad.read_bytes().split(b"\n")[:2] == [b"b\\x1B[2J@x.example.org", b"c\\x7F"]
    assert "\u2028" in rows[4]["address"] and json.dumps("\u2028")[1:-1] in text
