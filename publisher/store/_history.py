"""Everything that is known about one reader: which editions, which variant, by whom, when, and what was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_positions
from publisher.model import Attempt, Batch, Delivery, Told
from publisher.store import _reckoning as reckoning
from publisher.store._batches import batch_from
from publisher.store._merging import KINDS
from publisher.store.tables import attempt, batch, delivery_exception, variant


def history(connection: Connection, subscriber: int) -> Iterator[Delivery]:
    for id, lo, key, mailer in reckoning.around(connection, subscriber):
        if (reason := reckoning.excluded(connection, id, lo, subscriber)) is not None:
            yield Delivery(edition=key, outcome="excluded", detail=reason)
        elif (row := reckoning.holding(connection, id, lo, subscriber)) is not None:
            outcome, detail = reckoning.outcome(connection, row, subscriber, mailer)
            held = _delivery(connection, key, subscriber, batch_from(row))
            yield replace(held, outcome=outcome, detail=detail)


def _delivery(connection: Connection, key: str, subscriber: int, holds: Batch) -> Delivery:
    line = list(_line(connection, holds.id))
    shown = next(variant_id for member, variant_id in holds.members if member == subscriber)
    found = connection.execute(sa.select(variant.c.key, variant.c.subject).where(variant.c.id == shown)).one_or_none()
    return Delivery(
        edition=key,
        outcome="",
        detail="",
        variant=found.key if found else "",
        subject=found.subject if found else "",
        mailer=holds.mailer,
        batch=holds.key,
        delivered=any(_delivered(connection, id, subscriber) for id in line),
        attempts=tuple(_attempts(connection, line)),
        told=tuple(_told(connection, line, subscriber)),
    )


def _line(connection: Connection, id: int | None) -> Iterator[int]:
    """A batch and those it was split from, the youngest first."""
    while id is not None:
        yield id
        id = connection.execute(sa.select(batch.c.parent).where(batch.c.id == id)).scalar_one()


def _delivered(connection: Connection, id: int, subscriber: int) -> bool:
    row = connection.execute(sa.select(batch).where(batch.c.id == id)).mappings().one()
    members = [member for member, _ in batch_from(row).members]
    return members.index(subscriber) in unpack_positions(row["delivered"])


def _attempts(connection: Connection, line: list[int]) -> Iterator[Attempt]:
    columns = (attempt.c.intent_at, attempt.c.ended_at, attempt.c.mailer, attempt.c.outcome, attempt.c.code)
    made = sa.select(*columns).where(attempt.c.batch.in_(line)).order_by(attempt.c.intent_at, attempt.c.batch)
    for at, ended_at, mailer, outcome, code in connection.execute(made):
        yield Attempt(at=at, ended_at=ended_at, mailer=mailer, outcome=outcome, code=code)


def _told(connection: Connection, line: list[int], subscriber: int) -> Iterator[Told]:
    mine = sa.and_(delivery_exception.c.batch.in_(line), delivery_exception.c.subscriber == subscriber)
    said = sa.select(delivery_exception).where(mine, delivery_exception.c.kind.in_((*KINDS, "rejected")))
    for row in connection.execute(said.order_by(delivery_exception.c.at)):
        yield Told(at=row.at, kind=row.kind, code=row.code, detail=row.detail)
