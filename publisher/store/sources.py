"""Sources: where articles come from, and how the last look at each went. See `ports.Sources`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import NotFound
from publisher.model import Refusal, Source
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import pushed
from publisher.store.tables import source as table

#: Longer than any call's signature is taken.
_REMEMBERED = timedelta(hours=1)


class Sources:
    def __init__(self, access: Access) -> None:
        self._access = access

    def sync(self, sources: Sequence[Source], *, renamed: Mapping[str, str]) -> None:
        """A source whose kind or address changed is looked at afresh: its old cursor means nothing there."""
        with self._access.write() as connection:
            for old, new in renamed.items():
                shared.rename(connection, table, old, new)
            for source in sources:
                _keep(connection, source)
            shared.retire(connection, table, [source.slug for source in sources])

    def all(self) -> tuple[Source, ...]:
        """The active sources. Options and secrets are not stored: they come from the settings alone."""
        with self._access.read() as connection:
            rows = connection.execute(sa.select(table).where(table.c.active).order_by(table.c.id))
            return tuple(_source(row) for row in rows.mappings())

    def get(self, slug: str) -> Source:
        with self._access.read() as connection:
            row = connection.execute(sa.select(table).where(table.c.slug == slug)).mappings().one_or_none()
        if row is None:
            raise _unknown(slug)
        return _source(row)

    def due(self, now: datetime) -> tuple[str, ...]:
        ready = sa.or_(table.c.next_fetch_at.is_(None), table.c.next_fetch_at <= now)
        with self._access.read() as connection:
            slugs = sa.select(table.c.slug).where(table.c.active, ready).order_by(table.c.next_fetch_at, table.c.id)
            return tuple(connection.execute(slugs).scalars())

    def advance(self, slug: str, cursor: Mapping[str, Any]) -> None:
        """Raises NotFound."""
        with self._access.write() as connection:
            _update(connection, slug, {"cursor": dict(cursor)})

    def ask(self, slug: str, *, at: datetime) -> None:
        with self._access.write() as connection:
            _update(connection, slug, {"asked_at": at, "next_fetch_at": at})

    def received(self, slug: str, call: str, *, at: datetime) -> bool:
        with self._access.write() as connection:
            source = shared.id_of(connection, table, slug)
            connection.execute(sa.delete(pushed).where(pushed.c.at < at - _REMEMBERED))
            fresh = shared.insert(connection, pushed).values(source=source, call=call, at=at)
            noted = connection.execute(fresh.on_conflict_do_nothing().returning(pushed.c.source))
            return noted.first() is not None

    def looked(
        self,
        slug: str,
        *,
        at: datetime,
        next_fetch_at: datetime,
        error: str,
        began: datetime | None = None,
        refused: Sequence[Refusal] | None = None,
    ) -> None:
        """`fetched_at` moves only when the look succeeded. Raises NotFound."""
        changes: dict[str, Any] = {"next_fetch_at": next_fetch_at, "last_error": error}
        if refused is not None:
            changes["refused"] = [_told(one) for one in refused] or None
        if began:
            later = sa.literal(next_fetch_at, table.c.next_fetch_at.type)
            changes["next_fetch_at"] = sa.case((table.c.asked_at > began, table.c.asked_at), else_=later)
        if error:
            changes["failures"] = table.c.failures + 1
        else:
            first = sa.func.coalesce(table.c.first_complete_at, sa.literal(at, table.c.fetched_at.type))
            changes |= {"failures": 0, "fetched_at": at, "first_complete_at": first}
        with self._access.write() as connection:
            _update(connection, slug, changes)


def _keep(connection: Connection, source: Source) -> None:
    """Insert or update one row; what was learnt by looking stays unless the source is another one now."""
    told = {
        "kind": source.kind,
        "url": source.url,
        "interval_seconds": round(source.interval.total_seconds()),
        "active": True,
    }
    row = connection.execute(sa.select(table.c.kind, table.c.url).where(table.c.slug == source.slug)).one_or_none()
    if row is None:
        fresh = {"slug": source.slug, "cursor": {}, "failures": 0, "last_error": ""}
        connection.execute(shared.insert(connection, table).on_conflict_do_nothing().values(**told, **fresh))
        return
    if tuple(row) != (source.kind, source.url):
        told |= {"cursor": {}, "next_fetch_at": None, "first_complete_at": None, "listing": "", "listed": None}
        told["refused"] = None
    connection.execute(sa.update(table).where(table.c.slug == source.slug).values(**told))


def _update(connection: Connection, slug: str, changes: Mapping[str, Any]) -> None:
    if not connection.execute(sa.update(table).where(table.c.slug == slug).values(**changes)).rowcount:
        raise _unknown(slug)


def _told(one: Refusal) -> dict[str, Any]:
    return {"item": one.item, "reason": one.reason, "id": one.id, "since": one.since and one.since.isoformat()}


def _refusal(told: Mapping[str, Any]) -> Refusal:
    since = datetime.fromisoformat(told["since"]) if told["since"] else None
    return Refusal(item=told["item"], reason=told["reason"], id=told["id"], since=since)


def _unknown(slug: str) -> NotFound:
    return NotFound(f"There is no source {slug!r}; run `publisher check` to see what the settings hold.")


def _source(row: sa.RowMapping) -> Source:
    return Source(
        id=row["id"],
        slug=row["slug"],
        kind=row["kind"],
        url=row["url"],
        interval=timedelta(seconds=row["interval_seconds"]),
        cursor=row["cursor"],
        next_fetch_at=row["next_fetch_at"],
        fetched_at=row["fetched_at"],
        completed_at=row["first_complete_at"],
        failures=row["failures"],
        last_error=row["last_error"],
        refused=tuple(map(_refusal, row["refused"] or ())),
    )
