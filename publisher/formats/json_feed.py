"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), written and read by orjson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from publisher.formats import _reading
from publisher.formats._reading import content_rules, fail, rfc3339, web
from publisher.formats._shared import Entry, Media, address, entry, language, line, stated
from publisher.model import Article, Author, Enclosure, Feed, FeedDocument, ReadEntry

_VERSION = "https://jsonfeed.org/version/1.1"
_BEFORE, _AFTER, _EMPTY = b'{\n  "items": [\n', b"\n  ]\n}\n", b"[]\n}\n"  # as orjson writes them


class JsonFeed:
    name = "json"
    ending = "json"
    media_type = "application/feed+json"

    version = "1"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as JSON Feed 1.1 in UTF-8: the same document gives the same bytes."""
        items = [_item(entry(article, document.feed)) for article in document.articles]
        return _dumped(self._head(document) | {"items": items})

    def fragment(self, article: Article, feed: Feed) -> tuple[str, bytes]:
        one = entry(article, feed)
        data = _dumped({"items": [_item(one)]}).removeprefix(_BEFORE).removesuffix(_AFTER)
        return one.id, data

    def join(self, document: FeedDocument, entries: Sequence[bytes]) -> bytes:
        empty = _dumped(self._head(document) | {"items": []})
        if not entries:
            return empty
        return b"".join((empty.removesuffix(_EMPTY), b"[\n", b",\n".join(entries), _AFTER))

    def _head(self, document: FeedDocument) -> dict[str, Any]:
        feed = document.feed
        hub = "" if document.page else address(document.hub)
        older = document.address(self.ending, document.older) if document.older else ""
        value = {
            "version": _VERSION,
            "title": line(feed.title) or feed.slug,
            "home_page_url": stated(feed.home_url),
            "feed_url": stated(document.address(self.ending)),
            "description": line(feed.description),
            "next_url": stated(older),
            "language": language(feed.language),
            "hubs": [{"type": "WebSub", "url": hub}] if hub else [],
        }
        return _filled(value)

    def read(self, data: bytes) -> tuple[ReadEntry, ...]:
        """Read back. Raises GateError with the entry and the rule that is broken."""
        try:
            feed = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            fail(f"this is not JSON: {error}", cause=error)
        if not isinstance(feed, dict) or feed.get("version") != _VERSION:
            fail("this is not a JSON Feed 1.1 document")
        _text(feed, "title", "")
        for name in ("home_page_url", "feed_url"):
            web(_text(feed, name, ""), name)
        for hub in _list(feed, "hubs", ""):
            web(_text(hub, "url", ""), "hubs")
        if "items" not in feed:
            fail("items is missing")
        if "next_url" in feed:
            web(_text(feed, "next_url", ""), "next_url")
        return _reading.unique(_read(item) for item in _list(feed, "items", ""))

    def ids(self, data: bytes) -> tuple[str, ...]:
        try:
            return tuple(item["id"] for item in orjson.loads(data)["items"])
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            fail(f"this is not a JSON Feed: {error}", cause=error)


def _dumped(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _item(entry: Entry) -> dict[str, Any]:
    value = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "content_html": entry.content,
        "summary": entry.summary,
        "image": entry.image.url if entry.image else "",
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        "authors": [_author(author) for author in entry.authors],
        "tags": [label.name for label in entry.categories],
        "language": entry.language,
        "attachments": [_attachment(media) for media in entry.media if media.type],
    }
    return _filled(value) | {"content_html": entry.content}


def _author(author: Author) -> dict[str, Any]:
    return _filled({"name": author.name, "url": author.url})


def _attachment(media: Media) -> dict[str, Any]:
    return _filled(
        {
            "url": media.url,
            "mime_type": media.type,
            "title": media.alt,
            "size_in_bytes": media.bytes,
            "duration_in_seconds": media.seconds,
        }
    )


def _filled(value: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Feed leaves out what is not known."""
    return {name: field for name, field in value.items() if field}


def _read(item: Any) -> ReadEntry:
    id = _text(item, "id", str(item.get("title", "without a title")) if isinstance(item, dict) else "")
    content = item.get("content_html")
    if not isinstance(content, str):
        fail("content_html is missing", id)
    content_rules(content, id)
    for author in _list(item, "authors", id):
        _text(author, "name", id)
        if "url" in author:
            web(_text(author, "url", id), "author", id)
    if not all(isinstance(tag, str) for tag in _list(item, "tags", id)):
        fail("tags are not texts", id)
    return ReadEntry(
        id=id,
        title=_text(item, "title", id),
        url=web(_text(item, "url", id), "url", id) if "url" in item else "",
        content=content,
        published_at=_moment(item, "date_published", id),
        updated_at=_moment(item, "date_modified", id),
        enclosures=_enclosures(item, id),
    )


def _moment(item: Mapping[str, Any], name: str, id: str) -> datetime | None:
    return rfc3339(_text(item, name, id), name, id) if name in item else None


def _enclosures(item: Mapping[str, Any], id: str) -> tuple[Enclosure, ...]:
    found = []
    for attachment in _list(item, "attachments", id):
        url, kind = _text(attachment, "url", id), _text(attachment, "mime_type", id)
        size, seconds = attachment.get("size_in_bytes", 0), attachment.get("duration_in_seconds", 0)
        found.append(_reading.media(url, kind, str(size), id, seconds=str(seconds)))
    image = web(_text(item, "image", id), "image", id) if "image" in item else ""
    if image and all(image != enclosure.url for enclosure in found):
        found.insert(0, Enclosure(url=image, type=""))
    return tuple(found)


def _text(value: Any, name: str, id: str) -> str:
    text = value.get(name) if isinstance(value, dict) else None
    if not isinstance(text, str) or not text.strip():
        fail(f"{name} is missing", id)
    return text


def _list(value: Mapping[str, Any], name: str, id: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        fail(f"{name} is not a list", id)
    return found
