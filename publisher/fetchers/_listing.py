"""When a source's complete list of ids is gone through, and how much of it in one look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from publisher.fetchers._shared import whole

LIST_EVERY: Final = 6  # looks
PAGES_A_LOOK: Final = 20  # a list that is longer goes on in the next looks


def is_due(state: Mapping[str, object], every: int) -> bool:
    """Whether this look lists: every so many looks, never when that is 0; and while a list is under way."""
    return bool(every) and (bool(state.get("look")) or whole(state.get("looks")) >= every)


def one_look_later(state: Mapping[str, object]) -> Mapping[str, object]:
    """The state after a look that did not list."""
    return {"looks": whole(state.get("looks")) + 1}
