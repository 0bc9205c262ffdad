"""Merging events into the ledger, thousands at a time: a bit for who was delivered to, a row for anything worse."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from publisher.model import EventKind, KeptEvent, Merged, ReaderEvent
from publisher.store import _shared as shared
from publisher.store._lookups import (
    Members,
    Sheet,
    address_keys,
    by_address,
    members_of,
    position_in,
    sheets_of,
    slugs_of,
)
from publisher.store.tables import batch, delivery_exception, receipt

#: Who opens a letter has got it.
_DELIVERED = frozenset({EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED})
#: Kinds that concern the reader, and not only this letter.
_OF_READERS = frozenset(
    {
        EventKind.SOFT_BOUNCE,
        EventKind.HARD_BOUNCE,
        EventKind.BLOCKED,
        EventKind.COMPLAINT,
        EventKind.UNSUBSCRIBED,
    }
)
#: The kinds of exceptions that events make; "rejected" is the ledger's own.
KINDS = tuple(kind.value for kind in EventKind)

_SOFT = EventKind.SOFT_BOUNCE.value


#: Later than any event.
_NEVER = datetime.max.replace(tzinfo=UTC)


class Note(NamedTuple):
    """An event about the letter at a position, which leaves more than the bit of a delivery."""

    kept: KeptEvent
    sheet: Sheet
    position: int


@dataclass(slots=True)
class Sorted:
    """Events by what is to be done with them. `unplaced` name a batch of ours and no position in it."""

    delivered: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    notes: list[Note] = field(default_factory=list)
    unplaced: list[tuple[KeptEvent, Sheet]] = field(default_factory=list)
    orphans: list[KeptEvent] = field(default_factory=list)

    def place(self, kept: KeptEvent, sheet: Sheet, position: int) -> None:
        kind = kept.event.kind
        if kind in _DELIVERED:
            self.delivered[sheet.id].add(position)
        elif kind is not EventKind.ACCEPTED or not sheet.plain:
            self.notes.append(Note(kept, sheet, position))


def merge(connection: Connection, kept: Sequence[KeptEvent]) -> Merged:
    sheets = sheets_of(connection, {one.event.batch for one in kept if one.event.batch})
    found = _sort(kept, sheets)
    _place_by_address(connection, found)
    fresh = _mark_delivered(connection, found.delivered, {sheet.id: sheet for sheet in sheets.values()})
    soft = _soft_rows(connection, fresh)
    needed = {note.sheet.id for note in found.notes} | soft.keys()
    members = members_of(connection, needed)
    _put_exceptions(connection, found.notes, members)
    recovered = {one for id, ones in soft.items() for one in ones if position_in(members[id], one) in fresh[id]}
    return Merged(
        readers=tuple(_readers(connection, found, members)),
        recovered=address_keys(connection, recovered),
        orphans=len(found.orphans),
    )


def _sort(kept: Sequence[KeptEvent], sheets: Mapping[str, Sheet]) -> Sorted:
    found = Sorted()
    for one in kept:
        sheet = sheets.get(one.event.batch)
        if sheet is None:
            found.orphans.append(one)
        elif 0 <= one.event.position < sheet.n:
            found.place(one, sheet, one.event.position)
        else:
            found.unplaced.append((one, sheet))
    return found


def _place_by_address(connection: Connection, found: Sorted) -> None:
    """A mailer that gave back no position still told the address."""
    if not found.unplaced:
        return
    known = by_address(connection, {_compared(one) for one, _ in found.unplaced})
    members = members_of(connection, {sheet.id for _, sheet in found.unplaced})
    for one, sheet in found.unplaced:
        person = known.get(_compared(one))
        position = position_in(members[sheet.id], person[0]) if person else -1
        if position < 0:
            found.orphans.append(one)
        else:
            found.place(one, sheet, position)


def _compared(kept: KeptEvent) -> str:
    return kept.event.recipient.strip().casefold()


# ---------------------------------------------------------------- deliveries


def _mark_delivered(
    connection: Connection, delivered: Mapping[int, set[int]], sheets: Mapping[int, Sheet]
) -> dict[int, frozenset[int]]:
    """By batch, the positions that were not marked before."""
    changed: list[dict[str, object]] = []
    fresh: dict[int, frozenset[int]] = {}
    for id in sorted(delivered):
        before = sheets[id].delivered
        after = with_bits(before, delivered[id])
        if after != before:
            changed.append({"of": id, "found": after})
            fresh[id] = frozenset(at for at in delivered[id] if not has_bit(before, at))
    if changed:
        statement = sa.update(batch).where(batch.c.id == sa.bindparam("of"))
        connection.execute(statement.values(delivered=sa.bindparam("found")), changed)
    return fresh


def with_bits(bitmap: bytes, positions: Iterable[int]) -> bytes:
    """A bitmap of `kit.compact` with more positions in it."""
    after = bytearray(bitmap)
    for position in positions:
        if position >> 3 >= len(after):
            after.extend(bytes((position >> 3) + 1 - len(after)))
        after[position >> 3] |= 1 << (position & 7)
    return bytes(after)


def has_bit(bitmap: bytes, position: int) -> bool:
    return position >> 3 < len(bitmap) and bool(bitmap[position >> 3] >> (position & 7) & 1)


def _soft_rows(connection: Connection, ids: Collection[int]) -> dict[int, list[int]]:
    """Who of those batches has a soft bounce on record."""
    if not ids:
        return {}
    columns = (delivery_exception.c.batch, delivery_exception.c.subscriber)
    of = sa.and_(shared.among(connection, delivery_exception.c.batch, ids), delivery_exception.c.kind == _SOFT)
    found: dict[int, list[int]] = defaultdict(list)
    for id, subscriber_id in connection.execute(sa.select(*columns).where(of)):
        found[id].append(subscriber_id)
    return found


# ---------------------------------------------------------------- exceptions


Place = tuple[int, int, str]  # batch, subscriber, kind
Said = tuple[datetime, str, str]  # at, code, detail


def _put_exceptions(connection: Connection, notes: Sequence[Note], members: Mapping[int, Members]) -> None:
    """One row for each letter and kind, saying what the earliest event of that kind said."""
    said: dict[Place, Said] = {}
    editions: dict[int, int] = {}
    for note in notes:
        event, id = note.kept.event, note.sheet.id
        if event.kind is EventKind.ACCEPTED and not _is_news(note, members[id]):
            continue
        place = (id, members[id].subscribers[note.position], event.kind.value)
        told = (event.at, event.code, event.detail)
        said[place] = min(told, said.get(place, told))
        editions[id] = note.sheet.edition
    if not said:
        return
    before = _exceptions(connection, editions)
    rows = [
        {
            "batch": id,
            "subscriber": who,
            "kind": kind,
            "edition": editions[id],
            "at": at,
            "code": code,
            "detail": detail,
        }
        for (id, who, kind), (at, code, detail) in sorted(said.items())
        if (at, code, detail) < before.get((id, who, kind), (_NEVER, "", ""))
    ]
    if rows:
        statement = shared.insert(connection, delivery_exception)
        new = statement.excluded
        changed = {"at": new.at, "code": new.code, "detail": new.detail}
        key = ["batch", "subscriber", "kind"]
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed), rows)
        _receipts_of(connection, set(editions.values()))


def _receipts_of(connection: Connection, ids: Collection[int]) -> None:
    """What their receipts have sealed of events is not all any more."""
    these = sa.update(receipt).where(shared.among(connection, receipt.c.edition, ids))
    connection.execute(these.values(telling=receipt.c.telling + 1))


def _is_news(note: Note, members: Members) -> bool:
    """Whether the ledger does not know that the letter was accepted; if it does, no row needs to say so again."""
    return not note.sheet.accepted or note.position in members.out


def _exceptions(connection: Connection, ids: Collection[int]) -> dict[Place, Said]:
    table = delivery_exception.c
    columns = (table.batch, table.subscriber, table.kind, table.at, table.code, table.detail)
    of = sa.and_(shared.among(connection, table.batch, ids), table.kind.in_(KINDS))
    rows = connection.execute(sa.select(*columns).where(of))
    return {(id, who, kind): (at, code, detail) for id, who, kind, at, code, detail in rows}


# ---------------------------------------------------------------- readers


def _readers(connection: Connection, found: Sorted, members: Mapping[int, Members]) -> Iterator[ReaderEvent]:
    """The events that concern readers. Of one that names no letter of ours its address is looked for."""
    notes = [note for note in found.notes if note.kept.event.kind in _OF_READERS]
    orphans = [one for one in found.orphans if one.event.kind in _OF_READERS and one.event.recipient]
    slugs = slugs_of(connection, {note.sheet.edition for note in notes})
    told = [(note, members[note.sheet.id].subscribers[note.position]) for note in notes]
    keys = address_keys(connection, {who for _, who in told})
    for note, who in told:
        yield ReaderEvent(
            mailer=note.kept.mailer,
            event=note.kept.event,
            edition=note.sheet.edition,
            newsletter=slugs[note.sheet.edition],
            subscriber=who,
            address_key=keys.get(who, b""),
        )
    known = by_address(connection, {_compared(one) for one in orphans})
    for one in orphans:
        id, key = known.get(_compared(one), (0, b""))
        yield ReaderEvent(mailer=one.mailer, event=one.event, subscriber=id, address_key=key)
