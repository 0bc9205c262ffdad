from __future__ import annotations

import hmac
import html
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from pathlib import Path

import pytest

from publisher.errors import Failure, MailerMisconfigured, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.kit.message import UNSUBSCRIBE_URL
from publisher.mailers.mailgun import Mailgun
from publisher.model import EventKind, Letter, MailEvent, Mailing, Outcome, Question, Rendered
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing
from tests.fakes.mailgun import DOMAIN, KEY, SENDING_ONLY_KEY, WEBHOOK_KEY, Mail, MailgunServer, fields

ACCEPTED, DEFERRED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED, Outcome.UNKNOWN
EVERYBODY = [f"reader{n}@reader.example" for n in range(5)]
SEVEN = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LATER = "0e8f7c52-3b1d-5a44-9a55-0c7f4f7f2b9e"  # a batch that was accepted later
WORD_JOINER = "\u2060"


class Clock:
    def __init__(self) -> None:
        self.now = SEVEN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[MailgunServer]:
    with MailgunServer(tmp_path, clock=clock) as server:
        yield server


def mailer_for(server: MailgunServer, key: str = KEY, domain: str = DOMAIN) -> Mailgun:
    return Mailgun("mailgun", key, domain, base_url=server.url, webhook_key=WEBHOOK_KEY, patience=0.5)


def send(mailer: Mailgun, *letters: Letter, **changes: str) -> list[Outcome]:
    return [one.outcome for one in mailer.submit(mailer.prepare(mailing(*letters, **changes)))]


def send_in_vain(server: MailgunServer, fault: str, *letters: Letter) -> None:
    server.plan(fault)
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server), *letters)


def recipients(server: MailgunServer) -> list[str]:
    return sorted(recipient for recipient, _, _ in server.deliveries())


def saying(words: str, **changes: str) -> Mailing:
    shown = Rendered(
        subject=words,
        html=f'<p title="{html.escape(words)}">{html.escape(words)}</p><a href="{UNSUBSCRIBE_URL}">Leave</a>',
        text=f"{words}\nLeave: {UNSUBSCRIBE_URL}\n",
    )
    return replace(mailing(**changes), variants={1: shown})


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


class MailgunRig:
    def __init__(self, server: MailgunServer) -> None:
        self.server = server
        self.mailer = mailer_for(server)

    def got(self) -> list[Got]:
        return [self._got(mail) for mail in self.server.mails]

    def _got(self, mail: Mail) -> Got:
        headers = {name.lower(): decoded(value) for name, value in mail.headers.items()}
        return Got(mail.recipient, mail.subject, decoded(mail.sender), mail.text, mail.html, headers)

    def lose_an_answer(self) -> None:
        self.server.plan("accept_then_drop")

    def refused(self) -> Mailgun:
        return mailer_for(self.server, key="key-somebody-else")

    def unreachable(self) -> Mailgun:
        return Mailgun("mailgun", KEY, DOMAIN, base_url=f"http://127.0.0.1:{unused_port()}")


class TestMailgun(MailerCases):
    @pytest.fixture
    def rig(self, server: MailgunServer) -> MailgunRig:
        return MailgunRig(server)

    def test_everybody_gets_their_own_message_once(self, rig: MailgunRig) -> None:  # one variant a call
        letters = (letter(3), letter(5, variant=2), letter(8))
        with pytest.raises(ValueError, match="2"):
            rig.mailer.prepare(mailing(*letters))
        assert send(rig.mailer, letters[0], letters[2]) == [ACCEPTED] * 2
        assert send(rig.mailer, letters[1], key=LATER) == [ACCEPTED]
        arrived = {got.recipient: got for got in rig.got()}
        assert len(rig.got()) == len(arrived) == 3
        for one in letters:
            got = arrived[one.email]
            assert ("regatta" in got.html) == ("regatta" in got.text) == (one.variant == 2)
            assert f"Leave: {one.unsubscribe_url}\n" in got.text
            assert f'href="{one.unsubscribe_url}"' in got.html
            assert got.text.count("https:") == got.html.count("https:") == 1

    def test_a_lost_answer_never_makes_two_messages(self, rig: MailgunRig) -> None:  # it is looked up
        send_in_vain(rig.server, "accept_then_drop")
        found = rig.mailer.look_up(question(), now=SEVEN + timedelta(minutes=1))
        assert [one.outcome for one in found] == [ACCEPTED] * 5
        assert recipients(rig.server) == EVERYBODY


# ---------------------------------------------------------------- what goes out


