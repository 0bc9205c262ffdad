"""feedparser, held to a cost in proportion to the document, and with what it takes for the same told apart.

For some elements it looks again at all that it has gathered, or searches a text in quadratic time, so that a document
of some kilobytes takes minutes. Its own parsers are used here, with a limit before each of these: what is beyond it
is left out, as the constants say.
"""

from __future__ import annotations

import io
import re
import xml.sax
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Final

from feedparser.api import LooseFeedParser, StrictFeedParser
from feedparser.datetimes import _parse_date
from feedparser.mixin import _FeedParserMixin

from publisher.fetchers._xml_document import fault

MAXIMUM_TAGS: Final = 1_000_000
MAXIMUM_LENIENT_TAGS: Final = 100_000  # where a document is not well-formed; they take some seconds
MAXIMUM_LABELS: Final = 500  # categories and tags of one item; those after them are left out
MAXIMUM_ATTRIBUTES: Final = 100  # of one element; those after them are left out
MAXIMUM_NAMESPACES: Final = 100  # of a document, which is refused beyond
LONGEST_NAME: Final = 500  # characters of a person's name, mail address or language; what follows is cut off
LONGEST_ADDRESS: Final = 2_000  # characters of a namespace, and of all xml:base around an element together

_SHORT: Final = frozenset({"author", "publisher", "name", "email", "language"})
_TAKEN_OVER: Final = frozenset({"xml:base", "base", "xml:lang", "lang"})
_LONG_NAMESPACE: Final = re.compile(
    rf"xmlns(?::[^\s:=<>\"'/]*+)?\s*+=\s*+(?:\"[^\"]{{{LONGEST_ADDRESS}}}|'[^']{{{LONGEST_ADDRESS}}})"
)


class TooMuch(Exception):
    """A document that no feed is like; the message says in what, as "it …"."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What feedparser makes of a document. `fault` is the line and what is wrong there, where it is not well-formed."""

    version: str
    feed: Any
    entries: Sequence[Any]
    fault: tuple[int, str] | None = None


def parse(document: str, *, leniently: bool) -> Parsed:
    """A document that begins with its root element. One that is not well-formed holds nothing but its fault, unless it
    is to be read leniently.

    Raises TooMuch, and whatever feedparser stumbles over.
    """
    _check_namespaces(document)
    wrong = fault(document)
    parser: Any
    if wrong and not leniently:
        return Parsed("", {}, (), wrong)
    if wrong:
        _check_tags(document, MAXIMUM_LENIENT_TAGS)
        parser = _Loose("", None, "utf-8", {})
        parser.feed(document)
    else:
        _check_tags(document, MAXIMUM_TAGS)
        parser = _strictly(document)
    return Parsed(parser.version, parser.feeddata, parser.entries, wrong)


def _strictly(document: str) -> Any:
    parser = _Strict("", None, "utf-8")
    reader = xml.sax.make_parser()  # noqa: S317  # a document that begins with its root has no entities
    reader.setFeature(xml.sax.handler.feature_namespaces, True)
    reader.setFeature(xml.sax.handler.feature_external_ges, False)
    reader.setContentHandler(parser)
    reader.setErrorHandler(parser)
    source = xml.sax.xmlreader.InputSource()
    source.setByteStream(io.BytesIO(document.encode()))
    reader.parse(source)
    return parser


def _check_namespaces(document: str) -> None:
    """For a name that is long, an XML parser copies it all for each element and attribute."""
    if _LONG_NAMESPACE.search(document):
        raise TooMuch(f"it has a namespace of more than {LONGEST_ADDRESS:,} characters")


def _check_tags(document: str, maximum: int) -> None:
    if (tags := document.count("<")) > maximum:
        raise TooMuch(f"it has {tags:,} tags, and {maximum:,} are read; point the url at a smaller feed")


