"""The first wave of an edition: who is in it, and whether the rest may follow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from publisher.model import Edition, EventKind, FirstWave, Priority, Variant, Wave

#: An audience of fewer times the first wave goes at once: there is little left to be spared.
LEAST = 4
#: The part of the first wave whose outcome must be known.
ENOUGH = 0.9
#: So few letters that went badly are chance.
CHANCE = 2

#: (subscriber, variant), ascending by subscriber.
Chosen = Sequence[tuple[int, Variant]]


def every(rules: FirstWave, edition: Edition, readers: int) -> int:
    """The first wave is one in so many of an edition's recipients; 0 when it has none. What is urgent has none."""
    if not rules.recipients or edition.priority > Priority.DIGEST or readers < LEAST * rules.recipients:
        return 0
    return readers // rules.recipients


def divided(chosen: Chosen, edition: Edition, step: int) -> tuple[Chosen, ...]:
    """The recipients of a chunk by wave: every so-many-th of the edition's, counted through its chunks, so that the
    first wave is spread over old readers and new ones."""
    if not step:
        return (chosen,)
    first = -edition.planned % step
    return chosen[first::step], [one for at, one in enumerate(chosen) if at % step != first]


def too_bad(wave: Wave, rules: FirstWave) -> str:
    """Why the rest had better stay, in words, or ""."""
    sums, mailed = wave.sums, wave.sums.accepted + wave.sums.rejected
    bounced = wave.events.get(EventKind.HARD_BOUNCE, 0) + wave.events.get(EventKind.SOFT_BOUNCE, 0)
    counts = [
        (sums.rejected, rules.rejections, "were rejected"),
        (bounced, rules.bounces, "bounced"),
        (wave.events.get(EventKind.BLOCKED, 0), rules.blocks, "were blocked because of the sender"),
        (wave.events.get(EventKind.COMPLAINT, 0), rules.complaints, "were complained about"),
    ]
    bad = [f"{number:,} {what}" for number, limit, what in counts if number > CHANCE and number > limit * mailed]
    if bad:
        return f"of the first wave of {mailed:,} messages {' and '.join(bad)}"
    if not wave.open and not _known(wave):
        return f"of the first wave nobody can tell what became of {sums.unknown:,} of {sums.planned:,} messages"
    return ""


def over(wave: Wave, rules: FirstWave, now: datetime) -> bool:
    """Whether enough of it is known, and time was given to complain."""
    return _known(wave) and wave.ended_at is not None and now >= wave.ended_at + rules.wait


def _known(wave: Wave) -> bool:
    sums = wave.sums
    return sums.accepted + sums.rejected + sums.skipped + sums.cancelled >= ENOUGH * sums.planned
