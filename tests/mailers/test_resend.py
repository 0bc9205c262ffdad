from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from pathlib import Path

import orjson
import pytest

from publisher.errors import Failure, MailerMisconfigured, OutcomeUnknown, Refused, TryLater, WebhookRejected
from publisher.mailers.resend import Resend
from publisher.model import EventKind, MailEvent, Outcome, Rendered
from tests.contracts.mailer_cases import Got, MailerCases, letter, mailing
from tests.fakes.resend import KEY, SENDING_ONLY_KEY, WEBHOOK_SECRET, Hook, ResendServer

ACCEPTED, DEFERRED, REJECTED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REJECTED
EVERYBODY = [f"reader{n}@reader.example" for n in range(5)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ResendServer]:
    with ResendServer(tmp_path) as server:
        yield server


def mailer_for(server: ResendServer, key: str = KEY) -> Resend:
    return Resend("resend", key, base_url=server.url, patience=0.5)


def send(mailer: Resend, *letters, **changes: str) -> list[Outcome]:
    return [one.outcome for one in mailer.submit(mailer.prepare(mailing(*letters, **changes)))]


def recipients(server: ResendServer) -> list[str]:
    return sorted(mail.recipient for mail in server.mails)


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class ResendRig:
    def __init__(self, server: ResendServer) -> None:
        self.server = server
        self.mailer = mailer_for(server)

    def got(self) -> list[Got]:
        return [
            Got(
                recipient=mail.recipient,
                subject=mail.content["subject"],
                sender=mail.content["from"],
                text=mail.content["text"],
                html=mail.content["html"],
                headers={
                    **{name.lower(): str(make_header(decode_header(v))) for name, v in mail.content["headers"].items()},
                    **({"reply-to": mail.content["reply_to"]} if "reply_to" in mail.content else {}),
                },
            )
            for mail in self.server.mails
        ]

    def lose_an_answer(self) -> None:
        self.server.plan("accept_then_drop")

    def refused(self) -> Resend:
        return mailer_for(self.server, key="re_somebody_else")

    def unreachable(self) -> Resend:
        return Resend("resend", KEY, base_url=f"http://127.0.0.1:{unused_port()}")


class TestResend(MailerCases):
    @pytest.fixture
    def rig(self, server: ResendServer) -> ResendRig:
        return ResendRig(server)


# ---------------------------------------------------------------- what goes out


def test_a_batch_is_one_call_with_a_key_that_never_changes(server):
    results = mailer_for(server).submit(mailer_for(server).prepare(mailing()))
    (call,) = server.calls
    assert call.path == "/emails/batch"
    assert call.headers["Idempotency-Key"] == mailing().key
    assert call.headers["x-batch-validation"] == "strict"
    assert call.headers["User-Agent"].startswith("Publisher/")
    assert call.headers["Content-Length"] == str(len(call.body))
    assert [one.reference for one in results] == [mail.id for mail in server.mails]
    assert json.loads(call.body)[0]["tags"] == [
        {"name": "edition", "value": "daily_daily_2026-11-22"},
        {"name": "batch", "value": mailing().key},
        {"name": "rid", "value": "0"},
    ]


def test_a_full_call_holds_a_hundred_letters(server):
    assert send(mailer_for(server), *map(letter, range(100))) == [ACCEPTED] * 100
    assert len(set(recipients(server))) == 100


def test_a_name_that_needs_quotes_gets_them(server):
    send(mailer_for(server), sender='"Gazette, The" <daily@harbour-gazette.example>')
    assert server.mails[0].content["from"] == '"Gazette, The" <daily@harbour-gazette.example>'


def test_a_list_name_beyond_ascii_is_encoded_as_headers_must_be(server):
    send(mailer_for(server), list_id="Nuacht Chill Mo Ghrúdaire <daily.harbour-gazette.example>")
    value = server.mails[0].content["headers"]["List-Id"]
    assert value.isascii()
    assert str(make_header(decode_header(value))) == "Nuacht Chill Mo Ghrúdaire <daily.harbour-gazette.example>"


# ---------------------------------------------------------------- nobody can tell


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
def test_an_unclear_answer_is_unknown_and_the_same_call_again_settles_it(server, fault, taken):
    server.plan(fault)
    with pytest.raises(OutcomeUnknown):
        send(mailer_for(server))
    assert bool(server.mails) == taken
    assert send(mailer_for(server)) == [ACCEPTED] * 5
    assert recipients(server) == EVERYBODY


