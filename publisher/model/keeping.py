"""Words: what is kept of an edition, so that it can be shown, made again and accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from publisher.model.articles import Article
from publisher.model.editions import Item, Newsletter, Slot
from publisher.model.house import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that a variant is made from: the same recipe makes the same bytes.

    `articles` hold the revision and the picture that were shown, by id; `templates` are the sources of the template
    and all it refers to, by name; `publisher` is the version that made it.
    """

    newsletter: Newsletter
    site: Site
    slot: Slot
    language: str
    online_url: str
    now: datetime
    items: tuple[Item, ...]
    articles: Mapping[int, Article]
    templates: Mapping[str, bytes]
    publisher: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An edition's page in the archive, as lists tell of it.

    `name` is its file; `at` when the edition was approved; `stories` how many it holds; `notice` is "correction" or
    "retraction" when something of it was taken back since, "" else; `updated_at` when that was said last, else `at`.
    `content` is what a feed shows of it, HTML. `listed` is false of one that nobody got after all.
    """

    edition: int
    name: str
    subject: str
    language: str
    at: datetime
    stories: int
    notice: str = ""
    updated_at: datetime
    content: str = ""
    listed: bool = True
