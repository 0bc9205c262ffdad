"""Step 5: what providers tell becomes outcomes, bounces, complaints, and suppressions where due.

Events arrive late, twice and in any order. Each is kept once, and answered, before anything is made of it; here they
are merged, thousands in a transaction, into facts that only add up. A hard bounce suppresses its address at once, a
complaint also ends every subscription; soft bounces suppress when they come in a row and over a time; a block is the
sender's trouble and suppresses nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.model import (
    Ending,
    EventKind,
    Merged,
    ReaderEvent,
    Suppression,
    SuppressionReason,
)
from publisher.ports import Keys, Store

#: Events merged in one transaction: others who write wait about a tenth of a second.
CHUNK = 4_000
#: Events merged in one piece of work.
LIMIT = 100_000
#: How long merged events are kept. A repeated one is known that long; after it, it changes nothing either.
KEPT = timedelta(days=90)

#: Letters in a row that bounce softly, and the least time from the first to the last, before nobody reads there.
SOFT_BOUNCES = 4
SOFT_TIME = timedelta(days=14)

#: Blocked letters of an edition that are trouble: at least so many, and at least this part of those accepted.
BLOCKS = 5
BLOCKED_PART = 0.02

#: The newsletter of an ending that means all of them.
_ALL = ""

#: A reader's letters in the order they left: its edition, and when it bounced softly (None: it did not).
Letters = Sequence[tuple[int, datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Letters of an edition that were refused because of us, of those a mailer accepted."""

    blocked: int
    accepted: int

    @property
    def too_many(self) -> bool:
        """Whether to stop before the rest is refused as well, and our name with it."""
        return self.blocked >= BLOCKS and self.blocked >= BLOCKED_PART * self.accepted


@dataclass(slots=True)
class Tally:
    """What one call made of how many events. `blocked` holds, by edition key, the editions of which a letter was
    reported as blocked, with all blocks so far."""

    kinds: Counter[EventKind] = field(default_factory=Counter)
    orphans: int = 0
    suppressed: int = 0
    released: int = 0
    ended: int = 0
    blocked: Mapping[str, Blocks] = field(default_factory=dict)

    @property
    def events(self) -> int:
        return self.kinds.total()


def record(store: Store, keys: Keys, *, now: datetime, limit: int = LIMIT, chunk: int = CHUNK) -> Tally:
    """Merge what was kept, oldest first, until nothing waits or `limit` events are merged.

    A chunk and all that follows from it commit together, so a process may be killed anywhere. Any number of
    processes may call this; one of them merges.
    """
    tally, blocked = Tally(), set[int]()
    while tally.events < limit:
        with store.transaction() as together:
            kept = together.events.take(min(chunk, limit - tally.events))
            if not kept:
                break
            merged = together.events.merge(kept, at=now)
            _apply(together, keys, merged, tally)
        tally.kinds.update(one.event.kind for one in kept)
        tally.orphans += merged.orphans
        blocked |= {one.edition for one in _of(merged.readers, EventKind.BLOCKED) if one.edition}
    tally.blocked = dict(_blocks(store, id) for id in sorted(blocked))
    return tally


def forget(store: Store, *, before: datetime) -> int:
    """Delete events that were merged and kept before that time. How many."""
    return store.events.forget(before)


def _blocks(store: Store, id: int) -> tuple[str, Blocks]:
    blocked = store.events.tally(id).get(EventKind.BLOCKED, 0)
    return store.editions.by_id(id).key, Blocks(blocked=blocked, accepted=store.outbox.sums(id).accepted)


def _apply(store: Store, keys: Keys, merged: Merged, tally: Tally) -> None:
    suppressions, endings = effects(merged.readers, keys)
    tally.ended += store.events.end(endings)
    tally.suppressed += store.events.suppress(suppressions)
    _count_soft_bounces(store, merged, tally)


# ---------------------------------------------------------------- decided at once


