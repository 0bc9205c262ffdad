"""Several batches in hand at once: how many, and what becomes of them when somebody says stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from publisher import deliver, editions
from publisher.errors import MailerMisconfigured, StoreError, TryLater
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.model import BatchState, EditionState, Outcome, Prepared, Result
from publisher.store import Database, open_store
from tests.deliver.ledger import approved, people
from tests.people import newsletter, site
from tests.sites import TestClock, mailbox

SIZE = 5  # letters a batch


class Gate(Maildir):
    """A Maildir with several calls at once, of which none ends before `together` are under way."""

    def __init__(self, path: Path, *, calls: int, together: int) -> None:
        super().__init__("maildir", path)
        self.capability = replace(Maildir.capability, batch=SIZE, calls=calls, in_hand=calls + 1)
        self._barrier = threading.Barrier(together, timeout=20)
        self._turn = threading.Lock()
        self.now = self.most = self.calls = 0
        self.during: Callable[[int], None] = lambda _: None

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        with self._turn:
            self.now, self.calls = self.now + 1, self.calls + 1
            self.most, number = max(self.most, self.now), self.calls
        try:
            if number <= self._barrier.parties:
                self._barrier.wait()
            self.during(number)
            return super().submit(prepared)
        finally:
            with self._turn:
                self.now -= 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """In a file: in memory, all threads would share one connection."""
    database = open_store(f"sqlite:///{tmp_path / 'publisher.db'}")
    yield database
    database.close()


def drain(store: Database, mailer: Maildir, keys: KeyRing, clock: TestClock) -> deliver.Tally:
    return deliver.drain(store, mailer, {"daily": newsletter()}, site=site(), keys=keys, clock=clock, owner="worker")


def addresses(tmp_path: Path) -> list[str]:
    return sorted(mail["To"].addresses[0].addr_spec for mail in mailbox(tmp_path, "mail"))


def test_calls_overlap_up_to_what_the_mailer_takes_and_everybody_has_one_message(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    readers = people(store, 60)
    mailer = Gate(tmp_path / "mail", calls=3, together=3)
    there = approved(store, mailer)
    tally = drain(store, mailer, keys, clock)
    assert mailer.most == 3
    assert (tally.batches, tally.outcomes) == (12, {Outcome.ACCEPTED: 60})
    assert addresses(tmp_path) == sorted(reader.email for reader in readers)
    assert store.outbox.sums(there.id).accepted == 60


def test_after_stop_only_what_is_in_hand_leaves(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(store, 200)
    mailer = Gate(tmp_path / "mail", calls=3, together=3)
    there = approved(store, mailer)
    mailer.during = lambda _: clock.stopping.set()
    drain(store, mailer, keys, clock)
    left = len(addresses(tmp_path))
    assert 3 * SIZE <= left <= mailer.capability.in_hand * SIZE
    sums = store.outbox.sums(there.id)
    assert (sums.accepted, sums.waiting) == (left, 200 - left)


def test_after_pause_only_what_is_in_hand_leaves_and_resuming_sends_the_rest(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    readers = people(store, 200)
    mailer = Gate(tmp_path / "mail", calls=3, together=3)
    there = approved(store, mailer)
    once = threading.Lock()

    def pause(_number: int) -> None:
        if once.acquire(blocking=False):
            store.editions.move(there.key, [EditionState.SENDING], EditionState.PAUSED)

    mailer.during = pause
    drain(store, mailer, keys, clock)
    assert 3 * SIZE <= len(addresses(tmp_path)) <= mailer.capability.in_hand * SIZE + 3 * SIZE
    editions.resume(store, there.key)
    drain(store, mailer, keys, clock)
    assert addresses(tmp_path) == sorted(reader.email for reader in readers)


@pytest.mark.parametrize("error", [TryLater("busy"), MailerMisconfigured("wrong key")])
def test_a_mailer_that_wants_to_be_left_alone_is_called_by_no_hand_any_more(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, error: Exception
) -> None:
    people(store, 200)
    mailer = Gate(tmp_path / "mail", calls=3, together=3)
    there = approved(store, mailer)

    def fail(_number: int) -> None:
        raise error

    mailer.during = fail
    drain(store, mailer, keys, clock)
    assert mailer.calls <= mailer.capability.in_hand
    assert store.outbox.sums(there.id).waiting == 200


def test_what_was_answered_is_kept_when_the_next_batch_cannot_be_taken(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(store, 20)
    mailer = Maildir("maildir", tmp_path / "mail")
    mailer.capability = replace(Maildir.capability, batch=SIZE)
    there = approved(store, mailer)
    made = mailer.prepare

    def full(mailing: object) -> Prepared:
        if mailbox(tmp_path, "mail"):
            raise StoreError("the disk is full")
        return made(mailing)  # type: ignore[arg-type]

    monkeypatch.setattr(mailer, "prepare", full)
    with pytest.raises(StoreError):
        drain(store, mailer, keys, clock)
    states = [batch.state for batch in store.outbox.batches(there.id)]
    assert states == [BatchState.ACCEPTED, BatchState.CLAIMED, BatchState.READY, BatchState.READY]


def test_a_bug_in_one_hand_is_raised_when_the_others_have_written_down_theirs(
    store: Database, tmp_path: Path, keys: KeyRing, clock: TestClock
) -> None:
    people(store, 200)
    mailer = Gate(tmp_path / "mail", calls=3, together=3)
    there = approved(store, mailer)

    def bug(number: int) -> None:
        if number == 2:
            raise ZeroDivisionError

    mailer.during = bug
    with pytest.raises(ZeroDivisionError):
        drain(store, mailer, keys, clock)
    states = [batch.state for batch in store.outbox.batches(there.id)]
    assert states.count(BatchState.SUBMITTING) == 1
    assert store.outbox.sums(there.id).accepted == len(addresses(tmp_path))
