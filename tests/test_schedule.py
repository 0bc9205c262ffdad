"""`schedule.run` in a process of its own, as an installation has it: it works unasked, and stops when told to."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from publisher import pipeline
from publisher.app import App, open_app
from publisher.errors import FolderError
from publisher.kit import slots
from publisher.model import Work
from publisher.schedule import Report
from tests.fakes.smtp import Fault, SmtpServer
from tests.sites import LANTERNS, SETTINGS, TestClock, add_readers, lay_out, open_site, write

ROOT = Path(__file__).parents[1]
SECONDS = 30.0  # the longest wait for anything

#: The process: looks often, and logs as JSON to its standard error.
PROGRAM = """
import os, sys
from pathlib import Path
from publisher import pipeline, schedule
from publisher.app import open_app
from publisher.cli import logs

logs.configure("json", 1)
schedule.TICK = 0.1
app = open_app(Path(sys.argv[1]), os.environ)
pipeline.adopt(app.parts)
schedule.run(app, host="127.0.0.1", port=0, ready=lambda port: print(port, flush=True))
app.close()
"""


class Running:
    """The process, and its log lines as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.torn: list[str] = []  # lines that are no log lines, such as a traceback
        self._new: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self._new.put(line)
        self._new.put("")

    def port(self) -> int:
        assert self.process.stdout
        return int(self.process.stdout.readline())

    def until(self, event: str) -> dict[str, Any]:
        """The next line with that event."""
        while line := self._new.get(timeout=SECONDS):
            self._keep(line)
            if self.lines and self.lines[-1].get("event") == event:
                return self.lines[-1]
        raise AssertionError(f"it ended before {event}: {self.lines} {self.torn}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        while line := self._new.get(timeout=SECONDS):
            self._keep(line)
        return code

    def _keep(self, line: str) -> None:
        try:
            self.lines.append(json.loads(line))
        except ValueError:
            self.torn.append(line)

    def events(self) -> list[str]:
        return [str(line["event"]) for line in self.lines]


@contextmanager
def running(site: Path, program: str = PROGRAM, environment: Mapping[str, str] | None = None) -> Iterator[Running]:
    command = [sys.executable, "-c", program, str(site)]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(environment or {})}, **pipes) as process:
        started = Running(process)
        try:
            yield started
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(SECONDS)
            started._reader.join(SECONDS)


