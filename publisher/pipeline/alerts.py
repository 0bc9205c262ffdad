"""The story: one article that cannot wait for its digest. Its edition overtakes digests, and is for the readers of all
cadences who did not turn alerts off."""

from __future__ import annotations

from collections.abc import Iterator

from publisher import errors
from publisher.model import ALERT, Article, ArticleState, MailPermission, Newsletter, Slot
from publisher.ports import Parts


def slot_of(article: Article, parts: Parts) -> Slot:
    """Its identity: a revision is urgent once."""
    return Slot(name=f"{ALERT}:{article.id}:{article.revision.number}", due_at=parts.clock.now())


def by_hand(parts: Parts, article: Article) -> Slot:
    """An editor says that it is urgent: no rule of the newsletter's holds it back. Raises Conflict for what may not
    be mailed at all."""
    if article.state is ArticleState.HELD:
        when = f"{article.revision.published_at:%Y-%m-%d %H:%M} UTC"
        raise errors.Conflict(f"“{article.revision.title}” is held until {when}, and cannot be sent before")
    if article.state is not ArticleState.LIVE:
        raise errors.Conflict(f"“{article.revision.title}” is {article.state}, and cannot be sent")
    if article.mail is not MailPermission.ALLOWED:
        why = "it is kept out of mail; `publisher articles allow` lets it in"
        raise errors.Conflict(f"“{article.revision.title}” cannot be sent: {why}")
    return slot_of(article, parts)


def due(parts: Parts) -> Iterator[tuple[Newsletter, Slot]]:
    """What the rules of newsletters call urgent, as long as it is news: once for each article, whatever is changed in
    it later. One whose edition was begun is named again, since it may have to be tried again."""
    now = parts.clock.now()
    for newsletter in parts.newsletters:
        if newsletter.alerts is None:
            continue
        born = parts.store.editions.born(newsletter.slug)
        for article in parts.store.articles.published_since(now - newsletter.late, now):
            since = max(article.first_seen_at, article.mail_at or article.first_seen_at)
            if since >= born and now - since <= newsletter.late and _urgent(newsletter, article):
                last = parts.store.editions.last(newsletter.slug, f"{ALERT}:{article.id}")
                yield newsletter, Slot(name=last.slot, due_at=last.due_at) if last else slot_of(article, parts)


def _urgent(newsletter: Newsletter, article: Article) -> bool:
    allowed = article.mail is MailPermission.ALLOWED and not newsletter.selection.refuses(article)
    return allowed and newsletter.alerts is not None and not newsletter.alerts.refuses(article)


def article_of(parts: Parts, slot: str) -> Article | None:
    """The article of an alert's slot, as it is now."""
    number = slot.split(":")[1]
    return parts.store.articles.get([int(number)]).get(int(number)) if number.isdecimal() else None
