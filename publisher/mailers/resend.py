"""Mail through Resend's batch API: whole messages, one call a batch, and an idempotency key that protects a day.

Strict validation makes a call all or nothing, so a refusal proves that nothing was taken. An answer that is lost,
torn or a server error proves nothing: the same bytes under the same key are sent again, and Resend answers with what
it did the first time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, Refused, TryLater
from publisher.kit.http_session import retry_after
from publisher.kit.message import (
    address,
    list_headers,
    mailbox,
    personal,
    unsubscribe_headers,
    web_address,
)
from publisher.mailers import _resend_events as webhook
from publisher.mailers._sessions import Sessions
from publisher.mailers._shared import NothingToAsk, deferred, failure_of, is_loopback, one_line, prepared
from publisher.model import Capability, Letter, MailEvent, Mailing, Outcome, Prepared, Result

_CONNECT = 10.0  # seconds
_PATIENCE = 60.0
_WHOLE = 90.0  # seconds for an answer's body
_LARGEST = 1_000_000  # bytes of an answer that are read
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_REFUSED = frozenset({400, 413, 422})
_OUR_FAULT = frozenset({"invalid_from_address", "invalid_idempotency_key", "invalid_access"})
_CULPRIT = re.compile(r"\bemails?\[(\d{1,3})\]|\bindex:? (\d{1,3})\b(?!@)", re.IGNORECASE)
_SHARED = re.compile(r"[`'\"](?:from|reply_to|subject|html|text|tags|headers)\b")  # fields that are not one reader's
_KEY = re.compile(r"[\x21-\x7e]+")


class Resend(NothingToAsk):
    """`ports.Mailer` for api.resend.com, or a server of the same kind at `base_url`.

    `patience` bounds the wait for an answer, in seconds. `webhook_secret` is what Resend shows beside the webhook
    ("whsec_..."); without it no call of Resend is believed.
    """

    capability = Capability(
        batch=100,
        batch_bytes=10_000_000,
        key_lifetime=timedelta(hours=20),  # Resend remembers for 24
        webhook="svix",
        timeout=timedelta(seconds=180),
    )

    def __init__(
        self,
        name: str,
        key: str,
        *,
        webhook_secret: str = "",
        base_url: str = "https://api.resend.com",
        patience: float = _PATIENCE,
    ) -> None:
        self.name = name
        self._sessions = Sessions()
        self.patience = min(patience, _PATIENCE)
        self.base_url = base_url.rstrip("/")
        self._key = key.strip()
        self._webhook_secret = webhook_secret

    def prepare(self, mailing: Mailing) -> Prepared:
        return prepared(mailing, [orjson.dumps([_email(mailing, letter) for letter in mailing.letters])])

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """As `ports.Mailer`; also raises Refused when the call is refused without naming the letter to blame."""
        body = _Body(prepared.payloads[0])
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": prepared.key,
            "x-batch-validation": "strict",
        }
        answer = self._ask("POST", "/emails/batch", body, headers)
        if 200 <= answer.status < 300:
            return self._accepted(answer, prepared.letters)
        if answer.status in _REFUSED and answer.name not in _OUR_FAULT and not _SHARED.search(answer.message):
            return self._refused(answer, prepared.letters)
        raise self._error(answer)

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        id = webhook.verify(headers, body, self._webhook_secret, now=now)
        found = webhook.event(id, body, now=now)
        return (found,) if found else ()

    def check(self) -> str:
        self._check_webhook()
        answer = self._ask("GET", "/domains", _Body(b""), {})
        if answer.name == "restricted_api_key":  # a key that may send need not read
            return f"{self.base_url}, key accepted (it may only send)"
        if answer.status != 200:
            raise self._error(answer)
        return f"{self.base_url}, key accepted"

    def _check_webhook(self) -> None:
        if self._webhook_secret:
            try:
                webhook.secret_of(self._webhook_secret)
            except ValueError:
                raise self._misconfigured("the webhook secret is none: it begins with whsec_; copy it again") from None

    def close(self) -> None:
        self._sessions.close()

    # ---------------------------------------------------------------- one call

    def _ask(self, method: str, path: str, body: _Body, headers: Mapping[str, str]) -> _Answer:
        """Raises TryLater when the body proves not to have left, OutcomeUnknown when it may have."""
        self._check_settings()
        headers = {**headers, "Authorization": f"Bearer {self._key}"}
        try:
            with (
                self._sessions.one() as session,
                session.request(
                    method,
                    f"{self.base_url}{path}",
                    data=body if len(body) else None,
                    headers=headers,
                    timeout=(_CONNECT, self.patience),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                return _read(response)
        except requests.RequestException as error:
            why = f"{self._place}: {one_line(str(error))}"
            if body.begun:
                raise OutcomeUnknown(f"the answer was lost from {why}", mailer=self.name) from error
            raise TryLater(f"cannot reach {why}", mailer=self.name) from error

    def _check_settings(self) -> None:
        url = urlsplit(self.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname or "")):
            raise self._misconfigured("base_url must begin with https://")
        if not _KEY.fullmatch(self._key):
            raise self._misconfigured("the key is empty, or holds a character that no key has; copy it again")

    # ---------------------------------------------------------------- what the answer means

    def _accepted(self, answer: _Answer, letters: tuple[Letter, ...]) -> tuple[Result, ...]:
        data = answer.body.get("data")
        ids = [str(item.get("id") or "") for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        if len(ids) != len(letters) or not all(ids):
            why = f"{self._place} answered {answer.status} without an id for each letter"
            raise OutcomeUnknown(why, mailer=self.name)
        return tuple(
            Result(position=letter.position, outcome=Outcome.ACCEPTED, code=str(answer.status), reference=id)
            for letter, id in zip(letters, ids, strict=True)
        )

    def _refused(self, answer: _Answer, letters: tuple[Letter, ...]) -> tuple[Result, ...]:
        """Nothing was sent. The letters to blame are rejected, and the others may go without them."""
        code = f"{answer.status} {answer.name}".strip()
        blamed = {0} if len(letters) == 1 else answer.culprits(len(letters))
        if not blamed:
            raise Refused(f"{self._place} refuses the call ({answer})", mailer=self.name)
        rejected = [
            Result(position=letters[index].position, outcome=Outcome.REJECTED, code=code, detail=answer.message)
            for index in sorted(blamed)
        ]
        others = (letter for index, letter in enumerate(letters) if index not in blamed)
        return tuple(sorted((*rejected, *deferred(others, code, answer.message)), key=lambda result: result.position))

    def _error(self, answer: _Answer) -> DeliveryError:
        status = answer.status
        if status == 429 and answer.name in _QUOTAS:
            return self._misconfigured(f"its quota is used up ({answer}); wait, or raise it at Resend")
        if status in (408, 425, 429):
            return TryLater(f"{self._place} asks to wait ({answer})", retry_after=answer.wait, mailer=self.name)
        if status in (401, 403):
            return self._misconfigured(f"it refuses the key or the sender ({answer}); mend that at Resend")
        if status == 409 or status >= 500 or status < 300:
            return OutcomeUnknown(f"{self._place} answered {answer}", mailer=self.name)
        if status < 400:
            return self._misconfigured(f"it redirects ({answer}), which is never followed; correct base_url")
        return self._misconfigured(f"it refuses us ({answer})")

    def _misconfigured(self, why: str) -> MailerMisconfigured:
        return MailerMisconfigured(f"{self._place}: {why}", failure=failure_of(why), mailer=self.name)

    @property
    def _place(self) -> str:
        return f"mailer {self.name} ({self.base_url})"


class _Body:
    """A request's body that knows whether it was ever read: before that, the server cannot have it.

    Connecting, TLS and the request's head all come earlier, so this proves more than the kind of an exception does.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.begun = False

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        self.begun = True
        yield self._data


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]  # empty when it is no JSON object
    at: datetime

    @property
    def name(self) -> str:
        return one_line(str(self.body.get("name", "")), 60)

    @property
    def message(self) -> str:
        return one_line(str(self.body.get("message", "")))

    @property
    def wait(self) -> timedelta | None:
        return retry_after(self.headers.get("Retry-After") or self.headers.get("ratelimit-reset", ""), self.at)

    def culprits(self, size: int) -> set[int]:
        """Indexes of the letters that the answer blames; not `to[0]`, which counts inside a letter."""
        errors = self.body.get("errors")
        told = [error.get("index") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
        told += [int(found[1] or found[2]) for found in _CULPRIT.finditer(self.message)]
        return {index for index in told if isinstance(index, int) and 0 <= index < size}

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status), self.name, self.message)))


