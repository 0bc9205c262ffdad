"""What every command stands on: the site's folder, opened, and how the process is asked to stop."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from publisher.app import App


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Terminated(BaseException):
    """SIGTERM: whoever runs us wants us to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The options that stand before the command. `verbosity` is -1 (quiet), 0, 1 (informed) or more (everything)."""

    root: Path = Path()
    verbosity: int = 0
    log_format: LogFormat = LogFormat.TEXT

    @contextmanager
    def opened(self, *, informed: bool = False) -> Iterator[App]:
        """The site, opened, its store in agreement with its settings. Raises SettingsError, StoreError.

        `informed` is for commands that run for long: they log what they do without being asked to.
        """
        from publisher import pipeline

        with self.looked_at(informed=informed) as app:
            pipeline.adopt(app.parts)
            yield app

    @contextmanager
    def looked_at(self, *, informed: bool = False) -> Iterator[App]:
        """The site, opened, and nothing in its store changed."""
        from publisher.app import open_app
        from publisher.cli import logs

        logs.configure(self.log_format, self.verbosity + informed)
        app = open_app(self.root, os.environ)
        try:
            with _signals(_stop_at_once):
                yield app
        finally:
            app.close()


def door(context: typer.Context) -> Door:
    found = context.find_object(Door)
    return found or Door()


def editor() -> str:
    """Who is at the keyboard, for the records."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container without a user database
        return f"cli:{os.getuid()}"


@contextmanager
def finishing(app: App) -> Iterator[Callable[[], None]]:
    """Work that must not be torn in the middle: a first SIGTERM or SIGINT asks it to stop at the next good place,
    a second one ends it at once. Yields what is to be called at good places; it raises when asked to stop."""
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if asked:
            _stop_at_once(number, frame)
        asked.append(number)
        app.stopping.set()

    def good_place() -> None:
        if asked:
            _stop_at_once(asked[0], None)

    with _signals(stop):
        yield good_place
    good_place()


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _stop_at_once(number: int, _frame: FrameType | None) -> None:
    """Raise, and raise again every two seconds until it is heard: Python drops what is raised inside a destructor or
    a weak reference's callback, and a command that then waits for more input would wait for ever."""
    kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    tell = sys.unraisablehook

    def drop(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, kind):
            tell(unraisable)

    sys.unraisablehook = drop

    def insist(_number: int, _frame: FrameType | None) -> None:
        raise kind

    signal.signal(signal.SIGALRM, insist)
    signal.setitimer(signal.ITIMER_REAL, 2, 2)
    raise kind
