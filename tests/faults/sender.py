"""A sender that is killed again and again: `python -m tests.faults.sender SITE SEED KILLS`.

Each incarnation is a fork that opens the site anew, does what is due, and is killed with SIGKILL at a random moment;
after that many kills one is left alone until everything is done. The clock is handed in and moves three minutes
with every incarnation, so that leases end without anybody waiting. Prints how many were killed in the middle.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from publisher import editions, pipeline
from publisher.model import EditionState
from tests.sites import TestClock, open_site, run_due

EDITION = "daily/daily:2026-11-22"
START = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
STEP = timedelta(minutes=3)
#: The step once nobody is killed any more: whatever waits for lags, leases or patience gets its time.
LONG_STEP = timedelta(hours=2)
#: The longest time, in seconds, that an incarnation lives before it is killed.
LIFE = 0.16


def live(root: Path, at: datetime, begun: int) -> int:
    """One incarnation: 0 when the edition is done, 3 when something is left. Says when it is about to begin."""
    app = open_site(root, TestClock(at, tick=timedelta(milliseconds=1)), dict(os.environ))
    os.write(begun, b"!")
    pipeline.work(app.parts, "sweep", "")
    run_due(app)
    edition = editions.find(app.parts.store, EDITION)  # later days have editions of their own, with nothing new
    return 0 if edition and edition.state is EditionState.DONE else 3


def main(root: Path, seed: int, kills: int) -> None:
    chance, at, killed = random.Random(seed), START, 0
    for _ in range(kills * 20 + 200):
        at += STEP if killed < kills else LONG_STEP
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                status = live(root, at, writer)
            except Exception as error:
                sys.stderr.write(f"{error}\n")
                status = 4
            os._exit(status)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        if killed < kills:
            time.sleep(chance.uniform(0.0, LIFE))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            break
    sys.stdout.write(f"{killed}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
