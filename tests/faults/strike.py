"""A sender that is struck at one chosen step: `python -m tests.faults.strike`, told on its input what to do.

Every call of a port, before it and after it, and every commit of the database is a step; with one hand at work they
come in the same order each time. Each line of the input is a `Pass`, answered by a `Passed`; a pass is a process of its
own, forked from this one, which has imported everything and opened nothing.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from ctypes import c_char, c_longlong
from dataclasses import asdict, dataclass, replace
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from publisher import pipeline
from publisher.errors import PublisherError
from publisher.ports import Parts
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock
from tests.faults.gaps import GAPS

_NAMES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One pass over what is due. `strike` is the step at which it is killed, from 1, 0 for none; `freeze` the same with
    SIGSTOP. `gap` names the guard that is missing; `pages` by how many pages the database may grow, -1 for any."""

    root: str
    clock: str
    kind: str
    url: str
    call: int
    strike: int = 0
    gap: str = ""
    pages: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The steps that were taken, the last of them where it was struck."""

    steps: list[str]
    struck: bool
    finished: bool
    errors: list[str]


class Tape:
    """Steps in shared memory, which outlives whoever took them."""

    def __init__(self) -> None:
        self.used = RawArray(c_longlong, 1)
        self._names = RawArray(c_char, _NAMES)

    def take(self, step: str, strike: int) -> None:
        line = f"{step}\n".encode()
        start = self.used[0]
        self._names[start : start + len(line)] = line
        self.used[0] = start + len(line)
        self.count += 1
        if self.count == strike:
            os.kill(os.getpid(), signal.SIGKILL)

    count = 0

    @property
    def steps(self) -> list[str]:
        return bytes(self._names[: self.used[0]]).decode().splitlines()


def once(wanted: Pass, tape: Tape) -> dict[str, Any]:
    """In a process of its own."""
    GAPS[wanted.gap]()

    def seen(step: str, over: bool, _given: tuple[Any, ...], _result: Any) -> None:
        tape.take(f"{'after' if over else 'before'} {step}", wanted.strike)

    mailer: Any = posts.mailer(wanted.kind, Path(wanted.root), wanted.url, patience=2.0, call=wanted.call)
    mailer.capability = replace(mailer.capability, calls=1, in_hand=1)
    app = newsroom.enter(Path(wanted.root), FastClock(Path(wanted.clock), 1.0), mailer, seen)
    engine = app.parts.store._access.engine
    if wanted.pages >= 0:
        _fill(engine, wanted.pages)
    sa.event.listen(engine, "commit", lambda _: tape.take("before a commit", wanted.strike))
    errors = work(app.parts)
    return {"errors": errors, "finished": newsroom.finished(app)}


def work(parts: Parts) -> list[str]:
    """Everything that is due, until nothing but what always is."""
    errors: list[str] = []
    for _ in range(8):
        pieces = list(pipeline.due(parts))
        for piece in pieces:
            try:
                pipeline.work(parts, piece.kind, piece.key)
            except PublisherError as error:
                errors.append(f"{piece.kind}: {error}")
        if all(piece.kind == "sweep" for piece in pieces):
            break
    return errors


def _fill(engine: sa.Engine, pages: int) -> None:
    """The disk is full but for so many pages: SQLite then says what it says of a full disk."""

    def limit(connection: Any, _record: object) -> None:
        (now,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={now + pages}")

    engine.dispose()
    sa.event.listen(engine, "connect", limit)


def forked(what: Callable[[], dict[str, Any]]) -> tuple[int, dict[str, Any]]:
    """(status, what it returned)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            os.write(writer, json.dumps(what()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(writer, json.dumps({"bug": f"{type(error).__name__}: {error}"}).encode())
            os._exit(9)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(said) if said else {}


def main() -> None:
    newsroom.warm_up()
    for line in sys.stdin:
        wanted, tape = Pass(**json.loads(line)), Tape()
        status, said = forked(lambda wanted=wanted, tape=tape: once(wanted, tape))
        passed = Passed(
            steps=tape.steps,
            struck=os.WIFSIGNALED(status),
            finished=bool(said.get("finished")),
            errors=[*said.get("errors", []), *([f"BUG {said['bug']}"] if "bug" in said else [])],
        )
        sys.stdout.write(json.dumps(asdict(passed)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
