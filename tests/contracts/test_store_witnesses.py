"""What a lost call is held against: batches and notices that were handed over after it must have ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from publisher.model import BatchState, EventKind, MailEvent, Notice, NoticeState, Rendered
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, accept, results, sending, submit
from tests.people import NOW, newsletter

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily")], now=NOW)
    return store


def witness(key: str = "w", **changes: Any) -> Notice:
    made: dict[str, Any] = {
        "kind": "witness",
        "key": key,
        "address": "editor@harbour-gazette.example",
        "rendered": Rendered(subject="A check", html="", text=""),
        "sender": "daily@harbour-gazette.example",
        "mailer": "maildir",
        "created_at": NOW + HOUR,
    }
    return Notice(**(made | changes))


def put(store: Database, state: NoticeState, **changes: Any) -> None:
    store.notices.add(witness(**changes))
    claimed = store.notices.claim(now=NOW + HOUR, lease=LEASE)
    assert claimed is not None
    store.notices.settle(claimed.id, state, now=NOW + HOUR, error="")


def told(store: Database, key: str, mailer: str = "maildir", *, position: int = -1) -> None:
    id = f"{mailer} {key}"
    event = MailEvent(event_id=id, kind=EventKind.DELIVERED, at=NOW, recipient="", batch=key, position=position)
    store.events.keep(mailer, [event], at=NOW + HOUR)
    with store.transaction() as together:
        together.events.merge(together.events.take(9), at=NOW + HOUR)


def lose(store: Database, *, hash: bool = True) -> None:
    lost = submit(store)
    if hash:
        store.outbox.unknown(lost, now=NOW + MINUTE, next_at=LATER, error="no answer")
    else:
        store.outbox.settle(lost, results(accepted=[0]), now=NOW + MINUTE, next_at=LATER)


def test_a_batch_in_doubt_is_known_by_when_it_was_last_handed_over(desk: Database) -> None:
    sending(desk, [1, 2], [3])
    assert desk.outbox.doubted("maildir", before=NOW + HOUR, own_key=True) is None
    lose(desk)
    lost = desk.outbox.batches(desk.editions.newest(1)[0].id)[0]
    assert desk.outbox.doubted("maildir", before=NOW + HOUR, own_key=True) == (NOW + MINUTE, lost.id)
    assert desk.outbox.doubted("maildir", before=NOW + MINUTE, own_key=True) is None
    assert desk.outbox.doubted("another", before=NOW + HOUR, own_key=True) is None


def test_letters_whose_batch_was_accepted_without_them_have_no_key_to_search_for(desk: Database) -> None:
    sending(desk, [1, 2])
    lose(desk, hash=False)
    parted = desk.outbox.batches(desk.editions.newest(1)[0].id)[1]
    assert parted.state is BatchState.UNKNOWN
    assert desk.outbox.doubted("maildir", before=NOW + HOUR, own_key=True) is None
    assert desk.outbox.doubted("maildir", before=NOW + HOUR, own_key=False) == (NOW + MINUTE, parted.id)


@pytest.mark.parametrize(
    ("state", "found"),
    [(NoticeState.SENT, "w"), (NoticeState.UNKNOWN, "w"), (NoticeState.FAILED, ""), (NoticeState.READY, "")],
)
def test_a_notice_is_a_witness_when_the_mailer_may_have_it(desk: Database, state: NoticeState, found: str) -> None:
    put(desk, state)
    assert desk.outbox.witness("maildir", NOW) == found
    assert desk.outbox.witness("maildir", NOW + HOUR) == "", "it was made before"
    assert desk.outbox.witness("another", NOW) == ""


def test_other_notices_are_none(desk: Database) -> None:
    put(desk, NoticeState.SENT, kind="alarm")
    assert desk.outbox.witness("maildir", NOW) == ""
    assert desk.notices.witnesses("maildir", NOW) == ()


def test_a_later_batch_is_taken_before_a_notice_and_one_that_was_sent_before_one_that_may_have_been(
    desk: Database,
) -> None:
    put(desk, NoticeState.SENT, key="sent")
    put(desk, NoticeState.UNKNOWN, key="lost")
    assert desk.outbox.witness("maildir", NOW) == "sent"
    sending(desk, [1])
    key = accept(desk).key
    assert desk.outbox.witness("maildir", NOW - MINUTE) == key


def test_a_notice_of_which_an_event_tells_is_a_witness(desk: Database) -> None:
    put(desk, NoticeState.SENT)
    assert desk.events.witness("maildir", NOW) == ""
    told(desk, "another call")
    told(desk, "w", mailer="another")
    assert desk.events.witness("maildir", NOW) == ""
    told(desk, "w")
    assert desk.events.witness("maildir", NOW) == "w"
    assert desk.events.witness("maildir", NOW + HOUR) == ""


def test_what_only_a_wrong_clock_calls_later_is_no_witness(desk: Database) -> None:
    sending(desk, [1])
    put(desk, NoticeState.SENT, key="before")  # made while the clock was ahead
    told(desk, "before")
    lost = submit(desk)
    put(desk, NoticeState.SENT, key="after")
    assert desk.events.witness("maildir", NOW, than=lost.id) == ""
    assert desk.outbox.witness("maildir", NOW, than=lost.id) == "after"
    assert [one.key for one in desk.notices.witnesses("maildir", NOW, than=lost.id)] == ["after"]
    told(desk, "after")
    assert desk.events.witness("maildir", NOW, than=lost.id) == "after"


@pytest.mark.parametrize(("account", "other"), [("one", "two"), ("one", "")])
def test_a_batch_that_another_account_took_is_no_witness(desk: Database, account: str, other: str) -> None:
    sending(desk, [1], [2], [3])
    lost = submit(desk, account=account)
    for of, found in ((other, False), (account, True)):
        later = submit(desk, now=NOW + MINUTE, account=of)
        desk.outbox.settle(later, results(accepted=[0]), now=NOW + MINUTE, next_at=LATER)
        told(desk, later.key, position=0)
        expected = later.key if found else ""
        assert desk.outbox.witness("maildir", NOW, than=lost.id) == expected
        assert desk.events.witness("maildir", NOW, than=lost.id) == expected


def test_where_nobody_knows_the_account_any_later_batch_is_a_witness(desk: Database) -> None:
    """It was handed over before accounts were written down."""
    sending(desk, [1], [2])
    lost = submit(desk)
    later = submit(desk, now=NOW + MINUTE, account="one")
    desk.outbox.settle(later, results(accepted=[0]), now=NOW + MINUTE, next_at=LATER)
    assert desk.outbox.witness("maildir", NOW, than=lost.id) == later.key


def test_witnesses_of_a_mailer_are_listed_from_a_time_on(desk: Database) -> None:
    for key, mailer, hours in (("a", "maildir", 1), ("b", "another", 2), ("c", "maildir", 3)):
        desk.notices.add(witness(key, mailer=mailer, created_at=NOW + hours * HOUR))
    assert [one.key for one in desk.notices.witnesses("maildir", NOW)] == ["a", "c"]
    assert [one.key for one in desk.notices.witnesses("maildir", NOW + HOUR)] == ["c"]
