"""feedgen, and what has to be done so that it writes the same valid bytes every time.

- It is imported late: it takes a twentieth of a second that `publisher --help` does not have.
- Its dates go through `setlocale`, which belongs to the whole process: replaced once.
- Its times start as *now*: `building` sets them from the document.
- The channel's link is the last one added: self and hub first, the home page last.
- It writes no hub link and one enclosure in RSS, drops authors without a mail address there, and loses `rel`
  on the links of Atom entries: `FeedExtras` and `EntryExtras` write those.

feedgen has no type annotations, hence `Any`; none of its objects leaves `formats/`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import format_datetime
from threading import Lock
from typing import Any

from publisher.formats._shared import Entry, Media, address, clean, language, line, self_address, stated, whole
from publisher.model import FeedDocument

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
MEDIA = "http://search.yahoo.com/mrss/"
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

        element = xml_elem(self.name, parent)
        element.text = self.text or None
        for name, value in self.attributes.items():
            if value:
                element.set(name, value)
        for child in self.children:
            child.add_to(element)


class FeedExtras:
    """What feedgen has no word for in a feed, in the shape of one of its extensions."""

    def __init__(self) -> None:
        self.namespaces: dict[str, str] = {}
        self.channel: list[Element] = []

    def extend_ns(self) -> dict[str, str]:
        return self.namespaces

    def extend_rss(self, rss: Any) -> Any:
        for element in self.channel:
            element.add_to(rss[0])
        return rss

    def extend_atom(self, feed: Any) -> Any:
        return feed


class EntryExtras:
    """The same for one entry."""

    def __init__(self) -> None:
        self.elements: list[Element] = []
        self.language = ""

    def extend_rss(self, item: Any) -> Any:
        for element in self.elements:
            element.add_to(item)
        return item

    def extend_atom(self, item: Any) -> Any:
        if self.language:
            item.set(f"{{{XML}}}lang", self.language)
        return self.extend_rss(item)


@contextmanager
def building(document: FeedDocument, *, ending: str, media_type: str) -> Iterator[Any]:
    """A feedgen feed with everything but entries; `feed.extras` are its `FeedExtras`. One thread at a time."""
    with _ONE_AT_A_TIME:
        feed = _generator()
        title = line(document.feed.title) or document.feed.slug
        feed.id(clean(document.feed_id))
        feed.title(title)
        feed.subtitle(line(document.feed.description) or title)
        feed.language(language(document.feed.language))
        feed.updated(whole(document.updated_at))
        feed.generator(generator=line(document.generator))
        feed.link(href=stated(self_address(document, ending)), rel="self", type=media_type)
        if hub := address(document.hub):
            feed.link(href=hub, rel="hub")
        feed.link(href=stated(document.feed.home_url), rel="alternate", type="text/html")
        yield feed


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
