"""The REST API of a WordPress site: where it is, and asking it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import requests

from publisher.errors import SourceError, SourceInvalid
from publisher.fetchers._encodings import decoded
from publisher.fetchers._shared import (
    Broken,
    absolute,
    credentials,
    fields,
    line,
    listed,
    not_a,
    of_one_post,
    read_json,
    words,
)
from publisher.kit.http_session import Limits, Reply, get, shown
from publisher.model import Source

_LINK_HEADER = re.compile(r"<([^<>]{1,2000})>\s*;[^,]{0,200}?https://api\.w\.org/")
_LINK_TAG = re.compile(r"<link\b[^<>]{0,500}https://api\.w\.org/[^<>]{0,500}>", re.IGNORECASE)
_HREF = re.compile(r"href\s*=\s*[\"']?([^\"'\s<>]+)", re.IGNORECASE)
_ANSWERS = (400, 401, 403, 404)  # with a reason in their body


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """A site's API. `zone` is the site's own, as an IANA name or in hours from UTC."""

    session: requests.Session
    root: str
    auth: tuple[str, str] | None = field(repr=False)
    limits: Limits
    title: str = ""
    zone: str = ""
    coauthors: bool = False  # several people may have written a post, and there is a route to ask for them

    def posts(self, kind: str, **parameters: object) -> tuple[list[Mapping[str, Any]], int | None]:
        """One page of posts, and how many there are in all, where that is told. Past the end it is empty.

        Raises SourceUnavailable, SourceInvalid, and Broken for what one bad post may cause.
        """
        with of_one_post():
            reply = self._ask(f"/wp/v2/{kind}", parameters)
        answer = _json(reply)
        if reply.status in _ANSWERS:
            if fields(answer).get("code") == "rest_post_invalid_page_number":
                return [], 0
            raise self._refusal(reply, answer, kind)
        if not isinstance(answer, list):
            raise Broken(not_a("a list of posts", shown(reply.url), decoded(reply.body, "")))
        total = reply.headers.get("X-WP-Total", "")
        return [fields(post) for post in answer], int(total) if re.fullmatch(r"\d{1,9}", total) else None

    def index(self) -> Api:
        """This API with its title and zone. Raises SourceInvalid when nothing here is a WordPress API."""
        reply = self._ask("/", {"_fields": "name,namespaces,timezone_string,gmt_offset"})
        answer = _json(reply)
        if reply.status in _ANSWERS:
            raise self._refusal(reply, answer, "")
        about = fields(answer)
        namespaces = listed(about.get("namespaces"))
        if "wp/v2" not in namespaces:
            raise not_a("a WordPress API", shown(reply.url), decoded(reply.body, ""))
        zone = words(about.get("timezone_string")) or words(about.get("gmt_offset"))
        coauthors = "coauthors/v1" in namespaces
        return replace(self, title=line(words(about.get("name"))), zone=zone, coauthors=coauthors)

    def ask(self, route: str, parameters: Mapping[str, object]) -> object:
        """What a route answers, None where it shows that to nobody. Raises SourceUnavailable and SourceInvalid."""
        reply = self._ask(route, parameters)
        return None if reply.status in _ANSWERS else _json(reply)

    def _ask(self, route: str, parameters: Mapping[str, object]) -> Reply:
        parts = urlsplit(self.root)
        query = dict(parse_qsl(parts.query))
        if "rest_route" in query:
            query["rest_route"], path = route, parts.path
        else:
            path = parts.path.rstrip("/") + route
        query |= {name: str(value) for name, value in parameters.items()}
        url = urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))
        return get(self.session, url, auth=self.auth, limits=self.limits, accept=_ANSWERS)

    def _refusal(self, reply: Reply, answer: object, kind: str) -> SourceInvalid:
        about = fields(answer)
        code, reason = words(about.get("code")), line(words(about.get("message")))[:200]
        said = f" ({reason})" if reason else ""
        if reply.status in (401, 403):
            remedy = "mend username and password_env" if self.auth else "set username and password_env"
            told = f"{shown(reply.url)} shows its API to nobody{' else' if self.auth else ''}{said}: {remedy}"
        elif kind and code == "rest_no_route":
            told = f"{shown(reply.url)} has no posts of the type {kind!r}: correct post_types"
        else:
            told = f"{shown(reply.url)} does not answer as WordPress does (status {reply.status}){said}"
        return SourceInvalid(told, url=shown(reply.url), status=reply.status)


def _json(reply: Reply) -> object:
    try:
        return read_json(reply.body)
    except ValueError:
        return None


# ---------------------------------------------------------------- where it is


def find(session: requests.Session, source: Source, limits: Limits, *, known: str = "") -> Api:
    """The API of the site at the source's address. Raises SourceUnavailable, and SourceInvalid with the way out."""
    refused: SourceError | None = None
    tried: set[str] = set()
    for root in _places(session, source, limits, known):
        if root in tried:
            continue
        tried.add(root)
        auth = credentials(source) if _same_site(source.url, root) else None
        try:
            return Api(session=session, root=root, auth=auth, limits=limits).index()
        except SourceInvalid as error:
            # The most telling one: an API that is there and closed says more than a page that is none.
            refused = error if refused is None or error.ids.get("status") in (401, 403) else refused
    home = urljoin(source.url, "feed/")
    raise SourceInvalid(
        f"{shown(source.url)} opens no WordPress API: {refused}; or take its feed instead: "
        f'kind = "syndication", url = "{shown(home)}"',
        url=shown(source.url),
    ) from refused