def test_a_batch_is_one_call_that_says_all_it_must(server):
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing()))
    (call,) = server.calls
    assert call.path == f"/v3/{DOMAIN}/messages"
    assert call.headers["User-Agent"].startswith("Publisher/")
    assert call.headers["Content-Length"] == str(len(call.body))
    given = fields(call)
    assert given["to"] == EVERYBODY
    assert given["o:tag"] == [re.sub("-", "", mailing().key)]
    assert given["o:tracking"] == given["o:tracking-clicks"] == given["o:tracking-opens"] == ["no"]
    assert given["v:batch"] == [mailing().key]
    assert given["v:rid"] == ["%recipient.rid%"]
    assert [one.reference for one in results] == [one.message_id for one in mailing().letters]
    assert [mail.variables for mail in server.mails] == [{"batch": mailing().key, "rid": str(n)} for n in range(5)]


def many(count: int) -> list[Letter]:
    return [letter(n % 250, email=f"reader{n}@reader.example")._replace(position=n) for n in range(count)]


def test_the_body_is_sent_once_for_all(server):
    mailer = mailer_for(server)
    one, all = (len(mailer.prepare(mailing(*many(count))).payloads[0]) for count in (1, 1000))
    assert all < one + 1000 * 600


def test_a_full_call_holds_a_thousand_letters(server):
    assert send(mailer_for(server), *many(1000)) == [ACCEPTED] * 1000
    assert len(set(recipients(server))) == mailer_for(server).capability.batch == 1000


def test_a_link_reads_the_same_in_html_and_in_text(server):
    url = "https://news.harbour-gazette.example/u/token?list=daily&copy=1"
    send(mailer_for(server), letter(0)._replace(unsubscribe_url=url), letter(1))
    first, second = server.mails
    assert f"Leave: {url}\n" in first.text
    assert f'href="{html.escape(url)}"' in first.html
    assert first.headers["List-Unsubscribe"] == f"<{url}>"
    assert letter(1).unsubscribe_url in second.html


def test_letters_with_and_without_a_link_cannot_share_a_call(server):
    with pytest.raises(ValueError, match="unsubscribe link"):
        mailer_for(server).prepare(mailing(letter(0), letter(1)._replace(unsubscribe_url="")))


def test_an_address_goes_into_a_call_once(server):
    twice = mailing(letter(0), letter(1, email="Reader0@Reader.example"), letter(2))
    mailer = mailer_for(server)
    assert [one.outcome for one in mailer.submit(mailer.prepare(twice))] == [ACCEPTED, DEFERRED, ACCEPTED]
    assert recipients(server) == ["reader0@reader.example", "reader2@reader.example"]


def test_addresses_of_any_kind_find_their_variables(server):
    odd = ('"Murphy, Spud"@reader.example', "Orla+ferry@Reader.EXAMPLE", "aoife@éire.example")
    letters = [letter(n, email=email) for n, email in enumerate(odd)]
    assert send(mailer_for(server), *letters) == [ACCEPTED] * 3
    assert [mail.headers["Message-Id"] for mail in server.mails] == [one.message_id for one in letters]
    assert all(one.unsubscribe_url in mail.html for one, mail in zip(letters, server.mails, strict=True))


@pytest.mark.parametrize(
    "sender", ["Nuacht Chill Mo Ghrúdaire, (An) <daily@{}>", '"Gazette, The" <daily@{}>', "daily@{}"]
)
def test_a_senders_name_arrives_whatever_is_in_it(server, sender):
    sender = sender.format("harbour-gazette.example")
    send(mailer_for(server), sender=sender)
    assert server.mails[0].sender.isascii()
    assert decoded(server.mails[0].sender).replace('"', "") == sender.replace('"', "")


def test_headers_that_are_too_long_are_told_and_not_sent(server):
    with pytest.raises(MailerMisconfigured, match="shorten the newsletter's name"):
        send(mailer_for(server), list_id=f"{'Gazette ' * 2000}<daily.harbour-gazette.example>")
    long = letter(0)._replace(unsubscribe_url=f"https://news.harbour-gazette.example/u/{'a' * 16_000}")
    with pytest.raises(MailerMisconfigured, match="16000"):
        send(mailer_for(server), long)
    assert server.calls == []


# ---------------------------------------------------------------- Mailgun's own syntax in an article


