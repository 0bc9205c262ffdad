"""Hubs: asked, sure of us, renewed, left; and what they deliver."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from publisher import pipeline
from publisher.app import App
from publisher.errors import SourceInvalid
from publisher.fetchers.websub import hub_of
from publisher.model import HubLink
from tests.fakes.hub import FeedWithHub
from tests.sites import SETTINGS, TestClock, lay_out, open_site
from tests.web.conftest import client_of

PUBLIC = "https://news.harbour-gazette.example"


def settings(there: FeedWithHub, *, allow_private: bool = True) -> str:
    entry = f'slug = "harbour"\nkind = "syndication"\nurl = "{there.url}/feed"\n'
    entry += f"allow_private = {str(allow_private).lower()}\n"
    return SETTINGS.replace("\n[[feeds]]", f"\n[[sources]]\n{entry}\n[[feeds]]", 1)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[FeedWithHub]:
    with FeedWithHub(tmp_path, silent=True) as there:
        there.publish("ferry", "The ferry returns")
        yield there


@pytest.fixture
def app(tmp_path: Path, there: FeedWithHub, clock: TestClock) -> Iterator[App]:
    """A site that has asked the hub, which has not said anything yet."""
    opened = open_site(lay_out(tmp_path / "site", settings(there)), clock)
    pipeline.collect(opened.parts, "harbour")
    ask_hubs(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(app: App) -> TestClient:
    return client_of(app)


def ask_hubs(app: App) -> int:
    due = [work for work in pipeline.due(app.parts) if work.kind == "websub"]
    for work in due:
        pipeline.work(app.parts, work.kind, work.key)
    return len(due)


def path(there: FeedWithHub) -> str:
    """Where the hub was asked to call."""
    return there.asked[0]["hub.callback"].removeprefix(PUBLIC)


def make_sure(client: TestClient, there: FeedWithHub, **changes: str) -> tuple[int, str]:
    told = {
        "hub.mode": "subscribe",
        "hub.topic": f"{there.url}/feed",
        "hub.challenge": "c1",
        "hub.lease_seconds": "900",
    }
    answer = client.get(path(there), params={**told, **changes})
    return answer.status_code, answer.text


def deliver(client: TestClient, there: FeedWithHub, algorithm: str = "sha256", *, secret: str = "") -> int:
    body = b"<rss><channel><item><title>Invented</title></item></channel></rss>"
    secret = secret or there.asked[0]["hub.secret"]
    signature = hmac.new(secret.encode(), body, getattr(hashlib, algorithm)).hexdigest()
    headers = {"X-Hub-Signature": f"{algorithm}={signature}"}
    return client.post(path(there), content=body, headers=headers).status_code


def is_due(app: App) -> bool:
    return "harbour" in app.parts.store.sources.due(app.parts.clock.now())


def test_the_hub_that_a_feed_names_is_asked_once(app: App, there: FeedWithHub, clock: TestClock) -> None:
    (form,) = there.asked
    assert (form["hub.mode"], form["hub.topic"]) == ("subscribe", f"{there.url}/feed")
    assert form["hub.callback"].startswith(f"{PUBLIC}/hooks/websub/")
    assert len(form["hub.secret"]) >= 32
    assert int(form["hub.lease_seconds"]) > 0
    pipeline.collect(app.parts, "harbour")
    assert ask_hubs(app) == 0


def test_the_hub_is_told_that_we_did_ask_and_nobody_else_is(app: App, there: FeedWithHub, client: TestClient) -> None:
    assert make_sure(client, there, **{"hub.topic": "https://elsewhere.example/feed"})[0] == 404
    assert make_sure(client, there, **{"hub.mode": "unsubscribe"})[0] == 404
    assert make_sure(client, there, **{"hub.challenge": ""})[0] == 404
    assert client.get("/hooks/websub/guessed", params={"hub.mode": "subscribe"}).status_code == 404
    assert make_sure(client, there) == (200, "c1")


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_what_a_hub_delivers_makes_the_source_due_and_is_not_believed(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock, algorithm: str
) -> None:
    make_sure(client, there)
    clock.move(seconds=1)
    assert not is_due(app)
    assert deliver(client, there, algorithm) == 202
    assert is_due(app)
    titles = [article.revision.title for article in app.parts.store.articles.each()]
    assert "Invented" not in titles


def test_what_is_not_signed_as_agreed_is_ignored(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock
) -> None:
    make_sure(client, there)
    clock.move(seconds=1)
    with capture_logs() as logs:
        assert deliver(client, there, secret="another secret") == 202
        for signature in ("", "md5=00", "sha256=00", "sha256=zz", "sha1=" + "0" * 64):
            assert client.post(path(there), content=b"x", headers={"X-Hub-Signature": signature}).status_code == 202
    assert not is_due(app)
    assert len(logs) == 6
    assert there.asked[0]["hub.secret"] not in str(logs)
    assert path(there).rpartition("/")[2] not in str(logs)


def test_a_lease_is_renewed_before_it_ends(app: App, there: FeedWithHub, client: TestClient, clock: TestClock) -> None:
    make_sure(client, there)  # for a quarter of an hour
    clock.move(minutes=9)
    assert ask_hubs(app) == 0
    clock.move(minutes=2)
    assert ask_hubs(app) == 1
    assert there.asked[1] == there.asked[0]
    assert make_sure(client, there) == (200, "c1")
    clock.move(minutes=9)
    assert ask_hubs(app) == 0


def test_a_hub_that_says_nothing_or_no_is_asked_again_later(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock
) -> None:
    clock.move(minutes=61)
    assert ask_hubs(app) == 1
    assert make_sure(client, there, **{"hub.mode": "denied", "hub.reason": "not\nyou"}) == (200, "")
    clock.move(hours=23)
    assert ask_hubs(app) == 0
    clock.move(hours=2)
    assert ask_hubs(app) == 1


def test_the_hub_of_a_source_that_is_gone_is_left(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock, tmp_path: Path
) -> None:
    make_sure(client, there)
    app.close()
    without = open_site(lay_out(tmp_path / "site", SETTINGS), clock)
    assert deliver(client_of(without), there) == 410
    with pytest.raises(SourceInvalid, match="private"):  # who allowed private addresses is gone as well
        ask_hubs(without)
    assert make_sure(client_of(without), there, **{"hub.mode": "unsubscribe"}) == (200, "c1")
    assert without.parts.store.hubs.find(path(there).rpartition("/")[2]) is None
    without.close()


def test_a_feed_that_names_its_hub_no_more_takes_leave_of_it(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock
) -> None:
    make_sure(client, there)
    there.names_hub = False
    pipeline.collect(app.parts, "harbour")
    assert ask_hubs(app) == 1
    assert [form["hub.mode"] for form in there.asked] == ["subscribe", "unsubscribe"]
    clock.move(days=1)  # it never answered, and the lease has ended
    assert ask_hubs(app) == 1
    assert len(there.asked) == 2


def test_after_a_move_the_hub_is_asked_to_call_the_new_address(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock, tmp_path: Path
) -> None:
    make_sure(client, there)
    app.close()
    moved = settings(there).replace(PUBLIC, "https://feeds.harbour-gazette.example")
    again = open_site(lay_out(tmp_path / "site", moved), clock)
    pipeline.collect(again.parts, "harbour")
    ask_hubs(again)
    assert [form["hub.mode"] for form in there.asked] == ["subscribe", "unsubscribe", "subscribe"]
    assert there.asked[2]["hub.callback"].startswith("https://feeds.harbour-gazette.example/hooks/websub/")
    again.close()


def test_a_hub_at_a_private_address_is_asked_nothing(app: App, there: FeedWithHub, clock: TestClock) -> None:
    (source,) = [one for one in app.parts.sources if one.slug == "harbour"]
    lease = app.parts.store.hubs.find(path(there).rpartition("/")[2])
    assert lease
    with pytest.raises(SourceInvalid, match="private"):
        app.parts.hubs.ask(lease, "subscribe", allow_private=False)
    assert source.allow_private  # so the first time it was
    assert len(there.asked) == 1


FEED = "https://harbour.example/feed"
BOTH = HubLink(hub="https://hub.example/", topic=FEED)


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        ("<rss/>", {"Link": f'<https://hub.example/>; rel="hub", <{FEED}>; rel=self'}, BOTH),
        (f"<feed><link rel='hub' href='https://hub.example/'/><link href='{FEED}' rel='self'/></feed>", {}, BOTH),
        (f'<rss><a:link rel="self" href="{FEED}"/><a:link rel="hub" href="https://hub.example/"/></rss>', {}, BOTH),
        ("<rss><atom:link href='https://hub.example/' rel='hub'/></rss>", {}, BOTH),  # it is where it was asked
        ('{"version":"1.1","hubs":[{"type":"WebSub","url":"https://hub.example/"}]}', {}, BOTH),
        ("<feed><entry><link rel='hub' href='https://hub.example/'/></entry></feed>", {}, HubLink()),
        ("<feed><link rel='hub' href='javascript:x'/></feed>", {}, HubLink()),
        ("<rss/>", {"Link": "<<<>;;rel=hub"}, HubLink()),
        ('{"hubs":[{"type":"rssCloud","url":"https://hub.example/"}]}', {}, HubLink()),
        ("\x00\xff", {}, HubLink()),
    ],
)
def test_how_a_feed_names_its_hub(body: str, headers: dict[str, str], found: HubLink) -> None:
    assert hub_of(body.encode("latin-1"), headers, FEED) == found


def test_a_lease_that_is_never_longer_than_a_year_and_never_no_time(
    app: App, there: FeedWithHub, client: TestClient, clock: TestClock
) -> None:
    for seconds, length in (("1", timedelta(minutes=1)), ("9" * 30, timedelta(days=1)), ("soon", timedelta(days=1))):
        make_sure(client, there, **{"hub.lease_seconds": seconds})
        lease = app.parts.store.hubs.find(path(there).rpartition("/")[2])
        assert lease
        assert lease.until == clock.now() + length
