"""A newsroom's web site on loopback: WordPress REST API, RSS, and any other answer, well-behaved or not.

    with Newsroom() as site:
        site.publish("ferry", "Ferry returns", "The ferry sails again.")
        site.answer("/odd.xml", b"<rss/>", type="text/xml")
        site.misbehave("/slow", drip)

It enforces what WordPress 6.1 enforces: `per_page` of at most 100, a page past the end is 400,
`modified_after` without an offset is local time, `*_gmt` comes without Z, protected posts are listed empty.
Its own clock goes on by a minute with everything the newsroom does.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

Behaviour = Callable[["Request"], None]


@dataclass
class Post:
    id: int
    title: str
    text: str
    at: datetime
    modified: datetime
    excerpt: str = ""
    status: str = "publish"
    protected: bool = False
    broken: bool = False  # a plugin dies whenever this post is rendered
    author: int = 1
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    image: Mapping[str, Any] | None = None
    type: str = "posts"
    written_by: tuple[str, ...] = ()  # with Co-Authors Plus: the people, where they are others than the author
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Newsroom:
    title: str = "The Harbour Gazette"
    zone: str = "Europe/Dublin"
    folder: str = ""  # "/news": WordPress lives there
    pretty: bool = True  # False: only ?rest_route= works
    linked: bool = True  # the home page names the API
    users: dict[str, str] = field(default_factory=dict)  # when not empty, the API wants one of them
    api_status: int = 200  # 401, 403 or 404: the API is switched off
    most_per_page: int = 100  # fewer: a host that gives fewer posts at once than it is asked for
    left_out: set[int] = field(default_factory=set)  # posts that a plugin takes out of pages
    totals: bool = True  # False: a cache that drops X-WP-Total
    before_json: str = ""  # what a plugin prints before the JSON
    page_of_feed: int = 10
    tls: ssl.SSLContext | None = None
    now: datetime = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    posts: dict[str, Post] = field(default_factory=dict)
    authors: dict[int, dict[str, Any]] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)  # of Co-Authors Plus; not empty: it is installed
    requests: list[str] = field(default_factory=list)  # "GET /path?query", in order
    seen_headers: list[dict[str, str]] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self.answers: dict[str, Behaviour] = {}
        self.authors[1] = {"name": "Nora Quill", "url": "", "description": "", "link": "/author/nora/"}
        self.stopping = threading.Event()

    def __enter__(self) -> Newsroom:
        site = self

        class Handler(Request):
            newsroom = site

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.folder}/"

    # ------------------------------------------------ what the newsroom does

    def publish(self, name: str, title: str, text: str = "Nothing more is known.", **fields: Any) -> Post:
        at = fields.pop("at", self._tick())
        post = Post(len(self.posts) + 11, title, f"<p>{html.escape(text)}</p>", at, fields.pop("modified", self.now))
        for key, value in fields.items():
            setattr(post, key, value)
        self.posts[name] = post
        return post

    def edit(self, name: str, text: str) -> None:
        self.posts[name].text = f"<p>{html.escape(text)}</p>"
        self.posts[name].modified = self._tick()

    def trash(self, name: str) -> None:
        self.posts[name].status = "trash"
        self.posts[name].modified = self._tick()

    def spoil(self, name: str) -> None:
        self.posts[name].broken = True

    def answer(self, path: str, body: bytes = b"", *, status: int = 200, type: str = "text/html", **more: str) -> None:
        """Answer a path, the same each time. `Retry_After="9"` and such become headers."""
        headers = {"Content-Type": type, **{name.replace("_", "-"): value for name, value in more.items()}}
        self.answers[path] = lambda request: request.reply(status, body, headers)

    def misbehave(self, path: str, how: Behaviour) -> None:
        self.answers[path] = how

    def _tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Whoever reads may hang up whenever they like."""


