"""Mail through Resend's batch API: whole messages, one call a batch, and an idempotency key that protects a day.

Strict validation makes a call all or nothing, so a refusal proves that nothing was taken. An answer that is lost,
torn or a server error proves nothing: the same bytes under the same key are sent again, and Resend answers with what
it did the first time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

import orjson

from publisher.errors import DeliveryError, OutcomeUnknown, Refused
from publisher.kit.message import address, mailbox, personal
from publisher.mailers import _resend_events as webhook
from publisher.mailers._http import Answer, Api, Calling, header_fields, written
from publisher.mailers._shared import NoRate, NothingToAsk, account_of, deferred, one_line, prepared
from publisher.model import Capability, Letter, MailEvent, Mailing, Outcome, Prepared, Result

_PATIENCE = 60.0  # seconds
_QUOTAS = frozenset({"daily_quota_exceeded", "monthly_quota_exceeded"})
_REFUSED = frozenset({400, 413, 422})
_OUR_FAULT = frozenset({"invalid_from_address", "invalid_idempotency_key", "invalid_access"})
_CULPRIT = re.compile(r"\bemails?\[(\d{1,3})\]|\bindex:? (\d{1,3})\b(?!@)", re.IGNORECASE)
_SHARED = re.compile(r"[`'\"](?:from|reply_to|subject|html|text|tags|headers)\b")  # fields that are not one reader's


class Resend(NothingToAsk, Calling, NoRate):
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
        self._webhook_secret = webhook_secret
        self._api = Api(
            mailer=name,
            base_url=base_url.rstrip("/"),
            key=key.strip(),
            headers={"Authorization": f"Bearer {key.strip()}"},
            patience=min(patience, _PATIENCE),
        )
        self.account = account_of("resend", self._api.base_url, self._api.key)

    def prepare(self, mailing: Mailing) -> Prepared:
        return prepared(mailing, [orjson.dumps([_email(mailing, letter) for letter in mailing.letters])])

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """As `ports.Mailer`; also raises Refused when the call is refused without naming the letter to blame."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": prepared.key,
            "x-batch-validation": "strict",
        }
        answer = self._api.ask("POST", "/emails/batch", prepared.payloads[0], headers=headers)
        if 200 <= answer.status < 300:
            return self._accepted(answer, prepared.letters)
        if answer.status in _REFUSED and _name(answer) not in _OUR_FAULT and not _SHARED.search(_message(answer)):
            return self._refused(answer, prepared.letters)
        raise self._error(answer)

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        id = webhook.verify(headers, body, self._webhook_secret, now=now)
        found = webhook.event(id, body, now=now)
        return (found,) if found else ()

    def check(self) -> str:
        self._check_webhook()
        answer = self._api.ask("GET", "/domains")
        if _name(answer) == "restricted_api_key":  # a key that may send need not read
            return f"{self._api.base_url}, key accepted (it may only send)"
        if answer.status != 200:
            raise self._error(answer)
        return f"{self._api.base_url}, key accepted"

    def _check_webhook(self) -> None:
        if self._webhook_secret:
            try:
                webhook.secret_of(self._webhook_secret)
            except ValueError:
                why = "the webhook secret is none: it begins with whsec_; copy it again"
                raise self._api.misconfigured(why) from None

    # ---------------------------------------------------------------- what the answer means

    def _accepted(self, answer: Answer, letters: tuple[Letter, ...]) -> tuple[Result, ...]:
        data = answer.body.get("data")
        ids = [str(item.get("id") or "") for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        if len(ids) != len(letters) or not all(ids):
            why = f"{self._api.place} answered {answer.status} without an id for each letter"
            raise OutcomeUnknown(why, mailer=self.name)
        return tuple(
            Result(position=letter.position, outcome=Outcome.ACCEPTED, code=str(answer.status), reference=id)
            for letter, id in zip(letters, ids, strict=True)
        )

    def _refused(self, answer: Answer, letters: tuple[Letter, ...]) -> tuple[Result, ...]:
        """Nothing was sent. The letters to blame are rejected, and the others may go without them."""
        code, said = f"{answer.status} {_name(answer)}".strip(), _message(answer)
        blamed = {0} if len(letters) == 1 else _culprits(answer, len(letters))
        if not blamed:
            raise Refused(f"{self._api.place} refuses the call ({_said(answer)})", mailer=self.name)
        rejected = [
            Result(position=letters[index].position, outcome=Outcome.REJECTED, code=code, detail=said)
            for index in sorted(blamed)
        ]
        others = (letter for index, letter in enumerate(letters) if index not in blamed)
        return tuple(sorted((*rejected, *deferred(others, code, said)), key=lambda result: result.position))

    def _error(self, answer: Answer) -> DeliveryError:
        said = _said(answer)
        if answer.status == 429 and _name(answer) in _QUOTAS:
            return self._api.misconfigured(f"its quota is used up ({said}); wait, or raise it at Resend")
        if answer.status in (401, 403):
            return self._api.misconfigured(f"it refuses the key or the sender ({said}); mend that at Resend")
        return self._api.error(answer, said)


def _name(answer: Answer) -> str:
    return one_line(str(answer.body.get("name", "")), 60)


def _message(answer: Answer) -> str:
    return one_line(str(answer.body.get("message", "")))


def _said(answer: Answer) -> str:
    return " ".join(filter(None, (str(answer.status), _name(answer), _message(answer))))


def _culprits(answer: Answer, size: int) -> set[int]:
    """Indexes of the letters that the answer blames; not `to[0]`, which counts inside a letter."""
    errors = answer.body.get("errors")
    told = [error.get("index") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    told += [int(found[1] or found[2]) for found in _CULPRIT.finditer(_message(answer))]
    return {index for index in told if isinstance(index, int) and 0 <= index < size}


def _email(mailing: Mailing, letter: Letter) -> dict[str, object]:
    """One message as Resend wants it. It encodes names and subjects itself; other headers go out as given."""
    rendered = personal(mailing.variants[letter.variant], letter)
    email: dict[str, object] = {
        "from": written(mailing.sender),
        "to": [address(letter.email)],  # without the name: one that Resend dislikes would refuse the whole call
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "headers": dict(header_fields(mailing, letter)),
        "tags": [
            {"name": "edition", "value": _tag(mailing.edition)},
            {"name": "batch", "value": _tag(mailing.key)},
            {"name": "rid", "value": str(letter.position)},
        ],
    }
    if mailing.reply_to:
        email["reply_to"] = address(mailbox(mailing.reply_to)[1])
    return email


def _tag(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", value)[:256] or "_"
