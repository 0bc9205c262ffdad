"""Whether a mailer takes mail, kept for everybody; and what a second mailer may take over from it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import pytest

from publisher.errors import Failure
from publisher.model import Batch, BatchState, Circuit, CircuitState, Limits, Terms, Work
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, planning, results, sending
from tests.contracts.ledger import batch as made
from tests.people import NOW, newsletter

HOUR = timedelta(hours=1)


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily")], now=NOW)
    return store


def tried(store: Database, mailer: str = "first", *, now: datetime = NOW) -> Batch | None:
    return store.outbox.claim(mailer, "worker", now=now, lease=LEASE)


def claimed(store: Database, mailer: str = "first", *, now: datetime = NOW) -> Batch:
    one = tried(store, mailer, now=now)
    assert one is not None
    return one


def submitted(store: Database, mailer: str = "first", *, now: datetime = NOW) -> Batch:
    one = store.outbox.intend(claimed(store, mailer, now=now), now=now, payload_hash="abc", skipped=frozenset())
    assert one is not None
    return one


def opened(store: Database, mailer: str = "first", *, until: datetime = NOW + HOUR) -> Circuit:
    circuit = Circuit(
        mailer=mailer,
        state=CircuitState.OPEN,
        failure=Failure.CREDENTIALS,
        reason="401",
        failures=1,
        opened_at=NOW,
        until=until,
    )
    store.outbox.put_circuit(circuit)
    return circuit


def pair(store: Database, **second: object) -> None:
    """Two mailers, of which the second takes over from the first."""
    first = Terms(mailer="first", fallback="second", batch=100)
    store.outbox.agree([first, replace(Terms(mailer="second", batch=100), **second)])  # type: ignore[arg-type]


# ---------------------------------------------------------------- one mailer


def test_a_circuit_is_kept_as_it_was_put(desk: Database) -> None:
    assert desk.outbox.circuit("first") == Circuit(mailer="first")
    circuit = opened(desk)
    assert desk.outbox.circuit("first") == circuit
    assert desk.outbox.circuits() == (circuit,)
    with desk.transaction() as together:
        seen = together.outbox.circuit("first")
        together.outbox.put_circuit(replace(seen, failures=seen.failures + 1))
    assert desk.outbox.circuit("first").failures == 2


def test_nothing_is_claimed_while_a_circuit_is_open_and_then_exactly_one(desk: Database) -> None:
    sending(desk, *([number] for number in range(1, 9)), mailer="first")
    opened(desk)
    assert desk.outbox.due(NOW) == ()
    assert tried(desk) is None
    assert desk.outbox.due(NOW + HOUR) == (Work(kind="deliver", key="first"),)
    trials: list[int] = []
    together = threading.Barrier(3)

    def work() -> None:
        together.wait()
        while (one := tried(desk, now=NOW + HOUR)) is not None:
            trials.append(one.sequence)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(trials) == 1, "on PostgreSQL the second batch, when another worker was just looking at the first"
    assert desk.outbox.circuit("first").state is CircuitState.HALF_OPEN


def test_the_batch_on_trial_closes_the_circuit(desk: Database) -> None:
    sending(desk, [1], [2], mailer="first")
    opened(desk, until=NOW)
    trial = submitted(desk)
    assert tried(desk) is None
    desk.outbox.settle(trial, results(accepted=[0]), now=NOW, next_at=LATER)
    assert desk.outbox.circuit("first") == Circuit(mailer="first", reason="401")
    assert claimed(desk).sequence == 1


def test_a_batch_that_was_under_way_before_closes_nothing(desk: Database) -> None:
    sending(desk, [1], [2], mailer="first")
    earlier = submitted(desk)
    circuit = opened(desk)
    desk.outbox.settle(earlier, results(accepted=[0]), now=NOW, next_at=LATER)
    assert desk.outbox.circuit("first") == circuit


def test_success_ends_a_row_of_failures(desk: Database) -> None:
    sending(desk, [1], mailer="first")
    desk.outbox.put_circuit(Circuit(mailer="first", failures=4, reason="reset"))
    desk.outbox.settle(submitted(desk), results(rejected=[0]), now=NOW, next_at=LATER)
    assert desk.outbox.circuit("first").failures == 0, "one reader's address is no failure of the mailer"


@pytest.mark.parametrize("ends", ["back", "unknown", "given up"])
def test_a_trial_that_tells_nothing_lets_another_batch_through(desk: Database, ends: str) -> None:
    sending(desk, [1], [2], mailer="first")
    opened(desk, until=NOW)
    if ends == "given up":
        desk.outbox.settle(claimed(desk), results(rejected=[0]), now=NOW, next_at=LATER)
    elif ends == "back":
        desk.outbox.back(submitted(desk), next_at=LATER, error="too late")
    else:
        desk.outbox.unknown(submitted(desk), now=NOW, next_at=LATER, error="no answer")
    assert desk.outbox.circuit("first").state is CircuitState.OPEN
    assert claimed(desk).sequence == 1


def test_a_worker_that_dies_with_the_trial_does_not_stop_the_mailer_for_good(desk: Database) -> None:
    sending(desk, [1], mailer="first")
    opened(desk, until=NOW)
    claimed(desk)
    after = NOW + 2 * LEASE
    desk.outbox.sweep(after)
    assert claimed(desk, now=after).sequence == 0


def test_what_is_ready_is_tried_before_what_is_only_looked_up(desk: Database) -> None:
    sending(desk, [1], [2], mailer="first")
    desk.outbox.unknown(submitted(desk), now=NOW, next_at=NOW, error="no answer")
    opened(desk, until=NOW)
    assert claimed(desk).state is BatchState.CLAIMED
    desk.outbox.put_circuit(replace(opened(desk), until=NOW))
    assert claimed(desk).state is BatchState.RESOLVING


def test_a_trial_without_tokens_is_no_trial(desk: Database) -> None:
    desk.outbox.agree([Terms(mailer="first", limits=Limits(rate=1), batch=100)])
    sending(desk, [1], [2], mailer="first")
    claimed(desk)
    opened(desk, until=NOW)
    assert tried(desk) is None
    assert desk.outbox.circuit("first").state is CircuitState.OPEN
    assert claimed(desk, now=NOW + timedelta(seconds=1)).sequence == 1


# ---------------------------------------------------------------- a second one


def test_a_second_mailer_takes_over_what_nobody_touched(desk: Database) -> None:
    one = sending(desk, [1], [2], mailer="first")
    pair(desk)
    assert tried(desk, "second") is None
    opened(desk)
    assert desk.outbox.due(NOW) == (Work(kind="deliver", key="second"),)
    before = desk.outbox.batches(one.id)
    taken = claimed(desk, "second")
    assert (taken.mailer, taken.state, taken.fence, taken.key) == ("second", BatchState.CLAIMED, 1, before[0].key)
    intended = desk.outbox.intend(taken, now=NOW, payload_hash="abc", skipped=frozenset())
    assert intended is not None
    desk.outbox.settle(intended, results(accepted=[0]), now=NOW, next_at=LATER)
    assert desk.outbox.carried(one.id) == {"second": 1}
    assert desk.outbox.trace(1) == (("daily/daily:2026-11-22", "accepted", "through second"),)


def test_what_was_handed_over_even_once_stays_where_it_is(desk: Database) -> None:
    one = sending(desk, *([number, number + 100] for number in range(1, 8)), mailer="first")
    pair(desk)
    outbox = desk.outbox
    outbox.unknown(submitted(desk), now=NOW, next_at=LATER, error="no answer")
    outbox.back(submitted(desk), next_at=LATER, error="429")
    outbox.settle(submitted(desk), results(accepted=[0], unknown=[1]), now=NOW, next_at=LATER)
    outbox.settle(submitted(desk), results(accepted=[0], deferred=[1]), now=NOW, next_at=LATER)
    outbox.hold(submitted(desk), error="nobody can tell")
    submitted(desk)
    in_hand = claimed(desk)
    opened(desk)
    assert tried(desk, "second", now=LATER) is None
    assert desk.outbox.due(LATER) == ()
    assert {each.mailer for each in outbox.batches(one.id)} == {"first"}
    outbox.sweep(LATER)
    assert claimed(desk, "second", now=LATER).id == in_hand.id, "its lease ended before the intent"
    assert tried(desk, "second", now=LATER) is None
    late = outbox.intend(in_hand, now=LATER, payload_hash="abc", skipped=frozenset())
    assert late is None, "a worker of the first that wakes late"


def test_looked_up_and_never_arrived_or_sent_again_by_hand_it_still_stays(desk: Database) -> None:
    one = sending(desk, [1], [2], mailer="first")
    pair(desk)
    desk.outbox.unknown(submitted(desk), now=NOW, next_at=NOW, error="no answer")
    desk.outbox.settle(claimed(desk), results(deferred=[0]), now=NOW, next_at=NOW)
    desk.outbox.hold(submitted(desk), error="nobody can tell")
    desk.outbox.resolve(one.id, accepted=False, now=NOW)
    opened(desk)
    taken = [each for each in iter(lambda: tried(desk, "second"), None) if each]
    assert [each.members for each in taken] in ([], [((2, 1),)])
    assert all(each.attempt == 0 for each in taken)


def test_the_first_goes_on_with_the_rest_when_it_is_back(desk: Database) -> None:
    sending(desk, [1], [2], [3], mailer="first")
    pair(desk)
    opened(desk)
    taken = claimed(desk, "second")
    assert desk.outbox.back(taken, next_at=NOW, error="too little of the lease was left")
    desk.outbox.put_circuit(Circuit(mailer="first"))
    assert desk.outbox.due(NOW) == (Work(kind="deliver", key="first"), Work(kind="deliver", key="second"))
    assert [claimed(desk).sequence, claimed(desk).sequence] == [1, 2]
    assert tried(desk) is None
    assert claimed(desk, "second").id == taken.id, "what moved stays moved"
    assert tried(desk, "second") is None


def test_a_larger_batch_is_cut_for_the_second_with_keys_that_are_derived(desk: Database) -> None:
    one = sending(desk, [1, 2, 3, 4, 5], mailer="first")
    (whole,) = desk.outbox.batches(one.id)
    pair(desk, batch=2)
    opened(desk)
    taken = claimed(desk, "second")
    parent, *parts = desk.outbox.batches(one.id)
    assert (parent.state, parent.moved, parent.key) == (BatchState.SPLIT, frozenset(range(5)), whole.key)
    assert [[id for id, _ in part.members] for part in parts] == [[1, 2], [3, 4], [5]]
    assert {(part.mailer, part.parent, part.attempt) for part in parts} == {("second", whole.id, 0)}
    assert taken.id == parts[0].id
    assert len({each.key for each in (parent, *parts)}) == 4
    assert desk.outbox.sums(one.id).waiting == 5
    assert parts[1].key == str(uuid5(UUID(whole.key), "cut 2 3")), "the same cut gives the same key again"


def test_letters_that_share_a_body_are_cut_by_variant(desk: Database) -> None:
    one = planning(desk)
    mixed = made(one, 0, {1: [1, 4, 5], 2: [2, 3]}, mailer="first")
    desk.outbox.plan(one, upto=9, batches=[mixed], excluded={}, finished=True)
    pair(desk, batch=2, shared_body=True)
    opened(desk)
    claimed(desk, "second")
    parts = desk.outbox.batches(one.id)[1:]
    assert [part.members for part in parts] == [((1, 1), (4, 1)), ((5, 1),), ((2, 2), (3, 2))]


def test_the_second_keeps_its_own_limits(desk: Database) -> None:
    sending(desk, [1, 2, 3], [4], mailer="first")
    pair(desk, limits=Limits(rate=2))
    opened(desk)
    assert claimed(desk, "second").size == 2
    assert tried(desk, "second") is None
    assert desk.outbox.due(NOW) == ()
    assert claimed(desk, "second", now=NOW + timedelta(seconds=1)).size == 1


@pytest.mark.parametrize("out", ["open", "blocked", "gone"])
def test_nothing_moves_to_a_second_that_takes_nothing_itself(desk: Database, out: str) -> None:
    sending(desk, [1], mailer="first")
    pair(desk)
    opened(desk)
    if out == "open":
        opened(desk, "second", until=NOW)
    elif out == "blocked":
        desk.outbox.block("second", until=LATER, reason="429")
    else:
        desk.outbox.agree([Terms(mailer="first", fallback="second")])
    assert desk.outbox.due(NOW) == ()
    assert tried(desk, "second") is None


def test_a_mailer_that_only_asked_to_wait_keeps_its_batches(desk: Database) -> None:
    sending(desk, [1], mailer="first")
    pair(desk)
    desk.outbox.block("first", until=LATER, reason="429")
    assert desk.outbox.due(NOW) == ()
    assert tried(desk, "second") is None


def test_the_second_takes_over_from_one_that_was_taken_out_of_the_settings(desk: Database) -> None:
    sending(desk, [1], mailer="first")
    pair(desk)
    desk.outbox.agree([Terms(mailer="second", batch=100)])
    assert Work(kind="deliver", key="second") in desk.outbox.due(NOW)
    assert claimed(desk, "second").mailer == "second"
    assert [circuit.mailer for circuit in desk.outbox.circuits()] == ["second"]
