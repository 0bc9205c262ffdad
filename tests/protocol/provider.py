"""The provider's side: every way in which it may react to one call, and what it shows to those who ask.

It may be slow, deaf, torn or partly willing. But a letter that it refused for good it goes on refusing, unless
`fickle`: that is what "rejected" means, and why a rejection also answers for an earlier attempt that is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from tests.protocol.ledger import BOTH, FIRST, SECOND, Answer


class Guarantee(Enum):
    """What a provider offers to those who lost its answer."""

    KEY = "key"  # under the same key it answers as it did the first time, until it forgets the key
    MESSAGE_ID = "Message-ID"  # the same Message-ID twice ends as one message
    SEARCH = "search"  # it can be asked, and shows whole calls in the order in which it took them
    EVENTS = "events"  # it tells by itself, letter by letter
    NONE = "none"

    @property
    def shows(self) -> bool:
        return self in (Guarantee.SEARCH, Guarantee.EVENTS)


#: The first key of a second mailer's calls.
SECOND_MAILER = 100


class Provider(NamedTuple):
    """The letters that it took once, and more than once; refused for good; shows. Its answers by key. There may be two:
    the calls of the second have keys from `SECOND_MAILER` on, and neither knows what the other took."""

    once: int = 0
    more: int = 0
    refused: int = 0
    shown: int = 0
    answers: tuple[tuple[int, Answer], ...] = ()
    by_second: int = 0

    def of(self, *, second: bool) -> int:
        """The letters that one of the two took."""
        return self.by_second if second else self.once & ~self.by_second

    def take(self, letters: int, guarantee: Guarantee, *, second: bool) -> Provider:
        again = self.of(second=not second) if guarantee is Guarantee.MESSAGE_ID else self.once
        by_second = self.by_second | letters if second else self.by_second
        return self._replace(once=self.once | letters, more=self.more | (again & letters), by_second=by_second)

    def remember(self, key: int, answer: Answer) -> Provider:
        return self._replace(answers=tuple(sorted((*self.answers, (key, answer)))))

    def forget(self, key: int) -> Provider:
        return self._replace(answers=tuple(one for one in self.answers if one[0] != key))

    def knows(self, key: int) -> bool:
        return any(one == key for one, _ in self.answers)


LATER, REFUSED = Answer("later"), Answer("refused")
ERROR, TIMEOUT = Answer("error"), Answer("timeout")


def reactions(
    provider: Provider, guarantee: Guarantee, key: int, letters: int, *, fickle: bool = False
) -> Iterator[tuple[str, Provider, Answer]]:
    """To one call: in words, the provider afterwards, and its answer, which may also be lost on its way."""
    yield "turns the call away", provider, LATER
    yield "fails", provider, ERROR
    if provider.knows(key):
        yield "repeats its answer", provider, dict(provider.answers)[key]
        return
    if letters == BOTH:
        yield "refuses the call", provider, REFUSED
    for words, taken, refused, answer in _outcomes(provider, guarantee, letters, fickle=fickle):
        after = provider.take(taken, guarantee, second=key >= SECOND_MAILER)._replace(
            refused=provider.refused | refused
        )
        if guarantee is Guarantee.KEY and taken:
            after = after.remember(key, answer)
        yield words, after, answer
        if taken:
            yield f"{words}, but the answer is lost", after, ERROR


def _outcomes(
    provider: Provider, guarantee: Guarantee, letters: int, *, fickle: bool
) -> Iterator[tuple[str, int, int, Answer]]:
    """Letters taken, letters refused for good, and the answer. One letter, the odd one, may fare worse: one that was
    refused before, or else the second."""
    refused = 0 if fickle else letters & provider.refused
    odd = refused or (SECOND if letters == BOTH else letters)
    rest = letters & ~odd
    known = provider.once if guarantee is Guarantee.MESSAGE_ID else 0
    if not refused:
        yield "takes all", letters, 0, Answer("told", accepted=letters)
    if not odd & known:
        yield "refuses a letter", rest, odd, Answer("told", accepted=rest, rejected=odd)
        if not refused:
            yield "defers a letter", rest, 0, Answer("told", accepted=rest, deferred=(odd,))
    if rest:
        yield "takes one, and says nothing of the other", rest, 0, Answer("told", accepted=rest)
        if not refused:
            yield "takes all, and says nothing of one", letters, 0, Answer("told", accepted=rest)


def shows(provider: Provider, guarantee: Guarantee) -> Iterator[Provider]:
    """What was taken comes to light: whole calls in a search, single letters as events, in any order."""
    hidden = provider.once & ~provider.shown
    if guarantee is Guarantee.SEARCH and hidden:
        yield provider._replace(shown=provider.once)
    if guarantee is Guarantee.EVENTS:
        for letter in (FIRST, SECOND):
            if hidden & letter:
                yield provider._replace(shown=provider.shown | letter)
