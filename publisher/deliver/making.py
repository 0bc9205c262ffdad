"""What a batch's mailer is handed: every recipient looked at once more, and the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from publisher.deliver.desk import Desk
from publisher.deliver.letters import letterhead, mailing
from publisher.deliver.rules import skips
from publisher.model import Batch, Edition, Letterhead, Mailing, Prepared, Rendered
from publisher.ports import Store

#: Variants that a drain remembers.
REMEMBERED = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A batch as its mailer sees it, with the place of its letterhead, who is skipped, and why, by position (None: that
    is decided already). `fault` says why there are no bytes of it."""

    letterhead: int
    skipped: frozenset[int]
    why: Mapping[int, str] | None
    mailing: Mailing
    prepared: Prepared | None = None
    fault: str = ""


def make(desk: Desk, store: Store, batch: Batch) -> Made:
    """Look at every recipient once more, and make the bytes."""
    made = draft(desk, store, batch)
    try:
        return replace(made, prepared=desk.mailer.prepare(made.mailing))
    except ValueError as error:
        return replace(made, fault=str(error) or type(error).__name__)


def draft(desk: Desk, store: Store, batch: Batch) -> Made:
    edition = _edition(desk, store, batch)
    at, head = _letterhead(desk, store, edition, batch)
    people = store.audience.recipients(edition.newsletter, [subscriber for subscriber, _ in batch.members])
    why, skipped = None, batch.skipped
    if batch.first_intent_at is None:
        batch, withdrawn = store.outbox.latest(batch)
        arrived = store.events.arrived(batch.id) if batch.parent else frozenset()
        why = skips(batch, people, withdrawn, arrived)
        skipped = frozenset(why)
    variants = _variants(desk, store, batch)
    made = mailing(batch, edition, head, people=people, skipped=skipped, variants=variants, keys=desk.keys)
    return Made(letterhead=at, skipped=skipped, why=why, mailing=made)


def _edition(desk: Desk, store: Store, batch: Batch) -> Edition:
    """What its letters are made of never changes; letterheads are only added."""
    known = desk.editions.get(batch.edition)
    if known is None or batch.letterhead >= len(known.letterheads):
        known = desk.editions[batch.edition] = store.editions.by_id(batch.edition)
    return known


def _variants(desk: Desk, store: Store, batch: Batch) -> Mapping[int, Rendered]:
    wanted = {run.variant for run in batch.runs}
    found = {id: desk.shown[id] for id in wanted if id in desk.shown}
    if missing := wanted - found.keys():
        read = {one.id: one.rendered for one in store.editions.variants(batch.edition, among=missing)}
        if len(desk.shown) + len(read) > REMEMBERED:
            desk.shown.clear()
        desk.shown.update(read)
        found |= read
    return found


def _letterhead(desk: Desk, store: Store, edition: Edition, batch: Batch) -> tuple[int, Letterhead]:
    """What may have left keeps the letterhead it left with; anything else has that of the settings of today, or
    the last one when the newsletter is not there any more. Its place among the edition's, and the letterhead."""
    there, newsletter = edition.letterheads, desk.newsletters.get(edition.newsletter)
    if batch.first_intent_at is not None:
        return batch.letterhead, there[batch.letterhead]
    if newsletter is None:
        return len(there) - 1, there[-1]
    head = letterhead(newsletter, desk.site)
    if head in there:
        return there.index(head), head
    desk.editions.pop(edition.id, None)  # it has one more now
    return store.editions.add_letterhead(edition.id, head), head
