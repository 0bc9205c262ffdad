"""HTTP sessions that are kept from one call to the next, each with its connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from publisher.kit.http_session import open_session

_KEPT = 1.0  # seconds that a connection is silent before it is not used again


class Sessions:
    """Sessions that nobody is using, with their connections; may be used by several threads.

    None is kept for long: a server hangs up on whoever is silent, and a call that meets just that moment may seem to
    have been taken. The next call of a delivery comes sooner."""

    def __init__(self) -> None:
        self._idle: list[tuple[requests.Session, float]] = []  # with when it was last used
        self._turn = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[requests.Session]:
        """For one call, and then for the next unless the call failed."""
        session = self._take() or open_session(allow_private=True)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        session.cookies.clear()
        with self._turn:
            self._idle.append((session, time.monotonic()))

    def _take(self) -> requests.Session | None:
        while True:
            with self._turn:
                session, last = self._idle.pop() if self._idle else (None, 0.0)
            if session is None or time.monotonic() - last < _KEPT:
                return session
            session.close()

    def close(self) -> None:
        with self._turn:
            idle, self._idle = self._idle, []
        for session, _ in idle:
            session.close()
