"""A letter leaves by SMTP, its bounce comes back to the address that the letter had, and is read over IMAP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.app import App
from tests import dovecot
from tests.contracts.mailbox_cases import mail
from tests.dovecot import PASSWORD, Dovecot
from tests.fakes.smtp import SmtpServer
from tests.mailboxes.test_imap import ImapRig
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site, run_due
from tests.test_bounces import BEN, CARLA, dsn, suppressed

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)

WITH_BOUNCES = """
[bounces]
mailer = "smtp"
kind = "imap"
host = "localhost"
port = {port}
username = "{user}"
password_env = "BOUNCES_PASSWORD"
ca_file = "{ca}"
"""


@pytest.fixture(scope="module")
def imap() -> Iterator[Dovecot]:
    with dovecot.server() as running:
        yield running


@pytest.fixture
def rig(imap: Dovecot) -> ImapRig:
    return ImapRig(imap)


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def app(tmp_path: Path, smtp: SmtpServer, rig: ImapRig, clock: TestClock) -> Iterator[App]:
    mailer = f'kind = "smtp"\nhost = "127.0.0.1"\nport = {smtp.port}\nsecurity = "none"\n'
    mailer += 'return_path = "bounces@harbour-gazette.example"\n'
    settings = SETTINGS.replace('name = "maildir"\nkind = "maildir"', f'name = "smtp"\n{mailer}')
    settings = settings.replace('sender = "The Gazette', 'mailer = "smtp"\nsender = "The Gazette')
    settings = settings.replace("[alarms]", '[alarms]\nmailer = "smtp"')
    box = {"port": rig.server.tls_port, "user": rig.user, "ca": rig.server.certificate.certificate}
    root = lay_out(tmp_path / "site", settings + WITH_BOUNCES.format(**box))
    opened = open_site(root, clock, {"BOUNCES_PASSWORD": PASSWORD})
    add_readers(opened, BEN, CARLA)
    yield opened
    opened.close()


def test_a_bounce_finds_its_way_back(app: App, clock: TestClock, smtp: SmtpServer, rig: ImapRig) -> None:
    run_due(app)
    clock.move(hours=1)
    assert run_due(app) == []
    (letter,) = (one for one in smtp.received if one.recipient == BEN)
    rig.deliver(dsn("somebody@else.example", to=letter.sender), dsn(CARLA), mail("Hello"))
    clock.move(minutes=5)
    assert run_due(app) == []
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("hard bounce", "")
    assert (rig.waiting(), len(rig.aside())) == (0, 2)
    (look,) = app.parts.store.mailboxes.looks()
    assert (look.events, look.unreadable, look.error) == (1, 2, "")
