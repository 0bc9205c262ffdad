"""RSS 2.0 (the RSS Advisory Board's specification and profile), written by feedgen.

RSS has one enclosure to an item: the first that can be heard, else the first attached file, else the picture;
Media RSS tells of all of them.
It has no place for an author's address but a link with `rel="author"`, nor for a change but `atom:updated`.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import Element as XmlElement

from publisher.formats import _feedgen, _reading
from publisher.formats._feedgen import ATOM, DC, HISTORY, ITUNES, MEDIA, SYNDICATION, Element
from publisher.formats._reading import content_rules, fail, rfc822, rfc3339, web
from publisher.formats._shared import Entry, Media, entry, stated
from publisher.model import Article, Feed, FeedDocument, ReadEntry

_ENCODED = f"{{{_feedgen.CONTENT}}}encoded"
_NAMESPACES = {"dc": DC, "fh": HISTORY, "itunes": ITUNES, "media": MEDIA, "sy": SYNDICATION}
_TAIL = b"  </channel>\n</rss>\n"


class Rss:
    name = "rss"
    ending = "rss"
    media_type = "application/rss+xml"
    version = "1"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as RSS 2.0 in UTF-8: the same document gives the same bytes."""
        with self._building(document) as feed:
            for article in document.articles:
                _add(feed.add_entry(order="append"), entry(article, document.feed))
            data: bytes = feed.rss_str(pretty=True)
        return data

    def fragment(self, article: Article, feed: Feed) -> tuple[str, bytes]:
        one = entry(article, feed)
        with _feedgen.one_entry() as item:
            _add(item, one)
            data = _feedgen.cut_out(_around(item.rss_entry()), lines=2, tail=_TAIL)
        return one.id, data

    def join(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        with self._building(document) as feed:
            empty: bytes = feed.rss_str(pretty=True)
        return b"".join((empty.removesuffix(_TAIL), *entries, _TAIL))

    def read(self, data: bytes) -> tuple[ReadEntry, ...]:
        """Read back with expat. Raises GateError with the entry and the rule that is broken."""
        root = _reading.parse(data)
        channel = root.find("channel")
        if root.tag != "rss" or root.get("version") != "2.0" or channel is None:
            fail("this is not an RSS 2.0 document")
        for name in ("title", "description"):
            _reading.text(channel, name)
        web(_reading.text(channel, "link"), "link")
        if built := channel.findtext("lastBuildDate"):
            rfc822(built, "lastBuildDate")
        _reading.feed_links(channel)
        return _reading.unique(_read(item) for item in channel.iterfind("item"))

    def ids(self, data: bytes) -> tuple[str, ...]:
        return _reading.ids(data, (("rss", "channel", "item"), "guid"))

    @contextmanager
    def _building(self, document: FeedDocument) -> Iterator[Any]:
        with _feedgen.building(
            document,
            ending=self.ending,
            media_type=self.media_type,
            namespaces=_NAMESPACES,
            home=document.feed.home_url,
        ) as feed:
            feed.extras.elements += [*self._links(document), *_hints(feed, document)]
            yield feed

    def _links(self, document: FeedDocument) -> Iterator[Element]:
        """The links that feedgen does not write: all but the one to itself."""
        for rel, href in _feedgen.links(document, self.ending)[1:]:
            kind = {} if rel == "hub" else {"type": self.media_type}
            yield Element(f"{{{ATOM}}}link", "", {"href": href, "rel": rel, **kind})
        if document.page_url:
            page = {"href": stated(document.page_url), "rel": "alternate", "type": "text/html"}
            yield Element(f"{{{ATOM}}}link", "", page)


def _hints(feed: Any, document: FeedDocument) -> list[Element]:
    """How often to look: `ttl` in minutes, and the syndication module's words. Archive pages are read once."""
    if document.page:
        return []
    minutes = max(1, round(document.feed.interval.total_seconds() / 60))
    feed.ttl(minutes)
    period, length = next(((name, length) for name, length in _PERIODS if minutes <= length), _PERIODS[-1])
    often = str(max(1, round(length / minutes)))
    return [
        Element(f"{{{SYNDICATION}}}updatePeriod", period),
        Element(f"{{{SYNDICATION}}}updateFrequency", often),
    ]


_PERIODS = (("hourly", 60), ("daily", 1440), ("weekly", 10080))  # and their length in minutes


def _around(item: Any) -> Any:
    """An RSS document with nothing but this item, declaring what a whole one declares."""
    from feedgen.util import xml_elem

    namespaces = {**_NAMESPACES, "atom": ATOM, "content": _feedgen.CONTENT}
    root = xml_elem("rss", version="2.0", nsmap=namespaces)
    xml_elem("channel", root).append(item)
    return root


def _add(item: Any, entry: Entry) -> None:
    item.id(entry.id)
    item.title(entry.title)
    if entry.url:
        item.link(href=entry.url)
    if entry.summary:
        item.description(html.escape(entry.summary, quote=False))  # HTML, unlike every other element of RSS
    item.content(entry.content, type="CDATA")
    for label in entry.categories:
        item.category(term=label.name, **({"scheme": label.scheme} if label.scheme else {}))
    item.published(entry.published)
    if enclosure := _enclosure(entry):
        item.enclosure(enclosure.url, enclosure.bytes, enclosure.type)
        if enclosure.medium == "audio":
            item.extras.elements += _episode(entry, enclosure)
    item.extras.elements += [*_authors(entry), *_dates(entry), *_feedgen.media_elements(entry)]


def _episode(entry: Entry, audio: Media) -> list[Element]:
    """What podcast apps read of an article that can be heard."""
    told = {
        "author": ", ".join(author.name for author in entry.authors),
        "duration": _feedgen.number(audio.seconds),
        "summary": entry.summary,
    }
    elements = [Element(f"{{{ITUNES}}}{name}", text) for name, text in told.items() if text]
    if entry.image:
        elements.append(Element(f"{{{ITUNES}}}image", "", {"href": entry.image.url}))
    return elements


def _authors(entry: Entry) -> list[Element]:
    names = [Element(f"{{{DC}}}creator", author.name) for author in entry.authors]
    links = [
        Element(f"{{{ATOM}}}link", "", {"href": author.url, "rel": "author", "title": author.name})
        for author in entry.authors
        if author.url
    ]
    return names + links


def _dates(entry: Entry) -> list[Element]:
    updated = [Element(f"{{{ATOM}}}updated", entry.updated.isoformat())]
    return updated + ([Element(f"{{{DC}}}language", entry.language)] if entry.language else [])


def _enclosure(entry: Entry) -> Media | None:
    """The first that can be heard, else the first file, else the picture; an enclosure must tell its type."""
    typed = [media for media in entry.media if media.type]
    audio = (media for media in typed if media.medium == "audio")
    files = (media for media in typed if media != entry.image)
    return next(audio, None) or next(files, None) or (typed[0] if typed else None)


def _read(item: XmlElement) -> ReadEntry:
    guid = item.find("guid")
    id = (guid.text or "").strip() if guid is not None else ""
    if guid is None or not id:
        fail("guid is missing", item.findtext("title", "without a title"))
    if guid.get("isPermaLink") != "false":
        fail("guid must not be a permanent link", id)
    link, updated = item.findtext("link"), item.findtext(f"{{{ATOM}}}updated")
    description = item.findtext("description", "")
    content = item.findtext(_ENCODED, description)
    content_rules(content, id)
    content_rules(description, id)
    for enclosure in item.iterfind("enclosure"):
        _reading.media(enclosure.get("url"), enclosure.get("type"), enclosure.get("length"), id)
    if len(item.findall("enclosure")) > 1:
        fail("there is more than one enclosure", id)
    for other in item.iterfind(f"{{{ATOM}}}link"):
        web(other.get("href", ""), "atom:link", id)
    return ReadEntry(
        id=id,
        title=_reading.text(item, "title", id),
        url=web(link, "link", id) if link is not None else "",
        content=content,
        published_at=rfc822(_reading.text(item, "pubDate", id), "pubDate", id),
        updated_at=rfc3339(updated, "atom:updated", id) if updated is not None else None,
        enclosures=_reading.media_contents(item, id),
    )
