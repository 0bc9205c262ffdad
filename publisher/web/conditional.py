"""What a request asks for, decided from its headers alone: whether the asker has it, in which coding, which part."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from functools import lru_cache

_QUALITY = re.compile(rb"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*")
_RANGE = re.compile(rb"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


def matches(etag: bytes, values: Iterable[bytes]) -> bool:
    """If-None-Match (RFC 9110 section 13.1.2): a list, weak or strong, or a star."""
    tags = {tag.strip().removeprefix(b"W/") for value in values for tag in value.split(b",")}
    return etag in tags or b"*" in tags


def unmodified(changed_at: int | None, since: bytes) -> bool:
    """If-Modified-Since, which knows seconds only: true of the very second that we told, and of no later one. A
    reader that sends a time of its own, such as when it last asked, may have asked before a change in that second."""
    return changed_at is not None and seconds(since) == changed_at


@lru_cache(maxsize=1024)
def seconds(date: bytes) -> int | None:
    """An HTTP date (RFC 9110 section 5.6.7) in POSIX seconds; None when it is none."""
    try:
        return int(parsedate_to_datetime(date.decode("ascii")).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


@lru_cache(maxsize=1024)
def codings(accepted: bytes) -> tuple[bytes, ...]:
    """Of Accept-Encoding (RFC 9110 section 12.5.3), what we have and the asker takes, the best first."""
    told: dict[bytes, float] = {}
    for part in accepted.lower().split(b","):
        name, _, parameters = part.strip().partition(b";")
        quality = _QUALITY.fullmatch(parameters.strip())
        told[name.strip()] = float(quality[1]) if quality else 1.0
    rest = told.get(b"*", 0.0)
    wanted = {name: told.get(name, told.get(b"x-gzip", rest) if name == b"gzip" else rest) for name in (b"br", b"gzip")}
    return tuple(sorted((name for name, quality in wanted.items() if quality > 0), key=lambda name: -wanted[name]))


def still_whole(condition: bytes, etag: bytes, changed_at: int | None) -> bool:
    """If-Range (RFC 9110 section 13.1.5): whether the part that is asked for belongs to what the asker has."""
    if condition.startswith((b'"', b"W/")):
        return condition == etag
    return changed_at is not None and seconds(condition) == changed_at


def part(asked: bytes, size: int) -> range | None:
    """The bytes that a Range (RFC 9110 section 14.1.2) asks for: empty when there are none such, None when it is
    not one range, and everything is the answer."""
    match = _RANGE.fullmatch(asked)
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return range(max(size - int(match[2]), 0), size)
    first, last = int(match[1]), int(match[2] or size - 1)
    if match[2] and last < first:
        return None
    return range(first, min(last + 1, size)) if first < size else range(0)
