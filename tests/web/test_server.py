"""The real server on a socket: what mail providers, feed readers and worse send byte by byte."""

from __future__ import annotations

import gzip
import http.client
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from publisher.app import App
from publisher.errors import PublisherError
from publisher.model import SubscriptionStatus
from publisher.web import Server, protocol, public
from tests.sites import run_due
from tests.web.readers import link, status


@pytest.fixture
def port(app: App) -> Iterator[int]:
    with served(app) as port:
        yield port


@pytest.fixture(scope="module")
def still_port(still: App) -> Iterator[int]:
    with served(still) as port:
        yield port


@contextmanager
def served(app: App) -> Iterator[int]:
    server = Server(app.parts, "127.0.0.1", 0)
    serving = server.start()
    try:
        yield server.port
    finally:
        server.stop()
        serving.join(10)
    assert not serving.is_alive()


def raw(port: int, *lines: str, body: bytes = b"") -> tuple[int, bytes]:
    """Send these lines as they are; the status and all of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = "\r\n".join([*lines, "Host: news.harbour-gazette.example", "Connection: close", "", ""])
        connection.sendall(head.encode("latin-1") + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ", 2)[1]), answer


def test_a_mail_provider_ends_a_subscription(app: App, port: int) -> None:
    body = b"List-Unsubscribe=One-Click"
    request = (
        f"POST {link(app)} HTTP/1.1",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    )
    for _ in range(2):
        code, answer = raw(port, *request, body=body)
        assert code == 200
        assert answer.endswith(b"\r\n\r\nYou are unsubscribed.\n")
        assert b"location:" not in answer.lower()
        assert b"set-cookie:" not in answer.lower()
        assert b"\r\nserver:" not in answer.lower()
    assert status(app) is SubscriptionStatus.UNSUBSCRIBED


def test_one_connection_serves_page_feed_and_304(app: App, port: int) -> None:
    run_due(app)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/feeds/all.atom")
    feed = connection.getresponse()
    assert b"The ferry returns" in feed.read()
    connection.request("GET", "/feeds/all.atom", headers={"If-None-Match": f"W/{feed.headers['etag']}"})
    known = connection.getresponse()
    assert (known.status, known.read()) == (304, b"")
    connection.request("HEAD", link(app))
    page = connection.getresponse()
    assert (page.status, page.read()) == (200, b"")
    connection.close()
    assert status(app) is SubscriptionStatus.CONFIRMED


def test_a_feed_that_is_kept_is_answered_for_as_any_other(app: App, port: int) -> None:
    """What was read after it had settled goes out at once, with the very headers of the first answer."""
    run_due(app)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def ask(**headers: str) -> tuple[int, dict[str, str], bytes]:
        connection.request("GET", "/feeds/all.atom", headers=headers)
        answer = connection.getresponse()
        return answer.status, {name: value for name, value in answer.getheaders() if name != "date"}, answer.read()

    settle(app, "all.atom", seconds=60)
    first, again = ask(), ask()
    settle(app, "all.atom", seconds=30)  # another stamp, the same bytes
    third = ask()
    for one in (again, third):
        assert (one[0], one[2]) == (200, first[2])
        assert {**one[1], "last-modified": ""} == {**first[1], "last-modified": ""}
    assert first[1]["last-modified"] != third[1]["last-modified"]
    known = ask(**{"If-None-Match": first[1]["etag"]})
    assert (known[0], known[2], known[1]["etag"]) == (304, b"", first[1]["etag"])
    assert {"content-security-policy", "cache-control", "vary", "access-control-allow-origin"} <= known[1].keys()
    packed = ask(**{"Accept-Encoding": "gzip"})
    assert (packed[1]["content-encoding"], gzip.decompress(packed[2])) == ("gzip", first[2])
    assert ask(Range="bytes=0-4")[0::2] == (206, first[2][:5])
    connection.close()


def test_a_kept_feed_that_is_replaced_or_removed_is_not_answered_for(app: App, port: int) -> None:
    run_due(app)
    settle(app, "all.atom", seconds=60)
    request = ("GET /feeds/all.atom HTTP/1.1",)
    assert [raw(port, *request)[0] for _ in range(2)] == [200, 200]

    app.parts.folder.put("all.atom", b"<feed/>", "application/atom+xml")
    assert raw(port, *request)[1].endswith(b"\r\n\r\n<feed/>")
    app.parts.folder.remove("all.atom")
    assert raw(port, *request)[0] == 404


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_connection_that_is_to_close_closes_after_a_kept_feed(app: App, port: int, version: str) -> None:
    run_due(app)
    settle(app, "all.atom", seconds=60)
    for _ in range(2):
        answer = raw(port, f"GET /feeds/all.atom HTTP/{version}")[1].lower()
        assert answer.count(b"connection: close") == 1


def test_requests_sent_together_are_answered_in_their_order(app: App, port: int) -> None:
    """Feeds that are kept, with pages between them that take longer; more of both than any stack is deep."""
    run_due(app)
    settle(app, "all.atom", seconds=60)
    asked = ["/feeds/all.atom", "/feeds/all.atom", "/static/public.css", "/feeds/none.rss", *["/feeds/all.atom"] * 3000]
    told = [f"HEAD {path} HTTP/1.1\r\nHost: a.example\r\nIf-None-Match: *\r\n\r\n" for path in asked]
    last = "GET /feeds/none.rss HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    raw(port, "GET /feeds/all.atom HTTP/1.1")  # from here on it is kept
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(("".join(told).replace("HEAD /feeds", "GET /feeds") + last).encode())
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]
    assert statuses == [304, 304, 200, 404, *[304] * 3000, 404]


def settle(app: App, name: str, *, seconds: float) -> None:
    """As if the file had stood there for so long: younger ones are read anew for each answer."""
    then = time.time() - seconds
    os.utime(app.root / "feeds" / name, (then, then))


@pytest.mark.parametrize(
    "path",
    [
        *("/feeds/../settings.toml", "/feeds/../var/keys", "/feeds/./../settings.json", "/static/../../settings.toml"),
        *("/feeds/%2e%2e/settings.toml", "/feeds/%2e%2e%2fvar%2fx.rss", "/feeds//etc/passwd.rss", "//feeds/all.rss"),
        *("/feeds/..%5csettings.json", "/feeds/%00.rss", "/u/../feeds/all.rss", "/feeds/\xff.rss"),
    ],
)
def test_no_path_leads_out_of_the_feeds(still_port: int, path: str) -> None:
    code, answer = raw(still_port, f"GET {path} HTTP/1.1")

    assert code in (400, 404)
    assert b"tag_authority" not in answer
    assert b"sign " not in answer


def test_a_body_without_end_is_cut_off(app: App, port: int) -> None:
    request = (f"POST {link(app)} HTTP/1.1", "Content-Length: 5000000000")
    code, _ = raw(port, *request, body=b"x" * 100_000)

    assert code == 413
    assert status(app) is SubscriptionStatus.CONFIRMED


def test_a_body_that_never_comes_is_not_waited_for(app: App, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public, "SLOWEST_BODY", 0.1)
    code, answer = raw(port, f"POST {link(app)} HTTP/1.1", "Content-Length: 26", body=b"List-Unsub")

    assert code == 408
    assert b"That took too long" in answer
    assert status(app) is SubscriptionStatus.CONFIRMED


def test_a_body_that_breaks_off_changes_nothing(app: App, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"POST {link(app)} HTTP/1.1\r\nHost: here\r\nContent-Length: 26\r\n\r\nList-Unsub"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # whatever it says, it ends the connection
            pass

    assert status(app) is SubscriptionStatus.CONFIRMED


@pytest.mark.parametrize(
    ("start", "more"),
    [("GET /", "a" * 30), ("GET / HTTP/1.1\r\nX: ", "a" * 30), ("GET / HTTP/1.1\r\n", "a: b\r\n" * 5)],
)
def test_a_head_without_end_is_cut_off(still_port: int, start: str, more: str) -> None:
    with socket.create_connection(("127.0.0.1", still_port), timeout=10) as connection:
        connection.sendall(start.encode())
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            connection.sendall(more.encode() * 1_000_000)


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: he"])
def test_a_head_that_never_comes_is_not_waited_for(app: App, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(protocol, "SLOWEST_HEAD", 0.1)
    with served(app) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(said)
        assert connection.recv(65536) == b""


def test_a_long_head_passes(still_port: int) -> None:
    code, _ = raw(still_port, "GET /feeds/all.rss HTTP/1.1", *(f"X-{number}: {'a' * 200}" for number in range(100)))
    assert code == 200


def test_a_port_in_use_is_told_with_the_remedy(app: App, port: int) -> None:
    with pytest.raises(PublisherError, match=rf"cannot listen on 127.0.0.1:{port} .*--port"):
        Server(app.parts, "127.0.0.1", port)


def test_a_host_that_is_not_here_is_told_with_the_remedy(app: App) -> None:
    with pytest.raises(PublisherError, match=r"'no\.such\.host\.invalid' .*--host"):
        Server(app.parts, "no.such.host.invalid", 0)
