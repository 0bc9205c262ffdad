"""The story: what stands beside feeds, what becomes of those that end, and telling the hub."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from publisher import compose, errors, keep
from publisher import syndicate as syndicating
from publisher.model import Article, Feed
from publisher.ports import Parts

HTML = "text/html; charset=utf-8"
STYLE = "feeds.css"

#: How long the hub is left to answer before somebody else may tell it.
HELD = timedelta(minutes=2)
#: Changes told in one piece of work.
AT_ONCE = 200
SOONEST, LATEST = timedelta(seconds=30), timedelta(hours=6)


def write_page(parts: Parts, feed: Feed, articles: Iterable[Article]) -> None:
    """A feed's page for people. Raises TemplateError, FolderError."""
    values = syndicating.page(feed, articles, parts.site, parts.formats)
    page = _rendered(parts, "feed", values, language=feed.language)
    parts.folder.put(syndicating.page_name(feed), page, HTML)


def untidy(parts: Parts) -> bool:
    store = parts.store.serving
    return bool(store.untidy() or store.ended(before=parts.clock.now() - parts.site.gone))


def tidy(parts: Parts) -> None:
    """Write what names all feeds, let the files of those that are no more say so, and take away what has said so for
    long enough. Raises TemplateError, FolderError."""
    seen = parts.store.serving.untidy()
    feeds = parts.store.feeds.all()
    _write_lists(parts, [feed for feed in feeds if feed.built])
    by_slug = {feed.slug: feed for feed in feeds}
    _end(parts, by_slug)
    _forget(parts, by_slug)
    parts.store.serving.tidied(seen)


def _write_lists(parts: Parts, feeds: list[Feed]) -> None:
    site, formats = parts.site, parts.formats
    values = syndicating.catalogue(feeds, site, formats)
    files = [
        ("index.html", _rendered(parts, "feeds", values, language=site.language), HTML),
        ("feeds.opml", syndicating.opml(feeds, site, formats), "text/x-opml; charset=utf-8"),
        ("autodiscovery.html", syndicating.autodiscovery(feeds, site, formats).encode(), HTML),
        (STYLE, parts.templates.render("web/public/public.css", {}).encode(), "text/css; charset=utf-8"),
    ]
    parts.folder.put_all(files)


def _end(parts: Parts, feeds: dict[str, Feed]) -> None:
    """Files of feeds that are no more, and of formats that a feed no longer has. What is not a feed's stays.

    What is noted first and killed then is found again; what is ended and not noted would say so for ever.
    """
    store, no_more = parts.store.serving, parts.store.serving.no_more()
    own = (name for name in parts.folder.names() if not keep.in_archive(name))
    names = [name for name in own if (slug := syndicating.slug_of(name)) in feeds or slug in no_more]
    ended = [name for name in names if not _stays(parts, name, feeds)]
    store.end(ended, at=parts.clock.now())
    for name in ended:
        parts.folder.end(name)


def _forget(parts: Parts, feeds: dict[str, Feed]) -> None:
    """A file that is there again, or will be, has not ended any more."""
    past = parts.store.serving.ended(before=parts.clock.now() - parts.site.gone)
    for name in past:
        if not _stays(parts, name, feeds):
            parts.folder.remove(name)
    back = [name for name in parts.store.serving.ended(before=parts.clock.now()) if _stays(parts, name, feeds)]
    parts.store.serving.forget([*past, *back])


def _stays(parts: Parts, name: str, feeds: dict[str, Feed]) -> bool:
    feed = feeds.get(syndicating.slug_of(name))
    return feed is not None and (name in ("index.html", STYLE) or syndicating.belongs(name, feed, parts.formats))


def _rendered(parts: Parts, template: str, values: dict[str, object], *, language: str) -> bytes:
    site = parts.site
    given = {"site": compose.site_view(site), "style": STYLE, "feeds_url": "index.html", "timezone": site.timezone}
    return parts.templates.render(f"web/public/{template}.html", {**given, **values}, language=language).encode()


def announce(parts: Parts) -> int:
    """Tell the hub of feeds that changed, each version once; a hub that fails is told later. How many it was told.
    Raises HubError."""
    store, told = parts.store.serving, 0
    while parts.hub and told < AT_ONCE:
        now = parts.clock.now()
        topic = store.take(now=now, until=now + HELD)
        if topic is None:
            break
        try:
            parts.hub.tell(f"{syndicating.base_url(parts.site)}/{topic.name}")
        except errors.HubError as error:
            store.failed(topic, str(error), next_at=now + min(SOONEST * 2 ** min(topic.tries, 20), LATEST))
            raise
        store.told(topic)
        told += 1
    return told
