"""Short ways to an edition that is being sent, for the contracts of the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from publisher.model import Batch, Edition, EditionState, Item, Outcome, Result, Run
from publisher.store import Database
from tests.people import NOW, edition, variant

LEASE = timedelta(minutes=2)
LATER = NOW + timedelta(minutes=5)


def batch(one: Edition, sequence: int, runs: Mapping[int, Sequence[int]], **fields: Any) -> Batch:
    made: dict[str, Any] = {
        "edition": one.id,
        "sequence": sequence,
        "chunk": one.plan_cursor,
        "runs": tuple(Run(variant=variant, subscribers=tuple(ids)) for variant, ids in runs.items()),
        "mailer": "maildir",
        "key": str(uuid5(NAMESPACE_OID, f"{one.id} {sequence}")),
    }
    return Batch(**(made | fields))


def planning(store: Database, slot: str = "daily:2026-11-22", **fields: Any) -> Edition:
    """An edition whose planning may begin."""
    return store.editions.open(edition(slot, state=EditionState.PLANNING, **fields))


def sending(store: Database, *members: Sequence[int], slot: str = "daily:2026-11-22", **fields: Any) -> Edition:
    """An edition with one ready batch for each list of subscribers."""
    one = planning(store, slot)
    batches = [batch(one, sequence, {1: ids}, **fields) for sequence, ids in enumerate(members)]
    upto = max(id for ids in members for id in ids)
    store.outbox.plan(one, upto=upto, batches=batches, excluded={}, finished=True)
    return store.editions.get(one.key)


def planned(
    store: Database, variants: Mapping[str, tuple[tuple[Item, ...], Sequence[int]]], slot: str = "daily:2026-11-22"
) -> Edition:
    """An edition that is being sent in one batch, with a variant for each key."""
    one = planning(store, slot)
    runs = {
        store.editions.add_variant(one.id, variant(key, items=shown)).id: ids for key, (shown, ids) in variants.items()
    }
    upto = max(id for ids in runs.values() for id in ids)
    store.outbox.plan(one, upto=upto, batches=[batch(one, 0, runs)], excluded={}, finished=True)
    return store.editions.get(one.key)


def claim(store: Database, *, now: datetime = NOW, mailer: str = "maildir") -> Batch:
    claimed = store.outbox.claim(mailer, "worker 1", now=now, lease=LEASE)
    assert claimed is not None
    return claimed


def submit(store: Database, *, now: datetime = NOW, skipped: Collection[int] = (), account: str = "") -> Batch:
    """Claim the next batch and commit its intent."""
    claimed = claim(store, now=now)
    intended = store.outbox.intend(claimed, now=now, payload_hash="abc", skipped=frozenset(skipped), account=account)
    assert intended is not None
    return intended


def results(**positions: Collection[int]) -> tuple[Result, ...]:
    """results(accepted=[0, 1], rejected=[2])"""
    return tuple(
        Result(position=position, outcome=Outcome(outcome), code=f"code {position}", detail=outcome)
        for outcome, found in positions.items()
        for position in found
    )


def accept(store: Database, *, skipped: Collection[int] = ()) -> Batch:
    """Send the next batch: everybody but those skipped is accepted."""
    sent = submit(store, skipped=skipped)
    letters = set(range(sent.size)) - set(skipped)
    assert store.outbox.settle(sent, results(accepted=letters), now=NOW, next_at=LATER)
    return sent