def test_the_key_protects_when_resend_was_restarted_in_between(tmp_path):
    with ResendServer(tmp_path) as server:
        server.plan("accept_then_drop")
        with pytest.raises(OutcomeUnknown):
            send(mailer_for(server))
    with ResendServer(tmp_path) as server:
        assert send(mailer_for(server)) == [ACCEPTED] * 5
        assert recipients(server) == EVERYBODY


def test_a_key_outlives_what_we_rely_on(tmp_path):
    now = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    with ResendServer(tmp_path, clock=lambda: now) as server:
        send(mailer_for(server))
        now += mailer_for(server).capability.key_lifetime
        assert send(mailer_for(server)) == [ACCEPTED] * 5
        assert recipients(server) == EVERYBODY
        now += timedelta(hours=5)
        send(mailer_for(server))
        assert len(server.mails) == 10  # why a batch that old is never sent again


def test_a_call_that_is_still_being_worked_on_is_waited_for(server):
    server.plan("slow")
    patient = Resend("resend", KEY, base_url=server.url)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, patient)
        assert server.waiting.wait(10)
        with pytest.raises(OutcomeUnknown, match="concurrent_idempotent_requests"):
            send(mailer_for(server))
        server.release()
        assert first.result(10) == [ACCEPTED] * 5
    assert recipients(server) == EVERYBODY


def test_a_key_that_was_used_for_other_bytes_is_left_to_a_person(server):
    send(mailer_for(server))
    with pytest.raises(OutcomeUnknown, match="invalid_idempotent_request"):
        send(mailer_for(server), letter(0))
    assert recipients(server) == EVERYBODY


# ---------------------------------------------------------------- nothing was taken


@pytest.mark.parametrize(("fault", "least", "most"), [("429", 7, 7), ("429-date", 80, 90)])
def test_it_is_left_alone_for_as_long_as_it_asks(server, fault, least, most):
    server.plan(fault)
    with pytest.raises(TryLater, match="rate_limit_exceeded") as caught:
        send(mailer_for(server))
    assert least <= caught.value.retry_after.total_seconds() <= most


def test_a_wait_that_makes_no_sense_is_left_to_us(server):
    server.plan("429-garbage")
    with pytest.raises(TryLater) as caught:
        send(mailer_for(server))
    assert caught.value.retry_after is None


def test_a_used_up_quota_is_for_a_person(server):
    server.plan("quota")
    with pytest.raises(MailerMisconfigured, match=r"quota is used up .*daily_quota_exceeded") as caught:
        send(mailer_for(server))
    assert caught.value.failure is Failure.QUOTA


def test_one_bad_address_refuses_the_call_and_alone_is_rejected(server):
    bad = letter(1, email="nobody")
    with pytest.raises(Refused, match="Invalid `to` field"):
        send(mailer_for(server), letter(0), bad, letter(2))
    assert server.mails == []
    (result,) = mailer_for(server).submit(mailer_for(server).prepare(mailing(bad, key="half")))
    assert (result.position, result.outcome, result.code) == (1, REJECTED, "422 validation_error")
    assert send(mailer_for(server), letter(0), letter(2), key="other half") == [ACCEPTED] * 2


def test_a_refusal_that_names_the_letter_spares_the_others(server):
    server.plan("422")  # blames emails[1]
    assert send(mailer_for(server)) == [DEFERRED, REJECTED, DEFERRED, DEFERRED, DEFERRED]
    assert server.mails == []


def test_a_call_that_is_too_large_is_to_be_split(server):
    server.plan("413", "413")
    with pytest.raises(Refused, match="413"):
        send(mailer_for(server))
    assert send(mailer_for(server), letter(0)) == [REJECTED]


def test_what_all_letters_share_is_no_readers_fault(server):
    with pytest.raises(MailerMisconfigured, match=r"elsewhere.example domain is not verified"):
        send(mailer_for(server), sender="daily@elsewhere.example")
    with pytest.raises(MailerMisconfigured, match="Invalid `from` field"):
        send(mailer_for(server), letter(0), sender="daily")
    assert server.mails == []


def test_a_redirect_is_never_followed(server):
    server.plan("redirect")
    with pytest.raises(MailerMisconfigured, match="correct base_url"):
        send(mailer_for(server))
    assert len(server.calls) == 1


