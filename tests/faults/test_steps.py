"""A blow at every step: before and after every call of a port, and before every commit, in the first, the middle and
the last batch. Afterwards everybody has one message, or is listed by name where nothing can tell.

The first tier strikes where something may have left and is not written down; PUBLISHER_KILLS=100 and more, everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import postgresql
from tests.faults import newsroom
from tests.faults.judge import Row
from tests.faults.posts import KINDS
from tests.faults.scene import CALL, READERS, Came, Scene, Strikers, strikers

pytestmark = pytest.mark.timeout(7200)

EVERYWHERE = int(os.environ.get("PUBLISHER_KILLS", "6")) >= 100

#: The first tier takes SQLite.
CELLS = [(kind, database) for kind in KINDS for database in ("SQLite", *(("PostgreSQL",) if EVERYWHERE else ()))]

#: Where planning begins and the last answer is written down: before and after, nothing is at stake.
FIRST, LAST = "before editions.add_letterhead", "after outbox.settle"


@pytest.fixture(scope="module")
def forks() -> Iterator[Strikers]:
    with strikers() as own:
        yield own


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Private]:
    with postgresql.private() as own:
        yield own


def chosen(steps: list[str]) -> list[int]:
    """The steps to strike at, from 1."""
    begin, end = steps.index(FIRST), len(steps) - steps[::-1].index(LAST)
    if EVERYWHERE:
        return list(range(begin + 1, min(end + 4, len(steps)) + 1))
    calls = [at for at, step in enumerate(steps, start=1) if step == "before mailer.submit"]
    middle = calls[len(calls) // 2]
    written = steps.index("before a commit", middle) + 1
    return [steps.index("after outbox.plan") + 1, middle, middle + 1, written, written + 1]


@pytest.mark.parametrize(("kind", "database"), CELLS)
def test_a_blow_at_every_step(
    kind: str,
    database: str,
    tmp_path: Path,
    forks: Strikers,
    request: pytest.FixtureRequest,
    report: Callable[[Row], None],
) -> None:
    server = request.getfixturevalue("server").url if database == "PostgreSQL" else ""
    url = postgresql.create(server, f"steps_{kind}") if server else ""
    newsroom.build(tmp_path / "site", kind, READERS, database=url)
    scene = Scene(strikers=forks, template=tmp_path / "site", folder=tmp_path, kind=kind, server=server)
    check(scene, database, report)


def check(scene: Scene, database: str, report: Callable[[Row], None]) -> None:
    whole = scene.send()
    assert whole.errors == []
    assert (whole.lost, whole.repeated, whole.named) == (set(), set(), set())
    steps = chosen(whole.steps)
    came = [(number, scene.send(strike=number)) for number in steps]
    report(row(scene.kind, database, came))
    for number, one in came:
        where = f"struck at step {number}, {one.steps[-1]}"
        assert one.struck, where
        assert one.steps == whole.steps[:number], where
        assert (one.lost, one.repeated) == (set(), set()), where
        assert len(one.named) <= (CALL if KINDS[scene.kind].holds else 0), where


def row(kind: str, database: str, came: list[tuple[int, Came]]) -> Row:
    return Row(
        guarantee=KINDS[kind].guarantee,
        mailer=kind,
        database=database,
        recipients=READERS,
        kills=len(came),
        in_flight=sum(in_flight(one.steps) for _, one in came),
        more="one at each step",
        lost=sum(len(one.lost) for _, one in came),
        repeated=sum(len(one.repeated) for _, one in came),
        unknown=sum(len(one.named) for _, one in came),
        had=sum(one.had for _, one in came),
        bound=CALL * sum(in_flight(one.steps) for _, one in came) if KINDS[kind].holds else 0,
        seconds=0.0,
        seed=0,
    )


def in_flight(steps: list[str]) -> bool:
    """Whether an intent was committed that is not settled yet."""
    intended = settled = meant = wrote = 0
    for step in steps:
        meant += step == "after outbox.intend"
        wrote += step == "after outbox.settle"
        if step == "after commit":
            intended, settled = meant, wrote
    return intended > settled
