# SPDX-License-Identifier: MIT
"""Messages with slots and lists with columns: each recipient gets the copy that is his."""

import base64
import email
import email.policy
import json
import re

import pytest

from lib import command
from lib.campaign import BAD_DATA, NOT_ALL, OK, SOON, addresses, check, sink_of, write_message  # noqa: F401

MESSAGE = """\
From: News <news@lists.example.org>
To: {{name}} <{{email}}>
Subject: News for {{ name }}
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Dear {{name}},
.your city is {{city|unknown}}.
.
""".encode()

CONTENT = ("--content",)


def send(folder, sink, name, rows, *more, content=MESSAGE):
    (folder / name).write_text(rows, encoding="utf-8", newline="")
    options = ["--server", sink.address, "--list", folder / name, "--message", write_message(folder, content)]
    return command.send([*options, *SOON, *more], folder)


def copies(sink):
    """(accepted, recipients, the parsed message) of each transaction."""
    for one in sink.transactions():
        raw = base64.b64decode(one["content_base64"])
        yield one["accepted"], one["recipients"], email.message_from_bytes(raw, policy=email.policy.default)


def body_for(name, city):
    return f"Dear {name},\n.your city is {city}.\n.\n"


def body_of(message):
    return message.get_content().replace("\r\n", "\n")


def people(count):
    for number in range(1, count + 1):
        name = f"Ren\u00e9e \u65e5\u672c {number}" if number % 3 == 0 else f"Reader {number}"
        yield f"r{number}@x.example.org", name, f"C{number % 7}" if number % 5 else ""


def csv_of(rows):
    return "email,name,city\r\n" + "".join(f'{address},"{name}",{city}\r\n' for address, name, city in rows)


def tsv_of(rows):
    return "email\tname\tcity\n" + "".join(f"{address}\t{name}\t{city}\n" for address, name, city in rows)


def json_of(rows):
    named = ({"email": address, "name": name, "city": city} for address, name, city in rows)
    return "".join(json.dumps(row) + "\n" for row in named)


TABLES = {"list.csv": csv_of, "list.tsv": tsv_of, "list.jsonl": json_of}


def check_copies(sink, rows):
    """Every copy is its recipient's; returns the Message-IDs of each."""
    wanted = {address: (name, city or "unknown") for address, name, city in rows}
    ids = {}
    for _, recipients, message in copies(sink):
        [to] = recipients
        name, city = wanted[to]
        [mailbox] = message["To"].addresses
        assert (mailbox.display_name, mailbox.addr_spec) == (name, to)
        assert message["Subject"] == f"News for {name}"
        assert body_of(message) == body_for(name, city)
        ids.setdefault(to, []).append(message["Message-ID"])
    return ids


# conformance: 72
@pytest.mark.parametrize("mode", ["message", "stream"])
def test_a_thousand_copies(mode, tmp_path, sink_of):  # noqa: F811
    rows = list(people(1000))
    sink = sink_of(options=CONTENT)
    sent = send(tmp_path, sink, "list.csv", csv_of(rows), "--set", f"pipelining={mode}")
    check(sent, [sink], 1000)
    assert sent.status == OK
    ids = check_copies(sink, rows)
    assert set(ids) == {address for address, _, _ in rows}
    assert len({one for each in ids.values() for one in each}) == 1000


# conformance: F58
@pytest.mark.parametrize("name", TABLES)
def test_tables(name, tmp_path, sink_of):  # noqa: F811
    rows = list(people(60))
    sink = sink_of(options=CONTENT)
    sent = send(tmp_path, sink, name, TABLES[name](rows))
    check(sent, [sink], 60)
    assert sent.status == OK
    assert set(check_copies(sink, rows)) == {address for address, _, _ in rows}


