"""The provider's side: every way in which it may react to one call, and what it shows to who asks.

It may be slow, deaf, torn or partly willing, but a letter that it refused for good it goes on refusing: that
is what "rejected" means, and why a rejection also settles an earlier attempt that is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from tests.protocol.ledger import BOTH, FIRST, SECOND, Answer


class Guarantee(Enum):
    """What a provider offers to who lost its answer."""

    KEY = "key"  # the same key is answered as the first time, until it is forgotten
    MESSAGE_ID = "Message-ID"  # the same Message-ID twice ends as one message
    SEARCH = "search"  # it can be asked, and shows everything it took in the order in which it took it
    EVENTS = "events"  # it tells by itself, letter by letter
    NONE = "none"

    @property
    def shows(self) -> bool:
        return self in (Guarantee.SEARCH, Guarantee.EVENTS)


class Provider(NamedTuple):
    """What it took: once, or more often; refused for good; shows. Under which key it answered what."""

    once: int = 0
    more: int = 0
    refused: int = 0
    shown: int = 0
    answers: tuple[tuple[int, Answer], ...] = ()

    def take(self, letters: int, guarantee: Guarantee) -> Provider:
        again = 0 if guarantee is Guarantee.MESSAGE_ID else self.once & letters
        return self._replace(once=self.once | letters, more=self.more | again)

    def remember(self, key: int, answer: Answer) -> Provider:
        return self._replace(answers=tuple(sorted((*self.answers, (key, answer)))))

    def forget(self, key: int) -> Provider:
        return self._replace(answers=tuple(one for one in self.answers if one[0] != key))


LATER, REFUSED, ERROR, TIMEOUT = Answer("later"), Answer("refused"), Answer("error"), Answer("timeout")
Reaction = tuple[str, Provider, Answer]


def reactions(provider: Provider, guarantee: Guarantee, key: int, letters: int) -> Iterator[Reaction]:
    """To one call: in words, the provider afterwards, and its answer. Every answer may also be lost on its way."""
    yield "turns the call away", provider, LATER
    yield "fails", provider, ERROR
    remembered = dict(provider.answers).get(key)
    if remembered is not None:
        yield "repeats its answer", provider, remembered
        return
    if letters == BOTH:
        yield "refuses the call", provider, REFUSED
    for words, taken, refused, answer in _outcomes(provider, guarantee, letters):
        after = provider.take(taken, guarantee)._replace(refused=provider.refused | refused)
        if guarantee is Guarantee.KEY and taken:
            after = after.remember(key, answer)
        yield words, after, answer
        if taken:
            yield f"{words}; the answer is lost", after, ERROR


def _outcomes(provider: Provider, guarantee: Guarantee, letters: int) -> Iterator[tuple[str, int, int, Answer]]:
    """Letters taken, letters refused for good, and the answer. If nothing else sets it apart, it is the second
    letter that fares worse."""
    known = provider.once if guarantee is Guarantee.MESSAGE_ID else 0
    if not letters & provider.refused:
        yield "takes all", letters, 0, Answer("told", accepted=letters)
    refused = letters & provider.refused
    odd = refused or (SECOND if letters == BOTH else letters)
    rest = letters & ~odd
    if odd & ~known:
        yield "refuses a letter", rest, odd, Answer("told", accepted=rest, rejected=odd)
    if odd & ~known and not refused:
        yield "defers a letter", rest, 0, Answer("told", accepted=rest, deferred=(odd,))
    if rest and not refused:
        yield "takes all, tells of one", letters, 0, Answer("told", accepted=rest)
    if rest:
        yield "takes one, is silent about the other", rest, 0, Answer("told", accepted=rest)


def shows(provider: Provider, guarantee: Guarantee) -> Iterator[Provider]:
    """What was taken comes to light: all at once in a search, one by one as events, in any order."""
    hidden = provider.once & ~provider.shown
    if guarantee is Guarantee.SEARCH and hidden:
        yield provider._replace(shown=provider.once)
    if guarantee is Guarantee.EVENTS:
        for letter in (FIRST, SECOND):
            if hidden & letter:
                yield provider._replace(shown=provider.shown | letter)
