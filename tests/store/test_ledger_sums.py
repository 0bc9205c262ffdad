"""Whatever happens in whatever order: candidates = excluded + planned, and every planned recipient is in one sum."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.model import Batch, BatchState, Outcome, Result
from publisher.store import Database, open_store
from tests.contracts.ledger import LEASE, batch, planning
from tests.people import NOW, newsletter

SLOTS = itertools.count(1)
READERS = 6
#: What a worker does with a batch it holds or held. The usual things happen more often.
ACTIONS = (*("claim", "intend", "settle") * 4, "unknown", "unknown", "back", "hold", "sweep", "cancel")


@pytest.fixture(scope="module")
def desk() -> Iterator[Database]:
    store = open_store("sqlite://")
    store.editions.sync([newsletter("daily")], now=NOW)
    yield store
    store.close()


@dataclass
class Newsroom:
    """One edition, the clock, and workers who may act on any batch they ever held, however long ago."""

    store: Database
    edition: int
    mailer: str
    now: datetime = NOW
    held: list[Batch] = field(default_factory=list)

    def act(self, action: str, chance: random.Random) -> None:
        outbox = self.store.outbox
        self.now += chance.choice([timedelta(0), timedelta(seconds=20), 2 * LEASE])
        later = self.now + timedelta(seconds=10)
        if action == "claim" or not self.held:
            if claimed := outbox.claim(self.mailer, "worker", now=self.now, lease=LEASE):
                self.held.append(claimed)
            return
        one = self.held[-1] if chance.random() < 0.8 else chance.choice(self.held)
        match action:
            case "intend":
                self.intend(one, chance)
            case "settle":
                outbox.settle(one, answer(one, chance), now=self.now, next_at=later)
            case "back":
                outbox.back(one, next_at=later, error="")
            case "unknown":
                outbox.unknown(one, now=self.now, next_at=later, error="")
            case "sweep":
                outbox.sweep(self.now)
            case "hold" if chance.random() < 0.3:
                outbox.hold(one, error="")
            case "cancel" if chance.random() < 0.1:
                outbox.cancel(self.edition)

    def intend(self, one: Batch, chance: random.Random) -> None:
        skipped = one.skipped
        if one.first_intent_at is None:
            skipped = frozenset(position for position in range(one.size) if chance.random() < 0.2)
        intended = self.store.outbox.intend(one, now=self.now, payload_hash="abc", skipped=skipped)
        if intended is not None:
            self.held[self.held.index(one)] = intended


def answer(one: Batch, chance: random.Random) -> tuple[Result, ...]:
    """Any answer that a mailer may give to this batch; about some letters it may say nothing."""
    if one.state is BatchState.CLAIMED:
        outcomes, silence = [Outcome.REJECTED, Outcome.DEFERRED], 0.0
    else:
        outcomes, silence = [chance.choice(list(Outcome)), chance.choice(list(Outcome))], 0.1
    return tuple(
        Result(position=position, outcome=chance.choice(outcomes), group=chance.randrange(2))
        for position in range(one.size)
        if position not in one.skipped and chance.random() >= silence
    )


def check(newsroom: Newsroom) -> None:
    sums = newsroom.store.outbox.sums(newsroom.edition)
    assert sums.candidates == sum(sums.excluded.values()) + sums.planned
    assert sums.planned == (
        sums.accepted + sums.rejected + sums.skipped + sums.unknown + sums.cancelled + sums.waiting
    ), sums
    batches = newsroom.store.outbox.batches(newsroom.edition)
    places = [
        subscriber
        for one in batches
        for position, (subscriber, _) in enumerate(one.members)
        if position not in one.moved
    ]
    assert sorted(places) == list(range(1, READERS + 1)), "everybody is in exactly one batch"
    assert len({one.key for one in batches}) == len(batches), "no two batches share a key"


@given(
    size=st.integers(1, READERS),
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 2**32)), min_size=20, max_size=40),
)
@settings(max_examples=25, deadline=None)
def test_the_sums_add_up_at_every_moment(desk: Database, size: int, steps: list[tuple[str, int]]) -> None:
    number = next(SLOTS)
    one, mailer = planning(desk, f"manual:{number}"), f"maildir {number}"  # a mailer that no other example claims from
    ids = list(range(1, READERS + 1))
    batches = [
        batch(one, sequence, {1: ids[start : start + size]}, mailer=mailer)
        for sequence, start in enumerate(range(0, READERS, size))
    ]
    desk.outbox.plan(one, upto=READERS + 2, batches=batches, excluded={"pending": [READERS + 1]}, finished=True)
    newsroom = Newsroom(desk, one.id, mailer)
    for action, seed in steps:
        newsroom.act(action, random.Random(seed))
        check(newsroom)
    traces = [desk.outbox.trace(reader)[0] for reader in range(1, READERS + 2)]
    assert {key for key, _, _ in traces} == {one.key}
    assert [outcome for _, outcome, _ in traces].count("accepted") == desk.outbox.sums(one.id).accepted
