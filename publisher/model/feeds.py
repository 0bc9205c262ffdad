"""Words: selections, feeds and what is decided about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

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
class Output:
    """What a feed and a pattern of feeds have in common.

    `formats` are names such as "rss", "atom", "json"; `limit` counts entries, of the current document and of an
    archive page. `content` is "full" or "summary", `ids` "tag" (ours) or "source" (the source's own guid, where
    it has one). `archive` says whether complete archives are kept (RFC 5005). `remember` is how long the current
    document tells of a retraction or a correction, whatever its limit. `interval` is how long a reader may wait
    between two looks.
    """

    slug: str
    title: str
    description: str = ""
    home_url: str
    language: str
    selection: Selection = Selection()
    formats: tuple[str, ...] = ("rss", "atom", "json")
    limit: int = 50
    content: str = "full"
    ids: str = "tag"
    archive: bool = True
    remember: timedelta = timedelta(days=30)
    interval: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed(Output):
    """One of our published feeds.

    `pattern` is the slug of the settings entry it came from when that entry makes one feed per category,
    author, ..., else "". `wanted` and `built` count changes: a feed is due while they differ. `pages` counts
    its archive pages.
    """

    id: int = 0
    pattern: str = ""
    wanted: int = 0
    built: int = 0
    pages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPattern(Output):
    """A settings entry that makes one feed per category, author, tag, language or source that is met, or per
    combination of them.

    `each` names them, joined by "+". `title` and `description` hold `{name}`, or one of `{category}`,
    `{author}`, ..., where they go; the feed's slug is `<slug>-<slugified name>`.
    """

    each: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.each.split("+"))

    def named(self, made: Feed) -> tuple[str, ...] | None:
        """What a feed that this pattern made is named after, or None when the pattern would not make it any more."""
        names: list[str] = []
        for part in self.parts:
            wanted = getattr(made.selection, FIELDS[part])
            allowed = {name.casefold() for name in getattr(self.selection, FIELDS[part])}
            if len(wanted) != 1 or (allowed and wanted[0].casefold() not in allowed):
                return None
            names.append(wanted[0])
        return tuple(names)

    def feed(self, slug: str, names: tuple[str, ...]) -> Feed:
        """The feed for these names, one for each of `parts`."""
        by_part = dict(zip(self.parts, names, strict=True))
        return Feed(
            slug=slug,
            title=_filled(self.title, by_part),
            description=_filled(self.description, by_part),
            home_url=self.home_url,
            language=by_part.get("language", self.language),
            selection=replace(self.selection, **{FIELDS[part]: (name,) for part, name in by_part.items()}),
            formats=self.formats,
            limit=self.limit,
            content=self.content,
            ids=self.ids,
            archive=self.archive,
            remember=self.remember,
            interval=self.interval,
            pattern=self.slug,
        )


#: By what a pattern makes feeds for: the field of `Selection` that admits it.
FIELDS: Mapping[str, str] = {
    "category": "categories",
    "author": "authors",
    "tag": "tags",
    "language": "languages",
    "source": "sources",
}


def _filled(text: str, names: Mapping[str, str]) -> str:
    """`{name}`, `{category}`, ... replaced in one pass, so that nothing in a name is taken for a placeholder."""
    values = {**names, "name": " · ".join(names.values())}
    return re.sub(r"\{([a-z]+)\}", lambda match: values.get(match[1], match[0]), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEntry:
    """An article's place in a feed. Feeds are ordered by descending `sort_key`. Until `until` the current
    document shows the article however old it is: it was retracted or corrected."""

    feed: str
    article: int
    sort_key: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedPage:
    """An archive page: `number` from 1, the oldest. It is due while `wanted` and `built` differ."""

    number: int
    wanted: int
    built: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedDocument:
    """Everything a format needs to write a feed, and nothing that depends on when it is written.

    `base_url` is where the feed folder is served. `articles` are in the order they stand in; a retracted one
    among them becomes whatever the format has for telling so. `updated_at` is the newest change of its articles,
    or the site's birth when there are none. `page` is 0 in the current document, else the archive page's number;
    `pages` is the number of the newest archive page that is published, 0 when there is none. `page_url` is the
    feed's page for people, "" while there is none.
    """

    feed: Feed
    feed_id: str
    base_url: str
    hub: str
    articles: tuple[Article, ...]
    updated_at: datetime
    page: int = 0
    pages: int = 0
    page_url: str = ""
    generator: str = "Publisher"

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.name_of(self.page)

    @property
    def older(self) -> int:
        """The number of the archive page before this one, 0 when there is none."""
        return self.page - 1 if self.page else self.pages

    @property
    def newer(self) -> int:
        """The number of the archive page after this one, 0 when there is none."""
        return self.page + 1 if 0 < self.page < self.pages else 0

    def name_of(self, page: int) -> str:
        return f"{self.feed.slug}/{page}" if page else self.feed.slug

    def address(self, ending: str, page: int | None = None) -> str:
        """Where this document, or another page of the same feed, is served."""
        return f"{self.base_url}/{self.name if page is None else self.name_of(page)}.{ending}"


#: Seconds that whoever keeps a copy of a feed may go without asking again.
MAX_AGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A file of which the hub is to be told: its name, the hash of what stands there, and how often that failed."""

    name: str
    digest: str
    tries: int


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Which version of a file stands in the folder: `version` is another one after every replacement, `changed_at`
    is when that was, in POSIX seconds."""

    version: str
    changed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """One entry as a format writes it, kept so that it is written once.

    `shape` names all that makes a difference to it besides the article, and `stamp` changes with everything about
    the article that it is made from; `id` is what the entry is known by in that format.
    """

    article: int
    format: str
    shape: str
    stamp: str
    id: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadEntry:
    """One entry as a parser that did not write it reads it back, for the publication gate. `gone` is true of
    what only tells that an entry was deleted (RFC 6721); its content is the comment."""

    id: str
    title: str
    url: str
    content: str
    published_at: datetime | None
    updated_at: datetime | None
    enclosures: tuple[Enclosure, ...] = ()
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Why an article is in or out of an output, since when. `output` is "feed:<slug>" or "newsletter:<slug>"."""

    output: str
    article: int
    revision: int
    included: bool
    rule: str
    at: datetime

    @classmethod
    def of(cls, article: Article, output: str, *, included: bool, rule: str, at: datetime) -> Self:
        """About an article as it is now."""
        number = article.revision.number
        return cls(output=output, article=article.id, revision=number, included=included, rule=rule, at=at)
