"""Rejected letters that are tried again, and all that is known about one reader, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.model import BatchState, EventKind, MailEvent, Outcome, Rejection, Result
from publisher.store import Database
from tests.contracts.ledger import LATER, accept, batch, planned, planning, results, sending, submit
from tests.people import NOW, newsletter

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily")], now=NOW)
    return store


def rejected(store: Database, *members: int) -> int:
    """An edition of one batch, of which the second and the third letter are rejected."""
    one = sending(store, members)
    sent = submit(store)
    told = [
        Result(position=at, outcome=Outcome.REJECTED if at in (1, 2) else Outcome.ACCEPTED, code="552", detail="full")
        for at in range(len(members))
    ]
    assert store.outbox.settle(sent, told, now=NOW, next_at=LATER)
    return one.id


def test_who_was_rejected_is_listed_with_what_was_said(desk: Database) -> None:
    edition = rejected(desk, 11, 12, 13, 14)
    id = desk.outbox.batches(edition)[0].id
    assert desk.outbox.rejections(edition) == (
        Rejection(batch=id, subscriber=12, code="552", detail="full"),
        Rejection(batch=id, subscriber=13, code="552", detail="full"),
    )


def test_a_letter_is_tried_again_once_and_nobody_else_is(desk: Database) -> None:
    edition = rejected(desk, 11, 12, 13, 14)
    again = desk.outbox.rejections(edition)[:1]
    assert desk.outbox.retry(again, now=LATER) == 1
    assert desk.outbox.retry(again, now=LATER) == 0
    assert [one.subscriber for one in desk.outbox.rejections(edition)] == [13]
    parent, child = desk.outbox.batches(edition)
    assert (child.parent, child.members, child.state, child.wave) == (parent.id, ((12, 1),), BatchState.READY, 0)
    assert child.key not in ("", parent.key)
    sums = desk.outbox.sums(edition)
    assert (sums.planned, sums.accepted, sums.rejected, sums.waiting) == (4, 2, 1, 1)
    assert desk.outbox.trace(12)[0][1] == "waiting"


def test_what_is_rejected_again_can_be_tried_again(desk: Database) -> None:
    edition = rejected(desk, 11, 12, 13)
    for _ in range(2):
        assert desk.outbox.retry(desk.outbox.rejections(edition), now=NOW) == 2
        sent = submit(desk)
        assert sent.deferrals == 0
        assert desk.outbox.settle(sent, results(rejected=[0, 1]), now=NOW, next_at=LATER)
    assert desk.outbox.sums(edition).rejected == 2
    keys = [one.key for one in desk.outbox.batches(edition)]
    assert len(set(keys)) == len(keys) == 3
    assert desk.outbox.retry(desk.outbox.rejections(edition), now=NOW) == 2
    accept(desk)
    sums = desk.outbox.sums(edition)
    assert (sums.accepted, sums.rejected, sums.planned) == (3, 0, 3)


def test_letters_that_may_have_left_are_never_listed(desk: Database) -> None:
    edition = sending(desk, [1, 2]).id
    desk.outbox.settle(submit(desk), results(rejected=[0]), now=NOW, next_at=LATER)
    assert [one.subscriber for one in desk.outbox.rejections(edition)] == [1]
    assert desk.outbox.sums(edition).unknown == 1


def test_everything_about_a_reader_is_told(desk: Database) -> None:
    one = planned(desk, {"sport": ((), [1]), "culture": ((), [2, 3])})
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[0, 1], deferred=[2]), now=NOW, next_at=LATER)
    again = submit(desk, now=LATER)
    desk.outbox.settle(again, results(accepted=[0]), now=LATER + MINUTE, next_at=LATER)
    told = [
        MailEvent(event_id="1", kind=EventKind.DELIVERED, at=LATER, recipient="", batch=again.key, position=0),
        MailEvent(
            event_id="2", kind=EventKind.COMPLAINT, at=LATER, recipient="", batch=again.key, position=0, code="abuse"
        ),
    ]
    desk.events.keep("maildir", told, at=NOW)
    with desk.transaction() as together:
        together.events.merge(together.events.take(9), at=NOW)

    (mine,) = desk.outbox.history(3)
    assert (mine.edition, mine.outcome, mine.variant, mine.mailer) == (one.key, "accepted", "culture", "maildir")
    assert mine.batch == again.key
    assert mine.delivered
    assert [(made.at, made.outcome) for made in mine.attempts] == [(NOW, "accepted"), (LATER, "accepted")]
    assert [(said.kind, said.code) for said in mine.told] == [("complaint", "abuse")]
    (other,) = desk.outbox.history(1)
    assert (other.variant, other.delivered, len(other.attempts), other.told) == ("sport", False, 1, ())
    assert desk.outbox.history(99) == ()


def test_who_was_left_out_is_told_why(desk: Database) -> None:
    one = planning(desk)
    desk.outbox.plan(one, upto=9, batches=[batch(one, 0, {1: [1]})], excluded={"not confirmed": [2]}, finished=True)
    (mine,) = desk.outbox.history(2)
    assert (mine.outcome, mine.detail, mine.variant, mine.attempts) == ("excluded", "not confirmed", "", ())
