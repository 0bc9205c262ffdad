"""The story: what is due, how each piece of work is done, and what commits across steps.

    collect    look at a source; accepted articles and their places in feeds commit together
    release    articles whose time has come go live
    syndicate  a feed that changed is built, checked and put into the folder
    compose    a newsletter whose hour has come gets its edition, or a reason why not
    plan       an approved edition, its undo window over, becomes batches
    deliver    a mailer's batches are claimed, intended, submitted and settled
    feedback   what mailers told is merged: bounces, complaints, who left
    notify     mail that is no edition leaves
    sweep      leases that ended are given back; editions without open batches are done; alarms are raised

`due` is a query and `work` is idempotent: a restart, a second process or a command by hand does the same
safe thing. Engines carry only (kind, key).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial

from publisher import collect as collecting
from publisher import compose as composing
from publisher import deliver as delivering
from publisher import editions, errors, notices
from publisher import feedback as feeding_back
from publisher import syndicate as syndicating
from publisher.kit import slots
from publisher.model import Edition, EditionState, Newsletter, Rendered, Slot, Source, SubscriptionStatus, Work
from publisher.ports import Parts, Store

#: An edition that has not left this long after its hour is an alarm.
OVERDUE = timedelta(minutes=30)
FEED_RETRY = timedelta(minutes=1)  # how long a feed that could not be published is left alone
#: The longest wait between two looks at a source that fails.
LONGEST_BACKOFF = timedelta(hours=6)


def adopt(parts: Parts) -> None:
    """Make the store agree with the settings. Renamed sources and newsletters keep their history."""
    store = parts.store
    store.sources.sync(parts.sources, renamed={old: source.slug for source in parts.sources for old in source.was})
    store.editions.sync(parts.newsletters, now=parts.clock.now())
    with store.transaction() as together:
        together.feeds.lock()
        refill(parts, together, together.feeds.sync(parts.feeds, parts.patterns))


# ---------------------------------------------------------------- what is due


def due(parts: Parts) -> Iterator[Work]:
    """Everything that should be done now, asked of the store. More urgent work has the higher priority."""
    store, now = parts.store, parts.clock.now()
    always = {"release": store.articles.held_due(now), "feedback": store.events.waiting(), "sweep": True}
    yield from (Work(kind=kind, key="") for kind, due in always.items() if due)
    yield from (Work(kind="collect", key=slug) for slug in store.sources.due(now))
    yield from (Work(kind="syndicate", key=slug) for slug in store.feeds.due(failed_before=now - FEED_RETRY))
    for newsletter in parts.newsletters:
        slot = slots.current(newsletter.cadence, newsletter.at, newsletter.timezone, now)
        if _is_due(parts, newsletter, slot):
            yield Work(kind="compose", key=newsletter.slug)
    for edition in store.editions.in_state(EditionState.APPROVED, EditionState.PLANNING):
        if edition.undo_until is None or edition.undo_until <= now:
            yield Work(kind="plan", key=edition.key, priority=edition.priority)
    yield from store.outbox.due(now)
    yield from [Work(kind="notify", key="")] if store.notices.waiting() else []


def _is_due(parts: Parts, newsletter: Newsletter, slot: Slot) -> bool:
    """A slot from before the newsletter existed is never due. A draft that no editor has to see is there
    because of a broken template: it is tried again when the template has changed."""
    if slot.due_at < parts.store.editions.born(newsletter.slug):
        return False
    edition = editions.find(parts.store, f"{newsletter.slug}/{slot.name}")
    if edition is None:
        return True
    if edition.state is not EditionState.DRAFT or newsletter.approval != "auto" or editions.taken_back(edition):
        return False
    return edition.template_hash != parts.templates.fingerprint(newsletter.template)


def work(parts: Parts, kind: str, key: str) -> object:
    """Do one piece of work and return what came of it; doing it again is safe. Raises PublisherError."""
    handlers: Mapping[str, Callable[[Parts, str], object]] = {
        "sweep": lambda parts, _: sweep(parts),
        "release": lambda parts, _: release(parts),
        "collect": collect,
        "syndicate": syndicate,
        "compose": compose,
        "plan": plan,
        "deliver": deliver,
        "feedback": lambda parts, _: feedback(parts),
        "notify": lambda parts, _: notify(parts),
    }
    return handlers[kind](parts, key)


# ---------------------------------------------------------------- step 1 and 2: articles into feeds


def collect(parts: Parts, slug: str) -> collecting.Tally:
    """Look at one source. What was accepted before a failure stays; the failure is recorded and raised."""
    store, clock = parts.store, parts.clock
    source = _source(parts, slug)
    tally = collecting.Tally()
    try:
        for page in parts.fetchers[source.kind].fetch(source, now=clock.now()):
            accepted = collecting.accept(source, page, store.articles, site=parts.site, now=clock.now())
            with store.transaction() as together:
                together.feeds.lock()
                changed = collecting.record(accepted, together.articles)
                syndicating.put(together, changed, together.feeds.all(), parts.patterns, now=clock.now())
                together.sources.advance(slug, page.cursor)
            tally.add(accepted)
    except Exception as error:  # a fault of ours too: nobody's server is asked at every tick because of it
        if not isinstance(error, errors.StoreError):
            _looked(parts, source, error)
        raise
    _looked(parts, source, None)
    return tally


def release(parts: Parts) -> int:
    """Held articles whose time has come go live, and into their feeds. How many."""
    with parts.store.transaction() as together:
        together.feeds.lock()
        released = together.articles.release(parts.clock.now())
        syndicating.put(together, released, together.feeds.all(), parts.patterns, now=parts.clock.now())
    return len(released)


def _source(parts: Parts, slug: str) -> Source:
    """The source as the settings say and the store remembers it. Raises NotFound."""
    stored = {source.slug: source for source in parts.store.sources.all()}
    for source in parts.sources:
        if source.slug == slug:
            there = stored[slug]
            return replace(source, id=there.id, cursor=there.cursor, failures=there.failures)
    raise errors.NotFound(f"there is no source {slug!r} in the settings", source=slug)


def _looked(parts: Parts, source: Source, error: Exception | None) -> None:
    """Record a look. A failing source is asked less and less often, and no less often than it wants."""
    now = parts.clock.now()
    wait = source.interval
    if error is not None:
        wanted = getattr(error, "retry_after", None) or timedelta(0)
        wait = max(wanted, min(source.interval * 2 ** min(source.failures + 1, 10), LONGEST_BACKOFF))
    said = (str(error) or type(error).__name__) if error else ""
    parts.store.sources.looked(source.slug, at=now, next_fetch_at=now + wait, error=said)


def refill(parts: Parts, store: Store, slugs: tuple[str, ...]) -> None:
    """Put every stored article into feeds that are new or select otherwise than before."""
    feeds = tuple(feed for feed in store.feeds.all() if feed.slug in slugs or feed.pattern in slugs)
    patterns = tuple(pattern for pattern in parts.patterns if pattern.slug in slugs)
    if not feeds and not patterns:
        return
    for feed in feeds:
        store.feeds.empty(feed.slug)
    syndicating.put(store, store.articles.each(), feeds, patterns, now=parts.clock.now())


def syndicate(parts: Parts, slug: str) -> syndicating.Published:
    """Build one feed. A failure keeps the last good files, is recorded, and raised."""
    feeds = {feed.slug: feed for feed in parts.store.feeds.all()}
    if (feed := feeds.get(slug)) is None:
        raise errors.NotFound(f"there is no feed {slug!r}", feed=slug)
    articles = parts.store.feeds.newest(slug, feed.limit)
    document = syndicating.document(feed, articles, site=parts.site)
    try:  # what was built before may become empty; a database that never built it may have been lost
        published = syndicating.publish(document, parts.formats, parts.folder, may_be_empty=feed.built > 0)
    except (errors.GateError, errors.FolderError) as error:
        parts.store.feeds.built(slug, feed.built, at=parts.clock.now(), error=str(error))
        raise
    problem = "; ".join(f"left out {left.item}: {left.reason}" for left in published.left_out)
    parts.store.feeds.built(slug, feed.wanted, at=parts.clock.now(), error=problem)
    return published


# ---------------------------------------------------------------- step 3: articles into an edition


def compose(parts: Parts, slug: str) -> Edition:
    """The newsletter's hour has come: make its edition, or merge it into the next when it is too late."""
    newsletter = newsletter_of(parts, slug)
    slot = slots.current(newsletter.cadence, newsletter.at, newsletter.timezone, parts.clock.now())
    return compose_slot(parts, newsletter, slot)


