"""Signatures of calls that come in: over the bytes as they came, compared in constant time, valid for minutes.

Three ways: Standard Webhooks (https://www.standardwebhooks.com), which anybody can make in a few lines; Ghost's own;
and that of a WebSub hub.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from publisher.errors import WebhookRejected

#: How far a signature's time may be from ours, either way.
TOLERANCE = timedelta(minutes=5)
#: Characters that a secret has at least.
SHORTEST = 16

_UNSIGNED = "the call is not signed"
_UNFIT = "the signature does not fit: is it the same secret on both sides?"
_LATE = "the signature is too old, or of a time to come: is this machine's clock right?"
_GHOST = re.compile(r"sha256=([0-9a-f]{64}),\s*t=(\d{13})")
_HUB = re.compile(r"(sha1|sha256|sha384|sha512)=([0-9a-fA-F]{40,128})")


def verify(headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime) -> str:
    """The id of a signed call, which stays the same when it is repeated. `headers` have names in lower case.

    Raises WebhookRejected.
    """
    ghost = headers.get("x-ghost-signature", "")
    return _ghost(ghost, body, secret, now) if ghost else _standard(headers, body, secret, now)


def _standard(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
    """HMAC-SHA-256 over "id.timestamp.body"; of several signatures, one that fits is enough."""
    id, time, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not id or len(id) > 200 or not signatures:
        raise WebhookRejected(_UNSIGNED)
    if not re.fullmatch(r"[0-9]{1,10}", time):
        raise WebhookRejected(_LATE)
    wanted = b64encode(hmac.digest(_key(secret), f"{id}.{time}.".encode() + body, "sha256"))
    given = [one.removeprefix("v1,").encode() for one in signatures.split(" ") if one.startswith("v1,")]
    if not any(hmac.compare_digest(wanted, one) for one in given):
        raise WebhookRejected(_UNFIT)
    _in_time(int(time), now)
    return id


def _key(secret: str) -> bytes:
    """What follows "whsec_" is base64; any other secret is taken as it stands."""
    if secret.startswith("whsec_"):
        try:
            return b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _ghost(signature: str, body: bytes, secret: str, now: datetime) -> str:
    """HMAC-SHA-256 over the body, followed by the time in milliseconds (as Ghost had it in November 2026)."""
    told = _GHOST.fullmatch(signature)
    if not told:
        raise WebhookRejected(_UNFIT)
    wanted = hmac.digest(secret.encode(), body + told[2].encode(), "sha256")
    if not hmac.compare_digest(wanted, bytes.fromhex(told[1])):
        raise WebhookRejected(_UNFIT)
    _in_time(int(told[2]) / 1000, now)
    return f"ghost {told[1]}"


def _in_time(seconds: float, now: datetime) -> None:
    if abs(now - datetime.fromtimestamp(seconds, UTC)) > TOLERANCE:
        raise WebhookRejected(_LATE)


def by_hub(signature: str, body: bytes, secret: str) -> bool:
    """Whether `X-Hub-Signature` fits (WebSub, W3C Recommendation, section 8): the hub chooses the method."""
    told = _HUB.fullmatch(signature.strip())
    if not told or len(told[2]) != 2 * hashlib.new(told[1]).digest_size:
        return False
    return hmac.compare_digest(hmac.digest(secret.encode(), body, told[1]), bytes.fromhex(told[2]))
