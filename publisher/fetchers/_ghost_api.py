"""The Content API of a Ghost site (https://ghost.org/docs/content-api/): where it is, its key, and asking it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import requests

from publisher.errors import SourceInvalid
from publisher.fetchers._encodings import decoded
from publisher.fetchers._shared import absolute, fields, line, listed, not_a, of_one_post, read_json, whole, words
from publisher.kit.http_session import Limits, Reply, get, shown
from publisher.model import Source

_ANSWERS: Final = (400, 401, 403, 404, 422)  # with a reason in their body
_VERSION: Final = {"Accept-Version": "v5.0"}
#: What Ghost's own scripts (portal, search) carry in every page: the key that a browser reads the site with.
_SCRIPT = re.compile(r"<script\b[^<>]{0,2000}\bdata-key\s*=\s*[\"']([0-9a-f]{20,64})[\"'][^<>]{0,2000}>", re.IGNORECASE)
_PLACE = re.compile(r"\bdata-api\s*=\s*[\"']([^\"'<>]{1,500})[\"']", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    title: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    session: requests.Session
    root: str  # ends with /ghost/api/content/
    key: str = field(repr=False)
    limits: Limits
    own_key: bool  # the settings name it; without one the site's pages tell it

    def posts(self, **parameters: object) -> tuple[Sequence[Mapping[str, Any]], int | None]:
        """Posts, and how many there are in all, where that is told.

        Raises SourceUnavailable, SourceInvalid, and Broken for what one bad post may cause.
        """
        with of_one_post():
            answer = self._ask("posts", parameters)
        total = fields(fields(answer.get("meta")).get("pagination")).get("total")
        posts = [fields(post) for post in listed(answer.get("posts"))]
        return posts, whole(total) if isinstance(total, int) else None

    def site(self) -> Site:
        """Raises SourceUnavailable, and SourceInvalid when nothing here is a Content API."""
        told = fields(self._ask("settings", {}).get("settings"))
        language = words(told.get("locale")) or words(told.get("lang"))
        return Site(title=line(words(told.get("title"))), language=language)

    def _ask(self, resource: str, parameters: Mapping[str, object]) -> Mapping[str, Any]:
        url = f"{self.root}{resource}/?{urlencode({'key': self.key, **parameters})}"
        reply = get(self.session, url, headers=_VERSION, limits=self.limits, accept=_ANSWERS)
        try:
            answer = fields(read_json(reply.body))
        except ValueError:
            answer = {}
        if reply.status in _ANSWERS:
            raise self._refusal(reply, answer)
        if resource not in answer:
            raise not_a("Ghost's Content API", shown(self.root), decoded(reply.body, ""))
        return answer

    def _refusal(self, reply: Reply, answer: Mapping[str, object]) -> SourceInvalid:
        reason = line(words(fields(next(iter(listed(answer.get("errors"))), None)).get("message")))[:200]
        said = f" ({reason})" if reason else ""
        if reply.status in (401, 403):
            remedy = "mend key_env" if self.own_key else "make a Content API key (Integrations) and name it in key_env"
            told = f"{shown(self.root)} does not take this key{said}: {remedy}"
        elif reply.status == 404:
            told = f"{shown(self.root)} is no Content API of Ghost: set url to the address of the site"
        else:
            told = f"{shown(self.root)} does not answer as Ghost does (status {reply.status}){said}"
        return SourceInvalid(told, url=shown(self.root), status=reply.status)


def find(session: requests.Session, source: Source, limits: Limits) -> Api:
    """The API of the site at the source's address, with the key of the settings or else the one its pages carry.

    Raises SourceUnavailable, and SourceInvalid with the way out.
    """
    key = source.secrets.get("key", "")
    if key:
        root = urljoin(source.url.partition("?")[0].rstrip("/") + "/", "ghost/api/content/")
        return Api(session=session, root=root, key=key, limits=limits, own_key=True)
    found = in_page(session, get(session, source.url, limits=limits), limits)
    if found is None:
        raise SourceInvalid(
            f"{shown(source.url)} shows no key of Ghost's Content API: make one (Settings, Integrations, Add custom "
            "integration) and name it in key_env",
            url=shown(source.url),
        )
    return found


def in_page(session: requests.Session, page: Reply, limits: Limits) -> Api | None:
    """The API that a page of a Ghost site names to its own scripts, with the key it gives them."""
    script = _SCRIPT.search(decoded(page.body[:500_000], page.headers.get("Content-Type", "")))
    if not script:
        return None
    place = _PLACE.search(script[0])
    named = absolute(page.url, unescape(place[1])) if place else ""
    root = named if named.rstrip("/").endswith("/ghost/api/content") else urljoin(page.url, "/ghost/api/content/")
    return Api(session=session, root=root.rstrip("/") + "/", key=script[1], limits=limits, own_key=False)