def compose_slot(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, by_hand: bool = False, by: str = editions.AUTOMATIC
) -> Edition:
    """Choose, render, and approve where no editor has to. The slot is the edition's identity, so doing it
    twice is doing it once; by hand also what was skipped or merged is made anew, whatever the hour.

    Raises TemplateError; the edition then stays a draft that says why.
    """
    store, now = parts.store, parts.clock.now()
    there = editions.find(store, f"{newsletter.slug}/{slot.name}")
    if there is not None and there.state not in (editions.OPEN if by_hand else (EditionState.DRAFT,)):
        return there
    if there is not None and by == "auto" and editions.taken_back(there):
        return there
    if not by_hand and now > slot.due_at + newsletter.late:
        return editions.write(store, composing.merged(newsletter, slot, now=now))
    editions.expire(store, newsletter, now)
    edition, choice, rendered = draft(parts, newsletter, slot)
    if not choice.skip and not store.audience.count(newsletter.slug)[SubscriptionStatus.CONFIRMED]:
        skipped = composing.Choice(items=(), decisions=(), skip="nobody has subscribed")
        edition, choice, rendered = composing.draft(newsletter, slot, skipped, "", now=now), skipped, None
    with store.transaction() as together:
        together.editions.lock(newsletter.slug)
        if together.editions.sent(newsletter.slug, [item.article for item in choice.items]):
            raise errors.Conflict(f"another edition of {newsletter.slug} has just taken these articles; try again")
        edition = editions.write(together, edition)
        together.decisions.record(choice.decisions)
        if rendered is not None:
            variant = composing.variant(newsletter, choice.items, rendered, language=newsletter.language)
            together.editions.add_variant(edition.id, variant)
            if newsletter.approval == "auto":
                edition = editions.approve(together, edition.key, by, undo=newsletter.undo, now=now)
    if edition.state is EditionState.DRAFT and edition.reason:
        raise errors.TemplateError(edition.reason)
    return edition


