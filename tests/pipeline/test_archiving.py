"""Each edition is a page that stands where it stands for good, with what was taken back since, and nobody in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from publisher import editions, keep, pipeline
from publisher.app import App
from publisher.errors import FolderError
from publisher.folders.local import LocalFolder
from publisher.model import Article, ReadEntry
from publisher.ports import Format
from publisher.store.tables import archive_page
from publisher.web import application
from tests.people import newsletter
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

KEY = "daily/daily:2026-11-22"
PAGE = "archive/daily/daily-2026-11-22.html"
FERRY_TITLE, LANTERNS_TITLE = "The ferry returns after forty years", "Lantern night moves indoors"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(datetime(2026, 11, 22, 10, 0, tzinfo=UTC))


def opened(root: Path, clock: TestClock, settings: str = SETTINGS) -> App:
    app = open_site(lay_out(root, settings, {"news/ferry.txt": FERRY, "evening/lanterns.txt": LANTERNS}), clock)
    add_readers(app, "ben.okafor@mail.example")
    return app


def once(app: App) -> None:
    pipeline.one_pass(app.parts, lambda _step, result: _raise(result))


def _raise(result: object) -> None:
    if isinstance(result, Exception):
        raise result


def again(app: App, clock: TestClock, old: str = "", new: str = "") -> App:
    """The same site, opened anew with something else in its settings."""
    app.close()
    path = app.root / "settings.toml"
    path.write_text(path.read_text().replace(old, new))
    return open_site(app.root, clock)


@pytest.fixture
def sent(tmp_path: Path, clock: TestClock) -> App:
    app = opened(tmp_path, clock)
    once(app)
    return app


def page(app: App, name: str = PAGE) -> str:
    data = app.parts.folder.get(name)
    assert data is not None, f"{name} is not there"
    return data.decode()


def titled(app: App, title: str) -> Article:
    [found] = app.parts.store.articles.find(title)
    return found


# ---------------------------------------------------------------- a page


def test_an_edition_that_left_is_a_page_with_its_stories(sent: App) -> None:
    text = page(sent)
    for words in (FERRY_TITLE, "sixty people", LANTERNS_TITLE, "paper fish", "By Niamh Casey", "The Daily"):
        assert words in text
    assert f'<link rel="canonical" href="https://news.harbour-gazette.example/feeds/{PAGE}">' in text
    assert "noindex" not in text
    assert "<script" not in text


def test_it_is_called_by_its_newsletter_and_day_and_tells_its_headline_once(sent: App) -> None:
    text = page(sent)
    [heading] = re.findall(r"<h1>(.*?)</h1>", text, re.DOTALL)
    assert re.sub(r"<[^>]+>", "", heading) == "The Daily Sunday, November 22, 2026"
    assert "<title>The Daily, November 22, 2026 · The Harbour Gazette</title>" in text
    assert text.partition("<body>")[2].count(FERRY_TITLE) == 1


def test_nothing_of_a_reader_is_in_it(sent: App) -> None:
    [letter] = mailbox(sent.root)
    link = str(letter["List-Unsubscribe"]).strip("<>")
    for name in sent.parts.folder.names():
        text = (sent.parts.folder.get(name) or b"").decode("utf-8", "replace")
        for personal in ("ben.okafor", "Ben", link, "/u/", "PUBLISHER"):
            assert personal not in text, f"{personal} in {name}"


def test_the_page_is_where_the_mail_says_before_the_mail_has_left(tmp_path: Path, clock: TestClock) -> None:
    app = opened(tmp_path, clock)
    pipeline.work(app.parts, "collect", "newsroom")
    pipeline.work(app.parts, "compose", "daily")
    assert app.parts.folder.get(PAGE) is None
    pipeline.work(app.parts, "plan", KEY)
    assert page(app)
    assert addressees(app.root) == []
    pipeline.work(app.parts, "deliver", "maildir")
    [letter] = mailbox(app.root)
    body = letter.get_body(("html",))
    assert body is not None
    assert f"https://news.harbour-gazette.example/feeds/{PAGE}" in body.get_content()


def test_it_is_served_with_its_lists_and_feeds(sent: App) -> None:
    client = TestClient(application(sent.parts), base_url="https://news.harbour-gazette.example")
    for name, kind in ((PAGE, "text/html"), ("archive/daily/index.html", "text/html"), ("feeds.css", "text/css")):
        answer = client.get(f"/feeds/{name}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    assert "/feeds/archive/daily/" in client.get("/feeds/archive/daily/editions.atom").text
    assert client.get("/feeds/archive/daily/../../settings.toml").status_code == 404


def test_a_site_without_a_public_address_is_not_linked_nor_found(tmp_path: Path, clock: TestClock) -> None:
    address = 'public_url = "https://news.harbour-gazette.example"\n'
    app = opened(tmp_path, clock, SETTINGS.replace(address, ""))
    once(app)
    assert "noindex" in page(app)
    [letter] = mailbox(app.root)
    assert "archive/daily" not in letter.as_string()


# ---------------------------------------------------------------- lists and the feed


def test_lists_name_every_edition_and_the_feed_the_newest(sent: App, clock: TestClock) -> None:
    clock.move(days=45)
    write(sent.root, "news/quay.txt", "The quay is dry\n\nNobody knows why.\n\nDivers look for the leak.\n")
    run_due(sent)
    once(sent)
    second = "daily-2027-01-06.html"
    assert page(sent, "archive/daily/index.html").index(second) < page(sent, "archive/daily/index.html").index(
        "daily-2026-11-22.html"
    )
    assert second in page(sent, "archive/daily/2027.html")
    assert second not in page(sent, "archive/daily/2026.html")
    for format in sent.parts.formats.values():
        entries = format.read(sent.parts.folder.get(f"archive/daily/editions.{format.ending}") or b"")
        assert [entry.id.rpartition("/")[2] for entry in entries] == ["daily-2027-01-06", "daily-2026-11-22"]
        assert [entry.url for entry in entries][1].endswith(PAGE)
        assert "The boat is called Brigid" not in entries[1].content
        assert FERRY_TITLE in entries[1].content


def test_a_feed_called_archive_and_the_archive_do_not_harm_each_other(tmp_path: Path, clock: TestClock) -> None:
    app = opened(tmp_path, clock, SETTINGS.replace('slug = "all"', 'slug = "archive"'))
    once(app)
    app = again(app, clock, 'slug = "archive"', 'slug = "others"')
    run_due(app)
    assert app.parts.folder.is_gone("archive.rss")
    assert page(app)
    assert page(app, "archive/daily/index.html")


# ---------------------------------------------------------------- what is taken back


def test_a_retraction_after_sending_puts_a_banner_and_takes_the_story_out(sent: App, clock: TestClock) -> None:
    before = page(sent)
    clock.move(hours=2)
    pipeline.retract(sent.parts, titled(sent, LANTERNS_TITLE), "We were misinformed.", "desk")
    run_due(sent)
    text = page(sent)
    assert "A story of this edition was retracted after it was sent." in text
    assert "We were misinformed." in text
    assert "paper fish" not in text
    assert "sixty people" in text
    assert "A story was retracted" in page(sent, "archive/daily/index.html")
    for format in sent.parts.formats.values():
        [entry] = format.read(sent.parts.folder.get(f"archive/daily/editions.{format.ending}") or b"")
        assert "We were misinformed." in entry.content
        assert "storm is to blame" not in entry.content
    pipeline.restore(sent.parts, titled(sent, LANTERNS_TITLE), "desk")
    run_due(sent)
    assert page(sent) == before


@pytest.mark.parametrize("both", [False, True])
def test_what_was_withdrawn_is_no_headline_of_lists_and_feeds_any_more(sent: App, clock: TestClock, both: bool) -> None:
    [before] = sent.parts.store.kept.pages("daily")
    lead, other = (FERRY_TITLE, LANTERNS_TITLE) if FERRY_TITLE in before.subject else (LANTERNS_TITLE, FERRY_TITLE)
    for title in (lead, other)[: 2 if both else 1]:
        pipeline.retract(sent.parts, titled(sent, title), "We were misinformed.", "desk")
    run_due(sent)
    subject = f"Retraction: {lead} (and 1 more)" if both else other
    for format in sent.parts.formats.values():
        assert [entry.title for entry in newest(sent, format)] == [subject]
    assert f">{subject}</a>" in page(sent, "archive/daily/index.html")
    for title in (lead, other)[: 2 if both else 1]:
        pipeline.restore(sent.parts, titled(sent, title), "desk")
    run_due(sent)
    assert sent.parts.store.kept.pages("daily")[0].subject == before.subject


def test_a_correction_after_sending_is_told_beside_the_story_as_it_was_mailed(sent: App, clock: TestClock) -> None:
    clock.move(hours=2)
    pipeline.correct(sent.parts, titled(sent, FERRY_TITLE), "The boat carries sixteen people.")
    run_due(sent)
    text = page(sent)
    assert "A story of this edition was corrected after it was sent." in text
    assert "The boat carries sixteen people." in text
    assert "sixty people" in text


def test_what_vanishes_from_its_source_is_taken_out_of_the_page(sent: App, clock: TestClock) -> None:
    (sent.root / "articles/evening/lanterns.txt").unlink()
    (sent.root / "articles/evening").rmdir()
    for _ in range(3):
        clock.move(hours=1)
        run_due(sent)
    assert str(titled(sent, LANTERNS_TITLE).state) == "retracted"
    assert "paper fish" not in page(sent)


def test_a_later_edit_changes_nothing(sent: App, clock: TestClock) -> None:
    before = page(sent)
    write(sent.root, "news/ferry.txt", FERRY.replace("sixty", "forty"))
    clock.move(hours=1)
    run_due(sent)
    assert titled(sent, FERRY_TITLE).revision.number == 2
    assert page(sent) == before


def owed(sent: App, clock: TestClock) -> str:
    """The page of the next day's edition, for which the lanterns were withdrawn and the ferry corrected."""
    clock.move(hours=2)
    assert run_due(sent) == []
    pipeline.retract(sent.parts, titled(sent, LANTERNS_TITLE), "We were misinformed.", "desk")
    pipeline.correct(sent.parts, titled(sent, FERRY_TITLE), "The boat carries sixteen people.")
    clock.move(days=1)
    assert run_due(sent) == []
    return page(sent, "archive/daily/daily-2026-11-23.html")


