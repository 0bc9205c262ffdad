"""PostgreSQL's disk is full, again and again while an edition is sent: a statement is refused, or the server stops and
is started when there is room. Nobody is lost, and nobody is mailed twice.

Its data lie on a disk of their own, in memory, which a file fills up to a few bytes and then leaves again. Where
PUBLISHER_KILLS is less than 100 this is not collected: a disk can only be mounted by root.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests import postgresql
from tests.faults import newsroom, posts
from tests.faults.clock import FastClock
from tests.faults.crew import Spec
from tests.faults.judge import Row, judge
from tests.faults.posts import KINDS
from tests.faults.running import Trouble, run

pytestmark = pytest.mark.timeout(1800)

READERS, KILLS = 20_000, 5
SEED = int(os.environ.get("PUBLISHER_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
SCALE, PATIENCE = 40.0, 1.0
DISK = 192 * 1024 * 1024
#: Bytes that are left, in turn, how often, and the seconds between.
LEFT, TIMES, PAUSE = (0, 8_192, 65_536, 0, 524_288), 20, 1.0
#: Seconds after which there is room again, whether anybody met the end of it or not.
LONG = 3.0
_FULL = re.compile(r"(ERROR|FATAL|PANIC):  could not .*No space left on device")


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_under_postgresql(kind: str, tmp_path: Path, report: Callable[[Row], None]) -> None:
    root, clock = tmp_path / "site", tmp_path / "clock"
    with postgresql.private(disk=DISK) as server:
        newsroom.build(root, kind, READERS, database=postgresql.create(server.url, f"full_{kind}"))
        with posts.post(kind, tmp_path, root, FastClock(clock, SCALE), SEED) as post:
            trouble = Trouble(partial(fill, server, itertools.cycle(LEFT)), TIMES, PAUSE)
            crew, times = run(spec(kind, post.url, root, clock), tmp_path, trouble)
            app = newsroom.enter(root, FastClock(clock, SCALE))
            named, arrived = newsroom.held(app), list(post.arrived())
            app.close()
        met = [match[1] for match in _FULL.finditer(server.said())]
    audience = [newsroom.reader(number) for number in range(READERS)]
    arrived = [one for one in arrived if one != newsroom.OURS]
    lost, repeated, had = judge(KINDS[kind], audience, arrived, named)
    bound = crew["at_stake"] if KINDS[kind].holds else 0
    report(
        Row(
            guarantee=KINDS[kind].guarantee,
            mailer=kind,
            database="PostgreSQL",
            recipients=READERS,
            kills=crew["kills"],
            in_flight=crew["in_flight"],
            more=f"{times} times full: {met.count('ERROR')} statements refused, {met.count('PANIC')} times stopped",
            lost=len(lost),
            repeated=sum(number - 1 for number in repeated.values()),
            unknown=len(named),
            had=had,
            bound=bound,
            seconds=crew["seconds"],
            seed=SEED,
        )
    )
    assert crew["bugs"] == []
    assert crew["finished"], f"it never ended: {crew}"
    assert (lost, repeated) == (set(), {}), f"seed {SEED}"
    assert len(named) <= bound, f"seed {SEED}: {sorted(named)[:5]}"
    assert "ERROR" in met, f"the disk was never full in the middle of it: {times} times"


def spec(kind: str, url: str, root: Path, clock: Path) -> Spec:
    return Spec(
        root=str(root),
        clock=str(clock),
        kind=kind,
        url=url,
        readers=READERS,
        kills=KILLS,
        freezes=0,
        jumps=0,
        skewed=False,
        scale=SCALE,
        patience=PATIENCE,
        seed=SEED,
    )


def fill(server: postgresql.Private, left: itertools.cycle[int]) -> None:
    """Until somebody met the end of the disk; then there is room again, and the server runs."""
    filler, before, keep = server.data / "filler", len(_FULL.findall(server.said())), next(left)
    while not _filled(filler, keep):
        pass  # somebody took some of it meanwhile
    ends = time.monotonic() + LONG
    while server.runs and time.monotonic() < ends and len(_FULL.findall(server.said())) == before:
        time.sleep(0.01)  # a server's log sends no event
    filler.unlink()
    if not server.runs:
        server.start()


def _filled(filler: Path, keep: int) -> bool:
    disk = os.statvfs(filler.parent)
    with filler.open("wb") as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(disk.f_bavail * disk.f_frsize - keep, 1))
        return True
    return False
