"""One mail, read."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import Message
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit

from publisher.kit.reports import _fields, _plain, _standard
from publisher.kit.reports._fields import address, field
from publisher.kit.reports._standard import Told

#: Bytes of a mail that are looked at.
LARGEST = 1_000_000
_PLAIN = 100_000  # of one that follows no standard
_CANDIDATES = 20
_ADDRESSED = ("Delivered-To", "X-Original-To", "Envelope-To", "To", "X-Envelope-To")
_TAGGED = re.compile(rb"\+[A-Za-z2-7]{45}@[A-Za-z0-9.-]{1,255}")
_MESSAGE_ID = re.compile(r"<[^<>\s@]{1,200}@[^<>\s@]{1,255}>")
_QUOTED_ID = re.compile(r"^[> \t]*message-id:\s*(<[^<>\s@]{1,200}@[^<>\s@]{1,255}>)", re.IGNORECASE | re.MULTILINE)
_LINK = re.compile(r"<(https?:[^<>]{1,2000})>", re.IGNORECASE)
_QUOTED_TO = re.compile(r"^[> \t]*to:[^\n@]{0,100}?([^\s<>;,:\"]+@[A-Za-z0-9.-]+)", re.IGNORECASE | re.MULTILINE)


class ReportKind(StrEnum):
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    AUTOMATIC = "automatic"  # a program wrote: somebody is away, or a challenge, or the alarm of a server
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a mail says. `id` is a hash of its bytes. `told` is what became of the letter, by recipient; none but in
    bounces and complaints. `answer`: it is automatic, and says that it answers a mail. The letter it is about is to be
    found by the return paths in `addressed`, or by `message_ids` together with the readers' addresses in `readers` or
    what may be their tokens in `tokens` (the ends of the unsubscribe links in the message that came back); what comes
    first is likelier."""

    id: str
    kind: ReportKind
    at: datetime
    told: tuple[Told, ...] = ()
    addressed: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    answer: bool = False


def read(data: bytes, *, now: datetime) -> Report:
    """Read any bytes whatever; `now` dates what has no date, or one to come."""
    data = data[:LARGEST]
    id = sha256(data).hexdigest()[:32]
    try:
        return _read(data, id, now)
    except Exception as error:  # the standard library's parser meets mail from anybody; one must not stop the rest
        logging.getLogger("publisher.reports").warning("a mail cannot be parsed: %r", error)
        return Report(id=id, kind=ReportKind.OTHER, at=now)


def _read(data: bytes, id: str, now: datetime) -> Report:
    message = message_from_bytes(data)
    parts = {part.get_content_type(): part for part in reversed([*_fields.parts(message)])}
    text = _text(parts)
    original = _standard.original_of(parts)
    beginning = message if len(data) <= _PLAIN else message_from_bytes(data[:_PLAIN])
    kind, told = _said(beginning, parts, original, text)
    feedback = _standard.feedback_of(parts)
    answer = kind is ReportKind.AUTOMATIC and _plain.is_answer(message, text)
    return Report(
        id=id,
        kind=kind,
        at=_fields.time(message, now),
        told=tuple(told),
        addressed=_first(_return_paths(message, original, feedback, b"" if answer else data)),
        message_ids=_first(_message_ids(message, original, text)),
        readers=_first(_readers(told, original, text, address(field(message, "From")) if answer else "")),
        tokens=_first(_tokens(original)),
        answer=answer,
    )


def _said(
    message: Message, parts: Mapping[str, Message], original: Message, text: str
) -> tuple[ReportKind, list[Told]]:
    if "message/feedback-report" in parts:
        told = _standard.complaint(parts, original)
        return (ReportKind.COMPLAINT, [told]) if told else (ReportKind.OTHER, [])
    if told := _standard.plain_complaint(message, original):
        return ReportKind.COMPLAINT, [told]
    if "message/disposition-notification" in parts:  # read, or deleted: RFC 8098
        return ReportKind.AUTOMATIC, []
    if reported := _standard.statuses(parts, _plain.explanation(text)):
        return ReportKind.BOUNCE, reported
    if _plain.is_automatic(message, text):
        return ReportKind.AUTOMATIC, []
    failed = _plain.failures(message, text) if _plain.is_bounce(message) else []
    return (ReportKind.BOUNCE, failed) if failed else (ReportKind.OTHER, [])


def _text(parts: Mapping[str, Message]) -> str:
    """The text for people. Some systems only write HTML."""
    texts = (_fields.text_of(parts[kind]) for kind in ("text/plain", "text/html") if kind in parts)
    return next((one for one in texts if one.strip()), "")


# ---------------------------------------------------------------- whose letter


def _return_paths(message: Message, original: Message, feedback: Message, data: bytes) -> Iterator[str]:
    """Where a letter's own return path may stand: the report came to it, or repeats it somewhere."""
    yield from (field(message, name) for name in _ADDRESSED)
    yield field(original, "Return-Path")
    yield field(feedback, "Original-Mail-From")
    yield from (f"bounces{found[0].decode()}" for found in _TAGGED.finditer(data))


def _message_ids(message: Message, original: Message, text: str) -> Iterator[str]:
    yield from _MESSAGE_ID.findall(field(original, "Message-ID"))
    yield from _QUOTED_ID.findall(text)
    for name in ("In-Reply-To", "References", "X-Original-Message-ID"):
        yield from _MESSAGE_ID.findall(field(message, name))


def _readers(told: list[Told], original: Message, text: str, answering: str) -> Iterator[str]:
    yield from (one.recipient for one in told)
    yield answering
    yield address(field(original, "To"))
    yield from _QUOTED_TO.findall(text)


def _tokens(original: Message) -> Iterator[str]:
    """Reports often hide whose letter it was, but not its List-Unsubscribe (RFC 2369; it may be folded)."""
    for link in _LINK.findall(field(original, "List-Unsubscribe", 5000).replace(" ", "")):
        with suppress(ValueError):
            yield urlsplit(link).path.rpartition("/")[2]


def _first(texts: Iterator[str]) -> tuple[str, ...]:
    return tuple([*dict.fromkeys(filter(None, texts))][:_CANDIDATES])
