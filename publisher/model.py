"""Words: the nouns that every step speaks. Standard library only.

All values are frozen; times are aware and UTC; ids are 64-bit integers that are never reused and never
shown: the outside sees slugs, edition keys (`newsletter/slot`) and random public ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

# ---------------------------------------------------------------- articles


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


# ---------------------------------------------------------------- feeds


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


# ---------------------------------------------------------------- newsletters and editions


class EditionState(StrEnum):
    DRAFT = "draft"
    SKIPPED = "skipped"
    MERGED = "merged"
    WAITING = "waiting"  # for an editor's approval
    APPROVED = "approved"  # can be undone until undo_until
    PLANNING = "planning"
    SENDING = "sending"
    PAUSED = "paused"
    SETTLING = "settling"
    DONE = "done"
    CANCELLED = "cancelled"


#: States in which an edition's articles count as sent in its newsletter.
COMMITTED = frozenset(
    {
        EditionState.APPROVED,
        EditionState.PLANNING,
        EditionState.SENDING,
        EditionState.PAUSED,
        EditionState.SETTLING,
        EditionState.DONE,
    }
)


class Label(StrEnum):
    NEW = "new"
    UPDATED = "updated"
    CORRECTION = "correction"
    RETRACTION = "retraction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """A standing publication that readers subscribe to. `at` is wall time in `timezone` (an IANA name).

    `maximum_age` is how old an article may be and still be news; `late` how long after its hour an edition
    may still go out; `undo` how long an approved edition waits before it leaves.
    """

    id: int = 0
    slug: str
    name: str
    sender: str
    reply_to: str = ""
    language: str
    timezone: str
    cadence: str = "daily"
    at: time = time(7, 0)
    selection: Selection = Selection()
    template: str = "digest/daily"
    approval: str = "auto"
    minimum_items: int = 1
    maximum_items: int = 30
    maximum_age: timedelta = timedelta(days=3)
    late: timedelta = timedelta(hours=6)
    undo: timedelta = timedelta(0)
    mailer: str = "maildir"
    was: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """The first slug this newsletter ever had: keys and Message-IDs are made from it."""
        return self.was[0] if self.was else self.slug


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of an edition in its newsletter's calendar, such as "daily:2026-11-22", due at an instant."""

    name: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An article's place in an edition. `overrides` replaces fields (title, standfirst) for mail only."""

    article: int
    revision: int
    position: int
    label: Label = Label.NEW
    section: str = ""
    pinned: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Subject, HTML and plain text of one variant. Places that differ from reader to reader hold the
    placeholders of `kit.message`."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One rendering of an edition. `key` is a hash of what it shows: items and labels in order, language,
    template, sections. `content_hash` is over subject, HTML and text."""

    id: int = 0
    edition: int = 0
    key: str
    language: str
    template: str
    rendered: Rendered
    content_hash: str
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What the settings give to every message of an edition. `newsletter` is the slug in unsubscribe links,
    `origin` its first slug, from which Message-IDs are made; `links_url` is the base of the links."""

    newsletter: str
    origin: str
    sender: str
    reply_to: str
    list_id: str
    links_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One dated number of a newsletter. Its identity is (newsletter, slot), unique in the database.

    `counts` holds the sums of the plan: candidates, planned, and excluded by reason. `letterheads` are those
    its messages were made with, more than one when the settings changed while it was sent.
    """

    id: int = 0
    newsletter: str
    slot: str
    due_at: datetime
    state: EditionState
    reason: str = ""  # why skipped, merged, held or paused
    subject: str = ""
    composed_at: datetime
    approved_at: datetime | None = None
    approved_by: str = ""
    approved_hash: str = ""
    template_hash: str = ""
    undo_until: datetime | None = None
    finished_at: datetime | None = None
    priority: int = 0
    mailer: str = ""
    plan_generation: int = 1
    plan_cursor: int = 0
    maximum_subscriber: int = 0
    candidates: int = 0
    planned: int = 0
    letterheads: tuple[Letterhead, ...] = ()
    items: tuple[Item, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.newsletter}/{self.slot}"


# ---------------------------------------------------------------- readers


class SubscriptionStatus(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class SuppressionReason(StrEnum):
    HARD_BOUNCE = "hard bounce"
    SOFT_BOUNCES = "soft bounces"  # so many letters in a row that nobody reads there
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person. `public_id` is 12 random bytes; `email_key` is the address as compared, unique.

    `address_key` is the HMAC of `email_key` under which a suppression is kept (`ports.Keys.address`)."""

    id: int = 0
    public_id: bytes
    email: str
    email_key: str
    address_key: bytes = b""
    name: str = ""
    language: str = ""
    timezone: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A person's consent to one newsletter, with the evidence: when, from where, by which words."""

    subscriber: int
    newsletter: str
    status: SubscriptionStatus
    topics: tuple[str, ...] = ()
    cadence: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An address that is never to be mailed, kept as an HMAC. `scope` is "" for everything or a newsletter."""

    address_key: bytes
    address: str | None
    reason: SuppressionReason
    scope: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A subscriber of a newsletter as the planner meets them, before anybody is left out."""

    subscriber: int
    public_id: bytes
    email: str
    name: str
    language: str
    status: SubscriptionStatus
    suppressed: str = ""  # the reason, when they are
    topics: tuple[str, ...] = ()


