"""Plugs: what the store keeps of sources, articles and feeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from publisher.model import (
    Article,
    ArticleState,
    Decision,
    Feed,
    FeedEntry,
    FeedPage,
    FeedPattern,
    Fragment,
    Listing,
    Missing,
    Refusal,
    Revision,
    Source,
)


class Sources(Protocol):
    def sync(self, sources: Sequence[Source], *, renamed: Mapping[str, str]) -> None:
        """Make the rows agree with the settings; `renamed` maps old slugs to new. History is kept."""

    def all(self) -> tuple[Source, ...]: ...

    def get(self, slug: str) -> Source:
        """What is known of a source. Raises NotFound."""

    def due(self, now: datetime) -> tuple[str, ...]:
        """Slugs of active sources whose next look is due."""

    def advance(self, slug: str, cursor: Mapping[str, Any]) -> None:
        """Everything up to this cursor is stored."""

    def ask(self, slug: str, *, at: datetime) -> None:
        """Somebody says that there is something new: the next look is due at once. Raises NotFound."""

    def received(self, slug: str, call: str, *, at: datetime) -> bool:
        """Note a call that pushes something, by its id; False when it was noted within the last hour. Raises
        NotFound."""

    def looked(
        self,
        slug: str,
        *,
        at: datetime,
        next_fetch_at: datetime,
        error: str,
        began: datetime | None = None,
        refused: Sequence[Refusal] | None = None,
    ) -> None:
        """Record a finished look: error "" clears the failures, any other adds one. When it was asked for another one
        after this one `began`, that is due at once. `refused` is what is refused now; None leaves what was."""


class Articles(Protocol):
    def identified(self, ids: Collection[str], *, guids: bool) -> frozenset[str]:
        """Which of these are the entry id of a stored article, or with `guids` the guid of one."""

    def known(self, source: str, *, native_ids: Collection[str]) -> Mapping[str, Article]:
        """Articles of a source by native id, with their current revision."""

    def unchanged(self, source: str, *, raw_hashes: Collection[str]) -> Mapping[str, str]:
        """Those of the hashes that current revisions of a source's articles have, with each article's id in its source.
        Articles that were missing in the last look are left out: that they are back must be noticed."""

    def missing(self, source: str, *, titles: Collection[str]) -> tuple[Article, ...]:
        """Articles of a source with one of the titles that its last complete list did not name, those retracted
        too; at most 20 for each title that was asked for."""

    def newest(self, source: str) -> datetime | None:
        """When the newest live article of a source was published; None when it has none."""

    def add(self, article: Article) -> Article:
        """Store a new article with its first revision; returned with its ids. Raises Conflict when known."""

    def add_all(self, articles: Sequence[Article]) -> tuple[Article, ...]:
        """The same for a page of them, in their order. After a Conflict the transaction must not be committed."""

    def revise(self, *articles: Article) -> None:
        """Add each one's revision as its newest, and take over its names, state and addresses.

        Raises Conflict, and changes none of them, when one has a newer revision already, or an editor has said
        something about it since.
        """

    def seen(self, *articles: Article) -> None:
        """The content did not change: take over only names, state, addresses and the current raw hash.

        Raises Conflict, and changes none of them, when an editor has said something about one since.
        """

    def decide(self, *articles: Article) -> None:
        """Take over an editor's word: state, mail and retraction of each, and its story."""

    def get(self, ids: Collection[int]) -> Mapping[int, Article]: ...

    def revisions(self, keys: Collection[tuple[int, int]]) -> Mapping[tuple[int, int], Revision]: ...

    def find(self, words: str) -> tuple[Article, ...]:
        """Articles by entry id, native id, canonical URL, or words of the title; newest first, at most 20."""

    def held_due(self, now: datetime) -> bool:
        """Whether a held article's time has come."""

    def release(self, now: datetime) -> tuple[Article, ...]:
        """Turn held articles whose time has come live, and return them."""

    def published_since(self, since: datetime, until: datetime) -> tuple[Article, ...]:
        """Live articles published in that time, newest first; those that came in then, however old, unless with
        a source's first complete look; and those that an editor has let into mail in that time."""

    def each(self) -> Iterator[Article]:
        """All articles, ascending by id, without holding them all in memory."""

    def count(self) -> Mapping[ArticleState, int]: ...

    def by_source(self) -> Mapping[str, int]:
        """How many articles are stored, by source slug."""


class Listings(Protocol):
    """The complete lists of what sources have; one at a time is gone through for each source."""

    def add(self, source: str, listing: Listing, *, at: datetime) -> None:
        """Note a part of a list. The first part of another one begins anew."""

    def compare(self, source: str) -> Missing:
        """The completed list against what is stored. An article that came in since the list began is not missing."""

    def forget(self, source: str) -> None:
        """The list has been dealt with."""

    def miss(self, ids: Collection[int], *, at: datetime) -> None:
        """A list did not name these. That does not count yet: they may be found at another place."""

    def away(self, source: str) -> tuple[int, ...]:
        """The ids of the articles that the last list did not name, and that were neither found since nor retracted."""

    def retire(self, source: str, *, at: datetime, patience: timedelta, at_once: bool = False) -> tuple[int, ...]:
        """Who is away counts as missing from one list more, unless the first was less than `patience` ago, and is
        retracted when two lists count; `at_once` this one does for two. The ids of who is retracted."""

    def find(self, ids: Collection[int], *, at: datetime) -> tuple[int, ...]:
        """A list names these again. What was retracted for missing is live, or held until its time, again;
        the ids of those are returned."""


