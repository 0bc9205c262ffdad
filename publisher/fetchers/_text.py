"""An article as people type it: headline, standfirst, paragraphs, `Author: NAME` and a line about the author.

Read leniently: whatever separates the parts, nothing that was written is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from typing import Final

from publisher.fetchers._encodings import decoded
from publisher.fetchers._shared import person
from publisher.kit.html import scrub
from publisher.model import Author, FetchedArticle

_HEADLINE: Final = 250  # characters; a longer first line is the article's text already
_STANDFIRST: Final = 400
_BYLINE: Final = 200
_BIOGRAPHY_BLOCKS: Final = 3
_LAST: Final = 60  # blocks in which authors are looked for
_LONG_LINE: Final = 120  # a longer line was not broken by hand: it is a paragraph
_WRAPPED: Final = 40

_SAID: Final = re.compile(r"(?:(?P<strict>authors?|written by)\s*:|by\s*:?\s)\s*(?P<names>.*)", re.IGNORECASE)
_PARTICLES: Final = "van|von|de|der|den|del|della|di|da|du|la|le|and|und|et|y|e|ó|ní|mac|bin|al|with"
_NAMES: Final = re.compile(rf"(?:(?:{_PARTICLES}|&|[^\W\d_a-zà-ÿ][\w.'’-]*),?(?:\s+|\Z)){{1,12}}\Z", re.UNICODE)
_ABOUT: Final = re.compile(r"\s+[—–-]+\s+|,\s+(?=(?!(?:and|und|et|y|e)\b)[a-zà-ÿ])")
_AND: Final = re.compile(r"\s*[,;&]\s*(?:(?:and|und|et|y)\s+)?|\s+(?:and|und|et|y)\s+", re.IGNORECASE)
_BULLET: Final = re.compile(r"[-*•–]\s+(?=\S)")
_SENTENCE_END: Final = re.compile(r"[.!?…:][\"'”’»)\]]*\Z")
_UNDERLINE: Final = re.compile(r"[=\-_*~]{3,}\Z")


def read_text(data: bytes) -> FetchedArticle:
    """The article in a text file. Raises ValueError when it is empty, or no text."""
    blocks, authors = _without_authors(_blocks(text_of(data)))
    title, blocks = _headline(blocks)
    parts = [paragraph for block in blocks for paragraph in _paragraphs(block)]
    standfirst = ""
    if title and len(parts) > 1 and not parts[0].listed and len(parts[0].text) <= _STANDFIRST:
        standfirst = parts.pop(0).text
    return FetchedArticle(
        title=title, standfirst=standfirst, content_html="\n".join(part.html for part in parts), authors=authors
    )


def text_of(data: bytes, encoding: str = "") -> str:
    """The text of a file: UTF-8, UTF-16 with or without a byte order mark, or windows-1252.

    Line ends are `\\n`. Raises ValueError when the file is empty or holds no text.
    """
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf\xfe\xff"):
        raise ValueError("it is empty: write the article, or take the file away")
    if not encoding and not data.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\0" in data[:1000]:
        # Of Latin letters in UTF-16 every other byte is zero.
        encoding = "utf-16-le" if data[1:1000:2].count(0) > data[0:1000:2].count(0) else "utf-16-be"
        text = data.decode(encoding, "replace")
    else:
        text = decoded(data, f"charset={encoding}" if encoding else "")
    strange = sum(text.count(chr(number)) for number in (*range(9), *range(14, 27), *range(28, 32), 0xFFFD))
    if strange > max(2, len(text) / 100):
        raise ValueError("it is not text: save the article as plain text, Markdown or HTML")
    return scrub(re.sub(r"\r\n?|[\x0c\x85\u2028\u2029]", "\n", text)).lstrip("\ufeff")


# ---------------------------------------------------------------- blocks


def _blocks(text: str) -> list[list[str]]:
    """Runs of lines between empty ones. Where nothing is empty, every line is a run of its own unless the lines
    were broken by hand. An indented line begins a new run."""
    lines = [line.replace("\xa0", " ").rstrip() for line in text.strip("\n").split("\n")]
    lines = [line for line in lines if not _UNDERLINE.match(line.strip())]
    blocks: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            blocks.append([])
        elif _begins(line, blocks[-1]):
            blocks.append([line])
        else:
            blocks[-1].append(line)
    blocks = [block for block in blocks if block]
    if len(blocks) == 1 and len(blocks[0]) > 2:
        first, rest = blocks[0][:1], blocks[0][1:]
        return [first, rest] if _is_wrapped(rest) else [[line] for line in blocks[0]]
    return blocks


def _begins(line: str, block: list[str]) -> bool:
    if not block:
        return False
    if line.startswith(("\t", "   ")):
        return not block[-1].startswith(("\t", "   ")) or not _BULLET.match(block[-1].strip())
    said = _byline(line)
    return said is not None and said.strict


# ---------------------------------------------------------------- authors


@dataclass(frozen=True, slots=True)
class _Byline:
    names: str
    strict: bool  # says "Author:", so that it can be nothing else


def _byline(line: str) -> _Byline | None:
    bare = line.strip().replace("**", "").strip("*_ \t")
    found = _SAID.match(bare)
    if not found or len(bare) > _BYLINE:
        return None
    strict = found["strict"] is not None
    names = found["names"].strip()
    if not strict and not _NAMES.match(_ABOUT.split(names)[0].rstrip(".")):
        return None
    return _Byline(names, strict)


def _without_authors(blocks: list[list[str]]) -> tuple[list[list[str]], tuple[Author, ...]]:
    """The blocks of the article itself, and who wrote it: told at the end, with some lines about them, or under
    the headline."""
    near_an_end = [*range(1, 3), *range(max(3, len(blocks) - _LAST), len(blocks))]
    places = [place for place in near_an_end if place < len(blocks) and _byline(blocks[place][0])]
    start = len(blocks)
    authors: list[Author] = []
    for place in reversed(places):
        if start - place - 1 > _BIOGRAPHY_BLOCKS or (_is_top(blocks, place, start) and start - place > 1):
            break
        authors[:0] = _authors(blocks[place:start])
        start = place
    rest = blocks[:start]
    if top := next((place for place in places if place <= 2 and place < start), 0):
        # Under the headline only the byline itself tells about the authors; what follows is the article.
        names = {author.name for author in authors}
        authors += [author for author in _authors([blocks[top][:1]]) if author.name not in names]
        rest[top : top + 1] = [blocks[top][1:]] if blocks[top][1:] else []
    return rest, tuple(authors)


def _is_top(blocks: list[list[str]], place: int, end: int) -> bool:
    """Whether a byline stands between headline and text: what follows it then says nothing about its names."""
    if place > 2 or len(blocks[place]) > 1:
        return False
    said = _byline(blocks[place][0])
    if said is None or (place == 2 and said.strict and end - place == 2):
        return False
    words = set(re.findall(r"\w{3,}", said.names))
    after = " ".join(line for block in blocks[place + 1 : end] for line in block)
    return place == 1 or not words & set(re.findall(r"\w{3,}", after))


def _authors(blocks: list[list[str]]) -> list[Author]:
    lines = [line.strip() for block in blocks for line in block]
    said = _byline(lines[0])
    names, about = said.names if said else "", lines[1:]
    if not names and about:
        names, about = about[0], about[1:]
    found = people(names)
    if found and about:
        found[0] = replace(found[0], biography=" ".join(filter(None, [found[0].biography, *about])))
    return _told_apart(found)


def _told_apart(authors: list[Author]) -> list[Author]:
    """Where the lines about several authors name one after the other, each gets what is said from their name on."""
    told = authors[0].biography if authors else ""
    starts = [told.find(author.name) for author in authors]
    if not told.startswith(authors[0].name if authors else "") or starts != sorted(set(starts)):
        return authors
    ends = [*starts[1:], len(told)]
    return [replace(one, biography=told[a:b].strip()) for one, a, b in zip(authors, starts, ends, strict=True)]


def people(names: str) -> list[Author]:
    """Authors as they are written on one line: "Niamh Casey and Tom Byrne", "Tom Byrne <tom@g.example>",
    "Niamh Casey, who covers the port". What is said about them is the first one's biography."""
    names, *about = _ABOUT.split(" ".join(names.split()), maxsplit=1)
    found = [person(name) for name in _AND.split(names) if name.strip(" .")]
    authors = [Author(name=name.strip(" .*_"), email=email) for name, email in found if name.strip(" .*_")]
    if authors and about:
        authors[0] = replace(authors[0], biography=about[0])
    return authors


