"""Batches between rows and values, and the children that letters move to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import pack_positions, pack_runs, unpack_positions, unpack_runs
from publisher.model import Batch, BatchState, Run
from publisher.store.tables import batch, edition


def batch_from(row: sa.RowMapping) -> Batch:
    return Batch(
        id=row["id"],
        edition=row["edition"],
        sequence=row["sequence"],
        chunk=row["chunk"],
        runs=tuple(Run(variant=variant, subscribers=ids) for variant, ids in unpack_runs(row["runs"])),
        parent=row["parent"],
        wave=row["wave"],
        priority=row["priority"],
        not_before=row["not_before"],
        mailer=row["mailer"],
        state=BatchState(row["state"]),
        owner=row["owner"],
        lease_until=row["lease_until"],
        fence=row["fence"],
        attempt=row["attempt"],
        deferrals=row["deferrals"],
        letterhead=row["letterhead"],
        next_at=row["next_at"],
        key=row["key"],
        payload_hash=row["payload_hash"],
        account=row["account"],
        intent_at=row["intent_at"],
        first_intent_at=row["first_intent_at"],
        unknown_since=row["unknown_since"],
        resolved_at=row["resolved_at"],
        skipped=unpack_positions(row["skipped"]),
        rejected=unpack_positions(row["rejected"]),
        moved=unpack_positions(row["moved"]),
        last_error=row["last_error"],
    )


def batch_row(one: Batch) -> dict[str, Any]:
    """A batch that is to be inserted."""
    ids = [id for run in one.runs for id in run.subscribers]
    row: dict[str, Any] = {
        "edition": one.edition,
        "sequence": one.sequence,
        "chunk": one.chunk,
        "parent": one.parent,
        "wave": one.wave,
        "priority": one.priority,
        "not_before": one.not_before,
        "n": len(ids),
        "first_id": min(ids),
        "last_id": max(ids),
        "mailer": one.mailer,
        "state": one.state.value,
        "owner": one.owner,
        "lease_until": one.lease_until,
        "fence": one.fence,
        "attempt": one.attempt,
        "deferrals": one.deferrals,
        "letterhead": one.letterhead,
        "next_at": one.next_at,
        "suspect": False,
        "key": one.key,
        "payload_hash": one.payload_hash,
        "account": one.account,
        "intent_at": one.intent_at,
        "first_intent_at": one.first_intent_at,
        "unknown_since": one.unknown_since,
        "resolved_at": one.resolved_at,
        "possible_duplicates": 0,
        "last_error": one.last_error,
        "delivered": b"",
        "skips": {},
        "runs": pack_runs((run.variant, run.subscribers) for run in one.runs),
    }
    return row | bits("skipped", one.skipped) | bits("rejected", one.rejected) | bits("moved", one.moved)


def next_sequence(connection: Connection, id: int) -> int:
    last = connection.execute(sa.select(sa.func.max(batch.c.sequence)).where(batch.c.edition == id)).scalar_one()
    return 0 if last is None else int(last) + 1


def reserve_sequence(connection: Connection, id: int) -> int:
    """The next number, which nobody else gets until the transaction is over."""
    lock_edition(connection, id)
    return next_sequence(connection, id)


def lock_edition(connection: Connection, id: int) -> None:
    connection.execute(sa.select(edition.c.id).where(edition.c.id == id).with_for_update(key_share=True))


def lock_batches(connection: Connection, *which: sa.ColumnElement[bool]) -> list[int]:
    """The ids of those batches, each of them waited for, the lowest first (see `_claiming`)."""
    found = sa.select(batch.c.id).where(*which).order_by(batch.c.id).with_for_update(key_share=True)
    return list(connection.execute(found).scalars())


def bits(name: str, positions: Collection[int]) -> dict[str, Any]:
    """A set of positions as its two columns: the bitmap, and the count that sums add up."""
    return {name: pack_positions(positions), f"{name}_n": len(positions)}


def by_reason(why: Mapping[int, str]) -> dict[str, list[int]]:
    """Positions by why they were skipped, as they are kept."""
    found: dict[str, list[int]] = {}
    for position in sorted(why):
        found.setdefault(why[position], []).append(position)
    return found


def runs_of(members: Iterable[tuple[int, int]]) -> tuple[Run, ...]:
    """(subscriber, variant) pairs, in the order of a batch, as runs."""
    runs: list[tuple[int, list[int]]] = []
    for subscriber, variant in members:
        if runs and runs[-1][0] == variant and runs[-1][1][-1] < subscriber:
            runs[-1][1].append(subscriber)
        else:
            runs.append((variant, [subscriber]))
    return tuple(Run(variant=variant, subscribers=tuple(ids)) for variant, ids in runs)


def child_key(key: str, reason: str, positions: Collection[int]) -> str:
    """The key of a child: derived from its parent's and from who moved, so that it can be derived again."""
    try:
        parent = UUID(key)
    except ValueError:
        parent = uuid5(NAMESPACE_OID, key)
    return str(uuid5(parent, f"{reason} {' '.join(map(str, sorted(positions)))}"))


def reached(row: sa.RowMapping, variants: Collection[int]) -> Iterator[int]:
    """The subscribers of an accepted batch who got one of those variants."""
    out = unpack_positions(row["skipped"]) | unpack_positions(row["rejected"]) | unpack_positions(row["moved"])
    position = 0
    for variant, ids in unpack_runs(row["runs"]):
        for id in ids:
            if variant in variants and position not in out:
                yield id
            position += 1
