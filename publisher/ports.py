"""Plugs: what the steps need from the outside, each sized by the step that calls it.

Adapters (`fetchers`, `formats`, `folders`, `mailers`, `engines`, `store`) implement these; `app` wires them
into `Parts`. Every public behaviour here is held by a suite under `tests/contracts/`, run on every adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from publisher.model import (
    Article,
    ArticleState,
    Batch,
    Candidate,
    Capability,
    Decision,
    Edition,
    EditionState,
    Ending,
    EventKind,
    Feed,
    FeedDocument,
    FeedEntry,
    FeedPattern,
    Fetched,
    KeptEvent,
    Letterhead,
    MailEvent,
    Mailing,
    Merged,
    Newsletter,
    Notice,
    NoticeState,
    Prepared,
    Question,
    ReadEntry,
    Result,
    Revision,
    Site,
    Source,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Sums,
    Suppression,
    Variant,
    Work,
)

# ---------------------------------------------------------------- time


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware and UTC. For leases this is the database's clock."""

    def monotonic(self) -> float:
        """Seconds that only grow, for deadlines inside this process."""

    def wait(self, seconds: float) -> bool:
        """Wait, at most that long; True when the process has been asked to stop."""


# ---------------------------------------------------------------- adapters


class Fetcher(Protocol):
    def fetch(self, source: Source, *, now: datetime) -> Iterator[Fetched]:
        """Read a source from its cursor, page by page; each page's cursor may be committed with its articles.

        Raises SourceUnavailable (try later) or SourceInvalid (an editor should look). Items that cannot be
        read are reported in `Fetched.refused` and never stop the rest.
        """

    def check(self, source: Source, *, now: datetime) -> str:
        """Try the source without collecting; a short line such as "12 articles". Raises as `fetch` does."""


class Format(Protocol):
    name: str  # "rss"
    ending: str  # "rss", appended to a feed's address after a dot
    media_type: str  # "application/rss+xml"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as bytes: the same document gives the same bytes, whenever and wherever."""

    def read(self, data: bytes) -> tuple[ReadEntry, ...]:
        """Read a feed back with a parser that did not write it. Raises GateError when it is not valid."""


class Folder(Protocol):
    def put(self, name: str, data: bytes, media_type: str) -> bool:
        """Replace a file atomically; False when it already held these bytes and was left alone.

        Raises FolderError; the last good file stays.
        """

    def get(self, name: str) -> bytes | None: ...

    def remove(self, name: str) -> None: ...

    def names(self) -> Iterator[str]: ...

    def check(self) -> str:
        """Try to write; a short line such as "feeds, writable". Raises FolderError."""