WITHDRAWN = ("storm is to blame", "paper fish", "Tomas Reid")


def test_an_edition_that_retracts_a_story_does_not_publish_it_again(sent: App, clock: TestClock) -> None:
    text = owed(sent, clock)

    assert f"<s>{LANTERNS_TITLE}</s>" in text
    assert "<strong>Retracted:</strong> We were misinformed." in text
    assert "<strong>Correction:</strong> The boat carries sixteen people." in text
    assert re.findall(r"<h2 class=\"kicker\"[^>]*>([^<]*)", text) == ["Corrections"]
    assert "of this edition was" not in text  # nothing of this edition itself was taken back
    assert "A story was retracted" in page(sent, "archive/daily/index.html").partition("daily-2026-11-22.html")[0]
    told = [entry.content for format in sent.parts.formats.values() for entry in newest(sent, format)]
    [letter] = [one for one in mailbox(sent.root) if "We were misinformed." in str(one.get_body(("plain",)))]
    parts = [part.get_content() for kind in ("html", "plain") if (part := letter.get_body((kind,)))]
    for words in (*told, *parts, text):
        assert "We were misinformed." in words
        assert [claim for claim in WITHDRAWN if claim in words] == []


def newest(app: App, format: Format) -> Sequence[ReadEntry]:
    return format.read(app.parts.folder.get(f"archive/daily/editions.{format.ending}") or b"")[:1]


