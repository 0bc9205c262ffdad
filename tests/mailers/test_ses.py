from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import botocore.session
import pytest
from botocore.config import Config

from publisher.errors import Failure, MailerMisconfigured, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.kit.message import UNSUBSCRIBE_URL
from publisher.mailers import ses
from publisher.mailers.ses import Ses
from publisher.model import EventKind, MailEvent, Outcome, Rendered
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing
from tests.fakes.ses import KEY_ID, REGION, SECRET, SENDING_ONLY_KEY_ID, SesServer, bounce, complaint
from tests.fakes.sns import CERTIFICATE_URL, CONFIRM_URL, TOPIC

ACCEPTED, DEFERRED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED, Outcome.UNKNOWN
EVERYBODY = [f"reader{n}@reader.example" for n in range(5)]
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that keeps the topic's key, which takes a while to make."""
    return tmp_path_factory.mktemp("sns")


@pytest.fixture
def folder(keys: Path) -> Path:
    (keys / "ses.jsonl").unlink(missing_ok=True)
    return keys


@pytest.fixture
def server(folder: Path) -> Iterator[SesServer]:
    with SesServer(folder) as server:
        yield server


def mailer_for(server: SesServer, **changes) -> Ses:
    values = {"region": REGION, "key_id": KEY_ID, "secret": SECRET, "base_url": server.url, **changes}
    given = {"configuration_set": "newsletters", "topic_arn": TOPIC, "patience": 0.5, **values}
    topic = server.topic
    return Ses("ses", **{"certificates": topic.certificates, "confirm": topic.confirm, **given})


def send(mailer: Ses, *letters, **changes: str) -> list[Outcome]:
    return [one.outcome for one in mailer.submit(mailer.prepare(mailing(*letters, **changes)))]


def recipients(server: SesServer) -> list[str]:
    return sorted(mail.recipient for mail in server.mails)


def told(server: SesServer, **how) -> list[MailEvent]:
    """What the server has to tell, through the mailer."""
    mailer, events = mailer_for(server), []
    server.notify(lambda headers, body: events.extend(mailer.events(headers, body, now=server.clock())), **how)
    return events


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class SesRig:
    def __init__(self, server: SesServer) -> None:
        self.server = server
        self.mailer = mailer_for(server)

    def got(self) -> list[Got]:
        return [
            Got(
                recipient=mail.recipient,
                subject=mail.subject,
                sender=mail.sender,
                text=mail.text,
                html=mail.html,
                headers={
                    **{name.lower(): str(make_header(decode_header(value))) for name, value in mail.headers.items()},
                    **({"reply-to": mail.reply_to[0]} if mail.reply_to else {}),
                    "message-id": f"<{mail.id}@{REGION}.amazonses.com>",
                },
            )
            for mail in self.server.mails
        ]

    def lose_an_answer(self) -> None:
        self.server.plan("accept_then_drop")

    def refused(self) -> Ses:
        return mailer_for(self.server, secret="somebody-elses")

    def unreachable(self) -> Ses:
        return mailer_for(self.server, base_url=f"http://127.0.0.1:{unused_port()}")


class TestSes(MailerCases):
    keeps_message_ids = False

    @pytest.fixture
    def rig(self, server: SesServer) -> SesRig:
        return SesRig(server)


# ---------------------------------------------------------------- what goes out


def test_a_batch_is_one_call_with_one_body(server):
    letters = tuple(map(letter, range(50)))
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing(*letters)))
    (call,) = server.calls
    assert call.body.count("Fáilte".encode()) == 2  # once in HTML, once in text
    assert call.body == mailer_for(server).prepare(mailing(*letters)).payloads[0]
    assert [one.reference for one in results] == [mail.id for mail in server.mails]
    assert server.mails[7].tags == {"batch": mailing().key, "rid": "7"}
    assert server.mails[7].headers["X-Publisher-Letter"] == f"{mailing().key}/7"


def test_one_letter_too_many_refuses_the_call_and_it_is_to_be_split(server):
    with pytest.raises(Refused, match="between 1 and 50"):
        send(mailer_for(server), *map(letter, range(51)))
    assert server.mails == []


