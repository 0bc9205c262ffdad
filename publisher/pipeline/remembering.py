"""The story, step 3: what was sent of a story before, and what its readers are owed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from publisher import memory
from publisher.model import (
    ALERT,
    Article,
    ArticleState,
    Carried,
    Label,
    MailPermission,
    Newsletter,
    Revision,
    Slot,
    cadence_of,
)
from publisher.ports import Parts

#: How long after a story was mailed its readers are told that it was wrong, or has changed.
REMEMBERED = timedelta(days=92)


def owing(parts: Parts, newsletter: Newsletter, slot: Slot) -> list[tuple[Article, Label]]:
    """Articles that editions have carried and that have more to tell to those who were sent them, with the label,
    the newest first. An alert tells its own story only."""
    if cadence_of(slot.name) == ALERT:
        return []
    now, by_article = parts.clock.now(), defaultdict[int, list[Carried]](list)
    for one in parts.store.memory.outdated(newsletter.slug, now - REMEMBERED):
        by_article[one.article].append(one)
    articles = parts.store.articles.get(by_article)
    since = {id: min(one.revision for one in carried) for id, carried in by_article.items()}
    told, whose = history(parts, articles.values(), since), newsletter.readers_of(slot.name)
    found = (
        (article, memory.owed_by_edition(article, by_article[article.id], whose, told)) for article in articles.values()
    )
    return sorted(
        ((article, label) for article, label in found if label and _goes(newsletter, article, label, now)),
        key=lambda one: (one[0].revision.published_at, one[0].id),
        reverse=True,
    )


def history(parts: Parts, articles: Iterable[Article], since: Mapping[int, int]) -> Mapping[tuple[int, int], Revision]:
    """The revisions of articles from the one named to the current one, by (article, number)."""
    wanted = {(one.id, n) for one in articles if one.id in since for n in range(since[one.id], one.revision.number + 1)}
    return parts.store.articles.revisions(wanted) if wanted else {}


def _goes(newsletter: Newsletter, article: Article, label: Label, now: datetime) -> bool:
    """What was wrong is put right, however old. An update is news like any other: it must be wanted, and new."""
    if article.state is ArticleState.HELD or label is not Label.UPDATED:
        return article.state is not ArticleState.HELD
    wanted = article.mail is MailPermission.ALLOWED and not newsletter.selection.refuses(article)
    return wanted and now - article.revision.updated_at <= newsletter.maximum_age
