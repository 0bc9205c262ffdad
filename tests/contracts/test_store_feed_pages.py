"""What a feed's documents hold: the current one, archive pages, and entries kept as they were written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.model import Article, ArticleState, FeedEntry, Fragment, RevisionKind
from publisher.store import Database
from tests.people import NOW, article, feed, revision, source

LATER = NOW + timedelta(days=40)


@pytest.fixture
def newsroom(store: Database) -> Database:
    store.sources.sync([source()], renamed={})
    store.feeds.sync([feed("all", limit=3)], [])
    return store


def come(store: Database, *numbers: int, until: Any = None) -> list[Article]:
    """Articles named by a number, which is also their date."""
    found = []
    for number in numbers:
        one = store.articles.add(article(str(number)))
        store.feeds.place([FeedEntry(feed="all", article=one.id, sort_key=f"{number:03}", until=until)])
        found.append(one)
    return found


def current(store: Database, now: Any = NOW) -> list[str]:
    return [one.revision.title for one in store.feeds.current("all", now=now)]


def pages(store: Database) -> list[list[str]]:
    count = store.feeds.get("all").pages
    return [[one.revision.title for one in store.feeds.page("all", number + 1)] for number in range(count)]


def build(store: Database) -> None:
    """As if the feed and its pages had been published."""
    for page in store.feeds.due_pages("all"):
        store.feeds.page_built("all", page)
    shown = [one.id for one in store.feeds.current("all", now=NOW)]
    store.feeds.built("all", store.feeds.get("all").wanted, at=NOW, error="", shown=shown)


def retract(store: Database, one: Article, **changes: Any) -> None:
    gone = replace(one, state=ArticleState.RETRACTED, retracted_at=NOW)
    store.articles.seen(gone)
    store.feeds.revised([one.id])
    until = NOW + timedelta(days=30)
    store.feeds.place([FeedEntry(feed="all", article=one.id, sort_key=changes.get("key", "999"), until=until)])


def test_nothing_is_sealed_while_the_current_document_holds_it_all(newsroom: Database) -> None:
    come(newsroom, 1, 2, 3)
    newsroom.feeds.seal("all")
    assert (current(newsroom), pages(newsroom)) == (["3", "2", "1"], [])


def test_the_oldest_are_sealed_and_nothing_is_in_no_document(newsroom: Database) -> None:
    come(newsroom, *range(1, 12))
    newsroom.feeds.seal("all")
    assert pages(newsroom) == [["3", "2", "1"], ["6", "5", "4"], ["9", "8", "7"]]
    assert current(newsroom) == ["11", "10", "9"]
    assert [(page.number, page.built) for page in newsroom.feeds.due_pages("all")] == [(1, 0), (2, 0), (3, 0)]


def test_a_sealed_page_is_due_once_more_when_it_gets_a_successor(newsroom: Database) -> None:
    come(newsroom, 1, 2, 3, 4)
    newsroom.feeds.seal("all")
    build(newsroom)
    come(newsroom, 5, 6, 7)
    newsroom.feeds.seal("all")
    assert [page.number for page in newsroom.feeds.due_pages("all")] == [1, 2]
    build(newsroom)
    come(newsroom, 8, 9)
    newsroom.feeds.seal("all")
    assert newsroom.feeds.due_pages("all") == ()


def test_a_late_article_with_an_old_date_joins_a_page_of_its_own_time_of_coming(newsroom: Database) -> None:
    come(newsroom, 10, 20, 30, 40)
    newsroom.feeds.seal("all")
    sealed = pages(newsroom)
    come(newsroom, 5)
    assert current(newsroom) == ["40", "30", "20", "5"]
    newsroom.feeds.seal("all")
    come(newsroom, 50, 60)
    newsroom.feeds.seal("all")
    assert pages(newsroom) == [*sealed, ["50", "40", "5"]]
    assert current(newsroom) == ["60", "50", "40"]


def test_a_page_keeps_its_members_when_they_leave_the_feed_or_change_their_date(newsroom: Database) -> None:
    first, second, *_ = come(newsroom, 1, 2, 3, 4)
    newsroom.feeds.seal("all")
    build(newsroom)
    newsroom.feeds.withdraw({first.id: ["all"]})
    newsroom.feeds.place([FeedEntry(feed="all", article=second.id, sort_key="000")])
    build(newsroom)
    assert pages(newsroom) == [["3", "2", "1"]]
    assert newsroom.feeds.memberships([first.id]) == {}


def test_only_the_page_that_holds_it_is_due_when_an_article_says_something_else(newsroom: Database) -> None:
    first, *_ = come(newsroom, *range(1, 8))
    newsroom.feeds.seal("all")
    build(newsroom)
    assert newsroom.feeds.due() == ()
    newsroom.feeds.revised([first.id])
    assert [page.number for page in newsroom.feeds.due_pages("all")] == [1]
    assert newsroom.feeds.due() == ("all",)


def test_a_change_while_a_page_is_built_leaves_it_due(newsroom: Database) -> None:
    first, *_ = come(newsroom, 1, 2, 3, 4)
    newsroom.feeds.seal("all")
    (building,) = newsroom.feeds.due_pages("all")
    newsroom.feeds.revised([first.id])
    newsroom.feeds.page_built("all", building)
    assert [page.number for page in newsroom.feeds.due_pages("all")] == [1]


def test_a_retraction_is_told_for_its_time_and_the_feed_is_due_when_it_ends(newsroom: Database) -> None:
    first, *_ = come(newsroom, 1, 2)
    build(newsroom)
    retract(newsroom, first, key="001")
    told = newsroom.feeds.current("all", now=NOW)
    assert [(one.revision.title, one.state) for one in told] == [
        ("2", ArticleState.LIVE),
        ("1", ArticleState.RETRACTED),
    ]
    build(newsroom)
    assert newsroom.feeds.due(NOW) == ()
    assert newsroom.feeds.due(LATER) == ("all",)
    assert current(newsroom, LATER) == ["2"]


def test_an_archive_page_tells_of_a_retraction_for_ever(newsroom: Database) -> None:
    first, *_ = come(newsroom, 1, 2, 3, 4)
    newsroom.feeds.seal("all")
    build(newsroom)
    retract(newsroom, first)
    assert [page.number for page in newsroom.feeds.due_pages("all")] == [1]
    assert pages(newsroom) == [["3", "2", "1"]]
    assert newsroom.feeds.page("all", 1)[2].state is ArticleState.RETRACTED


def test_an_old_article_that_was_corrected_is_told_of_for_its_time(newsroom: Database) -> None:
    first, *_ = come(newsroom, 1, 2, 3, 4, 5, 6)
    newsroom.feeds.seal("all")
    build(newsroom)
    says = revision("1", number=2, kind=RevisionKind.CORRECTION, note="By 5 cents.", article=first.id)
    newsroom.articles.revise(replace(first, revision=says))
    newsroom.feeds.place([FeedEntry(feed="all", article=first.id, sort_key="001", until=NOW + timedelta(days=30))])
    assert current(newsroom) == ["6", "5", "4", "1"]
    assert current(newsroom, LATER) == ["6", "5", "4"]


def test_without_an_archive_nothing_is_sealed(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all", limit=3, archive=False)], [])
    come(newsroom, *range(1, 8))
    newsroom.feeds.seal("all")
    assert (current(newsroom), pages(newsroom)) == (["7", "6", "5"], [])


def test_a_feed_that_begins_anew_has_no_pages(newsroom: Database) -> None:
    come(newsroom, *range(1, 8))
    newsroom.feeds.seal("all")
    newsroom.feeds.empty("all")
    assert (newsroom.feeds.get("all").pages, newsroom.feeds.due_pages("all"), current(newsroom)) == (0, (), [])


def test_another_title_makes_every_page_due(newsroom: Database) -> None:
    come(newsroom, *range(1, 8))
    newsroom.feeds.seal("all")
    build(newsroom)
    newsroom.feeds.sync([feed("all", limit=3, title="All of it")], [])
    assert [page.number for page in newsroom.feeds.due_pages("all")] == [1, 2]


# ---------------------------------------------------------------- entries as they were written


def fragment(one: Article, data: bytes = b"<item/>", stamp: str = "1") -> Fragment:
    return Fragment(article=one.id, format="rss", shape="full", stamp=stamp, id=one.entry_id, data=data)


def test_an_entry_is_kept_by_article_format_and_shape_and_replaced_by_a_newer_one(newsroom: Database) -> None:
    first, second = come(newsroom, 1, 2)
    newsroom.fragments.keep([fragment(first), fragment(second)])
    newer = fragment(first, b"<item>2</item>", "2")
    newsroom.fragments.keep([newer])
    assert newsroom.fragments.get({"rss": "full", "atom": "full"}, [first.id, 12345]) == {("rss", first.id): newer}
    assert newsroom.fragments.get({"rss": "summary", "atom": "full"}, [first.id]) == {}


def test_an_entry_is_kept_as_long_as_any_current_document_shows_its_article(newsroom: Database) -> None:
    newsroom.feeds.sync([feed("all", limit=3), feed("slow")], [])
    first, second, *_ = come(newsroom, 1, 2, 3)
    newsroom.feeds.place([FeedEntry(feed="slow", article=second.id, sort_key="1")])
    newsroom.fragments.keep([fragment(first), fragment(second)])
    build(newsroom)
    newsroom.feeds.built("slow", 1, at=NOW, error="", shown=[second.id])
    come(newsroom, 4, 5, 6)
    newsroom.feeds.seal("all")
    build(newsroom)
    assert set(newsroom.fragments.get({"rss": "full"}, [first.id, second.id])) == {("rss", second.id)}
