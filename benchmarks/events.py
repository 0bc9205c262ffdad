"""Times webhook events: `python -m benchmarks.events --events 200000`.

An edition has gone to so many readers, and of each letter an event or two is told. They are kept as the web door
keeps them, and merged as the pipeline does, once in the order in which the letters left and once in none. Webhook
calls of two providers are verified, read and kept one by one, as they come. Beside the rates stand what binds them on
this machine in the same run: commits with fsync a second, and the same rows put into the same table by a bare INSERT.
"""

from __future__ import annotations

import argparse
import hmac
import random
import resource
import sqlite3
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import orjson

from benchmarks.steps import limits, timed
from publisher import audience, feedback
from publisher.kit.tokens import KeyRing
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.model import (
    Batch,
    Edition,
    EditionState,
    EventKind,
    MailEvent,
    Newsletter,
    Outcome,
    Result,
    Run,
    SubscriptionStatus,
)
from publisher.ports import Mailer
from publisher.store import Database, open_store

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
#: What is told of a thousand letters, as providers report a well-kept list.
KINDS = [
    *[EventKind.DELIVERED] * 970,
    *[EventKind.SOFT_BOUNCE] * 12,
    *[EventKind.HARD_BOUNCE] * 10,
    *[EventKind.BLOCKED] * 4,
    *[EventKind.UNSUBSCRIBED] * 3,
    *[EventKind.COMPLAINT] * 1,
]


def readers(store: Database, keys: KeyRing, count: int) -> None:
    daily = Newsletter(slug="daily", name="Daily", sender="a@gazette.example", language="en", timezone="Europe/Dublin")
    store.editions.sync([daily], now=NOW)
    for start in range(0, count, 10_000):
        people = []
        for number in range(start, min(start + 10_000, count)):
            email = f"reader{number}@readers.example"
            person = audience.Subscriber(
                public_id=number.to_bytes(12, "big"),
                email=email,
                email_key=email,
                address_key=keys.address(email),
                created_at=NOW,
            )
            people.append((person, [audience.consent("daily", SubscriptionStatus.CONFIRMED, {}, now=NOW)]))
        store.audience.add_many(people)


def sent(store: Database, count: int, size: int, slot: str) -> list[str]:
    """The keys of an edition's batches, all accepted."""
    one = store.editions.open(
        Edition(newsletter="daily", slot=slot, due_at=NOW, state=EditionState.PLANNING, composed_at=NOW, mailer="m")
    )
    batches = [
        Batch(
            edition=one.id,
            sequence=number,
            chunk=0,
            runs=(Run(variant=1, subscribers=tuple(range(first, min(first + size, count + 1)))),),
            mailer="m",
            key=str(uuid5(NAMESPACE_OID, f"{slot} {number}")),
        )
        for number, first in enumerate(range(1, count + 1, size))
    ]
    store.outbox.plan(one, upto=count, batches=batches, excluded={}, finished=True)
    with store.transaction() as together:
        while held := together.outbox.claim("m", "benchmark", now=NOW, lease=timedelta(minutes=5)):
            intended = together.outbox.intend(held, now=NOW, payload_hash="", skipped=frozenset())
            assert intended is not None
            results = [Result(position=position, outcome=Outcome.ACCEPTED) for position in range(held.size)]
            together.outbox.settle(intended, results, now=NOW, next_at=NOW)
    return [batch.key for batch in batches]


