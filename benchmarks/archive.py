"""Collects a generated archive twice and tells the memory it took: `python benchmarks/archive.py --articles 100000`.

The source hands over pages of a hundred posts with their part of the complete list, as WordPress is read. The
second look changes nothing; its list is compared with all that is stored. Memory is told for a tenth of the archive
and for all of it: the peak of what Python allocates, and the most the process ever held.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from publisher import pipeline
from publisher.app import open_app
from publisher.model import Fetched, FetchedArticle, Listing, Source

SITE = """
[site]
name = "The Generated Gazette"
url = "https://gazette.example"
tag_authority = "gazette.example,2026"

[[sources]]
slug = "site"
kind = "wordpress"
url = "https://gazette.example"

[[feeds]]
slug = "all"
title = "Everything"
"""
BORN = datetime(2016, 1, 1, tzinfo=UTC)
WORDS = "harbour ferry council quay storm school budget lantern market tide history winter rescue library road".split()  # noqa: SIM905
PAGE = 100


class Archive:
    """A site with so many posts, each of about 300 words, made when they are asked for."""

    def __init__(self, posts: int) -> None:
        self._posts = posts
        self._looks = 0

    def fetch(self, source: Source, **_how: object) -> Iterator[Fetched]:  # noqa: ARG002  # the port's
        self._looks += 1
        for start in range(0, self._posts, PAGE):
            numbers = range(start, min(start + PAGE, self._posts))
            last = numbers.stop == self._posts
            listing = Listing(look=str(self._looks), ids=tuple(map(str, numbers)), complete=last)
            yield Fetched(articles=tuple(map(_post, numbers)), cursor={"at": start}, listing=listing)

    def check(self, source: Source, *, now: datetime) -> str:  # noqa: ARG002  # the port's
        return f"{self._posts} articles"


def _post(number: int) -> FetchedArticle:
    chance = random.Random(number)
    text = "".join(f"<p>{' '.join(chance.choices(WORDS, k=60))}.</p>" for _ in range(5))
    return FetchedArticle(
        native_id=str(number),
        url=f"https://gazette.example/{number}",
        title=f"Post {number}",
        content_html=text,
        categories=("News",),
        published_at=BORN + timedelta(minutes=40 * number),
        raw_hash=f"raw {number}",
    )


def measured(posts: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "settings.toml").write_text(SITE)
        app = open_app(root, {})
        parts = replace(app.parts, fetchers={"wordpress": Archive(posts)})
        pipeline.adopt(parts)
        for look in ("first", "second"):
            tracemalloc.start()
            start = time.perf_counter()
            tally = pipeline.collect(parts, "site")
            took = time.perf_counter() - start
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{posts:>9,} posts, {look:6} look: {tally.new:>7,} new, {tally.unchanged:>7,} the same, "
                f"{took:7.1f} s, peak {peak / 2**20:6.1f} MB allocated, {most:6.1f} MB held",
                flush=True,
            )
        app.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--articles", type=int, default=100_000)
    given = arguments.parse_args()
    measured(given.articles // 10)
    measured(given.articles)


if __name__ == "__main__":
    main()
