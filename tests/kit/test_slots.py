from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from publisher.kit.slots import current, today, upcoming

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
WALL_TIMES = (time(0, 0), time(2, 30), time(7, 0), time(23, 45))


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

    slot = current("daily", at_, timezone, due_at)

    assert (slot.name, slot.due_at) == (f"daily:{day}", due_at)
    assert upcoming("daily", at_, timezone, due_at - MINUTE) == slot
    assert current("daily", at_, timezone, due_at - MINUTE).due_at < due_at


def test_a_date_that_a_zone_left_out_has_no_slot() -> None:
    before = utc("2011-12-29T17:00")

    slot = upcoming("daily", time(7), "Pacific/Apia", before)

    assert current("daily", time(7), "Pacific/Apia", before).name == "daily:2011-12-29"
    assert slot.name == "daily:2011-12-31"


def test_today_is_the_local_date_before_and_after_its_hour() -> None:
    early, late = utc("2026-11-22T00:30"), utc("2026-11-22T20:00")

    assert today("daily", time(7), "Europe/Berlin", early) == today("daily", time(7), "Europe/Berlin", late)
    assert today("daily", time(7), "Europe/Berlin", early).name == "daily:2026-11-22"
    assert today("daily", time(7), "Pacific/Auckland", late).name == "daily:2026-11-23"


def test_an_hour_that_comes_twice_counts_once() -> None:
    # Paraguay, until 2024, set its clocks back at midnight: Saturday had two hours from 23:00.
    first, again = utc("2023-03-26T02:15"), utc("2023-03-26T03:15")

    assert current("daily", time(23, 15), "America/Asuncion", again).due_at == first
    assert upcoming("daily", time(23, 15), "America/Asuncion", again).name == "daily:2023-03-26"


def test_a_date_that_comes_twice_counts_once() -> None:
    # St. John's, until 2011, set its clocks back at one minute past midnight, to the day before.
    first, again = utc("2006-10-29T02:30"), utc("2006-10-29T02:45")

    assert current("daily", time(0, 0), "America/St_Johns", first).name == "daily:2006-10-29"
    assert again.astimezone(ZoneInfo("America/St_Johns")).date() == date(2006, 10, 28)
    assert current("daily", time(0, 0), "America/St_Johns", again).name == "daily:2006-10-29"


@pytest.mark.parametrize(("cadence", "timezone"), [("hourly", "Europe/Berlin"), ("daily", "Europe/Kilmarnagh")])
def test_an_unknown_name_is_an_error(cadence: str, timezone: str) -> None:
    with pytest.raises(KeyError):
        current(cadence, time(7), timezone, utc("2026-11-22T12:00"))


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


def test_every_zone_has_one_slot_per_local_date_around_every_change() -> None:
    seen = 0
    for timezone in sorted(available_timezones()):
        zone = ZoneInfo(timezone)
        for moment in changes(zone):
            seen += 1
            check_around(timezone, moment)
    assert seen > 2000


def check_around(timezone: str, moment: datetime) -> None:
    """Compare with clocks that are simply watched: every quarter of an hour for two and a half days."""
    zone = ZoneInfo(timezone)
    instants = [moment - timedelta(hours=36) + n * timedelta(minutes=15) for n in range(240)]
    highest: list[datetime] = []  # the latest wall time that a clock has shown so far
    for instant in instants:
        wall = instant.astimezone(zone).replace(tzinfo=None)
        highest.append(max(wall, highest[-1]) if highest else wall)
    for at in WALL_TIMES:
        expected = []
        for day in sorted({wall.date() for wall in highest}):
            place = bisect_left(highest, datetime.combine(day, at))
            if 0 < place < len(instants):
                expected.append((f"daily:{day}", instants[place]))
        check_slots(timezone, at, expected)


def check_slots(timezone: str, at: time, expected: list[tuple[str, datetime]]) -> None:
    found = []
    now = expected[0][1] - MINUTE
    for _ in expected:
        slot = upcoming("daily", at, timezone, now)
        assert current("daily", at, timezone, slot.due_at) == slot
        found.append((slot.name, slot.due_at))
        now = slot.due_at
    assert found == expected, timezone


def test_dates_are_those_of_the_calendar() -> None:
    now, names = utc("2026-01-01T12:00"), []
    for _ in range(365):
        slot = upcoming("daily", time(7), "Europe/Dublin", now)
        names.append(slot.name)
        now = slot.due_at
    assert names == [f"daily:{date(2026, 1, 2) + n * DAY}" for n in range(365)]
