"""Links: where they lead, as far as their address, and what it answered, tell."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from publisher.model import Situation
from publisher.preflight.reading import Opened
from publisher.preflight.rules import Seen

_GONE = frozenset({404, 410})
_INSIDE = re.compile(
    r"(^|\.)(localhost|local|internal|intranet|lan|home|corp|localdomain|test|invalid)$"  # RFC 6761, RFC 6762
)
_STAGING_HOST = frozenset(
    ["staging", "stage", "stg", "dev", "develop", "test", "testing", "preview", "preprod", "uat", "qa", "sandbox"]
)
_STAGING_PATH = re.compile(r"[?&](preview|draft|preview_id)=|/wp-admin(/|$)|/wp-login\.php|/ghost/|[?&]p=\d+&preview")
_HOST = re.compile(
    r"(?:https?://)?((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24})(?::\d+)?(?:/\S*)?", re.IGNORECASE
)
_NO_HOST = frozenset(["html", "htm", "pdf", "jpg", "png", "txt", "doc", "docx"])
_HARMLESS = ("mailto:", "tel:", "sms:")


def check(opened: Opened, situation: Situation) -> Iterator[Seen]:
    seen: set[tuple[str, str]] = set()
    for url, text in opened.links:
        if (url, text) in seen:
            continue
        seen.add((url, text))
        where = f"“{text[:40]}”, {url[:120]}" if text else url[:120] or "a link without an address"
        if url.lower().startswith(_HARMLESS):
            continue
        yield from _address(url, text, where, situation)


def _address(url: str, text: str, where: str, situation: Situation) -> Iterator[Seen]:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        if not (url.startswith("#") and len(url) > 1):
            yield Seen("link-empty", where, "It is not a whole address" if url else "It has no address")
        return
    host = parts.hostname.lower().rstrip(".")
    yield from place(url, where, situation)
    if twice := _tracked_twice(url):
        yield Seen("link-tracked", where, twice)
    titles = {story.title for story in situation.stories}  # "Booking.com" may be a headline
    if text not in titles and (other := _other_host(text, host)):
        yield Seen("link-mismatch", where, f"The text says {other}, and the link leads to {host}")


def place(url: str, where: str, situation: Situation) -> Iterator[Seen]:
    """Whether readers can reach the web address of a link or a picture, and what it answered."""
    parts = _split(url)
    host = (parts.hostname or "").lower().rstrip(".") if parts else ""
    if situation.external:  # else nobody reads it but who sits at this machine
        yield from _open(url, host, where)
    yield from _answer(url, where, situation)


def _open(url: str, host: str, where: str) -> Iterator[Seen]:
    if _is_inside(host):
        yield Seen("link-private", where, f"{host} is no public address")
        return
    labels = host.split(".")[:-2]
    staging = next((label for label in labels if _STAGING_HOST & set(label.split("-"))), "")
    if staging or _STAGING_PATH.search(url):
        yield Seen("link-staging", where, f"{staging or 'Its address'} is not where readers go")
    if url.lower().startswith("http:"):
        yield Seen("link-plain", where, "It is no https address")


def _answer(url: str, where: str, situation: Situation) -> Iterator[Seen]:
    fact = situation.links.get(url)
    if fact is not None and fact.gone:
        yield Seen("link-dead", where, "There is no such host")
    elif fact is not None and fact.status in _GONE:
        yield Seen("link-dead", where, f"It answers {fact.status}")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_inside(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or bool(_INSIDE.search(host))


def _tracked_twice(url: str) -> str:
    names = [name.lower() for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    tags = [name for name in names if name.startswith("utm_")]
    if repeated := sorted({name for name in tags if tags.count(name) > 1}):
        return f"{', '.join(repeated)} stands in it twice"
    inner, depth = url, 0
    while depth < 3 and (match := re.search(r"(?<=.)https?(?:://|%3a%2f%2f|%253a)\S*", inner, re.IGNORECASE)):
        inner, depth = unquote(unquote(match[0])), depth + 1
    return "It leads through two redirects to its page" if depth > 1 else ""


def _other_host(text: str, host: str) -> str:
    """The host that a text shows, where the link leads to another site."""
    match = _HOST.fullmatch(text.strip())
    if not match or match[1].lower().rpartition(".")[2] in _NO_HOST:
        return ""
    told = match[1].lower().removeprefix("www.")
    same = host == told or host.endswith("." + told) or told.endswith("." + host.removeprefix("www."))
    return "" if same else told
