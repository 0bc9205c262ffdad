"""Plugs: what the store keeps of sources, articles and feeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from publisher.model import (
    Article,
    ArticleState,
    Decision,
    Feed,
    FeedEntry,
    FeedPattern,
    Revision,
    Source,
)


class Sources(Protocol):
    def sync(self, sources: Sequence[Source], *, renamed: Mapping[str, str]) -> None:
        """Make the rows agree with the settings; `renamed` maps old slugs to new. History is kept."""

    def all(self) -> tuple[Source, ...]: ...

    def due(self, now: datetime) -> tuple[str, ...]:
        """Slugs of active sources whose next look is due."""

    def advance(self, slug: str, cursor: Mapping[str, Any]) -> None:
        """Everything up to this cursor is stored."""

    def looked(self, slug: str, *, at: datetime, next_fetch_at: datetime, error: str) -> None:
        """Record a finished look: error "" clears the failures, any other adds one."""


class Articles(Protocol):
    def known(self, source: str, *, native_ids: Collection[str]) -> Mapping[str, Article]:
        """Articles of a source by native id, with their current revision."""

    def add(self, article: Article) -> Article:
        """Store a new article with its first revision; returned with its ids. Raises Conflict when known."""

    def revise(self, article: Article) -> None:
        """Add `article.revision` as the newest one, and take over state, mail and addresses of `article`."""

    def seen(self, article: Article) -> None:
        """The content did not change: take over only state, addresses and the current raw hash."""

    def get(self, ids: Collection[int]) -> Mapping[int, Article]: ...

    def revisions(self, keys: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Revision]: ...

    def find(self, words: str) -> tuple[Article, ...]:
        """Articles by entry id, native id, canonical URL, or words of the title; newest first, at most 20."""

    def held_due(self, now: datetime) -> bool:
        """Whether a held article's time has come."""

    def release(self, now: datetime) -> tuple[Article, ...]:
        """Turn held articles whose time has come live, and return them."""

    def published_since(self, since: datetime, until: datetime) -> tuple[Article, ...]:
        """Live articles published or first seen in that time, newest first."""

    def each(self) -> Iterator[Article]:
        """All articles, ascending by id, without holding them all in memory."""

    def count(self) -> Mapping[ArticleState, int]: ...

    def by_source(self) -> Mapping[str, int]:
        """How many articles are stored, by source slug."""


class Feeds(Protocol):
    def sync(self, feeds: Sequence[Feed], patterns: Sequence[FeedPattern]) -> tuple[str, ...]:
        """Make the rows agree with the settings. Returns the slugs whose membership must be filled anew
        because they are new or their selection changed. Feeds made by a known pattern stay."""

    def all(self) -> tuple[Feed, ...]: ...

    def add(self, feed: Feed) -> None:
        """Add a feed that a pattern makes; nothing happens when it exists."""

    def place(self, entries: Iterable[FeedEntry]) -> None:
        """Put articles into feeds; the feeds touched are due."""

    def lock(self) -> None:
        """Until this transaction ends nobody else places articles, or changes which feeds there are."""

    def withdraw(self, article: int, feeds: Collection[str]) -> None:
        """Take an article out of feeds; those are due."""

    def memberships(self, article: int) -> tuple[str, ...]: ...

    def empty(self, feed: str) -> None:
        """Take everything out, to begin anew: the feed then counts as never built."""

    def newest(self, feed: str, limit: int) -> tuple[Article, ...]:
        """The live articles of a feed, newest first."""

    def due(self, *, failed_before: datetime | None = None) -> tuple[str, ...]:
        """Slugs of feeds that changed since they were published; without those whose last try failed later."""

    def built(self, feed: str, wanted: int, *, at: datetime, error: str) -> None:
        """The state counted `wanted` was published, or failed with that error. When somebody published a later
        one meanwhile, nobody knows whose files stand there: the feed is due again."""

    def states(self) -> Mapping[str, tuple[datetime | None, str, int]]:
        """By feed: when it was last built, its last error, and its number of articles."""


class Decisions(Protocol):
    def record(self, decisions: Iterable[Decision]) -> None:
        """Keep the newest decision per (output, article, revision); `at` of an equal one is kept."""

    def of(self, article: int) -> tuple[Decision, ...]: ...
