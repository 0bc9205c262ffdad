"""The whole machine: a ledger, two workers, a sweeper, the network, a provider, and what can go wrong with each.

A state says where everybody stands; `steps` gives every state that may come next. A worker may crash anywhere, or
freeze (the others simply go on) and wake after its lease was swept. A call may arrive late, after its worker gave
up or died, or never; its answer may be lost. What else people do (pause, decide about the held) is left out: to the
model, held is an end.

Three statements about time cannot be proved. They are assumed, each where it is used:
- the window of a look-up (`look_up_lag`) is longer than a call can be under way, frozen worker included;
- a provider forgets a key later than we stop using it, by more than a call can be under way;
- a provider that shows a later batch, or a notice, shows everything that it took before that one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.protocol import ledger
from tests.protocol.gaps import Gap
from tests.protocol.ledger import (
    BOTH,
    CLAIMED,
    FIRST,
    HELD,
    NOTHING,
    OLD,
    OPEN,
    RESOLVING,
    SECOND,
    SUBMITTING,
    UNKNOWN,
    UNTRIED,
    YOUNG,
    Answer,
    Batch,
    Batches,
)
from tests.protocol.provider import ERROR, LATER, SECOND_MAILER, TIMEOUT, Guarantee, Provider, reactions, shows

#: How often a letter is put off before it is given up. `deliver.rules` has more patience.
ATTEMPTS = 2

IDLE, HOLDS, INTENDED, CALLS, ANSWERED = "idle", "holds", "intended", "calls", "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is explored: what the provider offers, the guard that is missing, whether the second reader may leave on
    the way, how a second mailer takes over, whether no later batch comes and a notice to ourselves is the witness,
    whether an editor may cancel the edition; and where exploring stops, in claims and crashes altogether and in
    batches."""

    guarantee: Guarantee
    gap: Gap = Gap.NO
    leaver: bool = False
    fickle: bool = False
    second: str = ""  # not at all, "whole", or in "parts" where it takes one letter a call
    notices: bool = False
    cancels: bool = False
    claims: int = 3
    crashes: int = 1
    batches: int = 3


class Worker(NamedTuple):
    """What it is doing, and the batch as it knows it."""

    step: str = IDLE
    at: int = -1
    held: Batch = Batch()
    answer: Answer = Answer()


class State(NamedTuple):
    """`strays` are calls, as (key, letters), for which nobody waits any more. `unclear` are letters whose call ended
    without a word about them: all that may ever be held. `wrong` names a promise that a step has just broken."""

    batches: Batches = (Batch(),)
    workers: tuple[Worker, Worker] = (Worker(), Worker())
    strays: tuple[tuple[int, int], ...] = ()
    provider: Provider = Provider()
    left: int = 0
    crashes: int = 0
    unclear: int = 0
    cancelled: bool = False
    wrong: str = ""


class Act(NamedTuple):
    """A step in words, and who did it to which batch."""

    verb: str
    worker: int = -1
    at: int = -1

    def __str__(self) -> str:
        who = f"worker {self.worker + 1} " if self.worker >= 0 else ""
        return f"{who}{self.verb}" + (f" [batch {self.at}]" if self.at >= 0 else "")


Steps = Iterator[tuple[Act, State]]


def steps(world: World, state: State) -> Steps:
    for number, worker in enumerate(state.workers):
        if worker.step == IDLE:
            yield from _claims(world, state, number)
            continue
        yield from _WORK[worker.step](world, state, number, worker)
        if state.crashes < world.crashes:
            strays = _astray(world, state, worker) if worker.step == CALLS else state.strays
            crashed = state._replace(crashes=state.crashes + 1, strays=strays)
            yield Act("crashes", number, worker.at), _idle(crashed, number)
    yield from _lease_ends(world, state)
    yield from _network(world, state)
    yield from _time(world, state)
    yield from _editor(world, state)


# ---------------------------------------------------------------- a worker


def _claims(world: World, state: State, number: int) -> Steps:
    if sum(batch.fence for batch in state.batches) >= world.claims:
        return
    for at in range(len(state.batches)):
        if state.cancelled and state.batches[at].state != UNKNOWN:
            continue
        batches = ledger.claim(state.batches, at)
        if batches is not None:
            worker = Worker(HOLDS, at, batches[at])
            yield Act("claims", number, at), _works(state._replace(batches=batches), number, worker)
        if (
            world.second
            and not state.cancelled
            and (taken := ledger.take_over(state.batches, at, parts=world.second == "parts", gap=world.gap))
        ):
            batches, place = taken
            worker = Worker(HOLDS, place, batches[place])
            yield Act("takes over", number, at), _works(state._replace(batches=batches), number, worker)


