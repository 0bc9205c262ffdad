"""What Postmark tells by webhook: one JSON object a call, its kind in `RecordType`, and no signature but a password."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from publisher.mailers._shared import SENDERS_FAULT, one_line
from publisher.model import EventKind, MailEvent

_RECORDS = {
    "Delivery": EventKind.DELIVERED,
    "SpamComplaint": EventKind.COMPLAINT,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
}
_BOUNCES = {
    "HardBounce": EventKind.HARD_BOUNCE,
    "BadEmailAddress": EventKind.HARD_BOUNCE,
    "Transient": EventKind.SOFT_BOUNCE,
    "DnsError": EventKind.SOFT_BOUNCE,
    "SoftBounce": EventKind.SOFT_BOUNCE,
    "SpamNotification": EventKind.BLOCKED,  # a server called it spam; a reader who does is a SpamComplaint (2026-11)
    "SpamComplaint": EventKind.COMPLAINT,
    "Blocked": EventKind.BLOCKED,
    "DMARCPolicy": EventKind.BLOCKED,
    "Unsubscribe": EventKind.UNSUBSCRIBED,
}
_REASONS = {"HardBounce": EventKind.HARD_BOUNCE, "SpamComplaint": EventKind.COMPLAINT}
_TIMES = ("DeliveredAt", "BouncedAt", "ChangedAt", "ReceivedAt")
_IDENTITY = ("RecordType", "MessageID", "ID", "Recipient", "Email", "OriginalLink")


def signed_in(authorization: str, credentials: bytes) -> bool:
    """Whether a header (RFC 7617) holds these credentials, "user:password"; empty ones are nobody's."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    same = hmac.compare_digest(sha256(given).digest(), sha256(credentials).digest())
    return same and bool(credentials) and scheme.lower() == "basic"


def read(body: bytes, *, stream: str, now: datetime) -> tuple[MailEvent, ...]:
    """The event of a call. None when it says nothing to us, or is about another stream, whose readers have not
    left this one."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ()
    if not isinstance(told, dict) or told.get("MessageStream") not in (None, stream):
        return ()
    kind = _kind(told)
    return () if kind is None else (_event(told, kind, now),)


def place(told: Mapping[str, Any]) -> tuple[str, int]:
    """Our batch and position, as Postmark gives them back."""
    metadata = told.get("Metadata")
    if not isinstance(metadata, dict):
        return "", -1
    rid = str(metadata.get("rid", ""))
    position = int(rid) if re.fullmatch(r"[0-9]{1,9}", rid) else -1
    return one_line(str(metadata.get("batch") or ""), 100), position


def _kind(told: Mapping[str, Any]) -> EventKind | None:
    record = str(told.get("RecordType"))
    if record == "Bounce":
        kind = _BOUNCES.get(str(told.get("Type")))
        of_us = kind is EventKind.HARD_BOUNCE and SENDERS_FAULT.search(str(told.get("Details")))
        return EventKind.BLOCKED if of_us else kind
    if record != "SubscriptionChange":
        return _RECORDS.get(record)
    if told.get("SuppressSending") is not True:
        return None  # a reader comes back through us alone
    by_reader = EventKind.UNSUBSCRIBED if told.get("Origin") == "Recipient" else None
    return _REASONS.get(str(told.get("SuppressionReason")), by_reader)


def _event(told: Mapping[str, Any], kind: EventKind, now: datetime) -> MailEvent:
    time = next((str(told[name]) for name in _TIMES if told.get(name)), "")
    batch, position = place(told)
    identity = [*(str(told.get(name, "")) for name in _IDENTITY), time]
    return MailEvent(
        event_id=sha256("\0".join(identity).encode("utf-8", "replace")).hexdigest()[:40],
        kind=kind,
        at=_time(time, now),
        recipient=one_line(str(told.get("Recipient") or told.get("Email") or ""), 320),
        batch=batch,
        position=position,
        message_id=one_line(str(told.get("MessageID") or ""), 100),
        code=one_line(str(told.get("Type") or told.get("SuppressionReason") or ""), 60),
        detail=one_line(str(told.get("Details") or told.get("Description") or "")),
    )


def _time(text: str, now: datetime) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return now
