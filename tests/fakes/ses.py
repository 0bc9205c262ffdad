"""Amazon SES (API v2) on loopback: enforces what the real one enforces, and delivers one message per recipient.

Signatures are verified, calls held against botocore's own description of the API, templates really filled in. Events
go out through an SNS topic (`notify`): late, twice or out of order when asked. Faults are those of
`tests/fakes/provider.py`, and

    fewer              takes the call, leaves one result out
    429 429-date 429-garbage 400-rate quota 400 413 500 503             takes nothing, says so

or any of the API's own errors by its name, such as AccountSuspendedException. `statuses` decides about single readers.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from tests.fakes.provider import Connection, Provider, Refused
from tests.fakes.sns import SnsTopic

KEY_ID = "AKIAHARBOURGAZETTE01"
SENDING_ONLY_KEY_ID = "AKIAHARBOURGAZETTE02"
SECRET = "Gazette/Secret+0123456789abcdefghijklmn"
REGION = "eu-west-1"
BULK = "/v2/email/outbound-bulk-emails"
ACCOUNT = "/v2/email/account"

_LARGEST = 40_000_000
_ERRORS = {
    "TooManyRequestsException": (429, "Too Many Requests"),
    "LimitExceededException": (400, "There are too many instances of the specified resource type."),
    "AccountSuspendedException": (400, "The account's ability to send email has been permanently restricted."),
    "SendingPausedException": (400, "Email sending is disabled for this account."),
    "MessageRejected": (400, "Email address is not verified. The following identities failed the check."),
    "MailFromDomainNotVerifiedException": (400, "The sending domain isn't verified."),
    "NotFoundException": (404, "The resource you attempted to access doesn't exist."),
    "ThrottlingException": (400, "Maximum sending rate exceeded."),
}
_FAULTS = {
    "429": (429, "TooManyRequestsException", "Too Many Requests"),
    "429-date": (429, "TooManyRequestsException", "Too Many Requests"),
    "429-garbage": (429, "TooManyRequestsException", "Too Many Requests"),
    "400-rate": (400, "ThrottlingException", "Maximum sending rate exceeded."),
    "quota": (400, "ThrottlingException", "Daily message quota exceeded."),
    "400": (400, "BadRequestException", "Local address contains control or whitespace"),
    "413": (413, "RequestEntityTooLargeException", "The request is too large."),
    "500": (500, "InternalServiceErrorException", "An unexpected error occurred."),
    "503": (503, "ServiceUnavailableException", "The service is unavailable."),
    **{name: (status, name, message) for name, (status, message) in _ERRORS.items()},
}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_HEADER = re.compile(r"[!-9;-@A-~]{1,126}")
_OWN_HEADERS = {
    *("from", "to", "cc", "bcc", "subject", "date", "message-id", "reply-to", "return-path", "sender"),
    *("mime-version", "content-type", "content-transfer-encoding"),
}
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_ADDRESS = re.compile(r"(?:\"[^\"]+\"|[^\s<>@,;:\"()]+)@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
_VARIABLE = re.compile(r"(?<![{\\])\{\{\s*([A-Za-z_]\w*)\s*\}\}(?!\})")


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient, as SES would have sent it. `tags` by name; header names as given."""

    id: str
    recipient: str
    sender: str
    reply_to: list[str]
    subject: str
    html: str
    text: str
    headers: dict[str, str]
    tags: dict[str, str]
    at: datetime


class Refusal(Refused):
    def __init__(self, status: int, name: str, message: str) -> None:
        self.name = name
        super().__init__(status, message)


