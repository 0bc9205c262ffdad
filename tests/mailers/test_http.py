"""One call to a provider: what its failing proves."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from publisher.errors import Failure, MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.mailers import _sessions
from publisher.mailers._http import Answer, Api, Body, written

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """One connection: what it asks is read to its end, then answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asked = connection.recv(65536)
                end = b"END" if asked.startswith(b"POST") else b"\r\n\r\n"
                while not asked.endswith(end):
                    asked += connection.recv(65536)
                with suppress(OSError):  # it hung up
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def api(url: str, **changes: float) -> Api:
    return Api(mailer="post", base_url=url, key="k", headers={}, **{"patience": 5.0, **changes})


def says(body: bytes, size: int = 0) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(HEAD % (size or len(body)) + body)


def test_a_large_body_arrives_whole():
    with server(says(b'{"taken": true}')) as url:
        assert api(url).ask("POST", "/send", b"x" * 3_000_000 + b"END").body == {"taken": True}


def test_an_answer_that_only_drips_is_given_up_in_time():
    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD % 1000)
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    with server(drip) as url:
        began = time.monotonic()
        answer = api(url, whole=0.5).ask("POST", "/send", b"END")
        assert time.monotonic() - began < 3
    assert (answer.status, answer.said) == (200, None)


def test_an_answer_that_was_cut_off_when_time_was_over_says_nothing_however_complete_it_looks():
    """It has no length of its own: that it ended is our doing, and more was to come."""

    def hang(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"taken": true}')
        while connection.recv(1000):
            pass  # until it is hung up on

    with server(hang) as url:
        answer = api(url, whole=0.5).ask("POST", "/send", b"END")
    assert (answer.status, answer.said) == (200, None)


def test_a_connection_is_kept_for_the_next_call_and_not_for_long(monkeypatch):
    """A server hangs up on whoever is silent, and a call that meets just that moment may seem to have been taken."""
    now = [100.0]
    monkeypatch.setattr(_sessions, "time", SimpleNamespace(monotonic=lambda: now[0]))
    sessions, used = _sessions.Sessions(), []
    for silent in (0.0, 0.9, 1.1):
        now[0] += silent
        with sessions.one() as session:
            used.append(session)
    sessions.close()
    assert used[1] is used[0]
    assert used[2] is not used[1]


@pytest.mark.parametrize(
    "body", [says(b'{"a": "' + b"x" * 2000 + b'"}'), says(b'{"a": 1}', 900), says(b"<html>"), says(b"")]
)
def test_an_answer_that_is_too_large_torn_or_no_json_says_nothing(body):
    with server(body) as url:
        answer = api(url, largest=1000).ask("GET", "/")
    assert (answer.status, answer.said, answer.body) == (200, None, {})


def test_silence_is_unknown_after_a_body_and_harmless_without_one():
    with server(lambda connection: None) as url, pytest.raises(OutcomeUnknown, match="mailer post"):
        api(url).ask("POST", "/send", b"END")
    with server(lambda connection: None) as url, pytest.raises(TryLater, match="mailer post"):
        api(url).ask("GET", "/")


def test_a_body_knows_whether_it_was_asked_for():
    body = Body(b"x" * 200_000)
    assert (len(body), body.begun) == (200_000, False)
    assert [len(piece) for piece in body] == [65536, 65536, 65536, 3392]
    assert body.begun


def test_nothing_is_said_to_a_stranger_in_the_clear():
    with pytest.raises(MailerMisconfigured, match="https://"):
        api("http://api.reader.example").ask("GET", "/")


AT = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, timedelta(seconds=7)),
        ({"Retry-After": "Sun, 22 Nov 2026 07:01:30 GMT"}, timedelta(seconds=90)),
        ({"Retry-After": "Sun, 22 Nov 2026 06:00:00 GMT"}, timedelta(0)),
        ({"Retry-After": "99999999999"}, timedelta(days=1)),
        ({"Retry-After": "Sun, 22 Nov 2099 07:00:00 GMT"}, timedelta(days=1)),
        ({"Retry-After": "soon"}, None),
        ({"ratelimit-reset": "3"}, timedelta(seconds=3)),
        ({}, None),
    ],
)
def test_a_wait_is_read_in_both_forms_and_is_never_longer_than_a_day(headers, wait):
    error = api("https://api.example").error(Answer(429, headers, None, AT), "429 slow down")
    assert isinstance(error, TryLater)
    assert error.retry_after == wait


@pytest.mark.parametrize(
    ("status", "said", "failure"),
    [
        (401, "401 bad key", Failure.CREDENTIALS),
        (403, "403 this domain is not yours", Failure.CREDENTIALS),
        (403, "403 your account has been suspended", Failure.REPUTATION),
        (402, "402 monthly quota used up", Failure.QUOTA),
        (503, "503 busy", Failure.TRANSIENT),
    ],
)
def test_a_refusal_says_whose_turn_it_is(status, said, failure):
    assert api("https://api.example").error(Answer(status, {}, None, AT), said).failure is failure


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ("The Gazette <a@b.example>", "The Gazette <a@b.example>"),
        ('"Gazette, The" <a@b.example>', '"Gazette, The" <a@b.example>'),
        ("Nuacht Ghrúdaire <a@b.example>", "Nuacht Ghrúdaire <a@b.example>"),
        ("a@b.example", "a@b.example"),
        ("Evil\r\nBcc: x <a@b.example>", '"Evil Bcc: x" <a@b.example>'),
    ],
)
def test_a_sender_is_quoted_where_it_must_be(sender, shown):
    assert written(sender) == shown
