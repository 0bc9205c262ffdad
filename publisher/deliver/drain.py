"""Claim, intend, submit, settle: one batch after the other until none is due.

The order is the proof. A claim is a conditional update that raises the fence. The intent, with the hash of the
exact bytes, is committed before the call. Whatever cannot be told apart afterwards is unknown, never "failed".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from publisher.deliver import breaker, reconcile
from publisher.deliver.letters import letterhead, mailing
from publisher.deliver.rules import ATTEMPTS, backoff, give_up, halves, may_repeat, skips, without
from publisher.errors import MailerMisconfigured, OutcomeUnknown, Refused, TryLater
from publisher.model import (
    Batch,
    BatchState,
    Edition,
    Letter,
    Letterhead,
    Mailing,
    Newsletter,
    Outcome,
    Prepared,
    Result,
    Site,
)
from publisher.ports import Clock, Keys, Mailer, Store

#: How long a drain waits for tokens, in seconds; for longer it is called again.
PATIENCE = 30.0
#: How long before a provider is asked once more about a batch that it could not tell about.
LOOK_AGAIN = timedelta(minutes=5)


@dataclass(slots=True)
class Tally:
    """What one drain did, in recipients by outcome, and which editions it touched."""

    batches: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    skipped: int = 0
    editions: set[int] = field(default_factory=set)
    misconfigured: str = ""

    def add(self, results: tuple[Result, ...]) -> None:
        for outcome, count in Counter(result.outcome for result in results).items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a drain works with."""

    store: Store
    mailer: Mailer
    newsletters: Mapping[str, Newsletter]
    site: Site
    keys: Keys
    clock: Clock
    owner: str

    @property
    def lease(self) -> timedelta:
        """Twice the longest call and some more, so that a lease ends only under a worker that hangs."""
        return 2 * self.mailer.capability.timeout + timedelta(seconds=10)


