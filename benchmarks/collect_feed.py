"""Times looks at a feed of 5,000 items without validators, beside feedparser, which reads the same bytes in the same
run: `python benchmarks/collect_feed.py [--items 5000] [--changed 50] [--rounds 3]`.

Whole looks go from the HTTP request to the places in twenty feeds, three of which want the articles, in a new SQLite
store on disk each time. The first is compared with feedparser and our cleaning of its texts; in the second some items
and the build date have changed, and it is compared with feedparser alone. What reading and cleaning take, without a
store, is told beside them. All take turns, and the medians of their CPU times are compared.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing import Process, SimpleQueue
from pathlib import Path

import feedparser

from publisher import collect, pipeline
from publisher.app import App, open_app
from publisher.collect import Tally
from publisher.fetchers.syndication import Syndication, read
from publisher.kit import html
from publisher.kit.http_session import Limits
from publisher.model import Fetched

WORDS = "harbour ferry council quay storm school budget lantern market tide history winter rescue library road".split()  # noqa: SIM905
URL = "https://gazette.example/feed"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = """
[site]
name = "The Generated Gazette"
url = "https://gazette.example"
tag_authority = "gazette.example,2026"

[store]
url = "sqlite:///publisher.db"

[[sources]]
slug = "feed"
kind = "syndication"
url = "{url}/feed"
allow_private = true

[[sources]]
slug = "wire"
kind = "syndication"
url = "{url}/wire"
allow_private = true
"""
FEED = """
[[feeds]]
slug = "{slug}"
title = "{slug}"
select = {{ {select} }}
"""
#: Twenty feeds, three of which want what comes.
SELECTIONS = ["", 'sources = ["feed"]', 'categories = ["Harbour", "Sport"]']
SELECTIONS += [f'categories = ["Ward {number}"]' for number in range(17)]
ITEM = {
    "rss": (
        "<item><title>{title}</title><link>https://gazette.example/{n}</link><dc:creator>Niamh Casey</dc:creator>"
        '<guid isPermaLink="false">https://gazette.example/?p={n}</guid><pubDate>{rfc}</pubDate>'
        "<category>Harbour</category><category>Weather</category><description>{summary}</description>"
        "<content:encoded><![CDATA[{content}]]></content:encoded></item>\n"
    ),
    "atom": (
        "<entry><id>tag:gazette.example,2026:{n}</id><title>{title}</title><author><name>Niamh Casey</name></author>"
        '<link rel="alternate" href="https://gazette.example/{n}"/><published>{iso}</published><updated>{iso}</updated>'
        '<category term="Harbour"/><summary>{summary}</summary><content type="html">{escaped}</content></entry>\n'
    ),
}
HEAD = {
    "rss": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>The Generated Gazette</title>'
        "<link>https://gazette.example/</link><description/><lastBuildDate>{built}</lastBuildDate>\n"
    ),
    "atom": (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        "<id>https://gazette.example/</id><title>The Generated Gazette</title><updated>{built}</updated>\n"
    ),
}
TAIL = {"rss": "</channel></rss>", "atom": "</feed>"}


def article(n: int, *, corrected: bool) -> str:
    """About 300 words as WordPress's block editor writes them."""
    chance = random.Random(n)
    texts = [" ".join(chance.choices(WORDS, k=45)).capitalize() for _ in range(6)]
    if corrected:
        texts[2] += " (corrected)"
    picture = (
        f'<figure class="wp-block-image size-large"><img loading="lazy" decoding="async" width="1024" height="683" '
        f'src="/wp-content/uploads/{n}-1024x683.jpg" alt="The quay" class="wp-image-{n}" srcset="/wp-content/uploads/'
        f'{n}-1024x683.jpg 1024w, /wp-content/uploads/{n}-300x200.jpg 300w" sizes="(max-width: 1024px) 100vw, 1024px" '
        '/><figcaption class="wp-element-caption">The quay &#8211; by Ida Marsh</figcaption></figure>'
    )
    paragraphs = [
        f'<p>{text}, <a href="/tag/{chance.choice(WORDS)}/">says</a> &#8220;<em>the council</em>&#8221; on '
        f"<strong>{chance.choice(WORDS)}</strong> &amp; it&#8217;s so.</p>\n"
        for text in texts
    ]
    heading = f'<h2 class="wp-block-heading">{texts[0][:30]}</h2>\n'
    listed = "".join(f"<li>{text[:40]}</li>" for text in texts[:3])
    return "\n".join([picture, *paragraphs[:3], heading, *paragraphs[3:], f"<ul>{listed}</ul>"])


