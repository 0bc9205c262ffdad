"""Who gets what: a million readers of twelve topics, of whom a tenth was sent an alert an hour before their daily.

`python -m benchmarks.audience` plans the daily, and prints how many combinations of topics and memory there are, how
many variants they share and how many were rendered; beside the rate stands that of only reading the same readers from
the store, and of the plan's time what is planning and what is making the messages. A sample of readers is held against
a computation for each of them alone, and nobody may get a story twice. Peak memory is that of a process which does
nothing but plan, and stands beside that for a tenth of the readers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.steps import SETTINGS, WORDS
from publisher import audience, pipeline
from publisher.app import App, open_app
from publisher.deliver.choosing import chunks
from publisher.kit.compact import unpack_runs
from publisher.model import EditionState, Slot, Subscriber, Subscription, SubscriptionStatus
from publisher.pipeline import preflighting
from publisher.pipeline.keeping import Press
from publisher.store.editions import Editions
from publisher.store.tables import batch

TOPICS = "Harbour Council Schools Sport Weather Business Culture Letters Courts Health Farming Travel".split()  # noqa: SIM905
#: Articles in the daily; the first of them is the alert's.
ARTICLES = 36
ALERT, DAILY = "alert:1:1", "daily:2026-11-22"


# ---------------------------------------------------------------- a newsroom and its readers


def lay_out(root: Path) -> None:
    chance = random.Random(2026)
    settings = SETTINGS.format(store="sqlite:///var/publisher.db", feeds="")
    offered = 'sender = "daily@gazette.example"\nmaximum_items = 40\ntopics = ["category:*"]\n'
    root.joinpath("settings.toml").write_text(settings.replace('sender = "daily@gazette.example"\n', offered))
    for number in range(ARTICLES):
        folder = root / "articles" / TOPICS[number % len(TOPICS)].lower()
        folder.mkdir(parents=True, exist_ok=True)
        paragraphs = [" ".join(chance.choices(WORDS, k=80)).capitalize() + "." for _ in range(6)]
        headline = " ".join(chance.choices(WORDS, k=6)).capitalize()
        text = "\n\n".join([f"{headline} {number}", "A standfirst in one line.", *paragraphs, "Author: Niamh Casey"])
        path = folder / f"{number}.txt"
        path.write_text(text)
        os.utime(path, (time.time() - 60, time.time() - 60))  # whole: the fetcher need not wait for the rest of it


def choices(count: int) -> Iterator[tuple[tuple[str, ...], bool]]:
    """What each reader follows: three in ten everything, the others one to four topics, some more liked than others;
    and whether they take alerts: one in ten."""
    chance = random.Random(7)
    likes = [1 / (place + 1) for place in range(len(TOPICS))]
    for number in range(count):
        followed = set(chance.choices(TOPICS, likes, k=chance.randint(1, 4))) if chance.random() > 0.3 else set()
        yield tuple(sorted(f"category:{topic}" for topic in followed)), number % 10 == 0


def add_readers(app: App, count: int) -> None:
    now, people = app.parts.clock.now(), list[tuple[Subscriber, list[Subscription]]]()
    for number, (topics, alerts) in enumerate(choices(count)):
        email = f"reader{number}@readers.example"
        person = Subscriber(
            public_id=number.to_bytes(12, "big"),
            email=email,
            email_key=email,
            address_key=email.encode(),
            created_at=now,
        )
        consent = audience.consent("daily", SubscriptionStatus.CONFIRMED, {}, now=now)
        people.append((person, [replace(consent, topics=topics, alerts=alerts)]))
        if len(people) == 10_000 or number == count - 1:
            app.parts.store.audience.add_many(people)
            people = []


def prepare(root: Path, count: int) -> None:
    """All but the daily's plan: readers, articles, the alert sent to those who take alerts, and the daily approved."""
    lay_out(root)
    app = open_app(root, os.environ)
    parts = app.parts
    pipeline.adopt(parts)
    pipeline.collect(parts, "newsroom")
    sections = {category for one in parts.store.articles.each() for category in one.revision.categories}
    if {section.casefold() for section in sections} != {topic.casefold() for topic in TOPICS}:
        raise SystemExit(f"collected articles of {sections}")
    add_readers(app, count)
    (newsletter,) = parts.newsletters
    for name in (ALERT, DAILY):
        slot = Slot(name=name, due_at=parts.clock.now())
        edition = pipeline.compose_slot(parts, newsletter, slot, by_hand=True)
        if name == ALERT:
            pipeline.plan(parts, edition.key)
    app.close()


# ---------------------------------------------------------------- planning, in a process of its own


