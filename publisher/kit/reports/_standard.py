"""The two standards: delivery status notifications (RFC 3464, RFC 6533), and abuse reports (RFC 5965)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email import message_from_bytes
from email.message import Message
from typing import NamedTuple

from publisher.kit.reports._fields import address, field, one_line
from publisher.kit.reports._kinds import STATUS, code_of, kind_of
from publisher.model import EventKind

_RECIPIENTS = 20
_FEEDBACK = {  # not "not-spam", and not "auth-failure" (RFC 6591)
    **dict.fromkeys(("abuse", "fraud", "virus"), EventKind.COMPLAINT),
    **dict.fromkeys(("opt-out", "opt-out-list"), EventKind.UNSUBSCRIBED),
}
#: Microsoft's reports are no RFC 5965: the message is attached, and this is the subject (seen until 2025).
_PLAIN_COMPLAINT = re.compile(r"complaint about message from [0-9a-f.:]+", re.IGNORECASE)


class Told(NamedTuple):
    """What became of the mail to one address. `code` is a status such as "5.1.1", or the kind of a complaint."""

    recipient: str
    kind: EventKind
    code: str
    detail: str


def statuses(parts: Mapping[str, Message], words: str) -> list[Told]:
    """What a delivery status notification tells, by recipient; `words` is its text for people."""
    for kind in ("message/delivery-status", "message/global-delivery-status"):
        if kind in parts:
            groups = [one for one in _groups(parts[kind]) if field(one, "Final-Recipient")]
            return [_told(group, words if len(groups) == 1 else "") for group in groups]
    return []


def complaint(parts: Mapping[str, Message], original: Message) -> Told | None:
    """The complaint in an abuse report; None when it is of another kind."""
    feedback = feedback_of(parts)
    said = field(feedback, "Feedback-Type").lower()
    kind = _FEEDBACK.get(said)
    if kind is None:
        return None
    reader = address(field(feedback, "Original-Rcpt-To")) or address(field(original, "To"))
    return Told(reader, kind, one_line(said, 60), field(feedback, "User-Agent"))


def plain_complaint(message: Message, original: Message) -> Told | None:
    """A complaint that follows no standard; None when it is none."""
    if not original.keys() or not _PLAIN_COMPLAINT.fullmatch(field(message, "Subject")):
        return None
    reader = address(field(original, "X-HmXmrOriginalRecipient")) or address(field(original, "To"))
    return Told(reader, EventKind.COMPLAINT, "abuse", "")


def feedback_of(parts: Mapping[str, Message]) -> Message:
    groups = _groups(parts["message/feedback-report"]) if "message/feedback-report" in parts else []
    return next(iter(groups), Message())


def original_of(parts: Mapping[str, Message]) -> Message:
    """The headers of the message that came back, empty without one."""
    for kind in ("message/rfc822", "message/global"):
        if kind in parts:
            return next(iter(_groups(parts[kind])), Message())
    for kind in ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers"):
        if kind in parts:
            payload = parts[kind].get_payload()
            if isinstance(payload, list):
                return next(iter(_groups(parts[kind])), Message())
            data = parts[kind].get_payload(decode=True)
            return message_from_bytes(data) if isinstance(data, bytes) else Message()
    return Message()


def _told(group: Message, words: str) -> Told:
    """The text for people decides where the fields say nothing, as in "Diagnostic-Code: smtp; 554 rejected"."""
    said = one_line(field(group, "Diagnostic-Code").partition(";")[2], 1000)
    found = STATUS.findall(field(group, "Status")) + STATUS.findall(said)
    kind = kind_of(found, said, field(group, "Action") or "failed")
    if kind is EventKind.SOFT_BOUNCE and _says_nothing(found) and not said:
        kind = kind_of(found, words)
    reader = address(field(group, "Original-Recipient")) or address(field(group, "Final-Recipient"))
    return Told(reader, kind, code_of(found), said[:300])


def _says_nothing(found: list[str]) -> bool:
    return all(re.fullmatch(r"5\.0\.\d+", one) for one in found)


def _groups(part: Message) -> list[Message]:
    """The groups of fields of a message/... part. The standard library parts those of message/delivery-status alone;
    of its cousin for addresses beyond ASCII it takes the first for a header and the rest for a body."""
    payload = part.get_payload()
    groups: Iterable[object] = payload if isinstance(payload, list) else ()
    found = [group for group in groups if isinstance(group, Message) and group.keys()][: _RECIPIENTS + 1]
    if part.get_content_type() == "message/global-delivery-status" and len(found) == 1:
        data = found[0].get_payload(decode=True)
        rest = data[:100_000] if isinstance(data, bytes) else b""
        found += [message_from_bytes(text) for text in re.split(rb"\r?\n\r?\n", rest)[:_RECIPIENTS] if text.strip()]
    return found
