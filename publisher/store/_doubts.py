"""Readers of whom nobody but a person can tell whether they were mailed: how many, and who."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_positions, unpack_runs
from publisher.model import BatchState, Doubt
from publisher.store import _shared as shared
from publisher.store._proving import HELD
from publisher.store.engine import Access
from publisher.store.tables import batch, edition, newsletter, subscriber

#: Batches that are read in one go.
_PAGE = 50
#: Readers of a batch who are neither skipped, nor refused, nor in another one by now, as the sums count them.
_LEFT = batch.c.n - batch.c.skipped_n - batch.c.rejected_n - batch.c.moved_n


class Doubts:
    """These methods of `ports.Outbox`."""

    _access: Access

    def doubts(self, edition: int) -> Iterator[Doubt]:
        last = 0
        while True:
            with self._access.read() as connection:
                page = _page(connection, edition, last)
                addresses = _addresses(connection, [id for row in page for id in _left(row)])
            for row in page:
                why = (row["mailer"], row["intent_at"], row["unknown_since"], row["last_error"])
                yield from (Doubt(id, addresses.get(id, ""), *why) for id in _left(row))
            if len(page) < _PAGE:
                return
            last = page[-1]["id"]

    def held(self) -> Mapping[str, int]:
        of = batch.join(edition, edition.c.id == batch.c.edition).join(
            newsletter, newsletter.c.id == edition.c.newsletter
        )
        total = sa.func.sum(_LEFT)
        counted = sa.select(newsletter.c.slug, edition.c.slot, total).select_from(of).where(HELD)
        counted = counted.group_by(edition.c.id, newsletter.c.slug, edition.c.slot).order_by(edition.c.id.desc())
        with self._access.read() as connection:
            return {f"{slug}/{slot}": int(n) for slug, slot, n in connection.execute(counted.having(total > 0))}

    def possible_duplicates(self, edition: int) -> int:
        again = sa.and_(batch.c.edition == edition, batch.c.state != BatchState.CANCELLED.value)
        total = sa.select(sa.func.coalesce(sa.func.sum(batch.c.possible_duplicates), 0)).where(again)
        with self._access.read() as connection:
            return int(connection.execute(total).scalar_one())


def _page(connection: Connection, edition: int, after: int) -> Sequence[sa.RowMapping]:
    """The next held batches of an edition."""
    columns = ("id", "mailer", "intent_at", "unknown_since", "last_error", "runs", "skipped", "rejected", "moved")
    held = sa.select(*(batch.c[name] for name in columns)).where(HELD, batch.c.edition == edition, batch.c.id > after)
    return connection.execute(held.order_by(batch.c.id).limit(_PAGE)).mappings().all()


def _left(row: sa.RowMapping) -> Iterator[int]:
    """Those whom `_LEFT` counts."""
    out = unpack_positions(row["skipped"]) | unpack_positions(row["rejected"]) | unpack_positions(row["moved"])
    members = (id for _, ids in unpack_runs(row["runs"]) for id in ids)
    return (id for at, id in enumerate(members) if at not in out)


def _addresses(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    asked = sa.select(subscriber.c.id, subscriber.c.email).where(shared.among(connection, subscriber.c.id, ids))
    return {int(id): str(email) for id, email in connection.execute(asked)}
