"""The rules of the publication gate that the formats share, and the XML parser that reads feeds back.

That parser is expat: feedgen writes with libxml2, so neither vouches for itself. Every broken rule is a
GateError that carries `entry` (an entry's id, or "" for the feed) and `rule`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NoReturn
from xml.etree.ElementTree import Element
from xml.parsers import expat

from selectolax.lexbor import LexborHTMLParser

from publisher.errors import GateError
from publisher.model import Enclosure, ReadEntry

_MEDIA = "{http://search.yahoo.com/mrss/}"
_WEB = re.compile(r"https?://[^\s/?#\"<>\\^`{|}]+[^\s\"<>\\^`{|}]*", re.IGNORECASE | re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_TYPE = re.compile(r"[^\s/;]+/[^\s/;]+")
_NUMBER = re.compile(r"[0-9]+")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RFC822 = re.compile(
    rf"({'|'.join(_DAYS)}), (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d:\d\d:\d\d) ([+-]\d{{4}})", re.ASCII
)
_FORBIDDEN = frozenset({"applet", "base", "embed", "link", "meta", "object", "script"})
_ADDRESSES = frozenset(
    {"action", "background", "cite", "data", "formaction", "href", "longdesc", "poster", "src", "xlink:href"}
)
_OPENING = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)")
_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "source", "track", "wbr"})
_DEEPEST = 1_000  # elements within elements: the time that reading HTML takes grows with the square of it
_DANGEROUS = frozenset({"about", "blob", "data", "file", "filesystem", "javascript", "vbscript"})


class _NoDoctype(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str, system: str) -> None:  # noqa: ARG002 - expat's signature
        fail("a document type is declared")


def fail(rule: str, entry: str = "", *, cause: Exception | None = None) -> NoReturn:
    raise GateError(f"entry {entry}: {rule}" if entry else rule, entry=entry, rule=rule) from cause


def parse(data: bytes) -> Element:
    """The root of an XML document without a document type, so without entities that anybody declared."""
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - a document type is refused, and we wrote what is read here
    try:
        parser.feed(data)
        root = parser.close()
    except (ET.ParseError, LookupError, ValueError) as error:
        fail(f"this is not XML: {error}", cause=error)
    if not isinstance(root, Element):
        fail("this is not XML: it is empty")
    return root


def ids(data: bytes, of: tuple[tuple[str, ...], str], *, deleted: tuple[str, str] = ("", "")) -> tuple[str, ...]:
    """The ids of all entries, in order, from one pass over the whole document: it is well-formed, then.

    `of` is where entries stand and the name of the child that holds the id; `deleted` the name of an element
    beside them and its attribute that holds one. Names are "namespace local". Raises GateError.
    """
    scan = _Scan(of, deleted)
    scan.parser.StartDoctypeDeclHandler = lambda *_: fail("a document type is declared")
    try:
        scan.parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        fail(f"this is not XML: {error}", cause=error)
    return tuple("".join(parts).strip() for parts in scan.found)


class _Scan:
    """Follows where in a document the parser is; text is listened to only inside an id."""

    def __init__(self, of: tuple[tuple[str, ...], str], deleted: tuple[str, str]) -> None:
        self.found: list[list[str]] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self._path, self._id = of
        self._deleted = deleted
        self._here: list[str] = []
        self._listens = False

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        here = self._here
        here.append(name)
        if name == self._id and tuple(here[:-1]) == self._path:
            self.found.append([])
            self.parser.CharacterDataHandler = self.found[-1].append
            self._listens = True
        elif name == self._deleted[0] and tuple(here[:-1]) == self._path[:-1]:
            self.found.append([attributes.get(self._deleted[1], "")])

    def _end(self, _name: str) -> None:
        self._here.pop()
        if self._listens:
            self.parser.CharacterDataHandler = None
            self._listens = False


def text(parent: Element, name: str, entry: str = "") -> str:
    """The text of a child that must be there once and must not be blank."""
    found = parent.findall(name)
    value = (found[0].text or "").strip() if found else ""
    short = name.rpartition("}")[2]
    if not value:
        fail(f"{short} is missing", entry)
    if len(found) > 1:
        fail(f"there is more than one {short}", entry)
    return value


def feed_links(feed: Element) -> None:
    """A feed's own links, `atom:link` in RSS too; one of them leads to itself."""
    links = feed.findall("{http://www.w3.org/2005/Atom}link")
    for link in links:
        web(link.get("href"), "link")
    if not any(link.get("rel") == "self" for link in links):
        fail("the link to itself is missing")


