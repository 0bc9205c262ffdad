"""The story, step 1, for many sources at once: hosts at the same time, one request at a time for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from publisher.collect import Tally
from publisher.model import Source
from publisher.pipeline.collecting import collect
from publisher.ports import Parts

#: Looks at the same time. They wait for others nearly all of the time.
LOOKS = 24


def host(source: Source) -> str:
    """Whom a look asks: sources with the same host wait for each other."""
    return (urlsplit(source.url).hostname or source.url).lower()


def ask(parts: Parts, slug: str) -> None:
    """Somebody who should know says that a source has something new: it is due. What they say is not believed more
    than that. Raises NotFound."""
    parts.store.sources.ask(slug, at=parts.clock.now())


def look(parts: Parts, slug: str) -> Tally | None:
    """Look at a source if it is still due: one that takes long is found due again and again while it is read."""
    due = parts.store.sources.get(slug).next_fetch_at
    return collect(parts, slug) if due is None or due <= parts.clock.now() else None


def collect_all(
    parts: Parts, slugs: Sequence[str], *, believe_removals: bool = False
) -> Iterator[tuple[str, Tally | Exception]]:
    """Look at all of these now. What came of each, or why it failed, in their order."""

    def attempt(slug: str) -> Tally | Exception:
        try:
            return collect(parts, slug, believe_removals=believe_removals)
        except Exception as error:
            return error

    hosts = {source.slug: host(source) for source in parts.sources}
    groups: dict[str, list[str]] = {}
    for slug in slugs:
        groups.setdefault(hosts.get(slug, slug), []).append(slug)
    if len(groups) < 2:
        yield from ((slug, attempt(slug)) for slug in slugs)
        return
    waiting: SimpleQueue[list[str]] = SimpleQueue()
    results: SimpleQueue[tuple[str, Tally | Exception]] = SimpleQueue()
    for group in groups.values():
        waiting.put(group)

    def work() -> None:
        try:
            while True:
                for slug in waiting.get_nowait():
                    results.put((slug, attempt(slug)))
        except Empty:
            return

    for number in range(min(LOOKS, len(groups))):
        # Daemons: whoever interrupts us does not wait for a slow host. What they had not committed is read again.
        threading.Thread(target=work, name=f"collect-{number}", daemon=True).start()
    done: dict[str, Tally | Exception] = {}
    for slug in slugs:
        while slug not in done:
            name, result = results.get()
            done[name] = result
        yield slug, done[slug]
