"""The story, steps 4 and 5: editions into mailboxes, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from publisher import bounces as bouncing
from publisher import deliver as delivering
from publisher import editions, errors, notices
from publisher import feedback as feeding_back
from publisher.kit import slots
from publisher.model import Edition, EditionState, FirstWave, MailboxLook, Newsletter, Priority
from publisher.pipeline import archiving, preflighting, receipting, renewing, selecting
from publisher.pipeline.composing import newsletter_of
from publisher.ports import Parts


def plan(parts: Parts, key: str) -> Edition:
    """The undo window is over: freeze the recipients into batches. While it is open nothing happens.

    Raises PreflightError for what would arrive broken; it then is a draft again, or waits for its editor.
    """
    newsletter, now = newsletter_of(parts, key.partition("/")[0]), parts.clock.now()
    editions.expire(parts.store, newsletter, now)
    edition = parts.store.editions.get(key)
    if edition.state is EditionState.MERGED or (edition.undo_until is not None and edition.undo_until > now):
        return edition
    may_leave(parts, edition.mailer)
    if edition.state is EditionState.APPROVED:
        edition = renewing.before_leaving(parts, newsletter, edition)
        look(parts, edition, newsletter)
        edition = editions.start(parts.store, key, archived=newsletter.archive)
        archiving.open_page(parts, newsletter)
    parts.store.editions.add_letterhead(edition.id, delivering.letterhead(newsletter, parts.site))
    return _plan(parts, edition, newsletter)


def departures(parts: Parts, newsletter: Newsletter, edition: Edition) -> delivering.Leaves:
    """When readers of each time zone may be mailed an edition. What an editor says is urgent keeps no hours."""
    if edition.priority >= Priority.ALERT and edition.approved_by != editions.AUTOMATIC:
        return delivering.at_once
    timetable, now = newsletter.timetable(edition.cadence), parts.clock.now()
    return cache(lambda zone: slots.departure(timetable, edition.slot, zone, now))


def look(parts: Parts, edition: Edition, newsletter: Newsletter) -> None:
    """The last look before an edition leaves, at the variants of what readers chose most often. Raises TemplateError
    or PreflightError."""
    (first,) = parts.store.editions.variants(edition.id, limit=1)
    try:
        with selecting.selection(parts, edition, first) as choose:
            selecting.ahead(choose, parts, edition, newsletter)
    except (errors.TemplateError, errors.PreflightError) as error:
        _hold_back(parts, edition, newsletter, str(error))
        raise
    variants = parts.store.editions.variants(edition.id)
    if why := preflighting.reason(parts, edition, newsletter, variants, network=True):
        _hold_back(parts, edition, newsletter, why)
        raise errors.PreflightError(f"{edition.key} does not leave: {why}", edition=edition.key)


def _hold_back(parts: Parts, edition: Edition, newsletter: Newsletter, why: str) -> None:
    editions.hold_back(parts.store, edition.key, why, waiting=newsletter.approval == "editor")


def _plan(parts: Parts, edition: Edition, newsletter: Newsletter) -> Edition:
    """Freeze the recipients. A variant that nobody looked at before and that would arrive broken stops the plan before
    anything leaves, until its rule is overridden or the edition cancelled."""
    able = parts.mailers[edition.mailer].capability
    leaves = departures(parts, newsletter, edition)
    (first,) = parts.store.editions.variants(edition.id, limit=1)
    try:
        with selecting.selection(parts, edition, first) as choose:
            planned = delivering.plan(parts.store, edition, newsletter, able, choose, leaves=leaves)
    except (errors.TemplateError, errors.PreflightError) as error:
        if editions.note(parts.store, edition.key, str(error)):
            title, text = f"{edition.key} is not planned to its end", f"{error}. `publisher preflight` says more."
            place, now = f"{edition.key}:variant", parts.clock.now()
            notices.alarm(parts.store, place, title, text, site=parts.site, templates=parts.templates, now=now)
        raise
    return editions.unsay(parts.store, planned) if planned.reason else planned


def deliver(parts: Parts, name: str, progress: Callable[[int], None] | None = None) -> delivering.Tally:
    """Hand over what is due for one mailer. `progress` is told the recipients of each finished batch."""
    may_leave(parts, name)
    tally = delivering.drain(
        parts.store,
        parts.mailers[name],
        {newsletter.slug: newsletter for newsletter in parts.newsletters},
        site=parts.site,
        keys=parts.keys,
        clock=parts.clock,
        owner=parts.owner,
        progress=progress,
    )
    finish(parts)
    tell_of_refusals(parts)
    tell_of_doubts(parts)
    if tally.misconfigured:
        raise errors.MailerMisconfigured(f"the mailer {name!r} refuses us: {tally.misconfigured}", mailer=name)
    return tally


def tell_of_refusals(parts: Parts) -> None:
    """Alarm the editors, once each time, of mailers that only a person can mend."""
    for circuit in parts.store.outbox.circuits():
        if circuit.failure in delivering.FOR_A_PERSON and circuit.opened_at is not None:
            notices.alarm(
                parts.store,
                f"mailer:{circuit.mailer}:{circuit.opened_at.isoformat()}",
                f"The mailer {circuit.mailer} takes no mail ({circuit.failure})",
                f"{circuit.reason}. {delivering.remedy(circuit)}",
                site=parts.site,
                templates=parts.templates,
                now=parts.clock.now(),
            )


def tell_of_doubts(parts: Parts) -> None:
    """Alarm the editors, once for each edition, of readers of whom only a person can tell whether they were mailed."""
    for key, readers in parts.store.outbox.held().items():
        notices.alarm(
            parts.store,
            f"{key}:doubts",
            f"Nobody can tell whether some readers got {key}",
            f"A mailer's answer was lost and cannot be looked up: {readers:,} so far. They get nothing until a person "
            f"decides. `publisher deliver resolve {key}` lists them by name, and says what can be decided.",
            site=parts.site,
            templates=parts.templates,
            now=parts.clock.now(),
        )


def may_leave(parts: Parts, name: str) -> None:
    if reason := refusal(parts, name):
        raise errors.MailerMisconfigured(f"the mailer {name!r} does not send: {reason}", mailer=name)


def refusal(parts: Parts, name: str) -> str:
    if name not in parts.mailers:
        return "it is not in the settings any more; add it again"
    return delivering.refuses(parts.site, parts.mailers[name].capability)


def feedback(parts: Parts) -> feeding_back.Tally:
    """Merge what mailers told. An edition that too many servers refuse because of the sender is paused."""
    tally = feeding_back.record(parts.store, parts.keys, now=parts.clock.now())
    for key in [key for key, blocks in tally.blocked.items() if blocks.too_many]:
        why = "too many servers refuse it because of the sender; see their words in the log"
        if editions.hold(parts.store, key, why):
            _tell_of_pause(parts, key, why)
    return tally


def bounces(parts: Parts, name: str) -> bouncing.Tally:
    """Look into the mailbox of a mailer's bounces; one process does. A failure is recorded, and raised."""
    mailbox, store, now = parts.mailboxes[name], parts.store, parts.clock.now()
    if not store.mailboxes.take(name, now=now, until=now + mailbox.interval):
        return bouncing.Tally()
    try:
        tally = bouncing.look(store, mailbox, parts.keys, clock=parts.clock)
    except errors.MailboxError as error:
        store.mailboxes.looked(MailboxLook(mailer=name, at=now, error=str(error)), next_at=now + mailbox.interval)
        raise
    look = MailboxLook(
        mailer=name,
        at=now,
        events=tally.kinds.total(),
        automatic=tally.automatic,
        unreadable=tally.unreadable,
    )
    store.mailboxes.looked(look, next_at=now if tally.more else now + mailbox.interval)
    return tally


