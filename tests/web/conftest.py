"""A site with one pending and two confirmed readers, and a client in front of its web door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from publisher.app import App
from publisher.web import application
from tests.sites import TestClock, add_readers, lay_out, open_site, run_due

#: Sunday, an hour before the daily edition is due.
MORNING = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(at=MORNING)


@pytest.fixture
def app(tmp_path: Path, clock: TestClock) -> Iterator[App]:
    opened = open_site(lay_out(tmp_path / "site"), clock)
    add_readers(opened, "ben.okafor@mail.example", "nora.lindqvist@mail.example")
    add_readers(opened, "carla.rossi@mail.example", status="pending")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The same site with its feeds built, for tests of requests that must change nothing."""
    opened = open_site(lay_out(tmp_path_factory.mktemp("still")), TestClock(at=MORNING))
    add_readers(opened, "ben.okafor@mail.example")
    add_readers(opened, "carla.rossi@mail.example", status="pending")
    run_due(opened)
    yield opened
    opened.close()


@pytest.fixture
def client(app: App) -> TestClient:
    return client_of(app)


@pytest.fixture(scope="session")
def visitor(still: App) -> TestClient:
    return client_of(still)


def client_of(app: App) -> TestClient:
    return TestClient(application(app.parts), base_url="https://news.harbour-gazette.example", follow_redirects=False)
