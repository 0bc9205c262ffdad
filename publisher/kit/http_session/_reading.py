"""Reading an address within limits, and what went wrong in words."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from publisher.errors import SourceInvalid, SourceUnavailable
from publisher.kit.http_session._connections import Deadline

#: A source that asks for more patience than this is looked at again after it all the same.
LONGEST_WAIT = timedelta(days=1)

_CHUNK = 65536
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})
_LATER = {408: "did not get the question in time", 425: "is not ready yet", 429: "asks for fewer requests"}
_REMEDIES = {
    401: "asks for a user name and password: set username and password_env",
    403: "refuses to show this: allow Publisher there, or set username and password_env",
    404: "has nothing at this address: correct the url, or look for it with `publisher init --from`",
    410: "says that this is gone for good: correct the url, or remove the source",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one look may cost. Seconds to connect, between two reads, and for everything together; `bytes`
    counts the body after decompression."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 60.0
    bytes: int = 20_000_000
    redirects: int = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in full. `url` is where it came from, after redirects; header names compare without case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes


def get(
    session: requests.Session,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    limits: Limits = Limits(),
    accept: Collection[int] = (),
) -> Reply:
    """Read an address, following redirects; user name and password do not follow to another origin.

    Returns answers of 2xx, 304 and those in `accept`. Raises SourceUnavailable (no connection, too slow, 5xx,
    429; with the wait it asks for) and SourceInvalid (4xx, too large, too many redirects, private address).
    Their `ids` hold `url`; `status` where there was one; `large` for a body over the limit, and the `length` it was to
    have, 0 when that was not said; `reached` and `slow` for an answer that began, and one that took too long.
    """
    hop = _first(url, headers, auth)
    with Deadline(session, limits.total, host=urlsplit(hop.url).hostname or "") as deadline:
        for _ in range(limits.redirects + 1):
            with _in_words(hop.url, deadline, limits), _ask(session, hop, limits) as response:
                location = response.headers.get("Location", "")
                if response.status_code not in _REDIRECTS or not location or response.status_code in accept:
                    return _reply(response, hop, limits, accept)
            hop = _next(hop, location)
        raise SourceInvalid(
            f"{shown(url)} redirects more than {limits.redirects} times: correct the url", url=shown(url)
        )


def post(session: requests.Session, url: str, form: Mapping[str, str], *, limits: Limits = Limits()) -> Reply:
    """Send a form; a redirect is followed where it says that the form goes along (307, 308). Raises as `get` does."""
    hop = _first(url, None, None)
    with Deadline(session, limits.total, host=urlsplit(hop.url).hostname or "") as deadline:
        for _ in range(limits.redirects + 1):
            with _in_words(hop.url, deadline, limits), _ask(session, hop, limits, form) as response:
                location = response.headers.get("Location", "")
                if response.status_code not in (307, 308) or not location:
                    return _reply(response, hop, limits, ())
            hop = _next(hop, location)
        raise SourceInvalid(f"{shown(url)} redirects more than {limits.redirects} times", url=shown(url))


def shown(url: str) -> str:
    """A URL as messages may name it: without user name, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "this address"
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    return urlunsplit((parts.scheme, place, parts.path, "..." if parts.query else "", ""))


