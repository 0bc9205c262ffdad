"""The rows that a receipt vouches for, and receipts.

A receipt names the columns it was made from, so that one from before a migration is still held against those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.errors import StoreError
from publisher.kit.compact import unpack_positions, unpack_runs
from publisher.model import OPEN_BATCHES, BatchState, EditionState, LedgerRow, Receipt, Version
from publisher.store import _editions
from publisher.store import _shared as shared
from publisher.store._merging import KINDS
from publisher.store.tables import (
    attempt,
    batch,
    delivery_exception,
    edition,
    edition_choice,
    edition_item,
    newsletter,
    plan_chunk,
    plan_exclusion,
    receipt,
    revision,
    variant,
    variant_item,
)

#: What may still change when an edition is over: who was delivered to, a person's word on a rule, that somebody waits
#: for a story in vain who was to get it by another, and how a source words a revision that says the same.
_LATER: Final[Mapping[str, frozenset[str]]] = {
    "batch": frozenset({"delivered"}),
    "edition": frozenset({"overrides"}),
    "edition_item": frozenset({"partly"}),
    "revision": frozenset({"raw_hash", "updated_at"}),
}
_LEDGER = (edition, edition_item, variant, variant_item, plan_chunk, plan_exclusion, batch, attempt, delivery_exception)
_TABLES = (*_LEDGER, edition_choice, revision)
_OVER = (EditionState.DONE.value, EditionState.CANCELLED.value)
_LIVELY = [state.value for state in OPEN_BATCHES]
_PAGE = 500


def columns() -> dict[str, tuple[str, ...]]:
    return {
        table.name: tuple(column.name for column in table.c if column.name not in _LATER.get(table.name, ()))
        for table in _TABLES
    }


def ledger(connection: Connection, id: int, wanted: Mapping[str, Sequence[str]]) -> Iterator[LedgerRow]:
    by_name = {table.name: table for table in _TABLES}
    for name, fields in wanted.items():
        table = by_name.get(name)
        if table is None or any(field not in table.c for field in fields):
            raise StoreError(f"this Publisher does not know what the receipt says of {name}; use the one that made it")
        yield from _rows(connection, id, table, fields)


def told(connection: Connection, id: int) -> Iterator[LedgerRow]:
    by_events = delivery_exception.c.kind.in_(KINDS)
    yield from _rows(connection, id, delivery_exception, [c.name for c in delivery_exception.c], by_events)


def _rows(
    connection: Connection, id: int, table: sa.Table, fields: Sequence[str], *which: sa.ColumnElement[bool]
) -> Iterator[LedgerRow]:
    """In the order of the primary key, or of the batch they belong to."""
    named, source, where, order, sequence = _READ[table.name]
    if table is delivery_exception and not which:
        which = (table.c.kind.not_in(KINDS),)
    values = [table.c[field].label(f"v_{field}") for field in fields]
    query = sa.select(*values, sequence.label("of_batch"), *(part.label(f"n_{at}") for at, part in enumerate(named)))
    query = query.select_from(source).where(where == id, *which).order_by(*order)
    found = connection.execution_options(yield_per=_PAGE).execute(query)
    for row in found.mappings():
        name = "/".join(str(row[f"n_{at}"]) for at in range(len(named)))
        yield LedgerRow(table.name, name, row["of_batch"], {field: _plain(row[f"v_{field}"]) for field in fields})


_NONE = sa.literal(-1)
_OF_BATCH = batch.c.sequence
#: The revisions that variants of an edition tell, each once.
_TOLD = (
    sa.select(variant.c.edition, variant_item.c.article, variant_item.c.revision)
    .join_from(variant_item, variant, variant.c.id == variant_item.c.variant)
    .distinct()
    .subquery()
)
#: By table: what names a row, what it is read from, the edition it belongs to, the order, and its batch's number.
_READ: Final[Mapping[str, tuple[Sequence[Any], Any, Any, Sequence[Any], Any]]] = {
    "edition": ((edition.c.slot,), edition, edition.c.id, (edition.c.id,), _NONE),
    "edition_item": ((edition_item.c.article,), edition_item, edition_item.c.edition, (edition_item.c.article,), _NONE),
    "variant": ((variant.c.key,), variant, variant.c.edition, (variant.c.id,), _NONE),
    "variant_item": (
        (variant.c.key, variant_item.c.article),
        variant_item.join(variant, variant.c.id == variant_item.c.variant),
        variant.c.edition,
        (variant_item.c.variant, variant_item.c.article),
        _NONE,
    ),
    "plan_chunk": ((plan_chunk.c.chunk_lo,), plan_chunk, plan_chunk.c.edition, (plan_chunk.c.chunk_lo,), _NONE),
    "plan_exclusion": (
        (plan_exclusion.c.chunk_lo, plan_exclusion.c.reason),
        plan_exclusion,
        plan_exclusion.c.edition,
        (plan_exclusion.c.chunk_lo, plan_exclusion.c.reason),
        _NONE,
    ),
    "edition_choice": ((edition_choice.c.edition,), edition_choice, edition_choice.c.edition, (), _NONE),
    "revision": (
        (revision.c.article, revision.c.number),
        revision.join(_TOLD, sa.and_(_TOLD.c.article == revision.c.article, _TOLD.c.revision == revision.c.number)),
        _TOLD.c.edition,
        (revision.c.article, revision.c.number),
        _NONE,
    ),
    "batch": ((_OF_BATCH,), batch, batch.c.edition, (_OF_BATCH,), _OF_BATCH),
    "attempt": (
        (_OF_BATCH, attempt.c.attempt),
        attempt.join(batch, batch.c.id == attempt.c.batch),
        batch.c.edition,
        (_OF_BATCH, attempt.c.attempt),
        _OF_BATCH,
    ),
    "delivery_exception": (
        (_OF_BATCH, delivery_exception.c.subscriber, delivery_exception.c.kind),
        delivery_exception.join(batch, batch.c.id == delivery_exception.c.batch),
        delivery_exception.c.edition,
        (_OF_BATCH, delivery_exception.c.subscriber, delivery_exception.c.kind),
        _OF_BATCH,
    ),
}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes | memoryview) else value


def versions(connection: Connection, id: int) -> tuple[Version, ...]:
    rows = connection.execute(sa.select(variant).where(variant.c.edition == id).order_by(variant.c.id)).all()
    keys = {row.id: row.key for row in rows}
    items = _editions.items_of(connection, variant_item, variant_item.c.variant, list(keys))
    readers = _readers(connection, id)
    return tuple(
        Version(
            key=row.key,
            language=row.language,
            template=row.template,
            subject=row.subject,
            content_hash=row.content_hash,
            recipe=row.recipe,
            supersedes=keys.get(row.supersedes, ""),
            readers=readers[row.id],
            items=items.get(row.id, ()),
        )
        for row in rows
    )


def _readers(connection: Connection, id: int) -> defaultdict[int, int]:
    """By variant: letters that were accepted. Where a batch has one variant, its counts say it."""
    found: defaultdict[int, int] = defaultdict(int)
    fields = (batch.c.runs, batch.c.n, batch.c.skipped, batch.c.rejected, batch.c.moved)
    counts = (batch.c.skipped_n, batch.c.rejected_n, batch.c.moved_n)
    accepted = sa.and_(batch.c.edition == id, batch.c.state == BatchState.ACCEPTED.value)
    query = sa.select(*fields, *counts).where(accepted).order_by(batch.c.id)
    for row in connection.execution_options(yield_per=_PAGE).execute(query):
        runs = unpack_runs(row.runs)
        if len(runs) == 1:
            found[runs[0][0]] += row.n - row.skipped_n - row.rejected_n - row.moved_n
            continue
        out = {at for bits in (row.skipped, row.rejected, row.moved) for at in unpack_positions(bits)}
        at = 0
        for shown, members in runs:
            found[shown] += len(members) - sum(place in out for place in range(at, at + len(members)))
            at += len(members)
    return found


# ---------------------------------------------------------------- receipts


def due(connection: Connection, limit: int) -> tuple[int, ...]:
    lively = sa.exists().where(batch.c.edition == edition.c.id, batch.c.state.in_(_LIVELY))
    same = receipt.c.finished_at.is_not_distinct_from(edition.c.finished_at)
    there = sa.exists().where(receipt.c.edition == edition.c.id, same)
    over = sa.select(edition.c.id).where(edition.c.state.in_(_OVER), ~there, ~lively)
    return tuple(connection.execute(over.order_by(edition.c.id).limit(limit)).scalars())


def last(connection: Connection, id: int) -> Receipt | None:
    newest = sa.select(receipt).where(receipt.c.edition == id).order_by(receipt.c.number.desc()).limit(1)
    row = connection.execute(newest).mappings().one_or_none()
    if row is None:
        return None
    fields = ("edition", "number", "body", "hash", "seal", "made_at", "finished_at", "told", "told_seal")
    return Receipt(**{field: row[field] for field in fields}, telling=row["telling"] != row["told_telling"])


def newest(connection: Connection, of: str) -> str:
    """The hash of a newsletter's newest receipt, "" without one."""
    all_ = sa.select(receipt.c.hash).join(edition, edition.c.id == receipt.c.edition)
    mine = all_.join(newsletter, newsletter.c.id == edition.c.newsletter).where(newsletter.c.slug == of)
    order = (receipt.c.made_at.desc(), receipt.c.edition.desc(), receipt.c.number.desc())
    return connection.execute(mine.order_by(*order).limit(1)).scalar_one_or_none() or ""


