"""What one reader gets of an edition: the stories they follow and have not got, and what they are owed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from publisher.compose.arranging import heading
from publisher.compose.choosing import Choice, no_room
from publisher.model import DUE, Article, Decision, Item, Label, Newsletter
from publisher.model.topics import follows

_WHY = {
    Label.UPDATED: "changed substantially since it was sent",
    Label.CORRECTION: "corrected since it was sent",
    Label.RETRACTION: "withdrawn since it was sent",
    Label.RESTORED: "published again since it was sent as withdrawn",
}


def with_owed(
    choice: Choice, newsletter: Newsletter, owed: Sequence[tuple[Article, Label]], *, now: datetime
) -> Choice:
    """A choice with what its readers are owed of stories that were sent before. A correction or a retraction goes out
    even when there is too little news; the news then waits. What is news to some may be a correction to others."""
    there = {item.article for item in choice.items}
    owed = [(article, label) for article, label in owed if article.id not in there]
    if choice.skip and not any(label in DUE for _, label in owed):
        return choice
    start = len(choice.items)
    items = tuple(
        Item(
            article=article.id,
            revision=article.revision.number,
            position=position,
            label=label,
            section=heading(article, newsletter.sections) if label is Label.UPDATED else "",
        )
        for position, (article, label) in enumerate(owed, start=start)
    )
    of = {article.id for article, _ in owed}
    others = tuple(one for one in choice.decisions if one.article not in of)
    decisions = tuple(_decision(newsletter, article, label, now) for article, label in owed)
    return Choice(items=(*choice.items, *items), decisions=(*others, *decisions), skip="")


def _decision(newsletter: Newsletter, article: Article, label: Label, now: datetime) -> Decision:
    rule = f"{_WHY[label]}: for those who were sent it before"
    return Decision.of(article, f"newsletter:{newsletter.slug}", included=True, rule=rule, at=now)


def for_everybody(items: Sequence[Item]) -> tuple[Item, ...]:
    """What a reader gets who follows everything and was sent nothing; where there is no news, all that is owed."""
    news = [item for item in items if item.label is Label.NEW and not item.spare]
    return _numbered(news or items)


def for_reader(
    newsletter: Newsletter,
    items: Sequence[Item],
    articles: Mapping[int, Article],
    about: Mapping[int, Collection[str]],
    *,
    topics: Collection[str] = (),
    owed: Mapping[int, Label | None] | None = None,
) -> tuple[Item, ...]:
    """What a reader with these topics gets of an edition's items, in their order; () for nothing.

    `about` tells the topics of each article. `owed` is what they are to be told of articles whose story they were sent,
    None for nothing. Of news and updates there are as many as an edition holds, the newest.
    """
    wanted = [one for item in items if (one := _wanted(item, owed or {}, about, topics))]
    due = [item for item in wanted if item.label in DUE]
    news = _fitting(newsletter, [item for item in wanted if item.label not in DUE], articles)
    return _numbered([*_led(news, articles), *(replace(item, section="") for item in due)])


def _wanted(
    item: Item, owed: Mapping[int, Label | None], about: Mapping[int, Collection[str]], topics: Collection[str]
) -> Item | None:
    """The item as this reader gets it, None when they do not."""
    if item.article not in owed:
        return item if item.label is Label.NEW and follows(topics, about[item.article]) else None
    label = owed[item.article]
    if label is None or (label not in DUE and not follows(topics, about[item.article])):
        return None
    return replace(item, label=label)


def _fitting(newsletter: Newsletter, items: Sequence[Item], articles: Mapping[int, Article]) -> list[Item]:
    """Those that there is room for, the newest first to be taken, in their own order."""
    kept: list[Article] = []
    for article in sorted((articles[item.article] for item in items), key=_newness, reverse=True):
        if not no_room(newsletter, article, kept):
            kept.append(article)
    fitting = {article.id for article in kept}
    return [item for item in items if item.article in fitting]


def _newness(article: Article) -> tuple[datetime, int]:
    return article.revision.published_at, article.id


def _led(items: Sequence[Item], articles: Mapping[int, Article]) -> list[Item]:
    """The edition's own lead stays first; where the reader does not get it, the first story with a picture leads."""
    if not items:
        return []
    pictured = next((item for item in items if _pictured(articles[item.article])), items[0])
    lead = items[0] if items[0].position == 0 else pictured
    return [lead, *_together([item for item in items if item is not lead])]


def _pictured(article: Article) -> bool:
    image = article.revision.image
    return image is not None and not image.lost


def _together(items: Sequence[Item]) -> list[Item]:
    """With updates in their own section, where it begins; what has none comes last."""
    if all(item.label is Label.NEW for item in items):
        return list(items)
    sections = dict.fromkeys(item.section for item in items if item.section)
    return [item for section in (*sections, "") for item in items if item.section == section]


def _numbered(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, position=position, spare=False) for position, item in enumerate(items))
