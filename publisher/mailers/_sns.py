"""What Amazon SNS delivers: an envelope whose signature proves that it comes from SNS, and whose topic that it is ours.

Any Amazon account can have SNS sign something, so only the topic of the settings is believed, and its subscription
confirmed. Certificates come from SNS's own hosts alone.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from publisher.errors import SourceError, WebhookRejected
from publisher.kit.http_session import Limits, get, open_session

_OLDEST = timedelta(hours=2)  # SNS tries a call again for at most one, and keeps its time (2026-11)
_KEPT = 8  # certificates
_HOST = r"https://sns\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/"
_CERTIFICATE = re.compile(_HOST + r"SimpleNotificationService-[A-Za-z0-9]+\.pem")
_CONFIRMATION = re.compile(_HOST + r"\?Action=ConfirmSubscription&[\x21-\x7e]+")
_NOTIFICATION = "Notification"
_SUBSCRIPTION = "SubscriptionConfirmation"
_HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303  # 1 is what a topic has unless told otherwise
_OF_TOPIC = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    _NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    _SUBSCRIPTION: _OF_TOPIC,
    "UnsubscribeConfirmation": _OF_TOPIC,
}


@dataclass(frozen=True, slots=True)
class Notification:
    """`id` stays the same when SNS delivers it again."""

    id: str
    message: str


class Topic:
    """One topic. `certificates` gives the PEM of a certificate's address, and `confirm` opens the one that confirms
    a subscription."""

    def __init__(
        self,
        arn: str,
        *,
        certificates: Callable[[str], bytes] | None = None,
        confirm: Callable[[str], object] | None = None,
    ) -> None:
        self._arn = arn
        self._certificates = certificates or _fetch
        self._confirm = confirm or _fetch
        self._keys: dict[str, RSAPublicKey] = {}

    def read(self, body: bytes, *, now: datetime) -> Notification | None:
        """The notification in a call, None when it is about the subscription. Raises WebhookRejected."""
        envelope = _envelope(body)
        kind = envelope["Type"]
        if not self._arn or not compare_digest(envelope.get("TopicArn", "").encode(), self._arn.encode()):
            raise WebhookRejected("this call is about another topic than topic_arn names")
        if abs(now - _time(envelope.get("Timestamp", ""))) > _OLDEST:
            raise WebhookRejected("this call is not of these two hours; is this machine's clock right?")
        self._verify(envelope)
        if kind == _SUBSCRIPTION:
            self._confirm_at(envelope["SubscribeURL"])
        return Notification(envelope["MessageId"], envelope["Message"]) if kind == _NOTIFICATION else None

    def _verify(self, envelope: Mapping[str, str]) -> None:
        version = envelope.get("SignatureVersion", "")
        if version not in _HASHES:
            raise WebhookRejected("this call has no signature of a kind we know")
        key = self._key(envelope.get("SigningCertURL", ""))
        try:
            signature = b64decode(envelope.get("Signature", ""), validate=True)
            key.verify(signature, _signed(envelope), PKCS1v15(), _HASHES[version])
        except (InvalidSignature, ValueError):
            raise WebhookRejected("the signature of this call is wrong") from None

    def _key(self, url: str) -> RSAPublicKey:
        if url not in self._keys:
            if not _CERTIFICATE.fullmatch(url):
                raise WebhookRejected("the certificate of this call is not at Amazon SNS")
            key = self._fetched(url)
            if len(self._keys) >= _KEPT:
                self._keys.clear()
            self._keys[url] = key
        return self._keys[url]

    def _fetched(self, url: str) -> RSAPublicKey:
        try:
            key = load_pem_x509_certificate(self._certificates(url)).public_key()
        except (SourceError, ValueError) as error:
            raise WebhookRejected("the certificate of this call cannot be had") from error
        if not isinstance(key, RSAPublicKey):
            raise WebhookRejected("the certificate of this call is of the wrong kind")
        return key

    def _confirm_at(self, url: str) -> None:
        if not _CONFIRMATION.fullmatch(url):
            raise WebhookRejected("the address that confirms the subscription is not at Amazon SNS")
        try:
            self._confirm(url)
        except SourceError as error:
            raise WebhookRejected("the subscription could not be confirmed; it will be asked for again") from error


def _envelope(body: bytes) -> Mapping[str, str]:
    """The parts of an envelope that are text, all that are signed among them."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    told = parsed if isinstance(parsed, dict) else {}
    envelope = {name: value for name, value in told.items() if isinstance(value, str)}
    needed = set(_SIGNED.get(envelope.get("Type", ""), ())) - {"Subject"}
    if not needed or needed - envelope.keys():
        raise WebhookRejected("this is no call of Amazon SNS (raw message delivery must be off)")
    return envelope


def _signed(envelope: Mapping[str, str]) -> bytes:
    """The text that was signed: names and values on lines of their own, without what is not there."""
    names = (name for name in _SIGNED[envelope["Type"]] if name in envelope)
    return "".join(f"{name}\n{envelope[name]}\n" for name in names).encode("utf-8", "replace")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise WebhookRejected("this call does not tell its time") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _fetch(url: str) -> bytes:
    with open_session() as session:
        return get(session, url, limits=Limits(read=10.0, total=10.0, bytes=100_000, redirects=0)).body
