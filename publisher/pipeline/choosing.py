"""The story, step 3: which articles an edition would hold right now."""

from __future__ import annotations

from collections.abc import Sequence

from publisher import compose as composing
from publisher.model import Article, Newsletter, Slot
from publisher.ports import Parts


def chosen(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, again: bool = False
) -> tuple[composing.Choice, Sequence[Article]]:
    """The choice for the edition at a slot, and the articles that it was made from. With `again`, to look at only,
    articles that went out already count as new."""
    newsletter, now = newsletter.of(slot.name), parts.clock.now()
    articles = parts.store.articles.published_since(now - newsletter.maximum_age, now)
    others = parts.store.stories.of(articles)
    known = [article.id for article in (*articles, *others)]
    whose = newsletter.readers_of(slot.name)
    sent = {} if again else parts.store.editions.sent(newsletter.slug, known, cadence=whose)
    return composing.choose(newsletter, articles, sent, now=now, others=others), articles
