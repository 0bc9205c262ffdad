from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests

from publisher.errors import Failure, MailerMisconfigured, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.mailers.postmark import Postmark
from publisher.model import EventKind, Letter, MailEvent, Outcome, Question, Rendered
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing
from tests.fakes.postmark import HOOK_PASSWORD, HOOK_USER, TEST_TOKEN, TOKEN, PostmarkServer, hook_headers

ACCEPTED, DEFERRED, REJECTED, UNKNOWN = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED, Outcome.UNKNOWN
EVERYBODY = [f"reader{n}@reader.example" for n in range(5)]
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
LAG = Postmark.capability.look_up_lag
LATER = "0b7e4a52-1f6a-5a55-8f6e-6a0a3f2a7c11"


class Hour:
    """The time at Postmark, which tests move."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def hour() -> Hour:
    return Hour()


@pytest.fixture
def server(tmp_path: Path, hour: Hour) -> Iterator[PostmarkServer]:
    with PostmarkServer(tmp_path, clock=hour) as server:
        yield server


def mailer_for(server: PostmarkServer, token: str = TOKEN, patience: float = 0.5, **changes: str) -> Postmark:
    values = {"webhook_user": HOOK_USER, "webhook_password": HOOK_PASSWORD, "base_url": server.url, **changes}
    return Postmark("postmark", token, patience=patience, **values)


def send(mailer: Postmark, *letters: Letter, **changes: str) -> list[Outcome]:
    return [one.outcome for one in mailer.submit(mailer.prepare(mailing(*letters, **changes)))]


def recipients(server: PostmarkServer) -> list[str]:
    return sorted(mail.recipient for mail in server.mails)


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class PostmarkRig:
    def __init__(self, server: PostmarkServer) -> None:
        self.server = server
        self.mailer = mailer_for(server)

    def got(self) -> list[Got]:
        return [
            Got(
                recipient=mail.recipient,
                subject=mail.content["Subject"],
                sender=mail.content["From"],
                text=mail.content["TextBody"],
                html=mail.content["HtmlBody"],
                headers=mail.headers,
            )
            for mail in self.server.mails
        ]

    def lose_an_answer(self) -> None:
        self.server.plan("accept_then_drop")

    def refused(self) -> Postmark:
        return mailer_for(self.server, "somebody-else")

    def unreachable(self) -> Postmark:
        return mailer_for(self.server, base_url=f"http://127.0.0.1:{unused_port()}")


class TestPostmark(MailerCases):
    @pytest.fixture
    def rig(self, server: PostmarkServer) -> PostmarkRig:
        return PostmarkRig(server)


# ---------------------------------------------------------------- what goes out


def test_a_batch_is_one_call_whose_letters_can_be_found_again(server):
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing()))
    (call,) = server.calls
    assert call.path == "/email/batch"
    assert call.headers["Content-Length"] == str(len(call.body))
    assert [one.reference for one in results] == [mail.id for mail in server.mails]
    email = json.loads(call.body)[3]
    assert email["Metadata"] == {"batch": mailing().key, "rid": "3"}
    assert (email["MessageStream"], email["Tag"]) == ("broadcast", "daily/daily:2026-11-22")
    assert (email["TrackOpens"], email["TrackLinks"]) == (False, "None")


def test_a_full_call_holds_as_many_letters_as_it_says(server):
    size = Postmark.capability.batch
    assert send(mailer_for(server), *map(letter, range(size))) == [ACCEPTED] * size
    assert len(set(recipients(server))) == size


def test_article_text_never_becomes_postmarks_own_link(server):
    text = "He wrote {{{ pm:unsubscribe }}} and {{pm:unsubscribe}} and {{{PM:unsubscribe}}} {{ but }} kept his braces"
    hostile = Rendered(subject="News", html=f"<p>{text}</p>", text=text)
    mailer_for(server).submit(mailer_for(server).prepare(replace(mailing(letter(0)), variants={1: hostile})))
    (mail,) = server.mails
    for body in (mail.content["HtmlBody"], mail.content["TextBody"]):
        assert "unsubscribe.postmark" not in body
        assert text in body.replace("\u2060", "")
        assert "{{ but }}" in body


# ---------------------------------------------------------------- one answer for each letter


def test_an_inactive_reader_is_rejected_and_the_others_get_their_mail(server):
    server.suppress("Reader1@reader.example")
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing()))
    assert [one.outcome for one in results] == [ACCEPTED, REJECTED, ACCEPTED, ACCEPTED, ACCEPTED]
    assert results[1].code == "406"
    assert "marked as inactive" in results[1].detail
    assert recipients(server) == [EVERYBODY[0], *EVERYBODY[2:]]


def test_who_is_inactive_in_one_stream_gets_mail_of_another(server):
    server.suppress("reader0@reader.example", stream="outbound")
    assert send(mailer_for(server), letter(0)) == [ACCEPTED]


def test_a_bad_address_is_rejected_by_name(server):
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing(letter(0), letter(1, email="nobody"))))
    assert [(one.outcome, one.code) for one in results] == [(ACCEPTED, "0"), (REJECTED, "300")]
    assert "'To'" in results[1].detail


def test_a_message_that_was_taken_but_goes_to_nobody_is_rejected():
    entry = {
        "To": EVERYBODY[0], "MessageID": "0a12", "ErrorCode": 0,
        "Message": f"Message OK, but will not deliver to these inactive addresses: {EVERYBODY[0]}. Inactive ...",
    }  # fmt: skip
    assert answered([entry], letter(0)) == [REJECTED]


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (429, "Rate limit exceeded.", DEFERRED),
        (100, "Maintenance.", UNKNOWN),
        (500, "Internal error.", UNKNOWN),
        (412, "Your account is pending approval.", DEFERRED),
        (300, "Zero recipients specified.", REJECTED),
        (300, "Error parsing 'To': illegal domain in 'From'@x.", REJECTED),
        (300, "Invalid 'ReplyTo' address: 'To'.", DEFERRED),
    ],
)
def test_a_code_of_one_letter_is_no_other_letters(server, code, said, outcome):
    server.per_message["reader1@reader.example"] = (code, said)
    assert send(mailer_for(server), letter(0), letter(1)) == [ACCEPTED, outcome]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sender": "daily@elsewhere.example"}, r"400 .*not a Sender Signature.*confirm the sender"),
        ({"sender": "daily"}, r"300 Invalid 'From' address"),
        ({"reply_to": "desk"}, r"300 Invalid 'ReplyTo' address"),
    ],
)
def test_what_all_letters_share_is_no_readers_fault(server, changes, words):
    with pytest.raises(MailerMisconfigured, match=words):
        send(mailer_for(server), letter(0), letter(1, email="nobody"), **changes)
    assert server.mails == []


def test_a_stream_that_is_not_there_is_for_a_person(server):
    with pytest.raises(MailerMisconfigured, match="it has no stream weekly; correct stream"):
        send(mailer_for(server, stream="weekly"))


def test_when_every_letter_is_to_wait_so_is_the_mailer(server):
    server.per_message = dict.fromkeys(EVERYBODY, (429, "Rate limit exceeded."))
    with pytest.raises(TryLater, match="429"):
        send(mailer_for(server))


def test_letters_that_an_answer_leaves_out_are_unknown(server):
    server.plan("fewer")
    assert send(mailer_for(server)) == [*[ACCEPTED] * 4, UNKNOWN]


@pytest.mark.parametrize(
    "entries",
    [
        [
            {"To": EVERYBODY[1], "MessageID": "a", "ErrorCode": 0},
            {"To": EVERYBODY[0], "MessageID": "b", "ErrorCode": 0},
        ],
        [{"MessageID": "a", "ErrorCode": 0}] * 3,
        {"ErrorCode": 0, "Message": "OK"},
    ],
)
def test_an_answer_in_which_places_prove_nothing_is_unknown(entries):
    with pytest.raises(OutcomeUnknown, match="without telling"):
        answered(entries, letter(0), letter(1))


def test_success_needs_an_id_or_it_is_unknown():
    assert answered([{"MessageID": "a"}, {"ErrorCode": 0}, "OK", {"ErrorCode": "0", "MessageID": "a"}], *four()) == [
        ACCEPTED,
        *[UNKNOWN] * 3,
    ]


def four() -> list[Letter]:
    return [letter(position) for position in range(4)]


def answered(entries: object, *letters: Letter) -> list[Outcome]:
    """What a server that gives this very answer makes of a batch."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(entries).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.handle_request)
        thread.start()
        try:
            return send(Postmark("postmark", TOKEN, base_url=f"http://127.0.0.1:{http.server_port}"), *letters)
        finally:
            thread.join()