# ---------------------------------------------------------------- headline and paragraphs


def _headline(blocks: list[list[str]]) -> tuple[str, list[list[str]]]:
    if not blocks:
        return "", []
    first, *others = blocks[0]
    if others and len(first) > 50 and others[0].strip()[:1].islower():  # broken by hand
        first, others = f"{first} {others[0].strip()}", others[1:]
    title = " ".join(first.strip().lstrip("#").rstrip("#").strip(" *_").split())
    if len(title) > _HEADLINE:
        return "", blocks
    if title.endswith(".") and "." not in title.split()[-1][:-1]:
        title = title[:-1]
    return title, [others, *blocks[1:]] if others else blocks[1:]


@dataclass(frozen=True, slots=True)
class _Part:
    text: str
    html: str
    listed: bool = False


def _paragraphs(block: list[str]) -> list[_Part]:
    """A block as one paragraph or several: lines broken by hand are joined, short ones keep their breaks."""
    lines = [line.strip() for line in block]
    bullets = [number for number, line in enumerate(lines) if _BULLET.match(line)]
    if len(lines) == 1 and not bullets:
        return [_paragraph(lines)]
    if len(bullets) > 1 and 0 < bullets[0] == len(lines) - len(bullets):  # "What comes next:", then a list
        return [*_paragraphs(block[: bullets[0]]), *_paragraphs(block[bullets[0] :])]
    if len(bullets) == len(lines):
        items = "".join(f"<li>{_escaped(_BULLET.sub('', line, count=1))}</li>" for line in lines)
        return [_Part(" ".join(lines), f"<ul>{items}</ul>", listed=True)]
    if _is_wrapped(lines):
        return [_paragraph([_joined(lines)])]
    if max(map(len, lines)) > _LONG_LINE or all(_SENTENCE_END.search(line) for line in lines):
        return [_paragraph([line]) for line in lines]
    return [_paragraph(lines)]


def _paragraph(lines: list[str]) -> _Part:
    return _Part(" ".join(lines), f"<p>{'<br>'.join(map(_escaped, lines))}</p>")


def _is_wrapped(lines: list[str]) -> bool:
    """Whether an editor broke these lines: each is so long that the next one's first word had no room."""
    lines = [line.strip() for line in lines]
    width = max(map(len, lines))
    if len(lines) < 2 or not _WRAPPED < width <= _LONG_LINE:
        return False
    return all(len(line) + 1 + len(after.split(maxsplit=1)[0]) >= width for line, after in pairwise(lines))


def _joined(lines: list[str]) -> str:
    return re.sub(r"(?<=[^\W\d_]-)\n(?=[a-z])", "", "\n".join(lines)).replace("\n", " ")


def _escaped(text: str) -> str:
    return escape(" ".join(text.split()), quote=False)
