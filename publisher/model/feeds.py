"""Words: selections, feeds and what is decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from publisher.model.articles import Article, Enclosure


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which articles an output wants. An empty field admits everything; values within a field are
    alternatives; all fields must agree. Comparison ignores case."""

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()

    def refuses(self, article: Article) -> str:
        """The rule that keeps this article out, or "" when it is admitted."""
        revision = article.revision
        for rule, wanted, has in (
            ("source", self.sources, (article.source,)),
            ("category", self.categories, revision.categories),
            ("tag", self.tags, revision.tags),
            ("author", self.authors, tuple(author.name for author in revision.authors)),
            ("language", self.languages, (revision.language,)),
        ):
            if wanted and not {w.casefold() for w in wanted} & {h.casefold() for h in has}:
                return f"{rule} is not {' or '.join(wanted)}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One of our published feeds. `formats` are names such as "rss", "atom", "json"; `limit` counts entries.

    `pattern` is the slug of the settings entry it came from when that entry makes one feed per category
    or author, else "". `wanted` and `built` count changes: a feed is due while they differ.
    """

    id: int = 0
    slug: str
    title: str
    description: str = ""
    home_url: str
    language: str
    selection: Selection = Selection()
    formats: tuple[str, ...] = ("rss", "atom", "json")
    limit: int = 50
    pattern: str = ""
    wanted: int = 0
    built: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPattern:
    """A settings entry that makes one feed per category or per author that is met.

    `slug`, `title` and `description` hold `{name}` (the title and description) where the category or
    author goes; the feed's slug is `<slug>-<slugified name>`.
    """

    slug: str
    each: str
    title: str
    description: str = ""
    home_url: str
    language: str
    selection: Selection = Selection()
    formats: tuple[str, ...] = ("rss", "atom", "json")
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """An article's place in a feed. Feeds are ordered by descending `sort_key`."""

    feed: str
    article: int
    sort_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """Everything a format needs to write a feed, and nothing that depends on when it is written.

    `base_url` is where the feed folder is served; a feed's own address is `<base_url>/<slug>.<ending>`.
    `updated_at` is the newest `updated_at` of its articles, or the site's birth when there are none.
    """

    feed: Feed
    feed_id: str
    base_url: str
    hub: str
    articles: tuple[Article, ...]
    updated_at: datetime
    generator: str = "Publisher"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntry:
    """One entry as a parser that did not write it reads it back, for the publication gate."""

    id: str
    title: str
    url: str
    content: str
    published_at: datetime | None
    updated_at: datetime | None
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why an article is in or out of an output, since when. `output` is "feed:<slug>" or "newsletter:<slug>"."""

    output: str
    article: int
    revision: int
    included: bool
    rule: str
    at: datetime