def draft(
    parts: Parts, newsletter: Newsletter, slot: Slot, *, again: bool = False
) -> tuple[Edition, composing.Choice, Rendered | None]:
    """What an edition would be right now. Nothing is stored. Not rendered when it would be skipped, or when
    a template is broken: the edition then is a draft whose reason says where. With `again`, to look at only,
    articles that went out already count as new."""
    now = parts.clock.now()
    articles = parts.store.articles.published_since(now - newsletter.maximum_age, now)
    sent = {} if again else parts.store.editions.sent(newsletter.slug, [article.id for article in articles])
    choice = composing.choose(newsletter, articles, sent, now=now)
    edition = composing.draft(newsletter, slot, choice, parts.templates.fingerprint(newsletter.template), now=now)
    if choice.skip:
        return edition, choice, None
    chosen = {article.id: article for article in articles}
    try:
        rendered = composing.render(
            newsletter, slot, choice.items, chosen, site=parts.site, templates=parts.templates, now=now
        )
    except errors.TemplateError as error:
        return replace(edition, state=EditionState.DRAFT, reason=str(error)), choice, None
    return replace(edition, subject=rendered.subject), choice, rendered


def send(parts: Parts, newsletter: Newsletter, slot: Slot, editor: str) -> Edition:
    """An editor's manual send: make the edition of this slot unless it is on its way, and approve it."""
    edition = compose_slot(parts, newsletter, slot, by_hand=True, by=editor)
    if edition.state in (EditionState.DRAFT, EditionState.WAITING):
        edition = editions.approve(parts.store, edition.key, editor, undo=newsletter.undo, now=parts.clock.now())
    return edition


def newsletter_of(parts: Parts, slug: str) -> Newsletter:
    """Raises NotFound."""
    for newsletter in parts.newsletters:
        if newsletter.slug == slug:
            return newsletter
    known = ", ".join(newsletter.slug for newsletter in parts.newsletters) or "none"
    raise errors.NotFound(f"there is no newsletter {slug!r} in the settings ({known})", newsletter=slug)


# ---------------------------------------------------------------- step 4: editions into mailboxes


def plan(parts: Parts, key: str) -> Edition:
    """The undo window is over: freeze the recipients into batches. While it is open nothing happens."""
    newsletter, now = newsletter_of(parts, key.partition("/")[0]), parts.clock.now()
    editions.expire(parts.store, newsletter, now)
    edition = parts.store.editions.get(key)
    if edition.state is EditionState.MERGED or (edition.undo_until is not None and edition.undo_until > now):
        return edition
    _may_leave(parts, edition.mailer)
    if edition.state is EditionState.APPROVED:
        edition = editions.start(parts.store, key)
    parts.store.editions.add_letterhead(edition.id, delivering.letterhead(newsletter, parts.site))
    variant = parts.store.editions.variants(edition.id)[0]
    return delivering.plan(parts.store, edition, newsletter, parts.mailers[edition.mailer].capability, variant)


