"""Atom 1.0 (RFC 4287), written by feedgen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import Element as XmlElement

from publisher.formats import _feedgen, _reading
from publisher.formats._feedgen import AT, ATOM, HISTORY, MEDIA, Element, number
from publisher.formats._reading import content_rules, fail, rfc3339, web
from publisher.formats._shared import Entry, address, entry, line
from publisher.model import Article, Author, Feed, FeedDocument, ReadEntry

_NS = f"{{{ATOM}}}"
_AT = f"{{{AT}}}"
_NAMESPACES = {"at": AT, "fh": HISTORY, "media": MEDIA}
_TAIL = b"</feed>\n"


class Atom:
    name = "atom"
    ending = "atom"
    media_type = "application/atom+xml"
    version = "1"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as Atom 1.0 in UTF-8: the same document gives the same bytes."""
        with self._building(document) as feed:
            for article in document.articles:
                _add(feed.add_entry(order="append"), entry(article, document.feed))
            data: bytes = feed.atom_str(pretty=True)
        return data

    def fragment(self, article: Article, feed: Feed) -> tuple[str, bytes]:
        one = entry(article, feed)
        with _feedgen.one_entry() as item:
            _add(item, one)
            data = _feedgen.cut_out(_around(item.atom_entry()), lines=1, tail=_TAIL)
        return one.uri, data

    def join(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        with self._building(document) as feed:
            empty: bytes = feed.atom_str(pretty=True)
        return b"".join((empty.removesuffix(_TAIL), *entries, _TAIL))

    @contextmanager
    def _building(self, document: FeedDocument) -> Iterator[Any]:
        with _feedgen.building(
            document,
            ending=self.ending,
            media_type=self.media_type,
            namespaces=_NAMESPACES,
            home=document.page_url or document.feed.home_url,  # section 4.1.1: one alternate of a type
        ) as feed:
            # Section 4.1.1: a feed names an author unless each of its entries does.
            feed.author(_person(Author(name=feed.title(), url=address(document.feed.home_url))))
            if not line(document.feed.description):
                feed.subtitle("")
            yield feed

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
        return _reading.unique(
            _read(element, has_author) if element.tag == f"{_NS}entry" else _read_gone(element)
            for element in root
            if element.tag in {f"{_NS}entry", f"{_AT}deleted-entry"}
        )

    def ids(self, data: bytes) -> tuple[str, ...]:
        return _reading.ids(
            data, ((f"{ATOM} feed", f"{ATOM} entry"), f"{ATOM} id"), deleted=(f"{AT} deleted-entry", "ref")
        )


def _around(item: Any) -> Any:
    """An Atom document with nothing but this entry, declaring what a whole one declares."""
    from feedgen.util import xml_elem

    root = xml_elem("feed", xmlns=ATOM, nsmap=_NAMESPACES)
    root.append(item)
    return root


def _add(item: Any, entry: Entry) -> None:
    item.id(entry.uri)
    item.title(entry.title)
    item.updated(entry.updated)
    item.content(entry.content, type="html")
    if entry.gone:
        item.extras.instead = _tombstone(entry)
        return
    item.published(entry.published)
    for author in entry.authors:
        item.author(_person(author))
    if entry.summary:
        item.summary(entry.summary)
    for label in entry.categories:
        item.category(term=label.name, **({"scheme": label.scheme} if label.scheme else {}))
    item.extras.language = entry.language
    item.extras.elements = [*_links(entry), *_feedgen.media_elements(entry)]


def _tombstone(entry: Entry) -> Element:
    """RFC 6721 section 3."""
    comment = Element(f"{_AT}comment", entry.gone)
    return Element(f"{_AT}deleted-entry", "", {"ref": entry.uri, "when": entry.updated.isoformat()}, (comment,))


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


def _read_gone(element: XmlElement) -> ReadEntry:
    id = _reading.uri(element.get("ref", ""))
    return ReadEntry(
        id=id,
        title="",
        url="",
        content=element.findtext(f"{_AT}comment", ""),
        published_at=None,
        updated_at=rfc3339(element.get("when", ""), "when", id),
        gone=True,
    )


def _names(element: XmlElement, id: str) -> None:
    for author in element.iterfind(f"{_NS}author"):
        _reading.text(author, f"{_NS}name", id)
        if (uri := author.findtext(f"{_NS}uri")) is not None:
            web(uri, "author", id)