@pytest.mark.parametrize(
    "words",
    [
        "{{unsubscribe}}",
        "{{{unsubscribe_html}}}",
        "{{#if a}} {{/if}} {{ x }}",
        "{{{{raw}}}}",
        "\\{{unsubscribe}} \\\\{{a}}",
        "{{",
        "}}",
        "{",
        "\\",
    ],
)
def test_braces_of_an_article_reach_the_reader_and_mean_nothing(server, words):
    one = letter(0)
    beside = f"{words}{UNSUBSCRIBE_URL}{words}"  # the worst place of all
    hostile = replace(mailing(one), variants={1: Rendered(subject=f"News {words}", html=f"<p>{beside}", text=beside)})
    assert [result.outcome for result in mailer_for(server).submit(mailer_for(server).prepare(hostile))] == [ACCEPTED]
    (mail,) = server.mails
    assert unescape(mail.html) == f"<p>{words}{one.unsubscribe_url}{words}"
    assert mail.text.replace("\u2060", "") == f"{words}{one.unsubscribe_url}{words}"
    assert mail.subject.replace("\u2060", "") == f"News {words}"


def test_styles_keep_their_braces(server):
    style = "<style>@media print{p{color:#000}}</style>"
    plain = mailing(letter(0))
    styled = replace(plain, variants={1: replace(plain.variants[1], html=style + plain.variants[1].html)})
    mailer_for(server).submit(mailer_for(server).prepare(styled))
    assert server.mails[0].html.startswith(style)


def test_a_link_is_escaped_where_it_stands_in_html(server):
    url = "https://news.harbour-gazette.example/u?t=1&amp=2'"
    send(mailer_for(server), letter(0)._replace(unsubscribe_url=url))
    (mail,) = server.mails
    assert f'href="{url.replace("&", "&amp;").replace(chr(39), "&#x27;")}"' in mail.html
    assert f"Leave: {url}\n" in mail.text
    assert mail.headers["List-Unsubscribe"] == f"<{url}>"


def test_names_beyond_ascii_are_encoded_as_headers_must_be(server):
    name = "Nuacht Chill Mo Ghrúdaire, gach maidin Dé Domhnaigh agus Dé Luain"
    changes = {
        "list_id": f"{name} <daily.harbour-gazette.example>",
        "sender": f"{name} <daily@harbour-gazette.example>",
    }
    send(mailer_for(server), **changes)
    for value, right in ((server.mails[0].headers["List-Id"], "list_id"), (server.mails[0].sender, "sender")):
        assert value.isascii()
        assert "\n" not in value
        assert str(make_header(decode_header(value))) == changes[right]


def test_who_cannot_be_reached_this_way_is_rejected_and_nobody_else(server):
    letters = (
        letter(0),
        letter(1, email="séamus@reader.example"),
        letter(2, email="nobody"),
        letter(3, email="aoife@bád.example"),
        letter(4)._replace(unsubscribe_url="https://news.harbour-gazette.example/" + "u" * 1000),
    )
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing(*letters)))
    assert [one.outcome for one in results] == [ACCEPTED, REJECTED, REJECTED, ACCEPTED, REJECTED]
    assert "beyond ASCII" in results[1].detail
    assert recipients(server) == ["aoife@xn--bd-mia.example", "reader0@reader.example"]


def test_a_batch_that_nobody_can_be_reached_by_is_no_call(server):
    assert send(mailer_for(server), letter(1, email="séamus@reader.example")) == [REJECTED]
    assert server.calls == []


def test_amazons_own_client_makes_the_same_call(server):
    """What holds the fake to the API, and us to the fake."""
    payload = mailer_for(server).prepare(mailing()).payloads[0]
    client = botocore.session.get_session().create_client(
        "sesv2",
        region_name=REGION,
        endpoint_url=server.url,
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        config=Config(retries={"total_max_attempts": 1}),
    )
    answer = client.send_bulk_email(**json.loads(payload))
    assert [one["MessageId"] for one in answer["BulkEmailEntryResults"]] == [mail.id for mail in server.mails]
    assert send(mailer_for(server)) == [ACCEPTED] * 5
    theirs, ours = server.calls
    assert (theirs.method, theirs.path) == (ours.method, ours.path)
    assert json.loads(theirs.body) == json.loads(ours.body)
    assert client.get_account()["SendQuota"]["SentLast24Hours"] == 10


