from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from publisher.model import Notice, NoticeState
from publisher.store import Database
from tests.people import EDITOR_ADDRESS, NOW, rendered

LEASE = timedelta(minutes=3)


def notice(key: str = "alarm:daily") -> Notice:
    return Notice(
        kind="alarm",
        key=key,
        address=EDITOR_ADDRESS,
        rendered=rendered("The daily has not gone out"),
        sender="alarm@harbour-gazette.example",
        mailer="maildir",
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
