"""Preflight in the story: what is blocked stays here and says why, and an editor lets it go by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher import editions, pipeline
from publisher.app import App
from publisher.errors import NotFound, PreflightError, SettingsError
from publisher.kit import slots
from publisher.model import EditionState, Level, Slot
from tests.sites import (
    FERRY,
    LANTERNS,
    SETTINGS,
    TestClock,
    add_readers,
    addressees,
    lay_out,
    mailbox,
    open_site,
    run_due,
    write,
)

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TODAY = "daily/daily:2026-11-22"
UNFINISHED = FERRY.replace("carries sixty people", "carries TK people")
EDITED = SETTINGS.replace('name = "The Daily"', 'name = "The Daily"\napproval = "editor"')
READERS = ("ben@mail.example", "carla@mail.example")


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "site", articles={"news/ferry.txt": UNFINISHED})


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(root, clock)
    add_readers(opened, *READERS)
    yield opened
    opened.close()


def to_the_hour(app: App, clock: TestClock) -> list[Exception]:
    run_due(app)
    clock.move(hours=1)
    return run_due(app)


def test_a_blocked_edition_stays_a_draft_that_says_where_and_how_to_mend(
    app: App, clock: TestClock, root: Path
) -> None:
    (error,) = {str(one) for one in to_the_hour(app, clock)}
    there = app.parts.store.editions.get(TODAY)
    assert there.state is EditionState.DRAFT
    assert there.reason == error
    assert "placeholder" in error
    assert "“TK”" in error
    assert "Correct the story" in error
    assert addressees(root) == []


def test_once_the_story_is_mended_the_edition_goes_by_itself(app: App, clock: TestClock, root: Path) -> None:
    to_the_hour(app, clock)
    clock.move(minutes=15)
    assert not [work for work in pipeline.due(app.parts) if work.kind == "compose"]
    write(root, "news/ferry.txt", FERRY)
    clock.move(minutes=1)
    assert not run_due(app)
    assert addressees(root) == sorted(READERS)


def test_what_an_editor_overrides_goes_and_is_recorded(app: App, clock: TestClock, root: Path) -> None:
    to_the_hour(app, clock)
    there = pipeline.override(app.parts, TODAY, ["placeholder"], "Aoife Brennan")
    assert [(one.rule, one.by, one.at) for one in there.overrides] == [("placeholder", "Aoife Brennan", clock.now())]
    pipeline.send(app.parts, pipeline.newsletter_of(app.parts, "daily"), slot_of(app), "Aoife Brennan")
    run_due(app)
    assert addressees(root) == sorted(READERS)
    assert [one.by for one in app.parts.store.editions.get(TODAY).overrides] == ["Aoife Brennan"]


def test_an_override_is_for_this_rule_and_this_edition(app: App, clock: TestClock, root: Path) -> None:
    to_the_hour(app, clock)
    pipeline.override(app.parts, TODAY, ["link-dead"], "Aoife Brennan")
    with pytest.raises(PreflightError):
        pipeline.send(app.parts, pipeline.newsletter_of(app.parts, "daily"), slot_of(app), "Aoife Brennan")
    with pytest.raises(NotFound, match="no rule"):
        pipeline.override(app.parts, TODAY, ["shouting"], "Aoife Brennan")
    assert addressees(root) == []


def test_who_waits_for_an_editor_says_what_the_editor_must_mend(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "edited", settings=EDITED, articles={"news/ferry.txt": UNFINISHED})
    app = open_site(root, clock)
    add_readers(app, *READERS)
    to_the_hour(app, clock)
    there = app.parts.store.editions.get(TODAY)
    assert (there.state, there.reason.split()[0]) == (EditionState.WAITING, "preflight:")
    editions.approve(app.parts.store, TODAY, "Aoife Brennan", undo=clock.now() - clock.now(), now=clock.now())
    with pytest.raises(PreflightError, match="TK"):
        pipeline.plan(app.parts, TODAY)
    there = app.parts.store.editions.get(TODAY)
    assert (there.state, there.approved_by) == (EditionState.WAITING, "")
    assert addressees(root) == []
    app.close()


def test_a_story_withdrawn_in_the_undo_window_does_not_leave_with_the_others(tmp_path: Path, clock: TestClock) -> None:
    settings = SETTINGS.replace('name = "The Daily"', 'name = "The Daily"\nundo = "10m"')
    root = lay_out(tmp_path / "undo", settings=settings, articles={"news/ferry.txt": FERRY, "news/fish.txt": LANTERNS})
    app = open_site(root, clock)
    add_readers(app, *READERS)
    to_the_hour(app, clock)
    there = app.parts.store.editions.get(TODAY)
    assert there.state is EditionState.APPROVED
    articles = app.parts.store.articles.get([item.article for item in there.items]).values()
    ferry = next(one for one in articles if "ferry" in one.revision.title)
    pipeline.retract(app.parts, ferry, "", "Aoife Brennan")
    clock.move(minutes=10)
    assert not run_due(app)
    assert addressees(root) == sorted(READERS)
    assert {str(letter["Subject"]) for letter in mailbox(root)} == {"Lantern night moves indoors"}
    app.close()


def test_levels_are_the_sites(tmp_path: Path, clock: TestClock) -> None:
    settings = SETTINGS + '\n[preflight.levels]\nplaceholder = "warn"\n'
    root = lay_out(tmp_path / "levels", settings=settings, articles={"news/ferry.txt": UNFINISHED})
    app = open_site(root, clock)
    add_readers(app, *READERS)
    assert not to_the_hour(app, clock)
    assert app.parts.rulebook.levels == {"placeholder": Level.WARN}
    assert addressees(root) == sorted(READERS)
    app.close()


def test_a_rule_that_does_not_exist_is_named_in_the_settings(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "wrong", settings=SETTINGS + '\n[preflight.levels]\nshouting = "warn"\n')
    with pytest.raises(SettingsError, match=r"preflight\.levels\.shouting"):
        open_site(root, clock)


def test_what_is_looked_at_are_the_bytes_that_leave(tmp_path: Path, clock: TestClock) -> None:
    """The specimen and the delivered message differ only in what is the reader's own."""
    root = lay_out(tmp_path / "bytes")
    app = open_site(root, clock)
    add_readers(app, "ben@mail.example")
    to_the_hour(app, clock)
    (path,) = (root / "var/maildir/new").glob("*")
    there = app.parts.store.editions.get(TODAY)
    newsletter = pipeline.newsletter_of(app.parts, "daily")
    subscriber = app.parts.store.audience.by_email("ben@mail.example")
    assert subscriber is not None
    person = app.parts.store.audience.recipients("daily", [subscriber.id])[subscriber.id]
    variants = app.parts.store.editions.variants(there.id)
    assert pipeline.specimen(app.parts, there, newsletter, variants[0], person) == path.read_bytes()
    assert not pipeline.findings(app.parts, replace(there, subject="x"), newsletter, variants, network=False)
    app.close()


def slot_of(app: App) -> Slot:
    newsletter = pipeline.newsletter_of(app.parts, "daily")
    return slots.today(newsletter.timetable(), app.parts.clock.now())
