"""Somebody changes the account behind a mailer while answers are missing: what the old one took is not mailed again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.model import BatchState, Edition, EventKind, MailEvent, Sums
from publisher.store import Database
from tests.contracts.ledger import LEASE
from tests.deliver.ledger import approved, drain, people
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.fakes.postmark_rules import Stream
from tests.fakes.resend import KEY, ResendServer
from tests.people import NOW
from tests.sites import TestClock


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW, tick=timedelta(seconds=1))


@pytest.fixture
def postmark(tmp_path: Path, clock: TestClock) -> Iterator[PostmarkServer]:
    with PostmarkServer(tmp_path, clock=lambda: clock.at) as server:
        server.streams["news"] = Stream()
        yield server


def held(store: Database, there: Edition, mailer: str) -> bool:
    (batch,) = store.outbox.batches(there.id)
    why = f"it was handed to another account of {mailer} than the settings name now"
    return (batch.state, batch.last_error) == (BatchState.HELD, why)


def test_what_one_stream_took_is_not_searched_for_in_another(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 5)
    there = approved(memory_store, Postmark("postmark", TOKEN, base_url=postmark.url))
    postmark.plan("accept_then_drop")
    drain(memory_store, Postmark("postmark", TOKEN, base_url=postmark.url), keys, clock)
    assert len(postmark.mails) == 5

    changed = Postmark("postmark", TOKEN, base_url=postmark.url, stream="news")
    clock.move(minutes=6)
    approved(memory_store, changed, slot="manual:later")  # the other stream shows this one
    for _ in range(3):
        drain(memory_store, changed, keys, clock)
        clock.move(minutes=15)
    assert len(postmark.mails) == 10, "two editions"
    assert held(memory_store, there, "postmark")

    (batch,) = memory_store.outbox.batches(there.id)
    events = [
        MailEvent(event_id=str(at), kind=EventKind.DELIVERED, at=NOW, recipient="", batch=batch.key, position=at)
        for at in range(5)
    ]
    memory_store.events.keep("postmark", events, at=clock.now())
    with memory_store.transaction() as together:
        together.events.merge(together.events.take(10), at=clock.now())
    memory_store.outbox.prove(clock.now())
    assert memory_store.outbox.sums(there.id) == Sums(candidates=5, planned=5, accepted=5)


def test_the_same_account_made_anew_still_finds_what_it_took(
    memory_store: Database, postmark: PostmarkServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 5)
    there = approved(memory_store, Postmark("postmark", TOKEN, base_url=postmark.url))
    postmark.plan("accept_then_drop")
    for slot in ("manual:later", "manual:last"):
        mailer = Postmark("postmark", f" {TOKEN}\n", base_url=f"{postmark.url}/", webhook_user="hook", patience=30)
        drain(memory_store, mailer, keys, clock)
        clock.move(minutes=15)
        approved(memory_store, mailer, slot=slot)
        drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.sums(there.id).accepted == 5
    assert len(postmark.mails) == 15, "three editions"


def test_another_account_does_not_know_the_key_and_is_handed_nothing_again(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 5)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    with (
        ResendServer(tmp_path / "a", clock=lambda: clock.at) as one,
        ResendServer(tmp_path / "b", clock=lambda: clock.at) as two,
    ):
        there = approved(memory_store, Resend("resend", KEY, base_url=one.url))
        one.plan("accept_then_drop")
        drain(memory_store, Resend("resend", KEY, base_url=one.url), keys, clock)
        clock.move(minutes=6)
        drain(memory_store, Resend("resend", KEY, base_url=two.url), keys, clock)
        assert (len(one.mails), len(two.mails)) == (5, 0)
        assert held(memory_store, there, "resend")


def test_what_is_in_doubt_in_one_folder_is_not_written_to_another(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 3)
    first, second = Maildir("maildir", tmp_path / "first"), Maildir("maildir", tmp_path / "second")
    there = approved(memory_store, first)
    claimed = memory_store.outbox.claim("maildir", "killed", now=clock.now(), lease=LEASE)
    assert claimed is not None
    memory_store.outbox.intend(claimed, now=clock.now(), payload_hash="abc", skipped=frozenset(), account=first.account)
    clock.move(minutes=5)
    memory_store.outbox.sweep(clock.now())
    drain(memory_store, second, keys, clock)
    assert held(memory_store, there, "maildir")
    assert not (tmp_path / "second").exists()
