"""Keys, and the tokens made with them.

A key file holds one key a line: `sign <key id> <base64>` (the first signs, every one is accepted: to rotate, put a
new line on top) and `address <key id> <base64>`. The address key is never rotated: suppressions are kept as HMACs of
addresses under it, and with another key nobody would be recognised any more.

An unsubscribe token is, in base64url without padding: version (1 byte, 1), key id (4), the subscriber's public id (12),
the newsletter's slug (UTF-8), and a keyed BLAKE2b (RFC 7693) of 16 bytes over all before it. It never expires, and its
format is final: links in mail outlive every release.
"""

from __future__ import annotations

import binascii
import hmac
import os
import re
import secrets
import time
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from publisher.errors import BadToken, Problem, SettingsError

ENVIRONMENT = "PUBLISHER_KEYS"

_VERSION = b"\x01"
_ID, _PUBLIC_ID, _MAC, _KEY = 4, 12, 16, 32  # bytes
_LONGEST = 4096  # characters of a token that are looked at
_LINE = re.compile(r"(sign|address)[ \t]+([0-9a-f]{8})[ \t]+([A-Za-z0-9+/=]+)")
_NEEDED = "an unsubscribe token needs a public id of 12 bytes and a newsletter's slug"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_RIGHT = "a line is `sign` or `address`, 8 hexadecimal digits, and 32 bytes in base64"


def public_id() -> bytes:
    """A new subscriber's public id: 12 random bytes."""
    return secrets.token_bytes(_PUBLIC_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    id: bytes
    secret: bytes = field(repr=False)

    def derived(self, purpose: bytes) -> bytes:
        """A key for one purpose only, so that no token of one kind can pass for another."""
        return blake2b(key=self.secret, person=purpose, digest_size=_KEY).digest()


class KeyRing:
    """The keys of an installation: `ports.Keys`. `clock` gives seconds since 1970, for tokens that expire."""

    def __init__(self, signing: tuple[Key, ...], address: Key, *, clock: Callable[[], float] = time.time) -> None:
        self._signing = signing
        self._address = address
        self._clock = clock
        self._mac = _mac(signing[0])

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> KeyRing:
        """The keys in the environment's PUBLISHER_KEYS (lines, or parted by `;`), else in a file that is made when
        missing. Raises SettingsError for unreadable keys and for a file that others can read; it quotes no key."""
        given = environment.get(ENVIRONMENT, "")
        text, place = (given.replace(";", "\n"), ENVIRONMENT) if given.strip() else (_file(path), str(path))
        signing, address = _parse(text, place)
        return cls(signing, address, clock=clock)

    def unsubscribe(self, public_id: bytes, newsletter: str) -> str:
        """The token in one subscriber's links for one newsletter."""
        return self.unsubscribe_tokens(newsletter, [public_id])[0]

    def unsubscribe_tokens(self, newsletter: str, public_ids: Sequence[bytes]) -> list[str]:
        """`unsubscribe` of many at once, for one newsletter."""
        if not newsletter or set(map(len, public_ids)) - {_PUBLIC_ID}:
            raise ValueError(_NEEDED)
        head, slug = _VERSION + self._signing[0].id, newsletter.encode()
        tokens = []
        for public_id in public_ids:
            body, mac = head + public_id + slug, self._mac.copy()
            mac.update(body)
            tokens.append(body + mac.digest())
        return _encode_all(tokens)

    def read_unsubscribe(self, token: str) -> tuple[bytes, str]:
        """(public id, newsletter slug). Raises BadToken."""
        data = _decode(token)
        body, mac = data[:-_MAC], data[-_MAC:]
        start = len(_VERSION) + _ID + _PUBLIC_ID
        if len(body) <= start or body[:1] != _VERSION:
            raise BadToken
        for key in self._signing:
            if key.id == body[1 : 1 + _ID] and hmac.compare_digest(mac, _mac(key, body).digest()):
                return body[start - _PUBLIC_ID : start], body[start:].decode()
        raise BadToken

    def sign(self, purpose: str, value: Mapping[str, Any]) -> str:
        """A token that carries `value` (JSON-shaped, readable by anyone) and when it was made."""
        token = self._serializer(purpose).dumps(dict(value))
        return token if isinstance(token, str) else token.decode()

    def read(self, purpose: str, token: str, *, maximum_age: timedelta) -> Mapping[str, Any]:
        """Raises BadToken when forged, of another purpose, or too old."""
        if len(token) > _LONGEST:
            raise BadToken
        try:
            value = self._serializer(purpose).loads(token, max_age=int(maximum_age.total_seconds()))
        except BadData:
            raise BadToken from None
        if not isinstance(value, dict):
            raise BadToken
        return value

    def address(self, email_key: str) -> bytes:
        """The HMAC-SHA-256 (RFC 2104) under which a suppression is kept."""
        return hmac.digest(self._address.secret, email_key.encode(), "sha256")

    def derived(self, purpose: bytes) -> tuple[bytes, ...]:
        """Keys of 32 bytes for one purpose (at most 16 bytes): the first one makes, every one is accepted."""
        return tuple(key.derived(purpose) for key in self._signing)

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            [key.derived(b"publisher links") for key in reversed(self._signing)],  # the last one signs
            salt=f"publisher.{purpose}.1".encode(),
            signer=_Signer,
            signer_kwargs={"clock": self._clock, "key_derivation": "hmac", "digest_method": sha256},
        )


