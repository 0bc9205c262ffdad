"""What becomes of batches that nobody can tell about: events settle them later, and otherwise a person does."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

import pytest

from publisher import editions
from publisher.errors import Conflict
from publisher.model import Batch, BatchState, Edition, EditionState, EventKind, MailEvent, Sums, Terms
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, claim, results, sending, submit
from tests.people import NOW, newsletter, subscriber, subscription


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter()], now=NOW)
    return store


def states(desk: Database, one: Edition) -> list[str]:
    return [batch.state.value for batch in desk.outbox.batches(one.id)]


def held(desk: Database, *members: int, slot: str = "daily:2026-11-22") -> tuple[Edition, Batch]:
    one = sending(desk, members, slot=slot)
    sent = submit(desk)
    assert desk.outbox.hold(sent, error="nothing tells whether it was sent")
    return one, sent


def told(desk: Database, of: Batch, positions: Collection[int], kind: EventKind = EventKind.DELIVERED) -> None:
    """Events about these letters are kept and merged."""
    events = [
        MailEvent(
            event_id=f"{of.key} {at} {kind}",
            kind=kind,
            at=NOW,
            recipient="",
            batch=of.key,
            position=at,
            message_id="",
            code="",
            detail="",
        )
        for at in positions
    ]
    desk.events.keep("maildir", events, at=NOW)
    with desk.transaction() as together:
        together.events.merge(together.events.take(100), at=NOW)


# ---------------------------------------------------------------- events


@pytest.mark.parametrize("kind", [EventKind.DELIVERED, EventKind.HARD_BOUNCE, EventKind.COMPLAINT, EventKind.DEFERRED])
def test_whoever_an_event_tells_of_was_mailed_and_is_held_no_more(desk: Database, kind: EventKind) -> None:
    """What came back had left."""
    one, sent = held(desk, 1, 2, 3)
    told(desk, sent, [0, 1, 2], kind)
    assert desk.outbox.prove(LATER) == 3
    assert states(desk, one) == ["accepted"]
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, accepted=3)
    assert desk.outbox.batch(sent.id).resolved_at == LATER
    assert desk.outbox.prove(LATER) == 0


def test_the_others_of_such_a_batch_stay_held_for_the_same_reason(desk: Database) -> None:
    one, sent = held(desk, 1, 2, 3)
    told(desk, sent, [1])
    assert desk.outbox.prove(LATER) == 1
    assert states(desk, one) == ["accepted", "held"]
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, accepted=1, unknown=2)
    assert [desk.outbox.trace(reader)[0][1:] for reader in (1, 2, 3)] == [
        ("unknown", "nothing tells whether it was sent"),
        ("accepted", "events tell that it was sent"),
        ("unknown", "nothing tells whether it was sent"),
    ]
    assert desk.outbox.prove(LATER) == 0
    told(desk, sent, [2])  # it comes under the key of the call, as the provider knows no other
    assert desk.outbox.prove(LATER) == 1
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, accepted=2, unknown=1)


def test_nothing_is_proved_where_nothing_was_told(desk: Database) -> None:
    one, sent = held(desk, 1, 2)
    other, _ = held(desk, 1, 2, slot="daily:2026-11-23")
    told(desk, sent, [0, 1])
    assert desk.outbox.prove(LATER) == 2
    assert (states(desk, one), states(desk, other)) == (["accepted"], ["held"])


def test_who_has_it_is_not_mailed_again_whatever_a_person_says(desk: Database) -> None:
    one, sent = held(desk, 1, 2, 3)
    told(desk, sent, [0, 2])
    assert editions.resolve(desk, one.key, accepted=False, now=LATER) == 1
    assert states(desk, one) == ["accepted", "ready"]
    again = claim(desk, now=LATER)
    assert [subscriber for subscriber, _ in again.members] == [2]


def test_an_event_counts_that_is_not_merged_yet(desk: Database) -> None:
    """A person says "send it again" a moment after the provider told."""
    one, sent = held(desk, 1, 2)
    event = MailEvent(
        event_id="late",
        kind=EventKind.DELIVERED,
        at=NOW,
        recipient="",
        batch=sent.key,
        position=0,
        message_id="",
        code="",
        detail="",
    )
    desk.events.keep("maildir", [event], at=NOW)
    assert editions.resolve(desk, one.key, accepted=False, now=LATER) == 1
    assert states(desk, one) == ["accepted", "ready"]


def test_what_is_mailed_again_has_another_key(desk: Database) -> None:
    """To a provider that knows the old one it would be the old call."""
    one, sent = held(desk, 1, 2)
    assert editions.resolve(desk, one.key, accepted=False, now=LATER) == 2
    again = claim(desk, now=LATER)
    assert again.id == sent.id
    assert again.key != sent.key
    assert uuid.UUID(again.key)
    assert (again.payload_hash, again.first_intent_at, again.unknown_since) == ("", None, None)


# ---------------------------------------------------------------- who they are


def test_all_readers_of_held_batches_are_told_by_name(desk: Database) -> None:
    ann, ben = (desk.audience.add(subscriber(name), subscription())[0] for name in ("Ann", "Ben"))
    one = sending(desk, [ann.id, ben.id], [ben.id + 1])
    for why in ("the connection ended", "no such key"):
        assert desk.outbox.hold(submit(desk), error=why)
    told = [(doubt.email, doubt.why, doubt.mailer, doubt.since) for doubt in desk.outbox.doubts(one.id)]
    when = desk.outbox.batches(one.id)[0].unknown_since
    assert told[:2] == [(person.email, "the connection ended", "maildir", when) for person in (ann, ben)]
    assert [(email, why) for email, why, *_ in told[2:]] == [("", "no such key")], "somebody who is gone still counts"
    assert {doubt.handed_over_at for doubt in desk.outbox.doubts(one.id)} == {NOW}
    assert desk.outbox.held() == {one.key: 3}


def test_who_was_skipped_or_proved_to_be_mailed_is_not_among_them(desk: Database) -> None:
    one = sending(desk, [1, 2, 3, 4])
    sent = desk.outbox.intend(claim(desk), now=NOW, payload_hash="abc", skipped=frozenset({0}))
    assert sent
    assert desk.outbox.hold(sent, error="nothing tells")
    assert [doubt.subscriber for doubt in desk.outbox.doubts(one.id)] == [2, 3, 4]
    told(desk, sent, [2])
    desk.outbox.prove(LATER)
    assert [doubt.subscriber for doubt in desk.outbox.doubts(one.id)] == [2, 4]
    assert desk.outbox.held() == {one.key: 2}
    assert editions.resolve(desk, one.key, accepted=True, now=LATER) == 2
    assert (list(desk.outbox.doubts(one.id)), desk.outbox.held()) == ([], {})


def test_each_edition_has_its_own_and_however_many_there_are_none_is_left_out(desk: Database) -> None:
    many = sending(desk, *([number] for number in range(1, 121)))
    for _ in range(120):
        assert desk.outbox.hold(submit(desk), error="nothing tells")
    other, _ = held(desk, 500, slot="daily:2026-11-23")
    sending(desk, [1], slot="daily:2026-11-24")
    assert [doubt.subscriber for doubt in desk.outbox.doubts(many.id)] == list(range(1, 121))
    assert [doubt.subscriber for doubt in desk.outbox.doubts(other.id)] == [500]
    assert list(desk.outbox.held().items()) == [(other.key, 1), (many.key, 120)]


def test_who_is_mailed_again_may_get_it_twice(desk: Database) -> None:
    one, _ = held(desk, 1, 2, 3)
    assert desk.outbox.possible_duplicates(one.id) == 0
    editions.resolve(desk, one.key, accepted=False, now=LATER)
    assert desk.outbox.possible_duplicates(one.id) == 3
    editions.cancel(desk, one.key, "Aoife Brennan", now=LATER)
    assert desk.outbox.possible_duplicates(one.id) == 0, "nothing of it leaves any more"


# ---------------------------------------------------------------- a cancelled edition


def in_doubt(desk: Database) -> tuple[Edition, Batch]:
    one = sending(desk, [1, 2, 3], [4])
    sent = submit(desk)
    assert desk.outbox.unknown(sent, now=NOW, next_at=NOW, error="no answer")
    assert editions.cancel(desk, one.key, "Aoife Brennan", now=NOW)[1] == 1
    return one, sent


def test_what_is_in_doubt_of_a_cancelled_edition_is_still_looked_up(desk: Database) -> None:
    one, sent = in_doubt(desk)
    assert states(desk, one) == ["unknown", "cancelled"]
    desk.outbox.sweep(LATER)
    looked_up = claim(desk, now=LATER)
    assert (looked_up.id, looked_up.state) == (sent.id, BatchState.RESOLVING)
    assert desk.outbox.intend(looked_up, now=LATER, payload_hash="abc", skipped=frozenset()) is None
    assert desk.outbox.settle(looked_up, results(accepted=[0], deferred=[1, 2]), now=LATER, next_at=LATER)
    assert desk.outbox.claim("maildir", "worker", now=LATER, lease=LEASE) is None
    desk.outbox.sweep(LATER)
    assert states(desk, one) == ["accepted", "cancelled", "cancelled"]
    assert desk.outbox.sums(one.id) == Sums(candidates=4, planned=4, accepted=1, cancelled=3)


def test_it_is_held_when_nobody_looks_it_up_any_more(desk: Database) -> None:
    """Its mailer was taken out of the settings."""
    desk.outbox.agree([Terms(mailer="maildir")])
    one, _ = in_doubt(desk)
    desk.outbox.agree([Terms(mailer="another")])
    desk.outbox.sweep(LATER)
    assert states(desk, one) == ["held", "cancelled"]


def test_a_witness_is_lacking_also_for_a_cancelled_edition(desk: Database) -> None:
    _, sent = in_doubt(desk)
    assert desk.outbox.doubted("maildir", before=LATER, own_key=True) == (NOW, sent.id)


def test_nobody_of_a_cancelled_edition_is_mailed_on_a_persons_word(desk: Database) -> None:
    one, _ = in_doubt(desk)
    looked_up = claim(desk, now=LATER)
    assert desk.outbox.hold(looked_up, error="nothing tells")
    with pytest.raises(Conflict, match="cancelled"):
        editions.resolve(desk, one.key, accepted=False, now=LATER)
    assert editions.resolve(desk, one.key, accepted=True, now=LATER) == 3
    assert desk.editions.get(one.key).state is EditionState.CANCELLED
    assert desk.outbox.claim("maildir", "worker", now=LATER + timedelta(hours=1), lease=LEASE) is None