def test_another_address_of_the_api_is_for_a_person(server):
    with pytest.raises(MailerMisconfigured, match="404 not_found"):
        send(Resend("resend", KEY, base_url=f"{server.url}/v9"))


@pytest.mark.parametrize(
    "address", ["https://no-such-host.invalid", "http://127.0.0.1:{port}", "https://localhost:{port}"]
)
def test_no_connection_proves_that_nothing_was_taken(address):
    url = address.format(port=unused_port())
    with pytest.raises(TryLater, match="cannot reach"):
        send(Resend("resend", KEY, base_url=url))
    with pytest.raises(TryLater, match="cannot reach"):
        Resend("resend", KEY, base_url=url).check()


def test_a_tls_handshake_that_fails_proves_that_nothing_was_taken(server):
    with pytest.raises(TryLater, match="cannot reach"):
        send(Resend("resend", KEY, base_url=server.url.replace("http:", "https:")))
    assert server.calls == []


def test_a_connection_that_ends_while_the_call_is_written_proves_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(OutcomeUnknown):
            send(Resend("resend", KEY, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", patience=2))
        thread.join()


def test_a_large_call_may_take_long_to_be_written(monkeypatch):
    """What a connection may take to open bounds each piece that is written, and not the whole call."""
    monkeypatch.setattr("publisher.mailers._http._CONNECT", 0.3)
    letters = tuple(map(letter, range(100)))
    large = replace(mailing(*letters), variants={1: Rendered(subject="s", html="x" * 70_000, text="y")})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        answer = orjson.dumps({"data": [{"id": f"id{number}"} for number in range(100)]})

        def read_slowly() -> None:
            connection, _ = listener.accept()
            with connection:
                got = connection.recv(65536)
                size = int(re.search(rb"Content-Length: (\d+)", got)[1]) + got.index(b"\r\n\r\n") + 4
                read = len(got)
                while read < size and (piece := connection.recv(65536)):
                    time.sleep(0.01)  # a slow line is what this is about
                    read += len(piece)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)

        thread = threading.Thread(target=read_slowly)
        thread.start()
        began = time.monotonic()
        mailer = Resend("resend", KEY, base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", patience=10)
        results = mailer.submit(mailer.prepare(large))
        assert time.monotonic() - began > 2 * 0.3
        mailer.close()
        thread.join()
    assert [one.outcome for one in results] == [ACCEPTED] * 100


def test_a_call_more_than_a_second_allows_is_put_off_for_as_long_as_it_lasts(tmp_path):
    now = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    with ResendServer(tmp_path, clock=lambda: now, rate=2) as server:
        for number in range(2):
            assert send(mailer_for(server), letter(number), key=f"key {number}") == [ACCEPTED]
        with pytest.raises(TryLater, match="rate_limit_exceeded") as caught:
            send(mailer_for(server), letter(2), key="key 2")
        assert caught.value.retry_after == timedelta(seconds=1)
        now += timedelta(seconds=1)
        assert send(mailer_for(server), letter(2), key="key 2") == [ACCEPTED]


def test_whom_resend_suppresses_gets_nothing_and_we_hear_why(server):
    server.suppressed = {"reader1@reader.example": "previous_complaint", "reader2@reader.example": "previous_bounce"}
    assert send(mailer_for(server)) == [ACCEPTED] * 5
    assert recipients(server) == [one for one in EVERYBODY if one not in server.suppressed]
    events = [told(server.suppression(mail)) for mail in server.withheld]
    assert [(one.position, one.kind) for one in events] == [(1, EventKind.UNSUBSCRIBED), (2, EventKind.HARD_BOUNCE)]


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize("url", ["http://api.reader.example", "ftp://127.0.0.1", "api.resend.com"])
def test_a_key_never_travels_unencrypted(url):
    with pytest.raises(MailerMisconfigured, match="must begin with https://"):
        Resend("resend", KEY, base_url=url).check()


@pytest.mark.parametrize("key", ["", "re_a b", "re_a\nb", "re_ä"])
def test_a_key_that_cannot_be_one_is_told_and_not_quoted(server, key):
    with pytest.raises(MailerMisconfigured, match="copy it again") as caught:
        mailer_for(server, key).check()
    assert not key or key not in str(caught.value)


def test_check_accepts_a_key_that_may_only_send(server):
    assert mailer_for(server).check() == f"{server.url}, key accepted"
    assert "only send" in mailer_for(server, SENDING_ONLY_KEY).check()


def test_no_error_holds_the_key(server):
    for fault in ("429", "quota", "accept_then_500", "redirect", "html"):
        server.plan(fault)
        with pytest.raises((TryLater, MailerMisconfigured, OutcomeUnknown)) as caught:
            send(mailer_for(server))
        assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {mailer_for(server)!r}"


# ---------------------------------------------------------------- what it tells unasked

EARLY = datetime(2026, 1, 1, tzinfo=UTC)
#: A call as Svix's and the Standard Webhooks library both sign it.
VECTOR = {
    "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
    "svix-id": "msg_test1",
    "svix-timestamp": "1767225600",
    "svix-signature": "v1,UU7CdbjLk9hhy4FfsXNy1ZkkzrRfPszibEem4N590yg=",
}
VECTOR_BODY = (
    b'{"type":"email.delivered","created_at":"2026-01-01T00:00:00.000Z",'
    b'"data":{"email_id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}}'
)


def listener(secret: str = WEBHOOK_SECRET) -> Resend:
    return Resend("resend", KEY, webhook_secret=secret)


def told(hook: Hook, *, secret: str = WEBHOOK_SECRET, now: datetime = EARLY) -> MailEvent:
    (event,) = listener(secret).events(hook.headers(now), hook.body, now=now)
    return event


def sent(server: ResendServer):
    send(mailer_for(server), letter(0), letter(7))
    return server.mails[-1]


def test_the_known_vector_is_accepted():
    (event,) = listener(VECTOR["secret"]).events(VECTOR, VECTOR_BODY, now=EARLY)
    assert event.kind is EventKind.DELIVERED
    assert event.event_id == "msg_test1"
    assert event.at == EARLY
    assert (event.batch, event.position, event.recipient) == ("", -1, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"svix-signature": "v1,UU7CdbjLk9hhy4FfsXNy1ZkkzrRfPszibEem4N590yG="},
        {"svix-signature": "v2,UU7CdbjLk9hhy4FfsXNy1ZkkzrRfPszibEem4N590yg="},
        {"svix-signature": ""},
        {"svix-signature": "é"},
        {"svix-id": "msg_test2"},
        {"svix-id": ""},
        {"svix-timestamp": "1767225601"},
        {"svix-timestamp": "-1"},
        {"svix-timestamp": "9" * 20},
        {"svix-timestamp": ""},
    ],
)
def test_a_call_that_was_changed_is_rejected(changed):
    with pytest.raises(WebhookRejected):
        listener(VECTOR["secret"]).events(VECTOR | changed, VECTOR_BODY, now=EARLY)