def _read(response: requests.Response) -> _Answer:
    """The answer, as much of it as is sound: a torn body says nothing, but the status line has been said."""
    data, ends = b"", time.monotonic() + _WHOLE
    try:
        for chunk in response.iter_content(65536):
            data += chunk
            if len(data) > _LARGEST or time.monotonic() > ends:
                data = b""
                break
        parsed = orjson.loads(data)
    except (requests.RequestException, orjson.JSONDecodeError):
        parsed = {}
    body = parsed if isinstance(parsed, dict) else {}
    return _Answer(response.status_code, response.headers, body, datetime.now(UTC))


def _email(mailing: Mailing, letter: Letter) -> dict[str, object]:
    """One message as Resend wants it. It encodes names and subjects itself; other headers go out as given."""
    rendered = personal(mailing.variants[letter.variant], letter)
    fields = [
        ("Message-ID", one_line(letter.message_id)),
        *unsubscribe_headers(web_address(letter.unsubscribe_url)),
        *list_headers(mailing.list_id),
    ]
    email: dict[str, object] = {
        "from": _from(mailing.sender),
        "to": [address(letter.email)],  # without the name: one that Resend dislikes would refuse the whole call
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "headers": {name: value.replace("\r\n ", " ") for name, value in fields},  # it folds them itself
        "tags": [
            {"name": "edition", "value": _tag(mailing.edition)},
            {"name": "batch", "value": _tag(mailing.key)},
            {"name": "rid", "value": str(letter.position)},
        ],
    }
    if mailing.reply_to:
        email["reply_to"] = address(mailbox(mailing.reply_to)[1])
    return email


def _from(sender: str) -> str:
    name, email = mailbox(sender)
    plain = re.sub(r'["\\<>]', "", name).strip()
    quoted = f'"{plain}"' if re.search(r"[(),.:;@\[\]]", plain) else plain
    return f"{quoted} <{address(email)}>" if plain else address(email)


def _tag(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", value)[:256] or "_"
