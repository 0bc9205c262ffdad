"""Cadences: which wall times each one names, and the names of its slots."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from publisher.kit.slots._clocks import first_reading
from publisher.model import Timetable

#: (name of the slot, its wall time)
Wall = tuple[str, datetime]

_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 6  # as ISO counts days of the week
_HOURLY: Final = re.compile(r"hourly-(\d{1,2})")
_COUNTED: Final = re.compile(r"new-([1-9]\d{0,2})")
_HOURS: Final = (1, 2, 3, 4, 6, 8, 12)  # what a day can be divided by
_MOST: Final = 200  # articles in an edition
_WORDS: Final = "'daily', 'weekdays', 'weekly', 'monthly', 'hourly-3' (every 3 hours), 'cron' or 'new-5' (5 articles)"


# ---------------------------------------------------------------- words


def misunderstood(cadence: str) -> str:
    """What is wrong with a cadence's word, and what would be right; "" when nothing is."""
    if cadence in _DATES or cadence == "cron":
        return ""
    if hours := _HOURLY.fullmatch(cadence):
        right = ", ".join(str(hour) for hour in _HOURS)
        return "" if int(hours[1]) in _HOURS else f"a day is divided by {right} hours: write 'hourly-6', for one"
    if _COUNTED.fullmatch(cadence):
        return "" if counts(cadence) <= _MOST else f"an edition holds at most {_MOST} articles"
    return f"choose one of {_WORDS}"


def counts(cadence: str) -> int:
    """How many new articles make an edition of this cadence; 0 for cadences that the clock makes."""
    number = _COUNTED.fullmatch(cadence)
    return int(number[1]) if number else 0


def on_dates(cadence: str) -> bool:
    """Whether it has at most one slot a day, known by its date: only those can be read by readers' own clocks."""
    return cadence in _DATES


# ---------------------------------------------------------------- one slot a day, or fewer


def _weekly(timetable: Timetable, day: date) -> date:
    year, week, _ = day.isocalendar()
    return date.fromisocalendar(year, week, timetable.weekday)


def _monthly(timetable: Timetable, day: date) -> date:
    return day.replace(day=min(timetable.day, calendar.monthrange(day.year, day.month)[1]))


#: By cadence: the day on which the slot around a date is.
_DATES: Final[Mapping[str, Callable[[Timetable, date], date]]] = {
    "daily": lambda _, day: day,
    "weekdays": lambda _, day: day,
    "weekly": _weekly,
    "monthly": _monthly,
}


def around(timetable: Timetable, day: date) -> Wall:
    """The slot of a date, or of the week or month that the date is in."""
    day = _DATES[timetable.cadence](timetable, day)
    return _dated(timetable, day)


def _dated(timetable: Timetable, day: date) -> Wall:
    match timetable.cadence:
        case "weekly":
            year, week, _ = day.isocalendar()
            name = f"{year}-W{week:02}"
        case "monthly":
            name = f"{day:%Y-%m}"
        case _:
            name = day.isoformat()
    return f"{timetable.cadence}:{name}", datetime.combine(day, timetable.at)


def of(timetable: Timetable, slot: str) -> datetime | None:
    """The wall time of a slot by its name; None when that is no slot of dates."""
    word, _, name = slot.partition(":")
    if word != timetable.cadence or word not in _DATES:
        return None
    try:
        if word == "monthly":
            first = date.fromisoformat(f"{name}-01")
        else:
            first = date.fromisoformat(f"{name}-1" if word == "weekly" else name)
    except ValueError:
        return None
    return around(timetable, first)[1]


def exists(timetable: Timetable, wall: datetime) -> bool:
    """False for a date that was skipped whole, such as 2011-12-30 on Samoa, where each date has an edition."""
    if timetable.cadence not in ("daily", "weekdays"):
        return True
    zone, midnight = ZoneInfo(timetable.timezone), datetime.combine(wall.date(), time())
    return first_reading(midnight, zone).astimezone(zone).date() == wall.date()


# ---------------------------------------------------------------- in order


def from_(timetable: Timetable, start: datetime, *, forwards: bool) -> Iterator[Wall]:
    """Wall times in order from about `start` on. Raises KeyError when nobody knows the cadence."""
    if timetable.cadence == "cron":
        return _cron(timetable.cron, start, forwards=forwards)
    if hours := _HOURLY.fullmatch(timetable.cadence):
        return _hourly(timetable, int(hours[1]), start, forwards=forwards)
    if timetable.cadence not in _DATES:
        raise KeyError(timetable.cadence)
    return _days(timetable, start.date(), forwards=forwards)


def _days(timetable: Timetable, day: date, *, forwards: bool) -> Iterator[Wall]:
    while True:
        if _has(timetable, day):
            yield _dated(timetable, day)
        day += _DAY if forwards else -_DAY


def _has(timetable: Timetable, day: date) -> bool:
    if timetable.cadence == "weekdays":
        return day.isoweekday() < _SATURDAY
    return _DATES[timetable.cadence](timetable, day) == day


def _hourly(timetable: Timetable, hours: int, start: datetime, *, forwards: bool) -> Iterator[Wall]:
    """Every so many hours of the day, so that `at` is one of them: from a day's first on, or back from its last."""
    step = timedelta(hours=hours)
    wall = datetime.combine(start.date(), time(timetable.at.hour % hours, timetable.at.minute))
    wall += timedelta() if forwards else _DAY - step
    while True:
        yield f"hourly-{hours}:{wall:%Y-%m-%dT%H}", wall
        wall += step if forwards else -step


def _cron(expression: str, start: datetime, *, forwards: bool) -> Iterator[Wall]:
    from cronsim import CronSim

    for wall in CronSim(expression, start, reverse=not forwards):
        yield f"cron:{wall:%Y-%m-%dT%H:%M}", wall