@pytest.mark.parametrize(
    "words",
    [
        "%recipient.unsubscribe% %recipient.rid% %recipient.message_id%",
        "%recipient% %RECIPIENT_EMAIL% %Recipient.Rid%",
        "%unsubscribe_url%%tag_unsubscribe_url%%mailing_list_unsubscribe_url%",
        "100%%unsubscribe_email% and %recipient.rid%recipient.rid%",
        "https://reader.example/?of=%recipient.unsubscribe%&to=%tag_unsubscribe_email%",
        "our %recipient.count of aid, and %Recipient.other things",
    ],
)
def test_an_article_cannot_have_anything_filled_in(server, words):
    mailer = mailer_for(server)
    mailer.submit(mailer.prepare(saying(words, sender=f"{words.split('@')[0][:60]} <daily@harbour-gazette.example>")))
    for one, mail in zip(mailing().letters, server.mails, strict=True):
        assert html.unescape(mail.html) == (f'<p title="{words}">{words}</p><a href="{one.unsubscribe_url}">Leave</a>')
        assert mail.text.replace(WORD_JOINER, "") == f"{words}\nLeave: {one.unsubscribe_url}\n"
        assert mail.subject.replace(WORD_JOINER, "") == words
        assert "mailgun.example" not in f"{mail}"


def test_percent_signs_that_mean_nothing_to_it_stay_as_they_are(server):
    words = "100% of caf%C3%A9s, 5 %-10 %, https://reader.example/caf%C3%A9%20bar, 50 % off"
    mailer = mailer_for(server)
    mailer.submit(mailer.prepare(saying(words)))
    assert server.mails[0].text.startswith(f"{words}\n")
    assert f'<p title="{words}">{words}</p>' in server.mails[0].html


# ---------------------------------------------------------------- nothing was taken


@pytest.mark.parametrize(("fault", "least", "most"), [("429", 7, 7), ("429-date", 80, 90), ("quota", 3500, 3600)])
def test_it_is_left_alone_for_as_long_as_it_asks(server, fault, least, most):
    server.plan(fault)
    with pytest.raises(TryLater, match="asks to wait") as caught:
        send(mailer_for(server))
    assert least <= caught.value.retry_after.total_seconds() <= most


def test_a_wait_that_makes_no_sense_is_left_to_us(server):
    server.plan("429-garbage")
    with pytest.raises(TryLater) as caught:
        send(mailer_for(server))
    assert caught.value.retry_after is None


def test_one_bad_address_refuses_the_call_and_alone_is_rejected(server):
    bad = letter(1, email="nobody")
    with pytest.raises(Refused, match="'to' parameter is not a valid address"):
        send(mailer_for(server), letter(0), bad, letter(2))
    assert server.mails == []
    (result,) = mailer_for(server).submit(mailer_for(server).prepare(mailing(bad)))
    assert (result.position, result.outcome, result.code) == (1, REJECTED, "400")
    assert send(mailer_for(server), letter(0), letter(2)) == [ACCEPTED] * 2


def test_a_refusal_that_names_the_address_spares_the_others():
    words = "'to' parameter is not a valid address: reader1@reader.example. please check documentation"
    with answering(400, {"message": words}) as url:
        outcomes = send(Mailgun("mailgun", KEY, DOMAIN, base_url=url), letter(0), letter(1), letter(11))
    assert outcomes == [DEFERRED, REJECTED, DEFERRED]


def test_a_call_that_is_too_large_is_to_be_split(server):
    server.plan("413", "413")
    with pytest.raises(Refused, match="413"):
        send(mailer_for(server))
    assert send(mailer_for(server), letter(0)) == [REJECTED]


def test_a_reader_who_is_also_the_sender_is_not_to_blame():
    words = "'from' parameter is not a valid address: daily@harbour-gazette.example"
    with answering(400, {"message": words}) as url, pytest.raises(MailerMisconfigured, match="'from' parameter"):
        send(Mailgun("mailgun", KEY, DOMAIN, base_url=url), letter(0, email="daily@harbour-gazette.example"))


@pytest.mark.parametrize("letters", [1, 5])
def test_what_all_letters_share_is_no_readers_fault(server, letters):
    readers = tuple(map(letter, range(letters)))
    with pytest.raises(MailerMisconfigured, match="'from' parameter is not a valid address"):
        send(mailer_for(server), *readers, sender="daily")
    for fault, words in (("400", "template parameter"), ("403", "not allowed to send large batches")):
        server.plan(fault)
        with pytest.raises(MailerMisconfigured, match=words):
            send(mailer_for(server), *readers)
    server.domains[DOMAIN] = "unverified"
    with pytest.raises(MailerMisconfigured, match="unverified") as caught:
        send(mailer_for(server), *readers)
    assert caught.value.failure is Failure.CREDENTIALS
    assert server.mails == []