class SesServer(Provider):
    """`clock` tells when things happened. `domains` may send; `suppressed` addresses bounce; `statuses` answers a
    recipient with that status, and nothing is sent; `rate` is messages a second, None for no limit; `daily` in all.
    Servers of `slow` recipients let a message wait. `publishes` are the kinds of events that the configuration set
    sends to the topic, () for every kind."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], datetime] | None = None,
        rate: float | None = None,
        daily: int = 50_000,
        publishes: Collection[str] = (),
    ) -> None:
        super().__init__(folder / "ses.jsonl", clock)
        self.topic = SnsTopic(folder)
        self.domains = {"harbour-gazette.example"}
        self.configuration_sets = {"newsletters"}
        self.suppressed: set[str] = set()
        self.slow: set[str] = set()
        self.statuses: dict[str, str] = {}
        self.account: dict[str, Any] = {}
        self.rate, self.daily = rate, daily
        self.publishes = publishes
        self.mails: list[Mail] = []
        self._pending: dict[str, Happening] = {}  # what is not told yet, by its id
        self._made: dict[str, Mail] = {}  # messages by their id, with those that could not be rendered
        self._tokens: tuple[float, datetime] | None = None  # how many there were, and when

    # ---------------------------------------------------------------- what the API does

    def bulk(self, body: bytes) -> list[dict[str, str]]:
        """One SendBulkEmail. Raises Refusal when nothing of it is taken."""
        call = _parsed(body)
        template = call["DefaultContent"].get("Template") or {}
        self._validate(call, template)
        self.wait_if_slow()
        with self.lock:
            results, mails, failures = [], [], []
            for entry in call["BulkEmailEntries"]:
                status, error = self._decide(entry, len(mails) + len(failures))
                id = f"0102019aa0{len(self._made) + len(mails) + len(failures):08x}-0a1b2c3d-000000"
                if status != "SUCCESS":
                    results.append({"Status": status, "Error": error})
                    continue
                made, failure = _made(call, template, entry)
                (failures if failure else mails).append({**made, "id": id, "failure": failure})
                results.append({"Status": status, "MessageId": id})
            self.write({"at": self.clock().isoformat(), "mails": mails, "failures": failures})
        return results

    def _decide(self, entry: dict[str, Any], before: int) -> tuple[str, str]:
        (recipient,) = entry["Destination"]["ToAddresses"]
        if recipient in self.statuses:
            return self.statuses[recipient], f"{self.statuses[recipient].replace('_', ' ').capitalize()}."
        if not _ADDRESS.fullmatch(recipient):
            return "INVALID_PARAMETER", "Missing final '@domain'"
        if len(self.mails) + before >= self.daily:
            return "ACCOUNT_DAILY_QUOTA_EXCEEDED", "Daily message quota exceeded."
        if self.rate is not None and not self._token(self.rate):
            return "ACCOUNT_THROTTLED", "Maximum sending rate exceeded."
        return "SUCCESS", ""

    def _token(self, rate: float) -> bool:
        """Whether one more message may be sent now: those of one second may be sent at once."""
        now = self.clock()
        there, at = self._tokens or (rate, now)
        there = min(rate, there + rate * (now - at).total_seconds())
        self._tokens = (there - (there >= 1), now)
        return there >= 1

    def _validate(self, call: dict[str, Any], template: dict[str, Any]) -> None:
        """What botocore's validator leaves out: numbers, patterns, who may send."""
        entries = call["BulkEmailEntries"]
        _insist(1 <= len(entries) <= 50, "A call holds between 1 and 50 BulkEmailEntries.")
        content = template.get("TemplateContent") or {}
        _insist(bool(content), "Exactly one of TemplateName, TemplateArn and TemplateContent must be given.")
        _insist(sum(len(part.encode()) for part in content.values()) <= 500_000, "The template is too large.")
        for data in (template.get("TemplateData", "{}"), *map(_data, entries)):
            _insist(len(data.encode()) <= 262_144, "TemplateData is too large.")
            _insist(isinstance(_loaded(data), dict), "TemplateData is no JSON object.")
        for headers in (template.get("Headers", []), *(entry.get("ReplacementHeaders", []) for entry in entries)):
            _validate_headers(headers)
        for tags in (call.get("DefaultEmailTags", []), *(entry.get("ReplacementTags", []) for entry in entries)):
            right = all(_TAG.fullmatch(tag["Name"]) and _TAG.fullmatch(tag["Value"]) for tag in tags)
            _insist(right and len(tags) <= 50, "Tags hold ASCII letters, numbers, _ and - only.")
        for entry in entries:
            to = entry["Destination"].get("ToAddresses", [])
            _insist(len(to) == 1, "One recipient an entry: readers would see each other.")
            _insist(to[0].isascii(), "Local address contains non-ASCII characters")
        _insist(all(address.isascii() for address in call.get("ReplyToAddresses", [])), "Illegal ReplyToAddresses")
        self._validate_sender(call)

    def _validate_sender(self, call: dict[str, Any]) -> None:
        sender = call.get("FromEmailAddress", "")
        _insist(sender.isascii() and "@" in sender and not re.search(r"[\r\n]", sender), "Illegal FromEmailAddress")
        if sender.rpartition("@")[2].rstrip(">") not in self.domains:
            raise Refusal(400, "MessageRejected", f"Email address is not verified. The identity {sender} failed.")
        name = call.get("ConfigurationSetName")
        if name is not None and name not in self.configuration_sets:
            raise Refusal(404, "NotFoundException", f"Configuration set <{name}> does not exist.")

    # ---------------------------------------------------------------- what it remembers, and tells

    def remember(self, entry: dict[str, Any]) -> None:
        for id in entry.get("told", ()):
            self._pending.pop(id, None)
        for id, name, details, at in entry.get("happened", ()):
            self._expect(self._made[id], name, details, datetime.fromisoformat(at))
        for made in (*entry.get("mails", ()), *entry.get("failures", ())):
            failure, at = made["failure"], datetime.fromisoformat(entry["at"])
            content = {name: value for name, value in made.items() if name != "failure"}
            mail = self._made[made["id"]] = Mail(**content, at=at)
            if failure:
                self._expect(mail, "Rendering Failure", {"errorMessage": failure}, at)
            else:
                self.mails.append(mail)
                self._expect(mail, "Send", {}, at)
                self._expect(mail, *self._fate(mail), at)

    def _expect(self, mail: Mail, name: str, details: dict[str, Any], at: datetime) -> None:
        if self.publishes and name not in self.publishes:
            return
        happening = Happening(mail, name, details, at)
        self._pending[happening.id] = happening

    def _fate(self, mail: Mail) -> tuple[str, dict[str, Any]]:
        if mail.recipient in self.suppressed:
            return "Bounce", bounce(mail, "Permanent", "OnAccountSuppressionList", status="5.1.1")
        if mail.recipient in self.slow:
            return "DeliveryDelay", {"delayType": "General", "delayedRecipients": [{"emailAddress": mail.recipient}]}
        return "Delivery", {"recipients": [mail.recipient], "smtpResponse": "250 2.0.0 OK queued as 4Zq8"}

    def happen(self, mail: Mail, name: str, details: dict[str, Any]) -> None:
        """Something more befalls a message, such as `bounce(mail, "Permanent", "General")`."""
        with self.lock:
            self.write({"happened": [[mail.id, name, details, self.clock().isoformat()]]})

    def notify(
        self,
        post: Callable[[dict[str, str], bytes], object],
        *,
        lag: timedelta = timedelta(0),
        times: int = 1,
        shuffle: random.Random | None = None,
    ) -> int:
        """Deliver the events of that long ago that were not delivered yet: `post` gets the headers and body of each
        call, and raises when it was not taken. How many."""
        now = self.clock()
        with self.lock:
            due = {id: one for id, one in self._pending.items() if one.at + lag <= now}
        calls = [id for id in due for _ in range(times)]
        if shuffle:
            shuffle.shuffle(calls)
        for id in calls:
            post(*self.topic.notification(json.dumps(due[id].event()), id, now))
        if due:
            with self.lock:
                self.write({"told": list(due)})
        return len(due)


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class Happening:
    mail: Mail
    name: str
    details: dict[str, Any]
    at: datetime

    @property
    def id(self) -> str:
        """The same whenever it is told."""
        return str(uuid5(NAMESPACE_URL, f"{self.mail.id} {self.name} {self.at.isoformat()}"))

    def event(self) -> dict[str, Any]:
        """As SES writes it."""
        mail = self.mail
        place = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}.get(self.name, self.name.lower())
        return {
            "eventType": self.name,
            "mail": {
                "timestamp": _stamp(mail.at),
                "source": mail.sender,
                "messageId": mail.id,
                "destination": [mail.recipient],
                "headersTruncated": False,
                "headers": [{"name": key, "value": value} for key, value in mail.headers.items()],
                "commonHeaders": {"subject": mail.subject, "to": [mail.recipient], "messageId": mail.id},
                "tags": {"ses:configuration-set": ["newsletters"], **{key: [tag] for key, tag in mail.tags.items()}},
            },
            place: {} if self.name == "Send" else {"timestamp": _stamp(self.at), **self.details},
        }


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bounce(mail: Mail, kind: str, subtype: str, *, status: str = "", said: str = "") -> dict[str, Any]:
    person = {"emailAddress": mail.recipient, "action": "failed", "status": status, "diagnosticCode": said}
    return {
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": [{key: value for key, value in person.items() if value}],
        "feedbackId": f"fb-{mail.id}",
        "reportingMTA": "dns; a1-2.smtp-out.eu-west-1.amazonses.com",
    }


