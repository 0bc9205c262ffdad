"""Feeds over HTTP: a bare ASGI callable, because feed readers poll for years and most of them get a 304."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from publisher.compose import site_view
from publisher.model import Feed
from publisher.ports import Parts

#: Seconds that a feed reader may go without asking again.
MAX_AGE = 300
#: A feed's slug, for an archive page its number, and an ending. Nothing else is looked for in the folder.
FILE = re.compile(r"[a-z0-9][a-z0-9-]{0,199}(?:/[1-9][0-9]{0,8})?\.([a-z]{1,9})")

Headers = list[tuple[bytes, bytes]]
TEXT = (b"content-type", b"text/plain; charset=utf-8")


class FeedFiles:
    """Answers GET and HEAD for the files of the feed folder, with a strong ETag made from their content."""

    def __init__(self, parts: Parts) -> None:
        self._folder = parts.folder
        self._types = {format.ending: format.media_type.encode() for format in parts.formats.values()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(scope, send, 405, [TEXT, (b"allow", b"GET, HEAD")], b"Feeds can be read, nothing else.\n")
            return
        name = scope["path"].removeprefix("/feeds/")
        found = FILE.fullmatch(name)
        media_type = self._types.get(found[1]) if found else None
        data = await run_in_threadpool(self._folder.get, name) if media_type else None
        if data is None or media_type is None:
            await _answer(scope, send, 404, [TEXT], b"There is no such feed.\n")
            return
        etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'.encode()
        headers = [(b"etag", etag), (b"cache-control", b"public, max-age=%d" % MAX_AGE)]
        if matches(etag, (value for key, value in scope["headers"] if key == b"if-none-match")):
            await _answer(scope, send, 304, headers)
        else:
            await _answer(scope, send, 200, [(b"content-type", media_type), *headers], data)


def matches(etag: bytes, values: Iterable[bytes]) -> bool:
    """If-None-Match (RFC 9110 section 13.1.2): a list, weak or strong, or a star."""
    tags = {tag.strip().removeprefix(b"W/") for value in values for tag in value.split(b",")}
    return etag in tags or b"*" in tags


async def _answer(scope: Scope, send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """Feeds are public: readers that run in a browser may read whatever we answer."""
    headers = [(b"access-control-allow-origin", b"*"), *headers]
    if status != 304:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def index(parts: Parts) -> Response:
    """All feeds that are there, as a page with autodiscovery links."""
    html = await run_in_threadpool(_index, parts)
    return HTMLResponse(html, headers={"cache-control": f"public, max-age={MAX_AGE}"})


def _index(parts: Parts) -> str:
    there = frozenset(parts.folder.names())
    linked = [(feed, _links(feed, parts, there)) for feed in parts.store.feeds.all()]
    feeds = [{"title": feed.title, "description": feed.description, "links": links} for feed, links in linked if links]
    values = {"site": site_view(parts.site), "feeds": feeds}
    return parts.templates.render("web/public/feeds.html", values, language=parts.site.language)


def _links(feed: Feed, parts: Parts, there: frozenset[str]) -> list[Mapping[str, str]]:
    """The formats of a feed that are in the folder: one that was never built would lead nowhere."""
    formats = {f"{feed.slug}.{parts.formats[name].ending}": parts.formats[name] for name in feed.formats}
    return [
        {"name": format.name, "url": f"/feeds/{file}", "type": format.media_type}
        for file, format in formats.items()
        if file in there
    ]