# ---------------------------------------------------------------- nobody can tell, until Postmark is asked


def question(hour: Hour, *, witness: str = LATER, key: str = "") -> Question:
    return Question(key=key or mailing().key, letters=mailing().letters, first_at=NOW, last_at=NOW, witness=witness)


def ask(server: PostmarkServer, hour: Hour, **changes: str) -> list[Outcome]:
    return [one.outcome for one in mailer_for(server).look_up(question(hour, **changes), now=hour.now)]


FAULTS = [
    ("accept_then_drop", True),
    ("accept_then_500", True),
    ("truncated", True),
    ("hang", True),
    ("drop_before", False),
    ("html", False),
    ("500", False),
    ("maintenance", False),
]


@pytest.mark.parametrize(("fault", "taken"), FAULTS)
def test_an_unclear_answer_is_unknown_and_a_look_settles_it(server, hour, fault, taken):
    server.plan(fault)
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server))
    assert bool(server.mails) == taken
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    results = mailer_for(server).look_up(question(hour), now=hour.now)
    assert [one.outcome for one in results] == [ACCEPTED if taken else DEFERRED] * 5
    assert [one.position for one in results] == list(range(5))
    assert all(one.reference for one in results) == taken


def test_a_look_before_the_search_can_know_tells_nothing(server, hour):
    send(mailer_for(server))
    send(mailer_for(server), letter(0), key=LATER)
    assert ask(server, hour) == [UNKNOWN] * 5
    hour.now += server.lag
    assert ask(server, hour) == [ACCEPTED] * 5


