"""The story, step 2: feeds into the folder."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from hashlib import sha256

from publisher import errors
from publisher import syndicate as syndicating
from publisher.model import Article, Feed, FeedPage
from publisher.pipeline.placing import fill
from publisher.pipeline.serving import write_page
from publisher.ports import Parts, Store

FEW = 5  # archive pages that the current document may wait for


def made_with(parts: Parts) -> str:
    """What of the settings makes a difference to every file beside what a feed says itself."""
    site = parts.site
    told = (site.name, site.url, site.language, syndicating.base_url(site), site.hub, sorted(parts.folder.copies))
    return sha256(repr(told).encode()).hexdigest()[:16]


def refill(parts: Parts, store: Store, slugs: tuple[str, ...]) -> None:
    """Put every stored article into feeds that are new or select otherwise than before."""
    feeds = tuple(feed for feed in store.feeds.all() if feed.slug in slugs or feed.pattern in slugs)
    patterns = tuple(pattern for pattern in parts.patterns if pattern.slug in slugs)
    if not feeds and not patterns:
        return
    for feed in feeds:
        store.feeds.empty(feed.slug)
    fill(parts, store, store.articles.each(), feeds, patterns)


def syndicate(parts: Parts, slug: str, *, everything: bool = False) -> syndicating.Published:
    """Build one feed: its current document, and the archive pages that changed, or with `everything` all of them.
    A failure keeps the last good files, is recorded, and raised."""
    feeds, now = parts.store.feeds, parts.clock.now()
    if everything:
        feeds.all_pages_due(slug)
    feeds.seal(slug)
    feed = feeds.get(slug)
    pages = feeds.due_pages(slug) if feed.archive else ()
    try:
        if len(pages) > FEW:  # news first, though it leads to no archive yet
            _current(parts, feed, now, pages=pages[0].number - 1)
        done = [_page(parts, feed, page) for page in pages]
        if not feed.built:
            _remove_surplus(parts, feed)
        published, shown = _current(parts, feed, now)
    except (errors.GateError, errors.FolderError) as error:
        feeds.built(slug, feed.built, at=now, error=str(error))
        raise
    whole = syndicating.together([*done, published])
    problem = "; ".join(f"left out {left.item}: {left.reason}" for left in whole.left_out)
    feeds.built(slug, feed.wanted, at=now, error=problem, shown=[article.id for article in shown])
    try:
        write_page(parts, feed, shown)
    except (errors.TemplateError, errors.FolderError) as error:  # the feed is out, and its page will be tried again
        told = f"its page {syndicating.page_name(feed)} could not be written: {error}"
        feeds.built(slug, feed.wanted, at=now, error="; ".join(filter(None, (problem, told))))
        raise
    return whole


def _current(
    parts: Parts, feed: Feed, now: datetime, *, pages: int | None = None
) -> tuple[syndicating.Published, list[Article]]:
    """What became of it, and the articles in it. What was built before may become empty; a database that never
    built it may have been lost."""
    articles = parts.store.feeds.current(feed.slug, now=now)
    document = syndicating.document(feed, articles, site=parts.site, pages=pages)
    published = syndicating.publish(
        document,
        parts.formats,
        parts.folder,
        fragments=parts.store.fragments,
        known=_known(parts, feed),
        may_be_empty=feed.built > 0,
    )
    if parts.hub:
        parts.store.serving.changed(published.digests)  # before the feed counts as built: a kill between loses nothing
    left_out = {left.article.id for left in published.left_out}
    return published, [article for article in articles if article.id not in left_out]


def _page(parts: Parts, feed: Feed, page: FeedPage) -> syndicating.Published:
    articles = parts.store.feeds.page(feed.slug, page.number)
    document = syndicating.document(feed, articles, site=parts.site, page=page.number)
    published = syndicating.publish(document, parts.formats, parts.folder, known=_known(parts, feed))
    parts.store.feeds.page_built(feed.slug, page)
    return published


def _known(parts: Parts, feed: Feed) -> Callable[[Collection[str]], Collection[str]]:
    return lambda ids: parts.store.articles.identified(ids, guids=feed.ids == "source")


def _remove_surplus(parts: Parts, feed: Feed) -> None:
    """Archive pages of an earlier life of the feed, when it held other articles."""
    for name in list(parts.folder.names()):
        slug, _, page = name.partition("/")
        number = page.partition(".")[0]
        if slug == feed.slug and number.isdecimal() and int(number) > feed.pages:
            parts.folder.remove(name)
