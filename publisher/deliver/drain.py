"""Claim, intend, submit, settle: one batch after the other, in several hands at once, until none is due.

The order is the proof. A claim is a conditional update that raises the fence. The intent, with the hash of the
exact bytes, is committed before the call. Whatever cannot be told apart afterwards is unknown, never "failed".

While some hands wait for the mailer, another makes the next letters ready or writes down what became of the last: so
the connections are never idle for the ledger's sake. What can still leave after "stop" is what the hands hold.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher.deliver import breaker, making, reconcile
from publisher.deliver.desk import Answer, Desk, Tally
from publisher.deliver.rules import (
    ATTEMPTS,
    backoff,
    give_up,
    halves,
    may_repeat,
    refusals,
    takes_nothing,
    throttles,
    without,
)
from publisher.errors import MailerMisconfigured, OutcomeUnknown, Refused, TryLater
from publisher.model import (
    Batch,
    BatchState,
    CircuitState,
    EditionState,
    EventKind,
    Letter,
    Mailing,
    Newsletter,
    Outcome,
    Prepared,
    Result,
    Site,
)
from publisher.ports import Clock, Keys, Mailer, Store

#: How long a drain waits for tokens, or for a mailer that says when to come again, in seconds; for longer it is called
#: again, and also when the mailer asks to wait so often in a row.
PATIENCE, BUSY = 30.0, 5
#: How long before a provider is asked once more about a batch that it could not tell about.
LOOK_AGAIN = timedelta(minutes=5)
#: How the reason of a batch in doubt begins, before that for which it came into doubt.
UNTOLD = "nothing tells whether it was sent: "


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
    able = mailer.capability
    desk = Desk(
        store=store,
        mailer=mailer,
        newsletters=newsletters,
        site=site,
        keys=keys,
        clock=clock,
        owner=owner,
        calls=threading.Semaphore(able.calls),
    )
    try:
        if (rate := mailer.rate()) is not None:
            store.outbox.tell_rate(mailer.name, rate)
        return _by_hands(desk, able.in_hand, progress)
    finally:
        mailer.close()


def _by_hands(desk: Desk, hands: int, progress: Callable[[int], None] | None) -> Tally:
    """One batch at a time in each hand. What one of them raises is raised when all have finished theirs."""
    if hands == 1:
        return _hand(desk, progress)
    tally = Tally()
    with ThreadPoolExecutor(hands, thread_name_prefix="deliver") as pool:
        working = [pool.submit(_hand, desk, progress) for _ in range(hands)]
        try:
            for one in working:
                tally.join(one.result())
        finally:
            desk.over.set()
    return tally


def _hand(desk: Desk, progress: Callable[[int], None] | None) -> Tally:
    """One batch after the other until none is due."""
    tally, answer = Tally(), None
    try:
        while not (desk.over.is_set() or desk.clock.wait(0)):
            held = _next(desk, answer, tally)
            told, answer = answer, None
            if held is None and (told or _turn_soon(desk)):  # what was told may have made something due
                continue
            if held is None:
                break
            tally.batches += 1
            tally.editions.add(held.batch.edition)
            answer = _deliver(desk, held, tally)
            if progress:
                progress(held.batch.size)
    except BaseException:
        desk.over.set()
        raise
    finally:
        if answer is not None and not answer.written:
            _settle(desk, desk.store, answer, tally)
    return tally


def _turn_soon(desk: Desk) -> bool:
    """Wait until the limits grant the next batch, which nobody holds meanwhile, or until the mailer takes mail again;
    False when that takes too long."""
    now, name, outbox = desk.clock.now(), desk.mailer.name, desk.store.outbox
    blocked, _ = outbox.blocked(now).get(name, (None, ""))
    moments = [moment for moment in (blocked, outbox.waits(name, now)) if moment]
    if not moments or (seconds := (max(moments) - now).total_seconds()) > PATIENCE:
        return False
    return not desk.clock.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A claimed batch. `prepared` is what is to be handed over, its intent committed; None when nothing is. By
    `deadline`, of the monotonic clock, its lease ends."""

    batch: Batch
    deadline: float
    prepared: Prepared | None = None
    look_up: bool = False


