"""Many thousands of damaged documents: what every fetcher does with bytes that nobody meant to send."""

from __future__ import annotations

import resource
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from publisher.fetchers.folder import ArticleFolder
from publisher.model import Source
from tests.contracts.fetcher_cases import NOW
from tests.fetchers.test_syndication import SOUP, check_reading, damaged

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

MANY = settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck))
MEMORY = 400  # MB more than before
FILES = sorted(path for path in (Path(__file__).parent.parent / "data" / "folder").iterdir() if path.suffix != ".json")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_feeds() -> None:
    before = peak()

    @MANY
    @given(body=damaged() | SOUP | st.binary(max_size=2_000))
    def check(body: bytes) -> None:
        check_reading(body)

    check()
    assert peak() - before < MEMORY


def test_files() -> None:
    before = peak()

    @MANY
    @given(path=st.sampled_from(FILES), at=st.integers(0, 2_000), put=st.binary(max_size=60), cut=st.integers(0, 60))
    def check(path: Path, at: int, put: bytes, cut: int) -> None:
        data = path.read_bytes()
        with tempfile.TemporaryDirectory() as place:
            Path(place, path.name).write_bytes(data[:at] + put + data[at + cut :])
            source = Source(slug="s", kind="folder", url=place, interval=timedelta(minutes=1))
            (page,) = ArticleFolder().fetch(source, now=NOW)
            assert len(page.articles) + len(page.refused) <= 1

    check()
    assert peak() - before < MEMORY
