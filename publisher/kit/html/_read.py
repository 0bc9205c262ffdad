"""HTML as text for people: one line, some words, or all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from itertools import takewhile
from typing import Final

from publisher.kit.html._parse import HEADINGS, INLINE, KNOWN, attributes, bounded, parsed, scrub, tokens
from publisher.model import Image

DIGITS: Final = re.compile(r"\d{1,5}\Z", re.ASCII)
_SPACE: Final = re.compile(r"[ \t\n\r\f\v]+")
_SEAMLESS: Final = INLINE | {"wbr", ""}  # tags that do not part the words beside them
_ASIDE: Final = HEADINGS | {"audio", "figure", "pre", "table", "video"}
_PICTURE: Final = re.compile(r'<img((?:\s[^\s=>]+="[^"]*")*)/?>')
_CLEAN_TAG: Final = re.compile(r'</?([a-z][a-z0-9-]*)(?:\s[^\s=>]+="[^"]*")*/?>')
_OTHERS: Final = {"body", "font", "form", "html", "iframe", "input", "label", "noscript", "picture", "span"}
_NO_TAG: Final = re.compile(
    rf"<(?!(?:/?(?:{'|'.join(sorted(KNOWN | _OTHERS))})(?=[\s/>])|!--))",  # AT&T <sales>, 5 <6
    re.IGNORECASE,
)


def plain(html: str) -> str:
    """The text of some HTML on one line, for titles and standfirsts. What merely looks like a tag stays text.

    Raises ValueError as `clean` does.
    """
    if "<" in html or "&" in html:
        found = tokens(parsed(_NO_TAG.sub("&lt;", html)))
        html = "".join(("" if token.name in _SEAMLESS else " ") + unescape(token.text) for token in found)
    return " ".join(scrub(html).split())


def running(html: str) -> str:
    """The text of clean HTML, where "<" begins a tag wherever it stands, on one line; much quicker than `plain`."""
    bounded(html)
    parted = _CLEAN_TAG.sub(lambda found: "" if found[1] in _SEAMLESS else " ", html)
    return " ".join(scrub(unescape(parted)).split())


def text(html: str) -> str:
    """The HTML as plain text that reads well: blank lines between paragraphs, `- ` and `1. ` before list items,
    `> ` before quoted lines, headings underlined, links as `text (URL)`. Raises ValueError as `clean` does."""
    return _Reader().read(parsed(html))


def excerpt(html: str, limit: int) -> str:
    """The first words of the running text (no headings, captions or tables) on one line, at most `limit`
    characters, with "…" where it was cut. Raises ValueError as `clean` does."""
    aside = 0
    words: list[str] = []
    for token in tokens(parsed(html)):
        if token.name in _ASIDE:
            aside += -1 if token.closing else 1
        if not aside:
            words.append(("" if token.name in _SEAMLESS else " ") + unescape(token.text))
    return cut(" ".join("".join(words).split()), limit)


def cut(line: str, limit: int) -> str:
    """The line, at most `limit` characters long: cut at the end of a word, with "…"."""
    if len(line) <= limit:
        return line
    short = line[: limit - 1]
    if not line[limit - 1].isspace() and " " in short[limit // 2 :]:
        short = short[: short.rindex(" ")]
    return short.rstrip(" ,;:.-–—") + "…"


def first_image(html: str) -> Image | None:
    """The first picture in clean HTML, where "<" begins a tag wherever it stands. Raises ValueError as `clean` does."""
    bounded(html)
    for found in _PICTURE.finditer(html):
        has = attributes(found[1])
        if has.get("src", "").startswith(("http://", "https://")):
            width, height = (int(has[key]) if DIGITS.match(has.get(key, "")) else 0 for key in ("width", "height"))
            return Image(url=has["src"], alt=has.get("alt", ""), width=width, height=height)
    return None


def paragraphs(text: str) -> str:
    """Plain text as HTML: a paragraph for each run of lines, escaped; single line breaks are kept."""
    runs = re.split(r"\n(?:[^\S\n]*\n)+", "\n".join(scrub(text).splitlines()))
    lines = ([escape(line.strip(), quote=False) for line in run.split("\n") if line.strip()] for run in runs)
    return "".join(f"<p>{'<br/>'.join(run)}</p>" for run in lines if run)


@dataclass(slots=True)
class _Reader:
    """Turns nh3's output into lines."""

    blocks: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)  # the paragraph being read
    margins: list[str] = field(default_factory=list)  # what stands before each line: quotes and list indents
    marker: str = ""  # of the list item whose first line is still to come
    lists: list[int] = field(default_factory=list)  # the next number of each open list, 0 for one with dashes
    links: list[tuple[str, int]] = field(default_factory=list)  # address, and where in `run` its text began
    literal: int = 0
    around: list[str] = field(default_factory=list)  # the margins of the block before
    tight: bool = False  # the next block follows without a blank line

    def read(self, html: str) -> str:
        for token in tokens(html):
            if token.closing:
                self._end(token.name)
            elif token.name:
                self._start(token.name, token.has())
            run = unescape(token.text)
            self.run.append(run if self.literal else _SPACE.sub(" ", run))
        self._flush()
        return "".join(self.blocks).strip("\n")

    def _start(self, name: str, has: Mapping[str, str]) -> None:
        if name == "a":
            self.links.append((has.get("href", ""), len(self.run)))
        elif name == "br":
            self.run.append("\n")
        elif name == "q":
            self.run.append("“")
        elif name in {"td", "th"}:
            before = "".join(self.run).strip()
            self.run = [f"{before} | " if before else ""]
        elif name not in _SEAMLESS | {"img"}:
            self._flush()
            self._open(name, has)

    def _open(self, name: str, has: Mapping[str, str]) -> None:
        if name == "hr":
            self.run.append("* * *")
            self._flush()
        elif name == "pre":
            self.literal += 1
        elif name in {"blockquote", "dd"}:
            self.margins.append("> " if name == "blockquote" else "  ")
        elif name in {"ul", "ol"}:
            start = has.get("start", "1")
            self.tight = bool(self.lists)
            self.lists.append(0 if name == "ul" else int(start) if DIGITS.match(start) else 1)
        elif name == "li":
            number = self.lists[-1] if self.lists else 0
            if number:
                self.lists[-1] += 1
            self.marker = f"{number}. " if number else "- "
            self.margins.append(" " * len(self.marker))

    def _end(self, name: str) -> None:
        if name == "a" and self.links:
            self._link(*self.links.pop())
        elif name == "q":
            self.run.append("”")
        elif name not in _SEAMLESS | {"td", "th"}:
            self._flush(underlined=name in HEADINGS)
            self._shut(name)

    def _shut(self, name: str) -> None:
        self.literal -= name == "pre"
        if name in {"ul", "ol"} and self.lists:
            self.lists.pop()
            self.tight = bool(self.lists)
        elif name in {"li", "blockquote", "dd"} and self.margins:
            self.margins.pop()
            self.marker = ""
        if name in {"li", "tr", "dt", "table"}:
            self.tight = name != "table"

    def _link(self, href: str, start: int) -> None:
        label = "".join(self.run[start:]).strip()
        shown = href.removeprefix("mailto:")
        if not label:
            self.run[start:] = [shown]
        elif shown and label.rstrip("/") not in {shown.rstrip("/"), shown.split("://")[-1].rstrip("/")}:
            self.run.append(f" ({shown})")

    def _flush(self, *, underlined: bool = False) -> None:
        """Write the paragraph that has been read, each line behind its margins."""
        run, self.run = "".join(self.run), []
        self.links = [(href, 0) for href, _ in self.links]
        if not run.strip():
            return
        lines = [line.rstrip() if self.literal else line.strip() for line in run.strip("\n").rstrip().split("\n")]
        if underlined:
            lines.append("-" * min(60, max(map(len, lines))))
        margin = "".join(self.margins)
        first = margin[: len(margin) - len(self.marker)] + self.marker
        rows = [((margin if number else first) + line).rstrip() for number, line in enumerate(lines)]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(self.around, self.margins, strict=False))
        gap = "" if self.tight else "".join(margin for margin, _ in shared).rstrip() + "\n"
        self.blocks.append(gap + "\n".join(rows) + "\n")
        self.around, self.marker, self.tight = [*self.margins], "", False
