"""Everything at once: two schedulers and four workers, killed with kill -9 and frozen beyond their leases, their clocks
set wrong, PostgreSQL crashing under them, an editor who stops the edition and lets it go on, and a tenth of the
provider's answers lost, late or false.

Nobody is lost, nobody is mailed twice; after "stop" no more leave than was said; where nothing can tell, whoever is in
doubt is listed by name, and they are no more than the calls that were struck had recipients. The judge is the
provider's own log, never our tables.

PUBLISHER_KILLS is how often a cell is struck that claims zero (a fifth of that elsewhere), PUBLISHER_READERS how many
readers there are; PUBLISHER_SEED replays the faults and the order of the blows.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests import postgresql
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock
from tests.faults.crew import Spec
from tests.faults.editor import Editor, Pause
from tests.faults.judge import Row, judge
from tests.faults.posts import KINDS, Post
from tests.faults.running import Trouble, run
from tests.faults.webhooks import Webhooks

pytestmark = pytest.mark.timeout(7200)

KILLS = int(os.environ.get("PUBLISHER_KILLS", "6"))
READERS = int(os.environ.get("PUBLISHER_READERS", "0")) or (100 if KILLS >= 100 else 150) * KILLS
SEED = int(os.environ.get("PUBLISHER_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
#: The share of the provider's answers that go wrong.
MISBEHAVED = 0.1
#: Seconds that a sender waits for an answer.
PATIENCE = 1.0
#: How often PostgreSQL crashes, and the seconds between.
CRASHES, PAUSE = (10, 15.0) if KILLS >= 100 else (1, 3.0)
#: How often an editor stops the edition, at most.
PAUSES = 10 if KILLS >= 100 else 2
#: The first tier takes each mailer on one of the databases.
CELLS = [(kind, "SQLite" if number % 2 else "PostgreSQL") for number, kind in enumerate(KINDS)]
if KILLS >= 100:
    CELLS = [(kind, database) for kind in KINDS for database in ("SQLite", "PostgreSQL")]


@pytest.fixture(scope="module")
def server() -> Iterator[postgresql.Private]:
    with postgresql.private() as own:
        yield own


def spec(kind: str, post: Post, root: Path, clock: Path) -> Spec:
    full, few = KILLS >= 100, KINDS[kind].kills < 1
    return Spec(
        root=str(root),
        clock=str(clock),
        kind=kind,
        url=post.url,
        readers=READERS,
        kills=max(int(KILLS * KINDS[kind].kills), 2),
        freezes=(4 if few else 10) if full else int(KINDS[kind].guarantee in ("keys", "de-duplication")),
        jumps=20 if full else 2,
        skewed=KINDS[kind].guarantee in ("keys", "de-duplication"),
        scale=scale(kind),
        patience=PATIENCE,
        seed=SEED,
    )


def scale(kind: str) -> float:
    """How much faster than the wall's the clock goes. Where an answer is looked up, a call must end within the time
    that a call may take, on a machine that does much else: so the clock goes slower there."""
    return 100.0 if KINDS[kind].guarantee in ("keys", "de-duplication", "none") else 40.0


@contextmanager
def beside(work: Callable[[threading.Event], object]) -> Iterator[list[Any]]:
    """Something that goes on meanwhile, and what it came to."""
    stop, result = threading.Event(), []
    thread = threading.Thread(target=lambda: result.append(work(stop)))
    thread.start()
    try:
        yield result
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("kind", "database"), CELLS)
def test_a_crew_under_everything_at_once(
    kind: str, database: str, tmp_path: Path, request: pytest.FixtureRequest, report: Callable[[Row], None]
) -> None:
    private = request.getfixturevalue("server") if database == "PostgreSQL" else None
    came = send(kind, tmp_path, private)
    lost, repeated, had = judge(
        KINDS[kind],
        [newsroom.reader(number) for number in range(READERS)],
        [one for one in came.arrived if one != newsroom.OURS],
        came.named,
    )
    report(
        Row(
            guarantee=KINDS[kind].guarantee,
            mailer=kind,
            database=database,
            recipients=READERS,
            kills=came.crew["kills"],
            in_flight=came.crew["in_flight"],
            more=came.besides,
            lost=len(lost),
            repeated=sum(times - 1 for times in repeated.values()),
            unknown=len(came.named),
            had=had,
            bound=came.bound,
            seconds=came.crew["seconds"],
            seed=SEED,
        )
    )
    assert came.crew["bugs"] == []
    assert came.crew["finished"], f"it never ended: {came.crew}"
    assert (lost, repeated) == (set(), {}), f"seed {SEED}"
    assert (came.crew["kills"], came.crew["freezes"]) == (came.wanted.kills, came.wanted.freezes)
    assert came.paused
    assert [one for one in came.paused if one.left > one.said] == [], f"seed {SEED}: more left than was said"
    assert len(came.named) <= came.bound, f"seed {SEED}: {sorted(came.named)[:5]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of a cell. `named` are listed as in doubt, at most `bound` of them; `crew` is what the
    crew reports, `paused` what the editor saw."""

    wanted: Spec
    crew: dict[str, Any]
    arrived: list[str]
    named: set[str]
    bound: int
    paused: list[Pause]
    besides: str


def send(kind: str, folder: Path, private: postgresql.Private | None) -> Came:
    """Send an edition to everybody, with everything at once."""
    url = postgresql.create(private.url, f"crew_{kind}") if private else ""
    root, clock = folder / "site", FastClock(folder / "clock", scale(kind))
    newsroom.build(root, kind, READERS, database=url)
    with posts.post(kind, folder, root, clock, SEED) as post:
        post.misbehave(MISBEHAVED, 3 * READERS // KINDS[kind].call + 1000, SEED)
        wanted = spec(kind, post, root, folder / "clock")
        editor = Editor(post, root, clock, SEED, PAUSES)
        with beside(Webhooks(post, root, clock, SEED).run) as events, beside(editor.run) as paused:
            crew, crashes = run(wanted, folder, Trouble(partial(crash, private), CRASHES, PAUSE) if private else None)
        app = newsroom.enter(root, clock)
        named, arrived, unclear = newsroom.held(app), list(post.arrived()), post.unclear
        app.close()
    besides = [f"{crew['freezes']} frozen", f"{crew['jumps']} clock jumps"]
    besides += [f"{len(paused[0])} pauses"]
    besides += [f"{crashes} crashes of PostgreSQL"] if private else []
    besides += [f"{events[0]:,} events"] if events[0] else []
    bound = crew["at_stake"] + unclear if KINDS[kind].holds else 0
    return Came(
        wanted=wanted,
        crew=crew,
        arrived=arrived,
        named=named,
        bound=bound,
        paused=paused[0],
        besides=", ".join(besides),
    )


def crash(server: postgresql.Private) -> None:
    """It is stopped at once, and started again."""
    server.stop()
    time.sleep(0.2)
    server.start()
