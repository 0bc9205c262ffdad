"""The daily digest in a browser: phone and desktop, light and dark, pictures off, right to left.

`PUBLISHER_PICTURES=1` writes the pictures in docs/pictures anew, with whatever fonts this machine has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from publisher import compose
from publisher.kit.templating import TemplateFolders
from publisher.model import Article, Slot
from tests.people import NOW, article, newsletter, site
from tests.stories import PICTURE, told

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[2]
TEMPLATES = TemplateFolders([ROOT / "templates"])
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run"),
)

#: The ferry leaves the harbour: stands in for the lead story's picture.
FERRY = """<svg xmlns="http://www.w3.org/2000/svg" width="1600" height="900" viewBox="0 0 1600 900">
<rect width="1600" height="900" fill="#f2c9a0"/><rect width="1600" height="260" fill="#e9b48f"/>
<circle cx="1150" cy="470" r="120" fill="#fbe7c6"/>
<path d="M0 520 260 400 520 500 760 430 980 520Z" fill="#7d8fa3"/>
<rect y="520" width="1600" height="380" fill="#2f5d7c"/><rect y="520" width="1600" height="60" fill="#5b86a0"/>
<rect x="215" y="250" width="60" height="260" fill="#f7f3ea"/>
<rect x="205" y="215" width="80" height="40" fill="#33312d"/>
<rect x="215" y="320" width="60" height="50" fill="#b5483a"/>
<rect x="215" y="420" width="60" height="50" fill="#b5483a"/>
<path d="M620 640H1220L1150 730H690Z" fill="#f7f3ea"/><rect x="640" y="670" width="560" height="14" fill="#b5483a"/>
<rect x="720" y="560" width="380" height="80" fill="#fffdf9"/>
<rect x="780" y="510" width="220" height="50" fill="#fffdf9"/>
<rect x="930" y="440" width="60" height="80" fill="#b5483a"/></svg>"""

#: Every text whose colour and ground differ less than WCAG 2.2 (1.4.3) asks for: 4.5, or 3 for large text.
FAINT = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => numbers(colour).slice(0, 3).map(c => c / 255)
    .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((numbers(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("p, h1, h2, h3, a")].filter(node => node.innerText.trim()).map(node => {
    const style = getComputedStyle(node), [a, b] = [light(style.color), light(ground(node))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.7 && style.fontWeight >= 700);
    return [(a + .05) / (b + .05) / (large ? 3 : 4.5), node.innerText];
  }).filter(([ratio]) => ratio < 1);
}"""

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

    def open_page(html: str, width: int, scheme: str = "light", *, pictures: bool = True) -> Page:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        pages.append(page)

        def answer(route: Route) -> None:
            if pictures and route.request.url == PICTURE.url:
                route.fulfill(body=FERRY, content_type="image/svg+xml")
            else:
                route.abort()

        page.route("**/*", answer)
        page.set_content(html)
        return page

    yield open_page
    for page in pages:
        page.close()


def digest(articles: tuple[Article, ...], language: str = "en-IE") -> str:
    daily = newsletter(language=language)
    return compose.render(
        daily,
        Slot(name="daily:2026-11-22", due_at=NOW + timedelta(hours=1)),
        compose.choose(daily, articles, {}, now=NOW).items,
        {one.id: one for one in articles},
        site=site(),
        templates=TEMPLATES,
        now=NOW,
    ).html


def overflow(page: Page) -> int:
    wider: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wider


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 700])
def test_the_digest_as_readers_see_it(show: Open, tmp_path: Path, width: int, scheme: str) -> None:
    page = show(digest(told()), width, scheme)
    folder = ROOT / "docs" / "pictures" if os.environ.get("PUBLISHER_PICTURES") == "1" else tmp_path
    picture = folder / f"digest-daily-{width}-{scheme}.png"
    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": width, "height": 1420}, full_page=True)

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert picture.stat().st_size < 150_000
    ground = page.eval_on_selector(".sheet", "node => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(24, 29, 34)" if scheme == "dark" else "rgb(255, 253, 249)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stories_that_stand_on_no_site_read_as_well(show: Open, scheme: str) -> None:
    page = show(digest(told(web=False)), 360, scheme)

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert page.get_by_text("brown soda, please").is_visible()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_words_and_addresses_without_end_stay_in_their_column(show: Open, language: str) -> None:
    endless = "https://harbour-gazette.example/" + "a" * 150
    wide = tuple(
        article(endless[:190], id=number, standfirst=endless, content_html=f"<p>{endless}</p>", image=PICTURE)
        for number in (1, 2)
    )
    plain = tuple(replace(one, canonical_url="") for one in wide)

    for stories in (wide, plain):
        assert overflow(show(digest(stories, language), 320)) == 0


def test_without_pictures_their_words_are_shown(show: Open) -> None:
    page = show(digest(told()), 360, pictures=False)

    assert overflow(page) == 0
    assert page.get_by_alt_text(PICTURE.alt).is_visible()


def test_the_preheader_is_for_the_inbox_alone(show: Open) -> None:
    page = show(digest(told()), 360)

    assert not page.locator(".preheader").is_visible()
    assert page.locator("body > *").first.get_attribute("class") == "preheader"


def test_right_to_left_starts_at_the_right(show: Open) -> None:
    arabic = tuple(replace(one, revision=replace(one.revision, language="ar")) for one in told())
    page = show(digest(arabic, "ar"), 700)
    heading: dict[str, Any] = page.eval_on_selector(
        "h3", "n => { const r = document.createRange(); r.selectNodeContents(n); return r.getBoundingClientRect() }"
    )

    assert round(heading["right"]) == 638
    assert overflow(page) == 0


def test_a_screen_reader_meets_the_stories_in_order(show: Open) -> None:
    page = show(digest(told()), 700)

    spoken = page.get_by_role("heading").all_inner_texts()

    assert spoken[0] == "Ferry returns to Kilmarnagh after forty years"
    assert spoken[-1] == "Kilmarnagh Rovers draw in the rain, and nobody minds"
    assert page.get_by_role("table").count() == 0
    assert page.get_by_role("link", name="Unsubscribe").count() == 1
