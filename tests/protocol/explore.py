"""Every state that can be reached, the shortest way first, and whether a promise is broken in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.protocol.ledger import ACCEPTED, BOTH, FAILED, HELD, OPEN, SPLIT, Batch
from tests.protocol.model import ATTEMPTS, State, World, steps


@dataclass(slots=True)
class Report:
    """What exploring found: how many states, in which states batches ended, and the first broken promise, with the
    shortest way to it."""

    states: int = 0
    ends: set[str] = field(default_factory=set)
    broken: str = ""
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        way = "".join(f"\n  {number}. {act}" for number, act in enumerate(self.trace, start=1))
        return f"{self.states} states, {self.broken or 'nothing broken'}{way}"


#: Each state that was reached, and the one before it.
Ways = dict[State, State | None]


def explore(world: World) -> Report:
    """Breadth first, until a promise is broken or no state is new."""
    start = State()
    ways: Ways = {start: None}
    waiting, report, settled = deque([start]), Report(), set[State]()
    while waiting and not report.broken:
        state = waiting.popleft()
        report.ends |= {batch.state for batch in state.batches}
        report.broken = wrong(state) or stuck(world, state, settled)
        if report.broken:
            report.trace = trace(world, ways, state)
            break
        for _, after in steps(world, state):
            if len(after.batches) > world.batches:
                continue
            after = canonical(after)
            if after not in ways:
                ways[after] = state
                waiting.append(after)
    report.states = len(ways)
    return report


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
    if sum(places) != BOTH or places.count(BOTH) + places.count(1) + places.count(2) + places.count(0) != len(places):
        return "not everybody is in exactly one batch"
    return state.wrong or next(filter(None, (_untrue(state, batch) for batch in state.batches)), "")


def _untrue(state: State, batch: Batch) -> str:
    """What a batch that nothing will change any more says about its letters, and is not so."""
    if batch.state == HELD and batch.remaining & ~state.unclear:
        return "held without need"
    if batch.state not in (ACCEPTED, FAILED, SPLIT):
        return ""
    accepted = batch.remaining & ~batch.rejected
    if accepted & ~state.provider.once or (accepted and batch.state != ACCEPTED):
        return "lost: called accepted, and the provider does not have it"
    if (batch.rejected | batch.skipped) & state.provider.once:
        return "called rejected or skipped, and the provider took it"
    if batch.rejected & ~state.provider.refused and batch.attempt < ATTEMPTS:
        return "lost: called rejected, and nobody refused it"
    return ""


# ---------------------------------------------------------------- a way out

#: What happens when nothing more goes wrong, in the order of preference.
CALM = (
    *("commits the intent", "forgets the intent", "calls", "looks it up", "finds nobody", "gives it up", "holds it", "has lost its claim"),
    *("writes down", "the provider takes all", "the provider repeats", "the provider refuses a letter"),
    *("the provider refuses the call", "the provider shows", "a later batch", "claims", "the lease ends"),
)


def stuck(world: World, state: State, settled: set[State]) -> str:
    """Whether a state at rest stays undecided although nothing goes wrong from here on. `settled` are states from
    which everything is known to be decided in the end."""
    if state.strays or any(worker.step != "idle" for worker in state.workers):
        return ""
    calm = World(guarantee=world.guarantee, broken=world.broken, claims=1000, crashes=0)
    way: list[State] = []
    while state not in settled and any(batch.state in OPEN for batch in state.batches):
        way.append(state)
        after = next(_calmly(calm, state), None)
        if after is None or len(way) > 100:
            return "stuck: nothing will ever decide it"
        state = after
    settled.update(way)
    return ""


def _calmly(world: World, state: State) -> Iterator[State]:
    possible = [(act.verb, after) for act, after in steps(world, state)]
    for verb in CALM:
        for happens, after in possible:
            if happens.startswith(verb) and not happens.endswith("is lost"):
                yield after
