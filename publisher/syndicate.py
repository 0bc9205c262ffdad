"""Step 2: which articles belong in which feed, feed documents, and the gate they pass before readers get them.

`place` and `document` decide and are pure; `put` stores what `place` decided. `publish` writes: a feed is built in
all its formats, read back by parsers that did not write it, and only then do its files replace the last ones.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from publisher.errors import GateError
from publisher.model import (
    Article,
    ArticleState,
    Decision,
    Feed,
    FeedDocument,
    FeedEntry,
    FeedPattern,
    Selection,
    Site,
)
from publisher.ports import Folder, Format, Store

#: Letters that Unicode does not take apart into a Latin one and its mark.
_LATIN = str.maketrans({"æ": "ae", "ø": "o", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i", "ħ": "h"})
_SEPARATORS = re.compile(r"[\s\-–—_/&,.:;!?'’‘\"“”()\[\]·|]+")
_LONGEST_SLUG = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an article belongs: `feeds` are new ones that patterns make for it, `withdrawn` the slugs of those
    it no longer belongs to. Withdrawing comes after placing: the feeds touched are due either way."""

    feeds: tuple[Feed, ...]
    entries: tuple[FeedEntry, ...]
    withdrawn: tuple[str, ...]
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An article that no format could publish, and why; the rest of the feed goes out without it."""

    article: Article
    reason: str

    @property
    def item(self) -> str:
        return f"{self.article.revision.title!r} ({self.article.entry_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a feed: names of files written and of files that already held those bytes."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()


# ---------------------------------------------------------------- which feed


def place(
    article: Article,
    feeds: Iterable[Feed],
    patterns: Iterable[FeedPattern],
    *,
    now: datetime,
    memberships: Collection[str] | None = None,
) -> Placement:
    """Where this article belongs among `feeds` (all that exist) and what `patterns` make for it.

    `memberships` are the feeds that hold it now; without them, every feed it does not belong to counts as
    withdrawn. Each feed of the settings gets a decision; a feed made by a pattern does only when the article
    is in it or leaves it, since there may be hundreds and the others say nothing about this article.
    """
    known = {feed.slug: feed for feed in feeds}
    made = _made(article, tuple(patterns), known)
    everything = known | made
    verdicts = {slug: _verdict(article, feed) for slug, feed in everything.items()}
    belongs = [slug for slug, (included, _) in verdicts.items() if included]
    held_by = set(known if memberships is None else memberships)
    leaves = [slug for slug in everything if slug in held_by and slug not in belongs]
    told = [slug for slug, feed in everything.items() if not feed.pattern or slug in belongs or slug in leaves]
    return Placement(
        feeds=tuple(made.values()),
        entries=tuple(FeedEntry(feed=slug, article=article.id, sort_key=sort_key(article)) for slug in belongs),
        withdrawn=tuple(leaves),
        decisions=tuple(_decision(article, slug, *verdicts[slug], now) for slug in told),
    )


def put(
    store: Store, articles: Iterable[Article], feeds: Iterable[Feed], patterns: Sequence[FeedPattern], *, now: datetime
) -> None:
    """Put articles into those of the feeds where they belong, and into what the patterns make for them."""
    feeds = tuple(feeds)
    for article in articles:
        placement = place(article, feeds, patterns, now=now, memberships=store.feeds.memberships(article.id))
        for feed in placement.feeds:
            store.feeds.add(feed)
        feeds = (*feeds, *placement.feeds)
        store.feeds.place(placement.entries)
        store.feeds.withdraw(article.id, placement.withdrawn)
        store.decisions.record(placement.decisions)


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
        for name in _names(article, pattern):
            feed = _make(pattern, name)
            other = (known | made).get(feed.slug)
            if other and not _alike(other, feed):  # another name, or a feed of the settings, has that address
                feed = replace(feed, slug=f"{feed.slug}-{_fingerprint(name)}")
            if feed.slug not in known:
                made.setdefault(feed.slug, feed)
    return made


def _names(article: Article, pattern: FeedPattern) -> list[str]:
    """The categories or authors of the article that this pattern makes feeds for, sorted: order decides who
    gets an address that two would have."""
    revision = article.revision
    found, wanted = {
        "category": (revision.categories, pattern.selection.categories),
        "author": (tuple(author.name for author in revision.authors), pattern.selection.authors),
    }[pattern.each]
    allowed = {name.casefold() for name in wanted}
    return sorted(name for name in found if name.strip() and (not allowed or name.casefold() in allowed))


def _make(pattern: FeedPattern, name: str) -> Feed:
    return Feed(
        slug=f"{pattern.slug}-{slugify(name)}",
        title=pattern.title.replace("{name}", name),
        description=pattern.description.replace("{name}", name),
        home_url=pattern.home_url,
        language=pattern.language,
        selection=_only(pattern.selection, pattern.each, name),
        formats=pattern.formats,
        limit=pattern.limit,
        pattern=pattern.slug,
    )


def _only(selection: Selection, each: str, name: str) -> Selection:
    return replace(selection, categories=(name,)) if each == "category" else replace(selection, authors=(name,))


def _alike(one: Feed, other: Feed) -> bool:
    """Whether the same pattern made both for the same name, case aside as in `Selection`."""
    return (one.pattern, _named(one.selection)) == (other.pattern, _named(other.selection))


def _named(selection: Selection) -> list[str]:
    return [name.casefold() for name in (*selection.categories, *selection.authors)]


def _verdict(article: Article, feed: Feed) -> tuple[bool, str]:
    """In or out, and the rule in words."""
    if article.state is ArticleState.HELD:
        return False, "held until its publication time"
    if article.state is ArticleState.RETRACTED:
        return False, "retracted"
    refusal = feed.selection.refuses(article)
    return (False, refusal) if refusal else (True, _admission(feed.selection))


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


def _decision(article: Article, slug: str, included: bool, rule: str, now: datetime) -> Decision:
    return Decision(
        output=f"feed:{slug}",
        article=article.id,
        revision=article.revision.number,
        included=included,
        rule=rule,
        at=now,
    )


# ---------------------------------------------------------------- feed documents


def document(feed: Feed, articles: Sequence[Article], *, site: Site) -> FeedDocument:
    """A feed of these articles, newest first, cut to its limit. The same articles make the same document."""
    shown = tuple(articles[: feed.limit])
    return FeedDocument(
        feed=feed,
        feed_id=f"tag:{site.tag_authority}:feed/{feed.slug}",
        base_url=(site.public_url or site.url).rstrip("/") + "/feeds",
        hub=site.hub,
        articles=shown,
        updated_at=max((article.revision.updated_at for article in shown), default=_birth(site.tag_authority)),
    )


def _birth(authority: str) -> datetime:
    """The date in a tag authority such as "example.org,2026-11" (RFC 4151 section 2.1): when feeds began."""
    text = authority.rpartition(",")[2]
    return datetime.fromisoformat(f"{text}-01-01"[:10]).replace(tzinfo=UTC)


# ---------------------------------------------------------------- the gate


def publish(
    document: FeedDocument, formats: Mapping[str, Format], folder: Folder, *, may_be_empty: bool = False
) -> Published:
    """Build, read back, compare, and replace the feed's files.

    An article that a format cannot publish is left out of all of them and named in the result. Raises
    GateError, before any file is touched, when the feed itself does not pass or would lose all its entries;
    `may_be_empty` says that nothing is what it should hold. Raises FolderError; the last good files stay.
    """
    chosen = _chosen(document.feed, formats)
    left_out: tuple[LeftOut, ...] = ()
    try:
        files = _build(document, chosen)
    except GateError as error:
        _build(replace(document, articles=()), chosen)  # when the feed itself is at fault, no article is
        document, left_out = _without_culprits(document, chosen)
        if left_out and not document.articles:
            slug = document.feed.slug
            raise GateError(
                f"feed {slug}: none of its articles passes; first: {left_out[0].item}: {left_out[0].reason}", feed=slug
            ) from error
        files = _build(document, chosen)
    if not document.articles and not may_be_empty:
        _refuse_to_shrink(document, chosen, folder)
    wrote = {name: folder.put(name, data, format.media_type) for format, name, data in files}
    return Published(
        written=tuple(name for name, new in wrote.items() if new),
        unchanged=tuple(name for name, new in wrote.items() if not new),
        left_out=left_out,
    )


def _chosen(feed: Feed, formats: Mapping[str, Format]) -> tuple[Format, ...]:
    for name in feed.formats:
        if name not in formats:
            known = ", ".join(sorted(formats))
            raise GateError(f"feed {feed.slug}: there is no format {name!r}; known are {known}", feed=feed.slug)
    return tuple(formats[name] for name in feed.formats)


def _build(document: FeedDocument, formats: Iterable[Format]) -> list[tuple[Format, str, bytes]]:
    """(format, file name, bytes) of every format that passed the gate. Raises GateError."""
    slug = document.feed.slug
    files = []
    for format in formats:
        try:
            data = _checked(document, format)
        except GateError as error:
            ids = {"rule": str(error)} | error.ids | {"feed": slug, "format": format.name}
            raise GateError(f"feed {slug}, {format.name}: {error}", **ids) from error
        files.append((format, f"{slug}.{format.ending}", data))
    return files


def _checked(document: FeedDocument, format: Format) -> bytes:
    try:
        data = format.write(document)
        read = [entry.id for entry in format.read(data)]
    except GateError:
        raise
    except Exception as error:  # whatever one article does to a format, the others must be published
        raise GateError(f"{type(error).__name__}: {error}") from error
    wanted = [article.entry_id for article in document.articles]
    if read != wanted:
        raise GateError(f"{len(wanted)} entries were written, but {len(read)} others were read back")
    return data


def _without_culprits(document: FeedDocument, formats: Sequence[Format]) -> tuple[FeedDocument, tuple[LeftOut, ...]]:
    """The document without the articles that do not pass on their own, or whose id another has."""
    kept: dict[str, Article] = {}
    left_out = []
    for article in document.articles:
        reason = _fault(replace(document, articles=(article,)), formats)
        if article.entry_id in kept:
            reason = "its id is used by another article of the feed"
        if reason:
            left_out.append(LeftOut(article=article, reason=reason))
        else:
            kept[article.entry_id] = article
    return replace(document, articles=tuple(kept.values())), tuple(left_out)


def _fault(document: FeedDocument, formats: Sequence[Format]) -> str:
    try:
        _build(document, formats)
    except GateError as error:
        return f"{error.ids['format']}: {error.ids['rule']}"
    return ""


def _refuse_to_shrink(document: FeedDocument, formats: Iterable[Format], folder: Folder) -> None:
    slug = document.feed.slug
    for format in formats:
        name = f"{slug}.{format.ending}"
        last = _entries(format, folder.get(name))
        if last:
            raise GateError(
                f"feed {slug}, {format.name}: it shrank to nothing, from {last} in {name}",
                feed=slug,
                format=format.name,
            )


def _entries(format: Format, data: bytes | None) -> int:
    """How many entries a published file has; none when there is no file, or a broken one, which may go."""
    try:
        return len(format.read(data)) if data is not None else 0
    except GateError:
        return 0
