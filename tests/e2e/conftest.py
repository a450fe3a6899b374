# SPDX-License-Identifier: MIT
"""What the end-to-end tests share. Run them with Debian's python3 and pytest."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
