"""Resend's API on loopback: enforces what the real one enforces, and delivers one message per recipient.

Faults are those of `tests/fakes/provider.py`, and 429, 429-date, 429-garbage, quota, 413, 422 and 500, which take
nothing and say so.

It calls nobody by itself: `event` makes a webhook call about a mail, signed by Svix's own library, to be posted as
often, as late and in whatever order a test likes.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from svix.webhooks import Webhook

from tests.fakes.provider import Connection, Provider, Refused

KEY = "re_harbour_0123456789"
SENDING_ONLY_KEY = "re_harbour_sending_only"
WEBHOOK_SECRET = "whsec_SGFyYm91ckdhemV0dGVLaWxtYXJuYWdo"

_FIELDS = {
    "from", "to", "cc", "bcc", "reply_to", "subject", "html", "text", "headers", "tags", "template", "topic_id",
    "attachments", "scheduled_at",
}  # fmt: skip
_MAILBOX = re.compile(r"(?:[^<>@]+ <[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+)")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_LIFETIME = timedelta(hours=24)
_LARGEST = 40_000_000


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient, as Resend would have sent it."""

    id: str
    recipient: str
    key: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook call. A retry has the same id and body, and a signature of its own time."""

    id: str
    body: bytes

    def headers(self, at: datetime, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "svix-id": self.id,
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(secret).sign(self.id, at, self.body.decode()),
        }


class Refusal(Refused):
    def __init__(self, status: int, name: str, message: str) -> None:
        self.name = name
        super().__init__(status, message)


class ResendServer(Provider):
    """`clock` tells the age of keys, and counts the `rate` of calls that a team may make in a second. `domains` may
    send. To addresses that are `suppressed`, each for a reason such as "previous_bounce", nothing is sent: what it
    would have been is `withheld`."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] | None = None, rate: int = 1000) -> None:
        super().__init__(folder / "resend.jsonl", clock)
        self.domains = {"harbour-gazette.example"}
        self.suppressed: dict[str, str] = {}
        self.rate = rate
        self.mails: list[Mail] = []
        self.withheld: list[Mail] = []
        self._second: tuple[datetime, int] | None = None  # when it began, and the calls in it
        self._answers: dict[str, tuple[str, datetime, list[str]]] = {}
        self._working: set[str] = set()

    def event(self, mail: Mail, type: str = "email.delivered", *, at: datetime | None = None, **about: Any) -> Hook:
        """What it tells of a mail; `about` are further fields, such as `bounce`."""
        moment = (at or self.clock()).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = {
            "email_id": mail.id,
            "created_at": moment,
            "from": mail.content["from"],
            "to": [mail.recipient],
            "subject": mail.content["subject"],
            "tags": {tag["name"]: tag["value"] for tag in mail.content.get("tags", [])},
            **about,
        }
        body = json.dumps({"type": type, "created_at": moment, "data": data}).encode()
        return Hook(f"msg_{hashlib.sha256(body).hexdigest()[:27]}", body)

    def suppression(self, mail: Mail) -> Hook:
        """What it tells of a mail that it withheld."""
        return self.event(mail, "email.suppressed", suppressed={"reason": self.suppressed[mail.recipient]})

    # ---------------------------------------------------------------- what the API does

    def count(self) -> tuple[int, float]:
        """One call more: how many are left in this second, below 0 when it is one too many, and when it is over."""
        with self.lock:
            now = self.clock()
            began, calls = self._second or (now, 0)
            if now - began >= timedelta(seconds=1):
                began, calls = now, 0
            self._second = (began, calls + 1)
            return self.rate - calls - 1, 1 - (now - began).total_seconds()

    def batch(self, key: str, body: bytes, strict: bool) -> tuple[list[str], list[dict[str, Any]]]:
        """Accept a call once per key: (ids, errors). Raises Refusal."""
        if not 1 <= len(key) <= 256:
            raise Refusal(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        fingerprint = hashlib.sha256(body).hexdigest()
        with self.lock:
            known = self._answers.get(key)
            if known and self.clock() - known[1] < _LIFETIME:
                if known[0] != fingerprint:
                    raise Refusal(409, "invalid_idempotent_request", "Same idempotency key, another payload.")
                return known[2], []
            if key in self._working:
                raise Refusal(409, "concurrent_idempotent_requests", "The original request is still in progress.")
            self._working.add(key)
        try:
            self.wait_if_slow()
            return self._accept(key, fingerprint, body, strict)
        finally:
            self._working.discard(key)

    def _accept(self, key: str, fingerprint: str, body: bytes, strict: bool) -> tuple[list[str], list[dict[str, Any]]]:
        emails = _batch(body)
        errors: list[dict[str, Any]] = []
        good: list[dict[str, Any]] = []
        for index, email in enumerate(emails):
            try:
                self._validate(email)
                good.append(email)
            except Refusal as refusal:
                if strict:
                    raise
                errors.append({"index": index, "message": refusal.message})
        with self.lock:
            before = len(self.mails) + len(self.withheld)
            ids = [f"00000000-0000-4000-8000-{before + number:012d}" for number in range(len(good))]
            entry = {
                "key": key,
                "hash": fingerprint,
                "at": self.clock().isoformat(),
                "ids": ids,
                "emails": good,
                "suppressed": sorted(self.suppressed),
            }
            self.write(entry)
        return ids, errors

    def remember(self, entry: dict[str, Any]) -> None:
        self._answers[entry["key"]] = (entry["hash"], datetime.fromisoformat(entry["at"]), entry["ids"])
        for id, email in zip(entry["ids"], entry["emails"], strict=True):
            recipients = email["to"] if isinstance(email["to"], list) else [email["to"]]
            for recipient in recipients:
                kept = self.withheld if recipient in entry.get("suppressed", ()) else self.mails
                kept.append(Mail(id, recipient, entry["key"], email))

    def _validate(self, email: object) -> None:
        if not isinstance(email, dict):
            raise Refusal(422, "validation_error", "The `email` field must be an `object`.")
        for field in ("from", "to", "subject"):
            if field not in email:
                raise Refusal(422, "missing_required_field", f"Missing `{field}` field.")
        for field in ("attachments", "scheduled_at"):
            if field in email:
                raise Refusal(422, "validation_error", f"The `{field}` field is not supported in batch.")
        if unknown := set(email) - _FIELDS:
            raise Refusal(422, "validation_error", f"Unknown field `{sorted(unknown)[0]}`.")
        if "html" not in email and "text" not in email:
            raise Refusal(422, "missing_required_field", "Missing `html` or `text` field.")
        if not all(isinstance(email.get(field, ""), str) for field in ("from", "subject", "html", "text")):
            raise Refusal(422, "validation_error", "The `subject` field must be a `string`.")
        self._validate_mailboxes(email)
        _validate_headers(email.get("headers", {}))
        for tag in email.get("tags", []):
            if set(tag) != {"name", "value"} or not _TAG.fullmatch(tag["name"]) or not _TAG.fullmatch(tag["value"]):
                raise Refusal(422, "validation_error", "Tags should only contain ASCII letters, numbers, _ or -.")

    def _validate_mailboxes(self, email: dict[str, Any]) -> None:
        to = email["to"] if isinstance(email["to"], list) else [email["to"]]
        if not 1 <= len(to) <= 50:
            raise Refusal(422, "validation_error", "The `to` field must have between 1 and 50 addresses.")
        for field, values in (("to", to), ("from", [email["from"]]), ("reply_to", [email.get("reply_to", "a@b.cd")])):
            for value in values:
                if not isinstance(value, str) or not _MAILBOX.fullmatch(value):
                    raise Refusal(
                        422,
                        "validation_error",
                        f"Invalid `{field}` field. The email address needs to follow the `email@example.com` or "
                        "`Name <email@example.com>` format.",
                    )
        domain = email["from"].rpartition("@")[2].rstrip(">")
        if domain not in self.domains:
            raise Refusal(403, "validation_error", f"The {domain} domain is not verified.")


def _batch(body: bytes) -> list[Any]:
    try:
        emails = json.loads(body)
    except ValueError:
        raise Refusal(400, "validation_error", "The request body is no JSON.") from None
    if not isinstance(emails, list):
        raise Refusal(422, "validation_error", "The `request.body` field must be an `array`.")
    if not 1 <= len(emails) <= 100:
        raise Refusal(422, "validation_error", "A batch holds between 1 and 100 emails.")
    return emails


def _validate_headers(headers: object) -> None:
    if not isinstance(headers, dict):
        raise Refusal(422, "validation_error", "The `headers` field must be an `object`.")
    for name, value in headers.items():
        if not isinstance(value, str) or re.search(r"[^\x20-\x7e]", name + value):
            raise Refusal(422, "validation_error", f"The `headers` field has an invalid value for {name}.")


class _Connection(Connection):
    fake: ResendServer
    largest = _LARGEST
    failed = Refusal(500, "internal_server_error", "An unexpected error occurred.")
    left, over = 0, 1.0  # of this second: calls that may still come, and how long it lasts

    def _authorise(self) -> None:
        if not self.headers.get("User-Agent"):
            raise Refusal(403, "forbidden", "A User-Agent is required.")
        given = self.headers.get("Authorization", "")
        if not given.startswith("Bearer "):
            raise Refusal(401, "missing_api_key", "Missing API key in the authorization header.")
        if given not in (f"Bearer {KEY}", f"Bearer {SENDING_ONLY_KEY}"):
            raise Refusal(403, "invalid_api_key", "API key is invalid.")

    def respond(self, length: int, body: bytes) -> None:
        self._authorise()
        self.left, self.over = self.fake.count()
        if self.left < 0:
            wait = {"Retry-After": str(max(1, math.ceil(self.over)))}
            self.refuse(Refusal(429, "rate_limit_exceeded", "Too many requests."), wait)
        elif self.path == "/domains" and self.command == "GET":
            if self.headers["Authorization"] == f"Bearer {SENDING_ONLY_KEY}":
                raise Refusal(401, "restricted_api_key", "This API key is restricted to only send emails.")
            self.answer(200, {"data": [{"id": domain, "name": domain} for domain in sorted(self.fake.domains)]})
        elif self.path != "/emails/batch":
            raise Refusal(404, "not_found", "The requested endpoint does not exist.")
        elif self.command != "POST":
            raise Refusal(405, "method_not_allowed", "Method is not allowed for the requested path.")
        elif self.headers.get("Content-Type") != "application/json":
            raise Refusal(422, "validation_error", "The content type must be application/json.")
        elif length > _LARGEST:
            raise Refusal(413, "validation_error", "The request is too large.")
        else:
            self._post(body)

    def _post(self, body: bytes) -> None:
        fault = self.fake.next_fault()
        if self.untouched(fault):
            return
        strict = self.headers.get("x-batch-validation", "strict") != "permissive"
        ids, errors = self.fake.batch(self.headers.get("Idempotency-Key", ""), body, strict)
        answer = {"data": [{"id": id} for id in ids], **({"errors": errors} if errors else {})}
        self.accepted(fault, answer)

    def refusal(self, fault: str) -> Refusal | None:
        many = Refusal(429, "rate_limit_exceeded", "Too many requests.")
        return {
            "413": Refusal(413, "validation_error", "The request is too large."),
            "422": Refusal(422, "validation_error", "Invalid value in emails[1].to."),
            "500": Refusal(500, "application_error", "An unexpected error occurred."),
            "quota": Refusal(429, "daily_quota_exceeded", "You have reached your daily email sending quota."),
            **dict.fromkeys(("429", "429-date", "429-garbage"), many),
        }.get(fault)

    def refuse(self, refused: Refusal, headers: Mapping[str, str]) -> None:
        body = {"statusCode": refused.status, "name": refused.name, "message": refused.message}
        self.answer(refused.status, body, headers)

    def send(
        self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None, *, missing: int = 0
    ) -> None:
        given = dict(headers or {})
        limits = {"ratelimit-limit": str(self.fake.rate), "ratelimit-remaining": str(max(0, self.left))}
        if given.get("Retry-After") != "soon":
            limits["ratelimit-reset"] = str(max(1, math.ceil(self.over)))
        super().send(status, body, kind, limits | given, missing=missing)


ResendServer.connection = _Connection
