from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from publisher.errors import SourceInvalid, SourceUnavailable
from publisher.fetchers.discovery import Found, discover
from publisher.kit.http_session import open_session
from tests.fakes.ghost import GhostSite
from tests.fakes.newsroom import Newsroom

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RSS = (
    b'<rss version="2.0"><channel><title>Quay &amp; Slip</title><language>ga</language>'
    b"<item><guid>1</guid></item></channel></rss>"
)
JSON_FEED = b'{"version": "https://jsonfeed.org/version/1.1", "title": "Tides", "items": []}'


@pytest.fixture
def site() -> Iterator[Newsroom]:
    with Newsroom() as site:
        yield site


def look(url: str) -> tuple[Found, ...]:
    with open_session(allow_private=True) as session:
        return discover(url, session=session, now=NOW)


def page(site: Newsroom, head: str, path: str = "/") -> None:
    site.answer(path, f'<html lang="en-IE"><head><title>Harbour &amp; Home</title>{head}</head></html>'.encode())


@pytest.mark.parametrize("folder", ["", "/news"])
@pytest.mark.parametrize("pretty", [True, False])
def test_wordpress_is_found_with_its_title_and_size(folder: str, pretty: bool) -> None:
    with Newsroom(folder=folder, pretty=pretty) as site:
        site.publish("ferry", "Ferry returns")
        first, *_ = look(site.url)
    assert (first.kind, first.url, first.title) == ("wordpress", site.url, "The Harbour Gazette")
    assert first.note == "WordPress, 1 article, complete and with corrections"


@pytest.mark.parametrize("folder", ["", "/blog"])
def test_ghost_is_found_with_its_title_and_size(folder: str) -> None:
    with GhostSite(folder=folder, language="ga") as site:
        site.publish("ferry", "Ferry returns")
        site.publish("crew", "For the crew", extra={"visibility": "members"})
        first, feed = look(site.url)
        assert (first.kind, first.url, first.title, first.language) == ("ghost", site.url, "The Harbour Gazette", "en")
        assert first.note == "Ghost, 1 article, complete and with corrections"
        assert (feed.kind, feed.url) == ("syndication", f"{site.url}rss/")


def test_a_ghost_without_a_key_in_its_pages_gives_its_feed() -> None:
    with GhostSite(scripts=False) as site:
        site.publish("ferry", "Ferry returns")
        (feed,) = look(site.url)
    assert (feed.kind, feed.url, "without a key" in feed.note) == ("syndication", f"{site.url}rss/", True)


def test_wordpress_is_found_from_one_of_its_articles(site: Newsroom) -> None:
    link = f'<link rel="https://api.w.org/" href="{site.url}wp-json/">'
    page(site, link, "/2026/11/20/ferry/")
    (found,) = look(f"{site.origin}/2026/11/20/ferry/?utm=1")
    assert (found.kind, found.url, found.language) == ("wordpress", site.url, "en-IE")


def test_a_wordpress_that_shows_its_api_to_nobody_gives_its_feed(site: Newsroom) -> None:
    site.api_status = 401
    site.publish("ferry", "Ferry returns")
    assert [(one.kind, one.url) for one in look(site.url)] == [("syndication", f"{site.url}feed/")]


def test_the_feeds_that_a_page_names_are_tried(site: Newsroom) -> None:
    page(
        site,
        '<link rel="alternate" type="application/rss+xml" title="News" href="/quay.xml">'
        '<link rel="alternate" type="application/rss+xml" href="/comments/feed/">'
        '<link rel="alternate" type="application/atom+xml" href="/gone.xml">'
        '<link rel="stylesheet" type="text/css" href="/style.css">'
        '<link rel="alternate" hreflang="ga" href="/ga/">'
        '<link rel="alternate home" type="application/feed+json" href="tides.json">',
    )
    site.answer("/quay.xml", RSS, type="text/xml")
    site.answer("/tides.json", JSON_FEED)
    site.api_status = 404
    first, second = look(site.origin)
    expected = Found(
        kind="syndication", url=f"{site.origin}/quay.xml", title="Quay & Slip", language="ga", note="feed, 1 article"
    )
    assert first == expected
    assert (second.url, second.title, second.language) == (f"{site.origin}/tides.json", "Tides", "en-IE")
    assert not any("comments" in line or "style" in line for line in site.requests)


def test_ghost_is_found_through_its_feed_and_says_so(site: Newsroom) -> None:
    page(site, '<meta name="generator" content="Ghost 5.98">')
    site.answer("/rss/", RSS, type="text/xml")
    site.api_status = 404
    (found,) = look(site.origin)
    assert (found.kind, found.url) == ("syndication", f"{site.origin}/rss/")
    assert "Ghost shows without a key" in found.note


def test_an_address_that_is_a_feed_is_found_as_it_is(site: Newsroom) -> None:
    site.answer("/quay.xml", RSS, type="text/xml")
    (found,) = look(f"{site.origin}/quay.xml")
    assert (found.kind, found.url, found.title) == ("syndication", f"{site.origin}/quay.xml", "Quay & Slip")


@pytest.mark.parametrize("path", ["/feed/", "/rss.xml", "/atom.xml", "/feed.json", "/index.xml"])
def test_a_feed_that_no_page_names_is_found_where_feeds_usually_are(site: Newsroom, path: str) -> None:
    page(site, "", "/about/us/")
    site.api_status = 404
    site.answer("/feed/", b"<html>no</html>")
    site.answer(path, RSS)
    (found,) = look(f"{site.origin}/about/us/")
    assert found.url == f"{site.origin}{path}"


def test_a_site_that_offers_nothing_is_told_so(site: Newsroom) -> None:
    page(site, "")
    site.api_status = 404
    site.answer("/feed/", b"<html>no</html>")
    with pytest.raises(SourceInvalid, match="names no feed and is no WordPress"):
        look(site.origin)


def test_a_site_that_does_not_answer_is_unavailable(site: Newsroom) -> None:
    site.closed = True
    with pytest.raises(SourceUnavailable):
        look(site.origin)


def test_a_private_address_is_refused_unless_allowed(site: Newsroom) -> None:
    with open_session() as session, pytest.raises(SourceInvalid, match="private address"):
        discover(site.url, session=session, now=NOW)


def test_what_is_no_address_is_passed_over(site: Newsroom) -> None:
    hostile = ("http://[gazette", "//[::1", "file:///etc/passwd", "javascript:alert(1)", "/news.xml")
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="{one}">' for one in hostile)
    page(site, f'<link rel="https://api.w.org/" href="http://[gazette">{links}')
    site.answer("/wp-json/", status=404)
    site.answer("/news.xml", RSS)
    assert [found.url for found in look(site.url)] == [f"{site.origin}/news.xml"]