# ---------------------------------------------------------------- nobody can tell


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("accept_then_drop", True),
        ("accept_then_500", True),
        ("truncated", True),
        ("fewer", True),
        ("hang", True),
        ("drop_before", False),
        ("html", False),
        ("500", False),
        ("503", False),
    ],
)
def test_an_unclear_answer_is_unknown_until_events_tell(server, fault, taken):
    server.plan(fault)
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server))
    assert len(server.calls) == 1
    accepted = {event.position for event in told(server) if event.kind is EventKind.ACCEPTED}
    assert accepted == (set(range(5)) if taken else set())


@pytest.mark.parametrize("lost", [0, 1])
def test_when_one_call_of_a_batch_is_lost_events_tell_of_all_of_it(server, lost):
    """A part of it would have a key of its own, by which no event tells of anything."""
    server.plan(*([""] * lost), "accept_then_drop")
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server), letter(0), letter(1, variant=2), letter(2))
    accepted = {event.position for event in told(server) if event.kind is EventKind.ACCEPTED}
    assert accepted == ({0, 1, 2} if lost else {0, 2})
    assert recipients(server) == [f"reader{n}@reader.example" for n in sorted(accepted)]


def test_where_no_event_tells_the_doubt_is_as_small_as_it_can_be(server):
    server.plan("accept_then_drop")
    two = (letter(0), letter(1, variant=2), letter(2), letter(3, email="séamus@reader.example"))
    assert send(mailer_for(server, topic_arn=""), *two) == [UNKNOWN, DEFERRED, UNKNOWN, REJECTED]
    assert recipients(server) == ["reader0@reader.example", "reader2@reader.example"]


def test_what_was_taken_stays_taken_when_a_later_call_is_turned_away(server):
    two = (letter(0), letter(1, variant=2))
    for fault in ("429", "AccountSuspendedException", "400"):
        server.mails.clear()
        server.plan("", fault)
        assert send(mailer_for(server), *two) == ([ACCEPTED, REJECTED] if fault == "400" else [ACCEPTED, DEFERRED])
    server.plan("429")
    with pytest.raises(TryLater):
        send(mailer_for(server), *two)


def test_calls_that_take_too_long_are_followed_by_none(server, monkeypatch):
    """The lease of the batch covers one more call, and not all of them."""
    moments = iter([0.0, 59.0, 61.0])
    monkeypatch.setattr(ses, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    assert send(mailer_for(server), letter(0), letter(1, variant=2)) == [ACCEPTED, DEFERRED]
    assert recipients(server) == ["reader0@reader.example"]


def test_a_late_answer_is_not_waited_for_for_ever(server):
    server.plan("slow")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, mailer_for(server))
        assert server.waiting.wait(10)
        with pytest.raises(OutcomeUnknown):
            first.result(10)
    server.release()


def test_without_a_topic_nothing_can_tell():
    assert not Ses("ses", REGION, KEY_ID, SECRET).capability.evidence
    assert Ses("ses", REGION, KEY_ID, SECRET, topic_arn=TOPIC).capability == Ses.capability
    assert Ses.capability.evidence == "events"


# ---------------------------------------------------------------- what the answer says of each


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("MESSAGE_REJECTED", REJECTED),
        ("INVALID_PARAMETER", REJECTED),
        ("ACCOUNT_THROTTLED", DEFERRED),
        ("TRANSIENT_FAILURE", DEFERRED),
        ("FAILED", REJECTED),
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", DEFERRED),
        ("ACCOUNT_SENDING_PAUSED", DEFERRED),
    ],
)
def test_each_letter_has_its_own_status(server, status, outcome):
    server.statuses["reader3@reader.example"] = status
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing()))
    assert [one.outcome for one in results] == [ACCEPTED, ACCEPTED, ACCEPTED, outcome, ACCEPTED]
    assert (results[3].code, results[3].reference) == (status, "")
    assert recipients(server) == [one for one in EVERYBODY if "3" not in one]