def has(connection: Connection, hash: str) -> bool:
    return connection.execute(sa.select(receipt.c.edition).where(receipt.c.hash == hash).limit(1)).first() is not None


def add(connection: Connection, one: Receipt) -> bool:
    fields = ("edition", "number", "body", "hash", "seal", "made_at", "finished_at", "told", "told_seal")
    values = {field: getattr(one, field) for field in fields} | {"telling": 1, "told_telling": 0}
    statement = shared.insert(connection, receipt).values(**values).on_conflict_do_nothing()
    return connection.execute(statement.returning(receipt.c.number)).first() is not None


def went_on(connection: Connection, id: int) -> None:
    """No edition that is over has no time at which it was."""
    connection.execute(sa.update(receipt).where(receipt.c.edition == id).values(finished_at=None))


def to_be_told(connection: Connection, limit: int) -> tuple[int, ...]:
    open_ones = sa.select(receipt.c.edition).where(receipt.c.telling != receipt.c.told_telling).distinct()
    return tuple(connection.execute(open_ones.order_by(receipt.c.edition).limit(limit)).scalars())


def counted(connection: Connection, id: int) -> int:
    newest = sa.select(receipt.c.telling).where(receipt.c.edition == id).order_by(receipt.c.number.desc()).limit(1)
    return int(connection.execute(newest).scalar_one_or_none() or 0)


def seal_told(connection: Connection, id: int, *, told: str, seal: str, telling: int) -> None:
    of = sa.update(receipt).where(receipt.c.edition == id)
    newest = sa.select(sa.func.max(receipt.c.number)).where(receipt.c.edition == id).scalar_subquery()
    connection.execute(of.where(receipt.c.number != newest).values(told_telling=receipt.c.telling))
    connection.execute(of.where(receipt.c.number == newest).values(told=told, told_seal=seal, told_telling=telling))
