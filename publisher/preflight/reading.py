"""A finished message, opened: its headers, its two bodies, and what of them a reader sees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from functools import cached_property

from selectolax.lexbor import LexborHTMLParser, LexborNode

#: What a mail program shows nothing of.
_UNSEEN = frozenset({"head", "style", "script", "title", "template"})
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
#: Characters that show nothing: preheaders are filled up with them.
_BLANK = re.compile("[\\s\u00a0\u00ad\u034f\u200b-\u200f\u2060\ufeff]+")


@dataclass(frozen=True)  # no slots: values are kept once they were asked for
class Opened:
    """The final bytes of a message, as they are handed over."""

    data: bytes

    @cached_property
    def message(self) -> Message:
        """Headers as they stand there: a stricter reading would fail over what is to be found."""
        return BytesParser(policy=policy.compat32).parsebytes(self.data)

    def headers(self, name: str) -> list[str]:
        """Every header of that name, unfolded and decoded."""
        return [_decoded(str(value)) for value in self.message.get_all(name) or []]

    def header(self, name: str) -> str:
        """The first header of that name, "" without one."""
        return next(iter(self.headers(name)), "")

    @cached_property
    def html(self) -> str:
        return _body(self.message, "text/html")

    @cached_property
    def text(self) -> str:
        return _body(self.message, "text/plain")

    @cached_property
    def tree(self) -> LexborHTMLParser:
        return LexborHTMLParser(self.html)

    @cached_property
    def language(self) -> str:
        """That of the page, without a region ("pt"); "" when it does not say."""
        root = self.tree.root
        return (root.attributes.get("lang") or "").partition("-")[0].lower() if root is not None else ""

    @cached_property
    def seen(self) -> str:
        """The text of the HTML that a mail program shows, with single spaces."""
        return blank(" ".join(piece for _, piece in texts(self.tree.body)))

    def nodes(self, selector: str) -> list[LexborNode]:
        return self.tree.css(selector)

    @cached_property
    def links(self) -> tuple[tuple[str, str], ...]:
        """(address, visible text) of every link of the HTML."""
        found = (node for node in self.nodes("a") if "href" in node.attributes)
        return tuple(((node.attributes["href"] or "").strip(), blank(node.text())) for node in found)

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """The address of every picture."""
        return tuple((node.attributes.get("src") or "").strip() for node in self.nodes("img"))


def blank(text: str) -> str:
    return _BLANK.sub(" ", text).strip()


def hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    return node.tag in _UNSEEN or "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style") or ""))


def texts(node: LexborNode | None) -> Iterator[tuple[LexborNode, str]]:
    """Each piece of text with the element it stands in; what is hidden is left out."""
    waiting = [node] if node is not None else []
    while waiting:
        here = waiting.pop()
        if hidden(here):
            continue
        inner = []
        for child in here.iter(include_text=True):
            if child.tag == "-text":
                if blank(child.text_content or ""):
                    yield here, child.text_content or ""
            else:
                inner.append(child)
        waiting += reversed(inner)


def _body(message: Message, kind: str) -> str:
    for part in message.walk():
        if part.get_content_type() == kind and not part.is_multipart():
            payload = part.get_payload(decode=True)
            raw = payload if isinstance(payload, bytes) else b""
            try:
                return raw.decode(part.get_content_charset() or "utf-8", "replace")
            except LookupError:
                return raw.decode("utf-8", "replace")
    return ""


def _decoded(value: str) -> str:
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", value)
    try:
        return str(make_header(decode_header(unfolded)))
    except (MessageError, LookupError, ValueError):
        return unfolded
