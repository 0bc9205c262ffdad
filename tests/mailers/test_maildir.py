from __future__ import annotations

import errno
import mailbox
import os
import stat
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from publisher.errors import MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.mailers.maildir import Maildir
from publisher.model import Outcome
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing


def got_from(content: bytes, recipient: str = "") -> Got:
    message = message_from_bytes(content, policy=policy.default)
    assert not message.defects
    text, html = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    return Got(
        recipient=recipient or message["To"].addresses[0].addr_spec,
        subject=message["Subject"],
        sender=message["From"],
        text=text,
        html=html,
        headers={name.lower(): str(value) for name, value in message.items()},
    )


class MaildirRig:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.mailer = Maildir("folder", folder / "maildir")
        self._monkeypatch = monkeypatch

    def got(self) -> list[Got]:
        new = self.folder / "maildir" / "new"
        return [got_from(path.read_bytes()) for path in new.iterdir()] if new.exists() else []

    def lose_an_answer(self) -> None:
        pass

    def refused(self) -> Maildir:
        (self.folder / "file").touch()
        return Maildir("folder", self.folder / "file" / "maildir")

    def unreachable(self) -> Maildir:
        fill_the_disk(self._monkeypatch, room=0)
        return self.mailer


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """After so many messages the system says that the disk is full."""
    real, left = os.link, iter(range(room))

    def link(source: Path, target: Path) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "link", link)


class TestMaildir(MailerCases):
    @pytest.fixture
    def rig(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MaildirRig:
        return MaildirRig(tmp_path, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "var" / "maildir"


def files(folder: Path, part: str) -> list[str]:
    return sorted(os.listdir(folder / part))


def test_mail_programs_can_read_it(folder: Path):
    mailer = Maildir("folder", folder)
    (result,) = mailer.submit(mailer.prepare(mailing(letter(0))))
    (message,) = mailbox.Maildir(folder, create=False)
    assert message["To"].endswith("<reader0@reader.example>")
    assert b"\r" not in Path(result.reference).read_bytes()
    assert Path(result.reference).stat().st_mode & 0o077 == 0
    assert files(folder, "tmp") == []


def test_a_message_that_was_read_meanwhile_does_not_come_again(folder: Path):
    mailer = Maildir("folder", folder)
    prepared = mailer.prepare(mailing(letter(0)))
    mailer.submit(prepared)
    (name,) = files(folder, "new")
    (folder / "new" / name).rename(folder / "cur" / f"{name}:2,S")
    (result,) = mailer.submit(prepared)
    assert result.outcome is Outcome.ACCEPTED
    assert files(folder, "new") == []


def test_when_the_disk_fills_up_the_written_ones_are_there_and_the_rest_goes_later(folder: Path, monkeypatch):
    mailer = Maildir("folder", folder)
    prepared = mailer.prepare(mailing())
    with monkeypatch.context() as patch:
        fill_the_disk(patch, room=2)
        results = mailer.submit(prepared)
    assert [one.outcome for one in results] == [Outcome.ACCEPTED] * 2 + [Outcome.DEFERRED] * 3
    assert f"{folder} cannot be written (No space left on device)" in results[2].detail
    assert len(files(folder, "new")) == 2
    assert files(folder, "tmp") == []
    mailer.submit(prepared)
    assert len(files(folder, "new")) == 5


def test_messages_that_may_not_survive_a_power_cut_are_not_called_accepted(folder: Path, monkeypatch):
    mailer = Maildir("folder", folder)
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OutcomeUnknown, match="Input/output error"):
        mailer.submit(mailer.prepare(mailing()))


def test_a_full_disk_and_a_wrong_path_name_the_path_and_the_remedy(folder: Path, monkeypatch):
    mailer = Maildir("folder", folder)
    with monkeypatch.context() as patch:
        fill_the_disk(patch, room=0)
        with pytest.raises(TryLater, match=rf"{folder}.*No space left.*make room"):
            mailer.submit(mailer.prepare(mailing()))
    assert files(folder, "tmp") == files(folder, "new") == []
    (folder / "file").touch()
    with pytest.raises(MailerMisconfigured, match=r"file/maildir.*set another path"):
        Maildir("folder", folder / "file" / "maildir").check()
