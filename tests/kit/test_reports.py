from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from publisher.kit.reports import Report, ReportKind, Told, read
from publisher.kit.verp import ReturnPaths, returned
from publisher.model import EventKind

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KEY = "6f1c0f5e-7a9e-5d0c-9f6b-1d8c6a0f3b11"
KEYS = (b"k" * 32,)
VERP = ReturnPaths("bounces@harbour-gazette.example", KEYS).of(KEY, 17)
LETTER = "<0f0e@harbour-gazette.example>"

ORIGINAL = f"""\
From: The Harbour Gazette <daily@harbour-gazette.example>
To: Orla <orla@reader.example>
Subject: The ferry is back
Message-ID: {LETTER}
"""

DSN = """\
From: Mail Delivery System <postmaster@mx.reader.example>
To: <{to}>
Date: Sun, 22 Nov 2026 09:05:00 +0100
Subject: Undelivered mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="quay"

--quay
Content-Type: text/plain

Sorry.

--quay
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example

{fields}
--quay
Content-Type: {kind}

{original}
--quay--
"""

ARF = """\
From: <complaints@reader.example>
To: <{to}>
Date: Sun, 22 Nov 2026 08:30:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="quay"

--quay
Content-Type: text/plain

A reader complains.

--quay
Content-Type: message/feedback-report

Feedback-Type: {feedback}
User-Agent: Lighthouse/2.1
Version: 1
{fields}
--quay
Content-Type: message/rfc822

{original}

The ferry is back.
--quay--
"""

PERSON = (
    b"From: Mary Walsh <mary@reader.example>\nTo: bounces@harbour-gazette.example\nSubject: My address\n\n"
    b"Can you confirm your mail goes to mary@new.example now? Please delete my old data.\n"
)
ENROLMENT = (
    b"From: Lighthouse complaints <loops@lighthouse.example>\nTo: bounces@harbour-gazette.example\n"
    b"Subject: Your feedback loop\n\nTo finish, please verify your email address: code 381202\n"
)


def dsn(
    status: str, said: str, *, action: str = "failed", to: str = VERP, kind: str = "text/rfc822-headers", more: str = ""
) -> bytes:
    fields = f"Final-Recipient: rfc822; orla@reader.example\nAction: {action}\nStatus: {status}\n"
    fields += f"Diagnostic-Code: smtp; {said}\n" if said else ""
    return DSN.format(to=to, fields=fields + more, kind=kind, original=ORIGINAL).replace("\n", "\r\n").encode()


def arf(feedback: str = "abuse", *, to: str = "abuse@harbour-gazette.example", fields: str = "") -> bytes:
    return ARF.format(to=to, feedback=feedback, fields=fields, original=ORIGINAL).encode()


def only(message: bytes) -> tuple[Report, Told]:
    report = read(message, now=NOW)
    (told,) = report.told
    return report, told


def letter(report: Report) -> tuple[str, int] | None:
    return next(filter(None, (returned(address, KEYS) for address in report.addressed)), None)


@pytest.mark.parametrize(
    ("status", "said", "action", "kind", "code"),
    [
        ("5.1.1", "550 5.1.1 <orla@reader.example>: no such mailbox", "failed", EventKind.HARD_BOUNCE, "5.1.1"),
        ("5.0.0", "550-5.1.2 no such host\r\n\t550 5.1.2 at all", "failed", EventKind.HARD_BOUNCE, "5.1.2"),
        ("5.2.2", "552 5.2.2 the mailbox is full", "failed", EventKind.SOFT_BOUNCE, "5.2.2"),
        ("5.1.1", "552 the mailbox is full", "failed", EventKind.SOFT_BOUNCE, "5.1.1"),
        ("4.4.1", "connect to mx.reader.example[192.0.2.7]:25: timed out", "failed", EventKind.SOFT_BOUNCE, "4.4.1"),
        ("4.4.1", "", "delayed", EventKind.DEFERRED, "4.4.1"),
        ("5.1.1", "550 5.7.1 blocked: 192.0.2.17 is on our list", "failed", EventKind.BLOCKED, "5.1.1"),
        ("4.7.28", "421 4.7.28 an unusual rate of mail", "failed", EventKind.BLOCKED, "4.7.28"),
        ("5.0.0", "550 go away", "failed", EventKind.SOFT_BOUNCE, "5.0.0"),
        ("2.0.0", "250 2.0.0 ok", "delivered", EventKind.DELIVERED, "2.0.0"),
    ],
)
def test_a_bounce_says_what_became_of_which_letter(status, said, action, kind, code):
    report, told = only(dsn(status, said, action=action))
    assert report.kind is ReportKind.BOUNCE
    assert (told.kind, told.code, told.recipient) == (kind, code, "orla@reader.example")
    assert letter(report) == (KEY, 17)
    assert (report.message_ids[0], report.at) == (LETTER, NOW - timedelta(minutes=55))


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822", "message/global-headers", "message/global"])
def test_a_bounce_to_a_plain_address_names_the_message_and_the_reader(kind):
    report, _ = only(dsn("5.1.1", "550 5.1.1 nobody", to="daily@harbour-gazette.example", kind=kind))
    assert letter(report) is None
    assert (report.message_ids, report.readers) == ((LETTER,), ("orla@reader.example",))


