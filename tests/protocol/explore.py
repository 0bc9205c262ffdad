"""Every state that can be reached, the shortest way first, and whether a promise is broken in it."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.protocol.ledger import ACCEPTED, BOTH, CANCELLED, FAILED, HELD, OPEN, SPLIT, Batch
from tests.protocol.model import ATTEMPTS, IDLE, State, World, steps


@dataclass(slots=True)
class Report:
    """How many states there are, the states that batches were in, and the first promise that was broken, with the
    shortest way to it."""

    states: int = 0
    seen: set[str] = field(default_factory=set)
    broken: str = ""
    way: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        way = "".join(f"\n  {number}. {act}" for number, act in enumerate(self.way, start=1))
        return f"{self.states} states, {self.broken or 'nothing broken'}{way}"


#: Each state that was reached, and the one before it.
Ways = dict[State, State | None]


def explore(world: World) -> Report:
    """Breadth first, until a promise is broken or no state is new."""
    report = Report()
    with _no_collector():
        ways = _explore(world, report)
    report.states = len(ways)
    return report


def _explore(world: World, report: Report) -> Ways:
    ways: Ways = {State(): None}
    waiting, sure = deque(ways), set[State]()
    while waiting:
        state = waiting.popleft()
        report.seen.update(batch.state for batch in state.batches)
        report.broken = wrong(state) or stuck(world, state, sure)
        if report.broken:
            report.way = trace(world, ways, state)
            break
        for after in (canonical(after) for _, after in steps(world, state)):
            if after not in ways and len(after.batches) <= world.batches:
                ways[after] = state
                waiting.append(after)
    return ways


@contextmanager
def _no_collector() -> Iterator[None]:
    """States hold no cycles; looking for some in millions of tuples takes a fifth of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def canonical(state: State) -> State:
    """Two workers are as good as each other."""
    one, other = state.workers
    return state if one <= other else state._replace(workers=(other, one))


def trace(world: World, ways: Ways, state: State) -> list[str]:
    """The steps that lead to a state, in which each worker keeps its number."""
    path = [state]
    while (before := ways[path[-1]]) is not None:
        path.append(before)
    at, found = State(), []
    for wanted in path[-2::-1]:
        act, at = next((act, after) for act, after in steps(world, at) if canonical(after) == wanted)
        found.append(str(act))
    return found


# ---------------------------------------------------------------- promises


def wrong(state: State) -> str:
    """The promise that this state breaks, or ""."""
    if state.provider.more:
        return "sent twice"
    places = [batch.letters & ~batch.moved for batch in state.batches]
    if sum(places) != BOTH or sum(place.bit_count() for place in places) != 2:
        return "not everybody is in exactly one batch"
    return state.wrong or next(filter(None, (_untrue(state, batch) for batch in state.batches)), "")


def _untrue(state: State, batch: Batch) -> str:
    """What is said about the letters of a batch that nothing will change any more, and is not so."""
    if batch.state == HELD and batch.remaining & ~state.unclear:
        return "held without need"
    if batch.state == CANCELLED and batch.remaining & state.provider.once:
        return "sent, and said not to be"
    if batch.state not in (ACCEPTED, FAILED, SPLIT):
        return ""
    accepted = batch.remaining & ~batch.rejected
    if accepted & ~state.provider.once or (accepted and batch.state != ACCEPTED):
        return "lost: said to be accepted"
    if (batch.rejected | batch.skipped) & state.provider.once:
        return "sent, and said not to be"
    if batch.rejected & ~state.provider.refused and batch.deferrals < ATTEMPTS:
        return "lost: said to be rejected"
    return ""


# ---------------------------------------------------------------- a way out

#: What happens when nothing more goes wrong, the likeliest first.
CALM = (
    *(
        "the provider shows",
        "a later batch",
        "a notice is made",
        "the notice is taken",
        "commits",
        "calls",
        "looks it up",
        "finds nobody",
        "gives it up",
    ),
    *("holds it", "writes down", "the provider takes all", "the provider repeats", "the provider refuses a letter"),
    *("is cancelled", "cannot tell yet", "claims", "the lease ends"),
)


def stuck(world: World, state: State, sure: set[State]) -> str:
    """Whether a state at rest stays undecided although nothing goes wrong from here on. `sure` are states from which
    everything is known to be decided in the end."""
    if state.strays or any(worker.step != IDLE for worker in state.workers):
        return ""
    calm = replace(world, leaver=False, claims=1000, crashes=0)
    way: list[State] = []
    while state not in sure and any(batch.state in OPEN for batch in state.batches):
        way.append(state)
        after = _calmly(calm, state)
        if after is None or len(way) > 100:
            return "stuck"
        state = after
    sure.update(way)
    return ""


def _calmly(world: World, state: State) -> State | None:
    possible = [(act.verb, after) for act, after in steps(world, state) if not act.verb.endswith("is lost")]
    return next((after for verb in CALM for happens, after in possible if happens.startswith(verb)), None)
