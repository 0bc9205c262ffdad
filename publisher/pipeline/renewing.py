"""The story: what was changed or unpublished at its source after an edition was made.

Just before an edition leaves, its stories are looked at once more. What changed is shown as it is now; what is not
published any more is left out, or an editor is asked. While it is being sent, the same holds for readers of batches of
which nothing can have left: others got what they got, and the variants say who got which. Who would get nothing else
than what was withdrawn is skipped when their turn comes, unless it is published again by then.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from queue import Empty, SimpleQueue
from typing import Any

from publisher import collect as collecting
from publisher import compose as composing
from publisher import editions, errors, notices
from publisher.model import (
    Article,
    ArticleState,
    Decision,
    Edition,
    EditionState,
    Item,
    Label,
    MailPermission,
    Newsletter,
    Revision,
    SecondLook,
    Slot,
    Source,
    Variant,
)
from publisher.pipeline import keeping, preflighting
from publisher.pipeline.collecting import source_of, told_again
from publisher.pipeline.pictures import hosted
from publisher.ports import Parts

#: Untouched batches that are given other variants in one transaction.
TOGETHER = 100
#: How long after one look at the sources comes the next, while an edition is being sent.
AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is different from what an edition tells: articles that say something else now, and those to leave out."""

    changed: Mapping[int, Article]
    out: Mapping[int, str]  # by article: its title

    def __bool__(self) -> bool:
        return bool(self.changed or self.out)

    def applied(self, items: Sequence[Item]) -> tuple[Item, ...]:
        kept = [item for item in items if item.article not in self.out or item.label is Label.RETRACTION]
        return tuple(
            replace(item, position=position, revision=self._revision(item)) for position, item in enumerate(kept)
        )

    def _revision(self, item: Item) -> int:
        return self.changed[item.article].revision.number if item.article in self.changed else item.revision

    def in_words(self) -> str:
        told = [f"“{article.revision.title}” was changed after it was made" for article in self.changed.values()]
        return "; ".join([*told, *map(_gone, self.out.values())])

    def why_nothing(self, items: Sequence[Item]) -> str:
        """Why nothing is left of these items."""
        return "; ".join(_gone(self.out[item.article]) for item in items)

    def holds(self, newsletter: Newsletter) -> bool:
        """Whether an editor has to say yes."""
        if self.out and newsletter.when_unpublished == "hold":
            return True
        return bool(self.changed) and newsletter.approval == "editor" and newsletter.when_changed == "hold"


def _gone(title: str) -> str:
    return f"“{title}” is not published any more"


# ---------------------------------------------------------------- before it leaves


def before_leaving(parts: Parts, newsletter: Newsletter, edition: Edition) -> Edition:
    """The approved edition as it leaves now. Raises PreflightError when an editor has to look at it first, or when
    nothing of it is left."""
    gone = look_again(parts, newsletter, [item.article for item in edition.items if _tells(item)])
    news = _news(parts, [(item.article, item.revision) for item in edition.items if _tells(item)], gone)
    if not news:
        return edition
    items, why = news.applied(edition.items), news.in_words()
    everybody = composing.for_everybody(items)
    if not everybody:
        reason = f"nothing is left of it: {why}"
        editions.drop(parts.store, edition.key, reason)
        raise errors.PreflightError(f"{edition.key} does not leave: {reason}", edition=edition.key)
    holds = news.holds(newsletter)
    slot = Slot(name=edition.slot, due_at=edition.due_at)
    shown = _shown(parts, everybody)
    variant = keeping.make(parts, newsletter, slot, everybody, shown, now=parts.clock.now())
    changed = replace(edition, items=items, subject=variant.rendered.subject)
    edition = editions.renew(parts.store, changed, variant, hold=why if holds else "")
    parts.store.decisions.keep(edition.id, _said(parts, edition, news))
    if holds:
        how = f"To send it as it is now: publisher send {newsletter.slug}"
        _tell(parts, edition, "waits for an editor", f"{why}. {how}")
        raise errors.PreflightError(f"{edition.key} does not leave: {why}", edition=edition.key)
    return edition


def look_again(
    parts: Parts, newsletter: Newsletter, stories: Collection[int], before: frozenset[int] = frozenset()
) -> frozenset[int]:
    """Ask the sources of these stories once more, for as long as the newsletter waits, and keep what they say. The
    articles that are not published there any more, of which `before` were not the last time; whoever does not answer in
    time changes nothing."""
    articles = parts.store.articles.get(stories)
    asked: SimpleQueue[tuple[Source, SecondLook]] = SimpleQueue()
    waiting = 0
    for source, ids in _by_source(parts, articles):
        if newsletter.look_again:
            threading.Thread(target=_ask, args=(parts, source, ids, asked), name="look again", daemon=True).start()
            waiting += 1
    ends, gone = parts.clock.monotonic() + newsletter.look_again.total_seconds(), set(before)
    with suppress(Empty):
        for _ in range(waiting):
            source, look = asked.get(timeout=max(0.0, ends - parts.clock.monotonic()))
            if look.articles:
                told_again(parts, source.slug, look.articles)
            of_it = {collecting.own_id(one): one.id for one in articles.values() if one.source == source.slug}
            gone -= {of_it[one.native_id] for one in look.articles if one.native_id in of_it}
            gone |= {of_it[native_id] for native_id in look.gone if native_id in of_it}
    return frozenset(gone)


