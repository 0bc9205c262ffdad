"""What comes in place of a variant reaches members of untouched batches only, on every database, workers or not."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

import pytest

from publisher.model import Edition, EditionState, Variant
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, batch, claim, planning, submit
from tests.people import NOW, article, items, newsletter, source, variant
from tests.people import edition as edition_of

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


# ---------------------------------------------------------------- at the intent


def test_a_claimed_batch_gets_the_newest_variants_before_its_intent(desk: Database) -> None:
    _, old = planned(desk)
    claimed = claim(desk)
    second = desk.editions.supersede(old.id, variant("second", content_hash="2"))
    assert desk.outbox.batch(claimed.id).runs == claimed.runs, "a worker holds it"
    held, nothing = desk.outbox.latest(claimed)
    assert ([run.variant for run in held.runs], nothing) == ([second.id], {})
    assert desk.outbox.batch(claimed.id).runs == held.runs
    assert [who for who, _ in held.members] == [who for who, _ in claimed.members]
    assert desk.outbox.latest(held) == (held, {})


def test_of_what_is_withdrawn_the_reason_is_told_at_the_intent_until_it_is_shown_again(desk: Database) -> None:
    edition, old = planned(desk)
    claimed = claim(desk)
    desk.editions.withdraw(edition.id, {old.id: "it is gone"})
    assert desk.editions.withdrawn(edition.id) == {old.id: "it is gone"}
    assert desk.outbox.latest(claimed) == (claimed, {old.id: "it is gone"})
    assert desk.editions.shares(edition.id) == {}
    desk.editions.withdraw(edition.id, {})
    assert desk.outbox.latest(claimed) == (claimed, {})
    assert desk.editions.shares(edition.id) == {old.id: 2 * CALLS}


def test_why_readers_were_skipped_is_kept_and_forgotten_when_the_batch_comes_back(desk: Database) -> None:
    edition, _ = planned(desk)
    held = claim(desk)
    why = {0: "it is gone", 1: "unsubscribed"}
    sent = desk.outbox.intend(held, now=NOW, payload_hash="x", skipped=frozenset(why), why=why)
    assert sent
    assert desk.outbox.skips(edition.id) == {"it is gone": 1, "unsubscribed": 1}
    assert next(iter(desk.outbox.trace(held.members[0][0])))[1:] == ("skipped", "it is gone")
    assert desk.outbox.back(sent, next_at=NOW, error="429")
    assert desk.outbox.skips(edition.id) == {}
    again = claim(desk)
    assert desk.outbox.intend(again, now=NOW, payload_hash="x", skipped=frozenset({0}))
    assert desk.outbox.skips(edition.id) == {"": 1}, "one from before it was kept"


def test_what_was_tried_and_proved_not_to_have_left_may_change_and_what_is_in_doubt_may_not(desk: Database) -> None:
    edition, old = planned(desk)
    new = desk.editions.supersede(old.id, variant("second", content_hash="2"))
    came_back, doubted = submit(desk), submit(desk)
    assert desk.outbox.back(came_back, next_at=LATER, error="429")
    assert desk.outbox.unknown(doubted, now=NOW, next_at=LATER, error="no answer")
    repoint(desk, edition)
    assert [run.variant for run in desk.outbox.batch(came_back.id).runs] == [new.id]
    assert desk.outbox.batch(doubted.id).runs == doubted.runs


def test_what_an_edition_brought_partly_is_not_what_it_brought_to_all(desk: Database) -> None:
    desk.sources.sync([source()], renamed={})
    bridge, storm = (desk.articles.add(article(title)) for title in ("Bridge", "Storm"))
    one = desk.editions.open(edition_of(state=EditionState.DONE, items=items(bridge, storm)))
    desk.editions.partly(one.id, [storm.id])
    assert desk.editions.sent("daily") == {bridge.id: {1}}
    desk.editions.partly(one.id, [])
    assert desk.editions.sent("daily") == {bridge.id: {1}}