def deliver(parts: Parts, name: str, progress: Callable[[int], None] | None = None) -> delivering.Tally:
    """Hand over what is due for one mailer. `progress` is told the recipients of each finished batch."""
    _may_leave(parts, name)
    tally = delivering.drain(
        parts.store,
        parts.mailers[name],
        {newsletter.slug: newsletter for newsletter in parts.newsletters},
        site=parts.site,
        keys=parts.keys,
        clock=parts.clock,
        owner=parts.owner,
        progress=progress,
    )
    _finish(parts)
    if tally.misconfigured:
        raise errors.MailerMisconfigured(f"the mailer {name!r} refuses us: {tally.misconfigured}", mailer=name)
    return tally


def _may_leave(parts: Parts, name: str) -> None:
    if reason := _refusal(parts, name):
        raise errors.MailerMisconfigured(f"the mailer {name!r} does not send: {reason}", mailer=name)


def _refusal(parts: Parts, name: str) -> str:
    if name not in parts.mailers:
        return "it is not in the settings any more; add it again"
    return delivering.refuses(parts.site, parts.mailers[name].capability)


def feedback(parts: Parts) -> feeding_back.Tally:
    """Merge what mailers told. An edition that too many servers refuse because of the sender is paused."""
    tally = feeding_back.record(parts.store, parts.keys, now=parts.clock.now())
    for key in [key for key, blocks in tally.blocked.items() if blocks.too_many]:
        editions.hold(parts.store, key, "too many servers refuse it because of the sender; see their words in the log")
    return tally


def notify(parts: Parts) -> int:
    return notices.drain(parts.store, parts.mailers, clock=parts.clock)


# ---------------------------------------------------------------- what watches over it all


def sweep(parts: Parts) -> None:
    """Give back leases that ended, finish editions, and raise an alarm for what should have gone."""
    parts.store.outbox.sweep(parts.clock.now())
    feeding_back.forget(parts.store, before=parts.clock.now() - feeding_back.KEPT)
    _finish(parts)
    for edition, why in overdue(parts):
        title = f"{edition} has not gone out"
        notices.alarm(
            parts.store, edition, title, why, site=parts.site, templates=parts.templates, now=parts.clock.now()
        )


def _finish(parts: Parts) -> None:
    for edition in parts.store.editions.in_state(EditionState.SENDING):
        editions.finish(parts.store, edition, now=parts.clock.now())


def overdue(parts: Parts) -> Iterator[tuple[str, str]]:
    """Editions that should have left by now and did not, each with the reason as far as it is known.

    One that nobody has made is made here, so that a machine that wakes up late raises no alarm.
    """
    store, now = parts.store, parts.clock.now()
    for newsletter in parts.newsletters:
        slot = slots.current(newsletter.cadence, newsletter.at, newsletter.timezone, now)
        key = f"{newsletter.slug}/{slot.name}"
        if now < slot.due_at + newsletter.undo + OVERDUE or slot.due_at < store.editions.born(newsletter.slug):
            continue
        if (edition := editions.find(store, key)) is None:
            try:
                edition = compose_slot(parts, newsletter, slot)
            except errors.Conflict:
                continue  # somebody else makes it this very moment
            except Exception as error:
                yield key, f"it cannot be made: {error}"
                continue
        refusal = _refusal(parts, edition.mailer)
        blocked = {edition.mailer: (now, refusal)} if refusal else store.outbox.blocked(now)
        if why := editions.stuck(edition, blocked, patience=newsletter.undo + OVERDUE, now=now):
            yield key, why


def one_pass(parts: Parts, said: Callable[[str, object], None], progress: Callable[[int], None] | None = None) -> None:
    """The whole main job once, whatever the hour: collect, syndicate, compose, deliver.

    `said` is told what each step did: (step, result), where a result may be a PublisherError; an error in
    one place never keeps the rest from being done. `progress` is told the recipients of each delivered batch.
    """
    for source in parts.sources:
        _try(said, "collect", partial(collect, parts, source.slug))
    release(parts)
    for slug in parts.store.feeds.due():
        _try(said, "syndicate", partial(syndicate, parts, slug))
    for newsletter in parts.newsletters:
        slot = slots.today(newsletter.cadence, newsletter.at, newsletter.timezone, parts.clock.now())
        _try(said, "compose", partial(compose_slot, parts, newsletter, slot, by_hand=True))
    for kind in ("feedback", "plan", "deliver", "notify", "sweep"):
        for key in [piece.key for piece in due(parts) if piece.kind == kind]:
            call = partial(deliver, parts, key, progress) if kind == "deliver" else partial(work, parts, kind, key)
            _try(said, kind, call)


def _try(said: Callable[[str, object], None], step: str, call: Callable[[], object]) -> None:
    try:
        said(step, call())
    except errors.PublisherError as error:
        said(step, error)
