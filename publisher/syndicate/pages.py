"""What stands beside feeds for people, and for programs that look for feeds: pages, OPML, autodiscovery.

All of it is made from the settings and from articles, never from a clock: the same feeds make the same bytes.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from publisher.model import Article, ArticleState, Feed, RevisionKind, Site
from publisher.ports import Format
from publisher.syndicate.documents import base_url, page_name

#: Articles on a feed's page: enough to see what it is like.
SHOWN = 12
#: What programs that read OPML look for first.
_PREFERRED = ("rss", "atom", "json")


def slug_of(name: str) -> str:
    """The feed that a file of the folder belongs to, should there be one of that slug."""
    return name.partition(".")[0].partition("/")[0]


def belongs(name: str, feed: Feed, formats: Mapping[str, Format]) -> bool:
    """Whether a file whose name is a feed's own is one that the feed has today."""
    stem, _, ending = name.rpartition(".")
    if name == page_name(feed):
        return True
    return ending in {formats[format].ending for format in feed.formats} and (stem == feed.slug or feed.archive)


def page(feed: Feed, articles: Iterable[Article], site: Site, formats: Mapping[str, Format]) -> dict[str, Any]:
    """What the page of a feed shows: how to follow it, and its newest articles; what was retracted says so, as long
    as the feed says it."""
    told = [article for article in articles if article.state is not ArticleState.HELD]
    return {**_about(feed, site, formats), "articles": [_shown(article) for article in told[:SHOWN]]}


def catalogue(feeds: Sequence[Feed], site: Site, formats: Mapping[str, Format]) -> dict[str, Any]:
    """What the list of all feeds shows: those that the settings name one by one, and those that patterns made."""
    told = [(feed, _about(feed, site, formats)) for feed in feeds]
    patterns = dict.fromkeys(feed.pattern for feed in feeds if feed.pattern)
    made = [[about for feed, about in told if feed.pattern == pattern] for pattern in patterns]
    return {
        "feeds": [about for feed, about in told if not feed.pattern],
        "groups": [sorted(group, key=lambda about: str(about["title"]).casefold()) for group in made],
        "opml_url": f"{base_url(site)}/feeds.opml",
    }


def opml(feeds: Iterable[Feed], site: Site, formats: Mapping[str, Format]) -> bytes:
    """OPML 2.0 of all feeds: a reader takes them in at once. One outline each, in the format most programs know."""
    root = ElementTree.Element("opml", version="2.0")
    head = ElementTree.SubElement(root, "head")
    ElementTree.SubElement(head, "title").text = site.name
    ElementTree.SubElement(head, "ownerId").text = site.url
    body = ElementTree.SubElement(root, "body")
    for feed in feeds:
        about = _about(feed, site, formats)
        best = min(about["links"], key=lambda link: _PREFERRED.index(link["name"]))
        told = {"text": feed.title, "title": feed.title, "description": feed.description, "language": feed.language}
        addresses = {"xmlUrl": best["url"], "htmlUrl": about["page_url"] or feed.home_url}
        outline = {"type": "rss", **told, **addresses}  # "rss" stands for any feed (OPML 2.0, "Subscription lists")
        ElementTree.SubElement(body, "outline", {name: value for name, value in outline.items() if value})
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def autodiscovery(feeds: Iterable[Feed], site: Site, formats: Mapping[str, Format]) -> str:
    """The lines by which feed readers find feeds from any page of the site; feeds that patterns made would be too
    many for every page."""
    lines = []
    for feed in feeds:
        for link in () if feed.pattern else _about(feed, site, formats)["links"]:
            told = (link["type"], feed.title, link["url"])
            kind, title, url = (html.escape(value, quote=True) for value in told)
            lines.append(f'<link rel="alternate" type="{kind}" title="{title}" href="{url}">\n')
    return "".join(lines)


def _about(feed: Feed, site: Site, formats: Mapping[str, Format]) -> dict[str, Any]:
    base = base_url(site)
    kinds = [formats[name] for name in feed.formats]
    return {
        "title": feed.title,
        "description": feed.description,
        "language": feed.language,
        "page_url": f"{base}/{page_name(feed)}",
        "page": page_name(feed),
        "links": [
            {"name": kind.name, "url": f"{base}/{feed.slug}.{kind.ending}", "type": kind.media_type} for kind in kinds
        ],
    }


def _shown(article: Article) -> dict[str, Any]:
    revision, url = article.revision, article.canonical_url
    retracted = article.state is ArticleState.RETRACTED
    return {
        "title": revision.title,
        "url": url if urlsplit(url).scheme in ("http", "https") else "",
        "standfirst": revision.standfirst,
        "language": revision.language,
        "authors": [author.name for author in revision.authors if author.name],
        "published_at": revision.published_at,
        "correction": revision.note if revision.kind is RevisionKind.CORRECTION else "",
        "retracted": retracted,
        "retraction": article.retraction_note if retracted else "",
    }
