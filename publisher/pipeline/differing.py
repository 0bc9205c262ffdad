"""The story: what is different by now from what an edition tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from publisher import memory
from publisher.model import (
    Article,
    ArticleState,
    Decision,
    Edition,
    EditionState,
    Got,
    Item,
    Label,
    MailPermission,
    Mention,
    Newsletter,
    Revision,
)
from publisher.pipeline.remembering import history
from publisher.ports import Parts

_WORDS = {Label.RETRACTION: "retraction", Label.CORRECTION: "correction"}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is different from what an edition tells: articles that say something else now, those to leave out, and what
    it takes back of others that is not to be taken back any more."""

    changed: Mapping[int, Article]
    out: Mapping[int, str]  # by article: its title
    moot: Mapping[tuple[int, Label], str]  # the same, of a retraction or a correction

    def __bool__(self) -> bool:
        return bool(self.changed or self.out or self.moot)

    @property
    def articles(self) -> frozenset[int]:
        return frozenset((*self.changed, *self.left_out))

    @property
    def left_out(self) -> frozenset[int]:
        """The articles that some readers are told nothing of any more."""
        return frozenset((*self.out, *(article for article, _ in self.moot)))

    def applied(self, items: Sequence[Item]) -> tuple[Item, ...]:
        kept = [item for item in items if not self._why(item)]
        return tuple(
            replace(item, position=position, revision=self._revision(item)) for position, item in enumerate(kept)
        )

    def _revision(self, item: Item) -> int:
        return self.changed[item.article].revision.number if item.article in self.changed else item.revision

    def _why(self, item: Item) -> str:
        """Why an item is left out, or ""."""
        if (item.article, item.label) in self.moot:
            return _taken_back(self.moot[item.article, item.label], item.label)
        gone = item.article in self.out and item.label is not Label.RETRACTION
        return _gone(self.out[item.article]) if gone else ""

    def in_words(self) -> str:
        told = [f"“{article.revision.title}” was changed after it was made" for article in self.changed.values()]
        moot = (_taken_back(title, label) for (_, label), title in self.moot.items())
        return "; ".join([*told, *map(_gone, self.out.values()), *moot])

    def why_nothing(self, items: Sequence[Item]) -> str:
        """Why nothing is left of these items."""
        return "; ".join(map(self._why, items))

    def holds(self, newsletter: Newsletter) -> bool:
        """Whether an editor has to say yes."""
        if self.out and newsletter.when_unpublished == "hold":
            return True
        return bool(self.changed) and newsletter.approval == "editor" and newsletter.when_changed == "hold"


def _gone(title: str) -> str:
    return f"“{title}” is not published any more"


def _taken_back(title: str, label: Label) -> str:
    return f"the {_WORDS[label]} of “{title}” was taken back"


def news(parts: Parts, edition: Edition, told: Collection[Mention], gone: frozenset[int]) -> News:
    """What became of all that an edition tells. `gone` are articles that their sources do not publish any more."""
    there = parts.store.articles.get({one.article for one in told})
    known = [one for one in told if one.article in there]
    moot = _restored(known, there) | _as_it_was(parts, edition, known, there)
    tells = [one for one in known if one.label is not Label.RETRACTION]
    out = {one.article for one in tells if one.article in gone or not _may_go(there[one.article])}
    old = _older(parts, tells, there)
    differ = {
        one.article
        for one in tells
        if one.article not in out
        and (one.article, one.label) not in moot
        and one.revision != there[one.article].revision.number
        and _differ(old.get((one.article, one.revision)), there[one.article].revision)
    }
    titles = {id: article.revision.title for id, article in there.items()}
    return News(
        changed={id: there[id] for id in there if id in differ},
        out={id: titles[id] for id in there if id in out},
        moot={pair: titles[pair[0]] for pair in sorted(moot)},
    )


def _older(parts: Parts, told: Sequence[Mention], there: Mapping[int, Article]) -> Mapping[tuple[int, int], Revision]:
    """The revisions that are told and are not the current ones."""
    pairs = {(one.article, one.revision) for one in told if one.revision != there[one.article].revision.number}
    return parts.store.articles.revisions(pairs) if pairs else {}


def _restored(told: Sequence[Mention], there: Mapping[int, Article]) -> set[tuple[int, Label]]:
    """What is told as withdrawn and is so no more, by word of its source or of an editor."""
    withdrawn = {one.article for one in told if one.label is Label.RETRACTION}
    back = (id for id in withdrawn if there[id].state is not ArticleState.RETRACTED)
    return {(id, Label.RETRACTION) for id in back}


def _as_it_was(
    parts: Parts, edition: Edition, told: Sequence[Mention], there: Mapping[int, Article]
) -> set[tuple[int, Label]]:
    """What is told as corrected, and says again what all who are told so were sent."""
    newer = [one for one in told if one.label is Label.CORRECTION and one.revision < there[one.article].revision.number]
    if not newer:
        return set()
    sent: dict[int, set[int]] = defaultdict(set)
    for got in parts.store.memory.variants(edition.newsletter, {one.article for one in newer}, but=edition.id).values():
        for one in got:
            sent[one.article] |= set() if one.withdrawn else {one.revision}
    articles = [there[id] for id in sent if sent[id]]
    since = history(parts, articles, {one.id: min(sent[one.id]) for one in articles})
    owed = {id for id in sent for number in sent[id] if memory.owed(there[id], [Got(id, number)], since)}
    return {(one.article, one.label) for one in newer if sent[one.article] and one.article not in owed}


def _may_go(article: Article) -> bool:
    return article.state is ArticleState.LIVE and article.mail is MailPermission.ALLOWED


def _differ(before: Revision | None, after: Revision) -> bool:
    """Whether readers would see another headline or another text."""
    return before is None or not before.says_the_same(after)


# ---------------------------------------------------------------- as it is kept with the edition


def said(parts: Parts, edition: Edition, news: News) -> list[Decision]:
    """What became of an edition's stories, one decision of each."""
    when = "before it left" if edition.state in (EditionState.APPROVED, EditionState.WAITING) else "while it was sent"
    rules = {article: (False, f"{_WORDS[label]} taken back {when}") for article, label in news.moot}
    rules |= dict.fromkeys(news.out, (False, f"not published any more {when}"))
    rules |= dict.fromkeys(news.changed, (True, f"changed {when}"))
    there = parts.store.articles.get(rules)
    return [decided(parts, edition, there[id], rule, included) for id, (included, rule) in rules.items() if id in there]


def again(parts: Parts, edition: Edition, variants: Collection[int], news: News) -> Iterator[Decision]:
    """Of which something is shown again, since it was published, or withdrawn, again."""
    shown = parts.store.editions.variants(edition.id, among=variants) if variants else ()
    labels = {item.article: item.label for variant in shown for item in variant.items}
    for id, article in parts.store.articles.get(labels.keys() - news.left_out).items():
        what = "withdrawn" if labels[id] is Label.RETRACTION else "published"
        yield decided(parts, edition, article, f"{what} again while it was sent", included=True)


def decided(parts: Parts, edition: Edition, article: Article, rule: str, included: bool) -> Decision:
    output = f"newsletter:{edition.newsletter}"
    return Decision.of(article, output, included=included, rule=rule, at=parts.clock.now())
