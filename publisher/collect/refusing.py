"""What a source's looks refuse: kept, so that it shows how the source stands, and so that it is told once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from publisher.model import Refusal

#: Items of a source that are kept.
KEPT: Final = 20
#: How long one is kept that no later look has seen again, of a source whose looks read only what changed.
REMEMBERED: Final = timedelta(days=7)


def refused(
    before: Sequence[Refusal],
    now_refused: Sequence[Refusal],
    *,
    whole: bool,
    taken: Collection[str] = (),
    now: datetime,
) -> tuple[Refusal, ...]:
    """What a source refuses after a look, each item with since when: what this look refused, and what was refused
    `before` and this look did not see again. With `whole` it saw everything; `taken` are the native ids of articles
    that it could read."""
    since = {(one.item, one.reason): one.since for one in before}
    told = [replace(one, since=since.get((one.item, one.reason)) or now) for one in now_refused[:KEPT]]
    if whole:
        return tuple(told)
    again = {one.item for one in told}
    older = (one for one in before if one.item not in again and one.id not in taken and _is_young(one, now))
    return (*told, *older)[:KEPT]


def unheard(before: Sequence[Refusal], after: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """Those that nobody was told of yet."""
    known = {(one.item, one.reason) for one in before}
    return tuple(one for one in after if (one.item, one.reason) not in known)


def _is_young(one: Refusal, now: datetime) -> bool:
    return one.since is not None and now - one.since < REMEMBERED
