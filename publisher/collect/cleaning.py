"""What an article says, made safe and bounded, and the hash that tells whether it says something else."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from publisher.kit import html
from publisher.model import Author, Enclosure, FetchedArticle, Image, Revision, Site

# The most characters of each that is kept.
TITLE: Final = 500
FIRST_WORDS: Final = 80  # as the title of an article that has none
STANDFIRST: Final = 2_000
BIOGRAPHY: Final = 2_000
NOTE: Final = 2_000
NAME: Final = 200
# And how many.
LABELS: Final = 50
AUTHORS: Final = 50
ENCLOSURES: Final = 20

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_MAIL: Final = re.compile(r"[^\s<>()\[\],;:\"@]+@[^\s<>()\[\],;:\"@]+")


def cleaned(sent: FetchedArticle, site: Site) -> Revision:
    """What the article says, safe and bounded, with the hash of it. Its dates are still to be set.

    Raises ValueError, saying why, when it says nothing or is too large.
    """
    content = html.clean(sent.content_html, sent.base_url or sent.url)
    standfirst = line(sent.standfirst, STANDFIRST)
    picture = html.first_image(content) if "<img" in content else None
    image = _image(sent.image, sent.base_url) or picture
    title = line(sent.title, TITLE) or _first_words(content, standfirst, image)
    if not title:
        raise ValueError("it has neither a title nor text: give it one of them")
    says = Revision(
        number=1,
        title=title,
        standfirst=standfirst,
        content_html=content,
        authors=_authors(sent.authors, sent.base_url),
        categories=_labels(sent.categories),
        tags=_labels(sent.tags),
        image=image,
        enclosures=_enclosures(sent.enclosures, sent.base_url),
        language=_language(sent.language) or site.language,
        published_at=datetime.min.replace(tzinfo=UTC),
        updated_at=datetime.min.replace(tzinfo=UTC),
        content_hash="",
        raw_hash=sent.raw_hash,
        note=line(sent.correction, NOTE),
    )
    return replace(says, content_hash=_content_hash(says))


def _first_words(content: str, standfirst: str, image: Image | None) -> str:
    """What stands in for a title."""
    words = html.excerpt(content, FIRST_WORDS) or html.cut(html.plain(content), FIRST_WORDS)
    return words or line(standfirst, FIRST_WORDS) or line(image.alt if image else "", FIRST_WORDS)


def _content_hash(says: Revision) -> str:
    """Over everything a reader would see, and no date. A note of what was corrected counts only when there is one."""
    noted = [says.note] if says.note else []
    return hash_of(
        [
            says.title,
            says.standfirst,
            " ".join(says.content_html.split()),
            [[author.name, author.url, author.email, author.biography] for author in says.authors],
            says.categories,
            says.tags,
            says.image.url if says.image else "",
            [enclosure.url for enclosure in says.enclosures],
            *noted,
        ]
    )


def hash_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True).encode()).hexdigest()


def line(text: str, limit: int) -> str:
    """Plain text on one line, at most so many characters."""
    return html.cut(" ".join(html.scrub(text).split()), limit)


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Categories or tags, each once whatever its case, as written first."""
    found: dict[str, str] = {}
    for label in labels:
        if name := line(label, NAME):
            found.setdefault(name.casefold(), name)
    return tuple(found.values())[:LABELS]


def _authors(authors: Iterable[Author], base_url: str) -> tuple[Author, ...]:
    found: dict[str, Author] = {}
    for author in authors:
        email = html.scrub(author.email)
        if name := line(author.name, NAME):
            told = Author(
                name=name,
                url=html.address(author.url, base_url),
                email=email if _MAIL.fullmatch(email) and len(email) < 255 else "",
                biography=line(author.biography, BIOGRAPHY),
            )
            found.setdefault(name.casefold(), told)
    return tuple(found.values())[:AUTHORS]


def _image(image: Image | None, base_url: str) -> Image | None:
    url = html.address(image.url, base_url) if image else ""
    if not image or not url:
        return None
    return Image(
        url=url,
        type=line(image.type, NAME),
        bytes=_number(image.bytes),
        width=_number(image.width),
        height=_number(image.height),
        alt=line(image.alt, STANDFIRST),
        credit=line(image.credit, NAME),
    )


def _enclosures(enclosures: Iterable[Enclosure], base_url: str) -> tuple[Enclosure, ...]:
    found: dict[str, Enclosure] = {}
    for one in enclosures:
        if url := html.address(one.url, base_url):
            kind = line(one.type, NAME) or mimetypes.guess_type(urlsplit(url).path)[0] or "application/octet-stream"
            sizes = (_number(one.bytes), _number(one.seconds))
            found.setdefault(url, Enclosure(url=url, type=kind, bytes=sizes[0], seconds=sizes[1]))
    return tuple(found.values())[:ENCLOSURES]


def _number(value: int) -> int:
    return value if 0 <= value < 2**53 else 0


def _language(language: str) -> str:
    """A language tag (BCP 47), or "" when it is none."""
    tag = language.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) and len(tag) <= 35 else ""