def _next(desk: Desk, answer: Answer | None, tally: Tally) -> Held | None:
    """Claim a batch, commit its intent, and write down the answer to the one before, in one transaction: a commit
    takes as long as some letters do. None when no batch is due.

    An answer whose letters move to other batches is written down apart: so nobody locks two editions, and, its own
    batch locked before the claim, every worker takes its locks in one order (see `store`)."""
    if answer is not None and answer.moves:
        _settle(desk, desk.store, answer, tally)
        answer.written, answer = True, None
    with desk.store.transaction() as store:
        if answer is not None:
            store.outbox.lock(answer.batch)
        held, failed = _take(desk, store, tally)
        settled = answer is not None and _write(desk, store, answer)
    if answer is not None:
        answer.written = True
        if settled:
            tally.add(answer.results)
    if failed is not None:
        raise failed
    return held


def _take(desk: Desk, store: Store, tally: Tally) -> tuple[Held | None, Exception | None]:
    """The next batch, its intent written unless it must be looked up; or what went wrong while it was made."""
    now, deadline = desk.clock.now(), desk.clock.monotonic() + desk.lease.total_seconds()
    batch = store.outbox.claim(desk.mailer.name, desk.owner, now=now, lease=desk.lease)
    if batch is None:
        return None, None
    if batch.state is BatchState.RESOLVING and (held := _doubted(desk, store, batch, now, deadline)) is not None:
        return held, None
    if batch.deferrals >= ATTEMPTS and batch.state is BatchState.CLAIMED:
        _settle(desk, store, Answer(batch=batch, results=give_up(batch)), tally)
        return Held(batch=batch, deadline=deadline), None
    try:
        made = making.make(desk, store, batch)
    except Exception as error:
        # The claim stays until its lease ends: what no program can make keeps no other batch waiting.
        return None, error
    intended = _intend(desk, store, batch, made, tally)
    prepared = made.prepared if intended else None
    return Held(batch=intended or batch, deadline=deadline, prepared=prepared), None


def _doubted(desk: Desk, store: Store, batch: Batch, now: datetime, deadline: float) -> Held | None:
    """A batch whose answer was lost; None when it is to be handed over again at once."""
    if reconcile.elsewhere(batch, desk.mailer.account):
        why = f"it was handed to another account of {desk.mailer.name} than the settings name now"
        store.outbox.hold(batch, error=why)
        return Held(batch=batch, deadline=deadline)
    if not _may_repeat(desk, store, batch, now):
        return Held(batch=batch, deadline=deadline, look_up=True)
    if at := store.outbox.take_again(batch, now):
        store.outbox.unknown(batch, now=now, next_at=at, error=batch.last_error)
        return Held(batch=batch, deadline=deadline)
    return None


def _may_repeat(desk: Desk, store: Store, batch: Batch, now: datetime) -> bool:
    """Of an edition that was cancelled meanwhile nothing is handed over again: it is looked up, or held."""
    cancelled = store.editions.by_id(batch.edition).state is EditionState.CANCELLED
    return not cancelled and may_repeat(batch, desk.mailer.capability, now)


def _deliver(desk: Desk, held: Held, tally: Tally) -> Answer | None:
    """One attempt on one batch. Every way out leaves a row from which sweep and claim make progress, or an answer."""
    batch, outbox = held.batch, desk.store.outbox
    if held.look_up:
        return _reconcile(desk, batch, tally)
    if held.prepared is None:
        return None
    if held.prepared.letters:
        return _submit(desk, batch, held.prepared, held.deadline, tally)
    if batch.unknown_since is None:
        return Answer(batch=batch, results=())
    outbox.hold(batch, error="nothing tells whether it was sent, and its readers were erased")
    return None


