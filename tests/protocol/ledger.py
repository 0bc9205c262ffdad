"""The ledger's side of the protocol, as `store/outbox.py` and `store/_settling.py` keep it, without a database.

Letters are bits: 1 is the first recipient, 2 the second, 3 both. Each change says under which claim it is made, and
returns the rows after it, or None when that claim no longer holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from publisher.model import OPEN_BATCHES, BatchState
from tests.protocol.gaps import Gap

# Plain strings: states are hashed millions of times, and an Enum does that slowly.
READY, CLAIMED, SUBMITTING = (s.value for s in (BatchState.READY, BatchState.CLAIMED, BatchState.SUBMITTING))
UNKNOWN, RESOLVING, HELD = (s.value for s in (BatchState.UNKNOWN, BatchState.RESOLVING, BatchState.HELD))
ACCEPTED, FAILED, SPLIT = (s.value for s in (BatchState.ACCEPTED, BatchState.FAILED, BatchState.SPLIT))
CANCELLED = BatchState.CANCELLED.value
OPEN = frozenset(state.value for state in OPEN_BATCHES)

FIRST, SECOND, BOTH = 1, 2, 3
NOTHING = -1  # no bytes are frozen; no witness is there
UNTRIED, YOUNG, OLD = 0, 1, 2  # the age of a first intent: none, its key still protects, not any more


class Batch(NamedTuple):
    """One row. `age` is that of `first_intent_at`, `doubt` says whether `unknown_since` is set, `payload` are the
    letters whose bytes are frozen. `witness` is no column: it stands for a later batch of the same mailer, as the
    letters of this one that the provider did not show yet when it took that one. `second` says that it is the second
    mailer's. `notice`: one to ourselves is made, which becomes the witness when the provider takes it."""

    state: str = READY
    letters: int = BOTH
    key: int = 0
    fence: int = 0
    attempt: int = 0
    deferrals: int = 0
    age: int = UNTRIED
    payload: int = NOTHING
    doubt: bool = False
    skipped: int = 0
    rejected: int = 0
    moved: int = 0
    witness: int = NOTHING
    second: bool = False
    notice: bool = False

    @property
    def remaining(self) -> int:
        return self.letters & ~self.skipped & ~self.moved


Batches = tuple[Batch, ...]


class Answer(NamedTuple):
    """What a call came to. "told": these letters are accepted, rejected, deferred (in groups that are tried apart);
    nothing is said about the others. "shown": the same from a look-up. "later" (429) and "refused" (the call as a
    whole): nothing was taken. "error" (5xx, a torn answer) and "timeout": anything may have been."""

    kind: str = ""
    accepted: int = 0
    rejected: int = 0
    deferred: tuple[int, ...] = ()
    counts: bool = True  # what is deferred against its letters


def claim(batches: Batches, at: int) -> Batches | None:
    batch = batches[at]
    if batch.state not in (READY, UNKNOWN):
        return None
    state = CLAIMED if batch.state == READY else RESOLVING
    return put(batches, at, batch._replace(state=state, fence=batch.fence + 1))


def take_over(batches: Batches, at: int, *, parts: bool, gap: Gap) -> tuple[Batches, int] | None:
    """A second mailer claims what was never handed to the first, in `parts` where the whole is too large for it. The
    rows after it, and the place of what is claimed."""
    batch = batches[at]
    untouched = batch.state == READY and batch.attempt == 0 and not batch.doubt
    in_doubt = batch.state == UNKNOWN and gap is Gap.TAKEN_IN_DOUBT
    in_hand = batch.state == SUBMITTING and gap is Gap.TAKEN_IN_HAND
    if batch.second or not (untouched or in_doubt or in_hand):
        return None
    if parts and batch.letters == BOTH:
        keys = (batch.key,) * 2 if gap is Gap.KEY_OF_WHOLE else (len(batches), len(batches) + 1)
        made = (Batch(letters=part, key=key, second=True) for part, key in zip((FIRST, SECOND), keys, strict=True))
        whole = batch if gap is Gap.PARTS_AND_WHOLE else batch._replace(state=SPLIT, moved=BOTH)
        batches, at = (*put(batches, at, whole), *made), len(batches)
    taken = batches[at]
    fence = taken.fence if gap is Gap.TAKEN_FENCE else taken.fence + 1
    return put(batches, at, taken._replace(state=CLAIMED, fence=fence, second=True)), at


def intend(batches: Batches, at: int, held: Batch, *, payload: int, skipped: int, gap: Gap) -> Batches | None:
    batch = batches[at]
    if not _stands(batch, held, (CLAIMED, RESOLVING), gap):
        return None
    intended = batch._replace(
        state=SUBMITTING,
        attempt=batch.attempt + 1,
        age=batch.age or YOUNG,
        payload=payload,
        skipped=skipped,
        witness=NOTHING,
        notice=False,
    )
    return put(batches, at, intended)


