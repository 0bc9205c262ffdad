"""An editor beside a crew, who stops the edition at random instants and lets it go on."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from publisher import editions
from publisher.app import App
from publisher.errors import Conflict, PublisherError
from publisher.model import EditionState
from tests.faults import newsroom
from tests.faults.clock import FastClock
from tests.faults.posts import Post

#: Seconds that an edition is stopped for, at least and at most, and that it then goes on for.
STOPPED, GOES_ON = (0.3, 1.5), (0.2, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """How many messages were said to be able to leave yet, at most, and how many the provider took until it went on."""

    said: int
    left: int


class Editor:
    def __init__(self, post: Post, root: Path, clock: FastClock, seed: int, pauses: int) -> None:
        self.post, self.root, self.clock = post, root, clock
        self.chance = random.Random(seed)
        self.pauses = pauses
        self._app: App | None = None

    def run(self, stop: threading.Event) -> list[Pause]:
        """Until told to stop, or it was stopped often enough."""
        made: list[Pause] = []
        while len(made) < self.pauses and not stop.wait(0.05):
            with suppress(PublisherError):  # the store is away for a moment
                made += self._stop(stop) if self._begun() else ()
        while not self._goes_on() and not stop.wait(0.1):
            pass
        if self._app is not None:
            self._app.close()
        return made

    def _begun(self) -> bool:
        self._app = self._app or newsroom.enter(self.root, self.clock)
        edition = editions.find(self._app.parts.store, newsroom.EDITION)
        return edition is not None and edition.state is EditionState.SENDING and self.post.taken() > 0

    def _stop(self, stop: threading.Event) -> list[Pause]:
        assert self._app is not None
        try:
            _, said = editions.pause(self._app.parts.store, newsroom.EDITION, "Aoife Brennan")
            before = self.post.taken()
            stop.wait(self.chance.uniform(*STOPPED))
            return [Pause(said=said, left=self.post.taken() - before)]
        finally:
            while not self._goes_on() and not stop.wait(0.1):
                pass
            stop.wait(self.chance.uniform(*GOES_ON))

    def _goes_on(self) -> bool:
        try:
            if self._app is not None:
                editions.resume(self._app.parts.store, newsroom.EDITION)
        except Conflict:
            return True  # it is not stopped
        except PublisherError:
            return False
        return True
