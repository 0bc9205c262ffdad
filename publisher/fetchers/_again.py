"""A second look at a few articles, for sources that are read whole anyway."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from publisher.model import FetchedArticle, SecondLook, Source
from publisher.ports import Fetcher


def whole_again(fetcher: Fetcher, source: Source, ids: Collection[str], *, now: datetime) -> SecondLook:
    """What a look says of these articles. Gone are those that a complete and certain list does not name."""
    found: list[FetchedArticle] = []
    listed: set[str] = set()
    complete = False
    for page in fetcher.fetch(source, now=now):
        found += (article for article in page.articles if article.native_id in ids)
        if page.listing is not None:
            listed.update(page.listing.ids)
            complete = complete or (page.listing.complete and page.listing.certain)
    gone = set(ids) - listed if complete else set()
    return SecondLook(articles=tuple(found), gone=frozenset(gone))
