from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.errors import NotFound
from publisher.model import Article, ArticleState, Feed, FeedEntry, FeedPattern, Selection
from publisher.store import Database, open_store
from tests.people import NOW, article, feed, source

SECTION = FeedPattern(
    slug="section",
    each="category",
    title="The Harbour Gazette: {name}",
    home_url="https://harbour-gazette.example",
    language="en",
)


@pytest.fixture
def newsroom(store: Database) -> Database:
    store.sources.sync([source()], renamed={})
    return store


def placed(
    store: Database, title: str, *slugs: str, key: str = "1", state: ArticleState = ArticleState.LIVE
) -> Article:
    one = store.articles.add(article(title, state=state))
    store.feeds.place([FeedEntry(feed=slug, article=one.id, sort_key=key) for slug in slugs])
    return one


def build(store: Database) -> None:
    for one in store.feeds.all():
        store.feeds.built(one.slug, one.wanted, at=NOW, error="")


def harbour(**changes: Any) -> Feed:
    made = feed(
        "section-harbour",
        title="The Harbour Gazette: Harbour",
        selection=Selection(categories=("Harbour",)),
        pattern="section",
    )
    return replace(made, **changes)


def test_a_new_feed_is_to_be_filled_and_is_due(newsroom: Database) -> None:
    assert newsroom.feeds.sync([feed("all")], []) == ("all",)
    assert newsroom.feeds.due() == ("all",)
    (kept,) = newsroom.feeds.all()
    assert (kept.slug, kept.formats, kept.limit) == ("all", ("rss", "atom", "json"), 50)


def test_settings_that_did_not_change_change_nothing(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [SECTION])
    build(newsroom)
    assert newsroom.feeds.sync([feed("all")], [SECTION]) == ()
    assert newsroom.feeds.due() == ()


