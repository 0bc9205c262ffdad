"""When an edition is due, by our own rule on zoneinfo: exactly one slot per local date, whatever the clocks do.

The rule: a date's slot is due when the wall clock first reads its hour, or first reads something later
because the hour was skipped. So of an hour that comes twice the first counts (PEP 495, fold 0), and an hour
that never comes moves to the first minute that does. Everything is compared in UTC. A date that a time zone
left out altogether has no slot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from publisher.model import Slot

#: Which local dates have an edition, by cadence.
CADENCES: Mapping[str, Callable[[date], bool]] = {
    "daily": lambda _day: True,
}

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def current(cadence: str, at: time, timezone: str, now: datetime) -> Slot:
    """The newest slot that has come: the largest `due_at` that is not after `now`.

    `at` is wall time in `timezone`, an IANA name. Raises KeyError when cadence or timezone are unknown.
    """
    # From tomorrow: clocks that are set back over midnight show a date again when the next one has begun.
    return next(slot for slot in _slots(cadence, at, timezone, now, start=1, step=-1) if slot.due_at <= now)


def upcoming(cadence: str, at: time, timezone: str, now: datetime) -> Slot:
    """The first slot that has not come: the smallest `due_at` after `now`. Raises as `current` does."""
    return next(slot for slot in _slots(cadence, at, timezone, now, start=0, step=1) if slot.due_at > now)


def today(cadence: str, at: time, timezone: str, now: datetime) -> Slot:
    """The slot of the local date, whether or not its hour has come: what an editor sends by hand.

    Raises KeyError when the timezone is unknown.
    """
    zone = ZoneInfo(timezone)
    return _slot(cadence, now.astimezone(zone).date(), at, zone)


def _slots(cadence: str, at: time, timezone: str, now: datetime, *, start: int, step: int) -> Iterator[Slot]:
    """Slots day by day, from `start` days after the local date, forwards or backwards without end."""
    zone, belongs = ZoneInfo(timezone), CADENCES[cadence]
    day = now.astimezone(zone).date() + start * _DAY
    while True:
        if belongs(day) and _exists(day, zone):
            yield _slot(cadence, day, at, zone)
        day += step * _DAY


def _slot(cadence: str, day: date, at: time, zone: ZoneInfo) -> Slot:
    return Slot(name=f"{cadence}:{day.isoformat()}", due_at=_first_reading(day, at, zone))


def _exists(day: date, zone: ZoneInfo) -> bool:
    """False for a date that was skipped whole, such as 2011-12-30 on Samoa."""
    return _first_reading(day, time(0), zone).astimezone(zone).date() == day


def _first_reading(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which clocks in `zone` read that wall time, or a later one if it is skipped."""
    wall = datetime.combine(day, at.replace(fold=0, tzinfo=None))
    while True:
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
        wall += _MINUTE
