"""What Postmark's API holds to be valid, and how it lists messages: for `tests/fakes/postmark.py`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.fakes.provider import Refused

_FIELDS: dict[str, type | tuple[type, ...]] = {
    "From": str, "To": str, "Cc": str, "Bcc": str, "ReplyTo": str, "Subject": str, "HtmlBody": str, "TextBody": str,
    "Tag": str, "Metadata": dict, "Headers": list, "Attachments": list, "TrackOpens": bool, "TrackLinks": str,
    "MessageStream": str,
}  # fmt: skip
WINDOW = 10_000  # messages that a search can reach
MAILBOX = re.compile(
    r"(?:(?:[^<>@\",:;()\[\]]+|\"[^\"]*\") <(?P<inner>[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+)>"
    r"|(?P<bare>[^\s<>@,]+@[^\s<>@,]+\.[^\s<>@,]+))"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one recipient, as Postmark would have sent it: with its own replacements and headers."""

    id: str
    recipient: str
    stream: str
    at: datetime
    metadata: dict[str, str]
    tag: str
    content: dict[str, Any]
    headers: dict[str, str]


@dataclass(slots=True)
class Stream:
    kind: str = "Broadcasts"
    handling: str = "Custom"
    archived: str | None = None
    inactive: set[str] = field(default_factory=set)


class Refusal(Refused):
    def __init__(self, status: int, code: int, message: str) -> None:
        self.code = code
        super().__init__(status, message)


# ---------------------------------------------------------------- what is valid


def read_batch(body: bytes) -> list[dict[str, Any]]:
    try:
        emails = json.loads(body)
    except ValueError:
        raise Refusal(422, 402, "Invalid JSON.") from None
    if not isinstance(emails, list) or not all(isinstance(email, dict) for email in emails):
        raise Refusal(422, 403, "Incompatible JSON: an array of messages is needed.")
    if len(emails) > 500:
        raise Refusal(422, 410, "Too many batch messages: at most 500.")
    for email in emails:
        for name, value in email.items():
            if name not in _FIELDS or not isinstance(value, _FIELDS[name]):
                raise Refusal(422, 403, f"Incompatible JSON: field '{name}'.")
    return emails


def validate_contents(email: dict[str, Any]) -> None:
    if not email.get("HtmlBody") and not email.get("TextBody"):
        raise Refusal(422, 300, "Provide either email TextBody or HtmlBody or both.")
    if any(len(email.get(name, "").encode()) > 5_000_000 for name in ("HtmlBody", "TextBody")):
        raise Refusal(422, 300, "Invalid 'HtmlBody' or 'TextBody': larger than 5 MB.")
    if len(json.dumps(email).encode()) > 10_000_000:
        raise Refusal(422, 300, "Invalid message: larger than 10 MB with everything that belongs to it.")
    metadata = email.get("Metadata", {})
    if len(metadata) > 10 or any(len(k) > 20 or not isinstance(v, str) or len(v) > 80 for k, v in metadata.items()):
        raise Refusal(422, 300, "Invalid metadata content. Field names are limited to 20 characters, values to 80.")
    if len(email.get("Tag", "")) > 1000 or email.get("TrackLinks", "None") not in (
        *("None", "HtmlAndText", "HtmlOnly", "TextOnly"),
    ):
        raise Refusal(422, 300, "Invalid 'Tag' or 'TrackLinks'.")
    for header in email.get("Headers", []):
        if set(header) != {"Name", "Value"} or re.search(r"[^\x20-\x7e]", header["Name"] + header["Value"]):
            raise Refusal(422, 300, "Invalid 'Headers'.")


def stream_of(email: dict[str, Any]) -> str:
    return str(email.get("MessageStream", "outbound"))


def number(query: dict[str, str], name: str) -> int:
    if not query.get(name, "").isdigit():
        raise Refusal(422, 700, f"Parameter '{name}' is required.")
    return int(query[name])


def matches(mail: Mail, query: dict[str, str]) -> bool:
    wanted = {name.removeprefix("metadata_"): value for name, value in query.items() if name.startswith("metadata_")}
    return (
        mail.stream == query.get("messagestream", "outbound")
        and query.get("tag", mail.tag) == mail.tag
        and query.get("recipient", mail.recipient) == mail.recipient
        and all(mail.metadata.get(name) == value for name, value in wanted.items())
    )


def listed(mails: list[Mail]) -> dict[str, Any]:
    first = mails[0]
    return {
        "Tag": first.tag,
        "MessageID": first.id,
        "MessageStream": first.stream,
        "To": [{"Email": mail.recipient, "Name": None} for mail in mails],
        "Recipients": [mail.recipient for mail in mails],
        "ReceivedAt": first.at.isoformat(),
        "From": first.content["From"],
        "Subject": first.content.get("Subject", ""),
        "Status": "Sent",
        "Metadata": first.metadata,
    }
