"""What every mailbox does with the messages in it. A subclass opens an empty one and delivers to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pytest

from publisher.errors import MailboxError
from publisher.kit.reports import LARGEST
from publisher.ports import Mailbox


class MailboxRig(Protocol):
    mailbox: Mailbox

    def deliver(self, *messages: bytes) -> None: ...

    def waiting(self) -> int: ...

    def aside(self) -> list[bytes]: ...

    def broken(self) -> Mailbox:
        """One that cannot be read."""


def mail(name: str, size: int = 0) -> bytes:
    return f"From: <>\r\nSubject: {name}\r\n\r\n{name}\r\n".encode() + b"x" * size


def subject(message: bytes) -> str:
    return message.replace(b"\r\n", b"\n").partition(b"Subject: ")[2].partition(b"\n")[0].decode()


class Reader:
    """Keeps what it was given, and decides by subject."""

    def __init__(self, *aside: str, fails_at: str = "") -> None:
        self.seen: list[str] = []
        self.largest = 0
        self._aside = aside
        self._fails_at = fails_at

    def __call__(self, messages: Sequence[bytes]) -> list[bool]:
        subjects = [subject(one) for one in messages]
        if self._fails_at in subjects:
            raise RuntimeError("killed")
        self.seen += subjects
        self.largest = max([self.largest, *map(len, messages)])
        return [one not in self._aside for one in subjects]


class MailboxCases:
    @pytest.fixture
    def rig(self) -> MailboxRig:
        raise NotImplementedError

    def test_what_is_done_with_goes_and_the_rest_is_set_aside(self, rig: MailboxRig) -> None:
        rig.deliver(mail("one"), mail("two"), mail("three"))
        reader = Reader("two")
        assert rig.mailbox.read(reader, limit=10) is False
        assert reader.seen == ["one", "two", "three"]
        assert rig.waiting() == 0
        assert [subject(one) for one in rig.aside()] == ["two"]

    def test_what_was_set_aside_does_not_come_again(self, rig: MailboxRig) -> None:
        for name in ("one", "two"):
            rig.deliver(mail(name))
            again = Reader("one", "two")
            rig.mailbox.read(again, limit=10)
            assert again.seen == [name]
        assert sorted(subject(one) for one in rig.aside()) == ["one", "two"]

    def test_nothing_is_touched_before_it_was_decided(self, rig: MailboxRig) -> None:
        rig.deliver(mail("one"), mail("two"))
        with pytest.raises(RuntimeError, match="killed"):
            rig.mailbox.read(Reader(fails_at="two"), limit=10)
        assert rig.waiting() == 2
        again = Reader()
        rig.mailbox.read(again, limit=10)
        assert (again.seen, rig.waiting()) == (["one", "two"], 0)

    def test_a_look_takes_no_more_than_its_limit_the_oldest_first(self, rig: MailboxRig) -> None:
        rig.deliver(*(mail(f"{number:02}") for number in range(45)))
        first, second = Reader(), Reader()
        assert rig.mailbox.read(first, limit=30) is True
        assert (first.seen, rig.waiting()) == ([f"{number:02}" for number in range(30)], 15)
        assert rig.mailbox.read(second, limit=30) is False
        assert second.seen == [f"{number:02}" for number in range(30, 45)]

    def test_of_a_huge_message_only_the_beginning_is_read(self, rig: MailboxRig) -> None:
        rig.deliver(mail("huge", 3 * LARGEST), mail("small"))
        reader = Reader("huge")
        rig.mailbox.read(reader, limit=10)
        assert (sorted(reader.seen), reader.largest) == (["huge", "small"], LARGEST)
        assert len(rig.aside()[0]) > 3 * LARGEST

    def test_an_empty_mailbox_has_nothing_to_say(self, rig: MailboxRig) -> None:
        reader = Reader()
        assert rig.mailbox.read(reader, limit=10) is False
        assert reader.seen == []

    def test_trying_it_touches_nothing(self, rig: MailboxRig) -> None:
        rig.deliver(mail("one"))
        assert "1 waiting" in rig.mailbox.check()
        assert rig.waiting() == 1

    def test_one_that_cannot_be_read_says_why(self, rig: MailboxRig) -> None:
        for call in (rig.broken().check, lambda: rig.broken().read(Reader(), limit=10)):
            with pytest.raises(MailboxError) as raised:
                call()
            assert "pilot-cutter" not in str(raised.value)
