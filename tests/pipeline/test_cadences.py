"""Newsletters with cadences other than one a day: which editions are made, when, and that none is made twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from publisher import audience, errors, pipeline
from publisher.app import App
from publisher.model import EditionState, SubscriptionStatus
from tests.people import NOW
from tests.pipeline.newsroom import Newsroom, open_newsroom, story
from tests.sites import TestClock, add_readers, addressees, run_due

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def opened(tmp_path: Path, clock: TestClock) -> Iterator[tuple[App, Newsroom]]:
    app, newsroom = open_newsroom(tmp_path, clock)
    yield app, newsroom
    app.close()


def with_settings(app: App, **changes: object) -> App:
    """The site's newsletter with other settings."""
    (newsletter,) = app.parts.newsletters
    return replace(app, parts=replace(app.parts, newsletters=(replace(newsletter, **changes),)))  # type: ignore[arg-type]


def publish(app: App, newsroom: Newsroom, *titles: str, at: datetime) -> None:
    told = [story(title, published_at=at) for title in titles]
    newsroom.window("newsroom", *told)
    pipeline.collect(app.parts, "newsroom")


def composed(app: App) -> list[str]:
    """Ask the sources and make what is due, three times over, and say which editions there are."""
    for _ in range(3):
        for work in [one for one in pipeline.due(app.parts) if one.kind in ("collect", "compose")]:
            pipeline.work(app.parts, work.kind, work.key)
    return [f"{one.slot} {one.state}" for one in reversed(app.parts.store.editions.newest(50))]


