"""Folders that are watched, with real files and the real thing underneath."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.engines import watching
from publisher.engines.watching import Watching
from publisher.fetchers.folder import matters

SECONDS = 20.0  # the longest wait for anything


class Told:
    """What a watcher tells, as it comes."""

    def __init__(self) -> None:
        self.names: queue.Queue[str] = queue.Queue()
        self.errors: queue.Queue[BaseException] = queue.Queue()

    def next(self) -> str:
        return self.names.get(timeout=SECONDS)


@contextmanager
def watched(**folders: Path) -> Iterator[Told]:
    told = Told()
    watcher = Watching(folders, told.names.put, told.errors.put, matters=matters)
    watcher.start()
    try:
        yield told
    finally:
        watcher.stop()


def save(path: Path, text: str) -> None:
    """As careful editors do: beside the file first, then in its place."""
    beside = path.with_name(f".{path.name}.swp")
    beside.write_text(text)
    os.replace(beside, path)


def test_a_saved_file_is_told_by_its_folder(tmp_path: Path) -> None:
    for name in ("harbour", "sport"):
        (tmp_path / name).mkdir()
    with watched(harbour=tmp_path / "harbour", sport=tmp_path / "sport") as told:
        assert {told.next(), told.next()} == {"harbour", "sport"}  # before anybody watched, anything may have happened
        save(tmp_path / "sport" / "final.txt", "The final is postponed\n")
        assert told.next() == "sport"
        (tmp_path / "harbour" / "boats").mkdir()
        assert told.next() == "harbour"
        assert told.errors.empty()


def test_what_no_look_would_read_is_not_told(tmp_path: Path) -> None:
    """The names come in the order of the changes, so what is told first tells what was not told before it."""
    for name in ("harbour", "sport"):
        (tmp_path / name).mkdir()
    with watched(harbour=tmp_path / "harbour", sport=tmp_path / "sport") as told:
        assert {told.next(), told.next()} == {"harbour", "sport"}
        for name in ("quay.jpg", ".ferry.txt.Xk2", "~ferry.txt", "#ferry.txt#", "ferry.txt.part"):
            (tmp_path / "harbour" / name).write_text("nothing to read\n")
            (tmp_path / "harbour" / name).unlink()
        save(tmp_path / "sport" / "final.txt", "The final is postponed\n")
        assert told.next() == "sport"
        (tmp_path / "away").mkdir()
        (tmp_path / "away" / "ferry.txt").write_text("The ferry returns\n")
        (tmp_path / "away").rename(tmp_path / "harbour" / "2026.11")
        assert told.next() == "harbour"
        assert told.names.empty()


def test_a_folder_that_is_made_anew_is_watched_again(tmp_path: Path) -> None:
    place = tmp_path / "articles"
    place.mkdir()
    with watched(newsroom=place) as told:
        assert told.next() == "newsroom"
        place.rename(tmp_path / "old")
        place.mkdir()
        assert told.next() == "newsroom"
        save(place / "ferry.txt", "The ferry returns\n")
        assert told.next() == "newsroom"


def test_a_folder_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_AGAIN", 0.05)
    with watched(newsroom=tmp_path / "articles") as told:
        (tmp_path / "articles").mkdir()
        assert told.next() == "newsroom"


def test_a_watcher_that_is_stopped_tells_nothing_more(tmp_path: Path) -> None:
    with watched(newsroom=tmp_path) as told:
        assert told.next() == "newsroom"
    (tmp_path / "late.txt").write_text("Too late\n")
    assert told.names.empty()
