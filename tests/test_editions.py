"""Stopping an edition, going on, and deciding by hand what nobody else can tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import editions
from publisher.errors import Conflict
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.resend import Resend
from publisher.model import BatchState, EditionState, Prepared, Result
from publisher.store import Database
from tests.deliver.ledger import approved, drain, people
from tests.fakes.resend import KEY, ResendServer
from tests.people import EDITOR, NOW, article, items, source
from tests.sites import TestClock, mailbox

EDITION = "daily/daily:2026-11-22"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.load(tmp_path / "keys", {})


@pytest.fixture
def resend(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


class Interrupted(Maildir):
    """A Maildir during whose first call an editor does something."""

    def __init__(self, path: Path, act: object) -> None:
        super().__init__("maildir", path)
        self.act = act

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        act, self.act = self.act, None
        if callable(act):
            act()
        return super().submit(prepared)


def test_after_stop_only_what_a_worker_holds_still_leaves(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 350)
    bounds: list[int] = []
    mailer = Interrupted(tmp_path / "mail", lambda: bounds.append(editions.pause(memory_store, EDITION, EDITOR)[1]))
    approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    assert bounds == [100]
    assert len(mailbox(tmp_path, "mail")) == 100
    assert drain(memory_store, mailer, keys, clock).batches == 0
    editions.resume(memory_store, EDITION)
    drain(memory_store, mailer, keys, clock)
    assert len({str(mail["To"]) for mail in mailbox(tmp_path, "mail")}) == len(mailbox(tmp_path, "mail")) == 350


def test_a_claim_that_was_taken_before_stop_commits_no_intent_after_it(memory_store: Database, tmp_path: Path) -> None:
    people(memory_store, 3)
    there = approved(memory_store, Maildir("maildir", tmp_path))
    batch = memory_store.outbox.claim("maildir", "worker", now=NOW, lease=timedelta(minutes=1))
    assert batch is not None
    editions.pause(memory_store, EDITION, EDITOR)
    assert memory_store.outbox.intend(batch, now=NOW, payload_hash="x", skipped=frozenset()) is None
    memory_store.outbox.sweep(NOW + timedelta(minutes=2))
    assert memory_store.outbox.sums(there.id).waiting == 3


def test_a_cancelled_edition_mails_nobody_else_and_tells_who_was_reached(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 350)
    mailer = Interrupted(tmp_path / "mail", lambda: editions.cancel(memory_store, EDITION, EDITOR, now=clock.now()))
    there = approved(memory_store, mailer)
    drain(memory_store, mailer, keys, clock)
    sums = memory_store.outbox.sums(there.id)
    assert (sums.accepted, sums.cancelled, sums.waiting) == (100, 250, 0)
    assert memory_store.editions.get(EDITION).reason == f"cancelled by {EDITOR}"
    with pytest.raises(Conflict):
        editions.resume(memory_store, EDITION)


def test_an_unknown_batch_of_a_cancelled_edition_is_held_and_never_sent_again(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock
) -> None:
    people(memory_store, 4)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("500")
    drain(memory_store, mailer, keys, clock)
    editions.cancel(memory_store, EDITION, EDITOR, now=clock.now())
    clock.move(minutes=10)
    drain(memory_store, mailer, keys, clock)
    assert resend.mails == []
    assert memory_store.outbox.sums(there.id).unknown == 4
    with pytest.raises(Conflict, match="cancelled"):
        editions.resolve(memory_store, EDITION, accepted=False, now=clock.now())


@pytest.mark.parametrize(("answer", "cancelled", "unknown"), [("not taken", 3, 0), ("lost", 0, 3)])
def test_a_call_that_was_under_way_at_a_cancel_leaves_nothing_open(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, answer: str, cancelled: int, unknown: int
) -> None:
    people(memory_store, 3)
    mailer = Maildir("maildir", tmp_path)
    there = approved(memory_store, mailer)
    batch = memory_store.outbox.claim("maildir", "worker", now=NOW, lease=timedelta(minutes=1))
    assert batch is not None
    submitting = memory_store.outbox.intend(batch, now=NOW, payload_hash="x", skipped=frozenset())
    assert submitting is not None
    editions.cancel(memory_store, EDITION, EDITOR, now=NOW)
    if answer == "lost":
        memory_store.outbox.unknown(submitting, now=NOW, next_at=NOW, error="no answer")
    else:
        memory_store.outbox.back(submitting, next_at=NOW, error="429")
    memory_store.outbox.sweep(NOW)
    drain(memory_store, mailer, keys, clock)  # what was lost is looked at once more, and never handed over again
    sums = memory_store.outbox.sums(there.id)
    assert (sums.cancelled, sums.unknown, sums.waiting) == (cancelled, unknown, 0)
    assert not mailbox(tmp_path, "")
    assert memory_store.outbox.open(there.id) == 0


@pytest.mark.parametrize(("accepted", "mailed"), [(True, 0), (False, 4)])
def test_a_person_decides_what_nobody_else_can_tell(
    memory_store: Database, resend: ResendServer, keys: KeyRing, clock: TestClock, accepted: bool, mailed: int
) -> None:
    people(memory_store, 4)
    mailer = Resend("resend", KEY, base_url=resend.url)
    there = approved(memory_store, mailer)
    resend.plan("500")
    drain(memory_store, mailer, keys, clock)
    clock.move(hours=21)
    drain(memory_store, mailer, keys, clock)
    assert memory_store.outbox.batches(there.id)[0].state is BatchState.HELD
    editions.finish(memory_store, memory_store.editions.get(EDITION), now=clock.now())
    assert editions.resolve(memory_store, EDITION, accepted=accepted, now=clock.now()) == 4
    drain(memory_store, mailer, keys, clock)
    assert len(resend.mails) == mailed
    assert memory_store.outbox.sums(there.id).accepted == 4
    assert editions.resolve(memory_store, EDITION, accepted=accepted, now=clock.now()) == 0


@pytest.mark.parametrize(("begun", "told"), [(True, 1), (False, 0)])
def test_what_a_stopped_edition_had_begun_to_tell_is_not_told_again(
    memory_store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, begun: bool, told: int
) -> None:
    people(memory_store, 150)
    memory_store.sources.sync([source()], renamed={})
    bridge = memory_store.articles.add(article())
    mailer = Interrupted(tmp_path / "mail", lambda: editions.cancel(memory_store, EDITION, EDITOR, now=clock.now()))
    approved(memory_store, mailer, items=items(bridge))
    if begun:
        drain(memory_store, mailer, keys, clock)
    else:
        editions.cancel(memory_store, EDITION, EDITOR, now=clock.now())
    assert memory_store.editions.get(EDITION).state is EditionState.CANCELLED
    assert len(memory_store.editions.sent("daily")) == told