def unique(entries: Iterable[ReadEntry]) -> tuple[ReadEntry, ...]:
    found: dict[str, ReadEntry] = {}
    for entry in entries:
        if entry.id in found:
            fail("its id is used twice", entry.id)
        found[entry.id] = entry
    return tuple(found.values())


def web(url: str | None, name: str, entry: str = "") -> str:
    if not url or not _WEB.fullmatch(url):
        fail(f"{name} {_short(url)} is not an absolute http(s) address", entry)
    return url


def uri(value: str) -> str:
    if not _URI.fullmatch(value):
        fail(f"id {_short(value)} is not a URI", value)
    return value


def rfc3339(value: str, name: str, entry: str = "") -> datetime:
    try:
        if _RFC3339.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    fail(f"{name} {_short(value)} is not a date of RFC 3339", entry)


def rfc822(value: str, name: str, entry: str = "") -> datetime:
    """With a year of four digits, as RSS asks, and a numeric zone."""
    if match := _RFC822.fullmatch(value):
        weekday, day, month, year, time, zone = match.groups()
        try:
            iso = f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{time}{zone[:3]}:{zone[3:]}"
            moment = datetime.fromisoformat(iso)
        except ValueError:
            moment = None
        if moment and _DAYS[moment.weekday()] == weekday:
            return moment
    fail(f"{name} {_short(value)} is not a date of RFC 822", entry)


def media(
    url: str | None, type: str | None, length: str | None, entry: str, *, seconds: str | None = None, typed: bool = True
) -> Enclosure:
    """An enclosure's parts as one; `typed` asks for a type."""
    url = web(url, "enclosure", entry)
    if (typed or type) and not _TYPE.fullmatch(type or ""):
        fail(f"the type {_short(type)} of enclosure {url} is not a media type", entry)
    for value in (length, seconds):
        if value is not None and not _NUMBER.fullmatch(value):
            fail(f"{_short(value)} of enclosure {url} is not a number", entry)
    return Enclosure(url=url, type=type or "", bytes=int(length or 0), seconds=int(seconds or 0))


def media_contents(parent: Element, entry: str) -> tuple[Enclosure, ...]:
    """What Media RSS tells of an entry's picture and files."""
    return tuple(
        media(item.get("url"), item.get("type"), item.get("fileSize"), entry, seconds=item.get("duration"), typed=False)
        for item in parent.iterfind(f"{_MEDIA}content")
    )


def content_rules(html: str, entry: str) -> None:
    """Nothing that runs, and no address that means something else in a feed reader than on the site.

    Read by a parser that follows the HTML standard, so as a browser would.
    """
    if "<" not in html:
        return
    if html.count("<") > _DEEPEST and _depth(html) > _DEEPEST:
        fail(f"content holds elements more than {_DEEPEST:,} deep", entry)
    root = LexborHTMLParser(html).root
    for node in root.traverse(include_text=False) if root else ():
        if node.tag in _FORBIDDEN:
            fail(f"content holds <{node.tag}>", entry)
        for name, value in node.attributes.items():
            if name.startswith("on"):
                fail(f"content holds the attribute {name} of <{node.tag}>", entry)
            _content_address(name, value or "", entry)


def _content_address(name: str, value: str, entry: str) -> None:
    for url in _candidates(value) if name == "srcset" else [value] if name in _ADDRESSES else []:
        bare = "".join(c for c in url if c > " ")  # as browsers read it
        if not bare or bare.startswith("#"):
            continue  # a place in the article itself
        scheme, colon, _ = bare.partition(":")
        if not colon or not _URI.fullmatch(f"{scheme}:x"):
            fail(f"content holds the relative {name} {_short(url)}", entry)
        if scheme.lower() in _DANGEROUS:
            fail(f"content holds the {name} {_short(url)}", entry)


def _candidates(srcset: str) -> Iterator[str]:
    """The addresses in a `srcset`. Commas may stand inside an address, so blanks tell more than they do."""
    address_next = True
    for word in srcset.split():
        rest = word
        if not address_next:
            _, comma, rest = word.partition(",")
            if not comma:
                continue
        url = rest.strip(",")
        if url:
            yield url
        address_next = not url or rest.endswith(",")


def _depth(html: str) -> int:
    depth = deepest = 0
    for slash, name in _OPENING.findall(html):
        if name.lower() not in _VOID:
            depth = max(0, depth - 1) if slash else depth + 1
            deepest = max(deepest, depth)
    return deepest


def _short(value: str | None) -> str:
    shown = ascii(value or "")
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