def test_an_account_that_mailgun_disabled_is_a_matter_of_reputation():
    with (
        answering(403, {"message": "Domain is temporarily disabled"}) as url,
        pytest.raises(MailerMisconfigured) as caught,
    ):
        send(Mailgun("mailgun", KEY, DOMAIN, base_url=url))
    assert caught.value.failure is Failure.REPUTATION


def test_a_redirect_is_never_followed(server):
    server.plan("redirect")
    with pytest.raises(MailerMisconfigured, match="correct base_url"):
        send(mailer_for(server))
    assert len(server.calls) == 1


def test_the_wrong_place_is_told_although_it_says_200(server):
    for place in (f"{server.url}/v9", f"{server.url}/api"):
        with pytest.raises(MailerMisconfigured, match="correct base_url and domain"):
            send(Mailgun("mailgun", KEY, DOMAIN, base_url=place))
    with pytest.raises(MailerMisconfigured, match=r"Domain not found: mg\.elsewhere\.example"):
        send(mailer_for(server, domain="mg.elsewhere.example"))
    with pytest.raises(MailerMisconfigured, match="is no domain"):
        send(mailer_for(server, domain=f"{DOMAIN}/messages"))
    assert server.mails == []


@pytest.mark.parametrize(
    "address", ["https://no-such-host.invalid", "http://127.0.0.1:{port}", "https://localhost:{port}"]
)
def test_no_connection_proves_that_nothing_was_taken(address):
    mailer = Mailgun("mailgun", KEY, DOMAIN, base_url=address.format(port=unused_port()))
    with pytest.raises(TryLater, match="cannot reach"):
        send(mailer)
    with pytest.raises(TryLater, match="cannot reach"):
        mailer.check()
    with pytest.raises(TryLater, match="cannot reach"):
        mailer.look_up(question(), now=SEVEN)


# ---------------------------------------------------------------- nobody can tell, until it is looked up


def question(*letters: Letter, witness: str = LATER, **times: datetime) -> Question:
    given = {"first_at": SEVEN, "last_at": SEVEN, **times}
    return Question(key=mailing().key, letters=letters or mailing().letters, witness=witness, **given)


def looked_up(server: MailgunServer, asked: Question | None = None) -> list[Outcome]:
    return [one.outcome for one in mailer_for(server).look_up(asked or question(), now=server.clock())]


def send_a_witness(server: MailgunServer) -> None:
    send(mailer_for(server), letter(9), key=LATER)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("accept_then_drop", True),
        ("accept_then_500", True),
        ("truncated", True),
        ("hang", True),
        ("drop_before", False),
        ("html", False),
        ("500", False),
    ],
)
def test_an_unclear_answer_is_unknown_and_events_settle_it(server, clock, fault, taken):
    server.lag = timedelta(minutes=20)
    send_in_vain(server, fault)
    clock.now += timedelta(minutes=5)
    send_a_witness(server)
    assert looked_up(server) == [UNKNOWN] * 5
    clock.now = SEVEN + timedelta(minutes=31)
    assert looked_up(server) == [ACCEPTED if taken else DEFERRED] * 5
    assert len(recipients(server)) == 5 * taken + 1


def test_what_was_taken_is_found_when_mailgun_was_restarted_in_between(tmp_path, clock):
    with MailgunServer(tmp_path, clock=clock) as server:
        send_in_vain(server, "accept_then_drop")
    with (tmp_path / "mailgun.jsonl").open("a") as journal:
        journal.write('{"at": "2026-11-22T07:0')  # a call that it was killed in
    with MailgunServer(tmp_path, clock=clock) as server:
        assert looked_up(server) == [ACCEPTED] * 5
        send_a_witness(server)
    with MailgunServer(tmp_path, clock=clock) as server:
        assert recipients(server) == [*EVERYBODY, "reader9@reader.example"]


def test_silence_proves_nothing_when_nothing_else_is_heard(server, clock):
    send_in_vain(server, "drop_before")
    clock.now += timedelta(hours=1)
    assert looked_up(server, question(witness="")) == [UNKNOWN] * 5
    assert looked_up(server) == [UNKNOWN] * 5  # the witness cannot be seen either
    send_a_witness(server)
    assert looked_up(server) == [DEFERRED] * 5


def test_the_lag_counts_from_the_last_time_it_was_handed_over(server, clock):
    send_in_vain(server, "drop_before")
    send_a_witness(server)
    clock.now += timedelta(minutes=40)
    assert looked_up(server, question(last_at=SEVEN + timedelta(minutes=20))) == [UNKNOWN] * 5
    clock.now += timedelta(minutes=10)
    assert looked_up(server, question(last_at=SEVEN + timedelta(minutes=20))) == [DEFERRED] * 5


