"""Words: how much a mailer may be given, and whether it takes anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publisher.errors import Failure

#: No warm-up lasts longer than this, and no day is larger.
_LONGEST, _LARGEST = 200, 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many messages a mailer may be given: `rate` in a second, `per_day` in a day of UTC, `warm_up` on the
    first day of a mailer that nobody knows yet, `growth` times as many on each further day on which it sends.
    Zero is no limit."""

    rate: float = 0.0
    per_day: int = 0
    warm_up: int = 0
    growth: float = 1.5

    def __bool__(self) -> bool:
        return bool(self.rate or self.per_day or self.warm_up)

    def today(self, days: int) -> int:
        """Messages in a day before which it sent on so many other days."""
        limits = [self.per_day or _LARGEST]
        if self.warm_up:
            limits.append(int(min(self.warm_up * self.growth ** min(days, _LONGEST), _LARGEST)))
        return min(limits)

    @property
    def burst(self) -> float:
        """Messages that may leave at once after a silence: those of one second."""
        return max(1.0, self.rate)

    def largest(self, days: int) -> int:
        """The largest batch that can ever be granted, and that wastes at most a tenth of a day; 0 for any."""
        sizes = [int(self.burst)] if self.rate else []
        if self.per_day or self.warm_up:
            sizes.append(max(1, self.today(days) // 10))
        return min(sizes, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the settings say of a mailer, and what it can do: recipients in a call, and whether they share a body.
    `fallback` is who takes over from it, or ""."""

    mailer: str
    limits: Limits = Limits()
    fallback: str = ""
    batch: int = 1
    shared_body: bool = False


class CircuitState(StrEnum):
    CLOSED = "closed"  # mail flows
    OPEN = "open"  # it takes nothing
    HALF_OPEN = "half-open"  # one batch is on trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Whether a mailer takes mail. `failures` were in a row; `until` is when it is tried again at the earliest."""

    mailer: str
    state: CircuitState = CircuitState.CLOSED
    failure: Failure | None = None
    reason: str = ""
    failures: int = 0
    opened_at: datetime | None = None
    until: datetime | None = None
