"""A real ledger to be measured: readers in a SQLite file, editions planned for them, and one worker that delivers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from publisher import audience, deliver
from publisher.app import StoreClock, leave_alone_what_stays
from publisher.kit.message import UNSUBSCRIBE_URL
from publisher.kit.tokens import KeyRing
from publisher.model import (
    Edition,
    EditionState,
    Newsletter,
    Outcome,
    Rendered,
    Site,
    Subscriber,
    Subscription,
    SubscriptionStatus,
    Sums,
    Variant,
)
from publisher.ports import Mailer
from publisher.store import Database, open_store

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SITE = Site(
    name="The Harbour Gazette",
    url="https://harbour-gazette.example",
    language="en",
    timezone="Europe/Dublin",
    public_url="https://news.harbour-gazette.example",
    tag_authority="harbour-gazette.example,2026",
    postal_address="1 Quay Street, Kilmarnagh",
)
DAILY = Newsletter(
    slug="daily",
    name="The Harbour Gazette Daily",
    sender="The Harbour Gazette <daily@harbour-gazette.example>",
    language="en",
    timezone="Europe/Dublin",
)


def digest(size: int) -> Rendered:
    """A digest whose message has about so many bytes."""
    lines = "".join(f"<p>{n}: the ferry, the tide table and the council's new quay.</p>\n" for n in range(size // 65))
    html = f'<html><body>\n{lines}<a href="{UNSUBSCRIBE_URL}">Leave</a></body></html>\n'
    return Rendered(subject="The ferry is back", html=html, text=f"The ferry is back.\nLeave: {UNSUBSCRIBE_URL}\n")


@dataclass(frozen=True, slots=True)
class Ledger:
    root: Path
    store: Database
    keys: KeyRing

    def readers(self, count: int) -> None:
        """So many readers, who all want the daily."""
        self.store.editions.sync([DAILY], now=NOW)
        for start in range(0, count, 10_000):
            self.store.audience.add_many([self._reader(number) for number in range(start, min(start + 10_000, count))])

    def _reader(self, number: int) -> tuple[Subscriber, list[Subscription]]:
        email = f"reader{number}@readers.example"
        person = Subscriber(
            public_id=number.to_bytes(12, "big"),
            email=email,
            email_key=email,
            address_key=self.keys.address(email),
            name=f"Reader {number}",
            created_at=NOW,
        )
        return person, [audience.consent("daily", SubscriptionStatus.CONFIRMED, {}, now=NOW)]

    def planned(self, slot: str, rendered: Rendered, mailer: Mailer, readers: int = 0) -> Edition:
        """An edition to all readers, or to the first so many, cut into batches."""
        edition = self.store.editions.open(
            Edition(
                newsletter="daily",
                slot=slot,
                due_at=NOW,
                state=EditionState.PLANNING,
                composed_at=NOW,
                approved_at=NOW,
                mailer=mailer.name,
                maximum_subscriber=readers or self.store.audience.largest_id(),
            )
        )
        content = sha256(f"{slot}{rendered.html}".encode()).hexdigest()
        variant = Variant(key=slot, language="en", template="t", rendered=rendered, content_hash=content)
        there = self.store.editions.add_variant(edition.id, variant)
        return deliver.plan(self.store, edition, DAILY, mailer.capability, deliver.to_all(there))

    def deliver(self, edition: Edition, mailer: Mailer) -> Sums:
        """Everything that is due, and that each recipient was accepted."""
        clock = StoreClock(self.store, threading.Event())
        tally = deliver.drain(
            self.store, mailer, {"daily": DAILY}, site=SITE, keys=self.keys, clock=clock, owner="benchmark"
        )
        sums = self.store.outbox.sums(edition.id)
        if not sums.planned or sums.accepted != sums.planned or tally.outcomes != {Outcome.ACCEPTED: sums.planned}:
            raise SystemExit(f"not everybody was accepted: {sums} {tally}")
        return sums


def commits(root: Path, rounds: int = 200) -> float:
    """With fsync, a second."""
    began = time.perf_counter()
    with root.joinpath("probe").open("wb") as file:
        for _ in range(rounds):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    return rounds / (time.perf_counter() - began)


@contextmanager
def opened(root: Path, readers: int = 0) -> Iterator[Ledger]:
    """The ledger in that folder, with so many readers added."""
    leave_alone_what_stays()  # as a process of Publisher does
    store = open_store(f"sqlite:///{root / 'publisher.db'}")
    try:
        ledger = Ledger(root, store, KeyRing.load(root / "keys", {}))
        if readers:
            ledger.readers(readers)
        yield ledger
    finally:
        store.close()
