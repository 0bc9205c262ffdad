from __future__ import annotations

import os
from pathlib import Path

import pytest

from publisher.errors import MailboxError
from publisher.mailboxes.maildir import Maildir
from tests.contracts.mailbox_cases import MailboxCases, Reader, mail


class MaildirRig:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.mailbox = Maildir("smtp", path)
        self._number = 0
        for name in ("tmp", "new", "cur"):
            (path / name).mkdir(parents=True)

    def deliver(self, *messages: bytes) -> None:
        for message in messages:
            self._number += 1
            where = "cur" if self._number % 3 == 0 else "new"  # somebody may have looked at it
            (self.path / where / f"17643216{self._number:02}.M1P2.quay").write_bytes(message)

    def waiting(self) -> int:
        return sum(len(list((self.path / name).iterdir())) for name in ("new", "cur"))

    def aside(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.path / ".Unreadable" / "new").iterdir())]

    def broken(self) -> Maildir:
        return Maildir("smtp", self.path.with_name("nowhere"))


@pytest.fixture
def rig(tmp_path: Path) -> MaildirRig:
    return MaildirRig(tmp_path / "bounces")


class TestMaildir(MailboxCases):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> MaildirRig:
        return MaildirRig(tmp_path / "bounces")


def test_a_message_that_another_process_took_meanwhile_is_no_error(rig):
    rig.deliver(mail("one"), mail("two"))

    def taken(messages):
        next((rig.path / "new").iterdir()).unlink()
        return [True] * len(messages)

    rig.mailbox.read(taken, limit=10)
    assert rig.waiting() == 0


def test_what_is_no_message_is_left_alone(rig, tmp_path):
    (tmp_path / "secret").write_text("key")
    (rig.path / "new" / "17643217.link").symlink_to(tmp_path / "secret")
    os.mkfifo(rig.path / "new" / "17643218.pipe")
    (rig.path / "new" / ".hidden").write_text("x")
    rig.deliver(mail("one"))
    reader = Reader()
    rig.mailbox.read(reader, limit=10)
    assert (reader.seen, rig.waiting()) == (["one"], 3)


def test_a_folder_that_is_no_maildir_is_named_with_the_remedy(tmp_path):
    with pytest.raises(MailboxError, match=r"bounces: No such file or directory; set bounces.path to a Maildir"):
        Maildir("smtp", tmp_path / "bounces").check()
