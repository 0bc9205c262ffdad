from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from publisher.model import (
    BatchState,
    Edition,
    EditionState,
    Ending,
    EventKind,
    MailEvent,
    Merged,
    SubscriptionStatus,
    Suppression,
    SuppressionReason,
)
from publisher.store import Database
from publisher.store.tables import delivery_exception, subscription_past
from tests.contracts.ledger import LATER, accept, batch, claim, planning, results, sending, submit
from tests.people import BEN, CARLA, DMITRI, NOW, newsletter, subscriber, subscription, suppression

DELIVERED, ACCEPTED, DEFERRED = EventKind.DELIVERED, EventKind.ACCEPTED, EventKind.DEFERRED
SOFT, HARD, BLOCKED = EventKind.SOFT_BOUNCE, EventKind.HARD_BOUNCE, EventKind.BLOCKED
COMPLAINT, UNSUBSCRIBED = EventKind.COMPLAINT, EventKind.UNSUBSCRIBED
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def desk(store: Database) -> Database:
    """Ben, Carla and Dmitri are subscribers 1, 2 and 3 of the daily and of the weekly."""
    store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    for person in (BEN, CARLA, DMITRI):
        store.audience.add(person, subscription())
        store.audience.add(person, subscription(newsletter="weekly"))
    return store


def event(id: str, kind: EventKind = DELIVERED, **fields: Any) -> MailEvent:
    made = {"at": NOW + HOUR, "recipient": "ben.okafor@mail.example", "position": 0}
    return MailEvent(event_id=id, kind=kind, **(made | fields))


def merge(store: Database, *events: MailEvent, at: datetime = LATER) -> Merged:
    store.events.keep("maildir", events, at=at)
    with store.transaction() as together:
        return together.events.merge(together.events.take(1000), at=at)


def exceptions(store: Database) -> dict[tuple[int, str], tuple[str, str]]:
    columns = ("subscriber", "kind", "code", "detail")
    with store._access.read() as connection:
        rows = connection.execute(sa.select(*(delivery_exception.c[name] for name in columns))).all()
    return {(who, kind): (code, detail) for who, kind, code, detail in rows}


# ---------------------------------------------------------------- kept once


def test_an_event_comes_back_as_it_was_kept(desk: Database) -> None:
    full = event(
        "msg_1", HARD, batch="key 1", position=7, message_id="<a@b.example>", code="550 5.1.1", detail="No Ünknown"
    )
    assert desk.events.keep("resend", [full], at=NOW) == 1
    (kept,) = desk.events.take(10)
    assert (kept.mailer, kept.event) == ("resend", full)


def test_an_event_is_kept_once_for_each_mailer(desk: Database) -> None:
    assert desk.events.keep("resend", [event("1"), event("2"), event("1")], at=NOW) == 2
    assert desk.events.keep("resend", [event("2"), event("3")], at=NOW) == 1
    assert desk.events.keep("postmark", [event("1")], at=NOW) == 1
    assert desk.events.keep("resend", [], at=NOW) == 0
    assert [(one.mailer, one.event.event_id) for one in desk.events.take(10)] == [
        ("resend", "1"),
        ("resend", "2"),
        ("resend", "3"),
        ("postmark", "1"),
    ]


def test_what_no_database_could_hold_is_kept_all_the_same(desk: Database) -> None:
    endless = "x" * 5000
    assert (
        desk.events.keep("resend", [event("a\0b\ud800", detail="a\0b\udcff"), event(endless, code=endless)], at=NOW)
        == 2
    )
    assert desk.events.keep("resend", [event("a\0b?"), event(endless)], at=NOW) == 0
    short, long = desk.events.take(10)
    assert (short.event.event_id, short.event.detail) == ("ab?", "ab?")
    assert len(long.event.code) == 500


def test_events_are_taken_oldest_first_until_they_are_merged(desk: Database) -> None:
    assert not desk.events.waiting()
    desk.events.keep("resend", [event("1"), event("2"), event("3")], at=NOW)
    with desk.transaction() as together:
        first = together.events.take(2)
        assert [one.event.event_id for one in first] == ["1", "2"]
        together.events.merge(first, at=NOW)
    assert desk.events.waiting()
    assert [one.event.event_id for one in desk.events.take(10)] == ["3"]
    merge(desk)
    assert not desk.events.waiting()


