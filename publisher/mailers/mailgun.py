"""Mail through Mailgun: one body for up to a thousand readers, and beside it what differs from one to the next.

A call is all or nothing: one bad address refuses it as a whole. Mailgun promises nothing for a call that is made
twice, so a lost answer is looked up instead, among the events of a tag that each batch has to itself. Mailgun calls
its own record of events settled after half an hour.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from publisher.errors import DeliveryError, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.kit.http_session import retry_after
from publisher.mailers._http import Answer, Api, Calling
from publisher.mailers._mailgun_call import boundary, call, email, once, options_size, tag
from publisher.mailers._mailgun_events import evidence, mail_event, moment, part, place, text
from publisher.mailers._shared import NoRate, account_of, deferred, one_line, prepared
from publisher.model import Capability, Letter, MailEvent, Mailing, Outcome, Prepared, Question, Result

_PATIENCE = 60.0  # seconds
_OPTIONS = 16_000  # bytes of o:, h: and v: together
_LAG = timedelta(minutes=30)
_KEPT = timedelta(hours=20)  # the smallest plan forgets events after a day
_SKEW = timedelta(days=1)  # our clock may have been ahead of theirs, and a tag alone finds the batch
_PAGE = 300  # events, the most there are
_PAGES = 500
_LARGEST = 8_000_000  # bytes of a page
_STALE = timedelta(hours=12)  # a webhook call is tried again for eight hours
_HOOK = 1_000_000  # bytes of a webhook call

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_READERS_FAULT = re.compile(r"\bto\b\W{0,2} parameter|too many recipients", re.IGNORECASE)
_SENDERS_FAULT = re.compile(r"\bfrom\b\W{0,2} parameter", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\"',;()]+@[^\s<>\"',;()]*[^\s<>\"',;().:]")
_UNTIL = re.compile(r"try again after (.+)", re.IGNORECASE)


class Mailgun(Calling, NoRate):
    """`ports.Mailer` for api.mailgun.net, api.eu.mailgun.net, or a server of the same kind at `base_url`.

    `domain` is the sending domain at Mailgun. `key` should be allowed to read events and not only to send: without
    that, no lost answer can be looked up. `webhook_key` is what events are signed with. `patience` bounds the wait
    for an answer, in seconds.
    """

    capability = Capability(
        batch=1000,
        batch_bytes=25_000_000,
        shared_body=True,
        look_up_lag=_LAG,
        evidence="search",
        webhook="HMAC-SHA256 over timestamp and token",
        timeout=timedelta(seconds=180),
    )

    def __init__(
        self,
        name: str,
        key: str,
        domain: str,
        *,
        base_url: str = "https://api.mailgun.net",
        webhook_key: str = "",
        patience: float = _PATIENCE,
    ) -> None:
        self.name = name
        self.domain = domain.strip()
        self._webhook_key = webhook_key.strip()
        self._api = Api(
            mailer=name,
            base_url=base_url.rstrip("/"),
            key=key.strip(),
            headers={"Authorization": f"Basic {b64encode(f'api:{key.strip()}'.encode()).decode()}"},
            patience=min(patience, _PATIENCE),
            largest=_LARGEST,
        )
        self.account = account_of("mailgun", self._api.base_url, self._api.key, self.domain.casefold())

    # ---------------------------------------------------------------- sending

    def prepare(self, mailing: Mailing) -> Prepared:
        """As `ports.Mailer`. Raises ValueError for letters that cannot share a body, such as those of two variants."""
        letters, _ = once(mailing.letters)
        return prepared(mailing, [call(mailing, letters).encoded()] if letters else [])

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """As `ports.Mailer`; also raises Refused when an address is at fault and Mailgun does not say which."""
        body = prepared.payloads[0]
        letters, twice = once(prepared.letters)
        if (size := options_size(body, letters)) > _OPTIONS:
            raise self._api.misconfigured(
                f"the headers take {size} bytes, and Mailgun takes {_OPTIONS}; "
                "shorten the newsletter's name, or site.public_url"
            )
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary(body)}"}
        answer = self._ask("POST", "messages", body, kind)
        if 200 <= answer.status < 300:
            results = self._accepted(answer, letters)
        elif (blamed := _blamed(answer, letters)) is not None:
            results = self._refused(answer, letters, blamed)
        else:
            raise self._error(answer)
        if not twice:
            return tuple(results)
        later = deferred(twice, "", "its address is in this call already")
        return tuple(sorted((*results, *later), key=lambda result: result.position))

    def _accepted(self, answer: Answer, letters: tuple[Letter, ...]) -> list[Result]:
        id = answer.body.get("id")
        if not isinstance(id, str) or not id:
            raise self._no_json(answer)
        code, own = str(answer.status), "%recipient." in id
        return [
            Result(letter.position, Outcome.ACCEPTED, 0, code, "", letter.message_id if own else id)
            for letter in letters
        ]

    def _refused(self, answer: Answer, letters: tuple[Letter, ...], blamed: frozenset[int]) -> list[Result]:
        """Nothing was sent. Those to blame are rejected, and the others may go without them."""
        if not blamed:
            raise Refused(f"{self._api.place} refuses the call ({_said(answer)})", mailer=self.name)
        return [
            Result(
                position=letter.position,
                outcome=Outcome.REJECTED if letter.position in blamed else Outcome.DEFERRED,
                code=str(answer.status),
                detail=_message(answer),
                shared=letter.position not in blamed,
            )
            for letter in letters
        ]

    # ---------------------------------------------------------------- looking up

    def look_up(self, question: Question, *, now: datetime) -> tuple[Result, ...]:
        """As `ports.Mailer`. A letter is proved absent only when nothing of its call is seen, for a call is taken as a
        whole; when the lag is over, while Mailgun still keeps events of that time; and when it shows some of the
        witness."""
        # The later batch first: what is missing after it was seen was not merely listed in between.
        conclusive = self._is_conclusive(question, now)
        found, taken = self._found(question)
        absent = Outcome.DEFERRED if conclusive and not taken else Outcome.UNKNOWN
        return tuple(
            found.get(letter.position)
            or Result(position=letter.position, outcome=absent, detail="no event at Mailgun tells of it")
            for letter in question.letters
        )

    def _found(self, question: Question) -> tuple[Mapping[int, Result], bool]:
        """What events tell of the letters, and whether they tell of anybody in that call."""
        positions = {letter.position for letter in question.letters}
        by_address = {email(letter).lower(): letter.position for letter in question.letters}
        found: dict[int, Result] = {}
        taken = False
        for event in self._events(question.key, question.first_at - _SKEW):
            batch, position = place(event)
            if not batch:
                position = by_address.get(text(event.get("recipient")).lower(), -1)
            result = evidence(event, position)
            if result is None or batch not in ("", question.key):
                continue
            taken = True
            if position in positions and (position not in found or result.outcome is Outcome.ACCEPTED):
                found[position] = result
            if len(found) == len(positions):
                break
        return found, taken

    def _is_conclusive(self, question: Question, now: datetime) -> bool:
        """Whether seeing nothing would mean anything."""
        if now - question.last_at < _LAG or now - question.first_at > _KEPT or not question.witness:
            return False
        return next(self._events(question.witness, question.first_at - _SKEW), None) is not None

    def _events(self, key: str, since: datetime) -> Iterator[Mapping[str, Any]]:
        """All events of a batch, oldest first. Raises TryLater rather than end early."""
        begin = str(int(since.timestamp()))
        path = f"events?{urlencode({'begin': begin, 'ascending': 'yes', 'limit': str(_PAGE), 'tags': tag(key)})}"
        for _ in range(_PAGES):
            answer = self._ask("GET", path)
            items = answer.body.get("items")
            if answer.status != 200 or not isinstance(items, list):
                raise self._unreadable(answer)
            if not items:
                return
            yield from (item for item in items if isinstance(item, dict))
            path = self._following(part(answer.body, "paging").get("next"))
        raise TryLater(f"{self._api.place} has more than {_PAGES} pages of events for one batch", mailer=self.name)

    def _following(self, url: object) -> str:
        """The next page, always from the server that we know: the key goes with every call."""
        parts = urlsplit(url if isinstance(url, str) else "")
        path = parts.path.removeprefix(f"/v3/{self.domain}/")
        if not path.startswith("events"):
            raise TryLater(f"{self._api.place} does not say where its events go on", mailer=self.name)
        return f"{path}?{parts.query}" if parts.query else path

    def _unreadable(self, answer: Answer) -> DeliveryError:
        if answer.status in (401, 403):
            return self._api.misconfigured(f"the key may not read events ({_said(answer)}); use one that may")
        error = self._no_json(answer) if answer.status == 200 else self._error(answer)
        return TryLater(str(error), mailer=self.name) if isinstance(error, OutcomeUnknown) else error

    # ---------------------------------------------------------------- being told

    def events(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  # the signature is in the body
        body: bytes,
        *,
        now: datetime,
    ) -> tuple[MailEvent, ...]:
        """As `ports.Mailer`. The signature covers a token and not the event, so the token is the event's id: whoever
        stores each id once lets no second event in under an old signature."""
        call = _json(body) if len(body) <= _HOOK else {}
        token = self._signed(part(call, "signature"), now)
        event = mail_event(part(call, "event-data"), token, now=now)
        return (event,) if event else ()

    def _signed(self, signature: Mapping[str, Any], now: datetime) -> str:
        """The token that Mailgun signed, and not too long ago. Raises WebhookRejected."""
        if not self._webhook_key:
            raise WebhookRejected(f"mailer {self.name} has no webhook key, so no event can be believed")
        timestamp, token, given = (text(signature.get(name)) for name in ("timestamp", "token", "signature"))
        proof = hmac.new(self._webhook_key.encode(), f"{timestamp}{token}".encode(), sha256).hexdigest()
        if not token or not hmac.compare_digest(proof.encode(), given.encode()):
            raise WebhookRejected(f"an event for mailer {self.name} is not signed with its webhook key")
        # Digits alone: nothing tells where the timestamp ends and the token begins, and a token is used only once.
        at = moment(timestamp) if timestamp.isascii() and timestamp.isdigit() else None
        if at is None or abs(now - at) > _STALE:
            raise WebhookRejected(f"an event for mailer {self.name} was signed too long ago, or a clock is wrong")
        return token

    # ---------------------------------------------------------------- checking, and one call

    def check(self) -> str:
        answer = self._ask("GET", "events?limit=1")
        if answer.status in (401, 403):
            return self._check_sending()
        if answer.status != 200 or "items" not in answer.body:
            raise self._unreadable(answer)
        state = text(part(self._api.ask("GET", f"/v3/domains/{self.domain}").body, "domain").get("state"))
        if state not in ("", "active"):
            raise self._api.misconfigured(f"the domain {self.domain} is {state}; mend its DNS records")
        return f"{self._api.base_url}, key accepted for {self.domain}"

    def _check_sending(self) -> str:
        """An empty message is refused, but only after the key was looked at."""
        answer = self._ask("POST", "messages", b"from=", {"Content-Type": "application/x-www-form-urlencoded"})
        if answer.status != 400:
            raise self._error(answer)
        return f"{self._api.base_url}, key accepted for {self.domain} (it may only send: a lost answer stays unknown)"

    def _ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        if not _DOMAIN.fullmatch(self.domain):
            raise self._api.misconfigured(f"{one_line(self.domain, 80)!r} is no domain; correct it")
        return self._api.ask(method, f"/v3/{self.domain}/{path}", body, headers=headers)

    def _error(self, answer: Answer) -> DeliveryError:
        if answer.status == 429:
            until = _UNTIL.search(_message(answer))
            wait = (retry_after(until[1], answer.at) if until else None) or answer.wait
            return TryLater(f"{self._api.place} asks to wait ({_said(answer)})", retry_after=wait, mailer=self.name)
        if answer.status in (401, 403):
            return self._api.misconfigured(f"it refuses the key or the domain ({_said(answer)}); mend that at Mailgun")
        if answer.status == 404:
            return self._api.misconfigured(f"{_said(answer)}; correct domain, or base_url for another region")
        return self._api.error(answer, _said(answer))

    def _no_json(self, answer: Answer) -> DeliveryError:
        if "Mailgun Magnificent API" in answer.text:  # what it says everywhere outside of its API, with status 200
            return self._api.misconfigured("there is no API at this address; correct base_url and domain")
        return OutcomeUnknown(f"{self._api.place} answered {answer.status} without an id", mailer=self.name)


def _message(answer: Answer) -> str:
    return text(answer.body.get("message")) or answer.text


def _said(answer: Answer) -> str:
    return one_line(f"{answer.status} {_message(answer)}")


def _blamed(answer: Answer, letters: tuple[Letter, ...]) -> frozenset[int] | None:
    """Positions of the letters that a refusal blames, none of them when it does not say which; None when it is no
    reader's fault."""
    alone = frozenset(letter.position for letter in letters if len(letters) == 1)
    message = _message(answer)
    if answer.status == 413:
        return alone
    if answer.status != 400 or _SENDERS_FAULT.search(message):
        return None
    told = {found.lower() for found in _ADDRESS.findall(message)}
    named = frozenset(letter.position for letter in letters if email(letter).lower() in told)
    return named or (alone if _READERS_FAULT.search(message) else None)


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
