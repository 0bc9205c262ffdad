"""feedgen, and what has to be done so that it writes the same valid bytes every time.

- It is imported late: it takes a twentieth of a second that `publisher --help` does not have.
- Its dates go through `setlocale`, which belongs to the whole process: replaced once.
- Its times start as *now*: `building` sets them from the document.
- The channel's link is the last one added: self and hub first, the home page last.
- In RSS it writes no link but that to itself, and one enclosure; it drops authors without a mail address there,
  loses `rel` on the links of Atom entries, and knows no deleted ones: `FeedExtras` and `EntryExtras` write those.
- Its syndication extension spells `updatePeriod` with a capital: `FeedExtras` write it.

feedgen has no type annotations, hence `Any`; none of its objects leaves `formats/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from threading import Lock
from typing import Any

from publisher.formats._shared import Entry, Media, address, clean, language, line, stated, whole
from publisher.model import FeedDocument

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
AT = "http://purl.org/atompub/tombstones/1.0"
DC = "http://purl.org/dc/elements/1.1/"
HISTORY = "http://purl.org/syndication/history/1.0"
ITUNES = "http://www.itunes.com/dtds/podcast-1.0.dtd"
MEDIA = "http://search.yahoo.com/mrss/"
SYNDICATION = "http://purl.org/rss/1.0/modules/syndication/"
XML = "http://www.w3.org/XML/1998/namespace"

_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class Element:
    """An XML element to be added. `name` is "{namespace}name"; attributes without a value are left out."""

    name: str
    text: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Element] = ()

    def add_to(self, parent: Any) -> None:
        from feedgen.util import xml_elem

        self.become(xml_elem(self.name, parent))

    def become(self, element: Any) -> None:
        element.tag = self.name
        element.text = self.text or None
        for name, value in self.attributes.items():
            if value:
                element.set(name, value)
        for child in self.children:
            child.add_to(element)


class FeedExtras:
    """What feedgen has no word for in a feed, in the shape of one of its extensions."""

    def __init__(self) -> None:
        self.namespaces: Mapping[str, str] = {}
        self.elements: list[Element] = []

    def extend_ns(self) -> Mapping[str, str]:
        return self.namespaces

    def extend_rss(self, rss: Any) -> Any:
        self.extend_atom(rss[0])
        return rss

    def extend_atom(self, feed: Any) -> Any:
        for element in self.elements:
            element.add_to(feed)
        return feed


class EntryExtras:
    """The same for one entry. With `instead`, the Atom entry becomes that element, which tells of a deleted one."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.language = ""
        self.instead: Element | None = None

    def extend_rss(self, item: Any) -> Any:
        for element in self.elements:
            element.add_to(item)
        return item

    def extend_atom(self, item: Any) -> Any:
        if self.instead is not None:
            item.clear()
            self.instead.become(item)
            return item
        if self.language:
            item.set(f"{{{XML}}}lang", self.language)
        return self.extend_rss(item)


@contextmanager
def building(
    document: FeedDocument, *, ending: str, media_type: str, namespaces: Mapping[str, str], home: str
) -> Iterator[Any]:
    """A feedgen feed with everything but entries; `feed.extras` are its `FeedExtras`, and `home` is the page it is
    the feed of. One thread at a time."""
    with _ONE_AT_A_TIME:
        feed = _generator()
        title = line(document.feed.title) or document.feed.slug
        feed.id(clean(document.feed_id))
        feed.title(title)
        feed.subtitle(line(document.feed.description) or title)
        feed.language(language(document.feed.language))
        feed.updated(whole(document.updated_at))
        feed.generator(generator=line(document.generator))
        for rel, href in links(document, ending):
            feed.link(href=href, rel=rel, **({} if rel == "hub" else {"type": media_type}))
        feed.link(href=stated(home), rel="alternate", type="text/html")
        feed.extras.namespaces = namespaces
        if document.page:
            feed.extras.elements.append(Element(f"{{{HISTORY}}}archive"))
        yield feed


def links(document: FeedDocument, ending: str) -> list[tuple[str, str]]:
    """A document's links to itself, to the hub, and to the other pages of its feed (RFC 5005 sections 3 and 4)."""
    found = [("self", stated(document.address(ending)))]
    if not document.page and (hub := address(document.hub)):
        found.append(("hub", hub))
    if document.page:
        found.append(("current", stated(document.address(ending, 0))))
    if document.older:
        older = stated(document.address(ending, document.older))
        found += [("prev-archive", older), ("next", older)]
    if document.newer:
        found.append(("next-archive", stated(document.address(ending, document.newer))))
    return found


@contextmanager
def one_entry() -> Iterator[Any]:
    """A feedgen entry that belongs to no feed yet; `entry.extras` are its `EntryExtras`. One thread at a time."""
    import feedgen.entry

    with _ONE_AT_A_TIME:
        feedgen.entry.formatRFC2822 = format_datetime
        item = feedgen.entry.FeedEntry()
        item.register_extension("extras", EntryExtras)
        yield item


def cut_out(root: Any, *, lines: int, tail: bytes) -> bytes:
    """What stands in an XML document after so many lines and before its tail, as it stands in any other that
    declares the same namespaces."""
    from feedgen.feed import etree  # libxml2, which it writes whole documents with

    data: bytes = etree.tostring(root, pretty_print=True, encoding="UTF-8", xml_declaration=False)
    return data.split(b"\n", lines)[lines].removesuffix(tail)


def media_elements(entry: Entry) -> list[Element]:
    """Media RSS: the picture with its size and its words, and every attached file."""
    return [_media_element(media) for media in entry.media]


def number(value: int) -> str:
    return str(value) if value else ""


def _media_element(media: Media) -> Element:
    attributes = {
        "url": media.url,
        "type": media.type,
        "medium": media.medium,
        "fileSize": number(media.bytes),
        "duration": number(media.seconds),
        "width": number(media.width),
        "height": number(media.height),
    }
    children = []
    if media.alt:
        children.append(Element(f"{{{MEDIA}}}description", media.alt, {"type": "plain"}))
    if media.credit:
        children.append(Element(f"{{{MEDIA}}}credit", media.credit))
    return Element(f"{{{MEDIA}}}content", "", attributes, children)


def _generator() -> Any:
    import feedgen.entry
    import feedgen.feed

    feedgen.entry.formatRFC2822 = feedgen.feed.formatRFC2822 = format_datetime
    feed = feedgen.feed.FeedGenerator()
    feed.register_extension("extras", FeedExtras, EntryExtras)
    return feed
