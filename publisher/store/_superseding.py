"""What an edition says now in place of what it said before: only to readers of batches that nobody has touched.

One transaction for each few batches. A batch that a worker claims at this moment is passed over, and one that was
handed over, or may have been, is never changed: its members and their variants stay what they were when it left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import pack_runs, unpack_positions, unpack_runs
from publisher.model import Batch, BatchState, Label, Mention
from publisher.store import _shared as shared
from publisher.store.engine import Access
from publisher.store.tables import batch, variant, variant_item

_PAGE = 100


class Renewing:
    """These methods of `ports.Outbox`."""

    _access: Access

    def untouched(self, edition: int) -> bool:
        with self._access.read() as connection:
            return bool(connection.execute(sa.select(sa.exists().where(_undecided(edition)))).scalar_one())

    def repoint(self, edition: int, newest: Mapping[int, int], *, after: int, limit: int) -> int:
        with self._access.write() as connection:
            return _repoint(connection, edition, newest, after=after, limit=limit)

    def latest(self, batch: Batch) -> tuple[Batch, Mapping[int, str]]:
        with self._access.write() as connection:
            return _latest(connection, batch)


def _undecided(edition: int) -> sa.ColumnElement[bool]:
    """Batches that wait, and of which nothing can have left: what they hold was never frozen, or it was proved that it
    was not sent."""
    nothing_left = sa.and_(batch.c.first_intent_at.is_(None), batch.c.unknown_since.is_(None))
    return sa.and_(batch.c.edition == edition, batch.c.state == BatchState.READY.value, nothing_left)


def _latest(connection: Connection, held: Batch) -> tuple[Batch, dict[int, str]]:
    """A claimed batch with the newest variants in place of its own, and why some of these show nothing any more."""
    stand = _standing(connection, {run.variant for run in held.runs})
    if any(by for by, _ in stand.values()):
        last = newest(connection, held.edition)
        runs = tuple(replace(run, variant=last.get(run.variant, run.variant)) for run in held.runs)
        mine = sa.and_(batch.c.id == held.id, batch.c.fence == held.fence)
        made = pack_runs((run.variant, run.subscribers) for run in runs)
        connection.execute(sa.update(batch).where(mine).values(runs=made))
        held = replace(held, runs=runs)
        stand = _standing(connection, {run.variant for run in runs})
    return held, {id: why for id, (_, why) in stand.items() if why}


def _standing(connection: Connection, variants: Collection[int]) -> dict[int, tuple[int, str]]:
    """By variant: the one in its place (0: none), and why nothing of it may be shown ("": it may)."""
    rows = connection.execute(_stands(shared.is_sqlite(connection)), {"these": shared.given(connection, variants)})
    return {id: (by, why) for id, by, why in rows}


@cache
def _stands(sqlite: bool) -> sa.Select[Any]:
    return sa.select(variant.c.id, variant.c.superseded_by, variant.c.withdrawn).where(
        shared.among_given(sqlite, variant.c.id, "these")
    )


def _repoint(connection: Connection, edition: int, newest: Mapping[int, int], *, after: int, limit: int) -> int:
    """Give the members of the next untouched batches the newest variants. The id of the last one looked at; 0 at the
    end."""
    wanted = sa.select(batch.c.id, batch.c.runs).where(_undecided(edition), batch.c.id > after)
    found = connection.execute(
        wanted.order_by(batch.c.id).limit(limit).with_for_update(skip_locked=True, key_share=True)
    ).all()
    for id, packed in found:
        runs = [(variant, tuple(members)) for variant, members in unpack_runs(packed)]
        if any(variant in newest for variant, _ in runs):
            made = pack_runs((newest.get(variant, variant), members) for variant, members in runs)
            connection.execute(sa.update(batch).where(batch.c.id == id, _undecided(edition)).values(runs=made))
    return int(found[-1][0]) if len(found) == limit else 0


def _current(edition: int) -> sa.ColumnElement[bool]:
    """Variants of an edition that no other one supersedes."""
    return sa.and_(variant.c.edition == edition, variant.c.superseded_by == 0)


def told(connection: Connection, edition: int) -> tuple[Mention, ...]:
    """All that its current variants tell of."""
    joined = variant_item.join(variant, variant.c.id == variant_item.c.variant)
    item = variant_item.c
    each = sa.select(item.article, item.revision, item.label).distinct().select_from(joined).where(_current(edition))
    return tuple(Mention(article, revision, Label(label)) for article, revision, label in connection.execute(each))


def telling(connection: Connection, edition: int, articles: Collection[int]) -> tuple[int, ...]:
    """Its current variants that tell of one of these articles."""
    item = sa.exists().where(
        variant_item.c.variant == variant.c.id,
        shared.among(connection, variant_item.c.article, articles),
    )
    return tuple(connection.execute(sa.select(variant.c.id).where(_current(edition), item)).scalars())


def withdrawn(connection: Connection, edition: int) -> dict[int, str]:
    """Its variants of which nothing may be shown any more, each with the reason."""
    marked = sa.select(variant.c.id, variant.c.withdrawn).where(variant.c.edition == edition, variant.c.withdrawn != "")
    return {id: why for id, why in connection.execute(marked)}  # noqa: C416 - rows are no pairs to mypy


def withdraw(connection: Connection, edition: int, why: Mapping[int, str]) -> None:
    """From now on nothing may be shown of these, and something of all others."""
    before = withdrawn(connection, edition)
    for id in sorted(before.keys() | why.keys()):
        if (said := why.get(id, "")) != before.get(id, ""):
            mine = sa.and_(variant.c.id == id, variant.c.edition == edition)
            connection.execute(sa.update(variant).where(mine).values(withdrawn=said))


def newest(connection: Connection, edition: int) -> dict[int, int]:
    """By superseded variant: what stands in its place now."""
    superseded = sa.and_(variant.c.edition == edition, variant.c.superseded_by != 0)
    pairs = connection.execute(sa.select(variant.c.id, variant.c.superseded_by).where(superseded))
    after: dict[int, int] = {old: new for old, new in pairs}  # noqa: C416 - rows are no pairs to mypy
    found: dict[int, int] = {}
    for old, new in after.items():
        last = new
        while after.get(last, old) != old:
            last = after[last]
        found[old] = last
    return found


def shares(connection: Connection, edition: int) -> dict[int, int]:
    """By variant: its readers in batches that were not cancelled, but for who moved on, was or is to be skipped, or was
    refused."""
    nothing = withdrawn(connection, edition)
    columns = (batch.c.runs, batch.c.first_intent_at, batch.c.skipped, batch.c.rejected, batch.c.moved)
    mine = sa.and_(batch.c.edition == edition, batch.c.state != BatchState.CANCELLED.value)
    found: dict[int, int] = {}
    for packed, frozen_at, *sets in connection.execution_options(yield_per=_PAGE).execute(
        sa.select(*columns).where(mine)
    ):
        out = frozenset[int]().union(*(unpack_positions(one) for one in sets))
        position = 0
        for id, members in unpack_runs(packed):
            ids = tuple(members)
            gone = sum(position <= place < position + len(ids) for place in out)
            position += len(ids)
            if frozen_at is not None or id not in nothing:
                found[id] = found.get(id, 0) + len(ids) - gone
    return found
