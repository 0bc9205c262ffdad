"""Files of a folder that are moved, renamed, given an id or removed: nobody is mailed a story again because of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher import pipeline
from publisher.app import App
from publisher.errors import SourceEmptied
from publisher.model import Article, ArticleState
from tests.sites import TestClock, add_readers, lay_out, mailbox, open_site, run_due, write

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
READER = "niamh@harbour-gazette.example"
SPORT = [f"sport/s{number}.txt" for number in range(8)]
NEWS = [f"news/n{number}.txt" for number in range(6)]


def text(name: str) -> str:
    return f"Headline of {name}\n\nWhat stands first in {name}.\n\nAll that is told in {name}, to its very end.\n"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "site", articles={name: text(name) for name in (*SPORT, *NEWS)})


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    """A site whose only reader has got all there is."""
    app = open_site(root, clock)
    add_readers(app, READER)
    run_due(app)
    clock.move(minutes=61)
    run_due(app, rounds=6)
    assert len(mailed(root)) == 1, "the digest with everything"
    yield app
    app.close()


def mailed(root: Path) -> list[str]:
    return [str(one["Subject"]) for one in mailbox(root) if READER in str(one["To"])]


def ids(app: App) -> set[tuple[int, str]]:
    return {(one.id, one.entry_id) for one in app.parts.store.articles.each()}


def at(app: App, place: str) -> Article:
    (found,) = app.parts.store.articles.known("newsroom", native_ids=[place]).values()
    return found


def days_pass(app: App, clock: TestClock, days: int = 1) -> list[Exception]:
    """Looks once a minute, then digests at their hours."""
    errors = []
    for span in ({"minutes": 1}, {"minutes": 1}, {"minutes": 1}, *({"hours": 24} for _ in range(days))):
        clock.move(**span)
        errors += run_due(app, rounds=6)
    return errors


def test_a_renamed_folder_brings_nothing_new_and_is_no_outage(app: App, root: Path, clock: TestClock) -> None:
    before = ids(app)
    (root / "articles" / "sport").rename(root / "articles" / "sports")
    assert days_pass(app, clock) == []
    assert ids(app) == before
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 14}
    assert at(app, "sports/s0.txt").revision.categories == ("Sports",)
    assert app.parts.store.sources.get("newsroom").last_error == ""
    assert len(mailed(root)) == 1


def test_more_files_moved_than_an_outage_leaves_are_the_same_articles(app: App, root: Path, clock: TestClock) -> None:
    before = ids(app)
    (root / "articles" / "old").mkdir()
    for name in SPORT[:4]:
        (root / "articles" / name).rename(root / "articles" / "old" / Path(name).name)
    clock.move(minutes=1)
    tally = pipeline.collect(app.parts, "newsroom")
    assert (tally.new, tally.removed) == (0, 0)
    assert days_pass(app, clock) == []
    assert ids(app) == before
    assert len(mailed(root)) == 1


def test_a_file_that_cannot_be_read_makes_nothing_that_moved_new(app: App, root: Path, clock: TestClock) -> None:
    before = ids(app)
    write(root, "broken.md", "---\ntitle: x\n\ta: y\n---\nText.\n")
    (root / "articles" / "sport").rename(root / "articles" / "sports")
    (root / "articles" / NEWS[0]).unlink()
    assert days_pass(app, clock) == []
    assert ids(app) == before
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 14}, "the broken one may be any of them"
    assert len(mailed(root)) == 1
    (root / "articles" / "broken.md").unlink()
    days_pass(app, clock)
    assert at(app, NEWS[0]).state is ArticleState.RETRACTED


def test_a_whole_folder_that_moves_one_deeper_is_the_same(app: App, root: Path, clock: TestClock) -> None:
    before = ids(app)
    shutil.move(root / "articles", root / "2026")
    (root / "articles").mkdir()
    shutil.move(root / "2026", root / "articles" / "2026")
    assert days_pass(app, clock) == []
    assert ids(app) == before
    assert len(mailed(root)) == 1


def test_what_moved_does_not_hide_an_outage_of_the_others(app: App, root: Path, clock: TestClock) -> None:
    before = ids(app)
    (root / "articles" / "sport").rename(root / "articles" / "sports")
    for name in NEWS[:4]:
        (root / "articles" / name).unlink()
    for _ in range(3):
        clock.move(minutes=2)
        with pytest.raises(SourceEmptied, match=r"^4 of its 14 articles vanished"):
            pipeline.collect(app.parts, "newsroom")
    assert ids(app) == before
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 14}
    assert at(app, "sports/s0.txt").missed_at is None


def test_what_was_away_in_an_outage_and_lies_elsewhere_then_is_the_same(app: App, root: Path, clock: TestClock) -> None:
    """A disk that is not there, and comes back under another name."""
    before = ids(app)
    shutil.move(root / "articles" / "sport", root / "away")
    clock.move(minutes=1)
    with pytest.raises(SourceEmptied):
        pipeline.collect(app.parts, "newsroom")
    shutil.move(root / "away", root / "articles" / "matches")
    assert days_pass(app, clock) == []
    assert ids(app) == before
    assert len(mailed(root)) == 1


def test_a_file_that_is_given_an_id_stays_the_same_article(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "site", articles={"pier.md": "# The pier\n\nIt stands.\n", "lamp.md": "# Lamp\n\nLit.\n"})
    app = open_site(root, clock)
    add_readers(app, READER)
    run_due(app)
    clock.move(minutes=61)
    run_due(app, rounds=6)
    before, sent = ids(app), len(mailed(root))
    assert sent == 1
    write(root, "pier.md", "---\nid: pier\n---\n# The pier\n\nIt stands.\n")
    days_pass(app, clock)
    assert ids(app) == before
    pier = at(app, "pier")
    assert (pier.state, pier.revision.number) == (ArticleState.LIVE, 1)
    (root / "articles" / "old").mkdir()
    (root / "articles" / "pier.md").rename(root / "articles" / "old" / "bridge.md")
    write(root, "old/lamp.md", "---\nid: lamp\n---\n# Lamp\n\nLit.\n")
    (root / "articles" / "lamp.md").unlink()
    days_pass(app, clock)
    assert ids(app) == before, "one was moved, the other moved and given an id at once"
    assert len(mailed(root)) == sent
    app.close()


def test_an_id_may_be_any_words(tmp_path: Path, clock: TestClock) -> None:
    root = lay_out(tmp_path / "site", articles={"pier.md": "---\nid: url:7\n---\n# The pier\n\nIt stands.\n"})
    write(root, "lamp.txt", text("lamp"))
    app = open_site(root, clock)
    for _ in range(4):
        clock.move(minutes=2)
        pipeline.collect(app.parts, "newsroom")
    assert app.parts.store.articles.count() == {ArticleState.LIVE: 2}
    app.close()


# ---------------------------------------------------------------- removed


def test_two_looks_within_a_minute_remove_nothing(app: App, root: Path, clock: TestClock) -> None:
    """As when something else is saved in a folder that is watched while a file is being replaced."""
    (root / "articles" / NEWS[0]).unlink()
    for _ in range(5):
        clock.move(seconds=11)
        assert pipeline.collect(app.parts, "newsroom").removed == 0
    write(root, NEWS[0], text(NEWS[0]))
    clock.move(seconds=1)
    pipeline.collect(app.parts, "newsroom")
    (root / "articles" / NEWS[0]).unlink()
    removed = []
    for _ in range(3):
        clock.move(seconds=30)
        removed.append(pipeline.collect(app.parts, "newsroom").removed)
    assert removed == [0, 0, 1], "a minute after the first"