def settle(batches: Batches, at: int, held: Batch, answer: Answer, *, gap: Gap) -> Batches | None:
    """Accepted and rejected letters stay, deferred and unknown ones move to children; unknown altogether, the batch
    stays whole. While an earlier attempt is in doubt, "not sent this time" proves nothing, unless a look-up says it."""
    batch = batches[at]
    if not _stands(batch, held, (CLAIMED, SUBMITTING, RESOLVING), gap):
        return None
    letters, again = batch.remaining, tuple(group & batch.remaining for group in answer.deferred)
    accepted, rejected = answer.accepted & letters, answer.rejected & letters
    untold = letters & ~accepted & ~rejected & ~sum(again)
    if gap is Gap.SILENCE:
        again, untold = (*again, untold), 0
    if batch.doubt and batch.state == SUBMITTING and gap is not Gap.DEFERRED_IN_DOUBT:
        again, untold = (), untold | sum(again)
    if untold and untold == letters:
        return put(batches, at, batch._replace(state=UNKNOWN, doubt=True))
    moved = untold | sum(again)
    state = ACCEPTED if accepted else FAILED if rejected else SPLIT if moved else ACCEPTED
    parent = batch._replace(state=state, rejected=rejected, moved=moved)
    counted = batch.deferrals + answer.counts
    return (*put(batches, at, parent), *_children(batch, again, untold, counted, number=len(batches), gap=gap))


def _children(
    batch: Batch, again: tuple[int, ...], untold: int, counted: int, *, number: int, gap: Gap
) -> Iterator[Batch]:
    """One for each group to try again, and one to find out about. Keys are derived: here, numbered."""
    keys = (batch.key if gap is Gap.KEY_OF_PARENT else key for key in range(number, number + 3))
    for letters in filter(None, again):
        yield Batch(
            letters=letters,
            key=next(keys),
            attempt=batch.attempt,
            deferrals=counted,
            second=batch.second,
        )
    if untold:
        child = Batch(letters=untold, key=next(keys), attempt=batch.attempt, deferrals=batch.deferrals)
        child = child._replace(second=batch.second)
        yield child._replace(state=UNKNOWN, age=batch.age, doubt=True, witness=batch.witness, notice=batch.notice)


def back(batches: Batches, at: int, held: Batch, *, gap: Gap) -> Batches | None:
    """Proved not sent: ready as if never tried, or unknown again when an earlier attempt is."""
    batch = batches[at]
    if not _stands(batch, held, (CLAIMED, SUBMITTING), gap):
        return None
    if batch.doubt and gap is not Gap.LATER_IN_DOUBT:
        return put(batches, at, batch._replace(state=UNKNOWN))
    if gap is Gap.BYTES_KEPT:
        return put(batches, at, batch._replace(state=READY))
    return put(batches, at, batch._replace(state=READY, age=UNTRIED, payload=NOTHING, skipped=0))


def unknown(batches: Batches, at: int, held: Batch, *, gap: Gap, state: str = UNKNOWN) -> Batches | None:
    """Something may have left; with `state` HELD, a person is to decide."""
    batch = batches[at]
    if not _stands(batch, held, (SUBMITTING, RESOLVING), gap):
        return None
    return put(batches, at, batch._replace(state=state, doubt=True))


def sweep(batches: Batches, at: int, *, gap: Gap) -> Batches | None:
    """The lease of this batch ended; None when nobody holds it."""
    batch = batches[at]
    before = batch.state == CLAIMED or (batch.state == SUBMITTING and gap is Gap.SWEEP_SUBMITTING)
    if before:
        return put(batches, at, batch._replace(state=READY))
    if batch.state == SUBMITTING or (batch.state == RESOLVING and gap is not Gap.SWEEP_RESOLVING):
        return put(batches, at, batch._replace(state=UNKNOWN, doubt=True))
    return None


def cancel(batches: Batches, at: int, *, gap: Gap) -> Batches | None:
    """The edition of this batch was cancelled: nothing of it leaves any more. None when something of it may have."""
    unsent = (READY, CLAIMED, UNKNOWN) if gap is Gap.CANCELLED_IN_DOUBT else (READY, CLAIMED)
    return put(batches, at, batches[at]._replace(state=CANCELLED)) if batches[at].state in unsent else None


def _stands(batch: Batch, held: Batch, states: tuple[str, ...], gap: Gap) -> bool:
    """Whether the claim under which a worker acts is still the last one: the condition of every update."""
    if gap is Gap.CONDITION:
        return True
    if gap is Gap.INTENT:
        states = (*states, CLAIMED)
    return (batch.fence == held.fence or gap is Gap.FENCE) and batch.state in states


def put(batches: Batches, at: int, batch: Batch) -> Batches:
    return (*batches[:at], batch, *batches[at + 1 :])
