"""What the web pages do beside a crew: keep what the provider tells, some of it twice, late and out of order."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from pathlib import Path

from publisher.app import App
from publisher.errors import PublisherError
from publisher.model import MailEvent
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock
from tests.faults.posts import Hook, Post


class Webhooks:
    """The clock here is right, and signatures are compared with it. While the store is away nobody answers, and the
    provider comes again. What it owes is told to the clock, because time must not leap over it."""

    def __init__(self, post: Post, root: Path, clock: FastClock, seed: int) -> None:
        self.post, self.root, self.clock = post, root, clock
        self.chance = random.Random(seed)
        self.kept = 0
        self._pending: list[Hook] = []
        self._read: list[MailEvent] = []
        self._app: App | None = None

    def run(self, stop: threading.Event) -> int:
        """Until told to stop. How many events were kept."""
        while self.post.kind.hooks and not stop.wait(0.1):
            self.post.forget_calls()
            with suppress(PublisherError):
                self.listen()
        self.close()
        return self.kept

    def close(self) -> None:
        if self._app is not None:
            self._app.close()

    def listen(self) -> None:
        """Take what there is now. Raises StoreError, WebhookRejected."""
        if self._app is None:
            mailer = posts.mailer(self.post.kind.name, self.root, self.post.url, certificates=self.post.certificates)
            self._app = newsroom.enter(self.root, self.clock, mailer)
        if self.post.kind.name == "ses":
            self.clock.owe(bool(self.post.server._pending))
            self.post.server.notify(self._take, times=1 + (self.chance.random() < 0.1), shuffle=self.chance)
        else:
            self._pending += self.post.hooks(self.chance)
            late = len(self._pending) // 2
            for hook in self._pending[late:]:
                self._take(*hook(self.clock.true()))
            del self._pending[late:]
        while self._read:
            self.kept += self._app.parts.store.events.keep(posts.NAME, self._read[:2000], at=self.clock.true())
            del self._read[:2000]
        if self.post.kind.name == "ses":
            self.clock.owe(bool(self.post.server._pending))

    def _take(self, headers: dict[str, str], body: bytes) -> None:
        assert self._app is not None
        self._read += self._app.parts.mailers[posts.NAME].events(headers, body, now=self.clock.true())
