"""Nobody waits for each other in a circle, and what others have not committed yet counts: on PostgreSQL, where writers
do not take turns. Each test holds one side in the middle of its transaction until the other waits for it, or is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from publisher import deliver, editions, feedback
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.model import Batch, BatchState, Edition, EditionState, EventKind, Limits, MailEvent, Prepared, Terms
from publisher.store import Database, open_store
from tests.contracts.ledger import LATER, LEASE, claim, results, sending, submit
from tests.deliver.ledger import approved, people
from tests.people import NOW, newsletter, site
from tests.sites import TestClock

#: When every lease of these tests is over.
OVER = NOW + timedelta(hours=1)


@pytest.fixture
def desk(postgresql_store_url: str) -> Iterator[Database]:
    database = open_store(postgresql_store_url)
    database.editions.sync([newsletter()], now=NOW)
    yield database
    database.close()


@dataclass
class Beside:
    """Another thread, which stops in the middle until it may go on."""

    pool: ThreadPoolExecutor
    url: str
    reached: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)

    def stops(self) -> None:
        self.reached.set()
        assert self.gate.wait(20)

    def start(self, work: Callable[[], Any]) -> Future[Any]:
        """Let it work until it stops in the middle."""
        working = self.pool.submit(work)
        while not self.reached.wait(0.05):
            assert not working.done(), working.result()
        return working

    def meanwhile(self, work: Callable[[], Any]) -> Any:
        """What comes of this, begun while the other one is in the middle; which goes on once this waits for it, or is
        done without waiting."""
        doing = self.pool.submit(work)
        while not doing.done() and not self._waits():
            threading.Event().wait(0.01)
        self.gate.set()
        return doing.result(20)

    def _waits(self) -> bool:
        of_us = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        with psycopg.connect(self.url) as connection:
            return connection.execute(of_us).fetchone() is not None


@pytest.fixture
def beside(postgresql_store_url: str) -> Iterator[Beside]:
    with ThreadPoolExecutor(2) as pool:
        other = Beside(pool, postgresql_store_url)
        yield other
        other.gate.set()


@contextmanager
def claiming(desk: Database) -> Iterator[tuple[Database, Batch]]:
    """A worker within the transaction in which it claims."""
    with desk.transaction() as together:
        claimed = together.outbox.claim("maildir", "worker", now=NOW, lease=LEASE)
        assert claimed is not None
        yield together, claimed


def states(desk: Database, one: Edition) -> list[str]:
    return [batch.state.value for batch in desk.outbox.batches(one.id)]


# ---------------------------------------------------------------- stopping


def test_what_a_worker_is_about_to_hand_over_counts_when_an_edition_is_paused(desk: Database, beside: Beside) -> None:
    one = sending(desk, [1, 2, 3], [4, 5, 6], [7])

    def hand_over() -> bool:
        with claiming(desk) as (together, claimed):
            intended = together.outbox.intend(claimed, now=NOW, payload_hash="abc", skipped=frozenset())
            beside.stops()
            return intended is not None

    leaves = beside.start(hand_over)
    paused, said = beside.meanwhile(lambda: editions.pause(desk, one.key, "Aoife Brennan"))
    assert paused.state is EditionState.PAUSED
    assert leaves.result(20), "it was begun before the pause, and leaves"
    assert said == 3, "and no other leaves"


def test_what_is_claimed_after_a_pause_does_not_leave(desk: Database, beside: Beside) -> None:
    one = sending(desk, [1, 2, 3], [4, 5, 6])

    def hand_over() -> bool:
        with claiming(desk) as (together, claimed):
            beside.stops()
            intended = together.outbox.intend(claimed, now=NOW, payload_hash="abc", skipped=frozenset())
            return intended is not None

    leaves = beside.start(hand_over)
    _, said = beside.meanwhile(lambda: editions.pause(desk, one.key, "Aoife Brennan"))
    assert (leaves.result(20), said) == (False, 3)
    assert desk.outbox.claim("maildir", "worker", now=OVER, lease=LEASE) is None


def test_an_edition_is_cancelled_while_a_worker_claims_and_settles(desk: Database, beside: Beside) -> None:
    """An answer whose letters move to other batches takes the edition's lock."""
    one = sending(desk, [1, 2, 3], [4, 5, 6], [7, 8])
    first = submit(desk)

    def work() -> None:
        with claiming(desk) as (together, _):
            beside.stops()
            together.outbox.settle(first, results(accepted=[0], unknown=[1], deferred=[2]), now=NOW, next_at=LATER)

    working = beside.start(work)
    cancelled, _ = beside.meanwhile(lambda: editions.cancel(desk, one.key, "Aoife Brennan", now=NOW))
    working.result(20)
    assert cancelled.state is EditionState.CANCELLED
    desk.outbox.sweep(NOW)
    assert BatchState.READY not in states(desk, one)
    assert desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is None


