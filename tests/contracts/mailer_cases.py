"""What every mailer does. A test class inherits `MailerCases` and gives it a `rig`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import pytest

from publisher.errors import MailerMisconfigured, OutcomeUnknown, TryLater
from publisher.kit.message import UNSUBSCRIBE_URL, message_id
from publisher.model import Letter, Mailing, Outcome, Rendered
from publisher.ports import Mailer

DATE = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
READERS = ("Orla Ní Bhriain", "Séamus", "", "Aoife O'Dea", 'Murphy, "Spud"')


@dataclass(frozen=True, slots=True)
class Got:
    """A message as it arrived, whatever way it took. Header names are in lower case."""

    recipient: str
    subject: str
    sender: str
    text: str
    html: str
    headers: Mapping[str, str]


class Rig(Protocol):
    """A mailer with the other side of it."""

    mailer: Mailer

    def got(self) -> list[Got]: ...

    def lose_an_answer(self) -> None:
        """The next message is taken, and the answer to it is lost. Where that cannot be, nothing happens."""

    def refused(self) -> Mailer:
        """A mailer of this kind that the other side turns away."""

    def unreachable(self) -> Mailer:
        """A mailer of this kind whose other side cannot take anything just now."""


def letter(position: int, *, name: str | None = None, email: str = "", variant: int = 1) -> Letter:
    public_id = bytes([position]) * 12
    return Letter(
        position=position,
        email=email or f"reader{position}@reader.example",
        name=READERS[position % len(READERS)] if name is None else name,
        variant=variant,
        message_id=message_id("daily", "daily:2026-11-22", public_id, "harbour-gazette.example"),
        unsubscribe_url=f"https://news.harbour-gazette.example/u/{position:04d}{'AQoLDA0AAQIDBAUGBwgJCgtkYWlseQ' * 2}",
    )


def mailing(*letters: Letter, subject: str = "Ferry back – and three more ⛴", **changes: str) -> Mailing:
    def variant(words: str) -> Rendered:
        html = f'<p>{words}</p>\n<p><a href="{UNSUBSCRIBE_URL}">Leave</a></p>\n'
        return Rendered(subject=subject, html=html, text=f"{words}\n.\n..dots\nLeave: {UNSUBSCRIBE_URL}\n")

    values = {
        "key": "6f1c0f5e-7a9e-5d0c-9f6b-1d8c6a0f3b11",
        "edition": "daily/daily:2026-11-22",
        "sender": "The Harbour Gazette <daily@harbour-gazette.example>",
        "reply_to": "desk@harbour-gazette.example",
        "list_id": "The Harbour Gazette Daily <daily.harbour-gazette.example>",
        **changes,
    }
    variants = {1: variant("Fáilte! The ferry is back."), 2: variant("Sport: the regatta.")}
    return Mailing(date=DATE, variants=variants, letters=letters or tuple(map(letter, range(5))), **values)


class MailerCases:
    keeps_message_ids = True  # False where the provider puts its own Message-ID

    @pytest.fixture
    def rig(self) -> Rig:
        raise NotImplementedError

    def test_preparing_is_pure(self, rig: Rig):
        first, second = rig.mailer.prepare(mailing()), rig.mailer.prepare(mailing())
        assert first == second
        assert first.key == mailing().key
        assert len(first.digest) == 64
        assert rig.got() == []
        other = rig.mailer.prepare(mailing(letter(0), letter(1, email="other@reader.example")))
        assert other.digest != first.digest

    def test_everybody_gets_their_own_message_once(self, rig: Rig):
        letters = (letter(3), letter(5, variant=2), letter(8))
        results = rig.mailer.submit(rig.mailer.prepare(mailing(*letters)))

        assert [(one.position, one.outcome) for one in results] == [(n, Outcome.ACCEPTED) for n in (3, 5, 8)]
        assert all(one.reference for one in results)
        arrived = {got.recipient: got for got in rig.got()}
        assert len(rig.got()) == len(arrived) == 3
        for one in letters:
            got = arrived[one.email]
            assert ("regatta" in got.html) == ("regatta" in got.text) == (one.variant == 2)
            assert f"Leave: {one.unsubscribe_url}\n" in got.text
            assert f'href="{one.unsubscribe_url}"' in got.html
            assert got.text.count("https:") == got.html.count("https:") == 1

    def test_every_message_carries_what_mailbox_providers_ask_for(self, rig: Rig):
        rig.mailer.submit(rig.mailer.prepare(mailing()))
        for position, got in enumerate(sorted(rig.got(), key=lambda got: got.recipient)):
            one = letter(position)
            assert got.headers["list-unsubscribe"] == f"<{one.unsubscribe_url}>"
            assert got.headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
            assert got.headers["list-id"] == "The Harbour Gazette Daily <daily.harbour-gazette.example>"
            assert got.headers["message-id"] == one.message_id or not self.keeps_message_ids
            assert got.headers["reply-to"] == "desk@harbour-gazette.example"
            assert got.sender == "The Harbour Gazette <daily@harbour-gazette.example>"
            assert got.subject == "Ferry back – and three more ⛴"
            assert got.text.startswith("Fáilte! The ferry is back.\n.\n..dots\n")

    def test_a_notice_carries_no_list(self, rig: Rig):
        notice = mailing(letter(0)._replace(unsubscribe_url=""), list_id="", reply_to="")
        rig.mailer.submit(rig.mailer.prepare(notice))
        (got,) = rig.got()
        assert not {"list-unsubscribe", "list-unsubscribe-post", "list-id", "reply-to"} & set(got.headers)
        assert got.headers["auto-submitted"] == "auto-generated"

    @pytest.mark.parametrize(
        "bad", ["\r\nBcc: all@reader.example\r\n\r\nHello", '"><evil@reader.example>', "\0", "💌" * 99]
    )
    def test_no_name_or_subject_adds_a_header_or_a_recipient(self, rig: Rig, bad: str):
        hostile = mailing(letter(0, name=f"Orla{bad}"), letter(1), subject=f"News{bad}")
        results = rig.mailer.submit(rig.mailer.prepare(hostile))
        assert [one.outcome for one in results] == [Outcome.ACCEPTED] * 2
        first, second = sorted(rig.got(), key=lambda got: got.recipient)
        assert first.recipient == "reader0@reader.example"
        assert first.headers.keys() == second.headers.keys()
        assert "bcc" not in first.headers
        assert first.subject.startswith("News")
        assert "Fáilte" in first.text

    def test_a_lost_answer_never_makes_two_messages(self, rig: Rig):
        prepared = rig.mailer.prepare(mailing())
        rig.lose_an_answer()
        try:
            outcomes = [one.outcome for one in rig.mailer.submit(prepared)]
        except OutcomeUnknown:
            outcomes = [Outcome.UNKNOWN] * 5
        if rig.mailer.capability.deduplicates or rig.mailer.capability.key_lifetime:
            again = rig.mailer.submit(rig.mailer.prepare(mailing()))
            assert [one.outcome for one in again] == [Outcome.ACCEPTED] * 5
            assert sorted(got.recipient for got in rig.got()) == [one.email for one in mailing().letters]
        elif rig.mailer.capability.evidence:  # one call for all of them, to be looked up
            assert outcomes == [Outcome.UNKNOWN] * 5
            assert sorted(got.recipient for got in rig.got()) == [one.email for one in mailing().letters]
        else:
            assert outcomes == [Outcome.UNKNOWN, *[Outcome.DEFERRED] * 4]
            assert [got.recipient for got in rig.got()] == ["reader0@reader.example"]

    def test_being_turned_away_is_for_a_person_to_mend(self, rig: Rig):
        mailer = rig.refused()
        with pytest.raises(MailerMisconfigured, match=mailer.name):
            mailer.submit(mailer.prepare(mailing()))
        with pytest.raises(MailerMisconfigured, match=mailer.name):
            mailer.check()
        assert rig.got() == []

    def test_being_out_of_reach_is_tried_later(self, rig: Rig):
        mailer = rig.unreachable()
        with pytest.raises(TryLater, match=mailer.name):
            mailer.submit(mailer.prepare(mailing()))
        assert rig.got() == []

    def test_a_mailer_that_works_says_so(self, rig: Rig):
        assert rig.mailer.check()
        assert rig.got() == []
