"""Words: sources, articles and their revisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from publisher.model.hubs import HubLink

#: How the name of an article begins that is not its source's own id: its guid, its address, a hash of its text.
OTHER_NAMES = ("guid:", "url:", "text:")


class ArticleState(StrEnum):
    HELD = "held"  # not yet: its publication time lies ahead
    LIVE = "live"
    RETRACTED = "retracted"


class MailPermission(StrEnum):
    ALLOWED = "allowed"
    EXCLUDED = "excluded"  # in feeds, never in mail (backdated, or an editor's word)


class Arrival(StrEnum):
    """How an article came in. It decides about mail only, and an editor's word goes before it."""

    NEWS = "news"
    ARCHIVE = "archive"  # with a source's first complete look: what was older than a newsletter's window is no news
    BACKDATED = "backdated"  # older, when it came in, than the newest of its source by more than the set time


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
    """A picture. `bytes` is its size as a file, 0 when unknown; width and height in pixels, 0 when unknown. `lost` is
    why one that the site was to host is not mailed; its address is "" then."""

    url: str
    type: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    alt: str = ""
    credit: str = ""
    lost: str = ""


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
    leaves memory. `cursor` is the fetcher's own note of where it stopped, JSON-shaped. `identity` says what an
    article is known by: "native" (its native id, else the guid, else the address, else its content), "guid" or
    "url". What is dated more than `backdated` before the newest that is stored is no news. When more than
    `outage` (a share of 1) of what is stored vanished at once, nothing is believed to have been removed.
    `completed_at` is when a look first came to its end, None while none has. `refused` are the items that its looks
    refuse, the first of them.
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
    identity: str = "native"
    backdated: timedelta = timedelta(days=2)
    outage: float = 0.2
    cursor: Mapping[str, Any] = field(default_factory=dict)
    next_fetch_at: datetime | None = None
    fetched_at: datetime | None = None
    completed_at: datetime | None = None
    failures: int = 0
    last_error: str = ""
    refused: tuple[Refusal, ...] = ()

    @property
    def origin(self) -> str:
        """The first slug this source ever had: permanent ids are made from it and survive a renaming."""
        return self.was[0] if self.was else self.slug


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedArticle:
    """An article as a source tells it: nothing cleaned, nothing decided.

    `native_id` is the source's own lasting name for it, "" when it has none. `content_html` may be hostile
    and hold relative links; `base_url` is what they are relative to. `published_at` None means undated.
    `title` and `standfirst` are plain text. `place` is where it lies, such as a path, for an article that may be moved
    and stay the same; it is the native id of one that has no other, and "" in a source where nothing moves.
    `once` is a native id that it had in earlier looks, "" for none. `correction` is the source's own word that this
    text corrects an earlier one, and what it corrects.
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
    place: str = ""
    once: str = ""
    correction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One item of a source, or one line of a file, that could not be read: which, in words, and why. `id` is the native
    id of an item that came with one; `since` is when a source's item was first refused for that reason, as far as that
    is kept."""

    item: str
    reason: str
    id: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """A few articles as their source tells them now, as far as it does; `gone` are native ids of those that it does
    not publish any more."""

    articles: tuple[FetchedArticle, ...] = ()
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A part of the complete list of what a source has now, in native ids.

    `look` names the list; all its parts have the same, also those of a look that was broken off and went on from
    its cursor. With the part that is `complete` everything has been named: what no part names is not there any
    more. Parts of a list that is never completed are forgotten when another begins. Whoever has articles that move
    completes the list before, or with, the first page of them: what moved is known by what is missing. A complete list
    that is not `certain` holds all that could be named, and something else that could not: what it does not name may
    have moved, but is not taken as gone.
    """

    look: str
    ids: tuple[str, ...]
    complete: bool = False
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a completed list says about the articles of a source, by their ids: how many are `stored` and not
    retracted, which of them it does not name (`gone`), and which it names again after one did not (`back`)."""

    stored: int
    gone: tuple[int, ...] = ()
    back: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One page of a source: articles, and the cursor that says "everything up to here was handed over".

    `listing` is None for sources that cannot be listed completely, and when this look does not list. An item
    that was refused, but is there, is listed too. `next_look` is how long the source itself asks to be left
    alone (`ttl`, `sy:`, Cache-Control), None when it does not say. `same` counts further items that are there
    and were left out, since their raw hash was known. `hub` is what the source says of a hub that tells of news, None
    when this look did not read that. With `whole` this look reads all that is there: what it does not refuse is mended,
    or gone.
    """

    articles: tuple[FetchedArticle, ...]
    cursor: Mapping[str, Any]
    refused: tuple[Refusal, ...] = ()
    unchanged: bool = False  # the source answered that nothing changed since the cursor
    listing: Listing | None = None
    next_look: timedelta | None = None
    same: int = 0
    whole: bool = False
    hub: HubLink | None = None


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

    def says_the_same(self, other: Revision) -> bool:
        """Whether readers see the same headline and the same text."""
        mine, theirs = ((one.title, one.standfirst, one.content_html) for one in (self, other))
        return mine == theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One text from one source, stored once, with its current revision.

    `entry_id` is its permanent id in every feed: a tag: URI (RFC 4151) made from the source's slug and the
    native id, never from a number of ours or an address. `story` is shared by articles that tell the same
    thing. `source` is the source's slug. `mail_at` is when an editor last said whether it may be mailed, None
    when nobody has. A retracted article has `retracted_at`, the editor who retracted it (`retracted_by`, "" when
    it vanished from its source) and what readers are told (`retraction_note`). `missed_at` is since when the complete
    lists of its source have not named it, None when the last one did; `missing_looks` of these count. `native_id` is
    what it is known by; `own_id` is its source's own id, "" where that is the same, or not known.
    """

    id: int = 0
    source: str
    native_id: str
    own_id: str = ""
    guid: str = ""
    story: str
    canonical_url: str = ""
    entry_id: str
    state: ArticleState = ArticleState.LIVE
    mail: MailPermission = MailPermission.ALLOWED
    mail_at: datetime | None = None
    arrival: Arrival = Arrival.NEWS
    first_seen_at: datetime
    retracted_at: datetime | None = None
    retracted_by: str = ""
    retraction_note: str = ""
    missing_looks: int = 0
    missed_at: datetime | None = None
    revision: Revision
