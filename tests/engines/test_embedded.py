from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from publisher.engines.embedded import Embedded
from publisher.model import Work
from publisher.ports import Engine
from tests.contracts.engine_cases import TIMEOUT, Desk, EngineCases, Handler, OnError


class TestEmbedded(EngineCases):
    def make(self, handler: Handler, on_error: OnError, threads: int) -> Engine:
        return Embedded(handler, on_error=on_error, threads=threads)

    def test_a_kind_with_a_lane_of_its_own_keeps_nothing_waiting(self, desk: Desk) -> None:
        held = [desk.hold(key) for key in ("slow", "slower")]
        engine = Embedded(desk, on_error=lambda *_: None, threads=1, lanes={"collect": 2})
        thread = threading.Thread(target=engine.run, daemon=True)
        thread.start()
        for key in ("slow", "slower", "third"):
            engine.submit(Work(kind="collect", key=key))
        assert {desk.next_started(), desk.next_started()} == {"slow", "slower"}
        engine.submit(Work(kind="deliver", key="smtp"))
        assert desk.next() == desk.next_started() == "smtp"
        assert desk.started.empty(), "its lane is full"
        for one in held:
            one.set()
        assert {desk.next() for _ in range(3)} == {"slow", "slower", "third"}
        assert engine.drain(TIMEOUT)
        thread.join(TIMEOUT)

    def test_the_same_work_waits_only_once(self, start: Callable[..., Engine], desk: Desk) -> None:
        held = desk.hold("first")
        engine = start(threads=1)
        engine.submit(Work(kind="deliver", key="first"))
        assert desk.next_started() == "first"

        for _ in range(3):
            engine.submit(Work(kind="syndicate", key="all"))
        engine.submit(Work(kind="syndicate", key="end"))

        assert engine.health() == "threads: 1, working: 1, waiting: 2"
        held.set()
        assert [desk.next(), desk.next(), desk.next()] == ["first", "all", "end"]

    def test_submitted_again_it_keeps_the_higher_priority(self, start: Callable[..., Engine], desk: Desk) -> None:
        held = desk.hold("first")
        engine = start(threads=1)
        engine.submit(Work(kind="deliver", key="first"))
        assert desk.next_started() == "first"

        engine.submit(Work(kind="deliver", key="digest"))
        engine.submit(Work(kind="deliver", key="alert", priority=1))
        engine.submit(Work(kind="deliver", key="digest", priority=9))
        engine.submit(Work(kind="deliver", key="digest", priority=0))
        held.set()

        assert [desk.next(), desk.next(), desk.next()] == ["first", "digest", "alert"]

    def test_submitted_again_it_keeps_the_earlier_time(self, start: Callable[..., Engine], desk: Desk) -> None:
        engine, in_an_hour = start(threads=1), datetime.now(UTC) + timedelta(hours=1)
        engine.submit(Work(kind="deliver", key="digest"), not_before=in_an_hour)

        engine.submit(Work(kind="deliver", key="digest"))

        assert desk.next() == "digest"
        assert engine.health().endswith("waiting: 0")

    def test_submitted_again_for_later_it_keeps_its_time(self, start: Callable[..., Engine], desk: Desk) -> None:
        held = desk.hold("first")
        engine, in_an_hour = start(threads=1), datetime.now(UTC) + timedelta(hours=1)
        engine.submit(Work(kind="deliver", key="first"))
        assert desk.next_started() == "first"

        engine.submit(Work(kind="deliver", key="digest"))
        engine.submit(Work(kind="deliver", key="digest"), not_before=in_an_hour)
        held.set()

        assert [desk.next(), desk.next()] == ["first", "digest"]

    def test_what_runs_again_respects_its_time(self, start: Callable[..., Engine], desk: Desk) -> None:
        held = desk.hold("digest")
        engine, in_an_hour = start(threads=1), datetime.now(UTC) + timedelta(hours=1)
        engine.submit(Work(kind="deliver", key="digest"))
        assert desk.next_started() == "digest"

        engine.submit(Work(kind="deliver", key="digest"), not_before=in_an_hour)
        held.set()
        engine.submit(Work(kind="deliver", key="other"))

        assert [desk.next(), desk.next()] == ["digest", "other"]
        assert engine.health().endswith("waiting: 1")

    def test_a_fault_in_the_fault_report_ends_no_thread(self, desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
        def on_error(work: Work, error: BaseException) -> None:
            raise OSError("cannot write the log")

        desk.failing.add("broken")
        engine = Embedded(desk, on_error=on_error, threads=1)
        thread = threading.Thread(target=engine.run, daemon=True)
        thread.start()
        engine.submit(Work(kind="collect", key="broken"))
        engine.submit(Work(kind="collect", key="newsroom"))

        assert desk.next() == "newsroom"
        assert "cannot write the log" in capsys.readouterr().err
        assert engine.drain(TIMEOUT)
        thread.join(TIMEOUT)

    def test_run_returns_when_the_time_to_drain_is_up(self, desk: Desk) -> None:
        held = desk.hold("stuck")
        engine = Embedded(desk, on_error=lambda work, error: None, threads=1)
        thread = threading.Thread(target=engine.run, daemon=True)
        thread.start()
        engine.submit(Work(kind="collect", key="stuck"))
        assert desk.next_started() == "stuck"

        assert engine.drain(0.01) is False

        thread.join(TIMEOUT)
        assert not thread.is_alive()
        held.set()

    def test_a_tick_can_be_added_while_it_runs(self, start: Callable[..., Engine]) -> None:
        first, second = threading.Event(), threading.Event()
        engine = start(before=lambda engine: engine.tick(first.set, 60))
        assert first.wait(TIMEOUT)

        engine.tick(second.set, 60)

        assert second.wait(TIMEOUT)

    def test_after_draining_it_holds_nothing(self, start: Callable[..., Engine]) -> None:
        first = threading.Event()
        engine = start(before=lambda engine: engine.tick(first.set, 60))
        assert first.wait(TIMEOUT)

        assert engine.drain(TIMEOUT)
        engine.submit(Work(kind="collect", key="newsroom"))

        assert engine.health() == "threads: 2, working: 0, waiting: 0"
        assert "APScheduler" not in {thread.name for thread in threading.enumerate()}
