"""The model and the real ledger, side by side: random walks through the model, each step done to the store as well.

Whatever changes in one of them without the other is found here.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from publisher.deliver import reconcile, rules
from publisher.model import Batch, Capability, Circuit, CircuitState, EditionState, Outcome, Result, Sums, Terms
from publisher.store import Database
from tests.contracts.ledger import sending
from tests.people import NOW, newsletter
from tests.protocol import ledger, model
from tests.protocol.gaps import Gap
from tests.protocol.ledger import CLAIMED, NOTHING, READY, UNKNOWN, UNTRIED, YOUNG, Answer
from tests.protocol.model import Act, State, Worker, World
from tests.protocol.provider import Guarantee

#: Steps for each guarantee, and how many at most before an edition is left for a new one.
STEPS, LONGEST = 1600, 30

#: Steps that soon end a walk are taken this much less often.
SELDOM = {
    "crashes": 0.1,
    "has too little of its lease left to call": 0.1,
    "its key is not to be used any more": 0.03,
    "the second reader leaves": 0.1,
    "the edition is cancelled": 0.01,
    "the lease ends": 0.05,
}

#: What must have happened in the walks of each guarantee, or they prove little.
CLAIMS = (
    "claims",
    "the lease ends",
    "has lost its claim",
    "commits the intent",
    "times out",
    "finds nobody left to mail",
    "takes over",
    "is cancelled with its edition",
)
HEARD = ("told", "told in part", "later", "refused", "error")
SHOWN = ("shown", "cannot tell yet", "has looked for long enough, and holds it", "gives it up")
AGAIN = ("told in doubt", "told in part in doubt", "later in doubt", "refused in doubt", "error in doubt")
HAPPENED = {
    Guarantee.KEY: (*CLAIMS, *HEARD, *AGAIN, "holds it for a person"),
    Guarantee.MESSAGE_ID: (*CLAIMS, *HEARD, *AGAIN),
    Guarantee.SEARCH: (*CLAIMS, *HEARD, *SHOWN),
    Guarantee.EVENTS: (*CLAIMS, *HEARD, *SHOWN),
    Guarantee.NONE: (*CLAIMS, *HEARD, "holds it for a person"),
}


@dataclass
class Twin:
    """The real batches of one edition, and what each worker of the model holds in its hands."""

    store: Database
    edition: int
    mailer: str
    chance: random.Random
    now: datetime = NOW
    held: dict[int, Batch] = field(default_factory=dict)
    too_late: int = 0

    def act(self, world: World, before: State, act: Act, after: State) -> State:
        """Do a step of the model to the store. Returns the model's state, in which more leases may have ended."""
        self.now += timedelta(seconds=self.chance.randrange(5))
        if act.verb == "the lease ends":
            return self.sweep(world, before, act)
        if act.verb == "the edition is cancelled":
            key = self.store.editions.by_id(self.edition).key
            self.store.editions.move(key, (EditionState.SENDING,), EditionState.CANCELLED)
        if act.verb == "is cancelled with its edition":
            self.store.outbox.cancel(self.edition)
            return all_cancelled(before, READY, CLAIMED)
        if act.verb == "claims":
            self.claim(world, act.at, after.workers[act.worker], act.worker)
        elif act.verb == "takes over":
            with self.refusing():
                self.claim(world, after.workers[act.worker].at, after.workers[act.worker], act.worker)
        elif act.verb in ("commits the intent", "has lost its claim"):
            self.intend(after, act)
        elif act.worker in self.held:
            changed = self.write(act, before.workers[act.worker].answer)
            if changed is not None:
                assert changed == (before.batches != after.batches)
                self.too_late += not changed
        return after

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """The first mailer takes nothing."""
        until = self.now + timedelta(days=1)
        self.store.outbox.put_circuit(Circuit(mailer=self.mailer, state=CircuitState.OPEN, until=until))
        yield
        self.store.outbox.put_circuit(Circuit(mailer=self.mailer))

    def claim(self, world: World, at: int, worker: Worker, number: int) -> None:
        lease = timedelta(minutes=self.chance.randrange(1, 10))
        mailer = second(self.mailer) if worker.held.second else self.mailer
        claimed = self.store.outbox.claim(mailer, "worker", now=self.now, lease=lease)
        assert claimed is not None
        assert claimed.sequence == at, "unknown ones first, then the oldest"
        assert claimed.mailer == mailer
        self.held[number] = claimed
        self.agree_on_deciding(world, claimed, worker.held)

    def write(self, act: Act, answer: Answer) -> bool | None:
        """What a worker writes down after its claim or its call; None when it writes nothing."""
        held, outbox = self.held[act.worker], self.store.outbox
        match act.verb:
            case "has too little of its lease left to call":
                return outbox.back(held, next_at=self.now, error="")
            case "holds it for a person" | "has looked for long enough, and holds it":
                return outbox.hold(held, error="")
            case "cannot tell yet" | "times out":
                return outbox.unknown(held, now=self.now, next_at=self.now, error="")
            case "gives it up":
                return self.settle(held, rules.give_up(held))
            case "finds nobody left to mail":
                return self.settle(held, ())
            case "has looked for long enough, and parts it":
                return self.settle(held, results(held, answer))
        return self.conclude(held, answer) if act.verb.startswith("writes down") else None

    def intend(self, after: State, act: Act) -> None:
        held, worker = self.held[act.worker], after.workers[act.worker]
        wanted = worker.held if worker.step == model.INTENDED else ledger.Batch(payload=0)
        intended = self.store.outbox.intend(
            held, now=self.now, payload_hash=str(wanted.payload), skipped=positions(held, wanted.skipped)
        )
        assert (intended is not None) == (worker.step == model.INTENDED)
        self.too_late += intended is None
        self.held[act.worker] = intended or held

    def sweep(self, world: World, state: State, act: Act) -> State:
        """The clock moves to the end of that lease; those that ended earlier are swept with it."""
        batches = self.batches()
        until = batches[act.at].lease_until
        assert until is not None
        self.now = max(self.now, until + timedelta(seconds=1))
        ended = [at for at, one in enumerate(batches) if one.lease_until is not None and one.lease_until < self.now]
        swept_too = self.store.outbox.sweep(self.now) - len(ended)
        for at in ended:
            swept = ledger.sweep(state.batches, at, gap=world.gap)
            assert swept is not None
            state = state._replace(batches=swept)
        back = sum(batch.state == READY for batch in state.batches) if state.cancelled else 0
        assert swept_too == back
        return all_cancelled(state, READY) if back else state

    def conclude(self, held: Batch, answer: Answer) -> bool:
        """As `deliver.drain._submit` does with the answer of a mailer."""
        outbox = self.store.outbox
        if answer.kind == "later":
            return outbox.back(held, next_at=self.now, error="")
        if answer.kind == "refused" and held.unknown_since is not None:
            return outbox.hold(held, error="")
        if answer.kind == "refused":
            return self.settle(held, rules.halves(tuple(sorted(set(range(held.size)) - held.skipped)), ""))
        if answer.kind in ("told", "shown"):
            return self.settle(held, results(held, answer))
        return outbox.unknown(held, now=self.now, next_at=self.now, error="")

    def settle(self, held: Batch, told: tuple[Result, ...]) -> bool:
        return self.store.outbox.settle(held, told, now=self.now, next_at=self.now)

    def agree_on_deciding(self, world: World, claimed: Batch, held: ledger.Batch) -> None:
        """The rules decide the same about a batch that was claimed: to hand it over again, or to ask."""
        guarantee = world.guarantee
        able = Capability(
            batch=2,
            batch_bytes=1,
            deduplicates=guarantee is Guarantee.MESSAGE_ID,
            key_lifetime=timedelta(days=int(guarantee is Guarantee.KEY and held.age == YOUNG)),
            evidence=guarantee.value if guarantee.shows else "",
        )
        assert rules.may_repeat(claimed, able, self.now) == model.may_repeat(world, held)
        assert reconcile.askable(claimed, able) == model.askable(world, held)

    def batches(self) -> tuple[Batch, ...]:
        return self.store.outbox.batches(self.edition)


