"""What templates see: plain values, plain text, everything bounded in length."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from typing import Final

from publisher.kit import html, message
from publisher.model import DUE, Article, Author, Image, Item, Label, Site

#: The width that pictures are scaled to, in pixels: a column of 640 without its margins.
COLUMN: Final = 576

_TITLE, _STANDFIRST, _LINE = 200, 400, 120  # the most characters of each that a mail shows
_UNTITLED = 40  # and of the first words of a withdrawn story without a title, which tell readers which one it is
_READ_ON = 700  # bytes of a lead story that can be read on elsewhere
_ALL, _LEAST, _MOST = 36_000, 500, 1_800  # bytes of text for all stories together, and for each
HEADLINES = -1
#: How a mail that is too long is told more shortly, one after the other: what the room of each story is divided by,
#: then standfirsts alone, then headlines.
SHORTENINGS = (1, 2, 4, 0, HEADLINES)
_AUTHORS = 10
_LABELS: Final = {Label.NEW: "", Label.RESTORED: Label.CORRECTION.value}  # what templates call these
_LEAD_SHARE = 2  # how many times as much the lead story gets
_WAYS = 2_000  # ways of telling stories that are remembered, a few thousand bytes each
_BLOCK_END: Final = re.compile(r"</(?:p|li|dd|dt|pre|blockquote|figure|table|h[1-6]|div)>|\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """The newsroom's site. `feeds_url` is the page that lists its feeds, "" without a public address."""

    name: str
    url: str
    language: str
    timezone: str
    postal_address: str
    feeds_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsletterView:
    """The newsletter that the edition is a number of."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionView:
    """The edition. `date` is its day in the newsletter's time zone."""

    slot: str
    date: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageView:
    """A picture scaled to the column, in pixels; `height` is 0 when unknown."""

    url: str
    alt: str
    credit: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryView:
    """One story as mail shows it: plain text only, bounded in length.

    `text` is its beginning, by paragraph; `whole` tells that nothing of the story is left out. `url` is ""
    for a story that can be read nowhere else. `label` is "" for a new story, else "updated", "correction"
    or "retraction", and `note` says what changed since the reader was sent it. Of a story that was withdrawn there is
    its title and the note, and nothing that it told. One that was sent as withdrawn and is published again is
    `restored`, and its label is "correction".
    """

    title: str
    standfirst: str
    text: tuple[str, ...]
    whole: bool
    url: str
    authors: tuple[str, ...]
    biographies: tuple[str, ...]
    section: str
    published: datetime
    image: ImageView | None
    label: str
    note: str
    language: str
    restored: bool = False

    @property
    def corrects(self) -> bool:
        """Whether it takes back what readers were sent before, and is no news."""
        return self.label in DUE


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionView:
    """Stories under one heading; `title` is "" for those without a category, and for `corrections`: what the reader is
    told of stories that they were sent before."""

    title: str
    items: tuple[StoryView, ...]
    corrections: bool = False


# ---------------------------------------------------------------- made from articles


def site_view(site: Site) -> SiteView:
    """The part of a site that templates see."""
    return SiteView(
        name=site.name,
        url=site.url,
        language=site.language,
        timezone=site.timezone,
        postal_address=site.postal_address,
        feeds_url=f"{site.public_url}/feeds/" if site.public_url else "",
    )


def sections(stories: Iterable[StoryView]) -> tuple[SectionView, ...]:
    return tuple(
        SectionView(title=title, items=tuple(members), corrections=corrections)
        for (title, corrections), members in groupby(stories, _heading)
    )


def _heading(story: StoryView) -> tuple[str, bool]:
    return story.section, not story.section and story.corrects


