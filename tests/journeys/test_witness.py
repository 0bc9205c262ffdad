"""The last call of an edition has no answer, and nothing else is sent for a day: it is cleared up all the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from publisher import notices
from publisher.app import App
from publisher.model import EditionState, NoticeState
from tests.fakes.mailgun import KEY, MailgunServer
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.people import NOW
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site, run_due

EDITION = "daily/daily:2026-11-22"
READERS = [f"reader{number}@mail.example" for number in range(5)]
ENVIRONMENT = {"POSTMARK_SERVER_TOKEN": TOKEN, "MAILGUN_API_KEY": KEY}
LAG = timedelta(minutes=3)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW, tick=timedelta(milliseconds=1))


@pytest.fixture(params=["postmark", "mailgun"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, clock: TestClock
) -> Iterator[PostmarkServer | MailgunServer]:
    kinds = {"postmark": PostmarkServer, "mailgun": MailgunServer}
    with kinds[request.param](tmp_path, clock=lambda: clock.at, lag=LAG) as started:
        yield started


@pytest.fixture
def app(tmp_path: Path, clock: TestClock, server: PostmarkServer | MailgunServer) -> Iterator[App]:
    """An edition whose only call waits to be made."""
    post = isinstance(server, PostmarkServer)
    kind = 'kind = "postmark"' if post else 'kind = "mailgun"\ndomain = "mg.harbour-gazette.example"'
    settings = SETTINGS.replace('kind = "maildir"', f'{kind}\nbase_url = "{server.url}"')
    opened = open_site(lay_out(tmp_path / "site", settings), clock, ENVIRONMENT)
    add_readers(opened, *READERS)
    run_due(opened)
    clock.move(hours=1)
    yield opened
    opened.close()


def later(app: App, clock: TestClock, *, hours: int) -> None:
    """What a night without further mail brings."""
    for _ in range(hours * 6):
        clock.move(minutes=10)
        run_due(app, rounds=2)


def arrived(server: PostmarkServer | MailgunServer) -> list[str]:
    return sorted(mail.recipient for mail in server.mails if mail.recipient in READERS)


@pytest.mark.parametrize("fault", ["500", "accept_then_drop"])
def test_one_message_to_ourselves_tells_what_became_of_the_last_call(
    app: App, server: PostmarkServer | MailgunServer, clock: TestClock, fault: str
) -> None:
    server.plan(fault)
    run_due(app)
    assert app.parts.store.outbox.sums(app.parts.store.editions.get(EDITION).id).unknown == 5
    later(app, clock, hours=2)
    assert arrived(server) == READERS
    edition = app.parts.store.editions.get(EDITION)
    sums = app.parts.store.outbox.sums(edition.id)
    assert (edition.state, sums.accepted, sums.unknown) == (EditionState.DONE, 5, 0)
    ours = [mail.recipient for mail in server.mails if mail.recipient not in READERS]
    assert ours == ["editor@harbour-gazette.example"]


def test_where_nothing_is_shown_a_few_witnesses_are_made_and_a_person_decides(
    app: App, server: PostmarkServer | MailgunServer, clock: TestClock
) -> None:
    server.lag = timedelta(days=30)
    server.plan("500")
    run_due(app)
    later(app, clock, hours=3)
    mailer = next(iter(app.parts.mailers))
    witnesses = app.parts.store.notices.witnesses(mailer, NOW)
    assert [one.state for one in witnesses] == [NoticeState.SENT], "one for each need"
    assert app.parts.store.outbox.sums(app.parts.store.editions.get(EDITION).id).unknown == 5
    clock.move(hours=48)
    run_due(app)
    assert "held" in {
        str(one.state) for one in app.parts.store.outbox.batches(app.parts.store.editions.get(EDITION).id)
    }
    assert arrived(server) == []


def test_witnesses_that_fail_are_tried_again_at_another_address_a_few_times_a_day(app: App, clock: TestClock) -> None:
    def wanted() -> bool:
        lost, parts = NOW, app.parts
        sender = "The Gazette <daily@harbour-gazette.example>"
        return notices.witness(
            parts.store,
            "maildir",
            lost,
            lost + timedelta(minutes=1),
            sender=sender,
            site=parts.site,
            templates=parts.templates,
            now=clock.at,
        )

    for _ in range(10):
        if wanted():
            assert not wanted(), "one is on its way"
            claimed = app.parts.store.notices.claim(now=clock.at, lease=timedelta(minutes=1))
            assert claimed is not None
            app.parts.store.notices.settle(claimed.id, NoticeState.FAILED, now=clock.at, error="no such address")
        clock.move(minutes=1)
    made = app.parts.store.notices.witnesses("maildir", NOW)
    assert len(made) == notices.WITNESSES
    assert {one.address for one in made} == {"editor@harbour-gazette.example", "daily@harbour-gazette.example"}
    clock.move(hours=24)
    assert wanted()