def test_a_status_that_is_new_proves_nothing(server):
    server.statuses["reader3@reader.example"] = "SOMETHING_NEW"
    assert send(mailer_for(server, topic_arn="")) == [ACCEPTED, ACCEPTED, ACCEPTED, UNKNOWN, ACCEPTED]
    with pytest.raises(OutcomeUnknown, match="a status"):
        send(mailer_for(server))


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("ACCOUNT_DAILY_QUOTA_EXCEEDED", Failure.QUOTA),
        ("ACCOUNT_SUSPENDED", Failure.REPUTATION),
        ("ACCOUNT_SENDING_PAUSED", Failure.REPUTATION),
        ("CONFIGURATION_SET_SENDING_PAUSED", Failure.REPUTATION),
        ("CONFIGURATION_SET_NOT_FOUND", Failure.CREDENTIALS),
        ("MAIL_FROM_DOMAIN_NOT_VERIFIED", Failure.CREDENTIALS),
        ("INVALID_SENDING_POOL_NAME", Failure.CREDENTIALS),
        ("TEMPLATE_NOT_FOUND", Failure.CREDENTIALS),
        ("MESSAGE_REJECTED", Failure.CREDENTIALS),
    ],
)
def test_what_all_letters_share_is_no_readers_fault(server, status, failure):
    server.statuses = dict.fromkeys(EVERYBODY, status)
    with pytest.raises(MailerMisconfigured, match=status) as caught:
        send(mailer_for(server))
    assert caught.value.failure is failure
    assert server.mails == []


def test_it_goes_slower_when_ses_asks_for_it(folder):
    with SesServer(folder, rate=3, clock=lambda: NOW) as server:
        assert send(mailer_for(server)) == [ACCEPTED] * 3 + [DEFERRED] * 2
        with pytest.raises(TryLater, match="ACCOUNT_THROTTLED"):
            send(mailer_for(server))
        assert len(server.mails) == 3


def test_a_call_of_which_all_failed_is_nobodys_fault_and_proves_nothing(server):
    server.statuses = {f"reader{number}@reader.example": "FAILED" for number in range(5)}
    with pytest.raises(OutcomeUnknown, match="FAILED"):
        send(mailer_for(server))


def test_the_accounts_own_rate_is_asked_once_an_hour_and_believed_while_ses_is_silent(folder, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("publisher.mailers.ses.time.monotonic", lambda: now)
    with SesServer(folder, rate=14.0) as server:
        mailer = mailer_for(server)
        assert [mailer.rate(), mailer.rate(), len(server.calls)] == [14.0, 14.0, 1]
        server.rate, now = 28.0, now + 3601
        assert [mailer.rate(), len(server.calls)] == [28.0, 2]
    now += 3601
    assert mailer.rate() == 28.0
    assert mailer_for(server).rate() is None


def test_a_key_that_may_not_read_the_account_says_so_and_sends(server):
    mailer = mailer_for(server, key_id=SENDING_ONLY_KEY_ID)
    assert mailer.rate() is None
    assert "set rate, or allow ses:GetAccount" in mailer.check()
    assert send(mailer) == [ACCEPTED] * 5


# ---------------------------------------------------------------- nothing was taken


@pytest.mark.parametrize(("fault", "least", "most"), [("429-date", 80, 90), ("429", 1, 7), ("400-rate", 1, 1)])
def test_it_is_left_alone_when_it_asks_to_wait(server, fault, least, most):
    server.plan(fault)
    with pytest.raises(TryLater) as caught:
        send(mailer_for(server))
    wait = caught.value.retry_after
    assert least <= wait.total_seconds() <= most


def test_a_wait_that_makes_no_sense_is_left_to_us(server):
    server.plan("429-garbage")
    with pytest.raises(TryLater) as caught:
        send(mailer_for(server))
    assert caught.value.retry_after == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("quota", "quota is used up"),
        ("LimitExceededException", "quota is used up"),
        ("AccountSuspendedException", "permanently restricted"),
        ("SendingPausedException", "disabled"),
        ("MessageRejected", "not verified"),
        ("MailFromDomainNotVerifiedException", "isn't verified"),
        ("NotFoundException", "404 NotFoundException"),
        ("redirect", "correct base_url"),
    ],
)
def test_what_a_person_must_mend_stops_the_mailer(server, fault, words):
    server.plan(fault)
    with pytest.raises(MailerMisconfigured, match=words):
        send(mailer_for(server))
    assert server.mails == []
    assert len(server.calls) == 1


@pytest.mark.parametrize("fault", ["400", "413"])
def test_a_call_that_blames_nobody_is_to_be_split_until_one_is_left(server, fault):
    server.plan(fault, fault)
    with pytest.raises(Refused, match=fault):
        send(mailer_for(server))
    assert send(mailer_for(server), letter(0)) == [REJECTED]