def test_absence_proves_nothing_before_its_time_or_without_a_witness(server, hour):
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG - timedelta(seconds=1)
    assert ask(server, hour) == [UNKNOWN] * 5
    hour.now += timedelta(seconds=1)
    assert ask(server, hour, witness="") == [UNKNOWN] * 5
    assert ask(server, hour, witness="never-seen") == [UNKNOWN] * 5
    assert ask(server, hour) == [DEFERRED] * 5


def test_a_search_that_lags_more_than_it_should_is_noticed_by_the_witness(server, hour):
    send(mailer_for(server))
    send(mailer_for(server), letter(0), key=LATER)
    server.lag = timedelta(hours=2)
    hour.now += LAG
    assert ask(server, hour) == [UNKNOWN] * 5
    hour.now += timedelta(hours=2)
    assert ask(server, hour) == [ACCEPTED] * 5


def test_what_came_to_light_between_two_looks_is_not_called_absent(server, hour):
    send(mailer_for(server))
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    real, looks = server.search, []

    def search(query: dict[str, str]) -> dict[str, object]:
        looks.append(query)
        return real(query) if len(looks) > 1 else {"TotalCount": 0, "Messages": []}

    server.search = search
    assert ask(server, hour) == [ACCEPTED] * 5


def test_only_the_letters_that_never_arrived_are_to_be_sent(server, hour):
    server.suppress(EVERYBODY[1])
    server.plan("accept_then_drop")
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server))
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    assert ask(server, hour) == [ACCEPTED, DEFERRED, ACCEPTED, ACCEPTED, ACCEPTED]


def test_what_postmark_may_have_thrown_away_is_not_called_absent(server, hour):
    hour.now += timedelta(days=6, hours=1)
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    assert ask(server, hour) == [UNKNOWN] * 5


def test_a_search_that_lists_more_than_it_shows_proves_no_absence(server, hour):
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    real = server.search
    server.search = lambda query: {**real(query), "TotalCount": 7}
    assert ask(server, hour) == [UNKNOWN] * 5


