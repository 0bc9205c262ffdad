"""Logs: one event a line, and no secret in any of them."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from publisher.cli import app, logs
from tests.cli.calling import newsroom


def test_events_are_json_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", 1)
    structlog.get_logger("publisher").info("collect.done", source="newsroom", new=2)
    logging.getLogger("publisher.engines").warning("old style")
    out, err = capsys.readouterr()
    first, second = map(json.loads, err.splitlines())
    assert out == ""
    assert (first["event"], first["source"], first["new"], first["level"]) == ("collect.done", "newsroom", 2, "info")
    assert (second["event"], second["logger"]) == ("old style", "publisher.engines")


@pytest.mark.parametrize(("verbosity", "shown"), [(-1, 1), (0, 2), (1, 3), (2, 4)])
def test_how_much_is_logged(verbosity: int, shown: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", verbosity)
    log = structlog.get_logger("publisher")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("x.done")
    logging.getLogger("urllib3").info("chatter")
    assert len(capsys.readouterr().err.splitlines()) == shown


@pytest.mark.parametrize(
    "values",
    [
        {"password": "hunter2"},
        {"api_key": "hunter2"},
        {"token": "hunter2"},
        {"url": "postgresql://publisher:hunter2@db/publisher"},
        {"error": "GET https://ben:hunter2@site.example/feed failed"},
        {"header": "Authorization: Bearer hunter2"},
    ],
)
def test_secrets_are_never_logged(values: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("text", "json"):
        logs.configure(form, 1)
        structlog.get_logger("publisher").info("failed", **values)
        try:
            raise RuntimeError("postgresql://publisher:hunter2@db/publisher")
        except RuntimeError:
            structlog.get_logger("publisher").exception("bug")
    said = capsys.readouterr().err
    assert "***" in said
    assert "hunter2" not in said


def test_v_tells_what_a_command_does(tmp_path: Path) -> None:
    site = newsroom(tmp_path / "gazette")
    result = CliRunner().invoke(app, ["-v", "--log-format", "json", "--site", str(site), "collect"])
    events = [json.loads(line) for line in result.stderr.splitlines()]
    assert [(event["event"], event["new"]) for event in events] == [("collect.done", 2)]


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_logged_commands_a_terminal(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form, 1)
    structlog.get_logger("publisher").info("compose.done", subject="a\x9b31mb", title="c\x1b[2Jd", author="\u202eeve")
    logging.getLogger("urllib3").warning("x\x1b]0;y\x07")
    said = capsys.readouterr().err
    assert len(said.split("\n")) == 3
    assert not {"\x9b", "\x1b", "\u202e", "\x07"} & set(said)