def _holds(world: World, state: State, number: int, worker: Worker) -> Steps:
    """As `deliver.drain._deliver`. It decides by the batch as it was claimed, however long ago that is."""
    held, at = worker.held, worker.at
    if _tired(world, held):
        yield Act("gives it up", number, at), _ends(world, state, number, Answer("told", rejected=held.remaining))
    elif may_repeat(world, held) and not _ended(world, state, held):
        yield from _intends(world, state, number, worker)
    elif askable(world, held):
        looked = worker._replace(step=ANSWERED, answer=look(world, state, at, held))
        yield Act("looks it up", number, at), _works(state, number, looked)
    else:
        yield Act("holds it for a person", number, at), _keeps(world, state, number, HELD)


def _tired(world: World, held: Batch) -> bool:
    if world.gap is Gap.GIVEN_UP_IN_DOUBT:
        return held.attempt >= ATTEMPTS
    return held.state == CLAIMED and held.deferrals >= ATTEMPTS


def may_repeat(world: World, held: Batch) -> bool:
    """As `deliver.rules.may_repeat`."""
    if held.state != RESOLVING or world.guarantee is Guarantee.MESSAGE_ID or world.gap is Gap.REPEATED_IN_DOUBT:
        return True
    if world.guarantee is not Guarantee.KEY:
        return False
    under_key = held.payload != NOTHING or world.gap is Gap.KEY_NEVER_USED
    return under_key and (held.age == YOUNG or world.gap is Gap.KEY_TOO_OLD)


def _ended(world: World, state: State, held: Batch) -> bool:
    """As `deliver.drain._may_repeat`: of a cancelled edition nothing is handed over again."""
    return state.cancelled and held.state == RESOLVING and world.gap is not Gap.CANCELLED_AGAIN


def _intends(world: World, state: State, number: int, worker: Worker) -> Steps:
    """One transaction: who has left is skipped, unless the bytes are frozen; then the intent is committed."""
    held, at = worker.held, worker.at
    frozen = held.age != UNTRIED and world.gap is not Gap.BYTES_IN_DOUBT
    skipped = held.skipped if frozen else held.letters & state.left
    payload = held.letters & ~skipped
    if world.gap is Gap.INTENT:
        unintended = Worker(INTENDED, at, held._replace(payload=payload))
        yield Act("commits no intent", number, at), _works(state, number, unintended)
        return
    batches = ledger.intend(state.batches, at, held, payload=payload, skipped=skipped, gap=world.gap)
    if batches is None or (state.cancelled and world.gap is not Gap.CANCELLED_INTENT):
        yield Act("has lost its claim", number, at), _idle(state, number)
        return
    if payload & state.left and not state.batches[at].doubt:
        state = state._replace(wrong="mailed after leaving")
    if state.cancelled:
        state = state._replace(wrong="handed over after the edition was cancelled")
    intended = Worker(INTENDED, at, batches[at]._replace(second=held.second))  # it works for its own mailer
    yield Act("commits the intent", number, at), _works(_written(state, batches), number, intended)


def _intended(world: World, state: State, number: int, worker: Worker) -> Steps:
    if not worker.held.payload:
        yield Act("finds nobody left to mail", number, worker.at), _ends(world, state, number, Answer("told"))
        return
    yield Act("calls", number, worker.at), _works(state, number, worker._replace(step=CALLS))
    yield Act("has too little of its lease left to call", number, worker.at), _ends(world, state, number, LATER)


def _calls(world: World, state: State, number: int, worker: Worker) -> Steps:
    """It stops waiting; the call may still arrive."""
    alone = state._replace(strays=_astray(world, state, worker))
    yield Act("times out", number, worker.at), _ends(world, alone, number, TIMEOUT)


def _answered(world: World, state: State, number: int, worker: Worker) -> Steps:
    held, at, answer = worker.held, worker.at, worker.answer
    known = answer.accepted | sum(answer.deferred)
    if answer.kind != "shown" or known == held.remaining:
        yield Act(f"writes down what it heard ({answer.kind})", number, at), _ends(world, state, number, answer)
        return
    # As `deliver.drain._reconcile`: until everything is known it stays whole, but not for ever.
    yield Act("cannot tell yet", number, at), _keeps(world, state, number, UNKNOWN)
    if known:
        yield Act("has looked for long enough, and parts it", number, at), _ends(world, state, number, answer)
    else:
        yield Act("has looked for long enough, and holds it", number, at), _keeps(world, state, number, HELD)


_WORK = {HOLDS: _holds, INTENDED: _intended, CALLS: _calls, ANSWERED: _answered}


