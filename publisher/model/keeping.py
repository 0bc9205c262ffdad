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
