"""Size. Gmail shows the first 102 KB of a message's HTML and puts the rest, with the link to leave, behind "View entire
message" (seen there for years, and told by every large provider of mail; checked again in November 2026). It counts
the HTML after decoding, without pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

#: In bytes: right whether a KB is counted as 1,000 or as 1,024 bytes.
GMAIL: Final = 102_000


def check(opened: Opened) -> Iterator[Seen]:
    size = len(opened.html.encode("utf-8", "replace"))
    if size > GMAIL:
        yield Seen("clip", "the HTML part", f"It has {size:,} bytes, and Gmail hides all after the first {GMAIL:,}")