def complaint(mail: Mail, kind: str = "abuse") -> dict[str, Any]:
    people = [{"emailAddress": f"Reader <{mail.recipient}>"}]
    return {"complainedRecipients": people, "complaintFeedbackType": kind, "feedbackId": f"fb-{mail.id}"}


# ---------------------------------------------------------------- reading a call


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("sesv2")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        call = json.loads(body)
    except ValueError:
        raise Refusal(400, "SerializationException", "The request body is no JSON.") from None
    report = ParamValidator().validate(call, model().operation_model("SendBulkEmail").input_shape)
    if report.has_errors():
        raise Refusal(400, "BadRequestException", report.generate_report())
    return call


def _insist(right: bool, message: str) -> None:
    if not right:
        raise Refusal(400, "BadRequestException", message)


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _data(entry: dict[str, Any]) -> str:
    content = entry.get("ReplacementEmailContent") or {}
    return str((content.get("ReplacementTemplate") or {}).get("ReplacementTemplateData", "{}"))


def _validate_headers(headers: list[dict[str, str]]) -> None:
    _insist(len(headers) <= 15, "There are more than 15 headers.")
    names = [header["Name"].lower() for header in headers]
    _insist(len(set(names)) == len(names), "Duplicate header.")
    for header in headers:
        name, value = header["Name"], header["Value"]
        _insist(bool(_HEADER.fullmatch(name)) and name.lower() not in _OWN_HEADERS, f"Header name {name} is invalid.")
        right = re.fullmatch(r"[ -~]{1,995}", value) and len(name) + len(value) <= 996
        _insist(bool(right), f"Header value of {name} is invalid.")


