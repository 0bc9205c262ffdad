"""What fetchers have in common: JSON, times and people, and words for what came instead."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_tz
from html import escape, unescape
from itertools import islice
from urllib.parse import urljoin, urlsplit

import orjson

from publisher.errors import SourceError, SourceInvalid, SourceUnavailable
from publisher.kit.html import plain, scrub
from publisher.model import FetchedArticle, Refusal, Source
from publisher.ports import Known, nothing_known

#: More than any feed holds that is meant to be read; what is beyond is an archive, or an attack.
MAXIMUM_ITEMS = 20_000

#: Characters of HTML that no limit of `kit.html` is met by.
_MODEST = 100_000

#: Media types by ending: a table of our own, since the system's differs from machine to machine.
_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "svg": "image/svg+xml",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "opus": "audio/opus",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "pdf": "application/pdf",
}

_HOURS = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "MEZ": 1, "CEST": 2, "MESZ": 2}
_HOURS |= {"EET": 2, "EEST": 3, "MSK": 3, "HKT": 8, "SGT": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12}
_HOURS |= {
    "NZDT": 13,
    "SAST": 2,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}
_ZONE = re.compile(r"\s+\(?([A-Z]{1,5})?\)?\s*([+-]\d{1,2}:?\d{2})?\s*(?:\([^)]*\))?$", re.I)
#: What programs write for "no date": the zero of their clock.
_ZERO_TIMES = frozenset({datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)})
_ENDS = re.compile(
    r"\s*(?:\[\s*(?:…|\.\.\.)\s*\].*|(?:…|\.\.\.)[^…]{0,40}|continue reading.{0,200}|read more.{0,200})$", re.I | re.S
)
_ESCAPED = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[\da-fA-F]+|[lr][sd]quo|[mn]dash|hellip);")
_MARKUP = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>|&(?:#\d+|#x[\da-f]+|\w+);", re.IGNORECASE)
_MAIL = re.compile(r"[^\s<>()@,;]+@[^\s<>()@,;]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a feed document holds. `refused` are the items that could not be read, and what is wrong with the
    document as a whole. `home` is the site it belongs to. `same` counts the items left out because they are known,
    `next_look` is how long it asks to be left alone."""

    title: str
    language: str
    home: str
    articles: tuple[FetchedArticle, ...]
    refused: tuple[Refusal, ...] = ()
    same: int = 0
    next_look: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What earlier looks at a source left: which raw hashes are known, and whether an article is known by its
    address alone."""

    known: Known = nothing_known
    by_address: bool = False


class Broken(Exception):
    """An answer that failed in a way that a single post on the page may be the cause of."""

    def __init__(self, error: SourceError) -> None:
        self.error = error
        super().__init__(str(error))


@contextmanager
def of_one_post() -> Iterator[None]:
    """Raises Broken in the place of what a single post may be the cause of: a server that fails over it, or an answer
    that is too large. No connection, or a wish to be asked later, has no such cause."""
    try:
        yield
    except SourceUnavailable as error:
        if error.retry_after is not None or not error.ids.get("reached") or error.ids.get("status") == 429:
            raise
        raise Broken(error) from error
    except SourceInvalid as error:
        if error.ids.get("large"):
            raise Broken(error) from error
        raise


# ---------------------------------------------------------------- JSON and text


def read_json(body: bytes) -> object:
    """JSON as web servers really send it: after a byte order mark or a plugin's notices, with stray bytes.

    Raises ValueError when there is none. Lone surrogates are left out of its texts.
    """
    body = body.removeprefix(codecs.BOM_UTF8).strip()
    try:
        return orjson.loads(body)
    except ValueError:
        pass
    text = body.decode("utf-8", "replace")
    found: list[object] = []
    left = 3 * len(text)  # characters, since each beginning may be followed by all the rest
    for match in islice(re.finditer(r"[\[{]\s*[\"{\]}]", text), 50):
        try:
            value, end = json.JSONDecoder().raw_decode(text, match.start())
        except json.JSONDecodeError as error:
            left -= error.pos - match.start()
        except RecursionError:
            left -= len(text)
        else:
            left -= end - match.start()
            found = [value] if end == len(text) else [*found, value]
            if end == len(text):
                break
        if left < 0:
            break
    if not found:
        raise ValueError("no JSON")
    return orjson.loads(scrub(json.dumps(found[0], ensure_ascii=False)))


#: In titles of pages that keep programs out, such as those of Cloudflare, Imperva and Sucuri.
_GUARD = re.compile(
    r"just a moment|attention required|checking your browser|are you (?:a )?(?:human|robot)|security check|captcha"
    r"|access denied|ddos|bot verification|pardon our interruption|website firewall",
    re.I,
)


def what_came(text: str) -> str:
    """In words, what a document is that should have been something else."""
    start = text.lstrip("\ufeff \t\r\n")[:20_000]
    if not start:
        return "nothing at all"
    if re.match(r"[\[{]", start):
        message = re.search(r'"(?:message|error|detail|title)"\s*:\s*"([^"]{1,120})', start)
        return f"a JSON message “{message[1]}”" if message else "JSON of another kind"
    if re.search(r"<(?:!doctype html|html|head|body|title|p|h1|div)\b", start, re.I):
        title = re.search(r"<title[^<>]*>(.{0,200}?)</title", start, re.I | re.S) or re.search(
            r"<h1[^<>]*>(.{0,200}?)</h1", start, re.I | re.S
        )
        return f"a web page titled “{line(title[1])[:100]}”" if title else "a web page"
    return "XML of another kind" if start.startswith("<") else "something that is neither XML nor JSON"


def line(text: object) -> str:
    """Some HTML as one line of plain text, "" when it is more than any text of one line."""
    try:
        return plain(str(text or ""))
    except ValueError:
        return ""


def unescaped(text: str) -> str:
    """A title that its format says is plain text, on one line. Escapes in it show that its maker did not know."""
    return " ".join(scrub(unescape(text) if _ESCAPED.search(text) else text).split())


def as_html(text: str, kind: str = "") -> str:
    """Text of a stated media type as HTML; without a type it is HTML when it looks so."""
    if "html" in kind or (kind != "text/plain" and _MARKUP.search(text)):
        return text
    paragraphs = [escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", text) if part.strip()]
    return "\n".join(f"<p>{part.replace(chr(10), '<br>')}</p>" for part in paragraphs)


def standfirst(summary: str, content: str) -> str:
    """A summary (HTML) as plain text, "" when it only repeats how the content (HTML) begins."""
    text = plain(summary) if summary else ""
    return "" if not text or repeats(text, content) else text


def repeats(summary: str, content: str) -> bool:
    """Whether a summary (plain text) is only the beginning of the content (HTML), cut by a program. No more of the
    content is read than has as many words as the summary, and one that is whole."""
    number = len(_told(_ENDS.sub("", summary)))
    cut = content.rfind("<", 0, 3 * len(summary) + 1000)
    if cut > 0 and len(content) <= _MODEST:
        begins = plain(content[:cut])
        if len(_told(begins)) > number:
            return starts(summary, begins)
    return starts(summary, plain(content))


def starts(summary: str, content: str) -> bool:
    """Whether a summary is only the beginning of the content, cut by a program; both are plain text."""
    words = _told(_ENDS.sub("", summary))
    return _told(content[: 2 * len(summary) + 1000])[: len(words)] == words


def _told(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


# ---------------------------------------------------------------- values


def absolute(base: str, address: object) -> str:
    """A http(s) address made absolute, or "" when it is none."""
    if not isinstance(address, str) or not address.strip():
        return ""
    try:
        url = urljoin(base, scrub(address).strip().replace(" ", "%20"))
        parts = urlsplit(url)
        return url if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 else ""
    except ValueError:
        return ""


def media_type(stated: object, url: str) -> str:
    """The media type as stated, or by the address's ending, or ""."""
    kind = str(stated or "").partition(";")[0].strip().lower()
    return kind if "/" in kind else _TYPES.get(urlsplit(url).path.rpartition(".")[2].lower(), "")


