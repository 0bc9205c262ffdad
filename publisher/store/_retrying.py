"""Letters that were rejected, and are tried again: they move to children, as deferred ones do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Batch, Rejection
from publisher.store import _shared as shared
from publisher.store._batches import batch_from, batch_row, bits, lock_batches, reserve_sequence
from publisher.store._settling import child
from publisher.store.tables import batch, delivery_exception


def rejections(connection: Connection, edition: int) -> Iterator[Rejection]:
    said = {
        (row.batch, row.subscriber): (row.code, row.detail)
        for row in connection.execute(
            sa.select(delivery_exception).where(
                delivery_exception.c.edition == edition, delivery_exception.c.kind == "rejected"
            )
        )
    }
    with_some = sa.select(batch).where(batch.c.edition == edition, batch.c.rejected_n > 0).order_by(batch.c.id)
    for row in connection.execute(with_some).mappings():
        one = batch_from(row)
        members = one.members
        for subscriber in (members[position][0] for position in sorted(one.rejected)):
            code, detail = said.get((one.id, subscriber), ("", ""))
            yield Rejection(batch=one.id, subscriber=subscriber, code=code, detail=detail)


def retry(connection: Connection, wanted: Sequence[Rejection], now: datetime) -> int:
    readers: dict[int, set[int]] = defaultdict(set)
    for one in wanted:
        readers[one.batch].add(one.subscriber)
    lock_batches(connection, shared.among(connection, batch.c.id, readers))
    return sum(_retry(connection, id, readers[id], now) for id in sorted(readers))


def _retry(connection: Connection, id: int, readers: set[int], now: datetime) -> int:
    row = connection.execute(sa.select(batch).where(batch.c.id == id)).mappings().one()
    parent = batch_from(row)
    again = frozenset(at for at, (subscriber, _) in enumerate(parent.members) if subscriber in readers)
    again &= parent.rejected  # the rest is being tried again already
    if again:
        left = bits("rejected", parent.rejected - again) | bits("moved", parent.moved | again)
        connection.execute(sa.update(batch).where(batch.c.id == id).values(**left))
        connection.execute(sa.insert(batch), [batch_row(_child(connection, parent, again, now))])
    return len(again)


def _child(connection: Connection, parent: Batch, again: frozenset[int], now: datetime) -> Batch:
    sequence = reserve_sequence(connection, parent.edition)
    return replace(
        child(parent, "retry", again, sequence=sequence, next_at=now),
        deferrals=0,
        resolved_at=None,
        last_error="rejected before, and tried again",
    )