#: An article, and the few hashes that its text is known by (see `memory.sketch`).
Sketched = tuple[Article, Collection[int]]


class Stories(Protocol):
    """Which articles of different sources tell the same story."""

    def of(self, articles: Collection[Article]) -> tuple[Article, ...]:
        """All articles that share a story with one of these, these left out; the first collected first."""

    def at(self, articles: Collection[Article]) -> Mapping[int, tuple[Article, ...]]:
        """By the id of each: the articles of other sources at the same canonical URL. Who is alone there, or at an
        address that a source uses for several, is left out."""

    def keep(self, sketches: Collection[Sketched]) -> None:
        """The sketch of each article, in the place of its last one. Empty: it has none."""

    def alike(self, sketches: Collection[Sketched], *, within: timedelta) -> Mapping[int, tuple[Article, ...]]:
        """By the id of each: articles of other sources published within that time, whose sketches have much in
        common with its own, the likeliest first; at most 10. Who has none is left out."""

    def forget(self, *, before: datetime) -> None:
        """Drop the sketches of articles that were published before."""


class Feeds(Protocol):
    def sync(self, feeds: Sequence[Feed], patterns: Sequence[FeedPattern], *, made_with: str = "") -> tuple[str, ...]:
        """Make the rows agree with the settings. Returns the slugs whose membership must be filled anew
        because they are new or their selection changed. Feeds made by a known pattern stay. `made_with` stands for
        what makes a difference to every file: when it is another than it was, all of them are due."""

    def all(self) -> tuple[Feed, ...]: ...

    def get(self, slug: str) -> Feed:
        """Raises NotFound."""

    def add(self, feed: Feed) -> None:
        """Add a feed that a pattern makes; nothing happens when it exists."""

    def place(self, entries: Iterable[FeedEntry]) -> None:
        """Put articles into feeds; the feeds touched are due."""

    def lock(self) -> None:
        """Until this transaction ends nobody else places articles, or changes which feeds there are."""

    def withdraw(self, places: Mapping[int, Collection[str]]) -> None:
        """Take articles, by id, out of feeds, by slug; those that held one are due. Archive pages keep it."""

    def revised(self, articles: Collection[int]) -> None:
        """The archive pages that hold one of these are due: it says something else now, or was retracted."""

    def memberships(self, articles: Collection[int]) -> Mapping[int, tuple[str, ...]]:
        """By article: the slugs of the feeds that hold it. Who is in none is left out."""

    def empty(self, feed: str) -> None:
        """Take everything out, to begin anew, archive pages too: the feed then counts as never built."""

    def current(self, feed: str, *, now: datetime) -> tuple[Article, ...]:
        """What the current document shows, newest first: the newest up to the feed's limit, whatever stands on no
        archive page yet, and retractions and corrections that are still to be told of."""

    def seal(self, feed: str) -> None:
        """Put what the current document need not hold into new archive pages; nothing happens without need."""

    def page(self, feed: str, number: int) -> tuple[Article, ...]:
        """The members of an archive page, newest first, retracted ones among them."""

    def due_pages(self, feed: str) -> tuple[FeedPage, ...]:
        """Archive pages that changed since they were published."""

    def page_built(self, feed: str, page: FeedPage) -> None:
        """The page was published as it was wanted then."""

    def all_pages_due(self, feed: str) -> None: ...

    def due(self, now: datetime | None = None, *, failed_before: datetime | None = None) -> tuple[str, ...]:
        """Slugs of feeds that changed since they were published, or that change at `now` by themselves; without
        those whose last try failed later."""

    def built(self, feed: str, wanted: int, *, at: datetime, error: str, shown: Collection[int] | None = None) -> None:
        """The state counted `wanted` was published, its current document with the articles `shown`, or failed with
        that error. When somebody published a later one meanwhile, nobody knows whose files stand there: the feed is
        due again."""

    def states(self) -> Mapping[str, tuple[datetime | None, str, int]]:
        """By feed: when it was last built, its last error, and its number of articles."""


class Fragments(Protocol):
    """Entries as formats wrote them, as long as a current document holds their article."""

    def get(self, shapes: Mapping[str, str], articles: Collection[int]) -> Mapping[tuple[str, int], Fragment]:
        """By format and article, those of the shape that is wanted of each format."""

    def keep(self, fragments: Sequence[Fragment]) -> None:
        """In place of the earlier ones of the same article, format and shape."""


class Decisions(Protocol):
    def record(self, decisions: Iterable[Decision]) -> None:
        """Keep the newest decision per (output, article, revision); `at` of an equal one is kept."""

    def keep(self, edition: int, decisions: Iterable[Decision]) -> None:
        """Keep with an edition why each article is in it or not; of each article what was said last."""

    def of_edition(self, edition: int) -> tuple[Decision, ...]:
        """Why each article that was considered for an edition, given by its id, is in it or not."""

    def of(self, article: int) -> tuple[Decision, ...]: ...