def _by_source(parts: Parts, articles: Mapping[int, Article]) -> Iterator[tuple[Source, tuple[str, ...]]]:
    """Sources, each with what it calls those of these articles that it has."""
    for source in parts.sources:
        ids = tuple(id for one in articles.values() if one.source == source.slug and (id := collecting.own_id(one)))
        if ids:
            yield source_of(parts, source.slug), ids


def _ask(parts: Parts, source: Source, ids: Sequence[str], asked: SimpleQueue[tuple[Source, SecondLook]]) -> None:
    look = SecondLook()
    try:
        with suppress(errors.PublisherError):  # who cannot be asked now has changed nothing
            look = parts.fetchers[source.kind].again(source, ids, now=parts.clock.now())
    finally:
        asked.put((source, look))


# ---------------------------------------------------------------- while it is being sent


def renew(parts: Parts, edition: Edition, *, ask: bool = False) -> None:
    """Show what changed since to the readers of batches of which nothing can have left. With `ask`, ask its sources
    however lately they were asked."""
    store = parts.store
    if not store.outbox.untouched(edition.id):
        return
    newsletter = next((one for one in parts.newsletters if one.slug == edition.newsletter), None)
    if newsletter is not None:
        told = store.editions.told(edition.id)
        gone = _gone_meanwhile(parts, newsletter, edition, told, ask=ask)
        _change(parts, newsletter, edition, _news(parts, told, gone))
    if newest := store.editions.newest_variants(edition.id):
        after = store.outbox.repoint(edition.id, newest, after=0, limit=TOGETHER)
        while after:
            after = store.outbox.repoint(edition.id, newest, after=after, limit=TOGETHER)


def resume(parts: Parts, key: str) -> Edition:
    """An editor lets a paused edition go on, with its stories as they are by now. Raises NotFound, or Conflict when it
    is not paused."""
    edition = parts.store.editions.get(key)
    if edition.state is EditionState.PAUSED:
        renew(parts, edition, ask=True)
    return editions.resume(parts.store, key)


def _gone_meanwhile(
    parts: Parts, newsletter: Newsletter, edition: Edition, told: Sequence[tuple[int, int]], *, ask: bool
) -> frozenset[int]:
    """What sources do not publish any more, as they said when they were asked last. They are every so often, as long as
    readers wait for their hour, their wave or their turn."""
    now, last = parts.clock.now(), edition.looked_at or edition.approved_at
    sending = edition.state is EditionState.SENDING and (last is None or now - last >= AGAIN)
    if not (ask or sending):
        return edition.gone
    _note(parts, edition, looked_at=now)
    gone = look_again(parts, newsletter, [article for article, _ in told], edition.gone)
    _note(parts, edition, gone=sorted(gone))
    return gone


