"""What every engine does, whoever wakes its workers. A subclass says how to make one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from queue import Empty, Queue

import pytest

from publisher.model import Work
from publisher.ports import Engine

TIMEOUT = 20.0  # seconds; only a broken engine needs them

Handler = Callable[[Work], None]
OnError = Callable[[Work, BaseException], None]


class Desk:
    """A handler that notes what it was given, and holds on to keys in `holding` until they are let go."""

    def __init__(self) -> None:
        self.started: Queue[Work] = Queue()
        self.finished: Queue[Work] = Queue()
        self.errors: Queue[tuple[Work, BaseException]] = Queue()
        self.holding: dict[str, threading.Event] = {}
        self.failing: set[str] = set()

    def hold(self, key: str) -> threading.Event:
        return self.holding.setdefault(key, threading.Event())

    def __call__(self, work: Work) -> None:
        self.started.put(work)
        if work.key in self.holding:
            assert self.holding[work.key].wait(TIMEOUT)
        if work.key in self.failing:
            raise ValueError(work.key)
        self.finished.put(work)

    def next(self) -> str:
        return self.finished.get(timeout=TIMEOUT).key

    def next_started(self) -> str:
        return self.started.get(timeout=TIMEOUT).key


class EngineCases:
    """Subclass, and answer `make`. A fixture starts engines and drains them at the end."""

    def make(self, handler: Handler, on_error: OnError, threads: int) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    def desk(self) -> Desk:
        return Desk()

    @pytest.fixture
    def start(self, desk: Desk) -> Iterator[Callable[..., Engine]]:
        running: list[tuple[Engine, threading.Thread]] = []

        def begin(*, threads: int = 2, before: Callable[[Engine], None] = lambda engine: None) -> Engine:
            engine = self.make(desk, lambda work, error: desk.errors.put((work, error)), threads)
            before(engine)
            thread = threading.Thread(target=engine.run, daemon=True)
            thread.start()
            running.append((engine, thread))
            return engine

        yield begin
        for held in desk.holding.values():
            held.set()
        for engine, thread in running:
            engine.drain(TIMEOUT)
            thread.join(TIMEOUT)
            assert not thread.is_alive()

    def test_submitted_work_is_handled(self, start: Callable[..., Engine], desk: Desk) -> None:
        engine = start()

        engine.submit(Work(kind="collect", key="newsroom"))

        assert desk.finished.get(timeout=TIMEOUT) == Work(kind="collect", key="newsroom")

    def test_work_submitted_before_the_start_is_handled(self, start: Callable[..., Engine], desk: Desk) -> None:
        start(before=lambda engine: engine.submit(Work(kind="collect", key="newsroom")))

        assert desk.next() == "newsroom"

    def test_different_work_runs_side_by_side(self, start: Callable[..., Engine], desk: Desk) -> None:
        desk.hold("newsroom")
        engine = start(threads=2)
        engine.submit(Work(kind="collect", key="newsroom"))
        assert desk.next_started() == "newsroom"

        engine.submit(Work(kind="collect", key="website"))

        assert desk.next() == "website"

    def test_work_with_the_same_turn_is_done_one_after_the_other(
        self, start: Callable[..., Engine], desk: Desk
    ) -> None:
        held = desk.hold("sport")
        engine = start(threads=3)
        engine.submit(Work(kind="collect", key="sport", turn="g.example"))
        assert desk.next_started() == "sport"
        for key in ("culture", "news"):
            engine.submit(Work(kind="collect", key=key, turn="g.example"))
        for key in ("wire", "coast"):
            engine.submit(Work(kind="collect", key=key, turn="w.example"))

        assert [desk.next(), desk.next()] == ["wire", "coast"]
        assert desk.finished.empty(), "others' turns come, and this one is not over"
        held.set()
        assert [desk.next(), desk.next(), desk.next()] == ["sport", "culture", "news"]

    def test_the_same_work_never_runs_twice_at_once_and_runs_again(
        self, start: Callable[..., Engine], desk: Desk
    ) -> None:
        held = desk.hold("newsroom")
        engine = start(threads=3)
        engine.submit(Work(kind="collect", key="newsroom"))
        assert desk.next_started() == "newsroom"

        engine.submit(Work(kind="collect", key="newsroom"))
        engine.submit(Work(kind="collect", key="website"))
        assert desk.next_started() == "website"
        assert desk.next() == "website"
        assert desk.started.empty()  # the second look at the newsroom waits for the first
        held.set()

        assert [desk.next(), desk.next()] == ["newsroom", "newsroom"]

    def test_urgent_work_overtakes(self, start: Callable[..., Engine], desk: Desk) -> None:
        held = desk.hold("first")
        engine = start(threads=1)
        engine.submit(Work(kind="deliver", key="first"))
        assert desk.next_started() == "first"

        engine.submit(Work(kind="deliver", key="digest", priority=0))
        engine.submit(Work(kind="deliver", key="alert", priority=9))
        held.set()

        assert [desk.next(), desk.next(), desk.next()] == ["first", "alert", "digest"]

    def test_work_never_starts_before_its_time(self, start: Callable[..., Engine], desk: Desk) -> None:
        engine = start(threads=1)
        not_before = datetime.now(UTC) + timedelta(milliseconds=150)

        engine.submit(Work(kind="deliver", key="later"), not_before=not_before)
        engine.submit(Work(kind="deliver", key="now"))

        assert desk.next() == "now"
        assert desk.next() == "later"
        assert datetime.now(UTC) >= not_before

    def test_a_failing_handler_is_reported_and_the_next_work_runs(
        self, start: Callable[..., Engine], desk: Desk
    ) -> None:
        desk.failing.add("broken")
        engine = start(threads=1)

        engine.submit(Work(kind="collect", key="broken"))
        engine.submit(Work(kind="collect", key="newsroom"))

        work, error = desk.errors.get(timeout=TIMEOUT)
        assert work.key == "broken"
        assert isinstance(error, ValueError)
        assert desk.next() == "newsroom"

    def test_drain_finishes_what_is_in_hand_and_takes_nothing_new(
        self, start: Callable[..., Engine], desk: Desk
    ) -> None:
        held = desk.hold("first")
        engine = start(threads=1)
        engine.submit(Work(kind="deliver", key="first"))
        assert desk.next_started() == "first"
        engine.submit(Work(kind="deliver", key="waiting"))

        assert engine.drain(0.0) is False
        engine.submit(Work(kind="deliver", key="too late"))
        held.set()

        assert engine.drain(TIMEOUT) is True
        assert desk.next() == "first"
        assert desk.finished.empty()

    def test_an_idle_engine_drains_at_once(self, start: Callable[..., Engine]) -> None:
        assert start().drain(TIMEOUT) is True

    def test_ticks_come_regularly_and_never_twice_at_once(self, start: Callable[..., Engine]) -> None:
        calls: Queue[int] = Queue()
        inside = 0

        def call() -> None:
            nonlocal inside
            inside += 1
            calls.put(inside)
            threading.Event().wait(0.05)  # longer than the time between two ticks
            inside -= 1

        start(before=lambda engine: engine.tick(call, 0.02))

        assert [calls.get(timeout=TIMEOUT) for _ in range(4)] == [1, 1, 1, 1]

    def test_a_tick_can_submit_work(self, start: Callable[..., Engine], desk: Desk) -> None:
        def tick_of(engine: Engine) -> Callable[[], None]:
            return lambda: engine.submit(Work(kind="collect", key="newsroom"))

        start(before=lambda engine: engine.tick(tick_of(engine), 60))

        assert desk.next() == "newsroom"

    def test_a_failing_tick_is_reported_and_ticks_go_on(self, start: Callable[..., Engine], desk: Desk) -> None:
        def broken() -> None:
            raise OSError("disk full")

        start(before=lambda engine: engine.tick(broken, 0.02))

        for _ in range(2):
            work, error = desk.errors.get(timeout=TIMEOUT)
            assert work.kind == "tick"
            assert isinstance(error, OSError)

    def test_no_tick_comes_after_drain(self, start: Callable[..., Engine]) -> None:
        calls: Queue[None] = Queue()
        engine = start(before=lambda engine: engine.tick(lambda: calls.put(None), 0.02))
        calls.get(timeout=TIMEOUT)

        assert engine.drain(TIMEOUT)

        while not calls.empty():
            calls.get()
        with pytest.raises(Empty):
            calls.get(timeout=0.1)

    def test_health_is_one_line(self, start: Callable[..., Engine]) -> None:
        line = start().health()

        assert line
        assert "\n" not in line
