"""When the clocks of a zone first read a wall time, and quiet hours."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)


def first_reading(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which clocks in `zone` read that wall time, or a later one if it is skipped."""
    wall = wall.replace(fold=0, tzinfo=None)
    while True:
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
        wall += _MINUTE


def after_quiet(moment: datetime, quiet: tuple[time, time] | None, zone: ZoneInfo) -> datetime:
    """The moment itself, or the end of the quiet hours that it lies in by the clocks of `zone`.

    Quiet hours are from one time of day until before another, past midnight when that is the smaller one.
    """
    if quiet is None:
        return moment
    local, (begin, end) = moment.astimezone(zone), quiet
    at = local.time().replace(tzinfo=None, fold=0)
    past_midnight = end <= begin
    if not ((at >= begin or at < end) if past_midnight else begin <= at < end):
        return moment
    day = local.date() + (_DAY if past_midnight and at >= begin else timedelta())
    return max(moment, first_reading(datetime.combine(day, end), zone))


@lru_cache(maxsize=1000)
def zone(name: str, otherwise: str) -> ZoneInfo:
    """A zone that a reader named, or `otherwise` when nobody knows it. Raises KeyError when that one is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(otherwise)
