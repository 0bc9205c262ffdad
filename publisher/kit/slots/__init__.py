"""When editions are due, by our own rule on zoneinfo: each slot once, whatever the clocks do.

The rule: a slot is due when the wall clock first reads its time, or first reads something later because that time
was skipped. So of an hour that comes twice the first counts (PEP 495, fold 0), and an hour that never comes moves to
the first minute that does. Everything is compared in UTC. Where that brings two slots of a cadence to one instant
they are one, the later. A date that a time zone left out altogether has no slot of a daily cadence; a week or a
month has its slot on the next day then. A month that is too short for its day has it on its last.

    walls     which wall times a cadence names, and how its slots are called
    clocks    when clocks first read a wall time, and quiet hours
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from publisher.kit.slots import _clocks as clocks
from publisher.kit.slots import _walls as walls
from publisher.kit.slots._clocks import after_quiet
from publisher.kit.slots._walls import counts, misunderstood, on_dates
from publisher.model import Slot, Timetable

__all__ = ["after_quiet", "counts", "current", "departure", "misunderstood", "on_dates", "today", "upcoming"]

_Due = Iterator[tuple[str, datetime]]
#: No clock has been set back further since 1970; from so far ahead, dates and times of day are looked through.
_DATES, _TIMES = timedelta(days=2), timedelta(hours=3)


def current(timetable: Timetable, now: datetime) -> Slot:
    """The newest slot that has come: the largest `due_at` that is not after `now`.

    Raises KeyError when the cadence or a time zone is unknown, LookupError when no slot ever came.
    """
    for name, due in _dues(timetable, now, forwards=False):
        if due <= now:
            return Slot(name=name, due_at=due)
    raise LookupError(f"{timetable.cadence} has never come")


def upcoming(timetable: Timetable, now: datetime) -> Slot:
    """The first slot that has not come: the smallest `due_at` after `now`. Raises as `current` does."""
    first: tuple[str, datetime] | None = None
    for name, due in _dues(timetable, now, forwards=True):
        if first is not None and due > first[1]:
            break
        if due > now:
            first = name, due
    if first is None:
        raise LookupError(f"{timetable.cadence} never comes")
    return Slot(name=first[0], due_at=first[1])


def today(timetable: Timetable, now: datetime) -> Slot:
    """The slot of the local date, week or month, whether or not its hour has come: what an editor sends by hand. Of
    cadences with several slots a day, the newest that has come. Raises as `current` does."""
    if not on_dates(timetable.cadence):
        return current(timetable, now)
    name, wall = walls.around(timetable, now.astimezone(ZoneInfo(timetable.timezone)).date())
    return Slot(name=name, due_at=_due(timetable, wall))


def departure(timetable: Timetable, slot: str, timezone: str, now: datetime) -> datetime | None:
    """When readers in a time zone may be mailed the edition at a slot: at its hour by their own clocks, where the
    timetable is read by those, and in no quiet hours. None for at once.

    Readers whose zone is not known have that of the newsletter.
    """
    theirs = clocks.zone(timezone, timetable.timezone) if timetable.by_readers else ZoneInfo(timetable.timezone)
    earliest = now
    if timetable.by_readers and (wall := walls.of(timetable, slot)):
        earliest = max(now, clocks.first_reading(wall, theirs))
    leaves = after_quiet(earliest, timetable.quiet, theirs)
    return leaves if leaves > now else None


def _dues(timetable: Timetable, now: datetime, *, forwards: bool) -> _Due:
    """Slots in order from where the clocks stand, with their instants; never ending, except for some of cron."""
    local = now.astimezone(ZoneInfo(timetable.timezone)).replace(tzinfo=None)
    margin = _DATES if on_dates(timetable.cadence) else _TIMES
    back = margin + timedelta(days=1) if timetable.quiet else margin
    for name, wall in walls.from_(timetable, local - back if forwards else local + margin, forwards=forwards):
        if walls.exists(timetable, wall):
            yield name, _due(timetable, wall)


def _due(timetable: Timetable, wall: datetime) -> datetime:
    home = ZoneInfo(timetable.timezone)
    due = clocks.first_reading(wall, home)
    if not timetable.by_readers:
        return after_quiet(due, timetable.quiet, home)
    theirs = (clocks.first_reading(wall, clocks.zone(name, timetable.timezone)) for name in timetable.zones)
    return max(min(theirs, default=due), due - timetable.ahead) if timetable.zones else due
