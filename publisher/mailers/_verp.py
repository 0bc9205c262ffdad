"""Return paths that name the letter (VERP): a bounce tells which letter of which batch it is about.

A batch's key is a UUID, so `bounces+6f1c0f5e7a9e5d0c9f6b1d8c6a0f3b11.17@example.org` is the 17th of that batch. Where a
long base leaves no room in the 64 octets of a local part (RFC 5321 section 4.5.3.1.1), the key is in base32.
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from uuid import UUID

_LOCAL = 64  # octets
_POSITION = 9  # digits
_HEX, _BASE32 = 32, 26
_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_OURS = re.compile(r"\s*<?[^\s<>@]+\+([0-9a-f]{32}|[a-z2-7]{26})\.([0-9]{1,9})@[^\s<>@]+>?\s*", re.IGNORECASE)


def check(base: str) -> None:
    """Raises ValueError when no letter's address can be made of this one."""
    if not _PLAIN.fullmatch(base):
        raise ValueError(f"the return path {base!r} is no plain ASCII address such as bounces@example.org, without +")
    room = _LOCAL - _BASE32 - _POSITION - len("+.")
    if len(base.partition("@")[0]) > room:
        raise ValueError(f"the return path {base} has more than {room} letters before the @")


def return_path(base: str, key: str, position: int) -> str:
    """The envelope sender of one letter; the base itself where the key is no UUID (a notice, which is no batch)."""
    try:
        batch = UUID(key)
    except ValueError:
        return base
    local, _, domain = base.partition("@")
    roomy = len(local) + _HEX + _POSITION + len("+.") <= _LOCAL
    name = batch.hex if roomy else b32encode(batch.bytes).decode().rstrip("=").lower()
    return f"{local}+{name}.{position}@{domain}"


def returned(address: str) -> tuple[str, int] | None:
    """(batch key, position) of the letter that a bounce came back to; None when the address is none of these. Servers
    may have changed the case. Anybody can invent one: the ledger knows whether there is such a letter."""
    found = _OURS.fullmatch(address)
    if not found:
        return None
    name = found[1]
    raw = bytes.fromhex(name) if len(name) == _HEX else b32decode(name.upper() + "======")
    return str(UUID(bytes=raw)), int(found[2])
