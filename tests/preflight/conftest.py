"""What the seeded messages showed, printed when the tests end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_PROPERTY = "preflight"


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    return lambda line: record_property(_PROPERTY, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    done = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = [value for one in done if one.when == "call" for name, value in one.user_properties if name == _PROPERTY]
    if told:
        terminalreporter.section("preflight: seeded messages")
        for line in told:
            terminalreporter.write_line(str(line))
