"""The story of feeds over weeks: archive pages that stay, retractions that are told, and what is never rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher import pipeline, syndicate
from publisher.app import App
from publisher.errors import GateError
from publisher.model import Article, ArticleState, ReadEntry
from tests.people import article
from tests.sites import SETTINGS, TestClock, lay_out, open_site

START = datetime(2026, 11, 1, 6, 0, tzinfo=UTC)
SMALL = SETTINGS.replace('slug = "all"\n', 'slug = "all"\nlimit = 4\nremember = "7d"\n', 1)
ENDINGS = ("rss", "atom", "json")


@pytest.fixture
def clock() -> TestClock:
    return TestClock(START)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "site", SMALL, articles={})


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(root, clock)
    yield opened
    opened.close()


def publish(app: App, *numbers: int, clock: TestClock) -> list[Article]:
    """Articles told an hour apart, each into the feeds as it comes."""
    found = []
    for number in numbers:
        at = clock.now()
        one = article(f"Number {number}", categories=("News",), published_at=at, updated_at=at, first_seen_at=at)
        with app.parts.store.transaction() as store:
            found.append(store.articles.add(one))
            syndicate.put(store, found[-1:], store.feeds.all(), app.parts.patterns, now=at)
        build(app)
        clock.move(hours=1)
    return found


def build(app: App) -> list[str]:
    """The files that were written."""
    slugs = app.parts.store.feeds.due(app.parts.clock.now())
    return [name for slug in slugs for name in pipeline.syndicate(app.parts, slug).written]


def say(app: App, one: Article) -> None:
    """Another word about an article: a newer revision, or its retraction."""
    with app.parts.store.transaction() as store:
        if one.state is ArticleState.LIVE:
            store.articles.revise(one)
        else:
            store.articles.seen(one)
            store.articles.decide(one)
        syndicate.put(store, [one], store.feeds.all(), app.parts.patterns, now=app.parts.clock.now())


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    folder = root / "feeds"
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def read(app: App, root: Path, name: str, format: str = "atom") -> tuple[ReadEntry, ...]:
    return app.parts.formats[format].read((root / "feeds" / f"{name}.{format}").read_bytes())


def titles(app: App, root: Path, name: str) -> list[str]:
    return [entry.title.removeprefix("Number ") for entry in read(app, root, name)]


def crawl(app: App, root: Path) -> set[str]:
    """Every id that a reader finds who follows the archive from the current document."""
    found, name = set(), "all"
    while name:
        found |= {entry.id for entry in read(app, root, name)}
        text = (root / "feeds" / f"{name}.atom").read_text()
        _, _, rest = text.partition(' rel="prev-archive"')
        link = text[: len(text) - len(rest)].rpartition('href="')[2] if rest else ""
        name = link.partition("/feeds/")[2].partition(".atom")[0]
    return found


def test_the_current_document_stays_small_and_the_archive_holds_the_rest(
    app: App, root: Path, clock: TestClock
) -> None:
    told = publish(app, *range(1, 15), clock=clock)
    assert titles(app, root, "all") == ["14", "13", "12", "11"]
    assert titles(app, root, "all/1") == ["4", "3", "2", "1"]
    assert crawl(app, root) == {one.entry_id for one in told}
    assert all((root / "feeds" / "all" / f"3.{ending}").exists() is (14 > 3 * 4) for ending in ENDINGS)


def test_an_archive_page_is_never_written_again_but_to_name_its_successor(
    app: App, root: Path, clock: TestClock
) -> None:
    publish(app, *range(1, 10), clock=clock)
    before = files(root)
    assert "all/2.atom" in before
    publish(app, *range(10, 15), clock=clock)
    after = files(root)
    assert after["all/1.atom"] == before["all/1.atom"]
    gained = b'rel="next-archive" type="application/atom+xml"/>\n'
    changed = [line for line in after["all/2.atom"][0].splitlines(keepends=True) if line not in before["all/2.atom"][0]]
    assert [line.endswith(gained) for line in changed] == [True]


def test_one_new_article_touches_its_own_feeds_and_no_other_file(app: App, root: Path, clock: TestClock) -> None:
    publish(app, *range(1, 12), clock=clock)
    at = clock.now()
    other = article("Cup final", categories=("Sport",), published_at=at, updated_at=at)
    with app.parts.store.transaction() as store:
        stored = store.articles.add(other)
        syndicate.put(store, [stored], store.feeds.all(), app.parts.patterns, now=at)
    wanted = {f"{name}.{ending}" for name in ("all", "section-sport") for ending in ENDINGS}
    assert set(build(app)) == wanted
    assert build(app) == []


def test_a_retraction_is_told_for_its_time_and_for_ever_in_the_archive(app: App, root: Path, clock: TestClock) -> None:
    told = publish(app, *range(1, 11), clock=clock)
    gone = replace(told[0], state=ArticleState.RETRACTED, retracted_at=clock.now(), retraction_note="It was not so.")
    before = files(root)
    say(app, gone)
    wrote = set(build(app))
    assert {name for name in wrote if name.startswith("all")} == {
        f"{name}.{ending}" for name in ("all", "all/1") for ending in ENDINGS
    }
    assert [entry.id for entry in read(app, root, "all") if entry.gone] == [gone.entry_id]
    assert [entry.id for entry in read(app, root, "all/1") if entry.gone] == [gone.entry_id]
    (item,) = [entry for entry in read(app, root, "all", "rss") if entry.id == gone.entry_id]
    assert (item.title, item.content) == ("Retracted: Number 1", "<p>It was not so.</p>")
    assert {name for name in before if before[name] == files(root).get(name)} >= {"all/2.atom", "all/2.json"}
    clock.move(days=8)
    assert set(build(app)) >= {f"all.{ending}" for ending in ENDINGS}
    assert all(not entry.gone for entry in read(app, root, "all"))
    assert [entry.id for entry in read(app, root, "all/1") if entry.gone] == [gone.entry_id]


def test_an_edit_of_an_old_article_reaches_the_archive_page_that_holds_it(
    app: App, root: Path, clock: TestClock
) -> None:
    told = publish(app, *range(1, 11), clock=clock)
    says = replace(told[1].revision, number=2, title="Number 2 b", updated_at=clock.now())
    say(app, replace(told[1], revision=says))
    assert {name for name in build(app) if name.startswith("all")} == {f"all/1.{ending}" for ending in ENDINGS}
    assert titles(app, root, "all/1") == ["4", "3", "2 b", "1"]


def test_a_deleted_folder_is_built_again_with_the_same_bytes(app: App, root: Path, clock: TestClock) -> None:
    publish(app, *range(1, 12), clock=clock)
    before = {name: data for name, (data, _) in files(root).items()}
    for name in before:
        (root / "feeds" / name).unlink()
    for one in app.parts.store.feeds.all():
        pipeline.syndicate(app.parts, one.slug, everything=True)
    assert {name: data for name, (data, _) in files(root).items()} == before


def test_ids_are_the_same_after_a_rebuild_from_an_empty_database(
    app: App, root: Path, clock: TestClock, tmp_path: Path
) -> None:
    publish(app, *range(1, 8), clock=clock)
    clock.at = START
    again = open_site(lay_out(tmp_path / "again", SMALL, articles={}), clock)
    publish(again, *range(1, 8), clock=clock)
    assert files(tmp_path / "again").keys() == files(root).keys()
    for name, (data, _) in files(root).items():
        assert files(tmp_path / "again")[name][0] == data
    again.close()


def test_a_store_that_lost_an_article_does_not_take_it_from_readers(app: App, root: Path, clock: TestClock) -> None:
    """As after a restored backup: the feed stays as it was until the article is collected again."""
    publish(app, 1, 2, 3, clock=clock)
    foreign = app.parts.formats["atom"].read((root / "feeds" / "all.atom").read_bytes())[1].id
    for ending in ENDINGS:
        path = root / "feeds" / f"all.{ending}"
        path.write_bytes(path.read_bytes().replace(foreign.encode(), foreign.encode() + b"-lost"))
    at = clock.now()
    with app.parts.store.transaction() as store:
        stored = store.articles.add(article("Number 4", published_at=at, updated_at=at))
        syndicate.put(store, [stored], store.feeds.all(), app.parts.patterns, now=at)
    with pytest.raises(GateError, match=r"vanished, and the store knows nothing of them, first .*-lost"):
        pipeline.syndicate(app.parts, "all")
    assert b"-lost" in (root / "feeds" / "all.atom").read_bytes()
    assert "vanished" in app.parts.store.feeds.states()["all"][1]
    for ending in ENDINGS:
        (root / "feeds" / f"all.{ending}").unlink()
    pipeline.syndicate(app.parts, "all")
    assert app.parts.store.feeds.states()["all"][1] == ""


def test_another_selection_begins_a_new_archive_and_leaves_no_page_of_the_old_one(root: Path, clock: TestClock) -> None:
    app = open_site(root, clock)
    publish(app, *range(1, 20), clock=clock)
    assert (root / "feeds" / "all" / "4.rss").exists()
    app.close()
    (root / "settings.toml").write_text(SMALL.replace("limit = 4", 'limit = 4\nselect = { tags = ["few"] }'))
    app = open_site(root, clock)
    at = clock.now()
    with app.parts.store.transaction() as store:
        few = [store.articles.add(article(f"Few {n}", tags=("few",), published_at=at, updated_at=at)) for n in range(6)]
        syndicate.put(store, few, store.feeds.all(), app.parts.patterns, now=at)
    build(app)
    assert sorted(path.name for path in (root / "feeds" / "all").glob("*.rss")) == ["1.rss"]
    assert crawl(app, root) == {one.entry_id for one in few}
    app.close()