def eventually(condition: Callable[[], bool], process: Running) -> None:
    """Wait until something is so; at once wrong when the process ended before."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.05)):
        if condition():
            return
        assert process.process.poll() is None, "it ended"
        pause.wait(0.05)
    raise AssertionError("it never came")


def quick(settings: str = SETTINGS) -> str:
    return settings.replace('path = "articles"', 'path = "articles"\ninterval = "1s"')


def holds(path: Path, words: str) -> Callable[[], bool]:
    return lambda: path.is_file() and words in path.read_text()


# ---------------------------------------------------------------- a site that runs


def test_an_article_dropped_into_the_folder_is_in_the_feeds_soon(tmp_path: Path) -> None:
    site = lay_out(tmp_path, quick())
    with running(site) as process:
        port = process.port()
        eventually(holds(site / "feeds" / "all.rss", "The ferry returns"), process)
        write(site, "evening/lanterns.txt", LANTERNS)
        eventually(holds(site / "feeds" / "all.rss", "Lantern night"), process)
        eventually(holds(site / "feeds" / "section-evening.json", "Lantern night"), process)

        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("GET", "/feeds/all.rss")
        assert b"Lantern night" in connection.getresponse().read()

        # The connection is still open, as browsers keep it.
        assert process.stop() == 0
        connection.close()
    assert process.torn == []
    assert process.events()[0] == "running"
    assert process.events()[-2:] == ["stopping", "stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_the_start_is_heard(tmp_path: Path, number: signal.Signals) -> None:
    with running(lay_out(tmp_path)) as process:
        process.port()
        process.process.send_signal(number)
        assert process.wait() == 0
    assert process.torn == []


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "publisher", "--site", lay_out(tmp_path), "run", "--port", str(port)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS, check=False)

    assert ended.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another with --port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_source_that_fails_is_told_once_and_the_rest_goes_on(tmp_path: Path) -> None:
    broken = '[[sources]]\nslug = "gone"\nkind = "folder"\npath = "no-such-folder"\ninterval = "1s"\n\n[[feeds]]'
    site = lay_out(tmp_path, quick().replace("[[feeds]]", broken, 1))
    with running(site) as process:
        failed = process.until("collect.failed")
        eventually(holds(site / "feeds" / "all.rss", "The ferry returns"), process)
        (site / "no-such-folder").mkdir()
        process.until("collect.recovered")
        assert process.stop() == 0

    assert failed["key"] == "gone"
    assert "no-such-folder" in failed["error"]
    assert process.events().count("collect.failed") == 1
    assert process.torn == []


# ---------------------------------------------------------------- stopped while it delivers

LETTERS = 205  # six calls to the mailer, of which two connections hold three at most
READERS = [f"reader{number:03}@mail.example" for number in range(LETTERS)]


class Gate(SmtpServer):
    """A mail server that waits with its answer to one message until it is opened."""

    def __init__(self, waits_at: int) -> None:
        super().__init__()
        self.waits_at = waits_at
        self.reached = threading.Event()
        self.opened = threading.Event()

    def fault(self, at: str, recipient: str = "") -> Fault | None:
        if at == "DOT" and len(self.received) == self.waits_at and not self.opened.is_set():
            self.reached.set()
            self.opened.wait(SECONDS)
        return super().fault(at, recipient)


def ready_to_deliver(site: Path, settings: str) -> None:
    """A site with an edition that is approved and due, today."""
    lay_out(site, settings)
    clock = TestClock(at=datetime.now(UTC))
    app = open_site(site, clock)
    add_readers(app, *READERS)
    send(app)
    app.close()


def send(app: App) -> None:
    newsletter = app.parts.newsletters[0]
    pipeline.collect(app.parts, "newsroom")
    slot = slots.today(newsletter.timetable(), app.parts.clock.now())
    pipeline.send(app.parts, newsletter, slot, "Aoife Brennan")


def through_smtp(port: int) -> str:
    newsletter = SETTINGS.replace('name = "The Daily"', 'name = "The Daily"\nmailer = "post"')
    return (
        newsletter
        + f'[[mailers]]\nname = "post"\nkind = "smtp"\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\n'
    )


def test_stopped_while_it_delivers_everybody_is_mailed_once(tmp_path: Path) -> None:
    with Gate(waits_at=25) as server:
        ready_to_deliver(tmp_path, through_smtp(server.port))
        with running(tmp_path) as process:
            assert server.reached.wait(SECONDS)
            process.process.send_signal(signal.SIGTERM)
            process.until("stopping")
            server.opened.set()
            assert process.wait() == 0
        assert process.torn == []
        assert 25 < len(server.received) < LETTERS

        with running(tmp_path) as again:
            eventually(lambda: len(server.received) >= LETTERS, again)
            assert again.stop() == 0

        assert sorted(server.recipients()) == READERS
    app = open_app(tmp_path, {})
    edition = app.parts.store.editions.newest(1)[0]
    assert app.parts.store.outbox.sums(edition.id).accepted == LETTERS
    app.close()


# ---------------------------------------------------------------- words


def test_the_same_failure_is_told_once_and_its_end_too() -> None:
    work = Work(kind="syndicate", key="all")

    def fails() -> None:
        raise FolderError("feeds cannot be written: the disk is full", path="feeds")

    with capture_logs() as lines:
        report = Report(structlog.get_logger())
        for call in (fails, fails, fails, lambda: None, lambda: None, fails):
            report.attempt(work, call)

    assert [line["event"] for line in lines] == ["syndicate.failed", "syndicate.recovered", "syndicate.failed"]
    assert lines[0]["error"] == "feeds cannot be written: the disk is full"
    assert (lines[0]["key"], lines[0]["path"]) == ("all", "feeds")


def test_another_failure_of_the_same_work_is_told() -> None:
    with capture_logs() as lines:
        report = Report(structlog.get_logger())
        for words in ("the disk is full", "the disk is full", "it is read-only"):
            report.failed(Work(kind="syndicate", key="all"), FolderError(words))

    assert [line["error"] for line in lines] == ["the disk is full", "it is read-only"]


def test_a_bug_is_told_whole() -> None:
    bug = ZeroDivisionError("a bug")
    with capture_logs() as lines:
        Report(structlog.get_logger()).failed(Work(kind="collect", key="newsroom"), bug)

    assert (lines[0]["event"], lines[0]["exc_info"]) == ("collect.bug", bug)
