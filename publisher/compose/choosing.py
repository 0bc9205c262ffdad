"""Which articles go into an edition, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from publisher.compose.arranging import arrange, section
from publisher.compose.wording import count, hours
from publisher.model import (
    Arrival,
    Article,
    ArticleState,
    Decision,
    Item,
    MailPermission,
    Newsletter,
)

#: Articles over the limit that are kept for readers of some topics, at most.
SPARE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What goes into an edition, and why. `skip` is the reason not to send one, "" when there is none."""

    items: tuple[Item, ...]
    decisions: tuple[Decision, ...]
    skip: str


def choose(
    newsletter: Newsletter,
    articles: Iterable[Article],
    sent: Mapping[int, frozenset[int]],
    *,
    now: datetime,
    others: Iterable[Article] = (),
) -> Choice:
    """Choose the articles of the next edition, and say of every candidate why it is in or out.

    `sent` holds, by article, the revisions that this newsletter has carried; `others` share a story with a
    candidate and are none themselves.
    """
    rules: dict[int, str] = {}
    chosen: list[Article] = []
    spare: list[Article] = []
    newest_first = sorted(articles, key=_newness, reverse=True)
    refusals = {article.id: refuses(newsletter, article, sent, now=now) for article in newest_first}
    told = _told(newest_first, refusals, others, sent)
    for article in newest_first:
        refusal = refusals[article.id] or told.get(article.id, "")
        rules[article.id] = refusal or no_room(newsletter, article, chosen)
        if not rules[article.id]:
            chosen.append(article)
        elif not refusal and newsletter.topics and len(spare) < SPARE:
            spare.append(article)
    skip = _too_few(newsletter, len(chosen))
    return Choice(
        items=() if skip else _items(newsletter, chosen, spare),
        decisions=tuple(_decision(newsletter, a, rules[a.id], skip, now) for a in newest_first),
        skip=skip,
    )


def _items(newsletter: Newsletter, chosen: Sequence[Article], spare: Sequence[Article]) -> tuple[Item, ...]:
    """Those who follow some topics only may have room for what is over the limit."""
    ordered = arrange(sorted([*chosen, *spare], key=_newness, reverse=True), newsletter.sections)
    over = {article.id for article in spare}
    return tuple(replace(item, spare=item.article in over) for item in ordered)


def no_room(newsletter: Newsletter, article: Article, chosen: Sequence[Article]) -> str:
    """Why there is no room for one more article, or ""."""
    if len(chosen) >= newsletter.maximum_items:
        return f"over the limit of {count(newsletter.maximum_items, 'article')}"
    mine = section(article, newsletter.sections)
    if mine and mine.limit and sum(section(one, newsletter.sections) is mine for one in chosen) >= mine.limit:
        return f"over the limit of {count(mine.limit, 'article')} in “{mine.title}”"
    return ""


def refuses(newsletter: Newsletter, article: Article, sent: Mapping[int, frozenset[int]], *, now: datetime) -> str:
    """The rule that keeps an article out of a newsletter's next edition, or "" when none does."""
    if article.state is not ArticleState.LIVE:
        return f"not live: {article.state.value}"
    if article.mail is not MailPermission.ALLOWED:
        return _excluded(article)
    if rule := newsletter.selection.refuses(article):
        return rule
    if revisions := sent.get(article.id):
        return f"already sent in {newsletter.name} ({_revisions(revisions)})"
    return _too_old(newsletter, article, now)


def _excluded(article: Article) -> str:
    if article.mail_at:
        return "excluded from mail by an editor"
    return "backdated: in feeds, not in mail" if article.arrival is Arrival.BACKDATED else "excluded from mail"


def _too_old(newsletter: Newsletter, article: Article, now: datetime) -> str:
    """What an editor has let into mail is as new as their word. An undated article was dated when first seen, so
    this holds for it too."""
    published = article.revision.published_at
    old = now - max(published, article.mail_at or published)
    if old <= newsletter.maximum_age:
        window = newsletter.window
        return f"before the {hours(window)} that an edition looks back over" if window and old > window else ""
    if article.arrival is Arrival.ARCHIVE and article.first_seen_at - published > newsletter.maximum_age:
        return f"archive: older than {_age(newsletter)} when its source was first read"
    return f"older than {_age(newsletter)}"


def _told(
    articles: Sequence[Article],
    refusals: Mapping[int, str],
    others: Iterable[Article],
    sent: Mapping[int, frozenset[int]],
) -> dict[int, str]:
    """By article: the rule that its story was sent already as another source told it, or is told by one of another
    source that was collected first."""
    before = {one.story: one for one in (*others, *articles) if sent.get(one.id)}
    first: dict[str, Article] = {}
    for article in sorted(articles, key=lambda one: (one.first_seen_at, one.id)):
        if not refusals[article.id]:
            first.setdefault(article.story, article)
    rules: dict[int, str] = {}
    for article in articles:
        leader, earlier = first.get(article.story, article), before.get(article.story, article)
        if earlier.source != article.source:
            rules[article.id] = f"the same story as {_named(earlier)}, which was sent"
        elif leader.source != article.source:
            rules[article.id] = f"the same story as {_named(leader)}"
    return rules


def _named(article: Article) -> str:
    return f"“{article.revision.title}” ({article.source})"


def _decision(newsletter: Newsletter, article: Article, rule: str, skip: str, now: datetime) -> Decision:
    waits = f"waits for the next edition: {skip}" if skip else ""
    why = rule or waits or "new since the last edition"
    return Decision.of(article, f"newsletter:{newsletter.slug}", included=not (rule or waits), rule=why, at=now)


def _too_few(newsletter: Newsletter, number: int) -> str:
    if not number:
        return "nothing new"
    least = newsletter.minimum_items
    return f"only {number} of at least {count(least, 'article')}" if number < least else ""


def _newness(article: Article) -> tuple[datetime, int]:
    return article.revision.published_at, article.id


def _revisions(revisions: Iterable[int]) -> str:
    numbers = sorted(revisions)
    return f"revision{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"


def _age(newsletter: Newsletter) -> str:
    age = newsletter.maximum_age
    return hours(age) if age.seconds else count(age.days, "day")
