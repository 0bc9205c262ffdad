"""Times feeds beside their peers, in one run: `python benchmarks/feeds.py --articles 1000000`.

Documents: joining kept entries around the one that changed, against feedgen building the whole document; both give
the same bytes. News: one new article among so many stored, from what its source sent to the last file in the folder,
against the same with 1,000 stored, against feedgen building the documents that were touched, and against the bare
writing and flushing of as many files. Texts have about 500 words.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from publisher import collect, pipeline, syndicate
from publisher.app import App, formats, open_app
from publisher.model import Article, Author, Feed, Fetched, FetchedArticle, Image, Revision, Site
from publisher.ports import Format

WORDS = "harbour ferry council quay storm school budget lantern market tide history winter rescue library road".split()  # noqa: SIM905
START = datetime(2020, 1, 1, tzinfo=UTC)
SITE = "https://gazette.example"
FEEDS = 500
#: Sections and tags that one new article enters, besides the feed of everything; every 10th article has them too.
HOT = ("Section 0", "Tag 0", "Tag 1")

SETTINGS = """
[site]
name = "The Generated Gazette"
url = "https://gazette.example"
tag_authority = "gazette.example,2026"

[[sources]]
slug = "newsroom"
kind = "folder"
path = "articles"

[[feeds]]
slug = "all"
title = "Everything"

[[feeds]]
slug = "in"
each = "category"
title = "{name}"

[[feeds]]
slug = "about"
each = "tag"
title = "{name}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    for count in (50, 500):
        documents(count)
    news((1_000, options.articles), options.rounds)


# ---------------------------------------------------------------- documents


def documents(count: int) -> None:
    """A document of so many entries: all built by feedgen, one built and the rest joined, and none built."""
    articles = [made(number) for number in range(count)]
    feed = Feed(slug="all", title="Everything", home_url=SITE, language="en", limit=count)
    document = syndicate.document(feed, articles, site=_site())
    changed = replace(articles[0], revision=replace(articles[0].revision, number=2, title="Another headline"))
    after = replace(document, articles=(changed, *articles[1:]))
    for format in formats().values():
        kept = [format.fragment(one, feed)[1] for one in articles]
        assert format.join(document, kept) == format.write(document)

        def one_changed(format: Format = format, kept: list[bytes] = kept) -> bytes:
            return format.join(after, [format.fragment(changed, feed)[1], *kept[1:]])

        assert one_changed() == format.write(after)
        whole = best(partial(format.write, after))
        one, none = best(one_changed), best(partial(format.join, document, kept))
        check = best(partial(format.ids, format.write(after)))
        peer = "feedgen" if format.name != "json" else "orjson"
        print(
            f"{format.name:5} {count:4} entries: {peer} {whole * 1e3:7.2f} ms; one changed {one * 1e3:6.2f} ms,"
            f" {whole / one:6.1f} times; none changed {none * 1e3:6.2f} ms, {whole / none:6.1f} times;"
            f" parsing it back {check * 1e3:6.2f} ms"
        )


def best(call: Callable[[], object], rounds: int = 25) -> float:
    """Seconds, of the quickest of so many calls: what the machine does otherwise only adds to it."""
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return min(took)


def made(number: int) -> Article:
    at = START + timedelta(minutes=number)
    return Article(
        id=number + 1,
        source="newsroom",
        native_id=str(number),
        story=str(number),
        canonical_url=f"{SITE}/{number}",
        entry_id=f"tag:gazette.example,2026:newsroom/{number}",
        first_seen_at=at,
        revision=Revision(
            number=1,
            title=headline(number),
            standfirst="A standfirst in one line.",
            content_html=text(number),
            authors=(Author(name="Niamh Casey", url=f"{SITE}/people/niamh"),),
            categories=("Section 0",),
            tags=("Tag 0", "Tag 1"),
            image=Image(url=f"{SITE}/{number}.jpg", type="image/jpeg", bytes=70_000, width=1200, height=800),
            language="en",
            published_at=at,
            updated_at=at,
            content_hash=str(number),
        ),
    )


def headline(number: int) -> str:
    return " ".join(random.Random(number).choices(WORDS, k=6)).capitalize() + f" {number}"


