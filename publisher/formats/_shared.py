"""What every format publishes of an article, so that the three are equal in content.

`entry` is a function of the article's revision alone, never of its place in a feed or of the feed: one entry's
text can be kept and joined with others.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from publisher.model import Article, Author, Enclosure, FeedDocument, Image, Revision

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)
_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"
# A table of our own: the one in the standard library reads the machine's, and two machines would differ.
_TYPES = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webm": "video/webm",
    "webp": "image/webp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture or an attached file. Numbers are 0 and texts "" when unknown; `medium` as Media RSS has it."""

    url: str
    type: str
    medium: str
    bytes: int = 0
    seconds: int = 0
    width: int = 0
    height: int = 0
    alt: str = ""
    credit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article as it is published: every text can be written, every address is absolute, times are whole
    seconds in UTC. An author's mail address is left out: feeds are read by harvesters too."""

    id: str
    url: str
    title: str
    content: str
    summary: str
    authors: tuple[Author, ...]
    categories: tuple[str, ...]
    image: Media | None
    media: tuple[Media, ...]
    language: str
    published: datetime
    updated: datetime


def entry(article: Article) -> Entry:
    revision = article.revision
    summary = line(revision.standfirst)
    image = _image(revision.image) if revision.image else None
    return Entry(
        id=clean(article.entry_id),
        url=address(article.canonical_url),
        title=line(revision.title) or summary or "Untitled",
        content=clean(revision.content_html) or (f"<p>{html.escape(summary)}</p>" if summary else ""),
        summary=summary,
        authors=tuple(Author(name=line(a.name), url=address(a.url)) for a in revision.authors if line(a.name)),
        categories=_categories(revision),
        image=image,
        media=_media(image, revision.enclosures),
        language=language(revision.language),
        published=whole(revision.published_at),
        updated=whole(revision.updated_at),
    )


def self_address(document: FeedDocument, ending: str) -> str:
    return f"{document.base_url}/{document.feed.slug}.{ending}"


def clean(text: str) -> str:
    """Text without what XML 1.0 section 2.2 cannot hold, and with line ends as a parser would report them."""
    text = _NOT_TEXT.sub("", text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def line(text: str) -> str:
    """Clean text on one line."""
    return " ".join(clean(text).split())


def address(url: str) -> str:
    """An absolute http(s) address in the characters of RFC 3986, or "" when it is none."""
    url = quote(clean(url).strip(), safe=_URL_SAFE)
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.hostname else ""


def stated(url: str) -> str:
    """An address of the feed itself: a wrong one is kept for the gate to refuse, with the value in its words."""
    return address(url) or line(url)


def language(tag: str) -> str:
    """A language tag as RFC 5646 spells it, or ""."""
    tag = tag.strip().replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else ""


def whole(moment: datetime) -> datetime:
    """In UTC and whole seconds: all that an RSS date can say, so the other formats say no more."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=0)


def _categories(revision: Revision) -> tuple[str, ...]:
    names = (line(name) for name in (*revision.categories, *revision.tags))
    return tuple(dict.fromkeys(name for name in names if name))


def _image(image: Image) -> Media | None:
    url = address(image.url)
    if not url:
        return None
    return Media(
        url=url,
        type=_media_type(image.type, url),
        medium="image",
        bytes=max(0, image.bytes),
        width=max(0, image.width),
        height=max(0, image.height),
        alt=line(image.alt),
        credit=line(image.credit),
    )


def _media(image: Media | None, enclosures: tuple[Enclosure, ...]) -> tuple[Media, ...]:
    """The lead image, then the attached files, each address once."""
    found = {image.url: image} if image else {}
    for enclosure in enclosures:
        if url := address(enclosure.url):
            kind = _media_type(enclosure.type, url)
            medium = kind.partition("/")[0]
            item = Media(
                url=url,
                type=kind,
                medium=medium if medium in {"audio", "image", "video"} else "document",
                bytes=max(0, enclosure.bytes),
                seconds=max(0, enclosure.seconds),
            )
            found.setdefault(url, item)
    return tuple(found.values())


def _media_type(given: str, url: str) -> str:
    given = given.partition(";")[0].strip().lower()
    if _MEDIA_TYPE.fullmatch(given):
        return given
    return _TYPES.get(urlsplit(url).path.rpartition(".")[2].lower(), "")
