"""The looks of a digest in a browser: phone and desktop, light and dark, pictures off, right to left; judged by axe.

`PUBLISHER_PICTURES=1` writes the pictures in docs/pictures anew, with whatever fonts this machine has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, sync_playwright

from publisher import compose
from publisher.kit.templating import TemplateFolders
from publisher.model import Article, Label, Slot
from tests.more_stories import arabic, busy
from tests.people import NOW, article, newsletter, site
from tests.stories import PICTURE, labelled, told

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


LABELS = {2: Label.CORRECTION, 5: Label.UPDATED, 6: Label.RETRACTION, 41: Label.CORRECTION}
ONLINE = "https://news.harbour-gazette.example/editions/daily-2026-11-22"


def digest(
    articles: tuple[Article, ...],
    language: str = "en-IE",
    look: str = "daily",
    labels: Mapping[int, Label] | None = None,
) -> str:
    daily = newsletter(language=language, template=f"digest/{look}")
    items = compose.choose(daily, articles, {}, now=NOW).items
    return compose.render(
        daily,
        Slot(name="daily:2026-11-22", due_at=NOW + timedelta(hours=1)),
        labelled(items, labels or {}),
        {one.id: one for one in articles},
        site=site(),
        templates=TEMPLATES,
        now=NOW,
        online_url=ONLINE,
    ).html


#: What is shown of each look, in each language.
SHOWN: dict[tuple[str, str], Callable[[], str]] = {
    ("daily", "en"): lambda: digest(told()),
    ("headlines", "en"): lambda: digest(busy(), look="headlines", labels=LABELS),
    ("alert", "en"): lambda: digest(told(1), look="alert"),
    ("daily", "ar"): lambda: digest(arabic(), "ar"),
    ("headlines", "ar"): lambda: digest(arabic(), "ar", "headlines", LABELS),
    ("alert", "ar"): lambda: digest(arabic()[:1], "ar", "alert"),
}
LOOKS = ("daily", "headlines", "alert")


def keep(page: Page, tmp_path: Path, name: str) -> Path:
    """Takes a picture of the page; into docs/pictures where that is asked for."""
    path = (ROOT / "docs" / "pictures" if os.environ.get("PUBLISHER_PICTURES") == "1" else tmp_path) / f"{name}.png"
    size = page.viewport_size
    assert size
    tall = min(1420, page.evaluate("Math.ceil(document.body.getBoundingClientRect().height)"))
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": size["width"], "height": tall}, full_page=True)
    return path


def overflow(page: Page) -> int:
    wider: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return wider


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 700])
@pytest.mark.parametrize("look", LOOKS)
def test_a_digest_as_readers_see_it(show: Open, tmp_path: Path, look: str, width: int, scheme: str) -> None:
    page = show(SHOWN[look, "en"](), width, scheme)
    picture = keep(page, tmp_path, f"digest-{look}-{width}-{scheme}")

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert picture.stat().st_size < 200_000
    ground = page.eval_on_selector(".sheet", "node => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(24, 29, 34)" if scheme == "dark" else "rgb(255, 253, 249)")


def taken_back() -> tuple[Article, ...]:
    """Stories of which the third was corrected, and the fourth withdrawn."""
    first, wall, herons, bakery = told(4)
    counted = replace(herons.revision, note="The school counted eighty-one kinds of bird, not eighteen.")
    return (
        replace(first, revision=replace(first.revision, image=None)),
        wall,
        replace(herons, revision=counted),
        replace(bakery, retraction_note="The bakery never closed. We were misinformed, and are sorry."),
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 700])
@pytest.mark.parametrize("look", LOOKS)
def test_what_was_taken_back_stands_apart(show: Open, tmp_path: Path, look: str, width: int, scheme: str) -> None:
    page = show(digest(taken_back(), look=look, labels={3: Label.CORRECTION, 4: Label.RETRACTION}), width, scheme)
    if (look, width, scheme) == ("daily", 700, "light"):
        keep(page, tmp_path, "digest-daily-700-corrections")

    assert overflow(page) == 0
    assert page.evaluate(FAINT) == []
    assert page.get_by_role("heading", name="Corrections").is_visible()
    assert page.get_by_text("not eighteen").is_visible()
    assert page.get_by_text("misinformed").is_visible()
    assert page.get_by_text("Two sisters have until Thursday").count() == 0
    assert page.get_by_role("link", name="Will the bakery").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("look", "language"), SHOWN)
def test_axe_finds_nothing_that_shuts_a_reader_out(show: Open, look: str, language: str, scheme: str) -> None:
    """All rules, of WCAG and of good practice, on the mail as a webmail shows it: within that page's main part."""
    page = show(SHOWN[look, language](), 700, scheme)
    page.evaluate(
        "() => { const main = document.createElement('main'); main.append(...document.body.childNodes); "
        "document.body.append(main) }"
    )

    found = Axe().run(page).response["violations"]

    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def test_axe_does_find_what_is_wrong(show: Open) -> None:
    bad = SHOWN["daily", "en"]().replace(' alt="', ' data-alt="').replace("#1c1b19", "#eeeeee")

    assert {"image-alt", "color-contrast"} <= {one["id"] for one in Axe().run(show(bad, 700)).response["violations"]}


@pytest.mark.parametrize("width", [320, 480, 640, 700])
@pytest.mark.parametrize(("look", "language"), SHOWN)
def test_a_digest_fits_every_width(show: Open, look: str, language: str, width: int) -> None:
    assert overflow(show(SHOWN[look, language](), width)) == 0


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


@pytest.mark.parametrize("look", ["daily", "alert"])
def test_without_pictures_their_words_are_shown(show: Open, tmp_path: Path, look: str) -> None:
    page = show(SHOWN[look, "en"](), 360, pictures=False)
    keep(page, tmp_path, f"digest-{look}-360-no-pictures")

    assert overflow(page) == 0
    assert page.get_by_alt_text(PICTURE.alt).is_visible()


def test_the_preheader_is_for_the_inbox_alone(show: Open) -> None:
    page = show(digest(told()), 360)

    assert not page.locator(".preheader").is_visible()
    assert page.locator("body > *").first.get_attribute("class") == "preheader"


@pytest.mark.parametrize("look", LOOKS)
def test_right_to_left_starts_at_the_right(show: Open, tmp_path: Path, look: str) -> None:
    page = show(SHOWN[look, "ar"](), 700)
    keep(page, tmp_path, f"digest-{look}-700-arabic")
    heading: dict[str, Any] = page.eval_on_selector(
        "h1", "n => { const r = document.createRange(); r.selectNodeContents(n); return r.getBoundingClientRect() }"
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