def test_what_was_not_committed_is_taken_again(desk: Database) -> None:
    desk.events.keep("resend", [event("1")], at=NOW)

    def killed() -> None:
        with desk.transaction() as together:
            together.events.merge(together.events.take(10), at=NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()
    assert [one.event.event_id for one in desk.events.take(10)] == ["1"]


def test_while_one_process_merges_another_gets_nothing(postgresql_store_url: str) -> None:
    from publisher.store import open_store

    mine, other = open_store(postgresql_store_url), open_store(postgresql_store_url)
    mine.events.keep("resend", [event("1")], at=NOW)
    with mine.transaction() as together:
        assert together.events.take(10)
        with other.transaction() as beside:
            assert beside.events.take(10) == ()
    with other.transaction() as beside:
        assert beside.events.take(10)
    mine.close()
    other.close()


def test_old_events_are_forgotten_unless_they_wait(desk: Database) -> None:
    merge(desk, event("1"), event("2"), at=NOW)
    desk.events.keep("maildir", [event("3")], at=NOW)
    merge_later = NOW + 90 * DAY
    assert desk.events.forget(NOW) == 0
    assert desk.events.forget(merge_later) == 2
    assert [one.event.event_id for one in desk.events.take(10)] == ["3"]
    assert desk.events.keep("maildir", [event("1")], at=merge_later) == 1


# ---------------------------------------------------------------- merged into the ledger


def test_a_delivery_is_a_bit_of_its_batch(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    sent = accept(desk)
    merge(desk, event("1", batch=sent.key, position=2), event("2", EventKind.OPENED, batch=sent.key, position=0))
    merge(desk, event("3", EventKind.CLICKED, batch=sent.key, position=0))
    assert desk.events.tally(one.id) == {DELIVERED: 2}
    assert desk.events.positions(sent.key) == {0, 2}
    assert exceptions(desk) == {}


def test_anything_worse_is_an_exception_that_names_the_reader(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    sent = accept(desk)
    told = {"batch": sent.key, "code": "550", "detail": "gone"}
    merge(desk, event("1", HARD, position=1, **told), event("2", DEFERRED, position=2, **told))
    merge(desk, event("3", DELIVERED, position=2, **told))
    assert exceptions(desk) == {(2, "hard bounce"): ("550", "gone"), (3, "deferred"): ("550", "gone")}
    assert desk.events.tally(one.id) == {HARD: 1, DEFERRED: 1, DELIVERED: 1}


@pytest.mark.parametrize("first", [0, 1, 2])
def test_of_several_events_of_a_kind_the_earliest_is_told(desk: Database, first: int) -> None:
    sending(desk, [1])
    key = accept(desk).key
    events = [
        event("a", SOFT, batch=key, at=NOW + HOUR, code="second"),
        event("b", SOFT, batch=key, at=NOW, code="first"),
        event("c", SOFT, batch=key, at=NOW, code="later letter"),
    ]
    merge(desk, events[first])
    merge(desk, *events)
    assert exceptions(desk) == {(1, "soft bounce"): ("first", "")}


def test_that_a_letter_was_accepted_is_written_down_where_it_is_not_known(desk: Database) -> None:
    sending(desk, [1, 2], [3])
    known, doubtful = accept(desk), submit(desk)
    desk.outbox.unknown(doubtful, now=NOW, next_at=LATER, error="the answer was lost")
    merge(desk, event("1", ACCEPTED, batch=known.key), event("2", ACCEPTED, batch=doubtful.key))
    assert exceptions(desk) == {(3, "accepted"): ("", "")}
    assert desk.events.positions(doubtful.key) == {0}
    assert desk.events.positions(known.key) == frozenset()


def test_an_event_proves_a_letter_that_moved_to_a_child(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    sent = submit(desk)
    merge(desk, event("early", ACCEPTED, batch=sent.key, position=1))
    desk.outbox.settle(sent, results(accepted=[0], unknown=[1, 2]), now=NOW, next_at=LATER)
    (child,) = [made for made in desk.outbox.batches(one.id) if made.parent == sent.id]
    assert child.state is BatchState.UNKNOWN
    assert desk.events.positions(child.key) == {0}
    merge(desk, event("late", HARD, batch=sent.key, position=2))
    assert desk.events.positions(child.key) == {0, 1}


def test_what_waits_to_be_merged_is_evidence_already(desk: Database) -> None:
    one = sending(desk, [1, 2, 3], [4])
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[0], unknown=[1, 2]), now=NOW, next_at=LATER)
    (child,) = [made for made in desk.outbox.batches(one.id) if made.parent == sent.id]
    told = event("1", ACCEPTED, batch=sent.key, position=1)
    by_address = event("2", ACCEPTED, batch=sent.key, position=-1, recipient="dmitri.volkov@mail.example")
    beside = event("3", ACCEPTED, batch="other", detail=sent.key, position=2)
    desk.events.keep("maildir", [told, beside], at=NOW)
    assert desk.events.positions(child.key) == {0}
    desk.events.keep("maildir", [by_address], at=NOW)
    assert desk.events.positions(child.key) == {0, 1}


def test_an_event_without_a_position_finds_its_letter_by_address(desk: Database) -> None:
    sending(desk, [1, 3])
    key = accept(desk).key
    found = event("1", HARD, batch=key, position=-1, recipient="Dmitri.Volkov@MAIL.example")
    lost = event("2", HARD, batch=key, position=-1, recipient="carla.rossi@mail.example")
    far = event("3", batch=key, position=99, recipient="")
    merged = merge(desk, found, lost, far)
    assert exceptions(desk).keys() == {(3, "hard bounce")}
    assert merged.orphans == 2


def test_an_event_of_no_letter_of_ours_changes_no_letter(desk: Database) -> None:
    one = sending(desk, [1])
    accept(desk)
    merged = merge(desk, event("1", HARD, batch="somebody else's"), event("2", HARD), event("3", ACCEPTED))
    assert merged.orphans == 3
    assert exceptions(desk) == {}
    assert desk.events.tally(one.id) == {}


def test_events_that_concern_readers_come_with_what_is_known_of_them(desk: Database) -> None:
    one = sending(desk, [1, 2])
    key = accept(desk).key
    merged = merge(
        desk,
        event("1", COMPLAINT, batch=key, position=1),
        event("2", DELIVERED, batch=key),
        event("3", HARD, recipient="DMITRI.volkov@mail.example"),
        event("4", HARD, recipient="stranger@mail.example"),
    )
    ours, by_address, stranger = merged.readers
    assert (ours.edition, ours.newsletter, ours.subscriber) == (one.id, "daily", 2)
    assert (ours.mailer, ours.address_key) == ("maildir", CARLA.address_key)
    assert (by_address.edition, by_address.subscriber, by_address.address_key) == (0, 3, DMITRI.address_key)
    assert (stranger.subscriber, stranger.address_key, stranger.event.event_id) == (0, b"", "4")


# ---------------------------------------------------------------- what they prove


def test_a_batch_handed_over_later_with_an_event_is_a_witness(desk: Database) -> None:
    sending(desk, [1], [2])
    early = submit(desk)
    late = submit(desk, now=NOW + HOUR)
    witness = desk.events.witness
    assert witness("maildir", NOW, than=early.id) == ""
    merge(desk, event("1", HARD, batch=early.key))
    assert witness("maildir", NOW, than=early.id) == ""
    merge(desk, event("2", HARD, batch=late.key))
    assert witness("maildir", NOW, than=early.id) == late.key
    assert witness("resend", NOW, than=early.id) == ""
    assert witness("maildir", NOW + HOUR, than=early.id) == ""


def test_a_delivery_is_a_witness_too(desk: Database) -> None:
    sending(desk, [1], [2])
    lost, sent = submit(desk), accept(desk)
    assert desk.events.witness("maildir", NOW - HOUR, than=lost.id) == ""
    merge(desk, event("1", batch=sent.key))
    assert desk.events.witness("maildir", NOW - HOUR, than=lost.id) == sent.key


def test_what_only_a_wrong_clock_calls_later_is_no_witness(desk: Database) -> None:
    sending(desk, [1], [2], [3])
    earlier = submit(desk, now=NOW + HOUR)  # the clock was set back after this
    lost, later = submit(desk), submit(desk)
    merge(desk, event("1", HARD, batch=earlier.key))
    assert desk.events.witness("maildir", NOW - HOUR, than=lost.id) == ""
    merge(desk, event("2", HARD, batch=later.key))
    assert desk.events.witness("maildir", NOW - HOUR, than=lost.id) == later.key


def test_what_a_mailer_told_was_heard_when_it_was_kept(desk: Database) -> None:
    desk.events.keep("maildir", [event("1", at=NOW - HOUR)], at=NOW)
    assert desk.events.heard("maildir", NOW - HOUR, NOW + HOUR)
    assert not desk.events.heard("maildir", NOW, NOW + HOUR)
    assert not desk.events.heard("maildir", NOW - HOUR, NOW)
    assert not desk.events.heard("resend", NOW - HOUR, NOW + HOUR)


def test_nothing_is_known_of_a_batch_that_is_not_there(desk: Database) -> None:
    assert desk.events.positions("none") == frozenset()
    assert desk.events.tally(77) == {}


# ---------------------------------------------------------------- letters in a row


def letter(store: Database, day: int, *, ids: Collection[int] = (1, 2), kind: EventKind | None = SOFT) -> Edition:
    """The edition of a day, handed over on it, and what its first reader's letter became."""
    at = NOW + day * DAY
    one = planning(store, f"daily:{day}", composed_at=at)
    made = batch(one, 0, {1: list(ids)})
    store.outbox.plan(one, upto=max(ids), batches=[made], excluded={}, finished=True)
    sent = store.outbox.claim("maildir", "worker", now=at, lease=HOUR)
    assert sent is not None
    intended = store.outbox.intend(sent, now=at, payload_hash="abc", skipped=frozenset())
    assert intended is not None
    store.outbox.settle(intended, results(accepted=range(made.size)), now=at, next_at=at)
    store.editions.move(one.key, [EditionState.SENDING], EditionState.DONE, finished_at=at + HOUR)
    if kind is not None:
        merge(store, event(f"{day} {kind}", kind, batch=made.key, at=at + HOUR), at=at)
    return one


def test_a_readers_letters_come_in_order_with_their_soft_bounces(desk: Database) -> None:
    letter(desk, 0, kind=DELIVERED)
    days = [letter(desk, 1), letter(desk, 2, kind=None), letter(desk, 3), letter(desk, 4, kind=DELIVERED)]
    last = letter(desk, 5)
    letter(desk, 6, ids=(2, 3))
    letter(desk, 7, kind=DELIVERED)
    found = desk.events.letters([1, 2, 3], least=3)
    bounced = [NOW + day * DAY + HOUR for day in (1, 3, 5)]
    assert found == {
        1: (
            (days[0].id, bounced[0]),
            (days[1].id, None),
            (days[2].id, bounced[1]),
            (days[3].id, None),
            (last.id, bounced[2]),
        )
    }
    assert desk.events.letters([1], least=4) == {}
    assert desk.events.letters([], least=0) == {}


def test_a_letter_that_was_delivered_after_all_did_not_bounce(desk: Database) -> None:
    one = letter(desk, 1)
    merged = merge(desk, event("late", batch=desk.outbox.batches(one.id)[0].key))
    assert merged.recovered == {1: BEN.address_key}
    assert desk.events.letters([1], least=1) == {1: ((one.id, None),)}


def test_a_letter_that_moved_is_one_letter(desk: Database) -> None:
    one = sending(desk, [1, 2])
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[1], unknown=[0]), now=NOW, next_at=NOW)
    child = claim(desk, now=LATER)
    assert child.parent == sent.id
    desk.outbox.settle(child, results(accepted=[0]), now=LATER, next_at=LATER)
    merge(desk, event("1", SOFT, batch=sent.key, at=LATER))
    assert desk.events.letters([1], least=1) == {1: ((one.id, LATER),)}


