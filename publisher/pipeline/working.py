"""The story: what is due, and how each piece of work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

from publisher import editions, errors
from publisher.model import EditionState, Newsletter, Priority, Slot, Work
from publisher.pipeline import alerts, calendar
from publisher.pipeline.archiving import archive, hidden
from publisher.pipeline.collecting import release
from publisher.pipeline.composing import compose, compose_slot
from publisher.pipeline.delivering import bounces, deliver, feedback, judge, notify, plan
from publisher.pipeline.hubs import adopt_hubs, websub
from publisher.pipeline.looking import collect_all, host, look
from publisher.pipeline.preflighting import changed
from publisher.pipeline.serving import announce, tidy, untidy
from publisher.pipeline.syndicating import made_with, refill, syndicate
from publisher.pipeline.watching import sweep
from publisher.ports import Parts

FEED_RETRY = timedelta(minutes=1)  # how long a feed that could not be published is left alone


def adopt(parts: Parts) -> None:
    """Make the store agree with the settings. Renamed sources and newsletters keep their history."""
    store = parts.store
    store.sources.sync(parts.sources, renamed={old: source.slug for source in parts.sources for old in source.was})
    store.editions.sync(parts.newsletters, now=parts.clock.now())
    store.outbox.agree(parts.terms)
    adopt_hubs(parts)
    with store.transaction() as together:
        together.feeds.lock()
        refill(parts, together, together.feeds.sync(parts.feeds, parts.patterns, made_with=made_with(parts)))


def due(parts: Parts) -> Iterator[Work]:
    """Everything that should be done now, asked of the store. More urgent work has the higher priority."""
    store, now = parts.store, parts.clock.now()
    always = {"release": store.articles.held_due(now), "feedback": store.events.waiting(), "sweep": True}
    yield from (Work(kind=kind, key="") for kind, due in always.items() if due)
    yield from (Work(kind="bounces", key=mailer) for mailer in store.mailboxes.due(tuple(parts.mailboxes), now))
    yield from _looks(parts, store.sources.due(now))
    yield from (Work(kind="websub", key=str(id)) for id in store.hubs.due(now))
    yield from (Work(kind="syndicate", key=slug) for slug in store.feeds.due(now, failed_before=now - FEED_RETRY))
    yield from [Work(kind="tidy", key="")] if untidy(parts) else []
    archives = store.kept.due_archives(hidden(parts), failed_before=now - FEED_RETRY)
    yield from (Work(kind="archive", key=slug) for slug in archives)
    yield from [Work(kind="announce", key="")] if parts.hub and store.serving.waiting(now) else []
    for newsletter, slot in alerts.due(parts):
        if _is_due(parts, newsletter, slot):
            yield Work(kind="compose", key=f"{newsletter.slug}/{slot.name}", priority=Priority.ALERT)
    for newsletter, slot in calendar.waiting(parts):
        if _is_due(parts, newsletter, slot):
            yield Work(kind="compose", key=calendar.work_key(newsletter, slot))
    for edition in store.editions.in_state(EditionState.APPROVED, EditionState.PLANNING):
        if edition.undo_until is None or edition.undo_until <= now:
            yield Work(kind="plan", key=edition.key, priority=edition.priority)
    yield from store.outbox.due(now)
    yield from [Work(kind="notify", key="")] if store.notices.waiting() else []


def _looks(parts: Parts, slugs: Sequence[str]) -> Iterator[Work]:
    """One look at a time at each host."""
    hosts = {source.slug: host(source) for source in parts.sources}
    for slug in slugs:
        yield Work(kind="collect", key=slug, turn=f"host {hosts.get(slug, slug)}")


def _is_due(parts: Parts, newsletter: Newsletter, slot: Slot) -> bool:
    """A draft that no editor has to see is there because of a broken template, or because it would arrive broken: it is
    tried again when the template or its stories changed."""
    edition = editions.find(parts.store, f"{newsletter.slug}/{slot.name}")
    if edition is None:
        return not calendar.gathering(parts, newsletter, slot)
    if edition.state is not EditionState.DRAFT or newsletter.approval != "auto" or editions.taken_back(edition):
        return False
    return edition.template_hash != parts.templates.fingerprint(newsletter.of(slot.name).template) or changed(
        parts, edition
    )


def work(parts: Parts, kind: str, key: str) -> object:
    """Do one piece of work and return what came of it; doing it again is safe. Raises PublisherError."""
    handlers: Mapping[str, Callable[[Parts, str], object]] = {
        "sweep": lambda parts, _: sweep(parts),
        "release": lambda parts, _: release(parts),
        "collect": look,
        "syndicate": syndicate,
        "archive": archive,
        "tidy": lambda parts, _: tidy(parts),
        "announce": lambda parts, _: announce(parts),
        "compose": compose,
        "plan": plan,
        "deliver": deliver,
        "bounces": bounces,
        "websub": websub,
        "feedback": lambda parts, _: feedback(parts),
        "notify": lambda parts, _: notify(parts),
    }
    return handlers[kind](parts, key)


def one_pass(parts: Parts, said: Callable[[str, object], None], progress: Callable[[int], None] | None = None) -> None:
    """The whole main job once, whatever the hour: collect, syndicate, compose, deliver.

    `said` is told what each step did: (step, result), where a result may be a PublisherError; an error in
    one place never keeps the rest from being done. `progress` is told the recipients of each delivered batch.
    """
    for _, result in collect_all(parts, [source.slug for source in parts.sources]):
        if isinstance(result, Exception) and not isinstance(result, errors.PublisherError):
            raise result
        said("collect", result)
    release(parts)
    for slug in parts.store.feeds.due(parts.clock.now()):
        _try(said, "syndicate", partial(syndicate, parts, slug))
    for newsletter in parts.newsletters:
        slot = calendar.today(parts, newsletter)
        _try(said, "compose", partial(compose_slot, parts, newsletter, slot, by_hand=True))
    judge(parts)
    for kind in ("tidy", "bounces", "feedback", "plan", "archive", "announce", "deliver", "notify", "sweep"):
        for key in [piece.key for piece in due(parts) if piece.kind == kind]:
            call = partial(deliver, parts, key, progress) if kind == "deliver" else partial(work, parts, kind, key)
            _try(said, kind, call)


def _try(said: Callable[[str, object], None], step: str, call: Callable[[], object]) -> None:
    try:
        said(step, call())
    except errors.PublisherError as error:
        said(step, error)
