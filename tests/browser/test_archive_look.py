"""The archive in a browser, as the site publishes it: phone and desktop, light and dark, right to left; judged by axe.

`PUBLISHER_PICTURES=1` writes the pictures in docs/pictures anew, with whatever fonts this machine has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

from publisher import pipeline
from publisher.app import App
from publisher.model import Author, FetchedArticle
from tests.browser.test_digest_look import FAINT, FERRY, browser, keep, overflow
from tests.pipeline.newsroom import open_newsroom
from tests.sites import TestClock, add_readers, run_due
from tests.stories import PICTURE

__all__ = ["browser"]

pytestmark = pytest.mark.full

BASE = "https://news.harbour-gazette.example/feeds/"
EDITION, INDEX = "archive/daily/daily-2026-11-22.html", "archive/daily/index.html"
OWED = "archive/daily/daily-2026-11-23.html"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

Open = Callable[..., Page]


FERRIES = (
    "<p>The first boat casts off at seven, with the post, two cars and whoever is up in time. The crossing takes"
    " thirty-five minutes; by road and a hired boat it took two hours.</p>"
    "<p>“I was nine when the last one left,” said Bridget Malone, who keeps the shop on the pier. “I have been waiting"
    " for the ice cream ever since.”</p>"
)


def stories() -> tuple[FetchedArticle, ...]:
    def told(title: str, section: str, standfirst: str, text: str, **more: object) -> FetchedArticle:
        return FetchedArticle(
            native_id=title,
            title=title,
            standfirst=standfirst,
            content_html=text,
            categories=(section,),
            authors=(Author(name="Niamh Casey"),),
            url=f"https://harbour-gazette.example/{title.split(maxsplit=1)[0].lower()}",
            published_at=NOON,
            **more,  # type: ignore[arg-type]
        )

    night, stone = "<p>Four hundred paper fish will hang in the rope works.</p>", "<p>Work begins in spring.</p>"
    return (
        told("Ferries return to the islands after forty years", "Harbour", "From Friday.", FERRIES, image=PICTURE),
        told("Council votes on the slipway after a long night", "Harbour", "It will be rebuilt in stone.", stone),
        told("Herring are back in the bay", "Harbour", "Nobody has seen as many since 1987.", "<p>Ask the seals.</p>"),
        told("Lantern night moves indoors", "Evening", "The storm is to blame.", night),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An edition of which one story was retracted and one corrected, and the next one, which tells that."""
    clock = TestClock(NOON)
    app, newsroom = open_newsroom(tmp_path_factory.mktemp("site"), clock)
    newsroom.lists("newsroom", *stories())
    add_readers(app, "ben@mail.example")
    pipeline.one_pass(app.parts, lambda _step, _result: None)
    clock.move(hours=3)
    [council], [lanterns] = app.parts.store.articles.find("Council votes"), app.parts.store.articles.find("Lantern")
    pipeline.correct(app.parts, council, "An earlier version said that the vote was unanimous; it was six to five.")
    pipeline.retract(app.parts, lanterns, "The night takes place as planned. We were misinformed.", "desk")
    assert run_due(app) == []
    clock.move(hours=18)
    assert run_due(app) == []
    yield app
    app.close()


@pytest.fixture
def show(browser: Browser, site: App) -> Iterator[Open]:
    pages: list[Page] = []

    def open_page(name: str, width: int, scheme: str = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        pages.append(page)

        def answer(route: Route) -> None:
            url = route.request.url
            data = site.parts.folder.get(url.removeprefix(BASE)) if url.startswith(BASE) else None
            if data is not None:
                kind = "text/css" if url.endswith(".css") else "text/html; charset=utf-8"
                route.fulfill(body=data, content_type=kind)
            elif url == PICTURE.url:
                route.fulfill(body=FERRY, content_type="image/svg+xml")
            else:
                route.abort()

        page.route("**/*", answer)
        page.goto(BASE + name)
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (360, "light"), (700, "light"), (700, "dark")])
def test_an_edition_as_it_is_read_online(show: Open, tmp_path: Path, width: int, scheme: str) -> None:
    page = show(EDITION, width, scheme)
    picture = keep(page, tmp_path, f"archive-edition-{width}-{scheme}")

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert picture.stat().st_size < 250_000
    assert page.locator(".banner li").count() == 2
    assert page.locator("article").count() == 4


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (360, "light"), (700, "light"), (700, "dark")])
def test_an_edition_of_corrections_alone(show: Open, tmp_path: Path, width: int, scheme: str) -> None:
    page = show(OWED, width, scheme)
    if (width, scheme) == (700, "light"):
        keep(page, tmp_path, "archive-corrections-700-light")

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert page.locator(".banner").count() == 0
    assert page.locator("s").all_inner_texts() == ["Lantern night moves indoors"]
    assert page.get_by_text("Retracted: The night takes place").is_visible()
    assert page.get_by_text("paper fish").count() == 0


@pytest.mark.parametrize("name", [EDITION, OWED, INDEX])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_a_reader_out(show: Open, name: str, scheme: str) -> None:
    found = Axe().run(show(name, 700, scheme)).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("width", [320, 480, 640])
@pytest.mark.parametrize("name", [EDITION, OWED, INDEX])
def test_the_archive_fits_every_width(show: Open, name: str, width: int) -> None:
    assert overflow(show(name, width)) == 0


def test_the_list_leads_to_the_edition_and_back(show: Open) -> None:
    page = show(INDEX, 700)
    page.get_by_role("link", name="Ferries return").click()
    assert page.url == BASE + EDITION
    page.get_by_role("link", name="All editions").click()
    assert page.url == BASE + INDEX