def whole(value: object) -> int:
    """A count as sources write it ("1024", 1024, "1024.0", "", None); 0 when it is none or absurd."""
    try:
        number = int(float(str(value)))
    except (ValueError, OverflowError):
        return 0
    return number if 0 < number < 2**53 else 0


def seconds(value: object) -> int:
    """A duration, as seconds ("754", 754) or as "12:34" or "1:02:03"; 0 when it is none."""
    parts = str(value or "").strip().split(":")
    if len(parts) == 1:
        return whole(parts[0])
    return sum(whole(part) * 60**power for power, part in enumerate(reversed(parts[:3])))


def moment(value: object, zone: tzinfo | None = None) -> datetime | None:
    """A date as feeds write it, aware and UTC: RFC 822 or ISO 8601, sloppy ones too. A time without a zone is
    taken in `zone` or UTC; None when it is no date."""
    text = value[:100].strip() if isinstance(value, str) else ""
    try:
        found = _iso(text) or _rfc822(text)
        found = found and (found if found.tzinfo else found.replace(tzinfo=zone or UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return None if found in _ZERO_TIMES else found


def _iso(text: str) -> datetime | None:
    if not re.match(r"\d{4}-?\d", text):
        return None
    # Up to microseconds, and a space before the offset, which `fromisoformat` does not take.
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", re.sub(r"\s+(?=[+-]\d|Z$)", "", text)))


def _rfc822(text: str) -> datetime | None:
    zone = _ZONE.search(text)
    name, offset = (zone[1] or "", zone[2] or "") if zone else ("", "")
    plain_text = f"{text[: zone.start()]} {offset.replace(':', '')}".strip() if zone else text
    parsed = parsedate_tz(plain_text) or parsedate_tz(f"{plain_text} 00:00:00")
    if not parsed:
        return None
    shift = parsed[9] if offset and parsed[9] is not None else _HOURS.get(name.upper(), 0) * 3600
    return datetime(*parsed[:6], tzinfo=timezone(timedelta(seconds=shift)))


def person(text: str) -> tuple[str, str]:
    """Name and mail address out of "nora@g.example (Nora Quill)", "Nora Quill <nora@g.example>" or a bare one."""
    text = " ".join(text[:500].split())  # among many spaces the search for brackets would take cubic time
    mail = _MAIL.search(text)
    if not mail:
        return text, ""
    name = re.sub(r"\(\s*(.*?)\s*\)|<\s*>|\bmailto:", r" \1 ", text.replace(mail[0], " "))
    return " ".join(name.split()).strip('"<>() ') or mail[0].partition("@")[0], mail[0].removeprefix("mailto:")


def fingerprint(value: object) -> str:
    """A hash over what a source sent, whatever order its fields came in. Raises ValueError for absurd nesting."""
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    except TypeError as error:
        raise ValueError("it is nested deeper than any article") from error
    return hashlib.sha256(data).hexdigest()


def credentials(source: Source) -> tuple[str, str] | None:
    """User name and password, when the source has them."""
    username = source.secrets.get("username", "")
    return (username, source.secrets.get("password", "")) if username else None


def fields(value: object) -> Mapping[str, object]:
    """A JSON object, or an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[object]:
    """A JSON list, or an empty one in the place of anything else."""
    return value if isinstance(value, list) else ()


def words(value: object) -> str:
    """A JSON text or number as text, "" for anything else."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def count(articles: int) -> str:
    return "1 article" if articles == 1 else f"{articles} articles"


def not_a(kind: str, url: str, text: str) -> SourceInvalid:
    home = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    came = what_came(text)
    remedy = f"look for the right address with `publisher init --from {home}`, or see in a browser what stands there"
    if _GUARD.search(came):
        remedy = "the site keeps programs out: ask its host to admit Publisher, by the word Publisher in its User-Agent"
    return SourceInvalid(f"{url} answers with {came} instead of {kind}: {remedy}", url=url)