def test_two_halves_are_tried_apart_when_something_else_was_taken(server):
    server.plan("", "400")
    letters = (letter(0), *(letter(n, variant=2) for n in (1, 2, 3)))
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing(*letters)))
    assert [one.outcome for one in results] == [ACCEPTED, DEFERRED, DEFERRED, DEFERRED]
    assert len({one.group for one in results[1:]}) == 2


@pytest.mark.parametrize(
    "changes",
    [{"sender": "daily@elsewhere.example"}, {"sender": "daily"}, {"sender": "dáil@harbour-gazette.example"}],
)
def test_a_sender_that_may_not_send_is_for_a_person(server, changes):
    with pytest.raises(MailerMisconfigured):
        send(mailer_for(server), letter(0), **changes)


def test_a_configuration_set_that_is_not_there_is_for_a_person(server):
    with pytest.raises(MailerMisconfigured, match="<elsewhere> does not exist"):
        send(mailer_for(server, configuration_set="elsewhere"))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "http://api.reader.example"}, "must begin with https://"),
        ({"region": ""}, "eu-west-1"),
        ({"region": "eu-west-1.reader.example/"}, "eu-west-1"),
        ({"region": "us-east-1"}, "refuses the key"),
        ({"key_id": "AKIASOMEBODYELSE0000"}, "refuses the key"),
        ({"key_id": "not a key"}, "copy them again"),
        ({"secret": ""}, "copy them again"),
        ({"secret": "with a\nline"}, "copy them again"),
    ],
)
def test_wrong_settings_are_told_with_their_remedy(server, changes, words):
    with pytest.raises(MailerMisconfigured, match=words) as caught:
        mailer_for(server, **changes).check()
    assert not changes.get("secret") or changes["secret"] not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "url"),
    [(REGION, "https://email.eu-west-1.amazonaws.com"), ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn")],
)
def test_the_api_of_a_region_is_found_by_itself(region, url):
    with pytest.raises(MailerMisconfigured) as caught:
        Ses("ses", region, KEY_ID, "").check()
    assert f"({url})" in str(caught.value)


def test_check_tells_the_quota(server):
    send(mailer_for(server))
    assert mailer_for(server).check() == f"{server.url}, 100000 a second, 50,000 a day, 5 used"
    server.account = {"ProductionAccessEnabled": False}
    assert "sandbox" in mailer_for(server).check()
    server.account = {"SendingEnabled": False}
    with pytest.raises(MailerMisconfigured, match="switched off"):
        mailer_for(server).check()
    assert "key accepted" in mailer_for(server, key_id=SENDING_ONLY_KEY_ID).check()


def test_no_error_holds_the_secret(server):
    for fault in ("429", "quota", "accept_then_500", "redirect", "html", "MessageRejected"):
        server.plan(fault)
        with pytest.raises((TryLater, MailerMisconfigured, OutcomeUnknown)) as caught:
            send(mailer_for(server))
        assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r} {mailer_for(server)!r}"


# ---------------------------------------------------------------- events


def test_every_letter_is_told_of_by_its_batch_and_position(server):
    send(mailer_for(server), letter(0), letter(4, variant=2))
    events = told(server)
    assert {(one.batch, one.position, one.recipient, one.kind) for one in events} == {
        (mailing().key, n, f"reader{n}@reader.example", kind)
        for n in (0, 4)
        for kind in (EventKind.ACCEPTED, EventKind.DELIVERED)
    }
    assert {one.message_id for one in events} == {mail.id for mail in server.mails}
    assert all(abs(one.at - server.mails[0].at) < timedelta(seconds=1) for one in events)


def test_late_repeated_and_disordered_events_keep_their_ids(folder):
    now = NOW
    with SesServer(folder, clock=lambda: now) as server:
        send(mailer_for(server))
        assert told(server, lag=timedelta(minutes=5)) == []
        now += timedelta(minutes=6)
    with SesServer(folder, clock=lambda: now) as server:  # started again
        events = told(server, lag=timedelta(minutes=5), times=2, shuffle=random.Random(3))
        assert len(events) == 20
        assert len({one.event_id for one in events}) == 10
        assert told(server) == []