def all_cancelled(state: State, *states: str) -> State:
    """At once, as the ledger does it."""
    for at, batch in enumerate(state.batches):
        after = ledger.cancel(state.batches, at, gap=Gap.NO) if batch.state in states else None
        state = state._replace(batches=after or state.batches)
    return state


# ---------------------------------------------------------------- letters are bits there, positions here


def letters(batch: Batch, at: frozenset[int]) -> int:
    return sum(batch.members[position][0] for position in at)  # the subscribers' ids are 1 and 2


def positions(batch: Batch, wanted: int) -> frozenset[int]:
    return frozenset(position for position, (id, _) in enumerate(batch.members) if id & wanted)


def results(batch: Batch, answer: Answer) -> tuple[Result, ...]:
    groups = [(answer.accepted, Outcome.ACCEPTED), (answer.rejected, Outcome.REJECTED)]
    groups += [(group, Outcome.DEFERRED) for group in answer.deferred]
    return tuple(
        Result(position=position, outcome=outcome, group=number)
        for number, (wanted, outcome) in enumerate(groups)
        for position in positions(batch, wanted) - batch.skipped
    )


def second(mailer: str) -> str:
    """The name of the one that takes over from it."""
    return f"{mailer} second"


def told(batch: Batch) -> tuple[object, ...]:
    """A real batch in the words of the model."""
    return (
        batch.state.value,
        letters(batch, frozenset(range(batch.size))),
        batch.fence,
        batch.attempt,
        batch.deferrals,
        batch.first_intent_at is not None,
        int(batch.payload_hash or NOTHING),
        batch.unknown_since is not None,
        *(letters(batch, at) for at in (batch.skipped, batch.rejected, batch.moved)),
        batch.mailer.endswith("second"),
    )


