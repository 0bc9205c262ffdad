"""The story: when a newsletter's editions are due. A slot is an edition's identity, so nothing here runs twice.

Most cadences are told by the clock (`kit.slots`); of those told by news ("new-5") editions are numbered, and the
next one is due as soon as there are so many new articles.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from publisher import editions
from publisher.kit import slots
from publisher.model import ALERT, DUE, EditionState, Label, Newsletter, Slot, SubscriptionStatus, Timetable, cadence_of
from publisher.pipeline.choosing import chosen
from publisher.ports import Parts

#: An edition whose sources cannot be asked is made so long before it would be too late to mail.
SPARE = timedelta(minutes=15)
#: An edition of a cadence told by news that is not finished yet: what comes in now may still go into it.
_UNFINISHED = (EditionState.DRAFT, EditionState.WAITING)


def timetable(parts: Parts, newsletter: Newsletter, cadence: str = "") -> Timetable:
    return newsletter.timetable(cadence, parts.store.audience.zones() if newsletter.by_readers else ())


def today(parts: Parts, newsletter: Newsletter, cadence: str = "") -> Slot:
    """What an editor sends by hand: the slot of today, or of this week or month, whether its hour has come or not."""
    if slots.counts(cadence or newsletter.cadence):
        return _numbered(parts, newsletter, cadence or newsletter.cadence)
    return slots.today(timetable(parts, newsletter, cadence), parts.clock.now())


def come(parts: Parts, newsletter: Newsletter, cadence: str = "") -> Slot | None:
    """The newest slot whose hour has come, or None while there is too little new, or in quiet hours."""
    cadence = cadence or newsletter.cadence
    if slots.counts(cadence):
        return _enough(parts, newsletter, cadence)
    return slots.current(timetable(parts, newsletter, cadence), parts.clock.now())


def following(parts: Parts, newsletter: Newsletter, cadence: str = "") -> Slot | None:
    """The next slot; None where nobody can tell, because it depends on what comes in."""
    cadence = cadence or newsletter.cadence
    return None if slots.counts(cadence) else slots.upcoming(timetable(parts, newsletter, cadence), parts.clock.now())


def waiting(parts: Parts) -> Iterator[tuple[Newsletter, Slot]]:
    """The newest slot that has come of every cadence, since the newsletter is in the settings."""
    for newsletter in parts.newsletters:
        born = parts.store.editions.born(newsletter.slug)
        for cadence in newsletter.offered:
            slot = come(parts, newsletter, cadence)
            if slot is not None and slot.due_at >= born:
                yield newsletter, slot


def gathering(parts: Parts, newsletter: Newsletter, slot: Slot) -> bool:
    """Whether some of its sources have not been asked since the slot's hour and are due: what a machine that was off
    at the hour knows is old. A look that fails is a look too. Nothing is waited for until it is too late to mail."""
    now, spare, cadence = parts.clock.now(), min(SPARE, newsletter.late / 4), cadence_of(slot.name)
    if cadence == ALERT or slots.counts(cadence) or not slot.due_at <= now < slot.due_at + newsletter.late - spare:
        return False
    wanted = {slug.casefold() for slug in newsletter.selection.sources}
    return any(
        source.completed_at is not None  # the first look may read an archive for hours
        and (not wanted or source.slug.casefold() in wanted)
        and (source.next_fetch_at is None or source.next_fetch_at <= now)
        and (source.fetched_at is None or source.fetched_at < slot.due_at)
        for source in parts.store.sources.all()
    )


def work_key(newsletter: Newsletter, slot: Slot) -> str:
    """What the engine is told to compose: the newsletter, and the cadence where it is not its own."""
    cadence = cadence_of(slot.name)
    return newsletter.slug if cadence == newsletter.cadence else f"{newsletter.slug}/{cadence}"


def _numbered(parts: Parts, newsletter: Newsletter, cadence: str) -> Slot:
    last = parts.store.editions.last(newsletter.slug, cadence)
    if last is not None and last.state in _UNFINISHED:
        return Slot(name=last.slot, due_at=last.due_at)
    number = int(last.slot.partition(":")[2]) + 1 if last is not None else 1
    return Slot(name=f"{cadence}:{number}", due_at=parts.clock.now())


def _enough(parts: Parts, newsletter: Newsletter, cadence: str) -> Slot | None:
    slot, now = _numbered(parts, newsletter, cadence), parts.clock.now()
    if editions.find(parts.store, f"{newsletter.slug}/{slot.name}") is not None:
        return slot
    if slots.departure(timetable(parts, newsletter, cadence), slot.name, "", now) is not None:
        return None
    whose = newsletter.readership(slot.name)
    if not parts.store.audience.count(newsletter.slug, whose)[SubscriptionStatus.CONFIRMED]:
        return None
    choice, _ = chosen(parts, newsletter, slot)
    new = sum(item.label is Label.NEW and not item.spare for item in choice.items)
    owed = any(item.label in DUE for item in choice.items)
    return slot if owed or new >= slots.counts(cadence) else None
