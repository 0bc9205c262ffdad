"""Headers, parts and texts of mail that others wrote, in whatever shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import Header, decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

from selectolax.lexbor import LexborHTMLParser

_TEXT = 20_000  # characters of a text that are looked at
_ADDRESS = re.compile(r"[^\s<>;,:\"'()\[\]]+@[^\s<>;,\"'()\[\]]+")


def one_line(text: str, limit: int = 300) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()[:limit]


def field(fields: Message, name: str, limit: int = 1000) -> str:
    """A field on one line, "" without it."""
    value = fields.get(name, "")
    return one_line(_raw(fields, name) if isinstance(value, Header) else value, limit)


def _raw(fields: Message, name: str) -> str:
    """A field that is not ASCII, in UTF-8 (RFC 6532); the standard library only gives question marks for it."""
    raw = next(str(value) for one, value in fields.raw_items() if one.lower() == name.lower())
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def words(fields: Message, name: str) -> str:
    """A field whose encoded words (RFC 2047) are read."""
    value = field(fields, name)
    try:
        return one_line(str(make_header(decode_header(value))))
    except (ValueError, LookupError):
        return value


def address(text: str) -> str:
    """The address in "rfc822; <a@b.example>", or in a To field; "" without one."""
    found = _ADDRESS.search(text)
    return found[0].rstrip(".")[:320] if found else ""


def time(message: Message, now: datetime) -> datetime:
    """When it was written, as far as that can be believed."""
    try:
        at = parsedate_to_datetime(field(message, "Date"))
        return min(now, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return now


def parts(message: Message) -> Iterator[Message]:
    """A message and its parts, but nothing of messages that it carries."""
    yield message
    payload = message.get_payload()
    if isinstance(payload, list) and message.get_content_maintype() != "message":
        for one in payload[:50]:
            if isinstance(one, Message):
                yield from parts(one)


def text_of(part: Message) -> str:
    """The text of a part, whatever it says about its encoding; HTML without its tags."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    text = _decoded(data[: 10 * _TEXT], part)
    if part.get_content_subtype() == "html":
        tree = LexborHTMLParser(text)
        tree.strip_tags(["style", "script", "head"])
        text = tree.root.text(separator=" ") if tree.root else ""
    return text.replace("\r\n", "\n")[:_TEXT]


def _decoded(data: bytes, part: Message) -> str:
    try:
        return data.decode(str(part.get_content_charset() or "utf-8"))
    except (LookupError, UnicodeError, ValueError):
        return data.decode("utf-8", "replace")
