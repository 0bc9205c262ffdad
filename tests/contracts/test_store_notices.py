from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from publisher.errors import Failure
from publisher.model import Circuit, CircuitState, Limits, Notice, NoticeState, Priority, Terms
from publisher.store import Database
from tests.contracts.ledger import sending
from tests.people import EDITOR_ADDRESS, NOW, newsletter, rendered

LEASE, SECOND, HOUR = timedelta(minutes=3), timedelta(seconds=1), timedelta(hours=1)


def notice(key: str = "alarm:daily", mailer: str = "maildir") -> Notice:
    return Notice(
        kind="alarm",
        key=key,
        address=EDITOR_ADDRESS,
        rendered=rendered("The daily has not gone out"),
        sender="alarm@harbour-gazette.example",
        mailer=mailer,
        created_at=NOW,
    )


def test_a_notice_is_added_once_and_claimed_once(store: Database) -> None:
    assert store.notices.add(notice())
    assert not store.notices.add(notice())
    claimed = store.notices.claim(now=NOW, lease=LEASE)
    assert claimed is not None
    assert claimed == replace(notice(), id=claimed.id, state=NoticeState.SUBMITTING, attempts=1)
    assert store.notices.claim(now=NOW, lease=LEASE) is None


def test_a_sent_notice_no_longer_waits(store: Database) -> None:
    store.notices.add(notice())
    claimed = store.notices.claim(now=NOW, lease=LEASE)
    assert claimed is not None
    assert store.notices.waiting() == 1
    store.notices.settle(claimed.id, NoticeState.SENT, now=NOW, error="")
    store.notices.settle(claimed.id, NoticeState.UNKNOWN, now=NOW, error="too late to say so")
    assert store.notices.waiting() == 0
    (sent,) = store.notices.last(5)
    assert (sent.state, sent.sent_at, sent.last_error) == (NoticeState.SENT, NOW, "")


def test_a_notice_given_back_rests_before_it_is_tried_again(store: Database) -> None:
    store.notices.add(notice())
    claimed = store.notices.claim(now=NOW, lease=LEASE)
    assert claimed is not None
    store.notices.settle(claimed.id, NoticeState.READY, now=NOW, error="busy")
    assert store.notices.claim(now=NOW, lease=LEASE) is None
    again = store.notices.claim(now=NOW + LEASE, lease=LEASE)
    assert again is not None
    assert (again.id, again.attempts) == (claimed.id, 2)


def test_a_notice_given_back_may_rest_for_longer(store: Database) -> None:
    store.notices.add(notice())
    claimed = store.notices.claim(now=NOW, lease=LEASE)
    assert claimed is not None
    store.notices.settle(claimed.id, NoticeState.READY, now=NOW, error="busy", next_at=NOW + 9 * LEASE)
    assert store.notices.claim(now=NOW + 8 * LEASE, lease=LEASE) is None
    assert store.notices.claim(now=NOW + 9 * LEASE, lease=LEASE) is not None


def test_a_notice_whose_worker_died_is_unknown_and_never_sent_again(store: Database) -> None:
    store.notices.add(notice())
    store.notices.claim(now=NOW, lease=LEASE)
    assert store.notices.claim(now=NOW + 2 * LEASE, lease=LEASE) is None
    (lost,) = store.notices.last(1)
    assert lost.state is NoticeState.UNKNOWN


def test_a_notice_is_found_by_its_key(store: Database) -> None:
    for key in "abc":
        store.notices.add(notice(key))
    found = store.notices.by_key("b")
    assert found == replace(notice("b"), id=found.id if found else 0)
    assert store.notices.by_key("d") is None


def test_the_last_notices_come_newest_first(store: Database) -> None:
    for key in "abc":
        store.notices.add(notice(key))
    assert [one.key for one in store.notices.last(2)] == ["c", "b"]


# ---------------------------------------------------------------- tokens


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily"), newsletter("alert")], now=NOW)
    return store


def limited(store: Database, **limits: float) -> None:
    store.outbox.agree([Terms(mailer="maildir", limits=Limits(**limits), batch=100)])  # type: ignore[arg-type]


def taken(store: Database, now: datetime = NOW) -> list[str]:
    """The keys of all that may be handed over now."""
    return [one.key for one in iter(lambda: store.notices.claim(now=now, lease=LEASE), None) if one]


def test_a_notice_without_a_token_stays_as_it_is_and_keeps_no_other_mailer_waiting(desk: Database) -> None:
    limited(desk, rate=2)
    for key in "abc":
        desk.notices.add(notice(key))
    desk.notices.add(notice("other", "another"))
    assert desk.notices.turn(NOW) is None
    assert taken(desk) == ["a", "b", "other"]
    waits = desk.notices.by_key("c")
    assert waits is not None
    assert (waits.state, waits.attempts) == (NoticeState.READY, 0)
    assert desk.notices.turn(NOW) == NOW + SECOND / 2
    assert taken(desk, NOW + SECOND / 2) == ["c"]
    assert desk.notices.turn(NOW + SECOND / 2) is None


def test_notices_and_batches_share_the_messages_of_a_day(desk: Database) -> None:
    limited(desk, per_day=20)
    sending(desk, *([number] for number in range(1, 31)))
    for key in range(5):
        desk.notices.add(notice(str(key)))
    assert len(taken(desk)) == 5
    claims = iter(lambda: desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE), None)
    assert len(list(claims)) == 15
    desk.notices.add(notice("late"))
    assert taken(desk) == []
    assert taken(desk, NOW + timedelta(days=1)) == ["late"]