def retry_after(value: str, now: datetime) -> timedelta | None:
    """`Retry-After` in either form (RFC 9110 section 10.2.3), never negative, at most a day; None if unreadable."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=min(int(value[:9]), 10**8)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(timedelta(0), min(at - now, LONGEST_WAIT))


def fresh_for(headers: Mapping[str, str]) -> timedelta | None:
    """How long an answer says it stays fresh (RFC 9111 section 4.2.1), at most a day; None when it does not say so,
    or is not to be kept."""
    told = headers.get("Cache-Control", "").lower()
    if re.search(r"\bno-(?:cache|store)\b", told):
        return None
    if found := re.search(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})", told):
        age = headers.get("Age", "").strip()
        seconds = int(found[1]) - (int(age[:9]) if age.isascii() and age.isdigit() else 0)
    else:
        try:
            ends, sent = (parsedate_to_datetime(headers.get(name, "")) for name in ("Expires", "Date"))
            seconds = round((ends - sent).total_seconds())
        except (ValueError, OverflowError, TypeError):
            return None
    return min(timedelta(seconds=seconds), LONGEST_WAIT) if seconds > 0 else None


# ---------------------------------------------------------------- one hop


@dataclass(frozen=True, slots=True)
class _Hop:
    url: str
    headers: Mapping[str, str | None]
    auth: tuple[str, str] | None
    dropped: bool = False  # a redirect led elsewhere, so user name and password stayed behind


def _first(url: str, headers: Mapping[str, str] | None, auth: tuple[str, str] | None) -> _Hop:
    plain, inside = _without_user(url)
    return _Hop(plain, dict(headers or {}), auth or inside)


def _next(hop: _Hop, location: str) -> _Hop:
    # Header bytes arrive read as Latin-1; addresses are UTF-8 when they are not ASCII.
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        url, _ = _without_user(urljoin(hop.url, location))
    except ValueError as error:
        told = f"{shown(hop.url)} redirects to something that is not an address: correct the url"
        raise SourceInvalid(told, url=shown(hop.url)) from error
    if _origin(url) == _origin(hop.url):
        return replace(hop, url=url)
    kept = {name: value for name, value in hop.headers.items() if name.lower() not in _SECRET_HEADERS}
    return _Hop(url, {**kept, "Authorization": None}, None, hop.dropped or hop.auth is not None)


def _without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    try:
        parts = urlsplit(_CONTROL.sub(lambda control: quote(control[0]), url.strip()))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SourceInvalid("the url is not an address: correct it", url=shown(url)) from error
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise SourceInvalid(f"{shown(url)} is no address that can be read: it must begin with https:// or http://")
    place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    plain = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    return plain, (unquote(parts.username), unquote(parts.password or "")) if parts.username else None


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]


@contextmanager
def _ask(
    session: requests.Session, hop: _Hop, limits: Limits, form: Mapping[str, str] | None = None
) -> Iterator[requests.Response]:
    response = session.request(
        "GET" if form is None else "POST",
        hop.url,
        data=form,
        headers=hop.headers,
        auth=HTTPBasicAuth(hop.auth[0].encode(), hop.auth[1].encode()) if hop.auth else None,
        allow_redirects=False,
        stream=True,
        timeout=(limits.connect, limits.read),
    )
    try:
        yield response
    finally:
        response.close()


def _reply(response: requests.Response, hop: _Hop, limits: Limits, accept: Collection[int]) -> Reply:
    status = response.status_code
    if not (200 <= status < 300 or status == 304 or status in accept):
        raise _refused(response, hop)
    return Reply(status, hop.url, response.headers, _body(response, hop.url, limits))


def _body(response: requests.Response, url: str, limits: Limits) -> bytes:
    told = response.headers.get("Content-Length", "")
    length = int(told) if told.isdigit() else 0
    too_large = SourceInvalid(
        f"{shown(url)} answers with more than {limits.bytes // 1_000_000 or limits.bytes / 1_000_000} MB: "
        "point the url at a smaller document",
        url=shown(url),
        large=True,
        length=length,
    )
    if length > limits.bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > limits.bytes:
            raise too_large
    return b"".join(chunks)


def _refused(response: requests.Response, hop: _Hop) -> SourceInvalid | SourceUnavailable:
    status, url = response.status_code, shown(hop.url)
    if status in _LATER or status >= 500:
        wait = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
        told = _LATER.get(status, "is out of order")
        return SourceUnavailable(
            f"{url} {told} (status {status})", retry_after=wait, url=url, status=status, reached=True
        )
    remedy = _REMEDIES.get(status, "does not answer as it should: open it in a browser and correct the url")
    if status == 401 and hop.auth:
        remedy = "does not take this user name and password: mend username and password_env"
    if status == 401 and hop.dropped:
        remedy = "was reached by a redirect, so user name and password stayed behind: set url to this address"
    return SourceInvalid(f"{url} {remedy} (status {status})", url=url, status=status)


@contextmanager
def _in_words(url: str, deadline: Deadline, limits: Limits) -> Iterator[None]:
    """Turn what the libraries raise into what a person can use."""
    try:
        yield
    except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
        if deadline.over:
            raise _too_slow(url, limits) from error
        if _has(error, requests.exceptions.InvalidURL, urllib3.exceptions.LocationParseError, UnicodeError):
            raise SourceInvalid(f"{shown(url)} is not an address: correct the url", url=shown(url)) from error
        # urllib3 counts a refused connection among its timeouts; it is none.
        slow = _has(error, TimeoutError, requests.Timeout) and not _has(error, ConnectionRefusedError)
        reached = not _has(error, NewConnectionError, requests.exceptions.SSLError)
        told = f"{shown(url)} {_why(error, slow)}"
        raise SourceUnavailable(told, url=shown(url), slow=slow, reached=reached) from error
    if deadline.over:
        raise _too_slow(url, limits)


def _too_slow(url: str, limits: Limits) -> SourceUnavailable:
    told = f"{shown(url)} did not finish its answer within {limits.total:g} seconds"
    return SourceUnavailable(told, url=shown(url), slow=True, reached=True)


def _has(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether an error, or one it wraps, is of these kinds. `requests` wraps by cause, by context and by argument."""
    seen: list[object] = [error]
    for found in seen:
        if isinstance(found, BaseException) and len(seen) < 50:
            inner = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
            seen += [one for one in inner if isinstance(one, BaseException) and one not in seen]
    return any(isinstance(one, kinds) for one in seen)


def _why(error: BaseException, slow: bool) -> str:
    if _has(error, NameResolutionError):
        return "cannot be found: no such host is known, or there is no network"
    if _has(error, requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return "has no certificate that can be trusted"
    if slow:
        return "does not answer in time"
    if _has(error, NewConnectionError):
        return "does not take connections"
    return "broke off in the middle of its answer"