def drain(
    store: Store,
    mailer: Mailer,
    newsletters: Mapping[str, Newsletter],
    *,
    site: Site,
    keys: Keys,
    clock: Clock,
    owner: str,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Deliver every batch that is due for this mailer. Returns when none is, when the process is asked to
    stop, or when the mailer wants to be left alone. `progress` is told the recipients of each finished batch."""
    desk = Desk(store=store, mailer=mailer, newsletters=newsletters, site=site, keys=keys, clock=clock, owner=owner)
    tally = Tally()
    while not clock.wait(0):
        deadline = clock.monotonic() + desk.lease.total_seconds()
        batch = store.outbox.claim(mailer.name, owner, now=clock.now(), lease=desk.lease)
        if batch is None and _tokens_soon(desk):
            continue
        if batch is None:
            break
        tally.batches += 1
        tally.editions.add(batch.edition)
        if not _deliver(desk, batch, deadline, tally):
            break
        if progress:
            progress(batch.size)
    return tally


def _tokens_soon(desk: Desk) -> bool:
    """Wait until the limits grant the next batch, which nobody holds meanwhile; False when that takes too long."""
    now = desk.clock.now()
    until = desk.store.outbox.waits(desk.mailer.name, now)
    if until is None or (seconds := (until - now).total_seconds()) > PATIENCE:
        return False
    return not desk.clock.wait(seconds)


def _deliver(desk: Desk, batch: Batch, deadline: float, tally: Tally) -> bool:
    """One attempt on one batch. Every way out leaves a row from which sweep and claim make progress.
    False when the mailer is to be left alone for now."""
    outbox, now = desk.store.outbox, desk.clock.now()
    if batch.state is BatchState.RESOLVING and not may_repeat(batch, desk.mailer.capability, now):
        return _reconcile(desk, batch, tally)
    if batch.deferrals >= ATTEMPTS and batch.state is BatchState.CLAIMED:
        _settle(desk, batch, give_up(batch), tally)
        return True
    intended = _intend(desk, batch, tally)
    if intended is None:
        return True
    batch, prepared = intended
    if not prepared.letters:
        if batch.unknown_since is not None:
            outbox.hold(batch, error="nothing tells whether it was sent, and its readers were erased")
        else:
            _settle(desk, batch, (), tally)
        return True
    if desk.clock.monotonic() > deadline - desk.mailer.capability.timeout.total_seconds():
        next_at = desk.clock.now() + backoff(batch.attempt)
        outbox.back(batch, next_at=next_at, error="too little of the lease was left for a call")
        return True
    return _submit(desk, batch, prepared, tally)


def _reconcile(desk: Desk, batch: Batch, tally: Tally) -> bool:
    """Find out what became of a batch whose answer was lost, without handing it over again."""
    able, outbox, now = desk.mailer.capability, desk.store.outbox, desk.clock.now()
    why = f"nothing tells whether it was sent: {batch.last_error}"
    try:
        results = _evidence(desk, batch, now)
    except (TryLater, MailerMisconfigured) as error:
        outbox.unknown(batch, now=now, next_at=now + LOOK_AGAIN, error=str(error))
        tally.misconfigured = str(error) if isinstance(error, MailerMisconfigured) else tally.misconfigured
        return True
    if reconcile.known(results):
        _settle(desk, batch, results, tally)
    elif reconcile.askable(batch, able) and not reconcile.given_up(batch, now):
        outbox.unknown(batch, now=now, next_at=now + LOOK_AGAIN, error=why)
    elif any(result.outcome is Outcome.ACCEPTED for result in results):
        _settle(desk, batch, results, tally)  # the rest becomes a batch of its own, and is held
    else:
        outbox.hold(batch, error=why)
    return True


def _evidence(desk: Desk, batch: Batch, now: datetime) -> tuple[Result, ...]:
    """What events and, where there is one, the provider's search tell of each letter."""
    store, able = desk.store, desk.mailer.capability
    # A call of ours may still be under way for as long as a call may take: a witness from that time proves nothing.
    over = reconcile.last(batch) + able.timeout
    witnessed = bool(store.events.witness(desk.mailer.name, over))
    seen = store.events.positions(batch.key)
    results = reconcile.by_events(batch, seen, witnessed=witnessed, capability=able, now=now)
    if able.evidence != "search" or reconcile.known(results) or not reconcile.askable(batch, able):
        return results
    _, made, _ = _made(desk, store, batch)
    asked = reconcile.question(batch, made.letters, store.outbox.witness(desk.mailer.name, over))
    return reconcile.together(results, desk.mailer.look_up(asked, now=now))


def _made(desk: Desk, store: Store, batch: Batch) -> tuple[int, Mailing, frozenset[int]]:
    """The batch as its mailer sees it, with the place of its letterhead and who is skipped."""
    edition = store.editions.by_id(batch.edition)
    at, head = _letterhead(desk, store, edition, batch)
    people = store.audience.recipients(edition.newsletter, [subscriber for subscriber, _ in batch.members])
    skipped = skips(batch, people)
    wanted = {run.variant for run in batch.runs}
    variants = {variant.id: variant.rendered for variant in store.editions.variants(edition.id, among=wanted)}
    made = mailing(batch, edition, head, people=people, skipped=skipped, variants=variants, keys=desk.keys)
    return at, made, skipped


def _intend(desk: Desk, batch: Batch, tally: Tally) -> tuple[Batch, Prepared] | None:
    """Look at every recipient once more, make the bytes, and commit the intent, in one transaction."""
    with desk.store.transaction() as store:
        at, made, skipped = _made(desk, store, batch)
        prepared = _prepared(desk, store, batch, made, tally)
        if prepared is None:
            return None
        if batch.payload_hash and batch.payload_hash != prepared.digest:
            store.outbox.hold(batch, error="the same bytes cannot be made again: a reader or the mailer changed")
            return None
        intended = store.outbox.intend(
            batch, now=desk.clock.now(), payload_hash=prepared.digest, skipped=skipped, letterhead=at
        )
    if intended is None:
        return None
    if batch.first_intent_at is None:
        tally.skipped += len(skipped)
    return intended, prepared


def _letterhead(desk: Desk, store: Store, edition: Edition, batch: Batch) -> tuple[int, Letterhead]:
    """What may have left keeps the letterhead it left with; anything else has that of the settings of today, or
    the last one when the newsletter is not there any more. Its place among the edition's, and the letterhead."""
    there, newsletter = edition.letterheads, desk.newsletters.get(edition.newsletter)
    if batch.first_intent_at is not None:
        return batch.letterhead, there[batch.letterhead]
    if newsletter is None:
        return len(there) - 1, there[-1]
    head = letterhead(newsletter, desk.site)
    at = there.index(head) if head in there else store.editions.add_letterhead(edition.id, head)
    return at, head


def _prepared(desk: Desk, store: Store, batch: Batch, made: Mailing, tally: Tally) -> Prepared | None:
    """None when the bytes cannot be made; those whose letters are to blame are then refused, the rest put off."""
    try:
        return desk.mailer.prepare(made)
    except ValueError as error:
        if batch.state is BatchState.RESOLVING:
            store.outbox.hold(batch, error=f"the same bytes cannot be made again: {error}")
            return None
        results = without(batch, {letter.position: _fault(desk.mailer, made, letter) for letter in made.letters})
        if all(result.outcome is Outcome.DEFERRED for result in results):
            tally.misconfigured = f"letters cannot be made: {error}"
        now = desk.clock.now()
        if store.outbox.settle(batch, results, now=now, next_at=now + backoff(batch.deferrals)):
            tally.add(results)
        return None


def _fault(mailer: Mailer, made: Mailing, letter: Letter) -> str:
    """Why this letter cannot be made, or ""."""
    try:
        mailer.prepare(replace(made, letters=(letter,)))
    except ValueError as error:
        return str(error)
    return ""


def _submit(desk: Desk, batch: Batch, prepared: Prepared, tally: Tally) -> bool:
    outbox, clock = desk.store.outbox, desk.clock
    next_at = clock.now() + backoff(batch.attempt)
    try:
        results = desk.mailer.submit(prepared)
    except TryLater as error:
        wait = error.retry_after or backoff(batch.attempt)
        outbox.back(batch, next_at=clock.now() + wait, error=str(error))
        breaker.note(desk.store, desk.mailer.name, error, wait=wait, now=clock.now())
        return False
    except MailerMisconfigured as error:
        outbox.back(batch, next_at=clock.now(), error=str(error))  # its mailer is left alone
        breaker.note(desk.store, desk.mailer.name, error, wait=timedelta(0), now=clock.now())
        tally.misconfigured = str(error)
        return False
    except OutcomeUnknown as error:
        outbox.unknown(batch, now=clock.now(), next_at=next_at, error=str(error))
        return not breaker.note(desk.store, desk.mailer.name, error, wait=timedelta(0), now=clock.now())
    except Refused as error:
        if batch.unknown_since is not None:  # it proves nothing about the attempt before
            outbox.hold(batch, error=f"an earlier attempt is unknown, and now: {error}")
            return True
        results = halves(tuple(letter.position for letter in prepared.letters), str(error))
        next_at = clock.now()
    _settle(desk, batch, results, tally, next_at=next_at)
    return True


def _settle(
    desk: Desk, batch: Batch, results: tuple[Result, ...], tally: Tally, *, next_at: datetime | None = None
) -> None:
    now = desk.clock.now()
    if desk.store.outbox.settle(batch, results, now=now, next_at=next_at or now):
        tally.add(results)
