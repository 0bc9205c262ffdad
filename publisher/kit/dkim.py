"""DKIM signatures (RFC 6376) over finished messages, with RSA (RFC 8301) or Ed25519 (RFC 8463) keys.

Headers are canonicalised "relaxed", the body "simple": ours is quoted-printable with CRLF line ends, which no server
on the way has a reason to touch, and so it is hashed as it is. The time is handed in and both kinds of key sign
deterministically, so the same message gives the same bytes again.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

#: What a signature covers where the message has it; RFC 8058 section 4 wants both List-Unsubscribe fields.
SIGNED = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post"),
)

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SMALLEST = 1024  # bits, RFC 8301 section 3.2


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one domain with the key whose public half is at `<selector>._domainkey.<domain>` in DNS.

    Not every receiver knows Ed25519. A message may be signed by one signer after the other.
    """

    domain: str
    selector: str
    _key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @classmethod
    def load(cls, domain: str, selector: str, key_pem: str | bytes) -> Signer:
        """`key_pem` is a private key without a password. Raises ValueError, which never quotes it."""
        for name, value in (("domain", domain), ("selector", selector)):
            if not _NAME.fullmatch(value):
                raise ValueError(f"the DKIM {name} {value!r} is no domain name in ASCII")
        pem = key_pem.encode() if isinstance(key_pem, str) else key_pem
        try:
            key = load_pem_private_key(pem, None)
        except TypeError:
            raise ValueError("the DKIM key is locked with a password; store it without one") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("the DKIM key is no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise ValueError("the DKIM key is neither RSA nor Ed25519")
        if isinstance(key, RSAPrivateKey) and key.key_size < _SMALLEST:
            raise ValueError(f"the DKIM key has {key.key_size} bits; receivers ignore it. Make one of 2048")
        return cls(domain.lower(), selector, key)

    @property
    def record(self) -> str:
        """The TXT record to publish at `<selector>._domainkey.<domain>` (RFC 6376 section 3.6.1)."""
        public = self._key.public_key()
        if isinstance(self._key, RSAPrivateKey):
            kind, data = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={b64encode(data).decode()}"

    def sign(self, message: bytes, at: datetime) -> bytes:
        """The message (RFC 5322, CRLF) with a DKIM-Signature before it. `at` is aware, and no later than now when
        the message leaves. Raises ValueError when there is no From to sign for."""
        head, _, body = message.partition(b"\r\n\r\n")
        fields = list(_fields(head))
        signed = [(name, value) for wanted in SIGNED for name, value in _bottom_up(fields, wanted)]
        if not signed or signed[0][0] != b"from":
            raise ValueError("a message without a From field cannot be signed")
        # From once more than it is there: no second one can be added (RFC 6376 section 8.15).
        names = [b"from", *(name for name, _ in signed)]
        unsigned = self._unsigned(names, _body_hash(body), at)
        covered = b"".join(b"%s:%s\r\n" % pair for pair in signed) + b"dkim-signature:" + _relaxed(unsigned)
        signature = b64encode(self._signature(covered))
        lines = b"".join(b"\r\n " + signature[start : start + 72] for start in range(0, len(signature), 72))
        return b"DKIM-Signature:" + unsigned + lines + b"\r\n" + message

    def _unsigned(self, names: list[bytes], body_hash: bytes, at: datetime) -> bytes:
        """The value of the header up to where the signature goes."""
        kind = b"rsa" if isinstance(self._key, RSAPrivateKey) else b"ed25519"
        listed = b":\r\n  ".join(b":".join(names[start : start + 5]) for start in range(0, len(names), 5))
        return b" v=1; a=%s-sha256; c=relaxed/simple; t=%d;\r\n d=%s; s=%s;\r\n h=%s;\r\n bh=%s;\r\n b=" % (
            *(kind, int(at.timestamp()), self.domain.encode(), self.selector.encode(), listed, body_hash),
        )

    def _signature(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), SHA256())
        return self._key.sign(sha256(data).digest())  # RFC 8463 section 3


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names in lower case, and values as relaxed canonicalisation has them (RFC 6376 section 3.4.2)."""
    for one in re.split(rb"\r\n(?![ \t])", head):
        name, colon, value = one.partition(b":")
        if colon:
            yield name.rstrip(b" \t").lower(), _relaxed(value)


def _bottom_up(fields: list[tuple[bytes, bytes]], name: bytes) -> list[tuple[bytes, bytes]]:
    """Every field of that name, the last one first (RFC 6376 section 5.4.2)."""
    return [one for one in reversed(fields) if one[0] == name]


def _relaxed(value: bytes) -> bytes:
    return re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def _body_hash(body: bytes) -> bytes:
    """Simple canonicalisation: empty lines at the end count as one line end (RFC 6376 section 3.4.3)."""
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    digest = sha256(memoryview(body)[:end])
    digest.update(b"\r\n")
    return b64encode(digest.digest())
