"""Postmark's API on loopback: enforces what the real one enforces, and delivers one message per recipient.

Search shows a message only when it is `lag` old by the clock. Faults are those of `tests/fakes/provider.py`, and

    fewer              takes the call, answers for all but the last
    429 429-hour 429-date 429-garbage quota maintenance 413 422 500     takes nothing, says so
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.postmark_rules import (
    MAILBOX,
    WINDOW,
    Mail,
    Refusal,
    Stream,
    listed,
    matches,
    number,
    read_batch,
    stream_of,
    validate_contents,
)
from tests.fakes.provider import Connection, Provider

TOKEN = "5f7a1c3e-harbour-4b2d-9e60-0123456789ab"
TEST_TOKEN = "POSTMARK_API_TEST"
HOOK_USER, HOOK_PASSWORD = "harbour", "tide-table-1884"

_PLACEHOLDER = re.compile(r"\{\{\{?\s*pm:unsubscribe\s*\}?\}\}", re.IGNORECASE)
_OWN_LINK = "https://unsubscribe.postmark.example/1"
_RETENTION = timedelta(days=45)
_LARGEST = 50_000_000


class PostmarkServer(Provider):
    """`clock` tells when messages come, and `lag` how long search hides them. `domains` may send. `taken` is
    set once any was accepted."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        lag: timedelta = timedelta(minutes=3),
    ) -> None:
        super().__init__(folder / "postmark.jsonl", clock)
        self.lag = lag
        self.domains = {"harbour-gazette.example"}
        self.streams = {
            "broadcast": Stream(),
            "outbound": Stream("Transactional", "None"),
            "inbound": Stream("Inbound"),
        }
        self.per_message: dict[str, tuple[int, str]] = {}  # recipient -> error code and message, for odd answers
        self.mails: list[Mail] = []
        self._by_batch: dict[str, list[Mail]] = {}  # a search among 100,000 need not look at each
        self.taken = threading.Event()
        self._messages = 0

    def suppress(self, address: str, stream: str = "broadcast") -> None:
        """A hard bounce or a complaint made it inactive in one stream."""
        self.write({"suppressed": address, "stream": stream})

    # ---------------------------------------------------------------- sending

    def batch(self, body: bytes, *, test: bool = False) -> list[dict[str, Any]]:
        """One entry per message, in order. Raises Refusal."""
        emails = read_batch(body)
        self.wait_if_slow()
        with self.lock:
            at = self.clock()
            entries, taken = [], []
            for email in emails:
                try:
                    entry, recipients = self._one(email, at)
                    taken.append({"id": entry["MessageID"], "recipients": recipients, "email": email})
                except Refusal as refusal:
                    entry = {"ErrorCode": refusal.code, "Message": refusal.message}
                entries.append(entry)
            if taken and not test:
                self.write({"at": at.isoformat(), "messages": taken})
                self.taken.set()
            return entries

    def _one(self, email: dict[str, Any], at: datetime) -> tuple[dict[str, Any], list[str]]:
        recipients = self._validate(email)
        inactive = [one for one in recipients if one.lower() in self.streams[stream_of(email)].inactive]
        active = [one for one in recipients if one not in inactive]
        advice = "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
        if not active:
            raise Refusal(
                422,
                406,
                "You tried to send to a recipient that has been marked as inactive.\n"
                f" Found inactive addresses: {', '.join(inactive)}.\n {advice}",
            )
        self._messages += 1
        told = "OK"
        if inactive:
            told = f"Message OK, but will not deliver to these inactive addresses: {', '.join(inactive)}. {advice}"
        return {
            "To": email["To"],
            "SubmittedAt": at.strftime("%Y-%m-%dT%H:%M:%S.%f1Z"),
            "MessageID": f"0a12c0de-0000-4000-8000-{self._messages:012d}",
            "ErrorCode": 0,
            "Message": told,
        }, active

    def _validate(self, email: dict[str, Any]) -> list[str]:
        sender = MAILBOX.fullmatch(email.get("From", ""))
        if not sender:
            raise Refusal(422, 300, f"Invalid 'From' address: '{email.get('From', '')}'.")
        domain = (sender["inner"] or sender["bare"]).rpartition("@")[2]
        if domain not in self.domains:
            raise Refusal(
                422,
                400,
                f"The 'From' address you supplied ({email['From']}) is not a Sender Signature on your account.",
            )
        if email.get("ReplyTo") and not MAILBOX.fullmatch(email["ReplyTo"]):
            raise Refusal(422, 300, f"Invalid 'ReplyTo' address: '{email['ReplyTo']}'.")
        if self.streams.get(stream_of(email), Stream("Inbound")).kind == "Inbound":
            raise Refusal(
                422, 1235, f"The 'MessageStream' provided ({stream_of(email)}) does not exist on this server."
            )
        recipients = self._recipients(email)
        validate_contents(email)
        return recipients

    def _recipients(self, email: dict[str, Any]) -> list[str]:
        to = [one.strip() for name in ("To", "Cc", "Bcc") for one in email.get(name, "").split(",") if one.strip()]
        if not to:
            raise Refusal(422, 300, "Zero recipients specified.")
        if len(to) > 50:
            raise Refusal(422, 300, "Invalid 'To' field: at most 50 recipients.")
        found = []
        for one in to:
            match = MAILBOX.fullmatch(one)
            if not match:
                raise Refusal(422, 300, f"Invalid 'To' address: '{one}'.")
            if one in self.per_message:
                raise Refusal(422, *self.per_message[one])
            found.append(match["inner"] or match["bare"])
        return found

    # ---------------------------------------------------------------- what is remembered

    def remember(self, entry: dict[str, Any]) -> None:
        if "suppressed" in entry:
            self.streams[entry["stream"]].inactive.add(entry["suppressed"].lower())
            return
        for message in entry["messages"]:
            email, at = message["email"], datetime.fromisoformat(entry["at"])
            self._messages = max(self._messages, int(message["id"][-12:]))
            content, headers = self._built(message["id"], email)
            mails = [
                Mail(
                    message["id"],
                    one,
                    stream_of(email),
                    at,
                    email.get("Metadata", {}),
                    email.get("Tag", ""),
                    content,
                    headers,
                )
                for one in message["recipients"]
            ]
            self.mails += mails
            self._by_batch.setdefault(email.get("Metadata", {}).get("batch", ""), []).extend(mails)

    def _built(self, id: str, email: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        headers = {header["Name"].lower(): header["Value"] for header in email.get("Headers", [])}
        if headers.pop("x-pm-keepid", "") != "true" or "message-id" not in headers:
            headers["message-id"] = f"<{id}@mtasv.postmark.example>"
        if "ReplyTo" in email:
            headers["reply-to"] = email["ReplyTo"]
        content, stream = dict(email), self.streams[stream_of(email)]
        if stream.kind == "Broadcasts":
            for name in ("HtmlBody", "TextBody"):
                body, replaced = _PLACEHOLDER.subn(_OWN_LINK, content.get(name, ""))
                if stream.handling == "Postmark":
                    headers["list-unsubscribe"] = f"<{_OWN_LINK}>"
                    body += "" if replaced else f"\nUnsubscribe: {_OWN_LINK}\n"
                content[name] = body
        return content, headers

    # ---------------------------------------------------------------- asking

    def search(self, query: dict[str, str]) -> dict[str, Any]:
        """GET /messages/outbound: newest first, and nothing that is younger than the lag. Raises Refusal."""
        count, offset = number(query, "count"), number(query, "offset")
        if not 1 <= count <= 500 or offset < 0 or count + offset > WINDOW:
            raise Refusal(422, 700, f"Count must be 1 to 500, and count with offset at most {WINDOW}.")
        now = self.clock()
        with self.lock:
            batch = query.get("metadata_batch")
            mails = list(self.mails if batch is None else self._by_batch.get(batch, ()))
        by_id: dict[str, list[Mail]] = {}
        for mail in mails:
            if self.lag <= now - mail.at <= _RETENTION and matches(mail, query):
                by_id.setdefault(mail.id, []).append(mail)
        found = [listed(mails) for mails in reversed(by_id.values())]
        return {"TotalCount": len(found), "Messages": found[offset : offset + count]}

    def stream(self, id: str) -> dict[str, Any]:
        """GET /message-streams/{id}. Raises Refusal."""
        if id not in self.streams:
            raise Refusal(422, 1226, f"The message stream for the provided 'ID' was not found: {id}.")
        stream = self.streams[id]
        return {
            "ID": id,
            "ServerID": 1884,
            "Name": id.title(),
            "Description": None,
            "MessageStreamType": stream.kind,
            "CreatedAt": "2026-01-02T03:04:05.1234567-05:00",
            "UpdatedAt": None,
            "ArchivedAt": stream.archived,
            "SubscriptionManagementConfiguration": {"UnsubscribeHandlingType": stream.handling},
        }

    # ---------------------------------------------------------------- webhooks

    def hook(self, record: str, mail: Mail, **changes: object) -> bytes:
        """The body of a webhook call about a message, such as "Delivery" or "Bounce"."""
        at = (mail.at + timedelta(seconds=20)).strftime("%Y-%m-%dT%H:%M:%S.1234567Z")
        common: dict[str, object] = {
            "RecordType": record,
            "MessageID": mail.id,
            "ServerID": 1884,
            "MessageStream": mail.stream,
            "Tag": mail.tag,
            "Metadata": mail.metadata,
        }
        bounce = {"ID": int(mail.id[-12:]) + 4_323_372_036, "Email": mail.recipient, "BouncedAt": at, "Inactive": True}
        kinds: dict[str, dict[str, object]] = {
            "Delivery": {"Recipient": mail.recipient, "DeliveredAt": at, "Details": "smtp;250 2.0.0 OK"},
            "Bounce": {**bounce, "Type": "HardBounce", "TypeCode": 1, "Details": "smtp;550 5.1.1 no such user"},
            "SpamComplaint": {**bounce, "Type": "SpamComplaint", "TypeCode": 512, "Description": "marked as spam"},
            "Open": {"Recipient": mail.recipient, "ReceivedAt": at, "FirstOpen": True},
            "Click": {
                "Recipient": mail.recipient,
                "ReceivedAt": at,
                "OriginalLink": "https://harbour-gazette.example/",
            },
            "SubscriptionChange": {
                "Recipient": mail.recipient,
                "ChangedAt": at,
                "Origin": "Recipient",
                "SuppressSending": True,
                "SuppressionReason": "ManualSuppression",
            },
        }
        return json.dumps({**common, **kinds[record], **changes}).encode()

    def emit(self, url: str, bodies: Iterable[bytes], *, times: int = 1, seed: int | None = None) -> list[int]:
        """Call a webhook with every body, each so many times, shuffled when there is a seed: the statuses."""
        calls = [body for body in bodies for _ in range(times)]
        if seed is not None:
            random.Random(seed).shuffle(calls)
        return [_post(url, body) for body in calls]


def hook_headers(user: str = HOOK_USER, password: str = HOOK_PASSWORD) -> dict[str, str]:
    """What a webhook call carries, names in lower case."""
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {
        "authorization": f"Basic {credentials}",
        "content-type": "application/json",
        "user-agent": "Postmark",
    }


def _post(url: str, body: bytes) -> int:
    there = urlsplit(url)
    connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=10)
    try:
        connection.request("POST", there.path or "/", body, hook_headers())
        return connection.getresponse().status
    finally:
        connection.close()