def _ends(world: World, state: State, number: int, answer: Answer) -> State:
    """A call or a look-up is over: write down what it came to, if the claim still stands."""
    worker = state.workers[number]
    batches = conclude(world, state.batches, worker.at, worker.held, answer)
    if batches is not None:
        state = state._replace(batches=batches, unclear=state.unclear | _silent(worker.held, answer))
    return _idle(state, number)


def _keeps(world: World, state: State, number: int, doubtful: str) -> State:
    """The batch stays in doubt: to be looked up again, or held for a person."""
    worker = state.workers[number]
    batches = ledger.unknown(state.batches, worker.at, worker.held, gap=world.gap, state=doubtful)
    return _idle(_written(state, batches), number)


def conclude(world: World, batches: Batches, at: int, held: Batch, answer: Answer) -> Batches | None:
    """As `deliver.drain._submit`: the change of the ledger that an answer asks for."""
    gap, answer = world.gap, _misread(world.gap, held, answer)
    if answer.kind in ("told", "shown"):
        return ledger.settle(batches, at, held, answer, gap=gap)
    if answer.kind == "later":
        return ledger.back(batches, at, held, gap=gap)
    if answer.kind == "refused" and (not held.doubt or gap is Gap.DEFERRED_IN_DOUBT):
        return ledger.settle(batches, at, held, halves(held.payload), gap=gap)
    return ledger.unknown(batches, at, held, gap=gap, state=HELD if answer.kind == "refused" else UNKNOWN)


def _misread(gap: Gap, held: Batch, answer: Answer) -> Answer:
    """What a worker takes an answer for that lacks the guard."""
    if answer in (ERROR, TIMEOUT) and gap is Gap.LOST_IS_FAILED:
        return Answer("told", rejected=held.payload)
    if (answer == TIMEOUT and gap is Gap.TIMEOUT) or (answer == ERROR and gap is Gap.SERVER_ERROR):
        return LATER
    return ERROR if answer == LATER and gap is Gap.LATER_IS_UNKNOWN else answer


def halves(letters: int) -> Answer:
    """As `deliver.rules.halves`: a call refused as a whole is tried in two; one letter alone is rejected."""
    return (
        Answer("told", deferred=(FIRST, SECOND), counts=False) if letters == BOTH else Answer("told", rejected=letters)
    )


def _silent(held: Batch, answer: Answer) -> int:
    """The letters of a call about which nothing was said."""
    if answer in (ERROR, TIMEOUT):
        return held.payload
    if answer.kind == "told":
        return held.payload & ~answer.accepted & ~answer.rejected & ~sum(answer.deferred)
    return 0


# ---------------------------------------------------------------- looking it up


def askable(world: World, held: Batch) -> bool:
    """As `deliver.reconcile.askable`: a search finds nothing of a child under whose key nothing was handed over;
    events are found through the batch that it came from."""
    own_key = held.payload != NOTHING or world.gap is Gap.LOOK_UP_BY_CHILD
    return world.guarantee is Guarantee.EVENTS or (world.guarantee is Guarantee.SEARCH and own_key)


def look(world: World, state: State, at: int, held: Batch) -> Answer:
    """What is shown was accepted. What is not shown was not sent only when no call with it can be under way any more
    (the window) and a later batch, or a later notice, is shown (the witness)."""
    shown = state.provider.shown & state.provider.of(second=held.second) & held.remaining
    if world.gap is Gap.LOOK_UP_BY_CHILD and held.payload == NOTHING:
        shown = 0
    witness = state.batches[at].witness
    seen = not witness & ~state.provider.shown or world.gap is Gap.UNSEEN_NOTICE
    witnessed = witness != NOTHING and seen
    believed = quiet(world, state, held.letters) and (witnessed or world.gap is Gap.NO_WITNESS)
    absent = held.remaining & ~shown if believed else 0
    return Answer("shown", accepted=shown, deferred=(absent,) if absent else ())


def quiet(world: World, state: State, letters: int) -> bool:
    """No call with one of those letters can be under way: the window of a look-up has passed."""
    if world.gap is Gap.NO_WINDOW:
        return True
    to_come = (worker.held.payload for worker in state.workers if worker.step in (INTENDED, CALLS))
    return not any(payload & letters for payload in (*to_come, *(payload for _, payload in state.strays)))


# ---------------------------------------------------------------- the sweeper, the network, time


def _lease_ends(world: World, state: State) -> Steps:
    for at, batch in enumerate(state.batches):
        batches = ledger.sweep(state.batches, at, gap=world.gap)
        if batches is not None:
            unclear = state.unclear | batch.payload if batch.state == SUBMITTING else state.unclear
            yield Act("the lease ends", at=at), state._replace(batches=batches, unclear=unclear)


