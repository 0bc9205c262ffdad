"""feedparser, held to a cost in proportion to the document.

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
        super().__init__(*arguments)

    def unknown_starttag(self, tag: str, attrs: list[tuple[str, str]]) -> Any:
        around = len(self.baseuri or "")
        kept = [(name, value) for name, value in attrs if name not in _TAKEN_OVER or _is_short(value, around)]
        return super().unknown_starttag(tag, kept)

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


class _Strict(_Bounded, StrictFeedParser):  # type: ignore[misc]  # as above
    def startElementNS(self, name: Any, qname: Any, attrs: Any) -> None:  # noqa: N802  # SAX's name
        if len(attrs) > MAXIMUM_ATTRIBUTES:  # each is looked for among all
            first = dict(islice(attrs.items(), MAXIMUM_ATTRIBUTES))
            names = {name: attrs.getQNameByName(name) for name in first}
            attrs = xml.sax.xmlreader.AttributesNSImpl(first, names)
        super().startElementNS(name, qname, attrs)


class _Loose(_Bounded, LooseFeedParser):  # type: ignore[misc]  # as above
    pass


def _is_short(value: str, around: int) -> bool:
    return len(value) + around <= LONGEST_ADDRESS


def _text(piece: str | bytes) -> str:
    return piece.decode("utf-8", "replace") if isinstance(piece, bytes) else piece