def test_silence_proves_nothing_once_events_are_forgotten(server, clock):
    send_in_vain(server, "accept_then_drop")
    clock.now += timedelta(hours=25)
    send_a_witness(server)
    assert looked_up(server) == [UNKNOWN] * 5


def test_what_mailgun_lists_while_it_is_asked_is_not_taken_for_absent(server, clock):
    send_in_vain(server, "accept_then_drop")
    send_a_witness(server)
    clock.now += timedelta(minutes=40)
    server.behind = 1
    assert looked_up(server) == [ACCEPTED] * 5


def test_letters_that_are_still_coming_in_are_waited_for(server, clock):
    send_in_vain(server, "accept_then_drop")
    server.late = {"reader3@reader.example": timedelta(minutes=25)}
    send_a_witness(server)
    assert looked_up(server) == [ACCEPTED, ACCEPTED, ACCEPTED, UNKNOWN, ACCEPTED]
    clock.now += timedelta(minutes=26)
    assert looked_up(server) == [ACCEPTED] * 5


def test_a_call_that_was_taken_was_taken_whole(server, clock):
    send_in_vain(server, "accept_then_drop")
    server.late = {"reader3@reader.example": timedelta(hours=5)}  # or it was lost, which looks the same
    send_a_witness(server)
    clock.now += timedelta(hours=2)
    assert looked_up(server) == [ACCEPTED, ACCEPTED, ACCEPTED, UNKNOWN, ACCEPTED]
    assert looked_up(server, question(letter(3))) == [UNKNOWN]


def test_what_mailgun_itself_rejects_is_not_tried_again():
    event = {"event": "rejected", "recipient": "Reader2@reader.example", "reject": {"reason": "Sandbox subdomain"}}
    with answering(200, {"items": [event]}) as url:
        mailer = Mailgun("mailgun", KEY, DOMAIN, base_url=url)
        (result,) = mailer.look_up(question(letter(2)), now=SEVEN)
    assert (result.outcome, result.detail) == (REJECTED, "Sandbox subdomain")


def test_no_other_batch_answers_for_one(server, clock):
    send(mailer_for(server), key="one-two")
    send_a_witness(server)
    clock.now += timedelta(hours=1)
    assert looked_up(server, replace(question(), key="onetwo")) == [DEFERRED] * 5  # its tag looks the same
    assert looked_up(server, replace(question(letter(1), letter(4)), key="one-two")) == [ACCEPTED] * 2


def test_a_clock_of_ours_that_is_ahead_hides_no_event(server, clock):
    send_in_vain(server, "accept_then_drop")
    send_a_witness(server)
    ahead = SEVEN + timedelta(hours=14)  # such as a local time that was taken for UTC
    mailer = mailer_for(server)
    asked = question(first_at=ahead, last_at=ahead)
    assert [one.outcome for one in mailer.look_up(asked, now=ahead + timedelta(hours=1))] == [ACCEPTED] * 5


def test_every_page_is_read(server, clock):
    send_in_vain(server, "accept_then_drop", *many(700))
    assert looked_up(server, question(*many(700))) == [ACCEPTED] * 700
    assert sum("/events" in call.path for call in server.calls) >= 3


@pytest.mark.parametrize("next", ["", "https://evil.example/v3/elsewhere/events", None, 7])
def test_pages_that_lead_nowhere_prove_nothing(next):
    page = {"items": [{"event": "accepted", "recipient": "reader0@reader.example"}], "paging": {"next": next}}
    with answering(200, page) as url, pytest.raises(TryLater, match="where its events go on"):
        Mailgun("mailgun", KEY, DOMAIN, base_url=url).look_up(question(witness=""), now=SEVEN + timedelta(hours=1))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, {"message": "Internal Server Error"}, TryLater),
        (200, "<!doctype html><title>Harbour WiFi</title>", TryLater),
        (429, {"message": "Too many requests"}, TryLater),
        (200, "Mailgun Magnificent API", MailerMisconfigured),
        (404, {"message": f"Domain not found: {DOMAIN}"}, MailerMisconfigured),
    ],
)
def test_a_look_up_that_fails_proves_nothing(status, body, error):
    with answering(status, body) as url, pytest.raises(error):
        Mailgun("mailgun", KEY, DOMAIN, base_url=url).look_up(question(), now=SEVEN + timedelta(hours=1))


