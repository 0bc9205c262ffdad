from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.errors import Conflict, NotFound
from publisher.model import Article, ArticleState, Enclosure, Image, MailPermission, RevisionKind
from publisher.store import Database
from tests.people import NOW, article, revision, source


@pytest.fixture
def newsroom(store: Database) -> Database:
    store.sources.sync([source("newsroom"), source("website")], renamed={})
    return store


def stored(store: Database, *titles: str, **fields: object) -> list[Article]:
    return [store.articles.add(article(title, **fields)) for title in titles]


def test_an_article_comes_back_as_it_was_added(newsroom: Database) -> None:
    given = article(
        "Größe, naïveté & “quotes” — 漁港",
        image=Image(url="https://harbour-gazette.example/b.jpg", type="image/jpeg", bytes=91_000, alt="The bridge"),
        enclosures=(Enclosure(url="https://harbour-gazette.example/b.mp3", type="audio/mpeg", bytes=7, seconds=61),),
    )
    added = newsroom.articles.add(given)
    assert added.id > 0
    assert added == replace(given, id=added.id, revision=replace(given.revision, article=added.id))
    assert newsroom.articles.get([added.id, added.id + 1]) == {added.id: added}
    assert newsroom.articles.known("newsroom", native_ids=["none", given.native_id]) == {given.native_id: added}


def test_an_article_is_stored_once(newsroom: Database) -> None:
    (first,) = stored(newsroom, "The swing bridge reopens")
    with pytest.raises(Conflict, match="tag:other,2026:x is known"):
        newsroom.articles.add(article("The swing bridge reopens", entry_id="tag:other,2026:x"))
    with pytest.raises(Conflict):
        newsroom.articles.add(article("The swing bridge reopens", native_id="another", entry_id=first.entry_id))
    assert newsroom.articles.count() == {ArticleState.LIVE: 1}


def test_a_page_of_articles_is_stored_in_its_order_or_not_at_all(newsroom: Database) -> None:
    titles = [f"Story {number}" for number in range(250)]
    page = newsroom.articles.add_all([article(title) for title in titles])
    there = newsroom.articles.get([one.id for one in page])
    assert [there[one.id].revision.title for one in page] == titles
    assert [one.id for one in page] == sorted(there)
    assert tuple(there[one.id] for one in page) == page
    with pytest.raises(Conflict, match="story-3 is known"):
        newsroom.articles.add_all([article("Another"), article("Story 3"), article("A third")])
    assert newsroom.articles.count() == {ArticleState.LIVE: 250}


def test_changes_of_a_page_are_taken_over_together_or_not_at_all(newsroom: Database) -> None:
    one, other = stored(newsroom, "One", "Other")
    changed = [
        replace(before, revision=revision(f"{before.revision.title} again", number=2)) for before in (one, other)
    ]
    touched = [replace(before, canonical_url="https://moved.example/") for before in (one, other)]
    newsroom.articles.decide(replace(other, mail=MailPermission.EXCLUDED, mail_at=NOW))
    for change in (lambda: newsroom.articles.revise(*changed), lambda: newsroom.articles.seen(*touched)):
        with pytest.raises(Conflict, match="/other has been changed since"):
            change()
    assert newsroom.articles.get([one.id])[one.id] == one
    again = replace(changed[1], mail=MailPermission.EXCLUDED, mail_at=NOW)
    newsroom.articles.revise(changed[0], again)
    there = newsroom.articles.get([one.id, other.id])
    assert [there[id].revision.title for id in (one.id, other.id)] == ["One again", "Other again"]
    assert len(newsroom.articles.revisions([(id, number) for id in (one.id, other.id) for number in (1, 2)])) == 4


def test_the_same_native_id_in_two_sources_is_two_articles(newsroom: Database) -> None:
    stored(newsroom, "The swing bridge reopens")
    stored(newsroom, "The swing bridge reopens", source="website")
    assert newsroom.articles.by_source() == {"newsroom": 1, "website": 1}


def test_what_did_not_change_is_found_by_its_raw_hash(newsroom: Database) -> None:
    (first,) = stored(
        newsroom, "The swing bridge reopens", revision=revision("The swing bridge reopens", raw_hash="r1")
    )
    known = newsroom.articles.unchanged
    assert known("newsroom", raw_hashes=["r1", "r2"]) == {"r1": first.native_id}
    assert known("website", raw_hashes=["r1"]) == {}
    newsroom.articles.revise(replace(first, revision=revision("It opens", number=2, article=first.id, raw_hash="r2")))
    assert known("newsroom", raw_hashes=["r1", "r2"]) == {"r2": first.native_id}
    second = newsroom.articles.known("newsroom", native_ids=[first.native_id])[first.native_id]
    newsroom.articles.seen(replace(second, missed_at=NOW))
    assert known("newsroom", raw_hashes=["r2"]) == {}


def test_an_article_of_no_known_source_is_refused(newsroom: Database) -> None:
    with pytest.raises(NotFound, match="'nowhere'"):
        newsroom.articles.add(article(source="nowhere"))


