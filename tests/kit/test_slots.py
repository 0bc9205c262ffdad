from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from publisher.kit.slots import current, departure, misunderstood, today, upcoming
from publisher.model import Slot, Timetable

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
_PARTS = 10  # of all zones, so that none takes minutes
WALL_TIMES = (time(0, 0), time(2, 30), time(7, 0), time(23, 45))


def daily(at: time, timezone: str) -> Timetable:
    return Timetable(at=at, timezone=timezone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "at", "day", "due"),
    [
        ("Europe/Berlin", "07:00", "2026-11-22", "2026-11-22T06:00"),
        ("Europe/Berlin", "07:00", "2026-07-01", "2026-07-01T05:00"),
        ("Europe/Berlin", "02:30", "2026-03-29", "2026-03-29T01:00"),  # no 02:30: 03:00 is the next reading
        ("Europe/Berlin", "02:30", "2026-10-25", "2026-10-25T00:30"),  # 02:30 twice: the first
        ("America/New_York", "02:30", "2026-03-08", "2026-03-08T07:00"),
        ("America/New_York", "01:30", "2026-11-01", "2026-11-01T05:30"),
        ("Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-03T15:30"),  # clocks move by half an hour
        ("Australia/Lord_Howe", "01:45", "2026-04-05", "2026-04-04T14:45"),
        ("Pacific/Apia", "07:00", "2011-12-29", "2011-12-29T17:00"),
        ("Pacific/Apia", "07:00", "2011-12-31", "2011-12-30T17:00"),
        ("America/Havana", "00:30", "2026-03-08", "2026-03-08T05:00"),  # midnight itself is skipped
    ],
)
def test_a_slot_is_due_when_the_wall_clock_first_reads_its_hour(timezone: str, at: str, day: str, due: str) -> None:
    at_, due_at = time.fromisoformat(at), utc(due)

    slot = current(daily(at_, timezone), due_at)

    assert (slot.name, slot.due_at) == (f"daily:{day}", due_at)
    assert upcoming(daily(at_, timezone), due_at - MINUTE) == slot
    assert current(daily(at_, timezone), due_at - MINUTE).due_at < due_at


def test_a_date_that_a_zone_left_out_has_no_slot() -> None:
    before = utc("2011-12-29T17:00")

    slot = upcoming(daily(time(7), "Pacific/Apia"), before)

    assert current(daily(time(7), "Pacific/Apia"), before).name == "daily:2011-12-29"
    assert slot.name == "daily:2011-12-31"


def test_today_is_the_local_date_before_and_after_its_hour() -> None:
    early, late = utc("2026-11-22T00:30"), utc("2026-11-22T20:00")

    assert today(daily(time(7), "Europe/Berlin"), early) == today(daily(time(7), "Europe/Berlin"), late)
    assert today(daily(time(7), "Europe/Berlin"), early).name == "daily:2026-11-22"
    assert today(daily(time(7), "Pacific/Auckland"), late).name == "daily:2026-11-23"


def test_an_hour_that_comes_twice_counts_once() -> None:
    # Paraguay, until 2024, set its clocks back at midnight: Saturday had two hours from 23:00.
    first, again = utc("2023-03-26T02:15"), utc("2023-03-26T03:15")

    assert current(daily(time(23, 15), "America/Asuncion"), again).due_at == first
    assert upcoming(daily(time(23, 15), "America/Asuncion"), again).name == "daily:2023-03-26"


def test_a_date_that_comes_twice_counts_once() -> None:
    # St. John's, until 2011, set its clocks back at one minute past midnight, to the day before.
    first, again = utc("2006-10-29T02:30"), utc("2006-10-29T02:45")

    assert current(daily(time(0, 0), "America/St_Johns"), first).name == "daily:2006-10-29"
    assert again.astimezone(ZoneInfo("America/St_Johns")).date() == date(2006, 10, 28)
    assert current(daily(time(0, 0), "America/St_Johns"), again).name == "daily:2006-10-29"


@pytest.mark.parametrize(("cadence", "timezone"), [("hourly", "Europe/Berlin"), ("daily", "Europe/Kilmarnagh")])
def test_an_unknown_name_is_an_error(cadence: str, timezone: str) -> None:
    with pytest.raises(KeyError):
        current(Timetable(cadence=cadence, timezone=timezone), utc("2026-11-22T12:00"))


# ---------------------------------------------------------------- every zone, every change of its clocks


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """For every change of offset from 2024 to 2032 a moment up to a day after it. No offset lasts under a week."""
    moment, week = utc("2024-01-01T00:00"), 7 * DAY
    offset = moment.astimezone(zone).utcoffset()
    while moment < utc("2033-01-01T00:00"):
        if (moment + week).astimezone(zone).utcoffset() != offset:
            days = (moment + n * DAY for n in range(1, 8))
            yield next(day for day in days if day.astimezone(zone).utcoffset() != offset)
        moment += week
        offset = moment.astimezone(zone).utcoffset()


