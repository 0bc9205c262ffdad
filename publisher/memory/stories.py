"""Two articles of different sources tell the same story when they have the same address, or nearly the same words."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from heapq import nsmallest
from typing import Final
from urllib.parse import urlsplit

from publisher.kit import html
from publisher.model import Article, Revision
from publisher.ports import Sketched, Stories

#: How far apart two articles with the same words may have been published: what is older is an archive's, or a rerun.
WITHIN: Final = timedelta(hours=72)
#: The share of runs of words, and of names and numbers, that two texts must have in common.
ALIKE: Final = 0.9

_RUN: Final = 5  # words
_LEAST: Final = 20  # runs; of less text nobody can tell
_SKETCH: Final = 8  # hashes: two that share 0.9 of their runs have two of them in common but for 1 in 20,000 times
_MOST_WORDS: Final = 5_000
_BITS: Final = 2**63 - 1  # of a hash, which every database holds
_BASE: Final = 1_442_695_040_888_963_407  # any large odd number will do
_LEFT: Final = pow(_BASE, _RUN, _BITS + 1)

#: Words; scripts that write without spaces go by the letter.
_WORD: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """The article whose story another one tells as well, and the rule in words."""

    article: Article
    rule: str


def sketch(revision: Revision) -> tuple[int, ...]:
    """The smallest hashes of a text's runs of five words; none of a text too short to compare. Two texts with much
    in common have some of them in common, whatever the order of their paragraphs."""
    runs = _hashed_runs([word.casefold() for word in _words(revision)])
    return tuple(nsmallest(_SKETCH, runs)) if len(runs) >= _LEAST else ()


def join(articles: Sequence[Sketched], stories: Stories) -> dict[int, Joined]:
    """By the id of each of these articles: the one of another source whose story it tells as well. Who is alone is
    left out.

    A story has one article of each source: what a source tells twice, as a live ticker does, it tells apart. Of
    several that tell the same the first is taken.
    """
    at = stories.at([one for one, _ in articles if _names_a_page(one.canonical_url)])
    alike = stories.alike(articles, within=WITHIN)
    tellers = _tellers([other for found in (at, alike) for others in found.values() for other in others], stories)
    joined: dict[int, Joined] = {}
    for article, _ in articles:
        free = (
            one
            for one in _likely(article, at.get(article.id, ()), alike.get(article.id, ()))
            if all(id == article.id or source != article.source for id, source in tellers[one.article.story])
        )
        if found := next(free, None):
            joined[article.id] = found
            tellers[found.article.story].add((article.id, article.source))
    return joined


def _likely(article: Article, at: Iterable[Article], alike: Iterable[Article]) -> Iterator[Joined]:
    """Those that tell the same, by what makes it surest."""
    for other in at:
        yield Joined(article=other, rule=f"same address as {_named(other)}")
    for other in alike:
        share = shared(article.revision, other.revision)
        if share >= ALIKE:
            yield Joined(article=other, rule=f"{int(share * 100)} % of its words are those of {_named(other)}")


def _tellers(others: Collection[Article], stories: Stories) -> dict[str, set[tuple[int, str]]]:
    """By story: the ids and sources of the articles that tell it."""
    tellers: dict[str, set[tuple[int, str]]] = defaultdict(set)
    if others:
        for one in (*others, *stories.of(others)):
            tellers[one.story].add((one.id, one.source))
    return tellers


def _named(other: Article) -> str:
    return f"“{other.revision.title}” ({other.source})"


def _names_a_page(url: str) -> bool:
    """Whether an address can be an article's own: some feeds link every item to the front page."""
    parts = urlsplit(url)
    return bool(parts.path.strip("/") or parts.query)


def shared(one: Revision, other: Revision) -> float:
    """The share of runs of five words that two texts have in common, of the longer one; 0 when each has names and
    numbers that the other lacks, more than a tenth of them. That tells a text that was taken over from one that
    fills a form anew: the weather of another day, the report of another match."""
    words, others = _words(one), _words(other)
    runs, other_runs = _runs(words), _runs(others)
    if min(len(runs), len(other_runs)) < _LEAST or _fills_anew(words, others):
        return 0.0
    return len(runs & other_runs) / max(len(runs), len(other_runs))


def added(before: Revision, after: Revision) -> tuple[int, int]:
    """How many runs of five words a text has that it had not before, and how many it has."""
    old, new = _runs(_words(before)), _runs(_words(after))
    return len(new - old), len(new)


def _fills_anew(words: Sequence[str], others: Sequence[str]) -> bool:
    telling, other_telling = _telling(words), _telling(others)
    alone = min(
        len(telling - {word.casefold() for word in others}),
        len(other_telling - {word.casefold() for word in words}),
    )
    return alone > (1 - ALIKE) * max(len(telling), len(other_telling)) + 1e-9


def _words(revision: Revision) -> Sequence[str]:
    """Of the text without its title and standfirst, which each newsroom writes itself."""
    return _WORD.findall(html.running(revision.content_html))[:_MOST_WORDS]


def _runs(words: Sequence[str]) -> frozenset[str]:
    folded = [word.casefold() for word in words]
    return frozenset(" ".join(folded[at : at + _RUN]) for at in range(len(folded) - _RUN + 1))


def _telling(words: Sequence[str]) -> frozenset[str]:
    """What tells one report from another that fills the same form: names and numbers."""
    told = (word for word in words if word[0].isupper() or any(letter.isdigit() for letter in word))
    return frozenset(word.casefold() for word in told)


def _hashed_runs(words: Sequence[str]) -> set[int]:
    """A hash of each run, made of those of its words and of the run before it (Karp and Rabin): a text has more runs
    than words to hash."""
    hashes = {word: _hash(word) for word in set(words)}
    numbers = [hashes[word] for word in words]
    rolling, found = 0, []
    for number, left in zip(numbers, (*[0] * _RUN, *numbers), strict=False):
        rolling = (rolling * _BASE + number - left * _LEFT) & _BITS
        found.append(rolling)
    return set(found[_RUN - 1 :])


def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "big") & _BITS
