"""Mail through Postmark's batch API: whole messages, one call a batch, an answer for each letter.

Postmark has no idempotency key. When an answer is lost, its search is asked for our metadata: a letter that is listed
was taken, and one that is not listed after the search's delay, while a later batch is, never was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from publisher.errors import DeliveryError, MailerMisconfigured, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.kit.message import address, mailbox, personal
from publisher.mailers._http import Answer, Api, Calling, header_fields, written
from publisher.mailers._postmark_events import place, read, signed_in
from publisher.mailers._shared import NoRate, account_of, one_line, prepared
from publisher.model import (
    Capability,
    Letter,
    MailEvent,
    Mailing,
    Outcome,
    Prepared,
    Question,
    Rendered,
    Result,
)

_TEST_TOKEN = "POSTMARK_API_TEST"  # noqa: S105  # published: it checks calls and sends nothing
_PATIENCE = 60.0  # seconds
_PAGE = 500
_WINDOW = 10_000  # listed messages that a search can reach
_RETENTION = timedelta(days=6)  # an account may keep its messages for as little as 7

# Postmark's own error codes, which are no HTTP statuses.
_MAINTENANCE, _INVALID, _INACTIVE, _TOO_MANY, _RATE = 100, 300, 406, 410, 429
_NO_STREAM = frozenset({1226, 1235})
_REMEDIES = {
    10: "correct its token",
    400: "confirm the sender, or its domain, at Postmark",
    401: "confirm the sender, or its domain, at Postmark",
    405: "its credit is used up; buy more at Postmark",
    412: "the account is not approved yet; ask Postmark for it",
    413: "the account may not send; ask Postmark why",
}
_FIELD = re.compile(r"'([A-Za-z]+)'")
_PLACEHOLDER = re.compile(r"\{(?=\{{1,2}\s*pm\s*:)", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # invisible, and no line breaks at it


class Postmark(Calling, NoRate):
    """`ports.Mailer` for api.postmarkapp.com, or a server of the same kind at `base_url`.

    `token` is a server's, `stream` the id of one of its message streams. Webhook calls carry `webhook_user` and
    `webhook_password`; without them none is believed. `patience` bounds the wait for an answer, in seconds.
    """

    capability = Capability(
        batch=200,  # of 500: few are in doubt at a time
        batch_bytes=50_000_000,
        look_up_lag=timedelta(minutes=10),
        evidence="search",
        webhook="Basic authentication",
        timeout=timedelta(seconds=180),
    )

    def __init__(
        self,
        name: str,
        token: str,
        *,
        stream: str = "broadcast",
        base_url: str = "https://api.postmarkapp.com",
        webhook_user: str = "",
        webhook_password: str = "",
        patience: float = _PATIENCE,
    ) -> None:
        self.name = name
        self.stream = stream
        self._credentials = f"{webhook_user}:{webhook_password}".encode() if webhook_user and webhook_password else b""
        self._api = Api(
            mailer=name,
            base_url=base_url.rstrip("/"),
            key=token.strip(),
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                "X-Postmark-Server-Token": token.strip(),
            },
            patience=min(patience, _PATIENCE),
            largest=8_000_000,
        )
        self.account = account_of("postmark", self._api.base_url, self._api.key, stream)

    def prepare(self, mailing: Mailing) -> Prepared:
        variants = {number: _inert(rendered) for number, rendered in mailing.variants.items()}
        emails = [_email(mailing, letter, variants[letter.variant], self.stream) for letter in mailing.letters]
        return prepared(mailing, [orjson.dumps(emails)])

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """As `ports.Mailer`; also raises Refused when the call is refused without naming the letter to blame."""
        (payload,) = prepared.payloads
        answer = self._ask("POST", "/email/batch", payload)
        if 200 <= answer.status < 300:
            return self._answered(answer, prepared.letters)
        code, said = _code(answer.body), _message(answer.body)
        if answer.status == 413 or (answer.status == 422 and (code == _TOO_MANY or _blames_the_reader(code, said))):
            return self._refused(prepared.letters, str(code or answer.status), said)
        raise self._error(answer)

    def look_up(self, question: Question, *, now: datetime) -> tuple[Result, ...]:
        # The later batch first: what is missing after it was seen was not merely listed in between.
        proves = self._absence_proves(question, now)
        found, whole = self._search(question.key)
        return tuple(_looked_up(letter, found, proves and whole) for letter in question.letters)

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        if not signed_in(headers.get("authorization", ""), self._credentials):
            raise WebhookRejected(f"mailer {self.name}: user name and password of this call are not ours")
        return read(body, stream=self.stream, now=now)

    def check(self) -> str:
        answer = self._get(f"/message-streams/{quote(self.stream, safe='')}")
        handling = answer.body.get("SubscriptionManagementConfiguration")
        if isinstance(handling, dict) and handling.get("UnsubscribeHandlingType") == "Postmark":
            raise self._api.misconfigured(
                f"stream {self.stream} adds Postmark's own unsubscribe links, which we would not hear of; "
                "set its unsubscribe handling to Custom at Postmark"
            )
        kind = one_line(str(answer.body.get("MessageStreamType", "")), 20).lower()
        if kind == "inbound" or answer.body.get("ArchivedAt"):
            raise self._api.misconfigured(f"stream {self.stream} does not send; set stream to one that does")
        return f"{self._api.base_url}, token accepted, stream {self.stream}" + (f" ({kind})" if kind else "")

    # ---------------------------------------------------------------- what an answer means

    def _answered(self, answer: Answer, letters: tuple[Letter, ...]) -> tuple[Result, ...]:
        entries = answer.said
        if not isinstance(entries, list) or len(entries) > len(letters) or _shifted(entries, letters):
            why = f"{self._api.place} answered {answer.status} without telling what became of each letter"
            raise OutcomeUnknown(why, mailer=self.name)
        results = tuple(_result(letter, entry) for letter, entry in zip_longest(letters, entries) if letter)
        outcomes = {result.outcome for result in results}
        if outcomes <= {Outcome.REJECTED, Outcome.DEFERRED}:  # nothing was taken
            for result in results:
                if result.group:
                    raise self._at_fault(int(result.code), result.detail)
            if outcomes == {Outcome.DEFERRED}:
                why = f"{self._api.place} asks to wait ({results[0].code} {results[0].detail})"
                raise TryLater(why, retry_after=answer.wait, mailer=self.name)
        return results

    def _refused(self, letters: tuple[Letter, ...], code: str, detail: str) -> tuple[Result, ...]:
        """Nothing was taken, and a part of the call may go."""
        if len(letters) > 1:
            raise Refused(f"{self._api.place} refuses the call ({code} {detail})", mailer=self.name)
        return (Result(position=letters[0].position, outcome=Outcome.REJECTED, code=code, detail=detail),)

    def _error(self, answer: Answer) -> DeliveryError:
        code, said = _code(answer.body), _message(answer.body)
        if answer.status == 401 or (answer.status == 422 and code):
            return self._at_fault(10 if answer.status == 401 else code, said)
        told = " ".join(filter(None, (str(answer.status), f"code {code}" if code else "", said)))
        return self._api.error(answer, told)

    def _at_fault(self, code: int, said: str) -> MailerMisconfigured:
        remedy = _REMEDIES.get(code, "")
        if code in _NO_STREAM:
            remedy = f"it has no stream {self.stream}; correct stream, or create it at Postmark"
        return self._api.misconfigured(f"it refuses us (code {code} {said})" + (f": {remedy}" if remedy else ""))

    # ---------------------------------------------------------------- asking

    def _ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        if self._api.key == _TEST_TOKEN:
            raise self._api.misconfigured("this is Postmark's test token, which sends nothing; set a server's token")
        return self._api.ask(method, path, body)

    def _get(self, path: str) -> Answer:
        """An answer of 200 with a JSON object. Raises TryLater or MailerMisconfigured: asking changes nothing."""
        answer = self._ask("GET", path)
        if answer.status == 200 and answer.body:
            return answer
        if answer.status == 404:
            raise self._at_fault(_code(answer.body) or 404, _message(answer.body) or "not found")
        error = self._error(answer)
        raise TryLater(str(error), mailer=self.name) if isinstance(error, OutcomeUnknown) else error

    def _absence_proves(self, question: Question, now: datetime) -> bool:
        if now - question.last_at < self.capability.look_up_lag or now - question.first_at > _RETENTION:
            return False
        return bool(question.witness) and bool(self._search(question.witness)[0])

    def _search(self, key: str) -> tuple[dict[int, str], bool]:
        """Postmark's ids of a batch's letters by position, and whether none can have been overlooked."""
        found: dict[int, str] = {}
        seen, sound = 0, True
        for offset in range(0, _WINDOW, _PAGE):
            total, listed = self._page(key, offset)
            for one in listed:
                batch, position = place(one)
                if batch == key and position >= 0:
                    found[position] = str(one.get("MessageID") or "")
                elif batch in (key, ""):
                    sound = False  # it may be ours, and cannot be told apart
            seen += len(listed)
            if seen >= total or not listed:
                return found, sound and seen >= total
        return found, False

    def _page(self, key: str, offset: int) -> tuple[int, list[dict[str, Any]]]:
        asked = {"count": _PAGE, "offset": offset, "metadata_batch": key, "messagestream": self.stream}
        answer = self._get(f"/messages/outbound?{urlencode(asked)}")
        total, listed = answer.body.get("TotalCount"), answer.body.get("Messages")
        if not isinstance(total, int) or not isinstance(listed, list):
            raise TryLater(f"{self._api.place} lists its messages in a way that cannot be read", mailer=self.name)
        return total, [one if isinstance(one, dict) else {} for one in listed]


# ---------------------------------------------------------------- letters


def _email(mailing: Mailing, letter: Letter, variant: Rendered, stream: str) -> dict[str, object]:
    """One message as Postmark wants it. It encodes names and subjects itself; other headers go out as given."""
    rendered = personal(variant, letter)
    fields = [*header_fields(mailing, letter), ("X-PM-KeepID", "true")]  # or it would replace our Message-ID
    email: dict[str, object] = {
        "From": written(mailing.sender),
        "To": address(letter.email),
        "Subject": rendered.subject,
        "HtmlBody": rendered.html,
        "TextBody": rendered.text,
        "MessageStream": stream,
        "Tag": one_line(mailing.edition, 1000),
        "Metadata": {"batch": mailing.key, "rid": str(letter.position)},
        "TrackOpens": False,
        "TrackLinks": "None",
        "Headers": [{"Name": name, "Value": value} for name, value in fields],
    }
    if mailing.reply_to:
        email["ReplyTo"] = address(mailbox(mailing.reply_to)[1])
    return email


def _inert(rendered: Rendered) -> Rendered:
    """Without what Postmark replaces in a broadcast stream, `{{{ pm:unsubscribe }}}`: it looks the same, and is not."""

    def apart(text: str) -> str:
        return _PLACEHOLDER.sub("{" + _WORD_JOINER, text)

    return Rendered(subject=apart(rendered.subject), html=apart(rendered.html), text=apart(rendered.text))


# ---------------------------------------------------------------- answers


def _code(entry: Mapping[str, Any]) -> int:
    """Its ErrorCode; 0 where there is none, -1 where it is no number."""
    code = entry.get("ErrorCode", 0)
    return code if isinstance(code, int) and not isinstance(code, bool) else -1


def _message(entry: Mapping[str, Any]) -> str:
    return one_line(str(entry.get("Message") or ""))


def _shifted(entries: Sequence[object], letters: Sequence[Letter]) -> bool:
    """Whether an entry names the reader of another letter, so that places prove nothing."""
    readers = [address(letter.email).casefold() for letter in letters]
    everybody = set(readers)
    for reader, entry in zip(readers, entries, strict=False):
        to = str(entry.get("To") or "").casefold() if isinstance(entry, dict) else ""
        if to != reader and to in everybody:
            return True
    return False


def _result(letter: Letter, entry: object) -> Result:
    """What one entry proves. Group 1 is refused for what letters share, and kept apart from those told to wait."""
    if not isinstance(entry, dict):
        return Result(position=letter.position, outcome=Outcome.UNKNOWN, detail="the answer does not mention it")
    code, said = _code(entry), _message(entry)
    outcome = _outcome(code, said, entry, letter)
    return Result(
        position=letter.position,
        outcome=outcome,
        group=int(outcome is Outcome.DEFERRED and code != _RATE),
        shared=outcome is Outcome.DEFERRED and code == _RATE,
        code=str(code),
        detail=said,
        reference=one_line(str(entry.get("MessageID") or ""), 100) if outcome is Outcome.ACCEPTED else "",
    )


def _outcome(code: int, said: str, entry: Mapping[str, Any], letter: Letter) -> Outcome:
    if code == 0:
        told = said.casefold()
        if "will not deliver to" in told and address(letter.email).casefold() in told:
            return Outcome.REJECTED
        return Outcome.ACCEPTED if entry.get("MessageID") else Outcome.UNKNOWN
    if code == _INACTIVE or _blames_the_reader(code, said):
        return Outcome.REJECTED
    if code < 0 or code == _MAINTENANCE or 500 <= code < 600:
        return Outcome.UNKNOWN
    return Outcome.DEFERRED


def _blames_the_reader(code: int, said: str) -> bool:
    """Whether a request is called invalid for its recipient. The field comes before what stands in it."""
    field = _FIELD.search(said)
    if code == _INACTIVE:
        return True
    return code == _INVALID and (field[1] == "To" if field else "recipient" in said.casefold())


def _looked_up(letter: Letter, found: Mapping[int, str], absent: bool) -> Result:
    if letter.position in found:
        reference = one_line(found[letter.position], 100)
        return Result(position=letter.position, outcome=Outcome.ACCEPTED, detail="found there", reference=reference)
    if absent:
        return Result(position=letter.position, outcome=Outcome.DEFERRED, detail="never arrived there")
    return Result(position=letter.position, outcome=Outcome.UNKNOWN, detail="not found there yet")