#: Cadences with names and times of day of their slots on a date, as a person would list them.
Listed = Callable[[date], list[tuple[str, time]]]


def at_hours(word: str, every: int, minute: int = 0) -> Listed:
    return lambda day: [(f"{word}:{day}T{hour:02}", time(hour, minute)) for hour in range(0, 24, every)]


def at_dates(word: str, at: time, has: Callable[[date], bool], name: Callable[[date], str] = str) -> Listed:
    return lambda day: [(f"{word}:{name(day)}", at)] if has(day) else []


WATCHED: list[tuple[Timetable, Listed]] = [
    *((Timetable(at=at, timezone=""), at_dates("daily", at, lambda _: True)) for at in WALL_TIMES),
    (
        Timetable(cadence="weekdays", at=time(2, 30), timezone=""),
        at_dates("weekdays", time(2, 30), lambda day: day.strftime("%a") not in ("Sat", "Sun")),
    ),
    (
        Timetable(cadence="weekly", at=time(1, 45), weekday=7, timezone=""),
        at_dates("weekly", time(1, 45), lambda day: day.strftime("%a") == "Sun", lambda day: day.strftime("%G-W%V")),
    ),
    (
        Timetable(cadence="monthly", at=time(0, 15), day=31, timezone=""),
        at_dates("monthly", time(0, 15), lambda day: (day + DAY).day == 1, lambda day: day.strftime("%Y-%m")),
    ),
    (Timetable(cadence="hourly-1", at=time(5, 30), timezone=""), at_hours("hourly-1", 1, 30)),
    (Timetable(cadence="hourly-3", at=time(6), timezone=""), at_hours("hourly-3", 3)),
    (
        Timetable(cadence="cron", cron="*/30 1,2 * * *", timezone=""),
        lambda day: [(f"cron:{day}T0{h}:{m:02}", time(h, m)) for h in (1, 2) for m in (0, 30)],
    ),
]


def test_clocks_that_change_lose_no_slot_and_double_none() -> None:
    for timezone in ("Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Beirut"):
        zone = ZoneInfo(timezone)
        for moment in changes(zone):
            check_around(timezone, moment)


@pytest.mark.full
@pytest.mark.parametrize("part", range(_PARTS))
def test_in_every_zone_clocks_that_change_lose_no_slot_and_double_none(part: int) -> None:
    seen = 0
    for timezone in sorted(available_timezones())[part::_PARTS]:
        zone = ZoneInfo(timezone)
        for moment in changes(zone):
            seen += 1
            check_around(timezone, moment)
    assert seen > 2000 / _PARTS


def check_around(timezone: str, moment: datetime) -> None:
    """Compare with clocks that are simply watched: every quarter of an hour for two and a half days."""
    zone = ZoneInfo(timezone)
    instants = [moment - timedelta(hours=36) + n * timedelta(minutes=15) for n in range(240)]
    highest: list[datetime] = []  # the latest wall time that a clock has shown so far
    for instant in instants:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        highest.append(max(wall, highest[-1]) if highest else wall)
    for timetable, listed in WATCHED:
        expected: dict[datetime, str] = {}
        for day in sorted({wall.date() for wall in highest}):
            for name, at in listed(day):
                place = bisect_left(highest, datetime.combine(day, at))
                if 0 < place < len(instants):
                    expected[instants[place]] = name  # two at once are the later one
        check_slots(replace(timetable, timezone=timezone), sorted((due, name) for due, name in expected.items()))


def check_slots(timetable: Timetable, expected: list[tuple[datetime, str]]) -> None:
    found = []
    now = expected[0][0] - MINUTE if expected else None
    for _ in expected:
        assert now is not None
        slot = upcoming(timetable, now)
        assert current(timetable, slot.due_at) == slot
        found.append((slot.due_at, slot.name))
        now = slot.due_at
    assert found == expected, timetable


def test_dates_are_those_of_the_calendar() -> None:
    now, names = utc("2026-01-01T12:00"), []
    for _ in range(365):
        slot = upcoming(daily(time(7), "Europe/Dublin"), now)
        names.append(slot.name)
        now = slot.due_at
    assert names == [f"daily:{date(2026, 1, 2) + n * DAY}" for n in range(365)]


# ---------------------------------------------------------------- each cadence


def names(timetable: Timetable, now: str, number: int) -> list[str]:
    found, moment = [], utc(now)
    for _ in range(number):
        slot = upcoming(timetable, moment)
        found.append(f"{slot.name} {slot.due_at:%m-%d %H:%M}")
        moment = slot.due_at
    return found