def test_messages_without_our_metadata_prove_no_absence(server, hour):
    send(mailer_for(server), letter(0), key=LATER)
    hour.now += LAG
    real = server.search
    stray = {"TotalCount": 1, "Messages": [{"MessageID": "a", "Status": "Sent"}]}
    server.search = lambda query: real(query) if query["metadata_batch"] == LATER else stray
    assert ask(server, hour) == [UNKNOWN] * 5


def test_a_filter_that_is_ignored_accepts_nobody(server, hour):
    send(mailer_for(server), key="some-other-batch")
    hour.now += server.lag
    real = server.search
    server.search = lambda query: real({**query, "metadata_batch": "some-other-batch"})
    assert set(ask(server, hour)) == {UNKNOWN}


def test_a_long_list_is_read_to_its_end(server, hour):
    patient = mailer_for(server, patience=20)
    for _ in range(4):
        send(patient, *map(letter, range(200)))
    hour.now += server.lag
    everybody = Question(key=mailing().key, letters=tuple(map(letter, range(200))), first_at=NOW, last_at=NOW)
    assert {one.outcome for one in patient.look_up(everybody, now=hour.now)} == {ACCEPTED}
    assert [call.path.partition("offset=")[2][:4] for call in server.calls if call.method == "GET"] == ["0&me", "500&"]


@pytest.mark.parametrize("fault", ["get 500", "get html", "get 429", "get drop_before", "get maintenance"])
def test_a_look_that_fails_is_tried_later(server, hour, fault):
    server.plan(fault)
    with pytest.raises(TryLater, match="postmark"):
        ask(server, hour)


def test_a_look_with_a_bad_token_is_for_a_person(server, hour):
    with pytest.raises(MailerMisconfigured, match="correct its token"):
        mailer_for(server, "somebody-else").look_up(question(hour), now=hour.now)


def test_mail_is_found_when_postmark_was_restarted_in_between(tmp_path, hour):
    with PostmarkServer(tmp_path, clock=hour) as server:
        server.suppress(EVERYBODY[4])
        server.plan("accept_then_drop")
        with pytest.raises(OutcomeUnknown):
            send(mailer_for(server))
    hour.now += timedelta(minutes=5)
    with PostmarkServer(tmp_path, clock=hour) as server:
        assert ask(server, hour) == [*[ACCEPTED] * 4, UNKNOWN]
        assert recipients(server) == EVERYBODY[:4]
        assert send(mailer_for(server), letter(4), key=LATER) == [REJECTED]


def test_a_call_that_is_taken_long_after_we_gave_up_is_found(server, hour):
    server.plan("slow")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, mailer_for(server))
        assert server.waiting.wait(10)
        with pytest.raises(OutcomeUnknown):
            first.result(10)
        assert server.mails == []
        server.release()
        assert server.taken.wait(10)
    hour.now += LAG
    assert ask(server, hour) == [ACCEPTED] * 5


# ---------------------------------------------------------------- nothing was taken


@pytest.mark.parametrize(("fault", "least", "most"), [("429", 7, 7), ("429-date", 80, 90)])
def test_it_is_left_alone_for_as_long_as_it_asks(server, fault, least, most):
    server.plan(fault)
    with pytest.raises(TryLater, match="Rate limit exceeded") as caught:
        send(mailer_for(server))
    assert least <= caught.value.retry_after.total_seconds() <= most


def test_a_wait_that_makes_no_sense_is_left_to_us(server):
    server.plan("429-garbage")
    with pytest.raises(TryLater) as caught:
        send(mailer_for(server))
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("fault", "words", "failure"),
    [
        ("quota", "credit is used up", Failure.QUOTA),
        ("422", "may not send; ask Postmark", Failure.REPUTATION),
        ("redirect", "correct base_url", Failure.CREDENTIALS),
    ],
)
def test_what_a_person_must_mend_says_how(server, fault, words, failure):
    server.plan(fault)
    with pytest.raises(MailerMisconfigured, match=words) as caught:
        send(mailer_for(server))
    assert caught.value.failure is failure
    assert server.mails == []
    assert len(server.calls) == 1


def test_a_call_that_is_too_large_is_to_be_split(server):
    server.plan("413", "413")
    with pytest.raises(Refused, match="413"):
        send(mailer_for(server))
    assert send(mailer_for(server), letter(0)) == [REJECTED]
    with pytest.raises(Refused, match="410 Too many batch messages"):
        send(mailer_for(server), *(letter(0)._replace(position=position) for position in range(501)))


