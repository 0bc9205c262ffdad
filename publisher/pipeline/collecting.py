"""The story, step 1: articles from a source, into feeds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from publisher import collect as collecting
from publisher import errors, memory, notices
from publisher.model import Article, Decision, Fetched, FetchedArticle, Missing, Refusal, Source
from publisher.pipeline import hubs
from publisher.pipeline.placing import TOGETHER, pages, place
from publisher.ports import Known, Parts, Store

#: The longest wait between two looks at a source that fails.
LONGEST_BACKOFF = timedelta(hours=6)
#: How many times its interval a source may ask to be left alone.
LONGEST_WISH = 6

#: The shortest time between the two lists that must not name an article before it is retracted; less for a source
#: that is looked at more often. A folder that is watched may be looked at twice within a second.
PATIENCE = timedelta(minutes=1)

#: How often a page is decided anew because somebody else, or an editor, was quicker.
_TRIES = 5


@dataclass(slots=True)
class _Look:
    """One look at a source as it goes: its sums, what a completed list says, why what vanished is not believed to be
    gone, and how long the source asks to be left alone."""

    source: Source
    believe: bool
    began: datetime
    tally: collecting.Tally = field(default_factory=collecting.Tally)
    missing: Missing | None = None
    certain: bool = True  # what that list does not name is not there
    emptied: str = ""
    wish: timedelta | None = None
    read: bool = False  # anything was: it is not all as it was
    whole: bool = False
    taken: set[str] = field(default_factory=set)  # ids of items that were refused before and are not any more
    call: str = ""  # which call pushed these articles
    called: Mapping[str, str] = field(default_factory=dict)  # how its maker calls each, by native id


def collect(parts: Parts, slug: str, *, believe_removals: bool = False) -> collecting.Tally:
    """Look at one source. What was accepted before a failure stays; the failure is recorded and raised.

    Raises SourceEmptied, at the end, when so much vanished that it is taken for an outage: then nothing was
    retracted, unless `believe_removals` says that it was meant.
    """
    look = _Look(source_of(parts, slug), believe_removals, parts.clock.now())
    try:
        newest = parts.store.articles.newest(slug)
        for page in parts.fetchers[look.source.kind].fetch(
            look.source, now=parts.clock.now(), known=_known(parts, slug)
        ):
            _listed(parts, look, page)
            _page(parts, look, page, newest)
            look.wish = page.next_look or look.wish
            _readable(look, page)
            if page.hub:
                hubs.named(parts, look.source, page.hub)
        _retire(parts, look)
    except Exception as error:  # a fault of ours too: nobody's server is asked at every tick because of it
        if not isinstance(error, errors.StoreError):
            _looked(parts, look, error)
        raise
    if look.emptied:
        outage = errors.SourceEmptied(look.emptied, source=slug)
        _report(parts, look, outage)
        raise outage
    refused = _refused(parts, look)
    _looked(parts, look, None, refused)
    look.tally.unheard = collecting.unheard(look.source.refused, refused or ())
    return look.tally


def push(parts: Parts, slug: str, body: bytes, *, call: str) -> collecting.Tally:
    """Take the articles that a call brings, which has been verified; `call` is its id, and repeated it changes
    nothing. Raises SourceInvalid with one line for each thing that is wrong; then nothing was taken, and the
    call may come again under the same id once it is mended."""
    look = _Look(source_of(parts, slug), False, parts.clock.now(), call=call)
    told = parts.receiver.read(look.source, body)
    look.called = {article.native_id: name for name, article in told.items()}
    page = Fetched(articles=tuple(told.values()), cursor=look.source.cursor)
    _page(parts, look, page, parts.store.articles.newest(slug))
    return look.tally


def told_again(parts: Parts, slug: str, articles: Sequence[FetchedArticle]) -> None:
    """Keep what a source was asked about a few of its articles."""
    look = _Look(source_of(parts, slug), False, parts.clock.now())
    _page(parts, look, Fetched(articles=tuple(articles), cursor=look.source.cursor), parts.store.articles.newest(slug))


def release(parts: Parts) -> int:
    """Held articles whose time has come go live, and into their feeds. How many."""
    with parts.store.transaction() as together:
        together.feeds.lock()
        released = together.articles.release(parts.clock.now())
        place(parts, together, released)
    return len(released)


def _known(parts: Parts, slug: str) -> Known:
    def known(raw_hashes: Collection[str]) -> Mapping[str, str]:
        found = parts.store.articles.unchanged(slug, raw_hashes=raw_hashes)
        return {raw_hash: collecting.as_sent(id) for raw_hash, id in found.items()}

    return known


# ---------------------------------------------------------------- one page


def _page(parts: Parts, look: _Look, page: Fetched, newest: datetime | None) -> None:
    """What a page says, its cursor, and the places in feeds, commit together."""
    source = look.source
    if page.unchanged and page.cursor == source.cursor:
        return
    for attempt in range(_TRIES):
        now = parts.clock.now()
        accepted = collecting.accept(source, page, parts.store.articles, site=parts.site, now=now, newest=newest)
        if look.call and accepted.refused:
            raise errors.SourceInvalid("\n".join(_lines(look, accepted.refused)), source=source.slug)
        sketches = {one.entry_id: memory.sketch(one.revision) for one in _fresh(parts, accepted, now)}
        try:
            with parts.store.transaction() as together:
                together.feeds.lock()
                if look.call and not together.sources.received(source.slug, look.call, at=now):
                    return
                changed = collecting.record(accepted, together.articles)
                changed = tuple(one for some in pages(changed) for one in _told(together, some, sketches, now))
                place(parts, together, changed)
                together.sources.advance(source.slug, page.cursor)
        except errors.Conflict:
            if attempt == _TRIES - 1:
                raise
            continue
        look.tally.add(accepted)
        look.tally.unchanged += page.same
        return


def _lines(look: _Look, refused: Sequence[Refusal]) -> Iterator[str]:
    for one in refused:
        yield f"{look.called.get(one.id, one.item)}: {one.reason}"


def _fresh(parts: Parts, accepted: collecting.Accepted, now: datetime) -> Iterator[Article]:
    """The articles that may tell what another source tells: an archive is not compared."""
    if len(parts.sources) > 1:
        for article in (*accepted.new, *accepted.changed):
            if now - article.revision.published_at <= memory.WITHIN:
                yield article


def _told(
    store: Store, articles: Sequence[Article], sketches: Mapping[str, tuple[int, ...]], now: datetime
) -> Iterator[Article]:
    """The articles, each in the story that it shares with one of another source, if there is any. One that already
    shares its story stays there, whatever it says now."""
    store.stories.keep([(one, sketches[one.entry_id]) for one in articles if one.entry_id in sketches])
    shared = {one.story for one in store.stories.of(articles)}
    alone = [(one, sketches.get(one.entry_id, ())) for one in articles if one.story not in shared]
    joined = memory.join(alone, store.stories)
    told = [replace(one, story=joined[one.id].article.story) if one.id in joined else one for one in articles]
    store.articles.decide(*(one for one in told if one.id in joined))
    store.decisions.record(
        Decision.of(one, "story", included=True, rule=joined[one.id].rule, at=now) for one in told if one.id in joined
    )
    yield from told


# ---------------------------------------------------------------- what is not there any more


def _listed(parts: Parts, look: _Look, page: Fetched) -> None:
    """Take a part of a source's complete list; with the last part, note who is missing, and who is back."""
    source = look.source
    if page.listing is None:
        return
    listing, now = collecting.listed(page.listing), parts.clock.now()
    with parts.store.transaction() as together:
        together.feeds.lock()
        together.listings.add(source.slug, listing, at=now)
        if not listing.complete:
            return
        look.missing, look.certain = together.listings.compare(source.slug), page.listing.certain
        together.listings.forget(source.slug)
        together.listings.miss(look.missing.gone, at=now)
        back = together.listings.find(look.missing.back, at=now)
        place(parts, together, _loaded(together, back))
    look.tally.returned += len(back)


