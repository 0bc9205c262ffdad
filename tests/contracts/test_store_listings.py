from __future__ import annotations

from datetime import timedelta

import pytest

from publisher.errors import NotFound
from publisher.model import Article, ArticleState, Listing, Missing
from publisher.store import Database
from tests.people import EDITOR, NOW, article, source

BEGUN = NOW + timedelta(minutes=10)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def newsroom(store: Database) -> Database:
    store.sources.sync([source("newsroom"), source("website")], renamed={})
    return store


def stored(store: Database, *names: str, **fields: object) -> list[Article]:
    return [store.articles.add(article(f"Story {name}", native_id=name, **fields)) for name in names]


def listing(*ids: str, look: str = "first", complete: bool = True) -> Listing:
    return Listing(look=look, ids=ids, complete=complete)


def test_a_complete_list_tells_who_is_missing(newsroom: Database) -> None:
    a, b, c = stored(newsroom, "a", "b", "c")
    stored(newsroom, "b", source="website", entry_id="tag:other,2026:b")
    newsroom.listings.add("newsroom", listing("a", "unknown", complete=False), at=BEGUN)
    newsroom.listings.add("newsroom", listing("c"), at=BEGUN)
    assert newsroom.listings.compare("newsroom") == Missing(stored=3, gone=(b.id,))
    assert newsroom.listings.compare("newsroom") == Missing(stored=3, gone=(b.id,)), "until it is forgotten"
    assert {a.id, c.id}.isdisjoint(newsroom.listings.compare("newsroom").gone)


def test_another_list_begins_anew(newsroom: Database) -> None:
    a, b = stored(newsroom, "a", "b")
    newsroom.listings.add("newsroom", listing("a", complete=False), at=BEGUN)
    newsroom.listings.add("newsroom", listing("b", look="second"), at=BEGUN)
    assert newsroom.listings.compare("newsroom").gone == (a.id,)
    newsroom.listings.forget("newsroom")
    newsroom.listings.add("newsroom", listing("a", look="second"), at=BEGUN)
    assert newsroom.listings.compare("newsroom").gone == (b.id,)


def test_what_came_in_since_the_list_began_is_not_missing(newsroom: Database) -> None:
    newsroom.listings.add("newsroom", listing(complete=False), at=BEGUN)
    stored(newsroom, "new", first_seen_at=BEGUN)
    (old,) = stored(newsroom, "old", first_seen_at=BEGUN - timedelta(seconds=1))
    newsroom.listings.add("newsroom", listing(), at=BEGUN + timedelta(hours=1))
    assert newsroom.listings.compare("newsroom") == Missing(stored=2, gone=(old.id,))


def test_who_is_missing_from_two_lists_is_retracted(newsroom: Database) -> None:
    a, b = stored(newsroom, "a", "b")
    retire = newsroom.listings.retire
    for at in (BEGUN, BEGUN + timedelta(seconds=59)):  # the second look of a folder that is watched
        newsroom.listings.miss([a.id], at=at)
        assert newsroom.listings.away("newsroom") == (a.id,)
        assert retire("newsroom", at=at, patience=MINUTE) == ()
    later = BEGUN + MINUTE
    newsroom.listings.miss([a.id], at=later)
    assert retire("website", at=later, patience=MINUTE) == ()
    assert retire("newsroom", at=later, patience=MINUTE) == (a.id,)
    assert retire("newsroom", at=later, patience=MINUTE) == ()
    assert newsroom.listings.away("newsroom") == ()
    found = newsroom.articles.get([a.id, b.id])
    assert (found[a.id].state, found[a.id].retracted_at) == (ArticleState.RETRACTED, later)
    assert found[b.id] == b


def test_missing_at_once_counts_for_two_lists(newsroom: Database) -> None:
    (a,) = stored(newsroom, "a")
    newsroom.listings.miss([a.id], at=BEGUN)
    assert newsroom.listings.retire("newsroom", at=BEGUN, patience=MINUTE, at_once=True) == (a.id,)


def test_lists_that_do_not_count_begin_no_wait(newsroom: Database) -> None:
    """Those of an outage: nobody believed them."""
    (a,) = stored(newsroom, "a")
    newsroom.listings.miss([a.id], at=BEGUN)
    later = BEGUN + timedelta(hours=1)
    for at in (later, later + timedelta(seconds=1)):
        newsroom.listings.miss([a.id], at=at)
        assert newsroom.listings.retire("newsroom", at=at, patience=MINUTE) == ()


def test_who_is_named_again_is_back(newsroom: Database) -> None:
    once, gone, held, by_hand = stored(newsroom, "once", "gone", "held", "by hand")
    newsroom.articles.decide(
        article(
            id=by_hand.id,
            story="s",
            state=ArticleState.RETRACTED,
            retracted_by=EDITOR,
            missing_looks=1,
            missed_at=BEGUN,
        )
    )
    (held,) = stored(newsroom, "later", published_at=BEGUN + timedelta(days=1), state=ArticleState.HELD)
    newsroom.listings.miss([gone.id, held.id], at=BEGUN)
    assert set(newsroom.listings.retire("newsroom", at=BEGUN, patience=MINUTE, at_once=True)) == {gone.id, held.id}
    newsroom.listings.miss([once.id], at=BEGUN)
    newsroom.listings.add("newsroom", listing("once", "gone", "later", "by hand"), at=BEGUN)
    missing = newsroom.listings.compare("newsroom")
    assert set(missing.back) == {once.id, gone.id, held.id, by_hand.id}
    assert set(newsroom.listings.find(missing.back, at=BEGUN)) == {gone.id, held.id}
    found = newsroom.articles.get(missing.back)
    assert {id: one.state for id, one in found.items()} == {
        once.id: ArticleState.LIVE,
        gone.id: ArticleState.LIVE,
        held.id: ArticleState.HELD,
        by_hand.id: ArticleState.RETRACTED,
    }
    assert {(one.missing_looks, one.missed_at) for one in found.values()} == {(0, None)}
    assert found[gone.id].retracted_at is None


def test_missing_articles_are_found_by_their_title(newsroom: Database) -> None:
    a, b = stored(newsroom, "a", "b")
    newsroom.listings.miss([a.id], at=BEGUN)
    assert [one.id for one in newsroom.articles.missing("newsroom", titles=["Story a"])] == [a.id]
    assert newsroom.articles.missing("newsroom", titles=["Story b"]) == ()
    assert newsroom.articles.missing("website", titles=["Story a"]) == ()
    assert b.missed_at is None


def test_a_list_of_no_known_source_is_refused(newsroom: Database) -> None:
    with pytest.raises(NotFound):
        newsroom.listings.add("nowhere", listing("a"), at=BEGUN)
