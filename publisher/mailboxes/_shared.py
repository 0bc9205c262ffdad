"""What every mailbox needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

#: Where messages go that nobody could make anything of: a folder of the mailbox.
ASIDE = "Unreadable"
#: Seconds after which a pass takes no more messages.
LONGEST = 60.0

_CHUNK = 20  # messages in memory at once, each of at most `reports.LARGEST` bytes

#: Decides about messages: True for one that is done with, False for one to set aside.
Handle = Callable[[Sequence[bytes]], Sequence[bool]]
_T = TypeVar("_T")


def chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def one_line(said: bytes | str, limit: int = 300) -> str:
    """What somebody else's server said, fit for an error message."""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()[:limit]