# ---------------------------------------------------------------- delivery


class BatchState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"  # a worker holds the lease; nothing has left
    SUBMITTING = "submitting"  # the intent is committed; something may have left
    UNKNOWN = "unknown"  # something may have left, and nobody holds it
    RESOLVING = "resolving"  # a worker is finding out
    ACCEPTED = "accepted"
    FAILED = "failed"
    HELD = "held"  # unknown, and only a person can decide
    CANCELLED = "cancelled"
    SPLIT = "split"  # all of its recipients moved to child batches


OPEN_BATCHES = frozenset(
    {
        BatchState.READY,
        BatchState.CLAIMED,
        BatchState.SUBMITTING,
        BatchState.UNKNOWN,
        BatchState.RESOLVING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Subscribers, ascending, who get the same variant."""

    variant: int
    subscribers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One call to a mailer. Members are frozen: positions count through `runs` in order.

    `fence` grows with every claim, and only the holder of the current one may change the batch. `key` is
    derived (never random, never per attempt). `skipped`, `rejected`, `moved` are sets of positions. `deferrals`
    counts how often its letters were put off one by one, `letterhead` is the place among its edition's.
    """

    id: int = 0
    edition: int
    sequence: int
    chunk: int
    runs: tuple[Run, ...]
    parent: int | None = None
    wave: int = 0
    priority: int = 0
    not_before: datetime | None = None
    mailer: str
    state: BatchState = BatchState.READY
    owner: str = ""
    lease_until: datetime | None = None
    fence: int = 0
    attempt: int = 0
    deferrals: int = 0
    letterhead: int = 0
    next_at: datetime | None = None
    key: str
    payload_hash: str = ""
    intent_at: datetime | None = None
    first_intent_at: datetime | None = None
    unknown_since: datetime | None = None
    resolved_at: datetime | None = None
    skipped: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()
    moved: frozenset[int] = frozenset()
    last_error: str = ""

    @property
    def members(self) -> tuple[tuple[int, int], ...]:
        """(subscriber id, variant id) by position."""
        return tuple((subscriber, run.variant) for run in self.runs for subscriber in run.subscribers)

    @property
    def size(self) -> int:
        return sum(len(run.subscribers) for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message to one reader: what is personal about it. `position` is the place in the batch."""

    position: int
    email: str
    name: str
    variant: int
    message_id: str
    unsubscribe_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """A batch as a mailer sees it: everything needed to make the same bytes again at any later time."""

    key: str
    edition: str
    sender: str
    reply_to: str
    list_id: str
    date: datetime
    variants: Mapping[int, Rendered]
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A mailing as the exact bytes that will be handed over, and their SHA-256 in hex."""

    key: str
    payloads: tuple[bytes, ...]
    letters: tuple[Letter, ...]
    sender: str
    digest: str


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # proven: will not be sent, and trying again would not help
    DEFERRED = "deferred"  # proven: not sent, try again later
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a mailer said about one letter. `code` is the provider's own, such as "550 5.1.1". Deferred
    letters of different groups are tried again in different batches."""

    position: int
    outcome: Outcome
    group: int = 0
    code: str = ""
    detail: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a mailer is asked about a batch whose answer was lost: its key, its letters, when it was first and
    last handed over, and the key of a batch accepted later ("" when there is none): only where that one can be
    seen does the absence of this one mean anything."""

    key: str
    letters: tuple[Letter, ...]
    first_at: datetime
    last_at: datetime
    witness: str = ""


class EventKind(StrEnum):
    ACCEPTED = "accepted"  # the provider has it
    DELIVERED = "delivered"  # the receiving server has it
    DEFERRED = "deferred"  # the provider goes on trying
    SOFT_BOUNCE = "soft bounce"
    HARD_BOUNCE = "hard bounce"
    BLOCKED = "blocked"  # refused because of the sender (5.7.x): no fault of the reader's address
    COMPLAINT = "complaint"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailEvent:
    """What became of one message, as a provider tells it. `event_id` is unique per mailer; `batch` is our key
    and `position` the place in that batch (-1 when the provider did not give them back)."""

    event_id: str
    kind: EventKind
    at: datetime
    recipient: str
    batch: str = ""
    position: int = -1
    message_id: str = ""
    code: str = ""
    detail: str = ""


#: Kinds of events by how much they say, the last one most. What became of a letter is the greatest of what was
#: told about it, in whatever order it was told: "deferred" only holds until the mailer is through.
EVENT_RANK = (
    EventKind.ACCEPTED,
    EventKind.DEFERRED,
    EventKind.DELIVERED,
    EventKind.OPENED,
    EventKind.CLICKED,
    EventKind.SOFT_BOUNCE,
    EventKind.BLOCKED,
    EventKind.HARD_BOUNCE,
    EventKind.UNSUBSCRIBED,
    EventKind.COMPLAINT,
)


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event that was kept and is not merged into the ledger yet. `mailer` is the name of the one that told it."""

    id: int
    mailer: str
    event: MailEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderEvent:
    """An event that concerns a reader and not only a letter. What is not known is 0, "" or b"": `edition` (an id)
    and `newsletter` (a slug) when the letter is none of the ledger's, `subscriber` and their `address_key` when
    nobody has that address."""

    mailer: str
    event: MailEvent
    edition: int = 0
    newsletter: str = ""
    subscriber: int = 0
    address_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What merging events showed: those that concern readers, in the order they were kept; the subscribers, with
    their address keys, to whom a letter was delivered after all that had bounced softly; how many events named
    no letter of ours."""

    readers: tuple[ReaderEvent, ...] = ()
    recovered: Mapping[int, bytes] = field(default_factory=dict)
    orphans: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of subscriptions that an event asks for: to one newsletter, or to all when it is "". Unless it is
    `always`, a consent given after `at` stays."""

    subscriber: int
    newsletter: str
    at: datetime
    why: str
    mailer: str
    event_id: str
    always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a mailer can do, as numbers and words that the planner and the documentation read.

    `batch` is recipients per call, `batch_bytes` the largest call. `external` mailers reach people: links in
    their mail must work. `shared_body`: a call carries one body, personal values apart. `key_lifetime` is how
    long an idempotency key protects (zero: none). `deduplicates`: the same Message-ID handed over twice ends as
    one message. `look_up_lag` is how long after a call its absence at the provider may be believed (zero:
    nothing can be looked up); `evidence` is where that is seen: "search", "events" or "". `webhook` names the
    signature of its events ("" when it has none).
    """

    batch: int
    batch_bytes: int
    external: bool = True
    shared_body: bool = False
    key_lifetime: timedelta = timedelta(0)
    deduplicates: bool = False
    look_up_lag: timedelta = timedelta(0)
    evidence: str = ""
    webhook: str = ""
    timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What became of an edition's recipients: candidates = excluded + planned, and
    planned = accepted + rejected + skipped + unknown + cancelled + waiting."""

    candidates: int = 0
    excluded: Mapping[str, int] = field(default_factory=dict)
    planned: int = 0
    accepted: int = 0
    rejected: int = 0
    skipped: int = 0
    unknown: int = 0
    cancelled: int = 0
    waiting: int = 0


class NoticeState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"
    SUBMITTING = "submitting"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Mail that is no edition (confirmation, test, alarm). `key` is unique: one row, once."""

    id: int = 0
    kind: str
    key: str
    address: str
    rendered: Rendered
    sender: str
    mailer: str
    state: NoticeState = NoticeState.READY
    attempts: int = 0
    last_error: str = ""
    created_at: datetime
    sent_at: datetime | None = None


# ---------------------------------------------------------------- the house


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The newsroom's site. `public_url` is the base of every link to us, without a closing slash, ""
    when unset; `local_url` is where the built-in server answers on this machine.
    `tag_authority` is the authority and date of tag: URIs (RFC 4151), such as "example.org,2026"."""

    name: str
    url: str
    language: str
    timezone: str
    public_url: str = ""
    tag_authority: str
    local_url: str = ""
    postal_address: str = ""
    hub: str = ""
    alarms: tuple[str, ...] = ()
    alarm_mailer: str = ""
    alarm_sender: str = ""

    @property
    def links_url(self) -> str:
        """The base of links in mail: the public one, or this machine's own while there is none."""
        return self.public_url or self.local_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that is due: a kind ("collect", "deliver", ...) and a key. Higher priority goes first."""

    kind: str
    key: str
    priority: int = 0
