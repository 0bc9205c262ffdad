"""Hubs (WebSub, https://www.w3.org/TR/websub/): who a feed names, and asking one to tell us of news."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Final, Literal
from urllib.parse import urljoin

from publisher.fetchers._shared import absolute, fields, listed, read_json, words
from publisher.kit.http_session import Limits, open_session, post
from publisher.model import HubLease, HubLink

#: Seconds that are asked for. The hub may give more or less.
LEASE: Final = 10 * 24 * 3600

_LIMITS: Final = Limits(total=20.0, bytes=100_000)
_HEADER: Final = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]+))*)")
_LINK: Final = re.compile(r"<(?:[\w.-]+:)?link\s([^<>]*)>")
_ATTRIBUTE: Final = re.compile(r"(?<![\w-])([\w-]++)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;,\"']+))")
_ITEM: Final = re.compile(r"<(?:[\w.-]+:)?(?:item|entry)[\s/>]")
_LONGEST: Final = 2000  # characters of an address
_HEAD: Final = 200_000  # bytes of a document in which its links are looked for


class WebSub:
    """`ports.HubCaller`. `user_agent` is who asks."""

    def __init__(self, *, user_agent: str = "") -> None:
        self._user_agent = user_agent

    def ask(self, lease: HubLease, mode: Literal["subscribe", "unsubscribe"], *, allow_private: bool) -> None:
        """Section 5.1. Raises SourceUnavailable and SourceInvalid; a private address only with `allow_private`."""
        form = {"hub.mode": mode, "hub.topic": lease.topic, "hub.callback": lease.callback}
        if mode == "subscribe":
            form |= {"hub.secret": lease.secret, "hub.lease_seconds": str(LEASE)}
        with open_session(allow_private=allow_private, user_agent=self._user_agent) as session:
            post(session, lease.hub, form, limits=_LIMITS)


def hub_of(body: bytes, headers: Mapping[str, str], url: str) -> HubLink:
    """The hub of a feed that came from `url` (section 4): its Link headers go before what stands in it."""
    links = [*_in_header(headers.get("Link", "")), *_in_document(body)]
    found: dict[str, str] = {}
    for rel, address in links:
        if (whole := absolute(url, address)) and len(whole) <= _LONGEST:
            found.setdefault(rel, whole)
    if "hub" not in found:
        return HubLink()
    return HubLink(hub=found["hub"], topic=found.get("self") or urljoin(url, ""))


def _in_header(header: str) -> Iterator[tuple[str, str]]:
    """(rel, address) as RFC 8288 writes them."""
    for link in _HEADER.finditer(header):
        yield from ((rel, link[1]) for rel in _rels(_attributes(link[2])))


def _in_document(body: bytes) -> Iterator[tuple[str, str]]:
    text = body[:_HEAD].decode("utf-8", "replace")
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        yield from _in_json(body)
        return
    item = _ITEM.search(text)
    for link in _LINK.finditer(text, 0, item.start() if item else len(text)):
        attributes = _attributes(link[1])
        yield from ((rel, attributes.get("href", "")) for rel in _rels(attributes))


def _in_json(body: bytes) -> Iterator[tuple[str, str]]:
    try:
        feed = fields(read_json(body))
    except ValueError:
        return
    for hub in map(fields, listed(feed.get("hubs"))):
        if words(hub.get("type")).lower() == "websub":
            yield "hub", words(hub.get("url"))
    yield "self", words(feed.get("feed_url"))


def _attributes(text: str) -> dict[str, str]:
    return {one[1].lower(): unescape(one[2] or one[3] or one[4] or "") for one in _ATTRIBUTE.finditer(text)}


def _rels(attributes: Mapping[str, str]) -> set[str]:
    return {"hub", "self"}.intersection(attributes.get("rel", "").lower().split())