def test_the_page_of_a_day_with_news_is_what_everybody_may_get(sent: App, clock: TestClock) -> None:
    write(sent.root, "news/quay.txt", "The quay is dry\n\nNobody knows why.\n\nDivers look for the leak.\n")
    text = owed(sent, clock)

    assert "Divers look for the leak" in text
    assert [words for words in (*WITHDRAWN, LANTERNS_TITLE, "sixteen") if words in text] == []


def test_an_edition_cancelled_before_anybody_got_it_is_gone(tmp_path: Path, clock: TestClock) -> None:
    app = opened(tmp_path, clock)
    for kind, key in (("collect", "newsroom"), ("compose", "daily"), ("plan", KEY)):
        pipeline.work(app.parts, kind, key)
    assert page(app)
    editions.cancel(app.parts.store, KEY, "desk", now=clock.now())
    run_due(app)
    assert app.parts.folder.is_gone(PAGE)
    assert addressees(app.root) == []


# ---------------------------------------------------------------- settings, names and trouble


def test_a_newsletter_for_its_subscribers_only_has_no_page_and_no_link(tmp_path: Path, clock: TestClock) -> None:
    hidden = SETTINGS.replace('name = "The Daily"', 'name = "The Daily"\narchive = false')
    app = opened(tmp_path, clock, hidden)
    once(app)
    assert addressees(app.root)
    assert not [name for name in app.parts.folder.names() if name.startswith("archive/")]
    assert "archive/daily" not in mailbox(app.root)[0].as_string()