def plan(root: Path) -> dict[str, Any]:
    """Choose for all readers three ways: not at all, without storing anything, and for good."""
    app = open_app(root, os.environ)
    parts, (newsletter,) = app.parts, app.parts.newsletters
    edition = parts.store.editions.get(f"daily/{DAILY}")
    (first,) = parts.store.editions.variants(edition.id, limit=1)
    able = parts.mailers["maildir"].capability
    readers, after, read_cpu = 0, 0, time.process_time()
    while people := parts.store.audience.standings("daily", after=after, upto=1 << 62, limit=20_000):
        readers, after = readers + len(people), people[-1][0]
    read_cpu = time.process_time() - read_cpu
    with pipeline.selection(parts, edition, first, "counted") as choose:
        chosen_cpu = time.process_time()
        number = sum(len(chunk.chosen) for chunk in chunks(parts.store, newsletter, able, choose, slot=DAILY))
        chosen_cpu = time.process_time() - chosen_cpu
        combinations, variants = choose.combinations, choose.variants  # type: ignore[attr-defined]
    began, cpu = time.perf_counter(), time.process_time()
    with making() as spent:
        planned = pipeline.plan(parts, edition.key)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    stored = len(parts.store.editions.variants(edition.id))
    app.close()
    if (planned.state, planned.planned) != (EditionState.SENDING, number):
        raise SystemExit(f"{planned.state}: {planned.planned} planned, {number} chosen")
    return {
        "readers": readers,
        "planned": number,
        "combinations": combinations,
        "variants": variants,
        "stored": stored,
        "read_cpu": read_cpu,
        "choose_cpu": chosen_cpu,
        "plan_cpu": cpu,
        "made_cpu": dict(spent),
        "plan_seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


@contextmanager
def making() -> Iterator[dict[str, float]]:
    """What is spent meanwhile on making messages, in CPU seconds: the rest is planning."""
    spent: dict[str, float] = {}
    with timed(Press, "make", spent), timed(preflighting, "reason", spent), timed(Editions, "add_variants", spent):
        yield spent


@contextmanager
def timed(owner: Any, name: str, spent: dict[str, float]) -> Iterator[None]:
    real = getattr(owner, name)
    spent[name] = 0.0

    def measured(*given: Any, **named: Any) -> Any:
        cpu = time.process_time()
        try:
            return real(*given, **named)
        finally:
            spent[name] += time.process_time() - cpu

    setattr(owner, name, measured)
    try:
        yield
    finally:
        setattr(owner, name, real)


def planned_alone(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.audience", "--plan", str(root)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return told


# ---------------------------------------------------------------- the check


def received(app: App, slot: str, sample: set[int]) -> dict[int, list[int]]:
    """By reader of a sample: the articles of the variant that an edition's batches name for them."""
    store = app.parts.store
    edition = store.editions.get(f"daily/{slot}")
    items = {one.id: [item.article for item in one.items] for one in store.editions.variants(edition.id)}
    found: dict[int, list[int]] = {}
    with store._access.read() as connection:  # type: ignore[attr-defined]
        for (runs,) in connection.execute(batch.select().with_only_columns(batch.c.runs).filter_by(edition=edition.id)):
            for variant, ids in unpack_runs(runs):
                for id in sample.intersection(ids):
                    if id in found:
                        raise SystemExit(f"reader {id} is in two batches of {slot}")
                    found[id] = items[variant]
    return found


def verify(root: Path, count: int, size: int) -> int:
    """Each reader of a sample against what their own choices say, computed for them alone. How many were looked at."""
    app = open_app(root, os.environ)
    articles = {one.id: one for one in app.parts.store.articles.each()}
    urgent = int(ALERT.split(":")[1])
    sample = set(random.Random(11).sample(range(1, count + 1), min(size, count)))
    alert, daily = received(app, ALERT, sample), received(app, DAILY, sample)
    for id, (topics, alerts) in enumerate(choices(count), start=1):
        if id not in sample:
            continue
        followed = {topic.casefold() for topic in topics}
        wanted = {
            article
            for article, one in articles.items()
            if not topics or any(f"category:{category}".casefold() in followed for category in one.revision.categories)
        }
        had = {urgent} & wanted if alerts else set()
        if set(alert.get(id, [])) != had or sorted(daily.get(id, [])) != sorted(wanted - had):
            raise SystemExit(
                f"reader {id} ({topics}): {alert.get(id)} and {daily.get(id)}, not {had} and {wanted - had}"
            )
    app.close()
    return len(sample)


# ---------------------------------------------------------------- told


def report(root: Path, count: int, size: int) -> dict[str, Any]:
    began = time.perf_counter()
    prepare(root, count)
    print(f"{count:,} readers, {len(TOPICS)} topics, {ARTICLES} articles, made in {time.perf_counter() - began:.0f} s")
    told = planned_alone(root)
    readers = told["readers"]
    print(f"  combinations {told['combinations']:,}; variants {told['variants']:,}; rendered {told['stored']:,}")
    for name in ("read", "choose", "plan"):
        rate = readers / told[f"{name}_cpu"]
        print(f"  {_WHAT[name]:44} {told[f'{name}_cpu']:7.2f} s CPU {rate:12,.0f} readers a second and core")
    print(f"  choosing takes {told['choose_cpu'] / told['read_cpu']:.2f} times what only reading the readers takes")
    made = sum(told["made_cpu"].values())
    planning, variant = told["plan_cpu"] - made, made / told["stored"] * 1000
    rate = readers / planning
    print(
        f"    planning: choosing, batches, commits       {planning:7.2f} s CPU {rate:12,.0f} readers a second and core"
    )
    print(f"    making the messages: {variant:.1f} ms a variant      {made:7.2f} s CPU")
    for name, cpu in told["made_cpu"].items():
        print(f"      {_MAKING[name]:41}{cpu:7.2f} s CPU")
    print(f"  the whole plan took {told['plan_seconds']:.1f} s; peak memory {told['peak_mb']:.0f} MB")
    print(f"  {verify(root, count, size):,} readers got exactly what a computation for each alone says; no story twice")
    return told


_MAKING = {"make": "rendering", "reason": "checking", "add_variants": "storing variants"}
_WHAT = {
    "read": "reading the readers, nothing else",
    "choose": "reading and choosing",
    "plan": "choosing, rendering, checking, batches, commits",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=10_000)
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan:
        print(json.dumps(plan(options.plan)))
        return
    peaks = []
    for count in (options.readers // 10, options.readers):
        with tempfile.TemporaryDirectory() as folder:
            peaks.append(report(Path(folder), count, options.sample)["peak_mb"])
    print(f"ten times the readers took {peaks[1] / peaks[0]:.2f} times the memory")


if __name__ == "__main__":
    main()
