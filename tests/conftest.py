"""Stores for everybody's tests.

`store` runs a test on SQLite and on PostgreSQL; `memory_store` is quick, for tests of steps. `sqlite_url` and
`postgresql_store_url` are addresses of migrated, empty databases; `postgresql_url` is the server itself.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from publisher.store import Database

# Imported inside the fixtures: SQLAlchemy and psycopg take most of a second, and most tests need neither.

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The address of a PostgreSQL server on which databases may be created."""
    from tests import postgresql

    with postgresql.server() as url:
        yield url


@pytest.fixture(scope="session")
def _postgresql_template(postgresql_url: str) -> Iterator[str]:
    from tests import postgresql

    name = f"publisher_template_{os.getpid()}"
    _open(postgresql.create(postgresql_url, name)).close()
    yield name
    postgresql.drop(postgresql_url, name)


@pytest.fixture
def postgresql_store_url(postgresql_url: str, _postgresql_template: str) -> Iterator[str]:
    from tests import postgresql

    name = f"publisher_{os.getpid()}_{next(_numbers)}"
    yield postgresql.create(postgresql_url, name, template=_postgresql_template)
    postgresql.drop(postgresql_url, name)


@pytest.fixture
def empty_postgresql_url(postgresql_url: str) -> Iterator[str]:
    """A database that was never migrated."""
    from tests import postgresql

    name = f"publisher_{os.getpid()}_{next(_numbers)}"
    yield postgresql.create(postgresql_url, name)
    postgresql.drop(postgresql_url, name)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "publisher.db"
    _open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    path = tmp_path / "publisher.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty store, on each database in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgresql_store_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Database]:
    opened = _open(store_url)
    yield opened
    opened.close()


@pytest.fixture
def memory_store() -> Iterator[Database]:
    opened = _open("sqlite://")
    yield opened
    opened.close()


def _open(url: str) -> Database:
    from publisher.store import open_store

    return open_store(url)
