"""A mailer that refuses us in the middle of an edition, a second one that takes over, and the first one mended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.cli.calling import NOW, as_json, call, done, newsroom
from tests.fakes.smtp import Fault, SmtpServer

READERS = [f"reader{number}@mail.example" for number in range(165)]
MAILER = """
[[mailers]]
name = "{name}"
kind = "smtp"
host = "127.0.0.1"
port = {port}
security = "none"
"""


@pytest.fixture
def first() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def second() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, first: SmtpServer, second: SmtpServer) -> Path:
    root = newsroom(tmp_path / "site")
    settings = (root / "settings.toml").read_text().replace('slug = "daily"', 'slug = "daily"\nmailer = "quay"', 1)
    settings += MAILER.format(name="quay", port=first.port) + 'fallback = "pier"\n'
    settings += MAILER.format(name="pier", port=second.port)
    (root / "settings.toml").write_text(settings)
    lines = ["email,status\n", *(f"{email},confirmed\n" for email in READERS)]
    (root / "subscribers.csv").write_text("".join(lines))
    done(root, "collect", at=NOW - timedelta(days=1))
    done(root, "subscribers", "import", root / "subscribers.csv")
    return root


def test_nobody_twice_and_nobody_lost_across_two_mailers(site: Path, first: SmtpServer, second: SmtpServer) -> None:
    first.plan(Fault("MAIL", "530 5.7.0 authentication required", times=99))
    assert call(site, "send", "daily", "--now", "--yes").exit_code == 7
    assert first.received == []

    status = done(site, "status")
    assert "mailer quay takes nothing since" in status
    assert "(credentials)" in status
    assert "publisher deliver mended quay" in status
    (blocked,) = as_json(site, "status")["waiting"]["blocked"]
    assert (blocked["circuit"], blocked["failure"]) == ("open", "credentials")

    done(site, "deliver")
    carried = len(second.received)
    assert carried >= 45, "all but the batches that the first had in its hands"
    assert carried < len(READERS)
    alarms = [path.read_text() for path in (site / "var" / "maildir" / "new").iterdir()]
    assert ["The mailer quay takes no mail (credentials)" in alarm for alarm in alarms] == [True]

    first.mend()
    assert "quay is used again" in done(site, "deliver", "mended", "quay")
    assert f"{carried} through pier" in done(site, "deliver")
    assert sorted(first.recipients() + second.recipients()) == sorted(READERS)
    (edition,) = as_json(site, "status")["editions"]
    assert edition["carried"] == {"quay": len(READERS) - carried, "pier": carried}
    assert edition["state"] == "done"
    assert as_json(site, "status")["waiting"]["blocked"] == []


def test_a_mailer_that_is_not_there_cannot_be_mended(site: Path) -> None:
    result = call(site, "deliver", "mended", "jetty")
    assert result.exit_code == 4
    assert "quay" in result.stderr
