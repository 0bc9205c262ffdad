"""Subscribers, their subscriptions, and who may not be mailed. See `ports.Audience`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import NotFound
from publisher.model import (
    Candidate,
    Combination,
    Readership,
    Standing,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Suppression,
    SuppressionReason,
)
from publisher.store import _audience as rows
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import newsletter, subscriber, subscription, subscription_past, suppression

_PAGE = 1000


class Audience:
    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, subscriber: Subscriber, subscription: Subscription) -> tuple[Subscriber, bool]:
        """Raises NotFound when there is no such newsletter."""
        with self._access.write() as connection:
            outcome = rows.add_all(connection, [(subscriber, [subscription])])
            found = rows.people(connection, _key_is(subscriber.email_key))[0]
        return found, outcome[subscriber.email_key] == "added"

    def add_many(self, people: Sequence[tuple[Subscriber, Sequence[Subscription]]]) -> Mapping[str, str]:
        """A person with several subscriptions counts as added when anything about them was new. Raises
        NotFound, and adds nobody, when there is no such newsletter."""
        with self._access.write() as connection:
            return rows.add_all(connection, people)

    def by_email(self, email_key: str) -> Subscriber | None:
        with self._access.read() as connection:
            return next(iter(rows.people(connection, _key_is(email_key))), None)

    def by_public_id(self, public_id: bytes) -> Subscriber | None:
        with self._access.read() as connection:
            return next(iter(rows.people(connection, subscriber.c.public_id == public_id)), None)

    def subscriptions(self, subscriber: int) -> tuple[Subscription, ...]:
        with self._access.read() as connection:
            return rows.subscriptions_of(connection, [subscriber]).get(subscriber, ())

    def change(
        self,
        subscriber: int,
        newsletter: str,
        status: SubscriptionStatus,
        *,
        at: datetime,
        evidence: Mapping[str, Any],
    ) -> bool:
        """What the subscription said before is kept as well: consent must be provable after it ended."""
        with self._access.write() as connection:
            return _change(connection, subscriber, newsletter, status, at=at, evidence=evidence)

    def choose(
        self, subscriber: int, newsletter: str, *, topics: Sequence[str], cadence: str, alerts: bool
    ) -> Subscription:
        mine = sa.and_(subscription.c.subscriber == subscriber, subscription.c.newsletter == _id_of(newsletter))
        chosen = {"topics": list(topics), "cadence": cadence, "alerts": alerts}
        with self._access.write() as connection:
            if not connection.execute(sa.update(subscription).where(mine).values(**chosen)).rowcount:
                raise NotFound(f"This person has no subscription to {newsletter!r}.")
            return rows.subscriptions_of(connection, [subscriber], newsletter)[subscriber][0]

    def choose_many(self, people: Sequence[tuple[Subscriber, Sequence[Subscription]]]) -> None:
        """Raises NotFound when there is no such newsletter."""
        with self._access.write() as connection:
            rows.choose_all(connection, people)

    def each(self, newsletter: str = "") -> Iterator[tuple[Subscriber, tuple[Subscription, ...]]]:
        """With a newsletter: only who has a subscription to it, whatever its status, and only that one."""
        last = 0
        while True:
            with self._access.read() as connection:
                page = rows.people(connection, *_page(newsletter, last), limit=_PAGE)
                held = rows.subscriptions_of(connection, [person.id for person in page], newsletter)
            for person in page:
                yield person, held.get(person.id, ())
            if len(page) < _PAGE:
                return
            last = page[-1].id

    def count(self, newsletter: str, of: Readership = Readership()) -> Mapping[SubscriptionStatus, int]:
        here = sa.and_(subscription.c.newsletter == _id_of(newsletter), *rows.of(of))
        number = sa.select(subscription.c.status, sa.func.count()).where(here)
        with self._access.read() as connection:
            rows_by_status = connection.execute(number.group_by(subscription.c.status))
            return Counter({SubscriptionStatus(status): int(n) for status, n in rows_by_status})

    def largest_id(self) -> int:
        with self._access.read() as connection:
            return int(connection.execute(sa.select(sa.func.max(subscriber.c.id))).scalar_one() or 0)

    def zones(self) -> tuple[str, ...]:
        """A walk from zone to zone along the index, so that it takes as long for ten readers as for ten million."""
        first = sa.select(sa.func.min(subscriber.c.timezone).label("name")).cte("zone", recursive=True)
        larger = sa.select(sa.func.min(subscriber.c.timezone)).where(subscriber.c.timezone > first.c.name)
        zone = first.union_all(sa.select(larger.scalar_subquery()).where(first.c.name.is_not(None)))
        with self._access.read() as connection:
            found = connection.execute(sa.select(zone.c.name).where(zone.c.name.is_not(None)))
            return tuple(name for (name,) in found if name)

    def standings(
        self, newsletter: str, *, after: int, upto: int, limit: int, of: Readership = Readership()
    ) -> Sequence[tuple[int, Standing]]:
        within = sa.and_(subscription.c.subscriber > after, subscription.c.subscriber <= upto)
        with self._access.read() as connection:
            found = rows.standings().where(within, *rows.of(of)).order_by(subscription.c.subscriber).limit(limit)
            return rows.standings_in(connection.execute(found, {"slug": newsletter}))

    def combinations(
        self, newsletter: str, of: Readership = Readership(), *, every: int = 1
    ) -> tuple[Combination, ...]:
        with self._access.read() as connection:
            return rows.combinations(connection, newsletter, of, every)

    def recipients(self, newsletter: str, ids: Collection[int]) -> Mapping[int, Candidate]:
        with self._access.read() as connection:
            by = {"slug": newsletter, "ids": shared.given(connection, ids)}
            found = connection.execute(rows.candidates_given(connection.dialect.name == "sqlite"), by)
            return {one.subscriber: one for one in rows.candidates_in(found)}

    def suppress(self, suppression: Suppression) -> bool:
        """True when it is new, or graver than an unsubscribe that stood there. Raises ValueError without an
        address key."""
        if not suppression.address_key:
            raise ValueError("a suppression needs an address key")
        with self._access.write() as connection:
            return _suppress(connection, suppression)

    def suppressed(self, address_key: bytes, newsletter: str) -> str:
        """The reason, "" when the address may be mailed; one that holds everywhere comes first."""
        within = sa.and_(suppression.c.address_key == address_key, suppression.c.scope.in_(["", newsletter]))
        with self._access.read() as connection:
            reason = sa.select(suppression.c.reason).where(within).order_by(suppression.c.scope).limit(1)
            return connection.execute(reason).scalar_one_or_none() or ""


def _key_is(email_key: str) -> sa.ColumnElement[bool]:
    return subscriber.c.email_key == email_key


def _id_of(slug: str) -> sa.ScalarSelect[int]:
    return sa.select(newsletter.c.id).where(newsletter.c.slug == slug).scalar_subquery()


def _page(slug: str, last: int) -> tuple[sa.ColumnElement[bool], ...]:
    if not slug:
        return (subscriber.c.id > last,)
    # The bound stands inside as well: it keeps each page to its own part of the index.
    held = sa.select(subscription.c.subscriber).where(
        subscription.c.newsletter == _id_of(slug), subscription.c.subscriber > last
    )
    return subscriber.c.id > last, subscriber.c.id.in_(held.order_by(subscription.c.subscriber).limit(_PAGE))


def _change(
    connection: Connection,
    id: int,
    slug: str,
    status: SubscriptionStatus,
    *,
    at: datetime,
    evidence: Mapping[str, Any],
) -> bool:
    mine = sa.and_(subscription.c.subscriber == id, subscription.c.newsletter == _id_of(slug))
    row = connection.execute(sa.select(subscription).where(mine).with_for_update()).mappings().one_or_none()
    if row is None:
        raise NotFound(f"This person has no subscription to {slug!r}.")
    if row["status"] == status.value:
        return False
    past = {name: row[name] for name in ("subscriber", "newsletter", "status", "changed_at", "evidence")}
    connection.execute(sa.insert(subscription_past).values(**past))
    new = {"status": status.value, "changed_at": at, "evidence": dict(evidence)}
    connection.execute(sa.update(subscription).where(mine).values(**new))
    return True


def _suppress(connection: Connection, one: Suppression) -> bool:
    """An unsubscribe can be taken back by its reader, so anything else replaces it; nothing else is replaced."""
    statement = shared.insert(connection, suppression).values(
        address_key=one.address_key,
        scope=one.scope,
        address=one.address,
        reason=one.reason.value,
        evidence=dict(one.evidence),
        since=one.since,
    )
    new, mild = statement.excluded, SuppressionReason.UNSUBSCRIBE.value
    statement = statement.on_conflict_do_update(
        index_elements=["address_key", "scope"],
        set_={name: new[name] for name in ("address", "reason", "evidence", "since")},
        where=sa.and_(suppression.c.reason == mild, new.reason != mild),
    )
    return connection.execute(statement.returning(suppression.c.scope)).first() is not None
