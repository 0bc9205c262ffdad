"""The story: what was changed or unpublished at its source after an edition was made.

Just before an edition leaves, its stories are looked at once more. What changed is shown as it is now; what is not
published any more is left out, or an editor is asked. While it is being sent, the same holds for readers of batches of
which nothing can have left: others got what they got, and the variants say who got which. Who would get nothing else
than what was withdrawn is skipped when their turn comes, unless it is published again by then. A retraction that was
taken back is told to nobody else, and neither is a correction of what says again what they were sent.
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
    Edition,
    EditionState,
    Item,
    Mention,
    Newsletter,
    SecondLook,
    Slot,
    Source,
    Variant,
)
from publisher.pipeline import differing, keeping, preflighting
from publisher.pipeline.collecting import source_of, told_again
from publisher.pipeline.pictures import hosted
from publisher.ports import Parts

#: Untouched batches that are given other variants in one transaction.
TOGETHER = 100
#: How long after one look at the sources comes the next, while an edition is being sent.
AGAIN = timedelta(minutes=10)


# ---------------------------------------------------------------- before it leaves


def before_leaving(parts: Parts, newsletter: Newsletter, edition: Edition) -> Edition:
    """The approved edition as it leaves now. Raises PreflightError when an editor has to look at it first, or when
    nothing of it is left."""
    gone = look_again(parts, newsletter, [item.article for item in edition.items])
    told = [Mention(item.article, item.revision, item.label) for item in edition.items]
    news = differing.news(parts, edition, told, gone)
    if not news:
        return edition
    items, why = news.applied(edition.items), news.in_words()
    everybody = composing.for_everybody(items)
    if not everybody:
        reason = f"nothing is left of it: {why}"
        parts.store.decisions.keep(edition.id, differing.said(parts, edition, news))
        editions.drop(parts.store, edition.key, reason)
        raise errors.PreflightError(f"{edition.key} does not leave: {reason}", edition=edition.key)
    holds = news.holds(newsletter)
    slot = Slot(name=edition.slot, due_at=edition.due_at)
    shown = _shown(parts, everybody)
    variant = keeping.make(parts, newsletter, slot, everybody, shown, now=parts.clock.now())
    changed = replace(edition, items=items, subject=variant.rendered.subject)
    edition = editions.renew(parts.store, changed, variant, hold=why if holds else "")
    parts.store.decisions.keep(edition.id, differing.said(parts, edition, news))
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
        _change(parts, newsletter, edition, differing.news(parts, edition, told, gone))
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
    parts: Parts, newsletter: Newsletter, edition: Edition, told: Sequence[Mention], *, ask: bool
) -> frozenset[int]:
    """What sources do not publish any more, as they said when they were asked last. They are every so often, as long as
    readers wait for their hour, their wave or their turn."""
    now, last = parts.clock.now(), edition.looked_at or edition.approved_at
    sending = edition.state is EditionState.SENDING and (last is None or now - last >= AGAIN)
    if not (ask or sending):
        return edition.gone
    _note(parts, edition, looked_at=now)
    gone = look_again(parts, newsletter, {one.article for one in told}, edition.gone)
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


def _change(parts: Parts, newsletter: Newsletter, edition: Edition, news: differing.News) -> None:
    """Make the variants anew that tell of what changed, and mark those of which nothing is left. Where an editor has to
    know it is paused before; that is asked once, and answered by resuming or cancelling it."""
    kept, before = parts.store.editions, parts.store.editions.withdrawn(edition.id)
    if not (news or before):
        return
    changes, said = _changes(parts, newsletter, edition, news), differing.said(parts, edition, news)
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
    kept.partly(edition.id, news.left_out)
    back = differing.again(parts, edition, before.keys() - changes.nothing.keys(), news)
    parts.store.decisions.keep(edition.id, [*back, *said])
    if why and not asked:
        left = "Who was not mailed yet gets it as it is now; who would get nothing else is skipped."
        _tell(parts, edition, "was changed while it was sent", f"{why}. {left}")


def _changes(parts: Parts, newsletter: Newsletter, edition: Edition, news: differing.News) -> Changes:
    """One that would arrive broken goes only in place of what was withdrawn, and when an editor says so; what was only
    changed then goes as it was."""
    made: dict[int, Variant] = {}
    nothing: dict[int, str] = {}
    wrong = ""
    shown = _shown(parts, [_current(article) for article in news.changed.values()])
    with keeping.reprinting(parts) as reprint:
        for variant in parts.store.editions.telling(edition.id, news.articles) if news else ():
            items = news.applied(variant.items)
            if not items:
                nothing[variant.id] = news.why_nothing(variant.items)
            elif items != variant.items:
                new = reprint(variant, items, shown)
                broken = preflighting.reason(parts, edition, newsletter, [new], network=False)
                wrong = f"now it would arrive broken: {broken}" if broken else wrong
                if not broken or len(items) < len(variant.items):
                    made[variant.id] = new
    return Changes(made=made, nothing=nothing, wrong=wrong)


def _hold(parts: Parts, edition: Edition, why: str) -> None:
    if editions.hold(parts.store, edition.key, why):
        _tell(parts, edition, "is paused", f"{why}. To go on: publisher deliver resume {edition.key}")


# ---------------------------------------------------------------- both


def _current(article: Article) -> Item:
    return Item(article=article.id, revision=article.revision.number, position=0)


def _shown(parts: Parts, items: Sequence[Item]) -> Mapping[int, Article]:
    """The articles of items at their revisions, with pictures that can be mailed."""
    articles = parts.store.articles.get([item.article for item in items])
    frozen = parts.store.articles.revisions([(item.article, item.revision) for item in items])
    told = {
        item.article: replace(articles[item.article], revision=frozen[item.article, item.revision]) for item in items
    }
    return hosted(parts, items, told)


def _tell(parts: Parts, edition: Edition, what: str, text: str) -> None:
    key = f"{edition.key}:{what}:{sha256(text.encode()).hexdigest()[:16]}"
    title, now = f"{edition.key} {what}", parts.clock.now()
    notices.alarm(parts.store, key, title, text, site=parts.site, templates=parts.templates, now=now)


def sweep(parts: Parts) -> None:
    """All editions that are under way."""
    for edition in parts.store.editions.in_state(EditionState.SENDING, EditionState.PAUSED):
        renew(parts, edition)
