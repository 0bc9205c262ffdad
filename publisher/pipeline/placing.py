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
    stories = _Stories(store)
    everywhere, now = store.feeds.all(), parts.clock.now()
    syndicating.put(store, stories.around(articles), everywhere, parts.patterns, now=now, leads=stories.leads)


def fill(
    parts: Parts, store: Store, articles: Iterable[Article], feeds: Sequence[Feed], patterns: Sequence[FeedPattern]
) -> None:
    """Put articles into those of these feeds where they belong."""
    syndicating.put(store, articles, feeds, patterns, now=parts.clock.now(), leads=_Stories(store).leads)


class _Stories:
    """Who shares a story with an article; the last one asked about is remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[Article | None, tuple[Article, ...]] = (None, ())

    def of(self, article: Article) -> tuple[Article, ...]:
        if self._last[0] is not article:
            self._last = (article, self._store.stories.of([article]))
        return self._last[1]

    def around(self, articles: Iterable[Article]) -> Iterator[Article]:
        for article in articles:
            others = self.of(article)
            yield article
            yield from others

    def leads(self, article: Article) -> syndicating.Leader:
        others = self.of(article)

        def leader(admits: Callable[[Article], bool]) -> Article | None:
            return memory.leader(article, others, admits)

        return leader