def _places(session: requests.Session, source: Source, limits: Limits, known: str) -> Iterator[str]:
    if known:
        yield known
    if "rest_route=" in source.url or "/wp-json" in source.url:
        yield source.url
    try:
        home = get(session, source.url, auth=credentials(source), limits=limits)
    except SourceInvalid:
        base = source.url
    else:
        base = home.url
        yield from links(home)
    folder = base.partition("?")[0].rstrip("/")
    yield f"{folder}/wp-json/"
    yield f"{folder}/?rest_route=/"


def links(page: Reply) -> Iterator[str]:
    """The addresses that a page of a WordPress site gives for the site's API."""
    header = _LINK_HEADER.search(page.headers.get("Link", "")[:10_000])
    tag = _LINK_TAG.search(decoded(page.body[:200_000], page.headers.get("Content-Type", "")))
    href = tag and _HREF.search(tag[0])
    named = (header and header[1], href and unescape(href[1]))
    yield from filter(None, (absolute(page.url, address) for address in named))


def _same_site(one: str, other: str) -> bool:
    """Whether a password meant for `one` may be shown to `other`: the same host, and never less protected."""
    here, there = urlsplit(one), urlsplit(other)
    hosts = {(here.hostname or "").removeprefix("www."), (there.hostname or "").removeprefix("www.")}
    return len(hosts) == 1 and there.scheme in (here.scheme, "https")


def zone_of(name: str) -> tzinfo:
    """A site's zone by IANA name or by hours from UTC ("5.5"); UTC when it is neither."""
    try:
        return timezone(timedelta(hours=float(name)))
    except ValueError:
        pass
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # unknown names, and such as "../etc"
        return UTC


def overlap(since: datetime, zone: tzinfo) -> timedelta:
    """How far before `since` to ask for changes, so that none is missed.

    A second, since equal times must be read again; and where the site's clocks went back in the hours after
    `since`, as much as they did: WordPress compares its local times.
    """
    later = [since + timedelta(hours=hours) for hours in (1, 2, 3)]
    offset = since.astimezone(zone).utcoffset() or timedelta()
    lowest = min(moment.astimezone(zone).utcoffset() or timedelta() for moment in later)
    return timedelta(seconds=1) + max(timedelta(), offset - lowest)
