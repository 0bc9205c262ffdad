"""Committing one chunk of a plan. Invariant: chunks are disjoint and complete, and inside a chunk each
recipient is in exactly one batch or excluded for one reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import Conflict
from publisher.kit.compact import pack_ids
from publisher.model import Batch, Edition, EditionState
from publisher.store._batches import batch_row
from publisher.store.tables import batch, edition, plan_chunk, plan_exclusion


def check(edition: Edition, upto: int, batches: Sequence[Batch], excluded: Mapping[str, Sequence[int]]) -> None:
    """Raises ValueError when a recipient stands twice or outside the chunk, or a batch is empty."""
    ids = [id for one in batches for run in one.runs for id in run.subscribers]
    ids += [id for members in excluded.values() for id in members]
    if len(set(ids)) != len(ids):
        raise ValueError(f"a recipient of {edition.key} stands twice in the chunk after {edition.plan_cursor}")
    if ids and not (edition.plan_cursor < min(ids) and max(ids) <= upto):
        raise ValueError(f"a recipient of {edition.key} lies outside the chunk after {edition.plan_cursor}")
    if any(not one.size for one in batches):
        raise ValueError(f"a batch of {edition.key} is empty")


def advance(connection: Connection, one: Edition, upto: int, *, planned: int, excluded: int, finished: bool) -> None:
    """Move the cursor from where the planner saw it. Raises Conflict when it stands elsewhere by now."""
    seen = sa.and_(
        edition.c.id == one.id,
        edition.c.state == EditionState.PLANNING.value,
        edition.c.plan_generation == one.plan_generation,
        edition.c.plan_cursor == one.plan_cursor,
    )
    values = {
        "plan_cursor": upto,
        "planned": edition.c.planned + planned,
        "candidates": edition.c.candidates + planned + excluded,
    }
    if finished:
        values["state"] = EditionState.SENDING.value
    if not connection.execute(sa.update(edition).where(seen).values(**values)).rowcount:
        raise Conflict(f"The plan of {one.key} has moved on, or the edition is not being planned; look again.")


def put_chunk(connection: Connection, one: Edition, upto: int) -> None:
    if upto > one.plan_cursor:
        connection.execute(sa.insert(plan_chunk).values(edition=one.id, chunk_lo=one.plan_cursor, chunk_hi=upto))


def put_batches(connection: Connection, one: Edition, batches: Sequence[Batch]) -> None:
    rows = [batch_row(made) | {"edition": one.id, "chunk": one.plan_cursor} for made in batches]
    if rows:
        connection.execute(sa.insert(batch), rows)


def put_exclusions(connection: Connection, one: Edition, excluded: Mapping[str, Sequence[int]]) -> None:
    rows = [
        {
            "edition": one.id,
            "chunk_lo": one.plan_cursor,
            "reason": reason,
            "n": len(members),
            "members": pack_ids(sorted(members)),
        }
        for reason, members in excluded.items()
        if members
    ]
    if rows:
        connection.execute(sa.insert(plan_exclusion), rows)
