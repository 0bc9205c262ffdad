"""Atom 1.0 (RFC 4287), written by feedgen."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element as XmlElement

from publisher.formats import _feedgen, _reading
from publisher.formats._feedgen import ATOM, MEDIA, Element, number
from publisher.formats._reading import content_rules, fail, rfc3339, web
from publisher.formats._shared import Entry, address, entry, line
from publisher.model import Author, FeedDocument, ReadEntry

_NS = f"{{{ATOM}}}"


class Atom:
    name = "atom"
    ending = "atom"
    media_type = "application/atom+xml"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as Atom 1.0 in UTF-8: the same document gives the same bytes."""
        with _feedgen.building(document, ending=self.ending, media_type=self.media_type) as feed:
            feed.extras.namespaces = {"media": MEDIA}
            # Section 4.1.1: a feed names an author unless each of its entries does.
            feed.author(_person(Author(name=feed.title(), url=address(document.feed.home_url))))
            if not line(document.feed.description):
                feed.subtitle("")
            for article in document.articles:
                _add(feed.add_entry(order="append"), entry(article))
            data: bytes = feed.atom_str(pretty=True)
        return data

    def read(self, data: bytes) -> tuple[ReadEntry, ...]:
        """Read back with expat. Raises GateError with the entry and the rule that is broken."""
        root = _reading.parse(data)
        if root.tag != f"{_NS}feed":
            fail("this is not an Atom 1.0 document")
        _reading.text(root, f"{_NS}title")
        _reading.uri(_reading.text(root, f"{_NS}id"))
        rfc3339(_reading.text(root, f"{_NS}updated"), "updated")
        _reading.feed_links(root)
        _names(root, "")
        has_author = root.find(f"{_NS}author") is not None
        return _reading.unique(_read(element, has_author) for element in root.iterfind(f"{_NS}entry"))


def _add(item: Any, entry: Entry) -> None:
    item.id(entry.id)
    item.title(entry.title)
    item.updated(entry.updated)
    item.published(entry.published)
    for author in entry.authors:
        item.author(_person(author))
    if entry.summary:
        item.summary(entry.summary)
    item.content(entry.content, type="html")
    for name in entry.categories:
        item.category(term=name)
    item.extras.language = entry.language
    item.extras.elements = [*_links(entry), *_feedgen.media_elements(entry)]


def _person(author: Author) -> dict[str, str]:
    return {"name": author.name, "uri": author.url} if author.url else {"name": author.name}


def _links(entry: Entry) -> list[Element]:
    """Without a namespace, as feedgen writes every name of Atom: its root declares the default one."""
    links = [{"href": entry.url, "rel": "alternate", "type": "text/html"}] if entry.url else []
    for media in entry.media:
        links.append({"href": media.url, "rel": "enclosure", "type": media.type, "length": number(media.bytes)})
    return [Element("link", "", attributes) for attributes in links]


def _read(element: XmlElement, feed_has_author: bool) -> ReadEntry:
    id = _reading.uri(_reading.text(element, f"{_NS}id"))
    content = element.find(f"{_NS}content")
    if content is None or content.get("type") != "html":
        fail("content of type html is missing", id)
    content_rules(content.text or "", id)
    if not feed_has_author and element.find(f"{_NS}author") is None:
        fail("an author is missing", id)
    _names(element, id)
    published = element.findtext(f"{_NS}published")
    pages = []
    for link in element.iterfind(f"{_NS}link"):
        href = web(link.get("href", ""), "link", id)
        if link.get("rel", "alternate") == "alternate":
            pages.append(href)
        elif link.get("rel") == "enclosure":
            _reading.media(href, link.get("type"), link.get("length"), id, typed=False)
    if len(pages) > 1:
        fail("there is more than one alternate link", id)
    return ReadEntry(
        id=id,
        title=_reading.text(element, f"{_NS}title", id),
        url=pages[0] if pages else "",
        content=content.text or "",
        published_at=rfc3339(published, "published", id) if published is not None else None,
        updated_at=rfc3339(_reading.text(element, f"{_NS}updated", id), "updated", id),
        enclosures=_reading.media_contents(element, id),
    )


def _names(element: XmlElement, id: str) -> None:
    for author in element.iterfind(f"{_NS}author"):
        _reading.text(author, f"{_NS}name", id)
        if (uri := author.findtext(f"{_NS}uri")) is not None:
            web(uri, "author", id)