def test_a_message_that_is_too_large_is_no_readers_fault(server):
    large = replace(
        mailing(letter(0), letter(1)), variants={1: Rendered(subject="s", html='"' * 4_900_000, text="y" * 4_900_000)}
    )
    with pytest.raises(MailerMisconfigured, match="larger than 10 MB"):
        mailer_for(server).submit(mailer_for(server).prepare(large))
    assert server.mails == []


@pytest.mark.parametrize(
    "address", ["https://no-such-host.invalid", "http://127.0.0.1:{port}", "https://localhost:{port}"]
)
def test_no_connection_proves_that_nothing_was_taken(server, hour, address):
    mailer = mailer_for(server, base_url=address.format(port=unused_port()))
    for attempt in (lambda: send(mailer), mailer.check, lambda: mailer.look_up(question(hour), now=NOW)):
        with pytest.raises(TryLater, match="cannot reach"):
            attempt()


def test_a_connection_that_ends_while_the_call_is_written_proves_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(OutcomeUnknown):
            send(Postmark("postmark", TOKEN, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", patience=2))
        thread.join()


# ---------------------------------------------------------------- events


def events(server: PostmarkServer, body: bytes, **changes: str) -> tuple[MailEvent, ...]:
    return mailer_for(server, **changes).events(hook_headers(), body, now=NOW)


@pytest.fixture
def sent(server: PostmarkServer) -> PostmarkServer:
    send(mailer_for(server))
    return server


@pytest.mark.parametrize(
    ("record", "changes", "kind"),
    [
        ("Delivery", {}, EventKind.DELIVERED),
        *[("Bounce", {"Type": name}, EventKind.HARD_BOUNCE) for name in ("HardBounce", "BadEmailAddress")],
        *[("Bounce", {"Type": name}, EventKind.SOFT_BOUNCE) for name in ("Transient", "DnsError", "SoftBounce")],
        ("Bounce", {"Details": "smtp;550 5.7.26 not authenticated"}, EventKind.BLOCKED),
        ("Bounce", {"Type": "SpamComplaint"}, EventKind.COMPLAINT),
        ("Bounce", {"Type": "SpamNotification"}, EventKind.BLOCKED),
        *[("Bounce", {"Type": name}, EventKind.BLOCKED) for name in ("Blocked", "DMARCPolicy")],
        *[("Bounce", {"Type": name}, None) for name in ("AutoResponder", "ManuallyDeactivated", "Unknown", None, [])],
        ("SpamComplaint", {}, EventKind.COMPLAINT),
        ("Open", {}, EventKind.OPENED),
        ("Click", {}, EventKind.CLICKED),
        ("SubscriptionChange", {}, EventKind.UNSUBSCRIBED),
        ("SubscriptionChange", {"SuppressionReason": None}, EventKind.UNSUBSCRIBED),
        ("SubscriptionChange", {"SuppressionReason": "HardBounce"}, EventKind.HARD_BOUNCE),
        ("SubscriptionChange", {"SuppressionReason": "SpamComplaint", "Origin": "Customer"}, EventKind.COMPLAINT),
        ("SubscriptionChange", {"Origin": "Customer"}, None),
        ("SubscriptionChange", {"SuppressSending": False}, None),
        ("Delivery", {"RecordType": "Inbound"}, None),
        ("Delivery", {"MessageStream": "outbound"}, None),
        ("Delivery", {"MessageStream": None}, EventKind.DELIVERED),
    ],
)
def test_an_event_says_what_became_of_which_letter(sent, record, changes, kind):
    told = events(sent, sent.hook(record, sent.mails[3], **changes))
    assert [one.kind for one in told] == ([kind] if kind else [])
    for one in told:
        assert (one.recipient, one.batch, one.position) == (EVERYBODY[3], mailing().key, 3)
        assert one.message_id == sent.mails[3].id
        assert one.at == NOW + timedelta(seconds=20, microseconds=123456)


def test_a_bounce_keeps_what_the_receiving_server_said(sent):
    (event,) = events(sent, sent.hook("Bounce", sent.mails[0]))
    assert (event.code, event.detail) == ("HardBounce", "smtp;550 5.1.1 no such user")


def test_an_event_that_is_told_again_is_the_same_and_another_is_not(sent):
    kinds = ("Delivery", "Bounce", "SpamComplaint", "Open", "Click", "SubscriptionChange")
    bodies = [sent.hook(kind, mail) for kind in kinds for mail in sent.mails]
    bodies.append(sent.hook("Click", sent.mails[0], OriginalLink="https://harbour-gazette.example/regatta"))
    bodies.append(sent.hook("Open", sent.mails[0], ReceivedAt="2026-11-22T08:00:00Z"))
    ids = [event.event_id for body in (*bodies, *bodies) for event in events(sent, body)]
    assert len(set(ids)) == len(bodies) == len(ids) / 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        hook_headers(password="guess"),
        hook_headers(user="", password=""),
        {"authorization": hook_headers()["authorization"].replace("Basic", "Bearer")},
        {"authorization": "Basic ***"},
        {"authorization": "Basic é"},
    ],
)
def test_a_call_without_our_password_is_turned_away(sent, headers):
    with pytest.raises(WebhookRejected, match="postmark") as caught:
        mailer_for(sent).events(headers, sent.hook("Bounce", sent.mails[0]), now=NOW)
    assert HOOK_PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{"webhook_password": ""}, {"webhook_user": ""}, {"webhook_user": "", "webhook_password": ""}]
)
def test_without_a_password_of_ours_nobody_is_believed(sent, changes):
    mailer = mailer_for(sent, **changes)
    for given in (hook_headers(), hook_headers(user="", password=""), {"authorization": "Basic "}, {}):
        with pytest.raises(WebhookRejected):
            mailer.events(given, sent.hook("Bounce", sent.mails[0]), now=NOW)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"RecordType": {}}', b"\xff\xfe"])
