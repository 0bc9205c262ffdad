"""Pictures: their words, their size, their address, their weight; and those that are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborNode

from publisher.model import Situation
from publisher.preflight.links import place
from publisher.preflight.reading import Opened, hidden
from publisher.preflight.rules import Seen

#: The most bytes of a picture that a mail should refer to: on a phone it takes as long as twenty mails.
HEAVIEST: Final = 2_000_000


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    for number, node in enumerate(opened.nodes("img"), start=1):
        given = node.attributes
        source = (given.get("src") or "").strip()
        where = f"picture {number}, {source[:80] or 'without an address'}"
        if hidden(node):
            continue
        if "alt" not in given:
            yield Seen("image-alt", where, "It has no alt text")
        elif not (given["alt"] or "").strip() and _only_link(node.parent):
            yield Seen("image-alt", where, "It is all there is of a link, and its alt text is empty")
        for side in ("width", "height"):
            if not (given.get(side) or "").strip():
                yield Seen("image-size", where, f"It has no {side}")
        plain = not situation.external and source.lower().startswith("http://")
        if not plain and not source.lower().startswith(("https://", "data:")):
            yield Seen("image-source", where, _fault(source))
        elif not source.lower().startswith("data:"):
            yield from place(source, where, situation)
            fact = situation.links.get(source)
            if fact is not None and fact.bytes > HEAVIEST:
                yield Seen("image-weight", where, f"It has {fact.bytes / 1_000_000:.1f} MB or more")
    for story in situation.stories:
        if story.lost:
            yield Seen("image-lost", f"“{story.title[:80]}”", f"Its picture was left out: {story.lost}")


def _only_link(parent: LexborNode | None) -> bool:
    return parent is not None and parent.tag == "a" and not parent.text().strip()


def _fault(source: str) -> str:
    if not source:
        return "It has no address"
    if source.lower().startswith("http:"):
        return "Its address is not encrypted, and some mail programs then show no picture"
    return "Its address is not a whole one"
