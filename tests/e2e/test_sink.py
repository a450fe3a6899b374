# SPDX-License-Identifier: MIT
"""bulkmail sink over real sockets: the loop, the faults, the record, the command's own behaviour."""

import base64
import hashlib
import json
import os
import pathlib
import re
import resource
import signal
import smtplib
import socket
import struct
import subprocess
import threading
import time

import pytest

BULKMAIL = os.environ.get("BULKMAIL") or str(pathlib.Path(__file__).resolve().parents[2] / "build/src/cli/bulkmail")


class Sink:
    def __init__(self, folder, rules=(), options=(), listen="127.0.0.1:0", **popen):
        self.out = folder / "out.jsonl"
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        command = [BULKMAIL, "sink", "--listen", listen, "--port-file", str(port_file), *options]
        if "--discard" not in options:
            command += ["--out", str(self.out), "--content"]
        if rules:
            script = folder / "script"
            script.write_text("# a test's rules\n" + "".join(json.dumps(rule) + "\n" for rule in rules))
            command += ["--script", str(script)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **popen)
        self.ready = self.process.stderr.readline().strip()
        self.host = listen.rsplit(":", 1)[0].strip("[]")
        self.port = int(port_file.read_text())

    def connect(self, greeting=True):
        sock = socket.create_connection((self.host, self.port), timeout=10)
        if greeting:
            assert until(sock, b"\r\n").startswith(b"220 ")
        return sock

    def records(self):
        lines = [json.loads(line) for line in self.out.read_text().splitlines()]
        return [line for line in lines if "transaction" in line]

    def violations(self):
        lines = [json.loads(line) for line in self.out.read_text().splitlines()]
        return [line["violation"] for line in lines if "violation" in line]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        said = self.process.communicate(timeout=10)[1]
        return self.process.returncode, said.strip()


def until(sock, end):
    data = b""
    while not data.endswith(end):
        got = sock.recv(4096)
        if not got:
            return data + b"<EOF>"
        data += got
    return data


def everything(sock):
    data = b""
    while got := sock.recv(65536):
        data += got
    return data


@pytest.fixture
def sink(tmp_path):
    running = []

    def start(*args, **named):
        running.append(Sink(tmp_path, *args, **named))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


GROUP = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n"


def test_takes_mail_of_smtplib_and_records_it(sink):
    server = sink()
    with smtplib.SMTP("127.0.0.1", server.port, local_hostname="client.example") as client:
        client.sendmail("a@x.org", ["b@y.org", "c@y.org"], "Subject: hi\r\n\r\n.dot\r\n")
        client.sendmail("", ["d@y.org"], "Subject: 2\r\n\r\n")
    first, second = server.records()
    content = b"Subject: hi\r\n\r\n.dot\r\n"
    assert first["recipients"] == ["b@y.org", "c@y.org"]
    assert first["helo"] == "client.example"
    assert base64.b64decode(first["content_base64"]) == content
    assert first["sha256"] == hashlib.sha256(content).hexdigest()
    assert first["size"] == len(content)
    assert first["accepted"] and first["violations"] == [] and first["connection"] == 1
    assert abs(first["at"] / 1000 - time.time()) < 60
    assert second["sender"] == "" and second["transaction"] == 2
    assert server.violations() == []
    status, said = server.stop()
    assert status == 0
    assert said.startswith("connections=1 transactions=2 recipients=3 ")


def test_listens_on_ipv6_and_says_where(sink):
    server = sink(listen="[::1]:0")
    assert server.ready == f"listening on [::1]:{server.port}"
    server.connect().close()
    assert server.stop(signal.SIGINT)[0] == 0


def test_the_record_is_there_before_the_reply(sink):
    server = sink()
    sock = server.connect()
    for number in range(1, 50):
        sock.sendall((b"EHLO c\r\n" if number == 1 else b"") + GROUP)
        until(sock, b"<CR><LF>.<CR><LF>\r\n")
        sock.sendall(b"x\r\n.\r\n")
        until(sock, b"queued as %d\r\n" % number)
        assert len(server.records()) == number


