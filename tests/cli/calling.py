"""Calling Publisher as a person does, on a site in a temporary folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine
from typer.testing import CliRunner, Result

from publisher.cli import app
from tests.sites import FERRY, LANTERNS, lay_out

#: Sunday in Kilmarnagh, three hours after the daily edition was due.
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

READERS = "email,name,status\nben@mail.example,Ben Okafor,\ncarla@mail.example,Carla Rossi,pending\n"


#: How often each site was called: the clock goes on by a minute with every call.
_calls: Counter[Path] = Counter()


def call(root: Path, *words: object, at: datetime | None = None, input: str | None = None) -> Result:
    """`publisher --site ROOT WORDS...`, on Sunday morning unless a test says when."""
    _calls[root] += 1
    with time_machine.travel(at or NOW + timedelta(minutes=_calls[root])):
        return CliRunner().invoke(app, ["--site", str(root), *map(str, words)], input=input)


def done(root: Path, *words: object, at: datetime | None = None) -> str:
    """What a command that must succeed says."""
    result = call(root, *words, at=at)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(root: Path, *words: object, at: datetime | None = None) -> Any:
    return json.loads(done(root, *words, "--json", at=at))


def process(root: Path, *words: object, **environment: str) -> subprocess.Popen[str]:
    """Publisher as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "publisher", "--site", str(root), *map(str, words)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def newsroom(root: Path, *, readers: str = READERS) -> Path:
    """A site with two articles and, unless others are given, one confirmed reader."""
    lay_out(root, articles={"news/ferry.txt": FERRY, "evening/lanterns.txt": LANTERNS})
    (root / "subscribers.csv").write_text(readers)
    return root


def change(root: Path, old: str, new: str) -> None:
    """Change the settings."""
    settings = root / "settings.toml"
    assert old in settings.read_text()
    settings.write_text(settings.read_text().replace(old, new))


def many(number: int) -> str:
    """A file of confirmed readers."""
    return "email\n" + "".join(f"reader{n}@mail.example\n" for n in range(number))


def letters(root: Path) -> list[Path]:
    folder = root / "var" / "maildir" / "new"
    return sorted(folder.iterdir()) if folder.is_dir() else []
