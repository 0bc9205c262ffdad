"""An RSS or Atom document taken apart into its items, so that those already known need not be read."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import unescape
from xml.parsers import expat

#: The tags of items (quotes in them may hold ">"), and the beginnings of what is passed over whole.
_TOKEN = re.compile(
    rb"<(?:!\[CDATA\[|!--|\?|(/?)(?:item|entry|[^\s:<>/\"'=!?]++:(?:item|entry))"
    rb"(?=[\s/>])((?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)>)"
)
_ENDS = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}
#: What else decides how an item is read: names, languages and bases that it takes over from the elements around it.
_CONTEXT = re.compile(rb"\sxml(?:ns)?(?::[\w.-]+)?\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_ID = re.compile(rb"<(?:guid|id|[^\s:<>/!?]++:(?:guid|id))(?:\s[^<>]*)?>(.*?)</", re.DOTALL)
_LINK = re.compile(
    rb"<(?:[\w.-]+:)?link(?:\s[^<>]*)?>(.*?)</|<(?:[\w.-]+:)?link\s[^<>]*?href\s*=\s*[\"']([^\"'<>]*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Document:
    """A document in UTF-8, which begins in `xml` at `start`; `items` are the places of its items there, from and to,
    in their order."""

    xml: bytes
    start: int
    items: Sequence[tuple[int, int]]

    def without(self, items: Collection[tuple[int, int]]) -> str:
        """The document without some of its items, and otherwise untouched."""
        pieces: list[bytes] = []
        place = self.start
        for start, end in items:
            pieces.append(self.xml[place:start])
            place = end
        return b"".join([*pieces, self.xml[place:]]).decode()

    def hashes(self, context: str) -> list[str]:
        """A hash of each item as it stands there, and of what it takes over from around it and from `context`."""
        head = self.xml[self.start : self.items[0][0]] if self.items else b""
        around = hashlib.sha256(repr((context, _CONTEXT.findall(head))).encode())
        found: list[str] = []
        there = memoryview(self.xml)
        for start, end in self.items:
            digest = around.copy()
            digest.update(there[start:end])
            found.append(digest.hexdigest())
        return found

    def twice(self, *, by_address: bool) -> set[int]:
        """The numbers of the items, from 0, that share their id, or where there is none their address, with another:
        only read together can it be told which of them is meant."""
        names = [self._name(start, end, by_address) for start, end in self.items]
        seen = Counter(names)
        return {number for number, name in enumerate(names) if name and seen[name] > 1}

    def _name(self, start: int, end: int, by_address: bool) -> bytes:
        found = None if by_address else _ID.search(self.xml, start, end)
        link = None if found else _LINK.search(self.xml, start, end)
        written = found[1] if found else (link[1] or link[2] or b"").partition(b"?")[0] if link else b""
        if b"&" in written or b"<" in written:
            written = unescape(written.replace(b"<![CDATA[", b"").replace(b"]]>", b"").decode()).encode()
        return written.strip()


def take_apart(xml: bytes, start: int = 0) -> Document | None:
    """The document that begins at `start`, with its outermost items; None when it is seen not to be well-formed. Where
    it is not seen, an item that was never read before holds the fault, or what is around the items."""
    items: list[tuple[int, int]] = []
    depth = began = 0
    place = start
    while found := _TOKEN.search(xml, place):
        place = found.end()
        if end := _ENDS.get(found[0]):
            # The first byte alone is found many times as fast, and seldom stands anywhere else.
            place = xml.find(end, max(place, xml.find(end[:1], place)))
            if place < 0:
                return None
            continue
        if not found[1]:
            began = began if depth else found.start()
            depth += 1
        if found[1] or found[2].endswith(b"/"):
            depth -= 1
            if depth == 0:
                items.append((began, place))
            elif depth < 0:
                return None
    return Document(xml, start, items) if depth == 0 else None


def fault(xml: str) -> tuple[int, str] | None:
    """The line, from 1, where a document is not well-formed, and what it is; None when it is well-formed with its
    namespaces, as the parser after this one wants it."""
    try:
        expat.ParserCreate("utf-8", " ").Parse(xml.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        return error.lineno, expat.ErrorString(error.code)
    return None
