"""What became of an edition's recipients: as sums, and for one reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_ids, unpack_positions, unpack_runs
from publisher.model import BatchState, Sums
from publisher.store.engine import Access
from publisher.store.tables import batch, delivery_exception, edition, newsletter, plan_chunk, plan_exclusion

_PAGE = 500

#: Under which sum the rest of a batch falls, those neither skipped, rejected nor moved.
_SUM_OF = {
    BatchState.READY: "waiting",
    BatchState.CLAIMED: "waiting",
    BatchState.SUBMITTING: "waiting",
    BatchState.UNKNOWN: "unknown",
    BatchState.RESOLVING: "unknown",
    BatchState.HELD: "unknown",
    BatchState.ACCEPTED: "accepted",
    BatchState.FAILED: "rejected",
    BatchState.CANCELLED: "cancelled",
    BatchState.SPLIT: "moved",
}


class Reckoning:
    """These methods of `ports.Outbox`."""

    _access: Access

    def sums(self, edition: int) -> Sums:
        with self._access.read() as connection:
            return sums(connection, edition)

    def skips(self, edition: int) -> Mapping[str, int]:
        with self._access.read() as connection:
            return skips(connection, edition)

    def carried(self, edition: int) -> Mapping[str, int]:
        with self._access.read() as connection:
            return carried(connection, edition)


def sums(connection: Connection, id: int) -> Sums:
    plan = connection.execute(
        sa.select(edition.c.candidates, edition.c.planned).where(edition.c.id == id)
    ).one_or_none()
    if plan is None:
        return Sums()
    exclusions = sa.select(plan_exclusion.c.reason, sa.func.sum(plan_exclusion.c.n))
    excluded = connection.execute(exclusions.where(plan_exclusion.c.edition == id).group_by(plan_exclusion.c.reason))
    return Sums(
        candidates=plan.candidates,
        excluded={str(reason): int(n) for reason, n in excluded},
        planned=plan.planned,
        **by_sum(connection, batch.c.edition == id),
    )


def by_sum(connection: Connection, *which: sa.ColumnElement[bool]) -> dict[str, int]:
    """Recipients of batches by the names of `Sums`, beginning with "accepted"."""
    total = sa.func.sum
    rows = connection.execute(
        sa.select(
            batch.c.state,
            batch.c.unknown_since.is_not(None),
            total(batch.c.n - batch.c.skipped_n - batch.c.rejected_n - batch.c.moved_n),
            total(batch.c.skipped_n),
            total(batch.c.rejected_n),
        )
        .where(*which)
        .group_by(batch.c.state, batch.c.unknown_since.is_not(None))
    )
    found = dict.fromkeys({*_SUM_OF.values(), "skipped"}, 0)
    for state, doubted, rest, skipped, rejected in rows:
        found[_sum_of(BatchState(state), doubted)] += int(rest)
        found["skipped"] += int(skipped)
        found["rejected"] += int(rejected)
    return {name: number for name, number in found.items() if name != "moved"}


def carried(connection: Connection, id: int) -> dict[str, int]:
    """Readers whose letters each mailer accepted."""
    rest = batch.c.n - batch.c.skipped_n - batch.c.rejected_n - batch.c.moved_n
    total = sa.func.sum(rest)
    accepted = sa.and_(batch.c.edition == id, batch.c.state == BatchState.ACCEPTED.value)
    rows = connection.execute(
        sa.select(batch.c.mailer, total).where(accepted).group_by(batch.c.mailer).having(total > 0)
    )
    return {mailer: int(readers) for mailer, readers in rows}


def skips(connection: Connection, id: int) -> dict[str, int]:
    """Readers who were skipped, by why; "" where that was not kept."""
    found: Counter[str] = Counter()
    some = sa.select(batch.c.skips, batch.c.skipped_n).where(batch.c.edition == id, batch.c.skipped_n > 0)
    for told, number in connection.execution_options(yield_per=_PAGE).execute(some):
        said = {reason: len(positions) for reason, positions in told.items()}
        found.update(said)
        found[""] += number - sum(said.values())
    return dict(+found)


def _sum_of(state: BatchState, doubted: bool) -> str:
    """While an earlier attempt is unknown, a further one on its way does not make its letters wait."""
    return "unknown" if doubted and state is BatchState.SUBMITTING else _SUM_OF[state]


def trace(connection: Connection, subscriber: int) -> Iterable[tuple[str, str, str]]:
    """(edition key, outcome, detail) for one reader, the newest edition first."""
    for id, lo, key, mailer in around(connection, subscriber):
        if (reason := excluded(connection, id, lo, subscriber)) is not None:
            yield key, "excluded", reason
        elif (row := holding(connection, id, lo, subscriber)) is not None:
            yield (key, *outcome(connection, row, subscriber, mailer))


def around(connection: Connection, subscriber: int) -> Iterable[tuple[int, int, str, str]]:
    """Editions whose plan has a chunk that a reader falls into: id, the chunk, key, mailer; the newest first."""
    of = edition.join(newsletter, newsletter.c.id == edition.c.newsletter)
    chunks = plan_chunk.join(of, plan_chunk.c.edition == edition.c.id)
    within = sa.and_(plan_chunk.c.chunk_lo < subscriber, plan_chunk.c.chunk_hi >= subscriber)
    columns = (edition.c.id, plan_chunk.c.chunk_lo, newsletter.c.slug, edition.c.slot, edition.c.mailer)
    rows = connection.execute(sa.select(*columns).select_from(chunks).where(within).order_by(edition.c.id.desc()))
    return [(id, lo, f"{slug}/{slot}", mailer) for id, lo, slug, slot, mailer in rows]


def excluded(connection: Connection, id: int, lo: int, subscriber: int) -> str | None:
    """Why a reader was left out of an edition."""
    chunk = sa.and_(plan_exclusion.c.edition == id, plan_exclusion.c.chunk_lo == lo)
    for reason, members in connection.execute(
        sa.select(plan_exclusion.c.reason, plan_exclusion.c.members).where(chunk)
    ):
        if subscriber in unpack_ids(members):
            return str(reason)
    return None


def holding(connection: Connection, id: int, lo: int, subscriber: int) -> sa.RowMapping | None:
    """The batch that holds a reader's letter now: letters move to younger ones only."""
    near = sa.and_(batch.c.first_id <= subscriber, batch.c.last_id >= subscriber)
    mine = sa.select(batch).where(batch.c.edition == id, batch.c.chunk == lo, near).order_by(batch.c.id.desc())
    for row in connection.execute(mine).mappings():
        if any(subscriber in members for _, members in unpack_runs(row["runs"])):
            return row
    return None


