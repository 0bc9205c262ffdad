"""The disk is full, a page later each time: nothing leaves without its intent, and when there is room everybody has one
message.

SQLite is told how far its file may grow (`max_page_count`), so it says what it says of a full disk at exactly that
page, whoever runs the test and wherever.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import newsroom
from tests.faults.posts import KINDS as ALL
from tests.faults.scene import Scene, Strikers, strikers

pytestmark = pytest.mark.timeout(600)

EVERY_PAGE = int(os.environ.get("PUBLISHER_KILLS", "6")) >= 100
#: Pages that are left when sending begins.
ROOM = range(27) if EVERY_PAGE else (3, 12)
READERS = 200
KINDS = tuple(ALL) if EVERY_PAGE else ("resend", "smtp")


@pytest.fixture(scope="module")
def forks() -> Iterator[Strikers]:
    with strikers() as own:
        yield own


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_loses_nobody_and_repeats_nothing(kind: str, tmp_path: Path, forks: Strikers) -> None:
    newsroom.build(tmp_path / "site", kind, READERS)
    scene = Scene(strikers=forks, template=tmp_path / "site", folder=tmp_path, kind=kind, readers=READERS)
    full = set[str]()
    for pages in ROOM:
        came = scene.send(pages=pages)
        assert not [error for error in came.errors if "BUG" in error], came.errors
        assert (came.lost, came.repeated) == (set(), set()), f"{pages} pages"
        full |= {error.partition(":")[0] for error in came.errors if "full" in error}
    assert "deliver" in full, f"the disk was never full in the middle of it: {full}"
