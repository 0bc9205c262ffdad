"""Waves in the ledger: what waits for the first one is not claimed, and how that one fares is summed up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.model import BatchState, EditionState, EventKind, MailEvent, Wave
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, accept, batch, claim, planning, results, submit
from tests.people import NOW, newsletter

MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(store: Database) -> Database:
    """An edition with a first wave of two batches, and a batch that waits for it."""
    store.editions.sync([newsletter("daily")], now=NOW)
    one = planning(store)
    batches = [batch(one, 0, {1: [1, 5]}), batch(one, 1, {1: [9]}), batch(one, 2, {1: [2, 3, 4]}, wave=1)]
    store.outbox.plan(one, upto=9, batches=batches, excluded={}, finished=True)
    return store


def first_wave(store: Database) -> Wave:
    wave = store.outbox.first_wave(edition_of(store))
    assert wave is not None
    return wave


def edition_of(store: Database) -> int:
    return store.editions.newest(1)[0].id


def release(store: Database) -> None:
    store.editions.move(store.editions.newest(1)[0].key, (EditionState.SENDING,), EditionState.SENDING, wave=1)


def test_what_waits_for_the_first_wave_is_not_claimed(desk: Database) -> None:
    assert (accept(desk).size, accept(desk).size) == (2, 1)
    assert desk.outbox.due(NOW + LEASE) == ()
    assert desk.outbox.claim("maildir", "worker", now=NOW + LEASE, lease=LEASE) is None
    release(desk)
    assert [work.key for work in desk.outbox.due(NOW)] == ["maildir"]
    assert claim(desk).wave == 1


def test_nothing_waits_for_a_first_wave_that_was_judged_or_of_an_edition_without_one(desk: Database) -> None:
    release(desk)
    assert desk.outbox.first_wave(edition_of(desk)) is None
    one = planning(desk, "daily:2026-11-23")
    desk.outbox.plan(one, upto=9, batches=[batch(one, 0, {1: [1]})], excluded={}, finished=True)
    assert desk.outbox.first_wave(one.id) is None


def test_a_first_wave_has_ended_when_each_of_its_calls_has(desk: Database) -> None:
    assert (first_wave(desk).ended_at, first_wave(desk).open, first_wave(desk).sums.waiting) == (None, 2, 3)
    accept(desk)
    second = submit(desk, now=NOW)
    assert first_wave(desk).ended_at is None
    desk.outbox.settle(second, results(accepted=[0]), now=NOW + MINUTE, next_at=LATER)
    wave = first_wave(desk)
    assert (wave.ended_at, wave.open) == (NOW + MINUTE, 0)
    assert (wave.sums.planned, wave.sums.accepted, wave.sums.waiting) == (3, 3, 0)


def test_letters_that_are_put_off_do_not_move_its_end_and_stay_in_it(desk: Database) -> None:
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[0], deferred=[1]), now=NOW, next_at=LATER)
    accept(desk)
    wave = first_wave(desk)
    assert (wave.ended_at, wave.open, wave.sums.accepted, wave.sums.waiting) == (NOW, 1, 2, 1)
    again = submit(desk, now=LATER)
    assert (again.wave, again.size) == (0, 1)
    desk.outbox.settle(again, results(rejected=[0]), now=LATER, next_at=LATER)
    wave = first_wave(desk)
    assert (wave.ended_at, wave.open, wave.sums.accepted, wave.sums.rejected) == (NOW, 0, 2, 1)


def test_a_call_in_doubt_has_ended_and_its_letters_are_unknown(desk: Database) -> None:
    accept(desk)
    desk.outbox.unknown(submit(desk), now=NOW + MINUTE, next_at=LATER, error="no answer")
    wave = first_wave(desk)
    assert (wave.ended_at, wave.open, wave.sums.unknown) == (NOW + MINUTE, 1, 1)


def test_its_events_are_counted_without_those_of_others(desk: Database) -> None:
    accept(desk)
    accept(desk)
    keys = [one.key for one in desk.outbox.batches(edition_of(desk))]
    told = [
        MailEvent(event_id="1", kind=EventKind.COMPLAINT, at=NOW, recipient="", batch=keys[0], position=1),
        MailEvent(event_id="2", kind=EventKind.HARD_BOUNCE, at=NOW, recipient="", batch=keys[1], position=0),
        MailEvent(event_id="3", kind=EventKind.HARD_BOUNCE, at=NOW, recipient="", batch=keys[2], position=0),
    ]
    desk.events.keep("maildir", told, at=NOW)
    with desk.transaction() as together:
        together.events.merge(together.events.take(9), at=NOW)
    assert first_wave(desk).events == {EventKind.COMPLAINT: 1, EventKind.HARD_BOUNCE: 1}


def test_cancelling_takes_what_waits_along(desk: Database) -> None:
    assert desk.outbox.cancel(edition_of(desk)) == 6
    assert {one.state for one in desk.outbox.batches(edition_of(desk))} == {BatchState.CANCELLED}
    assert desk.outbox.first_wave(edition_of(desk)) is None