def _retire(parts: Parts, look: _Look) -> None:
    """A look is over: what two lists in a row did not name, and was not found elsewhere, is retracted, unless it is so
    much that nobody would believe it."""
    source = look.source
    if look.missing is None or not look.certain:
        return
    with parts.store.transaction() as together:
        together.feeds.lock()
        away = replace(look.missing, gone=together.listings.away(source.slug))
        look.emptied = "" if look.believe else collecting.outage(source, away)
        if look.emptied:
            return
        patience = min(PATIENCE, source.interval)
        gone = together.listings.retire(source.slug, at=parts.clock.now(), patience=patience, at_once=look.believe)
        place(parts, together, _loaded(together, gone))
    look.tally.removed += len(gone)


def _loaded(store: Store, ids: tuple[int, ...]) -> Iterator[Article]:
    """Articles by id, never all of them in memory."""
    for start in range(0, len(ids), TOGETHER):
        yield from store.articles.get(ids[start : start + TOGETHER]).values()


# ---------------------------------------------------------------- when to look again


def source_of(parts: Parts, slug: str) -> Source:
    """The source as the settings say and the store remembers it. Raises NotFound."""
    for source in parts.sources:
        if source.slug == slug:
            there = parts.store.sources.get(slug)
            learnt = {name: getattr(there, name) for name in ("id", "cursor", "failures", "completed_at", "refused")}
            return replace(source, **learnt)
    raise errors.NotFound(f"there is no source {slug!r} in the settings", source=slug)


