"""Plugs: what the store keeps of editions and their delivery."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from publisher.model import (
    Batch,
    Circuit,
    Delivery,
    Doubt,
    Edition,
    EditionState,
    Ending,
    EventKind,
    HandedOver,
    KeptEvent,
    Letterhead,
    MailEvent,
    Mention,
    Merged,
    Newsletter,
    Override,
    Rejection,
    Result,
    Sums,
    Suppression,
    Terms,
    Variant,
    Wave,
    Work,
)


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

    def locked(self, id: int) -> Edition:
        """Within a transaction: nobody else changes it until that ends. Raises NotFound."""

    def newest(self, limit: int, newsletter: str = "") -> tuple[Edition, ...]: ...

    def last(self, newsletter: str, cadence: str) -> Edition | None:
        """The newest edition of one cadence of a newsletter."""

    def in_state(self, *states: EditionState) -> tuple[Edition, ...]: ...

    def move(self, key: str, was: Collection[EditionState], to: EditionState, **changes: Any) -> Edition:
        """Conditional change of state, with other fields. Raises Conflict when it was in none of `was`."""

    def sent(
        self, newsletter: str, among: Collection[int] | None = None, *, cadence: str = ""
    ) -> Mapping[int, frozenset[int]]:
        """By article: the revisions that committed editions of this newsletter carried to all who follow it; only of
        those articles when they are named. With a cadence, only editions that its readers get. An alert does not
        count, since not everybody gets it, nor what an edition brought `partly`: who got that is remembered (see
        `Memory`)."""

    def add_letterhead(self, edition: int, letterhead: Letterhead) -> int:
        """The place of a letterhead among the edition's, where it is put when it is new."""

    def override(self, key: str, overrides: Sequence[Override]) -> Edition:
        """Keep an editor's word that these rules of preflight do not hold this edition; of each rule the first stays.
        Making the edition anew forgets none. Raises NotFound."""

    def add_variant(self, edition: int, variant: Variant) -> Variant:
        """Store a variant with its items, and what it was made from, once per (edition, key)."""

    def add_variants(self, edition: int, variants: Sequence[Variant]) -> tuple[Variant, ...]:
        """Store several at once; in their order, as they are stored."""

    def variants(
        self, edition: int, among: Collection[int] | None = None, *, limit: int | None = None
    ) -> tuple[Variant, ...]:
        """The variants of an edition, the first ones first; only those with these ids when they are named."""

    def variants_by_key(self, edition: int, keys: Collection[str]) -> Mapping[str, Variant]:
        """Those of an edition that have one of these keys."""

    def shares(self, edition: int) -> Mapping[int, int]:
        """By variant: to how many readers it went, or is to go: whoever was planned and not left out since."""

    def told(self, edition: int) -> tuple[Mention, ...]:
        """All that its variants tell of now."""

    def telling(self, edition: int, articles: Collection[int]) -> tuple[Variant, ...]:
        """Its variants that tell of one of these articles and that no other one supersedes."""

    def supersede(self, old: int, variant: Variant) -> Variant:
        """Store the variant that comes in place of another of the same edition; nobody is given it yet (see
        `Outbox.repoint`)."""

    def withdrawn(self, edition: int) -> Mapping[int, str]:
        """Its variants of which nothing may be shown any more, each with the reason."""

    def withdraw(self, edition: int, why: Mapping[int, str]) -> None:
        """From now on nothing may be shown of these variants, for these reasons, and again of all others."""

    def partly(self, edition: int, articles: Collection[int]) -> None:
        """Not all who were to get these by the edition did: from now on it counts as having brought them to nobody but
        those who are remembered."""

    def not_brought(self, newsletter: str, articles: Collection[int], *, but: int) -> None:
        """The same of all other editions of a newsletter whose planning was begun: they left these out for those who
        were to get them by that one."""

    def newest_variants(self, edition: int) -> Mapping[int, int]:
        """By superseded variant: the one in its place now."""

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

    def untouched(self, edition: int) -> bool:
        """Whether it has a batch that is ready and of which nothing can have left."""

    def repoint(self, edition: int, newest: Mapping[int, int], *, after: int, limit: int) -> int:
        """Give the members of the next untouched batches, at most so many after that id, the newest variants in place
        of their own; in one transaction, which passes over what a worker is claiming. The id of the last batch that
        was looked at; 0 when there is no other."""

    def next_sequence(self, edition: int) -> int:
        """The sequence number of the edition's next batch, from 0."""

    def batches(self, edition: int) -> tuple[Batch, ...]: ...

    def batch(self, id: int) -> Batch: ...

    def due(self, now: datetime) -> tuple[Work, ...]:
        """Mailers that have batches to claim now, as Work("deliver", mailer)."""

    def claim(self, mailer: str, owner: str, *, now: datetime, lease: timedelta) -> Batch | None:
        """Take the most urgent ready or unknown batch of editions that are sending: a conditional update
        that raises the fence. Ready becomes claimed, unknown becomes resolving.

        A ready one takes the tokens of its letters, or is not claimed at all (see `waits`). When another mailer
        takes nothing, its `fallback` claims those of its batches that nobody has touched. What is too large for
        the mailer, or for what its limits can ever grant, is cut first. A circuit that is open lets one batch
        through once it may be tried again, and no other until that one is settled."""

    def latest(self, batch: Batch) -> tuple[Batch, Mapping[int, str]]:
        """A claimed batch of which nothing can have left, its members given the newest variants in place of their own,
        and by variant why nothing may be shown of it any more. In the transaction of its intent."""

    def intend(
        self,
        batch: Batch,
        *,
        now: datetime,
        payload_hash: str,
        skipped: frozenset[int],
        account: str = "",
        letterhead: int = 0,
        why: Mapping[int, str] | None = None,
    ) -> Batch | None:
        """Commit the intent: submitting, attempt + 1. None when the fence moved on. `why` says of each position that is
        skipped for what reason; None leaves what was said before. Of `account`, the mailer's, that of the first
        intent is kept: what was handed over is known to that one alone."""

    def lock(self, batch: Batch) -> None:
        """Until this transaction ends nobody else changes a batch in hand. Said before another one is claimed, when
        the answer to this one is settled in the same transaction."""

    def settle(self, batch: Batch, results: Sequence[Result], *, now: datetime, next_at: datetime) -> bool:
        """Record an answer. Accepted and rejected stay; deferred and unknown letters move to child batches
        (the deferred ones to one for each `Result.group`, with the parent's attempt count).
        False when the fence moved on."""

    def back(self, batch: Batch, *, next_at: datetime, error: str) -> bool:
        """Proved not sent: ready again, or unknown again when an earlier attempt is unknown."""

    def unknown(self, batch: Batch, *, now: datetime, next_at: datetime, error: str) -> bool: ...

    def hold(self, batch: Batch, *, error: str) -> bool:
        """Unknown, and nothing but a person can decide."""

    def doubted(self, mailer: str, *, before: datetime, own_key: bool) -> tuple[datetime, int] | None:
        """When a batch of this mailer that is in doubt was last handed over, as late as it can have been, and its id:
        the last such time before the given one. With `own_key`, only batches handed over under the key they have."""

    def witness(self, mailer: str, after: datetime, *, than: int = 0) -> str:
        """The key of a batch that this mailer accepted and that was first handed over after that time, or else of a
        witness (a notice) made after it; "" when there is none. With `than`, the id of a batch, also later than that
        one, whatever the clock said, and, if it is a batch, handed to the same account of the mailer."""

    def agree(self, terms: Sequence[Terms]) -> None:
        """Make the rows agree with the settings. What was said of a mailer that is gone still counts for the
        batches it left."""

    def tell_rate(self, mailer: str, rate: float) -> None:
        """What the mailer itself says of how many messages it takes in a second, which holds where the settings say
        nothing; 0 for no limit."""

    def largest(self, mailer: str) -> int:
        """Messages in the largest batch that its limits can ever grant; 0 for any."""

    def waits(self, mailer: str, now: datetime) -> datetime | None:
        """When there will be tokens for the batch that could not be claimed for lack of them."""

    def take_again(self, batch: Batch, now: datetime) -> datetime | None:
        """Take the tokens for one more call with an unknown batch, which was just claimed; when they will be there, if
        they are not. They are those of the rate: a day counts it once, and does not put it off."""

    def slow(self, mailer: str, now: datetime) -> None:
        """It asked us to: half the rate, unless somebody has just been told the same. It recovers by itself."""

    def circuit(self, mailer: str) -> Circuit:
        """How it stands. Within a transaction nobody else changes that until it ends."""

    def circuits(self) -> tuple[Circuit, ...]:
        """Of every mailer in the settings."""

    def put_circuit(self, circuit: Circuit) -> None: ...

    def block(self, mailer: str, *, until: datetime, reason: str) -> None:
        """Let nobody claim for this mailer until then."""

    def blocked(self, now: datetime) -> Mapping[str, tuple[datetime, str]]:
        """Mailers that are blocked now: until when, and why."""

    def sweep(self, now: datetime) -> int:
        """Leases that ended: before the intent ready again, after it unknown. What came back to a cancelled
        edition is cancelled. How many were changed."""

    def prove(self, now: datetime) -> int:
        """Settle the letters of held batches of which an event has told since: they were accepted. The others of such a
        batch stay held, in one of their own. How many were settled."""

    def cancel(self, edition: int) -> int:
        """Cancel the batches of which nothing can have left. How many recipients these have. The unknown ones are
        still looked up, and not handed over again."""

    def in_hand(self, edition: int) -> int:
        """Recipients of batches that workers hold, and of those in doubt, also held ones of the last two hours, whose
        calls may still arrive: at most so many messages can leave after "stop"."""

    def resolve(self, edition: int, *, accepted: bool, now: datetime) -> int:
        """A person's word about the held batches of an edition: they were sent, or they are to be sent again
        (counted as possible duplicates). Whom an event tells of is accepted, whatever the person says. How many
        recipients the person decided about."""

    def doubts(self, edition: int) -> Iterator[Doubt]:
        """Every reader of the held batches of an edition, without holding them all in memory."""

    def held(self) -> Mapping[str, int]:
        """How many readers are held of each edition, by its key, the newest first; only where there are any."""

    def possible_duplicates(self, edition: int) -> int:
        """To how many readers at most an edition may go twice, because a person said to mail them again."""

    def rejections(self, edition: int) -> tuple[Rejection, ...]:
        """Recipients of an edition who are rejected as things stand: not those who are being tried again."""

    def retry(self, rejections: Sequence[Rejection], *, now: datetime) -> int:
        """Move rejected letters to child batches that are ready, with keys derived from their parents', unless somebody
        has done so. How many."""

    def open(self, edition: int) -> int:
        """How many batches are not in a final state."""

    def sums(self, edition: int) -> Sums: ...

    def skips(self, edition: int) -> Mapping[str, int]:
        """How many readers were skipped when their turn came, by why; "" where that was not kept."""

    def carried(self, edition: int) -> Mapping[str, int]:
        """How many letters each mailer accepted."""

    def first_wave(self, edition: int) -> Wave | None:
        """How the first wave of an edition that is being sent fares; None when nothing waits for it (any more)."""

    def trace(self, subscriber: int) -> tuple[tuple[str, str, str], ...]:
        """What became of each edition for one reader: (edition key, outcome, detail). The detail names the mailer
        when it was not the edition's own."""

    def history(self, subscriber: int) -> tuple[Delivery, ...]:
        """Everything that is known about one reader's editions, the newest first."""


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

    def reader(self, key: str, position: int) -> str | None:
        """The address of whose letter is at that position of a batch; "" when they are gone, None when the ledger has
        no such letter."""

    def handed_over(self, subscriber: int, mailer: str, since: datetime) -> tuple[HandedOver, ...]:
        """The letters to one reader that a mailer was handed since then, the oldest first."""

    def positions(self, key: str) -> frozenset[int]:
        """Letters of a batch of which an event tells: they were accepted. Those of the batches it was split from
        count too."""

    def arrived(self, batch: int) -> frozenset[int]:
        """Letters of the batch with that id of which a merged event tells that their readers have them, or will: they
        were in a batch that it was split from."""

    def witness(self, mailer: str, after: datetime, *, than: int = 0) -> str:
        """The key of a batch first handed to the mailer after that time, or of a witness (a notice) made after it, of
        which an event was merged, or "": only where there is one does it mean anything that there are none of an
        earlier batch. With `than`, the id of a batch, also later than that one, whatever the clock said."""

    def heard(self, mailer: str, after: datetime, before: datetime, kind: EventKind | None = None) -> bool:
        """Whether an event of this mailer was kept in that time: somebody was there to hear it. With a kind, one of
        that kind."""

    def forget(self, before: datetime) -> int:
        """Delete merged events that were kept before that time. How many."""