def test_a_notice_goes_before_every_batch_and_waits_for_none(desk: Database) -> None:
    limited(desk, rate=4)
    sending(desk, [1, 2, 3], [4, 5, 6], slot="alert:1", priority=Priority.ALERT)
    assert desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is not None
    assert desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE) is None, "it waits for three tokens"
    for key in "ab":
        desk.notices.add(notice(key))
    assert taken(desk) == ["a"], "with the token that was left"
    soon = NOW + SECOND / 4
    assert desk.outbox.claim("maildir", "worker", now=soon, lease=LEASE) is None
    assert taken(desk, soon) == ["b"]


def test_the_token_of_what_did_not_leave_is_given_back(desk: Database) -> None:
    limited(desk, per_day=1)
    desk.notices.add(notice())
    for _ in range(3):
        claimed = desk.notices.claim(now=NOW, lease=LEASE)
        assert claimed is not None
        desk.notices.settle(claimed.id, NoticeState.READY, now=NOW, error="busy", next_at=NOW)
    assert taken(desk) == ["alarm:daily"]
    desk.notices.add(notice("another"))
    assert taken(desk) == []


def together(store: Database, now: datetime = NOW) -> list[str]:
    """What three workers are given who look at once."""
    found: list[str] = []
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        found.extend(taken(store, now))

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def test_workers_share_the_tokens_of_notices(desk: Database) -> None:
    limited(desk, per_day=10)
    for key in range(30):
        desk.notices.add(notice(str(key)))
    assert sorted(together(desk), key=int) == [str(key) for key in range(10)]


# ---------------------------------------------------------------- circuits


def opened(store: Database) -> None:
    failed = {"failure": Failure.QUOTA, "reason": "quota", "failures": 1, "opened_at": NOW, "until": NOW + HOUR}
    store.outbox.put_circuit(Circuit(mailer="maildir", state=CircuitState.OPEN, **failed))  # type: ignore[arg-type]


def test_nothing_goes_to_a_mailer_that_asked_to_wait(desk: Database) -> None:
    desk.notices.add(notice())
    desk.notices.add(notice("other", "another"))
    desk.outbox.block("maildir", until=NOW + HOUR, reason="429")
    assert taken(desk) == ["other"]
    assert desk.notices.turn(NOW) is None
    assert taken(desk, NOW + HOUR) == ["alarm:daily"]


def test_an_open_circuit_lets_one_notice_through_when_its_time_is_over_and_its_success_closes_it(
    desk: Database,
) -> None:
    for key in "abc":
        desk.notices.add(notice(key))
    opened(desk)
    assert taken(desk, NOW + HOUR - SECOND) == []
    (trial,) = together(desk, NOW + HOUR)
    assert desk.outbox.circuit("maildir").state is CircuitState.HALF_OPEN
    tried = desk.notices.by_key(trial)
    assert tried is not None
    desk.notices.settle(tried.id, NoticeState.SENT, now=NOW + HOUR, error="")
    assert desk.outbox.circuit("maildir") == Circuit(mailer="maildir", reason="quota")
    assert len(taken(desk, NOW + HOUR)) == 2


@pytest.mark.parametrize("ends", [NoticeState.READY, NoticeState.UNKNOWN, NoticeState.FAILED])
def test_a_notice_on_trial_that_tells_nothing_lets_another_through(desk: Database, ends: NoticeState) -> None:
    for key in "ab":
        desk.notices.add(notice(key))
    opened(desk)
    tried = desk.notices.claim(now=NOW + HOUR, lease=LEASE)
    assert tried is not None
    desk.notices.settle(tried.id, ends, now=NOW + HOUR, error="put off", next_at=NOW + 2 * HOUR)
    assert desk.outbox.circuit("maildir").state is CircuitState.OPEN
    assert taken(desk, NOW + HOUR) == ["b"]


def test_a_worker_that_dies_with_a_notice_on_trial_does_not_stop_the_mailer_for_good(desk: Database) -> None:
    for key in "ab":
        desk.notices.add(notice(key))
    opened(desk)
    assert taken(desk, NOW + HOUR) == ["a"]
    assert taken(desk, NOW + HOUR + 2 * LEASE) == ["b"]


def test_batches_that_are_due_are_tried_before_notices(desk: Database) -> None:
    desk.notices.add(notice())
    sending(desk, [1])
    opened(desk)
    assert taken(desk, NOW + HOUR) == []
    claimed = desk.outbox.claim("maildir", "worker", now=NOW + HOUR, lease=LEASE)
    assert claimed is not None
    assert taken(desk, NOW + HOUR) == [], "it is known what the batch meets before anything else leaves"
    desk.outbox.put_circuit(Circuit(mailer="maildir"))
    assert taken(desk, NOW + HOUR) == ["alarm:daily"]


def test_a_notice_on_trial_without_a_token_is_no_trial(desk: Database) -> None:
    limited(desk, rate=1)
    for key in "ab":
        desk.notices.add(notice(key))
    assert taken(desk, NOW + HOUR) == ["a"]
    opened(desk)
    assert taken(desk, NOW + HOUR) == []
    assert desk.outbox.circuit("maildir").state is CircuitState.OPEN
    assert taken(desk, NOW + HOUR + SECOND) == ["b"]
