"""What the store keeps of editions that have left, on both databases."""

from __future__ import annotations

from datetime import timedelta

from publisher.model import Page
from publisher.store import Database
from tests.people import NOW, article, edition, items, newsletter, source, variant

EARLIER = NOW - timedelta(minutes=1)


def left(store: Database) -> tuple[int, int]:
    """An edition that has a page, and the article in it."""
    store.sources.sync([source()], renamed={})
    store.editions.sync([newsletter()], now=NOW)
    told = store.articles.add(article())
    there = store.editions.open(edition(items=items(told)))
    store.kept.archive(there.id)
    return there.id, told.id


def built(store: Database, id: int) -> Page:
    page = Page(edition=id, name="archive/daily/x.html", subject="S", language="en", at=NOW, stories=1, updated_at=NOW)
    store.kept.pages_built({id: page}, dict(store.kept.due_pages("daily")))
    return page


def due(store: Database, *hidden: str) -> tuple[str, ...]:
    return store.kept.due_archives(hidden, failed_before=EARLIER)


def test_what_a_variant_was_made_from_is_kept_once(store: Database) -> None:
    id, _ = left(store)
    for key in ("one", "two"):
        store.editions.add_variant(id, variant(key, recipe="r", materials={"r": b"recipe", "t": b"text" * 999}))
    assert [one.recipe for one in store.editions.variants(id)] == ["r", "r"]
    assert store.kept.materials(["r", "t", "other"]) == {"r": b"recipe", "t": b"text" * 999}


def test_a_page_is_due_until_it_stands_there_as_it_is_wanted(store: Database) -> None:
    id, told = left(store)
    assert due(store) == ("daily",)
    wanted = store.kept.due_pages("daily")
    store.kept.revised([told])
    page = Page(edition=id, name="n", subject="S", language="en", at=NOW, stories=1, updated_at=NOW)
    store.kept.pages_built({id: page}, dict(wanted))
    assert due(store) == ("daily",)  # what was written is older than what was said
    page = built(store, id)
    assert due(store) == ()
    assert store.kept.pages("daily") == (page,)


def test_only_pages_that_hold_an_article_are_due_when_it_changes(store: Database) -> None:
    id, told = left(store)
    built(store, id)
    store.kept.revised([told + 1])
    store.kept.revised([])
    assert due(store) == ()
    store.kept.revised([told])
    assert store.kept.due_pages("daily") == ((id, 2),)


def test_another_variant_or_a_cancellation_makes_it_due(store: Database) -> None:
    id, _ = left(store)
    built(store, id)
    store.editions.add_variant(id, variant("late"))
    assert due(store) == ("daily",)
    built(store, id)
    store.kept.touched(id)
    assert due(store) == ("daily",)


def test_a_page_that_failed_is_left_alone_for_a_while(store: Database) -> None:
    left(store)
    store.kept.page_failed("daily", at=NOW, error="the disk is full")
    assert due(store) == ()
    assert store.kept.due_archives((), failed_before=NOW) == ("daily",)


def test_a_hidden_archive_is_due_while_pages_of_it_stand_there(store: Database) -> None:
    id, _ = left(store)
    assert due(store, "daily") == ()
    built(store, id)
    assert due(store, "daily") == ("daily",)
    store.kept.close_archive("daily")
    assert due(store, "daily") == ()
    assert store.kept.pages("daily") == ()
    assert due(store) == ("daily",)