def test_an_archive_that_is_closed_is_gone_and_comes_back_when_it_is_opened(sent: App, clock: TestClock) -> None:
    before = page(sent)
    app = again(sent, clock, 'name = "The Daily"', 'name = "The Daily"\narchive = false')
    run_due(app)
    assert app.parts.folder.is_gone(PAGE)
    assert not [name for name in app.parts.folder.names() if name.startswith("archive/")]
    app = again(app, clock, "\narchive = false", "")
    run_due(app)
    assert page(app) == before


def test_a_renamed_newsletter_keeps_its_addresses(sent: App, clock: TestClock) -> None:
    app = again(sent, clock, 'slug = "daily"', 'slug = "morning"\nwas = ["daily"]')
    clock.move(hours=1)
    pipeline.retract(app.parts, titled(app, LANTERNS_TITLE), "Withdrawn.", "desk")
    run_due(app)
    assert "Withdrawn." in page(app)
    assert not [name for name in app.parts.folder.names() if name.startswith("archive/morning")]


def test_a_folder_that_fails_keeps_no_mail_back(tmp_path: Path, clock: TestClock) -> None:
    app = opened(tmp_path, clock)
    broken = replace(app, parts=replace(app.parts, folder=_Full(app.root / "feeds")))
    for kind, key in (("collect", "newsroom"), ("compose", "daily"), ("plan", KEY), ("deliver", "maildir")):
        pipeline.work(broken.parts, kind, key)
    assert addressees(app.root) == ["ben.okafor@mail.example"]
    clock.move(minutes=2)
    run_due(app)
    assert page(app)


def test_two_that_write_an_archive_at_the_same_time_lose_no_edition(sent: App, clock: TestClock) -> None:
    clock.move(days=1)
    write(sent.root, "news/quay.txt", "The quay is dry\n\nNobody knows why.\n\nDivers look for the leak.\n")
    once(sent)
    kept = sent.parts.store.kept
    newer, older = kept.pages("daily")
    kept.close_archive("daily")  # as it was before either of them was written
    with sent.parts.store._access.write() as connection:  # type: ignore[attr-defined]
        mine = archive_page.c.edition == newer.edition
        connection.execute(sa.update(archive_page).where(mine).values(wanted=0))  # somebody else is at it
    folder = _Meanwhile(sent.root / "feeds", lambda: kept.pages_built({newer.edition: newer}, {newer.edition: 1}))
    pipeline.work(replace(sent.parts, folder=folder), "archive", "daily")
    for page_ in (newer, older):
        assert page_.name.rpartition("/")[2] in page(sent, "archive/daily/index.html")


class _Meanwhile(LocalFolder):
    """A folder in which somebody else does something just before the list of editions is replaced."""

    def __init__(self, path: Path, meanwhile: Callable[[], None]) -> None:
        super().__init__(path)
        self._meanwhile = [meanwhile]

    def put_all(self, files: Sequence[tuple[str, bytes, str]]) -> tuple[str, ...]:
        while self._meanwhile and any(name.endswith("index.html") for name, _, _ in files):
            self._meanwhile.pop()()
        return super().put_all(files)


class _Full(LocalFolder):
    """A disk on which there is no more room for the archive."""

    def put_all(self, files: object) -> tuple[str, ...]:
        raise FolderError("the disk is full")


@pytest.mark.parametrize(
    ("slot", "name"),
    [
        ("daily:2026-11-22", "archive/daily/daily-2026-11-22.html"),
        ("weekly:2026-W47", "archive/daily/weekly-2026-w47.html"),
        ("alert:12:3", "archive/daily/alert-12-3.html"),
        ("manual:election", "archive/daily/manual-election.html"),
    ],
)
def test_a_slot_names_its_page(slot: str, name: str) -> None:
    assert keep.page_name(newsletter(), slot) == name


def test_names_that_people_give_never_share_a_page() -> None:
    given = ("manual:election", "manual:Election", "manual:é", "manual:e", "manual:../x", "manual:a b", "manual:a-b")
    names = {keep.page_name(newsletter(), slot) for slot in given}
    assert len(names) == len(given)
    assert all(LocalFolder("feeds").get(name) is None for name in names)  # each can be a file's name
