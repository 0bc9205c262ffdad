"""What events make of letters and readers, whatever their order. The store is SQLite in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from publisher import feedback
from publisher.feedback import Blocks
from publisher.kit.tokens import KeyRing
from publisher.model import EVENT_RANK, EventKind, MailEvent, SubscriptionStatus
from publisher.store import Database, open_store, tables
from tests.contracts.ledger import batch, planning, results
from tests.people import NOW, newsletter, subscriber, subscription

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DELIVERED, SOFT, HARD = EventKind.DELIVERED, EventKind.SOFT_BOUNCE, EventKind.HARD_BOUNCE
BLOCKED, COMPLAINT, UNSUBSCRIBED = EventKind.BLOCKED, EventKind.COMPLAINT, EventKind.UNSUBSCRIBED
NAMES = ("Ben Okafor", "Carla Rossi", "Dmitri Volkov", "Nora Lindqvist", "Orla Byrne", "Tomas Reid")
CONFIRMED, LEFT = SubscriptionStatus.CONFIRMED, SubscriptionStatus.UNSUBSCRIBED


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return KeyRing.load(tmp_path_factory.mktemp("keys") / "keys", {})


@pytest.fixture
def store(memory_store: Database, keys: KeyRing) -> Database:
    return newsroom(memory_store, keys)


def newsroom(store: Database, keys: KeyRing) -> Database:
    """Six readers of the daily and the weekly, with ids from 1."""
    store.editions.sync([newsletter("daily"), newsletter("weekly")], now=NOW)
    for name in NAMES:
        person = subscriber(name, address_key=keys.address(address(name)))
        store.audience.add(person, subscription())
        store.audience.add(person, subscription(newsletter="weekly"))
    return store


def address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@mail.example"


def edition(store: Database, day: int = 0, *, ids: Sequence[int] = (1, 2, 3, 4, 5, 6), lost: bool = False) -> str:
    """Hand over the edition of a day in one batch; its key. When `lost`, nobody knows what became of it."""
    at = NOW + day * DAY
    one = planning(store, f"daily:{day}", composed_at=at)
    store.outbox.plan(one, upto=max(ids), batches=[batch(one, 0, {1: ids})], excluded={}, finished=True)
    held = store.outbox.claim("maildir", "worker", now=at, lease=HOUR)
    assert held is not None
    sent = store.outbox.intend(held, now=at, payload_hash="abc", skipped=frozenset())
    assert sent is not None
    if lost:
        store.outbox.hold(sent, error="the answer was lost")
    else:
        store.outbox.settle(sent, results(accepted=range(len(ids))), now=at, next_at=at)
    return sent.key


def event(kind: EventKind, key: str = "", reader: int = 1, *, at: datetime = NOW + HOUR, **fields: Any) -> MailEvent:
    made = {"event_id": f"{kind} {key} {reader} {at}", "recipient": address(NAMES[reader - 1]), "position": reader - 1}
    return MailEvent(kind=kind, batch=key, at=at, **(made | fields))


def record(store: Database, keys: KeyRing, *events: MailEvent, **limits: int) -> feedback.Tally:
    store.events.keep("maildir", events, at=NOW)
    return feedback.record(store, keys, now=NOW, **limits)


def reason(store: Database, keys: KeyRing, reader: int = 1) -> str:
    return store.audience.suppressed(keys.address(address(NAMES[reader - 1])), "daily")


def statuses(store: Database, reader: int = 1) -> tuple[SubscriptionStatus, ...]:
    """With the daily and with the weekly."""
    return tuple(one.status for one in store.audience.subscriptions(reader))


# ---------------------------------------------------------------- at once


def test_a_hard_bounce_suppresses_the_address_at_once(store: Database, keys: KeyRing) -> None:
    tally = record(store, keys, event(HARD, edition(store)))
    assert reason(store, keys) == "hard bounce"
    assert (tally.events, tally.suppressed, tally.ended) == (1, 1, 0)
    assert statuses(store) == (CONFIRMED, CONFIRMED)
    assert reason(store, keys, reader=2) == ""


def test_a_complaint_suppresses_and_ends_every_subscription(store: Database, keys: KeyRing) -> None:
    tally = record(store, keys, event(COMPLAINT, edition(store)))
    assert reason(store, keys) == "complaint"
    assert statuses(store) == (LEFT, LEFT)
    assert statuses(store, reader=2) == (CONFIRMED, CONFIRMED)
    assert (tally.suppressed, tally.ended) == (1, 2)


def test_leaving_at_the_provider_ends_the_newsletter_of_that_letter(store: Database, keys: KeyRing) -> None:
    record(store, keys, event(UNSUBSCRIBED, edition(store)))
    assert statuses(store) == (LEFT, CONFIRMED)
    assert reason(store, keys) == ""
    assert store.audience.subscriptions(1)[0].evidence["unsubscribed"] == "unsubscribed"


def test_leaving_without_saying_what_ends_all(store: Database, keys: KeyRing) -> None:
    tally = record(store, keys, event(UNSUBSCRIBED))
    assert statuses(store) == (LEFT, LEFT)
    assert tally.orphans == 1


def test_an_address_that_nobody_has_is_suppressed_as_well(store: Database, keys: KeyRing) -> None:
    stranger = {"recipient": "Gone@Mail.example", "position": -1}
    record(store, keys, event(HARD, **stranger), event(UNSUBSCRIBED, **stranger))
    assert store.audience.suppressed(keys.address("gone@mail.example"), "daily") == "hard bounce"


def test_an_event_without_letter_and_address_is_only_counted(store: Database, keys: KeyRing) -> None:
    tally = record(store, keys, *(event(kind, recipient="", position=-1) for kind in EventKind))
    assert (tally.events, tally.orphans, tally.suppressed, tally.ended) == (10, 10, 0, 0)


@pytest.mark.parametrize("kind", [DELIVERED, EventKind.ACCEPTED, EventKind.DEFERRED, SOFT, BLOCKED, EventKind.OPENED])
def test_anything_else_changes_nothing_for_the_reader(store: Database, keys: KeyRing, kind: EventKind) -> None:
    record(store, keys, event(kind, edition(store)))
    assert reason(store, keys) == ""
    assert statuses(store) == (CONFIRMED, CONFIRMED)


def test_nobody_who_was_suppressed_gets_the_next_edition(store: Database, keys: KeyRing) -> None:
    record(store, keys, event(HARD, edition(store)), event(COMPLAINT, edition(store, 1), 2))
    people = store.audience.recipients("daily", [1, 2, 3])
    assert [people[who].suppressed for who in (1, 2, 3)] == ["hard bounce", "complaint", ""]


# ---------------------------------------------------------------- soft bounces


def soft(store: Database, days: Iterable[int], *others: int, lost: bool = False) -> list[MailEvent]:
    """Editions on those days that bounced softly for the first reader; on the other days nothing was told."""
    found = []
    for day in sorted({*days, *others}):
        key = edition(store, day, lost=lost)
        if day not in others:
            found.append(event(SOFT, key, at=NOW + day * DAY))
    return found


@pytest.mark.parametrize(
    ("days", "others", "suppressed"),
    [
        ((0, 5, 10, 14), (), True),
        ((0, 5, 10, 13), (), False),  # too short a time
        ((0, 7, 14), (), False),  # too few
        (range(15), (), True),
        (range(14), (), False),
        ((0, 5, 10, 14), (7,), False),  # a letter in between did not bounce
        ((0, 5, 10, 14), (15,), True),  # the next one is none of it
        ((0, 2, 4, 6, 20, 22, 24, 26), (10,), False),
        ((0, 10, 12, 14, 16, 30), (5,), True),
    ],
)
def test_soft_bounces_suppress_when_there_are_four_in_a_row_over_two_weeks(
    store: Database, keys: KeyRing, days: Sequence[int], others: Sequence[int], suppressed: bool
) -> None:
    record(store, keys, *soft(store, days, *others))
    assert bool(reason(store, keys)) == suppressed
    assert reason(store, keys, reader=2) == ""


def test_the_suppression_dates_from_the_bounce_that_was_one_too_many(store: Database, keys: KeyRing) -> None:
    events = soft(store, range(0, 40, 5))
    random.Random(7).shuffle(events)
    record(store, keys, *events)
    (row,) = rows(store, tables.suppression)
    assert (row["since"], row["evidence"]) == (NOW + 15 * DAY, {"soft bounces in a row": 8})
    assert reason(store, keys) == "soft bounces"


def test_one_bounce_told_five_times_is_one(store: Database, keys: KeyRing) -> None:
    (one,) = soft(store, [0])
    for day in range(0, 25, 5):
        record(store, keys, event(SOFT, one.batch, at=NOW + day * DAY))
    assert reason(store, keys) == ""


def test_a_letter_that_arrived_after_all_breaks_the_row_however_late_it_is_told(store: Database, keys: KeyRing) -> None:
    events = soft(store, (0, 5, 10, 14))
    assert record(store, keys, *events).suppressed == 1
    assert record(store, keys, event(DELIVERED, events[1].batch)).released == 1
    assert reason(store, keys) == ""


def test_a_bounce_of_a_suppressed_reader_that_arrived_after_all_gives_back_nothing_else(
    store: Database, keys: KeyRing
) -> None:
    events = soft(store, (0, 5, 10, 14))
    record(store, keys, *events, event(HARD, events[3].batch))
    record(store, keys, event(DELIVERED, events[1].batch))
    assert reason(store, keys) == "hard bounce"


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize(
    ("blocked", "accepted", "too_many"),
    [(4, 4, False), (5, 0, True), (5, 250, True), (5, 251, False), (19, 1000, False), (20, 1000, True)],
)
def test_blocks_are_too_many_from_five_and_two_per_cent(blocked: int, accepted: int, too_many: bool) -> None:
    assert Blocks(blocked=blocked, accepted=accepted).too_many == too_many


def test_blocks_are_reported_for_their_edition_with_all_that_were_before(store: Database, keys: KeyRing) -> None:
    key, other = edition(store), edition(store, 1)
    assert record(store, keys, event(DELIVERED, key)).blocked == {}
    assert record(store, keys, event(BLOCKED, key)).blocked == {"daily/daily:0": Blocks(blocked=1, accepted=6)}
    more = [event(BLOCKED, key, reader) for reader in (1, 2, 3, 4, 5)]
    tally = record(store, keys, *more, event(BLOCKED, other), event(BLOCKED))
    assert tally.blocked == {
        "daily/daily:0": Blocks(blocked=5, accepted=6),
        "daily/daily:1": Blocks(blocked=1, accepted=6),
    }
    assert [one.too_many for one in tally.blocked.values()] == [True, False]
    assert not any(reason(store, keys, reader) for reader in (1, 2, 3, 4, 5, 6))


# ---------------------------------------------------------------- in chunks


def test_a_call_stops_at_its_limit_and_the_next_goes_on(store: Database, keys: KeyRing) -> None:
    key = edition(store)
    events = [event(DELIVERED, key, reader) for reader in (1, 2, 3, 4, 5)]
    assert record(store, keys, *events, limit=3, chunk=2).events == 3
    assert store.events.waiting()
    assert record(store, keys).events == 2
    assert not store.events.waiting()
    assert record(store, keys).events == 0
    assert store.events.positions(key) == {0, 1, 2, 3, 4}


def test_events_are_forgotten_after_a_while(store: Database, keys: KeyRing) -> None:
    record(store, keys, event(DELIVERED, edition(store)))
    assert feedback.forget(store, before=NOW) == 0
    assert feedback.forget(store, before=NOW + feedback.KEPT) == 1


def test_every_kind_has_its_rank() -> None:
    assert set(EVENT_RANK) == set(EventKind)
    order = [EventKind.ACCEPTED, DELIVERED, SOFT, HARD, COMPLAINT]
    assert sorted(order, key=EVENT_RANK.index) == order


# ---------------------------------------------------------------- whatever the order

#: Kinds that say nothing about whether an address can be reached.
HARMLESS = (EventKind.ACCEPTED, EventKind.DEFERRED, UNSUBSCRIBED)

#: What events change, besides the bits of deliveries.
_TABLES = (tables.delivery_exception, tables.suppression, tables.subscription, tables.subscription_past)


def rows(store: Database, table: sa.Table) -> list[dict[str, Any]]:
    kept = [column for column in table.c if column.name != "id"]
    with store._access.read() as connection:
        return sorted((dict(row) for row in connection.execute(sa.select(*kept)).mappings()), key=repr)


def state(store: Database) -> list[object]:
    with store._access.read() as connection:
        bits = connection.execute(sa.select(tables.batch.c.id, tables.batch.c.delivered).order_by(tables.batch.c.id))
        delivered = [tuple(row) for row in bits]
    return [delivered, *(rows(store, table) for table in _TABLES)]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, keys: KeyRing) -> tuple[Path, list[MailEvent]]:
    """A newsroom on file after ten editions, two of them unknown, and a hundred events about them. The first
    reader's letters bounce softly and some arrive after all, so do the second's; of the third's too many arrive.
    """
    path = tmp_path_factory.mktemp("told") / "publisher.db"
    store = newsroom(open_store(f"sqlite:///{path}"), keys)
    days = range(0, 50, 5)
    sent = {day: edition(store, day, lost=day in (5, 10)) for day in days}
    store.close()
    arrived = {1: (5, 30), 2: (25,), 3: (15, 35)}
    events = [
        event(SOFT, sent[day], who, at=NOW + day * DAY) for who in arrived for day in days if (who, day) != (1, 5)
    ]
    events += [event(DELIVERED, sent[day], who) for who, some in arrived.items() for day in some]
    events += [event(HARD, sent[45], 4), event(COMPLAINT, sent[45], 4), event(UNSUBSCRIBED, "", 5, position=-1)]
    events += [event(HARD, sent[40], 5), event(HARD, "", 5, at=NOW, position=-1)]
    events += [event(UNSUBSCRIBED, sent[0], 6, at=NOW - 40 * DAY), event(COMPLAINT, sent[0], 6, at=NOW - 40 * DAY)]
    chance = random.Random(11)
    for number in range(60):
        reader, day = chance.randint(1, 6), chance.choice(days)
        kinds = set(HARMLESS if reader <= 3 else EventKind) - ({COMPLAINT} if reader == 5 else set())
        kind, at = chance.choice(sorted(kinds)), NOW + day * DAY + timedelta(hours=chance.randint(1, 90))
        events.append(event(kind, sent[day], reader, at=at, event_id=f"{number}", code=chance.choice("ab")))
    return path, events


@pytest.fixture
def again(told: tuple[Path, list[MailEvent]], memory_store: Database) -> Iterator[Callable[[], Database]]:
    """The newsroom as it was before any event, each time anew."""
    source = sa.create_engine(f"sqlite:///{told[0]}")
    with source.connect() as there:

        def restore() -> Database:
            with memory_store._access.engine.connect() as here:
                before, now = there.connection.driver_connection, here.connection.driver_connection
                assert before is not None
                assert now is not None
                before.backup(now)
            return memory_store

        yield restore
    source.dispose()


def after(store: Database, keys: KeyRing, events: Sequence[MailEvent], chance: random.Random) -> list[object]:
    """The state when events came in this order, in portions, some of them twice."""
    left = [one for one in events for _ in range(chance.choice((1, 1, 1, 2)))]
    while left:
        portion = chance.choice((40, 400))
        store.events.keep("maildir", left[:portion], at=NOW)
        feedback.record(store, keys, now=NOW, chunk=chance.choice((50, 4000, 4000)))
        left = left[portion:]
    return state(store)


@pytest.mark.parametrize("seeds", [range(1, 201), pytest.param(range(201, 1001), marks=pytest.mark.full)], ids=len)
def test_the_same_events_in_any_order_end_in_one_state(
    told: tuple[Path, list[MailEvent]], again: Callable[[], Database], keys: KeyRing, seeds: range
) -> None:
    events, store = told[1], again()
    expected = after(store, keys, events, random.Random(0))
    assert {row["reason"] for row in rows(store, tables.suppression)} == {"soft bounces", "hard bounce", "complaint"}
    for seed in seeds:
        chance = random.Random(seed)
        order = chance.sample(events, len(events))
        assert after(again(), keys, order, chance) == expected, f"seed {seed}"