class _Connection(Connection):
    fake: PostmarkServer
    largest = _LARGEST
    failed = Refusal(500, 0, "An unexpected error occurred.")

    def _authorise(self) -> None:
        if self.headers.get("X-Postmark-Server-Token") not in (TOKEN, TEST_TOKEN):
            raise Refusal(
                401, 10, "The Server Token you provided in the X-Postmark-Server-Token request header is bad."
            )
        if self.headers.get("Accept") != "application/json":
            raise Refusal(422, 409, "JSON required: set Accept to application/json.")

    def respond(self, length: int, body: bytes) -> None:
        self._authorise()
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        sends = path == "/email/batch"
        if not sends and path != "/messages/outbound" and not path.startswith("/message-streams/"):
            raise Refusal(404, 0, "Not found.")
        if self.command != ("POST" if sends else "GET"):
            raise Refusal(405, 0, "Method not allowed.")
        if sends and self.headers.get("Content-Type") != "application/json":
            raise Refusal(415, 409, "JSON required: set Content-Type to application/json.")
        if length > _LARGEST:
            raise Refusal(413, 0, "The request is too large.")
        if sends:
            self._post(body)
        elif not self.untouched(self.fake.next_fault("get")):
            self.answer(
                200, self.fake.search(query) if path == "/messages/outbound" else self.fake.stream(unquote(path[17:]))
            )

    def _post(self, body: bytes) -> None:
        fault = self.fake.next_fault()
        if self.untouched(fault):
            return
        answer = self.fake.batch(body, test=self.headers["X-Postmark-Server-Token"] == TEST_TOKEN)
        self.accepted(fault, answer[:-1] if fault == "fewer" else answer)

    def refusal(self, fault: str) -> Refusal | None:
        many = Refusal(429, 429, "Rate limit exceeded.")
        return {
            "413": Refusal(413, 0, "The request is too large."),
            "422": Refusal(422, 413, "This account may not send."),
            "500": Refusal(500, 0, "An unexpected error occurred."),
            "quota": Refusal(422, 405, "Not allowed to send: you ran out of credits."),
            "maintenance": Refusal(503, 100, "The Postmark API is offline for maintenance."),
            **dict.fromkeys(("429", "429-hour", "429-date", "429-garbage"), many),
        }.get(fault)

    def refuse(self, refused: Refusal, headers: Mapping[str, str]) -> None:
        self.answer(refused.status, {"ErrorCode": refused.code, "Message": refused.message}, headers)


PostmarkServer.connection = _Connection
