"""In which order, and under which headings, the chosen articles stand."""

from __future__ import annotations

from collections.abc import Sequence

from publisher.model import Article, Item, SectionRule


def arrange(chosen: Sequence[Article], sections: Sequence[SectionRule] = ()) -> tuple[Item, ...]:
    """Put articles, given newest first, into the order a reader meets them: the newest with a picture leads, then come
    the newsletter's own sections, then others by category, the one with the newest article first."""
    if not chosen:
        return ()
    lead = next((article for article in chosen if article.revision.image), chosen[0])
    found: dict[str, list[Article]] = {rule.title: [] for rule in sections}
    for article in chosen:
        if article is not lead:
            found.setdefault(heading(article, sections), []).append(article)
    for rule in sections:
        if rule.order == "oldest":
            found[rule.title].reverse()
    unnamed = found.pop("", [])  # comes last, as "more stories"
    ordered = [lead, *(article for articles in found.values() for article in articles), *unnamed]
    return tuple(
        Item(
            article=article.id,
            revision=article.revision.number,
            position=position,
            section=heading(article, sections),
        )
        for position, article in enumerate(ordered)
    )


def heading(article: Article, sections: Sequence[SectionRule]) -> str:
    """The section that an article stands in: the first that takes it, else its first category."""
    rule = section(article, sections)
    return rule.title if rule else next(iter(article.revision.categories), "")


def section(article: Article, sections: Sequence[SectionRule]) -> SectionRule | None:
    """The first section that takes an article."""
    categories = {category.casefold() for category in article.revision.categories}
    return next((one for one in sections if not categories.isdisjoint(map(str.casefold, one.categories))), None)