def test_a_key_that_cannot_look_up_is_told(server):
    with pytest.raises(MailerMisconfigured, match="may not read events"):
        mailer_for(server, SENDING_ONLY_KEY).look_up(question(), now=SEVEN)


def test_the_call_is_the_same_whenever_it_is_made(server):
    send(mailer_for(server))
    send(Mailgun("other", KEY, DOMAIN, base_url=server.url))
    first, second = server.calls
    assert first.body == second.body


# ---------------------------------------------------------------- events


def told(server: MailgunServer, body: bytes, now: datetime | None = None) -> tuple[MailEvent, ...]:
    return mailer_for(server).events({"content-type": "application/json"}, body, now=now or server.clock())


FAILURES: list[tuple[dict[str, object], EventKind]] = [
    ({"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "enhanced-code": "5.1.1"}},
     EventKind.HARD_BOUNCE),
    ({"severity": "permanent", "reason": "generic", "delivery-status": {"code": 550, "message": "no such user"}},
     EventKind.HARD_BOUNCE),
    ({"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 552, "enhanced-code": "5.2.2"}},
     EventKind.SOFT_BOUNCE),
    ({"severity": "permanent", "reason": "old", "delivery-status": {"code": 498, "message": "No MX"}},
     EventKind.SOFT_BOUNCE),
    ({"severity": "permanent", "reason": "generic", "delivery-status": {"code": 451, "enhanced-code": "4.3.0"}},
     EventKind.SOFT_BOUNCE),
    ({"severity": "permanent", "reason": "bounce", "delivery-status": {"code": 550, "enhanced-code": "5.7.26"}},
     EventKind.BLOCKED),
    ({"severity": "permanent", "reason": "generic", "delivery-status": {"code": 550, "message": "5.7.515 Denied"}},
     EventKind.BLOCKED),
    ({"severity": "permanent", "reason": "suppress-bounce", "delivery-status": {"code": 605}}, EventKind.SOFT_BOUNCE),
    ({"severity": "permanent", "delivery-status": {"code": 605}}, EventKind.SOFT_BOUNCE),
    ({"severity": "permanent", "reason": "suppress-unsubscribe", "delivery-status": {"code": 606}},
     EventKind.UNSUBSCRIBED),
    ({"severity": "permanent", "reason": "suppress-complaint", "delivery-status": {"code": 607}},
     EventKind.UNSUBSCRIBED),
    ({"severity": "temporary", "reason": "generic", "delivery-status": {"code": 421, "enhanced-code": "4.2.2"}},
     EventKind.DEFERRED),
]  # fmt: skip


@pytest.mark.parametrize(("details", "kind"), FAILURES)
def test_a_failure_is_the_readers_or_the_senders_or_passing(server, details, kind):
    send(mailer_for(server))
    (event,) = told(server, server.signed(server.happen("reader2@reader.example", "failed", **details)))
    assert event.kind is kind
    assert (event.recipient, event.batch, event.position) == ("reader2@reader.example", mailing().key, 2)
    assert event.message_id == letter(2).message_id
    assert event.at == SEVEN
    assert event.code.startswith(str(details["delivery-status"]["code"]))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("accepted", EventKind.ACCEPTED),
        ("delivered", EventKind.DELIVERED),
        ("rejected", EventKind.BLOCKED),
        ("complained", EventKind.COMPLAINT),
        ("unsubscribed", EventKind.UNSUBSCRIBED),
        ("opened", EventKind.OPENED),
        ("clicked", EventKind.CLICKED),
    ],
)
def test_what_becomes_of_a_message_is_told_in_our_words(server, name, kind):
    send(mailer_for(server))
    (event,) = told(server, server.signed(server.happen("reader0@reader.example", name)))
    assert (event.kind, event.position) == (kind, 0)


def test_what_says_nothing_to_us_is_no_event(server):
    send(mailer_for(server))
    assert told(server, server.signed(server.happen("reader0@reader.example", "stored"))) == ()
    assert told(server, server.signed({"id": "1", "event": ["failed"]})) == ()


def test_an_event_of_mail_that_is_not_ours_has_no_place(server):
    (event,) = told(server, server.signed({"id": "1", "event": "delivered", "user-variables": {"rid": "-3"}}))
    assert (event.batch, event.position, event.recipient, event.message_id) == ("", -1, "", "")
    assert event.at == SEVEN


