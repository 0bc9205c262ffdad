"""Articles that are pushed, and sources that are told of: signed calls, forged ones, late ones, repeated ones."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from publisher import pipeline
from publisher.app import App
from publisher.errors import SettingsError
from tests import signing
from tests.sites import SETTINGS, TestClock, lay_out, open_site, run_due
from tests.web.conftest import client_of

PUSH = '\n[[sources]]\nslug = "wire"\nkind = "push"\nwebhook_secret_env = "WIRE"\n\n[[feeds]]'
GHOST = 'slug = "blog"\nkind = "ghost"\nurl = "https://blog.example"\nwebhook_secret_env = "BLOG"'
OF_A_SITE = f"\n[[sources]]\n{GHOST}\n\n[[feeds]]"
SITE = SETTINGS.replace("\n[[feeds]]", PUSH, 1).replace("\n[[feeds]]", OF_A_SITE, 1)
SECRETS = {"WIRE": signing.SECRET, "BLOG": signing.SECRET}

FLOOD: dict[str, Any] = {
    "id": "flood-1",
    "url": "https://harbour-gazette.example/flood",
    "title": "The quay is closed until the flood is over",
    "content_html": '<p>Since six, <a href="/map">nobody</a> may pass.</p><script>alert(1)</script>',
    "date_published": "2026-11-22T05:55:00Z",
    "authors": [{"name": "Niamh Casey"}],
    "categories": ["Harbour"],
    "tags": ["flood"],
}


@pytest.fixture
def app(tmp_path: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(lay_out(tmp_path / "site", SITE), clock, SECRETS)
    for slug in ("newsroom", "wire"):
        pipeline.collect(opened.parts, slug)
    clock.move(seconds=1)
    yield opened
    opened.close()


@pytest.fixture
def client(app: App) -> TestClient:
    return client_of(app)


def push(client: TestClient, clock: TestClock, told: object, *, to: str = "/wire", **signed: Any) -> httpx.Response:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    headers = signing.standard(body, clock.now(), **signed)
    return client.post(f"/hooks/articles{to}", content=body, headers=headers)


def titles(app: App) -> list[str]:
    return [article.revision.title for article in app.parts.store.articles.each() if article.source == "wire"]


# ---------------------------------------------------------------- articles


def test_a_pushed_article_is_stored_before_the_answer_and_its_feeds_are_due(
    app: App, client: TestClient, clock: TestClock
) -> None:
    answer = push(client, clock, FLOOD)
    assert (answer.status_code, answer.json()) == (200, {"new": 1, "changed": 0, "unchanged": 0})
    (article,) = [one for one in app.parts.store.articles.each() if one.source == "wire"]
    assert (article.native_id, article.canonical_url) == ("flood-1", FLOOD["url"])
    said = article.revision
    assert (said.categories, said.tags, said.authors[0].name) == (("Harbour",), ("flood",), "Niamh Casey")
    assert 'href="https://harbour-gazette.example/map"' in said.content_html
    assert "script" not in said.content_html
    assert "section-harbour" in app.parts.store.feeds.due(clock.now())
    assert run_due(app)[1:] == []  # the ghost is nowhere, and everything else works
    assert "The quay is closed" in (app.root / "feeds" / "all.rss").read_text()


def test_the_same_article_again_is_no_news_and_another_text_is_a_revision(
    app: App, client: TestClient, clock: TestClock
) -> None:
    push(client, clock, FLOOD, id="msg_1")
    assert push(client, clock, FLOOD, id="msg_2").json() == {"new": 0, "changed": 0, "unchanged": 1}
    changed = {**FLOOD, "title": "The quay is open", "correction": "We had said that it was closed."}
    assert push(client, clock, changed, id="msg_3").json() == {"new": 0, "changed": 1, "unchanged": 0}
    (article,) = [one for one in app.parts.store.articles.each() if one.source == "wire"]
    assert (article.revision.number, article.revision.note) == (2, "We had said that it was closed.")


def test_a_call_that_somebody_repeats_changes_nothing_back(app: App, client: TestClient, clock: TestClock) -> None:
    push(client, clock, FLOOD, id="msg_1")
    push(client, clock, {**FLOOD, "title": "The quay is open"}, id="msg_2")
    assert push(client, clock, FLOOD, id="msg_1").status_code == 200
    assert titles(app) == ["The quay is open"]


@pytest.mark.parametrize("shape", [lambda items: items, lambda items: {"version": "x", "items": items}])
def test_several_articles_come_in_one_call_and_without_a_name_when_there_is_one_taker_only(
    tmp_path: Path, clock: TestClock, shape: Any
) -> None:
    site = lay_out(tmp_path / "other", SETTINGS.replace("\n[[feeds]]", PUSH, 1))
    app = open_site(site, clock, SECRETS)
    items = [FLOOD, {"id": "flood-2", "content_text": "The quay is open."}]
    assert push(client_of(app), clock, shape(items), to="").json()["new"] == 2
    app.close()


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (b'{"id": "1",\n"title" "no colon"}', "this is no JSON: line 2, column 9"),
        ([], "this holds no article: give one object, a list of them, or an object with items"),
        ({"items": "none"}, "items: give a list of articles"),
        ([FLOOD] * 101, "these are 101 articles: give at most 100 in one call"),
        ([FLOOD, 7], "items[1]: an article is an object"),
        ({"title": "No id"}, "article.id: is missing; give each article an id that it keeps for ever"),
        ({"id": "1"}, "article: has neither title, content_html nor content_text"),
        ({"id": "1", "title": ["x"]}, "article.title: give a text"),
        ({**FLOOD, "tags": "flood"}, "article.tags: give a list"),
        (
            {**FLOOD, "date_published": "yesterday"},
            "article.date_published: 'yesterday' is no time; write it such as 2026-11-22T10:00:00Z",
        ),
        ({**FLOOD, "url": "/flood"}, "article.url: '/flood' is no address; write it whole, with https://"),
        ([FLOOD, FLOOD], "items[0].id: 'flood-1' stands there twice"),
        (
            [FLOOD, {"id": "2", "content_html": "<script>1</script>"}],
            "items[1]: it has neither a title nor text: give it one of them",
        ),
        (
            {**FLOOD, "authors": [{"name": "Niamh Casey"}, "Tomas Reid"]},
            'article.authors[1]: give an object with a name, such as {"name": "Niamh Casey"}',
        ),
        (
            {**FLOOD, "authors": [{"name": "Tomas Reid", "url": "mailto:tomas"}]},
            "article.authors[0].url: 'mailto:tomas' is no address; write it whole, with https://",
        ),
        ({**FLOOD, "tags": ["flood", {"a": 2}]}, "article.tags[1]: give a text"),
        ({**FLOOD, "categories": [7]}, "article.categories[0]: give a text"),
        (
            {**FLOOD, "attachments": ["a"]},
            "article.attachments[0]: give an object with a url, written whole, with https://",
        ),
        (
            {"id": "1", "title": "No base", "image": "/quay.jpg"},
            "article.image: '/quay.jpg' is no address; write it whole, with https://",
        ),
        ({**FLOOD, "image": 7}, "article.image: give a text"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_taken(
    app: App, client: TestClient, clock: TestClock, told: object, line: str
) -> None:
    answer = push(client, clock, told)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert line in answer.text.splitlines()
    assert titles(app) == []
    mended = push(client, clock, FLOOD)  # the same id of a call again, after it was mended
    assert mended.json()["new"] == 1
    assert titles(app) == [FLOOD["title"]]


def test_what_may_be_relative_is_so_to_the_articles_own_address(app: App, client: TestClient, clock: TestClock) -> None:
    files = [{"url": "/tide.mp3", "mime_type": "audio/mpeg"}]
    push(client, clock, {**FLOOD, "image": "quay.jpg", "attachments": files, "_ours": {"anything": True}})
    (article,) = [one for one in app.parts.store.articles.each() if one.source == "wire"]
    assert article.revision.image is not None
    assert article.revision.image.url == "https://harbour-gazette.example/quay.jpg"
    assert [one.url for one in article.revision.enclosures] == ["https://harbour-gazette.example/tide.mp3"]


# ---------------------------------------------------------------- who may


def test_only_who_has_the_secret_is_heard(app: App, client: TestClient, clock: TestClock) -> None:
    body = json.dumps(FLOOD).encode()
    good = signing.standard(body, clock.now())
    late = signing.standard(body, clock.now() - timedelta(minutes=6))
    early = signing.standard(body, clock.now() + timedelta(minutes=6))
    forged = signing.standard(body, clock.now(), secret=b"another secret altogether")
    with capture_logs() as logs:
        for headers in (
            {},
            late,
            early,
            forged,
            {**good, "webhook-id": "msg_2"},
            {**good, "webhook-timestamp": "soon"},
            {**good, "webhook-signature": "v1,"},
            {"x-ghost-signature": "sha256=00, t=1"},
            signing.ghost(b"another body", clock.now()),
            signing.ghost(body, clock.now() - timedelta(minutes=6)),
        ):
            answer = client.post("/hooks/articles/wire", content=body, headers=headers)
            assert answer.status_code == 401
            assert answer.text[0].isupper()
            assert answer.text.endswith(("signed.\n", "both sides?\n", "clock right?\n"))
            assert signing.SECRET not in answer.text
    assert titles(app) == []
    assert {line["source"] for line in logs} == {"wire"}
    assert signing.SECRET not in str(logs)
    assert client.post("/hooks/articles/wire", content=body, headers=good).status_code == 200


def test_a_secret_as_standard_webhooks_writes_them(tmp_path: Path, clock: TestClock) -> None:
    key = bytes(range(32))
    site = lay_out(tmp_path / "other", SETTINGS.replace("\n[[feeds]]", PUSH, 1))
    app = open_site(site, clock, {"WIRE": f"whsec_{b64encode(key).decode()}"})
    assert push(client_of(app), clock, FLOOD, secret=key).status_code == 200
    app.close()


@pytest.mark.parametrize("to", ["", "/newsroom", "/nowhere"])
def test_a_source_without_a_secret_takes_no_calls(client: TestClient, clock: TestClock, to: str) -> None:
    assert push(client, clock, FLOOD, to=to).status_code == 404


def test_a_call_that_is_too_long_is_not_read_to_its_end(client: TestClient, clock: TestClock) -> None:
    assert push(client, clock, b" " * 5_000_001).status_code == 413


def test_a_secret_that_can_be_guessed_is_refused_at_the_start(tmp_path: Path, clock: TestClock) -> None:
    site = lay_out(tmp_path / "other", SETTINGS.replace("\n[[feeds]]", PUSH, 1))
    with pytest.raises(SettingsError, match=r"sources\[wire\].webhook_secret_env.*too short") as caught:
        open_site(site, clock, {"WIRE": "letmein"})
    assert "letmein" not in str(caught.value)


# ---------------------------------------------------------------- look there


def test_a_webhook_of_ghost_makes_its_source_due_and_nothing_in_it_is_believed(
    app: App, client: TestClient, clock: TestClock
) -> None:
    body = json.dumps({"post": {"current": {"id": "1", "title": "Invented"}}}).encode()
    app.parts.store.sources.looked("blog", at=clock.now(), next_fetch_at=clock.now() + timedelta(hours=1), error="")
    assert app.parts.store.sources.due(clock.now()) == ()

    answer = client.post("/hooks/articles/blog", content=body, headers=signing.ghost(body, clock.now()))
    assert answer.status_code == 202
    assert app.parts.store.sources.due(clock.now()) == ("blog",)
    assert titles(app) == []