# conformance: 15, 72
@pytest.mark.parametrize("mode", ["message", "stream"])
def test_another_try_is_the_same_copy(mode, tmp_path, sink_of):  # noqa: F811
    rows = list(people(100))
    sink = sink_of({"on": "end", "nth": {"every": 7}, "times": 10, "reply": "451 4.3.0 later"}, options=CONTENT)
    options = ("--set", f"pipelining={mode}", "--set", "talk_attempts=5")
    sent = send(tmp_path, sink, "list.csv", csv_of(rows), *options)
    check(sent, [sink], 100)
    assert sent.status == OK
    ids = check_copies(sink, rows)
    again = [each for each in ids.values() if len(each) > 1]
    assert again
    assert all(len(set(each)) == 1 for each in again)
    assert len({each[0] for each in ids.values()}) == 100


GREETING = b"From: n@lists.example.org\nTo: all@lists.example.org\nSubject: For {{city}}\n\nNews of {{city}}.\n"


def test_equal_copies_share_an_envelope(tmp_path, sink_of):  # noqa: F811
    cities = ["Ada"] * 30 + ["Bern"] * 25 + ["Cork"] * 5
    lines = [f"{address},{city}\n" for address, city in zip(addresses(60), cities)]
    sink = sink_of(options=CONTENT)
    sent = send(tmp_path, sink, "list.csv", "email,city\n" + "".join(lines), "--use-envelope", 1, content=GREETING)
    check(sent, [sink], 60)
    assert sent.report["transactions"] == 3
    for _, recipients, message in copies(sink):
        [city] = {cities[addresses(60).index(to)] for to in recipients}
        assert message["Subject"] == f"For {city}"
        assert body_of(message) == f"News of {city}.\n"


def test_without_slots_a_table_is_a_list(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    plain = GREETING.replace(b"{{city}}", b"all")
    sent = send(tmp_path, sink, "list.csv", csv_of(people(50)), "--use-envelope", 1, content=plain)
    check(sent, [sink], 50)
    assert sent.report["transactions"] == 1


def test_a_missing_column_is_found_before_anything_is_sent(tmp_path, sink_of):  # noqa: F811
    sink = sink_of()
    sent = send(tmp_path, sink, "list.csv", "email,town\na@x.example.org,Bern\n", content=GREETING)
    assert sent.status == BAD_DATA
    assert "city" in sent.stderr
    assert sink.counters()["connections"] == 0


# conformance: 71, F59, A23
@pytest.mark.parametrize("value", ["two\r\nBcc: evil@x.example.org", "two\nlines", "a\rb", "nul\0"], ids=repr)
def test_a_line_end_in_a_header_is_invalid(value, tmp_path, sink_of):  # noqa: F811
    rows = f'email,city\na@x.example.org,Ada\nb@x.example.org,"{value}"\nc@x.example.org,Cork\n'
    sink = sink_of(options=CONTENT)
    sent = send(tmp_path, sink, "list.csv", rows, content=GREETING)
    check(sent, [sink], 3)
    assert sent.status == NOT_ALL
    assert {row["seq"]: row["outcome"] for row in sent.outcomes} == {1: "accepted", 2: "invalid", 3: "accepted"}
    assert all(row["text"] for row in sent.outcomes if row["outcome"] == "invalid")


HTML = b"""\
From: n@lists.example.org
To: all@lists.example.org
Subject: x
MIME-Version: 1.0
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>{{name}}</p><p>{{{name}}}</p><a href=3D"x">x</a>
"""


def test_values_are_escaped_in_html(tmp_path, sink_of):  # noqa: F811
    sink = sink_of(options=CONTENT)
    rows = 'email,name\na@x.example.org,"<b>&""quoted"" \u20ac"\n'
    sent = send(tmp_path, sink, "list.csv", rows, content=HTML)
    check(sent, [sink], 1)
    [(_, _, message)] = copies(sink)
    escaped, plain = re.findall("<p>(.*?)</p>", body_of(message))
    assert plain == '<b>&"quoted" \u20ac'
    assert escaped in ("&lt;b&gt;&amp;&quot;quoted&quot; \u20ac", "&lt;b&gt;&amp;&#34;quoted&#34; \u20ac")
