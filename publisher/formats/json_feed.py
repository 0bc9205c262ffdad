"""JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/), written and read by orjson."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from publisher.formats import _reading
from publisher.formats._reading import content_rules, fail, rfc3339, web
from publisher.formats._shared import Entry, Media, address, entry, language, line, self_address, stated
from publisher.model import Author, Enclosure, FeedDocument, ReadEntry

_VERSION = "https://jsonfeed.org/version/1.1"


class JsonFeed:
    name = "json"
    ending = "json"
    media_type = "application/feed+json"

    def write(self, document: FeedDocument) -> bytes:
        """The feed as JSON Feed 1.1 in UTF-8: the same document gives the same bytes."""
        feed = document.feed
        hub = address(document.hub)
        value = {
            "version": _VERSION,
            "title": line(feed.title) or feed.slug,
            "home_page_url": stated(feed.home_url),
            "feed_url": stated(self_address(document, self.ending)),
            "description": line(feed.description),
            "language": language(feed.language),
            "hubs": [{"type": "WebSub", "url": hub}] if hub else [],
        }
        items = [_item(entry(article)) for article in document.articles]
        return orjson.dumps(_filled(value) | {"items": items}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

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
        return _reading.unique(_read(item) for item in _list(feed, "items", ""))


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
        "tags": entry.categories,
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
