"""The list of feeds and a feed's page in a browser: phone and desktop, light and dark, right to left, empty, and with
titles that do not end; judged by axe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

from publisher import compose, syndicate
from publisher.app import formats
from publisher.model import Article, ArticleState, Feed, RevisionKind
from tests.browser.test_digest_look import ARGUMENTS, TEMPLATES
from tests.more_stories import arabic, busy
from tests.people import NOW, feed, site

pytestmark = pytest.mark.full

PAGE = "https://news.harbour-gazette.example/feeds/"
ALL = ("rss", "atom", "json")
SECTIONS = (
    "Harbour",
    "Town",
    "Sport",
    "Culture",
    "Weather and tides",
    "Letters",
    "A history of the harbour in objects",
)


def corrected_and_retracted() -> tuple[Article, ...]:
    first, second, third, *rest = busy()
    says = replace(
        second.revision, kind=RevisionKind.CORRECTION, note="An earlier version gave the wrong time of the last boat."
    )
    gone = replace(third, state=ArticleState.RETRACTED, retracted_at=NOW, retraction_note="The letter was a forgery.")
    return (first, replace(second, revision=says), gone, *rest)


def endless() -> tuple[Article, ...]:
    """Titles that are one long word, or a paragraph."""
    one, two, *_ = busy()
    long = replace(one.revision, title="Donaudampfschifffahrtsgesellschaftskapitänskajüte" * 3)
    longer = replace(two.revision, title="The council meets, and meets again, and will not end, " * 6)
    return (replace(one, revision=long), replace(two, revision=longer))


def page(one: Feed, articles: tuple[Article, ...] = ()) -> str:
    return rendered("feed", syndicate.page(one, articles, site(), formats()), one.language)


def index(*feeds: Feed) -> str:
    return rendered("feeds", syndicate.catalogue(feeds, site(), formats()), "en")


def rendered(name: str, values: dict[str, object], language: str) -> str:
    given = {"site": compose.site_view(site()), "style": "feeds.css", "feeds_url": "index.html", **values}
    return TEMPLATES.render(f"web/public/{name}.html", {**given, "timezone": "Europe/Dublin"}, language=language)


def everything() -> tuple[Feed, ...]:
    made = [feed(f"section-{number}", title=name, pattern="section") for number, name in enumerate(SECTIONS)]
    about = "Everything that we publish, as it is published."
    return (
        feed(title="Everything", description=about, formats=ALL),
        feed("sport", title="Sport", formats=("rss",)),
        *made,
    )


SHOWN: dict[str, Callable[[], str]] = {
    "index": lambda: index(*everything()),
    "index-empty": index,
    "feed": lambda: page(feed(title="Everything", description="All of it.", formats=ALL), corrected_and_retracted()),
    "feed-empty": lambda: page(feed(title="Letters", formats=ALL)),
    "feed-endless": lambda: page(feed(title="Kapitänskajüte" * 12, slug="x" * 100, formats=ALL), endless()),
    "feed-arabic": lambda: page(
        feed(title="الميناء", description="كل ما ننشره.", language="ar", formats=ALL), arabic()
    ),
    "feed-mixed": lambda: page(feed(title="Everything", formats=("rss",)), (*busy()[:1], *arabic()[:1])),
}
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Open]:
    pages: list[Page] = []

    def open_page(html: str, width: int, scheme: str) -> Page:
        opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(opened)

        def answer(route: Route) -> None:
            if route.request.url.endswith("/feeds.css"):
                route.fulfill(body=TEMPLATES.render("web/public/public.css", {}), content_type="text/css")
            elif route.request.url == PAGE:
                route.fulfill(body=html, content_type="text/html; charset=utf-8")
            else:
                route.abort()

        opened.route("**/*", answer)
        opened.goto(PAGE)
        return opened

    yield open_page
    for opened in pages:
        opened.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", SHOWN)
def test_it_fits_and_shuts_nobody_out(show: Open, tmp_path: Path, name: str, width: int, scheme: str) -> None:
    """Every rule of axe, of WCAG and of good practice."""
    opened = show(SHOWN[name](), width, scheme)
    opened.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)

    assert opened.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    found = Axe().run(opened).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
    ground = opened.eval_on_selector(".page", "node => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(24, 29, 34)" if scheme == "dark" else "rgb(255, 253, 249)")


def test_an_arabic_feed_reads_from_the_right_and_its_addresses_from_the_left(show: Open) -> None:
    opened = show(SHOWN["feed-arabic"](), 360, "light")

    assert opened.evaluate("document.documentElement.dir") == "rtl"
    assert opened.eval_on_selector(".address", "node => getComputedStyle(node).direction") == "ltr"


def test_a_retracted_article_is_told_and_not_linked(show: Open) -> None:
    opened = show(SHOWN["feed"](), 360, "light")
    told = opened.inner_text(".articles li:nth-child(3)")

    assert "Retracted: The letter was a forgery." in told
    assert opened.query_selector(".articles li:nth-child(3) a") is None