# ---------------------------------------------------------------- readers


def hard(**changes: Any) -> Suppression:
    return suppression(BEN, **({"evidence": {"event": "m"}, "since": NOW} | changes))


def standing(store: Database) -> tuple[str, datetime, str]:
    from publisher.store.tables import suppression as table

    with store._access.read() as connection:
        row = connection.execute(sa.select(table)).mappings().one()
    return row["reason"], row["since"], row["evidence"].get("event", "")


REASONS = [
    hard(reason=SuppressionReason.UNSUBSCRIBE, evidence={}),
    hard(reason=SuppressionReason.SOFT_BOUNCES, evidence={}),
    hard(since=NOW + HOUR, evidence={"event": "a"}),
    hard(evidence={"event": "z"}),
    hard(evidence={"event": "b"}),
    hard(reason=SuppressionReason.COMPLAINT, since=NOW + 2 * HOUR),
    hard(reason=SuppressionReason.COMPLAINT, since=NOW + HOUR),
]


@pytest.mark.parametrize("upto", range(1, len(REASONS) + 1))
@pytest.mark.parametrize("order", ["together", "as they came", "backwards"])
def test_the_gravest_reason_stays_and_of_equal_ones_the_earliest(desk: Database, upto: int, order: str) -> None:
    given = REASONS[:upto]
    portions = {"together": [given], "as they came": [[one] for one in given], "backwards": [[o] for o in given[::-1]]}
    assert sum(desk.events.suppress(portion) for portion in portions[order]) == 1
    best = given[-1]
    assert standing(desk) == (best.reason, best.since, best.evidence.get("event", ""))


