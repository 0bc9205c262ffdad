"""Whole looks at sources: what goes live, what is gone and what only seems so, and when to look again."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from publisher import collect, pipeline
from publisher.app import App
from publisher.errors import SourceEmptied, SourceInvalid, SourceUnavailable
from publisher.model import Article, ArticleState, Fetched, Listing, RevisionKind, Source
from publisher.pipeline.collecting import LONGEST_BACKOFF, pause
from tests.people import source
from tests.pipeline.newsroom import Newsroom, days, open_newsroom, story
from tests.sites import TestClock, lay_out, mailbox, open_site, run_due, write

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TEN = [story(f"Story {letter}") for letter in "ABCDEFGHIJ"]


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def both(root: Path, clock: TestClock) -> Iterator[tuple[App, Newsroom]]:
    app, newsroom = open_newsroom(root, clock)
    yield app, newsroom
    app.close()


@pytest.fixture
def app(both: tuple[App, Newsroom]) -> App:
    return both[0]


@pytest.fixture
def newsroom(both: tuple[App, Newsroom]) -> Newsroom:
    return both[1]


def look(app: App, slug: str = "newsroom", **how: bool) -> collect.Tally:
    """A look, a minute after whatever was before."""
    assert isinstance(app.parts.clock, TestClock)
    app.parts.clock.move(minutes=1)
    return pipeline.collect(app.parts, slug, **how)


def called(app: App, title: str, slug: str = "newsroom") -> Article:
    (found,) = [one for one in app.parts.store.articles.each() if one.revision.title == title and one.source == slug]
    return found


def in_feed(app: App, slug: str) -> list[str]:
    """The live articles of a feed; it may tell of retracted ones as well."""
    there = app.parts.store.feeds.current(slug, now=app.parts.clock.now())
    return [f"{one.source}: {one.revision.title}" for one in there if one.state is ArticleState.LIVE]


# ---------------------------------------------------------------- removed


def test_what_two_complete_lists_do_not_name_is_retracted(app: App, newsroom: Newsroom, clock: TestClock) -> None:
    newsroom.lists("newsroom", *TEN)
    look(app)
    newsroom.lists("newsroom", *TEN[1:])
    assert look(app).removed == 0
    assert called(app, "Story A").state is ArticleState.LIVE
    clock.move(minutes=10)
    assert look(app).removed == 1
    gone = called(app, "Story A")
    assert (gone.state, gone.retracted_at, gone.retracted_by) == (ArticleState.RETRACTED, clock.now(), "")
    assert "newsroom: Story A" not in in_feed(app, "all")
    assert look(app).removed == 0


def test_a_list_that_names_it_again_starts_the_count_anew(app: App, newsroom: Newsroom) -> None:
    for there in (TEN, TEN[1:], TEN, TEN[1:]):
        newsroom.lists("newsroom", *there)
        look(app)
    assert called(app, "Story A").state is ArticleState.LIVE


def test_an_article_that_comes_back_is_the_same_and_live_again(app: App, newsroom: Newsroom) -> None:
    for there in (TEN, TEN[1:], TEN[1:]):
        newsroom.lists("newsroom", *there)
        look(app)
    gone = called(app, "Story A")
    listing = Listing(look="only ids", ids=tuple(one.native_id for one in TEN), complete=True)
    newsroom.answers["newsroom"] = [Fetched(articles=(), cursor={}, listing=listing)]
    assert look(app).returned == 1
    back = called(app, "Story A")
    assert (back.id, back.entry_id, back.state, back.retracted_at) == (gone.id, gone.entry_id, ArticleState.LIVE, None)
    assert "newsroom: Story A" in in_feed(app, "all")


def test_leaving_the_window_of_a_feed_is_no_removal(app: App, newsroom: Newsroom) -> None:
    newsroom.window("wire", *TEN)
    look(app, "wire")
    newsroom.window("wire", TEN[9])
    for _ in range(3):
        assert look(app, "wire").removed == 0
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 10}


def test_a_list_in_parts_counts_when_it_is_complete(app: App, newsroom: Newsroom) -> None:
    newsroom.lists("newsroom", *TEN)
    look(app)

    def parts(name: str, *, broken: bool = False) -> list[Fetched]:
        ids = [one.native_id for one in TEN[1:]]
        chunks = [ids[:4], ids[4:]]
        return [
            Fetched(
                articles=(),
                cursor={},
                listing=Listing(look=name, ids=tuple(chunk), complete=chunk is chunks[-1] and not broken),
            )
            for chunk in chunks
        ]

    for number in range(3):
        newsroom.answers["newsroom"] = parts(f"broken {number}", broken=True)
        assert look(app).removed == 0
    newsroom.answers["newsroom"] = parts("first")[:1]
    look(app)
    newsroom.answers["newsroom"] = parts("first")[1:]  # the look was broken off, and went on
    look(app)
    newsroom.answers["newsroom"] = parts("second")
    assert look(app).removed == 1
    assert called(app, "Story A").state is ArticleState.RETRACTED


def test_what_came_in_while_a_list_was_gone_through_is_not_missing(
    app: App, newsroom: Newsroom, clock: TestClock
) -> None:
    for number in range(3):
        clock.move(minutes=1)
        late = story(f"Pushed in {number}")
        newsroom.answers["newsroom"] = [
            Fetched(articles=(), cursor={}, listing=Listing(look=str(number), ids=())),
            Fetched(articles=(late,), cursor={}),
            Fetched(articles=(), cursor={}, listing=Listing(look=str(number), ids=(), complete=True)),
        ]
        if number == 0:
            assert look(app).removed == 0
    assert called(app, "Pushed in 0").missed_at is None


@pytest.mark.parametrize("left", [[], TEN[:6]])
def test_when_much_vanishes_at_once_it_is_an_outage(
    app: App, newsroom: Newsroom, clock: TestClock, left: list[object], root: Path
) -> None:
    newsroom.lists("newsroom", *TEN)
    look(app)
    newsroom.lists("newsroom", *left)  # type: ignore[arg-type]
    for _ in range(3):
        clock.move(minutes=10)
        with pytest.raises(SourceEmptied, match=r"taken for an outage.*publisher collect newsroom --believe-removals"):
            look(app)
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 10}
    stored = app.parts.store.sources.get("newsroom")
    assert "taken for an outage" in stored.last_error
    assert stored.failures == 3
    run_due(app)
    (alarm,) = [one for one in mailbox(root) if "editor@" in str(one["To"])]
    assert "newsroom seems to be out of order" in str(alarm["Subject"])
    newsroom.lists("newsroom", *TEN)
    look(app)
    assert app.parts.store.sources.get("newsroom").last_error == ""


def test_who_removed_it_all_can_say_so(app: App, newsroom: Newsroom) -> None:
    newsroom.lists("newsroom", *TEN)
    look(app)
    newsroom.lists("newsroom")
    assert look(app, believe_removals=True).removed == 10
    assert in_feed(app, "all") == []


@pytest.mark.parametrize("identity", ["guid", "url"])
def test_a_list_is_compared_by_the_sources_own_ids_whatever_articles_are_known_by(
    app: App, newsroom: Newsroom, identity: str
) -> None:
    """And what was stored before its own id was kept is missing from no list until it was seen again."""
    changed = tuple(replace(one, identity=identity) for one in app.parts.sources)
    other = replace(app, parts=replace(app.parts, sources=changed))
    named = [replace(one, guid=f"g {one.native_id}", url=f"https://g.example/{one.native_id}") for one in TEN]
    newsroom.window("newsroom", *(replace(one, native_id="") for one in named))
    look(other)
    newsroom.lists("newsroom", named[0])
    assert look(other).removed == 0
    newsroom.lists("newsroom", *named)
    look(other)
    newsroom.lists("newsroom", *named[1:])
    assert [look(other).removed for _ in range(2)] == [0, 1]
    gone = called(other, "Story A")
    assert (gone.state, gone.native_id.partition(":")[0]) == (ArticleState.RETRACTED, identity)
    newsroom.lists("newsroom", *named)
    look(other)
    assert other.parts.store.articles.count() == {ArticleState.LIVE: 10}


def test_a_failing_source_keeps_everything(app: App, newsroom: Newsroom) -> None:
    newsroom.lists("newsroom", *TEN)
    look(app)
    newsroom.answers["newsroom"] = SourceInvalid("it answers with a web page titled “Maintenance”")
    for _ in range(3):
        with pytest.raises(SourceInvalid):
            look(app)
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 10}


# ---------------------------------------------------------------- one story, two sources


def test_a_story_of_two_sources_is_shown_once_where_both_would_be(
    app: App, newsroom: Newsroom, clock: TestClock
) -> None:
    newsroom.lists("newsroom", story("The pier"))
    look(app)
    clock.move(minutes=5)
    newsroom.window("wire", replace(story("The pier"), title="Pier is old"), story("The lamp"))
    look(app, "wire")
    assert in_feed(app, "all") == ["wire: The lamp", "newsroom: The pier"]
    assert sorted(in_feed(app, "wire")) == ["wire: Pier is old", "wire: The lamp"], "there it is the only one"
    one, other = called(app, "The pier"), called(app, "Pier is old", "wire")
    assert one.story == other.story
    rules = {decision.output: decision for decision in app.parts.store.decisions.of(other.id)}
    assert rules["story"].rule == "100 % of its words are those of “The pier” (newsroom)"
    assert (rules["feed:all"].included, rules["feed:all"].rule) == (
        False,
        "the same story as “The pier” (newsroom), which was there first",
    )


def test_when_the_first_is_retracted_the_other_steps_in_and_back(
    app: App, newsroom: Newsroom, clock: TestClock
) -> None:
    newsroom.lists("newsroom", *TEN, story("The pier"))
    look(app)
    clock.move(minutes=5)
    newsroom.window("wire", story("The pier"))
    look(app, "wire")
    newsroom.lists("newsroom", *TEN)
    look(app)
    look(app)
    assert "wire: The pier" in in_feed(app, "all")
    newsroom.lists("newsroom", *TEN, story("The pier"))
    look(app)
    assert "newsroom: The pier" in in_feed(app, "all")
    assert "wire: The pier" not in in_feed(app, "all")


def test_a_digest_tells_a_story_once_also_when_it_was_told_before(
    app: App, newsroom: Newsroom, clock: TestClock
) -> None:
    newsroom.lists("newsroom", story("The pier"))
    newsroom.window("wire", story("The pier"), story("The lamp"))
    look(app)
    clock.move(minutes=1)
    look(app, "wire")
    daily = pipeline.newsletter_of(app.parts, "daily")
    from publisher.kit import slots

    slot = slots.current(daily.timetable(), clock.now())
    _, choice, _ = pipeline.draft(app.parts, daily, slot)
    titles = {one.id: (one.source, one.revision.title) for one in app.parts.store.articles.each()}
    assert sorted(titles[item.article] for item in choice.items) == [("newsroom", "The pier"), ("wire", "The lamp")]
    out = [one.rule for one in choice.decisions if not one.included]
    assert out == ["the same story as “The pier” (newsroom)"]


# ---------------------------------------------------------------- held, backdated, archive


def test_only_what_lies_inside_the_window_of_a_new_source_is_news(
    app: App, newsroom: Newsroom, clock: TestClock
) -> None:
    newsroom.lists("newsroom", story("Old", published_at=EARLY - days(30)), story("New", published_at=EARLY - days(2)))
    look(app)
    assert in_feed(app, "all") == ["newsroom: New", "newsroom: Old"]
    clock.move(hours=1)
    late = story("Late", published_at=EARLY - days(5))
    newsroom.lists("newsroom", story("Old"), story("New"), late)
    look(app)
    assert "newsroom: Late" in in_feed(app, "all")
    found = {one.id for one in app.parts.store.articles.published_since(clock.now() - days(3), clock.now())}
    assert found == {called(app, "New").id, called(app, "Late").id}, "an archive is not even read"


# ---------------------------------------------------------------- when to look again


def test_a_healthy_source_may_ask_for_more_time_within_bounds() -> None:
    one = source(interval=timedelta(minutes=10))
    assert pause(one, None) == timedelta(minutes=10)
    assert pause(one, None, wish=timedelta(minutes=1)) == timedelta(minutes=10)
    assert pause(one, None, wish=timedelta(minutes=30)) == timedelta(minutes=30)
    assert pause(one, None, wish=timedelta(days=7)) == timedelta(hours=1)


def test_a_failing_source_is_asked_less_and_less_and_never_sooner_than_it_wants() -> None:
    def waits(failures: int, error: Exception) -> timedelta:
        return pause(source(interval=timedelta(minutes=10), failures=failures), error)

    plain = [waits(number, SourceUnavailable("down")) for number in range(12)]
    for earlier, later in pairwise(plain[:5]):
        assert later > earlier
    assert all(LONGEST_BACKOFF <= wait <= LONGEST_BACKOFF * 1.25 for wait in plain[6:])
    assert waits(0, SourceUnavailable("busy", retry_after=days(1))) == days(1)


def test_sources_that_failed_together_do_not_come_back_together() -> None:
    def wait(slug: str) -> timedelta:
        return pause(source(slug), SourceUnavailable("down"))

    waits = {wait(f"section-{number}") for number in range(50)}
    assert len(waits) == 50
    assert max(waits) - min(waits) > timedelta(minutes=3)
    assert wait("section-1") == wait("section-1")


def test_the_wish_of_a_source_decides_when_it_is_due(app: App, newsroom: Newsroom, clock: TestClock) -> None:
    newsroom.window("wire", *TEN, next_look=timedelta(minutes=25))
    look(app, "wire")
    there: Source = app.parts.store.sources.get("wire")
    assert there.next_fetch_at == clock.now() + timedelta(minutes=25)


# ---------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_archive(app: App, newsroom: Newsroom) -> None:
    """Pages are made when they are asked for, and nothing of one is kept for the next."""

    def pages(name: str, posts: int) -> Iterator[Fetched]:
        for start in range(0, posts, 10):
            some = tuple(story(f"{name} {number}", published_at=EARLY - days(9)) for number in range(start, start + 10))
            ids = tuple(one.native_id for one in some)
            listing = Listing(look=name, ids=ids, complete=start + 10 >= posts)
            yield Fetched(articles=some, cursor={"at": start}, listing=listing)

    def peak(name: str, posts: int) -> int:
        newsroom.answers["newsroom"] = pages(name, posts)
        tracemalloc.start()
        try:
            assert look(app, believe_removals=True).new == posts
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak("Warm", 20)
    assert peak("Many", 160) < 1.5 * peak("Few", 20)


def test_a_files_own_word_makes_a_correction(tmp_path: Path, clock: TestClock) -> None:
    text = "---\nid: pier\ntitle: The pier\n{}---\nIt stands.\n"
    root = lay_out(tmp_path / "folder", articles={"pier.md": text.format("")})
    app = open_site(root, clock)
    look(app)
    write(root, "pier.md", text.format("correction: It stood until May.\n"))
    look(app)
    says = called(app, "The pier").revision
    assert (says.number, says.kind, says.note) == (2, RevisionKind.CORRECTION, "It stood until May.")
    app.close()
