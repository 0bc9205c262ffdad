"""How many messages can still leave after "stop" is said, and is never exceeded: several workers, every mailer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher import deliver, editions
from publisher.kit.tokens import KeyRing
from publisher.mailers.maildir import Maildir
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.mailers.smtp import Smtp
from publisher.model import Capability, EditionState, Outcome, Prepared, Result
from publisher.ports import Mailer
from publisher.store import Database
from tests.contracts.ledger import LATER, LEASE, accept, results, sending, submit
from tests.deliver.ledger import approved, people
from tests.fakes import mailgun, postmark, resend, ses
from tests.fakes.smtp import SmtpServer
from tests.people import NOW, newsletter, site
from tests.sites import TestClock

READERS, SIZE, WORKERS, BEFORE = 120, 5, 3, 4


@dataclass
class Gated:
    """A mailer whose calls, from one of them on, wait for the gate to open."""

    mailer: Any
    calls: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return str(self.mailer.name)

    @property
    def account(self) -> str:
        return str(self.mailer.account)

    @property
    def capability(self) -> Capability:
        return replace(self.mailer.capability, batch=SIZE)

    def prepare(self, mailing: Any) -> Prepared:
        prepared: Prepared = self.mailer.prepare(mailing)
        return prepared

    def rate(self) -> float | None:
        rate: float | None = self.mailer.rate()
        return rate

    def close(self) -> None:
        self.mailer.close()

    def submit(self, prepared: Prepared) -> tuple[Result, ...]:
        with self.turn:
            self.calls += 1
            waits = self.calls > BEFORE
        if waits:
            self.reached.set()
            assert self.gate.wait(30)
        done: tuple[Result, ...] = self.mailer.submit(prepared)
        return done


#: By kind of mailer: a server for it, the mailer, and how many messages have left.
Rig = tuple[
    Callable[[Path], AbstractContextManager[Any]],
    Callable[[Any, Path], Mailer],
    Callable[[Any, Path], int],
]


def mails(server: Any, _: Path) -> int:
    return len(server.mails)


RIGS: Mapping[str, Rig] = {
    "maildir": (
        lambda _: nullcontext(),
        lambda _, path: Maildir("maildir", path / "mail"),
        lambda _, path: len(list((path / "mail" / "new").glob("*"))),
    ),
    "smtp": (
        lambda _: SmtpServer(),
        lambda server, _: Smtp("smtp", "127.0.0.1", port=server.port, security="none"),
        lambda server, _: len(server.recipients()),
    ),
    "resend": (resend.ResendServer, lambda server, _: Resend("resend", resend.KEY, base_url=server.url), mails),
    "postmark": (
        postmark.PostmarkServer,
        lambda server, _: Postmark("postmark", postmark.TOKEN, base_url=server.url),
        mails,
    ),
    "mailgun": (
        mailgun.MailgunServer,
        lambda server, _: Mailgun("mailgun", mailgun.KEY, mailgun.DOMAIN, base_url=server.url),
        mails,
    ),
    "ses": (
        ses.SesServer,
        lambda server, _: Ses("ses", ses.REGION, ses.KEY_ID, ses.SECRET, base_url=server.url),
        mails,
    ),
}


@pytest.mark.parametrize("kind", RIGS)
def test_no_more_leave_after_a_pause_than_it_said(store: Database, tmp_path: Path, kind: str) -> None:
    server_of, mailer_of, count = RIGS[kind]
    keys = KeyRing.load(tmp_path / "keys", {})
    people(store, READERS)
    with server_of(tmp_path) as server, ThreadPoolExecutor(WORKERS) as pool:
        mailer = Gated(mailer_of(server, tmp_path))
        there = approved(store, mailer)  # type: ignore[arg-type]

        def work(number: int) -> deliver.Tally:
            daily = {"daily": newsletter()}
            clock, owner = TestClock(NOW), f"worker {number}"
            return deliver.drain(
                store,
                mailer,  # type: ignore[arg-type]
                daily,
                site=site(),
                keys=keys,
                clock=clock,
                owner=owner,
            )

        working = [pool.submit(work, number) for number in range(WORKERS)]
        assert mailer.reached.wait(30)
        paused, said = editions.pause(store, there.key, "Aoife Brennan")
        before = count(server, tmp_path)
        mailer.gate.set()
        accepted = sum(one.result().outcomes.get(Outcome.ACCEPTED, 0) for one in working)
        left = count(server, tmp_path)
    assert paused.state is EditionState.PAUSED
    in_hand = 2 * mailer.capability.in_hand * WORKERS * SIZE  # each with an answer that it has not written down yet
    assert 1 <= left - before <= said <= in_hand, "what was said is the bound, and small"
    assert accepted == left < READERS
    assert editions.resume(store, there.key).state is EditionState.SENDING


def test_a_call_that_may_still_arrive_counts(store: Database) -> None:
    """Of a worker that froze, or an answer that was lost: nobody can tell yet that it is over."""
    store.editions.sync([newsletter()], now=NOW)
    one = sending(store, [1, 2, 3], [4, 5], [6])
    accept(store)
    assert store.outbox.in_hand(one.id) == 0
    lost = submit(store)
    assert store.outbox.in_hand(one.id) == 2
    store.outbox.unknown(lost, now=NOW, next_at=LATER, error="no answer")
    assert store.outbox.in_hand(one.id) == 2
    last = submit(store)
    assert store.outbox.in_hand(one.id) == 3
    store.outbox.settle(last, results(accepted=[0]), now=NOW, next_at=LATER)
    assert store.outbox.claim("maildir", "worker", now=LATER, lease=LEASE) is not None
    assert store.outbox.in_hand(one.id) == 2


def test_a_call_of_which_nothing_tells_counts_while_its_worker_may_be_frozen(store: Database) -> None:
    """With bare SMTP nobody looks anything up, so its batch is held as soon as its lease is over."""
    now = store.now()
    store.editions.sync([newsletter()], now=now)
    one = sending(store, [1, 2, 3], [4, 5], [6])
    for intended in (now - timedelta(hours=3), now):
        store.outbox.hold(submit(store, now=intended), error="nothing tells whether it was sent")
    _, said = editions.pause(store, one.key, "Aoife Brennan")
    assert said == 2
