"""Readers between rows and values, and adding many of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Candidate, Combination, Readership, Standing, Subscriber, Subscription, SubscriptionStatus
from publisher.store import _shared as shared
from publisher.store.tables import newsletter, subscriber, subscription, suppression

People = Sequence[tuple[Subscriber, Sequence[Subscription]]]


def people(connection: Connection, *where: sa.ColumnElement[bool], limit: int | None = None) -> tuple[Subscriber, ...]:
    """Subscribers, ascending by id."""
    found = connection.execute(sa.select(subscriber).where(*where).order_by(subscriber.c.id).limit(limit))
    return tuple(Subscriber(**row) for row in found.mappings())


def subscriptions_of(
    connection: Connection, ids: Collection[int], slug: str = ""
) -> Mapping[int, tuple[Subscription, ...]]:
    """Subscriptions by subscriber; of one newsletter when its slug is given."""
    joined = subscription.join(newsletter, newsletter.c.id == subscription.c.newsletter)
    columns = [column for column in subscription.c if column.name != "newsletter"]
    found = sa.select(*columns, newsletter.c.slug).select_from(joined)
    found = found.where(shared.among(connection, subscription.c.subscriber, ids))
    if slug:
        found = found.where(newsletter.c.slug == slug)
    held: dict[int, list[Subscription]] = defaultdict(list)
    for row in connection.execute(found.order_by(subscription.c.newsletter)).mappings():
        held[row["subscriber"]].append(_subscription(row))
    return {id: tuple(subscriptions) for id, subscriptions in held.items()}


def _subscription(row: sa.RowMapping) -> Subscription:
    return Subscription(
        subscriber=row["subscriber"],
        newsletter=row["slug"],
        status=SubscriptionStatus(row["status"]),
        topics=tuple(row["topics"]),
        cadence=row["cadence"],
        alerts=row["alerts"],
        evidence=row["evidence"],
        changed_at=row["changed_at"],
    )


@cache
def candidates() -> sa.Select[Any]:
    """The subscriptions of the newsletter `slug` with their people, and what `standings` says of them."""
    person = (subscriber.c.public_id, subscriber.c.email, subscriber.c.name)
    return standings().add_columns(*person)


@cache
def standings() -> sa.Select[Any]:
    """The subscribers of the newsletter `slug`, how they stand to it, and why somebody may not be mailed."""
    slug = sa.bindparam("slug", type_=newsletter.c.slug.type)
    everywhere, here = suppression.alias("everywhere"), suppression.alias("here")
    of = sa.select(newsletter.c.id).where(newsletter.c.slug == slug).scalar_subquery()
    joined = subscription.join(subscriber, subscriber.c.id == subscription.c.subscriber)
    for other, scope in ((everywhere, sa.literal("")), (here, slug)):
        mine = sa.and_(other.c.address_key == subscriber.c.address_key, other.c.scope == scope)
        joined = joined.outerjoin(other, mine)
    return (
        sa.select(
            subscriber.c.id,
            subscription.c.status,
            sa.func.coalesce(everywhere.c.reason, here.c.reason, "").label("suppressed"),
            subscriber.c.language,
            sa.cast(subscription.c.topics, sa.Text()),  # most say the same: see `_topics`
            subscriber.c.timezone,
        )
        .select_from(joined)
        .where(subscription.c.newsletter == of)
    )


def of(readership: Readership) -> tuple[sa.ColumnElement[bool], ...]:
    """The subscriptions of those whom an edition is for."""
    cadence = subscription.c.cadence
    chosen = (cadence == readership.cadence,) if readership.cadence else ()
    others = (cadence.not_in(readership.but),) if readership.but else ()
    return (*chosen, *others, *((subscription.c.alerts,) if readership.alerts else ()))


def combinations(connection: Connection, slug: str, readership: Readership, every: int) -> tuple[Combination, ...]:
    topics, mine = sa.cast(subscription.c.topics, sa.Text()), newsletter.c.id == subscription.c.newsletter
    joined = subscription.join(subscriber, subscriber.c.id == subscription.c.subscriber).join(newsletter, mine)
    confirmed = subscription.c.status == SubscriptionStatus.CONFIRMED.value
    found = (
        sa.select(topics, subscriber.c.language, sa.func.count())
        .select_from(joined)
        .where(newsletter.c.slug == slug, subscription.c.subscriber % every == 0, confirmed, *of(readership))
        .group_by(topics, subscriber.c.language)
        .order_by(sa.func.count().desc(), topics, subscriber.c.language)
    )
    return tuple(Combination(_topics(chosen), language, n) for chosen, language, n in connection.execute(found))


@cache
def candidates_given(sqlite: bool) -> sa.Select[Any]:
    """Those of `candidates` whose ids are given."""
    return candidates().where(shared.among_given(sqlite, subscription.c.subscriber, "ids"))


def candidates_in(found: sa.CursorResult[Any]) -> list[Candidate]:
    """The people of `candidates`."""
    return [
        Candidate(id, public_id, email, name, language, _STATUSES[status], suppressed, _topics(topics), zone)
        for id, status, suppressed, language, topics, zone, public_id, email, name in shared.rows_of(found)
    ]


def standings_in(found: sa.CursorResult[Any]) -> list[tuple[int, Standing]]:
    """The people of `standings`."""
    alike = _Alike()
    return [(row[0], alike[row[1:]]) for row in shared.rows_of(found)]


class _Alike(dict[tuple[Any, ...], Standing]):
    """One value for all rows that say the same."""

    def __missing__(self, row: tuple[Any, ...]) -> Standing:
        status, suppressed, language, topics, zone = row
        made = self[row] = Standing(_STATUSES[status], suppressed, language, _topics(topics), zone)
        return made


@lru_cache(maxsize=20_000)
def _topics(written: str) -> tuple[str, ...]:
    return tuple(orjson.loads(written))


def add_all(connection: Connection, people: People) -> dict[str, str]:
    """By email_key: "added", "known" or "unsubscribed"."""
    slugs = {one.newsletter for _, wanted in people for one in wanted}
    newsletters = shared.ids_of(connection, newsletter, slugs) if slugs else {}
    known = _ids(connection, [person.email_key for person, _ in people])
    held = _statuses(connection, list(known.values()))
    _insert_people(connection, [person for person, _ in people if person.email_key not in known])
    _fill_address_keys(connection, [person for person, _ in people if person.email_key in known])
    ids = _ids(connection, [person.email_key for person, _ in people])
    outcome = {person.email_key: "added" for person, _ in people if person.email_key not in known}
    new: dict[tuple[int, int], dict[str, Any]] = {}
    for person, wanted in people:
        id = ids[person.email_key]
        for one in wanted:
            place = (id, newsletters[one.newsletter])
            if place not in held and place not in new:
                new[place] = _subscription_row(place, one)
                outcome[person.email_key] = "added"
        left = any(held.get((id, newsletters[one.newsletter])) == _LEFT for one in wanted)
        outcome.setdefault(person.email_key, "unsubscribed" if left else "known")
    if new:
        statement = shared.insert(connection, subscription).on_conflict_do_nothing()
        connection.execute(statement, list(new.values()))
    return outcome


def choose_all(connection: Connection, people: People) -> None:
    slugs = {one.newsletter for _, wanted in people for one in wanted}
    newsletters = shared.ids_of(connection, newsletter, slugs) if slugs else {}
    chosen = [
        {
            "of": person.email_key,
            "letter": newsletters[one.newsletter],
            "wanted": list(one.topics),
            "often": one.cadence,
            "urgent": one.alerts,
        }
        for person, wanted in people
        for one in wanted
    ]
    if chosen:
        connection.execute(_CHOOSE, chosen)


_CHOOSE = (
    sa.update(subscription)
    .where(
        subscription.c.subscriber
        == sa.select(subscriber.c.id).where(subscriber.c.email_key == sa.bindparam("of")).scalar_subquery(),
        subscription.c.newsletter == sa.bindparam("letter"),
    )
    .values(topics=sa.bindparam("wanted"), cadence=sa.bindparam("often"), alerts=sa.bindparam("urgent"))
)

_STATUSES = {status.value: status for status in SubscriptionStatus}
_LEFT = SubscriptionStatus.UNSUBSCRIBED.value


def _ids(connection: Connection, keys: Collection[str]) -> dict[str, int]:
    asked = shared.among(connection, subscriber.c.email_key, keys)
    rows = connection.execute(sa.select(subscriber.c.email_key, subscriber.c.id).where(asked))
    return {str(key): int(id) for key, id in rows}


def _statuses(connection: Connection, ids: Collection[int]) -> dict[tuple[int, int], str]:
    asked = shared.among(connection, subscription.c.subscriber, ids)
    columns = (subscription.c.subscriber, subscription.c.newsletter, subscription.c.status)
    rows = connection.execute(sa.select(*columns).where(asked))
    return {(int(id), int(newsletter_id)): str(status) for id, newsletter_id, status in rows}


def _insert_people(connection: Connection, people: Sequence[Subscriber]) -> None:
    rows = {person.email_key: _person_row(person) for person in reversed(people)}  # of two equal ones, the first
    if rows:
        statement = shared.insert(connection, subscriber).on_conflict_do_nothing(index_elements=["email_key"])
        connection.execute(statement, list(reversed(rows.values())))


def _fill_address_keys(connection: Connection, people: Sequence[Subscriber]) -> None:
    """Somebody stored without an address key gets it as soon as it is told."""
    missing = [{"of": person.email_key, "found": person.address_key} for person in people if person.address_key]
    if missing:
        mine = sa.and_(subscriber.c.email_key == sa.bindparam("of"), subscriber.c.address_key == b"")
        connection.execute(sa.update(subscriber).where(mine).values(address_key=sa.bindparam("found")), missing)


def _person_row(person: Subscriber) -> dict[str, Any]:
    return {
        "public_id": person.public_id,
        "email": person.email,
        "email_key": person.email_key,
        "address_key": person.address_key,
        "name": person.name,
        "language": person.language,
        "timezone": person.timezone,
        "attributes": dict(person.attributes),
        "created_at": person.created_at,
    }


def _subscription_row(place: tuple[int, int], one: Subscription) -> dict[str, Any]:
    return {
        "subscriber": place[0],
        "newsletter": place[1],
        "status": one.status.value,
        "topics": list(one.topics),
        "cadence": one.cadence,
        "alerts": one.alerts,
        "evidence": dict(one.evidence),
        "changed_at": one.changed_at,
    }
