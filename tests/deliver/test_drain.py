"""From an approved edition to mailboxes, with a real ledger and mailers that answer as real ones do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import deliver
from publisher.deliver.plan import batch_key
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.resend import Resend
from publisher.model import (
    BatchState,
    EditionState,
    Outcome,
    SubscriptionStatus,
)
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.resend import KEY, ResendServer
from tests.people import NOW, edition, newsletter, subscriber, subscription, suppression
from tests.sites import TestClock, mailbox


@pytest.fixture
def resend(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


# ---------------------------------------------------------------- planning


def test_everybody_who_asked_is_planned_once_and_the_rest_is_counted_by_reason(
    memory_store: Database, tmp_path: Path
) -> None:
    readers = people(memory_store, 30)
    pending, left, gone = readers[3], readers[7], readers[20]
    memory_store.audience.change(pending.id, "daily", SubscriptionStatus.PENDING, at=NOW, evidence={})
    memory_store.audience.change(left.id, "daily", SubscriptionStatus.UNSUBSCRIBED, at=NOW, evidence={})
    memory_store.audience.suppress(suppression(gone))

    there = approved(memory_store, Maildir("maildir", tmp_path), chunk=7)

    batches = memory_store.outbox.batches(there.id)
    planned = [subscriber for batch in batches for subscriber, _ in batch.members]
    assert sorted(planned) == sorted(r.id for r in readers if r not in (pending, left, gone))
    assert len({batch.key for batch in batches}) == len(batches)
    sums = memory_store.outbox.sums(there.id)
    assert sums.excluded == {"not confirmed": 1, "unsubscribed": 1, "suppressed: hard bounce": 1}
    assert (sums.candidates, sums.planned) == (30, 27)


def test_planning_again_changes_nothing(memory_store: Database, tmp_path: Path) -> None:
    people(memory_store, 5)
    there = approved(memory_store, Maildir("maildir", tmp_path))
    before = memory_store.outbox.batches(there.id)
    variant = memory_store.editions.variants(there.id)[0]
    capability = Maildir("maildir", tmp_path).capability
    assert (
        deliver.plan(memory_store, there, newsletter(), capability, deliver.to_all(variant)).state
        is EditionState.SENDING
    )
    assert memory_store.outbox.batches(there.id) == before


def test_somebody_who_comes_after_approval_waits_for_the_next_edition(memory_store: Database, tmp_path: Path) -> None:
    people(memory_store, 2)
    frozen = memory_store.audience.largest_id()
    memory_store.audience.add(subscriber("Late Larkin"), subscription())
    there = approved(memory_store, Maildir("maildir", tmp_path), maximum_subscriber=frozen)
    assert memory_store.outbox.sums(there.id).planned == 2


# ---------------------------------------------------------------- handing over


def test_each_reader_gets_one_message_with_a_link_of_their_own(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    readers = people(memory_store, 3)
    mailer = Maildir("maildir", tmp_path / "mail")
    there = approved(memory_store, mailer)
    tally = drain(memory_store, mailer, keys, clock)
    assert tally.outcomes == {Outcome.ACCEPTED: 3}
    mails = mailbox(tmp_path, "mail")
    assert sorted(str(mail["To"].addresses[0].addr_spec) for mail in mails) == sorted(r.email for r in readers)
    links = {str(mail["List-Unsubscribe"]) for mail in mails}
    assert len(links) == 3
    for mail in mails:
        token = str(mail["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
        public_id, slug = keys.read_unsubscribe(token)
        reader = memory_store.audience.by_public_id(public_id)
        assert reader is not None
        assert (reader.email, slug) == (mail["To"].addresses[0].addr_spec, "daily")
        assert token in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert memory_store.outbox.sums(there.id).accepted == 3


def test_draining_again_mails_nobody_again(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Maildir("maildir", tmp_path / "mail")
    approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    assert drain(memory_store, mailer, keys, clock).batches == 0
    assert len(mailbox(tmp_path, "mail")) == 3


def test_who_leaves_after_planning_is_not_mailed(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    stays, leaves = people(memory_store, 2)
    mailer = Maildir("maildir", tmp_path / "mail")
    there = approved(memory_store, mailer)
    memory_store.audience.change(leaves.id, "daily", SubscriptionStatus.UNSUBSCRIBED, at=NOW, evidence={})
    drain(memory_store, mailer, keys, clock)
    assert [mail["To"].addresses[0].addr_spec for mail in mailbox(tmp_path, "mail")] == [stays.email]
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.skipped) == (1, 1)


@pytest.mark.parametrize("fault", ["accept_then_drop", "accept_then_500", "truncated", "html", "500"])
def test_a_lost_answer_ends_with_one_message_each(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock, fault: str
) -> None:
    people(memory_store, 4)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan(fault)
    drain(memory_store, mailer, keys, clock)
    batch = memory_store.outbox.batches(there.id)[0]
    assert batch.state is BatchState.UNKNOWN
    clock.move(minutes=5)
    drain(memory_store, mailer, keys, clock)
    assert sorted(mail.recipient for mail in resend.mails) == sorted(f"reader.{n}@mail.example" for n in range(4))
    assert memory_store.outbox.sums(there.id).accepted == 4


def test_an_answer_lost_for_longer_than_keys_live_is_held_and_counted(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 4)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock)
    clock.move(hours=21)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.batches(there.id)[0].state is BatchState.HELD
    assert memory_store.outbox.sums(there.id).unknown == 4
    assert len(resend.mails) == 4


def test_an_unknown_batch_keeps_its_bytes_when_a_reader_leaves_meanwhile(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    leaves, *_ = people(memory_store, 3)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock)
    memory_store.audience.change(leaves.id, "daily", SubscriptionStatus.UNSUBSCRIBED, at=NOW, evidence={})
    clock.move(minutes=5)
    drain(memory_store, mailer, keys, clock)
    assert len(resend.mails) == 3
    assert memory_store.outbox.sums(there.id).accepted == 3


def test_a_batch_in_doubt_whose_bytes_have_changed_is_held_and_not_handed_over(
    memory_store: Database, resend: ResendServer, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    """With other bytes the key protects nobody: the provider refuses it, or takes it for another call. Here the site's
    keys were lost, and with new ones each letter has another link to leave."""
    people(memory_store, 3)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("accept_then_drop")
    drain(memory_store, mailer, keys, clock)
    clock.move(minutes=5)
    calls = len(resend.calls)
    drain(memory_store, mailer, KeyRing.load(tmp_path / "new keys", {}), clock)
    (batch,) = memory_store.outbox.batches(there.id)
    assert (batch.state, len(resend.mails), len(resend.calls)) == (BatchState.HELD, 3, calls)
    assert batch.last_error == "the same bytes cannot be made again: a reader or the mailer changed"


def test_a_full_mailer_is_left_alone_for_as_long_as_it_asks(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 2)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("429-date")
    drain(memory_store, mailer, keys, clock)
    assert "resend" in memory_store.outbox.blocked(clock.now())
    assert drain(memory_store, mailer, keys, clock).batches == 0
    clock.move(hours=1)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 2


def test_a_short_wait_that_a_mailer_asks_for_is_waited_for_with_nothing_in_hand(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 250)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("", "429", "429")
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 250
    assert clock.at - NOW <= timedelta(seconds=20)


def test_a_call_is_never_larger_than_the_mailer_takes_and_that_counts_against_nobody(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 100)
    mailer = Resend("resend", KEY, base_url=resend.url)
    mailer.capability = replace(mailer.capability, batch_bytes=10_000)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    assert len({mail.recipient for mail in resend.mails}) == len(resend.mails) == 100
    assert max(len(call.body) for call in resend.calls) <= 10_000
    assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}


def test_a_letter_that_no_call_can_carry_is_refused_by_name(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    mailer = Maildir("maildir", tmp_path / "mail")
    mailer.capability = replace(mailer.capability, batch_bytes=100)
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).rejected == 3
    assert "bytes are too large: maildir takes 100" in memory_store.outbox.rejections(there.id)[0].detail


def test_a_wrong_key_stops_the_mailer_and_loses_nobody(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 2)
    wrong = Resend("resend", "re_wrong_key", base_url=resend.url)
    there = approved(memory_store, wrong)
    tally = drain(memory_store, wrong, keys, clock)
    assert tally.misconfigured
    assert "re_wrong_key" not in tally.misconfigured
    assert memory_store.outbox.sums(there.id).waiting == 2
    clock.move(minutes=11)
    drain(memory_store, Resend("resend", KEY, base_url=resend.url), keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 2


def test_one_address_that_the_mailer_refuses_does_not_keep_the_rest_from_it(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 6)
    memory_store.audience.add(subscriber("Broken Bob", email="bob@nowhere"), subscription())
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    for _ in range(6):
        drain(memory_store, mailer, keys, clock)
        clock.move(minutes=2)
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.rejected, sums.waiting) == (6, 1, 0)
    assert len(resend.mails) == 6


def test_a_refusal_after_a_lost_answer_proves_nothing_and_is_held(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 4)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("500", "413")
    drain(memory_store, mailer, keys, clock)
    clock.move(minutes=5)
    tally = drain(memory_store, mailer, keys, clock)
    assert tally.batches == 1
    assert memory_store.outbox.sums(there.id).unknown == 4


def test_a_worker_that_died_after_its_intent_leaves_a_batch_that_settles(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    """The call was made and the process ended before the answer was kept."""
    people(memory_store, 3)
    mailer = Dying("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    with pytest.raises(KeyboardInterrupt):
        drain(memory_store, mailer, keys, clock)
    assert len(resend.mails) == 3
    clock.move(hours=1)
    memory_store.outbox.sweep(clock.now())
    drain(memory_store, Resend("resend", KEY, base_url=resend.url), keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 3
    assert len(resend.mails) == 3


class Dying(Resend):
    def submit(self, prepared):  # type: ignore[no-untyped-def]
        super().submit(prepared)
        raise KeyboardInterrupt


def test_a_reader_whom_the_mailer_keeps_deferring_is_given_up_and_listed(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    from publisher.mailers.smtp import Smtp
    from tests.fakes.smtp import Fault, SmtpServer

    people(memory_store, 2)
    with SmtpServer() as server:
        mailer = Smtp("smtp", "127.0.0.1", port=server.port, security="none")
        there = approved(memory_store, mailer)
        server.plan(Fault("RCPT", reply="451 4.7.1 later", recipient="reader.1@mail.example", times=99))
        for _ in range(24):
            drain(memory_store, mailer, keys, clock)
            clock.move(hours=1)
        assert memory_store.outbox.sums(there.id).waiting == 1, "a day is not long enough to give anybody up"
        for _ in range(36):
            drain(memory_store, mailer, keys, clock)
            clock.move(hours=1)
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.rejected, sums.waiting) == (1, 1, 0)


def test_batch_keys_come_from_what_is_sent() -> None:
    one = edition(id=1)
    key = batch_key("0" * 32, newsletter(), one, 0, ["hash"])
    assert key == batch_key("0" * 32, newsletter(), replace(one, id=99), 0, ["hash"])
    assert key == batch_key("0" * 32, newsletter("gazette", was=("daily",)), one, 0, ["hash"])
    assert key != batch_key("0" * 32, newsletter(), replace(one, slot="daily:2026-11-23"), 0, ["hash"])
    assert key != batch_key("0" * 32, newsletter(), one, 1, ["hash"])
    assert key != batch_key("0" * 32, newsletter(), one, 0, ["other"])