def test_a_return_path_is_found_wherever_the_bounce_repeats_it():
    with_it = dsn("5.1.1", "550 5.1.1 nobody", to="daily@harbour-gazette.example", more=f"X-Sender: {VERP}\n")
    assert letter(only(with_it)[0]) == (KEY, 17)


def test_the_address_we_wrote_to_counts_and_not_where_it_was_forwarded():
    _, told = only(dsn("5.1.1", "550 5.1.1 nobody", more="Original-Recipient: rfc822;murphy@reader.example\n"))
    assert told.recipient == "murphy@reader.example"


def test_a_bounce_in_utf_8_is_read_as_any_other():
    message = dsn("5.1.1", "550 5.1.1 nobody").replace(b"message/delivery-status", b"message/global-delivery-status")
    report, told = only(message.replace(b"rfc822; orla@", "utf-8; órla@".encode()))
    assert (told.kind, told.recipient, letter(report)) == (EventKind.HARD_BOUNCE, "órla@reader.example", (KEY, 17))


@pytest.mark.parametrize(
    "message", [arf(fields=f"Original-Mail-From: <{VERP}>\n"), arf(to=VERP), arf("fraud", to=VERP)]
)
def test_a_complaint_is_about_a_letter(message):
    report, told = only(message)
    assert (report.kind, told.kind, letter(report)) == (ReportKind.COMPLAINT, EventKind.COMPLAINT, (KEY, 17))
    assert (told.recipient, report.message_ids) == ("orla@reader.example", (LETTER,))


def test_the_reader_of_a_complaint_is_who_the_report_names():
    assert only(arf(fields="Original-Rcpt-To: <murphy@reader.example>\n"))[1].recipient == "murphy@reader.example"


@pytest.mark.parametrize(
    ("header", "tokens"),
    [
        ("<https://news.example/u/AQtoken>", ("AQtoken",)),
        ("<mailto:leave@news.example>,\n <https://news.example/inner/u/AQ-to\n ken_9?utm=x>", ("AQ-token_9",)),
        ("<https://[/u/AQtoken>", ()),
        ("https://news.example/u/AQtoken", ()),
        (f"<https://news.example/u/{'A' * 3000}>", ()),
    ],
)
def test_a_report_says_how_the_reader_could_have_left(header, tokens):
    message = arf().replace(b"Message-ID:", f"List-Unsubscribe: {header}\nMessage-ID:".encode())
    assert read(message, now=NOW).tokens == tokens


@pytest.mark.parametrize(
    ("header", "text", "answer"),
    [
        ("Auto-Submitted: auto-replied (vacation)", "I am at sea.", True),
        ("Auto-Submitted: Auto-Replied; owner-email=orla@reader.example", "I am at sea.", True),
        ("X-Autoreply: yes", "I am at sea.", True),
        ("Precedence: auto_reply", "I am at sea.", True),
        ("Auto-Submitted: auto-generated", "The disk is full.", False),
        ("Auto-Submitted: auto-replied", "Please confirm your message, it waits for you.", False),
        ("X-Auto-Response-Suppress: All\nSubject: Automatic reply: The ferry", "I am at sea.", False),
        ("Subject: Out of office", "I am at sea.", False),
    ],
)
def test_an_answer_is_what_says_that_it_is_one(header, text, answer):
    report = read(f"From: orla@reader.example\nTo: {VERP}\n{header}\n\n{text}\n".encode(), now=NOW)
    assert (report.kind, report.answer) == (ReportKind.AUTOMATIC, answer)