def told(keys: Sequence[str], count: int, size: int, wanted: int, chance: random.Random) -> Iterator[MailEvent]:
    """For each letter that it was accepted (of one in three) and what became of it."""
    for number in range(wanted):
        letter = number * 3 // 4 % count
        kind = EventKind.ACCEPTED if number % 4 == 0 else chance.choice(KINDS)
        yield MailEvent(
            event_id=f"msg_{number:027}",
            kind=kind,
            at=NOW + timedelta(seconds=number // 1000),
            recipient=f"reader{letter}@readers.example",
            batch=keys[letter // size],
            position=letter % size,
            message_id="49a3999c-0ce1-4ea6-ab68-afcd6dc2e794",
            code="" if kind is EventKind.DELIVERED else "5.1.1 Permanent/General",
            detail="" if kind is EventKind.DELIVERED else "The recipient's mail server does not know this address.",
        )


def bare_insert(store: Path, rows: Path) -> None:
    """The rows as they were kept, once more into an empty table of the same form."""
    with sqlite3.connect(store) as source:
        kept = source.execute("SELECT id, mailer, event_id, received_at, body, processed_at FROM mail_event").fetchall()
        forms = source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = 'mail_event' AND sql NOT NULL ORDER BY type DESC"
        ).fetchall()
    with sqlite3.connect(rows) as target:
        target.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
        for (form,) in forms:
            target.execute(form)
    with timed("peer: bare INSERT", len(kept), "rows"), sqlite3.connect(rows) as target:
        for start in range(0, len(kept), feedback.CHUNK):
            chunk = kept[start : start + feedback.CHUNK]
            target.executemany("INSERT INTO mail_event VALUES (?, ?, ?, ?, ?, ?)", chunk)
            target.commit()


def keep(store: Database, events: Sequence[MailEvent], portion: int) -> None:
    for start in range(0, len(events), portion):
        store.events.keep("m", events[start : start + portion], at=NOW)


def calls(keys: Sequence[str], size: int, count: int) -> dict[str, tuple[Mailer, dict[str, str], list[bytes]]]:
    """Webhook calls as two providers make them, one event each: with a signature, and with a password."""
    mailgun = Mailgun("mailgun", "key-benchmark", "mg.harbour-gazette.example", webhook_key="hook")
    postmark = Postmark("postmark", "token", webhook_user="hook", webhook_password="lantern")
    basic = {"authorization": f"Basic {b64encode(b'hook:lantern').decode()}"}
    return {
        "mailgun": (mailgun, {}, [_mailgun(keys[number // size], number, size) for number in range(count)]),
        "postmark": (postmark, basic, [_postmark(keys[number // size], number, size) for number in range(count)]),
    }


def _mailgun(key: str, number: int, size: int) -> bytes:
    timestamp, token = str(int(NOW.timestamp())), f"{number:050}"
    proof = hmac.digest(b"hook", f"{timestamp}{token}".encode(), "sha256").hex()
    event = {
        "event": "delivered",
        "id": f"e{number}",
        "timestamp": NOW.timestamp(),
        "recipient": f"reader{number}@readers.example",
        "user-variables": {"batch": key, "rid": str(number % size)},
        "message": {"headers": {"message-id": "49a3999c0ce14ea6ab68afcd6dc2e794@harbour-gazette.example"}},
        "delivery-status": {"code": 250, "message": "OK", "description": ""},
    }
    signature = {"timestamp": timestamp, "token": token, "signature": proof}
    return orjson.dumps({"signature": signature, "event-data": event})


def _postmark(key: str, number: int, size: int) -> bytes:
    return orjson.dumps(
        {
            "RecordType": "Delivery",
            "MessageID": f"{number:08}-0000-4000-8000-000000000000",
            "ServerID": 1884,
            "MessageStream": "broadcast",
            "Tag": key,
            "Metadata": {"batch": key, "rid": str(number % size)},
            "Recipient": f"reader{number}@readers.example",
            "DeliveredAt": "2026-11-22T07:00:20.1234567Z",
            "Details": "smtp;250 2.0.0 OK",
        }
    )


def hooks(store: Database, keys: Sequence[str], size: int, count: int) -> None:
    """What the web door does with each call; a commit with fsync for each binds the second half."""
    for name, (mailer, headers, bodies) in calls(keys, size, count).items():
        with timed(f"{name}: verify and read", count, "calls"):
            events = [event for body in bodies for event in mailer.events(headers, body, now=NOW)]
        if len(events) != count:
            raise SystemExit(f"{name}: {len(events)} events of {count} calls")
        with timed(f"{name}: and keep, one a call", count, "calls"):
            for body in bodies:
                store.events.keep(name, mailer.events(headers, body, now=NOW), at=NOW)


def run(root: Path, count: int, wanted: int, size: int) -> None:
    keys, chance = KeyRing.load(root / "keys", {}), random.Random(2026)
    store = open_store(f"sqlite:///{root / 'publisher.db'}")
    readers(store, keys, count)
    for order in ("in order", "shuffled"):
        batches = sent(store, count, size, f"daily:{order}")
        events = list(told(batches, count, size, wanted, chance))
        if order == "shuffled":
            chance.shuffle(events)
        events = [event._replace(event_id=f"{order} {event.event_id}") for event in events]
        with timed(f"keep, one a call, {order}", 2000, "events"):
            keep(store, events[:2000], 1)
        with timed(f"keep, {feedback.CHUNK} a call, {order}", wanted - 2000, "events"):
            keep(store, events[2000:], feedback.CHUNK)
        if order == "in order":
            bare_insert(root / "publisher.db", root / "bare.db")
        with timed(f"merge, {order}", wanted, "events"):
            tally = feedback.record(store, keys, now=NOW, limit=wanted)
        if order == "in order":
            hooks(store, batches, size, min(count, 2000))
        print(f"  {tally.suppressed:,} suppressed, {tally.ended:,} left, {tally.orphans:,} orphans")
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--readers", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=100, help="letters a batch: 100 as with Resend")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        limits(Path(folder))
        run(Path(folder), options.readers, options.events, options.batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory {peak} MB")


if __name__ == "__main__":
    main()
