"""What a mailer says its account is: another one for other settings, and never a secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from publisher.mailers.maildir import Maildir
from publisher.mailers.mailgun import Mailgun
from publisher.mailers.postmark import Postmark
from publisher.mailers.resend import Resend
from publisher.mailers.ses import Ses
from publisher.mailers.smtp import Smtp

TOPIC = "arn:aws:sns:eu-west-1:123456789012:"
SETTINGS: dict[Any, dict[str, Any]] = {
    Maildir: {"path": Path("mail")},
    Smtp: {"host": "smtp.example", "port": 587, "username": "publisher"},
    Resend: {"key": "re_secret", "base_url": "https://resend.example"},
    Postmark: {"token": "secret-token", "base_url": "https://postmark.example", "stream": "broadcast"},
    Mailgun: {"key": "secret-key", "base_url": "https://mailgun.example", "domain": "mg.example"},
    Ses: {
        "region": "eu-west-1",
        "key_id": "AKIAONE",
        "secret": "hush",
        "base_url": "https://ses.example",
        "configuration_set": "newsletters",
        "topic_arn": f"{TOPIC}one",
    },
}
OTHER = [
    *((Maildir, "path", Path("post")), (Smtp, "host", "b.example"), (Smtp, "port", 25), (Smtp, "username", "b")),
    *((Resend, "key", "re_other"), (Resend, "base_url", "https://b.example")),
    *((Postmark, "token", "b"), (Postmark, "base_url", "https://b.example"), (Postmark, "stream", "news")),
    *((Mailgun, "key", "b"), (Mailgun, "base_url", "https://b.example"), (Mailgun, "domain", "b.example")),
    *((Ses, "region", "eu-west-3"), (Ses, "key_id", "AKIATWO"), (Ses, "base_url", "https://b.example")),
    *((Ses, "configuration_set", "b"), (Ses, "topic_arn", f"{TOPIC}two")),
]
#: What says nothing of the account. A password says nothing: people choose it, and its hash could be guessed.
SAME: list[tuple[Any, str, Any]] = [
    *((Smtp, "password", "pass"), (Smtp, "connections", 4), (Smtp, "security", "tls"), (Smtp, "host", "SMTP.example")),
    *((Resend, "key", " re_secret\n"), (Resend, "webhook_secret", "whsec_a"), (Resend, "patience", 5.0)),
    *((Postmark, "base_url", "https://postmark.example/"), (Postmark, "webhook_password", "b")),
    *((Mailgun, "webhook_key", "b"), (Mailgun, "domain", " MG.example"), (Ses, "secret", "other")),
]


def account(kind: Any, **changes: Any) -> str:
    return str(kind("post", **SETTINGS[kind] | changes).account)


@pytest.mark.parametrize(("kind", "setting", "value"), OTHER, ids=lambda one: getattr(one, "__name__", str(one)))
def test_other_settings_are_another_account(kind: Any, setting: str, value: Any) -> None:
    assert account(kind, **{setting: value}) != account(kind)


@pytest.mark.parametrize(("kind", "setting", "value"), SAME, ids=lambda one: getattr(one, "__name__", str(one)))
def test_what_says_nothing_of_the_account_changes_nothing(kind: Any, setting: str, value: Any) -> None:
    assert account(kind, **{setting: value}) == account(kind)


def test_an_account_is_short_and_shows_nothing_of_what_it_is_made_from() -> None:
    accounts = [account(kind) for kind in SETTINGS]
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in accounts)
    assert len(set(accounts)) == len(SETTINGS)


def test_a_folder_is_the_same_by_whatever_path_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    paths = (Path("mail"), tmp_path / "site" / "mail", tmp_path / "current" / "mail")
    assert len({account(Maildir, path=path) for path in paths}) == 1