def outcome(connection: Connection, row: sa.RowMapping, subscriber: int, mailer: str) -> tuple[str, str]:
    """What became of a reader's letter, and why. The mailer is named when it was not the edition's own."""
    ids = [member for _, members in unpack_runs(row["runs"]) for member in members]
    became, detail = _outcome(connection, row, ids.index(subscriber), subscriber)
    through = f"through {row['mailer']}" if mailer and row["mailer"] != mailer else ""
    return became, "; ".join(filter(None, (detail, through)))


def _outcome(connection: Connection, row: Any, position: int, subscriber: int) -> tuple[str, str]:
    if position in unpack_positions(row["skipped"]):
        return "skipped", next((why for why, those in row["skips"].items() if position in those), "")
    if position in unpack_positions(row["rejected"]):
        mine = sa.and_(
            delivery_exception.c.batch == row["id"],
            delivery_exception.c.subscriber == subscriber,
            delivery_exception.c.kind == "rejected",  # what was told later stands under other kinds
        )
        said = connection.execute(sa.select(delivery_exception.c.code, delivery_exception.c.detail).where(mine)).first()
        return "rejected", " ".join(part for part in said or () if part)
    state = BatchState(row["state"])
    return _sum_of(state, row["unknown_since"] is not None), row["last_error"]