def test_each_cadence_has_its_own_editions_of_the_same_stories(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    app = with_settings(app, cadences=("daily", "weekly"), weekday=1, maximum_age=8 * DAY, late=3 * DAY)
    add_readers(app, "one@reader.example", "two@reader.example")
    app.parts.store.audience.choose(2, "daily", topics=(), cadence="weekly", alerts=True)
    clock.at = datetime.fromisoformat("2026-11-28T12:00+00:00")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    clock.move(days=1)
    first = composed(app)
    clock.move(days=1)  # Monday
    publish(app, newsroom, "Harbour fair", at=clock.now())
    assert sorted(composed(app)) == sorted([*first, "daily:2026-11-30 approved", "weekly:2026-W49 approved"])
    held = {one.slot: len(one.items) for one in app.parts.store.editions.newest(2)}
    assert held == {"daily:2026-11-30": 1, "weekly:2026-W49": 2}
    bridge = next(one for one in app.parts.store.articles.each() if one.revision.title == "Bridge reopens")
    told = {one.output: one.rule for one in pipeline.why(app.parts, bridge, newsletter="daily")}
    assert told["edition:daily/weekly:2026-W49"] == "new since the last edition"
    assert told["newsletter:daily/daily"] == "already sent in The Daily (revision 1)", "the next one"
    assert told["edition:daily/daily:2026-11-29"] == "new since the last edition"


def test_an_edition_comes_with_enough_news_and_never_twice(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    app = with_settings(app, cadence="new-2")
    add_readers(app, "one@reader.example")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    assert composed(app) == []
    publish(app, newsroom, "Harbour fair", at=clock.now())
    assert composed(app) == ["new-2:1 approved"]
    clock.move(hours=1)
    publish(app, newsroom, "Lanterns", at=clock.now())
    assert composed(app) == ["new-2:1 approved"]
    publish(app, newsroom, "Ferry is back", at=clock.now())
    assert composed(app) == ["new-2:1 approved", "new-2:2 approved"]


def test_a_cadence_that_nobody_chose_makes_no_editions_of_news(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    app = with_settings(app, cadences=("daily", "new-1"))
    add_readers(app, "one@reader.example")  # who chose nothing
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    assert composed(app) == composed(app) == []


def test_news_that_comes_at_night_waits_for_the_end_of_quiet_hours(
    opened: tuple[App, Newsroom], clock: TestClock
) -> None:
    app, newsroom = opened
    app = with_settings(app, cadence="new-1", quiet=(time(22), time(7)))
    add_readers(app, "one@reader.example")
    clock.at = datetime.fromisoformat("2026-11-22T23:00+00:00")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    assert composed(app) == []
    clock.at = datetime.fromisoformat("2026-11-23T07:00+00:00")
    assert composed(app) == ["new-1:1 approved"]


def test_a_machine_that_slept_runs_the_newest_edition_late_or_merges_it(
    opened: tuple[App, Newsroom], clock: TestClock
) -> None:
    app, newsroom = opened
    app = with_settings(app, cadence="hourly-6", late=timedelta(hours=2))
    add_readers(app, "one@reader.example")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    clock.at = datetime.fromisoformat("2026-11-23T10:00+00:00")  # due at 07:00, and two before that were missed
    assert composed(app) == ["hourly-6:2026-11-23T07 merged"]
    clock.at = datetime.fromisoformat("2026-11-23T14:30+00:00")  # the one of 13:00 is not too late
    assert composed(app)[-1] == "hourly-6:2026-11-23T13 approved"
    (newest,) = app.parts.store.editions.newest(1)
    assert (newest.state, len(newest.items)) == (EditionState.APPROVED, 1)


@pytest.mark.parametrize("minutes", [5, 45])
def test_a_machine_that_was_off_at_the_hour_asks_its_sources_before_it_makes_the_edition(
    opened: tuple[App, Newsroom], clock: TestClock, minutes: int
) -> None:
    app, newsroom = opened
    add_readers(app, "one@reader.example")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    clock.at = datetime.fromisoformat("2026-11-22T07:00+00:00") + timedelta(minutes=minutes)
    newsroom.window("newsroom", story("Ferry is back", published_at=clock.now() - timedelta(minutes=20)))
    for _ in range(2):
        due = list(pipeline.due(app.parts))
        for kind in ("sweep", "compose", "collect"):  # the engine may take them in any order, and so in the worst
            for work in [one for one in due if one.kind == kind]:
                pipeline.work(app.parts, work.kind, work.key)
    (newest,) = app.parts.store.editions.newest(1)
    assert (newest.slot, len(newest.items)) == ("daily:2026-11-22", 2)
    assert not app.parts.store.notices.waiting(), "nobody is alarmed by a machine that wakes up late"


def test_a_source_that_fails_or_never_answered_holds_no_edition_back(
    opened: tuple[App, Newsroom], clock: TestClock
) -> None:
    app, newsroom = opened
    add_readers(app, "one@reader.example")
    clock.move(hours=1)
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    newsroom.answers["wire"] = errors.SourceUnavailable("nobody answers", source="wire")
    with pytest.raises(errors.SourceUnavailable):
        pipeline.collect(app.parts, "wire")
    assert [work.key for work in pipeline.due(app.parts) if work.kind == "compose"] == ["daily"]


def test_an_edition_is_made_with_what_is_there_before_it_is_too_late_to_mail(
    opened: tuple[App, Newsroom], clock: TestClock
) -> None:
    app, newsroom = opened
    add_readers(app, "one@reader.example")
    publish(app, newsroom, "Bridge reopens", at=clock.now() - timedelta(hours=1))

    def made() -> bool:
        return any(work.kind == "compose" for work in pipeline.due(app.parts))

    clock.at = datetime.fromisoformat("2026-11-22T12:30+00:00")  # its hour was 07:00, and nobody asks the sources
    assert not made()
    clock.at = datetime.fromisoformat("2026-11-22T12:50+00:00")
    assert made()


def test_a_retraction_waits_for_no_number_of_news(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    app = with_settings(app, cadence="new-2")
    add_readers(app, "one@reader.example")
    publish(app, newsroom, "Bridge reopens", "Lanterns", at=clock.now())
    assert not run_due(app)
    bridge = next(one for one in app.parts.store.articles.each() if one.revision.title == "Bridge reopens")
    clock.move(hours=1)
    pipeline.retract(app.parts, bridge, "It was a drill.", "Aoife Brennan")
    assert composed(app) == ["new-2:1 done", "new-2:2 approved"]


# ---------------------------------------------------------------- when readers are mailed


def add_readers_in(app: App, **zones: str) -> None:
    """Somebody in each time zone, called as told."""
    now = app.parts.clock.now()
    for name, zone in zones.items():
        person = audience.person(f"{name}@reader.example", app.parts.keys, now=now)
        consent = audience.consent(app.parts.newsletters[0].slug, SubscriptionStatus.CONFIRMED, {}, now=now)
        app.parts.store.audience.add(replace(person, timezone=zone), consent)


def mailed(app: App, root: Path) -> list[str]:
    """Do all that is due, and say who has mail."""
    assert not run_due(app)
    return [address.partition("@")[0] for address in addressees(root)]


def test_each_reader_is_mailed_when_their_own_clock_reads_the_hour(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, by_readers=True, ahead=timedelta(hours=24))
    add_readers_in(app, mei="Asia/Tokyo", niamh="Europe/Dublin", ana="America/New_York", nobody="")
    clock.at = datetime.fromisoformat("2026-11-22T20:00+00:00")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    assert mailed(app, tmp_path) == []
    clock.at = datetime.fromisoformat("2026-11-22T22:00+00:00")  # 07:00 on the 23rd in Tokyo
    assert mailed(app, tmp_path) == ["mei"]
    clock.at = datetime.fromisoformat("2026-11-23T06:59+00:00")
    assert mailed(app, tmp_path) == ["mei"]
    clock.at = datetime.fromisoformat("2026-11-23T07:00+00:00")
    assert mailed(app, tmp_path) == ["mei", "niamh", "nobody"]
    clock.at = datetime.fromisoformat("2026-11-23T12:00+00:00")
    assert mailed(app, tmp_path) == ["ana", "mei", "niamh", "nobody"]
    assert [one.key for one in app.parts.store.editions.newest(9) if one.items] == ["daily/daily:2026-11-23"]


def test_an_edition_that_is_late_does_not_wake_its_readers(
    opened: tuple[App, Newsroom], clock: TestClock, tmp_path: Path
) -> None:
    app, newsroom = opened
    app = with_settings(app, at=time(21), quiet=(time(22), time(7)))
    add_readers(app, "niamh@reader.example")
    publish(app, newsroom, "Bridge reopens", at=clock.now())
    clock.at = datetime.fromisoformat("2026-11-22T23:00+00:00")  # the machine slept
    assert mailed(app, tmp_path) == []
    clock.at = datetime.fromisoformat("2026-11-23T07:00+00:00")
    assert mailed(app, tmp_path) == ["niamh"]


def test_each_edition_keeps_why_each_article_is_in_it_or_not(opened: tuple[App, Newsroom], clock: TestClock) -> None:
    app, newsroom = opened
    app = with_settings(app, maximum_items=1)
    add_readers(app, "niamh@reader.example")
    publish(app, newsroom, "Harbour fair", at=clock.now())
    publish(app, newsroom, "Bridge reopens", at=clock.now() + timedelta(minutes=1))
    clock.move(hours=1)
    assert mailed(app, app.root) == ["niamh"]
    clock.move(days=1)
    mailed(app, app.root)
    titles = {one.id: one.revision.title for one in app.parts.store.articles.each()}
    told = {
        edition.slot: {titles[one.article]: one.rule for one in app.parts.store.decisions.of_edition(edition.id)}
        for edition in app.parts.store.editions.newest(9)
    }
    assert told == {
        "daily:2026-11-22": {
            "Bridge reopens": "new since the last edition",
            "Harbour fair": "over the limit of 1 article",
        },
        "daily:2026-11-23": {
            "Bridge reopens": "already sent in The Daily (revision 1)",
            "Harbour fair": "new since the last edition",
        },
    }