class Telling:
    """The stories of an edition as mail shows them. One is made once for all variants that tell it in the same way, as
    long as there are not too many ways."""

    def __init__(self, articles: Mapping[int, Article], link: Callable[[str], str] = str) -> None:
        """`articles` hold the frozen revision of each item; `link` marks the addresses of stories."""
        self._articles = articles
        self._link = link
        self._told: dict[Hashable, StoryView] = {}
        self._views: dict[StoryView, StoryView] = {}  # equal ones are one, which templates remember having written

    def stories(self, items: Sequence[Item], shortening: int) -> tuple[StoryView, ...]:
        """The stories of a variant in order; the fewer there are, the more each may tell. `shortening` is one of
        `SHORTENINGS`."""
        each = max(_LEAST, min(_MOST, _ALL // max(1, len(items))))
        room = each // shortening if shortening > 0 else 0
        if shortening == HEADLINES:
            return tuple(_headline(self._story(item, 0, place == 0)) for place, item in enumerate(items))
        return tuple(
            self._story(item, room * (_LEAD_SHARE if place == 0 else 1), place == 0) for place, item in enumerate(items)
        )

    def _story(self, item: Item, room: int, leads: bool) -> StoryView:
        way = (item.article, item.label, item.section, tuple(sorted(item.overrides.items())), room, leads)
        if way not in self._told:
            if len(self._told) >= _WAYS:
                self._told.clear()
                self._views.clear()
            view = _story(item, self._articles[item.article], room=room, leads=leads, link=self._link)
            self._told[way] = self._views.setdefault(view, view)
        return self._told[way]


def _headline(story: StoryView) -> StoryView:
    """Its headline, and what has to be said of it; whoever wants more reads on."""
    return replace(story, standfirst="", text=(), whole=False, authors=(), biographies=(), image=None)


def _story(item: Item, article: Article, *, room: int, leads: bool, link: Callable[[str], str]) -> StoryView:
    if item.label is Label.RETRACTION:
        return _withdrawn(item, article)
    revision, url = article.revision, _web(article.canonical_url)
    opening = next(_paragraphs(revision.content_html), "")
    standfirst = _clean(item.overrides.get("standfirst", revision.standfirst), _STANDFIRST)
    if _opens_with(opening, standfirst):
        standfirst = ""  # an excerpt that the source cut from the text itself
    if url:
        # It can be read on there: the lead gets a beginning, the others one paragraph at most.
        room = min(room, _READ_ON) if leads else (0 if standfirst else min(room, _STANDFIRST))
    text, whole = _beginning(_paragraphs(revision.content_html), room)
    if text and not whole and not url and not text[-1].endswith("…"):
        text = (*text[:-1], f"{text[-1]} …")  # there is more, and no link that would say so
    return StoryView(
        title=_clean(item.overrides.get("title", revision.title), _TITLE) or html.cut(standfirst or opening, _LINE),
        standfirst=standfirst,
        text=text,
        whole=whole,
        url=link(url) if url else "",
        authors=tuple(_clean(author.name, _LINE) for author in revision.authors[:_AUTHORS] if author.name),
        biographies=_biographies(revision.authors[:_AUTHORS]),
        section=_clean(item.section, _LINE),
        published=revision.published_at,
        image=_picture(revision.image),
        label=_LABELS.get(item.label, item.label.value),
        # Whoever gets it for the first time never saw what was wrong, and reads it as it should have been; and what was
        # wrong with a retraction is no note on its story.
        note="" if item.label in _LABELS else _clean(revision.note, _STANDFIRST),
        language=revision.language,
        restored=item.label is Label.RESTORED,
    )


def _withdrawn(item: Item, article: Article) -> StoryView:
    """Which story is taken back, and why; nothing of what it told, and nobody's name under it."""
    revision = article.revision
    first = revision.standfirst or next(_paragraphs(revision.content_html), "")
    return StoryView(
        title=_clean(item.overrides.get("title", revision.title), _TITLE) or _clean(first, _UNTITLED),
        standfirst="",
        text=(),
        whole=False,
        url="",
        authors=(),
        biographies=(),
        section=_clean(item.section, _LINE),
        published=revision.published_at,
        image=None,
        label=item.label.value,
        note=_clean(article.retraction_note, _STANDFIRST),
        language=revision.language,
    )


def _biographies(authors: Iterable[Author]) -> tuple[str, ...]:
    return tuple(_clean(author.biography, _STANDFIRST) for author in authors if author.biography)


def _picture(image: Image | None) -> ImageView | None:
    if image is None or not _web(image.url):
        return None
    width = min(image.width or COLUMN, COLUMN)
    height = round(image.height * width / image.width) if image.width else 0
    return ImageView(
        url=_web(image.url),
        alt=_clean(image.alt, _STANDFIRST),
        credit=_clean(image.credit, _LINE),
        width=width,
        height=height,
    )


# ---------------------------------------------------------------- words, cleaned and cut


def _clean(text: str, limit: int) -> str:
    """Text of an article on one line, without our placeholders in it, at most so many characters."""
    return html.cut(message.neutralise(" ".join(html.scrub(text).split())), limit)


def _web(url: str) -> str:
    """An address that a reader may follow, or "": nothing but http(s), and no placeholder of ours in it."""
    safe = url.lower().startswith(("https://", "http://")) and message.neutralise(url) == url
    return url if safe else ""


def _paragraphs(content_html: str) -> Iterator[str]:
    """The running text of clean HTML, paragraph by paragraph, without headings, pictures and tables."""
    start = 0
    for end in _BLOCK_END.finditer(content_html):
        block = content_html[start : end.start()]
        start = end.end()
        if words := html.excerpt(block, len(block) + 1):
            yield message.neutralise(f"• {words}" if "<li" in block else words)


def _opens_with(paragraph: str, standfirst: str) -> bool:
    start = standfirst.rstrip(" .…[]")[:80]
    return len(start) >= 20 and paragraph.startswith(start)


def _beginning(paragraphs: Iterable[str], room: int) -> tuple[tuple[str, ...], bool]:
    """The paragraphs that fit into so many bytes, of a first one too long its first words; and whether that is all."""
    kept: list[str] = []
    for paragraph in paragraphs:
        size = len(paragraph.encode())
        if size > room:
            if room and not kept:
                kept.append(html.cut(paragraph, max(1, room * len(paragraph) // size)))
            return tuple(kept), False
        kept.append(paragraph)
        room -= size
    return tuple(kept), True
