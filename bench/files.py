# SPDX-License-Identifier: MIT
"""The lists and messages that the senders read, made once each in a scratch folder."""

import subprocess
import threading

SENDER = "bounce@list.example.com"
LINE = "the quick brown fox jumps over the lazy dog, and the dog does not mind it\n"
SLICE = 100_000


def address(number):
    return f"user{number:08}@example.net"


def plain_line(number):
    return f"{address(number)}\n"


def csv_line(number):
    return f"{address(number)},Reader {number},Town {number % 997}\n"


class Files:
    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()

    def path(self, name, write):
        """The file of that name; write(file) makes it the first time."""
        path = self.folder / name
        with self.lock:
            if not path.exists():
                with open(path, "w", encoding="ascii") as file:
                    write(file)
        return path

    def list(self, count, personal):
        line = csv_line if personal else plain_line

        def write(file):
            if personal:
                file.write("email,name,town\n")
            for first in range(0, count, SLICE):
                file.write("".join(line(number) for number in range(first, min(first + SLICE, count))))

        return self.path(f"list-{count}.{'csv' if personal else 'txt'}", write)

    def message(self, size, personal):
        """A whole message with about size octets of body."""

        def write(file):
            file.write("From: List <list@example.com>\nTo: readers@example.com\n")
            file.write("Subject: News for {{name}}\n\n" if personal else "Subject: News\n\n")
            file.write("Dear {{name}} in {{town}},\n" if personal else "Dear reader,\n")
            file.write(LINE * (size // len(LINE) + 1))

        return self.path(f"message-{size}-{'personal' if personal else 'plain'}.eml", write)

    def body(self, size):
        return self.path(f"body-{size}.txt", lambda file: file.write(LINE * (size // len(LINE) + 1)))

    def certificate(self):
        """Of 127.0.0.1, signed by itself, with its key: server and client read the same file."""

        def write(file):
            names = ("-subj", "/CN=sink", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
            kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "-")
            file.flush()
            subprocess.run(
                ["openssl", "req", "-x509", *kind, *names], stdout=file, stderr=subprocess.DEVNULL, check=True
            )

        return self.path("certificate.pem", write)

    def clear(self):
        with self.lock:
            for path in self.folder.iterdir():
                path.unlink()
