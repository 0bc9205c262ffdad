"""Mail through Amazon SES (API v2): one body a call, what is personal apart from it, and up to 50 readers.

SES has no idempotency key and nothing to search in. What settles a lost answer is the events that SES publishes, which
give back the tags `batch` and `rid` of every message: they come through Amazon SNS, so the configuration set must
publish to the topic `topic_arn`. Without a topic nothing can tell.

Calls are signed by botocore and made by us: Amazon's own client sends a message again when an answer is lost.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from publisher.errors import DeliveryError, OutcomeUnknown, Refused, TryLater
from publisher.mailers import _ses_events, _sns
from publisher.mailers._http import Answer, Api, Calling
from publisher.mailers._ses_calls import calls, payload, unsendable
from publisher.mailers._shared import NothingToAsk, account_of, deferred, one_line, prepared
from publisher.model import Capability, Letter, MailEvent, Mailing, Outcome, Prepared, Result

_PATIENCE = 60.0  # seconds
_START = 60.0  # no call is begun later than this into a batch
_BULK = "/v2/email/outbound-bulk-emails"
_ACCOUNT = "/v2/email/account"
_KEPT, _ASK_AGAIN = 3600.0, 300.0  # seconds that an account's rate is believed; and after it could not be asked
_SECOND = timedelta(seconds=1)  # what its rate is of: it never says how long to wait

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}")
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
_PLAIN = re.compile(r"[\x21-\x7e]+")

_OUTCOMES = {
    "SUCCESS": Outcome.ACCEPTED,
    "MESSAGE_REJECTED": Outcome.REJECTED,
    "INVALID_PARAMETER": Outcome.REJECTED,
    "INVALID_PARAMETER_VALUE": Outcome.REJECTED,
    "FAILED": Outcome.REJECTED,  # for no reason it names, so nothing proves that a second attempt is no second message
}
_OUR_FAULT = frozenset(
    {
        *("MAIL_FROM_DOMAIN_NOT_VERIFIED", "CONFIGURATION_SET_NOT_FOUND", "CONFIGURATION_SET_DOES_NOT_EXIST"),
        *("TEMPLATE_NOT_FOUND", "TEMPLATE_DOES_NOT_EXIST", "INVALID_SENDING_POOL_NAME", "ACCOUNT_SUSPENDED"),
        *("ACCOUNT_DAILY_QUOTA_EXCEEDED", "ACCOUNT_SENDING_PAUSED", "CONFIGURATION_SET_SENDING_PAUSED"),
    }
)
_NOT_SENT = _OUR_FAULT | {"ACCOUNT_THROTTLED", "TRANSIENT_FAILURE"}
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "RequestThrottledException"})
_REFUSALS = frozenset({"BadRequestException", "ValidationException", "InvalidParameterValue"})
#: Words of a refusal that are about what all letters share.
_SHARED = re.compile(
    r"FromEmailAddress|\bsender\b|ReplyTo|ConfigurationSet|configuration set|Default(?:Content|EmailTags)|template",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"signature (?:has )?expired|not yet current|RequestExpired|TimeTooSkewed", re.IGNORECASE)


class Ses(NothingToAsk, Calling):
    """`ports.Mailer` for the SES of one region, or a server of the same kind at `base_url`.

    `patience` bounds the wait for an answer, in seconds. `certificates` fetches the certificate (PEM) of a webhook
    call, and `confirm` the address that confirms the subscription to the topic; both over the net unless given. What
    the account may send in a second is asked once an hour, if the key may read that.
    """

    capability = Capability(
        batch=50,
        batch_bytes=10_000_000,
        shared_body=True,
        # SNS tries for an hour at most to deliver an event that was not taken (its documentation, November 2026): until
        # that is over, an event that others overtook may still come.
        look_up_lag=timedelta(minutes=75),
        evidence="events",
        webhook="SNS signature",
        timeout=timedelta(seconds=240),
    )

    def __init__(
        self,
        name: str,
        region: str,
        key_id: str,
        secret: str,
        *,
        configuration_set: str = "",
        base_url: str = "",
        topic_arn: str = "",
        patience: float = _PATIENCE,
        certificates: Callable[[str], bytes] | None = None,
        confirm: Callable[[str], object] | None = None,
    ) -> None:
        self.name = name
        self.region = region
        self.configuration_set = configuration_set
        if not topic_arn:
            self.capability = replace(Ses.capability, look_up_lag=timedelta(0), evidence="", webhook="")
        self._key_id, self._secret = key_id.strip(), secret.strip()
        china = ".cn" if region.startswith("cn-") else ""
        self._api = Api(
            mailer=name,
            base_url=base_url.rstrip("/") or f"https://email.{region}.amazonaws.com{china}",
            key=self._secret,
            headers={},
            patience=min(patience, _PATIENCE),
        )
        place = (region, self._api.base_url, configuration_set, topic_arn)
        self.account = account_of("ses", self._key_id, *place)
        self._rate, self._ask_at = 0.0, 0.0  # as of the monotonic clock
        self._topic = _sns.Topic(topic_arn, certificates=certificates, confirm=confirm)

    def prepare(self, mailing: Mailing) -> Prepared:
        return prepared(
            mailing, [payload(mailing, letters, self.configuration_set) for letters in calls(mailing.letters)]
        )

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """One call for each variant. As `ports.Mailer`, and Refused when a call does not say whose fault it is; once
        something was taken the rest is deferred instead. Where events tell, a batch of which anything is unknown
        stays whole: they know its letters by its key and their places in it."""
        began = time.monotonic()
        results = [_rejected(letter, "", why) for letter in prepared.letters if (why := unsendable(letter))]
        stop: DeliveryError | None = None
        for body, letters in zip(prepared.payloads, calls(prepared.letters), strict=True):
            if stop is None and time.monotonic() - began > _START:
                stop = TryLater(f"{self._api.place} is too slow for the whole batch", mailer=self.name)
            if stop:
                results += deferred(letters, "", str(stop))
                continue
            try:
                results += self._send(body, letters)
            except DeliveryError as error:
                stop = error
                results += _halted(error, letters)
        outcomes = {result.outcome for result in results}
        if stop and not outcomes & {Outcome.ACCEPTED, Outcome.UNKNOWN}:
            raise stop
        if Outcome.UNKNOWN in outcomes and self.capability.evidence:
            why = str(stop or f"{self._api.place} gave a status that nobody has told us of")
            raise OutcomeUnknown(why, mailer=self.name) from stop
        return tuple(sorted(results, key=lambda result: result.position))

    def rate(self) -> float | None:
        if time.monotonic() >= self._ask_at:
            try:
                answer = self._ask("GET", _ACCOUNT)
            except DeliveryError:
                self._ask_at = time.monotonic() + _ASK_AGAIN
                return self._rate or None
            self._ask_at = time.monotonic() + (_KEPT if answer.status == 200 else _ASK_AGAIN)
            quota = answer.body.get("SendQuota")
            self._rate = max(0.0, _number(quota.get("MaxSendRate"))) if isinstance(quota, dict) else self._rate
        return self._rate or None

    def events(
        self,
        headers: Mapping[str, str],  # noqa: ARG002  # SNS signs its envelope alone
        body: bytes,
        *,
        now: datetime,
    ) -> tuple[MailEvent, ...]:
        """As `ports.Mailer`. A call that asks to confirm the subscription to our topic is answered, and no event."""
        notification = self._topic.read(body, now=now)
        return _ses_events.read(notification.message, notification.id, now=now) if notification else ()

    def check(self) -> str:
        answer = self._ask("GET", _ACCOUNT)
        if answer.status == 403 and _kind(answer) in ("AccessDenied", "AccessDeniedException"):
            said = "key accepted (it may not read the account; set rate, or allow ses:GetAccount)"
            return f"{self._api.base_url}, {said}"
        if answer.status != 200 or not answer.body:
            raise self._error(answer)
        if answer.body.get("SendingEnabled") is False:
            raise self._api.misconfigured("sending is switched off for this account; look at the SES console")
        sandbox = "" if answer.body.get("ProductionAccessEnabled", True) else ", in the sandbox: verified readers only"
        return f"{self._api.base_url}, {_quota(answer)}{sandbox}"

    # ---------------------------------------------------------------- one call

    def _ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        """Raises as `Api.ask`."""
        if not _REGION.fullmatch(self.region):
            raise self._api.misconfigured(f'region is {self.region!r}; it must be one such as "eu-west-1"')
        if not _KEY_ID.fullmatch(self._key_id) or not _PLAIN.fullmatch(self._secret):
            raise self._api.misconfigured("the key id or its secret holds a character that none has; copy them again")
        return self._api.ask(method, path, body, headers=self._signed(method, path, body))

    def _signed(self, method: str, path: str, body: bytes) -> dict[str, str]:
        """The headers of a call with Amazon's signature, version 4. It holds the time, so each call has its own."""
        headers = {"Content-Type": "application/json"}
        request = AWSRequest(method=method, url=f"{self._api.base_url}{path}", data=body, headers=headers)
        SigV4Auth(Credentials(self._key_id, self._secret), "ses", self.region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def _send(self, body: bytes, letters: tuple[Letter, ...]) -> list[Result]:
        answer = self._ask("POST", _BULK, body)
        if 200 <= answer.status < 300:
            return self._told(answer, letters)
        said = _said(answer)
        refused = answer.status == 413 or (answer.status == 400 and _kind(answer) in _REFUSALS)
        if not refused or _SHARED.search(str(answer.body.get("message", ""))):
            raise self._error(answer)
        if len(letters) > 1:
            raise Refused(f"{self._api.place} refuses the call ({said})", mailer=self.name)
        return [_rejected(letters[0], f"{answer.status} {_kind(answer)}".strip(), said)]

    def _told(self, answer: Answer, letters: tuple[Letter, ...]) -> list[Result]:
        """What SES says of each letter. What it says of all of them alike, and is no reader's fault, is raised."""
        entries = answer.body.get("BulkEmailEntryResults")
        if not isinstance(entries, list) or len(entries) != len(letters) or not all(map(_is_entry, entries)):
            why = f"{self._api.place} answered {answer.status} without a result for each letter"
            raise OutcomeUnknown(why, mailer=self.name)
        statuses = {entry["Status"] for entry in entries}
        said = one_line(f"{entries[0]['Status']} {entries[0].get('Error') or ''}")
        if statuses <= _OUR_FAULT or (statuses == {"MESSAGE_REJECTED"} and len(letters) > 1):
            raise self._api.misconfigured(f"it takes no mail from us ({said}); mend that at SES")
        if statuses == {"FAILED"} and len(letters) > 1:  # hardly the readers' fault, and no proof of anything
            raise OutcomeUnknown(f"{self._api.place} failed ({said})", mailer=self.name)
        if statuses == {"ACCOUNT_THROTTLED"}:
            raise TryLater(f"{self._api.place} asks to wait ({said})", retry_after=_SECOND, mailer=self.name)
        return [_result(letter, entry) for letter, entry in zip(letters, entries, strict=True)]

    def _error(self, answer: Answer) -> DeliveryError:
        said, kind = _said(answer), _kind(answer)
        if 400 <= answer.status < 500:
            if re.search(r"daily (?:message|sending) quota", said, re.IGNORECASE) or kind == "LimitExceededException":
                return self._api.misconfigured(f"its quota is used up ({said}); wait, or raise it at SES")
            if kind in _THROTTLES:
                why = f"{self._api.place} asks to wait ({said})"
                return TryLater(why, retry_after=answer.wait or _SECOND, mailer=self.name)
            if _CLOCK.search(said):
                return self._api.misconfigured(
                    f"it finds the time of the call wrong ({said}); set this machine's clock"
                )
            if answer.status in (401, 403):
                return self._api.misconfigured(
                    f"it refuses the key ({said}); mend region, key id, secret or its rights"
                )
        return self._api.error(answer, said)


# ---------------------------------------------------------------- what the answer means


def _halted(error: DeliveryError, letters: tuple[Letter, ...]) -> list[Result]:
    """The letters of a call that failed as a whole. A refused one is halved, until the culprit stands alone."""
    outcome = Outcome.UNKNOWN if isinstance(error, OutcomeUnknown) else Outcome.DEFERRED
    middle = len(letters) // 2 if isinstance(error, Refused) else len(letters)
    return [
        Result(
            position=letter.position,
            outcome=outcome,
            group=int(index >= middle),
            detail=str(error),
            shared=outcome is Outcome.DEFERRED,
        )
        for index, letter in enumerate(letters)
    ]


def _rejected(letter: Letter, code: str, why: str) -> Result:
    return Result(position=letter.position, outcome=Outcome.REJECTED, code=code, detail=why)


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("Status"), str)


