from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from publisher.errors import StoreError
from publisher.store import Database, open_store, schema
from publisher.store.tables import metadata
from tests import postgresql
from tests.people import NOW, feed, newsletter, source, subscriber, subscription

OPEN = "import sys; from publisher.store import open_store; print(open_store(sys.argv[1]).instance)"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that holds nothing yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'var' / 'publisher.db'}"
    url: str = request.getfixturevalue("empty_postgresql_url")
    return url


def engine_of(store: Database) -> sa.Engine:
    return store._access.engine


def test_migrating_gives_exactly_the_tables_of_the_code(store: Database) -> None:
    descending = {"ix_batch_claim", "ix_feed_entry_order"}  # SQLite does not tell its order; see the next test

    def comparable(_object: object, name: str | None, *_: object) -> bool:
        return name not in descending

    with engine_of(store).connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": comparable})
        assert compare_metadata(context, metadata) == []


def test_migrating_and_creating_from_the_code_spell_the_same_statements(
    store: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    on_sqlite = engine_of(store).dialect.name == "sqlite"
    url = f"sqlite:///{tmp_path / 'other.db'}" if on_sqlite else request.getfixturevalue("empty_postgresql_url")
    created = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    metadata.create_all(created)
    assert described(engine_of(store)) == described(created)
    created.dispose()


def described(engine: sa.Engine) -> list[str]:
    """Tables, columns, constraints and indexes in the database's own words, whatever their order."""
    queries = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name != 'alembic_version'",
        "postgresql": """
            SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, is_identity, collation_name)
            FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'alembic_version'
            UNION SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'alembic_version'
            UNION SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text
            NOT IN ('alembic_version', '-')""",
    }
    with engine.connect() as connection:
        rows = connection.execute(sa.text(queries[engine.dialect.name])).scalars()
        return sorted(part for row in rows for part in in_parts(row))


def in_parts(statement: str) -> list[str]:
    """A CREATE TABLE as its clauses, since their order says nothing; anything else as it is."""
    if not statement.startswith("CREATE TABLE"):
        return [statement]
    table, _, inner = statement.partition("(")
    clauses, depth = [""], 0
    for letter in inner.rpartition(")")[0]:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:  # a column that a later migration added stands behind the constraints
            clauses.append("")
        else:
            clauses[-1] += letter
    return [f"{table.strip()}: {' '.join(clause.split())}" for clause in clauses]


def test_the_newest_migration_is_the_one_the_code_names() -> None:
    assert ScriptDirectory(str(schema.SCRIPTS)).get_current_head() == schema.HEAD


def test_processes_that_start_together_migrate_once(empty_url: str) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN, empty_url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    ended = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], ended
    assert len({out for out, _ in ended}) == 1  # all of them see the one instance
    open_store(empty_url).close()


def test_opening_again_keeps_what_is_there(store: Database, store_url: str) -> None:
    store.sources.sync([source()], renamed={})
    again = open_store(store_url)
    assert [one.slug for one in again.sources.all()] == ["newsroom"]
    again.close()


def test_a_store_of_a_newer_publisher_is_refused_with_the_remedy(store: Database, store_url: str) -> None:
    with engine_of(store).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer Publisher.*9999.*Upgrade Publisher, or restore the backup"):
        open_store(store_url)


def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: sa.Connection) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("publisher.store.schema._name", broken)
        with pytest.raises(ZeroDivisionError):
            open_store(empty_url)
    open_store(empty_url).close()


def test_feeds_and_what_is_in_them_survive_the_tables_that_are_made_anew(empty_url: str) -> None:
    engine = sa.create_engine(empty_url.replace("postgresql:", "postgresql+psycopg:"))
    if engine.dialect.name == "sqlite":
        Path(str(engine.url.database)).parent.mkdir(parents=True)
    config = Config()
    config.set_main_option("script_location", str(schema.SCRIPTS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement in BEFORE_ARCHIVES.split(";"):
            connection.execute(sa.text(statement), {"at": NOW.replace(tzinfo=None)})
    engine.dispose()
    store = open_store(empty_url)
    (kept,) = store.feeds.all()
    assert (kept.slug, kept.limit, kept.content, kept.archive, kept.wanted, kept.built) == (
        "all",
        20,
        "full",
        True,
        4,
        3,
    )
    assert [one.native_id for one in store.feeds.current("all", now=NOW)] == ["bridge"]
    decided = [(one.output, one.included, one.rule, one.at) for one in store.decisions.of(5)]
    assert decided == [("feed:all", True, "everything is wanted", NOW), ("feed:sport", False, "no sport", NOW)]
    store.feeds.sync([kept, feed("new")], [])
    assert [one.id for one in store.feeds.all()] == [7, 8]
    store.close()


BEFORE_ARCHIVES = """
    INSERT INTO source (id, slug, kind, url, interval_seconds, active, cursor, failures, last_error)
    VALUES (1, 'newsroom', 'folder', 'articles', 60, 1 = 1, '{}', 0, '');

    INSERT INTO article (id, source, native_id, guid, story, canonical_url, entry_id, state, mail, first_seen_at,
        missing_looks, revision, published_at)
    VALUES (5, 1, 'bridge', '', 's', '', 'tag:a,2026:b', 'live', 'allowed', :at, 0, 1, :at);

    INSERT INTO revision (article, number, kind, title, published_at, updated_at, content_hash, raw_hash, language,
        note, standfirst, authors, categories, tags, enclosures, content_html)
    VALUES (5, 1, 'first', 'Bridge', :at, :at, 'h', '', 'en', '', '', '[]', '[]', '[]', '[]', '');

    INSERT INTO feed (id, slug, title, description, home_url, language, selection, selection_hash, formats, entries,
        pattern, wanted, built, error, active)
    VALUES (7, 'all', 'All', '', 'https://a.example', 'en', '{}', '', '[]', 20, '', 3, 3, '', 1 = 1);

    INSERT INTO feed_entry (feed, article, sort_key) VALUES (7, 5, '1');

    INSERT INTO decision (output, article, revision, included, rule, at)
    VALUES ('feed:all', 5, 1, 1 = 1, 'everything is wanted', :at), ('feed:sport', 5, 1, 1 = 0, 'no sport', :at)
"""


@pytest.fixture
def people(store: Database) -> Callable[[str], int]:
    store.editions.sync([newsletter()], now=NOW)
    return lambda name: store.audience.add(subscriber(name), subscription())[0].id


def test_an_id_is_never_given_twice(store: Database, people: Callable[[str], int]) -> None:
    gone = people("Carla Rossi")
    with engine_of(store).begin() as connection:
        connection.execute(sa.text("DELETE FROM subscription"))
        connection.execute(sa.text("DELETE FROM subscriber"))
    assert people("Ben Okafor") > gone


def test_a_private_server_keeps_databases_apart(postgresql_url: str) -> None:
    assert postgresql.address("postgresql://a@/postgres?host=/tmp", "other") == "postgresql://a@/other?host=/tmp"
    assert postgresql_url.partition("?")[0].endswith("/postgres")
