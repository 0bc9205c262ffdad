"""What bounces and complaints say that come back by mail: delivery status notifications (RFC 3464) and abuse reports
(RFC 5965), as events.

Our letter is found by the return path that names it (see `_verp`), or by its Message-ID in the message that came back.
Anybody can write such a mail: an event is a claim about a letter of the ledger, not a proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import sha256

from publisher.mailers._shared import one_line
from publisher.mailers._verp import returned
from publisher.model import EventKind, MailEvent

_LARGEST = 1_000_000  # bytes that are looked at
_RECIPIENTS = 20
_ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "To")
_COMPLAINTS = frozenset({"abuse", "fraud", "virus"})  # not "not-spam", and not "auth-failure" (RFC 6591)
_ACTIONS = {
    "delayed": EventKind.DEFERRED,
    "delivered": EventKind.DELIVERED,
    "relayed": EventKind.DELIVERED,
    "expanded": EventKind.DELIVERED,
}
#: Refusals for what or who we are (RFC 3463): a bad sender, the content, a policy.
_OF_US = re.compile(r"5\.(?:1\.[78]|6\.\d+|7\.\d+)")
#: No such mailbox or domain, or one that is closed.
_GONE = re.compile(r"5\.(?:1\.\d+|2\.1)")
#: An enhanced status code, not within a longer number such as an address.
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")


def read(message: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
    """The events of one mail, one for each reader it is about; none when it is no report, or none that we know."""
    report = message_from_bytes(message[:_LARGEST])
    if report.get_content_type() != "multipart/report":
        return ()
    parts = {part.get_content_type(): part for part in reversed(list(report.walk())[1:])}
    original = _original(parts)
    id = sha256(message).hexdigest()[:32]
    if "message/delivery-status" in parts:
        groups = [one for one in _groups(parts["message/delivery-status"]) if _text(one, "Final-Recipient")]
        found = _found(report, original)
        return tuple(_bounce(group, f"{id}-{n}", found, _time(report, now)) for n, group in enumerate(groups))
    if "message/feedback-report" in parts:
        (feedback, *_) = (*_groups(parts["message/feedback-report"]), Message())
        if _text(feedback, "Feedback-Type").lower() in _COMPLAINTS:
            return (_complaint(feedback, original, id, _found(report, original, feedback), _time(report, now)),)
    return ()


_Found = tuple[str, int, str]  # batch key, position and Message-ID


def _bounce(group: Message, id: str, found: _Found, at: datetime) -> MailEvent:
    statuses = _STATUS.findall(_text(group, "Status")) + _STATUS.findall(_text(group, "Diagnostic-Code"))
    batch, position, message_id = found
    return MailEvent(
        event_id=id,
        kind=_ACTIONS.get(_text(group, "Action").lower()) or _failure(statuses),
        at=at,
        recipient=_address(_text(group, "Original-Recipient") or _text(group, "Final-Recipient")),
        batch=batch,
        position=position,
        message_id=message_id,
        code=next((one for one in statuses if not one.endswith(".0.0")), next(iter(statuses), "")),
        detail=one_line(_text(group, "Diagnostic-Code").partition(";")[2]),
    )


def _failure(statuses: list[str]) -> EventKind:
    """Which failure it was. What is not said to be permanent is not."""
    if any(map(_OF_US.fullmatch, statuses)):
        return EventKind.BLOCKED
    return EventKind.HARD_BOUNCE if any(map(_GONE.fullmatch, statuses)) else EventKind.SOFT_BOUNCE


def _complaint(feedback: Message, original: Message, id: str, found: _Found, at: datetime) -> MailEvent:
    batch, position, message_id = found
    return MailEvent(
        event_id=id,
        kind=EventKind.COMPLAINT,
        at=at,
        recipient=_address(_text(feedback, "Original-Rcpt-To") or _text(original, "To")),
        batch=batch,
        position=position,
        message_id=message_id,
        code=one_line(_text(feedback, "Feedback-Type").lower(), 60),
        detail=_text(feedback, "User-Agent"),
    )


# ---------------------------------------------------------------- whose letter


def _found(report: Message, original: Message, *others: Message) -> _Found:
    letter = next(filter(None, map(returned, _return_paths(report, original, *others))), ("", -1))
    return (*letter, _text(original, "Message-ID")[:320])


def _return_paths(report: Message, original: Message, *others: Message) -> Iterator[str]:
    """Where a letter's own return path may stand: the report came to it, or repeats it."""
    yield from (_text(report, name) for name in _ADDRESSED)
    yield _text(original, "Return-Path")
    yield from (_text(other, "Original-Mail-From") for other in others)


def _original(parts: dict[str, Message]) -> Message:
    """The headers of the message that came back, empty without one."""
    if "message/rfc822" in parts:
        return next(iter(_groups(parts["message/rfc822"])), Message())
    for kind in ("text/rfc822-headers", "message/rfc822-headers"):
        if kind in parts:
            data = parts[kind].get_payload(decode=True)
            return message_from_bytes(data) if isinstance(data, bytes) else Message()
    return Message()


# ---------------------------------------------------------------- fields


def _groups(part: Message) -> list[Message]:
    """The groups of fields of a message/... part."""
    payload = part.get_payload()
    groups: Iterable[object] = payload if isinstance(payload, list) else ()
    return [group for group in groups if isinstance(group, Message) and group.keys()][: _RECIPIENTS + 1]


def _text(fields: Message, name: str) -> str:
    """A field on one line, "" without it; a header that is not ASCII is no text of the standard library's."""
    value = fields.get(name, "")
    return one_line(str(value) if isinstance(value, Header) else value, 1000)


def _address(text: str) -> str:
    """The address in "rfc822; <a@b.example>", or in a To field."""
    found = re.search(r"[^\s<>;,\"]+@[^\s<>;,\"]+", text)
    return found[0][:320] if found else ""


def _time(report: Message, now: datetime) -> datetime:
    """When it was written, as far as that can be believed."""
    try:
        at = parsedate_to_datetime(_text(report, "Date"))
        return min(now, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return now