def _note(parts: Parts, edition: Edition, **what: Any) -> None:
    """Keep something with an edition, also when it has just been paused or resumed."""
    for state in (EditionState.SENDING, EditionState.PAUSED):
        with suppress(errors.Conflict):
            parts.store.editions.move(edition.key, (state,), state, **what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to become of an edition's variants: those that come in place of others, by id; those of which nothing is
    left, and why; and why a person has to decide, "" when nobody has to."""

    made: Mapping[int, Variant]
    nothing: Mapping[int, str]
    wrong: str = ""


def _change(parts: Parts, newsletter: Newsletter, edition: Edition, news: News) -> None:
    """Make the variants anew that tell of what changed, and mark those of which nothing is left. Where an editor has to
    know it is paused before; that is asked once, and answered by resuming or cancelling it."""
    kept, before = parts.store.editions, parts.store.editions.withdrawn(edition.id)
    if not (news or before):
        return
    changes, said = _changes(parts, newsletter, edition, news), _said(parts, edition, news)
    known = {(one.article, one.revision, one.rule) for one in parts.store.decisions.of_edition(edition.id)}
    told = all((one.article, one.revision, one.rule) in known for one in said)
    if told and not changes.made and changes.nothing == before:
        return
    asked, why = changes.wrong or news.holds(newsletter), "; ".join(filter(None, (news.in_words(), changes.wrong)))
    if asked:
        _hold(parts, edition, why)
    for old, new in changes.made.items():
        kept.supersede(old, new)
    kept.withdraw(edition.id, changes.nothing)
    kept.partly(edition.id, news.out)
    back = _back(parts, edition, before.keys() - changes.nothing.keys(), news)
    parts.store.decisions.keep(edition.id, [*back, *said])
    if why and not asked:
        left = "Who was not mailed yet gets it as it is now; who would get nothing else is skipped."
        _tell(parts, edition, "was changed while it was sent", f"{why}. {left}")


def _changes(parts: Parts, newsletter: Newsletter, edition: Edition, news: News) -> Changes:
    """One that would arrive broken goes only in place of what was withdrawn, and when an editor says so; what was only
    changed then goes as it was."""
    made: dict[int, Variant] = {}
    nothing: dict[int, str] = {}
    wrong = ""
    for variant in parts.store.editions.telling(edition.id, [*news.changed, *news.out]) if news else ():
        items = news.applied(variant.items)
        if not items:
            nothing[variant.id] = news.why_nothing(variant.items)
        elif items != variant.items:
            new = _again(parts, variant, items)
            broken = preflighting.reason(parts, edition, newsletter, [new], network=False)
            wrong = f"now it would arrive broken: {broken}" if broken else wrong
            if not broken or len(items) < len(variant.items):
                made[variant.id] = new
    return Changes(made=made, nothing=nothing, wrong=wrong)


def _back(parts: Parts, edition: Edition, variants: Collection[int], news: News) -> Iterator[Decision]:
    """Of which something is shown again, since it was published again."""
    shown = parts.store.editions.variants(edition.id, among=variants) if variants else ()
    ids = {item.article for variant in shown for item in variant.items} - news.out.keys()
    for article in parts.store.articles.get(ids).values():
        yield _decided(parts, edition, article, "published again while it was sent", included=True)


def _hold(parts: Parts, edition: Edition, why: str) -> None:
    if editions.hold(parts.store, edition.key, why):
        _tell(parts, edition, "is paused", f"{why}. To go on: publisher deliver resume {edition.key}")


# ---------------------------------------------------------------- both


def _tells(item: Item) -> bool:
    return item.label is not Label.RETRACTION


def _news(parts: Parts, told: Sequence[tuple[int, int]], gone: frozenset[int]) -> News:
    there = parts.store.articles.get([article for article, _ in told])
    now = {pair: there[pair[0]] for pair in told if pair[0] in there}
    newer = [pair for pair, article in now.items() if article.revision.number != pair[1]]
    old = parts.store.articles.revisions(newer) if newer else {}
    out = {one.id: one.revision.title for one in now.values() if one.id in gone or not _may_go(one)}
    differ = (pair for pair in newer if pair[0] not in out and _differ(old.get(pair), now[pair].revision))
    return News(changed={pair[0]: now[pair] for pair in differ}, out=out)


def _may_go(article: Article) -> bool:
    return article.state is ArticleState.LIVE and article.mail is MailPermission.ALLOWED


def _differ(before: Revision | None, after: Revision) -> bool:
    """Whether readers would see another headline or another text."""
    if before is None:
        return True
    return (before.title, before.standfirst, before.content_html) != (after.title, after.standfirst, after.content_html)


def _again(parts: Parts, variant: Variant, items: Sequence[Item]) -> Variant:
    """The variant with other items, made with all else that it was made with."""
    recipe = keeping.recipe_of(parts, variant)
    fresh = [item for item in items if recipe.articles[item.article].revision.number != item.revision]
    articles = {**recipe.articles, **_shown(parts, fresh)}
    with keeping.templates_of(recipe) as templates:
        return keeping.Press(replace(recipe, articles=articles), templates).make(tuple(items), recipe.language)


def _shown(parts: Parts, items: Sequence[Item]) -> Mapping[int, Article]:
    """The articles of items at their revisions, with pictures that can be mailed."""
    articles = parts.store.articles.get([item.article for item in items])
    frozen = parts.store.articles.revisions([(item.article, item.revision) for item in items])
    told = {
        item.article: replace(articles[item.article], revision=frozen[item.article, item.revision]) for item in items
    }
    return hosted(parts, items, told)


def _said(parts: Parts, edition: Edition, news: News) -> list[Decision]:
    """What became of an edition's stories, as it is kept with it."""
    when = "before it left" if edition.state in (EditionState.APPROVED, EditionState.WAITING) else "while it was sent"
    articles = parts.store.articles.get([*news.changed, *news.out]).values()
    changed = [_decided(parts, edition, one, f"changed {when}", True) for one in articles if one.id in news.changed]
    gone = f"not published any more {when}"
    return [*changed, *(_decided(parts, edition, one, gone, False) for one in articles if one.id in news.out)]


def _decided(parts: Parts, edition: Edition, article: Article, rule: str, included: bool) -> Decision:
    return Decision(
        output=f"newsletter:{edition.newsletter}",
        article=article.id,
        revision=article.revision.number,
        included=included,
        rule=rule,
        at=parts.clock.now(),
    )


def _tell(parts: Parts, edition: Edition, what: str, text: str) -> None:
    key = f"{edition.key}:{what}:{sha256(text.encode()).hexdigest()[:16]}"
    title, now = f"{edition.key} {what}", parts.clock.now()
    notices.alarm(parts.store, key, title, text, site=parts.site, templates=parts.templates, now=now)


def sweep(parts: Parts) -> None:
    """All editions that are under way."""
    for edition in parts.store.editions.in_state(EditionState.SENDING, EditionState.PAUSED):
        renew(parts, edition)
