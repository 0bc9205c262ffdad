"""Markdown with front matter, and HTML pages, as articles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final

from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser, LexborNode

from publisher.fetchers._front_matter import read_front_matter
from publisher.fetchers._text import people, text_of
from publisher.kit.html import bounded, plain
from publisher.model import Author, FetchedArticle, Image

MAXIMUM_MARKDOWN: Final = 1024 * 1024  # bytes; rendering takes some seconds for each million
MAXIMUM_TAGS: Final = 20_000  # in an HTML file; the time a parser takes grows with the square of the depth
_FRONT: Final = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_SIZE: Final = re.compile(r"[0-9]{1,6}")  # pixels
_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)


class Draft(Exception):
    """The file says of itself that it is not to be published."""


# ---------------------------------------------------------------- Markdown


def read_markdown(data: bytes, zone: tzinfo) -> tuple[str, FetchedArticle]:
    """The `id` that front matter gives ("" without), and the article. Dates without a zone are in `zone`.

    Raises ValueError, naming the line or the key, when the file is no article; Draft when it is not one yet.
    """
    front, rest = _parted(data)
    article = _from_front(front, zone)
    title, content = _rendered(rest, article.title)
    return _word(front, "id"), replace(article, title=title, content_html=content)


def id_of(data: bytes) -> str:
    """The `id` that the front matter of a Markdown file gives, "" without. Raises as `read_markdown` does."""
    front, _ = _parted(data)
    return _word(front, "id")


def _parted(data: bytes) -> tuple[Mapping[str, object], str]:
    """Front matter and text."""
    if len(data) > MAXIMUM_MARKDOWN:
        raise ValueError(f"it has {len(data):,} bytes, and Markdown may have {MAXIMUM_MARKDOWN:,}")
    text = text_of(data)
    found = _FRONT.match(text)
    if text.startswith("---\n") and not found:
        raise ValueError("line 1: the front matter has no end; put a line --- after it")
    front = read_front_matter(found[1]) if found else {}
    if front.get("draft") is True or front.get("published") is False:
        raise Draft
    return front, text[found.end() :] if found else text


def _from_front(front: Mapping[str, object], zone: tzinfo) -> FetchedArticle:
    return FetchedArticle(
        url=_word(front, "url", "link", "permalink", "slug"),
        title=_word(front, "title", "headline"),
        standfirst=_word(front, "standfirst", "summary", "description", "excerpt"),
        correction=_word(front, "correction"),
        authors=tuple(author for value in _values(front, "authors", "author") for author in _author(value)),
        categories=_words(front, "categories", "category", "section"),
        tags=_words(front, "tags", "tag", "keywords"),
        image=_image(front.get("image")),
        language=_word(front, "language", "lang"),
        published_at=_moment(front, zone, "published", "published_at", "date"),
        updated_at=_moment(front, zone, "updated", "updated_at", "modified", "lastmod"),
    )


def _markdown() -> MarkdownIt:
    """CommonMark with tables. HTML in it is let through: whatever comes in is cleaned later."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def _rendered(text: str, title: str) -> tuple[str, str]:
    """Title and HTML. A heading at the very start is the title, or repeats it, and is no part of the text."""
    markdown = _markdown()
    tokens = markdown.parse(text)
    if len(tokens) > 1 and tokens[0].type == "heading_open":
        heading = plain(markdown.renderInline(tokens[1].content))
        if not title or heading.casefold() == title.casefold():
            title, tokens = title or heading, tokens[3:]
    return title, markdown.renderer.render(tokens, markdown.options, {})


def _word(front: Mapping[str, object], *names: str) -> str:
    value = next((front[name] for name in names if front.get(name) is not None), "")
    return " ".join(_one(value, names[0]).split())


def _one(value: object, name: str) -> str:
    """The text of a value that is one. Lists and maps are never written out: what they hold may be anything."""
    if isinstance(value, (dict, list, set)):
        raise ValueError(f"`{name}` in the front matter should be one value")
    return str(value)


def _values(front: Mapping[str, object], *names: str) -> list[object]:
    value = next((front[name] for name in names if front.get(name) is not None), [])
    return value if isinstance(value, list) else [value]


def _words(front: Mapping[str, object], *names: str) -> tuple[str, ...]:
    found: list[str] = []
    for value in _values(front, *names):
        if isinstance(value, (dict, list, set)):
            raise ValueError(f"`{names[0]}` in the front matter should be a list of words")
        found += str(value).split(",") if isinstance(value, str) else [str(value)]
    return tuple(word.strip() for word in found if word.strip())


def _author(value: object) -> list[Author]:
    if not isinstance(value, dict):
        return people(_one(value, "author"))
    told = _told_of(value, "author")
    if not told.get("name"):
        raise ValueError("an author in the front matter has no `name`")
    biography = told.get("biography") or told.get("bio") or told.get("about", "")
    return [Author(name=told["name"], url=told.get("url", ""), email=told.get("email", ""), biography=biography)]


