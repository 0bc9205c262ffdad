"""What an edition says now in place of what it said before: only to readers of batches that nobody has touched.

One transaction for each few batches. A batch that a worker claims at this moment is passed over, and one that was
handed over, or may have been, is never changed: its members and their variants stay what they were when it left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import pack_runs, unpack_positions, unpack_runs
from publisher.model import BatchState, Label
from publisher.store import _shared as shared
from publisher.store.tables import batch, variant, variant_item

_PAGE = 100


def _untouched(edition: int) -> sa.ColumnElement[bool]:
    ready = sa.and_(batch.c.state == BatchState.READY.value, batch.c.attempt == 0, batch.c.unknown_since.is_(None))
    return sa.and_(batch.c.edition == edition, ready)


def untouched(connection: Connection, edition: int) -> bool:
    return bool(connection.execute(sa.select(sa.exists().where(_untouched(edition)))).scalar_one())


def repoint(connection: Connection, edition: int, newest: Mapping[int, int], *, after: int, limit: int) -> int:
    """Give the members of the next untouched batches the newest variants. The id of the last one looked at; 0 at the
    end."""
    wanted = sa.select(batch.c.id, batch.c.runs).where(_untouched(edition), batch.c.id > after)
    found = connection.execute(
        wanted.order_by(batch.c.id).limit(limit).with_for_update(skip_locked=True, key_share=True)
    ).all()
    for id, packed in found:
        runs = [(variant, tuple(members)) for variant, members in unpack_runs(packed)]
        if any(variant in newest for variant, _ in runs):
            made = pack_runs((newest.get(variant, variant), members) for variant, members in runs)
            connection.execute(sa.update(batch).where(batch.c.id == id, _untouched(edition)).values(runs=made))
    return int(found[-1][0]) if len(found) == limit else 0


def _current(edition: int) -> sa.ColumnElement[bool]:
    """Variants of an edition that no other one supersedes."""
    return sa.and_(variant.c.edition == edition, variant.c.superseded_by == 0)


def told(connection: Connection, edition: int) -> tuple[tuple[int, int], ...]:
    """(article, revision) of all that its current variants tell of, but for what they withdraw."""
    joined = variant_item.join(variant, variant.c.id == variant_item.c.variant)
    pairs = sa.select(variant_item.c.article, variant_item.c.revision).distinct().select_from(joined)
    pairs = pairs.where(_current(edition), variant_item.c.label != Label.RETRACTION.value)
    return tuple((article, revision) for article, revision in connection.execute(pairs))


def telling(connection: Connection, edition: int, articles: Collection[int]) -> tuple[int, ...]:
    """Its current variants that tell of one of these articles."""
    item = sa.exists().where(
        variant_item.c.variant == variant.c.id,
        shared.among(connection, variant_item.c.article, articles),
        variant_item.c.label != Label.RETRACTION.value,
    )
    return tuple(connection.execute(sa.select(variant.c.id).where(_current(edition), item)).scalars())


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
    """By variant: its readers in batches that were not cancelled, but for who moved on, was skipped or refused."""
    columns = (batch.c.runs, batch.c.skipped, batch.c.rejected, batch.c.moved)
    mine = sa.and_(batch.c.edition == edition, batch.c.state != BatchState.CANCELLED.value)
    found: dict[int, int] = {}
    for packed, *sets in connection.execution_options(yield_per=_PAGE).execute(sa.select(*columns).where(mine)):
        out = frozenset[int]().union(*(unpack_positions(one) for one in sets))
        position = 0
        for id, members in unpack_runs(packed):
            ids = tuple(members)
            gone = sum(position <= place < position + len(ids) for place in out)
            found[id] = found.get(id, 0) + len(ids) - gone
            position += len(ids)
    return found
