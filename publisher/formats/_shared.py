"""What every format publishes of an article, so that the three are equal in content.

`entry` is a function of the article and of three settings of the feed (`content`, `ids`, `language`), never of
its place in a document: one entry's text is kept and joined with others.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from publisher.formats._words import words
from publisher.kit.html import cut, excerpt, plain
from publisher.model import Article, ArticleState, Author, Enclosure, Feed, Image, Revision, RevisionKind

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w.+-]*/[\w.+-]+", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\"<>\\^`{|}]+")
_TAG = re.compile(r"tag:[^:]+")
_SUMMARY = 300  # characters of the text that stand in for a standfirst, where a feed holds summaries
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
class Label:
    """A category or tag. `scheme` tells which of the two, as a URI, "" when nobody knows."""

    name: str
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An article as it is published: every text can be written, every address is absolute, times are whole
    seconds in UTC. An author's mail address is left out: feeds are read by harvesters too.

    `uri` is `id` where that is a URI, else our own. `gone` is what became of an article that was retracted, ""
    of every other; of such a one only ids, address, title, content and times are told.
    """

    id: str
    uri: str
    url: str
    title: str
    content: str
    summary: str = ""
    authors: tuple[Author, ...] = ()
    categories: tuple[Label, ...] = ()
    image: Media | None = None
    media: tuple[Media, ...] = ()
    language: str
    published: datetime
    updated: datetime
    gone: str = ""


def entry(article: Article, feed: Feed) -> Entry:
    return _gone(article, feed) if article.state is ArticleState.RETRACTED else _live(article, feed)


def _live(article: Article, feed: Feed) -> Entry:
    revision = article.revision
    id, uri = _ids(article, feed)
    summary = line(revision.standfirst)
    content = clean(revision.content_html)
    if feed.content == "summary":
        summary = summary or line(excerpt(content, _SUMMARY) or cut(plain(content), _SUMMARY))
        content = ""
    content = content or (f"<p>{_escaped(summary)}</p>" if summary else "")
    image = _image(revision.image) if revision.image else None
    return Entry(
        id=id,
        uri=uri,
        url=address(article.canonical_url),
        title=line(revision.title) or summary or words(feed.language).untitled,
        content=_correction(revision, feed) + content,
        summary=summary,
        authors=tuple(Author(name=line(a.name), url=address(a.url)) for a in revision.authors if line(a.name)),
        categories=_categories(article),
        image=image,
        media=_media(image, revision.enclosures),
        language=language(revision.language),
        published=whole(revision.published_at),
        updated=whole(revision.updated_at),
    )


def _gone(article: Article, feed: Feed) -> Entry:
    """A retracted article: its title says so, and the note stands in place of its text."""
    said = words(feed.language)
    id, uri = _ids(article, feed)
    note = line(article.retraction_note) or said.was_retracted
    title = line(article.revision.title) or said.untitled
    return Entry(
        id=id,
        uri=uri,
        url=address(article.canonical_url),
        title=f"{said.retracted}: {title}",
        content=f"<p>{_escaped(note)}</p>",
        language=language(feed.language),
        published=whole(article.revision.published_at),
        updated=whole(article.retracted_at or article.revision.updated_at),
        gone=note,
    )


def _ids(article: Article, feed: Feed) -> tuple[str, str]:
    """What the entry is known by, and the same as a URI, which Atom asks for."""
    own = article.entry_id  # never mended: another id would be another entry
    guid = line(article.guid) if feed.ids == "source" else ""
    return (guid or own, guid if _URI.fullmatch(guid) else own)


def _correction(revision: Revision, feed: Feed) -> str:
    note = line(revision.note) if revision.kind is RevisionKind.CORRECTION else ""
    return f"<p><strong>{words(feed.language).correction}:</strong> {_escaped(note)}</p>\n" if note else ""


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


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


def _categories(article: Article) -> tuple[Label, ...]:
    """Categories, then tags, each name once. The scheme is made from the authority of our own ids."""
    revision = article.revision
    authority = _TAG.match(article.entry_id)
    found: dict[str, Label] = {}
    for kind, names in (("categories", revision.categories), ("tags", revision.tags)):
        scheme = clean(f"{authority[0]}:{kind}") if authority else ""
        for name in map(line, names):
            found.setdefault(name, Label(name=name, scheme=scheme))
    found.pop("", None)
    return tuple(found.values())


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
