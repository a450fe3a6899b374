# SPDX-License-Identifier: MIT
"""aiosmtpd as a process: aiosmtpd_server.py PORT RECORD REFUSED_PREFIX. Stores each message as a
line of JSON, in the record, before it says 250."""

import json
import signal
import sys

from aiosmtpd.controller import Controller


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
        }
        self.record.write(json.dumps(stored) + "\n")
        self.record.flush()
        return "250 2.0.0 OK"


def main():
    port, path, refused = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    controller = Controller(Store(path, refused), hostname="127.0.0.1", port=int(port), ready_timeout=10)
    controller.start()
    signal.sigwait({signal.SIGTERM})
    controller.stop()


if __name__ == "__main__":
    main()
