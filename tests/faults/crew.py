"""Two schedulers and four workers, killed, frozen and misled: `python -m tests.faults.crew SPEC`.

Each is a process of its own, forked from this one, which has imported everything and opened nothing. They do what is
due through the real pipeline until they are told to stop. A kill strikes at a random instant, once the run has come as
far as that kill's share of the work: so the kills are spread over the work itself, not over starting up.

Prints, as JSON, what it did to them.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ctypes import c_char, c_longlong
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

from publisher import pipeline
from publisher.errors import PublisherError
from publisher.model import Outcome
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock

SCHEDULERS, WORKERS = 2, 4
#: Seconds without progress, and with no call under way, after which time leaps.
QUIET = 0.15
#: Seconds without progress after which a kill that is due only later strikes all the same.
STUCK = 1.5
#: Seconds after which a run that does not end is given up.
LONGEST = 6000.0
#: And one in which nothing has been sent by then.
STARTING = 300.0
_WIDTH = 40
_ENDS = ("outbox.settle", "outbox.back", "outbox.unknown", "outbox.hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    root: str
    clock: str
    kind: str
    url: str
    readers: int
    kills: int
    freezes: int
    jumps: int
    skewed: bool
    scale: float
    patience: float
    seed: int


@dataclass(slots=True, kw_only=True)
class Report:
    """`struck` counts kills by the last step before them. `at_stake` are recipients of calls that may have left when
    their worker was struck, or lost its lease: the most that can be in doubt because of that."""

    kills: int = 0
    in_flight: int = 0
    freezes: int = 0
    jumps: int = 0
    at_stake: int = 0
    struck: dict[str, int] = field(default_factory=dict)
    bugs: list[str] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False


class Board:
    """Shared memory, one place for each of the crew: what it does, what it has at stake, how much it has got done. What
    a dead process wrote stays."""

    def __init__(self, places: int) -> None:
        self.stop = RawArray(c_longlong, 1)
        self.begun = RawArray(c_longlong, places)
        self.stake = RawArray(c_longlong, places)
        self.done = RawArray(c_longlong, places)
        self.let_go = RawArray(c_longlong, places)
        self._steps = RawArray(c_char, places * _WIDTH)

    def step(self, place: int) -> str:
        return bytes(self._steps[place * _WIDTH : (place + 1) * _WIDTH]).rstrip(b"\0").decode()

    def watch(self, place: int) -> Watch:
        self.begun[place] = self.stake[place] = 0
        return Watch(self, place)

    def write(self, place: int, step: bytes) -> None:
        self._steps[place * _WIDTH : (place + 1) * _WIDTH] = step[:_WIDTH].ljust(_WIDTH, b"\0")


class Watch:
    """Keeps one's place on the board, by the calls that one makes. A recipient is at stake from before the intent is
    committed until after the answer is: a batch that is settled within a transaction, when that commits."""

    def __init__(self, board: Board, place: int) -> None:
        self._board, self._place = board, place
        self._stakes: dict[int, int] = {}
        self._mine = threading.local()  # what this thread's transaction has settled

    def __call__(self, step: str, over: bool, given: tuple[Any, ...], result: Any) -> None:
        self._board.write(self._place, f"{'after' if over else 'before'} {step}".encode())
        if step == "begin":
            self._depth(+1)
        elif step in ("commit", "rollback") and over:
            if self._depth(-1) == 0:
                ended, self._mine.settled = self._mine.settled, []
                for batch in ended if step == "commit" else ():
                    self._stakes.pop(batch, None)
        elif step == "outbox.intend" and not over:
            self._stakes[given[0].id] = given[0].size
        elif (step in _ENDS and over) or (step == "outbox.intend" and over and result is None):
            self._end(given[0].id)
            if step == "outbox.settle" and result:
                accepted = sum(one.outcome is Outcome.ACCEPTED for one in given[1])
                self._board.done[self._place] += accepted
        self._board.stake[self._place] = sum(list(self._stakes.values()))

    def let_go(self) -> None:
        """An error ended what was in hand, its answer not written down."""
        self._board.let_go[self._place] += sum(self._stakes.values())
        self._stakes.clear()
        self._board.stake[self._place] = 0

    def _depth(self, by: int) -> int:
        """How many transactions this thread is in: one within another is part of it."""
        depth = self._mine.depth = getattr(self._mine, "depth", 0) + by
        self._mine.settled = getattr(self._mine, "settled", [])
        return int(depth)

    def _end(self, batch: int) -> None:
        if self._depth(0):
            self._mine.settled.append(batch)
        else:
            self._stakes.pop(batch, None)


def live(spec: Spec, board: Board, place: int, skew: timedelta) -> None:
    """One of the crew, until it is told to stop or struck."""
    clock = FastClock(Path(spec.clock), spec.scale, skew=skew)
    mailer = posts.mailer(spec.kind, Path(spec.root), spec.url, patience=spec.patience)
    schedules, watch = place < SCHEDULERS, board.watch(place)
    app = None
    while not board.stop[0]:
        try:
            app = app or newsroom.enter(Path(spec.root), clock, mailer, watch)
            board.begun[place] = 1
            due = list(pipeline.due(app.parts) if schedules else app.parts.store.outbox.due(clock.now()))
            for work in due:
                if (work.kind != "deliver") is schedules:
                    pipeline.work(app.parts, work.kind, work.key)
        except PublisherError:  # logged by a real one, and due again
            watch.let_go()
        time.sleep(0.1 if schedules else 0.05)


class Crew:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.chance = random.Random(spec.seed)
        self.clock = FastClock(Path(spec.clock), spec.scale)
        self.board = Board(SCHEDULERS + WORKERS)
        self.report = Report()
        self.places: dict[int, int] = {}  # place -> process id
        self.frozen: dict[int, float] = {}  # place -> when it wakes
        self.moved = self.asked = time.monotonic()
        self.leaps, self.seen = 0, 0
        most = spec.readers * (0.7 if posts.KINDS[spec.kind].holds else 0.9)
        self.due = {
            "kill": self._moments(spec.kills, most, early=max(spec.kills // 20, 1)),
            "freeze": self._moments(spec.freezes, most, early=0),
            "jump": self._moments(spec.jumps, most, early=0),
        }

    def _moments(self, number: int, most: float, *, early: int) -> list[float]:
        """How far the work is when each strikes, the last first; the first few strike while there is only planning."""
        return sorted((*(self.chance.uniform(0, most) for _ in range(number - early)), *[0.0] * early), reverse=True)

    def run(self) -> Report:
        began = time.monotonic()
        while not self.report.finished and time.monotonic() - began < (LONGEST if self.progress else STARTING):
            self._fill()
            self._strike()
            self._wake()
            self._reap()
            self._pass_time()
            time.sleep(0.002)
        self.board.stop[0] = 1
        for pid in self.places.values():
            os.kill(pid, signal.SIGCONT)
            os.waitpid(pid, 0)
        self.report.at_stake += sum(self.board.let_go)
        self.report.seconds = time.monotonic() - began
        return self.report

    # ---------------------------------------------------------------- who works

    def _fill(self) -> None:
        for place in range(SCHEDULERS + WORKERS):
            if place not in self.places:
                self.board.begun[place] = self.board.stake[place] = 0
                hours = self.chance.uniform(-2, 2) if self.spec.skewed and self.chance.random() < 0.2 else 0.0
                skew = timedelta(hours=hours)
                self.places[place] = self._fork(lambda at=place, by=skew: live(self.spec, self.board, at, by))

    def _fork(self, what: Callable[[], object]) -> int:
        child = os.fork()
        if child:
            return child
        _die_with_parent()
        status = 0
        try:
            status = int(bool(what()))
        except BaseException as error:
            import traceback

            sys.stderr.write(f"BUG {type(error).__name__}: {error} {traceback.format_exc()}\n")
            status = 9
        os._exit(status)

    def _reap(self) -> None:
        for place, pid in list(self.places.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.places[place]
                if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 9:
                    self.report.bugs.append(f"place {place}: {self.board.step(place)}")

    # ---------------------------------------------------------------- what befalls them

    @property
    def progress(self) -> int:
        return sum(self.board.done)

    def _strike(self) -> None:
        progress, still = self.progress, time.monotonic() - self.moved
        stuck = progress and still > STUCK and not self.frozen
        for what, strike in (("kill", self._kill), ("freeze", self._freeze), ("jump", self._jump)):
            due = self.due[what]
            comes = due and (due[-1] <= progress or (what == "kill" and stuck))
            if comes and strike(early=due[-1] == 0.0):
                due.pop()
                self.moved = time.monotonic()

    def _victim(self, *, early: bool) -> int | None:
        """Mostly a worker, as that is where something can be lost; while there is only planning, a scheduler."""
        schedulers = early or self.chance.random() < 0.1
        places = [
            place
            for place in self.places
            if (place < SCHEDULERS) is schedulers and self.board.begun[place] and place not in self.frozen
        ]
        return self.chance.choice(places) if places else None

    def _kill(self, *, early: bool) -> bool:
        place = self._victim(early=early)
        if place is None:
            return False
        time.sleep(self.chance.uniform(0, 0.3 if early else 0.03))
        pid = self.places.pop(place)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        report, stake = self.report, self.board.stake[place]
        report.kills += 1
        step = self.board.step(place)
        report.struck[step] = report.struck.get(step, 0) + 1
        report.in_flight += stake > 0
        report.at_stake += stake
        return True

    def _freeze(self, *, early: bool) -> bool:
        """Stopped for longer than its lease, and then going on as if nothing had been."""
        place = self._victim(early=False)
        if place is None or early:
            return False
        time.sleep(self.chance.uniform(0, 0.03))
        os.kill(self.places[place], signal.SIGSTOP)
        timeout = posts.mailer(self.spec.kind, Path(), "http://127.0.0.1:1").capability.timeout.total_seconds()
        lease = (2 * timeout + 10) / self.spec.scale
        self.frozen[place] = time.monotonic() + lease * self.chance.uniform(1.05, 1.3)
        self.report.freezes += 1
        self.report.at_stake += self.board.stake[place]
        return True

    def _wake(self) -> None:
        for place, at in list(self.frozen.items()):
            if time.monotonic() > at:
                os.kill(self.places[place], signal.SIGCONT)
                del self.frozen[place]

    def _jump(self, *, early: bool) -> bool:
        """All clocks of the machine are set wrong, or right again."""
        self.clock.set_wrong(timedelta(hours=self.chance.choice((-2, 0, 2))))
        self.report.jumps += not early
        self.report.at_stake += sum(self.board.stake)
        return True

    # ---------------------------------------------------------------- time

    def _pass_time(self) -> None:
        """When nothing happens any more, and no call is under way, what is waited for comes at once."""
        now, progress = time.monotonic(), self.progress
        if progress != self.seen or self.frozen or self.clock.owed or any(self.board.stake):
            self.leaps = self.leaps if progress == self.seen else 0
            self.seen, self.moved = progress, now
            return
        if not progress or now - self.moved < QUIET or now - self.asked < QUIET / 2:
            return
        self.asked = now
        if self._is_over():
            self.report.finished = not self.due["kill"]
            return
        if not self.due["jump"]:
            self.clock.set_wrong(timedelta(0))
        self.clock.leap(timedelta(minutes=5 if self.leaps < 100 else 30))
        self.leaps += 1

    def _is_over(self) -> bool:
        def ask() -> bool:
            try:
                return newsroom.finished(newsroom.enter(Path(self.spec.root), self.clock))
            except PublisherError:
                return False

        _, status = os.waitpid(self._fork(ask), 0)
        return os.WEXITSTATUS(status) == 1


def _die_with_parent() -> None:
    """Where the system can do that."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    _die_with_parent()
    newsroom.warm_up()
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.write(json.dumps(asdict(Crew(spec).run())))


if __name__ == "__main__":
    main()
