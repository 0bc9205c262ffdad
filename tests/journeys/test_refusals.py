"""Servers that refuse a newsroom while it sends by SMTP stop its edition before the rest is refused as well."""

from __future__ import annotations

from pathlib import Path

from publisher.model import EditionState
from tests.fakes.smtp import Fault, SmtpServer
from tests.people import NOW
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site, run_due
from tests.test_bounces import suppressed

KEY = "daily/daily:2026-11-22"
READERS = [f"reader{number}@mail.example" for number in range(80)]


def test_an_edition_that_many_servers_refuse_because_of_the_sender_is_paused(tmp_path: Path) -> None:
    clock = TestClock(NOW)
    with SmtpServer() as server:
        blocked = READERS[:38:2]
        server.plan(*(Fault("RCPT", reply="550 5.7.26 not authenticated", recipient=one, times=9) for one in blocked))
        kind = f'kind = "smtp"\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\nper_day = 40\n'
        settings = SETTINGS.replace('name = "maildir"\nkind = "maildir"', f'name = "smtp"\n{kind}')
        settings = settings.replace('sender = "The Gazette', 'mailer = "smtp"\nsender = "The Gazette')
        app = open_site(lay_out(tmp_path, settings.replace("[alarms]", '[alarms]\nmailer = "smtp"')), clock)
        add_readers(app, *READERS)
        run_due(app)
        clock.move(hours=1)
        run_due(app, rounds=6)
        edition = app.parts.store.editions.get(KEY)
        assert edition.state is EditionState.PAUSED
        assert "refuse it because of the sender" in edition.reason
        clock.move(days=1)
        run_due(app)
        assert app.parts.store.outbox.sums(edition.id).waiting == 40, "the rest stays, also on the next day"
        assert {suppressed(app, one) for one in READERS} == {""}
        app.close()
