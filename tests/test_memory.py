"""One story in two sources is recognised, and what only looks like one is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import memory
from publisher.memory.stories import ALIKE as ENOUGH
from publisher.memory.stories import shared
from publisher.model import Article, ArticleState, Revision
from publisher.store import Database
from tests.people import NOW, article, revision, source
from tests.story_pairs import ALIKE, FERRY, SAME, Change

HOUR = timedelta(hours=1)


@pytest.fixture
def store(memory_store: Database) -> Database:
    memory_store.sources.sync([source(slug) for slug in ("newsroom", "wire", "coast")], renamed={})
    return memory_store


def collected(
    store: Database, text: str, slug: str = "newsroom", **changes: Any
) -> tuple[Article, memory.Joined | None]:
    """An article as the pipeline takes it in, and the story it was found to share."""
    number = sum(store.articles.by_source().values())
    title = changes.pop("title", f"Told by {slug} ({number})")
    changes = {"canonical_url": "", "first_seen_at": NOW + timedelta(minutes=number)} | changes
    one = store.articles.add(article(title, source=slug, content_html=f"<p>{text}</p>", **changes))
    hashes = memory.sketch(one.revision)
    store.stories.keep([(one, hashes)])
    found = memory.join([(one, hashes)], store.stories).get(one.id)
    if found:
        one = replace(one, story=found.article.story)
        store.articles.decide(one)
    return one, found


def test_there_are_twenty_pairs_each_way() -> None:
    assert (len({name for name, *_ in SAME}), len({name for name, _ in ALIKE})) == (20, 20)


@pytest.mark.parametrize(("name", "text", "change"), SAME, ids=[name for name, *_ in SAME])
def test_the_same_story_is_found_whichever_came_first(store: Database, name: str, text: str, change: Change) -> None:
    for first, second, slugs in ((text, change(text), ("newsroom", "wire")), (change(text), text, ("coast", "wire"))):
        one, _ = collected(store, first, slugs[0], published_at=NOW - 500 * HOUR * (slugs[0] == "coast"))
        other, found = collected(store, second, slugs[1], published_at=one.revision.published_at + 71 * HOUR)
        assert found is not None, name
        assert (found.article.id, other.story) == (one.id, one.story)
        assert "% of its words are those of “Told by" in found.rule


@pytest.mark.parametrize(("name", "texts"), ALIKE, ids=[name for name, _ in ALIKE])
def test_what_only_looks_like_the_same_story_is_another(store: Database, name: str, texts: tuple[str, str]) -> None:
    collected(store, texts[0])
    assert collected(store, texts[1], "wire")[1] is None, name


# ---------------------------------------------------------------- the rules around it


def test_what_was_published_more_than_72_hours_apart_is_another_story(store: Database) -> None:
    collected(store, FERRY, published_at=NOW)
    assert collected(store, FERRY, "wire", published_at=NOW + 72 * HOUR + timedelta(seconds=1))[1] is None
    assert collected(store, FERRY, "coast", published_at=NOW + 72 * HOUR)[1] is not None


def test_what_one_source_says_twice_are_two_stories(store: Database) -> None:
    collected(store, FERRY)
    assert collected(store, FERRY)[1] is None


def test_a_story_has_one_article_of_each_source(store: Database) -> None:
    collected(store, FERRY)
    assert collected(store, FERRY, "wire")[1] is not None
    assert collected(store, FERRY, "wire")[1] is None
    third, found = collected(store, FERRY, "coast")
    assert found is not None
    assert len({one.story for one in store.stories.of([third])} | {third.story}) == 1


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://h.example/news/ferry", True),
        ("https://h.example/?p=7", True),
        ("https://h.example/", False),
        ("", False),
    ],
)
def test_the_same_address_is_the_same_story_whatever_the_words(store: Database, url: str, found: bool) -> None:
    one, _ = collected(store, "Short.", canonical_url=url)
    other, joined = collected(store, "Quite another text.", "wire", canonical_url=url)
    assert (joined is not None) is found
    assert (one.story == other.story) is found
    assert joined is None or joined.rule == "same address as “Told by newsroom (0)” (newsroom)"


def test_an_address_that_a_source_gives_to_everything_names_no_story(store: Database) -> None:
    for number in range(2):
        collected(store, f"Entry {number}", canonical_url="https://h.example/live")
    assert collected(store, "A text", "wire", canonical_url="https://h.example/live")[1] is None


def test_of_a_story_the_first_collected_live_and_admitted_article_stands_for_it() -> None:
    first, second, third = (
        article(f"Told {number}", id=number, first_seen_at=NOW + timedelta(minutes=number), source=slug)
        for number, slug in ((1, "newsroom"), (2, "wire"), (3, "coast"))
    )

    def leads(one: Article, *others: Article, without: str = "") -> Article | None:
        return memory.leader(one, others, lambda other: other.source != without)

    assert leads(first, second, third) is None
    assert leads(second, first, third) == first
    assert leads(third, first, second, without="newsroom") == second
    assert leads(second, first, third, without="newsroom") is None
    assert leads(third, replace(first, state=ArticleState.RETRACTED), replace(second, state=ArticleState.HELD)) is None


def test_old_sketches_are_forgotten(store: Database) -> None:
    collected(store, FERRY, published_at=NOW - 200 * HOUR)
    store.stories.forget(before=NOW - 144 * HOUR)
    assert collected(store, FERRY, "wire", published_at=NOW - 200 * HOUR)[1] is None


# ---------------------------------------------------------------- properties

words = st.lists(st.sampled_from([f"w{number}" for number in range(500)]), min_size=30, max_size=400)


def said(text: list[str]) -> Revision:
    return revision(content_html=f"<p>{' '.join(text)}</p>")


@settings(max_examples=200, deadline=None)
@given(words, st.data())
def test_two_texts_that_share_enough_have_much_of_their_sketch_in_common(text: list[str], data: st.DataObject) -> None:
    """What the store looks up before anything is compared may not lose a pair."""
    at = data.draw(st.integers(0, len(text) - 1))
    changed = [*text[:at], "other", *text[at + 1 :]]
    one, other = said(text), said(changed)
    if shared(one, other) >= ENOUGH:
        assert len(set(memory.sketch(one)) & set(memory.sketch(other))) >= 2


@settings(max_examples=200, deadline=None)
@given(words, words)
def test_sharing_is_the_same_both_ways_and_a_share(one: list[str], other: list[str]) -> None:
    share = shared(said(one), said(other))
    assert share == shared(said(other), said(one))
    assert 0 <= share <= 1
    assert shared(said(one), said(one)) in (0.0, 1.0)
