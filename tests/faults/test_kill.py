"""kill -9 while an edition is being sent: nobody is mailed twice, and nobody is left out.

The judge is what really arrived, never our own tables. PUBLISHER_KILLS sets how often the sender is killed,
PUBLISHER_SEED replays a run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.resend import KEY, ResendServer
from tests.faults.sender import START
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, mailbox, open_site

KILLS = int(os.environ.get("PUBLISHER_KILLS", "12"))
SEED = int(os.environ.get("PUBLISHER_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
READERS = [f"reader{number}@mail.example" for number in range(100 * KILLS)]
FAULTS = ["accept_then_drop", "drop_before", "accept_then_500", "500", "truncated", "html", "429"]


@pytest.fixture
def resend(tmp_path: Path) -> Iterator[ResendServer]:
    started = datetime.now(UTC)
    with ResendServer(tmp_path, clock=lambda: START + (datetime.now(UTC) - started)) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_store_url"))


def send_under_kills(root: Path, settings: str, environment: dict[str, str]) -> int:
    """Send one edition to everybody under kill -9. How many incarnations were killed."""
    lay_out(root, settings)
    app = open_site(root, TestClock(START - timedelta(hours=1)), environment)
    add_readers(app, *READERS)
    app.close()
    command = [sys.executable, "-m", "tests.faults.sender", str(root), str(SEED), str(KILLS)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=1800, check=True
    )
    return int(done.stdout.split()[-1])


def kind(database: str) -> str:
    return "PostgreSQL" if database else "SQLite"


def check(arrived: list[str], killed: int) -> None:
    counted = Counter(arrived)
    assert killed == KILLS
    lost = set(READERS) - set(counted)
    repeated = {reader: times for reader, times in counted.items() if times > 1}
    assert (lost, repeated) == (set(), {}), f"seed {SEED}"


def test_a_maildir_under_kill_9(tmp_path: Path, database: str, report: Callable[[str], None]) -> None:
    settings = SETTINGS + (f'[store]\nurl = "{database}"\n' if database else "")
    killed = send_under_kills(tmp_path / "site", settings, {})
    arrived = [str(mail["To"].addresses[0].addr_spec) for mail in mailbox(tmp_path / "site")]
    check(arrived, killed)
    report(f"maildir on {kind(database)}: {killed} kills, {len(READERS)} readers, 0 lost, 0 repeated (seed {SEED})")


def test_a_mailer_with_keys_under_kill_9_and_lost_answers(
    tmp_path: Path, database: str, resend: ResendServer, report: Callable[[str], None]
) -> None:
    settings = SETTINGS.replace('kind = "maildir"', f'kind = "resend"\nbase_url = "{resend.url}"')
    settings += f'[store]\nurl = "{database}"\n' if database else ""
    resend.plan(*random.Random(SEED).choices(FAULTS, k=20))
    killed = send_under_kills(tmp_path / "site", settings, {"RESEND_API_KEY": KEY})
    check([mail.recipient for mail in resend.mails], killed)
    report(f"resend on {kind(database)}: {killed} kills, {len(READERS)} readers, 0 lost, 0 repeated (seed {SEED})")
