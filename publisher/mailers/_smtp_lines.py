"""SMTP connections that are kept from one batch to the next.

Setting one up costs several round trips, with TLS many more. It is not kept for long: a server that is asked for
nothing hangs up, and many count what comes over one connection.
"""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

_LETTERS = 100  # over one connection
_LIFE = 300.0  # seconds
_IDLE = 5.0
_GOODBYE = 5.0


@dataclass(slots=True)
class Line:
    """One connection, ready for a letter. `kept` when an earlier batch went over it."""

    connection: smtplib.SMTP
    began: float = field(default_factory=time.monotonic)
    last: float = field(default_factory=time.monotonic)
    letters: int = 0
    kept: bool = False

    @property
    def spent(self) -> bool:
        now = time.monotonic()
        return self.letters >= _LETTERS or now - self.began > _LIFE or now - self.last > _IDLE

    def end(self) -> None:
        with suppress(smtplib.SMTPException, OSError):
            if isinstance(self.connection.sock, socket.socket):
                self.connection.sock.settimeout(_GOODBYE)
                self.connection.quit()
        self.connection.close()


class Lines:
    """Those that nobody is using. May be used by several threads."""

    def __init__(self) -> None:
        self._idle: list[Line] = []
        self._turn = threading.Lock()

    def take(self) -> Line | None:
        while True:
            with self._turn:
                line = self._idle.pop() if self._idle else None
            if line is None or not line.spent:
                return line
            line.end()

    def give(self, line: Line, letters: int) -> None:
        """Back from a batch of so many."""
        line.letters += letters
        line.last, line.kept = time.monotonic(), True
        if line.spent:
            line.end()
            return
        with self._turn:
            self._idle.append(line)

    def close(self) -> None:
        with self._turn:
            idle, self._idle = self._idle, []
        for line in idle:
            line.end()
