"""Held batches of which events tell after all: whoever was told of has been mailed, and needs no person's word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import Batch, BatchState
from publisher.store import _evidence as evidence
from publisher.store import _receipts as receipts
from publisher.store import _shared as shared
from publisher.store._batches import batch_from, batch_row, bits, lock_batches, reserve_sequence
from publisher.store._merging import KINDS
from publisher.store._settling import child
from publisher.store.tables import batch, delivery_exception

#: In the words of the partial index.
HELD = sa.text("batch.state = 'held'")


def told_of(connection: Connection) -> dict[int, list[int]]:
    """By edition: its held batches of which an event was merged, or of those that they were split from."""
    line = sa.select(batch.c.id.label("held"), batch.c.edition, batch.c.id).where(HELD).cte("line", recursive=True)
    parents = sa.select(line.c.held, line.c.edition, batch.c.parent).join_from(line, batch, batch.c.id == line.c.id)
    line = line.union(parents.where(batch.c.parent.is_not(None)))
    told = sa.exists().where(delivery_exception.c.batch == batch.c.id, delivery_exception.c.kind.in_(KINDS))
    found = sa.select(line.c.held, line.c.edition).distinct().join_from(line, batch, batch.c.id == line.c.id)
    by_edition: dict[int, list[int]] = defaultdict(list)
    for id, edition in connection.execute(found.where(sa.or_(batch.c.delivered != b"", told))):
        by_edition[edition].append(id)
    return by_edition


def prove(connection: Connection, edition: int, now: datetime, ids: Collection[int]) -> int:
    """Settle what events prove of those held batches of an edition. How many recipients that were."""
    still = lock_batches(connection, sa.and_(shared.among(connection, batch.c.id, ids), HELD))
    proved = sum([_prove(connection, id, now) for id in still])
    if proved:
        receipts.went_on(connection, edition)
    return proved


def _prove(connection: Connection, id: int, now: datetime) -> int:
    held = batch_from(connection.execute(sa.select(batch).where(batch.c.id == id)).mappings().one())
    letters = frozenset(range(held.size)) - held.skipped - held.moved
    seen = evidence.positions(connection, held.key) & letters
    if seen:
        _settle(connection, held, letters - seen, now)
    return len(seen)


def _settle(connection: Connection, held: Batch, rest: frozenset[int], now: datetime) -> None:
    """The rest moves to a batch of its own, which stays held for the same reason."""
    why = "events tell that it was sent"
    told: dict[str, Any] = {"state": BatchState.ACCEPTED.value, "resolved_at": now, "last_error": why}
    if rest:
        told |= bits("moved", held.moved | rest)
        doubted = child(held, "held", rest, sequence=reserve_sequence(connection, held.edition), next_at=None)
        doubted = replace(doubted, state=BatchState.HELD, last_error=held.last_error, unknown_since=held.unknown_since)
        doubted = replace(doubted, account=held.account, intent_at=held.intent_at, first_intent_at=held.first_intent_at)
        connection.execute(sa.insert(batch), [batch_row(doubted)])
    connection.execute(sa.update(batch).where(batch.c.id == held.id).values(**told))
