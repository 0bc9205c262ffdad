"""The story: what an editor says about one article, and why it is where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from publisher import collect as collecting
from publisher import compose as composing
from publisher import errors, memory
from publisher import syndicate as syndicating
from publisher.model import Article, Decision, Edition, Feed, MailPermission, Newsletter
from publisher.pipeline.placing import place
from publisher.ports import Parts

#: Editions of a newsletter that are searched for what they decided about an article.
LOOKED_BACK = 100


def correct(parts: Parts, article: Article, note: str) -> Article:
    """Mark what it says now as a correction, with a note for readers. Raises Conflict."""
    return _say(parts, article, lambda one: collecting.corrected(one, note, now=parts.clock.now()))


def retract(parts: Parts, article: Article, note: str, editor: str) -> Article:
    """Withdraw it, with a note for readers, until an editor restores it. Raises Conflict."""
    said = f"retracted by {editor}" + (f": {note}" if note else "")
    return _say(
        parts,
        article,
        lambda one: collecting.retracted(one, note, editor, now=parts.clock.now()),
        ("state", False, said),
    )


def restore(parts: Parts, article: Article, editor: str) -> Article:
    """Take a retraction back. Raises Conflict."""
    return _say(
        parts,
        article,
        lambda one: collecting.restored(one, now=parts.clock.now()),
        ("state", True, f"restored by {editor}"),
    )


def mail(parts: Parts, article: Article, allowed: bool, editor: str) -> Article:
    """Let it into mail, as new from now on, or keep it out, whatever the rules say."""
    said = f"{'let into' if allowed else 'kept out of'} mail by {editor}"
    return _say(
        parts,
        article,
        lambda one: collecting.mailed(one, allowed, now=parts.clock.now()),
        ("mail", allowed, said),
    )


def _say(
    parts: Parts, article: Article, change: Callable[[Article], Article], said: tuple[str, bool, str] | None = None
) -> Article:
    """Change what is stored now, keep who said so, and place it, and what shares its story, anew."""
    with parts.store.transaction() as together:
        together.feeds.lock()
        before = together.articles.get([article.id])[article.id]
        after = change(before)
        if after.revision.number != before.revision.number:
            together.articles.revise(after)
        else:
            together.articles.decide(after)
        if said:
            output, included, rule = said
            at = parts.clock.now()
            together.decisions.record([Decision.of(after, output, included=included, rule=rule, at=at)])
        place(parts, together, [after])
    return after


# ---------------------------------------------------------------- why


def why(parts: Parts, article: Article, *, feed: str = "", newsletter: str = "") -> tuple[Decision, ...]:
    """For each output, or the one that is named: in or out, by which rule, since when. What nobody has decided yet
    is decided now, as it would be; nothing is stored. Raises NotFound for an output that is not there."""
    kept = {one.output: one for one in reversed(parts.store.decisions.of(article.id))}
    about_it = [kept[output] for output in ("story", "state", "mail") if output in kept]
    feeds = [there for there in parts.store.feeds.all() if feed in ("", there.slug)]
    newsletters = [there for there in parts.newsletters if newsletter in ("", there.slug)]
    if feed and not feeds:
        raise errors.NotFound(f"there is no feed {feed!r}", feed=feed)
    if newsletter and not newsletters:
        known = ", ".join(there.slug for there in parts.newsletters) or "none"
        raise errors.NotFound(f"there is no newsletter {newsletter!r} in the settings ({known})", newsletter=newsletter)
    told = list(about_it)
    if not newsletter:
        told += _of_feeds(parts, article, feeds, kept, named=bool(feed))
    if not feed:
        for there in newsletters:
            told += _of_newsletter(parts, article, there, kept.get(f"newsletter:{there.slug}"))
    return tuple(told)


def _of_feeds(
    parts: Parts, article: Article, feeds: Sequence[Feed], kept: dict[str, Decision], *, named: bool
) -> Iterator[Decision]:
    """A feed that a pattern made says nothing about the articles it has nothing to do with, unless it is named."""
    others = parts.store.stories.of([article])
    for feed in feeds:
        if decided := kept.get(f"feed:{feed.slug}"):
            yield decided
        elif named or not feed.pattern:
            yield from syndicating.place(
                article,
                [feed],
                [],
                now=parts.clock.now(),
                leader=lambda admits: memory.leader(article, others, admits),
            ).decisions


def _of_newsletter(parts: Parts, article: Article, newsletter: Newsletter, decided: Decision | None) -> list[Decision]:
    """What its editions decided: all that took it, and else the last of each cadence that considered it, named by the
    edition; then what holds for the next one, which is all where nothing else was decided."""
    now = parts.clock.now()
    others = parts.store.stories.of([article])
    ids = [article.id, *(other.id for other in others)]
    sent = parts.store.editions.sent(newsletter.slug, ids, cadence=newsletter.readers_of(newsletter.cadence))
    mailable = [one for one in others if one.mail is MailPermission.ALLOWED]
    choice = composing.choose(newsletter, [article, *mailable], sent, now=now, others=others)
    would = next(one for one in choice.decisions if one.article == article.id)
    if len(newsletter.offered) > 1:
        would = replace(would, output=f"newsletter:{newsletter.slug}/{newsletter.cadence}")
    told: list[Decision] = []
    editions = _considered(parts, article, newsletter)
    if decided and not editions and (decided.included, decided.rule) != (would.included, would.rule):
        told.append(replace(decided, output=f"{decided.output}, long ago"))
    for edition, one in editions:
        if edition.cadence == newsletter.cadence and (one.included, one.rule) == (would.included, would.rule):
            would = replace(would, at=one.at)
        else:
            told.append(replace(one, output=f"edition:{edition.key}"))
    return [*told, would]


def _considered(parts: Parts, article: Article, newsletter: Newsletter) -> list[tuple[Edition, Decision]]:
    """The editions that took an article, and of each cadence none of which did, the newest that considered it; each
    with what it keeps of it, the oldest first."""
    took: list[tuple[Edition, Decision]] = []
    left_out: dict[str, tuple[Edition, Decision]] = {}
    for edition in parts.store.editions.newest(LOOKED_BACK, newsletter.slug):
        for one in parts.store.decisions.of_edition(edition.id):
            if one.article == article.id and one.included:
                took.append((edition, one))
            elif one.article == article.id:
                left_out.setdefault(edition.cadence, (edition, one))
    known = {edition.cadence for edition, _ in took}
    found = [*took, *(one for cadence, one in left_out.items() if cadence not in known)]
    return sorted(found, key=lambda one: one[1].at)
