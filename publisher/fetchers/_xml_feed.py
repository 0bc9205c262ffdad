"""RSS and Atom documents: from text to articles.

feedparser reads what the world writes. Around it: the document is cut down to its root element first, so no
document type, and with it no entity of the source's own making, ever reaches a parser; and its known misreadings
are set right.
"""

from __future__ import annotations

import calendar
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from html.entities import html5
from typing import Any

from publisher.errors import SourceInvalid
from publisher.fetchers._feedparser import Parsed, TooMuch, parse
from publisher.fetchers._shared import (
    MAXIMUM_ITEMS,
    Before,
    Reading,
    absolute,
    as_html,
    fingerprint,
    line,
    moment,
    not_a,
    standfirst,
    unescaped,
)
from publisher.fetchers._xml_document import take_apart
from publisher.fetchers._xml_parts import authors, labels, language, media, next_look, people
from publisher.kit.html import plain, scrub
from publisher.kit.http_session import shown
from publisher.model import Author, FetchedArticle, Refusal

#: Part of each raw hash. Raised when items come to be read differently, so that those known are read once more.
_READING = 3

_ROOT = re.compile(rb"<(?:[^\s:<>/\"'=!?]+:)?(?:rss|feed|rdf)[\s>]", re.IGNORECASE)
_ROOT_END = re.compile(r"</(?:[\w.-]+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_PAGE = re.compile(rb"<(?:html|body|!doctype\s+html)[\s>]", re.IGNORECASE)
#: Every escape but the five that XML knows by name, and those numbers that mean what they say.
_ESCAPE = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#(?:3[2-9]|[4-9]\d|1[01]\d|12[0-6]|8[2-4]\d\d));)(#\d{1,8};|#[xX][0-9a-fA-F]{1,7};|\w{1,40};)?"
)
_STRANGE = re.compile(r"&#(?:1[2-5]\d|[xX]0*[89][0-9a-fA-F]);")
_XML_NAMES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_PUBLISHED = ("published", "dc_date", "created", "updated")
_SECOND_TEXTS = ("dc_otherdescription", "itunes_othersummary", "itunes_othersubtitle")
_ITEM = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)[\s/>]")
_ITEM_END = re.compile(r"</(?:[\w.-]+:)?(?:item|entry)\s*>|<(?:[\w.-]+:)?(?:item|entry)(?:\s[^<>]*)?/>")


