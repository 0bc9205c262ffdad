"""Headers that mail programs and large providers want (RFC 5322, 2369, 2919, 8058)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from email.utils import getaddresses, parsedate_to_datetime

from publisher.model import Situation
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

#: Headers that stand once (RFC 5322 section 3.6, RFC 2369 section 2, RFC 2919 section 2).
_ONCE = ("From", "Sender", "Reply-To", "To", "Cc", "Date", "Message-ID", "Subject", "List-Id", "List-Unsubscribe")
_AHEAD = timedelta(days=1)
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>.]+")
_MESSAGE_ID = re.compile(r"<[^@\s<>]+@[^@\s<>]+>")
_LIST_ID = re.compile(r".*<[A-Za-z0-9-]+(?:\.[A-Za-z0-9_-]+)+>", re.DOTALL)
_LINE = 998


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    yield from _sender(opened)
    yield from _date(opened, situation)
    if not _MESSAGE_ID.fullmatch(opened.header("Message-ID").strip()):
        yield Seen("message-id", "Message-ID", f"It is “{opened.header('Message-ID')[:80]}”")
    for name in _ONCE:
        if (times := len(opened.headers(name))) > 1:
            yield Seen("header-twice", name, f"It stands {times} times")
    longest = max(len(line.rstrip(b"\r")) for line in opened.data.split(b"\n"))
    if longest > _LINE:
        yield Seen("line-length", "the message", f"One line has {longest:,} octets")
    yield from _list(opened, situation)


def leaving(opened: Opened) -> str:
    """The web address in List-Unsubscribe, "" without one."""
    found = re.findall(r"<\s*(https?:[^>\s]+)\s*>", opened.header("List-Unsubscribe"))
    return next(iter(found), "")


def sender_domain(opened: Opened) -> str:
    addresses = getaddresses(_raw(opened, "From"))
    return addresses[0][1].rpartition("@")[2].lower() if addresses else ""


def _raw(opened: Opened, name: str) -> list[str]:
    """As it is written: a comma in an encoded name is no second address."""
    return [str(value) for value in opened.message.get_all(name) or []]


def _sender(opened: Opened) -> Iterator[Seen]:
    found = getaddresses(_raw(opened, "From")[:1])
    if len(found) != 1 or not _ADDRESS.fullmatch(found[0][1]):
        yield Seen("from", "From", f"It is “{opened.header('From')[:80]}”")


def _date(opened: Opened, situation: Situation) -> Iterator[Seen]:
    given = opened.header("Date")
    try:
        date = parsedate_to_datetime(given)
    except (ValueError, TypeError):
        yield Seen("date", "Date", f"It is “{given[:80]}”")
        return
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    if aware > situation.now + _AHEAD:
        yield Seen("date", "Date", f"It is {given}, which is yet to come")


def _list(opened: Opened, situation: Situation) -> Iterator[Seen]:
    url = leaving(opened)
    if not url.startswith("https:") and not (url and not situation.external):
        given = opened.header("List-Unsubscribe")
        yield Seen("list-unsubscribe", "List-Unsubscribe", f"It is “{given[:120]}”" if given else "It is not there")
    if opened.header("List-Unsubscribe-Post").strip() != "List-Unsubscribe=One-Click":
        yield Seen("one-click", "List-Unsubscribe-Post", f"It is “{opened.header('List-Unsubscribe-Post')[:80]}”")
    if not _LIST_ID.fullmatch(opened.header("List-Id").strip()):
        yield Seen("list-id", "List-Id", f"It is “{opened.header('List-Id')[:80]}”")