def test_events_of_a_mailing_come_in_any_order_and_more_than_once(server, clock):
    server.suppressed = {"reader4@reader.example": "suppress-bounce"}
    send(mailer_for(server))
    clock.now += timedelta(minutes=1)
    events = [event for body in server.webhooks(backwards=True, twice=True) for event in told(server, body)]
    assert len(events) == 20
    assert len({event.event_id for event in events}) == 10
    by_id = {event.event_id: (event.position, event.kind) for event in events}
    assert sorted(by_id.values()) == sorted(
        (n, kind)
        for n in range(5)
        for kind in (EventKind.ACCEPTED, EventKind.SOFT_BOUNCE if n == 4 else EventKind.DELIVERED)
    )
    assert recipients(server) == EVERYBODY[:4]


def test_the_signature_is_the_published_one():
    signature = {
        "timestamp": "1767225600",
        "token": "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
        "signature": "7206fc01e7448c815fc49ff32c1cf98c79c4c3208d6623aa7fb71f065f64331f",
    }
    body = json.dumps({"signature": signature, "event-data": {"event": "opened", "recipient": "a@b.example"}}).encode()
    mailer = Mailgun("mailgun", KEY, DOMAIN, webhook_key="key-test-signing")
    (event,) = mailer.events({}, body, now=datetime.fromtimestamp(1767225600, UTC))
    assert event.event_id == signature["token"]
    for value in signature.values():
        forged = body.replace(value.encode(), value[:-1].encode() + b"9")
        with pytest.raises(WebhookRejected, match="not signed"):
            mailer.events({}, forged, now=datetime.fromtimestamp(1767225600, UTC))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b'{"signature": "x", "event-data": {}}',
        b'{"signature": {"timestamp": null, "token": {}, "signature": 7}, "event-data": {}}',
        '{"signature": {"timestamp": "1", "token": "ü", "signature": "é"}, "event-data": {}}'.encode(),
        b'{"event-data": {"event": "complained"}}',
        b"timestamp=1767225600&token=a&signature=b&event=complained",
    ],
)
def test_what_nobody_signed_is_rejected(server, body):
    with pytest.raises(WebhookRejected):
        told(server, body)


def test_an_event_beyond_all_measure_is_not_read(server):
    with pytest.raises(WebhookRejected):
        told(server, server.signed({"id": "1", "event": "delivered", "note": "a" * 1_000_000}))


def test_an_old_signature_is_worth_nothing(server):
    event = {"id": "1", "event": "delivered"}
    assert told(server, server.signed(event, at=SEVEN - timedelta(hours=11)))
    for at in (SEVEN - timedelta(hours=13), SEVEN + timedelta(hours=13)):
        with pytest.raises(WebhookRejected, match="too long ago"):
            told(server, server.signed(event, at=at))


@pytest.mark.parametrize("moved", [-2, -1, 1, 2])
def test_a_token_cannot_be_made_another_one(server, moved):
    timestamp, token = str(int(SEVEN.timestamp())), "e0" + "7" * 48
    proof = hmac.new(WEBHOOK_KEY.encode(), f"{timestamp}{token}".encode(), "sha256").hexdigest()
    cut = len(timestamp) + moved  # the signature stays right wherever the cut is
    parts = (timestamp + token)[:cut], (timestamp + token)[cut:]
    signature = {"timestamp": parts[0], "token": parts[1], "signature": proof}
    with pytest.raises(WebhookRejected, match="too long ago"):
        told(server, json.dumps({"signature": signature, "event-data": {"event": "complained"}}).encode())


def test_without_a_webhook_key_nothing_is_believed(server):
    mailer = Mailgun("mailgun", KEY, DOMAIN)
    with pytest.raises(WebhookRejected, match="no webhook key"):
        mailer.events({}, server.signed({"id": "1", "event": "delivered"}), now=SEVEN)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("url", ["http://api.reader.example", "ftp://127.0.0.1", "api.mailgun.net"])
def test_a_key_never_travels_unencrypted(url):
    with pytest.raises(MailerMisconfigured, match="must begin with https://"):
        Mailgun("mailgun", KEY, DOMAIN, base_url=url).check()


@pytest.mark.parametrize("key", ["", "key a", "key\na", "kéy"])
def test_a_key_that_cannot_be_one_is_told_and_not_quoted(server, key):
    with pytest.raises(MailerMisconfigured, match="copy it again") as caught:
        mailer_for(server, key).check()
    assert not key or key not in str(caught.value)


