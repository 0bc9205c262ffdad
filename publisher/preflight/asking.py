"""The edge of preflight: what links and DNS answer, within limits. What does not answer in time is not known."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from publisher.errors import SourceError, SourceUnavailable
from publisher.kit import dns, http_session
from publisher.model import DomainFacts, LinkFact

#: How many links are asked, and seconds for all of them.
MOST_LINKS: Final = 60
PATIENCE: Final = 10.0

_LIMITS: Final = http_session.Limits(connect=3, read=5, total=7, bytes=2_000_000)
#: Hosts that nobody has: RFC 2606 and RFC 6761 keep them for examples and tests.
_RESERVED: Final = ("example", "test", "invalid", "localhost")


def links(urls: Iterable[str], *, but: str = "", allow_private: bool = False) -> Mapping[str, LinkFact]:
    """What web addresses answer, by address; those that begin with `but`, and hosts that nobody has, are not asked.

    Private addresses are not asked either: `allow_private` is for tests, whose servers are on this machine.
    """
    asked = [url for url in dict.fromkeys(urls) if _may_ask(url, but)][:MOST_LINKS]
    if not asked:
        return {}
    pool = ThreadPoolExecutor(max_workers=12)
    waiting = {pool.submit(_link, url, allow_private): url for url in asked}
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
    every = range(400, 600)
    try:
        with http_session.open_session(allow_private=allow_private) as session:
            return LinkFact(status=http_session.get(session, url, limits=_LIMITS, accept=every).status)
    except SourceError as error:
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
