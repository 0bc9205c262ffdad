"""Many sources at once: hosts side by side, one request at a time for each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher import pipeline
from publisher.app import App
from publisher.collect import Tally
from publisher.errors import SourceUnavailable
from publisher.model import Fetched, Source, Work
from publisher.store import Database
from tests.people import source
from tests.pipeline.newsroom import story
from tests.sites import TestClock, lay_out, open_site

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
HOSTS, EACH = 8, 5


@dataclass(slots=True)
class Hosts:
    """Hosts that count who asks them, of which one does not answer before it is let go."""

    slow: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    asking: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, source: Source, **_how: object) -> Iterator[Fetched]:
        host = source.url.split("/")[2]
        with self.lock:
            self.asking[host] += 1
            self.most[host] = max(self.most[host], self.asking[host])
        try:
            if host == self.slow:
                assert self.gate.wait(20)
            if source.slug.endswith("-3"):
                raise SourceUnavailable(f"{source.slug} is down")
            yield Fetched(articles=(story(f"News of {source.slug}"),), cursor={})
        finally:
            with self.lock:
                self.asking[host] -= 1

    def check(self, source: Source, *, now: datetime) -> str:  # the port's
        return ""


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def app(tmp_path: Path, clock: TestClock, store: Database) -> Iterator[App]:
    """On SQLite and on PostgreSQL, where looks that end together do wait for each other's locks."""
    opened = open_site(lay_out(tmp_path / "site", articles={}), clock)
    sources = tuple(
        source(f"host-{host}-{number}", kind="syndication", url=f"https://h{host}.example/{number}")
        for number in range(EACH)
        for host in range(HOSTS)
    )
    parts = replace(opened.parts, store=store, sources=sources, fetchers={"syndication": Hosts()})
    pipeline.adopt(parts)
    yield replace(opened, parts=parts)
    opened.close()


def hosts(app: App) -> Hosts:
    there = app.parts.fetchers["syndication"]
    assert isinstance(there, Hosts)
    return there


def test_every_source_is_looked_at_and_no_host_is_asked_twice_at_once(app: App) -> None:
    slugs = [one.slug for one in app.parts.sources]
    results = list(pipeline.collect_all(app.parts, slugs))
    assert [slug for slug, _ in results] == slugs, "told in their order"
    failed = {slug for slug, result in results if isinstance(result, SourceUnavailable)}
    assert failed == {slug for slug in slugs if slug.endswith("-3")}
    assert sum(result.new for _, result in results if isinstance(result, Tally)) == HOSTS * (EACH - 1)
    assert set(hosts(app).most.values()) == {1}
    assert sum(app.parts.store.articles.by_source().values()) == HOSTS * (EACH - 1)


def test_a_slow_host_holds_nobody_else(app: App) -> None:
    hosts(app).slow = "h0.example"
    slugs = sorted((one.slug for one in app.parts.sources), key=lambda slug: slug.startswith("host-0-"))
    results = pipeline.collect_all(app.parts, slugs)
    others = [next(results)[0] for _ in range((HOSTS - 1) * EACH)]
    assert not any(slug.startswith("host-0-") for slug in others)
    hosts(app).gate.set()
    assert [slug for slug, _ in results] == [slug for slug in slugs if slug.startswith("host-0-")]


def test_what_is_due_says_whose_turn_it_is(app: App) -> None:
    turns = Counter(work.turn for work in pipeline.due(app.parts) if work.kind == "collect")
    assert turns == {f"host h{number}.example": EACH for number in range(HOSTS)}


def test_a_look_that_was_asked_for_while_it_was_under_way_is_not_done_again(app: App, clock: TestClock) -> None:
    (work,) = [one for one in pipeline.due(app.parts) if one.key == "host-1-1"]
    assert work == Work(kind="collect", key="host-1-1", turn="host h1.example")
    assert isinstance(pipeline.work(app.parts, work.kind, work.key), Tally)
    assert pipeline.work(app.parts, work.kind, work.key) is None
    clock.move(minutes=10)
    assert isinstance(pipeline.work(app.parts, work.kind, work.key), Tally)
    assert app.parts.store.sources.get("host-1-1").next_fetch_at == clock.now() + timedelta(minutes=10)
