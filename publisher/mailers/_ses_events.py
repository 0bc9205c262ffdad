"""What SES says became of a message, as events: one for each recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from publisher.kit.message import mailbox
from publisher.mailers._ses_calls import LETTER
from publisher.mailers._shared import SENDERS_FAULT, one_line
from publisher.model import EventKind, MailEvent

#: By kind of event: where its details are, and the list of recipients in there.
_PLACES = {
    "Send": ("send", ""),
    "Delivery": ("delivery", "recipients"),
    "Bounce": ("bounce", "bouncedRecipients"),
    "Complaint": ("complaint", "complainedRecipients"),
    "DeliveryDelay": ("deliveryDelay", "delayedRecipients"),
    "Reject": ("reject", ""),
    "Rendering Failure": ("failure", ""),
    "Open": ("open", ""),
    "Click": ("click", ""),
}
_KINDS = {
    "Send": EventKind.ACCEPTED,
    "Delivery": EventKind.DELIVERED,
    "DeliveryDelay": EventKind.DEFERRED,
    "Complaint": EventKind.COMPLAINT,
    "Reject": EventKind.BLOCKED,  # SES found a virus; nobody gets it, and no reader is to blame
    "Rendering Failure": EventKind.BLOCKED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
}
_WORDS = ("diagnosticCode", "smtpResponse", "reason", "errorMessage", "delayType", "complaintFeedbackType")
_SUPPRESSED = ("Suppressed", "OnAccountSuppressionList")
_ENHANCED = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)")
_POSITION = re.compile(r"[0-9]{1,9}")


def read(message: str, id: str, *, now: datetime) -> tuple[MailEvent, ...]:
    """The events of one notification; none for what says nothing to us. `id` is the notification's own."""
    told = _parsed(message)
    name = str(told.get("eventType") or told.get("notificationType") or "")
    place, listed = _PLACES.get(name, ("", ""))
    if not place:
        return ()
    mail, details = _object(told.get("mail")), _object(told.get(place))
    if name == "Complaint" and details.get("complaintFeedbackType") == "not-spam":
        return ()  # a reader took it out of the spam folder
    batch, position = _letter(mail)
    people = _recipients(details.get(listed)) or _recipients(mail.get("destination"))
    return tuple(
        MailEvent(
            event_id=one_line(id, 200) + (f"/{number}" if number else ""),
            kind=_kind(name, details, person),
            at=_time(details.get("timestamp") or mail.get("timestamp"), now),
            recipient=mailbox(one_line(str(person.get("emailAddress", ""))))[1],
            batch=batch,
            position=position,
            message_id=one_line(str(mail.get("messageId") or ""), 200),
            code=_code(details, person),
            detail=_detail(details, person),
        )
        for number, person in enumerate(people)
    )


def _parsed(message: str) -> Mapping[str, Any]:
    """The first notification of a topic is a sentence and no JSON."""
    try:
        return _object(orjson.loads(message))
    except orjson.JSONDecodeError:
        return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _recipients(value: object) -> list[Mapping[str, Any]]:
    """Recipients are addresses or objects with one."""
    people = value if isinstance(value, list) else []
    return [{"emailAddress": one} if isinstance(one, str) else _object(one) for one in people]


def _letter(mail: Mapping[str, Any]) -> tuple[str, int]:
    """Batch and position, from the tags of the message, otherwise from its header."""
    tags = _object(mail.get("tags"))
    batch, rid = (
        str(value[0]) if isinstance(value := tags.get(name), list) and value else "" for name in ("batch", "rid")
    )
    headers = mail.get("headers")
    for header in map(_object, headers if isinstance(headers, list) and not (batch and rid) else ()):
        if str(header.get("name", "")).lower() == LETTER.lower():
            batch, _, rid = str(header.get("value", "")).rpartition("/")
    return one_line(batch, 200), int(rid) if _POSITION.fullmatch(rid) else -1


def _kind(name: str, details: Mapping[str, Any], person: Mapping[str, Any]) -> EventKind:
    if name != "Bounce":
        return _KINDS[name]
    subtype = details.get("bounceSubType")
    if subtype in _SUPPRESSED:
        return EventKind.HARD_BOUNCE  # this account has seen the address bounce before
    said = f"{person.get('status') or ''} {person.get('diagnosticCode') or ''}"
    if subtype == "ContentRejected" or SENDERS_FAULT.search(said):
        return EventKind.BLOCKED
    return EventKind.HARD_BOUNCE if details.get("bounceType") == "Permanent" else EventKind.SOFT_BOUNCE


def _code(details: Mapping[str, Any], person: Mapping[str, Any]) -> str:
    """The enhanced status (RFC 3463), such as "5.1.1": as told, otherwise from the receiving server's words."""
    found = _ENHANCED.search(str(person.get("diagnosticCode") or details.get("smtpResponse") or ""))
    return one_line(str(person.get("status") or ""), 30) or (found[0] if found else "")


def _detail(details: Mapping[str, Any], person: Mapping[str, Any]) -> str:
    kind = [str(details[name]) for name in ("bounceType", "bounceSubType") if details.get(name)]
    words = [str(place[name]) for place in (person, details) for name in _WORDS if place.get(name)]
    return one_line(" ".join(filter(None, ("/".join(kind), *words))))


def _time(value: object, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return now
    return at if at.tzinfo else at.replace(tzinfo=UTC)
