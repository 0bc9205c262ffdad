"""One story in two sources is recognised, and what only looks like one is not; what changed comes back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher import memory
from publisher.memory.stories import ALIKE as ENOUGH
from publisher.memory.stories import shared
from publisher.model import Article, ArticleState, Carried, Got, Label, Revision, RevisionKind
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


# ---------------------------------------------------------------- what is owed


def text(*numbers: int) -> str:
    return "".join(
        f"<p>Paragraph {n} tells what happened on day {n} at pier {n} of the harbour, and to whom.</p>" for n in numbers
    )


@pytest.mark.parametrize(
    ("title", "told", "expected"),
    [
        ("The swing bridge reopens", range(10), False),
        ("The swing bridge reopens", range(2, 12), False),  # two paragraphs of ten
        ("The swing bridge reopens", range(4, 14), True),
        ("Council halts bridge", range(10), False),  # only the headline
        ("Council halts bridge", range(2, 12), True),
        ("The swing bridge reopens at last", range(2, 12), False),
    ],
)
def test_a_change_is_substantial_by_what_is_new_in_the_text(title: str, told: Iterable[int], expected: bool) -> None:
    before = revision("The swing bridge reopens", content_html=text(*range(10)))
    assert memory.substantial(before, revision(title, content_html=text(*told))) is expected


def test_what_is_owed_follows_from_what_was_sent() -> None:
    kinds = ((1, RevisionKind.FIRST), (2, RevisionKind.CORRECTION), (3, RevisionKind.EDIT))
    one, two, three = (revision(number=n, kind=kind) for n, kind in kinds)
    history = {(7, 1): one, (7, 2): two, (7, 3): three}
    now = article(id=7, revision=three)

    assert memory.owed(now, [Got(7, 1)], history) is Label.CORRECTION, "whatever was mended after it"
    assert memory.owed(now, [Got(7, 1), Got(7, 2)], history) is None
    assert memory.owed(now, [Got(7, 2)], history, urgent=True) is Label.UPDATED
    assert memory.owed(now, [Got(7, 3)], history, urgent=True) is None
    assert memory.owed(now, [Got(8, 1)], history) is None, "another source's telling"
    gone = replace(now, state=ArticleState.RETRACTED)
    assert memory.owed(gone, [Got(7, 3)], history) is Label.RETRACTION
    assert memory.owed(gone, [Got(7, 1), Got(7, 3, True)], history) is None


def test_what_was_told_last_of_a_story_that_goes_and_comes_counts() -> None:
    now = article(id=7, revision=revision())
    history, gone = {(7, 1): now.revision}, replace(now, state=ArticleState.RETRACTED)
    told = [Got(7, 1, turn=1), Got(7, 1, True, turn=2), Got(7, 1, turn=3), Got(7, 1, True, turn=4)]

    assert [memory.owed(now, told[:n], history) for n in (1, 2, 3, 4)] == [None, Label.RESTORED, None, Label.RESTORED]
    assert [memory.owed(gone, told[:n], history) for n in (1, 2, 3, 4)] == [Label.RETRACTION, None] * 2
    assert memory.owed(now, [Got(7, 1, True)], history) is Label.RESTORED, "whatever else they got"


def test_a_correction_that_was_undone_is_owed_to_nobody_who_has_what_it_says_again() -> None:
    first = revision()
    wrong = revision(number=2, kind=RevisionKind.CORRECTION, content_html="<p>Closed on Friday.</p>")
    again = replace(first, number=3, kind=RevisionKind.EDIT)
    history = {(7, one.number): one for one in (first, wrong, again)}
    now = article(id=7, revision=again)

    assert memory.owed(now, [Got(7, 1)], history) is None
    assert memory.owed(now, [Got(7, 0)], history | {(7, 0): replace(first, title="Other")}) is Label.CORRECTION
    assert memory.owed(now, [Got(7, 0)], history) is Label.CORRECTION, "nobody knows what they have"


def test_an_edition_owes_what_its_own_readers_were_not_told() -> None:
    history = {(7, 1): revision(), (7, 2): revision(number=2, kind=RevisionKind.CORRECTION)}
    now = article(id=7, revision=history[7, 2])

    def owes(cadence: str, *carried: tuple[str, int, Label]) -> Label | None:
        return memory.owed_by_edition(now, [Carried(7, n, label, slot) for slot, n, label in carried], cadence, history)

    wrong, right = ("daily:1", 1, Label.NEW), ("daily:2", 2, Label.CORRECTION)
    assert owes("", wrong) is Label.CORRECTION
    assert owes("", wrong, right) is None
    assert owes("", wrong, ("alert:7:2", 2, Label.NEW)) is Label.CORRECTION, "who takes no alerts was not told"
    assert owes("weekly", wrong, right) is Label.CORRECTION, "for who changed to it"
    assert owes("weekly", wrong, ("manual:extra", 2, Label.NEW)) is None
    assert owes("daily", ("alert:7:1", 1, Label.NEW)) is Label.CORRECTION


def test_an_edition_owes_the_story_to_whoever_was_told_that_it_is_withdrawn() -> None:
    history = {(7, 1): revision()}
    now = article(id=7, revision=history[7, 1])
    new, gone, back = (Carried(7, 1, label, "daily:1") for label in (Label.NEW, Label.RETRACTION, Label.RESTORED))
    some = gone._replace(partly=True)

    def owes(*carried: Carried, state: ArticleState = ArticleState.LIVE) -> Label | None:
        return memory.owed_by_edition(replace(now, state=state), carried, "daily", history)

    assert owes(new) is None
    assert owes(new, gone) is owes(new, some) is owes(new, some, some) is Label.RESTORED
    assert owes(new, gone, back._replace(partly=True)) is Label.RESTORED, "not all of them were told"
    assert owes(new, gone, back) is None
    assert owes(gone._replace(slot="weekly:1")) is Label.RESTORED, "for who changed to it"
    assert owes(new, gone, state=ArticleState.RETRACTED) is None
    assert owes(new, gone, back, state=ArticleState.RETRACTED) is Label.RETRACTION
    assert owes(new, some, state=ArticleState.RETRACTED) is Label.RETRACTION
