"""What may change while an edition is on its way: settings, readers, the mailer's mood."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import deliver
from publisher.errors import MailerMisconfigured, TryLater
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.resend import Resend
from publisher.model import (
    BatchState,
    Newsletter,
    Outcome,
    Prepared,
    Result,
    Subscriber,
    Suppression,
    SuppressionReason,
)
from publisher.store import Database
from tests.deliver.ledger import approved, people
from tests.fakes.resend import KEY, ResendServer
from tests.people import NOW, newsletter, site
from tests.sites import TestClock, mailbox


@pytest.fixture
def resend(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


def drain(
    store: Database, mailer: Maildir | Resend, keys: KeyRing, clock: TestClock, *settings: Newsletter
) -> deliver.Tally:
    known = {one.slug: one for one in settings}
    return deliver.drain(store, mailer, known, site=site(), keys=keys, clock=clock, owner="worker")


class Moody(Maildir):
    """A Maildir that first answers as it is told."""

    def __init__(self, path: Path, *answers: Exception | Outcome) -> None:
        super().__init__("maildir", path)
        self.answers = list(answers)
        self.domains: set[str] = set()

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        self.domains |= {letter.message_id.rpartition("@")[2] for letter in prepared.letters}
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        results = super().submit(prepared)
        # the first letter went as it went, and about the others the answer is not heard
        return results if answer is None else (results[0], *(r._replace(outcome=answer) for r in results[1:]))


# ---------------------------------------------------------------- a mailer that takes nothing for long


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (TryLater("too many requests", retry_after=timedelta(seconds=1)), timedelta(seconds=2)),
        (TryLater("cannot be reached"), timedelta(hours=2)),
        (MailerMisconfigured("wrong password"), timedelta(minutes=11)),
    ],
)
def test_a_mailer_that_takes_nothing_for_long_loses_nobody(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, answer: Exception, wait: timedelta
) -> None:
    people(memory_store, 3)
    mailer = Moody(tmp_path / "mail", *[answer] * 30)
    there = approved(memory_store, mailer)
    for _ in range(31):
        drain(memory_store, mailer, keys, clock, newsletter())
        clock.at += wait
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.rejected) == (3, 0)


# ---------------------------------------------------------------- settings


def test_an_unknown_batch_is_made_again_as_it_was_when_the_sender_changes(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock, newsletter())
    clock.move(minutes=5)
    changed = newsletter(name="The Morning", sender="The Morning <morning@elsewhere.example>")
    drain(memory_store, mailer, keys, clock, changed)
    assert memory_store.outbox.sums(there.id).accepted == 3
    assert len(resend.mails) == 3


def test_a_renamed_newsletter_settles_what_was_unknown(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock, newsletter())
    clock.move(minutes=5)
    renamed = newsletter("morning", was=("daily",))
    memory_store.editions.sync([renamed], now=NOW)
    drain(memory_store, mailer, keys, clock, renamed)
    assert memory_store.outbox.sums(there.id).accepted == 3
    assert len(resend.mails) == 3


def test_a_sender_that_the_mailer_refuses_can_be_mended_in_mid_send(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 2)
    mailer = Moody(tmp_path / "mail", MailerMisconfigured("that sender is not yours"))
    approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock, newsletter())
    clock.move(minutes=11)
    drain(memory_store, mailer, keys, clock, newsletter(sender="news@ours.example"))
    assert {str(mail["From"]) for mail in mailbox(tmp_path, "mail")} == {"news@ours.example"}


def test_letters_of_an_unknown_child_keep_their_message_ids_when_the_sender_changes(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Moody(tmp_path / "mail", Outcome.UNKNOWN)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock, newsletter())
    clock.move(minutes=5)
    drain(memory_store, mailer, keys, clock, newsletter(sender="news@elsewhere.example"))
    assert len(mailer.domains) == 1
    assert len(mailbox(tmp_path, "mail")) == 3
    assert memory_store.outbox.sums(there.id).accepted == 3


def test_an_edition_of_a_newsletter_that_left_the_settings_is_finished_and_holds_up_nobody(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Maildir("maildir", tmp_path / "mail")
    there = approved(memory_store, mailer)
    memory_store.editions.add_letterhead(there.id, deliver.letterhead(newsletter(), site()))
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 3


# ---------------------------------------------------------------- readers, time, and letters that cannot be made


def test_an_unknown_batch_whose_readers_were_erased_is_held(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    readers = people(memory_store, 2)
    mailer = Moody(tmp_path / "mail", Outcome.UNKNOWN)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock, newsletter())
    erase(memory_store, readers[1].id)
    for _ in range(3):
        clock.move(hours=2)
        assert drain(memory_store, mailer, keys, clock, newsletter()).batches <= 1
    assert memory_store.outbox.open(there.id) == 0
    assert memory_store.outbox.sums(there.id).unknown == 1


def erase(store: Database, reader: int) -> None:
    import sqlalchemy as sa

    from publisher.store.tables import subscriber, subscription

    with store._access.write() as connection:
        connection.execute(sa.delete(subscription).where(subscription.c.subscriber == reader))
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == reader))


def test_who_leaves_after_the_intent_stays_in_the_bytes_that_may_have_left(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    readers = people(memory_store, 3)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock, newsletter())
    suppress(memory_store, readers[0])
    clock.move(minutes=5)
    drain(memory_store, mailer, keys, clock, newsletter())
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.skipped, len(resend.mails)) == (3, 0, 3)


def suppress(store: Database, reader: Subscriber) -> None:
    said = Suppression(address_key=reader.address_key, address=None, reason=SuppressionReason.COMPLAINT, since=NOW)
    assert store.events.suppress([said]) == 1


class SlowClock(TestClock):
    """An hour passes between any two looks at it."""

    hours = 0

    def monotonic(self) -> float:
        SlowClock.hours += 1
        return SlowClock.hours * 3600.0


def test_a_worker_that_came_too_late_for_its_call_gives_the_batch_back(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    """No call was made, so nothing is unknown."""
    people(memory_store, 2)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    slow = SlowClock(NOW)
    assert drain(memory_store, mailer, keys, slow, newsletter()).batches == 1
    (batch,) = memory_store.outbox.batches(there.id)
    assert (batch.state, batch.unknown_since) == (BatchState.READY, None)
    clock.move(hours=1)
    drain(memory_store, mailer, keys, clock, newsletter())
    assert memory_store.outbox.sums(there.id).accepted == 2


class Unable(Maildir):
    """Cannot make letters to Reader 0."""

    def prepare(self, mailing):  # type: ignore[no-untyped-def]
        if any(letter.name == "Reader 0" for letter in mailing.letters):
            raise ValueError("a header line is longer than 998 octets")
        return super().prepare(mailing)


def test_a_letter_that_cannot_be_made_keeps_nobody_else_from_theirs(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 5)
    mailer = Unable("maildir", tmp_path / "mail")
    there = approved(memory_store, mailer)
    for _ in range(6):
        drain(memory_store, mailer, keys, clock, newsletter())
        clock.move(hours=1)
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.rejected, sums.waiting) == (4, 1, 0)