def test_what_says_nothing_is_no_event(server, body):
    assert events(server, body) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"Metadata": None},
        {"Metadata": {"batch": "b", "rid": "-1"}},
        {"Metadata": {"batch": "b", "rid": "٣"}},
        {"Metadata": {"rid": "9" * 40}},
        {"DeliveredAt": "yesterday", "Recipient": None},
        {"DeliveredAt": "0001-01-01T00:00:00+23:00"},
    ],
)
def test_an_event_without_its_place_or_time_is_still_one(sent, changes):
    (event,) = events(sent, sent.hook("Delivery", sent.mails[0], **changes))
    assert event.kind is EventKind.DELIVERED
    if "Metadata" in changes:
        assert event.position == -1
    else:
        assert event.at == NOW


def test_events_arrive_repeated_and_in_any_order_and_say_the_same(sent):
    heard: list[MailEvent] = []
    mailer = mailer_for(sent)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.extend(mailer.events(headers, self.rfile.read(int(headers["content-length"])), now=NOW))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    bodies = [sent.hook(record, mail) for mail in sent.mails for record in ("Delivery", "SpamComplaint")]
    with HTTPServer(("127.0.0.1", 0), Door) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        statuses = sent.emit(f"http://127.0.0.1:{http.server_port}/hooks/mail/postmark", bodies, times=2, seed=1884)
        http.shutdown()
        thread.join()
    assert statuses == [200] * 20
    straight = [event for body in bodies for event in mailer.events(hook_headers(), body, now=NOW)]
    assert [event.event_id for event in heard[:10]] != [event.event_id for event in straight]
    assert {event.event_id: event for event in heard} == {event.event_id: event for event in straight}


# ---------------------------------------------------------------- settings


def test_check_names_the_stream(server):
    assert mailer_for(server).check() == f"{server.url}, token accepted, stream broadcast (broadcasts)"
    assert mailer_for(server, stream="outbound").check().endswith("stream outbound (transactional)")


def test_check_refuses_a_stream_whose_unsubscribes_we_would_not_hear_of(server):
    server.streams["broadcast"].handling = "Postmark"
    with pytest.raises(MailerMisconfigured, match="set its unsubscribe handling to Custom at Postmark"):
        mailer_for(server).check()


