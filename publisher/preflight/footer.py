"""What every newsletter owes its readers: a way to leave that can be found, and who writes to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from publisher.model import Situation
from publisher.preflight.headers import leaving
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

_WORDS = re.compile(r"unsubscribe|/u/", re.IGNORECASE)


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    yield from _unsubscribe(opened)
    yield from _address(opened, situation)


def _unsubscribe(opened: Opened) -> Iterator[Seen]:
    """The link is the header's; without the header, one that looks like it."""
    url = leaving(opened)

    def is_it(address: str) -> bool:
        return address == url if url else bool(_WORDS.search(address))

    if not any(is_it(address) and text for address, text in opened.links):
        yield Seen("unsubscribe", "the HTML part", "It has no link to unsubscribe")
    if opened.text.strip() and not any(is_it(word.strip("<>().,")) for word in opened.text.split()):
        yield Seen("unsubscribe", "the text part", "It has no link to unsubscribe")


def _address(opened: Opened, situation: Situation) -> Iterator[Seen]:
    if not situation.external and not situation.postal_address:
        return  # nobody is mailed
    if not situation.postal_address:
        yield Seen("address", "the settings", "site.postal_address is not set")
        return
    address = _letters(situation.postal_address)
    for name, body in (("the HTML part", opened.seen), ("the text part", opened.text)):
        if body.strip() and address not in _letters(body):
            yield Seen("address", name, "The postal address is not in it")


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