def text(number: int) -> str:
    chance = random.Random(number)
    return "".join(f"<p>{' '.join(chance.choices(WORDS, k=80)).capitalize()}.</p>\n" for _ in range(6))


def _site() -> Site:
    return Site(
        name="The Generated Gazette", url=SITE, language="en", timezone="UTC", tag_authority="gazette.example,2026"
    )


# ---------------------------------------------------------------- news


def news(sizes: Sequence[int], rounds: int) -> None:
    """From a new article to its last file, with so many articles stored. The sizes take turns, so that whatever else
    the machine does falls on all of them."""
    with tempfile.TemporaryDirectory() as folder:
        apps = {stored: prepared(Path(folder, str(stored)), stored) for stored in sizes}
        took: dict[str, list[float]] = {f"{kind} {stored}": [] for kind in ("all", "cpu") for stored in sizes}
        took |= {"peer": [], "bare": []}
        wrote: set[str] = set()
        for number in range(rounds):
            for stored, app in apps.items():
                started, used = time.perf_counter(), time.process_time()
                wrote |= set(come(app, stored + number))
                took[f"all {stored}"].append(time.perf_counter() - started)
                took[f"cpu {stored}"].append(time.process_time() - used)
            took["peer"].append(best(partial(feedgen_alone, apps[sizes[0]]), rounds=1))
            took["bare"].append(best(partial(bare, Path(folder, "bare"), sorted(wrote), apps[sizes[0]]), rounds=1))
        for app in apps.values():
            app.close()
    assert len(wrote) == (1 + len(HOT)) * 3, wrote
    for name, seconds in took.items():
        took[name] = [statistics.median(seconds) * 1e3]
    for stored in sizes:
        (whole,), (cpu,) = took[f"all {stored}"], took[f"cpu {stored}"]
        print(f"one new article, {stored:9,} stored, {FEEDS} feeds: {whole:6.1f} ms, of it {cpu:6.1f} ms CPU")
    print(f"feedgen building its {len(wrote)} documents: {took['peer'][0]:6.1f} ms")
    print(f"writing and flushing so many files: {took['bare'][0]:6.1f} ms")
    ratio = took[f"all {sizes[-1]}"][0] / took[f"all {sizes[0]}"][0]
    print(f"{sizes[-1]:,} stored against {sizes[0]:,}: {ratio:.2f} times")


def prepared(root: Path, stored: int) -> App:
    """A site with so many articles, all of whose current documents are published."""
    root.mkdir()
    root.joinpath("settings.toml").write_text(SETTINGS)
    app = open_app(root, os.environ)
    pipeline.adopt(app.parts)
    make_feeds(app)
    app.close()
    fill(root / "var" / "publisher.db", stored)
    app = open_app(root, os.environ)
    for slug in app.parts.store.feeds.due():
        pipeline.syndicate(app.parts, slug)
    come(app, stored + 1_000_000)  # once to warm up
    return app


def come(app: App, number: int) -> list[str]:
    """An article comes from its source and goes into its feeds; the files that were written."""
    parts, now = app.parts, datetime.now(UTC)
    sent = FetchedArticle(
        native_id=str(number),
        url=f"{SITE}/{number}",
        title=headline(number),
        standfirst="A standfirst in one line.",
        content_html=text(number),
        authors=(Author(name="Niamh Casey"),),
        categories=("Section 0",),
        tags=("Tag 0", "Tag 1"),
        published_at=now,
    )
    fetched = Fetched(articles=(sent,), cursor={})
    accepted = collect.accept(parts.sources[0], fetched, parts.store.articles, site=parts.site, now=now)
    with parts.store.transaction() as together:
        together.feeds.lock()
        changed = collect.record(accepted, together.articles)
        syndicate.put(together, changed, together.feeds.all(), parts.patterns, now=now)
    due = parts.store.feeds.due(now)
    assert len(due) == 1 + len(HOT), due
    return [name for slug in due for name in pipeline.syndicate(parts, slug).written if "/" not in name]


def feedgen_alone(app: App) -> None:
    """The same documents, each built whole."""
    for slug in ("all", *(_slug(name) for name in HOT)):
        feed = app.parts.store.feeds.get(slug)
        articles = app.parts.store.feeds.current(slug, now=datetime.now(UTC))
        document = syndicate.document(feed, articles, site=app.parts.site)
        for format in app.parts.formats.values():
            format.write(document)


