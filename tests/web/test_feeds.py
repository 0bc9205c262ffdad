"""Feeds as a feed reader asks for them."""

from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from publisher.app import App
from publisher.web import application
from publisher.web.conditional import codings, matches, part
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


# ---------------------------------------------------------------- codings

CODINGS = [("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br", "br"), ("", ""), ("identity", ""), ("zstd", "")]


@pytest.mark.parametrize(("accepted", "coding"), CODINGS)
def test_a_feed_is_compressed_as_the_reader_can_read_it(visitor: TestClient, accepted: str, coding: str) -> None:
    plain = visitor.get("/feeds/all.rss", headers={"accept-encoding": "identity"}).content
    answer = visitor.get("/feeds/all.rss", headers={"accept-encoding": accepted})

    assert answer.headers.get("content-encoding", "") == coding
    assert answer.content == plain  # the client has undone the coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (int(answer.headers["content-length"]) < len(plain)) is bool(coding)


def test_each_coding_has_its_own_etag_and_its_own_304(visitor: TestClient) -> None:
    tags = {}
    for coding in ("identity", "gzip", "br"):
        tags[coding] = visitor.get("/feeds/all.rss", headers={"accept-encoding": coding}).headers["etag"]
    assert len(set(tags.values())) == 3
    for coding in tags:
        for told, tag in tags.items():
            asked = {"accept-encoding": coding, "if-none-match": tag}
            answer = visitor.get("/feeds/all.rss", headers=asked)
            assert answer.status_code == (304 if told == coding else 200)
            assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (b"gzip;q=0.5, br;q=0.4", [b"gzip", b"br"]),
        (b"gzip; q=1.0, br; q=0", [b"gzip"]),
        (b"*", [b"br", b"gzip"]),
        (b"*;q=0, gzip", [b"gzip"]),
        (b"X-GZIP", [b"gzip"]),
        (b"gzip;q=0.000,br;q=0", []),
        (b",,;q=,gzip;level=9", [b"gzip"]),
    ],
)
def test_what_of_our_codings_is_accepted(accepted: bytes, wanted: list[bytes]) -> None:
    assert list(codings(accepted)) == wanted


# ---------------------------------------------------------------- dates, and what they cannot tell


def age(app: App, name: str, seconds: int) -> None:
    """As if a file had been written so long ago."""
    path = app.root / "feeds" / name
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_reader_that_knows_only_dates_gets_nothing_while_nothing_changed(app: App, client: TestClient) -> None:
    run_due(app)
    age(app, "all.rss", 100)
    date = client.get("/feeds/all.rss").headers["last-modified"]

    assert client.get("/feeds/all.rss", headers={"if-modified-since": date}).status_code == 304
    later = "Wed, 01 Jan 2098 00:00:00 GMT"  # its own clock, not ours
    for odd in (later, "yesterday", ""):
        assert client.get("/feeds/all.rss", headers={"if-modified-since": odd}).status_code == 200
    both = {"if-modified-since": date, "if-none-match": '"other"'}
    assert client.get("/feeds/all.rss", headers=both).status_code == 200


def test_no_date_is_told_before_its_second_is_over(app: App, client: TestClient) -> None:
    run_due(app)
    os.utime(app.root / "feeds" / "all.rss", (time.time() + 2, time.time() + 2))
    assert "last-modified" not in client.get("/feeds/all.rss").headers


@pytest.mark.parametrize("length", [0, 1])
def test_versions_of_one_second_are_never_taken_for_each_other(app: App, client: TestClient, length: int) -> None:
    """Also those of one length, and also by a reader that compares dates alone."""
    texts = [b"<rss>%d</rss>" % number + b" " * length * number for number in range(6)]
    seen = []
    for text in texts:
        app.parts.folder.put("all.rss", text, "application/rss+xml")
        asked = {"if-none-match": seen[-1]} if seen else {}
        answer = client.get("/feeds/all.rss", headers=asked)
        assert answer.content == text
        seen.append(answer.headers["etag"])
    assert len(set(seen)) == len(texts)


