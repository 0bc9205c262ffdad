"""Mailgun's API on loopback: enforces what the real one enforces, fills in, and delivers one message per recipient.

A line of its journal is a call, from which each message can be made again. Faults are those of
`tests/fakes/provider.py`, and 429, 429-date, 429-garbage, quota, 400, 403, 413 and 500, which take nothing and say so.

`answer_only` neither keeps nor checks what is sent: for measuring the speed of a sender. As a program it serves until
it is interrupted: `python -m tests.fakes.mailgun FOLDER [--port N] [--answer-only] [--lag SECONDS]`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.fakes.provider import Call, Connection, Provider, Refused

KEY = "key-harbour-0123456789"
SENDING_ONLY_KEY = "key-harbour-sending-only"
WEBHOOK_KEY = "key-harbour-webhook-signing"
DOMAIN = "mg.harbour-gazette.example"

_ADDRESS = re.compile(r'(?:[^\s<>@,;:"()\[\]\\]+|"[^"\r\n]+")@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+', re.ASCII)
_MAILBOX = re.compile(r"(?:[^<>@]+ )?<(?P<address>[^<>\s]+)>")
_VARIABLE = re.compile(
    r"%recipient\.(?P<key>[^%]+)%"
    r"|%(?P<own>recipient(?:_\w+)?|(?:tag_|mailing_list_)?unsubscribe_(?:url|email))%",
    re.IGNORECASE,
)
_FILTERS = {"begin", "end", "ascending", "limit", "pretty", "event", "recipient", "tags", "message-id", "severity"}
_OPTIONS = 16_384
_LARGEST = 25_000_000


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as Mailgun would have sent it. Header names are as they were given."""

    recipient: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    variables: dict[str, str]


def fields(call: Call) -> dict[str, list[str]]:
    return form(call.headers.get("Content-Type", ""), call.body)


