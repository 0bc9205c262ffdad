"""The ledger: nobody in two batches, nobody sent to twice, and sums that add up at every moment."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from publisher.errors import Conflict, NotFound
from publisher.model import Batch, BatchState, EditionState, Outcome, Result, Sums, Work
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, accept, batch, claim, planning, results, sending, submit
from tests.people import NOW, newsletter


@pytest.fixture
def desk(store: Database) -> Database:
    store.editions.sync([newsletter("daily"), newsletter("alert")], now=NOW)
    return store


def states(store: Database, edition: int) -> list[BatchState]:
    return [one.state for one in store.outbox.batches(edition)]


# ---------------------------------------------------------------- planning


def test_a_chunk_commits_batches_exclusions_and_cursor_together(desk: Database) -> None:
    one = planning(desk)
    made = [batch(one, 0, {1: [1, 2], 2: [5]}), batch(one, 1, {1: [7]})]
    desk.outbox.plan(one, upto=9, batches=made, excluded={"unsubscribed": [3, 4]}, finished=False)
    after = desk.editions.get(one.key)
    assert (after.state, after.plan_cursor, after.candidates, after.planned) == (EditionState.PLANNING, 9, 6, 4)
    first, second = desk.outbox.batches(one.id)
    assert first.members == ((1, 1), (2, 1), (5, 2))
    assert (second.sequence, second.state, second.key) == (1, BatchState.READY, made[1].key)
    assert desk.outbox.next_sequence(one.id) == 2
    assert desk.outbox.sums(one.id) == Sums(candidates=6, excluded={"unsubscribed": 2}, planned=4, waiting=4)


def test_a_second_planner_of_the_same_chunk_commits_nothing(desk: Database) -> None:
    one = planning(desk)
    desk.outbox.plan(one, upto=9, batches=[batch(one, 0, {1: [1]})], excluded={}, finished=False)
    with pytest.raises(Conflict):
        desk.outbox.plan(one, upto=9, batches=[batch(one, 1, {1: [1]})], excluded={}, finished=False)
    assert desk.outbox.next_sequence(one.id) == 1


def test_the_last_chunk_starts_the_sending_and_an_empty_one_may_be_the_last(desk: Database) -> None:
    one = planning(desk)
    assert desk.outbox.due(NOW) == ()
    desk.outbox.plan(one, upto=0, batches=[], excluded={}, finished=True)
    assert desk.editions.get(one.key).state is EditionState.SENDING
    assert desk.outbox.open(one.id) == 0
    with pytest.raises(Conflict):
        desk.outbox.plan(one, upto=0, batches=[], excluded={}, finished=True)


@pytest.mark.parametrize(
    ("members", "excluded", "wrong"),
    [([[1, 2], [2]], [], "twice"), ([[1]], [1], "twice"), ([[10]], [], "outside"), ([[1], []], [], "empty")],
)
def test_a_recipient_is_in_one_batch_or_left_out_once(
    desk: Database, members: list[list[int]], excluded: list[int], wrong: str
) -> None:
    one = planning(desk)
    batches = [batch(one, number, {1: ids} if ids else {}) for number, ids in enumerate(members)]
    with pytest.raises(ValueError, match=wrong):
        desk.outbox.plan(one, upto=9, batches=batches, excluded={"unsubscribed": excluded}, finished=True)


# ---------------------------------------------------------------- claiming


def test_a_claim_takes_a_batch_once_and_raises_its_fence(desk: Database) -> None:
    one = sending(desk, [1, 2])
    claimed = claim(desk)
    assert (claimed.state, claimed.fence, claimed.owner) == (BatchState.CLAIMED, 1, "worker 1")
    assert claimed.lease_until == NOW + LEASE
    assert desk.outbox.claim("maildir", "worker 2", now=NOW, lease=LEASE) is None
    assert desk.outbox.open(one.id) == 1
    assert desk.outbox.batch(claimed.id) == claimed
    with pytest.raises(NotFound):
        desk.outbox.batch(999)


def test_only_editions_that_are_sending_are_claimed(desk: Database) -> None:
    one = sending(desk, [1], [2])
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="no answer")
    desk.editions.move(one.key, [EditionState.SENDING], EditionState.PAUSED)
    assert desk.outbox.due(NOW) == ()
    assert desk.outbox.claim("maildir", "worker 1", now=NOW, lease=LEASE) is None
    desk.editions.move(one.key, [EditionState.PAUSED], EditionState.SETTLING)
    assert claim(desk).state is BatchState.RESOLVING
    assert desk.outbox.claim("maildir", "worker 1", now=NOW, lease=LEASE) is None


def test_what_is_not_due_yet_waits(desk: Database) -> None:
    sending(desk, [1], not_before=LATER)
    assert desk.outbox.due(NOW) == ()
    assert desk.outbox.claim("maildir", "worker 1", now=NOW, lease=LEASE) is None
    assert desk.outbox.claim("smtp", "worker 1", now=LATER, lease=LEASE) is None
    assert desk.outbox.due(LATER) == (Work(kind="deliver", key="maildir"),)
    assert claim(desk, now=LATER).state is BatchState.CLAIMED


def test_urgent_batches_go_first_then_unknown_ones_then_the_oldest(desk: Database) -> None:
    digest = sending(desk, [1], [2], [3])
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="no answer")
    alert = sending(desk, [1], slot="alert:1", priority=9)
    assert desk.outbox.due(NOW) == (Work(kind="deliver", key="maildir", priority=9),)
    order = [(one.edition, one.sequence) for one in (claim(desk) for _ in range(4))]
    assert order == [(alert.id, 0), (digest.id, 0), (digest.id, 1), (digest.id, 2)]


def test_a_blocked_mailer_is_left_alone(desk: Database) -> None:
    sending(desk, [1])
    desk.outbox.block("maildir", until=LATER, reason="quota")
    desk.outbox.block("maildir", until=NOW, reason="shorter")
    assert desk.outbox.blocked(NOW) == {"maildir": (LATER, "quota")}
    assert desk.outbox.due(NOW) == ()
    assert desk.outbox.claim("maildir", "worker 1", now=NOW, lease=LEASE) is None
    assert desk.outbox.blocked(LATER) == {}
    assert claim(desk, now=LATER).state is BatchState.CLAIMED


def test_two_workers_never_get_the_same_batch(desk: Database) -> None:
    sending(desk, *([number] for number in range(1, 41)))
    taken: list[int] = []
    together = threading.Barrier(3)

    def work() -> None:
        together.wait()
        while (one := desk.outbox.claim("maildir", "worker", now=NOW, lease=LEASE)) is not None:
            taken.append(one.sequence)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(taken) == list(range(40))


# ---------------------------------------------------------------- intent and answer


def test_an_intent_is_committed_once_per_claim(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    claimed = claim(desk)
    intended = desk.outbox.intend(claimed, now=NOW, payload_hash="abc", skipped=frozenset({1}))
    assert intended is not None
    assert (intended.state, intended.attempt, intended.payload_hash) == (BatchState.SUBMITTING, 1, "abc")
    assert (intended.skipped, intended.intent_at, intended.first_intent_at) == (frozenset({1}), NOW, NOW)
    assert desk.outbox.intend(claimed, now=NOW, payload_hash="abc", skipped=frozenset()) is None
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, skipped=1, waiting=2)


def test_accepted_and_rejected_letters_stay_in_their_batch(desk: Database) -> None:
    one = sending(desk, [11, 12, 13, 14])
    sent = submit(desk, skipped={0})
    assert desk.outbox.settle(sent, results(accepted=[1, 3], rejected=[2]), now=NOW, next_at=LATER)
    settled = desk.outbox.batch(sent.id)
    assert (settled.state, settled.rejected, settled.resolved_at) == (BatchState.ACCEPTED, frozenset({2}), NOW)
    assert desk.outbox.sums(one.id) == Sums(candidates=4, planned=4, accepted=2, rejected=1, skipped=1)
    assert desk.outbox.open(one.id) == 0
    assert [desk.outbox.trace(reader) for reader in (11, 12, 13, 15)] == [
        (("daily/daily:2026-11-22", "skipped", ""),),
        (("daily/daily:2026-11-22", "accepted", ""),),
        (("daily/daily:2026-11-22", "rejected", "code 2 rejected"),),
        (),
    ]


def test_a_batch_that_was_rejected_altogether_failed(desk: Database) -> None:
    one = sending(desk, [1, 2])
    desk.outbox.settle(submit(desk), results(rejected=[0, 1]), now=NOW, next_at=LATER)
    assert states(desk, one.id) == [BatchState.FAILED]
    assert desk.outbox.sums(one.id).rejected == 2


def test_a_batch_whose_readers_were_all_skipped_is_finished(desk: Database) -> None:
    one = sending(desk, [1, 2])
    desk.outbox.settle(submit(desk, skipped={0, 1}), (), now=NOW, next_at=LATER)
    assert states(desk, one.id) == [BatchState.ACCEPTED]
    assert desk.outbox.sums(one.id) == Sums(candidates=2, planned=2, skipped=2)


def test_deferred_letters_move_to_a_child_that_is_due_later(desk: Database) -> None:
    one = sending(desk, [11, 12, 13])
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[0], deferred=[1, 2]), now=NOW, next_at=LATER)
    parent, child = desk.outbox.batches(one.id)
    assert (parent.state, parent.moved) == (BatchState.ACCEPTED, frozenset({1, 2}))
    assert child.members == ((12, 1), (13, 1))
    assert (child.state, child.parent, child.next_at) == (BatchState.READY, parent.id, LATER)
    assert (child.attempt, child.first_intent_at, child.payload_hash) == (1, None, "")
    assert child.key != parent.key
    assert desk.outbox.due(NOW) == ()
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, accepted=1, waiting=2)
    assert (parent.deferrals, child.deferrals) == (0, 1)
    assert desk.outbox.trace(12) == (("daily/daily:2026-11-22", "waiting", "deferred"),)


def test_what_the_mailer_alone_is_to_blame_for_counts_against_nobody(desk: Database) -> None:
    one = sending(desk, [11, 12, 13])
    told = [Result(position=at, outcome=Outcome.DEFERRED, shared=at != 1) for at in range(3)]
    desk.outbox.settle(submit(desk), told, now=NOW, next_at=LATER)
    children = desk.outbox.batches(one.id)[1:]
    counted = {tuple(id for id, _ in child.members): child.deferrals for child in children}
    assert counted == {(11, 13): 0, (12,): 1}


def test_groups_of_deferred_letters_are_tried_apart(desk: Database) -> None:
    one = sending(desk, [11, 12, 13, 14])
    told = [Result(position=at, outcome=Outcome.DEFERRED, group=at // 2) for at in range(4)]
    desk.outbox.settle(submit(desk), told, now=NOW, next_at=LATER)
    parent, first, second = desk.outbox.batches(one.id)
    assert parent.state is BatchState.SPLIT
    assert [id for id, _ in first.members] == [11, 12]
    assert [id for id, _ in second.members] == [13, 14]
    assert len({parent.key, first.key, second.key}) == 3
    assert desk.outbox.sums(one.id).waiting == 4


def test_a_split_keeps_who_gets_which_variant(desk: Database) -> None:
    one = planning(desk)
    desk.outbox.plan(
        one, upto=9, batches=[batch(one, 0, {1: [2, 5, 7], 2: [3, 9]})], excluded={"suppressed": [4]}, finished=True
    )
    desk.outbox.settle(submit(desk), results(accepted=[0, 3], deferred=[1, 2, 4]), now=NOW, next_at=LATER)
    assert desk.outbox.batches(one.id)[1].members == ((5, 1), (7, 1), (9, 2))
    assert desk.outbox.trace(4) == (("daily/daily:2026-11-22", "excluded", "suppressed"),)


def test_letters_nobody_can_tell_about_move_to_a_child_that_is_unknown(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    sent = submit(desk)
    desk.outbox.settle(sent, results(accepted=[0], unknown=[1]), now=NOW, next_at=LATER)  # nothing about 2
    _, child = desk.outbox.batches(one.id)
    assert (child.state, child.unknown_since, child.first_intent_at) == (BatchState.UNKNOWN, NOW, NOW)
    assert [id for id, _ in child.members] == [2, 3]
    assert child.last_error == "unknown", "as the mailer said of the first"
    assert desk.outbox.sums(one.id) == Sums(candidates=3, planned=3, accepted=1, unknown=2)


def test_a_batch_that_is_unknown_altogether_keeps_its_key(desk: Database) -> None:
    one = sending(desk, [1, 2])
    sent = submit(desk)
    desk.outbox.settle(sent, results(unknown=[0, 1]), now=NOW, next_at=LATER)
    (whole,) = desk.outbox.batches(one.id)
    assert (whole.state, whole.key, whole.next_at) == (BatchState.UNKNOWN, sent.key, LATER)
    assert whole.payload_hash == "abc"


def test_a_result_for_nobody_is_refused(desk: Database) -> None:
    sending(desk, [1])
    with pytest.raises(ValueError, match="no letter at position 1"):
        desk.outbox.settle(submit(desk), results(accepted=[1]), now=NOW, next_at=LATER)


def test_a_claimed_batch_can_be_given_up_but_not_have_left(desk: Database) -> None:
    one = sending(desk, [1, 2])
    claimed = claim(desk)
    with pytest.raises(ValueError, match="no intent"):
        desk.outbox.settle(claimed, results(accepted=[0, 1]), now=NOW, next_at=LATER)
    assert desk.outbox.settle(claimed, results(rejected=[0, 1]), now=NOW, next_at=LATER)
    assert desk.outbox.sums(one.id).rejected == 2


def test_batches_that_split_at_the_same_time_get_numbers_of_their_own(desk: Database) -> None:
    one = sending(desk, *([2 * number + 1, 2 * number + 2] for number in range(12)))
    sent = [submit(desk) for _ in range(12)]
    together = threading.Barrier(4)
    settled: list[bool] = []

    def work(mine: list[Batch]) -> None:
        together.wait()
        for each in mine:
            settled.append(desk.outbox.settle(each, results(accepted=[0], deferred=[1]), now=NOW, next_at=LATER))

    workers = [threading.Thread(target=work, args=(sent[start::4],)) for start in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert settled == [True] * 12
    assert [each.sequence for each in desk.outbox.batches(one.id)] == list(range(24))


# ---------------------------------------------------------------- not sent, unknown, held


def test_what_was_proved_not_sent_is_ready_as_if_never_tried(desk: Database) -> None:
    one = sending(desk, [1, 2])
    sent = submit(desk, skipped={0})
    assert desk.outbox.back(sent, next_at=LATER, error="429 slow down")
    again = desk.outbox.batch(sent.id)
    assert (again.state, again.next_at, again.last_error) == (BatchState.READY, LATER, "429 slow down")
    assert (again.attempt, again.skipped, again.payload_hash, again.first_intent_at) == (1, frozenset(), "", None)
    assert desk.outbox.sums(one.id).waiting == 2
    assert submit(desk, now=LATER).attempt == 2


def test_an_unknown_batch_is_claimed_to_find_out(desk: Database) -> None:
    one = sending(desk, [1, 2])
    sent = submit(desk, skipped={0})
    assert desk.outbox.unknown(sent, now=NOW, next_at=LATER, error="timeout")
    assert desk.outbox.claim("maildir", "worker 1", now=NOW, lease=LEASE) is None
    resolving = claim(desk, now=LATER)
    assert (resolving.state, resolving.unknown_since, resolving.skipped) == (BatchState.RESOLVING, NOW, frozenset({0}))
    assert desk.outbox.sums(one.id) == Sums(candidates=2, planned=2, skipped=1, unknown=1)
    assert desk.outbox.settle(resolving, results(accepted=[1]), now=LATER, next_at=LATER)
    assert desk.outbox.sums(one.id) == Sums(candidates=2, planned=2, skipped=1, accepted=1)


def test_a_batch_keeps_the_account_it_was_first_handed_to_until_nothing_of_it_can_have_left(desk: Database) -> None:
    sending(desk, [1, 2, 3])
    assert claim(desk).account == ""
    desk.outbox.sweep(LATER)
    first = submit(desk, now=LATER, account="one")
    assert first.account == "one"
    assert desk.outbox.back(first, next_at=LATER, error="429")
    assert desk.outbox.batch(first.id).account == ""

    second = submit(desk, now=LATER, account="two")
    assert desk.outbox.unknown(second, now=LATER, next_at=LATER, error="timeout")
    third = submit(desk, now=LATER, account="three")
    assert third.account == "two"
    assert desk.outbox.back(third, next_at=LATER, error="429")
    assert desk.outbox.batch(third.id).account == "two", "the second attempt is still in doubt"


def test_letters_in_doubt_keep_their_account_and_those_that_did_not_leave_have_none(desk: Database) -> None:
    one = sending(desk, [1, 2, 3])
    desk.outbox.settle(submit(desk, account="one"), results(accepted=[0], deferred=[1]), now=NOW, next_at=LATER)
    found = {child.state: child.account for child in desk.outbox.batches(one.id)[1:]}
    assert found == {BatchState.READY: "", BatchState.UNKNOWN: "one"}


def test_a_refusal_proves_nothing_while_an_earlier_attempt_is_unknown(desk: Database) -> None:
    one = sending(desk, [1, 2])
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="timeout")
    second = submit(desk, now=LATER)
    assert (second.attempt, second.first_intent_at, second.intent_at) == (2, NOW, LATER)
    assert desk.outbox.sums(one.id).unknown == 2
    assert desk.outbox.back(second, next_at=LATER, error="429")
    again = desk.outbox.batch(second.id)
    assert (again.state, again.first_intent_at, again.payload_hash) == (BatchState.UNKNOWN, NOW, "abc")

    third = submit(desk, now=LATER)
    assert desk.outbox.settle(third, results(rejected=[0], deferred=[1]), now=LATER, next_at=LATER)
    _, child = desk.outbox.batches(one.id)
    assert (child.state, child.unknown_since, child.first_intent_at) == (BatchState.UNKNOWN, NOW, NOW)


def test_a_look_up_proves_that_nothing_was_sent(desk: Database) -> None:
    one = sending(desk, [1, 2])
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="timeout")
    desk.outbox.settle(claim(desk, now=LATER), results(accepted=[0], deferred=[1]), now=LATER, next_at=LATER)
    assert states(desk, one.id) == [BatchState.ACCEPTED, BatchState.READY]


def test_what_only_a_person_can_decide_is_held(desk: Database) -> None:
    one = sending(desk, [1, 2])
    desk.outbox.unknown(submit(desk), now=NOW, next_at=NOW, error="timeout")
    resolving = claim(desk, now=LATER)
    assert desk.outbox.hold(resolving, error="nothing tells whether it was sent")
    assert desk.outbox.open(one.id) == 0
    assert desk.outbox.sums(one.id).unknown == 2
    assert desk.outbox.trace(1) == (("daily/daily:2026-11-22", "unknown", "nothing tells whether it was sent"),)
    assert desk.outbox.claim("maildir", "worker 1", now=LATER, lease=LEASE) is None


# ---------------------------------------------------------------- dead workers


def test_a_lease_that_ends_before_the_intent_gives_the_batch_back(desk: Database) -> None:
    sending(desk, [1])
    dead = claim(desk)
    assert desk.outbox.sweep(NOW + LEASE) == 0
    assert desk.outbox.sweep(LATER) == 1
    fresh = claim(desk, now=LATER)
    assert (fresh.id, fresh.fence, fresh.state) == (dead.id, 2, BatchState.CLAIMED)


def test_a_lease_that_ends_after_the_intent_leaves_the_batch_unknown(desk: Database) -> None:
    one = sending(desk, [1])
    submit(desk)
    assert desk.outbox.sweep(LATER) == 1
    assert states(desk, one.id) == [BatchState.UNKNOWN]
    claim(desk, now=LATER)
    assert desk.outbox.sweep(LATER + timedelta(hours=1)) == 1
    (lost,) = desk.outbox.batches(one.id)
    assert (lost.state, lost.unknown_since) == (BatchState.UNKNOWN, LATER)


@pytest.mark.parametrize("swept", [True, False], ids=["after the sweep", "after another claim"])
def test_a_worker_thought_dead_changes_nothing(desk: Database, swept: bool) -> None:
    sending(desk, [1, 2])
    dead = submit(desk)
    desk.outbox.sweep(LATER)
    if not swept:
        claim(desk, now=LATER)
    before = desk.outbox.batch(dead.id)
    assert not desk.outbox.settle(dead, results(accepted=[0, 1]), now=LATER, next_at=LATER)
    assert not desk.outbox.back(dead, next_at=LATER, error="late")
    assert not desk.outbox.unknown(dead, now=LATER, next_at=LATER, error="late")
    assert not desk.outbox.hold(dead, error="late")
    assert desk.outbox.intend(dead, now=LATER, payload_hash="x", skipped=frozenset()) is None
    assert desk.outbox.batch(dead.id) == before


def test_an_answer_counts_once(desk: Database) -> None:
    one = sending(desk, [1, 2])
    sent = submit(desk)
    answer = results(accepted=[0], deferred=[1])
    assert desk.outbox.settle(sent, answer, now=NOW, next_at=LATER)
    assert not desk.outbox.settle(sent, answer, now=NOW, next_at=LATER)
    assert len(desk.outbox.batches(one.id)) == 2


# ---------------------------------------------------------------- stopping


def test_cancelling_stops_what_cannot_have_left(desk: Database) -> None:
    one = sending(desk, [1, 2], [3, 4, 5], [6], [7, 8])
    accept(desk)
    on_its_way = submit(desk)
    claimed: Batch = claim(desk)
    assert desk.outbox.cancel(one.id) == 3
    assert states(desk, one.id) == [
        BatchState.ACCEPTED,
        BatchState.SUBMITTING,
        BatchState.CANCELLED,
        BatchState.CANCELLED,
    ]
    assert desk.outbox.intend(claimed, now=NOW, payload_hash="abc", skipped=frozenset()) is None
    assert desk.outbox.settle(on_its_way, results(accepted=[0, 1, 2]), now=NOW, next_at=LATER)
    assert desk.outbox.sums(one.id) == Sums(candidates=8, planned=8, accepted=5, cancelled=3)
    assert desk.outbox.cancel(one.id) == 0


def test_a_reader_is_found_in_whichever_chunk_they_are(desk: Database) -> None:
    one = planning(desk)
    desk.outbox.plan(one, upto=4, batches=[batch(one, 0, {1: [1]})], excluded={"pending": [2]}, finished=False)
    one = desk.editions.get(one.key)
    desk.outbox.plan(one, upto=9, batches=[batch(one, 1, {1: [7]})], excluded={"pending": [8]}, finished=True)
    assert [desk.outbox.trace(reader) for reader in (1, 2, 5, 7, 8, 10)] == [
        ((one.key, "waiting", ""),),
        ((one.key, "excluded", "pending"),),
        (),
        ((one.key, "waiting", ""),),
        ((one.key, "excluded", "pending"),),
        (),
    ]
    assert desk.outbox.sums(one.id) == Sums(candidates=4, excluded={"pending": 2}, planned=2, waiting=2)


def test_a_traced_reader_sees_their_editions_newest_first(desk: Database) -> None:
    sending(desk, [1])
    accept(desk)
    sending(desk, [1, 2], slot="daily:2026-11-23")
    assert desk.outbox.trace(1) == (
        ("daily/daily:2026-11-23", "waiting", ""),
        ("daily/daily:2026-11-22", "accepted", ""),
    )


def test_what_only_a_wrong_clock_calls_later_is_no_witness(desk: Database) -> None:
    sending(desk, [1], [2], [3])
    earlier = submit(desk, now=LATER)  # the clock was set back after this
    assert desk.outbox.settle(earlier, results(accepted=[0]), now=LATER, next_at=LATER)
    lost, before = submit(desk), NOW - timedelta(hours=1)
    assert desk.outbox.witness("maildir", before, than=lost.id) == ""
    later = accept(desk)
    assert desk.outbox.witness("maildir", before, than=lost.id) == later.key
