"""Addresses, headers on every answer, and what readers see when something is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from publisher.app import App
from publisher.web import application
from tests.sites import run_due
from tests.web.readers import link

EVERYWHERE = (
    *("/", "/feeds", "/feeds/", "/feeds/all.rss", "/feeds/none.rss", "/feeds/a/b", "/static/public.css"),
    *("/u/forged", "/c/forged", "/nothing/here", "/u/", "/favicon.ico"),
)


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_every_answer_protects_its_reader(visitor: TestClient, path: str, method: str) -> None:
    answer = visitor.request(method, path)
    headers = answer.headers

    assert answer.status_code in (200, 302, 404, 405)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in headers


@pytest.mark.parametrize("path", ["/nothing", "/u", "/u/", "/u/a/b", "/u/a/", "/c/a/", "/static/other.css", "/static/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_address_is_a_page_and_no_redirect(visitor: TestClient, path: str, method: str) -> None:
    answer = visitor.request(method, path)

    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_the_start_page_is_the_list_of_feeds(visitor: TestClient) -> None:
    for path in ("/", "/feeds"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, "/feeds/")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/u/anything", {"GET", "HEAD", "POST"}),
        ("PUT", "/c/anything", {"GET", "HEAD", "POST"}),
        ("POST", "/feeds/", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/feeds/all.rss", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/static/public.css", {"GET", "HEAD"}),
    ],
)
def test_a_method_without_meaning_is_refused(visitor: TestClient, method: str, path: str, allowed: set[str]) -> None:
    answer = visitor.request(method, path)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_pages_are_dressed(visitor: TestClient) -> None:
    style = visitor.get("/static/public.css")

    assert style.headers["content-type"] == "text/css; charset=utf-8"
    assert "--canvas" in style.text
    assert 'href="/static/public.css"' in visitor.get("/nowhere").text
    beside = visitor.get("/feeds/feeds.css")
    assert (beside.headers["content-type"], beside.text) == ("text/css; charset=utf-8", style.text)
    assert 'href="feeds.css"' in visitor.get("/feeds/").text


# ---------------------------------------------------------------- out of order


def lose_the_store(app: App, site: Path) -> None:
    """The database's file is gone, and something else is in its place."""
    app.close()
    for path in (site / "var").glob("publisher.db*"):
        path.rename(path.with_name(f"lost-{path.name}"))
    (site / "var" / "publisher.db").mkdir()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_its_store_a_site_says_so_in_words(tmp_path: Path, app: App, client: TestClient, method: str) -> None:
    path = link(app)
    lose_the_store(app, tmp_path / "site")
    with capture_logs() as lines:
        answer = client.request(method, path)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "Please try again in a minute" in answer.text
    assert str(tmp_path) not in answer.text
    assert [(line["event"], line["page"], line["kind"]) for line in lines] == [("web.failed", "/u", "StoreError")]
    assert path.removeprefix("/u/") not in str(lines)


def test_feeds_are_served_without_a_store(tmp_path: Path, app: App, client: TestClient) -> None:
    run_due(app)
    lose_the_store(app, tmp_path / "site")

    assert client.get("/feeds/all.rss").status_code == 200


def test_a_feed_that_cannot_be_read_is_out_of_order(tmp_path: Path, client: TestClient) -> None:
    (tmp_path / "site" / "feeds" / "all.rss").mkdir(parents=True)
    with capture_logs() as lines:
        answer = client.get("/feeds/all.rss")

    assert answer.status_code == 503
    assert "content-security-policy" in answer.headers
    assert str(tmp_path) not in answer.text
    assert [line["event"] for line in lines] == ["web.failed"]


def test_a_bug_is_logged_whole_and_shown_to_nobody(app: App) -> None:
    """A site without keys: no start lets that pass, so it stands for any bug."""
    parts = replace(app.parts, keys={})  # type: ignore[arg-type]
    with capture_logs() as lines:
        answer = TestClient(application(parts)).get("/u/token")

    assert answer.status_code == 503
    assert "AttributeError" not in answer.text
    assert "Traceback" not in answer.text
    assert [(line["event"], type(line["exc_info"])) for line in lines] == [("web.bug", AttributeError)]
