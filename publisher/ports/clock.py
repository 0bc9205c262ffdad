"""Plugs: time."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware and UTC. For leases this is the database's clock."""

    def monotonic(self) -> float:
        """Seconds that only grow, for deadlines inside this process."""

    def wait(self, seconds: float) -> bool:
        """Wait, at most that long; True when the process has been asked to stop."""
