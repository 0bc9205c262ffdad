"""What the fault tests print when they end."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def report(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def say(line: str) -> None:
        record_property("result", line)
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return say
