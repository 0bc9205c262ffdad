"""The story: what was sent of a story before, and to whom; and what its readers are owed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher import memory
from publisher.model import (
    ALERT,
    Article,
    ArticleState,
    Carried,
    Edition,
    Got,
    Label,
    MailPermission,
    Newsletter,
    Revision,
    Slot,
    cadence_of,
)
from publisher.ports import Parts

#: Ids of readers whose memory is held at once.
WINDOW = 250_000
#: What is remembered of somebody who was sent nothing of an edition's stories.
NOTHING: frozenset[Got] = frozenset()

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
        (
            (article, label)
            for article, label in found
            if label
            and _goes(newsletter, article, label, now)
            and (label is not Label.RESTORED or _was_withdrawn(parts, newsletter, article))
        ),
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
        kept_out = label is Label.RESTORED and article.mail is not MailPermission.ALLOWED
        return article.state is not ArticleState.HELD and not kept_out
    wanted = article.mail is MailPermission.ALLOWED and not newsletter.selection.refuses(article)
    return wanted and now - article.revision.updated_at <= newsletter.maximum_age


def _was_withdrawn(parts: Parts, newsletter: Newsletter, article: Article) -> bool:
    """Whether anybody was told so: an edition's retraction may have been taken back before it reached a reader."""
    told = parts.store.memory.variants(newsletter.slug, [article.id], but=0)
    variants = [id for id, got in told.items() if any(one.withdrawn for one in got)]
    windows = range(0, parts.store.audience.largest_id(), WINDOW)  # the first that names somebody is read to its end
    reached = (list(parts.store.memory.readers(variants, after=after, upto=after + WINDOW)) for after in windows)
    return any(ids for window in reached for _, ids in window)


# ---------------------------------------------------------------- who got what


@dataclass(slots=True)
class Remembered:
    """What readers were sent of an edition's stories, for a window of ids at a time.

    Each reader has the number of a set of what they got; there are as many sets as there are histories, not readers."""

    parts: Parts
    edition: Edition
    articles: Collection[int]
    sets: list[frozenset[Got]] = field(default_factory=lambda: [NOTHING])
    _numbers: dict[frozenset[Got], int] = field(default_factory=lambda: {NOTHING: 0})
    _variants: Mapping[int, frozenset[Got]] = field(default_factory=dict)
    _added: dict[tuple[int, int], int] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)
    _after: int = -1
    _upto: int = -1
    _version: int = -1

    def of(self, first: int, last: int) -> Mapping[int, int]:
        """By reader with an id from the first to the last: the number of what they got. Who got nothing may be left
        out."""
        version = self.parts.store.memory.version(self.edition.newsletter, but=self.edition.id)
        if version != self._version or not self._after < first <= last <= self._upto:
            self._load(first - 1, max(last, first - 1 + WINDOW))
            self._version = version
        return self._held

    def _load(self, after: int, upto: int) -> None:
        kept = self.parts.store.memory
        self._variants = kept.variants(self.edition.newsletter, self.articles, but=self.edition.id)
        held: dict[int, int] = {}
        for variant, ids in kept.readers(self._variants, after=after, upto=upto):
            if held.keys().isdisjoint(ids):
                held.update(dict.fromkeys(ids, self._add(0, variant)))
            else:
                for id in ids:
                    held[id] = self._add(held.get(id, 0), variant)
        self._held, self._after, self._upto = held, after, upto

    def _add(self, number: int, variant: int) -> int:
        """The number of a set with what a variant tells."""
        found = self._added.get((number, variant))
        if found is None:
            both = self.sets[number] | self._variants[variant]
            found = self._numbers.setdefault(both, len(self.sets))
            if found == len(self.sets):
                self.sets.append(both)
            self._added[number, variant] = found
        return found
