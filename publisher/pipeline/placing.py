"""The story: articles into feeds, each story once in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from publisher import memory
from publisher import syndicate as syndicating
from publisher.model import Article, Feed, FeedPattern
from publisher.ports import Parts, Store

#: Articles that are put into feeds, or taken out, together: a page costs a few statements, however many it holds.
TOGETHER = 100


def place(parts: Parts, store: Store, articles: Iterable[Article]) -> None:
    """Put articles that are new, changed or gone into all feeds where they belong, and out of the others. What
    tells the same story is placed again with them: it may have to step back, or may step in."""
    feeds, now = store.feeds.all(), parts.clock.now()
    for page in pages(articles):
        store.kept.revised([article.id for article in page])
        stories = _Stories(store, page)
        feeds = syndicating.put(store, stories.everyone, feeds, parts.patterns, now=now, leads=stories.leads)


def fill(
    parts: Parts, store: Store, articles: Iterable[Article], feeds: Sequence[Feed], patterns: Sequence[FeedPattern]
) -> None:
    """Put articles into those of these feeds where they belong."""
    there, now = tuple(feeds), parts.clock.now()
    for page in pages(articles):
        there = syndicating.put(store, page, there, patterns, now=now, leads=_Stories(store, page).leads)


def pages(articles: Iterable[Article]) -> Iterator[Sequence[Article]]:
    """So many at a time, never all of them in memory."""
    rest = iter(articles)
    while page := list(islice(rest, TOGETHER)):
        yield page


class _Stories:
    """Who shares a story with an article of a page."""

    def __init__(self, store: Store, page: Sequence[Article]) -> None:
        #: The page, each article once, and who shares a story with one of them.
        self.everyone = (*{one.id: one for one in page}.values(), *store.stories.of(page))
        self._told: dict[str, list[Article]] = defaultdict(list)
        for one in self.everyone:
            self._told[one.story].append(one)

    def leads(self, article: Article) -> syndicating.Leader:
        others = [one for one in self._told[article.story] if one.id != article.id]

        def leader(admits: Callable[[Article], bool]) -> Article | None:
            return memory.leader(article, others, admits)

        return leader
