"""What came back by mail: whose letter it is about, proved, and what became of it, kept as an event.

Anybody can write a mail that looks like a bounce. One counts when it carries what only our letter carried: its return
path, which is signed (see `kit.verp`), or its Message-ID, which is derived from what only its reader knows. An address
alone proves nothing. A complaint also counts by the letter's unsubscribe link, whose token is signed: whom it is about
is often hidden. An automatic answer to such a letter is done with; all other mail is set aside, and counted.

An event is kept before its mail goes, under an id made of the mail's bytes: so a kill anywhere loses nothing, and what
is read again changes nothing.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.errors import BadToken
from publisher.kit import message, verp
from publisher.kit.reports import Report, ReportKind, Told, read
from publisher.model import EventKind, HandedOver, MailEvent, Subscriber
from publisher.ports import Clock, Keys, Mailbox, Store

#: Messages of one look.
LIMIT = 500
#: How long after it left a letter is still recognised by its Message-ID alone.
LETTERS = timedelta(days=60)
#: How far back the date of a bounce is believed.
BELIEVED = timedelta(days=7)

#: Where a letter went to several addresses behind the reader's own, it has arrived when it arrived at one.
_MILDEST = (
    EventKind.DELIVERED,
    EventKind.DEFERRED,
    EventKind.SOFT_BOUNCE,
    EventKind.BLOCKED,
    EventKind.HARD_BOUNCE,
    EventKind.UNSUBSCRIBED,
    EventKind.COMPLAINT,
)


@dataclass(slots=True)
class Tally:
    """What was read in one look: events by kind, automatic mail, and what else was set aside. `more`: some waits."""

    kinds: Counter[EventKind] = field(default_factory=Counter)
    automatic: int = 0
    unreadable: int = 0
    more: bool = False


def look(store: Store, mailbox: Mailbox, keys: Keys, *, clock: Clock, limit: int = LIMIT) -> Tally:
    """Make events of what is in a mailbox. Raises MailboxError; what was read before it stays so."""
    tally = Tally()

    def handle(messages: Sequence[bytes]) -> list[bool]:
        now = clock.now()
        reports = [read(one, now=now) for one in messages]
        events = [_event(store, keys, mailbox.mailer, report, now=now) for report in reports]
        kept = [event for event in events if event]
        store.events.keep(mailbox.mailer, kept, at=now)
        automatic = [report.kind is ReportKind.AUTOMATIC for report in reports]
        tally.kinds.update(event.kind for event in kept)
        tally.automatic += sum(automatic)
        tally.unreadable += sum(not (event or is_one) for event, is_one in zip(events, automatic, strict=True))
        answers = [report.answer and bool(_letter(store, keys, mailbox.mailer, report, now=now)) for report in reports]
        return [bool(event) or answer for event, answer in zip(events, answers, strict=True)]

    tally.more = mailbox.read(handle, limit=limit)
    return tally


def _event(store: Store, keys: Keys, mailer: str, report: Report, *, now: datetime) -> MailEvent | None:
    """None when it says nothing, or is about no letter of ours."""
    if not report.told:
        return None
    letter = _letter(store, keys, mailer, report, now=now) or _of_who_complains(store, keys, report)
    if letter is None:
        return None
    batch, position, reader = letter
    told = about(report.told, reader)
    return MailEvent(
        event_id=report.id,
        kind=told.kind,
        at=report.at if now - report.at < BELIEVED else now,
        recipient=told.recipient if batch else reader,
        batch=batch,
        position=position,
        message_id=next(iter(report.message_ids), ""),
        code=told.code,
        detail=told.detail,
    )


def about(told: Sequence[Told], reader: str) -> Told:
    """What is said about the reader's own address, else the mildest of all."""
    own = [one for one in told if reader and one.recipient.casefold() == reader.casefold()]
    return min(own or told, key=lambda one: _MILDEST.index(one.kind))


# ---------------------------------------------------------------- whose letter


def _letter(store: Store, keys: Keys, mailer: str, report: Report, *, now: datetime) -> tuple[str, int, str] | None:
    """Batch, position and reader's address of the letter that a report proves to be about."""
    signing = keys.derived(verp.PURPOSE)
    for address in report.addressed:
        named = verp.returned(address, signing)
        if named and (reader := store.events.reader(*named)) is not None:
            return (*named, reader)
    return next(_by_message_id(store, keys, mailer, report, since=now - LETTERS), None)


def _by_message_id(
    store: Store, keys: Keys, mailer: str, report: Report, *, since: datetime
) -> Iterator[tuple[str, int, str]]:
    """A Message-ID is ours when it is the one that the letter to this reader has."""
    if not report.message_ids:
        return
    for person in _people(store, keys, report):
        for sent in store.events.handed_over(person.id, mailer, since):
            if any(_is(one, sent, person.public_id) for one in report.message_ids):
                yield sent.batch, sent.position, person.email


def _people(store: Store, keys: Keys, report: Report) -> Iterator[Subscriber]:
    """Whom it may be about."""
    named = dict.fromkeys(_compared(one) for one in report.readers)
    yield from filter(None, map(store.audience.by_email, named))
    yield from _by_token(store, keys, report)


def _by_token(store: Store, keys: Keys, report: Report) -> Iterator[Subscriber]:
    """Whose unsubscribe links the message has that came back."""
    for token in report.tokens:
        with suppress(BadToken):
            public_id, _ = keys.read_unsubscribe(token)
            if person := store.audience.by_public_id(public_id):
                yield person


def _of_who_complains(store: Store, keys: Keys, report: Report) -> tuple[str, int, str] | None:
    """No letter of the reader's, where the report does not say which: a complaint is about all of them."""
    if report.kind is not ReportKind.COMPLAINT:
        return None
    return next((("", -1, person.email) for person in _by_token(store, keys, report)), None)


def _compared(address: str) -> str:
    """An address as readers' are kept: servers write the domain in its ASCII form (RFC 5890)."""
    local, at, domain = address.strip().casefold().rpartition("@")
    try:
        return f"{local}{at}{domain.encode().decode('idna')}"
    except UnicodeError:
        return f"{local}{at}{domain}"


def _is(message_id: str, sent: HandedOver, public_id: bytes) -> bool:
    head = sent.letterhead
    ours = message.message_id(head.origin, sent.slot, public_id, message.domain(head.sender))
    return hmac.compare_digest(message_id.encode(), ours.encode())
