from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.model import Article
from publisher.store import Database
from tests.people import NOW, article, source

HOUR = timedelta(hours=1)


@pytest.fixture
def newsroom(store: Database) -> Database:
    store.sources.sync([source("newsroom"), source("wire"), source("coast")], renamed={})
    return store


def stored(store: Database, title: str, slug: str = "newsroom", **fields: object) -> Article:
    return store.articles.add(article(title, source=slug, **fields))


def test_articles_that_share_a_story_are_found_the_first_collected_first(newsroom: Database) -> None:
    late = stored(newsroom, "Late", story="s", first_seen_at=NOW + HOUR)
    early = stored(newsroom, "Early", "wire", story="s", first_seen_at=NOW)
    other = stored(newsroom, "Other", "coast", story="t")
    assert [one.id for one in newsroom.stories.of([other])] == []
    assert [one.id for one in newsroom.stories.of([late])] == [early.id]
    third = stored(newsroom, "Third", "coast", story="s", first_seen_at=NOW + 2 * HOUR)
    assert [one.id for one in newsroom.stories.of([third])] == [early.id, late.id]
    assert newsroom.stories.of([late, early, third]) == ()
    newsroom.articles.decide(replace(third, story="t"))
    assert [one.id for one in newsroom.stories.of([other])] == [third.id]


def test_articles_at_one_address_are_found_unless_a_source_has_several_there(newsroom: Database) -> None:
    url = "https://h.example/ferry"
    one = stored(newsroom, "One", canonical_url=url)
    other = stored(newsroom, "Other", "wire", canonical_url=url)
    alone = stored(newsroom, "Alone", "coast", canonical_url="https://h.example/lamp")
    found = newsroom.stories.at([one, alone, other])
    assert {id: [there.id for there in others] for id, others in found.items()} == {
        one.id: [other.id],
        other.id: [one.id],
    }
    third = stored(newsroom, "Third", "wire", canonical_url=url)
    assert newsroom.stories.at([one, third]) == {}


def test_a_sketch_finds_those_of_other_sources_near_in_time(newsroom: Database) -> None:
    one = stored(newsroom, "One", published_at=NOW)
    near = stored(newsroom, "Near", "wire", published_at=NOW - 72 * HOUR)
    nearer = stored(newsroom, "Nearer", "coast", published_at=NOW)
    far = stored(newsroom, "Far", "wire", published_at=NOW - 73 * HOUR)
    same = stored(newsroom, "Same source", published_at=NOW)
    little = stored(newsroom, "Little in common", "wire", published_at=NOW)
    lowest, highest = -(2**63), 2**63 - 1
    sketches = (
        (near, [lowest, 2, 9]),
        (nearer, [lowest, 2, highest]),
        (far, [1, 2, highest]),
        (same, [1, 2, highest]),
        (little, [1, 8, 9]),
    )
    newsroom.stories.keep(sketches)
    asked = [(one, [lowest, 1, 2, highest]), (same, []), (little, [1, 2])]
    found = newsroom.stories.alike(asked, within=72 * HOUR)
    assert {id: [each.id for each in others] for id, others in found.items()} == {
        one.id: [nearer.id, near.id],
        little.id: [same.id],
    }
    assert newsroom.stories.alike([(one, [])], within=72 * HOUR) == {}


def test_a_sketch_takes_the_place_of_the_last_one_and_is_forgotten(newsroom: Database) -> None:
    one, other = stored(newsroom, "One"), stored(newsroom, "Other", "wire")
    newsroom.stories.keep([(other, [1, 2, 2])])
    assert newsroom.stories.alike([(one, [1, 2])], within=HOUR)
    newsroom.stories.keep([(other, [3, 4])])
    assert not newsroom.stories.alike([(one, [1, 2])], within=HOUR)
    newsroom.stories.forget(before=other.revision.published_at)
    assert newsroom.stories.alike([(one, [3, 4])], within=HOUR)
    newsroom.stories.forget(before=other.revision.published_at + HOUR)
    assert not newsroom.stories.alike([(one, [3, 4])], within=HOUR)
