"""From nh3's regular form to an article's clean HTML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import Final
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from publisher.kit.html._parse import (
    ATTRIBUTES,
    BLOCK,
    EMBEDS,
    EVERYWHERE,
    INLINE,
    KEPT,
    LAZY,
    MAXIMUM_DEPTH,
    RENAMED,
    SETS,
    TABLE,
    VOID,
    Token,
    bounded,
    parsed,
    reparsed,
    scrub,
    tokens,
)
from publisher.kit.html._read import DIGITS, paragraphs, text

MAXIMUM_ADDRESS: Final = 8_000  # characters
_ROUNDS: Final = 6
_NAME: Final = 200  # characters of a file's name that are looked at
_VOIDS: Final = re.compile(r'<(br|hr|img|source|wbr)((?:\s[^\s=>]+="[^"]*")*)>')
_INK: Final = re.compile(r"(?:&nbsp;|[\s\u200b\ufeff])*+\S")
_HIDING: Final = re.compile(r"display:none|visibility:hidden|(?:^|;)(?:max-)?(?:width|height):[01](?:px)?(?:;|$)")
_STAND_IN: Final = re.compile(
    r"(?:blank|grey|gray|lazy|loading|pixel|placeholder|spacer|transparent|1x1)[^/]*\.\w+\Z", re.IGNORECASE
)
_LONE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@lru_cache(maxsize=1024)  # a site's articles lead to the same places
def address(url: str, base_url: str = "", *, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """The absolute address (RFC 3986) that a link stands for, or "" when it is none of the schemes allowed.

    Credentials are dropped, a host in another script becomes punycode, what a URL may not hold is escaped.
    """
    url = scrub(url).strip()
    if not url or len(url) > MAXIMUM_ADDRESS:
        return ""
    try:
        parts = urlsplit(urljoin(base_url, url))
        if parts.scheme not in schemes:
            return ""
        if parts.scheme == "mailto":
            return "mailto:" + _escaped(parts.path + (f"?{parts.query}" if parts.query else ""))
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:  # a UnicodeError is one
        return ""
    if not host or _escaped(host) != host:
        return ""
    place = f"[{host}]" if ":" in host else host
    return _escaped(urlunsplit((parts.scheme, place + port, parts.path, parts.query, parts.fragment)))


def clean(html: str, base_url: str = "") -> str:
    """HTML of an article that is safe to show anywhere: well-formed, without scripts, styles, forms, frames, ids
    and tracking pixels, its links (http, https, mailto) and pictures (http, https) absolute against `base_url`.

    An embedded frame becomes a link to its address. Cleaning twice changes nothing. Raises ValueError when
    the input or the result is longer than `MAXIMUM` characters or has more than `MAXIMUM_TAGS` tags.
    """
    html = parsed(html)
    for _ in range(_ROUNDS):
        html = _Writer(base_url).write(html)
        again = reparsed(html)
        if again == html:  # a parser reads what we meant
            return _accepted(_VOIDS.sub(r"<\1\2/>", html).replace("&nbsp;", "\xa0"))
        html = again
    return _accepted(paragraphs(text(html)))


def _accepted(html: str) -> str:
    """What is clean can be read and cleaned again, however much escaping has lengthened it."""
    bounded(html)
    return html


@dataclass(slots=True)
class _Frame:
    """An element being written. `name` is "" when only its content is kept; `full` when something shows in it."""

    name: str
    start: int
    full: bool = False


@dataclass(slots=True)
class _Writer:
    """Writes nh3's output anew, element by element."""

    base_url: str
    out: list[str] = field(default_factory=list)
    frames: list[_Frame] = field(default_factory=lambda: [_Frame("", 0)])
    shown: str = ""  # the picture or embedded address written last, while no words came after it

    def write(self, html: str) -> str:
        for token in tokens(html):
            if token.closing:
                self._end()
            elif token.name:
                self._start(token)
            self._text(token.text)
        return "".join(self.out).strip()

    def _text(self, text: str) -> None:
        if self.out and self.out[-1].startswith("<pre"):
            text = text.lstrip("\n")  # a parser would drop the first one
        if text:
            self.out.append(text)
            if _INK.match(text):
                self._show("")

    def _show(self, what: str) -> None:
        self.frames[-1].full = True
        self.shown = what

    def _start(self, token: Token) -> None:
        has = token.has()
        if token.name in EMBEDS:
            self._embed(has.get(EMBEDS[token.name], ""))
        if token.name in VOID:
            self._void(token.name, has)
            return
        name = RENAMED.get(token.name, token.name)
        attributes = self._attributes(name, has)
        named = name in KEPT and attributes is not None and len(self.frames) <= MAXIMUM_DEPTH
        self.frames.append(_Frame(name if named else "", len(self.out)))
        self.out.append(_tag(name, attributes or {}) if named else "")
        if "src" in (attributes or {}):
            self._show("")

    def _attributes(self, name: str, has: Mapping[str, str]) -> dict[str, str] | None:
        """The attributes to write, or None when the element is worth nothing without what it lacks."""
        kept = {key: has[key] for key in has if key in EVERYWHERE or key in ATTRIBUTES.get(name, ())}
        if name == "a":
            href = address(has.get("href", ""), self.base_url, schemes=("http", "https", "mailto"))
            if not href or self._inside("a"):
                return None
            said = sorted({"nofollow", "sponsored", "ugc"} & set(has.get("rel", "").lower().split()))
            return {"href": href, **kept, "rel": " ".join(["noopener", "noreferrer", *said])}
        if name in {"blockquote", "q"}:
            kept |= self._addresses(has, "cite")
        if name in {"audio", "video"}:
            kept |= self._addresses(has, "src", "poster") | _sizes(has) | {"controls": "controls"}
        return kept

    def _addresses(self, has: Mapping[str, str], *names: str) -> dict[str, str]:
        found = {name: address(has.get(name, ""), self.base_url) for name in names}
        return {name: url for name, url in found.items() if url}

    def _inside(self, *names: str) -> bool:
        return any(frame.name in names for frame in self.frames)

    def _end(self) -> None:
        frame = self.frames.pop()
        self.frames[-1].full |= frame.full
        if not frame.name:
            return
        if frame.full or frame.name in TABLE:
            self.out.append(f"</{frame.name}>")
            if frame.name in BLOCK:
                self.shown = ""
        elif frame.name in INLINE:
            self.out[frame.start] = ""  # its blanks and line breaks stay
        else:
            del self.out[frame.start :]

    def _void(self, name: str, has: Mapping[str, str]) -> None:
        if name == "img":
            self._image(has)
        elif name == "source":
            self._source(has)
        elif name in {"br", "hr", "wbr"}:
            self.out.append(f"<{name}>")
            if name == "hr":
                self._show("")

    def _image(self, has: Mapping[str, str]) -> None:
        src = self._picture(has)
        if not src or src == self.shown or _tracks(has):
            return
        kept = {"src": src, "alt": has.get("alt", "")}
        kept |= {key: has[key] for key in ("title", "dir", "lang") if key in has}
        self.out.append(_tag("img", kept | _sizes(has)))
        self._show(src)

    def _picture(self, has: Mapping[str, str]) -> str:
        """The picture that is meant: pages that load it late have a stand-in in src."""
        src = address(has.get("src", ""), self.base_url)
        if src and not _STAND_IN.search(urlsplit(src).path[-_NAME:]):
            return src
        wanted = [has.get(name, "") for name in LAZY] + [_largest(has.get(name, "")) for name in SETS]
        return next((url for url in (address(url, self.base_url) for url in wanted) if url), src)

    def _source(self, has: Mapping[str, str]) -> None:
        src = address(has.get("src", ""), self.base_url)
        if src and self.frames[-1].name in {"audio", "video"}:
            self.out.append(_tag("source", {"src": src} | {key: has[key] for key in ("type",) if key in has}))
            self._show("")

    def _embed(self, url: str) -> None:
        href = address(url, self.base_url)
        if not href or href == self.shown or self._inside("a"):
            return
        link = _tag("a", {"href": href, "rel": "noopener noreferrer"}) + f"{_quoted(href)}</a>"
        self.out.append(link if self._inside("p", "pre", *INLINE) else f"<p>{link}</p>")
        self._show(href)


