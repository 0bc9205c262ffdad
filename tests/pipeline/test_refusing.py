"""Items that cannot be read: each is told once, shown as long as it is so, and keeps no other back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from publisher import pipeline
from publisher.app import App
from publisher.collect.refusing import KEPT
from publisher.model import Fetched, Refusal, Work
from publisher.schedule import Report
from tests.pipeline.newsroom import Newsroom, open_newsroom, story
from tests.sites import TestClock, lay_out, open_site, write

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
BROKEN = "---\ntitle: x\n\ta: y\n---\nText.\n"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def app(tmp_path: Path, clock: TestClock) -> Iterator[App]:
    app = open_site(lay_out(tmp_path / "site"), clock)
    yield app
    app.close()


@pytest.fixture
def wire(tmp_path: Path, clock: TestClock) -> Iterator[tuple[App, Newsroom]]:
    app, newsroom = open_newsroom(tmp_path / "site", clock)
    yield app, newsroom
    app.close()


def logged(app: App, slug: str = "newsroom") -> list[tuple[Any, ...]]:
    """What `publisher run` warns of at a look."""
    assert isinstance(app.parts.clock, TestClock)
    app.parts.clock.move(hours=1)
    with capture_logs() as lines:
        Report(structlog.get_logger()).attempt(
            Work(kind="collect", key=slug), lambda: pipeline.work(app.parts, "collect", slug)
        )
    return [(one["event"], one["key"], one["item"]) for one in lines if one["log_level"] == "warning"]


def shown(app: App, slug: str = "newsroom") -> list[str]:
    return [one.item for one in app.parts.store.sources.get(slug).refused]


def test_a_file_that_cannot_be_read_is_logged_once_and_shown_until_it_is_mended(app: App, clock: TestClock) -> None:
    for name in ("a.md", "b.md"):
        write(app.root, name, BROKEN)
    told = [("collect.refused", "newsroom", name) for name in ("a.md", "b.md")]
    assert logged(app) == told
    since = app.parts.store.sources.get("newsroom").refused[0].since
    assert since == clock.now()
    assert logged(app) == []
    assert shown(app) == ["a.md", "b.md"]
    assert app.parts.store.sources.get("newsroom").refused[0].since == since
    write(app.root, "a.md", "# Mended\n\nText.\n")
    (app.root / "articles" / "b.md").unlink()
    assert logged(app) == []
    assert shown(app) == []
    write(app.root, "a.md", BROKEN)
    assert logged(app) == told[:1], "again, another day"


def test_another_fault_of_the_same_file_is_told(app: App) -> None:
    write(app.root, "a.md", BROKEN)
    logged(app)
    write(app.root, "a.md", "---\ndate: yesterday\n---\nText.\n")
    assert len(logged(app)) == 1
    assert "yesterday" in app.parts.store.sources.get("newsroom").refused[0].reason


def test_a_look_that_removes_something_is_logged(app: App, clock: TestClock) -> None:
    write(app.root, "lamp.txt", "The lamp is lit\n\nIt shines.\n")
    work = Work(kind="collect", key="newsroom")
    report = Report(structlog.get_logger())
    with capture_logs() as lines:
        for number in range(4):
            if number:
                (app.root / "articles" / "lamp.txt").unlink(missing_ok=True)
            report.attempt(work, lambda: pipeline.work(app.parts, "collect", "newsroom"))
            clock.move(hours=1)
    assert [(line["new"], line["removed"]) for line in lines if line["event"] == "collect.done"] == [(2, 0), (0, 1)]


def test_it_says_when_it_stops_removals(app: App) -> None:
    write(app.root, "a.md", BROKEN)
    write(app.root, "b.txt", "")
    logged(app)
    markdown, text = app.parts.store.sources.get("newsroom").refused
    words = "until it can, nothing that is missing from the source counts as removed"
    assert markdown.reason.endswith(words)
    assert words not in text.reason


def test_many_are_bounded_and_not_told_again(app: App) -> None:
    for number in range(KEPT + 5):
        write(app.root, f"{number:02}.md", BROKEN)
    assert len(logged(app)) == KEPT
    assert logged(app) == []
    assert len(shown(app)) == KEPT


def test_of_a_source_that_tells_only_what_changed_they_stay_until_they_are_read(
    wire: tuple[App, Newsroom], clock: TestClock
) -> None:
    """A post that a plugin breaks is in one answer only."""
    app, newsroom = wire

    def look(*refused: Refusal, articles: Sequence[str] = (), **more: Any) -> None:
        said = tuple(story(name) for name in articles)
        newsroom.answers["wire"] = [Fetched(articles=said, cursor={}, refused=refused, **more)]

    pier, lamp = (Refusal(item=f"post {id}", reason="it is broken", id=id) for id in ("pier", "lamp"))
    look(pier, lamp)
    assert len(logged(app, "wire")) == 2
    look(articles=["Ferry"])
    assert logged(app, "wire") == []
    assert shown(app, "wire") == ["post pier", "post lamp"]
    look(articles=["Pier"])
    assert logged(app, "wire") == []
    assert shown(app, "wire") == ["post lamp"]
    clock.move(days=8)
    look(unchanged=True)
    logged(app, "wire")
    assert shown(app, "wire") == ["post lamp"], "nothing was read, so nothing is known"
    look(articles=["Tide"])
    logged(app, "wire")
    assert shown(app, "wire") == []
