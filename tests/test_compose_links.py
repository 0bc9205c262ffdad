"""Marked links: only the site's own, only where the newsletter asks, and nothing about the reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from publisher import compose
from publisher.compose.links import marker
from publisher.kit.templating import TemplateFolders
from publisher.model import Rendered, Slot
from tests.people import NOW, newsletter, site
from tests.stories import told

SLOT = Slot(name="daily:2026-11-22", due_at=NOW)
TAGS = "utm_source=daily&utm_medium=email&utm_campaign=daily%3A2026-11-22"
HOME = "https://harbour-gazette.example"


@pytest.mark.parametrize(
    ("url", "marked"),
    [
        (f"{HOME}/ferry", f"{HOME}/ferry?{TAGS}"),
        (f"{HOME}/ferry?page=2#top", f"{HOME}/ferry?page=2&{TAGS}#top"),
        ("https://www.harbour-gazette.example/ferry", f"https://www.harbour-gazette.example/ferry?{TAGS}"),
        ("https://sport.harbour-gazette.example/a", f"https://sport.harbour-gazette.example/a?{TAGS}"),
        (HOME, f"{HOME}/?{TAGS}"),
        (f"{HOME}/ferry?utm_source=partner", f"{HOME}/ferry?utm_source=partner"),
        ("https://county.example/ferry", "https://county.example/ferry"),
        ("https://notharbour-gazette.example/", "https://notharbour-gazette.example/"),
        ("https://[broken/", "https://[broken/"),
    ],
)
def test_only_the_sites_own_links_are_marked(url: str, marked: str) -> None:
    assert marker(newsletter(utm=True), SLOT, site())(url) == marked
    assert marker(newsletter(), SLOT, site())(url) == url
    assert marker(newsletter(utm=True), SLOT, site(url=""))(url) == url


def test_an_edition_links_its_stories_marked_in_both_parts() -> None:
    first, second = told(2)
    elsewhere = replace(second, canonical_url="https://county.example/wall")

    def render(utm: bool) -> Rendered:
        daily = newsletter(utm=utm)
        return compose.render(
            daily,
            SLOT,
            compose.choose(daily, (first, elsewhere), {}, now=NOW).items,
            {1: first, 2: elsewhere},
            site=site(),
            templates=TemplateFolders([Path(__file__).parents[1] / "templates"]),
            now=NOW,
        )

    marked, plain = render(utm=True), render(utm=False)
    html = marked.html.replace("&amp;", "&")
    assert html.count(f"{first.canonical_url}?{TAGS}") == 3  # picture, headline, "read on"
    assert marked.text.count(f"{first.canonical_url}?{TAGS}") == 1
    assert html.count(f'"{HOME}/?{TAGS}"') == 2
    assert marked.text.endswith(f"\n{HOME}\n")  # an address to read
    assert "https://county.example/wall?" not in html + marked.text
    assert "utm_" not in plain.html + plain.text