def _tag(name: str, attributes: Mapping[str, str]) -> str:
    return "<" + name + "".join(f' {key}="{_quoted(value)}"' for key, value in attributes.items()) + ">"


def _quoted(value: str) -> str:
    """A value as nh3 would write it between quotes."""
    return escape(value, quote=False).replace('"', "&quot;").replace("\xa0", "&nbsp;")


def _sizes(has: Mapping[str, str]) -> dict[str, str]:
    return {key: has[key] for key in ("width", "height") if DIGITS.match(has.get(key, ""))}


def _tracks(has: Mapping[str, str]) -> bool:
    """Whether nobody is meant to see this picture."""
    sizes = {has.get(key, "").strip().removesuffix("px") for key in ("width", "height")}
    return bool(sizes & {"0", "1"}) or bool(_HIDING.search("".join(has.get("style", "").lower().split())))


def _largest(srcset: str) -> str:
    """The address with the greatest width or density in a srcset (HTML, section 4.8.4.2.1)."""
    found = [(0.0, "")]
    for candidate in re.split(r",\s+", srcset.strip()):
        url, _, size = candidate.strip().partition(" ")
        number = size.strip()[:-1]
        found.append((float(number) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", number) else 0.1, url.rstrip(",")))
    return max(found, key=lambda pair: pair[0])[1]


def _escaped(url: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", url), safe="!#$%&'()*+,-./:;=?@[]_~")
