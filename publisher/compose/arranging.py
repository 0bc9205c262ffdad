"""In which order, and under which headings, the chosen articles stand."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.model import Article, Item


def arrange(chosen: Sequence[Article]) -> tuple[Item, ...]:
    """Put articles, given newest first, into the order a reader meets them."""
    if not chosen:
        return ()
    lead = next((article for article in chosen if article.revision.image), chosen[0])
    sections: dict[str, list[Article]] = {}
    for article in chosen:
        if article is not lead:
            sections.setdefault(_section(article), []).append(article)
    unnamed = sections.pop("", [])  # comes last, as "more stories"
    ordered = [lead, *(article for articles in sections.values() for article in articles), *unnamed]
    return tuple(
        Item(article=article.id, revision=article.revision.number, position=position, section=_section(article))
        for position, article in enumerate(ordered)
    )


def _section(article: Article) -> str:
    return next(iter(article.revision.categories), "")
