"""Bounces by mail, on a whole site: what is proved to be about a letter counts, once, and nothing else does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from publisher import bounces, pipeline
from publisher.app import App
from publisher.bounces import about
from publisher.errors import MailboxError
from publisher.kit.reports import Told
from publisher.kit.verp import PURPOSE, ReturnPaths
from publisher.model import EventKind, SubscriptionStatus
from tests.kit.test_reports import ARF, DSN, ENROLMENT, PERSON
from tests.kit.test_reports_samples import EXPECTED, sample
from tests.sites import SETTINGS, TestClock, add_readers, lay_out, mailbox, open_site, run_due

EARLY = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
BEN, CARLA = "ben@mail.example", "carla@mail.example"
BASE = "bounces@harbour-gazette.example"
BOUNCES = '\n[bounces]\nmailer = "maildir"\nkind = "maildir"\npath = "var/bounces"\n'
HARD, SOFT, COMPLAINT = EventKind.HARD_BOUNCE, EventKind.SOFT_BOUNCE, EventKind.COMPLAINT

_names = itertools.count(1_764_320_000)


@pytest.fixture
def clock() -> TestClock:
    return TestClock(EARLY)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = lay_out(tmp_path / "site", SETTINGS + BOUNCES)
    for name in ("tmp", "new", "cur"):
        (root / "var" / "bounces" / name).mkdir(parents=True)
    return root


@pytest.fixture
def app(root: Path, clock: TestClock) -> Iterator[App]:
    """An edition has left to two readers."""
    opened = open_site(root, clock)
    add_readers(opened, BEN, CARLA)
    run_due(opened)
    clock.move(hours=1)
    assert run_due(opened) == []
    assert len(mailbox(root)) == 2
    yield opened
    opened.close()


def letter_to(root: Path, reader: str) -> EmailMessage:
    return next(one for one in mailbox(root) if one["To"] == reader)


def return_path(app: App, reader: str, *, of: App | None = None) -> str:
    """The return path of the letter to a reader, as the SMTP mailer makes it."""
    (batch,) = app.parts.store.outbox.batches(app.parts.store.editions.newest(1)[0].id)
    person = app.parts.store.audience.by_email(reader)
    assert person
    position = [subscriber for subscriber, _ in batch.members].index(person.id)
    return ReturnPaths(BASE, (of or app).parts.keys.derived(PURPOSE)).of(batch.key, position)


def dsn(reader: str, *, to: str = BASE, status: str = "5.1.1", message_id: str = "<a@b.example>") -> bytes:
    fields = f"Final-Recipient: rfc822; {reader}\nAction: failed\nStatus: {status}\n"
    original = f"To: {reader}\nMessage-ID: {message_id}\n"
    return DSN.format(to=to, fields=fields, kind="text/rfc822-headers", original=original).encode()


def arf(*, to: str = BASE, fields: str = "", original: str = "") -> bytes:
    return ARF.format(to=to, feedback="abuse", fields=fields, original=original).encode()


def put(root: Path, *messages: bytes) -> None:
    for message in messages:
        (root / "var" / "bounces" / "new" / f"{next(_names)}.quay").write_bytes(message)


def aside(root: Path) -> int:
    return len(list((root / "var" / "bounces").glob(".Unreadable/new/*")))


def suppressed(app: App, reader: str) -> str:
    return app.parts.store.audience.suppressed(app.parts.keys.address(reader), "daily")


def come_in(app: App, clock: TestClock, root: Path, *messages: bytes) -> bounces.Tally:
    put(root, *messages)
    clock.move(minutes=5)
    tally = pipeline.bounces(app.parts, "maildir")
    pipeline.feedback(app.parts)
    return tally


# ---------------------------------------------------------------- whose letter


def test_a_bounce_to_our_own_return_path_suppresses_the_address(app, clock, root):
    tally = come_in(app, clock, root, dsn(BEN, to=return_path(app, BEN)))
    assert (tally.kinds, tally.unreadable) == ({HARD: 1}, 0)
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("hard bounce", "")
    assert list((root / "var" / "bounces" / "new").iterdir()) == []


def test_the_return_path_names_the_reader_whatever_the_bounce_says(app, clock, root):
    come_in(app, clock, root, dsn(CARLA, to=return_path(app, BEN)))
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("hard bounce", "")


def test_a_bounce_to_a_plain_address_is_known_by_the_message_that_came_back(app, clock, root):
    come_in(app, clock, root, dsn(BEN, message_id=letter_to(root, BEN)["Message-ID"]))
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("hard bounce", "")


def test_a_reader_of_a_domain_beyond_ascii_is_known_by_its_ascii_form(app, clock, root):
    add_readers(app, "dan@küste.example")
    clock.move(days=1)
    (root / "articles" / "tide.txt").write_text("High tide on Monday\n\nIt comes at noon.\n")
    run_due(app)
    sent = next(one for one in mailbox(root) if one["To"] == "dan@xn--kste-0ra.example")
    come_in(app, clock, root, dsn("dan@xn--kste-0ra.example", message_id=sent["Message-ID"]))
    assert suppressed(app, "dan@küste.example") == "hard bounce"


@pytest.mark.parametrize("forged", ["address alone", "message of another", "another key", "no such letter", "tag"])
def test_nobody_can_invent_a_bounce(app, clock, root, tmp_path, forged):
    other = open_site(lay_out(tmp_path / "other"), clock)
    message = {
        "address alone": dsn(BEN),
        "message of another": dsn(BEN, message_id=letter_to(root, CARLA)["Message-ID"]),
        "another key": dsn(BEN, to=return_path(app, BEN, of=other)),
        "no such letter": dsn(
            BEN, to=ReturnPaths(BASE, app.parts.keys.derived(PURPOSE)).of("6f1c0f5e-7a9e-5d0c-9f6b-1d8c6a0f3b11", 0)
        ),
        "tag": dsn(BEN, to=BASE.replace("@", f"+{'a' * 45}@")),
    }[forged]
    tally = come_in(app, clock, root, message)
    assert (tally.kinds.total(), tally.unreadable, aside(root)) == (0, 1, 1)
    assert suppressed(app, BEN) == ""
    other.close()


def test_nobody_can_invent_a_complaint(app, clock, root):
    come_in(app, clock, root, arf(fields=f"Original-Rcpt-To: {BEN}\n", original=f"To: {BEN}\nMessage-ID: <a@b.c>\n"))
    assert (suppressed(app, BEN), aside(root)) == ("", 1)


@pytest.mark.parametrize("by", ["return path", "message id"])
def test_a_complaint_ends_every_subscription(app, clock, root, by):
    sent = letter_to(root, BEN)
    proof = {
        "return path": arf(fields=f"Original-Mail-From: <{return_path(app, BEN)}>\n"),
        "message id": arf(original=f"To: {BEN}\nMessage-ID: {sent['Message-ID']}\n"),
    }[by]
    come_in(app, clock, root, proof)
    assert suppressed(app, BEN) == "complaint"
    person = app.parts.store.audience.by_email(BEN)
    assert {one.status for one in app.parts.store.audience.subscriptions(person.id)} == {
        SubscriptionStatus.UNSUBSCRIBED
    }


def hidden(
    sent: EmailMessage, *, message_id: str = "", link: str = "", reader: str = "redacted@lookout.example"
) -> bytes:
    """A complaint about a letter that does not say who complains."""
    link = link or sent["List-Unsubscribe"]
    return arf(original=f"To: {reader}\nMessage-ID: {message_id or sent['Message-ID']}\nList-Unsubscribe: {link}\n")


@pytest.mark.parametrize("message_id", ["", "<redacted@lookout.example>"])
def test_a_complaint_that_hides_its_reader_counts_by_the_unsubscribe_link(app, clock, root, message_id):
    tally = come_in(app, clock, root, hidden(letter_to(root, BEN), message_id=message_id))
    assert (tally.kinds, tally.unreadable, aside(root)) == ({COMPLAINT: 1}, 0, 0)
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("complaint", "")
    person = app.parts.store.audience.by_email(BEN)
    assert {one.status for one in app.parts.store.audience.subscriptions(person.id)} == {
        SubscriptionStatus.UNSUBSCRIBED
    }
    complaints = app.parts.store.events.tally(app.parts.store.editions.newest(1)[0].id)[COMPLAINT]
    assert complaints == (0 if message_id else 1), "it is the edition's when the report says which"


def test_who_complained_gets_no_letter_any_more(app, clock, root):
    come_in(app, clock, root, hidden(letter_to(root, BEN), message_id="<redacted@lookout.example>"))
    clock.move(days=1)
    (root / "articles" / "tide.txt").write_text("High tide on Monday\n\nIt comes at noon.\n")
    run_due(app)
    assert sorted(one["To"] for one in mailbox(root)) == [BEN, CARLA, CARLA]


@pytest.mark.parametrize("forged", ["another key", "changed", "not one", "of nobody"])
def test_nobody_can_invent_an_unsubscribe_link(app, clock, root, tmp_path, forged):
    other = open_site(lay_out(tmp_path / "other"), clock)
    sent, person = letter_to(root, BEN), app.parts.store.audience.by_email(BEN)
    token = sent["List-Unsubscribe"].rpartition("/")[2].rstrip(">")
    token = {
        "another key": other.parts.keys.unsubscribe(person.public_id, "daily"),
        "changed": token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
        "not one": "preview",
        "of nobody": app.parts.keys.unsubscribe(bytes(12), "daily"),
    }[forged]
    tally = come_in(app, clock, root, hidden(sent, link=f"<https://news.example/u/{token}>"))
    assert (tally.kinds.total(), tally.unreadable, aside(root), suppressed(app, BEN)) == (0, 1, 1, "")
    other.close()


def test_an_unsubscribe_link_takes_no_other_reader_off_the_list(app, clock, root):
    ben, carla = letter_to(root, BEN), letter_to(root, CARLA)
    come_in(app, clock, root, hidden(ben, message_id="<a@b.example>", link=carla["List-Unsubscribe"], reader=BEN))
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("", "complaint")


def test_an_unsubscribe_link_alone_makes_no_bounce(app, clock, root):
    link = letter_to(root, BEN)["List-Unsubscribe"]
    tally = come_in(app, clock, root, dsn(BEN, message_id=f"<a@b.example>\nList-Unsubscribe: {link}"))
    assert (tally.kinds.total(), suppressed(app, BEN), aside(root)) == (0, "", 1)


def test_an_old_letter_is_not_known_by_its_message_any_more_but_by_its_return_path(app, clock, root):
    message_id, path = letter_to(root, BEN)["Message-ID"], return_path(app, BEN)
    clock.move(days=90)
    assert come_in(app, clock, root, dsn(BEN, message_id=message_id)).unreadable == 1
    assert come_in(app, clock, root, dsn(BEN, to=path)).kinds == {HARD: 1}


# ---------------------------------------------------------------- what it means


def test_a_block_or_a_full_mailbox_suppresses_nobody(app, clock, root):
    path = return_path(app, BEN)
    tally = come_in(app, clock, root, dsn(BEN, to=path, status="5.7.26"), dsn(BEN, to=path, status="5.2.2"))
    assert tally.kinds == {EventKind.BLOCKED: 1, SOFT: 1}
    assert suppressed(app, BEN) == ""


def test_who_is_away_is_no_event_and_leaves_no_mail_behind(app, clock, root):
    away = f"From: {BEN}\nTo: {return_path(app, BEN)}\nSubject: Out of office\nAuto-Submitted: auto-replied\n"
    tally = come_in(app, clock, root, f"{away}\nI am at sea, and my mailbox is full.\n".encode())
    assert (tally.automatic, tally.kinds.total(), tally.unreadable, aside(root)) == (1, 0, 0, 0)


def test_who_is_away_and_answers_the_letter_itself_leaves_no_mail_behind(app, clock, root):
    answered = letter_to(root, BEN)["Message-ID"]
    away = f"From: Ben <{BEN}>\nTo: {BASE}\nAuto-Submitted: auto-replied\nIn-Reply-To: {answered}\n\nAt sea.\n"
    tally = come_in(app, clock, root, away.encode())
    assert (tally.automatic, tally.unreadable, aside(root)) == (1, 0, 0)


def test_mail_of_a_person_is_set_aside_and_not_lost(app, clock, root):
    hello = f"From: {BEN}\nTo: {return_path(app, BEN)}\nSubject: Hello\n\nLovely.\n".encode()
    tally = come_in(app, clock, root, hello, PERSON, ENROLMENT)
    assert (tally.automatic, tally.unreadable, aside(root)) == (0, 3, 3)


AUTOMATIC = [name for name, wanted in EXPECTED.items() if wanted["kind"] == "automatic"]


def test_automatic_mail_that_answers_no_letter_of_ours_is_set_aside(app, clock, root):
    alarm = b"From: backup@quay.example\nAuto-Submitted: auto-generated\nSubject: db1 FAILED\n\nThe disk is full.\n"
    tally = come_in(app, clock, root, alarm, *map(sample, AUTOMATIC))
    assert (tally.automatic, tally.unreadable, aside(root)) == (len(AUTOMATIC) + 1, 0, len(AUTOMATIC) + 1)


@pytest.mark.parametrize("said", ["Auto-Submitted: auto-generated", "Subject: Please confirm your message"])
def test_what_does_not_surely_answer_a_letter_is_set_aside_though_it_came_to_its_return_path(app, clock, root, said):
    mail = f"Return-Path: <>\nFrom: {BEN}\nTo: {return_path(app, BEN)}\n{said}\n\nIt waits for you.\n"
    assert come_in(app, clock, root, mail.encode()).automatic == aside(root) == 1


def test_a_bounce_of_several_addresses_is_about_the_readers_own_else_the_mildest():
    gone, full = Told("a@x.example", HARD, "5.1.1", ""), Told("Ben@mail.example", SOFT, "5.2.2", "")
    arrived = Told("b@x.example", EventKind.DELIVERED, "2.0.0", "")
    assert about([gone, full, arrived], BEN) is full
    assert about([gone, arrived], BEN) is arrived
    assert about([gone], BEN) is gone


def test_a_date_that_cannot_be_is_not_believed(app, clock, root):
    old = dsn(BEN, to=return_path(app, BEN), status="4.2.2").replace(b"22 Nov 2026", b"22 Nov 2001")
    come_in(app, clock, root, old)
    person = app.parts.store.audience.by_email(BEN)
    ((_, at),) = app.parts.store.events.letters([person.id], least=1)[person.id]
    assert at == clock.now()


# ---------------------------------------------------------------- once


def test_the_same_bounce_read_again_is_one_event(app, clock, root):
    message = dsn(BEN, to=return_path(app, BEN))
    come_in(app, clock, root, message, message)
    come_in(app, clock, root, message)
    edition = app.parts.store.editions.newest(1)[0]
    assert app.parts.store.events.tally(edition.id)[HARD] == 1


def test_a_kill_between_keeping_and_deleting_loses_nothing_and_repeats_nothing(app, clock, root, monkeypatch):
    put(root, dsn(BEN, to=return_path(app, BEN)), dsn(CARLA, to=return_path(app, CARLA)))
    clock.move(minutes=5)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pipeline.bounces(app.parts, "maildir")
    clock.move(minutes=5)
    assert pipeline.bounces(app.parts, "maildir").kinds == {HARD: 2}
    assert pipeline.feedback(app.parts).suppressed == 2
    assert app.parts.store.events.waiting() is False


def test_a_look_is_due_after_its_interval_and_one_process_takes_it(app, clock, root):
    due = {"kind": "bounces", "key": "maildir"}
    assert due not in [{"kind": work.kind, "key": work.key} for work in pipeline.due(app.parts)]
    clock.move(minutes=5)
    assert due in [{"kind": work.kind, "key": work.key} for work in pipeline.due(app.parts)]
    put(root, dsn(BEN, to=return_path(app, BEN)))
    assert pipeline.bounces(app.parts, "maildir").kinds == {HARD: 1}
    put(root, dsn(CARLA, to=return_path(app, CARLA)))
    assert pipeline.bounces(app.parts, "maildir").kinds == {}


def test_what_is_left_over_is_looked_at_at_once(app, clock, root, monkeypatch):
    monkeypatch.setattr(bounces.look, "__kwdefaults__", {"limit": 1})
    put(root, dsn(BEN, to=return_path(app, BEN)), dsn(CARLA, to=return_path(app, CARLA)))
    clock.move(minutes=5)
    run_due(app, rounds=3)
    assert (suppressed(app, BEN), suppressed(app, CARLA)) == ("hard bounce", "hard bounce")


def test_a_mailbox_that_cannot_be_read_is_recorded_and_tried_again(app, clock, root):
    folder = root / "var" / "bounces"
    folder.rename(folder.with_name("moved"))
    clock.move(minutes=5)
    with pytest.raises(MailboxError, match="to a Maildir"):
        pipeline.bounces(app.parts, "maildir")
    assert "set bounces.path" in app.parts.store.mailboxes.looks()[0].error
    folder.with_name("moved").rename(folder)
    come_in(app, clock, root, dsn(BEN, to=return_path(app, BEN)))
    (look,) = app.parts.store.mailboxes.looks()
    assert (look.events, look.error, look.at) == (1, "", clock.now())
    assert clock.now() - look.at < timedelta(minutes=1)
