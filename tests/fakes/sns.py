"""One topic of Amazon SNS: signs what it delivers with a key and a certificate of its own, kept in a folder."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:123456789012:harbour-mail"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c3d4e5f.pem"
CONFIRM_URL = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"

_HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class SnsTopic:
    """`fetched` are the certificates that were asked for, `confirmed` the subscriptions that were."""

    def __init__(self, folder: Path, arn: str = TOPIC) -> None:
        self.arn = arn
        self.fetched: list[str] = []
        self.confirmed: list[str] = []
        self._key = _key(folder / "sns-key.pem")
        self._certificate = _certificate(folder / "sns.pem", self._key)

    def certificates(self, url: str) -> bytes:
        self.fetched.append(url)
        return self._certificate

    def confirm(self, url: str) -> None:
        self.confirmed.append(url)

    def notification(
        self, message: str, id: str, at: datetime, *, subject: str | None = None, version: str = "2", **changes: str
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a call. `changes` replace fields before they are signed."""
        envelope = {
            "Type": "Notification",
            "MessageId": id,
            "TopicArn": self.arn,
            **({} if subject is None else {"Subject": subject}),
            "Message": message,
            "Timestamp": _stamp(at),
            "SigningCertURL": CERTIFICATE_URL,
            "UnsubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&Token={quote(id)}",
            **changes,
        }
        return self._call(envelope, _NOTIFICATION, version)

    def subscription(self, at: datetime, *, version: str = "2", **changes: str) -> tuple[dict[str, str], bytes]:
        envelope = {
            "Type": "SubscriptionConfirmation",
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "Token": "2336412f37",
            "TopicArn": self.arn,
            "Message": f"You have chosen to subscribe to the topic {self.arn}.",
            "SubscribeURL": CONFIRM_URL,
            "Timestamp": _stamp(at),
            "SigningCertURL": CERTIFICATE_URL,
            **changes,
        }
        return self._call(envelope, _CONFIRMATION, version)

    def _call(self, envelope: dict[str, str], names: tuple[str, ...], version: str) -> tuple[dict[str, str], bytes]:
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        signature = self._key.sign(text.encode(), padding.PKCS1v15(), _HASHES[version])
        envelope = {**envelope, "SignatureVersion": version, "Signature": b64encode(signature).decode()}
        headers = {
            "content-type": "text/plain; charset=UTF-8",
            "x-amz-sns-message-type": envelope["Type"],
            "x-amz-sns-message-id": envelope["MessageId"],
            "x-amz-sns-topic-arn": envelope["TopicArn"],
        }
        return headers, json.dumps(envelope).encode()


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _key(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        key = rsa.generate_private_key(65537, 2048)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    loaded = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(loaded, rsa.RSAPrivateKey)
    return loaded


def _certificate(path: Path, key: rsa.RSAPrivateKey) -> bytes:
    if not path.exists():
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        start = datetime(2026, 1, 1, tzinfo=UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return path.read_bytes()
