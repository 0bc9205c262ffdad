"""Whose letter came back: by its place in a batch, or among those that a reader was sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_runs
from publisher.model import HandedOver, Letterhead
from publisher.store import _readers as readers
from publisher.store._lookups import members_of
from publisher.store._merging import has_bit
from publisher.store.tables import batch, edition, subscriber


def reader(connection: Connection, key: str, position: int) -> str | None:
    row = connection.execute(sa.select(batch.c.id, batch.c.n).where(batch.c.key == key)).one_or_none()
    if row is None or not 0 <= position < row.n:
        return None
    who = members_of(connection, [row.id])[row.id].subscribers[position]
    return connection.execute(sa.select(subscriber.c.email).where(subscriber.c.id == who)).scalar_one_or_none() or ""


def handed_over(
    connection: Connection, who: int, mailer: str, since: datetime, until: datetime
) -> Iterator[HandedOver]:
    """A letter that moved to another batch counts in both: it may have left with either."""
    rows = connection.execute(readers.around(who, since, until, [mailer])).mappings().all()
    for row in rows:
        members = [member for _, run in unpack_runs(row["runs"]) for member in run]
        position = members.index(who) if who in members else -1
        if position < 0 or has_bit(row["skipped"], position) or has_bit(row["rejected"], position):
            continue
        of = connection.execute(
            sa.select(edition.c.slot, edition.c.letterheads).where(edition.c.id == row["edition"])
        ).one()
        if row["letterhead"] < len(of.letterheads):
            head = Letterhead(**of.letterheads[row["letterhead"]])
            yield HandedOver(batch=row["key"], position=position, slot=of.slot, letterhead=head)
