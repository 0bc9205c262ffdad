"""A pytest plugin for a machine that has everything (`-p tests.no_skips`): there a test left out is a failure."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _refuse((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse((yield))


def _refuse(report: Report) -> Report:
    if report.skipped:
        told = report.longrepr
        reason = getattr(report, "wasxfail", None) or (told[2] if isinstance(told, tuple) else told)
        report.outcome = "failed"
        report.longrepr = f"left out, which is refused here: {reason}"
        vars(report).pop("wasxfail", None)
    return report