def _network(world: World, state: State) -> Steps:
    for number, worker in enumerate(state.workers):
        if worker.step == CALLS:
            call = _call(world, worker)
            for words, provider, answer in reactions(state.provider, world.guarantee, *call, fickle=world.fickle):
                answered = worker._replace(step=ANSWERED, answer=answer)
                after = _works(state._replace(provider=provider), number, answered)
                yield Act(f"the provider {words}", at=worker.at), after
    for position, call in enumerate(state.strays):
        strays = state.strays[:position] + state.strays[position + 1 :]
        yield Act("a late call never arrives"), state._replace(strays=strays)
        for words, provider, _ in reactions(state.provider, world.guarantee, *call, fickle=world.fickle):
            if provider != state.provider:
                yield (
                    Act(f"a call arrives late: the provider {words}"),
                    state._replace(strays=strays, provider=provider),
                )


def _time(world: World, state: State) -> Steps:
    if world.leaver and not state.left:
        yield Act("the second reader leaves"), state._replace(left=SECOND)
    for provider in shows(state.provider, world.guarantee):
        yield Act("the provider shows what it took"), state._replace(provider=provider)
    for at, batch in enumerate(state.batches):
        if world.guarantee.shows and batch.state in (UNKNOWN, RESOLVING) and batch.witness == NOTHING:
            yield from (_notice if world.notices else _witness)(world, state, at, batch)
        if world.guarantee is Guarantee.KEY and batch.state in OPEN:
            yield from _ages(world, state, at, batch)


def _witness(world: World, state: State, at: int, batch: Batch) -> Steps:
    """A later batch is accepted, one that was handed over when the window of this one had passed."""
    if quiet(world, state, batch.letters) or world.gap is Gap.EARLY_WITNESS:
        hidden = state.provider.once & ~state.provider.shown & batch.letters
        batches = ledger.put(state.batches, at, batch._replace(witness=hidden))
        yield Act("a later batch is accepted", at=at), _written(state, batches)


def _notice(world: World, state: State, at: int, batch: Batch) -> Steps:
    """No later batch comes. A notice is made when the window has passed, and taken at any time after that, or never."""
    if batch.notice:
        hidden = state.provider.once & ~state.provider.shown & batch.letters
        batches = ledger.put(state.batches, at, batch._replace(witness=hidden))
        yield Act("the notice is taken", at=at), _written(state, batches)
    elif quiet(world, state, batch.letters) or world.gap is Gap.EARLY_NOTICE:
        batches = ledger.put(state.batches, at, batch._replace(notice=True))
        yield Act("a notice is made", at=at), _written(state, batches)


def _ages(world: World, state: State, at: int, batch: Batch) -> Steps:
    """Our limit passes; later, when no call that was decided before can be under way, the provider forgets."""
    if batch.age == YOUNG:
        batches = ledger.put(state.batches, at, batch._replace(age=OLD))
        yield Act("its key is not to be used any more", at=at), _written(state, batches)
        return
    trusting = any(w.step == HOLDS and w.at == at and w.held.age == YOUNG for w in state.workers)
    key = batch.key + (SECOND_MAILER if batch.second else 0)
    if state.provider.knows(key) and quiet(world, state, batch.letters) and not trusting:
        yield Act("the provider forgets its key", at=at), state._replace(provider=state.provider.forget(key))


def _editor(world: World, state: State) -> Steps:
    """The edition is stopped first; its batches follow, one by one, by the editor or by a sweep."""
    if world.cancels and not state.cancelled:
        yield Act("the edition is cancelled"), state._replace(cancelled=True)
    for at in range(len(state.batches) if state.cancelled else 0):
        if (batches := ledger.cancel(state.batches, at, gap=world.gap)) is not None:
            yield Act("is cancelled with its edition", at=at), state._replace(batches=batches)


# ---------------------------------------------------------------- small changes of a state


def _written(state: State, batches: Batches | None) -> State:
    return state if batches is None else state._replace(batches=batches)


def _works(state: State, number: int, worker: Worker) -> State:
    one, other = state.workers
    return state._replace(workers=(worker, other) if number == 0 else (one, worker))


def _idle(state: State, number: int) -> State:
    return _works(state, number, Worker())


def _call(world: World, worker: Worker) -> tuple[int, int]:
    """What travels: the key and the letters."""
    attempt = worker.held.attempt if world.gap is Gap.KEY_PER_ATTEMPT else 0
    mailer = SECOND_MAILER if worker.held.second else 0
    return worker.held.key + 10 * attempt + mailer, worker.held.payload


def _astray(world: World, state: State, worker: Worker) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((*state.strays, _call(world, worker))))
