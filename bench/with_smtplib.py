#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A sender on Python's smtplib, a thread for each connection; options as those of the programs in C."""

import argparse
import smtplib
import threading

SENDER = "bounce@list.example.com"
LINE = "the quick brown fox jumps over the lazy dog, and the dog does not mind it\r\n"


def content(number, body):
    return (
        f"From: List <list@example.com>\r\nTo: <user{number:08}@example.net>\r\nSubject: News for reader {number:08}\r\n"
        f"Date: Sun, 01 Mar 2026 00:00:00 +0000\r\nMessage-ID: <{number:08}.bench@list.example.com>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        f"Dear reader {number:08},\r\n{body}"
    )


def work(task, first, body):
    host, port = task.server.split(":")
    client = smtplib.SMTP(host, int(port), local_hostname="client.example.com")
    for number in range(first, task.messages, task.connections):
        each = range(number * task.recipients, (number + 1) * task.recipients)
        client.sendmail(SENDER, [f"user{one:08}@example.net" for one in each], content(number, body).encode())
    client.quit()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    for name in ("messages", "connections", "recipients", "size"):
        parser.add_argument("--" + name, type=int, default=1)
    task = parser.parse_args()
    body = LINE * (task.size // len(LINE) + 1)
    threads = [threading.Thread(target=work, args=(task, first, body)) for first in range(task.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