def _report(parts: Parts, look: _Look, outage: errors.SourceEmptied) -> None:
    """An outage shows in the status like every failure, and is told to who is alarmed, once a day."""
    _looked(parts, look, outage)
    source, now = look.source, parts.clock.now()
    notices.alarm(
        parts.store,
        f"source/{source.slug}/{now.date()}",
        f"The source {source.slug} seems to be out of order",
        str(outage),
        site=parts.site,
        templates=parts.templates,
        now=now,
    )


def _readable(look: _Look, page: Fetched) -> None:
    """Keep, of a page that was read, what is needed to say which items are still refused."""
    look.read = look.read or not page.unchanged
    look.whole = look.whole or page.whole
    before = {one.id for one in look.source.refused if one.id}
    look.taken |= before.intersection(one.native_id for one in page.articles)
    look.taken -= {one.id for one in look.tally.refused}


def _refused(parts: Parts, look: _Look) -> tuple[Refusal, ...] | None:
    """What the source refuses after this look; None when it read nothing."""
    if not look.read:
        return None
    now = parts.clock.now()
    return collecting.refused(look.source.refused, look.tally.refused, whole=look.whole, taken=look.taken, now=now)


def _looked(parts: Parts, look: _Look, error: Exception | None, refused: Sequence[Refusal] | None = None) -> None:
    now = parts.clock.now()
    next_at = now + pause(look.source, error, wish=look.wish)
    said = (str(error) or type(error).__name__) if error else ""
    parts.store.sources.looked(
        look.source.slug, at=now, next_fetch_at=next_at, error=said, began=look.began, refused=refused
    )


def pause(source: Source, error: Exception | None, *, wish: timedelta | None = None) -> timedelta:
    """How long a source is left alone after a look.

    A failing one is asked less and less often, no sooner than it wants, and not at the same moments as others
    that failed with it. A healthy one may ask for more than its interval, within bounds, and never for less.
    """
    if error is None:
        return min(max(source.interval, wish or source.interval), source.interval * LONGEST_WISH)
    wanted: timedelta = getattr(error, "retry_after", None) or timedelta(0)
    backoff: timedelta = min(source.interval * 2 ** min(source.failures + 1, 10), LONGEST_BACKOFF)
    return max(wanted, backoff * (1 + _jitter(source) / 4))


def _jitter(source: Source) -> float:
    """From 0 to 1: another one for every source and every failure, and the same when it is worked out again."""
    digest = blake2b(f"{source.slug} {source.failures}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 0xFFFFFFFF
