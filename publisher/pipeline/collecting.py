"""The story, step 1: articles from a source, into feeds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from publisher import collect as collecting
from publisher import errors
from publisher import syndicate as syndicating
from publisher.model import Source
from publisher.ports import Known, Parts

#: The longest wait between two looks at a source that fails.
LONGEST_BACKOFF = timedelta(hours=6)


def collect(parts: Parts, slug: str) -> collecting.Tally:
    """Look at one source. What was accepted before a failure stays; the failure is recorded and raised."""
    store, clock = parts.store, parts.clock
    source = _source(parts, slug)
    tally = collecting.Tally()
    try:
        for page in parts.fetchers[source.kind].fetch(source, now=clock.now(), known=_known(parts, slug)):
            accepted = collecting.accept(source, page, store.articles, site=parts.site, now=clock.now())
            with store.transaction() as together:
                together.feeds.lock()
                changed = collecting.record(accepted, together.articles)
                syndicating.put(together, changed, together.feeds.all(), parts.patterns, now=clock.now())
                together.sources.advance(slug, page.cursor)
            tally.add(accepted)
            tally.unchanged += page.same
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


def _known(parts: Parts, slug: str) -> Known:
    return lambda raw_hashes: parts.store.articles.unchanged(slug, raw_hashes=raw_hashes)


def _source(parts: Parts, slug: str) -> Source:
    """The source as the settings say and the store remembers it. Raises NotFound."""
    stored = {source.slug: source for source in parts.store.sources.all()}
    for source in parts.sources:
        if source.slug == slug:
            there = stored[slug]
            return replace(
                source, id=there.id, cursor=there.cursor, failures=there.failures, completed_at=there.completed_at
            )
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