def test_check_tells_what_the_key_is_good_for(server):
    assert mailer_for(server).check() == f"{server.url}, key accepted for {DOMAIN}"
    assert "only send" in mailer_for(server, SENDING_ONLY_KEY).check()
    server.domains[DOMAIN] = "unverified"
    with pytest.raises(MailerMisconfigured, match="is unverified"):
        mailer_for(server).check()
    with pytest.raises(MailerMisconfigured, match="Domain not found"):
        mailer_for(server, domain="mg.elsewhere.example").check()
    with pytest.raises(MailerMisconfigured, match="no API at this address"):
        Mailgun("mailgun", KEY, DOMAIN, base_url=f"{server.url}/v9").check()
    assert server.mails == []


def test_no_error_holds_a_key(server):
    for fault in ("429", "quota", "403", "accept_then_500", "redirect", "html"):
        server.plan(fault)
        with pytest.raises((TryLater, MailerMisconfigured, OutcomeUnknown)) as caught:
            send(mailer_for(server))
        said = f"{caught.value!r} {caught.value.__cause__!r} {mailer_for(server)!r} {vars(mailer_for(server))['_api']}"
        assert KEY not in said
        assert WEBHOOK_KEY not in said


# ---------------------------------------------------------------- what the fake itself sees to


def raw(server: MailgunServer, fields: Mapping[str, str | list[str]], **changes: str) -> tuple[int, str]:
    import requests

    path = changes.get("path", f"/v3/{DOMAIN}/messages")
    auth = (changes.get("user", "api"), changes.get("key", KEY))
    answer = requests.post(f"{server.url}{path}", data=fields, auth=auth, timeout=5)
    return answer.status_code, answer.text


PLAIN = {"from": "daily@harbour-gazette.example", "to": EVERYBODY, "subject": "Ferry", "text": "%recipient.rid%"}


def test_the_fake_shows_all_addresses_to_everybody_without_variables(server):
    assert raw(server, PLAIN)[0] == 200
    assert {mail.to for mail in server.mails} == {", ".join(EVERYBODY)}
    assert raw(server, {**PLAIN, "recipient-variables": "{}"})[0] == 200
    assert [mail.to for mail in server.mails[5:]] == EVERYBODY
    assert server.mails[5].text == "%recipient.rid%"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": [f"reader{n}@reader.example" for n in range(1001)]}, "Too many recipients, max is 1000"),
        ({"to": [*EVERYBODY, "nobody"]}, "not a valid address"),
        ({"to": []}, "'to' parameter is missing"),
        ({"from": ""}, "'from' parameter is missing"),
        ({"text": ""}, "Need at least one of"),
        ({"recipient-variables": "{"}, "recipient-variables"),
        ({"recipient-variables": '{"a@b.example": {"x": []}}'}, "recipient-variables"),
        ({"h:X-Note": "Fáilte"}, "not ASCII"),
        ({"v:note": "a" * 17_000}, "16KB"),
    ],
)
def test_the_fake_refuses_what_mailgun_refuses(server, fields, words):
    status, said = raw(server, {**PLAIN, **fields})
    assert (status, server.mails) == (400, [])
    assert words in said


def test_the_fake_wants_the_right_key_at_the_right_place(server):
    assert raw(server, PLAIN, user="key")[:2] == (401, "Forbidden")
    assert raw(server, PLAIN, key="x")[:2] == (401, "Forbidden")
    assert raw(server, PLAIN, path=f"/v3/{DOMAIN}/message") == (200, "Mailgun Magnificent API")
    assert raw(server, {**PLAIN, "o:testmode": "yes"})[0] == 200
    assert server.mails == []


def test_the_fake_calls_a_webhook(server, tmp_path):
    send(mailer_for(server))
    assert server.post(f"{server.url}/hooks/mail/mailgun", server.webhooks()) == [200] * 5


def test_the_fake_only_answers_when_speed_is_measured(tmp_path):
    with MailgunServer(tmp_path, answer_only=True) as server:
        assert send(mailer_for(server)) == [ACCEPTED] * 5
        assert (server.recipients, server.calls, server.journal.exists()) == (5, [], False)


def test_a_call_that_is_still_being_worked_on_is_unknown(server):
    server.plan("slow")
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server))
    assert server.waiting.wait(10)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(looked_up, server).result(10) == [UNKNOWN] * 5
    server.release()


class answering:
    """A server that answers one call with something."""

    def __init__(self, status: int, body: object) -> None:
        self._body = (body if isinstance(body, str) else json.dumps(body)).encode()
        self._head = (
            f"HTTP/1.1 {status} Said\r\nContent-Length: {len(self._body)}\r\nConnection: close\r\n\r\n".encode()
        )

    def __enter__(self) -> str:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _answer(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as file:
            length = 0
            while line := file.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            file.read(length)
            connection.sendall(self._head + self._body)

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()
