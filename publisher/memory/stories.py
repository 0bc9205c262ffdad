"""Two articles of different sources tell the same story when they have the same address, or nearly the same words."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Final
from urllib.parse import urlsplit

from publisher.kit import html
from publisher.model import Article, Revision
from publisher.ports import Stories

#: How far apart two articles with the same words may have been published: what is older is an archive's, or a rerun.
WITHIN: Final = timedelta(hours=72)
#: The share of runs of words, and of names and numbers, that two texts must have in common.
ALIKE: Final = 0.9

_RUN: Final = 5  # words
_LEAST: Final = 20  # runs; of less text nobody can tell
_SKETCH: Final = 8  # hashes: two that share 0.9 of their runs have two of them in common but for 1 in 20,000 times
_MOST_WORDS: Final = 5_000

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
    runs = _runs(_words(revision))
    return tuple(sorted(map(_hash, runs))[:_SKETCH]) if len(runs) >= _LEAST else ()


def join(article: Article, hashes: Collection[int], stories: Stories) -> Joined | None:
    """The article of another source whose story this one tells as well, None when it is alone.

    A story has one article of each source: what a source tells twice, as a live ticker does, it tells apart.
    """
    if _names_a_page(article.canonical_url):
        for other in stories.at(article):
            if _is_free(article, other, stories):
                return Joined(article=other, rule=f"same address as {_named(other)}")
    for other in stories.alike(article, hashes, within=WITHIN):
        share = shared(article.revision, other.revision)
        if share >= ALIKE and _is_free(article, other, stories):
            return Joined(article=other, rule=f"{int(share * 100)} % of its words are those of {_named(other)}")
    return None


def _is_free(article: Article, other: Article, stories: Stories) -> bool:
    return article.source not in {one.source for one in (other, *stories.of([other])) if one.id != article.id}


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


def _fills_anew(words: Sequence[str], others: Sequence[str]) -> bool:
    telling, other_telling = _telling(words), _telling(others)
    alone = min(
        len(telling - {word.casefold() for word in others}),
        len(other_telling - {word.casefold() for word in words}),
    )
    return alone > (1 - ALIKE) * max(len(telling), len(other_telling)) + 1e-9


def _words(revision: Revision) -> Sequence[str]:
    """Of the text without its title and standfirst, which each newsroom writes itself."""
    return _WORD.findall(html.plain(revision.content_html))[:_MOST_WORDS]


def _runs(words: Sequence[str]) -> frozenset[str]:
    folded = [word.casefold() for word in words]
    return frozenset(" ".join(folded[at : at + _RUN]) for at in range(len(folded) - _RUN + 1))


def _telling(words: Sequence[str]) -> frozenset[str]:
    """What tells one report from another that fills the same form: names and numbers."""
    told = (word for word in words if word[0].isupper() or any(letter.isdigit() for letter in word))
    return frozenset(word.casefold() for word in told)


def _hash(run: str) -> int:
    return int.from_bytes(blake2b(run.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True)
