# SPDX-License-Identifier: MIT
"""aiosmtpd as a process. Stores each message as a line of JSON, in the record, before it says 250."""

import argparse
import json
import signal
import ssl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Store:
    def __init__(self, path, refused):
        self.record = open(path, "a", encoding="ascii")
        self.refused = refused

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refused and address.startswith(self.refused):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        stored = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "content": envelope.original_content.hex(),
            "login": session.auth_data,
        }
        self.record.write(json.dumps(stored) + "\n")
        self.record.flush()
        return "250 2.0.0 OK"


class Gate:
    """Knows one user. What it lets in is recorded with the messages: [mechanism, user]."""

    def __init__(self, user, password):
        self.user, self.password = user.encode(), password.encode()

    def __call__(self, server, session, envelope, mechanism, login):
        good = login.login == self.user and login.password == self.password
        if not good:
            print(f"login refused: {mechanism}", flush=True)
        return AuthResult(success=good, handled=good, auth_data=[mechanism, login.login.decode()] if good else None)


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("record")
    parser.add_argument("--refused", help="the prefix of recipients that are refused")
    parser.add_argument("--tls-port", type=int, help="implicit TLS here, STARTTLS on the other port, and AUTH")
    parser.add_argument("--certificate", nargs=2)
    parser.add_argument("--login", nargs=2)
    return parser.parse_args()


def controllers(given):
    store = Store(given.record, given.refused)
    common = {"hostname": "127.0.0.1", "ready_timeout": 10}
    if not given.tls_port:
        return [Controller(store, port=given.port, **common)]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*given.certificate)
    common |= {"auth_required": True, "authenticator": Gate(*given.login)}
    return [
        Controller(store, port=given.port, tls_context=context, require_starttls=True, **common),
        # For aiosmtpd TLS is what STARTTLS began.
        Controller(store, port=given.tls_port, ssl_context=context, auth_require_tls=False, **common),
    ]


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    running = controllers(read_arguments())
    for controller in running:
        controller.start()
    signal.sigwait({signal.SIGTERM})
    for controller in running:
        controller.stop()


if __name__ == "__main__":
    main()
