"""Mail that is no edition: each leaves once, and outlasts a mailer that is down for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import deliver, notices
from publisher.mailers.maildir import Maildir
from publisher.mailers.postmark import Postmark
from publisher.mailers.smtp import Smtp
from publisher.model import WITNESS, CircuitState, Limits, Notice, NoticeState, Terms
from publisher.store import Database
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.fakes.smtp import Fault, SmtpServer
from tests.people import NOW, rendered
from tests.sites import TestClock

ALWAYS = 10**9


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def added(store: Database, kind: str = "confirmation", *, count: int = 1, mailer: str = "smtp") -> None:
    for number in range(1, count + 1):
        store.notices.add(
            Notice(
                kind=kind,
                key=f"{mailer}:{kind}:{number}",
                address="ben.okafor@mail.example" if count == 1 else f"reader{number}@mail.example",
                rendered=rendered("Please confirm"),
                sender="The Gazette <daily@harbour-gazette.example>",
                mailer=mailer,
                created_at=NOW,
            )
        )


def pass_by(store: Database, server: SmtpServer, span: timedelta) -> int:
    """Send what waits every five minutes of that time, as after a restart. How many were sent."""
    clock, sent = TestClock(NOW), 0
    mailer = Smtp("smtp", "127.0.0.1", port=server.port, security="none")
    while clock.at <= NOW + span:
        sent += notices.drain(store, {"smtp": mailer}, clock=clock, failed=deliver.note)
        mailer.close()
        clock.move(minutes=5)
    return sent


def state(store: Database) -> NoticeState:
    return store.notices.last(1)[0].state


@pytest.mark.parametrize("reply", ["421 4.3.2 shutting down", "452 4.3.1 no room", "535 5.7.8 wrong password"])
def test_a_confirmation_outlasts_a_night_without_the_mailer(
    memory_store: Database, server: SmtpServer, reply: str
) -> None:
    added(memory_store)
    server.plan(Fault("MAIL", reply=reply, times=ALWAYS))
    assert pass_by(memory_store, server, timedelta(hours=8)) == 0
    assert state(memory_store) is NoticeState.READY
    server.mend()
    assert pass_by(memory_store, server, timedelta(hours=10)) == 1
    assert server.recipients() == ["ben.okafor@mail.example"]


def test_what_is_put_off_for_a_day_is_given_up(memory_store: Database, server: SmtpServer) -> None:
    added(memory_store)
    server.plan(Fault("RCPT", reply="451 4.7.1 greylisted", times=ALWAYS))
    pass_by(memory_store, server, timedelta(hours=23))
    assert state(memory_store) is NoticeState.READY
    pass_by(memory_store, server, timedelta(hours=26))
    assert state(memory_store) is NoticeState.FAILED


def test_a_witness_soon_gives_way_to_another(memory_store: Database, server: SmtpServer) -> None:
    added(memory_store, WITNESS)
    server.plan(Fault("RCPT", reply="451 4.7.1 greylisted", times=ALWAYS))
    pass_by(memory_store, server, timedelta(hours=1))
    assert state(memory_store) is NoticeState.FAILED


def test_what_may_have_left_is_never_sent_again(memory_store: Database, server: SmtpServer) -> None:
    added(memory_store)
    server.plan(Fault("DOT", keep=True))
    pass_by(memory_store, server, timedelta(hours=3))
    assert state(memory_store) is NoticeState.UNKNOWN
    assert len(server.received) == 1


# ---------------------------------------------------------------- limits and circuits


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    return Maildir("maildir", tmp_path / "mail")


def left(maildir: Maildir) -> int:
    return len(list((maildir.path / "new").iterdir()))


def send(store: Database, mailer: Maildir | Smtp | Postmark, clock: TestClock) -> int:
    return notices.drain(store, {mailer.name: mailer}, clock=clock, failed=deliver.note)


def test_no_more_leave_in_a_day_than_its_mailer_may_be_given_and_the_rest_on_the_next(
    store: Database, maildir: Maildir
) -> None:
    store.outbox.agree([Terms(mailer="maildir", limits=Limits(per_day=5, warm_up=5, growth=10))])
    added(store, count=12, mailer="maildir")
    clock = TestClock(NOW)
    assert send(store, maildir, clock) == 5
    assert send(store, maildir, clock) == 0
    assert [one.attempts for one in store.notices.last(7)] == [0] * 7
    clock.move(days=1)
    assert send(store, maildir, clock) == 5
    clock.move(days=1)
    assert send(store, maildir, clock) == 2
    assert store.notices.waiting() == 0


def test_they_leave_no_faster_than_the_rate(store: Database, maildir: Maildir) -> None:
    store.outbox.agree([Terms(mailer="maildir", limits=Limits(rate=1))])
    added(store, count=40, mailer="maildir")
    clock = TestClock(NOW)
    assert 30 <= send(store, maildir, clock) <= 31, "the burst of one, and one in each second that it waits"
    assert clock.at <= NOW + timedelta(seconds=31)
    clock.move(seconds=1)
    assert 9 <= send(store, maildir, clock) <= 10


def test_none_is_handed_to_a_mailer_that_takes_nothing_and_then_all_leave_once(
    memory_store: Database, server: SmtpServer
) -> None:
    added(memory_store, count=8)
    server.plan(Fault("AUTH", reply="535 5.7.8 wrong password", times=1), Fault("MAIL", reply="535 5.7.8 no", times=1))
    mailer, clock = Smtp("smtp", "127.0.0.1", port=server.port, security="none"), TestClock(NOW)
    assert send(memory_store, mailer, clock) == 0
    circuit = memory_store.outbox.circuit("smtp")
    assert (circuit.state, circuit.until) == (CircuitState.OPEN, NOW + timedelta(minutes=10))
    clock.move(minutes=9)
    assert send(memory_store, mailer, clock) == 0
    assert server.recipients() == []
    assert sum(one.attempts for one in memory_store.notices.last(8)) == 1, "the first, and no other since"
    clock.move(minutes=1)
    assert send(memory_store, mailer, clock) == 8
    mailer.close()
    assert sorted(server.recipients()) == [f"reader{number}@mail.example" for number in range(1, 9)]
    assert memory_store.outbox.circuit("smtp").state is CircuitState.CLOSED


def test_a_mailer_that_asks_to_wait_is_given_nothing_until_then(memory_store: Database, tmp_path: Path) -> None:
    added(memory_store, count=3, mailer="postmark")
    clock = TestClock(NOW)
    with PostmarkServer(tmp_path, clock=lambda: clock.at) as server:
        server.plan("429-hour")
        mailer = Postmark("postmark", TOKEN, base_url=server.url)
        assert send(memory_store, mailer, clock) == 0
        clock.move(minutes=59)
        assert send(memory_store, mailer, clock) == 0
        assert len(server.calls) == 1
        clock.move(minutes=1)
        assert send(memory_store, mailer, clock) == 3
        mailer.close()
        assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 3


def test_calls_whose_answers_are_lost_open_the_circuit_as_those_of_batches_do(
    memory_store: Database, tmp_path: Path
) -> None:
    added(memory_store, count=9, mailer="postmark")
    clock = TestClock(NOW)
    with PostmarkServer(tmp_path, clock=lambda: clock.at) as server:
        server.plan(*["accept_then_drop"] * 9)
        mailer = Postmark("postmark", TOKEN, base_url=server.url)
        assert send(memory_store, mailer, clock) == 0
        mailer.close()
        assert len(server.mails) == 5
    assert memory_store.outbox.circuit("postmark").state is CircuitState.OPEN
    assert memory_store.notices.waiting() == 4
