"""The ledger's side of the protocol, as `store/outbox.py` and `store/_settling.py` keep it, without a database.

Letters are bits: 1 is the first recipient, 2 the second, 3 both. Each change says which claim it belongs to and
returns the rows after it, or None when that claim no longer holds. `broken` names the one guard that is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from publisher.model import OPEN_BATCHES, BatchState

# Plain strings: states are hashed millions of times, and an Enum does that slowly.
READY, CLAIMED, SUBMITTING = (s.value for s in (BatchState.READY, BatchState.CLAIMED, BatchState.SUBMITTING))
UNKNOWN, RESOLVING, HELD = (s.value for s in (BatchState.UNKNOWN, BatchState.RESOLVING, BatchState.HELD))
ACCEPTED, FAILED, SPLIT = (s.value for s in (BatchState.ACCEPTED, BatchState.FAILED, BatchState.SPLIT))
OPEN = frozenset(state.value for state in OPEN_BATCHES)

FIRST, SECOND, BOTH = 1, 2, 3
NOTHING = -1  # no bytes are frozen; no witness was seen
UNTRIED, YOUNG, OLD = 0, 1, 2  # the age of a first intent: none, its key still protects, not any more


class Batch(NamedTuple):
    """One row. `payload` stands for the hash of the frozen bytes: the letters in them. `witness` stands for a later
    batch of the same mailer: the letters that the provider had taken, but did not show yet, when it took that one."""

    state: str = READY
    letters: int = BOTH
    key: int = 0
    fence: int = 0
    attempt: int = 0
    age: int = UNTRIED
    payload: int = NOTHING
    doubt: bool = False
    skipped: int = 0
    rejected: int = 0
    moved: int = 0
    witness: int = NOTHING

    @property
    def remaining(self) -> int:
        return self.letters & ~self.skipped & ~self.moved


Batches = tuple[Batch, ...]


class Answer(NamedTuple):
    """What a call came to: "told" says which letters were accepted, rejected and deferred (in groups that are tried
    apart) and nothing about the others; "later" (429) and "refused" (the call as a whole) took nothing; "error" may
    be anything."""

    kind: str = ""
    accepted: int = 0
    rejected: int = 0
    deferred: tuple[int, ...] = ()


def claim(batches: Batches, at: int) -> Batches | None:
    batch = batches[at]
    if batch.state not in (READY, UNKNOWN):
        return None
    state = CLAIMED if batch.state == READY else RESOLVING
    return put(batches, at, batch._replace(state=state, fence=batch.fence + 1))


def intend(batches: Batches, at: int, held: Batch, *, payload: int, skipped: int, broken: str) -> Batches | None:
    batch = batches[at]
    if not holds(batch, held, (CLAIMED, RESOLVING), broken):
        return None
    intended = batch._replace(
        state=SUBMITTING,
        attempt=batch.attempt + 1,
        age=batch.age or YOUNG,
        payload=payload,
        skipped=skipped,
        witness=NOTHING,
    )
    return put(batches, at, intended)


def back(batches: Batches, at: int, held: Batch, *, broken: str) -> Batches | None:
    """Proved not sent: ready as if never tried, or unknown again when an earlier attempt is."""
    batch = batches[at]
    if not holds(batch, held, (CLAIMED, SUBMITTING), broken):
        return None
    if batch.doubt and broken != "429 after doubt is ready":
        return put(batches, at, batch._replace(state=UNKNOWN))
    if broken == "back keeps the payload":
        return put(batches, at, batch._replace(state=READY))
    return put(batches, at, _fresh(batch))


def unknown(batches: Batches, at: int, held: Batch, *, broken: str, state: str = UNKNOWN) -> Batches | None:
    """Something may have left; or, with another `state`, held for a person."""
    batch = batches[at]
    if not holds(batch, held, (SUBMITTING, RESOLVING), broken):
        return None
    return put(batches, at, batch._replace(state=state, doubt=True))


def sweep(batches: Batches, at: int, *, broken: str) -> Batches | None:
    """A lease ended."""
    batch = batches[at]
    if batch.state == CLAIMED:
        return put(batches, at, batch._replace(state=READY))
    if batch.state == SUBMITTING and broken == "sweep makes submitting ready":
        return put(batches, at, _fresh(batch))
    if batch.state == RESOLVING and broken == "sweep passes by resolving":
        return None
    if batch.state in (SUBMITTING, RESOLVING):
        return put(batches, at, batch._replace(state=UNKNOWN, doubt=True))
    return None


def settle(batches: Batches, at: int, held: Batch, answer: Answer, *, broken: str) -> Batches | None:
    """Accepted and rejected letters stay; deferred and unknown ones move to children. Unknown altogether stays whole.

    While an earlier attempt is in doubt, "not sent this time" proves nothing, unless a look-up says it."""
    batch = batches[at]
    if not holds(batch, held, (CLAIMED, SUBMITTING, RESOLVING), broken):
        return None
    letters, again = batch.remaining, tuple(group & batch.remaining for group in answer.deferred)
    accepted, rejected = answer.accepted & letters, answer.rejected & letters
    untold = letters & ~accepted & ~rejected & ~sum(again)
    if broken == "silence means not sent":
        again, untold = (*again, untold) if untold else again, 0
    if batch.doubt and batch.state == SUBMITTING and broken != "deferred in doubt is tried again":
        again, untold = (), untold | sum(again)
    if untold and untold == letters:
        return put(batches, at, batch._replace(state=UNKNOWN, doubt=True))
    moved = untold | sum(again)
    state = ACCEPTED if accepted else FAILED if rejected else SPLIT if moved else ACCEPTED
    parent = batch._replace(state=state, rejected=rejected, moved=moved)
    return (*put(batches, at, parent), *_children(batch, again, untold, len(batches), broken))


def _children(batch: Batch, again: tuple[int, ...], untold: int, number: int, broken: str) -> Iterator[Batch]:
    """One for each group to try again, and one to find out about. Keys are derived: here, numbered."""
    for key, letters in enumerate((*again, untold), start=number):
        key = batch.key if broken == "a child keeps its parent's key" else key
        child = Batch(letters=letters, key=key, attempt=batch.attempt)
        if letters and letters == untold:
            yield child._replace(state=UNKNOWN, age=batch.age, doubt=True, witness=batch.witness)
        elif letters:
            yield child


def holds(batch: Batch, held: Batch, states: tuple[str, ...], broken: str) -> bool:
    """Whether the claim under which a worker acts is still the last one: the condition of every update."""
    if broken == "no condition on updates":
        return True
    if broken == "no intent before the call":
        states = (*states, CLAIMED)
    return (batch.fence == held.fence or broken == "no fence") and batch.state in states


def put(batches: Batches, at: int, batch: Batch) -> Batches:
    return (*batches[:at], batch, *batches[at + 1 :])


def _fresh(batch: Batch) -> Batch:
    return batch._replace(state=READY, age=UNTRIED, payload=NOTHING, skipped=0, doubt=False)
