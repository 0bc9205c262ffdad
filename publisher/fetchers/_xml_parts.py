"""People, labels, pictures and other media of an RSS or Atom item: feedparser's reading, with its misreadings
set right from the item as it stands in the document, where that is well-formed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from publisher.fetchers._shared import absolute, line, media_type, person, seconds, whole
from publisher.model import Author, Enclosure, Image

_MEDIA = "{http://search.yahoo.com/mrss/}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_TAG_SCHEMES = ("http://www.itunes.com/", "http://search.yahoo.com/mrss/")
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_WORDPRESS, _BY_WORDPRESS = timedelta(hours=1), "://wordpress.org/"
_MEDIUMS = {"image": "image", "audio": "audio/mpeg", "video": "video/mp4"}


def authors(entry: Any, element: ET.Element | None, *, atom: bool, base: str) -> tuple[Author, ...]:
    """Who wrote an item. `element` is the item itself, None where the document is not well-formed."""
    if element is not None and not atom:
        # As they stand: feedparser cuts top-level domains of more than four letters off mail addresses.
        found = [part.text for part in element if part.tag in ("author", f"{_DC}creator") and part.text]
        written = [Author(name=name, email=mail) for name, mail in map(person, found)]
        if any(author.name for author in written):
            return _merged(written)
    return people(entry, base)


def people(detail: Any, base: str) -> tuple[Author, ...]:
    """The authors of an item or a feed as feedparser understands them."""
    found = []
    for one in dict.get(detail, "authors") or ():
        name, mail = person(str(one.get("name") or ""))
        mail = str(one.get("email") or "") or mail
        found.append(Author(name=name or mail.partition("@")[0], email=mail, url=absolute(base, one.get("href"))))
    return _merged(found)


def _merged(found: Sequence[Author]) -> tuple[Author, ...]:
    """Each name once, with what any mention of it told."""
    by_name: dict[str, Author] = {}
    for one in found:
        name = line(one.name)
        known = by_name.get(name, Author(name=name))
        by_name[name] = replace(known, email=known.email or one.email, url=known.url or one.url)
    return tuple(author for author in by_name.values() if author.name)


def labels(entry: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Categories, and tags: the keywords of podcasts and pictures are tags. Schemes are not kept."""
    categories: dict[str, None] = {}
    tags: dict[str, None] = {}
    for label in entry.get("tags") or ():
        scheme, name = str(label.get("scheme") or ""), line(label.get("label") or label.get("term"))
        if name and not scheme.endswith("#kind"):  # a kind is the maker's own bookkeeping
            (tags if scheme.startswith(_TAG_SCHEMES) else categories)[name] = None
    return tuple(categories), tuple(tags)


def language(entry: Any) -> str:
    """What an item says of its language; else what xml:lang says of its text or title."""
    details = (entry, *(entry.get("content") or ()), dict.get(entry, "title_detail") or {})
    return next((str(detail["language"]) for detail in details if detail.get("language")), "")


def next_look(feed: Any) -> timedelta | None:
    """How long a feed asks to be left alone: the longer of RSS's `ttl`, in minutes, and what RSS's syndication module
    says (updates in a period); None when it does not say, at most a day. That WordPress writes "once an hour" into
    every feed (to 6.7) is nobody's wish."""
    minutes = whole(feed.get("ttl"))
    period = _PERIODS.get(str(feed.get("sy_updateperiod") or "").strip().lower(), timedelta())
    every = period / max(1, whole(feed.get("sy_updatefrequency")))
    if every == _WORDPRESS and _BY_WORDPRESS in str(feed.get("generator") or ""):
        every = timedelta()
    longest = min(max(timedelta(minutes=min(minutes, 1440)), every), timedelta(days=1))
    return longest or None


# ---------------------------------------------------------------- media


def media(entry: Any, element: ET.Element | None, base: str) -> tuple[Image | None, tuple[Enclosure, ...]]:
    """The lead picture, and every other attached file once."""
    images: list[Image] = []
    others: dict[str, Enclosure] = {}
    length = seconds(entry.get("itunes_duration"))
    enclosed = [{**one, "enclosed": True} for one in entry.get("enclosures") or ()]
    for one in (*_media_contents(entry, element), *enclosed):
        url = absolute(base, one.get("url") or one.get("href"))
        kind = media_type(one.get("type"), url) or _MEDIUMS.get(str(one.get("medium") or ""), "")
        if url and kind.startswith("image"):
            images.append(_image(one, url, kind if "/" in kind else ""))
        elif url and (one.get("enclosed") or kind.startswith(("audio/", "video/"))):
            size = whole(one.get("length") or one.get("fileSize"))
            lasts = seconds(one.get("duration")) or length
            others.setdefault(url, Enclosure(url=url, type=kind, bytes=size, seconds=lasts))
    lesser = [*(dict.get(entry, "media_thumbnail") or ()), dict.get(entry, "image") or {}]
    places = [(one, absolute(base, one.get("url") or one.get("href"))) for one in lesser]
    images += [_image(one, url, media_type("", url)) for one, url in places if url]
    return _lead(images), tuple(others.values())


def _media_contents(entry: Any, element: ET.Element | None) -> list[Mapping[str, Any]]:
    """media:content, each with its own description and credit, which feedparser gives to the item."""
    if element is None:
        return list(dict.get(entry, "media_content") or ())
    found: list[Mapping[str, Any]] = []
    for around in (element, *element.iter(f"{_MEDIA}group")):
        for content in around.findall(f"{_MEDIA}content"):
            alt = _told("description", content) or (_told("description", around) if around is not element else "")
            found.append({**content.attrib, "alt": alt, "credit": _told("credit", content) or _told("credit", around)})
    return found


def _told(name: str, element: ET.Element) -> str:
    return element.findtext(f"{_MEDIA}{name}") or ""


def _image(one: Mapping[str, Any], url: str, kind: str) -> Image:
    return Image(
        url=url,
        type=kind,
        bytes=whole(one.get("length") or one.get("fileSize")),
        width=whole(one.get("width")),
        height=whole(one.get("height")),
        alt=line(one.get("alt")),
        credit=line(one.get("credit")),
    )


def _lead(images: Sequence[Image]) -> Image | None:
    """The first; or the widest, where widths are told: makers list one picture in several sizes."""
    return max(images, key=lambda image: image.width) if images and images[0].width else next(iter(images), None)
