"""The table that fault runs print when they end, and where it is kept when PUBLISHER_FAULTS names a file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.judge import Row, table

#: Whose disk can only be made by root, and belongs to the runs at length.
collect_ignore = [] if int(os.environ.get("PUBLISHER_KILLS", "6")) >= 100 else ["test_full_server.py"]

_PROPERTY = "fault run"


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[Row], None]:
    return lambda row: record_property(_PROPERTY, row.to_json())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    done = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [value for one in done if one.when == "call" for name, value in one.user_properties if name == _PROPERTY]
    if not told:
        return
    rows = sorted((Row(**json.loads(value)) for value in told), key=lambda row: (row.mailer, row.database))
    terminalreporter.section("fault runs: what the provider's own log says")
    terminalreporter.write_line(table(rows))
    if path := os.environ.get("PUBLISHER_FAULTS"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(table(rows) + "\n")
