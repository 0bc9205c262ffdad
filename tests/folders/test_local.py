from __future__ import annotations

import gzip
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import brotli
import pytest

from publisher.errors import FolderError
from publisher.folders.local import LocalFolder
from publisher.ports import Folder
from tests.contracts.folder_cases import RSS, FolderCases

BIG = b"x" * 200_000

_WRITES_FOR_EVER = """
import sys
from publisher.folders.local import LocalFolder
folder = LocalFolder(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        folder.put("all.rss", bytes([letter]) * 2_000_000, "")
"""


class TestLocalFolder(FolderCases):
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Folder:
        return LocalFolder(tmp_path / "new" / "feeds")


@pytest.fixture
def folder(tmp_path: Path) -> LocalFolder:
    return LocalFolder(tmp_path)


@contextmanager
def nearly_full(path: Path) -> Iterator[None]:
    """A folder in which a little fits and `BIG` does not: a small disk where one may be mounted, else a limit."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)]
    if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", str(path)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_did_not_change_keeps_its_time(folder: LocalFolder) -> None:
    folder.put("all.rss", b"<rss/>", RSS)
    os.utime(folder.path / "all.rss", (1000, 1000))
    folder.put("all.rss", b"<rss/>", RSS)
    assert (folder.path / "all.rss").stat().st_mtime == 1000


def test_the_web_server_may_read_what_we_write(folder: LocalFolder) -> None:
    before = os.umask(0o077)
    try:
        folder.put("all.rss", b"<rss/>", RSS)
    finally:
        os.umask(before)
    assert (folder.path / "all.rss").stat().st_mode & 0o777 == 0o644


def test_unfinished_files_are_never_listed_and_swept_when_old(folder: LocalFolder) -> None:
    old, new, others = (folder.path / name for name in (".all.rss.x1.part", ".all.rss.x2.part", ".gitignore"))
    for path in (old, new, others):
        path.write_text("half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    os.utime(others, (0, 0))
    assert list(folder.names()) == []
    folder.put("all.rss", b"<rss/>", RSS)
    assert (old.exists(), new.exists(), others.exists()) == (False, True, True)


def test_a_full_disk_keeps_the_last_good_file(folder: LocalFolder) -> None:
    with nearly_full(folder.path):
        folder.put("all.rss", b"<rss/>", RSS)
        with pytest.raises(
            FolderError, match=r"all\.rss cannot be written: (the disk is full; free some space|the file)"
        ):
            folder.put("all.rss", BIG, RSS)
        assert folder.get("all.rss") == b"<rss/>"
        assert os.listdir(folder.path) == ["all.rss"]
        assert folder.put("all.rss", b"<rss>later</rss>", RSS)


def test_a_read_only_folder_is_named_with_the_remedy() -> None:
    """Nobody may make files below /sys, not even root."""
    folder = LocalFolder("/sys/class")
    for attempt in (folder.check, lambda: folder.put("all.rss", b"<rss/>", RSS)):
        with pytest.raises(FolderError, match=r"/sys/class.* cannot be written: .*set another \[folder\] path"):
            attempt()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "feeds").write_text("not a folder")
    for place in ("feeds", "feeds/deeper"):
        with pytest.raises(FolderError, match=r"a part of that path is a file; remove it"):
            LocalFolder(tmp_path / place).put("all.rss", b"<rss/>", RSS)
        with pytest.raises(FolderError, match=r"a part of that path is a file; remove it"):
            LocalFolder(tmp_path / place).check()


def test_a_folder_in_the_way_is_named(folder: LocalFolder) -> None:
    (folder.path / "all.rss").mkdir()
    with pytest.raises(FolderError, match=r"all\.rss cannot be written: a folder has that name"):
        folder.put("all.rss", b"<rss/>", RSS)
    with pytest.raises(FolderError, match=r"all\.rss cannot be removed: a folder has that name"):
        folder.remove("all.rss")


def test_a_killed_writer_leaves_a_whole_file(folder: LocalFolder) -> None:
    command = [sys.executable, "-c", _WRITES_FOR_EVER, str(folder.path)]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) as writer:
            assert writer.stdout
            writer.stdout.readline()
            while folder.get("all.rss") is None:
                assert writer.poll() is None
            writer.send_signal(signal.SIGKILL)
        data = folder.get("all.rss")
        assert data in (b"a" * 2_000_000, b"b" * 2_000_000)
        assert list(folder.names()) == ["all.rss"]


def test_no_two_versions_carry_the_same_second(tmp_path: Path) -> None:
    """A web server that tells dates, in whole seconds, would take one for the other."""
    folder = LocalFolder(tmp_path)
    seconds = []
    for number in range(4):
        folder.put("all.rss", b"%d" % number, "application/rss+xml")
        seconds.append(int((tmp_path / "all.rss").stat().st_mtime))
    folder.end("all.rss")
    folder.put("all.rss", b"0", "application/rss+xml")
    seconds.append(int((tmp_path / "all.rss").stat().st_mtime))
    assert seconds == sorted(set(seconds))


def test_compressed_copies_stand_beside_a_file_and_follow_it(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path, compressed=("gzip", "br"))
    for text in (b"<rss>one</rss>" * 100, b"<rss>two</rss>" * 200):
        folder.put("all.rss", text, "application/rss+xml")
        assert gzip.decompress((tmp_path / "all.rss.gz").read_bytes()) == text
        assert brotli.decompress((tmp_path / "all.rss.br").read_bytes()) == text
        times = {path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert len(times) == 1
    assert list(folder.names()) == ["all.rss"]
    folder.put("all.rss", b"<rss/>", "application/rss+xml")  # too short to be worth it
    assert [path.name for path in tmp_path.iterdir()] == ["all.rss"]


def test_copies_that_are_wanted_later_come_beside_what_stands_there(tmp_path: Path) -> None:
    text = b"<rss>one</rss>" * 100
    LocalFolder(tmp_path).put("all.rss", text, "application/rss+xml")
    written = (tmp_path / "all.rss").stat().st_mtime_ns
    for codings, names in ((("gzip",), {"all.rss", "all.rss.gz"}), (("br",), {"all.rss", "all.rss.br"})):
        assert LocalFolder(tmp_path, compressed=codings).put("all.rss", text, "application/rss+xml") is False
        assert {path.name for path in tmp_path.iterdir()} == names
        assert {path.stat().st_mtime_ns for path in tmp_path.iterdir()} == {written}


def test_what_has_ended_leaves_a_mark_and_no_copy(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path, compressed=("gzip", "br"))
    folder.put("all.rss", b"<rss>one</rss>" * 100, "application/rss+xml")
    folder.end("all.rss")
    assert [path.name for path in tmp_path.iterdir()] == ["all.rss.gone"]
    folder.remove("all.rss")
    assert list(tmp_path.iterdir()) == []


def test_no_copy_is_made_that_was_not_asked_for(tmp_path: Path) -> None:
    LocalFolder(tmp_path).put("all.rss", b"<rss>one</rss>" * 100, "application/rss+xml")
    assert [path.name for path in tmp_path.iterdir()] == ["all.rss"]