@pytest.mark.parametrize(
    ("timetable", "now", "expected"),
    [
        (
            {"cadence": "weekdays"},
            "2026-11-20T08:00",
            ["weekdays:2026-11-23 11-23 07:00", "weekdays:2026-11-24 11-24 07:00"],
        ),
        (
            {"cadence": "weekly", "weekday": 5},
            "2026-12-26T08:00",
            ["weekly:2026-W53 01-01 07:00", "weekly:2027-W01 01-08 07:00"],
        ),
        (
            {"cadence": "monthly", "day": 30},
            "2028-01-31T08:00",
            ["monthly:2028-02 02-29 07:00", "monthly:2028-03 03-30 07:00"],
        ),
        (
            {"cadence": "hourly-6", "at": time(7, 15)},
            "2026-11-22T18:00",
            ["hourly-6:2026-11-22T19 11-22 19:15", "hourly-6:2026-11-23T01 11-23 01:15"],
        ),
        (
            {"cadence": "cron", "cron": "0 7 29 2 *"},
            "2026-11-22T18:00",
            ["cron:2028-02-29T07:00 02-29 07:00", "cron:2032-02-29T07:00 02-29 07:00"],
        ),
    ],
)
def test_each_cadence_has_its_days_and_names(timetable: dict[str, Any], now: str, expected: list[str]) -> None:
    assert names(Timetable(timezone="UTC", **timetable), now, 2) == expected


def test_a_week_is_sent_by_hand_before_its_day_and_not_again() -> None:
    weekly = Timetable(cadence="weekly", weekday=5, timezone="Europe/Dublin")
    by_hand = today(weekly, utc("2026-11-24T12:00"))  # a Tuesday
    assert by_hand.name == "weekly:2026-W48"
    assert current(weekly, utc("2026-11-27T08:00")) == by_hand


def test_what_falls_into_quiet_hours_comes_once_at_their_end() -> None:
    hourly = Timetable(cadence="hourly-3", at=time(0), timezone="Europe/Dublin", quiet=(time(22), time(7)))
    assert names(hourly, "2026-11-22T17:00", 4) == [
        "hourly-3:2026-11-22T18 11-22 18:00",
        "hourly-3:2026-11-22T21 11-22 21:00",
        "hourly-3:2026-11-23T06 11-23 07:00",
        "hourly-3:2026-11-23T09 11-23 09:00",
    ]
    assert current(hourly, utc("2026-11-23T06:30")).name == "hourly-3:2026-11-22T21"
    assert current(hourly, utc("2026-11-23T07:00")).name == "hourly-3:2026-11-23T06"


def test_a_week_whose_day_a_zone_left_out_comes_on_the_next() -> None:
    weekly = Timetable(cadence="weekly", weekday=5, at=time(7), timezone="Pacific/Apia")  # Friday, 30 December 2011
    slot = upcoming(weekly, utc("2011-12-29T20:00"))
    assert (slot.name, slot.due_at) == ("weekly:2011-W52", utc("2011-12-30T10:00"))  # the first minute of Saturday


@pytest.mark.parametrize(
    ("cadence", "remedy"),
    [("hourly-5", "1, 2, 3, 4, 6, 8, 12"), ("new-0", "choose"), ("new-500", "at most 200"), ("fortnightly", "choose")],
)
def test_a_word_that_is_no_cadence_is_told_what_would_be(cadence: str, remedy: str) -> None:
    assert remedy in misunderstood(cadence)


def test_cadences_are_understood() -> None:
    words = ("daily", "weekdays", "weekly", "monthly", "hourly-3", "cron", "new-5")
    assert [misunderstood(word) for word in words] == [""] * len(words)


# ---------------------------------------------------------------- by readers' own clocks

EVERYWHERE = Timetable(
    timezone="Europe/Dublin", by_readers=True, zones=("Asia/Tokyo", "America/New_York", "Europe/Dublin", "Moon/Base")
)


def test_an_edition_by_readers_clocks_is_made_for_the_first_of_them_and_leaves_for_each_at_their_hour() -> None:
    slot = upcoming(EVERYWHERE, utc("2026-11-21T12:00"))
    assert slot == Slot(name="daily:2026-11-22", due_at=utc("2026-11-21T22:00"))  # 07:00 in Tokyo

    def leaves(zone: str) -> datetime | None:
        return departure(EVERYWHERE, slot.name, zone, slot.due_at)

    assert leaves("Asia/Tokyo") is None  # at once
    assert leaves("America/New_York") == utc("2026-11-22T12:00")
    assert leaves("Europe/Dublin") == leaves("") == leaves("Moon/Base") == utc("2026-11-22T07:00")


def test_no_reader_is_so_far_east_that_everybody_elses_news_is_old() -> None:
    early = replace(EVERYWHERE, ahead=timedelta(hours=3))
    assert upcoming(early, utc("2026-11-21T12:00")).due_at == utc("2026-11-22T04:00")


def test_quiet_hours_are_those_of_each_reader() -> None:
    quiet = replace(EVERYWHERE, at=time(6), quiet=(time(22), time(6, 30)))
    late = utc("2026-11-22T14:00")  # 23:00 in Tokyo, 09:00 in New York
    assert departure(quiet, "daily:2026-11-22", "Asia/Tokyo", late) == utc("2026-11-22T21:30")
    assert departure(quiet, "daily:2026-11-22", "America/New_York", late) is None
    assert departure(quiet, "manual:extra", "Asia/Tokyo", late) == utc("2026-11-22T21:30")