def test_streamed_chunks(sink):
    server = sink()
    sock = server.connect()
    body = os.urandom(70000).hex().encode()
    body = b"\r\n".join(body[i : i + 70] for i in range(0, len(body), 70)) + b"\r\n"
    one = b"RSET\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT %d\r\n" % 100 + body[:100]
    one += b"BDAT %d LAST\r\n" % (len(body) - 100) + body[100:]
    sock.sendall(b"EHLO c\r\n")
    until(sock, b"250 DSN\r\n")
    sock.sendall(one * 20)
    sock.shutdown(socket.SHUT_WR)
    assert everything(sock).count(b"\r\n") == 100
    assert [r["sha256"] for r in server.records()] == [hashlib.sha256(body).hexdigest()] * 20
    assert all(r["bdat"] and r["violations"] == [] for r in server.records())
    assert server.violations() == []


@pytest.mark.parametrize("on", ["connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "end", "QUIT"])
@pytest.mark.parametrize("how", ["close", "reset", "stall", "exit"])
def test_f05_every_end_at_every_point(sink, on, how):
    server = sink([{"on": on, how: True}])
    try:
        sock = server.connect(greeting=False)
        sock.settimeout(0.3 if how == "stall" else 10)
        for part in (b"EHLO c\r\n", GROUP, b"x\r\n.\r\n", b"QUIT\r\n"):
            sock.sendall(part)
        data = everything(sock)
        assert how in ("close", "exit")
    except (ConnectionResetError, BrokenPipeError):
        assert how in ("reset", "exit")
    except TimeoutError:
        assert how == "stall"
    else:
        assert (b"queued" in data) == (on == "QUIT")
    if how == "exit":
        assert server.process.wait(10) == 75
    else:
        assert server.process.poll() is None
    expected = on in ("end", "QUIT")
    assert len(server.records()) == expected
    if on == "end":
        assert server.records()[0]["accepted"] is False


def test_fin_lets_the_reply_through_in_mid_content(sink):
    server = sink([{"on": "content", "after": 100000, "reply": "554 5.7.1 enough", "close": True}])
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n" + GROUP)
    until(sock, b"<CR><LF>.<CR><LF>\r\n")
    sock.sendall(b"x" * 300000)
    assert until(sock, b"<EOF>") == b"554 5.7.1 enough\r\n<EOF>"


def test_delays_and_drips_by_the_clock(sink):
    server = sink([{"on": "MAIL", "delay_ms": 200}, {"on": "RSET", "reply": "250 ok", "drip_ms": 20}])
    sock, other = server.connect(), server.connect()
    sock.sendall(b"EHLO c\r\n")
    until(sock, b"250 DSN\r\n")
    start = time.monotonic()
    sock.sendall(b"MAIL FROM:<a@x>\r\nRSET\r\n")
    other.sendall(b"NOOP\r\n")
    until(other, b"\r\n")
    assert time.monotonic() - start < 0.15
    assert until(sock, b"ok\r\n") == b"250 2.1.0 Ok\r\n250 ok\r\n"
    assert time.monotonic() - start >= 0.195 + 7 * 0.02


def test_idle_421_behind_an_answered_transaction(sink):
    server = sink([{"on": "end", "reply": "250 ok", "linger_ms": 100, "postsend": "421 bye\r\n", "close": True}])
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n" + GROUP)
    until(sock, b"<CR><LF>.<CR><LF>\r\n")
    sock.sendall(b"x\r\n.\r\n")
    assert until(sock, b"\r\n") == b"250 ok\r\n"
    assert until(sock, b"<EOF>") == b"421 bye\r\n<EOF>"
    assert server.records()[0]["accepted"]


def test_a_sink_that_stops_reading_closes_its_window(sink):
    server = sink([{"on": "content", "after": 1000, "stop_reading": True}])
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n" + GROUP)
    until(sock, b"<CR><LF>.<CR><LF>\r\n")
    sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        sock.sendall(b"x" * 50_000_000)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    server.connect().close()


def test_a_dead_client_does_not_stop_its_delayed_end(sink):
    server = sink([{"on": "end", "delay_ms": 300}])
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n" + GROUP)
    until(sock, b"<CR><LF>.<CR><LF>\r\n")
    sock.sendall(b"x\r\n.\r\n")
    time.sleep(0.1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    assert server.records() == []
    time.sleep(0.5)
    assert len(server.records()) == 1


def test_violations_outside_and_inside(sink):
    server = sink()
    sock = server.connect()
    sock.sendall(b"MAIL FROM:<a@x>\r\n")
    assert until(sock, b"\r\n").startswith(b"503 ")
    sock.sendall(b"EHLO c\r\n")
    until(sock, b"250 DSN\r\n")
    sock.sendall(GROUP + b"a\n.x\r\n.\r\n")
    until(sock, b"queued as 1\r\n")
    assert server.violations() == ["mail-before-helo"]
    assert server.records()[0]["violations"] == ["bare-lf", "not-last-in-group"]
    assert server.stop()[1].endswith("violations=3")


def test_slow_readers_do_not_lose_replies(sink):
    server = sink()
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n")
    until(sock, b"250 DSN\r\n")
    sender = threading.Thread(target=sock.sendall, args=(b"RSET\r\n" * 500000,), daemon=True)
    sender.start()
    time.sleep(0.5)
    got = 0
    while got < 500000 * len(b"250 2.0.0 Ok\r\n"):
        got += len(sock.recv(65536))
    sender.join(10)
    assert got == 500000 * len(b"250 2.0.0 Ok\r\n")


def test_more_connections_than_descriptors(sink):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    server = sink(preexec_fn=limit)
    socks = [server.connect(greeting=False) for _ in range(400)]
    served = 0
    for sock in socks:
        sock.settimeout(5)
        assert until(sock, b"\r\n").startswith(b"220 ")
        sock.close()
        served += 1
    assert served == 400


def test_discard_serves_data_and_chunks(sink):
    server = sink(options=["--discard"])
    sock = server.connect()
    sock.sendall(b"EHLO c\r\n" + GROUP + b"a\r\n..\r\n.\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 2 LAST\r\nxxQUIT\r\n")
    data = everything(sock)
    assert data.count(b"250 2.0.0 Ok: queued\r\n") == 2 and data.endswith(b"221 2.0.0 Bye\r\n")
    assert server.stop() == (0, "connections=1 transactions=2 recipients=2 bytes=9 violations=0")


def run(*arguments):
    return subprocess.run([BULKMAIL, "sink", *arguments], capture_output=True, text=True, timeout=10)


def test_the_examples_of_the_manual_are_rules(tmp_path, sink):
    page = pathlib.Path(__file__).resolve().parents[2] / "docs" / "man" / "bulkmail-sink.5.scd"
    example = page.read_text().split("## Examples")[1].split("```")[1]
    script = tmp_path / "example"
    # scdoc takes a backslash for the escape of what follows
    script.write_text(re.sub(r"\\(.)", r"\1", example))
    assert "\\r\\n" in script.read_text()
    server = sink(options=["--script", str(script)])
    assert server.stop()[0] == 0


def test_exit_statuses(tmp_path, sink):
    script = tmp_path / "bad"
    script.write_text('{"on":"MAIL","close":true}\n\n{"on":"MAIL","clos":true}\n')
    bad = run("--script", str(script))
    assert bad.returncode == 78
    assert f'{script}:3: "clos": expected' in bad.stderr
    assert run("--script", str(tmp_path / "none")).returncode == 66
    assert run("--listen", "127.0.0.1").returncode == 64
    assert run("--listen", "::1:25").returncode == 64
    assert run("--nonsense").returncode == 64
    assert run("--extensions", "SIZE x").returncode == 64
    assert run("extra").returncode == 64
    assert run("--out", "/nonexistent/x", "--listen", "127.0.0.1:0").returncode == 74
    assert run("--listen", f"127.0.0.1:{sink().port}").returncode == 69
    assert run("--help").returncode == 0
