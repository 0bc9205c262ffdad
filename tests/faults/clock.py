"""A clock that every process of a fault run reads, and that goes faster than the wall's.

It is a file of three numbers, so that senders, the fake provider and the test agree about the time. Time itself may
leap while nothing is under way, so that nobody waits for hours; a sender's clock may also be set wrong, which the
provider's then is not.
"""

from __future__ import annotations

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)

_NUMBERS = struct.Struct("dddd")  # when it was started, what it has leapt, by how much senders' are wrong; what is owed


class FastClock:
    """`ports.Clock`, `scale` times as fast as the wall's. `skew` is by how much this one alone is wrong."""

    def __init__(self, path: Path, scale: float, *, skew: timedelta = timedelta(0)) -> None:
        self.scale, self.skew = scale, skew
        if not path.exists():
            path.write_bytes(_NUMBERS.pack(time.monotonic(), 0.0, 0.0, 0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _NUMBERS.size)

    def true(self) -> datetime:
        """What the provider's clock says."""
        begun, leapt, _, _ = self._numbers()
        return START + timedelta(seconds=(time.monotonic() - begun) * self.scale + leapt)

    def now(self) -> datetime:
        return self.true() + timedelta(seconds=self._numbers()[2]) + self.skew

    def monotonic(self) -> float:
        return time.monotonic() * self.scale

    def wait(self, seconds: float) -> bool:
        if seconds > 0:
            time.sleep(seconds / self.scale)
        return False

    def leap(self, span: timedelta) -> None:
        """That much time passes at once: only while no call is under way."""
        begun, leapt, wrong, owed = self._numbers()
        self._shared[:] = _NUMBERS.pack(begun, leapt + span.total_seconds(), wrong, owed)

    def set_wrong(self, by: timedelta) -> None:
        """All senders' clocks jump, as when one machine's is set."""
        begun, leapt, _, owed = self._numbers()
        self._shared[:] = _NUMBERS.pack(begun, leapt, by.total_seconds(), owed)

    @property
    def owed(self) -> bool:
        """Whether the provider has something to tell yet: until it has, time does not leap."""
        return self._numbers()[3] != 0

    def owe(self, something: bool) -> None:
        self._shared[24:32] = struct.pack("d", float(something))

    def _numbers(self) -> tuple[float, float, float, float]:
        begun, leapt, wrong, owed = _NUMBERS.unpack(self._shared[:])
        return begun, leapt, wrong, owed