class _Bounded(_FeedParserMixin):  # type: ignore[misc]  # feedparser has no types
    sanitize_html = False
    resolve_relative_uris = False

    def __init__(self, *arguments: Any) -> None:
        self._searched: dict[str, str] = {}
        self._pictures = 0  # how many media:content are around
        super().__init__(*arguments)

    def unknown_starttag(self, tag: str, attrs: list[tuple[str, str]]) -> Any:
        around = len(self.baseuri or "")
        kept = [(name, value) for name, value in attrs if name not in _TAKEN_OVER or _is_short(value, around)]
        return super().unknown_starttag(tag, kept)

    def unknown_endtag(self, tag: str) -> None:
        """feedparser takes no base back where there is none around it: it would be that of all that follows."""
        super().unknown_endtag(tag)
        self.baseuri = self.basestack[-1] if self.basestack else ""

    def track_namespace(self, prefix: str | None, uri: str) -> None:
        if len(self.namespaces_in_use) > MAXIMUM_NAMESPACES:
            raise TooMuch(f"it has more than {MAXIMUM_NAMESPACES} namespaces")
        super().track_namespace(prefix, uri)

    def pop(self, element: str, strip_whitespace: bool = True) -> Any:
        if self.elementstack and self.elementstack[-1][0] == element:
            pieces = self.elementstack[-1][2]
            if element in _SHORT:
                pieces[:] = ["".join(map(_text, pieces)).strip()[:LONGEST_NAME]]
            elif isinstance(pieces, list) and len(pieces) > 1:
                # feedparser deletes the first piece again and again, as long as it is blank.
                blank = sum(1 for _ in takewhile(lambda piece: not piece.strip(), pieces))
                del pieces[: max(0, blank - 1)]
        return super().pop(element, strip_whitespace)

    def _add_tag(self, term: str | None, scheme: str | None, label: str | None) -> None:
        # Each is compared with all before it.
        if len(self._get_context().setdefault("tags", [])) < MAXIMUM_LABELS:
            super()._add_tag(term, scheme, label)

    def _sync_author_detail(self, key: str = "author") -> None:
        """The search for a mail address takes quadratic time, so no text is searched twice."""
        context = self._get_context()
        told, details = context.get(key), context.get(f"{key}s")
        if told is self._searched.get(key) and not (details and details[-1]):
            return
        self._searched[key] = told
        super()._sync_author_detail(key)


class _ToldApart(_Bounded):
    def _start_item(self, attrs_d: dict[str, str]) -> None:
        self._pictures = 0  # one that was never closed ends with its item
        super()._start_item(attrs_d)

    _start_entry = _start_item

    def _start_media_content(self, attrs_d: dict[str, str]) -> None:
        self._pictures += 1
        super()._start_media_content(attrs_d)

    def _end_media_content(self) -> None:
        self._pictures = max(0, self._pictures - 1)

    def _start_dc_date(self, _: dict[str, str]) -> None:
        self.push("dc_date", 1)

    def _end_dc_date(self) -> None:
        self._save("dc_date_parsed", _parse_date(self.pop("dc_date")), overwrite=True)

    def _start_id(self, attrs_d: dict[str, str]) -> None:
        super()._start_guid(attrs_d)

    def _end_id(self) -> None:
        """An Atom id is compared as it stands (RFC 4287 section 4.2.6.1), so no base belongs to it. What it would be
        with one is kept beside it."""
        if not self.version.startswith("atom"):
            super()._end_guid()
            return
        self.guidislink = False
        super()._end_guid()
        context = self._get_context()
        context["resolved_id"] = self.resolve_uri(context.get("id") or "")


def _tell_apart(prefix: str, name: str) -> None:
    """Some elements say something about an item's pictures or sound, or say it a second time. feedparser takes them for
    the item's own title and text, depending on their order. What is said of one picture is nothing of the item's."""
    kept = f"{prefix}_other{name}"

    def start(parser: Any, _: dict[str, str]) -> None:
        parser.push("said_of_a_picture" if prefix == "media" and parser._pictures else kept, 1)

    def end(parser: Any) -> None:
        parser.pop("said_of_a_picture")
        parser.pop(kept)

    setattr(_ToldApart, f"_start_{prefix}_{name}", start)
    setattr(_ToldApart, f"_end_{prefix}_{name}", end)


for _prefix in ("media", "itunes", "dc"):
    for _name in ("title", "description", "summary", "subtitle"):
        _tell_apart(_prefix, _name)


class _Strict(_ToldApart, StrictFeedParser):  # type: ignore[misc]  # as above
    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> None:  # noqa: N802  # SAX's name
        if len(attrs) > MAXIMUM_ATTRIBUTES:  # each is looked for among all
            first = dict(islice(attrs.items(), MAXIMUM_ATTRIBUTES))
            names = {name: attrs.getQNameByName(name) for name in first}
            attrs = xml.sax.xmlreader.AttributesNSImpl(first, names)
        super().startElementNS(name, qname, attrs)


class _Loose(_ToldApart, LooseFeedParser):  # type: ignore[misc]  # as above
    pass


def _is_short(value: str, around: int) -> bool:
    return len(value) + around <= LONGEST_ADDRESS


def _text(piece: str | bytes) -> str:
    return piece.decode("utf-8", "replace") if isinstance(piece, bytes) else piece
