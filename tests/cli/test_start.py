"""How Publisher starts: at once, and with help for every command."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from publisher import __version__
from publisher.cli import app

HEAVY = ("sqlalchemy", "requests", "pydantic", "feedgen", "jinja2", "structlog", "rich", "selectolax", "uvicorn")


def test_help_imports_nothing_heavy() -> None:
    """Modules are counted, not seconds: a slow machine is no slow program."""
    code = f"""
import sys
sys.argv = ["publisher", "--help"]
from publisher.__main__ import main
try:
    main()
finally:
    print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules], len(sys.modules))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    _, _, loaded = said.partition("HEAVY ")
    assert "run" in said
    assert loaded.startswith("[] "), loaded
    assert int(loaded.split()[-1]) < 250


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"publisher {__version__}\n")


def words_of(command: object, *before: str) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if not inner:
        return [before]
    return [before, *(found for word, one in inner.items() for found in words_of(one, *before, word))]


@pytest.mark.parametrize("words", words_of(typer.main.get_command(app)), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


def test_a_misspelt_command_is_a_wrong_call() -> None:
    result = CliRunner().invoke(app, ["statsu"])
    assert result.exit_code == 2
    assert "status" in result.stderr
