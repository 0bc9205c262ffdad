"""The story, step 3: which articles an edition would hold right now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from publisher import compose as composing
from publisher.model import ALERT, Article, Newsletter, Slot, cadence_of
from publisher.pipeline import alerts
from publisher.pipeline.remembering import owing
from publisher.ports import Parts


def chosen(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, again: bool = False
) -> tuple[composing.Choice, Sequence[Article]]:
    """The choice for the edition at a slot, and the articles that it was made from. With `again`, to look at only,
    articles that went out already count as new."""
    newsletter, now = newsletter.of(slot.name), parts.clock.now()
    if cadence_of(slot.name) == ALERT:
        return _urgent(parts, newsletter, slot, now)
    articles = parts.store.articles.published_since(now - newsletter.maximum_age, now)
    others = parts.store.stories.of(articles)
    known = [article.id for article in (*articles, *others)]
    whose = newsletter.readers_of(slot.name)
    sent = {} if again else parts.store.editions.sent(newsletter.slug, known, cadence=whose)
    choice = composing.choose(newsletter, articles, sent, now=now, others=others)
    owed = [] if again else owing(parts, newsletter, slot)
    there = {article.id: article for article in (*articles, *(article for article, _ in owed))}
    return composing.with_owed(choice, newsletter, owed, now=now), tuple(there.values())


def _urgent(
    parts: Parts, newsletter: Newsletter, slot: Slot, now: datetime
) -> tuple[composing.Choice, Sequence[Article]]:
    """The one article of an alert, unless the newsletter has carried it as it is now."""
    found = alerts.article_of(parts, slot.name)
    articles = [found] if found else []
    sent = parts.store.editions.sent(newsletter.slug, [article.id for article in articles])
    same = {one.id: sent[one.id] for one in articles if one.revision.number in sent.get(one.id, ())}
    choice = composing.choose(newsletter, articles, same, now=now)
    if choice.skip and choice.decisions:  # of one story it can be said what is the matter
        choice = replace(choice, skip=choice.decisions[0].rule)
    return choice, articles
