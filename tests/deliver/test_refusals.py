"""What receiving servers say while a letter is handed over to them counts as a bounce does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import deliver, feedback
from publisher.kit.tokens import KeyRing
from publisher.mailers.postmark import Postmark
from publisher.mailers.smtp import Smtp
from publisher.model import BatchState, Edition, EditionState, EventKind, Sums
from publisher.store import Database, open_store
from tests.deliver.ledger import approved, drain, people
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.fakes.smtp import Fault, SmtpServer
from tests.sites import TestClock

GONE, FULL, POLICY = "550 5.1.1 no such user", "552 5.2.2 mailbox full", "550 5.7.26 not authenticated"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def mailer(server: SmtpServer) -> Smtp:
    return Smtp("smtp", "127.0.0.1", port=server.port, security="none")


def refuse(server: SmtpServer, reply: str, *readers: int, at: str = "RCPT", times: int = 99) -> None:
    emails = [f"reader.{number}@mail.example" for number in readers]
    server.plan(*(Fault(at, reply=reply, recipient=email, times=times) for email in emails))


def sums(store: Database, edition: Edition) -> Sums:
    return store.outbox.sums(edition.id)


@pytest.mark.parametrize("at", ["RCPT", "DOT"])
def test_who_does_not_exist_is_in_no_further_edition(
    memory_store: Database, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock, at: str
) -> None:
    people(memory_store, 10)
    refuse(server, GONE, 3, at=at)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    tally = feedback.record(memory_store, keys, now=clock.now())
    assert (tally.suppressed, tally.orphans) == (1, 0)
    assert (sums(memory_store, there).accepted, sums(memory_store, there).rejected) == (9, 1)
    later = approved(memory_store, mailer, slot="manual:later")
    drain(memory_store, mailer, keys, clock)
    assert sums(memory_store, later).excluded == {"suppressed: hard bounce": 1}
    assert "reader.3@mail.example" not in server.recipients()
    (gone,) = (one for one, _ in memory_store.audience.each() if one.email == "reader.3@mail.example")
    assert [outcome for _, outcome, _ in memory_store.outbox.trace(gone.id)] == ["excluded", "rejected"]


def test_a_process_killed_before_the_refusal_was_merged_loses_nothing(
    tmp_path: Path, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock
) -> None:
    first = open_store(f"sqlite:///{tmp_path}/ledger.db")
    people(first, 10)
    refuse(server, GONE, 3)
    approved(first, mailer)
    drain(first, mailer, keys, clock)
    first.close()
    second = open_store(f"sqlite:///{tmp_path}/ledger.db")
    assert second.events.waiting()
    assert feedback.record(second, keys, now=clock.now()).suppressed == 1
    second.close()


def test_servers_that_refuse_us_are_counted_and_nobody_is_suppressed(
    memory_store: Database, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 40)
    refuse(server, POLICY, *range(19))
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    tally = feedback.record(memory_store, keys, now=clock.now())
    assert tally.blocked[there.key].too_many
    assert (tally.kinds, tally.suppressed) == ({EventKind.BLOCKED: 19}, 0)
    assert sums(memory_store, there).rejected == 19


def test_a_full_mailbox_is_given_up_after_some_editions_in_a_row(
    memory_store: Database, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    refuse(server, FULL, 1)
    suppressed = []
    for number in range(feedback.SOFT_BOUNCES):
        approved(memory_store, mailer, slot=f"manual:{number}", composed_at=clock.now())
        drain(memory_store, mailer, keys, clock)
        tally = feedback.record(memory_store, keys, now=clock.now())
        assert tally.kinds == {EventKind.SOFT_BOUNCE: 1}
        suppressed.append(tally.suppressed)
        clock.move(days=5)
    assert suppressed == [0, 0, 0, 1]


def test_a_server_that_knows_nobody_is_the_wrong_one_and_suppresses_nobody(
    memory_store: Database, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 10)
    refuse(server, GONE, *range(10))
    approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    assert feedback.record(memory_store, keys, now=clock.now()).events == 0


@pytest.mark.parametrize("merged", [True, False])
def test_a_refusal_is_no_evidence_of_the_letter_that_was_tried_again(
    memory_store: Database, server: SmtpServer, mailer: Smtp, keys: KeyRing, clock: TestClock, merged: bool
) -> None:
    people(memory_store, 3)
    refuse(server, FULL, 1, times=1)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    if merged:
        feedback.record(memory_store, keys, now=clock.now())
    memory_store.editions.move(there.key, (EditionState.SENDING,), EditionState.DONE)
    assert deliver.retry(memory_store, there.key, now=clock.now()).again == 1
    server.plan(Fault("DOT"))
    for _ in range(4):
        drain(memory_store, mailer, keys, clock)
        clock.move(hours=20)
    assert memory_store.outbox.batches(there.id)[-1].state is BatchState.HELD
    assert (sums(memory_store, there).accepted, sums(memory_store, there).unknown) == (2, 1)


def test_what_an_interface_refuses_says_nothing_of_the_reader(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    with PostmarkServer(tmp_path) as server:
        server.suppress("reader.1@mail.example")
        mailer = Postmark("postmark", TOKEN, base_url=server.url)
        there = approved(memory_store, mailer)
        drain(memory_store, mailer, keys, clock)
    assert sums(memory_store, there).rejected == 1
    assert feedback.record(memory_store, keys, now=clock.now() + timedelta(minutes=1)).events == 0