@pytest.mark.parametrize(
    ("kind", "subtype", "status", "said", "expected"),
    [
        ("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown", EventKind.HARD_BOUNCE),
        ("Permanent", "NoEmail", "", "", EventKind.HARD_BOUNCE),
        ("Permanent", "Suppressed", "5.7.1", "", EventKind.HARD_BOUNCE),
        ("Permanent", "OnAccountSuppressionList", "", "", EventKind.HARD_BOUNCE),
        ("Permanent", "General", "5.7.515", "Access denied", EventKind.BLOCKED),
        ("Permanent", "General", "", "smtp; 550-5.7.26 unauthenticated mail", EventKind.BLOCKED),
        ("Transient", "ContentRejected", "", "", EventKind.BLOCKED),
        ("Transient", "MailboxFull", "4.2.2", "", EventKind.SOFT_BOUNCE),
        ("Undetermined", "Undetermined", "", "", EventKind.SOFT_BOUNCE),
    ],
)
def test_bounces_are_told_apart(server, kind, subtype, status, said, expected):
    send(mailer_for(server), letter(2))
    told(server)
    (mail,) = server.mails
    server.happen(mail, "Bounce", bounce(mail, kind, subtype, status=status, said=said))
    (event,) = told(server)
    assert (event.kind, event.position, event.recipient, event.code) == (
        expected,
        2,
        mail.recipient,
        status or ("5.7.26" if said else ""),
    )
    assert event.detail.startswith(f"{kind}/{subtype}")


@pytest.mark.parametrize(
    ("name", "details", "expected"),
    [
        ("Complaint", None, EventKind.COMPLAINT),
        ("Reject", {"reason": "Bad content"}, EventKind.BLOCKED),
        ("DeliveryDelay", {"delayType": "MailboxFull", "delayedRecipients": []}, EventKind.DEFERRED),
        ("Open", {"ipAddress": "192.0.2.1"}, EventKind.OPENED),
        ("Click", {"link": "https://harbour-gazette.example/ferry"}, EventKind.CLICKED),
    ],
)
def test_other_events(server, name, details, expected):
    send(mailer_for(server), letter(2))
    told(server)
    (mail,) = server.mails
    server.happen(mail, name, complaint(mail) if details is None else details)
    (event,) = told(server)
    assert (event.kind, event.position, event.recipient) == (expected, 2, mail.recipient)


def test_taking_it_out_of_the_spam_folder_is_no_complaint(server):
    send(mailer_for(server), letter(2))
    told(server)
    server.happen(server.mails[0], "Complaint", complaint(server.mails[0], "not-spam"))
    assert told(server) == []


def test_an_address_that_ses_suppresses_bounces_hard(server):
    server.suppressed = {"reader0@reader.example"}
    assert send(mailer_for(server), letter(0)) == [ACCEPTED]
    assert [one.kind for one in told(server)] == [EventKind.ACCEPTED, EventKind.HARD_BOUNCE]


def test_a_message_that_cannot_be_rendered_is_told_and_blames_no_reader(server):
    mailer = mailer_for(server)
    made = mailer.prepare(mailing(letter(2)))
    broken = made.payloads[0].replace(b"{{unsubscribe}}", b"{{nothing}}")
    assert [one.outcome for one in mailer.submit(replace(made, payloads=(broken,)))] == [ACCEPTED]
    (event,) = told(server)
    assert (event.kind, event.position) == (EventKind.BLOCKED, 2)
    assert "nothing" in event.detail
    assert server.mails == []


def notification(server: SesServer, message: object, **changes):
    text = message if isinstance(message, str) else json.dumps(message)
    return server.topic.notification(text, "n-1", NOW, **changes)


def hear(server: SesServer, call, *, now: datetime = NOW, **changes) -> tuple[MailEvent, ...]:
    return mailer_for(server, **changes).events(*call, now=now)


def bounced(**mail) -> dict:
    person = {"emailAddress": "bob@reader.example"}
    details = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [person]}
    return {"eventType": "Bounce", "mail": {"destination": ["bob@reader.example"], **mail}, "bounce": details}


def test_without_tags_the_messages_own_header_tells_who_it_was(server):
    header = {"name": "x-publisher-letter", "value": f"{mailing().key}/3"}
    (event,) = hear(server, notification(server, bounced(headers=[{"name": "Subject", "value": "News"}, header])))
    assert (event.batch, event.position, event.event_id) == (mailing().key, 3, "n-1")


