"""RSS 0.9x to 2.0, Atom and JSON Feed, from one address."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from publisher.fetchers._again import whole_again
from publisher.fetchers._encodings import in_utf8
from publisher.fetchers._json_feed import read_json_feed
from publisher.fetchers._shared import Before, Reading, count, credentials, whole
from publisher.fetchers._xml_feed import read_xml
from publisher.fetchers.websub import hub_of
from publisher.kit.html import scrub
from publisher.kit.http_session import Limits, Reply, fresh_for, get, open_session
from publisher.model import Fetched, FetchedArticle, Refusal, SecondLook, Source
from publisher.ports import Known, nothing_known

_ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5"
_VALIDATOR = re.compile(r"[\x21-\x7e\x80-\xff][\x20-\x7e\x80-\xff]{0,999}")


class Syndication:
    """Fetches one feed. Its cursor holds the validators of the last answer, so an unchanged feed costs a 304, and how
    long the feed asked to be left alone.

    `user_agent` is who asks, such as "Publisher/1.0 (+https://harbour-gazette.example)".
    """

    def __init__(self, *, user_agent: str = "", limits: Limits = Limits()) -> None:
        self._user_agent = user_agent
        self._limits = limits

    def fetch(
        self,
        source: Source,
        *,
        now: datetime,  # noqa: ARG002  # the port's
        known: Known = nothing_known,
    ) -> Iterator[Fetched]:
        """One page, as `ports.Fetcher` says. Raises SourceUnavailable and SourceInvalid."""
        # Validators belong to an address: after the settings changed it, they would hide the new feed.
        cursor = source.cursor if source.cursor.get("url") == source.url else {}
        reply = self._ask(source, cursor)
        if reply.status == 304:
            yield Fetched(articles=(), cursor=source.cursor, unchanged=True, next_look=_next_look(reply, cursor))
            return
        before = Before(known=known, by_address=source.identity == "url")
        reading = read(reply.body, reply.headers.get("Content-Type", ""), reply.url, before)
        validators = {"etag": _validator(reply, "ETag"), "last_modified": _validator(reply, "Last-Modified")}
        asked = reading.next_look.total_seconds() if reading.next_look else 0
        cursor = {"url": source.url, **validators, "next_look": asked}
        yield Fetched(
            articles=reading.articles,
            cursor=cursor,
            refused=reading.refused,
            same=reading.same,
            whole=True,
            next_look=_next_look(reply, cursor),
            hub=hub_of(reply.body, reply.headers, reply.url),
        )

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """As `ports.Fetcher`."""
        return whole_again(self, source, ids, now=now)

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        """Such as "The Harbour Gazette: 12 articles"."""
        reply = self._ask(source, {})
        reading = read(reply.body, reply.headers.get("Content-Type", ""), reply.url)
        told = count(len(reading.articles))
        if reading.refused:
            told += f", {len(reading.refused)} not readable"
        return f"{reading.title[:60]}: {told}" if reading.title else told

    def _ask(self, source: Source, cursor: Mapping[str, Any]) -> Reply:
        headers = {"Accept": _ACCEPT}
        for name, key in (("If-None-Match", "etag"), ("If-Modified-Since", "last_modified")):
            if cursor.get(key):
                headers[name] = str(cursor[key])
        with open_session(allow_private=source.allow_private, user_agent=self._user_agent) as session:
            return get(session, source.url, headers=headers, auth=credentials(source), limits=self._limits)


def _next_look(reply: Reply, cursor: Mapping[str, Any]) -> timedelta | None:
    """The longer of what the answer says and what the feed said when it was last read."""
    return max(fresh_for(reply.headers) or timedelta(), timedelta(seconds=whole(cursor.get("next_look")))) or None


def _validator(reply: Reply, name: str) -> str:
    """A validator as it was sent (RFC 9110 section 8.8), "" for one that could not be sent back."""
    value = reply.headers.get(name, "")
    return value if _VALIDATOR.fullmatch(value) else ""


def read(body: bytes, content_type: str, url: str, before: Before = Before()) -> Reading:
    """The articles of a feed document that came from `url`, each id once, but for those whose raw hash is known.

    Raises SourceInvalid, saying what came instead, when it is no feed.
    """
    document = in_utf8(body, content_type)
    is_json = document[:1000].decode("utf-8", "ignore").lstrip("\ufeff \t\r\n").startswith(("{", "["))
    reading = read_json_feed(scrub(document.decode()), url, before) if is_json else read_xml(document, url, before)
    return _unique(reading)


def _unique(reading: Reading) -> Reading:
    """Of two items with one id the newer is taken; the other is reported, unless it is the very same."""
    kept: dict[str, FetchedArticle] = {}
    refused = list(reading.refused)
    for number, article in enumerate(reading.articles):
        key = article.native_id or f"\0{number}"
        one = kept.setdefault(key, article)
        if one.raw_hash != article.raw_hash:
            kept[key], other = (article, one) if _is_newer(article, one) else (one, article)
            reason = f"another item has the same id, {key[:100]}: each needs its own"
            refused.append(Refusal(item=other.title[:100] or other.url or key[:100], reason=reason))
    return replace(reading, articles=tuple(kept.values()), refused=tuple(refused))


def _is_newer(article: FetchedArticle, other: FetchedArticle) -> bool:
    return bool(article.updated_at and other.updated_at and article.updated_at > other.updated_at)
