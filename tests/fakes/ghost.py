"""A Ghost site on loopback: its Content API, its home page with the scripts that carry a key, and its feed.

    with GhostSite() as site:
        site.publish("ferry", "Ferry returns", "The ferry sails again.")

It enforces what Ghost 6 enforces: a key of the Content API (401 for an unknown one, 403 without any), at most 100 posts
at once whatever is asked, 15 unless asked, 400 for a filter that is no NQL or an order that is none, authors and tags
only when included, times in whole seconds, only published posts, of a members' post only what comes before its wall.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.newsroom import Newsroom, Post, Request

_TOKEN = re.compile(r"\s*([()+,]|([a-z_]+):(>=|<=|>|<)?('[^']*'|[\w.-]+))")
_FIELDS = {"id", "updated_at", "published_at", "visibility", "featured", "slug"}
_ERRORS = {400: "BadRequestError", 401: "UnauthorizedError", 403: "NoPermissionError", 404: "NotFoundError"}
_WALL = "<!--members-only-->"


@dataclass
class GhostSite(Newsroom):
    key: str = "22444f78447824223cefc48062"
    scripts: bool = True  # its pages carry the key
    language: str = "en"
    moved_to: str = ""  # the API is at another origin

    def __post_init__(self) -> None:
        super().__post_init__()
        self.api_status = 404  # there is no WordPress here
        self.authors[1] |= {"bio": "", "website": None}
        for path, how in (
            ("", _home),
            ("ghost/api/content/posts/", _posts),
            ("ghost/api/content/settings/", _settings),
        ):
            self.misbehave(f"{self.folder}/{path}", how)
        self.misbehave(f"{self.folder}/rss/", lambda request: request._feed())


def _home(request: Request) -> None:
    site: Any = request.newsroom
    script = (
        f'<script defer src="https://cdn.example/portal.min.js" data-i18n="true" data-ghost="{site.url}" '
        f'data-key="{site.key}" data-api="{site.url}ghost/api/content/" data-locale="en"></script>'
    )
    head = f'<meta name="generator" content="Ghost 6.2"><title>{site.title}</title>{script if site.scripts else ""}'
    feed = '<link rel="alternate" type="application/rss+xml" title="x" href="/rss/">'
    request.reply(200, f"<html lang='en'><head>{head}{feed}</head></html>".encode(), {"Content-Type": "text/html"})


def _settings(request: Request) -> None:
    site: Any = request.newsroom
    if _query(request) is not None:
        _json(request, {"settings": {"title": site.title, "lang": site.language, "locale": site.language}, "meta": {}})


def _posts(request: Request) -> None:
    query = _query(request)
    if query is None:
        return
    site: Any = request.newsroom
    try:
        wanted = _nql(query.get("filter", ""))
        order = [_ordered(part) for part in query.get("order", "published_at desc").split(",")]
        limit = min(100, int(query.get("limit", 15))) if query.get("limit") != "all" else 100
        page = int(query.get("page", 1))
    except ValueError as error:
        _error(request, 400, str(error))
        return
    found = [
        (post, told) for post in site.posts.values() if post.status == "publish" and wanted(told := _post(site, post))
    ]
    for name, backwards in reversed(order):
        found.sort(key=lambda one: one[1][name], reverse=backwards)
    chosen = found[(page - 1) * limit : page * limit]
    fields = query.get("fields", "")
    if not fields and any(post.broken for post, _ in chosen):
        _error(request, 500, "An unexpected error occurred, please try again.")
        return
    included = query.get("include", "").split(",")
    pages = max(1, -(-len(found) // limit))
    pagination = {"page": page, "limit": limit, "pages": pages, "total": len(found), "next": None, "prev": None}
    told = [_shown(post, fields.split(",") if fields else [], included) for _, post in chosen]
    _json(request, {"posts": told, **({"meta": {"pagination": pagination}} if site.totals else {})})


def _query(request: Request) -> dict[str, str] | None:
    """What is asked, None when that was answered already, for want of a key."""
    site: Any = request.newsroom
    query = dict(parse_qsl(urlsplit(request.path).query))
    if site.moved_to:
        request.reply(301, b"", {"Location": f"{site.moved_to}{request.path}"})
    elif "key" not in query:
        _error(request, 403, "Authorization failed")
    elif query["key"] != site.key:
        _error(request, 401, "Unknown Content API Key")
    else:
        return query
    return None


def _error(request: Request, status: int, message: str) -> None:
    _json(request, {"errors": [{"message": message, "type": _ERRORS.get(status, "InternalServerError")}]}, status)


def _json(request: Request, value: Any, status: int = 200) -> None:
    request.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8"})


def _post(site: Any, post: Post) -> dict[str, Any]:
    visibility = post.extra.get("visibility", "public")
    text = post.text if visibility == "public" else post.text.partition(_WALL)[0] if _WALL in post.text else ""
    tags = [
        {"name": name, "slug": name.lower(), "visibility": "internal" if name[0] == "#" else "public"}
        for name in post.tags
    ]
    author = {"id": "1", "url": f"{site.url}author/nora/", **site.authors.get(post.author, {})}
    return {
        "id": f"{post.id:024x}",
        "title": post.title,
        "html": text,
        "custom_excerpt": post.excerpt or None,
        "excerpt": post.text[:300],
        "url": f"{site.url}{post.id}/",
        "feature_image": None,
        "visibility": visibility,
        "access": visibility == "public",
        "published_at": _iso(post.at),
        "updated_at": _iso(post.modified),
        "tags": tags,
        "primary_tag": next((tag for tag in tags if tag["visibility"] == "public"), None),
        "authors": [author],
        "primary_author": author,
        **post.extra,
    }


def _shown(post: dict[str, Any], fields: list[str], included: list[str]) -> dict[str, Any]:
    hidden = {"tags": ("tags", "primary_tag"), "authors": ("authors", "primary_author")}
    left_out = {field for name, fields in hidden.items() if name not in included for field in fields}
    return {name: value for name, value in post.items() if name not in left_out and (not fields or name in fields)}


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")


# ---------------------------------------------------------------- NQL, as much of it as is spoken here


def _ordered(part: str) -> tuple[str, bool]:
    name, _, direction = part.strip().partition(" ")
    if name not in _FIELDS or direction.lower() not in ("asc", "desc"):
        raise ValueError(f"Order {part!r} is none.")
    return name, direction.lower() == "desc"


def _nql(text: str) -> Callable[[dict[str, Any]], bool]:
    """A filter as a question to a post. Raises ValueError."""
    tokens: list[re.Match[str]] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise ValueError(f"Query Error: unexpected character in filter at char {place + 1}")
        tokens.append(found)
        place = found.end()
    if not tokens:
        return lambda post: True
    asked = _either(tokens)
    if tokens:
        raise ValueError("Query Error: unexpected end of filter")
    return asked


def _either(tokens: list[re.Match[str]]) -> Callable[[dict[str, Any]], bool]:
    parts = [_both(tokens)]
    while tokens and tokens[0][1] == ",":
        tokens.pop(0)
        parts.append(_both(tokens))
    return lambda post: any(part(post) for part in parts)


def _both(tokens: list[re.Match[str]]) -> Callable[[dict[str, Any]], bool]:
    parts = [_one(tokens)]
    while tokens and tokens[0][1] == "+":
        tokens.pop(0)
        parts.append(_one(tokens))
    return lambda post: all(part(post) for part in parts)


def _one(tokens: list[re.Match[str]]) -> Callable[[dict[str, Any]], bool]:
    if not tokens:
        raise ValueError("Query Error: unexpected end of filter")
    token = tokens.pop(0)
    if token[1] == "(":
        inner = _either(tokens)
        if not tokens or tokens.pop(0)[1] != ")":
            raise ValueError("Query Error: a bracket is open")
        return inner
    if not token[2] or token[2] not in _FIELDS:
        raise ValueError(f"Query Error: {token[1]!r}")
    name, how, value = token[2], token[3] or "=", token[4].strip("'")

    def asked(post: dict[str, Any]) -> bool:
        has, given = post[name], value
        if name.endswith("_at"):
            has, given = has[:19].replace("T", " "), datetime.fromisoformat(given).strftime("%Y-%m-%d %H:%M:%S")
        return {"=": has == given, ">": has > given, ">=": has >= given, "<": has < given, "<=": has <= given}[how]

    return asked
