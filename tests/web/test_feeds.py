"""Feeds as a feed reader asks for them."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from publisher.app import App
from publisher.web.feeds import matches
from tests.sites import FERRY, TestClock, run_due, write

TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}


@pytest.mark.parametrize("ending", TYPES)
def test_a_feed_is_served_as_it_stands_in_the_folder(still: App, visitor: TestClient, ending: str) -> None:
    answer = visitor.get(f"/feeds/all.{ending}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES[ending]
    assert answer.content == (still.root / "feeds" / f"all.{ending}").read_bytes()
    assert b"The ferry returns" in answer.content
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_head_tells_what_get_would(visitor: TestClient) -> None:
    asked, got = visitor.head("/feeds/all.rss"), visitor.get("/feeds/all.rss")

    assert asked.content == b""
    for name in ("etag", "content-type", "content-length", "cache-control"):
        assert asked.headers[name] == got.headers[name]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other",W/{} , "more"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_already_gets_nothing(visitor: TestClient, form: str, method: str) -> None:
    etag = visitor.get("/feeds/all.rss").headers["etag"]
    answer = visitor.request(method, "/feeds/all.rss", headers={"if-none-match": form.format(etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "content-length" not in answer.headers


def test_who_has_an_older_one_gets_the_new_one(app: App, client: TestClient, clock: TestClock) -> None:
    run_due(app)
    before = client.get("/feeds/all.rss").headers["etag"]
    write(app.root, "news/bridge.txt", FERRY.replace("ferry", "bridge"))
    clock.move(minutes=2)
    run_due(app)
    answer = client.get("/feeds/all.rss", headers={"if-none-match": before})

    assert answer.status_code == 200
    assert "The bridge returns" in answer.text
    assert answer.headers["etag"] != before


def test_each_file_has_its_own_etag(visitor: TestClient) -> None:
    assert len({visitor.get(f"/feeds/all.{ending}").headers["etag"] for ending in TYPES}) == 3


@pytest.mark.parametrize(
    ("told", "known"),
    [([b'"a"'], True), ([b'W/"a"'], True), ([b'"b"', b'"a"'], True), ([b'"b"'], False), ([b"a"], False), ([], False)],
)
def test_etags_in_all_their_forms(told: list[bytes], known: bool) -> None:
    assert matches(b'"a"', told) is known


@pytest.mark.parametrize(
    "path",
    [
        *("none.rss", "all", "all.", "all.exe", "ALL.RSS", ".rss", "all.rss/", "all.rss.part", "a%20.rss"),
        *("%2e%2e%2fsettings.toml", "..%2fvar%2fpublisher.rss", "%2fetc%2fpasswd.rss", "x%2f..%2fall.rss", "%ff.rss"),
        *("..%5c..%5csettings.json", "~root.rss", "all.rss%0a", "all.rss%00", "a" * 5000 + ".rss"),
    ],
)
def test_nothing_but_feeds_is_found(still: App, visitor: TestClient, path: str) -> None:
    (still.root / "var" / "publisher.rss").write_text("secret")
    answer = visitor.get(f"/feeds/{path}")

    assert (answer.status_code, answer.text) == (404, "There is no such feed.\n")


# ---------------------------------------------------------------- the page that lists them


def test_the_list_has_every_feed_for_people_and_programs(visitor: TestClient) -> None:
    page = visitor.get("/feeds/").text

    announced = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', page)
    linked = re.findall(r'<a href="(/feeds/[^"]+)"', page)
    assert ("application/atom+xml", "/feeds/all.atom") in announced
    assert "/feeds/section-news.rss" in linked
    assert sorted(linked) == sorted(href for _, href in announced)
    for type, href in announced:
        answer = visitor.get(href)
        assert (answer.status_code, answer.headers["content-type"]) == (200, type)


def test_a_feed_that_is_not_built_yet_is_not_listed(app: App, client: TestClient) -> None:
    page = client.get("/feeds/")

    assert page.status_code == 200
    assert "There are no feeds yet" in page.text
