"""The story: articles into feeds, each story once in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from publisher import memory
from publisher import syndicate as syndicating
from publisher.model import Article, Feed, FeedPattern
from publisher.ports import Parts, Store


def place(parts: Parts, store: Store, articles: Iterable[Article]) -> None:
    """Put articles that are new, changed or gone into all feeds where they belong, and out of the others. What
    tells the same story is placed again with them: it may have to step back, or may step in."""
    fill(parts, store, _with_stories(store, articles), store.feeds.all(), parts.patterns)


def fill(
    parts: Parts, store: Store, articles: Iterable[Article], feeds: Sequence[Feed], patterns: Sequence[FeedPattern]
) -> None:
    """Put articles into those of these feeds where they belong."""

    def leads(article: Article) -> syndicating.Leader:
        others = store.stories.of([article])

        def leader(admits: Callable[[Article], bool]) -> Article | None:
            return memory.leader(article, others, admits)

        return leader

    syndicating.put(store, articles, feeds, patterns, now=parts.clock.now(), leads=leads)


def _with_stories(store: Store, articles: Iterable[Article]) -> Iterator[Article]:
    for article in articles:
        yield article
        yield from store.stories.of([article])
