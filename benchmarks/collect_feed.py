"""Times looks at a feed of 5,000 items without validators, beside feedparser, which reads the same bytes in the same
run: `python benchmarks/collect_feed.py [--items 5000] [--changed 50] [--rounds 3]`.

First look: read, clean, store nothing; beside feedparser with its own cleaning of each text replaced by ours.
Second look: some items and the build date changed. It asks a real store which items it knows, and decides about the
rest. Both take turns with feedparser, and the median of each is compared.
"""

from __future__ import annotations

import argparse
import gc
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path

import feedparser

from publisher import collect, pipeline
from publisher.app import App, open_app
from publisher.fetchers._shared import Before
from publisher.fetchers.syndication import read
from publisher.kit import html
from publisher.model import Fetched, Source

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
url = "https://gazette.example/feed"

[[feeds]]
slug = "all"
title = "Everything"
"""
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


def look(app: App, source: Source, body: bytes, *, first: bool = False) -> collect.Accepted:
    """One look at a document that has come; nothing is written."""
    store = app.parts.store.articles
    known = (lambda hashes: {}) if first else (lambda hashes: store.unchanged(source.slug, raw_hashes=hashes))  # noqa: ARG005
    reading = read(body, "application/xml", URL, Before(known=known))
    page = Fetched(articles=reading.articles, cursor={}, refused=reading.refused, same=reading.same)
    return collect.accept(source, page, store, site=app.parts.site, now=NOW)


def compared(what: str, rounds: int, ours: Callable[[], object], peer: Callable[[], object]) -> float:
    """How many times as long the peer takes, in the median of rounds that take turns."""
    times = [(seconds(ours), seconds(peer)) for _ in range(rounds)]
    mine, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"  {what:44} {mine:8.3f} s {theirs:8.3f} s {theirs / mine:8.1f} times faster")
    return theirs / mine


def measure(app: App, kind: str, items: int, changed: int, rounds: int) -> bool:
    source = app.parts.sources[0]
    before = feed(kind, items, frozenset(), "Sun, 22 Nov 2026 12:00:00 +0000")
    numbers = frozenset(random.Random(1).sample(range(items), changed))
    after = feed(kind, items, numbers, "Sun, 22 Nov 2026 12:10:00 +0000")
    print(f"{kind}: {items:,} items, {len(after) / 1e6:.1f} MB, {changed} changed")
    first = compared(
        "first look, beside feedparser and cleaning",
        rounds,
        lambda: look(app, source, before, first=True),
        lambda: clean_with_feedparser(before),
    )
    with app.parts.store.transaction() as together:
        collect.record(look(app, source, before, first=True), together.articles)
    second = compared(
        "second look, beside feedparser", rounds, lambda: look(app, source, after), lambda: feedparser.parse(after)
    )
    accepted = look(app, source, after)
    handled = len(accepted.changed) + len(accepted.new) + len(accepted.touched) + accepted.unchanged
    print(f"  handled      {handled} items, {len(accepted.changed)} of them changed")
    return first >= 1 and second >= 30 and handled == len(accepted.changed) == changed


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    told.add_argument("--items", type=int, default=5000)
    told.add_argument("--changed", type=int, default=50)
    told.add_argument("--rounds", type=int, default=3)
    given = told.parse_args()
    fine = True
    for kind in ("rss", "atom"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "settings.toml").write_text(SETTINGS)
            app = open_app(Path(folder), {})
            pipeline.adopt(app.parts)
            fine &= measure(app, kind, given.items, given.changed, given.rounds)
            app.close()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
