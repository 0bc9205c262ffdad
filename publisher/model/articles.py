"""Words: sources, articles and their revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class ArticleState(StrEnum):
    HELD = "held"  # not yet: its publication time lies ahead
    LIVE = "live"
    RETRACTED = "retracted"


class MailPermission(StrEnum):
    ALLOWED = "allowed"
    EXCLUDED = "excluded"  # in feeds, never in mail (archive, backdated, or an editor's word)


class RevisionKind(StrEnum):
    FIRST = "first"
    EDIT = "edit"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    name: str
    url: str = ""
    email: str = ""
    biography: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture. `bytes` is its size as a file, 0 when unknown; width and height in pixels, 0 when unknown."""

    url: str
    type: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """An attached media file, such as a podcast episode. `bytes` 0 and `seconds` 0 when unknown."""

    url: str
    type: str
    bytes: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A configured place that articles come from, and how the last look at it went.

    `options` holds what only this kind of source understands (path, post types, ...). `secrets` never
    leaves memory. `cursor` is the fetcher's own note of where it stopped, JSON-shaped.
    """

    id: int = 0
    slug: str
    was: tuple[str, ...] = ()
    kind: str
    url: str
    interval: timedelta
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_private: bool = False
    cursor: Mapping[str, Any] = field(default_factory=dict)
    next_fetch_at: datetime | None = None
    fetched_at: datetime | None = None
    failures: int = 0
    last_error: str = ""

    @property
    def origin(self) -> str:
        """The first slug this source ever had: permanent ids are made from it and survive a renaming."""
        return self.was[0] if self.was else self.slug


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedArticle:
    """An article as a source tells it: nothing cleaned, nothing decided.

    `native_id` is the source's own lasting name for it, "" when it has none. `content_html` may be hostile
    and hold relative links; `base_url` is what they are relative to. `published_at` None means undated.
    `title` and `standfirst` are plain text.
    """

    native_id: str = ""
    guid: str = ""
    url: str = ""
    title: str = ""
    standfirst: str = ""
    content_html: str = ""
    base_url: str = ""
    authors: tuple[Author, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    language: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    raw_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One item of a source, or one line of a file, that could not be read: which, and why."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One page of a source: articles, and the cursor that says "everything up to here was handed over"."""

    articles: tuple[FetchedArticle, ...]
    cursor: Mapping[str, Any]
    refused: tuple[Refusal, ...] = ()
    unchanged: bool = False  # the source answered that nothing changed since the cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an article said at one time. (article, revision) is the key of everything made from it.

    `content_html` is clean (see `kit.html`) and every address in it is absolute. `content_hash` is over the
    normalised content and never over a date; `raw_hash` is over what the source sent.
    """

    article: int = 0
    number: int
    kind: RevisionKind = RevisionKind.FIRST
    note: str = ""
    title: str
    standfirst: str = ""
    content_html: str = ""
    authors: tuple[Author, ...] = ()
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    language: str = ""
    published_at: datetime
    updated_at: datetime
    content_hash: str
    raw_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One text from one source, stored once, with its current revision.

    `entry_id` is its permanent id in every feed: a tag: URI (RFC 4151) made from the source's slug and the
    native id, never from a number of ours or an address. `story` is shared by articles that tell the same
    thing. `source` is the source's slug.
    """

    id: int = 0
    source: str
    native_id: str
    guid: str = ""
    story: str
    canonical_url: str = ""
    entry_id: str
    state: ArticleState = ArticleState.LIVE
    mail: MailPermission = MailPermission.ALLOWED
    first_seen_at: datetime
    retracted_at: datetime | None = None
    missing_looks: int = 0
    revision: Revision
