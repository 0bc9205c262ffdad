"""The engine inside this process: threads that take work from memory.

What it holds is lost with the process. That loses nothing: the next tick asks the store again what is due.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from publisher.model import Work

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

_Name = tuple[str, str]
_COMMON = ""  # the lane of all work that has none of its own


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A place in a queue: what is smallest goes first."""

    rank: float
    number: int
    work: Work = field(compare=False)
    ready_at: float = field(compare=False)


class Embedded:
    """`ports.Engine` with threads in this process.

    Work of the same kind and key waits only once, and never runs twice at once: submitted while it runs, it
    runs once more afterwards. Whatever `handler` or a tick raises is given to `on_error` (a tick as
    `Work("tick", <name of the function>)`), and the thread goes on.

    `lanes` gives kinds of work threads of their own, so that they neither wait for others nor keep them waiting.
    """

    def __init__(
        self,
        handler: Callable[[Work], None],
        *,
        on_error: Callable[[Work, BaseException], None],
        threads: int = 4,
        lanes: Mapping[str, int] | None = None,
    ) -> None:
        self._handler = handler
        self._on_error = on_error
        self._lanes = {_COMMON: threads, **(lanes or {})}
        self._changed = threading.Condition()
        self._waiting: dict[_Name, _Place] = {}  # the truth; a place in a heap that is not here is left over
        self._ready: dict[str, list[_Place]] = {lane: [] for lane in self._lanes}  # by priority
        self._later: list[_Place] = []  # by time
        self._running: dict[_Name, str] = {}  # and whose turn it is
        self._parked: dict[str, list[_Place]] = {}  # ready, but it is another's turn
        self._numbers = count()
        self._draining = False
        self._ended = False
        self._ticks: list[tuple[Callable[[], None], float]] = []
        self._scheduler: BackgroundScheduler | None = None

    def submit(self, work: Work, *, not_before: datetime | None = None) -> None:
        """Have work done, at `not_before` (aware) at the earliest. The same work, submitted again before it
        starts, keeps the earlier time and the higher priority. Nothing is taken after `drain`."""
        ready_at = not_before.timestamp() if not_before else 0.0
        with self._changed:
            if self._draining:
                return
            name = (work.kind, work.key)
            known = self._waiting.get(name)
            if known:
                work = replace(work, priority=max(work.priority, known.work.priority))
                ready_at = min(ready_at, known.ready_at)
            number = known.number if known else next(self._numbers)
            self._waiting[name] = _Place(ready_at, number, work, ready_at)
            if name not in self._running:
                self._queue(name)

    def tick(self, call: Callable[[], None], seconds: float) -> None:
        """Call at once when `run` starts, then every so many seconds; a call that takes longer delays the next."""
        with self._changed:
            self._ticks.append((call, seconds))
            if self._scheduler:
                self._schedule(self._scheduler, call, seconds)

    def run(self) -> None:
        """Work until `drain` was called and has ended: all work in hand finished, or its time was up.

        Threads left over then end with the process.
        """
        for lane, threads in self._lanes.items():
            for number in range(threads):
                name = f"engine-{lane or 'work'}-{number}"
                threading.Thread(target=self._work, args=(lane,), name=name, daemon=True).start()
        self._start_ticks()
        with self._changed:
            self._changed.wait_for(lambda: self._ended)

    def drain(self, timeout: float) -> bool:
        """Take nothing new and let work in hand finish; False when some was left after `timeout` seconds."""
        with self._changed:
            self._draining = True
            self._changed.notify_all()
            scheduler, self._scheduler = self._scheduler, None
        if scheduler:
            scheduler.shutdown(wait=False)
        with self._changed:
            finished = self._changed.wait_for(lambda: not self._running, timeout)
            self._ended = True
            self._changed.notify_all()
        return finished

    def health(self) -> str:
        """A short line, such as "threads: 4, working: 1, waiting: 3"."""
        with self._changed:
            return f"threads: {sum(self._lanes.values())}, working: {len(self._running)}, waiting: {len(self._waiting)}"

    # ------------------------------------------------------------ work

    def _work(self, lane: str) -> None:
        while work := self._take(lane):
            self._attempt(work, self._handler)

    def _take(self, lane: str) -> Work | None:
        """The most urgent work of a lane that is ready, waiting for it as long as necessary. None when draining."""
        with self._changed:
            while not self._draining:
                self._promote()
                if work := self._next(self._ready[lane]):
                    name = (work.kind, work.key)
                    del self._waiting[name]
                    self._running[name] = work.turn
                    return work
                self._changed.wait(self._pause())
            return None

    def _next(self, ready: list[_Place]) -> Work | None:
        """The first whose turn it is; the others are parked until the one who has it is done."""
        taken = {turn for turn in self._running.values() if turn}
        while ready:
            place = heappop(ready)
            if self._left_over(place):
                continue
            if place.work.turn not in taken:
                return place.work
            self._parked.setdefault(place.work.turn, []).append(place)
        return None

    def _attempt(self, work: Work, handler: Callable[[Work], None]) -> None:
        """Run a handler; nothing that it raises ends the thread."""
        try:
            handler(work)
        except BaseException as error:
            self._report(work, error)
        finally:
            self._finish((work.kind, work.key))

    def _report(self, work: Work, error: BaseException) -> None:
        try:
            self._on_error(work, error)
        except BaseException:  # a fault in the fault report: all that is left is standard error
            sys.excepthook(*sys.exc_info())

    def _finish(self, name: _Name) -> None:
        with self._changed:
            turn = self._running.pop(name, "")
            for place in self._parked.pop(turn, []) if turn else []:
                heappush(self._ready[self._lane(place.work)], place)
            if name in self._waiting:
                self._queue(name)
            self._changed.notify_all()

    # ------------------------------------------------------------ queues, with the lock held

    def _queue(self, name: _Name) -> None:
        heappush(self._later, self._waiting[name])
        self._changed.notify_all()

    def _promote(self) -> None:
        """Move what has become ready to the queue by priority, and drop what is left over from both."""
        now = datetime.now(UTC).timestamp()
        while self._later and (self._later[0].ready_at <= now or self._left_over(self._later[0])):
            place = heappop(self._later)
            if not self._left_over(place):
                self._waiting[place.work.kind, place.work.key] = ready = replace(place, rank=-place.work.priority)
                heappush(self._ready[self._lane(ready.work)], ready)

    def _lane(self, work: Work) -> str:
        return work.kind if work.kind in self._lanes else _COMMON

    def _left_over(self, place: _Place) -> bool:
        return self._waiting.get((place.work.kind, place.work.key)) is not place

    def _pause(self) -> float | None:
        """Seconds until the next work becomes ready; None when only a submission can bring any."""
        if not self._later:
            return None
        return max(0.0, self._later[0].ready_at - datetime.now(UTC).timestamp())

    # ------------------------------------------------------------ ticks

    def _start_ticks(self) -> None:
        # Imported here, so that only a process that ticks pays for it.
        from apscheduler.schedulers.background import BackgroundScheduler

        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)  # it notes every tick; errors go to on_error
        with self._changed:
            if self._draining:
                return
            self._scheduler = BackgroundScheduler(timezone=UTC)
            for call, seconds in self._ticks:
                self._schedule(self._scheduler, call, seconds)
            self._scheduler.start()

    def _schedule(self, scheduler: BackgroundScheduler, call: Callable[[], None], seconds: float) -> None:
        # Never the default grace of one second: it drops ticks of a machine that slept.
        scheduler.add_job(
            self._tick,
            "interval",
            args=(call,),
            seconds=seconds,
            next_run_time=datetime.now(UTC),
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def _tick(self, call: Callable[[], None]) -> None:
        work = Work(kind="tick", key=getattr(call, "__qualname__", repr(call)))
        with self._changed:
            if self._draining:
                return
            self._running[work.kind, work.key] = ""
        self._attempt(work, lambda _: call())
