"""What goes wrong is told in words, with the remedy, and with an exit code; never with a traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from publisher import errors
from publisher.cli.errors import code, together, words
from publisher.cli.exits import Exit
from tests.cli.calling import call, done, newsroom, process


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return newsroom(tmp_path / "gazette")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.SettingsError([]), Exit.SETTINGS),
        (errors.NotFound(), Exit.CONFLICT),
        (errors.Conflict(), Exit.CONFLICT),
        (errors.StoreError(), Exit.STORE),
        (errors.SourceUnavailable(), Exit.SOURCE),
        (errors.MailerMisconfigured(), Exit.DELIVERY),
        (errors.TemplateError(), Exit.TEMPLATE),
        (errors.GateError(), Exit.FOLDER),
        (errors.BadToken(), Exit.FAILED),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.FAILED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
        (ZeroDivisionError(), Exit.BUG),
    ],
)
def test_every_error_has_its_code(error: BaseException, expected: Exit) -> None:
    assert code(error) is expected


def test_several_errors_share_a_code_or_have_the_common_one() -> None:
    assert together([]) is Exit.OK
    assert together([errors.SourceInvalid(), errors.SourceUnavailable()]) is Exit.SOURCE
    assert together([errors.SourceInvalid(), errors.TryLater()]) is Exit.FAILED


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_what_the_system_refuses_names_the_place_and_the_remedy(number: int) -> None:
    said = words(OSError(number, "no", "/srv/gazette/feeds"))
    assert said.startswith("/srv/gazette/feeds: ")
    assert any(remedy in said for remedy in ("free some space", "mount it writable", "give them the right"))


def test_a_bug_is_one_line_and_a_file(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("postgresql://publisher:hunter2@db/publisher")

    monkeypatch.setattr("publisher.pipeline.adopt", broken)
    done(site, "check")  # makes var/
    result = call(site, "status")
    assert result.exit_code == Exit.BUG
    assert len(result.stderr.splitlines()) == 1
    (report,) = (site / "var").glob("publisher-bug-*.log")
    assert str(report) in result.stderr
    assert "ZeroDivisionError" in report.read_text()
    assert "hunter2" not in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_with_v_a_bug_is_shown(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("publisher.pipeline.adopt", lambda _: 1 / 0)
    from typer.testing import CliRunner

    from publisher.cli import app

    result = CliRunner().invoke(app, ["-v", "--site", str(site), "status"])
    assert result.exit_code == Exit.BUG
    assert "Traceback" in result.stderr


def test_a_reader_of_our_output_may_stop_reading(site: Path) -> None:
    """`publisher subscribers export | head -1`."""
    (site / "many.csv").write_text("email\n" + "".join(f"reader{n}@mail.example\n" for n in range(20_000)))
    done(site, "subscribers", "import", site / "many.csv")
    running = process(site, "subscribers", "export")
    assert running.stdout
    assert running.stderr
    assert running.stdout.readline() == "email,name,newsletters,status,language,timezone,topics,cadence,alerts\n"
    running.stdout.close()
    said = running.stderr.read()
    running.stderr.close()
    assert (running.wait(timeout=30), said) == (Exit.PIPE, "")


def test_settings_that_cannot_be_read_end_every_command_the_same(site: Path) -> None:
    (site / "settings.toml").write_text("[site\n")
    for command in (["status"], ["run", "--once"], ["collect"], ["subscribers", "list"]):
        result = call(site, *command)
        assert result.exit_code == Exit.SETTINGS, command
        assert "settings.toml" in result.stderr


def test_a_store_from_a_newer_publisher_is_refused(site: Path) -> None:
    done(site, "collect")
    import sqlite3

    with sqlite3.connect(site / "var" / "publisher.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    result = call(site, "status")
    assert result.exit_code == Exit.STORE
    assert "newer" in result.stderr


def test_python_m_publisher_ends_with_the_code(site: Path) -> None:
    running = process(site, "collect", "wire")
    _, said = running.communicate(timeout=30)
    assert running.returncode == Exit.CONFLICT
    assert "newsroom" in said
