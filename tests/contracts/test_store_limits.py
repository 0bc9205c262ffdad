"""What a mailer may be given: tokens that all workers share, by the database's rows and the time handed in."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from publisher.model import Batch, BatchState, Limits, Priority, Terms, Work
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, claim, planning, results, sending, submit
from tests.contracts.ledger import batch as made
from tests.people import NOW, newsletter

SECOND = timedelta(seconds=1)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily"), newsletter("alert")], now=NOW)
    return store


def limited(store: Database, **limits: float) -> None:
    given = Limits(**limits)  # type: ignore[arg-type]
    store.outbox.agree([Terms(mailer="maildir", limits=given, batch=100)])


def tried(store: Database, *, now: datetime = NOW) -> Batch | None:
    return store.outbox.claim("maildir", "worker", now=now, lease=LEASE)


def test_a_batch_without_tokens_is_not_claimed_and_told_when_to_look_again(desk: Database) -> None:
    limited(desk, rate=2)
    one = sending(desk, [1, 2], [3, 4])
    assert claim(desk).sequence == 0
    assert tried(desk) is None
    assert desk.outbox.batches(one.id)[1].fence == 0, "nobody holds it while it waits"
    assert desk.outbox.waits("maildir", NOW) == NOW + SECOND
    assert desk.outbox.due(NOW) == ()
    assert desk.outbox.due(NOW + SECOND) == (Work(kind="deliver", key="maildir"),)
    assert claim(desk, now=NOW + SECOND).sequence == 1


def test_workers_share_the_tokens(desk: Database) -> None:
    limited(desk, rate=10)
    sending(desk, *([number] for number in range(1, 31)))
    taken: list[int] = []
    together = threading.Barrier(3)

    def work() -> None:
        together.wait()
        while (one := tried(desk)) is not None:
            taken.append(one.sequence)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(10))


def test_never_more_than_the_rate_and_one_burst(desk: Database) -> None:
    limited(desk, rate=4)
    sending(desk, *([number] for number in range(1, 61)))
    left, now = [], NOW
    while now < NOW + 10 * SECOND:
        if tried(desk, now=now):
            left.append(now)
        else:
            now = desk.outbox.waits("maildir", now) or now + SECOND
    assert len(left) == 4 + 4 * 10 - 1 or len(left) == 4 + 4 * 10
    assert max(sum(at <= one < at + SECOND for one in left) for at in left) <= 8


def test_what_did_not_leave_is_given_back(desk: Database) -> None:
    limited(desk, per_day=20)
    sending(desk, *([2 * number + 1, 2 * number + 2] for number in range(14)))
    desk.outbox.settle(submit(desk, skipped={0}), results(accepted=[1]), now=NOW, next_at=LATER)
    desk.outbox.back(submit(desk), next_at=LATER, error="429")
    desk.outbox.settle(submit(desk), results(deferred=[0], accepted=[1]), now=NOW, next_at=LATER)
    desk.outbox.settle(claim(desk), results(rejected=[0, 1]), now=NOW, next_at=LATER)  # given up
    assert len([one for one in iter(lambda: tried(desk), None) if one]) == 9, "18 of 20 messages; two have left"
    assert desk.outbox.waits("maildir", NOW) == MIDNIGHT


def test_what_a_worker_that_died_had_taken_is_given_back_unless_it_may_have_left(desk: Database) -> None:
    limited(desk, per_day=20)
    sending(desk, *([2 * number + 1, 2 * number + 2] for number in range(12)))
    submit(desk)
    for _ in range(9):
        claim(desk)
    assert tried(desk) is None
    desk.outbox.sweep(NOW + 2 * LEASE)
    again = [one for one in iter(lambda: tried(desk, now=NOW + 2 * LEASE), None) if one]
    assert [one.state for one in again] == [BatchState.RESOLVING] + [BatchState.CLAIMED] * 9


def test_what_may_have_left_needs_no_second_token(desk: Database) -> None:
    limited(desk, per_day=20)
    sending(desk, [1, 2])
    for number in range(9):
        sending(desk, [1, 2], slot=f"manual:{number}")
    for _ in range(9):
        claim(desk)
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="timeout")
    assert claim(desk).state is BatchState.RESOLVING


def test_a_day_is_one_of_utc_and_its_warm_up_grows_on_days_on_which_something_was_sent(desk: Database) -> None:
    limited(desk, warm_up=10, growth=2, per_day=35)
    sending(desk, *([number] for number in range(1, 101)))

    def of_a_day(now: datetime) -> int:
        return len([one for one in iter(lambda: tried(desk, now=now), None) if one])

    day = timedelta(days=1)
    assert of_a_day(NOW) == 10
    assert of_a_day(MIDNIGHT - SECOND) == 0
    assert desk.outbox.waits("maildir", MIDNIGHT - SECOND) == MIDNIGHT
    assert of_a_day(MIDNIGHT) == 20
    assert of_a_day(MIDNIGHT + 5 * day) == 35, "days without mail do not count, and per_day is the end of it"


def test_batches_fit_what_can_be_granted(desk: Database) -> None:
    assert desk.outbox.largest("maildir") == 0
    limited(desk, rate=14.5)
    assert desk.outbox.largest("maildir") == 14
    limited(desk, rate=14.5, warm_up=50, per_day=10_000)
    assert desk.outbox.largest("maildir") == 5
    limited(desk, rate=0.1)
    assert desk.outbox.largest("maildir") == 1


def test_what_is_too_large_for_new_limits_is_cut(desk: Database) -> None:
    one = planning(desk)
    desk.outbox.plan(one, upto=9, batches=[made(one, 0, {1: [1, 2, 3], 2: [4, 5]})], excluded={}, finished=True)
    limited(desk, rate=2)
    taken = claim(desk)
    parent, *parts = desk.outbox.batches(one.id)
    assert (parent.state, parent.moved) == (BatchState.SPLIT, frozenset(range(5)))
    assert [part.members for part in parts] == [((1, 1), (2, 1)), ((3, 1), (4, 2)), ((5, 2),)]
    assert taken == parts[0]
    assert len({each.key for each in (parent, *parts)}) == 4
    assert desk.outbox.sums(one.id).waiting == 5


def test_a_limit_that_is_lifted_keeps_nobody_waiting(desk: Database) -> None:
    limited(desk, per_day=10)
    sending(desk, *([number] for number in range(1, 13)))
    while tried(desk):
        pass
    limited(desk, per_day=12)
    assert desk.outbox.due(NOW) == (Work(kind="deliver", key="maildir"),)
    assert claim(desk)


def test_asked_to_slow_down_it_goes_half_as_fast_and_recovers(desk: Database) -> None:
    limited(desk, rate=8)
    sending(desk, *([number] for number in range(1, 101)))
    desk.outbox.slow("maildir", NOW)
    assert tried(desk) is None
    assert desk.outbox.waits("maildir", NOW) == NOW + SECOND / 4
    desk.outbox.block("maildir", until=NOW + SECOND, reason="429")
    desk.outbox.slow("maildir", NOW)  # another worker has been told the same
    at = NOW + 2 * SECOND
    assert len([one for one in iter(lambda: tried(desk, now=at), None) if one]) == 8
    assert desk.outbox.waits("maildir", at) == pytest.approx(at + SECOND / 4, abs=timedelta(milliseconds=3))
    later = at + timedelta(minutes=11)
    while tried(desk, now=later):
        pass
    assert desk.outbox.waits("maildir", later) == pytest.approx(later + SECOND / 8, abs=timedelta(milliseconds=1))


def test_an_alert_goes_first_however_much_waits(desk: Database) -> None:
    """A smaller batch of the digest would fit the tokens that are left, and does not slip past."""
    limited(desk, rate=4)
    digest = sending(desk, [1, 2, 3], [4], [5, 6], priority=Priority.DIGEST)
    assert claim(desk).edition == digest.id
    alert = sending(desk, [1, 2, 3], [4, 5, 6], slot="alert:1", priority=Priority.ALERT)
    assert tried(desk) is None
    assert desk.outbox.due(NOW) == ()
    now, order = NOW, []
    while len(order) < 4:
        if one := tried(desk, now=now):
            order.append((one.edition, one.sequence))
        else:
            now = desk.outbox.waits("maildir", now) or now
    assert order == [(alert.id, 0), (alert.id, 1), (digest.id, 1), (digest.id, 2)]


def test_an_alert_need_not_wait_for_the_tokens_of_a_digest(desk: Database) -> None:
    limited(desk, per_day=40)
    sending(desk, *([4 * number + at for at in range(4)] for number in range(1, 11)))
    submit(desk)
    for _ in range(9):
        claim(desk)
    limited(desk, per_day=42)
    assert tried(desk) is None
    assert desk.outbox.due(NOW) == ()
    alert = sending(desk, [1, 2], slot="alert:1", priority=Priority.ALERT)
    assert desk.outbox.due(NOW) == (Work(kind="deliver", key="maildir", priority=Priority.ALERT),)
    assert claim(desk).edition == alert.id


# ---------------------------------------------------------------- once more


def in_doubt(store: Database, *moments: datetime) -> None:
    """Hand a batch over at each of them, and hear no answer."""
    for sent in [submit(store, now=now) for now in moments]:
        store.outbox.unknown(sent, now=moments[-1], next_at=moments[-1], error="no answer")


def test_a_call_that_is_made_again_waits_for_the_rate(desk: Database) -> None:
    limited(desk, rate=2)
    sending(desk, [1, 2], [3, 4], [5, 6])
    in_doubt(desk, NOW, NOW + SECOND)
    once = NOW + 3 * SECOND
    assert desk.outbox.take_again(claim(desk, now=once), once) is None
    second = claim(desk, now=once)
    assert second.state is BatchState.RESOLVING
    assert desk.outbox.take_again(second, once) == desk.outbox.waits("maildir", once) == once + SECOND
    assert desk.outbox.take_again(second, once + SECOND) is None
    assert tried(desk, now=once + SECOND) is None, "both took from the same tokens"


def test_a_call_that_is_made_again_is_not_put_off_to_another_day_and_counts_in_each_once(desk: Database) -> None:
    limited(desk, per_day=20)
    sending(desk, *([2 * n + 1, 2 * n + 2] for n in range(24)))
    late = MIDNIGHT - timedelta(minutes=1)
    in_doubt(desk, late)
    again = claim(desk, now=late)
    assert desk.outbox.take_again(again, late) is None
    desk.outbox.unknown(again, now=late, next_at=MIDNIGHT, error="no answer")
    assert handed_over(desk, late) == 9
    again = claim(desk, now=MIDNIGHT)
    assert again.state is BatchState.RESOLVING
    assert desk.outbox.take_again(again, MIDNIGHT) is None
    assert handed_over(desk, MIDNIGHT) == 9


def handed_over(store: Database, now: datetime) -> int:
    """How many of the batches that wait."""
    count = 0
    while claimed := tried(store, now=now):
        assert store.outbox.intend(claimed, now=now, payload_hash="abc", skipped=frozenset())
        count += 1
    return count