def test_check_refuses_a_stream_that_does_not_send(server):
    with pytest.raises(MailerMisconfigured, match="it has no stream weekly"):
        mailer_for(server, stream="weekly").check()
    with pytest.raises(MailerMisconfigured, match="stream inbound does not send"):
        mailer_for(server, stream="inbound").check()
    server.streams["broadcast"].archived = "2026-11-01T00:00:00Z"
    with pytest.raises(MailerMisconfigured, match="stream broadcast does not send"):
        mailer_for(server).check()


def test_the_test_token_would_lose_mail_and_is_refused(server):
    mailer = mailer_for(server, TEST_TOKEN)
    for attempt in (lambda: send(mailer), mailer.check):
        with pytest.raises(MailerMisconfigured, match="sends nothing"):
            attempt()
    assert server.calls == []


def test_another_address_of_the_api_is_for_a_person(server):
    with pytest.raises(MailerMisconfigured, match="404"):
        send(mailer_for(server, base_url=f"{server.url}/v9"))


@pytest.mark.parametrize("url", ["http://api.reader.example", "ftp://127.0.0.1", "api.postmarkapp.com"])
def test_a_token_never_travels_unencrypted(server, url):
    with pytest.raises(MailerMisconfigured, match="must begin with https://"):
        mailer_for(server, base_url=url).check()


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ä"])
def test_a_token_that_cannot_be_one_is_told_and_not_quoted(server, token):
    with pytest.raises(MailerMisconfigured, match="copy it again") as caught:
        mailer_for(server, token).check()
    assert not token or token not in str(caught.value)


def test_no_error_holds_the_token(server):
    for fault in ("429", "quota", "accept_then_500", "redirect", "html"):
        server.plan(fault)
        with pytest.raises((TryLater, MailerMisconfigured, OutcomeUnknown)) as caught:
            send(mailer_for(server))
        mailer = mailer_for(server)
        assert TOKEN not in f"{caught.value!r} {caught.value.__cause__!r} {mailer!r} {mailer._api!r}"


# ---------------------------------------------------------------- the other side is as strict as the real one


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"X-Postmark-Server-Token": ""}, 401, 10),
        ({"Accept": "*/*"}, 422, 409),
        ({"Content-Type": "text/plain"}, 415, 409),
    ],
)
def test_the_fake_wants_its_headers(server, headers, status, code):
    good = {"X-Postmark-Server-Token": TOKEN, "Accept": "application/json", "Content-Type": "application/json"}
    answer = requests.post(f"{server.url}/email/batch", data=b"[]", headers={**good, **headers}, timeout=5)
    assert (answer.status_code, answer.json()["ErrorCode"]) == (status, code)


def test_the_fakes_test_token_takes_nothing_and_its_window_ends(server):
    headers = {"X-Postmark-Server-Token": TEST_TOKEN, "Accept": "application/json", "Content-Type": "application/json"}
    body = mailer_for(server).prepare(mailing()).payloads[0]
    answer = requests.post(f"{server.url}/email/batch", data=body, headers=headers, timeout=5)
    assert [entry["ErrorCode"] for entry in answer.json()] == [0] * 5
    assert server.mails == []
    window = f"{server.url}/messages/outbound?count=500&offset=9501"
    assert requests.get(window, headers=headers, timeout=5).status_code == 422


def test_the_fake_replaces_message_ids_and_placeholders_where_it_is_let(server):
    email = {
        "From": "daily@harbour-gazette.example", "To": "a@reader.example, b@reader.example", "Subject": "News",
        "TextBody": "Leave: {{{ pm:unsubscribe }}}", "MessageStream": "broadcast",
        "Headers": [{"Name": "Message-ID", "Value": "<ours@harbour-gazette.example>"}],
    }  # fmt: skip
    server.suppress("b@reader.example")
    (entry,) = server.batch(json.dumps([email]).encode())
    assert entry["Message"].startswith("Message OK, but will not deliver to these inactive addresses: b@reader.example")
    (mail,) = server.mails
    assert mail.recipient == "a@reader.example"
    assert mail.content["TextBody"] == "Leave: https://unsubscribe.postmark.example/1"
    assert mail.headers["message-id"] != "<ours@harbour-gazette.example>"
