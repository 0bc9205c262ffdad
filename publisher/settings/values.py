"""The kinds of values in settings.toml: how each is written, and what would be right."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from email.utils import parseaddr
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

from publisher.kit import slots
from publisher.model import FIELDS
from publisher.model.topics import topic

#: What a newsletter's `timezone` says where readers' own clocks count.
READERS = "reader"
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
TAG_AUTHORITY = re.compile(r"[a-z0-9.@_-]+,\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[a-z0-9_-][a-z0-9._-]*)*/?")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def _slug(value: str) -> str:
    if not SLUG.fullmatch(value):
        raise ValueError("use small letters, digits and hyphens, such as 'daily-news'")
    return value


def _address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give a whole address, such as 'https://example.org'")
    if parts.password:
        raise ValueError("take the password out of the address and name an environment variable instead")
    return value


def _base(value: str) -> str:
    """An address that others are made from, without a closing slash."""
    return _address(value).rstrip("/")


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("give a time zone by its IANA name, such as 'Europe/Dublin'") from None
    return value


def _reader_zone(value: str) -> str:
    if value in ("", READERS):
        return value
    try:
        return _zone(value)
    except ValueError as error:
        raise ValueError(f"{error}, or '{READERS}' for each reader's own") from None


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value if isinstance(value, timedelta) else str(value)
    match = DURATION.fullmatch(value.replace(" ", ""))
    if not value or not match:
        raise ValueError("give a time span such as '90s', '10m', '6h', '3d' or '1h30m'")
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _clock_time(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("give a time of day such as '07:00'")
    return time.fromisoformat(value)


def _cadence(value: str) -> str:
    if wrong := slots.misunderstood(value):
        raise ValueError(wrong)
    return value


def _cron(value: str) -> str:
    from cronsim import CronSim, CronSimError

    try:
        if value:
            next(CronSim(value if len(value.split()) == 5 else "", datetime(2024, 1, 1)))  # noqa: DTZ001 - wall time
    except (CronSimError, StopIteration):
        raise ValueError("give the five fields of cron, such as '30 6 * * 1-5' (06:30 on weekdays)") from None
    return value


def _hours(value: object) -> object:
    """'22:00-07:00' as two times of day."""
    if value in (None, ""):
        return None
    begin, _, end = value.partition("-") if isinstance(value, str) else ("", "", "")
    try:
        hours = (_clock_time(begin.strip()), _clock_time(end.strip()))
    except ValueError:
        raise ValueError("give two times of day, such as '22:00-07:00'") from None
    if hours[0] == hours[1]:
        raise ValueError("the two times of day must differ, or nothing would ever leave")
    return hours


def _mailbox(value: str) -> str:
    domain = parseaddr(value)[1].rpartition("@")[2]
    if "\n" in value or "\r" in value or not parseaddr(value)[1].rpartition("@")[0] or "." not in domain:
        raise ValueError("give an address such as 'The Gazette <news@example.org>'")
    return value


def _each(value: str) -> str:
    parts = value.split("+") if value else []
    if len(set(parts)) < len(parts) or not set(parts) <= set(FIELDS):
        known = ", ".join(f"'{name}'" for name in FIELDS)
        raise ValueError(f"give one of {known}, or several joined such as 'category+language'")
    return value


def matching(pattern: re.Pattern[str], remedy: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(remedy)
        return value

    return AfterValidator(check)


Slug = Annotated[str, AfterValidator(_slug)]
Address = Annotated[str, AfterValidator(_address)]
Base = Annotated[str, AfterValidator(_base)]
Zone = Annotated[str, AfterValidator(_zone)]
ReaderZone = Annotated[str, AfterValidator(_reader_zone)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Each = Annotated[str, AfterValidator(_each)]
Span = Annotated[timedelta, BeforeValidator(_duration)]
Cadence = Annotated[str, AfterValidator(_cadence)]
Topic = Annotated[str, AfterValidator(topic)]
Cron = Annotated[str, AfterValidator(_cron)]
Hours = Annotated[tuple[time, time] | None, BeforeValidator(_hours)]
WallTime = Annotated[time, BeforeValidator(_clock_time)]
Language = Annotated[str, matching(LANGUAGE, "give a language tag such as 'en' or 'de-AT'")]
TagAuthority = Annotated[str, matching(TAG_AUTHORITY, "give a domain you own and a year, such as 'example.org,2026'")]
Variable = Annotated[str, matching(re.compile(r"[A-Za-z_]\w*"), "give the name of an environment variable")]
Text = Annotated[str, Field(min_length=1, max_length=300)]
