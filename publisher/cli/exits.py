"""What a command's end tells a script. Documented in docs/reference/commands.md."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes. Where several things failed in different ways, the code is FAILED."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3
    CONFLICT = 4
    STORE = 5
    SOURCE = 6
    DELIVERY = 7
    TEMPLATE = 8
    FOLDER = 9
    PREFLIGHT = 10
    BUG = 70
    INTERRUPTED = 130
    PIPE = 141
    TERMINATED = 143
