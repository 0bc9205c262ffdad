"""A newsroom whose sources say what a test has them say, and a site that collects from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from publisher.app import App
from publisher.fetchers._again import whole_again
from publisher.model import Fetched, FetchedArticle, Listing, SecondLook, Source
from tests.sites import SETTINGS, TestClock, lay_out, open_site

_SOURCES = """
[[sources]]
slug = "wire"
kind = "syndication"
url = "https://wire.example/feed"

[[feeds]]
slug = "wire"
title = "Only the wire"
select = { sources = ["wire"] }
"""


@dataclass(slots=True)
class Newsroom:
    """What each source answers next: pages, or an error. It counts the looks."""

    answers: dict[str, Iterable[Fetched] | Exception] = field(default_factory=dict)
    looks: int = 0

    def fetch(self, source: Source, **_how: object) -> Iterator[Fetched]:
        self.looks += 1
        answer = self.answers.get(source.slug, [])
        if isinstance(answer, Exception):
            raise answer
        yield from answer

    def again(self, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
        """What it lists, or shows, of these."""
        return whole_again(self, source, ids, now=now)

    def check(self, source: Source, *, now: datetime) -> str:  # the port's
        return "1 article"

    def lists(self, slug: str, *articles: FetchedArticle, **more: Any) -> None:
        """A source that can be listed completely, and has these."""
        listing = Listing(look=f"look {self.looks}", ids=tuple(one.native_id for one in articles), complete=True)
        self.answers[slug] = [Fetched(articles=articles, cursor={}, listing=listing, **more)]

    def window(self, slug: str, *articles: FetchedArticle, **more: Any) -> None:
        """A feed, which shows its newest articles only."""
        self.answers[slug] = [Fetched(articles=articles, cursor={}, **more)]


def open_newsroom(
    root: Path, clock: TestClock, environment: Mapping[str, str] | None = None, *, store: str = ""
) -> tuple[App, Newsroom]:
    """The site of a newsroom ("newsroom", in which everything can be listed) that also takes a wire ("wire"), with the
    store at an address, or one of its own."""
    newsroom, settings = Newsroom(), SETTINGS + _SOURCES
    if store:
        settings += f'\n[store]\nurl = "{store}"\n'
    app = open_site(lay_out(root, settings, {}), clock, dict(environment or {}))
    fetchers = dict.fromkeys(("folder", "syndication"), newsroom)
    return replace(app, parts=replace(app.parts, fetchers=fetchers)), newsroom


def story(title: str, **changes: Any) -> FetchedArticle:
    """An article with some text of its own."""
    name = title.lower().replace(" ", "-")
    text = "".join(f"<p>{title}: what {who} said of it on the quay at {title} that day.</p>" for who in _PEOPLE)
    return replace(FetchedArticle(native_id=name, title=title, content_html=text, categories=("News",)), **changes)


def days(number: float) -> timedelta:
    return timedelta(days=number)


_PEOPLE = ("Niamh", "Tomas", "Aoife", "Brigid", "Colm", "Dara", "Eithne", "Fergus", "Grainne", "Hugh")
