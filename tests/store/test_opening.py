"""A store that cannot be used says which one, why, and what to do, and never shows a password."""

from __future__ import annotations

import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from publisher.errors import StoreError
from publisher.store import Database, open_store
from publisher.store.engine import hidden, parse
from tests.people import article, source


def test_a_store_makes_its_file_and_folder_which_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "site" / "var" / "publisher.db"
    open_store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_old_sqlite_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlite3.sqlite_version_info", (3, 31, 1))
    with pytest.raises(StoreError, match=r"needs 3\.35: use a newer build of Python, or PostgreSQL"):
        open_store("sqlite://")


def test_a_relative_path_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///var/publisher.db").close()
    assert (tmp_path / "var" / "publisher.db").exists()


def test_sqlite_keeps_what_it_committed(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    with store._access.write() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    store.close()
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://desk:secret@db/publisher", r"mysql://desk:\*\*\*@db/publisher; .*SQLite .*PostgreSQL"),
        ("postgresql://desk:secret@db:port/publisher", "url cannot be read"),
        ("secret words", "url cannot be read; write sqlite:///PATH or postgresql://USER@HOST/NAME"),
        ("sqlite:///{file}/publisher.db", "cannot be written .*give this user the right"),
        ("sqlite:///{folder}", "cannot be written .*give this user the right"),
        ("sqlite:///{file}", "file is not a database.*restore a backup"),
    ],
)
def test_what_cannot_be_a_store_is_told_with_a_remedy(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "file").write_text("Dear reader, " * 100)
    with pytest.raises(StoreError, match=said) as caught:
        open_store(url.format(file=tmp_path / "file", folder=tmp_path))
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers here
        url = f"postgresql://desk:secret@127.0.0.1:{taken.getsockname()[1]}/publisher?connect_timeout=5"
        with pytest.raises(StoreError, match="Check that the server runs") as caught:
            open_store(url)
    assert "postgresql://desk:***@127.0.0.1:" in str(caught.value)
    assert "secret" not in str(caught.value)


def signed_in(server_url: str, user: str, password: str) -> str:
    """The same database for another user, who needs a password."""
    there = parse(server_url)
    host, port = there.host or "127.0.0.1", there.port or there.query.get("port", 5432)
    return f"postgresql://{user}:{password}@{host}:{port}/{there.database}"


def test_a_wrong_password_is_told_and_not_shown(postgresql_url: str) -> None:
    with pytest.raises(StoreError, match="Check user and password") as caught:
        open_store(signed_in(postgresql_url, "publisher", "wrong-secret"))
    assert "wrong-secret" not in str(caught.value)


def test_a_user_who_may_not_make_tables_is_told(empty_postgresql_url: str) -> None:
    owner = sa.create_engine(parse(empty_postgresql_url), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(sa.text("CREATE ROLE visitor LOGIN PASSWORD 'open-sesame'"))
        try:
            with pytest.raises(StoreError, match=r"permission denied .*own its database"):
                open_store(signed_in(empty_postgresql_url, "visitor", "open-sesame"))
        finally:
            connection.execute(sa.text("DROP ROLE visitor"))
    owner.dispose()


def test_a_database_that_was_not_created_is_told(postgresql_url: str) -> None:
    with pytest.raises(StoreError, match=r'"nowhere" does not exist.*Create it first'):
        open_store(postgresql_url.replace("/postgres?", "/nowhere?"))


def test_passwords_in_the_query_are_hidden_too() -> None:
    shown = hidden(parse("postgresql://desk@/publisher?host=/run&sslpassword=secret"))
    assert shown == "postgresql://desk@/publisher?host=%2Frun&sslpassword=%2A%2A%2A"


def test_a_full_disk_loses_nothing_and_is_told(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    store.sources.sync([source()], renamed={})
    kept = store.articles.add(article())
    with store._access.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(StoreError, match=r"full.*Free some space"):
        store.articles.add(article("A long read", content_html="<p>word</p>" * 10_000))
    assert set(store.articles.get([kept.id])) == {kept.id}
    with store._access.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    store.articles.add(article("A long read", content_html="<p>word</p>" * 10_000))
    store.close()


def test_a_server_that_restarted_is_connected_to_again(postgresql_store_url: str) -> None:
    store = open_store(postgresql_store_url)
    store.sources.sync([source()], renamed={})
    other = sa.create_engine(store._access.engine.url)
    with other.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid != pg_backend_pid()"
            )
        )
    other.dispose()
    assert [one.slug for one in store.sources.all()] == ["newsroom"]
    store.close()


def test_a_transaction_that_lost_its_connection_is_told_whoever_went_on_in_it(postgresql_store_url: str) -> None:
    store = open_store(postgresql_store_url)

    def go_on() -> None:
        with store.transaction() as together:
            with suppress(sa.exc.OperationalError):  # the server is stopped, and a step takes it for its own error
                together._access.bound.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
            together.sources.all()

    with pytest.raises(StoreError, match="connection was lost"):
        go_on()
    assert store.sources.all() == ()
    store.close()


def test_error_texts_hold_no_addresses_of_readers(memory_store: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, memory_store._access.write() as connection:
        connection.execute(sa.text("INSERT INTO subscriber (email) VALUES (:email)"), {"email": "ben@mail.example"})
    assert "ben@mail.example" not in str(caught.value)