def test_a_changed_body_is_rejected():
    with pytest.raises(WebhookRejected, match="does not fit"):
        listener(VECTOR["secret"]).events(VECTOR, VECTOR_BODY + b" ", now=EARLY)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_?", WEBHOOK_SECRET])
def test_without_the_secret_nothing_is_believed(secret):
    with pytest.raises(WebhookRejected):
        listener(secret).events(VECTOR, VECTOR_BODY, now=EARLY)


def test_one_fitting_signature_of_several_is_enough():
    several = {"svix-signature": f"v1,AAAA v1a,BBBB {VECTOR['svix-signature']}"}
    assert listener(VECTOR["secret"]).events(VECTOR | several, VECTOR_BODY, now=EARLY)


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-299, True), (299, True), (301, False)])
def test_a_signature_is_good_for_five_minutes(seconds, good):
    later = EARLY + timedelta(seconds=seconds)
    if good:
        assert listener(VECTOR["secret"]).events(VECTOR, VECTOR_BODY, now=later)
    else:
        with pytest.raises(WebhookRejected, match="too old"):
            listener(VECTOR["secret"]).events(VECTOR, VECTOR_BODY, now=later)


def test_an_event_finds_its_letter(server):
    mail = sent(server)
    event = told(server.event(mail, at=EARLY - timedelta(hours=9)))
    assert (event.batch, event.position, event.recipient) == (mailing().key, 7, "reader7@reader.example")
    assert event.at == EARLY - timedelta(hours=9)
    assert event.message_id == mail.id


