"""Return paths that name the letter (VERP): a bounce tells which letter of which batch it is about, and nobody can
invent one that would take another reader off the list.

`bounces+<tag>@example.org`, where the tag is, in base32 without padding: the batch's key, a UUID (16 bytes), the
letter's position in it (3), and a keyed BLAKE2b (RFC 7693) of 9 bytes over both. That is 45 letters and digits, so with
the + a base of 18 letters fits the 64 octets of a local part (RFC 5321 section 4.5.3.1.1); base32, because servers on
the way back may change the case. Who can read a tag can repeat it: that is the reader whose letter it names.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

#: What keys are derived for (see `kit.tokens`), so that no tag can pass for another token.
PURPOSE = b"publisher verp"

_KEY, _POSITION, _MAC = 16, 3, 9  # bytes
_TAG = 45  # letters and digits
_LOCAL = 64  # octets
_ROOM = _LOCAL - _TAG - len("+")
_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_OURS = re.compile(r"\s*<?[^\s<>@]+\+([a-z2-7]{45})@[^\s<>@]+>?\s*", re.IGNORECASE)


class ReturnPaths:
    """The envelope senders of letters. `base` is an address such as bounces@example.org, `keys` are derived for
    PURPOSE; the first one makes, every one is accepted. Raises ValueError when nothing can be made of the base."""

    def __init__(self, base: str, keys: Sequence[bytes]) -> None:
        if not _PLAIN.fullmatch(base):
            raise ValueError(
                f"the return path {base!r} is no plain ASCII address such as bounces@example.org, without +"
            )
        self.base = base
        self._local, _, self._domain = base.partition("@")
        self._keys = tuple(keys)
        if len(self._local) > _ROOM:
            raise ValueError(f"the return path {base} has more than {_ROOM} letters before the @")

    def of(self, key: str, position: int) -> str:
        """Of one letter; the base itself where the key is no UUID (a notice, which is no batch)."""
        try:
            body = UUID(key).bytes + position.to_bytes(_POSITION, "big")
        except (ValueError, OverflowError):
            return self.base
        tag = b32encode(body + _mac(self._keys[0], body)).decode().rstrip("=").lower()
        return f"{self._local}+{tag}@{self._domain}"


def returned(address: str, keys: Sequence[bytes]) -> tuple[str, int] | None:
    """(batch key, position) of the letter that a bounce came back to; None when we did not make that address.

    Nothing before the + and behind the @ matters: bounces may be forwarded under another address.
    """
    found = _OURS.fullmatch(address[:1000])
    if not found:
        return None
    data = b32decode(found[1].upper() + "===")
    body, mac = data[:-_MAC], data[-_MAC:]
    if not any(hmac.compare_digest(mac, _mac(key, body)) for key in keys):
        return None
    return str(UUID(bytes=body[:_KEY])), int.from_bytes(body[_KEY:], "big")


def _mac(key: bytes, body: bytes) -> bytes:
    return blake2b(body, key=key, person=PURPOSE, digest_size=_MAC).digest()
