"""Feeds over HTTP: a bare ASGI callable, because feed readers poll for years and most of them get a 304.

What was read is kept with the stamp of its file and the heads of its answers, and a look at the stamp comes before
every answer; so a file that was replaced or taken away is never answered for with what stood there before.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate

from starlette.concurrency import run_in_threadpool
from starlette.types import Scope, Send

from publisher.kit import compression
from publisher.model import MAX_AGE, FileStamp
from publisher.ports import Parts
from publisher.syndicate import base_url
from publisher.web.conditional import codings, matches, part, still_whole, unmodified
from publisher.web.safety import SECURITY

#: A feed's slug, for an archive page its number, or a file in a newsletter's archive; and an ending. Nothing else is
#: looked for in the folder.
_NAME = "[a-z0-9][a-z0-9-]{0,199}"
FILE = re.compile(rf"(?:archive/{_NAME}/{_NAME}|{_NAME}(?:/[1-9][0-9]{{0,8}})?)\.([a-z]{{1,9}})")
#: Bytes of files, compressed copies included, that are kept in memory.
MOST_KEPT = 64_000_000
#: Seconds. A stamp that is younger when its file is read may be shared by the next version: file systems count in
#: milliseconds at best.
SETTLED = 2.0

#: By ending: what stands beside feeds.
BESIDE = {
    "html": b"text/html; charset=utf-8",
    "opml": b"text/x-opml; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "jpg": b"image/jpeg",
    "png": b"image/png",
}
FEEDS = "/feeds/"
INDEX = "index.html"

Headers = list[tuple[bytes, bytes]]
TEXT = (b"content-type", b"text/plain; charset=utf-8")
KEPT = (b"cache-control", b"public, max-age=%d" % MAX_AGE)
VARY = (b"vary", b"Accept-Encoding")
#: Feeds are public: readers that run in a browser may read whatever we answer, and see what to ask with next time.
ANYBODY = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag"),
    *SECURITY,
]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `head` is the status line and the headers as HTTP/1.1 writes them, where it is worth keeping:
    for what most readers get."""

    status: int
    headers: Headers
    body: bytes = b""
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A file in one coding, and all that tells of it."""

    etag: bytes
    known: Answer
    whole: Answer


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: FileStamp
    settled: bool
    digest: str
    changed_at: int | None  # POSIX seconds, as Last-Modified tells it
    copies: Mapping[bytes, _Copy]  # by coding; b"" is the file as it is
    size: int


class FeedFiles:
    """Answers GET and HEAD for the files of the feed folder, each in up to three codings with an ETag of its own."""

    def __init__(self, parts: Parts) -> None:
        self._folder = parts.folder
        self._endings = frozenset(format.ending for format in parts.formats.values())
        self._hub, self._base = parts.site.hub, base_url(parts.site)
        self._types = {format.ending: format.media_type.encode() for format in parts.formats.values()} | BESIDE
        self._kept: dict[str, _Kept] = {}
        self._reading: dict[tuple[str, FileStamp], asyncio.Future[_Kept | None]] = {}

    async def answer(self, scope: Scope, send: Send) -> bool:
        """False, and nothing is sent, at the folder's own address while there is no list of feeds. Raises FolderError
        before anything is sent."""
        found = await self._answer(scope)
        if found is None:
            return False
        await send({"type": "http.response.start", "status": found.status, "headers": found.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else found.body})
        return True

    def ready(self, scope: Scope) -> Answer | None:
        """The same answer without waiting for anything, when it is kept and has a `head`."""
        if not self._folder.near or scope["method"] != "GET":
            return None
        name = _name(scope)
        kept = self._kept.get(name)
        if not kept or not kept.settled or kept.stamp != self._folder.stamp(name):
            return None
        answer = _told(scope, kept)
        return answer if answer.head else None

    async def _answer(self, scope: Scope) -> Answer | None:
        if scope["method"] not in ("GET", "HEAD"):
            return PREFLIGHT if scope["method"] == "OPTIONS" else NOT_ALLOWED
        name = _name(scope)
        found = FILE.fullmatch(name)
        file = await self._file(name) if found and found[1] in self._types else None
        if file is not None:
            return _told(scope, file)
        if name == INDEX:
            return None
        if found and found[1] in self._types and await run_in_threadpool(self._folder.is_gone, name):
            return GONE
        return UNKNOWN

    async def _file(self, name: str) -> _Kept | None:
        folder = self._folder
        stamp = folder.stamp(name) if folder.near else await run_in_threadpool(folder.stamp, name)
        kept = self._kept.get(name)
        if stamp is None:
            self._kept.pop(name, None)
            return None
        if kept and kept.settled and kept.stamp == stamp:
            return kept
        return await self._read_once(name, stamp)

    async def _read_once(self, name: str, stamp: FileStamp) -> _Kept | None:
        """However many ask for a new file at the same time, it is read and compressed for all of them."""
        reading = self._reading.get((name, stamp))
        if reading is None:
            reading = asyncio.ensure_future(run_in_threadpool(self._read, name, stamp, self._kept.get(name)))
            self._reading[name, stamp] = reading
            reading.add_done_callback(lambda _: self._reading.pop((name, stamp), None))
        file = await asyncio.shield(reading)
        self._keep(name, file)
        return file

    def _read(self, name: str, stamp: FileStamp, last: _Kept | None) -> _Kept | None:
        now, data = time.time(), self._folder.get(name)
        if data is None:
            return None
        told = [(b"content-type", self._types[name.rpartition(".")[2]]), *self._links(name)]
        return _read(data, told, stamp, last, now=now)

    def _links(self, name: str) -> Headers:
        """How a subscriber finds the hub (WebSub section 4) without reading the feed. Archive pages have none."""
        if not self._hub or "/" in name or name.rpartition(".")[2] not in self._endings:
            return []
        return [(b"link", f'<{self._hub}>; rel="hub", <{self._base}/{name}>; rel="self"'.encode())]

    def _keep(self, name: str, file: _Kept | None) -> None:
        self._kept.pop(name, None)
        if file is not None:
            self._kept[name] = file  # the newest last
        while sum(kept.size for kept in self._kept.values()) > MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))


def _read(data: bytes, about: Headers, stamp: FileStamp, last: _Kept | None, *, now: float) -> _Kept:
    digest = hashlib.sha256(data).hexdigest()[:32]
    told = int(stamp.changed_at)
    changed_at = told if told < int(now) else None  # the second is not over: another version may share it
    if last is not None and last.digest == digest:
        bodies = {coding: copy.whole.body for coding, copy in last.copies.items()}
    else:
        bodies = {b"": data, **{name.encode(): body for name, body in compression.copies(data).items()}}
    copies = {coding: _copy(body, digest, coding, about, changed_at) for coding, body in bodies.items()}
    return _Kept(
        stamp=stamp,
        settled=stamp.changed_at < now - SETTLED,
        digest=digest,
        changed_at=changed_at,
        copies=copies,
        size=sum(len(body) for body in bodies.values()),
    )


def _copy(body: bytes, digest: str, coding: bytes, about: Headers, changed_at: int | None) -> _Copy:
    etag = b'"%s%s"' % (digest.encode(), b"-" + coding if coding else b"")
    known = [(b"etag", etag), KEPT, VARY, *ANYBODY]
    if changed_at is not None:
        known.append((b"last-modified", formatdate(changed_at, usegmt=True).encode()))
    told = [*about, (b"accept-ranges", b"bytes")]
    if coding:
        told.append((b"content-encoding", coding))
    whole = [*told, *known, _length(len(body))]
    return _Copy(
        etag=etag,
        known=Answer(304, known, head=_head(b"304 Not Modified", known)),
        whole=Answer(200, whole, body, head=_head(b"200 OK", whole)),
    )


def _head(status: bytes, headers: Headers) -> bytes:
    return b"".join((b"HTTP/1.1 ", status, b"\r\n", *(b"%s: %s\r\n" % header for header in headers)))


def _name(scope: Scope) -> str:
    return str(scope["path"]).removeprefix(FEEDS) or INDEX


def _told(scope: Scope, file: _Kept) -> Answer:
    """RFC 9110 section 13.2.2: If-None-Match first, and If-Modified-Since only without it; then the range."""
    tags: list[bytes] = []
    since = accepted = asked = condition = b""
    for key, value in scope["headers"]:
        if key == b"if-none-match":
            tags.append(value)
        elif key == b"if-modified-since":
            since = value
        elif key == b"accept-encoding":
            accepted = value if not accepted else accepted + b"," + value
        elif key == b"range":
            asked = value
        elif key == b"if-range":
            condition = value
    coding = next((coding for coding in codings(accepted) if coding in file.copies), b"") if accepted else b""
    copy = file.copies[coding]
    if matches(copy.etag, tags) if tags else bool(since) and unmodified(file.changed_at, since):
        return copy.known
    if asked and scope["method"] == "GET" and (not condition or still_whole(condition, copy.etag, file.changed_at)):
        wanted = part(asked, len(copy.whole.body))
        if wanted is not None:
            return _part(copy.whole, wanted)
    return copy.whole


def _part(whole: Answer, wanted: range) -> Answer:
    size = len(whole.body)
    if not wanted:
        return _said(416, [TEXT, (b"content-range", b"bytes */%d" % size)], b"The feed is shorter than that.\n")
    place = b"bytes %d-%d/%d" % (wanted.start, wanted.stop - 1, size)
    headers = [*whole.headers[:-1], (b"content-range", place), _length(len(wanted))]
    return Answer(206, headers, whole.body[wanted.start : wanted.stop])


def _length(size: int) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % size)


def _said(status: int, headers: Headers, body: bytes) -> Answer:
    return Answer(status, [*headers, *ANYBODY, _length(len(body))], body)


#: A browser asks before it sends a condition or a range to another site (the Fetch standard, section 4.8).
PREFLIGHT = Answer(
    204,
    [
        *ANYBODY,
        (b"access-control-allow-methods", b"GET, HEAD"),
        (b"access-control-allow-headers", b"If-Modified-Since, If-None-Match, If-Range, Range"),
        (b"access-control-max-age", b"86400"),
    ],
)
NOT_ALLOWED = _said(405, [TEXT, (b"allow", b"GET, HEAD, OPTIONS")], b"Feeds can be read, nothing else.\n")
GONE = _said(410, [TEXT, KEPT], b"This feed has ended, and will not come back.\n")
UNKNOWN = _said(404, [TEXT], b"There is no such feed.\n")
