"""Plugs: what the store keeps of readers, and of mail to single addresses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from publisher.model import (
    Candidate,
    Combination,
    Notice,
    NoticeState,
    Readership,
    Standing,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Suppression,
)


class Audience(Protocol):
    def add(self, subscriber: Subscriber, subscription: Subscription) -> tuple[Subscriber, bool]:
        """Add a person, or find them by `email_key`, and give them the subscription unless they have it.
        True when anything was new. A person who unsubscribed stays so."""

    def add_many(self, people: Sequence[tuple[Subscriber, Sequence[Subscription]]]) -> Mapping[str, str]:
        """As `add`, for thousands in one transaction. By email_key: "added", "known", or "unsubscribed"
        (they left before; an import never brings them back)."""

    def by_email(self, email_key: str) -> Subscriber | None: ...

    def by_public_id(self, public_id: bytes) -> Subscriber | None: ...

    def subscriptions(self, subscriber: int) -> tuple[Subscription, ...]: ...

    def change(
        self,
        subscriber: int,
        newsletter: str,
        status: SubscriptionStatus,
        *,
        at: datetime,
        evidence: Mapping[str, Any],
    ) -> bool:
        """Change the status of one subscription, keeping the evidence; False when it was so already.
        Raises NotFound."""

    def each(self, newsletter: str = "") -> Iterator[tuple[Subscriber, tuple[Subscription, ...]]]:
        """Everybody, ascending by id, without holding them all in memory."""

    def choose(
        self, subscriber: int, newsletter: str, *, topics: Sequence[str], cadence: str, alerts: bool
    ) -> Subscription:
        """Keep what a reader wants of a newsletter, whatever the status. Raises NotFound."""

    def choose_many(self, people: Sequence[tuple[Subscriber, Sequence[Subscription]]]) -> None:
        """Give people, found by `email_key`, the topics, cadence and alerts of these subscriptions, where they have
        one to the newsletter. Nothing else is changed."""

    def count(self, newsletter: str, of: Readership = Readership()) -> Mapping[SubscriptionStatus, int]: ...

    def largest_id(self) -> int: ...

    def zones(self) -> tuple[str, ...]:
        """The time zones that subscribers named, each once, in whatever newsletter."""

    def standings(
        self, newsletter: str, *, after: int, upto: int, limit: int, of: Readership = Readership()
    ) -> Sequence[tuple[int, Standing]]:
        """Those subscribers of a newsletter, of any status, with after < id <= upto, ascending."""

    def combinations(
        self, newsletter: str, of: Readership = Readership(), *, every: int = 1
    ) -> tuple[Combination, ...]:
        """What confirmed subscribers chose, the most frequent first; counted are those whose id `every` divides."""

    def recipients(self, newsletter: str, ids: Collection[int]) -> Mapping[int, Candidate]:
        """Those of `ids` who exist, with their status and suppression as they are right now."""

    def suppress(self, suppression: Suppression) -> bool: ...

    def suppressed(self, address_key: bytes, newsletter: str) -> str: ...


class Notices(Protocol):
    def add(self, notice: Notice) -> bool:
        """False when a notice with that key exists."""

    def claim(self, *, now: datetime, lease: timedelta) -> Notice | None:
        """Take one that is ready; committed as submitting before it is handed over.

        It takes a token of its mailer, before all batches, or is not claimed at all (see `turn`); nor is one of a
        mailer that is blocked. A circuit that is open lets one through once it may be tried again and no batch is
        due."""

    def turn(self, now: datetime) -> datetime | None:
        """When there will be a token for one that could not be claimed for lack of it."""

    def settle(
        self, id: int, state: NoticeState, *, now: datetime, error: str, next_at: datetime | None = None
    ) -> None:
        """Write down what became of one. What is ready again rests until `next_at`, or until its lease ends."""

    def by_key(self, key: str) -> Notice | None: ...

    def waiting(self) -> int: ...

    def witnesses(self, mailer: str, after: datetime, *, than: int = 0) -> tuple[Notice, ...]:
        """Those made for a mailer after that time, oldest first. With `than`, the id of a batch, only those made when
        it had been handed over, whatever the clock said."""

    def last(self, limit: int) -> tuple[Notice, ...]: ...
