"""What the store promises as a whole, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from publisher.errors import Conflict
from publisher.store import Database, open_store
from publisher.store.columns import Utc
from tests.people import BEN, CARLA, NOW, article, newsletter, source, subscription


def test_what_happens_in_a_transaction_commits_together(store: Database) -> None:
    with store.transaction() as together:
        together.sources.sync([source()], renamed={})
        added = together.articles.add(article())
        with together.transaction() as same:
            assert same.articles.get([added.id])
    assert store.articles.get([added.id])


def test_a_transaction_that_fails_leaves_nothing(store: Database) -> None:
    def fail() -> None:
        with store.transaction() as together:
            together.sources.sync([source()], renamed={})
            together.articles.add(article())
            together.articles.add(article())

    with pytest.raises(Conflict):
        fail()
    assert store.sources.all() == ()
    assert store.articles.by_source() == {}


def test_a_conflict_can_be_answered_within_the_transaction(store: Database) -> None:
    with store.transaction() as together:
        together.sources.sync([source()], renamed={})
        first = together.articles.add(article())
        with pytest.raises(Conflict):
            together.articles.add(article())
        second = together.articles.add(article("Regatta results"))
    assert set(store.articles.get([first.id, second.id])) == {first.id, second.id}


def test_others_see_a_transaction_only_when_it_is_over(store: Database) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(len(store.sources.all()))

    def look_elsewhere() -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join()

    with store.transaction() as together:
        together.sources.sync([source()], renamed={})
        look_elsewhere()
    look_elsewhere()
    assert seen == [0, 1]


def test_a_second_write_beside_ones_own_transaction_is_refused_and_not_waited_for(store: Database) -> None:
    with store.transaction(), pytest.raises(RuntimeError, match="use the store"):
        store.sources.sync([source()], renamed={})
    store.sources.sync([source()], renamed={})


def test_writers_in_many_threads_take_turns(store: Database) -> None:
    store.editions.sync([newsletter()], now=NOW)
    store.audience.add(BEN, subscription())
    store.audience.add(CARLA, subscription())
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(10):
                store.outbox.block(f"mailer {number}", until=NOW + timedelta(minutes=turn + 1), reason="busy")
                store.audience.count("daily")
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(store.outbox.blocked(NOW)) == 6


def test_the_instance_is_named_once(store: Database, store_url: str) -> None:
    again = open_store(store_url)
    assert uuid.UUID(store.instance).version == 4
    assert again.instance == store.instance
    again.close()


def test_the_clock_is_aware_and_utc(store: Database) -> None:
    now = store.now()
    assert now.utcoffset() == timedelta(0)
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)


def test_times_come_back_in_utc_to_the_microsecond(store: Database) -> None:
    dublin = datetime.fromisoformat("2026-07-01T08:30:00.123456+01:00")
    store.sources.sync([source()], renamed={})
    store.sources.looked("newsroom", at=dublin, next_fetch_at=dublin, error="")
    (looked,) = store.sources.all()
    assert looked.fetched_at == dublin
    assert looked.fetched_at is not None
    assert looked.fetched_at.utcoffset() == timedelta(0)
    assert store.sources.due(dublin - timedelta(microseconds=1)) == ()
    assert store.sources.due(dublin) == ("newsroom",)


def test_a_naive_time_is_refused(store: Database) -> None:
    with store._access.read() as connection, pytest.raises(sa.exc.StatementError, match="no time zone"):
        connection.execute(sa.select(sa.bindparam("at", datetime(2026, 11, 22), Utc())))  # noqa: DTZ001


def test_check_says_what_was_tried(store: Database, store_url: str) -> None:
    line = store.check()
    assert line.endswith("writable")
    assert line.startswith("SQLite 3." if store_url.startswith("sqlite") else "PostgreSQL 1")
    assert store_url.partition("?")[0].rpartition("/")[2] in line
