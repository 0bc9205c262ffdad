"""What Resend tells by webhook: signed calls, told twice, late, out of order, or by somebody else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from publisher import feedback, pipeline
from publisher.app import App
from publisher.errors import StoreError
from publisher.model import EventKind, SubscriptionStatus
from publisher.web import application, hooks
from tests.fakes.resend import KEY, WEBHOOK_SECRET, Hook, Mail, ResendServer
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site, run_due
from tests.web.conftest import MORNING, client_of
from tests.web.readers import reader, status

READERS = tuple(f"reader{number}@mail.example" for number in range(6))
PERMANENT = {"type": "Permanent", "subType": "General", "message": "Gone.", "diagnosticCode": ["smtp; 550 5.1.1"]}
ODD = Hook("msg_1", b'{"type":"domain.updated","data":{}}')


@pytest.fixture
def clock() -> TestClock:
    return TestClock(at=MORNING)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, clock: TestClock, server: ResendServer) -> Iterator[App]:
    """A site whose daily edition goes through Resend to six readers."""
    resend = f'name = "resend"\nkind = "resend"\nbase_url = "{server.url}"\nwebhook_secret_env = "HOOK"\n'
    settings = SETTINGS.replace("[[mailers]]", f"[[mailers]]\n{resend}\n[[mailers]]")
    settings = settings.replace('slug = "daily"', 'slug = "daily"\nmailer = "resend"')
    secrets = {"RESEND_API_KEY": KEY, "HOOK": WEBHOOK_SECRET}
    opened = open_site(lay_out(tmp_path / "site", settings), clock, secrets)
    add_readers(opened, *READERS)
    yield opened
    opened.close()


@pytest.fixture
def client(app: App) -> TestClient:
    return client_of(app)


@pytest.fixture
def mails(app: App, clock: TestClock, server: ResendServer) -> list[Mail]:
    """The daily edition, as Resend has it."""
    run_due(app)
    clock.move(hours=1)
    assert run_due(app) == []
    assert sorted(mail.recipient for mail in server.mails) == sorted(READERS)
    return server.mails


def post(client: TestClient, hook: Hook, clock: TestClock, mailer: str = "resend") -> int:
    headers = hook.headers(clock.now())
    return client.post(f"/hooks/mail/{mailer}", content=hook.body, headers=headers).status_code


def merge(app: App) -> feedback.Tally:
    return feedback.record(app.parts.store, app.parts.keys, now=app.parts.clock.now())


# ---------------------------------------------------------------- from the provider to the reader


def test_a_call_is_kept_and_answered_before_anything_is_made_of_it(
    app: App, client: TestClient, clock: TestClock, server: ResendServer, mails: list[Mail]
) -> None:
    bounced = server.event(mails[2], "email.bounced", at=clock.now(), bounce=PERMANENT)
    assert post(client, bounced, clock) == 200
    gone = reader(app, mails[2].recipient)
    assert app.parts.store.audience.suppressed(gone.address_key, "daily") == ""
    assert app.parts.store.events.waiting()

    tally = merge(app)
    assert (tally.events, tally.suppressed) == (1, 1)
    assert app.parts.store.audience.suppressed(gone.address_key, "daily") == "hard bounce"


def test_calls_twice_late_and_out_of_order_end_as_they_should(
    app: App, client: TestClient, clock: TestClock, server: ResendServer, mails: list[Mail]
) -> None:
    sent_at = clock.now()
    hooks = [server.event(mail, "email.sent", at=sent_at) for mail in mails]
    hooks += [server.event(mail, at=sent_at + timedelta(seconds=3)) for mail in mails[:4]]
    hooks += [server.event(mails[1], "email.complained", at=sent_at + timedelta(hours=2))]
    hooks += [server.event(mails[4], "email.bounced", at=sent_at, bounce=PERMANENT)]
    hooks += [server.event(mails[5], "email.delivery_delayed", at=sent_at)]
    late, *others = random.Random(3).sample(hooks * 3, len(hooks) * 3)
    for hook in others:
        clock.move(minutes=17)
        assert post(client, hook, clock) == 200
        if hook.id[-1] in "abc":
            merge(app)
    clock.move(days=1)
    assert post(client, late, clock) == 200
    merge(app)

    edition = app.parts.store.editions.newest(1)[0]
    told = app.parts.store.events.tally(edition.id)
    assert told == {
        EventKind.DELIVERED: 4,
        EventKind.COMPLAINT: 1,
        EventKind.HARD_BOUNCE: 1,
        EventKind.DEFERRED: 1,
    }
    assert status(app, mails[1].recipient) is SubscriptionStatus.UNSUBSCRIBED
    assert status(app, mails[4].recipient) is SubscriptionStatus.CONFIRMED
    suppressed = [reader(app, mail.recipient).address_key for mail in mails]
    reasons = [app.parts.store.audience.suppressed(key, "daily") for key in suppressed]
    assert reasons == ["", "complaint", "", "", "hard bounce", ""]


def test_a_call_about_a_batch_whose_answer_was_lost_proves_its_letters(
    app: App, client: TestClient, clock: TestClock, server: ResendServer
) -> None:
    run_due(app)
    clock.move(hours=1)
    server.plan("accept_then_drop")
    for kind in ("collect", "compose"):  # an edition waits until its sources were asked
        for work in [one for one in pipeline.due(app.parts) if one.kind == kind]:
            pipeline.work(app.parts, work.kind, work.key)
    pipeline.work(app.parts, "plan", app.parts.store.editions.newest(1)[0].key)
    pipeline.deliver(app.parts, "resend")
    (lost,) = app.parts.store.outbox.batches(app.parts.store.editions.newest(1)[0].id)
    assert lost.state == "unknown"

    assert post(client, server.event(server.mails[3], "email.sent", at=clock.now()), clock) == 200
    merge(app)
    assert app.parts.store.events.positions(lost.key) == {3}


def test_what_says_nothing_to_us_is_taken_and_dropped(app: App, client: TestClient, clock: TestClock) -> None:
    assert post(client, ODD, clock) == 200
    assert not app.parts.store.events.waiting()


# ---------------------------------------------------------------- from anybody else


@pytest.mark.parametrize("stale", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_recorded_call_played_again_later_is_refused(
    app: App, client: TestClient, clock: TestClock, stale: timedelta
) -> None:
    headers = ODD.headers(clock.now() - stale)
    assert client.post("/hooks/mail/resend", content=ODD.body, headers=headers).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"svix-id": "msg_1", "svix-timestamp": "1", "svix-signature": "v1,"}])
def test_a_call_that_is_not_signed_is_refused_and_leaves_a_line(
    app: App, client: TestClient, headers: dict[str, str]
) -> None:
    with capture_logs() as logs:
        answer = client.post("/hooks/mail/resend", content=ODD.body, headers=headers)
    assert answer.status_code == 401
    assert not app.parts.store.events.waiting()
    (line,) = logs
    assert (line["event"], line["mailer"]) == ("web.hook", "resend")
    assert WEBHOOK_SECRET not in repr(logs) + answer.text


def test_a_changed_body_is_refused(client: TestClient, clock: TestClock) -> None:
    headers = ODD.headers(clock.now())
    assert client.post("/hooks/mail/resend", content=ODD.body + b" ", headers=headers).status_code == 401


@pytest.mark.parametrize("mailer", ["nobody", "maildir", "RESEND", "re%2Fsend", "resend/more"])
def test_a_mailer_that_calls_nobody_has_no_address(client: TestClient, clock: TestClock, mailer: str) -> None:
    assert post(client, ODD, clock, mailer) == 404


def test_only_calls_are_answered(client: TestClient) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert client.request(method, "/hooks/mail/resend").status_code == 405


def test_a_call_may_be_a_megabyte_long(client: TestClient) -> None:
    assert client.post("/hooks/mail/resend", content=b"x" * 1_000_000).status_code == 401
    assert client.post("/hooks/mail/resend", content=b"x" * 1_000_001).status_code == 413


def test_a_call_without_end_is_cut_off(app: App) -> None:
    read, answers = 0, []

    async def endless() -> dict[str, object]:
        nonlocal read
        read += 65_536
        assert read < 3_000_000
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    async def send(message: MutableMapping[str, Any]) -> None:
        answers.append(message.get("status"))

    scope = {"type": "http", "method": "POST", "path": "/hooks/mail/resend", "headers": [], "query_string": b""}
    asyncio.run(application(app.parts)(scope, endless, send))
    assert answers[0] == 413


def test_while_the_store_is_down_the_provider_is_asked_to_come_again(
    app: App, client: TestClient, clock: TestClock, server: ResendServer, mails: list[Mail]
) -> None:
    class Down:
        def keep(self, *_: object, **__: object) -> int:
            raise StoreError("The disk is full.")

    hook = server.event(mails[0], at=clock.now())
    there = app.parts.store.events
    app.parts.store.events = Down()  # type: ignore[assignment]
    with capture_logs():
        headers = hook.headers(clock.now())
        answer = client.post("/hooks/mail/resend", content=hook.body, headers=headers)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    app.parts.store.events = there
    assert post(client, hook, clock) == 200
    assert merge(app).events == 1


def test_a_call_that_never_comes_to_its_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens calls and says nothing would else keep all the door's places."""
    monkeypatch.setattr(hooks, "SLOWEST", 0.05)
    begun = iter([{"type": "http.request", "body": b'{"type":', "more_body": True}])

    async def receive() -> Any:
        return next(begun, None) or await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    answer = asyncio.run(asyncio.wait_for(hooks.body_of(request), 5))
    assert isinstance(answer, Response)
    assert answer.status_code == 408
