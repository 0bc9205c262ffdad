"""Mailgun's events, which webhooks bring one by one and a look-up in pages, in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from publisher.mailers._shared import SENDERS_FAULT, one_line
from publisher.model import EventKind, MailEvent, Outcome, Result

_KINDS = {
    "accepted": EventKind.ACCEPTED,
    "delivered": EventKind.DELIVERED,
    "rejected": EventKind.BLOCKED,  # by Mailgun itself, for what the account or the domain lacks
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
}
#: Mailgun did not even try, because of what it learnt earlier: no new bounce, and no new complaint.
_SUPPRESSED = {
    "suppress-bounce": EventKind.SOFT_BOUNCE,
    "suppress-unsubscribe": EventKind.UNSUBSCRIBED,
    "suppress-complaint": EventKind.UNSUBSCRIBED,
    "605": EventKind.SOFT_BOUNCE,
    "606": EventKind.UNSUBSCRIBED,
    "607": EventKind.UNSUBSCRIBED,
}
_PASSING = re.compile(r"4\.\d{1,3}\.\d{1,3}|5\.2\.2")  # tried in vain until it gave up, or a full mailbox


def mail_event(event: Mapping[str, Any], event_id: str, *, now: datetime) -> MailEvent | None:
    """None for what says nothing to us. An event without a time is dated `now`."""
    kind = _kind(event)
    if kind is None:
        return None
    batch, position = place(event)
    status = part(event, "delivery-status")
    identity = _message_id(event)
    return MailEvent(
        event_id=event_id,
        kind=kind,
        at=moment(event.get("timestamp")) or now,
        recipient=text(event.get("recipient")),
        batch=batch,
        position=position,
        message_id=f"<{identity}>" if identity else "",
        code=f"{text(status.get('code'))} {text(status.get('enhanced-code'))}".strip(),
        detail=text(status.get("message") or status.get("description") or event.get("reason")),
    )


def evidence(event: Mapping[str, Any], position: int) -> Result | None:
    """What an event proves of its letter: all but one kind come after Mailgun took it."""
    name = text(event.get("event"))
    if name == "rejected":
        why = text(part(event, "reject").get("reason"))
        return Result(position=position, outcome=Outcome.REJECTED, code=name, detail=why)
    if name != "failed" and name not in _KINDS:
        return None
    identity = _message_id(event)
    return Result(position=position, outcome=Outcome.ACCEPTED, code=name, reference=f"<{identity}>" if identity else "")


def place(event: Mapping[str, Any]) -> tuple[str, int]:
    """The batch and position that we gave to the message: "" and -1 where they are missing."""
    variables = part(event, "user-variables")
    rid = text(variables.get("rid"))
    return text(variables.get("batch")), int(rid) if re.fullmatch(r"[0-9]{1,9}", rid) else -1


def part(event: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """An object inside an object, empty where there is none."""
    for name in names:
        value = event.get(name)
        event = value if isinstance(value, dict) else {}
    return event


def text(value: object) -> str:
    return one_line(str(value)) if isinstance(value, str | int | float) else ""


def moment(value: object) -> datetime | None:
    """A time in seconds since 1970."""
    try:
        return datetime.fromtimestamp(float(text(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _kind(event: Mapping[str, Any]) -> EventKind | None:
    name = text(event.get("event"))
    return _failure(event) if name == "failed" else _KINDS.get(name)


def _failure(event: Mapping[str, Any]) -> EventKind:
    status = part(event, "delivery-status")
    reason, enhanced = text(event.get("reason")), text(status.get("enhanced-code"))
    suppressed = _SUPPRESSED.get(reason) or _SUPPRESSED.get(text(status.get("code")))
    if suppressed:
        return suppressed
    if SENDERS_FAULT.search(enhanced or text(status.get("message"))):
        return EventKind.BLOCKED
    if event.get("severity") != "permanent":
        return EventKind.DEFERRED
    return EventKind.SOFT_BOUNCE if reason == "old" or _PASSING.match(enhanced) else EventKind.HARD_BOUNCE


def _message_id(event: Mapping[str, Any]) -> str:
    return text(part(event, "message", "headers").get("message-id")).strip("<>")
