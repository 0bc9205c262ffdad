"""What every delivery has."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.kit.tokens import KeyRing
from tests.people import NOW
from tests.sites import TestClock


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOW)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.load(tmp_path / "keys", {})
