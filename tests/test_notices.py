"""Mail that is no edition: each leaves once, and outlasts a mailer that is down for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from publisher import notices
from publisher.mailers.smtp import Smtp
from publisher.model import WITNESS, Notice, NoticeState
from publisher.store import Database
from tests.fakes.smtp import Fault, SmtpServer
from tests.people import NOW, rendered
from tests.sites import TestClock

ALWAYS = 10**9


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


def added(store: Database, kind: str = "confirmation") -> None:
    store.notices.add(
        Notice(
            kind=kind,
            key=f"{kind}:1",
            address="ben.okafor@mail.example",
            rendered=rendered("Please confirm"),
            sender="The Gazette <daily@harbour-gazette.example>",
            mailer="smtp",
            created_at=NOW,
        )
    )


def pass_by(store: Database, server: SmtpServer, span: timedelta) -> int:
    """Send what waits every five minutes of that time, as after a restart. How many were sent."""
    clock, sent = TestClock(NOW), 0
    mailer = Smtp("smtp", "127.0.0.1", port=server.port, security="none")
    while clock.at <= NOW + span:
        sent += notices.drain(store, {"smtp": mailer}, clock=clock)
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
    server.plan(Fault("MAIL", reply=reply, times=15))  # about ten hours of attempts
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
