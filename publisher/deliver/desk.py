"""What a drain works with, and what it did."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.model import Batch, Edition, MailEvent, Newsletter, Outcome, Rendered, Result, Site
from publisher.ports import Clock, Keys, Mailer, Store


@dataclass(slots=True)
class Tally:
    """What one drain did, in recipients by outcome, and which editions it touched. `busy` is how often in a row the
    mailer has asked to wait."""

    batches: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    skipped: int = 0
    editions: set[int] = field(default_factory=set)
    misconfigured: str = ""
    busy: int = 0

    def add(self, results: tuple[Result, ...]) -> None:
        for outcome, count in Counter([result.outcome for result in results]).items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count

    def join(self, other: Tally) -> None:
        self.batches += other.batches
        self.skipped += other.skipped
        self.editions |= other.editions
        self.misconfigured = self.misconfigured or other.misconfigured
        for outcome, count in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a drain works with, shared by its hands. `calls` lets only so many of them call the mailer at once; when
    `over` is set they finish the batch they hold and take no other. `editions` and `shown` are what was read of the
    store and never changes once an edition leaves."""

    store: Store
    mailer: Mailer
    newsletters: Mapping[str, Newsletter]
    site: Site
    keys: Keys
    clock: Clock
    owner: str
    calls: threading.Semaphore
    over: threading.Event = field(default_factory=threading.Event)
    editions: dict[int, Edition] = field(default_factory=dict)
    shown: dict[int, Rendered] = field(default_factory=dict)

    @property
    def lease(self) -> timedelta:
        """Twice the longest call and some more, so that a lease ends only under a worker that hangs."""
        return 2 * self.mailer.capability.timeout + timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class Answer:
    """What a mailer said of a batch, which the hand still holds until it is written down. `told` is what that says of
    readers, written with it: a kill loses neither or both."""

    batch: Batch
    results: tuple[Result, ...]
    told: tuple[MailEvent, ...] = ()
    next_at: datetime | None = None
    written: bool = False

    @property
    def moves(self) -> bool:
        """Whether not all of its letters stay where they are."""
        settled = [one for one in self.results if one.outcome in (Outcome.ACCEPTED, Outcome.REJECTED)]
        return len(settled) < self.batch.size - len(self.batch.skipped | self.batch.moved)
