"""What mail programs can show: the published table, compact, and how it is made anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from publisher.errors import PublisherError

#: By name: the family and its platforms in the published data. Of each platform the newest version tested counts, and
#: of several the worst. Gmail on the web of a phone shows a bare page and is left out.
CLIENTS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "Gmail": ("gmail", ("desktop-webmail", "ios", "android")),
    "Outlook for Windows": ("outlook", ("windows",)),
    "the new Outlook": ("outlook", ("outlook-com",)),
    "Apple Mail": ("apple-mail", ("macos", "ios")),
    "Yahoo": ("yahoo", ("desktop-webmail", "ios", "android")),
    "Samsung Email": ("samsung-email", ("android",)),
}
OUTLOOK: Final = "Outlook for Windows"
NAME: Final = "mail_clients.json"

_RANK = "uyan"  # unknown, yes, almost, no: the last is the worst
_SEMANTIC = [
    "article",
    "aside",
    "details",
    "figcaption",
    "figure",
    "footer",
    "header",
    "main",
    "mark",
    "nav",
    "section",
    "summary",
    "time",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """`support` has a letter for each of `CLIENTS`; `marks` are what shows that it is used, such as
    ("property", "display") or ("value", "display:flex")."""

    slug: str
    title: str
    support: str
    marks: tuple[tuple[str, str], ...]

    @property
    def lacking(self) -> tuple[str, ...]:
        """The mail programs that do not know it."""
        return tuple(name for name, letter in zip(CLIENTS, self.support, strict=True) if letter == "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    date: str
    source: str
    features: tuple[Feature, ...]

    def by_mark(self) -> Mapping[tuple[str, str], Feature]:
        return {mark: feature for feature in self.features for mark in feature.marks}


@lru_cache(maxsize=2)
def table(data: bytes = b"") -> Table:
    """The table in what `refreshed` gave; the packaged one without."""
    given = json.loads(data or (resources.files("publisher") / "data" / NAME).read_bytes())
    features = (
        Feature(slug=slug, title=title, support=support, marks=tuple((mark[0], mark[1]) for mark in marks))
        for slug, (title, support, marks) in given["features"].items()
    )
    return Table(date=given["date"], source=given["source"], features=tuple(features))


def refreshed(document: bytes) -> bytes:
    """The compact table from the published data (caniemail.json, or the answer of its API). Raises PublisherError
    when it is anything else."""
    try:
        given = json.loads(document)
        features = {one["slug"]: _compact(one) for one in given["data"] if one["category"] in ("html", "css", "image")}
        date = str(given["last_update_date"])[:10]
    except (ValueError, KeyError, TypeError) as error:
        raise PublisherError(f"this is no mail-client support data as caniemail.com publishes it: {error!r}") from error
    if len(features) < 100:
        raise PublisherError(f"this holds {len(features)} features only: it is not the whole of the data")
    told = {"source": "caniemail.com", "licence": "MIT", "date": date, "clients": list(CLIENTS)}
    lines = [json.dumps(told)[:-1] + ', "features": {']
    lines += [f"{json.dumps(slug)}: {json.dumps(row, ensure_ascii=False)}," for slug, row in sorted(features.items())]
    return ("\n".join(lines)[:-1] + "\n}}\n").encode()


def _compact(one: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, str]]]:
    support = "".join(_worst(one["stats"], family, platforms) for family, platforms in CLIENTS.values())
    return one["title"], support, sorted(set(_marks(one["slug"], one["title"])))


def _worst(stats: Mapping[str, Any], family: str, platforms: tuple[str, ...]) -> str:
    versions = [stats.get(family, {}).get(platform) for platform in platforms]
    newest = [str(list(one.values())[-1])[0] for one in versions if one]
    return max((letter for letter in newest if letter in _RANK), key=_RANK.index, default="u")


def _marks(slug: str, title: str) -> Iterator[tuple[str, str]]:
    """What shows that a feature is used, taken from its title."""
    kind, _, name = slug.partition("-")
    if kind == "image":
        yield "image", name
    elif kind == "html":
        yield from _html_marks(title)
    elif title.startswith("@"):
        yield "at", title
    elif found := re.findall(r"([a-z-]+)\(\)", title):
        yield from (("function", one) for one in found)
    elif "Custom Properties" in title:
        yield "function", "var"
    elif match := re.fullmatch(r"([a-z-]+):\s*([a-z-]+)", title):
        yield "value", f"{match[1]}:{match[2]}"
    elif match := re.fullmatch(r"([a-z%]+) unit", title):
        yield "unit", match[1]
    elif re.fullmatch(r"[a-z-]+( property| shorthand)?|[a-z-]+(, [a-z-]+)+|[a-z-]+ & [a-z-]+", title.strip()):
        plain = re.sub(r" (property|shorthand)$", "", title.strip())
        yield from (("property", one) for one in re.findall(r"[a-z-]+", plain))


def _html_marks(title: str) -> Iterator[tuple[str, str]]:
    if title == "HTML5 semantics":
        yield from (("element", one) for one in _SEMANTIC)
    elif match := re.fullmatch(r'<(\w+) (\w+)="(\w+)"> element', title):
        yield "value", f"<{match[1]} {match[2]}={match[3]}>"
    elif match := re.fullmatch(r"([a-z-]+) attribute", title):
        yield "attribute", match[1]
    elif title == "srcset and sizes attributes":
        yield from (("attribute", "srcset"), ("attribute", "sizes"))
    elif title == "Image maps":
        yield "element", "map"
    else:
        yield from (("element", one) for one in re.findall(r"<(\w+)>", title))
