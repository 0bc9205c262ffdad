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

from publisher.model import BatchState
from tests.fakes.postmark import TOKEN, PostmarkServer
from tests.fakes.resend import KEY, ResendServer
from tests.fakes.smtp import Fault, SmtpServer
from tests.faults.sender import EDITION, START
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, mailbox, open_site

pytestmark = pytest.mark.timeout(900)

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
    # No more in a row than are over before a key is: while a circuit is open, two hours pass for each of them.
    resend.plan(*random.Random(SEED).choices(FAULTS, k=8))
    killed = send_under_kills(tmp_path / "site", settings, {"RESEND_API_KEY": KEY})
    check([mail.recipient for mail in resend.mails], killed)
    report(f"resend on {kind(database)}: {killed} kills, {len(READERS)} readers, 0 lost, 0 repeated (seed {SEED})")


def held(root: Path, environment: dict[str, str]) -> set[str]:
    """The readers whom the ledger lists as held, for a person to decide."""
    app = open_site(root, TestClock(START + timedelta(days=9)), environment)
    edition = app.parts.store.editions.get(EDITION)
    batches = app.parts.store.outbox.batches(edition.id)
    ids = [subscriber for batch in batches if batch.state is BatchState.HELD for subscriber, _ in batch.members]
    people = app.parts.store.audience.recipients("daily", ids)
    app.close()
    return {person.email for person in people.values()}


def check_held(arrived: list[str], named: set[str]) -> tuple[int, int]:
    """Nobody twice; who got nothing is named. How many are named, and how many of them had got it."""
    counted = Counter(arrived)
    assert not {reader for reader, times in counted.items() if times > 1}, f"seed {SEED}"
    missing = set(READERS) - set(counted)
    assert missing <= named, f"seed {SEED}: lost and not named: {sorted(missing - named)[:5]}"
    return len(named), len(named & set(counted))


def test_a_mailer_that_can_be_searched_under_kill_9_and_lost_answers(
    tmp_path: Path, database: str, report: Callable[[str], None]
) -> None:
    started = datetime.now(UTC)
    environment = {"POSTMARK_SERVER_TOKEN": TOKEN}
    clock = lambda: START + (datetime.now(UTC) - started)  # noqa: E731 - the provider's clock goes on by itself
    with PostmarkServer(tmp_path, clock=clock, lag=timedelta(0)) as server:
        settings = SETTINGS.replace('kind = "maildir"', f'kind = "postmark"\nbase_url = "{server.url}"')
        settings += f'[store]\nurl = "{database}"\n' if database else ""
        server.plan(*random.Random(SEED).choices(FAULTS, k=4))
        killed = send_under_kills(tmp_path / "site", settings, environment)
        named, had = check_held([mail.recipient for mail in server.mails], held(tmp_path / "site", environment))
    told = f"{named} held, {had} of whom had got it"
    report(f"postmark on {kind(database)}: {killed} kills, {len(READERS)} readers, 0 repeated, {told} (seed {SEED})")


def test_a_mail_server_that_tells_nothing_under_kill_9(
    tmp_path: Path, database: str, report: Callable[[str], None]
) -> None:
    with SmtpServer() as server:
        settings = SETTINGS.replace(
            'kind = "maildir"',
            f'kind = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nconnections = 1',
        )
        settings += f'[store]\nurl = "{database}"\n' if database else ""
        server.plan(Fault("DOT", keep=True, after=40, times=1), Fault("DOT", after=90, times=1))
        killed = send_under_kills(tmp_path / "site", settings, {})
        named, had = check_held(server.recipients(), held(tmp_path / "site", {}))
    most = (1 + 1) * 20 * killed + 2  # one batch on its connection, and one that is made or written down
    assert named <= most
    told = f"{named} held (at most {most}), {had} of whom had got it"
    report(f"smtp on {kind(database)}: {killed} kills, {len(READERS)} readers, 0 repeated, {told} (seed {SEED})")
