"""What a site offers to read: for `publisher init --from URL`, and for the remedy in many a message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from urllib.parse import urljoin, urlsplit

import requests
from selectolax.lexbor import LexborHTMLParser, LexborNode

from publisher.errors import SourceError, SourceInvalid
from publisher.fetchers._encodings import decoded
from publisher.fetchers._ghost_api import in_page
from publisher.fetchers._shared import Broken, Reading, absolute, count, line
from publisher.fetchers._wordpress_api import Api, links
from publisher.fetchers.syndication import read
from publisher.kit.html import bounded
from publisher.kit.http_session import Limits, Reply, get, shown

_LIMITS = Limits(total=30.0, bytes=10_000_000)
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
_USUAL = ("feed/", "rss.xml", "atom.xml", "feed.json", "index.xml")
_MOST = 5  # feeds tried of those that a page names


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A source that a site offers. `kind` and `url` are what settings.toml wants; `title` and `language` are the
    site's own; `note` says in words what it is."""

    kind: str
    url: str
    title: str = ""
    language: str = ""
    note: str = ""


def discover(url: str, *, session: requests.Session, now: datetime) -> tuple[Found, ...]:  # noqa: ARG001  # for dates
    """What can be collected from the site at an address, the best first.

    Raises SourceUnavailable when it does not answer, and SourceInvalid when it offers nothing.
    """
    page = get(session, url if "://" in url else f"https://{url}", limits=_LIMITS)
    itself = _feed(page)
    if itself:
        return (_found(page.url, itself, title="", language=""),)
    html = _page(page)
    title, language = _title(html), _attribute(html.css_first("html"), "lang")
    found = {one.url: one for one in _wordpress(session, page, title, language)}
    if _is_ghost(html):
        found |= {one.url: one for one in _ghost(session, page, title, language)}
    for address in dict.fromkeys(_feeds_named(html, page.url)):
        if address not in found:
            found |= {one.url: one for one in _try(session, address, title, language)}
    if not found:
        usual = (place for name in _USUAL for place in (_beside(page.url, name), urljoin(page.url, f"/{name}")))
        tried = (one for address in dict.fromkeys(usual) for one in _try(session, address, title, language))
        found = {one.url: one for one in islice(tried, 1)}
    if not found:
        raise SourceInvalid(
            f"{shown(page.url)} names no feed and is no WordPress: ask its maker for the address of a feed, and give "
            "that to `publisher init --from`",
            url=shown(page.url),
        )
    return tuple(found.values())


def _page(page: Reply) -> LexborHTMLParser:
    text = decoded(page.body[:2_000_000], page.headers.get("Content-Type", ""))
    try:
        bounded(text)
    except ValueError as error:
        raise SourceInvalid(f"{shown(page.url)} is no page that can be read: it has {error}", url=page.url) from error
    return LexborHTMLParser(text)


def _wordpress(session: requests.Session, page: Reply, title: str, language: str) -> Iterator[Found]:
    for root in (*links(page), _beside(page.url, "wp-json/")):
        try:
            api = Api(session=session, root=root, auth=None, limits=_LIMITS).index()
            posts, total = api.posts("posts", per_page=1, _fields="id")
        except (SourceError, Broken):
            continue
        home = root.partition("?")[0].removesuffix("index.php").partition("wp-json")[0]
        note = f"WordPress, {count(len(posts) if total is None else total)}, complete and with corrections"
        yield Found(kind="wordpress", url=home, title=api.title or title, language=language, note=note)
        return


def _ghost(session: requests.Session, page: Reply, title: str, language: str) -> Iterator[Found]:
    """The site itself, where its pages carry a key for its API; and its feed."""
    try:
        api = in_page(session, page, _LIMITS)
        if api:
            site = api.site()
            posts, total = api.posts(limit=1, fields="id", filter="visibility:public")
            note = f"Ghost, {count(len(posts) if total is None else total)}, complete and with corrections"
            home = api.root.removesuffix("ghost/api/content/")
            yield Found(
                kind="ghost", url=home, title=site.title or title, language=language or site.language, note=note
            )
    except (SourceError, Broken):
        pass
    for one in _try(session, _beside(page.url, "rss/"), title, language):
        yield replace(one, note=f"{one.note}: what Ghost shows without a key, the newest only")


def _is_ghost(html: LexborHTMLParser) -> bool:
    return any(_attribute(meta, "content").startswith("Ghost") for meta in html.css('meta[name="generator"]'))


def _feeds_named(html: LexborHTMLParser, url: str) -> Iterator[str]:
    """The addresses of feeds that a page names, those of comments left out."""
    named = 0
    for link in html.css("link[rel][href]"):
        kind, address = _attribute(link, "type").lower(), absolute(url, _attribute(link, "href"))
        if "alternate" not in _attribute(link, "rel").lower().split() or kind not in _FEED_TYPES:
            continue
        if address and "/comments/" not in urlsplit(address).path and named < _MOST:
            named += 1
            yield address


def _try(session: requests.Session, address: str, title: str, language: str) -> Iterator[Found]:
    try:
        page = get(session, address, limits=_LIMITS)
    except SourceError:
        return
    reading = _feed(page)
    if reading:
        yield _found(address, reading, title=title, language=language)


def _feed(page: Reply) -> Reading | None:
    try:
        return read(page.body, page.headers.get("Content-Type", ""), page.url)
    except SourceError:
        return None


def _found(address: str, reading: Reading, *, title: str, language: str) -> Found:
    return Found(
        kind="syndication",
        url=address,
        title=reading.title or title,
        language=reading.language or language,
        note=f"feed, {count(len(reading.articles))}",
    )


def _title(html: LexborHTMLParser) -> str:
    named = _attribute(html.css_first('meta[property="og:site_name"]'), "content")
    title = html.css_first("title")
    return line(named) or (line(title.text()) if title else "")


def _attribute(node: LexborNode | None, name: str) -> str:
    return (node.attributes.get(name) or "").strip() if node is not None else ""


def _beside(url: str, name: str) -> str:
    """An address in the folder of a page."""
    return urljoin(url.partition("?")[0].partition("#")[0], name)
