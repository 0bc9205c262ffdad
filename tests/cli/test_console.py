"""What a person sees, and what a terminal must not be told."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.cli import console, words
from publisher.model import Sums
from tests.cli.calling import as_json, done, newsroom
from tests.sites import FERRY, write


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    shown = Terminal()
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown


def test_in_a_pipe_tables_are_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    console.table(["feed", "error"], [["all", long], ["section-news", ""]])
    assert capsys.readouterr().out == f"FEED          ERROR\nall           {long}\nsection-news\n"


def test_on_a_terminal_tables_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    console.table(["feed"], [["[bold]all"]], title="Feeds")
    assert "─" in terminal.getvalue()
    assert "[bold]all" in terminal.getvalue()


def test_colours_are_for_terminals_and_respect_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal(monkeypatch)
    assert console.mark(True) == "\x1b[32mok    \x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.mark(True) == "ok    "


@pytest.mark.parametrize("evil", ["\x1b]0;owned\x07", "\x9b2J", "\u202egnp.exe", "one\rtwo"])
def test_nothing_can_command_a_terminal(evil: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.say(evil)
    console.table(["title"], [[evil]])
    shown = capsys.readouterr().out
    assert not set(shown) & set("\x1b\x9b\x07\r\u202e")


def test_an_article_cannot_command_a_terminal(tmp_path: Path) -> None:
    site = newsroom(tmp_path / "gazette")
    write(site, "news/evil.txt", FERRY.replace("The ferry", "\x1b[2J\x1b]0;owned\x07The ferry"))
    said = done(site, "run", "--once") + done(site, "status") + done(site, "preview", "daily")
    assert "\x1b" not in said


def test_programs_get_letters_as_they_are(tmp_path: Path) -> None:
    site = newsroom(tmp_path / "gazette", readers="email,name\nzoe@mail.example,Zoë Ó Briain\n")
    done(site, "run", "--once")
    assert as_json(site, "subscribers", "list")["subscribers"][0]["name"] == "Zoë Ó Briain"
    assert "Zoë Ó Briain" in done(site, "subscribers", "list", "--json")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (11_520, "3 h 12 min"), (180_000, "2 d 2 h")]
)
def test_how_long(seconds: int, said: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == said


def test_when() -> None:
    assert words.when(datetime(2026, 7, 1, 6, 0, tzinfo=UTC), "Europe/Dublin") == "Wed 01 Jul, 07:00"
    assert words.when(None, "UTC") == "never"


def test_sums_in_words() -> None:
    assert words.sums(Sums()) == "nobody is subscribed"
    there = Sums(candidates=3, excluded={"not confirmed": 1}, planned=2, accepted=1, waiting=1)
    assert words.sums(there) == "2 readers: 1 accepted, 1 waiting; left out: 1 not confirmed"


def test_json_holds_no_command_for_a_terminal_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Café\x9b2J \u202eeve\x1b[2J"
    console.dump({"title": title})
    said = capsys.readouterr().out
    assert json.loads(said) == {"title": title}
    assert "Café" in said
    assert not {"\x9b", "\u202e", "\x1b"} & set(said)
