"""The edge of preflight: what links and DNS answer, within limits. What does not answer in time is not known."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from publisher.errors import SourceError, SourceUnavailable
from publisher.kit import dns, http_session
from publisher.model import DomainFacts, LinkFact
from publisher.preflight.images import HEAVIEST

#: How many links are asked, and how many pictures; and seconds for all of them.
MOST_LINKS: Final = 60
MOST_PICTURES: Final = 40
PATIENCE: Final = 10.0

_LIMITS: Final = http_session.Limits(connect=3, read=5, total=7, bytes=HEAVIEST)
#: One byte, and with it how many there are (RFC 9110, 14.2); who knows no ranges sends all, of which enough is read.
_ONE_BYTE: Final = {"Range": "bytes=0-0", "Accept": "image/*", "Accept-Encoding": "identity"}
_WHOLE: Final = re.compile(r"bytes \d+-\d+/(\d{1,18})")
#: Hosts that nobody has: RFC 2606 and RFC 6761 keep them for examples and tests.
_RESERVED: Final = ("example", "test", "invalid", "localhost")


def links(
    urls: Iterable[str], *, pictures: Iterable[str] = (), but: str = "", allow_private: bool = False
) -> Mapping[str, LinkFact]:
    """What web addresses answer, by address, and how heavy `pictures` are; addresses that begin with `but`, and hosts
    that nobody has, are not asked.

    Private addresses are not asked either: `allow_private` is for tests, whose servers are on this machine.
    """
    shown = [url for url in dict.fromkeys(pictures) if _may_ask(url, but)][:MOST_PICTURES]
    asked = [url for url in dict.fromkeys(urls) if _may_ask(url, but) and url not in shown][:MOST_LINKS]
    if not (asked or shown):
        return {}
    pool = ThreadPoolExecutor(max_workers=12)
    waiting = {pool.submit(_link, url, allow_private): url for url in asked}
    waiting |= {pool.submit(_picture, url, allow_private): url for url in shown}
    done, _ = wait(waiting, timeout=PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    answers = {waiting[one]: one.result() for one in done if one.exception() is None}
    return {url: fact for url, fact in answers.items() if fact is not None}


def _may_ask(url: str, but: str) -> bool:
    with suppress(ValueError):
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        known = parts.scheme in ("http", "https") and host and host.rpartition(".")[2] not in _RESERVED
        return bool(known) and not (but and url.startswith(but))
    return False


def _link(url: str, allow_private: bool) -> LinkFact | None:
    try:
        return LinkFact(status=_get(url, allow_private, _LIMITS).status)
    except SourceError as error:
        return _failed(url, error)


def _picture(url: str, allow_private: bool) -> LinkFact | None:
    try:
        reply = _get(url, allow_private, _LIMITS, _ONE_BYTE)
    except SourceError as error:
        return _failed(url, error)
    whole = _WHOLE.fullmatch(reply.headers.get("Content-Range", "")) if reply.status == 206 else None
    size = int(whole[1]) if whole else len(reply.body) if reply.status == 200 else 0
    return LinkFact(status=reply.status, bytes=size)


def _get(
    url: str, allow_private: bool, limits: http_session.Limits, headers: Mapping[str, str] | None = None
) -> http_session.Reply:
    with http_session.open_session(allow_private=allow_private) as session:
        return http_session.get(session, url, headers=headers, limits=limits, accept=range(400, 600))


def _failed(url: str, error: SourceError) -> LinkFact | None:
    """What is known all the same: it is there, and too large to be read; or it answers so; or its host is gone."""
    if error.ids.get("large"):
        length = error.ids.get("length")
        return LinkFact(status=200, bytes=max(length if isinstance(length, int) else 0, _LIMITS.bytes + 1))
    if isinstance(status := error.ids.get("status"), int):
        return LinkFact(status=status)
    unreached = isinstance(error, SourceUnavailable) and not error.ids.get("reached")
    return LinkFact(gone=True) if unreached and dns.gone(urlsplit(url).hostname or "") else None


def domain(name: str, selectors: Sequence[str] = (), *, servers: Collection[str] = (), port: int = 53) -> DomainFacts:
    """What DNS has about a sender's domain. `servers` and `port` are for tests."""
    if not name or (name.rpartition(".")[2] in _RESERVED and not servers):
        return DomainFacts()
    ask = dns.Resolver(servers=tuple(servers), port=port)
    dmarc = ask.texts(f"_dmarc.{name}")
    labels = name.split(".")
    while dmarc == () and len(labels) > 2:  # RFC 7489 section 6.6.3: then that of the domain it belongs to
        labels = labels[1:]
        dmarc = ask.texts("_dmarc." + ".".join(labels))
    keys = {selector: ask.texts(selector) for selector in selectors}
    found = {selector: records for selector, records in keys.items() if records is not None}
    return DomainFacts(spf=ask.texts(name), dmarc=dmarc, dkim=found)