@dataclass(frozen=True, slots=True)
class _Place:
    """What an item takes over from its feed."""

    url: str
    base: str  # what relative addresses outside of the text are relative to
    home: str
    atom: bool
    language: str
    authors: tuple[Author, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    """An item as feedparser reads it and, where the document is well-formed, as it stands there. `number` counts
    from 1."""

    number: int
    entry: Any
    element: ET.Element | None
    raw_hash: str


def read_xml(document: bytes, url: str, before: Before = Before()) -> Reading:
    """The articles of an RSS or Atom document in UTF-8 that came from `url`, but for those whose raw hash is known.

    Raises SourceInvalid, saying what came instead, when it is none, and with the line where nothing of it reads.
    """
    root = _ROOT.search(document)
    if not root or _PAGE.search(document, 0, root.start()):
        raise not_a("a feed", shown(url), document.decode())
    start = root.start()
    if reading := _read_what_is_new(document, start, url, before):
        return reading
    xml = _mended(scrub(document[start:].decode()))
    reading = _read_what_is_new(xml.encode(), 0, url, before, mended=True)
    return reading or _read_whole(xml, url, document.count(b"\n", 0, start), document)


def _too_many(url: str) -> SourceInvalid:
    return SourceInvalid(f"{shown(url)} holds more than {MAXIMUM_ITEMS:,} items: point the url at a smaller feed")


def _read_what_is_new(text: bytes, start: int, url: str, before: Before, *, mended: bool = False) -> Reading | None:
    """Items that are known are cut out before anything reads them; the rest of the document, which begins at `start`,
    stays as it is, so what is left reads as it always would. None when what is left is not well-formed, or has to be
    mended."""
    document = take_apart(text, start)
    outline = _strictly_parsed(document.without(document.items), url, mended) if document else None
    if document is None or outline is None or outline.entries or not outline.version:
        return None
    if len(document.items) > MAXIMUM_ITEMS:
        raise _too_many(url)
    place = _place(outline, url)
    hashes = document.hashes(f"{_READING} {place}")
    same, twice = before.known(set(hashes)), document.twice(by_address=before.by_address)
    wanted = [number for number, hash in enumerate(hashes) if hash not in same or number in twice]
    left_out = set(range(len(hashes))).difference(wanted)
    xml = document.without([document.items[number] for number in sorted(left_out)])
    parsed = _strictly_parsed(xml, url, mended) if wanted else outline
    if parsed is None or len(parsed.entries) != len(wanted):
        return None
    items = [
        _Item(number + 1, entry, element, hashes[number])
        for number, entry, element in zip(wanted, parsed.entries, _elements(xml, len(wanted)), strict=True)
    ]
    return _reading(outline, place, items, same=len(left_out))


def _what_is_wrong(line: int, words: str, above: int) -> Refusal:
    return Refusal(item="the document", reason=f"is not well-formed XML (line {line + above}: {words})")


def _read_whole(xml: str, url: str, above: int, document: bytes) -> Reading:
    """A document that is not well-formed is read in full, by feedparser's lenient ways."""
    if len(_ITEM.findall(xml)) > MAXIMUM_ITEMS:
        raise _too_many(url)
    parsed = _parsed(xml, url, leniently=True)
    wrong = [_what_is_wrong(*parsed.fault, above)] if parsed.fault else []
    if not parsed.entries and wrong:
        raise SourceInvalid(f"{shown(url)} is a feed that {wrong[0].reason}: its maker has to mend it", url=shown(url))
    if not parsed.entries and not parsed.version:
        raise not_a("a feed", shown(url), document.decode())
    place = _place(parsed, url)
    # In a document that is cut off the last item may be so, too.
    whole = len(_ITEM_END.findall(xml)) if wrong and not _ROOT_END.search(xml) else None
    entries = parsed.entries[:whole]
    items = [
        _Item(number, entry, element, fingerprint([_READING, str(place), entry]))
        for number, (entry, element) in enumerate(zip(entries, _elements(xml, len(entries)), strict=True), start=1)
    ]
    return _reading(parsed, place, items, wrong=wrong)


def _reading(
    parsed: Any, place: _Place, items: Sequence[_Item], *, same: int = 0, wrong: Sequence[Refusal] = ()
) -> Reading:
    articles: list[FetchedArticle] = []
    refused: list[Refusal] = []
    for item in items:
        try:
            articles.append(_article(item, place))
        except ValueError as error:
            entry = item.entry
            name = str(entry.get("title") or entry.get("id") or entry.get("link") or f"item {item.number}")
            refused.append(Refusal(item=unescaped(name)[:100], reason=str(error)))
    return Reading(
        title=line(parsed.feed.get("title", "")),
        language=place.language,
        home=place.home,
        articles=tuple(articles),
        refused=(*refused, *wrong),
        same=same,
        next_look=next_look(parsed.feed),
    )


def _mended(xml: str) -> str:
    """With every escape one that XML knows: HTML's names, bare ampersands and the numbers of windows-1252 and of
    forbidden characters come in otherwise good feeds."""
    return _outside_cdata(xml, lambda piece: _ESCAPE.sub(_mended_escape, piece))


def _outside_cdata(xml: str, change: Callable[[str], str]) -> str:
    pieces: list[str] = []
    place = 0
    while place < len(xml):
        opens = xml.find("<![CDATA[", place)
        closes = xml.find("]]>", opens)
        opens, closes = (opens, closes + 3) if 0 <= opens < closes else (len(xml), len(xml))
        pieces += (change(xml[place:opens]), xml[opens:closes])
        place = closes
    return "".join(pieces)


def _mended_escape(found: re.Match[str]) -> str:
    name = (found[1] or "").rstrip(";")
    if name in _XML_NAMES:
        return found[0]
    if name.startswith("#"):
        number = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
        if 0x80 <= number < 0xA0:
            return bytes([number]).decode("cp1252", "ignore")
        return found[0] if number < 0x110000 and scrub(chr(number)) else ""
    meant = html5.get(f"{name};", "") if name else ""
    return escape(meant, quote=False) if meant else f"&amp;{found[1] or ''}"


def _parsed(xml: str, url: str, *, leniently: bool) -> Parsed:
    try:
        return parse(xml, leniently=leniently)
    except TooMuch as error:
        raise SourceInvalid(f"{shown(url)} is no feed that can be read: {error}", url=shown(url)) from error
    except Exception as error:  # feedparser stumbles over its input in ways of its own; that is no bug of ours
        raise SourceInvalid(f"{shown(url)} is a feed that cannot be read: its maker has to mend it") from error


def _strictly_parsed(xml: str, url: str, mended: bool) -> Parsed | None:
    """None when the document is not well-formed. What is well-formed holds nothing to mend but the numbers that mean
    windows-1252."""
    if not mended and _STRANGE.search(xml):
        return None
    parsed = _parsed(xml, url, leniently=False)
    return None if parsed.fault else parsed


def _elements(xml: str, number: int) -> Sequence[ET.Element | None]:
    """The items as they stand in the document, where it is well-formed: feedparser blurs some of them."""
    try:
        root = ET.fromstring(xml)  # noqa: S314  # there is no document type left, so no entity to expand
    except ET.ParseError:
        return [None] * number
    found = [element for element in root.iter() if element.tag.rpartition("}")[2].lower() in ("item", "entry")]
    return found if len(found) == number else [None] * number


def _place(parsed: Any, url: str) -> _Place:
    feed = parsed.feed
    atom = parsed.version.startswith("atom")
    stated = absolute(url, (dict.get(feed, "title_detail") or {}).get("base"))  # xml:base
    home = absolute(stated or url, feed.get("link"))
    base = stated or ("" if atom else home) or url
    return _Place(
        url=url,
        base=base,
        home=home,
        atom=atom,
        language=str(feed.get("language") or (dict.get(feed, "title_detail") or {}).get("language") or ""),
        authors=people(feed, base) if atom else (),
    )


def _article(item: _Item, place: _Place) -> FetchedArticle:
    entry, element = item.entry, item.element
    content, summary, base = _texts(entry, place)
    guid = str(entry.get("id") or "").strip()
    resolved = str(entry.get("resolved_id") or "").strip()
    url = _link(entry, resolved or guid, place)
    title = _title(entry, place)
    if not (guid or url or title or content):
        raise ValueError("it has neither title, address nor text")
    if guid and (resolved or guid) in (place.home, place.url):
        guid = resolved = ""  # some makers give every item their home page's address as its id; that names none of them
    published = next(filter(None, (_time(entry, name) for name in _PUBLISHED)), None)
    categories, tags = labels(entry)
    image, enclosures = media(entry, element, place.base)
    return FetchedArticle(
        native_id=guid,
        once=resolved if resolved != guid else "",
        guid=guid,
        url=url,
        title=title,
        standfirst=standfirst(summary, content),
        content_html=content,
        base_url=base,
        authors=authors(entry, element, atom=place.atom, base=place.base) or place.authors,
        categories=categories,
        tags=tags,
        image=image,
        enclosures=enclosures,
        language=language(entry) or place.language,
        published_at=published,
        updated_at=_time(entry, "updated") or published,
        raw_hash=item.raw_hash,
    )


def _texts(entry: Any, place: _Place) -> tuple[str, str, str]:
    """Content as HTML, summary as HTML (each may be ""), and the base of the content's relative addresses."""
    detail = dict.get(entry, "summary_detail") or {}
    short = as_html(str(entry.get("summary") or ""), detail.get("type", "") if place.atom else "")
    second = as_html(next((entry[name] for name in _SECOND_TEXTS if entry.get(name)), ""))
    for full in entry.get("content") or ():
        if full.get("value") and (not place.atom or _is_text(full.get("type", ""))):
            kind = full["type"] if place.atom else "text/html"
            return as_html(full["value"], kind), short or second, _base(full, place)
    content = short or second or as_html(str(entry.get("media_otherdescription") or ""))
    return content, second, _base(detail, place)


def _is_text(kind: str) -> bool:
    return kind.startswith("text/") or "xhtml" in kind


def _base(detail: Mapping[str, Any], place: _Place) -> str:
    return absolute(place.url, detail.get("base")) or place.home or place.url


def _link(entry: Any, guid: str, place: _Place) -> str:
    link = str(entry.get("feedburner_origlink") or entry.get("link") or (guid if place.atom else "")).strip()
    # feedparser takes an id for the address, where it is not said to be none.
    return "" if link == guid and not guid.startswith(("http://", "https://")) else absolute(place.base, link)


def _title(entry: Any, place: _Place) -> str:
    title = str(entry.get("title") or entry.get("dc_othertitle") or entry.get("media_othertitle") or "")
    stated = place.atom and (dict.get(entry, "title_detail") or {}).get("type") == "text/plain"
    return unescaped(title) if stated else plain(title)


def _time(entry: Any, name: str) -> datetime | None:
    # dict.get: for "updated" a plain get would answer with "published".
    found = moment(dict.get(entry, name))
    struct = dict.get(entry, f"{name}_parsed")
    if found or not struct or not dict.get(entry, name):
        return found
    try:
        return datetime.fromtimestamp(calendar.timegm(struct), UTC)
    except (ValueError, TypeError, OverflowError):
        return None
