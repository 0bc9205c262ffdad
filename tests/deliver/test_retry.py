"""Who was rejected for something that may have passed is mailed again, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher import deliver
from publisher.deliver.retry import may_have_passed
from publisher.errors import Conflict
from publisher.kit.tokens import KeyRing
from publisher.mailers.smtp import Smtp
from publisher.model import EditionState
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.smtp import Fault, SmtpServer
from tests.people import NOW, edition, suppression
from tests.sites import TestClock


@pytest.mark.parametrize(
    ("code", "detail", "passed"),
    [
        ("gave up", "given up after 12 attempts: 451 greylisted", True),
        ("552 5.2.2", "mailbox full", True),
        ("552", "exceeded storage allocation", True),
        ("550 5.7.1", "your address is listed", True),
        ("554 5.3.0", "system trouble", True),
        ("550 5.4.6", "routing loop", True),
        ("REJECTED", "the account is over quota", True),
        ("550 5.1.1", "no such user", False),
        ("550 5.4.1", "recipient address rejected: access denied", False),
        ("552 5.3.4", "message too big", False),
        ("550 5.2.1", "mailbox disabled", False),
        ("406", "inactive recipient", False),
        ("cannot be made", "not an address", False),
        ("", "", False),
    ],
)
def test_what_may_have_passed(code: str, detail: str, passed: bool) -> None:
    assert may_have_passed(code, detail) is passed


def test_exactly_those_are_mailed_again_whose_rejection_may_have_passed(memory_store: Database, tmp_path: Path) -> None:
    keys, clock = KeyRing.load(tmp_path / "keys", {}), TestClock(NOW)
    full, gone, left = people(memory_store, 6)[1:4]
    with SmtpServer() as server:
        server.plan(
            Fault("RCPT", reply="552 5.2.2 mailbox full", recipient=full.email),
            Fault("RCPT", reply="550 5.1.1 no such user", recipient=gone.email),
            Fault("RCPT", reply="552 5.2.2 mailbox full", recipient=left.email),
        )
        mailer = Smtp("smtp", "127.0.0.1", port=server.port, security="none")
        there = approved(memory_store, mailer)
        drain(memory_store, mailer, keys, clock)
        memory_store.editions.move(there.key, (EditionState.SENDING,), EditionState.DONE)
        memory_store.audience.suppress(suppression(left))
        assert len(server.recipients()) == 3

        retried = deliver.retry(memory_store, there.key, now=clock.now())
        assert (retried.again, retried.left) == (1, {"refused for good": 1, "suppressed: hard bounce": 1})
        assert deliver.retry(memory_store, there.key, now=clock.now()).again == 0
        assert memory_store.editions.get(there.key).state is EditionState.SENDING
        drain(memory_store, mailer, keys, clock)
        assert sorted(server.recipients()) == sorted(
            reader.email for reader, _ in memory_store.audience.each() if reader.id not in (gone.id, left.id)
        )
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.rejected, sums.waiting) == (4, 2, 0)


def test_nobody_of_a_cancelled_edition_is_mailed_again(memory_store: Database) -> None:
    people(memory_store, 1)
    there = memory_store.editions.open(edition(state=EditionState.CANCELLED))
    with pytest.raises(Conflict, match="cancelled"):
        deliver.retry(memory_store, there.key, now=NOW)
