# SPDX-License-Identifier: MIT
"""`bulkmail sink` with the interface of pysink.Sink, but for its faults."""

import json
import pathlib
import shutil
import tempfile

from .command import bulkmail
from .waiting import Process, wait_until


class CommandSink:
    def __init__(self, rules=()):
        assert not rules, "faults are the Python sink's"
        self.rules = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="e2e-sink-"))
        self.taken = 0
        port_file = self.folder / "port"
        arguments = [bulkmail(), "sink", "--listen", "127.0.0.1:0", "--port-file", port_file]
        arguments += ["--out", self.folder / "record", "--content"]
        self.process = Process(arguments, self.folder / "log")
        try:
            self.port = int(wait_until(lambda: self.line_of(port_file), 10, "bulkmail sink writes its port"))
        except BaseException:
            self.stop()
            raise

    def line_of(self, path):
        assert self.process.is_alive(), self.process.output()
        text = path.read_text() if path.exists() else ""
        return text.strip() if text.endswith("\n") else None

    def take(self):
        """The records since the last call. They are written before the 250 that ends a transaction."""
        lines = (self.folder / "record").read_text().splitlines()
        fresh, self.taken = lines[self.taken :], len(lines)
        return [json.loads(line) for line in fresh]

    def take_commands(self):
        return []

    def stop(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