def test_what_an_editor_suppressed_stays_as_it_is(desk: Database) -> None:
    desk.audience.suppress(hard(reason=SuppressionReason.MANUAL, evidence={"by": "Aoife"}))
    assert desk.events.suppress([hard(reason=SuppressionReason.COMPLAINT)]) == 0
    assert desk.events.release([BEN.address_key]) == 0
    assert standing(desk)[0] == "manual"


def test_only_a_suppression_for_soft_bounces_can_be_released(desk: Database) -> None:
    soft = hard(reason=SuppressionReason.SOFT_BOUNCES)
    assert desk.events.suppress([soft]) == 1
    assert desk.audience.suppressed(BEN.address_key, "daily") == "soft bounces"
    assert desk.events.release([CARLA.address_key, BEN.address_key]) == 1
    assert desk.audience.suppressed(BEN.address_key, "daily") == ""
    desk.events.suppress([soft, hard()])
    assert desk.events.release([BEN.address_key]) == 0
    assert desk.events.release([]) == 0


def ending(id: str = "m", newsletter: str = "", **changes: Any) -> Ending:
    made = {"subscriber": 1, "at": NOW, "why": "complaint", "mailer": "maildir", "event_id": id}
    return Ending(newsletter=newsletter, **(made | changes))


def statuses(store: Database, who: int = 1) -> dict[str, SubscriptionStatus]:
    return {one.newsletter: one.status for one in store.audience.subscriptions(who)}


