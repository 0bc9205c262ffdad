"""What every folder does with the files that are pushed to it. A subclass makes an empty one."""

from __future__ import annotations

import threading

import pytest

from publisher.errors import FolderError
from publisher.ports import Folder

RSS = "application/rss+xml"
OUTSIDE = ("", ".", "..", "../all.rss", "a/../all.rss", "/all.rss", "a//b", "a/", ".hidden", "a/.b", "a\\b", "~root")
UNSAFE = ("All.rss", "a b", "é", "all.rss\n", "a\x00b", "*")


class FolderCases:
    @pytest.fixture
    def folder(self) -> Folder:
        raise NotImplementedError

    def test_what_was_put_is_there(self, folder: Folder) -> None:
        assert folder.put("all.rss", b"<rss/>", RSS)
        assert folder.get("all.rss") == b"<rss/>"
        assert folder.get("other.rss") is None

    def test_a_file_is_replaced(self, folder: Folder) -> None:
        folder.put("all.rss", b"a long first version", RSS)
        assert folder.put("all.rss", b"second", RSS)
        assert folder.get("all.rss") == b"second"

    def test_the_same_bytes_are_left_alone(self, folder: Folder) -> None:
        assert folder.put("all.rss", b"<rss/>", RSS)
        assert not folder.put("all.rss", b"<rss/>", RSS)

    def test_several_are_replaced_together_and_those_that_changed_are_named(self, folder: Folder) -> None:
        folder.put("all.rss", b"<rss/>", RSS)
        files = [("all.rss", b"<rss/>", RSS), ("all.json", b"{}", "application/feed+json"), ("all/1.rss", b"1", RSS)]
        assert folder.put_all(files) == ("all.json", "all/1.rss")
        assert [folder.get(name) for name, _, _ in files] == [b"<rss/>", b"{}", b"1"]
        assert folder.put_all(files) == folder.put_all([]) == ()

    def test_an_empty_file_is_a_file(self, folder: Folder) -> None:
        assert folder.put("all.rss", b"", RSS)
        assert folder.get("all.rss") == b""

    def test_names_are_sorted_and_may_have_folders(self, folder: Folder) -> None:
        assert list(folder.names()) == []
        for name in ("section-harbour.rss", "archive/2026/11.html", "all.rss"):
            folder.put(name, name.encode(), RSS)
        assert list(folder.names()) == ["all.rss", "archive/2026/11.html", "section-harbour.rss"]
        assert folder.get("archive/2026/11.html") == b"archive/2026/11.html"

    def test_a_removed_file_is_gone_and_may_be_removed_again(self, folder: Folder) -> None:
        folder.put("all.rss", b"<rss/>", RSS)
        folder.remove("all.rss")
        folder.remove("all.rss")
        assert folder.get("all.rss") is None
        assert list(folder.names()) == []

    @pytest.mark.parametrize("name", OUTSIDE + UNSAFE)
    def test_a_name_that_could_lead_elsewhere_is_refused(self, folder: Folder, name: str) -> None:
        for attempt in (lambda: folder.put(name, b"", RSS), lambda: folder.get(name), lambda: folder.remove(name)):
            with pytest.raises(FolderError, match="cannot be a file in"):
                attempt()

    def test_whoever_reads_sees_a_whole_file(self, folder: Folder) -> None:
        versions = [bytes([65 + n]) * 200_000 for n in range(8)]
        folder.put("all.rss", versions[0], RSS)
        done = threading.Event()
        seen: set[bytes | None] = set()

        def look() -> None:
            while not done.is_set():
                seen.add(folder.get("all.rss"))

        reader = threading.Thread(target=look)
        reader.start()
        for version in versions * 3:
            folder.put("all.rss", version, RSS)
        done.set()
        reader.join()
        assert seen <= set(versions)

    def test_a_check_leaves_nothing_behind(self, folder: Folder) -> None:
        assert folder.check().endswith(", writable")
        assert list(folder.names()) == []

    def test_a_stamp_is_another_one_for_every_version(self, folder: Folder) -> None:
        assert folder.stamp("all.rss") is None
        seen = []
        for data in (b"one", b"two", b"six"):  # of one length, in one moment
            folder.put("all.rss", data, RSS)
            seen.append(folder.stamp("all.rss"))
            assert folder.stamp("all.rss") == seen[-1]
        assert len(set(seen)) == 3

    def test_what_has_ended_is_known_to_be_gone_until_it_is_put_again_or_removed(self, folder: Folder) -> None:
        folder.put("all/1.rss", b"<rss/>", RSS)
        assert not folder.is_gone("all/1.rss")
        folder.end("all/1.rss")
        folder.end("all/1.rss")
        assert folder.is_gone("all/1.rss")
        assert folder.get("all/1.rss") is None
        assert folder.stamp("all/1.rss") is None
        assert list(folder.names()) == []
        folder.put("all/1.rss", b"<rss/>", RSS)
        assert not folder.is_gone("all/1.rss")
        folder.end("all/1.rss")
        folder.remove("all/1.rss")
        assert not folder.is_gone("all/1.rss")

    def test_what_was_never_there_has_not_ended(self, folder: Folder) -> None:
        folder.end("all.rss")
        assert not folder.is_gone("all.rss")
