"""`publisher run` and `publisher serve`: processes that stop when they are asked to."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.calling import as_json, call, done, letters, many, newsroom, process
from tests.sites import addressees


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


def events(running: subprocess.Popen[str]) -> Iterator[dict[str, str]]:
    """What a process logs, as it comes."""
    assert running.stderr
    for line in running.stderr:
        yield json.loads(line)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_serves_and_stops_cleanly(site: Path, number: int) -> None:
    with process(site, "--log-format", "json", "run", "--port", 0) as running:
        try:
            log = events(running)
            started = next(event for event in log if event["event"] == "running")
            with urllib.request.urlopen(f"{started['address']}/feeds/", timeout=10) as page:
                assert page.status == 200
            running.send_signal(number)
            assert [event["event"] for event in log if event["level"] in ("info", "error")][-1] == "stopped"
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()


def test_serve_stops_cleanly(site: Path) -> None:
    done(site, "run", "--once")
    with process(site, "serve", "--port", 0) as running:
        try:
            assert running.stderr
            said = next(line for line in running.stderr if "http://" in line)
            address = re.search(r"http://[\d.:]+", said)
            assert address
            with urllib.request.urlopen(f"{address[0]}/feeds/all.rss", timeout=10) as feed:
                assert feed.status == 200
            running.send_signal(signal.SIGTERM)
            assert running.wait(timeout=30) == 0
        finally:
            running.kill()


def test_json_is_for_one_pass_only(site: Path) -> None:
    result = call(site, "run", "--json")
    assert result.exit_code == 2
    assert "--once" in result.stderr


def test_a_port_that_is_taken_is_named(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for command in ("run", "serve"):
            result = call(site, command, "--port", port)
            assert result.exit_code == 1
            assert f"cannot listen on 127.0.0.1:{port}" in result.stderr
            assert "--port" in result.stderr


def test_sigterm_in_the_middle_of_an_import_keeps_what_was_done(site: Path) -> None:
    os.mkfifo(site / "readers.csv")
    with process(site, "subscribers", "import", site / "readers.csv") as running:
        try:
            with (site / "readers.csv").open("w") as pipe:
                pipe.write(many(5000))
                pipe.flush()
                wait_until(lambda: written(site) > 400_000)
                running.send_signal(signal.SIGTERM)
                _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert running.returncode == 143
    assert said == "Stopped, as asked. What was done is kept; the same command carries on.\n"
    assert as_json(site, "status")["newsletters"][0]["readers"]["confirmed"] in (2000, 4000)


def test_sigterm_while_mail_leaves_stops_between_batches_and_nobody_gets_it_twice(site: Path) -> None:
    (site / "many.csv").write_text(many(600))
    done(site, "collect", at=datetime.now(UTC))
    done(site, "subscribers", "import", site / "many.csv", at=datetime.now(UTC))
    with process(site, "send", "daily", "--now", "--yes") as running:
        try:
            wait_until(lambda: len(letters(site)) > 100)
            running.send_signal(signal.SIGTERM)
            _, said = running.communicate(timeout=30)
        finally:
            running.kill()
    assert (running.returncode, "Stopped, as asked" in said) == (143, True)
    assert 100 < len(letters(site)) < 600
    done(site, "deliver", at=datetime.now(UTC))
    assert len(set(addressees(site))) == len(letters(site)) == 600


def written(site: Path) -> int:
    """Bytes that the store has taken in and not yet put into place."""
    log = site / "var" / "publisher.db-wal"
    return log.stat().st_size if log.exists() else 0


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """For what a process does to files, which nothing announces."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