def test_what_is_not_of_our_batches_is_told_without_a_position(server):
    tags = {"batch": ["somebody-elses"], "rid": ["x"]}
    (event,) = hear(server, notification(server, bounced(tags=tags)))
    assert (event.kind, event.position, event.at) == (EventKind.HARD_BOUNCE, -1, NOW)


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        {"eventType": "Subscription", "mail": {}},
        {"eventType": "Delivery"},
        {"eventType": "Delivery", "mail": [], "delivery": "soon"},
        {"eventType": ["Bounce"]},
        [],
    ],
)
def test_what_says_nothing_to_us_is_no_event(server, message):
    assert hear(server, notification(server, message)) == ()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "", "Amazon SES"])
def test_both_kinds_of_signature_are_read(server, version, subject):
    assert len(hear(server, notification(server, bounced(), version=version, subject=subject))) == 1


def forged(call: tuple[dict[str, str], bytes], **changes: str | None):
    """The call with parts of its envelope changed after it was signed; None takes a part away."""
    envelope = {**json.loads(call[1]), **changes}
    return call[0], json.dumps({name: value for name, value in envelope.items() if value is not None}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": '{"eventType":"Complaint"}'},
        {"MessageId": "n-2"},
        {"Subject": "added"},
        {"Timestamp": "2026-11-22T09:00:01.000Z"},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": None},
        {"Signature": "AAAA"},
        {"Signature": "no base64!"},
        {"Signature": None},
        {"Type": "UnsubscribeConfirmation"},
        {"Type": "Something"},
        {"Message": None},
        {"TopicArn": TOPIC + "2"},
    ],
)
def test_a_changed_call_is_rejected(server, changes):
    with pytest.raises(WebhookRejected):
        hear(server, forged(notification(server, bounced()), **changes))


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0a1b.pem",
        "https://evil.example/SimpleNotificationService-0a1b.pem",
        "https://evil.example/https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
        "https://sns.evil.example.amazonaws.com/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-west-1.amazonaws.com/bucket/SimpleNotificationService-0a1b.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem\n",
        "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
        "",
    ],
)
def test_certificates_come_from_amazon_sns_alone(server, url):
    with pytest.raises(WebhookRejected, match="not at Amazon SNS"):
        hear(server, notification(server, bounced(), SigningCertURL=url))
    assert server.topic.fetched == []


def test_a_certificate_is_fetched_once(server):
    mailer = mailer_for(server)
    for _ in range(3):
        mailer.events(*notification(server, bounced()), now=NOW)
    assert server.topic.fetched == [CERTIFICATE_URL]


@pytest.mark.parametrize("pem", [b"", b"<html>", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_certificate_that_is_none_rejects_the_call(server, pem):
    with pytest.raises(WebhookRejected, match="cannot be had"):
        hear(server, notification(server, bounced()), certificates=lambda _: pem)


@pytest.mark.parametrize("hours", [-2.1, 2.1])
def test_a_call_of_another_time_is_rejected(server, hours):
    call = notification(server, bounced())
    with pytest.raises(WebhookRejected, match="not of these two hours"):
        hear(server, call, now=NOW + timedelta(hours=hours))
    assert len(hear(server, call, now=NOW + timedelta(minutes=59))) == 1


@pytest.mark.parametrize("arn", ["", "arn:aws:sns:eu-west-1:999999999999:harbour-mail"])
def test_only_our_own_topic_is_believed(server, arn):
    with pytest.raises(WebhookRejected, match="topic_arn"):
        hear(server, notification(server, bounced()), topic_arn=arn)
    with pytest.raises(WebhookRejected, match="topic_arn"):
        hear(server, server.topic.subscription(NOW), topic_arn=arn)
    assert server.topic.fetched == server.topic.confirmed == []


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_subscription_to_our_topic_is_confirmed_and_is_no_event(server, version):
    assert hear(server, server.topic.subscription(NOW, version=version)) == ()
    assert server.topic.confirmed == [CONFIRM_URL]


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/?Action=ConfirmSubscription&Token=1", "https://sns.eu-west-1.amazonaws.com/?Action=Publish"],
)
def test_nothing_else_is_opened_to_confirm(server, url):
    with pytest.raises(WebhookRejected):
        hear(server, server.topic.subscription(NOW, SubscribeURL=url))
    with pytest.raises(WebhookRejected):
        hear(server, forged(server.topic.subscription(NOW), SubscribeURL=CONFIRM_URL + "2"))
    assert server.topic.confirmed == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"Type": 7}', b"[" * 100_000])
def test_a_call_of_another_kind_is_rejected(server, body):
    with pytest.raises(WebhookRejected, match="no call of Amazon SNS"):
        hear(server, ({}, body))