class Request(BaseHTTPRequestHandler):
    """One request in hand."""

    newsroom: Newsroom
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        site, path = self.newsroom, urlsplit(self.path).path
        site.requests.append(f"GET {self.path}")
        site.seen_headers.append({name.lower(): value for name, value in self.headers.items()})
        if site.closed:
            drop(self)
        elif path in site.answers:
            site.answers[path](self)
        elif path.startswith(site.folder):
            self._wordpress(path.removeprefix(site.folder), dict(parse_qsl(urlsplit(self.path).query)))
        else:
            self.reply(404, b"<title>Not here</title>")

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    # ------------------------------------------------ WordPress

    def _wordpress(self, path: str, query: dict[str, str]) -> None:
        site = self.newsroom
        route = query.get("rest_route", "")
        if site.pretty and path.startswith("/wp-json"):
            route = path.removeprefix("/wp-json") or "/"
        if route:
            self._api(route, query)
        elif path == "/":
            link = {"Link": f'<{self._api_root()}>; rel="https://api.w.org/"'} if site.linked else {}
            self.reply(200, f"<html><title>{site.title}</title></html>".encode(), {"Content-Type": "text/html", **link})
        elif path == "/feed/":
            self._feed()
        else:
            self.reply(404, b"<title>Page not found</title>", {"Content-Type": "text/html"})

    def _api_root(self) -> str:
        return f"{self.newsroom.url}{'wp-json/' if self.newsroom.pretty else 'index.php?rest_route=/'}"

    def _api(self, route: str, query: dict[str, str]) -> None:
        site = self.newsroom
        if site.api_status != 200 or not self._allowed():
            status = site.api_status if site.api_status != 200 else 401
            self._json({"code": "rest_not_logged_in", "message": "Log in first."}, status)
        elif route == "/":
            zone = site.zone if "/" in site.zone else ""
            spaces = ["wp/v2", *(["coauthors/v1"] if site.people else [])]
            about = {"name": html.escape(site.title), "timezone_string": zone, "gmt_offset": 0, "namespaces": spaces}
            self._json(about)
        elif route == "/coauthors/v1/coauthors" and site.people:
            post = next(post for post in site.posts.values() if post.id == int(query["post_id"]))
            self._json([site.people[name] for name in post.written_by])
        elif route.startswith("/wp/v2/"):
            self._posts(route.removeprefix("/wp/v2/"), query)
        else:
            self._json({"code": "rest_no_route", "message": "No route was found."}, 404)

    def _allowed(self) -> bool:
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        known = {f"{name}:{password}".encode() for name, password in self.newsroom.users.items()}
        return not known or (kind == "Basic" and base64.b64decode(given) in known)

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        body = (self.newsroom.before_json + json.dumps(value)).encode()
        self.reply(status, body, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})})

    def _posts(self, kind: str, query: dict[str, str]) -> None:
        site = self.newsroom
        if kind not in {"posts", *(post.type for post in site.posts.values())}:
            self._json({"code": "rest_no_route", "message": "No route was found."}, 404)
            return
        per_page, page = int(query.get("per_page", 10)), int(query.get("page", 1))
        if not 1 <= per_page <= 100:
            self._json({"code": "rest_invalid_param", "message": "per_page must be between 1 and 100."}, 400)
            return
        found = [post for post in site.posts.values() if post.status == "publish" and post.type == kind]
        if "modified_after" in query:
            since = self._instant(query["modified_after"])
            found = [post for post in found if post.modified > since]
        if "include" in query:
            found = [post for post in found if str(post.id) in query["include"].split(",")]
        order = {"id": lambda p: p.id, "modified": lambda p: p.modified}.get(query.get("orderby", ""), lambda p: p.at)
        found.sort(key=order, reverse=query.get("order", "desc") == "desc")
        start = int(query.get("offset", (page - 1) * per_page))
        if "offset" not in query and page > 1 and start >= len(found):
            self._json({"code": "rest_post_invalid_page_number", "message": "No such page."}, 400)
            return
        per_page = min(per_page, site.most_per_page)
        self._page(found[start : start + per_page], len(found), query.get("_fields", ""))

    def _page(self, posts: list[Post], total: int, fields: str) -> None:
        if not fields and any(post.broken for post in posts):
            self.reply(500, b"<p>There has been a critical error on this website.</p>", {"Content-Type": "text/html"})
            return
        told = [self._post(post) for post in posts if post.id not in self.newsroom.left_out]
        if fields:
            told = [_only(post, fields.split(",")) for post in told]
        self._json(told, headers={"X-WP-Total": str(total)} if self.newsroom.totals else {})

    def _instant(self, value: str) -> datetime:
        given = datetime.fromisoformat(value)
        zone = ZoneInfo(self.newsroom.zone)
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)

    def _post(self, post: Post) -> dict[str, Any]:
        site, zone = self.newsroom, ZoneInfo(self.newsroom.zone)
        link = f"{site.url}{post.at:%Y/%m/%d}/{post.id}/"
        hidden = {"rendered": "", "protected": True}
        embedded: dict[str, Any] = {
            "author": [site.authors.get(post.author, {"code": "rest_user_invalid_id", "message": "Invalid user ID."})],
            "wp:term": [
                [{"taxonomy": "category", "name": html.escape(name)} for name in post.categories],
                [{"taxonomy": "post_tag", "name": html.escape(name)} for name in post.tags],
            ],
        }
        if site.people:
            writers = post.written_by or ("nora",)
            terms = [{"taxonomy": "author", "name": name, "slug": f"cap-{name}"} for name in writers]
            embedded["wp:term"].append(terms)
            embedded["author"][0] = {"slug": "nora", **embedded["author"][0]}
        if post.image:
            embedded["wp:featuredmedia"] = [post.image]
        return {
            "id": post.id,
            "date": f"{post.at.astimezone(zone):%Y-%m-%dT%H:%M:%S}",
            "date_gmt": f"{post.at:%Y-%m-%dT%H:%M:%S}",
            "guid": {"rendered": f"{site.url}?p={post.id}"},
            "modified": f"{post.modified.astimezone(zone):%Y-%m-%dT%H:%M:%S}",
            "modified_gmt": f"{post.modified:%Y-%m-%dT%H:%M:%S}",
            "link": link,
            "title": {"rendered": _texturised(post.title)},
            "content": hidden if post.protected else {"rendered": post.text, "protected": False},
            "excerpt": hidden if post.protected else {"rendered": post.excerpt or _auto_excerpt(post.text)},
            "author": post.author,
            "_embedded": embedded,
            **({"coauthors": [sum(map(ord, name)) for name in post.written_by or ("nora",)]} if site.people else {}),
            **post.extra,
        }

    # ------------------------------------------------ its feed

    def _feed(self) -> None:
        site = self.newsroom
        posts = sorted((p for p in site.posts.values() if p.status == "publish"), key=lambda p: p.at, reverse=True)
        items = "".join(self._item(post) for post in posts[: site.page_of_feed])
        head = f"<title>{html.escape(site.title)}</title><link>{site.url}</link><description/>"
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" '
            'xmlns:content="http://purl.org/rss/1.0/modules/content/">'
            f"<channel>{head}{items}</channel></rss>"
        ).encode()
        tag = f'"{hashlib.sha256(xml).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self.reply(304, b"", {"ETag": tag})
        else:
            self.reply(200, xml, {"ETag": tag, "Content-Type": "application/rss+xml; charset=UTF-8"})

    def _item(self, post: Post) -> str:
        if post.broken:
            return "<item></item>"
        return (
            f"<item><title>{html.escape(post.title)}</title><link>{self.newsroom.url}{post.id}/</link>"
            f'<guid isPermaLink="false">{self.newsroom.url}?p={post.id}</guid>'
            f"<pubDate>{format_datetime(post.at)}</pubDate>"
            f"<content:encoded><![CDATA[{post.text}]]></content:encoded></item>"
        )


