"""Which article belongs in which feed, and the feeds that patterns make."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from publisher.model import (
    FIELDS,
    Article,
    ArticleState,
    Decision,
    Feed,
    FeedEntry,
    FeedPattern,
    RevisionKind,
    Selection,
)
from publisher.ports import Store

#: Letters that Unicode does not take apart into a Latin one and its mark.
_LATIN = str.maketrans({"æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ħ": "h"})
_SEPARATORS = re.compile(r"[\s\-–—_/&,.:;!?'’‘\"“”()\[\]·|]+")
_LONGEST_SLUG = 60
_LONGEST_NAME = 120  # of several names together
_MOST_MADE = 100  # feeds that one article can make one pattern make


#: Of an article's story: which other article stands for it in an output that admits articles so; None when it is
#: the article itself.
Leader = Callable[[Callable[[Article], bool]], Article | None]


def _alone(_admits: Callable[[Article], bool]) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an article belongs: `feeds` are new ones that patterns make for it, `withdrawn` the slugs of those
    it no longer belongs to. Withdrawing comes after placing: the feeds touched are due either way."""

    feeds: tuple[Feed, ...]
    entries: tuple[FeedEntry, ...]
    withdrawn: tuple[str, ...]
    decisions: tuple[Decision, ...]


def place(
    article: Article,
    feeds: Iterable[Feed],
    patterns: Iterable[FeedPattern],
    *,
    now: datetime,
    memberships: Collection[str] | None = None,
    leader: Leader = _alone,
) -> Placement:
    """Where this article belongs among `feeds` (all that exist) and what `patterns` make for it. A retracted one
    keeps its place, for its feeds to tell what became of it.

    `memberships` are the feeds that hold it now; without them, every feed it does not belong to counts as
    withdrawn. `leader` tells who stands for its story in a feed in its place. Each feed of the settings gets a
    decision; a feed made by a pattern does only when the article is in it or leaves it, since there may be
    hundreds and the others say nothing about this article.
    """
    known = {feed.slug: feed for feed in feeds}
    made = _made(article, tuple(patterns), known)
    everything = known | made
    verdicts = {slug: _verdict(article, feed, leader) for slug, feed in everything.items()}
    missed = {slug for slug, feed in everything.items() if _is_missed(article, feed, leader)}
    belongs = [slug for slug, (included, _) in verdicts.items() if included or slug in missed]
    held_by = set(known if memberships is None else memberships)
    leaves = [slug for slug in everything if slug in held_by and slug not in belongs]
    told = [slug for slug, feed in everything.items() if not feed.pattern or slug in belongs or slug in leaves]
    return Placement(
        feeds=tuple(made.values()),
        entries=tuple(_entry(article, everything[slug]) for slug in belongs),
        withdrawn=tuple(leaves),
        decisions=tuple(
            Decision.of(article, f"feed:{slug}", included=included, rule=rule, at=now)
            for slug, (included, rule) in ((slug, verdicts[slug]) for slug in told)
        ),
    )


def put(
    store: Store,
    articles: Sequence[Article],
    feeds: tuple[Feed, ...],
    patterns: Sequence[FeedPattern],
    *,
    now: datetime,
    leads: Callable[[Article], Leader] = lambda _article: _alone,
) -> tuple[Feed, ...]:
    """Put a page of articles, each of them once, into those of the feeds where they belong, and into what the
    patterns make for them. `leads` knows the story of each. Returns the feeds that there are now."""
    ids = [article.id for article in articles]
    held_by = store.feeds.memberships(ids)
    placements: dict[int, Placement] = {}
    for article in articles:
        holders = held_by.get(article.id, ())
        placement = place(article, feeds, patterns, now=now, memberships=holders, leader=leads(article))
        placements[article.id] = placement
        for feed in placement.feeds:
            store.feeds.add(feed)
        feeds = (*feeds, *placement.feeds)
    store.feeds.revised(ids)
    store.feeds.place(entry for placement in placements.values() for entry in placement.entries)
    store.feeds.withdraw({id: placement.withdrawn for id, placement in placements.items()})
    store.decisions.record(decision for placement in placements.values() for decision in placement.decisions)
    return feeds


def sort_key(article: Article) -> str:
    """When it was published, as text that sorts; its permanent id settles ties the same way everywhere."""
    moment = article.revision.published_at.astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')} {article.entry_id}"