def feed(kind: str, items: int, changed: frozenset[int], built: str) -> bytes:
    pieces = [HEAD[kind].format(built=built)]
    for n in range(items):
        content = article(n, corrected=n in changed)
        at = NOW - timedelta(minutes=n)
        pieces.append(
            ITEM[kind].format(
                n=n,
                title=f"{random.Random(n).choice(WORDS).capitalize()} &amp; tide {n}",
                summary=f"What the harbour said of tide {n}",
                content=content,
                escaped=escape(content),
                rfc=at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
                iso=at.isoformat(),
            )
        )
    return "".join([*pieces, TAIL[kind]]).encode()


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds: what else the machine does is no part of it."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def clean_with_feedparser(body: bytes) -> None:
    """What a first look costs at least: feedparser, and each text cleaned."""
    for entry in feedparser.parse(body).entries:
        value = entry.content[0].value if entry.get("content") else entry.get("summary", "")
        html.clean(value, URL)


def clean_ours(body: bytes, app: App) -> None:
    """The same, and what is known of each article, our way."""
    reading = read(body, "application/xml", URL)
    page = Fetched(articles=reading.articles, cursor={}, refused=reading.refused, same=reading.same)
    collect.accept(app.parts.sources[0], page, app.parts.store.articles, site=app.parts.site, now=NOW)


def serve(folder: Path, ports: SimpleQueue[int]) -> None:
    """Answers with the file of the path, and no validator."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (folder / self.path.lstrip("/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    ports.put(server.server_port)
    server.serve_forever()


@contextmanager
def site(url: str) -> Iterator[App]:
    with tempfile.TemporaryDirectory() as folder:
        feeds = [FEED.format(slug=f"feed-{n}", select=select) for n, select in enumerate(SELECTIONS)]
        Path(folder, "settings.toml").write_text(SETTINGS.format(url=url) + "".join(feeds))
        app = open_app(Path(folder), {})
        roomy = Syndication(limits=Limits(bytes=100_000_000))  # in Atom, so many items are more than a feed may have
        app = replace(app, parts=replace(app.parts, fetchers={"syndication": roomy}))
        pipeline.adopt(app.parts)
        yield app
        app.close()


def compared(what: str, ours: list[float], theirs: list[float], items: int) -> float:
    """How many times as long the peer takes, in the median."""
    mine, peer = statistics.median(ours), statistics.median(theirs)
    each = f"{mine / items * 1000:6.2f} ms an item"
    print(f"  {what:54} {mine:7.2f} s {each} {peer:7.2f} s {peer / mine:6.1f} times as fast", flush=True)
    return peer / mine


def measure(kind: str, given: argparse.Namespace, folder: Path, url: str) -> bool:
    items, changed, rounds = given.items, given.changed, given.rounds
    numbers = frozenset(random.Random(1).sample(range(items), changed))
    before = feed(kind, items, frozenset(), "Sun, 22 Nov 2026 12:00:00 +0000")
    after = feed(kind, items, numbers, "Sun, 22 Nov 2026 12:10:00 +0000")
    print(f"{kind}: {items:,} items, {len(after) / 1e6:.1f} MB, {changed} changed")
    took: dict[str, list[float]] = defaultdict(list)
    tallies: list[Tally] = []

    def whole(app: App) -> None:
        tallies.append(pipeline.collect(app.parts, "feed"))

    def warm_up(app: App) -> None:
        """As in a process that has collected before: the other source has a few items, and then others."""
        for some in (frozenset[int](), frozenset({1})):
            (folder / "wire").write_bytes(feed(kind, 10, some, "Sun, 22 Nov 2026 12:00:00 +0000"))
            pipeline.collect(app.parts, "wire")

    for _ in range(rounds):
        with site(url) as app:
            warm_up(app)
            took["read"].append(seconds(partial(clean_ours, before, app)))
            for name, body in (("first", before), ("second", after)):
                (folder / "feed").write_bytes(body)
                took[name].append(seconds(partial(whole, app)))
        took["feedparser and cleaning"].append(seconds(partial(clean_with_feedparser, before)))
        took["feedparser"].append(seconds(partial(feedparser.parse, after)))
    compared(
        "reading and cleaning, beside feedparser and cleaning", took["read"], took["feedparser and cleaning"], items
    )
    first = compared(
        "first look, beside feedparser and cleaning", took["first"], took["feedparser and cleaning"], items
    )
    second = compared("second look, beside feedparser", took["second"], took["feedparser"], items)
    told = {(one.new, one.changed, one.unchanged) for one in tallies}
    print(f"  new, changed, unchanged: {', '.join(map(str, sorted(told, reverse=True)))}")
    return first >= 1 and second >= 30 and told == {(items, 0, 0), (0, changed, items - changed)}


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    told.add_argument("--items", type=int, default=5000)
    told.add_argument("--changed", type=int, default=50)
    told.add_argument("--rounds", type=int, default=3)
    given = told.parse_args()
    ports: SimpleQueue[int] = SimpleQueue()
    with tempfile.TemporaryDirectory() as name:
        folder, fine = Path(name), True
        server = Process(target=serve, args=(folder, ports), daemon=True)
        server.start()
        url = f"http://127.0.0.1:{ports.get()}"
        for kind in ("rss", "atom"):
            fine &= measure(kind, given, folder, url)
        server.terminate()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