def _reconcile(desk: Desk, batch: Batch, tally: Tally) -> Answer | None:
    """Find out what became of a batch whose answer was lost, without handing it over again."""
    able, outbox, now = desk.mailer.capability, desk.store.outbox, desk.clock.now()
    why = batch.last_error if batch.last_error.startswith(UNTOLD) else f"{UNTOLD}{batch.last_error}"
    try:
        results = _evidence(desk, batch, now)
    except (TryLater, MailerMisconfigured) as error:
        asked = error.retry_after if isinstance(error, TryLater) else None
        outbox.unknown(batch, now=now, next_at=now + max(asked or LOOK_AGAIN, LOOK_AGAIN), error=str(error))
        if asked:  # else the search alone fails, and mail may well be taken: with a key that may only send, for one
            breaker.note(desk.store, desk.mailer.name, error, wait=asked, now=now)
        tally.misconfigured = str(error) if isinstance(error, MailerMisconfigured) else tally.misconfigured
        return None
    if reconcile.known(results):
        return Answer(batch=batch, results=results)
    if reconcile.askable(batch, able) and not reconcile.given_up(batch, now):
        outbox.unknown(batch, now=now, next_at=now + LOOK_AGAIN, error=why)
    elif any(result.outcome is Outcome.ACCEPTED for result in results):
        return Answer(batch=batch, results=results)  # the rest becomes a batch of its own, and is held
    else:
        outbox.hold(batch, error=why)
    return None


def _evidence(desk: Desk, batch: Batch, now: datetime) -> tuple[Result, ...]:
    """What events and, where there is one, the provider's search tell of each letter."""
    store, able = desk.store, desk.mailer.capability
    # A call of ours may still be under way for as long as a call may take: a witness from that time proves nothing.
    over = reconcile.last(batch) + able.timeout
    witnessed = bool(store.events.witness(desk.mailer.name, over, than=batch.id))
    heard = _heard(desk, batch.intent_at or reconcile.last(batch))
    seen = store.events.positions(batch.key)
    results = reconcile.by_events(batch, seen, witnessed=witnessed and heard, capability=able, now=now)
    if able.evidence != "search" or reconcile.known(results) or not reconcile.askable(batch, able):
        return results
    letters = making.draft(desk, store, batch).mailing.letters
    witness = store.outbox.witness(desk.mailer.name, over, than=batch.id)
    asked = reconcile.question(batch, letters, witness)
    return reconcile.together(results, desk.mailer.look_up(asked, now=now))


def _heard(desk: Desk, handed_over: datetime) -> bool:
    """Whether silence about a call means anything: of what comes at once, and not only of deliveries, we are told."""
    heard, name, lag = desk.store.events.heard, desk.mailer.name, desk.mailer.capability.look_up_lag
    after, before = reconcile.due(handed_over, desk.mailer.capability)
    return heard(name, after, before) and heard(name, handed_over - lag, before, EventKind.ACCEPTED)


def _intend(desk: Desk, store: Store, batch: Batch, made: making.Made, tally: Tally) -> Batch | None:
    """None when nothing is to be handed over."""
    if made.prepared is None:
        _refuse(desk, store, batch, made, tally)
        return None
    if batch.payload_hash and batch.payload_hash != made.prepared.digest:
        store.outbox.hold(batch, error="the same bytes cannot be made again: a reader or the mailer changed")
        return None
    intended = store.outbox.intend(
        batch,
        now=desk.clock.now(),
        payload_hash=made.prepared.digest,
        skipped=made.skipped,
        account=desk.mailer.account,
        letterhead=made.letterhead,
        why=made.why,
    )
    if intended is not None and batch.first_intent_at is None:
        tally.skipped += len(made.skipped)
    return intended


def _refuse(desk: Desk, store: Store, batch: Batch, made: making.Made, tally: Tally) -> None:
    """Its bytes cannot be made: those whose letters are to blame are refused, the rest is put off."""
    if batch.state is BatchState.RESOLVING:
        store.outbox.hold(batch, error=f"the same bytes cannot be made again: {made.fault}")
        return
    faults = {letter.position: _fault(desk.mailer, made.mailing, letter) for letter in made.mailing.letters}
    results = without(batch, faults)
    if all(result.outcome is Outcome.DEFERRED for result in results):
        tally.misconfigured = f"letters cannot be made: {made.fault}"
    next_at = desk.clock.now() + backoff(batch.deferrals)
    _settle(desk, store, Answer(batch=batch, results=results, next_at=next_at), tally)


