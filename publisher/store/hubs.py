"""What we have asked hubs for. See `ports.Hubs`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from publisher.model import HubLease, LeaseState
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import hub_lease as table
from publisher.store.tables import source

_STAYS = table.c.state != LeaseState.LEAVING.value
_SAME = ("topic", "hub", "key", "callback", "secret", "until", "failures", "error")


class Hubs:
    def __init__(self, access: Access) -> None:
        self._access = access

    def want(self, lease: HubLease, *, at: datetime) -> None:
        same = sa.and_(table.c.hub == lease.hub, table.c.topic == lease.topic)
        if self._has(lease.source, same):  # as at nearly every look: nothing is written
            return
        with self._access.write() as connection:
            id = shared.id_of(connection, source, lease.source)
            mine = sa.and_(table.c.source == id, _STAYS)
            if connection.execute(sa.select(table.c.id).where(mine, same)).first():
                return
            connection.execute(sa.update(table).where(mine).values(**_leaving(at)))
            told = {name: getattr(lease, name) for name in _SAME}
            connection.execute(sa.insert(table).values(**told, source=id, state=lease.state.value, next_at=at))

    def leave(self, source_: str, *, at: datetime) -> None:
        if not self._has(source_, sa.true()):
            return
        with self._access.write() as connection:
            id = shared.id_of(connection, source, source_)
            connection.execute(sa.update(table).where(table.c.source == id, _STAYS).values(**_leaving(at)))

    def keep(self, sources: Collection[str], *, callbacks: str, at: datetime) -> None:
        with self._access.write() as connection:
            kept = sa.select(source.c.id).where(shared.among(connection, source.c.slug, sources))
            elsewhere = sa.not_(table.c.callback.startswith(callbacks, autoescape=True)) if callbacks else sa.true()
            gone = sa.or_(table.c.source.not_in(kept), elsewhere)
            connection.execute(sa.update(table).where(_STAYS, gone).values(**_leaving(at)))

    def due(self, now: datetime) -> tuple[int, ...]:
        with self._access.read() as connection:
            ids = sa.select(table.c.id).where(table.c.next_at <= now).order_by(table.c.next_at, table.c.id)
            return tuple(connection.execute(ids).scalars())

    def wanted(self) -> tuple[HubLease, ...]:
        return self._found(_STAYS)

    def get(self, id: int) -> HubLease | None:
        return next(iter(self._found(table.c.id == id)), None)

    def find(self, key: str) -> HubLease | None:
        return next(iter(self._found(table.c.key == key)), None)

    def _found(self, which: sa.ColumnElement[bool]) -> tuple[HubLease, ...]:
        with self._access.read() as connection:
            found = sa.select(table, source.c.slug).join(source, source.c.id == table.c.source)
            rows = connection.execute(found.where(which).order_by(source.c.slug, table.c.id)).mappings()
            return tuple(_lease(row) for row in rows)

    def asked(self, id: int, *, again: datetime, failures: int, error: str) -> None:
        self._update(id, next_at=again, failures=failures, error=error)

    def confirmed(self, id: int, *, until: datetime, renew: datetime) -> None:
        self._update(id, state=LeaseState.ACTIVE.value, until=until, next_at=renew, failures=0, error="")

    def drop(self, id: int) -> None:
        with self._access.write() as connection:
            connection.execute(sa.delete(table).where(table.c.id == id))

    def _has(self, slug: str, which: sa.ColumnElement[bool]) -> bool:
        with self._access.read() as connection:
            found = sa.select(table.c.id).join(source, source.c.id == table.c.source)
            return connection.execute(found.where(source.c.slug == slug, _STAYS, which)).first() is not None

    def _update(self, id: int, **values: Any) -> None:
        with self._access.write() as connection:
            connection.execute(sa.update(table).where(table.c.id == id).values(**values))


def _lease(row: sa.RowMapping) -> HubLease:
    told = {name: row[name] for name in _SAME}
    return HubLease(id=row["id"], source=row["slug"], state=LeaseState(row["state"]), **told)


def _leaving(at: datetime) -> dict[str, Any]:
    return {"state": LeaseState.LEAVING.value, "next_at": at, "failures": 0}