@pytest.mark.parametrize("feedback", ["not-spam", "auth-failure", "tide"])
def test_a_report_that_is_no_complaint_says_nothing(feedback):
    report = read(arf(feedback), now=NOW)
    assert (report.kind, report.told) == (ReportKind.OTHER, ())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        PERSON,
        ENROLMENT,
        b"\xff\x00",
        b"Content-Type: multipart/report\r\n\r\n",
        b"Content-Type: multipart/report; boundary=q\r\n\r\n--q\r\nContent-Type: message/delivery-status\r\n\r\n",
        b"Content-Type: multipart/report; boundary=q\r\n\r\n--q\r\nContent-Type: message/feedback-report\r\n\r\n",
        b"From: Orla <orla@reader.example>\r\nSubject: Re: The ferry is back\r\n\r\nIs it full on Friday?\r\n",
        b"From: Orla <orla@reader.example>\r\nSubject: Fwd: help\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n"
        b"--q\r\n\r\nWhat is this?\r\n--q\r\nContent-Type: message/rfc822\r\n\r\n" + dsn("5.1.1", "550 5.1.1 nobody"),
    ],
)
def test_mail_of_people_and_rubbish_say_nothing(message):
    report = read(message, now=NOW)
    assert (report.kind, report.told) == (ReportKind.OTHER, ())


def test_a_report_that_is_cut_or_garbled_anywhere_is_no_error():
    for message in (dsn("5.1.1", "550 5.1.1 nobody", kind="message/rfc822"), arf(to=VERP)):
        for cut in range(0, len(message), 7):
            assert read(message[:cut], now=NOW).at <= NOW
            assert read(message[:cut] + b"\xff\xfe\x00" + message[cut:], now=NOW).at <= NOW


def test_a_report_read_twice_has_the_same_id_and_another_has_another():
    first, again = read(dsn("5.1.1", "550 nobody"), now=NOW), read(dsn("5.1.1", "550 nobody"), now=NOW)
    assert first.id == again.id != read(dsn("5.1.1", "550 no one"), now=NOW).id


def test_a_report_from_tomorrow_is_of_now():
    assert read(arf().replace(b"22 Nov", b"24 Nov"), now=NOW).at == NOW


@pytest.mark.parametrize("told", ["opt-out", "opt-out-list"])
def test_who_opts_out_by_report_leaves_and_does_not_complain(told):
    assert only(arf(told, to=VERP))[1].kind is EventKind.UNSUBSCRIBED


def test_a_complaint_without_a_standard_carries_the_message():
    message = (
        f"From: staff@hotmail.example\nTo: {VERP}\nSubject: complaint about message from 192.0.2.9\n"
        "Content-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: message/rfc822\n\n"
        f"X-HmXmrOriginalRecipient: orla@reader.example\n{ORIGINAL}\nThe ferry is back.\n--q--\n"
    )
    report, told = only(message.encode())
    assert (report.kind, told.kind, told.recipient) == (
        ReportKind.COMPLAINT,
        EventKind.COMPLAINT,
        "orla@reader.example",
    )
    assert letter(report) == (KEY, 17)


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        ("4.0.0", "550 blocked for spam", EventKind.BLOCKED),
        ("5.2.1", "550 5.2.1 The user is receiving mail at a rate that prevents more", EventKind.SOFT_BOUNCE),
        ("5.4.4", "Name service error: malformed reply", EventKind.SOFT_BOUNCE),
        ("5.4.4", "Host or domain name not found", EventKind.HARD_BOUNCE),
        ("5.0.0", "550 Unroutable sender address", EventKind.SOFT_BOUNCE),
        ("5.1.0", "550 5.1.0 the sender is listed in Spamhaus", EventKind.BLOCKED),
    ],
)
def test_whose_trouble_it_is(status, said, kind):
    assert only(dsn(status, said))[1].kind is kind
