"""What the store keeps of editions that have left, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.errors import StoreError
from publisher.keep import canonical
from publisher.model import Edition, EditionState, Page, Receipt
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


# ---------------------------------------------------------------- receipts


def over(store: Database) -> Edition:
    """An edition of one variant that is done."""
    id, told = left(store)
    there = store.articles.get([told])[told]
    store.editions.add_variant(id, variant(items=items(there)))
    key = store.editions.by_id(id).key
    store.editions.move(key, [EditionState.DRAFT], EditionState.SENDING)
    assert store.kept.due_receipts(9) == ()
    return store.editions.move(key, [EditionState.SENDING], EditionState.DONE, finished_at=NOW)


def written(one: Edition, number: int = 1) -> Receipt:
    return Receipt(
        edition=one.id, number=number, body="{}", hash="h", seal="s", made_at=NOW, finished_at=one.finished_at
    )


def test_the_ledger_of_an_edition_is_told_row_by_row_and_always_alike(store: Database) -> None:
    one, columns = over(store), store.kept.columns()
    rows = list(store.kept.ledger(one.id, columns))
    assert [row.table for row in rows] == ["edition", "edition_item", "variant", "variant_item", "revision"]
    assert rows[0].values["finished_at"] == NOW.isoformat()
    assert canonical([list(row) for row in rows]) == canonical(
        [list(row) for row in store.kept.ledger(one.id, columns)]
    )
    [shown] = store.kept.versions(one.id)
    assert (shown.readers, shown.supersedes, len(shown.items)) == (0, "", 1)


def test_columns_that_this_publisher_does_not_know_are_no_riddle(store: Database) -> None:
    one = over(store)
    with pytest.raises(StoreError, match="the one that made it"):
        list(store.kept.ledger(one.id, {"batch": ["colour"]}))


def test_an_edition_that_is_over_gets_one_receipt_and_another_when_it_went_on(store: Database) -> None:
    one = over(store)
    assert store.kept.due_receipts(9) == (one.id,)
    assert store.kept.add_receipt(written(one))
    assert not store.kept.add_receipt(written(one))
    assert store.kept.due_receipts(9) == ()
    store.kept.went_on(one.id)
    assert store.kept.due_receipts(9) == (one.id,)
    assert store.kept.add_receipt(written(one, 2))
    last = store.kept.receipt(one.id)
    assert last is not None
    assert last.number == 2


def test_what_events_told_is_sealed_as_it_was_counted(store: Database) -> None:
    one = over(store)
    store.kept.add_receipt(written(one))
    assert store.kept.to_be_told(9) == (one.id,)
    store.kept.seal_told(one.id, told="t", seal="ts", telling=store.kept.telling(one.id))
    assert store.kept.to_be_told(9) == ()
    last = store.kept.receipt(one.id)
    assert last is not None
    assert (last.told, last.told_seal, last.telling) == ("t", "ts", False)
    assert list(store.kept.told(one.id)) == []
