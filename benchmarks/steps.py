"""Times each step of the pipeline on a generated newsroom: `python benchmarks/steps.py --articles 1000`.

Beside every rate stands the limit of this machine that binds it, measured in the same run: commits with fsync
a second, and bytes copied in memory. Numbers from two machines, or two runs, are not to be compared without it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from publisher import pipeline
from publisher.app import App, open_app
from publisher.audience import Importer
from publisher.kit import slots
from publisher.model import Source

SETTINGS = """
[site]
name = "The Generated Gazette"
url = "https://gazette.example"
tag_authority = "gazette.example,2026"

[store]
url = "{store}"

[[sources]]
slug = "newsroom"
kind = "folder"
path = "articles"
categories = "folders"

[[feeds]]
slug = "all"
title = "Everything"

{feeds}

[[newsletters]]
slug = "daily"
name = "The Daily"
sender = "daily@gazette.example"

[[mailers]]
name = "maildir"
kind = "maildir"
"""

WORDS = "harbour ferry council quay storm school budget lantern market tide history winter rescue library road".split()  # noqa: SIM905


def newsroom(root: Path, articles: int, subscribers: int, feeds: int, store: str) -> None:
    """Lay out a site: articles of about 500 words in `feeds` categories, and a CSV of subscribers."""
    chance = random.Random(2026)
    patterns = "".join(
        f'[[feeds]]\nslug = "feed-{n}"\ntitle = "Feed {n}"\nselect = {{ categories = ["section-{n}"] }}\n'
        for n in range(feeds)
    )
    root.joinpath("settings.toml").write_text(SETTINGS.format(store=store, feeds=patterns))
    for number in range(articles):
        folder = root / "articles" / f"section-{number % max(feeds, 1)}"
        folder.mkdir(parents=True, exist_ok=True)
        paragraphs = [" ".join(chance.choices(WORDS, k=80)).capitalize() + "." for _ in range(6)]
        headline = " ".join(chance.choices(WORDS, k=6)).capitalize()
        text = "\n\n".join([f"{headline} {number}", "A standfirst in one line.", *paragraphs, "Author: Niamh Casey"])
        folder.joinpath(f"{number}.txt").write_text(text)
    with root.joinpath("people.csv").open("w") as file:
        file.write("email,name\n")
        file.writelines(f"reader{number}@readers.example,Reader {number}\n" for number in range(subscribers))


@contextmanager
def timed(step: str, count: int, unit: str) -> Iterator[None]:
    started, used = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    print(f"{step:28} {count:>9,} {unit:12} {seconds:9.2f} s {cpu:9.2f} s CPU {count / seconds:12,.0f} a second")


def limits(root: Path) -> None:
    """What this machine could do at best, right now."""
    path, rounds = root / "probe", 200
    with timed("limit: write and fsync", rounds, "commits"), path.open("wb") as file:
        for _ in range(rounds):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    block = bytearray(64 * 1024 * 1024)
    with timed("limit: memory copy", 16 * 64, "MB"):
        for _ in range(16):
            bytes(block)


def steps(app: App, subscribers: int) -> None:
    parts, store = app.parts, app.parts.store
    pipeline.adopt(parts)
    importer = Importer(
        store=store,
        keys=parts.keys,
        newsletters=["daily"],
        default=("daily",),
        origin="benchmark",
        now=datetime.now(UTC),
    )
    with timed("subscribers import", subscribers, "people"), (app.root / "people.csv").open() as file:
        importer.run(file, print)
    source: Source = parts.sources[0]
    articles = sum(1 for _ in Path(source.url).rglob("*.txt"))
    with timed("collect, first look", articles, "articles"):
        pipeline.collect(parts, source.slug)
    with timed("collect, nothing changed", articles, "articles"):
        pipeline.collect(parts, source.slug)
    due = store.feeds.due()
    with timed("syndicate", len(due), "feeds"):
        for slug in due:
            pipeline.syndicate(parts, slug)
    newsletter = parts.newsletters[0]
    slot = slots.today(newsletter.timetable(), parts.clock.now())
    with timed("compose", 1, "edition"):
        edition = pipeline.compose_slot(parts, newsletter, slot, by_hand=True)
    with timed("deliver: plan", subscribers, "recipients"):
        edition = pipeline.plan(parts, edition.key)
    with timed("deliver: submit, maildir", subscribers, "messages"):
        pipeline.deliver(parts, edition.mailer)
    print(store.outbox.sums(edition.id))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=500)
    parser.add_argument("--subscribers", type=int, default=5000)
    parser.add_argument("--feeds", type=int, default=20)
    parser.add_argument("--store", default="sqlite:///var/publisher.db")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        newsroom(root, options.articles, options.subscribers, options.feeds, options.store)
        limits(root)
        app = open_app(root, os.environ)
        steps(app, options.subscribers)
        app.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory {peak} MB")


if __name__ == "__main__":
    main()