def judge(parts: Parts) -> None:
    """Editions whose first wave is out: the rest follows, or stays until an editor resumes."""
    rules = {newsletter.slug: newsletter.first_wave for newsletter in parts.newsletters}
    sending = parts.store.editions.in_state(EditionState.SENDING)
    waiting = [edition for edition in sending if parts.store.outbox.first_wave(edition.id)]
    if waiting and parts.store.events.waiting():
        feedback(parts)  # what was told already counts
    for edition in waiting:
        wave, mine = parts.store.outbox.first_wave(edition.id), rules.get(edition.newsletter, FirstWave())
        if wave is None:
            continue  # somebody else has just judged it
        bad = delivering.too_bad(wave, mine)
        if bad or delivering.over(wave, mine, parts.clock.now()):
            judged = editions.judge(parts.store, edition.key, edition.wave + 1, bad)
            if judged and bad:
                _tell_of_pause(parts, edition.key, bad)


def _tell_of_pause(parts: Parts, key: str, why: str) -> None:
    """What was paused by itself waits for a person, who had better know."""
    title, text = f"{key} is paused", f"{why}. To go on all the same: publisher deliver resume {key}"
    place, now = f"{key}:paused", parts.clock.now()
    notices.alarm(parts.store, place, title, text, site=parts.site, templates=parts.templates, now=now)


def notify(parts: Parts) -> int:
    sent = notices.drain(parts.store, parts.mailers, clock=parts.clock, failed=delivering.note)
    tell_of_refusals(parts)
    return sent


def finish(parts: Parts) -> None:
    """Editions of which nothing can change any more are done, and have their receipt."""
    for edition in parts.store.editions.in_state(EditionState.SENDING):
        if not parts.store.outbox.open(edition.id):
            _owe_still(parts, edition)
            editions.finish(parts.store, edition, now=parts.clock.now())
    receipting.account(parts)


def _owe_still(parts: Parts, edition: Edition) -> None:
    """What an edition was to put right, and did not for somebody who can be mailed, is owed to them still."""
    store = parts.store
    missed = dict(store.memory.missed(edition.id))
    if not missed:
        return
    for one in store.outbox.rejections(edition.id):
        if not delivering.may_have_passed(one.code, one.detail):
            missed.pop(one.subscriber, None)
    people = store.audience.recipients(edition.newsletter, missed)
    owed = {id for who, person in people.items() if not delivering.exclusion(person) for id in missed[who]}
    store.editions.partly(edition.id, owed)
