"""What a mailer's answer makes of a batch: decided purely, written down by `outbox`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from publisher.model import Batch, BatchState, Outcome, Result
from publisher.store._batches import child_key, runs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The batch's new state, the positions that were rejected, and those that move to child batches:
    `again` was proved not sent, in groups that are tried apart; `unknown` may have been. Of each group, `why` is what
    was said about it and `counts` whether it was about its letters; `doubt` is why the others are unknown."""

    state: BatchState
    rejected: frozenset[int] = frozenset()
    again: tuple[frozenset[int], ...] = ()
    why: tuple[str, ...] = ()
    counts: tuple[bool, ...] = ()
    unknown: frozenset[int] = frozenset()
    doubt: str = ""

    @property
    def moved(self) -> frozenset[int]:
        return self.unknown.union(*self.again)


def settlement(batch: Batch, results: Sequence[Result]) -> Settlement:
    """A letter without a result is unknown: nobody said that it was not sent.

    While an earlier attempt is unknown, a refusal of this one proves nothing about that one, so its letters
    stay unknown; only a look-up (the batch is resolving) proves that nothing was sent. When all letters are
    unknown the batch stays whole, and with it the key under which it may be handed over again.
    Raises ValueError when a result has no letter, or when a batch that was only claimed is said to have left.
    """
    told = _told(batch, results)
    found = _by_outcome(told)
    again, unknown = found[Outcome.DEFERRED], found[Outcome.UNKNOWN]
    if batch.state is BatchState.CLAIMED and (found[Outcome.ACCEPTED] or unknown):
        raise ValueError(f"batch {batch.id} has no intent: nothing of it can have left")
    if batch.unknown_since is not None and batch.state is BatchState.SUBMITTING:
        again, unknown = frozenset(), again | unknown
    if unknown and len(unknown) == len(told):
        return Settlement(state=BatchState.UNKNOWN)
    groups = _groups(again, told)
    return Settlement(
        state=_state(found),
        rejected=found[Outcome.REJECTED],
        again=groups,
        why=tuple(told[min(group)].detail for group in groups),
        counts=tuple(not told[min(group)].shared for group in groups),
        unknown=unknown,
        doubt=next((said for at in sorted(unknown) if (said := told[at].detail)), ""),
    )


def _told(batch: Batch, results: Sequence[Result]) -> Mapping[int, Result]:
    """The result of each letter."""
    letters = set(range(batch.size)) - batch.skipped - batch.moved
    told = {result.position: result for result in results}
    if told.keys() == letters:
        return told
    if strangers := told.keys() - letters:
        raise ValueError(f"batch {batch.id} has no letter at position {min(strangers)}")
    return told | {at: Result(position=at, outcome=Outcome.UNKNOWN) for at in letters - told.keys()}


def _by_outcome(told: Mapping[int, Result]) -> Mapping[Outcome, frozenset[int]]:
    there = {result.outcome for result in told.values()}  # most often only one
    return {
        outcome: frozenset([at for at, result in told.items() if result.outcome is outcome])
        if outcome in there
        else frozenset()
        for outcome in Outcome
    }


def _groups(positions: frozenset[int], told: Mapping[int, Result]) -> tuple[frozenset[int], ...]:
    groups: dict[tuple[int, bool], set[int]] = {}
    for position in sorted(positions):
        groups.setdefault((told[position].group, told[position].shared), set()).add(position)
    return tuple(frozenset(groups[group]) for group in sorted(groups))


def _state(found: Mapping[Outcome, frozenset[int]]) -> BatchState:
    if found[Outcome.ACCEPTED]:
        return BatchState.ACCEPTED
    if found[Outcome.REJECTED]:
        return BatchState.FAILED
    if found[Outcome.DEFERRED] or found[Outcome.UNKNOWN]:
        return BatchState.SPLIT
    return BatchState.ACCEPTED  # everybody was skipped: there was nothing to hand over


def child(batch: Batch, reason: str, positions: frozenset[int], *, sequence: int, next_at: datetime | None) -> Batch:
    """The batch that those letters move to, ready; it keeps its parent's place, mailer and attempts."""
    members = batch.members
    return replace(
        batch,
        id=0,
        parent=batch.id,
        sequence=sequence,
        runs=runs_of(members[position] for position in sorted(positions)),
        state=BatchState.READY,
        owner="",
        lease_until=None,
        fence=0,
        next_at=next_at,
        key=child_key(batch.key, reason, positions),
        payload_hash="",
        account="",
        intent_at=None,
        first_intent_at=None,
        unknown_since=None,
        skipped=frozenset(),
        rejected=frozenset(),
        moved=frozenset(),
        last_error="",
    )


def children(batch: Batch, settled: Settlement, *, sequence: int, now: datetime, next_at: datetime) -> list[Batch]:
    """One for each group to try again, and one to find out about; its doubt is as old as the oldest."""
    made = [
        replace(
            child(batch, "deferred", positions, sequence=number, next_at=next_at),
            deferrals=batch.deferrals + counts,
            last_error=why,
        )
        for number, (positions, why, counts) in enumerate(
            zip(settled.again, settled.why, settled.counts, strict=True), start=sequence
        )
    ]
    if settled.unknown:
        doubted = child(batch, "unknown", settled.unknown, sequence=sequence + len(made), next_at=next_at)
        made.append(
            replace(
                doubted,
                state=BatchState.UNKNOWN,
                account=batch.account,
                intent_at=batch.intent_at,
                first_intent_at=batch.first_intent_at,
                unknown_since=batch.unknown_since or now,
                last_error=settled.doubt,
            )
        )
    return made