def test_a_revision_becomes_the_current_one_and_the_old_one_stays(newsroom: Database) -> None:
    (first,) = stored(newsroom, "The swing bridge reopens", mail=MailPermission.EXCLUDED)
    corrected = revision("The swing bridge opens", number=2, kind=RevisionKind.CORRECTION, note="It was never shut.")
    newsroom.articles.revise(replace(first, state=ArticleState.RETRACTED, retracted_at=NOW, revision=corrected))
    found = newsroom.articles.get([first.id])[first.id]
    assert found.revision == replace(corrected, article=first.id)
    assert (found.state, found.mail, found.retracted_at) == (ArticleState.RETRACTED, MailPermission.EXCLUDED, NOW)
    keys = [(first.id, 1), (first.id, 2), (first.id, 3)]
    assert {key: one.title for key, one in newsroom.articles.revisions(keys).items()} == {
        (first.id, 1): "The swing bridge reopens",
        (first.id, 2): "The swing bridge opens",
    }


def test_the_same_revision_is_added_once(newsroom: Database) -> None:
    (first,) = stored(newsroom, "The swing bridge reopens")
    second = replace(first, revision=revision("The swing bridge opens", number=2))
    newsroom.articles.revise(second)
    with pytest.raises(Conflict, match="has been changed since"):
        newsroom.articles.revise(second)


def test_seen_takes_over_state_and_addresses_but_no_content(newsroom: Database) -> None:
    (first,) = stored(newsroom, "The swing bridge reopens")
    newsroom.articles.seen(
        replace(
            first,
            canonical_url="https://harbour-gazette.example/moved",
            missing_looks=2,
            revision=replace(first.revision, title="Never mind", raw_hash="raw-2"),
        )
    )
    found = newsroom.articles.get([first.id])[first.id]
    assert (found.canonical_url, found.missing_looks) == ("https://harbour-gazette.example/moved", 2)
    assert (found.revision.raw_hash, found.revision.title) == ("raw-2", "The swing bridge reopens")


def test_held_articles_go_live_when_their_time_has_come(newsroom: Database) -> None:
    stored(newsroom, "Regatta results", state=ArticleState.HELD, published_at=NOW)
    stored(newsroom, "Tomorrow's tides", state=ArticleState.HELD, published_at=NOW + timedelta(days=1))
    assert not newsroom.articles.held_due(NOW - timedelta(seconds=1))
    assert newsroom.articles.held_due(NOW)
    (released,) = newsroom.articles.release(NOW)
    assert (released.revision.title, released.state) == ("Regatta results", ArticleState.LIVE)
    assert newsroom.articles.release(NOW) == ()
    assert newsroom.articles.count() == {ArticleState.LIVE: 1, ArticleState.HELD: 1}


def test_published_since_finds_live_articles_published_or_first_seen_in_the_window(newsroom: Database) -> None:
    day, week = timedelta(days=1), timedelta(days=7)
    stored(newsroom, "Last week", published_at=NOW - week, first_seen_at=NOW - week)
    stored(newsroom, "Backdated", published_at=NOW - week, first_seen_at=NOW)
    stored(newsroom, "Today", published_at=NOW - timedelta(hours=1), first_seen_at=NOW)
    stored(newsroom, "Held", published_at=NOW, state=ArticleState.HELD)
    found = newsroom.articles.published_since(NOW - day, NOW)
    assert [one.revision.title for one in found] == ["Today", "Backdated"]


def test_articles_are_found_by_names_and_by_words(newsroom: Database) -> None:
    bridge, regatta = stored(newsroom, "The swing bridge reopens", "Regatta: 100% of_the crews")
    for words in (bridge.entry_id, bridge.native_id, bridge.canonical_url, "BRIDGE swing"):
        assert [one.id for one in newsroom.articles.find(words)] == [bridge.id], words
    assert [one.id for one in newsroom.articles.find("100% of_the")] == [regatta.id]
    assert newsroom.articles.find("sw_ng") == ()
    assert newsroom.articles.find("  ") == ()


def test_find_returns_the_newest_twenty(newsroom: Database) -> None:
    for number in range(25):
        stored(newsroom, f"Tide table {number}", published_at=NOW - timedelta(days=number))
    found = newsroom.articles.find("tide")
    assert [one.revision.title for one in found] == [f"Tide table {number}" for number in range(20)]


def test_each_visits_everything_once_also_across_pages(newsroom: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.store.articles._PAGE", 3)
    added = [one.id for one in stored(newsroom, *(f"Tide table {number}" for number in range(7)))]
    assert [one.id for one in newsroom.articles.each()] == added


def test_known_takes_more_names_than_a_statement_has_parameters(newsroom: Database) -> None:
    (bridge,) = stored(newsroom, "The swing bridge reopens")
    names = [f"name-{number}" for number in range(70_000)]
    assert set(newsroom.articles.known("newsroom", native_ids=[*names, bridge.native_id])) == {bridge.native_id}
