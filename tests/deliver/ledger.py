"""Editions that are planned for readers and delivered, with a real ledger."""

from __future__ import annotations

from publisher import deliver
from publisher.kit.tokens import KeyRing
from publisher.model import Edition, EditionState, Rendered, Subscriber, Variant
from publisher.ports import Mailer
from publisher.store import Database
from tests.people import NOW, edition, newsletter, site, subscriber, subscription
from tests.sites import TestClock

LINK = "xPUBLISHERxUNSUBSCRIBExURLx"


def people(store: Database, count: int) -> list[Subscriber]:
    store.editions.sync([newsletter()], now=NOW)
    return [store.audience.add(subscriber(f"Reader {n}"), subscription())[0] for n in range(count)]


def approved(store: Database, mailer: Mailer, *, chunk: int = 1000, **changes: object) -> Edition:
    """An edition with one variant, planned."""
    there = store.editions.open(
        edition(
            state=EditionState.PLANNING,
            mailer=mailer.name,
            approved_at=NOW,
            **{"maximum_subscriber": store.audience.largest_id(), **changes},
        )
    )
    shown = Rendered(subject="The bridge", html=f'<a href="{LINK}">leave</a>', text=f"leave: {LINK}")
    variant = store.editions.add_variant(
        there.id, Variant(key="v", language="en", template="t", rendered=shown, content_hash="c" * 64)
    )
    return deliver.plan(store, there, newsletter(), mailer.capability, deliver.to_all(variant), chunk=chunk)


def drain(store: Database, mailer: Mailer, keys: KeyRing, clock: TestClock) -> deliver.Tally:
    return deliver.drain(store, mailer, {"daily": newsletter()}, site=site(), keys=keys, clock=clock, owner="worker")
