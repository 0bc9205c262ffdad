"""A newsroom that sets no rate gets its mail out at what the account allows, and nobody is given up for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.model import Limits, Prepared, Result, Terms
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.resend import KEY, ResendServer
from tests.fakes.ses import KEY_ID, REGION, SECRET, SENDING_ONLY_KEY_ID, SesServer
from tests.fakes.sns import TOPIC
from tests.people import NOW
from tests.sites import TestClock

RATE = 14.0


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW, tick=timedelta(milliseconds=5))


def ses(server: SesServer, key_id: str = KEY_ID) -> Ses:
    return Ses("ses", REGION, key_id, SECRET, base_url=server.url, topic_arn=TOPIC)


def test_ses_is_given_what_the_account_allows(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 700)
    with SesServer(tmp_path, clock=lambda: clock.at, rate=RATE) as server:
        mailer = ses(server)
        there = approved(memory_store, mailer)
        for _ in range(20):
            drain(memory_store, mailer, keys, clock)
            clock.move(seconds=5)  # as the schedule does
            if not memory_store.outbox.sums(there.id).waiting:
                break
        took = clock.at - NOW
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 700
    assert took < 1.5 * timedelta(seconds=700 / RATE)
    assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}


def test_resend_is_given_what_the_team_may_ask(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    """Two calls a second, of a hundred letters each."""
    people(memory_store, 2000)
    with ResendServer(tmp_path, clock=lambda: clock.at, rate=2) as server:
        mailer = Resend("resend", KEY, base_url=server.url)
        there = approved(memory_store, mailer)
        for _ in range(20):
            drain(memory_store, mailer, keys, clock)
            if not memory_store.outbox.sums(there.id).waiting:
                break
            clock.move(seconds=5)
        took = clock.at - NOW
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 2000
    assert took < 2 * timedelta(seconds=10)
    assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}


def test_somebody_else_on_the_account_costs_time_and_no_reader(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    """What SES takes is less than it says: half of each call is too much."""
    people(memory_store, 140)
    with SesServer(tmp_path, clock=lambda: clock.at, rate=RATE / 2) as server:
        server.account = {"SendQuota": {"MaxSendRate": RATE, "Max24HourSend": 50_000, "SentLast24Hours": 0}}
        mailer = ses(server)
        there = approved(memory_store, mailer)
        for _ in range(100):
            drain(memory_store, mailer, keys, clock)
            clock.move(seconds=5)
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 140
    assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}


def test_an_account_that_cannot_be_asked_loses_nobody(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 300)
    with SesServer(tmp_path, clock=lambda: clock.at, rate=RATE) as server:
        mailer = ses(server, SENDING_ONLY_KEY_ID)
        there = approved(memory_store, mailer)
        for _ in range(60):
            drain(memory_store, mailer, keys, clock)
            clock.move(minutes=1)
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 300
    assert {batch.deferrals for batch in memory_store.outbox.batches(there.id)} == {0}


class Watched(Resend):
    """Notes when it was handed how many letters."""

    def __init__(self, clock: TestClock, url: str) -> None:
        super().__init__("resend", KEY, base_url=url)
        self._clock = clock
        self.calls: list[tuple[datetime, int]] = []

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        self.calls.append((self._clock.at, len(prepared.letters)))
        return super().submit(prepared)


def test_what_is_handed_over_again_keeps_to_the_rate_as_well(
    memory_store: Database, tmp_path: Path, keys: KeyRing
) -> None:
    """Many answers are lost in one outage, and all their batches are tried again when it is over."""
    clock = TestClock(NOW)
    memory_store.outbox.agree([Terms(mailer="resend", limits=Limits(rate=10), batch=100)])
    people(memory_store, 60)
    with ResendServer(tmp_path, clock=lambda: clock.at) as server:
        mailer = Watched(clock, server.url)
        approved(memory_store, mailer)
        server.plan(*["accept_then_drop"] * 4)
        drain(memory_store, mailer, keys, clock)
        clock.move(hours=1)
        drain(memory_store, mailer, keys, clock)
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 60
    assert sum(size for _, size in mailer.calls) == 100
    for at, _ in mailer.calls:
        assert sum(size for when, size in mailer.calls if at <= when < at + timedelta(seconds=1)) <= 10


def test_a_rate_in_the_settings_holds_whatever_the_mailer_says(memory_store: Database) -> None:
    outbox = memory_store.outbox
    outbox.agree([Terms(mailer="ses", limits=Limits(rate=5.0))])
    outbox.tell_rate("ses", 14.0)
    assert outbox.largest("ses") == 5
    outbox.agree([Terms(mailer="ses")])
    assert outbox.largest("ses") == 14
    outbox.tell_rate("ses", 0.0)
    assert outbox.largest("ses") == 0


def test_another_setting_that_changes_leaves_a_told_rate_as_it_is(memory_store: Database, tmp_path: Path) -> None:
    """A rate that began anew at nothing would take a quarter of an hour to be of use."""
    outbox = memory_store.outbox
    outbox.agree([Terms(mailer="maildir", limits=Limits(per_day=1000))])
    people(memory_store, 40)
    approved(memory_store, Maildir("maildir", tmp_path))
    outbox.tell_rate("maildir", 20.0)
    minute = timedelta(minutes=1)
    first = outbox.claim("maildir", "worker", now=NOW, lease=minute)
    outbox.agree([Terms(mailer="maildir", limits=Limits(per_day=2000))])
    assert first is not None
    assert first.size == 20
    assert outbox.claim("maildir", "worker", now=NOW, lease=minute) is None
    assert outbox.waits("maildir", NOW) == NOW + timedelta(seconds=1)