class MailgunServer(Provider):
    """`clock` dates events, which are shown once they are `lag` old and, those of `late` recipients, as much later.
    They are forgotten after `retention`. The next `behind` pages are still empty. `domains` are ours, with their state.
    `suppressed` addresses get no mail, for a reason such as "suppress-bounce"."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        lag: timedelta = timedelta(0),
        retention: timedelta = timedelta(days=1),
        answer_only: bool = False,
        port: int = 0,
    ) -> None:
        super().__init__(folder / "mailgun.jsonl", clock, port)
        self.lag, self.retention, self.answer_only = lag, retention, answer_only
        self.late: dict[str, timedelta] = {}
        self.behind = 0
        self.domains = {DOMAIN: "active"}
        self.suppressed: dict[str, str] = {}
        self.recipients = 0
        self._accepted: list[dict[str, Any]] = []
        self._happened: list[dict[str, Any]] = []

    # ---------------------------------------------------------------- what was sent

    @property
    def mails(self) -> list[Mail]:
        """Every message that left, in order."""
        return [_mail(entry, recipient) for entry in self._accepted for recipient in _delivered(entry)]

    def deliveries(self) -> Iterator[tuple[str, str, str]]:
        """(recipient, batch, rid) of every message that left, without making the messages."""
        for entry in self._accepted:
            for recipient in _delivered(entry):
                variables = _user_variables(entry, recipient)
                yield recipient, variables.get("batch", ""), variables.get("rid", "")

    # ---------------------------------------------------------------- accepting

    def accept(self, domain: str, fields: dict[str, list[str]]) -> str:
        """Take a call: its id. Raises Refused, and then nothing was taken."""
        recipients, variables = _validated(fields)
        entry = {
            "at": self.clock().isoformat(),
            "domain": domain,
            "fields": {name: given for name, given in fields.items() if name not in ("to", "recipient-variables")},
            "to": recipients,
            "variables": variables,
            "dropped": {one: self.suppressed[one] for one in recipients if one in self.suppressed},
        }
        with self.lock:
            entry["id"] = fields.get("h:Message-Id", [f"<20261122.{len(self._accepted) + 1}@{domain}>"])[0]
            self.write(entry)
        return str(entry["id"])

    def remember(self, entry: dict[str, Any]) -> None:
        if "event" in entry:
            self._happened.append(entry)
        else:
            self._accepted.append(entry)
            self.recipients += len(entry["to"])

    # ---------------------------------------------------------------- events

    def happen(self, recipient: str, event: str, *, batch: str = "", **details: Any) -> dict[str, Any]:
        """Something becomes of the last message to a recipient: failed, opened, complained..."""
        entry = next(
            entry
            for entry in reversed(self._accepted)
            if recipient in entry["to"] and batch in ("", _user_variables(entry, recipient).get("batch"))
        )
        item = {**_item(entry, recipient, event, self.clock(), len(self._happened)), **details}
        with self.lock:
            self.write(item)
        return item

    def shown(self, tags: str = "") -> list[dict[str, Any]]:
        """Every event that Mailgun shows by now, oldest first; only those with one of the tags, if any are given."""
        now, wanted = self.clock(), _alternatives(tags)
        with self.lock:
            entries = [
                entry for entry in self._accepted if not tags or wanted & _lower(entry["fields"].get("o:tag", []))
            ]
            happened = [item for item in self._happened if not tags or wanted & _lower(item.get("tags", []))]
        items = [*happened, *(item for entry in entries for item in _items(entry))]
        shown = [
            item
            for item in items
            if self._since(item, now) >= self.lag + self.late.get(item["recipient"], timedelta(0))
            and self._since(item, now) < self.retention
        ]
        return sorted(shown, key=lambda item: (item["timestamp"], item["id"]))

    def _since(self, item: dict[str, Any], now: datetime) -> timedelta:
        return now - datetime.fromtimestamp(item["timestamp"], UTC)

    def page(self, domain: str, query: dict[str, str], offset: int) -> dict[str, Any]:
        if unknown := set(query) - _FILTERS:
            raise Refused(400, f"unknown filter {sorted(unknown)[0]}")
        limit = int(query.get("limit", "100"))
        if not 1 <= limit <= 300:
            raise Refused(400, "limit must be between 1 and 300")
        chosen = [item for item in self.shown(query.get("tags", "")) if _matches(item, query)]
        if self.behind:
            self.behind, chosen = self.behind - 1, []
        if query.get("ascending", "no") != "yes":
            chosen.reverse()

        def link(start: int) -> str:
            token = base64.urlsafe_b64encode(json.dumps([query, start]).encode()).decode()
            return f"{self.url}/v3/{domain}/events/{token}"

        pages = {"next": link(offset + limit), "previous": link(max(0, offset - limit)), "first": link(0)}
        return {
            "items": chosen[offset : offset + limit],
            "paging": {**pages, "last": link(max(0, len(chosen) - limit))},
        }

    # ---------------------------------------------------------------- webhooks

    def signed(self, event: dict[str, Any], *, attempt: int = 0, at: datetime | None = None) -> bytes:
        """A webhook call for an event. The same attempt has the same token, another attempt another one."""
        token = hashlib.sha512(f"{event['id']}/{attempt}".encode()).hexdigest()[:50]
        timestamp = str(int((at or self.clock()).timestamp()))
        proof = hmac.new(WEBHOOK_KEY.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
        signature = {"timestamp": timestamp, "token": token, "signature": proof}
        return json.dumps({"signature": signature, "event-data": event}).encode()

    def webhooks(self, *, backwards: bool = False, twice: bool = False) -> list[bytes]:
        """A call for every event that is shown."""
        bodies = [self.signed(event) for event in self.shown()]
        bodies = [body for body in bodies for _ in range(1 + twice)]
        return bodies[::-1] if backwards else bodies

    @staticmethod
    def post(url: str, bodies: list[bytes]) -> list[int]:
        """Call a webhook: the status of each answer."""
        statuses = []
        for body in bodies:
            request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    statuses.append(answer.status)
            except HTTPError as error:
                statuses.append(error.code)
        return statuses


# ---------------------------------------------------------------- reading a call


def form(kind: str, body: bytes) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    found = re.fullmatch(r"multipart/form-data; boundary=([\w'()+,./:=?-]{1,70})", kind)
    if found:
        for part in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]:
            head, _, value = part.partition(b"\r\n\r\n")
            name = re.search(rb'\bname="([^"]+)"', head)
            if name:
                fields.setdefault(name[1].decode(), []).append(value.decode())
    elif kind.startswith("application/x-www-form-urlencoded"):
        fields = parse_qs(body.decode(), keep_blank_values=True)
    return fields


def _validated(fields: dict[str, list[str]]) -> tuple[list[str], dict[str, dict[str, Any]] | None]:
    if not _is_address(fields.get("from", [""])[0]):
        raise Refused(400, "'from' parameter is not a valid address. please check documentation")
    given = [one.strip() for value in fields.get("to", []) for one in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', value)]
    if not given:
        raise Refused(400, "'to' parameter is missing")
    if not all(map(_is_address, given)):
        raise Refused(400, "'to' parameter is not a valid address. please check documentation")
    recipients = list(dict.fromkeys(_bare(one) for one in given))
    if len(recipients) > 1000:
        raise Refused(400, "Too many recipients, max is 1000")
    if not fields.get("subject", [""])[0]:
        raise Refused(400, "'subject' parameter is missing")
    if not any(fields.get(name, [""])[0] for name in ("text", "html")):
        raise Refused(400, "Need at least one of 'text' or 'html' parameters specified")
    _validate_options(fields)
    return recipients, _recipient_variables(fields)


def _validate_options(fields: dict[str, list[str]]) -> None:
    options = [(name, value) for name, values in fields.items() if name[:2] in ("o:", "h:", "v:") for value in values]
    if sum(len(name.encode()) + len(value.encode()) for name, value in options) > _OPTIONS:
        raise Refused(400, "o:, h:, v: and t: parameters are limited to 16KB in total")
    for name, value in options:
        if name.startswith("h:") and re.search(r"[^\x20-\x7e]", name + value):
            raise Refused(400, f"header {name[2:]} is not ASCII")
        if name == "o:tag" and (not value.isascii() or len(value) > 128):
            raise Refused(400, "tags must be ASCII and of at most 128 characters")


def _recipient_variables(fields: dict[str, list[str]]) -> dict[str, dict[str, Any]] | None:
    if "recipient-variables" not in fields:
        return None
    try:
        variables = json.loads(fields["recipient-variables"][0])
    except ValueError:
        raise Refused(400, "recipient-variables is no valid JSON") from None
    if not isinstance(variables, dict) or not all(
        isinstance(own, dict) and not any(isinstance(value, dict | list) for value in own.values())
        for own in variables.values()
    ):
        raise Refused(400, "recipient-variables must be a JSON object of objects of plain values")
    return variables


def _bare(mailbox: str) -> str:
    found = _MAILBOX.fullmatch(mailbox)
    return found["address"] if found else mailbox


def _is_address(mailbox: str) -> bool:
    return bool(_ADDRESS.fullmatch(_bare(mailbox)))


# ---------------------------------------------------------------- making messages


def _fill(entry: dict[str, Any], recipient: str, text: str) -> str:
    own = (entry["variables"] or {}).get(recipient, {})

    def value(found: re.Match[str]) -> str:
        if found["key"] is not None:
            return str(own[found["key"]]) if found["key"] in own else found[0]
        if found["own"].lower().startswith("recipient"):
            return recipient
        return f"https://mailgun.example/{found['own'].lower()}/{recipient}"

    return _VARIABLE.sub(value, text)


def _mail(entry: dict[str, Any], recipient: str) -> Mail:
    fields = entry["fields"]

    def field(name: str) -> str:
        return _fill(entry, recipient, fields.get(name, [""])[0])

    variables = _user_variables(entry, recipient)
    headers = {name[2:]: field(name) for name in fields if name.startswith("h:")}
    headers.setdefault("Message-Id", entry["id"])
    return Mail(
        recipient=recipient,
        to=recipient if entry["variables"] is not None else ", ".join(entry["to"]),
        sender=field("from"),
        subject=field("subject"),
        text=field("text"),
        html=field("html"),
        headers={**headers, **({"X-Mailgun-Variables": json.dumps(variables)} if variables else {})},
        variables=variables,
    )


def _user_variables(entry: dict[str, Any], recipient: str) -> dict[str, str]:
    fields = entry["fields"]
    return {name[2:]: _fill(entry, recipient, fields[name][0]) for name in fields if name.startswith("v:")}


def _delivered(entry: dict[str, Any]) -> list[str]:
    if entry["fields"].get("o:testmode") == ["yes"]:
        return []
    return [recipient for recipient in entry["to"] if recipient not in entry["dropped"]]


# ---------------------------------------------------------------- making events


def _items(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = datetime.fromisoformat(entry["at"])
    soon = at + timedelta(seconds=1)
    for recipient in entry["to"]:
        yield _item(entry, recipient, "accepted", at)
        if recipient in entry["dropped"]:
            reason = entry["dropped"][recipient]
            code = {"suppress-bounce": 605, "suppress-unsubscribe": 606}.get(reason, 607)
            status = {"code": code, "message": "", "description": "Not delivering to this address", "attempt-no": 1}
            failed = _item(entry, recipient, "failed", soon)
            yield {**failed, "severity": "permanent", "reason": reason, "delivery-status": status}
        elif entry["fields"].get("o:testmode") != ["yes"]:
            yield {**_item(entry, recipient, "delivered", soon), "delivery-status": {"code": 250, "message": "OK"}}


def _item(entry: dict[str, Any], recipient: str, event: str, at: datetime, number: int = 0) -> dict[str, Any]:
    identity = _fill(entry, recipient, entry["id"]).strip("<>")
    return {
        "event": event,
        "id": hashlib.sha256(f"{entry['at']}/{identity}/{recipient}/{event}/{number}".encode()).hexdigest()[:22],
        "timestamp": at.timestamp(),
        "recipient": recipient,
        "tags": entry["fields"].get("o:tag", []),
        "user-variables": _user_variables(entry, recipient),
        "message": {
            "headers": {"message-id": identity, "to": recipient, "from": entry["fields"]["from"][0]},
            "attachments": [],
            "size": sum(len(text) for name in ("text", "html") for text in entry["fields"].get(name, [])),
        },
        "flags": {"is-test-mode": entry["fields"].get("o:testmode") == ["yes"]},
    }


def _matches(item: dict[str, Any], query: dict[str, str]) -> bool:
    begin, end = query.get("begin"), query.get("end")
    if (begin and item["timestamp"] < _seconds(begin)) or (end and item["timestamp"] > _seconds(end)):
        return False
    has = {
        "event": [item["event"]],
        "recipient": [item["recipient"]],
        "message-id": [item["message"]["headers"]["message-id"]],
        "severity": [item.get("severity", "")],
    }
    return all(_alternatives(query[name]) & _lower(has[name]) for name in has if name in query)


def _alternatives(expression: str) -> set[str]:
    return {wanted.strip('" ').lower() for wanted in re.split(r"\s+OR\s+", expression)}


def _lower(values: list[str]) -> set[str]:
    return {value.lower() for value in values}


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp()


# ---------------------------------------------------------------- one connection


class _Connection(Connection):
    fake: MailgunServer
    largest = _LARGEST
    failed = Refused(500, "Internal Server Error")

    def seen(self, call: Call) -> None:
        if not self.fake.answer_only:
            self.fake.calls.append(call)

    def _only_answer(self, body: bytes) -> None:
        with self.fake.lock:
            self.fake.recipients += body.count(b'name="to"')
            number = self.fake.recipients
        self.answer(200, {"id": f"<20261122.{number}@{DOMAIN}>", "message": "Queued. Thank you."})

    def respond(self, length: int, body: bytes) -> None:
        if self.fake.answer_only:
            self._only_answer(body)
            return
        url = urlsplit(self.path)
        found = re.fullmatch(
            r"/v3/(?:domains/(?P<about>[^/]+)|(?P<domain>[^/]+)/(?P<what>messages|events)(?P<page>/[\w=-]+)?)", url.path
        )
        if not found or (self.command == "POST") != (found["what"] == "messages"):
            self.send(200, b"Mailgun Magnificent API", "text/plain")
            return
        domain = found["about"] or found["domain"]
        if not self._may(found["what"] or "domains"):
            self.send(401, b"Forbidden", "text/plain")
        elif domain not in self.fake.domains:
            raise Refused(404, f"Domain not found: {domain}")
        elif found["about"]:
            self.answer(200, {"domain": {"name": domain, "state": self.fake.domains[domain]}})
        elif found["what"] == "events":
            query, offset = self._query(url.query, found["page"])
            self.answer(200, self.fake.page(domain, query, offset))
        elif length > _LARGEST:
            raise Refused(413, "Request Entity Too Large")
        else:
            self._post(domain, body)

    def _query(self, query: str, page: str | None) -> tuple[dict[str, str], int]:
        if not page:
            return dict(parse_qsl(query)), 0
        kept, offset = json.loads(base64.urlsafe_b64decode(page[1:]))
        return kept, offset

    def _may(self, what: str) -> bool:
        user, _, key = _credentials(self.headers.get("Authorization", "")).partition(":")
        return user == "api" and (key == KEY or (key == SENDING_ONLY_KEY and what == "messages"))

    def _post(self, domain: str, body: bytes) -> None:
        fields = form(self.headers.get("Content-Type", ""), body)
        if not fields.get("from", [""])[0]:
            raise Refused(400, "'from' parameter is missing")
        fault = self.fake.next_fault()
        if self.untouched(fault):
            return
        if self.fake.domains[domain] != "active":
            raise Refused(400, "The domain is unverified and requires DNS configuration.")
        self.fake.wait_if_slow()
        answer = {"id": self.fake.accept(domain, fields), "message": "Queued. Thank you."}
        self.accepted(fault, answer)

    def refusal(self, fault: str) -> Refused | None:
        now = datetime.now(UTC)
        stop = f"Domain {DOMAIN} is not allowed to send: %s limit exceeded, try again after %s"
        refusals = {
            "400": (400, "template parameter is not supported"),
            "403": (403, "Your account is not allowed to send large batches yet"),
            "413": (413, "Request Entity Too Large"),
            "500": (500, "Internal Server Error"),
            "429": (429, "Too many requests"),
            "429-date": (429, stop % ("request", _rfc1123(now + timedelta(seconds=90)))),
            "429-garbage": (429, stop % ("request", "a while")),
            "quota": (429, stop % ("recipient", _rfc1123(now + timedelta(hours=1)))),
        }
        return Refused(*refusals[fault]) if fault in refusals else None

    def wait(self, fault: str) -> str:
        return super().wait(fault) if fault == "429" else ""  # other times it tells in words

    def refuse(self, refused: Refused, headers: Mapping[str, str]) -> None:
        self.answer(refused.status, {"message": refused.message}, headers)


MailgunServer.connection = _Connection


def _credentials(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    try:
        return base64.b64decode(value, validate=True).decode() if scheme == "Basic" else ""
    except ValueError:
        return ""


def _rfc1123(at: datetime) -> str:
    return format_datetime(at, usegmt=True).replace("GMT", "UTC")


def main() -> None:
    parser = argparse.ArgumentParser(description="Mailgun's API on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer-only", action="store_true")
    parser.add_argument("--lag", type=float, default=0.0, help="seconds until an event is shown")
    given = parser.parse_args()
    lag = timedelta(seconds=given.lag)
    with MailgunServer(given.folder, lag=lag, answer_only=given.answer_only, port=given.port) as server:
        print(server.url, flush=True)  # noqa: T201  # whoever started it waits for this line
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