def test_another_title_makes_a_feed_due_and_another_selection_fills_it_anew(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    build(newsroom)
    assert newsroom.feeds.sync([feed("all", title="All of it")], []) == ()
    assert newsroom.feeds.due() == ("all",)
    assert newsroom.feeds.sync([feed("all", selection=Selection(tags=("ferries",)))], []) == ("all",)


def test_a_feed_holds_live_articles_newest_first(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    placed(newsroom, "Old", "all", key="2026-11-20")
    placed(newsroom, "New", "all", key="2026-11-22")
    placed(newsroom, "Retracted", "all", key="2026-11-23", state=ArticleState.RETRACTED)
    placed(newsroom, "Elsewhere")
    assert [one.revision.title for one in newsroom.feeds.current("all", now=NOW)] == ["New", "Old"]


def test_placing_and_withdrawing_an_article_make_its_feeds_due(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all"), feed("other")], [])
    build(newsroom)
    one = placed(newsroom, "New", "all")
    assert newsroom.feeds.due() == ("all",)
    build(newsroom)
    newsroom.feeds.withdraw({one.id: ["all", "other"]})
    assert newsroom.feeds.due() == ("all",)
    assert newsroom.feeds.memberships([one.id]) == {}


def test_placing_again_moves_an_article_within_its_feed(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    old = placed(newsroom, "Old", "all", key="1")
    placed(newsroom, "New", "all", key="2")
    newsroom.feeds.place([FeedEntry(feed="all", article=old.id, sort_key="3")])
    assert [one.revision.title for one in newsroom.feeds.current("all", now=NOW)] == ["Old", "New"]
    assert newsroom.feeds.memberships([old.id]) == {old.id: ("all",)}


def test_sort_keys_are_compared_by_their_bytes(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    for key in ("a", "B", "_", "10", "2"):
        placed(newsroom, key, "all", key=key)
    assert [one.revision.title for one in newsroom.feeds.current("all", now=NOW)] == ["a", "_", "B", "2", "10"]


def test_an_unknown_feed_is_named(newsroom: Database) -> None:
    one = newsroom.articles.add(article())
    with pytest.raises(NotFound, match="'nowhere'"):
        newsroom.feeds.place([FeedEntry(feed="nowhere", article=one.id, sort_key="1")])
    with pytest.raises(NotFound, match="'nowhere'"):
        newsroom.feeds.current("nowhere", now=NOW)


def test_a_change_during_building_leaves_the_feed_due(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    (building,) = newsroom.feeds.all()
    placed(newsroom, "Meanwhile", "all")
    newsroom.feeds.built("all", building.wanted, at=NOW, error="")
    assert newsroom.feeds.due() == ("all",)


def test_a_slower_builder_sets_nothing_back_but_may_have_overwritten_newer_files(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    (slow,) = newsroom.feeds.all()
    placed(newsroom, "New", "all")
    build(newsroom)
    (newer,) = newsroom.feeds.all()
    newsroom.feeds.built("all", slow.wanted, at=NOW, error="")
    assert newsroom.feeds.all()[0].built == newer.built
    assert newsroom.feeds.due() == ("all",)
    build(newsroom)
    assert newsroom.feeds.due() == ()


def test_a_feed_that_failed_stays_due_and_says_why(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    placed(newsroom, "New", "all")
    build(newsroom)
    placed(newsroom, "Newer", "all")
    (failing,) = newsroom.feeds.all()
    newsroom.feeds.built("all", failing.built, at=NOW + timedelta(hours=1), error="the folder is full")
    assert newsroom.feeds.due() == ("all",)
    assert newsroom.feeds.states() == {"all": (NOW, "the folder is full", 2)}


def test_a_feed_that_failed_can_be_left_alone_for_a_while(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all"), feed("other")], [])
    newsroom.feeds.built("all", 0, at=NOW, error="the folder is full")
    assert newsroom.feeds.due(failed_before=NOW - timedelta(seconds=1)) == ("other",)
    assert newsroom.feeds.due(failed_before=NOW) == newsroom.feeds.due() == ("all", "other")
    build(newsroom)
    placed(newsroom, "New", "all")
    assert newsroom.feeds.due(failed_before=NOW - timedelta(seconds=1)) == ("all",)


def test_a_feed_that_left_something_out_is_built_and_says_what(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    (one,) = newsroom.feeds.all()
    newsroom.feeds.built("all", one.wanted, at=NOW, error="left out 'Odd'")
    assert newsroom.feeds.due() == ()
    assert newsroom.feeds.states() == {"all": (NOW, "left out 'Odd'", 0)}


def test_a_feed_that_left_the_settings_is_gone_and_is_filled_anew_when_it_returns(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all"), feed("other")], [])
    newsroom.feeds.sync([feed("all")], [])
    assert [one.slug for one in newsroom.feeds.all()] == ["all"]
    assert newsroom.feeds.sync([feed("all"), feed("other")], []) == ("other",)


def test_two_that_place_articles_at_once_never_wait_for_each_other(newsroom: Database, store_url: str) -> None:
    """Each touches both feeds, in the other order: without the lock PostgreSQL would end one of them."""
    newsroom.feeds.sync([feed("all"), feed("other")], [])
    one = newsroom.articles.add(article("The pier stands"))
    began, other = threading.Event(), open_store(store_url)

    def place(store: Database, *slugs: str) -> None:
        with store.transaction() as together:
            together.feeds.lock()
            for slug in slugs:
                together.feeds.place([FeedEntry(feed=slug, article=one.id, sort_key="1")])
                began.wait(0.2)
            began.set()

    thread = threading.Thread(target=place, args=(other, "other", "all"))
    thread.start()
    place(newsroom, "all", "other")
    thread.join()
    other.close()
    assert {each.slug: each.wanted for each in newsroom.feeds.all()} == {"all": 3, "other": 3}


def test_an_emptied_feed_is_empty_and_due(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all")], [])
    placed(newsroom, "New", "all")
    build(newsroom)
    newsroom.feeds.empty("all")
    assert newsroom.feeds.current("all", now=NOW) == ()
    assert newsroom.feeds.all()[0].built == 0
    assert newsroom.feeds.due() == ("all",)


# ---------------------------------------------------------------- patterns


def test_a_new_pattern_is_to_be_filled_once(newsroom: Database) -> None:
    assert newsroom.feeds.sync([], [SECTION]) == ("section",)
    assert newsroom.feeds.sync([], [SECTION]) == ()


def test_feeds_that_a_known_pattern_made_stay(newsroom: Database) -> None:
    newsroom.feeds.sync([], [SECTION])
    newsroom.feeds.add(harbour())
    newsroom.feeds.add(harbour(title="Never mind"))
    newsroom.feeds.sync([], [SECTION])
    (made,) = newsroom.feeds.all()
    assert (made.slug, made.title) == ("section-harbour", "The Harbour Gazette: Harbour")
    newsroom.feeds.sync([], [])
    assert newsroom.feeds.all() == ()


def test_what_a_pattern_made_follows_the_pattern(newsroom: Database) -> None:
    newsroom.feeds.sync([], [SECTION])
    newsroom.feeds.add(harbour())
    build(newsroom)
    narrower = FeedPattern(
        slug="section",
        each="category",
        title="{name} news",
        home_url="https://harbour-gazette.example",
        language="en",
        selection=Selection(languages=("en",)),
        limit=10,
    )
    assert newsroom.feeds.sync([], [narrower]) == ("section",)
    (made,) = newsroom.feeds.all()
    assert (made.title, made.limit) == ("Harbour news", 10)
    assert made.selection == Selection(categories=("Harbour",), languages=("en",))
    assert newsroom.feeds.due() == ("section-harbour",)


def test_a_pattern_that_makes_other_feeds_now_drops_what_it_made(newsroom: Database) -> None:
    newsroom.feeds.sync([], [SECTION])
    newsroom.feeds.add(harbour())
    by_author = FeedPattern(
        slug="section", each="author", title="{name}", home_url="https://harbour-gazette.example", language="en"
    )
    assert newsroom.feeds.sync([], [by_author]) == ("section",)
    assert newsroom.feeds.all() == ()


def test_a_made_feed_that_had_gone_comes_back_when_it_is_made_again(newsroom: Database) -> None:
    newsroom.feeds.sync([], [SECTION])
    newsroom.feeds.add(harbour())
    newsroom.feeds.sync([], [])
    newsroom.feeds.sync([], [SECTION])
    newsroom.feeds.add(harbour(limit=5))
    assert [(one.slug, one.limit) for one in newsroom.feeds.all()] == [("section-harbour", 5)]
