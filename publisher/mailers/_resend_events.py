"""Resend's webhook: calls signed as Svix signs them, one event each."""

from __future__ import annotations

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from publisher.errors import WebhookRejected
from publisher.mailers._shared import one_line
from publisher.model import EventKind, MailEvent

#: How far the signature's time may be from ours, either way.
TOLERANCE = timedelta(minutes=5)

_KINDS = {
    "email.sent": EventKind.ACCEPTED,
    "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DEFERRED,
    "email.complained": EventKind.COMPLAINT,
    "email.opened": EventKind.OPENED,
    "email.clicked": EventKind.CLICKED,
    "email.failed": EventKind.BLOCKED,  # a quota, a domain: whatever it is, it is not the reader
}
#: Why Resend did not send to an address that it suppresses itself. Who complained once complains of nothing new.
_SUPPRESSED = {"previous_bounce": EventKind.HARD_BOUNCE, "previous_complaint": EventKind.UNSUBSCRIBED}
#: Bounces for what we sent, and not for who was to get it.
_OF_CONTENT = frozenset({"ContentRejected", "AttachmentRejected", "MessageTooLarge"})
#: An enhanced status code (RFC 3463), not within a longer number such as an address.
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")


def secret_of(text: str) -> bytes:
    """The key in a webhook secret: base64, after "whsec_". Raises ValueError when there is none."""
    try:
        key = b64decode(text.strip().removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if not key:
        raise ValueError("it is empty")
    return key


def verify(headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime) -> str:
    """The id of a call, which stays the same when it is repeated. Raises WebhookRejected.

    HMAC-SHA-256 over "id.timestamp.body"; a call carries one signature for each secret that is valid while it
    is changed, and one that fits is enough.
    """
    id, time, signatures = (headers.get(f"svix-{name}", "") for name in ("id", "timestamp", "signature"))
    if not id or not signatures:
        raise WebhookRejected("the call is not signed")
    if not re.fullmatch(r"[0-9]{1,10}", time) or abs(now - datetime.fromtimestamp(int(time), UTC)) > TOLERANCE:
        raise WebhookRejected("the signature is too old, or of a time to come; is this machine's clock right?")
    try:
        key = secret_of(secret)
    except ValueError:
        raise WebhookRejected("this mailer has no webhook secret; copy it from Resend") from None
    wanted = b64encode(hmac.digest(key, f"{id}.{time}.".encode() + body, "sha256"))
    given = [one.removeprefix("v1,").encode() for one in signatures.split(" ") if one.startswith("v1,")]
    if not any(hmac.compare_digest(wanted, one) for one in given):
        raise WebhookRejected("the signature does not fit; is it the secret of this webhook?")
    return id


def event(id: str, body: bytes, *, now: datetime) -> MailEvent | None:
    """The event of a verified call; None when it is about nothing that was sent to a reader."""
    told = _object(_parsed(body))
    data = _object(told.get("data"))
    kind = _kind(str(told.get("type")), data)
    if kind is None:
        return None
    tags = _tags(data.get("tags"))
    return MailEvent(
        event_id=one_line(id),
        kind=kind,
        at=_time(told.get("created_at"), now),
        recipient=_recipient(data.get("to")),
        batch=one_line(tags.get("batch", ""), 100),
        position=int(tags["rid"]) if re.fullmatch(r"[0-9]{1,9}", tags.get("rid", "")) else -1,
        message_id=one_line(str(data.get("email_id") or ""), 100),
        code=_code(data),
        detail=_detail(data),
    )


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _kind(type: str, data: Mapping[str, Any]) -> EventKind | None:
    if type == "email.bounced":
        return _bounce(_object(data.get("bounce")))
    if type == "email.suppressed":
        return _SUPPRESSED.get(str(_object(data.get("suppressed")).get("reason")))
    return _KINDS.get(type)


def _bounce(bounce: Mapping[str, Any]) -> EventKind:
    """5.7.x is a refusal of the sender (RFC 3463 section 3.8). What is not said to be permanent is not."""
    if str(bounce.get("subType")) in _OF_CONTENT or any(status.startswith("5.7.") for status in _statuses(bounce)):
        return EventKind.BLOCKED
    return EventKind.HARD_BOUNCE if bounce.get("type") == "Permanent" else EventKind.SOFT_BOUNCE


def _statuses(bounce: Mapping[str, Any]) -> list[str]:
    codes = bounce.get("diagnosticCode")
    said = codes if isinstance(codes, list) else [codes or ""]
    return [status for one in said for status in _STATUS.findall(str(one)[:1000])]


def _code(data: Mapping[str, Any]) -> str:
    bounce = _object(data.get("bounce"))
    kind = "/".join(str(bounce[name]) for name in ("type", "subType") if bounce.get(name))
    return one_line(" ".join(filter(None, (next(iter(_statuses(bounce)), ""), kind))), 60)


def _detail(data: Mapping[str, Any]) -> str:
    about = next((_object(data[name]) for name in ("bounce", "failed", "suppressed") if data.get(name)), {})
    return one_line(str(about.get("message") or about.get("reason") or ""))


def _recipient(to: object) -> str:
    first = next(iter(to), "") if isinstance(to, list) else to
    return one_line(first, 320) if isinstance(first, str) else ""


def _tags(given: object) -> dict[str, str]:
    """As a webhook gives them back, an object; or as they were sent, a list of names and values."""
    if isinstance(given, list):
        given = {one.get("name"): one.get("value") for one in given if isinstance(one, dict)}
    return {str(name): str(value) for name, value in _object(given).items()}


def _time(given: object, now: datetime) -> datetime:
    """Ours where Resend's cannot be read."""
    try:
        at = datetime.fromisoformat(str(given))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return now
