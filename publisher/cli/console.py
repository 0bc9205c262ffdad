"""What a person sees: lines, tables and progress on a terminal, plain text in a pipe, JSON for programs.

rich is imported where something is drawn, never at the top: it would make every command slow to start. NO_COLOR
(no-color.org) is respected. What comes from sources, files and providers is shown without control characters,
so that nothing in it can command a terminal.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import typer

#: C0 and C1 controls but tab and newline, and the marks that turn text around (UTS 55).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COLOURS = {"green": 32, "red": 31, "yellow": 33, "bold": 1, "dim": 2}


def say(text: str = "") -> None:
    """A line for a person, on standard output."""
    typer.echo(safe(text))


def warn(text: str) -> None:
    """A line that says something is wrong, on standard error."""
    typer.echo(safe(text), err=True)


def mark(good: bool) -> str:
    """ "ok" or "failed", of one width, coloured on a terminal. For `tell`: `say` takes colours out."""
    return colour("ok    ", "green") if good else colour("failed", "red")


def tell(marked: str, text: str) -> None:
    """A line that begins with something from `mark` or `colour`."""
    typer.echo(f"{marked} {safe(text)}")


def colour(text: str, name: str) -> str:
    return f"\x1b[{_COLOURS[name]}m{safe(text)}\x1b[0m" if _coloured() else safe(text)


def safe(text: str) -> str:
    """Text of others without what a terminal would take for a command."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def dump(value: object) -> None:
    """A value for programs, as JSON: times in ISO 8601 with their zone, spans in seconds."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_jsonable)
    typer.echo(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Rows under headings: drawn to fit a terminal, whole and aligned by spaces anywhere else."""
    rows = [[safe(cell) for cell in row] for row in rows]
    if _terminal():
        _drawn(columns, rows, title)
        return
    if title:
        say(title)
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in [[name.upper() for name in columns], *rows]:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        drawn.add_column(name)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console().print(drawn)


@contextmanager
def progress(label: str, total: int | None = None, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal while something long is done; yields what is to be told how much more was done.

    With `total` None it only turns. Lines said meanwhile stand above it. Nothing is drawn into a pipe.
    """
    if not shown or not _terminal():
        yield lambda _more: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    how_far = (BarColumn(), MofNCompleteColumn()) if total is not None else ()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *how_far, TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda more: bar.advance(task, more)


def may_ask() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _coloured() -> bool:
    return _terminal() and not os.environ.get("NO_COLOR")


def _jsonable(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