def _fault(mailer: Mailer, made: Mailing, letter: Letter) -> str:
    """Why this letter cannot be made, or ""."""
    try:
        mailer.prepare(replace(made, letters=(letter,)))
    except ValueError as error:
        return str(error)
    return ""


def _call(desk: Desk, prepared: Prepared, deadline: float) -> tuple[Result, ...] | None:
    """Hand a batch over when it is its turn; None when too little of its lease is left by then. What is larger than
    the mailer can take is Refused without asking it."""
    able = desk.mailer.capability
    if prepared.largest > able.batch_bytes:
        raise Refused(f"{prepared.largest:,} bytes are too large: {desk.mailer.name} takes {able.batch_bytes:,}")
    with desk.calls:
        if desk.clock.monotonic() > deadline - able.timeout.total_seconds():
            return None
        return desk.mailer.submit(prepared)


def _answered(desk: Desk, batch: Batch, results: tuple[Result, ...] | None) -> tuple[Result, ...] | None:
    """Raises TryLater when the mailer takes nothing. If it took others' letters since it last put this batch off, as
    its circuit tells, that is about these letters after all, and counts."""
    if not results or not takes_nothing(results):
        return results
    circuit = desk.store.outbox.circuit(desk.mailer.name)
    if batch.attempt <= breaker.PATIENCE or circuit.failures or circuit.state is not CircuitState.CLOSED:
        raise TryLater(results[0].detail or results[0].code, mailer=desk.mailer.name)
    return tuple(result._replace(shared=False) for result in results)


def _submit(desk: Desk, batch: Batch, prepared: Prepared, deadline: float, tally: Tally) -> Answer | None:
    """Sets `desk.over` when the mailer is to be left alone for now."""
    outbox, clock = desk.store.outbox, desk.clock
    next_at = clock.now() + backoff(batch.attempt)
    try:
        results = _answered(desk, batch, _call(desk, prepared, deadline))
    except TryLater as error:
        wait = error.retry_after or backoff(batch.attempt)
        outbox.back(batch, next_at=clock.now() + wait, error=str(error))
        breaker.note(desk.store, desk.mailer.name, error, wait=wait, now=clock.now())
        tally.busy += 1
        if not error.retry_after or wait.total_seconds() > PATIENCE or tally.busy > BUSY:
            desk.over.set()
        return None
    except MailerMisconfigured as error:
        outbox.back(batch, next_at=clock.now(), error=str(error))  # its mailer is left alone
        breaker.note(desk.store, desk.mailer.name, error, wait=timedelta(0), now=clock.now())
        tally.misconfigured = str(error)
        desk.over.set()
        return None
    except OutcomeUnknown as error:
        outbox.unknown(batch, now=clock.now(), next_at=next_at, error=str(error))
        if breaker.note(desk.store, desk.mailer.name, error, wait=timedelta(0), now=clock.now()):
            desk.over.set()
        return None
    except Refused as error:
        if batch.unknown_since is not None:  # it proves nothing about the attempt before
            outbox.hold(batch, error=f"an earlier attempt is unknown, and now: {error}")
            return None
        results = halves(tuple(letter.position for letter in prepared.letters), str(error))
        next_at = clock.now()
    if results is None:
        outbox.back(batch, next_at=next_at, error="too little of the lease was left for a call")
        return None
    tally.busy = 0
    if throttles(results):
        outbox.slow(desk.mailer.name, clock.now())
        next_at = clock.now() + backoff(batch.deferrals)
    told = refusals(batch, prepared.letters, results, clock.now())
    return Answer(batch=batch, results=results, told=told, next_at=next_at)


def _settle(desk: Desk, store: Store, answer: Answer, tally: Tally) -> None:
    if _write(desk, store, answer):
        tally.add(answer.results)


def _write(desk: Desk, store: Store, answer: Answer) -> bool:
    """False when the batch is not in this hand any more."""
    now = desk.clock.now()
    with store.transaction() as together:
        settled = together.outbox.settle(answer.batch, answer.results, now=now, next_at=answer.next_at or now)
        if settled and answer.told:
            together.events.keep(desk.mailer.name, answer.told, at=now)
    return settled
