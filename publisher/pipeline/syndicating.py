"""The story, step 2: feeds into the folder."""

from __future__ import annotations

from publisher import errors
from publisher import syndicate as syndicating
from publisher.ports import Parts, Store


def refill(parts: Parts, store: Store, slugs: tuple[str, ...]) -> None:
    """Put every stored article into feeds that are new or select otherwise than before."""
    feeds = tuple(feed for feed in store.feeds.all() if feed.slug in slugs or feed.pattern in slugs)
    patterns = tuple(pattern for pattern in parts.patterns if pattern.slug in slugs)
    if not feeds and not patterns:
        return
    for feed in feeds:
        store.feeds.empty(feed.slug)
    syndicating.put(store, store.articles.each(), feeds, patterns, now=parts.clock.now())


def syndicate(parts: Parts, slug: str) -> syndicating.Published:
    """Build one feed. A failure keeps the last good files, is recorded, and raised."""
    feeds = {feed.slug: feed for feed in parts.store.feeds.all()}
    if (feed := feeds.get(slug)) is None:
        raise errors.NotFound(f"there is no feed {slug!r}", feed=slug)
    articles = parts.store.feeds.newest(slug, feed.limit)
    document = syndicating.document(feed, articles, site=parts.site)
    try:  # what was built before may become empty; a database that never built it may have been lost
        published = syndicating.publish(document, parts.formats, parts.folder, may_be_empty=feed.built > 0)
    except (errors.GateError, errors.FolderError) as error:
        parts.store.feeds.built(slug, feed.built, at=parts.clock.now(), error=str(error))
        raise
    problem = "; ".join(f"left out {left.item}: {left.reason}" for left in published.left_out)
    parts.store.feeds.built(slug, feed.wanted, at=parts.clock.now(), error=problem)
    return published