@pytest.mark.parametrize(
    ("type", "about", "kind"),
    [
        ("email.sent", {}, EventKind.ACCEPTED),
        ("email.delivered", {}, EventKind.DELIVERED),
        ("email.delivery_delayed", {}, EventKind.DEFERRED),
        ("email.opened", {}, EventKind.OPENED),
        ("email.clicked", {"click": {"link": "https://harbour-gazette.example"}}, EventKind.CLICKED),
        ("email.complained", {}, EventKind.COMPLAINT),
        ("email.failed", {"failed": {"reason": "reached_daily_quota"}}, EventKind.BLOCKED),
        ("email.suppressed", {"suppressed": {"reason": "previous_bounce"}}, EventKind.HARD_BOUNCE),
        ("email.suppressed", {"suppressed": {"reason": "previous_complaint"}}, EventKind.UNSUBSCRIBED),
    ],
)
def test_what_resend_tells(server, type, about, kind):
    assert told(server.event(sent(server), type, **about)).kind is kind


@pytest.mark.parametrize(
    ("type", "sub_type", "diagnostic", "kind"),
    [
        ("Permanent", "General", "smtp; 550 5.1.1 user unknown", EventKind.HARD_BOUNCE),
        ("Permanent", "NoEmail", "smtp; 550 no such user", EventKind.HARD_BOUNCE),
        ("Permanent", "General", "smtp; 550-5.7.26 unauthenticated mail", EventKind.BLOCKED),
        ("Transient", "General", "smtp; 421 4.7.0 try again later", EventKind.SOFT_BOUNCE),
        ("Transient", "MailboxFull", "smtp; 452 4.2.2 over quota", EventKind.SOFT_BOUNCE),
        ("Transient", "ContentRejected", "", EventKind.BLOCKED),
        ("Undetermined", "Undetermined", "", EventKind.SOFT_BOUNCE),
        ("Permanent", "General", "smtp; 550 5.1.1 at 192.5.7.1", EventKind.HARD_BOUNCE),
    ],
)
def test_bounces_are_told_apart_by_whose_trouble_they_are(server, type, sub_type, diagnostic, kind):
    bounce = {"type": type, "subType": sub_type, "message": "It came back.", "diagnosticCode": [diagnostic]}
    event = told(server.event(sent(server), "email.bounced", bounce=bounce))
    assert event.kind is kind
    assert f"{type}/{sub_type}" in event.code
    assert event.detail == "It came back."


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"email.received","data":{}}',
        b'{"type":"domain.updated","data":{"id":1}}',
        b'{"type":"email.suppressed","data":{"suppressed":{"reason":"manual"}}}',
        b'{"type":["email.sent"]}',
        b"[]",
        b"null",
        b"not json",
    ],
)
def test_what_says_nothing_about_a_letter_is_no_event(body):
    hook = Hook("msg_1", body)
    assert listener().events(hook.headers(EARLY), hook.body, now=EARLY) == ()


@pytest.mark.parametrize(
    "data",
    [
        "7",
        "null",
        '{"to":7,"tags":7,"bounce":7}',
        '{"to":[],"tags":[7],"bounce":{"diagnosticCode":{"a":1},"type":[1],"subType":[1]}}',
        '{"to":[7],"tags":{"rid":"-1","batch":null}}',
        '{"to":"ann@reader.example\\u0000","tags":{"rid":"99999999999999999999"}}',
    ],
)
def test_a_signed_call_with_odd_fields_is_read_as_far_as_it_goes(data):
    hook = Hook("msg_1", f'{{"type":"email.bounced","created_at":"soon","data":{data}}}'.encode())
    event = told(hook)
    assert (event.kind, event.position, event.at) == (EventKind.SOFT_BOUNCE, -1, EARLY)
    assert "\0" not in event.recipient


def test_a_retry_is_the_same_event(server):
    hook = server.event(sent(server))
    later = EARLY + timedelta(hours=10)
    assert told(hook) == told(hook, now=later)


def test_a_webhook_secret_that_is_none_is_told_and_not_quoted(server):
    mailer = Resend("resend", KEY, webhook_secret="whsec_harbour?", base_url=server.url)
    with pytest.raises(MailerMisconfigured, match="webhook secret") as caught:
        mailer.check()
    assert "harbour?" not in str(caught.value)
    assert "whsec_harbour" not in repr(mailer)
