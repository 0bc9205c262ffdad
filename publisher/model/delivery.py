"""Words: batches, letters, what mailers answer, and what events tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from publisher.model.editions import Letterhead, Rendered


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
    counts how often its letters were put off for reasons of their own, `letterhead` is the place among its edition's.
    `account` is that of the mailer it was first handed to (see `ports.Mailer`), "" while it was handed to none.
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
    account: str = ""
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
        return tuple([(subscriber, run.variant) for run in self.runs for subscriber in run.subscribers])

    @property
    def size(self) -> int:
        return sum(len(run.subscribers) for run in self.runs)


class Letter(NamedTuple):
    """One message to one reader: what is personal about it. `position` is the place in the batch.

    Letters and results are made by the million: as a named tuple each takes a third of the time of a frozen class."""

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
    """A mailing as the exact bytes that will be handed over, and a SHA-256 in hex that is the same only where these
    are. `largest` is the size of the largest payload in bytes; where the letters' messages are made late, of one of
    each variant."""

    key: str
    payloads: Sequence[bytes]
    letters: tuple[Letter, ...]
    sender: str
    digest: str
    largest: int = 0


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REJECTED = "rejected"  # proven: will not be sent, and trying again would not help
    DEFERRED = "deferred"  # proven: not sent, try again later
    UNKNOWN = "unknown"


class Result(NamedTuple):
    """What a mailer said about one letter. `code` is the provider's own, such as "550 5.1.1". Deferred
    letters of different groups are tried again in different batches. A deferral that is `shared` would have met any
    other letter: the mailer is full, busy or gone, and it does not count against the reader. `kind` is what a rejection
    says of the address, where it is the word of a server that takes mail for it: so it counts as a bounce would. That
    of an interface for programs says nothing of a reader."""

    position: int
    outcome: Outcome
    group: int = 0
    code: str = ""
    detail: str = ""
    reference: str = ""
    shared: bool = False
    kind: EventKind | None = None


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


class MailEvent(NamedTuple):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """One letter that a mailer was handed: its batch's key, its place there, the edition's slot and the letterhead it
    was made with. Its Message-ID is derived from these and the reader."""

    batch: str
    position: int
    slot: str
    letterhead: Letterhead


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxLook:
    """A look into the mailbox that a mailer's bounces come back to: what was read there since it is known. `events`
    became events, `automatic` were written by a program, and set aside unless they surely answer a letter of ours,
    `unreadable` were set aside because they are about no letter of ours. `error` is "" when the last look went well."""

    mailer: str
    at: datetime
    events: int = 0
    automatic: int = 0
    unreadable: int = 0
    error: str = ""


class KeptEvent(NamedTuple):
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

    `batch` is recipients per call, `batch_bytes` the largest payload: a larger one is halved. `external` mailers reach
    people: links in their mail must work. `shared_body`: a call carries one body, personal values apart. `key_lifetime`
    is how long an idempotency key protects (zero: none). `deduplicates`: the same Message-ID handed over twice ends as
    one message. `look_up_lag` is how long after a call its absence at the provider may be believed (zero: nothing can
    be looked up); `evidence` is where that is seen: "search", "events" or "". `webhook` names the signature of its
    events ("" when it has none). `calls` is how many are made at once, `in_hand` how many batches a process has in hand
    then, with those that are being made ready or written down: what can leave after "stop".
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
    calls: int = 1
    in_hand: int = 1


class NoticeState(StrEnum):
    READY = "ready"
    CLAIMED = "claimed"
    SUBMITTING = "submitting"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


#: The kind of a notice that is looked up in place of a lost call: see docs/explanation/delivery.md.
WITNESS = "witness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Mail that is no edition (confirmation, test, alarm, witness). `key` is unique: one row, once. That of a witness
    is also the key of its call."""

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
