"""A month of a newsroom, as fifty feed readers of all habits see it through the server and through stale caches.

What a reader has in the end is right, nothing is taken for unchanged that changed, and whoever sends a condition gets
no version twice. Time passes for the newsroom, the readers, and the files' dates, which are moved to when the newsroom
wrote them.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import brotli
import pytest
from starlette.types import ASGIApp, Message

from publisher import pipeline, syndicate
from publisher.app import App
from publisher.model import Article, ArticleState, RevisionKind
from publisher.ports import Format
from publisher.web import application
from tests.people import article
from tests.sites import SETTINGS, TestClock, lay_out, open_site

DAYS = {"four days": 4, "month": 30}
ONE_FEED = SETTINGS.replace(
    '[[feeds]]\nslug = "section"\neach = "category"\ntitle = "The Harbour Gazette: {name}"\n', ""
)
FRESH = timedelta(seconds=300)  # as Cache-Control says
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


class Server:
    """The site's own ASGI application, called as a server would."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def ask(self, path: str, headers: Headers) -> Answer:
        return self._runner.run(self._ask(path, headers))

    async def _ask(self, path: str, headers: Headers) -> Answer:
        told = [(key.encode(), value.encode()) for key, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": path, "headers": told, "query_string": b""}
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        answered = {key.decode(): value.decode() for key, value in said[0]["headers"]}
        return Answer(said[0]["status"], answered, b"".join(message["body"] for message in said[1:]))

    def close(self) -> None:
        self._runner.close()


@dataclass(slots=True)
class Proxy:
    """A cache between readers and us (RFC 9111): keeps what it may, by what Vary names, and asks again with the ETag
    when it is no longer fresh. Now and then it cannot reach us, and answers with what it has."""

    server: Server
    dice: random.Random
    kept: dict[tuple[str, str], tuple[datetime, Answer]] = field(default_factory=dict)

    def ask(self, path: str, headers: Headers, now: datetime) -> Answer:
        key = (path, headers.get("accept-encoding", ""))
        at, kept = self.kept.get(key, (None, None))
        if kept is None or at is None or not (now - at < FRESH or self.dice.random() < 0.05):
            condition = {"if-none-match": kept.headers["etag"]} if kept else {}
            answer = self.server.ask(path, {"accept-encoding": key[1], **condition})
            assert answer.headers["vary"] == "Accept-Encoding"
            kept = kept if answer.status == 304 and kept else answer
            self.kept[key] = (now, kept)
        told = headers.get("if-none-match"), headers.get("if-modified-since")
        same = (
            told[0] == kept.headers["etag"] if told[0] else bool(told[1]) and told[1] == kept.headers["last-modified"]
        )
        return Answer(304, kept.headers, b"") if same else kept


@dataclass(slots=True)
class Reader:
    """A feed reader: what it sends, and what it knows. `etag`, `date`: which conditions it sends."""

    format: Format
    etag: bool
    date: bool
    coding: str
    proxy: Proxy | None
    interval: timedelta
    next_at: datetime
    last: Answer | None = None
    text: bytes = b""
    known: dict[str, str] = field(default_factory=dict)  # titles by id, "" when retracted

    @property
    def habit(self) -> str:
        sends = {(True, False): "etag", (False, True): "date", (True, True): "both", (False, False): "nothing"}
        return sends[self.etag, self.date] + (" through a proxy" if self.proxy else "")

    def poll(self, server: Server, folder: Path, now: datetime) -> int:
        name = f"all.{self.format.ending}"
        asked = {"accept-encoding": self.coding}
        if self.last and self.etag:
            asked["if-none-match"] = self.last.headers["etag"]
        if self.last and self.date:
            asked["if-modified-since"] = self.last.headers["last-modified"]
        path = f"/feeds/{name}"
        answer = self.proxy.ask(path, asked, now) if self.proxy else server.ask(path, asked)
        there = (folder / name).read_bytes()
        if answer.status == 304:
            assert self.proxy or self.text == there, "taken for unchanged, and it changed"
            return 304
        assert answer.status == 200
        text = decoded(answer)
        assert self.proxy or text == there
        if self.proxy is None and (self.etag or self.date):
            assert text != self.text, "a version that it had"
        if text != self.text:
            self.known |= titles(self.format, text)
        self.last, self.text = answer, text
        return 200


@cache
def titles(format: Format, text: bytes) -> dict[str, str]:
    """By id, "" when retracted; many readers get the same bytes."""
    entries = format.read(text)
    gone = {entry.id for entry in entries if entry.gone or entry.title.startswith("Retracted: ")}
    return {entry.id: "" if entry.id in gone else entry.title for entry in entries}


def decoded(answer: Answer) -> bytes:
    match answer.headers.get("content-encoding"):
        case "gzip":
            return gzip.decompress(answer.body)
        case "br":
            return bytes(brotli.decompress(answer.body))
    return answer.body


# ---------------------------------------------------------------- the newsroom


@dataclass(slots=True)
class Newsroom:
    """Publishes, and changes what it published in the last two days."""

    app: App
    clock: TestClock
    dice: random.Random
    articles: dict[int, Article] = field(default_factory=dict)

    def act(self) -> None:
        now = self.clock.now()
        recent = [
            one
            for one in self.articles.values()
            if one.state is ArticleState.LIVE and now - one.first_seen_at < timedelta(days=2)
        ]
        acts = (self.publish, self.edit, self.retract, self.re_date, self.re_slug)
        what = self.dice.choices(acts, (60, 20, 5, 5, 10))[0] if recent else self.publish
        one = what(now) if what == self.publish else what(now, self.dice.choice(recent))  # type: ignore[operator]
        self.articles[one.id] = one
        self.build()

    def publish(self, now: datetime) -> Article:
        number = len(self.articles) + 1
        text = "<p>" + "The boat goes out and the boat comes in. " * self.dice.randint(5, 60) + "</p>"
        dates = {"published_at": now, "updated_at": now, "first_seen_at": now}
        one = article(f"Number {number}", categories=("News",), content_html=text, **dates)
        with self.app.parts.store.transaction() as store:
            one = store.articles.add(one)
            self.put(store, one)
        return one

    def edit(self, now: datetime, one: Article) -> Article:
        title = f"{one.revision.title.split(',')[0]}, edited at {now:%d %H:%M}"
        return self.revise(one, title=title, kind=RevisionKind.EDIT, updated_at=now)

    def re_date(self, now: datetime, one: Article) -> Article:
        return self.revise(one, published_at=one.revision.published_at - timedelta(hours=3), updated_at=now)

    def re_slug(self, now: datetime, one: Article) -> Article:
        moved = replace(one, canonical_url=f"{one.canonical_url}-{now:%d%H%M}")
        return self.revise(moved, updated_at=now)

    def revise(self, one: Article, **says: object) -> Article:
        number = one.revision.number + 1
        one = replace(one, revision=replace(one.revision, number=number, **says))  # type: ignore[arg-type]
        with self.app.parts.store.transaction() as store:
            store.articles.revise(one)
            self.put(store, one)
        return one

    def retract(self, now: datetime, one: Article) -> Article:
        one = replace(one, state=ArticleState.RETRACTED, retracted_at=now, retraction_note="It was not so.")
        with self.app.parts.store.transaction() as store:
            store.articles.seen(one)
            store.articles.decide(one)
            self.put(store, one)
        return one

    def put(self, store: object, one: Article) -> None:
        feeds, patterns = store.feeds.all(), self.app.parts.patterns  # type: ignore[attr-defined]
        syndicate.put(store, [one], feeds, patterns, now=self.clock.now())  # type: ignore[arg-type]

    def build(self) -> None:
        at = self.clock.now().timestamp()
        for slug in self.app.parts.store.feeds.due(self.clock.now()):
            for name in pipeline.syndicate(self.app.parts, slug).written:
                os.utime(self.app.root / "feeds" / name, (at, at))

    @property
    def right(self) -> dict[str, str]:
        live = ArticleState.LIVE
        return {one.entry_id: one.revision.title if one.state is live else "" for one in self.articles.values()}


# ---------------------------------------------------------------- the month


@pytest.fixture
def clock() -> TestClock:
    """The month that ends now: the server compares the files' dates with the clock of the machine."""
    return TestClock(datetime.fromtimestamp(int(time.time()), UTC) - timedelta(days=31))


@pytest.fixture
def app(tmp_path: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(lay_out(tmp_path / "site", ONE_FEED, articles={}), clock)
    yield opened
    opened.close()


@pytest.fixture
def server(app: App) -> Iterator[Server]:
    opened = Server(application(app.parts))
    yield opened
    opened.close()


def readers(app: App, server: Server, dice: random.Random, start: datetime) -> list[Reader]:
    """Fifty: every way of asking, every coding, every format, a third of them through one of two proxies."""
    proxies = [Proxy(server, random.Random(number)) for number in range(2)]
    conditions = itertools.cycle(itertools.product((True, False), (True, False)))
    codings = itertools.cycle(("", "gzip", "br", "gzip, deflate, br", "identity"))
    formats = itertools.cycle(app.parts.formats.values())
    made = []
    for number, (etag, date), coding, format in zip(range(50), conditions, codings, formats, strict=False):
        interval = timedelta(minutes=dice.choice((15, 30, 60, 120, 360)))
        proxy = proxies[number % 2] if number % 3 == 0 else None
        first = start + interval * dice.random()
        made.append(Reader(format, etag, date, coding, proxy, interval, first))
    return made


@pytest.mark.parametrize(
    "span", ["four days", pytest.param("month", marks=[pytest.mark.full, pytest.mark.timeout(600)])]
)
def test_every_reader_ends_with_the_right_set_and_pays_for_nothing_twice(
    app: App, server: Server, clock: TestClock, span: str, record_property: Callable[[str, object], None]
) -> None:
    dice, start = random.Random(26), clock.now()
    newsroom = Newsroom(app, clock, random.Random(11))
    newsroom.act()
    everybody = readers(app, server, dice, start)
    told: Counter[tuple[str, int]] = Counter()
    end, news_at = start + timedelta(days=DAYS[span]), start
    while clock.now() < end:
        clock.at = min(news_at, *(reader.next_at for reader in everybody))
        if clock.now() >= news_at:
            newsroom.act()
            news_at += timedelta(minutes=dice.randint(40, 400))
        for reader in everybody:
            if reader.next_at <= clock.now():
                told[reader.habit, reader.poll(server, app.root / "feeds", clock.now())] += 1
                reader.next_at += reader.interval
    clock.move(days=1)
    for reader in everybody:  # once more, when every cache has had to ask
        if reader.proxy:
            reader.proxy.dice = random.Random(0)
            reader.proxy.kept.clear()
        reader.poll(server, app.root / "feeds", clock.now())
        assert reader.known == newsroom.right
    states = Counter(one.state for one in newsroom.articles.values())
    assert states[ArticleState.RETRACTED] > 0
    shares = {
        habit: told[habit, 304] / (told[habit, 304] + told[habit, 200])
        for habit in sorted({habit for habit, _ in told})
    }
    for habit, share in shares.items():
        record_property(f"304 of all answers, {habit}", f"{share:.0%}")
        assert share == 0 if habit.startswith("nothing") else share > 0.5
