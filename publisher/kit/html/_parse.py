"""From any string to nh3's regular form, and from that to tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Final, NamedTuple

import nh3

MAXIMUM: Final = 5 * 1024 * 1024  # characters of HTML in one article
MAXIMUM_TAGS: Final = 200_000
MAXIMUM_DEPTH: Final = 100
MAXIMUM_ATTRIBUTES: Final = 200  # of one tag; the parser compares each with all before it
_SAFE_LENGTH: Final = 20_000  # characters that hold too few attributes to matter
_SAFE_TAGS: Final = 1_000  # with so few, the parser's cost stays small however they are nested
_REFERENCE_WORK: Final = 10**10  # the parser moves the rest of the text at each "&": about half a second

HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
INLINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "em", "i", "ins", "kbd", "mark", "q", "rp", "rt", "ruby"}
    | {"s", "samp", "small", "strong", "sub", "sup", "time", "u", "var"}
)
TABLE: Final = frozenset({"tbody", "td", "tfoot", "th", "thead", "tr"})
BLOCK: Final = HEADINGS | frozenset(
    {"audio", "blockquote", "caption", "dd", "details", "div", "dl", "dt", "figcaption", "figure"}
    | {"li", "ol", "p", "pre", "summary", "table", "ul", "video"}
)
KEPT: Final = INLINE | TABLE | BLOCK
VOID: Final = frozenset({"br", "embed", "hr", "img", "source", "wbr"})
EMBEDS: Final[Mapping[str, str]] = {"x-embed": "src", "embed": "src", "object": "data"}
RENAMED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("address", "article", "aside", "center", "footer", "header", "main", "nav", "section"), "div"),
    "strike": "s",
    "tt": "code",
}
#: Elements that go with everything in them.
GONE: Final = frozenset(
    {"applet", "button", "datalist", "dialog", "frameset", "math", "noembed", "noframes", "script", "select"}
    | {"style", "svg", "template", "textarea", "title"}
)
KNOWN: Final = KEPT | VOID | GONE | frozenset(EMBEDS) | frozenset(RENAMED)

EVERYWHERE: Final = frozenset({"dir", "lang"})
ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "a": frozenset({"hreflang", "title"}),
    "abbr": frozenset({"title"}),
    "del": frozenset({"datetime"}),
    "ins": frozenset({"datetime"}),
    "li": frozenset({"value"}),
    "ol": frozenset({"reversed", "start", "type"}),
    "td": frozenset({"colspan", "rowspan"}),
    "th": frozenset({"colspan", "rowspan", "scope"}),
    "time": frozenset({"datetime"}),
}
LAZY: Final = ("data-src", "data-lazy-src", "data-original", "data-hi-res-src", "data-lazyload")
SETS: Final = ("srcset", "data-srcset", "data-lazy-srcset")

_CLEANER: Final = nh3.Cleaner(
    tags=set(KNOWN - GONE),
    clean_content_tags=set(GONE),
    attributes={
        **{tag: set(names) for tag, names in ATTRIBUTES.items()},
        "*": set(EVERYWHERE),
        "a": {"href", "hreflang", "rel", "title"},
        "img": {"src", "alt", "title", "width", "height", "style", *LAZY, *SETS},
        "audio": {"src", "controls"},
        "video": {"src", "controls", "poster", "width", "height"},
        "source": {"src", "type"},
        "blockquote": {"cite"},
        "q": {"cite"},
        **{tag: {attribute} for tag, attribute in EMBEDS.items()},
    },
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
)

# nh3 writes every tag and attribute in one regular form, which these read back.
_TAG: Final = re.compile(r'<(/?)([a-z][a-z0-9-]*)((?:\s[^\s=>]+="[^"]*")*)>')
_ATTRIBUTE: Final = re.compile(r'\s([^\s=>]+)="([^"]*)"')
# These read HTML as it comes. Each runs to the end where nothing closes it, so they stay linear.
_RAW_TEXT: Final = re.compile(r"<(/?)(?:iframe|noscript)(?=[\s/>])", re.IGNORECASE)
_HIDDEN: Final = re.compile(
    rf"<!--.*?(?:-->|\Z)|<({'|'.join(sorted(GONE))})(?=[\s/>]).*?(?:</\1(?=[\s/>])|\Z)", re.IGNORECASE | re.DOTALL
)
_RAW_TAG: Final = re.compile(
    r"<(/?)([a-z][^\s/>]*)((?:[^>\"']++|\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z))*+)(?:>|\Z)", re.IGNORECASE
)
#: HTML section 13.2.5.32 to .40: a name may begin with "=", and "<" and quotes may stand anywhere in it.
_RAW_ATTRIBUTE: Final = r"""(?:[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?+)?+)"""
#: All of some HTML, up to a tag with too many attributes.
_NOT_CROWDED: Final = re.compile(
    rf"(?:[^<]++|<(?![a-z])|<[a-z][^\s/>]*+{_RAW_ATTRIBUTE}{{0,{MAXIMUM_ATTRIBUTES}}}+(?!{_RAW_ATTRIBUTE}))*+",
    re.IGNORECASE,
)
_CONTROLS: Final = bytes(number for number in range(32) if number not in b"\t\n\r")


class Token(NamedTuple):
    """A tag and the text after it, as nh3 wrote them. `name` is "" before the first tag."""

    closing: bool
    name: str
    attributes: str
    text: str

    def has(self) -> dict[str, str]:
        return attributes(self.attributes) if self.attributes else {}


def attributes(written: str) -> dict[str, str]:
    """The attributes of a tag, as nh3 wrote them, by name."""
    return {name: unescape(value) for name, value in _ATTRIBUTE.findall(written)}


def scrub(text: str) -> str:
    """The text without the characters that XML 1.0 section 2.2 forbids: controls, lone surrogates, U+FFFE, U+FFFF."""
    data = text.encode("utf-8", "ignore").translate(None, _CONTROLS)
    if b"\xef\xbf" in data:
        data = data.replace(b"\xef\xbf\xbe", b"").replace(b"\xef\xbf\xbf", b"")
    return data.decode()


def bounded(html: str) -> None:
    """Raises ValueError when this is too much for an article."""
    if len(html) > MAXIMUM:
        raise ValueError(f"{len(html):,} characters of HTML, an article may have {MAXIMUM:,}")
    if (tags := html.count("<")) > MAXIMUM_TAGS:
        raise ValueError(f"{tags:,} tags, an article may have {MAXIMUM_TAGS:,}")
    if len(html) > _SAFE_LENGTH and not _NOT_CROWDED.fullmatch(html):
        raise ValueError(f"a tag with more than {MAXIMUM_ATTRIBUTES} attributes")
    if html.count("&") > _SAFE_TAGS and sum(run.count("&") * len(run) for run in html.split("<")) > _REFERENCE_WORK:
        raise ValueError("too many character references (&...;) in one run of text")


def parsed(html: str) -> str:
    """What nh3 makes of any string, in nh3's regular form. Raises ValueError when it is too much for an article."""
    bounded(html)
    # To a parser, what stands in these two is no HTML. Under another name it is.
    html = _RAW_TEXT.sub(r"<\1x-embed", scrub(html))
    return reparsed(flattened(html) if html.count("<") > _SAFE_TAGS else html)