class _Signer(TimestampSigner):
    """Takes the time from the key ring."""

    def __init__(self, *given: Any, clock: Callable[[], float], **named: Any) -> None:
        super().__init__(*given, **named)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock())


def _mac(key: Key, body: bytes = b"") -> blake2b:
    return blake2b(body, key=key.secret, person=b"publisher unsub", digest_size=_MAC)


def _encode(data: bytes) -> str:
    return _encode_all([data])[0]


def _encode_all(tokens: Sequence[bytes]) -> list[str]:
    """All are of one length. Filled up with zeros each is encoded as if it stood alone, and then some."""
    size = len(tokens[0]) if tokens else 0
    whole = -size % 3 + size
    text = binascii.b2a_base64(b"".join([token.ljust(whole, b"\0") for token in tokens]), newline=False)
    encoded, step, length = text.translate(_URL_SAFE).decode("ascii"), whole // 3 * 4, (size * 4 + 2) // 3
    return [encoded[start : start + length] for start in range(0, len(encoded), step)] if step else [""] * len(tokens)


def _decode(token: str) -> bytes:
    """Raises BadToken for anything but the one spelling that `_encode` writes."""
    if len(token) > _LONGEST or not token.isascii():
        raise BadToken
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise BadToken from None
    if _encode(data) != token:
        raise BadToken
    return data


# ---------------------------------------------------------------- the key file


def _parse(text: str, place: str) -> tuple[tuple[Key, ...], Key]:
    signing: list[Key] = []
    addresses: list[Key] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        kind, key = _line(stripped)
        if key is None:
            problems.append(Problem(key=f"line {number}", value=None, remedy=_RIGHT))
        else:
            (signing if kind == "sign" else addresses).append(key)
    if len({key.id for key in signing}) < len(signing):
        problems.append(Problem(key="sign", value=None, remedy="two keys have the same id; give the newer another"))
    if not problems and not signing:
        problems.append(Problem(key="sign", value=None, remedy="there is no such line, and links need one"))
    if not problems and len(addresses) != 1:
        remedy = f"there must be exactly one such line, not {len(addresses)}: suppressions depend on it"
        problems.append(Problem(key="address", value=None, remedy=remedy))
    if problems:
        raise SettingsError(problems, path=place)
    return tuple(signing), addresses[0]


def _line(text: str) -> tuple[str, Key | None]:
    found = _LINE.fullmatch(text)
    if not found:
        return "", None
    try:
        secret = b64decode(found[3], validate=True)
    except binascii.Error:
        return "", None
    return found[1], Key(id=bytes.fromhex(found[2]), secret=secret) if len(secret) == _KEY else None


def _file(path: Path) -> str:
    """The key file's text. Made when missing; two processes that start together read the same keys."""
    try:
        with suppress(FileExistsError):
            if not path.exists():
                _make(path)
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            text = file.read(65536)
    except OSError as error:
        remedy = f"cannot be used ({error.strerror}): mend that, or put the keys into {ENVIRONMENT}"
        raise SettingsError([Problem(key=str(path), value=None, remedy=remedy)], path=str(path)) from error
    if mode & 0o077:
        remedy = f"others can read it (mode {mode:o}): run `chmod 600 {path}`"
        raise SettingsError([Problem(key=str(path), value=None, remedy=remedy)], path=str(path))
    return text


def _make(path: Path) -> None:
    """Write new keys beside `path` and link them into place whole. Raises FileExistsError when another was first."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(_generate())
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _generate() -> str:
    def line(kind: str) -> str:
        return f"{kind} {secrets.token_hex(_ID)} {b64encode(secrets.token_bytes(_KEY)).decode()}\n"

    return (
        "# Publisher's keys: keep a copy, show nobody. A new `sign` line on top rotates; links made with the others\n"
        "# still work. Never change `address`: suppressed readers would not be recognised any more.\n"
        + line("sign")
        + line("address")
    )


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
