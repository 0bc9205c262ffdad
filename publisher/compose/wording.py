"""Numbers and times as a reason says them."""

from __future__ import annotations

from datetime import timedelta


def hours(time: timedelta) -> str:
    return count(round(time.total_seconds() / 3600), "hour")


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
