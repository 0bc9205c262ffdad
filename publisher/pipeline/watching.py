"""The story: what watches over it all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from publisher import deliver as delivering
from publisher import editions, errors, memory, notices
from publisher import feedback as feeding_back
from publisher.pipeline import alerts, calendar, renewing
from publisher.pipeline.composing import compose_slot
from publisher.pipeline.delivering import finish, judge, refusal, tell_of_doubts, tell_of_refusals
from publisher.ports import Parts

#: An edition that has not left this long after its hour is an alarm.
OVERDUE = timedelta(minutes=30)


def sweep(parts: Parts) -> None:
    """Give back leases that ended, settle what events tell of since, finish editions, and raise an alarm for what
    should have gone."""
    parts.store.outbox.sweep(parts.clock.now())
    parts.store.outbox.prove(parts.clock.now())
    feeding_back.forget(parts.store, before=parts.clock.now() - feeding_back.KEPT)
    witness(parts)
    judge(parts)
    parts.store.stories.forget(before=parts.clock.now() - 2 * memory.WITHIN)
    renewing.sweep(parts)
    finish(parts)
    tell_of_refusals(parts)
    tell_of_doubts(parts)
    for edition, why in overdue(parts):
        title = f"{edition} has not gone out"
        notices.alarm(
            parts.store, edition, title, why, site=parts.site, templates=parts.templates, now=parts.clock.now()
        )


def witness(parts: Parts) -> None:
    """Where an answer was lost and nothing has been handed over since, one message to ourselves shows whether the
    provider shows what it took."""
    now = parts.clock.now()
    for name, mailer in parts.mailers.items():
        if lost := delivering.lacks_witness(parts.store, name, mailer.capability, now):
            senders = [newsletter.sender for newsletter in parts.newsletters if newsletter.mailer == name]
            sender = next(iter(senders), parts.site.alarm_sender)
            notices.witness(
                parts.store, name, *lost, sender=sender, site=parts.site, templates=parts.templates, now=now
            )


def overdue(parts: Parts) -> Iterator[tuple[str, str]]:
    """Editions that should have left by now and did not, each with the reason as far as it is known.

    One that nobody has made is made here, so that a machine that wakes up late raises no alarm.
    """
    store, now = parts.store, parts.clock.now()
    for newsletter, slot in (*alerts.due(parts), *calendar.waiting(parts)):
        key = f"{newsletter.slug}/{slot.name}"
        if now < slot.due_at + newsletter.undo + OVERDUE:
            continue
        if (edition := editions.find(store, key)) is None:
            if calendar.gathering(parts, newsletter, slot):
                continue
            try:
                edition = compose_slot(parts, newsletter, slot)
            except errors.Conflict:
                continue  # somebody else makes it this very moment
            except Exception as error:
                yield key, f"it cannot be made: {error}"
                continue
        reason = refusal(parts, edition.mailer)
        blocked = {edition.mailer: (now, reason)} if reason else store.outbox.blocked(now)
        if why := editions.stuck(edition, blocked, patience=newsletter.undo + OVERDUE, now=now):
            yield key, why