def slugify(name: str) -> str:
    """A name in the characters of a feed's address, a to z, 0 to 9 and hyphens; never empty.

    Where a name loses more than accents and punctuation ("C++", "Новости"), a hash of it makes up for that.
    """
    letters = _letters(name)
    kept = re.sub(r"[^a-z0-9-]+", "", letters).strip("-")
    slug = re.sub(r"-{2,}", "-", kept[:_LONGEST_SLUG]).strip("-")
    return slug if slug and slug == letters else f"{slug or 'x'}-{_fingerprint(name)}"


def _letters(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_LATIN))
    return _SEPARATORS.sub("-", "".join(c for c in plain if not unicodedata.combining(c))).strip("-")


def _fingerprint(name: str) -> str:
    return hashlib.sha256(name.casefold().encode(errors="replace")).hexdigest()[:8]


def _made(article: Article, patterns: Sequence[FeedPattern], known: dict[str, Feed]) -> dict[str, Feed]:
    """The feeds, by slug, that patterns make for this article and nobody made before."""
    made: dict[str, Feed] = {}
    for pattern in patterns:
        if article.state is not ArticleState.LIVE or pattern.selection.refuses(article):
            continue
        for names in _names(article, pattern):
            slug = _slug(pattern, names)
            other = (known | made).get(slug)
            if other and not _alike(other, pattern, names):  # other names, or a feed of the settings, have it
                slug = f"{slug}-{_fingerprint('+'.join(names))}"
            if slug not in known:
                made.setdefault(slug, pattern.feed(slug, names))
    return made


def _names(article: Article, pattern: FeedPattern) -> list[tuple[str, ...]]:
    """What of the article this pattern makes feeds for, sorted: order decides who gets an address that two
    would have."""
    revision = article.revision
    found = {
        "category": revision.categories,
        "author": tuple(author.name for author in revision.authors),
        "tag": revision.tags,
        "language": (revision.language,),
        "source": (article.source,),
    }
    choices = []
    for part in pattern.parts:
        allowed = {name.casefold() for name in getattr(pattern.selection, FIELDS[part])}
        choices.append([n for n in found[part] if n.strip() and (not allowed or n.casefold() in allowed)])
    return sorted(itertools.islice(itertools.product(*choices), _MOST_MADE))


def _slug(pattern: FeedPattern, names: Sequence[str]) -> str:
    name = "-".join(map(slugify, names))
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME].strip('-')}-{_fingerprint('+'.join(names))}"
    return f"{pattern.slug}-{name}"


def _alike(other: Feed, pattern: FeedPattern, names: Sequence[str]) -> bool:
    """Whether the same pattern made a feed for the same names, case aside as in `Selection`."""
    made_for = pattern.named(other) if other.pattern == pattern.slug else None
    return made_for is not None and [n.casefold() for n in made_for] == [n.casefold() for n in names]


def _entry(article: Article, feed: Feed) -> FeedEntry:
    return FeedEntry(feed=feed.slug, article=article.id, sort_key=sort_key(article), until=_until(article, feed))


def _until(article: Article, feed: Feed) -> datetime | None:
    """How long the current document tells of this article however old it is."""
    if article.state is ArticleState.RETRACTED and article.retracted_at:
        return article.retracted_at + feed.remember
    if article.revision.kind is RevisionKind.CORRECTION:
        return article.revision.updated_at + feed.remember
    return None


def _is_missed(article: Article, feed: Feed, leader: Leader) -> bool:
    """Retracted after readers of this feed may have seen it."""
    if article.state is not ArticleState.RETRACTED or article.retracted_at is None:
        return False
    if article.revision.published_at > article.retracted_at or feed.selection.refuses(article):
        return False
    return leader(lambda other: not feed.selection.refuses(other)) is None


def _verdict(article: Article, feed: Feed, leader: Leader) -> tuple[bool, str]:
    """In or out, and the rule in words."""
    if article.state is ArticleState.HELD:
        return False, "held until its publication time"
    if article.state is ArticleState.RETRACTED:
        return False, "retracted"
    if refusal := feed.selection.refuses(article):
        return False, refusal
    if first := leader(lambda other: not feed.selection.refuses(other)):
        return False, f"the same story as “{first.revision.title}” ({first.source}), which was there first"
    return True, _admission(feed.selection)


def _admission(selection: Selection) -> str:
    rules = {
        "source": selection.sources,
        "category": selection.categories,
        "tag": selection.tags,
        "author": selection.authors,
        "language": selection.languages,
    }
    told = [f"{rule} is {' or '.join(wanted)}" for rule, wanted in rules.items() if wanted]
    return " and ".join(told) or "everything is wanted"