def _only(post: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """`_fields` as WordPress takes it since 5.3: "content.protected" is a field of a field."""
    kept = {name: value for name, value in post.items() if name in names}
    for outer, _, inner in (name.partition(".") for name in names):
        if inner and isinstance(post.get(outer), dict) and inner in post[outer]:
            kept.setdefault(outer, {})[inner] = post[outer][inner]
    return kept


def _texturised(title: str) -> str:
    return html.escape(title, quote=False).replace("&amp;", "&#038;").replace(" — ", " &#8212; ")


def _auto_excerpt(text: str) -> str:
    return text if len(text) < 300 else f"{text[:280]} [&hellip;]</p>\n"


# ---------------------------------------------------------------- misbehaviour


def drop(request: Request) -> None:
    """Hang up without a word."""
    request.close_connection = True
    request.connection.close()


def hang(request: Request) -> None:
    """Take the request and say nothing until the site is shut."""
    request.newsroom.stopping.wait(60)
    drop(request)


def drip(request: Request) -> None:
    """Send the body a byte at a time, always quicker than a read timeout, and never end."""
    request.send_response(200)
    request.send_header("Content-Type", "text/xml")
    request.end_headers()
    _for_ever(request, b"<")


def drip_headers(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _for_ever(request, b"z")


def _for_ever(request: Request, byte: bytes) -> None:
    while not request.newsroom.stopping.wait(0.02):
        try:
            request.wfile.write(byte)
        except OSError:
            return


def huge(request: Request) -> None:
    """5 GB, announced."""
    request.send_response(200)
    request.send_header("Content-Length", str(5 * 10**9))
    request.end_headers()
    pour(request)


def endless(request: Request) -> None:
    """As much as anybody will read, unannounced."""
    request.send_response(200)
    request.end_headers()
    request.close_connection = True
    pour(request)


def bomb(request: Request) -> None:
    """About 1 MB that unpacks to 1 GB; gzip members may follow one another."""
    body = gzip.compress(b"\0" * 10_000_000) * 100
    request.reply(200, body, {"Content-Encoding": "gzip", "Content-Type": "text/xml"})


def broken_off(request: Request) -> None:
    """Announce more than is sent."""
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"<rss>")
    request.close_connection = True


def pour(request: Request) -> None:
    """Send a body without end."""
    block = b"x" * 65536
    until = time.monotonic() + 60
    while time.monotonic() < until and not request.newsroom.stopping.is_set():
        try:
            request.wfile.write(block)
        except OSError:
            return