def bare(folder: Path, names: Sequence[str], app: App) -> None:
    """What the disk needs for that many files of that size, each replaced and flushed with its folder."""
    folder.mkdir(exist_ok=True)
    for name in names:
        data = app.parts.folder.get(name) or b""
        path = folder / f"{name}.part"
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.rename(folder / name)
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def make_feeds(app: App) -> None:
    """Those that the patterns would have made by now."""
    names = [*HOT, *(f"Section {n}" for n in range(1, FEEDS - len(HOT)))]
    by_slug = {pattern.slug: pattern for pattern in app.parts.patterns}
    with app.parts.store.transaction() as store:
        for name in names:
            pattern = by_slug["about" if name.startswith("Tag") else "in"]
            store.feeds.add(pattern.feed(_slug(name), (name,)))


def _slug(name: str) -> str:
    return ("about-" if name.startswith("Tag") else "in-") + name.lower().replace(" ", "-")


def fill(path: Path, stored: int) -> None:
    """Rows as if so many articles had come in, and all but the newest 50 of each feed stood in published pages."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-400000;")
    ids = dict(connection.execute("SELECT slug, id FROM feed"))
    hot, cold = [ids[_slug(name)] for name in HOT], [ids[_slug(f"Section {n}")] for n in range(1, FEEDS - len(HOT))]
    (source,) = connection.execute("SELECT id FROM source").fetchone()
    of_feed: dict[int, int] = {}

    def rows(first: int, last: int) -> tuple[list[tuple[object, ...]], ...]:
        articles, revisions, entries = [], [], []
        for number in range(first, last):
            at = f"{START + timedelta(minutes=number):%Y-%m-%d %H:%M:%S.%f}"
            entry = f"tag:gazette.example,2026:newsroom/{number}"
            url = f"{SITE}/{number}"
            articles.append((number + 1, source, str(number), str(number), url, entry, at, at))
            recent = stored - number < 20_000
            content = text(number) if recent else "<p>It was long ago.</p>"
            revisions.append(
                (number + 1, headline(number) if recent else f"Old {number}", at, at, str(number), content)
            )
            for feed in (ids["all"], *(hot if number % 10 == 0 else [cold[number % len(cold)]])):
                place = of_feed[feed] = of_feed.get(feed, 0) + 1
                entries.append((feed, number + 1, f"{at.replace(' ', 'T')} {entry}", place))
        return articles, revisions, entries

    for first in range(0, stored, 20_000):
        articles, revisions, entries = rows(first, min(first + 20_000, stored))
        connection.executemany(
            "INSERT INTO article (id, source, native_id, guid, story, canonical_url, entry_id, state, mail,"
            " first_seen_at, missing_looks, revision, published_at)"
            " VALUES (?, ?, ?, '', ?, ?, ?, 'live', 'allowed', ?, 0, 1, ?)",
            articles,
        )
        connection.executemany(
            "INSERT INTO revision (article, number, kind, title, published_at, updated_at, content_hash, raw_hash,"
            " language, note, standfirst, authors, categories, tags, enclosures, content_html)"
            " VALUES (?, 1, 'first', ?, ?, ?, ?, '', 'en', '', '', '[]', '[]', '[]', '[]', ?)",
            revisions,
        )
        connection.executemany(
            "INSERT INTO feed_entry (feed, article, sort_key, page, gone, shown) VALUES (?, ?, ?, ?, 0, 0)",
            [(feed, article, key, (place - 1) // 50 + 1) for feed, article, key, place in entries],
        )
        connection.commit()
    for feed, count in of_feed.items():
        full = max(0, (count - 1) // 50)  # the last, and what is over, is on no page yet
        connection.execute("UPDATE feed_entry SET page = 0 WHERE feed = ? AND page > ?", (feed, full))
        pages = [(feed, number) for number in range(1, full + 1)]
        connection.executemany("INSERT INTO feed_page (feed, number, wanted, built) VALUES (?, ?, 1, 1)", pages)
        connection.execute("UPDATE feed SET pages = ? WHERE id = ?", (full, feed))
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()


if __name__ == "__main__":
    main()