def _made(call: dict[str, Any], template: dict[str, Any], entry: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A message, and why it cannot be rendered, if so."""
    values = {**json.loads(template.get("TemplateData", "{}")), **json.loads(_data(entry))}
    content = template["TemplateContent"]
    parts, failures = {}, []
    for name in ("Subject", "Html", "Text"):
        parts[name.lower()], failure = _rendered(content.get(name, ""), values)
        failures += [failure] if failure else []
    mail = {
        **parts,
        "recipient": entry["Destination"]["ToAddresses"][0],
        "sender": call["FromEmailAddress"],
        "reply_to": call.get("ReplyToAddresses", []),
        "headers": _merged(template.get("Headers", []), entry.get("ReplacementHeaders", [])),
        "tags": _named([*call.get("DefaultEmailTags", []), *entry.get("ReplacementTags", [])]),
    }
    return mail, "; ".join(failures)


def _rendered(text: str, values: dict[str, Any]) -> tuple[str, str]:
    """Simple substitution only, values as they are. Any other pair of opening braces is a mistake."""
    rest = _VARIABLE.sub("", text)
    if "{{" in rest:
        return "", f"the template has a syntax error near {rest[rest.index('{{') :][:20]!r}"
    missing = sorted({name for name in _VARIABLE.findall(text) if name not in values})
    if missing:
        return "", f"Attribute '{missing[0]}' is not present in the rendering data."
    return _VARIABLE.sub(lambda found: str(values[found[1]]), text), ""


def _merged(shared: Iterable[dict[str, str]], own: Iterable[dict[str, str]]) -> dict[str, str]:
    replaced = {header["Name"].lower() for header in own}
    kept = [header for header in shared if header["Name"].lower() not in replaced]
    return _named([*kept, *own])


def _named(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    return {pair["Name"]: pair["Value"] for pair in pairs}


# ---------------------------------------------------------------- one connection


class _Connection(Connection):
    fake: SesServer
    largest = _LARGEST
    failed = Refusal(500, "InternalServiceErrorException", "An unexpected error occurred.")

    def _authorise(self, body: bytes) -> None:
        given = self.headers.get("Authorization")
        if not given:
            raise Refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        found = _AUTHORIZATION.fullmatch(given)
        stamp = self.headers.get("X-Amz-Date", "")
        if not found or not {"host", "x-amz-date"} <= set(found[5].split(";")) or not stamp.startswith(found[2]):
            raise Refusal(
                400, "IncompleteSignatureException", "The request signature does not conform to AWS standards."
            )
        if found[1] not in (KEY_ID, SENDING_ONLY_KEY_ID):
            raise Refusal(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - at) > timedelta(minutes=5):
            raise Refusal(403, "InvalidSignatureException", f"Signature expired: {stamp} is now earlier than allowed")
        if (found[3], found[4]) != (REGION, "ses"):
            raise Refusal(403, "InvalidSignatureException", f"Credential should be scoped to a valid region: {REGION}.")
        if found[6] != self._signature(found[1], found[5].split(";"), stamp, body):
            raise Refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")

    def _signature(self, key_id: str, names: list[str], stamp: str, body: bytes) -> str:
        headers = {name: self.headers.get(name, "") for name in names if name != "host"}
        url = f"http://{self.headers['Host']}{self.path}"
        request = AWSRequest(method=self.command, url=url, data=body, headers=headers)
        request.context["timestamp"] = stamp
        signer = SigV4Auth(Credentials(key_id, SECRET), "ses", REGION)
        return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))

    def respond(self, length: int, body: bytes) -> None:
        self._authorise(body)
        if (self.command, self.path) == ("GET", ACCOUNT):
            self._account()
        elif self.path != BULK:
            raise Refusal(404, "UnknownOperationException", "The requested operation does not exist.")
        elif self.command != "POST":
            raise Refusal(405, "UnknownOperationException", "Method is not allowed.")
        elif length > _LARGEST:
            raise Refusal(413, "RequestEntityTooLargeException", "The request is too large.")
        else:
            self._post(body)

    def _account(self) -> None:
        if f"Credential={SENDING_ONLY_KEY_ID}/" in self.headers["Authorization"]:
            raise Refusal(403, "AccessDeniedException", "User is not authorized to perform: ses:GetAccount")
        rate = self.fake.rate or 100_000.0
        quota = {"Max24HourSend": self.fake.daily, "MaxSendRate": rate, "SentLast24Hours": len(self.fake.mails)}
        plain = {"SendingEnabled": True, "ProductionAccessEnabled": True, "EnforcementStatus": "HEALTHY"}
        self.answer(200, {**plain, "SendQuota": quota, **self.fake.account})

    def _post(self, body: bytes) -> None:
        fault = self.fake.next_fault()
        if self.untouched(fault):
            return
        answer = {"BulkEmailEntryResults": self.fake.bulk(body)}
        if fault == "fewer":
            answer["BulkEmailEntryResults"].pop()
        self.accepted(fault, answer)

    def refusal(self, fault: str) -> Refusal | None:
        return Refusal(*_FAULTS[fault]) if fault in _FAULTS else None

    def wait(self, fault: str) -> str:
        return "" if fault == "429" else super().wait(fault)

    def refuse(self, refused: Refusal, headers: Mapping[str, str]) -> None:
        kind = f"{refused.name}:http://internal.amazon.com/coral/com.amazonaws.services.simpleemailv2/"
        self.answer(refused.status, {"message": refused.message}, {"x-amzn-ErrorType": kind, **headers})


SesServer.connection = _Connection
