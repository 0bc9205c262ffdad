"""What became of a batch whose answer was lost, found out from what the provider shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import editions
from publisher.deliver import reconcile
from publisher.kit.tokens import KeyRing
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.model import Batch, BatchState, Capability, EventKind, MailEvent, Outcome, Result, Run, Sums
from publisher.store import Database
from tests.contracts.ledger import claim
from tests.deliver.ledger import approved, drain, people
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.fakes.resend import KEY, ResendServer
from tests.fakes.ses import KEY_ID, REGION, SECRET, SesServer, bounce
from tests.fakes.sns import TOPIC
from tests.people import NOW
from tests.sites import TestClock

SEARCH = Capability(batch=100, batch_bytes=1_000_000, evidence="search", look_up_lag=timedelta(minutes=10))
EVENTS = replace(SEARCH, evidence="events")
LOST = Batch(
    edition=1,
    sequence=0,
    chunk=0,
    runs=(Run(variant=1, subscribers=(1, 2, 3)),),
    mailer="post",
    key="k",
    state=BatchState.RESOLVING,
    payload_hash="f" * 64,
    first_intent_at=NOW,
    intent_at=NOW,
    unknown_since=NOW,
)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW, tick=timedelta(seconds=30))  # slow calls: batches are handed over minutes apart


@pytest.fixture
def postmark(tmp_path: Path, clock: TestClock) -> Iterator[PostmarkServer]:
    with PostmarkServer(tmp_path, clock=lambda: clock.at) as server:
        yield server


def outcomes(results: tuple[Result, ...]) -> list[Outcome]:
    return [result.outcome for result in results]


def judged(seen: set[int], *, witnessed: bool, after: timedelta, capability: Capability = EVENTS) -> list[Outcome]:
    return outcomes(reconcile.by_events(LOST, seen, witnessed=witnessed, capability=capability, now=NOW + after))


def test_what_an_event_tells_of_was_accepted() -> None:
    found = judged({0, 2}, witnessed=False, after=timedelta(0))
    assert found == [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.ACCEPTED]


def test_silence_proves_something_only_after_the_lag_and_beside_a_later_event() -> None:
    late, early = timedelta(minutes=10), timedelta(minutes=9)
    assert judged({0}, witnessed=True, after=late) == [Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.DEFERRED]
    assert Outcome.DEFERRED not in judged({0}, witnessed=False, after=late)
    assert Outcome.DEFERRED not in judged({0}, witnessed=True, after=early)
    assert Outcome.DEFERRED not in judged({0}, witnessed=True, after=late, capability=SEARCH)


def test_who_was_skipped_is_not_looked_for() -> None:
    batch = replace(LOST, skipped=frozenset({1}))
    results = reconcile.by_events(batch, {0}, witnessed=False, capability=EVENTS, now=NOW)
    assert [result.position for result in results] == [0, 2]


def test_an_event_wins_over_a_search_that_found_nothing() -> None:
    events = reconcile.by_events(LOST, {0}, witnessed=False, capability=SEARCH, now=NOW)
    looked_up = tuple(Result(position=position, outcome=Outcome.DEFERRED) for position in range(3))
    assert outcomes(reconcile.together(events, looked_up)) == [Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.DEFERRED]


def test_what_was_sent_while_the_lost_call_may_have_been_under_way_is_no_witness(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    clock.tick = timedelta(milliseconds=1)
    people(memory_store, 250)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan("500")
    drain(memory_store, mailer, keys, clock)
    clock.move(hours=1)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.batches(there.id)[0].state is BatchState.UNKNOWN


@pytest.mark.parametrize("fault", ["accept_then_drop", "accept_then_500", "truncated", "500", "html"])
def test_a_lost_answer_is_looked_up_and_everybody_has_one_message(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock, fault: str
) -> None:
    people(memory_store, 450)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan(fault)
    for _ in range(7):
        clock.move(minutes=6)
        drain(memory_store, mailer, keys, clock)
    assert sorted(mail.recipient for mail in postmark.mails) == sorted(f"reader.{n}@mail.example" for n in range(450))
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.unknown, sums.waiting) == (450, 0, 0)


def test_the_last_batch_of_all_waits_for_a_witness_and_is_held_when_none_comes(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 5)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan("500")
    drain(memory_store, mailer, keys, clock)
    for _ in range(3):
        clock.move(hours=1)
        drain(memory_store, mailer, keys, clock)
    waiting = memory_store.outbox.batches(there.id)[0]
    assert waiting.state is BatchState.UNKNOWN
    assert waiting.last_error.startswith("nothing tells whether it was sent: mailer postmark (")
    assert waiting.last_error.count("nothing tells") == 1
    clock.move(hours=47)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.batches(there.id)[0].state is BatchState.HELD
    assert memory_store.outbox.sums(there.id).unknown == 5
    assert postmark.mails == []


def test_a_search_that_fails_is_tried_again(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 450)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan("accept_then_drop", "get 500")
    for _ in range(7):
        drain(memory_store, mailer, keys, clock)
        clock.move(minutes=6)
    assert memory_store.outbox.sums(there.id).accepted == len(postmark.mails) == 450


def test_a_provider_that_asks_to_wait_is_asked_about_no_lost_answer_before(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    clock.tick = timedelta(milliseconds=1)
    people(memory_store, 400)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan("accept_then_drop", "accept_then_drop", "get 429-hour")
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).unknown == 400
    clock.move(minutes=11)
    drain(memory_store, mailer, keys, clock)
    asked = [call.method for call in postmark.calls].count("GET")
    assert asked == 1, "about one of two"
    assert "asks to wait" in memory_store.outbox.blocked(clock.at)["postmark"][1]
    approved(memory_store, mailer, slot="manual:later")
    for _ in range(11):
        clock.move(minutes=5)
        drain(memory_store, mailer, keys, clock)
    assert len(postmark.calls) == 3, "neither asked nor handed anything within the hour"
    for _ in range(4):
        clock.move(minutes=6)
        drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 400
    assert len(postmark.mails) == 800


@pytest.mark.parametrize(
    ("fault", "heard", "state"),
    [
        ("accept_then_drop", False, BatchState.UNKNOWN),
        ("drop_before", False, BatchState.UNKNOWN),
        ("drop_before", True, BatchState.SPLIT),
    ],
)
def test_silence_while_nobody_was_there_to_hear_proves_nothing(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, fault: str, heard: bool, state: BatchState
) -> None:
    def listen(headers: dict[str, str], body: bytes) -> None:
        memory_store.events.keep("ses", mailer.events(headers, body, now=clock.at), at=clock.at)

    people(memory_store, 40)
    with SesServer(tmp_path, clock=lambda: clock.at) as server:
        mailer = Ses(
            *("ses", REGION, KEY_ID, SECRET),
            base_url=server.url,
            topic_arn=TOPIC,
            certificates=server.topic.certificates,
        )
        there = approved(memory_store, mailer)
        server.plan(fault)
        drain(memory_store, mailer, keys, clock)
        server.notify(lambda _headers, _body: None)  # told, and nobody is there
        if heard:
            clock.move(minutes=10)
            another = MailEvent(event_id="another", kind=EventKind.ACCEPTED, at=clock.at, recipient="")
            memory_store.events.keep("ses", [another], at=clock.at)
        clock.move(hours=1)
        approved(memory_store, mailer, slot="manual:later")
        drain(memory_store, mailer, keys, clock)
        server.notify(listen)
        with memory_store.transaction() as together:
            together.events.merge(together.events.take(100), at=clock.at)
        clock.move(hours=1)
        drain(memory_store, mailer, keys, clock)
        assert memory_store.outbox.batches(there.id)[0].state is state
        copies = 2 if state is BatchState.SPLIT or fault == "accept_then_drop" else 1
        assert len(server.mails) == 40 * copies


@pytest.mark.parametrize(
    ("fault", "became"),
    [("accept_then_drop", {"accepted": 5}), ("500", {"cancelled": 5})],
    ids=["it had arrived", "it had not"],
)
def test_a_lost_answer_of_a_cancelled_edition_is_looked_up_and_never_sent_again(
    memory_store: Database,
    postmark: PostmarkServer,
    keys: KeyRing,
    clock: TestClock,
    fault: str,
    became: dict[str, int],
) -> None:
    people(memory_store, 5)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    stopped = approved(memory_store, mailer)
    postmark.plan(fault)
    drain(memory_store, mailer, keys, clock)
    arrived = len(postmark.mails)
    assert editions.cancel(memory_store, stopped.key, "Aoife Brennan", now=clock.now())[1] == 0
    assert memory_store.outbox.sums(stopped.id).unknown == 5
    clock.move(minutes=6)
    approved(memory_store, mailer, slot="daily:2026-11-23")  # of which something is shown: the witness
    drain(memory_store, mailer, keys, clock)
    clock.move(minutes=11)
    drain(memory_store, mailer, keys, clock)
    memory_store.outbox.sweep(clock.now())
    assert memory_store.outbox.sums(stopped.id) == Sums(candidates=5, planned=5, **became)
    assert len(postmark.mails) == arrived + 5, "the other edition's"


def test_a_lost_answer_of_a_cancelled_edition_is_held_where_only_handing_it_over_again_would_tell(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    clock.tick = timedelta(milliseconds=1)
    people(memory_store, 3)
    with ResendServer(tmp_path) as resend:
        mailer = Resend("resend", KEY, base_url=resend.url)
        stopped = approved(memory_store, mailer)
        resend.plan("500")
        drain(memory_store, mailer, keys, clock)
        editions.cancel(memory_store, stopped.key, "Aoife Brennan", now=clock.now())
        clock.move(minutes=5)
        drain(memory_store, mailer, keys, clock)
        assert resend.mails == []
    (batch,) = memory_store.outbox.batches(stopped.id)
    assert batch.state is BatchState.HELD
    assert batch.last_error.startswith("nothing tells whether it was sent: ")


@pytest.mark.parametrize("kind", [EventKind.ACCEPTED, EventKind.DELIVERED, EventKind.COMPLAINT])
def test_who_is_told_of_after_a_look_up_found_nothing_is_not_mailed_again(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock, kind: EventKind
) -> None:
    """What was proved not to have left waits for its turn meanwhile: an edition may be paused for hours."""
    readers = people(memory_store, 5)
    mailer = Postmark("postmark", TOKEN, base_url=postmark.url)
    there = approved(memory_store, mailer)
    postmark.plan("500")  # nothing of it is shown
    drain(memory_store, mailer, keys, clock)
    clock.move(minutes=20)
    lost = memory_store.outbox.batches(there.id)[0]
    memory_store.outbox.settle(
        claim(memory_store, now=clock.now(), mailer="postmark"),
        [Result(position=at, outcome=Outcome.DEFERRED) for at in range(5)],
        now=clock.now(),
        next_at=clock.now(),
    )
    late = MailEvent(event_id="late", kind=kind, at=clock.now(), recipient=readers[2].email, batch=lost.key, position=2)
    memory_store.events.keep("postmark", [late], at=clock.now())
    with memory_store.transaction() as together:
        together.events.merge(together.events.take(10), at=clock.now())
    before = len(postmark.mails)
    drain(memory_store, mailer, keys, clock)
    again = [mail.recipient for mail in postmark.mails[before:]]
    assert sorted(again) == sorted(reader.email for reader in readers if reader is not readers[2])
    assert memory_store.outbox.trace(readers[2].id)[-1][1:] == ("skipped", "it had arrived: an event told of it later")


@pytest.mark.parametrize(
    ("told", "copies"), [(("Bounce", "Complaint"), 0), (("Delivery", "Bounce"), 0), (("Send", "Delivery"), 1)]
)
def test_silence_proves_nothing_where_nobody_is_told_that_ses_has_a_letter(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, told: tuple[str, ...], copies: int
) -> None:
    """One server takes its time, of which SES tells nothing; and another edition is delivered meanwhile."""

    def hear() -> None:
        server.notify(lambda headers, body: keep(mailer.events(headers, body, now=clock.at)))

    def keep(events: tuple[MailEvent, ...]) -> None:
        memory_store.events.keep("ses", events, at=clock.at)
        with memory_store.transaction() as together:
            together.events.merge(together.events.take(100), at=clock.at)

    people(memory_store, 20)
    with SesServer(tmp_path, clock=lambda: clock.at, publishes=told) as server:
        server.slow = {"reader.7@mail.example"}
        certificates = server.topic.certificates
        mailer = Ses("ses", REGION, KEY_ID, SECRET, base_url=server.url, topic_arn=TOPIC, certificates=certificates)
        there = approved(memory_store, mailer)
        server.plan("drop_before" if copies else "accept_then_drop")
        drain(memory_store, mailer, keys, clock)
        clock.move(minutes=20)
        approved(memory_store, mailer, slot="manual:later")
        drain(memory_store, mailer, keys, clock)
        hear()
        for mail in server.mails[-2:]:
            server.happen(mail, "Bounce", bounce(mail, "Transient", "MailboxFull", status="4.2.2"))
        hear()
        clock.move(minutes=80)
        drain(memory_store, mailer, keys, clock)
        assert len(server.mails) == 40, "each reader has each edition once"
    doubt = memory_store.outbox.batches(there.id)[0].state
    assert doubt is (BatchState.SPLIT if copies else BatchState.UNKNOWN)