def _image(value: object) -> Image | None:
    told = _told_of(value, "image") if isinstance(value, dict) else {"url": _one(value or "", "image")}
    url = told.get("url") or told.get("src", "")
    width, height = (int(told[name]) if _SIZE.fullmatch(told.get(name, "")) else 0 for name in ("width", "height"))
    credit = told.get("credit", "")
    return Image(url=url, alt=told.get("alt", ""), credit=credit, width=width, height=height) if url else None


def _told_of(value: Mapping[object, object], name: str) -> dict[str, str]:
    """What a map says of an author or a picture, by name, each as one line."""
    told = {str(key).lower(): text for key, text in value.items() if text is not None}
    return {key: " ".join(_one(text, f"{name}.{key}").split()) for key, text in told.items()}


def _moment(front: Mapping[str, object], zone: tzinfo, *names: str) -> datetime | None:
    for name in names:
        value = front.get(name)
        if value is None or isinstance(value, bool):
            continue
        found = moment(value if isinstance(value, date) else _one(value, name), zone)
        if found is None:
            raise ValueError(f"`{name}` in the front matter is no date: {str(value)[:40]!r}; write 2026-11-22 07:30")
        return found
    return None


def moment(value: object, zone: tzinfo) -> datetime | None:
    """A date as YAML or people write it, aware and UTC; without a zone it is in `zone`. None when it is none."""
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time())
        found = value if isinstance(value, datetime) else _parsed(" ".join(str(value).split()))
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError):
        return None


def _parsed(text: str) -> datetime:
    try:
        return datetime.fromisoformat(re.sub(r"\s+(?=[+-]\d|Z$)", "", text))
    except ValueError:
        return parsedate_to_datetime(text)


# ---------------------------------------------------------------- HTML


def read_html(data: bytes, zone: tzinfo) -> FetchedArticle:
    """The article in an HTML page: what its head tells, and the text in <article>, <main> or <body>.

    Raises ValueError when there is none.
    """
    declared = _CHARSET.search(data[:2048])
    text = text_of(data, declared[1].decode() if declared else "")
    if text.count("<") > MAXIMUM_TAGS:
        raise ValueError(f"it has more than {MAXIMUM_TAGS:,} tags: that is no single article")
    bounded(text)
    page = LexborHTMLParser(text)
    body = page.css_first("article") or page.css_first("main") or page.body
    if body is None:
        raise ValueError("it has no text")
    told = _told(page)
    heading = body.css_first("h1")
    titles = (
        _text(heading),
        told.get("og:title", [""])[0],
        _text(page.css_first("h1")),
        _text(page.css_first("title")),
    )
    if heading is not None:
        heading.decompose()
    link = page.css_first('link[rel="canonical"]')
    image = told.get("og:image", [""])[0]
    names = [told.get("author"), told.get("article:author"), told.get("dc.creator")]
    root = page.css_first("html")
    return FetchedArticle(
        url=(link.attributes.get("href") or "") if link is not None else told.get("og:url", [""])[0],
        title=next(filter(None, titles), ""),
        standfirst=(told.get("description") or told.get("og:description") or [""])[0],
        content_html=body.inner_html or "",
        authors=tuple(author for name in next(filter(None, names), []) for author in _page_author(name)),
        categories=tuple(told.get("article:section", [])),
        tags=tuple(told.get("article:tag") or re.findall(r"[^\s,][^,]*", ",".join(told.get("keywords", [])))),
        image=Image(url=image, alt=told.get("og:image:alt", [""])[0]) if image else None,
        language=(root.attributes.get("lang") or "") if root is not None else "",
        published_at=_page_moment(told, zone, "article:published_time", "date", "dc.date", "dcterms.created"),
        updated_at=_page_moment(told, zone, "article:modified_time", "dcterms.modified"),
    )


def _told(page: LexborHTMLParser) -> Mapping[str, list[str]]:
    """The page's meta elements: name or property to contents."""
    told: dict[str, list[str]] = {}
    for meta in page.css("meta"):
        name = meta.attributes.get("property") or meta.attributes.get("name") or ""
        content = " ".join((meta.attributes.get("content") or "").split())
        if name and content:
            told.setdefault(name.lower(), []).append(content)
    return told


def _page_author(name: str) -> list[Author]:
    return [] if name.startswith(("http://", "https://")) else people(name)


def _page_moment(told: Mapping[str, list[str]], zone: tzinfo, *names: str) -> datetime | None:
    return next((found for name in names for value in told.get(name, []) if (found := moment(value, zone))), None)


def _text(node: LexborNode | None) -> str:
    return " ".join(node.text(separator=" ").split()) if node is not None else ""