def pasts(store: Database) -> int:
    with store._access.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(subscription_past)).scalar_one())


def test_an_ending_ends_one_subscription_or_all(desk: Database) -> None:
    confirmed, left = SubscriptionStatus.CONFIRMED, SubscriptionStatus.UNSUBSCRIBED
    assert desk.events.end([ending(newsletter="weekly")]) == 1
    assert statuses(desk) == {"daily": confirmed, "weekly": left}
    assert desk.events.end([ending("n"), ending(subscriber=77), ending(newsletter="none", subscriber=2)]) == 1
    assert statuses(desk) == {"daily": left, "weekly": left}
    assert statuses(desk, 2) == {"daily": confirmed, "weekly": confirmed}
    assert pasts(desk) == 2
    assert desk.events.end([]) == 0


def test_of_two_events_that_end_a_subscription_the_earlier_is_the_evidence(desk: Database) -> None:
    desk.events.end([ending("late", at=NOW + HOUR, newsletter="daily")])
    assert desk.events.end([ending("b", newsletter="daily"), ending("a", newsletter="daily")]) == 0
    assert desk.events.end([ending("c", newsletter="daily", at=NOW + HOUR)]) == 0
    (daily, _) = desk.audience.subscriptions(1)
    assert (daily.changed_at, daily.evidence["event"]) == (NOW, "a")
    assert daily.evidence["unsubscribed"] == "complaint"
    assert pasts(desk) == 1


def test_a_consent_given_since_stays_unless_the_reader_complained(desk: Database) -> None:
    before = subscription().changed_at - HOUR
    assert desk.events.end([ending(at=before)]) == 0
    assert desk.events.end([ending("late", newsletter="daily")]) == 1
    assert desk.events.end([ending(at=before)]) == 0
    assert desk.audience.subscriptions(1)[0].evidence["event"] == "late"
    assert desk.events.end([ending(at=before, always=True)]) == 1
    assert set(statuses(desk).values()) == {SubscriptionStatus.UNSUBSCRIBED}


def test_who_left_by_themselves_has_left(desk: Database) -> None:
    left = {"unsubscribed": "one-click"}
    desk.audience.change(1, "daily", SubscriptionStatus.UNSUBSCRIBED, at=NOW, evidence=left)
    assert desk.events.end([ending(newsletter="daily", always=True)]) == 0
    assert desk.audience.subscriptions(1)[0].evidence == left


def test_a_reader_unknown_to_the_ledger_is_no_trouble(desk: Database) -> None:
    sending(desk, [1, 99])
    key = accept(desk).key
    (one,) = merge(desk, event("1", HARD, batch=key, position=1, recipient="erased@mail.example")).readers
    assert (one.subscriber, one.address_key) == (99, b"")
    assert subscriber("Erased Person").address_key
