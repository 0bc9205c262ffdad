"""In which order calls were begun: by number, because a clock can be set back and forth between two of them."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.store.tables import attempt, batch


def newest() -> sa.ScalarSelect[int]:
    """The number of the newest attempt of all, 0 when there is none. The next one has a larger number, so a larger
    number means begun after the other was committed; two that begin at once may have the same."""
    return sa.select(sa.func.coalesce(sa.func.max(attempt.c.number), 0)).scalar_subquery()


def last(connection: Connection, id: int) -> int:
    """The number of the last attempt on a batch, and on those that it was split from; 0 for no batch."""
    before = [one for one, _ in line(connection, id)] if id else []
    of = sa.select(sa.func.coalesce(sa.func.max(attempt.c.number), 0)).where(attempt.c.batch.in_(before))
    return int(connection.execute(of).scalar_one())


def begun_later(number: int) -> sa.ColumnElement[bool]:
    """A batch with an attempt that has a larger number."""
    if not number:
        return sa.true()
    return sa.exists().where(attempt.c.batch == batch.c.id, attempt.c.number > number)


def line(connection: Connection, id: int | None) -> Iterator[tuple[int, str]]:
    """A batch and those it was split from, with their keys."""
    while id is not None:
        row = connection.execute(sa.select(batch.c.parent, batch.c.key).where(batch.c.id == id)).one()
        yield id, row.key
        id = row.parent
