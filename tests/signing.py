"""Calls to our hooks, signed by the other side's own rules, written down here once more."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime

Signed = Callable[[bytes, datetime], dict[str, str]]
SECRET = "a secret between the two of us"


def standard(body: bytes, at: datetime, *, id: str = "msg_1", secret: bytes = SECRET.encode()) -> dict[str, str]:
    """Headers by Standard Webhooks."""
    seconds = int(at.timestamp())
    mac = hmac.new(secret, f"{id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{b64encode(mac).decode()}"
    return {"webhook-id": id, "webhook-timestamp": str(seconds), "webhook-signature": signature}


def ghost(body: bytes, at: datetime, *, secret: str = SECRET) -> dict[str, str]:
    """The header that Ghost sends."""
    milliseconds = int(at.timestamp() * 1000)
    mac = hmac.new(secret.encode(), body + str(milliseconds).encode(), hashlib.sha256).hexdigest()
    return {"X-Ghost-Signature": f"sha256={mac}, t={milliseconds}"}
