"""The story of what stands beside feeds, of feeds that end, and of the hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher import pipeline
from publisher.app import App
from publisher.errors import HubError, TemplateError
from tests.sites import FERRY, SETTINGS, TestClock, lay_out, open_site, run_due, write

START = datetime(2026, 11, 1, 6, tzinfo=UTC)
BOATS = '\n[[feeds]]\nslug = "boats"\ntitle = "Boats"\ndescription = "All afloat"\n'
FOREIGN = "about-us.html"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(START)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "site", SETTINGS + BOATS + '\n[folder]\ngone = "30d"\n')


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(root, clock)
    assert run_due(opened) == []
    yield opened
    opened.close()


def settle(root: Path, clock: TestClock, settings: str) -> App:
    """The same site with other settings, when all that is due has been done."""
    (root / "settings.toml").write_text(settings)
    opened = open_site(root, clock)
    assert run_due(opened) == []
    return opened


def there(root: Path) -> set[str]:
    return {path.relative_to(root / "feeds").as_posix() for path in (root / "feeds").rglob("*") if path.is_file()}


def test_what_stands_beside_feeds_is_written_once_and_left_alone(app: App, root: Path) -> None:
    beside = ("index.html", "feeds.opml", "feeds.css", "autodiscovery.html", "all.html", "boats.html")
    assert set(beside) <= there(root)
    before = {name: (root / "feeds" / name).stat().st_mtime_ns for name in beside}
    assert not any(work.kind == "tidy" for work in pipeline.due(app.parts))
    pipeline.tidy(app.parts)
    for slug in ("all", "boats"):
        pipeline.syndicate(app.parts, slug, everything=True)
    assert {name: (root / "feeds" / name).stat().st_mtime_ns for name in beside} == before


def test_a_feed_that_a_pattern_makes_is_listed(app: App, root: Path, clock: TestClock) -> None:
    assert "section-sport" not in (root / "feeds" / "feeds.opml").read_text()
    write(root, "sport/cup.txt", FERRY.replace("ferry", "cup"))
    clock.move(minutes=5)
    assert run_due(app) == []
    assert "section-sport.html" in (root / "feeds" / "index.html").read_text()
    assert "section-sport.rss" in (root / "feeds" / "feeds.opml").read_text()


def test_a_site_finds_its_feeds_named_for_its_own_pages(app: App, root: Path) -> None:
    lines = (root / "feeds" / "autodiscovery.html").read_text()
    assert lines.count("<link ") == 6
    assert 'title="Boats" href="https://news.harbour-gazette.example/feeds/boats.json">' in lines
    assert "section-" not in lines


def test_a_feed_that_ends_says_so_for_its_time_and_then_goes(app: App, root: Path, clock: TestClock) -> None:
    app.close()
    (root / "feeds" / FOREIGN).write_text("ours")
    app = settle(root, clock, (root / "settings.toml").read_text().replace(BOATS, ""))
    marks = {f"boats.{ending}.gone" for ending in ("rss", "atom", "json", "html")}
    assert {name for name in there(root) if name.startswith("boats")} == marks
    assert "boats" not in (root / "feeds" / "index.html").read_text()
    assert "boats" not in (root / "feeds" / "feeds.opml").read_text()
    clock.move(days=29)
    assert run_due(app) == []
    assert marks <= there(root)
    clock.move(days=2)
    assert run_due(app) == []
    assert not [name for name in there(root) if name.startswith("boats")]
    assert {"all.rss", "all.html", "index.html", FOREIGN} <= there(root)
    app.close()


def test_a_feed_that_comes_back_is_there_again_and_stays(app: App, root: Path, clock: TestClock) -> None:
    app.close()
    settings = (root / "settings.toml").read_text()
    settle(root, clock, settings.replace(BOATS, "")).close()
    clock.move(days=29)
    app = settle(root, clock, settings)
    assert {"boats.rss", "boats.html"} <= there(root)
    assert not [name for name in there(root) if name.endswith(".gone")]
    clock.move(days=2)
    assert run_due(app) == []
    assert "boats.rss" in there(root)
    app.close()


def test_a_format_that_a_feed_no_longer_has_ends(app: App, root: Path, clock: TestClock) -> None:
    app.close()
    fewer = (root / "settings.toml").read_text().replace('slug = "boats"\n', 'slug = "boats"\nformats = ["rss"]\n')
    app = settle(root, clock, fewer)
    boats = {name for name in there(root) if name.startswith("boats")}
    assert boats == {"boats.rss", "boats.html", "boats.atom.gone", "boats.json.gone"}
    app.close()


def test_whoever_is_killed_while_ending_files_leaves_it_to_the_next(app: App, root: Path, clock: TestClock) -> None:
    app.close()
    (root / "settings.toml").write_text((root / "settings.toml").read_text().replace(BOATS, ""))
    app = open_site(root, clock)
    end = app.parts.folder.end
    ended: list[str] = []

    class Killed(BaseException):
        pass

    def kill_in_the_middle(name: str) -> None:
        if len(ended) == 2:
            raise Killed
        end(name)
        ended.append(name)

    app.parts.folder.end = kill_in_the_middle  # type: ignore[method-assign]
    with pytest.raises(Killed):
        pipeline.tidy(app.parts)
    app.parts.folder.end = end  # type: ignore[method-assign]
    assert run_due(app) == []
    assert len([name for name in there(root) if name.startswith("boats") and name.endswith(".gone")]) == 4
    app.close()


def test_a_broken_template_of_a_page_never_keeps_a_feed_back(app: App, root: Path, clock: TestClock) -> None:
    own = root / "templates" / "web" / "public"
    own.mkdir(parents=True)
    (own / "feed.html").write_text("{{ nothing.of_that_name }}")
    app.close()
    app = open_site(root, clock)
    write(root, "news/bridge.txt", FERRY.replace("ferry", "bridge"))
    clock.move(minutes=5)
    problems = run_due(app)
    assert problems
    assert {type(problem) for problem in problems} == {TemplateError}
    for ending in ("rss", "atom", "json"):
        assert "The bridge returns" in (root / "feeds" / f"all.{ending}").read_text()
    built, error, _ = app.parts.store.feeds.states()["all"]
    assert built == clock.now()  # the feed itself is out, and its page is named
    assert error.startswith("its page all.html could not be written: ")
    assert "feed.html" in error
    (own / "feed.html").unlink()
    app.close()
    app = open_site(root, clock)
    clock.move(minutes=5)
    assert run_due(app) == []
    assert "The bridge returns" in (root / "feeds" / "all.html").read_text()
    assert app.parts.store.feeds.states()["all"][1] == ""
    app.close()


def test_settings_that_every_file_shows_reach_those_that_are_there(app: App, root: Path, clock: TestClock) -> None:
    settings = (root / "settings.toml").read_text()
    before = (root / "feeds" / "all.atom").stat().st_mtime_ns
    app.close()
    settle(root, clock, settings).close()
    assert (root / "feeds" / "all.atom").stat().st_mtime_ns == before
    settings = settings.replace("[site]\n", '[site]\nhub = "https://hub.example/"\n')
    settings = settings.replace("[folder]\n", '[folder]\ncompressed = ["gzip"]\n')
    opened = open_site(root, clock)
    opened.close()
    (root / "settings.toml").write_text(settings)
    opened = open_site(root, clock)
    parts = replace(opened.parts, hub=None)  # which nobody here can reach
    for work in [one for one in pipeline.due(parts) if one.kind in ("syndicate", "tidy")]:
        pipeline.work(parts, work.kind, work.key)
    for name in ("all.atom", "boats.rss", "all.json"):
        assert "https://hub.example/" in (root / "feeds" / name).read_text()
        assert (root / "feeds" / f"{name}.gz").exists()
    assert not any(one.kind == "syndicate" for one in pipeline.due(parts))
    opened.close()


# ---------------------------------------------------------------- the hub


@dataclass(slots=True)
class Listening:
    """Where a hub would be: what it was told, and what stood in the folder at that moment."""

    root: Path
    told: list[tuple[str, bytes]] = field(default_factory=list)
    failing: bool = False

    def tell(self, topic: str) -> None:
        if self.failing:
            raise HubError("the hub does not answer")
        name = topic.removeprefix("https://news.harbour-gazette.example/feeds/")
        self.told.append((name, (self.root / "feeds" / name).read_bytes()))


@pytest.fixture
def hub(root: Path) -> Listening:
    return Listening(root)


@pytest.fixture
def heard(root: Path, clock: TestClock, hub: Listening) -> Iterator[App]:
    opened = open_site(root, clock)
    yield replace(opened, parts=replace(opened.parts, hub=hub))
    opened.close()


def test_the_hub_hears_of_every_change_once_when_it_is_in_place(
    heard: App, root: Path, clock: TestClock, hub: Listening
) -> None:
    assert run_due(heard) == []
    names = sorted(name for name, _ in hub.told)
    assert names == sorted(f"{slug}.{ending}" for slug in ("all", "boats", "section-news") for ending in TYPES)
    hub.told.clear()
    clock.move(hours=1)
    assert run_due(heard) == []
    assert hub.told == []
    write(root, "news/bridge.txt", FERRY.replace("ferry", "bridge"))
    clock.move(minutes=5)
    assert run_due(heard) == []
    assert sorted(name for name, _ in hub.told) == names
    assert all(b"bridge returns" in data for _, data in hub.told)


TYPES = ("rss", "atom", "json")


def test_a_hub_that_fails_is_told_later_and_feeds_do_not_wait(
    heard: App, root: Path, clock: TestClock, hub: Listening
) -> None:
    hub.failing = True
    problems = run_due(heard)
    assert {type(problem) for problem in problems} == {HubError}
    assert (root / "feeds" / "all.rss").exists()
    hub.failing = False
    clock.move(minutes=10)
    assert run_due(heard) == []
    assert len(hub.told) == 9


def test_a_kill_between_the_file_and_the_note_loses_no_change(
    heard: App, root: Path, clock: TestClock, hub: Listening
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    run_due(heard)
    hub.told.clear()
    write(root, "news/bridge.txt", FERRY.replace("ferry", "bridge"))
    clock.move(minutes=5)
    pipeline.work(heard.parts, "collect", "newsroom")
    noting = heard.parts.store.serving.changed
    heard.parts.store.serving.changed = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        pipeline.syndicate(heard.parts, "all")
    assert b"bridge returns" in (root / "feeds" / "all.rss").read_bytes()
    heard.parts.store.serving.changed = noting  # type: ignore[method-assign]
    assert run_due(heard) == []
    assert sorted(name for name, _ in hub.told if name.startswith("all")) == ["all.atom", "all.json", "all.rss"]
