"""The edition that a choice makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from publisher.compose.choosing import Choice
from publisher.compose.wording import hours
from publisher.model import ALERT, Edition, EditionState, Newsletter, Priority, Slot, cadence_of


def draft(newsletter: Newsletter, slot: Slot, choice: Choice, template_hash: str, *, now: datetime) -> Edition:
    """The edition that a choice makes: a draft, one that waits for an editor, or skipped with the reason."""
    made = EditionState.WAITING if newsletter.approval == "editor" else EditionState.DRAFT
    state = EditionState.SKIPPED if choice.skip else made
    return replace(_edition(newsletter, slot, state, choice.skip, now), items=choice.items, template_hash=template_hash)


def merged(newsletter: Newsletter, slot: Slot, *, now: datetime) -> Edition:
    """The edition of a slot that nobody served in time. Its articles were not sent, so the next one has them."""
    late = hours(newsletter.late)
    return _edition(newsletter, slot, EditionState.MERGED, f"more than {late} late: merged into the next edition", now)


def _edition(newsletter: Newsletter, slot: Slot, state: EditionState, reason: str, now: datetime) -> Edition:
    return Edition(
        newsletter=newsletter.slug,
        slot=slot.name,
        due_at=slot.due_at,
        state=state,
        reason=reason,
        composed_at=now,
        priority=Priority.ALERT if cadence_of(slot.name) == ALERT else Priority.DIGEST,
        mailer=newsletter.mailer,
    )