def test_a_file_swapped_behind_our_back_with_its_old_date_is_noticed(app: App, client: TestClient) -> None:
    path = app.root / "feeds" / "all.rss"
    app.parts.folder.put("all.rss", b"<rss>1</rss>", "application/rss+xml")
    age(app, "all.rss", 100)
    first = client.get("/feeds/all.rss")
    kept = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"<rss>2</rss>")
    os.utime(other, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    other.replace(path)
    answer = client.get("/feeds/all.rss", headers={"if-none-match": first.headers["etag"]})
    assert (answer.status_code, answer.content) == (200, b"<rss>2</rss>")


def test_readers_who_ask_at_the_same_moment_all_get_a_whole_version(app: App, client: TestClient) -> None:
    versions = [f"<rss>{number}</rss>".encode() * 500 for number in range(20)]
    app.parts.folder.put("all.rss", versions[0], "application/rss+xml")
    done = threading.Event()

    def poll() -> set[tuple[str, bytes]]:
        seen = set()
        while not done.is_set():
            answer = client.get("/feeds/all.rss")
            seen.add((answer.headers["etag"], answer.content))
        return seen

    with client, ThreadPoolExecutor(4) as pool:  # the client entered: one event loop for all of them
        readers = [pool.submit(poll) for _ in range(4)]
        for version in versions:
            app.parts.folder.put("all.rss", version, "application/rss+xml")
        done.set()
        seen = set().union(*(reader.result() for reader in readers))
    assert {body for _, body in seen} <= set(versions)
    assert len({etag for etag, _ in seen}) == len({body for _, body in seen})


# ---------------------------------------------------------------- what is no more


def test_a_feed_that_ended_is_gone_for_whoever_asks_and_however(app: App, client: TestClient) -> None:
    run_due(app)
    age(app, "all.rss", 100)
    answer = client.get("/feeds/all.rss")
    app.parts.folder.end("all.rss")

    for asked in (
        {},
        {"if-none-match": answer.headers["etag"]},
        {"if-none-match": "*"},
        {"if-modified-since": answer.headers["last-modified"]},
        {"range": "bytes=0-9"},
    ):
        gone = client.get("/feeds/all.rss", headers=asked)
        assert gone.status_code == 410
        assert gone.headers["access-control-allow-origin"] == "*"
    assert client.head("/feeds/all.rss").status_code == 410
    app.parts.folder.remove("all.rss")
    assert client.get("/feeds/all.rss", headers={"if-none-match": "*"}).status_code == 404


# ---------------------------------------------------------------- parts


def test_a_part_of_a_feed(visitor: TestClient) -> None:
    plain = {"accept-encoding": "identity"}
    whole = visitor.get("/feeds/all.rss", headers=plain)
    size = len(whole.content)
    for asked, wanted in (
        ("bytes=0-9", (0, 10)),
        ("bytes=10-", (10, size)),
        ("bytes=-7", (size - 7, size)),
        (f"bytes=5-{size + 100}", (5, size)),
    ):
        answer = visitor.get("/feeds/all.rss", headers={**plain, "range": asked})
        assert answer.status_code == 206
        assert answer.content == whole.content[slice(*wanted)]
        assert answer.headers["content-range"] == f"bytes {wanted[0]}-{wanted[1] - 1}/{size}"
        assert answer.headers["etag"] == whole.headers["etag"]
    beyond = visitor.get("/feeds/all.rss", headers={**plain, "range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_a_part_of_what_the_reader_no_longer_has_is_the_whole(visitor: TestClient) -> None:
    plain = {"accept-encoding": "identity", "range": "bytes=0-9"}
    etag = visitor.get("/feeds/all.rss", headers=plain).headers["etag"]
    for condition, status in ((etag, 206), (f"W/{etag}", 200), ('"other"', 200), ("yesterday", 200)):
        assert visitor.get("/feeds/all.rss", headers={**plain, "if-range": condition}).status_code == status
    assert visitor.head("/feeds/all.rss", headers=plain).status_code == 200


@pytest.mark.parametrize("asked", [b"bytes=0-1,5-6", b"bytes=-", b"bytes=9-3", b"lines=1-2", b"bytes=a-b", b"bytes"])
def test_what_is_not_one_range_is_answered_with_everything(asked: bytes) -> None:
    assert part(asked, 100) is None


# ---------------------------------------------------------------- readers that run in a browser


def test_a_browser_may_ask_with_conditions_from_another_site(visitor: TestClient) -> None:
    asked = {"origin": "https://reader.example", "access-control-request-headers": "if-none-match"}
    answer = visitor.options("/feeds/all.json", headers=asked)

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "if-none-match" in answer.headers["access-control-allow-headers"].lower()
    assert "ETag" in visitor.get("/feeds/all.json").headers["access-control-expose-headers"]


def test_nothing_can_be_sent_to_a_feed(visitor: TestClient) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert visitor.request(method, "/feeds/all.rss").status_code == 405


# ---------------------------------------------------------------- the hub


def test_a_subscriber_finds_the_hub_without_reading_the_feed(still: App) -> None:
    parts = replace(still.parts, site=replace(still.parts.site, hub="https://hub.example/"))
    client = TestClient(application(parts))

    links = '<https://hub.example/>; rel="hub", <https://news.harbour-gazette.example/feeds/all.rss>; rel="self"'
    assert client.head("/feeds/all.rss").headers["link"] == links
    assert "link" not in client.get("/feeds/all.html").headers


# ---------------------------------------------------------------- the page that lists them


BASE = "https://news.harbour-gazette.example"


def test_the_list_has_every_feed_for_people_and_programs(visitor: TestClient) -> None:
    page = visitor.get("/feeds/")
    announced = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', page.text)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert ("application/atom+xml", f"{BASE}/feeds/all.atom") in announced
    for type, href in announced:
        answer = visitor.get(href)
        assert (answer.status_code, answer.headers["content-type"]) == (200, type)
    pages = re.findall(r'<a href="([a-z-]+\.html)"', page.text)
    assert {"all.html", "section-news.html"} <= set(pages)
    for name in pages:
        assert visitor.get(f"/feeds/{name}").status_code == 200
    assert visitor.get("/feeds/", headers={"if-none-match": page.headers["etag"]}).status_code == 304


def test_a_feed_has_a_page_that_leads_to_it_and_back(visitor: TestClient) -> None:
    page = visitor.get("/feeds/all.html").text

    assert "The ferry returns after forty years" in page
    for ending, type in TYPES.items():
        assert f'href="{BASE}/feeds/all.{ending}" type="{type}"' in page
        assert f'<code class="address">{BASE}/feeds/all.{ending}</code>' in page
    assert f'href="{BASE}/feeds/all.html"' in visitor.get("/feeds/all.atom").text
    assert f'href="{BASE}/feeds/all.html"' in visitor.get("/feeds/all.rss").text


def test_all_feeds_can_be_taken_in_at_once(visitor: TestClient) -> None:
    answer = visitor.get("/feeds/feeds.opml")
    outlines = ElementTree.fromstring(answer.content).findall("body/outline")

    assert answer.headers["content-type"] == "text/x-opml; charset=utf-8"
    assert {one.get("xmlUrl") for one in outlines} == {f"{BASE}/feeds/{name}.rss" for name in ("all", "section-news")}
    for one in outlines:
        assert one.get("type") == "rss"
        assert one.get("text")
        assert visitor.get(str(one.get("xmlUrl"))).status_code == 200
        assert visitor.get(str(one.get("htmlUrl"))).status_code == 200


def test_a_feed_that_is_not_built_yet_is_not_listed(app: App, client: TestClient) -> None:
    page = client.get("/feeds/")

    assert page.status_code == 200
    assert "There are no feeds yet" in page.text


def test_a_picture_beside_the_feeds_is_served_as_one(still: App, visitor: TestClient) -> None:
    still.parts.folder.put("picture-0123456789abcdef.jpg", b"\xff\xd8\xff picture", "image/jpeg")

    answer = visitor.get("/feeds/picture-0123456789abcdef.jpg")

    assert (answer.status_code, answer.content) == (200, b"\xff\xd8\xff picture")
    assert answer.headers["content-type"] == "image/jpeg"
