"""A small newsroom and its provider, sent to the end with a blow at a chosen step, and judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from tests import postgresql
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock
from tests.faults.judge import judge
from tests.faults.posts import KINDS
from tests.faults.strike import Pass, Passed
from tests.faults.webhooks import Webhooks

CALL, READERS = 2, 6  # three batches: a first, a middle and a last one
#: Passes until an edition has to be done, each later than the one before.
PASSES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of it. `named` are those whom the ledger lists as in doubt, of whom `had` had got it."""

    steps: list[str]
    struck: bool
    lost: frozenset[str]
    repeated: frozenset[str]
    named: frozenset[str]
    had: int
    errors: list[str]


class Strikers:
    """The process from which every pass is forked."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.strike"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def pass_(self, wanted: Pass) -> Passed:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(wanted)) + "\n")
        self._process.stdin.flush()
        return Passed(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@contextmanager
def strikers() -> Iterator[Strikers]:
    own = Strikers()
    try:
        yield own
    finally:
        own.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """`template` is a site that was laid out; each sending is a copy of it, with a provider of its own. `faults` are
    what goes wrong at the provider, call by call."""

    strikers: Strikers
    template: Path
    folder: Path
    kind: str
    faults: tuple[str, ...] = ()
    lag: timedelta | None = None
    late: timedelta | None = None  # how much later the first batch is shown than others
    readers: int = READERS
    server: str = ""  # the PostgreSQL server whose database the template uses

    def send(self, *, strike: int = 0, gap: str = "", pages: int = -1) -> Came:
        place = self.folder / f"{self.kind}-{time.monotonic_ns()}"
        shutil.copytree(self.template, place / "site")
        root, clock = place / "site", FastClock(place / "clock", 1.0)
        with self._database(root):
            return self._send(place, root, clock, strike=strike, gap=gap, pages=pages)

    @contextmanager
    def _database(self, root: Path) -> Iterator[None]:
        """On PostgreSQL a copy of the template's database."""
        if not self.server:
            yield
            return
        there, name = f"steps_{self.kind}", f"copy_{time.monotonic_ns()}"
        postgresql.create(self.server, name, template=there)
        settings = root / "settings.toml"
        settings.write_text(settings.read_text().replace(there, name))
        yield
        postgresql.drop(self.server, name)

    def _send(self, place: Path, root: Path, clock: FastClock, *, strike: int, gap: str, pages: int) -> Came:
        with posts.post(self.kind, place, root, clock, 1) as post:
            if self.faults:
                post.server.plan(*self.faults)
            if self.lag is not None:
                post.server.lag = self.lag
            if self.late is not None:
                post.server.late = {newsroom.reader(number): self.late for number in range(CALL)}
            came = self._finish(
                post,
                root,
                clock,
                Pass(
                    root=str(root),
                    clock=str(place / "clock"),
                    kind=self.kind,
                    url=post.url,
                    call=CALL,
                    strike=strike,
                    gap=gap,
                    pages=pages,
                ),
            )
        shutil.rmtree(place)
        return came

    def _finish(self, post: posts.Post, root: Path, clock: FastClock, first: Pass) -> Came:
        done = passed = self.strikers.pass_(first)
        errors, hooks = list(done.errors), Webhooks(post, root, clock, 1)
        later = Pass(**{**asdict(first), "strike": 0, "pages": -1})
        for number in range(PASSES):
            if passed.finished:
                break
            clock.leap(timedelta(minutes=6) * 1.3 ** min(number, 12))
            if KINDS[self.kind].hooks == 1.0:
                hooks.listen()
            passed = self.strikers.pass_(later)
            errors += passed.errors
        hooks.close()
        assert passed.finished, f"it never ended: {errors[-3:]}"
        app = newsroom.enter(root, clock)
        named = newsroom.held(app)
        app.close()
        everybody = [newsroom.reader(number) for number in range(self.readers)]
        arrived = [one for one in post.arrived() if one != newsroom.OURS]
        lost, repeated, had = judge(KINDS[self.kind], everybody, arrived, named)
        return Came(
            steps=done.steps,
            struck=done.struck,
            lost=frozenset(lost),
            repeated=frozenset(repeated),
            named=frozenset(named),
            had=had,
            errors=errors,
        )