def _result(letter: Letter, entry: dict[str, object]) -> Result:
    """A status that nobody has told us of proves nothing."""
    status = str(entry["Status"])
    outcome = _OUTCOMES.get(status, Outcome.DEFERRED if status in _NOT_SENT else Outcome.UNKNOWN)
    return Result(
        position=letter.position,
        outcome=outcome,
        code=one_line(status, 60),
        detail=one_line(str(entry.get("Error") or "")),
        reference=one_line(str(entry.get("MessageId") or ""), 200),
        shared=outcome is Outcome.DEFERRED,
    )


def _kind(answer: Answer) -> str:
    """The name of an error, such as "BadRequestException", without the place where it is declared."""
    told = answer.headers.get("x-amzn-ErrorType") or str(answer.body.get("__type") or answer.body.get("code") or "")
    return one_line(told.partition(":")[0].rpartition("#")[2], 60)


def _said(answer: Answer) -> str:
    message = answer.body.get("message") or answer.body.get("Message") or ""
    return one_line(" ".join(filter(None, (str(answer.status), _kind(answer), str(message)))))


def _quota(answer: Answer) -> str:
    """Such as "14 a second, 50,000 a day, 200 used"."""
    quota = answer.body.get("SendQuota")
    if not isinstance(quota, dict):
        return "key accepted"
    rate, most, used = (_number(quota.get(name)) for name in ("MaxSendRate", "Max24HourSend", "SentLast24Hours"))
    daily = f"{most:,.0f} a day" if most >= 0 else "no limit a day"  # Amazon writes -1 for none
    return f"{rate:g} a second, {daily}, {used:,.0f} used"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
