"""Who was sent what. See `ports.Memory`."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.kit.compact import unpack_positions, unpack_runs
from publisher.model import DUE, ArticleState, BatchState, Carried, Got, Label
from publisher.store import _shared as shared
from publisher.store._editions import counts_as_sent
from publisher.store.engine import Access
from publisher.store.tables import article, batch, edition, edition_item, newsletter, plan_chunk, variant, variant_item

#: Batches whose readers get nothing by them, whatever happens. The readers of a batch that was split are in others.
_NOTHING = tuple(state.value for state in (BatchState.FAILED, BatchState.CANCELLED, BatchState.SPLIT))
_PAGE = 100
_COLUMNS = (batch.c.runs, batch.c.skipped, batch.c.rejected, batch.c.moved)


class Memory:
    def __init__(self, access: Access) -> None:
        self._access = access

    def outdated(self, newsletter: str, since: datetime) -> tuple[Carried, ...]:
        sent = sa.select(edition.c.id).where(_of(newsletter), edition.c.composed_at >= since, counts_as_sent())
        joined = edition_item.join(article, article.c.id == edition_item.c.article)
        gone = sa.or_(article.c.state == ArticleState.RETRACTED.value, edition_item.c.label == Label.RETRACTION.value)
        old = sa.or_(edition_item.c.revision < article.c.revision, gone)
        here = edition_item.c.edition.in_(sent)
        ids = sa.select(edition_item.c.article).select_from(joined).where(here, old)
        item = edition_item.c
        told = (item.article, item.revision, item.label, edition.c.slot, item.partly)
        rows = (
            sa.select(*told)
            .select_from(edition_item.join(edition, edition.c.id == edition_item.c.edition))
            .where(here, edition_item.c.article.in_(ids), sa.not_(edition_item.c.spare))
            .order_by(edition_item.c.article, edition_item.c.edition)
        )
        with self._access.read() as connection:
            return tuple(Carried(a, n, Label(label), *rest) for a, n, label, *rest in connection.execute(rows))

    def due(self, edition_id: int) -> frozenset[int]:
        with self._access.read() as connection:
            return frozenset(article for _, article in connection.execute(_due(edition_id)))

    def missed(self, edition_id: int) -> Iterator[tuple[int, frozenset[int]]]:
        with self._access.read() as connection:
            due: dict[int, frozenset[int]] = defaultdict(frozenset)
            for id, about in connection.execute(_due(edition_id)):
                due[id] |= {about}
            failed = sa.or_(batch.c.rejected_n > 0, batch.c.skipped_n > 0, batch.c.state == BatchState.CANCELLED.value)
            columns = (batch.c.runs, batch.c.state, batch.c.skipped, batch.c.rejected, batch.c.moved)
            mine = sa.select(*columns).where(batch.c.edition == edition_id, failed).order_by(batch.c.id)
            for row in connection.execution_options(yield_per=_PAGE).execute(mine):
                yield from _missed(row, due)

    def variants(self, newsletter: str, articles: Collection[int], *, but: int) -> Mapping[int, frozenset[Got]]:
        found: dict[int, set[Got]] = defaultdict(set)
        with self._access.read() as connection:
            told = connection.execute(_telling(connection, newsletter, articles, but)).all()
        ever_withdrawn = {about for _, about, _, label, _ in told if label == Label.RETRACTION.value}
        for id, about, revision, label, turn in told:
            withdrawn = label == Label.RETRACTION.value
            found[id].add(Got(about, revision, withdrawn, turn if about in ever_withdrawn else 0))
        return {id: frozenset(told) for id, told in found.items()}

    def version(self, newsletter: str, *, but: int) -> int:
        """Every chunk that names readers moves the cursor of its edition on."""
        cursors = sa.select(sa.func.sum(edition.c.plan_cursor)).where(_of(newsletter), edition.c.id != but)
        with self._access.read() as connection:
            return int(connection.execute(cursors).scalar_one() or 0)

    def readers(self, variants: Collection[int], *, after: int, upto: int) -> Iterator[tuple[int, Sequence[int]]]:
        wanted = frozenset(variants)
        if not wanted:
            return
        with self._access.read() as connection:
            found = connection.execution_options(stream_results=True).execute(_batches(connection, wanted, after, upto))
            for runs, *out in found:
                yield from _reached(runs, out, wanted, after, upto)


def _of(slug: str) -> sa.ColumnElement[bool]:
    return edition.c.newsletter == sa.select(newsletter.c.id).where(newsletter.c.slug == slug).scalar_subquery()


def _telling(connection: Connection, slug: str, articles: Collection[int], but: int) -> sa.Select[Any]:
    joined = variant_item.join(variant, variant.c.id == variant_item.c.variant)
    joined = joined.join(edition, edition.c.id == variant.c.edition)
    told = (variant_item.c.variant, variant_item.c.article, variant_item.c.revision, variant_item.c.label, edition.c.id)
    about = shared.among(connection, variant_item.c.article, articles)
    return sa.select(*told).select_from(joined).where(about, _of(slug), edition.c.id != but)


def _batches(connection: Connection, variants: Collection[int], after: int, upto: int) -> sa.Select[Any]:
    """Those of the editions of these variants with readers in that range, by way of their chunks."""
    editions = sa.select(variant.c.edition).where(shared.among(connection, variant.c.id, variants))
    chunk = sa.and_(plan_chunk.c.edition == batch.c.edition, plan_chunk.c.chunk_lo == batch.c.chunk)
    return (
        sa.select(*_COLUMNS)
        .select_from(plan_chunk.join(batch, chunk))
        .where(
            plan_chunk.c.edition.in_(editions),
            plan_chunk.c.chunk_lo < upto,
            plan_chunk.c.chunk_hi > after,
            batch.c.first_id <= upto,
            batch.c.last_id > after,
            batch.c.state.not_in(_NOTHING),
        )
    )


def _due(id: int) -> sa.Select[Any]:
    """By variant of an edition: the articles of which it puts something right."""
    joined = variant_item.join(variant, variant.c.id == variant_item.c.variant)
    right = variant_item.c.label.in_([label.value for label in DUE])
    return sa.select(variant.c.id, variant_item.c.article).select_from(joined).where(variant.c.edition == id, right)


def _missed(row: Any, due: Mapping[int, frozenset[int]]) -> Iterator[tuple[int, frozenset[int]]]:
    skipped, rejected, moved = (unpack_positions(bits) for bits in (row.skipped, row.rejected, row.moved))
    position = 0
    for id, members in unpack_runs(row.runs):
        for at, member in enumerate(members, start=position):
            lost = at in skipped or at in rejected or (row.state == BatchState.CANCELLED.value and at not in moved)
            if id in due and lost:
                yield member, due[id]
        position += len(members)


def _reached(
    runs: bytes, out: Sequence[bytes], variants: Collection[int], after: int, upto: int
) -> Iterator[tuple[int, Sequence[int]]]:
    """The readers of a batch without those whose letter it does not carry."""
    gone = {position for bits in out for position in unpack_positions(bits)} if any(out) else ()
    position = 0
    for id, members in unpack_runs(runs):
        if id in variants:
            those: Sequence[int] = members
            if gone:
                those = [member for at, member in enumerate(members, start=position) if at not in gone]
            if those:
                yield id, those[bisect_right(those, after) : bisect_right(those, upto)]
        position += len(members)
