"""Feed documents: the current one of a feed, and its archive pages (RFC 5005)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from publisher.model import Article, ArticleState, Feed, FeedDocument, Site


def document(
    feed: Feed, articles: Sequence[Article], *, site: Site, page: int = 0, pages: int | None = None
) -> FeedDocument:
    """A document of these articles, in this order: the current one, or an archive page. The same articles make the
    same document. `pages` is the newest archive page that readers can reach, all of them when it is not given."""
    return FeedDocument(
        feed=feed,
        feed_id=f"tag:{site.tag_authority}:feed/{feed.slug}",
        base_url=base_url(site),
        hub=site.hub,
        articles=tuple(articles),
        updated_at=max(map(_changed_at, articles), default=_birth(site.tag_authority)),
        page=page,
        pages=feed.pages if pages is None else pages,
        page_url=f"{base_url(site)}/{page_name(feed)}",
    )


def base_url(site: Site) -> str:
    """Where the feed folder is served, without a closing slash."""
    return (site.public_url or site.url).rstrip("/") + "/feeds"


def page_name(feed: Feed) -> str:
    """The file of a feed's page for people."""
    return f"{feed.slug}.html"


def _changed_at(article: Article) -> datetime:
    if article.state is ArticleState.RETRACTED and article.retracted_at:
        return article.retracted_at
    return article.revision.updated_at


def _birth(authority: str) -> datetime:
    """The date in a tag authority such as "example.org,2026-11" (RFC 4151 section 2.1): when feeds began."""
    text = authority.rpartition(",")[2]
    return datetime.fromisoformat(f"{text}-01-01"[:10]).replace(tzinfo=UTC)