def expected(batch: ledger.Batch) -> tuple[object, ...]:
    tried = batch.age != UNTRIED
    row = (batch.state, batch.letters, batch.fence, batch.attempt, batch.deferrals, tried, batch.payload, batch.doubt)
    return (*row, batch.skipped, batch.rejected, batch.moved, batch.second)


# ---------------------------------------------------------------- walking


def choices(world: World, state: State) -> list[tuple[Act, State]]:
    """The steps that may come next. Of the claims, only those which the ledger's order of claiming allows."""
    order = {False: _order(state, False), True: _order(state, True)}
    untouched = [place for place in order[False] if ledger.take_over(state.batches, place[1], parts=False, gap=Gap.NO)]
    first = {mailer: min(places)[1] for mailer, places in order.items() if places}
    taken = min(order[True] + untouched, default=(False, -1))[1]

    def allowed(act: Act) -> bool:
        if act.verb == "takes over":
            return act.at == taken
        return act.verb != "claims" or act.at == first[state.batches[act.at].second]

    possible = [(act, after) for act, after in model.steps(world, state) if allowed(act)]
    return [(act, after) for act, after in possible if len(after.batches) <= world.batches]


def _order(state: State, second: bool) -> list[tuple[bool, int]]:
    """The places of what one mailer may claim: unknown ones first, then the oldest."""
    return [
        (batch.state == READY, at)
        for at, batch in enumerate(state.batches)
        if batch.state in ((UNKNOWN,) if state.cancelled else (READY, UNKNOWN)) and batch.second == second
    ]


def walk(twin: Twin, world: World, did: Counter[str]) -> None:
    """What was done seldom so far is likelier to be done now; `did` counts it."""
    twin.store.outbox.sweep(NOW + timedelta(days=1))  # what earlier walks left behind
    state = State()
    for _ in range(LONGEST):
        possible = choices(world, state)
        if not possible:
            return
        weights = [SELDOM.get(act.verb, 1.0) / (1 + did[happened(state, act)]) ** 0.5 for act, _ in possible]
        act, after = twin.chance.choices(possible, weights)[0]
        did[happened(state, act)] += 1
        state = twin.act(world, state, act, after)
        assert [told(one) for one in twin.batches()] == [expected(one) for one in state.batches], f"after {act}"


def happened(state: State, act: Act) -> str:
    worker = state.workers[act.worker]
    if not act.verb.startswith("writes down") or worker.held.fence != state.batches[act.at].fence:
        return act.verb
    answer, doubt = worker.answer, worker.held.doubt and worker.answer.kind != "shown"
    in_part = answer.accepted and answer.accepted != worker.held.remaining
    return answer.kind + (" in part" if in_part else "") + (" in doubt" if doubt else "")


@pytest.mark.parametrize("guarantee", Guarantee, ids=lambda it: it.value)
def test_the_ledger_does_what_the_model_does(memory_store: Database, guarantee: Guarantee) -> None:
    memory_store.editions.sync([newsletter("daily")], now=NOW)
    did, too_late = Counter[str](), 0
    for seed in itertools.count():
        parts = ("", "", "whole", "parts")[seed % 4]
        world = World(guarantee=guarantee, leaver=True, second=parts, cancels=True, claims=12, crashes=4, batches=5)
        mailer = f"{guarantee.value} {seed}"  # nobody else claims from it
        size = 1 if parts == "parts" else 2
        memory_store.outbox.agree(
            [Terms(mailer=mailer, fallback=second(mailer)), Terms(mailer=second(mailer), batch=size)]
        )
        one = sending(memory_store, [1, 2], slot=f"manual:{seed}", mailer=mailer)
        twin = Twin(memory_store, one.id, mailer, random.Random(mailer))
        walk(twin, world, did)
        too_late += twin.too_late
        assert len({batch.key for batch in twin.batches()}) == len(twin.batches())
        assert memory_store.outbox.sums(one.id).planned == added_up(memory_store.outbox.sums(one.id))
        if did.total() >= STEPS:
            break
    assert too_late >= 5, "steps of workers whose claim was over"
    assert [what for what in HAPPENED[guarantee] if not did[what]] == []


def added_up(sums: Sums) -> int:
    return sums.accepted + sums.rejected + sums.skipped + sums.unknown + sums.cancelled + sums.waiting
