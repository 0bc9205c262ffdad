"""A mailer that takes nothing, for however long, loses nobody; and what is about one reader stays about them."""

from __future__ import annotations

import pytest

from publisher.kit.tokens import KeyRing
from publisher.mailers.smtp import Smtp
from publisher.model import CircuitState, Edition
from publisher.ports import Mailer
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.smtp import Fault, SmtpServer
from tests.sites import TestClock

FULL = "452 4.3.1 Insufficient system storage"
ALWAYS = 10**9


def smtp(server: SmtpServer) -> Smtp:
    return Smtp("smtp", "127.0.0.1", port=server.port, security="none")


def send_for(store: Database, mailer: Mailer, keys: KeyRing, clock: TestClock, *, hours: int) -> None:
    for _ in range(hours * 2):
        drain(store, mailer, keys, clock)
        clock.move(minutes=30)


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("MAIL", FULL),
        ("MAIL", "451 4.7.1 too much mail from you"),
        ("RCPT", FULL),
        ("RCPT", "452 Insufficient system storage"),
        ("DATA", FULL),
        ("DATA", "421 4.3.2 shutting down"),
        ("DOT", FULL),
        ("DOT", "451 local error in processing"),
        ("DOT", "421 4.3.2 shutting down"),
    ],
)
def test_a_server_in_trouble_for_a_day_loses_nobody_and_blames_nobody(
    memory_store: Database, keys: KeyRing, clock: TestClock, step: str, reply: str
) -> None:
    readers = people(memory_store, 3)
    with SmtpServer() as server:
        mailer = smtp(server)
        there = approved(memory_store, mailer)
        server.plan(Fault(step, reply=reply, times=ALWAYS))
        send_for(memory_store, mailer, keys, clock, hours=24)
        assert memory_store.outbox.circuit("smtp").state is CircuitState.OPEN
        assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}
        server.mend()
        send_for(memory_store, mailer, keys, clock, hours=2)
        assert sorted(server.recipients()) == sorted(reader.email for reader in readers)
    assert memory_store.outbox.sums(there.id).accepted == 3


def test_a_day_of_greylisting_loses_nobody_and_the_others_are_not_kept_waiting(
    memory_store: Database, keys: KeyRing, clock: TestClock
) -> None:
    """The receiver wants each reader's letter to come again: so each has to be tried, and the circuit stays closed."""
    readers = people(memory_store, 45)
    with SmtpServer() as server:
        mailer = smtp(server)
        there = approved(memory_store, mailer)
        for reader in readers[1:]:
            server.plan(Fault("RCPT", reply="451 4.7.1 greylisted", recipient=reader.email, times=ALWAYS))
        send_for(memory_store, mailer, keys, clock, hours=24)
        assert server.recipients() == [readers[0].email]
        assert memory_store.outbox.circuit("smtp").state is CircuitState.CLOSED
        assert memory_store.outbox.sums(there.id).waiting == 44
        server.mend()
        send_for(memory_store, mailer, keys, clock, hours=2)
        assert sorted(server.recipients()) == sorted(reader.email for reader in readers)
    assert memory_store.outbox.sums(there.id).accepted == 45


def test_a_server_that_hangs_up_after_each_letter_gets_them_all(
    memory_store: Database, keys: KeyRing, clock: TestClock
) -> None:
    """What a lost connection kept from being tried was not put off."""
    readers = people(memory_store, 40)
    with SmtpServer() as server:
        mailer = smtp(server)
        there = approved(memory_store, mailer)
        server.plan(*[Fault("MAIL", after=count) for count in range(1, 40)])
        send_for(memory_store, mailer, keys, clock, hours=45)
        assert sorted(server.recipients()) == sorted(reader.email for reader in readers)
    assert memory_store.outbox.sums(there.id).accepted == 40


def test_a_reader_whose_own_system_is_in_trouble_for_good_is_given_up_while_others_are_mailed(
    memory_store: Database, keys: KeyRing, clock: TestClock
) -> None:
    """A server's words of trouble about a few may be about a system behind it that is theirs alone."""
    readers = people(memory_store, 5)
    with SmtpServer() as server:
        mailer = smtp(server)
        first = approved(memory_store, mailer)
        for reader in readers[-2:]:
            server.plan(Fault("RCPT", reply="451 4.3.0 trouble", recipient=reader.email, times=ALWAYS))
        editions: list[Edition] = [first]
        for day in range(1, 4):
            send_for(memory_store, mailer, keys, clock, hours=24)
            editions.append(approved(memory_store, mailer, slot=f"daily:2026-12-{day:02}"))
        sums = [memory_store.outbox.sums(one.id) for one in editions[:-1]]
    assert (sums[0].accepted, sums[0].rejected, sums[0].waiting) == (3, 2, 0)
    assert {one.accepted for one in sums} == {3}, "the others get every edition all the same"
