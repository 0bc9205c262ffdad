"""Files that have ended, and what the hub was told. See `ports.Serving`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from publisher.model import Topic
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import ended_file, feed
from publisher.store.tables import topic as table

_OPEN = table.c.digest != table.c.told


def _waiting(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(_OPEN, sa.or_(table.c.next_try_at.is_(None), table.c.next_try_at <= now))


class Serving:
    def __init__(self, access: Access) -> None:
        self._access = access

    def untidy(self) -> tuple[str, ...]:
        due = sa.and_(sa.not_(feed.c.tidy), sa.or_(sa.not_(feed.c.active), feed.c.built > 0))
        with self._access.read() as connection:
            return tuple(connection.execute(sa.select(feed.c.slug).where(due).order_by(feed.c.id)).scalars())

    def tidied(self, slugs: Collection[str]) -> None:
        with self._access.write() as connection:
            these = shared.among(connection, feed.c.slug, slugs)
            connection.execute(sa.update(feed).where(these).values(tidy=True))

    def no_more(self) -> frozenset[str]:
        with self._access.read() as connection:
            return frozenset(connection.execute(sa.select(feed.c.slug).where(sa.not_(feed.c.active))).scalars())

    def end(self, names: Collection[str], *, at: datetime) -> None:
        if not names:
            return
        with self._access.write() as connection:
            statement = shared.insert(connection, ended_file).on_conflict_do_nothing(index_elements=["name"])
            connection.execute(statement, [{"name": name, "at": at} for name in names])

    def ended(self, *, before: datetime) -> tuple[str, ...]:
        with self._access.read() as connection:
            past = sa.select(ended_file.c.name).where(ended_file.c.at < before).order_by(ended_file.c.name)
            return tuple(connection.execute(past).scalars())

    def forget(self, names: Collection[str]) -> None:
        with self._access.write() as connection:
            connection.execute(sa.delete(ended_file).where(shared.among(connection, ended_file.c.name, names)))

    def changed(self, digests: Mapping[str, str]) -> None:
        if not digests:
            return
        fresh = {"told": "", "tries": 0, "last_error": ""}
        rows = [{"name": name, "digest": digest, **fresh} for name, digest in digests.items()]
        with self._access.write() as connection:
            insert = shared.insert(connection, table)
            new = insert.excluded
            statement = insert.on_conflict_do_update(
                index_elements=["name"],
                set_={"digest": new.digest, "tries": 0, "next_try_at": None},
                where=table.c.digest != new.digest,
            )
            connection.execute(statement, rows)

    def waiting(self, now: datetime) -> bool:
        with self._access.read() as connection:
            return connection.execute(sa.select(table.c.name).where(_waiting(now)).limit(1)).first() is not None

    def take(self, *, now: datetime, until: datetime) -> Topic | None:
        first = sa.select(table.c.name).where(_waiting(now)).order_by(table.c.tries, table.c.name).limit(1)
        with self._access.write() as connection:
            if not self._access.sqlite:
                first = first.with_for_update(skip_locked=True)
            taken = sa.update(table).where(table.c.name == first.scalar_subquery(), _waiting(now))
            statement = taken.values(next_try_at=until).returning(table.c.name, table.c.digest, table.c.tries)
            row = connection.execute(statement).first()
        return Topic(name=row.name, digest=row.digest, tries=row.tries) if row else None

    def told(self, topic: Topic) -> None:
        self._set(topic, told=topic.digest, tries=0, next_try_at=None, last_error="")

    def failed(self, topic: Topic, error: str, *, next_at: datetime) -> None:
        self._set(topic, tries=topic.tries + 1, next_try_at=next_at, last_error=error)

    def _set(self, one: Topic, **values: object) -> None:
        """What is told of a version that is no more stands in the way of no newer one."""
        with self._access.write() as connection:
            same = sa.and_(table.c.name == one.name, table.c.digest == one.digest)
            connection.execute(sa.update(table).where(same).values(**values))
