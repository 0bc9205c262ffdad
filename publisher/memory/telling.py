"""Which article of a story stands for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from publisher.model import Article, ArticleState


def leader(article: Article, others: Iterable[Article], admits: Callable[[Article], bool]) -> Article | None:
    """The article that is shown in place of this one, None when it is itself the one.

    Of a story's articles that are live and that an output `admits`, the one that was collected first stands for
    it there. When that one is retracted, or leaves the output, the next steps in.
    """
    first = min(
        (one for one in others if one.source != article.source and one.state is ArticleState.LIVE and admits(one)),
        key=_order,
        default=article,
    )
    return first if _order(first) < _order(article) else None


def _order(article: Article) -> tuple[object, ...]:
    return article.first_seen_at, article.id
