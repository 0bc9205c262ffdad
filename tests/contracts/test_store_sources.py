from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.errors import NotFound
from publisher.store import Database
from tests.people import NOW, article, source

LATER = NOW + timedelta(minutes=10)


def test_a_new_source_is_due_at_once(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    assert store.sources.due(NOW) == ("newsroom",)


def test_a_source_is_due_again_when_its_time_comes(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    store.sources.looked("newsroom", at=NOW, next_fetch_at=LATER, error="")
    assert store.sources.due(LATER - timedelta(seconds=1)) == ()
    assert store.sources.due(LATER) == ("newsroom",)


def test_failures_add_up_until_a_look_succeeds(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    for _ in range(2):
        store.sources.looked("newsroom", at=NOW, next_fetch_at=LATER, error="it does not answer")
    (failing,) = store.sources.all()
    assert (failing.failures, failing.last_error, failing.fetched_at) == (2, "it does not answer", None)

    store.sources.looked("newsroom", at=NOW, next_fetch_at=LATER, error="")
    (well,) = store.sources.all()
    assert (well.failures, well.last_error, well.fetched_at, well.next_fetch_at) == (0, "", NOW, LATER)


def test_the_cursor_is_kept_until_the_source_is_another_one(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    store.sources.advance("newsroom", {"etag": "abc", "page": 3})
    store.sources.sync([source("newsroom", interval=timedelta(hours=1))], renamed={})
    (same,) = store.sources.all()
    assert same.cursor == {"etag": "abc", "page": 3}
    assert same.interval == timedelta(hours=1)

    store.sources.sync([source("newsroom", url="articles/elsewhere")], renamed={})
    (other,) = store.sources.all()
    assert other.cursor == {}


def test_a_renamed_source_keeps_its_articles_and_its_cursor(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    store.sources.advance("newsroom", {"page": 3})
    kept = store.articles.add(article("The swing bridge reopens", source="newsroom"))
    store.sources.sync([source("desk", url="articles/newsroom")], renamed={"newsroom": "desk"})

    (renamed,) = store.sources.all()
    assert (renamed.slug, renamed.cursor) == ("desk", {"page": 3})
    assert store.articles.get([kept.id])[kept.id].source == "desk"
    assert store.articles.known("desk", native_ids=[kept.native_id])[kept.native_id].entry_id == kept.entry_id


def test_a_source_that_left_the_settings_is_not_due_and_keeps_its_articles(store: Database) -> None:
    store.sources.sync([source("newsroom"), source("website")], renamed={})
    store.articles.add(article("The swing bridge reopens", source="website"))
    store.sources.sync([source("newsroom")], renamed={})
    assert store.sources.due(NOW) == ("newsroom",)
    assert [one.slug for one in store.sources.all()] == ["newsroom"]
    assert store.articles.by_source() == {"website": 1}


def test_an_unknown_source_is_named(store: Database) -> None:
    with pytest.raises(NotFound, match="'nowhere'"):
        store.sources.looked("nowhere", at=NOW, next_fetch_at=LATER, error="")


def test_a_source_that_was_asked_for_is_due_at_once(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    store.sources.looked("newsroom", at=NOW, next_fetch_at=LATER, error="")
    asked = NOW + timedelta(seconds=5)
    store.sources.ask("newsroom", at=asked)
    assert store.sources.due(asked) == ("newsroom",)


def test_what_is_asked_for_while_it_is_looked_at_is_looked_at_again(store: Database) -> None:
    store.sources.sync([source("newsroom")], renamed={})
    store.sources.ask("newsroom", at=NOW + timedelta(seconds=1))
    store.sources.looked("newsroom", at=NOW + timedelta(seconds=2), next_fetch_at=LATER, error="", began=NOW)
    assert store.sources.due(NOW + timedelta(seconds=2)) == ("newsroom",)

    again = NOW + timedelta(seconds=2)
    store.sources.looked("newsroom", at=NOW + timedelta(seconds=3), next_fetch_at=LATER, error="", began=again)
    assert store.sources.due(LATER - timedelta(seconds=1)) == ()


def test_a_source_that_nobody_knows_cannot_be_asked_for(store: Database) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        store.sources.ask("nowhere", at=NOW)
