"""The story, step 3: articles into an edition."""

from __future__ import annotations

from dataclasses import replace

from publisher import compose as composing
from publisher import editions, errors
from publisher.model import (
    ALERT,
    FOR_ALL,
    Edition,
    EditionState,
    Newsletter,
    Slot,
    SubscriptionStatus,
    Variant,
    cadence_of,
)
from publisher.pipeline import calendar, keeping, preflighting
from publisher.pipeline.choosing import chosen
from publisher.pipeline.pictures import hosted
from publisher.ports import Parts


def compose(parts: Parts, key: str) -> Edition | None:
    """The hour of a newsletter, or of another of its cadences ("gazette/weekly"), has come, or an article is urgent
    ("gazette/alert:7:1"): make the edition, or merge it into the next when it is too late. None when it would come with
    enough news, and there is not enough."""
    slug, _, cadence = key.partition("/")
    newsletter = newsletter_of(parts, slug)
    if cadence_of(cadence) == ALERT:
        there = editions.find(parts.store, key)
        slot: Slot | None = Slot(name=cadence, due_at=there.due_at if there else parts.clock.now())
    else:
        slot = calendar.come(parts, newsletter, cadence)
    return compose_slot(parts, newsletter, slot) if slot else None


def compose_slot(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, by_hand: bool = False, by: str = editions.AUTOMATIC
) -> Edition:
    """Choose, render, and approve where no editor has to. The slot is the edition's identity, so doing it
    twice is doing it once; by hand also what was skipped or merged is made anew, whatever the hour.

    Raises TemplateError, and PreflightError for what would arrive broken; the edition then stays a draft that says why.
    """
    store, now = parts.store, parts.clock.now()
    there = editions.find(store, f"{newsletter.slug}/{slot.name}")
    if there is not None and there.state not in (editions.OPEN if by_hand else (EditionState.DRAFT,)):
        return there
    if there is not None and by == "auto" and editions.taken_back(there):
        return there
    if not by_hand and now > slot.due_at + newsletter.late:
        return editions.write(store, composing.merged(newsletter, slot, now=now))
    editions.expire(store, newsletter, now)
    edition, choice, variant = draft(parts, newsletter, slot)
    if (
        not choice.skip
        and not store.audience.count(newsletter.slug, newsletter.readership(slot.name))[SubscriptionStatus.CONFIRMED]
    ):
        skipped = composing.Choice(items=(), decisions=(), skip="nobody has subscribed")
        edition, choice, variant = composing.draft(newsletter, slot, skipped, "", now=now), skipped, None
    if variant is not None:
        overridden = replace(edition, overrides=there.overrides if there else ())
        reason = preflighting.reason(parts, overridden, newsletter, [variant], network=False)
        edition = replace(edition, reason=reason)
    with store.transaction() as together:
        together.editions.lock(newsletter.slug)
        if editions.repeats(together, edition, cadence=newsletter.readers_of(slot.name)):
            raise errors.Conflict(f"another edition of {newsletter.slug} has just taken these articles; try again")
        edition = editions.write(together, edition)
        together.decisions.keep(edition.id, choice.decisions)
        if cadence_of(slot.name) == newsletter.cadence or cadence_of(slot.name) in FOR_ALL:
            together.decisions.record(choice.decisions)
        if variant is not None:
            together.editions.add_variant(edition.id, variant)
            if newsletter.approval == "auto" and not edition.reason:
                edition = editions.approve(together, edition.key, by, undo=newsletter.undo, now=now)
    if edition.state is EditionState.DRAFT and edition.reason:
        raise (errors.TemplateError if variant is None else errors.PreflightError)(edition.reason)
    return edition


def draft(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, again: bool = False
) -> tuple[Edition, composing.Choice, Variant | None]:
    """What an edition would be right now. Nothing is stored but its pictures, where the site hosts them. Not rendered
    when it would be skipped, or when a template is broken: the edition then is a draft whose reason says where. With
    `again`, to look at only, articles that went out already count as new."""
    now = parts.clock.now()
    choice, articles = chosen(parts, newsletter, slot, again=again)
    edition = composing.draft(
        newsletter, slot, choice, parts.templates.fingerprint(newsletter.of(slot.name).template), now=now
    )
    if choice.skip:
        return edition, choice, None
    items = composing.for_everybody(choice.items)
    shown = hosted(parts, items, {article.id: article for article in articles})
    try:
        variant = keeping.make(parts, newsletter, slot, items, shown, now=now)
    except errors.TemplateError as error:
        return replace(edition, state=EditionState.DRAFT, reason=str(error)), choice, None
    return replace(edition, subject=variant.rendered.subject), choice, variant


def send(parts: Parts, newsletter: Newsletter, slot: Slot, editor: str) -> Edition:
    """An editor's manual send: make the edition of this slot unless it is on its way, and approve it."""
    edition = compose_slot(parts, newsletter, slot, by_hand=True, by=editor)
    if edition.state in (EditionState.DRAFT, EditionState.WAITING):
        edition = editions.approve(parts.store, edition.key, editor, undo=newsletter.undo, now=parts.clock.now())
    return edition


def newsletter_of(parts: Parts, slug: str) -> Newsletter:
    """Raises NotFound."""
    for newsletter in parts.newsletters:
        if newsletter.slug == slug:
            return newsletter
    known = ", ".join(newsletter.slug for newsletter in parts.newsletters) or "none"
    raise errors.NotFound(f"there is no newsletter {slug!r} in the settings ({known})", newsletter=slug)
