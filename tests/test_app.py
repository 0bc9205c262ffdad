"""What the wiring makes of settings that only a mailer understands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from publisher.errors import SettingsError
from tests.fakes.smtp import SmtpServer
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, open_site, run_due

SIGNED = """kind = "smtp"
host = "127.0.0.1"
port = {port}
security = "none"
dkim_domain = "harbour-gazette.example"
dkim_selector = "quay"
dkim_key_env = "DKIM_KEY"
return_path = "bounces@harbour-gazette.example"
"""


def site(tmp_path: Path, port: int) -> Path:
    return lay_out(tmp_path / "site", SETTINGS.replace('kind = "maildir"', SIGNED.format(port=port)))


def test_mail_through_a_server_is_signed_and_bounces_come_back_by_letter(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    clock = TestClock(datetime(2026, 11, 22, 6, 0, tzinfo=UTC))
    with SmtpServer() as server:
        app = open_site(site(tmp_path, server.port), clock, {"DKIM_KEY": key.decode()})
        add_readers(app, "ben@mail.example")
        run_due(app)
        clock.move(hours=1)
        run_due(app)
        app.close()
        (received,) = server.received
    signature = str(received.message["DKIM-Signature"])
    assert "d=harbour-gazette.example" in signature
    assert "list-unsubscribe-post" in signature.lower()
    assert received.sender.startswith("bounces+")


def test_a_key_that_is_none_is_named_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="dkim_key_env") as caught:
        open_site(site(tmp_path, 25), TestClock(datetime(2026, 11, 22, tzinfo=UTC)), {"DKIM_KEY": "not-a-key-at-all"})
    assert "not-a-key-at-all" not in str(caught.value)


def test_a_return_path_that_has_no_room_for_the_letter_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    root = site(tmp_path, 25)
    settings = (root / "settings.toml").read_text()
    settings = settings.replace("bounces@", "b" * 60 + "@").replace('dkim_key_env = "DKIM_KEY"', "")
    (root / "settings.toml").write_text(settings)
    with pytest.raises(SettingsError, match=r"mailers\[maildir\]"):
        open_site(root, TestClock(datetime(2026, 11, 22, tzinfo=UTC)), {})


def test_a_folder_is_the_same_source_wherever_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what was learnt of it would be forgotten each time."""
    clock = TestClock(datetime(2026, 11, 22, 6, 0, tzinfo=UTC))
    root = lay_out(tmp_path / "site")
    app = open_site(root, clock)
    run_due(app)
    app.close()
    monkeypatch.chdir(root)
    for place in (Path(), Path("../site")):
        again = open_site(place, clock)
        assert again.parts.store.sources.get("newsroom").completed_at == clock.now()
        again.close()
