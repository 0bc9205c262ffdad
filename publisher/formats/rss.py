"""RSS 2.0 (the RSS Advisory Board's specification and profile), written by feedgen.

RSS has one enclosure to an item: the first attached file, else the picture; Media RSS tells of all of them.
It has no place for an author's address but a link with `rel="author"`, nor for a change but `atom:updated`.
"""

from __future__ import annotations

import html
from typing import Any
from xml.etree.ElementTree import Element as XmlElement

from publisher.formats import _feedgen, _reading
from publisher.formats._feedgen import ATOM, DC, MEDIA, Element
from publisher.formats._reading import content_rules, fail, rfc822, rfc3339, web
from publisher.formats._shared import Entry, Media, address, entry
from publisher.model import FeedDocument, ReadEntry

_ENCODED = f"{{{_feedgen.CONTENT}}}encoded"


class Rss:
    name = "rss"
    ending = "rss"
    media_type = "application/rss+xml"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as RSS 2.0 in UTF-8: the same document gives the same bytes."""
        with _feedgen.building(document, ending=self.ending, media_type=self.media_type) as feed:
            feed.extras.namespaces = {"dc": DC, "media": MEDIA}
            if hub := address(document.hub):
                feed.extras.channel = [Element(f"{{{ATOM}}}link", "", {"href": hub, "rel": "hub"})]
            for article in document.articles:
                _add(feed.add_entry(order="append"), entry(article))
            data: bytes = feed.rss_str(pretty=True)
        return data

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


def _add(item: Any, entry: Entry) -> None:
    item.id(entry.id)
    item.title(entry.title)
    if entry.url:
        item.link(href=entry.url)
    if entry.summary:
        item.description(html.escape(entry.summary, quote=False))  # HTML, unlike every other element of RSS
    item.content(entry.content, type="CDATA")
    for name in entry.categories:
        item.category(term=name)
    item.published(entry.published)
    if enclosure := _enclosure(entry):
        item.enclosure(enclosure.url, enclosure.bytes, enclosure.type)
    item.extras.elements = [*_authors(entry), *_dates(entry), *_feedgen.media_elements(entry)]


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
    """An enclosure must tell its type."""
    typed = [media for media in entry.media if media.type]
    return next((media for media in typed if media != entry.image), typed[0] if typed else None)


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
