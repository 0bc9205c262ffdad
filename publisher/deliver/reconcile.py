"""What an unknown batch turns out to be, decided from what the provider can show. Pure.

A letter that anything has been seen of was accepted. A letter that nothing was seen of was not, but only once the
provider's lag is over, and only when something handed over later has been seen: otherwise the provider, or its
events, may simply be silent. Events must also have been heard while those of the letter were due: what a provider tells
while nobody is there to hear it is lost in the end. Until then it stays unknown, and in the end a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from publisher.model import Batch, Capability, Letter, Outcome, Question, Result

#: How long an unknown batch is looked up before it is held for a person: so long that a provider that shows nothing
#: for a day gets another chance with the next day's edition.
PATIENCE = timedelta(hours=48)


def by_events(
    batch: Batch, seen: Collection[int], *, witnessed: bool, capability: Capability, now: datetime
) -> tuple[Result, ...]:
    """One result per letter, from events that were stored for the batch. `witnessed`: an event was stored for
    a batch of the same mailer that was handed over later, some while those of this one were `due`, and the mailer tells
    of every letter that it has it."""
    quiet = witnessed and capability.look_up_lag > timedelta(0) and now - last(batch) >= capability.look_up_lag
    absent = Outcome.DEFERRED if quiet and capability.evidence == "events" else Outcome.UNKNOWN
    return tuple(
        Result(
            position=position,
            outcome=Outcome.ACCEPTED if position in seen else absent,
            detail="an event tells of it" if position in seen else "no event tells of it",
        )
        for position in range(batch.size)
        if position not in batch.skipped
    )


def together(events: Sequence[Result], looked_up: Sequence[Result]) -> tuple[Result, ...]:
    """Two witnesses: whoever has seen a letter is right, and otherwise the look-up decides."""
    answers: Mapping[int, Result] = {result.position: result for result in looked_up}
    return tuple(
        result if result.outcome is Outcome.ACCEPTED else answers.get(result.position, result) for result in events
    )


def known(results: Sequence[Result]) -> bool:
    """Whether nothing is left unknown. Until then the batch stays whole: at the provider its letters are known
    under its key and their places in it."""
    return all(result.outcome is not Outcome.UNKNOWN for result in results)


def given_up(batch: Batch, now: datetime) -> bool:
    """Whether it has been looked for long enough."""
    return batch.unknown_since is not None and now - batch.unknown_since >= PATIENCE


def askable(batch: Batch, capability: Capability) -> bool:
    """Whether the provider can show anything of it. What became unknown inside another batch has a key of its
    own that no search finds; events name the batch it came from, and are found through that."""
    return capability.evidence == "events" or (capability.evidence == "search" and bool(batch.payload_hash))


def elsewhere(batch: Batch, account: str) -> bool:
    """Whether it was handed to another account of its mailer: this one neither shows it nor knows its key."""
    return bool(batch.account) and batch.account != account


def question(batch: Batch, letters: tuple[Letter, ...], witness: str) -> Question:
    first = batch.first_intent_at or last(batch)
    return Question(key=batch.key, letters=letters, first_at=first, last_at=last(batch), witness=witness)


def due(handed_over: datetime, capability: Capability) -> tuple[datetime, datetime]:
    """When some event must have been heard, for silence about a call to count: from when it must have ended, for half
    of the lag. After an outage in that time, what was not taken is told again in the other half; had one lasted longer,
    it might be told no more."""
    return handed_over + capability.timeout, handed_over + capability.look_up_lag / 2


def last(batch: Batch) -> datetime:
    """When it was last handed over, as late as it can have been."""
    return max(moment for moment in (batch.intent_at, batch.unknown_since, batch.first_intent_at) if moment)
