"""Numbers, times and sums as a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from publisher.model import Sums

_PARTS = ("accepted", "rejected", "skipped", "unknown", "cancelled", "waiting")


def count(number: int, noun: str) -> str:
    """ "1 reader", "1,204 readers"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def when(moment: datetime | None, zone: str) -> str:
    """A moment on a local clock, such as "Sun 22 Nov, 07:00"; "never" without one."""
    return f"{moment.astimezone(ZoneInfo(zone)):%a %d %b, %H:%M}" if moment else "never"


def span(length: timedelta) -> str:
    """How long, in its two largest units, rounded to the smaller one: "2 d 4 h", "3 h 12 min", "40 s"."""
    seconds = max(0, round(length.total_seconds()))
    smaller = 3_600 if seconds >= 86_400 - 1_800 else 60 if seconds >= 3_600 - 30 else 1
    seconds = (seconds + smaller // 2) // smaller * smaller
    shown: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number or (unit == "s" and not shown):
            shown.append(f"{number} {unit}")
    return " ".join(shown[:2])


def ago(moment: datetime | None, now: datetime) -> str:
    return f"{span(now - moment)} ago" if moment else "never"


def ahead(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "now"
    return f"in {span(moment - now)}" if moment > now else "now"


def sums(there: Sums) -> str:
    """What became of an edition's readers: "5 readers: 4 accepted, 1 skipped; left out: 1 not confirmed"."""
    if not there.candidates and not there.planned:
        return "nobody is subscribed"
    parts = ", ".join(f"{getattr(there, part):,} {part}" for part in _PARTS if getattr(there, part))
    left_out = ", ".join(f"{number:,} {reason}" for reason, number in sorted(there.excluded.items()))
    return (
        count(there.planned, "reader")
        + (f": {parts}" if parts else "")
        + (f"; left out: {left_out}" if left_out else "")
    )