def test_stopping_is_committed_before_anything_waits_for_workers(desk: Database, beside: Beside) -> None:
    """So a worker that is frozen while it claims keeps nobody from stopping the others."""
    one = sending(desk, [1, 2, 3], [4, 5, 6])

    def claim_slowly() -> None:
        with claiming(desk):
            beside.stops()

    working = beside.start(claim_slowly)
    cancelling = beside.pool.submit(lambda: editions.cancel(desk, one.key, "Aoife Brennan", now=NOW))
    while desk.editions.get(one.key).state is not EditionState.CANCELLED:
        threading.Event().wait(0.01)
    assert desk.outbox.claim("maildir", "another", now=NOW, lease=LEASE) is None
    beside.gate.set()
    working.result(20)
    assert cancelling.result(20)[1] == 6


def test_a_sweep_ends_what_a_killed_editor_left_of_a_cancelled_edition(desk: Database) -> None:
    one = sending(desk, [1, 2, 3], [4, 5, 6])
    desk.editions.move(one.key, (EditionState.SENDING,), EditionState.CANCELLED, finished_at=NOW)
    assert desk.outbox.sweep(NOW) == 2
    assert states(desk, one) == ["cancelled", "cancelled"]


# ---------------------------------------------------------------- workers, events and sweeps


class Slow(Maildir):
    """A Maildir whose second letter takes long to make: until then its batch is claimed, and nothing is committed."""

    def __init__(self, path: Path, beside: Beside) -> None:
        super().__init__("maildir", path)
        self._beside, self._made = beside, 0

    def prepare(self, mailing: Any) -> Prepared:
        self._made += 1
        if self._made == 2:
            self._beside.stops()
        return super().prepare(mailing)


def test_events_are_merged_while_a_worker_claims_one_batch_and_settles_another(
    desk: Database, beside: Beside, tmp_path: Path
) -> None:
    """Both touch the same two batches, of which the worker has claimed the younger one first."""
    people(desk, 2)
    mailer = Slow(tmp_path / "mail", beside)
    mailer.capability = replace(Maildir.capability, batch=1)
    there = approved(desk, mailer)
    older, younger = desk.outbox.batches(there.id)
    keys = KeyRing.load(tmp_path / "keys", {})
    desk.events.keep("maildir", [told(one) for one in (older, younger)], at=NOW)

    def work() -> deliver.Tally:
        clock, daily = TestClock(NOW), {"daily": newsletter()}
        return deliver.drain(desk, mailer, daily, site=site(), keys=keys, clock=clock, owner="worker")

    working = beside.start(work)
    beside.meanwhile(lambda: feedback.record(desk, keys, now=NOW))
    assert working.result(20).batches == 2
    assert states(desk, there) == ["accepted", "accepted"]
    assert desk.events.tally(there.id) == {EventKind.DELIVERED: 2}


def told(of: Batch) -> MailEvent:
    return MailEvent(
        event_id=f"event {of.id}",
        kind=EventKind.DELIVERED,
        at=NOW,
        recipient="",
        batch=of.key,
        position=0,
        message_id="",
        code="",
        detail="",
    )