class Mailer(Protocol):
    name: str
    capability: Capability

    def prepare(self, mailing: Mailing) -> Prepared:
        """The exact bytes of a mailing. Pure: the same mailing gives the same bytes on every machine."""

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        """Hand a mailing over once: one result per letter.

        Raises TryLater (proved that nothing was taken), MailerMisconfigured (likewise, and a person must
        act), OutcomeUnknown (anything may have been taken).
        """

    def look_up(self, question: Question, *, now: datetime) -> tuple[Result, ...]:
        """What the provider knows of a batch whose answer was lost, one result per letter: accepted where it
        has it, deferred where it provably never had it, unknown while it cannot tell. Only asked where
        `capability.evidence` is "search". Raises TryLater, MailerMisconfigured."""

    def events(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> tuple[MailEvent, ...]:
        """Read a webhook call: its signature first, compared in constant time, then its events. `headers`
        have names in lower case. Raises WebhookRejected; what is signed and says nothing to us is no event."""

    def check(self) -> str:
        """Try the mailer without sending; a short line. Raises DeliveryError."""


class Engine(Protocol):
    """Who wakes a worker. A submission may be lost, repeated, delayed or reordered, and a handler may be
    killed anywhere; handlers therefore take only (kind, key), read the store again, and are idempotent."""

    def submit(self, work: Work, *, not_before: datetime | None = None) -> None: ...

    def tick(self, call: Callable[[], None], seconds: float) -> None:
        """Call regularly, never twice at once."""

    def run(self) -> None:
        """Start working; returns when `drain` was called and all work in hand is finished."""

    def drain(self, timeout: float) -> bool:
        """Take nothing new and let work in hand finish; False when some was left after `timeout` seconds."""

    def health(self) -> str: ...


class Templates(Protocol):
    """Templates by name; a site's own win over the packaged ones."""

    def render(self, name: str, values: Mapping[str, Any], *, language: str = "en") -> str:
        """Raises TemplateError with file, line and the culprit."""

    def fingerprint(self, prefix: str) -> str:
        """A hash over all template sources below a prefix such as "digest/daily"."""


# ---------------------------------------------------------------- store, one role per file


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


class Editions(Protocol):
    def sync(self, newsletters: Sequence[Newsletter], *, now: datetime) -> None:
        """Make the rows agree with the settings; an edition of a renamed newsletter keeps its history."""

    def born(self, newsletter: str) -> datetime:
        """When the newsletter was first seen in the settings: no slot before that is ever due."""

    def lock(self, newsletter: str) -> None:
        """Until this transaction ends nobody else composes an edition of the newsletter."""

    def open(self, edition: Edition) -> Edition:
        """Insert an edition with its items. Raises Conflict when its (newsletter, slot) exists."""

    def replace(self, edition: Edition, *, was: EditionState) -> Edition:
        """Replace the content (items, subject, reason, state) of an edition still in state `was`; the
        variants of the old content go.

        Raises Conflict when it is in another state by now."""

    def get(self, key: str) -> Edition:
        """Raises NotFound."""

    def by_id(self, id: int) -> Edition: ...

    def newest(self, limit: int, newsletter: str = "") -> tuple[Edition, ...]: ...

    def in_state(self, *states: EditionState) -> tuple[Edition, ...]: ...

    def move(self, key: str, was: Collection[EditionState], to: EditionState, **changes: Any) -> Edition:
        """Conditional change of state, with other fields. Raises Conflict when it was in none of `was`."""

    def sent(self, newsletter: str, among: Collection[int] | None = None) -> Mapping[int, frozenset[int]]:
        """By article: the revisions that committed editions of this newsletter hold; only of those articles
        when they are named."""

    def add_letterhead(self, edition: int, letterhead: Letterhead) -> int:
        """The place of a letterhead among the edition's, where it is put when it is new."""

    def add_variant(self, edition: int, variant: Variant) -> Variant:
        """Store a variant with its items once per (edition, key)."""

    def variants(self, edition: int) -> tuple[Variant, ...]: ...

    def who_got(self, article: int, revision: int) -> Iterator[int]:
        """Ids of the subscribers whose variant held that revision and whose batch was accepted."""


class Outbox(Protocol):
    """Chunks, batches and outcomes: the ledger. See docs/delivery.md."""

    def plan(
        self,
        edition: Edition,
        *,
        upto: int,
        batches: Sequence[Batch],
        excluded: Mapping[str, Sequence[int]],
        finished: bool,
    ) -> None:
        """Commit one chunk (edition.plan_cursor, upto]: its batches, its exclusions and the cursor, in one
        transaction. Raises Conflict when another planner moved the cursor."""

    def next_sequence(self, edition: int) -> int:
        """The sequence number of the edition's next batch, from 0."""

    def batches(self, edition: int) -> tuple[Batch, ...]: ...

    def batch(self, id: int) -> Batch: ...

    def due(self, now: datetime) -> tuple[Work, ...]:
        """Mailers that have batches to claim now, as Work("deliver", mailer)."""

    def claim(self, mailer: str, owner: str, *, now: datetime, lease: timedelta) -> Batch | None:
        """Take the most urgent ready or unknown batch of editions that are sending: a conditional update
        that raises the fence. Ready becomes claimed, unknown becomes resolving."""

    def intend(
        self, batch: Batch, *, now: datetime, payload_hash: str, skipped: frozenset[int], letterhead: int = 0
    ) -> Batch | None:
        """Commit the intent: submitting, attempt + 1. None when the fence moved on."""

    def settle(self, batch: Batch, results: Sequence[Result], *, now: datetime, next_at: datetime) -> bool:
        """Record an answer. Accepted and rejected stay; deferred and unknown letters move to child batches
        (the deferred ones to one for each `Result.group`, with the parent's attempt count).
        False when the fence moved on."""

    def back(self, batch: Batch, *, next_at: datetime, error: str) -> bool:
        """Proved not sent: ready again, or unknown again when an earlier attempt is unknown."""

    def unknown(self, batch: Batch, *, now: datetime, next_at: datetime, error: str) -> bool: ...

    def hold(self, batch: Batch, *, error: str) -> bool:
        """Unknown, and nothing but a person can decide."""

    def witness(self, mailer: str, after: datetime) -> str:
        """The key of a batch that this mailer accepted and that was first handed over after that time; "" when
        there is none."""

    def block(self, mailer: str, *, until: datetime, reason: str) -> None:
        """Let nobody claim for this mailer until then."""

    def blocked(self, now: datetime) -> Mapping[str, tuple[datetime, str]]:
        """Mailers that are blocked now: until when, and why."""

    def sweep(self, now: datetime) -> int:
        """Leases that ended: before the intent ready again, after it unknown. What came back to a cancelled
        edition is cancelled, or held. How many were changed."""

    def cancel(self, edition: int) -> int:
        """Cancel the batches of which nothing can have left, and hold the unknown ones. How many recipients
        were cancelled."""

    def in_hand(self, edition: int) -> int:
        """Recipients of batches that workers hold: at most so many messages can leave after "stop"."""

    def resolve(self, edition: int, *, accepted: bool, now: datetime) -> int:
        """A person's word about the held batches of an edition: they were sent, or they are to be sent again
        (counted as possible duplicates). How many recipients."""

    def open(self, edition: int) -> int:
        """How many batches are not in a final state."""

    def sums(self, edition: int) -> Sums: ...

    def trace(self, subscriber: int) -> tuple[tuple[str, str, str], ...]:
        """What became of each edition for one reader: (edition key, outcome, detail)."""


class Audience(Protocol):
    def add(self, subscriber: Subscriber, subscription: Subscription) -> tuple[Subscriber, bool]:
        """Add a person, or find them by `email_key`, and give them the subscription unless they have it.
        True when anything was new. A person who unsubscribed stays so."""

    def add_many(self, people: Sequence[tuple[Subscriber, Sequence[Subscription]]]) -> Mapping[str, str]:
        """As `add`, for thousands in one transaction. By email_key: "added", "known", or "unsubscribed"
        (they left before; an import never brings them back)."""

    def by_email(self, email_key: str) -> Subscriber | None: ...

    def by_public_id(self, public_id: bytes) -> Subscriber | None: ...

    def subscriptions(self, subscriber: int) -> tuple[Subscription, ...]: ...

    def change(
        self,
        subscriber: int,
        newsletter: str,
        status: SubscriptionStatus,
        *,
        at: datetime,
        evidence: Mapping[str, Any],
    ) -> bool:
        """Change the status of one subscription, keeping the evidence; False when it was so already.
        Raises NotFound."""

    def each(self, newsletter: str = "") -> Iterator[tuple[Subscriber, tuple[Subscription, ...]]]:
        """Everybody, ascending by id, without holding them all in memory."""

    def count(self, newsletter: str) -> Mapping[SubscriptionStatus, int]: ...

    def largest_id(self) -> int: ...

    def candidates(self, newsletter: str, *, after: int, upto: int, limit: int) -> tuple[Candidate, ...]:
        """Subscribers of a newsletter, of any status, with after < id <= upto, ascending."""

    def recipients(self, newsletter: str, ids: Collection[int]) -> Mapping[int, Candidate]:
        """Those of `ids` who exist, with their status and suppression as they are right now."""

    def suppress(self, suppression: Suppression) -> bool: ...

    def suppressed(self, address_key: bytes, newsletter: str) -> str: ...


class Events(Protocol):
    """What mailers told unasked. An event is kept first, once; later it is merged, in whatever order and as often
    as it comes, because all that is merged are facts that add up."""

    def keep(self, mailer: str, events: Sequence[MailEvent], *, at: datetime) -> int:
        """Commit those not known yet by (mailer, event id). How many were new."""

    def waiting(self) -> bool:
        """Whether an event was kept and not merged."""

    def take(self, limit: int) -> tuple[KeptEvent, ...]:
        """Events not merged yet, oldest first. Until this transaction ends nobody else gets any."""

    def merge(self, kept: Sequence[KeptEvent], *, at: datetime) -> Merged:
        """Write what events tell into the ledger: who was delivered to, and an exception for anything worse."""

    def letters(
        self, subscribers: Collection[int], *, least: int
    ) -> Mapping[int, tuple[tuple[int, datetime | None], ...]]:
        """For readers with at least that many soft bounces: their letters from the first of these to the last, in
        the order they left. A letter is its edition, and when it bounced softly; None when it did not, or was
        delivered after all. Only letters of mailers that reported such a bounce."""

    def suppress(self, suppressions: Sequence[Suppression]) -> int:
        """Suppress addresses everywhere; of two reasons the graver one stays, of two equal ones the earlier.
        How many addresses were not suppressed before."""

    def release(self, address_keys: Collection[bytes]) -> int:
        """End suppressions because of soft bounces, and no others."""

    def end(self, endings: Sequence[Ending]) -> int:
        """End subscriptions, keeping the evidence and what they said before. How many ended."""

    def tally(self, edition: int) -> Mapping[EventKind, int]:
        """Letters of an edition by what was told about them; a letter may stand under several kinds."""

    def positions(self, key: str) -> frozenset[int]:
        """Letters of a batch of which an event tells: they were accepted. Those of the batches it was split from
        count too."""

    def witness(self, mailer: str, after: datetime) -> str:
        """The key of a batch first handed to the mailer after that time of which an event was merged, or "": only
        where there is one does it mean anything that there are none of an earlier batch."""

    def forget(self, before: datetime) -> int:
        """Delete merged events that were kept before that time. How many."""


class Notices(Protocol):
    def add(self, notice: Notice) -> bool:
        """False when a notice with that key exists."""

    def claim(self, *, now: datetime, lease: timedelta) -> Notice | None:
        """Take one that is ready; committed as submitting before it is handed over."""

    def settle(self, id: int, state: NoticeState, *, now: datetime, error: str) -> None: ...

    def by_key(self, key: str) -> Notice | None: ...

    def waiting(self) -> int: ...

    def last(self, limit: int) -> tuple[Notice, ...]: ...


class Store(Protocol):
    sources: Sources
    articles: Articles
    feeds: Feeds
    decisions: Decisions
    editions: Editions
    outbox: Outbox
    audience: Audience
    notices: Notices
    events: Events

    @property
    def instance(self) -> str:
        """A UUID made once with the database; keys are derived from it."""

    def transaction(self) -> AbstractContextManager[Store]:
        """A store whose every call commits together at the end of the block, or not at all."""

    def now(self) -> datetime:
        """The database's clock."""

    def check(self) -> str: ...

    def close(self) -> None: ...


# ---------------------------------------------------------------- all of it


class Keys(Protocol):
    """The keys in `var/` or the environment: signing (rotated by key id) and the one for addresses."""

    def unsubscribe(self, public_id: bytes, newsletter: str) -> str: ...

    def read_unsubscribe(self, token: str) -> tuple[bytes, str]:
        """(public id, newsletter slug). Raises BadToken."""

    def sign(self, purpose: str, value: Mapping[str, Any]) -> str: ...

    def read(self, purpose: str, token: str, *, maximum_age: timedelta) -> Mapping[str, Any]:
        """Raises BadToken when forged, of another purpose, or too old."""

    def address(self, email_key: str) -> bytes:
        """The HMAC under which a suppression is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the pipeline works with."""

    site: Site
    feeds: tuple[Feed, ...]
    patterns: tuple[FeedPattern, ...]
    newsletters: tuple[Newsletter, ...]
    sources: tuple[Source, ...]
    fetchers: Mapping[str, Fetcher]
    formats: Mapping[str, Format]
    folder: Folder
    mailers: Mapping[str, Mailer]
    templates: Templates
    store: Store
    clock: Clock
    keys: Keys
    owner: str  # this process, in leases
