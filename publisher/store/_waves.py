"""How the first wave of an edition fares."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import OPEN_BATCHES, BatchState, EventKind, Sums, Wave
from publisher.store._merging import KINDS
from publisher.store._reckoning import by_sum
from publisher.store.tables import batch, delivery_exception, edition

#: Nothing was heard yet of a call in one of these states. One in doubt has ended, in its way, and so has one of which
#: some letters were put off.
_UNHEARD = (BatchState.READY, BatchState.CLAIMED, BatchState.SUBMITTING)


def first_wave(connection: Connection, id: int) -> Wave | None:
    gate = sa.select(edition.c.wave).where(edition.c.id == id).scalar_subquery()
    later = sa.and_(batch.c.edition == id, batch.c.state == BatchState.READY.value, batch.c.wave > gate)
    if not connection.execute(sa.select(sa.exists().where(later))).scalar_one():
        return None
    mine = sa.and_(batch.c.edition == id, batch.c.wave <= gate)
    sums = by_sum(connection, mine)
    unfinished = batch.c.state.in_([state.value for state in OPEN_BATCHES])
    return Wave(
        sums=Sums(candidates=sum(sums.values()), excluded={}, planned=sum(sums.values()), **sums),
        open=connection.execute(sa.select(sa.func.count()).select_from(batch).where(mine, unfinished)).scalar_one(),
        ended_at=_ended_at(connection, mine),
        events=_events(connection, mine),
    )


def _ended_at(connection: Connection, mine: sa.ColumnElement[bool]) -> datetime | None:
    unheard = sa.and_(batch.c.state.in_([state.value for state in _UNHEARD]), batch.c.unknown_since.is_(None))
    first = sa.and_(mine, batch.c.deferrals == 0)
    if connection.execute(sa.select(sa.exists().where(first, unheard))).scalar_one():
        return None
    ended = sa.func.max(sa.func.coalesce(batch.c.unknown_since, batch.c.resolved_at))
    last: datetime | None = connection.execute(sa.select(ended).where(first)).scalar_one()
    return last


def _events(connection: Connection, mine: sa.ColumnElement[bool]) -> dict[EventKind, int]:
    of = delivery_exception.join(batch, batch.c.id == delivery_exception.c.batch)
    kind = delivery_exception.c.kind
    kinds = sa.select(kind, sa.func.count()).select_from(of).where(mine, kind.in_(KINDS)).group_by(kind)
    return {EventKind(kind): int(number) for kind, number in connection.execute(kinds)}