def test_a_lease_is_swept_while_its_worker_claims_the_next_batch_and_settles_that_one(
    desk: Database, beside: Beside
) -> None:
    """The sweep gives tokens back, for which the worker has locked the bucket."""
    desk.outbox.agree([Terms(mailer="maildir", limits=Limits(rate=100))])
    sending(desk, [1], [2], [3])
    late, swept = submit(desk), claim(desk)

    def work() -> bool:
        with desk.transaction() as together:
            together.outbox.lock(late)
            assert together.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is not None
            beside.stops()
            return together.outbox.settle(late, results(accepted=[0]), now=NOW, next_at=LATER)

    working = beside.start(work)
    assert beside.meanwhile(lambda: desk.outbox.sweep(OVER)) == 1
    assert working.result(20)
    assert desk.outbox.batch(swept.id).state is BatchState.READY
    assert desk.outbox.batch(late.id).state is BatchState.ACCEPTED


def test_two_people_decide_about_the_same_letters_at_once(desk: Database, beside: Beside) -> None:
    one = sending(desk, [1, 2], [3, 4])
    for _ in range(2):
        sent = submit(desk)
        desk.outbox.settle(sent, results(rejected=[0, 1]), now=NOW, next_at=LATER)
    rejected = desk.outbox.rejections(one.id)

    def retry() -> int:
        with desk.transaction() as together:
            again = together.outbox.retry(rejected[2:], now=NOW)
            beside.stops()
            return again

    first = beside.start(retry)
    assert beside.meanwhile(lambda: desk.outbox.retry(rejected, now=NOW)) == 2
    assert first.result(20) == 2


def test_settings_change_while_a_mailer_asks_to_be_left_alone(desk: Database, beside: Beside) -> None:
    desk.outbox.agree([Terms(mailer="maildir", limits=Limits(rate=100))])
    sending(desk, [1])
    claim(desk)

    def busy() -> None:
        with desk.transaction() as together:
            together.outbox.slow("maildir", NOW)
            beside.stops()
            together.outbox.put_circuit(together.outbox.circuit("maildir"))

    working = beside.start(busy)
    beside.meanwhile(lambda: desk.outbox.agree([Terms(mailer="maildir", limits=Limits(rate=50))]))
    working.result(20)
    assert desk.outbox.largest("maildir") == Limits(rate=50).largest(0)


# ---------------------------------------------------------------- the end of an edition


def held(desk: Database) -> Edition:
    """An edition of which nothing is left to do, unless a person decides about its two readers."""
    one = sending(desk, [1, 2])
    desk.outbox.hold(submit(desk), error="nothing tells whether it was sent")
    return one


def test_who_is_to_be_mailed_again_is_not_left_behind_by_an_edition_that_ends_just_now(
    desk: Database, beside: Beside
) -> None:
    one = held(desk)

    def end() -> Edition | None:
        with desk.transaction() as together:
            ended = editions.finish(together, one, now=NOW)
            beside.stops()
            return ended

    ending = beside.start(end)
    assert beside.meanwhile(lambda: editions.resolve(desk, one.key, accepted=False, now=NOW)) == 2
    assert ending.result(20) is not None
    assert desk.editions.get(one.key).state is EditionState.SENDING
    assert desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is not None


def test_an_edition_does_not_end_while_a_person_has_readers_mailed_again(desk: Database, beside: Beside) -> None:
    one = held(desk)

    def decide() -> int:
        with desk.transaction() as together:
            again = editions.resolve(together, one.key, accepted=False, now=NOW)
            beside.stops()
            return again

    deciding = beside.start(decide)
    assert beside.meanwhile(lambda: editions.finish(desk, one, now=NOW)) is None
    assert deciding.result(20) == 2
    assert desk.editions.get(one.key).state is EditionState.SENDING
    assert desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is not None
