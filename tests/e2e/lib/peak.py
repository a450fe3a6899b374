# SPDX-License-Identifier: MIT
"""peak.py FILE COMMAND…: runs the command and writes the most memory it held, in octets, into FILE. A small
process has to do this: what a large parent held before exec counts for its child too."""

import os
import sys


def main():
    path, *command = sys.argv[1:]
    _, status, usage = os.wait4(os.posix_spawn(command[0], command, os.environ), 0)
    with open(path, "w", encoding="ascii") as file:
        file.write(f"{usage.ru_maxrss * 1024}\n")
    sys.exit(os.waitstatus_to_exitcode(status))


main()