def effects(events: Iterable[ReaderEvent], keys: Keys) -> tuple[list[Suppression], list[Ending]]:
    """What events mean for their readers by themselves."""
    suppressions, endings = [], []
    for one in events:
        kind = one.event.kind
        if (reason := _REASONS.get(kind)) and (key := _address_key(one, keys)):
            suppressions.append(_suppression(one, key, reason))
        if one.subscriber and kind is EventKind.COMPLAINT:
            endings.append(_ending(one, _ALL, always=True))
        if one.subscriber and kind is EventKind.UNSUBSCRIBED:
            endings.append(_ending(one, one.newsletter or _ALL, always=False))
    return suppressions, endings


_REASONS = {EventKind.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE, EventKind.COMPLAINT: SuppressionReason.COMPLAINT}


def _address_key(one: ReaderEvent, keys: Keys) -> bytes:
    """Of the reader, or of the address alone when it is nobody's (any more); b"" when nothing is known."""
    compared = one.event.recipient.strip().casefold()
    return one.address_key or (keys.address(compared) if compared else b"")


def _suppression(one: ReaderEvent, key: bytes, reason: SuppressionReason) -> Suppression:
    evidence = {"mailer": one.mailer, "event": one.event.event_id, "code": one.event.code}
    return Suppression(address_key=key, address=None, reason=reason, evidence=evidence, since=one.event.at)


def _ending(one: ReaderEvent, newsletter: str, *, always: bool) -> Ending:
    return Ending(
        subscriber=one.subscriber,
        newsletter=newsletter,
        at=one.event.at,
        why=one.event.kind.value,
        mailer=one.mailer,
        event_id=one.event.event_id,
        always=always,
    )


# ---------------------------------------------------------------- soft bounces, counted


def _count_soft_bounces(store: Store, merged: Merged, tally: Tally) -> None:
    """A row of soft bounces is counted anew from all letters, so it does not matter what was told first; a letter
    that was delivered after all may also end a suppression."""
    bounced = [one for one in _of(merged.readers, EventKind.SOFT_BOUNCE) if one.address_key and one.edition]
    new = {(one.subscriber, one.edition) for one in bounced}
    address_keys = {**merged.recovered, **{one.subscriber: one.address_key for one in bounced}}
    suppressions, released = [], []
    for subscriber, letters in store.events.letters(address_keys, least=SOFT_BOUNCES).items():
        rows = [row for row in rows_of_soft_bounces(letters) if ended_at(row)]
        grown = any((subscriber, edition) in new for row in rows for edition, _ in row)
        if rows and (grown or subscriber in merged.recovered):
            suppressions.append(_unread(address_keys[subscriber], rows[0]))
        elif not rows and subscriber in merged.recovered:
            released.append(address_keys[subscriber])
    tally.suppressed += store.events.suppress(suppressions)
    tally.released += store.events.release(released)


def rows_of_soft_bounces(letters: Letters) -> Iterator[list[tuple[int, datetime]]]:
    """The letters that bounced softly, in rows: any other letter ends one."""
    row: list[tuple[int, datetime]] = []
    for edition, at in letters:
        if at is not None:
            row.append((edition, at))
        elif row:
            yield row
            row = []
    if row:
        yield row


def ended_at(row: Sequence[tuple[int, datetime]]) -> datetime | None:
    """When a row became long enough, None when it is not."""
    times = sorted(at for _, at in row)
    return next((at for at in times[SOFT_BOUNCES - 1 :] if at - times[0] >= SOFT_TIME), None)


def _unread(address_key: bytes, row: Sequence[tuple[int, datetime]]) -> Suppression:
    since = ended_at(row)
    assert since is not None
    return Suppression(
        address_key=address_key,
        address=None,
        reason=SuppressionReason.SOFT_BOUNCES,
        evidence={"soft bounces in a row": len(row)},
        since=since,
    )


def _of(events: Iterable[ReaderEvent], kind: EventKind) -> Iterator[ReaderEvent]:
    return (one for one in events if one.event.kind is kind)