def reparsed(html: str) -> str:
    """nh3's regular form of HTML that is known to be bounded. Escapes such as `&#1;` are scrubbed too."""
    return scrub(_CLEANER.clean(html)).replace("\r", "\n")


def tokens(html: str) -> Iterator[Token]:
    """The tokens of HTML in nh3's regular form."""
    pieces = _TAG.split(html)
    yield Token(False, "", "", pieces[0])
    for place in range(1, len(pieces), 4):
        slash, name, attributes, text = pieces[place : place + 4]
        yield Token(bool(slash), name, attributes, text)


# ---------------------------------------------------------------- depth

#: Elements that end the one before them when its end tag was left out (HTML, section 13.1.2.4).
_ENDS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(BLOCK | frozenset(RENAMED), frozenset({"p"})),
    "li": frozenset({"li", "p"}),
    "dt": frozenset({"dt", "dd", "p"}),
    "dd": frozenset({"dt", "dd", "p"}),
    "td": frozenset({"td", "th", "p"}),
    "th": frozenset({"td", "th", "p"}),
    "tr": frozenset({"td", "th", "tr", "p"}),
}


def flattened(html: str) -> str:
    """The same HTML with balanced tags, nested no deeper than `MAXIMUM_DEPTH`.

    The time an HTML parser takes grows with the square of the depth: 100,000 open elements cost half a minute.
    """
    pieces = _RAW_TAG.split(_HIDDEN.sub("", html))
    out = [pieces[0]]
    stack: list[str] = []
    for place in range(1, len(pieces), 4):
        slash, written, attributes, text = pieces[place : place + 4]
        name = written.lower()
        if name in VOID:
            out.append(f"<{name}{attributes}>")
        elif slash:
            _close(name, stack, out)
        elif name in KNOWN:
            _open(name, attributes, stack, out)
        out.append(text)
    out.extend(f"</{name}>" for name in reversed(stack))
    return "".join(out)


def _open(name: str, attributes: str, stack: list[str], out: list[str]) -> None:
    ended = _ENDS.get(name, frozenset())
    while stack and stack[-1] in ended:
        out.append(f"</{stack.pop()}>")
    if len(stack) < MAXIMUM_DEPTH:
        stack.append(name)
        out.append(f"<{name}{attributes}>")


def _close(name: str, stack: list[str], out: list[str]) -> None:
    while name in stack:
        last = stack.pop()
        out.append(f"</{last}>")
        if last == name:
            return
