"""What comes in place of a variant reaches members of untouched batches only, on every database, workers or not."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from publisher.model import Edition, Variant
from publisher.store import Database
from tests.contracts.ledger import LEASE, batch, planning
from tests.people import NOW, newsletter, variant

CALLS = 60


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily")], now=NOW)
    return store


def planned(store: Database) -> tuple[Edition, Variant]:
    """An edition whose calls of two readers all hold one variant."""
    edition = planning(store)
    old = store.editions.add_variant(edition.id, variant())
    batches = [batch(edition, number, {old.id: (2 * number + 1, 2 * number + 2)}) for number in range(CALLS)]
    upto = 2 * CALLS
    store.outbox.plan(edition, upto=upto, batches=batches, excluded={}, finished=True)
    return edition, old


def repoint(store: Database, edition: Edition) -> None:
    newest = store.editions.newest_variants(edition.id)
    after = store.outbox.repoint(edition.id, newest, after=0, limit=7)
    while after:
        after = store.outbox.repoint(edition.id, newest, after=after, limit=7)


def shown(store: Database, edition: Edition) -> Counter[int]:
    return Counter(run.variant for one in store.outbox.batches(edition.id) for run in one.runs)


def test_the_newest_of_a_row_of_variants_is_what_untouched_batches_get(desk: Database) -> None:
    edition, old = planned(desk)
    second = desk.editions.supersede(old.id, variant("second", content_hash="2"))
    third = desk.editions.supersede(second.id, variant("third", content_hash="3"))
    assert desk.editions.newest_variants(edition.id) == {old.id: third.id, second.id: third.id}
    members = [one.members for one in desk.outbox.batches(edition.id)]
    repoint(desk, edition)
    assert shown(desk, edition) == {third.id: CALLS}
    after = [one.members for one in desk.outbox.batches(edition.id)]
    assert [[who for who, _ in one] for one in after] == [[who for who, _ in one] for one in members]
    assert desk.editions.shares(edition.id) == {third.id: 2 * CALLS}


def test_what_was_handed_over_is_never_changed_however_many_workers_claim_meanwhile(desk: Database) -> None:
    edition, old = planned(desk)
    new = desk.editions.supersede(old.id, variant("second", content_hash="2"))
    left: dict[int, tuple[tuple[int, int], ...]] = {}
    together = threading.Barrier(4)

    def work(name: str) -> None:
        together.wait()
        while (one := desk.outbox.claim("maildir", name, now=NOW, lease=LEASE)) is not None:
            intended = desk.outbox.intend(one, now=NOW, payload_hash="", skipped=frozenset())
            assert intended is not None
            assert intended.runs == one.runs, "what a worker holds does not change under its hands"
            left[one.id] = intended.members

    def change() -> None:
        together.wait()
        repoint(desk, edition)

    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(3)]
    threads.append(threading.Thread(target=change))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    there = desk.outbox.batches(edition.id)
    assert {one.id: one.members for one in there} == left
    assert len(left) == CALLS
    assert set(shown(desk, edition)) <= {old.id, new.id}


def test_a_variant_that_is_there_already_may_come_in_place_of_another(desk: Database) -> None:
    edition, old = planned(desk)
    there = desk.editions.add_variant(edition.id, variant("sport", content_hash="2"))
    assert desk.editions.supersede(old.id, replace(there, id=0)) == there
    repoint(desk, edition)
    assert shown(desk, edition) == {there.id: CALLS}
